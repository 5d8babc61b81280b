//! Suite: loops. Hand-built kernels against plain Rust, whatever the cut of the
//! parallel axis; and one kernel a verifier rule that breaks it.

use nnc::ir::{Binary, DType, SlotId, Unary};
use nnc::loops::build::KernelBuilder;
use nnc::loops::interpret::{Memory, Options, Report, run, run_kernel};
use nnc::loops::ir::{
    Access, Affine, Arg, Buffer, BufferId, Combine, Figure, Fill, Gemm, Kernel, KernelId, LoopKind, Matrix, Mode,
    Order, Place, Program, Range, Run, ScalarOp, Stmt, Transpose, ValueId, VarId,
};
use nnc::loops::verify::{verify, verify_kernel};

use DType::{F32, I32};

fn at(terms: &[(VarId, i64)]) -> Affine {
    terms.iter().fold(Affine::default(), |sum, &(var, factor)| sum.plus(&Affine::var(var, factor)))
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

fn floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

/// Numbers in [-2, 2) that differ.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at as u32).wrapping_mul(2_654_435_769) >> 8) as f32 / 4_194_304.0 - 2.0).collect()
}

/// Verifies, then runs.
fn execute(kernel: &Kernel, args: &mut [&mut [u32]], options: Options) -> Report {
    verify_kernel(kernel).expect("the kernel is sound");
    run_kernel(kernel, args, options)
}

#[test]
fn elementwise_of_every_small_size() {
    for size in 1..=33 {
        let mut b = KernelBuilder::new("relu of a sum");
        let x = b.param("x", F32, size, Mode::In);
        let y = b.param("y", F32, size, Mode::InOut);
        b.vec(size as u64, |b, i| {
            let sum = b.load(x, at(&[(i, 1)]));
            let old = b.load(y, at(&[(i, 1)]));
            let sum = b.binary(Binary::Add, sum, old);
            let zero = b.f32(0.0);
            let largest = b.binary(Binary::Max, sum, zero);
            b.store(y, at(&[(i, 1)]), largest);
        });
        let input = numbers(size);
        let mut memory = bits(&numbers(2 * size)[size..]);
        execute(&b.finish(), &mut [&mut bits(&input), &mut memory], Options::default());
        let expected: Vec<f32> = input.iter().zip(&numbers(2 * size)[size..]).map(|(a, b)| (a + b).max(0.0)).collect();
        assert_eq!(floats(&memory), expected, "size {size}");
    }
}

/// Sums and maxima of trees, written out by their definition.
fn tree(values: &[f32], lanes: usize, start: f32, combine: fn(f32, f32) -> f32) -> f32 {
    let mut sums = vec![start; lanes];
    for (at, &value) in values.iter().enumerate() {
        sums[at % lanes] = combine(sums[at % lanes], value);
    }
    let mut half = lanes / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] = combine(sums[lane], sums[lane + half]);
        }
        half /= 2;
    }
    sums[0]
}

fn softmax_rows(rows: usize, columns: usize, order: Order) -> Kernel {
    let (n, c) = (columns as u64, columns as i64);
    let mut b = KernelBuilder::new("softmax");
    let x = b.param("x", F32, rows * columns, Mode::In);
    let y = b.param("y", F32, rows * columns, Mode::Out);
    b.par(rows as u64, 2);
    b.panel(|b, row| {
        let largest = b.vec(n, |b, j| {
            let v = b.load(x, at(&[(row, c), (j, 1)]));
            b.reduce(order, Combine::Max(v))
        });
        let total = b.vec(n, |b, j| {
            let v = b.load(x, at(&[(row, c), (j, 1)]));
            let v = b.binary(Binary::Sub, v, largest);
            let v = b.unary(Unary::Exp, v);
            b.store(y, at(&[(row, c), (j, 1)]), v);
            b.reduce(order, Combine::Sum(v))
        });
        b.vec(n, |b, j| {
            let v = b.load(y, at(&[(row, c), (j, 1)]));
            let v = b.binary(Binary::Div, v, total);
            b.store(y, at(&[(row, c), (j, 1)]), v);
        });
    });
    b.finish()
}

