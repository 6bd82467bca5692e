//! The faults that are armed, and which of them strikes a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use keybound::random::Random;
use keybound::{Clock, NumericDate};

use super::fault::{Effect, EndpointKind, Fault, RevokedTokens};
use super::fault_id::FaultId;
use super::limits::{FaultError, MAX_FAULTS};
use super::path_pattern::PathPattern;
use crate::paths::is_under;

/// A fault that was added.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ArmedFault {
    /// Its name.
    pub id: FaultId,
    /// What it is.
    pub fault: Fault,
    /// How many requests it has struck. A wrong clock strikes every request; what happened at once has happened once.
    pub struck: u64,
    /// Whether it strikes no more.
    pub is_over: bool,
    /// What the org answered last to an attacker, if the fault is one.
    pub last_replay: Option<ReplayAnswer>,
}

/// What the org answered to a request that was sent a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayAnswer {
    /// The status.
    pub status: u16,
    /// Why it was refused, in the answer's own words; `None` if it was not.
    pub reason: Option<String>,
}

/// All faults of an org.
pub(crate) struct FaultList {
    /// The right time: by it faults are over.
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Whether there is nothing to look for, so that an org without faults takes no lock for them.
    is_empty: AtomicBool,
    faults: Mutex<Named>,
}

#[derive(Default)]
struct Named {
    last_id: u64,
    faults: Vec<Kept>,
}

struct Kept {
    armed: ArmedFault,
    path: Option<PathPattern>,
    until: Option<NumericDate>,
}

/// What is known of a request before it is struck.
pub(super) struct Asked<'r> {
    pub(super) method: &'r Method,
    pub(super) path: &'r str,
    pub(super) client_id: Option<&'r str>,
    pub(super) has_proof: bool,
    pub(super) has_token: bool,
}

