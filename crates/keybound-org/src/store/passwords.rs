//! Passwords: kept as a hash, checked at the same cost whoever asks, and locked after too many failures.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::pbkdf2;
use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};
use rusqlite::{OptionalExtension as _, Transaction};

use super::{Store, StoreError, column};
use crate::user::UserStatus;

/// Rounds of PBKDF2-HMAC-SHA256, as OWASP advises: a tenth of a second or so.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();

/// Rounds of a hash that is read from a file, at most: a sign-in would take seconds.
const MAX_ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000_000).unwrap();

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Wrong passwords until a user is locked out, as in Okta's default policy.
const MAX_FAILURES: i64 = 10;

/// Passwords that are checked at once, at most: each keeps a processor busy for a tenth of a second, and anybody may
/// ask.
const MAX_CHECKS_AT_ONCE: usize = 16;

/// The password of every user that a new org is furnished with, of those who have one at all. It is in the
/// documentation, and secret to nobody.
pub const SEEDED_PASSWORD: &str = "Keybound-2026";

/// What is kept of a password. That two are the same is no secret of either.
#[derive(PartialEq, Eq)]
pub(crate) struct PasswordHash {
    iterations: NonZeroU32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

impl PasswordHash {
    /// What is to be kept of a password. It takes a tenth of a second or so.
    pub(crate) fn of(password: &str, random: &dyn Random) -> Result<Self, RandomUnavailable> {
        let mut salt = [0; SALT_BYTES];
        random.fill(&mut salt)?;
        let mut hash = [0; HASH_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password.as_bytes(), &mut hash);
        Ok(Self { iterations: ITERATIONS, salt, hash })
    }

    /// That of [`SEEDED_PASSWORD`], computed beforehand: an org starts faster than one can be made.
    pub(crate) const fn of_seeded_users() -> Self {
        Self { iterations: ITERATIONS, salt: SEEDED_SALT, hash: SEEDED_HASH }
    }

    fn is_of(&self, password: &str) -> bool {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::verify(algorithm, self.iterations, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

const SEEDED_SALT: [u8; SALT_BYTES] = *b"keybound's seeds";
const SEEDED_HASH: [u8; HASH_BYTES] = [
    0xF5, 0xC2, 0x95, 0x3E, 0x42, 0x94, 0x9A, 0x2C, 0x1A, 0x4C, 0xE3, 0x43, 0xDD, 0x5E, 0x74, 0xE3, 0x56,
    0x28, 0xC1, 0xC6, 0xC5, 0x3E, 0x30, 0x4A, 0xA0, 0x78, 0xC9, 0xC2, 0x0A, 0x8D, 0x48, 0x09,
];

/// What a change of a user does to the password. A new one ends what the user is signed in to.
#[derive(Clone, Copy)]
pub(crate) enum NewPassword<'a> {
    /// It stays.
    None,
    /// It is replaced.
    Hash(&'a PasswordHash),
    /// It is replaced by one that lets nobody in here: a hash or a hook of others.
    OfNoUse,
}

/// Whether a user may sign in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordCheck {
    /// The password is right, and the user is active.
    Right {
        /// The user's id.
        user_id: String,
    },
    /// The password is right, and has to be changed before the user may go on.
    Expired {
        /// The user's id.
        user_id: String,
    },
    /// Nobody has this login and this password, or whoever has may not sign in. Which of them is not for
    /// the browser to know; the log may.
    Wrong {
        /// The user's id, if somebody has the login.
        user_id: Option<String>,
    },
    /// Too many are being checked at this moment, and this one was not looked at.
    TooMany,
    /// The user gave too many wrong passwords; an administrator can unlock.
    LockedOut {
        /// The user's id.
        user_id: String,
        /// Whether it is this one that was one too many.
        by_this_one: bool,
    },
}

/// What a password is checked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    SignIn,
    Change,
}

impl Store {
    /// Checks a password for a sign-in. It costs the same whether or not there is a user of this login, and
    /// takes a tenth of a second or so.
    ///
    /// The tenth wrong password in a row locks the user out. A right one is noted as the last sign-in.
    pub fn check_password(
        &self,
        login: &str,
        password: &str,
        now: NumericDate,
    ) -> Result<PasswordCheck, StoreError> {
        self.check(login, password, Purpose::SignIn, now)
    }

