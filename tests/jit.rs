//! Suite: jit. Every kernel runs as machine code and in the loops interpreter, on the same words; the bits must be equal.

use nnc::ir::{Binary, Comparison, DType, Unary};
use nnc::jit::{self, Lanes, Level, Options};
use nnc::kernels::abi::{Ctx, FillArgs, GemmArgs};
use nnc::loops::build::KernelBuilder;
use nnc::loops::interpret;
use nnc::loops::ir::*;
use nnc::loops::math;
use nnc::loops::verify::verify_kernel;

/// Words behind each parameter that nobody may change.
const FENCE: usize = 20;
const FENCE_WORD: u32 = 0x7fa0_beef;

const FLOATS: [f32; 12] =
    [0.0, -0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, f32::MAX, 2147483648.0, -3e9, 0.5];
const INTS: [i32; 8] = [0, 1, -1, 2, i32::MAX, i32::MIN, -7, 7];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let word = (self.0 >> 32) as u32;
        word ^ word >> 15
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    /// A word of a type, special values among them.
    fn word(&mut self, dtype: DType) -> u32 {
        match dtype {
            DType::F32 if self.below(6) == 0 => FLOATS[self.below(FLOATS.len())].to_bits(),
            DType::F32 => ((self.next() as i32 as f32) / 1e9).to_bits(),
            DType::I32 if self.below(2) == 0 => INTS[self.below(INTS.len())] as u32,
            DType::I32 => self.next(),
            DType::Bool => 0_u32.wrapping_sub(self.next() & 1),
        }
    }
}

unsafe extern "C" fn no_gemm(_: *const GemmArgs, _: *const Ctx) {
    std::process::abort()
}

unsafe extern "C" fn no_fill(_: *const FillArgs) {
    std::process::abort()
}

/// Runs `kernel` by both levels of the compiler on the panels and compares with the interpreter.
fn check(kernel: Kernel, memory: Vec<Vec<u32>>, panels: &[(u64, u64)]) {
    check_with(&[Level::None, Level::Speed], &kernel, memory, panels);
}

fn check_with(levels: &[Level], kernel: &Kernel, memory: Vec<Vec<u32>>, panels: &[(u64, u64)]) {
    verify_kernel(kernel).unwrap_or_else(|why| panic!("{}: {why}", kernel.name));
    let mut wanted = memory.clone();
    let arguments = kernel.params.iter().filter(|param| !matches!(param.mode, Mode::Scratch { .. })).count();
    let mut slices: Vec<&mut [u32]> = wanted.iter_mut().take(arguments).map(Vec::as_mut_slice).collect();
    let report = interpret::run_kernel(kernel, &mut slices, interpret::Options::default());
    let ways = levels.iter().flat_map(|level| [Lanes::Four, Lanes::Eight].map(|lanes| (*level, lanes)));
    for (level, lanes) in ways {
        let module = jit::compile(std::slice::from_ref(kernel), &Options { threads: 1, level, lanes })
            .expect("kernels of this suite compile");
        let (found, fault) = run(&module, &memory, panels, no_gemm, no_fill);
        assert_eq!(fault, report.fault, "fault flag of {}", kernel.name);
        for (param, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            if matches!(kernel.params[param].mode, Mode::Scratch { .. }) {
                continue;
            }
            for (at, (&found, &wanted)) in found.iter().zip(wanted).enumerate() {
                let both_nan = kernel.params[param].dtype == DType::F32
                    && f32::from_bits(found).is_nan()
                    && f32::from_bits(wanted).is_nan();
                assert!(
                    found == wanted || both_nan,
                    "{} ({level:?}, {lanes:?}): p{param}[{at}] is {found:#x}, should be {wanted:#x}\n{}",
                    kernel.name,
                    jit::clif(kernel).expect("it has just been compiled")
                );
            }
        }
    }
}

