//! Access tokens that were revoked before they expired, by their `jti`.

use keybound::NumericDate;
use keybound::access_token::EXPIRY_LEEWAY;
use rusqlite::Transaction;

use super::{Store, StoreError, column};

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

    /// Whether an access token was revoked.
    pub(crate) fn is_revoked(&self, jwt_id: &str) -> Result<bool, StoreError> {
        self.read(|transaction| {
            let mut statement =
                transaction.prepare_cached("SELECT 1 FROM revoked_tokens WHERE jwt_id = ?1")?;
            Ok(statement.exists([jwt_id])?)
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
        store.revoke_token("a", expires, expires.before(Duration::from_secs(60))).unwrap();
        assert_eq!((store.is_revoked("a").unwrap(), store.is_revoked("b").unwrap()), (true, false));
        for (after, is_remembered) in [(5, true), (6, false)] {
            store.revoke_token("b", expires, expires.after(Duration::from_secs(after))).unwrap();
            assert_eq!(store.is_revoked("a").unwrap(), is_remembered, "{after} seconds after its expiry");
        }
    }
}
