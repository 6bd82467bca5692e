//! `keybound api`: any call of the management API, or of another API with an issuer's tokens, with a key-bound token and a
//! proof.

mod fields;
mod preview;
mod request;

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use http::{HeaderName, HeaderValue, Method, Response};
use keybound_okta::{Call, Error, OktaClient};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::connection::{Caller, Connection, flag, not_given_out};
use crate::jq::Filter;
use crate::listing::JsonList;
use crate::operations;
use crate::output::{FAINT, NAME, Output};
use crate::report::{Failure, Outcome};
use crate::runtime;

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = "\
Examples:
  keybound api '/api/v1/users?limit=5'
  keybound api /api/v1/users -X GET -f 'filter=status eq \"ACTIVE\"' --paginate --jq '.[].id'
  keybound api /api/v1/groups -f 'profile[name]=Engineers' -f 'profile[description]=They build it'
  keybound api /api/v1/users -X POST --input user.json
  echo '{\"profile\":{\"title\":\"Director\"}}' | keybound api /api/v1/users/00u1 -d -
  keybound api listUserGroups 00u1 --jq '.[].profile.name'
  keybound api listUsers -f 'search=profile.department eq \"R&D\"' --paginate --ndjson
  keybound api '/api/v1/users?limit=1' --curl
  keybound api https://api.example/orders --issuer https://idp.example --scope orders.read

An org's tokens are sent to the org alone. Those of another issuer go to the URL that is given; if they are Bearer tokens, \
to the origins of the resources that they were asked for (--resource) and nowhere else.")]
pub(crate) struct Arguments {
    /// Path, with or without a query; a whole URL of the org or, with an issuer's tokens, of another API; or the name of an
    /// operation (`keybound operations`).
    #[arg(value_name = "PATH|OPERATION", add = ArgValueCompleter::new(operations::completions))]
    target: String,
    /// Values for the parameters in the operation's path, in their order.
    #[arg(value_name = "VALUE")]
    values: Vec<String>,
    /// Method; GET, or POST where there are fields or an input. An operation has its own.
    #[arg(short = 'X', long)]
    method: Option<Method>,
    /// A field whose value is text: a parameter of the query for GET, HEAD and DELETE or beside an input, else a member
    /// of the JSON body (name[member]=value, name[]=value). With an operation: the parameter of that name, else a
    /// member of the body.
    #[arg(short = 'f', long = "raw-field", value_name = "NAME=VALUE")]
    texts: Vec<String>,
    /// The same with true, false, null and whole numbers as JSON has them, and @FILE for the text of a file.
    #[arg(short = 'F', long = "field", value_name = "NAME=VALUE")]
    typed: Vec<String>,
    /// A header field to send; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = request::header_field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Body to send, as it is; `-` is standard input.
    #[arg(short = 'd', long, value_name = "FILE", visible_alias = "data")]
    input: Option<PathBuf>,
    /// Follow the links to further pages, and print one JSON array of all; with --jq each page by itself.
    #[arg(long, conflicts_with_all = ["input", "include"])]
    paginate: bool,
    /// With --paginate: each item on a line of its own (NDJSON) in place of one array.
    #[arg(long, requires = "paginate", conflicts_with = "jq")]
    ndjson: bool,
    /// Print what this jq expression makes of the answer.
    #[arg(short = 'q', long, value_name = "EXPRESSION", conflicts_with = "include")]
    jq: Option<String>,
    /// Print the status and the header fields before the body.
    #[arg(short, long)]
    include: bool,
    /// Print nothing of an answer of success.
    #[arg(long, conflicts_with_all = ["jq", "include"])]
    silent: bool,
    /// Print the request that would be sent, and send nothing.
    #[arg(long, conflicts_with = "curl")]
    dry_run: bool,
    /// Print a command line for curl that makes the same call, and send nothing.
    #[arg(long)]
    curl: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let filter = arguments.jq.as_deref().map(Filter::compile).transpose()?;
    let call = request::call(arguments)?;
    if arguments.dry_run || arguments.curl {
        return preview(call, arguments, output);
    }
    let okta = arguments.connection.open()?;
    let printer = Printer { arguments, filter, output };
    runtime::run(&okta, async {
        if arguments.paginate {
            return printer.all_pages(&okta, call).await;
        }
        match okta.call(call).await {
            Ok(_) if arguments.silent => Ok(()),
            Ok(response) => printer.answer(&response),
            // What the org says of a refusal is an answer too, and a script may want to read it.
            Err(Error::Api(refused)) => {
                printer.refusal(&refused.response)?;
                Err(Error::Api(refused).into())
            }
            Err(error) => Err(error.into()),
        }
    })
}

