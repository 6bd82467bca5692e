//! The `Link` header field of a server that may be hostile.
#![no_main]

use http::{HeaderMap, HeaderValue, header::LINK};
use keybound_okta::link;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|fields: (&[u8], &[u8])| {
    let fields = [fields.0, fields.1].into_iter().filter_map(|field| HeaderValue::from_bytes(field).ok());
    let answer: HeaderMap = fields.map(|field| (LINK, field)).collect();
    let _ = link::next(&answer);
});
