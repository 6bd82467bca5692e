//! Refresh tokens that rotate, and what is kept of them when (RFC 9700 section 4.14.2).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use keybound::Secret;
use keybound::exchange::{ExchangeError, GrantedToken, RefreshToken};
use keybound_client::{
    AuthorizationClient, Begun, CacheLock, ClientRegistration, FileTokenCache, NotKept, NotStored,
    RefreshTokenStore, Refresher, TokenBinding, TokenError, TokenSource,
};

use super::scripted::{Asked, DATE, NOW, Server, SetClock, answer, refuse};
use super::{Never, dpop_key, field, system};

/// A store that remembers what it was given, and fails as often as it is told.
#[derive(Default)]
struct Kept {
    tokens: Mutex<Vec<String>>,
    failures: Mutex<usize>,
}

impl RefreshTokenStore for Kept {
    fn keep<'a>(
        &'a self,
        token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>> {
        let mut failures = self.failures.lock().unwrap();
        let outcome = if *failures > 0 {
            *failures -= 1;
            Err(NotKept { reason: "disk full".to_owned() })
        } else {
            self.tokens.lock().unwrap().push(token.secret().expose().to_owned());
            Ok(())
        };
        Box::pin(std::future::ready(outcome))
    }
}

struct Refreshing {
    server: Server,
    client: AuthorizationClient,
    refresher: Refresher,
    store: Arc<Kept>,
}

impl Refreshing {
    async fn from(
        failures: usize,
        ahead: u64,
        script: impl Fn(&Asked) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start(script).await;
        let key = dpop_key();
        let mut system = system(Arc::new(Never));
        system.clock = SetClock::at(NOW.after(Duration::from_secs(ahead)));
        let binding = TokenBinding::Dpop(key.clone());
        let client = AuthorizationClient::new(system, ClientRegistration::public("c1"), binding);
        let endpoint = keybound::endpoint::Endpoint::parse(&server.url("/oauth2/v1/token")).unwrap();
        let store = Arc::new(Kept { failures: Mutex::new(failures), ..Kept::default() });
        let token = RefreshToken::new(Secret::new("r0"), Some(key.thumbprint()));
        Self { server, client, refresher: Refresher::new(endpoint, token, store.clone()), store }
    }

    async fn token(&self) -> Result<GrantedToken, TokenError> {
        self.refresher.token(&self.client).await
    }

    /// The refresh tokens that were sent, one after the other.
    fn sent(&self) -> Vec<String> {
        self.server.asked().iter().map(|asked| field(asked, "refresh_token").unwrap()).collect()
    }
}

