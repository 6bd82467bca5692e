//! Settings in the files of Okta's SDKs and in profiles: which of them counts, and what is wrong with one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod place;

use keybound::{Algorithm, KeyKind, PrivateKey};
use keybound_client::TokenBinding;
use keybound_okta::{
    KeyProblem, OktaYamlError, ProfileError, ReadError, Setting, Settings, SettingsError, Source, Sources,
};
use place::Place;

fn pem(kind: KeyKind) -> String {
    PrivateKey::generate(kind).unwrap().to_pkcs8_pem().unwrap().to_string()
}

/// An `okta.yaml` of an app with a P-384 key in it.
fn okta_yaml(client_id: &str, more: &str) -> String {
    let key = pem(KeyKind::P384).replace('\n', "\n      ");
    format!(
        "okta:\n  client:\n    orgUrl: https://yaml.example\n    clientId: {client_id}\n    privateKey: |\n      \
         {key}\n{more}"
    )
}

/// A `.env` file of an app whose P-256 key is in the working folder.
fn with_env_file(place: Place, more: &str) -> Place {
    let text = "OKTA_ORG_URL=https://env.example\nOKTA_CLIENT_ID=env\nOKTA_CC_PRIVATE_KEY_FILE=cc.pem\n";
    place.with("work/cc.pem", &pem(KeyKind::P256)).with("work/.env", &format!("{text}{more}"))
}

#[test]
fn an_okta_yaml_is_enough() {
    let more =
        "    authorizationMode: PrivateKey\n    scopes: [okta.users.read, okta.groups.read]\n    kid: k1\n";
    for file in [".okta/okta.yaml", "work/okta.yaml"] {
        let settings = Place::new().with(file, &okta_yaml("0oa1", more)).resolve().unwrap();
        assert_eq!(settings.org_url.unwrap().origin(), "https://yaml.example", "{file}");
        assert_eq!(
            (settings.grant.client_id.as_str(), settings.grant.key_id.as_deref()),
            ("0oa1", Some("k1"))
        );
        assert_eq!(settings.grant.scopes, ["okta.users.read", "okta.groups.read"]);
        assert_eq!(settings.credential.key().unwrap().algorithm(), Algorithm::ES384);
        assert!(settings.binding.is_bound());
    }
    let jwk = PrivateKey::generate(KeyKind::P521).unwrap().to_jwk().unwrap().to_string();
    let text = format!("okta: {{client: {{orgUrl: 'https://o.example', clientId: a, privateKey: '{jwk}'}}}}");
    let settings = Place::new().with("work/okta.yaml", &text).resolve().unwrap();
    assert_eq!(settings.credential.key().unwrap().algorithm(), Algorithm::ES512, "a JWK as text");
}

#[test]
fn the_nearer_source_counts() {
    let client = |place: &Place| place.resolve().unwrap().grant.client_id;
    let place = Place::new().with(".okta/okta.yaml", &okta_yaml("home", ""));
    assert_eq!(client(&place), "home");
    let place = place.with("work/okta.yaml", "okta: {client: {clientId: folder}}\n");
    assert_eq!(client(&place), "folder", "the folder over the home");
    let place = place.with("work/.env", "OKTA_CLIENT_ID=env\n");
    assert_eq!(client(&place), "env", ".env over okta.yaml");
    let place =
        place.with(".config/keybound/config.toml", "[profiles.p]\nclient_id = \"profile\"\n").chosen("p");
    assert_eq!(client(&place), "profile", "the profile that is chosen over .env");
    let place = place.set("OKTA_CLIENT_CLIENTID", "environment");
    assert_eq!(client(&place), "environment", "the environment over all files");
    assert_eq!(
        place.resolve().unwrap().org_url.unwrap().origin(),
        "https://yaml.example",
        "what nobody else says"
    );
}

