//! Matrices of all sizes around those of blocks, with gaps between their rows, at both ends of their memory.

use super::guarded::Guarded;
use nnc::kernels::abi::TransposeArgs;
use nnc::kernels::variants;

/// What stands between the rows of the result.
const GAP: f32 = -7.0;

#[test]
fn every_word_arrives_and_no_other_is_touched() {
    for table in variants() {
        for (rows, columns) in (1..36).flat_map(|rows| (1..36).map(move |columns| (rows, columns))) {
            let gap = (rows * columns) % 3;
            let (from_column, to_row) = (rows + gap, columns + gap);
            let read: Vec<f32> = (0..(columns - 1) * from_column + rows).map(|at| at as f32).collect();
            let written = vec![GAP; (rows - 1) * to_row + columns];
            let at_end = rows % 2 == 0;
            let (from, to) = (Guarded::new(&read, at_end), Guarded::new(&written, at_end));
            let args = TransposeArgs {
                from: from.pointer().cast(),
                to: to.pointer().cast(),
                rows: rows as u64,
                columns: columns as u64,
                from_column: from_column as i64,
                to_row: to_row as i64,
            };
            // SAFETY: the variant runs on this machine; all sizes are as the strides reach.
            unsafe { (table.transpose)(&args) };
            for (at, value) in to.values().iter().enumerate() {
                let (row, column) = (at / to_row, at % to_row);
                let expected = if column < columns { read[row + column * from_column] } else { GAP };
                assert_eq!(*value, expected, "{}: {rows} by {columns} at {row}, {column}", table.name);
            }
        }
    }
}
