//! Everything that can go wrong between settings and answer, with what to do about it.

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use keybound::Thumbprint;
use keybound::metadata::NotSupported;
use keybound_client::{CallError, ClockOffset, DiscoveryError, TokenError, TransportError, field};

use crate::api_error::OktaError;
use crate::api_token::ApiTokenError;
use crate::error_kind::ErrorKind;
use crate::operations::OperationError;
use crate::reach::OutOfReach;
use crate::settings::{Settings, SettingsError};
use crate::{issuer_advice, token_advice};

/// Why a call came to nothing. `Display` tells what failed and why, in the server's words where it said
/// something; [`advice`](Self::advice) what to do next; [`kind`](Self::kind) which sort of failure it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings are wrong or not complete.
    #[error(transparent)]
    Settings(Box<SettingsError>),
    /// The address of the call is none that the tokens are sent to.
    #[error("the call can't be made: {0}")]
    Path(#[from] OutOfReach),
    /// The call is not one that the operation takes.
    #[error("the call can't be made: {0}")]
    Operation(#[from] OperationError),
    /// No token, no connection, no proof: the call did not reach the API.
    #[error("{error}")]
    Call {
        /// What failed.
        error: CallError,
        /// Who called.
        identity: Box<Identity>,
    },
    /// A call that carries no access token was not answered.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The issuer of the tokens has no metadata that can be used.
    #[error(transparent)]
    Discovery(Box<DiscoveryError>),
    /// The issuer says in its metadata that it does not do what is needed.
    #[error(transparent)]
    NotSupported(#[from] NotSupported),
    /// An administrator's API token stands in place of access tokens, and there are none to be had.
    #[error("there is no access token: calls are authenticated by an administrator's API token")]
    NoAccessToken,
    /// The administrator's API token can't be sent.
    #[error("the API token can't be used: {0}")]
    ApiToken(#[from] ApiTokenError),
    /// The call has an `Authorization` of its own.
    #[error("the call can't be made: it has a header field `authorization`, which is the client's to set")]
    CredentialsGiven,
    /// The org refused the call.
    #[error(transparent)]
    Api(Box<OktaError>),
    /// The answer is not what the API gives.
    #[error("the org's answer ({status}, {content_type}) is not what was asked for: {problem}")]
    Unreadable {
        /// Its status.
        status: http::StatusCode,
        /// Its content type.
        content_type: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The body of the call can't be written as JSON.
    #[error("the call can't be made: its body is no JSON: {0}")]
    Body(String),
    /// No scopes are set, and the path tells of no operation which it needs.
    #[error(
        "the call can't be made: no scopes are set, and `{method} {path}` is no known operation that tells which it needs"
    )]
    UnknownScopes {
        /// The method of the call.
        method: http::Method,
        /// Its path.
        path: String,
    },
    /// No scopes are set, and a token by itself has no operation that tells which it needs.
    #[error("no scopes are set, and a token is for some")]
    NoScopes,
    /// A list broke off after its first page.
    #[error("{error}")]
    BrokenOff {
        /// Why.
        error: Box<Error>,
        /// Where it is to be gone on with ([`Pages::resume`](crate::Pages::resume)), so that nothing is lost.
        cursor: String,
    },
    /// The cursor leads out of the org.
    #[error("the list can't be gone on with: {0}")]
    ForeignCursor(OutOfReach),
    /// The link to the next page leads out of the org.
    #[error("the list can't be followed to its next page: {0}")]
    ForeignLink(OutOfReach),
    /// The link to the next page leads to one that was fetched before.
    #[error("the list does not end: its next page is one that was there before")]
    PagesInCircle,
}

/// Who calls, as far as it may be shown: what to compare with what is registered at the org.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Whose tokens they are; an org's issuer is its origin.
    pub issuer: String,
    /// Whether that is an org, for whose own API its tokens are.
    pub is_org: bool,
    /// The client id.
    pub client_id: String,
    /// The key id that assertions name.
    pub key_id: Option<String>,
    /// The thumbprint of the client's key (RFC 7638), `None` where it has a secret; where a user has logged in, of the
    /// key for proofs.
    pub thumbprint: Option<Thumbprint>,
    /// The scopes that are asked for; none where no token is asked for.
    pub scopes: Vec<String>,
}

impl Identity {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            issuer: settings
                .org_url
                .as_ref()
                .map_or_else(|| settings.grant.server.to_string(), |org_url| org_url.origin().to_owned()),
            is_org: settings.org_url.is_some(),
            client_id: settings.grant.client_id.clone(),
            key_id: settings.grant.key_id.clone(),
            thumbprint: settings.credential.key().map(|key| key.public_key().thumbprint()),
            scopes: settings.grant.scopes.clone(),
        }
    }
}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        Self::Settings(Box::new(error))
    }
}

impl From<DiscoveryError> for Error {
    fn from(error: DiscoveryError) -> Self {
        Self::Discovery(Box::new(error))
    }
}

