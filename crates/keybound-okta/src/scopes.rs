//! Which scopes a call is made with: those that are set, or else the fewest that its operation needs.
//!
//! Where none are set there is a source of tokens for each set of scopes, all with one key, and a token that
//! is good for more than it was asked for is used for that as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keybound_client::{Client, Token, TokenCache, TokenSource};

use crate::operations::Operation;

/// Sources of tokens that are kept, at most: programs call a few parts of the API. Beyond it the one that
/// was used longest ago is let go, which costs a token request when it is needed again.
const MAX_SOURCES: usize = 16;

/// A client for each set of scopes.
pub(crate) struct ScopedClients {
    /// Asks for the scopes that are set; the others are made of it, so that all know the same of the server.
    tokens: TokenSource,
    /// The scopes that are set; `None` where each operation tells which it needs.
    set: Option<Vec<String>>,
    /// The one that was used last stands last.
    clients: Mutex<Vec<Arc<ScopedClient>>>,
}

/// A client whose tokens are for one set of scopes.
pub(crate) struct ScopedClient {
    pub(crate) client: Client,
    /// What is asked for.
    pub(crate) asked: Vec<String>,
    /// What was granted, where it was something else.
    granted: Mutex<Option<Vec<String>>>,
}

impl ScopedClients {
    /// `tokens` are for the scopes that are `set`; for those that operations need, if there are none.
    pub(crate) fn new(tokens: TokenSource, set: Vec<String>) -> Self {
        Self { tokens, set: (!set.is_empty()).then_some(set), clients: Mutex::default() }
    }

    /// The same where no operation tells of scopes: if none are `set`, the server chooses (RFC 6749 section 3.3).
    pub(crate) fn of_other_apis(tokens: TokenSource, set: Vec<String>) -> Self {
        Self { tokens, set: Some(set), clients: Mutex::default() }
    }

    /// Keeps the tokens of clients that are made from now on in `cache`.
    pub(crate) fn keep_in(&self, cache: Arc<dyn TokenCache>) {
        // The sources of the clients are made of this one.
        drop(self.tokens.clone().with_cache(cache));
    }

    /// Every client that there is.
    pub(crate) fn all(&self) -> Vec<Arc<ScopedClient>> {
        self.lock().clone()
    }

    /// The client for the scopes that are set, if any are.
    pub(crate) fn of_settings(&self) -> Option<Arc<ScopedClient>> {
        self.set.clone().map(|set| self.with_scopes(set))
    }

    /// The client for calls that need `scopes`: the one that asks for just these, or one whose tokens are
    /// good for them, or a new one.
    pub(crate) fn with_scopes(&self, scopes: Vec<String>) -> Arc<ScopedClient> {
        let mut clients = self.lock();
        let position = (clients.iter().rposition(|client| client.asked == scopes))
            .or_else(|| clients.iter().rposition(|client| client.covers(&scopes)));
        let client = match position {
            Some(position) => clients.remove(position),
            None => Arc::new(self.client(scopes)),
        };
        if clients.len() >= MAX_SOURCES {
            clients.remove(0);
        }
        clients.push(Arc::clone(&client));
        client
    }

    fn client(&self, scopes: Vec<String>) -> ScopedClient {
        let tokens = self.tokens.with_scopes(scopes.clone());
        ScopedClient { client: Client::new(tokens), asked: scopes, granted: Mutex::default() }
    }

    /// A thread that panicked while it held the lock left a whole list.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<ScopedClient>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ScopedClient {
    /// Takes note of what `token` was granted for.
    pub(crate) fn note(&self, token: &Token) {
        let granted = token.scopes().map(<[String]>::to_vec);
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = granted;
    }

    /// The scopes of its tokens, as far as it is known.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.clone().unwrap_or_else(|| self.asked.clone())
    }

    fn covers(&self, needed: &[String]) -> bool {
        missing(needed.iter().map(String::as_str), &self.scopes()).is_empty()
    }
}

/// The fewest scopes with which `operation` can be called, in order. Of one to read and one to manage the
/// same, the one to read is enough.
pub(crate) fn needed(operation: &Operation) -> Vec<String> {
    let mut scopes = fewest(&operation.scopes().collect::<Vec<_>>());
    scopes.sort_unstable();
    scopes
}

fn fewest(scopes: &[&str]) -> Vec<String> {
    let can_be_read = |scope: &&str| match scope.strip_suffix(".manage") {
        Some(resource) => !scopes.iter().any(|other| other.strip_suffix(".read") == Some(resource)),
        None => true,
    };
    scopes.iter().copied().filter(can_be_read).map(str::to_owned).collect()
}

