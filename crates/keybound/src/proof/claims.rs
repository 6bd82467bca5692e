//! The claims of a proof (RFC 9449 section 4.2).

use super::{MAX_JWT_ID_BYTES, ProofRefusal};
use crate::json::Object;
use crate::numeric_date::NumericDate;

/// The claims of a proof, of the right types and within their bounds (check 3).
pub(super) struct ProofClaims<'a> {
    pub(super) jwt_id: &'a str,
    pub(super) method: &'a str,
    pub(super) target_uri: &'a str,
    pub(super) issued_at: NumericDate,
    pub(super) expires: Option<NumericDate>,
    pub(super) not_before: Option<NumericDate>,
    pub(super) access_token_hash: Option<&'a str>,
    pub(super) nonce: Option<&'a str>,
}

impl<'a> ProofClaims<'a> {
    pub(super) fn read(claims: &'a Object<'_>) -> Result<Self, ProofRefusal> {
        let read = || {
            Ok(Self {
                jwt_id: claims.string("jti")?,
                method: claims.string("htm")?,
                target_uri: claims.string("htu")?,
                issued_at: claims.date("iat")?,
                expires: claims.optional_date("exp")?,
                not_before: claims.optional_date("nbf")?,
                access_token_hash: claims.optional_string("ath")?,
                nonce: claims.optional_string("nonce")?,
            })
        };
        let claims = read().map_err(ProofRefusal::Claim)?;
        match claims.jwt_id.len() {
            0 => Err(ProofRefusal::JwtIdEmpty),
            found if found > MAX_JWT_ID_BYTES => Err(ProofRefusal::JwtIdTooLong { found }),
            _ => Ok(claims),
        }
    }
}
