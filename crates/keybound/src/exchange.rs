//! The outward token request as a state machine without IO (RFC 6749 section 4.4, RFC 7523 section 2.2,
//! RFC 9449 sections 5 and 8).
//!
//! [`attempt`](TokenExchange::attempt) gives the request to send, [`receive`](TokenExchange::receive)
//! takes the answer and says what is next. Each attempt has a client assertion and a proof of its own;
//! a nonce challenge leads to another attempt.
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
//!         Progress::AnswerChallenge => continue,
//!         Progress::Granted(token) => break token,
//!     }
//! };
//! # assert_eq!(token.access_token.as_str(), "t");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use zeroize::Zeroizing;

use crate::access_token::MAX_ACCESS_TOKEN_BYTES;
use crate::algorithm::Algorithm;
use crate::assertion::{CLIENT_ASSERTION_TYPE, ClientAssertion};
use crate::credentials::Scheme;
use crate::excerpt::{SENTENCE, excerpt};
use crate::htu::{TargetUri, TargetUriError};
use crate::json::{MemberError, NotStrictJson, Object};
use crate::jws::UnsignedJws;
use crate::nonce::Nonce;
use crate::numeric_date::NumericDate;
use crate::proof::{DpopKey, ProofRequest, ProofTemplate};
use crate::random::{Random, RandomUnavailable};
use crate::signer::{SignError, Signature, Signer};

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

/// A client credentials grant with `private_key_jwt` (RFC 6749 section 4.4, RFC 7523 section 2.2).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The URL of the token endpoint, as it is requested.
    token_endpoint: Uri,
    /// The same, normalised for `htu`.
    target: TargetUri,
    /// The client's id.
    pub client_id: String,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// `aud` of the client assertion: the token endpoint, unless the server wants its issuer there.
    pub assertion_audience: String,
    /// The id under which the client's key is registered.
    pub key_id: Option<String>,
}

impl ClientCredentials {
    /// A grant whose client assertion is for the token endpoint and names no key.
    pub fn new(
        token_endpoint: &str,
        client_id: impl Into<String>,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, TargetUriError> {
        Ok(Self {
            target: TargetUri::parse(token_endpoint)?,
            assertion_audience: token_endpoint.to_owned(),
            token_endpoint: token_endpoint.parse().map_err(|_| TargetUriError::IllegalCharacter)?,
            client_id: client_id.into(),
            scopes: scopes.into_iter().map(Into::into).collect(),
            key_id: None,
        })
    }

    /// The token endpoint as a proof names it; its origin is the one that nonces belong to.
    pub fn target(&self) -> &TargetUri {
        &self.target
    }
}

/// A token request in progress.
#[derive(Debug)]
pub struct TokenExchange {
    grant: ClientCredentials,
    client_algorithm: Algorithm,
    proofs: Option<ProofTemplate>,
    nonce: Option<Nonce>,
    challenges: u8,
    attempted_at: NumericDate,
}

/// What is next after an answer.
#[derive(Debug)]
pub enum Progress {
    /// The server gave a nonce and wants it in the proof: make another attempt.
    AnswerChallenge,
    /// The server granted a token.
    Granted(GrantedToken),
}

/// An access token that was granted.
#[derive(Clone)]
pub struct GrantedToken {
    /// The token itself, a secret if it is a bearer token.
    pub access_token: Zeroizing<String>,
    /// How it is presented: `DPoP` if it is bound to the key of the exchange's proofs.
    pub scheme: Scheme,
    /// When it expires, by the clock that [`TokenExchange::attempt`] was given; `None` if the server
    /// did not say.
    pub expires_at: Option<NumericDate>,
    /// The scopes that were granted; `None` if they are those asked for (RFC 6749 section 5.1).
    pub scopes: Option<Vec<String>>,
}

impl fmt::Debug for GrantedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GrantedToken")
            .field("scheme", &self.scheme)
            .field("expires_at", &self.expires_at)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Why an exchange has ended without a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The server refused the request.
    #[error("the authorization server refused the token request with {status}: {error}{}", in_brackets(.description.as_deref()))]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// The server's `error`.
        error: String,
        /// The server's `error_description`.
        description: Option<String>,
    },
    /// The server asked for a nonce and gave none that can be used.
    #[error(
        "the authorization server asked for a nonce (use_dpop_nonce) without one valid DPoP-Nonce header field (RFC 9449 section 8)"
    )]
    ChallengeWithoutNonce,
    /// The server asked for a nonce again and again.
    #[error(
        "the authorization server asked for another nonce {MAX_CHALLENGES} times; it does not accept the nonces that it gives (RFC 9449 section 8)"
    )]
    TooManyChallenges,
    /// The answer is not that of a token endpoint.
    #[error("the answer with {status} is not one of a token endpoint{}; is the URL right?", in_brackets(.content_type.as_deref()))]
    NotATokenEndpoint {
        /// The status of the answer.
        status: StatusCode,
        /// The answer's `Content-Type`.
        content_type: Option<String>,
    },
    /// The answer is too long to be one.
    #[error(
        "the authorization server's answer has {found} bytes, more than the {MAX_ANSWER_BYTES} that are read"
    )]
    TooLarge {
        /// Bytes of the answer.
        found: usize,
    },
    /// The answer grants a token, and is not JSON that can be relied on.
    #[error("the authorization server's answer is {0}")]
    NotStrictJson(NotStrictJson),
    /// The answer grants a token, and misses a member that it must have.
    #[error("the authorization server's answer cannot be used: {0} (RFC 6749 section 5.1)")]
    Malformed(MemberError),
    /// The token has characters that cannot be sent, or is too long.
    #[error("the access token in the answer cannot be sent in an Authorization header field")]
    UnusableToken,
    /// A proof was sent, and the token is not bound to its key.
    #[error(
        "the authorization server ignored the DPoP proof and granted a Bearer token, which anyone who steals it can use (RFC 9449 section 5); switch DPoP on for this client at the server, or ask for a Bearer token by name"
    )]
    NotBound,
    /// No proof was sent, and the token is said to be bound to a key.
    #[error(
        "the authorization server granted a key-bound token although no key was shown (RFC 9449 section 5)"
    )]
    BoundToNoKey,
    /// The token is of a type that is neither `DPoP` nor `Bearer`.
    #[error(
        "the authorization server granted a token of the type `{found}`, which is neither DPoP nor Bearer"
    )]
    UnknownTokenType {
        /// The server's `token_type`.
        found: String,
    },
}

