//! The way to the TPM, which the TPM's tools call a TCTI (TSS 2.0 TPM Command Transmission Interface).

use std::path::Path;
use std::str::FromStr as _;

use keybound::excerpt::{NAME, excerpt};
use tss_esapi::tcti_ldr::TctiNameConf;

use super::Tpm2Error;

/// The TPM of this machine, by way of the kernel's resource manager, which lets several programs use it.
pub const DEFAULT_TCTI: &str = "device:/dev/tpmrm0";

/// The environment variables that name the way, the first that is set: that of tpm2-tools, and the general one.
pub const TCTI_VARIABLES: [&str; 2] = ["TPM2TOOLS_TCTI", "TCTI"];

/// Bytes of a TCTI, at most: a path, or a host and a port.
const MAX_BYTES: usize = 4096;

/// A way to a TPM that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tcti {
    pub(super) text: String,
    pub(super) name_conf: TctiNameConf,
}

/// The way that is asked for, or that the environment names, or the usual one.
pub(super) fn choose(asked_for: Option<&str>) -> Result<Tcti, Tpm2Error> {
    let in_environment = || TCTI_VARIABLES.into_iter().find_map(|name| std::env::var(name).ok());
    let text = asked_for.map(str::to_owned).or_else(in_environment);
    Tcti::parse(text.as_deref().unwrap_or(DEFAULT_TCTI))
}

impl Tcti {
    fn parse(text: &str) -> Result<Self, Tpm2Error> {
        // `device` alone would be /dev/tpm0, which one program at a time can open.
        let text = if matches!(text, "device" | "device:") { DEFAULT_TCTI } else { text };
        let refused = || Tpm2Error::Tcti { found: excerpt(text, NAME) };
        if text.len() > MAX_BYTES || text.contains(char::is_control) {
            return Err(refused());
        }
        let name_conf = TctiNameConf::from_str(text).map_err(|_| refused())?;
        Ok(Self { text: text.to_owned(), name_conf })
    }

    /// The device, if it is one.
    pub(super) fn device(&self) -> Option<&Path> {
        self.text.strip_prefix("device:").map(Path::new)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn the_ways_of_the_tools_are_understood_and_no_others() {
        for (text, device, why) in [
            ("device:/dev/tpmrm0", Some("/dev/tpmrm0"), "a device"),
            ("device:/dev/tpm0", Some("/dev/tpm0"), "without the resource manager"),
            ("device", Some("/dev/tpmrm0"), "the usual device"),
            ("device:", Some("/dev/tpmrm0"), "the usual device"),
            ("swtpm:host=127.0.0.1,port=2321", None, "a TPM in software"),
            ("mssim", None, "Microsoft's simulator"),
            ("tabrmd:bus_type=session", None, "the resource manager in user space"),
        ] {
            assert_eq!(Tcti::parse(text).unwrap().device(), device.map(Path::new), "{why}");
        }
        let long = format!("device:/{}", "a".repeat(MAX_BYTES));
        for (text, why) in [
            ("", "nothing"),
            ("/dev/tpmrm0", "no kind"),
            ("cmd:rm -r /", "a program"),
            ("libtss2-tcti-device.so.0:/dev/tpmrm0", "a library"),
            ("swtpm:port=x", "no port"),
            ("device:/dev/tpm\n0", "a line's end"),
            ("device:/dev/\0", "the end of a C string"),
            (&long, "longer than any path"),
        ] {
            let refused = Err(Tpm2Error::Tcti { found: excerpt(text, NAME) });
            assert_eq!(Tcti::parse(text), refused, "{why}");
        }
    }
}
