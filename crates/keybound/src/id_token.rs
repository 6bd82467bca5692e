//! ID tokens (OpenID Connect Core section 2): who the user is that has signed in, checked as section 3.1.3.7 has it.

use std::fmt;
use std::time::Duration;

use subtle::ConstantTimeEq as _;

use crate::access_token::MAX_ACCESS_TOKEN_BYTES;
use crate::algorithm::Algorithm;
use crate::base64url;
use crate::cryptography::{HashBits, sha2};
use crate::excerpt::{NAME, excerpt};
use crate::json::{MemberError, Object};
use crate::jwk_set::JwkSet;
use crate::jws::{
    HeaderAlgorithmError, JwsError, UnverifiedJws, has_critical_extensions, header_algorithm, is_media_type,
};
use crate::jwt::{NotSigned, audiences, signed_by_one_of};
use crate::numeric_date::NumericDate;
use crate::secret::Secret;

/// Bytes of an ID token, at most: the same as of an access token, which comes in the same answer.
pub const MAX_ID_TOKEN_BYTES: usize = MAX_ACCESS_TOKEN_BYTES;

/// Bytes of `sub`, at most (OpenID Connect Core section 2).
pub const MAX_SUBJECT_BYTES: usize = 255;

/// How far the clocks of issuer and client may be apart. Servers take proofs that are a minute old, so a client whose
/// clock is that far behind gets tokens; it should not be told then that they come from the future.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(60);

/// Who has signed in, by an ID token that was verified. Only [`IdTokenPolicy::verify`] makes one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdToken {
    /// The authorization server (`iss`).
    pub issuer: String,
    /// The user, by a name that the issuer never gives to another (`sub`); with the issuer it is the one claim to know a
    /// user by (OpenID Connect Core section 5.7).
    pub subject: String,
    /// When the token was issued (`iat`).
    pub issued_at: NumericDate,
    /// When it ends (`exp`). That says nothing of how long the user stays signed in.
    pub expires: NumericDate,
    /// When the user proved who they are (`auth_time`), where that is said.
    pub authenticated_at: Option<NumericDate>,
    /// The name that the user goes by (`preferred_username`), which may be given to another later.
    pub preferred_username: Option<String>,
    /// An address of the user (`email`); whether it is theirs is for `email_verified` to say.
    pub email: Option<String>,
}

impl fmt::Debug for IdToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IdToken")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("issued_at", &self.issued_at)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// What a client accepts in the ID tokens of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenPolicy {
    /// What `iss` must be.
    pub issuer: String,
    /// The client, which `aud` must name, and no one else.
    pub client_id: String,
    /// Algorithms that the issuer signs with; never taken from the token (RFC 8725 section 3.1).
    pub algorithms: Vec<Algorithm>,
    /// How far the clocks may be apart.
    pub leeway: Duration,
}

/// What one ID token is held to besides.
#[derive(Clone, Copy)]
pub struct IdTokenContext<'a> {
    /// The `nonce` of the authorization request; none where there was no such request, as with a device.
    pub nonce: Option<&'a Secret>,
    /// The access token that came with it.
    pub access_token: &'a str,
    /// The time at the issuer.
    pub now: NumericDate,
}

