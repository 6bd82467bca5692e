//! What stands around every page: the navigation, the org, who is signed in, and what was done just now.

use axum::response::Redirect;

use super::{Administrator, Console, apps, traces};
use crate::wire_name::wire_names;

/// The navigation, from its beginning to its end.
pub(super) const NAVIGATION: &[Section] = &[apps::SECTION, traces::SECTION];

/// A part of the console that has a place in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The path of its first page.
    pub(super) path: &'static str,
}

/// What the layout of a page needs; a template has it as `frame`.
pub(super) struct Frame {
    section: Section,
    /// The org's URL.
    pub(super) org: String,
    /// What each form carries in `form_token`.
    pub(super) form_token: String,
    /// What a form that brought the browser here has done.
    pub(super) done: Option<Done>,
}

impl Console {
    /// The frame of a page in this part of the console.
    pub(super) fn frame(&self, administrator: &Administrator, section: Section) -> Frame {
        Frame {
            section,
            org: self.url().origin().to_owned(),
            form_token: administrator.form_token.clone(),
            done: administrator.done,
        }
    }
}

impl Frame {
    /// All parts of the console, each with whether the page is in it.
    pub(super) fn navigation(&self) -> impl Iterator<Item = (Section, bool)> {
        NAVIGATION.iter().map(|section| (*section, *section == self.section))
    }
}

wire_names! {
    /// What a form has done, as the page says that is shown then. The name stands in the query.
    pub(super) enum Done {
        /// The clients of an app are let in.
        AppActivated = "app-activated",
        /// They are let in no more.
        AppDeactivated = "app-deactivated",
        /// Exchanges are remembered no more.
        TracesForgotten = "traces-forgotten",
        /// A conversation is remembered although newer ones come.
        ConversationKept = "conversation-kept",
        /// A request was sent again.
        Replayed = "replayed",
    }
}

impl Done {
    /// The parameter of the query.
    pub(super) const PARAMETER: &'static str = "done";

    /// The same for people.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::AppActivated => "The application is active.",
            Self::AppDeactivated => "The application is inactive: it gets no tokens.",
            Self::TracesForgotten => "It is forgotten.",
            Self::ConversationKept => "The conversation is kept until the org stops.",
            Self::Replayed => "The request was sent again. This is how it was answered.",
        }
    }

    /// The answer to a form: on to a page, which says what was done.
    pub(super) fn at(self, path: &str) -> Redirect {
        Redirect::to(&format!("{path}?{}={}", Self::PARAMETER, self.name()))
    }
}
