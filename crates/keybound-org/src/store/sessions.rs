//! Browsers in which users are signed in.

use std::time::Duration;

use aws_lc_rs::digest;
use keybound::{NumericDate, base64url};
use rusqlite::{OptionalExtension as _, ToSql, Transaction};
use zeroize::Zeroizing;

use super::authorizations::end_all_of_user;
use super::digest::Digest;
use super::{Store, StoreError, column, date};

/// How long a session lasts from when it began or was refreshed, as Okta's do.
const SESSION_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// What the id of a session begins with, and the characters behind that, as Okta's have them.
const ID_PREFIX: &str = "102";
const ID_LENGTH: usize = 22;

/// How long a session token is good, as Okta's are.
const TOKEN_LIFE: Duration = Duration::from_secs(5 * 60);

/// Who is signed in, since when, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// What it is called, by which nobody can have it: neither the cookie, nor what it is kept under.
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) signed_in: NumericDate,
    pub(crate) expires: NumericDate,
}

/// How a session is named.
#[derive(Clone, Copy)]
pub(crate) enum SessionName<'a> {
    /// By the secret of its cookie, by whose browser it is.
    Cookie(&'a str),
    /// By its id, by an administrator.
    Id(&'a str),
}

impl SessionName<'_> {
    /// The column that has it, and what stands there.
    fn place(self) -> (&'static str, Box<dyn ToSql>) {
        match self {
            Self::Cookie(secret) => ("digest", Box::new(Digest::of(secret))),
            Self::Id(id) => ("id", Box::new(id.to_owned())),
        }
    }
}

impl Store {
    /// Begins a session of a user under the secret of its cookie.
    pub(crate) fn begin_session(
        &self,
        secret: &str,
        user_id: String,
        now: NumericDate,
    ) -> Result<Session, StoreError> {
        let session = begun(secret, user_id, now, now);
        self.write(|transaction| {
            transaction.execute("DELETE FROM sessions WHERE expires <= ?1", [column(now)])?;
            insert(transaction, secret, &session)?;
            Ok(session)
        })
    }

    /// Keeps a token by which one session of a user can begin; gives when it expires. Whatever ends a user's sessions
    /// ends it too.
    pub(crate) fn keep_session_token(
        &self,
        token: &str,
        user_id: &str,
        now: NumericDate,
    ) -> Result<NumericDate, StoreError> {
        let expires = now.after(TOKEN_LIFE);
        self.write(|transaction| {
            transaction.execute("DELETE FROM sessions WHERE expires <= ?1", [column(now)])?;
            transaction.execute(
                "INSERT INTO sessions (digest, user_id, signed_in, expires) VALUES (?1, ?2, ?3, ?4)",
                (of_token(token), user_id, column(now), column(expires)),
            )?;
            Ok(expires)
        })
    }

    /// Begins the session of a token under the secret of its cookie; `None` if the token is used up or has expired.
    pub(crate) fn begin_session_by_token(
        &self,
        token: &str,
        secret: &str,
        now: NumericDate,
    ) -> Result<Option<Session>, StoreError> {
        self.write(|transaction| {
            let waiting = transaction
                .query_row(
                    "DELETE FROM sessions WHERE digest = ?1 AND expires > ?2 RETURNING user_id, signed_in",
                    (of_token(token), column(now)),
                    |row| Ok((row.get(0)?, date(row.get(1)?))),
                )
                .optional()?;
            let Some((user_id, signed_in)) = waiting else { return Ok(None) };
            let session = begun(secret, user_id, signed_in, now);
            insert(transaction, secret, &session)?;
            Ok(Some(session))
        })
    }

    /// A session, unless it ended.
    pub(crate) fn session(
        &self,
        name: SessionName<'_>,
        now: NumericDate,
    ) -> Result<Option<Session>, StoreError> {
        self.read(|transaction| find(transaction, name, now))
    }

    /// Has a session last as long as if it began now; gives it as it then is, or `None` if it ended.
    pub(crate) fn refresh_session(
        &self,
        name: SessionName<'_>,
        now: NumericDate,
    ) -> Result<Option<Session>, StoreError> {
        self.write(|transaction| {
            let (place, value) = name.place();
            transaction.execute(
                &format!("UPDATE sessions SET expires = ?3 WHERE {place} = ?1 AND expires > ?2"),
                (value, column(now), column(now.after(SESSION_LIFE))),
            )?;
            find(transaction, name, now)
        })
    }

    /// Ends a session, if there is one.
    pub(crate) fn end_session(&self, name: SessionName<'_>) -> Result<(), StoreError> {
        self.write(|transaction| {
            let (place, value) = name.place();
            transaction.execute(&format!("DELETE FROM sessions WHERE {place} = ?1"), [value])?;
            Ok(())
        })
    }
}

/// Whether what apps were given in a session ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokensOfSession {
    Stay,
    End,
}

impl Store {
    /// Ends the sessions of a user in all browsers.
    pub(crate) fn end_sessions_of_user(
        &self,
        user_id: &str,
        tokens: TokensOfSession,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        self.write(|transaction| match tokens {
            TokensOfSession::Stay => end_all(transaction, user_id),
            TokensOfSession::End => end_all_of_user(transaction, user_id, now),
        })
    }
}

/// Ends the sessions of a user, and those that have not begun.
pub(super) fn end_all(transaction: &Transaction<'_>, user_id: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM sessions WHERE user_id = ?1", [user_id])?;
    Ok(())
}

/// What a token is kept under. No cookie has a space in it, so none is kept under the same.
fn of_token(token: &str) -> Digest {
    Digest::of(&Zeroizing::new(format!("session token {token}")))
}

/// A session that begins now.
fn begun(secret: &str, user_id: String, signed_in: NumericDate, now: NumericDate) -> Session {
    Session { id: id(secret), user_id, signed_in, expires: now.after(SESSION_LIFE) }
}

/// The id of the session of a cookie.
fn id(secret: &str) -> String {
    let named = Zeroizing::new(format!("session id\0{secret}"));
    let mut id =
        format!("{ID_PREFIX}{}", base64url::encode(digest::digest(&digest::SHA256, named.as_bytes())));
    id.truncate(ID_PREFIX.len().saturating_add(ID_LENGTH));
    id
}

fn insert(transaction: &Transaction<'_>, secret: &str, session: &Session) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO sessions (digest, id, user_id, signed_in, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            Digest::of(secret),
            &session.id,
            &session.user_id,
            column(session.signed_in),
            column(session.expires),
        ))?;
    Ok(())
}

fn find(
    transaction: &Transaction<'_>,
    name: SessionName<'_>,
    now: NumericDate,
) -> Result<Option<Session>, StoreError> {
    let (place, value) = name.place();
    Ok(transaction
        .prepare_cached(&format!(
            "SELECT id, user_id, signed_in, expires FROM sessions WHERE {place} = ?1 AND expires > ?2"
        ))?
        .query_row((value, column(now)), |row| {
            Ok(Session {
                id: row.get(0)?,
                user_id: row.get(1)?,
                signed_in: date(row.get(2)?),
                expires: date(row.get(3)?),
            })
        })
        .optional()?)
}
