//! Faults as JSON: read strictly, so that no slip of the pen arms another fault than was meant, and written as they can
//! be read again.

use std::time::Duration;

use http::Method;
use keybound::json::{Object, Value as StrictValue};
use serde_json::{Map, Value, json};

use super::fault::{
    Cut, Effect, EndpointKind, ErrorBody, Fault, FaultKind, OldKey, OldNonces, RevokedTokens,
};
use super::list::ArmedFault;
use crate::store::ServerId;

/// What can be said of every fault but a wrong clock.
const COMMON: [&str; 9] =
    ["kind", "method", "path", "client_id", "endpoint", "times", "probability", "for_seconds", "delay_ms"];

/// The id by which the org's own authorization server is named.
const ORG: &str = "org";

/// How long a rate limit lasts of which it is not said.
const RESET_AFTER_SECONDS: u64 = 1;

impl FaultKind {
    /// What else can be said of a fault of this kind.
    const fn members(self) -> &'static [&'static str] {
        match self {
            Self::Slow | Self::Replay => &[],
            Self::RateLimited => &["reset_after_seconds"],
            Self::ServerError => &["status", "body"],
            Self::CutConnection => &["at"],
            Self::ClockSkew => &["seconds"],
            Self::RotateNonce => &["old"],
            Self::RotateKey => &["server", "old"],
            Self::RevokeToken => &["token", "jti", "of_client", "all", "presented"],
        }
    }
}

/// Reads a fault of this kind whose members are typed as text, such as those of a form.
pub(crate) fn read_members<'t>(
    kind: FaultKind,
    typed: impl Fn(&str) -> Option<&'t str>,
) -> Result<Fault, String> {
    let mut object = Map::new();
    for name in COMMON.iter().chain(kind.members()).copied() {
        let Some(text) = typed(name) else { continue };
        // What is no number is left as it is, to be refused as such.
        let value = match name {
            "times" | "for_seconds" | "delay_ms" | "reset_after_seconds" | "status" | "seconds" => {
                text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
            }
            "probability" => text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number)),
            "all" | "presented" => json!(text == "true"),
            _ => json!(text),
        };
        object.insert(name.to_owned(), value);
    }
    object.insert("kind".to_owned(), json!(kind.name()));
    read(Value::Object(object).to_string().as_bytes())
}

/// Reads a fault; the error says what is wrong, and never repeats a value: it may be a token.
pub(crate) fn read(text: &[u8]) -> Result<Fault, String> {
    let object = Object::parse(text).map_err(|error| error.to_string())?;
    let members = Members(&object);
    let kind = members
        .one_of("kind", FaultKind::ALL, FaultKind::name)?
        .ok_or_else(|| format!("kind is missing; it is one of {}", names(FaultKind::ALL, FaultKind::name)))?;
    members.refuse_unknown(kind)?;
    let mut fault = Fault::new(members.kind(kind)?);
    if let Some(method) = members.text("method")? {
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes());
        fault.place.method = Some(method.map_err(|_| "method is none".to_owned())?);
    }
    fault.place.path = members.text("path")?;
    fault.place.client_id = members.text("client_id")?;
    fault.place.endpoint =
        members.one_of("endpoint", EndpointKind::ALL, EndpointKind::name)?.unwrap_or_default();
    fault.frequency.times = members.whole("times")?;
    fault.frequency.probability = members.number("probability")?;
    fault.frequency.lasts = members.whole("for_seconds")?.map(Duration::from_secs);
    fault.delay = Duration::from_millis(members.whole("delay_ms")?.unwrap_or_default());
    Ok(fault)
}

/// The members of a fault that is read.
struct Members<'o>(&'o Object<'o>);

