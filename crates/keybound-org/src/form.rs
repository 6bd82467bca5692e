//! The form of a request, from its body or its query (RFC 6749 section 3), read strictly.

use std::collections::BTreeMap;
use std::fmt;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use url::form_urlencoded;
use zeroize::Zeroize;

/// Bytes of a form, at most: an assertion of 16 KiB, and as much for the scopes of all of Okta's API.
pub(crate) const MAX_FORM_BYTES: usize = 32 * 1024;

/// Parameters of a form, at most; an authorization request has fifteen.
const MAX_PARAMETERS: usize = 32;

/// Parameters of a token request that may stand in its URL: Okta takes them there, and its SDKs for Go (version 2) and
/// Java (before they knew DPoP) send them so, with an empty body.
const TAKEN_FROM_QUERY: [&str; 5] =
    ["client_assertion", "client_assertion_type", "client_id", "grant_type", "scope"];

/// Parameters that must not stand in a URL, which is logged on its way (RFC 6749 section 2.3.1): whoever reads them
/// could use them.
const NEVER_IN_QUERY: [&str; 8] = [
    "assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "password",
    "refresh_token",
    "subject_token",
];

/// The parameters of a request. One without a value is as if it were not there (RFC 6749 section 3.2).
#[derive(Clone)]
pub(crate) struct Form {
    parameters: BTreeMap<String, String>,
}

/// Why a form cannot be read. The answer to all is `invalid_request`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormRefusal {
    #[error("The body must be sent as application/x-www-form-urlencoded.")]
    ContentType,
    #[error("The parameters are larger than {MAX_FORM_BYTES} bytes.")]
    TooLarge,
    #[error("The parameters are not a form: it has characters that must be percent-encoded, or is no UTF-8.")]
    Malformed,
    #[error("There are more than {MAX_PARAMETERS} parameters.")]
    TooManyParameters,
    #[error("A parameter is there more than once (RFC 6749 section 3.2).")]
    Repeated,
    #[error("The parameter {0} is missing.")]
    Missing(&'static str),
    #[error("The parameter {0} is in the URL; it must be sent in the body (RFC 6749 section 2.3.1).")]
    InQuery(&'static str),
}

impl Form {
    /// Reads the body of a request with these header fields.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, FormRefusal> {
        if !is_form(headers) {
            return Err(FormRefusal::ContentType);
        }
        Self::parse(body)
    }

    /// Reads a token request: the body and, of the query, the parameters that Okta takes from there. Each stands in one
    /// of both. A request without a body need not say of what type that is.
    pub(crate) fn of_token_request(
        headers: &HeaderMap,
        body: &[u8],
        query: Option<&str>,
    ) -> Result<Self, FormRefusal> {
        let Some(query) = query else { return Self::read(headers, body) };
        if body.len().saturating_add(query.len()) > MAX_FORM_BYTES {
            return Err(FormRefusal::TooLarge);
        }
        let in_query = Self::of_query(query)?;
        if let Some(secret) = NEVER_IN_QUERY.into_iter().find(|name| in_query.get(name).is_some()) {
            return Err(FormRefusal::InQuery(secret));
        }
        let mut form = if body.is_empty() { Self::parse(body)? } else { Self::read(headers, body)? };
        for name in TAKEN_FROM_QUERY {
            let Some(value) = in_query.get(name) else { continue };
            if form.parameters.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(FormRefusal::Repeated);
            }
        }
        Ok(form)
    }

    /// Reads the query of a request.
    pub(crate) fn of_query(query: &str) -> Result<Self, FormRefusal> {
        if query.len() > MAX_FORM_BYTES {
            return Err(FormRefusal::TooLarge);
        }
        Self::parse(query.as_bytes())
    }

    fn parse(body: &[u8]) -> Result<Self, FormRefusal> {
        if !body.iter().all(u8::is_ascii_graphic) || !is_percent_encoded(body) {
            return Err(FormRefusal::Malformed);
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.len() == MAX_PARAMETERS {
                return Err(FormRefusal::TooManyParameters);
            }
            if [&name, &value].into_iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
                return Err(FormRefusal::Malformed);
            }
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(FormRefusal::Repeated);
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self { parameters })
    }

    /// The parameter of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The parameter of this name, which must be there.
    pub(crate) fn require(&self, name: &'static str) -> Result<&str, FormRefusal> {
        self.get(name).ok_or(FormRefusal::Missing(name))
    }

    /// Puts a parameter in place of the one of its name.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.parameters.insert(name.to_owned(), value);
    }

    /// Takes a parameter out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.parameters.remove(name);
    }

    /// The parameters as a query has them.
    pub(crate) fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parameters).finish()
    }
}

