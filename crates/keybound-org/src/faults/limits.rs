//! What a fault may say: held to its limits before it is armed.

use std::time::Duration;

use keybound::random::RandomUnavailable;

use super::fault::{Effect, Fault, Frequency, Place, RevokedTokens};
use super::path_pattern::{MAX_PATTERN_CHARACTERS, PathPattern};
use crate::background::Unfinished;
use crate::store::{ServerId, StoreError};

/// Faults that are there at once, at most.
pub(super) const MAX_FAULTS: usize = 100;

/// The org gives each request 30 seconds in all.
const MAX_DELAY: Duration = Duration::from_secs(25);

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The longest wait that a rate limit asks for.
const MAX_RESET: Duration = HOUR;

/// The furthest that the org's clock is set from the right time: ten years.
const MAX_SKEW_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// The longest that a fault lasts by itself: thirty days.
const MAX_LASTING: Duration = HOUR.saturating_mul(24 * 30);

const MAX_TIMES: u64 = 1_000_000;

/// Characters of a method or an identifier that a fault names, at most.
const MAX_ID_CHARACTERS: usize = 256;

/// Why a fault is not armed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// There are as many faults as there may be.
    #[error(
        "there are {MAX_FAULTS} faults that are not over, which is as many as there may be; remove some first"
    )]
    TooMany,
    /// The number of requests is none.
    #[error("times is {0}; it is a number of requests, 1 to {MAX_TIMES}")]
    Times(u64),
    /// The probability is none that can happen.
    #[error("probability is {0}; it is greater than 0 and at most 1")]
    Probability(f64),
    /// The fault would last too short or too long.
    #[error("a fault that lasts {0} s cannot be; it lasts for 1 to {longest} s", longest = MAX_LASTING.as_secs())]
    Lasting(u64),
    /// The delay is too long.
    #[error(
        "a delay of {0} ms is too long; it is {longest} ms at most, since the org gives each request 30 s",
        longest = MAX_DELAY.as_millis()
    )]
    Delay(u128),
    /// A slow answer without a delay is no fault.
    #[error("slow needs a delay: delay_ms (--delay-ms), 1 to {longest}", longest = MAX_DELAY.as_millis())]
    NoDelay,
    /// The status is none of a server error.
    #[error("status is {0}; a server error has one from 500 to 599")]
    Status(u16),
    /// The limit would last too long.
    #[error(
        "a rate limit that ends after {0} s cannot be; it ends after 1 to {longest} s",
        longest = MAX_RESET.as_secs()
    )]
    Reset(u64),
    /// The clock would be too far off.
    #[error("a clock that is off by {0} s cannot be; it is off by 1 to {MAX_SKEW_SECONDS} s")]
    Skew(i64),
    /// The path is no pattern.
    #[error(
        "path is no pattern of paths: it begins with `/`, has {MAX_PATTERN_CHARACTERS} characters at most and no \
         query; `*` stands for one whole segment, `**` for any number of them at the end"
    )]
    Path,
    /// A name of something is empty, too long, or not fit to be shown.
    #[error("{0} has 1 to {MAX_ID_CHARACTERS} characters, none of them a control character")]
    Identifier(&'static str),
    /// What is to be revoked is no access token, or has no `jti`.
    #[error(
        "the token to revoke has no jti of 1 to {MAX_ID_CHARACTERS} characters: it is no access token of this org"
    )]
    NotAToken,
    /// The clock is one for all requests.
    #[error("the clock is one for the whole org: of a clock-skew can only be said how long it lasts")]
    ClockIsForAll,
    /// The org has no such authorization server.
    #[error("there is no authorization server with the id `{0}`")]
    UnknownServer(String),
    /// Tokens were revoked at once for more clients than can be remembered.
    #[error("the tokens of too many clients were revoked at once to remember one more; revoke all")]
    TooManyRevocations,
    /// The org's data cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness for a new nonce.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// It was interrupted.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

impl FaultError {
    /// Whether it is the org that failed, and not what was asked for that is wrong.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Random(_) | Self::Unfinished(_))
    }
}

impl Fault {
    /// Refuses what cannot be; gives the paths that it is kept to.
    pub(super) fn checked(&self) -> Result<Option<PathPattern>, FaultError> {
        self.kind.check(self)?;
        self.frequency.check()?;
        if self.delay > MAX_DELAY {
            return Err(FaultError::Delay(self.delay.as_millis()));
        }
        self.place.check()
    }
}