fn run(
    module: &jit::Module,
    memory: &[Vec<u32>],
    panels: &[(u64, u64)],
    gemm: unsafe extern "C" fn(*const GemmArgs, *const Ctx),
    fill: unsafe extern "C" fn(*const FillArgs),
) -> (Vec<Vec<u32>>, bool) {
    let mut buffers = memory.to_vec();
    buffers.iter_mut().for_each(|buffer| buffer.resize(buffer.len() + FENCE, FENCE_WORD));
    let pointers: Vec<*mut u8> = buffers.iter_mut().map(|buffer| buffer.as_mut_ptr().cast()).collect();
    let (mut scratch, mut fault) = (vec![0_u64; 8192], 0_u32);
    let (conv, sort) = (nnc::kernels::conv::portable, nnc::kernels::sort::portable);
    let ctx = Ctx {
        gemm,
        conv,
        fill,
        sort,
        transpose: nnc::kernels::transpose::portable,
        scratch: scratch.as_mut_ptr().cast(),
        pack: std::ptr::null_mut(),
        fault: &mut fault,
    };
    let function = module.function(KernelId(0));
    for &(lo, hi) in panels {
        // SAFETY: the buffers are as long as the kernel's parameters say, and the module lives.
        unsafe { function(pointers.as_ptr(), &ctx, lo, hi) };
    }
    for buffer in &mut buffers {
        let fence = buffer.split_off(buffer.len() - FENCE);
        assert!(fence.iter().all(|word| *word == FENCE_WORD), "wrote behind a parameter");
    }
    (buffers, fault != 0)
}

fn words(random: &mut Random, dtype: DType, len: usize) -> Vec<u32> {
    (0..len).map(|_| random.word(dtype)).collect()
}

/// Pools of values by type, in the order F32, I32, Bool.
type Pools = [Vec<ValueId>; 3];

fn random_operation(b: &mut KernelBuilder, random: &mut Random, pools: &mut Pools) {
    let which = random.below(38);
    let mut pick = |pool: usize| pools[pool][random.next() as usize % pools[pool].len()];
    let (f, g, h) = (pick(0), pick(0), pick(0));
    let (i, j) = (pick(1), pick(1));
    let (p, q) = (pick(2), pick(2));
    let by = random.below(32) as u8;
    let op = match which {
        0 => ScalarOp::Unary(Unary::Neg, f),
        1 => ScalarOp::Unary(Unary::Abs, f),
        2 => ScalarOp::Unary(Unary::Sqrt, f),
        3 => ScalarOp::Unary(Unary::Floor, f),
        4 => ScalarOp::Binary(Binary::Add, f, g),
        5 => ScalarOp::Binary(Binary::Sub, f, g),
        6 => ScalarOp::Binary(Binary::Mul, f, g),
        7 => ScalarOp::Binary(Binary::Div, f, g),
        8 => ScalarOp::Binary(Binary::Max, f, g),
        9 => ScalarOp::Binary(Binary::Min, f, g),
        10 => ScalarOp::Fma(f, g, h),
        11 => ScalarOp::Select(p, f, g),
        12 => ScalarOp::Convert(DType::F32, i),
        13 => ScalarOp::Convert(DType::F32, p),
        14 => ScalarOp::Bits(DType::F32, i),
        15 => ScalarOp::Unary(Unary::Neg, i),
        16 => ScalarOp::Unary(Unary::Abs, i),
        17 => ScalarOp::Binary(Binary::Add, i, j),
        18 => ScalarOp::Binary(Binary::Sub, i, j),
        19 => ScalarOp::Binary(Binary::Mul, i, j),
        20 => ScalarOp::Binary(Binary::Div, i, j),
        21 => ScalarOp::Binary(Binary::Rem, i, j),
        22 => ScalarOp::Binary(Binary::Max, i, j),
        23 => ScalarOp::Binary(Binary::Min, i, j),
        24 => ScalarOp::And(i, j),
        25 => ScalarOp::Xor(i, j),
        26 => ScalarOp::Not(i),
        27 => ScalarOp::Shl(i, by),
        28 => ScalarOp::ShrU(i, by),
        29 => ScalarOp::ShrS(i, by),
        30 => ScalarOp::Select(p, i, j),
        31 => ScalarOp::Convert(DType::I32, f),
        32 => ScalarOp::Convert(DType::I32, p),
        33 => ScalarOp::Compare([Comparison::Lt, Comparison::Le, Comparison::Eq][random.below(3)], f, g),
        34 => ScalarOp::Compare([Comparison::Lt, Comparison::Le, Comparison::Eq][random.below(3)], i, j),
        35 => ScalarOp::And(p, q),
        36 => ScalarOp::Convert(DType::Bool, if by < 16 { f } else { i }),
        37 => [ScalarOp::Or(p, q), ScalarOp::Not(p), ScalarOp::Xor(p, q), ScalarOp::Select(p, q, p)][random.below(4)]
            .clone(),
        _ => unreachable!(),
    };
    let value = b.op(op);
    let pool = match b.dtype(value) {
        DType::F32 => 0,
        DType::I32 => 1,
        DType::Bool => 2,
    };
    pools[pool].push(value);
}

