//! The answer that grants a token (RFC 6749 section 5.1, RFC 9449 section 5).

use std::fmt;

use zeroize::Zeroizing;

use super::error::{ExchangeError, readable};
use super::grant::RefreshToken;
use crate::access_token::MAX_ACCESS_TOKEN_BYTES;
use crate::credentials::Scheme;
use crate::json::Object;
use crate::numeric_date::NumericDate;
use crate::secret::Secret;
use crate::thumbprint::Thumbprint;

/// An access token that was granted.
#[derive(Clone)]
#[non_exhaustive]
pub struct GrantedToken {
    /// The token itself, a secret if it is a bearer token.
    pub access_token: Zeroizing<String>,
    /// How it is presented: `DPoP` if it is bound to the key of the exchange's proofs.
    pub scheme: Scheme,
    /// When it expires, by the clock that [`TokenExchange::attempt`](super::TokenExchange::attempt) was given;
    /// `None` if the server did not say.
    pub expires_at: Option<NumericDate>,
    /// The scopes that were granted; `None` if they are those asked for (RFC 6749 section 5.1).
    pub scopes: Option<Vec<String>>,
    /// The token to get the next one with. In an answer to a refresh token it takes that one's place, which
    /// is forgotten; `None` leaves the old one as it is (RFC 6749 section 6).
    pub refresh_token: Option<RefreshToken>,
    /// Who the user is (`id_token`, OpenID Connect Core section 3.1.3.3): the text as the server gave it,
    /// neither read nor verified here; [`IdTokenPolicy`](crate::id_token::IdTokenPolicy) does that.
    pub id_token: Option<Secret>,
}

impl fmt::Debug for GrantedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GrantedToken")
            .field("scheme", &self.scheme)
            .field("expires_at", &self.expires_at)
            .field("scopes", &self.scopes)
            .field("refreshable", &self.refresh_token.is_some())
            .finish_non_exhaustive()
    }
}

/// The question that an answer is read as the answer to.
pub(super) struct Asked {
    /// When.
    pub(super) at: NumericDate,
    /// The key of its proof, if it had one.
    pub(super) key: Option<Thumbprint>,
    /// Whether by a client without authentication.
    pub(super) is_public: bool,
}

impl GrantedToken {
    /// A token that was granted before and was kept; nothing else is known of it.
    pub fn new(access_token: Zeroizing<String>, scheme: Scheme) -> Self {
        Self { access_token, scheme, expires_at: None, scopes: None, refresh_token: None, id_token: None }
    }

    pub(super) fn parse(body: &[u8], asked: &Asked) -> Result<Self, ExchangeError> {
        let answer = Object::parse(body).map_err(ExchangeError::NotStrictJson)?.without_nulls();
        let access_token = answer.string("access_token").map_err(ExchangeError::Malformed)?;
        let is_sendable = |byte: u8| byte.is_ascii_graphic();
        if access_token.is_empty()
            || access_token.len() > MAX_ACCESS_TOKEN_BYTES
            || !access_token.bytes().all(is_sendable)
        {
            return Err(ExchangeError::UnusableToken);
        }
        let lifetime = answer.optional_duration("expires_in").map_err(ExchangeError::Malformed)?;
        let text = |name| answer.optional_string(name).map_err(ExchangeError::Malformed);
        let token_type = answer.string("token_type").map_err(ExchangeError::Malformed)?;
        // A confidential client's refresh token is bound to the client (RFC 9449 section 5).
        let bound_to = asked.key.filter(|_| asked.is_public);
        Ok(Self {
            access_token: Zeroizing::new(access_token.to_owned()),
            scheme: right_scheme(token_type, asked.key.is_some())?,
            expires_at: lifetime.map(|lifetime| asked.at.after(lifetime)),
            scopes: text("scope")?.map(scopes),
            refresh_token: text("refresh_token")?
                .filter(|token| !token.is_empty())
                .map(|token| RefreshToken::new(Secret::new(token), bound_to)),
            id_token: text("id_token")?.map(Secret::new),
        })
    }
}

/// A token of another type than the one asked for is not taken silently (RFC 9449 section 5).
fn right_scheme(token_type: &str, is_proven: bool) -> Result<Scheme, ExchangeError> {
    match (Scheme::from_name(token_type), is_proven) {
        (Some(Scheme::Dpop), true) => Ok(Scheme::Dpop),
        (Some(Scheme::Bearer), false) => Ok(Scheme::Bearer),
        (Some(Scheme::Bearer), true) => Err(ExchangeError::NotBound),
        (Some(Scheme::Dpop), false) => Err(ExchangeError::BoundToNoKey),
        (None, _) => Err(ExchangeError::UnknownTokenType { found: readable(token_type) }),
    }
}

/// RFC 6749 section 3.3: names with spaces between them.
fn scopes(scope: &str) -> Vec<String> {
    scope.split(' ').filter(|name| !name.is_empty()).map(readable).collect()
}
