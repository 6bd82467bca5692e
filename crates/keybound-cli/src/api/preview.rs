//! What a call would send, without sending it: `--dry-run` as HTTP, `--curl` as a command line.
//!
//! Neither has a token or a proof in it. A proof is for one request and one minute, so the command makes both when it is
//! run.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use crate::output::{FAINT, NAME, Output};
use crate::report::Outcome;

/// Prints the request as it would go out, with names in place of what is secret.
pub(super) fn dry_run(request: &Request<Bytes>, is_bound: bool, output: Output) -> Outcome {
    output.line(format_args!("{NAME}{} {} HTTP/1.1{NAME:#}", request.method(), request.uri()))?;
    let scheme = if is_bound { "DPoP" } else { "Bearer" };
    output.line(format_args!("{FAINT}authorization:{FAINT:#} {scheme} <access token>"))?;
    if is_bound {
        output.line(format_args!("{FAINT}dpop:{FAINT:#} <proof for this request>"))?;
    }
    for (name, value) in request.headers() {
        output.line(format_args!("{FAINT}{name}:{FAINT:#} {}", text(value)))?;
    }
    if request.body().is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.bytes(request.body())?;
    output.line("")
}

/// Where no key for proofs is set, one that has yet to be made.
const KEY_TO_BE_MADE: &str = "dpop_private_key.pem";

/// Whose token the commands ask for.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Bearer,
    /// Bound to the key in this file.
    BoundTo(&'a str),
    /// Bound to a key for which no file is set.
    BoundToNewKey,
}

/// Prints commands that make the same call with curl.
pub(super) fn curl(
    request: &Request<Bytes>,
    token: Token<'_>,
    authority: Option<&str>,
    output: Output,
) -> Outcome {
    let (uri, method) = (request.uri().to_string(), request.method());
    let is_bound = !matches!(token, Token::Bearer);
    let (option, scheme) = if is_bound { (" --key \"$KEY\"", "DPoP") } else { ("", "Bearer") };
    let mut command = match token {
        Token::BoundTo(file) => format!("KEY={}\n", quoted(file)),
        Token::BoundToNewKey => {
            format!("KEY={KEY_TO_BE_MADE}   # keybound keys new --alg ES256 --out dpop\n")
        }
        Token::Bearer => String::new(),
    };
    // Writing to a string does not fail.
    let _ = write!(command, "TOKEN=$(keybound token{option})\ncurl -X {method} {}", quoted(&uri));
    let _ = write!(command, " \\\n  -H \"Authorization: {scheme} $TOKEN\"");
    if is_bound {
        let proof = format!("keybound proof --key \"$KEY\" -X {method} --url {}", quoted(&uri));
        let _ = write!(command, " \\\n  -H \"DPoP: $({proof} --access-token \"$TOKEN\")\"");
    }
    for (name, value) in request.headers() {
        let _ = write!(command, " \\\n  -H {}", quoted(&format!("{}: {}", written(name), text(value))));
    }
    if let Some(authority) = authority {
        let _ = write!(command, " \\\n  --cacert {}", quoted(authority));
    }
    if !request.body().is_empty() {
        let _ = write!(command, " \\\n  --data-binary {}", quoted(&String::from_utf8_lossy(request.body())));
    }
    output.line(command)
}

/// A name as people write it.
fn written(name: &HeaderName) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    name.as_str().split('-').map(capital).collect::<Vec<String>>().join("-")
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// One word for a POSIX shell, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        for (text, word) in [
            ("https://o.example/api/v1/users", "https://o.example/api/v1/users"),
            ("https://o.example/a?b=c&d", "'https://o.example/a?b=c&d'"),
            ("it's", r"'it'\''s'"),
            ("$(rm -rf /) `x` \"y\"", "'$(rm -rf /) `x` \"y\"'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