    /// Does the same for a change of the password, which is no sign-in.
    pub(crate) fn check_old_password(
        &self,
        login: &str,
        password: &str,
        now: NumericDate,
    ) -> Result<PasswordCheck, StoreError> {
        self.check(login, password, Purpose::Change, now)
    }

    fn check(
        &self,
        login: &str,
        password: &str,
        purpose: Purpose,
        now: NumericDate,
    ) -> Result<PasswordCheck, StoreError> {
        let Some(_turn) = Turn::take(&self.shared.checks) else { return Ok(PasswordCheck::TooMany) };
        // The hash is computed outside of a transaction, which would hold up others.
        let found = self.read(|transaction| Kept::find(transaction, login))?;
        let (kept, is_there) = match found {
            Some(kept) => (kept, true),
            None => (Kept::of_nobody(), false),
        };
        let is_right = kept.hash.as_ref().unwrap_or(&NOBODYS_HASH).is_of(password) && kept.hash.is_some();
        if !is_there {
            return Ok(PasswordCheck::Wrong { user_id: None });
        }
        self.write(|transaction| {
            // Meanwhile others may have guessed as well, and an administrator may have decided otherwise.
            let Some(newest) = Kept::find(transaction, login)? else {
                return Ok(PasswordCheck::Wrong { user_id: None });
            };
            let is_right = is_right && newest.hash == kept.hash;
            newest.conclude(transaction, is_right, purpose, now)
        })
    }
}

/// One of the checks that may be under way at once.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(checks: &'a AtomicUsize) -> Option<Self> {
        let more = |under_way| (under_way < MAX_CHECKS_AT_ONCE).then_some(under_way + 1);
        checks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(checks))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A hash that no password has, for whoever has none.
const NOBODYS_HASH: PasswordHash =
    PasswordHash { iterations: ITERATIONS, salt: SEEDED_SALT, hash: [0; HASH_BYTES] };

/// What is kept of a user for signing in.
struct Kept {
    number: i64,
    user_id: String,
    status: Option<UserStatus>,
    hash: Option<PasswordHash>,
}

impl Kept {
    const fn of_nobody() -> Self {
        Self { number: 0, user_id: String::new(), status: None, hash: None }
    }

