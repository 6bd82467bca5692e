//! What an issuer says of a token when it is asked (token introspection, RFC 7662), held to the rules of a
//! JWT's claims.

use std::time::Duration;

use crate::access_token::{
    AccessToken, AccessTokenPolicy, AccessTokenRefusal, client_id, confirmation, scopes,
};
use crate::credentials::Scheme;
use crate::json::{MemberError, Object, Value};
use crate::jwt::audiences;
use crate::numeric_date::NumericDate;

impl AccessTokenPolicy {
    /// Holds the answer of this issuer's introspection endpoint to the rules of a JWT's claims
    /// (RFC 7662 section 2.2, RFC 9449 section 6.2). `answer` must have come from that endpoint.
    ///
    /// The issuer may leave out `iss`, since it was asked itself; `sub` of a token that stands for its own
    /// client; and `exp`, where the answer is good for `relied_on_for`. It may not leave out `aud`: a token
    /// for another resource is active too.
    pub fn introspected(
        &self,
        answer: &Object<'_>,
        relied_on_for: Duration,
        now: NumericDate,
    ) -> Result<AccessToken, AccessTokenRefusal> {
        if !active(answer).map_err(AccessTokenRefusal::Member)? {
            return Err(AccessTokenRefusal::Inactive);
        }
        let access_token = self.read_answer(answer, now.after(relied_on_for))?;
        right_token_type(answer, &access_token)?;
        self.right_parties(&access_token)?;
        self.current(answer, &access_token, now)?;
        Ok(access_token)
    }

    fn read_answer(
        &self,
        answer: &Object<'_>,
        relied_on_until: NumericDate,
    ) -> Result<AccessToken, AccessTokenRefusal> {
        let thumbprint = confirmation(answer)?;
        let read = || {
            let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
            let client_id = client_id(answer)?;
            let subject = answer.optional_string("sub")?.or(client_id);
            Ok(AccessToken {
                issuer: answer.optional_string("iss")?.unwrap_or(&self.issuer).to_owned(),
                audiences: owned(audiences(answer)?),
                subject: subject.ok_or(MemberError::Missing("sub"))?.to_owned(),
                client_id: client_id.map(str::to_owned),
                scopes: owned(scopes(answer)?),
                issued_at: answer.optional_date("iat")?,
                expires: answer.optional_date("exp")?.unwrap_or(relied_on_until),
                jwt_id: answer.optional_string("jti")?.map(str::to_owned),
                thumbprint,
            })
        };
        read().map_err(AccessTokenRefusal::Member)
    }
}

/// The member `active`, which every answer has (RFC 7662 section 2.2).
fn active(answer: &Object<'_>) -> Result<bool, MemberError> {
    match answer.get("active") {
        Some(Value::Bool(active)) => Ok(*active),
        Some(_) => Err(MemberError::WrongType { name: "active", expected: "a boolean" }),
        None => Err(MemberError::Missing("active")),
    }
}

