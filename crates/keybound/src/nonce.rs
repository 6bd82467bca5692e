//! Server nonces (RFC 9449 sections 8 and 9): the client's copy, and a server that keeps no list.
//!
//! A nonce here is a time with a message authentication code. Any server that holds one of the secrets
//! can check it, so a fleet shares secrets and no state. Secrets rotate: the first makes new nonces, all
//! are accepted.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::base64url;
use crate::cryptography::HmacKey;
use crate::numeric_date::NumericDate;
use crate::random::{Random, RandomUnavailable};

/// Characters of a nonce from a server, at most; servers use 16 to 200.
pub const MAX_NONCE_BYTES: usize = 1024;

/// A nonce as a server gave it in a `DPoP-Nonce` header field, to be sent back unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(String);

/// The text is not a nonce: empty, too long, or with characters beyond NQCHAR (RFC 9449 section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a DPoP-Nonce is 1 to {MAX_NONCE_BYTES} printable ASCII characters without space, `\"` and `\\` (RFC 9449 section 8.1)"
)]
#[non_exhaustive]
pub struct NotANonce;

impl Nonce {
    /// Takes the value of a `DPoP-Nonce` header field.
    pub fn parse(text: &str) -> Result<Self, NotANonce> {
        let is_nqchar = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.is_empty() || text.len() > MAX_NONCE_BYTES || !text.bytes().all(is_nqchar) {
            return Err(NotANonce);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text to put into a proof's `nonce` claim.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A secret that authenticates nonces; servers of a fleet share it.
pub struct NonceSecret {
    key: HmacKey,
    bytes: Zeroizing<[u8; NonceSecret::BYTES]>,
}

impl NonceSecret {
    /// Bytes of a secret: the strength of HMAC-SHA-256.
    pub const BYTES: usize = 32;

    /// A new secret.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomUnavailable> {
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        random.fill(bytes.as_mut_slice())?;
        Ok(Self::from_bytes(&bytes))
    }

    /// A secret that was made before, or that a fleet was given.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        Self { key: HmacKey::new(bytes), bytes: Zeroizing::new(*bytes) }
    }

    /// The secret itself, to store it or to share it with the fleet.
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.bytes
    }
}

impl fmt::Debug for NonceSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NonceSecret(..)")
    }
}

/// How long nonces live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoncePolicy {
    /// A new nonce is made this often; within the period all clients get the same one.
    pub renewed_every: Duration,
    /// A nonce is accepted for this long after the start of its period; longer than `renewed_every`.
    pub accepted_for: Duration,
}

impl Default for NoncePolicy {
    /// A new nonce every minute, accepted for five.
    fn default() -> Self {
        Self { renewed_every: Duration::from_secs(60), accepted_for: Duration::from_secs(300) }
    }
}

/// Why a nonce is refused; the answer to each is `use_dpop_nonce` with a current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NonceRefusal {
    /// No server with one of the secrets made it.
    #[error("the nonce is not one that this server gave")]
    Unknown,
    /// It is one of ours, but older than the policy accepts.
    #[error("the nonce is {age} seconds old, more than the {limit} that are accepted")]
    TooOld {
        /// Seconds since its period began.
        age: u64,
        /// Seconds that are accepted.
        limit: u64,
    },
    /// It is one of ours from a period that has not begun: clocks of the fleet differ.
    #[error("the nonce is from a time that has not come; the clocks of the servers differ")]
    FromFuture,
}

/// Bytes of the time in a nonce; with the code they make 24 bytes, 32 characters, as Okta's nonces have.
const TIME_BYTES: usize = 8;
/// Bytes of the code: 128 bits.
const CODE_BYTES: usize = 16;
const NONCE_BYTES: usize = TIME_BYTES + CODE_BYTES;

/// The nonces of a server or a fleet of servers.
///
/// ```
/// use keybound::random::OperatingSystem;
/// use keybound::{NoncePolicy, NonceSecret, Nonces, NumericDate};
///
/// let nonces = Nonces::new(NoncePolicy::default(), NonceSecret::generate(&OperatingSystem)?);
/// let now = NumericDate::from_seconds(1_800_000_000);
/// let nonce = nonces.current(now);
/// assert!(nonces.check(nonce.as_str(), now).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Nonces {
    policy: NoncePolicy,
    newest: NonceSecret,
    older: Vec<NonceSecret>,
}

impl Nonces {
    /// Nonces made and accepted with one secret. A policy that would refuse a nonce while it is still
    /// given out is widened: a nonce is accepted for two periods at least.
    pub fn new(mut policy: NoncePolicy, secret: NonceSecret) -> Self {
        policy.accepted_for = policy.accepted_for.max(policy.renewed_every.saturating_mul(2));
        Self { policy, newest: secret, older: Vec::new() }
    }

    /// Accepts nonces of `secret` as well, and makes none with it: the one before, or the one to come.
    #[must_use]
    pub fn also_accepting(mut self, secret: NonceSecret) -> Self {
        self.older.push(secret);
        self
    }

    /// The nonce to give to clients at `now`.
    pub fn current(&self, now: NumericDate) -> Nonce {
        // A period of no length would be a division by zero; a second is the shortest that dates tell.
        let period = self.policy.renewed_every.as_secs().max(1);
        let begun = now.seconds() - now.seconds() % period;
        let mut bytes = [0; NONCE_BYTES];
        let (time, code) = bytes.split_at_mut(TIME_BYTES);
        time.copy_from_slice(&begun.to_be_bytes());
        code.copy_from_slice(&code_of(&self.newest, time));
        Nonce(base64url::encode(bytes))
    }

