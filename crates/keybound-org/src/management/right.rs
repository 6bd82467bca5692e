//! What an endpoint asks of whoever calls it: a scope of the token, and an admin role: of the app where it calls for itself,
//! and of the user where it calls for one.

use crate::store::AdminRole;

/// What a handler needs of whoever calls it.
pub(super) trait Right: Send + Sync + 'static {
    /// The scopes that give it; the first is the one to ask for.
    const SCOPES: &'static [&'static str];

    /// The admin roles that have it.
    const ROLES: &'static [AdminRole];

    /// The scopes that give it to a user without any role, where the path names that user; none where nobody has it so.
    const SCOPES_FOR_ONESELF: &'static [&'static str];
}

macro_rules! rights {
    ($($(#[$attribute:meta])* $name:ident: [$($scope:literal),+] of [$($role:ident),+]
        $(or for oneself [$($own:literal),+])?;)+) => {
        $(
            $(#[$attribute])*
            pub(crate) struct $name;

            impl Right for $name {
                const SCOPES: &'static [&'static str] = &[$($scope),+];
                const ROLES: &'static [AdminRole] = &[$(AdminRole::$role),+];
                const SCOPES_FOR_ONESELF: &'static [&'static str] = &[$($($own),+)?];
            }
        )+
    };
}

rights! {
    /// To see users.
    ReadUsers: ["okta.users.read", "okta.users.manage"]
        of [Super, Org, App, User, HelpDesk, GroupMembership, ReadOnly];
    /// To see a user, with groups and apps.
    ReadUser: ["okta.users.read", "okta.users.manage"]
        of [Super, Org, App, User, HelpDesk, GroupMembership, ReadOnly]
        or for oneself ["okta.users.read.self", "okta.users.read", "okta.users.manage.self", "okta.users.manage"];
    /// To create, change and delete users.
    ManageUsers: ["okta.users.manage"] of [Super, Org, User];
    /// To change the password of a user by the old one.
    ChangePassword: ["okta.users.manage"] of [Super, Org, User, HelpDesk]
        or for oneself ["okta.users.manage.self", "okta.users.manage"];
    /// To let users in again: passwords and locks.
    HelpUsers: ["okta.users.manage"] of [Super, Org, User, HelpDesk];
    /// To see groups and their members.
    ReadGroups: ["okta.groups.read", "okta.groups.manage"]
        of [Super, Org, App, User, HelpDesk, GroupMembership, ReadOnly];
    /// To create, change and delete groups.
    ManageGroups: ["okta.groups.manage"] of [Super, Org, User];
    /// To say who is in a group.
    ManageMemberships: ["okta.groups.manage"] of [Super, Org, User, GroupMembership];
    /// To see apps, their keys, and who may sign in to them.
    ReadApps: ["okta.apps.read", "okta.apps.manage"] of [Super, Org, App, ReadOnly];
    /// To see the apps of a group.
    ReadAppsOfGroup: ["okta.groups.read", "okta.groups.manage"] of [Super, Org, App, ReadOnly];
    /// To create, change and delete apps and their keys, and to say who may sign in to them.
    ManageApps: ["okta.apps.manage"] of [Super, App];
    /// To see the scopes that are granted to an app.
    ReadAppGrants: ["okta.appGrants.read", "okta.appGrants.manage"] of [Super, Org, App, ReadOnly];
    /// To grant scopes to an app. Who may do that could give itself any.
    ManageAppGrants: ["okta.appGrants.manage"] of [Super];
    /// To see the admin roles of apps, users and groups.
    ReadRoles: ["okta.roles.read", "okta.roles.manage"] of [Super, Org, ReadOnly];
    /// To assign admin roles. Who may do that could give itself any.
    ManageRoles: ["okta.roles.manage"] of [Super];
    /// To see authorization servers, with their scopes, claims, policies and keys.
    ReadAuthorizationServers: ["okta.authorizationServers.read", "okta.authorizationServers.manage"]
        of [Super, Org, App, ReadOnly];
    /// To create, change and delete them, and to rotate their keys.
    ManageAuthorizationServers: ["okta.authorizationServers.manage"] of [Super];
    /// To see Trusted Origins.
    ReadTrustedOrigins: ["okta.trustedOrigins.read", "okta.trustedOrigins.manage"] of [Super, Org, ReadOnly];
    /// To create, change and delete Trusted Origins.
    ManageTrustedOrigins: ["okta.trustedOrigins.manage"] of [Super, Org];
    /// To see the sessions of users.
    ReadSessions: ["okta.sessions.read", "okta.sessions.manage"] of [Super, Org, User, HelpDesk, ReadOnly];
    /// To refresh and end the sessions of users.
    ManageSessions: ["okta.sessions.manage"] of [Super, Org, User, HelpDesk];
    /// To see the settings of the org.
    ReadOrgSettings: ["okta.orgs.read", "okta.orgs.manage"] of [Super, Org, ReadOnly];
    /// To read the system log.
    ReadLogs: ["okta.logs.read"] of [Super, Org, App, ReadOnly];
}
