//! JWKs that are no key that can be used: each refused for its own reason.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use keybound::base64url::{decode, encode};
use keybound::json::MemberError;
use keybound::key::MAX_JWK_BYTES;
use keybound::{
    Algorithm, JwkSet, KeyError, KeyKind, MAX_JWK_SET_BYTES, MAX_JWK_SET_KEYS, PrivateKey, PublicKey,
    SigningKey, VerifyingKey,
};
use serde_json::{Value, json};

/// The key of RFC 9449 section 4.1.
fn p256() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    })
}

/// The key of RFC 8037 appendix A.
fn ed25519() -> Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

fn rsa() -> Value {
    private_jwk(include_str!("keys/rsa.pkcs8.pem"))
}

fn private_jwk(pem: &str) -> Value {
    serde_json::from_str(&PrivateKey::from_pem(pem).unwrap().to_jwk().unwrap()).unwrap()
}

fn public_half(mut jwk: Value) -> Value {
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    jwk
}

/// `jwk` with these members added or replaced; `null` takes one away.
fn with(mut jwk: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { return jwk };
    for (name, value) in changes {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(&name)
        } else {
            jwk.as_object_mut().unwrap().insert(name, value)
        };
    }
    jwk
}

fn bytes(jwk: &Value, member: &str) -> Vec<u8> {
    decode(jwk[member].as_str().unwrap()).unwrap()
}

fn public(jwk: &Value) -> Result<PublicKey, KeyError> {
    PublicKey::from_jwk(jwk.to_string().as_bytes())
}

fn private(jwk: &Value) -> Result<PrivateKey, KeyError> {
    PrivateKey::from_jwk(jwk.to_string().as_bytes())
}

fn missing(member: &'static str) -> KeyError {
    KeyError::Member(MemberError::Missing(member))
}

fn wrong_type(name: &'static str, expected: &'static str) -> KeyError {
    KeyError::Member(MemberError::WrongType { name, expected })
}

fn wrong_length(member: &'static str, found: usize, expected: usize) -> KeyError {
    KeyError::WrongLength { member, found, expected }
}

/// Refuses each change of `base` for its own reason, in a public JWK and in a private one.
fn refused<const N: usize>(base: &Value, rows: [(&str, Value, KeyError); N]) {
    for (why, changes, error) in rows {
        let jwk = with(base.clone(), changes);
        assert_eq!(public(&jwk).unwrap_err(), error, "{why}");
        assert_eq!(private(&with(jwk, json!({"d": "AA"}))).unwrap_err(), error, "{why}, in a private JWK");
    }
}

fn unsupported_key_type(found: &str) -> KeyError {
    KeyError::UnsupportedKeyType { found: found.to_owned() }
}

fn unsupported_curve(found: &str) -> KeyError {
    KeyError::UnsupportedCurve { found: found.to_owned() }
}

#[test]
fn a_bad_member_of_an_elliptic_curve_key_is_refused_for_its_own_reason() {
    let key = p256();
    let (x, y) = (bytes(&key, "x"), bytes(&key, "y"));
    let long_y = [&[0], &y[..]].concat();
    let off_curve = KeyError::NotOnCurve { curve: "P-256" };
    let not_base64url = |member| KeyError::NotBase64Url { member };
    refused(
        &key,
        [
            ("no kty", json!({"kty": null}), missing("kty")),
            ("kty of another type", json!({"kty": 1}), wrong_type("kty", "a string")),
            ("an unknown kty", json!({"kty": "AKP"}), unsupported_key_type("AKP")),
            ("kty in small letters", json!({"kty": "ec"}), unsupported_key_type("ec")),
            ("a shared secret", json!({"kty": "oct"}), KeyError::SharedSecret),
            ("P-256 as OKP", json!({"kty": "OKP"}), unsupported_curve("P-256")),
            ("no crv", json!({"crv": null}), missing("crv")),
            ("secp256k1", json!({"crv": "secp256k1"}), unsupported_curve("secp256k1")),
            ("Ed25519 as EC", json!({"crv": "Ed25519"}), unsupported_curve("Ed25519")),
            ("a point of another curve", json!({"crv": "P-384"}), wrong_length("x", 32, 48)),
            ("no x", json!({"x": null}), missing("x")),
            ("no y", json!({"y": null}), missing("y")),
            ("x as a number", json!({"x": 7}), wrong_type("x", "a string")),
            ("x empty", json!({"x": ""}), wrong_length("x", 0, 32)),
            ("x one byte short", json!({"x": encode(&x[1..])}), wrong_length("x", 31, 32)),
            ("y one byte long", json!({"y": encode(long_y)}), wrong_length("y", 33, 32)),
            ("x and y swapped", json!({"x": encode(&y), "y": encode(&x)}), off_curve.clone()),
            ("zero", json!({"x": encode([0; 32]), "y": encode([0; 32])}), off_curve.clone()),
            ("x beyond the field", json!({"x": encode([0xff; 32])}), off_curve),
            ("padding", json!({"x": format!("{}=", encode(&x))}), not_base64url("x")),
            ("the other alphabet", json!({"y": "+".repeat(43)}), not_base64url("y")),
            ("trailing bits", json!({"x": format!("{}t", &encode(&x)[..42])}), not_base64url("x")),
        ],
    );
}