/// Refuses refresh tokens and whatever else the endpoint answers for, and a token that is bound to a key
/// that the answer does not name.
fn right_token_type(answer: &Object<'_>, token: &AccessToken) -> Result<(), AccessTokenRefusal> {
    let is = |found: &str, scheme: Scheme| found.eq_ignore_ascii_case(scheme.name());
    match answer.optional_string("token_type").map_err(AccessTokenRefusal::Member)? {
        None => Ok(()),
        Some(found) if is(found, Scheme::Dpop) && token.thumbprint.is_none() => {
            Err(AccessTokenRefusal::UnusableConfirmation)
        }
        Some(found) if is(found, Scheme::Dpop) || is(found, Scheme::Bearer) => Ok(()),
        Some(_) => {
            let wrong = MemberError::WrongType { name: "token_type", expected: "`DPoP` or `Bearer`" };
            Err(AccessTokenRefusal::Member(wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
    const JKT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    const RELIED_ON_FOR: Duration = Duration::from_secs(30);

    fn introspected(answer: &str) -> Result<AccessToken, AccessTokenRefusal> {
        let policy = AccessTokenPolicy::new("https://as.example".to_owned(), "api://one".to_owned());
        policy.introspected(&Object::parse(answer.as_bytes()).unwrap(), RELIED_ON_FOR, NOW)
    }

    #[test]
    fn a_whole_answer_is_read_whole() {
        let token = introspected(&format!(
            r#"{{"active":true,"iss":"https://as.example","aud":["api://one","api://two"],"sub":"alice",
            "client_id":"c1","scope":"a b","iat":1799999990,"exp":1800000600,"jti":"j","token_type":"DPoP",
            "cnf":{{"jkt":"{JKT}"}}}}"#
        ))
        .unwrap();
        assert_eq!((token.subject.as_str(), token.client_id.as_deref()), ("alice", Some("c1")));
        assert_eq!(token.scopes, ["a", "b"]);
        assert_eq!(token.audiences, ["api://one", "api://two"]);
        assert_eq!(token.expires, NumericDate::from_seconds(1_800_000_600));
        assert_eq!(token.jwt_id.as_deref(), Some("j"));
        assert_eq!(token.thumbprint.unwrap().to_string(), JKT);
    }

    #[test]
    fn what_an_issuer_may_leave_out_has_its_meaning() {
        let token = introspected(r#"{"active":true,"aud":"api://one","client_id":"c1"}"#).unwrap();
        assert_eq!(token.issuer, "https://as.example", "the one that was asked");
        assert_eq!(token.subject, "c1", "the client stands for itself");
        assert_eq!(token.expires, NOW.after(RELIED_ON_FOR), "as long as the answer is relied on");
        assert_eq!(token.thumbprint, None);
    }

    #[test]
    fn an_answer_that_breaks_a_rule_is_refused_by_that_rule() {
        let missing = |name| AccessTokenRefusal::Member(MemberError::Missing(name));
        let wrong = |name, expected| AccessTokenRefusal::Member(MemberError::WrongType { name, expected });
        let good = r#""active":true,"aud":"api://one","sub":"a""#;
        for (answer, refusal) in [
            (r#"{"active":false}"#.to_owned(), AccessTokenRefusal::Inactive),
            (r#"{"active":false,"aud":7}"#.to_owned(), AccessTokenRefusal::Inactive),
            (r#"{"aud":"api://one","sub":"a"}"#.to_owned(), missing("active")),
            (r#"{"active":"true","sub":"a"}"#.to_owned(), wrong("active", "a boolean")),
            (r#"{"active":true,"sub":"a"}"#.to_owned(), missing("aud")),
            (r#"{"active":true,"aud":"api://one"}"#.to_owned(), missing("sub")),
            (
                r#"{"active":true,"aud":"api://two","sub":"a"}"#.to_owned(),
                AccessTokenRefusal::WrongAudience {
                    expected: "api://one".to_owned(),
                    found: "api://two".to_owned(),
                },
            ),
            (
                format!(r#"{{{good},"iss":"https://other.example"}}"#),
                AccessTokenRefusal::WrongIssuer {
                    expected: "https://as.example".to_owned(),
                    found: "https://other.example".to_owned(),
                },
            ),
            (
                format!(r#"{{{good},"exp":1799999990}}"#),
                AccessTokenRefusal::Expired { expired: NumericDate::from_seconds(1_799_999_990), now: NOW },
            ),
            (
                format!(r#"{{{good},"nbf":1800000060}}"#),
                AccessTokenRefusal::FromFuture { begins: NumericDate::from_seconds(1_800_000_060), now: NOW },
            ),
            (format!(r#"{{{good},"token_type":"DPoP"}}"#), AccessTokenRefusal::UnusableConfirmation),
            (
                format!(r#"{{{good},"token_type":"refresh_token"}}"#),
                wrong("token_type", "`DPoP` or `Bearer`"),
            ),
            (format!(r#"{{{good},"cnf":{{"x5t#S256":"x"}}}}"#), AccessTokenRefusal::UnusableConfirmation),
            (format!(r#"{{{good},"cnf":null}}"#), AccessTokenRefusal::UnusableConfirmation),
        ] {
            assert_eq!(introspected(&answer), Err(refusal), "{answer}");
        }
    }
}