impl Effect {
    fn check(&self, fault: &Fault) -> Result<(), FaultError> {
        match self {
            Self::Slow if fault.delay.is_zero() => Err(FaultError::NoDelay),
            Self::RateLimited { reset_after }
                if !(1..=MAX_RESET.as_secs()).contains(&reset_after.as_secs()) =>
            {
                Err(FaultError::Reset(reset_after.as_secs()))
            }
            Self::ServerError { status, .. } if !(500..=599).contains(status) => {
                Err(FaultError::Status(*status))
            }
            Self::ClockSkew { seconds } => {
                if !(1..=MAX_SKEW_SECONDS).contains(&seconds.unsigned_abs()) {
                    return Err(FaultError::Skew(*seconds));
                }
                let frequency = Frequency { lasts: fault.frequency.lasts, ..Frequency::default() };
                let is_for_all = fault.place == Place::default() && fault.frequency == frequency;
                if is_for_all && fault.delay.is_zero() { Ok(()) } else { Err(FaultError::ClockIsForAll) }
            }
            Self::RevokeToken(RevokedTokens::Identified(jwt_id)) => {
                identifier("jti", jwt_id).map_err(|_| FaultError::NotAToken)
            }
            Self::RevokeToken(RevokedTokens::OfClient(client_id)) => identifier("of_client", client_id),
            Self::RotateKey { server: ServerId::Custom(id), .. } => identifier("server", id),
            _ => Ok(()),
        }
    }
}

impl Frequency {
    fn check(&self) -> Result<(), FaultError> {
        if let Some(times) = self.times.filter(|times| !(1..=MAX_TIMES).contains(times)) {
            return Err(FaultError::Times(times));
        }
        if let Some(probability) = self.probability.filter(|chance| !(*chance > 0.0 && *chance <= 1.0)) {
            return Err(FaultError::Probability(probability));
        }
        match self.lasts {
            Some(lasts) if lasts.as_secs() == 0 || lasts > MAX_LASTING => {
                Err(FaultError::Lasting(lasts.as_secs()))
            }
            _ => Ok(()),
        }
    }
}

impl Place {
    fn check(&self) -> Result<Option<PathPattern>, FaultError> {
        if let Some(method) = &self.method {
            identifier("method", method.as_str())?;
        }
        if let Some(client_id) = &self.client_id {
            identifier("client_id", client_id)?;
        }
        let pattern = |text: &String| PathPattern::parse(text).ok_or(FaultError::Path);
        self.path.as_ref().map(pattern).transpose()
    }
}

fn identifier(name: &'static str, text: &str) -> Result<(), FaultError> {
    // Whoever lists the faults on a terminal is shown it.
    if text.is_empty() || text.len() > MAX_ID_CHARACTERS || text.chars().any(char::is_control) {
        return Err(FaultError::Identifier(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fault::{ErrorBody, OldKey};
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_the_limit_that_it_breaks() {
        let limited = Fault::rate_limited;
        let seconds = Duration::from_secs;
        let long = "x".repeat(MAX_ID_CHARACTERS + 1);
        for (fault, words) in [
            (limited().times(0), "times is 0"),
            (limited().times(MAX_TIMES + 1), "times is 1000001"),
            (limited().with_probability(0.0), "probability is 0"),
            (limited().with_probability(1.1), "probability is 1.1"),
            (limited().with_probability(f64::NAN), "probability is NaN"),
            (limited().lasting(Duration::ZERO), "lasts 0 s"),
            (limited().lasting(MAX_LASTING + seconds(1)), "lasts 2592001 s"),
            (limited().delayed(MAX_DELAY + Duration::from_millis(1)), "25001 ms"),
            (limited().on_path("users"), "path is no pattern"),
            (limited().of_client(""), "client_id has 1 to 256"),
            (limited().of_client(long.clone()), "client_id has 1 to 256"),
            (limited().of_client("0oa\u{1b}[2J"), "none of them a control character"),
            (
                Fault::revoke_tokens(RevokedTokens::OfClient("0oa\n1".to_owned())),
                "none of them a control character",
            ),
            (Fault::revoke_tokens(RevokedTokens::Identified("AT.\u{9b}2J".to_owned())), "no jti"),
            (Fault::slow(Duration::ZERO), "slow needs a delay"),
            (Fault::rate_limited_for(Duration::ZERO), "ends after 0 s"),
            (Fault::rate_limited_for(MAX_RESET + seconds(1)), "ends after 3601 s"),
            (Fault::server_error(499, ErrorBody::None), "status is 499"),
            (Fault::server_error(600, ErrorBody::None), "status is 600"),
            (Fault::clock_skew(0), "off by 0 s"),
            (Fault::clock_skew(i64::MIN), "cannot be"),
            (Fault::clock_skew(5).times(1), "one for the whole org"),
            (Fault::clock_skew(5).on_path("/"), "one for the whole org"),
            (Fault::clock_skew(5).delayed(seconds(1)), "one for the whole org"),
            (Fault::revoke_token("not a token"), "no jti"),
            (Fault::revoke_tokens(RevokedTokens::OfClient(long)), "of_client has"),
            (Fault::rotate_key(ServerId::Custom(String::new()), OldKey::Gone), "server has"),
        ] {
            let error = fault.checked().unwrap_err().to_string();
            assert!(error.contains(words), "{words} is not in {error}");
        }
        for good in [
            limited().times(MAX_TIMES).with_probability(1.0).lasting(MAX_LASTING).delayed(MAX_DELAY),
            Fault::clock_skew(-5).lasting(seconds(1)),
            Fault::server_error(599, ErrorBody::None),
        ] {
            assert!(good.checked().is_ok(), "{good:?}");
        }
    }
}
