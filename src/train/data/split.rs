//! Parts of a data set: splits and folds.
//!
//! In: rows, fractions or a number of folds, a seed. Out: [`Parts`], lists of
//! rows. Invariant: every row is in exactly one part (of a split; of one fold),
//! rows of a part ascend (memory is read forwards; epochs are shuffled later).
//! Which rows fall into which part is a function of (seed, data name, row count).

use super::error::DataError;
use super::random::{Stream, key};
use super::table::{Column, Kind, Values, as_class};

/// Named lists of rows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Parts {
    /// In the order of the split; an own test part comes last, as `test`.
    pub parts: Vec<(String, Vec<u32>)>,
}

impl Parts {
    /// The rows of a part.
    pub fn get(&self, name: &str) -> Option<&[u32]> {
        self.parts.iter().find(|(part, _)| part == name).map(|(_, rows)| rows.as_slice())
    }
}

/// Splits rows by fractions, largest remainders rounding up. No fractions: all are `train`. With `stratify` every class
/// (or distinct value) keeps its proportion in every part, again to one row.
///
/// # Errors
/// Fractions that are negative, not finite or do not sum to 1 (within 1e-6), a
/// part twice, a `stratify` column that cannot be classes, a part that would be
/// empty although its fraction is not 0.
pub fn split_rows(
    name: &str,
    rows: &[u32],
    fractions: &[(&str, f64)],
    seed: u64,
    stratify: Option<&Column>,
) -> Result<Parts, DataError> {
    let fractions = if fractions.is_empty() { &[("train", 1.0)] } else { fractions };
    check(fractions)?;
    let mut lists: Vec<Vec<u32>> = vec![Vec::new(); fractions.len()];
    for group in groups(rows, stratify, key(seed, name))? {
        let mut rest = group.as_slice();
        for (list, count) in lists.iter_mut().zip(apportion(group.len(), fractions)) {
            let (own, others) = rest.split_at(count);
            list.extend_from_slice(own);
            rest = others;
        }
    }
    let mut parts = Vec::new();
    for ((part, fraction), mut list) in fractions.iter().zip(lists) {
        if list.is_empty() && *fraction > 0.0 {
            let message = format!("part {part} = {fraction} of {name} would have no rows");
            return Err(DataError::new(message).help("take a larger fraction, or more data"));
        }
        list.sort_unstable();
        parts.push((part.to_string(), list));
    }
    Ok(Parts { parts })
}

/// Deals rows out to `count` sets with parts `train` and `val`; every row is in `val` of exactly one of them.
///
/// # Errors
/// Fewer than 2 folds, more folds than rows, a `stratify` column that cannot be classes.
pub fn deal(
    name: &str,
    rows: &[u32],
    count: usize,
    seed: u64,
    stratify: Option<&Column>,
) -> Result<Vec<Parts>, DataError> {
    if count < 2 || count > rows.len() {
        let message = format!("{count} folds of {} rows: the number must be from 2 to the number of rows", rows.len());
        return Err(DataError::new(message));
    }
    let rows: Vec<u32> = groups(rows, stratify, key(seed, name))?.into_iter().flatten().collect();
    let fold = |held_out: usize| {
        // Dealing the groups out like cards keeps proportions, to one row for each class.
        let (mut train, mut val) = (Vec::new(), Vec::new());
        for (position, &row) in rows.iter().enumerate() {
            if position % count == held_out { val.push(row) } else { train.push(row) }
        }
        train.sort_unstable();
        val.sort_unstable();
        Parts { parts: vec![("train".to_string(), train), ("val".to_string(), val)] }
    };
    Ok((0..count).map(fold).collect())
}

fn check(fractions: &[(&str, f64)]) -> Result<(), DataError> {
    for (index, (name, fraction)) in fractions.iter().enumerate() {
        if !(0.0..=1.0).contains(fraction) {
            return Err(DataError::new(format!("part {name} = {fraction}: a fraction is from 0 to 1")));
        }
        if fractions[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(DataError::new(format!("part {name} is given twice")));
        }
    }
    let sum: f64 = fractions.iter().map(|(_, fraction)| fraction).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(DataError::new(format!("the fractions of a split sum to 1, these sum to {}", rounded(sum))));
    }
    Ok(())
}

/// The rows in one shuffled list, or in one for each class.
fn groups(rows: &[u32], stratify: Option<&Column>, key: u64) -> Result<Vec<Vec<u32>>, DataError> {
    let mut rows = rows.to_vec();
    Stream::new(key, 0).shuffle(&mut rows);
    let Some(column) = stratify else { return Ok(vec![rows]) };
    let classes = as_class(column)?;
    let (Kind::Class { count, .. }, Values::I32(values)) = (&classes.kind, &classes.values) else {
        return Err(DataError::new("only a column of classes can be stratified by").column(&column.name));
    };
    let mut groups = vec![Vec::new(); *count];
    for row in rows {
        let class = values.get(row as usize).and_then(|&class| usize::try_from(class).ok());
        match class.and_then(|class| groups.get_mut(class)) {
            Some(group) => group.push(row),
            None => return Err(column.cell_error(row as usize, "this row has no class to be stratified by")),
        }
    }
    Ok(groups)
}

/// Whole numbers in proportion to the fractions that sum to `total` (largest remainder, ties to the first).
pub(super) fn apportion(total: usize, fractions: &[(&str, f64)]) -> Vec<usize> {
    // A hair above guards against 0.7 * 10 = 6.999999999999999.
    let exact: Vec<f64> = fractions.iter().map(|(_, fraction)| fraction * total as f64 + 1e-9).collect();
    let mut counts: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut order: Vec<usize> = (0..counts.len()).filter(|&part| fractions[part].1 > 0.0).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let given: usize = counts.iter().sum();
    for &part in order.iter().cycle().take(total.saturating_sub(given)) {
        counts[part] += 1;
    }
    // Fractions that sum to a little over 1 may give a row too many on a huge set.
    let mut excess = counts.iter().sum::<usize>().saturating_sub(total);
    for count in counts.iter_mut().rev() {
        let taken = excess.min(*count);
        *count -= taken;
        excess -= taken;
    }
    counts
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
