//! The command line: one verb, its arguments, and what holds for all verbs.

use clap::{ArgAction, Parser, Subcommand};

use crate::{
    api, apps, completions, demo, doctor, exit_code, groups, guard, init, inspect, keys, login, logs,
    operations, org, proof, proxy, token, users,
};

const EXAMPLES: &str = "\
Examples:
  keybound demo                                   the whole story on a local org, nothing to set up
  keybound org start --data ./org                 a local org that behaves as Okta's does
  keybound init --data ./org                      an app, its key and settings for it, in this folder
  keybound init --org-url https://example.okta.com
  keybound doctor                                 what is wrong between here and the org
  keybound api /api/v1/users?limit=5              call the management API with a key-bound token
  keybound users list                             a table on a terminal, JSON in a pipe
  keybound groups add 00g1 00u1                   users, groups, apps and the log by typed verbs
  keybound logs follow --since 10m                what happens in the org, as it happens
  keybound inspect --method GET --url https://api.example/orders < proof.txt
  keybound guard --policy guard.toml --upstream http://127.0.0.1:3000";

/// Call, check and practise with key-bound tokens (DPoP, RFC 9449).
#[derive(Debug, Parser)]
#[command(
    name = "keybound",
    version,
    max_term_width = 110,
    after_help = format!("{EXAMPLES}\n\n{}", exit_code::table()),
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// Log what happens to standard error; twice for more. Secrets are never logged.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Tell the whole story on a local org: Bearer, then DPoP, then what a thief can do with each.
    Demo(demo::Arguments),
    /// Make keys and settings for an org; never overwrites.
    Init(init::Arguments),
    /// Go through all that can be wrong between here and the org, in the order in which a call meets it.
    Doctor(doctor::Arguments),
    /// Call the management API.
    Api(api::Arguments),
    /// Find operations of the management API, by name, path or scope.
    Operations(operations::Arguments),
    /// Work with users.
    #[command(subcommand)]
    Users(users::Verb),
    /// Work with groups and their members.
    #[command(subcommand)]
    Groups(groups::Verb),
    /// Work with apps: their keys, scopes and roles.
    #[command(subcommand)]
    Apps(apps::Verb),
    /// Read and follow the system log.
    #[command(subcommand)]
    Logs(logs::Verb),
    /// Make, show, convert and rotate keys.
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Get an access token, for use with another HTTP client.
    Token(token::Arguments),
    /// Log in as a user, in the browser or on another device.
    Login(login::Arguments),
    /// Give the login back to the org and forget it.
    #[command(after_help = "\
Examples:
  keybound logout
  keybound logout --client-id 0oa1                of several logins, this one")]
    Logout(login::WhichLogin),
    /// Tell who calls: a user who has logged in, or a service app.
    #[command(after_help = "\
Examples:
  keybound whoami                                 by the settings of this folder
  keybound whoami --as-user | jq -r .subject")]
    Whoami(login::WhichLogin),
    /// Make one proof, for use with another HTTP client.
    Proof(proof::Arguments),
    /// Decode a proof, client assertion or access token and hold it to every rule.
    Inspect(inspect::Arguments),
    /// Lend DPoP to programs in any language: plain HTTP in on this machine, proofs out.
    Proxy(Box<proxy::Arguments>),
    /// Guard an API: let only the key's holder in.
    Guard(Box<guard::Arguments>),
    /// Run a local org that behaves as Okta's does.
    #[command(subcommand)]
    Org(org::Verb),
    /// Print the script that makes a shell complete verbs, options and values.
    Completions(completions::Arguments),
    /// Write manual pages.
    Man(completions::ManualArguments),
}

impl Verb {
    /// What is logged where nobody asks for more: nothing, except by a server.
    pub(crate) const fn logs(&self) -> Option<&'static str> {
        match self {
            Self::Guard(arguments) => arguments.logs(),
            // What a developer wonders about who sees no more than that a request fails.
            Self::Org(org::Verb::Start(_)) => Some("keybound_org=warn"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::*;

    /// What clap takes for the width of what is no terminal.
    const WIDTH: usize = 100;

    /// What is wrong with the help of the verbs below `command`, each by its name.
    fn faults_of(command: &Command, name: &str, faults: &mut Vec<String>) {
        for verb in command.get_subcommands() {
            faults_of(verb, &format!("{name} {}", verb.get_name()), faults);
        }
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !command.has_subcommands() && !help.contains("Examples:\n") {
            faults.push(format!("{name} has no example"));
        }
        let examples = help.lines().filter(|line| line.starts_with(' '));
        let too_long = examples.filter(|line| line.chars().count() > WIDTH);
        faults.extend(too_long.map(|line| format!("{name} has an example that does not fit: {line}")));
        let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
        let lines: Vec<_> = help.lines().collect();
        let broken = lines.windows(2).filter(|pair| pair.iter().all(|line| is_prose(line)));
        faults.extend(broken.map(|pair| format!("{name} breaks its lines itself: {}", pair.concat())));
    }

    #[test]
    fn every_verb_has_examples_that_fit_a_line_and_text_that_a_terminal_may_break() {
        let mut faults = Vec::new();
        for verb in CommandLine::command().get_subcommands() {
            faults_of(verb, &format!("keybound {}", verb.get_name()), &mut faults);
        }
        assert!(faults.is_empty(), "{faults:#?}");
    }
    /// base64url has the hyphen among its letters (RFC 4648 section 5): one key id, token or nonce in 64 begins with it.
    #[test]
    fn what_is_base64url_may_begin_with_a_hyphen() {
        for line in [
            "keybound apps delete-key 0oa1 VALUE --yes",
            "keybound users list --key-id VALUE --ndjson",
            "keybound proof --key k.pem --url https://api.example --access-token VALUE",
            "keybound proof --key k.pem --url https://api.example --nonce VALUE",
            "keybound inspect --access-token VALUE --method GET",
            "keybound inspect --nonce VALUE --method GET",
            "keybound token show VALUE --json",
            "keybound token revoke VALUE --no-cache",
            "keybound org fault add revoke-token --jti VALUE --data ./org",
        ] {
            for value in
                ["-qO6BqUdaTCFzplpV89mRxOy6e82-Q-meE0AvmJ5OcA", "--O6BqUdaTCFzplpV89mRxOy6e82-Q-meE0AvmJ5OcA"]
            {
                let line = line.replace("VALUE", value);
                let parsed = CommandLine::try_parse_from(line.split(' ')).map(|parsed| format!("{parsed:?}"));
                assert!(parsed.as_ref().is_ok_and(|shown| shown.contains(value)), "{line}: {parsed:?}");
            }
        }
    }
}
