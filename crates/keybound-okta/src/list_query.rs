//! What is asked of a list: which objects, in which order, how many.

use crate::operation_call::OperationCall;

/// Which objects of a list are wanted. An operation that has no such parameter refuses it.
///
/// ```
/// use keybound_okta::{ListQuery, SortOrder};
///
/// let query = ListQuery::default()
///     .search(r#"profile.department eq "Engineering""#)
///     .sorted_by("profile.lastName", SortOrder::Ascending)
///     .at_most(1000);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    words: Option<String>,
    filter: Option<String>,
    search: Option<String>,
    sort: Option<(String, SortOrder)>,
    pub(crate) most: Option<usize>,
}

/// In which order a list comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// The smallest first; the oldest, of events.
    Ascending,
    /// The greatest first; the newest, of events.
    Descending,
}

impl ListQuery {
    /// Those whose names or addresses begin with `words`.
    #[must_use]
    pub fn words(self, words: impl Into<String>) -> Self {
        Self { words: Some(words.into()), ..self }
    }

    /// Those that a filter expression takes: `status eq "ACTIVE"`.
    #[must_use]
    pub fn filter(self, expression: impl Into<String>) -> Self {
        Self { filter: Some(expression.into()), ..self }
    }

    /// Those that a search expression finds: `profile.lastName sw "B"`.
    #[must_use]
    pub fn search(self, expression: impl Into<String>) -> Self {
        Self { search: Some(expression.into()), ..self }
    }

    /// In the order of a property, where there is a search.
    #[must_use]
    pub fn sorted_by(self, property: impl Into<String>, order: SortOrder) -> Self {
        Self { sort: Some((property.into(), order)), ..self }
    }

    /// So many of them, at most.
    #[must_use]
    pub fn at_most(self, most: impl Into<Option<usize>>) -> Self {
        Self { most: most.into(), ..self }
    }

    pub(crate) fn ask<'c>(&self, call: OperationCall<'c>) -> OperationCall<'c> {
        let sort = self.sort.as_ref();
        // What is not set must not be named: not every list has every parameter.
        call.optional("q", self.words.as_ref())
            .optional("filter", self.filter.as_ref())
            .optional("search", self.search.as_ref())
            .optional("sortBy", sort.map(|(property, _)| property))
            .optional("sortOrder", sort.map(|(_, order)| order.short_name()))
    }
}

impl SortOrder {
    /// As lists of objects name it.
    const fn short_name(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }

    /// As the system log names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ascending => "ASCENDING",
            Self::Descending => "DESCENDING",
        }
    }
}
