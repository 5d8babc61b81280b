//! A program that applies a trained model to new rows.
//!
//! In: a program with a train, the weights that it wrote, a CSV file. Out: a
//! checked program of what the model needs (its definition, the data set with
//! its columns and fits, the names both use), which loads the weights, reads the
//! new rows as those of the set and prints what the model makes of them.
//! Statements that the model does not need are blanked, so that what is wrong is
//! still shown at its place in the file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Failure, Front, Settings, check_text, default_out};
use crate::check::typed::{ActionKind, Shown};
use crate::diag::Code;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast::{Pattern, Stmt, StmtKind};
use crate::train::data;

/// The set of the new rows in the program that is made.
const NEW_ROWS: &str = "new_rows_of_predict";

/// What is to be predicted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The model; the last that the file trains, if not said.
    pub model: Option<String>,
    /// The new rows, a CSV file.
    pub rows: PathBuf,
    /// The file of weights; what a run of the program has written, if not said.
    pub weights: Option<PathBuf>,
}

/// A program whose one `print` is the model's output for all rows.
pub struct Prediction {
    /// The program.
    pub front: Front,
    /// The model's name.
    pub model: String,
    /// The names of the classes whose scores the output may be: those of a column of the set with as many.
    pub classes: Vec<Vec<String>>,
}

/// What of a file a prediction is made of.
struct Chosen {
    model: String,
    inputs: Vec<String>,
    data: String,
}

/// Makes the program and checks it.
///
/// # Errors
/// The file cannot be read, trains no such model, or the new rows or the weights do not fit it.
pub fn prediction(path: &Path, settings: &Settings, wanted: &Wanted) -> Result<Prediction, Failure> {
    let (sources, tree) = super::tree(path)?;
    let text = sources.file(FileId(0)).text.to_string();
    let chosen = chosen(&sources, &tree.stmts, wanted.model.as_deref())
        .map_err(|reason| Failure::Io(format!("{}: {reason}", path.display())))?;
    let weights = match &wanted.weights {
        Some(weights) => weights.clone(),
        None => default_out(path).join(format!("{}.safetensors", chosen.model)),
    };
    for (what, file) in [("rows", &wanted.rows), ("weights", &weights)] {
        if !file.is_file() {
            let help =
                if what == "weights" { ": run the program first, or say where they are with --weights" } else { "" };
            return Err(Failure::Io(format!("no {what} in {}{help}", file.display())));
        }
    }
    let Chosen { model, inputs, data } = chosen;
    let length = text.len() as u32;
    let mut made = needed(&sources, &tree.stmts, text, &[&model, &data]);
    made += &format!(
        "\ndata {NEW_ROWS} = csv({}) as {data}\nload {model} from {}\nprint {model}({}) on {NEW_ROWS}.all\n",
        quoted(&wanted.rows),
        quoted(&weights),
        inputs.join(", ")
    );
    let mut front =
        check_text(path, made, settings).map_err(|failure| explained(failure, length, &wanted.rows, &data))?;
    front.warnings.clear();
    let classes = front.program.data.iter().flat_map(|data| &data.columns).filter_map(|column| column.classes());
    let classes = classes.map(|names| names.to_vec()).collect();
    Ok(Prediction { front, model, classes })
}

/// What is not known in the lines that were added is not among the columns of the new rows.
fn explained(mut failure: Failure, length: u32, rows: &Path, data: &str) -> Failure {
    let Failure::Wrong { diagnostics, .. } = &mut failure else { return failure };
    let source = data::Source::Csv { path: rows.to_path_buf() };
    let Ok(schema) = data::schema(&source) else { return failure };
    let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
    for found in diagnostics.iter_mut().filter(|found| found.code == Code::E0201 && found.primary.span.start >= length)
    {
        found.help = Some(format!(
            "{} has the columns {}: not all that this is made of in `{data}`",
            rows.display(),
            names.join(", ")
        ));
    }
    failure
}

