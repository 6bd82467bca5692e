//! What an endpoint asks of whoever calls it: a scope of the token, and an admin role of the app.

use crate::store::AdminRole;

/// What a handler needs of whoever calls it.
pub(super) trait Right: Send + Sync + 'static {
    /// The scopes that give it; the first is the one to ask for.
    const SCOPES: &'static [&'static str];

    /// The admin roles that have it.
    const ROLES: &'static [AdminRole];
}

macro_rules! rights {
    ($($(#[$attribute:meta])* $name:ident: [$($scope:literal),+] of [$($role:ident),+];)+) => {
        $(
            $(#[$attribute])*
            pub(crate) struct $name;

            impl Right for $name {
                const SCOPES: &'static [&'static str] = &[$($scope),+];
                const ROLES: &'static [AdminRole] = &[$(AdminRole::$role),+];
            }
        )+
    };
}

rights! {
    /// To see users, and the groups that they are in.
    ReadUsers: ["okta.users.read", "okta.users.manage"]
        of [Super, Org, App, User, HelpDesk, GroupMembership, ReadOnly];
    /// To create, change and delete users.
    ManageUsers: ["okta.users.manage"] of [Super, Org, User];
    /// To let users in again: passwords and locks.
    HelpUsers: ["okta.users.manage"] of [Super, Org, User, HelpDesk];
    /// To see groups and their members.
    ReadGroups: ["okta.groups.read", "okta.groups.manage"]
        of [Super, Org, App, User, HelpDesk, GroupMembership, ReadOnly];
    /// To create, change and delete groups.
    ManageGroups: ["okta.groups.manage"] of [Super, Org, User];
    /// To say who is in a group.
    ManageMemberships: ["okta.groups.manage"] of [Super, Org, User, GroupMembership];
    /// To see apps and their keys.
    ReadApps: ["okta.apps.read", "okta.apps.manage"] of [Super, Org, App, ReadOnly];
    /// To create, change and delete apps and their keys.
    ManageApps: ["okta.apps.manage"] of [Super, App];
    /// To see the scopes that are granted to an app.
    ReadAppGrants: ["okta.appGrants.read", "okta.appGrants.manage"] of [Super, Org, App, ReadOnly];
    /// To grant scopes to an app. Who may do that could give itself any.
    ManageAppGrants: ["okta.appGrants.manage"] of [Super];
    /// To see the admin roles of an app.
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
    /// To read the system log.
    ReadLogs: ["okta.logs.read"] of [Super, Org, App, ReadOnly];
}
