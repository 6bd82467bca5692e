//! The drivers of tokens: shared libraries, each loaded and started once in a process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::Pkcs11Error;
use super::error::words;

/// Modules that are loaded. They stay: other parts of the process may use the same one, and many don't
/// survive being unloaded.
static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// The module at `path`, started.
pub(super) fn load(path: &Path) -> Result<Pkcs11, Pkcs11Error> {
    let failed = |error: Error| Pkcs11Error::Module { path: path.to_owned(), detail: words(&error) };
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let module = match loaded.get(path) {
        Some(module) => module.clone(),
        None => Pkcs11::new(path).map_err(failed)?,
    };
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(failed(error)),
    }
    loaded.insert(path.to_owned(), module.clone());
    Ok(module)
}
