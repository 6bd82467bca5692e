//! What a guard would do with a recorded request, step by step, for a person who wants to know why.
//!
//! The steps are those of [`Guard::admit`], in the order in which it would take them; only, what can be told of later
//! ones is told although an earlier one has failed. An access token is not looked into then: an issuer might have to be
//! asked, and none is asked about a request that is refused anyway. Nothing is recorded, so a proof can be asked about
//! again and again.

use std::sync::Arc;

#[cfg(feature = "server")]
use bytes::Bytes;
#[cfg(feature = "server")]
use http::Response;
use keybound::access_token::AccessToken;
use keybound::credentials::Credentials;
use keybound::proof::{
    self, AccessTokenHash, Finding, KnownRequest, Outcome, ProofPolicy, ProofRefusal, proof_header,
};
use keybound::resource::{Demands, ResourceRequest};
use keybound::{NumericDate, Refusal, Rule, TargetUri, UnverifiedJws};

use super::{Guard, IncomingRequest, Inner, Refused};
#[cfg(feature = "server")]
use crate::cors::PreflightAnswer;
use crate::routes::Covered;

/// What a guard would do with a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// The proof by every rule, in the order of RFC 9449 section 4.3; empty without a proof.
    pub proof: Vec<Finding>,
    /// Who would be let in (`None`: everybody, on a route that admits without a token), or the answer.
    pub outcome: Result<Option<Arc<AccessToken>>, Box<Refused>>,
}

/// One step, and what came of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// Its name, as in the flow: `target`, `route`, `credentials`, `access token`, `proof`, `scope`, `replay`. A
    /// proof that is wrong whatever the token says stands before the access token.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It holds; this was found.
    Passed(String),
    /// It does not hold.
    Failed(Refusal),
    /// It can't be told, or is not asked for, because of this.
    NotChecked(&'static str),
}

const STOPPED: &str = "a step before it failed";

impl Guard {
    /// What this guard would do with `request` at the time `now`. As for any request, an issuer may be asked for
    /// its keys or about the token, if all else is right; proofs are not recorded.
    pub async fn explain(&self, request: &IncomingRequest<'_>, now: NumericDate) -> Explanation {
        let inner = self.inner.load_full();
        let mut telling = Telling { inner: &inner, request, now, steps: Vec::new(), refusal: None };
        let token = telling.tell().await;
        let proof = telling.proof(token.as_deref());
        let Telling { steps, refusal, .. } = telling;
        let outcome = match refusal {
            Some(refusal) => {
                let response = inner.answer(request, &refusal, now);
                #[cfg(feature = "server")]
                let response = inner.shared(request, response);
                Err(Box::new(Refused { refusal, response }))
            }
            None => Ok(token),
        };
        Explanation { steps, proof, outcome }
    }

    /// What the reverse proxy answers to `request` if that is a preflight of a page, by the policy's `[cors]`: it is
    /// not judged. `None` for any other request. Nothing is counted.
    #[cfg(feature = "server")]
    pub fn explain_preflight(&self, request: &IncomingRequest<'_>) -> Option<PreflightAnswer> {
        let inner = self.inner.load();
        let PreflightAnswer { response, is_allowed } = inner.cors.as_ref()?.preflight(request)?;
        Some(PreflightAnswer { response: inner.shared(request, response), is_allowed })
    }
}

#[cfg(feature = "server")]
impl Inner {
    /// The answer as the reverse proxy sends it, with who may read it; without `[cors]` as it is.
    fn shared(&self, request: &IncomingRequest<'_>, mut response: Response<Bytes>) -> Response<Bytes> {
        if let Some(cors) = &self.cors {
            Arc::clone(cors).reader(request.headers).share(response.headers_mut());
        }
        response
    }
}

struct Telling<'t> {
    inner: &'t Inner,
    request: &'t IncomingRequest<'t>,
    now: NumericDate,
    steps: Vec<Step>,
    /// The first: the one that the answer is about.
    refusal: Option<Refusal>,
}

/// A request that can be held to the rules for tokens and proofs.
struct Complete<'t> {
    target: &'t TargetUri,
    covered: &'t Covered<'t>,
    credentials: &'t Credentials<'t>,
}

