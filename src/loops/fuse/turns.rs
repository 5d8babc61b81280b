//! Scans: a loop over turns, whose body is lowered as any graph is.
//!
//! In: the nodes of one scan. Out: kernels that lay the first values, then the
//! body's runs as a loop, and where each result lies. A carry whose values are
//! kept (emitted before or after the turn) lives in what it is emitted to, one
//! row longer, so nothing is copied; any other has one place, which the plan
//! lets the next value take over when that is legal. Invariant: memory grows
//! with the turns only for what is emitted.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Const, DType, Graph, Op, Output, OutputKind, Scan, SlotId, Type, ValueId as NodeId};
use crate::loops::ir::{Buffer, Mode, Place, Program, Turns};

use super::arrange::arrange;
use super::emit::{Emitter, plain};
use super::home::{self, Frame, Home};
use super::view::{flat, row_major};
use super::{Carry, Context, Draft, lower, separate_outputs};

/// A kernel of first values is closed above so many statements.
const FULL: usize = 200;

/// What is kept of a carry's values besides the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Nothing: one place.
    Last,
    /// All of them: a row for each turn and one more.
    All,
}

/// A scan on its way.
struct Walk<'a> {
    scan: &'a Scan,
    /// Where the whole of each result lies, where it is needed.
    results: HashMap<usize, Home>,
    /// Where carries start.
    starts: Vec<Home>,
    frame: Frame,
    kept: Vec<Kept>,
}

/// Whether a body reads a slot through a change of shape that only contiguous memory allows.
pub(super) fn reads_whole(body: &Graph, slot: SlotId) -> bool {
    let mut reached: Vec<bool> = Vec::with_capacity(body.nodes.len());
    for node in &body.nodes {
        let through = node.operands.iter().any(|operand| reached[operand.index()]);
        if through && matches!(node.op, Op::Reshape { .. } | Op::Scan { .. } | Op::Conv { .. }) {
            return true;
        }
        let view = matches!(
            node.op,
            Op::StopGradient | Op::Broadcast { .. } | Op::Transpose { .. } | Op::Slice { .. } | Op::Sum { .. }
        );
        reached.push(matches!(node.op, Op::Input(from) if from == slot) || (through && view));
    }
    false
}

