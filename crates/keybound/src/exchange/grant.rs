//! What a token is asked for with: the grants (RFC 6749 section 1.3, RFC 8628 section 3.4), and the request
//! that one becomes.

use crate::algorithm::Algorithm;
use crate::authorization::AuthorizationCode;
use crate::device::DeviceGrant;
use crate::endpoint::{Endpoint, EndpointError};
use crate::exchange::client::{ClientAuthentication, ClientIdentity};
use crate::exchange::form::Fields;
use crate::htu::{TargetUri, TargetUriError};
use crate::secret::Secret;
use crate::thumbprint::Thumbprint;

/// The `grant_type` of RFC 8628 section 3.4.
const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A client credentials grant with `private_key_jwt` (RFC 6749 section 4.4, RFC 7523 section 2.2).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    token_endpoint: Endpoint,
    /// The client's id.
    pub client_id: String,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// `aud` of the client assertion: the token endpoint, unless the server wants its issuer there.
    pub assertion_audience: String,
    /// The id under which the client's key is registered.
    pub key_id: Option<String>,
}

impl ClientCredentials {
    /// A grant whose client assertion is for the token endpoint and names no key.
    ///
    /// Plain http to another machine is refused by whoever sends the request.
    pub fn new(
        token_endpoint: &str,
        client_id: impl Into<String>,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, TargetUriError> {
        let endpoint = Endpoint::parse_insecure(token_endpoint).map_err(|error| match error {
            EndpointError::Target(error) => error,
            EndpointError::Fragment | EndpointError::NotSecure => TargetUriError::IllegalCharacter,
        })?;
        Ok(Self {
            token_endpoint: endpoint,
            assertion_audience: token_endpoint.to_owned(),
            client_id: client_id.into(),
            scopes: scopes.into_iter().map(Into::into).collect(),
            key_id: None,
        })
    }

    /// The token endpoint.
    pub fn token_endpoint(&self) -> &Endpoint {
        &self.token_endpoint
    }

    /// The token endpoint as a proof names it; its origin is the one that nonces belong to.
    pub fn target(&self) -> &TargetUri {
        self.token_endpoint.target()
    }

    /// The request of this grant, by a client whose key has this algorithm.
    pub fn request(self, algorithm: Algorithm) -> TokenRequest {
        let authentication = ClientAuthentication::PrivateKeyJwt {
            algorithm,
            audience: self.assertion_audience,
            key_id: self.key_id,
        };
        let client = ClientIdentity { id: self.client_id, authentication };
        TokenRequest::new(self.token_endpoint, client, Grant::ClientCredentials { scopes: self.scopes })
    }
}

/// A refresh token (RFC 6749 section 1.5), and the key that only it is of use with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    secret: Secret,
    bound_to: Option<Thumbprint>,
}

impl RefreshToken {
    /// A refresh token that was kept, with the thumbprint that [`RefreshToken::bound_to`] gave.
    pub fn new(secret: Secret, bound_to: Option<Thumbprint>) -> Self {
        Self { secret, bound_to }
    }

    /// The token itself, to keep it.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The DPoP key that it is bound to: that of the proofs it was granted with, if the client is a public
    /// one. That of another client is bound to the client (RFC 9449 section 5).
    pub fn bound_to(&self) -> Option<Thumbprint> {
        self.bound_to
    }
}

/// What a token is asked for with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Grant {
    /// The client's own credentials (RFC 6749 section 4.4).
    ClientCredentials {
        /// The scopes to ask for.
        scopes: Vec<String>,
    },
    /// The code of a checked authorization response, with its `code_verifier` (RFC 6749 section 4.1.3,
    /// RFC 7636 section 4.5).
    AuthorizationCode(AuthorizationCode),
    /// A refresh token (RFC 6749 section 6).
    RefreshToken {
        /// The token.
        token: RefreshToken,
        /// The scopes to ask for, none beyond those that were granted; all of those if there are none.
        scopes: Vec<String>,
    },
    /// The device code of a device authorization (RFC 8628 section 3.4).
    DeviceCode(DeviceGrant),
}

impl Grant {
    /// The DPoP key that the token has to be bound to, if the grant is bound to one already
    /// (RFC 9449 sections 5 and 10).
    pub fn bound_to(&self) -> Option<Thumbprint> {
        match self {
            Self::ClientCredentials { .. } | Self::DeviceCode(_) => None,
            Self::AuthorizationCode(code) => code.bound_to(),
            Self::RefreshToken { token, .. } => token.bound_to(),
        }
    }

    /// Whether it may be used up by a request whose answer was lost: a code is good once (RFC 6749
    /// section 4.1.2), and a refresh token that is rotated is too (section 10.4).
    pub const fn is_used_up(&self) -> bool {
        matches!(self, Self::AuthorizationCode(_) | Self::RefreshToken { .. })
    }

    fn write(&self, fields: &mut Fields) {
        match self {
            Self::ClientCredentials { scopes } => {
                fields.push("grant_type", "client_credentials");
                fields.push_scopes(scopes);
            }
            Self::AuthorizationCode(code) => {
                fields.push("grant_type", "authorization_code");
                fields.push("code", code.code().expose());
                fields.push("redirect_uri", code.redirect_uri());
                fields.push("code_verifier", code.verifier().expose());
            }
            Self::RefreshToken { token, scopes } => {
                fields.push("grant_type", "refresh_token");
                fields.push("refresh_token", token.secret.expose());
                fields.push_scopes(scopes);
            }
            Self::DeviceCode(device) => {
                fields.push("grant_type", DEVICE_CODE_GRANT);
                fields.push("device_code", device.device_code().expose());
            }
        }
    }
}

/// A request to a token endpoint, before it is authenticated and proven.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub(super) endpoint: Endpoint,
    pub(super) client: ClientIdentity,
    pub(super) grant: Grant,
    /// The resources that the token is for (`resource`, RFC 8707 section 2.2).
    pub resources: Vec<String>,
    /// The same by the name of some servers (`audience`).
    pub audience: Option<String>,
}

impl TokenRequest {
    /// A request of `client` to its token endpoint.
    pub fn new(endpoint: Endpoint, client: ClientIdentity, grant: Grant) -> Self {
        Self { endpoint, client, grant, resources: Vec::new(), audience: None }
    }

    /// The token endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The client that asks.
    pub fn client(&self) -> &ClientIdentity {
        &self.client
    }

    /// What the token is asked for with.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        self.grant.write(&mut fields);
        for resource in &self.resources {
            fields.push("resource", resource);
        }
        if let Some(audience) = &self.audience {
            fields.push("audience", audience);
        }
        fields
    }
}