#[test]
fn what_a_file_says_of_its_app_is_not_said_of_another() {
    let more = "    authorizationMode: SSWS\n    kid: of-yaml\n    dpopEnabled: false\n";
    let place = with_env_file(Place::new(), "").with(".okta/okta.yaml", &okta_yaml("yaml", more));
    let settings = place.resolve().unwrap();
    assert_eq!((settings.grant.client_id.as_str(), settings.grant.key_id), ("env", None));
    assert!(settings.binding.is_bound(), "another app's DPoP is not switched off");

    let error = Place::new().with(".okta/okta.yaml", &okta_yaml("yaml", more)).resolve().unwrap_err();
    let SettingsError::UnknownValue { setting: Setting::AuthorizationMode, from, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(matches!(from, Source::OktaYaml { name: "okta.client.authorizationMode", .. }), "{from:?}");
}

#[test]
fn a_key_in_an_okta_yaml_that_others_can_read_is_told() {
    let place = Place::new().with("work/okta.yaml", &okta_yaml("a", "")).with_mode("work/okta.yaml", 0o644);
    let error = place.resolve().unwrap_err();
    let SettingsError::Key { problem, from, .. } = &error else { panic!("{error:?}") };
    assert_eq!(**problem, KeyProblem::Exposed { mode: 0o644 });
    assert!(from.to_string().ends_with("work/okta.yaml") && error.is_about_key(), "{from}");
    place.set("KEYBOUND_EXPOSED_KEYS", "accept").resolve().unwrap();
    let place =
        with_env_file(Place::new(), "").with("work/okta.yaml", "okta: {}").with_mode("work/okta.yaml", 0o644);
    place.resolve().unwrap();
}

#[test]
fn an_okta_yaml_that_can_not_be_read_is_named() {
    for (text, line) in [("okta:\n  client: secret\n", Some(2)), ("okta: [secret\n", None)] {
        let error = with_env_file(Place::new(), "").with("work/okta.yaml", text).resolve().unwrap_err();
        let SettingsError::OktaYaml { problem: OktaYamlError::NotOktaYaml { line: told }, path } = &error
        else {
            panic!("{error:?}")
        };
        assert!(line.is_none() || *told == line, "{error}");
        assert!(path.ends_with("work/okta.yaml") && !error.advice().is_empty() && !error.is_about_key());
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
    let long = format!("# {}\n", "x".repeat(300_000));
    let error = Place::new().with(".okta/okta.yaml", &long).resolve().unwrap_err();
    let problem = OktaYamlError::Unreadable(ReadError::TooLong { limit: 262_144 });
    assert!(matches!(&error, SettingsError::OktaYaml { problem: told, .. } if *told == problem), "{error:?}");
}

const CONFIG: &str = ".config/keybound/config.toml";

#[test]
fn a_profile_is_chosen_by_name_and_its_paths_start_beside_it() {
    let config = "[profiles.production]\norg_url = \"https://prod.example\"\nclient_id = \"prod\"\n\
                  scopes = [\"okta.users.read\", \"okta.logs.read\"]\nprivate_key_file = \"prod.pem\"\nkey_id = \"k1\"\n\
                  dpop = \"off\"\n[profiles.test]\norg_url = \"https://test.example\"\nclient_id = \"test\"\n\
                  scopes = \"okta.users.read\"\nprivate_key_file = \"prod.pem\"\ndpop_private_key_file = \"prod.pem\"\n";
    let place = |name: &str| {
        let place = with_env_file(Place::new(), "OKTA_CLIENT_KID=of-env\n").with(name, config);
        place.with(&name.replace("config.toml", "prod.pem"), &pem(KeyKind::P384))
    };
    let settings = place(CONFIG).chosen("production").resolve().unwrap();
    assert_eq!(settings.org_url.unwrap().origin(), "https://prod.example");
    assert_eq!((settings.grant.client_id.as_str(), settings.grant.key_id.as_deref()), ("prod", Some("k1")));
    assert_eq!(settings.grant.scopes, ["okta.users.read", "okta.logs.read"]);
    assert_eq!(settings.credential.key().unwrap().algorithm(), Algorithm::ES384);
    assert!(matches!(settings.binding, TokenBinding::Bearer));

    let settings = place(CONFIG).set("KEYBOUND_PROFILE", "test").resolve().unwrap();
    assert_eq!(settings.grant.client_id, "test", "by the environment");
    assert!(matches!(settings.binding, TokenBinding::Dpop(_)));
    let settings = place(CONFIG).set("KEYBOUND_PROFILE", "test").chosen("production").resolve().unwrap();
    assert_eq!(settings.grant.client_id, "prod", "the argument over the environment");
    let settings = place(CONFIG).set("KEYBOUND_PROFILE", "").resolve().unwrap();
    assert_eq!(settings.grant.client_id, "env", "no profile is chosen");

    let elsewhere = place("elsewhere/keybound/config.toml");
    let folder = elsewhere.path("elsewhere").display().to_string();
    let settings = elsewhere.set("XDG_CONFIG_HOME", &folder).chosen("test").resolve().unwrap();
    assert_eq!(settings.grant.client_id, "test", "where XDG_CONFIG_HOME says");
    let settings = place(CONFIG).set("XDG_CONFIG_HOME", "relative").chosen("test").resolve().unwrap();
    assert_eq!(settings.grant.client_id, "test", "a relative one doesn't count");
}

type Check = fn(&ProfileError) -> bool;

#[test]
fn a_profile_that_can_not_be_used_is_told_for_what_it_is() {
    let cases: [(Option<&str>, Check, &str, &str); 7] = [
        (None, |it| matches!(it, ProfileError::Unreadable { .. }), "there is no such file", "no file"),
        (
            Some("[profiles.other]\n"),
            |it| matches!(it, ProfileError::Unknown { .. }),
            "no such",
            "no such one",
        ),
        (
            Some("[profiles.productoin]\n"),
            |it| matches!(it, ProfileError::Unknown { .. }),
            "productoin?",
            "a slip",
        ),
        (Some("profiles = 1\n"), |it| matches!(it, ProfileError::Unknown { .. }), "no such", "no profiles"),
        (
            Some("# one\n[profiles.production]\nclient_id = secret\n"),
            |it| matches!(it, ProfileError::NotToml { line: 3, .. }),
            "config.toml:3",
            "no TOML",
        ),
        (
            Some("[profiles.production]\nclientid = \"a\"\n"),
            |it| matches!(it, ProfileError::UnknownMember { .. }),
            "did you mean client_id?",
            "a slip in a member",
        ),
        (
            Some("[profiles.production]\nclient_id = 1\n"),
            |it| matches!(it, ProfileError::NotText { member: "client_id", .. }),
            "client_id",
            "a number",
        ),
    ];
    for (config, is_expected, words, why) in cases {
        let place = with_env_file(Place::new(), "").chosen("production");
        let place = match config {
            Some(config) => place.with(CONFIG, config),
            None => place,
        };
        let error = place.resolve().unwrap_err();
        let SettingsError::Profile { problem, .. } = &error else { panic!("{why}: {error:?}") };
        assert!(is_expected(problem), "{why}: {problem:?}");
        assert!(
            error.to_string().contains(words) && error.to_string().contains("`production`"),
            "{why}: {error}"
        );
        assert!(error.advice().contains("[profiles.NAME]") && !error.to_string().contains("secret"));
    }
    let nothing = |name: &str| (name == "KEYBOUND_PROFILE").then(|| "p".to_owned());
    let error = Settings::resolve(Sources::new(Place::new().path("work"), &nothing)).unwrap_err();
    assert!(matches!(error, SettingsError::Profile { problem: ProfileError::NoFolder, .. }), "{error:?}");
}

#[test]
fn nothing_is_looked_for_in_a_home_that_is_not_given() {
    let place = Place::new().with(".okta/okta.yaml", "okta: [broken");
    let nothing = |_: &str| None;
    let error = Settings::resolve(Sources::new(place.path("work"), &nothing)).unwrap_err();
    assert!(matches!(error, SettingsError::Missing { .. }), "{error:?}");
}
