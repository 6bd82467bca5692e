//! One line in the log for each refusal: who was refused what, and by which rule. And one, for whoever wants to
//! see them, for each admission.
//!
//! The lines have the target `keybound::audit` and the level `INFO`, those of admissions `DEBUG`. They hold neither
//! tokens nor proofs nor the query, in which clients put secrets; what a client or an issuer chose is escaped and
//! cut short. `peer` is who is connected, `client` whom the trusted proxies among them name.

use std::net::IpAddr;

use http::StatusCode;
use keybound::access_token::AccessToken;
use keybound::excerpt::{NAME, SENTENCE, excerpt};
use keybound::{Refusal, description};

use crate::guard::IncomingRequest;

/// The target of these lines, to filter by.
pub(crate) const TARGET: &str = "keybound::audit";

/// `request` of `client` is answered with `status`. `token` is what its access token says, if it was verified
/// before. Whose the request is, is asked only if somebody reads it.
pub(crate) fn refused(
    request: &IncomingRequest<'_>,
    client: impl FnOnce() -> Option<IpAddr>,
    token: Option<&AccessToken>,
    refusal: &Refusal,
    status: StatusCode,
) {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return;
    }
    let code = refusal.at_resource().code.map(keybound::ErrorCode::as_str);
    tracing::info!(
        target: TARGET,
        status = status.as_u16(),
        code,
        rule = refusal.rule().source(),
        reason = description(refusal),
        method = %excerpt(request.method.as_str(), NAME),
        path = ?shown(request.uri.path()),
        peer = request.peer.map(tracing::field::display),
        client = client().map(tracing::field::display),
        issuer = token.map(|token| tracing::field::debug(shown(&token.issuer))),
        subject = token.map(|token| tracing::field::debug(shown(&token.subject))),
        client_id = token
            .and_then(|token| token.client_id.as_deref())
            .map(|client_id| tracing::field::debug(shown(client_id))),
        thumbprint = token.and_then(|token| token.thumbprint).map(tracing::field::display),
        "refused"
    );
}

/// `request` of `client` is let in; with `token`, unless its route needs none.
pub(crate) fn admitted(
    request: &IncomingRequest<'_>,
    client: impl FnOnce() -> Option<IpAddr>,
    token: Option<&AccessToken>,
) {
    if !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
        return;
    }
    tracing::debug!(
        target: TARGET,
        method = %excerpt(request.method.as_str(), NAME),
        path = ?shown(request.uri.path()),
        peer = request.peer.map(tracing::field::display),
        client = client().map(tracing::field::display),
        issuer = token.map(|token| tracing::field::debug(shown(&token.issuer))),
        subject = token.map(|token| tracing::field::debug(shown(&token.subject))),
        thumbprint = token.and_then(|token| token.thumbprint).map(tracing::field::display),
        "admitted"
    );
}

/// A page of another origin may not call: a browser asked.
#[cfg(feature = "server")]
pub(crate) fn page_refused(
    request: &IncomingRequest<'_>,
    client: impl FnOnce() -> Option<IpAddr>,
    status: StatusCode,
) {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return;
    }
    let origin =
        request.headers.get(http::header::ORIGIN).map(http::HeaderValue::as_bytes).unwrap_or_default();
    tracing::info!(
        target: TARGET,
        status = status.as_u16(),
        rule = "cors",
        reason = "the page's origin is none of the policy's cors.allowed_origins",
        origin = ?shown(&String::from_utf8_lossy(origin)),
        path = ?shown(request.uri.path()),
        peer = request.peer.map(tracing::field::display),
        client = client().map(tracing::field::display),
        "refused"
    );
}

fn shown(text: &str) -> String {
    excerpt(text, SENTENCE)
}