#[test]
fn softmax_of_rows_by_trees() {
    for (columns, order, lanes) in [(5, Order::Tree8, 8), (33, Order::Tree8, 8), (70, Order::Tree32, 32)] {
        let kernel = softmax_rows(5, columns, order);
        let input = numbers(5 * columns);
        let mut whole = vec![0; 5 * columns];
        execute(&kernel, &mut [&mut bits(&input), &mut whole], Options::default());
        for (row, result) in input.chunks(columns).zip(floats(&whole).chunks(columns)) {
            let largest = tree(row, lanes, f32::NEG_INFINITY, f32::max);
            let exponentials: Vec<f32> = row.iter().map(|x| (x - largest).exp()).collect();
            let total = tree(&exponentials, lanes, 0.0, |a, b| a + b);
            for (got, e) in result.iter().zip(&exponentials) {
                assert!((got - e / total).abs() < 1e-6, "{got} {}", e / total);
            }
        }
        for chunk in [1, 2, 3, 5] {
            for backwards in [false, true] {
                let mut cut = vec![0; 5 * columns];
                let options = Options { chunk: Some(chunk), backwards, trace: false };
                execute(&kernel, &mut [&mut bits(&input), &mut cut], options);
                assert_eq!(cut, whole, "chunks of {chunk}");
            }
        }
    }
}

#[test]
fn trees_add_in_the_stated_order() {
    for (count, order, lanes) in
        [(1, Order::Tree8, 8), (7, Order::Tree8, 8), (100, Order::Tree8, 8), (333, Order::Tree32, 32)]
    {
        let mut b = KernelBuilder::new("sum");
        let x = b.param("x", F32, count, Mode::In);
        let y = b.param("y", F32, 1, Mode::Out);
        let sum = b.vec(count as u64, |b, i| {
            let v = b.load(x, at(&[(i, 1)]));
            b.reduce(order, Combine::Sum(v))
        });
        b.store(y, Affine::constant(0), sum);
        let mut result = [0];
        execute(&b.finish(), &mut [&mut bits(&numbers(count)), &mut result], Options::default());
        assert_eq!(result[0], tree(&numbers(count), lanes, 0.0, |a, b| a + b).to_bits(), "{count}");
    }
}

#[test]
fn column_sums_are_chains_in_lanes() {
    let (rows, columns) = (37, 19);
    let mut b = KernelBuilder::new("column sums");
    let x = b.param("x", F32, rows * columns, Mode::In);
    let y = b.param("y", F32, columns, Mode::Out);
    b.vec(columns as u64, |b, j| {
        let sum = b.seq(rows as u64, |b, i| {
            let v = b.load(x, at(&[(i, columns as i64), (j, 1)]));
            b.reduce(Order::Chain, Combine::Sum(v))
        });
        b.store(y, at(&[(j, 1)]), sum);
    });
    let input = numbers(rows * columns);
    let mut result = vec![0; columns];
    execute(&b.finish(), &mut [&mut bits(&input), &mut result], Options::default());
    for (column, got) in result.iter().enumerate() {
        let sum = (0..rows).fold(0.0f32, |sum, row| sum + input[row * columns + column]);
        assert_eq!(*got, sum.to_bits());
    }
}

/// x[m, k] · w[k, n] as a nest of `Product` chains.
fn product_nest(m: u64, n: u64, k: u64) -> Kernel {
    let mut b = KernelBuilder::new("product");
    let x = b.param("x", F32, (m * k) as usize, Mode::In);
    let w = b.param("w", F32, (k * n) as usize, Mode::In);
    let y = b.param("y", F32, (m * n) as usize, Mode::Out);
    b.seq(m, |b, i| {
        b.vec(n, |b, j| {
            let sum = b.seq(k, |b, l| {
                let left = b.load(x, at(&[(i, k as i64), (l, 1)]));
                let right = b.load(w, at(&[(l, n as i64), (j, 1)]));
                b.reduce(Order::Chain, Combine::Product(left, right))
            });
            b.store(y, at(&[(i, n as i64), (j, 1)]), sum);
        });
    });
    b.finish()
}

