//! Walks over one line of the text form.
//!
//! In: a line. Out: words, numbers, names. Invariant: blanks between tokens
//! never matter; what is not as expected is an error that shows the rest.

use std::str::FromStr;

use crate::ir::DType;

/// The rest of a line.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub fn new(rest: &'a str) -> Self {
        Cursor { rest }
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    /// Whether this comes next; if so it is taken.
    pub fn accept(&mut self, token: &str) -> bool {
        self.skip();
        self.rest.strip_prefix(token).inspect(|rest| self.rest = rest).is_some()
    }

    pub fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.accept(token) { Ok(()) } else { Err(format!("expected {token:?} before {:?}", self.rest)) }
    }

    pub fn end(&mut self) -> Result<(), String> {
        self.skip();
        if self.rest.is_empty() { Ok(()) } else { Err(format!("unexpected {:?}", self.rest)) }
    }

    fn take(&mut self, inside: impl Fn(char) -> bool) -> &'a str {
        self.skip();
        let end = self.rest.find(|c| !inside(c)).unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        self.rest = rest;
        found
    }

    /// Letters, digits and underscores.
    pub fn word(&mut self) -> &'a str {
        self.take(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// A parameter's printed name; a colon at its end is none of it.
    pub fn label(&mut self) -> Result<&'a str, String> {
        self.skip();
        let before = self.rest;
        let found = self.take(super::super::print::is_label).trim_end_matches(':');
        self.rest = &before[found.len()..];
        if found.is_empty() { Err(format!("no name at {:?}", self.rest)) } else { Ok(found) }
    }

    /// A number: digits, with a sign if the type has one.
    pub fn number<N: FromStr>(&mut self) -> Result<N, String> {
        self.skip();
        let sign = usize::from(self.rest.starts_with('-'));
        let end = self.rest[sign..].find(|c: char| !c.is_ascii_digit()).map_or(self.rest.len(), |end| sign + end);
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().map_err(|_| format!("no number at {:?}", self.rest))?;
        self.rest = rest;
        Ok(number)
    }

    pub fn hex(&mut self) -> Result<u32, String> {
        self.expect("0x")?;
        let digits = self.word();
        u32::from_str_radix(digits, 16).map_err(|_| format!("{digits:?} is no hexadecimal number"))
    }

    /// `t12` with the prefix `t`.
    pub fn id(&mut self, prefix: &str) -> Result<u32, String> {
        self.expect(prefix)?;
        self.number()
    }

    /// An id that must be the next one of a list.
    pub fn numbered(&mut self, prefix: &str, next: usize) -> Result<(), String> {
        let found = self.id(prefix)?;
        if found as usize == next { Ok(()) } else { Err(format!("{prefix}{found} stands where {prefix}{next} should")) }
    }

    pub fn string(&mut self) -> Result<String, String> {
        self.skip();
        crate::ir::parse::quoted(&mut self.rest)
    }

    pub fn dtype(&mut self) -> Result<DType, String> {
        match self.word() {
            "f32" => Ok(DType::F32),
            "i32" => Ok(DType::I32),
            "bool" => Ok(DType::Bool),
            other => Err(format!("{other:?} is no type")),
        }
    }

    /// `open one, one close`
    pub fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        mut one: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.expect(open)?;
        let mut found = Vec::new();
        while !self.accept(close) {
            if !found.is_empty() {
                self.expect(",")?;
            }
            found.push(one(self)?);
        }
        Ok(found)
    }

    /// An f32 as `{:?}` prints it, or its bits.
    pub fn float_bits(&mut self) -> Result<u32, String> {
        self.skip();
        if self.rest.starts_with("0x") {
            return self.hex();
        }
        let text = self.take(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '+');
        text.parse::<f32>().map(f32::to_bits).map_err(|_| format!("{text:?} is no number"))
    }

    /// Whether a digit comes next.
    pub fn at_digit(&mut self) -> bool {
        self.skip();
        self.rest.starts_with(|c: char| c.is_ascii_digit())
    }
}
