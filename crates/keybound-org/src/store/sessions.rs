//! Browsers in which users are signed in.

use std::time::Duration;

use keybound::NumericDate;
use rusqlite::{OptionalExtension as _, Transaction};

use super::digest::Digest;
use super::{Store, StoreError, column, date};

/// How long a session lasts from when it began or was refreshed, as Okta's do.
const SESSION_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

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
            transaction.execute(
                "INSERT INTO sessions (digest, user_id, signed_in, expires) VALUES (?1, ?2, ?3, ?4)",
                (Digest::of(secret), &session.user_id, column(now), column(session.expires)),
            )?;
            Ok(session)
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
