//! What a request for a token changes: all of it in one transaction, or nothing.

use std::time::Duration;

use keybound::random::Random;
use keybound::{NumericDate, Refusal};

use super::authorizations::{Authorization, Given, Redeemed, redeem};
use super::single_use::{NotRecorded, Once, record_all, unavailable};
use super::{Store, StoreError, events};
use crate::event::Event;

/// What a token is granted on, and what is told of it.
pub(crate) struct TokenGrant<'a> {
    /// What authenticated the client and proved its key, each good once.
    pub(crate) once: &'a [Once],
    /// What a user's leave was shown by, and what is given for it; without, the client acts for itself.
    pub(crate) redemption: Option<(Redeemed<'a>, Given<'a>)>,
    /// For the system log.
    pub(crate) events: &'a [Event],
}

/// Why nothing was granted, and nothing changed.
pub(crate) enum NotGranted<'a> {
    /// The assertion or the proof was used before, or it could not be recorded that they are used now.
    Once(Refusal),
    /// What a user's leave was shown by was used before, or the leave has ended.
    UsedUp {
        redeemed: Redeemed<'a>,
        authorization: &'a Authorization,
    },
    Store(StoreError),
}

impl From<StoreError> for NotGranted<'_> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NotRecorded> for NotGranted<'_> {
    fn from(reason: NotRecorded) -> Self {
        match reason {
            NotRecorded::UsedBefore(refusal) => Self::Once(refusal),
            NotRecorded::Failed(error) => Self::Once(unavailable(&error)),
        }
    }
}

impl Store {
    /// Records a grant. A refresh token may be used again within `grace` of its first use.
    pub(crate) fn record_grant<'a>(
        &self,
        grant: &TokenGrant<'a>,
        grace: Duration,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<(), NotGranted<'a>> {
        self.write(|transaction| {
            record_all(transaction, grant.once, now)?;
            if let Some((redeemed, given)) = &grant.redemption
                && !redeem(transaction, *redeemed, given, grace, now)?
            {
                return Err(NotGranted::UsedUp { redeemed: *redeemed, authorization: given.authorization });
            }
            Ok(grant.events.iter().try_for_each(|event| events::write(transaction, event, now, random))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use keybound::assertion::{AssertionRefusal, VerifiedAssertion};
    use keybound::random::OperatingSystem;
    use keybound::{Algorithm, Signer as _, SigningKey};

    use super::*;
    use crate::store::{Condition, KeptCode, Listing, NewApp, Order, ServerId};

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
    const CODE: &str = "the code";

    /// What a user lets an app do, both of which are there.
    fn authorization(store: &Store) -> Authorization {
        store.seed(1, 1, NOW, &OperatingSystem, |_| ()).unwrap();
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let app = NewApp { public_keys: vec![key.public_key().clone()], ..NewApp::default() };
        Authorization {
            id: "1".to_owned(),
            server: ServerId::Org,
            client_id: store.create_app(&app, NOW, &OperatingSystem).unwrap().client_id,
            user_id: store.users(&all()).unwrap().items[0].id.clone(),
            scopes: vec!["openid".to_owned()],
            signed_in: NOW,
            nonce: None,
            key: None,
            created: NOW,
        }
    }

    fn keep_code(store: &Store, authorization: &Authorization) {
        let kept = KeptCode {
            authorization: authorization.clone(),
            redirect_uri: "https://app.example/".to_owned(),
            code_challenge: None,
            expires: NOW.after(Duration::from_secs(60)),
            is_used_up: false,
        };
        store.keep_code(CODE, &kept, None).unwrap();
    }

    /// Grants an access token of this `jti` for the code; what was used up is the error, the code if it is `None`.
    fn grant(
        store: &Store,
        authorization: &Authorization,
        once: &[Once],
        jwt_id: &str,
    ) -> Result<(), Option<Refusal>> {
        let given = Given { authorization, key: None, jwt_id, expires: NOW, refresh_token: None };
        let events = [Event::new("app.oauth2.token.grant.access_token", "granted")];
        let granted = TokenGrant { once, redemption: Some((Redeemed::Code(CODE), given)), events: &events };
        let recorded = store.record_grant(&granted, Duration::ZERO, NOW, &OperatingSystem);
        recorded.map_err(|reason| match reason {
            NotGranted::Once(refusal) => Some(refusal),
            NotGranted::UsedUp { .. } => None,
            NotGranted::Store(error) => panic!("{error}"),
        })
    }

    fn assertion(number: u8) -> VerifiedAssertion {
        let expires = NOW.after(Duration::from_secs(60));
        VerifiedAssertion { client_id: "0oa1".to_owned(), jwt_id: Some(number.to_string()), expires }
    }

    fn all() -> Listing {
        Listing { condition: Condition::always(), order: Order::AS_MADE, after: None, limit: 10 }
    }

    fn events(store: &Store) -> usize {
        store.events(&all()).unwrap().items.len()
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let authorization = authorization(&store);
        keep_code(&store, &authorization);
        let once = |number| [Once::assertion(&assertion(number), Duration::ZERO).unwrap()];

        store.record_once(&once(1), NOW).unwrap();
        let replayed = Refusal::Assertion(AssertionRefusal::Replayed);
        assert_eq!(
            grant(&store, &authorization, &once(1), "AT.1"),
            Err(Some(replayed)),
            "RFC 7523 section 3, rule 7"
        );
        assert!(!store.code(CODE).unwrap().unwrap().is_used_up, "the code is as good as before");
        assert_eq!(events(&store), 0);

        assert_eq!(grant(&store, &authorization, &once(2), "AT.2"), Ok(()));
        assert_eq!(events(&store), 1);

        assert_eq!(grant(&store, &authorization, &once(3), "AT.3"), Err(None), "RFC 6749 section 4.1.2");
        assert_eq!(store.record_once(&once(3), NOW), Ok(()), "the assertion was not used up");
        assert_eq!(events(&store), 1);
    }
}
