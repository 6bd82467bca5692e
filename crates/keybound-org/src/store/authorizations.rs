//! What users let clients do, and what was given for it: codes, refresh tokens, access tokens.
//!
//! All that is given for one sign-in belongs to one authorization. When something that may be used once is used
//! again, one of two had no right to it, and nobody can tell which: the authorization ends, and its tokens with
//! it (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).

use std::time::Duration;

use keybound::{NumericDate, Thumbprint};
use rusqlite::{Row, Transaction};

use super::digest::Digest;
use super::revoked_tokens::revoke;
use super::{ServerId, Store, StoreError, column, date, list, list_column, sessions};

/// What is over is remembered for as long, so that its second use is noticed.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

/// What a user let a client do, in one sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    pub(crate) id: String,
    pub(crate) server: ServerId,
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) scopes: Vec<String>,
    /// When the user signed in.
    pub(crate) signed_in: NumericDate,
    /// What the client wants to find in the ID token.
    pub(crate) nonce: Option<String>,
    /// The key that all tokens are bound to: from the authorization request on, or from the first token on.
    pub(crate) key: Option<Thumbprint>,
    pub(crate) created: NumericDate,
}

impl Authorization {
    /// Whether it is for this client of this server; no other may use what was given for it, or learn of it.
    pub(crate) fn is_of(&self, server: &ServerId, client_id: &str) -> bool {
        self.server == *server && self.client_id == client_id
    }
}

/// A code as it was given.
pub(crate) struct KeptCode {
    pub(crate) authorization: Authorization,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: Option<String>,
    pub(crate) expires: NumericDate,
    /// Whether it was used, or its authorization ended.
    pub(crate) is_used_up: bool,
}

/// A refresh token as it was given.
pub(crate) struct KeptRefreshToken {
    pub(crate) authorization: Authorization,
    pub(crate) jwt_id: String,
    pub(crate) issued: NumericDate,
    pub(crate) expires: NumericDate,
    /// When it was used first.
    pub(crate) used: Option<NumericDate>,
    /// Whether its authorization ended.
    pub(crate) is_ended: bool,
}

/// What a token is given for, each by the text that the client sent.
#[derive(Clone, Copy)]
pub(crate) enum Redeemed<'a> {
    Code(&'a str),
    RefreshToken(&'a str),
    DeviceCode(&'a str),
}

/// What is given.
pub(crate) struct Given<'a> {
    pub(crate) authorization: &'a Authorization,
    /// The key that the client has proven.
    pub(crate) key: Option<Thumbprint>,
    /// The access token's `jti`, and when it expires.
    pub(crate) jwt_id: &'a str,
    pub(crate) expires: NumericDate,
    pub(crate) refresh_token: Option<GivenRefreshToken<'a>>,
}

/// A new refresh token.
pub(crate) struct GivenRefreshToken<'a> {
    pub(crate) token: &'a str,
    pub(crate) jwt_id: &'a str,
    pub(crate) expires: NumericDate,
}