impl Context<'_> {
    /// The loop of a scan, `members` being its results; `depth` loops are around it.
    pub(super) fn scan(
        &self,
        members: &[NodeId],
        depth: usize,
        draft: &mut Draft,
    ) -> Result<Vec<(NodeId, Home)>, String> {
        let result_of = |member: NodeId| match &self.graph.node(member).op {
            Op::Scan { result, scan } => Ok((*result, Arc::clone(scan))),
            _ => Err(format!("{member} is no result of a scan")),
        };
        let scan = result_of(members[0])?.1;
        let scan = Scan { body: arrange(&scan.body), ..(*scan).clone() };
        let wanted: Vec<usize> =
            members.iter().map(|&member| result_of(member).map(|(result, _)| result)).collect::<Result<_, _>>()?;
        let kept = (0..scan.carries).map(|carry| kept(&scan, carry, &wanted)).collect();
        let frame = Frame { depth: depth + 1, ..Frame::default() };
        let mut walk = Walk { scan: &scan, results: HashMap::new(), starts: Vec::new(), frame, kept };
        let body = wanted_body(&scan, &wanted, &walk.kept);
        self.place_carries(members[0], &mut walk, &wanted, &mut draft.program);
        self.place_emitted(members[0], &mut walk, &body, depth, &mut draft.program);
        self.place_inputs(members[0], &mut walk, depth, &mut draft.program)?;
        self.first_values(members[0], &walk, &mut draft.program)?;
        if scan.turns > 0 {
            self.turns(&walk, &body, depth, draft)?;
        }
        let home = |(&member, result): (&NodeId, &usize)| {
            let home = walk.results.get(result).ok_or_else(|| format!("{member} has no place"))?;
            Ok((member, home.clone()))
        };
        members.iter().zip(&wanted).map(home).collect()
    }

    fn buffer(&self, like: NodeId, name: String, ty: &Type, rows: Option<usize>, program: &mut Program) -> Home {
        let mut shape = ty.shape.clone();
        if let Some(rows) = rows {
            shape.insert(0, rows);
        }
        let len = shape.iter().product();
        let origin = self.graph.node(like).origin;
        let buffer = Buffer { name, dtype: ty.dtype, shape, place: Place::Temporary { offset: 0 }, origin };
        Home::whole(home::add(program, buffer), len)
    }

    /// Memory of carries: where they start, where a turn reads and writes them, and the results that they are.
    fn place_carries(&self, like: NodeId, walk: &mut Walk<'_>, wanted: &[usize], program: &mut Program) {
        let (scan, depth) = (walk.scan, walk.frame.depth - 1);
        for carry in 0..scan.carries {
            let slot = SlotId(1 + carry as u32);
            let ty = &scan.body.slots[slot.index()].ty;
            let name = format!("{} of {like}", scan.body.slots[slot.index()].path);
            if walk.kept[carry] == Kept::Last {
                let home = self.buffer(like, name, ty, None, program);
                walk.frame.slots.insert(slot, home.clone());
                walk.starts.push(home.clone());
                walk.results.insert(carry, home);
                continue;
            }
            let rows = self.buffer(like, name, ty, Some(scan.turns + 1), program);
            let (before, after) = if scan.reverse { (1, 0) } else { (0, 1) };
            let whole = |first: usize, count: usize| {
                let mut home = rows.clone();
                (home.arg.offset, home.len) = (first * ty.len(), count * ty.len());
                home
            };
            let (first, last) = if scan.reverse { (scan.turns, 0) } else { (0, scan.turns) };
            walk.starts.push(whole(first, 1));
            walk.results.insert(carry, whole(last, 1));
            walk.frame.slots.insert(slot, rows.row(before, depth, &ty.shape));
            walk.frame.outputs.insert(scan.body.outputs[carry].value, rows.row(after, depth, &ty.shape));
            for &result in wanted.iter().filter(|result| **result >= scan.carries) {
                let value = scan.body.outputs[result].value;
                if is_slot(&scan.body, value, slot) {
                    walk.results.insert(result, whole(before, scan.turns));
                } else if value == scan.body.outputs[carry].value {
                    walk.results.insert(result, whole(after, scan.turns));
                }
            }
        }
    }

    /// Memory of what is emitted and is no carry.
    fn place_emitted(&self, like: NodeId, walk: &mut Walk<'_>, body: &Graph, depth: usize, program: &mut Program) {
        for output in &body.outputs {
            let OutputKind::Figure(result) = &output.kind else { continue };
            let Ok(result) = result.parse::<usize>() else { continue };
            let ty = body.ty(output.value);
            let rows = self.buffer(like, format!("rows {result} of {like}"), ty, Some(walk.scan.turns), program);
            walk.frame.outputs.insert(output.value, rows.row(0, depth, &ty.shape));
            walk.results.insert(result, rows);
        }
    }

    /// The turn's number, sequences and captured values, read where they lie.
    fn place_inputs(
        &self,
        like: NodeId,
        walk: &mut Walk<'_>,
        depth: usize,
        program: &mut Program,
    ) -> Result<(), String> {
        let scan = walk.scan;
        let counts = scan.body.nodes.iter().any(|node| matches!(node.op, Op::Input(SlotId(0))));
        if counts {
            let place = Place::Constant((0..scan.turns as u32).collect());
            let origin = self.graph.node(like).origin;
            let table = Buffer { name: "turns".into(), dtype: DType::I32, shape: vec![scan.turns], place, origin };
            let table = Home::whole(home::add(program, table), scan.turns);
            walk.frame.slots.insert(SlotId(0), table.row(0, depth, &[]));
        }
        for (at, &operand) in self.graph.node(like).operands.iter().enumerate().skip(scan.carries) {
            let view = self.emitter(String::new()).strided(operand)?;
            let base = self.homes[view.base.index()].as_ref().ok_or_else(|| format!("{operand} is not in memory"))?;
            let shape = &self.graph.ty(operand).shape;
            let walked = at < scan.carries + scan.sequences;
            let (stride, from) = if walked { (view.strides[0], 1) } else { (0, 0) };
            let home = base.walked(view.offset, depth, stride, &shape[from..], &view.strides[from..]);
            walk.frame.slots.insert(SlotId(1 + at as u32), home);
        }
        Ok(())
    }

    /// Lays the first values of all carries, in as few kernels as they fit.
    fn first_values(&self, like: NodeId, walk: &Walk<'_>, program: &mut Program) -> Result<(), String> {
        let node = self.graph.node(like);
        let name = || format!("{} starts", self.label(like));
        let mut emitter = self.emitter(name());
        for (&operand, home) in node.operands.iter().zip(&walk.starts) {
            if home.len == 0 {
                continue;
            }
            if emitter.scope.statements() > FULL {
                let full = std::mem::replace(&mut emitter, self.emitter(name()));
                self.push(full.scope, false, program);
            }
            emitter.lay(operand, home)?;
        }
        if emitter.scope.statements() > 0 {
            self.push(emitter.scope, walk.starts.len() == 1, program);
        }
        Ok(())
    }

    /// The loop.
    fn turns(&self, walk: &Walk<'_>, body: &Graph, depth: usize, draft: &mut Draft) -> Result<(), String> {
        let scan = walk.scan;
        let (number, first) = (draft.program.loops.len(), draft.program.runs.len());
        let turns = Turns { first, end: first, turns: scan.turns as u64, reverse: scan.reverse };
        draft.program.loops.push(turns);
        let homes = lower(body, &walk.frame, self.fuse, draft)?;
        let end = draft.program.runs.len();
        if end == first {
            draft.program.loops.truncate(number);
            return Ok(());
        }
        draft.program.loops[number].end = end;
        for (carry, kept) in walk.kept.iter().enumerate() {
            let value = body.outputs[carry].value;
            let place = walk.starts[carry].arg.buffer;
            let Some(next) = &homes[value.index()] else {
                return Err(format!("carry {carry} at depth {depth} has no next value"));
            };
            if *kept == Kept::Last && next.arg.buffer != place {
                draft.carries.push(Carry { turns: number, place, next: next.arg.buffer });
            }
        }
        Ok(())
    }

    fn label(&self, value: NodeId) -> String {
        let label = self.graph.node(value).origin.label.and_then(|label| self.graph.labels.get(label.index()));
        label.map_or_else(|| "scan".to_owned(), |label| label.to_string())
    }
}

