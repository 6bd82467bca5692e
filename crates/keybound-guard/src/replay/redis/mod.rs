//! Used proofs in Redis or Valkey, for a fleet: one `SET key 1 NX PX ttl` for each proof.
//!
//! `NX` makes Redis the one that decides: of all guards that send the command for one proof, one is told
//! `OK`. Everything else here sees to it that nothing but that `OK`, in time, admits a proof: an answer that
//! is lost, late, an error, or not what was asked is a refusal (503). A command that the library sends again
//! after it lost the answer finds the key that its first attempt made, which refuses too.
//!
//! The commands of proofs that are under way at the same time are sent together (`batch`), each with an answer
//! of its own.
//!
//! `docs/replay.md` says under which conditions that holds, and what they cost.

mod batch;
mod connect;
mod error;
mod link;
mod record;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keybound::NumericDate;
use keybound::replay::{ReplayKey, ReplayRefusal};

use self::batch::{Answer, Batches};
use self::connect::Server;
use self::link::Link;
use self::record::{Record, SLOTS, slot};
use super::breaker::{Breaker, Change};
use super::seen::SeenProofs;
use super::{Recorded, SharedReplayStore, metric, time_to_live};
use crate::policy::{PolicyError, RedisMode, ReplayRules};

pub use error::RedisError;

/// Connections where each record waits for replicas: such a wait holds up what is behind it on its
/// connection.
const LINKS_THAT_WAIT: usize = 8;

/// The part of a record's time that its server may wait for replicas: the answer that too few have it is then still in
/// time, and says more than that there was none.
const FOR_REPLICAS: (u32, u32) = (3, 4);

/// Why the store gives no answer is told at once, and again after this time, while its breakers stay closed.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Circuit breakers of a cluster, each for a run of slots: a node that is down fails its own slots, and the
/// others go on.
const BREAKERS_OF_A_CLUSTER: usize = 64;

/// Remembers proofs in Redis or Valkey.
///
/// It connects with the first proof, and again by itself when the connection is lost.
pub struct RedisReplayStore {
    prefix: String,
    timeout: Duration,
    replicas: usize,
    links: Vec<Link>,
    /// For one server that answers at once. In a cluster the node that is slow would hold up the answers of
    /// the others, and who waits for replicas all that are behind.
    batches: Option<Batches<Link>>,
    next_link: AtomicUsize,
    breakers: Vec<Mutex<Breaker>>,
    /// When it was last told why there was no answer.
    told: Mutex<Option<Instant>>,
    seen: SeenProofs,
}

impl RedisReplayStore {
    /// A store as `rules` want it. Reads the files that they name; does not connect.
    pub fn new(rules: &ReplayRules) -> Result<Self, PolicyError> {
        let server = Server::by_rules(rules)?;
        let replicas = rules.replicas_that_acknowledge();
        let links = if replicas == 0 { 1 } else { LINKS_THAT_WAIT };
        let links: Vec<_> = (0..links).map(|_| Link::new(server.clone())).collect();
        let gathers = replicas == 0 && rules.mode != RedisMode::Cluster;
        let gathering = links.first().filter(|_| gathers);
        let breakers = if rules.mode == RedisMode::Cluster { BREAKERS_OF_A_CLUSTER } else { 1 };
        Ok(Self {
            prefix: rules.key_prefix.clone(),
            timeout: rules.timeout,
            replicas,
            batches: gathering.map(|link| Batches::new(link.clone(), rules.timeout)),
            links,
            next_link: AtomicUsize::new(0),
            breakers: (0..breakers).map(|_| Mutex::new(Breaker::new())).collect(),
            told: Mutex::default(),
            seen: SeenProofs::new(),
        })
    }

    /// Connects now, to learn at the start what would refuse every request later: a wrong address, password
    /// or certificate.
    pub async fn connect(&self) -> Result<(), RedisError> {
        for link in &self.links {
            link.connection().await?;
        }
        Ok(())
    }