/// Grants with the refresh token after the one that was sent: `r1` for `r0`.
fn rotate(asked: &Asked) -> Response<String> {
    let next = field(asked, "refresh_token").unwrap()[1..].parse::<u32>().unwrap() + 1;
    answer(200, &[], format!(r#"{{"access_token":"t{next}","token_type":"DPoP","refresh_token":"r{next}"}}"#))
}

#[tokio::test]
async fn each_refresh_token_is_kept_before_the_one_before_is_forgotten() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    for _ in 0..3 {
        refreshing.token().await.unwrap();
    }
    assert_eq!(refreshing.sent(), ["r0", "r1", "r2"], "RFC 6749 section 6");
    assert_eq!(*refreshing.store.tokens.lock().unwrap(), ["r1", "r2", "r3"]);
    assert_eq!(refreshing.refresher.refresh_token().await.secret().expose(), "r3");
}

#[tokio::test]
async fn a_refresh_names_the_resources_that_its_token_is_for() {
    let mut refreshing = Refreshing::from(0, 0, rotate).await;
    refreshing.token().await.unwrap();
    refreshing.refresher.resources = vec!["https://a.example".to_owned(), "https://b.example/x".to_owned()];
    refreshing.token().await.unwrap();
    let named = refreshing.server.asked().into_iter().map(|asked| {
        let form = url::form_urlencoded::parse(&asked.body).into_owned();
        form.filter(|(name, _)| name == "resource").map(|(_, value)| value).collect::<Vec<_>>()
    });
    let named: Vec<_> = named.collect();
    assert!(named[0].is_empty(), "all that the user was asked for: RFC 8707 section 2.2");
    assert_eq!(named[1], ["https://a.example", "https://b.example/x"], "RFC 8707 section 2.2");
}

#[tokio::test]
async fn a_server_that_does_not_rotate_keeps_the_token() {
    let refreshing =
        Refreshing::from(0, 0, |_| answer(200, &[], r#"{"access_token":"t","token_type":"DPoP"}"#)).await;
    refreshing.token().await.unwrap();
    refreshing.token().await.unwrap();
    assert_eq!(refreshing.sent(), ["r0", "r0"]);
    assert!(refreshing.store.tokens.lock().unwrap().is_empty(), "nothing new to keep");
}

#[tokio::test]
async fn a_token_that_could_not_be_kept_is_kept_at_the_next_turn() {
    let refreshing = Refreshing::from(1, 0, rotate).await;
    assert_eq!(&**refreshing.token().await.unwrap().access_token, "t1", "of use all the same");
    assert!(refreshing.store.tokens.lock().unwrap().is_empty());
    refreshing.token().await.unwrap();
    assert_eq!(refreshing.sent(), ["r0", "r1"], "the new one, although it was not kept");
    assert_eq!(*refreshing.store.tokens.lock().unwrap(), ["r1", "r2"]);
}

#[tokio::test]
async fn two_who_refresh_at_once_send_no_refresh_token_twice() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    let (one, two) = tokio::join!(refreshing.token(), refreshing.token());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(refreshing.sent(), ["r0", "r1"], "RFC 9700 section 4.14.2");
}

#[tokio::test]
async fn a_refresh_token_is_sent_again_only_if_the_server_did_not_act() {
    for (error, nonce, ahead, sent, why) in [
        ("use_dpop_nonce", Some("n1"), 0, 2, "a challenge: RFC 9449 section 8"),
        ("invalid_dpop_proof", None, 60, 2, "refused by the proof's time, before the grant"),
        ("invalid_dpop_proof", None, 0, 1, "refused by the proof, and not for the clock"),
        ("invalid_grant", None, 60, 1, "the grant was looked at, whatever the clock"),
        ("invalid_request", None, 60, 1, "who knows"),
        ("temporarily_unavailable", None, 0, 1, "who knows"),
    ] {
        let refreshing = Refreshing::from(0, ahead, move |asked| match asked.before {
            0 => {
                let fields: Vec<_> = nonce.iter().map(|nonce| ("dpop-nonce", *nonce)).collect();
                refuse(400, error, &fields)
            }
            _ => rotate(asked),
        })
        .await;
        let outcome = refreshing.token().await;
        assert_eq!(refreshing.sent().len(), sent, "{why} ({DATE})");
        assert_eq!(outcome.is_ok(), sent == 2, "{why}");
        if let Err(TokenError::Refused { refusal, .. }) = outcome {
            assert!(
                matches!(refusal, ExchangeError::Refused { status: StatusCode::BAD_REQUEST, .. }),
                "{why}: {refusal}"
            );
            assert_eq!(refreshing.refresher.refresh_token().await.secret().expose(), "r0", "{why}");
        }
    }
}

#[tokio::test]
async fn a_refresh_token_of_another_key_is_not_sent() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    let other = RefreshToken::new(Secret::new("r0"), Some(dpop_key().thumbprint()));
    let endpoint = refreshing.refresher.token_endpoint().clone();
    let refresher = Refresher::new(endpoint, other, refreshing.store.clone());
    let error = refresher.token(&refreshing.client).await.unwrap_err();
    assert!(
        matches!(error, TokenError::Refused { refusal: ExchangeError::WrongKey(_), .. }),
        "RFC 9449 section 5: {error}"
    );
    assert!(refreshing.server.asked().is_empty());
}

#[tokio::test]
async fn a_token_source_refreshes_and_its_sources_for_other_scopes_share_the_refresh_token_and_the_nonce() {
    let Refreshing { server, client, refresher, store } =
        Refreshing::from(0, 0, |asked| match asked.before {
            0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "n1")]),
            _ => rotate(asked),
        })
        .await;
    let tokens = TokenSource::refreshing(client, refresher);
    let (one, two) = tokio::join!(tokens.token(), tokens.token());
    assert_eq!(one.unwrap().secret(), "t1");
    assert_eq!(two.unwrap().secret(), "t1", "one exchange for both");
    let fewer = tokens.with_scopes(vec!["things.read".to_owned()]);
    assert_eq!(fewer.token().await.unwrap().secret(), "t2");
    let refused = tokens.token().await.unwrap();
    assert_eq!(tokens.renew(&refused).await.unwrap().secret(), "t3");

    let asked = server.asked_for_token();
    let sent: Vec<_> = asked.iter().map(|asked| field(asked, "refresh_token").unwrap()).collect();
    assert_eq!(sent, ["r0", "r0", "r1", "r2"], "one challenge, and no token twice but for it");
    assert_eq!(field(&asked[2], "scope").as_deref(), Some("things.read"));
    assert_eq!(field(&asked[3], "scope"), None, "all that were granted: RFC 6749 section 6");
    assert_eq!(*store.tokens.lock().unwrap(), ["r1", "r2", "r3"]);
}

