//! IDX files (the format of MNIST), plain or gzipped.
//!
//! In: a folder with `train-images`, `train-labels` and perhaps `t10k-images`,
//! `t10k-labels`. Out: columns `image` (bytes, scale 1/255) and `label`; the
//! t10k rows come last and are the table's own test part.
//! Format: bytes 0, 0, type (8 = unsigned byte), rank; rank sizes as big-endian
//! u32; the values row-major (yann.lecun.com/exdb/mnist).
//! Sizes in a header are checked against the length of the file before anything
//! is allocated, so a hostile header costs nothing.

use super::error::DataError;
use super::table::{Column, Kind, Schema, SchemaColumn, Table, Values};
use crate::diag::nearest;
use flate2::bufread::GzDecoder;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Deflate cannot expand a byte to more than this (zlib technical details).
const MOST_EXPANSION: usize = 1032;

/// Reads headers and labels.
pub fn schema(dir: &Path) -> Result<Schema, DataError> {
    let folder = Folder::open(dir)?;
    let labels = folder.labels()?;
    let (kind, names) = label_kind(&labels);
    let label = SchemaColumn { name: "label".into(), kind, shape: vec![], classes: Some(names), missing: 0, odd: None };
    let image = SchemaColumn {
        name: "image".into(),
        kind: Kind::Number,
        shape: folder.image_shape().to_vec(),
        classes: None,
        missing: 0,
        odd: None,
    };
    let own_test = folder.test.as_ref().map(|part| part.rows);
    Ok(Schema { name: name_of(dir), columns: vec![image, label], rows: Some(labels.len()), own_test })
}

/// Reads everything, the two parts at the same time.
pub fn load(dir: &Path) -> Result<Table, DataError> {
    let folder = Folder::open(dir)?;
    let row_size: usize = folder.image_shape().iter().product();
    let test_rows = folder.test.as_ref().map_or(0, |part| part.rows);
    let rows = folder.train.rows + test_rows;
    let mut bytes = vec![0_u8; rows * row_size];
    let (train_bytes, test_bytes) = bytes.split_at_mut(folder.train.rows * row_size);
    let labels = std::thread::scope(|scope| {
        let rest = scope.spawn(|| {
            folder.test.as_ref().map_or(Ok(()), |part| part.images.read(test_bytes))?;
            folder.labels()
        });
        let images = folder.train.images.read(train_bytes);
        let labels = rest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        images.and(labels)
    })?;
    let (kind, _) = label_kind(&labels);
    let labels = labels.into_iter().map(i32::from).collect();
    let image_values = Values::U8 { bytes, scale: 1.0 / 255.0 };
    let image = Column::new("image", Kind::Number, folder.image_shape().to_vec(), image_values);
    let label = Column::new("label", kind, Vec::new(), Values::I32(labels));
    let mut table = Table::new(name_of(dir), vec![image, label])?;
    table.own_test = folder.test.as_ref().map(|_| folder.train.rows..rows);
    Ok(table)
}

/// The files of a folder, headers checked.
struct Folder {
    train: Part,
    test: Option<Part>,
}

struct Part {
    rows: usize,
    images: File,
    labels: File,
}

/// A file in memory, still compressed, and what its header says.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    sizes: Vec<usize>,
}

impl Folder {
    fn open(dir: &Path) -> Result<Self, DataError> {
        let train = Part::open(dir, "train")?;
        let has_test = find(dir, "t10k", "images").is_some() || find(dir, "t10k", "labels").is_some();
        let test = if has_test { Some(Part::open(dir, "t10k")?) } else { None };
        if let Some(test) = &test
            && test.images.sizes[1..] != train.images.sizes[1..]
        {
            let (found, expected) = (&test.images.sizes[1..], &train.images.sizes[1..]);
            let message = format!("rows of shape {found:?}, but the train part has {expected:?}");
            return Err(DataError::new(message).file(&test.images.path));
        }
        Ok(Folder { train, test })
    }

    fn image_shape(&self) -> &[usize] {
        &self.train.images.sizes[1..]
    }

    /// Labels of all rows.
    fn labels(&self) -> Result<Vec<u8>, DataError> {
        let mut labels = vec![0; self.train.rows];
        self.train.labels.read(&mut labels)?;
        if let Some(test) = &self.test {
            labels.resize(self.train.rows + test.rows, 0);
            test.labels.read(&mut labels[self.train.rows..])?;
        }
        Ok(labels)
    }
}

impl Part {
    fn open(dir: &Path, part: &str) -> Result<Self, DataError> {
        let images = File::open(dir, part, "images")?;
        let labels = File::open(dir, part, "labels")?;
        if images.sizes.len() < 2 {
            return Err(DataError::new("images need at least two axes, this file has one").file(&images.path));
        }
        if labels.sizes.len() != 1 {
            let message = format!("labels have one axis, this file has {}", labels.sizes.len());
            return Err(DataError::new(message).file(&labels.path));
        }
        let rows = images.sizes[0];
        if labels.sizes[0] != rows {
            let message = format!("{} labels, but {rows} images", labels.sizes[0]);
            return Err(DataError::new(message).file(&labels.path));
        }
        if rows == 0 {
            return Err(DataError::new("this file has no rows").file(&images.path));
        }
        Ok(Part { rows, images, labels })
    }
}