    /// Asks Redis about one proof; the error says why there is no answer.
    async fn ask(&self, record: Record) -> Answer {
        if let Some(batches) = &self.batches {
            return batches.ask(record).await;
        }
        let number = self.next_link.fetch_add(1, Ordering::Relaxed) % self.links.len().max(1);
        let link = self.links.get(number).ok_or(RedisError::TimedOut)?;
        tokio::time::timeout(self.timeout, link.send(&record)).await.unwrap_or(Err(RedisError::TimedOut))
    }

    async fn recorded(
        &self,
        key: &ReplayKey,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<(), ReplayRefusal> {
        if self.seen.contains(key, now) {
            metrics::counter!(metric::KNOWN_HERE).increment(1);
            return Err(ReplayRefusal::Replayed);
        }
        let for_replicas = self.timeout * FOR_REPLICAS.0 / FOR_REPLICAS.1;
        let record = Record::new(&self.prefix, key, time_to_live(expires, now), self.replicas, for_replicas);
        let breaker = self.breaker(&record);
        let started = Instant::now();
        if !locked(breaker).permits(started) {
            metrics::counter!(metric::REFUSED_BY_BREAKER).increment(1);
            return Err(ReplayRefusal::Unavailable);
        }
        let answer = self.ask(record).await;
        self.note(breaker, &answer, started);
        match answer {
            Ok(true) => {
                self.seen.insert(key, expires);
                Ok(())
            }
            Ok(false) => Err(ReplayRefusal::Replayed),
            Err(_) => Err(ReplayRefusal::Unavailable),
        }
    }

    /// The breaker for a record's slot; neighbouring slots are of one node, and share one.
    fn breaker(&self, record: &Record) -> &Mutex<Breaker> {
        static NONE: Mutex<Breaker> = Mutex::new(Breaker::new());
        if let [only] = self.breakers.as_slice() {
            return only;
        }
        let number = usize::from(slot(record.name())) * self.breakers.len() / usize::from(SLOTS);
        self.breakers.get(number).unwrap_or(&NONE)
    }

    fn note(&self, breaker: &Mutex<Breaker>, answer: &Answer, started: Instant) {
        let label = match answer {
            Ok(true) => "recorded",
            Ok(false) => "replayed",
            Err(_) => "unavailable",
        };
        metrics::histogram!(metric::STORE_SECONDS, "answer" => label).record(started.elapsed().as_secs_f64());
        let change = match answer {
            Ok(_) => locked(breaker).answered(),
            Err(_) => locked(breaker).failed(Instant::now()),
        };
        match (change, answer) {
            (Change::Opened, Err(error)) => {
                metrics::gauge!(metric::BREAKERS_OPEN).increment(1.0);
                tracing::warn!(%error, "the replay store does not answer; requests are refused until it does");
                self.links.iter().for_each(Link::renew);
            }
            (Change::StaysOpen, _) => self.links.iter().for_each(Link::renew),
            (Change::Closed, _) => {
                metrics::gauge!(metric::BREAKERS_OPEN).decrement(1.0);
                tracing::info!("the replay store answers again");
            }
            (_, Err(error)) if self.is_to_be_told(started) => {
                tracing::warn!(%error, "the replay store gave no answer to go by");
            }
            (_, Err(error)) => tracing::debug!(%error, "the replay store gave no answer"),
            (_, Ok(_)) => {}
        }
    }

    fn is_to_be_told(&self, now: Instant) -> bool {
        let mut told = locked(&self.told);
        let is_due = told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_AGAIN_AFTER);
        if is_due {
            *told = Some(now);
        }
        is_due
    }
}

/// A store that another takes the place of may have breakers that are open, which nobody closes any more.
impl Drop for RedisReplayStore {
    fn drop(&mut self) {
        let open = self.breakers.iter().filter(|breaker| locked(breaker).is_open()).count();
        for _ in 0..open {
            metrics::gauge!(metric::BREAKERS_OPEN).decrement(1.0);
        }
    }
}

/// What is kept here is whole whatever panicked beside it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedReplayStore for RedisReplayStore {
    fn record<'a>(&'a self, key: &'a ReplayKey, expires: NumericDate, now: NumericDate) -> Recorded<'a> {
        Box::pin(self.recorded(key, expires, now))
    }
}

impl fmt::Debug for RedisReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisReplayStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
