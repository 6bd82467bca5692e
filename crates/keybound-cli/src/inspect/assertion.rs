//! A client assertion, by the rules of RFC 7523 section 3.
//!
//! The check stops at the first rule that is broken. To see the others too, it is asked again with that
//! rule relaxed, until it stops at one that cannot be.

use std::time::Duration;

use keybound::assertion::{AssertionPolicy, AssertionRefusal, UnverifiedAssertion};
use keybound::{JwkSet, Rule};

use super::Arguments;
use super::document::Document;
use super::findings::{Finding, Judgement, given_keys};
use crate::report::Outcome;

const RULES: [Rule; 6] = [
    Rule::WellFormedAssertion,
    Rule::AssertionClient,
    Rule::AssertionAudience,
    Rule::AssertionTimes,
    Rule::AssertionSignature,
    Rule::AssertionSingleUse,
];

/// Longer than any clock is off, and short enough not to overflow.
const ANY_TIME: Duration = Duration::from_secs(u32::MAX as u64 * 1024);

pub(super) fn inspect(document: &Document<'_>, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let keys = given_keys(arguments)?;
    let audiences =
        arguments.audience.clone().map_or_else(|| document.audiences(), |audience| vec![audience]);
    let mut policy = AssertionPolicy::new(audiences);
    let no_keys = JwkSet::from_keys(Vec::new());
    let mut broken: Vec<AssertionRefusal> = Vec::new();
    let mut stopped = false;
    while let Err(refusal) = UnverifiedAssertion::parse(document.text)
        .and_then(|assertion| assertion.verify(&policy, keys.as_ref().unwrap_or(&no_keys), arguments.now()))
    {
        if refusal == AssertionRefusal::NoSuchKey && keys.is_none() {
            break;
        }
        stopped = !relax(&mut policy, &refusal, document) || broken.contains(&refusal);
        broken.push(refusal);
        if stopped {
            break;
        }
    }
    let judge = |rule: Rule| {
        if let Some(refusal) = broken.iter().find(|refusal| refusal.rule() == rule) {
            return Judgement::failed(refusal);
        }
        match rule {
            Rule::AssertionSingleUse => {
                Judgement::not_checked("only a server that remembers the assertions it accepted can tell")
            }
            Rule::AssertionSignature if keys.is_none() => {
                Judgement::not_checked("no keys of the client were given (--key or --jwks)")
            }
            Rule::AssertionAudience if arguments.audience.is_none() => {
                Judgement::not_checked("what the server calls itself is not known (--audience)")
            }
            // The signature is verified last, so whatever the check stopped at comes before it.
            Rule::AssertionSignature if stopped => Judgement::not_checked("another rule is broken"),
            _ if broken.iter().any(|refusal| refusal.rule() == Rule::WellFormedAssertion) => {
                Judgement::not_checked("the assertion is not well-formed")
            }
            _ => Judgement::Passed,
        }
    };
    Ok(RULES.iter().map(|rule| Finding::new(*rule, judge(*rule))).collect())
}

/// Lets the policy look past what was just refused, if it can.
fn relax(policy: &mut AssertionPolicy, refusal: &AssertionRefusal, document: &Document<'_>) -> bool {
    match refusal.rule() {
        Rule::AssertionAudience => policy.audiences = document.audiences(),
        Rule::AssertionTimes => policy.leeway = ANY_TIME,
        _ => return false,
    }
    true
}
