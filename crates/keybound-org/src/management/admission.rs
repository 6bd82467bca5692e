//! Who may call the management API: the inward flow, then the admin role.
//!
//! A handler says in its arguments what it needs (`Permit<ManageUsers>`), and runs only if the request has
//! it: a token that is bound to the key of the request's proof (or a Bearer token bound to nothing), the
//! scope, and a role that may: of the app, or of the user in whose name it calls. The administrator's SSWS token may do
//! everything.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri, RawPathParams};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use keybound::access_token::AccessTokenRefusal;
use keybound::credentials::Credentials;
use keybound::proof::AccessTokenHash;
use keybound::resource::{Admitted, ResourceRequest, Verified};
use keybound::{NumericDate, Refusal, Rule, TargetUri};

use super::Management;
use super::error::ApiError;
use super::rate_limit::Turn;
use super::right::Right;
use super::users;
use crate::authorization_server::unverified_user_id;
use crate::background;
use crate::event::{Event, EventClient, EventObject};
use crate::origin;
use crate::store::{AdminRole, App, AssignmentType};
use crate::user::User;

/// Says that whoever sent the request has the right, and who that is. Only this extractor makes one, and the console
/// for its administrator.
pub(crate) struct Permit<R> {
    caller: Caller,
    client: EventClient,
    right: PhantomData<R>,
}

struct Caller {
    actor: EventObject,
    /// Whether it is whoever has the administrator's API token, or signed in at the console.
    is_administrator: bool,
    /// The id of the user in whose name the app calls.
    user: Option<String>,
    is_super_administrator: bool,
}

/// What names the user in whose name a request is.
pub(super) const ME: &str = "me";

impl Caller {
    fn administrator() -> Self {
        let actor = EventObject::new("SystemPrincipal", "administrator", "Administrator");
        Self { actor, is_administrator: true, user: None, is_super_administrator: true }
    }

    /// A user who acts in these roles.
    fn user(user: &User, roles: &[AdminRole]) -> Self {
        let is_super_administrator = roles.contains(&AdminRole::Super);
        let user_id = Some(user.id.clone());
        Self { actor: users::target(user), is_administrator: false, user: user_id, is_super_administrator }
    }
}

impl<R> Permit<R> {
    /// That of an administrator who has signed in at the console, and is there.
    pub(crate) fn of_administrator(client: EventClient) -> Self {
        Self { caller: Caller::administrator(), client, right: PhantomData }
    }

    /// The id of the user in whose name the app calls, if it is a user's token.
    pub(super) fn user(&self) -> Option<&str> {
        self.caller.user.as_deref()
    }

    /// The id or login of the user whom a path names: `me` is the one in whose name the app calls. An app that calls for
    /// itself is nobody, and names no user by it.
    pub(super) fn whom<'a>(&'a self, name: &'a str) -> &'a str {
        if name == ME { self.user().unwrap_or(ME) } else { name }
    }

    /// Whether the holder may do whatever can be done.
    pub(super) fn is_super_administrators(&self) -> bool {
        self.caller.is_super_administrator
    }

    /// The id of the holder.
    pub(super) fn actor_id(&self) -> &str {
        &self.caller.actor.id
    }

    /// Whether it is the administrator's.
    pub(super) fn is_administrators(&self) -> bool {
        self.caller.is_administrator
    }

    /// An app that has admin roles is changed by a super administrator alone: whoever registers a key of it
    /// could act as it.
    pub(super) fn to_change(&self, app: &App) -> Result<(), ApiError> {
        if app.roles.is_empty() || self.caller.is_super_administrator {
            return Ok(());
        }
        Err(ApiError::no_permission("the app has admin roles; only a SUPER_ADMIN may change it"))
    }

    /// An event that the holder caused.
    pub(crate) fn event(&self, event_type: &'static str, display_message: &'static str) -> Event {
        Event::new(event_type, display_message).by(self.caller.actor.clone()).from(self.client.clone())
    }
}

