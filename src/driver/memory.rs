//! Whether what a program computes fits the memory that it may use.
//!
//! In: a typed program and a number of bytes. Out: a diagnostic for each train
//! and evaluation that needs more, before anything runs. A bound by the sizes of
//! all values, which is quickly had, clears what fits by far; of the rest the
//! loops are made and their plan says what they need. Invariant: what is
//! reported is what the compiled program would hold at once.

use std::collections::HashSet;

use crate::check::dims::AtomId;
use crate::check::rows;
use crate::check::typed::{Action, ActionKind, Eval, Kind, NodeId, Program, Train};
use crate::diag::{Code, Diagnostic};
use crate::ir::Graph;
use crate::loops;
use crate::loops::plan::Report;
use crate::lower::{self, Request};
use crate::opt;
use crate::source::Span;
use crate::train::evaluate::{CHUNK, of_rest};

use super::computation::{rows_at_hand, step_rows};

/// How many times the memory of the values that are written in a program its gradients, and what they keep, may take.
const BACKWARD: u64 = 8;
/// Bytes that every machine has: below them nobody asks how many there are.
const SMALL: u64 = 256 << 20;
/// Rows at a time that are advised.
const ADVISED: u64 = 256;

/// One thing that is compiled for a number of rows.
struct Piece {
    request: Request,
    /// Values that are given, so that nothing behind them is computed.
    given: Vec<NodeId>,
    rows: Option<(AtomId, u64)>,
}

/// All trains and evaluations that need more than `limit` bytes; without a limit, more than the machine has.
///
/// # Errors
/// A fault of ours.
pub fn too_large(program: &Program, limit: Option<u64>) -> Result<Vec<Diagnostic>, String> {
    let mut found = Vec::new();
    let mut known = limit;
    for action in &program.actions {
        for piece in pieces(program, action) {
            let most = bound(program, &piece).saturating_mul(BACKWARD);
            if known.is_none() && most <= SMALL {
                continue;
            }
            let limit = *known.get_or_insert_with(|| machine_memory().unwrap_or(u64::MAX));
            if most <= limit {
                continue;
            }
            let graph = opt::run(lower::lower(program, &piece.request)?);
            let report = plan(&graph)?;
            let needed = (report.slots + report.constants + report.temporaries) as u64;
            if needed > limit {
                found.push(diagnostic(program, action, &report, needed, limit));
                break;
            }
        }
    }
    Ok(found)
}

/// Bytes of memory of the machine, or of the container; `None` where it does not say.
fn machine_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let container = system.cgroup_limits().map(|limits| limits.total_memory);
    Some(system.total_memory()).into_iter().chain(container).filter(|&bytes| bytes > 0).min()
}

fn plan(graph: &Graph) -> Result<Report, String> {
    Ok(loops::lower_with_report(graph, &loops::Options::default())?.1)
}

/// What an action compiles, the largest last.
fn pieces(program: &Program, action: &Action) -> Vec<Piece> {
    match &action.kind {
        ActionKind::Set { eval, .. }
        | ActionKind::Print { eval, .. }
        | ActionKind::Assert { eval, .. }
        | ActionKind::Record { eval, .. }
        | ActionKind::Plot { eval, .. } => evaluation(program, eval),
        ActionKind::Train(train) => (0..train.phases.len()).map(|phase| step(program, train, phase)).collect(),
        ActionKind::Save { .. } | ActionKind::Load { .. } | ActionKind::Take { .. } | ActionKind::Group(_) => {
            Vec::new()
        }
    }
}

fn evaluation(program: &Program, eval: &Eval) -> Vec<Piece> {
    let Some((part, atom)) = &eval.on else {
        let request = Request::of_outputs(&eval.outputs, None);
        return vec![Piece { request, given: Vec::new(), rows: None }];
    };
    let count = rows_at_hand(program, part);
    if part.by.is_some() || count <= CHUNK as u64 {
        let rows = Some((*atom, count));
        return vec![Piece { request: Request::of_outputs(&eval.outputs, rows), given: Vec::new(), rows }];
    }
    let split = rows::split(program, &eval.outputs, *atom);
    let front = Some((*atom, CHUNK as u64));
    let request = Request::of_outputs(&split.fronts, front);
    let fronts = Piece { request, given: Vec::new(), rows: front };
    let request = of_rest(&eval.outputs, &split, (*atom, count));
    let rest = Piece { request, given: split.fronts, rows: Some((*atom, count)) };
    vec![fronts, rest]
}

