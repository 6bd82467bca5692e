//! Many made-up users, put into an org in batches, so that it can run meanwhile.

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::Transaction;

use super::passwords::PasswordHash;
use super::{Store, StoreError, groups, passwords, roles, users};
use crate::seed;
use crate::user::User;

/// Users of one transaction: other writers wait for a moment at most.
const BATCH: usize = 2_000;

/// What seeding did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seeded {
    /// Users that were added.
    pub added: usize,
    /// Users that were there already, by their login, and stayed as they were.
    pub already_there: usize,
}

impl Store {
    /// Makes sure that the `count` made-up users of a seed are there, each with a group for the department and the
    /// password [`super::SEEDED_PASSWORD`]; the same users wherever it is done. `progress` is told how many are done.
    ///
    /// In an org without users the first of the seed that a new org has is a super administrator.
    ///
    /// Each batch is a transaction; what was interrupted is completed by doing it again. An org that is seeded before
    /// it was started first gets no other users.
    pub fn seed(
        &self,
        count: usize,
        seed: u64,
        now: NumericDate,
        random: &dyn Random,
        mut progress: impl FnMut(usize),
    ) -> Result<Seeded, StoreError> {
        self.write(|transaction| {
            groups::furnish_everyone(transaction, now, random)?;
            users::mark_furnished(transaction, now)
        })?;
        let mut seeded = Seeded::default();
        let mut users = seed::users(count, seed);
        loop {
            let batch: Vec<User> = users.by_ref().take(BATCH).collect::<Result<_, _>>()?;
            if batch.is_empty() {
                return Ok(seeded);
            }
            let added = self.write(|transaction| add(transaction, &batch, now, random))?;
            seeded.added += added;
            seeded.already_there += batch.len() - added;
            progress(seeded.added + seeded.already_there);
        }
    }
}

/// Adds those users of a batch who are not there; gives their number.
fn add(
    transaction: &Transaction<'_>,
    batch: &[User],
    now: NumericDate,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    let newest: Option<i64> = transaction.query_row("SELECT max(number) FROM users", [], |row| row.get(0))?;
    let password = PasswordHash::of_seeded_users();
    let mut added = 0;
    for user in batch {
        if users::is_taken(transaction, &user.id, user.login())? {
            continue;
        }
        users::insert(transaction, user)?;
        if user.password_changed.is_some() {
            passwords::set(transaction, &user.id, &password)?;
        }
        added += 1;
    }
    if added > 0 && newest.is_none() {
        roles::furnish_administrator(transaction, now, random)?;
    }
    groups::add_to_departments(transaction, newest.unwrap_or_default(), now, random)?;
    Ok(added)
}
