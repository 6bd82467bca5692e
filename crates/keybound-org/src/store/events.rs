//! The system log: events in the order in which they happened, the oldest of which are dropped.

use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};
use rusqlite::types::Value as Sql;
use rusqlite::{Row, Transaction};
use serde_json::{Value, json};

use super::condition::{Condition, Property, is_member_name};
use super::page::{self, Listing, Page};
use super::{Store, StoreError, column};
use crate::event::{Event, EventObject};

/// Events that are kept: some hundred megabytes at most, and weeks of a developer's work.
const MAX_EVENTS: i64 = 100_000;

/// Characters of a text in an event, at most: some of them come from outside.
const MAX_TEXT_CHARACTERS: usize = 1_000;

impl Store {
    /// Writes an event into the system log, as of now.
    pub fn log(&self, event: &Event, now: NumericDate, random: &dyn Random) -> Result<(), StoreError> {
        self.write(|transaction| write(transaction, event, now, random))
    }
}

/// Writes an event in a transaction.
pub(super) fn write(
    transaction: &Transaction<'_>,
    event: &Event,
    now: NumericDate,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let targets: Vec<_> = event.targets.iter().map(bounded).map(|target| target.json()).collect();
    let actor = bounded(&event.actor);
    transaction
        .prepare_cached(
            "INSERT INTO events (uuid, published, event_type, severity, display_message, \
             outcome_result, outcome_reason, actor_id, actor_type, actor_alternate_id, \
             actor_display_name, targets, client_ip, client_user_agent, debug_data, session_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute((
            uuid(random)?,
            column(now).saturating_mul(1_000),
            &event.event_type,
            event.severity.name(),
            &event.display_message,
            event.outcome.result.name(),
            event.outcome.reason.as_deref().map(cut),
            actor.id,
            &actor.kind,
            actor.alternate_id,
            actor.display_name,
            json!(targets).to_string(),
            event.client.ip.as_deref(),
            event.client.user_agent.as_deref().map(cut),
            Value::Object(event.debug_data.clone()).to_string(),
            event.session_id.as_deref(),
        ))?;
    transaction
        .prepare_cached("DELETE FROM events WHERE number <= ?1")?
        .execute([transaction.last_insert_rowid().saturating_sub(MAX_EVENTS)])?;
    Ok(())
}

/// An event as it stands in the log.
#[derive(Clone, Debug)]
pub(crate) struct LoggedEvent {
    pub(crate) uuid: String,
    /// Milliseconds since 1970.
    pub(crate) published: i64,
    pub(crate) event_type: String,
    pub(crate) severity: String,
    pub(crate) display_message: String,
    pub(crate) outcome_result: String,
    pub(crate) outcome_reason: Option<String>,
    pub(crate) actor: EventObject,
    pub(crate) targets: Value,
    pub(crate) client_ip: Option<String>,
    pub(crate) client_user_agent: Option<String>,
    pub(crate) debug_data: Value,
    pub(crate) session_id: Option<String>,
}

/// What may be looked for in the log.
pub(crate) fn event_property(name: &str) -> Option<Property> {
    Some(match name {
        "uuid" => Property::Identifier("uuid"),
        "published" => Property::Milliseconds("published"),
        "eventType" => Property::Text("event_type"),
        "severity" => Property::Identifier("severity"),
        "displayMessage" => Property::Text("display_message"),
        "outcome.result" => Property::Identifier("outcome_result"),
        "outcome.reason" => Property::Text("outcome_reason"),
        "actor.id" => Property::Identifier("actor_id"),
        "actor.type" => Property::Text("actor_type"),
        "actor.alternateId" => Property::Text("actor_alternate_id"),
        "actor.displayName" => Property::Text("actor_display_name"),
        "target.id" => Property::ItemMember("targets", "id"),
        "target.type" => Property::ItemMember("targets", "type"),
        "target.alternateId" => Property::ItemMember("targets", "alternateId"),
        "target.displayName" => Property::ItemMember("targets", "displayName"),
        "authenticationContext.externalSessionId" => Property::Identifier("session_id"),
        "client.ipAddress" => Property::Text("client_ip"),
        "client.userAgent.rawUserAgent" => Property::Text("client_user_agent"),
        name => {
            let member = name.strip_prefix("debugContext.debugData.")?;
            Property::Member("debug_data", is_member_name(member).then(|| member.to_owned())?)
        }
    })
}

