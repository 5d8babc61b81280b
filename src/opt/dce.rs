//! Drops what no output needs. The graph is pure, so nothing else keeps a
//! node. Slots stay, read or not: they are the program's interface. Of a scan
//! only the results that are read stay, with the carries that these need, and
//! the operands that its body still reads.

use std::collections::HashMap;
use std::sync::Arc;

use super::rewrite::{keep, rewrite_some};
use super::scans::{Group, groups, numbered};
use crate::ir::{Graph, Op, Output, Scan, ValueId};

pub(super) fn dce(graph: Graph) -> Graph {
    // From the last scan to the first: what one no longer reads an earlier one need not compute.
    let mut graph = swept(graph);
    let mut at = groups(numbered(&graph)).len();
    while at > 0 {
        at -= 1;
        let Some(group) = groups(numbered(&graph)).into_iter().nth(at) else { continue };
        let dropped = prune(&mut graph, &group);
        if dropped {
            graph = swept(graph);
        }
    }
    graph
}

/// Drops nodes that nothing reads.
fn swept(graph: Graph) -> Graph {
    let live = live(&graph);
    if live.iter().all(|live| *live) {
        return graph;
    }
    rewrite_some(graph, |id: ValueId| live[id.index()], |graph, _, node| keep(graph, node))
}

fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes.len()];
    for output in &graph.outputs {
        live[output.value.index()] = true;
    }
    for at in (0..graph.nodes.len()).rev() {
        if live[at] {
            for operand in &graph.nodes[at].operands {
                live[operand.index()] = true;
            }
        }
    }
    live
}

/// Makes a scan smaller; whether it lost operands.
fn prune(graph: &mut Graph, group: &Group) -> bool {
    let scan = &group.scan;
    let mut wanted = vec![false; scan.results()];
    for &sibling in &group.siblings {
        if let Op::Scan { result, .. } = graph.node(sibling).op {
            wanted[result] = true;
        }
    }
    let body = needed(scan, &mut wanted);
    let read = read_slots(&body);
    let carries = (0..scan.carries).filter(|&carry| wanted[carry]);
    let others = (scan.carries..group.operands.len()).filter(|&at| read[at + 1]);
    let kept: Vec<usize> = carries.clone().chain(others).collect();
    let results: Vec<usize> = (0..wanted.len()).filter(|&result| wanted[result]).collect();
    if kept.len() == group.operands.len() && results.len() == wanted.len() && body == scan.body {
        return false;
    }
    let sequences = kept.iter().filter(|&&at| (scan.carries..scan.carries + scan.sequences).contains(&at)).count();
    let new = Arc::new(Scan {
        turns: scan.turns,
        reverse: scan.reverse,
        carries: carries.count(),
        sequences,
        body: reslotted(body, &kept),
    });
    let numbers: HashMap<usize, usize> = results.into_iter().enumerate().map(|(new, old)| (old, new)).collect();
    let operands: Vec<ValueId> = kept.iter().map(|&at| group.operands[at]).collect();
    for &sibling in &group.siblings {
        let node = &mut graph.nodes[sibling.index()];
        if let Op::Scan { scan, result } = &mut node.op {
            *scan = new.clone();
            *result = numbers.get(result).copied().unwrap_or(*result);
        }
        node.operands.clone_from(&operands);
    }
    operands.len() < group.operands.len()
}

/// The body with the outputs that are wanted, and those of carries that these read, which are wanted then too.
fn needed(scan: &Scan, wanted: &mut [bool]) -> Graph {
    loop {
        let mut body = scan.body.clone();
        let outputs = scan.body.outputs.iter().zip(wanted.iter()).filter(|(_, wanted)| **wanted);
        body.outputs = outputs.map(|(output, _)| output.clone()).collect();
        let body = dce(body);
        let read = read_slots(&body);
        let found: Vec<usize> = (0..scan.carries).filter(|&carry| read[1 + carry] && !wanted[carry]).collect();
        if found.is_empty() {
            return body;
        }
        found.into_iter().for_each(|carry| wanted[carry] = true);
    }
}

fn read_slots(body: &Graph) -> Vec<bool> {
    let mut read = vec![false; body.slots.len()];
    for node in &body.nodes {
        if let Op::Input(slot) = node.op {
            read[slot.index()] = true;
        }
    }
    read
}

/// The body with the slots of these operands only, its outputs numbered anew.
fn reslotted(mut body: Graph, kept: &[usize]) -> Graph {
    let slots: Vec<usize> = std::iter::once(0).chain(kept.iter().map(|at| at + 1)).collect();
    for node in &mut body.nodes {
        if let Op::Input(slot) = &mut node.op
            && let Some(place) = slots.iter().position(|&old| old == slot.index())
        {
            *slot = crate::ir::SlotId(place as u32);
        }
    }
    body.slots = slots.iter().map(|&slot| body.slots[slot].clone()).collect();
    let outputs = body.outputs.into_iter().enumerate();
    let figure = |at: usize| crate::ir::OutputKind::Figure(at.to_string());
    body.outputs = outputs.map(|(at, output)| Output { kind: figure(at), ..output }).collect();
    body
}
