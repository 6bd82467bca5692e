//! Who on this machine may use the proxy: whoever has its secret, or may open its socket.
//!
//! A port of the loopback interface is open to every process of the machine, and to web pages in its browsers: they
//! must not get what the proxy lends. The secret comes in `Authorization`, as `Bearer SECRET`, `SSWS SECRET` (what
//! Okta's SDKs send for an API token) or as the password of `Basic`; so any client that can be given a token can be
//! given this one. It goes no further.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use keybound::random::{OperatingSystem, Random as _};
use keybound::{TargetUri, base64url};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::key_file;
use crate::report::{Failure, Outcome};

/// What a browser says of where a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Bytes of a secret that is made here: more than can be guessed.
const SECRET_BYTES: usize = 32;

/// Letters of a secret from a file, at least.
const LEAST_SECRET_LENGTH: usize = 16;

/// Who is let in.
pub(super) enum LocalAccess {
    /// Whoever has the secret.
    Secret(Secret),
    /// Whoever can connect, other than web pages.
    Anyone,
}

/// A secret that is shared with the programs that may use the proxy.
pub(super) struct Secret(Zeroizing<String>);

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// No secret, or another one.
    WithoutSecret,
    /// A web page, by way of a browser of this machine.
    WebPage,
}

impl Secret {
    /// A new one.
    pub(super) fn generate() -> Outcome<Self> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        OperatingSystem
            .fill(bytes.as_mut_slice())
            .map_err(|error| Failure::new(ExitCode::Unexpected, "no secret can be made").because(error))?;
        Ok(Self(Zeroizing::new(base64url::encode(bytes.as_slice()))))
    }

    /// The one in a file that only its owner may read: its first line.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        let text = key_file::read_secret(path)?;
        let secret = text.lines().next().unwrap_or_default().trim();
        if secret.len() < LEAST_SECRET_LENGTH || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::new(
                ExitCode::Settings,
                format_args!("{} has no secret that can be used", path.display()),
            )
            .because(format_args!(
                "a secret is its first line: {LEAST_SECRET_LENGTH} or more letters, digits and signs"
            ))
            .do_next(format_args!("openssl rand -hex 32 > {}", path.display())));
        }
        Ok(Self(Zeroizing::new(secret.to_owned())))
    }

    /// The secret itself, to be told once to whoever started the proxy.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// In a time that tells nothing but whether the length is right.
    fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl LocalAccess {
    /// Lets in whoever sent `headers`, or says why not.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Stranger> {
        match self {
            Self::Secret(secret) => {
                let given = given_secret(headers).ok_or(Stranger::WithoutSecret)?;
                if secret.is(&given) { Ok(()) } else { Err(Stranger::WithoutSecret) }
            }
            Self::Anyone if is_from_a_page(headers) || !names_this_machine(uri, headers) => {
                Err(Stranger::WebPage)
            }
            Self::Anyone => Ok(()),
        }
    }
}

/// The secret in the one `Authorization` of a request.
fn given_secret(headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, rest) = field.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "ssws" => Some(Zeroizing::new(rest.as_bytes().to_vec())),
        "basic" => {
            let decoded = Zeroizing::new(STANDARD.decode(rest).ok()?);
            let colon = decoded.iter().position(|byte| *byte == b':')?;
            Some(Zeroizing::new(decoded.get(colon + 1..)?.to_vec()))
        }
        _ => None,
    }
}

/// Browsers say so with every request that a page makes to another origin.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let is_own = |site: &[u8]| matches!(site, b"none" | b"same-origin");
    headers.contains_key(ORIGIN) || headers.get(FETCH_SITE).is_some_and(|site| !is_own(site.as_bytes()))
}

/// A name that resolves to this machine and is another's is how a page gets past its browser's rules.
fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let field = || headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let Some(authority) = uri.authority().cloned().or_else(field) else { return false };
    TargetUri::parse(&format!("http://{authority}")).is_ok_and(|target| target.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn with_secret() -> LocalAccess {
        LocalAccess::Secret(Secret(Zeroizing::new("a-secret-of-the-proxy".to_owned())))
    }

    #[test]
    fn the_secret_lets_in_however_a_client_can_send_it() {
        let basic = format!("Basic {}", STANDARD.encode("anybody:a-secret-of-the-proxy"));
        let empty = format!("Basic {}", STANDARD.encode("a-secret-of-the-proxy"));
        for (value, is_let_in, why) in [
            ("Bearer a-secret-of-the-proxy", true, "as a token"),
            ("bearer  a-secret-of-the-proxy", true, "without case"),
            ("SSWS a-secret-of-the-proxy", true, "as Okta's API token"),
            (&basic, true, "as a password"),
            (&empty, false, "as a user without a password"),
            ("Bearer a-secret-of-the-prox", false, "cut short"),
            ("Bearer a-secret-of-the-proxyy", false, "too long"),
            ("Bearer A-secret-of-the-proxy", false, "another"),
            ("Bearer", false, "none"),
            ("Basic %%%", false, "no Base64"),
            ("DPoP a-secret-of-the-proxy", false, "a scheme that isn't for secrets"),
        ] {
            let admitted = with_secret().check(&Uri::from_static("/"), &headers(&[("authorization", value)]));
            assert_eq!(admitted.is_ok(), is_let_in, "{why}: {value}");
        }
        let twice = ("authorization", "Bearer a-secret-of-the-proxy");
        assert!(with_secret().check(&Uri::from_static("/"), &headers(&[twice, twice])).is_err(), "two");
        assert!(with_secret().check(&Uri::from_static("/"), &HeaderMap::new()).is_err(), "none");
    }

    #[test]
    fn a_web_page_is_not_let_in_without_the_secret() {
        for (uri, fields, is_let_in, why) in [
            ("/", &[("host", "127.0.0.1:8081")][..], true, "a program"),
            ("/", &[("host", "localhost:8081")], true, "by name"),
            ("/", &[("host", "[::1]:8081")], true, "by IPv6"),
            ("http://localhost:1/", &[], true, "HTTP/2, or a proxy's form"),
            ("/", &[("host", "rebound.example:8081")], false, "another's name for this machine"),
            ("http://rebound.example/", &[("host", "localhost")], false, "the target counts"),
            ("/", &[], false, "nobody's name"),
            ("/", &[("host", "localhost"), ("origin", "https://evil.example")], false, "a page's script"),
            ("/", &[("host", "localhost"), ("origin", "null")], false, "a page in a sandbox"),
            ("/", &[("host", "localhost"), ("sec-fetch-site", "cross-site")], false, "an image in a page"),
            ("/", &[("host", "localhost"), ("sec-fetch-site", "none")], true, "typed into a browser"),
        ] {
            let admitted = LocalAccess::Anyone.check(&uri.parse().unwrap(), &headers(fields));
            assert_eq!(admitted.is_ok(), is_let_in, "{why}");
        }
    }

    #[test]
    fn secrets_differ() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert!(one.text().len() > 40 && one.text() != other.text());
    }
}
