//! What to say about a statement that does not parse.
//!
//! In: the place at which the grammar gave up and what it would have taken. Out:
//! one diagnostic in the user's words: rule names never leave this file.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::{Cut, Rule};
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::{FileId, Span};
use crate::syntax::layout::{ascii_lookalike, is_name_part};
use crate::syntax::{DATA_HEADS, HEADS, RESERVED};

/// Signs that stand between two operands; longer ones first.
const INFIX_SIGNS: &[&str] = &["==", "!=", "<=", ">=", "//", "..", "|>", "+", "-", "*", "/", "%", "@", "^", "<", ">"];
/// Words that stand between two operands or begin a clause.
const INFIX_WORDS: &[&str] = &["and", "or", "in", "with", "over", "on", "as", "into", "else"];
/// Signs of other languages and what they are here.
const FOREIGN_SIGNS: &[(&str, &str)] = &[
    ("**", "`^` is the power"),
    ("||", "write `or`"),
    ("=>", "write `->` before the type of a result and `=` before a value"),
    ("+=", "write `next x = x + ...`"),
    ("-=", "write `next x = x - ...`"),
    ("*=", "write `next x = x * ...`"),
    ("/=", "write `next x = x / ...`"),
    (":=", "write `let x = ...`"),
    ("<-", "write `let x = ...`"),
    ("!", "write `not x`"),
];
/// Words of other languages that begin statements, and what to do here.
const FOREIGN_WORDS: &[(&str, &str)] = &[
    ("var", "write `let`"),
    ("def", "write `fn`"),
    ("func", "write `fn`"),
    ("function", "write `fn`"),
    ("class", "write `layer` or `model`"),
    ("return", "the last line of a body is its value"),
    ("elif", "write `else if`"),
    ("while", "there is no `while`; `for` and `scan` walk a range"),
    ("lambda", "name a `fn` instead, also inside of a body"),
    ("from", "write `import \"file.nn\"`"),
    ("use", "write `import \"file.nn\"`"),
];

/// A line that begins with `-`, `(` or `[` below a statement.
pub(super) fn continued_line(span: Span, text: &str) -> Diagnostic {
    let start = span.start as usize;
    let sign = text[start..].chars().next().map_or('-', |sign| sign);
    let message = format!("a line cannot begin with `{sign}` here");
    let help = if sign == '-' {
        "if it goes on with the line above, end the line above with the operator `-`"
    } else {
        "if it goes on with the line above, end the line above with the operator, or leave its bracket open"
    };
    Diagnostic::new(Code::E0106, message, Span { end: span.start + 1, ..span }).help(help)
}

/// The diagnostic for a statement that `rule` does not fit.
pub(super) fn syntax_error(file: FileId, cut: &Cut<'_>, rule: Rule, error: Error<Rule>) -> Diagnostic {
    let at = match error.location {
        InputLocation::Pos(at) => at,
        InputLocation::Span((start, _)) => start,
    };
    let expected = match error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    let place = Place::new(file, cut, rule, at, expected);
    place.diagnose()
}

/// The place at which the grammar gave up.
struct Place<'c> {
    file: FileId,
    cut: &'c Cut<'c>,
    rule: Rule,
    /// Where the token begins that does not fit.
    at: usize,
    /// That token; empty at the end of the statement.
    found: &'c str,
    /// The token before it; empty at the start.
    before: &'c str,
    before_at: usize,
    expected: Vec<Rule>,
}

impl<'c> Place<'c> {
    fn new(file: FileId, cut: &'c Cut<'c>, rule: Rule, at: usize, expected: Vec<Rule>) -> Self {
        let text = cut.text.as_str();
        let at = at + text[at..].len() - text[at..].trim_start().len();
        let head = text[..at].trim_end();
        let before_at = last_token_start(head);
        Place { file, cut, rule, at, found: first_token(&text[at..]), before: &head[before_at..], before_at, expected }
    }

