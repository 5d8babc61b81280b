//! Typed tree to tensor graph.
//!
//! In: nodes of a [`typed::Program`] whose only open size is the rows at hand,
//! and that size as a number. Out: an [`ir::Graph`] with every shape a number,
//! names, labels and spans kept, and gradients taken; the passes of `opt` come
//! after. Slots keep the order in which they are met; what is computed once in
//! the tree is computed once in the graph. A failure here is our bug, never the
//! user's.

mod numbers;
mod scan;
mod walk;

use crate::check::dims::AtomId;
use crate::check::rows;
use crate::check::typed::{NodeId, Program, SlotId, Train};
use crate::ir;

/// The paths of slots that are not slots of the program. A plain name holds no colon, so none of a program is one of these.
pub mod path {
    /// i32 scalar: the seed in force.
    pub const SEED: &str = "random:seed";
    /// i32 scalar: steps done before this one, from 1 in a train; 0 in evaluation.
    pub const STEP: &str = "random:step";
    /// i32 scalar: the turn of the phase within the step.
    pub const TURN: &str = "random:turn";
    /// f32 scalars in the order of [`crate::check::typed::Clock`].
    pub const CLOCK: [&str; 4] = ["run:step", "run:steps", "run:epoch", "run:epochs"];
    /// What stands before a column's name.
    pub const COLUMN: &str = "column:";
    /// What stands before the name of a train's figure.
    pub const FIGURE: &str = "figure:";
    /// What stands before the number of a front.
    pub const FRONT: &str = "front:";
    /// What stands before the number of a recorded value.
    pub const RECORDED: &str = "recorded:";
}

/// What a graph is asked to compute.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Results for the host, in order.
    pub figures: Vec<(String, NodeId)>,
    /// Results that become slots' values at the end.
    pub writes: Vec<(SlotId, NodeId)>,
    /// Nodes that are handed in, as slots [`path::FRONT`]`0`, ..., instead of being computed.
    pub given: Vec<NodeId>,
    /// The open size and its number.
    pub rows: Option<(AtomId, u64)>,
}

impl Request {
    /// Results for the host named by their number.
    pub fn of_outputs(outputs: &[NodeId], rows: Option<(AtomId, u64)>) -> Self {
        let figures = outputs.iter().enumerate().map(|(at, &node)| (at.to_string(), node)).collect();
        Request { figures, rows, ..Request::default() }
    }
}

/// The graph of a request, before any pass.
///
/// # Errors
/// An internal error: the typed tree breaks its own rules.
pub fn lower(program: &Program, request: &Request) -> Result<ir::Graph, String> {
    walk::walk(program, request)
}

/// The graph of something computed once: `outputs` as figures `0`, `1`, ...
///
/// # Errors
/// As [`lower`].
pub fn eval(program: &Program, outputs: &[NodeId], rows: Option<(AtomId, u64)>) -> Result<ir::Graph, String> {
    lower(program, &Request::of_outputs(outputs, rows))
}

/// The graph of a phase of a train for a batch of `rows`: its writes, and as figures the objective (`loss`, if any)
/// followed by what the phase's watches need of each step: the fronts of [`rows::of_steps`], or the watches themselves
/// where the phase takes no columns.
///
/// # Errors
/// As [`lower`].
pub fn step(program: &Program, train: &Train, phase: usize, rows: u64) -> Result<ir::Graph, String> {
    lower(program, &step_request(program, train, phase, rows))
}

/// The request of [`step`].
pub fn step_request(program: &Program, train: &Train, phase: usize, rows: u64) -> Request {
    let part = &train.phases[phase];
    let mut figures: Vec<(String, NodeId)> = part.loss.iter().map(|&loss| ("loss".to_string(), loss)).collect();
    let fronts = match part.columns {
        true => rows::of_steps(program, train, phase).fronts,
        false => rows::watched(train, phase),
    };
    figures.extend(fronts.into_iter().enumerate().map(|(at, node)| (format!("{}{at}", path::FRONT), node)));
    figures.extend(part.recorded.iter().enumerate().map(|(at, &node)| (format!("{}{at}", path::RECORDED), node)));
    Request { figures, writes: part.writes.clone(), given: Vec::new(), rows: Some((train.rows, rows)) }
}
