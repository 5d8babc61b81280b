//! Cases for every op of the table: small graphs of one op over inputs, with
//! values. Interpreter, gradient and compiled code run the same ones.
//!
//! [`cases_of`] matches the table exhaustively, so a new op cannot be left
//! out. Inputs are exact in f32. A case either keeps clear of kinks and is
//! then differentiable by `wrt`, or has ties, zeros and special values and
//! then `wrt` is empty.

use super::scans;
use nnc::ir::interpret::Array;
use nnc::ir::{Binary, Comparison, Const, DType, Face, Fill, Graph, Op, Origin, Owner, SlotId, Type, Unary, ValueId};

#[path = "windows.rs"]
pub mod windows;

/// Sizes around the widths of vectors and tiles.
pub const SIZES: [usize; 10] = [1, 3, 4, 5, 7, 8, 9, 16, 17, 33];

/// One op on given inputs; its result is the figure "y".
pub struct Case {
    /// Op and shape, for messages.
    pub name: String,
    /// The graph.
    pub graph: Graph,
    /// A value for each slot.
    pub inputs: Vec<Array<f64>>,
    /// The op's result.
    pub y: ValueId,
    /// The inputs it is differentiable by at these values.
    pub wrt: Vec<ValueId>,
}

/// Every op of the table, attributes aside.
pub fn table() -> Vec<Op> {
    let shape = || vec![1];
    let mut table = vec![
        Op::Input(SlotId(0)),
        Op::Const { value: Const::F32(0.0), shape: shape() },
        Op::Iota { axis: 0, shape: shape() },
        Op::Random { place: 0, base: 0, shape: shape() },
        Op::And,
        Op::Or,
        Op::Not,
        Op::Select,
        Op::Convert(DType::F32),
        Op::StopGradient,
        Op::Broadcast { shape: shape(), axes: vec![] },
        Op::Reshape { shape: shape() },
        Op::Transpose { perm: vec![] },
        Op::Slice { start: vec![], size: vec![], step: vec![] },
        Op::Unslice { start: vec![], step: vec![], shape: vec![] },
        Op::Concat { axis: 0 },
        Op::Unfold { axis: 0, window: windows::ONE, fill: Fill::Zero },
        Op::Fold { axis: 0, window: windows::ONE },
        Op::Sum { axes: vec![] },
        Op::MaxOf { axes: vec![] },
        Op::Contract { batch: vec![], over: vec![] },
        Op::Conv { face: Face::Out, windows: vec![], groups: 1 },
        Op::Gather { axis: 0 },
        Op::ScatterAdd { axis: 0, size: 1 },
        Op::Scan { scan: std::sync::Arc::new(scans::nothing()), result: 0 },
        Op::Put { axis: 0 },
        Op::Argsort { axis: 0 },
    ];
    table.extend(Unary::ALL.map(Op::Unary));
    table.extend(Binary::ALL.map(Op::Binary));
    table.extend([Comparison::Lt, Comparison::Le, Comparison::Eq].map(Op::Compare));
    table
}

/// All cases of all ops.
pub fn all() -> Vec<Case> {
    table().iter().flat_map(cases_of).collect()
}

