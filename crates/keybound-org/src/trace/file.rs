//! Traces as files: what is shown of exchanges, to be sent to somebody else. They hold nothing that would let whoever
//! has them act as somebody else; and whoever opens one that a stranger made has it checked strictly first.

use keybound::NumericDate;
use keybound::excerpt::{SENTENCE, excerpt};
use serde::{Deserialize, Serialize};

use super::exchange::Exchange;

/// Bytes of a file, at most: two thousand exchanges with their explanations.
pub const MAX_TRACE_BYTES: usize = 16 * 1024 * 1024;

/// Exchanges in a file, at most.
const MAX_EXCHANGES: usize = 2000;

/// How deep the JSON of a file may be nested; what we write has a dozen levels, and claims a few more.
const MAX_DEPTH: usize = 32;

const FORMAT: &str = "keybound-trace";

/// Another version is another form; this program reads this one.
const VERSION: u32 = 1;

/// A trace as a file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    format: String,
    version: u32,
    /// The URL of the org that the requests were sent to.
    pub org: String,
    /// When the file was written, by the org's clock: seconds since 1970.
    pub exported_at: u64,
    /// The exchanges, in the order of their numbers.
    pub exchanges: Vec<Exchange>,
}

/// Why a file is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceFileError {
    /// It is larger than any that is written.
    #[error(
        "the file has {found} bytes, more than the {MAX_TRACE_BYTES} that are read; export one conversation alone"
    )]
    TooLarge {
        /// Bytes of the file.
        found: usize,
    },
    /// It is nested deeper than any that is written.
    #[error("the file is nested deeper than {MAX_DEPTH} levels; it was not written by Keybound")]
    TooDeep,
    /// It does not say that it is one.
    #[error("the file is no trace: its first members must be \"format\": \"{FORMAT}\" and a version")]
    NotATrace,
    /// It is one of another version.
    #[error(
        "the file is a trace of version {found}, and this program reads version {VERSION}; use the one that wrote it"
    )]
    OtherVersion {
        /// The version that it names.
        found: u32,
    },
    /// A member is missing, unknown, or of another type.
    #[error("the file is damaged: {reason}")]
    Damaged {
        /// What is wrong, and where.
        reason: String,
    },
    /// It has more exchanges than any that is written.
    #[error("the file has {found} exchanges, more than the {MAX_EXCHANGES} that are read")]
    TooMany {
        /// Exchanges in the file.
        found: usize,
    },
    /// The numbers of its exchanges do not grow.
    #[error("the exchanges of the file are not in the order of their numbers, at number {id}")]
    Disordered {
        /// The number that is not higher than the one before.
        id: u64,
    },
}

impl TraceFile {
    /// A file of these exchanges, or of the newest of them if they are too many.
    pub(super) fn new(org: &str, now: NumericDate, mut exchanges: Vec<Exchange>) -> Self {
        exchanges.drain(..exchanges.len().saturating_sub(MAX_EXCHANGES));
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            org: org.to_owned(),
            exported_at: now.seconds(),
            exchanges,
        }
    }

    /// The text of the file, which can be opened: the older exchanges are left out if it were too large.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        if text.len() <= MAX_TRACE_BYTES {
            return text;
        }
        let mut newer = self.clone();
        newer.exchanges.drain(..newer.exchanges.len().div_ceil(2));
        newer.to_json()
    }

    /// Opens a file, which anybody may have written.
    pub fn parse(text: &[u8]) -> Result<Self, TraceFileError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        if text.len() > MAX_TRACE_BYTES {
            return Err(TraceFileError::TooLarge { found: text.len() });
        }
        if !is_shallow(text) {
            return Err(TraceFileError::TooDeep);
        }
        let head: Head = serde_json::from_slice(text).map_err(|_| TraceFileError::NotATrace)?;
        if head.format != FORMAT {
            return Err(TraceFileError::NotATrace);
        }
        if head.version != VERSION {
            return Err(TraceFileError::OtherVersion { found: head.version });
        }
        let damaged = |error: serde_json::Error| TraceFileError::Damaged {
            reason: excerpt(&error.to_string(), SENTENCE),
        };
        let file: Self = serde_json::from_slice(text).map_err(damaged)?;
        file.in_order()
    }

    fn in_order(self) -> Result<Self, TraceFileError> {
        if self.exchanges.len() > MAX_EXCHANGES {
            return Err(TraceFileError::TooMany { found: self.exchanges.len() });
        }
        let mut latest = 0;
        for exchange in &self.exchanges {
            if exchange.id <= latest {
                return Err(TraceFileError::Disordered { id: exchange.id });
            }
            latest = exchange.id;
        }
        Ok(self)
    }
}

