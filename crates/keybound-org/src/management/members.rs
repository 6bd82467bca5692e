//! The members of a body, looked at one by one, so that the answer names all that are not as they must be.

use super::error::ApiError;
use crate::store::LifecycleStatus;

/// Characters of a name or another short text, at most.
const MAX_NAME_CHARACTERS: usize = 255;

/// Characters of a description, an audience or a claim's value, at most.
const MAX_TEXT_CHARACTERS: usize = 1_000;

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Members {
    refused: Vec<(&'static str, String)>,
}

impl Members {
    /// Something is wrong with a member.
    pub(super) fn refuse(&mut self, member: &'static str, problem: impl Into<String>) {
        self.refused.push((member, problem.into()));
    }

    /// `name`, which must be there.
    pub(super) fn name(&mut self, text: &str) -> String {
        let name = self.required_text("name", text);
        if name.chars().count() > MAX_NAME_CHARACTERS {
            self.refuse("name", "The field is too long");
        }
        name
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, member: &'static str, text: &str) -> String {
        if text.trim().is_empty() {
            self.refuse(member, "The field cannot be left blank");
        }
        self.text(member, text.trim())
    }

    /// A text that may be empty.
    pub(super) fn text(&mut self, member: &'static str, text: &str) -> String {
        if text.chars().count() > MAX_TEXT_CHARACTERS {
            self.refuse(member, "The field is too long");
        }
        text.to_owned()
    }

    /// A member that may be left out, and else is one of these words.
    pub(super) fn only(&mut self, member: &'static str, word: Option<&str>, known: &[&str]) {
        if word.is_some_and(|word| !known.contains(&word)) {
            self.refuse(member, format!("must be {}; the local org has nothing else", known.join(" or ")));
        }
    }

    /// A status; active, if it is left out.
    pub(super) fn status(&mut self, status: Option<&str>) -> LifecycleStatus {
        let status = status.map_or(Some(LifecycleStatus::Active), LifecycleStatus::of_name);
        status.unwrap_or_else(|| {
            self.refuse("status", "must be ACTIVE or INACTIVE");
            LifecycleStatus::Inactive
        })
    }

    /// `value`, if nothing is wrong.
    pub(super) fn all_good<T>(self, value: T) -> Result<T, ApiError> {
        let Some((subject, _)) = self.refused.first() else { return Ok(value) };
        Err(ApiError::invalid(
            subject,
            self.refused.iter().map(|(member, problem)| format!("{member}: {problem}")),
        ))
    }
}
