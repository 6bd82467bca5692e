//! What a client may be given a token for: for itself, or for a user's leave, which a code, a refresh token or a device
//! code shows.

use aws_lc_rs::{constant_time, digest};
use keybound::proof::ProofRefusal;
use keybound::{NumericDate, Thumbprint, base64url};

use super::AuthorizationServer;
use super::client::Client;
use super::refusal::TokenRefusal;
use crate::form::Form;
use crate::store::{App, Authorization, GrantType, KeptCode, Redeemed, StoreError};
use crate::user::{User, UserStatus};

/// The grants that the token endpoint has.
pub(super) const GRANT_TYPES: [GrantType; 4] = [
    GrantType::AuthorizationCode,
    GrantType::RefreshToken,
    GrantType::ClientCredentials,
    GrantType::DeviceCode,
];

/// Bytes of a code, a refresh token or a device code, at most. Ours have 43.
const MAX_GRANT_BYTES: usize = 256;

/// What is asked for, and on what ground.
pub(super) enum Grant<'f> {
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

impl<'f> Grant<'f> {
    fn users(grant: UsersGrant<'f>) -> Self {
        Self::Users(Box::new(grant))
    }

    pub(super) fn scopes(&self) -> &[String] {
        match self {
            Self::Own { scopes } => scopes,
            Self::Users(grant) => &grant.scopes,
        }
    }

    /// The user's leave, if it is for one.
    pub(super) fn user(&self) -> Option<&UsersGrant<'f>> {
        match self {
            Self::Own { .. } => None,
            Self::Users(grant) => Some(grant),
        }
    }

    /// What was given for one key is exchanged with a proof of that key (RFC 9449 sections 5 and 10).
    pub(super) fn demand_key(&self, proven: Option<Thumbprint>) -> Result<(), TokenRefusal> {
        match (self.user().and_then(|grant| grant.authorization.key), proven) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(ProofRefusal::Missing.into()),
            (Some(expected), Some(found)) if expected == found => Ok(()),
            (Some(_), Some(_)) => Err(TokenRefusal::OtherKey),
        }
    }
}

pub(super) fn known_grant_type(form: &Form) -> Result<GrantType, TokenRefusal> {
    let named = GrantType::of_name(form.require("grant_type")?);
    named.filter(|named| GRANT_TYPES.contains(named)).ok_or(TokenRefusal::GrantType)
}

impl AuthorizationServer {
    /// What a request of a client asks for, if it may be given.
    pub(super) fn granted<'f>(
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
        let user = self.assigned_user(app, &authorization.user_id)?;
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
        let user = self.assigned_user(app, &authorization.user_id)?;
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
}

pub(super) fn bounded(text: &str) -> Option<&str> {
    (text.len() <= MAX_GRANT_BYTES).then_some(text)
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
