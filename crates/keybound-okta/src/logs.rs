//! The system log of an org, as `/api/v1/logs` gives it: what has happened, and what happens.

use std::collections::HashSet;
use std::time::Duration;
use std::vec;

use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{Call, OktaClient};
use crate::error::Error;
use crate::items::Items;
use crate::link;
use crate::list_query::SortOrder;
use crate::null;
use crate::operation_call::OperationCall;

/// Events on a page. Okta gives up to 1000, of some three KiB each.
const EVENTS_PER_PAGE: usize = 100;

/// The pause after which the log is asked again for what is new. While nothing is, it doubles, up to what the
/// caller bears: Okta takes some dozens of these requests in a minute.
pub const SHORTEST_PAUSE: Duration = Duration::from_secs(2);

/// The system log of an org.
#[derive(Clone, Copy)]
pub struct Logs<'c>(&'c OktaClient);

impl OktaClient {
    /// The org's system log.
    pub fn logs(&self) -> Logs<'_> {
        Logs(self)
    }
}

impl Logs<'_> {
    /// The events that `query` asks for (`listLogEvents`). Without an end they run up to now.
    pub fn list(self, query: &LogQuery) -> Items<LogEvent> {
        let call = self.0.operation("listLogEvents").map(|call| query.ask(call));
        // Without `until` the log names a next page for ever: the one of what is still to happen.
        Items::of(self.0, call, query.most, EVENTS_PER_PAGE).until_empty()
    }

    /// The events that `query` asks for, the oldest first, and then each one as it happens, without an end.
    ///
    /// While nothing happens it asks again after a pause of two seconds, which doubles up to `longest_pause`.
    /// An error is given out as well; whoever asks on after one asks for the same events again, after a pause.
    /// The end and the order of `query` don't count here.
    pub fn follow(
        self,
        query: &LogQuery,
        longest_pause: Duration,
    ) -> impl Stream<Item = Result<LogEvent, Error>> + Send + use<> {
        let query = LogQuery { until: None, sort_order: Some(SortOrder::Ascending), ..query.clone() };
        let call = self.0.operation("listLogEvents").map(|call| query.ask(call));
        let call = call.map(|call| call.parameter("limit", EVENTS_PER_PAGE));
        let follower = call.and_then(OperationCall::into_call).map(|call| Follower {
            client: self.0.clone(),
            call,
            events: Vec::new().into_iter(),
            last_page: HashSet::new(),
            pause: None,
            longest_pause,
        });
        stream::unfold(Some(follower), async |follower| match follower? {
            Ok(mut follower) => Some((follower.next().await, Some(Ok(follower)))),
            Err(error) => Some((Err(error), None)),
        })
    }
}

/// Asks the log again and again.
struct Follower {
    client: OktaClient,
    /// What is asked next.
    call: Call,
    events: vec::IntoIter<LogEvent>,
    /// The ids of the last page's events: a page that is asked for again has them again.
    last_page: HashSet<String>,
    /// How long to wait before the next request, if at all.
    pause: Option<Duration>,
    longest_pause: Duration,
}

impl Follower {
    async fn next(&mut self) -> Result<LogEvent, Error> {
        loop {
            if let Some(event) = self.events.next() {
                return Ok(event);
            }
            if let Some(pause) = self.pause {
                self.client.system().timer.sleep(pause).await;
            }
            let longer = self.pause.map_or(SHORTEST_PAUSE, |pause| pause * 2);
            self.pause = Some(longer.min(self.longest_pause.max(SHORTEST_PAUSE)));
            self.fetch().await?;
        }
    }

    async fn fetch(&mut self) -> Result<(), Error> {
        let page = self.client.call(self.call.clone()).await?;
        let events: Vec<LogEvent> =
            serde_json::from_slice(page.body()).map_err(|problem| Error::unreadable(&page, &problem))?;
        let next = link::next(page.headers());
        if let Some(next) = next {
            let address = self.client.org_url()?.resolve(&next).map_err(Error::ForeignLink)?;
            self.call.path = address.to_string();
        }
        let ids = events.iter().filter_map(|event| event.uuid.clone()).collect();
        let known = std::mem::replace(&mut self.last_page, ids);
        let is_new = |event: &LogEvent| event.uuid.as_ref().is_none_or(|id| !known.contains(id));
        let fresh: Vec<_> = events.into_iter().filter(is_new).collect();
        if fresh.is_empty() {
            self.last_page.extend(known);
        } else {
            self.pause = None;
        }
        self.events = fresh.into_iter();
        Ok(())
    }
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    since: Option<String>,
    until: Option<String>,
    filter: Option<String>,
    words: Option<String>,
    sort_order: Option<SortOrder>,
    most: Option<usize>,
}

impl LogQuery {
    /// Those that happened at `time` (ISO 8601) or later; of the last seven days, if not given.
    #[must_use]
    pub fn since(self, time: impl Into<String>) -> Self {
        Self { since: Some(time.into()), ..self }
    }

    /// Those that happened before `time` (ISO 8601).
    #[must_use]
    pub fn until(self, time: impl Into<String>) -> Self {
        Self { until: Some(time.into()), ..self }
    }

    /// Those that a filter expression takes: `eventType eq "app.oauth2.token.grant.access_token"`.
    #[must_use]
    pub fn filter(self, expression: impl Into<String>) -> Self {
        Self { filter: Some(expression.into()), ..self }
    }

    /// Those that have `words` in them.
    #[must_use]
    pub fn words(self, words: impl Into<String>) -> Self {
        Self { words: Some(words.into()), ..self }
    }

    /// The oldest or the newest first.
    #[must_use]
    pub fn sorted(self, order: SortOrder) -> Self {
        Self { sort_order: Some(order), ..self }
    }

    /// So many of them, at most.
    #[must_use]
    pub fn at_most(self, most: impl Into<Option<usize>>) -> Self {
        Self { most: most.into(), ..self }
    }

    fn ask<'c>(&self, call: OperationCall<'c>) -> OperationCall<'c> {
        call.optional("since", self.since.as_ref())
            .optional("until", self.until.as_ref())
            .optional("filter", self.filter.as_ref())
            .optional("q", self.words.as_ref())
            .optional("sortOrder", self.sort_order.map(SortOrder::name))
    }
}

/// Something that happened. What this type has no name for is kept in `extra`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogEvent {
    /// The event's id.
    pub uuid: Option<String>,
    /// When it happened, in ISO 8601, UTC.
    pub published: Option<String>,
    /// What happened: `user.session.start`, `app.oauth2.token.grant.access_token`, …
    pub event_type: Option<String>,
    /// `DEBUG`, `INFO`, `WARN` or `ERROR`.
    pub severity: Option<String>,
    /// The same in words.
    pub display_message: Option<String>,
    /// Who did it.
    pub actor: Option<LogObject>,
    /// What it was done to.
    #[serde(default, deserialize_with = "null::is_empty")]
    pub target: Vec<LogObject>,
    /// How it ended.
    pub outcome: Option<LogOutcome>,
    /// Everything else: `client`, `debugContext`, `transaction`, …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A user, an app or something else that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogObject {
    /// Its id.
    pub id: Option<String>,
    /// What it is: `User`, `PublicClientApp`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// A login, say.
    pub alternate_id: Option<String>,
    /// What people call it.
    pub display_name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How something ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogOutcome {
    /// `SUCCESS`, `FAILURE`, …
    pub result: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
