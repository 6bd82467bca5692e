//! The made-up users that a new org begins with: plausible, and the same in every org.

mod names;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};
use serde_json::{Value, json};

use crate::okta_id::{self, IdKind};
use crate::store::StoreError;
use crate::user::{Profile, User, UserStatus};
use names::{COUNTRIES, Country, DEPARTMENTS, ascii};

/// Reserved for examples (RFC 2606 section 3): mail to them goes nowhere.
const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

/// 2020-01-01: the first user joined the org.
const FOUNDED: NumericDate = NumericDate::from_seconds(1_577_836_800);
/// From the first user to the last: five years.
const YEARS_OF_GROWTH: u64 = 5 * 365 * DAY;
const DAY: u64 = 24 * 60 * 60;

/// The seed of the users that a new org begins with.
pub(crate) const FIRST_SEED: u64 = 0;

/// The login of the made-up user who is a super administrator of a new org: the first who joined.
pub(crate) fn administrator() -> String {
    Person::of_number(0, FIRST_SEED).login()
}

/// `count` users of a seed, in the order in which they joined. No two seeds have a login in common.
pub(crate) fn users(count: usize, seed: u64) -> impl Iterator<Item = Result<User, StoreError>> {
    let random = Repeatable::of(seed);
    (0..count).map(move |index| user(index, count, seed, &random))
}

fn user(index: usize, count: usize, seed: u64, random: &Repeatable) -> Result<User, StoreError> {
    let person = Person::of_number(index, seed);
    let joined = Duration::from_secs(YEARS_OF_GROWTH / count.max(1) as u64 * index as u64);
    let created = FOUNDED.after(joined + random.time_within(DAY));
    let status = status_of_number(index);
    let is_activated = status != UserStatus::Staged;
    let has_password = !matches!(status, UserStatus::Staged | UserStatus::Provisioned);

    let activated = created.after(random.time_within(DAY));
    let last_login = activated.after(random.time_within(300 * DAY));
    let status_changed = if status == UserStatus::Active { activated } else { last_login };
    Ok(User {
        id: okta_id::generate(IdKind::User, random)?,
        status,
        created,
        activated: is_activated.then_some(activated),
        status_changed: is_activated.then_some(status_changed),
        last_login: has_password.then_some(last_login),
        last_updated: if is_activated { status_changed } else { created },
        password_changed: has_password.then_some(activated),
        profile: person.profile()?,
    })
}

/// Most are active, a few are in each other status that a list of users shows. Deactivated ones, which
/// it leaves out, are not among them.
const fn status_of_number(index: usize) -> UserStatus {
    match index % 50 {
        7 | 31 => UserStatus::Staged,
        13 => UserStatus::Provisioned,
        19 | 44 => UserStatus::Suspended,
        23 => UserStatus::LockedOut,
        28 => UserStatus::PasswordExpired,
        37 => UserStatus::Recovery,
        _ => UserStatus::Active,
    }
}

/// A name, and what goes with it.
struct Person {
    number: usize,
    seed: u64,
    country: &'static Country,
    given: &'static str,
    family: &'static str,
}

impl Person {
    /// Neighbours come from different countries. Each country's hundred pairs of names come all once
    /// before one comes again.
    fn of_number(number: usize, seed: u64) -> Self {
        let country = nth(&COUNTRIES, number);
        let pair = number / COUNTRIES.len();
        // Seven and ten have no common divisor: the family name moves on with each ten given names.
        let (given, family) = (nth(&country.given, pair), nth(&country.family, pair * 7 + pair / 10));
        Self { number, seed, country, given, family }
    }

    /// The names in ASCII; a number tells people of one name apart, and the seed those of different seeds.
    fn login(&self) -> String {
        let name = format!("{}.{}", ascii(self.given), ascii(self.family));
        let number = match self.number / (COUNTRIES.len() * 100) {
            0 => String::new(),
            namesakes => (namesakes + 1).to_string(),
        };
        let seed = if self.seed == FIRST_SEED { String::new() } else { format!("+{}", self.seed) };
        format!("{name}{number}{seed}@{}", nth(&DOMAINS, self.number))
    }