const DTYPES: [DType; 3] = [DType::F32, DType::I32, DType::Bool];

/// Elementwise: two inputs of each type, uniform constants outside, random operations, one result of each type.
fn elementwise(random: &mut Random, n: usize, operations: usize, panel: bool) -> (Kernel, Vec<Vec<u32>>) {
    let mut b = KernelBuilder::new(format!("elementwise {n}"));
    let inputs: Vec<ParamId> = (0..6).map(|at| b.param("in", DTYPES[at % 3], n, Mode::In)).collect();
    let outputs: Vec<ParamId> = (0..3).map(|at| b.param("out", DTYPES[at], n, Mode::Out)).collect();
    let constants = [b.f32(0.75), b.i32(-3), b.bool(true)];
    let shared = b.load(inputs[0], Affine::constant(n as i64 - 1));
    let body = |b: &mut KernelBuilder, i: VarId| {
        let mut pools: Pools = [vec![constants[0], shared], vec![constants[1]], vec![constants[2]]];
        for (at, input) in inputs.iter().enumerate() {
            pools[at % 3].push(b.load(*input, Affine::var(i, 1)));
        }
        pools[1].push(b.index(Affine { offset: -5, terms: vec![(i, 3)] }));
        for _ in 0..operations {
            random_operation(b, random, &mut pools);
        }
        for (pool, output) in pools.iter().zip(&outputs) {
            b.store(*output, Affine::var(i, 1), pool[pool.len() - 1]);
        }
    };
    if panel {
        b.par(n as u64, 16);
        b.nest(LoopKind::Vec, Range::Panel, body);
    } else {
        b.vec(n as u64, body);
    }
    let memory = (0..9).map(|at| words(random, DTYPES[at % 3], n)).collect();
    (b.finish(), memory)
}

#[test]
fn elementwise_kernels_agree() {
    let mut random = Random(1);
    for n in (1..=33).chain([1000]) {
        let operations = 5 + random.below(40);
        let (kernel, memory) = elementwise(&mut random, n, operations, false);
        check(kernel, memory, &[(0, 0)]);
    }
}

/// Bodies that need more values at a time than there are registers, as whole loops and as panels.
#[test]
fn eight_lanes_agree() {
    let mut random = Random(11);
    let mut wide = 0;
    for case in 0..150 {
        let (n, operations) = (8 + random.below(70), 10 + random.below(110));
        let (kernel, memory) = elementwise(&mut random, n, operations, case % 3 == 0);
        if has_eight_lanes() {
            let size = |lanes| {
                let options = Options { lanes, ..Options::default() };
                jit::compile(std::slice::from_ref(&kernel), &options).unwrap().code_size(KernelId(0))
            };
            // Two codes may be of one length by chance.
            wide += usize::from(size(Lanes::Four) != size(Lanes::Eight));
        }
        let cut = 8.min(n as u64);
        let panels = [(0, cut), (cut, n as u64)];
        check(kernel.clone(), memory, if kernel.par.is_some() { &panels } else { &[(0, 0)] });
    }
    assert!(!has_eight_lanes() || wide > 140, "{wide} cases have code of eight lanes");
}

