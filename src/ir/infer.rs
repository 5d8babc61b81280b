//! The shape rules: an op and the types of its operands in, the type of its
//! result out, or why there is none.
//!
//! One arm an op. Every room that makes nodes goes through [`infer`], so a
//! node's recorded type is always what the rule gives. The rule looks at
//! nothing but its arguments and allocates only the result.

use super::graph::Slot;
use super::op::{Binary, Comparison, Const, Face, Op, Unary, Window};
use super::types::{DType, Type};

/// The largest number of axes a value may have.
pub const MAX_RANK: usize = 8;

/// The type of `op` on operands of these types; `slots` are the graph's.
///
/// # Errors
/// A sentence in lower case that names the broken condition. After checking
/// this can only be our bug.
pub fn infer(op: &Op, operands: &[&Type], slots: &[Slot]) -> Result<Type, String> {
    let ty = rule(op, operands, slots).map_err(|reason| format!("{}: {reason}", op.name()))?;
    if ty.rank() > MAX_RANK {
        return Err(format!("{}: rank {} is over {MAX_RANK}", op.name(), ty.rank()));
    }
    Ok(ty)
}

fn rule(op: &Op, operands: &[&Type], slots: &[Slot]) -> Result<Type, String> {
    match op {
        Op::Input(slot) => {
            let [] = exactly(operands)?;
            let slot = slots.get(slot.index()).ok_or_else(|| format!("there is no slot {slot}"))?;
            Ok(slot.ty.clone())
        }
        Op::Const { value, shape } => {
            let [] = exactly(operands)?;
            constant(value, shape)
        }
        Op::Iota { axis, shape } => {
            let [] = exactly(operands)?;
            in_range(*axis, shape.len())?;
            Ok(Type::new(DType::I32, shape.clone()))
        }
        Op::Random { shape, base, .. } => {
            let scalars: [&Type; 3] = exactly(operands)?;
            for scalar in scalars {
                same(scalar, &Type::scalar(DType::I32))?;
            }
            check(base % 64 == 0, || format!("base {base} is not a multiple of 64"))?;
            Ok(Type::new(DType::F32, shape.clone()))
        }
        Op::Unary(function) => unary(*function, operands),
        Op::Binary(function) => binary(*function, operands),
        Op::Compare(comparison) => compare(*comparison, operands),
        Op::And | Op::Or => {
            let [a, b] = exactly(operands)?;
            expect(a, &[DType::Bool])?;
            same(a, b)?;
            Ok(a.clone())
        }
        Op::Not => {
            let [a] = exactly(operands)?;
            expect(a, &[DType::Bool])?;
            Ok(a.clone())
        }
        Op::Select => select(operands),
        Op::Convert(to) => {
            let [a] = exactly(operands)?;
            Ok(Type::new(*to, a.shape.clone()))
        }
        Op::StopGradient => {
            let [a] = exactly(operands)?;
            Ok(a.clone())
        }
        Op::Broadcast { shape, axes } => broadcast(operands, shape, axes),
        Op::Reshape { shape } => reshape(operands, shape),
        Op::Transpose { perm } => transpose(operands, perm),
        Op::Slice { start, size, step } => slice(operands, start, size, step),
        Op::Unslice { start, step, shape } => unslice(operands, start, step, shape),
        Op::Concat { axis } => concat(operands, *axis),
        Op::Unfold { axis, window, .. } => unfold(operands, *axis, window),
        Op::Fold { axis, window } => fold(operands, *axis, window),
        Op::Sum { axes } | Op::MaxOf { axes } => reduce(operands, axes),
        Op::Contract { batch, over } => contract(operands, batch, over),
        Op::Conv { face, windows, groups } => conv(operands, *face, windows, *groups),
        Op::Gather { axis } => gather(operands, *axis),
        Op::ScatterAdd { axis, size } => scatter_add(operands, *axis, *size),
        Op::Scan { scan, result } => {
            let expected = scan.operands();
            check(operands.len() == expected.len(), || format!("{} operands, not {}", operands.len(), expected.len()))?;
            operands.iter().zip(&expected).try_for_each(|(operand, expected)| same(operand, expected))?;
            scan.result(*result)
        }
        Op::Put { axis } => put(operands, *axis),
        Op::Argsort { axis } => {
            let [x] = exactly(operands)?;
            expect(x, &[DType::F32, DType::I32])?;
            in_range(*axis, x.rank())?;
            Ok(Type::new(DType::I32, x.shape.clone()))
        }
    }
}

