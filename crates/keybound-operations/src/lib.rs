//! Every operation of Okta's management API, by the `operationId` of Okta's published `OpenAPI` description
//! 2026.06.3: what it is called with, and the scopes that it needs. Who calls Okta's API and who answers in its place
//! both look here, so that they know the same operations and scopes.
//!
//! The index is one text, a line for each operation, in the order of the ids. It is never read as a whole to
//! find one: looking an id up halves the text until its line is left.
//!
//! ```
//! use http::Method;
//!
//! let operation = keybound_operations::find("listUserGroups").unwrap();
//! assert_eq!(operation.path(), "/api/v1/users/{id}/groups");
//! assert_eq!(operation.scopes().collect::<Vec<_>>(), ["okta.users.read"]);
//! assert_eq!(keybound_operations::of(&Method::GET, "/api/v1/users/00u1/groups"), Some(operation));
//! ```

mod scope;

use std::cmp::Ordering;
use std::fmt;

use http::Method;

pub use scope::{is_scope, scopes};

const INDEX: &str = include_str!("../data/operations.txt");

/// An operation of the management API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    id: &'static str,
    method: Method,
    path: &'static str,
    tag: &'static str,
    scopes: &'static str,
    takes_body: bool,
    is_paged: bool,
    query: &'static str,
}

/// A segment of an operation's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// One that every request has, as it stands here: `users`.
    Word(&'static str),
    /// The place of the parameter with this name, whose value is one segment and not empty.
    Parameter(&'static str),
}

/// A parameter of an operation's query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryParameter {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: ParameterKind,
    /// Whether the operation can't be called without it.
    pub is_required: bool,
}

/// What the values of a parameter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Several texts; the parameter is given once for each.
    List,
}

/// Every operation, in the order of the ids.
pub fn all() -> impl Iterator<Item = Operation> {
    INDEX.lines().filter_map(Operation::parse)
}

/// The operation with this id, in just these letters.
pub fn find(id: &str) -> Option<Operation> {
    let (mut start, mut end) = (0, INDEX.len());
    while start < end {
        let middle = start + (end - start) / 2;
        let line_start = INDEX.get(..middle)?.rfind('\n').map_or(0, |line_end| line_end + 1);
        let line = INDEX.get(line_start..)?.lines().next()?;
        match line.split(' ').next()?.cmp(id) {
            Ordering::Less => start = line_start + line.len() + 1,
            Ordering::Greater => end = line_start,
            Ordering::Equal => return Operation::parse(line),
        }
    }
    None
}

/// The operation that a request for `path` (without a query) is. Where several fit, the one that has its own
/// words where the others have parameters: `/api/v1/groups/rules` is no group of the name `rules`.
pub fn of(method: &Method, path: &str) -> Option<Operation> {
    let fitting = all().filter(|operation| operation.method == *method && operation.fits(path));
    fitting.max_by_key(|operation| {
        operation.segments().map(|own| matches!(own, Segment::Word(_))).collect::<Vec<_>>()
    })
}

/// The operations that have all of `words` in their id, path or tag, whatever the case.
pub fn search(words: &str) -> impl Iterator<Item = Operation> {
    let words: Vec<_> = words.split_whitespace().map(str::to_lowercase).collect();
    all().filter(move |operation| {
        let text = format!("{} {} {}", operation.id, operation.path, operation.tag).to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    })
}

impl Operation {
    /// Reads a line of the index; one that begins with `#` tells how to read the others.
    fn parse(line: &'static str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let mut words = line.splitn(7, ' ');
        let id = words.next()?;
        let method = words.next()?.parse().ok()?;
        let (path, tag, scopes, kinds) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let is = |kind| kinds.split(',').any(|it| it == kind);
        let (takes_body, is_paged) = (is("body"), is("pages"));
        let query = words.next().unwrap_or_default();
        Some(Self { id, method, path, tag, scopes, takes_body, is_paged, query })
    }

    /// Its id: `listUsers`.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, with the names of parameters in braces: `/api/v1/users/{id}/groups`.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The part of the API that it belongs to: `User`.
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// The scopes that a call needs, all of them. There are none where no token is needed.
    pub fn scopes(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.scopes.split(',').filter(|scope| *scope != "-")
    }

    /// Whether a request has a body.
    pub fn takes_body(&self) -> bool {
        self.takes_body
    }

    /// Whether the answer is a list that comes in pages.
    pub fn is_paged(&self) -> bool {
        // A page is asked for again and again; what changes the org is called once.
        self.is_paged && self.method == Method::GET
    }

    /// The names of the parameters in its path, in the order in which they stand there.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.segments().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name),
            Segment::Word(_) => None,
        })
    }

    /// The segments of its path, in their order.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + use<> {
        segments(self.path).map(Segment::parse)
    }

    /// The parameters of its query.
    pub fn query_parameters(&self) -> impl Iterator<Item = QueryParameter> + use<> {
        self.query.split_ascii_whitespace().map(QueryParameter::parse)
    }

    fn fits(&self, path: &str) -> bool {
        let mut given = segments(path);
        self.segments().all(|own| given.next().is_some_and(|given| own.fits(given))) && given.next().is_none()
    }
}

