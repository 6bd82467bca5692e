//! A user's leave on another device (RFC 8628).

use std::sync::Arc;
use std::time::Duration;

use keybound::metadata::ServerMetadata;
use keybound_client::authorization::{Asked as Wanted, AuthorizationError, UserAuthorization};
use keybound_client::{ClientRegistration, TokenBinding, TokenError};

use super::scripted::{NotedSleep, Server, answer, refuse};
use super::{GRANTED, Stage, dpop_key, field, granted_device, metadata, origin, system};

#[tokio::test]
async fn a_user_approves_on_another_device() {
    let timer = Arc::new(NotedSleep::default());
    let rig = Stage::set("", timer.clone(), |asked| match (asked.uri.path(), asked.before) {
        ("/device", _) => answer(
            200,
            &[],
            format!(
                r#"{{"device_code":"d","user_code":"WDJB","verification_uri":"{}/d","expires_in":600,"interval":3}}"#,
                origin(asked)
            ),
        ),
        (_, 0) => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "n1")]),
        (_, 1 | 3) => refuse(400, "authorization_pending", &[]),
        (_, 2) => refuse(400, "slow_down", &[]),
        _ => answer(200, &[], GRANTED),
    })
    .await;
    let device = rig.authorization.begin_on_device(Wanted::default()).await.unwrap();
    assert_eq!(device.authorization().user_code, "WDJB");
    let token = device.finish().await.unwrap().token;
    assert_eq!(&**token.access_token, "t");
    let waited: Vec<_> = timer.noted().iter().map(Duration::as_secs).collect();
    assert_eq!(waited, [3, 3, 8, 8], "RFC 8628 section 3.5: slow_down adds five seconds, for good");
    for request in rig.server.asked_for_token() {
        request.check_proof(&rig.server.origin, None, &rig.key).unwrap();
        assert_eq!(field(&request, "device_code").as_deref(), Some("d"));
    }
    assert!(!rig.server.called()[0].headers.contains_key("dpop"), "no proof goes to the device endpoint");
}

#[tokio::test]
async fn a_device_outlasts_a_network_that_fails() {
    let timer = Arc::new(NotedSleep::default());
    // The token endpoint is at discard's port, at which nobody listens.
    let nobody = "127.0.0.1:9";
    let server = Server::start(granted_device).await;
    let json = metadata(&server.origin, "")
        .replace(&server.url("/oauth2/v1/token"), &format!("http://{nobody}/oauth2/v1/token"));
    let metadata = ServerMetadata::parse(json.as_bytes(), &server.origin).unwrap();
    let client = ClientRegistration::public("c1");
    let authorization =
        UserAuthorization::new(system(timer.clone()), metadata, client, TokenBinding::Dpop(dpop_key()))
            .unwrap();
    let device = authorization.begin_on_device(Wanted::default()).await.unwrap();
    let error = device.finish().await.unwrap_err();
    assert!(matches!(error, AuthorizationError::Token(TokenError::Transport(_))), "{error}");
    let waited: Vec<_> = timer.noted().iter().map(Duration::as_secs).collect();
    assert_eq!(
        waited,
        [3, 6, 12, 24],
        "RFC 8628 section 3.5: half as often each time, until the code expires"
    );
}
