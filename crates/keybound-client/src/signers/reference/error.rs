//! Why a text is no reference to a key.

use super::MAX_REFERENCE_BYTES;

/// Why a text is no reference to a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// It is longer than any reference.
    #[error("the reference to a key has {found} bytes, more than the {MAX_REFERENCE_BYTES} that are read")]
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// It begins otherwise.
    #[error(
        "`{found}` refers to no key: it begins with none of `pkcs11:`, `handle:`, `tss2:`, `awskms:` and `keyring:`"
    )]
    UnknownScheme {
        /// Its beginning.
        found: String,
    },
    /// A part of it is missing or empty.
    #[error("the reference to a key has no {part}; write {form}")]
    Missing {
        /// The part.
        part: &'static str,
        /// The whole form.
        form: &'static str,
    },
    /// An attribute that is not known, or by which keys are not chosen here.
    #[error("the attribute `{found}` of a {scheme} reference is not understood; {known} are")]
    UnknownAttribute {
        /// How the reference begins.
        scheme: &'static str,
        /// Its name, cut to 64 characters.
        found: String,
        /// Those that are.
        known: &'static str,
    },
    /// An attribute is there twice.
    #[error("the attribute `{attribute}` of a {scheme} reference is there twice (RFC 7512 section 2.3)")]
    Twice {
        /// How the reference begins.
        scheme: &'static str,
        /// Its name.
        attribute: String,
    },
    /// An attribute's value is none.
    #[error("the value of the attribute `{attribute}` of a {scheme} reference is not {expected}")]
    Value {
        /// How the reference begins.
        scheme: &'static str,
        /// Its name.
        attribute: String,
        /// What it should be.
        expected: &'static str,
    },
    /// What follows `handle:` is no number, or not one under which a TPM keeps keys.
    #[error("`{found}` is no persistent handle of a TPM: those are 0x81000000 to 0x81ffffff")]
    Handle {
        /// Its beginning.
        found: String,
    },
    /// The PIN itself is there.
    #[error(
        "a {scheme} reference in settings must not have the PIN itself (`pin-value`, RFC 7512 section 7); put it \
         into a file that only this program's user can read, and name that: pin-source=file:PATH"
    )]
    PinValue {
        /// How the reference begins.
        scheme: &'static str,
    },
}