    fn diagnose(&self) -> Diagnostic {
        self.foreign()
            .or_else(|| self.unknown_head())
            .or_else(|| self.single_equals())
            .or_else(|| self.reserved_name())
            .or_else(|| self.operator_after_stage())
            .or_else(|| self.number())
            .or_else(|| self.missing_operand())
            .or_else(|| self.missing_clause())
            .unwrap_or_else(|| self.unexpected())
    }

    /// `**`, `!x`, `'text'`, `return x`.
    fn foreign(&self) -> Option<Diagnostic> {
        let text = self.cut.text.as_str();
        for (sign, help) in FOREIGN_SIGNS {
            let split = self.before_at + sign.len();
            let here = text[self.at..].starts_with(sign) && !text[self.at..].starts_with("!=");
            let around = sign.len() == 2 && text[self.before_at..].starts_with(sign) && split > self.at;
            if here || around {
                let start = if here { self.at } else { self.before_at };
                let message = format!("`{sign}` is not an operator here");
                return Some(Diagnostic::new(Code::E0101, message, self.span(start, start + sign.len())).help(*help));
            }
        }
        if self.found.starts_with('\'') {
            let message = "a text stands between double quotes";
            return Some(Diagnostic::new(Code::E0101, message, self.found_span()).help("write `\"text\"`"));
        }
        None
    }

