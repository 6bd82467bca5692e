//! A file of the token cache that anybody may have written: what is read of it can be sent, and is written and
//! read again as the same.
#![no_main]

use keybound_client::{CachedToken, MAX_CACHED_NONCES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(token) = CachedToken::from_json(text) else { return };
    assert!(token.access_token.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(token.granted_at <= token.expires_at && token.nonces.len() <= MAX_CACHED_NONCES);
    let written = token.to_json();
    if let Ok(again) = CachedToken::from_json(&written) {
        assert_eq!(again.access_token, token.access_token);
        assert_eq!((again.granted_at, again.expires_at), (token.granted_at, token.expires_at));
        assert_eq!((again.scopes, again.nonces), (token.scopes, token.nonces));
    }
});
