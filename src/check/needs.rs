//! What a program wants of each column: nothing, its values, or a value in every row.
//!
//! In: the finished program. Out: the [`Need`] of what is read of each set. A gap
//! is followed from the column through all that is computed of it; it ends where
//! `where(missing(x), other, x)` takes something else, and where only a fit or a
//! choice of rows sees it. Invariant: whatever a gap can reach is refused when the
//! rows are read, with file, line and column.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Checker;
use super::typed::{Action, ActionKind, DataId, Eval, Kind, Need, NodeId, Program, Share, Shown};
use crate::ir::{Comparison, Const, Op};

/// Columns whose gaps may be in a value, by their numbers.
type Gaps = Rc<BTreeSet<usize>>;

impl Checker<'_> {
    /// Notes the needs of all sets.
    pub(super) fn note_needs(&mut self) {
        if self.program.data.is_empty() {
            return;
        }
        let mut wanted: Vec<(DataId, usize, Need)> = Vec::new();
        let gaps = gaps(&self.program);
        for action in &self.program.actions {
            note_action(&self.program, action, &gaps, &mut wanted);
        }
        for (at, data) in self.program.data.iter().enumerate() {
            let id = DataId(at as u32);
            let shares = data.split.iter().filter_map(|(_, share)| match share {
                Share::Rows(rows) => Some(*rows),
                Share::Fraction(_) => None,
            });
            note(&self.program, id, shares.chain(data.kept), None, &mut wanted);
            wanted.extend(data.stratify.map(|column| (id, column, Need::Complete)));
        }
        for (data, column, need) in wanted {
            // Folds read what the set reads that they are made of.
            let data = self.program.data[data.index()].fold.map_or(data, |fold| fold.of);
            let known = &mut self.program.data[data.index()].columns[column].need;
            *known = (*known).max(need);
        }
    }
}

fn note_action(program: &Program, action: &Action, gaps: &[Gaps], wanted: &mut Vec<(DataId, usize, Need)>) {
    let mut eval = |eval: &Eval, gaps: Option<&[Gaps]>| {
        if let Some((part, _)) = &eval.on {
            note(program, part.data, eval.outputs.iter().copied(), gaps, wanted);
        }
    };
    match &action.kind {
        ActionKind::Set { slots, eval: set } => {
            let is_fit = program.data.iter().any(|data| slots.iter().any(|slot| data.fits.contains(slot)));
            eval(set, if is_fit { None } else { Some(gaps) });
        }
        ActionKind::Print { eval: printed, values } => {
            eval(printed, Some(gaps));
            values.iter().for_each(|value| note_texts(value, wanted));
        }
        ActionKind::Assert { eval: asserted, message, sides } => {
            eval(asserted, Some(gaps));
            message.iter().chain(sides.iter().map(|(_, side)| side)).for_each(|value| note_texts(value, wanted));
        }
        ActionKind::Record { eval: recorded, .. } => eval(recorded, Some(gaps)),
        ActionKind::Plot { eval: drawn, .. } => eval(drawn, Some(gaps)),
        ActionKind::Train(train) => {
            if let Some(data) = train.data {
                let steps = train.phases.iter().flat_map(|phase| {
                    let writes = phase.writes.iter().map(|(_, node)| *node);
                    writes.chain(phase.loss).chain(phase.recorded.iter().copied())
                });
                let figures = train.figures.iter().flat_map(|figure| [Some(figure.train), figure.val]).flatten();
                note(program, data, steps.chain(figures), Some(gaps), wanted);
            }
            for action in train.every.iter().flat_map(|every| &every.actions) {
                note_action(program, action, gaps, wanted);
            }
        }
        ActionKind::Save { .. } | ActionKind::Load { .. } | ActionKind::Take { .. } | ActionKind::Group(_) => {}
    }
}

/// Columns that values on rows of a set are made of; with `gaps` those whose gaps would show must be complete.
fn note(
    program: &Program,
    data: DataId,
    roots: impl IntoIterator<Item = NodeId>,
    gaps: Option<&[Gaps]>,
    wanted: &mut Vec<(DataId, usize, Need)>,
) {
    let roots: Vec<NodeId> = roots.into_iter().collect();
    for node in program.reachable(roots.iter().copied()) {
        if let Kind::Column { column, .. } = program.node(node).kind {
            wanted.push((data, column, Need::Values));
        }
    }
    for gaps in gaps.into_iter().flat_map(|gaps| roots.iter().map(|root| &gaps[root.index()])) {
        wanted.extend(gaps.iter().map(|column| (data, *column, Need::Complete)));
    }
}

