//! A file of a trace, from anybody: an error, or one that is the same when it is written and read again.
#![no_main]

use keybound_org::trace::TraceFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(file) = TraceFile::parse(text) {
        for exchange in &file.exchanges {
            let (_, _, _) = (exchange.time(), exchange.duration(), exchange.path());
            let _ = exchange.messages().map(|(_, _, message)| message.body_text());
        }
        assert_eq!(TraceFile::parse(file.to_json().as_bytes()), Ok(file));
    }
});
