//! Why a request got no answer, read out of the chain of errors that the libraries below give.

use std::time::Duration;

use http::{Response, StatusCode};
use hyper_util::client::legacy;
use keybound::TargetUriError;
use tokio::time::error::Elapsed;

use crate::body::NoMoreBody;
use crate::redirect::{self, RedirectFault};
use crate::wire::{Fault, Repeat};

/// Why a request got no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The request's URI is not one that can be asked.
    #[error("the request can't be sent: {0}")]
    Target(#[from] TargetUriError),
    /// `http` to another machine.
    #[error(
        "the request to {origin} was not sent: without https anyone on the way can read and change it; \
         plain http is for this machine alone (localhost, 127.0.0.1, [::1])"
    )]
    NotSecure {
        /// Where the request was to go.
        origin: String,
    },
    /// A certificate authority that can't be read, or a TLS set-up that the system refuses.
    #[error("the HTTP client can't be set up: {detail}")]
    SetUp {
        /// What is wrong.
        detail: String,
    },
    /// No connection: no such host, nothing listening, no route.
    #[error("no connection to {origin}: {detail}")]
    Connect {
        /// Where the request was to go.
        origin: String,
        /// The system's own words.
        detail: String,
    },
    /// The server's certificate is not accepted.
    #[error("the certificate of {origin} is not accepted: {detail}")]
    Certificate {
        /// Where the request was to go.
        origin: String,
        /// The reason, for the most part in the words of the TLS library.
        detail: String,
        /// By the local clock it is not valid yet, which says more about the clock than about the
        /// certificate.
        not_valid_yet: bool,
    },
    /// The answer took too long.
    #[error("{origin} did not answer in time ({} s)", .limit.as_secs())]
    Timeout {
        /// Where the request went.
        origin: String,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The answer, which is streamed, paused for too long.
    #[error("{origin} stopped in the middle of its answer ({} s without a byte)", .limit.as_secs())]
    Idle {
        /// Where the request went.
        origin: String,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The body of the request came to an error of its own.
    #[error("the body of the request to {origin} failed: {detail}")]
    RequestBody {
        /// Where the request went.
        origin: String,
        /// The body's own words.
        detail: String,
    },
    /// The connection broke, or what came over it was no HTTP.
    #[error("the connection to {origin} broke: {detail}")]
    Broken {
        /// Where the request went.
        origin: String,
        /// The HTTP library's words.
        detail: String,
    },
    /// The answer's body is longer than [`TransportOptions::max_response_bytes`](crate::TransportOptions).
    #[error("the answer of {origin} is longer than {limit} bytes and was not read to its end")]
    TooLong {
        /// Where the request went.
        origin: String,
        /// The bytes that are allowed.
        limit: usize,
    },
    /// The server sent us elsewhere.
    #[error("{origin} answered {status} and points to {location}; {reason}")]
    Redirected {
        /// Where the request went.
        origin: String,
        /// The status of the redirect.
        status: StatusCode,
        /// Where it points, without its query.
        location: String,
        /// Why it was not followed.
        reason: RedirectFault,
    },
}

impl TransportError {
    /// A redirect that is not followed.
    pub(crate) fn redirected<B>(answer: &Response<B>, origin: &str, reason: RedirectFault) -> Self {
        let (status, location) = (answer.status(), redirect::shown(answer.headers()));
        Self::Redirected { origin: origin.to_owned(), status, location, reason }
    }

    /// A connection that broke in the middle of an answer.
    pub(crate) fn broken(error: &hyper::Error, origin: &str) -> Self {
        Self::Broken { origin: origin.to_owned(), detail: innermost(error) }
    }
}

pub(super) type Cause<'a> = &'a (dyn std::error::Error + 'static);

/// What went wrong in our words, and whether the request may be sent again.
pub(super) fn failure(error: Cause<'_>, origin: &str, connect_timeout: Duration) -> Fault<TransportError> {
    let origin = origin.to_owned();
    if let Some(problem) = certificate_problem(error) {
        use rustls::CertificateError::{BadSignature, NotValidYet, NotValidYetContext, UnknownIssuer};
        let not_valid_yet = matches!(problem, NotValidYet | NotValidYetContext { .. });
        let detail = match problem {
            UnknownIssuer => "it was issued by no certificate authority that is trusted here".to_owned(),
            BadSignature => {
                "the certificate authority of its issuer's name that is trusted here has not signed it"
                    .to_owned()
            }
            problem => problem.to_string(),
        };
        return Fault::last(TransportError::Certificate { origin, detail, not_valid_yet });
    }
    let detail = innermost(error);
    if causes(error).any(<dyn std::error::Error>::is::<NoMoreBody>) {
        return Fault::last(TransportError::RequestBody { origin, detail });
    }
    let took_too_long = causes(error).any(<dyn std::error::Error>::is::<Elapsed>);
    let (error, repeat) = match (is_about_connecting(error), took_too_long) {
        (true, true) => (TransportError::Timeout { origin, limit: connect_timeout }, Repeat::Unsent),
        (true, false) => (TransportError::Connect { origin, detail }, Repeat::Unsent),
        (false, _) if was_not_processed(error) => (TransportError::Broken { origin, detail }, Repeat::Unsent),
        (false, _) => (TransportError::Broken { origin, detail }, Repeat::IfIdempotent),
    };
    Fault { error, repeat }
}

/// An error and what caused it, one after the other.
fn causes(error: Cause<'_>) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(Some(error), |error| {
        // An I/O error shows the one that it wraps by `get_ref`; its source would be that one's source.
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// The reason at the bottom of a chain of errors; those above it say "error sending request".
fn innermost(error: Cause<'_>) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether no connection came about.
fn is_about_connecting(error: Cause<'_>) -> bool {
    error.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect)
}

/// Whether a server says that it did not act on a request: it is about to close the connection, or refused
/// the stream (RFC 9113 section 8.7).
fn was_not_processed(error: Cause<'_>) -> bool {
    causes(error).filter_map(<dyn std::error::Error>::downcast_ref::<h2::Error>).any(|error| {
        let goes_away = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (goes_away || refused)
    })
}

/// What TLS has against the server's certificate, if that is why the request failed.
fn certificate_problem(error: Cause<'_>) -> Option<&rustls::CertificateError> {
    causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(problem)) => Some(problem),
        _ => None,
    })
}
