//! The challenge of a server that may be hostile: what is shown of it is short and fit for a terminal.
#![no_main]

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
use keybound_client::Challenge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|fields: (&[u8], &[u8])| {
    let fields = [fields.0, fields.1].into_iter().filter_map(|field| HeaderValue::from_bytes(field).ok());
    let answer: HeaderMap = fields.map(|field| (WWW_AUTHENTICATE, field)).collect();
    if let Some(challenge) = Challenge::refusal(&answer) {
        for text in [challenge.error, challenge.error_description, challenge.scope].into_iter().flatten() {
            assert!(text.chars().count() <= 500 && !text.chars().any(char::is_control));
        }
    }
});
