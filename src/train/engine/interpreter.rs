//! The reference engine: the graph's interpreter in f32.
//!
//! In: a graph. Out: an [`Executable`] that interprets it at every step. Slow
//! and obviously right; agrees with machine code within tolerances.

use super::{Binding, Engine, Executable, Memory, NotFinite, optimised};
use crate::ir::interpret::misstep::{self, Misstep};
use crate::ir::interpret::{self, Array};
use crate::ir::{Binary, DType, Graph, Op, OutputKind, Type};

/// Interprets graphs.
#[derive(Debug, Default)]
pub struct Interpreter {
    /// Whether every pass is verified.
    pub verify: bool,
    made: u64,
}

impl Interpreter {
    /// With the verifier after every pass, or without.
    pub fn new(verify: bool) -> Self {
        Interpreter { verify, made: 0 }
    }
}

impl Engine for Interpreter {
    fn compile(&mut self, _name: &str, graph: Graph, memory: &mut Memory) -> Result<Box<dyn Executable>, String> {
        let graph = optimised(graph, self.verify)?;
        self.made += 1;
        let bindings = memory.bind(&graph)?;
        let figure_types: Vec<Type> = figures(&graph).map(|at| graph.ty(graph.outputs[at].value).clone()).collect();
        let figures = figure_types.iter().map(|ty| vec![0; ty.len()]).collect();
        Ok(Box::new(Interpreted { graph, bindings, figure_types, figures }))
    }

    fn compilations(&self) -> u64 {
        self.made
    }
}

struct Interpreted {
    graph: Graph,
    bindings: Vec<Binding>,
    figure_types: Vec<Type>,
    figures: Vec<Vec<u32>>,
}

impl Executable for Interpreted {
    fn step(&mut self, memory: &mut Memory) -> Result<(), String> {
        let results = interpret::interpret(&self.graph, &inputs(&self.bindings, memory))?;
        let mut figure = 0;
        for (output, result) in self.graph.outputs.iter().zip(&results) {
            match &output.kind {
                OutputKind::Write(slot) => {
                    let place = self.bindings[slot.index()].place;
                    memory.words_mut(place).copy_from_slice(&words(result));
                }
                OutputKind::Figure(_) => {
                    self.figures[figure] = words(result);
                    figure += 1;
                }
            }
        }
        Ok(())
    }

    fn step_timed(&mut self, _memory: &mut Memory, _times: &mut [u64]) -> Result<(), String> {
        Err("the interpreter has no kernels to time".to_string())
    }

    fn figure(&self, at: usize) -> &[u32] {
        &self.figures[at]
    }

    fn find_not_finite(&self, memory: &Memory) -> Result<Option<NotFinite>, String> {
        find_not_finite(&self.graph, &self.bindings, memory)
    }

    fn take_fault(&mut self) -> bool {
        // There is no flag: whoever asks has to look where there is something to find.
        has_missteps(&self.graph)
    }

    fn find_misstep(&self, memory: &Memory) -> Result<Option<Misstep>, String> {
        find_misstep(&self.graph, &self.bindings, memory)
    }

    fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    fn figure_types(&self) -> &[Type] {
        &self.figure_types
    }
}

/// See [`Executable::find_not_finite`].
pub fn find_not_finite(graph: &Graph, bindings: &[Binding], memory: &Memory) -> Result<Option<NotFinite>, String> {
    let values = interpret::interpret_all(graph, &inputs(bindings, memory))?;
    let finite = |value: &Array<f32>| match value {
        Array::Float(array) => array.iter().all(|element| element.is_finite()),
        Array::Int(_) | Array::Bool(_) => true,
    };
    for (node, value) in graph.nodes.iter().zip(&values) {
        let plain = matches!(node.op, Op::Input(_) | Op::Const { .. });
        if plain || finite(value) || !node.operands.iter().all(|operand| finite(&values[operand.index()])) {
            continue;
        }
        let operands = node.operands.iter().map(|operand| range(&values[operand.index()])).collect();
        return Ok(Some(NotFinite { span: node.origin.span, operation: node.op.name().to_string(), operands }));
    }
    Ok(None)
}

/// See [`Executable::find_misstep`].
pub fn find_misstep(graph: &Graph, bindings: &[Binding], memory: &Memory) -> Result<Option<Misstep>, String> {
    misstep::find(graph, &inputs(bindings, memory))
}

/// Whether an operation of the graph may have no value.
fn has_missteps(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| match &node.op {
        Op::Gather { .. } => true,
        Op::Binary(Binary::Div | Binary::Rem) => node.ty.dtype == DType::I32,
        Op::Scan { scan, .. } => has_missteps(&scan.body),
        _ => false,
    })
}

/// The outputs that are figures, in order.
pub fn figures(graph: &Graph) -> impl Iterator<Item = usize> + '_ {
    (0..graph.outputs.len()).filter(|&at| matches!(graph.outputs[at].kind, OutputKind::Figure(_)))
}

fn range(value: &Array<f32>) -> (f64, f64) {
    let fold = |(low, high): (f64, f64), element: &f64| (low.min(*element), high.max(*element));
    value.to_f64().iter().fold((f64::INFINITY, f64::NEG_INFINITY), fold)
}

fn inputs(bindings: &[Binding], memory: &Memory) -> Vec<Array<f32>> {
    bindings
        .iter()
        .map(|binding| {
            let words = memory.words(binding.place).iter();
            let shape = &binding.ty.shape;
            match binding.ty.dtype {
                DType::F32 => Array::floats(shape, words.map(|&word| f32::from_bits(word)).collect()),
                DType::I32 => Array::ints(shape, words.map(|&word| word as i32).collect()),
                DType::Bool => Array::bools(shape, words.map(|&word| word != 0).collect()),
            }
        })
        .collect()
}

fn words(value: &Array<f32>) -> Vec<u32> {
    match value {
        Array::Float(array) => array.iter().map(|element| element.to_bits()).collect(),
        Array::Int(array) => array.iter().map(|element| *element as u32).collect(),
        Array::Bool(array) => array.iter().map(|element| if *element { u32::MAX } else { 0 }).collect(),
    }
}