#[test]
fn a_bad_member_of_an_ed25519_key_is_refused_for_its_own_reason() {
    refused(
        &public_half(ed25519()),
        [
            ("X25519", json!({"crv": "X25519"}), unsupported_curve("X25519")),
            ("Ed448", json!({"crv": "Ed448"}), unsupported_curve("Ed448")),
            ("no x", json!({"x": null}), missing("x")),
            ("31 bytes", json!({"x": encode([7; 31])}), wrong_length("x", 31, 32)),
            ("33 bytes", json!({"x": encode([7; 33])}), wrong_length("x", 33, 32)),
        ],
    );
}

#[test]
fn a_bad_member_of_an_rsa_key_is_refused_for_its_own_reason() {
    let key = public_half(rsa());
    let n = bytes(&key, "n");
    let (first, last) = (n[0], n[n.len() - 1]);
    let padded = [&[0, first], &n[1..]].concat();
    let short = [&[first & 0x7f], &n[1..]].concat();
    let even = [&n[..n.len() - 1], &[last & 0xfe]].concat();
    let long = [&[1][..], &[0xff; 1024]].concat();
    refused(
        &key,
        [
            ("no n", json!({"n": null}), missing("n")),
            ("no e", json!({"e": null}), missing("e")),
            ("n with a leading zero", json!({"n": encode(padded)}), KeyError::LeadingZero { member: "n" }),
            ("e with a leading zero", json!({"e": "AAEAAQ"}), KeyError::LeadingZero { member: "e" }),
            ("0 bits", json!({"n": ""}), KeyError::RsaSize { bits: 0 }),
            ("2047 bits", json!({"n": encode(short)}), KeyError::RsaSize { bits: 2047 }),
            ("8193 bits", json!({"n": encode(long)}), KeyError::RsaSize { bits: 8193 }),
            ("an even modulus", json!({"n": encode(even)}), KeyError::RsaModulusEven),
            ("no bits of e", json!({"e": ""}), KeyError::RsaExponent),
            ("e = 1", json!({"e": "AQ"}), KeyError::RsaExponent),
            ("e = 65536", json!({"e": "AQAA"}), KeyError::RsaExponent),
            ("e of 34 bits", json!({"e": encode([2, 0, 0, 0, 1])}), KeyError::RsaExponent),
        ],
    );
}

#[test]
fn what_stands_beside_a_key_has_the_right_type() {
    refused(
        &p256(),
        [
            ("kid as a number", json!({"kid": 1}), wrong_type("kid", "a string")),
            ("alg as an array", json!({"alg": ["ES256"]}), wrong_type("alg", "a string")),
            ("use as an array", json!({"use": ["sig"]}), wrong_type("use", "a string")),
            (
                "key_ops as a string",
                json!({"key_ops": "verify"}),
                wrong_type("key_ops", "an array of strings"),
            ),
        ],
    );
}

#[test]
fn e_of_3_and_of_33_bits_is_accepted() {
    for e in ["Aw", "AQAB", "AQAAAAE"] {
        assert!(public(&with(public_half(rsa()), json!({"e": e}))).is_ok(), "{e}");
    }
}

#[test]
fn a_private_member_in_a_public_jwk_is_refused_whatever_its_value() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        for value in ["null", "1", r#""AA""#, "[]", "{}"] {
            let text = p256().to_string().replacen('{', &format!(r#"{{"{member}":{value},"#), 1);
            let error = PublicKey::from_jwk(text.as_bytes()).unwrap_err();
            assert_eq!(error, KeyError::PrivateMember { member }, "{text}");
        }
    }
    let secret = json!({"kty": "oct", "k": "AAAA"});
    assert_eq!(public(&secret).unwrap_err(), KeyError::PrivateMember { member: "k" });
}

