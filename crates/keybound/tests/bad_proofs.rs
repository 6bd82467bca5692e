//! Bad proofs: each breaks one rule of RFC 9449 section 4.3 or its companions, and is refused by that
//! rule with exactly one refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use keybound::json::MemberError;
use keybound::proof::{
    AccessTokenHash, BoundToken, ProofContext, ProofPolicy, ProofRefusal as Refusal, proof_header,
};
use keybound::{
    Algorithm, HeaderAlgorithmError, JwsError, NoncePolicy, NonceRefusal, NonceSecret, Nonces, NumericDate,
    Rule, Signer as _, SigningKey, TargetUriError, Thumbprint,
};
use serde_json::json;
use support::{Draft, ES256, NOW, RS256, TOKEN, sign_texts, target};

/// A server that takes what most take: no nonce, no access token.
fn check(proof: &str) -> Result<(), Refusal> {
    check_with(proof, |_| {})
}

fn check_with(proof: &str, change: impl for<'a> FnOnce(&mut ProofContext<'a>)) -> Result<(), Refusal> {
    let target = target();
    let mut context =
        ProofContext { method: &Method::GET, target: &target, access_token: None, nonces: None, now: NOW };
    change(&mut context);
    ProofPolicy::default().check(proof, &context).map(|_| ())
}

fn bound_to(thumbprint: Thumbprint) -> BoundToken {
    BoundToken { hash: AccessTokenHash::of(TOKEN), thumbprint }
}

#[track_caller]
fn assert_refused(
    result: &Result<(), Refusal>,
    rule: Rule,
    expected: impl FnOnce(&Refusal) -> bool,
    why: &str,
) {
    let refusal = result.as_ref().expect_err(why);
    assert_eq!(refusal.rule(), rule, "{why}: {refusal:?}");
    assert!(expected(refusal), "{why}: {refusal:?}");
}

macro_rules! refused {
    ($result:expr, $rule:ident, $refusal:pat $(if $guard:expr)?, $why:expr) => {
        assert_refused(&$result, Rule::$rule, |refusal| matches!(refusal, $refusal $(if $guard)?), $why)
    };
}

#[test]
fn a_good_proof_is_accepted() {
    assert_eq!(check(&Draft::proof().sign(&ES256)), Ok(()));
}

