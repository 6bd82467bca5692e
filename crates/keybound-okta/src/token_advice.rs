//! What to do about what an org's token endpoint answers: one row for each refusal that people meet.

use keybound::exchange::ExchangeError;
use keybound_client::field;

use crate::error::Identity;
use crate::{advice, issuer_advice, operations, suggestion};

/// What to do about a refusal of the token endpoint.
pub(crate) fn on_exchange(refusal: &ExchangeError, identity: &Identity) -> Option<String> {
    if !identity.is_org
        && let Some(advice) = issuer_advice::on_exchange(refusal, identity)
    {
        return Some(advice);
    }
    match refusal {
        ExchangeError::Refused { status, error, description } => {
            let description = description.as_deref().unwrap_or_default().to_lowercase();
            on_refusal(error, &description, identity).or_else(|| advice::on_status(*status).map(str::to_owned))
        }
        ExchangeError::NotATokenEndpoint { status, .. } if advice::is_temporary(*status) => {
            advice::on_status(*status).map(str::to_owned)
        }
        ExchangeError::NotATokenEndpoint { .. } => Some(format!(
            "Check the org's URL: what answers at {} is no Okta org, or an org of another name \
             (https://dev-123456.okta.com, without -admin and without a path).",
            identity.issuer
        )),
        ExchangeError::NotBound => Some(
            "Switch \"Require Demonstrating Proof of Possession (DPoP) header in token requests\" on for the \
             app, or take Bearer tokens knowingly: KEYBOUND_DPOP=off"
                .to_owned(),
        ),
        ExchangeError::ChallengeWithoutNonce | ExchangeError::TooManyChallenges => {
            advice::on_code("use_dpop_nonce").map(str::to_owned)
        }
        _ => None,
    }
}

/// By the error of OAuth and, where one error has several causes, by words of its description.
fn on_refusal(error: &str, description: &str, identity: &Identity) -> Option<String> {
    Some(match error {
        "invalid_client" => on_client(description, identity),
        "access_denied" if description.contains("not assigned to the client application") => format!(
            "Have an administrator assign the user, or a group of theirs, to {}: admin console → Applications → the \
             app → Assignments.",
            identity.client_id
        ),
        "unauthorized_client" | "access_denied" | "unsupported_grant_type" => format!(
            "Check that {} is an API Services app, which may ask for tokens by client credentials, that it is \
             active, and that no policy of the org shuts it out.",
            identity.client_id
        ),
        "invalid_scope" | "consent_required" => on_scopes(&identity.scopes),
        "invalid_dpop_proof" => {
            "The app requires DPoP, or does not accept this proof. If DPoP is switched off here \
             (KEYBOUND_DPOP=off, OKTA_CLIENT_DPOPENABLED=false), switch it on; else check the algorithm of \
             the DPoP key: Okta takes RS256, RS384, RS512, ES256, ES384 and ES512."
                .to_owned()
        }
        "invalid_grant" => {
            "The login has ended: it was given back, or not used for too long. Log in again (`keybound login`)."
                .to_owned()
        }
        "use_dpop_nonce" => return advice::on_code(error).map(str::to_owned),
        "invalid_request" => format!(
            "Check that {} is an app of {} that authenticates with \"Public key / Private key\".",
            identity.client_id, identity.issuer
        ),
        _ => return None,
    })
}

/// A name that none of Okta's scopes has can't be granted, so it comes before those that have to be.
fn on_scopes(asked: &[String]) -> String {
    match asked.iter().find(|scope| scope.starts_with("okta.") && !operations::is_scope(scope)) {
        Some(scope) => format!(
            "Correct the scopes to ask for (OKTA_SCOPES): Okta has none that is called {}{}",
            field::readable(scope),
            match operations::nearest_scopes(scope).as_slice() {
                [] => ".".to_owned(),
                near => suggestion::question(near),
            }
        ),
        None => format!(
            "Grant the scopes to the app, or ask for those alone that are granted (asked for here: {}): \
             admin console → Applications → the app → Okta API Scopes → Grant.",
            asked.join(" ")
        ),
    }
}

