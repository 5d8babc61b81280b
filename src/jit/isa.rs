//! The machine: out comes a Cranelift target with every instruction set this
//! processor has; nothing about the machine may change a result, only its speed.

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};

use super::{JitError, Level, Options};

/// The target for code that runs here.
pub(super) fn host(options: &Options) -> Result<OwnedTargetIsa, JitError> {
    let mut flags = settings::builder();
    let level = match options.level {
        Level::None => "none",
        Level::Speed => "speed",
    };
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    let chosen = [
        ("opt_level", level),
        ("enable_verifier", verifier),
        ("is_pic", "false"),
        ("unwind_info", "false"),
        ("enable_probestack", "false"),
    ];
    for (name, value) in chosen {
        flags.set(name, value).map_err(|error| JitError::Machine(error.to_string()))?;
    }
    let builder = cranelift_native::builder().map_err(|why| JitError::Machine(why.to_owned()))?;
    builder.finish(settings::Flags::new(flags)).map_err(|error| JitError::Machine(error.to_string()))
}

/// What the user should know about this machine, if anything: without fused
/// multiply-add each `fma` lane becomes a library call. The bits are the same.
pub fn machine_note() -> Option<String> {
    if has_fma() {
        return None;
    }
    Some("this processor has no fused multiply-add: products run through library calls and are very slow".to_owned())
}

/// Whether code of full width runs here: its instructions, and the calling convention that it is written for.
pub(super) fn has_wide() -> bool {
    #[cfg(all(target_arch = "x86_64", unix))]
    return std::is_x86_feature_detected!("avx2") && has_fma();
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    false
}

#[cfg(target_arch = "x86_64")]
fn has_fma() -> bool {
    std::is_x86_feature_detected!("avx") && std::is_x86_feature_detected!("fma")
}

/// Fused multiply-add is part of the base of the other machines Cranelift knows.
#[cfg(not(target_arch = "x86_64"))]
fn has_fma() -> bool {
    true
}
