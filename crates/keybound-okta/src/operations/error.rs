//! Why a request is not one that an operation takes, and how the operation is called.

use std::fmt::Write as _;

use super::request::names;
use super::{Operation, ParameterKind};
use crate::suggestion;

/// Why a request is not one that the operation takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// No operation has this id.
    #[error("`{id}` is no operation of the management API{}", suggestion::question(.nearest))]
    UnknownOperation {
        /// What was asked for.
        id: String,
        /// What may have been meant.
        nearest: Vec<&'static str>,
    },
    /// The operation has no parameter of this name.
    #[error(
        "{operation} has no parameter `{name}`{}",
        if .nearest.is_empty() { known(.operation) } else { suggestion::question(.nearest) }
    )]
    UnknownParameter {
        /// The operation.
        operation: Box<Operation>,
        /// What was given.
        name: String,
        /// What may have been meant.
        nearest: Vec<&'static str>,
    },
    /// The operation can't be called without this parameter.
    #[error("{operation} needs the parameter `{name}`")]
    MissingParameter {
        /// The operation.
        operation: Box<Operation>,
        /// The parameter.
        name: &'static str,
    },
    /// The parameter takes one value, and was given several.
    #[error("{operation} takes one value for `{name}`")]
    SeveralValues {
        /// The operation.
        operation: Box<Operation>,
        /// The parameter.
        name: &'static str,
    },
    /// The value is not of the parameter's kind.
    #[error("the parameter `{name}` of {operation} is {kind}, and `{value}` is none")]
    WrongKind {
        /// The operation.
        operation: Box<Operation>,
        /// The parameter.
        name: &'static str,
        /// What its values are.
        kind: ParameterKind,
        /// What was given.
        value: String,
    },
    /// A value that can't be one segment of a path: servers read `.` and `..` as steps through the path, and
    /// an empty one as none.
    #[error("`{value}` can't stand for {{{name}}} in the path of {operation}: the path would be another one")]
    NotASegment {
        /// The operation.
        operation: Box<Operation>,
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: String,
    },
    /// The operation takes no body.
    #[error("{operation} takes no body")]
    BodyNotTaken {
        /// The operation.
        operation: Box<Operation>,
    },
    /// The operation's answer doesn't come in pages.
    #[error("{operation} gives its answer whole, not in pages")]
    NotPaged {
        /// The operation.
        operation: Box<Operation>,
    },
}

impl OperationError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::UnknownOperation { .. } => {
                "Give the operationId as Okta's reference of the management API has it (listUsers), or a path \
                 (/api/v1/users)."
                    .to_owned()
            }
            Self::BodyNotTaken { .. } => "Leave the body out, or choose the operation that takes it.".to_owned(),
            Self::NotPaged { .. } => "Call it without asking for pages.".to_owned(),
            Self::UnknownParameter { operation, .. }
            | Self::MissingParameter { operation, .. }
            | Self::SeveralValues { operation, .. }
            | Self::WrongKind { operation, .. }
            | Self::NotASegment { operation, .. } => described(operation),
        }
    }
}

fn known(operation: &Operation) -> String {
    let names: Vec<_> = names(operation).collect();
    if names.is_empty() { "; it has none".to_owned() } else { format!("; it has {}", names.join(", ")) }
}

/// How the operation is called: `GET /api/v1/users?limit=…`, what must be given first.
fn described(operation: &Operation) -> String {
    let mut parameters: Vec<_> = operation.query_parameters().collect();
    parameters.sort_by_key(|parameter| !parameter.is_required);
    let mut text = format!("It is called as {} {}", operation.method(), operation.path());
    for (number, parameter) in parameters.iter().enumerate() {
        let separator = if number == 0 { "; in the query" } else { "," };
        let needed = if parameter.is_required { ", needed" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator} {} ({}{needed})", parameter.name, parameter.kind);
    }
    text.push('.');
    text
}
