//! An issuer whose keys are in a file, and clients with tokens of it.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, JwkSet, Nonce, NumericDate, Signer as _, SigningKey, TargetUri, UnsignedJws};
use serde_json::json;
use tempfile::TempDir;

pub(crate) const ISSUER: &str = "https://login.example.com";
pub(crate) const RESOURCE: &str = "https://api.example.com";

pub(crate) struct IdentityProvider {
    key: SigningKey,
    folder: TempDir,
}

/// A client: its key, and a token that is bound to it.
pub(crate) struct Client {
    pub(crate) key: DpopKey,
    pub(crate) token: String,
}

impl IdentityProvider {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let folder = TempDir::new().unwrap();
        let keys = JwkSet::from_keys(vec![key.public_key().clone()]);
        std::fs::write(folder.path().join("jwks.json"), keys.to_json()).unwrap();
        Self { key, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A policy file in this folder, with `more` in it.
    pub(crate) fn policy(&self, more: &str) -> std::path::PathBuf {
        let path = self.folder.path().join("guard.toml");
        let text = format!(
            "resources = [\"{RESOURCE}\"]\n[[issuers]]\nissuer = \"{ISSUER}\"\naudiences = [\"api\"]\n\
             algorithms = [\"ES256\"]\njwks_file = \"jwks.json\"\n{more}"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn client(&self, subject: &str, scope: &str) -> Client {
        let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
        let now = now().seconds();
        let header = json!({ "typ": "at+jwt", "alg": "ES256" });
        let claims = json!({
            "iss": ISSUER, "aud": "api", "sub": subject, "client_id": "client-1", "scope": scope,
            "iat": now, "exp": now + 3600, "jti": subject, "cnf": { "jkt": key.thumbprint().to_string() },
        });
        let unsigned = UnsignedJws::new(header.to_string().as_bytes(), claims.to_string().as_bytes());
        let token = unsigned.sign(&self.key).unwrap();
        Client { key, token }
    }
}

impl Client {
    /// The header fields of a request with this token and a fresh proof.
    pub(crate) fn credentials(&self, method: &str, path: &str, nonce: Option<&Nonce>) -> String {
        let proof = self.proof(method, path, nonce);
        format!("Authorization: DPoP {}\r\nDPoP: {proof}\r\n", self.token)
    }

    pub(crate) fn proof(&self, method: &str, path: &str, nonce: Option<&Nonce>) -> String {
        let request = ProofRequest {
            method: &method.parse().unwrap(),
            target: &TargetUri::parse(&format!("{RESOURCE}{path}")).unwrap(),
            access_token: Some(AccessTokenHash::of(&self.token)),
            nonce,
        };
        self.key.prove(&request, now(), &OperatingSystem).unwrap()
    }
}

fn now() -> NumericDate {
    SystemTime::now().into()
}
