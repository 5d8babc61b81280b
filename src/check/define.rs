//! Each definition's own check: its body once with its dims open.
//!
//! What is wrong for every use is reported at the definition, once; its uses
//! stay silent then. What the body made is thrown away.

use super::Checker;
use super::dims::Dim;
use super::scope::{Frame, FrameKind, Phase};
use super::typed::Kind;
use super::value::{DefId, DefKind, Elem, InstanceId, Tensor, Value};
use crate::ir::Type;
use crate::source::Span;
use crate::syntax::ast::{Arg, ElemExpr, Expr, ExprKind, ShapeItem, StmtKind, TypeExpr, TypeKind};

impl Checker<'_> {
    /// Checks the definitions of a file and of those it imports.
    pub(super) fn check_definitions(&mut self, main: usize) {
        for index in main..self.files.len() {
            let file = self.files[index].ast.clone();
            for stmt in &file.stmts {
                if let StmtKind::Model(definition) = &stmt.kind {
                    let id = self.add_definition(DefKind::Model, definition, index);
                    self.model_definitions.insert(definition.name.span, id);
                }
            }
        }
        for id in 0..self.definitions.len() {
            if self.definitions[id].file != 0 {
                self.check_definition(DefId(id as u32));
            }
        }
    }

    fn check_definition(&mut self, id: DefId) {
        let before = self.errors();
        for training in [false, true] {
            self.check_once(id, training);
            if self.errors() > before {
                self.definitions[id.0 as usize].broken = true;
                return;
            }
        }
    }

    fn check_once(&mut self, id: DefId, training: bool) {
        let lengths = (self.program.nodes.len(), self.program.slots.len(), self.instances.len(), self.actions.len());
        let (inits, definitions) = (self.inits.len(), self.definitions.len());
        let known = self.program.known.len();
        let saved = (self.reads.clone(), self.places.clone(), self.paths.clone(), self.links.nodes.clone());
        let root = self.instances[0].clone();
        let phase = std::mem::replace(&mut self.phase, Phase { training, clock: true, ..Phase::default() });
        self.open = true;
        self.open_body(id);
        self.open = false;
        self.forget_open_consts();
        self.phase = phase;
        self.program.nodes.truncate(lengths.0);
        self.program.slots.truncate(lengths.1);
        self.program.known.truncate(known);
        self.versions.truncate(lengths.1);
        self.instances.truncate(lengths.2);
        self.instances[0] = root;
        self.actions.truncate(lengths.3);
        self.inits.truncate(inits);
        self.definitions.truncate(definitions.max(id.0 as usize + 1));
        (self.reads, self.places, self.paths, self.links.nodes) = saved;
    }

    fn open_body(&mut self, id: DefId) {
        let def = self.definitions[id.0 as usize].clone();
        let owner = self.new_instance(Some(id), Vec::new(), def.ast.name.text.clone(), def.ast.name.span, (0, 0));
        let kind = match def.kind {
            DefKind::Fn => FrameKind::Fn,
            DefKind::Layer | DefKind::Model => FrameKind::Layer,
            DefKind::Optimizer => FrameKind::Optimizer,
        };
        let file = Frame::new(FrameKind::File, def.file, InstanceId(0), "", Span::default());
        let frames = std::mem::replace(&mut self.frames, vec![file]);
        self.frames.push(Frame::new(kind, def.file, owner, def.ast.name.text.as_str(), Span::default()));
        self.inlining.push(id);
        for arg in def.ast.settings.iter().chain(&def.ast.inputs) {
            let value = self.open_arg(arg);
            self.bind(&arg.name.text, value, arg.name.span);
        }
        if def.kind == DefKind::Optimizer {
            self.open_optimizer(&def.ast);
        } else {
            let value = self.block(&def.ast.body);
            if let Some(ty) = &def.ast.result
                && !matches!(value, Value::Unknown)
                && !def.broken
            {
                self.match_result(value, ty, &def.ast);
            }
        }
        self.inlining.pop();
        self.frames = frames;
    }

    /// What an argument is while its dims are open.
    fn open_arg(&mut self, arg: &Arg) -> Value {
        match arg.ty.as_ref() {
            Some(ty) => self.open_type(ty),
            None => Value::Unknown,
        }
    }

    fn open_type(&mut self, ty: &TypeExpr) -> Value {
        match &ty.kind {
            TypeKind::Dim(name) => Value::size(self.open_dim(&name.text, name.span)),
            TypeKind::Word(_) => Value::Unknown,
            TypeKind::Tuple(types) => {
                Value::Tuple(types.iter().map(|ty| self.open_type(ty)).collect::<Vec<_>>().into())
            }
            TypeKind::Tensor { elem, shape } => {
                let mut dims = Vec::new();
                let mut known = true;
                for item in shape {
                    match item {
                        ShapeItem::Dim(expr) => match self.open_shape_dim(expr) {
                            Some(dim) => dims.push(dim),
                            None => known = false,
                        },
                        // `...` may be any number of axes: what is done with them only a use can tell.
                        ShapeItem::Ellipsis(_) => known = false,
                    }
                }
                let elem = match elem {
                    ElemExpr::F32 => Elem::F32,
                    ElemExpr::Int => Elem::Int,
                    ElemExpr::Bool => Elem::Bool,
                    ElemExpr::Class(count) => match self.open_shape_dim(count) {
                        Some(count) => Elem::Class(count),
                        None => return Value::Unknown,
                    },
                };
                if known { Value::Tensor(self.open_tensor(elem, dims, ty.span)) } else { Value::Unknown }
            }
        }
    }

    /// A tensor that nothing is known of but its type.
    pub(super) fn open_tensor(&mut self, elem: Elem, shape: Vec<Dim>, span: Span) -> Tensor {
        let kind = Kind::Figure("open".to_string());
        let node = self.push(kind, Vec::new(), Type::new(elem.dtype(), shape.clone()), span);
        Tensor { node, elem, shape, classes: None }
    }

    fn open_shape_dim(&mut self, expr: &Expr) -> Option<Dim> {
        if let ExprKind::Name(name) = &expr.kind
            && self.frame().dim(name).is_none()
            && self.find(name, expr.span).is_none()
        {
            return Some(self.open_dim(name, expr.span));
        }
        self.known_shape_dim(expr)
    }

    fn open_dim(&mut self, name: &str, span: Span) -> Dim {
        if let Some(dim) = self.frame().dim(name) {
            return dim.clone();
        }
        let dim = Dim::atom(self.program.atoms.name(name, None, span));
        self.frame_mut().dims.push((name.to_string(), dim.clone()));
        dim
    }
}
