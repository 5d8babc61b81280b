//! Suite: hostile texts. Whatever is written, `nnc check` ends soon with a
//! diagnostic or with success, on a small stack, and never panics.

#![allow(clippy::unwrap_used)] // A suite may panic.

use std::ops::RangeInclusive;

use nnc::check::typed::{DataId, Program, Source};
use nnc::check::{Options, Schema, SchemaError, World, check};
use nnc::diag::Diagnostic;
use nnc::source::{FileId, SourceMap};
use nnc::syntax;

/// Seconds. What is promised on an idle machine is 1 and 3 (`cargo test --release hostile -- --nocapture
/// --test-threads 1` prints what was needed); a busy one must not fail, and what is quadratic still does.
const LIMIT: f64 = 4.0;
const LONG_LINE_LIMIT: f64 = 12.0;

/// Files by number: each imports the next.
struct Chain(usize);

impl World for Chain {
    fn import(&self, _from: &str, path: &str) -> Result<(String, String), String> {
        let number = path.trim_start_matches('f').trim_end_matches(".nn");
        let number: usize = number.parse().map_err(|_| format!("no file {path}"))?;
        let next = (number + 1) % self.0;
        Ok((path.to_string(), format!("import \"f{next}.nn\"\nconst c{number} = {number}\n")))
    }

    fn schema(&self, _: &Source) -> Result<Schema, SchemaError> {
        Err(SchemaError { message: "there is no data".to_string(), help: None })
    }

    fn parts(&self, _: &Program, _: DataId) -> Result<Vec<(String, u64)>, SchemaError> {
        Err(SchemaError { message: "there is no data".to_string(), help: None })
    }
}

/// Seconds that this thread has worked: what others do on a busy machine does not count. Where the system does not
/// tell, they are those of the wall.
struct Clock {
    wall: std::time::Instant,
    worked: Option<f64>,
}

impl Clock {
    fn start() -> Clock {
        Clock { wall: std::time::Instant::now(), worked: Clock::worked() }
    }

    fn worked() -> Option<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
    }

    fn seconds(&self) -> f64 {
        let worked = self.worked.zip(Clock::worked()).map(|(before, now)| now - before);
        worked.unwrap_or_else(|| self.wall.elapsed().as_secs_f64())
    }
}

/// Runs on a small stack, as a thread of a server might.
fn on_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap()
}

/// Holds what was found against the time and the number of errors that are allowed.
fn judge(name: &str, text: &str, began: Clock, found: &[Diagnostic], errors: &RangeInclusive<usize>) {
    let seconds = began.seconds();
    // What a teacher would say of such a program is no matter here.
    let count = found.iter().filter(|diagnostic| diagnostic.is_error()).count();
    assert!(errors.contains(&count), "{name}: {count} errors, first {:?}", found.first());
    for diagnostic in found.iter().filter(|diagnostic| diagnostic.primary.span.file == FileId(0)) {
        let span = diagnostic.primary.span;
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "{name}: {diagnostic:?}");
    }
    if !cfg!(debug_assertions) {
        let limit = if text.len() > 5_000_000 { LONG_LINE_LIMIT } else { LIMIT };
        println!("{name}: {seconds:.3} s, {} bytes", text.len());
        assert!(seconds < limit, "{name}: {seconds} s");
    }
}

/// Parses only: for texts whose names mean nothing.
fn parse_hostile(name: &'static str, text: String, errors: RangeInclusive<usize>) {
    on_small_stack(move || {
        let began = Clock::start();
        let (file, diagnostics) = syntax::parse(FileId(0), &text);
        judge(name, &text, began, &diagnostics, &errors);
        drop(file);
    });
}

/// The whole of `nnc check`: the errors of parsing, or if there are none those of checking.
fn check_hostile(name: &'static str, text: String, errors: RangeInclusive<usize>) -> Vec<Diagnostic> {
    check_in(name, text, errors, Chain(10_000))
}

