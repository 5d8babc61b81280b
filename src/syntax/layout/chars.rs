//! Which characters make names, and what to call those that make nothing.
//!
//! In: single characters and words. Out: their class or a name for a message.

/// Whether `c` may stand inside a name: letters, digits, subscript digits and `'`.
pub fn is_name_part(c: char) -> bool {
    c == '\'' || ('\u{2080}'..='\u{2089}').contains(&c) || unicode_ident::is_xid_continue(c)
}

/// What an unexpected character is and what to write in its place, where that is plain.
pub fn describe_char(c: char) -> (String, Option<&'static str>) {
    let (what, instead) = match c {
        '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{00AB}' | '\u{00BB}' | '\u{2033}' => ("a typographic quote", "\""),
        '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{02BC}' | '\u{2032}' => ("a typographic apostrophe", "'"),
        '\u{2212}' | '\u{2013}' | '\u{2014}' | '\u{2011}' => ("a dash, not a minus sign", "-"),
        '\u{00D7}' | '\u{22C5}' | '\u{00B7}' | '\u{2217}' => ("a multiplication sign", "*"),
        '\u{00F7}' | '\u{2215}' => ("a division sign", "/"),
        '\u{2264}' => ("a comparison sign", "<="),
        '\u{2265}' => ("a comparison sign", ">="),
        '\u{2260}' => ("a comparison sign", "!="),
        '\u{2192}' => ("an arrow", "->"),
        '\u{2026}' => ("an ellipsis character", "..."),
        '\u{00B2}' => ("a superscript", "^2"),
        '\u{00B3}' => ("a superscript", "^3"),
        '\u{221A}' => ("a root sign", "sqrt( )"),
        '\u{00A0}' | '\u{202F}' => ("a no-break space", " "),
        '\u{FF08}' => ("a wide bracket", "("),
        '\u{FF09}' => ("a wide bracket", ")"),
        '\u{FF0C}' => ("a wide comma", ","),
        '&' => ("not an operator here", "and"),
        _ => return (describe_other(c), None),
    };
    (what.to_string(), Some(instead))
}

fn describe_other(c: char) -> String {
    match c {
        '\u{FEFF}' => "an invisible byte order mark (U+FEFF)".to_string(),
        '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' => format!("an invisible character (U+{:04X})", c as u32),
        c if c.is_whitespace() => format!("a kind of white space that is not allowed (U+{:04X})", c as u32),
        c if c.is_control() => format!("a control character (U+{:04X})", c as u32),
        c if c.is_ascii() => "not used in this language".to_string(),
        c => format!("U+{:04X}", c as u32),
    }
}

/// The word with Cyrillic and Greek letters that look like Latin ones replaced by those, if it then is all ASCII.
/// `None` for words that are ASCII already.
pub fn ascii_lookalike(word: &str) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    word.chars().map(|c| if c.is_ascii() { Some(c) } else { latin_twin(c) }).collect()
}

fn latin_twin(c: char) -> Option<char> {
    const TWINS: &[(&str, &str)] = &[
        ("абвеіјкмнорстухһѕԁԛѡ", "abbeijkmhopctyxhsdqw"),
        ("АВСЕНІЈКМОРЅТХУ", "ABCEHIJKMOPSTXY"),
        ("αβεικνορτυχ", "abeiknoptux"),
        ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
    ];
    TWINS
        .iter()
        .find_map(|(from, to)| from.chars().zip(to.chars()).find(|(twin, _)| *twin == c).map(|(_, latin)| latin))
}