#[test]
fn check_1_a_request_has_one_proof() {
    for (fields, expected, why) in [
        (vec![], Ok(None), "no field"),
        (vec!["a.b.c"], Ok(Some("a.b.c")), "one field"),
        (vec!["a.b.c", "a.b.c"], Err(Refusal::Several), "two fields"),
        (vec!["a.b.c, d.e.f"], Err(Refusal::Several), "a comma-joined pair"),
        (vec!["a.b.\u{e9}"], Err(Refusal::NotText), "not ASCII"),
    ] {
        let mut headers = HeaderMap::new();
        for field in &fields {
            headers.append("DPoP", HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        assert_eq!(proof_header(&headers), expected, "{why}");
    }
}

#[test]
fn check_2_a_proof_is_one_well_formed_jwt() {
    let good = Draft::proof().sign(&ES256);
    let header = Draft::proof().header.to_string();
    let claims = Draft::proof().claims.to_string();
    let sign = |header: &str, claims: &str| sign_texts(header, claims, &ES256);
    let doubled = |json: &str, name: &str| json.replacen('{', &format!("{{\"{name}\":\"x\","), 1);
    let unreadable = |error: JwsError| Refusal::Unreadable(error);
    for (proof, expected, why) in [
        (String::new(), unreadable(JwsError::NotThreeParts), "empty"),
        ("a.b".to_owned(), unreadable(JwsError::NotThreeParts), "two parts"),
        (format!("{good}.x"), unreadable(JwsError::NotThreeParts), "four parts"),
        (format!("{good}.x.y"), unreadable(JwsError::NotThreeParts), "the five parts of an encrypted JWT"),
        (format!("{good}="), unreadable(JwsError::NotBase64Url { part: "signature" }), "padding"),
        (format!(" {good}"), unreadable(JwsError::NotBase64Url { part: "header" }), "a space before"),
        (
            good.replacen('.', "=.", 1),
            unreadable(JwsError::NotBase64Url { part: "header" }),
            "padding inside",
        ),
        (
            good.replacen('.', ".!", 1),
            unreadable(JwsError::NotBase64Url { part: "payload" }),
            "not in the alphabet",
        ),
    ] {
        assert_eq!(check(&proof), Err(expected), "{why}");
    }
    for (proof, expected_part, why) in [
        (sign("[]", &claims), "header", "the header is an array"),
        (sign("{", &claims), "header", "the header is cut short"),
        (sign(&doubled(&header, "typ"), &claims), "header", "a header member twice"),
        (
            sign(&header.replacen("\"kty\"", "\"crv\":\"P-256\",\"kty\"", 1), &claims),
            "header",
            "a member of jwk twice",
        ),
        (sign(&header, "null"), "payload", "the claims are null"),
        (sign(&header, "\"jti\""), "payload", "the claims are a string"),
        (sign(&header, &doubled(&claims, "jti")), "payload", "a claim twice"),
        (sign(&header, &doubled(&claims, "\\u006ati")), "payload", "a claim twice, once escaped"),
        (sign(&header, &format!("{claims}{claims}")), "payload", "two objects"),
    ] {
        refused!(
            check(&proof),
            WellFormedProof,
            Refusal::Unreadable(JwsError::NotStrictJson { part, .. }) if *part == expected_part,
            why
        );
    }
    let large = Draft::proof().claim("padding", json!("x".repeat(8 * 1024))).sign(&ES256);
    refused!(
        check(&large),
        ProofSize,
        Refusal::Unreadable(JwsError::TooLarge { limit: 8192, .. }),
        "too large"
    );
}

#[test]
fn check_3_the_claims_are_there_with_their_types() {
    for name in ["jti", "htm", "htu", "iat"] {
        let missing = Refusal::Claim(MemberError::Missing(name));
        assert_eq!(check(&Draft::proof().without_claim(name).sign(&ES256)), Err(missing), "without {name}");
    }
    for (name, value) in [
        ("jti", json!(1)),
        ("jti", json!(null)),
        ("jti", json!(["x"])),
        ("htm", json!(true)),
        ("htu", json!({})),
        ("iat", json!("1800000000")),
        ("iat", json!(-1)),
        ("iat", json!(1e300)),
        ("iat", json!(null)),
        ("exp", json!("tomorrow")),
        ("nbf", json!([])),
        ("ath", json!(0)),
        ("nonce", json!(7)),
    ] {
        let proof = Draft::proof().claim(name, value.clone()).sign(&ES256);
        refused!(
            check(&proof),
            ProofClaims,
            Refusal::Claim(MemberError::WrongType { name: found, .. }) if *found == name,
            &format!("{name} is {value}")
        );
    }
    assert_eq!(check(&Draft::proof().claim("jti", json!("")).sign(&ES256)), Err(Refusal::JwtIdEmpty));
    assert_eq!(check(&Draft::proof().claim("jti", json!("x".repeat(256))).sign(&ES256)), Ok(()));
    let long = check(&Draft::proof().claim("jti", json!("x".repeat(257))).sign(&ES256));
    refused!(long, ProofSize, Refusal::JwtIdTooLong { found: 257 }, "a jti that is too long to keep");
}

#[test]
fn check_4_the_type_is_dpop_jwt() {
    assert_eq!(check(&Draft::proof().without_header("typ").sign(&ES256)), Err(Refusal::TypeMissing));
    assert_eq!(check(&Draft::proof().header("typ", json!(1)).sign(&ES256)), Err(Refusal::TypeMissing));
    for typ in ["JWT", "at+jwt", "dpop", "dpop+jwt ", "", "application/jwt", "client-authentication+jwt"] {
        let wrong = Refusal::WrongType { found: typ.to_owned() };
        assert_eq!(check(&Draft::proof().header("typ", json!(typ)).sign(&ES256)), Err(wrong), "{typ}");
    }
    for typ in ["DPoP+JWT", "application/dpop+jwt"] {
        assert_eq!(check(&Draft::proof().header("typ", json!(typ)).sign(&ES256)), Ok(()), "{typ}");
    }
}

#[test]
fn check_5_the_algorithm_is_asymmetric_allowed_and_fits_the_key() {
    use HeaderAlgorithmError as E;
    let with = |algorithm: serde_json::Value| check(&Draft::proof().header("alg", algorithm).sign(&ES256));
    for (algorithm, error) in [
        (json!("none"), E::Unsigned),
        (json!("NONE"), E::Unsigned),
        (json!("HS256"), E::Symmetric("HS256".to_owned())),
        (json!("HS512"), E::Symmetric("HS512".to_owned())),
        (json!(null), E::Missing),
        (json!(256), E::Missing),
    ] {
        assert_eq!(with(algorithm.clone()), Err(Refusal::UnusableAlgorithm(error)), "{algorithm}");
    }
    for algorithm in ["es256", "ES256K", "RS1", "RSA-OAEP", "dir", "", "A256KW"] {
        refused!(
            with(json!(algorithm)),
            ProofAlgorithm,
            Refusal::UnusableAlgorithm(E::Unsupported(_)),
            algorithm
        );
    }
    assert_eq!(
        check(&Draft::proof().without_header("alg").sign(&ES256)),
        Err(Refusal::UnusableAlgorithm(E::Missing))
    );
    for algorithm in
        [Algorithm::ES384, Algorithm::ES512, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA]
    {
        refused!(
            with(json!(algorithm.name())),
            KeyUse,
            Refusal::KeyNotForAlgorithm { algorithm: found, .. } if *found == algorithm,
            algorithm.name()
        );
    }
    let okta = ProofPolicy { algorithms: vec![Algorithm::RS256], ..ProofPolicy::default() };
    let context =
        ProofContext { method: &Method::GET, target: &target(), access_token: None, nonces: None, now: NOW };
    let refusal = okta.check(&Draft::proof().sign(&ES256), &context).map(|_| ());
    assert_eq!(refusal, Err(Refusal::AlgorithmNotAllowed { found: Algorithm::ES256 }));
}

#[test]
fn check_6_the_signature_verifies_with_the_key() {
    let good = Draft::proof().sign(&ES256);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let other_text = Draft::proof().claim("jti", json!("another")).sign(&ES256);
    let other_signature = other_text.rsplit_once('.').unwrap().1;
    for (proof, why) in [
        (Draft::proof().sign(&other), "signed with another key"),
        (format!("{signed}."), "no signature"),
        (format!("{signed}.{other_signature}"), "the signature of another proof"),
        (format!("{signed}.{}", &signature[..84]), "a signature cut short"),
        (format!("{signed}.{signature}AAAA"), "a signature with something behind it"),
        (format!("{signed}.{}", "A".repeat(86)), "a signature of zeros"),
        (
            Draft::proof()
                .header("alg", json!("RS256"))
                .header("jwk", support::jwk(RS256.public_key()))
                .sign(&ES256),
            "an ES256 signature under RS256",
        ),
    ] {
        assert_eq!(check(&proof), Err(Refusal::WrongSignature), "{why}");
    }
}

#[test]
fn check_7_the_key_is_public() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        let proof = Draft::proof().jwk_member(member, json!("AAAA")).sign(&ES256);
        assert_eq!(check(&proof), Err(Refusal::PrivateKey { member }), "{member}");
    }
}