fn check_in(name: &'static str, text: String, errors: RangeInclusive<usize>, world: Chain) -> Vec<Diagnostic> {
    on_small_stack(move || {
        let mut sources = SourceMap::default();
        let main = sources.add(name, text.as_str());
        let began = Clock::start();
        let (file, mut diagnostics) = syntax::parse(main, &text);
        let unparsed = diagnostics.clone();
        let options = Options { set: Vec::new(), seed: 0, unparsed: &unparsed, world: &world };
        let (program, found) = check(&mut sources, main, file, &options);
        diagnostics.extend(found);
        judge(name, &text, began, &diagnostics, &errors);
        drop(program);
        diagnostics
    })
}

const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

#[test]
fn deep_texts_are_errors() {
    let deep =
        |open: &str, inner: &str, close: &str| format!("let x = {}{inner}{}\n", open.repeat(MANY), close.repeat(MANY));
    parse_hostile("round brackets", deep("(", "1", ")"), 1..=1);
    parse_hostile("square brackets", deep("[", "1", "]"), 1..=1);
    parse_hostile("calls in calls", deep("f(", "1", ")"), 1..=1);
    parse_hostile("indices in indices", deep("f[", "1", "]"), 1..=1);
    parse_hostile("next of indices", deep("next f[", ":", "]"), 1..=1);
    parse_hostile("blocks", deep("if a { ", "1", " }"), 1..=1);
    parse_hostile("bare blocks", deep("{", "1", "}"), 1..=2);
    parse_hostile("holes in texts", deep("\"{", "1", "}\""), 1..=2);
    parse_hostile("minus", deep("-", "1", ""), 1..=1);
    parse_hostile("not", deep("not ", "1", ""), 1..=1);
    parse_hostile("powers", deep("2 ^ ", "1", ""), 1..=1);
    parse_hostile("signed powers", deep("2 ^ -", "1", ""), 1..=1);
    parse_hostile("calls of calls", format!("let x = f{}\n", "(1)".repeat(MANY)), 1..=1);
    parse_hostile("indices of indices", format!("let x = f{}\n", "[1]".repeat(MANY)), 1..=1);
    parse_hostile("fields of fields", format!("let x = f{}\n", ".a".repeat(MANY)), 1..=1);
    parse_hostile("patterns", format!("let {}a{} = 1\n", "(".repeat(MANY), ")".repeat(MANY)), 1..=1);
    parse_hostile("types", format!("fn f(x: {}f32{}) = 1\n", "(".repeat(MANY), ")".repeat(MANY)), 1..=1);
}

#[test]
fn texts_just_under_the_limit_parse_on_a_small_stack() {
    let deep =
        |open: &str, inner: &str, close: &str| format!("let x = {}{inner}{}\n", open.repeat(250), close.repeat(250));
    parse_hostile("round brackets", deep("(", "1", ")"), 0..=0);
    parse_hostile("calls", deep("f(", "1", ")"), 0..=0);
    parse_hostile("blocks", deep("if a { ", "1", " }"), 0..=0);
    parse_hostile("next of indices", deep("next f[", ":", "]"), 0..=0);
    parse_hostile("holes", deep("\"{", "1", "}\""), 0..=0);
}

#[test]
fn long_chains_are_fine() {
    let n = MANY;
    parse_hostile("sum", format!("let x = 1{}\n", " + 1".repeat(n)), 0..=0);
    parse_hostile("pipe", format!("let x = 1{}\n", "\n |> f(1)".repeat(n)), 0..=0);
    parse_hostile("else if", format!("let x = if a {{ 1 }}{}\n", " else if a { 1 }".repeat(n)), 0..=0);
    parse_hostile("statements", "let x = 1\n".repeat(n), 0..=0);
    parse_hostile("list", format!("let x = [{}]\n", "1, ".repeat(n)), 0..=0);
    parse_hostile("holes", format!("let x = \"{}\"\n", "{a}".repeat(n)), 0..=0);
}

