//! What Keybound's own client does about each fault, over https and with proofs: the proof that the faults are what
//! clients are made for, and that the client is.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use keybound::exchange::ClientCredentials;
use keybound::proof::DpopKey;
use keybound::random::OperatingSystem;
use keybound::{NumericDate, Signer as _};
use keybound_client::{
    CallError, Client, Observer, Sleep, System, TokenBinding, TokenSource, TransportError, TransportOptions,
};
use keybound_org::{
    AdminRole, Cut, EndpointKind, ErrorBody, Fault, LocalOrg, NewApp, OldKey, OldNonces, OrgSettings,
    RevokedTokens, ServerId,
};

use crate::support::{READ, es256};

const USERS: &str = "/api/v1/users";
const TOKEN: &str = "/oauth2/v1/token";

/// What went over the wire: path and status of each answer, and a path alone where none came.
#[derive(Default)]
struct Wire {
    asked: Mutex<Vec<(String, Option<u16>)>>,
    waits: Mutex<Vec<Duration>>,
}

impl Observer for Wire {
    fn sent(&self, request: &Request<Bytes>) {
        self.asked.lock().unwrap().push((request.uri().path().to_owned(), None));
    }

    fn received(&self, response: &Response<Bytes>) {
        if let Some(last) = self.asked.lock().unwrap().last_mut() {
            last.1 = Some(response.status().as_u16());
        }
    }
}

/// Time passes at once.
impl Sleep for Wire {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.waits.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

struct Pair {
    org: LocalOrg,
    client: Client,
    wire: Arc<Wire>,
}

impl Pair {
    /// An org, and a client that has called it once.
    async fn start() -> Self {
        let org = LocalOrg::start(OrgSettings { seed_users: 1, ..OrgSettings::default() }).await.unwrap();
        let client_key = es256();
        let app = NewApp {
            label: "An app".to_owned(),
            public_keys: vec![client_key.public_key().clone()],
            scopes: vec![READ.to_owned()],
            roles: vec![AdminRole::ReadOnly],
            ..NewApp::default()
        };
        let now = NumericDate::from(std::time::SystemTime::now());
        let app = org.store().create_app(&app, now, &OperatingSystem).unwrap();
        let wire = Arc::new(Wire::default());
        let mut options = TransportOptions::default();
        options.certificate_authorities.push(std::fs::read_to_string(org.ca_file().unwrap()).unwrap());
        options.observer = Some(Arc::clone(&wire) as Arc<dyn Observer>);
        let mut system = System::new(options);
        system.timer = Arc::clone(&wire) as Arc<dyn Sleep>;
        let grant = ClientCredentials::new(&format!("{}{TOKEN}", org.url()), app.client_id, [READ]).unwrap();
        let binding = TokenBinding::Dpop(DpopKey::new(Arc::new(es256())));
        let client = Client::new(TokenSource::new(system, grant, Arc::new(client_key), binding));
        let pair = Self { org, client, wire };
        assert_eq!(pair.call().await.unwrap(), StatusCode::OK);
        assert_eq!(
            pair.wire(),
            [(TOKEN, Some(400)), (TOKEN, Some(200)), (USERS, Some(200))].map(owned),
            "a challenge, a token, a call"
        );
        pair
    }

    async fn call(&self) -> Result<StatusCode, CallError> {
        self.call_with(Method::GET).await
    }

    async fn call_with(&self, method: Method) -> Result<StatusCode, CallError> {
        let request = Request::builder().method(method).uri(format!("{}{USERS}", self.org.url()));
        Ok(self.client.send(request.body(Bytes::new()).unwrap()).await?.status())
    }

