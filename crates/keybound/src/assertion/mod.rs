//! Client assertions: how a client with a key of its own authenticates to an authorization server
//! (`private_key_jwt`, RFC 7521 and RFC 7523).

mod inspect;

pub use inspect::{Finding, inspect};

use std::time::Duration;

use serde::Serialize;

use crate::algorithm::Algorithm;
use crate::json::{self, MemberError, Object};
use crate::jwk_set::JwkSet;
use crate::jws::{
    HeaderAlgorithmError, JwsError, UnsignedJws, UnverifiedJws, has_critical_extensions, header_algorithm,
    is_media_type,
};
use crate::jwt::{NotSigned, audiences, signed_by_one_of};
use crate::numeric_date::NumericDate;
use crate::proof::MAX_JWT_ID_BYTES;
use crate::random::{Random, RandomUnavailable, jwt_id};
use crate::rule::Rule;

/// The value of `client_assertion_type` (RFC 7523 section 2.2).
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Bytes of an assertion, at most: twice what one with a certificate chain has.
pub const MAX_ASSERTION_BYTES: usize = 16 * 1024;

/// The `typ` that RFC 7523bis gives to client assertions.
const ASSERTION_TYPE: &str = "client-authentication+jwt";

/// A client assertion to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAssertion<'a> {
    /// The client's id: `iss` and `sub`.
    pub client_id: &'a str,
    /// The authorization server: `aud`. Okta wants the URL of its token endpoint.
    pub audience: &'a str,
    /// From `iat` to `exp`. Okta takes an hour at most.
    pub lifetime: Duration,
    /// The id under which the key is registered: `kid`.
    pub key_id: Option<&'a str>,
}

impl ClientAssertion<'_> {
    /// An assertion with a fresh `jti`, to be signed by the client's key of this algorithm. Every token
    /// request needs one of its own.
    pub fn prepare(
        &self,
        algorithm: Algorithm,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<UnsignedJws, RandomUnavailable> {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            kid: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            sub: &'a str,
            aud: &'a str,
            jti: &'a str,
            iat: u64,
            exp: u64,
        }
        let header = Header { alg: algorithm.name(), kid: self.key_id };
        let claims = Claims {
            iss: self.client_id,
            sub: self.client_id,
            aud: self.audience,
            jti: &jwt_id(random)?,
            iat: now.seconds(),
            exp: now.after(self.lifetime).seconds(),
        };
        Ok(UnsignedJws::new(&json::write(&header), &json::write(&claims)))
    }
}

/// What an authorization server accepts in a client assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionPolicy {
    /// Names of the server, of which `aud` must have one: its issuer, its token endpoint.
    pub audiences: Vec<String>,
    /// Algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// How far ahead `exp` may be; Okta takes an hour.
    pub longest_life: Duration,
    /// How far the client's clock may be off.
    pub leeway: Duration,
}

impl AssertionPolicy {
    /// The safe choices for a server of these names: all asymmetric algorithms, an hour of life, five
    /// seconds of leeway.
    pub fn new(audiences: Vec<String>) -> Self {
        Self {
            audiences,
            algorithms: Algorithm::ALL.to_vec(),
            longest_life: Duration::from_secs(3600),
            leeway: Duration::from_secs(5),
        }
    }
}

/// A client assertion whose claims are read and whose signature is not verified: it says which client's
/// keys to get, and nothing that may be believed.
pub struct UnverifiedAssertion<'t> {
    jws: UnverifiedJws<'t>,
    client_id: String,
}

/// A client assertion that holds by every rule but one: whether its `jti` was used before is for the
/// server's store to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAssertion {
    /// The client that it authenticates.
    pub client_id: String,
    /// The claim `jti`; Okta does not demand one.
    pub jwt_id: Option<String>,
    /// The claim `exp`: until then, and the leeway longer, the `jti` must be remembered.
    pub expires: NumericDate,
}

