//! A call made from an operation and its parameters, which are checked against the index before anything is
//! sent.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use http::HeaderMap;
use keybound_client::field;
use serde_json::Value;
use url::form_urlencoded;

use super::{Operation, OperationError, ParameterKind, Segment, find, nearest};
use crate::client::Call;
use crate::suggestion;

/// A call in the making: an operation, its parameters and its body.
///
/// What is wrong is told by [`into_call`](Self::into_call), the first of it; until then a request can be
/// written in one breath.
///
/// ```
/// use keybound_okta::operations::OperationRequest;
///
/// let call = OperationRequest::of("listUserGroups")?.parameter("id", "me@example.com").into_call()?;
/// assert_eq!(call.path, "/api/v1/users/me%40example.com/groups");
/// # Ok::<(), keybound_okta::operations::OperationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OperationRequest {
    operation: Operation,
    parameters: Vec<(String, String)>,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl OperationRequest {
    /// A request for the operation with this id.
    pub fn of(id: &str) -> Result<Self, OperationError> {
        find(id)
            .map(Self::new)
            .ok_or_else(|| OperationError::UnknownOperation { id: field::readable(id), nearest: nearest(id) })
    }

    /// A request for `operation`.
    pub fn new(operation: Operation) -> Self {
        Self { operation, parameters: Vec::new(), headers: HeaderMap::new(), body: None }
    }

    /// The operation.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Gives the parameter `name`, of the path or of the query, a value; one that takes several is given once
    /// for each. Whatever the value is, it stays one segment of the path, or one value of the query.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.parameters.push((name.to_owned(), value.to_string()));
        self
    }

    /// Gives the parameter a value, if there is one.
    #[must_use]
    pub fn optional(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.parameter(name, value),
            None => self,
        }
    }

    /// Gives the request a body as it is to be sent.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Gives the request a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// Gives the request header fields.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// The call, if the operation takes it.
    pub fn into_call(self) -> Result<Call, OperationError> {
        self.check_names()?;
        if self.body.is_some() && !self.operation.takes_body() {
            return Err(OperationError::BodyNotTaken { operation: Box::new(self.operation) });
        }
        let path = format!("{}{}", self.path()?, self.query()?);
        let body = self.body.unwrap_or_default();
        Ok(Call { method: self.operation.method().clone(), path, headers: self.headers, body })
    }

    /// The call whose answer comes in pages.
    pub fn into_paged_call(self) -> Result<Call, OperationError> {
        if !self.operation.is_paged() {
            return Err(OperationError::NotPaged { operation: Box::new(self.operation) });
        }
        self.into_call()
    }

    fn check_names(&self) -> Result<(), OperationError> {
        let operation = &self.operation;
        let known = || names(operation);
        match self.parameters.iter().find(|(name, _)| known().all(|known| known != name)) {
            Some((name, _)) => Err(OperationError::UnknownParameter {
                operation: Box::new(operation.clone()),
                name: field::readable(name),
                nearest: suggestion::nearest(name, known()),
            }),
            None => Ok(()),
        }
    }

    /// The operation's path with a value in each place that is open.
    fn path(&self) -> Result<String, OperationError> {
        let mut path = String::with_capacity(self.operation.path().len());
        for segment in self.operation.segments() {
            path.push('/');
            match segment {
                Segment::Parameter(name) => push_encoded(&mut path, self.segment(name)?),
                Segment::Word(word) => path.push_str(word),
            }
        }
        Ok(path)
    }

    fn segment(&self, name: &'static str) -> Result<&str, OperationError> {
        let operation = || Box::new(self.operation.clone());
        let value = self
            .only_value(name)?
            .ok_or_else(|| OperationError::MissingParameter { operation: operation(), name })?;
        // Percent-encoding doesn't help here: `%2e%2e` is a step up as well (WHATWG URL section 4.4).
        if matches!(value, "" | "." | "..") {
            let value = value.to_owned();
            return Err(OperationError::NotASegment { operation: operation(), name, value });
        }
        Ok(value)
    }

    /// The query, with its question mark if there is one.
    fn query(&self) -> Result<String, OperationError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for parameter in self.operation.query_parameters() {
            let name = parameter.name;
            if parameter.kind != ParameterKind::List {
                self.only_value(name)?;
            }
            if parameter.is_required && self.values(name).next().is_none() {
                return Err(OperationError::MissingParameter {
                    operation: Box::new(self.operation.clone()),
                    name,
                });
            }
            for value in self.values(name) {
                if !parameter.kind.takes(value) {
                    let (operation, value) = (Box::new(self.operation.clone()), field::readable(value));
                    return Err(OperationError::WrongKind { operation, name, kind: parameter.kind, value });
                }
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        Ok(if query.is_empty() { query } else { format!("?{query}") })
    }

    fn only_value(&self, name: &'static str) -> Result<Option<&str>, OperationError> {
        let mut values = self.values(name);
        let value = values.next();
        match values.next() {
            Some(_) => {
                Err(OperationError::SeveralValues { operation: Box::new(self.operation.clone()), name })
            }
            None => Ok(value),
        }
    }

    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.parameters.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// The names of all parameters.
pub(super) fn names(operation: &Operation) -> impl Iterator<Item = &'static str> + use<> {
    operation.path_parameters().chain(operation.query_parameters().map(|parameter| parameter.name))
}

