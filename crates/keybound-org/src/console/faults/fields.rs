//! The fields of the form for each kind of fault: the members that the API takes.

use crate::faults::{Cut, EndpointKind, ErrorBody, FaultKind, OldKey, OldNonces};

/// A field of a form.
pub(super) struct Field {
    /// The member of the API.
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) input: Input,
    /// Whether there is no fault without it.
    pub(super) is_required: bool,
}

/// How it is filled in.
pub(super) enum Input {
    Text,
    Number,
    Tick,
    Choice(Vec<&'static str>),
}

/// What happens, in a sentence.
pub(super) const fn meaning(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Slow => "The answer is late.",
        FaultKind::RateLimited => "429 in Okta's words. Nothing is done of what was asked.",
        FaultKind::ServerError => {
            "The server, or a proxy before it, fails. Nothing is done of what was asked."
        }
        FaultKind::CutConnection => {
            "What was asked is done, and the connection breaks before the answer is whole."
        }
        FaultKind::ClockSkew => "The org's clock is wrong, and so is the Date of every answer.",
        FaultKind::RotateNonce => {
            "The authorization servers have a new nonce: at once, or before each request if you say which."
        }
        FaultKind::RotateKey => {
            "An authorization server signs with a new key: at once, or before each request if you say which."
        }
        FaultKind::RevokeToken => {
            "Access tokens are worth nothing any more: at once, or before each request if you say which."
        }
        FaultKind::Replay => {
            "An attacker sends each request with a proof once more. The list says how that was answered."
        }
    }
}

/// What can be said of a fault of this kind alone.
pub(super) fn own(kind: FaultKind) -> Vec<Field> {
    match kind {
        FaultKind::Slow => vec![Field { is_required: true, ..delay() }],
        FaultKind::Replay => Vec::new(),
        FaultKind::RateLimited => {
            vec![field(
                "reset_after_seconds",
                "Seconds until the limit is reset",
                "1, if you do not say.",
                Input::Number,
            )]
        }
        FaultKind::ServerError => vec![
            field("status", "Status", "500 to 599; 500, if you do not say.", Input::Number),
            field(
                "body",
                "Body",
                "Okta's own, none, or a page as proxies send it.",
                choice(ErrorBody::ALL, ErrorBody::name),
            ),
        ],
        FaultKind::CutConnection => {
            vec![field("at", "Where it is cut", "", choice(Cut::ALL, Cut::name))]
        }
        FaultKind::ClockSkew => {
            let seconds =
                field("seconds", "Seconds that it is ahead", "Negative, if it is behind.", Input::Text);
            vec![Field { is_required: true, ..seconds }]
        }
        FaultKind::RotateNonce => {
            vec![field(
                "old",
                "Nonces of before",
                "Accepted, they are so for as long as they would have been.",
                choice(OldNonces::ALL, OldNonces::name),
            )]
        }
        FaultKind::RotateKey => vec![
            field(
                "server",
                "Authorization server",
                "Its id, or org; the org's own, if you do not say.",
                Input::Text,
            ),
            field(
                "old",
                "The key of before",
                "Gone, nothing that it signed is good.",
                choice(OldKey::ALL, OldKey::name),
            ),
        ],
        FaultKind::RevokeToken => vec![
            field("all", "All that were issued so far", "", Input::Tick),
            field("presented", "The one that the request carries", "", Input::Tick),
            field("of_client", "All of the client with this id", "", Input::Text),
            field("jti", "The one with this jti", "", Input::Text),
            field("token", "This one", "Only its jti is kept.", Input::Text),
        ],
    }
}

/// What can be said of every fault; of a wrong clock only how long it lasts.
pub(super) fn common(kind: FaultKind) -> Vec<Field> {
    let lasts = field(
        "for_seconds",
        "Seconds that it lasts",
        "Until it is removed, if you do not say.",
        Input::Number,
    );
    if kind == FaultKind::ClockSkew {
        return vec![lasts];
    }
    let mut fields = vec![
        field(
            "path",
            "Path",
            "* stands for one segment, ** at the end for any number of them. All, if you do not say.",
            Input::Text,
        ),
        field("method", "Method", "All, if you do not say.", Input::Text),
        field("endpoint", "Endpoints", "", choice(EndpointKind::ALL, EndpointKind::name)),
        field("client_id", "Client ID", "All clients, if you do not say.", Input::Text),
        field("times", "Number of requests", "All, if you do not say.", Input::Number),
        field("probability", "Probability", "Greater than 0 and at most 1.", Input::Text),
        lasts,
    ];
    if kind != FaultKind::Slow {
        fields.push(delay());
    }
    fields
}

fn delay() -> Field {
    field("delay_ms", "Delay in milliseconds", "25000 at most.", Input::Number)
}

fn field(name: &'static str, label: &'static str, hint: &'static str, input: Input) -> Field {
    Field { name, label, hint, input, is_required: false }
}

fn choice<T: Copy>(all: &[T], name_of: fn(T) -> &'static str) -> Input {
    Input::Choice(all.iter().map(|one| name_of(*one)).collect())
}
