//! The primitives that the language itself names, and the dispatch of their calls.
//!
//! Only what cannot be written in the language is here; everything that a
//! textbook names is a definition of the prelude. `core.NAME` are the
//! elementwise primitives by the names of the op table.

use super::Checker;
use super::call::Given;
use super::dims::Dim;
use super::typed::Kind;
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Op, Type, Unary};
use crate::source::Span;

/// A primitive of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Intrinsic {
    Sum,
    Max,
    Min,
    Argmax,
    Argsort,
    Put,
    Shape,
    Size,
    Rank,
    Len,
    Reshape,
    Transpose,
    Concat,
    Stack,
    Split,
    Reverse,
    Squeeze,
    Where,
    Grad,
    StopGradient,
    OneHot,
    ToF32,
    ToInt,
    ToBool,
    ToClass,
    Weights,
    Biases,
    Pick,
    Clone,
    Frozen,
    Fresh,
    Total,
    Evaluate,
    Group,
    Table,
    Zip,
    Encode,
    Decode,
    Folds,
    Missing,
    CoreUnary(Unary),
    CorePow,
    CoreFill,
    CoreIota,
    CoreUniform,
    CoreFanIn,
    CoreFanOut,
    CoreSpread,
    CoreConv,
    CoreConvTranspose,
    CoreWindowMax,
    CoreWindowSum,
    CorePerAxis,
    CoreAxis,
    CoreIsClass,
    CoreIsKnown,
    CoreIsProbability,
    CoreContext,
}

const WORDS: [(&str, Intrinsic); 40] = [
    ("sum", Intrinsic::Sum),
    ("max", Intrinsic::Max),
    ("min", Intrinsic::Min),
    ("argmax", Intrinsic::Argmax),
    ("argsort", Intrinsic::Argsort),
    ("put", Intrinsic::Put),
    ("shape", Intrinsic::Shape),
    ("size", Intrinsic::Size),
    ("rank", Intrinsic::Rank),
    ("len", Intrinsic::Len),
    ("reshape", Intrinsic::Reshape),
    ("transpose", Intrinsic::Transpose),
    ("concat", Intrinsic::Concat),
    ("stack", Intrinsic::Stack),
    ("split", Intrinsic::Split),
    ("reverse", Intrinsic::Reverse),
    ("squeeze", Intrinsic::Squeeze),
    ("where", Intrinsic::Where),
    ("grad", Intrinsic::Grad),
    ("stop_gradient", Intrinsic::StopGradient),
    ("one_hot", Intrinsic::OneHot),
    ("f32", Intrinsic::ToF32),
    ("int", Intrinsic::ToInt),
    ("bool", Intrinsic::ToBool),
    ("class", Intrinsic::ToClass),
    ("weights", Intrinsic::Weights),
    ("biases", Intrinsic::Biases),
    ("pick", Intrinsic::Pick),
    ("clone", Intrinsic::Clone),
    ("frozen", Intrinsic::Frozen),
    ("fresh", Intrinsic::Fresh),
    ("total", Intrinsic::Total),
    ("evaluate", Intrinsic::Evaluate),
    ("group", Intrinsic::Group),
    ("table", Intrinsic::Table),
    ("zip", Intrinsic::Zip),
    ("encode", Intrinsic::Encode),
    ("decode", Intrinsic::Decode),
    ("folds", Intrinsic::Folds),
    ("missing", Intrinsic::Missing),
];

const CORE: [(&str, Intrinsic); 17] = [
    ("pow", Intrinsic::CorePow),
    ("fill", Intrinsic::CoreFill),
    ("iota", Intrinsic::CoreIota),
    ("uniform", Intrinsic::CoreUniform),
    ("fan_in", Intrinsic::CoreFanIn),
    ("fan_out", Intrinsic::CoreFanOut),
    ("spread", Intrinsic::CoreSpread),
    ("conv", Intrinsic::CoreConv),
    ("conv_transpose", Intrinsic::CoreConvTranspose),
    ("window_max", Intrinsic::CoreWindowMax),
    ("window_sum", Intrinsic::CoreWindowSum),
    ("per_axis", Intrinsic::CorePerAxis),
    ("axis", Intrinsic::CoreAxis),
    ("is_class", Intrinsic::CoreIsClass),
    ("is_known", Intrinsic::CoreIsKnown),
    ("is_probability", Intrinsic::CoreIsProbability),
    ("context", Intrinsic::CoreContext),
];

