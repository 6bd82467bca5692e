//! Keys in a PKCS#11 token, against `SoftHSM` (`apt-get install softhsm2`).
//!
//! A PKCS#11 module has one state for its whole process: its configuration, its tokens, who is logged in. So
//! each test runs in a process of its own, with a token of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod any_signer;
mod scripted;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use any_signer::{assert_gets_and_uses_a_token, assert_makes_proofs, assert_signs};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use keybound::proof::DpopKey;
use keybound::{Algorithm, KeyKind, PrivateKey, SignError, Signer, SigningKey};
use keybound_client::signers::KeyReference;
use keybound_client::signers::pkcs11::{Pin, Pkcs11Error, Pkcs11Options, Pkcs11Signer};
use zeroize::Zeroizing;

const PIN: &str = "8642";
const SO_PIN: &str = "97531";

/// A folder with `SoftHSM`'s configuration, and a token that is made ready.
struct Token {
    folder: PathBuf,
}

impl Token {
    fn options(&self, key: &str) -> Pkcs11Options {
        let mut options = Pkcs11Options::new(module(), Pin::File(self.folder.join("pin")));
        options.key.label = Some(key.to_owned());
        options
    }

    fn generate(&self, key: &str, algorithm: Algorithm) -> Pkcs11Signer {
        let mut options = self.options(key);
        options.algorithm = Some(algorithm);
        Pkcs11Signer::generate(options, KeyKind::for_algorithm(algorithm)).unwrap()
    }

    fn util(&self, arguments: &[&str]) {
        let status = Command::new("softhsm2-util")
            .args(arguments)
            .env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"))
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.expect("softhsm2-util is installed").success(), "{arguments:?}");
    }

    fn init(&self, label: &str) {
        self.util(&["--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN]);
    }

    /// Imports a key as an administrator does, with or without its public half.
    fn import(&self, key: &PrivateKey, label: &str, id: &str, further: &[&str]) {
        let file = self.folder.join(label);
        std::fs::write(&file, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        let file = file.to_str().unwrap();
        let arguments = ["--import", file, "--token", "one", "--pin", PIN, "--label", label, "--id", id];
        self.util(&[&arguments[..], further].concat());
    }
}

/// The session of another part of this process with the same token.
fn other_session() -> Session {
    let module = Pkcs11::new(module()).unwrap();
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => panic!("{error}"),
    }
    let session = module.open_rw_session(module.get_slots_with_initialized_token().unwrap()[0]).unwrap();
    match session.login(UserType::User, Some(&AuthPin::new(PIN.into()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => session,
        Err(error) => panic!("{error}"),
    }
}

/// Where Debian and its kin have `SoftHSM`, or where the environment says.
fn module() -> PathBuf {
    std::env::var_os("SOFTHSM2_MODULE").unwrap_or_else(|| "/usr/lib/softhsm/libsofthsm2.so".into()).into()
}

/// Runs `body` in a process of its own, which is this test once more; `mechanisms` are those that the token
/// is to have.
fn with_token(test: &str, mechanisms: &str, body: impl FnOnce(&Token)) {
    const INNER: &str = "KEYBOUND_TEST_TOKEN";
    if let Some(folder) = std::env::var_os(INNER) {
        return body(&Token { folder: folder.into() });
    }
    let folder = tempfile::tempdir().unwrap();
    let token = Token { folder: folder.path().to_owned() };
    let tokens = token.folder.join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let configuration = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.mechanisms = {mechanisms}\n",
        tokens.display()
    );
    std::fs::write(token.folder.join("softhsm2.conf"), configuration).unwrap();
    std::fs::write(token.folder.join("pin"), format!("{PIN}\n")).unwrap();
    token.init("one");
    let inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INNER, &token.folder)
        .env("SOFTHSM2_CONF", token.folder.join("softhsm2.conf"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inner.stdout);
    assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&inner.stderr));
}

