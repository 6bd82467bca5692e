//! A client at its authorization server: runs one request to its end, over the network, with the nonces and
//! the clock of that server. What is asked is the state machines of `keybound`; when to send again is theirs
//! to say, but for a wrong clock.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use keybound::authorization::{PendingAuthorization, PushError, PushProgress, PushedRequest};
use keybound::device::{DeviceAuthorization, DeviceError, DeviceExchange, DeviceRequest};
use keybound::endpoint::Endpoint;
use keybound::exchange::{Attempt, ExchangeError, GrantedToken, Progress, TokenExchange, TokenRequest};
use keybound::proof::{DpopKey, ProofTemplate};
use keybound::{NumericDate, TargetUri};
use tracing::debug;
use zeroize::Zeroizing;

use crate::authorization::AuthorizationError;
use crate::clock::{ClockOffset, Moment};
use crate::rate_limit::{self, Wait};
use crate::registration::ClientRegistration;
use crate::renewal::LONGEST_PAUSE;
use crate::servers::{ServerTime, Servers};
use crate::signing;
use crate::system::System;
use crate::token_metrics;
use crate::token_source::{TokenBinding, TokenError};
use crate::transport::TransportError;

/// A client, the key that its tokens are bound to, and what is known of its server. Clones share it.
#[derive(Clone)]
pub struct AuthorizationClient {
    system: System,
    servers: Arc<Servers>,
    registration: ClientRegistration,
    binding: TokenBinding,
}

/// A token as it was granted, with what is needed to tell how long it lives.
pub(crate) struct Granted {
    pub(crate) token: GrantedToken,
    /// When it was asked for.
    pub(crate) sent: Moment,
    /// What the server's clock showed then.
    pub(crate) server_time: NumericDate,
}

impl AuthorizationClient {
    /// A client whose tokens are bound by `binding`.
    pub fn new(system: System, registration: ClientRegistration, binding: TokenBinding) -> Self {
        let servers = Arc::new(Servers::new(&system));
        Self { system, servers, registration, binding }
    }

    /// The client as the server knows it.
    pub fn registration(&self) -> &ClientRegistration {
        &self.registration
    }

    /// What its tokens are bound to.
    pub fn binding(&self) -> &TokenBinding {
        &self.binding
    }

    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The key that its tokens are bound to; a fresh one once it is made.
    pub(crate) fn key(&self) -> Option<&DpopKey> {
        self.binding.key()
    }

    /// Asks for a token: once, again with each nonce that the server wants, and again after each wait for a
    /// user's approval. After a refusal by a clock that can be corrected it is asked once more, unless the
    /// grant may be used up by then.
    ///
    /// A code and a refresh token that is rotated are of use once: if this future is dropped before it ends,
    /// what the server has granted meanwhile is lost.
    pub async fn token(&self, request: &TokenRequest) -> Result<GrantedToken, TokenError> {
        self.exchange(request).await.map(|granted| granted.token)
    }

    /// [`token`](Self::token), with the times that belong to it.
    pub(crate) async fn exchange(&self, request: &TokenRequest) -> Result<Granted, TokenError> {
        let made_by = self.servers.time(request.endpoint().target());
        match self.exchange_once(request).await {
            Err(refused)
                if has_not_acted(&refused, request)
                    && self.is_for_the_time(&refused, request.endpoint(), made_by) =>
            {
                debug!(%refused, "asking again by the right time for this server");
                self.exchange_once(request).await
            }
            outcome => outcome,
        }
    }

    /// An exchange by the time that is known of the server, counted.
    async fn exchange_once(&self, request: &TokenRequest) -> Result<Granted, TokenError> {
        let outcome = self.attempts(request).await;
        token_metrics::exchanged(outcome.as_ref().err());
        outcome
    }

