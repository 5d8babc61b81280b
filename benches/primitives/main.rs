//! Each primitive alone against a plain loop over the same memory: `cargo bench --bench primitives [-- FILTER]`.
//!
//! A graph of one primitive is compiled as a step is, once with operands that fit a core's first cache and once with
//! some that do not fit its second. Beside it runs a loop in Rust that reads and writes as many bytes, and where a
//! primitive has work of its own a plain loop that does the same work. Printed are nanoseconds an element (of the
//! operands or of the result, whichever are more) and the ratios of the times: about 1 to the first for what only moves,
//! maps or sums, more where arithmetic is the work; to the second 1 or less.

mod plain;

use std::hint::black_box;
use std::time::Instant;

use plain::{Moves, Work};

use nnc::ir::{DType, Graph, Type, parse};
use nnc::jit::{self, Module};
use nnc::kernels::abi::KernelFn;
use nnc::loops::ir::{KernelId, Place, Program};
use nnc::loops::{self, math};
use nnc::runtime::{Machine, Pool, Store};

/// Name, types of the operands `v0`, `v1`, ..., and lines that compute; the last is the result. `$R` and `$C` are rows and
/// columns, `$N` their product, `$H` half of the columns, `$Q` a quarter of the rows.
type Case = (&'static str, &'static [&'static str], &'static str);

/// Rows and columns: 16 KB and 4 MB.
const SIZES: [(usize, usize); 2] = [(32, 128), (1024, 1024)];

const X: &str = "f32[$R, $C]";
const I: &str = "i32[$R, $C]";
const M: &str = "bool[$R, $C]";

const CASES: &[Case] = &[
    ("neg", &[X], "f32[$R, $C] = neg(v0)"),
    ("abs", &[X], "f32[$R, $C] = abs(v0)"),
    ("floor", &[X], "f32[$R, $C] = floor(v0)"),
    ("sqrt", &[X], "f32[$R, $C] = sqrt(v0)"),
    ("exp", &[X], "f32[$R, $C] = exp(v0)"),
    ("log", &[X], "f32[$R, $C] = log(v0)"),
    ("sin", &[X], "f32[$R, $C] = sin(v0)"),
    ("cos", &[X], "f32[$R, $C] = cos(v0)"),
    ("softplus", &[X], "f32[$R, $C] = softplus(v0)"),
    ("tanh", &[X], "f32[$R, $C] = tanh(v0)"),
    ("logistic", &[X], "f32[$R, $C] = logistic(v0)"),
    ("erf", &[X], "f32[$R, $C] = erf(v0)"),
    ("erfinv", &[X], "f32[$R, $C] = erfinv(v0)"),
    ("add", &[X, X], "f32[$R, $C] = add(v0, v1)"),
    ("sub", &[X, X], "f32[$R, $C] = sub(v0, v1)"),
    ("mul", &[X, X], "f32[$R, $C] = mul(v0, v1)"),
    ("div", &[X, X], "f32[$R, $C] = div(v0, v1)"),
    ("rem", &[X, X], "f32[$R, $C] = rem(v0, v1)"),
    ("pow", &[X, X], "f32[$R, $C] = pow(v0, v1)"),
    ("max", &[X, X], "f32[$R, $C] = max(v0, v1)"),
    ("min", &[X, X], "f32[$R, $C] = min(v0, v1)"),
    ("add i32", &[I, I], "i32[$R, $C] = add(v0, v1)"),
    ("div i32", &[I, I], "i32[$R, $C] = div(v0, v1)"),
    ("le", &[X, X], "bool[$R, $C] = le(v0, v1)"),
    ("and", &[M, M], "bool[$R, $C] = and(v0, v1)"),
    ("or", &[M, M], "bool[$R, $C] = or(v0, v1)"),
    ("not", &[M], "bool[$R, $C] = not(v0)"),
    ("select", &[M, X, X], "f32[$R, $C] = select(v0, v1, v2)"),
    ("convert to f32", &[I], "f32[$R, $C] = convert(v0)"),
    ("convert to i32", &[X], "i32[$R, $C] = convert(v0)"),
    ("stop_gradient", &[X], "f32[$R, $C] = stop_gradient(v0)"),
    ("const", &[], "f32[$R, $C] = const() value=0.5"),
    ("iota", &[], "i32[$R, $C] = iota() axis=1"),
    ("broadcast rows", &["f32[$C]"], "f32[$R, $C] = broadcast(v0) axes=[1]"),
    ("broadcast columns", &["f32[$R]"], "f32[$R, $C] = broadcast(v0) axes=[0]"),
    ("upsample", &["f32[$R, $H]"], "f32[$R, $H, 2] = broadcast(v0) axes=[0, 1]"),
    ("reshape", &[X], "f32[$N] = reshape(v0)"),
    ("transpose", &[X], "f32[$C, $R] = transpose(v0) perm=[1, 0]"),
    ("transpose heads", &["f32[4, $Q, 8, $C8]"], "f32[4, 8, $Q, $C8] = transpose(v0) perm=[0, 2, 1, 3]"),
    ("transpose keys", &["f32[4, $Q, 8, $C8]"], "f32[4, 8, $C8, $Q] = transpose(v0) perm=[0, 2, 3, 1]"),
    ("slice columns", &[X], "f32[$R, $H] = slice(v0) start=[0, 3] step=[1, 1]"),
    ("slice every second", &[X], "f32[$R, $H] = slice(v0) start=[0, 1] step=[1, 2]"),
    ("reverse columns", &[X], "f32[$R, $C] = slice(v0) start=[0, $L] step=[1, -1]"),
    ("reverse rows", &[X], "f32[$R, $C] = slice(v0) start=[$K, 0] step=[-1, 1]"),
    ("unslice: pad", &["f32[$R, $H]"], "f32[$R, $C] = unslice(v0) start=[0, 3] step=[1, 1]"),
    ("unslice: dilate", &["f32[$R, $H]"], "f32[$R, $C] = unslice(v0) start=[0, 0] step=[1, 2]"),
    ("concat rows", &["f32[$Q, $C]", "f32[$Q, $C]"], "f32[$QQ, $C] = concat(v0, v1) axis=0"),
    ("concat columns", &["f32[$R, $H]", "f32[$R, $H]"], "f32[$R, $C] = concat(v0, v1) axis=1"),
    ("unfold 3 by 1", &["f32[$R, $H]"], "f32[$R, $H, 3] = unfold(v0) axis=1 window=[$H:$H:3:1:1:1] fill=zero"),
    ("unfold 2 by 2", &[X], "f32[$R, $H, 2] = unfold(v0) axis=1 window=[$C:$H:2:2:1:0] fill=zero"),
    ("fold 3 by 1", &["f32[$R, $H, 3]"], "f32[$R, $H] = fold(v0) axis=1 window=[$H:$H:3:1:1:1]"),
    ("fold 2 by 2", &["f32[$R, $H, 2]"], "f32[$R, $C] = fold(v0) axis=1 window=[$C:$H:2:2:1:0]"),
    ("sum rows", &[X], "f32[$R] = sum(v0) axes=[1]"),
    ("sum columns", &[X], "f32[$C] = sum(v0) axes=[0]"),
    ("sum all", &[X], "f32[] = sum(v0) axes=[0, 1]"),
    ("sum channels", &["f32[4, $Q, $C]"], "f32[$Q] = sum(v0) axes=[0, 2]"),
    ("sum of channels 49", &["f32[$R, $C49, 49]"], "f32[$C49] = sum(v0) axes=[0, 2]"),
    ("max_of rows", &[X], "f32[$R] = max_of(v0) axes=[1]"),
    ("max_of columns", &[X], "f32[$C] = max_of(v0) axes=[0]"),
    ("max_of pool", &["f32[$Q, 2, $C, 2]"], "f32[$Q, $C] = max_of(v0) axes=[1, 3]"),
    ("contract dots", &[X, X], "f32[$R] = contract(v0, v1) batch=[0:0] over=[1:1]"),
    ("contract outer", &["f32[$R]", "f32[$C]"], "f32[$R, $C] = contract(v0, v1) batch=[] over=[]"),
    ("contract vector", &[X, "f32[$C]"], "f32[$R] = contract(v0, v1) batch=[] over=[1:0]"),
    ("contract vector left", &["f32[$R]", X], "f32[$C] = contract(v0, v1) batch=[] over=[0:0]"),
    ("contract 64", &[X, "f32[$C, 64]"], "f32[$R, 64] = contract(v0, v1) batch=[] over=[1:0]"),
    (
        "contract heads",
        &["f32[16, 64, 32]", "f32[16, 32, 64]"],
        "f32[16, 64, 64] = contract(v0, v1) batch=[0:0] over=[2:1]",
    ),
    (
        "conv 3x3",
        &["f32[8, 8, 28, 28]", "f32[8, 8, 3, 3]"],
        "f32[8, 8, 28, 28] = conv(v0, v1) face=out windows=[28:28:3:1:1:1, 28:28:3:1:1:1] groups=1",
    ),
    ("gather rows", &[X, "i32[$R]"], "f32[$R, $C] = gather(v0, v1) axis=0"),
    ("gather elements", &["f32[$N]", I], "f32[$R, $C] = gather(v0, v1) axis=0"),
    ("scatter_add rows", &[X, "i32[$R]"], "f32[32, $C] = scatter_add(v0, v1) axis=0 size=32"),
    ("scatter_add elements", &[X, I], "f32[32] = scatter_add(v0, v1) axis=0 size=32"),
    ("put", &[X, "f32[$C]", "i32[]"], "f32[$R, $C] = put(v0, v1, v2) axis=0"),
    ("argsort", &[X], "i32[$R, $C] = argsort(v0) axis=1"),
    ("random", &["i32[]", "i32[]", "i32[]"], "f32[$R, $C] = random(v0, v1, v2) place=0x00000001 base=0"),
    ("scan: cumsum of rows", &["f32[$C]", X], "f32[$R, $C] = scan(v0, v1) body=b0 result=1"),
    ("scan: cumsum", &["f32[]", "f32[$C]"], "f32[$C] = scan(v0, v1) body=b1 result=1"),
];

/// s ← s + x, over rows and over elements.
const BODIES: &str = "body b0 turns=$R reverse=false carries=1 sequences=1 {
  slot s0: i32[] scalar \"turn\"
  slot s1: f32[$C] column \"s\"
  slot s2: f32[$C] column \"x\"
  v0: f32[$C] = input() slot=s1
  v1: f32[$C] = input() slot=s2
  v2: f32[$C] = add(v0, v1)
  figure \"0\" = v2
  figure \"1\" = v2
}
body b1 turns=$C reverse=false carries=1 sequences=1 {
  slot s0: i32[] scalar \"turn\"
  slot s1: f32[] column \"s\"
  slot s2: f32[] column \"x\"
  v0: f32[] = input() slot=s1
  v1: f32[] = input() slot=s2
  v2: f32[] = add(v0, v1)
  figure \"0\" = v2
  figure \"1\" = v2
}
";