/// More arrays than there are registers for their addresses.
#[test]
fn many_arrays_agree() {
    let mut random = Random(13);
    for n in [8, 29, 64] {
        let mut b = KernelBuilder::new("many arrays");
        let inputs: Vec<ParamId> = (0..14).map(|_| b.param("in", DType::F32, n + 3, Mode::In)).collect();
        let out = b.param("out", DType::F32, n, Mode::InOut);
        b.vec(n as u64, |b, i| {
            let mut sum = b.load(out, Affine::var(i, 1));
            for (at, input) in inputs.iter().enumerate() {
                let x = b.load(*input, Affine { offset: at as i64 % 4, terms: vec![(i, 1)] });
                sum = b.binary(Binary::Add, sum, x);
            }
            b.store(out, Affine::var(i, 1), sum);
        });
        let memory = (0..15).map(|at| words(&mut random, DType::F32, if at < 14 { n + 3 } else { n })).collect();
        check(b.finish(), memory, &[(0, 0)]);
    }
}

fn has_eight_lanes() -> bool {
    #[cfg(all(target_arch = "x86_64", unix))]
    return std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    false
}

/// Trees one by one, as many as have accumulators of eight lanes.
#[test]
fn trees_of_eight_lanes_agree() {
    let mut random = Random(12);
    for n in (8..=72).chain([96, 127, 1000]) {
        for (order, which) in
            [Order::Tree8, Order::Tree32].into_iter().flat_map(|order| (0..5).map(move |at| (order, at)))
        {
            let mut b = KernelBuilder::new(format!("{order:?} {which} of {n}"));
            let x = b.param("x", DType::F32, n, Mode::In);
            let k = b.param("k", DType::I32, n, Mode::In);
            let out = b.param("out", DType::F32, 1, Mode::Out);
            let whole = b.param("whole", DType::I32, 1, Mode::Out);
            let i = b.begin(LoopKind::Vec, Range::Count(n as u64));
            let a = b.load(x, Affine::var(i, 1));
            let c = b.load(k, Affine::var(i, 1));
            let h = b.binary(Binary::Mul, a, a);
            let combine =
                [Combine::Sum(h), Combine::Product(a, h), Combine::Max(a), Combine::Sum(c), Combine::Max(c)][which];
            let result = b.reduce(order, combine);
            b.end();
            b.store(if which < 3 { out } else { whole }, Affine::constant(0), result);
            let memory = [DType::F32, DType::I32, DType::F32, DType::I32];
            let sizes = [n, n, 1, 1];
            let memory = memory.iter().zip(sizes).map(|(dtype, size)| words(&mut random, *dtype, size)).collect();
            check(b.finish(), memory, &[(0, 0)]);
        }
    }
}

#[test]
fn panels_agree_however_they_are_cut() {
    let mut random = Random(2);
    for panels in [vec![(0, 50)], vec![(0, 16), (16, 32), (32, 48), (48, 50)], vec![(0, 1), (1, 3), (3, 50), (50, 50)]]
    {
        let (kernel, memory) = elementwise(&mut random, 50, 25, true);
        check(kernel, memory, &panels);
    }
}