impl Store {
    /// Keeps an authorization with the code that is given for it.
    pub(crate) fn keep_code(
        &self,
        code: &str,
        kept: &KeptCode,
        pushed_request: Option<&str>,
    ) -> Result<(), StoreError> {
        let now = kept.authorization.created;
        self.write(|transaction| {
            forget_what_is_over(transaction, now)?;
            if let Some(request_uri) = pushed_request {
                transaction.execute("DELETE FROM pushed_requests WHERE digest = ?1", [Digest::of(request_uri)])?;
            }
            insert(transaction, &kept.authorization)?;
            transaction.execute(
                "INSERT INTO authorization_codes (digest, authorization_id, redirect_uri, code_challenge, expires) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                (
                    Digest::of(code),
                    &kept.authorization.id,
                    &kept.redirect_uri,
                    &kept.code_challenge,
                    column(kept.expires),
                ),
            )?;
            Ok(())
        })
    }

    /// What was given as this code.
    pub(crate) fn code(&self, code: &str) -> Result<Option<KeptCode>, StoreError> {
        self.read(|transaction| {
            transaction
                .prepare_cached(
                    "SELECT authorizations.*, redirect_uri, code_challenge, expires, used \
                     FROM authorization_codes JOIN authorizations ON id = authorization_id WHERE digest = ?1",
                )?
                .query_and_then([Digest::of(code)], |row| {
                    Ok(KeptCode {
                        authorization: read(row)?,
                        redirect_uri: row.get("redirect_uri")?,
                        code_challenge: row.get("code_challenge")?,
                        expires: date(row.get("expires")?),
                        is_used_up: has_value(row, "used")? || has_value(row, "ended")?,
                    })
                })?
                .next()
                .transpose()
        })
    }

    /// What was given as this refresh token.
    pub(crate) fn refresh_token(&self, token: &str) -> Result<Option<KeptRefreshToken>, StoreError> {
        self.read(|transaction| {
            transaction
                .prepare_cached(
                    "SELECT authorizations.*, jwt_id, issued, expires, used \
                     FROM refresh_tokens JOIN authorizations ON id = authorization_id WHERE digest = ?1",
                )?
                .query_and_then([Digest::of(token)], |row| {
                    Ok(KeptRefreshToken {
                        authorization: read(row)?,
                        jwt_id: row.get("jwt_id")?,
                        issued: date(row.get("issued")?),
                        expires: date(row.get("expires")?),
                        used: row.get::<_, Option<i64>>("used")?.map(date),
                        is_ended: has_value(row, "ended")?,
                    })
                })?
                .next()
                .transpose()
        })
    }

    /// Ends an authorization: its refresh tokens are good for nothing, and its access tokens are revoked.
    pub(crate) fn end_authorization(&self, id: &str, now: NumericDate) -> Result<(), StoreError> {
        self.write(|transaction| end(transaction, id, now))
    }
}

/// Uses up what a token is given for, and keeps what is given; `false` if it was used before, or what it stands for has
/// ended. A refresh token may be used again within `grace` of its first use: its answer may have been lost.
pub(super) fn redeem(
    transaction: &Transaction<'_>,
    redeemed: Redeemed<'_>,
    given: &Given<'_>,
    grace: Duration,
    now: NumericDate,
) -> Result<bool, StoreError> {
    forget_what_is_over(transaction, now)?;
    let is_good =
        !is_ended(transaction, &given.authorization.id)? && use_up(transaction, redeemed, grace, now)?;
    if is_good {
        keep(transaction, given, now)?;
    }
    Ok(is_good)
}

/// Ends what a user is signed in to, and all that was given for it.
pub(super) fn end_all_of_user(
    transaction: &Transaction<'_>,
    user_id: &str,
    now: NumericDate,
) -> Result<(), StoreError> {
    sessions::end_all(transaction, user_id)?;
    let mut statement =
        transaction.prepare_cached("SELECT id FROM authorizations WHERE user_id = ?1 AND ended IS NULL")?;
    let ids: Vec<String> = statement.query_map([user_id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| end(transaction, id, now))
}

/// Adds an authorization.
pub(super) fn insert(transaction: &Transaction<'_>, authorization: &Authorization) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO authorizations (id, server, client_id, user_id, scopes, signed_in, nonce, thumbprint, created) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            &authorization.id,
            &authorization.server,
            &authorization.client_id,
            &authorization.user_id,
            list_column(&authorization.scopes),
            column(authorization.signed_in),
            &authorization.nonce,
            authorization.key.map(|key| key.to_string()),
            column(authorization.created),
        ))?;
    Ok(())
}

/// The authorization in the columns of its table.
pub(super) fn read(row: &Row<'_>) -> Result<Authorization, StoreError> {
    let damaged = StoreError::Damaged { what: "an authorization is bound to what is no key" };
    let key: Option<String> = row.get("thumbprint")?;
    Ok(Authorization {
        id: row.get("id")?,
        server: row.get("server")?,
        client_id: row.get("client_id")?,
        user_id: row.get("user_id")?,
        scopes: list(&row.get::<_, String>("scopes")?)?,
        signed_in: date(row.get("signed_in")?),
        nonce: row.get("nonce")?,
        key: key.map(|key| key.parse()).transpose().map_err(|_| damaged)?,
        created: date(row.get("created")?),
    })
}

fn has_value(row: &Row<'_>, column: &str) -> Result<bool, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.is_some())
}

