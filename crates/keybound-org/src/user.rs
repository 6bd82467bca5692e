//! A user of the org: profile, status, and what the status allows.

use std::fmt;
use std::str::FromStr;

use keybound::NumericDate;
use serde_json::{Map, Value};

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) status: UserStatus,
    pub(crate) created: NumericDate,
    pub(crate) activated: Option<NumericDate>,
    pub(crate) status_changed: Option<NumericDate>,
    pub(crate) last_login: Option<NumericDate>,
    pub(crate) last_updated: NumericDate,
    /// Since when the user has a password, whose hash is kept elsewhere.
    pub(crate) password_changed: Option<NumericDate>,
    pub(crate) profile: Profile,
}

/// Where a user is in the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserStatus {
    Staged,
    Provisioned,
    Active,
    Recovery,
    LockedOut,
    PasswordExpired,
    Suspended,
    Deprovisioned,
}

/// A step of the lifecycle that an administrator can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LifecycleStep {
    Activate,
    Deactivate,
    Suspend,
    Unsuspend,
    Unlock,
    ResetPassword,
    ExpirePassword,
    Reactivate,
}

/// The user's status does not allow the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepNotAllowed(pub(crate) LifecycleStep);

impl User {
    /// A user who has not been activated.
    pub(crate) fn staged(id: String, profile: Profile, has_password: bool, now: NumericDate) -> Self {
        Self {
            id,
            status: UserStatus::Staged,
            created: now,
            activated: None,
            status_changed: None,
            last_login: None,
            last_updated: now,
            password_changed: has_password.then_some(now),
            profile,
        }
    }

    /// What the user signs in by. Every profile has it.
    pub(crate) fn login(&self) -> &str {
        self.profile.0.get("login").and_then(Value::as_str).unwrap_or_default()
    }

    /// Takes a step of the lifecycle.
    pub(crate) fn take(&mut self, step: LifecycleStep, now: NumericDate) -> Result<(), StepNotAllowed> {
        use UserStatus as S;
        self.status = match (step, self.status) {
            (LifecycleStep::Activate, S::Staged | S::Deprovisioned) => {
                self.activated = Some(now);
                // Without a password the user is invited to choose one, and is active after that.
                if self.password_changed.is_some() { S::Active } else { S::Provisioned }
            }
            // The password goes with the access: who comes back chooses another, so that one which had expired does
            // not come back as a good one.
            (LifecycleStep::Deactivate, status) if status != S::Deprovisioned => {
                self.password_changed = None;
                S::Deprovisioned
            }
            (LifecycleStep::Suspend, S::Active) => S::Suspended,
            (LifecycleStep::Unsuspend, S::Suspended) | (LifecycleStep::Unlock, S::LockedOut) => S::Active,
            (
                LifecycleStep::ResetPassword,
                S::Active | S::Recovery | S::LockedOut | S::PasswordExpired | S::Provisioned,
            ) => S::Recovery,
            (LifecycleStep::ExpirePassword, S::Active | S::Recovery | S::PasswordExpired)
                if self.password_changed.is_some() =>
            {
                S::PasswordExpired
            }
            (LifecycleStep::Reactivate, status @ (S::Provisioned | S::Recovery)) => status,
            _ => return Err(StepNotAllowed(step)),
        };
        self.status_changed = Some(now);
        self.last_updated = now;
        Ok(())
    }

    /// Replaces the profile, and notes that the password changed if it did.
    pub(crate) fn update(&mut self, profile: Profile, new_password: bool, now: NumericDate) {
        self.profile = profile;
        self.last_updated = now;
        if new_password {
            self.set_password(now);
        }
    }

    /// The user has a new password, and is active if nothing but a password was missing.
    fn set_password(&mut self, now: NumericDate) {
        self.password_changed = Some(now);
        if matches!(self.status, UserStatus::Provisioned | UserStatus::Recovery | UserStatus::PasswordExpired)
        {
            self.status = UserStatus::Active;
            self.status_changed = Some(now);
            self.activated = self.activated.or(Some(now));
        }
    }
}

impl UserStatus {
    /// All of them, in the order of the lifecycle.
    pub(crate) const ALL: [Self; 8] = [
        Self::Staged,
        Self::Provisioned,
        Self::Active,
        Self::Recovery,
        Self::LockedOut,
        Self::PasswordExpired,
        Self::Suspended,
        Self::Deprovisioned,
    ];

    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::LockedOut => "LOCKED_OUT",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
        }
    }
}

impl FromStr for UserStatus {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(UnknownStatus)
    }
}

/// The name is not one of [`UserStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownStatus;

/// Who a user is: members of Okta's base profile, and any others. Those that every user has are there and
/// well-formed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile(Map<String, Value>);

/// A member of a profile that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidMember {
    /// The member's name; `profile` for the profile as a whole.
    pub(crate) name: &'static str,
    /// What is wrong, in Okta's words where it has some.
    pub(crate) problem: &'static str,
}