#[test]
fn trees_agree() {
    let mut random = Random(3);
    for n in (1..=40).chain([63, 64, 65, 95, 96, 127, 1000]) {
        let mut b = KernelBuilder::new(format!("trees {n}"));
        let x = b.param("x", DType::F32, n, Mode::In);
        let k = b.param("k", DType::I32, n, Mode::In);
        let out = b.param("out", DType::F32, 4, Mode::Out);
        let ints = b.param("ints", DType::I32, 2, Mode::Out);
        let i = b.begin(LoopKind::Vec, Range::Count(n as u64));
        let a = b.load(x, Affine::var(i, 1));
        let c = b.load(k, Affine::var(i, 1));
        let half = b.f32(0.5);
        let h = b.binary(Binary::Mul, a, half);
        let results = [
            b.reduce(Order::Tree8, Combine::Sum(h)),
            b.reduce(Order::Tree32, Combine::Sum(a)),
            b.reduce(Order::Tree32, Combine::Product(a, h)),
            b.reduce(Order::Tree32, Combine::Max(a)),
        ];
        let counted = [b.reduce(Order::Tree32, Combine::Sum(c)), b.reduce(Order::Tree8, Combine::Max(c))];
        b.end();
        for (at, result) in results.into_iter().enumerate() {
            b.store(out, Affine::constant(at as i64), result);
        }
        for (at, result) in counted.into_iter().enumerate() {
            b.store(ints, Affine::constant(at as i64), result);
        }
        let kernel = b.finish();
        let plain: Vec<u32> = (0..n).map(|_| ((random.next() as i32 as f32) / 1e9).to_bits()).collect();
        let special = words(&mut random, DType::F32, n);
        let zeros: Vec<u32> = (0..n).map(|_| random.next() & 0x8000_0000).collect();
        for floats in [plain, special, zeros] {
            let memory = vec![floats, words(&mut random, DType::I32, n), vec![0; 4], vec![0; 2]];
            check(kernel.clone(), memory, &[(0, 0)]);
        }
    }
}

/// C = A · B as chains inside a `vec` strip, and a row maximum that reads scratch.
#[test]
fn chains_in_strips_agree() {
    let mut random = Random(4);
    for (m, n, k) in [(1, 1, 1), (4, 2, 8), (3, 17, 5), (5, 33, 20), (2, 16, 3), (7, 40, 100)] {
        let mut b = KernelBuilder::new(format!("product {m} {n} {k}"));
        let x = b.param("x", DType::F32, m * k, Mode::In);
        let w = b.param("w", DType::F32, k * n, Mode::In);
        let y = b.param("y", DType::F32, m * n, Mode::Out);
        let most = b.param("most", DType::F32, m, Mode::Out);
        let row = b.param("row", DType::F32, n, Mode::Scratch { offset: 64 });
        b.par(m as u64, 1);
        let i = b.begin(LoopKind::Seq, Range::Panel);
        let j = b.begin(LoopKind::Vec, Range::Count(n as u64));
        let turn = b.begin(LoopKind::Seq, Range::Count(k as u64));
        let left = b.load(x, Affine::var(i, k as i64).plus(&Affine::var(turn, 1)));
        let right = b.load(w, Affine::var(turn, n as i64).plus(&Affine::var(j, 1)));
        let product = b.reduce(Order::Chain, Combine::Product(left, right));
        let sum = b.reduce(Order::Chain, Combine::Sum(right));
        b.end();
        let both = b.binary(Binary::Add, product, sum);
        b.store(y, Affine::var(i, n as i64).plus(&Affine::var(j, 1)), product);
        b.store(row, Affine::var(j, 1), both);
        b.end();
        let j = b.begin(LoopKind::Vec, Range::Count(n as u64));
        let value = b.load(row, Affine::var(j, 1));
        let largest = b.reduce(Order::Tree8, Combine::Max(value));
        b.end();
        b.store(most, Affine::var(i, 1), largest);
        b.end();
        let memory =
            [m * k, k * n, m * n, m, n].iter().map(|len| (0..*len).map(|_| random.next() >> 2).collect()).collect();
        check(b.finish(), memory, &[(0, 1), (1, m as u64)]);
    }
}