fn constant(value: &Const, shape: &[usize]) -> Result<Type, String> {
    let ty = Type::new(value.dtype(), shape);
    match value {
        Const::Table { words, .. } => {
            check(words.len() == ty.len(), || format!("{} words for {ty}", words.len()))?;
            let sound = ty.dtype != DType::Bool || words.iter().all(|word| matches!(*word, 0 | u32::MAX));
            check(sound, || "a bool is neither all ones nor zero".to_string())?;
        }
        Const::F32(_) | Const::I32(_) | Const::Bool(_) => {}
    }
    Ok(ty)
}

fn unary(function: Unary, operands: &[&Type]) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    let allowed: &[DType] = match function {
        Unary::Neg | Unary::Abs => &[DType::F32, DType::I32],
        Unary::Exp
        | Unary::Log
        | Unary::Sqrt
        | Unary::Sin
        | Unary::Cos
        | Unary::Softplus
        | Unary::Tanh
        | Unary::Logistic
        | Unary::Erf
        | Unary::ErfInv
        | Unary::Floor => &[DType::F32],
    };
    expect(a, allowed)?;
    Ok(a.clone())
}

fn binary(function: Binary, operands: &[&Type]) -> Result<Type, String> {
    let [a, b] = exactly(operands)?;
    let allowed: &[DType] = match function {
        Binary::Pow => &[DType::F32],
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Max | Binary::Min => {
            &[DType::F32, DType::I32]
        }
    };
    expect(a, allowed)?;
    same(a, b)?;
    Ok(a.clone())
}

fn compare(comparison: Comparison, operands: &[&Type]) -> Result<Type, String> {
    let [a, b] = exactly(operands)?;
    let allowed: &[DType] = match comparison {
        Comparison::Lt | Comparison::Le => &[DType::F32, DType::I32],
        Comparison::Eq => &[DType::F32, DType::I32, DType::Bool],
    };
    expect(a, allowed)?;
    same(a, b)?;
    Ok(Type::new(DType::Bool, a.shape.clone()))
}

fn select(operands: &[&Type]) -> Result<Type, String> {
    let [condition, a, b] = exactly(operands)?;
    expect(condition, &[DType::Bool])?;
    same(a, b)?;
    check(condition.shape == a.shape, || format!("condition {condition} over {a}"))?;
    Ok(a.clone())
}

fn broadcast(operands: &[&Type], shape: &[usize], axes: &[usize]) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    check(axes.len() == a.rank(), || format!("{} axes for {a}", axes.len()))?;
    ascending(axes, shape.len())?;
    for (size, &axis) in a.shape.iter().zip(axes) {
        check(*size == shape[axis] || *size == 1, || format!("{a} does not fit {shape:?} at axis {axis}"))?;
    }
    Ok(Type::new(a.dtype, shape))
}

fn reshape(operands: &[&Type], shape: &[usize]) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    let result = Type::new(a.dtype, shape);
    check(a.len() == result.len(), || format!("{a} has not as many elements as {result}"))?;
    Ok(result)
}

fn transpose(operands: &[&Type], perm: &[usize]) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    check(perm.len() == a.rank(), || format!("{} axes for {a}", perm.len()))?;
    let mut seen = [false; MAX_RANK];
    for &axis in perm {
        in_range(axis, a.rank())?;
        check(!std::mem::replace(&mut seen[axis], true), || format!("axis {axis} twice"))?;
    }
    Ok(Type::new(a.dtype, perm.iter().map(|&axis| a.shape[axis]).collect::<Vec<_>>()))
}

fn slice(operands: &[&Type], start: &[usize], size: &[usize], step: &[i64]) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    inside(start, size, step, &a.shape)?;
    Ok(Type::new(a.dtype, size))
}

fn unslice(operands: &[&Type], start: &[usize], step: &[i64], shape: &[usize]) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    expect(a, &[DType::F32, DType::I32])?;
    inside(start, &a.shape, step, shape)?;
    Ok(Type::new(a.dtype, shape))
}

