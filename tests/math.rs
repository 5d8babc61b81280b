//! Suite: math. Every expanded function, as machine code, against an f64 reference: each 1009th
//! f32 bit pattern (each 100,003rd without optimisation, to stay quick), or all
//! 2³² of them when `NNC_EXHAUSTIVE=1` is set.
//!
//! `NNC_EXHAUSTIVE=1 cargo test --release --test suite math:: -- --nocapture`

#[path = "math/reference.rs"]
mod reference;

use nnc::ir::{Binary, DType, Unary};
use nnc::jit;
use nnc::kernels::abi::Ctx;
use nnc::loops::build::KernelBuilder;
use nnc::loops::interpret::block::Block;
use nnc::loops::ir::{Affine, Kernel, KernelId, Mode, ValueId};
use nnc::loops::math;

/// Elements evaluated at a time.
const BLOCK: usize = 4096;

/// A composite operation as straight-line code: loads are the inputs.
struct Code {
    kernel: Kernel,
    inputs: Vec<ValueId>,
    output: ValueId,
}

impl Code {
    fn new(arity: usize, op: impl FnOnce(&mut KernelBuilder, &[ValueId]) -> ValueId) -> Code {
        let mut b = KernelBuilder::new("function");
        let inputs: Vec<_> = (0..arity)
            .map(|at| {
                let param = b.param(format!("x{at}"), DType::F32, 1, Mode::In);
                b.load(param, Affine::constant(0))
            })
            .collect();
        let output = op(&mut b, &inputs);
        let mut kernel = b.finish();
        math::expand(&mut kernel);
        Code { kernel, inputs, output }
    }

    fn unary(function: Unary) -> Code {
        Code::new(1, |b, inputs| b.unary(function, inputs[0]))
    }

    fn binary(function: Binary) -> Code {
        Code::new(2, |b, inputs| b.binary(function, inputs[0], inputs[1]))
    }

    fn eval(&self, arguments: &[f32]) -> f32 {
        let mut block = Block::new(&self.kernel, 1);
        for (&input, argument) in self.inputs.iter().zip(arguments) {
            block.words_mut(input)[0] = argument.to_bits();
        }
        block.run(&self.kernel);
        f32::from_bits(block.words(self.output)[0])
    }
}

/// The same operation as machine code over [`BLOCK`] elements.
struct Compiled(jit::Module);

impl Compiled {
    fn unary(function: Unary) -> Compiled {
        Compiled::new(1, |b, inputs| b.unary(function, inputs[0]))
    }

    fn binary(function: Binary) -> Compiled {
        Compiled::new(2, |b, inputs| b.binary(function, inputs[0], inputs[1]))
    }

    fn new(arity: usize, op: impl FnOnce(&mut KernelBuilder, &[ValueId]) -> ValueId) -> Compiled {
        let mut b = KernelBuilder::new("function");
        let params: Vec<_> = (0..arity).map(|at| b.param(format!("x{at}"), DType::F32, BLOCK, Mode::In)).collect();
        let out = b.param("y", DType::F32, BLOCK, Mode::Out);
        b.vec(BLOCK as u64, |b, i| {
            let inputs: Vec<_> = params.iter().map(|&param| b.load(param, Affine::var(i, 1))).collect();
            let y = op(b, &inputs);
            b.store(out, Affine::var(i, 1), y);
        });
        let mut kernel = b.finish();
        math::expand(&mut kernel);
        Compiled(jit::compile(&[kernel], &jit::Options::default()).expect("expanded functions compile"))
    }

