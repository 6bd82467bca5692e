//! What a fault is called: `f1` is the first of an org, and no other is ever called so.

use std::fmt;
use std::str::FromStr;

/// The name of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultId(pub(super) u64);

/// The text is the name of no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault is called `f` and a number, as the list of faults tells")]
#[non_exhaustive]
pub struct NotAFaultId;

impl fmt::Display for FaultId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "f{}", self.0)
    }
}

impl FromStr for FaultId {
    type Err = NotAFaultId;

    fn from_str(text: &str) -> Result<Self, NotAFaultId> {
        let number = text.strip_prefix('f').and_then(|number| number.parse().ok());
        number.map(Self).filter(|id| id.to_string() == text).ok_or(NotAFaultId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        assert_eq!("f17".parse(), Ok(FaultId(17)));
        for text in ["", "f", "17", "F17", "f017", "f+17", "f-1", "f17 ", "f18446744073709551616"] {
            assert_eq!(text.parse::<FaultId>(), Err(NotAFaultId), "{text}");
        }
    }
}
