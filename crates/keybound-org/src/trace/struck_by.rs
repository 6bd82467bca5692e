//! Which fault struck a request, by the header field of the answer that names it.

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::faults::{FAULT, FaultKind};

/// A fault that struck a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StruckBy {
    /// Its id (`f1`).
    pub id: String,
    /// Its kind (`rate-limited`).
    pub kind: String,
}

impl StruckBy {
    /// A few words for it.
    pub fn words(&self) -> String {
        let Self { id, kind } = self;
        match kind.as_str() {
            kind if kind == FaultKind::CutConnection.name() => {
                format!("the answer was cut, asked for by fault {id}")
            }
            _ => format!("asked for by fault {id} ({kind})"),
        }
    }

    /// The fault that an answer names.
    pub(super) fn of_answer(answer: &HeaderMap) -> Option<Self> {
        let (id, kind) = answer.get(FAULT)?.to_str().ok()?.split_once(' ')?;
        Some(Self { id: id.to_owned(), kind: kind.to_owned() })
    }
}
