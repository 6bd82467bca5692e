//! What a service authenticates by at the server that it asks for tokens: a key, or a secret for servers that register no
//! keys (RFC 6749 section 2.3).

use std::fmt;
use std::sync::Arc;

use keybound::exchange::ClientAuthentication;
use keybound::metadata::{NotSupported, ServerMetadata};
use keybound::{Secret, Signer};

use crate::registration::ClientRegistration;
use crate::service::ServiceGrant;

/// What a service authenticates by. `Debug` doesn't show a secret.
#[derive(Clone)]
#[non_exhaustive]
pub enum ServiceCredential {
    /// A key, with which it signs assertions (`private_key_jwt`, RFC 7523 section 2.2).
    Key(Arc<dyn Signer>),
    /// A secret, which goes over the wire with each token request.
    Secret {
        /// The secret.
        secret: Secret,
        /// How it is sent. None: as the server's metadata has it, and where that does not say or is not read,
        /// `client_secret_basic`.
        method: Option<SecretMethod>,
    },
}

/// How a secret is sent (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretMethod {
    /// `client_secret_basic`: in `Authorization`.
    Basic,
    /// `client_secret_post`: in the form.
    Post,
}

impl ServiceCredential {
    /// How a client authenticates with it at a server that says this of itself, if it says anything. `audience` is what
    /// an assertion is for, `key_id` the id of the key.
    pub fn authentication(
        &self,
        audience: String,
        key_id: Option<String>,
        metadata: Option<&ServerMetadata>,
    ) -> Result<ClientAuthentication, NotSupported> {
        let authentication = match self {
            Self::Key(key) => {
                ClientAuthentication::PrivateKeyJwt { algorithm: key.algorithm(), audience, key_id }
            }
            Self::Secret { secret, method: Some(method) } => method.of(secret),
            Self::Secret { secret, method: None } => match metadata {
                Some(metadata) => return metadata.choose_secret_authentication(secret.clone()),
                None => SecretMethod::Basic.of(secret),
            },
        };
        if let Some(metadata) = metadata {
            metadata.allow_client_authentication(&authentication)?;
            self.key().map_or(Ok(()), |key| metadata.allow_assertion_algorithm(key.algorithm()))?;
        }
        Ok(authentication)
    }

    /// The key, if it is one.
    pub fn key(&self) -> Option<&Arc<dyn Signer>> {
        match self {
            Self::Key(key) => Some(key),
            Self::Secret { .. } => None,
        }
    }

    /// The client of `grant` that has it. What a request is made of is told by [`authentication`](Self::authentication).
    pub(crate) fn registration(&self, grant: &ServiceGrant) -> ClientRegistration {
        let id = grant.client_id.clone();
        match self {
            Self::Key(key) => {
                let audience = grant.server.target().as_str();
                ClientRegistration::with_key(id, Arc::clone(key), audience, grant.key_id.clone())
            }
            Self::Secret { secret, .. } => ClientRegistration::with_secret(id, secret.clone()),
        }
    }
}

impl SecretMethod {
    fn of(self, secret: &Secret) -> ClientAuthentication {
        match self {
            Self::Basic => ClientAuthentication::SecretBasic(secret.clone()),
            Self::Post => ClientAuthentication::SecretPost(secret.clone()),
        }
    }
}

impl<S: Signer + 'static> From<Arc<S>> for ServiceCredential {
    fn from(key: Arc<S>) -> Self {
        Self::Key(key)
    }
}

impl From<Arc<dyn Signer>> for ServiceCredential {
    fn from(key: Arc<dyn Signer>) -> Self {
        Self::Key(key)
    }
}

impl fmt::Debug for ServiceCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => formatter.debug_tuple("Key").field(&key.public_key().thumbprint()).finish(),
            Self::Secret { secret, method } => {
                formatter.debug_struct("Secret").field("secret", secret).field("method", method).finish()
            }
        }
    }
}
