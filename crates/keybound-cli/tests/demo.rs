//! `keybound demo`: the whole story, told true.

mod support;

use std::process::Stdio;

use support::Workspace;

#[test]
fn every_step_goes_as_told_and_no_secret_is_shown() {
    let workspace = Workspace::new();
    let ended = workspace.run(&["demo"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("went as told"));
    for words in ["use_dpop_nonce", "RFC 9449 section 4.3, check 9", "RFC 9449 section 11.1", "cnf"] {
        assert!(ended.stdout.contains(words), "{words} is not in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\u{1b}'), "a pipe gets no colours");
    let whole =
        |text: &str| text.split_whitespace().any(|word| word.matches('.').count() == 2 && word.len() > 200);
    assert!(!whole(&ended.stdout) && !ended.stdout.contains("-----BEGIN"));

    let shown = workspace.run(&["demo", "--show-secrets"]).stdout;
    assert!(whole(&shown.replace('=', " ")) && shown.contains("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn nothing_is_left_behind() {
    let workspace = Workspace::new();
    let temporary = workspace.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let ended = workspace.run_with(&["demo"], &[("TMPDIR", support::text(&temporary))], "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let workspace = Workspace::new();
    let mut child = workspace.command(&["demo"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn help_has_examples_and_every_exit_code() {
    let help = Workspace::new().run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for words in ["Examples:", "keybound demo", "Exit codes:", "   0  ", "  15  "] {
        assert!(help.stdout.contains(words), "{words} is not in {}", help.stdout);
    }
}
