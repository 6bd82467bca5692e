//! A nonce from a stranger: none but our own is accepted.
#![no_main]

use keybound::{Nonce, NoncePolicy, NonceSecret, Nonces, NumericDate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Nonce::parse(text);
    let nonces = Nonces::new(NoncePolicy::default(), NonceSecret::from_bytes(&[1; 32]));
    assert!(nonces.check(text, NumericDate::from_seconds(1_800_000_000)).is_err());
});
