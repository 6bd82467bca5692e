//! Client secrets in settings: where they are found, which of a key and a secret counts, and what is wrong with one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod place;

use std::io::ErrorKind;

use keybound::{KeyKind, PrivateKey};
use keybound_client::{SecretMethod, ServiceCredential};
use keybound_okta::{ReadError, SecretProblem, Setting, SettingsError, Sources};
use place::Place;

const SECRET: &str = "canary secret: 7%+fjfp0ZBr1KtDRbnfVdmIw";
const AUTH_METHOD: &str = "KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD";

/// A client of an issuer that has nothing to authenticate with yet.
fn client() -> Place {
    Place::new().set("OKTA_OAUTH2_ISSUER", "https://as.example").set("OKTA_CLIENT_ID", "client")
}

fn with_key(place: Place) -> Place {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    place.with("work/cc.pem", &key.to_pkcs8_pem().unwrap())
}

/// What is found, in a word: `key`, or the secret and the method that is set.
fn found(place: &Place) -> (String, Option<SecretMethod>) {
    match place.resolve().unwrap().credential {
        ServiceCredential::Secret { secret, method } => (secret.expose().to_owned(), method),
        _ => ("key".to_owned(), None),
    }
}

#[test]
fn a_secret_is_found_wherever_settings_are() {
    let profile = ".config/keybound/config.toml";
    let of_profile = |member: &str| client().with(profile, &format!("[profiles.a]\n{member}\n")).chosen("a");
    let quoted = format!("'{SECRET}'");
    for (place, why) in [
        (client().set("OKTA_CLIENT_SECRET", SECRET), "the environment"),
        (client().set("OKTA_OAUTH2_CLIENT_SECRET", &format!(" {SECRET}\n")), "as Okta's CLI names it"),
        (client().with("work/.env", &format!("OKTA_CLIENT_SECRET={quoted}\n")), ".env"),
        (client().with("work/.env", "OKTA_CLIENT_SECRET_FILE=s\n").with("work/s", SECRET), "a file"),
        (
            client().set("OKTA_CLIENT_SECRET_FILE", "s").with("work/s", &format!("{SECRET}\r\n")),
            "a whole line",
        ),
        (of_profile(&format!("client_secret = '{SECRET}'")), "a profile"),
        (
            of_profile("client_secret_file = 's'").with(".config/keybound/s", SECRET),
            "a file beside the profile's",
        ),
        (
            client().with("work/okta.yaml", &format!("okta: {{oauth2: {{clientSecret: \"{SECRET}\"}}}}")),
            "okta.yaml, as Okta's Spring starter has it",
        ),
    ] {
        assert_eq!(found(&place), (SECRET.to_owned(), None), "{why}");
        let settings = place.resolve().unwrap();
        assert_eq!((settings.grant.client_id.as_str(), settings.grant.key_id), ("client", None), "{why}");
        let shown = format!("{:?} {:?}", place.resolve().unwrap(), place.origins());
        assert!(!shown.contains("canary"), "{why}: {shown}");
    }
    let given = client().read(|sources: Sources<'_>| {
        keybound_okta::Settings::resolve(sources.given(Setting::ClientSecretFile, Some("none".to_owned())))
    });
    assert!(matches!(given, Err(SettingsError::Secret { .. })), "{given:?}");
}

#[test]
fn of_a_key_and_a_secret_the_one_that_is_meant_counts() {
    let key = "OKTA_CC_PRIVATE_KEY_FILE=cc.pem\n";
    let secret = "OKTA_CLIENT_SECRET=s\n";
    let post = Some(SecretMethod::Post);
    let both = format!("{key}{secret}");
    for (env_file, environment, expected, why) in [
        (key, &[][..], ("key", None), "a key alone"),
        (secret, &[], ("s", None), "a secret alone"),
        (key, &[("OKTA_CLIENT_SECRET", "e")], ("e", None), "the environment before .env"),
        (secret, &[("OKTA_CC_PRIVATE_KEY_FILE", "cc.pem")], ("key", None), "the environment before .env"),
        (&both, &[(AUTH_METHOD, "client_secret_post")], ("s", post), "the method says which"),
        (&both, &[(AUTH_METHOD, "client_secret_basic")], ("s", Some(SecretMethod::Basic)), "the other"),
        (&both, &[(AUTH_METHOD, "private_key_jwt")], ("key", None), "the method says which"),
        (&both, &[("OKTA_CLIENT_AUTHORIZATIONMODE", "PrivateKey")], ("key", None), "by Okta's SDKs"),
        (
            key,
            &[("OKTA_CLIENT_SECRET", "e"), ("OKTA_CLIENT_AUTHORIZATIONMODE", "PrivateKey")],
            ("key", None),
            "a key, however far down",
        ),
        (&both, &[("OKTA_CLIENT_SECRET", "e")], ("e", None), "what stands further up"),
    ] {
        let place =
            environment.iter().fold(with_key(client()), |place, (name, value)| place.set(name, value));
        let place = place.with("work/.env", env_file);
        assert_eq!(found(&place), (expected.0.to_owned(), expected.1), "{why}: {env_file}");
    }
    let yaml = "okta: {client: {authorizationMode: PrivateKey, kid: k1}}";
    let place = client().set("OKTA_CLIENT_SECRET", "e").with(".okta/okta.yaml", yaml);
    assert_eq!(found(&place).0, "e", "another file's word about its own app");
}

