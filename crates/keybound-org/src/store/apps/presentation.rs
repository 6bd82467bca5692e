//! What an app's administrator says of it that decides nothing here: logos, notes, who sees it where. It is kept because
//! whoever sends it, as Terraform does, compares it with what is shown.

use rusqlite::{OptionalExtension as _, Transaction};
use serde_json::{Map, Value};

use super::exists;
use crate::store::{Store, StoreError};

/// Members of an app as the management API has them, each in its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppPresentation(Map<String, Value>);

/// What a member may be.
#[derive(Clone, Copy)]
enum Kind {
    Flag,
    /// A text of at most [`MAX_TEXT_CHARACTERS`], or null.
    Text,
    Word(&'static [&'static str]),
    /// An object of any members, as Okta's `profile`.
    Object,
}

const MAX_TEXT_CHARACTERS: usize = 1_024;

/// Bytes of all of it as JSON, at most: as much as a body may have.
const MAX_BYTES: usize = 64 * 1024;

/// The members that are kept, by their place in an app.
const MEMBERS: [(&[&str], Kind); 21] = [
    (&["accessibility", "errorRedirectUrl"], Kind::Text),
    (&["accessibility", "loginRedirectUrl"], Kind::Text),
    (&["accessibility", "selfService"], Kind::Flag),
    (&["credentials", "oauthClient", "autoKeyRotation"], Kind::Flag),
    (
        &["credentials", "userNameTemplate", "pushStatus"],
        Kind::Word(&["DONT_PUSH", "NOT_CONFIGURED", "PUSH"]),
    ),
    (&["credentials", "userNameTemplate", "template"], Kind::Text),
    (&["credentials", "userNameTemplate", "type"], Kind::Word(&["BUILT_IN", "CUSTOM", "NONE"])),
    (&["credentials", "userNameTemplate", "userSuffix"], Kind::Text),
    (&["profile"], Kind::Object),
    (&["settings", "notes", "admin"], Kind::Text),
    (&["settings", "notes", "enduser"], Kind::Text),
    (&["settings", "oauthClient", "client_uri"], Kind::Text),
    (&["settings", "oauthClient", "consent_method"], Kind::Word(&["REQUIRED", "TRUSTED"])),
    (&["settings", "oauthClient", "initiate_login_uri"], Kind::Text),
    (&["settings", "oauthClient", "issuer_mode"], Kind::Word(&["DYNAMIC", "ORG_URL"])),
    (&["settings", "oauthClient", "logo_uri"], Kind::Text),
    (&["settings", "oauthClient", "policy_uri"], Kind::Text),
    (&["settings", "oauthClient", "tos_uri"], Kind::Text),
    (&["visibility", "autoSubmitToolbar"], Kind::Flag),
    (&["visibility", "hide", "iOS"], Kind::Flag),
    (&["visibility", "hide", "web"], Kind::Flag),
];

impl AppPresentation {
    /// What an app, in the form that the management API has it, says of these members; all others are left out. The
    /// error names each member that is not as it must be, with what it must be.
    pub fn of(app: &Value) -> Result<Self, Vec<String>> {
        let (mut kept, mut refused) = (Value::Object(Map::new()), Vec::new());
        for (path, kind) in MEMBERS {
            let Some(value) = path.iter().try_fold(app, |within, name| within.get(name)) else { continue };
            match kind.fault(value) {
                Some(problem) => refused.push(format!("{}: {problem}", path.join("."))),
                None => put(&mut kept, path, value.clone()),
            }
        }
        match kept {
            Value::Object(members) if refused.is_empty() => Ok(Self(members)),
            _ => Err(refused),
        }
    }

    /// Puts its members into an app.
    pub(crate) fn show(&self, app: &mut Value) {
        let own = Value::Object(self.0.clone());
        for (path, _) in MEMBERS {
            if let Some(value) = path.iter().try_fold(&own, |within, name| within.get(name)) {
                put(app, path, value.clone());
            }
        }
    }

    /// The same with the members of `newer` in place of its own.
    fn replaced_by(self, newer: &Self) -> Self {
        let mut members = Value::Object(self.0);
        newer.show(&mut members);
        match members {
            Value::Object(members) => Self(members),
            _ => newer.clone(),
        }
    }

    /// Whether an app can have it: nothing but these members, each as it must be.
    fn is_whole(&self) -> bool {
        let own = Value::Object(self.0.clone());
        Self::of(&own).is_ok_and(|found| found == *self) && own.to_string().len() <= MAX_BYTES
    }
}

