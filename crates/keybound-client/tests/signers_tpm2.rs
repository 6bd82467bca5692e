//! Keys in a TPM 2.0, against swtpm (`apt-get install swtpm tpm2-tools tpm2-openssl libtss2-dev`).
//!
//! Each test has a TPM of its own. Keys are made as an administrator makes them, by the tools of the TPM. There is no
//! resource manager, so the tools would take away what a signer has loaded: none is run while a signer is open.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod any_signer;
mod scripted;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use any_signer::{assert_gets_and_uses_a_token, assert_makes_proofs, assert_signs};
use keybound::proof::DpopKey;
use keybound::{Algorithm, SignError, Signer};
use keybound_client::signers::KeyReference;
use keybound_client::signers::tpm2::{KeyFileError, Pin, Tpm2Error, Tpm2Options, Tpm2Place, Tpm2Signer};
use zeroize::Zeroizing;

const PIN: &str = "8642";
const SIGN: &str = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign";
const SIGN_NODA: &str = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda";

/// A TPM in software with its state in a folder, on two ports of which the second follows the first.
struct Tpm {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Tpm {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Another process may take a port that is free now; then there are more.
        for _ in 0..50 {
            let port = free_ports();
            if let Some(process) = run(folder.path(), port) {
                return Self { folder, port, process };
            }
        }
        panic!("swtpm does not start");
    }

    fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Takes the TPM away, as a reset does in the middle of its work.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, with what it had kept.
    fn restart(&mut self) {
        self.process = run(self.folder.path(), self.port).expect("its ports are free again");
    }

    /// Runs a tool in the folder, and gives what it says.
    fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let output = Command::new(name)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("TPM2TOOLS_TCTI", self.tcti())
            .env("TPM2OPENSSL_TCTI", self.tcti())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Makes a key below the storage key of the owner, whose halves are in the folder.
    fn create(&self, algorithm: &str, attributes: &str, pin: Option<&str>) {
        self.tool("tpm2_createprimary", &["-Q", "-C", "o", "-G", "ecc", "-c", "primary.ctx"]);
        self.tool("tpm2_flushcontext", &["-t"]);
        let create =
            ["-Q", "-C", "primary.ctx", "-G", algorithm, "-a", attributes, "-u", "pub", "-r", "priv"];
        let pin = pin.map(|pin| vec!["-p", pin]).unwrap_or_default();
        self.tool("tpm2_create", &[&create[..], &pin].concat());
        self.tool("tpm2_flushcontext", &["-t"]);
    }