#[test]
fn a_bad_private_member_is_refused_for_its_own_reason() {
    let (rsa, ec, okp) = (rsa(), private_jwk(include_str!("keys/p521.pkcs8.pem")), ed25519());
    let crt_missing = |member| KeyError::CrtMemberMissing { member };
    let (d, other) = (bytes(&ec, "d"), private_jwk(include_str!("keys/p256.pkcs8.pem")));
    let no_d = KeyError::PrivateMemberMissing;
    for (why, jwk, error) in [
        ("a shared secret", json!({"kty": "oct", "k": "AAAA"}), KeyError::SharedSecret),
        ("a public RSA key", public_half(rsa.clone()), no_d.clone()),
        ("a public EC key", p256(), no_d.clone()),
        ("a public Ed25519 key", public_half(okp.clone()), no_d),
        ("RSA with d alone", with(public_half(rsa.clone()), json!({"d": rsa["d"]})), crt_missing("p")),
        ("RSA without q", with(rsa.clone(), json!({"q": null})), crt_missing("q")),
        ("RSA without dp", with(rsa.clone(), json!({"dp": null})), crt_missing("dp")),
        ("RSA without dq", with(rsa.clone(), json!({"dq": null})), crt_missing("dq")),
        ("RSA without qi", with(rsa.clone(), json!({"qi": null})), crt_missing("qi")),
        ("RSA of three primes", with(rsa.clone(), json!({"oth": []})), KeyError::MultiPrime),
        ("RSA with another d", with(rsa.clone(), json!({"d": rsa["p"]})), KeyError::Inconsistent),
        ("RSA with p for q", with(rsa.clone(), json!({"q": rsa["p"]})), KeyError::Inconsistent),
        ("RSA with another dp", with(rsa.clone(), json!({"dp": rsa["dq"]})), KeyError::Inconsistent),
        ("RSA with another dq", with(rsa.clone(), json!({"dq": rsa["dp"]})), KeyError::Inconsistent),
        ("RSA with another qi", with(rsa.clone(), json!({"qi": rsa["p"]})), KeyError::Inconsistent),
        ("RSA with an empty p", with(rsa.clone(), json!({"p": ""})), KeyError::Inconsistent),
        ("RSA with d as a number", with(rsa, json!({"d": 7})), wrong_type("d", "a string")),
        ("another key's d", with(other, json!({"x": p256()["x"], "y": p256()["y"]})), KeyError::Inconsistent),
        ("d one byte short", with(ec.clone(), json!({"d": encode(&d[1..])})), wrong_length("d", 65, 66)),
        ("d = 0", with(ec.clone(), json!({"d": encode([0; 66])})), KeyError::Inconsistent),
        ("d beyond the order", with(ec, json!({"d": encode([0xff; 66])})), KeyError::Inconsistent),
        ("another seed", with(okp.clone(), json!({"d": okp["x"]})), KeyError::Inconsistent),
        ("a seed of 64 bytes", with(okp.clone(), json!({"d": encode([7; 64])})), wrong_length("d", 64, 32)),
        ("for encryption alone", with(okp, json!({"key_ops": ["deriveKey"]})), KeyError::NotForSigning),
    ] {
        assert_eq!(private(&jwk).unwrap_err(), error, "{why}");
    }
}

