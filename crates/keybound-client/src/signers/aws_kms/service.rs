//! The two calls to KMS, in its JSON protocol 1.1 (AWS KMS API reference).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use keybound::excerpt::{NAME, excerpt};
use keybound::json::Object;
use keybound::{Clock, PublicKey, TargetUri};

use super::signature_v4::{Scope, timestamp};
use super::{CredentialSource, KmsError, KmsOptions};
use crate::field::readable;
use crate::signers::blocking::BlockingTransport;

const JSON: &str = "application/x-amz-json-1.1";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// KMS in one region, and one of its keys.
pub(super) struct Service {
    transport: BlockingTransport,
    endpoint: TargetUri,
    region: String,
    key_id: String,
    credentials: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
}

/// What is to be signed.
pub(super) enum Message<'a> {
    Raw(&'a [u8]),
    Digest(&'a [u8]),
}

impl Service {
    pub(super) fn new(options: KmsOptions) -> Result<Self, KmsError> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
        if options.key_id.is_empty() || !options.key_id.bytes().all(named) {
            return Err(KmsError::KeyId { found: excerpt(&options.key_id, NAME) });
        }
        let region = match options.region {
            Some(region) => region,
            None => region_of(&options.key_id).ok_or(KmsError::NoRegion)?,
        };
        let endpoint = options.endpoint.unwrap_or_else(|| default_endpoint(&region));
        let uri = endpoint_uri(&endpoint)
            .map_err(|detail| KmsError::Endpoint { endpoint: readable(&endpoint), detail })?;
        Ok(Self {
            transport: BlockingTransport::start(options.transport)
                .map_err(|error| KmsError::Thread { detail: error.to_string() })?,
            endpoint: uri,
            region,
            key_id: options.key_id,
            credentials: options.credentials,
            clock: options.clock,
        })
    }

    /// The public half of the key, and the algorithms that KMS offers for it.
    pub(super) fn public_key(&self) -> Result<(PublicKey, Vec<String>), KmsError> {
        const CALL: &str = "GetPublicKey";
        let answer = self.call(CALL, format!(r#"{{"KeyId":"{}"}}"#, self.key_id))?;
        let answer = object(CALL, &answer)?;
        let unusable = |detail: String| KmsError::UnusableAnswer { call: CALL, detail };
        let key = answer.string("PublicKey").map_err(|error| unusable(error.to_string()))?;
        let offered =
            answer.optional_strings("SigningAlgorithms").map_err(|error| unusable(error.to_string()))?;
        let key =
            PublicKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"))?;
        Ok((key, offered.unwrap_or_default().into_iter().map(readable).collect()))
    }

    /// A signature in the form that KMS gives: for ECDSA in DER.
    pub(super) fn sign(&self, algorithm: &str, message: &Message<'_>) -> Result<Vec<u8>, KmsError> {
        const CALL: &str = "Sign";
        let (kind, bytes) = match message {
            Message::Raw(bytes) => ("RAW", bytes),
            Message::Digest(bytes) => ("DIGEST", bytes),
        };
        let body = format!(
            r#"{{"KeyId":"{}","Message":"{}","MessageType":"{kind}","SigningAlgorithm":"{algorithm}"}}"#,
            self.key_id,
            STANDARD.encode(bytes),
        );
        let answer = self.call(CALL, body)?;
        let unusable = |detail: String| KmsError::UnusableAnswer { call: CALL, detail };
        let signature = object(CALL, &answer)?.string("Signature").map(|text| STANDARD.decode(text));
        signature
            .map_err(|error| unusable(error.to_string()))?
            .map_err(|_| unusable("its `Signature` is not base64".to_owned()))
    }

    fn call(&self, call: &'static str, body: String) -> Result<Bytes, KmsError> {
        let request = self.request(call, body.into())?;
        let answer = self.transport.send(request)?;
        if answer.status() == StatusCode::OK { Ok(answer.into_body()) } else { Err(refusal(call, &answer)) }
    }

    /// A call, signed.
    fn request(&self, call: &str, body: Bytes) -> Result<Request<Bytes>, KmsError> {
        let credentials = self.credentials.credentials()?;
        let now = self.clock.now();
        let (date, target) = (timestamp(now), format!("TrentService.{call}"));
        let host = self.endpoint.origin().split_once("://").map_or("", |(_, host)| host);
        let mut signed = vec![("content-type", JSON), ("host", host), ("x-amz-date", &date)];
        signed
            .extend(credentials.session_token.as_ref().map(|token| ("x-amz-security-token", token.as_str())));
        signed.push(("x-amz-target", &target));
        let scope = Scope { now, region: &self.region, service: "kms" };
        let authorization = scope.authorization(&credentials, &signed, &body);

        let unsendable = |_| KmsError::Credentials {
            detail: "they have characters that no header field can have; were they copied whole?".to_owned(),
        };
        let field = |text: &str| HeaderValue::from_str(text).map_err(unsendable);
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.endpoint.as_str().parse().map_err(|error: http::uri::InvalidUri| {
            KmsError::Endpoint { endpoint: self.endpoint.to_string(), detail: error.to_string() }
        })?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(DATE, field(&date)?);
        headers.insert(TARGET, field(&target)?);
        headers.insert(AUTHORIZATION, sensitive(field(&authorization)?));
        if let Some(token) = &credentials.session_token {
            headers.insert(SESSION_TOKEN, sensitive(field(token)?));
        }
        Ok(request)
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// The region of an ARN (`arn:aws:kms:REGION:ACCOUNT:key/ID`), or the one that the environment names.
fn region_of(key_id: &str) -> Option<String> {
    let of_arn = || key_id.strip_prefix("arn:")?.split(':').nth(2).map(str::to_owned);
    of_arn()
        .or_else(|| std::env::var("AWS_REGION").ok())
        .or_else(|| std::env::var("AWS_DEFAULT_REGION").ok())
        .filter(|region| !region.is_empty())
}

/// Regions in China have a domain of their own.
fn default_endpoint(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://kms.{region}.{domain}")
}

/// An endpoint is an origin: the path that is signed is `/`.
fn endpoint_uri(endpoint: &str) -> Result<TargetUri, String> {
    let uri = TargetUri::parse(endpoint).map_err(|error| error.to_string())?;
    if uri.as_str().strip_prefix(uri.origin()) != Some("/") {
        return Err("an endpoint has no path".to_owned());
    }
    Ok(uri)
}

fn object<'a>(call: &'static str, body: &'a [u8]) -> Result<Object<'a>, KmsError> {
    Object::parse(body).map_err(|error| KmsError::UnusableAnswer { call, detail: format!("it is {error}") })
}

/// AWS's own words for why it refuses; `__type` may have a namespace before a `#`. What is no error of KMS, a
/// proxy's for one, is told as it is.
fn refusal(call: &'static str, answer: &Response<Bytes>) -> KmsError {
    let body = Object::parse(answer.body()).ok();
    let text = |name| body.as_ref().and_then(|body| body.string(name).ok()).map(readable);
    let kind = text("__type").unwrap_or_else(|| "no error of KMS".to_owned());
    let message = text("message").or_else(|| text("Message"));
    KmsError::Refused {
        call,
        status: answer.status(),
        kind: kind.rsplit('#').next().unwrap_or_default().to_owned(),
        message: message.unwrap_or_else(|| readable(&String::from_utf8_lossy(answer.body()))),
    }
}