fn main() -> Result<(), String> {
    let filter: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let heads = |size: &str| format!(" {:>11} {:>7} {:>7}", format!("{size}: ns"), "bytes", "work");
    println!("{:<22}{}{}", "", heads("small"), heads("large"));
    for case in CASES {
        if filter.is_empty() || filter.iter().any(|part| case.0.contains(part.as_str())) {
            let mut line = format!("{:<22}", case.0);
            for size in SIZES {
                let (each, bytes, work) = one(case, size).map_err(|why| format!("{}: {why}", case.0))?;
                let work = work.map_or(String::new(), |ratio| format!("{ratio:.2}"));
                line += &format!(" {each:>11.3} {bytes:>7.2} {work:>7}");
            }
            println!("{line}");
        }
    }
    Ok(())
}

/// Nanoseconds an element, and the ratios to the loop over the same bytes and to the one that does the same.
fn one(case: &Case, size: (usize, usize)) -> Result<(f64, f64, Option<f64>), String> {
    let graph = parse::parse(&text(case, size))?;
    let program = loops::lower(&graph, &loops::Options::default())?;
    let pool = Pool::new(1);
    let mut compiled = Compiled::new(&program, &graph, &pool)?;
    let read: usize = graph.slots.iter().map(|slot| slot.ty.len()).sum();
    let written: usize = graph.outputs.iter().map(|output| graph.ty(output.value).len()).sum();
    let mut moves = Moves::new(read, written);
    let mut work = plain::same(case.0).map(|same| (same, work(&graph, size)));
    // In turns, so that a busy machine disturbs both; the least of each is nobody's disturbance.
    let [mut ours, mut bytes, mut same] = [f64::INFINITY; 3];
    for _ in 0..8 {
        ours = ours.min(least(|| compiled.machine.step()));
        bytes = bytes.min(least(|| moves.run()));
        if let Some((run, work)) = &mut work {
            same = same.min(least(|| {
                run(work);
                black_box((&mut work.to, &mut work.order));
            }));
        }
    }
    Ok((ours / read.max(written) as f64, ours / bytes, work.map(|_| ours / same)))
}

