//! The generators' arguments: names, defaults, ranges.
//!
//! In: arguments as written. Out: [`Arguments`], one value per parameter, all
//! within range. [`GENERATORS`] is the single list; docs/data.md repeats it.

use super::super::error::DataError;
use crate::diag::nearest;

/// An argument as written: positional or by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// `None` if positional.
    pub name: Option<String>,
    /// Its value.
    pub value: f64,
}

impl Argument {
    /// By name.
    pub fn named(name: impl Into<String>, value: f64) -> Self {
        Argument { name: Some(name.into()), value }
    }

    /// By position.
    pub fn positional(value: f64) -> Self {
        Argument { name: None, value }
    }
}

/// One parameter of a generator.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The value if it is left out.
    pub default: f64,
    /// The least value allowed.
    pub least: f64,
    /// The greatest value allowed.
    pub most: f64,
    /// Whether it must be whole.
    pub whole: bool,
}

/// A generator's name and parameters, in positional order.
#[derive(Debug)]
pub struct Generator {
    /// Its name.
    pub name: &'static str,
    /// One line for `nnc doc`.
    pub about: &'static str,
    /// In positional order.
    pub parameters: &'static [Parameter],
}

const fn count(name: &'static str, default: f64, least: f64, most: f64) -> Parameter {
    Parameter { name, default, least, most, whole: true }
}

const fn real(name: &'static str, default: f64, least: f64, most: f64) -> Parameter {
    Parameter { name, default, least, most, whole: false }
}

const fn rows(default: f64) -> Parameter {
    count("n", default, 1.0, 10_000_000.0)
}

const fn noise(default: f64) -> Parameter {
    real("noise", default, 0.0, 1e3)
}

/// Seeds up to 2^53 are exact in f64.
const SEED: Parameter = count("seed", 0.0, 0.0, 9_007_199_254_740_992.0);

/// All generators.
pub const GENERATORS: &[Generator] = &[
    Generator { name: "xor", about: "y = 1 if exactly one of x is 1", parameters: &[rows(4.0), noise(0.0), SEED] },
    Generator { name: "and", about: "y = 1 if both of x are 1", parameters: &[rows(4.0), noise(0.0), SEED] },
    Generator { name: "or", about: "y = 1 if any of x is 1", parameters: &[rows(4.0), noise(0.0), SEED] },
    Generator {
        name: "moons",
        about: "two half circles that reach into each other",
        parameters: &[rows(1000.0), noise(0.1), SEED],
    },
    Generator {
        name: "circles",
        about: "a circle inside a circle",
        parameters: &[rows(1000.0), noise(0.05), real("factor", 0.5, 0.0, 1.0), SEED],
    },
    Generator {
        name: "spirals",
        about: "arms that wind around each other",
        parameters: &[
            rows(1000.0),
            noise(0.02),
            count("classes", 2.0, 1.0, 1000.0),
            real("turns", 1.0, 0.0, 100.0),
            SEED,
        ],
    },
    Generator {
        name: "blobs",
        about: "normal clouds around centres on a circle of radius 1",
        parameters: &[rows(1000.0), noise(0.2), count("classes", 3.0, 1.0, 1000.0), SEED],
    },
    Generator {
        name: "sine",
        about: "y = sin(x) with noise, x uniform over whole periods",
        parameters: &[rows(200.0), noise(0.1), real("periods", 1.0, 0.0, 1e6), SEED],
    },
    Generator {
        name: "digits",
        about: "drawn digits, 28 x 28",
        parameters: &[rows(10_000.0), real("noise", 1.0, 0.0, 10.0), SEED, count("test", 0.0, 0.0, 10_000_000.0)],
    },
];

/// One value for every parameter of a generator.
pub(super) struct Arguments {
    generator: &'static Generator,
    values: Vec<f64>,
}

impl Arguments {
    /// Matches arguments with parameters; positional before named.
    pub(super) fn resolve(name: &str, args: &[Argument]) -> Result<Self, DataError> {
        let generator = GENERATORS.iter().find(|generator| generator.name == name).ok_or_else(|| {
            let names = GENERATORS.iter().map(|generator| generator.name);
            unknown(format!("there is no generator {name}"), name, names)
        })?;
        let mut given: Vec<Option<f64>> = vec![None; generator.parameters.len()];
        for (position, arg) in args.iter().enumerate() {
            let index = match &arg.name {
                None => position,
                Some(name) => position_of(generator, name)?,
            };
            let Some(slot) = given.get_mut(index) else {
                let most = generator.parameters.len();
                return Err(DataError::new(format!("{name} takes at most {most} arguments")));
            };
            if slot.is_some() {
                let parameter = generator.parameters[index].name;
                return Err(DataError::new(format!("argument {parameter} of {name} is given twice")));
            }
            check(generator, &generator.parameters[index], arg.value)?;
            *slot = Some(arg.value);
        }
        let values = given.iter().zip(generator.parameters).map(|(given, own)| given.unwrap_or(own.default)).collect();
        Ok(Arguments { generator, values })
    }

    pub(super) fn rows(&self) -> usize {
        self.get("n") as usize
    }

    /// The same with no more than `most` rows; `n` is the first parameter of every generator.
    pub(super) fn at_most(&self, most: usize) -> Self {
        let mut values = self.values.clone();
        values[0] = values[0].min(most as f64);
        Arguments { generator: self.generator, values }
    }

    /// Rows beyond `n` that are the set's own test part.
    pub(super) fn test_rows(&self) -> usize {
        if self.generator.parameters.iter().any(|parameter| parameter.name == "test") {
            self.get("test") as usize
        } else {
            0
        }
    }

    /// The same with the rows of its own test part among the others.
    pub(super) fn with_test_rows(&self) -> Self {
        let mut values = self.values.clone();
        values[0] += self.test_rows() as f64;
        Arguments { generator: self.generator, values }
    }

    pub(super) fn seed(&self) -> u64 {
        self.get("seed") as u64
    }

    /// The value of a parameter that this generator has.
    pub(super) fn get(&self, name: &str) -> f64 {
        let index = self.generator.parameters.iter().position(|parameter| parameter.name == name);
        self.values[index.expect("a generator asks only for its own parameters")]
    }
}

fn position_of(generator: &Generator, name: &str) -> Result<usize, DataError> {
    generator.parameters.iter().position(|parameter| parameter.name == name).ok_or_else(|| {
        let names = generator.parameters.iter().map(|parameter| parameter.name);
        unknown(format!("{} has no argument {name}", generator.name), name, names)
    })
}

fn check(generator: &Generator, parameter: &Parameter, value: f64) -> Result<(), DataError> {
    let Parameter { name, least, most, whole, .. } = parameter;
    if !(*least..=*most).contains(&value) || (*whole && value.fract() != 0.0) {
        let kind = if *whole { "a whole number" } else { "a number" };
        let message = format!("{name} = {value} of {}: it must be {kind} from {least} to {most}", generator.name);
        return Err(DataError::new(message));
    }
    Ok(())
}

fn unknown<'a>(message: String, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> DataError {
    match nearest(name, names.clone()) {
        Some(near) => DataError::new(message).help(format!("did you mean {near}?")),
        None => DataError::new(message).help(format!("there are {}", names.collect::<Vec<_>>().join(", "))),
    }
}
