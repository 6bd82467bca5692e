//! Tokens that are kept between runs: which, where, and until when.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::PathBuf;

use support::{Service, USERS};

/// A service whose key for proofs is in a file.
fn service() -> Service {
    let service = Service::start();
    make_key(&service, "dpop");
    service
}

fn make_key(service: &Service, name: &str) {
    let made = service.workspace.run(&["keys", "new", "--alg", "ES256", "--out", name]);
    assert_eq!(made.code, Some(0), "{made:?}");
}

/// Whether a run with these further arguments got its token from the org, as it logs itself.
fn asks_for_token(service: &Service, arguments: &[&str], environment: &[(&str, &str)]) -> bool {
    let all = [&["api", USERS, "--silent", "-vvv"], arguments].concat();
    let ended = service.workspace.run_with(&all, environment, "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (granted, cached) = ("access token granted", "access token taken from the cache");
    assert_ne!(ended.stderr.contains(granted), ended.stderr.contains(cached), "{ended:?}");
    ended.stderr.contains(granted)
}

fn kept(service: &Service, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(service.workspace.path(folder)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

const KEY: [&str; 2] = ["--dpop-private-key-file", "dpop_private_key.pem"];

#[test]
fn two_runs_make_one_token_request() {
    let service = service();
    assert!(asks_for_token(&service, &KEY, &[]), "the first");
    assert!(!asks_for_token(&service, &KEY, &[]), "the second");
    let files = kept(&service, ".cache/keybound");
    let [file] = files.as_slice() else { panic!("{files:?}") };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
    make_key(&service, "other");
    assert!(asks_for_token(&service, &[KEY[0], "other_private_key.pem"], &[]), "another key");
    assert!(!asks_for_token(&service, &KEY, &[]), "and that of the first is still there");

    let elsewhere = service.workspace.path("elsewhere");
    let elsewhere = [("XDG_CACHE_HOME", support::text(&elsewhere))];
    assert!(asks_for_token(&service, &KEY, &elsewhere), "another place");
    assert_eq!(kept(&service, "elsewhere/keybound").len(), 1);
}

#[test]
fn no_token_is_kept_where_none_is_wanted_or_where_it_would_be_of_no_use() {
    let service = service();
    for (arguments, environment, why) in [
        (&[][..], &[][..], "a fresh key is gone with its run"),
        (&["--no-cache", KEY[0], KEY[1]], &[], "by the flag"),
        (&KEY, &[("KEYBOUND_CACHE", "off")], "by the variable"),
    ] {
        for _ in 0..2 {
            assert!(asks_for_token(&service, arguments, environment), "{why}");
        }
        assert!(kept(&service, ".cache/keybound").is_empty(), "{why}");
    }
    service
        .workspace
        .run_with(&["api", USERS], &[("KEYBOUND_CACHE", "perhaps")], "")
        .assert_failed(3, &["KEYBOUND_CACHE", "`on` or `off`"]);
}

#[test]
#[cfg(unix)]
fn a_cache_that_can_not_be_used_stops_no_call() {
    let service = service();
    service.workspace.write(".cache", "a file in the place of the folder");
    assert!(asks_for_token(&service, &KEY, &[]));
}

#[test]
fn a_token_that_the_org_takes_no_more_is_replaced() {
    let service = service();
    assert!(asks_for_token(&service, &KEY, &[]));
    let files = kept(&service, ".cache/keybound");
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let text = fs::read_to_string(file).unwrap();
    let start = text.find("\"eyJ").unwrap() + 1;
    let signature = start + text[start..].find('"').unwrap() - 8;
    let replacement = if &text[signature..=signature] == "A" { "B" } else { "A" };
    let broken = format!("{}{replacement}{}", &text[..signature], &text[signature + 1..]);
    fs::write(file, &broken).unwrap();
    let ended = service.workspace.run(&[&["api", USERS, "--silent", "-vvv"], &KEY[..]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("access token granted"), "{ended:?}");
    assert_ne!(fs::read_to_string(file).unwrap(), broken);
    assert!(!asks_for_token(&service, &KEY, &[]), "the new one is kept");
}