#[test]
fn check_8_the_method_is_the_requests() {
    for method in ["POST", "get", "Get", "", "GET ", "HEAD"] {
        let wrong = Refusal::WrongMethod { expected: "GET".to_owned(), found: method.to_owned() };
        assert_eq!(check(&Draft::proof().claim("htm", json!(method)).sign(&ES256)), Err(wrong), "{method:?}");
    }
}

#[test]
fn check_9_the_uri_is_the_requests() {
    for uri in [
        "http://api.example.com/api/v1/users",
        "https://api.example.com:8443/api/v1/users",
        "https://evil.example.com/api/v1/users",
        "https://api.example.com./api/v1/users",
        "https://api.example.com/api/v1/users/",
        "https://api.example.com/api/v1/Users",
        "https://api.example.com/api//v1/users",
        "https://api.example.com/api%2Fv1/users",
        "https://api.example.com/",
    ] {
        refused!(
            check(&Draft::proof().claim("htu", json!(uri)).sign(&ES256)),
            TargetUri,
            Refusal::WrongTargetUri { .. },
            uri
        );
    }
    for (uri, error) in [
        ("https://me@api.example.com/api/v1/users", TargetUriError::UserInformation),
        ("/api/v1/users", TargetUriError::NotAbsolute),
        ("api.example.com/api/v1/users", TargetUriError::NotAbsolute),
        ("wss://api.example.com/api/v1/users", TargetUriError::NotAbsolute),
        ("", TargetUriError::NotAbsolute),
        ("https://api.example.com/api/v1/users\u{0}", TargetUriError::IllegalCharacter),
        ("https://\u{e4}pi.example.com/", TargetUriError::IllegalCharacter),
        ("https://api.example.com/%zz", TargetUriError::IllegalPercentEncoding),
        ("https://api.example.com:99999/", TargetUriError::IllegalPort),
    ] {
        let unusable = Refusal::UnusableTargetUri(error);
        assert_eq!(check(&Draft::proof().claim("htu", json!(uri)).sign(&ES256)), Err(unusable), "{uri}");
    }
    for uri in [
        "https://api.example.com/api/v1/users?limit=2",
        "HTTPS://API.example.com:443/api/v1/users#top",
        "https://api.example.com/api/v1/x/../%75sers",
    ] {
        assert_eq!(check(&Draft::proof().claim("htu", json!(uri)).sign(&ES256)), Ok(()), "{uri}");
    }
}

