//! Signing in async code: at once where the key is in this process, on a thread that may block where the
//! signer waits for a device or for a network.
//!
//! Who gives up waiting leaves the thread behind until its signer answers, and what it signed is dropped.

use std::sync::Arc;

use http::Request;
use keybound::exchange::Attempt;
use keybound::proof::{DpopKey, ProofRequest, ProveError};
use keybound::random::Random;
use keybound::{NumericDate, SignError, Signature, Signer, UnsignedJws};

/// The signature of `signer` over `unsigned`.
pub(crate) async fn sign(signer: &Arc<dyn Signer>, unsigned: &UnsignedJws) -> Result<Signature, SignError> {
    if !signer.waits() {
        return signer.sign(unsigned.signing_input());
    }
    let (signer, unsigned) = (Arc::clone(signer), unsigned.clone());
    let signing = tokio::task::spawn_blocking(move || signer.sign(unsigned.signing_input()));
    signing.await.unwrap_or_else(|stopped| {
        let reason = if stopped.is_panic() { "it panicked" } else { "the program is ending" };
        Err(SignError::Unavailable { reason: reason.to_owned() })
    })
}

/// A fresh proof of `key` for `request`: [`DpopKey::prove`], without blocking.
pub(crate) async fn prove(
    key: &DpopKey,
    request: &ProofRequest<'_>,
    now: NumericDate,
    random: &dyn Random,
) -> Result<String, ProveError> {
    let unsigned = key.template().prepare(request, now, random)?;
    let signature = sign(key.signer(), &unsigned).await?;
    Ok(unsigned.attach(&signature))
}

/// The request to the authorization server, signed at once with both keys, as far as there are any:
/// [`Attempt::sign`], without blocking.
pub(crate) async fn sign_attempt(
    attempt: Attempt,
    client_key: Option<&Arc<dyn Signer>>,
    dpop_key: Option<&DpopKey>,
) -> Result<Request<String>, SignError> {
    let proof = async {
        match (attempt.proof(), dpop_key) {
            (Some(proof), Some(key)) => sign(key.signer(), proof).await.map(Some),
            _ => Ok(None),
        }
    };
    let assertion = async {
        let Some(client_key) = client_key else { return Ok(None) };
        match attempt.assertion_for(client_key.as_ref())? {
            Some(assertion) => sign(client_key, assertion).await.map(Some),
            None => Ok(None),
        }
    };
    let (assertion, proof) = tokio::try_join!(assertion, proof)?;
    attempt.attach(assertion.as_ref(), proof.as_ref())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use std::sync::Barrier;
    use std::thread::{self, ThreadId};

    use keybound::exchange::{ClientCredentials, TokenExchange};
    use keybound::proof::{ProofContext, ProofPolicy};
    use keybound::random::OperatingSystem;
    use keybound::{Algorithm, PublicKey, SigningKey, TargetUri};

    use super::*;

    const NOW: NumericDate = NumericDate::from_seconds(784_111_777);

    /// A key that does something of its own before it signs.
    struct Device<F> {
        key: SigningKey,
        waits: bool,
        first: F,
    }

    impl<F: Fn() + Send + Sync + 'static> Device<F> {
        fn signer(waits: bool, first: F) -> Arc<dyn Signer> {
            Arc::new(Self { key: SigningKey::generate(Algorithm::ES256).unwrap(), waits, first })
        }
    }

    impl<F: Fn() + Send + Sync> Signer for Device<F> {
        fn algorithm(&self) -> Algorithm {
            self.key.algorithm()
        }

        fn public_key(&self) -> &PublicKey {
            self.key.public_key()
        }

        fn sign(&self, signing_input: &[u8]) -> Result<Signature, SignError> {
            (self.first)();
            self.key.sign(signing_input)
        }

        fn waits(&self) -> bool {
            self.waits
        }
    }

    fn unsigned() -> UnsignedJws {
        UnsignedJws::new(br#"{"alg":"ES256"}"#, b"{}")
    }

    #[tokio::test]
    async fn only_what_waits_leaves_the_thread() {
        for waits in [false, true] {
            let (seen, signed_on) = std::sync::mpsc::channel::<ThreadId>();
            let device = Device::signer(waits, move || seen.send(thread::current().id()).unwrap());
            sign(&device, &unsigned()).await.unwrap();
            assert_eq!(signed_on.recv().unwrap() != thread::current().id(), waits);
        }
    }

    #[tokio::test]
    async fn a_signer_that_panics_is_one_that_gave_no_signature() {
        let broken = Device::signer(true, || panic!("the driver broke"));
        let outcome = sign(&broken, &unsigned()).await;
        assert_eq!(outcome, Err(SignError::Unavailable { reason: "it panicked".to_owned() }));
    }

    #[tokio::test]
    async fn a_proof_that_was_waited_for_holds() {
        let key = DpopKey::new(Device::signer(true, || {}));
        let target = TargetUri::parse("https://api.example.com/things").unwrap();
        let request =
            ProofRequest { method: &http::Method::GET, target: &target, access_token: None, nonce: None };
        let proof = prove(&key, &request, NOW, &OperatingSystem).await.unwrap();
        let context = ProofContext {
            method: &http::Method::GET,
            target: &target,
            access_token: None,
            nonces: None,
            now: NOW,
        };
        let verified = ProofPolicy::default().check(&proof, &context).unwrap();
        assert_eq!(verified.thumbprint(), key.thumbprint());
    }

    /// Each key signs when the other has begun to: one after the other they would never end.
    #[tokio::test]
    async fn two_devices_are_waited_for_at_once() {
        let meeting = Arc::new(Barrier::new(2));
        let device = || {
            let meeting = Arc::clone(&meeting);
            Device::signer(true, move || {
                meeting.wait();
            })
        };
        let (client_key, dpop_key) = (device(), DpopKey::new(device()));
        let request =
            sign_attempt(attempt(Some(&dpop_key)), Some(&client_key), Some(&dpop_key)).await.unwrap();
        assert!(request.headers().contains_key("dpop") && request.body().contains("client_assertion="));
    }

    #[tokio::test]
    async fn a_proof_without_a_key_is_not_left_out() {
        let (client_key, dpop_key) =
            (Device::signer(false, || {}), DpopKey::new(Device::signer(false, || {})));
        let outcome = sign_attempt(attempt(Some(&dpop_key)), Some(&client_key), None).await;
        assert_eq!(outcome.err(), Some(SignError::ProofNotSigned));
        let bearer = sign_attempt(attempt(None), Some(&client_key), None).await.unwrap();
        assert!(!bearer.headers().contains_key("dpop"));
    }

    fn attempt(dpop_key: Option<&DpopKey>) -> Attempt {
        let grant = ClientCredentials::new("https://as.example.com/token", "0oa1", ["things.read"]).unwrap();
        let proofs = dpop_key.map(|key| key.template().clone());
        TokenExchange::new(grant, Algorithm::ES256, proofs, None).attempt(NOW, &OperatingSystem).unwrap()
    }
}
