//! The org's data as a file: one JSON object a line, so that a million users are written and read at constant memory.
//!
//! The first line names the format and its version, the last says how many records there are between, so that a file
//! that was cut off is not taken for a whole one. A record comes after those that it refers to. `docs/org-data.md`
//! describes all of them.

mod export;
mod import;
mod line;
mod tables;
mod version_1;

use serde_json::Value;
use zeroize::Zeroize as _;

pub use export::ExportError;
pub use import::{ImportError, LineProblem};

/// What the first line calls the format.
const FORMAT: &str = "keybound-org";

/// The version of the format that is written. That before is read too ([`version_1`]).
const VERSION: u64 = 2;

/// The kinds of the first line and of the last one.
const HEADER: &str = "header";
const END: &str = "end";

/// Whether secrets go into an export: hashes of passwords and of client secrets, and private signing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They do. Who has the file can sign tokens as the org does, and guess passwords.
    Included,
    /// They don't.
    LeftOut,
}

/// Overwrites the texts of a record: they may be secrets.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}
