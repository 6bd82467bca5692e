//! Which exchanges belong together: those of one client, from the first request for a token to the last call with it.
//!
//! A client is known by its id, else by the key of its proofs, else by its connection. A conversation is over when the
//! client asks for a token again after it has called an API, after a pause, or when it is long.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keybound::NumericDate;

use super::exchange::Lane;
use super::principal::{Principal, parameters, principal, thumbprint};
use super::recording::Recording;
use super::view::lane;

/// After so long a pause the next request begins another conversation.
const PAUSE: Duration = Duration::from_secs(300);

/// Exchanges of a conversation, at most: more cannot be looked at as one.
const MAX_EXCHANGES: usize = 60;

/// Clients that are remembered, at most; older ones begin anew.
const MAX_CLIENTS: usize = 4096;

/// By what a client is known.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Known {
    Principal(Principal),
    Key(String),
    Connection(SocketAddr),
}

/// A conversation that may go on.
#[derive(Clone, Copy)]
struct Open {
    conversation: u64,
    count: usize,
    latest: NumericDate,
    has_called: bool,
    /// Whether nobody has said yet who the client is.
    is_anonymous: bool,
}

/// The conversations that may go on, by whom they are with.
#[derive(Default)]
pub(super) struct Conversations {
    open: HashMap<Known, Open>,
}

impl Conversations {
    /// Says of each exchange which conversation it belongs to. They come in the order of their numbers.
    pub(super) fn correlate(&mut self, recordings: &[Arc<Recording>]) {
        for recording in recordings.iter().filter(|recording| recording.conversation.get().is_none()) {
            // A request that is sent again stands beside the first.
            let first = recordings.iter().find(|other| Some(other.id) == recording.replay_of);
            let of_first = first.and_then(|first| first.conversation.get()).copied();
            let conversation = of_first.unwrap_or_else(|| self.place(recording));
            // Only one thread is here at a time.
            let _ = recording.conversation.set(conversation);
        }
    }

    fn place(&mut self, recording: &Recording) -> u64 {
        let names = names(recording);
        let is_named = matches!(names.first(), Some(Known::Principal(_)));
        let is_call = lane(recording.target.path()) == Lane::Api;
        let goes_on = |name: &Known, open: &Open| {
            // A connection may be shared: it tells only of those who do not name themselves.
            let is_theirs = matches!(name, Known::Principal(_)) || !is_named || open.is_anonymous;
            let is_new_round = open.has_called && !is_call;
            let is_recent = recording.at.since(open.latest) <= PAUSE;
            is_theirs && is_recent && !is_new_round && open.count < MAX_EXCHANGES
        };
        let found = names.iter().find_map(|name| self.open.get(name).filter(|open| goes_on(name, open)));
        let mut open = found.copied().unwrap_or(Open {
            conversation: recording.id,
            count: 0,
            latest: recording.at,
            has_called: false,
            is_anonymous: true,
        });
        open.count += 1;
        open.latest = recording.at;
        open.has_called |= is_call;
        open.is_anonymous &= !is_named;
        if self.open.len() >= MAX_CLIENTS {
            self.open.clear();
        }
        for name in names {
            self.open.insert(name, open);
        }
        open.conversation
    }
}

/// By what the sender of a request is known, the surest first.
fn names(recording: &Recording) -> Vec<Known> {
    let headers = recording.fields.read();
    let parameters = parameters(recording, &headers);
    let principal = principal(&headers, &parameters).map(Principal::without_way).map(Known::Principal);
    let key = thumbprint(&headers).map(Known::Key);
    principal.into_iter().chain(key).chain(recording.client.map(Known::Connection)).collect()
}
