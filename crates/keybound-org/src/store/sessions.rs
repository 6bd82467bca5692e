//! Browsers in which users are signed in.

use std::time::Duration;

use keybound::NumericDate;
use rusqlite::{OptionalExtension as _, Transaction};
use zeroize::Zeroizing;

use super::authorizations::end_all_of_user;
use super::digest::Digest;
use super::{Store, StoreError, column, date};

/// How long a session lasts from when it began or was refreshed, as Okta's do.
const SESSION_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// How long a session token is good, as Okta's are.
const TOKEN_LIFE: Duration = Duration::from_secs(5 * 60);

/// Who is signed in, since when, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) signed_in: NumericDate,
    pub(crate) expires: NumericDate,
}

impl Store {
    /// Begins a session of a user under the secret of its cookie.
    pub(crate) fn begin_session(
        &self,
        secret: &str,
        user_id: String,
        now: NumericDate,
    ) -> Result<Session, StoreError> {
        let session = Session { user_id, signed_in: now, expires: now.after(SESSION_LIFE) };
        self.write(|transaction| {
            transaction.execute("DELETE FROM sessions WHERE expires <= ?1", [column(now)])?;
            insert(transaction, &Digest::of(secret), &session)?;
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
        let waiting = Session { user_id: user_id.to_owned(), signed_in: now, expires: now.after(TOKEN_LIFE) };
        self.write(|transaction| {
            transaction.execute("DELETE FROM sessions WHERE expires <= ?1", [column(now)])?;
            insert(transaction, &of_token(token), &waiting)?;
            Ok(waiting.expires)
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
            let session = Session { user_id, signed_in, expires: now.after(SESSION_LIFE) };
            insert(transaction, &Digest::of(secret), &session)?;
            Ok(Some(session))
        })
    }

    /// The session of a cookie, unless it ended.
    pub(crate) fn session(&self, secret: &str, now: NumericDate) -> Result<Option<Session>, StoreError> {
        self.read(|transaction| find(transaction, secret, now))
    }

    /// Has the session of a cookie last as long as if it began now; gives it as it then is, or `None` if it ended.
    pub(crate) fn refresh_session(
        &self,
        secret: &str,
        now: NumericDate,
    ) -> Result<Option<Session>, StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "UPDATE sessions SET expires = ?3 WHERE digest = ?1 AND expires > ?2",
                (Digest::of(secret), column(now), column(now.after(SESSION_LIFE))),
            )?;
            find(transaction, secret, now)
        })
    }

    /// Ends the session of a cookie, if there is one.
    pub(crate) fn end_session(&self, secret: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM sessions WHERE digest = ?1", [Digest::of(secret)])?;
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

fn insert(transaction: &Transaction<'_>, digest: &Digest, session: &Session) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT INTO sessions (digest, user_id, signed_in, expires) VALUES (?1, ?2, ?3, ?4)")?
        .execute((digest, &session.user_id, column(session.signed_in), column(session.expires)))?;
    Ok(())
}

fn find(
    transaction: &Transaction<'_>,
    secret: &str,
    now: NumericDate,
) -> Result<Option<Session>, StoreError> {
    Ok(transaction
        .prepare_cached(
            "SELECT user_id, signed_in, expires FROM sessions WHERE digest = ?1 AND expires > ?2",
        )?
        .query_row((Digest::of(secret), column(now)), |row| {
            Ok(Session { user_id: row.get(0)?, signed_in: date(row.get(1)?), expires: date(row.get(2)?) })
        })
        .optional()?)
}
