//! Precompiled wide kernels, and the calling convention of all machine code.
//!
//! In come the argument records of [`abi`]; out go matrix products,
//! convolutions, uniform random numbers, orders and transposes. The variant is chosen once, by what the machine has. The
//! invariant of the room: every variant gives the same bits, so the choice
//! (and every cache block, tile and panel inside) never shows in a result.

pub mod abi;
pub mod conv;
pub mod fill;
pub mod gemm;
pub mod measure;
mod micro;
pub mod sort;
pub mod transpose;
pub mod widen;

use std::sync::OnceLock;

pub use measure::{measure_bandwidth, measure_peak};

/// One set of wide kernels; what [`abi::Ctx`] is filled from.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Matrix product. The machine must have the instructions `name` stands for.
    pub gemm: unsafe extern "C" fn(args: *const abi::GemmArgs, ctx: *const abi::Ctx),
    /// Convolution; the same condition.
    pub conv: unsafe extern "C" fn(args: *const abi::ConvArgs),
    /// Random numbers; the same condition.
    pub fill: unsafe extern "C" fn(args: *const abi::FillArgs),
    /// The order of a row.
    pub sort: unsafe extern "C" fn(args: *const abi::SortArgs, ctx: *const abi::Ctx),
    /// A matrix laid by rows; the same condition.
    pub transpose: unsafe extern "C" fn(args: *const abi::TransposeArgs),
    /// `avx512`, `avx2` or `portable`.
    pub name: &'static str,
}

/// The best kernels of this machine.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| variants()[0])
}

/// All kernels that run on this machine, best first; the last is the portable one.
pub fn variants() -> Vec<Table> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if avx2 && is_x86_feature_detected!("avx512f") {
            found.push(Table {
                gemm: gemm::avx512,
                conv: conv::avx512,
                fill: fill::avx2,
                sort: sort::portable,
                transpose: transpose::avx2,
                name: "avx512",
            });
        }
        if avx2 {
            found.push(Table {
                gemm: gemm::avx2,
                conv: conv::avx2,
                fill: fill::avx2,
                sort: sort::portable,
                transpose: transpose::avx2,
                name: "avx2",
            });
        }
    }
    found.push(Table {
        gemm: gemm::portable,
        conv: conv::portable,
        fill: fill::portable,
        sort: sort::portable,
        transpose: transpose::portable,
        name: "portable",
    });
    found
}