impl Kind {
    /// What a value must be and is not.
    fn fault(self, value: &Value) -> Option<String> {
        let is_short = |text: &str| text.chars().count() <= MAX_TEXT_CHARACTERS;
        match self {
            Self::Flag => (!value.is_boolean()).then(|| "must be true or false".to_owned()),
            Self::Text => (!value.is_null() && !value.as_str().is_some_and(is_short))
                .then(|| format!("must be a string of at most {MAX_TEXT_CHARACTERS} characters")),
            Self::Word(words) => (!value.as_str().is_some_and(|word| words.contains(&word)))
                .then(|| format!("must be {}; the local org has nothing else", words.join(" or "))),
            Self::Object => (!value.is_object()).then(|| "must be an object".to_owned()),
        }
    }
}

/// Puts a member in its place.
fn put(app: &mut Value, path: &[&str], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *app = value;
        return;
    };
    if !app.is_object() {
        *app = Value::Object(Map::new());
    }
    if let Some(members) = app.as_object_mut() {
        put(members.entry(*name).or_insert(Value::Null), rest, value);
    }
}

impl Store {
    /// What is kept of an app for people; `None` if there is no such app.
    pub(crate) fn presentation(&self, client_id: &str) -> Result<Option<AppPresentation>, StoreError> {
        self.read(|transaction| {
            exists(transaction, client_id)?.then(|| find(transaction, client_id)).transpose()
        })
    }
}

/// Keeps these members of an app in place of those of before.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    client_id: &str,
    newer: &AppPresentation,
) -> Result<(), StoreError> {
    if newer.0.is_empty() {
        return Ok(());
    }
    let AppPresentation(members) = find(transaction, client_id)?.replaced_by(newer);
    transaction.execute(
        "INSERT OR REPLACE INTO app_presentations (client_id, members) VALUES (?1, ?2)",
        (client_id, Value::Object(members).to_string()),
    )?;
    Ok(())
}

/// Whether what was just read from a file for an app is something that an app can have.
pub(in crate::store) fn is_kept(transaction: &Transaction<'_>, client_id: &str) -> Result<bool, StoreError> {
    Ok(find(transaction, client_id)?.is_whole())
}

fn find(transaction: &Transaction<'_>, client_id: &str) -> Result<AppPresentation, StoreError> {
    let found: Option<String> = transaction
        .prepare_cached("SELECT members FROM app_presentations WHERE client_id = ?1")?
        .query_row([client_id], |row| row.get(0))
        .optional()?;
    let Some(text) = found else { return Ok(AppPresentation::default()) };
    let damaged = |_| StoreError::Damaged { what: "what is shown of an app cannot be read" };
    serde_json::from_str(&text).map(AppPresentation).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_members_of_the_list_are_kept_and_no_others() {
        let app = json!({
            "label": "x", "visibility": {"hide": {"web": false, "else": 1}, "autoLaunch": 5},
            "settings": {"oauthClient": {"logo_uri": null, "grant_types": []}, "notes": {"admin": "n"}}, "profile": {"a": [1]},
        });
        let kept = AppPresentation::of(&app).unwrap();
        let expected = json!({
            "visibility": {"hide": {"web": false}},
            "settings": {"oauthClient": {"logo_uri": null}, "notes": {"admin": "n"}}, "profile": {"a": [1]},
        });
        assert_eq!(Value::Object(kept.0.clone()), expected);
        assert!(kept.is_whole());
        let mut shown =
            json!({"id": "1", "visibility": {"hide": {"web": true, "iOS": true}}, "profile": null});
        kept.show(&mut shown);
        assert_eq!(shown["visibility"]["hide"], json!({"web": false, "iOS": true}));
        assert_eq!((&shown["id"], &shown["profile"]), (&json!("1"), &json!({"a": [1]})));
    }

    #[test]
    fn a_member_that_is_not_as_it_must_be_is_named() {
        for (app, member) in [
            (json!({"visibility": {"hide": {"web": "no"}}}), "visibility.hide.web"),
            (json!({"visibility": {"autoSubmitToolbar": null}}), "visibility.autoSubmitToolbar"),
            (
                json!({"settings": {"oauthClient": {"consent_method": "NEVER"}}}),
                "settings.oauthClient.consent_method",
            ),
            (
                json!({"settings": {"oauthClient": {"issuer_mode": "CUSTOM_URL"}}}),
                "settings.oauthClient.issuer_mode",
            ),
            (json!({"settings": {"notes": {"admin": "x".repeat(1_025)}}}), "settings.notes.admin"),
            (json!({"profile": []}), "profile"),
        ] {
            let refused = AppPresentation::of(&app).unwrap_err();
            assert!(
                refused.len() == 1 && refused[0].starts_with(&format!("{member}: must be")),
                "{refused:?}"
            );
        }
        for app in
            [json!({}), json!([]), json!({"visibility": 5}), json!({"settings": {"oauthClient": null}})]
        {
            assert_eq!(AppPresentation::of(&app), Ok(AppPresentation::default()), "nothing is said: {app}");
        }
    }
}