/// The same by `gemm`, in panels of rows.
fn product_gemm(m: u64, n: u64, k: u64) -> Kernel {
    let mut b = KernelBuilder::new("gemm");
    let a = b.param("x", F32, (m * k) as usize, Mode::In);
    let w = b.param("w", F32, (k * n) as usize, Mode::In);
    let c = b.param("y", F32, (m * n) as usize, Mode::Out);
    b.par(m, 3);
    let matrix = |param, row: u64| Matrix { param, start: Affine::default(), row: row as i64, column: 1 };
    b.gemm(Gemm { m: Range::Panel, n, k, a: matrix(a, k), b: matrix(w, n), c: matrix(c, n) });
    b.finish()
}

#[test]
fn nest_and_gemm_are_the_same_chain() {
    let (m, n, k) = (7, 5, 11);
    let (x, w) = (bits(&numbers(77)), bits(&numbers(55)));
    let (mut nest, mut gemm) = (vec![0; 35], vec![0; 35]);
    execute(&product_nest(m, n, k), &mut [&mut x.clone(), &mut w.clone(), &mut nest], Options::default());
    execute(&product_gemm(m, n, k), &mut [&mut x.clone(), &mut w.clone(), &mut gemm], Options::default());
    assert_eq!(nest, gemm);
    let sum = (0..11).fold(0.0f32, |sum, l| f32::from_bits(x[l]).mul_add(f32::from_bits(w[5 * l]), sum));
    assert_eq!(nest[0], sum.to_bits());
}

#[test]
fn long_products_are_chains_of_4096_added_in_order() {
    let k = 10_000;
    let (x, w) = (numbers(k), numbers(2 * k)[k..].to_vec());
    let mut result = [0];
    execute(&product_gemm(1, 1, k as u64), &mut [&mut bits(&x), &mut bits(&w), &mut result], Options::default());
    let chain = |from: usize, to: usize| (from..to).fold(0.0f32, |sum, at| x[at].mul_add(w[at], sum));
    let expected = chain(0, 4096) + chain(4096, 8192) + chain(8192, k);
    assert_eq!(result[0], expected.to_bits());
}

#[test]
fn guards_give_padding() {
    // y[i] = x[i-1] + x[i] + x[i+1] with -1 outside.
    let mut b = KernelBuilder::new("window");
    let x = b.param("x", F32, 10, Mode::In);
    let y = b.param("y", F32, 10, Mode::Out);
    b.vec(10, |b, i| {
        let mut sum = b.f32(0.0);
        for shift in -1..=1 {
            let place = at(&[(i, 1)]).plus(&Affine::constant(shift));
            let access = Access::new(x, place.clone()).guard(place, 10, 1).fill((-1.0f32).to_bits());
            let v = b.load_at(access);
            sum = b.binary(Binary::Add, sum, v);
        }
        b.store(y, at(&[(i, 1)]), sum);
    });
    let mut result = vec![0; 10];
    execute(&b.finish(), &mut [&mut bits(&[1.0; 10]), &mut result], Options::default());
    assert_eq!(floats(&result), [1.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 1.0]);
}

#[test]
fn two_guards_prove_two_dimensions() {
    let mut b = KernelBuilder::new("padded image");
    let x = b.param("x", F32, 12, Mode::In);
    let y = b.param("y", F32, 30, Mode::Out);
    b.seq(5, |b, i| {
        b.vec(6, |b, j| {
            let row = at(&[(i, 1)]).plus(&Affine::constant(-1));
            let column = at(&[(j, 1)]).plus(&Affine::constant(-1));
            let index = row.times(4).plus(&column);
            let v = b.load_at(Access::new(x, index).guard(row, 3, 1).guard(column, 4, 1));
            b.store(y, at(&[(i, 6), (j, 1)]), v);
        });
    });
    let input = numbers(12);
    let mut result = vec![0; 30];
    execute(&b.finish(), &mut [&mut bits(&input), &mut result], Options::default());
    for (place, got) in floats(&result).into_iter().enumerate() {
        let (row, column) = (place / 6, place % 6);
        let inside = (1..=3).contains(&row) && (1..=4).contains(&column);
        assert_eq!(got, if inside { input[(row - 1) * 4 + column - 1] } else { 0.0 });
    }
}