impl<R: Right> FromRequestParts<Arc<Management>> for Permit<R> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, api: &Arc<Management>) -> Result<Self, ApiError> {
        // The path as the client sent it, which the proof is for.
        let OriginalUri(uri) = match OriginalUri::from_request_parts(head, api).await {
            Ok(uri) => uri,
            Err(never) => match never {},
        };
        let client = origin::of(head);
        let turn = head.extensions.get::<Turn>().cloned();
        let about = user_in_path(head).await;
        let (method, headers) = (head.method.clone(), head.headers.clone());
        let api = Arc::clone(api);
        let count = move || turn.as_ref().map_or(Ok(()), Turn::take);
        let sent = Sent { method, uri, headers, about };
        let caller = background::run(move || api.admit::<R>(&sent, count)).await??;
        Ok(Self { caller, client, right: PhantomData })
    }
}

/// The id or login of the user whom the endpoint is about, if its path has one.
async fn user_in_path(head: &mut Parts) -> Option<String> {
    let parameters = RawPathParams::from_request_parts(head, &()).await.ok()?;
    parameters.iter().find(|(name, _)| *name == "user").map(|(_, value)| value.to_owned())
}

/// What of a request decides whether it is admitted.
struct Sent {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// The user whom the endpoint is about, if it is about one.
    about: Option<String>,
}

impl Management {
    /// Who sent a request, if that one may. It is counted by `count` as soon as it is known to be of a client.
    fn admit<R: Right>(
        &self,
        sent: &Sent,
        count: impl FnOnce() -> Result<(), ApiError>,
    ) -> Result<Caller, ApiError> {
        match self.admin_token.authorizes(&sent.headers) {
            Some(true) => {
                count()?;
                return Ok(Caller::administrator());
            }
            Some(false) => return Err(ApiError::unknown_admin_token()),
            None => {}
        }
        let now = self.clock.now();
        let (verified, user_id) = self.verified_as_sent(sent, now)?;
        // The token's app must still be there and active, and so must the user if it is for one.
        let client_id = verified.access_token().client_id.clone().unwrap_or_default();
        let revoked = || Refusal::from(AccessTokenRefusal::Revoked);
        let (label, roles) = self.store.label_and_roles(&client_id)?.ok_or_else(revoked)?;
        let user = match user_id {
            Some(id) => Some(self.store.user(&id)?.ok_or_else(revoked)?),
            None => None,
        };
        // Before its proof counts as used: a client that is told to wait sends the same request again.
        count()?;
        let recorded = verified
            .proof()
            .map_or(Ok(()), |proof| self.resource.replay.record(proof.replay_key(), proof.expires(), now));
        let admitted = verified.recorded(recorded)?;
        if let Some(user) = user {
            return self.user_who_may::<R>(&user, &admitted, sent);
        }
        admitted.require_scope(R::SCOPES)?;
        app_with_role::<R>(&client_id, label, &roles)
    }

    /// The user in whose name an app calls, if that one may: by an admin role, or about themselves.
    fn user_who_may<R: Right>(
        &self,
        user: &User,
        admitted: &Admitted,
        sent: &Sent,
    ) -> Result<Caller, ApiError> {
        let is_about_them = sent.about.as_deref().is_some_and(|name| is(user, name));
        if is_about_them && !R::SCOPES_FOR_ONESELF.is_empty() {
            admitted.require_scope(R::SCOPES_FOR_ONESELF)?;
            return Ok(Caller::user(user, &[]));
        }
        admitted.require_scope(R::SCOPES)?;
        let assigned = self.roles_of(AssignmentType::User, &user.id)?;
        let roles: Vec<_> = assigned.into_iter().map(|assigned| assigned.role).collect();
        demand_role::<R>("user", &roles)?;
        tracing::debug!(user_id = user.id, "admitted");
        Ok(Caller::user(user, &roles))
    }

