//! The device authorization response of a server that may be hostile: what is shown to the user, and how often is polled.
#![no_main]

use std::time::Duration;

use keybound::NumericDate;
use keybound::device::{DeviceAuthorization, MAX_USER_CODE_BYTES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let now = NumericDate::from_seconds(1_800_000_000);
    match DeviceAuthorization::parse(json, now) {
        Ok(authorization) => {
            let code = &authorization.user_code;
            assert!(
                !code.is_empty() && code.len() <= MAX_USER_CODE_BYTES && !code.chars().any(char::is_control)
            );
            let polling = authorization.grant().polling();
            assert!(polling.interval() >= Duration::from_secs(1));
            if let Some(wait) = polling.wait(now) {
                assert!(now.after(wait) < polling.expires_at());
            }
        }
        Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
    }
});