/// Appends `value` so that nothing in it parts the path: all but the unreserved characters (RFC 3986
/// section 2.3) percent-encoded.
fn push_encoded(path: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::org_url::OrgUrl;
    use proptest::prelude::*;
    use serde_json::json;

    fn request(id: &str) -> OperationRequest {
        OperationRequest::of(id).unwrap()
    }

    #[test]
    fn a_call_is_made_of_an_operation_and_its_parameters() {
        for (request, path, why) in [
            (request("listUsers"), "/api/v1/users", "nothing has to be given"),
            (request("listUsers").parameter("limit", 10), "/api/v1/users?limit=10", "a number"),
            (request("listUsers").parameter("limit", "10"), "/api/v1/users?limit=10", "a number as text"),
            (
                request("listUsers").parameter("filter", r#"status eq "ACTIVE""#),
                "/api/v1/users?filter=status+eq+%22ACTIVE%22",
                "a filter",
            ),
            (
                request("listUsers").parameter("q", "a&limit=1#x?y=%41"),
                "/api/v1/users?q=a%26limit%3D1%23x%3Fy%3D%2541",
                "nothing in a value ends it",
            ),
            (
                request("getUser").parameter("id", "me@example.com"),
                "/api/v1/users/me%40example.com",
                "a login",
            ),
            (request("getUser").parameter("id", "a/b"), "/api/v1/users/a%2Fb", "a slash"),
            (
                request("getUser").parameter("id", "../x"),
                "/api/v1/users/..%2Fx",
                "steps with more after them",
            ),
            (request("getUser").parameter("id", "%2e%2e"), "/api/v1/users/%252e%252e", "encoded steps"),
            (
                request("getUser").parameter("id", "a\\b"),
                "/api/v1/users/a%5Cb",
                "what browsers take for a slash",
            ),
            (request("getUser").parameter("id", "ü\n"), "/api/v1/users/%C3%BC%0A", "other bytes"),
            (request("getUser").parameter("id", "a?b#c"), "/api/v1/users/a%3Fb%23c", "a query, a fragment"),
            (
                request("createUser").parameter("activate", true).json(&json!({})),
                "/api/v1/users?activate=true",
                "a switch and a body",
            ),
            (
                request("listBrands").parameter("expand", "themes").parameter("expand", "domains"),
                "/api/v1/brands?expand=themes&expand=domains",
                "several values",
            ),
            (
                request("listUsers").optional("limit", Some(1)).optional("q", None::<&str>),
                "/api/v1/users?limit=1",
                "what is there of what may be",
            ),
        ] {
            let call = request.clone().into_call().unwrap();
            assert_eq!(call.path, path, "{why}");
            assert_eq!(call.method, *request.operation().method(), "{why}");
        }
    }

    type Check = fn(&OperationError) -> bool;

    #[test]
    fn what_an_operation_does_not_take_is_refused_with_what_it_does() {
        use OperationError as E;
        let cases: [(OperationRequest, Check, &str, &str); 12] = [
            (
                request("listUsers").parameter("limt", 1),
                |it| matches!(it, E::UnknownParameter { .. }),
                "did you mean limit?",
                "a slip",
            ),
            (
                request("getUser").parameter("id", 1).parameter("filter", 1),
                |it| matches!(it, E::UnknownParameter { .. }),
                "it has id, expand",
                "nothing like it",
            ),
            (
                request("listUsers").parameter("limit", "ten"),
                |it| matches!(it, E::WrongKind { kind: ParameterKind::Integer, .. }),
                "a whole number",
                "no number",
            ),
            (
                request("listUsers").parameter("limit", true),
                |it| matches!(it, E::WrongKind { .. }),
                "`true` is none",
                "a switch for a number",
            ),
            (
                request("createUser").parameter("activate", "yes"),
                |it| matches!(it, E::WrongKind { kind: ParameterKind::Boolean, .. }),
                "`true` or `false`",
                "no switch",
            ),
            (
                request("getUser"),
                |it| matches!(it, E::MissingParameter { name: "id", .. }),
                "`id`",
                "no segment",
            ),
            (
                request("resetPassword").parameter("id", 1),
                |it| matches!(it, E::MissingParameter { name: "sendEmail", .. }),
                "`sendEmail`",
                "a query parameter that must be given",
            ),
            (
                request("getUser").parameter("id", ".."),
                |it| matches!(it, E::NotASegment { .. }),
                "{id}",
                "a step up",
            ),
            (
                request("getUser").parameter("id", "."),
                |it| matches!(it, E::NotASegment { .. }),
                "{id}",
                "a step",
            ),
            (
                request("getUser").parameter("id", ""),
                |it| matches!(it, E::NotASegment { .. }),
                "{id}",
                "nothing",
            ),
            (
                request("getUser").parameter("id", 1).parameter("id", 2),
                |it| matches!(it, E::SeveralValues { .. }),
                "one value",
                "twice",
            ),
            (
                request("listUsers").body("{}"),
                |it| matches!(it, E::BodyNotTaken { .. }),
                "takes no body",
                "a body",
            ),
        ];
        for (request, is_expected, words, why) in cases {
            let error = request.into_call().unwrap_err();
            assert!(is_expected(&error), "{why}: {error:?}");
            assert!(error.to_string().contains(words) && !error.advice().is_empty(), "{why}: {error}");
        }
        let error = OperationRequest::of("listUser").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`listUser` is no operation of the management API; did you mean listUsers?"
        );
        let error = request("getUser").parameter("id", 1).into_paged_call().unwrap_err();
        assert!(matches!(error, E::NotPaged { .. }), "{error:?}");
        assert!(request("listUsers").into_paged_call().is_ok());
    }

    proptest! {
        /// What is sent has as many segments as the operation's path has, and each is the value that was given.
        #[test]
        fn no_value_leaves_its_segment(user in r"(\PC|[./%\\?#]|%2[eEfF]){0,12}", client in r"(\PC|[./%\\?#:@]){1,12}") {
            let org = OrgUrl::parse("https://o.example").unwrap();
            let request = request("revokeGrantsForUserAndClient");
            let call = request.parameter("userId", &user).parameter("clientId", &client).into_call();
            let is_segment = |value: &str| !matches!(value, "" | "." | "..");
            prop_assert_eq!(call.is_ok(), is_segment(&user) && is_segment(&client));
            if let Ok(call) = call {
                let uri = org.resolve(&call.path).unwrap();
                let segments: Vec<_> = uri.path().split('/').collect();
                let decoded = |text: &str| percent_decoded(text);
                prop_assert_eq!(segments.len(), 8, "{}", uri);
                prop_assert_eq!(decoded(segments[4]), user);
                prop_assert_eq!(decoded(segments[6]), client);
                prop_assert_eq!(uri.query(), None);
            }
        }
    }

    fn percent_decoded(text: &str) -> String {
        let plus_kept = text.replace('+', "%2B");
        let pair = format!("a={plus_kept}");
        form_urlencoded::parse(pair.as_bytes()).next().unwrap().1.into_owned()
    }
}
