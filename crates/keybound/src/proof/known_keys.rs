//! Keys of proofs that were accepted before, parsed: a client uses one key for all its requests, and
//! parsing it costs up to a fifth of a verification.

use std::sync::{Mutex, PoisonError};

use crate::key::PublicKey;
use crate::thumbprint::Thumbprint;

/// Keys that are kept, at most. What is forgotten is parsed again, and nothing else comes of it.
const PLACES: usize = 1024;

/// A cache of the parsed keys of proofs, for a resource. A few hundred bytes for each key, and bounded.
pub struct KnownKeys {
    places: Vec<Mutex<Option<PublicKey>>>,
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect() }
    }
}

impl KnownKeys {
    /// The key of this thumbprint.
    pub(crate) fn get(&self, thumbprint: Thumbprint) -> Option<PublicKey> {
        let place = self.place(thumbprint)?.lock().unwrap_or_else(PoisonError::into_inner);
        place.as_ref().filter(|key| key.thumbprint() == thumbprint).cloned()
    }

    /// Keeps a key that has verified a signature, in place of another that has the same place.
    pub(crate) fn keep(&self, key: &PublicKey) {
        if let Some(place) = self.place(key.thumbprint()) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        }
    }

    fn place(&self, thumbprint: Thumbprint) -> Option<&Mutex<Option<PublicKey>>> {
        let [first, second, ..] = *thumbprint.as_bytes();
        self.places.get(usize::from(u16::from_be_bytes([first, second])) % PLACES)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderName, HeaderValue, Method};

    use super::*;
    use crate::credentials::Scheme;
    use crate::key::{KeyKind, PrivateKey, SigningKey};
    use crate::proof::{AccessTokenHash, DpopKey, ProofRequest};
    use crate::random::OperatingSystem;
    use crate::resource::{Demands, ResourceRequest};
    use crate::{Algorithm, NumericDate, TargetUri};

    #[test]
    fn a_key_is_found_by_its_own_thumbprint_alone() {
        let known = KnownKeys::default();
        let keys: Vec<_> = (0..3 * PLACES)
            .map(|_| PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone())
            .collect();
        for key in &keys {
            assert!(known.get(key.thumbprint()).is_none());
            known.keep(key);
            assert_eq!(known.get(key.thumbprint()).as_ref(), Some(key));
        }
        let kept = keys.iter().filter(|key| known.get(key.thumbprint()).is_some()).count();
        assert!((1..=PLACES).contains(&kept), "{kept}");
    }

    #[test]
    fn a_key_that_no_token_is_known_to_be_bound_to_takes_no_place() {
        let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
        let (now, token) = (NumericDate::from_seconds(1_800_000_000), "a.b.c");
        let target = TargetUri::parse("https://api.example.com/").unwrap();
        let hash = AccessTokenHash::of(token);
        let asked =
            ProofRequest { method: &Method::GET, target: &target, access_token: Some(hash), nonce: None };
        let proof = key.prove(&asked, now, &OperatingSystem).unwrap();
        let headers = [(HeaderName::from_static("dpop"), HeaderValue::from_str(&proof).unwrap())];
        let headers = headers.into_iter().collect();
        let request =
            ResourceRequest { method: &Method::GET, target: &target, query: None, headers: &headers };

        let demands = Demands::default();
        demands.present(&request, Scheme::Dpop, hash, now).unwrap();
        assert!(demands.known_keys.get(key.thumbprint()).is_none(), "anybody can make a key");
    }
}
