//! An event of the system log: what was done, by whom, to what, and how it ended.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::wire_name::wire_names;

/// Something that happened in the org, to be written into its system log ([`crate::Store::log`]).
///
/// No member may hold a secret: everybody who may read the log sees it.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened, in Okta's words: `app.oauth2.token.grant.access_token`.
    pub event_type: Cow<'static, str>,
    /// The same for people.
    pub display_message: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: EventObject,
    /// To what it was done.
    pub targets: Vec<EventObject>,
    /// Where the request came from.
    pub client: EventClient,
    /// The id of the session in which it was done, or that it was done to.
    pub session_id: Option<String>,
    /// What else a developer may want to know (`debugContext.debugData`), at most a few hundred bytes.
    pub debug_data: Map<String, Value>,
}

impl Event {
    /// An event that ended well, by an actor who is not known, to nothing.
    pub fn new(
        event_type: impl Into<Cow<'static, str>>,
        display_message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            event_type: event_type.into(),
            display_message: display_message.into(),
            severity: Severity::Info,
            outcome: Outcome::success(),
            actor: EventObject::unknown(),
            targets: Vec::new(),
            client: EventClient::default(),
            session_id: None,
            debug_data: Map::new(),
        }
    }

    /// The same by `actor`.
    #[must_use]
    pub fn by(self, actor: EventObject) -> Self {
        Self { actor, ..self }
    }

    /// The same, done to `target` too.
    #[must_use]
    pub fn to(mut self, target: EventObject) -> Self {
        self.targets.push(target);
        self
    }

    /// The same from a place.
    #[must_use]
    pub fn from(self, client: EventClient) -> Self {
        Self { client, ..self }
    }

    /// The same in the session of this id.
    #[must_use]
    pub fn in_session(self, id: impl Into<String>) -> Self {
        Self { session_id: Some(id.into()), ..self }
    }

    /// The same, which failed for `reason`; a warning.
    #[must_use]
    pub fn failed(self, reason: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, outcome: Outcome::failure(reason), ..self }
    }

    /// The same with another word for the developer.
    #[must_use]
    pub fn debug(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.debug_data.insert(name.to_owned(), value.into());
        self
    }
}

wire_names! {
    /// How much an event matters.
    pub enum Severity {
        /// Of interest when looking for a fault.
        Debug = "DEBUG",
        /// As it should be.
        Info = "INFO",
        /// Something was refused.
        Warn = "WARN",
        /// Something is broken.
        Error = "ERROR",
    }
}

wire_names! {
    /// How an event ended.
    pub enum OutcomeResult {
        /// Well.
        Success = "SUCCESS",
        /// It was refused, or it broke.
        Failure = "FAILURE",
        /// Access was granted.
        Allow = "ALLOW",
        /// Access was denied.
        Deny = "DENY",
        /// The user was asked for more.
        Challenge = "CHALLENGE",
        /// Not known.
        Unknown = "UNKNOWN",
    }
}

/// How an event ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub result: OutcomeResult,
    /// Why, if it did not end well.
    pub reason: Option<String>,
}

impl Outcome {
    /// It ended well.
    pub const fn success() -> Self {
        Self { result: OutcomeResult::Success, reason: None }
    }

    /// It failed for `reason`.
    pub fn failure(reason: impl Into<String>) -> Self {
        Self { result: OutcomeResult::Failure, reason: Some(reason.into()) }
    }
}

/// A user, an app or something else that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventObject {
    /// Its id.
    pub id: String,
    /// What it is: `User`, `PublicClientApp`, `AppInstance`, `UserGroup`, …
    pub kind: Cow<'static, str>,
    /// What it is called elsewhere: a user's login. Okta writes `unknown` where there is nothing.
    pub alternate_id: String,
    /// What people call it.
    pub display_name: String,
}

/// What Okta writes where something is not known.
const UNKNOWN: &str = "unknown";

impl EventObject {
    /// An object that has an id and a name.
    pub fn new(
        kind: impl Into<Cow<'static, str>>,
        id: impl Into<String>,
        display_name: impl Into<String>,
    ) -> Self {
        let alternate_id = UNKNOWN.to_owned();
        Self { id: id.into(), kind: kind.into(), alternate_id, display_name: display_name.into() }
    }

    /// The same, with what it is called elsewhere.
    #[must_use]
    pub fn also_called(self, alternate_id: impl Into<String>) -> Self {
        Self { alternate_id: alternate_id.into(), ..self }
    }

    /// An actor of whom nothing is known.
    pub fn unknown() -> Self {
        Self::new(UNKNOWN, UNKNOWN, UNKNOWN)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "type": self.kind,
            "alternateId": self.alternate_id,
            "displayName": self.display_name,
            "detailEntry": null,
        })
    }
}

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventClient {
    /// The address.
    pub ip: Option<String>,
    /// What the client says it is.
    pub user_agent: Option<String>,
}
