//! `keybound users`: the users of the org.

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use futures_util::TryStreamExt as _;
use keybound_okta::{ListQuery, User};

use crate::connection::Connection;
use crate::output::{FAINT, Output};
use crate::report::Outcome;
use crate::runtime;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List users, over as many pages as it takes: a table on a terminal, JSON in a pipe.
    List(List),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound users list
  keybound users list --limit 5
  keybound users list | jq -r '.[].profile.login'")]
pub(crate) struct List {
    /// Users to list, at most; all, if not given.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(verb: &Verb, output: Output) -> Outcome {
    let Verb::List(arguments) = verb;
    let okta = arguments.connection.open()?;
    let query = ListQuery::default().at_most(arguments.limit);
    let users: Vec<User> = runtime::run(&okta, async { Ok(okta.users().list(&query).try_collect().await?) })?;
    if output.is_terminal() { table(&users, output) } else { output.json(&users) }
}

fn table(users: &[User], output: Output) -> Outcome {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["ID", "STATUS", "NAME", "LOGIN"]);
    for user in users {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let name = format!("{} {}", text(&user.profile.first_name), text(&user.profile.last_name));
        table.add_row([user.id.clone(), user.status.as_str().to_owned(), name, text(&user.profile.login)]);
    }
    output.line(table.trim_fmt())?;
    let noun = if users.len() == 1 { "user" } else { "users" };
    output.line(format_args!("{FAINT}{} {noun}{FAINT:#}", users.len()))
}