impl Store {
    /// A page of the log.
    pub(crate) fn events(&self, listing: &Listing) -> Result<Page<LoggedEvent>, StoreError> {
        self.read(|transaction| page::select(transaction, "events", "*", listing, read))
    }

    /// The condition for events that have all of these words in them.
    pub(crate) fn with_words(condition: Condition, words: &str) -> Condition {
        let subject = "instr(lower(event_type || ' ' || display_message || ' ' || severity || ' ' || \
                       outcome_result || ' ' || ifnull(outcome_reason, '') || ' ' || actor_id || ' ' || \
                       actor_alternate_id || ' ' || actor_display_name || ' ' || targets || ' ' || \
                       ifnull(client_ip, '') || ' ' || ifnull(client_user_agent, '') || ' ' || debug_data), \
                       lower(?)) > 0";
        let words = words.split_whitespace().take(MAX_WORDS);
        words.fold(condition, |all, word| all.and(subject, [Sql::Text(word.to_owned())]))
    }

    /// The condition for events of a time, from its beginning to before its end, in milliseconds.
    pub(crate) fn published_between(since: i64, until: Option<i64>) -> Condition {
        let condition = Condition::always().and("published >= ?", [Sql::Integer(since)]);
        match until {
            Some(until) => condition.and("published < ?", [Sql::Integer(until)]),
            None => condition,
        }
    }
}

/// Words of `q` that are looked for, as Okta has it.
const MAX_WORDS: usize = 10;

fn read(row: &Row<'_>) -> Result<LoggedEvent, StoreError> {
    let json = |column| {
        let text: String = row.get(column)?;
        let damaged = StoreError::Damaged { what: "an event of the log is not JSON" };
        serde_json::from_str(&text).map_err(|_| damaged)
    };
    Ok(LoggedEvent {
        uuid: row.get("uuid")?,
        published: row.get("published")?,
        event_type: row.get("event_type")?,
        severity: row.get("severity")?,
        display_message: row.get("display_message")?,
        outcome_result: row.get("outcome_result")?,
        outcome_reason: row.get("outcome_reason")?,
        actor: EventObject {
            id: row.get("actor_id")?,
            kind: row.get::<_, String>("actor_type")?.into(),
            alternate_id: row.get("actor_alternate_id")?,
            display_name: row.get("actor_display_name")?,
        },
        targets: json("targets")?,
        client_ip: row.get("client_ip")?,
        client_user_agent: row.get("client_user_agent")?,
        debug_data: json("debug_data")?,
        session_id: row.get("session_id")?,
    })
}

fn bounded(object: &EventObject) -> EventObject {
    EventObject {
        id: cut(&object.id),
        kind: object.kind.clone(),
        alternate_id: cut(&object.alternate_id),
        display_name: cut(&object.display_name),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARACTERS).collect()
}

/// A random UUID (RFC 9562 section 5.4).
fn uuid(random: &dyn Random) -> Result<String, RandomUnavailable> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    let number = u128::from_be_bytes(bytes) & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use keybound::random::OperatingSystem;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    #[test]
    fn a_uuid_is_of_version_four_and_no_other_is_like_it() {
        let made: HashSet<_> = (0..100).map(|_| uuid(&OperatingSystem).unwrap()).collect();
        assert_eq!(made.len(), 100);
        for uuid in made {
            let parts: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(&uuid[14..15], "4", "{uuid}");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }

    #[test]
    fn the_oldest_events_make_room_and_texts_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let log = |reason: &str| {
            store
                .log(&Event::new("user.session.start", "Sign-in").failed(reason), NOW, &OperatingSystem)
                .unwrap();
        };
        log("first");
        store
            .write(|transaction| {
                transaction
                    .execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'events'", [MAX_EVENTS])?;
                Ok::<_, StoreError>(())
            })
            .unwrap();
        log(&"é".repeat(MAX_TEXT_CHARACTERS + 1));
        let kept: Vec<String> = store
            .read(|transaction| {
                let mut reasons = transaction.prepare("SELECT outcome_reason FROM events ORDER BY number")?;
                let reasons = reasons.query_map([], |row| row.get(0))?;
                Ok(reasons.collect::<Result<_, _>>()?)
            })
            .unwrap();
        assert_eq!(kept, ["é".repeat(MAX_TEXT_CHARACTERS)]);
    }
}