impl Telling<'_> {
    async fn tell(&mut self) -> Option<Arc<AccessToken>> {
        let (inner, request) = (self.inner, self.request);
        let target = self.step("target", inner.targets.of(request), |target| target.as_str().to_owned());
        let covered = match &target {
            Some(target) => {
                let covered = inner.routes.covering(request.method, request.uri.path(), target);
                let inner = self.inner;
                self.step("route", covered, |covered| route_text(covered, inner.demands(covered)))
            }
            None => self.not_checked("route", STOPPED),
        };
        if covered.as_ref().is_some_and(Covered::admits_without_token) {
            for name in ["credentials", "access token", "proof", "scope", "replay"] {
                self.not_checked::<()>(name, "the route admits without a token");
            }
            return None;
        }
        let credentials = Credentials::of_request(request.headers, request.uri.query());
        let credentials = self
            .step("credentials", credentials.map_err(Refusal::from), |found| found.scheme.name().to_owned());
        let complete = match (&target, &covered, &credentials) {
            (Some(target), Some(covered), Some(credentials)) => {
                Some(Complete { target, covered, credentials })
            }
            _ => None,
        };
        let unfit = complete.as_ref().and_then(|complete| self.unfit_for_any_token(complete));
        if let Some(refusal) = &unfit {
            self.step("proof", Err::<(), _>(refusal.clone()), |()| String::new());
        }
        let token = match &complete {
            Some(complete) if unfit.is_none() => self.access_token(complete.credentials).await,
            _ => self.not_checked("access token", STOPPED),
        };
        match (&complete, &token) {
            (Some(complete), Some(token)) if unfit.is_none() => self.binding_and_proof(complete, token),
            _ if unfit.is_none() => self.not_checked("proof", STOPPED),
            _ => None,
        };
        match covered.as_ref().zip(token.as_deref()) {
            Some((covered, token)) => {
                self.step("scope", covered.require_scope(token), |()| {
                    "the token has what the route asks for".to_owned()
                });
            }
            None => {
                self.not_checked::<()>("scope", STOPPED);
            }
        }
        self.not_checked::<()>(
            "replay",
            "only the guard that gets the request can tell; nothing is recorded here",
        );
        token
    }

    async fn access_token(&mut self, credentials: &Credentials<'_>) -> Option<Arc<AccessToken>> {
        let hash = AccessTokenHash::of(credentials.access_token);
        let verified = self.inner.tokens.verify(credentials.access_token, hash, self.now).await;
        self.step("access token", verified, |token| {
            format!("of {}, for {}, until {}", token.issuer, token.subject, token.expires)
        })
    }

    /// What is wrong with a request whatever its token says, which admission tells before it looks into one that
    /// it does not remember.
    fn unfit_for_any_token(&self, request: &Complete<'_>) -> Option<Refusal> {
        let Credentials { scheme, access_token } = *request.credentials;
        let hash = AccessTokenHash::of(access_token);
        if self.inner.tokens.remembered(&hash, self.now).is_some() {
            return None;
        }
        let present =
            |demands: &Demands, asked: &ResourceRequest<'_>| demands.present(asked, scheme, hash, self.now);
        self.with_nonce_or_excused(request, present).0.err()
    }

    fn binding_and_proof(&mut self, request: &Complete<'_>, token: &Arc<AccessToken>) -> Option<()> {
        let Credentials { scheme, access_token } = *request.credentials;
        let hash = AccessTokenHash::of(access_token);
        let verify = |demands: &Demands, asked: &ResourceRequest<'_>| {
            demands.verify(asked, scheme, hash, Arc::clone(token), self.now)
        };
        let (outcome, nonce) = self.with_nonce_or_excused(request, verify);
        let verified = self.step("proof", outcome, |verified| match verified.proof() {
            Some(proof) => format!("of the key {}, which the token is bound to{nonce}", proof.thumbprint()),
            None => {
                "none is needed: the token is bound to no key, and the policy takes such tokens".to_owned()
            }
        });
        verified.map(drop)
    }

    /// What `ask` finds by the route's demands; a nonce is not asked for where only the guard that gave it can
    /// know it, which the text then says.
    fn with_nonce_or_excused<T>(
        &self,
        request: &Complete<'_>,
        ask: impl Fn(&Demands, &ResourceRequest<'_>) -> Result<T, Refusal>,
    ) -> (Result<T, Refusal>, &'static str) {
        let asked = ResourceRequest {
            method: self.request.method,
            target: request.target,
            query: self.request.uri.query(),
            headers: self.request.headers,
        };
        let outcome = ask(self.inner.demands(request.covered), &asked);
        let nonce_refused = matches!(outcome, Err(Refusal::Proof(ProofRefusal::NonceRefused(_))));
        if nonce_refused && self.inner.policy.nonces.secret_files.is_empty() {
            return (
                ask(&self.inner.demands, &asked),
                "; its nonce is known to the guard that gave it alone",
            );
        }
        (outcome, "")
    }

    /// The proof that came, if one came, by every rule.
    fn proof(&self, token: Option<&AccessToken>) -> Vec<Finding> {
        let Ok(Some(proof)) = proof_header(self.request.headers) else { return Vec::new() };
        let target = self.inner.targets.of(self.request).ok();
        let credentials = Credentials::of_request(self.request.headers, self.request.uri.query()).ok();
        let known = KnownRequest {
            method: Some(self.request.method),
            target: target.as_ref(),
            access_token: credentials.map(|credentials| credentials.access_token),
            thumbprint: token.and_then(|token| token.thumbprint),
            nonce: None,
            now: self.now,
        };
        let mut findings = proof::inspect(&ProofPolicy::from(&self.inner.policy.proofs), proof, &known);
        let by_nonce = findings.iter_mut().find(|finding| finding.rule == Rule::ServerNonce);
        if let (Some(finding), Some(outcome)) = (by_nonce, self.nonce(proof, target.as_ref())) {
            finding.outcome = outcome;
        }
        findings
    }

    /// How the proof stands by the nonces of this guard; `None` if it has no claims that can be read.
    fn nonce(&self, proof: &str, target: Option<&TargetUri>) -> Option<Outcome> {
        let jws = UnverifiedJws::decode(proof, proof::MAX_PROOF_BYTES).ok()?;
        let claims = jws.claims().ok()?;
        let nonce = claims.optional_string("nonce").ok()?;
        let Inner { routes, policy, .. } = self.inner;
        let covered = routes.covering(self.request.method, self.request.uri.path(), target?).ok()?;
        let Some(nonces) = &self.inner.demands(&covered).nonces else {
            return Some(Outcome::NotChecked("none is asked for here"));
        };
        Some(match nonce.map(|nonce| nonces.check(nonce, self.now)) {
            None => Outcome::Failed(ProofRefusal::NonceMissing),
            Some(Ok(_)) => Outcome::Passed,
            Some(Err(_)) if policy.nonces.secret_files.is_empty() => Outcome::NotChecked(
                "it is known to the guard that gave it alone (nonces.secret_files is empty)",
            ),
            Some(Err(refusal)) => Outcome::Failed(ProofRefusal::NonceRefused(refusal)),
        })
    }

    fn step<T>(
        &mut self,
        name: &'static str,
        outcome: Result<T, Refusal>,
        found: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.steps.push(Step { name, verdict: Verdict::Passed(found(&value)) });
                Some(value)
            }
            Err(refusal) => {
                self.refusal.get_or_insert_with(|| refusal.clone());
                self.steps.push(Step { name, verdict: Verdict::Failed(refusal) });
                None
            }
        }
    }

    fn not_checked<T>(&mut self, name: &'static str, why: &'static str) -> Option<T> {
        self.steps.push(Step { name, verdict: Verdict::NotChecked(why) });
        None
    }
}

fn route_text(covered: &Covered<'_>, demands: &Demands) -> String {
    let mut text = covered.path().map_or_else(
        || "the policy has no routes: a good token opens everything".to_owned(),
        |path| format!("{path} covers it"),
    );
    for path in covered.lenient_paths() {
        text.push_str("; some servers take it for a request that ");
        text.push_str(path);
        text.push_str(" covers, so what that asks for counts too");
    }
    if covered.admits_without_token() {
        text.push_str(" and admits without a token");
    }
    for scopes in covered.scopes() {
        text.push_str("; it asks for one of the scopes ");
        text.push_str(&scopes.join(", "));
    }
    if demands.nonces.is_some() && !covered.admits_without_token() {
        text.push_str("; proofs need a nonce here");
    }
    text
}
