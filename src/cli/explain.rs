//! `nnc explain`: what a code means. Codes are taken in any case.

use super::Exit;
use super::shared::print;
use crate::diag::{Code, nearest, render};

/// Prints the explanation of a code.
pub fn explain(name: &str) -> Exit {
    if let Some(code) = Code::parse(name) {
        print(&render::explain(code));
        return Exit::Ok;
    }
    let upper = name.to_uppercase();
    let hint = match nearest(&upper, Code::ALL.iter().map(|code| code.name())) {
        Some(near) => format!("did you mean {near}?"),
        None => "codes look like E0301; `nnc check` prints them".to_string(),
    };
    eprintln!("nnc: there is no code {name}; {hint}");
    Exit::Usage
}
