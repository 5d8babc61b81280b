//! Data sets of the typed tree: where their rows come from, which columns are
//! read of them and how, and how their rows are shared out into parts.

use std::sync::Arc;

use super::dims::AtomId;
use super::typed::{DataId, NodeId, SlotId};
use crate::source::Span;

/// A data set as declared. What is read of its source is known, the numbers are read when it runs.
#[derive(Clone, Debug)]
pub struct Data {
    /// Its name: also the key of its shuffling.
    pub name: String,
    /// Where the rows come from.
    pub source: Source,
    /// What is read of the source; [`Kind::Column`] refers to it.
    pub columns: Vec<Column>,
    /// What programs can name, with its type, for listings.
    pub named: Vec<(String, String)>,
    /// The open size: how many of its rows are at hand.
    pub at_hand: AtomId,
    /// Number of all rows (its own test part not counted).
    pub rows: u64,
    /// Rows of the set's own test part.
    pub test_rows: u64,
    /// `keep_rows`: which rows there are at all.
    pub kept: Option<NodeId>,
    /// What `split` says of each part; empty: everything is `train`.
    pub split: Vec<(String, Share)>,
    /// The column whose proportions each part keeps.
    pub stratify: Option<usize>,
    /// Rows of each part, in the order train, val, test.
    pub parts: Vec<(String, u64)>,
    /// Which fold of another set it is.
    pub fold: Option<Fold>,
    /// `as`: the set whose columns, classes and fits it has. All its rows are the part `all`.
    pub like: Option<DataId>,
    /// What its transforms learn from its training part.
    pub fits: Vec<SlotId>,
    /// The seed in force where it stands: of its split.
    pub seed: i64,
    /// The declaration.
    pub span: Span,
}

/// Which rows a part has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// A fraction of the rows that no condition takes.
    Fraction(f64),
    /// The rows where this is true.
    Rows(NodeId),
}

/// One of the sets that `folds(d, k)` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The set whose rows are dealt out.
    pub of: DataId,
    /// Which fold is held back, from 0.
    pub number: usize,
    /// How many there are.
    pub count: usize,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A CSV file with a header.
    Csv { path: String },
    /// A folder of MNIST-style IDX files.
    Idx { path: String },
    /// A text file: its pieces, how many make a row, and how far apart rows begin.
    Text { path: String, by: TextBy, window: Option<usize>, stride: Option<usize> },
    /// The columns of numbers of a CSV file as pieces of one long series: values in a row, how many behind it are to be
    /// predicted, how far apart rows begin.
    Series { path: String, window: usize, horizon: usize, stride: usize },
    /// Columns written in the program.
    Literal { columns: Vec<LiteralColumn> },
    /// A built-in generator with its arguments by name.
    Generated { generator: String, args: Vec<(String, f64)> },
}

impl Source {
    /// The same with another path, if it has one.
    pub fn with_path(&self, place: impl FnOnce(&str) -> String) -> Source {
        let mut source = self.clone();
        match &mut source {
            Source::Csv { path } | Source::Idx { path } | Source::Text { path, .. } | Source::Series { path, .. } => {
                *path = place(path)
            }
            Source::Literal { .. } | Source::Generated { .. } => {}
        }
        source
    }

    /// Whether its rows are pieces of one long sequence: its parts are contiguous.
    pub fn is_sequence(&self) -> bool {
        matches!(self, Source::Text { by: TextBy::Characters | TextBy::Words, .. } | Source::Series { .. })
    }
}

/// A column that stands in the program.
#[derive(Clone, Debug, PartialEq)]
pub struct LiteralColumn {
    /// Its name.
    pub name: String,
    /// Shape of a row.
    pub shape: Vec<usize>,
    /// The values, row by row.
    pub values: LiteralValues,
}

impl LiteralColumn {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        let values = match &self.values {
            LiteralValues::Numbers(values) => values.len(),
            LiteralValues::Texts(texts) => texts.len(),
        };
        values / self.shape.iter().product::<usize>().max(1)
    }
}

/// The values of a [`LiteralColumn`].
#[derive(Clone, Debug, PartialEq)]
pub enum LiteralValues {
    /// Numbers; a missing one is NaN.
    Numbers(Vec<f32>),
    /// Texts; a missing one is empty.
    Texts(Vec<String>),
}

/// What the pieces of a text are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextBy {
    /// Characters of the running text.
    Characters,
    /// Words and marks of the running text.
    Words,
    /// Characters, each line a row.
    Lines,
}

/// What is read of a source.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name, of no other in its set.
    pub name: String,
    /// Shape of one row.
    pub shape: Vec<usize>,
    /// What it is read as.
    pub holds: Holds,
    /// Columns of the source it is made of, joined side by side.
    pub from: Vec<String>,
    /// What the program wants of it.
    pub need: Need,
}

impl Column {
    /// Names of its classes, if it holds classes.
    pub fn classes(&self) -> Option<&Arc<[String]>> {
        match &self.holds {
            Holds::Classes(names) => Some(names),
            Holds::Numbers | Holds::RowNumbers | Holds::Texts => None,
        }
    }
}

/// What a column of a source is read as.
#[derive(Clone, Debug, PartialEq)]
pub enum Holds {
    /// Numbers; a missing one is NaN.
    Numbers,
    /// Numbers of these classes; a missing one is -1.
    Classes(Arc<[String]>),
    /// The numbers of the rows, from 0, as the source has them.
    RowNumbers,
    /// Texts, to be shown.
    Texts,
}

/// What a program wants of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing: it is not read.
    Nothing,
    /// Its values, empty ones included: they are filled, or asked for.
    Values,
    /// A value in each row.
    Complete,
}