#[test]
fn check_10_the_nonce_is_one_that_this_server_gave() {
    let policy = NoncePolicy::default();
    let nonces = Nonces::new(policy, NonceSecret::from_bytes(&[1; 32]));
    let strangers = Nonces::new(policy, NonceSecret::from_bytes(&[2; 32]));
    let wanted = |proof: &Draft| {
        let (target, proof) = (target(), proof.sign(&ES256));
        let context = ProofContext {
            method: &Method::GET,
            target: &target,
            access_token: None,
            nonces: Some(&nonces),
            now: NOW,
        };
        ProofPolicy::default().check(&proof, &context).map(|_| ())
    };
    let with = |nonce: &str| wanted(&Draft::proof().claim("nonce", json!(nonce)));
    assert_eq!(wanted(&Draft::proof()), Err(Refusal::NonceMissing));
    for (nonce, why) in [
        ("", "empty"),
        ("eyJ7S_zG.eyJH0-Z.HX4w-7v", "of another form"),
        (strangers.current(NOW).as_str(), "of another server"),
        (&format!("{}A", nonces.current(NOW)), "one character too long"),
    ] {
        assert_eq!(with(nonce), Err(Refusal::NonceRefused(NonceRefusal::Unknown)), "{why}");
    }
    let old = nonces.current(NOW.before(Duration::from_secs(360)));
    assert_eq!(with(old.as_str()), Err(Refusal::NonceRefused(NonceRefusal::TooOld { age: 360, limit: 300 })));
    let coming = nonces.current(NOW.after(Duration::from_secs(600)));
    assert_eq!(with(coming.as_str()), Err(Refusal::NonceRefused(NonceRefusal::FromFuture)));
    assert_eq!(with(nonces.current(NOW).as_str()), Ok(()));
}

