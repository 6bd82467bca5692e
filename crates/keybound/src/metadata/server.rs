//! The metadata of an authorization server as a client needs it, and what the server does not offer by its own words.

use super::{MetadataDocument, MetadataError};
use crate::algorithm::Algorithm;
use crate::endpoint::Endpoint;
use crate::exchange::ClientAuthentication;
use crate::id_token::IdTokenPolicy;
use crate::secret::Secret;

/// The algorithms of proofs in the order in which they are chosen: the one that every server has first, then
/// the short signatures, then the long ones.
const PREFERENCE: [Algorithm; 11] = [
    Algorithm::ES256,
    Algorithm::EdDSA,
    Algorithm::Ed25519,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::PS256,
    Algorithm::RS256,
    Algorithm::PS384,
    Algorithm::RS384,
    Algorithm::PS512,
    Algorithm::RS512,
];

/// The part of a server's metadata that a client needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerMetadata {
    /// The issuer, by whose name the metadata was found.
    pub issuer: String,
    /// Where tokens are asked for (`token_endpoint`).
    pub token_endpoint: Option<Endpoint>,
    /// Where users are sent (`authorization_endpoint`).
    pub authorization_endpoint: Option<Endpoint>,
    /// Where authorization requests are pushed (`pushed_authorization_request_endpoint`, RFC 9126 section 5).
    pub pushed_authorization_request_endpoint: Option<Endpoint>,
    /// Whether they have to be (`require_pushed_authorization_requests`).
    pub requires_pushed_authorization_requests: bool,
    /// Where devices begin (`device_authorization_endpoint`, RFC 8628 section 4).
    pub device_authorization_endpoint: Option<Endpoint>,
    /// Where tokens are given back (`revocation_endpoint`, RFC 8414 section 2).
    pub revocation_endpoint: Option<Endpoint>,
    /// The keys that it signs with (`jwks_uri`).
    pub jwks_uri: Option<Endpoint>,
    /// The algorithms that it signs ID tokens with (`id_token_signing_alg_values_supported`, OpenID Connect Discovery
    /// section 3).
    pub id_token_algorithms: Option<Vec<String>>,
    /// The algorithms that proofs may have (`dpop_signing_alg_values_supported`, RFC 9449 section 5.1).
    pub proof_algorithms: Option<Vec<String>>,
    /// How clients may authenticate (`token_endpoint_auth_methods_supported`).
    pub client_authentications: Option<Vec<String>>,
    /// The algorithms that client assertions may have (`token_endpoint_auth_signing_alg_values_supported`).
    pub assertion_algorithms: Option<Vec<String>>,
    /// The methods of PKCE (`code_challenge_methods_supported`).
    pub code_challenge_methods: Option<Vec<String>>,
    /// Whether `iss` is in every authorization response (`authorization_response_iss_parameter_supported`,
    /// RFC 9207 section 3).
    pub names_itself_in_responses: bool,
}