fn step(program: &Program, train: &Train, phase: usize) -> Piece {
    let rows = step_rows(program, train, phase);
    let request = lower::step_request(program, train, phase, rows);
    Piece { request, given: Vec::new(), rows: Some((train.rows, rows)) }
}

/// Bytes of all values that a piece computes, none of them sharing memory.
fn bound(program: &Program, piece: &Piece) -> u64 {
    let given: HashSet<NodeId> = piece.given.iter().copied().collect();
    let figures = piece.request.figures.iter().map(|(_, node)| *node);
    let mut rest: Vec<(NodeId, u64)> =
        figures.chain(piece.request.writes.iter().map(|(_, node)| *node)).map(|node| (node, 1)).collect();
    let mut seen: HashSet<NodeId> = HashSet::new();
    let open = |atom| piece.rows.filter(|(rows, _)| *rows == atom).map(|(_, count)| count as i64);
    let number = |dim| program.atoms.resolve_with(dim, &open).as_number().unwrap_or(1).max(1) as u64;
    let mut bytes = 0u64;
    while let Some((id, turns)) = rest.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = program.node(id);
        let elements = node.ty.shape.iter().map(number).fold(turns, u64::saturating_mul);
        bytes = bytes.saturating_add(elements.saturating_mul(4));
        if given.contains(&id) {
            continue;
        }
        rest.extend(node.operands.iter().map(|&operand| (operand, turns)));
        if let Kind::Scan { body, .. } = &node.kind {
            let turns = turns.saturating_mul(number(&body.turns));
            rest.extend(body.body.iter().map(|&inner| (inner, turns)));
        }
    }
    bytes
}

fn diagnostic(program: &Program, action: &Action, report: &Report, needed: u64, limit: u64) -> Diagnostic {
    let message = format!("this needs {} of memory, there are {}", size(needed), size(limit));
    let mut diagnostic = Diagnostic::new(Code::E0702, message, action.span);
    for (_, bytes, origin) in report.largest.iter().take(2) {
        if origin.span != Span::default() && *bytes as u64 > needed / 4 {
            diagnostic = diagnostic.also(origin.span, format!("this alone takes {}", size(*bytes as u64)));
        }
    }
    match advice(program, action) {
        Some(advice) => diagnostic.help(advice),
        None => diagnostic,
    }
}

/// What would need less.
fn advice(program: &Program, action: &Action) -> Option<String> {
    let averaged = |eval: &Eval| {
        let (part, _) = eval.on.as_ref()?;
        let data = &program.data[part.data.index()].name;
        let by = part.by.map_or(ADVISED, |by| by.div_ceil(4));
        Some(format!("`on {data}.{} by {by}` is the average over {by} rows at a time", part.name))
    };
    match &action.kind {
        ActionKind::Set { eval, .. } | ActionKind::Print { eval, .. } | ActionKind::Record { eval, .. } => {
            averaged(eval)
        }
        ActionKind::Assert { eval, .. } => {
            averaged(eval).map(|advice| format!("give it a name and assert that: {advice}"))
        }
        ActionKind::Train(train) if train.data.is_some() => Some(match train.batch {
            Some(batch) => format!("fewer rows a step: `batch {}`", (batch / 4).max(1)),
            None => "a step has the whole part: `batch 64` takes 64 rows at a time".to_string(),
        }),
        ActionKind::Train(_) | ActionKind::Plot { .. } => None,
        ActionKind::Save { .. } | ActionKind::Load { .. } | ActionKind::Take { .. } | ActionKind::Group(_) => None,
    }
}

/// `12.50 GB`, `3.1 KB`
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_readable() {
        assert_eq!([12, 4_300, 4_300_000].map(size), ["12 B", "4.3 KB", "4.3 MB"]);
        assert_eq!(size(12_345_000_000), "12.35 GB");
    }
}
