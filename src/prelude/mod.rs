//! The library, written in the language and shipped inside the binary.

/// Its texts, by name.
pub const FILES: &[(&str, &str)] = &[
    ("math.nn", include_str!("math.nn")),
    ("order.nn", include_str!("order.nn")),
    ("init.nn", include_str!("init.nn")),
    ("activations.nn", include_str!("activations.nn")),
    ("layers.nn", include_str!("layers.nn")),
    ("attention.nn", include_str!("attention.nn")),
    ("recurrent.nn", include_str!("recurrent.nn")),
    ("images.nn", include_str!("images.nn")),
    ("augment.nn", include_str!("augment.nn")),
    ("losses.nn", include_str!("losses.nn")),
    ("metrics.nn", include_str!("metrics.nn")),
    ("optimizers.nn", include_str!("optimizers.nn")),
    ("data.nn", include_str!("data.nn")),
    ("pictures.nn", include_str!("pictures.nn")),
    ("schedules.nn", include_str!("schedules.nn")),
];

/// What the language itself names: of each word its `##` lines, then how it is called.
pub const BUILTINS: &str = include_str!("builtins.txt");
