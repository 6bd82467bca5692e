//! Settings as a new user gets them right and wrong.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::fs;
use std::path::Path;

use keybound::metadata::IssuerError;
use keybound::{Algorithm, KeyError, KeyKind, PrivateKey};
use keybound_client::signers::{KeyReference, OpenError, ReferenceError};
use keybound_client::{AssertionAudience, Issuer, TokenBinding, TokenServer};
use keybound_okta::{
    EnvFileError, IssuerProblem, KeyProblem, OrgUrlError, Origin, ReadError, Setting, Settings,
    SettingsError, Source, Sources,
};
use tempfile::TempDir;

const ORG: &str = "https://dev-1.okta.com";

/// A working folder with a client key in it, and an environment that names all that is needed.
struct Place {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
            environment: vec![
                ("OKTA_ORG_URL", ORG.to_owned()),
                ("OKTA_CLIENT_ID", "0oa1".to_owned()),
                ("OKTA_SCOPES", "okta.users.read".to_owned()),
                ("OKTA_CC_PRIVATE_KEY_FILE", "cc.pem".to_owned()),
            ],
        };
        place.write("cc.pem", &pem(KeyKind::P256));
        place
    }

    /// Sets a variable of the environment; an empty value is as good as none.
    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.retain(|(other, _)| *other != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    fn unset(self, name: &'static str) -> Self {
        self.set(name, "")
    }

    /// Writes a file that only its owner can read.
    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
    }

    fn with_file(self, name: &str, text: &str) -> Self {
        self.write(name, text);
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn resolve(&self) -> Result<Settings, SettingsError> {
        self.resolve_with(|sources| sources)
    }

    fn origins(&self) -> Vec<Origin> {
        let environment = |name: &str| {
            self.environment.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone())
        };
        Sources::new(self.path(), &environment).origins().unwrap()
    }

    fn resolve_with(&self, more: impl FnOnce(Sources<'_>) -> Sources<'_>) -> Result<Settings, SettingsError> {
        let environment = |name: &str| {
            self.environment.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone())
        };
        let sources = Sources::new(self.path(), &environment);
        Settings::resolve(more(sources))
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn pem(kind: KeyKind) -> String {
    PrivateKey::generate(kind).unwrap().to_pkcs8_pem().unwrap().to_string()
}

/// A private JWK with more members in it.
fn jwk(kind: KeyKind, more: &str) -> String {
    PrivateKey::generate(kind).unwrap().to_jwk().unwrap().replacen('{', &format!("{{{more}"), 1)
}

fn algorithm(binding: &TokenBinding) -> Option<Algorithm> {
    binding.key().map(keybound::proof::DpopKey::algorithm)
}

#[test]
fn the_env_file_of_the_sample_is_enough() {
    let rsa = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let public = rsa.public_key().clone().with_key_id("dpop").with_algorithm(Algorithm::RS256);
    let place = Place { folder: TempDir::new().unwrap(), environment: vec![] }
        .with_file(
            ".env",
            "OKTA_ORG_URL=https://dev-1.okta.com\nOKTA_CLIENT_ID=0oa1\nOKTA_SCOPES=okta.users.read okta.apps.read\n\
             OKTA_CC_PRIVATE_KEY_FILE=assets/cc.pem\nOKTA_DPOP_PRIVATE_KEY_FILE=./dpop.pem\n\
             OKTA_DPOP_PUBLIC_KEY_FILE=./dpop.json\n",
        )
        .with_file("dpop.pem", &rsa.to_pkcs8_pem().unwrap())
        .with_file("dpop.json", &public.jwk().to_json());
    fs::create_dir(place.path().join("assets")).unwrap();
    let place = place.with_file("assets/cc.pem", &pem(KeyKind::Rsa { bits: 2048 }));

    let settings = place.resolve().unwrap();
    assert_eq!(settings.org_url.unwrap().origin(), ORG);
    assert_eq!(settings.grant.client_id, "0oa1");
    assert_eq!(settings.grant.scopes, ["okta.users.read", "okta.apps.read"]);
    assert_eq!(settings.grant.server.to_string(), "https://dev-1.okta.com/oauth2/v1/token");
    assert_eq!(settings.grant.key_id, None);
    assert_eq!(settings.credential.key().unwrap().algorithm(), Algorithm::RS256);
    assert_eq!(algorithm(&settings.binding), Some(Algorithm::RS256));
    assert_eq!(settings.binding.key().unwrap().thumbprint(), rsa.public_key().thumbprint());
}

#[test]
fn the_names_of_the_sdks_are_understood() {
    let place = Place { folder: TempDir::new().unwrap(), environment: vec![] }
        .set("OKTA_CLIENT_ORGURL", ORG)
        .set("OKTA_CLIENT_AUTHORIZATIONMODE", "PrivateKey")
        .set("OKTA_CLIENT_CLIENTID", "0oa1")
        .set("OKTA_CLIENT_SCOPES", "okta.users.read, okta.apps.read")
        .set("OKTA_CLIENT_PRIVATEKEY", &pem(KeyKind::P384).replace('\n', "\\n"))
        .set("OKTA_CLIENT_KID", "my-key")
        .set("OKTA_CLIENT_DPOPENABLED", "true");
    let settings = place.resolve().unwrap();
    assert_eq!(settings.grant.scopes, ["okta.users.read", "okta.apps.read"]);
    assert_eq!(settings.grant.key_id.as_deref(), Some("my-key"));
    assert_eq!(settings.credential.key().unwrap().algorithm(), Algorithm::ES384);
    assert!(matches!(settings.binding, TokenBinding::FreshDpop(_)));
    let (one, other) = (settings.binding, place.resolve().unwrap().binding);
    let made = |binding: &TokenBinding| binding.key_for(None).unwrap().unwrap().thumbprint();
    assert_eq!(made(&one), made(&one));
    assert_ne!(made(&one), made(&other), "each has its own");

    let settings = place.set("OKTA_CLIENT_DPOPENABLED", "false").resolve().unwrap();
    assert!(matches!(settings.binding, TokenBinding::Bearer));
}

#[test]
fn given_values_win_over_the_environment_and_that_over_the_file() {
    let place = Place::new()
        .with_file(".env", "OKTA_CLIENT_ID=file\nOKTA_CLIENT_KID=file\nOKTA_SCOPES=file\n")
        .set("OKTA_CLIENT_ID", "environment")
        .set("OKTA_CLIENT_CLIENTID", "name of the sdk")
        .set("OKTA_CLIENT_KID", "environment")
        .unset("OKTA_SCOPES");
    let settings = place.resolve_with(|sources| {
        sources.given(Setting::ClientId, Some("given".to_owned())).given(Setting::KeyId, None)
    });
    let grant = settings.unwrap().grant;
    assert_eq!((grant.client_id.as_str(), grant.key_id.as_deref()), ("given", Some("environment")));
    assert_eq!(grant.scopes, ["file"], "an empty variable is none");
    assert_eq!(place.resolve().unwrap().grant.client_id, "environment");
}

#[test]
fn keys_are_read_in_every_form_and_used_as_they_say() {
    for (text, algorithm, key_id) in [
        (pem(KeyKind::P256), Algorithm::ES256, None),
        (pem(KeyKind::P384), Algorithm::ES384, None),
        (pem(KeyKind::P521), Algorithm::ES512, None),
        (pem(KeyKind::Ed25519), Algorithm::EdDSA, None),
        (pem(KeyKind::Rsa { bits: 2048 }), Algorithm::RS256, None),
        (
            PrivateKey::generate(KeyKind::P256).unwrap().to_sec1_pem().unwrap().to_string(),
            Algorithm::ES256,
            None,
        ),
        (jwk(KeyKind::P256, ""), Algorithm::ES256, None),
        (jwk(KeyKind::Rsa { bits: 2048 }, r#""alg":"RS512","kid":"k1","#), Algorithm::RS512, Some("k1")),
        (jwk(KeyKind::Rsa { bits: 2048 }, r#""alg":"PS256","use":"sig","#), Algorithm::PS256, None),
    ] {
        let place = Place::new().with_file("cc.pem", &text);
        let settings = place.resolve().unwrap();
        assert_eq!(settings.credential.key().unwrap().algorithm(), algorithm);
        assert_eq!(settings.grant.key_id.as_deref(), key_id);
        assert!(!format!("{settings:?}").contains("PRIVATE"));
    }
}

#[test]
fn what_is_missing_is_named_with_where_it_was_looked_for() {
    for (name, setting) in [
        ("OKTA_ORG_URL", Setting::OrgUrl),
        ("OKTA_CLIENT_ID", Setting::ClientId),
        ("OKTA_CC_PRIVATE_KEY_FILE", Setting::ClientKey),
    ] {
        let place = Place::new().unset(name);
        let env_file = place.path().join(".env");
        let error = place.resolve().unwrap_err();
        assert!(
            matches!(&error, SettingsError::Missing { setting: told, .. } if *told == setting),
            "{error:?}"
        );
        assert!(error.to_string().contains(name) && error.advice().contains(name), "{error}");
        assert!(error.to_string().ends_with(&format!("{} (there is no such file)", env_file.display())));
        let error = place.with_file(".env", "# nothing\n").resolve().unwrap_err();
        assert!(error.to_string().ends_with(&env_file.display().to_string()), "{error}");
    }
}

#[test]
fn scopes_need_not_be_set() {
    for place in [Place::new().unset("OKTA_SCOPES"), Place::new().set("OKTA_SCOPES", " , ")] {
        assert!(place.resolve().unwrap().grant.scopes.is_empty());
    }
}

#[test]
fn values_that_can_not_be_are_named_with_where_they_stand() {
    for (name, value) in [
        ("OKTA_CLIENT_AUTHORIZATIONMODE", "SSWS"),
        ("OKTA_CLIENT_ID", "{yourClientId}"),
        ("KEYBOUND_DPOP", "maybe"),
        ("OKTA_CLIENT_DPOPENABLED", "yes"),
        ("KEYBOUND_EXPOSED_KEYS", "true"),
    ] {
        let error = Place::new().set(name, value).resolve().unwrap_err();
        let SettingsError::UnknownValue { from, value: told, .. } = &error else { panic!("{error:?}") };
        assert_eq!((from, told.as_str()), (&Source::Environment { name }, value));
        assert!(error.to_string().contains(name) && error.to_string().contains(value), "{error}");
    }
    let place =
        Place::new().unset("OKTA_SCOPES").with_file(".env", "A=1\nOKTA_SCOPES='okta.users.read \"x\"'\n");
    let error = place.resolve().unwrap_err();
    assert!(matches!(&error, SettingsError::Scope { scope, .. } if scope == "\"x\""), "{error:?}");
    assert!(error.to_string().contains(".env:2"), "{error}");
}

#[test]
fn an_org_url_that_is_none_is_named() {
    for (url, problem) in [
        ("https://{yourOktaDomain}", OrgUrlError::Placeholder),
        ("dev-1.okta.com", OrgUrlError::NoScheme),
        ("http://dev-1.okta.com", OrgUrlError::NotHttps),
        ("https://dev-1-admin.okta.com", OrgUrlError::AdminConsole { org: ORG.to_owned() }),
        ("https://dev-1.okta.com/oauth2/default", OrgUrlError::HasPath { origin: ORG.to_owned() }),
    ] {
        let error = Place::new().set("OKTA_ORG_URL", url).resolve().unwrap_err();
        assert!(
            matches!(&error, SettingsError::OrgUrl { problem: told, .. } if *told == problem),
            "{error:?}"
        );
        assert!(error.to_string().contains("OKTA_ORG_URL in the environment") && !error.is_about_key());
    }
    let error = Place::new().set("OKTA_ORG_URL", "https://me:secret@dev-1.okta.com").resolve().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn an_issuer_that_is_set_gives_the_tokens_and_no_org_is_asked_for() {
    use AssertionAudience::{Issuer as ForIssuer, TokenEndpoint};
    let custom = "https://dev-1.okta.com/oauth2/default";
    for (org, issuer, word, audience, why) in [
        ("", custom, "", TokenEndpoint, "Okta's, without an org"),
        (ORG, custom, "", TokenEndpoint, "a custom server of the org"),
        ("https://id.example", "https://id.example/x", "", TokenEndpoint, "whatever is on the org's host"),
        ("https://{yourOktaDomain}", custom, "", TokenEndpoint, "the org is not looked at"),
        ("", "https://as.example/realms/a/", "", ForIssuer, "another's, to the letter"),
        (ORG, "https://as.example", "", ForIssuer, "another's, where an org is set"),
        ("", "https://as.example", "token-endpoint", TokenEndpoint, "an older one"),
        ("", custom, "Issuer", ForIssuer, "as it is set"),
    ] {
        let place = Place::new()
            .set("OKTA_ORG_URL", org)
            .set("OKTA_OAUTH2_ISSUER", issuer)
            .set("KEYBOUND_ASSERTION_AUDIENCE", word);
        let settings = place.resolve().unwrap();
        assert!(settings.org_url.is_none(), "{why}");
        let expected =
            TokenServer::Issuer { issuer: Issuer::parse(issuer).unwrap(), assertion_audience: audience };
        assert_eq!(settings.grant.server, expected, "{why}");
        assert_eq!(settings.issuer(), issuer, "{why}");
    }
    for issuer in [ORG, "https://dev-1.okta.com/"] {
        let settings = Place::new().set("OKTA_OAUTH2_ISSUER", issuer).resolve().unwrap();
        assert_eq!(settings.issuer(), ORG, "the org's own, which has its endpoint where every org has it");
        assert_eq!(settings.org_url.unwrap().origin(), ORG);
    }
}

#[test]
fn an_issuer_is_found_as_every_setting_is() {
    let yaml = "okta:\n  oauth2:\n    issuer: https://yaml.example\n";
    let place = Place::new().with_file("okta.yaml", yaml);
    assert_eq!(place.resolve().unwrap().issuer(), "https://yaml.example");
    let place = place.with_file(".env", "OKTA_OAUTH2_ISSUER=https://file.example\n");
    assert_eq!(place.resolve().unwrap().issuer(), "https://file.example");
    let place = place.set("OKTA_OAUTH2_ISSUER", "https://environment.example");
    assert_eq!(place.resolve().unwrap().issuer(), "https://environment.example");
    let given = Some("https://given.example".to_owned());
    let settings = place.resolve_with(|sources| sources.given(Setting::Issuer, given));
    assert_eq!(settings.unwrap().issuer(), "https://given.example");
    let origins = place.origins();
    let origin = origins.iter().find(|origin| origin.setting == Setting::Issuer).unwrap();
    assert_eq!(origin.source, Source::Environment { name: "OKTA_OAUTH2_ISSUER" });
    assert_eq!(origin.shown.as_deref(), Some("https://environment.example"));
}

#[test]
fn an_issuer_that_is_none_is_named() {
    for (issuer, problem) in [
        ("https://{yourOktaDomain}/oauth2/default", IssuerProblem::Placeholder),
        ("dev-1.okta.com/oauth2/default", IssuerProblem::NoScheme),
        ("https://dev-1-admin.okta.com/oauth2/default", IssuerProblem::AdminConsole { org: ORG.to_owned() }),
        ("https://as.example?tenant=1", IssuerProblem::NotAsked(IssuerError::QueryOrFragment)),
    ] {
        let error = Place::new().set("OKTA_OAUTH2_ISSUER", issuer).resolve().unwrap_err();
        assert!(
            matches!(&error, SettingsError::Issuer { problem: told, .. } if *told == problem),
            "{error:?}"
        );
        assert!(error.to_string().contains("OKTA_OAUTH2_ISSUER in the environment"), "{error}");
        assert!(!error.advice().is_empty() && !error.is_about_key());
    }
    let error = Place::new().set("OKTA_OAUTH2_ISSUER", "http://as.example").resolve().unwrap_err();
    assert!(error.to_string().contains("neither https nor on this machine"), "{error}");
    let error =
        Place::new().set("KEYBOUND_ASSERTION_AUDIENCE", "x").set("OKTA_OAUTH2_ISSUER", "https://a.example");
    let error = error.resolve().unwrap_err();
    assert!(
        matches!(&error, SettingsError::UnknownValue { setting: Setting::AssertionAudience, .. }),
        "{error:?}"
    );
}

#[test]
fn what_tokens_are_for_is_asked_for() {
    let place = Place::new()
        .set("KEYBOUND_RESOURCE", "https://api.example/v1 urn:example:things")
        .set("KEYBOUND_AUDIENCE", " things ");
    let grant = place.resolve().unwrap().grant;
    assert_eq!(grant.resources, ["https://api.example/v1", "urn:example:things"]);
    assert_eq!(grant.audience.as_deref(), Some("things"));
    for resource in ["api.example", "/things", "https://api.example/#a"] {
        let error = Place::new().set("KEYBOUND_RESOURCE", resource).resolve().unwrap_err();
        assert!(
            matches!(&error, SettingsError::Resource { resource: told, .. } if told == resource),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("RFC 8707") && error.advice().contains("KEYBOUND_RESOURCE"),
            "{error}"
        );
    }
}

#[test]
fn an_env_file_that_can_not_be_read_is_named_with_its_line() {
    let place = Place::new().with_file(".env", "A=1\n-----BEGIN PRIVATE KEY-----\n");
    let error = place.resolve().unwrap_err();
    let problem = EnvFileError::NotAnAssignment { line: 2 };
    assert!(matches!(&error, SettingsError::EnvFile { problem: told, .. } if *told == problem), "{error:?}");
    assert!(error.to_string().contains("line 2") && !error.to_string().contains("BEGIN"), "{error}");

    let place = Place::new();
    fs::create_dir(place.path().join(".env")).unwrap();
    let error = place.resolve().unwrap_err();
    let problem = EnvFileError::Unreadable(ReadError::NotAFile);
    assert!(matches!(&error, SettingsError::EnvFile { problem: told, .. } if *told == problem), "{error:?}");
}

type Check = fn(&KeyProblem) -> bool;

#[test]
fn a_client_key_that_can_not_be_used_is_told_for_what_it_is() {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let public = key.public_key().clone();
    let cases: Vec<(String, Check, &str)> = vec![
        (public.to_pem(), |it| matches!(it, KeyProblem::NotUsable(KeyError::WrongPemBlock { .. })), "public"),
        (
            public.jwk().to_json(),
            |it| matches!(it, KeyProblem::NotUsable(KeyError::PrivateMemberMissing)),
            "public JWK",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            |it| matches!(it, KeyProblem::NotUsable(KeyError::WrongPemBlock { .. })),
            "certificate",
        ),
        (format!(r#"{{"keys":[{}]}}"#, *key.to_jwk().unwrap()), |it| *it == KeyProblem::KeySet, "key set"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned(),
            |it| *it == KeyProblem::Encrypted,
            "encrypted",
        ),
        ("not a key\n".to_owned(), |it| matches!(it, KeyProblem::NotUsable(KeyError::NotPem)), "no key"),
        (String::new(), |it| matches!(it, KeyProblem::NotUsable(KeyError::NotPem)), "empty"),
        ("{}".to_owned(), |it| matches!(it, KeyProblem::NotUsable(_)), "an empty object"),
        (jwk(KeyKind::P256, r#""alg":"HS256","#), |it| matches!(it, KeyProblem::Algorithm(_)), "symmetric"),
        (jwk(KeyKind::P256, r#""alg":"RS256","#), |it| matches!(it, KeyProblem::NotUsable(_)), "another's"),
        (
            "x".repeat(100_000),
            |it| matches!(it, KeyProblem::Unreadable(ReadError::TooLong { .. })),
            "too long",
        ),
    ];
    for (text, is_expected, why) in cases {
        let error = Place::new().with_file("cc.pem", &text).resolve().unwrap_err();
        let SettingsError::Key { setting, problem, path, .. } = &error else { panic!("{why}: {error:?}") };
        assert!(is_expected(problem), "{why}: {problem:?}");
        assert_eq!(*setting, Setting::ClientKey);
        assert!(path.as_ref().unwrap().ends_with("cc.pem") && error.is_about_key());
        assert!(error.to_string().contains("OKTA_CC_PRIVATE_KEY_FILE") && !error.advice().is_empty());
    }
}

#[test]
fn a_key_file_that_is_not_there_or_not_private_is_told() {
    let error = Place::new().set("OKTA_CC_PRIVATE_KEY_FILE", "gone.pem").resolve().unwrap_err();
    assert!(error.to_string().contains("gone.pem can't be read: there is no such file"), "{error}");
    let error = Place::new().set("OKTA_CC_PRIVATE_KEY_FILE", ".").resolve().unwrap_err();
    assert!(error.to_string().contains("it is not a file"), "{error}");

    for mode in [0o640, 0o604, 0o644, 0o660, 0o610, 0o777] {
        let place = Place::new();
        set_mode(&place.path().join("cc.pem"), mode);
        let error = place.resolve().unwrap_err();
        let SettingsError::Key { problem, .. } = &error else { panic!("{error:?}") };
        assert_eq!(**problem, KeyProblem::Exposed { mode });
        let path = place.path().join("cc.pem");
        assert!(error.advice().starts_with(&format!("chmod 600 {}", path.display())), "{}", error.advice());
        place.set("KEYBOUND_EXPOSED_KEYS", "accept").resolve().unwrap();
    }
    for mode in [0o600, 0o400, 0o700] {
        let place = Place::new();
        set_mode(&place.path().join("cc.pem"), mode);
        place.resolve().unwrap();
    }
}

#[test]
fn a_key_in_the_settings_themselves_is_as_private_as_they_are_and_is_never_shown() {
    let text = pem(KeyKind::P256);
    let env_file = format!("OKTA_CLIENT_PRIVATEKEY=\"{text}\"\n");
    let place = Place::new().unset("OKTA_CC_PRIVATE_KEY_FILE").with_file(".env", &env_file);
    assert_eq!(place.resolve().unwrap().credential.key().unwrap().algorithm(), Algorithm::ES256);
    set_mode(&place.path().join(".env"), 0o644);
    let error = place.resolve().unwrap_err();
    let SettingsError::Key { problem, .. } = &error else { panic!("{error:?}") };
    assert_eq!(**problem, KeyProblem::Exposed { mode: 0o644 });

    let lines: Vec<&str> = text.lines().collect();
    let bare = lines.get(1..lines.len() - 1).unwrap().concat();
    let cut = text.replace("-----END", "---END");
    for value in [bare.clone(), cut, format!("x\n{bare}")] {
        let error = Place::new().set("OKTA_CC_PRIVATE_KEY_FILE", &value).resolve().unwrap_err();
        let shown = format!("{error} {error:?} {}", error.advice());
        let secret = bare.get(bare.len() / 2..bare.len() / 2 + 8).unwrap();
        assert!(error.is_about_key() && !shown.contains(secret), "{shown}");
    }
}

#[test]
fn the_two_halves_of_the_dpop_key_must_be_of_one_pair() {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let place = || {
        Place::new()
            .with_file("dpop.pem", &key.to_pkcs8_pem().unwrap())
            .set("OKTA_DPOP_PRIVATE_KEY_FILE", "dpop.pem")
            .set("OKTA_DPOP_PUBLIC_KEY_FILE", "dpop.json")
    };
    let settings = place().with_file("dpop.json", &key.public_key().jwk().to_json()).resolve().unwrap();
    assert_eq!(settings.binding.key().unwrap().thumbprint(), key.public_key().thumbprint());
    place().with_file("dpop.json", &key.public_key().to_pem()).resolve().unwrap();

    let other = PrivateKey::generate(KeyKind::P256).unwrap();
    let error = place().with_file("dpop.json", &other.public_key().jwk().to_json()).resolve().unwrap_err();
    assert!(matches!(error, SettingsError::KeyPair { .. }), "{error:?}");
    assert!(error.to_string().contains("OKTA_DPOP_PUBLIC_KEY_FILE") && error.is_about_key());
    let error = place().with_file("dpop.json", &key.to_jwk().unwrap()).resolve().unwrap_err();
    let SettingsError::Key { setting: Setting::DpopPublicKey, problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(matches!(**problem, KeyProblem::NotUsable(KeyError::PrivateMember { .. })), "{problem:?}");
    let error = place().unset("OKTA_DPOP_PRIVATE_KEY_FILE").resolve().unwrap_err();
    assert!(matches!(error, SettingsError::Missing { setting: Setting::DpopKey, .. }), "{error:?}");
    place().set("KEYBOUND_DPOP", "off").resolve().unwrap();
}

#[test]
fn a_reference_that_is_none_is_told_wherever_a_private_key_can_be_set() {
    let missing_module = ReferenceError::Missing {
        part: "module",
        form: "pkcs11:token=LABEL;object=LABEL?module-path=PATH&pin-source=file:PATH",
    };
    for (value, expected, why) in [
        ("pkcs11:token=services", missing_module, "a token of no module"),
        (
            "pkcs11:?module-path=/m.so&pin-value=8642",
            ReferenceError::PinValue { scheme: "pkcs11:" },
            "the PIN itself",
        ),
        (
            "handle:0x80000001?pin-source=8642",
            ReferenceError::Handle { found: "0x80000001".to_owned() },
            "a handle that does not last",
        ),
    ] {
        for (setting, name) in [
            (Setting::ClientKey, "OKTA_CC_PRIVATE_KEY_FILE"),
            (Setting::DpopKey, "OKTA_DPOP_PRIVATE_KEY_FILE"),
        ] {
            let place = Place::new().set(name, value);
            let error = place.resolve().unwrap_err();
            let SettingsError::Key { setting: told, path: None, problem, .. } = &error else {
                panic!("{why}: {error:?}")
            };
            assert_eq!((*told, &**problem), (setting, &KeyProblem::Reference(expected.clone())), "{why}");
            assert!(error.is_about_key(), "{why}");
            let text = format!("{error} {error:?} {} {:?}", error.advice(), place.origins());
            assert!(text.contains(name) && !text.contains("8642"), "{why}: {text}");
        }
    }
    let path = "okta: {client: {privateKey: \"keyring:alone\"}}";
    let error =
        Place::new().unset("OKTA_CC_PRIVATE_KEY_FILE").with_file("okta.yaml", path).resolve().unwrap_err();
    assert!(error.to_string().contains("keyring:SERVICE/ACCOUNT"), "{error}");
}

#[test]
fn a_key_of_a_kind_that_was_not_built_in_is_told_with_the_feature_that_has_it() {
    for (value, feature, built) in [
        ("pkcs11:?module-path=/nowhere/m.so", "pkcs11", cfg!(feature = "pkcs11")),
        ("handle:0x81010001?tcti=none", "tpm2", cfg!(feature = "tpm2")),
        ("tss2:nowhere.pem?tcti=none", "tpm2", cfg!(feature = "tpm2")),
        ("awskms:a\"b", "aws-kms", cfg!(feature = "aws-kms")),
    ] {
        let error = Place::new().set("OKTA_CC_PRIVATE_KEY_FILE", value).resolve().unwrap_err();
        let SettingsError::Key { problem, .. } = &error else { panic!("{value}: {error:?}") };
        let KeyProblem::Elsewhere { error: found, .. } = &**problem else { panic!("{value}: {problem:?}") };
        assert_eq!(*found == OpenError::NotBuilt { feature }, !built, "{value}: {found}");
        assert!(built || error.advice().contains(&format!("--features {feature}")), "{}", error.advice());
    }
}

#[test]
fn a_pin_that_others_can_read_is_refused_before_it_is_used() {
    let place = Place::new()
        .with_file("pin", "8642\n")
        .set("OKTA_CC_PRIVATE_KEY_FILE", "handle:0x81010001?tcti=none&pin-source=pin");
    let problem = |place: &Place| match place.resolve().unwrap_err() {
        SettingsError::Key { problem, .. } => *problem,
        other => panic!("{other:?}"),
    };
    assert!(matches!(problem(&place), KeyProblem::Elsewhere { .. }), "{:?}", problem(&place));
    set_mode(&place.path().join("pin"), 0o640);
    let path = place.path().join("pin");
    assert_eq!(problem(&place), KeyProblem::PinExposed { path, mode: 0o640 });
    let place = place.set("KEYBOUND_EXPOSED_KEYS", "accept");
    assert!(matches!(problem(&place), KeyProblem::Elsewhere { .. }), "{:?}", problem(&place));
}

#[test]
fn a_key_file_of_a_tpm_is_named_by_a_reference() {
    let file = "-----BEGIN TSS2 PRIVATE KEY-----\nMIHwBgZngQUKAQM=\n-----END TSS2 PRIVATE KEY-----\n";
    let error = Place::new().with_file("cc.pem", file).resolve().unwrap_err();
    let SettingsError::Key { problem, .. } = &error else { panic!("{error:?}") };
    assert_eq!(**problem, KeyProblem::OfTpm);
    assert!(error.advice().contains("tss2:") && error.advice().contains("cc.pem"), "{}", error.advice());
}

#[test]
fn a_reference_is_shown_where_what_is_set_is_told() {
    let reference = "handle:0x81010001?pin-source=file:/run/pin";
    let origins = Place::new().set("OKTA_DPOP_PRIVATE_KEY_FILE", reference).origins();
    let origin = origins.iter().find(|origin| origin.setting == Setting::DpopKey).unwrap();
    assert_eq!((origin.shown.as_deref(), origin.key_file.as_ref()), (Some(reference), None));
    assert_eq!(origin.key_reference, Some(reference.parse::<KeyReference>().unwrap()));
}

#[test]
fn certificate_authorities_are_read_from_their_file() {
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let place = Place::new().set("KEYBOUND_CA_FILE", "ca.pem");
    let error = place.resolve().unwrap_err();
    assert!(matches!(error, SettingsError::CertificateAuthorities { .. }), "{error:?}");
    let place = place.with_file("ca.pem", "nothing");
    let error = place.resolve().unwrap_err();
    assert!(matches!(error, SettingsError::NoCertificate { .. }), "{error:?}");
    let place = place.with_file("ca.pem", certificate);
    set_mode(&place.path().join("ca.pem"), 0o644);
    let settings = place.resolve().unwrap();
    assert_eq!(settings.certificate_authorities, [certificate]);
    assert_eq!(settings.transport_options().certificate_authorities, [certificate]);
}

#[test]
fn what_is_set_is_told_with_its_place_and_without_keys() {
    let key = pem(KeyKind::P256);
    let bare = key.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    for (value, shown, why) in [
        ("cc.pem", true, "a file"),
        (key.as_str(), false, "the key itself"),
        (bare.as_str(), false, "a key without its first and last line"),
        (&jwk(KeyKind::P256, ""), false, "a JWK"),
    ] {
        let place =
            Place::new().set("OKTA_CC_PRIVATE_KEY_FILE", value).with_file(".env", "OKTA_CLIENT_KID=k1\n");
        let origins = place.origins();
        let of = |setting| origins.iter().find(|origin| origin.setting == setting);
        assert_eq!(of(Setting::ClientKey).unwrap().shown.is_some(), shown, "{why}");
        assert_eq!(of(Setting::ClientKey).unwrap().key_file.is_some(), shown, "{why}");
        assert_eq!(of(Setting::OrgUrl).unwrap().shown.as_deref(), Some(ORG));
        let path = place.path().join(".env");
        let source = Source::EnvFile { name: "OKTA_CLIENT_KID", path, line: 1 };
        assert_eq!(of(Setting::KeyId).unwrap().source, source);
        assert_eq!(of(Setting::DpopKey), None, "what is set nowhere is not there");
    }
}
