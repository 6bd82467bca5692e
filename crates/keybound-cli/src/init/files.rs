//! The files of a folder that is set up: `.env` and the keys, all of them or none, never overwritten.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use keybound::{Algorithm, PrivateKey};

use crate::exit_code::ExitCode;
use crate::key_file::{self, KeyFiles, PRIVATE};
use crate::keys::generate;
use crate::report::{Failure, Outcome};

use super::{Arguments, CLIENT_ALGORITHM, quoted};

pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) env: PathBuf,
    pub(super) client: KeyFiles,
    dpop: Option<(KeyFiles, Algorithm)>,
    /// Not written but named: the certificate authority's.
    pub(super) authority: Option<PathBuf>,
}

impl Files {
    /// The files by their names. The folder is made where it is not there yet, unless `dry_run`.
    pub(super) fn in_folder(arguments: &Arguments) -> Outcome<Self> {
        let authority = arguments.certificate_authority().map(|(path, named_by)| {
            fs::canonicalize(&path).map_err(|error| {
                let what = format_args!("the file {} of {named_by} cannot be used", path.display());
                Failure::new(ExitCode::Settings, what).because(error).do_next("check the path")
            })
        });
        let authority = authority.transpose()?;
        let folder = if arguments.dry_run && !arguments.dir.exists() {
            Ok(arguments.dir.clone())
        } else {
            fs::create_dir_all(&arguments.dir).and_then(|()| fs::canonicalize(&arguments.dir))
        };
        let folder = folder.map_err(|error| {
            Failure::new(
                ExitCode::Settings,
                format_args!("the folder {} cannot be used", arguments.dir.display()),
            )
            .because(error)
        })?;
        Ok(Self {
            env: folder.join(".env"),
            client: KeyFiles::with_prefix(&folder.join("cc")),
            dpop: arguments.dpop_key.map(|alg| (KeyFiles::with_prefix(&folder.join("dpop")), alg)),
            authority,
            folder,
        })
    }

    /// Whether an earlier run has written all of them.
    pub(super) fn are_there(&self) -> bool {
        self.written().into_iter().all(Path::is_file)
    }

    pub(super) fn refuse_existing(&self) -> Outcome {
        key_file::refuse_existing(&self.env)
            .and_then(|()| self.client.refuse_existing())
            .and_then(|()| self.dpop.iter().try_for_each(|(files, _)| files.refuse_existing()))
            .map_err(|there| {
                there.also_do("--dir DIR makes them in another folder; `keybound doctor` tells whether what is there works")
            })
    }

    pub(super) fn write(&self, arguments: &Arguments, client_key: &PrivateKey) -> Outcome {
        self.client.write(client_key, CLIENT_ALGORITHM)?;
        self.write_dpop_key().inspect_err(|_| self.client.remove())?;
        key_file::write_new(&self.env, self.settings(arguments).as_bytes(), PRIVATE).inspect_err(|_| {
            self.client.remove();
            self.dpop.iter().for_each(|(files, _)| files.remove());
        })
    }

    fn write_dpop_key(&self) -> Outcome {
        let Some((files, algorithm)) = &self.dpop else { return Ok(()) };
        files.write(&generate(*algorithm)?, *algorithm)
    }

    /// The `.env`, by the names of Okta's samples.
    fn settings(&self, arguments: &Arguments) -> String {
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut lines = vec![
            (ORG_URL, given(&arguments.org_url)),
            (CLIENT_ID, given(&arguments.client_id)),
            ("OKTA_SCOPES", arguments.scopes_or_usual().join(" ")),
            ("OKTA_CC_PRIVATE_KEY_FILE", file_name(&self.client.private)),
        ];
        if let Some((files, _)) = &self.dpop {
            lines.push(("OKTA_DPOP_PRIVATE_KEY_FILE", file_name(&files.private)));
            lines.push(("OKTA_DPOP_PUBLIC_KEY_FILE", file_name(&files.public)));
        }
        if let Some(authority) = &self.authority {
            lines.push((CA_FILE, authority.display().to_string()));
        }
        lines.iter().fold(String::new(), |mut text, (name, value)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}={}", quoted(value));
            text
        })
    }

    pub(super) fn written(&self) -> Vec<&Path> {
        let dpop = self.dpop.iter().flat_map(|(files, _)| [&files.private, &files.public]);
        [&self.env, &self.client.private, &self.client.public]
            .into_iter()
            .chain(dpop)
            .map(PathBuf::as_path)
            .collect()
    }

    /// Those that are still to be written.
    pub(super) fn unwritten(&self) -> Vec<&Path> {
        self.written().into_iter().filter(|path| !path.exists()).collect()
    }

    /// Writes `value` into the line of `name` in `.env`, which is empty so far. Every other line stays as it is.
    pub(super) fn fill_in(&self, name: &str, value: &str) -> Outcome {
        let text = fs::read_to_string(&self.env).map_err(|error| {
            Failure::new(ExitCode::Settings, format_args!("{} cannot be read", self.env.display()))
                .because(error)
        })?;
        key_file::replace(&self.env, filled_in(&text, name, value).as_bytes())
    }
}

/// The names of what may not be known yet when `.env` is written.
pub(super) const ORG_URL: &str = "OKTA_ORG_URL";
pub(super) const CLIENT_ID: &str = "OKTA_CLIENT_ID";
pub(super) const CA_FILE: &str = "KEYBOUND_CA_FILE";

/// Relative paths start beside the `.env` file, so the folder can be moved.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn filled_in(text: &str, name: &str, value: &str) -> String {
    let is_empty = |line: &str| {
        line.split_once('=').is_some_and(|(left, right)| left.trim() == name && right.trim().is_empty())
    };
    let assignment = format!("{name}={}", quoted(value));
    let mut is_filled = false;
    let mut filled = String::with_capacity(text.len() + assignment.len() + 1);
    for line in text.split_inclusive('\n') {
        if !is_filled && is_empty(line) {
            is_filled = true;
            let end = line.get(line.trim_end_matches(['\r', '\n']).len()..).unwrap_or_default();
            filled.extend([assignment.as_str(), end]);
        } else {
            filled.push_str(line);
        }
    }
    if !is_filled {
        let between = if filled.is_empty() || filled.ends_with('\n') { "" } else { "\n" };
        filled.extend([between, assignment.as_str(), "\n"]);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_of_env_is_filled_in_and_no_other_is_touched() {
        for (text, expected, why) in [
            ("A=1\nOKTA_CLIENT_ID=\nB=2\n", "A=1\nOKTA_CLIENT_ID=0oa1\nB=2\n", "as it is written"),
            ("OKTA_CLIENT_ID = \r\nB=2\r\n", "OKTA_CLIENT_ID=0oa1\r\nB=2\r\n", "line ends of Windows"),
            ("OKTA_CLIENT_ID=", "OKTA_CLIENT_ID=0oa1", "no line end at the end"),
            ("A=1", "A=1\nOKTA_CLIENT_ID=0oa1\n", "no such line"),
            ("", "OKTA_CLIENT_ID=0oa1\n", "nothing"),
            ("OKTA_CLIENT_ID=\nOKTA_CLIENT_ID=\n", "OKTA_CLIENT_ID=0oa1\nOKTA_CLIENT_ID=\n", "two lines"),
            ("# OKTA_CLIENT_ID=\n", "# OKTA_CLIENT_ID=\nOKTA_CLIENT_ID=0oa1\n", "a comment"),
        ] {
            assert_eq!(filled_in(text, CLIENT_ID, "0oa1"), expected, "{why}");
        }
    }
}
