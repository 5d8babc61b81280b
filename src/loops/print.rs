//! The text form of the loops IR, for `emit-ir --stage loops` and snapshots.
//!
//! In: a program or kernel, and the sources if origins shall be lines. Out:
//! text, one statement a line. Invariant: equal kernels print equally, and
//! everything that has a meaning is printed.
//!
//! ```text
//! kernel k0 "relu" (x: f32[64] in, y: f32[64] out)
//!   vec i0 in 0..64
//!     t0 = load x[i0]  @17
//!     store y[i0] = t0
//! ```

use std::fmt::Write;

use super::ir::{
    Access, Affine, Arg, Buffer, Combine, Conv, Figure, Fill, Gemm, Kernel, KernelId, Loop, LoopKind, Matrix, Mode,
    Order, ParamId, Place, Program, Range, Reduce, Row, ScalarOp, Stmt, ValueId,
};
use crate::ir::{DType, Origin, Window};
use crate::source::{SourceMap, Span};

/// The whole program: buffers, kernels, runs, figures.
pub fn print(program: &Program, sources: Option<&SourceMap>) -> String {
    let mut out = format!("program {:?}\n", program.name);
    for (at, buffer) in program.buffers.iter().enumerate() {
        out += &format!("buffer b{at} {}\n", buffer_text(buffer));
    }
    for (at, kernel) in program.kernels.iter().enumerate() {
        out += &print_kernel(kernel, KernelId(at as u32), sources);
    }
    let mut next = program.loops.iter().peekable();
    let mut open: Vec<usize> = Vec::new();
    for (at, run) in program.runs.iter().enumerate() {
        open.retain(|end| *end > at);
        while let Some(turns) = next.next_if(|turns| turns.first == at) {
            let reverse = if turns.reverse { " reverse" } else { "" };
            let indent = "  ".repeat(open.len());
            out += &format!("{indent}loop {}{reverse} to {}\n", turns.turns, turns.end);
            open.push(turns.end);
        }
        let args: Vec<_> = run.args.iter().map(argument).collect();
        out += &format!("{}run {}({})\n", "  ".repeat(open.len()), run.kernel, args.join(", "));
    }
    for Figure { name, buffer, offset, shape } in &program.figures {
        let whole = *offset == 0 && program.buffers.get(buffer.index()).is_some_and(|found| found.shape == *shape);
        let part = if whole { String::new() } else { format!("+{offset} {shape:?}") };
        out += &format!("figure {name:?} = {buffer}{part}\n");
    }
    out
}

/// `b3+64`, and `*16*4` behind it for strides.
fn argument(arg: &Arg) -> String {
    let strides: String = arg.strides.iter().map(|stride| format!("*{stride}")).collect();
    format!("{}+{}{strides}", arg.buffer, arg.offset)
}

/// One kernel, under the number it has in its program.
pub fn print_kernel(kernel: &Kernel, id: KernelId, sources: Option<&SourceMap>) -> String {
    let params: Vec<_> = kernel
        .params
        .iter()
        .enumerate()
        .map(|(at, param)| format!("{}: {}[{}] {}", label(kernel, at), param.dtype, param.len, mode(param.mode)))
        .collect();
    let mut printer = Printer { kernel, sources, out: String::new(), depth: 1 };
    printer.out = format!("kernel {id} {:?} ({})\n", kernel.name, params.join(", "));
    if let Some(par) = kernel.par {
        printer.line(&format!("par 0..{} by {}", par.extent, par.by), None);
    }
    printer.body(&kernel.body);
    printer.out
}

struct Printer<'a> {
    kernel: &'a Kernel,
    sources: Option<&'a SourceMap>,
    out: String,
    depth: usize,
}

