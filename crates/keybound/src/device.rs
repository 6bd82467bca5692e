//! The device authorization grant without IO (RFC 8628): a program asks for two codes, shows one to the
//! user, who approves on another device, and meanwhile polls the token endpoint with the other.
//!
//! [`DeviceExchange`] asks, [`DeviceAuthorization`] is the answer, and its
//! [`grant`](DeviceAuthorization::grant) is what a [`TokenExchange`](crate::exchange::TokenExchange) polls
//! with.

use std::time::Duration;

use http::{Response, StatusCode};

use crate::endpoint::{Endpoint, EndpointError};
use crate::exchange::form::{Fields, FormExchange, Received};
use crate::exchange::{Attempt, ClientIdentity, ExchangeError};
use crate::json::{MemberError, NotStrictJson, Object};
use crate::numeric_date::NumericDate;
use crate::random::{Random, RandomUnavailable};
use crate::secret::Secret;

/// How long to wait between two polls where the server does not say (RFC 8628 section 3.2).
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// What `slow_down` adds to the interval (RFC 8628 section 3.5).
pub const SLOW_DOWN: Duration = Duration::from_secs(5);

/// The shortest interval that is kept, whatever the server says: one without a pause would be an attack.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of a user code, at most. Nobody types more; servers use 8 to 12.
pub const MAX_USER_CODE_BYTES: usize = 64;

/// Bytes of a device code, at most: as long as a token in a form may be.
const MAX_DEVICE_CODE_BYTES: usize = crate::access_token::MAX_ACCESS_TOKEN_BYTES;

/// A device authorization request (RFC 8628 section 3.1).
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// The device authorization endpoint.
    pub endpoint: Endpoint,
    /// The client, which authenticates as at the token endpoint.
    pub client: ClientIdentity,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// The resources that the token is for (RFC 8707 section 2).
    pub resources: Vec<String>,
}

/// A device authorization request in progress. It has no proof: RFC 9449 defines none for this endpoint, and
/// the token becomes bound when the device code is exchanged.
#[derive(Debug)]
pub struct DeviceExchange {
    request: DeviceRequest,
    form: FormExchange,
}

/// What the server answered: what to show to the user, and what to poll with (RFC 8628 section 3.2).
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    grant: DeviceGrant,
    /// What the user types at the verification URI.
    pub user_code: String,
    /// Where.
    pub verification_uri: Endpoint,
    /// The same with the code in it, for a QR code.
    pub verification_uri_complete: Option<Endpoint>,
}

/// A device code, and when it is to be polled with. It comes out of a [`DeviceAuthorization`] alone.
#[derive(Clone, Debug)]
pub struct DeviceGrant {
    device_code: Secret,
    pub(crate) polling: Polling,
}

/// When to poll (RFC 8628 sections 3.2 and 3.5), as pure data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    interval: Duration,
    expires_at: NumericDate,
}

/// Why a device authorization response can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The server refused the request, or the answer is not one of its.
    #[error("the device authorization request failed: {0}")]
    Exchange(#[from] ExchangeError),
    /// The server asked for a nonce, and no proof goes there.
    #[error("the device authorization endpoint asked for a DPoP proof, for which no specification provides")]
    Challenged,
    /// Not JSON that can be relied on.
    #[error("the device authorization response is {0}")]
    NotStrictJson(#[from] NotStrictJson),
    /// A member is missing or of another type.
    #[error("the device authorization response cannot be used: {0} (RFC 8628 section 3.2)")]
    Member(#[from] MemberError),
    /// The user code can't be shown or typed, or the device code can't be sent.
    #[error(
        "the `{name}` of the device authorization response is empty, too long, or has characters that it can't have"
    )]
    Code {
        /// `user_code` or `device_code`.
        name: &'static str,
    },
    /// A URI that the user should not be sent to.
    #[error("the `{name}` of the device authorization response can't be used: {reason}")]
    Uri {
        /// The member.
        name: &'static str,
        /// What is wrong with it.
        reason: EndpointError,
    },
}

impl DeviceExchange {
    /// Begins the request.
    pub fn new(request: DeviceRequest) -> Self {
        let form = FormExchange::new(request.endpoint.clone(), request.client.clone(), None, None);
        Self { request, form }
    }