    fn profile(&self) -> Result<Profile, StoreError> {
        let (department, title) = nth(&DEPARTMENTS, self.number / 2);
        let login = self.login();
        let profile = json!({
            "firstName": self.given,
            "lastName": self.family,
            "displayName": format!("{} {}", self.given, self.family),
            "email": login,
            "login": login,
            "employeeNumber": format!("{:05}", 10_001 + self.number),
            "department": department,
            "title": title,
            "countryCode": self.country.code,
            "locale": self.country.locale,
            "timezone": self.country.time_zone,
        });
        let made = match profile {
            Value::Object(members) => Profile::new(members).ok(),
            _ => None,
        };
        made.ok_or(StoreError::Damaged { what: "a made-up user lacks what every user has" })
    }
}

/// The item at `index`, counted round and round.
#[expect(clippy::indexing_slicing, reason = "the remainder is within the list, which is not empty")]
fn nth<T, const N: usize>(items: &'static [T; N], index: usize) -> &'static T {
    const { assert!(N > 0) };
    &items[index % N]
}

/// The same numbers every time for a seed (SplitMix64): for identifiers that need not be secret.
struct Repeatable {
    state: AtomicU64,
}

impl Repeatable {
    fn of(seed: u64) -> Self {
        // The mixed seed, and not the seed: neighbours would have the same numbers, one step apart.
        let begin = Self { state: AtomicU64::new(seed) };
        let state = if seed == FIRST_SEED { seed } else { begin.next() };
        Self { state: AtomicU64::new(state) }
    }

    fn next(&self) -> u64 {
        let state = self.state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn time_within(&self, seconds: u64) -> Duration {
        Duration::from_secs(self.next() % seconds)
    }
}

impl Random for Repeatable {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        for chunk in bytes.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *to = from;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn users_are_the_same_every_time_and_no_two_have_an_id_or_a_login_in_common() {
        let made: Vec<_> = users(3_000, FIRST_SEED).collect::<Result<_, _>>().unwrap();
        assert_eq!(made, users(3_000, FIRST_SEED).collect::<Result<Vec<_>, _>>().unwrap());
        let ids: HashSet<_> = made.iter().map(|user| &user.id).collect();
        let logins: HashSet<_> =
            made.iter().map(|user| user.profile.members()["login"].as_str().unwrap()).collect();
        assert_eq!((ids.len(), logins.len()), (3_000, 3_000));
        assert!(logins.iter().all(|login| login.is_ascii()), "addresses are ASCII");
    }

    #[test]
    fn no_two_seeds_have_an_id_or_a_login_in_common() {
        let made: Vec<_> = [0, 1, 2, u64::MAX].into_iter().flat_map(|seed| users(1_300, seed)).collect();
        let made: Vec<_> = made.into_iter().collect::<Result<_, _>>().unwrap();
        let ids: HashSet<_> = made.iter().map(|user| &user.id).collect();
        let logins: HashSet<_> = made.iter().map(User::login).collect();
        assert_eq!((ids.len(), logins.len()), (5_200, 5_200));
    }

    #[test]
    fn two_hundred_users_are_mostly_active_and_in_every_status_that_a_list_shows() {
        let made: Vec<_> = users(200, FIRST_SEED).collect::<Result<_, _>>().unwrap();
        let count = |status| made.iter().filter(|user| user.status == status).count();
        assert_eq!(count(UserStatus::Active), 168);
        for status in UserStatus::ALL {
            assert_eq!(count(status) == 0, status == UserStatus::Deprovisioned, "{status:?}");
        }
        assert!(made.is_sorted_by_key(|user| user.created));
    }

    #[test]
    fn names_keep_their_letters_and_addresses_lose_them() {
        for (name, address) in
            [("Jürgen", "juergen"), ("Weiß", "weiss"), ("Łukasz", "lukasz"), ("Çağrı", "cagri")]
        {
            assert_eq!(ascii(name), address);
        }
        let all = COUNTRIES.iter().flat_map(|country| country.given.iter().chain(&country.family));
        for name in all {
            assert!(ascii(name).len() >= name.chars().count(), "{name} loses a letter: {}", ascii(name));
        }
    }
}
