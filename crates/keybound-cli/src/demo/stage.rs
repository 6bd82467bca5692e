//! Where the story happens: a local org on a free loopback port, a service app with its keys, a thief with
//! a key of their own. It performs an act by the same steps that any client takes.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method, Request, Response};
use keybound::exchange::{ClientCredentials, DPOP, Progress, TokenExchange};
use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, NumericDate, SigningKey, TargetUri, Thumbprint};
use keybound_client::{Transport, TransportOptions};
use keybound_org::{AdminRole, LocalOrg, NewApp, OrgSettings};
use serde_json::Value;
use zeroize::Zeroizing;

use super::story::{Act, Actor, Call, CallProof, Credential, Target, TokenProof};
use crate::exit_code::ExitCode;
use crate::key_file;
use crate::report::{Failure, Outcome};

/// What an act led to.
pub(super) enum Scene {
    /// The administrator's act.
    Settled(Vec<Fact>),
    /// A request and its answer.
    Exchanged(Box<Exchange>),
}

impl Scene {
    fn exchanged(exchange: Exchange) -> Self {
        Self::Exchanged(Box::new(exchange))
    }
}

/// One thing to know about an act, with its label.
pub(super) enum Fact {
    Open {
        label: &'static str,
        text: String,
    },
    /// PEM.
    PrivateKey(Zeroizing<String>),
}

impl Fact {
    fn open(label: &'static str, text: String) -> Self {
        Self::Open { label, text }
    }
}

/// A request as it was sent, and the answer as it came.
pub(super) struct Exchange {
    pub(super) request: Request<Bytes>,
    pub(super) response: Response<Bytes>,
}

/// As Okta's console makes it.
const CLIENT_ALGORITHM: Algorithm = Algorithm::RS256;
/// An ES256 proof costs a thirtieth of an RS256 one.
const PROOF_ALGORITHM: Algorithm = Algorithm::ES256;

const SCOPE: &str = "okta.users.read";

pub(super) struct Stage {
    org: LocalOrg,
    transport: Transport,
    client_id: String,
    client_key: SigningKey,
    app_key: DpopKey,
    app_private_key: Zeroizing<String>,
    thief_key: DpopKey,
    /// A token request that was answered with a nonce challenge.
    challenged: Option<TokenExchange>,
    unbound_token: Zeroizing<String>,
    bound_token: Zeroizing<String>,
    captured_proof: Option<HeaderValue>,
    first_user: String,
}

impl Stage {
    /// Makes all keys at once, and starts the org.
    pub(super) async fn set() -> Outcome<Self> {
        let (org_key, client_key, app_key, thief_key) = tokio::try_join!(
            generated(CLIENT_ALGORITHM),
            generated(CLIENT_ALGORITHM),
            generated(PROOF_ALGORITHM),
            generated(PROOF_ALGORITHM),
        )?;
        let org =
            LocalOrg::start(OrgSettings { signing_key: Some(org_key), ..OrgSettings::default() }).await?;
        let mut options = TransportOptions::default();
        if let Some(path) = org.ca_file() {
            options.certificate_authorities.push(fs::read_to_string(path).map_err(unexpected)?);
        }
        Ok(Self {
            org,
            transport: Transport::new(options),
            client_id: String::new(),
            client_key,
            app_private_key: app_key.private_key().to_pkcs8_pem().map_err(unexpected)?,
            app_key: DpopKey::new(Arc::new(app_key)),
            thief_key: DpopKey::new(Arc::new(thief_key)),
            challenged: None,
            unbound_token: Zeroizing::default(),
            bound_token: Zeroizing::default(),
            captured_proof: None,
            first_user: String::new(),
        })
    }

    /// Ends the org; its data go with it.
    pub(super) async fn strike(self) {
        drop(self.transport);
        self.org.stop().await;
    }

    pub(super) fn origin(&self) -> &str {
        self.org.url()
    }

    fn register_app(&mut self) -> Outcome<Scene> {
        let key = self.client_key.private_key();
        let public_key = key_file::registrable(key.public_key(), CLIENT_ALGORITHM);
        let new = NewApp {
            label: "Demo".to_owned(),
            public_keys: vec![public_key],
            scopes: vec![SCOPE.to_owned()],
            roles: vec![AdminRole::ReadOnly],
            dpop_bound_access_tokens: false,
            ..NewApp::default()
        };
        let app = self.org.store().create_app(&new, now(), &OperatingSystem)?;
        self.client_id.clone_from(&app.client_id);
        let granted = format!("scope {SCOPE}, role {}, DPoP not required", AdminRole::ReadOnly);
        Ok(Scene::Settled(vec![
            Fact::open("app", format!("{}, {granted}", app.client_id)),
            Fact::open("key", format!("{CLIENT_ALGORITHM}, thumbprint {}", key.public_key().thumbprint())),
            Fact::PrivateKey(key.to_pkcs8_pem().map_err(unexpected)?),
        ]))
    }

    fn require_dpop(&self) -> Outcome<Scene> {
        self.org.store().require_dpop(&self.client_id, true)?;
        Ok(Scene::Settled(vec![
            Fact::open("app", format!("{}, DPoP required", self.client_id)),
            Fact::open("key", format!("{PROOF_ALGORITHM}, thumbprint {}", self.app_key.thumbprint())),
            Fact::PrivateKey(self.app_private_key.clone()),
        ]))
    }