/// A rule that a client assertion breaks. The answer to all is `invalid_client`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionRefusal {
    /// Not a compact JWS that can be considered.
    #[error("the client assertion cannot be read: {0}")]
    Unreadable(JwsError),
    /// The header has `crit`.
    #[error("the client assertion has critical extensions (`crit`), and none is understood")]
    CriticalExtensions,
    /// `typ` says that it is another kind of token, such as a proof or an access token.
    #[error("the client assertion's `typ` says that it is another kind of token")]
    WrongType,
    /// `alg` is missing, `none`, symmetric or unknown.
    #[error("the client assertion's {0}")]
    UnusableAlgorithm(HeaderAlgorithmError),
    /// `alg` is a good algorithm that this server does not take.
    #[error("the client assertion's `alg` is {found}, which this server does not take")]
    AlgorithmNotAllowed {
        /// What `alg` is.
        found: Algorithm,
    },
    /// A claim or header member is missing or of the wrong type.
    #[error("the client assertion's {0}")]
    Member(MemberError),
    /// `iss` and `sub` differ.
    #[error("the client assertion's `iss` and `sub` differ; both must be the client's id")]
    IssuerIsNotSubject,
    /// No client of this id is registered.
    #[error("no client with the id that the client assertion's `sub` names is registered here")]
    UnknownClient,
    /// `aud` is another server.
    #[error("the client assertion's `aud` does not name this server; it must be {}", .expected.join(" or "))]
    WrongAudience {
        /// The names of this server.
        expected: Vec<String>,
    },
    /// `exp` has passed.
    #[error("the client assertion expired at {expired}, and it is {now} by this server's clock")]
    Expired {
        /// The claim `exp`.
        expired: NumericDate,
        /// The server's time.
        now: NumericDate,
    },
    /// `exp` is too far ahead.
    #[error("the client assertion lives {life} seconds from now; {limit} are accepted")]
    LivesTooLong {
        /// Seconds until `exp`.
        life: u64,
        /// Seconds that are accepted.
        limit: u64,
    },
    /// `iat` or `nbf` has not come.
    #[error(
        "the client assertion is from the future: its `{claim}` is {found}, and it is {now} by this server's clock"
    )]
    FromFuture {
        /// `iat` or `nbf`.
        claim: &'static str,
        /// The claim's value.
        found: NumericDate,
        /// The server's time.
        now: NumericDate,
    },
    /// `jti` is too long to be kept.
    #[error("the client assertion's `jti` has {found} bytes, more than {MAX_JWT_ID_BYTES}")]
    JwtIdTooLong {
        /// Bytes of the `jti`.
        found: usize,
    },
    /// The `jti` was used before.
    #[error("the client assertion was used before; every token request needs one of its own")]
    Replayed,
    /// No key of the client has this `kid` and fits the algorithm.
    #[error("no key registered for the client fits the client assertion's `kid` and `alg`")]
    NoSuchKey,
    /// The signature is not the registered key's over this text.
    #[error("the client assertion's signature does not verify with a key registered for the client")]
    WrongSignature,
}

impl AssertionRefusal {
    /// The rule that is broken.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Unreadable(_)
            | Self::CriticalExtensions
            | Self::WrongType
            | Self::Member(_)
            | Self::JwtIdTooLong { .. } => Rule::WellFormedAssertion,
            Self::IssuerIsNotSubject | Self::UnknownClient => Rule::AssertionClient,
            Self::WrongAudience { .. } => Rule::AssertionAudience,
            Self::Expired { .. } | Self::LivesTooLong { .. } | Self::FromFuture { .. } => {
                Rule::AssertionTimes
            }
            Self::Replayed => Rule::AssertionSingleUse,
            Self::UnusableAlgorithm(_)
            | Self::AlgorithmNotAllowed { .. }
            | Self::NoSuchKey
            | Self::WrongSignature => Rule::AssertionSignature,
        }
    }
}

impl<'t> UnverifiedAssertion<'t> {
    /// Reads `assertion` as far as its client's id.
    pub fn parse(assertion: &'t str) -> Result<Self, AssertionRefusal> {
        let jws =
            UnverifiedJws::decode(assertion, MAX_ASSERTION_BYTES).map_err(AssertionRefusal::Unreadable)?;
        let claims = jws.claims().map_err(AssertionRefusal::Unreadable)?;
        let subject = claims.string("sub").map_err(AssertionRefusal::Member)?;
        if claims.string("iss").map_err(AssertionRefusal::Member)? != subject {
            return Err(AssertionRefusal::IssuerIsNotSubject);
        }
        let client_id = subject.to_owned();
        Ok(Self { jws, client_id })
    }

