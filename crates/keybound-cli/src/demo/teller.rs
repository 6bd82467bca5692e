//! How the story is told: what was sent, what came back, and why, aligned for a person to follow.
//!
//! It reads the requests and answers as they went over the wire, so what it shows is what happened.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use serde_json::{Map, Value};

use super::redaction::{Redaction, decoded};
use super::stage::{Fact, Scene};
use super::story::{Expected, Step};
use super::verdict::{challenge, json_body};
use crate::output::{BAD, FAINT, GOOD, NAME, Output, TITLE};
use crate::report::Outcome;

/// Columns of a line, at most; longer texts are broken between words.
const WIDTH: usize = 100;
/// Where the text of a labelled line starts.
const INDENT: usize = 12;
/// Users whose names are shown.
const NAMES_SHOWN: usize = 3;

pub(super) struct Teller {
    pub(super) output: Output,
    pub(super) redaction: Redaction,
}

impl Teller {
    pub(super) fn part(&self, number: usize, title: &str) -> Outcome {
        let title = format!("Part {number}. {title}");
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 1));
        self.output.line(format_args!("\n{TITLE}{title}{TITLE:#} {FAINT}{rule}{FAINT:#}"))
    }

    pub(super) fn title(&self, number: usize, step: &Step) -> Outcome {
        self.output.line(format_args!("\n{NAME}{number:>3}{NAME:#}  {TITLE}{}{TITLE:#}", step.title))
    }

    pub(super) fn scene(&self, scene: &Scene) -> Outcome {
        match scene {
            Scene::Settled(facts) => facts.iter().try_for_each(|fact| self.fact(fact)),
            Scene::Exchanged(exchange) => {
                self.request(&exchange.request)?;
                self.response(&exchange.response)
            }
        }
    }

    pub(super) fn as_told(&self, step: &Step) -> Outcome {
        self.labelled("why", step.why)?;
        if let Expected::Refused { rule, .. } = step.expected {
            self.labelled("rule", &rule.to_string())?;
        }
        self.output.line(format_args!("     {GOOD}✓{GOOD:#}      {GOOD}as told{GOOD:#}"))
    }

    pub(super) fn not_as_told(&self, reason: &str) -> Outcome {
        self.output.line(format_args!("     {BAD}✗      {reason}{BAD:#}"))
    }

    fn fact(&self, fact: &Fact) -> Outcome {
        match fact {
            Fact::Open { label, text } => self.labelled(label, text),
            Fact::PrivateKey(pem) => self.continued(&format!("private half: {}", self.redaction.key(pem))),
        }
    }

    fn request(&self, request: &Request<Bytes>) -> Outcome {
        self.labelled("sent", &format!("{} {}", request.method(), request.uri()))?;
        if let Some(credential) = text(request.headers(), header::AUTHORIZATION.as_str()) {
            let (scheme, token) = credential.split_once(' ').unwrap_or_default();
            self.continued(&format!("Authorization: {scheme} {}", self.redaction.token(token)))?;
        }
        if let Some(proof) = text(request.headers(), "dpop") {
            self.continued(&format!("DPoP: {}", self.redaction.token(proof)))?;
            self.jws(proof)?;
        }
        self.form(request.body())
    }

    /// The form of a token request: the client assertion by itself, the rest in one line.
    fn form(&self, body: &Bytes) -> Outcome {
        let fields: Vec<_> = url::form_urlencoded::parse(body).collect();
        let (assertion, rest): (Vec<_>, Vec<_>) =
            fields.iter().partition(|(name, _)| name == "client_assertion");
        let rest: Vec<_> = rest.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !rest.is_empty() {
            self.continued(&rest.join("  "))?;
        }
        for (name, value) in assertion {
            self.continued(&format!("{name}={}", self.redaction.token(value)))?;
            self.jws(value)?;
        }
        Ok(())
    }

    /// What a JWS says, which is no secret: its signature is.
    fn jws(&self, jws: &str) -> Outcome {
        let Some((mut header, claims)) = decoded(jws) else { return Ok(()) };
        shorten_key(&mut header);
        self.faint(&format!("  header {header}"))?;
        self.faint(&format!("  claims {claims}"))
    }

    fn response(&self, response: &Response<Bytes>) -> Outcome {
        self.labelled("back", &response.status().to_string())?;
        if let Some(nonce) = text(response.headers(), "dpop-nonce") {
            self.continued(&format!("DPoP-Nonce: {nonce}"))?;
        }
        if challenge(response.headers(), "error").is_some() {
            let challenge = text(response.headers(), header::WWW_AUTHENTICATE.as_str()).unwrap_or_default();
            self.continued(&format!("WWW-Authenticate: {challenge}"))?;
        }
        match json_body(response) {
            Some(Value::Array(users)) => self.continued(&summary(&users)),
            Some(Value::Object(body)) if body.contains_key("errorCode") => self.okta_error(&body),
            Some(Value::Object(body)) => self.members(&body),
            _ => Ok(()),
        }
    }

    /// Okta's error body; its causes say what the challenge has said.
    fn okta_error(&self, body: &Map<String, Value>) -> Outcome {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        self.continued(&format!("{}: {}", text("errorCode"), text("errorSummary")))
    }

    fn members(&self, body: &Map<String, Value>) -> Outcome {
        if let Some(profile) = body.get("profile") {
            return self.continued(&format!("1 user: {}", name(profile)));
        }
        for (name, value) in body {
            match (name.as_str(), value) {
                ("access_token", Value::String(token)) => {
                    self.continued(&format!("{name}: {}", self.redaction.token(token)))?;
                    self.jws(token)?;
                }
                (_, Value::String(text)) => self.continued(&format!("{name}: {text}"))?,
                (_, value) => self.continued(&format!("{name}: {value}"))?,
            }
        }
        Ok(())
    }

    fn labelled(&self, label: &str, text: &str) -> Outcome {
        let mut lines = broken(text).into_iter();
        let first = lines.next().unwrap_or_default();
        self.output.line(format_args!("     {FAINT}{label:<6}{FAINT:#} {first}"))?;
        lines.try_for_each(|line| self.output.line(format_args!("{:INDENT$}{line}", "")))
    }

    fn continued(&self, text: &str) -> Outcome {
        broken(text).into_iter().try_for_each(|line| self.output.line(format_args!("{:INDENT$}{line}", "")))
    }

    fn faint(&self, text: &str) -> Outcome {
        broken(text)
            .into_iter()
            .try_for_each(|line| self.output.line(format_args!("{:INDENT$}{FAINT}{line}{FAINT:#}", "")))
    }
}

