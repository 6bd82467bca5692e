//! The query by which a page is asked for, as the form on the page sends it.

use axum::extract::RawQuery;
use url::form_urlencoded;

/// A query without the fields into which nothing was typed: a form sends those too.
pub(super) struct Query(String);

impl Query {
    pub(super) fn read(RawQuery(query): RawQuery) -> Self {
        let query = query.unwrap_or_default();
        let typed = form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.trim().is_empty());
        Self(form_urlencoded::Serializer::new(String::new()).extend_pairs(typed).finish())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What was typed into a field.
    pub(super) fn typed(&self, name: &str) -> String {
        let mut pairs = form_urlencoded::parse(self.0.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_into_which_nothing_was_typed_are_as_if_they_were_not_there() {
        let query = Query::read(RawQuery(Some("q=&search=a+b%26&filter=+".to_owned())));
        assert_eq!(query.as_str(), "search=a+b%26");
        assert_eq!([query.typed("search"), query.typed("q")], ["a b&", ""]);
        assert_eq!(Query::read(RawQuery(None)).as_str(), "");
    }
}
