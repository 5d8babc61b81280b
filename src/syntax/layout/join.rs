//! Which newlines do not end a statement.
//!
//! In: the text around a newline. Out: whether the lines belong together. The
//! rule: a line that ends with an operator, `,`, `=` or `->` goes on; a line that
//! begins with an infix operator (but not `-`, `(`, `[`) or with one of a few
//! words goes on with the line above.

use super::chars::is_name_part;

const END_SIGNS: &[&str] = &["|>", "->", "+", "-", "*", "/", "%", "@", "^", "=", "<", ">", ",", "~", ".."];
const END_WORDS: &[&str] = &["and", "or", "not", "in"];
const START_SIGNS: &[&str] = &["|>", "->", "+", "*", "/", "%", "@", "^", "==", "!=", "<", ">", ","];
const START_WORDS: &[&str] = &["and", "or", "else", "over", "with", "on", "as", "into"];

/// Words that begin a statement and can never stand inside an expression.
const STATEMENT_WORDS: &[&str] =
    &["const", "let", "param", "state", "emit", "final", "fit", "import", "model", "optimizer", "data", "train"];
/// Words that begin a statement if a name, number or text follows.
const HEAD_WORDS: &[&str] = &[
    "fn",
    "layer",
    "print",
    "plot",
    "assert",
    "save",
    "load",
    "record",
    "seed",
    "minimize",
    "watch",
    "phase",
    "epochs",
    "steps",
    "batch",
    "stop",
    "keep",
    "every",
    "input",
    "target",
    "column",
    "keep_rows",
    "split",
];
/// Words that stand between two operands and so do not follow a head.
const INFIX_WORDS: &[&str] = &["and", "or", "in", "if", "else", "for", "with", "over", "on", "as", "into"];
/// Words that begin an item; at the left margin they show that the item above has ended.
const ITEM_WORDS: &[&str] = &["const", "fn", "layer", "model", "optimizer", "data", "train", "import"];

/// Whether a statement whose text so far ends with the token `last` goes on after a newline.
pub fn goes_on_after(last: &str) -> bool {
    END_WORDS.contains(&last) || (last != "..." && END_SIGNS.iter().any(|sign| last.ends_with(sign)))
}

/// Whether a line that begins with `next` goes on with the statement above.
pub fn goes_on_before(next: &str) -> bool {
    let word = leading_word(next);
    if word.is_empty() {
        (next.starts_with("..") && !next.starts_with("...")) || START_SIGNS.iter().any(|sign| next.starts_with(sign))
    } else {
        START_WORDS.contains(&word)
    }
}

/// Whether `line` begins a statement for certain, so that a bracket open above it was forgotten.
pub fn begins_statement(line: &str) -> bool {
    let word = leading_word(line);
    if STATEMENT_WORDS.contains(&word) {
        return !rest_is_argument(&line[word.len()..]);
    }
    if !HEAD_WORDS.contains(&word) {
        return false;
    }
    let after = &line[word.len()..];
    let rest = after.trim_start_matches([' ', '\t']);
    let next = leading_word(rest);
    rest.len() < after.len() && (rest.starts_with('"') || (!next.is_empty() && !INFIX_WORDS.contains(&next)))
}

/// Whether `line`, which has no blanks before it, begins an item.
pub fn begins_item(line: &str) -> bool {
    ITEM_WORDS.contains(&leading_word(line))
}

/// After a word comes `=` or `,` or `)`: it was the name of an argument.
fn rest_is_argument(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\t']);
    rest.starts_with(['=', ',', ')']) && !rest.starts_with("==")
}

/// The name or number that `text` begins with; empty if it begins with neither.
pub fn leading_word(text: &str) -> &str {
    let end = text.char_indices().find(|(_, c)| !is_name_part(*c)).map_or(text.len(), |(at, _)| at);
    &text[..end]
}
