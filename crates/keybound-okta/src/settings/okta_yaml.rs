//! `okta.yaml`, as Okta's SDKs read it: `okta: client: {orgUrl, clientId, scopes, privateKey, kid, …}`, and
//! `okta: oauth2: {issuer, clientId, clientSecret}` beside it, as Okta's Spring starter has it. Members that are for the
//! SDKs alone are passed over. `client` and `oauth2` may be two apps: where `client` has a key, it is the one.

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::file::{self, ReadError};
use super::setting::Setting;
use super::settings_file::{FileEntry, SettingsFile};

/// The file's name, in the working folder and in `.okta` of the home folder.
pub(super) const FILE_NAME: &str = "okta.yaml";

/// Bytes of such a file, at most; one with a key in it has some five thousand.
const MAX_BYTES: u64 = 256 * 1024;

/// What the members of `client` are settings for.
const MEMBERS: &[(&str, &str, Setting)] = &[
    ("orgUrl", "okta.client.orgUrl", Setting::OrgUrl),
    ("authorizationMode", "okta.client.authorizationMode", Setting::AuthorizationMode),
    ("clientId", "okta.client.clientId", Setting::ClientId),
    ("scopes", "okta.client.scopes", Setting::Scopes),
    ("privateKey", "okta.client.privateKey", Setting::ClientKey),
    ("kid", "okta.client.kid", Setting::KeyId),
    ("dpopEnabled", "okta.client.dpopEnabled", Setting::Dpop),
];

/// Why an `okta.yaml` can't be used. Its text is left out: it may hold a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OktaYamlError {
    /// It is there and can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] ReadError),
    /// It is not YAML, or not of the form `okta: client: …`.
    #[error("is no YAML of the form `okta: client: …`{}", .line.map(|line| format!(" (line {line})")).unwrap_or_default())]
    NotOktaYaml {
        /// The number of the line from which on it is not, if that can be told.
        line: Option<u64>,
    },
}

/// What stands in `oauth2`.
const ISSUER: (&str, &str, Setting) = ("issuer", "okta.oauth2.issuer", Setting::Issuer);

/// The app there.
const CLIENT_ID: (&str, &str, Setting) = ("clientId", "okta.oauth2.clientId", Setting::ClientId);
const CLIENT_SECRET: (&str, &str, Setting) =
    ("clientSecret", "okta.oauth2.clientSecret", Setting::ClientSecret);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    okta: Option<Okta>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Okta {
    client: Option<Map<String, Value>>,
    oauth2: Option<Map<String, Value>>,
}

/// Reads the file at `path`; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<SettingsFile>, OktaYamlError> {
    let file = match file::read(path, MAX_BYTES) {
        Ok(file) => file,
        Err(ReadError::Io(io::ErrorKind::NotFound)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let entries = parse(&file.text)?;
    Ok(Some(SettingsFile { path: path.to_owned(), entries, exposed_mode: file.exposed_mode }))
}

fn parse(text: &str) -> Result<Vec<FileEntry>, OktaYamlError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    // The words of a parser's error may hold a piece of the text; its line is enough.
    let document: Option<Document> = serde_saphyr::from_str(text).map_err(|error| {
        OktaYamlError::NotOktaYaml { line: error.location().map(|location| location.line()) }
    })?;
    let Okta { client, oauth2 } = document.and_then(|document| document.okta).unwrap_or_default();
    let (mut client, mut oauth2) = (client.unwrap_or_default(), oauth2.unwrap_or_default());
    let entry = |members: &mut Map<String, Value>, (member, name, setting): (&str, &'static str, Setting)| {
        Some(FileEntry { setting, name, value: Zeroizing::new(text_of(members.remove(member)?)?) })
    };
    let mut entries: Vec<_> = MEMBERS.iter().filter_map(|member| entry(&mut client, *member)).collect();
    entries.extend(entry(&mut oauth2, ISSUER));
    let has_key = entries.iter().any(|entry| entry.setting == Setting::ClientKey);
    if let Some(secret) = entry(&mut oauth2, CLIENT_SECRET).filter(|_| !has_key) {
        if let Some(client_id) = entry(&mut oauth2, CLIENT_ID) {
            entries.retain(|entry| entry.setting != Setting::ClientId);
            entries.push(client_id);
        }
        entries.push(secret);
    }
    Ok(entries)
}

