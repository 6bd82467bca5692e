//! The replay store in memory, held against a model that remembers everything: whatever is recorded, in whatever
//! order, and however the clock goes, no proof is admitted twice while it lives; the store takes no more than it may;
//! and each refusal has its reason.
#![no_main]

use std::collections::HashMap;
use std::time::Duration;

use keybound::random::{Random, RandomUnavailable};
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore};
use keybound::{NumericDate, TargetUri, Thumbprint, base64url};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

/// Generations that the longest life is cut into, and shards of a small store, as its documentation has them.
const GENERATIONS_OF_A_LIFE: u64 = 4;
const SHARDS: usize = 64;

#[derive(Arbitrary, Debug)]
struct Life {
    capacity: u16,
    quota: u8,
    longest_life: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    /// A proof of one of 256 keys with one of 256 identifiers, which lives for so long.
    Record {
        key: u8,
        jwt_id: u8,
        life: u8,
    },
    /// As many different proofs of one key at once.
    Burst {
        key: u8,
        proofs: u8,
        life: u8,
    },
    Forward(u8),
    Leap(u16),
    Back(u8),
}

/// The same bytes each time, so that what was found is found again.
struct Fixed;

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(0x5A);
        Ok(())
    }
}

/// Everything that was ever admitted: by key and identifier, until when. The same identifier with another expiry is
/// another proof, which is refused as well, unless the clock was beyond the life of the first in the meantime.
struct Model {
    store: MemoryReplayStore,
    limits: MemoryReplayLimits,
    admitted: HashMap<(u8, u32), Vec<NumericDate>>,
    now: NumericDate,
    latest: NumericDate,
}

impl Model {
    fn generation(&self, date: NumericDate) -> u64 {
        date.seconds() / self.limits.longest_life.as_secs().div_ceil(GENERATIONS_OF_A_LIFE).max(1)
    }

    /// Whether the store may have dropped what expires then.
    fn is_dropped(&self, expires: NumericDate) -> bool {
        self.generation(expires) < self.generation(self.latest)
    }

    /// The keys of the proofs that the store has not dropped.
    fn kept(&self) -> impl Iterator<Item = u8> {
        let until =
            self.admitted.iter().flat_map(|((key, _), until)| until.iter().map(move |until| (*key, *until)));
        until.filter(|(_, until)| !self.is_dropped(*until)).map(|(key, _)| key)
    }

    fn move_to(&mut self, now: NumericDate) {
        self.now = now;
        self.latest = self.latest.max(now);
    }

    fn record(&mut self, key: u8, jwt_id: u32, life: u8) {
        let expires = self.now.after(Duration::from_secs(life.into()));
        let before = self.admitted.get(&(key, jwt_id)).cloned().unwrap_or_default();
        let went_back = self.generation(self.now) < self.generation(self.latest);
        match self.store.record(&replay_key(key, jwt_id), expires, self.now) {
            Ok(()) => {
                for until in before {
                    let is_other = until != expires && self.is_dropped(until);
                    assert!(until < self.now || is_other, "a live proof was admitted again");
                }
                assert!(expires <= self.now.after(self.limits.longest_life), "it is forgotten too soon");
                self.admitted.entry((key, jwt_id)).or_default().push(expires);
                let of_key = self.kept().filter(|of| *of == key).count();
                assert!(of_key <= self.limits.quota, "a key has more than its quota");
            }
            Err(ReplayRefusal::Replayed) => {
                let is_kept = before.iter().any(|until| went_back || !self.is_dropped(*until));
                assert!(is_kept, "what was never admitted, or is long over, is no replay");
            }
            Err(ReplayRefusal::Full) => {
                let of_shard = self.limits.capacity.div_ceil(SHARDS);
                assert!(went_back || self.kept().count() >= of_shard, "there was room");
            }
            Err(ReplayRefusal::QuotaExceeded) => {
                assert!(
                    self.limits.quota == 0 || went_back || self.kept().count() > 0,
                    "nobody has used a quota"
                );
            }
            Err(ReplayRefusal::LivesTooLong) => assert!(expires > self.now.after(self.limits.longest_life)),
            Err(ReplayRefusal::Unavailable) => assert!(went_back, "the clock never went back"),
            Err(other) => panic!("{other}"),
        }
        let most = self.limits.capacity.div_ceil(SHARDS) * SHARDS;
        assert!(self.store.len() <= most, "{} proofs are more than {most}", self.store.len());
        assert!(self.store.len() * size_of::<u128>() <= self.limits.max_bytes());
    }
}

fn replay_key(key: u8, jwt_id: u32) -> ReplayKey {
    let target = TargetUri::parse("https://a.example/").unwrap();
    let thumbprint: Thumbprint = base64url::encode([key; 32]).parse().unwrap();
    ReplayKey::new(thumbprint, &target, &jwt_id.to_string())
}

fuzz_target!(|life: Life| {
    let limits = MemoryReplayLimits {
        capacity: usize::from(life.capacity % 1_024),
        quota: usize::from(life.quota),
        longest_life: Duration::from_secs(life.longest_life.into()),
    };
    let begin = NumericDate::from_seconds(1_800_000_000);
    let store = MemoryReplayStore::new(limits, &Fixed).unwrap();
    let mut model = Model { store, limits, admitted: HashMap::new(), now: begin, latest: begin };
    let mut bursts = u32::from(u8::MAX);
    for operation in life.operations {
        match operation {
            Operation::Record { key, jwt_id, life } => model.record(key, jwt_id.into(), life),
            Operation::Burst { key, proofs, life } => {
                for _ in 0..proofs {
                    bursts += 1;
                    model.record(key, bursts, life);
                }
            }
            Operation::Forward(seconds) => {
                model.move_to(model.now.after(Duration::from_secs(seconds.into())))
            }
            Operation::Leap(seconds) => model.move_to(model.now.after(Duration::from_secs(seconds.into()))),
            Operation::Back(seconds) => model.move_to(model.now.before(Duration::from_secs(seconds.into()))),
        }
    }
});