/// Columns of texts that are shown.
fn note_texts(shown: &Shown, wanted: &mut Vec<(DataId, usize, Need)>) {
    match shown {
        Shown::Texts(data, column) => wanted.push((*data, *column, Need::Values)),
        Shown::List(items) | Shown::Tuple(items) | Shown::Pieces(items) => {
            items.iter().for_each(|item| note_texts(item, wanted));
        }
        Shown::Record(fields) | Shown::Columns(fields) => fields.iter().for_each(|(_, item)| note_texts(item, wanted)),
        Shown::Text(_) | Shown::Output(..) | Shown::Decoded(..) | Shown::Table(_) => {}
    }
}

/// For every node the columns whose gaps may be in it.
fn gaps(program: &Program) -> Vec<Gaps> {
    let none: Gaps = Rc::default();
    let mut found: Vec<Gaps> = Vec::with_capacity(program.nodes.len());
    for node in &program.nodes {
        let of =
            |at: usize| node.operands.get(at).map_or_else(|| none.clone(), |operand| found[operand.index()].clone());
        let gaps = match &node.kind {
            Kind::Column { column, .. } => Rc::new(BTreeSet::from([*column])),
            Kind::Op(Op::Select) => match node.operands[..] {
                [condition, a, b] => match tested(program, condition) {
                    Some((value, true)) if same(program, value, b) => of(1),
                    Some((value, false)) if same(program, value, a) => of(2),
                    _ => union([of(0), of(1), of(2)].into_iter(), &none),
                },
                _ => none.clone(),
            },
            Kind::Op(_) if tested(program, NodeId(found.len() as u32)).is_some() => none.clone(),
            _ => union((0..node.operands.len()).map(of), &none),
        };
        found.push(gaps);
    }
    found
}

fn union(gaps: impl Iterator<Item = Gaps>, none: &Gaps) -> Gaps {
    let mut all = none.clone();
    for gaps in gaps.filter(|gaps| !gaps.is_empty()) {
        if all.is_empty() {
            all = gaps;
        } else if !gaps.is_subset(&all) {
            all = Rc::new(all.union(&gaps).copied().collect());
        }
    }
    all
}

/// What a condition asks of a value: whether it is missing (true), or there (false).
fn tested(program: &Program, condition: NodeId) -> Option<(NodeId, bool)> {
    let node = program.node(condition);
    match (&node.kind, &node.operands[..]) {
        (Kind::Op(Op::Not), [inner]) => tested(program, *inner).map(|(value, missing)| (value, !missing)),
        (Kind::Op(Op::Broadcast { .. } | Op::Reshape { .. }), [inner]) => tested(program, *inner),
        // Only NaN differs from itself.
        (Kind::Op(Op::Compare(Comparison::Eq)), [a, b]) if a == b => Some((*a, false)),
        // The number of a class that is missing is -1.
        (Kind::Op(Op::Compare(Comparison::Lt)), [a, zero]) if is_zero(program, *zero) => Some((*a, true)),
        _ => None,
    }
}

fn is_zero(program: &Program, node: NodeId) -> bool {
    let found = program.node(node);
    match (&found.kind, &found.operands[..]) {
        (Kind::Op(Op::Const { value: Const::I32(0), .. }), _) => true,
        (Kind::Op(Op::Broadcast { .. }), [inner]) => is_zero(program, *inner),
        _ => false,
    }
}

/// Whether two nodes are one value under two names.
fn same(program: &Program, a: NodeId, b: NodeId) -> bool {
    unnamed(program, a) == unnamed(program, b)
}

fn unnamed(program: &Program, node: NodeId) -> NodeId {
    let found = program.node(node);
    match (&found.kind, &found.operands[..]) {
        (Kind::Op(Op::Reshape { .. }), [inner]) if program.node(*inner).ty == found.ty => unnamed(program, *inner),
        _ => node,
    }
}
