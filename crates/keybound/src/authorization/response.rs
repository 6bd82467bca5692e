//! The authorization response at the redirect URI (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207). Whoever
//! can make the user's browser open a URL can send one.

use std::borrow::Cow;

use super::request::PendingAuthorization;
use crate::excerpt::{NAME, SENTENCE, excerpt};
use crate::secret::Secret;
use crate::thumbprint::Thumbprint;

/// Bytes of a response's query, at most: what common servers take for a whole request line.
pub const MAX_RESPONSE_BYTES: usize = 8 * 1024;

/// Bytes of a code, at most. The longest in the wild are encrypted JWTs of two kilobytes.
pub const MAX_CODE_BYTES: usize = 4 * 1024;

/// A code out of a checked response, with what it may be exchanged with: it can be used once.
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    code: Secret,
    verifier: Secret,
    redirect_uri: String,
    bound_to: Option<Thumbprint>,
    nonce: Option<Secret>,
}

/// A rule that a response breaks, or the server's own refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseRefusal {
    /// Longer than [`MAX_RESPONSE_BYTES`].
    #[error("the authorization response has {found} bytes, more than the {MAX_RESPONSE_BYTES} that are read")]
    TooLarge {
        /// Bytes of the query.
        found: usize,
    },
    /// A parameter stands there twice: two readers could take two of its values.
    #[error("the authorization response has `{name}` more than once (RFC 6749 section 3.1)")]
    Duplicate {
        /// The parameter.
        name: &'static str,
    },
    /// It does not belong to the request: it is forged, or the response to an earlier one.
    #[error("the authorization response is not one to this request: its `state` is {} (RFC 6749 section 10.12)", if *.is_missing { "missing" } else { "another" })]
    WrongState {
        /// Whether there was none.
        is_missing: bool,
    },
    /// It comes from another server: the code would be sent to one that did not make it.
    #[error(
        "the authorization response comes from another server, `{found}` instead of `{expected}` (RFC 9207 section 2.4)"
    )]
    WrongIssuer {
        /// The issuer that was asked.
        expected: String,
        /// `iss`, cut.
        found: String,
    },
    /// The server says that it always names itself, and the response does not.
    #[error(
        "the authorization response does not say from which server it comes, and this server's always do (RFC 9207 section 2.4)"
    )]
    MissingIssuer,
    /// Neither `code` nor `error`, or both.
    #[error("the authorization response has {} `code` and `error` (RFC 6749 section 4.1.2)", if *.both { "both" } else { "neither of" })]
    NotOneOutcome {
        /// Whether both are there.
        both: bool,
    },
    /// The code can't be one.
    #[error(
        "the `code` in the authorization response is empty, too long, or has characters that no code has (RFC 6749 appendix A.11)"
    )]
    UnusableCode,
    /// The user or the server refused.
    #[error("the authorization server refused: {error}{} (RFC 6749 section 4.1.2.1)", .description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The server's `error`; `access_denied` is the user's own refusal.
        error: String,
        /// The server's `error_description`.
        description: Option<String>,
    },
}

impl ResponseRefusal {
    /// Whether the response is one to this request, so that the request is over. Any other may be a
    /// stranger's, and the user's own may still come.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::Duplicate { .. } | Self::WrongState { .. })
    }
}

impl AuthorizationCode {
    pub(super) fn new(code: Secret, pending: &PendingAuthorization) -> Self {
        Self {
            code,
            verifier: pending.verifier().clone(),
            redirect_uri: pending.request().redirect_uri.clone(),
            bound_to: pending.request().bound_to,
            nonce: pending.id_token_nonce().cloned(),
        }
    }

    pub(crate) fn code(&self) -> &Secret {
        &self.code
    }

    pub(crate) fn verifier(&self) -> &Secret {
        &self.verifier
    }

    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// What `nonce` of the ID token has to be, where one was asked for (OpenID Connect Core section 3.1.3.7, number
    /// 11).
    pub fn id_token_nonce(&self) -> Option<&Secret> {
        self.nonce.as_ref()
    }

    /// The DPoP key that it is bound to, if it is (RFC 9449 section 10).
    pub fn bound_to(&self) -> Option<Thumbprint> {
        self.bound_to
    }
}

/// The parameters that count; others are ignored, as RFC 6749 section 4.1.2 wants.
#[derive(Default)]
struct Parameters<'q> {
    code: Option<Cow<'q, str>>,
    error: Option<Cow<'q, str>>,
    error_description: Option<Cow<'q, str>>,
    state: Option<Cow<'q, str>>,
    iss: Option<Cow<'q, str>>,
}

/// Who sent it, first: what a stranger's response says is not even looked at.
pub(super) fn read(query: &str, pending: &PendingAuthorization) -> Result<Secret, ResponseRefusal> {
    let parameters = Parameters::parse(query)?;
    parameters.belongs_to(&pending.state)?;
    parameters.comes_from(&pending.request.issuer, pending.request.issuer_is_named)?;
    parameters.outcome()
}

impl<'q> Parameters<'q> {
    fn parse(query: &'q str) -> Result<Self, ResponseRefusal> {
        if query.len() > MAX_RESPONSE_BYTES {
            return Err(ResponseRefusal::TooLarge { found: query.len() });
        }
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let (name, place) = match name.as_ref() {
                "code" => ("code", &mut parameters.code),
                "error" => ("error", &mut parameters.error),
                "error_description" => ("error_description", &mut parameters.error_description),
                "state" => ("state", &mut parameters.state),
                "iss" => ("iss", &mut parameters.iss),
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(ResponseRefusal::Duplicate { name });
            }
        }
        Ok(parameters)
    }

    /// In a time that does not tell where they differ.
    fn belongs_to(&self, state: &Secret) -> Result<(), ResponseRefusal> {
        match &self.state {
            Some(found) if Secret::new(found.as_ref()) == *state => Ok(()),
            found => Err(ResponseRefusal::WrongState { is_missing: found.is_none() }),
        }
    }

    /// Compared as texts, without normalising (RFC 9207 section 2.4).
    fn comes_from(&self, issuer: &str, is_named: bool) -> Result<(), ResponseRefusal> {
        match &self.iss {
            Some(found) if found != issuer => {
                Err(ResponseRefusal::WrongIssuer { expected: issuer.to_owned(), found: excerpt(found, NAME) })
            }
            None if is_named => Err(ResponseRefusal::MissingIssuer),
            _ => Ok(()),
        }
    }

    fn outcome(self) -> Result<Secret, ResponseRefusal> {
        match (self.code, self.error) {
            (Some(code), None) => {
                let is_allowed = |byte: u8| matches!(byte, 0x20..=0x7e);
                if code.is_empty() || code.len() > MAX_CODE_BYTES || !code.bytes().all(is_allowed) {
                    return Err(ResponseRefusal::UnusableCode);
                }
                Ok(Secret::new(code))
            }
            (None, Some(error)) => Err(ResponseRefusal::Refused {
                error: excerpt(&error, SENTENCE),
                description: self.error_description.map(|text| excerpt(&text, SENTENCE)),
            }),
            (code, _) => Err(ResponseRefusal::NotOneOutcome { both: code.is_some() }),
        }
    }
}
