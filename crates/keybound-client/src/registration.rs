//! A client as it is registered with an authorization server, with what it authenticates by.

use std::fmt;
use std::sync::Arc;

use keybound::exchange::{ClientAuthentication, ClientIdentity};
use keybound::{Secret, Signer};

/// A client's id and what it authenticates by; where that is a key, the key is there.
#[derive(Clone)]
pub struct ClientRegistration {
    identity: ClientIdentity,
    key: Option<Arc<dyn Signer>>,
}

impl ClientRegistration {
    /// A public client, as a program on its user's machine is (RFC 8252 section 8.4).
    pub fn public(id: impl Into<String>) -> Self {
        Self { identity: ClientIdentity::public(id), key: None }
    }

    /// A client that signs assertions with `key` (`private_key_jwt`, RFC 7523 section 2.2) for `audience`: the
    /// server's issuer or, as Okta wants it, its token endpoint. `key_id` names the key if several are
    /// registered.
    pub fn with_key(
        id: impl Into<String>,
        key: Arc<dyn Signer>,
        audience: impl Into<String>,
        key_id: Option<String>,
    ) -> Self {
        let (algorithm, audience) = (key.algorithm(), audience.into());
        let authentication = ClientAuthentication::PrivateKeyJwt { algorithm, audience, key_id };
        Self { identity: ClientIdentity { id: id.into(), authentication }, key: Some(key) }
    }

    /// A client with a secret, sent in `Authorization` (`client_secret_basic`, RFC 6749 section 2.3.1).
    pub fn with_secret(id: impl Into<String>, secret: Secret) -> Self {
        let authentication = ClientAuthentication::SecretBasic(secret);
        Self { identity: ClientIdentity { id: id.into(), authentication }, key: None }
    }

    /// The same for a server that takes the secret in the form alone (`client_secret_post`).
    pub fn with_secret_in_form(id: impl Into<String>, secret: Secret) -> Self {
        let authentication = ClientAuthentication::SecretPost(secret);
        Self { identity: ClientIdentity { id: id.into(), authentication }, key: None }
    }

    /// Who it is.
    pub fn identity(&self) -> &ClientIdentity {
        &self.identity
    }

    /// What it signs its assertions with, if it does.
    pub(crate) fn key(&self) -> Option<&Arc<dyn Signer>> {
        self.key.as_ref()
    }
}

impl fmt::Debug for ClientRegistration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(formatter)
    }
}