fn concat(operands: &[&Type], axis: usize) -> Result<Type, String> {
    let first = *operands.first().ok_or("no operands")?;
    in_range(axis, first.rank())?;
    let mut shape = first.shape.clone();
    for part in &operands[1..] {
        check(part.dtype == first.dtype && part.rank() == first.rank(), || format!("{first} with {part}"))?;
        for (at, (size, part_size)) in first.shape.iter().zip(&part.shape).enumerate() {
            check(at == axis || size == part_size, || format!("{first} with {part} at axis {at}"))?;
        }
        shape[axis] += part.shape[axis];
    }
    Ok(Type::new(first.dtype, shape))
}

fn unfold(operands: &[&Type], axis: usize, window: &Window) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    expect(a, &[DType::F32])?;
    in_range(axis, a.rank())?;
    sound(window)?;
    check(a.shape[axis] == window.n, || format!("axis {axis} of {a} for {} elements", window.n))?;
    let mut shape = a.shape.clone();
    shape.splice(axis..=axis, [window.out, window.k]);
    Ok(Type::new(a.dtype, shape))
}

fn fold(operands: &[&Type], axis: usize, window: &Window) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    expect(a, &[DType::F32])?;
    sound(window)?;
    check(a.shape.get(axis..axis + 2) == Some(&[window.out, window.k]), || {
        format!("axes {axis} and {} of {a} for {} windows of {}", axis + 1, window.out, window.k)
    })?;
    let mut shape = a.shape.clone();
    shape.splice(axis..axis + 2, [window.n]);
    Ok(Type::new(a.dtype, shape))
}

fn sound(window: &Window) -> Result<(), String> {
    let positive = window.n > 0 && window.out > 0 && window.k > 0 && window.step > 0 && window.dilation > 0;
    check(positive, || format!("a size or step of {window:?} is 0"))
}

fn conv(operands: &[&Type], face: Face, windows: &[Window], groups: usize) -> Result<Type, String> {
    let [a, b] = exactly(operands)?;
    expect(a, &[DType::F32])?;
    expect(b, &[DType::F32])?;
    windows.iter().try_for_each(sound)?;
    check(!windows.is_empty() && groups > 0, || "no axes or no groups".to_string())?;
    let sizes = |size: fn(&Window) -> usize| windows.iter().map(size).collect::<Vec<_>>();
    let (n, k, out) = (sizes(|w| w.n), sizes(|w| w.k), sizes(|w| w.out));
    let expected = match face {
        Face::Out => (&n, &k),
        Face::Input => (&out, &k),
        Face::Weight => (&n, &out),
    };
    check(a.shape.get(2..) == Some(&expected.0[..]) && b.shape.get(2..) == Some(&expected.1[..]), || {
        format!("{a} and {b} do not have the sizes of {windows:?}")
    })?;
    let whole =
        |channels: usize| check(channels.is_multiple_of(groups), || format!("{channels} channels, {groups} groups"));
    let agree = |fine: bool| check(fine, || format!("{a} and {b} disagree with {groups} groups"));
    let shape = match face {
        Face::Out => {
            whole(b.shape[0])?;
            agree(a.shape[1] == b.shape[1] * groups)?;
            [&[a.shape[0], b.shape[0]], &out[..]].concat()
        }
        Face::Input => {
            whole(b.shape[0])?;
            agree(a.shape[1] == b.shape[0])?;
            [&[a.shape[0], b.shape[1] * groups], &n[..]].concat()
        }
        Face::Weight => {
            whole(a.shape[1])?;
            whole(b.shape[1])?;
            agree(a.shape[0] == b.shape[0])?;
            [&[b.shape[1], a.shape[1] / groups], &k[..]].concat()
        }
    };
    Ok(Type::new(DType::F32, shape))
}

fn reduce(operands: &[&Type], axes: &[usize]) -> Result<Type, String> {
    let [a] = exactly(operands)?;
    expect(a, &[DType::F32, DType::I32])?;
    ascending(axes, a.rank())?;
    Ok(Type::new(a.dtype, without(&a.shape, axes)))
}

