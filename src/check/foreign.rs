//! Names of other libraries, and what the same is called here.

/// Functions, layers, losses, optimisers and schedules of PyTorch, Keras and NumPy.
const NAMES: &[(&str, &str)] = &[
    ("Linear", "dense"),
    ("fully_connected", "dense"),
    ("mse_loss", "mse"),
    ("MSELoss", "mse"),
    ("l1_loss", "mae"),
    ("L1Loss", "mae"),
    ("smooth_l1_loss", "smooth_l1"),
    ("huber_loss", "huber"),
    ("nll_loss", "nll"),
    ("NLLLoss", "nll"),
    ("CrossEntropyLoss", "cross_entropy"),
    ("binary_cross_entropy", "bce"),
    ("BCELoss", "bce"),
    ("binary_cross_entropy_with_logits", "bce_with_logits"),
    ("BCEWithLogitsLoss", "bce_with_logits"),
    ("KLDivLoss", "kl_div"),
    ("BatchNorm1d", "batch_norm"),
    ("BatchNorm2d", "batch_norm"),
    ("LayerNorm", "layer_norm"),
    ("GroupNorm", "group_norm"),
    ("Conv1d", "conv1d"),
    ("Conv2d", "conv2d"),
    ("MaxPool2d", "max_pool"),
    ("max_pool2d", "max_pool"),
    ("AvgPool2d", "avg_pool"),
    ("avg_pool2d", "avg_pool"),
    ("MultiheadAttention", "attention"),
    ("kaiming_normal", "he_normal"),
    ("kaiming_uniform", "he_uniform"),
    ("xavier_normal", "glorot_normal"),
    ("xavier_uniform", "glorot_uniform"),
    ("SGD", "sgd"),
    ("Adam", "adam"),
    ("AdamW", "adamw"),
    ("CosineAnnealingLR", "cosine"),
    ("OneCycleLR", "one_cycle"),
    ("ReduceLROnPlateau", "reduce_on_plateau"),
    ("StepLR", "step_decay"),
    ("ones_like", "ones"),
    ("zeros_like", "zeros"),
    ("arange", "0..n"),
    ("randn", "normal"),
    ("rand", "uniform"),
    ("randint", "random_int"),
    ("cat", "concat"),
    ("matmul", "a @ b"),
    ("detach", "stop_gradient"),
    ("no_grad", "stop_gradient"),
    ("Flatten", "flatten"),
    ("Dropout", "dropout"),
    ("Embedding", "embedding"),
];

/// Arguments.
const ARGUMENTS: &[(&str, &str)] = &[
    ("axis", "along"),
    ("dim", "along"),
    ("axes", "along"),
    ("weight_decay", "decay"),
    ("learning_rate", "lr"),
    ("reduction", "reduce"),
    ("kernel_size", "kernel"),
    ("out_features", "units"),
    ("out_channels", "units"),
    ("ignore_index", "ignore"),
    ("num_groups", "groups"),
    ("num_heads", "heads"),
    ("p", "rate"),
    ("pos_weight", "positive"),
];

/// What a name of another library is called here.
pub(super) fn name(foreign: &str) -> Option<&'static str> {
    NAMES.iter().find(|(theirs, _)| *theirs == foreign).map(|(_, ours)| *ours)
}

/// What an argument of another library is called here, if this definition has it.
pub(super) fn argument(foreign: &str, names: &[&str]) -> Option<&'static str> {
    let found = ARGUMENTS.iter().filter(|(theirs, _)| *theirs == foreign).map(|(_, ours)| *ours);
    found.into_iter().find(|ours| names.contains(ours))
}
