//! The connection to a TPM, which all signers share that go the same way to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tss_esapi::Context;
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{ObjectHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Auth, Digest, HashcheckTicket, Signature, SymmetricDefinition};

use super::Tpm2Error;
use super::loaded_key::LoadedKey;
use super::public_half::{self, PublicHalf};
use super::response_code::{ResponseCode, words};
use super::tcti::Tcti;

/// Connections that signers use. Without a resource manager there is one for all: `/dev/tpm0` can't be opened a
/// second time, by the same process either.
static OPEN: Mutex<BTreeMap<String, Weak<Mutex<Connection>>>> = Mutex::new(BTreeMap::new());

/// A connection to a TPM, opened when it is first used.
pub(super) struct Connection {
    tcti: Tcti,
    context: Option<Context>,
    /// How often it was opened: a key that was loaded before is not loaded now.
    generation: u64,
}

/// The connection that goes by `tcti`.
pub(super) fn by(tcti: &Tcti) -> Arc<Mutex<Connection>> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(connection) = open.get(&tcti.text).and_then(Weak::upgrade) {
        return connection;
    }
    open.retain(|_, connection| connection.strong_count() > 0);
    let connection = Connection { tcti: tcti.clone(), context: None, generation: 0 };
    let connection = Arc::new(Mutex::new(connection));
    open.insert(tcti.text.clone(), Arc::downgrade(&connection));
    connection
}

impl Connection {
    /// The open connection, and its generation.
    pub(super) fn context(&mut self) -> Result<(&mut Context, u64), Tpm2Error> {
        let context = if let Some(context) = self.context.take() {
            context
        } else {
            self.generation += 1;
            let opened = Context::new(self.tcti.name_conf.clone());
            opened.map_err(|error| Tpm2Error::unreachable(&self.tcti, words(error)))?
        };
        Ok((self.context.insert(context), self.generation))
    }

    /// Sees that the TPM has the algorithm, before anything is signed.
    pub(super) fn test_algorithm(&mut self, half: &PublicHalf) -> Result<(), Tpm2Error> {
        let (context, _) = self.context()?;
        let tested = context.execute_without_session(|context| context.test_parms(half.parameters));
        tested.map_err(|error| match ResponseCode::of(error) {
            ResponseCode::Tpm(..) => Tpm2Error::AlgorithmUnfit {
                algorithm: half.algorithm,
                reason: format!("the TPM does not have it: {}", words(error)),
            },
            _ => Tpm2Error::device("say which algorithms it has", error),
        })
    }

    /// Ends the connection, for all, if that is what went wrong: the library can't go on with it.
    pub(super) fn close_if_broken(&mut self, error: &Tpm2Error) {
        if matches!(error, Tpm2Error::Broken { .. }) {
            self.context = None;
        }
    }

    /// The signature over `digest`, in the form of RFC 7518.
    pub(super) fn sign(
        &mut self,
        key: &LoadedKey,
        half: &PublicHalf,
        digest: &[u8],
    ) -> Result<Vec<u8>, Tpm2Error> {
        let (context, generation) = self.context()?;
        if generation != key.generation() {
            return Err(Tpm2Error::Lost);
        }
        let failed = |error| Tpm2Error::of_use(key.has_pin(), error);
        let digest = Digest::try_from(digest).map_err(failed)?;
        let signature = match key.pin() {
            Some(pin) => sign_with_pin(context, key, half, digest, pin.clone()),
            None => context.execute_with_session(Some(AuthSession::Password), |context| {
                context.sign(key.handle(), digest, half.scheme, no_ticket()?)
            }),
        };
        let signature = signature.map_err(failed).inspect_err(|error| self.close_if_broken(error))?;
        public_half::jws_signature(half, &signature)
    }

    /// Takes `key` out of the TPM's memory; one that is persistent stays where it is.
    pub(super) fn unload(&mut self, key: &LoadedKey) {
        let generation = self.generation;
        if let Some(context) = self.context.as_mut().filter(|_| generation == key.generation()) {
            unload(context, key.handle().into(), key.is_persistent());
        }
    }
}

/// Takes an object out of the TPM's memory. If that fails there is nobody to tell: the object goes when the
/// connection ends.
pub(super) fn unload(context: &mut Context, mut object: ObjectHandle, persistent: bool) {
    let _ = if persistent { context.tr_close(&mut object) } else { context.flush_context(object) };
}

/// Signs in a session in which the PIN goes into a MAC (TPM 2.0 part 1, section 19.6) and not over the wires.
fn sign_with_pin(
    context: &mut Context,
    key: &LoadedKey,
    half: &PublicHalf,
    digest: Digest,
    pin: Auth,
) -> tss_esapi::Result<Signature> {
    let session = context.start_auth_session(
        None,
        None,
        None,
        SessionType::Hmac,
        SymmetricDefinition::AES_128_CFB,
        HashingAlgorithm::Sha256,
    )?;
    let object = ObjectHandle::from(key.handle());
    let signature = context.tr_set_auth(object, pin).and_then(|()| {
        context.execute_with_session(session, |context| {
            context.sign(key.handle(), digest, half.scheme, no_ticket()?)
        })
    });
    // Overwrites the library's copy of the PIN.
    let wiped = context.tr_set_auth(object, Auth::default());
    let ended = session.map_or(Ok(()), |session| context.flush_context(SessionHandle::from(session).into()));
    signature.and_then(|signature| wiped.and(ended).map(|()| signature))
}

/// The ticket of a digest that the TPM did not make (TPM 2.0 part 3, section 20.2).
fn no_ticket() -> tss_esapi::Result<HashcheckTicket> {
    use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
    use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;

    HashcheckTicket::try_from(TPMT_TK_HASHCHECK {
        tag: TPM2_ST_HASHCHECK,
        hierarchy: TPM2_RH_NULL,
        digest: tss_esapi::tss2_esys::TPM2B_DIGEST::default(),
    })
}
