//! Sliding windows: convolutions, their transposes, and reductions of windows.
//!
//! In: images [B, C, ...] and settings that are one number, or a list with one
//! for each spatial axis. Out: one node of the table, or for a reduction the
//! nodes that unfold, move the windows in front and reduce. What does not fit is
//! said in sizes of the image as it is met, padding included.

use super::Checker;
use super::dims::Dim;
use super::intrinsics::Args;
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Face, Fill, Op, Window};
use crate::source::Span;

/// Axes before the spatial ones: images and channels.
const FRONT: usize = 2;

/// Settings of one axis.
#[derive(Clone, Copy)]
struct Setting {
    size: i64,
    stride: i64,
    dilation: i64,
    lo: i64,
    hi: i64,
}

impl Checker<'_> {
    /// `core.per_axis(value, count)`: a list with `value` for each axis, or the list that it is.
    pub(super) fn per_axis_call(&mut self, args: &Args, _span: Span) -> Value {
        let (Some((value, place)), Some((count, at))) = (args[0].clone(), args[1].clone()) else {
            return Value::Unknown;
        };
        let Some(count) = self.whole(&count, "a count", at) else { return Value::Unknown };
        let Some(numbers) = self.per_axis(&value, count.max(0) as usize, place) else { return Value::Unknown };
        Value::List(numbers.into_iter().map(Value::int).collect::<Vec<_>>().into())
    }

    fn per_axis(&mut self, value: &Value, count: usize, span: Span) -> Option<Vec<i64>> {
        match value {
            Value::List(items) | Value::Tuple(items) => {
                if items.len() != count {
                    let message = format!("{} settings for {count} spatial axes", items.len());
                    self.error(Code::E0313, message, span);
                    return None;
                }
                items.iter().map(|item| self.whole(item, "a setting of a window", span)).collect()
            }
            number => {
                let number = self.whole(number, "a setting of a window", span)?;
                Some(vec![number; count])
            }
        }
    }

    /// Argument `at` for each axis, at least `least`.
    fn setting(&mut self, args: &Args, at: usize, count: usize, default: i64, least: i64) -> Option<Vec<i64>> {
        let Some((value, span)) = args.get(at).cloned().flatten() else { return Some(vec![default; count]) };
        let numbers = self.per_axis(&value, count, span)?;
        if let Some(small) = numbers.iter().find(|number| **number < least) {
            self.error(Code::E0313, format!("this is at least {least}, not {small}"), span);
            return None;
        }
        Some(numbers)
    }

    /// Padding: a number, or for each axis a number or `[before, behind]`.
    fn padding(&mut self, args: &Args, at: usize, count: usize) -> Option<Vec<(i64, i64)>> {
        let Some((value, span)) = args.get(at).cloned().flatten() else { return Some(vec![(0, 0); count]) };
        let Value::List(items) = &value else {
            let both = self.per_axis(&value, count, span)?;
            return Some(both.into_iter().map(|both| (both, both)).collect());
        };
        if items.len() != count {
            self.error(Code::E0313, format!("{} settings for {count} spatial axes", items.len()), span);
            return None;
        }
        let mut found = Vec::new();
        for item in items.iter() {
            let pair = self.per_axis(item, 2, span)?;
            found.push((pair[0], pair[1]));
        }
        Some(found)
    }

    /// The spatial axes of an image, of which there must be some.
    fn spatial(&mut self, tensor: &Tensor, place: Span) -> Option<usize> {
        if tensor.shape.len() > FRONT {
            return Some(tensor.shape.len() - FRONT);
        }
        let shown = self.show_type(tensor);
        self.report(
            Diagnostic::new(Code::E0313, format!("images are [B, C, ...], this is {shown}"), place)
                .help("`reshape(x, [B, 1, H, W])` gives grey images their channel"),
        );
        None
    }

    /// The windows of an axis of `n` elements.
    fn window(&mut self, n: &Dim, setting: Setting, span: Span) -> Option<Window<Dim>> {
        let Setting { size, stride, dilation, lo, hi } = setting;
        let reach = dilation * (size - 1) + 1;
        if let Some(known) = self.program.atoms.resolve(n).as_number()
            && known + lo + hi < reach
        {
            let what = if dilation > 1 {
                format!("kernel {size} with dilation {dilation} spans {reach} and")
            } else {
                format!("kernel {size}")
            };
            let input =
                if lo == 0 && hi == 0 { format!("input {known}") } else { format!("padded input {}", known + lo + hi) };
            self.report(
                Diagnostic::new(Code::E0313, format!("{what} is larger than the {input}"), span)
                    .help("a smaller kernel, more padding, or fewer poolings before it"),
            );
            return None;
        }
        let room = n.add(&Dim::number(lo + hi - reach)).ok()?;
        // At stride 1 nothing is rounded, and a window that keeps the size keeps its name.
        let steps = if stride == 1 { Ok(room) } else { self.program.atoms.floor(&room, &Dim::number(stride), span) };
        let out = match steps {
            Ok(steps) => steps.add(&Dim::number(1)).ok()?,
            Err(error) => {
                self.dim_error(&error, span);
                return None;
            }
        };
        let number = |value: i64| usize::try_from(value).ok();
        Some(Window { n: n.clone(), out, k: number(size)?, step: number(stride)?, dilation: number(dilation)?, lo })
    }

    /// Images, weights [out, in / groups, ...], and the sizes of the window.
    fn weighted(&mut self, args: &Args) -> Option<(Tensor, Tensor, Vec<i64>, Span)> {
        let ((x, place), (w, at)) = (self.tensor_arg(args, 0)?, self.tensor_arg(args, 1)?);
        let axes = self.spatial(&x, place)?;
        if w.shape.len() != x.shape.len() {
            let (x, w) = (self.show_type(&x), self.show_type(&w));
            self.error(Code::E0313, format!("weights {w} for images {x}: they have as many axes"), at);
            return None;
        }
        let mut sizes = Vec::new();
        for axis in 0..axes {
            sizes.push(self.whole(
                &Value::Number(Number::Size(w.shape[FRONT + axis].clone()), None),
                "a size of a kernel",
                at,
            )?);
        }
        let (x, w) = (self.convert(x, Elem::F32, place), self.convert(w, Elem::F32, at));
        Some((x, w, sizes, place))
    }

    fn group_count(&mut self, args: &Args, at: usize) -> Option<(i64, Span)> {
        let Some((value, span)) = args.get(at).cloned().flatten() else { return Some((1, Span::default())) };
        let groups = self.whole(&value, "a number of groups", span)?;
        if groups < 1 {
            self.error(Code::E0313, format!("there is at least one group, not {groups}"), span);
            return None;
        }
        Some((groups, span))
    }

    /// Whether two sizes are known and not equal. Names do not matter here: a layer's channels and those of its
    /// weights are two dims of which one is computed from the other.
    fn unequal(&self, a: &Dim, b: &Dim) -> bool {
        let number = |dim: &Dim| self.program.atoms.resolve(dim).as_number();
        number(a).zip(number(b)).is_some_and(|(a, b)| a != b)
    }

    fn divisible(&mut self, channels: &Dim, groups: (i64, Span), span: Span) -> bool {
        match self.program.atoms.resolve(channels).as_number() {
            Some(number) if number % groups.0 != 0 => {
                let message = format!("{number} channels are not divisible by {} groups", groups.0);
                self.error(Code::E0313, message, span);
                false
            }
            Some(_) | None => true,
        }
    }

    fn window_settings(&mut self, args: &Args, sizes: &[i64], first: usize) -> Option<Vec<Setting>> {
        let count = sizes.len();
        let stride = self.setting(args, first, count, 1, 1)?;
        let padding = self.padding(args, first + 1, count)?;
        if let Some(less) = padding.iter().map(|(lo, hi)| *lo.min(hi)).find(|less| *less < 0) {
            let place = args[first + 1].as_ref().map_or(Span::default(), |(_, place)| *place);
            self.report(
                Diagnostic::new(Code::E0313, format!("a padding is at least 0, not {less}"), place)
                    .help("`x[..., 1:-1]` leaves out what is at the ends"),
            );
            return None;
        }
        let dilation = self.setting(args, first + 2, count, 1, 1)?;
        let setting = |axis: usize| Setting {
            size: sizes[axis],
            stride: stride[axis],
            dilation: dilation[axis],
            lo: padding[axis].0,
            hi: padding[axis].1,
        };
        Some((0..count).map(setting).collect())
    }

    /// `core.conv(x, w, stride, padding, dilation, groups)`
    pub(super) fn conv_call(&mut self, args: &Args, span: Span) -> Value {
        self.convolved(args, span).map_or(Value::Unknown, Value::Tensor)
    }

    fn convolved(&mut self, args: &Args, span: Span) -> Option<Tensor> {
        let (x, w, sizes, place) = self.weighted(args)?;
        let groups = self.group_count(args, 5)?;
        let settings = self.window_settings(args, &sizes, 2)?;
        if !self.divisible(&x.shape[1], groups, place) || !self.divisible(&w.shape[0], groups, span) {
            return None;
        }
        let channels = w.shape[1].mul(&Dim::number(groups.0)).ok()?;
        if self.unequal(&channels, &x.shape[1]) {
            let (shown, have) = (self.show_type(&w), self.program.atoms.show(&x.shape[1]));
            let message = format!("weights {shown} with {} groups do not fit {have} channels", groups.0);
            self.error(Code::E0313, message, span);
            return None;
        }
        let mut windows = Vec::new();
        let mut shape = vec![x.shape[0].clone(), w.shape[0].clone()];
        for (axis, setting) in settings.into_iter().enumerate() {
            let window = self.window(&x.shape[FRONT + axis], setting, span)?;
            shape.push(window.out.clone());
            windows.push(window);
        }
        let op = Op::Conv { face: Face::Out, windows, groups: groups.0 as usize };
        Some(self.op(op, &[x.node, w.node], Elem::F32, shape, span))
    }

    /// `core.conv_transpose(y, w, stride, padding, dilation, groups, output_padding)`: the adjoint of `core.conv` by x.
    pub(super) fn conv_transpose_call(&mut self, args: &Args, span: Span) -> Value {
        self.convolved_back(args, span).map_or(Value::Unknown, Value::Tensor)
    }

    fn convolved_back(&mut self, args: &Args, span: Span) -> Option<Tensor> {
        let (y, w, sizes, place) = self.weighted(args)?;
        let groups = self.group_count(args, 5)?;
        let settings = self.window_settings(args, &sizes, 2)?;
        let more = self.setting(args, 6, sizes.len(), 0, 0)?;
        if !self.divisible(&y.shape[1], groups, place) {
            return None;
        }
        if self.unequal(&w.shape[0], &y.shape[1]) {
            let (shown, have) = (self.show_type(&w), self.program.atoms.show(&y.shape[1]));
            self.error(Code::E0313, format!("weights {shown}, [in, out, ...], do not fit {have} channels"), span);
            return None;
        }
        let mut windows = Vec::new();
        let mut shape = vec![y.shape[0].clone(), w.shape[1].mul(&Dim::number(groups.0)).ok()?];
        for (axis, setting) in settings.into_iter().enumerate() {
            let Setting { size, stride, dilation, lo, hi } = setting;
            if more[axis] >= stride.max(dilation) {
                let message = format!(
                    "an output padding is below the stride {stride} or the dilation {dilation}, not {}",
                    more[axis]
                );
                let place = args[6].as_ref().map_or(span, |(_, place)| *place);
                self.error(Code::E0313, message, place);
                return None;
            }
            let out = y.shape[FRONT + axis].clone();
            // n = (out - 1)·stride + dilation·(k - 1) + 1 - lo - hi + output padding
            let steps = out.mul(&Dim::number(stride)).ok()?;
            let n = steps.add(&Dim::number(dilation * (size - 1) + 1 - stride - lo - hi + more[axis])).ok()?;
            let number = |value: i64| usize::try_from(value).ok();
            windows.push(Window {
                n: n.clone(),
                out,
                k: number(size)?,
                step: number(stride)?,
                dilation: number(dilation)?,
                lo,
            });
            shape.push(n);
        }
        if !self.check_sizes(&shape, span) {
            return None;
        }
        let op = Op::Conv { face: Face::Input, windows, groups: groups.0 as usize };
        Some(self.op(op, &[y.node, w.node], Elem::F32, shape, span))
    }

    /// `core.window_max(x, size, stride, padding, dilation)` and `core.window_sum`: one number for each window.
    pub(super) fn window_call(&mut self, args: &Args, fill: Fill, span: Span) -> Value {
        self.windowed(args, fill, span).map_or(Value::Unknown, Value::Tensor)
    }

    fn windowed(&mut self, args: &Args, fill: Fill, span: Span) -> Option<Tensor> {
        let (x, place) = self.tensor_arg(args, 0)?;
        let axes = self.spatial(&x, place)?;
        let sizes = self.setting(args, 1, axes, 1, 1)?;
        let settings = self.window_settings(args, &sizes, 2)?;
        let mut unfolded = self.convert(x.clone(), Elem::F32, place);
        let mut shape = x.shape[..FRONT].to_vec();
        for (at, setting) in settings.into_iter().enumerate() {
            let reach = setting.dilation * (setting.size - 1) + 1;
            if setting.lo.max(setting.hi) > reach / 2 {
                let message = format!("a window of {reach} takes a padding of at most {}", reach / 2);
                let place = args[3].as_ref().map_or(span, |(_, place)| *place);
                self.report(
                    Diagnostic::new(Code::E0313, message, place).help("with more, a window would see nothing else"),
                );
                return None;
            }
            let window = self.window(&x.shape[FRONT + at], setting, span)?;
            // Each axis before this one has become two.
            let axis = FRONT + 2 * at;
            let mut opened = unfolded.shape.clone();
            opened.splice(axis..=axis, [window.out.clone(), Dim::number(setting.size)]);
            shape.push(window.out.clone());
            unfolded = self.op(Op::Unfold { axis, window, fill }, &[unfolded.node], Elem::F32, opened, span);
        }
        // Elements of windows in front: what is reduced then runs outside, and along the image all windows side by side.
        let elements = (0..axes).map(|at| FRONT + 2 * at + 1);
        let places = (0..FRONT).chain((0..axes).map(|at| FRONT + 2 * at));
        let perm: Vec<usize> = elements.chain(places).collect();
        let moved: Vec<Dim> = perm.iter().map(|&axis| unfolded.shape[axis].clone()).collect();
        let moved = self.op(Op::Transpose { perm }, &[unfolded.node], Elem::F32, moved, span);
        let axes = (0..axes).collect();
        let op = if fill == Fill::Lowest { Op::MaxOf { axes } } else { Op::Sum { axes } };
        Some(self.op(op, &[moved.node], Elem::F32, shape, span))
    }
}
