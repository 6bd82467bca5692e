//! Requests to a protected resource: who is admitted, and for each refusal the rule, the status, the
//! error code and the challenge of the answer (RFC 9449 section 7, RFC 6750 section 3).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use keybound::Signer as _;
use keybound::access_token::{AccessToken, AccessTokenRefusal};
use keybound::credentials::{Credentials, CredentialsRefusal};
use keybound::proof::{AccessTokenHash, DpopKey, ProofRefusal, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore};
use keybound::resource::{Admitted, Demands, ProtectedResource, ResourceRequest};
use keybound::{
    Algorithm, ChallengeContext, ErrorCode, NoncePolicy, NonceSecret, Nonces, NumericDate, Refusal, Rule,
    SigningKey, TargetUri, Thumbprint,
};
use support::{NOW, TOKEN, target};

fn resource() -> ProtectedResource {
    ProtectedResource {
        demands: Demands::default(),
        replay: Arc::new(MemoryReplayStore::new(MemoryReplayLimits::default(), &OperatingSystem).unwrap()),
    }
}

fn key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

fn access_token(thumbprint: Option<Thumbprint>) -> AccessToken {
    AccessToken {
        issuer: "https://org.example.com".to_owned(),
        audiences: vec!["https://api.example.com".to_owned()],
        subject: "0oa1".to_owned(),
        client_id: Some("0oa1".to_owned()),
        scopes: vec!["okta.users.read".to_owned()],
        issued_at: Some(NOW),
        expires: NOW.after(Duration::from_secs(3600)),
        jwt_id: None,
        thumbprint,
    }
}