    fn run(&self, inputs: &[&[f32]], output: &mut [f32]) {
        assert!(inputs.iter().all(|input| input.len() == BLOCK) && output.len() == BLOCK);
        let mut pointers: Vec<*mut u8> = inputs.iter().map(|input| input.as_ptr().cast_mut().cast()).collect();
        pointers.push(output.as_mut_ptr().cast());
        let table = nnc::kernels::table();
        let (scratch, mut fault) = (std::ptr::null_mut(), 0u32);
        let ctx = Ctx {
            gemm: table.gemm,
            conv: table.conv,
            fill: table.fill,
            sort: table.sort,
            transpose: table.transpose,
            scratch,
            pack: scratch,
            fault: &mut fault,
        };
        // SAFETY: the buffers have the lengths of the kernel's parameters, which need neither scratch nor packing.
        unsafe { self.0.function(KernelId(0))(pointers.as_ptr(), &ctx, 0, 0) };
    }
}

/// The worst error seen, and where.
#[derive(Clone, Copy, Debug, Default)]
#[expect(dead_code, reason = "printed only")]
struct Worst {
    ulp: f64,
    at: f32,
    got: f32,
    reference: f64,
}

impl Worst {
    fn see(&mut self, at: f32, got: f32, reference: f64) {
        let ulp = ulp_error(got, reference);
        if ulp > self.ulp {
            *self = Worst { ulp, at, got, reference };
        }
    }
}

/// |got - reference| in units of the last place of an f32 of the reference's size; infinite if only one is NaN.
fn ulp_error(got: f32, reference: f64) -> f64 {
    if got.is_nan() || reference.is_nan() {
        return if got.is_nan() && reference.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if f64::from(got) == reference {
        return 0.0;
    }
    let got = if got.is_infinite() { 2f64.powi(128).copysign(f64::from(got)) } else { f64::from(got) };
    let clamped = reference.clamp(-2f64.powi(128), 2f64.powi(128));
    let exponent = (((clamped.abs().to_bits() >> 52) as i32) - 1023).clamp(-126, 127);
    (got - clamped).abs() / 2f64.powi(exponent - 23)
}

fn worst_of(function: Unary, reference: fn(f64) -> f64, inside: fn(f32) -> bool) -> Worst {
    let step: u64 = match std::env::var_os("NNC_EXHAUSTIVE") {
        Some(_) => 1,
        None if cfg!(debug_assertions) => 100_003,
        None => 1009,
    };
    let threads = 2;
    let total = (1u64 << 32).div_ceil(step);
    let part = total.div_ceil(threads);
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            std::thread::spawn(move || {
                worst_in(function, reference, inside, step, thread * part..((thread + 1) * part).min(total))
            })
        })
        .collect();
    workers
        .into_iter()
        .map(|worker| worker.join().expect("a worker ends"))
        .fold(Worst::default(), |a, b| if b.ulp > a.ulp { b } else { a })
}

fn worst_in(
    function: Unary,
    reference: fn(f64) -> f64,
    inside: fn(f32) -> bool,
    step: u64,
    numbers: std::ops::Range<u64>,
) -> Worst {
    let compiled = Compiled::unary(function);
    let (mut xs, mut ys) = (vec![0.0f32; BLOCK], vec![0.0f32; BLOCK]);
    let mut worst = Worst::default();
    for start in numbers.clone().step_by(BLOCK) {
        for (at, x) in xs.iter_mut().enumerate() {
            *x = f32::from_bits(((start + at as u64).min(numbers.end - 1) * step) as u32);
        }
        compiled.run(&[&xs], &mut ys);
        for (&x, &y) in xs.iter().zip(&ys) {
            if inside(x) {
                worst.see(x, y, reference(f64::from(x)));
            }
        }
    }
    worst
}

fn check(function: Unary, reference: fn(f64) -> f64, inside: fn(f32) -> bool, bound: f64) {
    let worst = worst_of(function, reference, inside);
    let ops = Code::unary(function).kernel.body.len() - 1;
    println!("{:9} {:6.3} ulp, {ops} statements with constants; worst {worst:?}", function.name(), worst.ulp);
    assert!(worst.ulp <= bound, "{}: {worst:?}", function.name());
}

fn everywhere(_: f32) -> bool {
    true
}

#[test]
fn exp() {
    check(Unary::Exp, f64::exp, everywhere, 2.0);
}

