//! What each program needs to trust one more authority.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// What the password of a truststore is that holds nothing secret.
const TRUSTSTORE_PASSWORD: &str = "changeit";

/// What is to trust the org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Program {
    /// Keybound itself.
    Keybound,
    /// Node.js.
    Node,
    /// Python: ssl and all above it, requests.
    Python,
    /// Go.
    Go,
    /// Java, by a truststore that is made beside the org's data.
    Java,
    /// curl.
    Curl,
    /// All programs of a Debian or Ubuntu system.
    System,
    /// Chromium and Firefox on Linux.
    Browser,
}

/// Where things are.
pub(super) struct Places {
    /// The authority's certificate.
    pub(super) authority: String,
    /// The same with the system's authorities, if there is such a file.
    pub(super) bundle: Option<String>,
    /// Where Java's truststore is to be.
    pub(super) truststore: String,
    /// Where Chromium on Linux keeps the authorities of the user.
    pub(super) browser_database: Option<String>,
}

/// What to do for one program.
pub(super) struct Advice {
    /// What is so with it, for people.
    pub(super) notes: Vec<String>,
    pub(super) variables: Vec<Variable>,
    /// A command that makes a file if it is not there; it changes nothing else.
    pub(super) makes: Option<(String, Vec<String>)>,
    /// Commands that change what others use too, for people to run.
    pub(super) by_hand: Vec<Vec<String>>,
}

/// A variable of the environment.
#[derive(Clone)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether only what it names is trusted from then on.
    pub(super) replaces_default_roots: bool,
    /// Whether it stands behind what the variable has already.
    pub(super) is_appended: bool,
}

impl Program {
    pub(super) const ALL: &[Self] = &[
        Self::Keybound,
        Self::Node,
        Self::Python,
        Self::Go,
        Self::Java,
        Self::Curl,
        Self::System,
        Self::Browser,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Keybound => "keybound",
            Self::Node => "node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Java => "java",
            Self::Curl => "curl",
            Self::System => "system",
            Self::Browser => "browser",
        }
    }

    pub(super) fn advice(self, places: &Places) -> Advice {
        match self {
            Self::Keybound => {
                Advice::of("Beside the system's authorities.", vec![places.added("KEYBOUND_CA_FILE")])
            }
            Self::Node => Advice::of(
                "Beside the authorities that Node brings; read when it starts.",
                vec![places.added("NODE_EXTRA_CA_CERTS")],
            ),
            Self::Python => Advice::of(
                "SSL_CERT_FILE is for ssl and what is built on it (urllib, aiohttp, httpx), REQUESTS_CA_BUNDLE for requests.",
                vec![places.replacing("SSL_CERT_FILE"), places.replacing("REQUESTS_CA_BUNDLE")],
            ),
            Self::Go => Advice::of(
                "On Linux and BSD; on macOS and Windows Go asks the system, which has to be told.",
                vec![places.replacing("SSL_CERT_FILE")],
            ),
            Self::Java => java(places),
            Self::Curl => Advice::of(
                "Or for one call: --cacert FILE. Not with a curl that asks Windows or macOS whom to trust.",
                vec![places.replacing("CURL_CA_BUNDLE")],
            ),
            Self::System => system(places),
            Self::Browser => browser(places),
        }
    }
}

impl Advice {
    fn of(note: &str, variables: Vec<Variable>) -> Self {
        let mut notes = vec![note.to_owned()];
        let replacing: Vec<_> = variables.iter().filter(|variable| variable.replaces_default_roots).collect();
        if !replacing.is_empty() {
            let names: Vec<_> = replacing.iter().map(|variable| variable.name).collect();
            let verb = if names.len() == 1 { "takes" } else { "take" };
            notes.push(format!(
                "{} {verb} the place of the usual authorities: only those in the file are trusted.",
                names.join(" and ")
            ));
        }
        Self { notes, variables, makes: None, by_hand: Vec::new() }
    }