/// The cases of one op of [`table`].
pub fn cases_of(op: &Op) -> Vec<Case> {
    match op {
        Op::Input(_) => shapes().iter().map(|shape| one(op, shape, |k| k.uniform(-2.0, 2.0))).collect(),
        Op::Const { .. } => constants(),
        Op::Iota { .. } => shapes().iter().flat_map(|shape| iotas(shape)).collect(),
        Op::Random { .. } => shapes().iter().map(|shape| random(shape)).collect(),
        Op::Unary(function) => shapes().iter().flat_map(|shape| unary(*function, shape)).collect(),
        Op::Binary(function) => shapes().iter().flat_map(|shape| binary(*function, shape)).collect(),
        Op::Compare(_) => shapes().iter().flat_map(|shape| compare(op, shape)).collect(),
        Op::And | Op::Or | Op::Not => shapes().iter().map(|shape| logic(op, shape)).collect(),
        Op::Select => shapes().iter().flat_map(|shape| select(shape)).collect(),
        Op::Convert(_) => shapes().iter().flat_map(|shape| convert(shape)).collect(),
        Op::StopGradient => shapes().iter().map(|shape| one(op, shape, |k| k.uniform(-2.0, 2.0))).collect(),
        Op::Broadcast { .. } => SIZES.iter().flat_map(|&n| broadcast(n)).collect(),
        Op::Reshape { .. } => SIZES.iter().map(|&n| moved(Op::Reshape { shape: vec![n, 6] }, &[3, n, 2])).collect(),
        Op::Transpose { .. } => SIZES.iter().flat_map(|&n| transpose(n)).collect(),
        Op::Slice { .. } => SIZES.iter().flat_map(|&n| slice(n)).collect(),
        Op::Unslice { .. } => SIZES.iter().flat_map(|&n| unslice(n)).collect(),
        Op::Concat { .. } => SIZES.iter().flat_map(|&n| concat(n)).collect(),
        Op::Unfold { .. } => SIZES.iter().flat_map(|&n| windows::unfold(n)).collect(),
        Op::Fold { .. } => SIZES.iter().flat_map(|&n| windows::fold(n)).collect(),
        Op::Sum { .. } | Op::MaxOf { .. } => SIZES.iter().flat_map(|&n| reduce(op, n)).collect(),
        Op::Contract { .. } => SIZES.iter().flat_map(|&n| contract(n)).collect(),
        Op::Conv { .. } => [1, 4, 5, 9, 17].into_iter().flat_map(windows::conv).collect(),
        Op::Gather { .. } => SIZES.iter().flat_map(|&n| gather(n)).collect(),
        Op::ScatterAdd { .. } => SIZES.iter().flat_map(|&n| scatter_add(n)).collect(),
        Op::Scan { .. } => SIZES.iter().flat_map(|&n| scans::cases(n)).collect(),
        Op::Put { .. } => SIZES.iter().flat_map(|&n| put(n)).collect(),
        Op::Argsort { .. } => SIZES.iter().flat_map(|&n| argsort(n)).collect(),
    }
}

/// Every size as inner and as outer dimension, alone, and a scalar.
pub fn shapes() -> Vec<Vec<usize>> {
    let sized = SIZES.iter().flat_map(|&n| [vec![n], vec![n, 3], vec![2, n]]);
    std::iter::once(vec![]).chain(sized).collect()
}

/// SplitMix64: a seeded stream of numbers for inputs.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// In low..high, exact in f32.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        f64::from((low + (high - low) * unit) as f32)
    }

    /// Either sign, `low <= |x| < high`.
    pub fn away(&mut self, low: f64, high: f64) -> f64 {
        let size = self.uniform(low, high);
        if self.next().is_multiple_of(2) { size } else { -size }
    }
}

/// Builds one case: inputs first, then the op.
pub struct Maker {
    pub graph: Graph,
    pub inputs: Vec<Array<f64>>,
    pub wrt: Vec<ValueId>,
    pub numbers: Numbers,
}

impl Maker {
    pub fn new(seed: u64) -> Maker {
        Maker { graph: Graph::default(), inputs: vec![], wrt: vec![], numbers: Numbers(seed) }
    }

    fn slot(&mut self, owner: Owner, value: Array<f64>) -> ValueId {
        let path = format!("in{}", self.inputs.len());
        let id = self.graph.slot_input(path, value.ty(), owner, Origin::default());
        self.inputs.push(value);
        id
    }

    /// An f32 input, filled element by element.
    pub fn float(&mut self, shape: &[usize], mut value: impl FnMut(&mut Numbers) -> f64) -> ValueId {
        let len = Type::new(DType::F32, shape).len();
        let data = (0..len).map(|_| value(&mut self.numbers)).collect();
        self.slot(Owner::Parameter, Array::floats(shape, data))
    }

    /// An f32 input to differentiate by.
    pub fn smooth(&mut self, shape: &[usize], value: impl FnMut(&mut Numbers) -> f64) -> ValueId {
        let id = self.float(shape, value);
        self.wrt.push(id);
        id
    }

    pub fn int(&mut self, shape: &[usize], mut value: impl FnMut(&mut Numbers) -> i32) -> ValueId {
        let len = Type::new(DType::I32, shape).len();
        let data = (0..len).map(|_| value(&mut self.numbers)).collect();
        self.slot(Owner::Column, Array::ints(shape, data))
    }

