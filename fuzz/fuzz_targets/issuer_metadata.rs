//! What an issuer that may be hostile says of itself.
#![no_main]

use keybound::TargetUri;
use keybound_guard::tokens::IssuerMetadata;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    match IssuerMetadata::parse(json, "https://as.example.com") {
        Ok(metadata) => {
            for uri in metadata.jwks_uri.iter().chain(&metadata.introspection_endpoint) {
                let target = TargetUri::parse(&uri.to_string()).unwrap();
                assert!(target.as_str().starts_with("https://") || target.is_loopback());
            }
        }
        Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
    }
});
