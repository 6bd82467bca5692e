//! One line in the log for each refusal: who was refused what, and by which rule.
//!
//! The lines have the target `keybound::audit` and level `INFO`. They hold neither tokens nor proofs nor the
//! query, in which clients put secrets; what a client or an issuer chose is escaped and cut short.

use http::StatusCode;
use keybound::access_token::AccessToken;
use keybound::excerpt::{SENTENCE, excerpt};
use keybound::{Refusal, description};

use crate::guard::IncomingRequest;

/// The target of these lines, to filter by.
pub(crate) const TARGET: &str = "keybound::audit";

/// `request` is answered with `status`. `token` is what its access token says, if it was verified before.
pub(crate) fn refused(
    request: &IncomingRequest<'_>,
    token: Option<&AccessToken>,
    refusal: &Refusal,
    status: StatusCode,
) {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return;
    }
    let shown = |text: &str| excerpt(text, SENTENCE);
    let code = refusal.at_resource().code.map(keybound::ErrorCode::as_str);
    tracing::info!(
        target: TARGET,
        status = status.as_u16(),
        code,
        rule = refusal.rule().source(),
        reason = description(refusal),
        method = %request.method,
        path = ?shown(request.uri.path()),
        peer = request.peer.map(tracing::field::display),
        issuer = token.map(|token| tracing::field::debug(shown(&token.issuer))),
        subject = token.map(|token| tracing::field::debug(shown(&token.subject))),
        client_id = token
            .and_then(|token| token.client_id.as_deref())
            .map(|client_id| tracing::field::debug(shown(client_id))),
        thumbprint = token.and_then(|token| token.thumbprint).map(tracing::field::display),
        "refused"
    );
}
