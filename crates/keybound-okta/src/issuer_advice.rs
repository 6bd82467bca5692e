//! What to do where the tokens are another issuer's than the org's own: what that answers, what its metadata says, and
//! what the APIs answer that its tokens are for.

use http::StatusCode;
use keybound::exchange::ExchangeError;
use keybound::metadata::NotSupported;

use crate::advice;
use crate::api_error::OktaError;
use crate::error::Identity;

/// What to do about a refusal of the issuer's token endpoint.
pub(crate) fn on_exchange(refusal: &ExchangeError, identity: &Identity) -> Option<String> {
    match refusal {
        ExchangeError::Refused { error, .. } => on_refusal(error, identity),
        ExchangeError::NotATokenEndpoint { status, .. } if !advice::is_temporary(*status) => Some(format!(
            "Check the issuer ({}): what it names as its token endpoint is none.",
            identity.issuer
        )),
        ExchangeError::NotBound => Some(
            "Have the client registered for DPoP (dpop_bound_access_tokens, RFC 9449 section 5.2), or take Bearer tokens \
             knowingly: KEYBOUND_DPOP=off"
                .to_owned(),
        ),
        _ => None,
    }
}

/// By the error of OAuth.
fn on_refusal(error: &str, identity: &Identity) -> Option<String> {
    let Identity { issuer, client_id, key_id, thumbprint, .. } = identity;
    let key_id = key_id.as_ref().map(|id| format!(", key id {id}")).unwrap_or_default();
    Some(match (error, thumbprint) {
        ("invalid_client", Some(thumbprint)) => format!(
            "Check that {client_id} is registered at {issuer} and authenticates by private_key_jwt; that the public half \
             of the key that is used here (thumbprint {thumbprint}{key_id}) is registered with it; and what the server \
             wants for the assertion's aud (KEYBOUND_ASSERTION_AUDIENCE=issuer or token-endpoint)."
        ),
        ("invalid_client", None) => format!(
            "Check that {client_id} is registered at {issuer}, that the secret is its own and has not expired, and that \
             it is sent as it is registered: KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD=client_secret_basic or client_secret_post."
        ),
        ("unauthorized_client" | "unsupported_grant_type", _) => format!(
            "Check that {client_id} may ask {issuer} for tokens by client credentials (at Okta: an API Services app)."
        ),
        ("access_denied", _) => format!(
            "Check that a policy of {issuer} lets {client_id} have these scopes by client credentials (at Okta: Security → \
             API → Authorization Servers → Access Policies)."
        ),
        ("invalid_scope", _) => format!(
            "Ask for scopes that {issuer} has and grants to {client_id} (asked for here: {}); those of Okta's management \
             API are the org's own alone.",
            if identity.scopes.is_empty() { "none".to_owned() } else { identity.scopes.join(" ") }
        ),
        ("invalid_target", _) => {
            "Check the resource (KEYBOUND_RESOURCE, RFC 8707) and the audience (KEYBOUND_AUDIENCE): the issuer gives no \
             tokens for them."
                .to_owned()
        }
        ("invalid_dpop_proof", _) => {
            "The client may be registered for DPoP while it is off here (KEYBOUND_DPOP=off); else check the algorithm of \
             the DPoP key and the clock (date -u)."
                .to_owned()
        }
        _ => return None,
    })
}

/// What to do where the issuer's metadata is not there or can't be used.
pub(crate) const ON_DISCOVERY: &str = "Check the issuer (OKTA_OAUTH2_ISSUER): it has to be as the server's own metadata has \
     it, character by character; a custom authorization server of Okta's is https://ORG/oauth2/ID.";

/// What to do where the issuer says that it does not do what is needed.
pub(crate) fn on_unsupported(problem: &NotSupported) -> String {
    match problem {
        NotSupported::ProofAlgorithm { .. } => {
            "Make a DPoP key of one of its algorithms (keybound keys new --alg ALG --out dpop) and set \
             OKTA_DPOP_PRIVATE_KEY_FILE to it."
        }
        NotSupported::AssertionAlgorithm { .. } => {
            "Register a key of one of its algorithms (keybound keys new --alg ALG --out cc) and set \
             OKTA_CC_PRIVATE_KEY_FILE to it; an RSA key in a JWK signs by its member alg."
        }
        NotSupported::ClientAuthentication { given: "private_key_jwt", .. } => {
            "Have private_key_jwt switched on at the issuer; or, where it gave the client a secret, set \
             OKTA_CLIENT_SECRET_FILE in place of the key."
        }
        NotSupported::ClientAuthentication { .. } => {
            "Have the client's secret taken by one of client_secret_basic and client_secret_post at the issuer \
             (KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD says which is used), or set a key: OKTA_CC_PRIVATE_KEY_FILE."
        }
        NotSupported::NoProofAlgorithm { .. } => {
            "Have the issuer take proofs with ES256, which every client that does DPoP has; Bearer tokens, knowingly: \
             KEYBOUND_DPOP=off."
        }
        _ => "Check the issuer (OKTA_OAUTH2_ISSUER), and that it gives tokens by client credentials.",
    }
    .to_owned()
}