#[test]
fn log() {
    check(Unary::Log, f64::ln, everywhere, 2.0);
}

#[test]
fn tanh() {
    check(Unary::Tanh, f64::tanh, everywhere, 4.0);
}

/// A clamp that comes too early is within 4 ulp of 1, so it is looked for apart.
#[test]
fn tanh_is_one_from_where_it_should() {
    let code = Code::unary(Unary::Tanh);
    for x in [9.1f32, 9.2, 10.0, 88.0, 1e4, f32::MAX, f32::INFINITY] {
        assert_eq!((code.eval(&[x]), code.eval(&[-x])), (1.0, -1.0), "{x}");
    }
}

#[test]
fn logistic() {
    check(Unary::Logistic, reference::logistic, everywhere, 4.0);
}

#[test]
fn softplus() {
    check(Unary::Softplus, reference::softplus, everywhere, 4.0);
}

#[test]
fn sin_and_cos() {
    let inside = |x: f32| x.abs() < 1e4 || !x.is_finite();
    check(Unary::Sin, f64::sin, inside, 4.0);
    check(Unary::Cos, f64::cos, inside, 4.0);
}

#[test]
fn erf() {
    check(Unary::Erf, reference::erf, everywhere, 4.0);
}

#[test]
fn erfinv() {
    check(Unary::ErfInv, reference::erfinv, everywhere, 4.0);
}

#[test]
fn large_angles_stay_bounded() {
    for function in [Unary::Sin, Unary::Cos] {
        let code = Code::unary(function);
        for bits in (1e4f32.to_bits()..f32::INFINITY.to_bits()).step_by(100_003) {
            let y = code.eval(&[f32::from_bits(bits)]);
            assert!(y.abs() <= 1.0, "{function:?} {} = {y}", f32::from_bits(bits));
        }
    }
}

#[test]
fn zeros_keep_their_sign() {
    for function in [Unary::Sin, Unary::Tanh, Unary::Erf, Unary::ErfInv] {
        let code = Code::unary(function);
        assert_eq!(code.eval(&[-0.0]).to_bits(), (-0.0f32).to_bits(), "{function:?}");
        assert_eq!(code.eval(&[0.0]).to_bits(), 0, "{function:?}");
    }
}

