//! What is wrong with a TPM, the way to it, a PIN or a key, and what to do about it.

use std::io::ErrorKind;
use std::path::PathBuf;

use keybound::{Algorithm, KeyError};
use tss_esapi::Error;

use super::super::pin::PinUnreadable;
use super::key_file::KeyFileError;
use super::response_code::{ResponseCode, words};
use super::tcti::Tcti;

/// Why a key in a TPM can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Tpm2Error {
    /// The way to the TPM is not one.
    #[error(
        "`{found}` is no way to a TPM (TCTI); write device:/dev/tpmrm0, swtpm:host=HOST,port=PORT, mssim:… or \
         tabrmd:…"
    )]
    Tcti {
        /// Its beginning.
        found: String,
    },
    /// The device is not there.
    #[error(
        "there is no {}: the machine has no TPM 2.0, or it is switched off in its firmware, or not given to this \
         virtual machine or container", .device.display()
    )]
    NoDevice {
        /// The device.
        device: PathBuf,
    },
    /// The device is another user's.
    #[error(
        "the system does not permit the use of {}; add this user to the group that may (`ls -l` says which, mostly \
         `tss`), and log in again", .device.display()
    )]
    NotPermitted {
        /// The device.
        device: PathBuf,
    },
    /// The TPM does not answer.
    #[error(
        "the TPM can't be reached by {tcti}: {detail}; see that it is there, that nobody else holds it (the device \
         /dev/tpmrm0 can be shared, /dev/tpm0 can't), and that the library for this way (libtss2-tcti-…) is \
         installed"
    )]
    Unreachable {
        /// The way.
        tcti: String,
        /// What the library said.
        detail: String,
    },
    /// The handle is not one under which TPMs keep keys.
    #[error("0x{handle:08x} is no persistent handle; those are 0x81000000 to 0x81ffffff")]
    NotPersistent {
        /// The handle.
        handle: u32,
    },
    /// Nothing is under the handle.
    #[error("the TPM has no key under the handle 0x{handle:08x}; {}", found_handles(.found))]
    HandleNotFound {
        /// The handle.
        handle: u32,
        /// Those that have keys.
        found: Vec<u32>,
    },
    /// The file has no key of a TPM that can be used.
    #[error("the key file {} {problem}", .path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: KeyFileError,
    },
    /// The file's key was made by another TPM.
    #[error(
        "the TPM can't use the key file {}: {detail}; it was made by another TPM, or before this one was cleared, \
         or below another key", .path.display()
    )]
    ForeignFile {
        /// The file.
        path: PathBuf,
        /// What the TPM said.
        detail: String,
    },
    /// The key above that of the file has a PIN of its own.
    #[error(
        "the key above that of the key file can't be used: {detail}; it, or its hierarchy, has a PIN: make the key \
         below a persistent one that has none, or make the key itself persistent"
    )]
    Parent {
        /// What the TPM said.
        detail: String,
    },
    /// The key does not sign.
    #[error("the key is not for signing (it has no attribute `sign`); make one with `-a …|sign`")]
    NotForSigning,
    /// The key signs only what the TPM itself has digested.
    #[error(
        "the key is restricted: it signs only what the TPM itself made or digested (TPM 2.0 part 1, section 25.1), \
         as attestation keys do; make one without the attribute `restricted`"
    )]
    Restricted,
    /// The key signs certificates alone.
    #[error("the key signs certificates alone (attribute `x509sign`); make one without it")]
    CertificatesOnly,
    /// The key is used by a policy.
    #[error(
        "the key is used by a policy and not by a PIN, which is not supported; make one with the attribute \
         `userwithauth`"
    )]
    PolicyNeeded,
    /// The key is of a kind that makes no signatures of a JWS.
    #[error("the key is neither an RSA key nor one on P-256, P-384 or P-521; make one of these")]
    KeyType,
    /// The public half is not one that can be used.
    #[error("the key can't be used: {0}")]
    Key(#[from] KeyError),
    /// The key or the TPM can't sign by that algorithm.
    #[error(
        "the key can't sign with {algorithm}: {reason}; choose another algorithm, or a key of another kind"
    )]
    AlgorithmUnfit {
        /// The algorithm.
        algorithm: Algorithm,
        /// Why.
        reason: String,
    },
    /// The PIN could not be read.
    #[error("the PIN can't be read from {from}: {detail}")]
    PinUnreadable {
        /// Where it should have come from.
        from: String,
        /// What the system said.
        detail: String,
    },
    /// The PIN is longer than any.
    #[error("the PIN has more than {limit} bytes, and none of a TPM has")]
    PinTooLong {
        /// Bytes that a PIN may have.
        limit: usize,
    },
    /// The key has a PIN, and none is given.
    #[error("the key has a PIN, and none is given; say where it is: pin-source=file:PATH in a reference")]
    PinMissing,
    /// The TPM takes the PIN for wrong.
    #[error(
        "the TPM refused the {}: {detail}; it is not sent again until the signer is opened anew",
        if *.was_given { "PIN" } else { "empty PIN, so the key has one; say where it is: pin-source=file:PATH" }
    )]
    PinIncorrect {
        /// A PIN was given.
        was_given: bool,
        /// What the TPM said; `TPM_RC_AUTH_FAIL` was counted towards the lockout, `TPM_RC_BAD_AUTH` was not.
        detail: String,
    },
    /// Too many wrong PINs.
    #[error(
        "the TPM is locked after too many wrong PINs: {detail}; wait as long as `tpm2_getcap properties-variable` \
         says (TPM2_PT_LOCKOUT_INTERVAL, in seconds, for each try), or let its owner end it: `tpm2_dictionarylockout \
         --clear-lockout`"
    )]
    LockedOut {
        /// What the TPM said.
        detail: String,
    },
    /// Another key has taken the place of the one that the signer was opened with.
    #[error(
        "another key than before is in its place in the TPM; tokens are bound to the old one, so open the signer \
         anew"
    )]
    OtherKey,
    /// The signature is not one of the public half.
    #[error(
        "the TPM's signature is not one of the public key that it gave for this key; open the signer anew"
    )]
    HalvesDiffer,
    /// The connection was opened anew since the key was loaded.
    #[error("the connection to the TPM broke, and the key has to be loaded again; try again")]
    Lost,
    /// The way to the TPM broke.
    #[error("the connection to the TPM broke: {detail}; see that the TPM is there, and try again")]
    Broken {
        /// What the library said.
        detail: String,
    },
    /// The TPM failed.
    #[error("the TPM failed to {operation}: {detail}")]
    Device {
        /// What it was to do.
        operation: &'static str,
        /// What it said.
        detail: String,
    },
}

