//! The table: requests that break one rule each, and some that break none, with the status and the error code
//! of the answer.

use std::time::Duration;

use http::Method;
use keybound::proof::AccessTokenHash;
use keybound::{Algorithm, NoncePolicy, NonceSecret, Nonces, Signer as _, SigningKey};
use serde_json::{Value, json};

use super::workshop::{
    ClientRequest, Draft, ES256, HOST, NOW, OTHER_HOST, PATH, RS256, Setting, TOKEN, jwk, nonces, sign_texts,
};

/// A request and what becomes of it.
pub struct Case {
    pub setting: Setting,
    pub why: String,
    pub request: ClientRequest,
    /// How often it is sent; the last answer counts.
    pub times: usize,
    pub status: u16,
    /// `error` in the answer.
    pub code: Option<&'static str>,
}

impl Case {
    fn refused(
        why: impl Into<String>,
        request: ClientRequest,
        status: u16,
        code: Option<&'static str>,
    ) -> Self {
        Self { setting: Setting::Strict, why: why.into(), request, times: 1, status, code }
    }

    fn admitted(why: &str, request: ClientRequest) -> Self {
        Self::refused(why, request, 200, None)
    }

    fn under(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }
}

const BAD_PROOF: Option<&str> = Some("invalid_dpop_proof");
const BAD_TOKEN: Option<&str> = Some("invalid_token");
const BAD_REQUEST: Option<&str> = Some("invalid_request");

pub fn all() -> Vec<Case> {
    let proofs = [
        malformed_proofs(),
        bad_claims(),
        bad_headers(),
        bad_signatures(),
        bad_keys(),
        other_methods_and_targets(),
        stale_proofs(),
        bad_bindings(),
    ];
    let others = [nonces_wanted(), bad_tokens(), forged_tokens(), credentials(), routes(), hosts(), stores()];
    proofs.into_iter().chain(others).flatten().collect()
}

fn bad_proof(why: impl Into<String>, proof: impl Into<Vec<u8>>) -> Case {
    Case::refused(why, ClientRequest::with_proof(proof), 401, BAD_PROOF)
}

fn malformed_proofs() -> Vec<Case> {
    let good = Draft::proof().sign(&ES256);
    let header = Draft::proof().header.to_string();
    let claims = Draft::proof().claims.to_string();
    let sign = |header: &str, claims: &str| sign_texts(header, claims, &ES256);
    let doubled = |json: &str, name: &str| json.replacen('{', &format!("{{\"{name}\":\"x\","), 1);
    vec![
        Case::admitted("a good request", ClientRequest::with_proof(Draft::proof().sign(&ES256))),
        Case::refused(
            "no proof",
            ClientRequest::get(PATH).authorization(format!("DPoP {}", *TOKEN)),
            401,
            BAD_PROOF,
        ),
        Case::refused(
            "two proofs",
            ClientRequest::with_proof(good.clone()).header("dpop", Draft::proof().sign(&ES256)),
            401,
            BAD_PROOF,
        ),
        bad_proof("a comma-joined pair of proofs", format!("{good}, {}", Draft::proof().sign(&ES256))),
        bad_proof("a proof that is not ASCII", "a.b.\u{e9}".as_bytes()),
        bad_proof("an empty proof", ""),
        bad_proof("two parts", "a.b"),
        bad_proof("four parts", format!("{good}.x")),
        bad_proof("the five parts of an encrypted JWT", format!("{good}.x.y")),
        bad_proof("padding", format!("{good}=")),
        bad_proof("padding inside", good.replacen('.', "=.", 1)),
        bad_proof("not in the alphabet", good.replacen('.', ".!", 1)),
        bad_proof("the header is an array", sign("[]", &claims)),
        bad_proof("the header is cut short", sign("{", &claims)),
        bad_proof("a header member twice", sign(&doubled(&header, "typ"), &claims)),
        bad_proof("the claims are null", sign(&header, "null")),
        bad_proof("the claims are a string", sign(&header, "\"jti\"")),
        bad_proof("a claim twice", sign(&header, &doubled(&claims, "jti"))),
        bad_proof("a claim twice, once escaped", sign(&header, &doubled(&claims, "\\u006ati"))),
        bad_proof("two objects", sign(&header, &format!("{claims}{claims}"))),
        bad_proof("too large", Draft::proof().claim("padding", json!("x".repeat(8 * 1024))).sign(&ES256)),
    ]
}

