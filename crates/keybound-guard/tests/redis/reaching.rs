//! The ways to reach a standalone server: without login, by an ACL user, over TLS; and what is said where it
//! can't be reached.

use std::fs;

use keybound::replay::ReplayRefusal;
use keybound_guard::policy::ReplayRules;
use keybound_guard::replay::{RedisError, RedisReplayStore};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::server::{Server, free_port};
use super::stores::{policy, record, runtime, store, until_it_serves};

const PASSWORD: &str = "correct-horse-battery-staple";

fn rules(replay: &str) -> ReplayRules {
    policy(replay).replay
}

fn admits_once(replay: &str) {
    let runtime = runtime();
    let (one, other) = (store(replay), store(replay));
    until_it_serves(&runtime, &one, "it serves");
    assert_eq!(runtime.block_on(record(&one, "proof")), Ok(()));
    assert_eq!(runtime.block_on(record(&one, "proof")), Err(ReplayRefusal::Replayed));
    assert_eq!(runtime.block_on(record(&other, "proof")), Err(ReplayRefusal::Replayed), "another guard");
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_proof_is_one_key_with_a_time_to_live() {
    let server = Server::start(&[]);
    let replay = format!("urls = ['{}/3']\nkey_prefix = 'fleet:'", server.url());
    admits_once(&replay);
    let names = server.ask(&["-n", "3", "KEYS", "*"]);
    // One more from finding out that it serves.
    assert_eq!(names.lines().count(), 2, "{names}");
    for name in names.lines() {
        assert!(name.starts_with("fleet:") && name.len() == "fleet:".len() + 43, "{name}");
        let left: i64 = server.ask(&["-n", "3", "PTTL", name]).trim().parse().unwrap();
        // The proof's minute, its last second, and the margin for clocks.
        assert!((110_000..=121_000).contains(&left), "{left}");
    }
    let calls = server.ask(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_set:calls=3"), "replays at one guard cost no question: {calls}");
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn an_acl_user_needs_nothing_but_set_on_the_prefix() {
    let password = format!(">{PASSWORD}");
    let server = Server::start(&[
        "--requirepass",
        "another",
        "--user",
        "guard",
        "on",
        &password,
        "~keybound:*",
        "+set",
    ]);
    let file = server.file("password", &format!("{PASSWORD}\n"));
    let login =
        format!("urls = ['{}']\nusername = 'guard'\npassword_file = '{}'", server.url(), file.display());
    admits_once(&login);
    // Its rights end there.
    let other = store(&format!("{login}\nkey_prefix = 'other:'"));
    assert_eq!(runtime().block_on(record(&other, "proof")), Err(ReplayRefusal::Unavailable));
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_wrong_password_is_an_error_that_says_so_and_does_not_repeat_it() {
    let server = Server::start(&["--requirepass", PASSWORD]);
    let url = server.url();
    let wrong = server.file("wrong", "guessed-password");
    let cases = [
        ("wrong", format!("urls = ['{url}']\npassword_file = '{}'", wrong.display())),
        (
            "of nobody",
            format!("urls = ['{url}']\nusername = 'nobody'\npassword_file = '{}'", wrong.display()),
        ),
    ];
    for (name, replay) in cases {
        let store = RedisReplayStore::new(&rules(&replay)).unwrap();
        let error = runtime().block_on(store.connect()).unwrap_err();
        assert!(matches!(error, RedisError::Denied { .. }), "{name}: {error:?}");
        let text = format!("{error} {error:?} {store:?}");
        assert!(text.contains("password_file"), "{text}");
        assert!(!text.contains("guessed") && !text.contains(PASSWORD), "{text}");
    }
    // Without any, the server greets, and denies the command.
    let without = store(&format!("urls = ['{url}']"));
    assert_eq!(runtime().block_on(record(&without, "proof")), Err(ReplayRefusal::Unavailable));
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_password_that_is_changed_is_read_from_its_file_with_the_next_connection() {
    let server = Server::start(&["--requirepass", PASSWORD]);
    let file = server.file("password", "guessed");
    let replay = format!("urls = ['{}']\npassword_file = '{}'", server.url(), file.display());
    let (runtime, store) = (runtime(), store(&replay));
    assert_eq!(runtime.block_on(record(&store, "proof")), Err(ReplayRefusal::Unavailable));
    fs::write(&file, PASSWORD).unwrap();
    until_it_serves(&runtime, &store, "the new password is taken");
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn over_tls_the_server_has_to_be_certified_by_the_authority_that_the_policy_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let port = free_port();
    let _server = Server::start_at(
        port,
        &[
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &file("server.pem", &certificate.pem()),
            "--tls-key-file",
            &file("server.key", &key.serialize_pem()),
            "--tls-ca-cert-file",
            &file("ca.pem", &authority.pem()),
        ],
    );
    let ca = folder.path().join("ca.pem");
    admits_once(&format!(
        "urls = ['rediss://localhost:{port}']\nca_file = '{}'\ntimeout_milliseconds = 2000",
        ca.display()
    ));

    let other = file("other.pem", &self::authority().pem());
    let distrusted = format!("urls = ['rediss://localhost:{port}']\nca_file = '{other}'");
    let store = RedisReplayStore::new(&rules(&distrusted)).unwrap();
    let error = runtime().block_on(store.connect()).unwrap_err();
    assert!(
        matches!(&error, RedisError::Unreachable { reason } if reason.contains("invalid peer certificate")),
        "{error:?}"
    );
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn what_can_not_be_reached_is_told_by_connecting_and_refuses_each_proof() {
    let port = free_port();
    let replay = format!("urls = ['redis://127.0.0.1:{port}']");
    let store = RedisReplayStore::new(&rules(&replay)).unwrap();
    let error = runtime().block_on(store.connect()).unwrap_err();
    assert!(matches!(error, RedisError::Unreachable { .. }), "{error:?}");
    assert_eq!(runtime().block_on(record(&self::store(&replay), "proof")), Err(ReplayRefusal::Unavailable));
}