/// The same operands for a plain loop.
fn work(graph: &Graph, (rows, columns): (usize, usize)) -> Work {
    let words = graph.slots.iter().map(|slot| {
        let mut words = vec![0; slot.ty.len()];
        fill(slot.ty.dtype, &mut words);
        words
    });
    let words: Vec<Vec<u32>> = words.collect();
    let written = graph.outputs.iter().map(|output| graph.ty(output.value).len()).sum();
    Work {
        floats: words.iter().map(|words| words.iter().map(|word| f32::from_bits(*word)).collect()).collect(),
        ints: words.iter().map(|words| words.iter().map(|word| *word as i32).collect()).collect(),
        to: vec![0.0; written],
        order: vec![0; written],
        rows,
        columns,
    }
}

fn text(case: &Case, (rows, columns): (usize, usize)) -> String {
    let (_, operands, compute) = case;
    let mut text = String::new();
    for (at, ty) in operands.iter().enumerate() {
        text += &format!("slot s{at}: {ty} column \"c{at}\"\n");
    }
    for (at, ty) in operands.iter().enumerate() {
        text += &format!("v{at}: {ty} = input() slot=s{at}\n");
    }
    let result = operands.len();
    if compute.contains("body=") {
        text += BODIES;
        // A body is known by the first scan that names it.
    }
    text += &format!("v{result}: {compute}\nfigure \"y\" = v{result}\n");
    let sizes = [
        ("$QQ", rows / 2),
        ("$C49", columns / 32),
        ("$C8", columns / 8),
        ("$R", rows),
        ("$C", columns),
        ("$N", rows * columns),
        ("$H", columns / 2),
        ("$Q", rows / 4),
        ("$L", columns - 1),
        ("$K", rows - 1),
    ];
    sizes.iter().fold(text, |text, (name, size)| text.replace(name, &size.to_string()))
}