impl Printer<'_> {
    fn line(&mut self, text: &str, origin: Option<Origin>) {
        let place = origin.map_or(String::new(), |origin| self.place(origin.span));
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{:indent$}{text}{place}", "", indent = 2 * self.depth);
    }

    /// `  @17` with sources, else the bytes; nothing for the empty span of generated values.
    fn place(&self, span: Span) -> String {
        if span == Span::default() {
            return String::new();
        }
        match self.sources {
            Some(sources) => format!("  @{}", sources.line_column(span).0),
            None => format!("  @{}..{}", span.start, span.end),
        }
    }

    fn origin(&self, value: ValueId) -> Option<Origin> {
        self.kernel.values.get(value.index()).map(|info| info.origin)
    }

    fn body(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Let { value, op } => {
                    let text = format!("{value} = {}", self.operation(op));
                    self.line(&text, self.origin(*value));
                }
                Stmt::Store { access, value } => {
                    let text = format!("store {} = {value}", self.access(access));
                    self.line(&text, None);
                }
                Stmt::Loop(nest) => self.nest(nest),
                Stmt::Gemm(gemm) => {
                    let text = self.gemm(gemm);
                    self.line(&text, None);
                }
                Stmt::Conv(conv) => {
                    let text = self.conv(conv);
                    self.line(&text, None);
                }
                Stmt::Fill(fill) => {
                    let text = self.fill(fill);
                    self.line(&text, None);
                }
                Stmt::Sort(sort) => {
                    let text = format!("sort {}: {} = {}", sort.len, self.row(&sort.order), self.row(&sort.keys));
                    self.line(&text, None);
                }
                Stmt::Transpose(found) => {
                    let (to, from) = (self.matrix(&found.to), self.matrix(&found.from));
                    self.line(&format!("transpose {}x{}: {to} = {from}", range(found.m), found.n), None);
                }
            }
        }
    }

    fn nest(&mut self, nest: &Loop) {
        let kind = match nest.kind {
            LoopKind::Seq => "seq",
            LoopKind::Turn => "turn",
            LoopKind::Vec => "vec",
        };
        self.line(&format!("{kind} {} in {}", nest.var, range(nest.range)), None);
        self.depth += 1;
        self.body(&nest.body);
        for reduce in &nest.reduces {
            self.line(&reduce_text(reduce), self.origin(reduce.result));
        }
        self.depth -= 1;
    }

    fn operation(&self, op: &ScalarOp) -> String {
        match op {
            ScalarOp::F32(bits) => float(*bits),
            ScalarOp::I32(constant) => format!("i32 {constant}"),
            ScalarOp::Bool(constant) => format!("bool {constant}"),
            ScalarOp::Load(access) => format!("load {}", self.access(access)),
            ScalarOp::Index(at) => format!("index {}", affine(at)),
            ScalarOp::Unary(function, a) => format!("{}({a})", function.name()),
            ScalarOp::Binary(function, a, b) => format!("{}({a}, {b})", function.name()),
            ScalarOp::Fma(a, b, c) => format!("fma({a}, {b}, {c})"),
            ScalarOp::Compare(comparison, a, b) => format!("{}({a}, {b})", comparison.name()),
            ScalarOp::And(a, b) => format!("and({a}, {b})"),
            ScalarOp::Or(a, b) => format!("or({a}, {b})"),
            ScalarOp::Xor(a, b) => format!("xor({a}, {b})"),
            ScalarOp::Not(a) => format!("not({a})"),
            ScalarOp::Shl(a, by) => format!("shl({a}, {by})"),
            ScalarOp::ShrU(a, by) => format!("shr_u({a}, {by})"),
            ScalarOp::ShrS(a, by) => format!("shr_s({a}, {by})"),
            ScalarOp::Select(condition, a, b) => format!("select({condition}, {a}, {b})"),
            ScalarOp::Convert(to, a) => format!("convert {to}({a})"),
            ScalarOp::Bits(to, a) => format!("bits {to}({a})"),
        }
    }

    fn param(&self, param: ParamId) -> String {
        label(self.kernel, param.index())
    }

    /// `x[4*i0 + i1 + 4*clamp(t3, 0..10)] guard(0 <= i1 - 1 < 8) else 0x0`
    fn access(&self, access: &Access) -> String {
        let mut text = format!("{}[{}", self.param(access.param), affine(&access.index));
        if let Some(by) = &access.indirect {
            text += &format!(" + {}*clamp({}, 0..{})", by.stride, by.value, by.bound);
        }
        text.push(']');
        for guard in &access.guards {
            text += &format!(" guard(0 <= {} < {}", affine(&guard.at), guard.bound);
            if guard.step > 1 {
                text += &format!(" step {}", guard.step);
            }
            text.push(')');
        }
        if !access.guards.is_empty() {
            text += &format!(" else {:#x}", access.fill);
        }
        text
    }

    fn gemm(&self, gemm: &Gemm) -> String {
        format!(
            "gemm {}x{} over {}: {} = {} * {}",
            range(gemm.m),
            gemm.n,
            gemm.k,
            self.matrix(&gemm.c),
            self.matrix(&gemm.a),
            self.matrix(&gemm.b)
        )
    }

    fn matrix(&self, matrix: &Matrix) -> String {
        format!("{}[{}; {}, {}]", self.param(matrix.param), affine(&matrix.start), matrix.row, matrix.column)
    }

    /// `conv out 0..64 of 64 images 1x6x16: y = x+0 * w+0 [14:10:5:1:1:0]`
    fn conv(&self, conv: &Conv) -> String {
        let operand = |(param, at): (ParamId, i64)| format!("{}+{at}", self.param(param));
        let window = |w: &Window| format!("{}:{}:{}:{}:{}:{}", w.n, w.out, w.k, w.step, w.dilation, w.lo);
        format!(
            "conv {} {} of {} images {}x{}x{}: {} = {} * {} [{}]",
            conv.face.name(),
            range(conv.rows),
            conv.images,
            conv.groups,
            conv.group_in,
            conv.group_out,
            self.param(conv.c),
            operand(conv.a),
            operand(conv.b),
            conv.windows.iter().map(window).collect::<Vec<_>>().join(", ")
        )
    }

    fn row(&self, row: &Row) -> String {
        format!("{}[{}; {}]", self.param(row.param), affine(&row.start), row.step)
    }

    fn fill(&self, fill: &Fill) -> String {
        let Fill { param, len, place, base, seed, step, turn } = fill;
        format!("fill {}[0..{len}] = random({seed}, {step}, {turn}) place {place} base {base}", self.param(*param))
    }
}

