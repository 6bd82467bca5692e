//! JSON from a stranger: what is accepted has distinct names.
#![no_main]

use std::collections::HashSet;

use keybound::json::Object;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(object) = Object::parse(text) {
        let mut names = HashSet::new();
        assert!(object.members().all(|(name, _)| names.insert(name.to_owned())));
        let _ = (object.date("iat"), object.optional_strings("aud"), object.string("jti"));
    }
});
