//! What Okta's verifiers of tokens fetch and look at: `okta-jwt-verifier-golang` (jwtverifier.go), `-java`, `-python` and
//! `-js` (lib.js), and the middleware for .NET.

use serde_json::Value;

use crate::raw::send;
use crate::sdk::{GO_6, app};
use crate::support::{TestOrg, claims};

/// The header of a JWT.
fn header(token: &str) -> Value {
    let header = keybound::base64url::decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_keys_lead_from_the_issuer_to_the_key_of_a_token() {
    let test = TestOrg::start().await;
    for issuer in [test.url(""), test.url("/oauth2/default")] {
        let path = issuer.strip_prefix(&test.url("")).unwrap();
        for name in ["openid-configuration", "oauth-authorization-server"] {
            let metadata = send(&test, &format!("GET {path}/.well-known/{name}"), &[], "").json();
            // Java compares the issuer with the one that it was told, Go takes `jwks_uri` from here.
            assert_eq!(metadata["issuer"], issuer);
            let keys = metadata["jwks_uri"].as_str().unwrap().strip_prefix(&test.url("")).unwrap().to_owned();
            // JavaScript and Python go to the keys of a custom server without asking.
            assert_eq!(
                keys,
                if path.is_empty() { "/oauth2/v1/keys".to_owned() } else { format!("{path}/v1/keys") }
            );
            let keys = send(&test, &format!("GET {keys}"), &[], "").json();
            for key in keys["keys"].as_array().unwrap() {
                for member in ["kty", "alg", "kid", "use", "e", "n"] {
                    assert!(key[member].is_string(), "{member}: {key}");
                }
                assert_eq!((key["kty"].as_str(), key["alg"].as_str()), (Some("RSA"), Some("RS256")));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_has_the_claims_that_the_verifiers_look_at_in_their_types() {
    let test = TestOrg::start().await;
    let app = app(&test, true);
    let granted = GO_6.granted(&test, &app);
    let (header, found) = (header(&granted.token), claims(&granted.token));
    assert_eq!(header["alg"], "RS256");
    let keys = send(&test, "GET /oauth2/v1/keys", &[], "").json();
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]));
    // Go decodes the header as base64 of the other alphabet, which has neither of these.
    assert!(!granted.token.split('.').next().unwrap().contains(['-', '_']));
    // Go and Java compare `aud` and `cid` as texts; a list would be another value.
    for (claim, expected) in [("iss", test.url("")), ("aud", test.url("")), ("cid", app.client_id.clone())] {
        assert_eq!(found[claim], expected.as_str(), "{claim}");
    }
    for claim in ["iat", "exp"] {
        assert!(found[claim].is_u64(), "{claim}");
    }
    assert!(found["scp"].as_array().is_some_and(|scopes| scopes.iter().all(Value::is_string)));
    assert!(found["jti"].is_string() && found["ver"].is_u64() && found["sub"].is_string());
}