    /// The first word of the statement is nothing that a statement can begin with.
    fn unknown_head(&self) -> Option<Diagnostic> {
        let text = self.cut.text.as_str();
        let word = first_token(text);
        if !word.starts_with(is_name_part) || word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let data = self.rule == Rule::data_line;
        let heads = if data { DATA_HEADS } else { HEADS };
        let known = heads.contains(&word) || (!data && RESERVED.contains(&word));
        // A head was read and the trouble is behind it, or an expression went on for a while.
        if known
            || (self.before_at > 0 && !data)
            || (self.at == 0 && !data)
            || (self.before_at > 0 && heads.contains(&word))
        {
            return None;
        }
        let follows = self.found.starts_with(|c: char| is_name_part(c) || c == '"' || c == '{');
        if !data && !follows && ascii_lookalike(word).is_none_or(|twin| !is_head(&twin, data)) {
            return None;
        }
        let span = self.span(0, word.len());
        let message = if data {
            format!("`{word}` does not begin a line of a data block")
        } else {
            format!("`{word}` does not begin a statement")
        };
        let diagnostic = Diagnostic::new(Code::E0110, message, span);
        if let Some(twin) = ascii_lookalike(word).filter(|twin| is_head(twin, data)) {
            return Some(lookalike(diagnostic, word, &twin, span));
        }
        if let Some((_, help)) = FOREIGN_WORDS.iter().find(|(foreign, _)| *foreign == word) {
            return Some(diagnostic.help(*help));
        }
        let candidates = heads.iter().chain(if data { &[] } else { RESERVED }).copied();
        Some(match nearest(word, candidates) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
            None if data => diagnostic.help("its lines begin with `input`, `target`, `column`, `keep_rows` or `split`"),
            None => diagnostic,
        })
    }

    /// `if a = b`
    fn single_equals(&self) -> Option<Diagnostic> {
        if self.found != "=" || !self.expected.contains(&Rule::infix) {
            return None;
        }
        let diagnostic = Diagnostic::new(Code::E0111, "`=` cannot stand here", self.found_span());
        Some(diagnostic.help("to compare, write `==`").fix(self.found_span(), "=="))
    }

    /// A reserved word where a name is wanted.
    fn reserved_name(&self) -> Option<Diagnostic> {
        let wants_name =
            self.expects(&[Rule::name, Rule::pattern, Rule::declared, Rule::binding, Rule::constant, Rule::path]);
        let wants_operand = self.wants_operand() && !INFIX_WORDS.contains(&self.found);
        if !RESERVED.contains(&self.found) || !(wants_name || wants_operand) || self.at == 0 {
            return None;
        }
        if wants_operand && matches!(self.found, "if" | "for" | "scan") {
            let message = format!("`{}` as an operand stands in brackets", self.found);
            let diagnostic = Diagnostic::new(Code::E0109, message, self.found_span());
            return Some(diagnostic.help(format!("`a + ({} ... {{ ... }})`", self.found)));
        }
        let message = format!("`{}` is a word of the language and cannot be a name", self.found);
        let help = format!("choose another name, or write `` `{}` `` in back-quotes", self.found);
        Some(Diagnostic::new(Code::E0109, message, self.found_span()).help(help))
    }

    /// `x |> f + y`, `if c { a } else { b } + 1`
    fn operator_after_stage(&self) -> Option<Diagnostic> {
        let infix = INFIX_SIGNS.contains(&self.found) || matches!(self.found, "and" | "or");
        if !infix || self.expected.contains(&Rule::infix) || self.wants_operand() {
            return None;
        }
        let found = self.found;
        let pipe = last_pipe(&self.cut.text[..self.at]);
        if let Some(pipe) = pipe {
            let message = format!("`{found}` after `|>` needs brackets");
            let diagnostic = Diagnostic::new(Code::E0107, message, self.found_span());
            let help = format!("write `(x |> f) {found} y`, or `x |> f` on a line of its own with `let`");
            return Some(diagnostic.also(self.span(pipe, pipe + 2), "this passes its left side on").help(help));
        }
        let block = self.before == "}";
        block.then(|| {
            let message = format!("`{found}` after a block needs brackets");
            Diagnostic::new(Code::E0119, message, self.found_span())
                .help("bracket the whole: `(if c { a } else { b }) + 1`")
        })
    }

    /// `.5`, `5.`, `10px`
    fn number(&self) -> Option<Diagnostic> {
        let text = &self.cut.text;
        let dotted = |at: usize| text[at..].starts_with('.') && !text[at..].starts_with("..");
        let digit_after = |at: usize| text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        if dotted(self.at) && digit_after(self.at) && self.wants_operand() {
            let diagnostic =
                Diagnostic::new(Code::E0116, "a number begins with a digit", self.span(self.at, self.at + 1));
            return Some(diagnostic.help("write `0` before the point").fix(self.span(self.at, self.at), "0"));
        }
        if self.before == "." && text[..self.before_at].ends_with(|c: char| c.is_ascii_digit()) {
            let diagnostic = Diagnostic::new(
                Code::E0116,
                "a number ends with a digit",
                self.span(self.before_at, self.before_at + 1),
            );
            return Some(diagnostic.help("write `0` after the point"));
        }
        if self.found.starts_with(|c: char| c.is_ascii_digit()) && self.wants_operand() {
            let message = format!("`{}` is neither a number nor a name", self.found);
            let help = "numbers are written `1_000`, `0.5`, `1e-3`; between a number and a name stands `*`";
            return Some(Diagnostic::new(Code::E0116, message, self.found_span()).help(help));
        }
        None
    }

    fn missing_operand(&self) -> Option<Diagnostic> {
        if !self.wants_operand() || self.at == 0 {
            return None;
        }
        let message = if self.found.is_empty() {
            format!("expected an expression after {}", quote(self.before))
        } else {
            format!("expected an expression after {}, found {}", quote(self.before), quote(self.found))
        };
        let diagnostic = Diagnostic::new(Code::E0102, message, self.found_or_before());
        Some(match (self.found, self.before) {
            ("{", "|>") => diagnostic.help("a stage is something that can be applied, `repeat n { ... }` or `if`"),
            ("...", _) => diagnostic.help("`...` stands in shapes and between `[` and `]` only"),
            _ => diagnostic,
        })
    }

    /// One or a few things could have stood here, and all of them have a name.
    fn missing_clause(&self) -> Option<Diagnostic> {
        let mut wanted: Vec<String> = self.expected.iter().filter_map(|rule| describe(*rule)).collect();
        wanted.sort();
        wanted.dedup();
        let may_end = self.expected.contains(&Rule::EOI);
        let only_optional = may_end || (self.expected.contains(&Rule::infix) && !self.found.is_empty());
        if wanted.is_empty() || wanted.len() > 4 || only_optional || self.at == 0 {
            return None;
        }
        let wanted = list(&wanted);
        let message = match self.found {
            "" => format!("expected {wanted} after {}", quote(self.before)),
            found => format!("expected {wanted} after {}, found {}", quote(self.before), quote(found)),
        };
        let diagnostic = Diagnostic::new(Code::E0114, message, self.found_or_before());
        let wants = |rule: Rule| self.expected.contains(&rule);
        let head = first_token(&self.cut.text);
        Some(match () {
            () if wants(Rule::block) && self.found.is_empty() => diagnostic.help("the `{` stands on the same line"),
            () if head == "minimize" => diagnostic.help("say by which rule: `with adam(1e-3)`"),
            () if head == "let" && self.found == ":" => {
                diagnostic.help("the type of a `let` is that of its value; leave it out")
            }
            () if head == "layer" && wants(Rule::args) => {
                diagnostic.help("a layer has two lists: settings, then inputs: `layer f(units)(x)`")
            }
            () => diagnostic,
        })
    }

    fn unexpected(&self) -> Diagnostic {
        if self.found.is_empty() {
            let message = format!("the statement is not finished after {}", quote(self.before));
            return Diagnostic::new(Code::E0114, message, self.found_or_before());
        }
        let message = match self.before {
            "" => format!("{} does not begin a statement", quote(self.found)),
            before => format!("unexpected {} after {}", quote(self.found), quote(before)),
        };
        let diagnostic = Diagnostic::new(Code::E0101, message, self.found_span());
        let operands = ends_operand(self.before) && begins_operand(self.found);
        match (open_bracket(&self.cut.text[..self.at]), self.found) {
            (_, ";") => diagnostic.help("a bracket above is still open"),
            (_, "{") => diagnostic.help("a block belongs to `if`, `for`, `scan`, `repeat` or a definition"),
            (_, ":") if self.expected.contains(&Rule::infix) => {
                diagnostic.help("a named argument is written `name = value`")
            }
            (Some(open), _) if operands => {
                let close = if open == '(' { ')' } else { ']' };
                diagnostic.help(format!("a `,` or a `{close}` is missing between them"))
            }
            (None, found) if operands && begins_like_head(found) => {
                diagnostic.help("each statement begins on a new line, or after `;`")
            }
            (None, _) if operands => diagnostic
                .help("an operator or a `,` is missing between them; statements end with the line or with `;`"),
            _ => diagnostic,
        }
    }

    // Small things.

    fn expects(&self, rules: &[Rule]) -> bool {
        self.expected.iter().any(|rule| rules.contains(rule))
    }

    fn wants_operand(&self) -> bool {
        self.expects(&[
            Rule::expr,
            Rule::over,
            Rule::stage,
            Rule::postfix,
            Rule::number,
            Rule::tuple,
            Rule::named,
            Rule::call_arg,
            Rule::index_item,
            Rule::minus,
            Rule::axis,
        ]) && !self.expected.contains(&Rule::infix)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let (start, end) = self.cut.range(start, end);
        Span::new(self.file, start, end)
    }

    fn found_span(&self) -> Span {
        self.span(self.at, self.at + self.found.len())
    }

    fn found_or_before(&self) -> Span {
        if self.found.is_empty() {
            self.span(self.before_at, self.before_at + self.before.len())
        } else {
            self.found_span()
        }
    }
}