/// A padded window with a stride, a transposed read, a reversed read.
#[test]
fn guards_and_strides_agree() {
    let mut random = Random(5);
    for n in [1, 3, 4, 8, 9, 21, 40] {
        for step in [1, 2, 3] {
            let mut b = KernelBuilder::new(format!("guards {n} {step}"));
            let x = b.param("x", DType::F32, n, Mode::In);
            let t = b.param("t", DType::F32, n * 3, Mode::In);
            let y = b.param("y", DType::F32, n * 6, Mode::Out);
            let r = b.begin(LoopKind::Seq, Range::Count(6));
            let i = b.begin(LoopKind::Vec, Range::Count(n as u64));
            let at = Affine { offset: -2, terms: vec![(r, 1), (i, 1)] };
            let window = b.load_at(Access::new(x, at.clone()).guard(at, n as i64, step).fill(0xff80_0000));
            let whole = Affine { offset: -1, terms: vec![(r, 1)] };
            let rows = b.load_at(Access::new(x, Affine::var(i, 1)).guard(whole, 3, 1).fill(7));
            let column = b.load(t, Affine { offset: 1, terms: vec![(i, 3)] });
            let reversed = b.load(x, Affine { offset: n as i64 - 1, terms: vec![(i, -1)] });
            let one = b.binary(Binary::Max, window, column);
            let two = b.binary(Binary::Add, rows, reversed);
            let sum = b.binary(Binary::Add, one, two);
            b.store(y, Affine { offset: 0, terms: vec![(r, n as i64), (i, 1)] }, sum);
            b.end();
            b.end();
            let memory = [n, n * 3, n * 6].iter().map(|len| words(&mut random, DType::F32, *len)).collect();
            check(b.finish(), memory, &[(0, 0)]);
        }
    }
}

/// Rows picked by an index (uniform along the strip), and single elements (one index a lane); clamps are reported.
#[test]
fn gathers_agree() {
    let mut random = Random(6);
    for (n, range) in [(1, 3), (9, 9), (33, 8), (40, 12)] {
        let mut b = KernelBuilder::new(format!("gathers {n} {range}"));
        let x = b.param("x", DType::F32, 9 * n, Mode::In);
        let k = b.param("k", DType::I32, n, Mode::In);
        let y = b.param("y", DType::F32, n * n, Mode::Out);
        let z = b.param("z", DType::F32, n, Mode::Out);
        let h = b.param("h", DType::F32, n, Mode::Out);
        let r = b.begin(LoopKind::Seq, Range::Count(n as u64));
        let row = b.load(k, Affine::var(r, 1));
        b.vec(n as u64, |b, i| {
            let value = b.load_at(Access::new(x, Affine::var(i, 1)).indirect(row, n as i64, 9));
            b.store(y, Affine { offset: 0, terms: vec![(r, n as i64), (i, 1)] }, value);
        });
        b.end();
        b.vec(n as u64, |b, i| {
            let row = b.load(k, Affine::var(i, 1));
            let value = b.load_at(Access::new(x, Affine::var(i, 1)).indirect(row, n as i64, 9));
            b.store(z, Affine::var(i, 1), value);
        });
        b.vec(n as u64, |b, i| {
            let (row, before) = (b.load(k, Affine::var(i, 1)), Affine { offset: -1, terms: vec![(i, 1)] });
            let shifted = Access::new(x, before.clone()).indirect(row, n as i64, 9).guard(before, n as i64, 1);
            let value = b.load_at(shifted.fill(5));
            b.store(h, Affine::var(i, 1), value);
        });
        let indices = (0..n).map(|_| random.below(range) as u32).collect();
        let memory = vec![words(&mut random, DType::F32, 9 * n), indices, vec![0; n * n], vec![0; n], vec![0; n]];
        check(b.finish(), memory, &[(0, 0)]);
    }
}

