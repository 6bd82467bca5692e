//! The access policies of a custom authorization server: for which clients which rules decide.

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{Row, Transaction};

use super::ranked::{Ranked, Ranking};
use super::rules::{self, AccessPolicyRule, Lifetimes};
use super::{LifecycleStatus, require, room_for_another};
use crate::okta_id::{self, IdKind};
use crate::store::{GrantType, Store, StoreError, column, list, list_column};

/// By what a custom server decides about requests of some clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The client ids that it is for; `None`: all.
    pub clients: Option<Vec<String>>,
    /// Its rules, of which the first that fits decides.
    pub rules: Vec<AccessPolicyRule>,
}

impl AccessPolicy {
    /// The lifetimes by the first rule that is for this grant and these scopes.
    pub(crate) fn decide(&self, grant_type: GrantType, scopes: &[String]) -> Option<Lifetimes> {
        self.rules.iter().find(|rule| rule.is_for(grant_type, scopes)).map(|rule| rule.lifetimes)
    }
}

/// A policy without its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicySettings {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) clients: Option<Vec<String>>,
}

/// Policies of a server, at most.
const MAX_POLICIES: i64 = 100;

const RANKING: Ranking = Ranking { table: "access_policies", owner: "server" };

impl Store {
    /// Adds a policy to a custom server, behind those that it has.
    pub fn add_access_policy(
        &self,
        server: &str,
        policy: &AccessPolicy,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        let AccessPolicy { name, description, clients, rules } = policy.clone();
        let settings = PolicySettings { name, description, clients };
        self.write(|transaction| {
            let id = insert(transaction, server, &settings, None, now, random)?;
            for rule in &rules {
                rules::insert(transaction, &id, rule, None, now, random)?;
            }
            Ok(())
        })
    }

    /// Takes all policies from a custom server.
    pub fn clear_access_policies(&self, server: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            require(transaction, server)?;
            transaction.execute("DELETE FROM access_policies WHERE server = ?1", [server])?;
            Ok(())
        })
    }

    /// The policies of a custom server by which it decides, in their order: those that are active, with their rules
    /// that are.
    pub fn list_access_policies(&self, server: &str) -> Result<Vec<AccessPolicy>, StoreError> {
        self.read(|transaction| {
            let policies = all(transaction, server)?.into_iter();
            policies
                .filter(|policy| policy.status == LifecycleStatus::Active)
                .map(|policy| {
                    let PolicySettings { name, description, clients } = policy.value;
                    let rules = rules::all(transaction, &policy.id)?.into_iter();
                    let rules = rules.filter(|rule| rule.status == LifecycleStatus::Active);
                    let rules = rules.map(|rule| rule.value).collect();
                    Ok(AccessPolicy { name, description, clients, rules })
                })
                .collect()
        })
    }

    /// The policies of a custom server in their order, also those that are not active.
    pub(crate) fn policies(&self, server: &str) -> Result<Vec<Ranked<PolicySettings>>, StoreError> {
        self.read(|transaction| all(transaction, server))
    }

    /// The policy of this id, if the server has it.
    pub(crate) fn policy(
        &self,
        server: &str,
        id: &str,
    ) -> Result<Option<Ranked<PolicySettings>>, StoreError> {
        self.read(|transaction| find(transaction, server, id))
    }

    /// Adds a policy without rules, at a place or behind those that are there.
    pub(crate) fn create_policy(
        &self,
        server: &str,
        settings: &PolicySettings,
        priority: Option<u32>,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Ranked<PolicySettings>, StoreError> {
        self.write(|transaction| {
            let id = insert(transaction, server, settings, priority, now, random)?;
            let added = find(transaction, server, &id)?;
            added.ok_or(StoreError::Damaged { what: "a new policy is not there" })
        })
    }

    /// Puts other settings, and a place if one is given, in the place of a policy's; `None` if the server has none of
    /// this id.
    pub(crate) fn replace_policy(
        &self,
        server: &str,
        id: &str,
        settings: &PolicySettings,
        priority: Option<u32>,
        now: NumericDate,
    ) -> Result<Option<Ranked<PolicySettings>>, StoreError> {
        self.write(|transaction| {
            if !RANKING.has(transaction, server, id)? {
                return Ok(None);
            }
            transaction.execute(
                "UPDATE access_policies SET name = ?2, description = ?3, clients = ?4, last_updated = ?5 WHERE id = ?1",
                (
                    id,
                    &settings.name,
                    &settings.description,
                    settings.clients.as_deref().map(list_column),
                    column(now),
                ),
            )?;
            if priority.is_some() {
                RANKING.place(transaction, server, id, priority)?;
            }
            find(transaction, server, id)
        })
    }

    /// Says whether a policy counts; `None` if the server has none of this id.
    pub(crate) fn set_policy_status(
        &self,
        server: &str,
        id: &str,
        status: LifecycleStatus,
        now: NumericDate,
    ) -> Result<Option<Ranked<PolicySettings>>, StoreError> {
        self.write(|transaction| {
            if RANKING.has(transaction, server, id)? {
                RANKING.set_status(transaction, id, status, now)?;
            }
            find(transaction, server, id)
        })
    }

    /// Deletes a policy with its rules; gives it as it was, or `None` if the server has none of this id.
    pub(crate) fn delete_policy(
        &self,
        server: &str,
        id: &str,
    ) -> Result<Option<Ranked<PolicySettings>>, StoreError> {
        self.write(|transaction| {
            let found = find(transaction, server, id)?;
            RANKING.delete(transaction, server, id)?;
            Ok(found)
        })
    }
}

const COLUMNS: &str = "id, name, description, clients, priority, status, created, last_updated";

fn insert(
    transaction: &Transaction<'_>,
    server: &str,
    settings: &PolicySettings,
    priority: Option<u32>,
    now: NumericDate,
    random: &dyn Random,
) -> Result<String, StoreError> {
    require(transaction, server)?;
    room_for_another(transaction, ("access_policies", "server"), server, MAX_POLICIES)?;
    let id = okta_id::generate(IdKind::AccessPolicy, random)?;
    transaction.execute(
        "INSERT INTO access_policies (id, server, name, description, clients, created, last_updated) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        (
            &id,
            server,
            &settings.name,
            &settings.description,
            settings.clients.as_deref().map(list_column),
            column(now),
        ),
    )?;
    RANKING.place(transaction, server, &id, priority)?;
    Ok(id)
}

fn all(transaction: &Transaction<'_>, server: &str) -> Result<Vec<Ranked<PolicySettings>>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM access_policies WHERE server = ?1 ORDER BY priority, number"
    ))?;
    statement.query_and_then([server], read)?.collect()
}

pub(in crate::store) fn find(
    transaction: &Transaction<'_>,
    server: &str,
    id: &str,
) -> Result<Option<Ranked<PolicySettings>>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM access_policies WHERE server = ?1 AND id = ?2"))?
        .query_and_then([server, id], read)?
        .next()
        .transpose()
}

fn read(row: &Row<'_>) -> Result<Ranked<PolicySettings>, StoreError> {
    let value = PolicySettings {
        name: row.get("name")?,
        description: row.get("description")?,
        clients: row.get::<_, Option<String>>("clients")?.map(|clients| list(&clients)).transpose()?,
    };
    Ranked::read(row, value)
}
