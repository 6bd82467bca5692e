//! How often a fault strikes: exactly as often as it was told to, whoever asks at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::Method;
use keybound::random::{OperatingSystem, Random, RandomUnavailable};
use keybound_org::{ErrorBody, Fault, FaultError, OldNonces, OrgSettings};

use crate::support::TestOrg;

const METADATA: &str = "/.well-known/openid-configuration";
const GROUPS: &str = "/api/v1/groups";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_requests_at_once_three_are_struck_if_three_are_to_be() {
    let test = TestOrg::start().await;
    let id = test.org.faults().add(Fault::rate_limited().on_path(METADATA).times(3)).await.unwrap();
    let asked: Vec<_> = (0..50).map(|_| tokio::spawn(test.http.get(test.url(METADATA)).send())).collect();
    let mut struck = 0;
    for answer in asked {
        struck += u32::from(answer.await.unwrap().unwrap().status() == 429);
    }
    assert_eq!(struck, 3);
    let armed = test.org.faults().get(id).unwrap();
    assert_eq!((armed.struck, armed.is_over), (3, true));
}

#[tokio::test]
async fn a_fault_ends_by_the_orgs_clock() {
    let test = TestOrg::start().await;
    let fault = Fault::rate_limited().lasting(Duration::from_secs(60));
    let id = test.org.faults().add(fault).await.unwrap();
    for (seconds, expected) in [(0, 429), (59, 429), (1, 200), (1, 200)] {
        test.wait(seconds);
        assert_eq!(test.get(METADATA).await.status.as_u16(), expected);
    }
    assert!(test.org.faults().get(id).unwrap().is_over);
}

#[tokio::test]
async fn a_wrong_clock_ends_by_the_right_one() {
    let test = TestOrg::start().await;
    let fault = Fault::clock_skew(1_000_000).lasting(Duration::from_secs(60));
    let id = test.org.faults().add(fault).await.unwrap();
    for (seconds, expected) in [(0, false), (59, false), (1, true)] {
        test.wait(seconds);
        assert_eq!(test.org.faults().get(id).unwrap().is_over, expected, "{seconds}");
    }
}

/// Four bytes at a time as they are told; all others from the operating system.
struct Dice(AtomicU32);

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        match <&mut [u8; 4]>::try_from(&mut *bytes) {
            Ok(four) => *four = self.0.load(Ordering::Relaxed).to_le_bytes(),
            Err(_) => OperatingSystem.fill(bytes)?,
        }
        Ok(())
    }
}

#[tokio::test]
async fn chance_is_what_the_injected_randomness_makes_it() {
    let dice = Arc::new(Dice(AtomicU32::new(0)));
    let random = Arc::clone(&dice) as Arc<dyn Random>;
    let test = TestOrg::start_with(OrgSettings { random, ..OrgSettings::default() }).await;
    let half = u32::MAX / 2;
    for (probability, drawn, expected) in [
        (0.5, 0, 429),
        (0.5, half, 429),
        (0.5, half + 1, 200),
        (1.0, u32::MAX, 429),
        (0.001, 0, 429),
        (0.001, half, 200),
    ] {
        dice.0.store(drawn, Ordering::Relaxed);
        let fault = Fault::rate_limited().with_probability(probability);
        let id = test.org.faults().add(fault).await.unwrap();
        assert_eq!(test.get(METADATA).await.status.as_u16(), expected, "{probability} {drawn}");
        assert_eq!(test.org.faults().get(id).unwrap().struck, u64::from(expected == 429));
        test.org.faults().clear();
    }
}

#[tokio::test]
async fn of_two_faults_that_fit_the_first_strikes_until_it_is_over() {
    let test = TestOrg::start().await;
    let add = async |fault: Fault| test.org.faults().add(fault).await.unwrap();
    let first = add(Fault::server_error(501, ErrorBody::None).times(1)).await;
    let second = add(Fault::server_error(502, ErrorBody::None).times(1)).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(test.administer(Method::GET, GROUPS, None).await.status.as_u16());
    }
    assert_eq!(seen, [501, 502, 200]);
    let listed: Vec<_> = test.org.faults().list().iter().map(|armed| (armed.id, armed.is_over)).collect();
    assert_eq!(listed, [(first, true), (second, true)]);
    assert!(test.org.faults().remove(first) && !test.org.faults().remove(first));
    assert_eq!(test.org.faults().get(first), None);
    test.org.faults().clear();
    assert_eq!(test.org.faults().list(), []);
}

#[tokio::test]
async fn there_are_a_hundred_faults_at_most_and_those_that_are_over_make_room() {
    let test = TestOrg::start().await;
    let faults = test.org.faults();
    for _ in 0..150 {
        faults.add(Fault::rotate_nonce(OldNonces::Refused)).await.unwrap();
    }
    for _ in 0..100 {
        faults.add(Fault::rate_limited().on_path("/never")).await.unwrap();
    }
    assert_eq!(faults.list().len(), 100);
    let error = faults.add(Fault::rate_limited()).await.unwrap_err();
    assert!(matches!(error, FaultError::TooMany), "{error}");
    let error = faults.add(Fault::rotate_nonce(OldNonces::Refused)).await.unwrap_err();
    assert!(matches!(error, FaultError::TooMany), "what cannot be listed does not happen: {error}");
}
