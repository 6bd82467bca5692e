//! Custom authorization servers: their audience, scopes, claims, and the policies by which they give tokens.

use std::time::Duration;

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{OptionalExtension as _, Row, Transaction};

use super::{GrantType, Store, StoreError, column, date, duration, is_scope, list, list_column, seconds};
use crate::okta_id::{self, IdKind};

/// A custom authorization server to be made.
#[derive(Clone, Debug)]
pub struct NewAuthorizationServer {
    /// Its name, which no other has.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What its access tokens are for (`aud`).
    pub audience: String,
}

/// A custom authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomServer {
    /// Its id: `default`, or `aus` and 17 letters and digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What its access tokens are for (`aud`).
    pub audience: String,
    /// When it was made; 1970 for the one that every org has from the start.
    pub created: NumericDate,
}

/// A scope that a custom server has beside those of OpenID Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomScope {
    /// The scope.
    pub name: String,
    /// What it allows, in words for whoever is asked for leave.
    pub description: String,
    /// Whether it is given where none is asked for.
    pub is_default: bool,
}

/// A claim that a custom server puts into its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomClaim {
    /// The claim's name.
    pub name: String,
    /// The token that it is put into.
    pub token: ClaimedToken,
    /// Where its value comes from.
    pub source: ClaimSource,
}

/// The token that a claim is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimedToken {
    /// The access token (Okta: `RESOURCE`).
    Access,
    /// The ID token (Okta: `IDENTITY`).
    Id,
}

/// Where a claim's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSource {
    /// This text.
    Text(String),
    /// A member of the user's profile (Okta: `user.…`); without a user, or without the member, there is no claim.
    Profile(String),
}

/// By what a custom server decides about requests of some clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Its name.
    pub name: String,
    /// The client ids that it is for; `None`: all.
    pub clients: Option<Vec<String>>,
    /// Its rules, of which the first that fits decides.
    pub rules: Vec<AccessPolicyRule>,
}

/// Which requests are granted, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicyRule {
    /// Its name.
    pub name: String,
    /// The grants that it is for.
    pub grant_types: Vec<GrantType>,
    /// The scopes that it is for; `None`: all.
    pub scopes: Option<Vec<String>>,
    /// How long its tokens live.
    pub lifetimes: Lifetimes,
}