/// The header's `jwk` fills lines; what tells one from another is its beginning.
fn shorten_key(header: &mut Value) {
    const SHOWN_CHARACTERS: usize = 8;
    let Some(Value::Object(jwk)) = header.get_mut("jwk") else { return };
    for name in ["x", "y", "n"] {
        if let Some(Value::String(value)) = jwk.get_mut(name) {
            *value = value.chars().take(SHOWN_CHARACTERS).chain(['…']).collect();
        }
    }
}

fn summary(users: &[Value]) -> String {
    let mut names: Vec<String> =
        users.iter().take(NAMES_SHOWN).filter_map(|user| user.get("profile")).map(name).collect();
    if users.len() > NAMES_SHOWN {
        names.push("…".to_owned());
    }
    format!("{} users: {}", users.len(), names.join(", "))
}

fn name(profile: &Value) -> String {
    let part = |member: &str| profile.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{} {} <{}>", part("firstName"), part("lastName"), part("email"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Lines of at most [`WIDTH`] columns less the indent, broken at spaces, and after commas where JSON has
/// no spaces. What cannot be broken stays long.
fn broken(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for given in text.lines() {
        let indent = given.len() - given.trim_start().len() + 2;
        let mut line = String::new();
        for piece in given.split_inclusive([' ', ',']) {
            let length = line.chars().count() + piece.trim_end().chars().count();
            if !line.is_empty() && length > WIDTH - INDENT {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)).trim_end().to_owned());
            }
            line.push_str(piece);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}
