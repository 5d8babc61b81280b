//! Dims to numbers: an op of the typed tree in, the same op of the graph out.
//!
//! Invariant: only the open size that the request names is given a value; any
//! other open size, and a negative size, is an internal error.

use crate::check::dims::{AtomId, Atoms, Dim};
use crate::ir::{Op, Type, Window};

/// Gives dims their numbers.
#[derive(Clone, Copy)]
pub struct Sizes<'a> {
    /// All dims.
    pub atoms: &'a Atoms,
    /// The open one with its number.
    pub rows: Option<(AtomId, u64)>,
}

impl Sizes<'_> {
    /// The number of a dim, which may be negative.
    pub fn signed(&self, dim: &Dim) -> Result<i64, String> {
        let open = |atom| self.rows.filter(|(known, _)| *known == atom).map(|(_, value)| value as i64);
        let value = self.atoms.resolve_with(dim, &open);
        value.as_number().ok_or_else(|| format!("the size {} is still open", self.atoms.show(dim)))
    }

    /// The number of a size.
    pub fn size(&self, dim: &Dim) -> Result<usize, String> {
        let value = self.signed(dim)?;
        usize::try_from(value).map_err(|_| format!("the size {} is {value}", self.atoms.show(dim)))
    }

    /// The numbers of a shape.
    pub fn shape(&self, dims: &[Dim]) -> Result<Vec<usize>, String> {
        dims.iter().map(|dim| self.size(dim)).collect()
    }

    /// The type with numbers.
    pub fn ty(&self, ty: &Type<Dim>) -> Result<Type, String> {
        Ok(Type::new(ty.dtype, self.shape(&ty.shape)?))
    }

    fn window(&self, window: &Window<Dim>) -> Result<Window, String> {
        let Window { n, out, k, step, dilation, lo } = window;
        Ok(Window { n: self.size(n)?, out: self.size(out)?, k: *k, step: *step, dilation: *dilation, lo: *lo })
    }

    /// The op with numbers.
    pub fn op(&self, op: &Op<Dim>) -> Result<Op, String> {
        Ok(match op {
            Op::Input(_) | Op::Random { .. } | Op::Scan { .. } => {
                return Err("a slot, a draw or a loop as a plain op".to_string());
            }
            Op::Const { value, shape } => Op::Const { value: value.clone(), shape: self.shape(shape)? },
            Op::Iota { axis, shape } => Op::Iota { axis: *axis, shape: self.shape(shape)? },
            Op::Unary(function) => Op::Unary(*function),
            Op::Binary(function) => Op::Binary(*function),
            Op::Compare(comparison) => Op::Compare(*comparison),
            Op::And => Op::And,
            Op::Or => Op::Or,
            Op::Not => Op::Not,
            Op::Select => Op::Select,
            Op::Convert(dtype) => Op::Convert(*dtype),
            Op::StopGradient => Op::StopGradient,
            Op::Broadcast { shape, axes } => Op::Broadcast { shape: self.shape(shape)?, axes: axes.clone() },
            Op::Reshape { shape } => Op::Reshape { shape: self.shape(shape)? },
            Op::Transpose { perm } => Op::Transpose { perm: perm.clone() },
            Op::Slice { start, size, step } => {
                Op::Slice { start: self.shape(start)?, size: self.shape(size)?, step: step.clone() }
            }
            Op::Unslice { start, step, shape } => {
                Op::Unslice { start: self.shape(start)?, step: step.clone(), shape: self.shape(shape)? }
            }
            Op::Concat { axis } => Op::Concat { axis: *axis },
            Op::Unfold { axis, window, fill } => Op::Unfold { axis: *axis, window: self.window(window)?, fill: *fill },
            Op::Fold { axis, window } => Op::Fold { axis: *axis, window: self.window(window)? },
            Op::Sum { axes } => Op::Sum { axes: axes.clone() },
            Op::MaxOf { axes } => Op::MaxOf { axes: axes.clone() },
            Op::Contract { batch, over } => Op::Contract { batch: batch.clone(), over: over.clone() },
            Op::Conv { face, windows, groups } => {
                let windows = windows.iter().map(|window| self.window(window)).collect::<Result<_, _>>()?;
                Op::Conv { face: *face, windows, groups: *groups }
            }
            Op::Gather { axis } => Op::Gather { axis: *axis },
            Op::ScatterAdd { axis, size } => Op::ScatterAdd { axis: *axis, size: self.size(size)? },
            Op::Put { axis } => Op::Put { axis: *axis },
            Op::Argsort { axis } => Op::Argsort { axis: *axis },
        })
    }
}
