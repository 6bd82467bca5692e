//! Questions to issuers over the network, within limits: https or loopback, no redirects, bounded answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use keybound::metadata::MetadataError;
use keybound::{KeyError, MAX_JWK_SET_BYTES, TargetUri};
use keybound_client::{Transport, TransportError, TransportOptions};
use zeroize::Zeroizing;

/// Why an issuer's answer is not there or can't be used. It goes into the log, and holds neither token nor
/// secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An answer that is none.
    #[error("it answered with status {status} at {uri}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// Where.
        uri: Uri,
    },
    /// The metadata can't be used.
    #[error("what is at {uri} can't be used: {reason}")]
    Metadata {
        /// What is wrong.
        reason: MetadataError,
        /// Where.
        uri: Uri,
    },
    /// The metadata does not name what is needed.
    #[error("its metadata has no `{0}`; the policy can name it instead")]
    NotInMetadata(&'static str),
    /// The metadata could not be fetched, now or a moment ago.
    #[error("its metadata can't be had")]
    NoMetadata,
    /// The JWK set can't be used.
    #[error("the keys at {uri} can't be used: {reason}")]
    Keys {
        /// What is wrong.
        reason: KeyError,
        /// Where.
        uri: Uri,
    },
    /// The request can't be made.
    #[error("the request can't be made: {0}")]
    Request(#[from] http::Error),
}

impl FetchError {
    /// What to do about it, to be put behind what is said of it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Transport(TransportError::Certificate { not_valid_yet: true, .. }) => {
                ": see that the clock of this machine is right (date -u)"
            }
            Self::Transport(TransportError::Certificate { .. }) => {
                ": an authority of your own is named by its certificate, as `ca_file` in the policy or --ca-file; \
                 a certificate that has expired or has another name is for the issuer to renew"
            }
            _ => "",
        }
    }
}

/// How issuers are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NetworkSettings {
    /// Certificate authorities beside the system's, in PEM.
    pub(super) certificate_authorities: Option<String>,
    /// How long an answer may take, the connection included.
    pub(super) timeout: Duration,
}

/// The way to the issuers.
pub(super) struct Network {
    pub(super) settings: NetworkSettings,
    transport: Transport,
}

impl Network {
    pub(super) fn new(settings: NetworkSettings) -> Self {
        let mut options = TransportOptions::default();
        options.certificate_authorities.extend(settings.certificate_authorities.clone());
        options.connect_timeout = settings.timeout.min(options.connect_timeout);
        options.timeout = settings.timeout;
        // The longest of the answers; the others are held to their own bounds.
        options.max_response_bytes = MAX_JWK_SET_BYTES;
        Self { settings, transport: Transport::new(options) }
    }

    /// The body at `uri`, a JSON document.
    pub(super) async fn get(&self, uri: &Uri) -> Result<Bytes, FetchError> {
        let request = Request::builder().uri(uri).header(ACCEPT, "application/json").body(Bytes::new())?;
        ok(uri, self.transport.send(request).await?)
    }

    /// The answer to a form, sent with the credentials `authorization`.
    pub(super) async fn post(
        &self,
        uri: &Uri,
        authorization: &str,
        form: Zeroizing<String>,
    ) -> Result<Bytes, FetchError> {
        let mut authorization = HeaderValue::from_str(authorization).map_err(http::Error::from)?;
        authorization.set_sensitive(true);
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from_owner(Wiped(form)))?;
        ok(uri, self.transport.send(request).await?)
    }
}

/// A body that is wiped once it is sent.
struct Wiped(Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn ok(uri: &Uri, response: Response<Bytes>) -> Result<Bytes, FetchError> {
    match response.status() {
        StatusCode::OK => Ok(response.into_body()),
        status => Err(FetchError::Status { status, uri: uri.clone() }),
    }
}

/// A URI that may be asked: https, or http to this machine, without user information.
pub(super) fn askable(text: &str) -> Result<Uri, String> {
    let target = TargetUri::parse(text).map_err(|reason| reason.to_string())?;
    if !target.is_secure() {
        return Err("it is neither https nor on this machine: anyone on the way could answer".to_owned());
    }
    text.parse().map_err(|reason: http::uri::InvalidUri| reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_asked() {
        for (uri, asked) in [
            ("https://as.example/keys?p=1", true),
            ("http://127.0.0.1:8080/keys", true),
            ("http://[::1]/keys", true),
            ("http://localhost/keys", true),
            ("http://as.example/keys", false),
            ("http://10.0.0.1/keys", false),
            ("https://user@as.example/keys", false),
            ("ftp://as.example/keys", false),
            ("/keys", false),
            ("", false),
        ] {
            assert_eq!(askable(uri).is_ok(), asked, "{uri}");
        }
    }
}
