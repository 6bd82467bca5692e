//! An access token that is a JWT, by the rules of RFC 9068 section 4 and RFC 9449 section 6.1.

use keybound::access_token::{AccessTokenPolicy, AccessTokenRefusal};
use keybound::{Algorithm, JwkSet};

use super::Arguments;
use super::document::Document;
use super::findings::{ANY_TIME, Finding, Judgement, Refusals, given_keys};
use crate::report::Outcome;

/// What RFC 9068 asks for is one rule to a resource; a person wants to know which part of it is broken.
/// In the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    WellFormed,
    Type,
    Algorithm,
    Binding,
    Issuer,
    Audience,
    Times,
    Signature,
}

impl Part {
    const ALL: [Self; 8] = [
        Self::WellFormed,
        Self::Type,
        Self::Algorithm,
        Self::Binding,
        Self::Issuer,
        Self::Audience,
        Self::Times,
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
            AccessTokenRefusal::NoSuchKey { .. } | AccessTokenRefusal::WrongSignature => Self::Signature,
            _ => Self::WellFormed,
        }
    }
}

pub(super) fn inspect(document: &Document<'_>, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let keys = given_keys(arguments)?;
    let refusals = refusals(document, arguments, keys.as_ref());
    let judge = |part: Part| {
        if let Some(refusal) = refusals.all.iter().find(|refusal| Part::of(refusal) == part) {
            return Judgement::failed(refusal);
        }
        match not_checked(part, document, arguments, keys.is_some(), &refusals) {
            Some(reason) => Judgement::not_checked(reason),
            None => Judgement::Passed,
        }
    };
    let finding = |part: Part| {
        let (source, requirement) = part.texts();
        Finding { source, requirement, judgement: judge(part) }
    };
    Ok(Part::ALL.into_iter().map(finding).collect())
}

fn refusals(
    document: &Document<'_>,
    arguments: &Arguments,
    keys: Option<&JwkSet>,
) -> Refusals<AccessTokenRefusal> {
    let none = JwkSet::from_keys(Vec::new());
    let check = |policy: &AccessTokenPolicy| {
        let verified = policy.verify(document.text, keys.unwrap_or(&none), arguments.now());
        // Without keys the check can only come as far as the signature.
        let needs_keys = |refusal: &_| matches!(refusal, AccessTokenRefusal::NoSuchKey { .. });
        verified.err().filter(|refusal| keys.is_some() || !needs_keys(refusal))
    };
    let relax = |policy: &mut AccessTokenPolicy, refusal: &AccessTokenRefusal| {
        match Part::of(refusal) {
            Part::Type => policy.accept_untyped_tokens = true,
            Part::Issuer => document.text_claim("iss").unwrap_or_default().clone_into(&mut policy.issuer),
            Part::Audience => policy.audiences = document.audiences(),
            Part::Times => policy.leeway = ANY_TIME,
            _ => return false,
        }
        true
    };
    Refusals::find(&mut policy(document, arguments), check, relax)
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

fn not_checked(
    part: Part,
    document: &Document<'_>,
    arguments: &Arguments,
    has_keys: bool,
    refusals: &Refusals<AccessTokenRefusal>,
) -> Option<&'static str> {
    let stopped_at = refusals.all.last().filter(|_| refusals.stopped).map(Part::of);
    match part {
        Part::Signature if !has_keys => Some("no keys of the issuer were given (--key or --jwks)"),
        Part::Issuer if arguments.issuer.is_none() => {
            Some("the issuer that the resource trusts is not known (--issuer)")
        }
        Part::Audience if arguments.audience.is_none() => {
            Some("what the resource calls itself is not known (--audience)")
        }
        _ if stopped_at.is_some_and(|stop| stop < part) => Some("another rule is broken"),
        Part::Binding if document.claim("cnf").is_none() => {
            Some("the token has no cnf: it is a bearer token, of use to whoever has it")
        }
        _ => None,
    }
}