    /// What went over the wire since it was asked last.
    fn wire(&self) -> Vec<(String, Option<u16>)> {
        std::mem::take(&mut *self.wire.asked.lock().unwrap())
    }
}

fn owned((path, status): (&str, Option<u16>)) -> (String, Option<u16>) {
    (path.to_owned(), status)
}

#[tokio::test]
async fn the_client_gets_over_what_can_be_got_over() {
    let pair = Pair::start().await;
    let users = |fault: Fault| fault.on_path(USERS);
    for (fault, expected) in [
        (
            users(Fault::rate_limited()).times(2),
            vec![(USERS, Some(429)), (USERS, Some(429)), (USERS, Some(200))],
        ),
        (
            users(Fault::server_error(503, ErrorBody::Html)).times(1),
            vec![(USERS, Some(503)), (USERS, Some(200))],
        ),
        (users(Fault::slow(Duration::from_millis(10))).times(1), vec![(USERS, Some(200))]),
        (users(Fault::cut_connection(Cut::BeforeAnswer)).times(1), vec![(USERS, None), (USERS, Some(200))]),
        (users(Fault::cut_connection(Cut::InHead)).times(1), vec![(USERS, None), (USERS, Some(200))]),
        (users(Fault::cut_connection(Cut::InBody)).times(1), vec![(USERS, None), (USERS, Some(200))]),
        (
            Fault::revoke_tokens(RevokedTokens::All),
            vec![(USERS, Some(401)), (TOKEN, Some(200)), (USERS, Some(200))],
        ),
        (
            users(Fault::revoke_tokens(RevokedTokens::Presented)).times(1),
            vec![(USERS, Some(401)), (TOKEN, Some(200)), (USERS, Some(200))],
        ),
        (Fault::rotate_key(ServerId::Org, OldKey::Published), vec![(USERS, Some(200))]),
        (
            Fault::rotate_key(ServerId::Org, OldKey::Gone),
            vec![(USERS, Some(401)), (TOKEN, Some(200)), (USERS, Some(200))],
        ),
        (Fault::rotate_nonce(OldNonces::Refused), vec![(USERS, Some(200))]),
        (users(Fault::replay()).times(1), vec![(USERS, Some(200))]),
    ] {
        pair.org.faults().add(fault.clone()).await.unwrap();
        assert_eq!(pair.call().await.unwrap(), StatusCode::OK, "{fault:?}");
        let expected: Vec<_> = expected.into_iter().map(owned).collect();
        assert_eq!(pair.wire(), expected, "{fault:?}");
        pair.org.faults().clear();
    }
}

#[tokio::test]
async fn after_a_429_the_client_waits_for_the_reset_and_not_much_longer() {
    let pair = Pair::start().await;
    let fault = Fault::rate_limited_for(Duration::from_secs(20)).on_endpoint(EndpointKind::Api).times(1);
    pair.org.faults().add(fault).await.unwrap();
    assert_eq!(pair.call().await.unwrap(), StatusCode::OK);
    let waits = std::mem::take(&mut *pair.wire.waits.lock().unwrap());
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert!((20..=21).contains(&waits[0].as_secs()), "{waits:?}");
}

#[tokio::test]
async fn a_new_nonce_costs_one_more_token_request() {
    let pair = Pair::start().await;
    for (old, expected) in [
        (OldNonces::Refused, vec![(TOKEN, Some(400)), (TOKEN, Some(200))]),
        (OldNonces::Accepted, vec![(TOKEN, Some(200))]),
    ] {
        for fault in [Fault::rotate_nonce(old), Fault::revoke_tokens(RevokedTokens::All)] {
            pair.org.faults().add(fault).await.unwrap();
        }
        assert_eq!(pair.call().await.unwrap(), StatusCode::OK);
        let mut wire = vec![(USERS, Some(401))];
        wire.extend(expected);
        wire.push((USERS, Some(200)));
        assert_eq!(pair.wire(), wire.into_iter().map(owned).collect::<Vec<_>>(), "{old:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_takes_a_nonce_ends_in_an_error_and_in_no_loop() {
    let pair = Pair::start().await;
    let never = Fault::rotate_nonce(OldNonces::Refused).on_endpoint(EndpointKind::Token);
    for fault in [never, Fault::revoke_tokens(RevokedTokens::All)] {
        pair.org.faults().add(fault).await.unwrap();
    }
    assert!(matches!(pair.call().await, Err(CallError::Token(_))));
    assert!(pair.wire().len() < 8);
}

#[tokio::test]
async fn the_client_learns_the_orgs_time_however_wrong_it_is() {
    for seconds in [3_600, -3_600] {
        let pair = Pair::start().await;
        let skew = pair.org.faults().add(Fault::clock_skew(seconds)).await.unwrap();
        assert_eq!(pair.call().await.unwrap(), StatusCode::OK, "{seconds}");
        assert!(pair.wire().len() > 1, "it was refused first");
        assert_eq!(pair.call().await.unwrap(), StatusCode::OK, "{seconds}");
        assert_eq!(pair.wire(), [owned((USERS, Some(200)))], "and knows the time from then on");
        pair.org.faults().remove(skew);
        // The answer that tells it of the right time may be a refusal.
        let _ = pair.call().await;
        assert_eq!(pair.call().await.unwrap(), StatusCode::OK, "{seconds}: the right time again");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    let pair = Pair::start().await;
    for (fault, is_broken) in [
        (Fault::cut_connection(Cut::BeforeAnswer), true),
        (Fault::server_error(503, ErrorBody::Okta), false),
        (Fault::server_error(500, ErrorBody::Okta), false),
    ] {
        pair.org.faults().add(fault.clone().on_path(USERS)).await.unwrap();
        match pair.call_with(Method::POST).await {
            Err(CallError::Transport(TransportError::Broken { .. })) => assert!(is_broken, "{fault:?}"),
            Ok(status) => assert!(status.is_server_error() && !is_broken, "{fault:?}: {status}"),
            Err(error) => panic!("{fault:?}: {error:?}"),
        }
        assert_eq!(pair.wire().len(), 1, "{fault:?}");
        pair.org.faults().clear();
    }
}
