//! Data sets as the session needs them: loaded once, columns as declared.
//!
//! In: a declared data set. Out: [`Dataset`], whose columns stand in the order of
//! the declaration and whose parts are lists of rows. Invariant: types, shapes
//! and part sizes are those that checking saw, or the load fails; what nobody
//! needs is not kept.

use std::path::PathBuf;
use std::rc::Rc;

use super::data::{self, Argument, By, DataError, Parts, SeriesSource, Table, TextSource};
use super::engine::Interpreter;
use super::evaluate::{self, Rows};
use super::session;
use crate::check::typed::{
    Column, Data, Fold, Holds, Kind, LiteralColumn, LiteralValues, Need, NodeId, Program, Share, Source, TextBy,
};

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What is read, in the order of the declaration.
    pub columns: Rc<Vec<data::Column>>,
    /// Rows by part.
    parts: Parts,
    /// All rows but those of an own test part.
    all: Vec<u32>,
}

impl Dataset {
    /// The rows of a part, `all` included.
    pub fn rows(&self, part: &str) -> Option<&[u32]> {
        if part == "all" { Some(&self.all) } else { self.parts.get(part) }
    }

    /// How many rows each part has, `all` included.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let parts = self.parts.parts.iter().map(|(name, rows)| (name.clone(), rows.len() as u64));
        parts.chain([("all".to_string(), self.all.len() as u64)]).collect()
    }

    /// One fold of it: the rows outside the test part, dealt out.
    ///
    /// # Errors
    /// Too few rows.
    pub fn fold(&self, declared: &Data, fold: Fold, seed: i64) -> Result<Dataset, DataError> {
        let outside = self.parts.parts.iter().filter(|(name, _)| name != "test").flat_map(|(_, rows)| rows);
        let mut rows: Vec<u32> = outside.copied().collect();
        rows.sort_unstable();
        let stratify = declared.stratify.and_then(|at| self.columns.get(at));
        let mut parts = data::deal(&declared.name, &rows, fold.count, seed as u64, stratify)?.swap_remove(fold.number);
        parts.parts.extend(self.parts.parts.iter().filter(|(name, _)| name == "test").cloned());
        Ok(Dataset { columns: Rc::clone(&self.columns), parts, all: rows })
    }
}

/// Reads a data set.
///
/// # Errors
/// What is wrong with it, and where.
pub fn load(program: &Program, declared: &Data, seed: i64) -> Result<Dataset, DataError> {
    if let Some(fold) = declared.fold {
        let whole = load(program, &Data { fold: None, ..declared.clone() }, seed)?;
        return whole.fold(declared, fold, seed);
    }
    let fractions: Vec<(&str, f64)> = declared.split.iter().filter_map(fraction).collect();
    let (mut table, contiguous) = data::load_parts(&source(&declared.source), &fractions)?;
    table.name.clone_from(&declared.name);
    let chosen = chosen_rows(program, declared, &table)?;
    let test = table.own_test.clone().unwrap_or(0..0);
    let kept = |row: &usize| chosen.kept.as_ref().is_none_or(|kept| kept[*row]);
    let rows: Vec<u32> = (0..table.rows).filter(|row| !test.contains(row)).filter(kept).map(|row| row as u32).collect();
    let own_test: Option<Vec<u32>> =
        table.own_test.clone().map(|test| test.filter(kept).map(|row| row as u32).collect());
    let mut there = vec![false; table.rows];
    rows.iter().chain(own_test.iter().flatten()).for_each(|&row| there[row as usize] = true);
    let columns = make_all(&mut table, declared, &there)?;
    let stratify = declared.stratify.and_then(|at| columns.get(at));
    let mut parts = match contiguous {
        Some(parts) => parts,
        None if declared.like.is_some() => Parts::default(),
        None => share_out(declared, &rows, &chosen.parts, &fractions, seed, stratify)?,
    };
    parts.parts.extend(own_test.map(|rows| ("test".to_string(), rows)));
    Ok(Dataset { columns: Rc::new(columns), parts, all: rows })
}

fn fraction((name, share): &(String, Share)) -> Option<(&str, f64)> {
    match share {
        Share::Fraction(fraction) => Some((name, *fraction)),
        Share::Rows(_) => None,
    }
}