impl From<OktaError> for Error {
    fn from(error: OktaError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl Error {
    pub(crate) fn unreadable(answer: &Response<Bytes>, problem: &serde_json::Error) -> Self {
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Self::Unreadable {
            status: answer.status(),
            content_type: content_type.map_or_else(|| "no content type".to_owned(), field::readable),
            problem: problem.to_string(),
        }
    }

    /// The same as the end of a list that goes on at `cursor`.
    pub(crate) fn in_list(self, cursor: Option<String>) -> Self {
        match cursor {
            Some(cursor) => Self::BrokenOff { error: Box::new(self), cursor },
            None => self,
        }
    }

    /// Where a list that broke off is to be gone on with.
    pub fn cursor(&self) -> Option<&str> {
        match self {
            Self::BrokenOff { cursor, .. } => Some(cursor),
            _ => None,
        }
    }

    /// What to do about it, where that can be told.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Settings(error) => Some(error.advice()),
            Self::Path(error) => Some(error.advice()),
            Self::Operation(error) => Some(error.advice()),
            Self::Call { error, identity } => advice_on_call(error, identity),
            Self::Transport(error) => advice_on_transport(error),
            Self::Discovery(error) => advice_on_discovery(error),
            Self::NotSupported(problem) => Some(issuer_advice::on_unsupported(problem)),
            Self::Api(error) => match error.clock_offset {
                Some(offset) if self.kind() == ErrorKind::Clock => Some(advice_on_clock(offset)),
                _ => error.advice(),
            },
            Self::Unreadable { .. } => Some(
                "Check the org's URL: what answers there may be a proxy or another site, not the org's API."
                    .to_owned(),
            ),
            Self::UnknownScopes { .. } | Self::NoScopes => Some(
                "Name the scopes, of those that are granted to the app: OKTA_SCOPES=okta.users.read (keybound: \
                 --scope okta.users.read)"
                    .to_owned(),
            ),
            Self::BrokenOff { error, .. } => error.advice(),
            Self::ForeignCursor(_) => Some("Give the cursor as the list gave it, to a client of the same org.".to_owned()),
            Self::CredentialsGiven => Some("Leave the header field `authorization` out.".to_owned()),
            Self::Body(_) | Self::ForeignLink(_) | Self::PagesInCircle | Self::NoAccessToken | Self::ApiToken(_) => None,
        }
    }
}

fn advice_on_call(error: &CallError, identity: &Identity) -> Option<String> {
    match error {
        CallError::CredentialsGiven(name) => Some(format!("Leave the header field `{name}` out.")),
        CallError::Token(TokenError::Transport(error)) | CallError::Transport(error) => {
            advice_on_transport(error)
        }
        CallError::Token(TokenError::Discovery(error)) => advice_on_discovery(error),
        CallError::Token(TokenError::NotSupported(problem)) => Some(issuer_advice::on_unsupported(problem)),
        CallError::Token(error @ TokenError::Refused { refusal, .. }) => match error.clock_offset() {
            Some(offset) => Some(advice_on_clock(offset)),
            None => token_advice::on_exchange(refusal, identity),
        },
        _ => None,
    }
}

fn advice_on_discovery(error: &DiscoveryError) -> Option<String> {
    match error {
        DiscoveryError::Transport(error) => advice_on_transport(error),
        _ => Some(issuer_advice::ON_DISCOVERY.to_owned()),
    }
}

fn advice_on_clock(offset: ClockOffset) -> String {
    format!(
        "Set the clock of this machine: it is {offset}. Assertions and proofs carry the time, and a server \
         takes them for a minute or so. (timedatectl set-ntp true; or check the time zone's effect on UTC: \
         date -u)"
    )
}

fn advice_on_transport(error: &TransportError) -> Option<String> {
    Some(match error {
        TransportError::Connect { origin, .. } => format!(
            "Check the org's URL or the issuer ({origin}), that it is up, and the network, DNS and proxy (HTTPS_PROXY) \
             between here and there."
        ),
        TransportError::Certificate { not_valid_yet: true, .. } => {
            "Check the clock of this machine (date -u): by its time the certificate is not valid yet."
                .to_owned()
        }
        TransportError::Certificate { .. } => {
            "Check the org's URL. If the server has an authority of its own, as a local org has, name the \
             authority's certificate in KEYBOUND_CA_FILE; if the certificate has expired, check the clock \
             (date -u) and renew it."
                .to_owned()
        }
        TransportError::SetUp { .. } => "Check the certificates in KEYBOUND_CA_FILE.".to_owned(),
        TransportError::Timeout { .. } | TransportError::Broken { .. } => {
            "Try again; if it stays, check the network and the proxy between here and the org.".to_owned()
        }
        TransportError::Redirected { .. } => {
            "Give the org's own address: one that redirects is a custom page or an old name of it.".to_owned()
        }
        TransportError::TooLong { .. } => "Ask for less at a time: limit=200, a filter.".to_owned(),
        _ => return None,
    })
}