#[test]
fn check_11_the_proof_is_fresh() {
    let at = |seconds: u64| check(&Draft::proof().claim("iat", json!(seconds)).sign(&ES256));
    let now = NOW.seconds();
    assert_eq!(at(now - 60), Ok(()));
    assert_eq!(at(now - 61), Err(Refusal::TooOld { age: 61, limit: 60 }));
    assert_eq!(at(0), Err(Refusal::TooOld { age: now, limit: 60 }));
    assert_eq!(at(now + 5), Ok(()));
    assert_eq!(at(now + 6), Err(Refusal::FromFuture { ahead: 6, limit: 5 }));
    assert_eq!(at(u64::MAX), Err(Refusal::FromFuture { ahead: u64::MAX - now, limit: 5 }));
    assert_eq!(at(now * 1000), Err(Refusal::FromFuture { ahead: now * 999, limit: 5 }), "milliseconds");
}

#[test]
fn exp_and_nbf_are_honoured_where_they_are_there() {
    let with = |claim: &str, seconds: u64| check(&Draft::proof().claim(claim, json!(seconds)).sign(&ES256));
    let date = NumericDate::from_seconds;
    let now = NOW.seconds();
    assert_eq!(with("exp", now), Err(Refusal::Expired { expired: NOW, now: NOW }));
    assert_eq!(with("exp", now + 1), Ok(()));
    assert_eq!(with("nbf", now + 5), Ok(()));
    assert_eq!(with("nbf", now + 6), Err(Refusal::NotYetValid { begins: date(now + 6), now: NOW }));
}

#[test]
fn check_12_the_proof_is_for_this_token_and_the_token_for_this_key() {
    let ath = AccessTokenHash::of(TOKEN).to_string();
    let with_token = |proof: &Draft, thumbprint| {
        check_with(&proof.sign(&ES256), |context| context.access_token = Some(bound_to(thumbprint)))
    };
    let own = ES256.public_key().thumbprint();
    assert_eq!(with_token(&Draft::proof(), own), Err(Refusal::AccessTokenHashMissing));
    for (hash, why) in [
        (AccessTokenHash::of("another token").to_string(), "of another token"),
        (format!("{ath}="), "padded"),
        (TOKEN.to_owned(), "the token itself"),
        (String::new(), "empty"),
        (ath.to_uppercase(), "in other letters"),
    ] {
        let proof = Draft::proof().claim("ath", json!(hash));
        assert_eq!(with_token(&proof, own), Err(Refusal::WrongAccessTokenHash), "{why}");
    }
    let proof = Draft::proof().claim("ath", json!(ath));
    assert_eq!(with_token(&proof, own), Ok(()));
    assert_eq!(with_token(&proof, RS256.public_key().thumbprint()), Err(Refusal::WrongKey));
}

#[test]
fn critical_extensions_are_refused() {
    for critical in [json!(["exp"]), json!(["b64"]), json!([]), json!(null)] {
        let proof = Draft::proof().header("crit", critical.clone()).sign(&ES256);
        assert_eq!(check(&proof), Err(Refusal::CriticalExtensions), "{critical}");
    }
}

