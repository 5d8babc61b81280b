//! Statements of a kernel: loops by their indentation, operations by name.
//!
//! In: lines under a kernel's heading. Out: its body, and the types of its
//! values. Invariant: a value's type follows from its operation alone.

use super::cursor::Cursor;
use super::{Lines, define, sum};
use crate::ir::{Face, Window, name};
use crate::loops::ir::{
    Access, Affine, Combine, Conv, Fill, Gemm, Guard, Indirect, Kernel, Loop, LoopKind, Matrix, Order, ParamId, Range,
    Reduce, Row, ScalarOp, Sort, Stmt, Transpose, ValueId, VarId,
};

/// Statements of one indentation; the reduces among them belong to the loop they are in and are returned.
pub(super) fn body(
    kernel: &mut Kernel,
    lines: &mut Lines<'_>,
    depth: usize,
    body: &mut Vec<Stmt>,
) -> Result<Vec<Reduce>, String> {
    let mut reduces = Vec::new();
    while let Some(line) = lines.indented(depth) {
        let mut cursor = Cursor::new(line);
        if cursor.accept("yield ") {
            reduces.push(reduce(kernel, &mut cursor)?);
        } else if cursor.accept("seq ") {
            body.push(nest(kernel, lines, depth, LoopKind::Seq, &mut cursor)?);
        } else if cursor.accept("turn ") {
            body.push(nest(kernel, lines, depth, LoopKind::Turn, &mut cursor)?);
        } else if cursor.accept("vec ") {
            body.push(nest(kernel, lines, depth, LoopKind::Vec, &mut cursor)?);
        } else {
            body.push(plain(kernel, &mut cursor)?);
        }
        cursor.end()?;
    }
    Ok(reduces)
}

fn nest(
    kernel: &mut Kernel,
    lines: &mut Lines<'_>,
    depth: usize,
    kind: LoopKind,
    cursor: &mut Cursor<'_>,
) -> Result<Stmt, String> {
    let var = VarId(cursor.id("i")?);
    kernel.vars = kernel.vars.max(var.0 + 1);
    cursor.expect("in")?;
    let range = range(cursor)?;
    let mut inner = Vec::new();
    let reduces = body(kernel, lines, depth + 1, &mut inner)?;
    Ok(Stmt::Loop(Loop { kind, range, var, reduces, body: inner }))
}

fn range(cursor: &mut Cursor<'_>) -> Result<Range, String> {
    if cursor.accept("panel") {
        return Ok(Range::Panel);
    }
    cursor.expect("0..")?;
    cursor.number().map(Range::Count)
}

fn plain(kernel: &mut Kernel, cursor: &mut Cursor<'_>) -> Result<Stmt, String> {
    if cursor.accept("store ") {
        let access = access(kernel, cursor)?;
        cursor.expect("=")?;
        return Ok(Stmt::Store { access, value: value(cursor)? });
    }
    if cursor.accept("sort ") {
        let len = cursor.number()?;
        cursor.expect(":")?;
        let order = row(kernel, cursor)?;
        cursor.expect("=")?;
        return Ok(Stmt::Sort(Sort { keys: row(kernel, cursor)?, order, len }));
    }
    if cursor.accept("transpose ") {
        return transpose(kernel, cursor);
    }
    if cursor.accept("gemm ") {
        return gemm(kernel, cursor);
    }
    if cursor.accept("conv ") {
        return conv(kernel, cursor);
    }
    if cursor.accept("fill ") {
        return fill(kernel, cursor);
    }
    let result = value(cursor)?;
    cursor.expect("=")?;
    let op = operation(kernel, cursor)?;
    let known = |value: ValueId| kernel.values.get(value.index()).map(|info| info.dtype);
    if let Some(unknown) = op.operands().into_iter().find(|&operand| known(operand).is_none()) {
        return Err(format!("{unknown} is read before it is defined"));
    }
    let load = |access: &Access| kernel.params[access.param.index()].dtype;
    let dtype = op.result_type(|value| kernel.values[value.index()].dtype, load)?;
    define(kernel, result.0, dtype);
    Ok(Stmt::Let { value: result, op })
}

fn value(cursor: &mut Cursor<'_>) -> Result<ValueId, String> {
    cursor.id("t").map(ValueId)
}

