//! Okta's SDKs: how each asks for a token, and how it proves that it holds a key.

use std::sync::LazyLock;

use keybound::assertion::CLIENT_ASSERTION_TYPE;
use keybound::{Algorithm, NumericDate, Signer as _, SigningKey};
use keybound_org::AdminRole;
use serde_json::{Value, json};

use crate::raw::{RawAnswer, send};
use crate::support::{Draft, MANAGE, READ, TestApp, TestOrg, ath, copy_of, es256, fresh_id, url_encoded};

/// An SDK as far as its requests differ from those of others.
pub struct Sdk {
    /// Its name, its version, and the file that this is taken from.
    pub source: &'static str,
    language: Language,
    /// Whether the parameters of a token request stand in its URL, with an empty body.
    is_in_query: bool,
    /// The header of its assertions, but for `alg`.
    header: fn() -> Value,
    /// How long its assertions are good, in seconds.
    life: u64,
    has_jti: bool,
    /// Its header fields beside `Content-Type`.
    fields: &'static [(&'static str, &'static str)],
    pub starts: Starts,
    /// Whether the answer to a nonce challenge is signed with another key than the first proof.
    takes_new_key: bool,
}

/// How an SDK begins to ask for a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// It knows nothing of DPoP.
    Bearer,
    /// Without a proof, until it is told that one is missing.
    WithoutProof,
    /// With a proof.
    WithProof,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Go,
    Java,
    DotNet,
}

const JSON: (&str, &str) = ("Accept", "application/json");

pub const GO_2_0: Sdk = Sdk {
    source: "okta-sdk-golang 2 before DPoP, okta/requestExecutor.go",
    language: Language::Go,
    is_in_query: true,
    header: || json!({}),
    life: 3600,
    has_jti: false,
    fields: &[JSON],
    starts: Starts::Bearer,
    takes_new_key: false,
};

pub const JAVA_8: Sdk = Sdk {
    source: "okta-sdk-java 8 to 10, impl/…/oauth2/AccessTokenRetrieverServiceImpl.java",
    language: Language::Java,
    is_in_query: true,
    header: || json!({"kid": "registered"}),
    life: 3000,
    has_jti: true,
    fields: &[JSON],
    starts: Starts::Bearer,
    takes_new_key: false,
};

pub const GO_2_20: Sdk = Sdk {
    source: "okta-sdk-golang 2.20, 4 and 5, Terraform's provider (sdk/requestExecutor.go) and okta-cli-client (sdk/client.go)",
    language: Language::Go,
    is_in_query: false,
    header: || json!({}),
    life: 3600,
    has_jti: true,
    fields: &[JSON, ("User-Agent", "okta-sdk-golang/2.20.0")],
    starts: Starts::WithoutProof,
    takes_new_key: true,
};

pub const GO_6: Sdk = Sdk {
    source: "okta-sdk-golang 6.1.7, okta/client.go",
    language: Language::Go,
    is_in_query: false,
    header: || json!({"kid": "registered"}),
    life: 3600,
    has_jti: true,
    fields: &[JSON, ("User-Agent", "okta-sdk-golang/6.1.7")],
    starts: Starts::WithProof,
    takes_new_key: false,
};

pub const JAVA: Sdk = Sdk {
    source: "okta-sdk-java with DPoP, impl/…/oauth2/DPoPInterceptor.java",
    language: Language::Java,
    is_in_query: false,
    header: || json!({}),
    life: 3000,
    has_jti: true,
    fields: &[JSON],
    starts: Starts::WithoutProof,
    takes_new_key: false,
};

pub const DOTNET: Sdk = Sdk {
    source: "okta-sdk-dotnet 9, src/Okta.Sdk/Api/OAuthApi.cs and Client/DefaultDpopProofJwtGenerator.cs",
    language: Language::DotNet,
    is_in_query: false,
    header: || json!({"typ": "JWT", "kid": "registered"}),
    life: 3000,
    has_jti: true,
    fields: &[JSON],
    starts: Starts::WithProof,
    takes_new_key: false,
};

/// Making RSA keys takes long, so all tests share these.
static RSA: LazyLock<[SigningKey; 3]> =
    LazyLock::new(|| [(); 3].map(|()| SigningKey::generate(Algorithm::RS256).unwrap()));

/// An app whose client has an RSA key under the `kid` that the SDKs are told.
pub fn app(test: &TestOrg, requires_dpop: bool) -> TestApp {
    let mut app = test.app_that(requires_dpop, &[READ, MANAGE], &[AdminRole::Super]);
    app.client_key = copy_of(&RSA[0]);
    let key = app.client_key.public_key().clone().with_key_id("registered");
    test.org.store().add_key(&app.client_id, &key, NumericDate::from_seconds(test.now())).unwrap();
    app
}

/// What an SDK has after it has got a token.
pub struct Granted {
    pub token: String,
    pub nonce: String,
    pub key: SigningKey,
}

