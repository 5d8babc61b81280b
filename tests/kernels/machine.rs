//! The step driver on hand-written kernels: order, spreading, figures, faults, and no allocation.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counting::allocations;
use nnc::ir::{DType, Origin, SlotId};
use nnc::kernels::abi::{Ctx, GemmArgs, KernelFn};
use nnc::loops::ir::*;
use nnc::runtime::{Machine, Pool};

/// Marks the scratch of one machine: scratch is not cleared, and may still hold the mark of an earlier one.
static MARK: AtomicU64 = AtomicU64::new(0x5ee5_5ee5_0000_0000);

/// `x[i] += 1` over the panel; the thread's scratch holds the mark and the allocations of the thread at its first
/// call, and a change sets the fault flag.
unsafe extern "C" fn increment(ptrs: *const *mut u8, ctx: *const Ctx, lo: u64, hi: u64) {
    // SAFETY: the tests give one buffer of `extent` floats.
    unsafe {
        let x = (*ptrs).cast::<f32>();
        for i in lo..hi {
            *x.add(i as usize) += 1.0;
        }
        let seen = (*ctx).scratch.cast::<[u64; 2]>();
        let mark = MARK.load(Ordering::Relaxed);
        if (*seen)[0] != mark {
            *seen = [mark, allocations()];
        } else if (*seen)[1] != allocations() {
            *(*ctx).fault = 1;
        }
    }
}

/// `s = sum of x`, eight elements, no panel: `lo` and `hi` must be 0.
unsafe extern "C" fn sum(ptrs: *const *mut u8, _ctx: *const Ctx, lo: u64, hi: u64) {
    assert_eq!((lo, hi), (0, 0));
    // SAFETY: two buffers of 8 and 1 floats.
    unsafe {
        let x = std::slice::from_raw_parts((*ptrs).cast::<f32>(), 8);
        *(*ptrs.add(1)).cast::<f32>() = x.iter().sum();
    }
}

unsafe extern "C" fn clamp_fault(_: *const *mut u8, ctx: *const Ctx, _: u64, _: u64) {
    // SAFETY: the flag is always there.
    unsafe { *(*ctx).fault = 1 }
}

/// `c = a · b`, 4x4, by the context's wide kernel.
unsafe extern "C" fn product(ptrs: *const *mut u8, ctx: *const Ctx, lo: u64, hi: u64) {
    // SAFETY: three buffers of 16 floats.
    unsafe {
        let args = GemmArgs {
            a: (*ptrs).cast::<f32>().add(lo as usize * 4),
            b: (*ptrs.add(1)).cast(),
            c: (*ptrs.add(2)).cast::<f32>().add(lo as usize * 4),
            m: hi - lo,
            n: 4,
            k: 4,
            a_row: 4,
            a_column: 1,
            b_row: 4,
            b_column: 1,
            c_row: 4,
        };
        ((*ctx).gemm)(&args, ctx);
    }
}

fn buffer(name: &str, len: usize, place: Place) -> Buffer {
    Buffer { name: name.to_owned(), dtype: DType::F32, shape: vec![len], place, origin: Origin::default() }
}

fn figure(name: &str, buffer: u32, offset: usize, len: usize) -> Figure {
    Figure { name: name.to_owned(), buffer: BufferId(buffer), offset, shape: vec![len] }
}

fn kernel(name: &str, params: &[(usize, Mode)], par: Option<Par>, flops: u64) -> Kernel {
    let param = |&(len, mode)| Param { name: "p".to_owned(), dtype: DType::F32, len, mode };
    Kernel {
        name: name.to_owned(),
        params: params.iter().map(param).collect(),
        par,
        body: Vec::new(),
        values: Vec::new(),
        vars: 0,
        cost: Cost { flops, bytes: 0 },
    }
}

fn run(kernel: u32, args: &[(u32, usize)]) -> Run {
    let arg = |&(buffer, offset)| Arg { offset, ..Arg::whole(BufferId(buffer)) };
    Run { kernel: KernelId(kernel), args: args.iter().map(arg).collect() }
}

#[repr(align(64))]
struct Aligned<const N: usize>([f32; N]);

/// x += 1 by a spread and by a small kernel, then s = sum of x[16..24].
fn counting_program(flops: u64) -> (Program, [KernelFn; 2]) {
    let program = Program {
        name: "count".to_owned(),
        buffers: vec![buffer("x", 1000, Place::Slot(SlotId(0))), buffer("s", 1, Place::Temporary { offset: 64 })],
        kernels: vec![
            kernel("increment", &[(1000, Mode::InOut)], Some(Par { extent: 1000, by: 48 }), flops),
            kernel("sum", &[(8, Mode::In), (1, Mode::Out)], None, 8),
        ],
        runs: vec![run(0, &[(0, 0)]), run(1, &[(0, 16), (1, 0)])],
        loops: Vec::new(),
        figures: vec![figure("s", 1, 0, 1)],
    };
    (program, [increment, sum])
}

