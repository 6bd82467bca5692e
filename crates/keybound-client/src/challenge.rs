//! `WWW-Authenticate`: what a protected resource says when it refuses a request
//! (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9449 section 7.1).

use http::{HeaderMap, header};

use crate::field;

/// Challenges read from one answer, at most; servers send one or two.
const MAX_CHALLENGES: usize = 16;

/// Parameters read from one challenge, at most; RFC 6750 and RFC 9449 define five.
const MAX_PARAMETERS: usize = 32;

/// One challenge of a `DPoP` or `Bearer` scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// `use_dpop_nonce`, `invalid_token`, `invalid_dpop_proof`, `insufficient_scope`, …
    pub error: Option<String>,
    /// The server's own words.
    pub error_description: Option<String>,
    /// The scopes that the request needs.
    pub scope: Option<String>,
}

impl Challenge {
    /// The challenge that says most about why a request was refused: the first one with an error, of the
    /// `DPoP` scheme before `Bearer`.
    ///
    /// `None` if there is none with an error: a server that got no credentials names no error
    /// (RFC 6750 section 3.1).
    pub fn refusal(answer: &HeaderMap) -> Option<Self> {
        let challenges = parse_all(answer);
        ["DPoP", "Bearer"].into_iter().find_map(|scheme| {
            challenges
                .iter()
                .filter(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
                .map(Parsed::meaning)
                .find(|challenge| challenge.error.is_some())
        })
    }

    /// Whether the error is `code`.
    pub fn is(&self, code: &str) -> bool {
        self.error.as_deref() == Some(code)
    }
}

/// A challenge as it stands in the header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Parsed {
    fn meaning(&self) -> Challenge {
        Challenge {
            error: self.parameter("error"),
            error_description: self.parameter("error_description"),
            scope: self.parameter("scope"),
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let (_, value) = self.parameters.iter().find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        Some(field::readable(value))
    }
}

fn parse_all(answer: &HeaderMap) -> Vec<Parsed> {
    let mut challenges = Vec::new();
    for value in answer.get_all(header::WWW_AUTHENTICATE) {
        // A quoted string may hold bytes beyond ASCII; what is read here is shown to people only.
        parse_field(&String::from_utf8_lossy(value.as_bytes()), &mut challenges);
    }
    challenges
}

/// Reads one field's challenges; what is neither a scheme nor a parameter is skipped to the next comma.
fn parse_field(text: &str, challenges: &mut Vec<Parsed>) {
    let mut rest = text;
    let mut current: Option<Parsed> = None;
    while !rest.is_empty() {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((token, after)) = field::token(rest) else {
            rest = rest.split_once(',').map_or("", |(_, after)| after);
            continue;
        };
        if let Some((value, after)) = parameter_value(after) {
            let Some(challenge) = &mut current else { break };
            if challenge.parameters.len() == MAX_PARAMETERS {
                break;
            }
            challenge.parameters.push((token.to_owned(), value));
            rest = after;
        } else {
            challenges.extend(current.take());
            if challenges.len() >= MAX_CHALLENGES {
                return;
            }
            current = Some(Parsed { scheme: token.to_owned(), parameters: Vec::new() });
            rest = after;
        }
    }
    challenges.extend(current);
}

/// The value after a parameter's name, `= token` or `= "quoted"`, and what follows it.
fn parameter_value(after_name: &str) -> Option<(String, &str)> {
    let value = field::skip_white_space(field::skip_white_space(after_name).strip_prefix('=')?);
    field::quoted_string(value).or_else(|| field::token(value).map(|(token, rest)| (token.to_owned(), rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn answer(fields: &[&str]) -> HeaderMap {
        let value = |field: &&str| HeaderValue::from_bytes(field.as_bytes()).unwrap();
        fields.iter().map(|field| (header::WWW_AUTHENTICATE, value(field))).collect()
    }

    #[test]
    fn the_error_of_a_challenge_is_found() {
        for (fields, error, why) in [
            (&[r#"DPoP error="use_dpop_nonce""#][..], Some("use_dpop_nonce"), "RFC 9449 section 9"),
            (
                &[r#"DPoP error="use_dpop_nonce", error_description="Resource server requires nonce""#][..],
                Some("use_dpop_nonce"),
                "with a description",
            ),
            (
                &[r#"dpop algs="ES256 RS256", ERROR="invalid_token""#][..],
                Some("invalid_token"),
                "names without case",
            ),
            (&["DPoP error=invalid_token"][..], Some("invalid_token"), "a token as the value"),
            (&[r#"DPoP error = "invalid_token""#][..], Some("invalid_token"), "white space around ="),
            (
                &[r#"Bearer realm="a, b\"", DPoP error="invalid_dpop_proof""#][..],
                Some("invalid_dpop_proof"),
                "two challenges in one field",
            ),
            (
                &[r#"Bearer error="invalid_request""#, r#"DPoP error="invalid_token""#][..],
                Some("invalid_token"),
                "DPoP is told before Bearer",
            ),
            (
                &[r#"DPoP algs="ES256""#, r#"Bearer error="invalid_token""#][..],
                Some("invalid_token"),
                "Bearer",
            ),
            (
                &[r#"Negotiate ab/c==, DPoP error="invalid_token""#][..],
                Some("invalid_token"),
                "after credentials that are no parameters",
            ),
            (&[r#"DPoP algs="ES256""#][..], None, "no error"),
            (&[r#"Basic error="invalid_token""#][..], None, "another scheme"),
            (&[r#"DPoP error="invalid_token"#][..], None, "an open quoted string"),
            (&[r#"error="invalid_token""#][..], None, "no scheme"),
            (&["", ",,,", "=", "\""][..], None, "nothing at all"),
        ] {
            let refusal = Challenge::refusal(&answer(fields));
            assert_eq!(refusal.and_then(|challenge| challenge.error).as_deref(), error, "{why}: {fields:?}");
        }
    }

    #[test]
    fn the_words_of_the_server_are_kept() {
        let field = r#"DPoP error="insufficient_scope", error_description="say \"please\"", scope="a b""#;
        let challenge = Challenge::refusal(&answer(&[field])).unwrap();
        assert!(challenge.is("insufficient_scope"));
        assert_eq!(challenge.error_description.as_deref(), Some(r#"say "please""#));
        assert_eq!(challenge.scope.as_deref(), Some("a b"));
    }

    #[test]
    fn what_is_read_is_bounded() {
        let schemes = "x ".repeat(10_000);
        assert!(parse_all(&answer(&[&schemes])).len() <= MAX_CHALLENGES);
        let parameters = format!("DPoP {}", "a=b,".repeat(10_000));
        assert_eq!(parse_all(&answer(&[&parameters])).first().unwrap().parameters.len(), MAX_PARAMETERS);
    }

    proptest! {
        #[test]
        fn any_field_is_read_to_its_end(field in r#"([ -~]|DPoP|Bearer|error|[=",\\ ]){0,200}"#) {
            Challenge::refusal(&answer(&[&field]));
        }

        #[test]
        fn a_description_is_read_back_as_it_was_written(description in "[ -~]{0,100}") {
            let quoted = description.replace('\\', r"\\").replace('"', r#"\""#);
            let field = format!(r#"DPoP error="e", error_description="{quoted}", algs="ES256""#);
            let challenge = Challenge::refusal(&answer(&[&field])).unwrap();
            prop_assert_eq!(challenge.error_description, Some(description));
        }
    }
}
