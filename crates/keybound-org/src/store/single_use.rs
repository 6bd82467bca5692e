//! What is accepted once: client assertions (RFC 7523 section 3, rule 7) and proofs (RFC 9449 section
//! 11.1).
//!
//! They are kept in the database until they expire, so that a restart of the org makes none of them good
//! again. Only a hash is kept. What arrives here has a verified signature: a stranger cannot fill the disk.

use std::time::Duration;

use aws_lc_rs::digest;
use keybound::assertion::{AssertionRefusal, VerifiedAssertion};
use keybound::proof::VerifiedProof;
use keybound::replay::{ReplayKey, ReplayRefusal, ReplayStore};
use keybound::{NumericDate, Refusal};
use rusqlite::Transaction;

use super::{Store, StoreError, column};

/// Something that is accepted once.
pub(crate) struct Once {
    kind: Kind,
    digest: [u8; digest::SHA256_OUTPUT_LEN],
    expires: NumericDate,
}

#[derive(Clone, Copy)]
enum Kind {
    Assertion,
    Proof,
}

impl Once {
    /// An assertion, which is remembered for `leeway` after its expiry; `None` if it has no `jti`, which
    /// Okta does not demand.
    pub(crate) fn assertion(assertion: &VerifiedAssertion, leeway: Duration) -> Option<Self> {
        let mut context = digest::Context::new(&digest::SHA256);
        // A client id has no zero byte, so no two pairs run together.
        for part in [assertion.client_id.as_bytes(), &[0], assertion.jwt_id.as_ref()?.as_bytes()] {
            context.update(part);
        }
        let digest = context.finish().as_ref().try_into().ok()?;
        Some(Self { kind: Kind::Assertion, digest, expires: assertion.expires.after(leeway) })
    }

    /// A proof.
    pub(crate) fn proof(proof: &VerifiedProof) -> Self {
        Self { kind: Kind::Proof, digest: *proof.replay_key().as_bytes(), expires: proof.expires() }
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::Proof => "proof",
        }
    }

    const fn used_before(self) -> Refusal {
        match self {
            Self::Assertion => Refusal::Assertion(AssertionRefusal::Replayed),
            Self::Proof => Refusal::Replay(ReplayRefusal::Replayed),
        }
    }
}

/// Why a transaction ends without having recorded anything.
pub(super) enum NotRecorded {
    /// The reason is the client's: one was used before.
    UsedBefore(Refusal),
    Failed(StoreError),
}

impl From<StoreError> for NotRecorded {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// Records all of these, or none of them if one was used before: a request that is refused for one
    /// does not use up the others.
    pub(crate) fn record_once(&self, all: &[Once], now: NumericDate) -> Result<(), Refusal> {
        self.write(|transaction| record_all(transaction, all, now)).map_err(|reason| match reason {
            NotRecorded::UsedBefore(refusal) => refusal,
            NotRecorded::Failed(error) => unavailable(&error),
        })
    }
}

/// Records all of these in a transaction, which has to be undone if that fails.
pub(super) fn record_all(
    transaction: &Transaction<'_>,
    all: &[Once],
    now: NumericDate,
) -> Result<(), NotRecorded> {
    forget_expired(transaction, now)?;
    all.iter().try_for_each(|once| record(transaction, once))
}

/// Whoever cannot record that something was used does not accept it.
pub(super) fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "cannot record what is used once");
    Refusal::Replay(ReplayRefusal::Unavailable)
}

impl ReplayStore for Store {
    fn record(&self, key: &ReplayKey, expires: NumericDate, now: NumericDate) -> Result<(), ReplayRefusal> {
        let proof = Once { kind: Kind::Proof, digest: *key.as_bytes(), expires };
        self.record_once(&[proof], now).map_err(|refusal| match refusal {
            Refusal::Replay(refusal) => refusal,
            _ => ReplayRefusal::Unavailable,
        })
    }
}

fn forget_expired(transaction: &Transaction<'_>, now: NumericDate) -> Result<(), StoreError> {
    transaction.prepare_cached("DELETE FROM used_once WHERE expires < ?1")?.execute([column(now)])?;
    Ok(())
}

fn record(transaction: &Transaction<'_>, once: &Once) -> Result<(), NotRecorded> {
    let insert = || {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO used_once (kind, digest, expires) VALUES (?1, ?2, ?3)")?
            .execute((once.kind.name(), once.digest, column(once.expires)))
    };
    match insert().map_err(StoreError::from)? {
        0 => Err(NotRecorded::UsedBefore(once.kind.used_before())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    fn assertion(jwt_id: &str, expires: NumericDate) -> Once {
        let (client_id, jwt_id) = ("0oa1".to_owned(), Some(jwt_id.to_owned()));
        Once::assertion(&VerifiedAssertion { client_id, jwt_id, expires }, Duration::from_secs(5)).unwrap()
    }

    fn proof(number: u8) -> Once {
        Once { kind: Kind::Proof, digest: [number; 32], expires: NOW.after(Duration::from_secs(60)) }
    }

    #[test]
    fn what_was_used_stays_used_after_a_restart_and_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let used = || assertion("a", NOW.after(Duration::from_secs(300)));
        let replayed = Err(Refusal::Assertion(AssertionRefusal::Replayed));
        assert_eq!(Store::open(folder.path()).unwrap().record_once(&[used()], NOW), Ok(()));

        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.record_once(&[used()], NOW), replayed);
        assert_eq!(store.record_once(&[used()], NOW.after(Duration::from_secs(305))), replayed, "the leeway");
        assert_eq!(store.record_once(&[used()], NOW.after(Duration::from_secs(306))), Ok(()), "forgotten");
    }

    #[test]
    fn of_two_things_both_are_used_or_neither() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let one = |jwt_id| assertion(jwt_id, NOW);
        let replayed = Err(Refusal::Replay(ReplayRefusal::Replayed));
        assert_eq!(store.record_once(&[one("a"), proof(1)], NOW), Ok(()));
        assert_eq!(store.record_once(&[one("b"), proof(1)], NOW), replayed);
        assert_eq!(store.record_once(&[one("b"), proof(2)], NOW), Ok(()));
        assert_eq!(store.record_once(&[], NOW), Ok(()), "an assertion without jti, and no proof");
    }

    #[test]
    fn the_same_identifier_of_another_client_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let of = |client_id: &str, jwt_id: &str| {
            let (client_id, jwt_id) = (client_id.to_owned(), Some(jwt_id.to_owned()));
            Once::assertion(&VerifiedAssertion { client_id, jwt_id, expires: NOW }, Duration::ZERO).unwrap()
        };
        for (client_id, jwt_id) in [("0oa1", "2"), ("0oa12", ""), ("0oa", "12"), ("0oa2", "2")] {
            assert_eq!(store.record_once(&[of(client_id, jwt_id)], NOW), Ok(()), "{client_id} {jwt_id}");
        }
    }
}