/// What conditions say of each row.
struct Chosen {
    kept: Option<Vec<bool>>,
    /// By part, in the order of the declaration.
    parts: Vec<(String, Vec<bool>)>,
}

/// Computes the conditions of a set over all its rows.
fn chosen_rows(program: &Program, declared: &Data, table: &Table) -> Result<Chosen, DataError> {
    let named = declared.split.iter().filter_map(|(name, share)| match share {
        Share::Rows(rows) => Some((name.clone(), *rows)),
        Share::Fraction(_) => None,
    });
    let named: Vec<(String, NodeId)> = named.collect();
    let nodes: Vec<NodeId> = declared.kept.into_iter().chain(named.iter().map(|(_, node)| *node)).collect();
    if nodes.is_empty() {
        return Ok(Chosen { kept: None, parts: Vec::new() });
    }
    let mut read = vec![false; declared.columns.len()];
    for node in program.reachable(nodes.iter().copied()) {
        if let Kind::Column { column, .. } = program.node(node).kind {
            read[column] = true;
        }
    }
    let columns = declared.columns.iter().zip(read).map(|(column, read)| match read {
        true => make(table, &Column { need: Need::Values, ..column.clone() }),
        false => Ok(nothing(column)),
    });
    let all: Vec<u32> = (0..table.rows as u32).collect();
    let columns = Rc::new(columns.collect::<Result<Vec<_>, _>>()?);
    let set = Rc::new(Dataset { columns, parts: Parts::default(), all: all.clone() });
    let mut memory = session::memory(program);
    let rows = Rows { set, rows: all.into(), atom: declared.at_hand, by: None };
    let computed = evaluate::prepare(program, &mut Interpreter::new(false), &mut memory, &nodes, Some(rows), "rows")
        .and_then(|mut prepared| prepared.run(&mut memory).map(|_| prepared.values()));
    let computed = computed.map_err(|reason| DataError::new(format!("internal error: {reason}")))?;
    let mut truths = computed.into_iter().map(|value| value.words.iter().map(|&word| word != 0).collect());
    let kept = declared.kept.and_then(|_| truths.next());
    Ok(Chosen { kept, parts: named.into_iter().map(|(name, _)| name).zip(truths).collect() })
}

/// The parts of a set whose rows are shuffled: first what conditions take, then fractions of the others.
fn share_out(
    declared: &Data,
    rows: &[u32],
    chosen: &[(String, Vec<bool>)],
    fractions: &[(&str, f64)],
    seed: i64,
    stratify: Option<&data::Column>,
) -> Result<Parts, DataError> {
    let part_of = |row: u32| chosen.iter().position(|(_, takes)| takes[row as usize]);
    let others: Vec<u32> = rows.iter().copied().filter(|&row| part_of(row).is_none()).collect();
    let mut parts = Parts::default();
    for (at, (name, _)) in chosen.iter().enumerate() {
        let taken: Vec<u32> = rows.iter().copied().filter(|&row| part_of(row) == Some(at)).collect();
        if taken.is_empty() {
            return Err(DataError::new(format!("no row of {} is in the part {name}", declared.name))
                .help("its condition is true of no row"));
        }
        parts.parts.push((name.clone(), taken));
    }
    let no_train = chosen.iter().any(|(name, _)| name == "train");
    if fractions.is_empty() && no_train {
        if !others.is_empty() {
            let message = format!("{} rows of {} are in no part", others.len(), declared.name);
            return Err(DataError::new(message).help("leave `train` out: it takes all rows that no other part has"));
        }
        return Ok(parts);
    }
    let rest = data::split_rows(&declared.name, &others, fractions, seed as u64, stratify)?;
    parts.parts.extend(rest.parts);
    let place = |name: &str| declared.split.iter().position(|(known, _)| known == name);
    parts.parts.sort_by_key(|(name, _)| place(name));
    Ok(parts)
}