impl From<PinUnreadable> for Tpm2Error {
    fn from(PinUnreadable { from, detail }: PinUnreadable) -> Self {
        Self::PinUnreadable { from, detail }
    }
}

impl Tpm2Error {
    /// Why there is no connection. The library knows little of it, so the device is looked at.
    pub(super) fn unreachable(tcti: &Tcti, detail: String) -> Self {
        if let Some(device) = tcti.device() {
            let opened = std::fs::File::options().read(true).write(true).open(device);
            let device = device.to_owned();
            match opened.map_err(|error| error.kind()) {
                Err(ErrorKind::NotFound) => return Self::NoDevice { device },
                Err(ErrorKind::PermissionDenied) => return Self::NotPermitted { device },
                _ => {}
            }
        }
        Self::Unreachable { tcti: tcti.text.clone(), detail }
    }

    /// What the TPM said to anything but the use of a key.
    pub(super) fn device(operation: &'static str, error: Error) -> Self {
        match ResponseCode::of(error) {
            ResponseCode::Layer(_) => Self::Broken { detail: words(error) },
            _ => Self::Device { operation, detail: words(error) },
        }
    }

    /// What the TPM said to the use of a key.
    pub(super) fn of_use(pin_was_given: bool, error: Error) -> Self {
        let (code, detail) = (ResponseCode::of(error), words(error));
        if code.is_wrong_pin() {
            Self::PinIncorrect { was_given: pin_was_given, detail }
        } else if code.is_lockout() {
            Self::LockedOut { detail }
        } else if code.is_about_policy() {
            Self::PolicyNeeded
        } else if code.is_lost() {
            Self::Broken { detail }
        } else {
            Self::Device { operation: "sign", detail }
        }
    }

    /// Whether it helps to begin anew.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost | Self::Broken { .. } | Self::HalvesDiffer)
    }

    /// Whether a further try would cost one of the few that the TPM allows.
    pub(super) fn is_about_the_pin(&self) -> bool {
        matches!(self, Self::PinIncorrect { .. })
    }
}

fn found_handles(found: &[u32]) -> String {
    match found {
        [] => "it has none at all: make one, for example with `tpm2_create`, `tpm2_load` and `tpm2_evictcontrol`"
            .to_owned(),
        found => {
            let handles: Vec<_> = found.iter().map(|handle| format!("0x{handle:08x}")).collect();
            format!("it has {}", handles.join(", "))
        }
    }
}
