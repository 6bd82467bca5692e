//! A `.env` whose client key is put in another's place: the lines of the key and of its id, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use keybound_client::signers::KeyReference;
use keybound_okta::{Origin, Setting, Source};
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::init::quoted;
use crate::key_file::{self, PRIVATE};
use crate::report::{Failure, Outcome};

/// The variable of the key's id, where it is set for the first time.
const KEY_ID: &str = "OKTA_CLIENT_KID";

/// What the settings before are kept under, beside `.env`.
const BEFORE: &str = ".env.before-rotation";

#[derive(Debug)]
pub(super) struct EnvSwitch {
    path: PathBuf,
    key: Place,
    key_id: Option<Place>,
    text: Zeroizing<String>,
}

/// Where a variable stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    name: &'static str,
    /// From 1.
    line: usize,
}

/// A key is replaced by one that is made here, and what makes keys elsewhere is not this program.
fn not_in_a_file(reference: &KeyReference) -> Failure {
    Failure::new(ExitCode::KeyFile, format_args!("the client key is in {}, where it is not rotated", reference.place()))
        .because("new keys are made in files")
        .do_next(
            "make a key there (docs/signers.md), register its public half (`keybound apps add-key`, of what `keybound \
             keys show REFERENCE` prints), and set OKTA_CC_PRIVATE_KEY_FILE to its reference",
        )
}

