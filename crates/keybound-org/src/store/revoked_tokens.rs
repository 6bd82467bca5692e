//! Access tokens that were revoked before they expired, by their `jti`.

use keybound::NumericDate;
use keybound::access_token::EXPIRY_LEEWAY;
use rusqlite::Transaction;

use super::{AppStatus, Store, StoreError, column};
use crate::user::UserStatus;

impl Store {
    /// Revokes an access token that expires then.
    pub(crate) fn revoke_token(
        &self,
        jwt_id: &str,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            forget_expired(transaction, now)?;
            revoke(transaction, jwt_id, expires)
        })
    }

    /// Whether an access token still stands: it was not revoked, and its app, and the user whose it is if it is
    /// one's, are there and active.
    pub(crate) fn stands(
        &self,
        jwt_id: &str,
        client_id: &str,
        user_id: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE jwt_id = ?1) \
                 AND EXISTS (SELECT 1 FROM apps WHERE client_id = ?2 AND status = ?4) \
                 AND (?3 IS NULL OR EXISTS (SELECT 1 FROM users WHERE id = ?3 AND status = ?5))",
            )?;
            let active = (AppStatus::Active.name(), UserStatus::Active.name());
            Ok(statement.exists((jwt_id, client_id, user_id, active.0, active.1))?)
        })
    }
}

pub(super) fn revoke(
    transaction: &Transaction<'_>,
    jwt_id: &str,
    expires: NumericDate,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO revoked_tokens (jwt_id, expires) VALUES (?1, ?2)")?
        .execute((jwt_id, column(expires)))?;
    Ok(())
}

/// A token is taken for a while after its expiry; for as long its revocation is remembered.
fn forget_expired(transaction: &Transaction<'_>, now: NumericDate) -> Result<(), StoreError> {
    transaction
        .prepare_cached("DELETE FROM revoked_tokens WHERE expires < ?1")?
        .execute([column(now.before(EXPIRY_LEEWAY))])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_revoked_token_is_remembered_until_nobody_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let expires = NumericDate::from_seconds(1_800_000_000);
        let is_kept = |jwt_id: &str| {
            let kept = store.read(|transaction| {
                let mut statement = transaction.prepare("SELECT 1 FROM revoked_tokens WHERE jwt_id = ?1")?;
                Ok(statement.exists([jwt_id])?)
            });
            kept.unwrap()
        };
        store.revoke_token("a", expires, expires.before(Duration::from_secs(60))).unwrap();
        assert_eq!((is_kept("a"), is_kept("b")), (true, false));
        for (after, is_remembered) in [(5, true), (6, false)] {
            store.revoke_token("b", expires, expires.after(Duration::from_secs(after))).unwrap();
            assert_eq!(is_kept("a"), is_remembered, "{after} seconds after its expiry");
        }
    }
}
