//! What is wrong with a form that was sent, each beside the field that it is about.

use http::StatusCode;

use super::Failure;
use crate::management::ApiError;

/// What whoever filled in a form can mend.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

#[derive(Debug)]
pub(super) struct Problem {
    /// The field's name, which is that of the member of the management API; empty if it is about the whole form.
    pub(super) field: String,
    pub(super) text: String,
}

/// What pages call the fields that a problem can be about.
const LABELS: [(&str, &str); 29] = [
    ("label", "Name"),
    ("name", "Name"),
    ("description", "Description"),
    ("redirect_uris", "Sign-in redirect URIs"),
    ("post_logout_redirect_uris", "Sign-out redirect URIs"),
    ("token_endpoint_auth_method", "Client authentication"),
    ("jwks", "Public key"),
    ("scopeId", "Scope"),
    ("type", "Role"),
    ("firstName", "First name"),
    ("lastName", "Last name"),
    ("email", "Email"),
    ("login", "Username"),
    ("password", "Password"),
    ("user", "User"),
    ("audiences", "Audience"),
    ("claimType", "Token type"),
    ("value", "Value"),
    ("conditions.scopes", "Scopes"),
    ("conditions.clients.include", "Clients"),
    ("conditions.grantTypes.include", "Grant types"),
    ("conditions.scopes.include", "Scopes"),
    ("accessTokenLifetimeMinutes", "Access token lifetime"),
    ("refreshTokenLifetimeMinutes", "Refresh token lifetime"),
    ("refreshTokenWindowMinutes", "Unused refresh token"),
    ("filter", "Filter"),
    ("search", "Search"),
    ("origin", "Origin URL"),
    ("scopes", "Type"),
];

impl Problem {
    /// What the page calls the field.
    pub(super) fn label(&self) -> &str {
        LABELS.iter().find(|(field, _)| *field == self.field).map_or(&self.field, |(_, label)| label)
    }
}

impl Problems {
    /// Something that is wrong with one field.
    pub(super) fn with(field: &str, text: impl Into<String>) -> Self {
        Self(vec![Problem { field: field.to_owned(), text: text.into() }])
    }

    /// The field `user` names nobody.
    pub(super) fn no_such_user() -> Self {
        Self::with("user", "There is no user of this username or id.")
    }

    /// What an error says of a form. One that says nothing of it is a failure.
    pub(super) fn of(error: ApiError) -> Result<Self, Failure> {
        let is_of_form = error.status().is_client_error() && error.status() != StatusCode::NOT_FOUND;
        if !is_of_form {
            return Err(error.into());
        }
        let problem = |cause: &String| {
            let named = cause.split_once(": ").filter(|(name, _)| is_name(name));
            let (field, text) = named.unwrap_or(("", cause));
            Problem { field: field.to_owned(), text: sentence(text) }
        };
        match error.causes() {
            [] => Ok(Self::with("", error.summary())),
            causes => Ok(Self(causes.iter().map(problem).collect())),
        }
    }

    /// The status of the page that shows them.
    pub(super) fn status(&self) -> StatusCode {
        if self.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Problem] {
        &self.0
    }

    /// What is wrong with a field, if something is.
    pub(super) fn about(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|problem| problem.field == field).map(|problem| problem.text.as_str())
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
}

/// The text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    [&first, characters.as_str(), end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_stands_beside_its_field() {
        let causes = ["label: The field cannot be left blank", "the app is active; deactivate it first"];
        let error = ApiError::invalid("label", causes.map(str::to_owned));
        let problems = Problems::of(error).unwrap();
        assert_eq!(problems.about("label"), Some("The field cannot be left blank."));
        assert_eq!(problems.about(""), Some("The app is active; deactivate it first."));
        assert_eq!(problems.all().first().map(Problem::label), Some("Name"));
        assert_eq!((problems.about("jwks"), problems.all().len()), (None, 2));
        assert!(Problems::of(ApiError::no_such("User", "x")).is_err(), "no form mends that");
    }
}
