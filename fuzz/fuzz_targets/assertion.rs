//! A client assertion from a stranger.
#![no_main]

use keybound::assertion::{AssertionPolicy, UnverifiedAssertion};
use keybound::{JwkSet, NumericDate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|assertion: &str| {
    if let Ok(assertion) = UnverifiedAssertion::parse(assertion) {
        let policy = AssertionPolicy::new(vec!["https://org.example.com".to_owned()]);
        let now = NumericDate::from_seconds(1_800_000_000);
        assert!(assertion.verify(&policy, &JwkSet::from_keys(vec![]), now).is_err());
    }
});
