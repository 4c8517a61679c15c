//! A random number that need not be unpredictable.

/// Returns a random number of at least 0 and less than 1.
pub(crate) fn fraction() -> f64 {
    #[cfg(not(target_family = "wasm"))]
    return rand::random();
    #[cfg(target_family = "wasm")]
    return js_sys::Math::random();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_fraction_is_in_its_range_and_differs() {
        let drawn: Vec<f64> = (0..100).map(|_| fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        assert!(drawn.iter().any(|fraction| fraction.total_cmp(&drawn[0]).is_ne()));
    }
}
