//! What a client gets for a grant: an access token, and for a user's leave an ID token and a refresh token as well.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keybound::random::jwt_id;
use keybound::{NumericDate, Thumbprint};
use serde_json::json;
use zeroize::Zeroizing;

use super::AuthorizationServer;
use super::access_token::{AccessToken, Bearer};
use super::endpoint::json_answer;
use super::grants::{Grant, UsersGrant};
use super::id_token::IdTokenSubject;
use super::refusal::TokenRefusal;
use super::scopes::{OFFLINE_ACCESS, OPENID};
use crate::event::EventObject;
use crate::store::{App, Authorization, Given, GivenRefreshToken, Lifetimes, Redeemed};

/// What the client gets.
pub(super) struct Issued {
    pub(super) access_token: AccessToken,
    pub(super) scopes: Vec<String>,
    expires_in: u64,
    refresh_token: Option<RefreshToken>,
    pub(super) id_token: Option<Zeroizing<String>>,
    /// The client and the user, as the system log names them.
    pub(super) client: EventObject,
    pub(super) user: Option<EventObject>,
}

struct RefreshToken {
    token: Zeroizing<String>,
    jwt_id: String,
    expires: NumericDate,
}

impl Issued {
    pub(super) fn has_refresh_token(&self) -> bool {
        self.refresh_token.is_some()
    }

    /// The same as it is kept with the user's leave.
    pub(super) fn given<'a>(
        &'a self,
        authorization: &'a Authorization,
        key: Option<Thumbprint>,
    ) -> Given<'a> {
        Given {
            authorization,
            key,
            jwt_id: &self.access_token.jwt_id,
            expires: self.access_token.expires,
            refresh_token: self.refresh_token.as_ref().map(|refresh| GivenRefreshToken {
                token: &refresh.token,
                jwt_id: &refresh.jwt_id,
                expires: refresh.expires,
            }),
        }
    }
}

impl AuthorizationServer {
    /// Makes what is given for a grant, bound to `key` if there is one. It is worth something once the grant is
    /// recorded.
    pub(super) fn issue(
        &self,
        app: &App,
        grant: &Grant<'_>,
        key: Option<Thumbprint>,
        lifetimes: Lifetimes,
        now: NumericDate,
    ) -> Result<Issued, TokenRefusal> {
        let (scopes, user) = (grant.scopes(), grant.user());
        let bearer =
            Bearer { app, user: user.map(|grant| (&grant.user, grant.authorization.signed_in)), scopes, key };
        let access_token = self.access_token(&bearer, now.after(lifetimes.access_token), now)?;
        let has = |scope: &str| scopes.iter().any(|granted| granted == scope);
        let id_token = user
            .filter(|_| has(OPENID))
            .map(|grant| self.id_token_of(grant, &access_token, now))
            .transpose()?;
        let refresh_token = user
            .filter(|_| has(OFFLINE_ACCESS))
            .map(|grant| self.refresh_token_of(grant, lifetimes, now))
            .transpose()?;
        Ok(Issued {
            access_token,
            scopes: scopes.to_vec(),
            expires_in: lifetimes.access_token.as_secs(),
            refresh_token,
            id_token,
            client: EventObject::new("PublicClientApp", &app.client_id, &app.label),
            user: user.map(|grant| {
                let user = &grant.user;
                EventObject::new("User", &user.id, user.login()).also_called(user.login())
            }),
        })
    }

    fn id_token_of(
        &self,
        grant: &UsersGrant<'_>,
        access_token: &AccessToken,
        now: NumericDate,
    ) -> Result<Zeroizing<String>, TokenRefusal> {
        let UsersGrant { redeemed, authorization, user, scopes } = grant;
        // A refreshed one answers no request that had a nonce (OpenID Connect Core section 12.2).
        let nonce = authorization.nonce.as_deref().filter(|_| matches!(redeemed, Redeemed::Code(_)));
        let told = IdTokenSubject { authorization, nonce, scopes, user };
        self.id_token(&told, &access_token.token, now)
    }

    fn refresh_token_of(
        &self,
        grant: &UsersGrant<'_>,
        lifetimes: Lifetimes,
        now: NumericDate,
    ) -> Result<RefreshToken, TokenRefusal> {
        Ok(RefreshToken {
            token: self.secret()?,
            jwt_id: jwt_id(self.org.random.as_ref())?,
            expires: refresh_token_expires(&grant.authorization, lifetimes, now),
        })
    }
}

/// When it is not used, or when the time since the user signed in is over.
fn refresh_token_expires(
    authorization: &Authorization,
    lifetimes: Lifetimes,
    now: NumericDate,
) -> NumericDate {
    let idle = now.after(lifetimes.refresh_token_idle);
    lifetimes.refresh_token.map_or(idle, |life| idle.min(authorization.created.after(life)))
}

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        let refresh_token = self.refresh_token.as_ref().map(|refresh| &refresh.token);
        let mut body = json!({
            "token_type": self.access_token.scheme.name(),
            "expires_in": self.expires_in,
            "access_token": self.access_token.token.as_str(),
            "scope": self.scopes.join(" "),
        });
        for (name, token) in [("refresh_token", refresh_token), ("id_token", self.id_token.as_ref())] {
            if let (Some(token), Some(body)) = (token, body.as_object_mut()) {
                body.insert(name.to_owned(), json!(token.as_str()));
            }
        }
        json_answer(StatusCode::OK, &body)
    }
}
