//! W0806: a deep net of ReLU whose weights start too small.
//!
//! In: the nodes of a train's objective, first values of parameters. Each layer
//! of weights with variance v and ReLU passes v·fan_in/2 of its signal's mean
//! square and v·fan_out/2 of its gradient's (He et al., 2015): 1 at He's
//! 2/fan_in, about a half at Glorot's. A warning where less than a hundredth
//! comes through a chain of such layers that no norm and no shortcut interrupts;
//! of a layer whose sides differ the better of the two counts.

use std::collections::HashMap;

use super::Checker;
use super::typed::{Kind, NodeId, SlotId};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Binary, Comparison, Const, DType, Op, Owner, Unary};

/// What is left of the signal at the end of a chain below which a word is worth it.
const FAINT: f64 = 0.01;
/// How far back a square root makes a factor a norm.
const NORM_DEPTH: usize = 6;

/// A chain of layers up to a value.
#[derive(Clone, Copy)]
struct Chain {
    /// The share of the mean square that comes through so far.
    share: f64,
    /// That of the last layer, whose ReLU is not met yet.
    waiting: Option<f64>,
    /// Its weights.
    last: SlotId,
    layers: usize,
}

impl Checker<'_> {
    /// W0806 of the nodes of an objective, in order.
    pub(super) fn faint_signals(&mut self, nodes: &[NodeId]) {
        let first_values: HashMap<SlotId, NodeId> = self.inits.iter().map(|(_, slot, node)| (*slot, *node)).collect();
        let mut chains: HashMap<NodeId, Chain> = HashMap::new();
        let mut faintest: Option<Chain> = None;
        for &node in nodes {
            let Some(chain) = self.chain_at(node, &chains, &first_values) else { continue };
            if chain.share < FAINT && faintest.is_none_or(|found| chain.layers > found.layers) {
                faintest = Some(chain);
            }
            chains.insert(node, chain);
        }
        let Some(Chain { share, last, layers, .. }) = faintest else { return };
        let slot = self.program.slot(last);
        let place = if self.prelude.contains(&slot.span.file) { slot.applied } else { slot.span };
        // Two digits that say something.
        let percent = share * 100.0;
        let digits = (1.0 - percent.log10().floor()).clamp(0.0, 12.0) as usize;
        let message =
            format!("{layers} layers of ReLU in a row let {percent:.digits$} % of the signal through at the start");
        self.report(
            Diagnostic::new(Code::W0806, message, place)
                .help("weights of He's variance, 2/fan_in, let all of it through: `dense(64, init = he_normal)`"),
        );
    }

    fn chain_at(
        &self,
        node: NodeId,
        chains: &HashMap<NodeId, Chain>,
        first: &HashMap<SlotId, NodeId>,
    ) -> Option<Chain> {
        let Kind::Op(op) = &self.program.node(node).kind else { return None };
        let operands = &self.program.node(node).operands;
        let of = |at: usize| operands.get(at).and_then(|operand| chains.get(operand)).copied();
        match op {
            Op::Contract { .. } | Op::Conv { .. } => {
                let (signal, slot) = (0..2).find_map(|at| Some((1 - at, self.weights_of(operands[at])?)))?;
                let passed = self.passed(slot, first)?;
                // A layer without ReLU behind the one before passes twice as much; such a chain is left alone.
                let chain = of(signal).filter(|chain| chain.waiting.is_none());
                let (share, layers) = chain.map_or((1.0, 0), |chain| (chain.share, chain.layers));
                Some(Chain { share, waiting: Some(passed), last: slot, layers })
            }
            Op::Select => {
                let chain = of(2)?;
                let passed = chain.waiting.filter(|_| self.is_relu(node))?;
                Some(Chain { share: chain.share * passed, waiting: None, layers: chain.layers + 1, ..chain })
            }
            Op::Binary(Binary::Add | Binary::Sub) => match (of(0), of(1)) {
                // A shortcut around layers carries the signal.
                (Some(_), Some(_)) => None,
                (one, other) => one.or(other),
            },
            Op::Binary(Binary::Mul | Binary::Div) => match (of(0), of(1)) {
                (Some(chain), None) if !self.is_norm(operands[1], NORM_DEPTH) => Some(chain),
                (None, Some(chain)) if !self.is_norm(operands[0], NORM_DEPTH) => Some(chain),
                _ => None,
            },
            Op::Broadcast { .. } | Op::Reshape { .. } | Op::Transpose { .. } | Op::Unfold { .. } | Op::MaxOf { .. } => {
                of(0)
            }
            _ => None,
        }
    }

    /// The share of its signal's or its gradient's mean square that a layer with ReLU passes at the start.
    fn passed(&self, slot: SlotId, first: &HashMap<SlotId, NodeId>) -> Option<f64> {
        let described = self.program.slot(slot);
        let shape: Vec<f64> = described.ty.shape.iter().map(|size| *size as f64).collect();
        let fans = match shape.len() {
            0 | 1 => return None,
            2 => [shape[0], shape[1]],
            _ => [shape[1..].iter().product(), shape[0] * shape[2..].iter().product::<f64>()],
        };
        (described.owner == Owner::Parameter).then_some(())?;
        Some(self.variance(*first.get(&slot)?)? * fans[0].max(fans[1]) / 2.0)
    }

    /// The variance of first values that are uniform or normal numbers, scaled and moved by what is known.
    fn variance(&self, node: NodeId) -> Option<f64> {
        let operand = |at: usize| self.program.node(node).operands[at];
        match &self.program.node(node).kind {
            Kind::Random { .. } => Some(1.0 / 12.0),
            Kind::Op(Op::Unary(Unary::ErfInv)) => Some(0.5),
            Kind::Op(Op::Broadcast { .. } | Op::Reshape { .. }) => self.variance(operand(0)),
            Kind::Op(Op::Binary(function)) => {
                let numbers = [self.known_number(operand(0)), self.known_number(operand(1))];
                match (function, numbers) {
                    (Binary::Add | Binary::Sub, [None, Some(_)]) => self.variance(operand(0)),
                    (Binary::Add | Binary::Sub, [Some(_), None]) => self.variance(operand(1)),
                    (Binary::Mul, [None, Some(factor)]) => Some(self.variance(operand(0))? * factor * factor),
                    (Binary::Mul, [Some(factor), None]) => Some(self.variance(operand(1))? * factor * factor),
                    (Binary::Div, [None, Some(factor)]) => Some(self.variance(operand(0))? / (factor * factor)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A number that is the same in all elements and known now.
    fn known_number(&self, node: NodeId) -> Option<f64> {
        match &self.program.node(node).kind {
            Kind::Op(Op::Const { value: Const::F32(value), .. }) => Some(f64::from(*value)),
            Kind::Op(Op::Broadcast { .. } | Op::Reshape { .. }) => {
                self.known_number(self.program.node(node).operands[0])
            }
            Kind::Known(known) => {
                let known = &self.program.known[known.index()];
                (known.dtype == DType::F32).then(|| f64::from(f32::from_bits(known.word)))
            }
            _ => None,
        }
    }

    /// `where(x <= 0, 0, x)`
    fn is_relu(&self, node: NodeId) -> bool {
        let operands = &self.program.node(node).operands;
        let compared =
            matches!(&self.program.node(operands[0]).kind, Kind::Op(Op::Compare(Comparison::Le | Comparison::Lt)));
        compared
            && self.program.node(operands[0]).operands[0] == operands[2]
            && self.known_number(operands[1]) == Some(0.0)
    }

    /// Whether a factor is made with a square root: that of a norm.
    fn is_norm(&self, node: NodeId, depth: usize) -> bool {
        let Kind::Op(op) = &self.program.node(node).kind else { return false };
        matches!(op, Op::Unary(Unary::Sqrt))
            || depth > 0 && self.program.node(node).operands.iter().any(|operand| self.is_norm(*operand, depth - 1))
    }
}