/// The members that every profile has, with their length in characters at most.
const REQUIRED_MEMBERS: [(&str, usize); 4] =
    [("firstName", 50), ("lastName", 50), ("email", 100), ("login", 100)];

/// Bytes of a profile as JSON, at most, which is what a request may bring: updates that each bring a part
/// must not make one grow without bound.
pub(crate) const MAX_PROFILE_BYTES: usize = 64 * 1024;

impl Profile {
    /// A profile of these members; those that are `null` are left out.
    pub(crate) fn new(mut members: Map<String, Value>) -> Result<Self, Vec<InvalidMember>> {
        members.retain(|_, value| !value.is_null());
        let problem = |(name, limit)| {
            let problem = problem_of(name, limit, members.get(name))?;
            Some(InvalidMember { name, problem })
        };
        let invalid: Vec<_> = REQUIRED_MEMBERS.into_iter().filter_map(problem).collect();
        if invalid.is_empty() { Ok(Self(members)) } else { Err(invalid) }
    }

    /// This profile with `changes`; a member that is `null` there is taken out.
    pub(crate) fn merged(&self, changes: Map<String, Value>) -> Result<Self, Vec<InvalidMember>> {
        let mut members = self.0.clone();
        members.extend(changes);
        let merged = Self::new(members)?;
        if serde_json::to_string(&merged.0).is_ok_and(|text| text.len() <= MAX_PROFILE_BYTES) {
            Ok(merged)
        } else {
            Err(vec![InvalidMember { name: "profile", problem: "The profile is larger than 64 KiB" }])
        }
    }

    /// All members.
    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn problem_of(name: &str, limit: usize, value: Option<&Value>) -> Option<&'static str> {
    let Some(value) = value else { return Some("The field cannot be left blank") };
    let Some(text) = value.as_str() else { return Some("The field must be a string") };
    if text.trim().is_empty() {
        return Some("The field cannot be left blank");
    }
    if text.chars().count() > limit {
        return Some("The field is too long");
    }
    match name {
        "email" if !is_email_address(text) => Some("Does not match required pattern"),
        "login" if !is_email_address(text) => Some("Username must be in the form of an email address"),
        _ => None,
    }
}

