//! Which scopes are given (RFC 6749 section 3.3).

use super::AuthorizationServer;
use super::refusal::TokenRefusal;
use crate::store::{AccessPolicy, App, GrantType, Lifetimes, ServerId};

/// The scope with which a request is one of OpenID Connect, and gets an ID token.
pub(super) const OPENID: &str = "openid";

/// The scope that asks for a refresh token.
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// What a user can let every app see.
pub(super) const USER_SCOPES: [&str; 5] = [OPENID, "profile", "email", OFFLINE_ACCESS, "groups"];

/// Bytes of a `scope` parameter, at most; all of Okta's scopes together have about 6,000.
const MAX_SCOPE_BYTES: usize = 8 * 1024;

impl AuthorizationServer {
    /// The scopes that an app asks for, each once, if it may have all of them.
    pub(super) fn requested_scopes(
        &self,
        asked: Option<&str>,
        app: &App,
        for_user: bool,
    ) -> Result<Vec<String>, TokenRefusal> {
        let asked = asked.unwrap_or_default();
        if asked.len() > MAX_SCOPE_BYTES {
            return Err(TokenRefusal::Scope);
        }
        let mut scopes: Vec<String> = Vec::new();
        for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
            if !self.may_have(app, scope, for_user)? {
                return Err(TokenRefusal::Scope);
            }
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        if scopes.is_empty() {
            scopes = self.default_scopes()?;
        }
        if scopes.iter().any(|scope| scope == OFFLINE_ACCESS) && !app.client.allows(GrantType::RefreshToken) {
            return Err(TokenRefusal::OfflineAccess);
        }
        if scopes.is_empty() { Err(TokenRefusal::NoScope) } else { Ok(scopes) }
    }

    /// Whether an app may have a scope.
    pub(super) fn may_have(&self, app: &App, scope: &str, for_user: bool) -> Result<bool, TokenRefusal> {
        if USER_SCOPES.contains(&scope) {
            return Ok(for_user);
        }
        match &self.id {
            ServerId::Org => Ok(app.scopes.iter().any(|granted| granted == scope)),
            ServerId::Custom(id) => {
                Ok(self.org.store.list_scopes(id)?.iter().any(|defined| defined.name == scope))
            }
        }
    }

    /// What is given where nothing is asked for.
    fn default_scopes(&self) -> Result<Vec<String>, TokenRefusal> {
        let Some(id) = self.id.custom() else { return Ok(Vec::new()) };
        let defined = self.org.store.list_scopes(id)?;
        Ok(defined.into_iter().filter(|scope| scope.is_default).map(|scope| scope.name).collect())
    }

    /// How long the tokens of a request live. Of a custom server the first policy for the client decides, by its first
    /// rule for the grant and the scopes.
    pub(super) fn lifetimes(
        &self,
        app: &App,
        grant_type: GrantType,
        scopes: &[String],
    ) -> Result<Lifetimes, TokenRefusal> {
        let Some(id) = self.id.custom() else { return Ok(Lifetimes::default()) };
        let is_for = |policy: &AccessPolicy| {
            policy.clients.as_ref().is_none_or(|clients| clients.contains(&app.client_id))
        };
        let policies = self.org.store.list_access_policies(id)?;
        let custom: Vec<_> =
            scopes.iter().filter(|scope| !USER_SCOPES.contains(&scope.as_str())).cloned().collect();
        let mut decided =
            policies.iter().filter(|policy| is_for(policy)).map(|policy| policy.decide(grant_type, &custom));
        decided.find_map(|lifetimes| lifetimes).ok_or(TokenRefusal::Policy)
    }
}
