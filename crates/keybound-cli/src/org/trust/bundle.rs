//! A file with the system's certificate authorities and one more.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exit_code::ExitCode;
use crate::key_file::{self, PUBLIC};
use crate::report::{Failure, Outcome};

/// Where systems keep all their authorities in one file.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Writes the bundle, unless it is there already. Another file is not overwritten.
pub(super) fn write(path: &Path, authority: &str) -> Outcome {
    let unreadable = |path: &Path, error: std::io::Error| {
        Failure::new(ExitCode::KeyFile, format_args!("{} cannot be read", path.display())).because(error)
    };
    let system = system_bundle()?;
    let mut bundle = fs::read_to_string(&system).map_err(|error| unreadable(&system, error))?;
    if !bundle.ends_with('\n') {
        bundle.push('\n');
    }
    let authority = Path::new(authority);
    bundle.push_str(&fs::read_to_string(authority).map_err(|error| unreadable(authority, error))?);
    if fs::read(path).is_ok_and(|found| found == bundle.as_bytes()) {
        return Ok(());
    }
    key_file::write_new(path, bundle.as_bytes(), PUBLIC)
}

fn system_bundle() -> Outcome<PathBuf> {
    let found = SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new(ExitCode::KeyFile, "the system's certificate authorities are not found")
            .because(format_args!("there is none of {}", SYSTEM_BUNDLES.join(", ")))
            .do_next("install ca-certificates, or leave --bundle out")
    })
}
