//! Keys in AWS KMS, against moto, an emulator of AWS; what moto does otherwise than AWS, against a server that
//! answers by a script.
//!
//! moto is a program in Python: `tests/moto/requirements.txt` says which one, and `MOTO_SERVER` where its
//! `moto_server` is, if not in the `PATH`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod any_signer;
mod scripted;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use any_signer::{assert_gets_and_uses_a_token, assert_signs, assert_signs_message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use keybound::proof::DpopKey;
use keybound::{Algorithm, KeyKind, PrivateKey, SignError, Signer, SigningKey};
use keybound_client::signers::aws_kms::{Credentials, KmsError, KmsOptions, KmsSigner};
use keybound_client::{Transport, TransportOptions};
use scripted::{Asked, NOW, Server, SetClock, answer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

const REGION: &str = "eu-central-1";

/// An emulated AWS, which ends with its test.
struct Moto {
    process: Child,
    origin: String,
    transport: Transport,
}

impl Moto {
    /// Starts it and reads where it listens.
    fn start() -> Self {
        let program = std::env::var_os("MOTO_SERVER").unwrap_or_else(|| "moto_server".into());
        let mut process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; see tests/moto/requirements.txt", program.display())
            });
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let origin = lines.find_map(|line| {
            line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")).map(str::to_owned)
        });
        // What it says of each request is read, or it would wait for that.
        thread::spawn(move || lines.for_each(drop));
        let origin = origin.unwrap_or_else(|| panic!("moto did not start"));
        Self { process, origin, transport: Transport::new(TransportOptions::default()) }
    }

    fn options(&self, key_id: &str) -> KmsOptions {
        let mut options = KmsOptions::new(key_id);
        options.region = Some(REGION.to_owned());
        options.endpoint = Some(self.origin.clone());
        options.credentials = Arc::new(credentials("AKIDEXAMPLE", "secret"));
        options
    }

    /// A call that no policy is asked about.
    async fn call(&self, service: &str, fields: &[(&str, &str)], body: String) -> String {
        let scope = format!("Credential=x/20260101/{REGION}/{service}/aws4_request");
        let mut request = http::Request::post(&self.origin)
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = self.transport.send(request.body(body.into()).unwrap()).await.unwrap();
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        assert!(answer.status().is_success(), "{text}");
        text
    }

