//! What a proof costs beside the one signature in it that cannot be avoided.
//!
//! Raw and whole are measured in turns within one run on the same work, so that a machine whose speed
//! drifts does not favour either; the ratio is the median of the pairs' ratios. Raw is the
//! cryptographic library alone on the same bytes, its key parsed beforehand: the hardest thing to be
//! compared with, since a whole check has to parse the key that comes in the proof.
//!
//! `cargo bench -p keybound --bench proofs`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    unreachable_pub,
    reason = "a benchmark may panic"
)]

mod stopwatch;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, VerificationAlgorithm,
};
use http::{HeaderMap, HeaderValue, Method};
use keybound::access_token::AccessToken;
use keybound::base64url::{decode, encode};
use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayStore as _};
use keybound::resource::{Demands, ProtectedResource, ResourceRequest};
use keybound::{Algorithm, NumericDate, SigningKey, TargetUri};
use stopwatch::Stopwatch;

const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
/// Pairs of batches, of which the median is taken.
const ROUNDS: usize = 25;
/// About the length of a batch.
const BATCH: Duration = Duration::from_millis(20);

fn main() {
    println!("{:<8} {:<32} {:>12} {:>12} {:>7}", "", "", "raw", "whole", "ratio");
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let subject = Subject::new(algorithm);
        subject.make().print(algorithm, "make");
        subject.check().print(algorithm, "check");
        for junk in Junk::ALL {
            subject.refuse(junk).print(algorithm, junk.name());
        }
    }
    println!("\nmake:  raw signature / a proof with ath, ready to send");
    println!(
        "check: raw verification / a request admitted: credentials, ath, proof, binding, replay in memory"
    );
    println!("junk:  raw verification / a request refused for a proof that is none or breaks one rule");
}

/// Proofs that cost no signature verification to refuse.
#[derive(Clone, Copy)]
enum Junk {
    Garbage,
    NotJws,
    NotJson,
    WrongType,
    WrongTarget,
    Stale,
    WrongKey,
}

impl Junk {
    const ALL: [Self; 7] = [
        Self::Garbage,
        Self::NotJws,
        Self::NotJson,
        Self::WrongType,
        Self::WrongTarget,
        Self::Stale,
        Self::WrongKey,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "junk: garbage",
            Self::NotJws => "junk: no JWS",
            Self::NotJson => "junk: a JWS without JSON",
            Self::WrongType => "junk: another typ",
            Self::WrongTarget => "junk: for another URL",
            Self::Stale => "junk: an hour old",
            Self::WrongKey => "junk: by another key",
        }
    }
}

struct Subject {
    algorithm: Algorithm,
    key: DpopKey,
    target: TargetUri,
    access_token: String,
    /// Taken once per token, as a client does.
    access_token_hash: AccessTokenHash,
}

impl Subject {
    fn new(algorithm: Algorithm) -> Self {
        let access_token = "eyJraWQiOiJ4In0.".to_owned() + &"a".repeat(800);
        Self {
            access_token_hash: AccessTokenHash::of(&access_token),
            algorithm,
            key: DpopKey::new(Arc::new(SigningKey::generate(algorithm).unwrap())),
            target: TargetUri::parse("https://org.example.com/api/v1/users").unwrap(),
            access_token,
        }
    }

    fn prove(&self, target: &TargetUri) -> String {
        self.prove_with(&self.key, target, NOW)
    }

    fn prove_with(&self, key: &DpopKey, target: &TargetUri, now: NumericDate) -> String {
        let access_token = Some(self.access_token_hash);
        let request = ProofRequest { method: &Method::GET, target, access_token, nonce: None };
        key.prove(&request, now, &OperatingSystem).unwrap()
    }

    fn make(&self) -> Comparison {
        let proof = self.prove(&self.target);
        let signing_input = proof.rsplit_once('.').unwrap().0.as_bytes();
        let raw = raw_signer(self.algorithm);
        compare(|| raw(signing_input), || black_box(self.prove(&self.target)).len())
    }