fn in_brackets(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
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
        let attempted_at = NumericDate::from_seconds(0);
        Self { grant, client_algorithm, proofs, nonce, challenges: 0, attempted_at }
    }

    /// The next request, with a fresh client assertion and a fresh proof, both yet to be signed.
    pub fn attempt(&mut self, now: NumericDate, random: &dyn Random) -> Result<Attempt, RandomUnavailable> {
        self.attempted_at = now;
        let assertion = ClientAssertion {
            client_id: &self.grant.client_id,
            audience: &self.grant.assertion_audience,
            lifetime: ASSERTION_LIFETIME,
            key_id: self.grant.key_id.as_deref(),
        };
        let request = ProofRequest {
            method: &Method::POST,
            target: &self.grant.target,
            access_token: None,
            nonce: self.nonce.as_ref(),
        };
        Ok(Attempt {
            client_algorithm: self.client_algorithm,
            token_endpoint: self.grant.token_endpoint.clone(),
            scope: self.grant.scopes.join(" "),
            assertion: assertion.prepare(self.client_algorithm, now, random)?,
            proof: match &self.proofs {
                Some(template) => Some(template.prepare(&request, now, random)?),
                None => None,
            },
        })
    }

    /// Takes the answer to the last attempt.
    pub fn receive<B: AsRef<[u8]>>(&mut self, answer: &Response<B>) -> Result<Progress, ExchangeError> {
        let given_nonce = newest_nonce(answer.headers());
        if let Some(nonce) = &given_nonce {
            self.nonce = Some(nonce.clone());
        }
        let found = answer.body().as_ref().len();
        if found > MAX_ANSWER_BYTES {
            return Err(ExchangeError::TooLarge { found });
        }
        if answer.status() == StatusCode::OK {
            return self.granted(answer.body().as_ref()).map(Progress::Granted);
        }
        match refusal(answer) {
            ExchangeError::Refused { error, .. } if error == "use_dpop_nonce" && self.proofs.is_some() => {
                self.challenged(given_nonce.is_some())
            }
            refusal => Err(refusal),
        }
    }

    /// The newest nonce that the server has given, to be kept for its origin.
    pub fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }

    fn challenged(&mut self, has_nonce: bool) -> Result<Progress, ExchangeError> {
        if !has_nonce {
            return Err(ExchangeError::ChallengeWithoutNonce);
        }
        if self.challenges == MAX_CHALLENGES {
            return Err(ExchangeError::TooManyChallenges);
        }
        self.challenges += 1;
        Ok(Progress::AnswerChallenge)
    }

    fn granted(&self, body: &[u8]) -> Result<GrantedToken, ExchangeError> {
        let answer = Object::parse(body).map_err(ExchangeError::NotStrictJson)?;
        let access_token = answer.string("access_token").map_err(ExchangeError::Malformed)?;
        let is_sendable = |byte: u8| byte.is_ascii_graphic();
        if access_token.is_empty()
            || access_token.len() > MAX_ACCESS_TOKEN_BYTES
            || !access_token.bytes().all(is_sendable)
        {
            return Err(ExchangeError::UnusableToken);
        }
        let lifetime = answer.optional_date("expires_in").map_err(ExchangeError::Malformed)?;
        let scope = answer.optional_string("scope").map_err(ExchangeError::Malformed)?;
        Ok(GrantedToken {
            access_token: Zeroizing::new(access_token.to_owned()),
            scheme: self.right_scheme(answer.string("token_type").map_err(ExchangeError::Malformed)?)?,
            expires_at: lifetime
                .map(|lifetime| self.attempted_at.after(Duration::from_secs(lifetime.seconds()))),
            scopes: scope.map(scopes),
        })
    }

    /// A token of another type than the one asked for is not taken silently (RFC 9449 section 5).
    fn right_scheme(&self, token_type: &str) -> Result<Scheme, ExchangeError> {
        match (Scheme::from_name(token_type), self.proofs.is_some()) {
            (Some(Scheme::Dpop), true) => Ok(Scheme::Dpop),
            (Some(Scheme::Bearer), false) => Ok(Scheme::Bearer),
            (Some(Scheme::Bearer), true) => Err(ExchangeError::NotBound),
            (Some(Scheme::Dpop), false) => Err(ExchangeError::BoundToNoKey),
            (None, _) => Err(ExchangeError::UnknownTokenType { found: readable(token_type) }),
        }
    }
}

