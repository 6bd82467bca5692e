//! Policies: what a file may say, and what is an error that names the field and says what to write.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use keybound::{Algorithm, Signer as _, SigningKey};
use keybound_guard::Guard;
use keybound_guard::policy::{
    EndedAnswers, ForwardedIn, MAX_POLICY_BYTES, NoncesRequired, Policy, PolicyError, RedisMode,
    ReplayStoreKind, WhenStoreIsDown,
};
use proptest::prelude::*;

/// The least that a policy needs.
const LEAST: &str =
    "resources = ['https://api.example.com']\n[[issuers]]\nissuer = 'https://as.example.com'\n";

#[test]
fn every_default_is_the_safe_choice() {
    let policy = Policy::from_toml(LEAST).unwrap();
    assert!(!policy.accept_bearer_for_unbound_tokens);
    assert!(!policy.accept_any_host);
    assert!(policy.trusted_proxies.is_empty(), "nobody's word for the target is taken");
    assert_eq!(policy.proofs.max_age, Duration::from_secs(60));
    assert_eq!(policy.proofs.future_tolerance, Duration::from_secs(5));
    assert_eq!(policy.proofs.algorithms, Algorithm::ALL);
    assert_eq!(policy.nonces.required, NoncesRequired::Never);
    assert_eq!(policy.answers_ended_at_expiry, EndedAnswers::EventStreams);
    assert!(!policy.cors.is_on(), "no page of another origin may call");
    assert!(!policy.cors.allow_credentials);
    assert_eq!(policy.replay.store, ReplayStoreKind::Memory);
    assert_eq!(policy.replay.when_down, WhenStoreIsDown::Refuse);
    let [issuer] = policy.issuers.as_slice() else { panic!("one issuer") };
    assert_eq!(issuer.algorithms, [Algorithm::RS256]);
    assert!(!issuer.accept_untyped_tokens);
    assert_eq!(issuer.introspection, None);
}

#[test]
fn a_policy_says_all_in_the_words_of_its_fields() {
    let policy = Policy::from_toml(
        r#"
        resources = ["https://api.example.com", "https://example.com/orders"]
        trusted_proxies = ["10.0.0.0/8", "fd00::/8", "192.0.2.1", "2001:db8::1"]
        forwarded_in = "forwarded"
        stripped_prefix = "/orders"
        accept_bearer_for_unbound_tokens = true

        [proofs]
        algorithms = ["ES256", "EdDSA"]
        max_age_seconds = 30
        future_tolerance_seconds = 2

        [nonces]
        required = "by_route"
        renewed_every_seconds = 120
        accepted_for_seconds = 240

        [[issuers]]
        issuer = "https://as.example.com"
        audiences = ["api://default"]
        algorithms = ["RS256", "ES256"]
        accept_untyped_tokens = true
        jwks_uri = "https://as.example.com/keys?client_id=1"
        keys_fresh_for_seconds = 60
        keys_stale_for_seconds = 3600
        revocation_checked_every_seconds = 20
        introspection = { endpoint = "https://as.example.com/introspect", client_id = "guard", client_secret_file = "s" }

        [[routes]]
        path = "/orders/*"
        methods = ["GET"]
        scopes = ["orders.read", "orders.manage"]
        nonce = true

        [replay]
        store = "redis"
        mode = "sentinel"
        urls = ["rediss://a.example.com", "rediss://b.example.com"]
        sentinel_master = "replay"
        username = "guard"
        password_file = "p"
        timeout_milliseconds = 50
        when_down = "admit_once_per_guard"

        [limits]
        cached_tokens = 5
        introspections_at_once = 2
        issuer_timeout_seconds = 1
        "#,
    )
    .unwrap();
    assert_eq!(policy.forwarded_in, ForwardedIn::Forwarded);
    assert_eq!(policy.trusted_proxies.len(), 4);
    assert_eq!(policy.trusted_proxies[2], "192.0.2.1/32".parse().unwrap(), "an address is a network of one");
    assert_eq!(policy.proofs.algorithms, [Algorithm::ES256, Algorithm::EdDSA]);
    assert_eq!(policy.nonces.required, NoncesRequired::ByRoute);
    assert_eq!(policy.replay.mode, RedisMode::Sentinel);
    assert_eq!(policy.replay.timeout, Duration::from_millis(50));
    assert_eq!(policy.limits.introspections_at_once, 2);
    let [issuer] = policy.issuers.as_slice() else { panic!("one issuer") };
    assert_eq!(issuer.revocation_checked_every, Some(Duration::from_secs(20)));
    assert_eq!(issuer.jwks_uri.as_deref(), Some("https://as.example.com/keys?client_id=1"), "with its query");
}

