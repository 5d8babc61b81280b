//! Convolutions: every variant against the portable one, bits equal, whole and
//! in parts. That the portable one computes what is stated, the suite of ops
//! checks against the interpreter of loops.

use nnc::kernels::abi::{ConvArgs, SPATIAL};
use nnc::kernels::{Table, variants};

#[derive(Clone, Debug)]
struct Case {
    images: usize,
    groups: usize,
    group_in: usize,
    group_out: usize,
    /// n, k, step, dilation, lo, hi.
    axes: Vec<[i64; 6]>,
}

fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

impl Case {
    fn windows(&self) -> Vec<[i64; 6]> {
        let out = |[n, k, step, dilation, lo, hi]: &[i64; 6]| (n + lo + hi - dilation * (k - 1) - 1) / step + 1;
        self.axes.iter().map(|axis| [axis[0], out(axis), axis[1], axis[2], axis[3], axis[4]]).collect()
    }

    /// Elements of x, w and y.
    fn lengths(&self) -> [usize; 3] {
        let product = |at: usize| self.windows().iter().map(|window| window[at] as usize).product::<usize>();
        let (x, y) = (self.images * self.groups * self.group_in, self.images * self.groups * self.group_out);
        [x * product(0), self.groups * self.group_out * self.group_in * product(2), y * product(1)]
    }

    fn run(&self, table: &Table, face: u64, parts: usize) -> Vec<f32> {
        let [x, w, y] = self.lengths();
        let [a, b, c] = [[x, w, y], [y, w, x], [x, y, w]][face as usize];
        let (a, b, mut c) = (noise(a, 1), noise(b, 2), vec![f32::NAN; c]);
        let mut windows = [[0; 6]; SPATIAL];
        windows.iter_mut().zip(self.windows()).for_each(|(to, from)| *to = from);
        let rows = if face == 2 { self.groups * self.group_out } else { self.images };
        let by = rows.div_ceil(parts);
        for lo in (0..rows).step_by(by) {
            let args = ConvArgs {
                a: a.as_ptr(),
                b: b.as_ptr(),
                c: c.as_mut_ptr(),
                lo: lo as u64,
                hi: (lo + by).min(rows) as u64,
                face,
                images: self.images as u64,
                groups: self.groups as u64,
                group_in: self.group_in as u64,
                group_out: self.group_out as u64,
                axes: self.axes.len() as u64,
                windows,
            };
            // SAFETY: the variant runs on this machine; all operands have the lengths that the sizes say.
            unsafe { (table.conv)(&args) };
        }
        c
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn check(case: &Case) {
    let tables = variants();
    let portable = &tables[tables.len() - 1];
    for face in 0..3 {
        let expected = case.run(portable, face, 1);
        assert!(expected.iter().all(|value| value.is_finite()), "{case:?}, face {face}: not everything is written");
        for table in &tables {
            for parts in [1, 3] {
                let found = case.run(table, face, parts);
                assert_eq!(bits(&found), bits(&expected), "{} in {parts} parts, face {face}: {case:?}", table.name);
            }
        }
    }
}

#[test]
fn one_axis() {
    for n in 1..24 {
        let k = 1 + n % 4;
        let axes = vec![[n, k, 1 + n % 3, 1 + n % 2, k, k - 1]];
        check(&Case { images: 3, groups: 1, group_in: 1 + n as usize % 3, group_out: 1 + n as usize % 11, axes });
    }
}

#[test]
fn two_axes() {
    for n in 2..20 {
        let axes = vec![[n, 3, 1 + n % 3, 1, 1, 1], [n + 3, 2, 1 + n % 2, 2, n % 3, 0]];
        check(&Case { images: 2, groups: 1 + n as usize % 3, group_in: 2, group_out: n as usize, axes });
    }
}

#[test]
fn three_axes_and_cut_edges() {
    check(&Case {
        images: 2,
        groups: 2,
        group_in: 2,
        group_out: 3,
        axes: vec![[5, 2, 2, 1, 1, 1], [4, 3, 1, 1, -1, 1], [6, 2, 3, 2, 0, 2]],
    });
}

/// Lines so short that vectors go along channels; the last strip may be half a one, and taps many blocks.
#[test]
fn short_lines_and_many_channels() {
    for n in [4, 5, 7, 10, 12, 14, 16] {
        check(&Case { images: 2, groups: 1, group_in: 32, group_out: 64, axes: vec![[n, 3, 1, 1, 1, 1]; 2] });
    }
    check(&Case { images: 2, groups: 2, group_in: 32, group_out: 32, axes: vec![[14, 3, 2, 1, 1, 1]; 2] });
    check(&Case {
        images: 3,
        groups: 1,
        group_in: 32,
        group_out: 32,
        axes: vec![[5, 2, 1, 2, 1, 1], [7, 3, 1, 1, 1, 1]],
    });
    check(&Case { images: 3, groups: 1, group_in: 3, group_out: 32, axes: vec![[14, 1, 1, 1, 0, 0]] });
}

#[test]
fn layers_of_nets() {
    let lenet = [([28, 5, 1, 1, 2, 2], 1, 6), ([14, 5, 1, 1, 0, 0], 6, 16)];
    for (axis, group_in, group_out) in lenet {
        check(&Case { images: 64, groups: 1, group_in, group_out, axes: vec![axis; 2] });
    }
    // Depthwise; and images in blocks of which the last is shorter.
    check(&Case { images: 5, groups: 24, group_in: 1, group_out: 1, axes: vec![[16, 3, 1, 1, 1, 1]; 2] });
    check(&Case { images: 7, groups: 1, group_in: 20, group_out: 9, axes: vec![[32, 3, 2, 1, 1, 1]; 2] });
}
