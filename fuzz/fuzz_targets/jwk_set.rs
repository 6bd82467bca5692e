//! The keys of a server that may be hostile.
#![no_main]

use keybound::{Algorithm, JwkSet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(keys) = JwkSet::parse(text) {
        for algorithm in Algorithm::ALL {
            assert!(keys.find(None, algorithm).count() <= 100);
        }
    }
});