    pub fn bool(&mut self, shape: &[usize]) -> ValueId {
        let len = Type::new(DType::Bool, shape).len();
        let data = (0..len).map(|_| self.numbers.next().is_multiple_of(2)).collect();
        self.slot(Owner::Column, Array::bools(shape, data))
    }

    #[track_caller]
    pub fn finish(mut self, op: Op, operands: &[ValueId]) -> Case {
        let y = match op {
            Op::Input(_) => operands[0],
            op => self.graph.push(op, operands.to_vec(), Origin::default()),
        };
        self.graph.figure("y", y);
        let types: Vec<String> = self.inputs.iter().map(|input| input.ty().to_string()).collect();
        let name = format!("{} of {}", nnc::ir::print::print_node(&self.graph, y), types.join(", "));
        Case { name, graph: self.graph, inputs: self.inputs, y, wrt: self.wrt }
    }
}

fn one(op: &Op, shape: &[usize], value: impl FnMut(&mut Numbers) -> f64) -> Case {
    let mut maker = Maker::new(shape.len() as u64);
    let x = maker.smooth(shape, value);
    if matches!(op, Op::StopGradient) {
        maker.wrt.clear();
    }
    maker.finish(op.clone(), &[x])
}

fn moved(op: Op, shape: &[usize]) -> Case {
    one(&op, shape, |k| k.uniform(-2.0, 2.0))
}

fn constants() -> Vec<Case> {
    let table = |dtype, words: Vec<u32>| Const::Table { dtype, words: words.into() };
    let floats = [0.1f32, -0.0, f32::INFINITY, 1e-40, f32::MAX, -3.0].map(f32::to_bits);
    let values = [
        (Const::F32(0.1), vec![]),
        (Const::F32(-0.0), vec![5, 3]),
        (Const::I32(i32::MIN), vec![7]),
        (Const::Bool(true), vec![2, 3]),
        (table(DType::F32, floats.to_vec()), vec![2, 3]),
        (table(DType::I32, vec![1, u32::MAX, 3]), vec![3]),
        (table(DType::Bool, vec![0, u32::MAX]), vec![2]),
    ];
    values.into_iter().map(|(value, shape)| Maker::new(0).finish(Op::Const { value, shape }, &[])).collect()
}

fn iotas(shape: &[usize]) -> Vec<Case> {
    (0..shape.len()).map(|axis| Maker::new(0).finish(Op::Iota { axis, shape: shape.to_vec() }, &[])).collect()
}

fn random(shape: &[usize]) -> Case {
    let mut maker = Maker::new(3);
    let key: Vec<ValueId> = [42, 7, 2].iter().map(|&value| maker.int(&[], |_| value)).collect();
    maker.finish(Op::Random { place: 0xdead_beef, base: 64 * shape.len() as u64, shape: shape.to_vec() }, &key)
}

