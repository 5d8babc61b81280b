//! Reads the text form of [`super::print`] back.
//!
//! In: a text. Out: the program, with the types of values worked out by the one
//! typing rule. Lost are costs and origins, which have no meaning; all else
//! returns, so printing again gives the same text (spans, which stand behind
//! two blanks and an `@`, aside). The program is not verified.

mod cursor;
mod statement;

use std::sync::Arc;

use super::ir::{
    Affine, Arg, Buffer, BufferId, Cost, Figure, Kernel, KernelId, Mode, Par, Param, Place, Program, Run, Stmt, Turns,
    ValueInfo,
};
use crate::ir::{DType, Origin, SlotId};
use cursor::Cursor;

/// The program with this text form.
///
/// # Errors
/// The first line that cannot be read, by number.
pub fn parse(text: &str) -> Result<Program, String> {
    let mut program = Program::default();
    let mut lines = Lines { lines: text.lines().map(without_place).collect(), next: 0 };
    while lines.next < lines.lines.len() {
        let number = lines.next + 1;
        item(&mut program, &mut lines).map_err(|reason| format!("line {}: {reason}", lines.next.max(number)))?;
    }
    Ok(program)
}

/// Lines, read one by one; `next` is the number of those that were taken.
struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    /// The next line, if it is indented by this much.
    fn indented(&mut self, depth: usize) -> Option<&'a str> {
        let line = self.lines.get(self.next)?;
        let indent = line.len() - line.trim_start_matches(' ').len();
        if indent != 2 * depth || line.trim().is_empty() {
            return None;
        }
        self.next += 1;
        Some(line.trim_start())
    }
}

/// A line without the place in the source at its end.
fn without_place(line: &str) -> &str {
    let indent = line.len() - line.trim_start().len();
    // Only statements are indented, and only they have places.
    if indent == 0 {
        return line;
    }
    line.rfind("  @").filter(|&at| at >= indent).map_or(line, |at| &line[..at])
}

fn item(program: &mut Program, lines: &mut Lines<'_>) -> Result<(), String> {
    let line = lines.lines[lines.next];
    lines.next += 1;
    if line.trim().is_empty() {
        return Ok(());
    }
    let mut cursor = Cursor::new(line.trim_start());
    let in_loop = matches!(line.split_whitespace().next(), Some("run" | "loop"));
    if line.starts_with(' ') && !in_loop {
        return Err("a statement outside a kernel".to_string());
    }
    match cursor.word() {
        "program" => program.name = cursor.string()?,
        "buffer" => {
            cursor.numbered("b", program.buffers.len())?;
            program.buffers.push(buffer(&mut cursor)?);
        }
        "kernel" => {
            cursor.numbered("k", program.kernels.len())?;
            program.kernels.push(kernel(&mut cursor, lines)?);
            return Ok(());
        }
        "run" => program.runs.push(run(&mut cursor)?),
        "loop" => {
            let (first, turns) = (program.runs.len(), cursor.number()?);
            let reverse = cursor.accept("reverse");
            cursor.expect("to")?;
            program.loops.push(Turns { first, end: cursor.number()?, turns, reverse });
        }
        "figure" => {
            let figure = figure(&mut cursor, &program.buffers)?;
            program.figures.push(figure);
        }
        other => return Err(format!("unexpected {other:?}")),
    }
    cursor.end()
}

fn buffer(cursor: &mut Cursor<'_>) -> Result<Buffer, String> {
    let (name, dtype) = (cursor.string()?, cursor.dtype()?);
    let shape = cursor.list("[", "]", |cursor| cursor.number())?;
    let place = match cursor.word() {
        "slot" => Place::Slot(SlotId(cursor.id("s")?)),
        "constant" => {
            let words: Vec<u32> = cursor.list("[", "]", Cursor::hex)?;
            Place::Constant(Arc::from(words))
        }
        "at" => Place::Temporary { offset: cursor.number()? },
        other => return Err(format!("{other:?} is no place")),
    };
    Ok(Buffer { name, dtype, shape, place, origin: Origin::default() })
}

/// `"loss" = b12`, or `"y" = b3+64 [8, 16]` if it is a part of its buffer.
fn figure(cursor: &mut Cursor<'_>, buffers: &[Buffer]) -> Result<Figure, String> {
    let name = cursor.string()?;
    cursor.expect("=")?;
    let buffer = BufferId(cursor.id("b")?);
    if cursor.accept("+") {
        let offset = cursor.number()?;
        let shape = cursor.list("[", "]", |cursor| cursor.number())?;
        return Ok(Figure { name, buffer, offset, shape });
    }
    let found = buffers.get(buffer.index()).ok_or_else(|| format!("there is no {buffer}"))?;
    Ok(Figure { name, buffer, offset: 0, shape: found.shape.clone() })
}

fn run(cursor: &mut Cursor<'_>) -> Result<Run, String> {
    let kernel = KernelId(cursor.id("k")?);
    let args = cursor.list("(", ")", |cursor| {
        let buffer = BufferId(cursor.id("b")?);
        cursor.expect("+")?;
        let mut arg = Arg { offset: cursor.number()?, ..Arg::whole(buffer) };
        while cursor.accept("*") {
            arg.strides.push(cursor.number()?);
        }
        Ok(arg)
    })?;
    Ok(Run { kernel, args })
}

/// A kernel from behind its number to its last statement.
fn kernel(cursor: &mut Cursor<'_>, lines: &mut Lines<'_>) -> Result<Kernel, String> {
    let name = cursor.string()?;
    let params = cursor.list("(", ")", param)?;
    cursor.end()?;
    let mut kernel =
        Kernel { name, params, par: None, body: Vec::new(), values: Vec::new(), vars: 0, cost: Cost::default() };
    let first = lines.next;
    if let Some(line) = lines.indented(1) {
        match line.strip_prefix("par ") {
            Some(rest) => kernel.par = Some(par(&mut Cursor::new(rest))?),
            None => lines.next = first,
        }
    }
    let mut body: Vec<Stmt> = Vec::new();
    statement::body(&mut kernel, lines, 1, &mut body)?;
    kernel.body = body;
    Ok(kernel)
}

fn param(cursor: &mut Cursor<'_>) -> Result<Param, String> {
    let name = cursor.label()?.to_string();
    cursor.expect(":")?;
    let dtype = cursor.dtype()?;
    cursor.expect("[")?;
    let len = cursor.number()?;
    cursor.expect("]")?;
    let mode = match cursor.word() {
        "in" => Mode::In,
        "out" => Mode::Out,
        "inout" => Mode::InOut,
        "scratch" => {
            cursor.expect("at")?;
            Mode::Scratch { offset: cursor.number()? }
        }
        other => return Err(format!("{other:?} is no mode")),
    };
    Ok(Param { name, dtype, len, mode })
}

fn par(cursor: &mut Cursor<'_>) -> Result<Par, String> {
    cursor.expect("0..")?;
    let extent = cursor.number()?;
    cursor.expect("by")?;
    let by = cursor.number()?;
    cursor.end()?;
    Ok(Par { extent, by })
}

/// Room for a value of this number, with its type.
fn define(kernel: &mut Kernel, number: u32, dtype: DType) {
    let needed = number as usize + 1;
    if kernel.values.len() < needed {
        kernel.values.resize(needed, ValueInfo { dtype: DType::F32, origin: Origin::default() });
    }
    kernel.values[number as usize].dtype = dtype;
}

/// Sum of terms, in the printer's order.
fn sum(terms: Vec<Affine>) -> Affine {
    terms.iter().fold(Affine::default(), |sum, term| sum.plus(term))
}
