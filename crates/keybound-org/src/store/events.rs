//! The system log: events in the order in which they happened, the oldest of which are dropped.

use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};
use serde_json::{Value, json};

use super::{Store, StoreError, column};
use crate::event::{Event, EventObject};

/// Events that are kept: some hundred megabytes at most, and weeks of a developer's work.
pub(crate) const MAX_EVENTS: i64 = 100_000;

/// Characters of a text in an event, at most: some of them come from outside.
const MAX_TEXT_CHARACTERS: usize = 1_000;

impl Store {
    /// Writes an event into the system log, as of now.
    pub fn log(&self, event: &Event, now: NumericDate, random: &dyn Random) -> Result<(), StoreError> {
        let uuid = uuid(random)?;
        let targets: Vec<_> = event.targets.iter().map(bounded).map(|target| target.json()).collect();
        let actor = bounded(&event.actor);
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO events (uuid, published, event_type, severity, display_message, \
                     outcome_result, outcome_reason, actor_id, actor_type, actor_alternate_id, \
                     actor_display_name, targets, client_ip, client_user_agent, debug_data) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                )?
                .execute((
                    uuid,
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
                ))?;
            transaction
                .prepare_cached("DELETE FROM events WHERE number <= ?1")?
                .execute([transaction.last_insert_rowid().saturating_sub(MAX_EVENTS)])?;
            Ok(())
        })
    }
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
