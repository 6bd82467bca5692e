//! What a fault is: what happens, to which requests, and how often.

use std::time::Duration;

use http::Method;

use crate::authorization_server::unverified_jwt_id;
use crate::store::ServerId;
use crate::wire_name::wire_names;

/// Something that goes wrong on purpose. Made by one of the functions, and narrowed down by the methods; without any it
/// strikes every request until it is removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) kind: Effect,
    pub(super) place: Place,
    pub(super) frequency: Frequency,
    pub(super) delay: Duration,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    Slow,
    RateLimited { reset_after: Duration },
    ServerError { status: u16, body: ErrorBody },
    CutConnection(Cut),
    ClockSkew { seconds: i64 },
    RotateNonce { old: OldNonces },
    RotateKey { server: ServerId, old: OldKey },
    RevokeToken(RevokedTokens),
    Replay,
}

/// Which requests it happens to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) method: Option<Method>,
    pub(super) path: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) endpoint: EndpointKind,
}

/// How often it happens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Frequency {
    pub(super) times: Option<u64>,
    pub(super) probability: Option<f64>,
    pub(super) lasts: Option<Duration>,
}

wire_names! {
    /// The names of what can happen.
    pub enum FaultKind {
        /// The answer is late.
        Slow = "slow",
        /// The answer is 429.
        RateLimited = "rate-limited",
        /// The answer is a 5xx.
        ServerError = "server-error",
        /// The connection ends.
        CutConnection = "cut-connection",
        /// The org's clock is wrong.
        ClockSkew = "clock-skew",
        /// The authorization servers have a new nonce.
        RotateNonce = "rotate-nonce",
        /// An authorization server has a new signing key.
        RotateKey = "rotate-key",
        /// Access tokens are revoked.
        RevokeToken = "revoke-token",
        /// An attacker sends what a client has sent once more.
        Replay = "replay",
    }
}

wire_names! {
    /// Endpoints that a fault can be kept to.
    #[derive(Default)]
    pub enum EndpointKind {
        /// The token endpoint of any authorization server.
        Token = "token",
        /// The management API.
        Api = "api",
        /// All that the org serves.
        #[default]
        Any = "any",
    }
}

wire_names! {
    /// The body of a server error.
    pub enum ErrorBody {
        /// Okta's own.
        Okta = "okta",
        /// None.
        None = "none",
        /// A page, as proxies send one.
        Html = "html",
    }
}

wire_names! {
    /// Where a connection is cut. In each case the org has done what was asked: only its answer is lost.
    pub enum Cut {
        /// Before the first byte of the answer.
        BeforeAnswer = "before-answer",
        /// In the middle of its header fields.
        InHead = "in-head",
        /// In the middle of its body; of an answer without a body before the answer.
        InBody = "in-body",
    }
}

wire_names! {
    /// What becomes of the nonces that were given out.
    pub enum OldNonces {
        /// None of them is taken any more.
        Refused = "refused",
        /// Each is taken as long as it would have been.
        Accepted = "accepted",
    }
}

wire_names! {
    /// What becomes of the signing key that was in use.
    pub enum OldKey {
        /// It is published, and what it signed is good.
        Published = "published",
        /// It is gone, and what it signed is worth nothing.
        Gone = "gone",
    }
}

/// Which access tokens are revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokedTokens {
    /// The one with this `jti`.
    Identified(String),
    /// All that this client has got so far.
    OfClient(String),
    /// All that were issued so far.
    All,
    /// The one that the request carries which the fault strikes.
    Presented,
}

impl Fault {
    pub(super) fn new(kind: Effect) -> Self {
        let (place, frequency) = (Place::default(), Frequency::default());
        Self { kind, place, frequency, delay: Duration::ZERO }
    }

    /// The answer comes after `delay`, and is else as it should be.
    pub fn slow(delay: Duration) -> Self {
        Self::new(Effect::Slow).delayed(delay)
    }

    /// 429 in Okta's words, with its three rate limit fields; the limit ends in a second.
    pub fn rate_limited() -> Self {
        Self::rate_limited_for(Duration::from_secs(1))
    }

    /// The same with a limit that ends after `reset_after`, an hour at most.
    pub fn rate_limited_for(reset_after: Duration) -> Self {
        Self::new(Effect::RateLimited { reset_after })
    }

