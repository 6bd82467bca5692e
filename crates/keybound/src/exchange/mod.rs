//! The outward token request as a state machine without IO, for every grant (RFC 6749 section 3.2, RFC 7523
//! section 2.2, RFC 8628 section 3.4, RFC 9449 sections 5 and 8).
//!
//! [`attempt`](TokenExchange::attempt) gives the request to send, [`receive`](TokenExchange::receive)
//! takes the answer and says what is next. Each attempt has a client assertion and a proof of its own;
//! a nonce challenge leads to another attempt, and nothing else does: the server says with it that it did not
//! act. Whoever waits for a user's approval attempts again after the time that [`Progress::Wait`] says.
//!
//! ```
//! use std::sync::Arc;
//! use keybound::exchange::{ClientCredentials, Progress, TokenExchange};
//! use keybound::proof::DpopKey;
//! use keybound::random::OperatingSystem;
//! use keybound::{Algorithm, NumericDate, SigningKey};
//!
//! # // A server that asks for a nonce once.
//! # let mut answers = vec![
//! #     http::Response::builder().status(200).body(r#"{"access_token":"t","token_type":"DPoP"}"#)?,
//! #     http::Response::builder().status(400).header("dpop-nonce", "n").body(r#"{"error":"use_dpop_nonce"}"#)?,
//! # ];
//! # let mut send = |_request: http::Request<String>| answers.pop().unwrap();
//! let client_key = SigningKey::generate(Algorithm::ES256)?;
//! let dpop_key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256)?));
//! let grant = ClientCredentials::new("https://org.example.com/oauth2/v1/token", "0oa1", ["okta.users.read"])?;
//! let mut exchange = TokenExchange::new(grant, Algorithm::ES256, Some(dpop_key.template().clone()), None);
//! let token = loop {
//!     let now = NumericDate::from(std::time::SystemTime::now());
//!     let request = exchange.attempt(now, &OperatingSystem)?.sign(&client_key, Some(&dpop_key))?;
//!     match exchange.receive(&send(request))? {
//!         Progress::AnswerChallenge | Progress::Wait(_) => continue,
//!         Progress::Granted(token) => break token,
//!     }
//! };
//! # assert_eq!(token.access_token.as_str(), "t");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod client;
mod error;
pub(crate) mod form;
mod grant;

pub use answer::GrantedToken;
pub use client::{ClientAuthentication, ClientIdentity};
pub use error::{ExchangeError, NotTheBoundKey};
pub use form::{Attempt, newest_nonce};
pub use grant::{ClientCredentials, Grant, RefreshToken, TokenRequest};

use std::time::Duration;

use http::{HeaderName, Response, StatusCode};

use crate::access_token::MAX_ACCESS_TOKEN_BYTES;
use crate::algorithm::Algorithm;
use crate::nonce::Nonce;
use crate::numeric_date::NumericDate;
use crate::proof::ProofTemplate;
use crate::random::{Random, RandomUnavailable};
use form::{FormExchange, Received};

/// The header field that carries a proof (RFC 9449 section 4.1).
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The header field that carries a server's nonce (RFC 9449 section 8.1).
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Nonce challenges that one exchange answers: one because it had no nonce, one because the server's
/// nonce changed just then. A server that goes on is broken.
pub const MAX_CHALLENGES: u8 = 2;

/// Bytes of a token endpoint's answer, at most: the longest token, and three times as much around it.
pub const MAX_ANSWER_BYTES: usize = 4 * MAX_ACCESS_TOKEN_BYTES;

/// How long a client assertion lives: long enough for the clocks of both sides to differ by minutes.
pub const ASSERTION_LIFETIME: Duration = Duration::from_secs(300);

/// A token request in progress.
#[derive(Debug)]
pub struct TokenExchange {
    request: TokenRequest,
    form: FormExchange,
}

/// What is next after an answer.
#[derive(Debug)]
pub enum Progress {
    /// The server gave a nonce and wants it in the proof: make another attempt.
    AnswerChallenge,
    /// The user has not approved yet: make another attempt after this time (RFC 8628 section 3.5). Only an
    /// exchange of a device code comes to this.
    Wait(Duration),
    /// The server granted a token.
    Granted(GrantedToken),
}

