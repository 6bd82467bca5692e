//! What an issuer that may be hostile says of a token that it is asked about.
#![no_main]

use std::time::Duration;

use keybound::NumericDate;
use keybound::access_token::AccessTokenPolicy;
use keybound::json::Object;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let policy = AccessTokenPolicy::new("https://as.example.com".to_owned(), "https://api".to_owned());
    let now = NumericDate::from_seconds(1_800_000_000);
    let Ok(answer) = Object::parse(json) else { return };
    if let Ok(token) = policy.introspected(&answer, Duration::from_secs(30), now) {
        assert_eq!(token.issuer, policy.issuer);
        assert!(token.audiences.contains(&"https://api".to_owned()));
        assert!(token.expires.after(policy.leeway) > now);
    }
});
