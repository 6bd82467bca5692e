//! What a request to a path is held to, for whoever explains one that came.

use std::sync::Arc;

use keybound::access_token::AccessTokenPolicy;
use keybound::assertion::AssertionPolicy;
use keybound::{JwkSet, NumericDate, TargetUri};

use super::{AuthorizationServer, AuthorizationServers, pushed, token, user_info};
use crate::paths::is_under;
use crate::store::{AppStatus, StoreError};

/// The rules of one endpoint, with what they are applied to.
pub(crate) struct HeldTo {
    /// The URI that a proof must be for.
    pub(crate) target: TargetUri,
    pub(crate) assertions: AssertionPolicy,
    pub(crate) access_tokens: AccessTokenPolicy,
    /// The keys of the server whose access tokens are taken.
    pub(crate) issuer_keys: JwkSet,
    /// Whether it is a protected resource, called with an access token; else a client shows who it is.
    pub(crate) is_resource: bool,
    /// Whether proofs are looked at.
    pub(crate) takes_proofs: bool,
}

impl AuthorizationServers {
    /// What requests to `path` were held to at the time `at`; `None` where no rule for tokens holds, and at a server
    /// that is not there or not active.
    pub(crate) fn held_to(
        self: &Arc<Self>,
        path: &str,
        at: NumericDate,
    ) -> Result<Option<HeldTo>, StoreError> {
        let (server, endpoint) = parts(path);
        let Ok(server) = self.server(server) else { return Ok(None) };
        server.held_to(path, endpoint, at)
    }

    /// The keys of an app whose clients are let in.
    pub(crate) fn client_keys(&self, client_id: &str) -> Option<JwkSet> {
        let app = self.store.app(client_id).ok().flatten()?;
        (app.status == AppStatus::Active).then_some(app.keys)
    }
}

impl AuthorizationServer {
    fn held_to(
        &self,
        path: &str,
        endpoint: Option<&str>,
        at: NumericDate,
    ) -> Result<Option<HeldTo>, StoreError> {
        let Ok(target) = self.org.url.with_path(path) else { return Ok(None) };
        let (is_resource, takes_proofs) = match endpoint {
            // The management API has no such endpoint.
            None | Some(user_info::USER_INFO) => (true, true),
            Some(token::TOKEN | pushed::PUSHED) => (false, true),
            Some(super::introspection::INTROSPECT | super::revocation::REVOKE | super::device::AUTHORIZE) => {
                (false, false)
            }
            Some(_) => return Ok(None),
        };
        Ok(Some(HeldTo {
            target,
            assertions: self.assertions(endpoint.unwrap_or(token::TOKEN)),
            access_tokens: self.access_tokens(),
            issuer_keys: self.org.keys.verifying(&self.id, at)?,
            is_resource,
            takes_proofs,
        }))
    }
}

/// The id of the custom server that a path belongs to, and its endpoint; no endpoint on the management API.
pub(super) fn parts(path: &str) -> (Option<&str>, Option<&str>) {
    let Some(rest) = path.strip_prefix("/oauth2/") else {
        // A browser has a cookie, or its user a password, and neither a token.
        let is_of_browser = ["/api/v1/sessions/me", "/api/v1/authn"].iter().any(|own| is_under(path, own));
        let is_api = path.starts_with("/api/v1/") && !is_of_browser;
        return (None, if is_api { None } else { Some("") });
    };
    match rest.strip_prefix("v1") {
        Some(endpoint) if endpoint == "/clients" || endpoint.starts_with("/clients/") => (None, None),
        Some(endpoint) => (None, Some(endpoint)),
        None => match rest.split_once("/v1") {
            Some((server, endpoint)) => (Some(server), Some(endpoint)),
            None => (None, Some("")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_its_server_and_its_endpoint() {
        for (path, expected) in [
            ("/oauth2/v1/token", (None, Some("/token"))),
            ("/oauth2/default/v1/token", (Some("default"), Some("/token"))),
            ("/oauth2/v1/clients/0oa1/roles", (None, None)),
            ("/oauth2/v1/clientsx", (None, Some("/clientsx"))),
            ("/api/v1/users", (None, None)),
            ("/api/v2/users", (None, Some(""))),
            ("/api/v1/sessions/me/lifecycle/refresh", (None, Some(""))),
            ("/api/v1/sessions/102a", (None, None)),
            ("/oauth2/default", (None, Some(""))),
            ("/", (None, Some(""))),
        ] {
            assert_eq!(parts(path), expected, "{path}");
        }
    }
}
