//! The last steps: a call that changes nothing for each scope, and what the org says of its rate limit.

use http::HeaderMap;
use keybound_okta::{Error, OktaClient};

use crate::probe::{self, harmless};
use crate::report::{Failure, Outcome};

use super::diagnosis::Diagnosis;

/// Where less than a tenth of the window is left, the next calls may be refused.
const SCARCE_PART: u64 = 10;

pub(super) async fn examine(okta: &OktaClient, scopes: &[String], diagnosis: &mut Diagnosis) -> Outcome {
    let mut last = None;
    for scope in scopes {
        let Some(operation) = harmless(scope) else { continue };
        let step = format!("call {scope}");
        match probe::call(okta, &operation).await {
            Ok(answer) => {
                diagnosis.good(step, format_args!("{operation} answered {}", answer.status()))?;
                last = Some(answer.headers().clone());
            }
            Err(error) => {
                last = refusal_headers(&error).or(last);
                diagnosis.bad(step, &refused(error, scope))?;
            }
        }
    }
    last.map_or(Ok(()), |headers| examine_rate_limit(&headers, diagnosis))
}

fn refusal_headers(error: &Error) -> Option<HeaderMap> {
    match error {
        Error::Api(refused) => Some(refused.response.headers().clone()),
        _ => None,
    }
}

/// The token has the scope, so what a 403 says is of the admin role.
fn refused(error: Error, scope: &str) -> Failure {
    let is_forbidden = matches!(&error, Error::Api(refused)
        if refused.status.as_u16() == 403 && !refused.lacks_scope());
    let failure = Failure::from(error);
    if is_forbidden {
        let why = format!("the token has {scope}, and the app has no admin role that may do this");
        return failure.because(why);
    }
    failure
}

fn examine_rate_limit(headers: &HeaderMap, diagnosis: &mut Diagnosis) -> Outcome {
    const STEP: &str = "rate limit";
    let Some(budget) = Budget::told(headers) else { return Ok(()) };
    let found = format!("{} of {} requests are left in this window", budget.remaining, budget.limit);
    if budget.is_scarce() {
        let why = "others use the same limit, or this app calls more than it has to";
        let next = "ask for less, or wait for the next window (X-Rate-Limit-Reset)";
        return diagnosis.warn(STEP, found, why, next);
    }
    diagnosis.good(STEP, found)
}

/// What an answer says of the limit that it counts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    limit: u64,
    remaining: u64,
}

impl Budget {
    fn told(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        Some(Self { limit: number("x-rate-limit-limit")?, remaining: number("x-rate-limit-remaining")? })
    }

    fn is_scarce(self) -> bool {
        self.remaining.saturating_mul(SCARCE_PART) < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_scarce_when_less_than_a_tenth_is_left() {
        for (limit, remaining, scarce, why) in [
            ("600", "599", Some(false), "one call was made"),
            ("600", "60", Some(false), "a tenth"),
            ("600", "59", Some(true), "less"),
            ("1", "0", Some(true), "nothing is left of a small one"),
            ("600", "many", None, "no number"),
        ] {
            let headers = [("x-rate-limit-limit", limit), ("x-rate-limit-remaining", remaining)];
            let headers = headers.map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
            });
            let budget = Budget::told(&HeaderMap::from_iter(headers));
            assert_eq!(budget.map(Budget::is_scarce), scarce, "{why}: {remaining} of {limit}");
        }
        assert_eq!(Budget::told(&HeaderMap::new()), None, "nothing is told");
    }
}
