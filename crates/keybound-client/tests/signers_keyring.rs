//! Keys in the keyring of the operating system, against GNOME Keyring (`apt-get install gnome-keyring dbus
//! libsecret-tools`).
//!
//! Each test runs in a process of its own, with a session bus, a home and a keyring of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod any_signer;
mod scripted;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use any_signer::assert_makes_proofs;
use keybound::proof::DpopKey;
use keybound::{Algorithm, KeyKind, PrivateKey, SigningKey};
use keybound_client::signers::KeyReference;
use keybound_client::signers::keyring::{self, KeyringError, Place};

/// Runs `body` in a process of its own, which is this test once more, with a keyring that is unlocked.
fn with_keyring(test: &str, body: impl FnOnce()) {
    with_bus(test, || {
        run("gnome-keyring-daemon", &["--daemonize", "--unlock", "--components=secrets"], "a password");
        body();
    });
}

/// The same without a keyring, nor a way to start one.
fn with_bus(test: &str, body: impl FnOnce()) {
    const INNER: &str = "KEYBOUND_TEST_BUS";
    if std::env::var_os(INNER).is_some() {
        return body();
    }
    let home = tempfile::tempdir().unwrap();
    // Nothing is started unasked: the services that are installed are not those of this bus.
    let configuration = home.path().join("bus.conf");
    std::fs::write(
        &configuration,
        r#"<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
           <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
           </policy></busconfig>"#,
    )
    .unwrap();
    let inner = Command::new("dbus-run-session")
        .arg("--config-file")
        .arg(configuration)
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INNER, "1")
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .output()
        .unwrap_or_else(|error| panic!("dbus-run-session: {error}"));
    let said = String::from_utf8_lossy(&inner.stdout);
    assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&inner.stderr));
}

/// Runs a program that reads `input`, to its end.
fn run(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
}

#[test]
fn a_key_is_stored_read_and_deleted() {
    with_keyring("a_key_is_stored_read_and_deleted", || {
        for (kind, why) in [
            (KeyKind::P256, "the usual"),
            (KeyKind::P521, "the largest curve"),
            (KeyKind::Ed25519, "an Edwards curve"),
            (KeyKind::Rsa { bits: 2048 }, "RSA that fits"),
        ] {
            let place = Place::new("keybound", why);
            let key = PrivateKey::generate(kind).unwrap();
            keyring::store(&place, &key).unwrap();
            assert_eq!(keyring::load(&place).unwrap().public_key(), key.public_key(), "{why}");
            let reference = format!("keyring:keybound/{why}").parse::<KeyReference>().unwrap();
            assert_eq!(reference.open(None).unwrap().public_key(), key.public_key(), "{why}");
            assert_eq!(
                keyring::store(&place, &key),
                Err(KeyringError::Exists { place: place.clone() }),
                "{why}"
            );
            keyring::delete(&place).unwrap();
            let gone = Err(KeyringError::NotFound { place: place.clone() });
            assert_eq!(keyring::load(&place).map(drop), gone, "{why}");
            assert_eq!(keyring::delete(&place), gone, "{why}");
        }
    });
}

#[test]
fn a_key_from_the_keyring_makes_proofs() {
    with_keyring("a_key_from_the_keyring_makes_proofs", || {
        let place = Place::new("keybound", "dpop");
        keyring::store(&place, &PrivateKey::generate(KeyKind::P256).unwrap()).unwrap();
        let key = SigningKey::new(keyring::load(&place).unwrap(), Algorithm::ES256).unwrap();
        let key = DpopKey::new(Arc::new(key));
        assert_makes_proofs(&key);
    });
}

#[test]
fn what_another_program_put_there_is_read_if_it_is_a_key() {
    with_keyring("what_another_program_put_there_is_read_if_it_is_a_key", || {
        let secret_tool = |account: &str, secret: &str| {
            run("secret-tool", &["store", "--label=key", "service", "keybound", "username", account], secret);
        };
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        secret_tool("pem", &key.to_pkcs8_pem().unwrap());
        secret_tool("jwk", &key.to_jwk().unwrap());
        for account in ["pem", "jwk"] {
            let read = keyring::load(&Place::new("keybound", account)).unwrap();
            assert_eq!(read.public_key(), key.public_key(), "{account}");
        }
        secret_tool("password", "hunter2");
        let error = keyring::load(&Place::new("keybound", "password")).unwrap_err();
        assert!(matches!(error, KeyringError::Key { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    });
}

#[test]
fn a_key_that_not_every_keyring_holds_is_refused() {
    with_keyring("a_key_that_not_every_keyring_holds_is_refused", || {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 4096 }).unwrap();
        let refused = keyring::store(&Place::new("keybound", "large"), &key).unwrap_err();
        assert!(matches!(refused, KeyringError::TooLarge { .. }), "{refused}");
    });
}

#[test]
fn without_a_keyring_it_is_told_what_has_to_run() {
    with_bus("without_a_keyring_it_is_told_what_has_to_run", || {
        let error = keyring::load(&Place::new("keybound", "dpop")).unwrap_err();
        assert!(matches!(error, KeyringError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("GNOME Keyring"), "{error}");
    });
}
