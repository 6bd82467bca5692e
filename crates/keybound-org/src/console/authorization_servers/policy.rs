//! One access policy with its rules: which requests are granted, and for how long.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::policies::path;
use super::server::{Head, Tab};
use super::{Action, SECTION, body, typed, words};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::form::Form;
use crate::management::{ApiError, EVERY_SCOPE, RuleBody};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{AccessPolicyRule, GrantType, LifecycleStatus, PolicySettings, Ranked};

#[derive(Template)]
#[template(path = "console/authorization_servers/policy.html")]
struct PolicyPage {
    frame: Frame,
    head: Head,
    policy: Ranked<PolicySettings>,
    rules: Vec<Ranked<AccessPolicyRule>>,
    problems: Problems,
    typed: TypedRule,
}

impl Page for PolicyPage {}

impl PolicyPage {
    fn path(&self) -> String {
        path(&self.head.server.id, &self.policy.id)
    }
}

/// The grants that the org serves, with what Okta's console calls them. A refresh token is good wherever the grant of a
/// user is.
const GRANT_TYPES: [(GrantType, &str); 3] = [
    (GrantType::ClientCredentials, "Client Credentials"),
    (GrantType::AuthorizationCode, "Authorization Code"),
    (GrantType::DeviceCode, "Device Authorization"),
];

/// What Okta's console calls a grant.
fn grant_name(grant_type: GrantType) -> &'static str {
    let named = GRANT_TYPES.iter().find(|(known, _)| *known == grant_type);
    named.map_or(grant_type.name(), |(_, name)| name)
}

/// The lives of tokens, in minutes: the member of the management API, what the form calls it, and what is usual.
const LIVES: [(&str, &str, &str); 3] = [
    ("accessTokenLifetimeMinutes", "Access token lifetime, in minutes", "60"),
    ("refreshTokenLifetimeMinutes", "Refresh token lifetime, in minutes (0: unlimited)", "0"),
    ("refreshTokenWindowMinutes", "A refresh token expires if it is not used for so many minutes", "10080"),
];

/// A rule as it was typed.
struct TypedRule {
    name: String,
    grant_types: Vec<GrantType>,
    /// None for all of them.
    scopes: Vec<String>,
    /// In the order of [`LIVES`].
    lives: [String; 3],
}

impl Default for TypedRule {
    fn default() -> Self {
        Self {
            name: String::new(),
            grant_types: GRANT_TYPES.map(|(grant_type, _)| grant_type).to_vec(),
            scopes: Vec::new(),
            lives: LIVES.map(|(_, _, usual)| usual.to_owned()),
        }
    }
}

impl TypedRule {
    fn of(form: &Form) -> Self {
        let offered = GRANT_TYPES.iter().map(|(grant_type, _)| *grant_type);
        Self {
            name: typed(form, "name"),
            grant_types: offered.filter(|grant_type| form.get(grant_type.name()).is_some()).collect(),
            scopes: words(form, "conditions.scopes.include"),
            lives: LIVES.map(|(member, ..)| typed(form, member)),
        }
    }

    fn body(&self) -> Result<RuleBody, ApiError> {
        let scopes = if self.scopes.is_empty() { json!([EVERY_SCOPE]) } else { json!(self.scopes) };
        let grant_types: Vec<_> = self.grant_types.iter().map(|grant_type| grant_type.name()).collect();
        body(json!({
            "name": self.name,
            "conditions": { "grantTypes": { "include": grant_types }, "scopes": { "include": scopes } },
            "actions": { "token": self.minutes()? },
        }))
    }

    /// The lives of tokens. One that is left empty is as Okta has it.
    fn minutes(&self) -> Result<Value, ApiError> {
        let mut lives = serde_json::Map::new();
        for ((member, ..), text) in LIVES.iter().zip(&self.lives) {
            if !text.is_empty() {
                let minutes: u64 = text.parse().map_err(|_| {
                    ApiError::invalid(member, [format!("{member}: must be a whole number of minutes")])
                })?;
                lives.insert((*member).to_owned(), minutes.into());
            }
        }
        Ok(lives.into())
    }

    /// Each life with its member, what the form calls it, and what was typed.
    fn lives(&self) -> impl Iterator<Item = (&'static str, &'static str, &String)> {
        LIVES.iter().zip(&self.lives).map(|((member, name, _), text)| (*member, *name, text))
    }
}

fn minutes(duration: Duration) -> u64 {
    duration.as_secs() / 60
}

impl Console {
    fn policy_page(
        &self,
        administrator: &Administrator,
        (server, policy): (&str, &str),
        problems: Problems,
        typed: TypedRule,
    ) -> Result<Response, Failure> {
        let status = problems.status();
        let page = PolicyPage {
            frame: self.frame(administrator, SECTION),
            head: self.head_of_server(server, Tab::Policies)?,
            policy: self.management.policy_of_server(server, policy)?,
            rules: self.management.rules_of_policy(server, policy)?,
            problems,
            typed,
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/authorization-servers/{id}/policies/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((server, policy)): Named<(String, String)>,
) -> Result<Response, Failure> {
    let (problems, typed) = (Problems::default(), TypedRule::default());
    run(move || console.policy_page(&administrator, (&server, &policy), problems, typed)).await
}

/// `POST /admin/authorization-servers/{id}/policies/{id}/rules`.
pub(super) async fn add_rule(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((server, policy)): Named<(String, String)>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let (typed, of) = (TypedRule::of(&form), (&*server, &*policy));
        let permit = administrator.permit();
        match typed.body().and_then(|body| console.management.create_rule(&permit, of, body)) {
            Ok(_) => Ok(Done::RuleCreated.at(&path(&server, &policy)).into_response()),
            Err(error) => console.policy_page(&administrator, of, Problems::of(error)?, typed),
        }
    })
    .await
}

/// `POST /admin/authorization-servers/{id}/policies/{id}/rules/{id}`.
pub(super) async fn change_rule(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((server, policy, rule)): Named<(String, String, String)>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    let action = Action::of(&form)?;
    run(move || {
        let (management, permit, of) = (&console.management, administrator.permit(), (&*server, &*policy));
        match action {
            Action::SetStatus(status) => management.set_rule_status(&permit, of, &rule, status)?,
            Action::Delete => management.delete_rule(&permit, of, &rule)?,
        }
        Ok(match action {
            Action::SetStatus(LifecycleStatus::Active) => Done::RuleActivated,
            Action::SetStatus(LifecycleStatus::Inactive) => Done::RuleDeactivated,
            Action::Delete => Done::RuleDeleted,
        }
        .at(&path(&server, &policy)))
    })
    .await
}