    /// A request that holds by every rule, but for whether its proof was used before; with the id of the user whom its
    /// token is for, if it is for one.
    fn verified_as_sent(
        &self,
        sent: &Sent,
        now: NumericDate,
    ) -> Result<(Verified, Option<String>), ApiError> {
        // The org's own URL, not the one that the Host field claims.
        let target = self.url.with_path(sent.uri.path()).map_err(|_| ApiError::no_such_path())?;
        let Sent { method, uri, headers, .. } = sent;
        let request = ResourceRequest { method, target: &target, query: uri.query(), headers };
        let verified = self.verified(&request, now).or_else(|refusal| {
            let spelled = spelled_as_by_java(&target).filter(|_| refusal.rule() == Rule::TargetUri);
            let target = spelled.as_ref().ok_or(refusal)?;
            self.verified(&ResourceRequest { target, ..request }, now)
        });
        Ok(verified?)
    }

    fn verified(
        &self,
        request: &ResourceRequest<'_>,
        now: NumericDate,
    ) -> Result<(Verified, Option<String>), Refusal> {
        let Credentials { scheme, access_token: text, .. } =
            Credentials::of_request(request.headers, request.query)?;
        let access_token = Arc::new(self.tokens.verify(text, now)?);
        let hash = AccessTokenHash::of(text);
        let verified = self.resource.demands.verify(request, scheme, hash, access_token, now)?;
        // Its signature was verified, so what it claims is so.
        Ok((verified, unverified_user_id(text)))
    }
}

/// The target as Okta's SDK for Java writes it into `htu`: with the characters that a path may have as they are,
/// where the request has them percent-encoded (`/users/a%40example.com`). Both name one user here. None if there is
/// nothing to decode.
fn spelled_as_by_java(target: &TargetUri) -> Option<TargetUri> {
    let path = target.path();
    let mut decoded = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    decoded.push_str(pieces.next()?);
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if IN_A_PATH.contains(&byte) => decoded.push(char::from(byte)),
            _ => decoded.extend(["%", digits]),
        }
        decoded.push_str(rest);
    }
    (decoded != path).then(|| target.with_path(&decoded).ok()).flatten()
}

/// What may stand in a segment of a path without being encoded, and is not unreserved (RFC 3986 section 3.3).
const IN_A_PATH: &[u8] = b"!$&'()*+,;=:@";

/// Whether a path names this user.
fn is(user: &User, name: &str) -> bool {
    name == ME || name == user.id || name.eq_ignore_ascii_case(user.login())
}

/// The app must have a role that may, where it calls for itself.
fn app_with_role<R: Right>(client_id: &str, label: String, roles: &[AdminRole]) -> Result<Caller, ApiError> {
    demand_role::<R>("app", roles)?;
    tracing::debug!(client_id, "admitted");
    let actor = EventObject::new("PublicClientApp", client_id, label);
    let is_super_administrator = roles.contains(&AdminRole::Super);
    Ok(Caller { actor, is_administrator: false, user: None, is_super_administrator })
}

fn demand_role<R: Right>(holder: &str, roles: &[AdminRole]) -> Result<(), ApiError> {
    if roles.iter().any(|role| R::ROLES.contains(role)) {
        return Ok(());
    }
    let roles: Vec<_> = R::ROLES.iter().map(|role| role.name()).collect();
    let roles = roles.join(", ");
    Err(ApiError::no_permission(format!(
        "the {holder} has no admin role that may do this; assign one of {roles} to the {holder}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_target_is_decoded_what_a_path_may_have() {
        for (path, expected) in [
            ("/api/v1/users/a%40example.com", Some("/api/v1/users/a@example.com")),
            ("/api/v1/users/a%2Bb%40x", Some("/api/v1/users/a+b@x")),
            ("/api/v1/users/a%2Fb%40x%20%25", Some("/api/v1/users/a%2Fb@x%20%25")),
            ("/api/v1/users/a@x", None),
            ("/api/v1/users/a%2Fb%3Fc%23d%C3%A9", None),
            ("/api/v1/users", None),
        ] {
            let target = TargetUri::parse(&format!("http://localhost{path}")).unwrap();
            let found = spelled_as_by_java(&target);
            assert_eq!(found.as_ref().map(TargetUri::path), expected, "{path}");
        }
    }
}
