//! Who asks AWS: credentials, and where they come from.

use std::fmt;

use zeroize::Zeroizing;

use super::KmsError;

/// Credentials of AWS. Their secrets are wiped when they are dropped.
#[derive(Clone)]
pub struct Credentials {
    /// Which key signs the calls; no secret.
    pub access_key_id: String,
    /// The secret key.
    pub secret_access_key: Zeroizing<String>,
    /// The token of temporary credentials.
    pub session_token: Option<Zeroizing<String>>,
}

/// Where credentials come from. It is asked for each call, so it keeps what is costly to get, and may wait.
pub trait CredentialSource: Send + Sync {
    /// Credentials that hold now.
    fn credentials(&self) -> Result<Credentials, KmsError>;
}

/// The environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if it is set, `AWS_SESSION_TOKEN`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

impl CredentialSource for Environment {
    fn credentials(&self) -> Result<Credentials, KmsError> {
        let variable = |name: &str| {
            let missing = || KmsError::Credentials {
                detail: format!("the environment variable {name} is not set, or no Unicode text"),
            };
            std::env::var(name).map_err(|_| missing())
        };
        Ok(Credentials {
            access_key_id: variable("AWS_ACCESS_KEY_ID")?,
            secret_access_key: Zeroizing::new(variable("AWS_SECRET_ACCESS_KEY")?),
            session_token: std::env::var("AWS_SESSION_TOKEN").ok().map(Zeroizing::new),
        })
    }
}

impl CredentialSource for Credentials {
    fn credentials(&self) -> Result<Credentials, KmsError> {
        Ok(self.clone())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
