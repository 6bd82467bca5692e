//! What a call would send, without sending it: `--dry-run` as HTTP, `--curl` as a command line.
//!
//! Neither has a token or a proof in it. A proof is for one request and one minute, so the command makes both when it is
//! run, with the flags that this run was given.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};

use crate::output::{FAINT, NAME, Output};
use crate::report::{Failure, Outcome};

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

/// Where no key for proofs is set, one that is made by the commands.
const NEW_KEY: &str = "dpop_private_key.pem";

/// Whose token the commands ask for.
pub(super) enum Token {
    /// None: what is asked for is there for everyone.
    NotNeeded,
    Bearer,
    /// Bound to the key in this file, or of this reference.
    BoundTo(String),
    /// Bound to a key for which no file is set.
    BoundToNewKey,
}

/// Commands that make a call with curl.
pub(super) struct CurlCommand {
    pub(super) request: Request<Bytes>,
    pub(super) token: Token,
    /// What `keybound token` is given so that it has the same token.
    pub(super) flags: Vec<String>,
    /// The file of a certificate authority that is trusted beside the system's.
    pub(super) authority: Option<String>,
}

impl CurlCommand {
    /// For a POSIX shell, in the folder in which this is run.
    pub(super) fn text(&self) -> Outcome<String> {
        let mut command = self.before();
        let (uri, method) = (self.request.uri().to_string(), self.request.method());
        // `-X HEAD` would wait for a body.
        let method_flag = if *method == Method::HEAD { "--head".to_owned() } else { format!("-X {method}") };
        let no_globs = if uri.contains(['[', ']', '{', '}']) { " --globoff" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(command, "curl{no_globs} {method_flag} {}", quoted(&uri));
        for field in self.credentials(&uri) {
            let _ = write!(command, " \\\n  -H \"{field}\"");
        }
        for (name, value) in self.request.headers() {
            let field = format!("{}: {}", written(name), text(value));
            let _ = write!(command, " \\\n  -H {}", quoted(&field));
        }
        if let Some(authority) = &self.authority {
            let _ = write!(command, " \\\n  --cacert {}", quoted(authority));
        }
        if !self.request.body().is_empty() {
            // `--data-binary` would read a file where the body begins with `@`.
            let _ = write!(command, " \\\n  --data-raw {}", quoted(body(&self.request)?));
        }
        Ok(command)
    }

    /// What has to be there before the call: the key, the token.
    fn before(&self) -> String {
        let words = std::iter::once(String::new()).chain(self.flags.iter().map(|flag| quoted(flag)));
        let flags = words.collect::<Vec<_>>().join(" ");
        match &self.token {
            Token::NotNeeded => String::new(),
            Token::Bearer => format!("TOKEN=$(keybound token{flags})\n"),
            Token::BoundTo(key) => {
                format!("KEY={}\nTOKEN=$(keybound token --key \"$KEY\"{flags})\n", quoted(key))
            }
            Token::BoundToNewKey => format!(
                "KEY={NEW_KEY}\n[ -e \"$KEY\" ] || keybound keys new --alg ES256 --out dpop >&2\n\
                 TOKEN=$(keybound token --key \"$KEY\"{flags})\n"
            ),
        }
    }

    /// The header fields with the token and the proof, as they stand in double quotes.
    fn credentials(&self, uri: &str) -> Vec<String> {
        match self.token {
            Token::NotNeeded => Vec::new(),
            Token::Bearer => vec!["Authorization: Bearer $TOKEN".to_owned()],
            Token::BoundTo(_) | Token::BoundToNewKey => {
                let (method, url) = (self.request.method(), quoted(uri));
                let proof = format!("keybound proof --key \"$KEY\" -X {method} --url {url}");
                vec![
                    "Authorization: DPoP $TOKEN".to_owned(),
                    format!("DPoP: $({proof} --access-token \"$TOKEN\")"),
                ]
            }
        }
    }
}

/// The body, if a command line can have it.
fn body(request: &Request<Bytes>) -> Outcome<&str> {
    let text = std::str::from_utf8(request.body()).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| {
        Failure::usage("--curl can't write the body")
            .because("it is no text, which a command line has to be")
            .do_next("look at the request without it, and add --data-binary @FILE to the command")
    })
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
    fn a_command_is_one_that_curl_takes_to_the_letter() {
        let call = |method: Method, uri: &str, body: &'static str| {
            let mut request = Request::new(Bytes::from_static(body.as_bytes()));
            (*request.method_mut(), *request.uri_mut()) = (method, uri.parse().unwrap());
            let token = Token::NotNeeded;
            CurlCommand { request, token, flags: Vec::new(), authority: None }.text().unwrap()
        };
        for (method, uri, body, command, why) in [
            (Method::GET, "https://o.example/a", "", "curl -X GET https://o.example/a", "plain"),
            (
                Method::HEAD,
                "https://o.example/a",
                "",
                "curl --head https://o.example/a",
                "no body is waited for",
            ),
            (
                Method::GET,
                "https://o.example/a?b[]={c}",
                "",
                "curl --globoff -X GET 'https://o.example/a?b[]={c}'",
                "brackets are no pattern",
            ),
            (
                Method::POST,
                "https://o.example/a",
                "@file",
                "curl -X POST https://o.example/a \\\n  --data-raw @file",
                "a body that begins as the name of a file",
            ),
        ] {
            assert_eq!(call(method, uri, body), command, "{why}");
        }
    }

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