impl Drop for Form {
    /// A value may be a password.
    fn drop(&mut self) {
        self.parameters.values_mut().for_each(Zeroize::zeroize);
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(CONTENT_TYPE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let media_type = field.to_str().ok().and_then(|field| field.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Whether two hexadecimal digits stand behind each `%`.
fn is_percent_encoded(text: &[u8]) -> bool {
    let is_encoded =
        |rest: &[u8]| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    text.split(|byte| *byte == b'%').skip(1).all(is_encoded)
}

impl fmt::Debug for Form {
    /// The names alone: a value may be a client assertion.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.parameters.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(content_type: &'static str, body: &str) -> Result<Form, FormRefusal> {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static(content_type))].into_iter().collect();
        Form::read(&headers, body.as_bytes())
    }

    #[test]
    fn a_form_is_read_strictly() {
        use FormRefusal as R;
        const FORM: &str = "application/x-www-form-urlencoded";
        let many = (0..=MAX_PARAMETERS).map(|number| format!("a{number}=1")).collect::<Vec<_>>().join("&");
        for (content_type, body, expected) in [
            (FORM, "scope=a+b%20c&grant_type=x", Ok(Some("a b c"))),
            ("Application/X-WWW-form-urlencoded; charset=UTF-8", "scope=a", Ok(Some("a"))),
            (FORM, "", Ok(None)),
            (FORM, "scope=", Ok(None)),
            (FORM, "scope=%C3%A9", Ok(Some("é"))),
            ("application/json", "{}", Err(R::ContentType)),
            ("", "scope=a", Err(R::ContentType)),
            (FORM, "scope=a&scope=a", Err(R::Repeated)),
            (FORM, "scope=a&scope=", Err(R::Repeated)),
            (FORM, "scope=%4", Err(R::Malformed)),
            (FORM, "scope=%zz", Err(R::Malformed)),
            (FORM, "scope=%FF", Err(R::Malformed)),
            (FORM, "scope=a b", Err(R::Malformed)),
            (FORM, "scope=é", Err(R::Malformed)),
            (FORM, "scope=a\r\n", Err(R::Malformed)),
            (FORM, &many, Err(R::TooManyParameters)),
        ] {
            let found = read(content_type, body);
            let found = found.as_ref().map(|form| form.get("scope"));
            assert_eq!(found, expected.as_ref().map(|scope| *scope), "{content_type} {body}");
        }
    }

    #[test]
    fn of_the_query_of_a_token_request_is_taken_what_okta_takes_from_there() {
        use FormRefusal as R;
        const FORM: &str = "application/x-www-form-urlencoded";
        let large = format!("scope={}", "a".repeat(MAX_FORM_BYTES));
        for (content_type, body, query, expected) in [
            (FORM, "", Some("scope=a"), Ok(Some("a"))),
            ("", "", Some("scope=a+b&client_assertion_type=urn:x"), Ok(Some("a b"))),
            (FORM, "grant_type=x", Some("scope=a"), Ok(Some("a"))),
            (FORM, "scope=a", Some(""), Ok(Some("a"))),
            (FORM, "scope=a", Some("unknown=1&scope="), Ok(Some("a"))),
            (FORM, "scope=", Some("scope=a"), Ok(Some("a"))),
            (FORM, "", Some("client_secret="), Ok(None)),
            (FORM, "scope=a", Some("scope=a"), Err(R::Repeated)),
            (FORM, "", Some("scope=a&scope=a"), Err(R::Repeated)),
            (FORM, "", Some("scope=%zz"), Err(R::Malformed)),
            (FORM, "", Some("client_secret=s"), Err(R::InQuery("client_secret"))),
            (FORM, "scope=a", Some("refresh_token=s"), Err(R::InQuery("refresh_token"))),
            (FORM, "", Some("code%5Fverifier=s"), Err(R::InQuery("code_verifier"))),
            ("application/json", "{}", Some("scope=a"), Err(R::ContentType)),
            ("", "", None, Err(R::ContentType)),
            (FORM, "", Some(&large), Err(R::TooLarge)),
            (FORM, &large[..MAX_FORM_BYTES], Some("client_id=a"), Err(R::TooLarge)),
        ] {
            let headers = [(CONTENT_TYPE, HeaderValue::from_static(content_type))].into_iter().collect();
            let found = Form::of_token_request(&headers, body.as_bytes(), query);
            let found = found.as_ref().map(|form| form.get("scope"));
            assert_eq!(found, expected.as_ref().map(|scope| *scope), "{body:.20} {query:.20?}");
        }
    }

    #[test]
    fn values_are_in_no_debug_text() {
        let form = read("application/x-www-form-urlencoded", "client_assertion=secret").unwrap();
        assert_eq!(format!("{form:?}"), r#"{"client_assertion"}"#);
    }
}
