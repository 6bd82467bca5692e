//! The access tokens that a server issues: JWTs with Okta's claims.

use keybound::access_token::ACCESS_TOKEN_TYPE;
use keybound::credentials::Scheme;
use keybound::random::jwt_id;
use keybound::{NumericDate, Signer as _, Thumbprint, UnsignedJws};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::AuthorizationServer;
use super::refusal::TokenRefusal;
use crate::store::{App, ClaimSource, ClaimedToken};
use crate::user::User;

/// An access token that was made.
pub(super) struct AccessToken {
    pub(super) token: Zeroizing<String>,
    pub(super) jwt_id: String,
    pub(super) scheme: Scheme,
    pub(super) expires: NumericDate,
}

/// Whom an access token is for.
pub(super) struct Bearer<'a> {
    pub(super) app: &'a App,
    /// The user, and when that one signed in; without, the client acts for itself.
    pub(super) user: Option<(&'a User, NumericDate)>,
    pub(super) scopes: &'a [String],
    /// The key that the token is bound to (RFC 9449 section 6.1).
    pub(super) key: Option<Thumbprint>,
}

impl AuthorizationServer {
    /// An access token that expires then.
    pub(super) fn access_token(
        &self,
        bearer: &Bearer<'_>,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<AccessToken, TokenRefusal> {
        let client_id = &bearer.app.client_id;
        let jwt_id = format!("AT.{}", jwt_id(self.org.random.as_ref())?);
        let user = bearer.user.map(|(user, _)| user);
        let mut claims = self.custom_claims(ClaimedToken::Access, user, bearer.scopes)?;
        claims.extend(members(json!({
            "ver": 1,
            "jti": jwt_id,
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now.seconds(),
            "exp": expires.seconds(),
            "cid": client_id,
            "scp": bearer.scopes,
            "sub": user.map_or(client_id.as_str(), User::login),
        })));
        if let Some((user, signed_in)) = bearer.user {
            claims.insert("uid".to_owned(), json!(user.id));
            claims.insert("auth_time".to_owned(), json!(signed_in.seconds()));
        }
        if let Some(key) = bearer.key {
            claims.insert("cnf".to_owned(), json!({ "jkt": key.to_string() }));
        }
        let token = self.signed(ACCESS_TOKEN_TYPE, &claims, now)?;
        self.org.revoked.issued(&jwt_id, client_id, now);
        let scheme = if bearer.key.is_some() { Scheme::Dpop } else { Scheme::Bearer };
        Ok(AccessToken { token, jwt_id, scheme, expires })
    }

    /// A JWT of this type, by the key that signs now.
    pub(super) fn signed(
        &self,
        typ: &str,
        claims: &Map<String, Value>,
        now: NumericDate,
    ) -> Result<Zeroizing<String>, TokenRefusal> {
        let key = self.org.keys.active(&self.id, now)?;
        let header = json!({
            "typ": typ,
            "alg": key.algorithm().name(),
            "kid": key.public_key().thumbprint().to_string(),
        });
        let claims = serde_json::to_vec(claims).map_err(|_| TokenRefusal::Unwritable)?;
        Ok(Zeroizing::new(UnsignedJws::new(header.to_string().as_bytes(), &claims).sign(key.as_ref())?))
    }

    /// The claims that a custom server has for a token with these scopes.
    pub(super) fn custom_claims(
        &self,
        token: ClaimedToken,
        user: Option<&User>,
        scopes: &[String],
    ) -> Result<Map<String, Value>, TokenRefusal> {
        let Some(id) = self.id.custom() else { return Ok(Map::new()) };
        let mut claims = Map::new();
        let defined = self.org.store.list_claims(id)?.into_iter().map(|claim| claim.value);
        for claim in defined.filter(|claim| claim.is_in(token, scopes)) {
            let value = match claim.source {
                ClaimSource::Text(text) => Some(Value::String(text)),
                ClaimSource::Profile(member) => {
                    user.and_then(|user| user.profile.members().get(&member)).cloned()
                }
            };
            claims.extend(value.map(|value| (claim.name, value)));
        }
        Ok(claims)
    }
}

/// The members of an object.
pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
