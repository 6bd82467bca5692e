//! An access token from a stranger.
#![no_main]

use keybound::access_token::AccessTokenPolicy;
use keybound::{JwkSet, NumericDate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &str| {
    let policy = AccessTokenPolicy::new("https://org.example.com".to_owned(), "https://api".to_owned());
    let now = NumericDate::from_seconds(1_800_000_000);
    assert!(policy.verify(token, &JwkSet::from_keys(vec![]), now).is_err());
});
