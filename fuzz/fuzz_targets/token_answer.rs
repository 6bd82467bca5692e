//! The answer of a token endpoint that may be hostile.
#![no_main]

use http::{HeaderValue, Response};
use keybound::exchange::{ClientCredentials, TokenExchange};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, NumericDate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: (u16, &[u8], &[u8])| {
    let (status, nonce, body) = answer;
    let grant = ClientCredentials::new("https://org.example.com/token", "client", ["scope"]).unwrap();
    let mut exchange = TokenExchange::new(grant, Algorithm::ES256, None, None);
    exchange.attempt(NumericDate::from_seconds(1_800_000_000), &OperatingSystem).unwrap();
    let Ok(mut answer) = Response::builder().status(status).body(body) else { return };
    if let Ok(nonce) = HeaderValue::from_bytes(nonce) {
        answer.headers_mut().insert("dpop-nonce", nonce);
    }
    if let Err(error) = exchange.receive(&answer) {
        assert!(!error.to_string().chars().any(char::is_control));
    }
});