impl File {
    fn open(dir: &Path, part: &str, what: &str) -> Result<Self, DataError> {
        let path = find(dir, part, what).ok_or_else(|| missing(dir, part, what))?;
        let bytes = std::fs::read(&path).map_err(|error| DataError::io(&path, &error))?;
        let mut file = File { path, bytes, sizes: Vec::new() };
        file.sizes = file.header()?;
        Ok(file)
    }

    /// The sizes of the axes, checked against the length of the file.
    fn header(&self) -> Result<Vec<usize>, DataError> {
        let mut reader = self.reader();
        let mut magic = [0; 4];
        self.fill(&mut reader, &mut magic)?;
        if magic[..2] != [0, 0] || !(1..=4).contains(&magic[3]) {
            let message = format!("this is no IDX file: it begins with {magic:02x?}, not 00 00 08");
            return Err(DataError::new(message).file(&self.path));
        }
        if magic[2] != 8 {
            let message = format!("values of IDX type {:#04x}, but only unsigned bytes (0x08) are read", magic[2]);
            return Err(DataError::new(message).file(&self.path));
        }
        let mut sizes = Vec::new();
        for _ in 0..magic[3] {
            let mut size = [0; 4];
            self.fill(&mut reader, &mut size)?;
            sizes.push(u32::from_be_bytes(size) as usize);
        }
        let header = 4 + 4 * sizes.len();
        let total = sizes.iter().try_fold(1_usize, |total, &size| total.checked_mul(size));
        let most = if self.is_gzip() { self.bytes.len().saturating_mul(MOST_EXPANSION) } else { self.bytes.len() };
        match total.and_then(|total| total.checked_add(header)) {
            Some(total) if total <= most => Ok(sizes),
            _ => Err(DataError::new(format!("the header says {sizes:?} bytes, but the file is too short for that"))
                .file(&self.path)
                .help("the file is cut off or damaged: fetch it again")),
        }
    }

    /// The values, which must fill `out` exactly.
    fn read(&self, out: &mut [u8]) -> Result<(), DataError> {
        let mut reader = self.reader();
        let mut header = vec![0; 4 + 4 * self.sizes.len()];
        self.fill(&mut reader, &mut header)?;
        self.fill(&mut reader, out)?;
        // One read beyond the end also makes the decoder check its checksum.
        match reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => {
                Err(DataError::new(format!("the file is longer than its header says ({:?})", self.sizes))
                    .file(&self.path))
            }
            Err(error) => Err(self.damaged(&error)),
        }
    }

    fn fill(&self, reader: &mut impl Read, out: &mut [u8]) -> Result<(), DataError> {
        reader.read_exact(out).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &std::io::Error) -> DataError {
        let message = match error.kind() {
            ErrorKind::UnexpectedEof => "the file ends too early".to_string(),
            _ => format!("the file is damaged: {error}"),
        };
        DataError::new(message).file(&self.path).help("the file is cut off or damaged: fetch it again")
    }

    fn is_gzip(&self) -> bool {
        self.bytes.starts_with(&[0x1F, 0x8B])
    }

    fn reader(&self) -> Reader<'_> {
        if self.is_gzip() { Reader::Gzip(Box::new(GzDecoder::new(&self.bytes))) } else { Reader::Plain(&self.bytes) }
    }
}

/// The file's bytes after decompression; what the name says does not matter.
enum Reader<'a> {
    Gzip(Box<GzDecoder<&'a [u8]>>),
    Plain(&'a [u8]),
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Reader::Gzip(decoder) => decoder.read(out),
            Reader::Plain(bytes) => bytes.read(out),
        }
    }
}

/// Labels as classes `0..=highest`, named by their numbers.
fn label_kind(labels: &[u8]) -> (Kind, Vec<String>) {
    let count = labels.iter().max().map_or(0, |&highest| usize::from(highest) + 1);
    let names: Vec<String> = (0..count).map(|class| class.to_string()).collect();
    (Kind::Class { count, names: names.clone() }, names)
}

/// The names under which a file is looked for, in order of preference.
fn candidates(part: &str, what: &str) -> Vec<String> {
    let rank = if what == "images" { 3 } else { 1 };
    let names = ['-', '.'].map(|dot| format!("{part}-{what}{dot}idx{rank}-ubyte"));
    names.into_iter().flat_map(|name| [name.clone(), name + ".gz"]).collect()
}

fn find(dir: &Path, part: &str, what: &str) -> Option<PathBuf> {
    candidates(part, what).into_iter().map(|name| dir.join(name)).find(|path| path.is_file())
}

fn missing(dir: &Path, part: &str, what: &str) -> DataError {
    if !dir.is_dir() {
        return match std::fs::metadata(dir) {
            Err(error) => DataError::io(dir, &error),
            Ok(_) => DataError::new(format!("{} is not a folder", dir.display())).file(dir),
        };
    }
    let names = candidates(part, what);
    let wanted = &names[1];
    let error = DataError::new(format!("there is no {wanted} (or without .gz) in {}", dir.display())).file(dir);
    let mut there: Vec<String> = std::fs::read_dir(dir)
        .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    there.sort();
    match names.iter().find_map(|name| nearest(name, there.iter().map(String::as_str))) {
        // A neighbour such as t10k for train is not a misspelling.
        Some(near) if near.starts_with(&part[..1]) && near.contains(&what[..3]) => {
            error.help(format!("there is {near}: rename it"))
        }
        _ => error.help("the four files of MNIST are train-images, train-labels, t10k-images and t10k-labels"),
    }
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map_or_else(|| "idx".into(), |name| name.to_string_lossy().into_owned())
}
