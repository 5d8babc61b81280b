//! References in f64 for functions that `std` lacks.

use std::f64::consts::PI;

/// 1/(1 + e⁻ˣ)
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// log(1 + eˣ)
pub fn softplus(x: f64) -> f64 {
    if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }
}

/// erf: Taylor's series below 2.5, the continued fraction of erfc above; relative error below 1e-14.
pub fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let a = x.abs();
    // Beyond 6, 1 - erf is below 3e-17; below 1e-5 the third term is below 1e-20 of the first. Most f32 lie there.
    if a > 6.0 {
        return 1.0f64.copysign(x);
    }
    if a < 1e-5 {
        return 2.0 / PI.sqrt() * (x - x * x * x / 3.0);
    }
    (if a < 2.5 { erf_series(a) } else { 1.0 - erfc_fraction(a) }).copysign(x)
}

/// erfc for x ≥ 0, with small relative error everywhere (1e-12).
pub fn erfc(x: f64) -> f64 {
    if x < 1.5 { 1.0 - erf_series(x) } else { erfc_fraction(x) }
}

/// 2/√π·exp(-x²)·Σ 2ⁿ x²ⁿ⁺¹/(1·3·...·(2n+1)): all terms positive.
fn erf_series(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    let mut odd = 1.0;
    while term > sum * 1e-18 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// exp(-x²)/√π·1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), from 120 terms inwards.
fn erfc_fraction(x: f64) -> f64 {
    if x > 27.0 {
        return 0.0;
    }
    let mut tail = x;
    for term in (1..=120).rev() {
        tail = x + f64::from(term) / 2.0 / tail;
    }
    (-x * x).exp() / (PI.sqrt() * tail)
}

/// The inverse of erf by Newton's method on erf, near ±1 on log erfc; relative error about 1e-12.
pub fn erfinv(x: f64) -> f64 {
    let a = x.abs();
    if a == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    if a > 1.0 || x.is_nan() {
        return f64::NAN;
    }
    // √π/2·(x + π/12·x³); the next term is below 1e-17 of the first.
    if a < 1e-4 {
        return PI.sqrt() / 2.0 * (x + PI / 12.0 * x * x * x);
    }
    let rest = 1.0 - a;
    // Winitzki's formula starts within 2e-3.
    let log = (rest * (1.0 + a)).ln();
    let head = 2.0 / (PI * 0.147) + log / 2.0;
    let mut y = ((head * head - log / 0.147).sqrt() - head).sqrt();
    for _ in 0..4 {
        let slope = 2.0 / PI.sqrt() * (-y * y).exp();
        y -= if a < 0.8 { (erf(y) - a) / slope } else { -(erfc(y) / rest).ln() * erfc(y) / slope };
    }
    y.copysign(x)
}
