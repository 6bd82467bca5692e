//! https with the org's own certificate authority, and where the org listens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::Version;
use keybound_org::{Data, LocalOrg, OrgSettings, Scheme, StartError};

/// A client that trusts the org's authority and no other.
fn client(org: &LocalOrg) -> reqwest::Client {
    let certificate = std::fs::read(org.ca_file().unwrap()).unwrap();
    let certificate = reqwest::Certificate::from_pem(&certificate).unwrap();
    reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap()
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_gets_through_by_every_name_of_this_machine() {
    let org = LocalOrg::start(OrgSettings::default()).await.unwrap();
    assert!(org.url().starts_with("https://127.0.0.1:"), "{}", org.url());
    let client = client(&org);
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("{}/oauth2/v1/keys", org.url().replace("127.0.0.1", host));
        let answer = client.get(url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2), "{host}");
    }
    let error = reqwest::Client::new().get(org.url()).send().await.unwrap_err();
    assert!(error.is_connect(), "a client that does not trust it does not: {error:?}");
    let stopped = org.url().to_owned();
    org.stop().await;
    assert!(client.get(stopped).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn the_authority_stays_and_the_certificate_is_new_at_each_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let data = Data::Directory(folder.path().to_owned());
        LocalOrg::start(OrgSettings { data, ..OrgSettings::default() }).await.unwrap()
    };
    let first = start().await;
    let trusting = client(&first);
    let authority = std::fs::read_to_string(first.ca_file().unwrap()).unwrap();
    first.stop().await;
    let second = start().await;
    assert_eq!(std::fs::read_to_string(second.ca_file().unwrap()).unwrap(), authority);
    assert!(trusting.get(format!("{}/oauth2/v1/keys", second.url())).send().await.is_ok());
    second.stop().await;
}

#[tokio::test]
async fn the_org_listens_where_other_machines_cannot_reach_it() {
    for (listen, scheme, beyond) in [
        ("0.0.0.0:0", Scheme::Http, true),
        ("0.0.0.0:0", Scheme::Https, false),
        ("[::]:0", Scheme::Http, false),
    ] {
        let settings = OrgSettings {
            listen: listen.parse().unwrap(),
            scheme,
            listen_beyond_loopback: beyond,
            ..OrgSettings::default()
        };
        let error = LocalOrg::start(settings).await.err().unwrap();
        assert!(matches!(error, StartError::NotLoopback(_)), "{listen} {scheme:?}: {error}");
    }
}

#[tokio::test]
async fn a_temporary_org_leaves_nothing_behind() {
    let org = LocalOrg::start(OrgSettings { seed_users: 1, ..OrgSettings::default() }).await.unwrap();
    let folder = org.ca_file().unwrap().parent().unwrap().to_owned();
    assert!(folder.exists());
    org.stop().await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let first = LocalOrg::start(OrgSettings::default()).await.unwrap();
    let address = first.url().trim_start_matches("https://").parse().unwrap();
    let error =
        LocalOrg::start(OrgSettings { listen: address, ..OrgSettings::default() }).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