impl Intrinsic {
    /// The primitive with this name.
    pub fn word(name: &str) -> Option<Intrinsic> {
        WORDS.iter().find(|(word, _)| *word == name).map(|(_, intrinsic)| *intrinsic)
    }

    /// All names.
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(word, _)| *word)
    }

    /// `core.name`
    pub fn core(name: &str) -> Option<Intrinsic> {
        let unary = Unary::ALL.iter().find(|unary| unary.name() == name).map(|unary| Intrinsic::CoreUnary(*unary));
        unary.or_else(|| CORE.iter().find(|(word, _)| *word == name).map(|(_, intrinsic)| *intrinsic))
    }

    /// All names of `core`.
    pub fn core_words() -> impl Iterator<Item = &'static str> {
        Unary::ALL.iter().map(|unary| unary.name()).chain(CORE.iter().map(|(word, _)| *word))
    }

    fn name(self) -> &'static str {
        match self {
            Intrinsic::CoreUnary(unary) => unary.name(),
            other => WORDS.iter().chain(&CORE).find(|(_, intrinsic)| *intrinsic == other).map_or("", |(word, _)| word),
        }
    }

    /// Names of its arguments, the optional ones after `|`.
    fn arguments(self) -> (&'static [&'static str], usize) {
        match self {
            Intrinsic::Sum => (&["x", "along", "keep"], 1),
            Intrinsic::Max | Intrinsic::Min => (&["x", "y", "along", "keep"], 1),
            Intrinsic::Argmax | Intrinsic::Argsort => (&["x", "along"], 1),
            Intrinsic::Put => (&["x", "value", "at", "along"], 3),
            Intrinsic::Shape | Intrinsic::Size | Intrinsic::Rank | Intrinsic::Len => (&["x"], 1),
            Intrinsic::CoreIsClass | Intrinsic::CoreIsKnown | Intrinsic::CoreIsProbability => (&["x"], 1),
            Intrinsic::Reshape => (&["x", "shape"], 2),
            Intrinsic::Transpose => (&["x", "order"], 1),
            Intrinsic::Concat => (&["parts", "along"], 2),
            Intrinsic::Stack => (&["parts"], 1),
            Intrinsic::Split => (&["x", "parts", "along"], 2),
            Intrinsic::Reverse => (&["x", "along"], 1),
            Intrinsic::Squeeze => (&["x", "along"], 1),
            Intrinsic::Where => (&["condition", "x", "y"], 3),
            Intrinsic::StopGradient => (&["x"], 1),
            Intrinsic::OneHot => (&["x", "count"], 1),
            Intrinsic::ToF32 | Intrinsic::ToInt | Intrinsic::ToBool => (&["x"], 1),
            Intrinsic::ToClass => (&["x", "count"], 1),
            Intrinsic::Weights | Intrinsic::Biases | Intrinsic::Clone | Intrinsic::Frozen => (&["m"], 1),
            Intrinsic::Pick => (&["m", "pattern"], 2),
            Intrinsic::Evaluate => (&["m", "part"], 2),
            Intrinsic::Encode => (&["column", "text"], 2),
            Intrinsic::Decode => (&["ids", "column"], 2),
            Intrinsic::Group => (&["table", "by"], 2),
            Intrinsic::Folds => (&["data", "count"], 2),
            Intrinsic::Missing => (&["x"], 1),
            Intrinsic::Table => (&[], 0),
            Intrinsic::Zip => (&["a", "b", "c", "d"], 2),
            Intrinsic::Grad | Intrinsic::Total => (&[], 0),
            Intrinsic::CoreUnary(_) => (&["x"], 1),
            Intrinsic::CorePow => (&["x", "y"], 2),
            Intrinsic::CoreFill => (&["shape", "value"], 2),
            Intrinsic::CoreIota => (&["count"], 1),
            Intrinsic::CoreSpread => (&["reduced", "x", "along"], 3),
            Intrinsic::CoreUniform | Intrinsic::CoreFanIn | Intrinsic::CoreFanOut => (&["shape"], 1),
            Intrinsic::CoreConv => (&["x", "w", "stride", "padding", "dilation", "groups"], 2),
            Intrinsic::CoreConvTranspose => {
                (&["x", "w", "stride", "padding", "dilation", "groups", "output_padding"], 2)
            }
            Intrinsic::CoreWindowMax | Intrinsic::CoreWindowSum => (&["x", "size", "stride", "padding", "dilation"], 2),
            Intrinsic::CorePerAxis => (&["value", "count"], 2),
            Intrinsic::CoreAxis => (&["x", "along"], 2),
            Intrinsic::CoreContext => (&["m"], 1),
            Intrinsic::Fresh => (&["m", "training"], 1),
        }
    }
}