/// How long tokens live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// The access token: five minutes to a day.
    pub access_token: Duration,
    /// The refresh token and those that it is exchanged for, from the first on; `None`: without end.
    pub refresh_token: Option<Duration>,
    /// A refresh token that is not used.
    pub refresh_token_idle: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Lifetimes {
    /// How long an access token may live.
    pub const ACCESS_TOKEN: std::ops::RangeInclusive<Duration> = MINUTE.saturating_mul(5)..=DAY;
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

impl AccessPolicy {
    /// The lifetimes by the first rule that is for this grant and these scopes.
    pub(crate) fn decide(&self, grant_type: GrantType, scopes: &[String]) -> Option<Lifetimes> {
        let is_for = |rule: &&AccessPolicyRule| {
            rule.grant_types.contains(&grant_type)
                && rule
                    .scopes
                    .as_ref()
                    .is_none_or(|allowed| scopes.iter().all(|scope| allowed.contains(scope)))
        };
        self.rules.iter().find(is_for).map(|rule| rule.lifetimes)
    }
}

impl Store {
    /// Makes a custom authorization server. It gives no tokens before it has a policy.
    pub fn create_authorization_server(
        &self,
        new: &NewAuthorizationServer,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<CustomServer, StoreError> {
        let id = okta_id::generate(IdKind::AuthorizationServer, random)?;
        self.write(|transaction| {
            let inserted = transaction.execute(
                "INSERT OR IGNORE INTO authorization_servers (id, name, description, audience, created, last_updated) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                (&id, &new.name, &new.description, &new.audience, column(now)),
            )?;
            if inserted == 0 {
                return Err(StoreError::ServerNameTaken { name: new.name.clone() });
            }
            server(transaction, &id)?.ok_or(StoreError::Damaged { what: "a new authorization server is not there" })
        })
    }

    /// The custom authorization servers, in the order in which they were made.
    pub fn list_authorization_servers(&self) -> Result<Vec<CustomServer>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction
                .prepare_cached(&format!("SELECT {COLUMNS} FROM authorization_servers ORDER BY number"))?;
            let rows = statement.query_map([], read_server)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The custom authorization server of this id, if there is one.
    pub fn authorization_server(&self, id: &str) -> Result<Option<CustomServer>, StoreError> {
        self.read(|transaction| server(transaction, id))
    }

    /// Adds a scope to a custom server.
    pub fn add_scope(&self, id: &str, scope: &CustomScope) -> Result<(), StoreError> {
        if !is_scope(&scope.name) {
            return Err(StoreError::InvalidScope { scope: scope.name.clone() });
        }
        self.write(|transaction| {
            require(transaction, id)?;
            transaction.execute(
                "INSERT OR REPLACE INTO custom_scopes (server, name, description, is_default) VALUES (?1, ?2, ?3, ?4)",
                (id, &scope.name, &scope.description, scope.is_default),
            )?;
            Ok(())
        })
    }

    /// The scopes of a custom server, by name.
    pub fn list_scopes(&self, id: &str) -> Result<Vec<CustomScope>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT name, description, is_default FROM custom_scopes WHERE server = ?1 ORDER BY name",
            )?;
            let rows = statement.query_map([id], |row| {
                Ok(CustomScope { name: row.get(0)?, description: row.get(1)?, is_default: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Adds a claim to a custom server's tokens, in place of one of its name. The claims that every token has stay as
    /// they are.
    pub fn add_claim(&self, id: &str, claim: &CustomClaim) -> Result<(), StoreError> {
        let (source, value) = match &claim.source {
            ClaimSource::Text(text) => ("text", text),
            ClaimSource::Profile(member) => ("profile", member),
        };
        self.write(|transaction| {
            require(transaction, id)?;
            transaction.execute(
                "INSERT OR REPLACE INTO custom_claims (server, token, name, source, value) VALUES (?1, ?2, ?3, ?4, ?5)",
                (id, token_name(claim.token), &claim.name, source, value),
            )?;
            Ok(())
        })
    }

    /// The claims of a custom server, by token and name.
    pub fn list_claims(&self, id: &str) -> Result<Vec<CustomClaim>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT token, name, source, value FROM custom_claims WHERE server = ?1 ORDER BY token, name",
            )?;
            let rows = statement.query_map([id], |row| {
                let (token, source): (String, String) = (row.get(0)?, row.get(2)?);
                let value = row.get(3)?;
                Ok(CustomClaim {
                    name: row.get(1)?,
                    token: if token == token_name(ClaimedToken::Id) {
                        ClaimedToken::Id
                    } else {
                        ClaimedToken::Access
                    },
                    source: if source == "profile" {
                        ClaimSource::Profile(value)
                    } else {
                        ClaimSource::Text(value)
                    },
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Adds a policy to a custom server, behind those that it has.
    pub fn add_access_policy(
        &self,
        id: &str,
        policy: &AccessPolicy,
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        if !policy.rules.iter().all(|rule| Lifetimes::ACCESS_TOKEN.contains(&rule.lifetimes.access_token)) {
            return Err(StoreError::TokenLife);
        }
        self.write(|transaction| {
            require(transaction, id)?;
            let policy_id = okta_id::generate(IdKind::AccessPolicy, random)?;
            transaction.execute(
                "INSERT INTO access_policies (id, server, name, clients) VALUES (?1, ?2, ?3, ?4)",
                (&policy_id, id, &policy.name, policy.clients.as_deref().map(list_column)),
            )?;
            policy.rules.iter().try_for_each(|rule| insert_rule(transaction, &policy_id, rule, random))
        })
    }

    /// Takes all policies from a custom server.
    pub fn clear_access_policies(&self, id: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            require(transaction, id)?;
            transaction.execute("DELETE FROM access_policies WHERE server = ?1", [id])?;
            Ok(())
        })
    }

    /// The policies of a custom server, in their order.
    pub fn list_access_policies(&self, id: &str) -> Result<Vec<AccessPolicy>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT id, name, clients FROM access_policies WHERE server = ?1 ORDER BY number",
            )?;
            let read = |row: &Row<'_>| {
                Ok(AccessPolicy {
                    name: row.get(1)?,
                    clients: row.get::<_, Option<String>>(2)?.map(|clients| list(&clients)).transpose()?,
                    rules: rules(transaction, &row.get::<_, String>(0)?)?,
                })
            };
            statement.query_and_then([id], read)?.collect()
        })
    }
}

const COLUMNS: &str = "id, name, description, audience, created";

fn read_server(row: &Row<'_>) -> rusqlite::Result<CustomServer> {
    Ok(CustomServer {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        audience: row.get(3)?,
        created: date(row.get(4)?),
    })
}

fn server(transaction: &Transaction<'_>, id: &str) -> Result<Option<CustomServer>, StoreError> {
    Ok(transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM authorization_servers WHERE id = ?1"))?
        .query_row([id], read_server)
        .optional()?)
}

fn require(transaction: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    match server(transaction, id)? {
        Some(_) => Ok(()),
        None => Err(StoreError::UnknownServer { id: id.to_owned() }),
    }
}

const fn token_name(token: ClaimedToken) -> &'static str {
    match token {
        ClaimedToken::Access => "access",
        ClaimedToken::Id => "id",
    }
}

fn insert_rule(
    transaction: &Transaction<'_>,
    policy: &str,
    rule: &AccessPolicyRule,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let grant_types: Vec<_> =
        rule.grant_types.iter().map(|grant_type| grant_type.name().to_owned()).collect();
    transaction.execute(
        "INSERT INTO access_policy_rules \
         (id, policy, name, grant_types, scopes, access_token_life, refresh_token_life, refresh_token_idle) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            okta_id::generate(IdKind::AccessPolicyRule, random)?,
            policy,
            &rule.name,
            list_column(&grant_types),
            rule.scopes.as_deref().map(list_column),
            seconds(rule.lifetimes.access_token),
            rule.lifetimes.refresh_token.map(seconds),
            seconds(rule.lifetimes.refresh_token_idle),
        ),
    )?;
    Ok(())
}

fn rules(transaction: &Transaction<'_>, policy: &str) -> Result<Vec<AccessPolicyRule>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT name, grant_types, scopes, access_token_life, refresh_token_life, refresh_token_idle \
         FROM access_policy_rules WHERE policy = ?1 ORDER BY number",
    )?;
    let read = |row: &Row<'_>| {
        let unknown = || StoreError::Damaged { what: "a policy rule is for a grant that is not known" };
        let grant_types = list(&row.get::<_, String>(1)?)?;
        Ok(AccessPolicyRule {
            name: row.get(0)?,
            grant_types: grant_types
                .iter()
                .map(|name| GrantType::of_name(name).ok_or_else(unknown))
                .collect::<Result<_, _>>()?,
            scopes: row.get::<_, Option<String>>(2)?.map(|scopes| list(&scopes)).transpose()?,
            lifetimes: Lifetimes {
                access_token: duration(row.get(3)?),
                refresh_token: row.get::<_, Option<i64>>(4)?.map(duration),
                refresh_token_idle: duration(row.get(5)?),
            },
        })
    };
    statement.query_and_then([policy], read)?.collect()
}