impl Emitter<'_> {
    /// Stores a value where it shall lie.
    fn lay(&mut self, value: NodeId, to: &Home) -> Result<(), String> {
        let ty = self.graph.ty(value).clone();
        let (index, opened) = self.loops(&ty.shape);
        let word = self.value(value, &index)?;
        let param = self.scope.param(&to.arg, &format!("first {value}"), ty.dtype, to.len, Mode::Out);
        self.scope.store(plain(param, flat(&index, &row_major(&ty.shape))), word);
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }
}

fn is_slot(body: &Graph, value: NodeId, slot: SlotId) -> bool {
    matches!(body.node(value).op, Op::Input(from) if from == slot)
}

/// Whether a carry's values are emitted, as they are or as they become.
fn kept(scan: &Scan, carry: usize, wanted: &[usize]) -> Kept {
    let slot = SlotId(1 + carry as u32);
    let next = scan.body.outputs[carry].value;
    let emitted = |result: &&usize| {
        let value = scan.body.outputs[**result].value;
        **result >= scan.carries && (is_slot(&scan.body, value, slot) || value == next)
    };
    let computed = !matches!(
        scan.body.node(next).op,
        Op::Input(_) | Op::Const { value: Const::Table { .. }, .. } | Op::Scan { .. }
    );
    // Of carries with one next value the first is kept; the others are copies.
    let first = scan.body.outputs[..carry].iter().all(|output| output.value != next);
    if computed && first && wanted.iter().any(|result| emitted(&result)) { Kept::All } else { Kept::Last }
}

/// The body with the outputs that are needed, each with a value of its own: carries are written slots, what is
/// emitted and is no carry a figure, named by the number of its result.
fn wanted_body(scan: &Scan, wanted: &[usize], kept: &[Kept]) -> Graph {
    let mut body = scan.body.clone();
    let given = |value: NodeId| {
        kept.iter().enumerate().any(|(carry, kept)| {
            let slot = SlotId(1 + carry as u32);
            *kept == Kept::All && (is_slot(&scan.body, value, slot) || scan.body.outputs[carry].value == value)
        })
    };
    body.outputs.clear();
    for (at, output) in scan.body.outputs.iter().enumerate() {
        if at < scan.carries {
            let kind = OutputKind::Write(SlotId(1 + at as u32));
            body.outputs.push(Output { kind, value: output.value });
        } else if wanted.contains(&at) && !given(output.value) {
            body.outputs.push(Output { kind: OutputKind::Figure(at.to_string()), value: output.value });
        }
    }
    separate_outputs(&body, true)
}
