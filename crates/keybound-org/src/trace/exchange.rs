//! A request and its answer as they are shown to people, and written to files: decoded, explained, and without anything
//! that would let whoever sees it act as somebody else.

use std::borrow::Cow;

use keybound::NumericDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::struck_by::StruckBy;
use crate::timestamp;

/// What stands in the place of what is not shown.
pub const REMOVED: &str = "[removed]";

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Its number: requests are counted in the order in which they arrive, from 1 at the org's start.
    pub id: u64,
    /// The number of the first exchange of the conversation that it belongs to.
    pub conversation: u64,
    /// When it arrived, by the org's clock: seconds since 1970.
    pub at: u64,
    /// How long the answer took, in microseconds.
    pub duration_microseconds: u64,
    /// The address that it came from; none if it was not sent over the network.
    pub client_address: Option<String>,
    /// Who sent it, as far as it says so: a client id.
    pub client_id: Option<String>,
    /// Whether it came with an administrator's API token (`SSWS`), good or not. It has no client id then.
    #[serde(default)]
    pub is_administrator: bool,
    /// To which part of the org it went.
    pub lane: Lane,
    /// The method.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The request's header fields and body.
    pub request: Message,
    /// The status of the answer; none if there was no answer.
    pub status: Option<u16>,
    /// The answer's header fields and body.
    pub answer: Message,
    /// What the org decided.
    pub verdict: Verdict,
    /// The fault that was asked for and struck it; the org decided so because of it, or its answer was cut.
    pub fault: Option<StruckBy>,
    /// The tokens of the request and of the answer, decoded, each by every rule.
    pub tokens: Vec<Token>,
    /// The rules for the request as a whole.
    pub findings: Vec<Finding>,
    /// The number of the exchange of which it is the replay.
    pub replay_of: Option<u64>,
    /// Whether it is kept when newer ones need its place.
    pub kept: bool,
}

/// A part of the org that answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// An authorization server: tokens, keys, metadata, sign-in.
    AuthorizationServer,
    /// A protected resource: the management API.
    Api,
}

impl Lane {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationServer => "authorization server",
            Self::Api => "API",
        }
    }
}

/// Header fields and a body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The header fields, by lower-case name, in their order.
    pub fields: Vec<(String, String)>,
    /// The body; none if it is empty.
    pub body: Option<Body>,
}

/// A body as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// Bytes of the body.
    pub bytes: u64,
    /// Whether it was too long to be recorded whole, or ended before its end.
    pub is_cut: bool,
    /// What is shown of it.
    pub content: Content,
}

/// What is shown of a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The parameters of a form, in their order.
    Form(Vec<(String, String)>),
    /// JSON.
    Json(Value),
    /// Nothing, because of this.
    Removed(String),
}

/// What the org decided about a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// How it ended.
    pub outcome: VerdictOutcome,
    /// Where the rule stands that was broken (`RFC 9449 section 4.3, check 9`), if it was one of the rules for
    /// tokens and proofs.
    pub rule: Option<Cow<'static, str>>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What the client is to change.
    pub change: Option<Cow<'static, str>>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictOutcome {
    /// It got what it asked for.
    Admitted,
    /// It is to be sent again with the nonce that came with the answer.
    Challenged,
    /// It was refused.
    Refused,
    /// The fault is the org's.
    Failed,
    /// It got no answer: the client went away, or the time was over.
    Unanswered,
}

impl VerdictOutcome {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Challenged => "challenged",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unanswered => "unanswered",
        }
    }
}

/// A token, decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its header, without private keys; none if it cannot be read.
    pub header: Option<Value>,
    /// Its claims; none if they cannot be read.
    pub claims: Option<Value>,
    /// The thumbprint of the key of a proof, or of the key that a token is bound to.
    pub thumbprint: Option<String>,
    /// What became of its signature, which is not shown.
    pub signature: Signature,
    /// How it stands by each rule.
    pub findings: Vec<Finding>,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// By which the client shows who it is.
    ClientAssertion,
    /// By which it shows that it holds a key.
    Proof,
    /// The access token that came with the request.
    AccessToken,
    /// The access token that the answer brought.
    IssuedAccessToken,
}

impl TokenKind {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientAssertion => "Client assertion",
            Self::Proof => "DPoP proof",
            Self::AccessToken => "Access token",
            Self::IssuedAccessToken => "Access token that was issued",
        }
    }
}

