//! Windows over a sequence: rows that are pieces of one long column.
//!
//! In: a sequence (the characters of a text, a series of numbers), the length of
//! a row and the distance of rows. Out: [`Windows`], which hold the sequence once
//! and of each row only its start, and the parts of the sequence.
//! Invariant: parts are contiguous and in the order of the fractions; a row lies
//! within one part, whatever it looks ahead included.

use std::ops::Range;
use std::sync::Arc;

use super::error::DataError;
use super::split::{Parts, apportion};

/// A long column.
#[derive(Clone, Debug, PartialEq)]
pub enum Sequence {
    /// Class numbers below 256.
    Bytes(Vec<u8>),
    /// Class numbers below 65,536.
    Shorts(Vec<u16>),
    /// Numbers.
    Numbers(Vec<f32>),
}

/// Rows that are pieces of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// What they are pieces of.
    pub of: Arc<Sequence>,
    /// Where each row begins.
    pub starts: Arc<[u32]>,
    /// How far behind its start a row is read.
    pub ahead: usize,
    /// Values in a row.
    pub size: usize,
}

impl Windows {
    /// Writes rows one after another as 32-bit words.
    pub fn fill(&self, rows: &[u32], buffer: &mut [u32]) {
        match &*self.of {
            Sequence::Bytes(values) => self.gather(values, rows, buffer, u32::from),
            Sequence::Shorts(values) => self.gather(values, rows, buffer, u32::from),
            Sequence::Numbers(values) => self.gather(values, rows, buffer, f32::to_bits),
        }
    }

    /// The numbers of one row.
    pub fn copy_numbers(&self, row: usize, out: &mut [f32]) {
        let start = self.starts[row] as usize + self.ahead;
        let range = start..start + self.size;
        match &*self.of {
            Sequence::Bytes(values) => out.iter_mut().zip(&values[range]).for_each(|(out, &it)| *out = f32::from(it)),
            Sequence::Shorts(values) => out.iter_mut().zip(&values[range]).for_each(|(out, &it)| *out = f32::from(it)),
            Sequence::Numbers(values) => out.copy_from_slice(&values[range]),
        }
    }

    #[inline(always)]
    fn gather<T: Copy>(&self, values: &[T], rows: &[u32], buffer: &mut [u32], word: impl Fn(T) -> u32) {
        for (out, &row) in buffer.chunks_exact_mut(self.size.max(1)).zip(rows) {
            let start = self.starts[row as usize] as usize + self.ahead;
            out.iter_mut().zip(&values[start..start + self.size]).for_each(|(out, &value)| *out = word(value));
        }
    }
}

/// How a sequence is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Elements that a row reads, what it is to predict included.
    pub extent: usize,
    /// From the start of a row to that of the next.
    pub stride: usize,
    /// What an element is called, in the plural.
    pub unit: &'static str,
}

impl Cut {
    /// The starts of all rows, part after part. No fractions: one part, `train`.
    ///
    /// # Errors
    /// A part too short for one row.
    pub fn parts(&self, length: usize, fractions: &[(&str, f64)]) -> Result<(Arc<[u32]>, Parts), DataError> {
        let fractions = if fractions.is_empty() { &[("train", 1.0)] } else { fractions };
        let (mut starts, mut parts, mut from) = (Vec::new(), Parts::default(), 0);
        for (&(name, _), count) in fractions.iter().zip(apportion(length, fractions)) {
            let first = starts.len() as u32;
            starts.extend(self.starts(from..from + count));
            let rows: Vec<u32> = (first..starts.len() as u32).collect();
            if rows.is_empty() {
                let (unit, extent) = (self.unit, self.extent);
                let whole = if fractions.len() == 1 { "there are".to_string() } else { format!("`{name}` has") };
                let message = format!("{whole} {count} {unit}, and one row takes {extent}: too many for this window");
                return Err(DataError::new(message).help("take a smaller window, or more data"));
            }
            parts.parts.push((name.to_string(), rows));
            from += count;
        }
        Ok((starts.into(), parts))
    }

    fn starts(&self, part: Range<usize>) -> impl Iterator<Item = u32> {
        let last = (part.end + 1).saturating_sub(self.extent).max(part.start);
        (part.start..last).step_by(self.stride).map(|start| start as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_within_their_part_and_parts_in_their_order() {
        let cut = Cut { extent: 4, stride: 3, unit: "characters" };
        let (starts, parts) = cut.parts(20, &[("train", 0.6), ("test", 0.4)]).unwrap();
        assert_eq!(*starts, [0, 3, 6, 12, 15]);
        assert_eq!(parts.get("train"), Some(&[0, 1, 2][..]));
        assert_eq!(parts.get("test"), Some(&[3, 4][..]));
        assert!(cut.parts(20, &[("train", 0.9), ("test", 0.1)]).is_err());
        assert!(cut.parts(3, &[]).is_err());
    }
}
