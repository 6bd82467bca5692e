//! The rules of an access policy: which requests are granted, and for how long.

use std::ops::RangeInclusive;
use std::time::Duration;

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{Row, Transaction};

use super::ranked::{Ranked, Ranking};
use super::{LifecycleStatus, room_for_another};
use crate::okta_id::{self, IdKind};
use crate::store::{GrantType, Store, StoreError, column, duration, list, list_column, seconds};

/// Which requests are granted, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicyRule {
    /// Its name.
    pub name: String,
    /// The grants that it is for. A refresh token is good wherever the grant of a user is.
    pub grant_types: Vec<GrantType>,
    /// The scopes that it is for; `None`: all.
    pub scopes: Option<Vec<String>>,
    /// How long its tokens live.
    pub lifetimes: Lifetimes,
}

impl AccessPolicyRule {
    pub(super) fn is_for(&self, grant_type: GrantType, scopes: &[String]) -> bool {
        let is_listed = self.grant_types.contains(&grant_type);
        let is_refreshed = grant_type == GrantType::RefreshToken
            && self.grant_types.iter().any(|granted| *granted != GrantType::ClientCredentials);
        let allows = |allowed: &Vec<String>| scopes.iter().all(|scope| allowed.contains(scope));
        (is_listed || is_refreshed) && self.scopes.as_ref().is_none_or(allows)
    }
}

/// How long tokens live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// The access token: five minutes to a day.
    pub access_token: Duration,
    /// The refresh token and those that it is exchanged for, from the first on; `None`: without end.
    pub refresh_token: Option<Duration>,
    /// A refresh token that is not used: ten minutes to five years.
    pub refresh_token_idle: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Lifetimes {
    /// How long an access token may live.
    pub const ACCESS_TOKEN: RangeInclusive<Duration> = MINUTE.saturating_mul(5)..=DAY;

    /// How long a refresh token may live that is not used.
    pub const REFRESH_TOKEN_IDLE: RangeInclusive<Duration> =
        MINUTE.saturating_mul(10)..=DAY.saturating_mul(1_825);

    /// Whether tokens may live so long: no refresh token ends before it could have been found idle.
    pub(in crate::store) fn are_allowed(&self) -> bool {
        Self::ACCESS_TOKEN.contains(&self.access_token)
            && Self::REFRESH_TOKEN_IDLE.contains(&self.refresh_token_idle)
            && self.refresh_token.is_none_or(|life| life >= self.refresh_token_idle)
    }
}

impl Default for Lifetimes {
    /// As Okta's: an hour; a refresh token that is used once a week does not end.
    fn default() -> Self {
        Self {
            access_token: MINUTE.saturating_mul(60),
            refresh_token: None,
            refresh_token_idle: DAY.saturating_mul(7),
        }
    }
}

/// Rules of a policy, at most.
const MAX_RULES: i64 = 100;

const RANKING: Ranking = Ranking { table: "access_policy_rules", owner: "policy" };

impl Store {
    /// The rules of a policy in their order, also those that are not active.
    pub(crate) fn rules(&self, policy: &str) -> Result<Vec<Ranked<AccessPolicyRule>>, StoreError> {
        self.read(|transaction| all(transaction, policy))
    }

    /// The rule of this id, if the policy has it.
    pub(crate) fn rule(
        &self,
        policy: &str,
        id: &str,
    ) -> Result<Option<Ranked<AccessPolicyRule>>, StoreError> {
        self.read(|transaction| find(transaction, policy, id))
    }

