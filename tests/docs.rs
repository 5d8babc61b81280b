//! Every block of nnc code in the README and in `docs/` does what it says.
//!
//! ```` ```nn ```` runs to its end, and an ```` ```output ```` block behind it is
//! exactly what it prints; ```` ```nn error E0301 ```` fails with that code;
//! ```` ```nn fragment ```` parses.

use super::programs::{JIT, check, files_in, run_text};
use nnc::diag::Code;
use nnc::source::FileId;
use std::path::{Path, PathBuf};

struct Block {
    /// The words behind the opening fence.
    info: String,
    line: usize,
    text: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                open = true;
                blocks.push(Block { info: info.trim().to_string(), line: at + 1, text: String::new() });
            }
            None if open => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    blocks
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files_in("docs", "md");
    pages.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    pages
}

#[test]
fn every_block_does_what_it_says() {
    let mut count = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page can be read");
        let blocks = blocks(&text);
        for (at, block) in blocks.iter().enumerate() {
            let words: Vec<&str> = block.info.split_whitespace().collect();
            if words.first() != Some(&"nn") {
                continue;
            }
            count += 1;
            let place = format!("{}:{}", page.display(), block.line);
            match words.get(1) {
                None => {
                    let output = blocks.get(at + 1).filter(|next| next.info == "output");
                    runs(&place, &block.text, output.map(|output| output.text.as_str()));
                }
                Some(&"error") => fails(&place, &block.text, words.get(2).copied()),
                Some(&"fragment") => {
                    let (_, wrong) = nnc::syntax::parse(FileId::default(), &block.text);
                    assert!(wrong.is_empty(), "{place}: {wrong:?}");
                }
                Some(other) => panic!("{place}: a block is `nn`, `nn error CODE` or `nn fragment`, not `{other}`"),
            }
        }
    }
    assert!(count >= 20, "only {count} blocks were found");
}

fn runs(place: &str, text: &str, output: Option<&str>) {
    let ran = run_text("examples/block.nn", text, JIT).unwrap_or_else(|fault| panic!("{place}\n{fault}"));
    if let Some(output) = output {
        assert_eq!(ran.prints.join("\n"), output.trim_end(), "{place} prints something else");
    }
}

fn fails(place: &str, text: &str, code: Option<&str>) {
    match check("examples/block.nn", text) {
        Ok(_) => panic!("{place} has nothing wrong"),
        Err((codes, shown)) => {
            let wanted = code.unwrap_or_else(|| panic!("{place}: name the code, it is {codes:?}"));
            assert!(codes.iter().any(|found| found == wanted), "{place}: {codes:?}\n{shown}");
        }
    }
}

/// `docs/diagnostics.md` lists the codes as `src/diag/codes.rs` has them; NNC_BLESS=1 writes it anew.
#[test]
fn the_index_of_diagnostics_is_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics.md");
    let text = std::fs::read_to_string(&path).expect("docs/diagnostics.md can be read");
    let (head, old) = text.split_once("| code |").expect("the index has its table");
    let mut table = String::from(" about |\n| --- | --- |\n");
    for code in Code::ALL {
        let name = code.name();
        table.push_str(&format!("| [{name}](diagnostics/{name}.md) | {} |\n", code.title()));
    }
    if std::env::var_os("NNC_BLESS").is_some() {
        std::fs::write(&path, format!("{head}| code |{table}")).expect("docs/diagnostics.md can be written");
        return;
    }
    assert_eq!(old, table, "NNC_BLESS=1 cargo test index_of_diagnostics writes it anew");
}
