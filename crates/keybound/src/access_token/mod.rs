//! Access tokens that are JWTs (RFC 9068), bound to a key by `cnf.jkt` (RFC 9449 section 6.1).

mod inspect;

pub use inspect::{Finding, Part, inspect};

use std::fmt;
use std::time::Duration;

use crate::algorithm::Algorithm;
use crate::excerpt::{NAME, excerpt};
use crate::json::{MemberError, Object, Value};
use crate::jwk_set::JwkSet;
use crate::jws::{
    HeaderAlgorithmError, JwsError, UnverifiedJws, has_critical_extensions, header_algorithm, is_media_type,
};
use crate::jwt::{NotSigned, audiences, signed_by_one_of};
use crate::numeric_date::NumericDate;
use crate::refusal::Refusal;
use crate::thumbprint::Thumbprint;

/// The media type of a JWT access token, the value of its header's `typ` (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Bytes of an access token, at most: what servers take for all header fields of a request together.
pub const MAX_ACCESS_TOKEN_BYTES: usize = 16 * 1024;

/// How long after its expiry a token is taken, so that the issuer's clock may be a little behind.
pub const EXPIRY_LEEWAY: Duration = Duration::from_secs(5);

/// What an access token says, once it has been verified or introspected.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The authorization server that issued it (`iss`).
    pub issuer: String,
    /// What it was issued for (`aud`).
    pub audiences: Vec<String>,
    /// Whom it stands for (`sub`): a user, or the client itself.
    pub subject: String,
    /// The client that it was issued to (`client_id`, or Okta's `cid`).
    pub client_id: Option<String>,
    /// What it allows (`scope`, or Okta's `scp`).
    pub scopes: Vec<String>,
    /// When it was issued (`iat`).
    pub issued_at: Option<NumericDate>,
    /// When it expires (`exp`).
    pub expires: NumericDate,
    /// Its identifier (`jti`).
    pub jwt_id: Option<String>,
    /// The key that it is bound to (`cnf.jkt`); `None` for a bearer token.
    pub thumbprint: Option<Thumbprint>,
}