impl EnvSwitch {
    /// Nothing is changed yet. The key's file has to be named by `.env`, or nobody would know of the new one.
    pub(super) fn prepare(origins: &[Origin]) -> Outcome<Self> {
        let find = |setting| origins.iter().find(|origin: &&Origin| origin.setting == setting);
        if let Some(reference) = find(Setting::ClientKey).and_then(|origin| origin.key_reference.as_ref()) {
            return Err(not_in_a_file(reference));
        }
        let key = find(Setting::ClientKey).filter(|origin| origin.key_file.is_some());
        let Some((path, key)) = key.and_then(place) else {
            return Err(elsewhere("the file of the client key"));
        };
        let key_id = match find(Setting::KeyId) {
            None => None,
            Some(origin) => Some(place(origin).ok_or_else(|| elsewhere("the id of the client key"))?.1),
        };
        let unreadable = |error| {
            Failure::new(ExitCode::Settings, format_args!("{} cannot be read", path.display())).because(error)
        };
        let path = fs::canonicalize(path).map_err(unreadable)?;
        let text = fs::read_to_string(&path).map(Zeroizing::new).map_err(unreadable)?;
        let switch = Self { path, key, key_id, text };
        key_file::refuse_existing(&switch.before())?;
        switch.edited("x", "x")?;
        Ok(switch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Where the settings before are kept.
    pub(super) fn before(&self) -> PathBuf {
        self.folder().join(BEFORE)
    }

    /// Keeps the settings before, and puts the new ones in their place: who reads them sees the ones or the others.
    pub(super) fn switch(&self, key_file: &Path, key_id: &str) -> Outcome {
        let file = match key_file.strip_prefix(self.folder()) {
            Ok(relative) => relative.display().to_string(),
            Err(_) => key_file.display().to_string(),
        };
        let edited = self.edited(&file, key_id)?;
        self.refuse_changed()?;
        key_file::write_new(&self.before(), self.text.as_bytes(), PRIVATE)?;
        key_file::replace(&self.path, edited.as_bytes()).inspect_err(|_| {
            let _ = fs::remove_file(self.before());
        })
    }

    /// As if nothing had been switched.
    pub(super) fn switch_back(&self) {
        if key_file::replace(&self.path, self.text.as_bytes()).is_ok() {
            let _ = fs::remove_file(self.before());
        }
    }

    /// What somebody wrote meanwhile must not be lost.
    fn refuse_changed(&self) -> Outcome {
        let is_same = fs::read_to_string(&self.path).map(Zeroizing::new).is_ok_and(|text| text == self.text);
        if is_same {
            return Ok(());
        }
        Err(Failure::new(ExitCode::Settings, format_args!("{} was changed meanwhile", self.path.display()))
            .do_next("try again"))
    }

    fn edited(&self, key_file: &str, key_id: &str) -> Outcome<Zeroizing<String>> {
        let mut edited = Zeroizing::new(String::with_capacity(self.text.len() + 256));
        for (number, line) in (1..).zip(self.text.split_inclusive('\n')) {
            let content = line.trim_end_matches(['\r', '\n']);
            let end = line.get(content.len()..).unwrap_or_default();
            if number == self.key.line {
                edited.push_str(&self.assigned(content, self.key, key_file)?);
                if self.key_id.is_none() {
                    let between = if end.is_empty() { "\n" } else { end };
                    edited.extend([between, KEY_ID, "=", &quoted(key_id)]);
                }
            } else if let Some(place) = self.key_id.filter(|place| place.line == number) {
                edited.push_str(&self.assigned(content, place, key_id)?);
            } else {
                edited.push_str(content);
            }
            edited.push_str(end);
        }
        Ok(edited)
    }

    /// The line with another value; a comment after the value goes with what it was about.
    fn assigned(&self, line: &str, place: Place, value: &str) -> Outcome<String> {
        let is_whole = |value: &str| match value.trim().chars().next() {
            Some(quote @ ('\'' | '"' | '`')) => {
                value.trim().chars().skip(1).any(|character| character == quote)
            }
            _ => true,
        };
        match line.split_once('=') {
            Some((name, old)) if name.trim().ends_with(place.name) && is_whole(old) => {
                Ok(format!("{name}={}", quoted(value)))
            }
            _ => Err(Failure::new(
                ExitCode::Settings,
                format_args!("{}:{} cannot be changed", self.path.display(), place.line),
            )
            .because(format_args!("it is not one line with {} and its value", place.name))
            .do_next(format_args!("write {}=FILE on a line of its own", place.name))),
        }
    }
}

fn place(origin: &Origin) -> Option<(&Path, Place)> {
    match &origin.source {
        Source::EnvFile { name, path, line } => Some((path, Place { name, line: *line })),
        _ => None,
    }
}

fn elsewhere(what: &str) -> Failure {
    Failure::new(ExitCode::Settings, format_args!("{what} is not set in .env"))
        .because("a rotation changes .env, and what is set elsewhere would go on to name the old key")
        .do_next(
            "put OKTA_CC_PRIVATE_KEY_FILE=FILE into .env, and take it (and OKTA_CLIENT_KID) from where it is set now",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, key: usize, key_id: Option<usize>) -> Outcome<String> {
        let place = |name, line| Place { name, line };
        let switch = EnvSwitch {
            path: PathBuf::from("/folder/.env"),
            key: place("OKTA_CC_PRIVATE_KEY_FILE", key),
            key_id: key_id.map(|line| place(KEY_ID, line)),
            text: Zeroizing::new(text.to_owned()),
        };
        switch.edited("new.pem", "k2").map(|text| text.to_string())
    }

    #[test]
    fn the_lines_of_the_key_are_changed_and_no_others() {
        for (text, key, key_id, expected, why) in [
            (
                "A=1\nOKTA_CC_PRIVATE_KEY_FILE=old.pem\n# end\n",
                2,
                None,
                "A=1\nOKTA_CC_PRIVATE_KEY_FILE=new.pem\nOKTA_CLIENT_KID=k2\n# end\n",
                "an id is added: with two keys registered the org has to be told which",
            ),
            (
                "OKTA_CLIENT_KID=\"k1\"\r\nexport OKTA_CC_PRIVATE_KEY_FILE = 'old.pem' # mine\r\n",
                2,
                Some(1),
                "OKTA_CLIENT_KID=k2\r\nexport OKTA_CC_PRIVATE_KEY_FILE =new.pem\r\n",
                "quotes, a shell's word, line ends of Windows",
            ),
            (
                "OKTA_CC_PRIVATE_KEY_FILE=old.pem",
                1,
                None,
                "OKTA_CC_PRIVATE_KEY_FILE=new.pem\nOKTA_CLIENT_KID=k2",
                "no line end at the end",
            ),
        ] {
            assert_eq!(edited(text, key, key_id).unwrap(), expected, "{why}");
        }
        for (text, why) in [
            ("OKTA_CC_PRIVATE_KEY_FILE=\"old\n.pem\"\n", "a value of several lines"),
            ("A=1\n", "another variable"),
        ] {
            assert!(edited(text, 1, None).is_err(), "{why}");
        }
    }
}