    /// A token request, another with the nonce that the server asks for (RFC 9449 section 8), and others while
    /// a user has not approved.
    async fn attempts(&self, request: &TokenRequest) -> Result<Granted, TokenError> {
        let endpoint = request.endpoint().target();
        let nonce = self.servers.nonce(endpoint);
        let mut exchange =
            TokenExchange::for_request(request.clone(), self.proofs()?, nonce).map_err(|error| {
                TokenError::Refused { refusal: error.into(), clock_offset: None, retry_after: None }
            })?;
        loop {
            let (sent, made_by) = (self.system.moment(), self.servers.time(endpoint));
            let attempt = exchange.attempt(made_by.now, self.system.random.as_ref())?;
            let answer = match self.send(attempt, endpoint, self.key()).await {
                Err(TokenError::Transport(lost)) if is_passing(&lost) => {
                    let delay = exchange.unanswered().ok_or(lost)?;
                    self.system.timer.sleep(delay).await;
                    continue;
                }
                answer => answer?,
            };
            match exchange.receive(&answer) {
                Ok(Progress::AnswerChallenge) => {
                    debug!("answering a nonce challenge");
                    token_metrics::challenged();
                    self.learn_time(endpoint, made_by, &answer, sent);
                }
                Ok(Progress::Wait(delay)) => self.system.timer.sleep(delay).await,
                Ok(Progress::Granted(token)) => {
                    return Ok(Granted { token, sent, server_time: made_by.now });
                }
                Err(refusal) => return Err(self.refused(refusal, made_by, &answer, sent)),
            }
        }
    }

    /// Pushes an authorization request (RFC 9126).
    pub(crate) async fn push(
        &self,
        pending: &PendingAuthorization,
        endpoint: &Endpoint,
    ) -> Result<PushedRequest, AuthorizationError> {
        let made_by = self.servers.time(endpoint.target());
        match self.push_once(pending, endpoint).await {
            Err(AuthorizationError::Token(refused)) if self.is_for_the_time(&refused, endpoint, made_by) => {
                self.push_once(pending, endpoint).await
            }
            outcome => outcome,
        }
    }

    async fn push_once(
        &self,
        pending: &PendingAuthorization,
        endpoint: &Endpoint,
    ) -> Result<PushedRequest, AuthorizationError> {
        let target = endpoint.target();
        let (client, nonce) = (self.registration.identity().clone(), self.servers.nonce(target));
        let mut exchange = pending.push(endpoint.clone(), client, self.proofs()?, nonce)?;
        loop {
            let (sent, made_by) = (self.system.moment(), self.servers.time(target));
            let attempt =
                exchange.attempt(made_by.now, self.system.random.as_ref()).map_err(TokenError::from)?;
            let answer = self.send(attempt, target, self.key()).await?;
            match exchange.receive(&answer) {
                Ok(PushProgress::AnswerChallenge) => {
                    debug!("answering a nonce challenge");
                    self.learn_time(target, made_by, &answer, sent);
                }
                Ok(PushProgress::Pushed(pushed)) => return Ok(pushed),
                Err(PushError::Exchange(refusal)) => {
                    return Err(self.refused(refusal, made_by, &answer, sent).into());
                }
                Err(unusable) => return Err(unusable.into()),
            }
        }
    }

    /// Asks for a device code (RFC 8628 section 3.1).
    pub(crate) async fn authorize_device(
        &self,
        request: &DeviceRequest,
    ) -> Result<DeviceAuthorization, AuthorizationError> {
        let made_by = self.servers.time(request.endpoint.target());
        match self.authorize_device_once(request).await {
            Err(AuthorizationError::Token(refused))
                if self.is_for_the_time(&refused, &request.endpoint, made_by) =>
            {
                self.authorize_device_once(request).await
            }
            outcome => outcome,
        }
    }

    async fn authorize_device_once(
        &self,
        request: &DeviceRequest,
    ) -> Result<DeviceAuthorization, AuthorizationError> {
        let target = request.endpoint.target();
        let mut exchange = DeviceExchange::new(request.clone());
        let (sent, made_by) = (self.system.moment(), self.servers.time(target));
        let attempt = exchange.attempt(made_by.now, self.system.random.as_ref()).map_err(TokenError::from)?;
        let answer = self.send(attempt, target, None).await?;
        exchange.receive(&answer).map_err(|error| match error {
            DeviceError::Exchange(refusal) => self.refused(refusal, made_by, &answer, sent).into(),
            unusable => unusable.into(),
        })
    }

