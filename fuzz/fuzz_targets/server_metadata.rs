//! What an authorization server that may be hostile says of itself to a client, and an issuer that may be anything.
#![no_main]

use keybound::TargetUri;
use keybound::metadata::{ServerMetadata, WellKnown};
use libfuzzer_sys::fuzz_target;

const ISSUER: &str = "https://as.example.com";

fn is_secure(uri: &str) -> bool {
    let target = TargetUri::parse(uri).unwrap();
    target.as_str().starts_with("https://") || target.is_loopback()
}

fuzz_target!(|text: &[u8]| {
    match ServerMetadata::parse(text, ISSUER) {
        Ok(metadata) => {
            assert_eq!(metadata.issuer, ISSUER);
            let endpoints = [
                &metadata.token_endpoint,
                &metadata.authorization_endpoint,
                &metadata.pushed_authorization_request_endpoint,
                &metadata.device_authorization_endpoint,
            ];
            for endpoint in endpoints.into_iter().flatten() {
                assert!(is_secure(&endpoint.to_string()));
            }
            if let Ok(algorithm) = metadata.choose_proof_algorithm() {
                metadata.allow_proof_algorithm(algorithm).unwrap();
            }
        }
        Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
    }
    if let Ok(Ok(places)) = std::str::from_utf8(text).map(WellKnown::of) {
        for place in [places.oauth, places.openid] {
            assert!(is_secure(&place.to_string()));
        }
    }
});
