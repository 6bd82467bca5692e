//! `keybound api`: any call of the management API, with a key-bound token and a proof.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use keybound_okta::{Call, Error, OktaClient};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::connection::Connection;
use crate::output::{FAINT, NAME, Output};
use crate::report::{Failure, Outcome};
use crate::runtime;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound api '/api/v1/users?limit=5'
  keybound api '/api/v1/users?filter=status eq \"ACTIVE\"' --paginate
  keybound api /api/v1/users -X POST --input user.json
  echo '{\"profile\":{\"title\":\"Director\"}}' | keybound api /api/v1/users/00u1 -d -")]
pub(crate) struct Arguments {
    /// Path, with or without a query; or a whole URL of the org.
    path: String,
    /// Method; GET, or POST where there is an input.
    #[arg(short = 'X', long)]
    method: Option<Method>,
    /// A header field to send; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header_field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Body to send, as it is; `-` is standard input.
    #[arg(short = 'd', long, value_name = "FILE", visible_alias = "data")]
    input: Option<PathBuf>,
    /// Follow the links to further pages, and print one JSON array of all.
    #[arg(long, conflicts_with_all = ["input", "include"])]
    paginate: bool,
    /// Print the status and the header fields before the body.
    #[arg(short, long)]
    include: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let okta = arguments.connection.open()?;
    let call = call(arguments)?;
    runtime::start()?.block_on(async {
        if arguments.paginate {
            return all_pages(&okta, call, output).await;
        }
        match okta.call(call).await {
            Ok(response) => show(&response, arguments, output),
            // What the org says of a refusal is an answer too, and a script may want to read it.
            Err(Error::Api(refused)) => {
                show(&refused.response, arguments, output)?;
                Err(Error::Api(refused).into())
            }
            Err(error) => Err(error.into()),
        }
    })
}

fn show(response: &Response<Bytes>, arguments: &Arguments, output: Output) -> Outcome {
    if arguments.include {
        head(response, output)?;
    }
    body(response.body(), output)
}

fn call(arguments: &Arguments) -> Outcome<Call> {
    let body = arguments.input.as_ref().map(read_input).transpose()?;
    let usual = if body.is_some() { Method::POST } else { Method::GET };
    let mut headers = HeaderMap::new();
    for (name, value) in &arguments.headers {
        headers.append(name, value.clone());
    }
    Ok(Call {
        method: arguments.method.clone().unwrap_or(usual),
        path: arguments.path.clone(),
        headers,
        body: body.unwrap_or_default(),
    })
}

fn read_input(path: &PathBuf) -> Outcome<Bytes> {
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map(Bytes::from).map_err(|error| {
        Failure::usage(format_args!("the input {} cannot be read", path.display())).because(error)
    })
}

fn header_field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header field is written as 'Name: value'")?;
    let name = name.trim().parse().map_err(|_| format!("`{}` is no name of a header field", name.trim()))?;
    let value =
        value.trim().parse().map_err(|_| "the value has characters that no header field has".to_owned())?;
    Ok((name, value))
}

/// Prints each page as it comes, so that a list of any length needs the memory of one page.
async fn all_pages(okta: &OktaClient, call: Call, output: Output) -> Outcome {
    let mut pages = okta.pages(call);
    let mut separator = "[";
    while let Some(page) = pages.next().await? {
        let items = serde_json::from_slice::<Vec<&RawValue>>(page.body()).map_err(|_| {
            Failure::usage("--paginate is for lists, and the answer is not a JSON array")
                .do_next("leave --paginate out")
        })?;
        let mut text = String::with_capacity(page.body().len() + items.len());
        for item in items {
            text.push_str(separator);
            text.push_str(&shown(item, output)?);
            separator = ",\n";
        }
        output.bytes(text.as_bytes())?;
    }
    output.line(if separator == "[" { "[]" } else { "]" })
}

/// An item as it came; on a terminal indented.
fn shown(item: &RawValue, output: Output) -> Outcome<String> {
    if !output.is_terminal() {
        return Ok(item.get().to_owned());
    }
    let value: Value = serde_json::from_str(item.get()).map_err(io::Error::from)?;
    Ok(serde_json::to_string_pretty(&value).map_err(io::Error::from)?)
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
    match serde_json::from_slice::<Value>(body) {
        Ok(value) if output.is_terminal() => output.json(&value),
        _ => output.bytes(body),
    }
}