#[test]
fn every_algorithm_makes_signatures_that_verify() {
    with_token("every_algorithm_makes_signatures_that_verify", "ALL", |token| {
        for algorithm in Algorithm::ALL {
            let signer = token.generate(algorithm.name(), algorithm);
            assert_eq!(signer.algorithm(), algorithm);
            assert!(signer.waits());
            assert_signs(&signer);
        }
    });
}

#[test]
fn a_token_that_does_not_digest_is_given_digests() {
    let mechanisms = "CKM_RSA_PKCS_KEY_PAIR_GEN,CKM_RSA_PKCS,CKM_RSA_PKCS_PSS";
    with_token("a_token_that_does_not_digest_is_given_digests", mechanisms, |token| {
        for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
            assert_signs(&token.generate(name, name.parse().unwrap()));
        }
    });
}

#[test]
fn a_mechanism_that_the_token_lacks_is_named() {
    with_token("a_mechanism_that_the_token_lacks_is_named", "CKM_RSA_PKCS", |token| {
        token.import(&PrivateKey::generate(KeyKind::P256).unwrap(), "ec", "01", &[]);
        let error = Pkcs11Signer::open(token.options("ec")).unwrap_err();
        assert!(matches!(error, Pkcs11Error::MechanismMissing { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("`one`") && text.contains("CKM_ECDSA, CKM_ECDSA_SHA256"), "{text}");
    });
}

#[test]
fn the_algorithm_follows_from_the_key_and_must_fit_it() {
    with_token("the_algorithm_follows_from_the_key_and_must_fit_it", "ALL", |token| {
        for (kind, name, algorithm) in
            [(KeyKind::P384, "ec", Algorithm::ES384), (KeyKind::Rsa { bits: 2048 }, "rsa", Algorithm::RS256)]
        {
            let key = PrivateKey::generate(kind).unwrap();
            token.import(&key, name, if name == "ec" { "01" } else { "02" }, &[]);
            let signer = Pkcs11Signer::open(token.options(name)).unwrap();
            assert_eq!(signer.algorithm(), algorithm);
            assert_eq!(signer.public_key(), key.public_key());
            assert_signs(&signer);
        }
        let mut options = token.options("ec");
        options.algorithm = Some(Algorithm::ES256);
        assert!(matches!(Pkcs11Signer::open(options).unwrap_err(), Pkcs11Error::Key(_)));
    });
}

#[test]
fn a_proof_of_a_key_in_a_token_passes_every_check() {
    with_token("a_proof_of_a_key_in_a_token_passes_every_check", "ALL", |token| {
        let key = DpopKey::new(Arc::new(token.generate("dpop", Algorithm::ES256)));
        assert_makes_proofs(&key);
    });
}

#[test]
fn tokens_are_got_and_used_with_keys_in_a_token() {
    with_token("tokens_are_got_and_used_with_keys_in_a_token", "ALL", |token| {
        let client_key = Arc::new(token.generate("client", Algorithm::PS256));
        let dpop_key = DpopKey::new(Arc::new(token.generate("dpop", Algorithm::ES256)));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(assert_gets_and_uses_a_token(client_key, &dpop_key));
    });
}

#[test]
fn a_private_key_that_was_made_in_the_token_can_not_be_read() {
    with_token("a_private_key_that_was_made_in_the_token_can_not_be_read", "ALL", |token| {
        let _rsa = token.generate("rsa", Algorithm::RS256);
        let _ec = token.generate("ec", Algorithm::ES256);
        let session = other_session();
        let keys = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            let guards = [
                (AttributeType::Sensitive, Attribute::Sensitive(true)),
                (AttributeType::AlwaysSensitive, Attribute::AlwaysSensitive(true)),
                (AttributeType::Extractable, Attribute::Extractable(false)),
                (AttributeType::NeverExtractable, Attribute::NeverExtractable(true)),
            ];
            for (attribute, expected) in guards {
                assert_eq!(session.get_attributes(key, &[attribute]).unwrap(), [expected]);
            }
            for secret in [AttributeType::Value, AttributeType::PrivateExponent, AttributeType::Prime1] {
                assert_eq!(session.get_attributes(key, &[secret]).unwrap(), [], "{secret}");
            }
        }
    });
}

#[test]
fn what_is_not_found_or_not_one_is_told_with_what_there_is() {
    with_token("what_is_not_found_or_not_one_is_told_with_what_there_is", "ALL", |token| {
        let empty = Pkcs11Signer::open(token.options("any")).unwrap_err().to_string();
        assert!(empty.contains("none at all") && empty.contains("--keypairgen"), "{empty}");

        let key = || PrivateKey::generate(KeyKind::P256).unwrap();
        token.import(&key(), "twin", "01", &[]);
        token.import(&key(), "twin", "02", &[]);
        let missing = Pkcs11Signer::open(token.options("other")).unwrap_err();
        assert!(matches!(missing, Pkcs11Error::KeyNotFound { .. }), "{missing}");
        assert!(missing.to_string().contains("`twin` (id 01)"), "{missing}");

        let several = Pkcs11Signer::open(token.options("twin")).unwrap_err();
        assert!(matches!(several, Pkcs11Error::SeveralKeys { .. }), "{several}");
        let mut options = token.options("twin");
        options.key.id = Some(vec![2]);
        assert_signs(&Pkcs11Signer::open(options).unwrap());

        let taken = Pkcs11Signer::generate(token.options("twin"), KeyKind::P256).unwrap_err();
        assert!(matches!(taken, Pkcs11Error::KeyExists { .. }), "{taken}");
        let mut nameless = token.options("twin");
        nameless.key.label = None;
        let nameless = Pkcs11Signer::generate(nameless, KeyKind::P256).unwrap_err();
        assert_eq!(nameless, Pkcs11Error::Nameless);
    });
}

#[test]
fn a_token_is_chosen_by_label_serial_number_or_slot() {
    with_token("a_token_is_chosen_by_label_serial_number_or_slot", "ALL", |token| {
        token.init("two");
        token.import(&PrivateKey::generate(KeyKind::P256).unwrap(), "key", "01", &[]);
        let several = Pkcs11Signer::open(token.options("key")).unwrap_err();
        assert!(matches!(several, Pkcs11Error::SeveralTokens { .. }), "{several}");

        let module = Pkcs11::new(module()).unwrap();
        let slots = module.get_slots_with_initialized_token().unwrap();
        let one = slots.iter().find(|slot| module.get_token_info(**slot).unwrap().label() == "one").unwrap();
        let serial = module.get_token_info(*one).unwrap().serial_number().to_owned();
        for (label, serial, slot) in
            [(Some("one"), None, None), (None, Some(serial), None), (None, None, Some(one.id()))]
        {
            let mut options = token.options("key");
            options.token.label = label.map(str::to_owned);
            options.token.serial = serial;
            options.token.slot = slot;
            assert_signs(&Pkcs11Signer::open(options).unwrap());
        }
        let mut options = token.options("key");
        options.token.label = Some("three".to_owned());
        let missing = Pkcs11Signer::open(options).unwrap_err().to_string();
        assert!(missing.contains("`three`") && missing.contains("`two` (serial number"), "{missing}");
    });
}

#[test]
fn a_reference_opens_the_key_that_it_names() {
    with_token("a_reference_opens_the_key_that_it_names", "ALL", |token| {
        let key = token.generate("my key", Algorithm::ES256);
        let (module, pin) = (module(), token.folder.join("pin"));
        let reference = format!(
            "pkcs11:token=one;object=my%20key;type=private?module-path={}&pin-source=file:{}",
            module.display(),
            pin.display()
        );
        let opened = reference.parse::<KeyReference>().unwrap().open(None).unwrap();
        assert_eq!((opened.public_key(), opened.algorithm()), (key.public_key(), Algorithm::ES256));
    });
}

#[test]
fn a_module_that_is_none_is_told() {
    for path in ["/nowhere/module.so", "/etc/passwd"] {
        let error = Pkcs11Signer::open(Pkcs11Options::new(path, Pin::Keypad)).unwrap_err();
        assert!(
            matches!(&error, Pkcs11Error::Module { path: told, .. } if told == Path::new(path)),
            "{error}"
        );
    }
}

#[test]
fn a_wrong_pin_is_told_and_a_pin_that_is_not_there_is_not_sent() {
    with_token("a_wrong_pin_is_told_and_a_pin_that_is_not_there_is_not_sent", "ALL", |token| {
        let open = |pin| {
            let mut options = token.options("any");
            options.pin = pin;
            Pkcs11Signer::open(options).unwrap_err()
        };
        let wrong = open(Pin::Ask(Arc::new(|| Ok(Zeroizing::new("0000".to_owned())))));
        assert!(matches!(wrong, Pkcs11Error::PinIncorrect { .. }), "{wrong}");
        assert!(wrong.to_string().contains("CKR_PIN_INCORRECT") && !wrong.to_string().contains("0000"));

        let absent = open(Pin::File(token.folder.join("absent")));
        assert!(matches!(absent, Pkcs11Error::PinUnreadable { .. }), "{absent}");
        let unset = open(Pin::Environment("KEYBOUND_TEST_NOT_SET".to_owned())).to_string();
        assert!(unset.contains("KEYBOUND_TEST_NOT_SET"), "{unset}");
        // The environment has no PIN, but what it has is read from it.
        let not_a_pin = open(Pin::Environment("SOFTHSM2_CONF".to_owned()));
        assert!(matches!(not_a_pin, Pkcs11Error::PinIncorrect { .. }), "{not_a_pin}");
    });
}

#[test]
fn a_key_that_wants_the_pin_each_time_is_refused() {
    with_token("a_key_that_wants_the_pin_each_time_is_refused", "ALL", |token| {
        let names = [Attribute::Token(true), Attribute::Label(b"key".to_vec())];
        let p256 = Attribute::EcParams(vec![0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
        let private = [&names[..], &[Attribute::AlwaysAuthenticate(true), Attribute::Private(true)]].concat();
        let session = other_session();
        let public = [&names[..], &[p256]].concat();
        session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
        let refused = Pkcs11Signer::open(token.options("key")).unwrap_err();
        assert!(matches!(refused, Pkcs11Error::AlwaysAuthenticate { .. }), "{refused}");
    });
}

/// As `pkcs11-tool` makes it; `Pkcs11Signer::generate` names the curve by its object identifier.
#[test]
fn a_curve_that_is_named_by_a_string_is_known() {
    with_token("a_curve_that_is_named_by_a_string_is_known", "ALL", |token| {
        let names = [Attribute::Token(true), Attribute::Label(b"key".to_vec()), Attribute::Id(vec![1])];
        let edwards25519 = Attribute::EcParams(b"\x13\x0cedwards25519".to_vec());
        let public = [&names[..], &[edwards25519]].concat();
        let session = other_session();
        session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &names).unwrap();
        let signer = Pkcs11Signer::open(token.options("key")).unwrap();
        assert_eq!(signer.algorithm(), Algorithm::EdDSA);
        assert_signs(&signer);
    });
}

/// Ends the module for the whole process, as when the device was taken out: no session is left.
fn take_out() {
    Pkcs11::new(module()).unwrap().finalize().unwrap();
}

#[test]
fn a_token_that_was_taken_out_is_opened_again() {
    with_token("a_token_that_was_taken_out_is_opened_again", "ALL", |token| {
        let signer = token.generate("key", Algorithm::ES256);
        assert_signs(&signer);
        take_out();
        assert_signs(&signer);
        assert_signs(&signer);

        take_out();
        let (tokens, aside) = (token.folder.join("tokens"), token.folder.join("aside"));
        std::fs::rename(&tokens, &aside).unwrap();
        std::fs::create_dir(&tokens).unwrap();
        let Err(SignError::Unavailable { reason }) = signer.sign(b"") else { panic!("it has no token") };
        assert!(reason.contains("no token"), "{reason}");
        std::fs::remove_dir_all(&tokens).unwrap();
        std::fs::rename(&aside, &tokens).unwrap();
        take_out();
        assert_signs(&signer);
    });
}

#[test]
fn a_login_that_was_lost_is_made_again() {
    with_token("a_login_that_was_lost_is_made_again", "ALL", |token| {
        let signer = token.generate("key", Algorithm::RS256);
        other_session().logout().unwrap();
        assert_signs(&signer);
    });
}

#[test]
fn a_pin_that_was_refused_is_not_sent_again() {
    with_token("a_pin_that_was_refused_is_not_sent_again", "ALL", |token| {
        token.generate("key", Algorithm::ES256);
        take_out();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let mut options = token.options("key");
        options.pin = Pin::Ask(Arc::new(move || {
            let right = count.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(Zeroizing::new(if right { PIN } else { "0000" }.to_owned()))
        }));
        let signer = Pkcs11Signer::open(options).unwrap();
        take_out();
        for _ in 0..3 {
            let Err(SignError::Unavailable { reason }) = signer.sign(b"") else { panic!("the PIN is wrong") };
            assert!(reason.contains("CKR_PIN_INCORRECT"), "{reason}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn another_key_under_the_same_name_is_not_taken_for_the_old_one() {
    with_token("another_key_under_the_same_name_is_not_taken_for_the_old_one", "ALL", |token| {
        let signer = token.generate("key", Algorithm::ES256);
        let session = other_session();
        for object in session.find_objects(&[Attribute::Label(b"key".to_vec())]).unwrap() {
            session.destroy_object(object).unwrap();
        }
        token.generate("key", Algorithm::ES256);
        take_out();
        let outcome = signer.sign(b"");
        assert_eq!(outcome, Err(SignError::Unavailable { reason: Pkcs11Error::OtherKey.to_string() }));
    });
}

#[test]
fn a_key_needs_its_own_public_half() {
    with_token("a_key_needs_its_own_public_half", "ALL", |token| {
        let elliptic = || PrivateKey::generate(KeyKind::P256).unwrap();
        let rsa = SigningKey::generate(Algorithm::RS256).unwrap();
        token.import(rsa.private_key(), "rsa", "01", &["--no-public-key"]);
        let signer = Pkcs11Signer::open(token.options("rsa")).unwrap();
        assert_eq!(signer.public_key(), rsa.public_key(), "an RSA private key has both halves");
        assert_signs(&signer);

        token.import(&elliptic(), "alone", "02", &["--no-public-key"]);
        take_out();
        let alone = Pkcs11Signer::open(token.options("alone")).unwrap_err();
        assert!(matches!(alone, Pkcs11Error::NoPublicKey { .. }), "{alone}");

        token.import(&elliptic(), "stranger", "03", &[]);
        take_out();
        let _first = Pkcs11Signer::open(token.options("rsa")).unwrap();
        let session = other_session();
        let stranger = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(vec![3])];
        let stranger = session.find_objects(&stranger).unwrap()[0];
        session.update_attributes(stranger, &[Attribute::Id(vec![2])]).unwrap();
        let mixed = Pkcs11Signer::open(token.options("alone")).unwrap();
        let outcome = mixed.sign(b"what is said");
        assert_eq!(outcome, Err(SignError::Unavailable { reason: Pkcs11Error::HalvesDiffer.to_string() }));
    });
}
