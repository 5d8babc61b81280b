//! Executable memory. In: kernels; out: a [`Module`] that owns their code.
//! Invariant: a [`KernelFn`] handed out is valid as long as its module lives.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cranelift_codegen::Context;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module as _, ModuleReloc, ModuleRelocTarget, default_libcall_names};

use super::wide::Body;
use super::{JitError, Lanes, Options, emit, isa};
use crate::kernels::abi::KernelFn;
use crate::loops::ir::{Kernel, KernelId};

/// Compiled kernels; frees their code when dropped.
pub struct Module {
    /// By kernel; equal kernels have one function.
    functions: Vec<Entry>,
    /// Only touched again to free the memory.
    memory: Mutex<Option<JITModule>>,
}

/// The code of one kernel.
#[derive(Clone)]
struct Entry {
    function: KernelFn,
    bytes: usize,
    /// Code offset and statement ordinal, ascending.
    statements: std::sync::Arc<[(u32, u32)]>,
}

/// Machine code before it is placed.
struct Code {
    bytes: Vec<u8>,
    alignment: u64,
    relocations: Vec<ModuleReloc>,
    statements: std::sync::Arc<[(u32, u32)]>,
}

/// Compiles kernels for this machine. The kernels must be verified and expanded (`loops::math`).
///
/// # Errors
/// If Cranelift refuses, or a kernel holds an operation that `loops::math` should have expanded: never the user's fault.
pub fn compile(kernels: &[Kernel], options: &Options) -> Result<Module, JitError> {
    let isa = isa::host(options)?;
    let (distinct, which) = deduplicate(kernels);
    let lanes = if isa::has_wide() { options.lanes } else { Lanes::Four };
    let codes = compile_all(&distinct, isa.as_ref(), options.threads, lanes)?;
    let (memory, entries) = place(isa, &codes)?;
    let functions = which.iter().map(|&number| entries[number].clone()).collect();
    Ok(Module { functions, memory: Mutex::new(Some(memory)) })
}

/// The Cranelift IR of a kernel, four lanes wide throughout, for `emit-ir --stage clif`.
///
/// # Errors
/// As [`compile`].
pub fn clif(kernel: &Kernel) -> Result<String, JitError> {
    let isa = isa::host(&Options::default())?;
    Ok(emit::build(kernel, isa.as_ref(), Lanes::Four)?.0.display().to_string())
}

impl Module {
    /// The function of a kernel, by its position in what was compiled. Valid as long as this module.
    pub fn function(&self, kernel: KernelId) -> KernelFn {
        self.functions[kernel.index()].function
    }

    /// Bytes of code and constants of a kernel.
    pub fn code_size(&self, kernel: KernelId) -> usize {
        self.functions[kernel.index()].bytes
    }

    /// The statement (numbered from 0 as printed, loops included) whose code is at `offset` bytes of a kernel.
    pub fn statement_at(&self, kernel: KernelId, offset: u32) -> Option<u32> {
        let statements = &self.functions[kernel.index()].statements;
        let after = statements.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).map(|at| statements[at].1)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let memory = self.memory.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(memory) = memory.take() {
            // SAFETY: `function` ties the use of its result to the life of the module, which ends here.
            unsafe { memory.free_memory() };
        }
    }
}

/// The distinct kernels, and for each kernel which one it is. Names and origins do not matter.
fn deduplicate(kernels: &[Kernel]) -> (Vec<&Kernel>, Vec<usize>) {
    let mut distinct = Vec::new();
    let mut seen = HashMap::new();
    let which = kernels
        .iter()
        .map(|kernel| {
            *seen.entry(canonical(kernel)).or_insert_with(|| {
                distinct.push(kernel);
                distinct.len() - 1
            })
        })
        .collect();
    (distinct, which)
}

/// Everything the code of a kernel depends on, as text.
fn canonical(kernel: &Kernel) -> String {
    let params: Vec<_> = kernel.params.iter().map(|param| (param.dtype, param.mode)).collect();
    let values: Vec<_> = kernel.values.iter().map(|value| value.dtype).collect();
    format!("{params:?} {values:?} {:?} {} {:?}", kernel.par.is_some(), kernel.vars, kernel.body)
}