/// What a proof is for.
pub struct For<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub nonce: &'a str,
    pub token: &'a str,
}

impl Sdk {
    /// The key of its first proof: Java makes one for ES256, .NET takes the client's own.
    pub fn key(&self) -> SigningKey {
        match self.language {
            Language::Go => copy_of(&RSA[1]),
            Language::Java => es256(),
            Language::DotNet => copy_of(&RSA[0]),
        }
    }

    /// The key with which it answers a nonce challenge.
    pub fn next_key(&self, first: &SigningKey) -> SigningKey {
        copy_of(if self.takes_new_key { &RSA[2] } else { first })
    }

    /// A client assertion for a server's token endpoint.
    pub fn assertion(&self, test: &TestOrg, app: &TestApp, token_endpoint: &str) -> String {
        let mut header = (self.header)();
        header["alg"] = json!("RS256");
        let mut claims = json!({
            "sub": app.client_id, "iss": app.client_id, "aud": token_endpoint,
            "iat": test.now(), "exp": test.now() + self.life,
        });
        if self.has_jti {
            claims["jti"] = json!(fresh_id());
        }
        Draft { header, claims }.sign(&app.client_key)
    }

    /// A token request; the parameters are in the order of their names, as Go writes them.
    pub fn ask(
        &self,
        test: &TestOrg,
        path: &str,
        scope: &str,
        assertion: &str,
        proof: Option<&str>,
    ) -> RawAnswer {
        let parameters = url_encoded(&[
            ("client_assertion", assertion),
            ("client_assertion_type", CLIENT_ASSERTION_TYPE),
            ("grant_type", "client_credentials"),
            ("scope", scope),
        ]);
        let mut fields = self.fields.to_vec();
        fields.push(("Content-Type", "application/x-www-form-urlencoded"));
        fields.extend(proof.map(|proof| ("DPoP", proof)));
        if self.is_in_query {
            return send(test, &format!("POST {path}?{parameters}"), &fields, "");
        }
        send(test, &format!("POST {path}"), &fields, &parameters)
    }

    /// A proof. Go's have the nonce wherever they go, once there is one; the others only at the token endpoint.
    pub fn proof(&self, test: &TestOrg, what: &For<'_>, key: &SigningKey) -> String {
        let mut claims = json!({"htm": what.method, "htu": what.url, "iat": test.now(), "jti": fresh_id()});
        if !what.token.is_empty() {
            claims["ath"] = json!(ath(what.token));
        }
        if !what.nonce.is_empty() && (what.token.is_empty() || self.language == Language::Go) {
            claims["nonce"] = json!(what.nonce);
        }
        let header = json!({"typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": self.jwk(key)});
        Draft { header, claims }.sign(key)
    }

    fn jwk(&self, key: &SigningKey) -> Value {
        let public = key.public_key();
        let jwk: Value = serde_json::from_str(&public.jwk().to_json()).unwrap();
        match self.language {
            Language::Go => {
                json!({"kty": "RSA", "e": jwk["e"], "n": jwk["n"], "kid": public.thumbprint().to_string()})
            }
            Language::Java => json!({"kty": "EC", "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]}),
            Language::DotNet => {
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "e": jwk["e"], "n": jwk["n"]})
            }
        }
    }

    /// The whole way to a token that is bound to a key.
    pub fn granted(&self, test: &TestOrg, app: &TestApp) -> Granted {
        let endpoint = test.token_endpoint();
        let scope = format!("{READ} {MANAGE}");
        let ask = |nonce: &str, key: &SigningKey| {
            let what = For { method: "POST", url: &endpoint, nonce, token: "" };
            let proof = self.proof(test, &what, key);
            self.ask(test, "/oauth2/v1/token", &scope, &self.assertion(test, app, &endpoint), Some(&proof))
        };
        let first = self.key();
        let nonce = ask("", &first).field("dpop-nonce").expect("a nonce").to_owned();
        let key = self.next_key(&first);
        let answer = ask(&nonce, &key);
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.source);
        Granted { token: answer.text("/access_token"), nonce, key }
    }

    /// A call of the API with a bound token, in the words of the SDK: `htu` is what it takes for the URL.
    pub fn call(&self, test: &TestOrg, granted: &Granted, line: &str, htm: &str, htu: &str) -> RawAnswer {
        let what = For { method: htm, url: htu, nonce: &granted.nonce, token: &granted.token };
        let proof = self.proof(test, &what, &granted.key);
        let authorization = format!("DPoP {}", granted.token);
        let name = if self.language == Language::Go { "Dpop" } else { "DPoP" };
        let fields = [
            JSON,
            ("Authorization", &authorization),
            (name, &proof),
            ("x-okta-user-agent-extended", "isDPoP:true"),
        ];
        send(test, line, &fields, "")
    }
}