fn contract(operands: &[&Type], batch: &[(usize, usize)], over: &[(usize, usize)]) -> Result<Type, String> {
    let [a, b] = exactly(operands)?;
    expect(a, &[DType::F32])?;
    expect(b, &[DType::F32])?;
    let (mut used_a, mut used_b) = (Vec::new(), Vec::new());
    for &(i, j) in batch.iter().chain(over) {
        in_range(i, a.rank())?;
        in_range(j, b.rank())?;
        check(!used_a.contains(&i) && !used_b.contains(&j), || format!("pair {i}:{j} names an axis twice"))?;
        check(a.shape[i] == b.shape[j], || format!("{a} and {b} differ at {i}:{j}"))?;
        used_a.push(i);
        used_b.push(j);
    }
    let batch_sizes = batch.iter().map(|&(i, _)| a.shape[i]);
    let shape: Vec<usize> = batch_sizes.chain(without(&a.shape, &used_a)).chain(without(&b.shape, &used_b)).collect();
    Ok(Type::new(DType::F32, shape))
}

fn gather(operands: &[&Type], axis: usize) -> Result<Type, String> {
    let [x, index] = exactly(operands)?;
    expect(index, &[DType::I32])?;
    in_range(axis, x.rank())?;
    check(x.shape[axis] > 0, || format!("axis {axis} of {x} is empty"))?;
    let mut shape = x.shape.clone();
    shape.splice(axis..=axis, index.shape.iter().copied());
    Ok(Type::new(x.dtype, shape))
}

fn scatter_add(operands: &[&Type], axis: usize, size: usize) -> Result<Type, String> {
    let [update, index] = exactly(operands)?;
    expect(update, &[DType::F32, DType::I32])?;
    expect(index, &[DType::I32])?;
    let end = axis + index.rank();
    check(update.shape.get(axis..end) == Some(&index.shape[..]), || {
        format!("axes {axis}..{end} of {update} are not those of {index}")
    })?;
    check(size > 0, || "size is 0".to_string())?;
    let mut shape = update.shape.clone();
    shape.splice(axis..end, [size]);
    Ok(Type::new(update.dtype, shape))
}

fn put(operands: &[&Type], axis: usize) -> Result<Type, String> {
    let [x, value, index] = exactly(operands)?;
    same(index, &Type::scalar(DType::I32))?;
    in_range(axis, x.rank())?;
    check(x.shape[axis] > 0, || format!("axis {axis} of {x} is empty"))?;
    let wanted = Type::new(x.dtype, without(&x.shape, &[axis]));
    same(value, &wanted)?;
    Ok(x.clone())
}

/// The sizes of the axes that are not in `axes`, in order.
pub fn without(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    other_axes(shape.len(), axes).iter().map(|&axis| shape[axis]).collect()
}

/// The axes of `0..rank` that are not in `axes`, ascending.
pub fn other_axes(rank: usize, axes: &[usize]) -> Vec<usize> {
    (0..rank).filter(|axis| !axes.contains(axis)).collect()
}

/// Whether every index `start + k·step`, k < size, lies in the shape.
fn inside(start: &[usize], size: &[usize], step: &[i64], shape: &[usize]) -> Result<(), String> {
    let rank = shape.len();
    check(start.len() == rank && size.len() == rank && step.len() == rank, || {
        format!("{}, {}, {} entries for {shape:?}", start.len(), size.len(), step.len())
    })?;
    for axis in 0..rank {
        check(step[axis] != 0, || format!("step 0 at axis {axis}"))?;
        if size[axis] == 0 {
            continue;
        }
        let last = start[axis] as i64 + (size[axis] as i64 - 1) * step[axis];
        check(start[axis] < shape[axis] && (0..shape[axis] as i64).contains(&last), || {
            format!("indices {}..={last} leave axis {axis} of {shape:?}", start[axis])
        })?;
    }
    Ok(())
}

fn exactly<'a, const N: usize>(operands: &[&'a Type]) -> Result<[&'a Type; N], String> {
    operands.try_into().map_err(|_| format!("{} operands, not {N}", operands.len()))
}

fn expect(ty: &Type, allowed: &[DType]) -> Result<(), String> {
    check(allowed.contains(&ty.dtype), || format!("an operand is {ty}"))
}

fn same(a: &Type, b: &Type) -> Result<(), String> {
    check(a == b, || format!("{a} with {b}"))
}

fn in_range(axis: usize, rank: usize) -> Result<(), String> {
    check(axis < rank, || format!("axis {axis} of rank {rank}"))
}

fn ascending(axes: &[usize], rank: usize) -> Result<(), String> {
    check(axes.windows(2).all(|pair| pair[0] < pair[1]), || format!("axes {axes:?} are not ascending"))?;
    axes.iter().try_for_each(|&axis| in_range(axis, rank))
}

fn check(condition: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(reason()) }
}