impl AccessToken {
    /// Refuses unless it has one of these scopes; the first is the one to ask for.
    pub fn require_scope<S: AsRef<str>>(&self, any_of: &[S]) -> Result<(), Refusal> {
        let has = |scope: &S| self.scopes.iter().any(|granted| granted == scope.as_ref());
        if any_of.iter().any(has) {
            return Ok(());
        }
        let any_of = any_of.iter().map(|scope| scope.as_ref().to_owned()).collect();
        Err(Refusal::InsufficientScope { any_of })
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessToken")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .field("expires", &self.expires)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

/// What a protected resource accepts in the access tokens of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenPolicy {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must have one of: the names of this resource. Without any, no token is accepted.
    pub audiences: Vec<String>,
    /// Algorithms that this issuer signs with; never taken from the token (RFC 8725 section 3.1).
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be off; beyond [`EXPIRY_LEEWAY`] it holds for tokens from the
    /// future alone.
    pub leeway: Duration,
    /// Accepts tokens whose `typ` is absent or `JWT`, which RFC 9068 forbids and Okta's custom
    /// authorization servers issue. Other JWTs of the same issuer could then be taken for access tokens.
    pub accept_untyped_tokens: bool,
}

impl AccessTokenPolicy {
    /// The safe choices: RS256, which every issuer of JWT access tokens has (RFC 9068 section 2.1), five
    /// seconds of leeway, typed tokens only.
    pub fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audiences: vec![audience],
            algorithms: vec![Algorithm::RS256],
            leeway: EXPIRY_LEEWAY,
            accept_untyped_tokens: false,
        }
    }

    /// Holds `token` to every rule, with the keys of the issuer's JWKS.
    pub fn verify(
        &self,
        token: &str,
        keys: &JwkSet,
        now: NumericDate,
    ) -> Result<AccessToken, AccessTokenRefusal> {
        let jws =
            UnverifiedJws::decode(token, MAX_ACCESS_TOKEN_BYTES).map_err(AccessTokenRefusal::Unreadable)?;
        let header = jws.header().map_err(AccessTokenRefusal::Unreadable)?;
        let claims = jws.claims().map_err(AccessTokenRefusal::Unreadable)?;

        self.right_type(&header)?;
        let algorithm = self.allowed_algorithm(&header)?;
        let access_token = read_claims(&claims)?;
        self.right_parties(&access_token)?;
        self.current(&claims, &access_token, now)?;
        signed(keys, &header, algorithm, &jws)?;
        Ok(access_token)
    }

    fn right_type(&self, header: &Object<'_>) -> Result<(), AccessTokenRefusal> {
        if has_critical_extensions(header) {
            return Err(AccessTokenRefusal::CriticalExtensions);
        }
        match header.optional_string("typ").map_err(AccessTokenRefusal::Member)? {
            Some(typ) if is_media_type(typ, ACCESS_TOKEN_TYPE) => Ok(()),
            None => self.untyped(),
            Some(typ) if is_media_type(typ, "JWT") => self.untyped(),
            Some(_) => Err(AccessTokenRefusal::WrongType),
        }
    }

    fn untyped(&self) -> Result<(), AccessTokenRefusal> {
        if self.accept_untyped_tokens { Ok(()) } else { Err(AccessTokenRefusal::WrongType) }
    }

    fn allowed_algorithm(&self, header: &Object<'_>) -> Result<Algorithm, AccessTokenRefusal> {
        let found = header_algorithm(header).map_err(AccessTokenRefusal::UnusableAlgorithm)?;
        if self.algorithms.contains(&found) {
            Ok(found)
        } else {
            Err(AccessTokenRefusal::AlgorithmNotAllowed { found })
        }
    }

    pub(crate) fn right_parties(&self, token: &AccessToken) -> Result<(), AccessTokenRefusal> {
        if token.issuer != self.issuer {
            let found = excerpt(&token.issuer, NAME);
            return Err(AccessTokenRefusal::WrongIssuer { expected: self.issuer.clone(), found });
        }
        if !token.audiences.iter().any(|audience| self.audiences.contains(audience)) {
            let expected = self.audiences.join(" or ");
            let found = excerpt(&token.audiences.join(", "), NAME);
            return Err(AccessTokenRefusal::WrongAudience { expected, found });
        }
        Ok(())
    }

    pub(crate) fn current(
        &self,
        claims: &Object<'_>,
        token: &AccessToken,
        now: NumericDate,
    ) -> Result<(), AccessTokenRefusal> {
        if token.expires.after(self.leeway) <= now {
            return Err(AccessTokenRefusal::Expired { expired: token.expires, now });
        }
        let not_before = claims.optional_date("nbf").map_err(AccessTokenRefusal::Member)?;
        match [token.issued_at, not_before].into_iter().flatten().max() {
            Some(begins) if begins > now.after(self.leeway) => {
                Err(AccessTokenRefusal::FromFuture { begins, now })
            }
            _ => Ok(()),
        }
    }
}