/// Which part of the client's authentication to look at first.
fn on_client(description: &str, identity: &Identity) -> String {
    let Identity { issuer: org, client_id, key_id, thumbprint, .. } = identity;
    let key_id = key_id.as_ref().map(|id| format!(", key id {id}")).unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| description.contains(word));
    if has(&["jti", "already been used", "replay"]) {
        return "Try again: the assertion was used before. Each request makes one of its own; if it stays, \
                something between here and the org sends requests twice."
            .to_owned();
    }
    if has(&["expir", "issued in the future", "iat", "nbf"]) {
        return "Set the clock of this machine (date -u): an assertion carries the time, and is good for five \
                minutes."
            .to_owned();
    }
    if has(&["audience", "aud claim"]) {
        return format!(
            "Check the org's URL ({org}): assertions are for the address that it goes by itself."
        );
    }
    let Some(thumbprint) = thumbprint else {
        return format!(
            "Have {client_id} authenticate with \"Public key / Private key\" and set OKTA_CC_PRIVATE_KEY_FILE: the org's \
             own server takes no client secret for its API (a custom authorization server does: OKTA_OAUTH2_ISSUER)."
        );
    };
    let registered = format!(
        "that the public half of the key that is used here (thumbprint {thumbprint}{key_id}) is registered \
         with it and active: admin console → Applications → the app → General → Client Credentials."
    );
    if has(&["signature", "kid", "key id", "jwk"]) {
        return format!("Check {registered}");
    }
    format!(
        "Check that {client_id} is the app's client id at {org}; that the app is active and authenticates \
         with \"Public key / Private key\"; and {registered}"
    )
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use keybound::{KeyKind, PrivateKey};

    use super::*;

    #[test]
    fn a_scope_that_okta_does_not_have_is_not_to_be_granted() {
        for (asked, words, why) in [
            (&["okta.user.read"][..], "okta.user.read; did you mean okta.users.read?", "a letter is missing"),
            (
                &["okta.users.read", "okta.nothing.like.any"],
                "called okta.nothing.like.any.",
                "nothing is near",
            ),
            (&["okta.users.read", "openid"], "Grant the scopes", "all are scopes"),
            (&["orders.read"], "Grant the scopes", "which may be a custom one"),
        ] {
            let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
            let advice = on_scopes(&asked);
            assert!(advice.contains(words), "{why}: {advice}");
        }
    }

    #[test]
    fn every_refusal_of_the_token_endpoint_that_people_meet_has_its_advice() {
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        let identity = Identity {
            issuer: "https://o.example".to_owned(),
            is_org: true,
            client_id: "0oa1".to_owned(),
            key_id: Some("my-key".to_owned()),
            thumbprint: Some(key.public_key().thumbprint()),
            scopes: vec!["okta.users.read".to_owned()],
        };
        for (status, error, description, words, why) in [
            (401, "invalid_client", "", "0oa1 is the app's client id", "it may be anything"),
            (401, "invalid_client", "Invalid value for 'client_id' parameter.", "0oa1 is", "the client id"),
            (401, "invalid_client", "The client_assertion signature is invalid.", "my-key", "another key"),
            (401, "invalid_client", "No key with this kid is registered.", "registered", "an unknown kid"),
            (401, "invalid_client", "The client_assertion token is expired.", "clock", "the clock"),
            (401, "invalid_client", "The jti was already used.", "used before", "an assertion twice"),
            (401, "invalid_client", "The audience claim is wrong.", "https://o.example", "another address"),
            (400, "unauthorized_client", "", "API Services", "another type of app"),
            (400, "unsupported_grant_type", "", "API Services", "no client credentials"),
            (400, "access_denied", "Policy evaluation failed.", "policy", "a policy"),
            (
                400,
                "access_denied",
                "User is not assigned to the client application.",
                "Assignments",
                "a user who may not sign in",
            ),
            (400, "invalid_scope", "", "okta.users.read", "a scope is not granted"),
            (400, "invalid_grant", "", "keybound login", "a refresh token that is no longer good"),
            (400, "consent_required", "", "Grant the scopes", "nobody has agreed to a scope"),
            (400, "invalid_dpop_proof", "", "KEYBOUND_DPOP", "the proof is missing"),
            (400, "use_dpop_nonce", "", "DPoP-Nonce", "nonces without an end"),
            (400, "invalid_request", "", "Public key / Private key", "a request that it can't read"),
            (429, "too_many_requests", "", "rate limit", "too many requests"),
            (503, "temporarily_unavailable", "", "try again later", "down"),
        ] {
            let refusal = ExchangeError::Refused {
                status: StatusCode::from_u16(status).unwrap(),
                error: error.to_owned(),
                description: Some(description.to_owned()),
            };
            let advice = on_exchange(&refusal, &identity).unwrap_or_default();
            assert!(advice.contains(words), "{why} ({error}): {advice}");
        }
        for (refusal, words) in [
            (ExchangeError::ChallengeWithoutNonce, "DPoP-Nonce"),
            (ExchangeError::TooManyChallenges, "DPoP-Nonce"),
            (ExchangeError::NotBound, "KEYBOUND_DPOP=off"),
        ] {
            assert!(on_exchange(&refusal, &identity).unwrap().contains(words), "{refusal}");
        }
    }
}