/// What a rule is called in a message; `None` for what need not be named.
fn describe(rule: Rule) -> Option<String> {
    let name = format!("{rule:?}");
    if let Some(word) = ["kw_", "hd_", "w_"].iter().find_map(|prefix| name.strip_prefix(prefix)) {
        return Some(format!("`{word}`"));
    }
    let text = match rule {
        Rule::name | Rule::any_name | Rule::path | Rule::declared | Rule::constant | Rule::carry | Rule::share => {
            "a name"
        }
        Rule::pattern | Rule::binding => "a name",
        Rule::arg => "a name",
        Rule::args => "`(`",
        Rule::block => "`{`",
        Rule::ty => "a type",
        Rule::value | Rule::eq => "`=`",
        Rule::end => "`)`",
        Rule::filler => "`~`",
        Rule::group => "`with`",
        Rule::on => "`on`",
        Rule::by => "`by`",
        Rule::to => "`as`",
        Rule::result => "`->`",
        Rule::text => "a text in quotes",
        Rule::expr => "an expression",
        _ => return None,
    };
    Some(text.to_string())
}

fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn quote(token: &str) -> String {
    const LONGEST: usize = 40;
    if token == "\"\"" {
        return "the text".to_string();
    }
    if token.chars().count() <= LONGEST {
        return format!("`{token}`");
    }
    format!("`{}...`", token.chars().take(LONGEST).collect::<String>())
}