fn is_ended(transaction: &Transaction<'_>, id: &str) -> Result<bool, StoreError> {
    let is_live = transaction
        .prepare_cached("SELECT 1 FROM authorizations WHERE id = ?1 AND ended IS NULL")?
        .exists([id])?;
    Ok(!is_live)
}

/// Whether it could be used.
fn use_up(
    transaction: &Transaction<'_>,
    redeemed: Redeemed<'_>,
    grace: Duration,
    now: NumericDate,
) -> Result<bool, StoreError> {
    let (statement, text) = match redeemed {
        Redeemed::Code(code) => {
            ("UPDATE authorization_codes SET used = ?2 WHERE digest = ?1 AND used IS NULL", code)
        }
        Redeemed::DeviceCode(code) => (
            "UPDATE device_requests SET answer = 'used', polled = ?2 WHERE digest = ?1 AND answer = 'approved'",
            code,
        ),
        Redeemed::RefreshToken(token) => {
            let over = column(now.before(grace));
            let mut statement = transaction.prepare_cached(
                "UPDATE refresh_tokens SET used = coalesce(used, ?2) \
                 WHERE digest = ?1 AND (used IS NULL OR used > ?3)",
            )?;
            return Ok(statement.execute((Digest::of(token), column(now), over))? == 1);
        }
    };
    Ok(transaction.prepare_cached(statement)?.execute((Digest::of(text), column(now)))? == 1)
}

fn keep(transaction: &Transaction<'_>, given: &Given<'_>, now: NumericDate) -> Result<(), StoreError> {
    let id = &given.authorization.id;
    transaction
        .prepare_cached("UPDATE authorizations SET thumbprint = ?2 WHERE id = ?1")?
        .execute((id, given.key.map(|key| key.to_string())))?;
    transaction
        .prepare_cached("INSERT INTO access_tokens (jwt_id, authorization_id, expires) VALUES (?1, ?2, ?3)")?
        .execute((given.jwt_id, id, column(given.expires)))?;
    if let Some(refresh) = &given.refresh_token {
        transaction
            .prepare_cached(
                "INSERT INTO refresh_tokens (digest, authorization_id, jwt_id, issued, expires) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((Digest::of(refresh.token), id, refresh.jwt_id, column(now), column(refresh.expires)))?;
    }
    Ok(())
}

/// Ends an authorization, if it has not ended, and revokes its access tokens.
pub(super) fn end(transaction: &Transaction<'_>, id: &str, now: NumericDate) -> Result<(), StoreError> {
    transaction
        .execute("UPDATE authorizations SET ended = ?2 WHERE id = ?1 AND ended IS NULL", (id, column(now)))?;
    let mut statement = transaction
        .prepare_cached("SELECT jwt_id, expires FROM access_tokens WHERE authorization_id = ?1")?;
    let rows = statement.query_map([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    for row in rows {
        let (jwt_id, expires) = row?;
        revoke(transaction, &jwt_id, date(expires))?;
    }
    Ok(())
}

/// Forgets what expired long enough ago, and the authorizations of which nothing is left then.
fn forget_what_is_over(transaction: &Transaction<'_>, now: NumericDate) -> Result<(), StoreError> {
    let over = column(now.before(REMEMBERED_FOR));
    for statement in [
        "DELETE FROM authorization_codes WHERE expires < ?1 RETURNING authorization_id",
        "DELETE FROM refresh_tokens WHERE expires < ?1 RETURNING authorization_id",
        "DELETE FROM access_tokens WHERE expires < ?1 RETURNING authorization_id",
        "DELETE FROM device_requests WHERE expires < ?1 RETURNING authorization_id",
    ] {
        let mut statement = transaction.prepare_cached(statement)?;
        let ids = statement.query_map([over], |row| row.get::<_, Option<String>>(0))?;
        for id in ids.collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            forget_if_nothing_is_left(transaction, &id)?;
        }
    }
    Ok(())
}

pub(super) fn forget_if_nothing_is_left(transaction: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "DELETE FROM authorizations WHERE id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM authorization_codes WHERE authorization_id = ?1) \
             AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE authorization_id = ?1) \
             AND NOT EXISTS (SELECT 1 FROM access_tokens WHERE authorization_id = ?1) \
             AND NOT EXISTS (SELECT 1 FROM device_requests WHERE authorization_id = ?1)",
        )?
        .execute([id])?;
    Ok(())
}
