//! Whether a user may sign in to an app: who is assigned to it, by themselves or by a group.

use super::AuthorizationServer;
use super::authorization_request::{AuthorizationRequest, NotAuthorized};
use super::endpoint::Asked;
use super::refusal::TokenRefusal;
use crate::store::{App, StoreError};
use crate::user::User;

impl AuthorizationServer {
    /// The user for whom an app is given something, who must still be there, active, and assigned to the app.
    pub(super) fn assigned_user(&self, app: &App, user_id: &str) -> Result<User, TokenRefusal> {
        let user = self.active_user(user_id)?;
        let is_assigned = self.org.store.is_assigned(&app.client_id, user_id)?;
        if is_assigned { Ok(user) } else { Err(TokenRefusal::UserNotAssigned) }
    }

    /// Tells the client of a request whose user is not assigned to its app.
    pub(super) fn demand_assignment(
        &self,
        asked: &Asked,
        request: &AuthorizationRequest,
        user: &User,
    ) -> Result<(), NotAuthorized> {
        if self.may_sign_in(asked, &request.app, user)? {
            return Ok(());
        }
        let target = Box::new(request.target.clone());
        Err(NotAuthorized::There(target, TokenRefusal::UserNotAssigned))
    }

    /// Whether a user who is at a browser may sign in to an app. That one may not is written into the system log.
    pub(super) fn may_sign_in(&self, asked: &Asked, app: &App, user: &User) -> Result<bool, StoreError> {
        let is_assigned = self.org.store.is_assigned(&app.client_id, &user.id)?;
        if !is_assigned {
            tracing::info!(
                client_id = app.client_id,
                user_id = user.id,
                "the user is not assigned to the app"
            );
            self.log_unassigned(asked, user, app);
        }
        Ok(is_assigned)
    }
}