/// Which of `needed` a token with the scopes `held` is not good for. Who may manage may read.
pub(crate) fn missing<'n>(needed: impl Iterator<Item = &'n str>, held: &[String]) -> Vec<String> {
    let is_held = |scope: &str| held.iter().any(|held| held == scope);
    let lacks = |scope: &&str| match scope.strip_suffix(".read") {
        Some(resource) => !is_held(scope) && !is_held(&format!("{resource}.manage")),
        None => !is_held(scope),
    };
    needed.filter(lacks).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use keybound::exchange::ClientCredentials;
    use keybound::{Algorithm, SigningKey};
    use keybound_client::{System, TokenBinding};

    use super::*;
    use crate::operations;

    fn clients(scopes: &[&str]) -> ScopedClients {
        let grant =
            ClientCredentials::new("https://o.example/oauth2/v1/token", "0oa1", scopes.to_vec()).unwrap();
        let key = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
        let tokens = TokenSource::new(System::default(), grant, key, TokenBinding::Bearer);
        ScopedClients::new(tokens, owned(scopes))
    }

    fn owned(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn the_fewest_scopes_are_those_of_the_operation() {
        for (id, scopes) in [
            ("listUsers", &["okta.users.read"][..]),
            ("createUser", &["okta.users.manage"]),
            ("listGroupPushMappings", &["okta.apps.read", "okta.groups.read"]),
            ("getWellknownOrgMetadata", &[]),
        ] {
            assert_eq!(needed(&operations::find(id).unwrap()), scopes, "{id}");
        }
        let both = ["okta.users.manage", "okta.users.read", "okta.apps.manage"];
        assert_eq!(fewest(&both), ["okta.users.read", "okta.apps.manage"], "reading is less than managing");
    }

    #[test]
    fn a_token_is_good_for_what_it_was_granted_for_and_for_reading_what_it_may_manage() {
        for (needed, held, lacks, why) in [
            (&["okta.users.read"][..], &["okta.users.read"][..], &[][..], "just these"),
            (&["okta.users.read"], &["okta.users.manage"], &[], "managing is more than reading"),
            (&["okta.users.manage"], &["okta.users.read"], &["okta.users.manage"], "reading is less"),
            (&["okta.users.read"], &["okta.usersX.manage"], &["okta.users.read"], "another resource"),
            (&["a.read", "b.read"], &["b.read"], &["a.read"], "one of two"),
            (&[], &[], &[], "nothing"),
        ] {
            assert_eq!(missing(needed.iter().copied(), &owned(held)), lacks, "{why}");
        }
    }

    #[test]
    fn there_is_one_client_for_what_one_token_is_good_for() {
        let clients = clients(&[]);
        assert!(clients.of_settings().is_none());
        let manage = clients.with_scopes(owned(&["okta.users.manage"]));
        let read = clients.with_scopes(owned(&["okta.users.read"]));
        assert!(Arc::ptr_eq(&manage, &read), "who may manage may read");
        let groups = clients.with_scopes(owned(&["okta.groups.read"]));
        assert!(!Arc::ptr_eq(&manage, &groups));
        *groups.granted.lock().unwrap() = Some(owned(&["okta.groups.read", "okta.apps.read"]));
        assert!(Arc::ptr_eq(&groups, &clients.with_scopes(owned(&["okta.apps.read"]))), "more was granted");
        *groups.granted.lock().unwrap() = Some(owned(&["okta.apps.read"]));
        let again = clients.with_scopes(owned(&["okta.groups.read"]));
        assert!(Arc::ptr_eq(&groups, &again), "less was granted: to ask again gives no more");
    }

    #[test]
    fn sources_are_bounded_and_the_least_used_goes_first() {
        let clients = clients(&[]);
        let scope = |number: usize| owned(&[&format!("okta.part{number}.read")]);
        let first = clients.with_scopes(scope(0));
        let second = clients.with_scopes(scope(1));
        for number in 2..=MAX_SOURCES {
            assert!(Arc::ptr_eq(&first, &clients.with_scopes(scope(0))), "used again and again");
            clients.with_scopes(scope(number));
        }
        assert_eq!(clients.lock().len(), MAX_SOURCES);
        assert!(Arc::ptr_eq(&first, &clients.with_scopes(scope(0))));
        assert!(!Arc::ptr_eq(&second, &clients.with_scopes(scope(1))), "let go and made anew");
    }

    #[test]
    fn scopes_that_are_set_stay_as_they_are() {
        let clients = clients(&["b", "a"]);
        assert_eq!(clients.of_settings().unwrap().asked, ["b", "a"]);
        let (one, two) = (clients.of_settings().unwrap(), clients.of_settings().unwrap());
        assert!(Arc::ptr_eq(&one, &two));
    }
}