#[test]
fn the_key_is_a_strong_and_valid_one_that_may_sign() {
    assert_eq!(
        check(&Draft::proof().without_header("jwk").sign(&ES256)),
        Err(Refusal::KeyMissing(MemberError::Missing("jwk")))
    );
    refused!(
        check(&Draft::proof().header("jwk", json!("a key")).sign(&ES256)),
        ProofSignature,
        Refusal::KeyMissing(MemberError::WrongType { name: "jwk", .. }),
        "jwk is a string"
    );
    let x = Draft::proof().header["jwk"]["x"].as_str().unwrap().to_owned();
    for (draft, why) in [
        (Draft::proof().without_jwk_member("kty"), "no kty"),
        (Draft::proof().without_jwk_member("x"), "no x"),
        (Draft::proof().without_jwk_member("y"), "no y"),
        (Draft::proof().without_jwk_member("crv"), "no crv"),
        (Draft::proof().jwk_member("kty", json!("oct")), "a symmetric key"),
        (Draft::proof().jwk_member("kty", json!("RSA")), "an RSA key without n and e"),
        (Draft::proof().jwk_member("crv", json!("secp256k1")), "a curve that is not taken"),
        (Draft::proof().jwk_member("crv", json!("P-384")), "a curve of another size"),
        (Draft::proof().jwk_member("y", json!(x)), "a point that is not on the curve"),
        (Draft::proof().jwk_member("x", json!(x[..40])), "a coordinate cut short"),
        (Draft::proof().jwk_member("x", json!(format!("AAAA{x}"))), "a coordinate with leading zeros"),
        (Draft::proof().jwk_member("x", json!(format!("{x}="))), "a padded coordinate"),
        (Draft::proof().jwk_member("x", json!(1)), "a coordinate that is a number"),
        (Draft::proof().header("jwk", json!({"kty": "OKP", "crv": "X25519", "x": x})), "a key for agreement"),
        (
            Draft::proof().header("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"})),
            "a short Ed25519 key",
        ),
        (
            Draft::proof().header("jwk", json!({"kty": "RSA", "n": "AA", "e": "AQAB"})),
            "an RSA key of nothing",
        ),
        (Draft::proof().header("jwk", rsa_of_bits(1024)), "an RSA key of 1024 bits"),
        (Draft::proof().header("jwk", rsa_of_bits(16384)), "an RSA key of 16384 bits"),
        (Draft::proof().header("jwk", rsa_with_exponent("AQ")), "an RSA exponent of 1"),
        (Draft::proof().header("jwk", rsa_with_exponent("Ag")), "an even RSA exponent"),
    ] {
        refused!(check(&draft.sign(&ES256)), KeyQuality, Refusal::UnusableKey(_), why);
    }
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("ES384")),
        ("alg", json!("ECDH-ES")),
        ("key_ops", json!(["encrypt"])),
        ("key_ops", json!([])),
    ] {
        let proof = Draft::proof().jwk_member(name, value.clone()).sign(&ES256);
        refused!(
            check(&proof),
            KeyUse,
            Refusal::KeyNotForAlgorithm { algorithm: Algorithm::ES256, .. },
            &format!("{name} is {value}")
        );
    }
    for (name, value) in [
        ("use", json!("sig")),
        ("alg", json!("ES256")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("kid", json!("my key")),
        ("x5t", json!("AAAA")),
    ] {
        let proof = Draft::proof().jwk_member(name, value).sign(&ES256);
        assert_eq!(check(&proof), Ok(()), "{name}");
    }
}

fn rsa_of_bits(bits: usize) -> serde_json::Value {
    let n = keybound::base64url::encode(vec![0xff; bits / 8]);
    json!({"kty": "RSA", "n": n, "e": "AQAB"})
}

fn rsa_with_exponent(e: &str) -> serde_json::Value {
    let mut jwk = support::jwk(RS256.public_key());
    jwk["e"] = json!(e);
    jwk
}

#[test]
fn what_is_not_understood_and_not_critical_is_ignored() {
    let proof = Draft::proof()
        .claim("sub", json!("someone"))
        .claim("nonce", json!("a nonce that nobody asked for"))
        .claim("ath", json!("a hash that nobody asked for"))
        .header("kid", json!("x"))
        .header("x5u", json!("https://evil.example/"))
        .header("jku", json!("https://evil.example/"));
    assert_eq!(check(&proof.sign(&ES256)), Ok(()));
}

#[test]
fn a_refusal_repeats_no_more_than_the_beginning_of_a_claim() {
    let proof = Draft::proof().claim("htm", json!("x".repeat(4_000))).sign(&ES256);
    assert!(check(&proof).unwrap_err().to_string().len() < 300);
}