/// What to do about a refusal of an API that the issuer's tokens are for.
pub(crate) fn on_api_error(error: &OktaError) -> Option<String> {
    let is = |code: &str| error.challenge.as_ref().is_some_and(|challenge| challenge.is(code));
    let advice = match error.status {
        _ if error.lacks_scope() => {
            "Ask for the scope that the API wants: --scope (OKTA_SCOPES); its issuer has to grant it."
        }
        _ if is("invalid_dpop_proof") || is("use_dpop_nonce") => {
            "The API does not accept the proof: check the algorithm of the DPoP key, the clock (date -u), and that \
             nothing on the way changes the address of the request or takes DPoP-Nonce out."
        }
        StatusCode::UNAUTHORIZED => {
            "The API does not take the token: check that it trusts this issuer (OKTA_OAUTH2_ISSUER) and that the token is \
             for it (aud: KEYBOUND_RESOURCE, KEYBOUND_AUDIENCE, or the authorization server's own setting); keybound \
             token show tells what it says."
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;
    use keybound::{Algorithm, KeyKind, PrivateKey};

    use super::*;
    use crate::token_advice;

    fn identity() -> Identity {
        Identity {
            issuer: "https://as.example/a".to_owned(),
            is_org: false,
            client_id: "client".to_owned(),
            key_id: Some("my-key".to_owned()),
            thumbprint: Some(PrivateKey::generate(KeyKind::P256).unwrap().public_key().thumbprint()),
            scopes: vec!["orders.read".to_owned()],
        }
    }

    #[test]
    fn every_refusal_of_an_issuer_that_people_meet_has_its_advice() {
        for (status, error, words, why) in [
            (401, "invalid_client", &["client", "my-key", "KEYBOUND_ASSERTION_AUDIENCE"][..], "the client"),
            (400, "unauthorized_client", &["client credentials", "https://as.example/a"], "the grant"),
            (400, "unsupported_grant_type", &["client credentials"], "the grant"),
            (400, "access_denied", &["Access Policies"], "a policy"),
            (400, "invalid_scope", &["orders.read", "https://as.example/a"], "a scope"),
            (400, "invalid_target", &["KEYBOUND_RESOURCE", "KEYBOUND_AUDIENCE"], "a resource (RFC 8707)"),
            (400, "invalid_dpop_proof", &["KEYBOUND_DPOP"], "the proof"),
            (400, "use_dpop_nonce", &["DPoP-Nonce"], "nonces without an end"),
            (429, "slow_down", &["rate limit"], "too many requests"),
            (503, "temporarily_unavailable", &["try again later"], "down"),
        ] {
            let refusal = ExchangeError::Refused {
                status: StatusCode::from_u16(status).unwrap(),
                error: error.to_owned(),
                description: None,
            };
            let advice = token_advice::on_exchange(&refusal, &identity()).unwrap_or_default();
            assert!(words.iter().all(|words| advice.contains(words)), "{why} ({error}): {advice}");
            assert!(!advice.contains("Okta API Scopes"), "{why}: {advice}");
        }
        let not_bound = token_advice::on_exchange(&ExchangeError::NotBound, &identity()).unwrap();
        assert!(not_bound.contains("dpop_bound_access_tokens"), "{not_bound}");
    }

    #[test]
    fn what_an_issuer_does_not_take_has_its_advice() {
        let (given, supported) = (Algorithm::ES256, Vec::new());
        for (problem, words) in [
            (
                NotSupported::ProofAlgorithm { given, supported: supported.clone() },
                "OKTA_DPOP_PRIVATE_KEY_FILE",
            ),
            (
                NotSupported::AssertionAlgorithm { given, supported: supported.clone() },
                "OKTA_CC_PRIVATE_KEY_FILE",
            ),
            (
                NotSupported::ClientAuthentication { given: "private_key_jwt", supported: supported.clone() },
                "OKTA_CLIENT_SECRET_FILE",
            ),
            (
                NotSupported::ClientAuthentication {
                    given: "client_secret_basic",
                    supported: supported.clone(),
                },
                "KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD",
            ),
            (NotSupported::NoProofAlgorithm { supported }, "ES256"),
            (NotSupported::NoEndpoint("token_endpoint"), "OKTA_OAUTH2_ISSUER"),
        ] {
            let advice = on_unsupported(&problem);
            assert!(advice.contains(words), "{problem}: {advice}");
        }
    }

    #[test]
    fn a_refusal_of_another_api_is_told_as_that_apis() {
        for (status, challenge, words) in [
            (401, r#"DPoP error="invalid_token""#, Some("KEYBOUND_AUDIENCE")),
            (401, r#"DPoP error="invalid_dpop_proof""#, Some("DPoP key")),
            (403, r#"DPoP error="insufficient_scope""#, Some("--scope")),
            (404, "", None),
            (500, "", None),
        ] {
            let mut response = Response::builder().status(status);
            if !challenge.is_empty() {
                response = response.header("www-authenticate", challenge);
            }
            let error = OktaError::new(response.body(Bytes::new()).unwrap(), None).of_other_api();
            assert!(error.to_string().starts_with("the API answered "), "{error}");
            let advice = error.advice();
            assert_eq!(advice.is_some(), words.is_some(), "{status} {challenge}: {advice:?}");
            assert!(words.is_none_or(|words| advice.unwrap().contains(words)), "{status} {challenge}");
        }
    }
}
