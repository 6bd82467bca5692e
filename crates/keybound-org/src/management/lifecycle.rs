//! Things that are active or not: the step from one to the other, and the links that lead to it.

use serde_json::{Value, json};

use super::error::ApiError;
use crate::store::LifecycleStatus;

/// The status that a step of a lifecycle leads to.
pub(super) fn status_after(step: &str) -> Result<LifecycleStatus, ApiError> {
    match step {
        "activate" => Ok(LifecycleStatus::Active),
        "deactivate" => Ok(LifecycleStatus::Inactive),
        _ => Err(ApiError::no_such_path()),
    }
}

/// A link with the methods that it takes.
pub(super) fn link(href: &str, methods: &[&str]) -> Value {
    json!({ "href": href, "hints": { "allow": methods } })
}

/// Links a view to the step that its thing can take.
pub(super) fn link_lifecycle(view: &mut Value, url: &str, status: LifecycleStatus) {
    let step = match status {
        LifecycleStatus::Active => "deactivate",
        LifecycleStatus::Inactive => "activate",
    };
    if let Some(links) = view.get_mut("_links").and_then(Value::as_object_mut) {
        links.insert(step.to_owned(), link(&format!("{url}/lifecycle/{step}"), &["POST"]));
    }
}