fn bad_claims() -> Vec<Case> {
    let missing = ["jti", "htm", "htu", "iat", "ath"].into_iter().map(|name| {
        bad_proof(format!("a proof without {name}"), Draft::proof().without_claim(name).sign(&ES256))
    });
    let wrong = [
        ("jti", json!(1)),
        ("jti", json!(null)),
        ("jti", json!(["x"])),
        ("jti", json!("")),
        ("jti", json!("x".repeat(257))),
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
    ];
    let wrong = wrong.into_iter().map(|(name, value)| {
        bad_proof(format!("{name} of a wrong kind: {value}"), Draft::proof().claim(name, value).sign(&ES256))
    });
    missing.chain(wrong).collect()
}

fn bad_headers() -> Vec<Case> {
    let with = |name: &'static str, value: Value| {
        bad_proof(format!("{name} is {value}"), Draft::proof().header(name, value).sign(&ES256))
    };
    let missing = ["typ", "alg", "jwk"]
        .into_iter()
        .map(|name| bad_proof(format!("no {name}"), Draft::proof().without_header(name).sign(&ES256)));
    let types = ["JWT", "at+jwt", "dpop", "dpop+jwt ", "", "application/jwt", "client-authentication+jwt"];
    let algorithms =
        ["none", "NONE", "HS256", "es256", "ES256K", "RSA-OAEP", "", "ES384", "ES512", "RS256", "EdDSA"];
    missing
        .chain([with("typ", json!(1)), with("alg", json!(null)), with("alg", json!(256))])
        .chain(types.into_iter().map(|typ| with("typ", json!(typ))))
        .chain(algorithms.into_iter().map(|name| with("alg", json!(name))))
        .chain([json!(["exp"]), json!([]), json!(null)].into_iter().map(|critical| with("crit", critical)))
        .chain(["DPoP+JWT", "application/dpop+jwt"].into_iter().map(|typ| {
            let proof = Draft::proof().header("typ", json!(typ)).sign(&ES256);
            Case::admitted("the type in another spelling", ClientRequest::with_proof(proof))
        }))
        .collect()
}

fn bad_signatures() -> Vec<Case> {
    let good = Draft::proof().sign(&ES256);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let other_text = Draft::proof().sign(&ES256);
    let other_signature = other_text.rsplit_once('.').unwrap().1;
    vec![
        bad_proof("signed with another key", Draft::proof().sign(&other)),
        bad_proof("no signature", format!("{signed}.")),
        bad_proof("the signature of another proof", format!("{signed}.{other_signature}")),
        bad_proof("a signature cut short", format!("{signed}.{}", &signature[..84])),
        bad_proof("a signature with something behind it", format!("{signed}.{signature}AAAA")),
        bad_proof("a signature of zeros", format!("{signed}.{}", "A".repeat(86))),
    ]
}

fn bad_keys() -> Vec<Case> {
    let x = Draft::proof().header["jwk"]["x"].as_str().unwrap().to_owned();
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].into_iter().map(|member| {
        let proof = Draft::proof().jwk_member(member, json!("AAAA"));
        bad_proof(format!("a private key: {member}"), proof.sign(&ES256))
    });
    let broken = [
        (Draft::proof().header("jwk", json!("a key")), "jwk is a string"),
        (Draft::proof().without_jwk_member("kty"), "no kty"),
        (Draft::proof().without_jwk_member("y"), "no y"),
        (Draft::proof().jwk_member("kty", json!("oct")), "a symmetric key"),
        (Draft::proof().jwk_member("use", json!("enc")), "a key for encryption"),
        (Draft::proof().jwk_member("alg", json!("ES384")), "a key of another algorithm"),
        (Draft::proof().jwk_member("key_ops", json!(["encrypt"])), "a key for other operations"),
    ];
    // Told by their spelling alone to be none that the token is bound to: so it is the token that is refused.
    let others = [
        (Draft::proof().jwk_member("crv", json!("secp256k1")), "a curve that is not taken"),
        (Draft::proof().jwk_member("y", json!(x)), "a point that is not on the curve"),
        (Draft::proof().jwk_member("x", json!(format!("AAAA{x}"))), "a coordinate with leading zeros"),
        (
            Draft::proof().header("jwk", json!({"kty": "RSA", "n": "AA", "e": "AQAB"})),
            "an RSA key of nothing",
        ),
    ];
    let broken = broken.into_iter().map(|(draft, why)| bad_proof(why, draft.sign(&ES256)));
    let others = others.into_iter().map(|(draft, why)| {
        let request = ClientRequest::with_proof(draft.sign(&ES256));
        Case::refused(why, request, 401, BAD_TOKEN)
    });
    private.chain(broken).chain(others).collect()
}

