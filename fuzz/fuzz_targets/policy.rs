//! The text of a policy: an error, or a policy that a guard can be asked to go by.
#![no_main]

use keybound_guard::policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(policy) = Policy::from_toml(text) {
        assert_eq!(policy.check().map_err(|error| error.to_string()), Ok(()));
        assert!(!policy.issuers.is_empty());
    }
});