    /// The request to send, with a fresh client assertion if the client has a key.
    pub fn attempt(&mut self, now: NumericDate, random: &dyn Random) -> Result<Attempt, RandomUnavailable> {
        let mut fields = Fields::default();
        fields.push("client_id", &self.request.client.id);
        fields.push_scopes(&self.request.scopes);
        for resource in &self.request.resources {
            fields.push("resource", resource);
        }
        self.form.attempt(fields, now, random)
    }

    /// Takes the answer.
    pub fn receive<B: AsRef<[u8]>>(
        &mut self,
        answer: &Response<B>,
    ) -> Result<DeviceAuthorization, DeviceError> {
        match self.form.receive(answer, StatusCode::OK)? {
            Received::Answer => DeviceAuthorization::parse(answer.body().as_ref(), self.form.attempted_at()),
            Received::Challenge => Err(DeviceError::Challenged),
        }
    }
}

impl DeviceAuthorization {
    /// Reads the answer to a request of the time `now`.
    pub fn parse(json: &[u8], now: NumericDate) -> Result<Self, DeviceError> {
        let answer = Object::parse(json)?.without_nulls();
        let is_shown = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let device_code =
            code(&answer, "device_code", MAX_DEVICE_CODE_BYTES, |byte| byte.is_ascii_graphic())?;
        let user_code = code(&answer, "user_code", MAX_USER_CODE_BYTES, is_shown)?;
        let lifetime = answer.optional_duration("expires_in")?.ok_or(MemberError::Missing("expires_in"))?;
        let interval = answer.optional_duration("interval")?.unwrap_or(DEFAULT_INTERVAL);
        Ok(Self {
            grant: DeviceGrant {
                device_code: Secret::new(device_code),
                polling: Polling::new(interval, now.after(lifetime)),
            },
            user_code: user_code.to_owned(),
            verification_uri: uri(&answer, "verification_uri")?
                .ok_or(MemberError::Missing("verification_uri"))?,
            verification_uri_complete: uri(&answer, "verification_uri_complete")?,
        })
    }

    /// What to poll the token endpoint with.
    pub fn grant(&self) -> &DeviceGrant {
        &self.grant
    }
}

impl DeviceGrant {
    pub(crate) fn device_code(&self) -> &Secret {
        &self.device_code
    }

    /// When to poll.
    pub fn polling(&self) -> Polling {
        self.polling
    }
}

impl Polling {
    /// Polls every `interval` until `expires_at`.
    pub fn new(interval: Duration, expires_at: NumericDate) -> Self {
        Self { interval: interval.max(SHORTEST_INTERVAL), expires_at }
    }

    /// How long to wait between two polls, and before the first.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long to wait after a poll at `now`; `None` if the code will have expired by then.
    pub fn wait(&self, now: NumericDate) -> Option<Duration> {
        (now.after(self.interval) < self.expires_at).then_some(self.interval)
    }

    /// The server wants longer intervals, from now on (RFC 8628 section 3.5).
    pub fn slow_down(&mut self) {
        self.interval = self.interval.saturating_add(SLOW_DOWN);
    }

    /// No answer came: polls are made half as often, from now on (RFC 8628 section 3.5).
    pub fn back_off(&mut self) {
        self.interval = self.interval.saturating_mul(2);
    }

    /// When the code expires, by the clock that the request was made with.
    pub fn expires_at(&self) -> NumericDate {
        self.expires_at
    }
}

fn code<'a>(
    answer: &'a Object<'_>,
    name: &'static str,
    limit: usize,
    is_allowed: impl Fn(u8) -> bool,
) -> Result<&'a str, DeviceError> {
    let code = answer.string(name)?;
    if code.trim().is_empty() || code.len() > limit || !code.bytes().all(is_allowed) {
        return Err(DeviceError::Code { name });
    }
    Ok(code)
}