fn other_methods_and_targets() -> Vec<Case> {
    let methods = ["POST", "get", "", "GET ", "HEAD"].into_iter().map(|method| {
        bad_proof(
            format!("a proof for the method {method:?}"),
            Draft::proof().claim("htm", json!(method)).sign(&ES256),
        )
    });
    let targets = [
        "http://api.example.com/orders/1",
        "https://api.example.com:8443/orders/1",
        "https://evil.example.com/orders/1",
        "https://api.example.com./orders/1",
        "https://api.example.com/orders/1/",
        "https://api.example.com/Orders/1",
        "https://api.example.com//orders/1",
        "https://api.example.com/orders%2F1",
        "https://api.example.com/",
        "https://me@api.example.com/orders/1",
        "/orders/1",
        "wss://api.example.com/orders/1",
        "",
        "https://api.example.com/orders/1\u{0}",
        "https://api.example.com/%zz",
        "https://api.example.com:99999/",
    ];
    let targets = targets.into_iter().map(|uri| {
        bad_proof(format!("a proof for {uri:?}"), Draft::proof().claim("htu", json!(uri)).sign(&ES256))
    });
    let equal = ["https://api.example.com/orders/1?x=2", "HTTPS://API.example.com:443/orders/x/../%31#top"];
    let equal = equal.into_iter().map(|uri| {
        let proof = Draft::proof().claim("htu", json!(uri)).sign(&ES256);
        Case::admitted("the target in another spelling", ClientRequest::with_proof(proof))
    });
    let with_query = Case::admitted(
        "the request's query is no part of the target",
        ClientRequest { path: format!("{PATH}?limit=2"), ..ClientRequest::with_token(&TOKEN) },
    );
    let post = Case::admitted(
        "another method",
        ClientRequest::to(Method::POST, HOST, "/orders?draft=true", &TOKEN, None),
    );
    methods.chain(targets).chain(equal).chain([with_query, post]).collect()
}

fn stale_proofs() -> Vec<Case> {
    let now = NOW.seconds();
    let at = |seconds: u64| Draft::proof().claim("iat", json!(seconds)).sign(&ES256);
    vec![
        bad_proof("a proof of a minute and a second ago", at(now - 61)),
        bad_proof("a proof of 1970", at(0)),
        bad_proof("a proof of six seconds ahead", at(now + 6)),
        bad_proof("milliseconds for seconds", at(now * 1000)),
        bad_proof("a proof that has expired", Draft::proof().claim("exp", json!(now)).sign(&ES256)),
        bad_proof("a proof that is not valid yet", Draft::proof().claim("nbf", json!(now + 6)).sign(&ES256)),
        Case::admitted("a proof of a minute ago", ClientRequest::with_proof(at(now - 60))),
        Case {
            times: 2,
            ..bad_proof("a proof that was used", Draft::proof().claim("jti", json!("used")).sign(&ES256))
        },
    ]
}

fn bad_bindings() -> Vec<Case> {
    let ath = AccessTokenHash::of(&TOKEN).to_string();
    let thief = SigningKey::generate(Algorithm::ES256).unwrap();
    let stolen = Draft::proof().header("jwk", jwk(thief.public_key())).sign(&thief);
    let hash = |why: &str, hash: String| {
        bad_proof(format!("ath {why}"), Draft::proof().claim("ath", json!(hash)).sign(&ES256))
    };
    vec![
        hash("of another token", AccessTokenHash::of("another token").to_string()),
        hash("with padding", format!("{ath}=")),
        hash("that is empty", String::new()),
        hash("that is the token", TOKEN.to_string()),
        Case::refused(
            "a stolen token with the thief's own key",
            ClientRequest::with_proof(stolen),
            401,
            BAD_TOKEN,
        ),
    ]
}

fn nonces_wanted() -> Vec<Case> {
    let with = |why: &str, nonce: Option<&str>, status: u16| {
        let request = ClientRequest::to(Method::GET, HOST, PATH, &TOKEN, nonce);
        let code = (status == 401).then_some("use_dpop_nonce");
        Case::refused(why, request, status, code).under(Setting::Nonces)
    };
    let strangers = Nonces::new(NoncePolicy::default(), NonceSecret::from_bytes(&[2; 32]));
    vec![
        with("no nonce where one is wanted", None, 401),
        with("an empty nonce", Some(""), 401),
        with("a nonce of another server", Some(strangers.current(NOW).as_str()), 401),
        with("an old nonce", Some(nonces().current(NOW.before(Duration::from_secs(360))).as_str()), 401),
        with("a nonce to come", Some(nonces().current(NOW.after(Duration::from_secs(600))).as_str()), 401),
        with("a good nonce", Some(nonces().current(NOW).as_str()), 200),
        Case::refused("no credentials where nonces are wanted", ClientRequest::get(PATH), 401, None)
            .under(Setting::Nonces),
    ]
}