fn lookalike(diagnostic: Diagnostic, word: &str, twin: &str, span: Span) -> Diagnostic {
    let letter = word.chars().find(|c| !c.is_ascii()).map_or(' ', |c| c);
    let alphabet = if ('\u{370}'..'\u{400}').contains(&letter) { "Greek" } else { "Cyrillic" };
    let help =
        format!("the letter `{letter}` (U+{:04X}) in it is {alphabet}; write `{twin}` in Latin letters", letter as u32);
    diagnostic.help(help).fix(span, twin)
}

fn is_head(word: &str, data: bool) -> bool {
    if data { DATA_HEADS.contains(&word) } else { HEADS.contains(&word) || RESERVED.contains(&word) }
}

fn begins_like_head(token: &str) -> bool {
    is_head(token, false)
}

fn begins_operand(token: &str) -> bool {
    token.starts_with(|c: char| is_name_part(c) || matches!(c, '"' | '`' | '('))
}

fn ends_operand(token: &str) -> bool {
    token.ends_with(|c: char| is_name_part(c) || matches!(c, '"' | '`' | ')' | ']' | '}'))
}

/// The token that `text` begins with.
fn first_token(text: &str) -> &str {
    let word = text.char_indices().find(|(_, c)| !is_name_part(*c)).map_or(text.len(), |(at, _)| at);
    if word > 0 {
        return &text[..word];
    }
    if let Some(quoted) = text.strip_prefix('`') {
        return &text[..quoted.find('`').map_or(text.len(), |at| at + 2)];
    }
    let sign = ["...", "\"\"", "->", "=="].iter().chain(INFIX_SIGNS).find(|sign| text.starts_with(**sign));
    sign.copied().map_or_else(|| &text[..text.chars().next().map_or(0, char::len_utf8)], |sign| &text[..sign.len()])
}

/// Where the last token of `text` begins.
fn last_token_start(text: &str) -> usize {
    let word = text.char_indices().rev().take_while(|(_, c)| is_name_part(*c)).last();
    if let Some((at, _)) = word {
        return at;
    }
    let sign = ["...", "\"\"", "->"].iter().chain(INFIX_SIGNS).find(|sign| text.ends_with(**sign));
    let length = sign.map_or_else(|| text.chars().next_back().map_or(0, char::len_utf8), |sign| sign.len());
    text.len() - length
}

/// The last `|>` in `text` that is in no bracket which `text` closes, nor in an outer one.
fn last_pipe(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate().rev() {
        match byte {
            b')' | b']' => depth += 1,
            b'(' | b'[' | b',' if depth == 0 => return None,
            b'(' | b'[' => depth -= 1,
            b'|' if depth == 0 && text[at..].starts_with("|>") => return Some(at),
            _ => {}
        }
    }
    None
}

/// The innermost bracket that is open at the end of `text`.
fn open_bracket(text: &str) -> Option<char> {
    let mut depth = 0usize;
    for byte in text.bytes().rev() {
        match byte {
            b')' | b']' => depth += 1,
            b'(' | b'[' if depth == 0 => return Some(byte as char),
            b'(' | b'[' => depth -= 1,
            _ => {}
        }
    }
    None
}