#[test]
fn broken_texts_end_in_errors() {
    let n = MANY;
    parse_hostile("errors", "let = 1\n".repeat(n), n..=n);
    parse_hostile("open brackets", "let x = (1\n".repeat(n), n..=n);
    parse_hostile("open round", "(".repeat(n), 1..=1);
    parse_hostile("open braces", "{".repeat(n), 1..=3);
    parse_hostile("open braces in lines", "{\n".repeat(n), 1..=3);
    parse_hostile("closing", ")".repeat(n), 1..=1);
    parse_hostile("closing braces", "}".repeat(n), 1..=n);
    parse_hostile("open everything", "f(\"{[ {".repeat(n), 1..=3);
    parse_hostile("open text", format!("print \"{}", "a".repeat(n)), 1..=1);
    parse_hostile("quotes", "\"".repeat(n + 1), 1..=1);
    parse_hostile("back-quotes", "`".repeat(n + 1), 1..=1);
    parse_hostile("backslashes", "\\".repeat(n), 1..=1);
    parse_hostile("lone carriage returns", "let x = 1\rlet y = 2\r".to_string(), 1..=1);
    parse_hostile("zero bytes", "let x = \0\0\n".to_string(), 1..=1);
    parse_hostile("emoji", "🙂".repeat(n), 1..=1);
    parse_hostile("empty lines", "\n".repeat(n * 10), 0..=0);
    parse_hostile("comments", "# a\n".repeat(n), 0..=0);
    parse_hostile("equals", "=".repeat(n), 1..=1);
    parse_hostile("pipes", "x |> ".repeat(n), 1..=1);
    parse_hostile("words", "a ".repeat(n), 1..=1);
    parse_hostile("empty", String::new(), 0..=0);
}

#[test]
fn lines_of_ten_megabytes() {
    if cfg!(debug_assertions) {
        return;
    }
    parse_hostile("sum", format!("let x = 1{}\n", "+1".repeat(5_000_000)), 1..=1);
    parse_hostile("names", format!("let x = a{}\n", "*abcdefgh".repeat(1_100_000)), 1..=1);
    parse_hostile("text", format!("print \"{}\"\n", "a".repeat(10_000_000)), 0..=0);
    parse_hostile("word", "a".repeat(10_000_000), 1..=1);
    parse_hostile("brackets", "(".repeat(10_000_000), 1..=1);
    parse_hostile("list", format!("let x = [{}]\n", "1, ".repeat(3_300_000)), 1..=1);
    parse_hostile("statements", "a;".repeat(5_000_000), 1..=1);
    parse_hostile("comment", format!("#{}\n", "a".repeat(10_000_000)), 0..=0);
    parse_hostile("sum under the limit", format!("let x = 1{}\n", "+1".repeat(2_000_000)), 0..=0);
    parse_hostile("late error", format!("let x = 1{} )\n", "+1".repeat(5_000_000)), 1..=1);
}

/// `line` with each number below `count` for `#`, joined.
fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

const PARAM: &str = "param w = 1.0\n";

#[test]
fn long_legal_programs_check() {
    let n = MANY;
    check_hostile("sum of numbers", format!("print 1{}\n", " + 1".repeat(n)), 0..=0);
    check_hostile("sum of a param", format!("{PARAM}print w{}\n", " + w".repeat(n)), 0..=0);
    check_hostile("product of a param", format!("{PARAM}print w{}\n", " * w".repeat(n)), 0..=0);
    check_hostile("and", format!("let a = true\nprint a{}\n", " and a".repeat(n)), 0..=0);
    check_hostile("pipe", format!("fn f(x, y) = x + y\n{PARAM}print w{}\n", "\n |> f(1)".repeat(n)), 0..=0);
    check_hostile(
        "else if",
        format!("let a = false\nlet x = if a {{ 1 }}{} else {{ 2 }}\n", " else if a { 1 }".repeat(n)),
        0..=0,
    );
    let lets = numbered(n, |at| format!("let x{} = x{at} + 1\n", at + 1));
    check_hostile("lets", format!("{PARAM}let x0 = w\n{lets}print x{n}\n"), 0..=0);
    check_hostile("prints", format!("{PARAM}{}", "print w\n".repeat(n)), 0..=0);
    check_hostile("list", format!("let x = [{}]\nprint x\n", "1, ".repeat(n)), 0..=0);
    check_hostile("list of a param", format!("{PARAM}let x = [{}]\nprint sum(x)\n", "w, ".repeat(n)), 0..=0);
    check_hostile("for", format!("{PARAM}for i in 0..{n} {{ print w + i }}\n"), 0..=0);
    check_hostile("carry", format!("{PARAM}print for i in 0..{n} with c = w {{ next c = c + i }}\n"), 0..=0);
    check_hostile("writes", format!("{PARAM}let y = w * 2\n{}", "next w = w + 1\nprint y\n".repeat(n / 4)), 0..=0);
    check_hostile("params", numbered(n, |at| format!("param w{at} = 1.0\n")), 0..=0);
    let params = numbered(n / 10, |at| format!("param w{at} = 1.0\n"));
    let loss = numbered(n / 10, |at| format!(" + w{at}^2"));
    check_hostile("adam", format!("{params}train {{ minimize 0.0{loss} with adam(1e-3)\n steps 1 }}\n"), 0..=0);
}

