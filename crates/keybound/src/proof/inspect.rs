//! Every rule for a proof, one by one, for a person who wants to know all that is wrong with it.
//!
//! The steps are those of the check; only, none stops the others.

use http::Method;

use super::check::{
    decode, no_critical_extensions, public_key, right_access_token_hash, right_key, right_method,
    right_target, right_type, signed, verifying_key,
};
use super::claims::ProofClaims;
use super::{AccessTokenHash, ProofPolicy, ProofRefusal};
use crate::htu::TargetUri;
use crate::inspection;
use crate::json::Object;
use crate::jws::{JwsError, UnverifiedJws};
use crate::nonce::NonceRefusal;
use crate::numeric_date::NumericDate;
use crate::rule::Rule;
use crate::thumbprint::Thumbprint;

/// What is known of the request that a proof came with. What is not known is not checked.
#[derive(Clone, Copy)]
pub struct KnownRequest<'a> {
    /// The request's method.
    pub method: Option<&'a Method>,
    /// The request's target.
    pub target: Option<&'a TargetUri>,
    /// The access token that the request carried.
    pub access_token: Option<&'a str>,
    /// The key that the access token is bound to.
    pub thumbprint: Option<Thumbprint>,
    /// The nonce that the server gave.
    pub nonce: Option<&'a str>,
    /// The time to check at.
    pub now: NumericDate,
}

/// How a proof stands by one rule.
pub type Outcome = inspection::Outcome<ProofRefusal>;

/// One rule, and how the proof stands by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How the proof stands by it.
    pub outcome: Outcome,
}

/// Goes through all of [`Rule::PROOF`], in that order.
pub fn inspect(policy: &ProofPolicy, proof: &str, known: &KnownRequest<'_>) -> Vec<Finding> {
    let mut notes = Notes::default();
    notes.unchecked(Rule::OneProof, "one proof was given");
    notes.unchecked(Rule::Replay, "only a server that remembers the proofs it accepted can tell");
    if let Err(refusal) = read(policy, proof, known, &mut notes) {
        notes.unreadable(refusal);
    }
    Rule::PROOF.iter().map(|rule| Finding { rule: *rule, outcome: notes.outcome(*rule) }).collect()
}

fn read(
    policy: &ProofPolicy,
    proof: &str,
    known: &KnownRequest<'_>,
    notes: &mut Notes,
) -> Result<(), ProofRefusal> {
    let jws = decode(proof)?;
    let header = jws.header().map_err(ProofRefusal::Unreadable)?;
    let claims = jws.claims().map_err(ProofRefusal::Unreadable)?;
    inspect_header(policy, &jws, &header, known, notes);
    match ProofClaims::read(&claims) {
        Ok(claims) => inspect_claims(policy, &claims, known, notes),
        Err(refusal) => notes.claims_unusable(refusal),
    }
    Ok(())
}

fn inspect_header(
    policy: &ProofPolicy,
    jws: &UnverifiedJws<'_>,
    header: &Object<'_>,
    known: &KnownRequest<'_>,
    notes: &mut Notes,
) {
    notes.check(no_critical_extensions(header));
    notes.check(right_type(header));
    let algorithm = notes.check(policy.allowed_algorithm(header));
    let key = notes.check(public_key(header));
    if let (Some(algorithm), Some(key)) = (algorithm, &key) {
        match notes.check(verifying_key(key, algorithm)) {
            Some(_) => notes.check(signed(jws, key, algorithm)),
            None => notes.unchecked(Rule::ProofSignature, "the key does not fit the algorithm"),
        };
    } else {
        notes.unchecked(Rule::KeyUse, "there is no usable key or algorithm");
        notes.unchecked(Rule::ProofSignature, "there is no usable key or algorithm");
    }
    match (known.thumbprint, &key) {
        (Some(thumbprint), Some(key)) => notes.check(right_key(key, thumbprint)),
        (None, _) => {
            notes.unchecked(Rule::KeyBinding, "the key that the access token is bound to is not known")
        }
        (_, None) => notes.unchecked(Rule::KeyBinding, "there is no usable key"),
    };
}

fn inspect_claims(
    policy: &ProofPolicy,
    claims: &ProofClaims<'_>,
    known: &KnownRequest<'_>,
    notes: &mut Notes,
) {
    notes.check(policy.fresh(claims, known.now));
    notes.check(policy.current(claims, known.now));
    match known.method {
        Some(method) => notes.check(right_method(claims, method)),
        None => notes.unchecked(Rule::Method, "the request's method is not known"),
    };
    match known.target {
        Some(target) => notes.check(right_target(claims, target)),
        None => notes.unchecked(Rule::TargetUri, "the request's URI is not known"),
    };
    match known.access_token {
        Some(token) => notes.check(right_access_token_hash(claims, &AccessTokenHash::of(token))),
        None => notes.unchecked(Rule::AccessTokenHash, "the access token is not known"),
    };
    match known.nonce {
        Some(nonce) => notes.check(this_nonce(claims, nonce)),
        None => notes.unchecked(Rule::ServerNonce, "the server's nonce is not known"),
    };
}

fn this_nonce(claims: &ProofClaims<'_>, nonce: &str) -> Result<(), ProofRefusal> {
    match claims.nonce {
        None => Err(ProofRefusal::NonceMissing),
        Some(found) if found == nonce => Ok(()),
        Some(_) => Err(ProofRefusal::NonceRefused(NonceRefusal::Unknown)),
    }
}

/// What was found so far: a rule of which nothing is noted holds.
#[derive(Default)]
struct Notes {
    refusals: Vec<ProofRefusal>,
    unchecked: Vec<(Rule, &'static str)>,
}

impl Notes {
    fn check<T>(&mut self, result: Result<T, ProofRefusal>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.refusals.push(refusal);
                None
            }
        }
    }

    fn unchecked(&mut self, rule: Rule, why: &'static str) -> Option<()> {
        self.unchecked.push((rule, why));
        None
    }

    fn unreadable(&mut self, refusal: ProofRefusal) {
        let too_large = matches!(refusal, ProofRefusal::Unreadable(JwsError::TooLarge { .. }));
        self.refusals.push(refusal);
        for rule in Rule::PROOF {
            let size_is_known = rule == Rule::ProofSize && !too_large;
            if !size_is_known {
                self.unchecked(rule, "the proof cannot be read");
            }
        }
    }

    fn claims_unusable(&mut self, refusal: ProofRefusal) {
        self.refusals.push(refusal);
        for rule in [
            Rule::Method,
            Rule::TargetUri,
            Rule::ServerNonce,
            Rule::Freshness,
            Rule::ProofExpiry,
            Rule::AccessTokenHash,
        ] {
            self.unchecked(rule, "the claims cannot be used");
        }
    }

    fn outcome(&self, rule: Rule) -> Outcome {
        if let Some(refusal) = self.refusals.iter().find(|refusal| refusal.rule() == rule) {
            return Outcome::Failed(refusal.clone());
        }
        match self.unchecked.iter().find(|(unchecked, _)| *unchecked == rule) {
            Some((_, why)) => Outcome::NotChecked(why),
            None => Outcome::Passed,
        }
    }
}