/// The reader's description of a source.
pub fn source(declared: &Source) -> data::Source {
    match declared {
        Source::Csv { path } => data::Source::Csv { path: PathBuf::from(path) },
        Source::Idx { path } => data::Source::Idx { dir: PathBuf::from(path) },
        Source::Text { path, by, window, stride } => data::Source::Text(TextSource {
            path: PathBuf::from(path),
            by: match by {
                TextBy::Characters => By::Characters,
                TextBy::Words => By::Words,
                TextBy::Lines => By::Lines,
            },
            window: *window,
            stride: *stride,
        }),
        Source::Series { path, window, horizon, stride } => data::Source::Series(SeriesSource {
            path: PathBuf::from(path),
            window: *window,
            horizon: *horizon,
            stride: *stride,
        }),
        Source::Literal { columns } => data::Source::TableLiteral(columns.iter().map(literal).collect()),
        Source::Generated { generator, args } => data::Source::Generated {
            name: generator.clone(),
            args: args.iter().map(|(name, value)| Argument::named(name.clone(), *value)).collect(),
        },
    }
}

fn literal(column: &LiteralColumn) -> data::Column {
    let (kind, values, gaps): (_, _, Vec<bool>) = match &column.values {
        LiteralValues::Numbers(values) => (
            data::Kind::Number,
            data::Values::F32(values.clone()),
            values
                .chunks(column.shape.iter().product::<usize>().max(1))
                .map(|row| row.iter().any(|v| v.is_nan()))
                .collect(),
        ),
        LiteralValues::Texts(texts) => {
            let gaps = texts.iter().map(String::is_empty).collect();
            (data::Kind::Text, data::Values::Text(texts.clone()), gaps)
        }
    };
    let missing = gaps.iter().enumerate().filter(|(_, gap)| **gap).map(|(row, _)| row as u32).collect();
    data::Column { missing, ..data::Column::new(column.name.clone(), kind, column.shape.clone(), values) }
}

/// All columns that are needed; those that nothing else is made of are moved, not copied.
fn make_all(table: &mut Table, declared: &Data, there: &[bool]) -> Result<Vec<data::Column>, DataError> {
    let mut made = Vec::with_capacity(declared.columns.len());
    for (at, column) in declared.columns.iter().enumerate() {
        // The split reads its column whoever else does.
        let need = if declared.stratify == Some(at) { Need::Complete } else { column.need };
        if need == Need::Nothing {
            made.push(nothing(column));
            continue;
        }
        if need == Need::Complete {
            for name in &column.from {
                if let Some(part) = table.column(name) {
                    part.require_complete(there)?;
                }
            }
        }
        let later = &declared.columns[at + 1..];
        let again = |name: &String| later.iter().any(|other| other.from.contains(name));
        let whole = match column.from.as_slice() {
            [one] if column.holds == Holds::Numbers && !again(one) => {
                let found = table.columns.iter_mut().find(|known| known.name == *one);
                found.filter(|known| known.shape == column.shape && known.is_plain_numbers()).map(data::Column::take)
            }
            _ => None,
        };
        let mut column = match whole {
            Some(moved) => data::Column { name: column.name.clone(), ..moved },
            None => make(table, column)?,
        };
        column.missing.shrink_to_fit();
        made.push(column);
    }
    Ok(made)
}

/// What stands for a column that nobody reads.
fn nothing(declared: &Column) -> data::Column {
    let values = data::Values::F32(Vec::new());
    data::Column::new(declared.name.clone(), data::Kind::Number, declared.shape.clone(), values)
}

/// A declared column from those of the source.
fn make(table: &Table, declared: &Column) -> Result<data::Column, DataError> {
    let parts = declared
        .from
        .iter()
        .map(|name| table.column(name).ok_or_else(|| DataError::new(format!("{} has no column {name}", table.name))))
        .collect::<Result<Vec<_>, _>>()?;
    let mut column = match (&declared.holds, &parts[..]) {
        (Holds::RowNumbers, _) => {
            let rows = (0..table.rows as i32).collect();
            data::Column::new(declared.name.clone(), data::Kind::Number, Vec::new(), data::Values::I32(rows))
        }
        (Holds::Classes(names), [one]) => data::numbered(one, names)?,
        (Holds::Texts, [one]) => data::as_texts(one),
        (Holds::Numbers, [one]) if one.shape == declared.shape => data::as_numbers(one)?,
        (Holds::Numbers, _) => data::join(&parts)?,
        (Holds::Classes(_) | Holds::Texts, _) => return Err(DataError::new("internal error: classes of many columns")),
    };
    if column.shape != declared.shape {
        let message = format!("rows of {} have shape {:?}, it was {:?}", declared.name, column.shape, declared.shape);
        return Err(DataError::new(message).column(&declared.name));
    }
    column.name.clone_from(&declared.name);
    Ok(column)
}
