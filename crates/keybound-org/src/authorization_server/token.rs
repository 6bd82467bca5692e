//! The token endpoint: a client that proves who it is gets an access token, bound to a key if it proves that it holds
//! one (RFC 6749 section 3.2, RFC 9449 sections 5 and 8). For a user it may come with an ID token and a refresh
//! token.
//!
//! # What is used up, and when
//!
//! Single use of the assertion and of the proof comes after every check, and is recorded for both in one
//! transaction: a request that is refused uses up neither. So the answer to a nonce challenge works however the
//! client makes it, and a client that sent one bad proof keeps its assertion. A replay of either one is refused: what
//! was recorded came with a request that was granted a token, and only that is worth repeating. The signatures of both
//! have been verified by then, so a stranger cannot use up another's identifiers, nor fill the store. What the token is
//! given for (a code, a refresh token) is used up last, together with the record of what was given.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keybound::proof::{ProofRefusal, VerifiedProof};
use keybound::random::jwt_id;
use keybound::{NumericDate, Thumbprint, base64url};
use serde_json::json;
use zeroize::Zeroizing;

use aws_lc_rs::{constant_time, digest};

use super::AuthorizationServer;
use super::access_token::{AccessToken, Bearer};
use super::client::Client;
use super::endpoint::{Asked, json_answer};
use super::id_token::IdTokenSubject;
use super::refusal::TokenRefusal;
use super::scopes::{OFFLINE_ACCESS, OPENID};
use crate::event::EventObject;
use crate::form::Form;
use crate::store::{
    App, Authorization, Given, GivenRefreshToken, GrantType, KeptCode, Lifetimes, NotRedeemed, Redeemed,
    StoreError,
};
use crate::user::{User, UserStatus};

/// Where the token endpoint is.
pub(super) const TOKEN: &str = "/token";

/// The grants that it has.
pub(super) const GRANT_TYPES: [GrantType; 4] = [
    GrantType::AuthorizationCode,
    GrantType::RefreshToken,
    GrantType::ClientCredentials,
    GrantType::DeviceCode,
];

/// Bytes of a code, a refresh token or a device code, at most. Ours have 43.
const MAX_GRANT_BYTES: usize = 256;

/// `POST /oauth2/v1/token`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    let granted = server.grant(asked);
    server.log_grant(asked, &granted);
    match granted {
        Ok(issued) => issued.into_response(),
        Err(refusal) => server.refuse(&refusal),
    }
}

/// What is asked for, and on what ground.
enum Grant<'f> {
    /// The client acts for itself.
    Own { scopes: Vec<String> },
    /// A user lets it.
    Users(Box<UsersGrant<'f>>),
}

/// What a user's leave is shown by.
pub(super) struct UsersGrant<'f> {
    pub(super) redeemed: Redeemed<'f>,
    pub(super) authorization: Authorization,
    pub(super) user: User,
    /// The scopes to give, which may be fewer than the user's leave has.
    pub(super) scopes: Vec<String>,
}

/// What the client gets.
pub(super) struct Issued {
    pub(super) access_token: AccessToken,
    pub(super) scopes: Vec<String>,
    expires_in: u64,
    pub(super) refresh_token: Option<Zeroizing<String>>,
    pub(super) id_token: Option<Zeroizing<String>>,
    /// The client and the user, as the system log names them.
    pub(super) client: EventObject,
    pub(super) user: Option<EventObject>,
}

impl<'f> Grant<'f> {
    fn users(grant: UsersGrant<'f>) -> Self {
        Self::Users(Box::new(grant))
    }
}

impl AuthorizationServer {
    /// A token request from its first check to its token.
    fn grant(&self, asked: &Asked) -> Result<Issued, TokenRefusal> {
        let now = self.now();
        let form = asked.token_form()?;
        let grant_type = known_grant_type(&form)?;
        let client = self.authenticated(&form, asked, TOKEN, now)?;
        client.may_use(grant_type)?;
        let proof = self.demanded_proof(asked, TOKEN, &client.app, now)?;
        let key = proof.as_ref().map(VerifiedProof::thumbprint);
        let issued = match self.granted(grant_type, &form, &client, now)? {
            Grant::Own { scopes } => {
                let lifetimes = self.lifetimes(&client.app, grant_type, &scopes)?;
                self.use_up(&client, TOKEN, proof.as_ref(), now)?;
                self.issue_to_client(&client.app, scopes, key, lifetimes, now)?
            }
            Grant::Users(grant) => {
                same_key(grant.authorization.key, key)?;
                let lifetimes = self.lifetimes(&client.app, grant_type, &grant.scopes)?;
                self.use_up(&client, TOKEN, proof.as_ref(), now)?;
                self.issue_for_user(&client.app, &grant, key, lifetimes, now)?
            }
        };
        let (client_id, token_type) = (&client.app.client_id, issued.access_token.scheme.name());
        tracing::info!(client_id, token_type, grant_type = grant_type.name(), "token granted");
        Ok(issued)
    }

