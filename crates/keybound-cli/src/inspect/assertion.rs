//! A client assertion, by the rules of RFC 7523 section 3.

use keybound::assertion::{AssertionPolicy, AssertionRefusal, UnverifiedAssertion};
use keybound::{JwkSet, Rule};

use super::Arguments;
use super::document::Document;
use super::findings::{ANY_TIME, Finding, Judgement, Refusals, given_keys};
use crate::report::Outcome;

const RULES: [Rule; 6] = [
    Rule::WellFormedAssertion,
    Rule::AssertionClient,
    Rule::AssertionAudience,
    Rule::AssertionTimes,
    Rule::AssertionSignature,
    Rule::AssertionSingleUse,
];

pub(super) fn inspect(document: &Document<'_>, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let keys = given_keys(arguments)?;
    let refusals = refusals(document, arguments, keys.as_ref());
    let judge = |rule: Rule| {
        if let Some(refusal) = refusals.all.iter().find(|refusal| refusal.rule() == rule) {
            return Judgement::failed(refusal);
        }
        match not_checked(rule, arguments, keys.is_some(), &refusals) {
            Some(reason) => Judgement::not_checked(reason),
            None => Judgement::Passed,
        }
    };
    Ok(RULES.into_iter().map(|rule| Finding::new(rule, judge(rule))).collect())
}

fn refusals(
    document: &Document<'_>,
    arguments: &Arguments,
    keys: Option<&JwkSet>,
) -> Refusals<AssertionRefusal> {
    let audiences =
        arguments.audience.as_ref().map_or_else(|| document.audiences(), |audience| vec![audience.clone()]);
    let none = JwkSet::from_keys(Vec::new());
    let check = |policy: &AssertionPolicy| {
        let assertion = UnverifiedAssertion::parse(document.text);
        let verified =
            assertion.and_then(|assertion| assertion.verify(policy, keys.unwrap_or(&none), arguments.now()));
        // Without keys the check can only come as far as the signature.
        verified.err().filter(|refusal| keys.is_some() || *refusal != AssertionRefusal::NoSuchKey)
    };
    let relax = |policy: &mut AssertionPolicy, refusal: &AssertionRefusal| {
        match refusal.rule() {
            Rule::AssertionAudience => policy.audiences = document.audiences(),
            Rule::AssertionTimes => policy.leeway = ANY_TIME,
            _ => return false,
        }
        true
    };
    Refusals::find(&mut AssertionPolicy::new(audiences), check, relax)
}

fn not_checked(
    rule: Rule,
    arguments: &Arguments,
    has_keys: bool,
    refusals: &Refusals<AssertionRefusal>,
) -> Option<&'static str> {
    match rule {
        Rule::AssertionSingleUse => Some("only a server that remembers the assertions it accepted can tell"),
        Rule::AssertionSignature if !has_keys => Some("no keys of the client were given (--key or --jwks)"),
        Rule::AssertionAudience if arguments.audience.is_none() => {
            Some("what the server calls itself is not known (--audience)")
        }
        // The signature comes last, the form first; in between nothing stops the check.
        Rule::AssertionSignature if refusals.stopped => Some("another rule is broken"),
        _ if refusals.all.iter().any(|refusal| refusal.rule() == Rule::WellFormedAssertion) => {
            Some("the assertion is not well-formed")
        }
        _ => None,
    }
}