    async fn kms(&self, call: &str, body: Value) -> Value {
        let target = format!("TrentService.{call}");
        let fields = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let answer = self.call("kms", &fields, body.to_string()).await;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    async fn create_key(&self, spec: &str) -> String {
        let made = self.kms("CreateKey", json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"})).await;
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    async fn iam(&self, form: &str) -> String {
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        self.call("iam", &fields, format!("{form}&Version=2010-05-08")).await
    }

    /// A user whose policy allows this of KMS.
    async fn create_user(&self, name: &str, action: &str) -> Credentials {
        self.iam(&format!("Action=CreateUser&UserName={name}")).await;
        let policy = format!(
            "%7B%22Version%22:%222012-10-17%22,%22Statement%22:%7B%22Effect%22:%22Allow%22,%22Action%22:%22{action}%22,%22Resource%22:%22*%22%7D%7D"
        );
        let form = "Action=PutUserPolicy&PolicyName=p&UserName=";
        self.iam(&format!("{form}{name}&PolicyDocument={policy}")).await;
        let made = self.iam(&format!("Action=CreateAccessKey&UserName={name}")).await;
        let element = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        credentials(&element("AccessKeyId"), &element("SecretAccessKey"))
    }

    /// From now on every call's signature and policy is looked at.
    async fn demand_authorization(&self) {
        let request = http::Request::post(format!("{}/moto-api/reset-auth", self.origin))
            .header("content-type", "application/octet-stream");
        let answer = self.transport.send(request.body(Bytes::from_static(b"0")).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn credentials(key: &str, secret: &str) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        secret_access_key: Zeroizing::new(secret.to_owned()),
        session_token: None,
    }
}

/// moto's PSS salts are longer than AWS's, so PSS is for the server with a script.
#[tokio::test]
async fn every_algorithm_makes_signatures_that_verify() {
    let moto = Moto::start();
    for (spec, algorithms) in [
        ("RSA_2048", &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512][..]),
        ("ECC_NIST_P256", &[Algorithm::ES256]),
        ("ECC_NIST_P384", &[Algorithm::ES384]),
        ("ECC_NIST_P521", &[Algorithm::ES512]),
    ] {
        let key = moto.create_key(spec).await;
        for algorithm in algorithms {
            let mut options = moto.options(&key);
            options.algorithm = Some(*algorithm);
            let signer = KmsSigner::open(options).unwrap();
            assert!(signer.waits());
            assert_signs(&signer);
        }
        let usual = KmsSigner::open(moto.options(&key)).unwrap();
        assert_eq!(usual.algorithm(), algorithms[0]);
    }
}

#[tokio::test]
async fn tokens_are_got_and_used_with_keys_in_kms() {
    let moto = Moto::start();
    let client_key = KmsSigner::open(moto.options(&moto.create_key("RSA_2048").await)).unwrap();
    let dpop_key = KmsSigner::open(moto.options(&moto.create_key("ECC_NIST_P256").await)).unwrap();
    let dpop_key = DpopKey::new(Arc::new(dpop_key));
    assert_gets_and_uses_a_token(Arc::new(client_key), &dpop_key).await;
}

#[tokio::test]
async fn calls_are_signed_as_aws_wants_and_refused_in_its_words() {
    let moto = Moto::start();
    let key = moto.create_key("ECC_NIST_P256").await;
    let allowed = moto.create_user("allowed", "kms:*").await;
    let reader = moto.create_user("reader", "kms:GetPublicKey").await;
    let mut mistyped = allowed.clone();
    mistyped.secret_access_key.push('x');
    moto.demand_authorization().await;
    let open = |who: &Credentials| {
        let mut options = moto.options(&key);
        options.credentials = Arc::new(who.clone());
        KmsSigner::open(options)
    };
    assert_signs(&open(&allowed).unwrap());

    let Err(SignError::Unavailable { reason }) = open(&reader).unwrap().sign(b"") else {
        panic!("not allowed")
    };
    assert!(reason.contains("kms:Sign") && reason.contains("not authorized"), "{reason}");
    for (who, kind) in
        [(mistyped, "SignatureDoesNotMatch"), (credentials("AKIDEXAMPLE", "secret"), "InvalidClientTokenId")]
    {
        let error = open(&who).unwrap_err();
        assert!(matches!(error, KmsError::Refused { call: "GetPublicKey", .. }), "{error}");
        assert!(error.to_string().contains(kind), "{error}");
    }
}

#[tokio::test]
async fn a_key_is_named_by_arn_id_or_alias_and_must_be_there_and_be_for_signatures() {
    let moto = Moto::start();
    let arn = moto.create_key("ECC_NIST_P256").await;
    let id = arn.rsplit('/').next().unwrap();
    moto.kms("CreateAlias", json!({"AliasName": "alias/dpop", "TargetKeyId": id})).await;
    for name in [&arn, id, "alias/dpop"] {
        assert_signs(&KmsSigner::open(moto.options(name)).unwrap());
    }
    let missing = KmsSigner::open(moto.options("1234abcd-12ab-34cd-56ef-1234567890ab")).unwrap_err();
    assert!(missing.to_string().contains("NotFoundException"), "{missing}");
    assert!(missing.to_string().contains("right region"), "{missing}");

    let mut options = moto.options(&arn);
    options.algorithm = Some(Algorithm::ES384);
    assert!(matches!(KmsSigner::open(options).unwrap_err(), KmsError::Key(_)));
}

#[test]
fn what_can_not_be_asked_is_not_asked() {
    for (key_id, endpoint, why) in [
        ("", "http://127.0.0.1:1", "no name"),
        ("a\",\"b\":\"", "http://127.0.0.1:1", "a name that would be more than one member"),
        ("alias/dpop", "http://127.0.0.1:1/path", "an endpoint with a path"),
        ("alias/dpop", "kms", "an endpoint that is no URL"),
        ("alias/dpop", "http://kms.example.com", "plain http to another machine"),
    ] {
        let mut options = KmsOptions::new(key_id);
        options.region = Some(REGION.to_owned());
        options.endpoint = Some(endpoint.to_owned());
        options.credentials = Arc::new(credentials("AKIDEXAMPLE", "secret"));
        let error = KmsSigner::open(options).unwrap_err();
        let (of_name, of_endpoint) = (matches!(error, KmsError::KeyId { .. }), key_id == "alias/dpop");
        assert!(of_name != of_endpoint && !matches!(error, KmsError::Refused { .. }), "{why}: {error}");
    }
}

/// A KMS by a script, with one key; `sign` makes the answer to `Sign`.
async fn scripted_kms<F>(key: &SigningKey, offered: &str, sign: F) -> (Server, KmsOptions)
where
    F: Fn(&Value) -> http::Response<String> + Send + Sync + 'static,
{
    let pem = key.public_key().to_pem();
    let public: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let public = json!({"PublicKey": public, "SigningAlgorithms": [offered]}).to_string();
    let server = Server::start(move |asked: &Asked| match asked.headers["x-amz-target"].to_str().unwrap() {
        "TrentService.GetPublicKey" => answer(200, &[], public.clone()),
        _ => sign(&serde_json::from_slice(&asked.body).unwrap()),
    })
    .await;
    let mut options = KmsOptions::new("arn:aws:kms:eu-west-1:111122223333:key/1234abcd");
    options.endpoint = Some(server.origin.clone());
    options.credentials = Arc::new(credentials("AKIDEXAMPLE", "secret"));
    options.clock = SetClock::at(NOW);
    (server, options)
}

fn signature(signature: &[u8]) -> http::Response<String> {
    answer(200, &[], json!({ "Signature": STANDARD.encode(signature) }).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_goes_as_its_digest() {
    let rsa = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let key = Arc::new(SigningKey::new(rsa, Algorithm::PS256).unwrap());
    let (short, long) = (vec![b'a'; 4096], vec![b'a'; 4097]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &long).as_ref().to_vec();
    let expected = [(short.clone(), "RAW", short.clone()), (long.clone(), "DIGEST", digest)];
    let signing_key = Arc::clone(&key);
    let (server, mut options) = scripted_kms(&key, "RSASSA_PSS_SHA_256", move |asked| {
        let (text, ..) = expected
            .iter()
            .find(|(_, kind, message)| {
                *asked
                    == json!({
                        "KeyId": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd",
                        "Message": STANDARD.encode(message),
                        "MessageType": kind,
                        "SigningAlgorithm": "RSASSA_PSS_SHA_256",
                    })
            })
            .unwrap();
        signature(signing_key.sign(text).unwrap().as_bytes())
    })
    .await;
    options.algorithm = Some(Algorithm::PS256);
    let signer = KmsSigner::open(options).unwrap();
    assert_signs_message(&signer, &short);
    assert_signs_message(&signer, &long);
    let authorization = server.asked()[0].authorization().to_owned();
    assert!(
        authorization.contains("/19941106/eu-west-1/kms/aws4_request"),
        "the region of the ARN: {authorization}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_signature_is_told_in_the_words_of_aws() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let throttled = json!({"__type": "com.amazonaws.kms#ThrottlingException", "message": "Rate exceeded"});
    for (status, body, told) in [
        (
            400,
            throttled.to_string(),
            "ThrottlingException (400 Bad Request): Rate exceeded; have the request quota",
        ),
        (500, json!({"__type": "KMSInternalException"}).to_string(), "KMSInternalException (500"),
        (503, "<html>".to_owned(), "no error of KMS (503 Service Unavailable): <html>"),
        (200, "<html>".to_owned(), "is the endpoint right"),
        (200, json!({"Signature": "*"}).to_string(), "not base64"),
    ] {
        let (_server, options) =
            scripted_kms(&key, "ECDSA_SHA_256", move |_| answer(status, &[], body.clone())).await;
        let outcome = KmsSigner::open(options).unwrap().sign(b"what is said");
        let Err(SignError::Unavailable { reason }) = outcome else { panic!("{told}: {outcome:?}") };
        assert!(reason.contains(told), "{reason}");
    }
    let (_server, options) = scripted_kms(&key, "ECDSA_SHA_256", |_| signature(b"no DER")).await;
    let outcome = KmsSigner::open(options).unwrap().sign(b"what is said");
    assert_eq!(outcome, Err(SignError::NotAnEcdsaSignature { algorithm: Algorithm::ES256 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_something_else_is_told() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let (_server, options) = scripted_kms(&key, "SOMETHING_ELSE", |_| answer(200, &[], "")).await;
    let error = KmsSigner::open(options).unwrap_err();
    assert!(matches!(error, KmsError::AlgorithmNotOffered { .. }), "{error}");
    assert!(error.to_string().contains("SOMETHING_ELSE"), "{error}");
}

/// The listener is there and answers nothing.
#[test]
fn kms_is_not_waited_for_without_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = KmsOptions::new("arn:aws:kms:eu-west-1:111122223333:key/1234abcd");
    options.endpoint = Some(format!("http://{}", silent.local_addr().unwrap()));
    options.credentials = Arc::new(credentials("AKIDEXAMPLE", "secret"));
    options.transport.timeout = Duration::from_millis(50);
    let error = KmsSigner::open(options).unwrap_err();
    assert!(error.to_string().contains("did not answer in time"), "{error}");
}