    fn check(&self) -> Comparison {
        let proofs: Vec<_> = (0..PROOFS).map(|_| self.prove(&self.target)).collect();
        let requests: Vec<_> = proofs.iter().map(|proof| self.headers(proof)).collect();
        self.compare_admission(&proofs, &requests, true)
    }

    /// Against the verification of as many good proofs.
    fn refuse(&self, junk: Junk) -> Comparison {
        let stranger = DpopKey::new(Arc::new(SigningKey::generate(self.algorithm).unwrap()));
        let good: Vec<_> = (0..PROOFS).map(|_| self.prove(&self.target)).collect();
        let requests: Vec<_> =
            good.iter().map(|good| self.headers(&self.spoil(good, junk, &stranger))).collect();
        self.compare_admission(&good, &requests, false)
    }

    fn spoil(&self, good: &str, junk: Junk, stranger: &DpopKey) -> String {
        match junk {
            Junk::Garbage => "garbage ".repeat(good.len() / 8),
            Junk::NotJws => good.replace('.', "-"),
            Junk::NotJson => format!("{0}.{0}.{0}", "AAAA".repeat(good.len() / 12)),
            Junk::WrongType => {
                let (header, rest) = good.split_once('.').unwrap();
                let header = String::from_utf8(decode(header).unwrap()).unwrap();
                format!("{}.{rest}", encode(header.replace("dpop+jwt", "JWT")))
            }
            Junk::WrongTarget => {
                self.prove(&TargetUri::parse("https://org.example.com/api/v1/groups").unwrap())
            }
            Junk::Stale => self.prove_with(&self.key, &self.target, NOW.before(Duration::from_secs(3600))),
            Junk::WrongKey => self.prove_with(stranger, &self.target, NOW),
        }
    }

    /// Both sides go through the same proofs. The store is renewed, outside of what is measured, before
    /// they come again.
    fn compare_admission(&self, proofs: &[String], requests: &[HeaderMap], admitted: bool) -> Comparison {
        let raw = raw_verifier(self.algorithm, proofs);
        let token = Arc::new(self.token());
        let mut pairs = Vec::new();
        for _ in 0..ROUNDS {
            let resource = resource();
            let mut number = 0..requests.len();
            let raw_time = time(requests.len(), || raw(number.next().unwrap()));
            let mut requests = requests.iter();
            let whole_time = time(requests.len(), || {
                let headers = requests.next().unwrap();
                let request =
                    ResourceRequest { method: &Method::GET, target: &self.target, query: None, headers };
                let result = resource.admit(&request, |_| Ok(Arc::clone(&token)), NOW);
                assert_eq!(black_box(result).is_ok(), admitted);
            });
            pairs.push((raw_time, whole_time));
        }
        Comparison { pairs }
    }

    fn headers(&self, proof: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let authorization = format!("DPoP {}", self.access_token);
        headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        headers.insert("dpop", HeaderValue::from_str(proof).unwrap());
        headers
    }

    fn token(&self) -> AccessToken {
        AccessToken {
            issuer: "https://org.example.com".to_owned(),
            audiences: vec!["https://org.example.com".to_owned()],
            subject: "0oa1".to_owned(),
            client_id: Some("0oa1".to_owned()),
            scopes: vec!["okta.users.read".to_owned()],
            issued_at: Some(NOW),
            expires: NOW.after(Duration::from_secs(3600)),
            jwt_id: None,
            thumbprint: Some(self.key.thumbprint()),
        }
    }
}

/// Distinct proofs in a batch of checks.
const PROOFS: usize = 400;

