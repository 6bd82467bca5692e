//! Every rule for a client assertion, one by one, for a person who wants to know all that is wrong with it
//! (RFC 7523 section 3).

use super::{AssertionPolicy, AssertionRefusal, UnverifiedAssertion};
use crate::decoded_jwt::DecodedJwt;
use crate::inspection::{ANY_TIME, Outcome, Refusals};
use crate::jwk_set::JwkSet;
use crate::numeric_date::NumericDate;
use crate::rule::Rule;

/// The rules, in the order in which they are told.
const RULES: [Rule; 6] = [
    Rule::WellFormedAssertion,
    Rule::AssertionClient,
    Rule::AssertionAudience,
    Rule::AssertionTimes,
    Rule::AssertionSignature,
    Rule::AssertionSingleUse,
];

/// One rule, and how an assertion stands by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How the assertion stands by it.
    pub outcome: Outcome<AssertionRefusal>,
}

/// Holds `assertion` to every rule. What is not known is not checked: the server's names, where the policy has none,
/// and the client's `keys`.
pub fn inspect(
    policy: &AssertionPolicy,
    assertion: &str,
    keys: Option<&JwkSet>,
    now: NumericDate,
) -> Vec<Finding> {
    let refusals = refusals(policy, assertion, keys, now);
    let outcome = |rule: Rule| {
        if let Some(refusal) = refusals.all.iter().find(|refusal| refusal.rule() == rule) {
            return Outcome::Failed(refusal.clone());
        }
        match not_checked(rule, policy, keys.is_some(), &refusals) {
            Some(reason) => Outcome::NotChecked(reason),
            None => Outcome::Passed,
        }
    };
    RULES.into_iter().map(|rule| Finding { rule, outcome: outcome(rule) }).collect()
}

fn refusals(
    policy: &AssertionPolicy,
    assertion: &str,
    keys: Option<&JwkSet>,
    now: NumericDate,
) -> Refusals<AssertionRefusal> {
    let own_audiences = || DecodedJwt::decode(assertion).audiences();
    let mut policy = policy.clone();
    if policy.audiences.is_empty() {
        policy.audiences = own_audiences();
    }
    let none = JwkSet::from_keys(Vec::new());
    let check = |policy: &AssertionPolicy| {
        let verified = UnverifiedAssertion::parse(assertion)
            .and_then(|assertion| assertion.verify(policy, keys.unwrap_or(&none), now));
        // Without keys the check can only come as far as the signature.
        verified.err().filter(|refusal| keys.is_some() || *refusal != AssertionRefusal::NoSuchKey)
    };
    let relax = |policy: &mut AssertionPolicy, refusal: &AssertionRefusal| {
        match refusal.rule() {
            Rule::AssertionAudience => policy.audiences = own_audiences(),
            Rule::AssertionTimes => policy.leeway = ANY_TIME,
            _ => return false,
        }
        true
    };
    Refusals::find(&mut policy, check, relax)
}

fn not_checked(
    rule: Rule,
    policy: &AssertionPolicy,
    has_keys: bool,
    refusals: &Refusals<AssertionRefusal>,
) -> Option<&'static str> {
    match rule {
        Rule::AssertionSingleUse => Some("only a server that remembers the assertions it accepted can tell"),
        Rule::AssertionSignature if !has_keys => Some("the client's keys are not known"),
        Rule::AssertionAudience if policy.audiences.is_empty() => {
            Some("what the server calls itself is not known")
        }
        // The signature comes last, the form first; in between nothing stops the check.
        Rule::AssertionSignature if refusals.stopped => Some("another rule is broken"),
        _ if refusals.all.iter().any(|refusal| refusal.rule() == Rule::WellFormedAssertion) => {
            Some("the assertion is not well-formed")
        }
        _ => None,
    }
}
