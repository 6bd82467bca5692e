//! The expressions of `filter` and `search`: any text is one, or is refused, within the bounds.
#![no_main]

use keybound_org::Expression;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let first = text.parse::<Expression>();
    assert_eq!(first, text.parse(), "the same text means the same");
});