    /// Adds a rule to a policy, at a place or behind those that are there.
    pub(crate) fn create_rule(
        &self,
        policy: &str,
        rule: &AccessPolicyRule,
        priority: Option<u32>,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Ranked<AccessPolicyRule>, StoreError> {
        self.write(|transaction| {
            let id = insert(transaction, policy, rule, priority, now, random)?;
            let added = find(transaction, policy, &id)?;
            added.ok_or(StoreError::Damaged { what: "a new rule is not there" })
        })
    }

    /// Puts another rule, and a place if one is given, in the place of one; `None` if the policy has none of this id.
    pub(crate) fn replace_rule(
        &self,
        policy: &str,
        id: &str,
        rule: &AccessPolicyRule,
        priority: Option<u32>,
        now: NumericDate,
    ) -> Result<Option<Ranked<AccessPolicyRule>>, StoreError> {
        self.write(|transaction| {
            if !RANKING.has(transaction, policy, id)? {
                return Ok(None);
            }
            let statement = "UPDATE access_policy_rules SET name = ?3, grant_types = ?4, scopes = ?5, \
                             access_token_life = ?6, refresh_token_life = ?7, refresh_token_idle = ?8, \
                             last_updated = ?9 WHERE id = ?1 AND policy = ?2";
            put(transaction, statement, id, policy, rule, now)?;
            if priority.is_some() {
                RANKING.place(transaction, policy, id, priority)?;
            }
            find(transaction, policy, id)
        })
    }

    /// Says whether a rule counts; `None` if the policy has none of this id.
    pub(crate) fn set_rule_status(
        &self,
        policy: &str,
        id: &str,
        status: LifecycleStatus,
        now: NumericDate,
    ) -> Result<Option<Ranked<AccessPolicyRule>>, StoreError> {
        self.write(|transaction| {
            if RANKING.has(transaction, policy, id)? {
                RANKING.set_status(transaction, id, status, now)?;
            }
            find(transaction, policy, id)
        })
    }

    /// Deletes a rule; gives it as it was, or `None` if the policy has none of this id.
    pub(crate) fn delete_rule(
        &self,
        policy: &str,
        id: &str,
    ) -> Result<Option<Ranked<AccessPolicyRule>>, StoreError> {
        self.write(|transaction| {
            let found = find(transaction, policy, id)?;
            RANKING.delete(transaction, policy, id)?;
            Ok(found)
        })
    }
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    policy: &str,
    rule: &AccessPolicyRule,
    priority: Option<u32>,
    now: NumericDate,
    random: &dyn Random,
) -> Result<String, StoreError> {
    room_for_another(transaction, ("access_policy_rules", "policy"), policy, MAX_RULES)?;
    let id = okta_id::generate(IdKind::AccessPolicyRule, random)?;
    let statement = "INSERT INTO access_policy_rules (id, policy, name, grant_types, scopes, access_token_life, \
                     refresh_token_life, refresh_token_idle, created, last_updated) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)";
    put(transaction, statement, &id, policy, rule, now)?;
    RANKING.place(transaction, policy, &id, priority)?;
    Ok(id)
}

fn put(
    transaction: &Transaction<'_>,
    statement: &str,
    id: &str,
    policy: &str,
    rule: &AccessPolicyRule,
    now: NumericDate,
) -> Result<(), StoreError> {
    if !rule.lifetimes.are_allowed() {
        return Err(StoreError::TokenLife);
    }
    let grant_types: Vec<_> =
        rule.grant_types.iter().map(|grant_type| grant_type.name().to_owned()).collect();
    transaction.execute(
        statement,
        (
            id,
            policy,
            &rule.name,
            list_column(&grant_types),
            rule.scopes.as_deref().map(list_column),
            seconds(rule.lifetimes.access_token),
            rule.lifetimes.refresh_token.map(seconds),
            seconds(rule.lifetimes.refresh_token_idle),
            column(now),
        ),
    )?;
    Ok(())
}

const COLUMNS: &str = "id, name, grant_types, scopes, access_token_life, refresh_token_life, refresh_token_idle, \
                       priority, status, created, last_updated";

pub(super) fn all(
    transaction: &Transaction<'_>,
    policy: &str,
) -> Result<Vec<Ranked<AccessPolicyRule>>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM access_policy_rules WHERE policy = ?1 ORDER BY priority, number"
    ))?;
    statement.query_and_then([policy], read)?.collect()
}

pub(in crate::store) fn find(
    transaction: &Transaction<'_>,
    policy: &str,
    id: &str,
) -> Result<Option<Ranked<AccessPolicyRule>>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM access_policy_rules WHERE policy = ?1 AND id = ?2"))?
        .query_and_then([policy, id], read)?
        .next()
        .transpose()
}

fn read(row: &Row<'_>) -> Result<Ranked<AccessPolicyRule>, StoreError> {
    let unknown = || StoreError::Damaged { what: "a policy rule is for a grant that is not known" };
    let grant_types = list(&row.get::<_, String>("grant_types")?)?;
    let value = AccessPolicyRule {
        name: row.get("name")?,
        grant_types: grant_types
            .iter()
            .map(|name| GrantType::of_name(name).ok_or_else(unknown))
            .collect::<Result<_, _>>()?,
        scopes: row.get::<_, Option<String>>("scopes")?.map(|scopes| list(&scopes)).transpose()?,
        lifetimes: Lifetimes {
            access_token: duration(row.get("access_token_life")?),
            refresh_token: row.get::<_, Option<i64>>("refresh_token_life")?.map(duration),
            refresh_token_idle: duration(row.get("refresh_token_idle")?),
        },
    };
    Ranked::read(row, value)
}