/// A change of [`LEAST`] and the field that the error must name.
#[test]
fn a_policy_that_makes_no_sense_is_an_error_that_names_the_field() {
    let issuer = |line: &str| format!("{LEAST}{line}\n");
    let top = |line: &str| format!("{line}\n{LEAST}");
    let table = |name: &str, line: &str| format!("{LEAST}[{name}]\n{line}\n");
    for (text, field) in [
        ("[[issuers]]\nissuer = 'a'\naudiences = ['a']".to_owned(), "resources"),
        (top("accept_any_host = true"), "accept_any_host"),
        (top("stripped_prefix = 'orders'"), "stripped_prefix"),
        (top("stripped_prefix = '/orders/'"), "stripped_prefix"),
        (top("stripped_prefix = '/a?b'"), "stripped_prefix"),
        (top("stripped_prefix = '/a/../b'"), "stripped_prefix"),
        ("resources = ['https://api.example.com']".to_owned(), "issuers"),
        (LEAST.replace("https://as.example.com", ""), "issuers[0].issuer"),
        (format!("{LEAST}[[issuers]]\nissuer = 'https://as.example.com'"), "issuers[0].issuer"),
        ("accept_any_host = true\n[[issuers]]\nissuer = 'a'".to_owned(), "issuers[0].audiences"),
        (issuer("jwks_uri = 'https://a/'\njwks_file = 'a'"), "issuers[0].jwks_file"),
        (issuer("jwks_uri = 'not a uri'"), "issuers[0].jwks_uri"),
        (issuer("revocation_checked_every_seconds = 1"), "issuers[0].revocation_checked_every_seconds"),
        (table("proofs", "max_age_seconds = 3601"), "proofs.max_age_seconds"),
        (table("proofs", "max_age_seconds = 0"), "proofs.max_age_seconds"),
        (table("proofs", "future_tolerance_seconds = 3601"), "proofs.future_tolerance_seconds"),
        (table("nonces", "renewed_every_seconds = 0"), "nonces.renewed_every_seconds"),
        (table("nonces", "accepted_for_seconds = 0"), "nonces.accepted_for_seconds"),
        (
            table("nonces", "renewed_every_seconds = 60\naccepted_for_seconds = 59"),
            "nonces.accepted_for_seconds",
        ),
        (table("limits", "issuer_timeout_seconds = 0"), "limits.issuer_timeout_seconds"),
        (table("limits", "introspections_at_once = 0"), "limits.introspections_at_once"),
        (table("replay", "capacity = 0"), "replay.capacity"),
        (table("replay", "quota_per_key = 0"), "replay.quota_per_key"),
        // A fleet is meant, and each of its guards would remember by itself.
        (table("replay", "urls = ['redis://a']"), "replay.urls"),
        (table("replay", "mode = 'cluster'"), "replay.mode"),
        (table("replay", "sentinel_master = 'a'"), "replay.sentinel_master"),
        (table("replay", "username = 'a'"), "replay.username"),
        (table("replay", "password_file = 'a'"), "replay.password_file"),
        (table("replay", "sentinel_username = 'a'"), "replay.sentinel_username"),
        (table("replay", "sentinel_password_file = 'a'"), "replay.sentinel_password_file"),
        (table("replay", "ca_file = 'a'"), "replay.ca_file"),
        (table("replay", "key_prefix = 'a:'"), "replay.key_prefix"),
        (table("replay", "timeout_milliseconds = 100"), "replay.timeout_milliseconds"),
        (table("replay", "acknowledged_by_replicas = 1"), "replay.acknowledged_by_replicas"),
        (table("replay", "when_down = 'admit_once_per_guard'"), "replay.when_down"),
        (table("replay", "store = 'redis'"), "replay.urls"),
        (
            table("replay", "store = 'redis'\nurls = ['redis://a']\nmode = 'sentinel'"),
            "replay.sentinel_master",
        ),
        (
            table("replay", "store = 'redis'\nurls = ['redis://a']\nsentinel_master = 'a'"),
            "replay.sentinel_master",
        ),
        (
            table("replay", "store = 'redis'\nurls = ['redis://a']\ntimeout_milliseconds = 0"),
            "replay.timeout_milliseconds",
        ),
        (table("cors", "allowed_origins = ['https://a.example/']"), "cors.allowed_origins"),
        (table("cors", "allowed_origins = ['https://a.example:443']"), "cors.allowed_origins"),
        (table("cors", "allowed_origins = ['https://*.a.example']"), "cors.allowed_origins"),
        (table("cors", "allowed_origins = ['null']"), "cors.allowed_origins"),
        (table("cors", "allowed_origins = ['*', 'https://a.example']"), "cors.allowed_origins"),
        (table("cors", &format!("allowed_origins = {:?}", vec!["https://a"; 1001])), "cors.allowed_origins"),
        // No browser takes it (the Fetch standard section 3.3.5).
        (table("cors", "allowed_origins = ['*']\nallow_credentials = true"), "cors.allow_credentials"),
        (table("cors", "allowed_methods = ['get']"), "cors.allowed_methods"),
        (table("cors", "allowed_methods = ['*']"), "cors.allowed_methods"),
        (table("cors", &format!("allowed_methods = {:?}", vec!["GET"; 101])), "cors.allowed_methods"),
        (table("cors", "allowed_headers = ['*']"), "cors.allowed_headers"),
        (table("cors", "allowed_headers = ['a b']"), "cors.allowed_headers"),
        (table("cors", "exposed_headers = ['a,b']"), "cors.exposed_headers"),
        (table("cors", "max_age_seconds = 86401"), "cors.max_age_seconds"),
        (table("[routes]", "path = 'orders'"), "routes[0].path"),
        (table("[routes]", "path = '/a/../b'"), "routes[0].path"),
        (table("[routes]", "path = '/a'\nmethods = ['G T']"), "routes[0].methods"),
        (table("[routes]", "path = '/a'\nmethods = ['get']"), "routes[0].methods"),
        // No token has such a scope (RFC 6749 section 3.3).
        (table("[routes]", "path = '/a'\nscopes = ['a b']"), "routes[0].scopes"),
        (table("[routes]", "path = '/a'\nscopes = ['']"), "routes[0].scopes"),
        (table("[routes]", "path = '/a'\nscopes = ['a\"b']"), "routes[0].scopes"),
        (table("[routes]", "path = '/a'\nscopes = ['a', 'caf\u{e9}']"), "routes[0].scopes"),
        // The first that covers a request counts, so nobody would be asked for these scopes.
        (table("[routes]", "path = '/**'\n[[routes]]\npath = '/a'\nscopes = ['a']"), "routes[1]"),
        (table("[routes]", "path = '/a'\n[[routes]]\npath = '/a'\nmethods = ['GET']"), "routes[1]"),
        (
            table("[routes]", "path = '/*'\nmethods = ['GET']\n[[routes]]\npath = '/a'\nmethods = ['GET']"),
            "routes[1]",
        ),
        (
            table(
                "[routes]",
                "path = '/a'\nmethods = ['GET']\n[[routes]]\npath = '/a'\nmethods = ['PUT']\n[[routes]]\n\
                 path = '/a'\nmethods = ['GET', 'PUT']",
            ),
            "routes[2]",
        ),
        (
            table("[routes]", "path = '/a'\nadmit_without_token = true\nscopes = ['a']"),
            "routes[0].admit_without_token",
        ),
        (
            table("[routes]", "path = '/a'\nadmit_without_token = true\nnonce = true"),
            "routes[0].admit_without_token",
        ),
    ] {
        match Policy::from_toml(&text) {
            Err(PolicyError::Field { field: found, .. }) => assert_eq!(found, field, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_route_that_covers_a_request_of_its_own_may_stand_behind_others() {
    for routes in [
        "path = '/a'\nmethods = ['GET']\n[[routes]]\npath = '/a'",
        "path = '/a'\nmethods = ['GET']\n[[routes]]\npath = '/a'\nmethods = ['GET', 'PUT']",
        "path = '/a/*'\n[[routes]]\npath = '/a/**'",
        "path = '/a/b'\n[[routes]]\npath = '/a/*'",
    ] {
        let text = format!("{LEAST}[[routes]]\n{routes}\n");
        assert!(Policy::from_toml(&text).is_ok(), "{text}");
    }
}

/// Read as one that trusts nobody, it would make every request fail, and only when the first comes.
#[test]
fn a_file_without_certificates_or_keys_can_not_be_used_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("keys.json", r#"{"keys":[]}"#);
    write("key.pem", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n");
    write("empty.pem", "");
    let redis = "[replay]\nstore = 'redis'\nurls = ['rediss://a']\nca_file";
    let refused = |text: &str| {
        let path = folder.path().join("guard.toml");
        std::fs::write(&path, text).unwrap();
        Guard::new(Policy::from_file(&path).unwrap()).unwrap_err().to_string()
    };
    write("broken.pem", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
    let broken = cfg!(any(feature = "server", feature = "redis")).then_some("broken.pem");
    for file in ["keys.json", "key.pem", "empty.pem", "missing.pem"].into_iter().chain(broken) {
        for (field, text) in [
            ("ca_file", format!("ca_file = '{file}'\n{LEAST}")),
            ("replay.ca_file", format!("{LEAST}{redis} = '{file}'\n")),
        ] {
            let refused = refused(&text);
            assert!(refused.contains(&format!("`{field}`")) && refused.contains(file), "{refused}");
        }
    }
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write("good.pem", &authority.cert.pem());
    let good = folder.path().join("guard.toml");
    std::fs::write(&good, format!("ca_file = 'good.pem'\n{LEAST}")).unwrap();
    assert!(Guard::new(Policy::from_file(&good).unwrap()).is_ok());
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    write("single.json", &key.public_key().jwk().to_json());
    for (file, words) in [
        ("single.json", "single JWK"),
        ("key.pem", "no JWK Set"),
        ("keys.json", "no key"),
        ("missing.json", "No such file"),
    ] {
        let refused = refused(&format!("{LEAST}jwks_file = '{file}'\n"));
        assert!(refused.contains("issuers[0].jwks_file") && refused.contains(file), "{refused}");
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_misspelt_field_or_value_is_an_error_that_shows_where() {
    for (line, said) in [
        ("algoritms = ['RS256']", "algoritms"),
        ("algorithms = []", "at least one algorithm"),
        ("algorithms = ['HS256']", "HS256"),
        ("algorithms = ['none']", "none"),
        ("keys_fresh_for_seconds = -1", "keys_fresh_for_seconds"),
        ("keys_fresh_for_seconds = '1m'", "keys_fresh_for_seconds"),
        ("[replay]\nstore = 'memcached'", "memcached"),
        ("[replay]\nwhen_down = 'admit'", "admit"),
        ("[nonces]\nrequired = 'sometimes'", "sometimes"),
        ("[proofs]\nmax_age = 60", "max_age"),
        ("trusted_proxies = ['10.0.0.0/8']", "trusted_proxies"),
    ] {
        let error = Policy::from_toml(&format!("{LEAST}{line}\n")).unwrap_err();
        assert!(matches!(error, PolicyError::Syntax(_)), "{line}: {error:?}");
        assert!(error.to_string().contains(said), "{line}: {error}");
    }
    for network in ["10.0.0.0/33", "10.0.0", "proxy.example.com", ""] {
        let error = Policy::from_toml(&format!("trusted_proxies = ['{network}']\n{LEAST}")).unwrap_err();
        assert!(error.to_string().contains("neither a network"), "{error}");
    }
    for resource in [
        "api.example.com",
        "ftp://api.example.com",
        "https://a@api.example.com",
        "https://b\u{fc}cher",
        "https://api.example.com/x?y=1",
        "https://api.example.com#x",
    ] {
        let error = Policy::from_toml(&LEAST.replace("https://api.example.com", resource)).unwrap_err();
        assert!(error.to_string().contains(resource), "{error}");
    }
}

#[test]
fn a_policy_is_bounded_in_size() {
    let long = format!("{LEAST}#{}", "x".repeat(MAX_POLICY_BYTES));
    assert!(matches!(Policy::from_toml(&long), Err(PolicyError::TooLong)));
}

#[test]
fn files_in_a_policy_are_found_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard.toml");
    std::fs::write(&path, format!("{LEAST}jwks_file = 'keys.json'\n[nonces]\nsecret_files = ['/a', 'b']\n"))
        .unwrap();
    let policy = Policy::from_file(&path).unwrap();
    assert_eq!(
        policy.issuers.first().unwrap().jwks_file.as_deref(),
        Some(folder.path().join("keys.json").as_path())
    );
    assert_eq!(policy.nonces.secret_files, [std::path::PathBuf::from("/a"), folder.path().join("b")]);
    let missing = Policy::from_file(&folder.path().join("none.toml")).unwrap_err();
    assert!(matches!(missing, PolicyError::Unreadable { .. }), "{missing:?}");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Policy::from_toml(&text);
        let _ = Policy::from_toml(&format!("{LEAST}{text}"));
    }
}
