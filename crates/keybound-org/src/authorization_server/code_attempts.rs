//! How often user codes of devices may be guessed (RFC 8628 section 5.1): by one user, from one address, and in all.
//!
//! Only who has signed in can try one, and a right one counts for nothing. What is counted is forgotten with the life
//! of a code: by then there are other codes to guess.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keybound::NumericDate;

/// For how long attempts count.
const WINDOW: Duration = Duration::from_secs(600);

/// Wrong codes of one user, at most: who copies one from a screen needs fewer.
const MAX_OF_USER: u32 = 10;

/// Wrong codes from one address, at most: several users may share it.
const MAX_OF_ADDRESS: u32 = 30;

/// Wrong codes in all, at most. With a thousand devices waiting, one in 25,000 windows of guesses finds a code. It is
/// also the bound of what is remembered.
const MAX_IN_ALL: u32 = 1_000;

/// The wrong codes of the last while.
#[derive(Default)]
pub(crate) struct CodeAttempts(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    began: Option<NumericDate>,
    in_all: u32,
    of: HashMap<Guesser, u32>,
}

/// Who tries a code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Guesser {
    User(String),
    Address(String),
}

impl CodeAttempts {
    /// Whether another code may be tried.
    pub(super) fn may_try(&self, user_id: &str, address: Option<&str>, now: NumericDate) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.forget(now);
        let has_left = |guesser: &Guesser, limit| counted.of.get(guesser).is_none_or(|count| *count < limit);
        counted.in_all < MAX_IN_ALL
            && guessers(user_id, address).iter().all(|guesser| has_left(guesser, guesser.limit()))
    }

    /// A code was wrong.
    pub(super) fn note_wrong(&self, user_id: &str, address: Option<&str>, now: NumericDate) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.forget(now);
        counted.began.get_or_insert(now);
        counted.in_all = counted.in_all.saturating_add(1);
        for guesser in guessers(user_id, address) {
            let count = counted.of.entry(guesser).or_default();
            *count = count.saturating_add(1);
        }
    }
}

impl Counted {
    fn forget(&mut self, now: NumericDate) {
        if self.began.is_some_and(|began| began.after(WINDOW) <= now || began > now) {
            *self = Self::default();
        }
    }
}

impl Guesser {
    const fn limit(&self) -> u32 {
        match self {
            Self::User(_) => MAX_OF_USER,
            Self::Address(_) => MAX_OF_ADDRESS,
        }
    }
}

fn guessers(user_id: &str, address: Option<&str>) -> Vec<Guesser> {
    let address = address.map(|address| Guesser::Address(address.to_owned()));
    [Some(Guesser::User(user_id.to_owned())), address].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> NumericDate {
        NumericDate::from_seconds(1_800_000_000 + seconds)
    }

    /// How many wrong codes are taken from guessers of these numbers, until none is any more.
    fn taken(guesser: impl Fn(u32) -> (String, String)) -> u32 {
        let attempts = CodeAttempts::default();
        for number in 0.. {
            let (user, address) = guesser(number);
            if !attempts.may_try(&user, Some(&address), at(0)) {
                return number;
            }
            attempts.note_wrong(&user, Some(&address), at(0));
        }
        unreachable!("it is bounded")
    }

    #[test]
    fn a_user_an_address_and_everybody_have_so_many_and_no_more() {
        let numbered = |name: &str, number: u32| format!("{name}{number}");
        for (expected, found) in [
            (MAX_OF_USER, taken(|number| ("u".to_owned(), numbered("a", number)))),
            (MAX_OF_ADDRESS, taken(|number| (numbered("u", number), "a".to_owned()))),
            (MAX_IN_ALL, taken(|number| (numbered("u", number), numbered("a", number)))),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn attempts_are_forgotten_after_a_while_and_are_of_those_who_made_them() {
        let attempts = CodeAttempts::default();
        for _ in 0..MAX_OF_USER {
            attempts.note_wrong("u", Some("a"), at(0));
        }
        for (user, address, seconds, may_try) in [
            ("u", Some("b"), 0, false),
            ("u", None, 599, false),
            ("other", Some("a"), 0, true),
            ("u", Some("a"), 600, true),
        ] {
            assert_eq!(attempts.may_try(user, address, at(seconds)), may_try, "{user} after {seconds}");
        }
    }
}
