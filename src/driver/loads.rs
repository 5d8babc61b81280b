//! Files of weights that a program reads: where they are, and whether they hold
//! what is wanted.
//!
//! In: a checked program. Out: the same with the paths that were found, and a
//! diagnostic for each `load` that would fail. Invariant: a file that the run
//! itself writes before is left to the run, its contents being those of the
//! `save`; any other is opened here, before anything runs.

use std::collections::HashMap;
use std::path::Path;

use crate::check::typed::{Action, ActionKind, Program, SlotId};
use crate::diag::{Code, Diagnostic};
use crate::ir::Type;
use crate::source::Span;
use crate::train::files;

use super::FileWorld;

/// What a statement above writes to a file; of a train's own file nothing is known.
type Written = HashMap<String, Option<Vec<(String, Type)>>>;

/// Finds the files that are loaded, and reports those that do not hold what is wanted.
pub fn locate(program: &mut Program, world: &FileWorld) -> Vec<Diagnostic> {
    let mut actions = std::mem::take(&mut program.actions);
    let mut written = Written::new();
    let mut wrong = Vec::new();
    for Action { kind, span } in &mut actions {
        match kind {
            ActionKind::Load { slots, from, .. } => {
                let looked = match written.get(from) {
                    Some(saved) => offered(program, slots, from, saved.as_deref()),
                    None => {
                        *from = world.find(from);
                        stored(program, slots, Path::new(from))
                    }
                };
                wrong.extend(looked.err().map(|reason| diagnostic(reason, *span)));
            }
            kind => note(program, kind, &mut written),
        }
    }
    program.actions = actions;
    wrong
}

/// Notes the files that an action writes.
fn note(program: &Program, kind: &ActionKind, written: &mut Written) {
    match kind {
        ActionKind::Save { slots, to } => {
            written.insert(to.clone(), Some(named(program, slots)));
        }
        ActionKind::Train(train) => {
            written.insert(format!("{}.safetensors", train.file), None);
            train.every.iter().flat_map(|every| &every.actions).for_each(|action| note(program, &action.kind, written));
        }
        ActionKind::Set { .. } | ActionKind::Print { .. } | ActionKind::Assert { .. } | ActionKind::Load { .. } => {}
        ActionKind::Record { .. } | ActionKind::Take { .. } | ActionKind::Group(_) | ActionKind::Plot { .. } => {}
    }
}

fn named(program: &Program, slots: &[(String, SlotId)]) -> Vec<(String, Type)> {
    slots.iter().map(|(name, slot)| (name.clone(), program.slot(*slot).ty.clone())).collect()
}

fn offered(
    program: &Program,
    wanted: &[(String, SlotId)],
    file: &str,
    saved: Option<&[(String, Type)]>,
) -> Result<(), String> {
    let Some(saved) = saved else { return Ok(()) };
    for (name, ty) in named(program, wanted) {
        match saved.iter().find(|(known, _)| *known == name) {
            Some((_, stored)) if *stored == ty => {}
            Some((_, stored)) => return Err(format!("{name} is {ty} here and {stored} in {file}, as saved above")),
            None => return Err(format!("{file}, as saved above, has no {name}")),
        }
    }
    Ok(())
}

fn stored(program: &Program, wanted: &[(String, SlotId)], path: &Path) -> Result<(), String> {
    let contents = files::contents(path)?;
    named(program, wanted).iter().try_for_each(|(name, ty)| contents.offers(name, ty))
}

fn diagnostic(reason: String, span: Span) -> Diagnostic {
    Diagnostic::new(Code::E0701, reason, span).help(
        "what the program has saved above is read from its results; any other file is looked for beside the program, \
         then in the current folder",
    )
}