impl TokenExchange {
    /// An exchange for `grant`, whose client signs with `client_algorithm`. With `proofs` the token is
    /// to be bound to their key; `nonce` is the newest that the server's origin has given, if any.
    pub fn new(
        grant: ClientCredentials,
        client_algorithm: Algorithm,
        proofs: Option<ProofTemplate>,
        nonce: Option<Nonce>,
    ) -> Self {
        Self::of(grant.request(client_algorithm), proofs, nonce)
    }

    /// An exchange for `request`, whatever its grant. The key of a grant that is bound to one stays the one
    /// (RFC 9449 sections 5 and 10).
    pub fn for_request(
        request: TokenRequest,
        proofs: Option<ProofTemplate>,
        nonce: Option<Nonce>,
    ) -> Result<Self, NotTheBoundKey> {
        let found = proofs.as_ref().map(ProofTemplate::thumbprint);
        match request.grant().bound_to() {
            Some(expected) if found != Some(expected) => Err(NotTheBoundKey { expected, found }),
            _ => Ok(Self::of(request, proofs, nonce)),
        }
    }

    fn of(request: TokenRequest, proofs: Option<ProofTemplate>, nonce: Option<Nonce>) -> Self {
        let form = FormExchange::new(request.endpoint.clone(), request.client.clone(), proofs, nonce);
        Self { request, form }
    }

    /// The next request, with a fresh client assertion and a fresh proof, both yet to be signed.
    pub fn attempt(&mut self, now: NumericDate, random: &dyn Random) -> Result<Attempt, RandomUnavailable> {
        self.form.attempt(self.request.fields(), now, random)
    }

    /// Takes the answer to the last attempt.
    pub fn receive<B: AsRef<[u8]>>(&mut self, answer: &Response<B>) -> Result<Progress, ExchangeError> {
        match self.form.receive(answer, StatusCode::OK) {
            Ok(Received::Challenge) => Ok(Progress::AnswerChallenge),
            Ok(Received::Answer) => self.granted(answer.body().as_ref()).map(Progress::Granted),
            Err(refusal) => self.not_yet(refusal),
        }
    }

    /// Says that no answer came to the last attempt. A device that polls tries again after this time, which is
    /// longer each time (RFC 8628 section 3.5); with any other grant it is for the caller to say whether there
    /// is another exchange, since this one may have been heard.
    pub fn unanswered(&mut self) -> Option<Duration> {
        let Grant::DeviceCode(device) = &mut self.request.grant else { return None };
        device.polling.back_off();
        self.form.ask_anew();
        device.polling.wait(self.form.attempted_at())
    }

    /// The newest nonce that the server has given, to be kept for its origin.
    pub fn nonce(&self) -> Option<&Nonce> {
        self.form.nonce()
    }

    fn granted(&self, body: &[u8]) -> Result<GrantedToken, ExchangeError> {
        let key = self.form.proofs().map(ProofTemplate::thumbprint);
        let asked =
            answer::Asked { at: self.form.attempted_at(), key, is_public: self.request.client.is_public() };
        GrantedToken::parse(body, &asked)
    }

    /// The refusals that tell a device to wait, or that it waited in vain (RFC 8628 section 3.5).
    fn not_yet(&mut self, refusal: ExchangeError) -> Result<Progress, ExchangeError> {
        let (Grant::DeviceCode(device), ExchangeError::Refused { error, .. }) =
            (&mut self.request.grant, &refusal)
        else {
            return Err(refusal);
        };
        match error.as_str() {
            "authorization_pending" => {}
            "slow_down" => device.polling.slow_down(),
            "expired_token" => return Err(ExchangeError::DeviceCodeExpired),
            "access_denied" => return Err(ExchangeError::AccessDenied),
            _ => return Err(refusal),
        }
        self.form.ask_anew();
        let wait = device.polling.wait(self.form.attempted_at());
        wait.map(Progress::Wait).ok_or(ExchangeError::DeviceCodeExpired)
    }
}