fn uri(answer: &Object<'_>, name: &'static str) -> Result<Option<Endpoint>, DeviceError> {
    let Some(text) = answer.optional_string(name)? else { return Ok(None) };
    Endpoint::parse(text).map(Some).map_err(|reason| DeviceError::Uri { name, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    #[test]
    fn the_answer_of_the_specification_is_read() {
        // The example of RFC 8628 section 3.2.
        let authorization = DeviceAuthorization::parse(
            br#"{"device_code":"GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS","user_code":"WDJB-MJHT",
            "verification_uri":"https://example.com/device",
            "verification_uri_complete":"https://example.com/device?user_code=WDJB-MJHT",
            "expires_in":1800,"interval":5}"#,
            NOW,
        )
        .unwrap();
        assert_eq!(authorization.user_code, "WDJB-MJHT");
        assert_eq!(authorization.verification_uri.to_string(), "https://example.com/device");
        assert_eq!(
            authorization.verification_uri_complete.as_ref().unwrap().to_string(),
            "https://example.com/device?user_code=WDJB-MJHT"
        );
        let grant = authorization.grant();
        assert_eq!(grant.device_code().expose(), "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS");
        assert_eq!(grant.polling().expires_at(), NOW.after(Duration::from_secs(1800)));
        assert_eq!(grant.polling().wait(NOW), Some(Duration::from_secs(5)));
        assert!(!format!("{authorization:?}").contains("GmRhmhcx"), "the device code is a secret");
    }

    #[test]
    fn an_answer_that_breaks_a_rule_is_refused_by_that_rule() {
        use DeviceError::{Code, Member, Uri};
        let code = |code: &str, uri: &str| {
            format!(
                r#"{{"device_code":"{code}","user_code":"A","verification_uri":"{uri}","expires_in":60}}"#
            )
        };
        let user_code = |code: &str| {
            format!(
                r#"{{"device_code":"d","user_code":"{code}","verification_uri":"https://as.example","expires_in":60}}"#
            )
        };
        let with = |more: &str| {
            format!(r#"{{"device_code":"d","user_code":"A","verification_uri":"https://as.example",{more}}}"#)
        };
        let (fine, not_secure) = ("https://as.example/d", EndpointError::NotSecure);
        let wrong = |name| Member(MemberError::WrongType { name, expected: "a number of seconds" });
        for (json, refusal, why) in [
            (code("", fine), Code { name: "device_code" }, "an empty device code"),
            (code("a b", fine), Code { name: "device_code" }, "a space in the device code"),
            (user_code(""), Code { name: "user_code" }, "an empty user code"),
            (user_code(" "), Code { name: "user_code" }, "a user code that can't be seen"),
            (user_code("\\u001b[2J"), Code { name: "user_code" }, "one that writes over the terminal"),
            (user_code(&"A".repeat(65)), Code { name: "user_code" }, "one that nobody types"),
            (
                code("d", "http://as.example/d"),
                Uri { name: "verification_uri", reason: not_secure },
                "a password typed over plain http",
            ),
            (
                with(r#""expires_in":60,"verification_uri_complete":"http://as.example""#),
                Uri { name: "verification_uri_complete", reason: not_secure },
                "the same with the code in it",
            ),
            (with(r#""interval":5"#), Member(MemberError::Missing("expires_in")), "no end: section 3.2"),
            (with(r#""expires_in":"a minute""#), wrong("expires_in"), "a string"),
            (with(r#""expires_in":60,"interval":-1"#), wrong("interval"), "an interval before zero"),
        ] {
            let refused = DeviceAuthorization::parse(json.as_bytes(), NOW).map(drop);
            assert_eq!(refused, Err(refusal), "{why}: {json}");
        }
        assert!(matches!(DeviceAuthorization::parse(b"[]", NOW), Err(DeviceError::NotStrictJson(_))));
    }

    #[test]
    fn polls_keep_the_interval_and_end_before_the_code_does() {
        let seconds = Duration::from_secs;
        let every = |interval, lifetime| Polling::new(seconds(interval), NOW.after(seconds(lifetime)));
        for (polling, wait, why) in [
            (every(5, 60), Some(5), "RFC 8628 section 3.2"),
            (every(0, 60), Some(1), "never without a pause"),
            (every(60, 60), None, "expired by then"),
            (every(59, 60), Some(59), "just before"),
            (every(u64::MAX, 60), None, "beyond all time"),
            (every(5, 0), None, "expired from the start"),
        ] {
            assert_eq!(polling.wait(NOW).map(|wait| wait.as_secs()), wait, "{why}");
        }
    }

    proptest! {
        #[test]
        fn slowing_down_never_shortens_a_wait(interval: u64, lifetime: u64, times in 0_u8..10) {
            let mut polling =
                Polling::new(Duration::from_secs(interval), NOW.after(Duration::from_secs(lifetime)));
            let mut before = polling.interval;
            for turn in 0..times {
                if turn % 2 == 0 { polling.slow_down() } else { polling.back_off() }
                prop_assert!(polling.interval > before || before > Duration::from_secs(u64::MAX / 2));
                before = polling.interval;
                if let Some(wait) = polling.wait(NOW) {
                    prop_assert!(wait == polling.interval && NOW.after(wait) < polling.expires_at());
                }
            }
        }
    }
}
