//! An access token that is a JWT, by the rules of RFC 9068 section 4 and RFC 9449 section 6.1.

use keybound::Algorithm;
use keybound::access_token::{self, AccessTokenPolicy, Part};

use super::Arguments;
use super::findings::{Finding, Judgement, given_keys};
use crate::report::Outcome;

pub(super) fn inspect(token: &str, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let keys = given_keys(arguments)?;
    let policy = AccessTokenPolicy {
        audiences: arguments.audience.clone().into_iter().collect(),
        algorithms: Algorithm::ALL.to_vec(),
        ..AccessTokenPolicy::new(arguments.issuer.clone().unwrap_or_default(), String::new())
    };
    let findings = access_token::inspect(&policy, token, keys.as_ref(), arguments.now());
    Ok(findings
        .into_iter()
        .map(|finding| Finding {
            source: finding.part.source(),
            requirement: finding.part.requirement(),
            judgement: Judgement::of(finding.outcome, option(finding.part)),
        })
        .collect())
}

/// The option by which what is not known could be told.
const fn option(part: Part) -> Option<&'static str> {
    match part {
        Part::Signature => Some("--key or --jwks"),
        Part::Issuer => Some("--issuer"),
        Part::Audience => Some("--audience"),
        _ => None,
    }
}