/// A server that can't do what is asked of it, by its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSupported {
    /// It has no such endpoint.
    #[error("the server's metadata has no `{0}`: it does not offer this")]
    NoEndpoint(&'static str),
    /// The algorithm of the given key is not among those that it takes in proofs.
    #[error(
        "the server takes no proofs with {given}; it takes {} (dpop_signing_alg_values_supported, RFC 9449 section 5.1): use another DPoP key", listed(.supported)
    )]
    ProofAlgorithm {
        /// The algorithm of the key.
        given: Algorithm,
        /// What it takes.
        supported: Vec<String>,
    },
    /// There is none that both sides know.
    #[error(
        "the server takes proofs with {} alone, none of which is known here (dpop_signing_alg_values_supported, RFC 9449 section 5.1)", listed(.supported)
    )]
    NoProofAlgorithm {
        /// What it takes.
        supported: Vec<String>,
    },
    /// The client's way to authenticate is not among those that it takes.
    #[error(
        "the server does not take client authentication by {given}; it takes {} (token_endpoint_auth_methods_supported, RFC 8414 section 2)", listed(.supported)
    )]
    ClientAuthentication {
        /// The client's.
        given: &'static str,
        /// What it takes.
        supported: Vec<String>,
    },
    /// The algorithm of the client's key is not among those that it takes in client assertions.
    #[error(
        "the server takes no client assertions with {given}; it takes {} (token_endpoint_auth_signing_alg_values_supported, RFC 8414 section 2)", listed(.supported)
    )]
    AssertionAlgorithm {
        /// The algorithm of the client's key.
        given: Algorithm,
        /// What it takes.
        supported: Vec<String>,
    },
    /// It says that it does PKCE, and not by `S256`.
    #[error(
        "the server knows PKCE by {} alone, which protects from nobody who sees the request (RFC 7636 section 7.2)", listed(.supported)
    )]
    CodeChallengeMethod {
        /// What it takes.
        supported: Vec<String>,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl ServerMetadata {
    /// Parses the metadata of `issuer`; what is not needed is not looked at.
    pub fn parse(json: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        let document = MetadataDocument::parse(json, issuer)?;
        Ok(Self {
            issuer: issuer.to_owned(),
            token_endpoint: document.endpoint("token_endpoint")?,
            authorization_endpoint: document.endpoint("authorization_endpoint")?,
            pushed_authorization_request_endpoint: document
                .endpoint("pushed_authorization_request_endpoint")?,
            requires_pushed_authorization_requests: document.flag("require_pushed_authorization_requests")?,
            device_authorization_endpoint: document.endpoint("device_authorization_endpoint")?,
            revocation_endpoint: document.endpoint("revocation_endpoint")?,
            jwks_uri: document.endpoint("jwks_uri")?,
            id_token_algorithms: document.names("id_token_signing_alg_values_supported")?,
            proof_algorithms: document.names("dpop_signing_alg_values_supported")?,
            client_authentications: document.names("token_endpoint_auth_methods_supported")?,
            assertion_algorithms: document.names("token_endpoint_auth_signing_alg_values_supported")?,
            code_challenge_methods: document.names("code_challenge_methods_supported")?,
            names_itself_in_responses: document.flag("authorization_response_iss_parameter_supported")?,
        })
    }

    /// The algorithm for a new DPoP key: the first of ours that the server lists, ES256 before all others;
    /// ES256 too if it lists none.
    pub fn choose_proof_algorithm(&self) -> Result<Algorithm, NotSupported> {
        let Some(supported) = &self.proof_algorithms else { return Ok(Algorithm::ES256) };
        let is_listed = |algorithm: &Algorithm| supported.iter().any(|name| name == algorithm.name());
        PREFERENCE
            .into_iter()
            .find(is_listed)
            .ok_or_else(|| NotSupported::NoProofAlgorithm { supported: supported.clone() })
    }

    /// Whether the server takes proofs of a key that is there already.
    pub fn allow_proof_algorithm(&self, given: Algorithm) -> Result<(), NotSupported> {
        // `EdDSA` and `Ed25519` are told apart: a server compares `alg` with the names of its list.
        allowed(self.proof_algorithms.as_deref(), given.name())
            .map_err(|supported| NotSupported::ProofAlgorithm { given, supported })
    }

    /// Whether the server takes clients that authenticate like this. A list that is left out is
    /// `client_secret_basic` alone (RFC 8414 section 2), which many that leave it out do not keep to: it
    /// refuses nothing. Nor does one without `none`: a public client does not authenticate (RFC 6749 section 3.2.1),
    /// and many servers that have such clients leave it out of how clients do.
    pub fn allow_client_authentication(&self, given: &ClientAuthentication) -> Result<(), NotSupported> {
        if matches!(given, ClientAuthentication::None) {
            return Ok(());
        }
        let given = given.name();
        allowed(self.client_authentications.as_deref(), given)
            .map_err(|supported| NotSupported::ClientAuthentication { given, supported })
    }

    /// How a client with a secret authenticates: `client_secret_basic` where the server lists it or nothing (RFC 8414
    /// section 2, RFC 6749 section 2.3.1), else `client_secret_post`.
    pub fn choose_secret_authentication(&self, secret: Secret) -> Result<ClientAuthentication, NotSupported> {
        let basic = ClientAuthentication::SecretBasic(secret.clone());
        let Err(refused) = self.allow_client_authentication(&basic) else { return Ok(basic) };
        let post = ClientAuthentication::SecretPost(secret);
        self.allow_client_authentication(&post).map(|()| post).map_err(|_| refused)
    }

    /// Whether the server takes assertions of a client's key of this algorithm.
    pub fn allow_assertion_algorithm(&self, given: Algorithm) -> Result<(), NotSupported> {
        allowed(self.assertion_algorithms.as_deref(), given.name())
            .map_err(|supported| NotSupported::AssertionAlgorithm { given, supported })
    }

    /// Whether the server knows PKCE by `S256`, if it says.
    pub fn allow_code_challenge(&self) -> Result<(), NotSupported> {
        allowed(self.code_challenge_methods.as_deref(), "S256")
            .map_err(|supported| NotSupported::CodeChallengeMethod { supported })
    }

    /// What the ID tokens of `client_id` are held to: the algorithms are those of the server's list that are
    /// asymmetric, or RS256 where there is no list (OpenID Connect Core section 3.1.3.7, number 7).
    pub fn id_token_policy(&self, client_id: &str) -> IdTokenPolicy {
        let mut policy = IdTokenPolicy::new(&self.issuer, client_id);
        if let Some(names) = &self.id_token_algorithms {
            policy.algorithms = names.iter().filter_map(|name| name.parse().ok()).collect();
        }
        policy
    }

    /// Where the keys are that it signs with.
    pub fn jwks_uri(&self) -> Result<&Endpoint, NotSupported> {
        self.jwks_uri.as_ref().ok_or(NotSupported::NoEndpoint("jwks_uri"))
    }

    /// The token endpoint.
    pub fn token_endpoint(&self) -> Result<&Endpoint, NotSupported> {
        self.token_endpoint.as_ref().ok_or(NotSupported::NoEndpoint("token_endpoint"))
    }

    /// The authorization endpoint.
    pub fn authorization_endpoint(&self) -> Result<&Endpoint, NotSupported> {
        self.authorization_endpoint.as_ref().ok_or(NotSupported::NoEndpoint("authorization_endpoint"))
    }

    /// The device authorization endpoint.
    pub fn device_authorization_endpoint(&self) -> Result<&Endpoint, NotSupported> {
        let endpoint = self.device_authorization_endpoint.as_ref();
        endpoint.ok_or(NotSupported::NoEndpoint("device_authorization_endpoint"))
    }
}

/// A list that is left out says nothing.
fn allowed(supported: Option<&[String]>, given: &str) -> Result<(), Vec<String>> {
    match supported {
        Some(names) if !names.iter().any(|name| name == given) => Err(names.to_vec()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_METADATA_BYTES;
    use super::*;
    use crate::endpoint::EndpointError;
    use crate::json::MemberError;

    const ISSUER: &str = "https://as.example/oauth2/default";

    fn parse(members: &str) -> Result<ServerMetadata, MetadataError> {
        ServerMetadata::parse(format!(r#"{{"issuer":"{ISSUER}"{members}}}"#).as_bytes(), ISSUER)
    }

    #[test]
    fn metadata_is_read_whole() {
        let metadata = parse(
            r#","token_endpoint":"https://as.example/token","authorization_endpoint":"https://as.example/authorize?a=b",
            "pushed_authorization_request_endpoint":"https://as.example/par","require_pushed_authorization_requests":true,
            "device_authorization_endpoint":"https://as.example/device","dpop_signing_alg_values_supported":["ES256","RS256"],
            "token_endpoint_auth_methods_supported":["none"],"code_challenge_methods_supported":["S256"],
            "authorization_response_iss_parameter_supported":true,"claims_supported":["sub"]"#,
        )
        .unwrap();
        let text = |endpoint: &Endpoint| endpoint.to_string();
        assert_eq!(metadata.issuer, ISSUER);
        assert_eq!(metadata.token_endpoint().map(text), Ok("https://as.example/token".to_owned()));
        assert_eq!(
            metadata.authorization_endpoint().map(text),
            Ok("https://as.example/authorize?a=b".to_owned())
        );
        assert_eq!(
            metadata.device_authorization_endpoint().map(text),
            Ok("https://as.example/device".to_owned())
        );
        assert_eq!(
            metadata.pushed_authorization_request_endpoint.as_ref().map(text).as_deref(),
            Some("https://as.example/par")
        );
        assert!(metadata.requires_pushed_authorization_requests && metadata.names_itself_in_responses);
        let nulls = r#","authorization_endpoint":null,"dpop_signing_alg_values_supported":null,"require_pushed_authorization_requests":null"#;
        let none = parse("").unwrap();
        assert_eq!(parse(nulls).unwrap(), none);
        assert!(!none.requires_pushed_authorization_requests && !none.names_itself_in_responses);
        assert_eq!(none.token_endpoint(), Err(NotSupported::NoEndpoint("token_endpoint")));
        assert_eq!(none.authorization_endpoint(), Err(NotSupported::NoEndpoint("authorization_endpoint")));
        assert_eq!(
            none.device_authorization_endpoint(),
            Err(NotSupported::NoEndpoint("device_authorization_endpoint"))
        );
    }

    #[test]
    fn id_tokens_are_held_to_the_algorithms_of_the_list_and_to_no_symmetric_one() {
        for (members, algorithms, why) in [
            ("", &[Algorithm::RS256][..], "no list: what every server has"),
            (
                r#","id_token_signing_alg_values_supported":["RS256","ES256"]"#,
                &[Algorithm::RS256, Algorithm::ES256],
                "the list",
            ),
            (r#","id_token_signing_alg_values_supported":["HS256","none","x"]"#, &[], "none that is taken"),
        ] {
            let policy = parse(members).unwrap().id_token_policy("0oa1");
            assert_eq!((policy.issuer.as_str(), policy.client_id.as_str()), (ISSUER, "0oa1"));
            assert_eq!(policy.algorithms, algorithms, "{why}");
        }
    }

    #[test]
    fn metadata_that_is_not_the_issuers_own_or_leads_astray_is_refused() {
        use MetadataError::{Member, Uri, WrongIssuer};
        let wrong_issuer = |found: &str| WrongIssuer { found: found.to_owned() };
        let wrong = |name, expected| Member(MemberError::WrongType { name, expected });
        for (json, refusal, why) in [
            (format!(r#"{{"issuer":"{ISSUER}/"}}"#), wrong_issuer(&format!("{ISSUER}/")), "another spelling"),
            (
                r#"{"issuer":"https://AS.example/oauth2/default"}"#.to_owned(),
                wrong_issuer("https://AS.example/oauth2/default"),
                "another case",
            ),
            (
                r#"{"token_endpoint":"https://as.example/t"}"#.to_owned(),
                Member(MemberError::Missing("issuer")),
                "no issuer",
            ),
            (
                format!(r#"{{"issuer":"{ISSUER}","token_endpoint":"http://as.example/t"}}"#),
                Uri { name: "token_endpoint", reason: EndpointError::NotSecure },
                "secrets over plain http",
            ),
            (
                format!(r#"{{"issuer":"{ISSUER}","authorization_endpoint":"https://as.example/#a"}}"#),
                Uri { name: "authorization_endpoint", reason: EndpointError::Fragment },
                "a fragment: RFC 6749 section 3.1",
            ),
            (
                format!(r#"{{"issuer":"{ISSUER}","token_endpoint":7}}"#),
                wrong("token_endpoint", "a string"),
                "a number",
            ),
            (
                format!(r#"{{"issuer":"{ISSUER}","dpop_signing_alg_values_supported":"ES256"}}"#),
                wrong("dpop_signing_alg_values_supported", "an array of strings"),
                "a string for a list",
            ),
            (
                format!(r#"{{"issuer":"{ISSUER}","require_pushed_authorization_requests":"true"}}"#),
                wrong("require_pushed_authorization_requests", "a boolean"),
                "a string for a boolean",
            ),
            (
                format!(r#"{{"issuer":"{ISSUER}"}}{}"#, " ".repeat(MAX_METADATA_BYTES)),
                MetadataError::TooLarge { found: MAX_METADATA_BYTES + 46 },
                "too long",
            ),
        ] {
            assert_eq!(ServerMetadata::parse(json.as_bytes(), ISSUER), Err(refusal), "{why}");
        }
        let twice = format!(r#","issuer":"{ISSUER}""#);
        assert!(matches!(parse(&twice), Err(MetadataError::NotStrictJson(_))), "two issuers");
        assert!(matches!(ServerMetadata::parse(b"<html>", ISSUER), Err(MetadataError::NotStrictJson(_))));
    }

    #[test]
    fn the_algorithm_of_proofs_is_one_that_both_sides_know() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (listed, chosen, why) in [
            (None, Ok(Algorithm::ES256), "a server that does not say"),
            (Some(&["RS256", "ES256"][..]), Ok(Algorithm::ES256), "our order, not the server's"),
            (Some(&["RS256", "EdDSA"]), Ok(Algorithm::EdDSA), "the shorter signature"),
            (Some(&["RS256"]), Ok(Algorithm::RS256), "the only one"),
            (
                Some(&["ES256K"]),
                Err(NotSupported::NoProofAlgorithm { supported: list(&["ES256K"]) }),
                "one that is not known here",
            ),
            (
                Some(&["none", "HS256"]),
                Err(NotSupported::NoProofAlgorithm { supported: list(&["none", "HS256"]) }),
                "none that is asymmetric: RFC 9449 section 4.3, check 5",
            ),
            (Some(&[]), Err(NotSupported::NoProofAlgorithm { supported: Vec::new() }), "an empty list"),
        ] {
            let mut metadata = parse("").unwrap();
            metadata.proof_algorithms = listed.map(list);
            assert_eq!(metadata.choose_proof_algorithm(), chosen, "{why}");
        }
        let mut metadata = parse("").unwrap();
        assert_eq!(metadata.allow_proof_algorithm(Algorithm::RS512), Ok(()), "a server that does not say");
        metadata.proof_algorithms = Some(list(&["ES256", "EdDSA"]));
        assert_eq!(metadata.allow_proof_algorithm(Algorithm::EdDSA), Ok(()));
        for given in [Algorithm::RS256, Algorithm::Ed25519] {
            let refusal = NotSupported::ProofAlgorithm { given, supported: list(&["ES256", "EdDSA"]) };
            assert_eq!(metadata.allow_proof_algorithm(given), Err(refusal));
        }
    }

    #[test]
    fn a_secret_is_sent_in_the_way_that_the_server_takes() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (listed, chosen, why) in [
            (None, Some("client_secret_basic"), "no list: the default of RFC 8414 section 2"),
            (Some(&["client_secret_post", "client_secret_basic"][..]), Some("client_secret_basic"), "both"),
            (Some(&["private_key_jwt", "client_secret_post"]), Some("client_secret_post"), "the form alone"),
            (Some(&["private_key_jwt", "client_secret_jwt"]), None, "no secret as it is"),
            (Some(&[]), None, "nothing at all"),
        ] {
            let mut metadata = parse("").unwrap();
            metadata.client_authentications = listed.map(list);
            let found = metadata.choose_secret_authentication(Secret::new("s"));
            assert_eq!(found.as_ref().ok().map(ClientAuthentication::name), chosen, "{why}: {found:?}");
            let refused = NotSupported::ClientAuthentication {
                given: "client_secret_basic",
                supported: listed.map(list).unwrap_or_default(),
            };
            assert!(chosen.is_some() || found.unwrap_err() == refused, "{why}");
        }
    }

    #[test]
    fn what_the_server_does_not_take_is_said_before_it_is_asked() {
        let mut metadata = parse("").unwrap();
        let secret = ClientAuthentication::SecretBasic(Secret::new("s"));
        assert_eq!(metadata.allow_client_authentication(&secret), Ok(()));
        assert_eq!(metadata.allow_code_challenge(), Ok(()));
        assert_eq!(
            metadata.allow_assertion_algorithm(Algorithm::ES256),
            Ok(()),
            "a server that does not say"
        );
        metadata.assertion_algorithms = Some(vec!["RS256".to_owned()]);
        assert_eq!(metadata.allow_assertion_algorithm(Algorithm::RS256), Ok(()));
        assert_eq!(
            metadata.allow_assertion_algorithm(Algorithm::ES256),
            Err(NotSupported::AssertionAlgorithm {
                given: Algorithm::ES256,
                supported: vec!["RS256".to_owned()]
            })
        );
        metadata.client_authentications = Some(vec!["private_key_jwt".to_owned()]);
        metadata.code_challenge_methods = Some(vec!["plain".to_owned()]);
        assert_eq!(
            metadata.allow_client_authentication(&secret),
            Err(NotSupported::ClientAuthentication {
                given: "client_secret_basic",
                supported: vec!["private_key_jwt".to_owned()]
            })
        );
        assert_eq!(
            metadata.allow_client_authentication(&ClientAuthentication::None),
            Ok(()),
            "a public client"
        );
        assert_eq!(
            metadata.allow_code_challenge(),
            Err(NotSupported::CodeChallengeMethod { supported: vec!["plain".to_owned()] })
        );
    }
}
