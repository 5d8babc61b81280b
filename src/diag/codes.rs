//! The closed list of diagnostic codes.
//!
//! E01xx text and syntax, E02xx names, E03xx types and shapes, E04xx known
//! values and definitions, E05xx training, E06xx data, E07xx files and limits,
//! F09xx faults at run time, W08xx warnings. Each code's explanation is
//! `docs/diagnostics/CODE.md`, so that `nnc explain` and the docs are one text.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The program cannot run.
    Error,
    /// The program runs; a teacher would say something.
    Warning,
}

macro_rules! codes {
    ($($code:ident $title:literal)*) => {
        /// A diagnostic code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $code,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$code,)*];

            /// The code as it is printed, `E0203`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => stringify!($code),)* }
            }

            /// What it is about, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$code => $title,)* }
            }

            /// The explanation that `nnc explain` prints.
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Code::$code => include_str!(concat!("../../docs/diagnostics/", stringify!($code), ".md")),)*
                }
            }
        }
    };
}

// One line a code, in order. Adding one needs docs/diagnostics/CODE.md and a
// program in tests/errors/ that shows it.
codes! {
    E0101 "unexpected text"
    E0102 "an expression is missing"
    E0103 "unclosed bracket"
    E0104 "a closing bracket that closes nothing"
    E0105 "missing `}`"
    E0106 "a line that begins with `-`, `(` or `[`"
    E0107 "an operator after `|>`"
    E0108 "comparisons do not chain"
    E0109 "a word of the language as a name"
    E0110 "unknown start of a statement"
    E0111 "`=` where it cannot stand"
    E0112 "unclosed text"
    E0113 "a wrong escape or hole in a text"
    E0114 "an unfinished statement"
    E0115 "unexpected character"
    E0116 "not a number"
    E0117 "nested too deep"
    E0118 "not a text file, or too large"
    E0119 "a form that needs brackets"
    E0120 "not a size"
    E0121 "another version of the language"
    E0201 "unknown name"
    E0202 "defined twice"
    E0203 "unknown argument"
    E0204 "wrong arguments"
    E0205 "unknown field"
    E0206 "cannot be called or indexed"
    E0207 "used before it is bound"
    E0301 "shapes differ"
    E0302 "a product of sizes that do not meet"
    E0303 "axes do not align in one way"
    E0304 "a value of the wrong kind"
    E0305 "elements of the wrong type"
    E0306 "no such axis"
    E0307 "index out of bounds"
    E0308 "impossible size"
    E0309 "no value where one is declared"
    E0310 "branches of different types"
    E0311 "a scalar is wanted"
    E0312 "a reshape that changes the number of elements"
    E0313 "windows that do not fit the image"
    E0314 "nothing that can be drawn"
    E0315 "a setting that a definition does not take"
    E0401 "a known value is wanted"
    E0402 "a definition that uses itself"
    E0403 "not allowed here"
    E0404 "no derivative"
    E0405 "a value that is not used"
    E0406 "set twice"
    E0408 "one instance, two sizes"
    E0409 "imports in a circle"
    E0410 "unknown const"
    E0501 "a train that cannot work"
    E0502 "unknown figure"
    E0503 "a parameter in two groups"
    E0504 "an impossible number of steps"
    E0601 "no data"
    E0602 "parts that do not add up"
    E0603 "no such column"
    E0604 "no such part"
    E0605 "a row that does not fit its table"
    E0606 "a column that is not row by row"
    E0701 "a file that cannot be read"
    E0702 "out of memory before the first step"
    E0703 "a program that unrolls without end"
    F0901 "an assertion that does not hold"
    F0902 "a number that is not finite"
    F0903 "data that cannot be used"
    F0904 "a file that cannot be used while running"
    F0905 "a fault of the compiler"
    F0906 "an index outside, or a division by zero"
    W0801 "a loss of logits that is given probabilities"
    W0802 "a parameter without gradient"
    W0803 "the squared error of probabilities"
    W0804 "a hidden layer that starts at zero"
    W0805 "a name that nothing uses"
    W0806 "a deep net of ReLU that starts faint"
    W0807 "a column of numbers with a cell that is none"
}

impl Code {
    /// Error or warning, from the first letter.
    pub fn severity(self) -> Severity {
        if self.name().starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    /// The code with this name, in any case.
    pub fn parse(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(name))
    }
}
