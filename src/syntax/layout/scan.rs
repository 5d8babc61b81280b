//! One walk over the bytes of a file that finds statements, blocks and texts.
//!
//! In: a text. Out: its [`Layout`]. Invariants: linear time; no recursion; every
//! offset put into the tree is a character boundary. If a bracket is still open
//! at the end of the file, the walk is made once more with indentation as a
//! second witness, so that one forgotten bracket does not swallow the rest.

use std::collections::HashSet;

use super::{Block, Hole, Layout, MAX_DEPTH, Piece, Statement, Text, chars, join};
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// Lays out a file.
pub fn scan(file: FileId, text: &str) -> Layout {
    let mut scanner = Scanner::new(file, text, None);
    scanner.run();
    if let Some(open) = scanner.still_open() {
        scanner = Scanner::new(file, text, Some(open));
        scanner.run();
    }
    scanner.finish()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Block,
    /// `{ }` inside a text.
    Hole,
}

/// A run of statements that is being read.
struct Sequence {
    kind: Kind,
    start: usize,
    /// Blanks before the first token of the line on which it opened.
    indent: usize,
    statements: Vec<Statement>,
    current: Option<Statement>,
    /// Which statements begin a line with `-`, `(` or `[`.
    sign_starts: Vec<usize>,
    brackets: Vec<(u8, usize)>,
    doc: Option<Doc>,
    /// For `Kind::Hole`: the text so far in which it stands.
    text: Option<Text>,
}

struct Doc {
    end: usize,
    text: String,
}

impl Sequence {
    fn new(kind: Kind, start: usize, indent: usize) -> Self {
        Sequence {
            kind,
            start,
            indent,
            statements: Vec::new(),
            current: None,
            sign_starts: Vec::new(),
            brackets: Vec::new(),
            doc: None,
            text: None,
        }
    }

    /// The statements, with those marked that should have gone on the line above.
    fn into_statements(mut self) -> Vec<Statement> {
        let count = self.statements.len();
        for &index in &self.sign_starts {
            if index + 1 < count || self.kind == Kind::File {
                self.statements[index].continues = true;
            }
        }
        self.statements
    }
}

struct Scanner<'t> {
    file: FileId,
    text: &'t str,
    bytes: &'t [u8],
    out: Vec<u8>,
    at: usize,
    line_start: usize,
    sequences: Vec<Sequence>,
    depth: usize,
    deepest: usize,
    /// How many sequences are `Kind::Hole`.
    holes: usize,
    /// The last token of the current statement.
    last: (usize, usize),
    diagnostics: Vec<Diagnostic>,
    /// On the second walk: the brackets that the first found open at the end.
    recover: Option<HashSet<usize>>,
}

