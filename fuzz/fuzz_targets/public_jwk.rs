//! A public key from a stranger: what is accepted can be written and read again.
#![no_main]

use keybound::{Algorithm, PublicKey, VerifyingKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|jwk: &[u8]| {
    if let Ok(key) = PublicKey::from_jwk(jwk) {
        let written = key.jwk().to_json();
        let read = PublicKey::from_jwk(written.as_bytes()).expect("what is written can be read");
        assert_eq!(read.thumbprint(), key.thumbprint());
        for algorithm in Algorithm::ALL {
            if let Ok(key) = VerifyingKey::new(&key, algorithm) {
                let _ = key.verify(b"message", &[0; 64]);
            }
        }
    }
});
