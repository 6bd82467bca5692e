//! What stands around every page: the navigation, the org, and what was done just now.

use axum::response::Redirect;

use super::{
    Administrator, Console, apps, authorization_servers, faults, groups, logs, traces, trusted_origins, users,
};
use crate::wire_name::wire_names;

/// The navigation, from its beginning to its end.
pub(super) const NAVIGATION: &[Section] = &[
    apps::SECTION,
    users::SECTION,
    groups::SECTION,
    authorization_servers::SECTION,
    trusted_origins::SECTION,
    logs::SECTION,
    traces::SECTION,
    faults::SECTION,
];

/// A part of the console that has a place in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The path of its first page.
    pub(super) path: &'static str,
}

/// What the layout of a page needs; a template has it as `frame`.
pub(super) struct Frame {
    section: Section,
    /// The org's URL.
    pub(super) org: String,
    /// What each form carries in `form_token`.
    pub(super) form_token: String,
    /// What a form that brought the browser here has done.
    pub(super) done: Option<Done>,
}

impl Console {
    /// The frame of a page in this part of the console.
    pub(super) fn frame(&self, administrator: &Administrator, section: Section) -> Frame {
        Frame {
            section,
            org: self.url().origin().to_owned(),
            form_token: administrator.form_token.clone(),
            done: administrator.done,
        }
    }
}

impl Frame {
    /// All parts of the console, each with whether the page is in it.
    pub(super) fn navigation(&self) -> impl Iterator<Item = (Section, bool)> {
        NAVIGATION.iter().map(|section| (*section, *section == self.section))
    }
}

macro_rules! done {
    ($($(#[$attribute:meta])* $variant:ident = $name:literal, $message:literal;)+) => {
        wire_names! {
            /// What a form has done, as the page says that is shown then. The name stands in the query.
            pub(super) enum Done {
                $($(#[$attribute])* $variant = $name,)+
            }
        }

        impl Done {
            /// The same for people.
            pub(super) const fn message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)+
                }
            }
        }
    };
}

done! {
    AppCreated = "app-created", "The application is created.";
    AppSaved = "app-saved", "The settings are saved.";
    AppActivated = "app-activated", "The application is active.";
    AppDeactivated = "app-deactivated", "The application is inactive: it gets no tokens.";
    AppDeleted = "app-deleted", "The application is deleted.";
    KeyAdded = "key-added", "The key is added.";
    KeyActivated = "key-activated", "The key is active.";
    KeyDeactivated = "key-deactivated", "The key is inactive: the application cannot use it.";
    KeyDeleted = "key-deleted", "The key is deleted.";
    ScopeGranted = "scope-granted", "The scope is granted.";
    ScopeRevoked = "scope-revoked", "The scope is revoked.";
    GroupAssigned = "group-assigned", "The members of the group may sign in to the application.";
    GroupUnassigned = "group-unassigned", "The group is not assigned to the application any more.";
    UserAssigned = "user-assigned", "The user may sign in to the application.";
    UserUnassigned = "user-unassigned", "The user is not assigned individually any more.";
    RoleAssigned = "role-assigned", "The admin role is assigned.";
    RoleUnassigned = "role-unassigned", "The admin role is removed.";
    UserCreated = "user-created", "The user is created.";
    UserSaved = "user-saved", "The profile is saved.";
    UserChanged = "user-changed", "The status of the user is changed.";
    UserDeleted = "user-deleted", "The user is deleted.";
    GroupCreated = "group-created", "The group is created.";
    GroupDeleted = "group-deleted", "The group is deleted.";
    MemberAdded = "member-added", "The user is a member of the group.";
    MemberRemoved = "member-removed", "The user is no member of the group any more.";
    ServerCreated = "server-created", "The authorization server is there. It gives no tokens before it has an access policy.";
    ServerSaved = "server-saved", "The settings are saved.";
    ServerActivated = "server-activated", "The authorization server is active.";
    ServerDeactivated = "server-deactivated", "The authorization server is inactive: it is as if it were not there.";
    ServerDeleted = "server-deleted", "The authorization server is deleted.";
    ServerScopeAdded = "server-scope-added", "The scope is added.";
    ServerScopeDeleted = "server-scope-deleted", "The scope is deleted.";
    ClaimAdded = "claim-added", "The claim is added.";
    ClaimDeleted = "claim-deleted", "The claim is deleted.";
    PolicyCreated = "policy-created", "The access policy is there. It lets nobody have a token before it has a rule.";
    PolicyActivated = "policy-activated", "The access policy is active.";
    PolicyDeactivated = "policy-deactivated", "The access policy is inactive: it is as if it were not there.";
    PolicyDeleted = "policy-deleted", "The access policy is deleted.";
    RuleCreated = "rule-created", "The rule is added.";
    RuleActivated = "rule-activated", "The rule is active.";
    RuleDeactivated = "rule-deactivated", "The rule is inactive: it is as if it were not there.";
    RuleDeleted = "rule-deleted", "The rule is deleted.";
    KeysRotated = "keys-rotated", "The next key signs from now on.";
    TrustedOriginCreated = "trusted-origin-created", "The origin is added.";
    TrustedOriginSaved = "trusted-origin-saved", "The origin is saved.";
    TrustedOriginActivated = "trusted-origin-activated", "The origin is active.";
    TrustedOriginDeactivated = "trusted-origin-deactivated", "The origin is inactive: it is not trusted.";
    TrustedOriginDeleted = "trusted-origin-deleted", "The origin is deleted.";
    FaultAdded = "fault-added", "It was done as you asked; the list tells how often it strikes.";
    FaultRemoved = "fault-removed", "The fault is removed.";
    FaultsCleared = "faults-cleared", "All faults are removed.";
    TracesForgotten = "traces-forgotten", "It is forgotten.";
    ConversationKept = "conversation-kept", "The conversation is kept until the org stops.";
    Replayed = "replayed", "The request was sent again. This is how it was answered.";
}

impl Done {
    /// The parameter of the query.
    pub(super) const PARAMETER: &'static str = "done";

    /// The answer to a form: on to a page, which says what was done.
    pub(super) fn at(self, path: &str) -> Redirect {
        Redirect::to(&format!("{path}?{}={}", Self::PARAMETER, self.name()))
    }
}