/// Whether the text has the form of an address, as far as a form can tell: a mailbox, and a domain with
/// a dot.
fn is_email_address(text: &str) -> bool {
    let Some((mailbox, domain)) = text.rsplit_once('@') else { return false };
    let is_mailbox = |character: char| !character.is_whitespace() && !"@<>()[],;:\\\"".contains(character);
    let is_label = |label: &str| {
        let is_inner = |character: char| character.is_alphanumeric() || character == '-';
        !label.is_empty() && label.chars().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    !mailbox.is_empty()
        && mailbox.chars().all(|character| !character.is_control() && is_mailbox(character))
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

impl fmt::Display for InvalidMember {
    /// As Okta's `errorCauses` have it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn isaac() -> Profile {
        let profile = json!({"firstName": "Isaac", "lastName": "Brock", "email": "isaac@example.com", "login": "isaac@example.com"});
        Profile::new(members(&profile)).unwrap()
    }

    #[test]
    fn every_member_that_is_not_as_it_must_be_is_named() {
        for (changes, expected) in [
            (json!({}), &[][..]),
            (json!({"mobilePhone": null, "costCenter": 12}), &[]),
            (json!({"firstName": null}), &["firstName: The field cannot be left blank"]),
            (json!({"lastName": "  "}), &["lastName: The field cannot be left blank"]),
            (json!({"lastName": 7}), &["lastName: The field must be a string"]),
            (json!({"firstName": "x".repeat(51)}), &["firstName: The field is too long"]),
            (json!({"firstName": "é".repeat(50)}), &[]),
            (json!({"email": "isaac"}), &["email: Does not match required pattern"]),
            (json!({"email": "@example.com"}), &["email: Does not match required pattern"]),
            (json!({"email": "a b@example.com"}), &["email: Does not match required pattern"]),
            (json!({"email": "a@b@example.com"}), &["email: Does not match required pattern"]),
            (json!({"email": "a@example..com"}), &["email: Does not match required pattern"]),
            (json!({"email": "a@-example.com"}), &["email: Does not match required pattern"]),
            (json!({"email": "o'neil+tag@mail.example.com"}), &[]),
            (
                json!({"login": "isaac@localhost"}),
                &["login: Username must be in the form of an email address"],
            ),
            (
                json!({"email": "x", "login": "y"}),
                &[
                    "email: Does not match required pattern",
                    "login: Username must be in the form of an email address",
                ],
            ),
        ] {
            let found = isaac().merged(members(&changes)).err().unwrap_or_default();
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{changes}");
        }
    }

    #[test]
    fn a_profile_does_not_grow_without_bound() {
        let half = json!("x".repeat(MAX_PROFILE_BYTES / 2));
        let once = isaac().merged(members(&json!({ "one": half }))).unwrap();
        let invalid = once.merged(members(&json!({ "two": half }))).unwrap_err();
        assert_eq!(invalid.first().unwrap().name, "profile");
        assert!(once.merged(members(&json!({ "one": null, "two": half }))).is_ok());
    }

    #[test]
    fn null_takes_a_member_out_and_others_stay() {
        let profile = isaac().merged(members(&json!({"department": "Legal"}))).unwrap();
        let profile = profile.merged(members(&json!({"department": null, "title": "Clerk"}))).unwrap();
        assert_eq!(profile.members().get("department"), None);
        assert_eq!(profile.members()["title"], "Clerk");
        assert_eq!(profile.members()["firstName"], "Isaac");
    }

    #[test]
    fn a_step_of_the_lifecycle_leads_to_a_status_or_is_refused() {
        use LifecycleStep as Step;
        use UserStatus as S;
        for (step, from, has_password, to) in [
            (Step::Activate, S::Staged, true, Some(S::Active)),
            (Step::Activate, S::Staged, false, Some(S::Provisioned)),
            (Step::Activate, S::Deprovisioned, true, Some(S::Active)),
            (Step::Activate, S::Active, true, None),
            (Step::Activate, S::Suspended, true, None),
            (Step::Deactivate, S::Staged, false, Some(S::Deprovisioned)),
            (Step::Deactivate, S::LockedOut, true, Some(S::Deprovisioned)),
            (Step::Deactivate, S::Deprovisioned, true, None),
            (Step::Suspend, S::Active, true, Some(S::Suspended)),
            (Step::Suspend, S::Provisioned, false, None),
            (Step::Unsuspend, S::Suspended, true, Some(S::Active)),
            (Step::Unsuspend, S::Active, true, None),
            (Step::Unlock, S::LockedOut, true, Some(S::Active)),
            (Step::Unlock, S::Active, true, None),
            (Step::ResetPassword, S::Active, true, Some(S::Recovery)),
            (Step::ResetPassword, S::LockedOut, true, Some(S::Recovery)),
            (Step::ResetPassword, S::Staged, false, None),
            (Step::ResetPassword, S::Suspended, true, None),
            (Step::ResetPassword, S::Deprovisioned, true, None),
            (Step::ExpirePassword, S::Active, true, Some(S::PasswordExpired)),
            (Step::ExpirePassword, S::Active, false, None),
            (Step::ExpirePassword, S::Staged, true, None),
            (Step::Reactivate, S::Provisioned, false, Some(S::Provisioned)),
            (Step::Reactivate, S::Recovery, true, Some(S::Recovery)),
            (Step::Reactivate, S::Active, true, None),
        ] {
            let mut user = User::staged("00u1".to_owned(), isaac(), has_password, NOW);
            user.status = from;
            let taken = user.take(step, NOW);
            assert_eq!(taken, to.map(drop).ok_or(StepNotAllowed(step)), "{step:?} from {from:?}");
            assert_eq!(user.status, to.unwrap_or(from), "{step:?} from {from:?}");
        }
    }

    /// What a password does that an administrator sets, in each status (Okta's lifecycle of users).
    #[test]
    fn a_new_password_makes_active_whoever_lacked_nothing_else() {
        use UserStatus as S;
        for (from, to) in [
            (S::Staged, S::Staged),
            (S::Provisioned, S::Active),
            (S::Active, S::Active),
            (S::Recovery, S::Active),
            (S::PasswordExpired, S::Active),
            (S::LockedOut, S::LockedOut),
            (S::Suspended, S::Suspended),
            (S::Deprovisioned, S::Deprovisioned),
        ] {
            let mut user = User::staged("00u1".to_owned(), isaac(), false, NOW);
            user.status = from;
            user.update(isaac(), true, NOW);
            assert_eq!((user.status, user.password_changed), (to, Some(NOW)), "from {from:?}");
            let changed = (from != to).then_some(NOW);
            assert_eq!(user.status_changed, changed, "from {from:?}");
            user.status = from;
            user.update(isaac(), false, NOW);
            assert_eq!(user.status, from, "another profile changes nothing of it");
        }
    }

    #[test]
    fn who_was_deactivated_comes_back_without_the_password_of_before() {
        for status in
            [UserStatus::Active, UserStatus::PasswordExpired, UserStatus::Recovery, UserStatus::Staged]
        {
            let mut user = User::staged("00u1".to_owned(), isaac(), true, NOW);
            user.status = status;
            user.take(LifecycleStep::Deactivate, NOW).unwrap();
            assert_eq!(user.password_changed, None);
            user.take(LifecycleStep::Activate, NOW).unwrap();
            assert_eq!(user.status, UserStatus::Provisioned, "from {status:?}");
            user.update(isaac(), true, NOW);
            assert_eq!(user.status, UserStatus::Active, "from {status:?}");
        }
    }
}