/// Numbers at which something can go wrong, and others in between.
fn samples() -> Vec<f32> {
    let special = [
        0.0,
        1e-45,
        1e-40,
        f32::MIN_POSITIVE,
        1e-20,
        1e-5,
        0.1,
        0.3,
        0.5,
        0.7,
        0.99999994,
        1.0,
        1.0000001,
        1.1,
        std::f32::consts::SQRT_2,
        1.5,
        2.0,
        2.5,
        3.0,
        4.0,
        7.0,
        8.5,
        10.0,
        33.3,
        100.0,
        127.5,
        1001.0,
        16_777_215.0,
        16_777_216.0,
        3e7,
        1e10,
        1e20,
        1e30,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    let mut all: Vec<f32> = special.iter().flat_map(|&x| [x, -x]).collect();
    // An additive walk through the bit patterns reaches all sizes.
    let mut bits = 12_345u32;
    for _ in 0..600 {
        bits = bits.wrapping_add(2_654_435_769);
        all.push(f32::from_bits(bits));
    }
    all
}

#[test]
fn pow() {
    let code = Code::binary(Binary::Pow);
    let mut pairs = Vec::new();
    for &a in &samples() {
        pairs.extend(samples().into_iter().map(|b| (a, b)));
    }
    // Results inside the range of f32: b runs over what keeps |b·log2 a| below 150.
    let mut bits = 1u32;
    for _ in 0..if cfg!(debug_assertions) { 20_000 } else { 2_000_000 } {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let a = f32::from_bits((bits >> 1) % 0x7f80_0000);
        let near_one = f32::from_bits(0x3f00_0000 + (bits >> 8));
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let exponent = (bits >> 8) as f32 / 16_777_216.0 * 300.0 - 150.0;
        pairs.push((a, exponent / a.log2()));
        pairs.push((near_one, exponent / near_one.log2()));
    }
    let mut worst = (Worst::default(), 0.0);
    let compiled = Compiled::binary(Binary::Pow);
    let (mut xs, mut exponents, mut ys) = (vec![1.0f32; BLOCK], vec![1.0f32; BLOCK], vec![0.0f32; BLOCK]);
    for chunk in pairs.chunks(BLOCK) {
        for (at, (a, b)) in chunk.iter().enumerate() {
            (xs[at], exponents[at]) = (*a, *b);
        }
        compiled.run(&[&xs, &exponents], &mut ys);
        for ((a, b), &y) in chunk.iter().zip(&ys) {
            let before = worst.0.ulp;
            worst.0.see(*a, y, f64::from(*a).powf(f64::from(*b)));
            if worst.0.ulp > before {
                worst.1 = *b;
            }
        }
    }
    println!("pow       {:6.3} ulp, {} statements; worst {worst:?}", worst.0.ulp, code.kernel.body.len() - 2);
    assert!(worst.0.ulp <= 4.0, "{worst:?}");
}

#[test]
fn pow_keeps_the_sign_of_odd_powers_of_zero() {
    let code = Code::binary(Binary::Pow);
    assert_eq!(code.eval(&[-0.0, 3.0]).to_bits(), (-0.0f32).to_bits());
    assert_eq!(code.eval(&[-0.0, 2.0]).to_bits(), 0);
    assert_eq!(code.eval(&[-0.0, -3.0]), f32::NEG_INFINITY);
    assert_eq!(code.eval(&[-0.0, -2.0]), f32::INFINITY);
    assert_eq!(code.eval(&[f32::NEG_INFINITY, -3.0]).to_bits(), (-0.0f32).to_bits());
}

#[test]
fn rem_is_a_minus_floor_of_quotient_times_b() {
    let code = Code::binary(Binary::Rem);
    for (a, b, rem) in [(7.0, 3.0, 1.0), (-7.0, 3.0, 2.0), (7.0, -3.0, -2.0), (5.5, 0.5, 0.0)] {
        assert_eq!(code.eval(&[a, b]), rem, "{a} % {b}");
    }
    assert!(code.eval(&[1.0, 0.0]).is_nan());
}

/// The tables above are of machine code; this ties them to the interpreter, and its block form to that.
#[test]
fn machine_code_and_interpreter_give_the_same_bits() {
    let step = if cfg!(debug_assertions) { 1_000_003 } else { 100_003 };
    let patterns: Vec<u32> = (0..1u64 << 32).step_by(step).map(|bits| bits as u32).collect();
    for function in Unary::ALL {
        let (code, compiled) = (Code::unary(function), Compiled::unary(function));
        let (mut block, mut ys) = (Block::new(&code.kernel, BLOCK), vec![0.0f32; BLOCK]);
        for chunk in patterns.chunks_exact(BLOCK) {
            let xs: Vec<f32> = chunk.iter().map(|&bits| f32::from_bits(bits)).collect();
            block.words_mut(code.inputs[0]).copy_from_slice(chunk);
            block.run(&code.kernel);
            compiled.run(&[&xs], &mut ys);
            for ((x, y), &wanted) in xs.iter().zip(&ys).zip(block.words(code.output)) {
                let both_nan = y.is_nan() && f32::from_bits(wanted).is_nan();
                assert!(y.to_bits() == wanted || both_nan, "{function:?} {x}: {y}, not {}", f32::from_bits(wanted));
            }
        }
    }
}

#[test]
fn nothing_composite_remains() {
    for function in Unary::ALL {
        let code = Code::unary(function);
        for stmt in &code.kernel.body {
            let nnc::loops::ir::Stmt::Let { op, .. } = stmt else { panic!("only lets") };
            assert!(!math::is_composite(op, DType::F32), "{function:?} leaves {op:?}");
        }
    }
}