impl Members<'_> {
    fn kind(&self, kind: FaultKind) -> Result<Effect, String> {
        Ok(match kind {
            FaultKind::Slow => Effect::Slow,
            FaultKind::Replay => Effect::Replay,
            FaultKind::RateLimited => {
                let seconds = self.whole("reset_after_seconds")?.unwrap_or(RESET_AFTER_SECONDS);
                Effect::RateLimited { reset_after: Duration::from_secs(seconds) }
            }
            FaultKind::ServerError => {
                let status = u16::try_from(self.whole("status")?.unwrap_or(500)).unwrap_or(u16::MAX);
                let body = self.one_of("body", ErrorBody::ALL, ErrorBody::name)?;
                Effect::ServerError { status, body: body.unwrap_or(ErrorBody::Okta) }
            }
            FaultKind::CutConnection => {
                let cut = self.one_of("at", Cut::ALL, Cut::name)?;
                Effect::CutConnection(cut.unwrap_or(Cut::BeforeAnswer))
            }
            FaultKind::ClockSkew => Effect::ClockSkew { seconds: self.signed("seconds")? },
            FaultKind::RotateNonce => {
                let old = self.one_of("old", OldNonces::ALL, OldNonces::name)?;
                Effect::RotateNonce { old: old.unwrap_or(OldNonces::Refused) }
            }
            FaultKind::RotateKey => {
                let server = match self.text("server")? {
                    Some(id) if id != ORG => ServerId::Custom(id),
                    _ => ServerId::Org,
                };
                let old = self.one_of("old", OldKey::ALL, OldKey::name)?;
                Effect::RotateKey { server, old: old.unwrap_or(OldKey::Published) }
            }
            FaultKind::RevokeToken => Effect::RevokeToken(self.revoked()?),
        })
    }

    fn revoked(&self) -> Result<RevokedTokens, String> {
        let one =
            "revoke-token needs one of token, jti, of_client, all and presented, and the last two are true";
        let flag = |name: &'static str, which: RevokedTokens| match self.0.get(name) {
            None => Ok(None),
            Some(StrictValue::Bool(true)) => Ok(Some(which)),
            Some(_) => Err(one.to_owned()),
        };
        let of_token = |token: String| match Fault::revoke_token(&token).kind {
            Effect::RevokeToken(which) => Some(which),
            _ => None,
        };
        let said = [
            self.text("token")?.and_then(of_token),
            self.text("jti")?.map(RevokedTokens::Identified),
            self.text("of_client")?.map(RevokedTokens::OfClient),
            flag("all", RevokedTokens::All)?,
            flag("presented", RevokedTokens::Presented)?,
        ];
        let mut said = said.into_iter().flatten();
        match (said.next(), said.next()) {
            (Some(which), None) => Ok(which),
            _ => Err(one.to_owned()),
        }
    }

    fn refuse_unknown(&self, kind: FaultKind) -> Result<(), String> {
        let own = kind.members();
        let is_known = |name: &str| COMMON.contains(&name) || own.contains(&name);
        let Some((unknown, _)) = self.0.members().find(|(name, _)| !is_known(name)) else { return Ok(()) };
        let shown: String = unknown.chars().take(50).collect();
        let known: Vec<_> = COMMON.iter().chain(own).copied().collect();
        Err(format!(
            "{shown} is no member of a fault of kind {}; there are {}",
            kind.name(),
            known.join(", ")
        ))
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, String> {
        let text = self.0.optional_string(name).map_err(|error| error.to_string())?;
        Ok(text.map(str::to_owned))
    }

    fn whole(&self, name: &'static str) -> Result<Option<u64>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(StrictValue::Unsigned(number)) => Ok(Some(*number)),
            Some(_) => Err(format!("{name} is a whole number")),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "all that are not 0 or 1 are refused later")]
    fn number(&self, name: &'static str) -> Result<Option<f64>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(StrictValue::Unsigned(number)) => Ok(Some(*number as f64)),
            Some(StrictValue::Number(number)) => Ok(Some(*number)),
            Some(_) => Err(format!("{name} is a number")),
        }
    }

    /// A whole number that may be negative. Beyond the limits of any, it is the furthest.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, and has no fraction")]
    fn signed(&self, name: &'static str) -> Result<i64, String> {
        match self.0.get(name) {
            Some(StrictValue::Unsigned(number)) => Ok(i64::try_from(*number).unwrap_or(i64::MAX)),
            Some(StrictValue::Number(number)) if number.fract() == 0.0 => Ok(*number as i64),
            _ => Err(format!("{name} is a whole number, negative for a clock that is behind")),
        }
    }

    fn one_of<T: Copy>(
        &self,
        name: &'static str,
        all: &[T],
        name_of: fn(T) -> &'static str,
    ) -> Result<Option<T>, String> {
        let Some(said) = self.text(name)? else { return Ok(None) };
        let found = all.iter().copied().find(|one| name_of(*one) == said);
        found.map(Some).ok_or_else(|| format!("{name} is one of {}", names(all, name_of)))
    }
}

fn names<T: Copy>(all: &[T], name_of: fn(T) -> &'static str) -> String {
    all.iter().map(|one| name_of(*one)).collect::<Vec<_>>().join(", ")
}

impl ArmedFault {
    /// The fault with its name and what has come of it.
    pub(crate) fn json(&self) -> Value {
        let mut members = Map::new();
        members.insert("id".to_owned(), json!(self.id.to_string()));
        members.extend(self.fault.json());
        members.insert("struck".to_owned(), json!(self.struck));
        members.insert("over".to_owned(), json!(self.is_over));
        if let Some(replay) = &self.last_replay {
            let replay = json!({ "status": replay.status, "reason": replay.reason });
            members.insert("last_replay".to_owned(), replay);
        }
        Value::Object(members)
    }
}