    fn granted<'f>(
        &self,
        grant_type: GrantType,
        form: &'f Form,
        client: &Client,
        now: NumericDate,
    ) -> Result<Grant<'f>, TokenRefusal> {
        let app = &client.app;
        match grant_type {
            GrantType::ClientCredentials => {
                Ok(Grant::Own { scopes: self.requested_scopes(form.get("scope"), app, false)? })
            }
            GrantType::AuthorizationCode => self.code_grant(form, app, now).map(Grant::users),
            GrantType::RefreshToken => self.refresh_grant(form, app, now).map(Grant::users),
            GrantType::DeviceCode => self.device_grant(form, app, now).map(Grant::users),
            _ => Err(TokenRefusal::GrantType),
        }
    }

    /// A code (RFC 6749 section 4.1.3), with the verifier of the challenge that it was asked for with (RFC 7636).
    fn code_grant<'f>(
        &self,
        form: &'f Form,
        app: &App,
        now: NumericDate,
    ) -> Result<UsersGrant<'f>, TokenRefusal> {
        let code = bounded(form.require("code")?).ok_or(TokenRefusal::Code)?;
        let kept = self.org.store.code(code)?.ok_or(TokenRefusal::Code)?;
        let authorization = &kept.authorization;
        if !authorization.is_of(&self.id, &app.client_id) {
            return Err(TokenRefusal::Code);
        }
        if kept.is_used_up {
            self.org.store.end_authorization(&authorization.id, now)?;
            return Err(TokenRefusal::Code);
        }
        if kept.expires <= now {
            return Err(TokenRefusal::Code);
        }
        if form.require("redirect_uri")? != kept.redirect_uri {
            return Err(TokenRefusal::RedirectUri);
        }
        verify_challenge(form.get("code_verifier"), &kept)?;
        let user = self.active_user(&authorization.user_id)?;
        let scopes = authorization.scopes.clone();
        Ok(UsersGrant { redeemed: Redeemed::Code(code), authorization: kept.authorization, user, scopes })
    }

    /// A refresh token (RFC 6749 section 6): each is good once, and for a while after that, since an answer may have
    /// been lost.
    fn refresh_grant<'f>(
        &self,
        form: &'f Form,
        app: &App,
        now: NumericDate,
    ) -> Result<UsersGrant<'f>, TokenRefusal> {
        let token = bounded(form.require("refresh_token")?).ok_or(TokenRefusal::RefreshToken)?;
        let kept = self.org.store.refresh_token(token)?.ok_or(TokenRefusal::RefreshToken)?;
        let authorization = kept.authorization;
        let is_theirs = authorization.is_of(&self.id, &app.client_id);
        if !is_theirs || kept.is_ended || kept.expires <= now {
            return Err(TokenRefusal::RefreshToken);
        }
        if kept.used.is_some_and(|used| used.after(self.org.refresh_token_grace) <= now) {
            tracing::warn!(
                client_id = app.client_id,
                "a refresh token was used again: its tokens are revoked"
            );
            self.org.store.end_authorization(&authorization.id, now)?;
            return Err(TokenRefusal::RefreshToken);
        }
        let user = self.active_user(&authorization.user_id)?;
        let scopes = self.narrowed(form.get("scope"), &authorization.scopes, app)?;
        Ok(UsersGrant { redeemed: Redeemed::RefreshToken(token), authorization, user, scopes })
    }

    /// The scopes of a user's leave that the app may still have, or those of them that it asks for.
    fn narrowed(
        &self,
        asked: Option<&str>,
        allowed: &[String],
        app: &App,
    ) -> Result<Vec<String>, TokenRefusal> {
        let asked = asked.unwrap_or_default();
        let asked: Vec<_> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
        if !asked.iter().all(|scope| allowed.iter().any(|allowed| allowed == scope)) {
            return Err(TokenRefusal::Scope);
        }
        let of_app = self.scopes_of(app, true)?;
        let is_asked = |scope: &&String| asked.is_empty() || asked.contains(&scope.as_str());
        let given = allowed.iter().filter(is_asked).filter(|scope| of_app.contains(scope));
        let scopes: Vec<_> = given.cloned().collect();
        if scopes.is_empty() { Err(TokenRefusal::Scope) } else { Ok(scopes) }
    }

    /// The user, who must still be there and active.
    pub(super) fn active_user(&self, id: &str) -> Result<User, TokenRefusal> {
        self.user_if_active(id)?.ok_or(TokenRefusal::UserNotActive)
    }

    pub(super) fn user_if_active(&self, id: &str) -> Result<Option<User>, StoreError> {
        Ok(self.org.store.user(id)?.filter(|user| user.status == UserStatus::Active))
    }

    fn issue_to_client(
        &self,
        app: &App,
        scopes: Vec<String>,
        key: Option<Thumbprint>,
        lifetimes: Lifetimes,
        now: NumericDate,
    ) -> Result<Issued, TokenRefusal> {
        let bearer = Bearer { app, user: None, scopes: &scopes, key };
        let access_token = self.access_token(&bearer, now.after(lifetimes.access_token), now)?;
        let expires_in = lifetimes.access_token.as_secs();
        let (client, user) = (app_in_log(app), None);
        Ok(Issued { access_token, scopes, expires_in, refresh_token: None, id_token: None, client, user })
    }

    fn issue_for_user(
        &self,
        app: &App,
        grant: &UsersGrant<'_>,
        key: Option<Thumbprint>,
        lifetimes: Lifetimes,
        now: NumericDate,
    ) -> Result<Issued, TokenRefusal> {
        let UsersGrant { redeemed, authorization, user, scopes } = grant;
        let has = |scope: &str| scopes.iter().any(|granted| granted == scope);
        let bearer = Bearer { app, user: Some((user, authorization.signed_in)), scopes, key };
        let access_token = self.access_token(&bearer, now.after(lifetimes.access_token), now)?;
        let id_token = has(OPENID)
            .then(|| {
                // A refreshed one answers no request that had a nonce (OpenID Connect Core section 12.2).
                let nonce = authorization.nonce.as_deref().filter(|_| matches!(redeemed, Redeemed::Code(_)));
                let told = IdTokenSubject { authorization, nonce, scopes, user };
                self.id_token(&told, &access_token.token, now)
            })
            .transpose()?;
        let refresh_token = has(OFFLINE_ACCESS).then(|| self.secret()).transpose()?;

        let refresh_id = jwt_id(self.org.random.as_ref())?;
        let given = Given {
            authorization,
            key,
            jwt_id: &access_token.jwt_id,
            expires: access_token.expires,
            refresh_token: refresh_token.as_ref().map(|token| GivenRefreshToken {
                token,
                jwt_id: &refresh_id,
                expires: refresh_token_expires(authorization, lifetimes, now),
            }),
        };
        let redemption = self.org.store.redeem(*redeemed, &given, self.org.refresh_token_grace, now);
        redemption.map_err(|reason| match reason {
            NotRedeemed::UsedUp => TokenRefusal::used_up(*redeemed),
            NotRedeemed::Store(error) => error.into(),
        })?;
        let expires_in = lifetimes.access_token.as_secs();
        let client = app_in_log(app);
        let user = EventObject::new("User", &user.id, user.login()).also_called(user.login());
        let (scopes, user) = (scopes.clone(), Some(user));
        Ok(Issued { access_token, scopes, expires_in, refresh_token, id_token, client, user })
    }
}

