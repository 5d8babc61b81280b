//! Scans: the body is interpreted once a turn.

use ndarray::{ArrayD, Axis, stack};

use super::misstep::Missing;
use super::{Array, Real, interpret_in};
use crate::ir::scan::Scan;
use crate::ir::types::{DType, Type};

/// All results of a scan on operands of the types it asks for.
pub(super) fn scan<F: Real>(scan: &Scan, operands: &[&Array<F>], missing: Missing) -> Vec<Array<F>> {
    run(scan, operands, missing, |_| {})
}

/// Calls `see` with the inputs of the body in each turn.
pub(super) fn turns<F: Real>(scan: &Scan, operands: &[&Array<F>], see: impl FnMut(&[Array<F>])) {
    run(scan, operands, Missing::Nearest, see);
}

fn run<F: Real>(
    scan: &Scan,
    operands: &[&Array<F>],
    missing: Missing,
    mut see: impl FnMut(&[Array<F>]),
) -> Vec<Array<F>> {
    let (carries, rest) = operands.split_at(scan.carries);
    let (sequences, captured) = rest.split_at(scan.sequences);
    let mut current: Vec<Array<F>> = carries.iter().map(|&carry| carry.clone()).collect();
    let mut emitted: Vec<Vec<Array<F>>> = vec![Vec::new(); scan.results() - scan.carries];
    let turns: Vec<usize> = if scan.reverse { (0..scan.turns).rev().collect() } else { (0..scan.turns).collect() };
    for turn in turns {
        let mut inputs = vec![Array::ints(&[], vec![turn as i32])];
        inputs.append(&mut current);
        inputs.extend(sequences.iter().map(|sequence| row(sequence, turn)));
        inputs.extend(captured.iter().map(|&value| value.clone()));
        see(&inputs);
        let mut outputs =
            interpret_in(&scan.body, &inputs, missing).expect("the shape rule accepted the operands").into_iter();
        current = outputs.by_ref().take(scan.carries).collect();
        emitted.iter_mut().zip(outputs).for_each(|(rows, row)| rows.push(row));
    }
    let stacked = emitted.into_iter().enumerate().map(|(at, mut rows)| {
        if scan.reverse {
            rows.reverse();
        }
        stacked(&rows, &scan.result(scan.carries + at).expect("it is one of the results"))
    });
    current.into_iter().chain(stacked).collect()
}

fn row<F: Real>(sequence: &Array<F>, turn: usize) -> Array<F> {
    match sequence {
        Array::Float(array) => Array::Float(array.index_axis(Axis(0), turn).to_owned()),
        Array::Int(array) => Array::Int(array.index_axis(Axis(0), turn).to_owned()),
        Array::Bool(array) => Array::Bool(array.index_axis(Axis(0), turn).to_owned()),
    }
}

fn stacked<F: Real>(rows: &[Array<F>], ty: &Type) -> Array<F> {
    match ty.dtype {
        DType::F32 => Array::Float(joined(rows.iter().map(Array::float), ty)),
        DType::I32 => Array::Int(joined(rows.iter().map(Array::int), ty)),
        DType::Bool => Array::Bool(joined(rows.iter().map(Array::bool), ty)),
    }
}

fn joined<'a, T: Clone + Default + 'a>(rows: impl Iterator<Item = &'a ArrayD<T>>, ty: &Type) -> ArrayD<T> {
    let views: Vec<_> = rows.map(|row| row.view()).collect();
    if views.is_empty() {
        return ArrayD::default(ty.shape.clone());
    }
    stack(Axis(0), &views).expect("every turn emits the same type").as_standard_layout().into_owned()
}
