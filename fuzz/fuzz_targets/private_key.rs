//! A key file from anywhere: PEM of every kind, and private JWKs.
#![no_main]

use keybound::PrivateKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = PrivateKey::from_jwk(text);
    if let Ok(text) = std::str::from_utf8(text) {
        if let Ok(key) = PrivateKey::from_pem(text) {
            let written = key.to_pkcs8_pem().expect("a key that was read can be written");
            let read = PrivateKey::from_pem(&written).expect("what is written can be read");
            assert_eq!(read.public_key().thumbprint(), key.public_key().thumbprint());
        }
        let _ = PrivateKey::from_encrypted_pem(text, b"password");
    }
});
