//! Fits: what a transform learns from the training part, and sets that share it.
//!
//! In: `fit name = expr` in a layer that a data block applies. Out: a slot of the
//! data set, given its value once, over the whole training part, before anything
//! else uses the set. `data new = ... as d` reads the same slots; a fold of
//! `folds(d, k)` has slots of its own, computed by the same nodes over its rows.

use std::collections::HashMap;

use super::Checker;
use super::data::{ColumnValue, SetColumn};
use super::intrinsics::Args;
use super::scope::FrameKind;
use super::typed::{ActionKind, Data, DataId, Eval, Fold, Kind, NodeId, Part, SlotId};
use super::value::{InstanceId, SlotValue, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Owner, Type};
use crate::source::Span;
use crate::syntax::ast::{Expr, Name, Path};

/// Most folds of a set.
const MOST_FOLDS: i64 = 1_000;

impl Checker<'_> {
    /// `fit name = expr`
    pub(super) fn fit_stmt(&mut self, name: &Name, expr: &Expr, span: Span) {
        let value = self.eval(expr);
        if self.open {
            return self.bind(&name.text, value, name.span);
        }
        let fitted = match self.block {
            Some(data) if self.frame().kind == FrameKind::Layer && self.frame().scans == 0 => {
                self.tensor(&value, expr.span).and_then(|tensor| self.fitted(data, name, tensor, expr.span))
            }
            Some(_) => {
                self.report(
                    Diagnostic::new(Code::E0403, "a `fit` stands in the body of a layer", span)
                        .help("a transform is a layer: `layer centred()(x) { fit mu = mean(x, along = 0); x - mu }`"),
                );
                None
            }
            None => {
                let used = self.frame().call_span;
                self.report(
                    Diagnostic::new(Code::E0403, "a transform is used in a data block", used)
                        .also(span, "this is learnt from the training part of a set")
                        .help("in the block of the set: `column z = x |> standardize`"),
                );
                None
            }
        };
        self.bind(&name.text, fitted.map_or(Value::Unknown, Value::Slot), name.span);
    }

    /// A slot for what is learnt.
    fn fitted(&mut self, data: DataId, name: &Name, tensor: Tensor, span: Span) -> Option<SlotValue> {
        let Some(sizes) = self.numbers_of(&tensor.shape) else {
            let message = format!("the size of a fit is known, this is {}", self.show_type(&tensor));
            self.report(
                Diagnostic::new(Code::E0401, message, span)
                    .help("a fit sums up the rows: `mean(x, along = 0)`, not a value for each of them"),
            );
            return None;
        };
        let path = self.unique_path(format!("{}.{}", self.frame().path, name.text));
        let slot = self.new_slot(&path, Owner::TrainState, Type::new(tensor.elem.dtype(), sizes), span);
        // What is read below has the value that is set before.
        self.versions[slot.index()] += 1;
        self.sets[data.index()].fits.push((slot, tensor.node));
        self.program.data[data.index()].fits.push(slot);
        Some(SlotValue { slot, elem: tensor.elem, shape: tensor.shape })
    }

    /// The actions that compute a set's fits: as many at once as do not read each other.
    pub(super) fn fit_actions(&mut self, data: DataId, span: Span) {
        let fits = self.sets[data.index()].fits.clone();
        let mut level: HashMap<SlotId, usize> = HashMap::new();
        let mut groups: Vec<(Vec<SlotId>, Vec<NodeId>)> = Vec::new();
        for (slot, node) in fits {
            let read = self.slots_read(node);
            let at = read.iter().filter_map(|slot| level.get(slot)).map(|level| level + 1).max().unwrap_or(0);
            level.insert(slot, at);
            if groups.len() <= at {
                groups.push((Vec::new(), Vec::new()));
            }
            groups[at].0.push(slot);
            groups[at].1.push(node);
        }
        let described = &self.program.data[data.index()];
        let on = Some((Part { data, name: "train".to_string(), by: None }, described.at_hand));
        for (slots, outputs) in groups {
            let eval = Eval { outputs, on: on.clone(), seed: self.seed };
            self.act(ActionKind::Set { slots, eval }, span);
        }
    }

    /// The slots that a value is made of.
    pub(super) fn slots_read(&self, node: NodeId) -> Vec<SlotId> {
        let slot = |node: &NodeId| match self.program.node(*node).kind {
            Kind::Read { slot, .. } => Some(slot),
            _ => None,
        };
        self.program.reachable([node]).iter().filter_map(slot).collect()
    }

    /// The fits that a train's columns are made with: they go with what it trains.
    pub(super) fn fits_of(&self, roots: impl IntoIterator<Item = NodeId>) -> Vec<SlotId> {
        let known: Vec<SlotId> = self.program.data.iter().flat_map(|data| data.fits.iter().copied()).collect();
        if known.is_empty() {
            return Vec::new();
        }
        let read = self.program.reachable(roots).into_iter().filter_map(|node| match self.program.node(node).kind {
            Kind::Read { slot, .. } if known.contains(&slot) => Some(slot),
            _ => None,
        });
        let mut found: Vec<SlotId> = read.collect();
        found.sort();
        found.dedup();
        found
    }

    /// Notes what is to be stored with a model.
    pub(super) fn note_fits(&mut self, instance: InstanceId, fits: Vec<SlotId>) {
        if !fits.is_empty() {
            self.trained_fits.insert(instance, fits);
        }
    }

    /// `data new = csv("new.csv") as passengers`
    pub(super) fn data_like(&mut self, name: &Name, source: &Expr, like: &Path, span: Span) -> Option<DataId> {
        let original = match self.path_value(like) {
            Value::Data(data) => data,
            Value::Unknown => return None,
            other => {
                let message = format!("`as` takes a data set, this is {}", other.describe());
                self.error(Code::E0304, message, like.span);
                return None;
            }
        };
        let (source, schema) = self.source_and_schema(source)?;
        let (at_hand, columns, fits) = {
            let described = &self.program.data[original.index()];
            (described.at_hand, described.columns.clone(), described.fits.clone())
        };
        let data = self.new_set(name, source, schema, span, at_hand);
        let own = std::mem::replace(&mut self.program.data[data.index()].columns, columns);
        let named = std::mem::take(&mut self.sets[data.index()].columns);
        let schema = self.sets[data.index()].schema.clone();
        let has = |from: &String| schema.columns.iter().any(|column| column.name == *from);
        let there: Vec<bool> =
            self.program.data[data.index()].columns.iter().map(|column| column.from.iter().all(has)).collect();
        let set = &self.sets[original.index()];
        let (nodes_of, nodes) = (set.nodes_of, set.nodes.clone());
        let mut kept: Vec<SetColumn> = Vec::new();
        for column in set.columns.clone() {
            let reached = match &column.value {
                ColumnValue::Read(read) => vec![*read],
                ColumnValue::Made(tensor) => self.columns_read(tensor.node),
                ColumnValue::Unknown => Vec::new(),
            };
            if reached.iter().all(|read| there[*read]) {
                kept.push(column);
            }
        }
        // Its own other columns come behind.
        for (column, name) in own.into_iter().zip(named) {
            if !kept.iter().any(|known| known.name == name.name)
                && set_lacks(&self.sets[original.index()].columns, &name.name)
            {
                let columns = &mut self.program.data[data.index()].columns;
                columns.push(column);
                kept.push(SetColumn { name: name.name, value: ColumnValue::Read(columns.len() - 1) });
            }
        }
        let set = &mut self.sets[data.index()];
        (set.columns, set.nodes_of, set.nodes) = (kept, nodes_of, nodes);
        let described = &mut self.program.data[data.index()];
        described.like = Some(original);
        described.fits = fits;
        if self.blind.contains(&original) {
            self.blind.insert(data);
        }
        self.list_names(data);
        Some(data)
    }

    /// Numbers of what is read for a value.
    pub(super) fn columns_read(&self, node: NodeId) -> Vec<usize> {
        let read = |node: NodeId| match self.program.node(node).kind {
            Kind::Column { column, .. } => Some(column),
            _ => None,
        };
        self.program.reachable([node]).into_iter().filter_map(read).collect()
    }

    /// `folds(d, k)`: sets with `train` and `val`, each with fits of its own.
    pub(super) fn folds(&mut self, args: &Args, span: Span) -> Value {
        let (Some((of, place)), Some((count, count_place))) = (args[0].clone(), args[1].clone()) else {
            return Value::Unknown;
        };
        let of = match of {
            Value::Data(data) => data,
            other => {
                let message = format!("`folds` takes a data set, this is {}", other.describe());
                return self.error(Code::E0304, message, place);
            }
        };
        let Some(count) = self.whole(&count, "the number of folds", count_place) else { return Value::Unknown };
        let described = &self.program.data[of.index()];
        let dealt: u64 = described.parts.iter().filter(|(name, _)| name != "test").map(|(_, rows)| *rows).sum();
        if described.fold.is_some() || described.like.is_some() || described.source.is_sequence() {
            let message = format!("`{}` cannot be dealt out into folds", described.name);
            let help = match described.source.is_sequence() {
                true => "rows of a sequence overlap: hold back its end with `split`",
                false => "take the set that it is made of",
            };
            return self.report(Diagnostic::new(Code::E0602, message, place).help(help));
        }
        if count < 2 || count > MOST_FOLDS.min(dealt as i64) {
            let message = format!("{count} folds of {dealt} rows");
            return self.report(
                Diagnostic::new(Code::E0602, message, count_place)
                    .help("there are at least 2, and at most as many as rows of train and val"),
            );
        }
        if let Some(known) = self.folded.get(&(of, count)) {
            return Value::List(known.iter().map(|fold| Value::Data(*fold)).collect::<Vec<_>>().into());
        }
        let folds: Vec<DataId> =
            (0..count as usize).map(|number| self.fold(of, number, count as usize, dealt, span)).collect();
        let values = folds.iter().map(|fold| Value::Data(*fold)).collect::<Vec<_>>();
        self.folded.insert((of, count), folds);
        Value::List(values.into())
    }

    fn fold(&mut self, of: DataId, number: usize, count: usize, dealt: u64, span: Span) -> DataId {
        let data = DataId(self.program.data.len() as u32);
        let described = self.program.data[of.index()].clone();
        let held_back = dealt / count as u64 + u64::from((number as u64) < dealt % count as u64);
        let mut parts = vec![("train".to_string(), dealt - held_back), ("val".to_string(), held_back)];
        parts.extend(described.parts.iter().filter(|(name, _)| name == "test").cloned());
        self.program.data.push(Data { parts, fold: Some(Fold { of, number, count }), fits: Vec::new(), ..described });
        let mut set = self.sets[of.index()].clone();
        let fits = std::mem::take(&mut set.fits);
        self.sets.push(set);
        let mut copies = Copies { slots: HashMap::new(), nodes: HashMap::new() };
        for (slot, node) in fits {
            let node = self.copied(node, &mut copies);
            let known = self.program.slot(slot).clone();
            let name = &self.program.data[of.index()].name;
            let rest = known.path.strip_prefix(name.as_str()).unwrap_or(&known.path);
            let path = self.unique_path(format!("{name}.fold{number}{rest}"));
            let copy = self.new_slot(&path, Owner::TrainState, known.ty, known.span);
            self.versions[copy.index()] += 1;
            copies.slots.insert(slot, copy);
            self.sets[data.index()].fits.push((copy, node));
            self.program.data[data.index()].fits.push(copy);
        }
        for at in 0..self.sets[data.index()].columns.len() {
            if let ColumnValue::Made(tensor) = self.sets[data.index()].columns[at].value.clone() {
                let node = self.copied(tensor.node, &mut copies);
                self.sets[data.index()].columns[at].value = ColumnValue::Made(Tensor { node, ..tensor });
            }
        }
        if self.blind.contains(&of) {
            self.blind.insert(data);
        }
        self.fit_actions(data, span);
        data
    }

    /// The same value with other fits; what reads none of them is itself.
    fn copied(&mut self, root: NodeId, copies: &mut Copies) -> NodeId {
        for id in self.program.reachable([root]) {
            if copies.nodes.contains_key(&id) {
                continue;
            }
            let node = self.program.node(id).clone();
            let operands: Vec<NodeId> =
                node.operands.iter().map(|operand| copies.nodes.get(operand).copied().unwrap_or(*operand)).collect();
            let kind = match &node.kind {
                Kind::Read { slot, .. } => match copies.slots.get(slot) {
                    Some(copy) => Kind::Read { slot: *copy, version: self.versions[copy.index()] },
                    None => continue,
                },
                _ if operands == node.operands => continue,
                other => other.clone(),
            };
            let copy = self.push(kind, operands, node.ty, node.span);
            self.program.nodes[copy.index()].name = node.name;
            copies.nodes.insert(id, copy);
        }
        copies.nodes.get(&root).copied().unwrap_or(root)
    }
}

/// What stands for what in a copy.
struct Copies {
    slots: HashMap<SlotId, SlotId>,
    nodes: HashMap<NodeId, NodeId>,
}

fn set_lacks(columns: &[SetColumn], name: &str) -> bool {
    !columns.iter().any(|column| column.name == name)
}