/// y[i[k], :] += x[k, :], in parallel over the columns.
fn scatter_add() -> Kernel {
    let mut b = KernelBuilder::new("scatter");
    let x = b.param("x", F32, 6 * 4, Mode::In);
    let i = b.param("i", I32, 6, Mode::In);
    let y = b.param("y", F32, 3 * 4, Mode::InOut);
    b.par(4, 1);
    b.panel(|b, column| {
        b.seq(6, |b, k| {
            let row = b.load(i, at(&[(k, 1)]));
            let place = Access::new(y, at(&[(column, 1)])).indirect(row, 4, 3);
            let old = b.load_at(place.clone());
            let new = b.load(x, at(&[(k, 4), (column, 1)]));
            let sum = b.binary(Binary::Add, old, new);
            b.store_at(place, sum);
        });
    });
    b.finish()
}

#[test]
fn scatter_clamps_and_reports() {
    let x = numbers(24);
    for (indices, fault) in [([0, 2, 1, 2, 0, 2], false), ([0, 7, 1, -1, 0, 2], true)] {
        let mut expected = [0.0f32; 12];
        for (k, &row) in indices.iter().enumerate() {
            for column in 0..4 {
                expected[row.clamp(0, 2) as usize * 4 + column] += x[4 * k + column];
            }
        }
        let mut words: Vec<u32> = indices.iter().map(|&row: &i32| row as u32).collect();
        let mut result = vec![0; 12];
        let report = execute(&scatter_add(), &mut [&mut bits(&x), &mut words, &mut result], Options::default());
        assert_eq!(floats(&result), expected);
        assert_eq!(report.fault, fault);
    }
}

#[test]
fn integers_wrap_and_divide_down() {
    let cases = [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (5, 0, 0, 0), (i32::MIN, -1, i32::MIN, 0)];
    for (a, c, quotient, rest) in cases {
        let mut b = KernelBuilder::new("divide");
        let x = b.param("x", I32, 2, Mode::In);
        let y = b.param("y", I32, 2, Mode::Out);
        let left = b.load(x, Affine::constant(0));
        let right = b.load(x, Affine::constant(1));
        let q = b.binary(Binary::Div, left, right);
        let r = b.binary(Binary::Rem, left, right);
        b.store(y, Affine::constant(0), q);
        b.store(y, Affine::constant(1), r);
        let mut result = [0, 0];
        let report = execute(&b.finish(), &mut [&mut [a as u32, c as u32], &mut result], Options::default());
        assert_eq!(result.map(|word| word as i32), [quotient, rest], "{a} / {c}");
        assert_eq!(report.fault, c == 0);
    }
}

fn random_kernel(base: u64, len: u64) -> Kernel {
    let mut b = KernelBuilder::new("random");
    let y = b.param("y", F32, len as usize, Mode::Out);
    b.par(len.div_ceil(64), 1);
    let (seed, step, turn) = (b.i32(1), b.i32(2), b.i32(3));
    b.fill(Fill { param: y, len, place: 77, base, seed, step, turn });
    b.finish()
}

#[test]
fn random_numbers_depend_on_their_number_alone() {
    let (mut whole, mut part) = (vec![0; 300], vec![0; 236]);
    execute(&random_kernel(0, 300), &mut [&mut whole], Options { chunk: Some(2), backwards: true, trace: false });
    execute(&random_kernel(64, 236), &mut [&mut part], Options::default());
    assert_eq!(whole[64..], part);
    let numbers = floats(&whole);
    assert!(numbers.iter().all(|x| (0.0..1.0).contains(x)));
    let mean = numbers.iter().sum::<f32>() / 300.0;
    assert!((mean - 0.5).abs() < 0.06, "{mean}");
}

#[test]
fn the_first_non_finite_value_is_located() {
    let mut b = KernelBuilder::new("bad log");
    let x = b.param("x", F32, 3, Mode::In);
    let y = b.param("y", F32, 3, Mode::Out);
    let log = b.vec(3, |b, i| {
        let v = b.load(x, at(&[(i, 1)]));
        let log = b.unary(Unary::Log, v);
        let twice = b.binary(Binary::Add, log, log);
        b.store(y, at(&[(i, 1)]), twice);
        log
    });
    let options = Options { trace: true, ..Options::default() };
    let report = execute(&b.finish(), &mut [&mut bits(&[1.0, -4.0, 0.0]), &mut [0; 3]], options);
    let found = report.not_finite.unwrap();
    assert_eq!((found.value, found.kernel.as_str()), (log, "bad log"));
    assert_eq!(found.operands[0].2, (-4.0f32).to_bits());
}