fn preview(call: Call, arguments: &Arguments, output: Output) -> Outcome {
    let connection = &arguments.connection;
    let caller = connection.caller()?;
    let (is_bound, is_user) = match &caller {
        Caller::App(settings) => (settings.binding.is_bound(), false),
        Caller::User(..) => (true, true),
    };
    let okta = connection.open_as(caller)?;
    let request = okta.request(call)?;
    if arguments.dry_run {
        return preview::dry_run(&request, is_bound, output);
    }
    if is_user {
        return Err(not_given_out());
    }
    let (authority, key) = connection.files()?;
    let scopes = okta.scopes_for(request.method(), request.uri().path())?;
    let token = match &key {
        _ if scopes.is_none() => preview::Token::NotNeeded,
        _ if !is_bound => preview::Token::Bearer,
        Some(file) => preview::Token::BoundTo(file.clone()),
        None => preview::Token::BoundToNewKey,
    };
    let scopes = scopes.unwrap_or_default();
    let flags = scopes.iter().flat_map(|scope| flag("scope", scope)).chain(connection.flags()).collect();
    let command = preview::CurlCommand { request, token, flags, authority };
    output.line(command.text()?)
}

/// Prints answers as the command line wants them.
struct Printer<'a> {
    arguments: &'a Arguments,
    filter: Option<Filter>,
    output: Output,
}

impl Printer<'_> {
    fn answer(&self, response: &Response<Bytes>) -> Outcome {
        match &self.filter {
            Some(filter) => filter.print(response.body(), self.output),
            None => self.refusal(response),
        }
    }

    /// A refusal is not what the expression of `--jq` was written for.
    fn refusal(&self, response: &Response<Bytes>) -> Outcome {
        if self.arguments.include {
            head(response, self.output)?;
        }
        body(response.body(), self.output)
    }

    /// Prints each page as it comes, so that a list of any length needs the memory of one page.
    async fn all_pages(&self, okta: &OktaClient, call: Call) -> Outcome {
        let mut pages = okta.pages(call);
        let mut list = JsonList::new(self.arguments.ndjson);
        while let Some(page) = pages.next().await? {
            match &self.filter {
                _ if self.arguments.silent => {}
                Some(filter) => filter.print(page.body(), self.output)?,
                None => list.print(&items(page.body())?, self.output)?,
            }
        }
        if self.filter.is_none() && !self.arguments.silent { list.end(self.output) } else { Ok(()) }
    }
}

/// The items of a page.
fn items(page: &Bytes) -> Outcome<Vec<&RawValue>> {
    serde_json::from_slice(page).map_err(|_| {
        Failure::usage("--paginate is for lists, and the answer is not a JSON array")
            .do_next("leave --paginate out")
    })
}

/// As HTTP/1.1 writes it, whichever version was spoken.
fn head(response: &Response<Bytes>, output: Output) -> Outcome {
    output.line(format_args!("{NAME}HTTP/1.1 {}{NAME:#}", response.status()))?;
    for (name, value) in response.headers() {
        output.line(format_args!("{FAINT}{name}:{FAINT:#} {}", String::from_utf8_lossy(value.as_bytes())))?;
    }
    output.line("")
}

/// As it came; on a terminal JSON is indented.
fn body(body: &Bytes, output: Output) -> Outcome {
    if output.is_terminal()
        && let Ok(value) = serde_json::from_slice::<Value>(body)
    {
        return output.json(&value);
    }
    output.bytes(body)
}
