//! What the TPM or the layers in front of it answered (TPM 2.0 part 2, section 6.6; TSS 2.0 overview, section 3).

use std::fmt;

use tss_esapi::Error;
use tss_esapi::constants::response_code::{Tss2ResponseCode, Tss2ResponseCodeKind as Kind};

/// A response code with the layer that it comes from: the same number means another thing in each.
pub(super) enum ResponseCode {
    /// The TPM answered, or a resource manager in its place.
    Tpm(Tss2ResponseCode, Option<Kind>),
    /// The way to the TPM failed: this layer, with this code.
    Layer(u32),
    /// The library refused.
    Library(Error),
}

impl ResponseCode {
    pub(super) fn of(error: Error) -> Self {
        let Error::Tss2Error(code) = error else { return Self::Library(error) };
        match number(code) {
            Some(number) if !is_of_tpm(number) => Self::Layer(number),
            _ => Self::Tpm(code, code.kind()),
        }
    }

    fn kind(&self) -> Option<Kind> {
        if let Self::Tpm(_, kind) = self { *kind } else { None }
    }

    /// Nothing is under that handle.
    pub(super) fn is_unknown_handle(&self) -> bool {
        matches!(self.kind(), Some(Kind::Handle | Kind::Value))
    }

    /// What was loaded by the connection is gone, or the connection itself is.
    pub(super) fn is_lost(&self) -> bool {
        matches!(
            self.kind(),
            Some(Kind::Handle | Kind::Value | Kind::ReferenceH0 | Kind::ReferenceS0 | Kind::Initialize)
        ) || matches!(self, Self::Layer(_))
    }

    /// The private half is not one that the parent can read.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.kind(), Some(Kind::Integrity | Kind::Binding | Kind::Sensitive | Kind::Size))
    }

    pub(super) fn is_about_authorization(&self) -> bool {
        self.is_wrong_pin() || self.is_lockout() || self.is_about_policy()
    }

    pub(super) fn is_wrong_pin(&self) -> bool {
        matches!(self.kind(), Some(Kind::AuthFail | Kind::BadAuth))
    }

    pub(super) fn is_lockout(&self) -> bool {
        self.kind() == Some(Kind::Lockout)
    }

    /// The PIN is not what the key is used by.
    pub(super) fn is_about_policy(&self) -> bool {
        matches!(self.kind(), Some(Kind::AuthUnavailable | Kind::AuthType | Kind::PolicyFail))
    }
}

/// Whether the number is one of a TPM. A resource manager answers with those too: Linux's in the layer 11, where
/// the overview has the manager's own, others in the layer 12. Only numbers of a TPM have one of these two bits.
fn is_of_tpm(number: u32) -> bool {
    matches!(number >> 16, 0 | 11 | 12) && number & 0x180 != 0
}

/// The code's number. The library shows it, and has no other way to it.
fn number(code: Tss2ResponseCode) -> Option<u32> {
    let shown = match code {
        Tss2ResponseCode::Success => return Some(0),
        Tss2ResponseCode::FormatZero(code) => code.to_string(),
        Tss2ResponseCode::FormatOne(code) => code.to_string(),
    };
    u32::from_str_radix(shown.rsplit_once("0x")?.1, 16).ok()
}

/// The answer by its name in the standard, with its number and what it means.
pub(super) fn words(error: Error) -> String {
    ResponseCode::of(error).to_string()
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(error) => write!(formatter, "{error}"),
            Self::Layer(number) => write!(formatter, "{} (0x{number:08x})", layer_words(*number)),
            Self::Tpm(code, kind) => {
                formatter.write_str("TPM_RC")?;
                for character in kind.iter().flat_map(|kind| format!("{kind:?}").into_bytes()) {
                    if character.is_ascii_uppercase() {
                        formatter.write_str("_")?;
                    }
                    write!(formatter, "{}", char::from(character.to_ascii_uppercase()))?;
                }
                match number(*code) {
                    Some(number) => write!(formatter, " (0x{number:03x}: {code})"),
                    None => write!(formatter, " ({code})"),
                }
            }
        }
    }
}

/// The layer, and its code (TSS 2.0 overview, section 3.2).
fn layer_words(number: u32) -> String {
    let layer = match number >> 16 {
        7 => "TSS2_ESYS_RC",
        8 => "TSS2_SYS_RC",
        9 => "TSS2_MU_RC",
        10 => "TSS2_TCTI_RC",
        11 => "TSS2_RESMGR_RC",
        _ => "TSS2_RC",
    };
    let code = match number & 0xffff {
        1 => "_GENERAL_FAILURE",
        2 => "_NOT_IMPLEMENTED",
        8 => "_NO_CONNECTION",
        9 => "_TRY_AGAIN",
        10 => "_IO_ERROR",
        11 => "_BAD_VALUE",
        12 => "_NOT_PERMITTED",
        17 => "_MALFORMED_RESPONSE",
        21 => "_NOT_SUPPORTED",
        27 => "_RSP_AUTH_FAILED",
        _ => "",
    };
    format!("{layer}{code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_the_standards() {
        for (code, expected, why) in [
            (0x98e, "TPM_RC_AUTH_FAIL (0x98e: ", "the PIN is wrong, and was counted"),
            (0x9a2, "TPM_RC_BAD_AUTH (0x9a2: ", "the PIN is wrong"),
            (0x921, "TPM_RC_LOCKOUT (0x921: ", "a warning"),
            (0x18b, "TPM_RC_HANDLE (0x18b: ", "about a handle"),
            (0x910, "TPM_RC_REFERENCE_H0 (0x910: ", "a digit in the name"),
            (0x000b_0143, "TPM_RC_COMMAND_CODE (0xb0143: ", "the resource manager's answer"),
            (0x000c_0921, "TPM_RC_LOCKOUT (0xc0921: ", "another resource manager's answer"),
            (0x000b_000a, "TSS2_RESMGR_RC_IO_ERROR (0x000b000a)", "the resource manager itself"),
            (0x000a_000a, "TSS2_TCTI_RC_IO_ERROR (0x000a000a)", "the way to the TPM"),
            (0x0007_000b, "TSS2_ESYS_RC_BAD_VALUE (0x0007000b)", "the library in front of it"),
            (0x000a_0077, "TSS2_TCTI_RC (0x000a0077)", "a code that has no name here"),
        ] {
            let words = words(Error::Tss2Error(Tss2ResponseCode::from(code)));
            assert!(words.starts_with(expected), "{why}: {words}");
        }
    }
}