    pub(super) fn json(&self, program: Program) -> Value {
        let variables: Map<_, _> =
            self.variables.iter().map(|variable| (variable.name.to_owned(), json!(variable.value))).collect();
        json!({
            "program": program.name(),
            "variables": variables,
            "replaces_default_roots": self.variables.iter().any(|variable| variable.replaces_default_roots),
            "commands": self.makes.iter().map(|(_, command)| command).chain(&self.by_hand).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

impl Places {
    /// A variable whose file is trusted beside the usual authorities.
    fn added(&self, name: &'static str) -> Variable {
        let value = self.authority.clone();
        Variable { name, value, replaces_default_roots: false, is_appended: false }
    }

    /// A variable whose file is trusted in place of them.
    fn replacing(&self, name: &'static str) -> Variable {
        let value = self.bundle.as_ref().unwrap_or(&self.authority).clone();
        Variable { name, value, replaces_default_roots: true, is_appended: false }
    }
}

fn java(places: &Places) -> Advice {
    let Places { authority, truststore, .. } = places;
    let options = format!(
        "{} -Djavax.net.ssl.trustStorePassword={TRUSTSTORE_PASSWORD}",
        jvm_quoted(&format!("-Djavax.net.ssl.trustStore={truststore}"))
    );
    let variable = Variable {
        name: "JAVA_TOOL_OPTIONS",
        value: options,
        replaces_default_roots: true,
        is_appended: true,
    };
    let note = "A truststore with this authority alone, which takes the place of Java's own. It holds nothing secret.";
    let import = [
        "keytool",
        "-importcert",
        "-noprompt",
        "-alias",
        "keybound-local-org",
        "-file",
        authority,
        "-keystore",
        truststore,
        "-storetype",
        "PKCS12",
        "-storepass",
        TRUSTSTORE_PASSWORD,
    ];
    Advice {
        notes: vec![note.to_owned()],
        makes: Some((truststore.clone(), owned(&import))),
        variables: vec![variable],
        by_hand: Vec::new(),
    }
}

/// An option as the Java virtual machine reads it out of a variable: one in quotes has spaces.
fn jvm_quoted(option: &str) -> String {
    let special = |character: char| character.is_whitespace() || matches!(character, '"' | '\'');
    match (option.contains(special), option.contains('"')) {
        (false, _) => option.to_owned(),
        (true, false) => format!("\"{option}\""),
        // Quotes of the other kind around each double quote.
        (true, true) => format!("\"{}\"", option.replace('"', "\"'\"'\"")),
    }
}

fn system(places: &Places) -> Advice {
    let to = "/usr/local/share/ca-certificates/keybound-local-org.crt";
    Advice {
        notes: vec![
            "Debian and Ubuntu; for all users and programs, but not for Node, Java and browsers.".to_owned(),
            "Until it is taken back: sudo rm and sudo update-ca-certificates --fresh.".to_owned(),
        ],
        variables: Vec::new(),
        makes: None,
        by_hand: vec![
            owned(&["sudo", "cp", &places.authority, to]),
            owned(&["sudo", "update-ca-certificates"]),
        ],
    }
}

fn browser(places: &Places) -> Advice {
    let add = |database: &str| {
        owned(&[
            "certutil",
            "-A",
            "-d",
            database,
            "-t",
            "C,,",
            "-n",
            "Keybound local org",
            "-i",
            &places.authority,
        ])
    };
    let databases = places.browser_database.as_deref().into_iter().chain(["PROFILE-FOLDER"]);
    Advice {
        notes: vec![
            "Chromium on Linux reads the first database, Firefox that of its profile (about:support names it).".to_owned(),
            "certutil comes with libnss3-tools. Elsewhere: the browser's settings, Certificates, Authorities, Import.".to_owned(),
        ],
        variables: Vec::new(),
        makes: None,
        by_hand: databases.map(|database| add(&format!("sql:{database}"))).collect(),
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_of_java_is_quoted_where_it_has_to_be() {
        for (option, expected) in [
            ("-Da=/x/y.p12", "-Da=/x/y.p12"),
            ("-Da=/x y", "\"-Da=/x y\""),
            ("-Da=/it's", "\"-Da=/it's\""),
            ("-Da=\"x\"", "\"-Da=\"'\"'\"x\"'\"'\"\""),
        ] {
            assert_eq!(jvm_quoted(option), expected);
        }
    }
}
