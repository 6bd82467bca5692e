//! `keybound operations`: what the management API can do, by the names that `keybound api` takes.

use std::ffi::OsStr;

use clap::Args;
use clap_complete::engine::CompletionCandidate;
use comfy_table::{Table, presets};
use keybound_okta::operations::{self, Operation};
use serde_json::{Value, json};

use crate::listing::JsonList;
use crate::output::{FAINT, Output};
use crate::report::{Failure, Outcome};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound operations                       all 732
  keybound operations group rule            those with both words in name, path or part of the API
  keybound operations listUsers             one, with its parameters and scopes
  keybound operations --scope okta.users.read")]
pub(crate) struct Arguments {
    /// Words that the operations have in their name, path or part of the API.
    words: Vec<String>,
    /// Those alone that need this scope.
    #[arg(long)]
    scope: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let words = arguments.words.join(" ");
    let has_scope = |operation: &Operation| {
        arguments.scope.as_ref().is_none_or(|scope| operation.scopes().any(|own| own == scope))
    };
    let found: Vec<_> = match operations::find(&words) {
        Some(operation) => vec![operation],
        None => operations::search(&words).filter(has_scope).collect(),
    };
    if found.is_empty() {
        let failure = Failure::usage("no operation has these words");
        return Err(match operations::nearest(&words).as_slice() {
            [] => failure.do_next("try fewer words: `keybound operations user group`"),
            near => failure.do_next(format_args!("did you mean {}?", near.join(", "))),
        });
    }
    match found.as_slice() {
        _ if !output.is_terminal() => {
            let mut list = JsonList::new(false);
            list.print_objects(&found.iter().map(described).collect::<Vec<_>>(), output)?;
            list.end(output)
        }
        [operation] => output.json(&described(operation)),
        _ => table(&found, output),
    }
}

/// What a shell may complete where an operation can stand.
pub(crate) fn completions(begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_str().unwrap_or_default();
    let fits = |operation: &Operation| operation.id().starts_with(begun);
    let candidate = |operation: Operation| {
        let help = format!("{} {}", operation.method(), operation.path());
        CompletionCandidate::new(operation.id()).help(Some(help.into()))
    };
    operations::all().filter(fits).map(candidate).collect()
}

fn described(operation: &Operation) -> Value {
    let query = operation.query_parameters().map(|parameter| {
        json!({ "name": parameter.name, "kind": parameter.kind.to_string(), "required": parameter.is_required })
    });
    json!({
        "id": operation.id(),
        "method": operation.method().as_str(),
        "path": operation.path(),
        "tag": operation.tag(),
        "scopes": operation.scopes().collect::<Vec<_>>(),
        "query": query.collect::<Vec<_>>(),
        "body": operation.takes_body(),
        "paged": operation.is_paged(),
    })
}

fn table(found: &[Operation], output: Output) -> Outcome {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["OPERATION", "METHOD", "PATH", "SCOPES"]);
    for operation in found {
        let scopes = operation.scopes().collect::<Vec<_>>().join(" ");
        table.add_row([operation.id(), operation.method().as_str(), operation.path(), &scopes]);
    }
    output.line(table.trim_fmt())?;
    output.line(format_args!("{FAINT}{} operations{FAINT:#}", found.len()))
}
