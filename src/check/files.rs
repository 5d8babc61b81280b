//! `save` and `load`: which slots, under which names, in which file.

use super::Checker;
use super::typed::{ActionKind, SlotId};
use super::value::Value;
use crate::diag::Code;
use crate::source::Span;
use crate::syntax::ast::{Expr, Path};

impl Checker<'_> {
    pub(super) fn save(&mut self, what: &Path, to: &Expr, span: Span) {
        if let Some(action) = self.save_action(what, to) {
            self.act(action, span);
        }
    }

    /// The action of a `save`, if all is right with it.
    pub(super) fn save_action(&mut self, what: &Path, to: &Expr) -> Option<ActionKind> {
        let slots = self.stored(what)?;
        let to = self.file_name(to)?;
        let slots = slots.into_iter().map(|slot| (self.name_in_file(slot, None, None), slot)).collect();
        Some(ActionKind::Save { slots, to })
    }

    pub(super) fn load(&mut self, what: &Path, from: &Expr, at: Option<&Expr>, span: Span) {
        let value = self.path_value(what);
        let Some(from) = self.file_name(from) else { return };
        let at = match at {
            Some(at) => match self.file_name(at) {
                Some(at) => Some(at),
                None => return,
            },
            None => None,
        };
        if let Value::Instance(instance) = value {
            // Sizes may become known further down only: the list is filled in at the end.
            self.loads.push((self.actions.len(), instance, at.clone()));
            let fits = self.fits_so_far();
            self.act(ActionKind::Load { slots: Vec::new(), fits: fits.clone(), from }, span);
            let slots: Vec<SlotId> =
                self.slots_of(instance).into_iter().chain(fits.into_iter().map(|(_, slot)| slot)).collect();
            self.written(&slots);
            return;
        }
        let Some(slots) = self.stored(what) else { return };
        let named = slots.iter().map(|&slot| (self.name_in_file(slot, None, at.as_deref()), slot)).collect();
        self.act(ActionKind::Load { slots: named, fits: Vec::new(), from }, span);
        self.written(&slots);
    }

    /// Fits of the sets above, under their names: those that a file has are read from it.
    fn fits_so_far(&self) -> Vec<(String, SlotId)> {
        let mut named: Vec<(String, SlotId)> = Vec::new();
        let mut slots: Vec<SlotId> = self.program.data.iter().flat_map(|data| data.fits.iter().copied()).collect();
        slots.sort();
        slots.dedup();
        for slot in slots.into_iter().rev() {
            let name = self.name_in_file(slot, None, None);
            if !named.iter().any(|(known, _)| *known == name) {
                named.push((name, slot));
            }
        }
        named
    }

    /// Fills in what `load`s read, now that all sizes are known.
    pub(super) fn finish_loads(&mut self) {
        for (index, instance, at) in std::mem::take(&mut self.loads) {
            let path = self.instances[instance.0 as usize].path.clone();
            let named: Vec<(String, SlotId)> = self
                .slots_of(instance)
                .into_iter()
                .map(|slot| (self.name_in_file(slot, Some(&path), at.as_deref()), slot))
                .collect();
            if let ActionKind::Load { slots, .. } = &mut self.actions[index].1.kind {
                *slots = named;
            }
        }
    }

    /// A slot's name in a file: its path, with the instance's own replaced by `at`.
    fn name_in_file(&self, slot: SlotId, path: Option<&str>, at: Option<&str>) -> String {
        let full = self.program.slot(slot).name_in_file();
        match (path, at) {
            (Some(path), Some(at)) => format!("{at}{}", full.strip_prefix(path).unwrap_or(full)),
            (None, Some(at)) => at.to_string(),
            _ => full.to_string(),
        }
    }

    fn stored(&mut self, what: &Path) -> Option<Vec<SlotId>> {
        match self.path_value(what) {
            Value::Instance(instance) => {
                let mut slots = self.slots_of(instance);
                slots.extend(self.trained_fits.get(&instance).into_iter().flatten());
                if slots.is_empty() {
                    let message = "this has no parameters yet: nothing was computed with it".to_string();
                    self.error(Code::E0401, message, what.span);
                    return None;
                }
                Some(slots)
            }
            Value::Slot(slot) => Some(vec![slot.slot]),
            Value::Unknown => None,
            other => {
                self.error(Code::E0304, format!("{} cannot be stored", other.describe()), what.span);
                None
            }
        }
    }

    /// A known text.
    pub(super) fn file_name(&mut self, expr: &Expr) -> Option<String> {
        match self.eval(expr) {
            Value::Text(text) => Some(text.to_string()),
            Value::Unknown => None,
            other => {
                self.error(
                    Code::E0401,
                    format!("a known text is wanted here, this is {}", other.describe()),
                    expr.span,
                );
                None
            }
        }
    }
}
