//! Reads the text form of [`super::print`] back: text in, a verified graph
//! out. Spans are lost (the text has none); all else returns exactly, so
//! `parse(print(g))` is `g` for every verified graph without spans.

use std::sync::Arc;

use super::graph::{Derived, Graph, Label, LabelId, Node, Origin, Output, OutputKind, Owner, Slot, SlotId, ValueId};
use super::name;
use super::op::{Const, Face, Fill, Op, Window};
use super::scan::Scan;
use super::types::{DType, Type};
use super::verify::verify;

/// The graph with this text form.
///
/// # Errors
/// The first line that cannot be read, by number, or what the verifier says.
pub fn parse(text: &str) -> Result<Graph, String> {
    let mut outer: Vec<(Reader, Scan)> = Vec::new();
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        let mut cursor = Cursor { rest: line };
        if cursor.at_end() {
            continue;
        }
        let read = match () {
            () if cursor.accept("body b") => cursor.body(reader.bodies.len()).map(|scan| {
                outer.push((std::mem::take(&mut reader), scan));
            }),
            () if cursor.accept("}") => match outer.pop() {
                Some((mut around, scan)) => {
                    let body = std::mem::take(&mut reader.graph);
                    around.bodies.push(Arc::new(Scan { body, ..scan }));
                    reader = around;
                    Ok(())
                }
                None => Err("no body is open".to_string()),
            },
            () => parse_line(&mut reader, &mut cursor),
        };
        read.map_err(|reason| format!("line {}: {reason}", at + 1))?;
    }
    if !outer.is_empty() {
        return Err("a body does not end".to_string());
    }
    verify(&reader.graph)?;
    Ok(reader.graph)
}

/// A graph, and the bodies read so far that its nodes may name.
#[derive(Default)]
struct Reader {
    graph: Graph,
    bodies: Vec<Arc<Scan>>,
}

/// A quoted string, as `{:?}` prints it, at the start of `rest`; `rest` goes on behind it.
///
/// # Errors
/// There is none.
pub(crate) fn quoted(rest: &mut &str) -> Result<String, String> {
    let mut cursor = Cursor { rest };
    let text = cursor.string()?;
    *rest = cursor.rest;
    Ok(text)
}

fn parse_line(reader: &mut Reader, cursor: &mut Cursor<'_>) -> Result<(), String> {
    let Reader { graph, bodies } = reader;
    match cursor.word()? {
        "label" => graph.labels.push(cursor.string()?.into()),
        "slot" => {
            cursor.id("s", graph.slots.len())?;
            cursor.expect(":")?;
            let ty = cursor.ty()?;
            let owner = owner(cursor.word()?)?;
            graph.slots.push(Slot { path: cursor.string()?, ty, owner });
        }
        "write" => {
            let slot = SlotId(cursor.numbered("s")?);
            cursor.expect("=")?;
            graph.outputs.push(Output { kind: OutputKind::Write(slot), value: ValueId(cursor.numbered("v")?) });
        }
        "figure" => {
            let name = cursor.string()?;
            cursor.expect("=")?;
            graph.outputs.push(Output { kind: OutputKind::Figure(name), value: ValueId(cursor.numbered("v")?) });
        }
        id if id == ValueId(graph.nodes.len() as u32).to_string() => {
            let node = node(cursor, graph, bodies)?;
            graph.nodes.push(node);
        }
        other => return Err(format!("unexpected {other:?}")),
    }
    if cursor.at_end() { Ok(()) } else { Err(format!("unexpected {:?}", cursor.rest)) }
}

fn node(cursor: &mut Cursor<'_>, graph: &Graph, bodies: &[Arc<Scan>]) -> Result<Node, String> {
    cursor.expect(":")?;
    let ty = cursor.ty()?;
    cursor.expect("=")?;
    let name = cursor.word()?;
    let operands = cursor.items("(", ")", |cursor| cursor.numbered("v").map(ValueId))?;
    if let Some(unknown) = operands.iter().find(|operand| operand.index() >= graph.nodes.len()) {
        return Err(format!("{unknown} does not precede its user"));
    }
    let op = match name {
        "scan" => scan(cursor, bodies)?,
        name => op(name, &ty, &operands, graph, cursor)?,
    };
    let mut node = Node { op, operands, ty, origin: Origin::default(), name: None };
    if cursor.accept("#") {
        comment(&graph.labels, cursor, &mut node)?;
    }
    Ok(node)
}

fn scan(cursor: &mut Cursor<'_>, bodies: &[Arc<Scan>]) -> Result<Op, String> {
    cursor.key("body")?;
    let number = cursor.numbered("b")?;
    let scan = bodies.get(number as usize).ok_or_else(|| format!("there is no body b{number}"))?;
    Ok(Op::Scan { scan: scan.clone(), result: cursor.attribute("result")? })
}