    fn find(transaction: &Transaction<'_>, login: &str) -> Result<Option<Self>, StoreError> {
        let damaged = || StoreError::Damaged { what: "a password's hash is not as it is written" };
        let row = transaction
            .prepare_cached(
                "SELECT number, id, status, iterations, salt, hash FROM users LEFT JOIN passwords \
                 ON user_number = number WHERE login = ?1",
            )?
            .query_row([login], |row| {
                let hash: (Option<u32>, Option<Vec<u8>>, Option<Vec<u8>>) =
                    (row.get(3)?, row.get(4)?, row.get(5)?);
                Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, hash))
            })
            .optional()?;
        let Some((number, user_id, status, hash)) = row else { return Ok(None) };
        let hash = match hash {
            (Some(iterations), Some(salt), Some(hash)) => Some(PasswordHash {
                iterations: NonZeroU32::new(iterations).ok_or_else(damaged)?,
                salt: salt.try_into().map_err(|_| damaged())?,
                hash: hash.try_into().map_err(|_| damaged())?,
            }),
            _ => None,
        };
        Ok(Some(Self { number, user_id, status: status.parse().ok(), hash }))
    }

    /// Counts a failure, or forgets those before.
    fn conclude(
        self,
        transaction: &Transaction<'_>,
        is_right: bool,
        purpose: Purpose,
        now: NumericDate,
    ) -> Result<PasswordCheck, StoreError> {
        let user_id = self.user_id;
        match self.status {
            Some(UserStatus::LockedOut) => Ok(PasswordCheck::LockedOut { user_id, by_this_one: false }),
            Some(UserStatus::Active | UserStatus::PasswordExpired) if is_right => {
                transaction
                    .execute("UPDATE passwords SET failures = 0 WHERE user_number = ?1", [self.number])?;
                if self.status == Some(UserStatus::PasswordExpired) {
                    return Ok(PasswordCheck::Expired { user_id });
                }
                if purpose == Purpose::SignIn {
                    let statement = "UPDATE users SET last_login = ?2 WHERE number = ?1";
                    transaction.execute(statement, (self.number, column(now)))?;
                }
                Ok(PasswordCheck::Right { user_id })
            }
            Some(UserStatus::Active | UserStatus::PasswordExpired) if self.hash.is_some() => {
                let failures: i64 = transaction.query_row(
                    "UPDATE passwords SET failures = failures + 1 WHERE user_number = ?1 RETURNING failures",
                    [self.number],
                    |row| row.get(0),
                )?;
                if failures < MAX_FAILURES {
                    return Ok(PasswordCheck::Wrong { user_id: Some(user_id) });
                }
                transaction.execute(
                    "UPDATE users SET status = ?2, status_changed = ?3, last_updated = ?3 WHERE number = ?1",
                    (self.number, UserStatus::LockedOut.name(), column(now)),
                )?;
                Ok(PasswordCheck::LockedOut { user_id, by_this_one: true })
            }
            _ => Ok(PasswordCheck::Wrong { user_id: Some(user_id) }),
        }
    }
}

/// Sets the password of a user.
pub(super) fn set(
    transaction: &Transaction<'_>,
    user_id: &str,
    password: &PasswordHash,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO passwords (user_number, iterations, salt, hash) \
             SELECT number, ?2, ?3, ?4 FROM users WHERE id = ?1",
        )?
        .execute((user_id, password.iterations.get(), password.salt, password.hash))?;
    Ok(())
}

/// Whether a user has a password that can be checked.
pub(super) fn is_kept(transaction: &Transaction<'_>, user_id: &str) -> Result<bool, StoreError> {
    let login: Option<String> = transaction
        .prepare_cached("SELECT login FROM users WHERE id = ?1")?
        .query_row([user_id], |row| row.get(0))
        .optional()?;
    let kept = login.map(|login| Kept::find(transaction, &login)).transpose()?.flatten();
    Ok(kept.and_then(|kept| kept.hash).is_some_and(|hash| hash.iterations <= MAX_ITERATIONS))
}

/// Leaves a user without a password.
pub(super) fn remove(transaction: &Transaction<'_>, user_id: &str) -> Result<(), StoreError> {
    let statement = "DELETE FROM passwords WHERE user_number = (SELECT number FROM users WHERE id = ?1)";
    transaction.prepare_cached(statement)?.execute([user_id])?;
    Ok(())
}

/// Lets a user begin to count anew.
pub(super) fn forget_failures(transaction: &Transaction<'_>, user_id: &str) -> Result<(), StoreError> {
    let statement =
        "UPDATE passwords SET failures = 0 WHERE user_number = (SELECT number FROM users WHERE id = ?1)";
    transaction.prepare_cached(statement)?.execute([user_id])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_checked_at_once_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let now = NumericDate::from_seconds(1_800_000_000);
        let turns: Vec<_> =
            (0..MAX_CHECKS_AT_ONCE).map(|_| Turn::take(&store.shared.checks).unwrap()).collect();
        assert_eq!(store.check_password("a@example.com", "", now).unwrap(), PasswordCheck::TooMany);
        drop(turns);
        let wrong = PasswordCheck::Wrong { user_id: None };
        assert_eq!(store.check_password("a@example.com", "", now).unwrap(), wrong);
    }

    #[test]
    fn the_seeded_users_password_is_the_documented_one() {
        assert!(PasswordHash::of_seeded_users().is_of(SEEDED_PASSWORD));
        assert!(!NOBODYS_HASH.is_of(SEEDED_PASSWORD));
    }
}
