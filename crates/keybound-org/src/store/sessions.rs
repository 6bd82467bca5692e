//! Browsers in which users are signed in.

use keybound::NumericDate;
use rusqlite::OptionalExtension as _;

use super::digest::Digest;
use super::{Store, StoreError, column, date};

/// Who is signed in, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) signed_in: NumericDate,
}

impl Store {
    /// Begins a session under the secret of its cookie.
    pub(crate) fn begin_session(
        &self,
        secret: &str,
        session: &Session,
        expires: NumericDate,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM sessions WHERE expires <= ?1", [column(session.signed_in)])?;
            transaction.execute(
                "INSERT INTO sessions (digest, user_id, signed_in, expires) VALUES (?1, ?2, ?3, ?4)",
                (Digest::of(secret), &session.user_id, column(session.signed_in), column(expires)),
            )?;
            Ok(())
        })
    }

    /// The session of a cookie, unless it ended.
    pub(crate) fn session(&self, secret: &str, now: NumericDate) -> Result<Option<Session>, StoreError> {
        self.read(|transaction| {
            Ok(transaction
                .prepare_cached("SELECT user_id, signed_in FROM sessions WHERE digest = ?1 AND expires > ?2")?
                .query_row((Digest::of(secret), column(now)), |row| {
                    Ok(Session { user_id: row.get(0)?, signed_in: date(row.get(1)?) })
                })
                .optional()?)
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