/// Of what parameters' names consist, if they are to be printed.
pub(super) fn is_label(c: char) -> bool {
    c.is_alphanumeric() || "_./:'@$#".contains(c)
}

/// A parameter's name if it is readable and its own alone, else its number.
fn label(kernel: &Kernel, at: usize) -> String {
    let number = ParamId(at as u32).to_string();
    let Some(param) = kernel.params.get(at) else { return number };
    let others = kernel.params.iter().enumerate().filter(|(other, _)| *other != at);
    let is_number = |name: &str| name.strip_prefix('p').is_some_and(|rest| rest.parse::<u32>().is_ok());
    let shared = others.map(|(_, other)| &other.name).any(|name| *name == param.name);
    let readable = !param.name.is_empty()
        && !param.name.ends_with(':')
        && param.name.chars().all(is_label)
        && !is_number(&param.name);
    if readable && !shared { param.name.clone() } else { number }
}

fn buffer_text(buffer: &Buffer) -> String {
    let place = match &buffer.place {
        Place::Slot(slot) => format!("slot {slot}"),
        Place::Constant(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("{word:#x}")).collect();
            format!("constant [{}]", words.join(", "))
        }
        Place::Temporary { offset } => format!("at {offset}"),
    };
    format!("{:?} {}{:?} {place}", buffer.name, buffer.dtype, buffer.shape)
}

fn mode(mode: Mode) -> String {
    match mode {
        Mode::In => "in".into(),
        Mode::Out => "out".into(),
        Mode::InOut => "inout".into(),
        Mode::Scratch { offset } => format!("scratch at {offset}"),
    }
}

fn range(range: Range) -> String {
    match range {
        Range::Count(count) => format!("0..{count}"),
        Range::Panel => "panel".into(),
    }
}

fn reduce_text(reduce: &Reduce) -> String {
    let order = match reduce.order {
        Order::Chain => "chain",
        Order::Tree8 => "tree8",
        Order::Tree32 => "tree32",
    };
    let what = match reduce.combine {
        Combine::Sum(v) => format!("sum({v})"),
        Combine::Product(a, b) => format!("product({a}, {b})"),
        Combine::Max(v) => format!("max({v})"),
    };
    format!("yield {} = {order} {what}", reduce.result)
}

/// Shortest digits that give the number back; bits for NaN, whose payload is part of the constant.
fn float(bits: u32) -> String {
    let number = f32::from_bits(bits);
    if number.is_nan() { format!("{} {bits:#x}", DType::F32) } else { format!("{} {number:?}", DType::F32) }
}

/// `128*i0 + i1 - 3`
fn affine(affine: &Affine) -> String {
    let mut text = String::new();
    let mut add = |factor: i64, what: &str| {
        let sign = match (text.is_empty(), factor < 0) {
            (true, true) => "-",
            (true, false) => "",
            (false, true) => " - ",
            (false, false) => " + ",
        };
        text += sign;
        text += what;
    };
    for &(var, factor) in &affine.terms {
        match factor.unsigned_abs() {
            1 => add(factor, &var.to_string()),
            size => add(factor, &format!("{size}*{var}")),
        }
    }
    if affine.offset != 0 || affine.terms.is_empty() {
        add(affine.offset, &affine.offset.unsigned_abs().to_string());
    }
    text
}