fn bad_tokens() -> Vec<Case> {
    let now = NOW.seconds();
    let claim = |name: &str, value: Value| Draft::token().claim(name, value);
    let header = |name: &str, value: Value| Draft::token().header(name, value);
    let jkt = ES256.public_key().thumbprint().to_string();
    let drafts = [
        (header("typ", json!("dpop+jwt")), "a proof as a token"),
        (header("typ", json!("JWT")), "an ID token"),
        (Draft::token().without_header("typ"), "an untyped token"),
        (header("crit", json!(["x"])), "a token with critical extensions"),
        (header("alg", json!("none")), "an unsigned token"),
        (header("alg", json!("HS256")), "a symmetric token"),
        (header("alg", json!("PS256")), "a token of an algorithm that is not the issuer's"),
        (header("kid", json!("x")), "a token of an unknown key"),
        (header("kid", json!(1)), "kid is a number"),
        (Draft::token().without_claim("iss"), "no iss"),
        (Draft::token().without_claim("aud"), "no aud"),
        (Draft::token().without_claim("exp"), "no exp"),
        (Draft::token().without_claim("sub"), "no sub"),
        (claim("iss", json!("https://evil.example")), "a token of another issuer"),
        (claim("iss", json!("https://login.example.com/")), "issuers compare exactly"),
        (claim("aud", json!("https://other.example")), "a token for another resource"),
        (claim("aud", json!([])), "a token for none"),
        (claim("aud", json!({})), "aud is an object"),
        (claim("exp", json!("never")), "exp is a text"),
        (claim("exp", json!(now - 5)), "an expired token"),
        (claim("iat", json!(now + 6)), "a token of the future"),
        (claim("nbf", json!(now + 6)), "a token that is not valid yet"),
        (claim("scope", json!(["a"])), "scope is an array"),
        (claim("cnf", json!("x")), "cnf is a text"),
        (claim("cnf", json!(null)), "cnf is null"),
        (claim("cnf", json!({})), "cnf is empty"),
        (claim("cnf", json!({"jkt": 1})), "jkt is a number"),
        (claim("cnf", json!({"jkt": &jkt[1..]})), "jkt is cut short"),
        (claim("cnf", json!({"x5t#S256": jkt})), "a token bound to a certificate"),
        (Draft::token().without_claim("cnf"), "an unbound token under DPoP"),
    ];
    drafts
        .into_iter()
        .map(|(draft, why)| {
            Case::refused(why, ClientRequest::with_token(&draft.sign(&RS256)), 401, BAD_TOKEN)
        })
        .collect()
}

fn forged_tokens() -> Vec<Case> {
    let stranger = SigningKey::generate(Algorithm::RS256).unwrap();
    let forged =
        |why: &str, token: &str| Case::refused(why, ClientRequest::with_token(token), 401, BAD_TOKEN);
    vec![
        forged("a token of a stranger's key", &Draft::token().sign(&stranger)),
        forged(
            "a token with its own key",
            &Draft::token().header("jwk", jwk(stranger.public_key())).sign(&stranger),
        ),
        forged(
            "a token that says where its key is",
            &Draft::token().header("jku", json!("https://evil.example/jwks")).sign(&stranger),
        ),
        forged("a token of another algorithm", &Draft::token().header("alg", json!("ES256")).sign(&ES256)),
        forged("an opaque token", "opaque"),
    ]
}