impl IdTokenPolicy {
    /// RS256, which is what a client gets that has registered no algorithm (section 3.1.3.7, number 7), and
    /// [`CLOCK_LEEWAY`].
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            algorithms: vec![Algorithm::RS256],
            leeway: CLOCK_LEEWAY,
        }
    }

    /// Holds `token` to every rule, with the keys of the issuer's JWKS.
    pub fn verify(
        &self,
        token: &str,
        keys: &JwkSet,
        context: &IdTokenContext<'_>,
    ) -> Result<IdToken, IdTokenRefusal> {
        let jws = UnverifiedJws::decode(token, MAX_ID_TOKEN_BYTES).map_err(IdTokenRefusal::Unreadable)?;
        let header = jws.header().map_err(IdTokenRefusal::Unreadable)?;
        let claims = jws.claims().map_err(IdTokenRefusal::Unreadable)?;

        right_type(&header)?;
        let algorithm = self.allowed_algorithm(&header)?;
        let id_token = read_claims(&claims).map_err(IdTokenRefusal::Member)?;
        self.right_issuer(&id_token)?;
        self.right_client(&claims)?;
        self.current(&claims, &id_token, context.now)?;
        right_nonce(&claims, context.nonce)?;
        right_access_token(&claims, algorithm, context.access_token)?;
        signed(keys, &header, algorithm, &jws)?;
        Ok(id_token)
    }

    /// Number 7.
    fn allowed_algorithm(&self, header: &Object<'_>) -> Result<Algorithm, IdTokenRefusal> {
        let found = header_algorithm(header).map_err(IdTokenRefusal::UnusableAlgorithm)?;
        if self.algorithms.contains(&found) {
            Ok(found)
        } else {
            Err(IdTokenRefusal::AlgorithmNotAllowed { found })
        }
    }

    /// Number 2.
    fn right_issuer(&self, token: &IdToken) -> Result<(), IdTokenRefusal> {
        if token.issuer == self.issuer {
            return Ok(());
        }
        let found = excerpt(&token.issuer, NAME);
        Err(IdTokenRefusal::WrongIssuer { expected: self.issuer.clone(), found })
    }

    /// Numbers 3 to 5: no other audience is trusted here, so there may be none.
    fn right_client(&self, claims: &Object<'_>) -> Result<(), IdTokenRefusal> {
        let audiences = audiences(claims).map_err(IdTokenRefusal::Member)?;
        if audiences.is_empty() || audiences.iter().any(|audience| *audience != self.client_id) {
            let found = excerpt(&audiences.join(", "), NAME);
            return Err(IdTokenRefusal::WrongAudience { expected: self.client_id.clone(), found });
        }
        match claims.optional_string("azp").map_err(IdTokenRefusal::Member)? {
            Some(party) if party != self.client_id => {
                let found = excerpt(party, NAME);
                Err(IdTokenRefusal::WrongAuthorizedParty { expected: self.client_id.clone(), found })
            }
            _ => Ok(()),
        }
    }

    /// Numbers 9 and 10.
    fn current(&self, claims: &Object<'_>, token: &IdToken, now: NumericDate) -> Result<(), IdTokenRefusal> {
        if token.expires.after(self.leeway) <= now {
            return Err(IdTokenRefusal::Expired { expired: token.expires, now });
        }
        let not_before = claims.optional_date("nbf").map_err(IdTokenRefusal::Member)?;
        let begins = not_before.map_or(token.issued_at, |date| date.max(token.issued_at));
        if begins > now.after(self.leeway) {
            return Err(IdTokenRefusal::FromFuture { begins, now });
        }
        Ok(())
    }
}

/// An access token is no ID token, nor is a proof (RFC 8725 section 3.11). ID tokens have `JWT` for their type, or none.
fn right_type(header: &Object<'_>) -> Result<(), IdTokenRefusal> {
    if has_critical_extensions(header) {
        return Err(IdTokenRefusal::CriticalExtensions);
    }
    match header.optional_string("typ").map_err(IdTokenRefusal::Member)? {
        Some(typ) if !is_media_type(typ, "JWT") => Err(IdTokenRefusal::WrongType),
        _ => Ok(()),
    }
}

fn read_claims(claims: &Object<'_>) -> Result<IdToken, MemberError> {
    let subject = claims.string("sub")?;
    if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES {
        return Err(MemberError::WrongType { name: "sub", expected: "a name of 1 to 255 bytes" });
    }
    let text = |name| Ok(claims.optional_string(name)?.map(str::to_owned));
    Ok(IdToken {
        issuer: claims.string("iss")?.to_owned(),
        subject: subject.to_owned(),
        issued_at: claims.date("iat")?,
        expires: claims.date("exp")?,
        authenticated_at: claims.optional_date("auth_time")?,
        preferred_username: text("preferred_username")?,
        email: text("email")?,
    })
}

/// Number 11: without it, whoever has got hold of an ID token could have it taken for that of this sign-in.
fn right_nonce(claims: &Object<'_>, asked: Option<&Secret>) -> Result<(), IdTokenRefusal> {
    let Some(asked) = asked else { return Ok(()) };
    match claims.optional_string("nonce").map_err(IdTokenRefusal::Member)? {
        None => Err(IdTokenRefusal::WrongNonce { is_missing: true }),
        Some(nonce) if Secret::new(nonce) == *asked => Ok(()),
        Some(_) => Err(IdTokenRefusal::WrongNonce { is_missing: false }),
    }
}

/// Section 3.1.3.8: where `at_hash` is there, it is the left half of the hash of the access token.
fn right_access_token(
    claims: &Object<'_>,
    algorithm: Algorithm,
    access_token: &str,
) -> Result<(), IdTokenRefusal> {
    let Some(found) = claims.optional_string("at_hash").map_err(IdTokenRefusal::Member)? else {
        return Ok(());
    };
    let hash = sha2(hash_of(algorithm), access_token.as_bytes());
    let (left, _) = hash.split_at(hash.len() / 2);
    if base64url::encode(left).as_bytes().ct_eq(found.as_bytes()).into() {
        Ok(())
    } else {
        Err(IdTokenRefusal::OtherAccessToken)
    }
}