    /// An error of the server, 500 to 599. Nothing is done of what was asked.
    pub fn server_error(status: u16, body: ErrorBody) -> Self {
        Self::new(Effect::ServerError { status, body })
    }

    /// The connection ends, and with it all other requests on it (HTTP/2). What was asked is done.
    pub fn cut_connection(cut: Cut) -> Self {
        Self::new(Effect::CutConnection(cut))
    }

    /// The org's clock is ahead by so many seconds, or behind if they are negative, ten years at most; so is the
    /// `Date` of every answer. The clock is one for the whole org, so all that can be said of this fault is how long
    /// it [lasts](Self::lasting). Of several the newest counts.
    pub fn clock_skew(seconds: i64) -> Self {
        Self::new(Effect::ClockSkew { seconds })
    }

    /// The authorization servers have a new nonce: at once or, if it is said where or how often, before each request
    /// that it strikes.
    pub fn rotate_nonce(old: OldNonces) -> Self {
        Self::new(Effect::RotateNonce { old })
    }

    /// An authorization server signs with a new key: at once, or as with [`Fault::rotate_nonce`].
    pub fn rotate_key(server: ServerId, old: OldKey) -> Self {
        Self::new(Effect::RotateKey { server, old })
    }

    /// Access tokens are revoked: at once, or as with [`Fault::rotate_nonce`]. Refresh tokens stay.
    pub fn revoke_tokens(which: RevokedTokens) -> Self {
        Self::new(Effect::RevokeToken(which))
    }

    /// This access token is revoked. Only its `jti` is kept.
    pub fn revoke_token(token: &str) -> Self {
        Self::revoke_tokens(RevokedTokens::Identified(unverified_jwt_id(token).unwrap_or_default()))
    }

    /// Each request with a proof is sent to the org once more when it has been answered, as by somebody who recorded
    /// it. What the org answers to that is told where faults are listed.
    pub fn replay() -> Self {
        Self::new(Effect::Replay)
    }

    /// Only requests with this method.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        self.place.method = Some(method);
        self
    }

    /// Only requests to this path. In a pattern `*` stands for one segment, and `**` at the end for any number of them.
    #[must_use]
    pub fn on_path(mut self, pattern: impl Into<String>) -> Self {
        self.place.path = Some(pattern.into());
        self
    }

    /// Only requests of this client, as they say themselves.
    #[must_use]
    pub fn of_client(mut self, client_id: impl Into<String>) -> Self {
        self.place.client_id = Some(client_id.into());
        self
    }

    /// Only requests to these endpoints.
    #[must_use]
    pub fn on_endpoint(mut self, endpoint: EndpointKind) -> Self {
        self.place.endpoint = endpoint;
        self
    }

    /// Only the next `times` requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.frequency.times = Some(times);
        self
    }

    /// Each request with this probability, greater than 0 and at most 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.frequency.probability = Some(probability);
        self
    }

    /// Only for so long, by the org's clock in whole seconds.
    #[must_use]
    pub fn lasting(mut self, lasts: Duration) -> Self {
        self.frequency.lasts = Some(lasts);
        self
    }

    /// After this delay, 25 seconds at most: the org gives each request 30 in all.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What happens.
    pub fn kind(&self) -> FaultKind {
        match &self.kind {
            Effect::Slow => FaultKind::Slow,
            Effect::RateLimited { .. } => FaultKind::RateLimited,
            Effect::ServerError { .. } => FaultKind::ServerError,
            Effect::CutConnection(_) => FaultKind::CutConnection,
            Effect::ClockSkew { .. } => FaultKind::ClockSkew,
            Effect::RotateNonce { .. } => FaultKind::RotateNonce,
            Effect::RotateKey { .. } => FaultKind::RotateKey,
            Effect::RevokeToken(_) => FaultKind::RevokeToken,
            Effect::Replay => FaultKind::Replay,
        }
    }

    /// Whether it happens when it is added, to no request.
    pub(super) fn happens_at_once(&self) -> bool {
        let can = match &self.kind {
            Effect::RotateNonce { .. } | Effect::RotateKey { .. } => true,
            Effect::RevokeToken(which) => *which != RevokedTokens::Presented,
            _ => false,
        };
        can && self.place == Place::default() && self.frequency == Frequency::default()
    }
}
