//! Tables and pictures in the typed tree: what a `record` appends, what a `plot` draws.
//!
//! A picture holds no numbers: its series name outputs of the action's
//! evaluation, which a compiled program computes as it does those of a `print`.
//! Invariant: the kinds are a closed set, matched exhaustively where they are
//! drawn; shapes have been checked.

use std::sync::Arc;

use super::typed::Shown;
use crate::ir::Type;
use crate::ir::graph::id;
use crate::source::Span;

id! {
    /// A table of recorded rows.
    TableId "table"
}

/// A table of the program: columns that grow by a row at each `record`.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of the first `record`.
    pub columns: Vec<TableColumn>,
    /// The first `record`, or the `as` of a train.
    pub span: Span,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Type of one row.
    pub ty: Type,
    /// The texts that its numbers stand for.
    pub classes: Option<Arc<[String]>>,
}

/// A row to be appended, cell by cell in the order of the columns.
#[derive(Clone, Debug)]
pub struct Row {
    /// To which table.
    pub table: TableId,
    /// Its cells.
    pub cells: Vec<Cell>,
    /// The `record`.
    pub span: Span,
}

/// A cell of a row.
#[derive(Clone, Copy, Debug)]
pub enum Cell {
    /// An output of the evaluation (in a train: of the values recorded in its phase).
    Output(usize),
    /// A number known before the run, or the number of a text among its column's.
    Known(f32),
}

/// Rows of one table with the same keys as one row of another.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// Whose rows.
    pub from: TableId,
    /// The result: the keys, `rows`, then mean and spread of each other column.
    pub into: TableId,
    /// For each row of the result the keys of the rows it is made of, as numbers or as numbers of texts.
    pub groups: Vec<Vec<f32>>,
    /// Columns of `from` that are keys.
    pub keys: Vec<usize>,
    /// Columns of `from` that are averaged.
    pub averaged: Vec<usize>,
}

/// Numbers of a picture.
#[derive(Clone, Debug)]
pub struct Series {
    /// The output that holds them.
    pub output: usize,
    /// What they are called: the text of their expression.
    pub name: String,
    /// Names of the classes, if they are classes.
    pub classes: Option<Arc<[String]>>,
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What is drawn, in one pair of axes, the first below the others.
    pub marks: Vec<Mark>,
    /// `title = "..."`
    pub title: Option<String>,
    /// `x_label = "..."`
    pub x_label: Option<String>,
    /// `y_label = "..."`
    pub y_label: Option<String>,
    /// `log = "x"`, `"xy"`
    pub log_x: bool,
    /// `log = "y"`, `"xy"`
    pub log_y: bool,
    /// `theme = "dark"`
    pub theme: Theme,
    /// The file's name.
    pub to: Option<Shown>,
}

/// On what a picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// As the reader's system says where the format can, light otherwise.
    Auto,
    /// Dark on white.
    Light,
    /// Light on black.
    Dark,
}

/// Something drawn.
#[derive(Clone, Debug)]
pub enum Mark {
    /// Points joined in their order; `by` makes a line of each class. Without `x` they are numbered. Names are those
    /// of the lines, or none.
    Line { x: Option<Series>, y: Vec<Series>, by: Option<Series>, names: Vec<String> },
    /// Points, coloured by class.
    Scatter { x: Series, y: Series, by: Option<Series>, names: Vec<String> },
    /// Straight lines from side to side at numbers of an axis: upright ones or level ones.
    Rules { at: Vec<Series>, upright: bool },
    /// Lines of equal height of values on a square grid of `side` points a side over a rectangle; at the levels, or
    /// spread over the picture.
    Contours { values: Series, x: (f64, f64), y: (f64, f64), side: usize, levels: Vec<f64> },
    /// What a classifier says of the points of a square grid, and the labelled points themselves; lines where its one
    /// score has the levels.
    Boundary { grid: Series, scores: Series, side: usize, points: Series, label: Option<Series>, levels: Vec<f64> },
    /// Counts of predicted classes for each true one.
    Confusion { predicted: Series, label: Series },
    /// True against false positive rate over all thresholds; of several classes one against the rest.
    Roc { scores: Series, label: Series },
    /// Precision against recall over all thresholds; of several classes one against the rest.
    Pr { scores: Series, label: Series },
    /// Images side by side, each under its name or class.
    ImageGrid { images: Series, columns: Option<usize>, by: Option<Series>, names: Vec<String> },
    /// A bar for each number, with its name below; vectors are groups that the legend names.
    Bars { values: Vec<Series>, names: Vec<String> },
    /// How often values fall into equal intervals.
    Histogram { values: Vec<Series>, by: Option<Series>, bins: usize },
    /// Median, quartiles and extremes of each group.
    Box { group: Option<Series>, value: Series, by: Option<Series> },
}

/// The kinds of marks by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MarkKind {
    Line,
    Scatter,
    Hline,
    Vline,
    Contours,
    Boundary,
    Confusion,
    Roc,
    Pr,
    ImageGrid,
    Bars,
    Histogram,
    Box,
}

impl MarkKind {
    /// All of them.
    pub const ALL: [MarkKind; 13] = [
        MarkKind::Line,
        MarkKind::Scatter,
        MarkKind::Hline,
        MarkKind::Vline,
        MarkKind::Contours,
        MarkKind::Boundary,
        MarkKind::Confusion,
        MarkKind::Roc,
        MarkKind::Pr,
        MarkKind::ImageGrid,
        MarkKind::Bars,
        MarkKind::Histogram,
        MarkKind::Box,
    ];

    /// As programs write it.
    pub fn word(self) -> &'static str {
        match self {
            MarkKind::Line => "line",
            MarkKind::Scatter => "scatter",
            MarkKind::Hline => "hline",
            MarkKind::Vline => "vline",
            MarkKind::Contours => "contours",
            MarkKind::Boundary => "boundary",
            MarkKind::Confusion => "confusion",
            MarkKind::Roc => "roc",
            MarkKind::Pr => "pr",
            MarkKind::ImageGrid => "image_grid",
            MarkKind::Bars => "bars",
            MarkKind::Histogram => "histogram",
            MarkKind::Box => "box",
        }
    }

    /// The kind with this word.
    pub fn of(word: &str) -> Option<MarkKind> {
        MarkKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Names of its own arguments, and whether the last positional one may be repeated.
    pub fn arguments(self) -> (&'static [&'static str], &'static [&'static str], usize, bool) {
        match self {
            MarkKind::Line => (&["x", "y"], &["by", "names"], 1, true),
            MarkKind::Scatter => (&["x", "y"], &["by", "names"], 1, false),
            MarkKind::Hline => (&["y"], &["names"], 1, true),
            MarkKind::Vline => (&["x"], &["names"], 1, true),
            MarkKind::Contours => (&["f"], &["x", "y", "levels"], 1, false),
            MarkKind::Boundary => (&["f", "points", "label"], &["levels"], 2, false),
            MarkKind::Confusion => (&["scores", "label"], &[], 2, false),
            MarkKind::Roc | MarkKind::Pr => (&["scores", "label"], &["names"], 2, false),
            MarkKind::ImageGrid => (&["images"], &["columns", "by", "names"], 1, false),
            MarkKind::Bars => (&["values"], &["names", "groups"], 1, true),
            MarkKind::Histogram => (&["values"], &["by", "bins", "names"], 1, true),
            MarkKind::Box => (&["group", "value"], &["by"], 1, false),
        }
    }
}
