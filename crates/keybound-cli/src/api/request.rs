//! The call that a command line of `keybound api` describes: of a path, or of an operation by its name.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keybound_okta::operations::{Operation, OperationRequest};
use keybound_okta::{Call, Error};

use super::Arguments;
use super::fields::{self, Field};
use crate::input;
use crate::report::{Failure, Outcome};

pub(super) fn call(arguments: &Arguments) -> Outcome<Call> {
    let body = arguments.input.as_ref().map(|path| input::bytes(path)).transpose()?;
    let fields = fields(arguments)?;
    if arguments.target.contains('/') {
        call_of_path(arguments, &fields, body)
    } else {
        call_of_operation(arguments, fields, body)
    }
}

/// Fields are the query where the method has no body, or the body is another's; else they are the body.
fn call_of_path(arguments: &Arguments, fields: &[Field], body: Option<Bytes>) -> Outcome<Call> {
    if !arguments.values.is_empty() {
        return Err(Failure::usage("a path has its parameters in it already")
            .do_next("leave out what follows the path; or name an operation in place of it"));
    }
    let usual = if body.is_some() || !fields.is_empty() { Method::POST } else { Method::GET };
    let method = arguments.method.clone().unwrap_or(usual);
    let mut call =
        Call { method, path: arguments.target.clone(), headers: headers(arguments), ..Call::default() };
    let takes_query = matches!(call.method, Method::GET | Method::HEAD | Method::DELETE);
    match body {
        None if !takes_query && !fields.is_empty() => call.body = fields::object(fields)?.to_string().into(),
        body => {
            call.body = body.unwrap_or_default();
            add_to_query(&mut call.path, fields::query(fields)?);
        }
    }
    Ok(call)
}

/// Values fill the operation's path in their order; a field is the parameter that it names, or else a member of the
/// body.
fn call_of_operation(arguments: &Arguments, fields: Vec<Field>, body: Option<Bytes>) -> Outcome<Call> {
    if arguments.method.is_some() {
        return Err(Failure::usage("an operation has its own method").do_next("leave -X out"));
    }
    let request = OperationRequest::of(&arguments.target).map_err(Error::from)?;
    let operation = request.operation().clone();
    let mut request = request.headers(headers(arguments));
    let names: Vec<_> = operation.path_parameters().collect();
    if arguments.values.len() > names.len() {
        return Err(Failure::usage(format_args!("{} has no place for so many values", operation.id()))
            .because(format_args!("its path is {}", operation.path())));
    }
    for (name, value) in names.iter().zip(&arguments.values) {
        request = request.parameter(name, value);
    }
    let (parameters, members): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .partition(|field| !operation.takes_body() || is_parameter(&operation, field.name()));
    for field in &parameters {
        request = request.parameter(field.name(), field.text_value());
    }
    match body {
        Some(_) if !members.is_empty() => {
            return Err(Failure::usage("the body comes from the input, and from fields too").do_next(
                "give one of them; a field beside an input can be a parameter of the operation alone",
            ));
        }
        Some(body) => request = request.body(body),
        None if !members.is_empty() => request = request.json(&fields::object(&members)?),
        None => {}
    }
    let call = if arguments.paginate { request.into_paged_call() } else { request.into_call() };
    Ok(call.map_err(Error::from)?)
}

fn is_parameter(operation: &Operation, name: &str) -> bool {
    operation.path_parameters().any(|own| own == name)
        || operation.query_parameters().any(|own| own.name == name)
}

fn fields(arguments: &Arguments) -> Outcome<Vec<Field>> {
    let texts = arguments.texts.iter().map(|field| Field::text(field));
    texts.chain(arguments.typed.iter().map(|field| Field::typed(field))).collect()
}

fn headers(arguments: &Arguments) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &arguments.headers {
        headers.append(name, value.clone());
    }
    headers
}

fn add_to_query(path: &mut String, query: Option<String>) {
    if let Some(query) = query {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&query);
    }
}

pub(super) fn header_field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header field is written as 'Name: value'")?;
    let name = name.trim().parse().map_err(|_| format!("`{}` is no name of a header field", name.trim()))?;
    let value =
        value.trim().parse().map_err(|_| "the value has characters that no header field has".to_owned())?;
    Ok((name, value))
}