/// A program that doubles a slot into a temporary and adds the two.
fn two_runs() -> Program {
    let mut b = KernelBuilder::new("add");
    let x = b.param("x", F32, 4, Mode::In);
    let y = b.param("y", F32, 4, Mode::In);
    let z = b.param("z", F32, 4, Mode::Out);
    b.vec(4, |b, i| {
        let left = b.load(x, at(&[(i, 1)]));
        let right = b.load(y, at(&[(i, 1)]));
        let sum = b.binary(Binary::Add, left, right);
        b.store(z, at(&[(i, 1)]), sum);
    });
    let buffer =
        |name: &str, place| Buffer { name: name.into(), dtype: F32, shape: vec![8], place, origin: Default::default() };
    let arg = |buffer, offset| Arg { offset, ..Arg::whole(BufferId(buffer)) };
    Program {
        name: "twice".into(),
        buffers: vec![
            buffer("s", Place::Slot(SlotId(0))),
            buffer("a", Place::Temporary { offset: 0 }),
            buffer("b", Place::Temporary { offset: 64 }),
        ],
        kernels: vec![b.finish()],
        runs: vec![
            Run { kernel: KernelId(0), args: vec![arg(0, 4), arg(0, 4), arg(1, 0)] },
            Run { kernel: KernelId(0), args: vec![arg(0, 0), arg(1, 0), arg(2, 4)] },
        ],
        loops: Vec::new(),
        figures: vec![
            Figure { name: "sum".into(), buffer: BufferId(2), offset: 0, shape: vec![8] },
            Figure { name: "half".into(), buffer: BufferId(2), offset: 4, shape: vec![2, 2] },
        ],
    }
}

#[test]
fn programs_run_in_order() {
    let program = two_runs();
    verify(&program).unwrap();
    let mut memory = Memory::new(&program);
    memory.buffers[0] = bits(&[1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0]);
    run(&program, &mut memory);
    assert_eq!(floats(&memory.buffers[2]), [0.0, 0.0, 0.0, 0.0, 21.0, 42.0, 63.0, 84.0]);
}

/// The verifier must name what is wrong.
#[track_caller]
fn rejected(kernel: &Kernel, reason: &str) {
    let found = verify_kernel(kernel).expect_err(reason);
    assert!(found.contains(reason), "{found}");
}

/// A copy of `count` elements, changed by `edit` in its loop.
fn copy_with(par: bool, edit: impl FnOnce(&mut KernelBuilder, VarId, ValueId)) -> Kernel {
    let mut b = KernelBuilder::new("copy");
    let x = b.param("x", F32, 16, Mode::In);
    b.param("y", F32, 16, Mode::Out);
    b.param("z", F32, 16, Mode::InOut);
    if par {
        b.par(16, 4);
    }
    let (kind, range) = if par { (LoopKind::Seq, Range::Panel) } else { (LoopKind::Vec, Range::Count(16)) };
    b.nest(kind, range, |b, i| {
        let v = b.load(x, at(&[(i, 1)]));
        edit(b, i, v);
    });
    b.finish()
}

const X: nnc::loops::ir::ParamId = nnc::loops::ir::ParamId(0);
const Y: nnc::loops::ir::ParamId = nnc::loops::ir::ParamId(1);
const Z: nnc::loops::ir::ParamId = nnc::loops::ir::ParamId(2);

#[test]
fn accesses_out_of_bounds_are_rejected() {
    let shifted = |i| at(&[(i, 1)]).plus(&Affine::constant(1));
    rejected(&copy_with(false, |b, i, v| b.store(Y, shifted(i), v)), "elements 1..=16 of y");
    rejected(
        &copy_with(false, |b, i, _| {
            b.load_at(Access::new(X, shifted(i)).guard(shifted(i), 17, 1));
        }),
        "elements 1..=16 of x",
    );
    rejected(&copy_with(false, |b, i, v| b.store(Y, at(&[(i, -1)]), v)), "elements -15..=0");
}