/// A rule that an access token breaks. The answer to all is `invalid_token`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenRefusal {
    /// Not a compact JWS that can be considered.
    #[error("the access token cannot be read: {0}")]
    Unreadable(JwsError),
    /// The header has `crit`.
    #[error("the access token has critical extensions (`crit`), and none is understood")]
    CriticalExtensions,
    /// `typ` is not that of an access token.
    #[error("the access token's `typ` is not `{ACCESS_TOKEN_TYPE}`: it is another kind of token")]
    WrongType,
    /// `alg` is missing, `none`, symmetric or unknown.
    #[error("the access token's {0}")]
    UnusableAlgorithm(HeaderAlgorithmError),
    /// `alg` is a good algorithm that this issuer does not use.
    #[error("the access token's `alg` is {found}, which is not the issuer's")]
    AlgorithmNotAllowed {
        /// What `alg` is.
        found: Algorithm,
    },
    /// A claim or header member is missing or of the wrong type.
    #[error("the access token's {0}")]
    Member(MemberError),
    /// `iss` is another authorization server.
    #[error("the access token was not issued by {expected}: its `iss` is {found}")]
    WrongIssuer {
        /// The issuer that this resource trusts.
        expected: String,
        /// What `iss` is.
        found: String,
    },
    /// `aud` is another resource.
    #[error("the access token was not issued for {expected}: its `aud` is {found}")]
    WrongAudience {
        /// The names of this resource.
        expected: String,
        /// What `aud` has.
        found: String,
    },
    /// `exp` has passed.
    #[error("the access token expired at {expired}, and it is {now}")]
    Expired {
        /// The claim `exp`.
        expired: NumericDate,
        /// The server's time.
        now: NumericDate,
    },
    /// `iat` or `nbf` has not come.
    #[error("the access token is not valid before {begins}, and it is {now}")]
    FromFuture {
        /// The later of `iat` and `nbf`.
        begins: NumericDate,
        /// The server's time.
        now: NumericDate,
    },
    /// The token is bound by `cnf`, and not to a DPoP key: taking it for a bearer token would undo that.
    #[error("the access token is bound by `cnf`, and not by a `jkt` that is a SHA-256 thumbprint")]
    UnusableConfirmation,
    /// No key of the issuer has this `kid` and fits the algorithm.
    #[error("the issuer has no key that fits the access token's `kid` ({}) and `alg`", key_id.as_deref().unwrap_or("none"))]
    NoSuchKey {
        /// What `kid` is.
        key_id: Option<String>,
    },
    /// The signature is not the issuer's over this text.
    #[error("the access token's signature does not verify with a key of the issuer")]
    WrongSignature,
    /// The issuer or the resource ended it before its time.
    #[error("the access token was revoked, or what it was issued for is gone")]
    Revoked,
    /// The issuer was asked and does not vouch for it (RFC 7662 section 2.2).
    #[error(
        "the access token is not active, says its issuer: it expired, was revoked, or is not the issuer's"
    )]
    Inactive,
}

fn read_claims(claims: &Object<'_>) -> Result<AccessToken, AccessTokenRefusal> {
    let thumbprint = confirmation(claims)?;
    let read = || {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        Ok(AccessToken {
            issuer: claims.string("iss")?.to_owned(),
            audiences: owned(audiences(claims)?),
            subject: claims.string("sub")?.to_owned(),
            client_id: client_id(claims)?.map(str::to_owned),
            scopes: owned(scopes(claims)?),
            issued_at: claims.optional_date("iat")?,
            expires: claims.date("exp")?,
            jwt_id: claims.optional_string("jti")?.map(str::to_owned),
            thumbprint,
        })
    };
    read().map_err(AccessTokenRefusal::Member)
}

/// The member `cnf.jkt` (RFC 9449 section 6.1).
pub(crate) fn confirmation(claims: &Object<'_>) -> Result<Option<Thumbprint>, AccessTokenRefusal> {
    match claims.get("cnf") {
        None => Ok(None),
        Some(Value::Object(confirmation)) => confirmation
            .string("jkt")
            .ok()
            .and_then(|jkt| jkt.parse().ok())
            .map(Some)
            .ok_or(AccessTokenRefusal::UnusableConfirmation),
        Some(_) => Err(AccessTokenRefusal::UnusableConfirmation),
    }
}

/// RFC 9068 calls it `client_id`, Okta `cid`.
pub(crate) fn client_id<'a>(claims: &'a Object<'_>) -> Result<Option<&'a str>, MemberError> {
    Ok(claims.optional_string("client_id")?.or(claims.optional_string("cid")?))
}

/// RFC 9068 has `scope`, a text with spaces; Okta `scp`, an array.
pub(crate) fn scopes<'a>(claims: &'a Object<'_>) -> Result<Vec<&'a str>, MemberError> {
    match claims.optional_string("scope")? {
        Some(scope) => Ok(scope.split(' ').filter(|scope| !scope.is_empty()).collect()),
        None => Ok(claims.optional_strings("scp")?.unwrap_or_default()),
    }
}

fn signed(
    keys: &JwkSet,
    header: &Object<'_>,
    algorithm: Algorithm,
    jws: &UnverifiedJws<'_>,
) -> Result<(), AccessTokenRefusal> {
    let key_id = header.optional_string("kid").map_err(AccessTokenRefusal::Member)?;
    signed_by_one_of(keys, key_id, algorithm, jws).map_err(|reason| match reason {
        NotSigned::NoSuchKey => {
            AccessTokenRefusal::NoSuchKey { key_id: key_id.map(|key_id| excerpt(key_id, NAME)) }
        }
        NotSigned::WrongSignature => AccessTokenRefusal::WrongSignature,
    })
}
