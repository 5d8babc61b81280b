//! Scalar functions in f64 that the standard library lacks, each to a few
//! units in the last place; and the language's own rules for max, min and
//! integer division. Everything here is total: out of the domain gives NaN.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// log(1 + eˣ) without overflow.
pub fn softplus(x: f64) -> f64 {
    if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }
}

/// 1 / (1 + e⁻ˣ) without overflow.
pub fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// The error function. Abramowitz and Stegun 7.1.6 below 1.5, where all terms
/// are positive and few, above it through [`erfc`].
pub fn erf(x: f64) -> f64 {
    if x.abs() < 1.5 {
        erf_series(x)
    } else if x > 0.0 {
        1.0 - erfc_fraction(x)
    } else if x < 0.0 {
        erfc_fraction(-x) - 1.0
    } else {
        x
    }
}

/// 1 - erf(x), with a small relative error for large x.
pub fn erfc(x: f64) -> f64 {
    if x < 1.5 { 1.0 - erf(x) } else { erfc_fraction(x) }
}

/// The x with erf(x) = y; ±1 gives ±infinity, beyond it NaN. Starts from
/// Giles, "Approximating the erfinv function" (2011), then Newton.
pub fn erfinv(y: f64) -> f64 {
    let size = y.abs();
    if size.is_nan() || size > 1.0 {
        return f64::NAN;
    }
    if size == 1.0 {
        return y * f64::INFINITY;
    }
    let mut x = giles(size);
    for _ in 0..8 {
        // Near 1 the complement keeps the digits that erf(x) - y loses.
        let error = if size > 0.5 { (1.0 - size) - erfc(x) } else { erf(x) - size };
        let step = error / (FRAC_2_SQRT_PI * (-x * x).exp());
        x -= step;
        if step.abs() <= 1e-16 * x.abs() {
            break;
        }
    }
    x.copysign(y)
}

/// The larger; NaN in either wins. At equality b, as compiled code does.
pub fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b < a { a } else { b }
}

/// The smaller; NaN in either wins. At equality b.
pub fn min(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

/// Floor of the quotient, wrapping; by zero 0.
pub fn floor_div(a: i32, b: i32) -> i32 {
    if b == 0 {
        return 0;
    }
    let quotient = a.wrapping_div(b);
    let remainder = a.wrapping_rem(b);
    if remainder != 0 && (remainder < 0) != (b < 0) { quotient - 1 } else { quotient }
}

/// a - floor(a/b)·b, so of b's sign; by zero 0.
pub fn floor_rem(a: i32, b: i32) -> i32 {
    if b == 0 {
        return 0;
    }
    let remainder = a.wrapping_rem(b);
    if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder }
}

fn erf_series(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    let mut odd = 1.0;
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// The continued fraction of Abramowitz and Stegun 7.1.14, from the inside: 120 terms
/// are enough for x ≥ 1.5.
fn erfc_fraction(x: f64) -> f64 {
    let tail = (1..=120).rev().fold(x, |tail, k| x + 0.5 * f64::from(k) / tail);
    (-x * x).exp() / (PI.sqrt() * tail)
}

/// Giles' single precision approximation, 0 ≤ y < 1.
fn giles(y: f64) -> f64 {
    const CENTRAL: [f64; 9] = [
        2.81022636e-08,
        3.43273939e-07,
        -3.5233877e-06,
        -4.39150654e-06,
        0.00021858087,
        -0.00125372503,
        -0.00417768164,
        0.246640727,
        1.50140941,
    ];
    const TAIL: [f64; 9] = [
        -0.000200214257,
        0.000100950558,
        0.00134934322,
        -0.00367342844,
        0.00573950773,
        -0.0076224613,
        0.00943887047,
        1.00167406,
        2.83297682,
    ];
    let w = -((1.0 - y) * (1.0 + y)).ln();
    let (at, coefficients) = if w < 5.0 { (w - 2.5, CENTRAL) } else { (w.sqrt() - 3.0, TAIL) };
    y * coefficients.into_iter().fold(0.0, |sum, coefficient| sum * at + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 4e-16 * expected.abs().max(1e-3), "{actual:e} is not {expected:e}");
    }

    /// Values from tables with 16 digits.
    #[test]
    fn error_function_known_values() {
        close(erf(0.5), 0.520_499_877_813_046_5);
        close(erf(1.0), 0.842_700_792_949_714_9);
        close(erf(2.0), 0.995_322_265_018_952_7);
        close(erf(-3.0), -0.999_977_909_503_001_4);
        close(erf(10.0), 1.0);
        assert!((erfc(5.0) / 1.537_459_794_428_034_8e-12 - 1.0).abs() < 1e-14);
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn inverse_error_function_inverts() {
        for k in 1..400 {
            let x = f64::from(k) * 0.01;
            let y = erf(x);
            // y carries a few units in the last place; the inverse amplifies them.
            let amplified = 6e-16 / (FRAC_2_SQRT_PI * (-x * x).exp());
            assert!((erfinv(y) - x).abs() <= amplified + 1e-15 * x, "{x}");
            assert_eq!(erfinv(-y), -erfinv(y));
        }
        assert_eq!((erfinv(0.0), erfinv(1.0), erfinv(-1.0)), (0.0, f64::INFINITY, f64::NEG_INFINITY));
        assert!(erfinv(1.5).is_nan() && erfinv(1.0 - f64::EPSILON / 2.0).is_finite());
    }

    #[test]
    fn integer_division_is_floor() {
        assert_eq!((floor_div(-7, 2), floor_rem(-7, 2)), (-4, 1));
        assert_eq!((floor_div(7, -2), floor_rem(7, -2)), (-4, -1));
        assert_eq!((floor_div(i32::MIN, -1), floor_rem(i32::MIN, -1)), (i32::MIN, 0));
        assert_eq!((floor_div(5, 0), floor_rem(5, 0)), (0, 0));
    }

    #[test]
    fn stable_at_the_ends() {
        assert_eq!((softplus(1000.0), softplus(-1000.0)), (1000.0, 0.0));
        assert_eq!((logistic(1000.0), logistic(-1000.0)), (1.0, 0.0));
        assert!(max(f64::NAN, 1.0).is_nan() && max(1.0, f64::NAN).is_nan());
        assert!(min(f64::NAN, 1.0).is_nan() && min(1.0, f64::NAN).is_nan());
    }
}