/// The op with this name; shapes that the printer leaves out come from the
/// result's type (and for slices from the operand's rank, by the verifier).
fn op(name: &str, ty: &Type, operands: &[ValueId], graph: &Graph, cursor: &mut Cursor<'_>) -> Result<Op, String> {
    let shape = ty.shape.clone();
    Ok(match name {
        "input" => {
            cursor.key("slot")?;
            Op::Input(SlotId(cursor.numbered("s")?))
        }
        "const" => Op::Const { value: constant(ty.dtype, cursor)?, shape },
        "iota" => Op::Iota { axis: cursor.attribute("axis")?, shape },
        "random" => {
            cursor.key("place")?;
            Op::Random { place: cursor.hex()?, base: cursor.attribute("base")?, shape }
        }
        "and" => Op::And,
        "or" => Op::Or,
        "not" => Op::Not,
        "select" => Op::Select,
        "convert" => Op::Convert(ty.dtype),
        "stop_gradient" => Op::StopGradient,
        "broadcast" => Op::Broadcast { shape, axes: cursor.list("axes")? },
        "reshape" => Op::Reshape { shape },
        "transpose" => Op::Transpose { perm: cursor.list("perm")? },
        "slice" => Op::Slice { start: cursor.list("start")?, size: shape, step: cursor.list("step")? },
        "unslice" => Op::Unslice { start: cursor.list("start")?, step: cursor.list("step")?, shape },
        "concat" => Op::Concat { axis: cursor.attribute("axis")? },
        "unfold" => Op::Unfold { axis: cursor.attribute("axis")?, window: cursor.window()?, fill: cursor.fill()? },
        "fold" => Op::Fold { axis: cursor.attribute("axis")?, window: cursor.window()? },
        "sum" => Op::Sum { axes: cursor.list("axes")? },
        "max_of" => Op::MaxOf { axes: cursor.list("axes")? },
        "contract" => Op::Contract { batch: cursor.pairs("batch")?, over: cursor.pairs("over")? },
        "conv" => {
            Op::Conv { face: cursor.face()?, windows: cursor.windows("windows")?, groups: cursor.attribute("groups")? }
        }
        "gather" => Op::Gather { axis: cursor.attribute("axis")? },
        "scatter_add" => Op::ScatterAdd { axis: cursor.attribute("axis")?, size: cursor.attribute("size")? },
        "put" => Op::Put { axis: cursor.attribute("axis")? },
        "argsort" => Op::Argsort { axis: cursor.attribute("axis")? },
        other => return elementwise(other, operands, graph),
    })
}

fn elementwise(name: &str, operands: &[ValueId], graph: &Graph) -> Result<Op, String> {
    let unary = name::unary(name).map(Op::Unary);
    let op = unary.or_else(|| name::binary(name).map(Op::Binary)).or_else(|| name::comparison(name).map(Op::Compare));
    let op = op.ok_or_else(|| format!("there is no op {name:?}"))?;
    graph.infer_node(&op, operands)?;
    Ok(op)
}

fn constant(dtype: DType, cursor: &mut Cursor<'_>) -> Result<Const, String> {
    if cursor.accept("table=") {
        let words = cursor.items("[", "]", |cursor| cursor.literal(dtype))?;
        return Ok(Const::Table { dtype, words: Arc::from(words) });
    }
    cursor.key("value")?;
    let word = cursor.literal(dtype)?;
    Ok(match dtype {
        DType::F32 => Const::F32(f32::from_bits(word)),
        DType::I32 => Const::I32(word as i32),
        DType::Bool => Const::Bool(word != 0),
    })
}

fn comment(labels: &[Label], cursor: &mut Cursor<'_>, node: &mut Node) -> Result<(), String> {
    while !cursor.at_end() {
        if cursor.accept("let=") {
            node.name = Some(cursor.text()?.into());
        } else if cursor.accept("adjoint=") {
            let forward = ValueId(cursor.numbered("v")?);
            cursor.expect(":")?;
            let rule = cursor.word()?;
            let rule = name::interned(rule).ok_or_else(|| format!("there is no rule {rule:?}"))?;
            node.origin.derived = Some(Derived { forward, rule });
        } else {
            let text = cursor.text()?;
            let at = labels.iter().position(|label| **label == *text);
            node.origin.label = Some(LabelId(at.ok_or_else(|| format!("there is no label {text:?}"))? as u32));
        }
    }
    Ok(())
}

fn owner(name: &str) -> Result<Owner, String> {
    let owners =
        [Owner::Parameter, Owner::State, Owner::TrainState, Owner::OptimizerState, Owner::Column, Owner::Scalar];
    let found = owners.into_iter().find(|owner| super::print::owner_name(*owner) == name);
    found.ok_or_else(|| format!("there is no owner {name:?}"))
}