#[test]
fn two_credentials_at_one_place_are_refused() {
    let with_file = "OKTA_CLIENT_SECRET=s\nOKTA_CLIENT_SECRET_FILE=s\n";
    for env_file in ["OKTA_CC_PRIVATE_KEY_FILE=cc.pem\nOKTA_CLIENT_SECRET=canary\n", with_file] {
        let error = with_key(client()).with("work/.env", env_file).resolve().unwrap_err();
        assert!(matches!(error, SettingsError::TwoCredentials { .. }), "{error:?}");
        let text = format!("{error} {error:?} {}", error.advice());
        for words in ["OKTA_CLIENT_SECRET", ".env:1", ".env:2", AUTH_METHOD] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn what_the_method_asks_for_has_to_be_there() {
    let method = |method| with_key(client()).set(AUTH_METHOD, method);
    let error = method("client_secret_post").set("OKTA_CC_PRIVATE_KEY_FILE", "cc.pem").resolve().unwrap_err();
    let secret_is_missing = matches!(error, SettingsError::Missing { setting: Setting::ClientSecret, .. });
    assert!(secret_is_missing && error.advice().contains("OKTA_CLIENT_SECRET_FILE"), "{error:?}");
    let error = method("private_key_jwt").set("OKTA_CLIENT_SECRET", "s").resolve().unwrap_err();
    assert!(matches!(error, SettingsError::Missing { setting: Setting::ClientKey, .. }), "{error:?}");
    assert!(error.advice().contains("OKTA_CLIENT_SECRET_FILE"), "what else there is: {}", error.advice());
    let error = method("client_secret_jwt").set("OKTA_CLIENT_SECRET", "s").resolve().unwrap_err();
    assert!(matches!(error, SettingsError::UnknownValue { .. }), "{error:?}");
    assert!(error.to_string().contains("client_secret_basic"), "{error}");
}

#[test]
fn a_secret_that_can_not_be_used_is_told_and_never_shown() {
    use SecretProblem::{Empty, Exposed, NotASecret, TooLong, Unreadable};
    let not_found = Unreadable(ReadError::Io(ErrorKind::NotFound));
    let in_file = |text: &str| client().set("OKTA_CLIENT_SECRET_FILE", "s").with("work/s", text);
    let in_variable = |text: &str| client().set("OKTA_CLIENT_SECRET", text);
    let limit = 4096;
    for (place, problem, why) in [
        (
            client().set("OKTA_CLIENT_SECRET_FILE", "canary-secret"),
            not_found,
            "the secret in the wrong variable",
        ),
        (client().set("OKTA_CLIENT_SECRET_FILE", "."), Unreadable(ReadError::NotAFile), "a folder"),
        (in_file(""), Empty, "nothing"),
        (in_file("\r\n"), Empty, "an empty line"),
        (in_file("canary\ncanary\n"), NotASecret, "two lines"),
        (in_file("canary\u{e9}"), NotASecret, "no ASCII: RFC 6749 appendix A.2"),
        (in_variable("-----BEGIN PRIVATE KEY-----\ncanary"), NotASecret, "a key"),
        (in_file(&"canary".repeat(1000)), Unreadable(ReadError::TooLong { limit }), "no secret is so long"),
        (in_variable(&"canary".repeat(1000)), TooLong { limit }, "no secret is so long"),
        (in_file("canary").with_mode("work/s", 0o640), Exposed { mode: 0o640 }, "others can read it"),
        (
            client().with("work/.env", "OKTA_CLIENT_SECRET=canary\n").with_mode("work/.env", 0o644),
            Exposed { mode: 0o644 },
            "others can read .env",
        ),
    ] {
        let error = place.resolve().unwrap_err();
        let SettingsError::Secret { problem: told, .. } = &error else { panic!("{why}: {error:?}") };
        assert_eq!(*told, problem, "{why}");
        assert!(error.is_about_key() && error.to_string().contains("OKTA_CLIENT_SECRET"), "{why}: {error}");
        let text = format!("{error} {error:?} {} {:?}", error.advice(), place.origins());
        assert!(!text.contains("canary"), "{why}: {text}");
    }
    let accepted = in_file("s").with_mode("work/s", 0o640).set("KEYBOUND_EXPOSED_KEYS", "accept");
    assert_eq!(found(&accepted).0, "s");
}

#[test]
fn each_setting_is_told_where_it_stands() {
    let place = client().set("OKTA_CLIENT_SECRET_FILE", "s").with("work/s", "x").set("KEYBOUND_CACHE", "off");
    let origins = place.origins();
    let shown = |setting| {
        origins.iter().find(|origin| origin.setting == setting).and_then(|origin| origin.shown.clone())
    };
    assert_eq!(shown(Setting::ClientSecretFile), Some(place.path("work/s").display().to_string()));
    assert_eq!(shown(Setting::Cache).as_deref(), Some("off"));
    let names = Setting::ALL.map(Setting::names);
    for name in ["KEYBOUND_CACHE", "OKTA_CLIENT_SECRET", "KEYBOUND_EXPOSED_KEYS", "OKTA_ORG_URL"] {
        assert_eq!(names.iter().filter(|names| names.contains(&name)).count(), 1, "{name}");
    }
}
