//! A client assertion, by the rules of RFC 7523 section 3.

use keybound::Rule;
use keybound::assertion::{self, AssertionPolicy};

use super::Arguments;
use super::findings::{Finding, Judgement, given_keys};
use crate::report::Outcome;

pub(super) fn inspect(assertion: &str, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let keys = given_keys(arguments)?;
    let policy = AssertionPolicy::new(arguments.audience.clone().into_iter().collect());
    let findings = assertion::inspect(&policy, assertion, keys.as_ref(), arguments.now());
    Ok(findings
        .into_iter()
        .map(|finding| Finding::new(finding.rule, Judgement::of(finding.outcome, option(finding.rule))))
        .collect())
}

/// The option by which what is not known could be told.
const fn option(rule: Rule) -> Option<&'static str> {
    match rule {
        Rule::AssertionSignature => Some("--key or --jwks"),
        Rule::AssertionAudience => Some("--audience"),
        _ => None,
    }
}