#[test]
fn iterations_that_meet_are_rejected() {
    rejected(&copy_with(true, |b, _, v| b.store(Y, Affine::constant(3), v)), "iterations of par");
    rejected(&copy_with(false, |b, _, v| b.store(Y, Affine::constant(3), v)), "lanes of");
    let neighbour = |b: &mut KernelBuilder, i, v| {
        let place = at(&[(i, 1)]).plus(&Affine::constant(-1));
        b.load_at(Access::new(Z, place.clone()).guard(place, 16, 1));
        b.store(Z, at(&[(i, 1)]), v);
    };
    rejected(&copy_with(true, neighbour), "iterations of par");
    rejected(&copy_with(false, neighbour), "lanes of");
    let overlap = |b: &mut KernelBuilder, i, v| {
        b.seq(2, |b, j| {
            let place = at(&[(i, 1), (j, 1)]);
            let half = Affine { offset: 0, terms: place.terms };
            b.store(Y, half, v);
        });
    };
    let mut kernel = copy_with(true, overlap);
    kernel.params[1].len = 17;
    rejected(&kernel, "iterations of par");
    let mut outside = copy_with(true, |_, _, _| {});
    let Stmt::Loop(nest) = outside.body[0].clone() else { unreachable!() };
    outside.body =
        vec![nest.body[0].clone(), Stmt::Store { access: Access::new(Y, Affine::constant(0)), value: ValueId(0) }];
    if let Stmt::Let { op: ScalarOp::Load(access), .. } = &mut outside.body[0] {
        access.index = Affine::constant(0);
    }
    rejected(&outside, "outside its panels");
    // What every chunk reads, whatever element that is, no chunk may write.
    let mut shared = KernelBuilder::new("read outside");
    let p = shared.param("p", F32, 101, Mode::InOut);
    shared.par(100, 10);
    let word = shared.load(p, Affine::constant(50));
    shared.panel(|b, i| b.store(p, Affine { offset: 1, terms: vec![(i, 1)] }, word));
    rejected(&shared.finish(), "may write the same element");
}

#[test]
fn broken_values_are_rejected() {
    rejected(&copy_with(false, |b, i, _| b.store(Y, at(&[(i, 1)]), ValueId(99))), "not defined");
    rejected(
        &copy_with(false, |b, _, v| {
            b.push(Stmt::Let { value: v, op: ScalarOp::F32(0) });
        }),
        "defined twice",
    );
    rejected(
        &copy_with(false, |b, _, v| {
            let value = b.value(I32);
            b.push(Stmt::Let { value, op: ScalarOp::Binary(Binary::Add, v, v) });
        }),
        "has type f32",
    );
    rejected(&copy_with(false, |b, i, v| b.store(X, at(&[(i, 1)]), v)), "written but `in`");
    let mut b = KernelBuilder::new("escape");
    let y = b.param("y", F32, 1, Mode::Out);
    let inner = b.seq(3, |b, _| b.f32(1.0));
    b.store(y, Affine::constant(0), inner);
    rejected(&b.finish(), "not defined");
}

#[test]
fn misplaced_loops_are_rejected() {
    rejected(&copy_with(false, |b, _, _| b.vec(4, |_, _| {})), "vec in vec");
    rejected(&copy_with(true, |b, _, _| b.nest(LoopKind::Seq, Range::Panel, |_, _| {})), "a panel is outermost");
    rejected(
        &copy_with(false, |b, _, v| {
            b.reduce(Order::Chain, Combine::Sum(v));
        }),
        "trees on vec loops",
    );
    rejected(
        &copy_with(false, |b, _, v| {
            b.seq(2, |b, _| b.reduce(Order::Tree8, Combine::Sum(v)));
        }),
        "trees on vec loops",
    );
    let matrix = |param| Matrix { param, start: Affine::default(), row: 4, column: 1 };
    let gemm = Gemm { m: Range::Count(4), n: 4, k: 4, a: matrix(X), b: matrix(X), c: matrix(Y) };
    let in_vec = gemm.clone();
    rejected(&copy_with(false, |b, _, _| b.gemm(in_vec)), "inside vec");
    let mut b = KernelBuilder::new("gemm");
    for (name, mode) in [("x", Mode::In), ("y", Mode::Out)] {
        b.param(name, F32, 16, mode);
    }
    b.gemm(Gemm { k: 5, ..gemm });
    rejected(&b.finish(), "gemm: elements");
}