/// What became of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// It verifies.
    Verified,
    /// It does not.
    Refused,
    /// Nobody looked at it.
    NotChecked,
    /// The org made it.
    Made,
}

impl Signature {
    /// A few words for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "removed; it had verified",
            Self::Refused => "removed; it had not verified",
            Self::NotChecked => "removed; it was not checked",
            Self::Made => "removed; the org made it",
        }
    }
}

/// A rule, and how a request or a token stands by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Where the rule stands (`RFC 9449 section 4.3, check 9`).
    pub rule: Cow<'static, str>,
    /// What it asks for.
    pub requirement: Cow<'static, str>,
    /// How it stands.
    pub outcome: FindingOutcome,
    /// Why, if it does not hold or cannot be told.
    pub reason: Option<Cow<'static, str>>,
    /// What to change, if it does not hold.
    pub change: Option<Cow<'static, str>>,
}

/// How something stands by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingOutcome {
    /// The rule holds.
    Passed,
    /// It does not.
    Failed,
    /// It was not checked.
    NotChecked,
}

impl FindingOutcome {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotChecked => "not checked",
        }
    }
}

impl Finding {
    /// Whether the rule is broken.
    pub fn is_failed(&self) -> bool {
        self.outcome == FindingOutcome::Failed
    }

    /// What a stylesheet knows its outcome by.
    pub(crate) const fn class(&self) -> &'static str {
        match self.outcome {
            FindingOutcome::Passed => "passed",
            FindingOutcome::Failed => "failed",
            FindingOutcome::NotChecked => "not-checked",
        }
    }
}

impl Token {
    /// Whether it breaks a rule.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(Finding::is_failed)
    }

    /// The header, for people.
    pub fn header_text(&self) -> String {
        pretty(self.header.as_ref())
    }

    /// The claims, for people.
    pub fn claims_text(&self) -> String {
        pretty(self.claims.as_ref())
    }
}

fn pretty(json: Option<&Value>) -> String {
    let text = json.and_then(|json| serde_json::to_string_pretty(json).ok());
    text.unwrap_or_else(|| "(cannot be read)".to_owned())
}

impl Message {
    /// The body, for people.
    pub fn body_text(&self) -> Option<String> {
        let body = self.body.as_ref()?;
        Some(match &body.content {
            Content::Form(parameters) => parameters
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("\n"),
            Content::Json(json) => pretty(Some(json)),
            Content::Removed(reason) => format!("[{} bytes, not shown: {reason}]", body.bytes),
        })
    }
}

impl Exchange {
    /// Everything that was found out, about the request and about its tokens.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.tokens.iter().flat_map(|token| &token.findings))
    }

    /// The tokens, those first that break a rule.
    pub fn tokens_broken_first(&self) -> Vec<&Token> {
        let mut tokens: Vec<_> = self.tokens.iter().collect();
        tokens.sort_by_key(|token| !token.is_broken());
        tokens
    }

    /// Whether the request as a whole breaks a rule.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(Finding::is_failed)
    }

    /// Who sent it, in words; those of the administrator are no client's.
    pub fn sender(&self) -> Option<String> {
        if self.is_administrator {
            return Some("the administrator".to_owned());
        }
        self.client_id.as_ref().map(|client_id| format!("client {client_id}"))
    }

    /// Whether what it asks for may be done a second time when it is sent again: it changes something, and no proof
    /// that is good only once stands in the way.
    pub fn may_act_again(&self) -> bool {
        let has_proof = self.request.fields.iter().any(|(name, _)| name == "dpop");
        !has_proof && !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The time of day at which it arrived, in UTC.
    pub fn time(&self) -> String {
        timestamp::utc(NumericDate::from_seconds(self.at)).strftime("%H:%M:%S").to_string()
    }

    /// How long the answer took, in milliseconds.
    pub fn duration(&self) -> String {
        let tenths = self.duration_microseconds / 100;
        format!("{}.{} ms", tenths / 10, tenths % 10)
    }

    /// The request and the answer: what each is called, its first line, and the rest of it.
    pub fn messages(&self) -> [(&'static str, String, &Message); 2] {
        let status = self.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let asked = format!("{} {}", self.method, self.target);
        [("Request", asked, &self.request), ("Answer", status, &self.answer)]
    }
}