/// Each operation of two operands by itself, on all pairs of special values, in vectors and in the tail.
#[test]
fn special_pairs_agree() {
    let comparisons = [Comparison::Lt, Comparison::Le, Comparison::Eq];
    for (dtype, specials) in
        [(DType::F32, FLOATS.map(f32::to_bits).to_vec()), (DType::I32, INTS.map(|number| number as u32).to_vec())]
    {
        let pair = |at: usize| (specials[at / specials.len() % specials.len()], specials[at % specials.len()]);
        // One element runs as the tail alone; three more than all pairs have vectors and a tail.
        for n in [1, specials.len() * specials.len() + 3] {
            for binary in Binary::ALL {
                if binary == Binary::Pow || (binary == Binary::Rem && dtype == DType::F32) {
                    continue;
                }
                let mut b = KernelBuilder::new(format!("{binary:?} of {dtype}"));
                let x = b.param("x", dtype, n, Mode::In);
                let y = b.param("y", dtype, n, Mode::In);
                let z = b.param("z", dtype, n, Mode::Out);
                let orders = [(); 3].map(|()| b.param("order", DType::Bool, n, Mode::Out));
                b.vec(n as u64, |b, i| {
                    let (one, two) = (b.load(x, Affine::var(i, 1)), b.load(y, Affine::var(i, 1)));
                    let result = b.binary(binary, one, two);
                    b.store(z, Affine::var(i, 1), result);
                    for (order, comparison) in orders.into_iter().zip(comparisons) {
                        let truth = b.compare(comparison, one, two);
                        b.store(order, Affine::var(i, 1), truth);
                    }
                });
                let (kernel, offsets) = (b.finish(), if n > 3 { 1 } else { specials.len() * specials.len() });
                for offset in 0..offsets {
                    let (one, two) = (0..n).map(|at| pair(at + offset)).unzip();
                    check_with(&[Level::None], &kernel, [vec![one, two], vec![vec![0; n]; 4]].concat(), &[(0, 0)]);
                }
            }
        }
    }
}

/// The expansions of `loops::math` give the interpreter's bits, whatever the operands.
#[test]
fn expanded_functions_agree() {
    let mut random = Random(9);
    let n = 203;
    let functions = Unary::ALL.map(|unary| (format!("{unary:?}"), Some(unary), Binary::Rem));
    let two = [Binary::Rem, Binary::Pow].map(|binary| (format!("{binary:?}"), None, binary));
    for (name, unary, binary) in functions.into_iter().chain(two) {
        let mut b = KernelBuilder::new(name);
        let x = b.param("x", DType::F32, n, Mode::In);
        let y = b.param("y", DType::F32, n, Mode::In);
        let z = b.param("z", DType::F32, n, Mode::Out);
        b.vec(n as u64, |b, i| {
            let (one, two) = (b.load(x, Affine::var(i, 1)), b.load(y, Affine::var(i, 1)));
            let result = match unary {
                Some(unary) => b.unary(unary, one),
                None => b.binary(binary, one, two),
            };
            b.store(z, Affine::var(i, 1), result);
        });
        let mut kernel = b.finish();
        math::expand(&mut kernel);
        for scale in [1.0, 1e-3, 50.0, 1e30] {
            let scaled = |word: u32| (f32::from_bits(word) * scale).to_bits();
            let inputs = [(); 2].map(|()| words(&mut random, DType::F32, n).into_iter().map(scaled).collect());
            let [one, two] = inputs;
            check(kernel.clone(), vec![one, two, vec![0; n]], &[(0, 0)]);
        }
    }
}

/// What a call received.
static CALLS: std::sync::Mutex<Vec<Vec<i64>>> = std::sync::Mutex::new(Vec::new());

unsafe extern "C" fn note_gemm(args: *const GemmArgs, _: *const Ctx) {
    // SAFETY: the kernel passes a structure on its stack.
    let args = unsafe { *args };
    let numbers = vec![
        args.a as i64,
        args.b as i64,
        args.c as i64,
        args.m as i64,
        args.n as i64,
        args.k as i64,
        args.a_row,
        args.a_column,
        args.b_row,
        args.b_column,
        args.c_row,
    ];
    CALLS.lock().expect("no holder panics").push(numbers);
}