/// A program as machine code, bound to memory of its own. The machine comes first, so it is gone before its code is.
struct Compiled {
    machine: Machine,
    _module: Module,
    _store: Store,
}

impl Compiled {
    fn new(program: &Program, graph: &Graph, pool: &Pool) -> Result<Compiled, String> {
        let mut expanded = program.clone();
        expanded.kernels.iter_mut().for_each(math::expand);
        let module = jit::compile(&expanded.kernels, &jit::Options::default()).map_err(|why| why.to_string())?;
        let slots: Vec<(String, Type)> =
            graph.slots.iter().enumerate().map(|(at, slot)| (format!("s{at}"), slot.ty.clone())).collect();
        let mut store = Store::new(&slots);
        for (at, slot) in graph.slots.iter().enumerate() {
            fill(slot.ty.dtype, store.words_mut(at));
        }
        let functions: Vec<KernelFn> =
            (0..expanded.kernels.len()).map(|at| module.function(KernelId(at as u32))).collect();
        let end = |buffer: &loops::ir::Buffer| match buffer.place {
            Place::Temporary { offset } => offset + (buffer.len() * 4).next_multiple_of(64),
            Place::Slot(_) | Place::Constant(_) => 0,
        };
        let arena = expanded.buffers.iter().map(end).max().unwrap_or(0);
        // SAFETY: the functions are those of the program; module and store live as long as the machine, and nobody
        // else uses the store during a step.
        let machine = unsafe { Machine::new(&expanded, &functions, &store.pointers(), pool, arena) };
        Ok(Compiled { machine: machine.map_err(|why| why.to_string())?, _module: module, _store: store })
    }
}

/// Numbers from 0.25 to 0.75, all indices below 32.
fn fill(dtype: DType, words: &mut [u32]) {
    for (at, word) in words.iter_mut().enumerate() {
        let number = (at as u32).wrapping_mul(2_654_435_761) >> 8;
        *word = match dtype {
            DType::F32 => (0.25 + number as f32 / (1 << 25) as f32).to_bits(),
            DType::I32 => number % 32,
            DType::Bool => 0_u32.wrapping_sub(number % 2),
        };
    }
}

/// Nanoseconds of a call, from a group that takes about half a millisecond.
fn least(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    call();
    let calls = (500_000.0 / start.elapsed().as_nanos().max(50) as f64).ceil().max(1.0) as usize;
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}
