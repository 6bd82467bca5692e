//! Pages of other origins in browsers: which of them may call, and read the answers (CORS, the Fetch standard section
//! 3.3).

use std::time::Duration;

use http::{HeaderName, Method};
use serde::Deserialize;
use url::Url;

use super::{PolicyError, seconds};

/// Origins in a policy, at most.
pub const MAX_ALLOWED_ORIGINS: usize = 1000;

/// Methods, header fields that may be sent and header fields that may be read, at most, of each: browsers get them with
/// every preflight or every answer.
pub const MAX_CORS_NAMES: usize = 100;

/// The longest that a browser may remember what a preflight allowed: a day, beyond which none goes.
pub const MAX_PREFLIGHT_AGE: Duration = Duration::from_secs(86_400);

/// What stands for every origin.
const EVERY_ORIGIN: &str = "*";

/// Which pages of other origins may call, and read the answers. The reverse proxy alone goes by it; behind another proxy
/// and in a tower layer, what stands before the guard answers browsers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsRules {
    /// The origins of the pages, exactly as browsers write them (`https://app.example.com`), or `*` alone for every
    /// page. Without any, the guard says nothing of CORS, and judges a preflight as any request.
    pub allowed_origins: Vec<String>,
    /// The methods that pages may use. Browsers allow GET, HEAD and POST in any case.
    pub allowed_methods: Vec<String>,
    /// The header fields that pages may send beside `Authorization` and `DPoP`.
    pub allowed_headers: Vec<String>,
    /// The header fields that pages may read beside `DPoP-Nonce`, `WWW-Authenticate` and those that every page may.
    pub exposed_headers: Vec<String>,
    /// Lets pages send cookies and the like along. No token needs it: a script puts that into the request itself.
    pub allow_credentials: bool,
    /// How long a browser may remember what a preflight allowed; at most [`MAX_PREFLIGHT_AGE`].
    #[serde(rename = "max_age_seconds", deserialize_with = "seconds::duration")]
    pub max_age: Duration,
}

impl Default for CorsRules {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            allowed_origins: Vec::new(),
            allowed_methods: owned(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            allowed_headers: owned(&["Content-Type"]),
            exposed_headers: Vec::new(),
            allow_credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

impl CorsRules {
    /// Whether pages of any other origin may call.
    pub fn is_on(&self) -> bool {
        !self.allowed_origins.is_empty()
    }

    /// Whether pages of every origin may call.
    pub fn allows_every_origin(&self) -> bool {
        self.allowed_origins.iter().any(|origin| origin == EVERY_ORIGIN)
    }

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        self.check_origins()?;
        // `*` is what a token may be made of, and stands for others in a list of these.
        let is_method = |name: &str| {
            name != "*" && Method::from_bytes(name.as_bytes()).is_ok() && name == name.to_uppercase()
        };
        let is_field = |name: &str| name != "*" && HeaderName::from_bytes(name.as_bytes()).is_ok();
        names(
            "allowed_methods",
            &self.allowed_methods,
            "is no method; write one in capitals, as GET",
            is_method,
        )?;
        let no_field = "is no name of a header field; name each by itself";
        names("allowed_headers", &self.allowed_headers, no_field, is_field)?;
        names("exposed_headers", &self.exposed_headers, no_field, is_field)?;
        if self.max_age > MAX_PREFLIGHT_AGE {
            return wrong("max_age_seconds", format!("{} seconds at most", MAX_PREFLIGHT_AGE.as_secs()));
        }
        Ok(())
    }

    fn check_origins(&self) -> Result<(), PolicyError> {
        let origins = &self.allowed_origins;
        if origins.len() > MAX_ALLOWED_ORIGINS {
            return wrong("allowed_origins", format!("{MAX_ALLOWED_ORIGINS} at most"));
        }
        if self.allows_every_origin() {
            if origins.len() > 1 {
                return wrong(
                    "allowed_origins",
                    "`*` is every origin; write it alone, or the others without it",
                );
            }
            if self.allow_credentials {
                return wrong(
                    "allow_credentials",
                    "no browser takes it together with allowed_origins = [\"*\"]; name the origins",
                );
            }
            return Ok(());
        }
        origins.iter().try_for_each(|origin| match origin_as_browsers_write_it(origin) {
            Ok(written) if written == *origin => Ok(()),
            Ok(written) => wrong(
                "allowed_origins",
                format!("browsers write `{written}`, not `{}`", origin.escape_debug()),
            ),
            Err(reason) => wrong("allowed_origins", format!("`{}`: {reason}", origin.escape_debug())),
        })
    }
}

/// Scheme, host, and the port unless it is the scheme's own; all in lower case (the HTML standard, "serialization of an
/// origin").
fn origin_as_browsers_write_it(text: &str) -> Result<String, &'static str> {
    const NO_ORIGIN: &str =
        "it is no origin, such as \"https://app.example.com\" or \"http://localhost:3000\"";
    if text == "null" {
        return Err("any page can have it, from a file or in a sandbox; serve the page over https");
    }
    if text.contains('*') {
        return Err("origins are compared whole; name each by itself");
    }
    let url = Url::parse(text).map_err(|_| NO_ORIGIN)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NO_ORIGIN)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has no user");
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{}{port}", url.scheme(), host.to_ascii_lowercase()))
}

fn names(
    field: &str,
    names: &[String],
    reason: &str,
    is_one: impl Fn(&str) -> bool,
) -> Result<(), PolicyError> {
    if names.len() > MAX_CORS_NAMES {
        return wrong(field, format!("{MAX_CORS_NAMES} at most"));
    }
    match names.iter().find(|name| !is_one(name)) {
        Some(name) => wrong(field, format!("`{}` {reason}", name.escape_debug())),
        None => Ok(()),
    }
}

fn wrong(field: &str, reason: impl Into<String>) -> Result<(), PolicyError> {
    Err(PolicyError::field(format!("cors.{field}"), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for origin in [
            "https://app.example.com",
            "http://localhost:3000",
            "https://app.example.com:8443",
            "http://[2001:db8::1]:3000",
            "http://127.0.0.1",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
        ] {
            assert_eq!(origin_as_browsers_write_it(origin).as_deref(), Ok(origin));
        }
        for (text, written) in [
            ("https://App.Example.com", "https://app.example.com"),
            ("HTTPS://app.example.com", "https://app.example.com"),
            ("https://app.example.com/", "https://app.example.com"),
            ("https://app.example.com/path?a#b", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80", "http://app.example.com"),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
            ("https:app.example.com", "https://app.example.com"),
            ("http://0x7f.1", "http://127.0.0.1"),
            ("capacitor://LOCALHOST", "capacitor://localhost"),
        ] {
            assert_eq!(origin_as_browsers_write_it(text).as_deref(), Ok(written), "{text}");
        }
        for text in [
            "",
            "null",
            "app.example.com",
            "https://",
            "https://*.example.com",
            "https://user@app.example.com",
            "https://a b.example",
            "file:///index.html",
            "data:text/html,a",
            "https://app.example.com, https://b.example",
        ] {
            assert!(origin_as_browsers_write_it(text).is_err(), "{text}");
        }
    }
}