fn reduce(kernel: &mut Kernel, cursor: &mut Cursor<'_>) -> Result<Reduce, String> {
    let result = value(cursor)?;
    cursor.expect("=")?;
    let order = match cursor.word() {
        "chain" => Order::Chain,
        "tree8" => Order::Tree8,
        "tree32" => Order::Tree32,
        other => return Err(format!("{other:?} is no order")),
    };
    let name = cursor.word();
    let operands = cursor.list("(", ")", value)?;
    let combine = match (name, &operands[..]) {
        ("sum", &[a]) => Combine::Sum(a),
        ("max", &[a]) => Combine::Max(a),
        ("product", &[a, b]) => Combine::Product(a, b),
        _ => return Err(format!("{name:?} of {} values is no reduction", operands.len())),
    };
    let info = kernel.values.get(operands[0].index()).ok_or_else(|| format!("{} is not defined", operands[0]))?;
    define(kernel, result.0, info.dtype);
    Ok(Reduce { order, combine, result })
}

/// What stands behind `t3 =`.
fn operation(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<ScalarOp, String> {
    let name = cursor.word();
    Ok(match name {
        "f32" => ScalarOp::F32(cursor.float_bits()?),
        "i32" => ScalarOp::I32(cursor.number()?),
        "bool" => ScalarOp::Bool(cursor.word() == "true"),
        "load" => ScalarOp::Load(access(kernel, cursor)?),
        "index" => ScalarOp::Index(affine(cursor)?.0),
        "convert" => ScalarOp::Convert(cursor.dtype()?, one(cursor)?),
        "bits" => ScalarOp::Bits(cursor.dtype()?, one(cursor)?),
        "shl" | "shr_u" | "shr_s" => shift(name, cursor)?,
        _ => {
            let operands = cursor.list("(", ")", value)?;
            return function(name, &operands);
        }
    })
}

fn one(cursor: &mut Cursor<'_>) -> Result<ValueId, String> {
    cursor.expect("(")?;
    let operand = value(cursor)?;
    cursor.expect(")")?;
    Ok(operand)
}

fn shift(name: &str, cursor: &mut Cursor<'_>) -> Result<ScalarOp, String> {
    cursor.expect("(")?;
    let operand = value(cursor)?;
    cursor.expect(",")?;
    let by = cursor.number()?;
    cursor.expect(")")?;
    Ok(match name {
        "shl" => ScalarOp::Shl(operand, by),
        "shr_u" => ScalarOp::ShrU(operand, by),
        _ => ScalarOp::ShrS(operand, by),
    })
}

fn function(name: &str, operands: &[ValueId]) -> Result<ScalarOp, String> {
    let found = match *operands {
        [a] if name == "not" => Some(ScalarOp::Not(a)),
        [a] => name::unary(name).map(|function| ScalarOp::Unary(function, a)),
        [a, b] => match name {
            "and" => Some(ScalarOp::And(a, b)),
            "or" => Some(ScalarOp::Or(a, b)),
            "xor" => Some(ScalarOp::Xor(a, b)),
            _ => {
                let binary = name::binary(name).map(|function| ScalarOp::Binary(function, a, b));
                binary.or_else(|| name::comparison(name).map(|comparison| ScalarOp::Compare(comparison, a, b)))
            }
        },
        [a, b, c] if name == "fma" => Some(ScalarOp::Fma(a, b, c)),
        [a, b, c] if name == "select" => Some(ScalarOp::Select(a, b, c)),
        _ => None,
    };
    found.ok_or_else(|| format!("there is no operation {name:?} of {} values", operands.len()))
}

/// A parameter by the name under which the heading lists it.
fn param(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<ParamId, String> {
    let label = cursor.label()?;
    let found = kernel.params.iter().position(|param| param.name == label);
    found.map(|at| ParamId(at as u32)).ok_or_else(|| format!("{label:?} is no parameter"))
}

fn access(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<Access, String> {
    let param = param(kernel, cursor)?;
    cursor.expect("[")?;
    let (index, indirect) = affine(cursor)?;
    cursor.expect("]")?;
    let mut access = Access { param, index, indirect, guards: Vec::new(), fill: 0 };
    while cursor.accept("guard(0 <= ") {
        let (at, _) = affine(cursor)?;
        cursor.expect("<")?;
        let bound = cursor.number()?;
        let step = if cursor.accept("step") { cursor.number()? } else { 1 };
        cursor.expect(")")?;
        access.guards.push(Guard { at, bound, step });
    }
    if cursor.accept("else") {
        access.fill = cursor.hex()?;
    }
    Ok(access)
}

/// `128*i0 + i1 - 3 + 4*clamp(t3, 0..10)`: the affine part, and the clamped one if there is one (it is last).
fn affine(cursor: &mut Cursor<'_>) -> Result<(Affine, Option<Indirect>), String> {
    let mut terms = Vec::new();
    loop {
        let sign: i64 = match (cursor.accept("+"), cursor.accept("-")) {
            (_, true) => -1,
            (true, false) => 1,
            (false, false) if terms.is_empty() => 1,
            (false, false) => return Ok((sum(terms), None)),
        };
        let factor: i64 = if cursor.at_digit() { cursor.number()? } else { 1 };
        let size = cursor.accept("*");
        if cursor.accept("clamp(") {
            let value = value(cursor)?;
            cursor.expect(",")?;
            cursor.expect("0..")?;
            let bound = cursor.number()?;
            cursor.expect(")")?;
            return Ok((sum(terms), Some(Indirect { value, stride: sign * factor, bound })));
        }
        if cursor.accept("i") {
            terms.push(Affine::var(VarId(cursor.number()?), sign * factor));
        } else if size {
            return Err("a factor of nothing".to_string());
        } else {
            terms.push(Affine::constant(sign * factor));
        }
    }
}

fn gemm(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<Stmt, String> {
    let m = range(cursor)?;
    cursor.expect("x")?;
    let n = cursor.number()?;
    cursor.expect("over")?;
    let k = cursor.number()?;
    cursor.expect(":")?;
    let c = matrix(kernel, cursor)?;
    cursor.expect("=")?;
    let a = matrix(kernel, cursor)?;
    cursor.expect("*")?;
    let b = matrix(kernel, cursor)?;
    Ok(Stmt::Gemm(Gemm { m, n, k, a, b, c }))
}

fn transpose(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<Stmt, String> {
    let m = range(cursor)?;
    cursor.expect("x")?;
    let n = cursor.number()?;
    cursor.expect(":")?;
    let to = matrix(kernel, cursor)?;
    cursor.expect("=")?;
    Ok(Stmt::Transpose(Transpose { m, n, from: matrix(kernel, cursor)?, to }))
}

fn row(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<Row, String> {
    let param = param(kernel, cursor)?;
    cursor.expect("[")?;
    let (start, _) = affine(cursor)?;
    cursor.expect(";")?;
    let step = cursor.number()?;
    cursor.expect("]")?;
    Ok(Row { param, start, step })
}

fn matrix(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<Matrix, String> {
    let param = param(kernel, cursor)?;
    cursor.expect("[")?;
    let (start, _) = affine(cursor)?;
    cursor.expect(";")?;
    let row = cursor.number()?;
    cursor.expect(",")?;
    let column = cursor.number()?;
    cursor.expect("]")?;
    Ok(Matrix { param, start, row, column })
}

fn conv(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<Stmt, String> {
    let name = cursor.word();
    let face = Face::ALL.into_iter().find(|face| face.name() == name).ok_or_else(|| format!("{name:?} is no face"))?;
    let rows = range(cursor)?;
    cursor.expect("of")?;
    let images = cursor.number()?;
    cursor.expect("images")?;
    let groups = cursor.number()?;
    cursor.expect("x")?;
    let group_in = cursor.number()?;
    cursor.expect("x")?;
    let group_out = cursor.number()?;
    cursor.expect(":")?;
    let c = param(kernel, cursor)?;
    cursor.expect("=")?;
    let a = operand(kernel, cursor)?;
    cursor.expect("*")?;
    let b = operand(kernel, cursor)?;
    let windows = cursor.list("[", "]", |cursor| {
        let mut sizes = [0; 5];
        for size in &mut sizes {
            *size = cursor.number()?;
            cursor.expect(":")?;
        }
        let [n, out, k, step, dilation] = sizes;
        let sign = if cursor.accept("-") { -1 } else { 1 };
        let lo: i64 = cursor.number()?;
        Ok(Window { n, out, k, step, dilation, lo: sign * lo })
    })?;
    Ok(Stmt::Conv(Conv { face, rows, images, groups, group_in, group_out, windows, a, b, c }))
}

/// `x+64`
fn operand(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<(ParamId, i64), String> {
    let param = param(kernel, cursor)?;
    cursor.expect("+")?;
    Ok((param, cursor.number()?))
}

fn fill(kernel: &Kernel, cursor: &mut Cursor<'_>) -> Result<Stmt, String> {
    let param = param(kernel, cursor)?;
    cursor.expect("[0..")?;
    let len = cursor.number()?;
    cursor.expect("] = random")?;
    let key = cursor.list("(", ")", value)?;
    let [seed, step, turn] = key[..] else { return Err(format!("{} keys for three", key.len())) };
    cursor.expect("place")?;
    let place = cursor.number()?;
    cursor.expect("base")?;
    let base = cursor.number()?;
    Ok(Stmt::Fill(Fill { param, len, place, base, seed, step, turn }))
}
