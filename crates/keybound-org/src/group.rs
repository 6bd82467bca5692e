//! A group of users.

use keybound::NumericDate;
use serde_json::{Map, Value};

use crate::user::InvalidMember;
use crate::wire_name::wire_names;

/// A group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) kind: GroupKind,
    pub(crate) created: NumericDate,
    pub(crate) last_updated: NumericDate,
    pub(crate) last_membership_updated: NumericDate,
    pub(crate) profile: GroupProfile,
}

wire_names! {
    /// Where a group comes from.
    pub(crate) enum GroupKind {
        /// An administrator made it.
        Okta = "OKTA_GROUP",
        /// The org made it, and nobody can change it.
        BuiltIn = "BUILT_IN",
    }
}

/// What a group is called, and any other members. The name is there and well-formed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupProfile(Map<String, Value>);

/// Characters of a name, as Okta has it.
const MAX_NAME_CHARACTERS: usize = 255;
/// Characters of a description, as Okta has it.
const MAX_DESCRIPTION_CHARACTERS: usize = 1024;

impl GroupProfile {
    /// A profile of these members; those that are `null` are left out, but for the description, which Okta
    /// always shows.
    pub(crate) fn new(mut members: Map<String, Value>) -> Result<Self, Vec<InvalidMember>> {
        let invalid = |name, problem| Err(vec![InvalidMember { name, problem }]);
        members.retain(|_, value| !value.is_null());
        let name = members.get("name").and_then(Value::as_str).unwrap_or_default().trim();
        if name.is_empty() {
            return invalid("name", "The field cannot be left blank");
        }
        if name.chars().count() > MAX_NAME_CHARACTERS {
            return invalid("name", "The field is too long");
        }
        let description = members.entry("description").or_insert(Value::Null);
        match description.as_str() {
            None if !description.is_null() => invalid("description", "The field must be a string"),
            Some(text) if text.chars().count() > MAX_DESCRIPTION_CHARACTERS => {
                invalid("description", "The field is too long")
            }
            _ => Ok(Self(members)),
        }
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(crate) fn name(&self) -> &str {
        self.0.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}