/// The text that `.env` would have for a value: scopes may be a list, a JWK may be written out.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Array(items) => Some(items.into_iter().filter_map(text_of).collect::<Vec<_>>().join(" ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Vec<(Setting, String)> {
        parse(text).unwrap().into_iter().map(|entry| (entry.setting, entry.value.to_string())).collect()
    }

    #[test]
    fn the_members_of_the_sdks_are_understood() {
        let text = "okta:\n  client:\n    connectionTimeout: 30\n    orgUrl: \"https://o.example\"\n    \
                    authorizationMode: PrivateKey\n    clientId: 0oa1\n    scopes:\n      - okta.users.read\n      \
                    - okta.groups.read\n    privateKey: |\n      -----BEGIN PRIVATE KEY-----\n      x\n    kid: 12\n    \
                    dpopEnabled: true\n    requestTimeout: 0\n  oauth2:\n    issuer: https://o.example/oauth2/default\n    \
                    clientSecret: x\n  testing:\n    testingDisableHttpsCheck: false\n";
        let expected = [
            (Setting::OrgUrl, "https://o.example"),
            (Setting::AuthorizationMode, "PrivateKey"),
            (Setting::ClientId, "0oa1"),
            (Setting::Scopes, "okta.users.read okta.groups.read"),
            (Setting::ClientKey, "-----BEGIN PRIVATE KEY-----\nx\n"),
            (Setting::KeyId, "12"),
            (Setting::Dpop, "true"),
            (Setting::Issuer, "https://o.example/oauth2/default"),
        ];
        assert_eq!(values(text), expected.map(|(setting, value)| (setting, value.to_owned())));
        for (text, why) in [
            ("", "empty"),
            ("# nothing\n", "a comment"),
            ("a: 1", "another file's"),
            ("okta:", "no client"),
            ("okta:\n  client:\n", "nothing in it"),
            ("okta:\n  oauth2:\n", "nothing in the other"),
            ("okta: {client: {orgUrl: null, scopes: null}}", "null"),
        ] {
            assert_eq!(values(text), [], "{why}");
        }
        for (scopes, expected, why) in
            [("a b", "a b", "one text"), ("[a, b]", "a b", "a list in one line"), ("[]", "", "an empty list")]
        {
            let text = format!("okta: {{client: {{scopes: {scopes}}}}}");
            assert_eq!(values(&text), [(Setting::Scopes, expected.to_owned())], "{why}");
        }
        let secret = (Setting::ClientSecret, "s");
        for (client, oauth2, expected, why) in [
            (
                "clientId: a",
                "clientSecret: s",
                &[(Setting::ClientId, "a"), secret][..],
                "one app in two places",
            ),
            (
                "clientId: a",
                "clientId: b, clientSecret: s",
                &[(Setting::ClientId, "b"), secret],
                "its own id",
            ),
            ("clientId: a", "clientId: b", &[(Setting::ClientId, "a")], "an app without a secret"),
            (
                "clientId: a, privateKey: k",
                "clientId: b, clientSecret: s",
                &[(Setting::ClientId, "a"), (Setting::ClientKey, "k")],
                "two apps: the one with the key",
            ),
        ] {
            let found = values(&format!("okta: {{client: {{{client}}}, oauth2: {{{oauth2}}}}}"));
            let expected: Vec<_> =
                expected.iter().map(|(setting, it)| (*setting, (*it).to_owned())).collect();
            assert_eq!(found, expected, "{why}");
        }
        let jwk = values(r#"okta: {client: {privateKey: {"kty":"EC"}}}"#);
        assert_eq!(jwk, [(Setting::ClientKey, r#"{"kty":"EC"}"#.to_owned())], "a JWK that is written out");
    }

    #[test]
    fn what_is_no_okta_yaml_is_told_by_its_line_and_never_shown() {
        for (text, line, why) in [
            ("okta:\n  client: secret\n", Some(2), "no members"),
            ("okta: [secret]\n", Some(1), "a list"),
            ("secret\n", Some(1), "a text"),
            ("okta:\n  client:\n    orgUrl: 1\n    orgUrl: secret\n", Some(4), "two members of one name"),
            ("okta:\n  client:\n    kid: \"secret\n", None, "an open quote"),
            ("okta:\n\tclient: secret\n", None, "a tab for an indentation"),
            ("okta: *secret\n", None, "an alias of nothing"),
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{why}"));
            let OktaYamlError::NotOktaYaml { line: told } = &error else { panic!("{why}: {error:?}") };
            assert!(line.is_none() || *told == line, "{why}: {told:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{why}");
        }
    }

    #[test]
    fn a_small_file_does_not_grow_in_memory() {
        let mut text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (this, last) in ('b'..='k').zip('a'..='j') {
            let aliases = vec![format!("*{last}"); 10].join(",");
            text.extend([format!("{this}: &{this} [{aliases}]\n")]);
        }
        text.push_str("okta: {client: {scopes: *k}}\n");
        assert!(parse(&text).is_err(), "ten thousand million laughs");
        let deep = format!("okta: {{client: {{scopes: {}{}}}}}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(parse(&deep).is_err(), "deeper than any stack");
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in r#"(\PC|okta:|client:|scopes:|\n *|[-:{}\[\]&*!|>'"%@ ]){0,60}"#) {
            let _ = parse(&text);
        }
    }
}
