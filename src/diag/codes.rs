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
