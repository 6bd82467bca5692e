//! Private keys that are in no file: a setting has a reference to one where it could have the name of a file.

use std::sync::Arc;

use keybound::{Algorithm, Signer};
use keybound_client::signers::KeyReference;

use super::file;
use super::key_file::KeyProblem;
use super::sources::Found;

/// Bytes of a file that has a PIN, at most; its first line counts.
const MAX_PIN_FILE_BYTES: u64 = 4096;

/// The reference that a setting has, if it has one.
pub(super) fn of(found: &Found) -> Option<Result<KeyReference, KeyProblem>> {
    let value = found.value.trim();
    KeyReference::is_meant_by(value).then(|| {
        let reference = value.parse::<KeyReference>()?;
        Ok(reference.in_folder(&found.folder))
    })
}

/// Opens the key. It waits for a device, the network or the keyring.
pub(super) fn open(
    reference: &KeyReference,
    algorithm: Option<Algorithm>,
    accept_exposed: bool,
) -> Result<Arc<dyn Signer>, KeyProblem> {
    if let Some(path) = reference.pin_file().filter(|_| !accept_exposed) {
        // What else may be wrong with the file is told by whoever needs the PIN.
        let read = file::read(path, MAX_PIN_FILE_BYTES).ok();
        if let Some(mode) = read.and_then(|file| file.exposed_mode) {
            return Err(KeyProblem::PinExposed { path: path.to_owned(), mode });
        }
    }
    let place = reference.place();
    reference.open(algorithm).map_err(|error| KeyProblem::Elsewhere { place, error })
}