impl Fault {
    /// The members that it is read from.
    fn json(&self) -> Map<String, Value> {
        let (place, frequency) = (&self.place, &self.frequency);
        let endpoint = (place.endpoint != EndpointKind::Any).then(|| place.endpoint.name());
        let delay = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        let said = json!({
            "kind": self.kind().name(),
            "method": place.method.as_ref().map(Method::as_str),
            "path": place.path,
            "client_id": place.client_id,
            "endpoint": endpoint,
            "times": frequency.times,
            "probability": frequency.probability,
            "for_seconds": frequency.lasts.map(|lasts| lasts.as_secs()),
            "delay_ms": (delay > 0).then_some(delay),
        });
        let mut members = Map::new();
        for part in [said, self.kind.json()] {
            if let Value::Object(said) = part {
                members.extend(said.into_iter().filter(|(_, value)| !value.is_null()));
            }
        }
        members
    }
}

impl Effect {
    fn json(&self) -> Value {
        match self {
            Self::Slow | Self::Replay => Value::Null,
            Self::RateLimited { reset_after } => json!({ "reset_after_seconds": reset_after.as_secs() }),
            Self::ServerError { status, body } => json!({ "status": status, "body": body.name() }),
            Self::CutConnection(cut) => json!({ "at": cut.name() }),
            Self::ClockSkew { seconds } => json!({ "seconds": seconds }),
            Self::RotateNonce { old } => json!({ "old": old.name() }),
            Self::RotateKey { server, old } => {
                json!({ "server": server.custom().unwrap_or(ORG), "old": old.name() })
            }
            Self::RevokeToken(RevokedTokens::Identified(jwt_id)) => json!({ "jti": jwt_id }),
            Self::RevokeToken(RevokedTokens::OfClient(client_id)) => json!({ "of_client": client_id }),
            Self::RevokeToken(RevokedTokens::All) => json!({ "all": true }),
            Self::RevokeToken(RevokedTokens::Presented) => json!({ "presented": true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        let place = |fault: Fault| {
            let fault = fault.with_method(Method::GET).on_path("/api/v1/users/*").of_client("0oa1");
            fault.on_endpoint(EndpointKind::Api).times(3).with_probability(0.5)
        };
        let seconds = Duration::from_secs;
        for fault in [
            Fault::slow(Duration::from_millis(1_500)),
            place(Fault::rate_limited_for(seconds(5)).lasting(seconds(60)).delayed(seconds(1))),
            Fault::server_error(503, ErrorBody::Html),
            Fault::cut_connection(Cut::InBody),
            Fault::clock_skew(-300),
            Fault::clock_skew(300),
            Fault::rotate_nonce(OldNonces::Accepted),
            Fault::rotate_key(ServerId::Custom("default".to_owned()), OldKey::Gone),
            Fault::rotate_key(ServerId::Org, OldKey::Published),
            Fault::revoke_tokens(RevokedTokens::Identified("AT.1".to_owned())),
            Fault::revoke_tokens(RevokedTokens::OfClient("0oa1".to_owned())),
            Fault::revoke_tokens(RevokedTokens::All),
            Fault::revoke_tokens(RevokedTokens::Presented),
            Fault::replay(),
        ] {
            let written = Value::Object(fault.json()).to_string();
            assert_eq!(read(written.as_bytes()), Ok(fault), "{written}");
        }
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_is_known() {
        for (text, words) in [
            ("", "not a JSON object"),
            ("[]", "not a JSON object"),
            (r#"{"kind":"slow","kind":"slow"}"#, "distinct member names"),
            ("{}", "kind is missing; it is one of slow, rate-limited"),
            (r#"{"kind":"nonsense"}"#, "kind is one of slow"),
            (r#"{"kind":7}"#, "kind"),
            (
                r#"{"kind":"slow","tims":3}"#,
                "tims is no member of a fault of kind slow; there are kind, method",
            ),
            (r#"{"kind":"slow","status":500}"#, "status is no member of a fault of kind slow"),
            (r#"{"kind":"slow","times":"3"}"#, "times is a whole number"),
            (r#"{"kind":"slow","times":-3}"#, "times is a whole number"),
            (r#"{"kind":"slow","times":1.5}"#, "times is a whole number"),
            (r#"{"kind":"slow","probability":"often"}"#, "probability is a number"),
            (r#"{"kind":"slow","method":"a b"}"#, "method is none"),
            (r#"{"kind":"slow","endpoint":"tokens"}"#, "endpoint is one of token, api, any"),
            (r#"{"kind":"clock-skew"}"#, "seconds is a whole number"),
            (r#"{"kind":"clock-skew","seconds":1.5}"#, "seconds is a whole number"),
            (r#"{"kind":"cut-connection","at":"end"}"#, "at is one of before-answer, in-head, in-body"),
            (r#"{"kind":"revoke-token"}"#, "needs one of"),
            (r#"{"kind":"revoke-token","all":true,"jti":"x"}"#, "needs one of"),
            (r#"{"kind":"revoke-token","all":false}"#, "needs one of"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{words} is not in {error}");
        }
        let error = read(br#"{"kind":"revoke-token","token":"eyJsecret","x":1}"#).unwrap_err();
        assert!(!error.contains("eyJ"), "{error}");
    }
}
