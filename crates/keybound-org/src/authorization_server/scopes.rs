//! Which scopes are given (RFC 6749 section 3.3).

use super::AuthorizationServer;
use super::refusal::TokenRefusal;
use crate::store::{AccessPolicy, App, GrantType, Lifetimes, StoreError};

/// The scope with which a request is one of OpenID Connect, and gets an ID token.
pub(super) const OPENID: &str = "openid";

/// The scope that asks for a refresh token.
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// What a user can let every app see.
pub(crate) const USER_SCOPES: [&str; 5] = [OPENID, "profile", "email", OFFLINE_ACCESS, "groups"];

/// Bytes of a `scope` parameter, at most; all of Okta's scopes together have about 6,000.
const MAX_SCOPE_BYTES: usize = 8 * 1024;

/// The scopes that an app may have.
pub(super) struct ScopesOfApp {
    /// Whether it may have those of [`USER_SCOPES`].
    for_user: bool,
    others: Vec<String>,
    /// What is given where nothing is asked for.
    default: Vec<String>,
}

impl ScopesOfApp {
    pub(super) fn contains(&self, scope: &str) -> bool {
        if USER_SCOPES.contains(&scope) {
            return self.for_user;
        }
        self.others.iter().any(|other| other == scope)
    }
}

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
        let of_app = self.scopes_of(app, for_user)?;
        let mut scopes: Vec<String> = Vec::new();
        for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
            if !of_app.contains(scope) {
                return Err(TokenRefusal::Scope);
            }
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        if scopes.is_empty() {
            scopes = of_app.default;
        }
        if scopes.iter().any(|scope| scope == OFFLINE_ACCESS) && !app.client.allows(GrantType::RefreshToken) {
            return Err(TokenRefusal::OfflineAccess);
        }
        if scopes.is_empty() { Err(TokenRefusal::NoScope) } else { Ok(scopes) }
    }

    /// The scopes that an app may have, read once for a request: those that are granted to it or, of a custom server,
    /// all that are defined.
    pub(super) fn scopes_of(&self, app: &App, for_user: bool) -> Result<ScopesOfApp, StoreError> {
        let Some(id) = self.id.custom() else {
            return Ok(ScopesOfApp { for_user, others: app.scopes.clone(), default: Vec::new() });
        };
        let defined = self.org.store.list_scopes(id)?.into_iter().map(|scope| scope.value);
        let defined: Vec<_> = defined.collect();
        let default =
            defined.iter().filter(|scope| scope.is_default).map(|scope| scope.name.clone()).collect();
        let others = defined.into_iter().map(|scope| scope.name).collect();
        Ok(ScopesOfApp { for_user, others, default })
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