fn credentials() -> Vec<Case> {
    let authorization = |why: &str, value: &str, status, code| {
        let request = ClientRequest::get(PATH)
            .authorization(value.replace("TOKEN", &TOKEN).as_bytes())
            .header("dpop", Draft::proof().sign(&ES256));
        Case::refused(why, request, status, code)
    };
    let unbound = Draft::token().without_claim("cnf").sign(&RS256);
    let bearer = |token: &str| ClientRequest::get(PATH).authorization(format!("Bearer {token}"));
    let good = || ClientRequest::with_token(&TOKEN);
    vec![
        Case::refused("no credentials", ClientRequest::get(PATH), 401, None),
        Case::refused("no credentials", ClientRequest::get(PATH), 401, None).under(Setting::Bearer),
        authorization("another scheme", "Basic YTpi", 401, None),
        authorization("an empty scheme", "", 401, None),
        authorization("a scheme that runs into its token", "DPoPabc", 401, None),
        authorization("a scheme alone", "DPoP", 400, BAD_REQUEST),
        authorization("two tokens", "DPoP a b", 400, BAD_REQUEST),
        authorization("a list of credentials", "DPoP TOKEN, Bearer TOKEN", 400, BAD_REQUEST),
        authorization("a quoted token", "DPoP \"TOKEN\"", 400, BAD_REQUEST),
        authorization("a token that is not ASCII", "DPoP \u{e9}", 400, BAD_REQUEST),
        authorization(
            "a token that is too long",
            &format!("DPoP {}", "a".repeat(16 * 1024 + 1)),
            400,
            BAD_REQUEST,
        ),
        Case::refused("two credentials", good().authorization("Bearer a"), 400, BAD_REQUEST),
        Case::refused(
            "a token in the query too",
            ClientRequest { path: format!("{PATH}?access_token=a"), ..good() },
            400,
            BAD_REQUEST,
        ),
        Case::refused(
            "a token in the query, escaped",
            ClientRequest::get(&format!("{PATH}?%61ccess%5Ftoken=a")),
            400,
            BAD_REQUEST,
        ),
        Case::admitted(
            "the scheme in another spelling",
            ClientRequest::get(PATH)
                .authorization(format!("dpop {}", *TOKEN))
                .header("dpop", Draft::proof().sign(&ES256)),
        ),
        Case::refused("a stolen token as a bearer token", bearer(&TOKEN), 401, BAD_TOKEN),
        Case::refused("a bound token is never a bearer token", bearer(&TOKEN), 401, BAD_TOKEN)
            .under(Setting::Bearer),
        Case::refused("a bearer token", bearer(&unbound), 401, BAD_TOKEN),
        Case::admitted("a bearer token where they are taken", bearer(&unbound)).under(Setting::Bearer),
        Case::admitted(
            "forged identity is no matter",
            good().header("x-keybound-subject", "admin").header("x_keybound_scope", "all"),
        ),
    ]
}

fn routes() -> Vec<Case> {
    let to = |method: Method, path: &str| ClientRequest::to(method, HOST, path, &TOKEN, None);
    let case =
        |why: &str, request, status, code| Case::refused(why, request, status, code).under(Setting::Routes);
    let nonce = nonces().current(NOW);
    vec![
        case("a route with a scope that the token has", to(Method::GET, "/orders/7"), 200, None),
        case(
            "a route with a scope that the token has not",
            to(Method::DELETE, "/orders/7"),
            403,
            Some("insufficient_scope"),
        ),
        case("a path without a route", to(Method::GET, "/secrets"), 404, BAD_REQUEST),
        case("a method without a route", to(Method::PUT, "/orders/7"), 404, BAD_REQUEST),
        case("an open route", ClientRequest::get("/health"), 200, None),
        case("a bad token at a route with scopes", ClientRequest::with_token("x"), 401, BAD_TOKEN),
        case("an encoded slash", to(Method::GET, "/orders%2f7"), 400, BAD_REQUEST),
        case("an empty segment", to(Method::GET, "//orders/7"), 400, BAD_REQUEST),
        case("a route that wants nonces", to(Method::GET, "/payments"), 401, Some("use_dpop_nonce")),
        case(
            "a route that wants nonces, with one",
            ClientRequest::to(Method::GET, HOST, "/payments", &TOKEN, Some(nonce.as_str())),
            200,
            None,
        ),
    ]
}

fn hosts() -> Vec<Case> {
    let to = |host| ClientRequest::to(Method::GET, host, PATH, &TOKEN, None);
    let case =
        |why: &str, request, status, code| Case::refused(why, request, status, code).under(Setting::TwoHosts);
    vec![
        case("the first host", to(HOST), 200, None),
        case("the second host", to(OTHER_HOST), 200, None),
        case("a host that is not ours", to("evil.example.com"), 400, BAD_REQUEST),
        case(
            "a proof for the other host",
            ClientRequest { host: OTHER_HOST, ..ClientRequest::with_token(&TOKEN) },
            401,
            BAD_PROOF,
        ),
        case(
            "no credentials at the second host",
            ClientRequest { host: OTHER_HOST, ..ClientRequest::get(PATH) },
            401,
            None,
        ),
    ]
}

fn stores() -> Vec<Case> {
    let good = || ClientRequest::with_token(&TOKEN);
    let later = Some("temporarily_unavailable");
    vec![
        Case::refused("a replay store that is down", good(), 503, later).under(Setting::StoreDown),
        Case::refused("a client that is too busy", good(), 429, later).under(Setting::StoreBusy),
        Case::refused("a bad proof while the store is down", ClientRequest::with_proof("x"), 401, BAD_PROOF)
            .under(Setting::StoreDown),
    ]
}
