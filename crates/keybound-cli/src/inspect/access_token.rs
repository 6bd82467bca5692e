//! An access token that is a JWT, by the rules of RFC 9068 section 4 and RFC 9449 section 6.1.
//!
//! The check stops at the first rule that is broken. To see the others too, it is asked again with that
//! rule relaxed, until it stops at one that cannot be.

use std::time::Duration;

use keybound::access_token::{AccessTokenPolicy, AccessTokenRefusal};
use keybound::{Algorithm, JwkSet};

use super::Arguments;
use super::document::Document;
use super::findings::{Finding, Judgement, given_keys};
use crate::report::Outcome;

/// Longer than any clock is off, and short enough not to overflow.
const ANY_TIME: Duration = Duration::from_secs(u32::MAX as u64 * 1024);

/// What RFC 9068 asks for is one rule to a resource; a person wants to know which part of it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    WellFormed,
    Type,
    Algorithm,
    Issuer,
    Audience,
    Times,
    Binding,
    Signature,
}

impl Part {
    const ALL: [Self; 8] = [
        Self::WellFormed,
        Self::Type,
        Self::Algorithm,
        Self::Issuer,
        Self::Audience,
        Self::Times,
        Self::Binding,
        Self::Signature,
    ];

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::WellFormed => {
                ("RFC 7519 section 7.2", "an access token is one well-formed compact JWS over strict JSON")
            }
            Self::Type => ("RFC 9068 section 4", "typ is at+jwt"),
            Self::Algorithm => {
                ("RFC 8725 section 3.1", "alg is an asymmetric algorithm that the issuer uses")
            }
            Self::Issuer => {
                ("RFC 9068 section 4", "iss is the authorization server that the resource trusts")
            }
            Self::Audience => ("RFC 9068 section 4", "aud names the resource"),
            Self::Times => ("RFC 9068 section 4", "the token is current by exp, nbf and iat"),
            Self::Binding => {
                ("RFC 9449 section 6.1", "cnf.jkt is the thumbprint of the key that the token is bound to")
            }
            Self::Signature => ("RFC 9068 section 4", "the signature verifies with a key of the issuer"),
        }
    }

    const fn of(refusal: &AccessTokenRefusal) -> Self {
        match refusal {
            AccessTokenRefusal::WrongType => Self::Type,
            AccessTokenRefusal::UnusableAlgorithm(_) | AccessTokenRefusal::AlgorithmNotAllowed { .. } => {
                Self::Algorithm
            }
            AccessTokenRefusal::WrongIssuer { .. } => Self::Issuer,
            AccessTokenRefusal::WrongAudience { .. } => Self::Audience,
            AccessTokenRefusal::Expired { .. } | AccessTokenRefusal::FromFuture { .. } => Self::Times,
            AccessTokenRefusal::UnusableConfirmation => Self::Binding,
            AccessTokenRefusal::NoSuchKey | AccessTokenRefusal::WrongSignature => Self::Signature,
            _ => Self::WellFormed,
        }
    }
}

pub(super) fn inspect(document: &Document<'_>, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let keys = given_keys(arguments)?;
    let no_keys = JwkSet::from_keys(Vec::new());
    let mut policy = policy(document, arguments);
    let mut broken: Vec<AccessTokenRefusal> = Vec::new();
    let mut stopped = false;
    while let Err(refusal) = policy.verify(document.text, keys.as_ref().unwrap_or(&no_keys), arguments.now())
    {
        if refusal == AccessTokenRefusal::NoSuchKey && keys.is_none() {
            break;
        }
        stopped = !relax(&mut policy, Part::of(&refusal), document) || broken.contains(&refusal);
        broken.push(refusal);
        if stopped {
            break;
        }
    }
    let stop = broken.last().filter(|_| stopped).map(Part::of);
    let judge = |part: Part| {
        if let Some(refusal) = broken.iter().find(|refusal| Part::of(refusal) == part) {
            return Judgement::failed(refusal);
        }
        match part {
            Part::Signature if keys.is_none() => {
                Judgement::not_checked("no keys of the issuer were given (--jwks)")
            }
            Part::Issuer if arguments.issuer.is_none() => {
                Judgement::not_checked("the issuer that the resource trusts is not known (--issuer)")
            }
            Part::Audience if arguments.audience.is_none() => {
                Judgement::not_checked("what the resource calls itself is not known (--audience)")
            }
            _ if stop.is_some_and(|stop| is_before(stop, part)) => {
                Judgement::not_checked("another rule is broken")
            }
            Part::Binding if document.claim("cnf").is_none() => {
                Judgement::not_checked("the token has no cnf: it is a bearer token, of use to whoever has it")
            }
            _ => Judgement::Passed,
        }
    };
    let finding = |part: Part| {
        let (source, requirement) = part.texts();
        Finding { source, requirement, judgement: judge(part) }
    };
    Ok(Part::ALL.into_iter().map(finding).collect())
}

fn is_before(stop: Part, part: Part) -> bool {
    let place = |wanted: Part| Part::ALL.iter().position(|part| *part == wanted);
    place(stop) < place(part)
}

/// What is not known is taken from the token, and told to be not checked.
fn policy(document: &Document<'_>, arguments: &Arguments) -> AccessTokenPolicy {
    let issuer = arguments.issuer.clone().or_else(|| document.text_claim("iss").map(str::to_owned));
    let audience = arguments.audience.clone().or_else(|| document.audiences().into_iter().next());
    AccessTokenPolicy {
        algorithms: Algorithm::ALL.to_vec(),
        ..AccessTokenPolicy::new(issuer.unwrap_or_default(), audience.unwrap_or_default())
    }
}

/// Lets the policy look past what was just refused, if it can.
fn relax(policy: &mut AccessTokenPolicy, part: Part, document: &Document<'_>) -> bool {
    match part {
        Part::Type if !policy.accept_untyped_tokens => policy.accept_untyped_tokens = true,
        Part::Issuer => document.text_claim("iss").unwrap_or_default().clone_into(&mut policy.issuer),
        Part::Audience => policy.audience = document.audiences().into_iter().next().unwrap_or_default(),
        Part::Times => policy.leeway = ANY_TIME,
        _ => return false,
    }
    true
}