/// The model, its inputs, and the set that it was trained on.
fn chosen(sources: &SourceMap, stmts: &[Stmt], wanted: Option<&str>) -> Result<Chosen, String> {
    let mut trained = stmts.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Train { subject: Some(subject), on, .. } if subject.rest.is_empty() => Some((&subject.head.text, on)),
        _ => None,
    });
    let last = match wanted {
        Some(wanted) => trained.rfind(|(name, _)| *name == wanted),
        None => trained.next_back(),
    };
    let Some((model, on)) = last else {
        return Err(match wanted {
            Some(wanted) => format!("no statement `train {wanted} on ...`"),
            None => "no statement `train MODEL on DATA`: there is no model to predict with".to_string(),
        });
    };
    let Some(on) = on else { return Err(format!("`{model}` is trained without data: there are no columns to read")) };
    let data = sources.text(on.part.span).split('.').next().unwrap_or_default().trim().to_string();
    let inputs = stmts.iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Model(definition) if definition.name.text == *model => Some(
            definition.inputs.iter().filter(|arg| arg.default.is_none()).map(|arg| arg.name.text.clone()).collect(),
        ),
        _ => None,
    });
    let inputs = inputs.ok_or_else(|| format!("`{model}` is no model of the file itself"))?;
    Ok(Chosen { model: model.clone(), inputs, data })
}

/// The text with every statement blanked that binds nothing of what these names need.
fn needed(sources: &SourceMap, stmts: &[Stmt], mut text: String, names: &[&str]) -> String {
    let mut wanted: HashSet<String> = names.iter().map(|name| name.to_string()).collect();
    let mut kept: HashSet<Span> = HashSet::new();
    loop {
        let before = kept.len();
        for stmt in stmts {
            let keeps =
                matches!(stmt.kind, StmtKind::Import { .. }) || bound(stmt).iter().any(|name| wanted.contains(name));
            if keeps && kept.insert(stmt.span) {
                let words = sources.text(stmt.span).split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\''));
                wanted.extend(words.map(str::to_string));
            }
        }
        if kept.len() == before {
            break;
        }
    }
    for stmt in stmts.iter().filter(|stmt| !kept.contains(&stmt.span)) {
        let (start, end) = (stmt.span.start as usize, stmt.span.end as usize);
        let blank: String = text[start..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        text.replace_range(start..end, &blank);
    }
    text
}

/// The names that a statement gives meaning, if it is one that a model may need.
fn bound(stmt: &Stmt) -> Vec<String> {
    match &stmt.kind {
        StmtKind::Const(list) => list.iter().map(|(name, _)| name.text.clone()).collect(),
        StmtKind::Fn(definition) | StmtKind::Layer(definition) | StmtKind::Model(definition) => {
            vec![definition.name.text.clone()]
        }
        StmtKind::Data { name, .. } => vec![name.text.clone()],
        StmtKind::Param(list) => list.iter().map(|declared| declared.name.text.clone()).collect(),
        StmtKind::Let { pattern, on: None, .. } => names_of(pattern),
        _ => Vec::new(),
    }
}

fn names_of(pattern: &Pattern) -> Vec<String> {
    match pattern {
        Pattern::Name(name) => vec![name.text.clone()],
        Pattern::Tuple(parts, _) => parts.iter().flat_map(names_of).collect(),
    }
}

/// A path as a text of the language.
fn quoted(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let text = whole.display().to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('{', "\\{");
    format!("\"{text}\"")
}

impl Prediction {
    /// The numbers of the classes are shown by these names, if the output itself holds classes.
    pub fn own_classes(&self) -> Option<&[String]> {
        let printed = self.front.program.actions.iter().find_map(|action| match &action.kind {
            ActionKind::Print { values, .. } => values.first(),
            _ => None,
        });
        match printed {
            Some(Shown::Output(_, Some(names))) => Some(names),
            _ => None,
        }
    }
}
