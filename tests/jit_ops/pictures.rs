//! Convolutions with maps behind them: one kernel, image by image, however many threads there are.

use super::compiled::{assert_same, compiled, interpreted, lowered};
use super::{Count, check};
use crate::ir::cases::Numbers;
use nnc::ir::interpret::Array;
use nnc::ir::{Graph, parse};
use nnc::loops::Options;
use nnc::loops::interpret::Options as Cut;
use nnc::loops::ir::{Kernel, Range, Stmt};
use nnc::runtime::Pool;

/// A layer with its bias and a rectifier; the result before the rectifier is wanted too.
fn layer(images: usize, n: usize) -> Graph {
    let (x, y) = (format!("f32[{images}, 5, {n}, {n}]"), format!("f32[{images}, 32, {n}, {n}]"));
    let text = format!(
        "slot s0: {x} column \"x\"\nslot s1: f32[32, 5, 3, 3] parameter \"w\"\nslot s2: f32[32] parameter \"b\"
v0: {x} = input() slot=s0
v1: f32[32, 5, 3, 3] = input() slot=s1
v2: f32[32] = input() slot=s2
v3: {y} = conv(v0, v1) face=out windows=[{n}:{n}:3:1:1:1, {n}:{n}:3:1:1:1] groups=1
v4: {y} = broadcast(v2) axes=[1]
v5: {y} = add(v3, v4)
v6: {y} = const() value=0.0
v7: {y} = max(v5, v6)
figure \"before\" = v5\nfigure \"after\" = v7\n"
    );
    parse::parse(&text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn inputs(graph: &Graph) -> Vec<Array<f64>> {
    let mut numbers = Numbers(3);
    let mut values = |len: usize| (0..len).map(|_| f64::from(numbers.uniform(-1.0, 1.0) as f32)).collect();
    graph.slots.iter().map(|slot| Array::floats(&slot.ty.shape, values(slot.ty.len()))).collect()
}

/// Whether it is a convolution and loops over the same images.
fn is_one(kernel: &Kernel) -> bool {
    let image = |stmt: &Stmt| matches!(stmt, Stmt::Loop(looped) if looped.range == Range::Panel);
    kernel.body.iter().any(|stmt| matches!(stmt, Stmt::Conv(_))) && kernel.body.iter().any(image)
}

#[test]
fn maps_follow_a_convolution_in_its_kernel() {
    let pools = [Pool::new(1), Pool::new(2)];
    for (images, n) in [(1, 6), (2, 9), (11, 28), (40, 14)] {
        let (name, graph) = (format!("{images} images of {n}"), layer(images, n));
        let inputs = inputs(&graph);
        check(&name, graph.clone(), &inputs, &pools[0], &mut Count::default());
        let program = lowered(&name, &graph, Options { fuse: true, share_memory: false });
        assert_eq!(program.kernels.iter().any(is_one), images > 1, "{name}");
        let wanted = interpreted(&program, &graph, &inputs, Cut::default(), 1);
        for pool in &pools {
            assert_same(&name, &graph, &compiled(&program, &graph, &inputs, pool, 1), &wanted);
        }
    }
}
