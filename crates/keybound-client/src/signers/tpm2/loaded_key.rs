//! The key in the TPM's memory: found under its handle, or loaded from its file.

use std::path::Path;

use tss_esapi::constants::CapabilityType;
use tss_esapi::handles::{KeyHandle, PersistentTpmHandle, TpmHandle};
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Auth, CapabilityData, Public};
use tss_esapi::{Context, Error};

use super::connection::{Connection, unload};
use super::key_file::{KeyFile, Parent};
use super::response_code::{ResponseCode, words};
use super::{Tpm2Error, Tpm2Options, Tpm2Place, public_half};

/// The first persistent handle (TPM 2.0 part 2, section 7.4).
const FIRST_PERSISTENT: u32 = 0x8100_0000;

/// Persistent handles that an error lists, at most; TPMs have room for some ten.
const MAX_LISTED: u32 = 64;

/// A key that can be used by one opened connection.
pub(super) struct LoadedKey {
    handle: KeyHandle,
    public: Public,
    pin: Option<Auth>,
    persistent: bool,
    generation: u64,
}

impl LoadedKey {
    /// Loads the key of `options`, and reads its PIN.
    pub(super) fn load(connection: &mut Connection, options: &Tpm2Options) -> Result<Self, Tpm2Error> {
        let (handle, needs_pin) = match &options.place {
            Tpm2Place::Handle(handle) => (load_persistent(connection, *handle)?, false),
            Tpm2Place::File(path) => load_file(connection, path)?,
        };
        let persistent = matches!(options.place, Tpm2Place::Handle(_));
        let (context, generation) = connection.context()?;
        match read_public(context, handle).and_then(|public| Ok((public, pin(options, needs_pin)?))) {
            Ok((public, pin)) => Ok(Self { handle, public, pin, persistent, generation }),
            Err(error) => {
                unload(context, handle.into(), persistent);
                Err(error)
            }
        }
    }

    pub(super) fn handle(&self) -> KeyHandle {
        self.handle
    }

    /// What the TPM says of the key.
    pub(super) fn public(&self) -> &Public {
        &self.public
    }

    pub(super) fn pin(&self) -> Option<&Auth> {
        self.pin.as_ref()
    }

    pub(super) fn has_pin(&self) -> bool {
        self.pin.is_some()
    }

    pub(super) fn is_persistent(&self) -> bool {
        self.persistent
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}

fn read_public(context: &mut Context, handle: KeyHandle) -> Result<Public, Tpm2Error> {
    let read = context.execute_without_session(|context| context.read_public(handle));
    let (public, _, _) = read.map_err(|error| Tpm2Error::device("give the public key", error))?;
    public_half::check_use(&public)?;
    Ok(public)
}

fn pin(options: &Tpm2Options, needed: bool) -> Result<Option<Auth>, Tpm2Error> {
    let Some(pin) = options.pin.as_ref().map(super::Pin::read).transpose()?.flatten() else {
        return if needed { Err(Tpm2Error::PinMissing) } else { Ok(None) };
    };
    let too_long = |_| Tpm2Error::PinTooLong { limit: Auth::MAX_SIZE };
    Auth::try_from(pin.as_bytes()).map(Some).map_err(too_long)
}

fn load_persistent(connection: &mut Connection, handle: u32) -> Result<KeyHandle, Tpm2Error> {
    let (context, _) = connection.context()?;
    let persistent = PersistentTpmHandle::new(handle).map_err(|_| Tpm2Error::NotPersistent { handle })?;
    let found = context
        .execute_without_session(|context| context.tr_from_tpm_public(TpmHandle::Persistent(persistent)));
    match found {
        Ok(object) => Ok(KeyHandle::from(object)),
        Err(error) if ResponseCode::of(error).is_unknown_handle() => {
            Err(Tpm2Error::HandleNotFound { handle, found: persistent_handles(context) })
        }
        Err(error) => Err(Tpm2Error::device("find the key", error)),
    }
}

/// The handles that have keys. An error lists them; what goes wrong here is no further error.
fn persistent_handles(context: &mut Context) -> Vec<u32> {
    let listed = context.execute_without_session(|context| {
        context.get_capability(CapabilityType::Handles, FIRST_PERSISTENT, MAX_LISTED)
    });
    match listed {
        Ok((CapabilityData::Handles(handles), _)) => {
            handles.into_inner().into_iter().map(u32::from).collect()
        }
        _ => Vec::new(),
    }
}

/// The key of a file, and whether it says that it has a PIN.
fn load_file(connection: &mut Connection, path: &Path) -> Result<(KeyHandle, bool), Tpm2Error> {
    let file =
        KeyFile::read(path).map_err(|problem| Tpm2Error::KeyFile { path: path.to_owned(), problem })?;
    let (parent, persistent) = match file.parent {
        Parent::Persistent(handle) => (load_persistent(connection, handle)?, true),
        Parent::Hierarchy(hierarchy) => (create_primary(connection, hierarchy)?, false),
    };
    let (context, _) = connection.context()?;
    let loaded = context.execute_with_session(Some(AuthSession::Password), |context| {
        context.load(parent, file.private, file.public)
    });
    unload(context, parent.into(), persistent);
    match loaded {
        Ok(handle) => Ok((handle, file.needs_pin)),
        Err(error) if ResponseCode::of(error).is_foreign() => {
            Err(Tpm2Error::ForeignFile { path: path.to_owned(), detail: words(error) })
        }
        Err(error) if ResponseCode::of(error).is_about_authorization() => {
            Err(Tpm2Error::Parent { detail: words(error) })
        }
        Err(error) => Err(Tpm2Error::device("load the key", error)),
    }
}

/// The key above those of a hierarchy. It is made anew each time, and is always the same.
fn create_primary(connection: &mut Connection, hierarchy: Hierarchy) -> Result<KeyHandle, Tpm2Error> {
    let (context, _) = connection.context()?;
    let refused = |error: Error| match ResponseCode::of(error) {
        code if code.is_about_authorization() => Tpm2Error::Parent { detail: words(error) },
        _ => Tpm2Error::device("make the key above that of the file", error),
    };
    let template = super::key_file::primary_template().map_err(refused)?;
    let made = context.execute_with_session(Some(AuthSession::Password), |context| {
        context.create_primary(hierarchy, template, None, None, None, None)
    });
    Ok(made.map_err(refused)?.key_handle)
}