impl FaultList {
    /// No faults yet. The right time is told by `clock`, and chance by `random`.
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, is_empty: AtomicBool::new(true), faults: Mutex::default() }
    }

    /// Adds a fault whose paths are these.
    pub(super) fn add(
        &self,
        fault: Fault,
        path: Option<PathPattern>,
        is_at_once: bool,
    ) -> Result<FaultId, FaultError> {
        let now = self.clock.now();
        let until = fault.frequency.lasts.map(|lasts| now.after(lasts));
        let mut named = self.named();
        if named.faults.len() >= MAX_FAULTS {
            named.faults.retain(|kept| !kept.is_over(now));
        }
        if named.faults.len() >= MAX_FAULTS {
            return Err(FaultError::TooMany);
        }
        named.last_id = named.last_id.saturating_add(1);
        let id = FaultId(named.last_id);
        let struck = u64::from(is_at_once);
        let armed = ArmedFault { id, fault, struck, is_over: is_at_once, last_replay: None };
        named.faults.push(Kept { armed, path, until });
        self.note_whether_empty(&named);
        Ok(id)
    }

    pub(super) fn all(&self) -> Vec<ArmedFault> {
        let now = self.clock.now();
        self.named().faults.iter().map(|kept| kept.seen(now)).collect()
    }

    pub(super) fn get(&self, id: FaultId) -> Option<ArmedFault> {
        let now = self.clock.now();
        self.named().faults.iter().find(|kept| kept.armed.id == id).map(|kept| kept.seen(now))
    }

    pub(super) fn remove(&self, id: FaultId) -> bool {
        let mut named = self.named();
        let before = named.faults.len();
        named.faults.retain(|kept| kept.armed.id != id);
        self.note_whether_empty(&named);
        named.faults.len() < before
    }

    pub(super) fn clear(&self) {
        let mut named = self.named();
        named.faults.clear();
        self.note_whether_empty(&named);
    }

    /// Whether there is no fault, over or not.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty.load(Ordering::Acquire)
    }

    /// Whether there is a fault that looks at the client.
    pub(super) fn looks_at_clients(&self) -> bool {
        let now = self.clock.now();
        let looks = |kept: &Kept| kept.armed.fault.place.client_id.is_some() && !kept.is_over(now);
        self.named().faults.iter().any(looks)
    }

    /// The fault that strikes a request, which is counted: of those that fit the first.
    pub(super) fn striking(&self, asked: &Asked<'_>) -> Option<(FaultId, Fault)> {
        let now = self.clock.now();
        let strikes = |kept: &Kept| {
            kept.skew().is_none()
                && !kept.is_over(now)
                && kept.fits(asked)
                && self.falls(kept.armed.fault.frequency.probability)
        };
        let mut named = self.named();
        let kept = named.faults.iter_mut().find(|kept| strikes(kept))?;
        kept.armed.struck = kept.armed.struck.saturating_add(1);
        Some((kept.armed.id, kept.armed.fault.clone()))
    }

    /// By how many seconds the org's clock is off: the newest fault that sets it counts.
    pub(super) fn skew(&self) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        let now = self.clock.now();
        self.named().faults.iter().rev().filter(|kept| !kept.is_over(now)).find_map(Kept::skew)
    }

    /// Counts a request that met a wrong clock; says by whose fault.
    pub(super) fn count_skewed(&self) -> Option<FaultId> {
        let now = self.clock.now();
        let mut named = self.named();
        let sets = |kept: &&mut Kept| kept.skew().is_some() && !kept.is_over(now);
        let kept = named.faults.iter_mut().rev().find(sets)?;
        kept.armed.struck = kept.armed.struck.saturating_add(1);
        Some(kept.armed.id)
    }

    pub(super) fn keep_replay(&self, id: FaultId, answer: ReplayAnswer) {
        if let Some(kept) = self.named().faults.iter_mut().find(|kept| kept.armed.id == id) {
            kept.armed.last_replay = Some(answer);
        }
    }

    /// A thread that panicked has left the list whole.
    fn named(&self) -> MutexGuard<'_, Named> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_whether_empty(&self, named: &Named) {
        self.is_empty.store(named.faults.is_empty(), Ordering::Release);
    }

    /// Whether what has this probability is so now. Without randomness nothing is.
    fn falls(&self, probability: Option<f64>) -> bool {
        let Some(probability) = probability else { return true };
        let mut bytes = [0; 4];
        let drawn = self.random.fill(&mut bytes).map(|()| f64::from(u32::from_le_bytes(bytes)));
        drawn.is_ok_and(|drawn| drawn / 2.0_f64.powi(32) < probability)
    }
}

impl Kept {
    fn is_over(&self, now: NumericDate) -> bool {
        let is_used_up = self.armed.fault.frequency.times.is_some_and(|times| self.armed.struck >= times);
        self.armed.is_over || is_used_up || self.until.is_some_and(|until| now >= until)
    }

    fn seen(&self, now: NumericDate) -> ArmedFault {
        ArmedFault { is_over: self.is_over(now), ..self.armed.clone() }
    }

    fn skew(&self) -> Option<i64> {
        match self.armed.fault.kind {
            Effect::ClockSkew { seconds } => Some(seconds),
            _ => None,
        }
    }

    fn fits(&self, asked: &Asked<'_>) -> bool {
        let place = &self.armed.fault.place;
        place.method.as_ref().is_none_or(|method| method == asked.method)
            && place.client_id.as_ref().is_none_or(|client_id| Some(client_id.as_str()) == asked.client_id)
            && self.path.as_ref().is_none_or(|pattern| pattern.fits(asked.path))
            && place.endpoint.has(asked.path)
            && self.armed.fault.kind.can_strike(asked)
    }
}

impl Effect {
    /// Whether the request has what the fault is about.
    fn can_strike(&self, asked: &Asked<'_>) -> bool {
        match self {
            Self::Replay => asked.has_proof,
            Self::RevokeToken(RevokedTokens::Presented) => asked.has_token,
            _ => true,
        }
    }
}

impl EndpointKind {
    fn has(self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Token => path.starts_with("/oauth2/") && path.ends_with("/v1/token"),
            Self::Api => is_under(path, "/api/v1") || is_under(path, "/oauth2/v1/clients"),
        }
    }
}
