//! What the system log says of people: who signed in, who could not and why, who was locked out, who went to which app.

use super::AuthorizationServer;
use super::endpoint::Asked;
use crate::event::{Event, EventClient, EventObject};
use crate::origin;
use crate::store::{App, PasswordCheck, Session, Store, StoreError};
use crate::user::User;

/// Characters of a name that was typed, in the log, at most.
const SHOWN_CHARACTERS: usize = 100;

impl AuthorizationServer {
    /// Writes what came of a password that was typed for `username`. One that was not looked at is no event.
    pub(super) fn log_sign_in(
        &self,
        asked: &Asked,
        username: &str,
        check: &PasswordCheck,
    ) -> Result<(), StoreError> {
        for event in sign_in_events(&self.org.store, username, check, &origin::of(&asked.head))? {
            self.log(&event);
        }
        Ok(())
    }

    /// Writes that a user's session ended.
    pub(super) fn log_sign_out(&self, asked: &Asked, session: &Session) -> Result<(), StoreError> {
        if let Some(user) = self.org.store.user(&session.user_id)? {
            let event = Event::new("user.session.end", "User logout from Okta").by(in_log(&user));
            let event = event.to(in_log(&user)).in_session(&session.id);
            self.log(&event.from(origin::of(&asked.head)));
        }
        Ok(())
    }

    /// Writes that a user, who is signed in, went on to an app.
    pub(super) fn log_single_sign_on(&self, asked: &Asked, (session, user): (&Session, &User), app: &App) {
        let event = Event::new("user.authentication.sso", "User single sign on to app").by(in_log(user));
        let event = event.to(app_in_log(app)).to(in_log(user)).in_session(&session.id);
        self.log(&event.from(origin::of(&asked.head)));
    }

    /// Writes that a user, who is signed in, went on to an app to which nobody has assigned them.
    pub(super) fn log_unassigned(&self, asked: &Asked, user: &User, app: &App) {
        let message = "User attempted unauthorized access to app";
        let event = Event::new("app.generic.unauth_app_access_attempt", message).by(in_log(user));
        let event = event.failed("User is not assigned to the client application.");
        self.log(&event.to(app_in_log(app)).to(in_log(user)).from(origin::of(&asked.head)));
    }
}

/// What came of a password that was typed for `username`: the sign-in and, if it is one too many, the lock.
pub(crate) fn sign_in_events(
    store: &Store,
    username: &str,
    check: &PasswordCheck,
    client: &EventClient,
) -> Result<Vec<Event>, StoreError> {
    let (user_id, reason) = match check {
        PasswordCheck::Right { user_id } => (Some(user_id), None),
        PasswordCheck::Expired { user_id } => (Some(user_id), Some("PASSWORD_EXPIRED")),
        PasswordCheck::Wrong { user_id } => (user_id.as_ref(), Some("INVALID_CREDENTIALS")),
        PasswordCheck::LockedOut { user_id, .. } => (Some(user_id), Some("LOCKED_OUT")),
        PasswordCheck::TooMany => return Ok(Vec::new()),
    };
    let user = user_id.map(|id| store.user(id)).transpose()?.flatten();
    let person = user.as_ref().map_or_else(|| nobody(username), in_log);
    let event = |event_type, message| {
        Event::new(event_type, message).by(person.clone()).to(person.clone()).from(client.clone())
    };
    let is_locked_now = matches!(check, PasswordCheck::LockedOut { by_this_one: true, .. });
    let locked = event("user.account.lock", "Max sign in attempts exceeded").failed("LOCKED_OUT");
    let started = event("user.session.start", "User login to Okta");
    let started = match reason {
        None => started,
        Some(reason) => started.failed(reason),
    };
    Ok(is_locked_now.then_some(locked).into_iter().chain([started]).collect())
}

fn app_in_log(app: &App) -> EventObject {
    EventObject::new("AppInstance", &app.client_id, &app.label).also_called(&app.label)
}

fn in_log(user: &User) -> EventObject {
    EventObject::new("User", &user.id, user.login()).also_called(user.login())
}

/// Who typed a name that nobody has.
fn nobody(username: &str) -> EventObject {
    let shown: String = username.chars().take(SHOWN_CHARACTERS).collect();
    EventObject::new("User", "unknown", "unknown").also_called(shown)
}
