//! Types as written against values: dims are bound, unified and computed with.

use super::Checker;
use super::dims::Dim;
use super::scope::FrameKind;
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{
    BinaryOp, Declared, Definition, ElemExpr, Expr, ExprKind, ShapeItem, TypeExpr, TypeKind, UnaryOp,
};

impl Checker<'_> {
    /// A value for an argument of a declared type, seen with this definition's dims.
    pub(super) fn match_type(&mut self, value: Value, ty: &TypeExpr, what: &str, span: Span) -> Value {
        match &ty.kind {
            TypeKind::Dim(name) => self.match_dim(value, &name.text, name.span, what, span),
            TypeKind::Word(word) => self.match_word(value, word, what, span),
            TypeKind::Tuple(types) => match value {
                Value::Tuple(values) if values.len() == types.len() => {
                    let parts: Vec<Value> = values
                        .iter()
                        .zip(types)
                        .map(|(value, ty)| self.match_type(value.clone(), ty, what, span))
                        .collect();
                    Value::Tuple(parts.into())
                }
                Value::Unknown => self.open_value(ty, what),
                other => {
                    let message = format!("{what} is a tuple of {}, this is {}", types.len(), other.describe());
                    self.error(Code::E0304, message, span)
                }
            },
            TypeKind::Tensor { elem, shape } => {
                if matches!(value, Value::Unknown) {
                    return self.open_value(ty, what);
                }
                self.match_tensor(&value, elem, shape, ty, what, span)
            }
        }
    }

    /// A value in error still binds the dims that its type names, so that its followers stay silent.
    fn open_value(&mut self, ty: &TypeExpr, _what: &str) -> Value {
        if let TypeKind::Tensor { shape, .. } = &ty.kind {
            for item in shape {
                if let ShapeItem::Dim(Expr { kind: ExprKind::Name(name), span }) = item
                    && self.known_dim(name, *span).is_none()
                {
                    let atom = self.program.atoms.wild(name, *span);
                    self.frame_mut().dims.push((name.clone(), Dim::atom(atom)));
                }
            }
        }
        Value::Unknown
    }

    fn match_dim(&mut self, value: Value, name: &str, declared: Span, what: &str, span: Span) -> Value {
        let unknown = matches!(value, Value::Unknown);
        let dim = match &value {
            Value::Number(Number::Size(dim), _) => Some(dim.clone()),
            Value::Unknown => None,
            other => self.whole(other, what, span).map(Dim::number),
        };
        if let Some(known) = self.known_dim(name, declared) {
            if let Some(dim) = dim
                && !self.agrees(&dim, &known)
            {
                let (have, want) = (self.program.atoms.show_full(&dim), self.program.atoms.show_full(&known));
                return self.error(Code::E0304, format!("{what} is {have}, but `{name}` is {want} here"), span);
            }
            return Value::size(known);
        }
        let missing = dim.is_none();
        let failed = missing && !unknown;
        let atom = match dim {
            None if !self.open => self.program.atoms.wild(name, declared),
            dim => self.program.atoms.name(name, dim, if missing { declared } else { span }),
        };
        self.frame_mut().dims.push((name.to_string(), Dim::atom(atom)));
        if missing && (!self.open || failed) { Value::Unknown } else { Value::size(Dim::atom(atom)) }
    }

    fn match_word(&mut self, value: Value, word: &str, what: &str, span: Span) -> Value {
        let fits = match word {
            "fn" => matches!(value, Value::Def(_) | Value::Intrinsic(_) | Value::Partial(..) | Value::None),
            "layer" => matches!(value, Value::Def(_) | Value::Instance(_) | Value::Frozen(_) | Value::Fresh(..)),
            "params" => match self.whole_list(&value) {
                Some(slots) => return Value::Params(slots.into()),
                None => false,
            },
            "list" => matches!(value, Value::List(_) | Value::Range(..) | Value::Params(_)),
            "string" => matches!(value, Value::Text(_) | Value::Pieces(_)),
            _ => true,
        };
        if fits || matches!(value, Value::Unknown) {
            return value;
        }
        let wanted = match word {
            "fn" => "a function",
            "layer" => "a layer",
            "params" => "a model, a layer or parameters",
            "list" => "a list",
            _ => "a text",
        };
        self.error(Code::E0304, format!("{what} is {wanted}, this is {}", value.describe()), span)
    }

    fn match_tensor(
        &mut self,
        value: &Value,
        elem: &ElemExpr,
        shape: &[ShapeItem],
        ty: &TypeExpr,
        what: &str,
        span: Span,
    ) -> Value {
        // Fillers take the shape of their type.
        if matches!(value, Value::Partial(..)) || matches!(value, Value::Def(id) if self.is_filler(*id)) {
            let Some(dims) = self.known_shape(shape) else { return Value::Unknown };
            let filled = self.fill(value, &dims, span);
            return self.match_type(filled, ty, what, span);
        }
        let plain = match elem {
            ElemExpr::F32 => Elem::F32,
            ElemExpr::Int => Elem::Int,
            ElemExpr::Bool => Elem::Bool,
            ElemExpr::Class(_) => Elem::Class(Dim::default()),
        };
        let Some(tensor) = self.number_tensor(value, &plain, span).or_else(|| self.tensor(value, span)) else {
            return Value::Unknown;
        };
        let Some(tensor) = self.match_elem(tensor, elem, what, span) else { return Value::Unknown };
        // A scalar fits an input of any shape whose dims are known.
        if tensor.shape.is_empty()
            && !shape.is_empty()
            && !shape.iter().all(|item| matches!(item, ShapeItem::Ellipsis(_)))
        {
            let Some(dims) = self.known_shape(shape) else { return Value::Unknown };
            return Value::Tensor(self.splat(tensor, &dims, span));
        }
        match self.unify(&tensor, shape, ty.span, what, span) {
            Some(dims) => Value::Tensor(Tensor { shape: dims, ..tensor }),
            None => Value::Unknown,
        }
    }

    /// Dims of an input's type that nothing has bound are 1 where a scalar is given: it fits any shape, so this one too.
    pub(super) fn size_one(&mut self, ty: &TypeExpr) {
        let TypeKind::Tensor { shape, .. } = &ty.kind else { return };
        for item in shape {
            match item {
                ShapeItem::Dim(Expr { kind: ExprKind::Name(name), span }) if self.known_dim(name, *span).is_none() => {
                    let atom = self.program.atoms.name(name, Some(Dim::number(1)), *span);
                    self.frame_mut().dims.push((name.clone(), Dim::atom(atom)));
                }
                ShapeItem::Ellipsis(_) if !self.open && self.frame().ellipsis.is_none() => {
                    self.frame_mut().ellipsis = Some(Vec::new());
                }
                ShapeItem::Dim(_) | ShapeItem::Ellipsis(_) => {}
            }
        }
    }

    fn match_elem(&mut self, tensor: Tensor, elem: &ElemExpr, what: &str, span: Span) -> Option<Tensor> {
        match (elem, &tensor.elem) {
            (ElemExpr::F32, Elem::F32 | Elem::Int | Elem::Bool) => Some(self.convert(tensor, Elem::F32, span)),
            (ElemExpr::Int, Elem::Int) | (ElemExpr::Bool, Elem::Bool) => Some(tensor),
            (ElemExpr::Int, Elem::Bool) => Some(self.convert(tensor, Elem::Int, span)),
            (ElemExpr::Class(count), Elem::Class(dim)) => {
                let dim = dim.clone();
                let count = self.unify_dim(count, &dim, what, span)?;
                Some(Tensor { elem: Elem::Class(count), ..tensor })
            }
            (ElemExpr::Class(count), Elem::Int) if self.known_shape_dim(count).is_some() => {
                let count = self.known_shape_dim(count)?;
                Some(Tensor { elem: Elem::Class(count), ..tensor })
            }
            (wanted, _) => {
                let name = match wanted {
                    ElemExpr::F32 => "f32",
                    ElemExpr::Int => "int",
                    ElemExpr::Bool => "bool",
                    ElemExpr::Class(_) => "class",
                };
                let mut diagnostic = Diagnostic::new(
                    Code::E0305,
                    format!("{what} holds {name}, this is {}", self.show_type(&tensor)),
                    span,
                );
                if matches!(tensor.elem, Elem::Class(_)) {
                    diagnostic = diagnostic.help("use `one_hot(...)`, or `f32(...)` for the class number");
                } else if matches!(wanted, ElemExpr::Int) {
                    diagnostic = diagnostic.help("`int(...)` makes whole numbers of it");
                } else if matches!(wanted, ElemExpr::Class(_)) {
                    diagnostic = diagnostic.help("`|> class` makes a label of a number column");
                }
                self.report(diagnostic);
                None
            }
        }
    }

    /// Matches a tensor's shape with a declared one; the result is in this definition's dims.
    fn unify(
        &mut self,
        tensor: &Tensor,
        shape: &[ShapeItem],
        declared: Span,
        what: &str,
        span: Span,
    ) -> Option<Vec<Dim>> {
        let ellipsis = shape.iter().position(|item| matches!(item, ShapeItem::Ellipsis(_)));
        let fixed = shape.len() - usize::from(ellipsis.is_some());
        let rank = tensor.shape.len();
        if rank < fixed || ellipsis.is_none() && rank != fixed {
            self.rank_differs(tensor, declared, fixed, what, span);
            return None;
        }
        let spread = rank - fixed;
        let mut dims = Vec::new();
        let mut axis = 0;
        for item in shape {
            match item {
                ShapeItem::Ellipsis(_) => {
                    let these = tensor.shape[axis..axis + spread].to_vec();
                    axis += spread;
                    dims.extend(self.match_ellipsis(these, tensor, declared, what, span)?);
                }
                ShapeItem::Dim(expr) => {
                    let actual = tensor.shape[axis].clone();
                    axis += 1;
                    dims.push(self.unify_dim_of(expr, &actual, Some((tensor, declared)), what, span)?);
                }
            }
        }
        Some(dims)
    }

    fn match_ellipsis(
        &mut self,
        these: Vec<Dim>,
        tensor: &Tensor,
        declared: Span,
        what: &str,
        span: Span,
    ) -> Option<Vec<Dim>> {
        match self.frame().ellipsis.clone() {
            None => {
                self.frame_mut().ellipsis = Some(these.clone());
                Some(these)
            }
            Some(known) => {
                let same = known.len() == these.len() && known.iter().zip(&these).all(|(a, b)| self.agrees(a, b));
                if !same {
                    self.rank_differs(tensor, declared, 0, what, span);
                    return None;
                }
                Some(known)
            }
        }
    }

    /// `wanted`: how many axes there are at least.
    fn rank_differs(&mut self, tensor: &Tensor, declared: Span, wanted: usize, what: &str, span: Span) {
        let declared_text = self.sources.text(declared).to_string();
        let have = self.show_type(tensor);
        let mut diagnostic = Diagnostic::new(Code::E0304, format!("{what} is {declared_text}, this is {have}"), span)
            .here(format!("this is {have}"))
            .also(declared, "declared here");
        if wanted == tensor.shape.len() + 1 && wanted > 2 {
            let mut shape = tensor.shape.clone();
            shape.insert(1, Dim::number(1));
            let shape = self.program.atoms.show_shape(&shape);
            diagnostic = diagnostic.help(format!("an axis is missing: `reshape(x, {shape})` gives it one of size 1"));
        } else if tensor.shape.last().is_some_and(Dim::is_one) {
            diagnostic = diagnostic.help("`squeeze` drops an axis of size 1");
        } else if tensor.shape.len() > 2 {
            diagnostic = diagnostic.help("`flatten` joins all axes but the first");
        }
        self.report(diagnostic);
    }

    fn unify_dim(&mut self, expr: &Expr, actual: &Dim, what: &str, span: Span) -> Option<Dim> {
        self.unify_dim_of(expr, actual, None, what, span)
    }

    fn unify_dim_of(
        &mut self,
        expr: &Expr,
        actual: &Dim,
        of: Option<(&Tensor, Span)>,
        what: &str,
        span: Span,
    ) -> Option<Dim> {
        if let ExprKind::Name(name) = &expr.kind
            && self.known_dim(name, expr.span).is_none()
        {
            let atom = self.program.atoms.name(name, Some(actual.clone()), span);
            let dim = Dim::atom(atom);
            self.frame_mut().dims.push((name.clone(), dim.clone()));
            return Some(dim);
        }
        let wanted = self.known_shape_dim(expr)?;
        if self.agrees(&wanted, actual) {
            return Some(wanted);
        }
        let (have, want) = (self.program.atoms.show_full(actual), self.program.atoms.show_full(&wanted));
        let mut diagnostic = match of {
            Some((tensor, declared)) => {
                let message = format!("{what} is {}, this is {}", self.sources.text(declared), self.show_type(tensor));
                Diagnostic::new(Code::E0304, message, span)
                    .here(format!("{have} is not {want}"))
                    .also(declared, "declared here")
            }
            None => {
                if !self.new_conflict(actual, &wanted) {
                    return None;
                }
                let count = self.program.atoms.show(&self.program.atoms.resolve(&wanted));
                let message = format!("{what} has {have} classes, and there are {count} here");
                let name = self.program.atoms.show(&wanted);
                let help = "a model's last layer has as many outputs as there are classes";
                let diagnostic = Diagnostic::new(Code::E0304, message, span).here(format!("`{name}` would be {have}"));
                if wanted.as_atom().is_some() { diagnostic.help(help) } else { diagnostic }
            }
        };
        if let Some(help) = of.and_then(|(tensor, _)| self.flatten_help(tensor, &wanted)) {
            diagnostic = diagnostic.help(help);
        }
        let diagnostic = self.origins(diagnostic, &[&wanted, actual]);
        self.report(diagnostic);
        None
    }

    /// "flatten first: 28×28 = 784"
    fn flatten_help(&self, tensor: &Tensor, wanted: &Dim) -> Option<String> {
        let sizes: Option<Vec<i64>> =
            tensor.shape.iter().skip(1).map(|dim| self.program.atoms.resolve(dim).as_number()).collect();
        let sizes = sizes?;
        let wanted = self.program.atoms.resolve(wanted).as_number()?;
        let product = sizes.iter().try_fold(1i64, |product, size| product.checked_mul(*size))?;
        let factors: Vec<String> = sizes.iter().map(i64::to_string).collect();
        (sizes.len() > 1 && product == wanted).then(|| format!("flatten first: {} = {wanted}", factors.join("×")))
    }

    /// Whether a dim of the caller is this dim here.
    fn agrees(&self, a: &Dim, b: &Dim) -> bool {
        if a == b {
            return true;
        }
        let (x, y) = (self.program.atoms.resolve(a), self.program.atoms.resolve(b));
        x == y || self.program.atoms.same(&x, &y).is_none()
    }

    /// A dim that is known here by name: of this definition, or a known number.
    fn known_dim(&mut self, name: &str, span: Span) -> Option<Dim> {
        if let Some(dim) = self.frame().dim(name) {
            return Some(dim.clone());
        }
        match self.find(name, span)? {
            Value::Number(Number::Int(number), _) => Some(Dim::number(number)),
            Value::Number(Number::Float(number), _) if number.fract() == 0.0 => Some(Dim::number(number as i64)),
            Value::Number(Number::Size(dim), _) => Some(dim),
            _ => None,
        }
    }

    /// A declared shape all of whose dims are known by now.
    pub(super) fn known_shape(&mut self, shape: &[ShapeItem]) -> Option<Vec<Dim>> {
        let mut dims = Vec::new();
        for item in shape {
            match item {
                ShapeItem::Dim(expr) => dims.push(self.known_shape_dim(expr)?),
                ShapeItem::Ellipsis(span) => match self.frame().ellipsis.clone() {
                    Some(known) => dims.extend(known),
                    // In a definition's own check `...` may be any axes.
                    None if self.open => return None,
                    None => {
                        self.error(Code::E0401, "`...` is not known here", *span);
                        return None;
                    }
                },
            }
        }
        Some(dims)
    }

    /// A dim expression; `/` must be exact.
    pub(super) fn known_shape_dim(&mut self, expr: &Expr) -> Option<Dim> {
        match &expr.kind {
            ExprKind::Number { int: Some(number), .. } => Some(Dim::number(*number)),
            ExprKind::Name(name) => match self.known_dim(name, expr.span) {
                Some(dim) => Some(dim),
                None => {
                    match self.find(name, expr.span) {
                        None => {
                            self.report(
                                Diagnostic::new(Code::E0201, format!("unknown dim `{name}`"), expr.span)
                                    .help("a dim gets its size from an input or a setting of this definition"),
                            );
                        }
                        Some(Value::Unknown) => {}
                        Some(other) => {
                            let message = format!("a size is a known whole number, this is {}", other.describe());
                            self.error(Code::E0401, message, expr.span);
                        }
                    }
                    None
                }
            },
            ExprKind::Unary(UnaryOp::Neg, operand) => {
                let dim = self.known_shape_dim(operand)?;
                dim.mul(&Dim::number(-1)).ok()
            }
            ExprKind::Chain { first, rest } => {
                let mut dim = self.known_shape_dim(first)?;
                for (op, _, operand) in rest {
                    let right = self.known_shape_dim(operand)?;
                    dim = self.dim_operate(*op, &dim, &right, expr.span)?;
                }
                Some(dim)
            }
            _ => {
                let value = self.eval(expr);
                match value {
                    Value::Number(Number::Size(dim), _) => Some(dim),
                    other => self.whole(&other, "a size", expr.span).map(Dim::number),
                }
            }
        }
    }

    fn dim_operate(&mut self, op: BinaryOp, a: &Dim, b: &Dim, span: Span) -> Option<Dim> {
        let atoms = &mut self.program.atoms;
        let result = match op {
            BinaryOp::Add => a.add(b),
            BinaryOp::Sub => a.sub(b),
            BinaryOp::Mul => a.mul(b),
            BinaryOp::Div => atoms.exact(a, b, span),
            BinaryOp::FloorDiv => atoms.floor(a, b, span),
            BinaryOp::Rem => atoms.rem(a, b, span),
            _ => {
                self.error(Code::E0401, "a size is made with + - * / // %", span);
                return None;
            }
        };
        match result {
            Ok(dim) => Some(dim),
            Err(error) => {
                self.dim_error(&error, span);
                None
            }
        }
    }

    /// Sizes must be positive and fit memory; checked where they are numbers.
    pub(super) fn check_sizes(&mut self, shape: &[Dim], span: Span) -> bool {
        let mut product: i64 = 1;
        for dim in shape {
            let Some(size) = self.program.atoms.resolve(dim).as_number() else { continue };
            if size <= 0 {
                let shown = self.program.atoms.show_full(dim);
                self.error(Code::E0308, format!("a size is at least 1, this is {shown}"), span);
                return false;
            }
            match product.checked_mul(size).filter(|&elements| elements < 1 << 33) {
                Some(next) => product = next,
                None => {
                    let shown = self.program.atoms.show_shape(shape);
                    self.error(Code::E0702, format!("a tensor of shape {shown} does not fit in memory"), span);
                    return false;
                }
            }
        }
        true
    }

    /// The result of a definition against its declared type.
    pub(super) fn match_result(&mut self, value: Value, ty: &TypeExpr, definition: &Definition) -> Value {
        let span = definition.body.value.as_ref().map_or(definition.name.span, |value| value.span);
        if matches!(value, Value::None) {
            let message = format!("`{}` has no value, but declares one", definition.name.text);
            return self.report(
                Diagnostic::new(Code::E0309, message, definition.name.span)
                    .also(ty.span, "declared here")
                    .help("the last line of a body is its value"),
            );
        }
        self.match_type(value, ty, &format!("the result of `{}`", definition.name.text), span)
    }

    /// Element type, shape and first value of a `param`, `state` or carry.
    pub(super) fn declared_type(&mut self, declared: &Declared) -> Option<(Elem, Vec<Dim>, Option<Tensor>)> {
        let (elem, shape) = match &declared.ty {
            Some(TypeExpr { kind: TypeKind::Tensor { elem, shape }, span }) => {
                let elem = match elem {
                    ElemExpr::F32 => Elem::F32,
                    ElemExpr::Int => Elem::Int,
                    ElemExpr::Bool => Elem::Bool,
                    ElemExpr::Class(count) => Elem::Class(self.known_shape_dim(count)?),
                };
                let shape = self.known_shape(shape)?;
                if !self.check_sizes(&shape, *span) {
                    return None;
                }
                (elem, Some(shape))
            }
            Some(other) => {
                self.error(Code::E0304, "a tensor type is wanted here", other.span);
                return None;
            }
            None => (Elem::F32, self.updated_shape()),
        };
        let start = declared.filler.as_ref().or(declared.value.as_ref());
        let path = self.init_place(&declared.name.text);
        let (shape, init) = match start {
            None => (shape.unwrap_or_default(), None),
            Some(expr) => self.first_of(expr, &elem, shape, path)?,
        };
        let init = match init {
            Some(init) => Some(init),
            None => {
                let zero = self.constant(0.0, &elem, declared.name.span);
                Some(self.splat(zero, &shape, declared.name.span))
            }
        };
        Some((elem, shape, init))
    }

    fn first_of(
        &mut self,
        expr: &Expr,
        elem: &Elem,
        shape: Option<Vec<Dim>>,
        place: String,
    ) -> Option<(Vec<Dim>, Option<Tensor>)> {
        // Draws of a first value are keyed by the parameter's path, whatever happens around.
        let outer = std::mem::replace(&mut self.frame_mut().place, place);
        let counters = std::mem::take(&mut self.frame_mut().counters);
        let mut value = self.eval(expr);
        if matches!(value, Value::Partial(..)) || matches!(&value, Value::Def(id) if self.is_filler(*id)) {
            value = match &shape {
                Some(shape) => self.fill(&value, shape, expr.span),
                None => self.report(
                    Diagnostic::new(Code::E0401, "the shape of this value is not known", expr.span)
                        .help("give the type: `name: f32[...] = ...`"),
                ),
            };
        }
        self.frame_mut().place = outer;
        self.frame_mut().counters = counters;
        let tensor = self.tensor_like(&value, elem, expr.span)?;
        match shape {
            Some(shape) => {
                let tensor = self.fit(tensor, &shape, expr.span, "the first value")?;
                Some((shape, Some(tensor)))
            }
            None => Some((tensor.shape.clone(), Some(tensor))),
        }
    }

    fn init_place(&self, name: &str) -> String {
        let path = &self.frame().path;
        if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
    }

    /// Inside an optimiser states have the shape of `w`.
    fn updated_shape(&mut self) -> Option<Vec<Dim>> {
        if self.frame().kind != FrameKind::Optimizer {
            return None;
        }
        self.optimizing.last().map(|current| current.w.shape.clone())
    }
}