/// A store that another process writes to, and whose lock tells when it is dropped.
struct Shared {
    newest: Mutex<Option<RefreshToken>>,
    log: Arc<Mutex<Vec<String>>>,
}

/// What is dropped with the lock.
struct Unlocks(Arc<Mutex<Vec<String>>>);

impl Drop for Unlocks {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("unlocked".to_owned());
    }
}

impl RefreshTokenStore for Shared {
    fn begin(&self) -> Pin<Box<dyn Future<Output = Result<Begun, NotKept>> + Send + '_>> {
        self.log.lock().unwrap().push("locked".to_owned());
        let token = self.newest.lock().unwrap().clone();
        let lock = Some(CacheLock::new(Unlocks(Arc::clone(&self.log))));
        Box::pin(std::future::ready(Ok(Begun { token, lock })))
    }

    fn keep<'a>(
        &'a self,
        token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>> {
        self.log.lock().unwrap().push(token.secret().expose().to_owned());
        *self.newest.lock().unwrap() = Some(token.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn a_refresh_token_that_another_process_has_replaced_is_not_sent() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept =
        RefreshToken::new(Secret::new("r7"), Some(refreshing.client.binding().key().unwrap().thumbprint()));
    let store = Shared { newest: Mutex::new(Some(kept)), log: Arc::clone(&log) };
    let before = refreshing.refresher.refresh_token().await;
    let endpoint = refreshing.refresher.token_endpoint().clone();
    let refresher = Refresher::new(endpoint, before, Arc::new(store));
    refresher.token(&refreshing.client).await.unwrap();
    assert_eq!(refreshing.sent(), ["r7"], "RFC 9700 section 4.14.2");
    assert_eq!(*log.lock().unwrap(), ["locked", "r8", "unlocked"], "kept before another process reads it");
}

#[tokio::test]
async fn a_users_tokens_are_kept_in_a_cache_where_it_is_known_whose_they_are() {
    for (users, requests, why) in [
        ([Some("ada"), Some("ada")], 1, "the same user"),
        ([Some("ada"), Some("grace")], 2, "another user's token is not taken"),
        ([None, None], 2, "nobody knows whose they are"),
    ] {
        let Refreshing { server, client, refresher, .. } = Refreshing::from(0, 0, |asked| {
            let granted = r#"{"access_token":"t","token_type":"DPoP","expires_in":3600}"#;
            assert!(asked.is_for_token());
            answer(200, &[], granted)
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(FileTokenCache::open(folder.path().join("tokens")).unwrap());
        for user in users {
            let (endpoint, token) = (refresher.token_endpoint().clone(), refresher.refresh_token().await);
            let mut refresher = Refresher::new(endpoint, token, Arc::new(NotStored));
            refresher.user = user.map(str::to_owned);
            let tokens = TokenSource::refreshing(client.clone(), refresher).with_cache(cache.clone());
            tokens.token().await.unwrap();
        }
        assert_eq!(server.asked().len(), requests, "{why}");
    }
}
