//! A reference to a key, from settings.
#![no_main]

use keybound_client::signers::KeyReference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<KeyReference>();
});