#[test]
fn a_text_that_is_no_bounded_strict_json_object_is_no_jwk() {
    let long = format!("{}{}", p256(), " ".repeat(MAX_JWK_BYTES));
    let too_large = KeyError::TooLarge { container: "JWK", found: long.len(), limit: MAX_JWK_BYTES };
    assert_eq!(PublicKey::from_jwk(long.as_bytes()).unwrap_err(), too_large);
    assert_eq!(PrivateKey::from_jwk(long.as_bytes()).unwrap_err(), too_large);
    let twice = p256().to_string().replacen('{', r#"{"kty":"RSA","#, 1);
    for text in ["", "null", "[]", "{", twice.as_str(), include_str!("keys/p256.public.pem")] {
        assert!(matches!(PublicKey::from_jwk(text.as_bytes()), Err(KeyError::NotStrictJson(_))), "{text}");
        assert!(matches!(PrivateKey::from_jwk(text.as_bytes()), Err(KeyError::NotStrictJson(_))), "{text}");
    }
}

#[test]
fn a_key_that_is_reserved_for_something_else_is_not_used() {
    let ec = private_jwk(include_str!("keys/p256.pkcs8.pem"));
    for (attributes, reserved_by) in [
        (json!({}), None),
        (json!({"use": "sig", "alg": "ES256", "kid": "1"}), None),
        (json!({"x5c": ["AA=="], "ext": true}), None),
        (json!({"use": "enc"}), Some("use")),
        (json!({"use": "SIG"}), Some("use")),
        (json!({"use": ""}), Some("use")),
        (json!({"alg": "ES384"}), Some("alg")),
        (json!({"alg": "ECDH-ES"}), Some("alg")),
        (json!({"alg": "es256"}), Some("alg")),
        (json!({"alg": "ECDH-ES", "use": "enc"}), Some("alg")),
    ] {
        let algorithm = Algorithm::ES256;
        let expected = match reserved_by {
            None => Ok(()),
            Some(member) => Err(KeyError::ReservedForOther { member, algorithm }),
        };
        let public = public(&with(public_half(ec.clone()), attributes.clone())).unwrap();
        assert_eq!(public.allow(algorithm), expected, "{attributes}");
        assert_eq!(VerifyingKey::new(&public, algorithm).map(|_| ()), expected, "{attributes}");
        let private = private(&with(ec.clone(), attributes.clone())).unwrap();
        assert_eq!(SigningKey::new(private, algorithm).map(|_| ()), expected, "{attributes}");
    }
    for (operations, allowed) in [
        (json!(["verify"]), true),
        (json!(["sign", "verify"]), true),
        (json!(["sign"]), false),
        (json!(["Verify"]), false),
        (json!([]), false),
    ] {
        let public = public(&with(p256(), json!({"key_ops": operations}))).unwrap();
        assert_eq!(VerifyingKey::new(&public, Algorithm::ES256).is_ok(), allowed, "{operations}");
    }
    for name in ["EdDSA", "Ed25519"] {
        let public = public(&with(public_half(ed25519()), json!({"alg": name}))).unwrap();
        assert!(
            [Algorithm::EdDSA, Algorithm::Ed25519].iter().all(|algorithm| public.allow(*algorithm).is_ok())
        );
    }
}

#[test]
fn a_jwk_is_written_in_one_spelling_with_what_it_said_beside_the_key() {
    let text = r#"{ "use":"sig", "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","kid":"a \"b\"","key_ops":["verify"],
        "x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "alg":"ES256","crv":"P-256","kty":"\u0045C","ext":true}"#;
    let key = PublicKey::from_jwk(text.as_bytes()).unwrap();
    assert_eq!(
        key.jwk().to_json(),
        r#"{"crv":"P-256","kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","kid":"a \"b\"","use":"sig","alg":"ES256","key_ops":["verify"]}"#
    );
    let named = key.with_key_id("2").with_algorithm(Algorithm::ES256);
    assert_eq!((named.key_id(), named.jwk().algorithm()), (Some("2"), Some("ES256")));
    assert_eq!(named.thumbprint(), public(&p256()).unwrap().thumbprint(), "the name is no part of the key");
}

#[test]
fn a_set_leaves_out_what_cannot_verify_signatures() {
    let good = with(p256(), json!({"kid": "good"}));
    let set = json!({"keys": [
        {"kty": "AKP", "kid": "unknown", "pub": "AA"},
        {"kty": "oct", "kid": "secret", "k": "AA"},
        with(ed25519(), json!({"kid": "private"})),
        with(p256(), json!({"kid": "encryption", "use": "enc"})),
        with(p256(), json!({"kid": "agreement", "alg": "ECDH-ES"})),
        with(p256(), json!({"kid": "damaged", "x": "AA"})),
        with(public_half(rsa()), json!({"kid": "weak", "n": "qw"})),
        good,
        "not an object",
        null,
    ], "other": 1});
    let set = JwkSet::parse(set.to_string().as_bytes()).unwrap();
    let names: Vec<_> = set.keys().iter().map(PublicKey::key_id).collect();
    assert_eq!(names, [Some("good")]);
}

#[test]
fn a_set_finds_keys_by_name_and_algorithm() {
    let named = |pem, name: &str| PublicKey::from_pem(pem).unwrap().with_key_id(name);
    let set = JwkSet::from_keys(vec![
        named(include_str!("keys/rsa.public.pem"), "1"),
        named(include_str!("keys/p256.public.pem"), "2"),
        named(include_str!("keys/p384.public.pem"), "2"),
        public(&p256()).unwrap(),
    ]);
    let read = JwkSet::parse(set.to_json().as_bytes()).unwrap();
    for set in [set, read] {
        for (name, algorithm, found) in [
            (Some("1"), Algorithm::RS256, vec![KeyKind::Rsa { bits: 2048 }]),
            (Some("1"), Algorithm::PS512, vec![KeyKind::Rsa { bits: 2048 }]),
            (Some("1"), Algorithm::ES256, vec![]),
            (Some("2"), Algorithm::ES256, vec![KeyKind::P256]),
            (Some("2"), Algorithm::ES384, vec![KeyKind::P384]),
            (Some(""), Algorithm::ES256, vec![]),
            (Some("3"), Algorithm::ES256, vec![]),
            (None, Algorithm::ES256, vec![KeyKind::P256, KeyKind::P256]),
            (None, Algorithm::EdDSA, vec![]),
        ] {
            let kinds: Vec<_> = set.find(name, algorithm).map(PublicKey::kind).collect();
            assert_eq!(kinds, found, "{name:?} {algorithm}");
        }
    }
}

#[test]
fn a_set_is_bounded() {
    let set = |keys: usize| json!({"keys": vec![p256(); keys]}).to_string();
    assert_eq!(JwkSet::parse(set(MAX_JWK_SET_KEYS).as_bytes()).unwrap().keys().len(), MAX_JWK_SET_KEYS);
    let too_many = KeyError::TooManyKeys { found: MAX_JWK_SET_KEYS + 1, limit: MAX_JWK_SET_KEYS };
    assert_eq!(JwkSet::parse(set(MAX_JWK_SET_KEYS + 1).as_bytes()).unwrap_err(), too_many);
    let long = " ".repeat(MAX_JWK_SET_BYTES + 1);
    let too_large = KeyError::TooLarge { container: "JWK set", found: long.len(), limit: MAX_JWK_SET_BYTES };
    assert_eq!(JwkSet::parse(long.as_bytes()).unwrap_err(), too_large);
    for (text, why) in
        [("{}", "no keys"), (r#"{"keys":{}}"#, "keys is an object"), (r#"{"keys":null}"#, "keys is null")]
    {
        assert_eq!(JwkSet::parse(text.as_bytes()).unwrap_err(), KeyError::NotAJwkSet, "{why}");
    }
    assert!(JwkSet::parse(br#"{"keys":[]}"#).unwrap().keys().is_empty());
}

#[test]
fn ed25519_keys_that_anybody_can_sign_for_are_refused() {
    let key = |octets: [u8; 32]| {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, keybound::base64url::encode(octets))
    };
    let order_8: [u8; 32] =
        keybound::base64url::decode_array("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU").unwrap();
    let mut negative_8 = order_8;
    negative_8[31] |= 0x80;
    let with_first = |first: u8, others: u8| {
        let mut octets = [others; 32];
        octets[0] = first;
        octets[31] &= 0x7f;
        octets
    };
    for (octets, why) in [
        (with_first(1, 0), "the identity, order 1"),
        (with_first(0xec, 0xff), "order 2"),
        (with_first(0, 0), "order 4"),
        (order_8, "order 8"),
        (negative_8, "order 8, the other x"),
        (with_first(0xee, 0xff), "the identity in another spelling"),
    ] {
        let refused = PublicKey::from_jwk(key(octets).as_bytes());
        assert_eq!(refused.unwrap_err(), KeyError::SmallOrder, "{why}");
    }
}

#[test]
fn a_hostile_name_cannot_write_over_a_terminal() {
    let name = format!("\u{1b}[2J\nforged \u{202e}{}", "x".repeat(1_000));
    for jwk in [json!({"kty": name}), json!({"kty": "EC", "crv": name}), json!({"kty": "OKP", "crv": name})] {
        let error = PublicKey::from_jwk(jwk.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("[2Jforged xx") && error.len() < 300, "{error:?}");
        assert!(!error.contains(['\u{1b}', '\n', '\u{202e}']), "{error:?}");
    }
}