/// Arguments by place: value and span, `None` where not given or given as `none`.
pub(super) type Args = Vec<Option<(Value, Span)>>;

impl Checker<'_> {
    /// A call of a primitive.
    pub(super) fn intrinsic(&mut self, intrinsic: Intrinsic, given: Vec<Given>, span: Span) -> Value {
        if intrinsic == Intrinsic::Grad {
            return self.grad(given, span);
        }
        if intrinsic == Intrinsic::Table {
            return self.table_of(given, span);
        }
        let Some(args) = self.place_args(intrinsic, given, span) else { return Value::Unknown };
        if args.iter().flatten().any(|(value, _)| matches!(value, Value::Unknown)) {
            return Value::Unknown;
        }
        self.dispatch(intrinsic, args, span)
    }

    fn dispatch(&mut self, intrinsic: Intrinsic, args: Args, span: Span) -> Value {
        match intrinsic {
            Intrinsic::Sum => self.reduce_sum(&args, span),
            Intrinsic::Max => self.extremum(&args, false, span),
            Intrinsic::Min => self.extremum(&args, true, span),
            Intrinsic::Argmax => self.argmax(&args, span),
            Intrinsic::Argsort => self.argsort(&args, span),
            Intrinsic::Put => self.put(&args, span),
            Intrinsic::Shape => self.shape_of(&args, span),
            Intrinsic::Size => self.size_of(&args, span),
            Intrinsic::Rank => self.rank_of(&args, span),
            Intrinsic::Len => self.len_of(&args, span),
            Intrinsic::Reshape => self.reshape_call(&args, span),
            Intrinsic::Transpose => self.transpose(&args, span),
            Intrinsic::Concat => self.concat(&args, span),
            Intrinsic::Stack => self.stack_call(&args, span),
            Intrinsic::Split => self.split(&args, span),
            Intrinsic::Reverse => self.reverse(&args, span),
            Intrinsic::Squeeze => self.squeeze(&args, span),
            Intrinsic::Where => self.where_call(&args, span),
            Intrinsic::StopGradient => self.stop_gradient(&args, span),
            Intrinsic::OneHot => self.one_hot(&args, span),
            Intrinsic::ToF32 => self.cast(&args, Elem::F32, span),
            Intrinsic::ToInt => self.cast(&args, Elem::Int, span),
            Intrinsic::ToBool => self.cast(&args, Elem::Bool, span),
            Intrinsic::ToClass => self.class_of(&args, span),
            Intrinsic::Weights => self.weights(&args, true, span),
            Intrinsic::Biases => self.weights(&args, false, span),
            Intrinsic::Pick => self.pick(&args, span),
            Intrinsic::Clone => self.clone_call(&args, span),
            Intrinsic::Frozen => self.frozen(&args, span),
            Intrinsic::Fresh => self.fresh(&args, span),
            Intrinsic::Evaluate => self.evaluate(&args, span),
            Intrinsic::Group => self.group(&args, span),
            Intrinsic::Folds => self.folds(&args, span),
            Intrinsic::Missing => self.missing(&args, span),
            Intrinsic::Zip => self.zip(&args, span),
            Intrinsic::Encode => self.encode(&args, span),
            Intrinsic::Decode => self.decode(&args),
            Intrinsic::CoreUnary(unary) => self.core_unary(unary, &args, span),
            Intrinsic::CorePow => self.core_pow(&args, span),
            Intrinsic::CoreFill => self.core_fill(&args, span),
            Intrinsic::CoreIota => self.core_iota(&args, span),
            Intrinsic::CoreUniform => self.core_uniform(&args, span),
            Intrinsic::CoreFanIn => self.fan(&args, true, span),
            Intrinsic::CoreFanOut => self.fan(&args, false, span),
            Intrinsic::CoreSpread => self.spread(&args, span),
            Intrinsic::CoreConv => self.conv_call(&args, span),
            Intrinsic::CoreConvTranspose => self.conv_transpose_call(&args, span),
            Intrinsic::CoreWindowMax => self.window_call(&args, crate::ir::Fill::Lowest, span),
            Intrinsic::CoreWindowSum => self.window_call(&args, crate::ir::Fill::Zero, span),
            Intrinsic::CorePerAxis => self.per_axis_call(&args, span),
            Intrinsic::CoreAxis => self.axis_call(&args),
            Intrinsic::CoreIsClass => self.is_class_call(&args),
            Intrinsic::CoreIsKnown => self.is_known_call(&args),
            Intrinsic::CoreIsProbability => self.is_probability_call(&args),
            Intrinsic::CoreContext => self.context(&args, span),
            // Their arguments are not plain values; they are called elsewhere.
            Intrinsic::Grad | Intrinsic::Total | Intrinsic::Table => Value::Unknown,
        }
    }

    fn place_args(&mut self, intrinsic: Intrinsic, given: Vec<Given>, span: Span) -> Option<Args> {
        let (names, needed) = intrinsic.arguments();
        let mut args: Args = vec![None; names.len()];
        let mut position = 0;
        for (name, value, place) in given {
            let at = match &name {
                None => {
                    position += 1;
                    position - 1
                }
                Some(name) => match names.iter().position(|known| *known == name.text) {
                    Some(at) => at,
                    None => {
                        self.unknown_argument(intrinsic.name(), name, names, None);
                        return None;
                    }
                },
            };
            if at >= args.len() {
                let message = format!("`{}` takes at most {}: {}", intrinsic.name(), names.len(), names.join(", "));
                self.report(Diagnostic::new(Code::E0204, message, place).here("this is one too many"));
                return None;
            }
            args[at] = if matches!(value, Value::None) { None } else { Some((value, place)) };
        }
        if let Some(missing) = (0..needed).find(|&at| args[at].is_none()) {
            let message = format!("`{}` needs `{}`", intrinsic.name(), names[missing]);
            self.error(Code::E0204, message, span);
            return None;
        }
        Some(args)
    }

    /// A needed argument as a tensor.
    pub(super) fn tensor_arg(&mut self, args: &Args, at: usize) -> Option<(Tensor, Span)> {
        let (value, span) = args.get(at)?.clone()?;
        Some((self.tensor(&value, span)?, span))
    }

    fn core_unary(&mut self, function: Unary, args: &Args, span: Span) -> Value {
        if let Some((Value::Number(number, link), _)) = &args[0]
            && let Some(known) = self.known_unary(function, number)
        {
            return self.computed_unary(function, (number.clone(), *link), Value::float(known));
        }
        let Some((value, place)) = args[0].clone() else { return Value::Unknown };
        let Some(tensor) = self.number_of(&value, place) else { return Value::Unknown };
        let keeps_int = matches!(function, Unary::Neg | Unary::Abs) && tensor.elem == Elem::Int;
        let tensor = if keeps_int { tensor } else { self.convert(tensor, Elem::F32, place) };
        Value::Tensor(self.unary(function, tensor, span))
    }

    /// The functions of known numbers that shapes and settings are made with.
    fn known_unary(&self, function: Unary, number: &Number) -> Option<f64> {
        let x = match number {
            Number::Int(value) => *value as f64,
            Number::Float(value) => *value,
            Number::Size(dim) => self.program.atoms.resolve(dim).as_number()? as f64,
        };
        match function {
            Unary::Neg => Some(-x),
            Unary::Abs => Some(x.abs()),
            Unary::Exp => Some(x.exp()),
            Unary::Log => Some(x.ln()),
            Unary::Sqrt => Some(x.sqrt()),
            Unary::Sin => Some(x.sin()),
            Unary::Cos => Some(x.cos()),
            Unary::Floor => Some(x.floor()),
            Unary::Softplus => Some(if x > 30.0 { x } else { x.exp().ln_1p() }),
            Unary::Tanh => Some(x.tanh()),
            Unary::Logistic => Some(1.0 / (1.0 + (-x).exp())),
            // Computed by the machine code like everything else.
            Unary::Erf | Unary::ErfInv => None,
        }
    }

    fn core_pow(&mut self, args: &Args, span: Span) -> Value {
        let (Some(left), Some(right)) = (args[0].clone(), args[1].clone()) else { return Value::Unknown };
        self.operate(crate::syntax::ast::BinaryOp::Pow, left, right, span)
    }

    fn core_fill(&mut self, args: &Args, span: Span) -> Value {
        let Some(shape) = self.shape_arg(args, 0) else { return Value::Unknown };
        let Some((value, place)) = args[1].clone() else { return Value::Unknown };
        let Some(tensor) = self.tensor(&value, place) else { return Value::Unknown };
        if !tensor.shape.is_empty() {
            return self.error(Code::E0311, "a shape is filled with one number", place);
        }
        Value::Tensor(self.splat(tensor, &shape, span))
    }

    fn core_iota(&mut self, args: &Args, span: Span) -> Value {
        let Some((value, place)) = args[0].clone() else { return Value::Unknown };
        let dim = match &value {
            Value::Number(Number::Size(dim), _) => dim.clone(),
            other => match self.whole(other, "a count", place) {
                Some(count) => Dim::number(count),
                None => return Value::Unknown,
            },
        };
        if !self.check_sizes(std::slice::from_ref(&dim), place) {
            return Value::Unknown;
        }
        let op = Op::Iota { axis: 0, shape: vec![dim.clone()] };
        Value::Tensor(self.op(op, &[], Elem::Int, vec![dim], span))
    }

    /// Uniform numbers, keyed by the place of the draw.
    fn core_uniform(&mut self, args: &Args, span: Span) -> Value {
        let Some(shape) = self.shape_arg(args, 0) else { return Value::Unknown };
        let number = self.frame_mut().number("draw");
        let place = self.place_key(format!("{}/{number}{}", self.frame().place, self.frame().turns()));
        let node = self.push(
            Kind::Random { place, seed: None },
            Vec::new(),
            Type::new(crate::ir::DType::F32, shape.clone()),
            span,
        );
        Value::Tensor(Tensor { node, elem: Elem::F32, shape, classes: None })
    }

    /// A 32-bit key of a place (FNV-1a); places that collide move on to the next free key.
    fn place_key(&mut self, path: String) -> u32 {
        let mut key =
            path.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        while self.places.get(&key).is_some_and(|other| *other != path) {
            key = key.wrapping_add(1);
        }
        self.places.insert(key, path);
        key
    }

    /// Rank 2 is [in, out]; higher ranks are [out, in, window...].
    fn fan(&mut self, args: &Args, fan_in: bool, span: Span) -> Value {
        let Some(shape) = self.shape_arg(args, 0) else { return Value::Unknown };
        let window = |from: usize| {
            shape[from.min(shape.len())..].iter().try_fold(Dim::number(1), |product, dim| product.mul(dim)).ok()
        };
        let axis = match (shape.len(), fan_in) {
            (0, _) => return self.error(Code::E0306, "a scalar has no fan-in", span),
            (1, _) => 0,
            (2, true) => 0,
            (2, false) => 1,
            (_, true) => 1,
            (_, false) => 0,
        };
        let fan = window(2).and_then(|window| shape[axis].mul(&window).ok());
        fan.map_or(Value::Unknown, Value::size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_language_is_documented() {
        let documented: Vec<&str> = crate::prelude::BUILTINS
            .lines()
            .filter(|line| !line.starts_with("## "))
            .map(|line| line.split('(').next().unwrap_or_default())
            .collect();
        assert_eq!(Intrinsic::words().collect::<std::collections::BTreeSet<_>>(), documented.into_iter().collect());
    }
}