/// Compiles on up to `threads` threads, each taking the next kernel.
fn compile_all(kernels: &[&Kernel], isa: &dyn TargetIsa, threads: usize, lanes: Lanes) -> Result<Vec<Code>, JitError> {
    let threads = threads.clamp(1, kernels.len().max(1));
    if threads == 1 {
        return kernels.iter().map(|kernel| compile_one(kernel, isa, lanes)).collect();
    }
    let next = AtomicUsize::new(0);
    let codes: Vec<Mutex<Option<Result<Code, JitError>>>> = kernels.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(kernel) = kernels.get(number) else { return };
            let code = compile_one(kernel, isa, lanes);
            *codes[number].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(code);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    codes
        .into_iter()
        .map(|code| code.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
        .map(|code| code.expect("every kernel was taken by a thread"))
        .collect()
}

fn compile_one(kernel: &Kernel, isa: &dyn TargetIsa, lanes: Lanes) -> Result<Code, JitError> {
    let (function, leaves) = emit::build(kernel, isa, lanes)?;
    let mut context = Context::for_function(function);
    let failed = |why: String| JitError::Cranelift { kernel: kernel.name.clone(), why };
    context.compile(isa, &mut ControlPlane::default()).map_err(|error| failed(format!("{:?}", error.inner)))?;
    let compiled = context.compiled_code().ok_or_else(|| failed("no code came out".to_owned()))?;
    let mut bytes = compiled.code_buffer().to_vec();
    let relocations: Vec<ModuleReloc> = (compiled.buffer.relocs().iter())
        .map(|reloc| ModuleReloc::from_mach_reloc(reloc, &context.func, FuncId::from_u32(0)))
        .collect();
    let relocations = append(&mut bytes, &leaves, relocations);
    if isa::machine_note().is_none() && !relocations.is_empty() {
        return Err(failed("its code has relocations".to_owned()));
    }
    let statements = compiled.buffer.get_srclocs_sorted().iter();
    Ok(Code {
        bytes,
        alignment: u64::from(compiled.buffer.alignment).max(32),
        relocations,
        statements: statements.map(|location| (location.start, location.loc.bits())).collect(),
    })
}

/// Puts the code of lane loops behind a kernel's own, and the distance to it into each call; what else has to be
/// resolved.
fn append(bytes: &mut Vec<u8>, leaves: &[Body], relocations: Vec<ModuleReloc>) -> Vec<ModuleReloc> {
    let mut starts = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        bytes.resize(bytes.len().next_multiple_of(32), 0xCC);
        starts.push(bytes.len());
        bytes.extend(leaf.assemble());
    }
    let mut left = Vec::new();
    for relocation in relocations {
        match relocation.name {
            ModuleRelocTarget::User { index, .. } if relocation.kind == Reloc::X86CallPCRel4 => {
                let at = relocation.offset as usize;
                let distance = starts[index as usize] as i64 - at as i64 + relocation.addend;
                bytes[at..at + 4].copy_from_slice(&(distance as i32).to_le_bytes());
            }
            _ => left.push(relocation),
        }
    }
    left
}

/// Copies all code into executable memory.
fn place(isa: OwnedTargetIsa, codes: &[Code]) -> Result<(JITModule, Vec<Entry>), JitError> {
    let failed = |error: cranelift_module::ModuleError| JitError::Machine(error.to_string());
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    builder.symbol("fmaf", fused_multiply_add as *const u8);
    let mut memory = JITModule::new(builder);
    let mut signature = memory.make_signature();
    signature.params.extend([cranelift_codegen::ir::AbiParam::new(cranelift_codegen::ir::types::I64); 4]);
    let mut ids = Vec::with_capacity(codes.len());
    for (number, code) in codes.iter().enumerate() {
        let id = memory.declare_function(&format!("k{number}"), Linkage::Export, &signature).map_err(failed)?;
        memory.define_function_bytes(id, code.alignment, &code.bytes, &code.relocations).map_err(failed)?;
        ids.push(id);
    }
    memory.finalize_definitions().map_err(failed)?;
    let entries = ids.iter().zip(codes).map(|(id, code)| {
        let address = memory.get_finalized_function(*id);
        // SAFETY: the code was compiled for this signature and calling convention.
        let function = unsafe { std::mem::transmute::<*const u8, KernelFn>(address) };
        Entry { function, bytes: code.bytes.len(), statements: code.statements.clone() }
    });
    let entries = entries.collect();
    Ok((memory, entries))
}

/// What `fma` calls on machines without the instruction.
extern "C" fn fused_multiply_add(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}
