//! The header fields of a stranger's request: nobody is admitted without a key.
#![no_main]

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use keybound::access_token::{AccessToken, AccessTokenRefusal};
use keybound::random::OperatingSystem;
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore};
use keybound::resource::{Demands, ProtectedResource, ResourceRequest};
use keybound::{Algorithm, ChallengeContext, NumericDate, TargetUri};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|request: (&[u8], &[u8], &str, &str)| {
    let (authorization, dpop, path, query) = request;
    let replay = MemoryReplayStore::new(MemoryReplayLimits::default(), &OperatingSystem).unwrap();
    let resource = ProtectedResource {
        demands: Demands { accept_bearer_for_unbound_tokens: true, ..Demands::default() },
        replay: Arc::new(replay),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [("authorization", authorization), ("dpop", dpop)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let base = TargetUri::parse("https://api.example.com").unwrap();
    let Ok(target) = base.with_path(path) else { return };
    let request =
        ResourceRequest { method: &Method::GET, target: &target, query: Some(query), headers: &headers };
    let nobody = |_: &str| Err::<AccessToken, _>(AccessTokenRefusal::WrongSignature);
    let refusal = resource.admit(&request, nobody, NumericDate::from_seconds(1_800_000_000)).unwrap_err();
    let context = ChallengeContext { algorithms: &Algorithm::ALL, accepts_bearer: true, metadata_uri: None };
    assert!(!refusal.challenges(&context).is_empty());
});
