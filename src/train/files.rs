//! Weights in files: safetensors, written to a temporary file and renamed.
//!
//! In: names, types and words. Out: a file another program can read, never half
//! written; and back, with names and shapes checked before anything is changed.
//! Bools are stored as bytes, everything else as its 4 bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, SafeTensors, View};

use super::value::Value;
use crate::ir::{DType, Type};

struct Stored<'a>(&'a Value);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        dtype_in_file(self.0.ty.dtype)
    }

    fn shape(&self) -> &[usize] {
        &self.0.ty.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let words = self.0.words.iter();
        Cow::Owned(match self.0.ty.dtype {
            DType::Bool => words.map(|&word| u8::from(word != 0)).collect(),
            DType::F32 | DType::I32 => words.flat_map(|word| word.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        let size = if self.0.ty.dtype == DType::Bool { 1 } else { 4 };
        self.0.words.len() * size
    }
}

/// Writes the values under their names; folders are made as needed.
///
/// # Errors
/// What the file system says, with the path.
pub fn save(path: &Path, values: &[(String, Value)]) -> Result<(), String> {
    let views: Vec<(&str, Stored<'_>)> = values.iter().map(|(name, value)| (name.as_str(), Stored(value))).collect();
    let bytes = safetensors::serialize(views, None).map_err(|error| format!("{}: {error}", path.display()))?;
    write_whole(path, &bytes)
}

/// Writes a file so that its old content stays until the new one is complete.
///
/// # Errors
/// What the file system says, with the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        // The half-written file is of no use to anybody; that it may already be gone is no further news.
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}

/// Reads the wanted values, in their order.
///
/// # Errors
/// The file cannot be read, or a name is missing, or its type or shape differs from what is wanted.
pub fn load(path: &Path, wanted: &[(String, Type)]) -> Result<Vec<Value>, String> {
    let contents = contents(path)?;
    wanted.iter().try_for_each(|(name, ty)| contents.offers(name, ty))?;
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| format!("{} is not a whole safetensors file: {error}", path.display()))?;
    wanted.iter().map(|(name, ty)| load_one(path, &file, name, ty)).collect()
}

/// What a file holds: names, and how each is stored.
pub struct Contents {
    path: PathBuf,
    stored: BTreeMap<String, (Dtype, Vec<usize>)>,
}

/// What a file holds, by its header alone.
///
/// # Errors
/// The file cannot be read, or is not whole.
pub fn contents(path: &Path) -> Result<Contents, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let broken = |what: &dyn std::fmt::Display| format!("{} is not a whole safetensors file: {what}", path.display());
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|error| broken(&error))?;
    let size = u64::from_le_bytes(size);
    if size > length {
        return Err(broken(&"its header is longer than the file"));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(|error| broken(&error))?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| broken(&error))?;
    if length != 8 + size + metadata.data_len() as u64 {
        return Err(broken(&"its end is missing"));
    }
    let stored = metadata.tensors().into_iter().map(|(name, info)| (name, (info.dtype, info.shape.clone())));
    Ok(Contents { path: path.to_path_buf(), stored: stored.collect() })
}

impl Contents {
    /// Whether there is something of this name.
    pub fn has(&self, name: &str) -> bool {
        self.stored.contains_key(name)
    }

    /// Whether a value of this type can be read.
    ///
    /// # Errors
    /// The name is missing, or is of another type or shape.
    pub fn offers(&self, name: &str, ty: &Type) -> Result<(), String> {
        let Some((dtype, shape)) = self.stored.get(name) else {
            let near = crate::diag::nearest(name, self.stored.keys().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("; it has {near}"));
            return Err(format!("{} has no {name}{hint}", self.path.display()));
        };
        if *dtype == dtype_in_file(ty.dtype) && *shape == ty.shape {
            return Ok(());
        }
        Err(format!("{name} is {ty} here and {dtype:?} {shape:?} in {}", self.path.display()))
    }
}

fn load_one(path: &Path, file: &SafeTensors<'_>, name: &str, ty: &Type) -> Result<Value, String> {
    let found = file.tensor(name).map_err(|error| format!("{}: {error}", path.display()))?;
    let words = match ty.dtype {
        DType::Bool => found.data().iter().map(|&byte| if byte != 0 { u32::MAX } else { 0 }).collect(),
        DType::F32 | DType::I32 => {
            found.data().chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
        }
    };
    Ok(Value { ty: ty.clone(), words })
}

fn dtype_in_file(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::I32 => Dtype::I32,
        DType::Bool => Dtype::BOOL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_reads_back_and_wrong_names_and_shapes_are_told() {
        let folder = std::env::temp_dir().join(format!("nnc-files-{}", std::process::id()));
        let path = folder.join("deep/a.safetensors");
        let value =
            Value { ty: Type::new(DType::F32, [2]), words: vec![1.5f32.to_bits(), f32::MIN_POSITIVE.to_bits()] };
        let flag = Value { ty: Type::scalar(DType::Bool), words: vec![u32::MAX] };
        save(&path, &[("a.w".to_string(), value.clone()), ("flag".to_string(), flag.clone())]).unwrap();
        let wanted = [("flag".to_string(), flag.ty.clone()), ("a.w".to_string(), value.ty.clone())];
        assert_eq!(load(&path, &wanted).unwrap(), [flag, value]);
        let other = load(&path, &[("a.v".to_string(), Type::new(DType::F32, [2]))]).unwrap_err();
        assert!(other.ends_with("has no a.v; it has a.w"), "{other}");
        let shape = load(&path, &[("a.w".to_string(), Type::new(DType::F32, [3]))]).unwrap_err();
        assert!(shape.contains("f32[3] here"), "{shape}");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