/// Ties with each other, zeros of both signs, infinities, a NaN.
const SPECIAL: [f64; 12] =
    [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-30, -1e10, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

fn special(numbers: &mut Numbers) -> f64 {
    f64::from(SPECIAL[numbers.below(SPECIAL.len())] as f32)
}

fn whole(numbers: &mut Numbers) -> i32 {
    let choices = [0, 0, 1, -1, 2, 3, -7, 12, i32::MAX, i32::MIN];
    choices[numbers.below(choices.len())]
}

fn unary(function: Unary, shape: &[usize]) -> Vec<Case> {
    let op = Op::Unary(function);
    let mut smooth = one(&op, shape, |k| match function {
        Unary::Neg | Unary::Sin | Unary::Cos | Unary::Softplus | Unary::Tanh => k.uniform(-4.0, 4.0),
        Unary::Abs => k.away(0.05, 3.0),
        Unary::Exp | Unary::Logistic | Unary::Erf => k.uniform(-3.0, 3.0),
        Unary::Log | Unary::Sqrt => k.uniform(0.3, 3.0),
        Unary::ErfInv => k.uniform(-0.9, 0.9),
        Unary::Floor => k.uniform(-5.0, 5.0),
    });
    if matches!(function, Unary::Floor) {
        smooth.wrt.clear();
    }
    let mut cases = vec![smooth];
    if shape.len() == 1 {
        let mut maker = Maker::new(5);
        let x = maker.float(shape, special);
        cases.push(maker.finish(op.clone(), &[x]));
        if matches!(function, Unary::Neg | Unary::Abs) {
            let mut maker = Maker::new(6);
            let x = maker.int(shape, whole);
            cases.push(maker.finish(op, &[x]));
        }
    }
    cases
}

fn binary(function: Binary, shape: &[usize]) -> Vec<Case> {
    let op = Op::Binary(function);
    let mut maker = Maker::new(7);
    let mut pairs = Vec::new();
    for _ in 0..Type::new(DType::F32, shape).len() {
        pairs.push(smooth_pair(function, &mut maker.numbers));
    }
    let mut first = pairs.iter().map(|pair| pair.0);
    let a = maker.smooth(shape, |_| first.next().unwrap());
    let mut second = pairs.iter().map(|pair| pair.1);
    let b = maker.smooth(shape, |_| second.next().unwrap());
    let mut cases = vec![maker.finish(op.clone(), &[a, b])];
    if shape.len() == 1 {
        let mut maker = Maker::new(8);
        let (a, b) = (maker.float(shape, special), maker.float(shape, special));
        cases.push(maker.finish(op.clone(), &[a, b]));
        if !matches!(function, Binary::Pow) {
            let mut maker = Maker::new(9);
            let (a, b) = (maker.int(shape, whole), maker.int(shape, whole));
            cases.push(maker.finish(op, &[a, b]));
        }
    }
    cases
}

fn smooth_pair(function: Binary, k: &mut Numbers) -> (f64, f64) {
    match function {
        Binary::Add | Binary::Sub | Binary::Mul => (k.uniform(-2.0, 2.0), k.uniform(-2.0, 2.0)),
        Binary::Div => (k.uniform(-2.0, 2.0), k.away(0.5, 2.0)),
        Binary::Rem => {
            let (b, quotient) = (k.away(0.5, 2.0), k.below(9) as f64 - 4.0);
            (f64::from(((quotient + k.uniform(0.2, 0.8)) * b) as f32), b)
        }
        Binary::Pow => (k.uniform(0.3, 2.0), k.uniform(-2.0, 2.0)),
        Binary::Max | Binary::Min => {
            let a = k.uniform(-2.0, 2.0);
            (a, f64::from((a + k.away(0.05, 1.0)) as f32))
        }
    }
}

fn compare(op: &Op, shape: &[usize]) -> Vec<Case> {
    let mut floats = Maker::new(10);
    let (a, b) = (floats.float(shape, special), floats.float(shape, special));
    let mut ints = Maker::new(11);
    let (c, d) = (ints.int(shape, whole), ints.int(shape, whole));
    vec![floats.finish(op.clone(), &[a, b]), ints.finish(op.clone(), &[c, d])]
}

fn logic(op: &Op, shape: &[usize]) -> Case {
    let mut maker = Maker::new(12);
    let a = maker.bool(shape);
    match op {
        Op::Not => maker.finish(op.clone(), &[a]),
        op => {
            let b = maker.bool(shape);
            maker.finish(op.clone(), &[a, b])
        }
    }
}

fn select(shape: &[usize]) -> Vec<Case> {
    let mut floats = Maker::new(13);
    let condition = floats.bool(shape);
    let a = floats.smooth(shape, |k| k.uniform(-2.0, 2.0));
    let b = floats.smooth(shape, |k| k.uniform(-2.0, 2.0));
    let mut ints = Maker::new(14);
    let other = ints.bool(shape);
    let (c, d) = (ints.int(shape, whole), ints.int(shape, whole));
    vec![floats.finish(Op::Select, &[condition, a, b]), ints.finish(Op::Select, &[other, c, d])]
}

fn convert(shape: &[usize]) -> Vec<Case> {
    let mut cases = Vec::new();
    for to in [DType::F32, DType::I32, DType::Bool] {
        for from in 0..3 {
            let mut maker = Maker::new(15);
            let x = match from {
                0 => maker.float(shape, special),
                1 => maker.int(shape, whole),
                _ => maker.bool(shape),
            };
            cases.push(maker.finish(Op::Convert(to), &[x]));
        }
    }
    cases
}

fn broadcast(n: usize) -> Vec<Case> {
    let broadcast = |shape: &[usize], axes: &[usize]| Op::Broadcast { shape: shape.to_vec(), axes: axes.to_vec() };
    vec![
        moved(broadcast(&[n, 3], &[]), &[]),
        moved(broadcast(&[2, n], &[1]), &[n]),
        moved(broadcast(&[n, 4], &[0]), &[n]),
        moved(broadcast(&[n, 3], &[0, 1]), &[1, 3]),
        moved(broadcast(&[2, 3, n], &[0, 2]), &[2, 1]),
        moved(broadcast(&[2, 3, n], &[1, 2]), &[1, n]),
    ]
}

fn transpose(n: usize) -> Vec<Case> {
    vec![
        moved(Op::Transpose { perm: vec![1, 0] }, &[n, 3]),
        moved(Op::Transpose { perm: vec![2, 0, 1] }, &[2, n, 3]),
        moved(Op::Transpose { perm: vec![0, 2, 1] }, &[2, 3, n]),
    ]
}

/// (start, size, step) along an axis of n: all, inner, every second, reversed, one.
fn ranges(n: usize) -> Vec<(usize, usize, i64)> {
    let last = n - 1;
    vec![
        (0, n, 1),
        (n / 3, n - n / 3, 1),
        (0, n.div_ceil(2), 2),
        (last, n, -1),
        (last, n.div_ceil(2), -2),
        (last, 1, 1),
    ]
}

fn slice(n: usize) -> Vec<Case> {
    let inner = |(start, size, step)| Op::Slice { start: vec![0, start], size: vec![2, size], step: vec![1, step] };
    let outer = |(start, size, step)| Op::Slice { start: vec![start, 2], size: vec![size, 3], step: vec![step, -1] };
    let inner = ranges(n).into_iter().map(|range| moved(inner(range), &[2, n]));
    inner.chain(ranges(n).into_iter().map(|range| moved(outer(range), &[n, 3]))).collect()
}

fn unslice(n: usize) -> Vec<Case> {
    let case = |(start, size, step)| {
        let op = Op::Unslice { start: vec![1, start], step: vec![1, step], shape: vec![4, n] };
        moved(op, &[2, size])
    };
    ranges(n).into_iter().map(case).collect()
}

fn concat(n: usize) -> Vec<Case> {
    let case = |axis: usize, shapes: &[[usize; 2]]| {
        let mut maker = Maker::new(16);
        let parts: Vec<ValueId> = shapes.iter().map(|shape| maker.smooth(shape, |k| k.uniform(-2.0, 2.0))).collect();
        maker.finish(Op::Concat { axis }, &parts)
    };
    vec![case(0, &[[n, 3], [1, 3], [4, 3]]), case(1, &[[2, n], [2, 5]]), case(1, &[[n, 2]])]
}

fn reduce(op: &Op, n: usize) -> Vec<Case> {
    let maximum = matches!(op, Op::MaxOf { .. });
    let op = |axes: &[usize]| {
        if maximum { Op::MaxOf { axes: axes.to_vec() } } else { Op::Sum { axes: axes.to_vec() } }
    };
    let mut cases = Vec::new();
    for (shape, axes) in [
        (vec![n], vec![0]),
        (vec![3, n], vec![1]),
        (vec![n, 3], vec![0]),
        (vec![n, 3], vec![0, 1]),
        (vec![2, n, 3], vec![1]),
        (vec![2, 3, n], vec![0, 2]),
    ] {
        let mut maker = Maker::new(17);
        // Distinct values, at least 0.02 apart and out of order.
        let mut place = n as f64;
        let x = maker.smooth(&shape, |_| {
            place = (place * 7.0 + 3.0) % 211.0;
            f64::from((place * 0.02 - 2.0) as f32)
        });
        cases.push(maker.finish(op(&axes), &[x]));
        let mut ties = Maker::new(18);
        let x = ties.int(&shape, whole);
        cases.push(ties.finish(op(&axes), &[x]));
        let mut ties = Maker::new(19);
        let x = ties.float(&shape, |k| k.below(3) as f64 - 1.0);
        cases.push(ties.finish(op(&axes), &[x]));
    }
    cases
}

fn contract(n: usize) -> Vec<Case> {
    let case = |a: &[usize], b: &[usize], batch: &[(usize, usize)], over: &[(usize, usize)]| {
        let mut maker = Maker::new(20);
        let a = maker.smooth(a, |k| k.uniform(-1.0, 1.0));
        let b = maker.smooth(b, |k| k.uniform(-1.0, 1.0));
        maker.finish(Op::Contract { batch: batch.to_vec(), over: over.to_vec() }, &[a, b])
    };
    vec![
        case(&[n, 3], &[3, 4], &[], &[(1, 0)]),
        case(&[2, n], &[n, 3], &[], &[(1, 0)]),
        case(&[2, 3], &[3, n], &[], &[(1, 0)]),
        case(&[n, 3], &[2, 3], &[], &[(1, 1)]),
        case(&[n], &[n], &[], &[(0, 0)]),
        case(&[n], &[3], &[], &[]),
        case(&[2, n, 3], &[2, 3, 4], &[(0, 0)], &[(2, 1)]),
        case(&[3, 2, n], &[4, n, 2], &[(1, 2)], &[(2, 1)]),
        case(&[2, 3, n], &[n, 5, 3], &[], &[(2, 0), (1, 2)]),
        case(&[3, 2, n], &[2, n, 3], &[(2, 1), (0, 2)], &[(1, 0)]),
        case(&[2, n], &[n, 2], &[(1, 0), (0, 1)], &[]),
    ]
}

/// Indices inside 0..n, and some outside, which clamp.
fn index(maker: &mut Maker, shape: &[usize], n: usize) -> ValueId {
    maker.int(shape, |k| k.below(n + 4) as i32 - 2)
}

fn gather(n: usize) -> Vec<Case> {
    let case = |x: &[usize], i: &[usize], axis: usize| {
        let mut maker = Maker::new(21);
        let index = index(&mut maker, i, x[axis]);
        let x = maker.smooth(x, |k| k.uniform(-2.0, 2.0));
        maker.finish(Op::Gather { axis }, &[x, index])
    };
    vec![
        case(&[n], &[4], 0),
        case(&[5, n], &[3], 0),
        case(&[2, n, 3], &[2, 2], 1),
        case(&[4, 3], &[n], 1),
        case(&[n, 2], &[], 0),
    ]
}

fn scatter_add(n: usize) -> Vec<Case> {
    let case = |u: &[usize], i: &[usize], axis: usize, size: usize| {
        let mut maker = Maker::new(22);
        let index = index(&mut maker, i, size);
        let u = maker.smooth(u, |k| k.uniform(-2.0, 2.0));
        maker.finish(Op::ScatterAdd { axis, size }, &[u, index])
    };
    vec![
        case(&[n], &[n], 0, 3),
        case(&[3, n], &[3], 0, 5),
        case(&[2, n, 3], &[n], 1, 4),
        case(&[2, 3], &[2, 3], 0, n),
        case(&[4], &[], 0, n),
    ]
}

fn put(n: usize) -> Vec<Case> {
    let case = |x: &[usize], axis: usize| {
        let mut maker = Maker::new(23);
        let index = index(&mut maker, &[], x[axis]);
        let mut shape = x.to_vec();
        shape.remove(axis);
        let x = maker.smooth(x, |k| k.uniform(-2.0, 2.0));
        let value = maker.smooth(&shape, |k| k.uniform(-2.0, 2.0));
        maker.finish(Op::Put { axis }, &[x, value, index])
    };
    vec![case(&[n], 0), case(&[n, 3], 0), case(&[2, n], 1), case(&[2, 3, n], 1), case(&[3, n, 2], 1)]
}

/// Numbers with ties, floats and integers, along every axis.
fn argsort(n: usize) -> Vec<Case> {
    let case = |x: &[usize], axis: usize, float: bool| {
        let mut maker = Maker::new(24);
        let x = if float {
            maker.float(x, |k| (k.below(5) as f64 - 2.0) / 2.0)
        } else {
            maker.int(x, |k| k.below(5) as i32 - 2)
        };
        maker.finish(Op::Argsort { axis }, &[x])
    };
    vec![
        case(&[n], 0, true),
        case(&[n], 0, false),
        case(&[3, n], 1, true),
        case(&[n, 3], 0, true),
        case(&[2, n, 3], 1, false),
    ]
}
