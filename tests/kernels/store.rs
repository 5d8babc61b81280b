//! The store and the arena: layout, access by path, and what is refused.

use ndarray::{ArrayD, IxDyn};
use nnc::ir::{DType, Type};
use nnc::runtime::{Arena, Store, StoreError};

fn store() -> Store {
    let slot = |path: &str, dtype, shape: &[usize]| (path.to_owned(), Type::new(dtype, shape));
    Store::new(&[
        slot("w", DType::F32, &[3, 7]),
        slot("labels", DType::I32, &[5]),
        slot("step", DType::I32, &[]),
        slot("m", DType::F32, &[16]),
    ])
}

#[test]
fn slots_lie_in_order_on_lines_of_64_bytes() {
    let store = store();
    let offsets: Vec<usize> = store.slots().iter().map(|slot| slot.offset).collect();
    assert_eq!(offsets, [0, 128, 192, 256]);
    for (pointer, offset) in store.pointers().into_iter().zip(offsets) {
        assert_eq!(pointer as usize % 64, 0);
        assert_eq!(pointer as usize - store.pointer(0) as usize, offset);
    }
}

#[test]
fn values_come_back_as_they_were_set() {
    let mut store = store();
    let weights = ArrayD::from_shape_fn(IxDyn(&[3, 7]), |at| (at[0] * 10 + at[1]) as f32);
    store.set_floats("w", &weights).unwrap();
    // A transposed view has other strides; the store must write it row by row all the same.
    let transposed = ArrayD::from_shape_fn(IxDyn(&[7, 3]), |at| (at[1] * 10 + at[0]) as f32).reversed_axes();
    let saved = store.save();
    store.set_floats("w", &(&weights * 2.0)).unwrap();
    store.set_integers("step", &ArrayD::from_elem(IxDyn(&[]), -3)).unwrap();
    assert_eq!(store.floats("w").unwrap(), &weights * 2.0);
    assert_eq!(store.integers("step").unwrap()[IxDyn(&[])], -3);
    assert_eq!(store.words(2), [-3i32 as u32]);
    store.restore(&saved);
    assert_eq!(store.floats("w").unwrap(), weights);
    assert_eq!(store.integers("step").unwrap()[IxDyn(&[])], 0);
    store.set_floats("w", &transposed).unwrap();
    assert_eq!(store.floats("w").unwrap(), weights);
}

#[test]
fn wrong_names_and_types_are_refused() {
    let mut store = store();
    assert_eq!(store.floats("v"), Err(StoreError::Unknown { path: "v".to_owned() }));
    assert!(store.floats("labels").is_err());
    let error = store.set_floats("w", &ArrayD::zeros(IxDyn(&[7, 3]))).unwrap_err();
    assert_eq!(error.to_string(), "`w` is f32[3, 7], not f32[7, 3]");
}

#[test]
fn writes_behind_an_arena_are_seen() {
    let mut arena = Arena::zeroed(100);
    arena.poison_padding();
    assert!(arena.padding_is_poisoned());
    // SAFETY: the padding belongs to the arena.
    unsafe { *arena.start().add(100) = 0 };
    assert!(!arena.padding_is_poisoned());
}