    /// Signs and sends one attempt, and remembers the nonce that the answer carries.
    async fn send(
        &self,
        attempt: Attempt,
        endpoint: &TargetUri,
        key: Option<&DpopKey>,
    ) -> Result<Response<Bytes>, TokenError> {
        let request = signing::sign_attempt(attempt, self.registration.key(), key).await?;
        let request = request.map(|form| Bytes::from_owner(Wiped(Zeroizing::new(form))));
        let answer = self.system.transport.send(request).await?;
        self.servers.learn_nonce(endpoint, answer.headers());
        Ok(answer)
    }

    /// What proofs are made of. A fresh key is there from here on.
    fn proofs(&self) -> Result<Option<ProofTemplate>, TokenError> {
        Ok(self.binding.key_for(None)?.map(|key| key.template().clone()))
    }

    /// The time at the server.
    pub(crate) fn now(&self, endpoint: &TargetUri) -> NumericDate {
        self.servers.time(endpoint).now
    }

    /// How far the local clock is off, however little, by the answer to a request of `sent`.
    fn measured(&self, answer: &Response<Bytes>, sent: Moment) -> Option<ClockOffset> {
        let now = self.system.moment();
        let took = now.elapsed.saturating_sub(sent.elapsed);
        ClockOffset::of_answer_over(answer.headers(), now.date, took)
    }

    /// Goes by the time of a challenge from now on: a server whose clock was set may ask for a nonce first, and
    /// then for an assertion or a proof of the right time.
    fn learn_time(
        &self,
        endpoint: &TargetUri,
        made_by: ServerTime,
        challenge: &Response<Bytes>,
        sent: Moment,
    ) {
        if let Some(offset) = self.measured(challenge, sent)
            && self.servers.correct_clock(endpoint, made_by, offset)
        {
            debug!(%offset, "going by the right time for this server");
        }
    }

    /// What the server answered to a request of `sent` that was made by the time of `made_by`, with how far the local
    /// clock is off and how long the server wants to be left alone.
    fn refused(
        &self,
        refusal: ExchangeError,
        made_by: ServerTime,
        answer: &Response<Bytes>,
        sent: Moment,
    ) -> TokenError {
        let clock_offset = self
            .measured(answer, sent)
            // An offset that the request took into account is not why it was refused.
            .filter(|offset| !offset.is_tolerated() && !made_by.agrees_with(*offset));
        let is_busy =
            matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let retry_after = match rate_limit::wait(answer.headers()) {
            Wait::For(wait) if is_busy => Some(wait),
            Wait::TooLong if is_busy => Some(LONGEST_PAUSE),
            _ => None,
        };
        TokenError::Refused { refusal, clock_offset, retry_after }
    }

    /// Whether the time explains the refusal and is known better by now, so that it is worth asking again:
    /// either the clock could be corrected, or the request was made by a correction that the answer has ended.
    fn is_for_the_time(&self, refused: &TokenError, endpoint: &Endpoint, made_by: ServerTime) -> bool {
        let endpoint = endpoint.target();
        refused.may_be_for_the_time()
            && match refused.clock_offset() {
                Some(offset) => self.servers.correct_clock(endpoint, made_by, offset),
                None => made_by.is_corrected() && !self.servers.is_corrected(endpoint),
            }
    }
}

/// Whether the server has refused before it looked at the grant: by the client's assertion or by the proof. A
/// code that was looked at may be used up, and a refresh token that is used twice may end the whole grant
/// (RFC 9700 section 4.14.2).
fn has_not_acted(refused: &TokenError, request: &TokenRequest) -> bool {
    match refused {
        TokenError::Refused { refusal: ExchangeError::Refused { error, .. }, .. } => {
            !request.grant().is_used_up()
                || ["invalid_client", "invalid_dpop_proof"].contains(&error.as_str())
        }
        _ => false,
    }
}

/// Whether the network may be back the next time.
const fn is_passing(lost: &TransportError) -> bool {
    matches!(
        lost,
        TransportError::Timeout { .. } | TransportError::Connect { .. } | TransportError::Broken { .. }
    )
}

/// A form that is wiped once it is sent.
struct Wiped(Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for AuthorizationClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthorizationClient")
            .field("registration", &self.registration)
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}
