//! ID tokens, and what a user's scopes let a client see (OpenID Connect Core sections 2, 3.1.3.6 and 5).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use keybound::random::jwt_id;
use keybound::{NumericDate, base64url};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::AuthorizationServer;
use super::access_token::members;
use super::refusal::TokenRefusal;
use crate::store::{Authorization, ClaimedToken};
use crate::user::User;

/// How long an ID token lives, as Okta's do.
const ID_TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// Bytes of the hash of an access token in an ID token: the left half of a SHA-256.
const HALF_OF_SHA256: usize = 16;

/// Groups that a token names, at most, as with Okta.
const MAX_GROUPS: usize = 100;

/// The identity provider of users whose passwords the org has itself.
const OKTA: &str = "00o1";

/// Whom an ID token is about, and for whom it is.
#[derive(Clone, Copy)]
pub(super) struct IdTokenSubject<'a> {
    pub(super) authorization: &'a Authorization,
    /// What the client wants to find in it.
    pub(super) nonce: Option<&'a str>,
    pub(super) scopes: &'a [String],
    pub(super) user: &'a User,
}

impl AuthorizationServer {
    /// The ID token that comes with an access token.
    pub(super) fn id_token(
        &self,
        subject: &IdTokenSubject<'_>,
        access_token: &str,
        now: NumericDate,
    ) -> Result<Zeroizing<String>, TokenRefusal> {
        let IdTokenSubject { authorization, nonce, scopes, user } = *subject;
        let mut claims = self.custom_claims(ClaimedToken::Id, Some(user), scopes)?;
        claims.extend(self.user_claims(user, scopes)?);
        claims.extend(members(json!({
            "ver": 1,
            "jti": format!("ID.{}", jwt_id(self.org.random.as_ref())?),
            "iss": self.issuer,
            "aud": authorization.client_id,
            "sub": user.id,
            "iat": now.seconds(),
            "exp": now.after(ID_TOKEN_LIFE).seconds(),
            "auth_time": authorization.signed_in.seconds(),
            "amr": ["pwd"],
            "idp": OKTA,
            "at_hash": access_token_hash(access_token),
        })));
        if let Some(nonce) = nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        self.signed("JWT", &claims, now)
    }

    /// What these scopes let a client see of a user.
    pub(super) fn user_claims(
        &self,
        user: &User,
        scopes: &[String],
    ) -> Result<Map<String, Value>, TokenRefusal> {
        let has = |scope: &str| scopes.iter().any(|granted| granted == scope);
        let profile = user.profile.members();
        let text = |member: &str| profile.get(member).and_then(Value::as_str);
        let mut claims = Map::new();
        if has("profile") {
            let name =
                [text("firstName"), text("lastName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
            claims.extend(members(json!({
                "name": text("displayName").unwrap_or(&name),
                "preferred_username": user.login(),
                "given_name": text("firstName"),
                "family_name": text("lastName"),
                "middle_name": text("middleName"),
                "nickname": text("nickName"),
                "profile": text("profileUrl"),
                "locale": text("locale").unwrap_or("en_US"),
                "zoneinfo": text("timezone").unwrap_or("America/Los_Angeles"),
                "updated_at": user.last_updated.seconds(),
            })));
        }
        if has("email") {
            claims.insert("email".to_owned(), json!(text("email")));
            claims.insert("email_verified".to_owned(), json!(true));
        }
        if has("groups") {
            let groups = self.org.store.groups_of(&user.id)?;
            let names: Vec<_> = groups.iter().take(MAX_GROUPS).map(|group| group.profile.name()).collect();
            claims.insert("groups".to_owned(), json!(names));
        }
        claims.retain(|_, value| !value.is_null());
        Ok(claims)
    }
}

/// OpenID Connect Core section 3.1.3.6.
fn access_token_hash(access_token: &str) -> String {
    let hash = digest(&SHA256, access_token.as_bytes());
    base64url::encode(hash.as_ref().get(..HALF_OF_SHA256).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_access_token_is_half_of_a_sha256() {
        // OpenID Connect Core appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(access_token_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
