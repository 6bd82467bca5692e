//! The access tokens that this server issues: JWTs with Okta's claims.

use std::time::Duration;

use keybound::access_token::ACCESS_TOKEN_TYPE;
use keybound::credentials::Scheme;
use keybound::random::jwt_id;
use keybound::{NumericDate, Signer as _, Thumbprint, UnsignedJws};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::AuthorizationServer;
use super::refusal::TokenRefusal;

/// How long an access token lives, as Okta's do.
pub(super) const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// A token that was issued.
pub(super) struct IssuedToken {
    pub(super) access_token: Zeroizing<String>,
    pub(super) scheme: Scheme,
    pub(super) scopes: Vec<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    ver: u8,
    jti: &'a str,
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    cid: &'a str,
    scp: &'a [String],
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// The key that the token is bound to (RFC 9449 section 6.1).
#[derive(Serialize)]
struct Confirmation {
    jkt: String,
}

impl AuthorizationServer {
    /// Issues a token to a client; bound to a key if one was proven.
    pub(super) fn issue(
        &self,
        client_id: &str,
        scopes: Vec<String>,
        key: Option<Thumbprint>,
        now: NumericDate,
    ) -> Result<IssuedToken, TokenRefusal> {
        let header = json!({
            "typ": ACCESS_TOKEN_TYPE,
            "alg": self.signing_key.algorithm().name(),
            "kid": self.signing_key.public_key().thumbprint().to_string(),
        });
        let claims = json!(Claims {
            ver: 1,
            jti: &format!("AT.{}", jwt_id(self.random.as_ref())?),
            iss: &self.issuer,
            aud: &self.issuer,
            iat: now.seconds(),
            exp: now.after(ACCESS_TOKEN_LIFE).seconds(),
            cid: client_id,
            scp: &scopes,
            sub: client_id,
            cnf: key.map(|key| Confirmation { jkt: key.to_string() }),
        });
        let unsigned = UnsignedJws::new(header.to_string().as_bytes(), claims.to_string().as_bytes());
        let access_token = Zeroizing::new(unsigned.sign(self.signing_key.as_ref())?);
        let scheme = if key.is_some() { Scheme::Dpop } else { Scheme::Bearer };
        Ok(IssuedToken { access_token, scheme, scopes })
    }
}