unsafe extern "C" fn note_fill(args: *const FillArgs) {
    // SAFETY: the kernel passes a structure on its stack.
    let args = unsafe { *args };
    let words = [args.place, args.seed, args.step, args.turn].map(i64::from);
    CALLS
        .lock()
        .expect("no holder panics")
        .push([&[args.out as i64, args.len as i64, args.base as i64][..], &words[..]].concat());
}

#[test]
fn calls_get_their_panel() {
    let mut b = KernelBuilder::new("calls");
    let x = b.param("x", DType::F32, 500, Mode::In);
    let w = b.param("w", DType::F32, 500, Mode::In);
    let y = b.param("y", DType::F32, 1000, Mode::Out);
    b.par(4, 2);
    let (seed, step, turn) = (b.i32(11), b.i32(-1), b.i32(13));
    let matrix = |param, start, row, column| Matrix { param, start: Affine::constant(start), row, column };
    b.gemm(Gemm { m: Range::Panel, n: 6, k: 5, a: matrix(x, 3, 7, 1), b: matrix(w, 2, 1, 9), c: matrix(y, 0, 6, 1) });
    b.fill(Fill { param: y, len: 200, place: 0xdead_beef, base: 640, seed, step, turn });
    let module = jit::compile(&[b.finish()], &Options::default()).unwrap();
    let mut memory = [vec![0_u32; 500], vec![0; 500], vec![0; 1000]];
    let pointers: Vec<*mut u8> = memory.iter_mut().map(|buffer| buffer.as_mut_ptr().cast()).collect();
    let mut fault = 0;
    let (scratch, pack) = (std::ptr::null_mut(), std::ptr::null_mut());
    let sort = nnc::kernels::sort::portable;
    let ctx = Ctx {
        gemm: note_gemm,
        conv: nnc::kernels::conv::portable,
        fill: note_fill,
        sort,
        transpose: nnc::kernels::transpose::portable,
        scratch,
        pack,
        fault: &mut fault,
    };
    CALLS.lock().unwrap().clear();
    // SAFETY: the kernel only calls the two functions above.
    unsafe { module.function(KernelId(0))(pointers.as_ptr(), &ctx, 2, 4) };
    let [px, pw, py] = [0, 1, 2].map(|at| pointers[at] as i64);
    let calls = CALLS.lock().unwrap();
    assert_eq!(calls[0], [px + 4 * (3 + 14), pw + 8, py + 48, 2, 6, 5, 7, 1, 1, 9, 6]);
    assert_eq!(calls[1], [py + 4 * 128, 72, 768, 0xdead_beef, 11, 0xffff_ffff, 13]);
}

#[test]
fn equal_kernels_are_one_function() {
    let mut random = Random(7);
    let (first, _) = elementwise(&mut random, 30, 10, false);
    let (other, _) = elementwise(&mut random, 31, 10, false);
    let mut renamed = first.clone();
    renamed.name = "another name".to_owned();
    let module = jit::compile(&[first, other, renamed], &Options { threads: 2, ..Options::default() }).unwrap();
    let address = |kernel| module.function(KernelId(kernel)) as usize;
    assert_eq!(address(0), address(2));
    assert_ne!(address(0), address(1));
    fn shared_by_threads(_: &(impl Send + Sync)) {}
    shared_by_threads(&module);
}

#[test]
fn vectors_are_visible_and_code_knows_its_statement() {
    let (kernel, _) = elementwise(&mut Random(8), 64, 10, false);
    let text = jit::clif(&kernel).unwrap();
    assert!(text.contains("f32x4") && text.contains("i32x4"), "{text}");
    // Loops of eight lanes are functions of their own, as one statement.
    let options = Options { lanes: Lanes::Four, ..Options::default() };
    let module = jit::compile(std::slice::from_ref(&kernel), &options).unwrap();
    let size = module.code_size(KernelId(0)) as u32;
    let statements: Vec<u32> = (0..size).filter_map(|at| module.statement_at(KernelId(0), at)).collect();
    assert!(statements.contains(&6), "the first load of the loop has code: {statements:?}");
}
