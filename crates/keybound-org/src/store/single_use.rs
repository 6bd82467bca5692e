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
enum NotRecorded {
    UsedBefore(Kind),
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
        let recorded = self.write(|transaction| {
            forget_expired(transaction, now)?;
            all.iter().try_for_each(|once| record(transaction, once))
        });
        recorded.map_err(|reason| match reason {
            NotRecorded::UsedBefore(kind) => kind.used_before(),
            NotRecorded::Failed(error) => {
                tracing::error!(%error, "cannot record what is used once");
                Refusal::Replay(ReplayRefusal::Unavailable)
            }
        })
    }
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
        0 => Err(NotRecorded::UsedBefore(once.kind)),
        _ => Ok(()),
    }
}