    /// The client that the assertion claims to come from: whose keys to verify it with.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Holds the assertion to every rule but single use, with the keys registered for its client.
    pub fn verify(
        self,
        policy: &AssertionPolicy,
        keys: &JwkSet,
        now: NumericDate,
    ) -> Result<VerifiedAssertion, AssertionRefusal> {
        let header = self.jws.header().map_err(AssertionRefusal::Unreadable)?;
        let claims = self.jws.claims().map_err(AssertionRefusal::Unreadable)?;

        right_type(&header)?;
        let algorithm = allowed_algorithm(&header, policy)?;
        right_audience(&claims, policy)?;
        let expires = current(&claims, policy, now)?;
        let jwt_id = bounded_jwt_id(&claims)?;
        signed(keys, &header, algorithm, &self.jws)?;
        Ok(VerifiedAssertion { client_id: self.client_id, jwt_id, expires })
    }
}

fn right_type(header: &Object<'_>) -> Result<(), AssertionRefusal> {
    if has_critical_extensions(header) {
        return Err(AssertionRefusal::CriticalExtensions);
    }
    match header.optional_string("typ").map_err(AssertionRefusal::Member)? {
        None => Ok(()),
        Some(typ) if is_media_type(typ, "JWT") || is_media_type(typ, ASSERTION_TYPE) => Ok(()),
        Some(_) => Err(AssertionRefusal::WrongType),
    }
}

fn allowed_algorithm(header: &Object<'_>, policy: &AssertionPolicy) -> Result<Algorithm, AssertionRefusal> {
    let found = header_algorithm(header).map_err(AssertionRefusal::UnusableAlgorithm)?;
    if policy.algorithms.contains(&found) {
        Ok(found)
    } else {
        Err(AssertionRefusal::AlgorithmNotAllowed { found })
    }
}

fn right_audience(claims: &Object<'_>, policy: &AssertionPolicy) -> Result<(), AssertionRefusal> {
    let audiences = audiences(claims).map_err(AssertionRefusal::Member)?;
    if audiences.iter().any(|audience| policy.audiences.iter().any(|ours| ours == audience)) {
        Ok(())
    } else {
        Err(AssertionRefusal::WrongAudience { expected: policy.audiences.clone() })
    }
}

fn current(
    claims: &Object<'_>,
    policy: &AssertionPolicy,
    now: NumericDate,
) -> Result<NumericDate, AssertionRefusal> {
    let expires = claims.date("exp").map_err(AssertionRefusal::Member)?;
    if expires.after(policy.leeway) <= now {
        return Err(AssertionRefusal::Expired { expired: expires, now });
    }
    let (life, limit) = (expires.since(now), policy.longest_life);
    if life > limit.saturating_add(policy.leeway) {
        return Err(AssertionRefusal::LivesTooLong { life: life.as_secs(), limit: limit.as_secs() });
    }
    for claim in ["iat", "nbf"] {
        match claims.optional_date(claim).map_err(AssertionRefusal::Member)? {
            Some(found) if found > now.after(policy.leeway) => {
                return Err(AssertionRefusal::FromFuture { claim, found, now });
            }
            _ => {}
        }
    }
    Ok(expires)
}

fn bounded_jwt_id(claims: &Object<'_>) -> Result<Option<String>, AssertionRefusal> {
    match claims.optional_string("jti").map_err(AssertionRefusal::Member)? {
        Some(jwt_id) if jwt_id.len() > MAX_JWT_ID_BYTES => {
            Err(AssertionRefusal::JwtIdTooLong { found: jwt_id.len() })
        }
        jwt_id => Ok(jwt_id.map(str::to_owned)),
    }
}

fn signed(
    keys: &JwkSet,
    header: &Object<'_>,
    algorithm: Algorithm,
    jws: &UnverifiedJws<'_>,
) -> Result<(), AssertionRefusal> {
    let key_id = header.optional_string("kid").map_err(AssertionRefusal::Member)?;
    signed_by_one_of(keys, key_id, algorithm, jws).map_err(|reason| match reason {
        NotSigned::NoSuchKey => AssertionRefusal::NoSuchKey,
        NotSigned::WrongSignature => AssertionRefusal::WrongSignature,
    })
}