#[test]
fn chains_of_definitions_end() {
    let n = MANY / 10;
    let consts = numbered(n, |at| format!("const a{at} = a{} + 1\n", at + 1));
    check_hostile("consts from below", format!("{consts}const a{n} = 1\nprint a0\n"), 0..=0);
    let found = check_hostile("consts in a circle", format!("{consts}const a{n} = a0\nprint a0\n"), 1..=2);
    assert!(found[0].message.contains("computed from itself"), "{found:?}");
    let fns = |n: usize| numbered(n, |at| format!("fn f{at}(x) = f{}(x) + 1\n", at + 1));
    check_hostile("calls", format!("{}fn f200(x) = x\n{PARAM}print f0(w)\n", fns(200)), 0..=0);
    let found = check_hostile("too many calls", format!("{}fn f{n}(x) = x\n{PARAM}print f0(w)\n", fns(n)), 1..=n);
    assert!(found[0].message.contains("calls nested more than"), "{:?}", found[0]);
    check_hostile("recursion", "fn f(x) = g(x)\nfn g(x) = f(x)\nprint f(1)\n".to_string(), 1..=2);
    check_hostile("long chain of imports", "import \"f0.nn\"\nprint 1\n".to_string(), 1..=1);
    let found = check_in("imports in a circle", "import \"f0.nn\"\n".to_string(), 1..=1, Chain(50));
    assert!(found[0].message.contains("imports itself"), "{found:?}");
    let doubled = numbered(40, |at| format!("fn f{at}(x) = f{0}(x) + f{0}(x)\n", at + 1));
    check_hostile("calls by two", format!("{doubled}fn f40(x) = x\n{PARAM}print f0(w)\n"), 1..=1);
    let doubled = numbered(40, |at| format!("layer f{at}()(x) {{ x |> f{0}() |> f{0}() }}\n", at + 1));
    check_hostile("layers by two", format!("{doubled}layer f40()(x) {{ x * 1.5 }}\n{PARAM}print f0()(w)\n"), 1..=1);
}

#[test]
fn loops_without_end_are_errors() {
    let unrolls = |name, text: &str| {
        let found = check_hostile(name, format!("{PARAM}{text}\n"), 1..=1);
        assert!(matches!(found[0].code.name(), "E0703" | "E0308"), "{name}: {found:?}");
    };
    unrolls("nested", "for i in 0..100000 { for j in 0..100000 { for k in 0..100000 { print w + i } } }");
    unrolls("all combinations", "for i in 0..1000000, j in 0..1000000, k in 0..1000000, l in 0..1000000 { print i }");
    unrolls("empty body", "for i in 0..1000000, j in 0..1000000 { }");
    unrolls("in an expression", "let y = for i in 0..1000000 { for j in 0..1000000 { let z = j } }");
    unrolls("repeat", "print w |> repeat 1000000 { repeat 1000000 { relu } }");
    unrolls("nested lists", "let y = for i in 0..100000 with c = [1] { next c = [c] }");
    unrolls("doubled lists", "let y = for i in 0..64 with c = [1] { next c = [c, c] }");
    unrolls("doubled texts", "let y = for i in 0..64 with c = \"a\" { next c = \"{c}{c}\" }");
    unrolls("added texts", "let y = for i in 0..64 with c = \"a\" { next c = c + c }");
    unrolls("huge range", "for i in 0..9223372036854775807 { print i }");
}