    /// Makes a key, and keeps it under a handle.
    fn keep(&self, handle: u32, algorithm: &str, attributes: &str, pin: Option<&str>) -> Tpm2Options {
        self.create(algorithm, attributes, pin);
        self.tool("tpm2_load", &["-Q", "-C", "primary.ctx", "-u", "pub", "-r", "priv", "-c", "key.ctx"]);
        self.tool("tpm2_flushcontext", &["-t"]);
        self.tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", "key.ctx", &format!("{handle:#x}")]);
        self.options(Tpm2Place::Handle(handle))
    }

    /// Makes a key file, as OpenSSL does with its provider for TPMs.
    fn key_file(&self, name: &str, options: &[&str]) -> Tpm2Options {
        let options = options.iter().flat_map(|option| ["-pkeyopt", option]);
        let arguments: Vec<_> =
            ["genpkey", "-provider", "tpm2", "-out", name].into_iter().chain(options).collect();
        let kind = if arguments.contains(&"bits:2048") { "RSA" } else { "EC" };
        self.tool("openssl", &[&arguments[..], &["-algorithm", kind]].concat());
        self.options(Tpm2Place::File(self.path(name)))
    }

    fn options(&self, place: Tpm2Place) -> Tpm2Options {
        let mut options = Tpm2Options::new(place);
        options.tcti = Some(self.tcti());
        options
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that is free, as is the one after it.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if first.checked_add(1).is_some_and(|second| TcpListener::bind(("127.0.0.1", second)).is_ok()) {
            return first;
        }
    }
}

/// Starts swtpm, and waits until its control channel answers or it has ended.
fn run(folder: &Path, port: u16) -> Option<Child> {
    let mut process = Command::new("swtpm")
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--tpmstate", &format!("dir={}", folder.display())])
        .args(["--server", &format!("type=tcp,bindaddr=127.0.0.1,port={port}")])
        .args(["--ctrl", &format!("type=tcp,bindaddr=127.0.0.1,port={}", port + 1)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("swtpm is installed");
    while TcpStream::connect(("127.0.0.1", port + 1)).is_err() {
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::yield_now();
    }
    Some(process)
}

fn with_pin(mut options: Tpm2Options, pin: &str) -> Tpm2Options {
    let pin = pin.to_owned();
    options.pin = Some(Pin::Ask(Arc::new(move || Ok(Zeroizing::new(pin.clone())))));
    options
}

fn with_algorithm(mut options: Tpm2Options, algorithm: Algorithm) -> Tpm2Options {
    options.algorithm = Some(algorithm);
    options
}

fn refusal(signer: &Tpm2Signer) -> String {
    let Err(SignError::Unavailable { reason }) = signer.sign(b"") else { panic!("it signs") };
    reason
}

#[test]
fn every_algorithm_makes_signatures_that_verify() {
    let tpm = Tpm::start();
    let cases = [
        ("ecc256", None, Algorithm::ES256),
        ("ecc256:ecdsa-sha256", None, Algorithm::ES256),
        ("ecc384", None, Algorithm::ES384),
        ("ecc384", Some(Algorithm::ES384), Algorithm::ES384),
        ("rsa2048", None, Algorithm::RS256),
        ("rsa2048:rsassa-sha256", None, Algorithm::RS256),
        ("rsa2048:rsassa-sha384", None, Algorithm::RS384),
        ("rsa2048", Some(Algorithm::RS512), Algorithm::RS512),
    ];
    for (number, (kind, asked_for, expected)) in (0x8101_0001..).zip(cases) {
        let mut options = tpm.keep(number, kind, SIGN, None);
        options.algorithm = asked_for;
        let signer = Tpm2Signer::open(options).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(signer.algorithm(), expected, "{kind}");
        assert!(signer.waits());
        // Numbers with leading zeros come up once in 256 signatures of either half.
        for _ in 0..if kind == "ecc256" { 300 } else { 1 } {
            assert_signs(&signer);
        }
    }
}

#[test]
fn key_files_of_openssl_and_of_the_tools_are_used() {
    let tpm = Tpm::start();
    let ec = tpm.key_file("ec.pem", &["group:P-256"]);
    let rsa = tpm.key_file("rsa.pem", &["bits:2048"]);
    let locked = tpm.key_file("locked.pem", &["group:P-256", &format!("user-auth:{PIN}")]);
    tpm.create("ecc256", SIGN, None);
    tpm.tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", "primary.ctx", "0x81000001"]);
    let below = tpm.key_file("below.pem", &["group:P-384", "parent:0x81000001"]);
    // The tool has the word on the PIN turned round: with `-p` it writes that there is none.
    let halves = ["-u", "pub", "-r", "priv", "-o", "tools.pem"];
    tpm.tool("tpm2_encodeobject", &[&["-C", "0x81000001", "-p"][..], &halves].concat());
    tpm.tool("tpm2_flushcontext", &["-t"]);
    let tools = tpm.options(Tpm2Place::File(tpm.path("tools.pem")));
    for (options, algorithm) in [
        (ec, Algorithm::ES256),
        (rsa, Algorithm::RS256),
        (with_pin(locked.clone(), PIN), Algorithm::ES256),
        (below, Algorithm::ES384),
        (tools, Algorithm::ES256),
    ] {
        let place = options.place.clone();
        let signer = Tpm2Signer::open(options).unwrap_or_else(|error| panic!("{place:?}: {error}"));
        assert_eq!(signer.algorithm(), algorithm, "{place:?}");
        assert_signs(&signer);
    }
    assert_eq!(Tpm2Signer::open(locked).unwrap_err(), Tpm2Error::PinMissing);
}

#[test]
fn what_can_not_be_used_is_told_with_what_to_do() {
    let tpm = Tpm::start();
    let options = |place| tpm.options(place);
    let empty = Tpm2Signer::open(options(Tpm2Place::Handle(0x8101_0001))).unwrap_err();
    assert_eq!(empty, Tpm2Error::HandleNotFound { handle: 0x8101_0001, found: vec![] });

    let elliptic = tpm.keep(0x8101_0001, "ecc256", SIGN, None);
    let reserved = tpm.keep(0x8101_0002, "rsa2048:rsassa-sha256", SIGN, None);
    let pss = tpm.keep(0x8101_0003, "rsa2048:rsapss-sha256:null", SIGN, None);
    let restricted = tpm.keep(0x8101_0004, "ecc256:ecdsa-sha256:null", &format!("{SIGN}|restricted"), None);
    let decrypts = SIGN.replace("|sign", "|decrypt");
    let decrypts = tpm.keep(0x8101_0005, "ecc256", &decrypts, None);
    let by_policy = tpm.keep(0x8101_0006, "ecc256", &SIGN.replace("|userwithauth", ""), None);
    let foreign_file = tpm.path("foreign.pem");
    let other = Tpm::start();
    other.key_file("foreign.pem", &["group:P-256"]);
    std::fs::copy(other.path("foreign.pem"), &foreign_file).unwrap();
    std::fs::write(tpm.path("text"), "a text").unwrap();

    let unfit = |algorithm, reason: &str| Tpm2Error::AlgorithmUnfit { algorithm, reason: reason.to_owned() };
    let pss_reason =
        "TPMs choose the length of the salt themselves (TPM 2.0 part 1, annex B.7), or don't have it";
    for (options, expected) in [
        (
            options(Tpm2Place::Handle(0x8101_0009)),
            Tpm2Error::HandleNotFound { handle: 0x8101_0009, found: (0x8101_0001..=0x8101_0006).collect() },
        ),
        (options(Tpm2Place::Handle(0x4000_0001)), Tpm2Error::NotPersistent { handle: 0x4000_0001 }),
        (restricted, Tpm2Error::Restricted),
        (decrypts, Tpm2Error::NotForSigning),
        (by_policy, Tpm2Error::PolicyNeeded),
        (
            with_algorithm(reserved.clone(), Algorithm::RS384),
            unfit(Algorithm::RS384, "the key is reserved for RS256"),
        ),
        (
            with_algorithm(reserved, Algorithm::PS256),
            unfit(Algorithm::PS256, "the key is reserved for RS256"),
        ),
        (pss, unfit(Algorithm::PS256, pss_reason)),
        (
            options(Tpm2Place::File(tpm.path("absent"))),
            Tpm2Error::KeyFile {
                path: tpm.path("absent"),
                problem: KeyFileError::Unreadable {
                    detail: std::io::Error::from_raw_os_error(2).to_string(),
                },
            },
        ),
    ] {
        assert_eq!(Tpm2Signer::open(options).unwrap_err(), expected);
    }
    for (options, is_expected, why) in [
        (
            with_algorithm(elliptic.clone(), Algorithm::RS256),
            (|error| matches!(error, Tpm2Error::Key(_))) as fn(&Tpm2Error) -> bool,
            "a key is of one kind",
        ),
        (
            options(Tpm2Place::File(tpm.path("text"))),
            |error| matches!(error, Tpm2Error::KeyFile { problem: KeyFileError::NotAKey { .. }, .. }),
            "no key at all",
        ),
        (
            options(Tpm2Place::File(foreign_file)),
            |error| matches!(error, Tpm2Error::ForeignFile { detail, .. } if detail.starts_with("TPM_RC_INTEGRITY")),
            "a key of another TPM",
        ),
    ] {
        let error = Tpm2Signer::open(options).unwrap_err();
        assert!(is_expected(&error), "{why}: {error:?}");
    }
    assert_signs(&Tpm2Signer::open(elliptic).unwrap());
}

#[test]
fn a_way_that_leads_to_no_tpm_is_told() {
    let tcti = |tcti: &str| {
        let mut options = Tpm2Options::new(Tpm2Place::Handle(0x8101_0001));
        options.tcti = Some(tcti.to_owned());
        Tpm2Signer::open(options).unwrap_err()
    };
    assert_eq!(tcti("usb:1"), Tpm2Error::Tcti { found: "usb:1".to_owned() });
    let absent = PathBuf::from("/dev/tpm-that-is-not-there");
    assert_eq!(tcti("device:/dev/tpm-that-is-not-there"), Tpm2Error::NoDevice { device: absent });
    let closed = format!("swtpm:host=127.0.0.1,port={}", free_ports());
    let Tpm2Error::Unreachable { tcti: told, detail } = tcti(&closed) else { panic!("nobody listens") };
    assert_eq!(told, closed);
    assert!(detail.starts_with("TSS2_TCTI_RC_IO_ERROR"), "{detail}");
}

#[test]
fn a_pin_is_needed_and_a_wrong_one_is_told() {
    let tpm = Tpm::start();
    let counted = tpm.keep(0x8101_0001, "ecc256", SIGN, Some(PIN));
    let uncounted = tpm.keep(0x8101_0002, "ecc256", SIGN_NODA, Some(PIN));
    for (options, code) in [(&counted, "TPM_RC_AUTH_FAIL"), (&uncounted, "TPM_RC_BAD_AUTH")] {
        assert_signs(&Tpm2Signer::open(with_pin(options.clone(), PIN)).unwrap());
        let wrong = Tpm2Signer::open(with_pin(options.clone(), "0000")).unwrap_err();
        let Tpm2Error::PinIncorrect { was_given: true, detail } = &wrong else { panic!("{wrong:?}") };
        assert!(detail.starts_with(code) && !wrong.to_string().contains("0000"), "{wrong}");
    }

    let mut from_file = counted.clone();
    std::fs::write(tpm.path("pin"), format!("{PIN}\n")).unwrap();
    from_file.pin = Some(Pin::File(tpm.path("pin")));
    assert_signs(&Tpm2Signer::open(from_file).unwrap());
    let mut absent = counted.clone();
    absent.pin = Some(Pin::File(tpm.path("absent")));
    assert!(matches!(Tpm2Signer::open(absent), Err(Tpm2Error::PinUnreadable { .. })));
    let long = Tpm2Signer::open(with_pin(counted, &"0".repeat(65))).unwrap_err();
    assert_eq!(long, Tpm2Error::PinTooLong { limit: 64 });
}

#[test]
fn a_pin_that_was_refused_is_not_sent_again() {
    let tpm = Tpm::start();
    let options = tpm.keep(0x8101_0001, "ecc256", SIGN, Some(PIN));
    let signer = Tpm2Signer::open(options).unwrap();
    for _ in 0..3 {
        let reason = refusal(&signer);
        assert!(reason.contains("TPM_RC_AUTH_FAIL") && reason.contains("pin-source"), "{reason}");
    }
    drop(signer);
    let variable = tpm.tool("tpm2_getcap", &["properties-variable"]);
    assert!(variable.contains("TPM2_PT_LOCKOUT_COUNTER: 0x1\n"), "{variable}");
}

#[test]
fn a_tpm_that_is_locked_out_is_told_and_how_to_go_on() {
    let tpm = Tpm::start();
    let options = tpm.keep(0x8101_0001, "ecc256", SIGN, Some(PIN));
    tpm.tool("tpm2_dictionarylockout", &["-s", "-n", "1", "-t", "1000", "-l", "1000"]);
    assert!(matches!(
        Tpm2Signer::open(with_pin(options.clone(), "0000")),
        Err(Tpm2Error::PinIncorrect { .. })
    ));
    let locked = Tpm2Signer::open(with_pin(options.clone(), PIN)).unwrap_err();
    let Tpm2Error::LockedOut { detail } = &locked else { panic!("{locked:?}") };
    assert!(detail.starts_with("TPM_RC_LOCKOUT"), "{detail}");
    assert!(locked.to_string().contains("--clear-lockout"), "{locked}");
    tpm.tool("tpm2_dictionarylockout", &["--clear-lockout"]);
    assert_signs(&Tpm2Signer::open(with_pin(options, PIN)).unwrap());
}

#[test]
fn a_tpm_that_was_reset_is_opened_again() {
    let mut tpm = Tpm::start();
    // A reset without notice counts as a wrong PIN.
    tpm.tool("tpm2_dictionarylockout", &["-s", "-n", "100", "-t", "1000", "-l", "1000"]);
    let kept = tpm.keep(0x8101_0001, "ecc256", SIGN_NODA, Some(PIN));
    let file = tpm.key_file("key.pem", &["group:P-256"]);
    let signers = [Tpm2Signer::open(with_pin(kept.clone(), PIN)).unwrap(), Tpm2Signer::open(file).unwrap()];
    for _ in 0..2 {
        for signer in &signers {
            assert_signs(signer);
        }
        tpm.kill();
        for signer in &signers {
            let reason = refusal(signer);
            assert!(reason.contains("can't be reached"), "{reason}");
        }
        tpm.restart();
    }
    // The first to notice may be one that opens another key by the same connection.
    for signer in &signers {
        assert_signs(signer);
    }
    tpm.kill();
    let broken = Tpm2Signer::open(kept.clone()).unwrap_err();
    assert!(matches!(broken, Tpm2Error::Broken { .. }), "{broken:?}");
    tpm.restart();
    assert_signs(&Tpm2Signer::open(with_pin(kept, PIN)).unwrap());
    for signer in &signers {
        assert_signs(signer);
    }
}

#[test]
fn another_key_in_the_same_place_is_not_taken_for_the_old_one() {
    let mut tpm = Tpm::start();
    let signer = Tpm2Signer::open(tpm.keep(0x8101_0001, "ecc256", SIGN, None)).unwrap();
    tpm.kill();
    tpm.restart();
    tpm.tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", "0x81010001"]);
    tpm.keep(0x8101_0001, "ecc256", SIGN, None);
    assert_eq!(refusal(&signer), Tpm2Error::OtherKey.to_string());
}

#[test]
fn nothing_is_left_in_the_tpm() {
    let tpm = Tpm::start();
    tpm.tool("tpm2_dictionarylockout", &["-s", "-n", "100", "-t", "1000", "-l", "1000"]);
    let open = tpm.key_file("open.pem", &["group:P-256"]);
    let locked = with_pin(tpm.key_file("locked.pem", &["group:P-256", &format!("user-auth:{PIN}")]), PIN);
    // A TPM has room for three keys and three sessions.
    let stays = Tpm2Signer::open(open.clone()).unwrap();
    for options in [&open, &locked].repeat(5) {
        assert_signs(&Tpm2Signer::open(options.clone()).unwrap());
        assert!(Tpm2Signer::open(with_algorithm(options.clone(), Algorithm::ES384)).is_err());
        assert!(Tpm2Signer::open(with_pin(locked.clone(), "0000")).is_err());
    }
    assert_signs(&stays);
    drop(stays);
    for handles in ["handles-transient", "handles-loaded-session"] {
        assert_eq!(tpm.tool("tpm2_getcap", &[handles]), "", "{handles}");
    }
}

#[test]
fn a_reference_opens_the_key_that_it_names() {
    let tpm = Tpm::start();
    tpm.keep(0x8101_0001, "ecc256", SIGN, Some(PIN));
    tpm.key_file("my key.pem", &["bits:2048"]);
    std::fs::write(tpm.path("pin"), format!("{PIN}\n")).unwrap();
    let folder = tpm.folder.path().display();
    for (reference, algorithm) in [
        (format!("handle:0x81010001?tcti={}&pin-source=file:{folder}/pin", tpm.tcti()), Algorithm::ES256),
        (format!("tss2:{folder}/my%20key.pem?tcti={}", tpm.tcti()), Algorithm::RS256),
    ] {
        let opened = reference.parse::<KeyReference>().unwrap().open(None).unwrap();
        assert_eq!(opened.algorithm(), algorithm);
        assert_signs(opened.as_ref());
    }
}

/// In a process of its own, which is this test once more.
#[test]
fn the_environment_names_the_way() {
    const INNER: &str = "KEYBOUND_TEST_TPM";
    if std::env::var_os(INNER).is_some() {
        return assert_signs(&Tpm2Signer::open(Tpm2Options::new(Tpm2Place::Handle(0x8101_0001))).unwrap());
    }
    let tpm = Tpm::start();
    tpm.keep(0x8101_0001, "ecc256", SIGN, None);
    for (variables, why) in [
        (vec![("TPM2TOOLS_TCTI", tpm.tcti()), ("TCTI", "none".to_owned())], "that of the tools comes first"),
        (vec![("TCTI", tpm.tcti())], "the general one"),
    ] {
        let inner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_environment_names_the_way", "--nocapture"])
            .env_remove("TPM2TOOLS_TCTI")
            .env(INNER, "1")
            .envs(variables)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&inner.stdout);
        assert!(said.contains("1 passed"), "{why}: {said}{}", String::from_utf8_lossy(&inner.stderr));
    }
}

#[test]
fn a_proof_of_a_key_in_a_tpm_passes_every_check() {
    let tpm = Tpm::start();
    let key = DpopKey::new(Arc::new(Tpm2Signer::open(tpm.keep(0x8101_0001, "ecc256", SIGN, None)).unwrap()));
    assert_makes_proofs(&key);
}

#[test]
fn tokens_are_got_and_used_with_keys_in_a_tpm() {
    let tpm = Tpm::start();
    let client_key = tpm.keep(0x8101_0001, "rsa2048", SIGN, Some(PIN));
    let dpop_key = tpm.key_file("dpop.pem", &["group:P-256"]);
    let client_key = Arc::new(Tpm2Signer::open(with_pin(client_key, PIN)).unwrap());
    let dpop_key = DpopKey::new(Arc::new(Tpm2Signer::open(dpop_key).unwrap()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(assert_gets_and_uses_a_token(client_key, &dpop_key));
}