impl<'t> Scanner<'t> {
    fn new(file: FileId, text: &'t str, recover: Option<HashSet<usize>>) -> Self {
        Scanner {
            file,
            text,
            bytes: text.as_bytes(),
            out: text.as_bytes().to_vec(),
            at: 0,
            line_start: 0,
            sequences: vec![Sequence::new(Kind::File, 0, 0)],
            depth: 0,
            deepest: 0,
            holes: 0,
            last: (0, 0),
            diagnostics: Vec::new(),
            recover,
        }
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{FEFF}') {
            self.blank(0, 3);
            self.at = 3;
            self.line_start = 3;
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            self.step(byte);
        }
        if self.holes > 0 {
            self.unclosed_text();
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' => self.newline(),
            b' ' | b'\t' => self.at += 1,
            b'\r' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 1,
            b'#' => self.comment(),
            b'"' => self.text_start(),
            b'`' => self.quoted_name(),
            b'(' | b'[' => self.open_bracket(byte),
            b'{' => self.open_block(),
            b')' | b']' => self.close_bracket(byte),
            b'}' => self.close_brace(),
            b';' if self.top().brackets.is_empty() => {
                self.end_statement();
                self.at += 1;
            }
            _ => self.word_or_sign(),
        }
    }

    // Tokens.

    fn word_or_sign(&mut self) {
        let start = self.at;
        let word = join::leading_word(&self.text[start..]);
        if !word.is_empty() {
            self.token(start, start + word.len());
            return;
        }
        let sign = |byte: &u8| b"+-*/@%^=<>.,:~|;!".contains(byte);
        let length = self.bytes[start..].iter().take_while(|byte| sign(byte)).take(3).count();
        if length > 0 {
            // Three signs at most at a time: `...`; the run before still counts as one token.
            let joined =
                if start > 0 && self.last.1 == start && sign(&self.bytes[start - 1]) { self.last.0 } else { start };
            self.token(start, start + length);
            self.last.0 = joined;
            return;
        }
        let c = self.text[start..].chars().next().map_or(' ', |c| c);
        let end = start + c.len_utf8();
        self.token(start, end);
        if !self.is_broken() {
            self.diagnostics.push(unexpected_char(self.span(start, end), c));
            self.break_statement();
        }
    }

    fn quoted_name(&mut self) {
        let start = self.at;
        let rest = &self.bytes[start + 1..];
        let length = rest.iter().take_while(|byte| **byte != b'`' && **byte != b'\n').count();
        if rest.get(length) == Some(&b'`') && length > 0 {
            self.token(start, start + length + 2);
            return;
        }
        let end = (start + 1 + length + usize::from(rest.get(length) == Some(&b'`'))).min(self.bytes.len());
        self.token(start, end);
        let diagnostic = Diagnostic::new(Code::E0112, "a quoted name is not closed", self.span(start, start + 1))
            .help("a name in back-quotes has at least one character and ends on the same line");
        self.report(diagnostic);
    }

    /// Takes `start..end` as a token of the current statement.
    fn token(&mut self, start: usize, end: usize) {
        self.touch(start);
        self.last = (start, end);
        self.at = end;
    }

    /// Makes sure that a statement is being read.
    fn touch(&mut self, start: usize) {
        if self.top().current.is_some() {
            return;
        }
        let first_of_line = self.is_first_of_line(start);
        let indent = start - self.line_start;
        let byte = self.bytes[start];
        let text = self.text;
        let sequence = self.top_mut();
        let mut statement = Statement { start, end: start, ..Statement::default() };
        if let Some(doc) = sequence.doc.take().filter(|doc| is_directly_below(text, doc.end, start)) {
            statement.doc = Some(doc.text);
        }
        let sign = first_of_line && matches!(byte, b'-' | b'(' | b'[') && !text[start..].starts_with("->");
        if let Some(above) = sequence.statements.last().filter(|_| sign) {
            statement.continues = indent > indent_of_line(text, above.start);
            sequence.sign_starts.push(sequence.statements.len());
        }
        sequence.current = Some(statement);
    }

    fn end_statement(&mut self) {
        let end = self.last.1;
        let open = self.top().brackets.len();
        self.depth -= open;
        let sequence = self.top_mut();
        sequence.brackets.clear();
        if let Some(mut statement) = sequence.current.take() {
            statement.end = end;
            statement.broken |= open > 0;
            sequence.statements.push(statement);
        }
    }

    // Lines and comments.

    fn newline(&mut self) {
        if self.holes > 0 {
            self.unclosed_text();
        }
        let newline = self.at;
        if self.top().current.is_none() {
            self.at += 1;
            self.line_start = self.at;
            return;
        }
        let (next, line_start) = self.next_token();
        let rest = &self.text[next..];
        let at_margin = self.recover.is_some() && next == line_start && join::begins_item(rest);
        if let Some(&(_, open)) = self.top().brackets.last() {
            let given_up = self.recover.as_ref().is_some_and(|open_at_end| open_at_end.contains(&open));
            if !(given_up || at_margin || join::begins_statement(rest)) {
                return self.join_to(next, line_start);
            }
            let open = self.top().brackets[0];
            self.unclosed_bracket(open, self.last.1);
        } else if self.goes_on(rest) {
            return self.join_to(next, line_start);
        }
        self.end_statement();
        if at_margin {
            self.close_open_blocks();
        }
        self.at = newline + 1;
        self.line_start = self.at;
    }

    fn goes_on(&self, rest: &str) -> bool {
        let last = &self.text[self.last.0..self.last.1];
        join::goes_on_before(rest)
            || (join::goes_on_after(last)
                && !rest.is_empty()
                && !rest.starts_with('}')
                && !join::begins_statement(rest))
    }

    fn join_to(&mut self, next: usize, line_start: usize) {
        self.blank(self.at, next);
        self.at = next;
        self.line_start = line_start;
    }

    /// The next token after blanks, newlines and comments, and where its line begins.
    fn next_token(&self) -> (usize, usize) {
        let mut at = self.at;
        let mut line_start = self.line_start;
        while let Some(&byte) = self.bytes.get(at) {
            match byte {
                b'\n' => {
                    at += 1;
                    line_start = at;
                }
                b' ' | b'\t' => at += 1,
                b'\r' if self.bytes.get(at + 1) == Some(&b'\n') => at += 1,
                b'#' => at += self.line_length(at),
                _ => break,
            }
        }
        (at, line_start)
    }

    fn comment(&mut self) {
        let start = self.at;
        let end = start + self.line_length(start);
        let line = self.text[start..end].trim_end();
        if line.starts_with("##") && self.top().current.is_none() {
            let line = line.trim_start_matches('#');
            let line = line.strip_prefix(' ').unwrap_or(line);
            let text = self.text;
            let sequence = self.top_mut();
            match &mut sequence.doc {
                Some(doc) if is_directly_below(text, doc.end, start) => {
                    doc.text.push('\n');
                    doc.text.push_str(line);
                    doc.end = end;
                }
                _ => sequence.doc = Some(Doc { end, text: line.to_string() }),
            }
        }
        self.blank(start, end);
        self.at = end;
        if self.holes > 0 {
            self.unclosed_text();
        }
    }

    // Brackets.

    fn open_bracket(&mut self, byte: u8) {
        let start = self.at;
        self.token(start, start + 1);
        self.deeper(start);
        self.top_mut().brackets.push((byte, start));
    }

    fn open_block(&mut self) {
        let start = self.at;
        let indent = self.indent_here();
        self.token(start, start + 1);
        if self.deeper(start) {
            self.top_mut().brackets.push((b'{', start));
        } else {
            self.sequences.push(Sequence::new(Kind::Block, start, indent));
        }
    }

    /// One level deeper; true if that is too deep, which it reports.
    fn deeper(&mut self, start: usize) -> bool {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth.min(MAX_DEPTH));
        if self.depth <= MAX_DEPTH {
            return false;
        }
        let message = format!("nested more than {MAX_DEPTH} deep");
        let diagnostic = Diagnostic::new(Code::E0117, message, self.span(start, start + 1))
            .help("give the inner part a name with `let`, or make it a `fn`");
        self.report(diagnostic);
        true
    }

    fn close_bracket(&mut self, byte: u8) {
        let start = self.at;
        let open = if byte == b')' { b'(' } else { b'[' };
        self.token(start, start + 1);
        let brackets = &self.top().brackets;
        let Some(index) = brackets.iter().rposition(|bracket| bracket.0 == open) else {
            let message = format!("`{}` closes nothing", byte as char);
            let mut diagnostic = Diagnostic::new(Code::E0104, message, self.span(start, start + 1));
            if let Some(&(other, at)) = brackets.last() {
                diagnostic = diagnostic.also(self.span(at, at + 1), format!("this `{}` is open", other as char));
            }
            return self.report(diagnostic);
        };
        if index + 1 < brackets.len() {
            self.unclosed_bracket(brackets[index + 1], start);
        }
        self.depth -= self.top().brackets.len() - index;
        self.top_mut().brackets.truncate(index);
    }

    fn close_brace(&mut self) {
        let start = self.at;
        let brackets = &self.top().brackets;
        if let Some(index) = brackets.iter().rposition(|bracket| bracket.0 == b'{') {
            self.depth -= brackets.len() - index;
            self.top_mut().brackets.truncate(index);
            return self.token(start, start + 1);
        }
        if let Some(&open) = brackets.first() {
            self.unclosed_bracket(open, start);
        }
        self.end_statement();
        self.close_blocks_inside(start);
        match self.top().kind {
            Kind::File => {
                let diagnostic = Diagnostic::new(Code::E0104, "`}` closes nothing", self.span(start, start + 1))
                    .help("take it away, or look above for a `{` that is missing");
                self.diagnostics.push(diagnostic);
                self.at = start + 1;
            }
            Kind::Block => {
                self.at = start + 1;
                self.close_block(start + 1);
            }
            Kind::Hole => self.close_hole(start + 1),
        }
    }

    /// On the second walk: a `}` at the left of the line that opened the block,
    /// in line with an outer one, closes the outer one.
    fn close_blocks_inside(&mut self, start: usize) {
        if self.recover.is_none() || !self.is_first_of_line(start) {
            return;
        }
        let indent = start - self.line_start;
        let belongs = |sequence: &Sequence| sequence.kind == Kind::Block && sequence.indent == indent;
        if !self.sequences.iter().any(belongs) {
            return;
        }
        while self.top().kind == Kind::Block && self.top().indent > indent {
            self.missing_brace(self.top().start, self.last.1);
            self.close_block(self.last.1);
        }
    }

    fn close_block(&mut self, end: usize) {
        let Some(sequence) = self.sequences.pop() else { return };
        self.depth -= 1;
        let block = Block { start: sequence.start, end, statements: sequence.into_statements() };
        self.last = (end.max(self.last.1) - 1, end);
        if let Some(current) = &mut self.top_mut().current {
            current.holes.push(Hole::Block(block));
        }
    }

    /// Closes every open block where the text read so far ends.
    fn close_open_blocks(&mut self) {
        if let Some(outermost) = self.sequences.iter().find(|sequence| sequence.kind == Kind::Block) {
            self.missing_brace(outermost.start, self.last.1);
        }
        while self.sequences.len() > 1 {
            self.end_statement();
            self.close_block(self.last.1);
        }
        self.end_statement();
    }

    // Texts.

    fn text_start(&mut self) {
        let start = self.at;
        self.token(start, start + 1);
        self.text_rest(Text { start, ..Text::default() });
    }

    /// Reads on in a text up to its end or to the next `{`.
    fn text_rest(&mut self, mut text: Text) {
        let from = self.at;
        let mut at = from;
        let plain = self.depth >= MAX_DEPTH;
        let stop = loop {
            match self.bytes.get(at) {
                Some(b'\\') if self.text[at..].starts_with("\\u{") => at += 3,
                Some(b'\\') if self.bytes.get(at + 1).is_some_and(|byte| byte.is_ascii() && *byte != b'\n') => at += 2,
                Some(b'{') if plain => {
                    self.deeper(at);
                    self.depth -= 1;
                    at += 1;
                }
                Some(byte @ (b'"' | b'{' | b'\n')) => break Some(*byte),
                Some(_) => at += 1,
                None => break None,
            }
        };
        if at > from {
            text.pieces.push(Piece::Chars(from, at));
        }
        self.last = (text.start, at);
        self.at = at;
        match stop {
            Some(b'"') => self.text_end(text),
            Some(b'{') => {
                let mut sequence = Sequence::new(Kind::Hole, at, self.indent_here());
                sequence.text = Some(text);
                self.deeper(at);
                self.holes += 1;
                self.at = at + 1;
                self.last = (at, at + 1);
                self.sequences.push(sequence);
            }
            _ => self.report_unclosed_text(text.start),
        }
    }

    fn text_end(&mut self, mut text: Text) {
        text.end = self.at + 1;
        self.at = text.end;
        self.last = (text.start, text.end);
        if let Some(current) = &mut self.top_mut().current {
            current.holes.push(Hole::Text(text));
        }
    }

    fn close_hole(&mut self, end: usize) {
        let Some(mut sequence) = self.sequences.pop() else { return };
        self.depth -= 1;
        self.holes -= 1;
        let mut text = sequence.text.take().unwrap_or_default();
        text.pieces.push(Piece::Hole(Block { start: sequence.start, end, statements: sequence.into_statements() }));
        self.at = end;
        self.text_rest(text);
    }

    /// The line ends inside of `{ }` inside of a text.
    fn unclosed_text(&mut self) {
        let outermost = self.sequences.iter().position(|sequence| sequence.kind == Kind::Hole);
        let Some(index) = outermost else { return };
        let start = self.sequences[index].text.as_ref().map_or(self.at, |text| text.start);
        for sequence in self.sequences.drain(index..) {
            self.depth -= 1 + sequence.brackets.len();
        }
        self.holes = 0;
        self.last = (start, self.at);
        self.report_unclosed_text(start);
    }

    fn report_unclosed_text(&mut self, start: usize) {
        let diagnostic = Diagnostic::new(Code::E0112, "this text is not closed", self.span(start, start + 1))
            .here("begins here")
            .also(self.span(self.at, self.at), "expected `\"` before the end of the line")
            .help("a text ends on the line it begins on; write `\\n` for a new line and `\\\"` for a quote");
        self.report(diagnostic);
    }

    // What is wrong.

    fn unclosed_bracket(&mut self, (byte, open): (u8, usize), at: usize) {
        let close = if byte == b'(' { ')' } else { ']' };
        let diagnostic =
            Diagnostic::new(Code::E0103, format!("unclosed `{}`", byte as char), self.span(open, open + 1))
                .here("opened here")
                .also(self.span(at, at), format!("expected `{close}` before this"));
        self.report(diagnostic);
    }

    fn missing_brace(&mut self, open: usize, at: usize) {
        let diagnostic = Diagnostic::new(Code::E0105, "missing `}`", self.span(open, open + 1))
            .here("this block is not closed")
            .also(self.span(at, at), "expected `}` after this");
        self.diagnostics.push(diagnostic);
    }

    /// Reports what spoils the current statement, if nothing has spoilt it yet.
    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.is_broken() {
            self.diagnostics.push(diagnostic);
        }
        self.break_statement();
    }

    fn is_broken(&self) -> bool {
        self.top().current.as_ref().is_some_and(|statement| statement.broken)
    }

    fn break_statement(&mut self) {
        if let Some(statement) = &mut self.top_mut().current {
            statement.broken = true;
        }
    }

    // The end.

    /// The brackets that are open at the end of the first walk; `None` if all is closed.
    fn still_open(&self) -> Option<HashSet<usize>> {
        let open = |sequence: &Sequence| !sequence.brackets.is_empty() || sequence.kind != Kind::File;
        self.sequences.iter().any(open).then(|| {
            let brackets = self.sequences.iter().flat_map(|sequence| &sequence.brackets);
            brackets.filter(|bracket| bracket.0 != b'{').map(|bracket| bracket.1).collect()
        })
    }

    fn finish(mut self) -> Layout {
        if let Some(&open) = self.top().brackets.first() {
            self.unclosed_bracket(open, self.last.1);
        }
        self.end_statement();
        if self.sequences.len() > 1 {
            self.close_open_blocks();
        }
        let statements = self.sequences.pop().map(Sequence::into_statements).unwrap_or_default();
        let text = String::from_utf8(self.out).expect("blanking whole characters keeps UTF-8");
        Layout { text, statements, depth: self.deepest, diagnostics: self.diagnostics }
    }

    // Small things.

    fn top(&self) -> &Sequence {
        self.sequences.last().expect("the sequence of the file is never popped")
    }

    fn top_mut(&mut self) -> &mut Sequence {
        self.sequences.last_mut().expect("the sequence of the file is never popped")
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn blank(&mut self, start: usize, end: usize) {
        self.out[start..end].fill(b' ');
    }

    fn line_length(&self, at: usize) -> usize {
        self.bytes[at..].iter().take_while(|byte| **byte != b'\n').count()
    }

    fn indent_here(&self) -> usize {
        self.bytes[self.line_start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    }

    fn is_first_of_line(&self, start: usize) -> bool {
        self.bytes[self.line_start..start].iter().rev().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
    }
}

fn unexpected_char(span: Span, c: char) -> Diagnostic {
    let (what, instead) = chars::describe_char(c);
    let shown = if c.is_control() || c.is_whitespace() || what.contains("invisible") {
        format!("unexpected character: {what}")
    } else {
        format!("unexpected character `{c}`: {what}")
    };
    let diagnostic = Diagnostic::new(Code::E0115, shown, span);
    match instead {
        Some(" ") => diagnostic.help("write an ordinary space").fix(span, " "),
        Some(instead) => diagnostic.help(format!("write `{instead}`")).fix(span, instead),
        None => diagnostic,
    }
}

/// Whether exactly one newline and nothing but blanks stand between.
fn is_directly_below(text: &str, end: usize, start: usize) -> bool {
    let between = &text.as_bytes()[end..start];
    between.len() < 1000 && between.iter().filter(|byte| **byte == b'\n').count() == 1
}

fn indent_of_line(text: &str, at: usize) -> usize {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text.as_bytes()[line..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