    /// Whether `nonce` is one of ours and current; gives the beginning of its period.
    pub fn check(&self, nonce: &str, now: NumericDate) -> Result<NumericDate, NonceRefusal> {
        let bytes: [u8; NONCE_BYTES] = base64url::decode_array(nonce).map_err(|_| NonceRefusal::Unknown)?;
        let (time, code) = bytes.split_at(TIME_BYTES);
        let is_ours = |secret| subtle::ConstantTimeEq::ct_eq(&code_of(secret, time)[..], code).into();
        if !std::iter::once(&self.newest).chain(&self.older).any(is_ours) {
            return Err(NonceRefusal::Unknown);
        }
        let time: [u8; TIME_BYTES] = time.try_into().map_err(|_| NonceRefusal::Unknown)?;
        let begun = NumericDate::from_seconds(u64::from_be_bytes(time));
        // A server whose clock is ahead by less than a period gives a nonce that is not yet ours to give.
        if begun > now.after(self.policy.renewed_every) {
            return Err(NonceRefusal::FromFuture);
        }
        let (age, limit) = (now.since(begun).as_secs(), self.policy.accepted_for.as_secs());
        if age > limit { Err(NonceRefusal::TooOld { age, limit }) } else { Ok(begun) }
    }
}

fn code_of(secret: &NonceSecret, time: &[u8]) -> [u8; CODE_BYTES] {
    let whole = secret.key.code(time);
    let mut code = [0; CODE_BYTES];
    for (to, from) in code.iter_mut().zip(&whole) {
        *to = *from;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn okta() -> NoncePolicy {
        NoncePolicy { renewed_every: DAY, accepted_for: 3 * DAY }
    }

    fn secret(byte: u8) -> NonceSecret {
        NonceSecret::from_bytes(&[byte; 32])
    }

    #[test]
    fn a_nonce_is_constant_within_its_period_and_has_thirty_two_url_safe_characters() {
        let nonces = Nonces::new(okta(), secret(1));
        let begin = NumericDate::from_seconds(NOW.seconds() / 86_400 * 86_400);
        let first = nonces.current(begin);
        assert_eq!(nonces.current(begin.after(DAY).before(Duration::from_secs(1))), first);
        assert_ne!(nonces.current(begin.after(DAY)), first);
        assert_eq!(first.as_str().len(), 32);
        assert_eq!(Nonce::parse(first.as_str()), Ok(first));
    }

    #[test]
    fn a_nonce_is_accepted_until_its_time_is_over() {
        let nonces = Nonces::new(okta(), secret(1));
        let begin = NumericDate::from_seconds(NOW.seconds() / 86_400 * 86_400);
        let nonce = nonces.current(begin);
        assert_eq!(nonces.check(nonce.as_str(), begin.after(3 * DAY)), Ok(begin));
        assert_eq!(
            nonces.check(nonce.as_str(), begin.after(3 * DAY + Duration::from_secs(1))),
            Err(NonceRefusal::TooOld { age: 259_201, limit: 259_200 })
        );
        assert_eq!(
            nonces.check(nonce.as_str(), begin.before(DAY)),
            Ok(begin),
            "clocks of a fleet may differ"
        );
        assert_eq!(
            nonces.check(nonce.as_str(), begin.before(DAY + Duration::from_secs(1))),
            Err(NonceRefusal::FromFuture)
        );
    }

    #[test]
    fn a_nonce_is_accepted_for_as_long_as_it_is_given_out_whatever_the_policy_says() {
        let policy = NoncePolicy { renewed_every: DAY, accepted_for: Duration::ZERO };
        let nonces = Nonces::new(policy, secret(1));
        let begin = NumericDate::from_seconds(NOW.seconds() / 86_400 * 86_400);
        let nonce = nonces.current(begin);
        assert!(nonces.check(nonce.as_str(), begin.after(DAY)).is_ok(), "and one period longer, to be used");
    }

    #[test]
    fn servers_that_share_a_secret_accept_each_others_nonces() {
        let old = Nonces::new(okta(), secret(1));
        let rotated = Nonces::new(okta(), secret(2)).also_accepting(secret(1));
        let stranger = Nonces::new(okta(), secret(3));
        let nonce = old.current(NOW);
        assert!(rotated.check(nonce.as_str(), NOW).is_ok());
        assert_eq!(stranger.check(nonce.as_str(), NOW), Err(NonceRefusal::Unknown));
        assert_eq!(old.check(rotated.current(NOW).as_str(), NOW), Err(NonceRefusal::Unknown));
    }

    #[test]
    fn a_nonce_changed_in_any_one_bit_is_unknown() {
        let nonces = Nonces::new(okta(), secret(1));
        let bytes: [u8; NONCE_BYTES] = base64url::decode_array(nonces.current(NOW).as_str()).unwrap();
        for bit in 0..NONCE_BYTES * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                nonces.check(&base64url::encode(changed), NOW),
                Err(NonceRefusal::Unknown),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn only_nqchar_makes_a_nonce() {
        for text in ["", "a b", "a\"b", "a\\b", "n\u{f6}nce", "a\n", &"a".repeat(MAX_NONCE_BYTES + 1)] {
            assert_eq!(Nonce::parse(text), Err(NotANonce), "{text:?}");
        }
        for text in ["!", "~", "eyJ7S_zG.eyJH0-Z", &"a".repeat(MAX_NONCE_BYTES)] {
            assert!(Nonce::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_not_in_its_debug_text() {
        assert_eq!(format!("{:?}", secret(7)), "NonceSecret(..)");
    }
}
