//! What a client sends of a policy's rule. Conditions that a rule of this org cannot have are refused by name, so that
//! nobody takes for checked what is not.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::ApiError;
use super::members::Members;
use crate::store::{AccessPolicyRule, GrantType, Lifetimes, is_scope};

pub(super) const TYPE: &str = "RESOURCE_ACCESS";

/// What stands for every user.
pub(super) const EVERYONE: &str = "EVERYONE";

/// What stands for every scope.
pub(crate) const EVERY_SCOPE: &str = "*";

/// Scopes of a rule, at most.
const MAX_SCOPES: usize = 1_000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct RuleBody {
    r#type: Option<String>,
    name: String,
    priority: Option<u32>,
    conditions: Conditions,
    actions: Actions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Conditions {
    people: People,
    grant_types: Included,
    scopes: Included,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct People {
    users: Included,
    groups: Included,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Included {
    include: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Actions {
    token: Token,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Token {
    access_token_lifetime_minutes: Option<u64>,
    refresh_token_lifetime_minutes: Option<u64>,
    refresh_token_window_minutes: Option<u64>,
    inline_hook: Option<Value>,
}

impl RuleBody {
    /// The rule and its place, if everything is as it must be.
    pub(super) fn read(self) -> Result<(AccessPolicyRule, Option<u32>), ApiError> {
        let mut members = Members::default();
        let name = members.name(&self.name);
        members.only("type", self.r#type.as_deref(), &[TYPE]);
        self.conditions.people.are_everyone(&mut members);
        let grant_types = grant_types(&self.conditions.grant_types.include, &mut members);
        let scopes = scopes(self.conditions.scopes.include, &mut members);
        if self.actions.token.inline_hook.is_some() {
            members.refuse("actions.token.inlineHook", "must be left out; the local org calls no hooks");
        }
        let lifetimes = self.actions.token.lifetimes();
        members.all_good((AccessPolicyRule { name, grant_types, scopes, lifetimes }, self.priority))
    }
}

impl People {
    fn are_everyone(&self, members: &mut Members) {
        let is_everyone = match self.groups.include.as_slice() {
            [] => true,
            [group] => group == EVERYONE,
            _ => false,
        };
        let others = [&self.users.include, &self.users.exclude, &self.groups.exclude];
        if !is_everyone || others.into_iter().any(|others| !others.is_empty()) {
            let problem = "must include the group EVERYONE and nobody else; the rules of the local org are for all users";
            members.refuse("conditions.people", problem);
        }
    }
}

impl Token {
    /// What is not said is as Okta has it.
    fn lifetimes(&self) -> Lifetimes {
        let minutes = |minutes: u64| Duration::from_secs(minutes.saturating_mul(60));
        let default = Lifetimes::default();
        Lifetimes {
            access_token: self.access_token_lifetime_minutes.map_or(default.access_token, minutes),
            refresh_token: self.refresh_token_lifetime_minutes.filter(|life| *life > 0).map(minutes),
            refresh_token_idle: self.refresh_token_window_minutes.map_or(default.refresh_token_idle, minutes),
        }
    }
}

fn grant_types(names: &[String], members: &mut Members) -> Vec<GrantType> {
    let known: Vec<_> = names.iter().filter_map(|name| GrantType::of_name(name)).collect();
    if known.is_empty() || known.len() != names.len() || known.len() > GrantType::ALL.len() {
        let names: Vec<_> = GrantType::ALL.iter().map(|grant_type| grant_type.name()).collect();
        members.refuse("conditions.grantTypes.include", format!("must name grants of {}", names.join(", ")));
    }
    known
}

/// `None` for all of them.
fn scopes(include: Vec<String>, members: &mut Members) -> Option<Vec<String>> {
    if include.iter().any(|scope| scope == EVERY_SCOPE) {
        return None;
    }
    if include.is_empty() || include.len() > MAX_SCOPES || !include.iter().all(|scope| is_scope(scope)) {
        members.refuse("conditions.scopes.include", format!("must name * or one scope to {MAX_SCOPES}"));
    }
    Some(include)
}