/// The one valid `DPoP-Nonce` of an answer, whatever its status (RFC 9449 section 8.2).
pub fn newest_nonce(headers: &HeaderMap) -> Option<Nonce> {
    let mut fields = headers.get_all(DPOP_NONCE).iter();
    let field = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    Nonce::parse(field.to_str().ok()?).ok()
}

/// RFC 6749 section 3.3: names with spaces between them.
fn scopes(scope: &str) -> Vec<String> {
    scope.split(' ').filter(|name| !name.is_empty()).map(readable).collect()
}

/// RFC 6749 section 5.2.
fn refusal<B: AsRef<[u8]>>(answer: &Response<B>) -> ExchangeError {
    let body = Object::parse(answer.body().as_ref()).ok();
    match body.as_ref().and_then(|body| body.string("error").ok()) {
        Some(error) => ExchangeError::Refused {
            status: answer.status(),
            error: readable(error),
            description: body.as_ref().and_then(|body| body.string("error_description").ok()).map(readable),
        },
        None => ExchangeError::NotATokenEndpoint {
            status: answer.status(),
            content_type: answer
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(readable),
        },
    }
}

fn readable(text: &str) -> String {
    excerpt(text, SENTENCE)
}

/// One request of an exchange, before its two signatures.
pub struct Attempt {
    client_algorithm: Algorithm,
    token_endpoint: Uri,
    scope: String,
    assertion: UnsignedJws,
    proof: Option<UnsignedJws>,
}

impl Attempt {
    /// What the client's key is to sign.
    pub fn assertion(&self) -> &UnsignedJws {
        &self.assertion
    }

    /// What the DPoP key is to sign, if the token is to be bound to one.
    pub fn proof(&self) -> Option<&UnsignedJws> {
        self.proof.as_ref()
    }

    /// The request, signed with these keys; `dpop_key` is the one whose template the exchange has.
    pub fn sign(
        self,
        client_key: &dyn Signer,
        dpop_key: Option<&DpopKey>,
    ) -> Result<Request<String>, SignError> {
        let (expected, found) = (self.client_algorithm, client_key.algorithm());
        if !found.is_same_as(expected) {
            return Err(SignError::WrongAlgorithm { expected, found });
        }
        let assertion = client_key.sign(self.assertion.signing_input())?;
        let proof = match (&self.proof, dpop_key) {
            (Some(proof), Some(key)) => Some(key.sign(proof)?),
            _ => None,
        };
        self.attach(&assertion, proof.as_ref())
    }

    /// The request, with signatures that were made elsewhere; a proof must have one.
    pub fn attach(
        self,
        assertion: &Signature,
        proof: Option<&Signature>,
    ) -> Result<Request<String>, SignError> {
        let proof = match (self.proof, proof) {
            (Some(unsigned), Some(signature)) => Some(unsigned.attach(signature)),
            (Some(_), None) => return Err(SignError::ProofNotSigned),
            (None, _) => None,
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scope.is_empty() {
            form.append_pair("scope", &self.scope);
        }
        form.append_pair("client_assertion_type", CLIENT_ASSERTION_TYPE);
        form.append_pair("client_assertion", &self.assertion.attach(assertion));

        let mut request = Request::new(form.finish());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.token_endpoint;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(proof) = proof {
            headers.insert(DPOP, proof_field(&proof));
        }
        Ok(request)
    }
}

/// A proof as the value of its header field, kept out of logs and of HPACK's table.
#[expect(clippy::expect_used, reason = "base64url and dots are legal in a header field")]
pub(crate) fn proof_field(proof: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(proof).expect("a compact JWS is a legal field value");
    value.set_sensitive(true);
    value
}
