//! The credentials of a request to a protected resource: a scheme and an access token, from the one
//! place where they may stand (RFC 9449 section 7.1, RFC 6750 section 2).

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::access_token::MAX_ACCESS_TOKEN_BYTES;
use crate::rule::Rule;

/// How an access token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// With a proof of possession (RFC 9449 section 7.1).
    Dpop,
    /// By whoever bears it (RFC 6750 section 2.1).
    Bearer,
}

impl Scheme {
    /// The scheme's name as it stands in `Authorization` and `WWW-Authenticate`, and as a `token_type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dpop => "DPoP",
            Self::Bearer => "Bearer",
        }
    }

    /// The scheme of this name, compared without case (RFC 9110 section 11.1).
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Dpop, Self::Bearer].into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.name()))
    }
}

/// The credentials of a request. The token is not verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'r> {
    /// The scheme.
    pub scheme: Scheme,
    /// The access token.
    pub access_token: &'r str,
}

/// Why a request has no credentials that can be considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsRefusal {
    /// There is no `Authorization` header field.
    #[error("the request carries no access token")]
    Missing,
    /// The scheme is neither `DPoP` nor `Bearer`.
    #[error("the request's authentication scheme is not DPoP")]
    OtherScheme,
    /// There is more than one `Authorization` header field.
    #[error("the request has more than one Authorization header field")]
    Several,
    /// The query has an `access_token`.
    #[error(
        "the request's query carries an access token; it belongs into the Authorization header field alone"
    )]
    InQuery,
    /// Behind the scheme does not stand one token of the characters that RFC 9110 section 11.2 gives it.
    #[error("the Authorization header field does not hold one access token")]
    Malformed,
    /// The token is longer than [`MAX_ACCESS_TOKEN_BYTES`].
    #[error("the access token is longer than {MAX_ACCESS_TOKEN_BYTES} bytes")]
    TooLarge,
}

impl CredentialsRefusal {
    /// The rule that is broken.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Missing => Rule::CredentialsRequired,
            Self::OtherScheme => Rule::Scheme,
            Self::Several | Self::InQuery | Self::Malformed | Self::TooLarge => Rule::OneCredential,
        }
    }
}

impl<'r> Credentials<'r> {
    /// The credentials of the request with these header fields and this query.
    pub fn of_request(headers: &'r HeaderMap, query: Option<&str>) -> Result<Self, CredentialsRefusal> {
        if query.is_some_and(has_access_token) {
            return Err(CredentialsRefusal::InQuery);
        }
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let field = fields.next().ok_or(CredentialsRefusal::Missing)?;
        if fields.next().is_some() {
            return Err(CredentialsRefusal::Several);
        }
        Self::parse(ascii(field).ok_or(CredentialsRefusal::Malformed)?)
    }

    fn parse(field: &'r str) -> Result<Self, CredentialsRefusal> {
        let (name, rest) = field.split_once(' ').unwrap_or((field, ""));
        let scheme = Scheme::from_name(name).ok_or(CredentialsRefusal::OtherScheme)?;
        let access_token = rest.trim_matches(' ');
        if access_token.len() > MAX_ACCESS_TOKEN_BYTES {
            return Err(CredentialsRefusal::TooLarge);
        }
        if !is_token68(access_token) {
            return Err(CredentialsRefusal::Malformed);
        }
        Ok(Self { scheme, access_token })
    }
}

/// RFC 9110 section 11.2.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Without a branch for each character of a token that may have thousands, nearly all of them good.
    let is_allowed = |byte: u8| {
        (byte | 0x20).is_ascii_lowercase() | matches!(byte, b'-'..=b'9') | matches!(byte, b'_' | b'~' | b'+')
    };
    !body.is_empty() && body.bytes().fold(true, |all, byte| all & is_allowed(byte))
}

/// The text of a header field, if it is ASCII.
pub(crate) fn ascii(field: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(field.as_bytes()).ok().filter(|text| text.is_ascii())
}

/// RFC 6750 section 2.3.
fn has_access_token(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({} ..)", self.scheme.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_request_carries_one_token_in_one_place() {
        use CredentialsRefusal as R;
        for (fields, query, expected) in [
            (vec!["DPoP abc"], None, Ok((Scheme::Dpop, "abc"))),
            (vec!["dpop abc"], None, Ok((Scheme::Dpop, "abc"))),
            (
                vec!["BEARER  a.b-c_d~e+f/g=="],
                Some("x=access_token"),
                Ok((Scheme::Bearer, "a.b-c_d~e+f/g==")),
            ),
            (vec![], None, Err(R::Missing)),
            (vec![""], None, Err(R::OtherScheme)),
            (vec!["Basic YTpi"], None, Err(R::OtherScheme)),
            (vec!["SSWS abc"], None, Err(R::OtherScheme)),
            (vec!["DPoPabc"], None, Err(R::OtherScheme)),
            (vec!["DPoP"], None, Err(R::Malformed)),
            (vec!["DPoP ="], None, Err(R::Malformed)),
            (vec!["DPoP a b"], None, Err(R::Malformed)),
            (vec!["DPoP a, Bearer b"], None, Err(R::Malformed)),
            (vec!["DPoP \"a\""], None, Err(R::Malformed)),
            (vec!["DPoP a=b"], None, Err(R::Malformed)),
            (vec!["DPoP \u{e9}"], None, Err(R::Malformed)),
            (vec!["DPoP a", "DPoP a"], None, Err(R::Several)),
            (vec!["DPoP a", "Bearer a"], None, Err(R::Several)),
            (vec!["DPoP a"], Some("limit=1&access_token=a"), Err(R::InQuery)),
            (vec![], Some("access_token"), Err(R::InQuery)),
            (vec![], Some("%61ccess%5Ftoken=a"), Err(R::InQuery)),
        ] {
            let mut headers = HeaderMap::new();
            for field in &fields {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(field.as_bytes()).unwrap());
            }
            let found =
                Credentials::of_request(&headers, query).map(|found| (found.scheme, found.access_token));
            assert_eq!(found, expected, "{fields:?} {query:?}");
        }
    }

    #[test]
    fn a_token_is_bounded_and_never_shown() {
        let long = format!("DPoP {}", "a".repeat(MAX_ACCESS_TOKEN_BYTES + 1));
        assert_eq!(Credentials::parse(&long), Err(CredentialsRefusal::TooLarge));
        assert_eq!(format!("{:?}", Credentials::parse("DPoP secret").unwrap()), "Credentials(DPoP ..)");
    }
}
