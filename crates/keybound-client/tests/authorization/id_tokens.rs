//! Who has signed in: nobody, if the ID token does not hold (OpenID Connect Core section 3.1.3.7).

use std::sync::{Arc, Mutex};

use http::Response;
use keybound::metadata::NotSupported;
use keybound::{Algorithm, JwkSet, Signer as _, SigningKey, base64url};
use keybound_client::authorization::{Asked as Wanted, AuthorizationError, KeysFault, Loopback};
use serde_json::{Value, json};

use super::scripted::{Asked, NOW, NotedSleep, answer};
use super::{GRANTED, Never, Stage, get, granted_device, origin, parameter, redirect, send};

/// The claims of an ID token that holds, for the nonce that was asked for.
fn id_token_claims(origin: &str, nonce: Option<&str>) -> Value {
    let now = NOW.seconds();
    json!({ "iss": origin, "aud": "c1", "sub": "u1", "iat": now, "exp": now + 60, "nonce": nonce })
}

fn id_token(key: &SigningKey, claims: &Value) -> String {
    let header = json!({ "alg": "ES256", "kid": "k1" });
    let input =
        format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(claims.to_string()));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature.as_bytes()))
}

/// What the server has of it.
#[derive(Clone)]
struct Issuer {
    key: Arc<SigningKey>,
    /// What it says, of the claims that hold.
    says: fn(Value) -> Value,
    jwks: fn(&SigningKey) -> Response<String>,
}

fn published(key: &SigningKey) -> Response<String> {
    answer(200, &[], JwkSet::from_keys(vec![key.public_key().clone().with_key_id("k1")]).to_json())
}

impl Issuer {
    /// The answer to anything but the device endpoint; `nonce` is that of the request.
    fn answer(&self, asked: &Asked, nonce: Option<&str>) -> Response<String> {
        if asked.uri.path() == "/keys" {
            return (self.jwks)(&self.key);
        }
        let claims = (self.says)(id_token_claims(&origin(asked), nonce));
        let id_token = id_token(&self.key, &claims);
        answer(200, &[], GRANTED.replace('}', &format!(r#","id_token":"{id_token}"}}"#)))
    }
}

const SIGNS: &str = r#","jwks_uri":"ORIGIN/keys","id_token_signing_alg_values_supported":["ES256"]"#;

#[tokio::test]
async fn nobody_signs_in_by_an_id_token_that_does_not_hold() {
    type Held = fn(&AuthorizationError) -> bool;
    let refused: Held = |error| matches!(error, AuthorizationError::IdToken(_));
    let same: fn(Value) -> Value = |claims| claims;
    for (members, says, jwks, held, asks_for_keys, why) in [
        (SIGNS, same, published as fn(&SigningKey) -> _, None, true, "it holds"),
        (
            SIGNS,
            (|mut claims| {
                claims["nonce"] = json!("another");
                claims
            }) as fn(Value) -> Value,
            published,
            Some(refused),
            false,
            "of another sign-in: the keys are not even asked for",
        ),
        (
            SIGNS,
            |mut claims| {
                claims["aud"] = json!("c2");
                claims
            },
            published,
            Some(refused),
            false,
            "for another client",
        ),
        (
            SIGNS,
            same,
            |_| {
                let other = SigningKey::generate(Algorithm::ES256).unwrap();
                published(&other)
            },
            Some(refused),
            true,
            "signed by another",
        ),
        (SIGNS, same, |_| answer(200, &[], r#"{"keys":[]}"#), Some(refused), true, "no key"),
        (
            SIGNS,
            same,
            |_| answer(503, &[], ""),
            Some(|error| matches!(error, AuthorizationError::Keys { reason: KeysFault::Status(_), .. })),
            true,
            "no keys to be had",
        ),
        (
            SIGNS,
            same,
            |_| answer(200, &[], "[]"),
            Some(|error| matches!(error, AuthorizationError::Keys { reason: KeysFault::Unusable(_), .. })),
            true,
            "no JWK set",
        ),
        (
            r#","id_token_signing_alg_values_supported":["ES256"]"#,
            same,
            published,
            Some(|error| {
                matches!(error, AuthorizationError::NotSupported(NotSupported::NoEndpoint("jwks_uri")))
            }),
            false,
            "no place for keys",
        ),
        (
            r#","jwks_uri":"ORIGIN/keys""#,
            same,
            published,
            Some(refused),
            false,
            "RS256 where there is no list",
        ),
    ] {
        let issuer = Issuer { key: Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()), says, jwks };
        let nonce = Arc::new(Mutex::new(None::<String>));
        let known = Arc::clone(&nonce);
        let rig = Stage::set(members, Arc::new(Never), move |asked| {
            issuer.answer(asked, known.lock().unwrap().as_deref())
        })
        .await;
        let wanted = Wanted { scopes: vec!["openid".to_owned()], ..Wanted::default() };
        let browser = rig.authorization.begin(wanted, &Loopback::default()).await.unwrap();
        let url = browser.url().to_owned();
        *nonce.lock().unwrap() = parameter(&url, "nonce");
        let (host, state) = redirect(&url);
        let target = format!("/callback?code=abc&state={state}");
        let (signed_in, _) =
            tokio::join!(browser.finish(), async { send(&host, &get(&host, &target)).await });
        match (signed_in, held) {
            (Ok(signed_in), None) => assert_eq!(signed_in.user.unwrap().subject, "u1", "{why}"),
            (Err(error), Some(held)) => assert!(held(&error), "{why}: {error}"),
            (outcome, _) => panic!("{why}: {outcome:?}"),
        }
        let asked = rig.server.asked();
        assert_eq!(asked.iter().any(|asked| asked.uri.path() == "/keys"), asks_for_keys, "{why}");
    }
}

#[tokio::test]
async fn an_id_token_from_a_device_has_no_nonce_and_is_verified_all_the_same() {
    for (scope, subject, is_good) in
        [("openid", Some("u1"), true), ("openid", None, false), ("x", None, true)]
    {
        let says: fn(Value) -> Value = if is_good {
            |claims| claims
        } else {
            |mut claims| {
                claims["exp"] = json!(1);
                claims
            }
        };
        let key = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
        let issuer = Issuer { key, says, jwks: published };
        let rig = Stage::set(SIGNS, Arc::new(NotedSleep::default()), move |asked| match asked.uri.path() {
            "/device" => granted_device(asked),
            _ => issuer.answer(asked, None),
        })
        .await;
        let wanted = Wanted { scopes: vec![scope.to_owned()], ..Wanted::default() };
        let device = rig.authorization.begin_on_device(wanted).await.unwrap();
        let signed_in = device.finish().await;
        assert_eq!(signed_in.is_ok(), is_good, "{signed_in:?}");
        let user = signed_in.ok().and_then(|signed_in| signed_in.user);
        assert_eq!(user.map(|user| user.subject).as_deref(), subject, "{scope}");
    }
}
