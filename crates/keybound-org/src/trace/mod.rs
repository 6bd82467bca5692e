//! The live trace: each request to the org and its answer, recorded as it happens, explained when somebody looks, kept,
//! written to files without secrets, and sent again as an attacker would.
//!
//! | step | where |
//! | --- | --- |
//! | a request passes and is copied | `recorder.rs`, `recording.rs` |
//! | it is remembered, within bounds | `journal.rs` |
//! | which belong together | `conversation.rs` |
//! | what it says, without secrets | `redaction.rs`, `exchange.rs`, `struck_by.rs` |
//! | each rule, and what to change | `explanation/` |
//! | as a file | `file.rs` |
//! | over HTTP, by itself and live | `api.rs`, `live.rs` |
//! | sent again | `replay.rs` |

mod api;
mod conversation;
mod exchange;
mod explanation;
mod file;
mod journal;
mod live;
mod principal;
mod recorder;
mod recording;
mod redaction;
mod replay;
mod struck_by;
mod view;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use keybound::{Clock, Nonces, NumericDate};

use crate::authorization_server::AuthorizationServers;
use conversation::Conversations;
use journal::Journal;
use live::Live;
use recording::Recording;

pub use exchange::{
    Body, Content, Exchange, Finding, FindingOutcome, Lane, Message, REMOVED, Signature, Token, TokenKind,
    Verdict, VerdictOutcome,
};
pub use file::{MAX_TRACE_BYTES, TraceFile, TraceFileError};
pub use journal::{KeptFull, MAX_KEPT, MAX_KEPT_BYTES, MAX_REMEMBERED_BYTES};
pub use live::MAX_LISTENERS;
pub use recording::MAX_RECORDED_BODY_BYTES;
pub use replay::{NotReplayed, Replayed};
pub use struck_by::StruckBy;

pub(crate) use api::{file_answer, live_answer, routes};
pub(crate) use recorder::record;

/// What an org remembers of the requests that it answered.
pub struct Traces {
    servers: Arc<AuthorizationServers>,
    /// What answers a request that is sent again: the org without its traces.
    protocol: Router,
    clock: Arc<dyn Clock>,
    last_id: AtomicU64,
    journal: Mutex<Journal>,
    conversations: Mutex<Conversations>,
    live: Live,
}

impl Traces {
    /// Remembers as many exchanges of `protocol`, which serves `servers` and the API.
    pub(crate) fn new(servers: Arc<AuthorizationServers>, protocol: Router, remembered: usize) -> Self {
        Self {
            clock: Arc::clone(&servers.clock),
            servers,
            protocol,
            last_id: AtomicU64::new(0),
            journal: Mutex::new(Journal::new(remembered, MAX_REMEMBERED_BYTES)),
            conversations: Mutex::default(),
            live: Live::new(),
        }
    }

    /// Whether requests are recorded at all ([`crate::OrgSettings::traces_remembered`]).
    pub fn are_recorded(&self) -> bool {
        self.remembered().holds_any()
    }

    /// The exchange of this number, explained; `None` if it was forgotten.
    pub fn exchange(&self, id: u64) -> Option<Exchange> {
        let recording = self.remembered().get(id)?;
        self.correlate();
        Some(self.view(&recording))
    }

    /// The exchanges whose number is higher than `after`, newest first, `limit` of them at most.
    pub fn exchanges(&self, after: u64, limit: usize) -> Vec<Exchange> {
        let recordings = self.correlate();
        let newest = recordings.iter().rev().take_while(|recording| recording.id > after);
        newest.take(limit).map(|recording| self.view(recording)).collect()
    }

    /// The exchanges of a conversation, in their order.
    pub fn conversation(&self, conversation: u64) -> Vec<Exchange> {
        let recordings = self.correlate();
        let is_of = |recording: &&Arc<Recording>| recording.conversation.get() == Some(&conversation);
        recordings.iter().filter(is_of).map(|recording| self.view(recording)).collect()
    }

    /// The numbers of the conversations that there are, newest first: those in which something happened last.
    pub fn conversations(&self, limit: usize) -> Vec<u64> {
        let mut found = Vec::new();
        for recording in self.correlate().iter().rev() {
            let conversation = recording.conversation.get().copied().unwrap_or(recording.id);
            if !found.contains(&conversation) {
                found.push(conversation);
            }
            if found.len() == limit {
                break;
            }
        }
        found
    }

    /// Keeps the exchanges of a conversation although newer ones come.
    pub fn keep(&self, conversation: u64) -> Result<(), KeptFull> {
        let ids = self.ids(conversation);
        self.remembered().keep(&ids)
    }

    /// Forgets a conversation, kept or not.
    pub fn forget(&self, conversation: u64) {
        let ids = self.ids(conversation);
        self.remembered().forget(&ids);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.remembered().clear();
    }

    /// A file of one conversation, or of everything.
    pub fn export(&self, conversation: Option<u64>) -> TraceFile {
        let exchanges = match conversation {
            Some(conversation) => self.conversation(conversation),
            None => self.correlate().iter().map(|recording| self.view(recording)).collect(),
        };
        TraceFile::new(self.servers.url.origin(), self.now(), exchanges)
    }

    /// Ends what is sent live, so that the org can stop.
    pub(crate) fn close(&self) {
        self.live.close();
    }

    fn ids(&self, conversation: u64) -> Vec<u64> {
        let is_of = |recording: &&Arc<Recording>| recording.conversation.get() == Some(&conversation);
        self.correlate().iter().filter(is_of).map(|recording| recording.id).collect()
    }

    /// All that is remembered, each with its conversation.
    fn correlate(&self) -> Vec<Arc<Recording>> {
        let all = self.remembered().all();
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner).correlate(&all);
        all
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn nonces(&self) -> Arc<Nonces> {
        self.servers.nonces.now()
    }

    fn now(&self) -> NumericDate {
        self.clock.now()
    }

    fn add(&self, recording: Recording) {
        let id = recording.id;
        self.remembered().add(recording);
        self.live.tell(id);
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