fn app_in_log(app: &App) -> EventObject {
    EventObject::new("PublicClientApp", &app.client_id, &app.label)
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

fn known_grant_type(form: &Form) -> Result<GrantType, TokenRefusal> {
    let named = GrantType::of_name(form.require("grant_type")?);
    named.filter(|named| GRANT_TYPES.contains(named)).ok_or(TokenRefusal::GrantType)
}

pub(super) fn bounded(text: &str) -> Option<&str> {
    (text.len() <= MAX_GRANT_BYTES).then_some(text)
}

/// What was given for one key is exchanged with a proof of that key (RFC 9449 sections 5 and 10).
fn same_key(bound_to: Option<Thumbprint>, proven: Option<Thumbprint>) -> Result<(), TokenRefusal> {
    match (bound_to, proven) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(ProofRefusal::Missing.into()),
        (Some(expected), Some(found)) if expected == found => Ok(()),
        (Some(_), Some(_)) => Err(TokenRefusal::OtherKey),
    }
}

/// RFC 7636 section 4.6. A verifier for a code that had no challenge is refused as well (RFC 9700 section 2.1.1).
fn verify_challenge(verifier: Option<&str>, kept: &KeptCode) -> Result<(), TokenRefusal> {
    let computed =
        verifier.map(|verifier| base64url::encode(digest::digest(&digest::SHA256, verifier.as_bytes())));
    let is_right = match (&computed, &kept.code_challenge) {
        (None, None) => true,
        (Some(found), Some(challenge)) => {
            constant_time::verify_slices_are_equal(found.as_bytes(), challenge.as_bytes()).is_ok()
        }
        _ => false,
    };
    if is_right { Ok(()) } else { Err(TokenRefusal::Pkce) }
}

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        let mut body = json!({
            "token_type": self.access_token.scheme.name(),
            "expires_in": self.expires_in,
            "access_token": self.access_token.token.as_str(),
            "scope": self.scopes.join(" "),
        });
        for (name, token) in [("refresh_token", &self.refresh_token), ("id_token", &self.id_token)] {
            if let (Some(token), Some(body)) = (token, body.as_object_mut()) {
                body.insert(name.to_owned(), json!(token.as_str()));
            }
        }
        json_answer(StatusCode::OK, &body)
    }
}