    pub(super) async fn perform(&mut self, act: &Act) -> Outcome<Scene> {
        match act {
            Act::RegisterApp => self.register_app(),
            Act::RequireDpop => self.require_dpop(),
            Act::AskForToken(proof) => self.ask_for_token(*proof).await.map(Scene::exchanged),
            Act::Call(call) => self.call(*call).await.map(Scene::exchanged),
        }
    }

    /// The key that the app's tokens are to be bound to.
    pub(super) fn app_thumbprint(&self) -> Thumbprint {
        self.app_key.thumbprint()
    }

    /// One token request. A challenge leaves the exchange to be gone on with.
    async fn ask_for_token(&mut self, proof: TokenProof) -> Outcome<Exchange> {
        let key = (proof == TokenProof::Fresh).then(|| self.app_key.clone());
        let mut exchange = match self.challenged.take() {
            Some(exchange) => exchange,
            None => self.new_exchange(key.as_ref())?,
        };
        let attempt = exchange.attempt(now(), &OperatingSystem).map_err(unexpected)?;
        let request = attempt.sign(&self.client_key, key.as_ref()).map_err(unexpected)?;
        let exchanged = self.send(request.map(Bytes::from)).await?;
        match exchange.receive(&exchanged.response) {
            Ok(Progress::AnswerChallenge) => self.challenged = Some(exchange),
            Ok(Progress::Granted(token)) if proof == TokenProof::Fresh => {
                self.bound_token = token.access_token;
            }
            Ok(Progress::Granted(token)) => self.unbound_token = token.access_token,
            // The answer is there to be judged.
            Ok(Progress::Wait(_)) | Err(_) => {}
        }
        Ok(exchanged)
    }

    fn new_exchange(&self, key: Option<&DpopKey>) -> Outcome<TokenExchange> {
        let endpoint = format!("{}/oauth2/v1/token", self.origin());
        let mut grant = ClientCredentials::new(&endpoint, &self.client_id, [SCOPE]).map_err(unexpected)?;
        grant.key_id = Some(self.client_key.private_key().public_key().thumbprint().to_string());
        Ok(TokenExchange::new(grant, CLIENT_ALGORITHM, key.map(|key| key.template().clone()), None))
    }

    async fn call(&mut self, call: Call) -> Outcome<Exchange> {
        let url = match call.target {
            Target::Users => format!("{}/api/v1/users?limit=200", self.origin()),
            Target::FirstUser => format!("{}/api/v1/users/{}", self.origin(), self.first_user),
        };
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse().map_err(unexpected)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(AUTHORIZATION, self.credential(call.credential)?);
        if let Some(proof) = self.proof(call, &url)? {
            request.headers_mut().insert(DPOP, proof);
        }
        let exchanged = self.send(request).await?;
        if call.by == Actor::App {
            self.overhear(&exchanged);
        }
        Ok(exchanged)
    }

    fn credential(&self, credential: Credential) -> Outcome<HeaderValue> {
        let (scheme, token) = match credential {
            Credential::UnboundAsBearer => ("Bearer", &self.unbound_token),
            Credential::BoundAsBearer => ("Bearer", &self.bound_token),
            Credential::BoundAsDpop => ("DPoP", &self.bound_token),
        };
        HeaderValue::try_from(format!("{scheme} {}", token.as_str())).map_err(unexpected)
    }

    fn proof(&self, call: Call, url: &str) -> Outcome<Option<HeaderValue>> {
        match call.proof {
            CallProof::None => Ok(None),
            CallProof::Captured => Ok(self.captured_proof.clone()),
            CallProof::Fresh => {
                let key = if call.by == Actor::App { &self.app_key } else { &self.thief_key };
                let request = ProofRequest {
                    method: &Method::GET,
                    target: &TargetUri::parse(url).map_err(unexpected)?,
                    access_token: Some(AccessTokenHash::of(&self.bound_token)),
                    nonce: None,
                };
                let proof = key.prove(&request, now(), &OperatingSystem).map_err(unexpected)?;
                HeaderValue::try_from(proof).map(Some).map_err(unexpected)
            }
        }
    }

    /// What the thief learns from the app's traffic.
    fn overhear(&mut self, exchange: &Exchange) {
        if let Some(proof) = exchange.request.headers().get(DPOP) {
            self.captured_proof = Some(proof.clone());
        }
        let body = serde_json::from_slice::<Value>(exchange.response.body()).unwrap_or_default();
        if let Some(id) = body.pointer("/0/id").and_then(Value::as_str) {
            id.clone_into(&mut self.first_user);
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Outcome<Exchange> {
        let response = self.transport.send(request.clone()).await.map_err(|error| {
            Failure::new(ExitCode::DemoFailed, "the local org did not answer").because(error)
        })?;
        Ok(Exchange { request, response })
    }
}

fn now() -> NumericDate {
    SystemTime::now().into()
}

fn unexpected(error: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Unexpected, error)
}

/// A key, made on a thread of its own: RSA takes from 50 to 300 milliseconds.
async fn generated(algorithm: Algorithm) -> Outcome<SigningKey> {
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    made.map_err(unexpected)?.map_err(unexpected)
}