/// The hash that is part of a signature algorithm.
fn hash_of(algorithm: Algorithm) -> HashBits {
    match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => HashBits::Of256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => HashBits::Of384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::ES512 | Algorithm::EdDSA | Algorithm::Ed25519 => {
            HashBits::Of512
        }
    }
}

/// Number 6. The certificate of the token endpoint could stand for it; the signature is checked all the same.
fn signed(
    keys: &JwkSet,
    header: &Object<'_>,
    algorithm: Algorithm,
    jws: &UnverifiedJws<'_>,
) -> Result<(), IdTokenRefusal> {
    let key_id = header.optional_string("kid").map_err(IdTokenRefusal::Member)?;
    signed_by_one_of(keys, key_id, algorithm, jws).map_err(|reason| match reason {
        NotSigned::NoSuchKey => {
            IdTokenRefusal::NoSuchKey { key_id: key_id.map(|key_id| excerpt(key_id, NAME)) }
        }
        NotSigned::WrongSignature => IdTokenRefusal::WrongSignature,
    })
}

/// A rule that an ID token breaks (OpenID Connect Core section 3.1.3.7). Nobody has signed in by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenRefusal {
    /// Not a compact JWS that can be considered; one that is encrypted neither.
    #[error("the ID token cannot be read: {0}")]
    Unreadable(JwsError),
    /// The header has `crit`.
    #[error("the ID token has critical extensions (`crit`), and none is understood")]
    CriticalExtensions,
    /// `typ` is that of another kind of token.
    #[error("the ID token's `typ` is not `JWT`: it is another kind of token (RFC 8725 section 3.11)")]
    WrongType,
    /// `alg` is missing, `none`, symmetric or unknown.
    #[error("the ID token's {0}")]
    UnusableAlgorithm(HeaderAlgorithmError),
    /// `alg` is a good algorithm that this issuer does not use.
    #[error("the ID token's `alg` is {found}, which is not the issuer's (section 3.1.3.7, number 7)")]
    AlgorithmNotAllowed {
        /// What `alg` is.
        found: Algorithm,
    },
    /// A claim or header member is missing or of the wrong type.
    #[error("the ID token's {0}")]
    Member(MemberError),
    /// `iss` is another authorization server.
    #[error("the ID token was not issued by {expected}: its `iss` is {found} (section 3.1.3.7, number 2)")]
    WrongIssuer {
        /// The issuer that was asked.
        expected: String,
        /// What `iss` is.
        found: String,
    },
    /// `aud` has not the client, or others beside it.
    #[error(
        "the ID token was not issued for {expected} alone: its `aud` is {found} (section 3.1.3.7, number 3)"
    )]
    WrongAudience {
        /// The client.
        expected: String,
        /// What `aud` has.
        found: String,
    },
    /// `azp` is another client.
    #[error(
        "the ID token was issued to another client than {expected}: its `azp` is {found} (section 3.1.3.7, number 5)"
    )]
    WrongAuthorizedParty {
        /// The client.
        expected: String,
        /// What `azp` is.
        found: String,
    },
    /// `exp` has passed.
    #[error("the ID token expired at {expired}, and it is {now} (section 3.1.3.7, number 9)")]
    Expired {
        /// The claim `exp`.
        expired: NumericDate,
        /// The time at the issuer.
        now: NumericDate,
    },
    /// `iat` or `nbf` has not come.
    #[error("the ID token is not valid before {begins}, and it is {now}: the clocks are too far apart")]
    FromFuture {
        /// The later of `iat` and `nbf`.
        begins: NumericDate,
        /// The time at the issuer.
        now: NumericDate,
    },
    /// `nonce` is not that of the request: the token is that of another sign-in.
    #[error("the ID token is not the answer to this sign-in: its `nonce` is {} (section 3.1.3.7, number 11)", if *.is_missing { "missing" } else { "another" })]
    WrongNonce {
        /// Whether there was none.
        is_missing: bool,
    },
    /// `at_hash` is of another access token: one of the two was exchanged.
    #[error(
        "the ID token does not belong to the access token: its `at_hash` is of another (section 3.1.3.8)"
    )]
    OtherAccessToken,
    /// No key of the issuer has this `kid` and fits the algorithm.
    #[error("the issuer has no key that fits the ID token's `kid` ({}) and `alg`", key_id.as_deref().unwrap_or("none"))]
    NoSuchKey {
        /// What `kid` is.
        key_id: Option<String>,
    },
    /// The signature is not the issuer's over this text.
    #[error("the ID token's signature does not verify with a key of the issuer (section 3.1.3.7, number 6)")]
    WrongSignature,
}