/// Whether no bracket of the text opens deeper than may be; brackets in strings are none.
fn is_shallow(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn exchange(id: u64) -> Value {
        json!({
            "id": id, "conversation": 1, "at": 0, "duration_microseconds": 0, "client_address": null,
            "client_id": null, "lane": "api", "method": "GET", "target": "/", "status": 200,
            "request": { "fields": [], "body": null }, "answer": { "fields": [], "body": null },
            "verdict": { "outcome": "admitted", "rule": null, "reason": null, "change": null },
            "tokens": [], "findings": [], "replay_of": null, "kept": false,
        })
    }

    fn file(exchanges: &[Value]) -> Value {
        json!({
            "format": "keybound-trace", "version": 1, "org": "https://127.0.0.1", "exported_at": 0,
            "exchanges": exchanges,
        })
    }

    fn with(mut value: Value, pointer: &str, member: &str, found: Value) -> String {
        value.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(member.to_owned(), found);
        value.to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let text = file(&[exchange(1), exchange(3)]).to_string();
        let read = TraceFile::parse(text.as_bytes()).unwrap();
        assert_eq!(TraceFile::parse(read.to_json().as_bytes()), Ok(read));
    }

    #[test]
    fn a_file_that_keybound_did_not_write_is_refused() {
        use TraceFileError as E;
        let good = || file(&[exchange(1)]);
        let deep = "[".repeat(MAX_DEPTH + 1);
        let many: Vec<_> = (1..=2001).map(exchange).collect();
        for (name, text, expected) in [
            ("empty", String::new(), E::NotATrace),
            ("no JSON", "trace".to_owned(), E::NotATrace),
            ("another format", with(good(), "", "format", json!("har")), E::NotATrace),
            ("another version", with(good(), "", "version", json!(2)), E::OtherVersion { found: 2 }),
            ("deep", with(good(), "", "org", json!("{")).replace("\"{\"", &deep), E::TooDeep),
            ("out of order", file(&[exchange(2), exchange(2)]).to_string(), E::Disordered { id: 2 }),
            ("many", file(&many).to_string(), E::TooMany { found: 2001 }),
            ("large", " ".repeat(MAX_TRACE_BYTES + 1), E::TooLarge { found: MAX_TRACE_BYTES + 1 }),
        ] {
            assert_eq!(TraceFile::parse(text.as_bytes()), Err(expected), "{name}");
        }
        for (name, text) in [
            ("an unknown member", with(good(), "", "more", json!(1))),
            ("of an exchange", with(good(), "/exchanges/0", "more", json!(1))),
            ("of a verdict", with(good(), "/exchanges/0/verdict", "more", json!(1))),
            ("another type", with(good(), "/exchanges/0", "id", json!("1"))),
            ("another word", with(good(), "/exchanges/0", "lane", json!("moon"))),
            ("something behind it", format!("{} {{}}", good())),
            ("a member twice", good().to_string().replacen('{', "{\"org\":\"\",", 1)),
        ] {
            let refused = TraceFile::parse(text.as_bytes());
            assert!(matches!(refused, Err(E::Damaged { .. } | E::NotATrace)), "{name}: {refused:?}");
        }
    }

    #[test]
    fn brackets_in_strings_are_not_counted() {
        let brackets = json!("[{".repeat(100) + "\\\"");
        let text = with(file(&[]), "", "org", brackets);
        assert!(TraceFile::parse(text.as_bytes()).is_ok());
    }
}
