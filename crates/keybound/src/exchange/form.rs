//! One form for one endpoint: authenticated, proven, and sent until the server has the nonce that it wants
//! (RFC 6749 section 2.3, RFC 9449 section 8). Token requests, pushed authorization requests and device
//! authorization requests are such forms.

use std::borrow::Cow;
use std::fmt;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::client::{ClientIdentity, Credentials};
use super::error::{ExchangeError, refusal};
use super::{DPOP, DPOP_NONCE, MAX_ANSWER_BYTES, MAX_CHALLENGES};
use crate::assertion::CLIENT_ASSERTION_TYPE;
use crate::endpoint::Endpoint;
use crate::jws::UnsignedJws;
use crate::nonce::Nonce;
use crate::numeric_date::NumericDate;
use crate::proof::{DpopKey, ProofRequest, ProofTemplate};
use crate::random::{Random, RandomUnavailable};
use crate::secret::Secret;
use crate::signer::{SignError, Signature, Signer};

/// Room for a form: a client assertion has a kilobyte. A form that grows leaves a copy of its secrets.
const FORM_CAPACITY: usize = 4 * 1024;

/// The fields of a form, in their order. `Debug` shows their names.
#[derive(Clone, Default)]
pub(crate) struct Fields(Vec<(Cow<'static, str>, Secret)>);

impl Fields {
    pub(crate) fn push(&mut self, name: impl Into<Cow<'static, str>>, value: &str) {
        self.0.push((name.into(), Secret::new(value)));
    }

    /// RFC 6749 section 3.3: names with spaces between them.
    pub(crate) fn push_scopes(&mut self, scopes: &[String]) {
        if !scopes.is_empty() {
            self.push("scope", &scopes.join(" "));
        }
    }

    /// Parameters are sent once (RFC 6749 section 3.2), and a pushed request has its client's id already.
    fn push_once(&mut self, name: &'static str, value: &str) {
        if !self.contains(name) {
            self.push(name, value);
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// The fields in the encoding of forms (RFC 6749 appendix B), which is that of a query too.
    pub(crate) fn encode(&self, room: usize) -> String {
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(room));
        form.extend_pairs(self.0.iter().map(|(name, value)| (name.as_ref(), value.expose())));
        form.finish()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A form that is being sent.
#[derive(Debug)]
pub(crate) struct FormExchange {
    endpoint: Endpoint,
    client: ClientIdentity,
    proofs: Option<ProofTemplate>,
    nonce: Option<Nonce>,
    challenges: u8,
    attempted_at: NumericDate,
}

/// What an answer is.
pub(crate) enum Received {
    /// A challenge: the form is to be sent again, with the nonce.
    Challenge,
    /// The answer to the form.
    Answer,
}

impl FormExchange {
    pub(crate) fn new(
        endpoint: Endpoint,
        client: ClientIdentity,
        proofs: Option<ProofTemplate>,
        nonce: Option<Nonce>,
    ) -> Self {
        let attempted_at = NumericDate::from_seconds(0);
        Self { endpoint, client, proofs, nonce, challenges: 0, attempted_at }
    }

    /// The next request, with a fresh client assertion and a fresh proof.
    pub(crate) fn attempt(
        &mut self,
        fields: Fields,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Attempt, RandomUnavailable> {
        self.attempted_at = now;
        let request = ProofRequest {
            method: &Method::POST,
            target: self.endpoint.target(),
            access_token: None,
            nonce: self.nonce.as_ref(),
        };
        Ok(Attempt {
            endpoint: self.endpoint.uri().clone(),
            fields,
            credentials: self.client.prepare(now, random)?,
            proof: match &self.proofs {
                Some(template) => Some(template.prepare(&request, now, random)?),
                None => None,
            },
        })
    }

    /// Takes the answer to the last attempt, whose status is `success` if the server did what it was asked.
    pub(crate) fn receive<B: AsRef<[u8]>>(
        &mut self,
        answer: &Response<B>,
        success: StatusCode,
    ) -> Result<Received, ExchangeError> {
        let given_nonce = newest_nonce(answer.headers());
        if let Some(nonce) = &given_nonce {
            self.nonce = Some(nonce.clone());
        }
        let found = answer.body().as_ref().len();
        if found > MAX_ANSWER_BYTES {
            return Err(ExchangeError::TooLarge { found });
        }
        if answer.status() == success {
            return Ok(Received::Answer);
        }
        match refusal(answer) {
            ExchangeError::Refused { error, .. } if error == "use_dpop_nonce" && self.proofs.is_some() => {
                self.challenged(given_nonce.is_some())
            }
            refusal => Err(refusal),
        }
    }

    fn challenged(&mut self, has_nonce: bool) -> Result<Received, ExchangeError> {
        if !has_nonce {
            return Err(ExchangeError::ChallengeWithoutNonce);
        }
        if self.challenges == MAX_CHALLENGES {
            return Err(ExchangeError::TooManyChallenges);
        }
        self.challenges += 1;
        Ok(Received::Challenge)
    }

    /// What comes next is another question, which may be challenged as the first.
    pub(crate) fn ask_anew(&mut self) {
        self.challenges = 0;
    }

    pub(crate) fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }

    pub(crate) fn proofs(&self) -> Option<&ProofTemplate> {
        self.proofs.as_ref()
    }

    pub(crate) fn attempted_at(&self) -> NumericDate {
        self.attempted_at
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

/// One request of an exchange, before its signatures.
pub struct Attempt {
    endpoint: Uri,
    fields: Fields,
    credentials: Credentials,
    proof: Option<UnsignedJws>,
}

impl Attempt {
    /// What the client's key is to sign, if the client authenticates with one.
    pub fn assertion(&self) -> Option<&UnsignedJws> {
        match &self.credentials {
            Credentials::Assertion(_, assertion) => Some(assertion),
            _ => None,
        }
    }

    /// What the DPoP key is to sign, if the token is to be bound to one.
    pub fn proof(&self) -> Option<&UnsignedJws> {
        self.proof.as_ref()
    }

    /// The request, signed with these keys; `dpop_key` is the one whose template the exchange has. A client
    /// that authenticates without a key has none to sign with: [`Attempt::sign_proof`].
    pub fn sign(
        self,
        client_key: &dyn Signer,
        dpop_key: Option<&DpopKey>,
    ) -> Result<Request<String>, SignError> {
        let assertion = self.signed_assertion(client_key)?;
        let proof = self.signed_proof(dpop_key)?;
        self.finish(assertion.as_ref(), proof.as_ref())
    }

    /// The request of a client that authenticates without a key.
    pub fn sign_proof(self, dpop_key: Option<&DpopKey>) -> Result<Request<String>, SignError> {
        let proof = self.signed_proof(dpop_key)?;
        self.finish(None, proof.as_ref())
    }

    /// The request, with signatures that were made elsewhere; a proof must have one.
    pub fn attach(
        self,
        assertion: Option<&Signature>,
        proof: Option<&Signature>,
    ) -> Result<Request<String>, SignError> {
        self.finish(assertion, proof)
    }

    /// The client assertion, if there is one, for a key that signs it elsewhere; an error if the key signs with
    /// another algorithm than the one in the assertion's header.
    pub fn assertion_for(&self, client_key: &dyn Signer) -> Result<Option<&UnsignedJws>, SignError> {
        let Credentials::Assertion(expected, assertion) = &self.credentials else { return Ok(None) };
        let (expected, found) = (*expected, client_key.algorithm());
        if found.is_same_as(expected) {
            Ok(Some(assertion))
        } else {
            Err(SignError::WrongAlgorithm { expected, found })
        }
    }

    fn signed_assertion(&self, client_key: &dyn Signer) -> Result<Option<Signature>, SignError> {
        let assertion = self.assertion_for(client_key)?;
        assertion.map(|assertion| client_key.sign(assertion.signing_input())).transpose()
    }

    fn signed_proof(&self, dpop_key: Option<&DpopKey>) -> Result<Option<Signature>, SignError> {
        match (&self.proof, dpop_key) {
            (Some(proof), Some(key)) => key.sign(proof).map(Some),
            _ => Ok(None),
        }
    }

    fn finish(
        mut self,
        assertion: Option<&Signature>,
        proof: Option<&Signature>,
    ) -> Result<Request<String>, SignError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        match (self.proof, proof) {
            (Some(unsigned), Some(signature)) => {
                headers.insert(DPOP, proof_field(&unsigned.attach(signature)));
            }
            (Some(_), None) => return Err(SignError::ProofNotSigned),
            (None, _) => {}
        }
        match self.credentials {
            Credentials::Assertion(_, unsigned) => {
                let signature = assertion.ok_or(SignError::AssertionNotSigned)?;
                self.fields.push("client_assertion_type", CLIENT_ASSERTION_TYPE);
                self.fields.push("client_assertion", &unsigned.attach(signature));
            }
            Credentials::Basic(value) => {
                headers.insert(AUTHORIZATION, value);
            }
            Credentials::Post(id, secret) => {
                self.fields.push_once("client_id", &id);
                self.fields.push("client_secret", secret.expose());
            }
            Credentials::Named(id) => self.fields.push_once("client_id", &id),
        }
        let mut request = Request::new(self.fields.encode(FORM_CAPACITY));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// A proof as the value of its header field, kept out of logs and of HPACK's table.
#[expect(clippy::expect_used, reason = "base64url and dots are legal in a header field")]
fn proof_field(proof: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(proof).expect("a compact JWS is a legal field value");
    value.set_sensitive(true);
    value
}
