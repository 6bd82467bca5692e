//! A request as text, as a proxy logs it or a person writes it: request line, header fields, an empty line.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use http::header::DATE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use keybound::NumericDate;

use crate::report::{Failure, Outcome};

/// Bytes that are read, at most: far more than all header fields that the guard takes.
const MAX_BYTES: u64 = 1024 * 1024;

/// A request that was recorded. Its body does not matter to a guard and is left out.
#[derive(Debug)]
pub(super) struct RecordedRequest {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl RecordedRequest {
    /// Reads it from a file; `-` is standard input.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        let unreadable = |error: io::Error| {
            Failure::usage(format_args!("the request in {} can't be read", path.display()))
                .because(error)
                .do_next("name a file with the recorded request, or `-` for standard input")
        };
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            io::stdin().take(MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        } else {
            fs::File::open(path)
                .map_err(unreadable)?
                .take(MAX_BYTES)
                .read_to_end(&mut bytes)
                .map_err(unreadable)?;
        }
        Self::parse(&bytes).map_err(|reason| {
            Failure::usage(format_args!("the request in {} is no HTTP request", path.display()))
                .because(reason)
                .do_next("write its request line (GET /path HTTP/1.1), its header fields, and an empty line")
        })
    }

    /// Nothing of what is read goes into the reason: it may be a secret.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut lines =
            bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
        let mut words = first.split(' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let method = method.and_then(|method| method.parse().ok());
        let uri = target.and_then(|target| target.parse().ok());
        let is_http = version.is_some_and(|version| version.starts_with("HTTP/")) && words.next().is_none();
        let (Some(method), Some(uri), true) = (method, uri, is_http) else {
            return Err("its first line is not METHOD, target and version".to_owned());
        };
        let mut headers = HeaderMap::new();
        for (number, line) in lines.enumerate().take_while(|(_, line)| !line.is_empty()) {
            let field =
                line.iter().position(|byte| *byte == b':').and_then(|colon| line.split_at_checked(colon));
            let field = field.and_then(|(name, value)| {
                let value = value.strip_prefix(b":")?.trim_ascii();
                Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
            });
            let Some((name, value)) = field else {
                return Err(format!("line {} is no header field", number + 2));
            };
            headers.append(name, value);
        }
        Ok(Self { method, uri, headers })
    }

    /// When it was sent, by its own `Date`.
    pub(super) fn date(&self) -> Option<NumericDate> {
        let date = self.headers.get(DATE)?.to_str().ok()?;
        httpdate::parse_http_date(date).ok().map(|date: SystemTime| date.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_recorded() {
        let text =
            b"POST /orders?a=b HTTP/1.1\r\nHost: a.example\r\nDPoP:  x \nDPoP: y\r\n\r\nbody: no field";
        let request = RecordedRequest::parse(text).unwrap();
        assert_eq!((request.method, request.uri.to_string()), (Method::POST, "/orders?a=b".to_owned()));
        let proofs: Vec<_> = request.headers.get_all("dpop").iter().collect();
        assert_eq!(proofs, ["x", "y"]);
        assert_eq!(request.headers.len(), 3);
    }

    #[test]
    fn what_is_no_request_is_told_by_its_line() {
        for (text, reason) in [
            ("", "first line"),
            ("GET /", "first line"),
            ("GET / HTTP/1.1 x", "first line"),
            ("GET / HTTP/1.1\nsecret", "line 2"),
            ("GET / HTTP/1.1\nHost: a\n: secret", "line 3"),
        ] {
            let refused = RecordedRequest::parse(text.as_bytes()).unwrap_err();
            assert!(refused.contains(reason) && !refused.contains("secret"), "{refused}");
        }
    }
}