impl Segment {
    fn parse(text: &'static str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Parameter(name),
            None => Self::Word(text),
        }
    }

    fn fits(self, given: &str) -> bool {
        match self {
            Self::Word(word) => word == given,
            Self::Parameter(_) => !given.is_empty(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({} {})", self.id, self.method, self.path)
    }
}

impl QueryParameter {
    fn parse(word: &'static str) -> Self {
        let (word, is_required) = word.strip_suffix('!').map_or((word, false), |word| (word, true));
        let (name, kind) = match word.split_once(':') {
            Some((name, "integer")) => (name, ParameterKind::Integer),
            Some((name, "boolean")) => (name, ParameterKind::Boolean),
            Some((name, "array")) => (name, ParameterKind::List),
            Some((name, _)) => (name, ParameterKind::Text),
            None => (word, ParameterKind::Text),
        };
        Self { name, kind, is_required }
    }
}

impl ParameterKind {
    /// Whether `value` is one of this kind.
    pub fn takes(self, value: &str) -> bool {
        match self {
            Self::Integer => value.parse::<i64>().is_ok(),
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Text | Self::List => true,
        }
    }
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Boolean => "`true` or `false`",
            Self::List => "one or more texts",
        })
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_line_of_the_index_is_an_operation_that_its_id_and_its_path_find() {
        let ids: Vec<_> = all().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), 732, "as many as the description has");
        assert!(ids.is_sorted() && INDEX.is_ascii(), "which finding one by its id relies on");
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        for operation in all() {
            assert_eq!(find(operation.id).as_ref(), Some(&operation));
            let path = operation.path.replace(['{', '}'], "_");
            assert_eq!(of(&operation.method, &path).as_ref(), Some(&operation), "{operation}");
            assert!(operation.path.starts_with('/') && !operation.path.contains("//"), "{operation}");
            assert!(operation.scopes().all(|scope| scope.contains('.')), "{operation}");
            let mut names: Vec<_> = operation.query_parameters().map(|parameter| parameter.name).collect();
            names.extend(operation.path_parameters());
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{operation}");
            let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            assert!(names.iter().all(is_name), "{operation}: {names:?}");
        }
        for (count, expected, what) in [
            (all().filter(|operation| operation.scopes().next().is_none()).count(), 9, "need no scope"),
            (all().filter(Operation::takes_body).count(), 218, "take a body"),
            (all().filter(Operation::is_paged).count(), 58, "come in pages"),
        ] {
            assert_eq!(count, expected, "operations that {what}");
        }
    }

    #[test]
    fn an_operation_is_told_whole() {
        let operation = find("listUsers").unwrap();
        assert_eq!((operation.method(), operation.path()), (&Method::GET, "/api/v1/users"));
        assert_eq!((operation.tag(), operation.takes_body(), operation.is_paged()), ("User", false, true));
        assert_eq!(operation.scopes().collect::<Vec<_>>(), ["okta.users.read"]);
        let limit = QueryParameter { name: "limit", kind: ParameterKind::Integer, is_required: false };
        assert!(operation.query_parameters().any(|parameter| parameter == limit));
        let send = find("resetPassword").unwrap().query_parameters().next().unwrap();
        let required = QueryParameter { name: "sendEmail", kind: ParameterKind::Boolean, is_required: true };
        assert_eq!(send, required);
        let grant = find("revokeGrantsForUserAndClient").unwrap();
        assert_eq!(grant.path_parameters().collect::<Vec<_>>(), ["userId", "clientId"]);
        let both = find("createGroupPushMapping").unwrap();
        assert_eq!(both.scopes().collect::<Vec<_>>(), ["okta.apps.manage", "okta.groups.manage"]);
        assert!(!find("uploadYubikeyOtpTokenSeed").unwrap().is_paged(), "a POST is not asked for again");
    }

    #[test]
    fn what_is_no_id_finds_nothing() {
        for id in ["", "#", "a", "zzz", "listUser", "listusers", "listUsers ", "listUsers GET", "\n", "é"] {
            assert_eq!(find(id), None, "{id:?}");
        }
    }

    #[test]
    fn a_request_is_the_operation_whose_own_words_it_has() {
        for (method, path, id, why) in [
            (Method::GET, "/api/v1/users/00u1/groups", Some("listUserGroups"), "a parameter"),
            (Method::GET, "/api/v1/users/me%40example.com", Some("getUser"), "an encoded value"),
            (Method::GET, "/api/v1/groups/rules", Some("listGroupRules"), "a word before a parameter"),
            (Method::GET, "/api/v1/groups/00g1", Some("getGroup"), "a parameter where no word fits"),
            (Method::POST, "/api/v1/users", Some("createUser"), "the same path by another method"),
            (Method::PUT, "/api/v1/users", None, "a method that the path does not have"),
            (Method::GET, "/api/v1/users/", None, "an empty segment is no value"),
            (Method::GET, "/api/v1/users/a/b/c/d/e", None, "a path that goes on"),
            (Method::GET, "/api/v2/users", None, "another word"),
            (Method::GET, "/", None, "the root"),
            (Method::GET, "", None, "nothing"),
        ] {
            assert_eq!(of(&method, path).map(|operation| operation.id), id, "{why}: {method} {path}");
        }
    }

    #[test]
    fn operations_are_found_by_words() {
        let found: Vec<_> = search("USER lifecycle Suspend").map(|operation| operation.id).collect();
        assert_eq!(found, ["suspendUser", "unsuspendUser"]);
        assert_eq!(search("").count(), all().count());
        assert_eq!(search("no such words").count(), 0);
    }
}