/// A request with these header fields.
fn request(fields: &[(&'static str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn proof(key: &DpopKey, method: &Method, uri: &str, token: &str) -> String {
    let request = ProofRequest {
        method,
        target: &TargetUri::parse(uri).unwrap(),
        access_token: Some(AccessTokenHash::of(token)),
        nonce: None,
    };
    key.prove(&request, NOW, &OperatingSystem).unwrap()
}

fn admit(
    resource: &ProtectedResource,
    headers: &HeaderMap,
    token: Option<AccessToken>,
) -> Result<Admitted, Refusal> {
    let request =
        ResourceRequest { method: &Method::GET, target: &target(), query: Some("limit=2"), headers };
    resource.admit(&request, |_| token.ok_or(AccessTokenRefusal::WrongSignature), NOW)
}

/// As [`admit`], by the steps of a resource that looks into the access token after everything else.
fn admit_asking_last(
    resource: &ProtectedResource,
    headers: &HeaderMap,
    token: AccessToken,
) -> Result<Admitted, Refusal> {
    let request =
        ResourceRequest { method: &Method::GET, target: &target(), query: Some("limit=2"), headers };
    let credentials = Credentials::of_request(headers, request.query)?;
    let hash = AccessTokenHash::of(credentials.access_token);
    let presented = resource.demands.present(&request, credentials.scheme, hash, NOW)?;
    let verified = resource.demands.bind(presented, Arc::new(token), NOW)?;
    let recorded = verified
        .proof()
        .map_or(Ok(()), |proof| resource.replay.record(proof.replay_key(), proof.expires(), NOW));
    verified.recorded(recorded)
}

fn dpop(proof: &str) -> HeaderMap {
    request(&[("authorization", format!("DPoP {TOKEN}")), ("dpop", proof.to_owned())])
}

#[test]
fn the_holder_of_the_key_is_admitted_with_a_fresh_proof_each_time() {
    let (resource, key) = (resource(), key());
    for _ in 0..3 {
        let headers = dpop(&proof(&key, &Method::GET, support::TARGET, TOKEN));
        let admitted = admit(&resource, &headers, Some(access_token(Some(key.thumbprint())))).unwrap();
        assert_eq!(admitted.proof().unwrap().thumbprint(), key.thumbprint());
        assert_eq!(admitted.require_scope(&["okta.users.manage", "okta.users.read"]), Ok(()));
    }
}

#[test]
fn an_admitted_request_needs_one_of_the_scopes_of_what_it_asks_for() {
    let key = key();
    let headers = dpop(&proof(&key, &Method::GET, support::TARGET, TOKEN));
    let admitted = admit(&resource(), &headers, Some(access_token(Some(key.thumbprint())))).unwrap();
    for (any_of, why) in [
        (&["okta.users.manage", "okta.groups.read"][..], "neither of two"),
        (&["okta.users"], "the beginning of a scope is another one"),
        (&["okta.users.read.self"], "a longer scope is another one"),
        (&["OKTA.USERS.READ"], "scopes compare exactly: RFC 6749 section 3.3"),
        (&[], "what no scope opens is open to nobody"),
    ] {
        let refusal = admitted.require_scope(any_of).expect_err(why);
        let any_of = any_of.iter().map(|scope| (*scope).to_owned()).collect();
        assert_eq!(refusal, Refusal::InsufficientScope { any_of }, "{why}");
        assert_eq!(refusal.rule(), Rule::Scope, "{why}");
    }
}

#[test]
fn others_are_refused_with_the_right_answer() {
    let (own, thief) = (key(), key());
    let bound = || Some(access_token(Some(own.thumbprint())));
    let unbound = || Some(access_token(None));
    let good = || proof(&own, &Method::GET, support::TARGET, TOKEN);
    let bearer = || request(&[("authorization", format!("Bearer {TOKEN}"))]);
    let two_schemes = request(&[
        ("authorization", format!("DPoP {TOKEN}")),
        ("authorization", format!("Bearer {TOKEN}")),
        ("dpop", good()),
    ]);
    let two_proofs = {
        let mut headers = dpop(&good());
        headers.append("dpop", HeaderValue::from_str(&good()).unwrap());
        headers
    };
    for (headers, token, refusal, rule, status, code, why) in [
        (
            HeaderMap::new(),
            bound(),
            Refusal::Credentials(CredentialsRefusal::Missing),
            Rule::CredentialsRequired,
            401,
            None,
            "no credentials",
        ),
        (
            request(&[("authorization", "Basic YTpi".to_owned())]),
            bound(),
            Refusal::Credentials(CredentialsRefusal::OtherScheme),
            Rule::Scheme,
            401,
            None,
            "another scheme",
        ),
        (
            two_schemes,
            bound(),
            Refusal::Credentials(CredentialsRefusal::Several),
            Rule::OneCredential,
            400,
            Some("invalid_request"),
            "two credentials",
        ),
        (
            dpop(&good()),
            None,
            Refusal::AccessToken(AccessTokenRefusal::WrongSignature),
            Rule::AccessToken,
            401,
            Some("invalid_token"),
            "a forged token",
        ),
        (
            bearer(),
            bound(),
            Refusal::BearerToken,
            Rule::Scheme,
            401,
            Some("invalid_token"),
            "a stolen token as a bearer token",
        ),
        (
            dpop(&good()),
            unbound(),
            Refusal::UnboundTokenAsDpop,
            Rule::SchemeFitsBinding,
            401,
            Some("invalid_token"),
            "an unbound token under DPoP",
        ),
        (
            bearer(),
            unbound(),
            Refusal::BearerToken,
            Rule::Scheme,
            401,
            Some("invalid_token"),
            "a bearer token",
        ),
        (
            request(&[("authorization", format!("DPoP {TOKEN}"))]),
            bound(),
            Refusal::Proof(ProofRefusal::Missing),
            Rule::ProofRequired,
            401,
            Some("invalid_dpop_proof"),
            "no proof",
        ),
        (
            two_proofs,
            bound(),
            Refusal::Proof(ProofRefusal::Several),
            Rule::OneProof,
            401,
            Some("invalid_dpop_proof"),
            "two proofs",
        ),
        (
            dpop(&proof(&thief, &Method::GET, support::TARGET, TOKEN)),
            bound(),
            Refusal::Proof(ProofRefusal::WrongKey),
            Rule::KeyBinding,
            401,
            Some("invalid_token"),
            "a stolen token with the thief's own key",
        ),
        (
            dpop(&proof(&own, &Method::GET, support::TARGET, "another.token")),
            bound(),
            Refusal::Proof(ProofRefusal::WrongAccessTokenHash),
            Rule::AccessTokenHash,
            401,
            Some("invalid_dpop_proof"),
            "a proof for another token",
        ),
    ] {
        let found = admit(&resource(), &headers, token.clone()).expect_err(why);
        assert_eq!(found, refusal, "{why}");
        if let Some(token) = token {
            assert_eq!(admit_asking_last(&resource(), &headers, token).expect_err(why), refusal, "{why}");
        }
        assert_eq!(found.rule(), rule, "{why}");
        let answer = found.at_resource();
        assert_eq!((answer.status.as_u16(), answer.code.map(ErrorCode::as_str)), (status, code), "{why}");
    }
}

#[test]
fn what_a_token_cannot_change_is_refused_before_anybody_looks_into_it() {
    let (own, lenient) = (key(), Demands { accept_bearer_for_unbound_tokens: true, ..Demands::default() });
    let good = proof(&own, &Method::GET, support::TARGET, TOKEN);
    let bearer = request(&[("authorization", format!("Bearer {TOKEN}"))]);
    let of_another = dpop(&proof(&own, &Method::GET, support::TARGET, "another.token"));
    let post = dpop(&proof(&own, &Method::POST, support::TARGET, TOKEN));
    let without = request(&[("authorization", format!("DPoP {TOKEN}"))]);
    let cases = [
        ("a good proof, whosoever", &dpop(&good), &lenient, None),
        ("a bearer token that may be one", &bearer, &lenient, None),
        ("a bearer token", &bearer, &Demands::default(), Some(Refusal::BearerToken)),
        ("no proof", &without, &lenient, Some(ProofRefusal::Missing.into())),
        ("a proof for another token", &of_another, &lenient, Some(ProofRefusal::WrongAccessTokenHash.into())),
        (
            "a proof for another method",
            &post,
            &lenient,
            Some(ProofRefusal::WrongMethod { expected: "GET".to_owned(), found: "POST".to_owned() }.into()),
        ),
    ];
    for (why, headers, demands, refusal) in cases {
        let request = ResourceRequest { method: &Method::GET, target: &target(), query: None, headers };
        let scheme = Credentials::of_request(headers, None).unwrap().scheme;
        let presented = demands.present(&request, scheme, AccessTokenHash::of(TOKEN), NOW);
        assert_eq!(presented.err(), refusal, "{why}");
    }
}

#[test]
fn what_was_presented_is_admitted_with_the_token_that_it_is_bound_to_alone() {
    let (own, thief) = (key(), key());
    let lenient = Demands { accept_bearer_for_unbound_tokens: true, ..Demands::default() };
    let resource = ProtectedResource { demands: lenient, ..resource() };
    let proven = || dpop(&proof(&own, &Method::GET, support::TARGET, TOKEN));
    let bearer = request(&[("authorization", format!("Bearer {TOKEN}"))]);
    let mut expired = access_token(Some(own.thumbprint()));
    expired.expires = NumericDate::from_seconds(NOW.seconds() - 60);
    let expiry = AccessTokenRefusal::Expired { expired: expired.expires, now: NOW };
    for (why, headers, token, refusal) in [
        ("its own key", proven(), access_token(Some(own.thumbprint())), None),
        ("another's", proven(), access_token(Some(thief.thumbprint())), Some(ProofRefusal::WrongKey.into())),
        ("no key", proven(), access_token(None), Some(Refusal::UnboundTokenAsDpop)),
        ("expired", proven(), expired, Some(expiry.into())),
        ("unbound, as a bearer token", bearer.clone(), access_token(None), None),
        (
            "bound, as a bearer token",
            bearer,
            access_token(Some(own.thumbprint())),
            Some(Refusal::BoundTokenAsBearer),
        ),
    ] {
        let by_steps = admit_asking_last(&resource, &headers, token.clone()).err();
        assert_eq!(by_steps, refusal, "{why}");
        // In whatever order.
        let fresh = ProtectedResource { replay: self::resource().replay, ..resource.clone() };
        assert_eq!(admit(&fresh, &headers, Some(token)).err(), refusal, "{why}");
    }
}

#[test]
fn a_replayed_proof_is_refused() {
    let (resource, key) = (resource(), key());
    let headers = dpop(&proof(&key, &Method::GET, support::TARGET, TOKEN));
    let token = || Some(access_token(Some(key.thumbprint())));
    assert!(admit(&resource, &headers, token()).is_ok());
    let refusal = admit(&resource, &headers, token()).unwrap_err();
    assert_eq!(refusal, Refusal::Replay(ReplayRefusal::Replayed));
    assert_eq!(refusal.at_resource().code.unwrap().as_str(), "invalid_dpop_proof");
}

#[test]
fn a_proof_that_was_refused_is_not_remembered() {
    let (resource, key) = (resource(), key());
    let headers = dpop(&proof(&key, &Method::GET, support::TARGET, TOKEN));
    assert!(admit(&resource, &headers, Some(access_token(Some(self::key().thumbprint())))).is_err());
    assert!(admit(&resource, &headers, Some(access_token(Some(key.thumbprint())))).is_ok());
}

#[test]
fn a_store_that_cannot_tell_refuses_with_503_and_when_to_come_back() {
    struct Broken(ReplayRefusal);
    impl ReplayStore for Broken {
        fn record(&self, _: &ReplayKey, _: NumericDate, _: NumericDate) -> Result<(), ReplayRefusal> {
            Err(self.0.clone())
        }
    }
    for reason in [ReplayRefusal::Full, ReplayRefusal::Unavailable, ReplayRefusal::LivesTooLong] {
        let resource = ProtectedResource { replay: Arc::new(Broken(reason.clone())), ..resource() };
        let key = key();
        let headers = dpop(&proof(&key, &Method::GET, support::TARGET, TOKEN));
        let refusal = admit(&resource, &headers, Some(access_token(Some(key.thumbprint())))).unwrap_err();
        assert_eq!(refusal, Refusal::Replay(reason));
        let answer = refusal.at_resource();
        assert_eq!(answer.status.as_u16(), 503);
        assert!(answer.retry_after.is_some());
    }
}

#[test]
fn a_nonce_challenge_is_answered_with_the_nonce() {
    let nonces = Arc::new(Nonces::new(NoncePolicy::default(), NonceSecret::from_bytes(&[1; 32])));
    let resource = ProtectedResource {
        demands: Demands { nonces: Some(nonces.clone()), ..resource().demands },
        ..resource()
    };
    let key = key();
    let token = || Some(access_token(Some(key.thumbprint())));
    let headers = dpop(&proof(&key, &Method::GET, support::TARGET, TOKEN));
    let refusal = admit(&resource, &headers, token()).unwrap_err();
    assert_eq!(refusal, Refusal::Proof(ProofRefusal::NonceMissing));
    assert!(refusal.at_resource().gives_nonce);
    assert_eq!(
        challenges(&refusal, false),
        [
            r#"DPoP error="use_dpop_nonce", error_description="the DPoP proof has no `nonce`, and this server requires one [RFC 9449 section 4.3, check 10]", algs="ES256 RS256""#
        ]
    );
    let request = ProofRequest {
        method: &Method::GET,
        target: &target(),
        access_token: Some(AccessTokenHash::of(TOKEN)),
        nonce: Some(&nonces.current(NOW)),
    };
    let headers = dpop(&key.prove(&request, NOW, &OperatingSystem).unwrap());
    assert!(admit(&resource, &headers, token()).is_ok());
}

#[test]
fn a_bearer_token_is_admitted_only_by_name_and_never_a_bound_one() {
    let resource = ProtectedResource {
        demands: Demands { accept_bearer_for_unbound_tokens: true, ..resource().demands },
        ..resource()
    };
    let headers = request(&[("authorization", format!("Bearer {TOKEN}"))]);
    assert!(admit(&resource, &headers, Some(access_token(None))).unwrap().proof().is_none());
    let bound = Some(access_token(Some(key().thumbprint())));
    assert_eq!(admit(&resource, &headers, bound).unwrap_err(), Refusal::BoundTokenAsBearer);
}

#[test]
fn challenges_are_those_of_the_specifications() {
    let missing = Refusal::Credentials(CredentialsRefusal::Missing);
    assert_eq!(challenges(&missing, false), [r#"DPoP algs="ES256 RS256""#], "RFC 9449 section 7.1");
    assert_eq!(challenges(&missing, true), [r#"DPoP algs="ES256 RS256""#, "Bearer"]);
    let any_of = vec!["okta.users.manage".to_owned(), "okta.users.read".to_owned()];
    let scope = Refusal::InsufficientScope { any_of };
    assert_eq!(scope.at_resource().status.as_u16(), 403);
    let [challenge] = challenges(&scope, false).try_into().unwrap();
    assert!(challenge.starts_with(r#"DPoP error="insufficient_scope", "#), "{challenge}");
    assert!(challenge.contains("okta.users.manage or okta.users.read"), "both would do: {challenge}");
    assert!(challenge.contains(r#"scope="okta.users.manage""#), "the first is to be asked for: {challenge}");
    let hostile = Refusal::InsufficientScope { any_of: vec!["a\"b\\c\r\nX: y\u{e9}".to_owned()] };
    let [challenge] = challenges(&hostile, false).try_into().unwrap();
    assert!(challenge.contains(r#"scope="a'b/c??X: y?""#), "{challenge}");
}

fn challenges(refusal: &Refusal, accepts_bearer: bool) -> Vec<String> {
    refusal
        .challenges(&ChallengeContext {
            algorithms: &[Algorithm::ES256, Algorithm::RS256],
            accepts_bearer,
            metadata_uri: None,
        })
        .iter()
        .map(|challenge| challenge.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn at_a_token_endpoint_the_same_refusals_are_answered_as_there() {
    use keybound::assertion::AssertionRefusal;
    for (refusal, status, code) in [
        (Refusal::Proof(ProofRefusal::Missing), 400, "invalid_dpop_proof"),
        (Refusal::Proof(ProofRefusal::NonceMissing), 400, "use_dpop_nonce"),
        (Refusal::Proof(ProofRefusal::WrongSignature), 400, "invalid_dpop_proof"),
        (Refusal::Replay(ReplayRefusal::Replayed), 400, "invalid_dpop_proof"),
        (Refusal::Replay(ReplayRefusal::Full), 503, "temporarily_unavailable"),
        (Refusal::Assertion(AssertionRefusal::UnknownClient), 401, "invalid_client"),
        (Refusal::Credentials(CredentialsRefusal::Several), 400, "invalid_request"),
    ] {
        let answer = refusal.at_token_endpoint();
        assert_eq!((answer.status.as_u16(), answer.code.unwrap().as_str()), (status, code), "{refusal}");
    }
}

#[test]
fn a_key_that_is_known_is_held_to_every_rule_again() {
    let resource = resource();
    let own = support::ES256.public_key().thumbprint();
    let ath = AccessTokenHash::of(TOKEN).to_string();
    let draft =
        |jwt_id: &str| support::Draft::proof().claim("ath", ath.clone().into()).claim("jti", jwt_id.into());
    let admit_draft = |draft: &support::Draft, key: &SigningKey| {
        admit(&resource, &dpop(&draft.sign(key)), Some(access_token(Some(own)))).map(|_| ())
    };
    assert_eq!(admit_draft(&draft("first"), &support::ES256), Ok(()), "from now on the key is known");
    assert_eq!(admit_draft(&draft("second"), &support::ES256), Ok(()));

    let stranger = SigningKey::generate(Algorithm::ES256).unwrap();
    let forged = admit_draft(&draft("third"), &stranger);
    assert_eq!(forged, Err(Refusal::Proof(ProofRefusal::WrongSignature)));
    let private = admit_draft(&draft("fourth").jwk_member("d", "AAAA".into()), &support::ES256);
    assert_eq!(private, Err(Refusal::Proof(ProofRefusal::PrivateKey { member: "d" })));
    for (member, value) in [("use", "enc"), ("alg", "ES384")] {
        let reserved = admit_draft(&draft("fifth").jwk_member(member, value.into()), &support::ES256);
        assert!(
            matches!(reserved, Err(Refusal::Proof(ProofRefusal::KeyNotForAlgorithm { .. }))),
            "{member}: {reserved:?}"
        );
    }
    let others = draft("sixth").header("jwk", support::jwk(stranger.public_key()));
    assert_eq!(admit_draft(&others, &stranger), Err(Refusal::Proof(ProofRefusal::WrongKey)));
    assert_eq!(admit_draft(&draft("seventh"), &support::ES256), Ok(()), "and no refusal changed it");
}

#[test]
fn a_token_that_has_expired_is_refused_whoever_says_that_it_is_good() {
    let (resource, key) = (resource(), key());
    let headers = dpop(&proof(&key, &Method::GET, support::TARGET, TOKEN));
    for (seconds_ago, admitted) in [(4, true), (5, false), (3600, false)] {
        let expires = NOW.before(Duration::from_secs(seconds_ago));
        let token = AccessToken { expires, ..access_token(Some(key.thumbprint())) };
        let result = admit(&resource, &headers, Some(token)).map(|_| ());
        let refusal = Refusal::AccessToken(AccessTokenRefusal::Expired { expired: expires, now: NOW });
        assert_eq!(result, if admitted { Ok(()) } else { Err(refusal) }, "{seconds_ago} s ago");
    }
}

#[test]
fn an_answer_does_not_repeat_kilobytes_of_a_request() {
    let resource = resource();
    let key = key();
    let long = format!("https://api.example.com/{}", "a".repeat(4000));
    for (method, path, made_for) in [
        (Method::GET, "/other", long.as_str()),
        (Method::GET, long.trim_start_matches("https://api.example.com"), "https://api.example.com/other"),
        (Method::from_bytes(&[b'A'; 4000]).unwrap(), "/other", "https://api.example.com/other"),
    ] {
        let headers = request(&[
            ("authorization", format!("DPoP {TOKEN}")),
            ("dpop", proof(&key, &Method::GET, made_for, TOKEN)),
        ]);
        let target = TargetUri::parse("https://api.example.com").unwrap().with_path(path).unwrap();
        let asked = ResourceRequest { method: &method, target: &target, query: None, headers: &headers };
        let refused = resource.admit(&asked, |_| Ok(access_token(Some(key.thumbprint()))), NOW).unwrap_err();
        let description = keybound::description(&refused);
        assert!(description.len() < 1100 && description.ends_with(']'), "{} bytes", description.len());
        let context =
            ChallengeContext { algorithms: &[Algorithm::ES256], accepts_bearer: true, metadata_uri: None };
        assert!(refused.challenges(&context).iter().all(|challenge| challenge.len() < 1300));
    }
}
