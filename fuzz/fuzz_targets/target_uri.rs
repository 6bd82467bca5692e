//! A URI from a stranger: its normal form is a URI whose normal form is itself.
#![no_main]

use keybound::TargetUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|uri: &str| {
    if let Ok(once) = TargetUri::parse(uri) {
        let twice = TargetUri::parse(once.as_str()).expect("a normal form is a URI");
        assert_eq!(once, twice);
        assert_eq!(once.as_str(), format!("{}{}", once.origin(), once.path()));
    }
});