/// From a matrix at `from` by columns to one at `to` by rows, both of 3 by 4, in parameters of 24.
fn transposed(from: Matrix, to: Matrix) -> Kernel {
    let mut b = KernelBuilder::new("transpose");
    for (name, mode) in [("x", Mode::In), ("y", Mode::InOut)] {
        b.param(name, F32, 24, mode);
    }
    b.push(Stmt::Transpose(Transpose { m: Range::Count(3), n: 4, from, to }));
    b.finish()
}

#[test]
fn a_transpose_reads_by_columns_what_lies_apart() {
    let columns = |param, start| Matrix { param, start: Affine::constant(start), row: 1, column: 3 };
    let rows = |param, start| Matrix { param, start: Affine::constant(start), row: 4, column: 1 };
    verify_kernel(&transposed(columns(X, 12), rows(Y, 12))).expect("sound");
    verify_kernel(&transposed(columns(Y, 12), rows(Y, 0))).expect("rows of one stack");
    rejected(&transposed(columns(Y, 11), rows(Y, 0)), "in the same place");
    rejected(&transposed(columns(X, 13), rows(Y, 0)), "elements 13..=24");
    rejected(&transposed(columns(X, 0), rows(X, 12)), "written but `in`");
    rejected(&transposed(rows(X, 0), rows(Y, 0)), "from rows at 4");
}

#[test]
fn fills_scratch_and_size_are_checked() {
    rejected(&random_kernel(32, 64), "multiple of 64");
    let mut b = KernelBuilder::new("scratch");
    b.param("t", F32, 16_385, Mode::Scratch { offset: 0 });
    rejected(&b.finish(), "scratch");
    let mut b = KernelBuilder::new("long");
    for _ in 0..401 {
        b.f32(1.0);
    }
    rejected(&b.finish(), "401 statements");
}

#[test]
fn arguments_that_overlap_are_rejected() {
    let mut program = two_runs();
    program.runs[1].args[2] = Arg { offset: 2, ..Arg::whole(BufferId(1)) };
    assert!(verify(&program).unwrap_err().contains("overlap"));
    program.runs[1].args[2] = Arg { offset: 5, ..Arg::whole(BufferId(2)) };
    assert!(verify(&program).unwrap_err().contains("4 elements from 5 of 8"));
    program.runs[1].args.pop();
    assert!(verify(&program).unwrap_err().contains("2 arguments for 3"));
    let mut program = two_runs();
    program.figures[1].offset = 5;
    assert_eq!(verify(&program), Err("figure half: elements 5..9 of 8 of b2".into()));
}

#[test]
fn text_form() {
    let mut kernel = scatter_add();
    let text = nnc::loops::print::print_kernel(&kernel, KernelId(3), None);
    let expected = "\
kernel k3 \"scatter\" (x: f32[24] in, i: i32[6] in, y: f32[12] inout)
  par 0..4 by 1
  seq i0 in panel
    seq i1 in 0..6
      t0 = load i[i1]
      t1 = load y[i0 + 4*clamp(t0, 0..3)]
      t2 = load x[i0 + 4*i1]
      t3 = add(t1, t2)
      store y[i0 + 4*clamp(t0, 0..3)] = t3
";
    assert_eq!(text, expected);
    let mut sources = nnc::source::SourceMap::default();
    let file = sources.add("a.nn", "one\ntwo\n");
    kernel.values[3].origin.span = nnc::source::Span::new(file, 4, 7);
    let text = nnc::loops::print::print_kernel(&kernel, KernelId(3), Some(&sources));
    assert!(text.contains("t3 = add(t1, t2)  @2\n"), "{text}");
}

#[test]
fn text_form_of_programs() {
    let text = nnc::loops::print::print(&two_runs(), None);
    assert!(
        text.starts_with("program \"twice\"\nbuffer b0 \"s\" f32[8] slot s0\nbuffer b1 \"a\" f32[8] at 0\n"),
        "{text}"
    );
    let end = "run k0(b0+4, b0+4, b1+0)\nrun k0(b0+0, b1+0, b2+4)\n\
               figure \"sum\" = b2\nfigure \"half\" = b2+4 [2, 2]\n";
    assert!(text.ends_with(end), "{text}");
    let back = nnc::loops::parse::parse(&text).unwrap();
    assert_eq!(back.figures, two_runs().figures);
    assert_eq!(nnc::loops::print::print(&back, None), text);
}
