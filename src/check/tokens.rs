//! Texts as numbers: how a text falls into pieces, and how pieces make a text.
//!
//! In: a text, or the names of classes. Out: the pieces (characters; or words,
//! marks and line ends), and back. Reading a file, `encode` and `decode` share
//! these rules, so that they agree.

/// The words of a text: runs of letters, digits and apostrophes; every other mark and every line end by itself.
pub fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() && letter != '\n');
        let first = rest.chars().next()?;
        let end = if is_word(first) { rest.find(|letter| !is_word(letter)) } else { Some(first.len_utf8()) };
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(word)
    })
}

/// The characters of a text, each as a text.
pub fn characters(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.char_indices().map(|(at, letter)| &text[at..at + letter.len_utf8()])
}

/// Whether every one of these names is one character: then a text falls into characters.
pub fn are_characters(names: &[String]) -> bool {
    names.iter().all(|name| name.chars().count() <= 1)
}

/// The numbers of the pieces of a text.
///
/// # Errors
/// The first piece that has no name.
pub fn encode<'t>(text: &'t str, names: &[String]) -> Result<Vec<usize>, &'t str> {
    // Names need not be sorted, and texts to be encoded are short.
    let number = |piece: &'t str| names.iter().position(|name| name == piece).ok_or(piece);
    if are_characters(names) { characters(text).map(number).collect() } else { words(text).map(number).collect() }
}

/// The text of some pieces: characters as they are; words with blanks between, but none before a mark that closes.
pub fn decode<'n>(pieces: impl IntoIterator<Item = &'n str>, characters: bool) -> String {
    let mut text = String::new();
    for piece in pieces {
        let closes = matches!(piece, "." | "," | ";" | ":" | "!" | "?" | ")" | "]" | "\n");
        if !characters && !closes && !text.is_empty() && !text.ends_with(['\n', '(', '[']) {
            text.push(' ');
        }
        text.push_str(piece);
    }
    text
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '\'' | '’' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_marks_come_apart_and_together() {
        let text = "First Citizen:\nBefore, we can't (it's a word).";
        let pieces: Vec<&str> = words(text).collect();
        assert_eq!(pieces[..6], ["First", "Citizen", ":", "\n", "Before", ","]);
        assert_eq!(decode(pieces, false), text);
        assert_eq!(decode(characters("Їжак"), true), "Їжак");
    }

    #[test]
    fn what_has_no_name_is_told() {
        let names = ["a", "b"].map(String::from);
        assert_eq!(encode("abba", &names), Ok(vec![0, 1, 1, 0]));
        assert_eq!(encode("abc", &names), Err("c"));
    }
}