/// A resource that has admitted others before: its store has grown to what a server's has.
fn resource() -> ProtectedResource {
    const ADMITTED_BEFORE: usize = 50_000;
    let replay = MemoryReplayStore::new(MemoryReplayLimits::default(), &OperatingSystem).unwrap();
    let (thumbprint, target) =
        (STRANGER.parse().unwrap(), TargetUri::parse("https://org.example.com/").unwrap());
    for number in 0..ADMITTED_BEFORE {
        let key = ReplayKey::new(thumbprint, &target, &number.to_string());
        replay.record(&key, NOW, NOW).unwrap();
    }
    ProtectedResource { demands: Demands::default(), replay: Arc::new(replay) }
}

/// The thumbprint of RFC 9449 section 6.1.
const STRANGER: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// Signs, and gives the length of the signature.
type RawSigner = Box<dyn Fn(&[u8]) -> usize>;

fn raw_signer(algorithm: Algorithm) -> RawSigner {
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::RS256 => {
            let key = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
            Box::new(move |message| {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                black_box(signature).len()
            })
        }
        Algorithm::ES256 => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            Box::new(move |message| black_box(key.sign(&random, message).unwrap()).as_ref().len())
        }
        _ => {
            let key = Ed25519KeyPair::generate().unwrap();
            let _ = key.public_key();
            Box::new(move |message| black_box(key.sign(message)).as_ref().len())
        }
    }
}

/// The library's verification of one of `proofs`, by its number, with the key in them.
fn raw_verifier(algorithm: Algorithm, proofs: &[String]) -> impl Fn(usize) {
    let key = raw_key(algorithm, &proofs[0]);
    let split = |proof: &String| {
        let (signing_input, signature) = proof.rsplit_once('.').unwrap();
        (signing_input.as_bytes().to_vec(), decode(signature).unwrap())
    };
    let parts: Vec<_> = proofs.iter().map(split).collect();
    move |number| {
        let (message, signature) = &parts[number];
        key.verify_sig(black_box(message), signature).unwrap();
    }
}

fn raw_key(algorithm: Algorithm, proof: &str) -> ParsedPublicKey {
    let header: serde_json::Value =
        serde_json::from_slice(&decode(proof.split('.').next().unwrap()).unwrap()).unwrap();
    let member = |name: &str| decode(header["jwk"][name].as_str().unwrap()).unwrap();
    let parse = |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
        ParsedPublicKey::new(algorithm, bytes).unwrap()
    };
    match algorithm {
        Algorithm::RS256 => aws_lc_rs::rsa::PublicKeyComponents { n: member("n"), e: member("e") }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .unwrap(),
        Algorithm::ES256 => parse(&ECDSA_P256_SHA256_FIXED, &[vec![4], member("x"), member("y")].concat()),
        _ => parse(&ED25519, &member("x")),
    }
}

struct Comparison {
    pairs: Vec<(Duration, Duration)>,
}

impl Comparison {
    fn print(&self, algorithm: Algorithm, work: &str) {
        let microseconds = |time: Duration| format!("{:.2} us", time.as_nanos() as f64 / 1000.0);
        let ratios = self.pairs.iter().map(|(raw, whole)| whole.as_nanos() as f64 / raw.as_nanos() as f64);
        println!(
            "{:<8} {:<32} {:>12} {:>12} {:>7.3}",
            algorithm.name(),
            work,
            microseconds(median(self.pairs.iter().map(|pair| pair.0).collect())),
            microseconds(median(self.pairs.iter().map(|pair| pair.1).collect())),
            median(ratios.collect()),
        );
    }
}

fn compare<R, W>(raw: impl Fn() -> R, whole: impl Fn() -> W) -> Comparison {
    let one = time(20, &whole).max(Duration::from_nanos(1));
    let times = usize::try_from(BATCH.as_nanos() / one.as_nanos()).unwrap().max(10);
    Comparison { pairs: (0..ROUNDS).map(|_| (time(times, &raw), time(times, &whole))).collect() }
}

/// The time of one of `times` calls.
fn time<R>(times: usize, mut call: impl FnMut() -> R) -> Duration {
    let begin = Stopwatch::start();
    for _ in 0..times {
        black_box(call());
    }
    begin.elapsed() / u32::try_from(times).unwrap()
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}