/// What is left of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn at_end(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty()
    }

    fn accept(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.accept(token) { Ok(()) } else { Err(format!("expected {token:?} before {:?}", self.rest)) }
    }

    fn key(&mut self, name: &str) -> Result<(), String> {
        self.expect(name)?;
        self.expect("=")
    }

    /// The longest prefix of such characters, at least one.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> Result<&'a str, String> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(format!("unexpected {:?}", self.rest));
        }
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<&'a str, String> {
        self.take(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let text = self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'))?;
        text.parse().map_err(|_| format!("{text:?} is not such a number"))
    }

    fn hex(&mut self) -> Result<u32, String> {
        let text = self.word()?;
        let digits = text.strip_prefix("0x").ok_or_else(|| format!("{text:?} does not start with 0x"))?;
        u32::from_str_radix(digits, 16).map_err(|_| format!("{text:?} is not 32 bits"))
    }

    /// One element of a constant, as its word.
    fn literal(&mut self, dtype: DType) -> Result<u32, String> {
        Ok(match dtype {
            DType::F32 if self.accept("nan:") => self.hex()?,
            DType::F32 => self.number::<f32>()?.to_bits(),
            DType::I32 => self.number::<i32>()? as u32,
            // A true bool is all ones.
            DType::Bool => u32::from(self.number::<bool>()?).wrapping_neg(),
        })
    }

    fn numbered(&mut self, prefix: &str) -> Result<u32, String> {
        self.expect(prefix)?;
        self.number()
    }

    fn id(&mut self, prefix: &str, expected: usize) -> Result<(), String> {
        let number = self.numbered(prefix)? as usize;
        if number == expected { Ok(()) } else { Err(format!("expected {prefix}{expected}")) }
    }

    /// What stands on the line that opens a body, behind its letter.
    fn body(&mut self, expected: usize) -> Result<Scan, String> {
        let number: usize = self.number()?;
        if number != expected {
            return Err(format!("expected b{expected}"));
        }
        let scan = Scan {
            turns: self.attribute("turns")?,
            reverse: self.attribute("reverse")?,
            carries: self.attribute("carries")?,
            sequences: self.attribute("sequences")?,
            body: Graph::default(),
        };
        self.expect("{")?;
        Ok(scan)
    }

    fn attribute<T: std::str::FromStr>(&mut self, key: &str) -> Result<T, String> {
        self.key(key)?;
        self.number()
    }

    fn list<T: std::str::FromStr>(&mut self, key: &str) -> Result<Vec<T>, String> {
        self.key(key)?;
        self.items("[", "]", Cursor::number)
    }

    fn pairs(&mut self, key: &str) -> Result<Vec<(usize, usize)>, String> {
        self.key(key)?;
        self.items("[", "]", |cursor| {
            let first = cursor.number()?;
            cursor.expect(":")?;
            Ok((first, cursor.number()?))
        })
    }

    /// `key=[n:out:k:step:dilation:lo, ...]`
    fn windows(&mut self, key: &str) -> Result<Vec<Window>, String> {
        self.key(key)?;
        self.items("[", "]", |cursor| {
            let mut size = || -> Result<usize, String> {
                let number = cursor.number()?;
                cursor.expect(":")?;
                Ok(number)
            };
            let (n, out, k, step, dilation) = (size()?, size()?, size()?, size()?, size()?);
            Ok(Window { n, out, k, step, dilation, lo: cursor.number()? })
        })
    }

    fn window(&mut self) -> Result<Window, String> {
        let windows = self.windows("window")?;
        if let [window] = windows[..] { Ok(window) } else { Err(format!("{} windows, not one", windows.len())) }
    }

    fn fill(&mut self) -> Result<Fill, String> {
        self.key("fill")?;
        let name = self.word()?;
        let found = [Fill::Zero, Fill::Lowest].into_iter().find(|fill| fill.name() == name);
        found.ok_or_else(|| format!("{name:?} is no fill"))
    }

    fn face(&mut self) -> Result<Face, String> {
        self.key("face")?;
        let name = self.word()?;
        Face::ALL.into_iter().find(|face| face.name() == name).ok_or_else(|| format!("{name:?} is no face"))
    }

    fn items<T>(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.accept(close) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn ty(&mut self) -> Result<Type, String> {
        let dtype = match self.word()? {
            "f32" => DType::F32,
            "i32" => DType::I32,
            "bool" => DType::Bool,
            other => return Err(format!("there is no type {other:?}")),
        };
        Ok(Type::new(dtype, self.items("[", "]", Cursor::number)?))
    }

    /// A quoted string, or characters up to the next space.
    fn text(&mut self) -> Result<String, String> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('"') { self.string() } else { self.take(|c| c != ' ').map(str::to_string) }
    }

    /// A string with Rust's escapes, as `{:?}` writes it.
    fn string(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.push(escape(&mut characters)?),
                plain => text.push(plain),
            }
        }
        Err("a string does not end".to_string())
    }
}

fn escape(characters: &mut std::str::CharIndices<'_>) -> Result<char, String> {
    let mut next = || characters.next().map(|(_, c)| c).ok_or("a string ends in an escape");
    Ok(match next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'u' => {
            next()?;
            let mut code = 0;
            loop {
                match next()? {
                    '}' => return char::from_u32(code).ok_or_else(|| format!("there is no character {code:#x}")),
                    digit => code = code * 16 + digit.to_digit(16).ok_or("not a hexadecimal digit")?,
                }
            }
        }
        same => same,
    })
}
