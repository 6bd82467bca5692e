//! A stranger's request to a guard, with every field that a proxy might set: nobody is admitted without a
//! token, whatever path, host or forwarding fields a request names.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use keybound_guard::policy::Policy;
use keybound_guard::{Guard, IncomingRequest};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

const FIELDS: [&str; 8] = [
    "authorization",
    "dpop",
    "host",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-original-uri",
];

/// The public key of RFC 7515 appendix A.3, with which nobody signs here: no token is good.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

static GUARD: LazyLock<(Runtime, Guard)> = LazyLock::new(|| {
    let keys = std::env::temp_dir().join(format!("keybound-fuzz-{}.json", std::process::id()));
    std::fs::write(&keys, KEYS).unwrap();
    let policy = format!(
        r#"
        resources = ["https://a.example", "https://b.example"]
        trusted_proxies = ["10.0.0.0/8"]
        forwarded_in = "forwarded"
        [[issuers]]
        issuer = "https://as.example"
        algorithms = ["ES256"]
        jwks_file = {:?}
        [[routes]]
        path = "/open"
        admit_without_token = true
        [[routes]]
        path = "/**"
        scopes = ["read"]
        "#,
        keys.display().to_string()
    );
    let guard = Guard::new(Policy::from_toml(&policy).unwrap()).unwrap();
    std::fs::remove_file(keys).unwrap();
    (Builder::new_current_thread().build().unwrap(), guard)
});

fuzz_target!(|request: (&str, Vec<(u8, &[u8])>, [u8; 4], bool)| {
    let (uri, fields, peer, secure) = request;
    let Ok(uri) = uri.parse::<Uri>() else { return };
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = FIELDS[usize::from(name) % FIELDS.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let peer = Some(IpAddr::from(peer));
    let request = IncomingRequest { method: &Method::GET, uri: &uri, headers: &headers, peer, secure };
    let (runtime, guard) = &*GUARD;
    match runtime.block_on(guard.admit(&request)) {
        Ok(_) => assert_eq!(uri.path(), "/open"),
        Err(refused) => assert!(refused.response.status().is_client_error()),
    }
});