#[test]
fn steps_run_in_order_and_allocate_nothing() {
    for (threads, flops, spread) in [(1, 1 << 30, 0), (2, 1 << 30, 21), (4, 1 << 30, 21), (2, 100, 0)] {
        MARK.fetch_add(1, Ordering::Relaxed);
        let pool = Pool::new(threads);
        let (program, functions) = counting_program(flops);
        let mut x = Box::new(Aligned([0.0f32; 1000]));
        // SAFETY: the functions are the kernels, the slot outlives the machine.
        let mut machine =
            unsafe { Machine::new(&program, &functions, &[x.0.as_mut_ptr().cast()], &pool, 128) }.unwrap();
        assert_eq!(machine.spread().collect::<Vec<_>>(), [spread, 0]);
        machine.step();
        let before = allocations();
        for _ in 0..500 {
            machine.step();
        }
        assert_eq!(allocations(), before, "a step allocated");
        assert!(!machine.fault(), "a helper allocated during a region");
        assert_eq!(machine.figure(0), [(501.0f32 * 8.0).to_bits()]);
        assert_eq!(machine.figure_f32(0), 501.0 * 8.0);
        drop(machine);
        assert!(x.0.iter().all(|&value| value == 501.0), "every element once a step, on {threads} threads");
    }
}

#[test]
fn the_fault_flag_is_read_and_cleared() {
    let program =
        Program { kernels: vec![kernel("clamp", &[], None, 0)], runs: vec![run(0, &[])], ..Program::default() };
    // SAFETY: the function takes no buffers.
    let mut machine = unsafe { Machine::new(&program, &[clamp_fault as KernelFn], &[], &Pool::new(1), 0) }.unwrap();
    assert!(!machine.fault());
    machine.step();
    assert!(machine.fault());
    machine.clear_fault();
    assert!(!machine.fault());
}

#[test]
fn constants_and_wide_kernels_are_reached_through_the_tables() {
    let identity: Vec<u32> = (0..16).map(|i| if i % 5 == 0 { 2.0f32.to_bits() } else { 0 }).collect();
    let program = Program {
        buffers: vec![
            buffer("a", 16, Place::Slot(SlotId(0))),
            buffer("b", 16, Place::Constant(identity.into())),
            buffer("c", 16, Place::Temporary { offset: 0 }),
        ],
        kernels: vec![kernel(
            "product",
            &[(16, Mode::In), (16, Mode::In), (16, Mode::Out)],
            Some(Par { extent: 4, by: 2 }),
            1 << 20,
        )],
        runs: vec![run(0, &[(0, 0), (1, 0), (2, 0)])],
        figures: vec![figure("c", 2, 0, 16), figure("second row", 2, 4, 4)],
        ..Program::default()
    };
    let mut a = Aligned(std::array::from_fn::<f32, 16, _>(|i| i as f32));
    let slots = [a.0.as_mut_ptr().cast()];
    // SAFETY: the function is the kernel, the slot outlives the machine.
    let mut machine = unsafe { Machine::new(&program, &[product as KernelFn], &slots, &Pool::new(2), 64) }.unwrap();
    machine.step();
    let doubled: Vec<u32> = (0..16).map(|i| (2.0 * i as f32).to_bits()).collect();
    assert_eq!(machine.figure(0), doubled);
    assert_eq!(machine.figure(1), &doubled[4..8]);
}

#[test]
fn the_checked_run_finds_the_first_value_that_is_not_finite() {
    let (program, functions) = counting_program(100);
    let mut x = Box::new(Aligned([0.0f32; 1000]));
    x.0[20] = f32::INFINITY;
    x.0[30] = f32::NAN;
    // SAFETY: as above.
    let mut machine =
        unsafe { Machine::new(&program, &functions, &[x.0.as_mut_ptr().cast()], &Pool::new(1), 128) }.unwrap();
    let mut found = Vec::new();
    let end = machine.run_checked(&mut |at| {
        found.push((at.run, at.kernel.to_owned(), at.name.to_owned(), at.element, at.value));
        ControlFlow::Continue(())
    });
    assert_eq!(end, ControlFlow::Continue(()));
    let expected = [
        (0, "increment".to_owned(), "x".to_owned(), 20, f32::INFINITY),
        (1, "sum".to_owned(), "s".to_owned(), 0, f32::INFINITY),
    ];
    assert_eq!(found, expected);
    let mut reports = 0;
    let end = machine.run_checked(&mut |_| {
        reports += 1;
        ControlFlow::Break(())
    });
    assert_eq!((end, reports), (ControlFlow::Break(()), 1));
}

#[test]
fn programs_that_do_not_fit_are_refused() {
    let pool = Pool::new(1);
    let mut x = Box::new(Aligned([0.0f32; 1000]));
    let mut load = |change: &dyn Fn(&mut Program), temp_bytes| {
        let (mut program, functions) = counting_program(1);
        change(&mut program);
        let slots = [x.0.as_mut_ptr().cast()];
        // SAFETY: nothing is run.
        unsafe { Machine::new(&program, &functions, &slots, &pool, temp_bytes) }.map(|_| ())
    };
    assert_eq!(load(&|_| {}, 128), Ok(()));
    assert_eq!(load(&|_| {}, 64), Err("`s` at 64 exceeds 64 bytes".to_owned()));
    assert!(load(&|program| program.buffers[0].place = Place::Slot(SlotId(1)), 128).is_err());
    assert!(load(&|program| program.runs[1].args[0].offset = 1001, 128).is_err());
    assert!(load(&|program| program.kernels[1].params[0].dtype = DType::I32, 128).is_err());
    assert!(load(&|program| program.runs[1].args.truncate(1), 128).is_err());
    assert_eq!(load(&|program| program.figures[0].offset = 1, 128), Err("`s` is not in b1".to_owned()));
    let scratch = Param { name: "s".to_owned(), dtype: DType::F32, len: 1 << 14, mode: Mode::Scratch { offset: 64 } };
    assert!(load(&|program| program.kernels[0].params.push(scratch.clone()), 128).is_err());
}
