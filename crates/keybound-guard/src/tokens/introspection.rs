//! Asking an issuer about a token (RFC 7662).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::{StatusCode, Uri};
use keybound::{Clock, Refusal};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::counters::{self, INTROSPECTIONS};
use super::metadata::IssuerMetadata;
use super::network::{FetchError, Network};
use super::published::Published;

/// Bytes of an introspection answer, at most: four times the longest token that is taken.
pub const MAX_INTROSPECTION_BYTES: usize = 64 * 1024;

/// Where an issuer answers about tokens.
pub(super) enum Endpoint {
    /// Here, by the policy.
    Given(Uri),
    /// Where its metadata says.
    InMetadata(Arc<Published<IssuerMetadata>>),
}

/// An issuer's introspection endpoint, and what the guard is there.
pub(super) struct Introspection {
    pub(super) issuer: String,
    pub(super) endpoint: Endpoint,
    /// The value of `Authorization`.
    pub(super) authorization: Zeroizing<String>,
    /// How long an answer is relied on.
    pub(super) cached_for: Duration,
    pub(super) network: Arc<Network>,
    pub(super) clock: Arc<dyn Clock>,
    /// One for each question that may be under way.
    pub(super) permits: Semaphore,
}

impl Introspection {
    /// The answer about `token`, of whatever content.
    pub(super) async fn ask(&self, token: &str) -> Result<Bytes, Refusal> {
        let Ok(_permit) = self.permits.try_acquire() else {
            counters::count(INTROSPECTIONS, &self.issuer, "not_asked");
            return Err(self.unverifiable("is asked too much at once"));
        };
        match self.question(token).await {
            Ok(answer) if answer.len() <= MAX_INTROSPECTION_BYTES => {
                counters::count(INTROSPECTIONS, &self.issuer, "answered");
                Ok(answer)
            }
            outcome => {
                counters::count(INTROSPECTIONS, &self.issuer, "failed");
                let what = match outcome {
                    Ok(_) => {
                        tracing::warn!(issuer = self.issuer, "introspection answers too much");
                        "does not answer as it should"
                    }
                    Err(error) => {
                        tracing::warn!(issuer = self.issuer, %error, "introspection failed{}", advice(&error));
                        match error {
                            FetchError::Status { .. } => "does not answer what this server asks",
                            _ => "does not answer",
                        }
                    }
                };
                Err(self.unverifiable(what))
            }
        }
    }

    async fn question(&self, token: &str) -> Result<Bytes, FetchError> {
        let found;
        let endpoint = match &self.endpoint {
            Endpoint::Given(uri) => uri,
            Endpoint::InMetadata(metadata) => {
                found = metadata.usable(self.clock.now()).await.ok_or(FetchError::NoMetadata)?;
                let endpoint = found.value.introspection_endpoint.as_ref();
                endpoint.ok_or(FetchError::NotInMetadata("introspection_endpoint"))?
            }
        };
        self.network.post(endpoint, &self.authorization, form(token)).await
    }

    /// A refusal that blames this issuer, which `what`.
    pub(super) fn unverifiable(&self, what: &str) -> Refusal {
        Refusal::TokenUnverifiable { reason: format!("{} {what}", self.issuer) }
    }
}

/// What to do about it.
fn advice(error: &FetchError) -> &'static str {
    match error {
        FetchError::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
            ": see that `client_id` and `client_secret_file` of the issuer's introspection are right"
        }
        _ => error.advice(),
    }
}

/// The form of the question (RFC 7662 section 2.1).
fn form(token: &str) -> Zeroizing<String> {
    const HINT: (&str, &str) = ("token_type_hint", "access_token");
    // Enough for every character to be escaped: a text that grows leaves copies behind.
    let text = String::with_capacity(64 + 3 * token.len());
    let mut form = Serializer::new(text);
    Zeroizing::new(form.append_pair("token", token).append_pair(HINT.0, HINT.1).finish())
}

/// The value of `Authorization` with HTTP Basic, id and secret form-encoded first (RFC 6749 section 2.3.1).
pub(super) fn basic(client_id: &str, secret: &str) -> Zeroizing<String> {
    let encoded = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(client_id), *encoded(secret)));
    let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", *pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_as_a_form_and_then_as_basic() {
        // RFC 6749 section 2.3.1's own example.
        let example = basic("s6BhdRkqt3", "gX1fBat3bV");
        assert_eq!(*example, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        let escaped = STANDARD.encode("a%3Ab:c%25d+e");
        assert_eq!(*basic("a:b", "c%d e"), format!("Basic {escaped}"));
    }

    #[test]
    fn a_token_can_add_nothing_to_the_form() {
        assert_eq!(*form("a&token=b+c"), "token=a%26token%3Db%2Bc&token_type_hint=access_token");
    }
}
