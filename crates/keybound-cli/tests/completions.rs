//! Completion in shells and manual pages, as their users get them.

mod support;

use std::fs;

use support::Workspace;

/// What fish is offered for the last of `words`.
fn offered(workspace: &Workspace, words: &[&str]) -> Vec<String> {
    let arguments = [&["--", "keybound"], words].concat();
    let answer = workspace.run_with(&arguments, &[("COMPLETE", "fish")], "");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let name = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    answer.stdout.lines().map(name).collect()
}

#[test]
fn a_shell_is_offered_verbs_options_and_values() {
    let workspace = Workspace::new();
    for (words, wanted) in [
        (&["us"][..], "users"),
        (&["users", "l"], "list"),
        (&["api", "--pag"], "--paginate"),
        (&["completions", "z"], "zsh"),
        (&["api", "listUserG"], "listUserGroups"),
    ] {
        let offered = offered(&workspace, words);
        assert!(offered.iter().any(|name| name == wanted), "{words:?}: {offered:?}");
    }
}

#[test]
fn every_shell_has_a_script_that_asks_this_program() {
    let workspace = Workspace::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = workspace.run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{script:?}");
        assert!(script.stdout.contains("COMPLETE") && script.stdout.contains("keybound"), "{script:?}");
    }
    workspace.run(&["completions", "tcsh"]).assert_usage();
}

#[test]
#[cfg(unix)]
fn bash_completes_a_verb() {
    let workspace = Workspace::new();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_keybound")).parent().unwrap();
    let script = "source <(keybound completions bash); \
                  COMP_WORDS=(keybound gua) COMP_CWORD=1 COMP_TYPE=9; \
                  $(complete -p keybound | sed 's/.*-F \\([^ ]*\\).*/\\1/') keybound gua keybound; \
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let ran = std::process::Command::new("bash")
        .args(["-c", script])
        .current_dir(workspace.path(""))
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "guard", "{ran:?}");
}

#[test]
fn there_is_a_manual_page_for_every_verb() {
    let workspace = Workspace::new();
    assert_eq!(workspace.run(&["man", "--out", "man1"]).code, Some(0));
    for page in
        ["keybound", "keybound-api", "keybound-users-list", "keybound-guard", "keybound-org-app-create"]
    {
        let text = fs::read_to_string(workspace.path("man1").join(format!("{page}.1"))).unwrap();
        assert!(text.starts_with(".ie") || text.contains(".TH"), "{page}: {}", &text[..80]);
    }
    workspace.write("file", "");
    workspace.run(&["man", "--out", "file"]).assert_failed(2, &["file"]);
}