#[test]
fn huge_sizes_are_errors() {
    let wrong = |text: &str| {
        check_hostile("huge size", format!("param w: f32[2] = zeros\n{text}\n"), 1..=2);
    };
    wrong("param v: f32[9223372036854775807, 2] = zeros");
    wrong("param v: f32[4000000000, 4000000000] = zeros");
    wrong("print zeros[4000000000, 4000000000]");
    wrong("print zeros[2^62]");
    wrong("print 18446744073709551616");
    wrong("print 9223372036854775807 + 1");
    wrong("print 9223372036854775807 * 2");
    wrong("print (-9223372036854775807 - 1) // -1");
    wrong("print sum(0..9223372036854775807)");
    wrong("print -9223372036854775807..9223372036854775807");
    wrong("print sum(0..4000000000)");
    wrong("print reverse(0..4000000000)");
    wrong("print reshape(w, [9223372036854775807, 9223372036854775807])");
    wrong("print w[9223372036854775807]");
    wrong(&format!("fn f(x: f32[A, B, C, D]) = reshape(x, [{}1])", "(A+B+C+D+1)*".repeat(60)));
    wrong(&format!("fn f(x: f32[A]) = reshape(x, [A{}])", " // 2".repeat(MANY / 10)));
}

#[test]
fn programs_just_under_the_limit_check_on_a_small_stack() {
    let deep = |open: &str, inner: &str, close: &str| {
        let (open, close) = (open.repeat(250), close.repeat(250));
        format!("{PARAM}let a = true\nfn f(x) = x\nlet x = {open}{inner}{close}\nprint x\n")
    };
    check_hostile("round brackets", deep("(", "w", ")"), 0..=0);
    check_hostile("lists", deep("[", "w", "]"), 0..=0);
    check_hostile("calls", deep("f(", "w", ")"), 0..=0);
    check_hostile("blocks", deep("if a { ", "w", " } else { w }"), 0..=0);
    check_hostile("loops", deep("for i in 0..1 { emit ", "w", " }"), 0..=0);
    check_hostile("holes", deep("\"{", "w", "}\""), 0..=0);
    check_hostile("minus", deep("-", "w", ""), 0..=0);
    check_hostile("not", deep("not ", "a", ""), 0..=0);
    check_hostile("powers", deep("w ^ ", "2.5", ""), 0..=0);
    check_hostile("sums in brackets", deep("w + (", "w", ")"), 0..=0);
    // Every call is deep in itself: as much recursion as there can be.
    let body = |at: usize| format!("fn f{at}(x) = {}f{}(x){}\n", "(x + ".repeat(100), at + 1, ")".repeat(100));
    check_hostile("deep calls", format!("{}fn f200(x) = x\n{PARAM}print f0(w)\n", numbered(200, body)), 0..=2);
}

#[test]
fn many_errors_of_the_checker_are_found_soon() {
    let n = MANY;
    check_hostile("unknown names", numbered(n, |at| format!("print u{at}\n")), n..=n);
    check_hostile("one unknown name", "print zzz\n".repeat(n), n..=n);
    check_hostile("unknown values", numbered(n, |at| format!("let v{at} = q{at}\n")), n..=n);
    check_hostile("defined twice", "fn f(x) = x\n".repeat(n / 2), n / 2 - 1..=n / 2);
    check_hostile("definitions in error", numbered(n / 2, |at| format!("fn f{at}(x) = x + zq{at}\n")), n / 2..=n / 2);
    check_hostile("values without use", "1\n".repeat(n), n..=n);
}

#[test]
fn checked_lines_of_ten_megabytes() {
    if cfg!(debug_assertions) {
        return;
    }
    check_hostile("checked sum", format!("let x = 1{}\n", "+1".repeat(5_000_000)), 1..=1);
    check_hostile("checked list", format!("let x = [{}]\n", "1, ".repeat(3_300_000)), 1..=1);
    check_hostile("checked text", format!("print \"{}\"\n", "a".repeat(10_000_000)), 0..=0);
}
