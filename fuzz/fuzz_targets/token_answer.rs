//! The answer of a token endpoint that may be hostile, to a client that asks for itself and to a device that waits.
#![no_main]

use http::{HeaderValue, Response};
use keybound::device::DeviceAuthorization;
use keybound::endpoint::Endpoint;
use keybound::exchange::{ClientCredentials, ClientIdentity, Grant, Progress, TokenExchange, TokenRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, NumericDate};
use libfuzzer_sys::fuzz_target;

const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
const DEVICE: &[u8] =
    br#"{"device_code":"d","user_code":"u","verification_uri":"https://as.example.com","expires_in":600}"#;

fn exchanges() -> [TokenExchange; 2] {
    let client = ClientCredentials::new("https://org.example.com/token", "client", ["scope"]).unwrap();
    let device = DeviceAuthorization::parse(DEVICE, NOW).unwrap().grant().clone();
    let endpoint = Endpoint::parse("https://org.example.com/token").unwrap();
    let device = TokenRequest::new(endpoint, ClientIdentity::public("client"), Grant::DeviceCode(device));
    [
        TokenExchange::new(client, Algorithm::ES256, None, None),
        TokenExchange::for_request(device, None, None).unwrap(),
    ]
}

fuzz_target!(|answer: (u16, &[u8], &[u8])| {
    let (status, nonce, body) = answer;
    let Ok(mut answer) = Response::builder().status(status).body(body) else { return };
    if let Ok(nonce) = HeaderValue::from_bytes(nonce) {
        answer.headers_mut().insert("dpop-nonce", nonce);
    }
    for mut exchange in exchanges() {
        exchange.attempt(NOW, &OperatingSystem).unwrap();
        match exchange.receive(&answer) {
            Ok(Progress::Granted(token)) => assert!(!token.access_token.is_empty()),
            Ok(Progress::Wait(wait)) => assert!(wait.as_secs() >= 5),
            Ok(Progress::AnswerChallenge) => panic!("no proof was sent"),
            Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
        }
    }
});
