//! What anybody can have a user's browser send to the redirect URI.
#![no_main]

use keybound::authorization::{AuthorizationRequest, PendingAuthorization, ResponseRefusal};
use keybound::endpoint::Endpoint;
use keybound::random::{Random, RandomUnavailable};
use libfuzzer_sys::fuzz_target;

/// `state` is 43 times `A`, so that the fuzzer can come beyond it.
struct Zeroes;

impl Random for Zeroes {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(0);
        Ok(())
    }
}

const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn begun(issuer_is_named: bool) -> PendingAuthorization {
    let endpoint = Endpoint::parse("https://as.example.com/authorize").unwrap();
    let mut request = AuthorizationRequest::new(
        "https://as.example.com",
        endpoint,
        "client",
        "http://127.0.0.1:1/callback",
    );
    request.issuer_is_named = issuer_is_named;
    request.begin(&Zeroes).unwrap()
}

fuzz_target!(|query: &str| {
    // As it is, and with the right `state` before it, which is then the one or one of two.
    let with_state = format!("state={STATE}&{query}");
    for pending in [begun(false), begun(true)] {
        for (query, has_state) in [(query, false), (with_state.as_str(), true)] {
            match pending.receive(query) {
                Ok(_) => assert!(query.len() > STATE.len()),
                Err(ResponseRefusal::WrongState { .. }) => assert!(!has_state),
                Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
            }
        }
    }
});
