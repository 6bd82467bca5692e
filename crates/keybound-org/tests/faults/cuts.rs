//! Connections that are cut, over each version of HTTP, with TLS and without it.

use keybound_org::{Cut, Fault, LocalOrg, OrgSettings, Scheme};
use reqwest::{Certificate, Client, ClientBuilder, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const METADATA: &str = "/.well-known/openid-configuration";

async fn start(scheme: Scheme) -> LocalOrg {
    LocalOrg::start(OrgSettings { scheme, seed_users: 0, ..OrgSettings::default() }).await.unwrap()
}

/// A client of one version that makes one try.
fn client(org: &LocalOrg, version: Version) -> Client {
    let builder = ClientBuilder::new().retry(reqwest::retry::never());
    let builder = match org.ca_file() {
        Some(file) => {
            let authority = Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
            builder.tls_certs_only([authority])
        }
        None => builder,
    };
    let builder =
        if version == Version::HTTP_2 { builder.http2_prior_knowledge() } else { builder.http1_only() };
    builder.build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_seen_where_it_was_asked_for_over_every_kind_of_connection() {
    for scheme in [Scheme::Http, Scheme::Https] {
        let org = start(scheme).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let client = client(&org, version);
            for cut in [Cut::BeforeAnswer, Cut::InHead, Cut::InBody] {
                let case = format!("{scheme:?} {version:?} {cut:?}");
                let get = || client.get(format!("{}{METADATA}", org.url())).send();
                let whole = get().await.unwrap();
                assert_eq!(whole.version(), version, "{case}");
                let whole = whole.bytes().await.unwrap();

                let id = org.faults().add(Fault::cut_connection(cut).times(1)).await.unwrap();
                match (cut, get().await) {
                    (Cut::InBody, Ok(mut answer)) => {
                        assert_eq!(answer.status().as_u16(), 200, "{case}");
                        let mut arrived = Vec::new();
                        let error = loop {
                            match answer.chunk().await {
                                Ok(Some(piece)) => arrived.extend_from_slice(&piece),
                                Ok(None) => panic!("{case}: the answer came to its end"),
                                Err(error) => break error,
                            }
                        };
                        assert!(!error.is_timeout(), "{case}: {error:?}");
                        assert_eq!(arrived, whole[..whole.len() / 2], "{case}");
                    }
                    (Cut::InBody, Err(error)) => panic!("{case}: not even a head came: {error:?}"),
                    (_, answer) => {
                        let error = answer.expect_err(&case);
                        assert!(error.is_request() && !error.is_connect(), "{case}: {error:?}");
                    }
                }
                assert_eq!(org.faults().get(id).unwrap().struck, 1, "{case}");
                assert_eq!(get().await.unwrap().bytes().await.unwrap(), whole, "{case}: by a new connection");
            }
        }
        org.stop().await;
    }
}

#[tokio::test]
async fn not_a_byte_more_arrives_than_was_asked_for() {
    let org = start(Scheme::Http).await;
    for (cut, expected) in [(Cut::BeforeAnswer, ""), (Cut::InHead, "HTTP/1.1 200 OK\r")] {
        org.faults().add(Fault::cut_connection(cut).times(1)).await.unwrap();
        let address = org.url().trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {METADATA} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut arrived = Vec::new();
        stream.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(String::from_utf8(arrived).unwrap(), expected, "{cut:?}");
    }
}

#[tokio::test]
async fn what_was_asked_for_is_done_though_its_answer_is_lost() {
    let org = start(Scheme::Http).await;
    let client = client(&org, Version::HTTP_11);
    for (number, cut) in [Cut::BeforeAnswer, Cut::InHead, Cut::InBody].into_iter().enumerate() {
        org.faults().add(Fault::cut_connection(cut).times(1)).await.unwrap();
        let asked = |request: reqwest::RequestBuilder| {
            request
                .header("authorization", format!("SSWS {}", org.admin_token()))
                .header("content-type", "application/json")
        };
        let groups = format!("{}/api/v1/groups", org.url());
        let group = format!(r#"{{"profile":{{"name":"Group {number}"}}}}"#);
        let lost = asked(client.post(&groups)).body(group).send().await;
        let is_lost = match lost {
            Ok(answer) => answer.bytes().await.is_err(),
            Err(_) => true,
        };
        assert!(is_lost, "{cut:?}");
        let found = asked(client.get(format!("{groups}?q=Group%20{number}"))).send().await.unwrap();
        let found: Vec<serde_json::Value> = serde_json::from_slice(&found.bytes().await.unwrap()).unwrap();
        assert_eq!(found.len(), 1, "{cut:?}");
    }
}
