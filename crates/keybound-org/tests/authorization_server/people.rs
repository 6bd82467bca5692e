//! A user with a browser, and an app that the user signs in to.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};
use keybound::random::OperatingSystem;
use keybound::{NumericDate, SigningKey, base64url};
use keybound_org::{
    AdminRole, ApplicationType, ClientSecret, ClientSettings, GrantType, NewApp, ResponseType,
    TokenEndpointAuthMethod,
};
use serde_json::json;

use crate::support::{Answer, TestOrg, ath, copy_of, es256, proof, url_encoded};

pub const PASSWORD: &str = "Correct-Horse-9";
pub const LOGIN: &str = "ada@example.com";
pub const CALLBACK: &str = "https://app.example/callback";
pub const LOOPBACK: &str = "http://127.0.0.1/callback";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636 appendix B.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub const READ: &str = "okta.users.read";

/// An org with a user and a native app.
pub async fn with_native_app() -> (TestOrg, UserApp) {
    let test = TestOrg::start().await;
    user(&test).await;
    let app = native(&test);
    (test, app)
}

/// An active user with a password, who may read at the management API; gives the id.
pub async fn user(test: &TestOrg) -> String {
    let id = user_called(test, LOGIN).await;
    assign_role(test, &id, AdminRole::ReadOnly).await;
    id
}

pub async fn assign_role(test: &TestOrg, user_id: &str, role: AdminRole) {
    let path = format!("/api/v1/users/{user_id}/roles");
    let assigned = test.administer(Method::POST, &path, Some(json!({"type": role.name()}))).await;
    assert_eq!(assigned.status, StatusCode::OK, "{assigned:?}");
}

/// The group that all users are in.
pub async fn everyone(test: &TestOrg) -> String {
    test.administer(Method::GET, "/api/v1/groups?q=Everyone", None).await.text("/0/id").to_owned()
}

pub async fn user_called(test: &TestOrg, login: &str) -> String {
    let body = json!({
        "profile": {"firstName": "Ada", "lastName": "Lovelace", "email": login, "login": login},
        "credentials": {"password": {"value": PASSWORD}},
    });
    let made = test.administer(Method::POST, "/api/v1/users?activate=true", Some(body)).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    made.text("/id").to_owned()
}

/// A native app without a secret that asks for anything that a user can allow.
pub fn native(test: &TestOrg) -> UserApp {
    UserApp::register(test, &native_app())
}

pub fn native_app() -> NewApp {
    NewApp {
        label: "A <native> app".to_owned(),
        scopes: vec![READ.to_owned()],
        client: ClientSettings {
            application_type: ApplicationType::Native,
            redirect_uris: vec![
                LOOPBACK.to_owned(),
                CALLBACK.to_owned(),
                "com.example.app:/callback".to_owned(),
            ],
            post_logout_redirect_uris: vec!["https://app.example/bye".to_owned()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode],
            response_types: vec![ResponseType::Code],
            token_endpoint_auth_method: TokenEndpointAuthMethod::None,
            pkce_required: true,
        },
        ..NewApp::default()
    }
}

/// A web app with a secret, which it shows by `method`; DPoP is not required of it.
pub fn web(test: &TestOrg, method: TokenEndpointAuthMethod) -> UserApp {
    let secret = ClientSecret::generate(&OperatingSystem).unwrap();
    let mut app = native_app();
    app.dpop_bound_access_tokens = false;
    app.client.application_type = ApplicationType::Web;
    app.client.token_endpoint_auth_method = method;
    app.client.pkce_required = false;
    app.client_secret = Some(secret.clone());
    UserApp { secret: Some(secret.expose().to_owned()), method, ..UserApp::register(test, &app) }
}

/// An app as its developer has it.
pub struct UserApp {
    pub client_id: String,
    pub dpop_key: SigningKey,
    pub secret: Option<String>,
    pub method: TokenEndpointAuthMethod,
    /// The path of the endpoints of the server that it uses.
    pub base: String,
}

impl UserApp {
    pub fn register(test: &TestOrg, app: &NewApp) -> Self {
        let now = NumericDate::from_seconds(test.now());
        let app = test.org.store().create_app(app, now, &OperatingSystem).unwrap();
        Self {
            client_id: app.client_id,
            dpop_key: es256(),
            secret: None,
            method: TokenEndpointAuthMethod::None,
            base: "/oauth2/v1".to_owned(),
        }
    }

    /// The same app, but for what a test changes.
    pub fn copy(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut copy = Self {
            client_id: self.client_id.clone(),
            dpop_key: copy_of(&self.dpop_key),
            secret: self.secret.clone(),
            method: self.method,
            base: self.base.clone(),
        };
        change(&mut copy);
        copy
    }

    /// The parameters of a good authorization request.
    pub fn request(&self) -> Parameters {
        Parameters::new(&[
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile email offline_access okta.users.read"),
            ("state", "s t&ate"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
    }

    pub fn authorize_url(&self, test: &TestOrg, request: &Parameters) -> String {
        test.url(&format!("{}/authorize?{}", self.base, request.encoded()))
    }

    /// A request to an endpoint, with the app's credentials and, if it is to have one, a proof with the newest nonce.
    pub async fn post(&self, test: &TestOrg, endpoint: &str, form: &Parameters, with_proof: bool) -> Answer {
        let first = self.post_once(test, endpoint, form, with_proof, None).await;
        if first.text("/error") != "use_dpop_nonce" {
            return first;
        }
        let nonce = first.header("dpop-nonce").to_owned();
        self.post_once(test, endpoint, form, true, Some(nonce)).await
    }

    async fn post_once(
        &self,
        test: &TestOrg,
        endpoint: &str,
        form: &Parameters,
        with_proof: bool,
        nonce: Option<String>,
    ) -> Answer {
        let url = test.url(&format!("{}{endpoint}", self.base));
        let mut form = form.clone();
        let mut headers = HeaderMap::new();
        match (self.method, &self.secret) {
            (TokenEndpointAuthMethod::ClientSecretBasic, Some(secret)) => {
                let pair = format!("{}:{secret}", self.client_id);
                headers.insert(AUTHORIZATION, format!("Basic {}", standard_base64(&pair)).parse().unwrap());
            }
            (TokenEndpointAuthMethod::ClientSecretPost, Some(secret)) => {
                form = form.with("client_id", &self.client_id).with("client_secret", secret);
            }
            _ => form = form.with("client_id", &self.client_id),
        }
        if with_proof {
            let mut draft = proof(test, &self.dpop_key, "POST", &url);
            if let Some(nonce) = nonce {
                draft = draft.claim("nonce", json!(nonce));
            }
            headers.insert("dpop", draft.sign(&self.dpop_key).parse().unwrap());
        }
        headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        test.send(test.http.post(url).headers(headers).body(form.encoded())).await
    }

    /// What a code is exchanged with.
    pub fn exchange(code: &str) -> Parameters {
        Parameters::new(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
    }

    pub fn refresh(token: &str) -> Parameters {
        Parameters::new(&[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// A code for a user who signs in.
    pub async fn code(&self, test: &TestOrg, request: &Parameters) -> String {
        let mut browser = Browser::default();
        let response = browser.sign_in(test, &self.authorize_url(test, request), LOGIN).await;
        response.get("code").unwrap_or_else(|| panic!("{response:?}")).to_owned()
    }

    /// The tokens for a user who signs in.
    pub async fn tokens(&self, test: &TestOrg) -> Answer {
        let code = self.code(test, &self.request()).await;
        let granted = self.post(test, "/token", &Self::exchange(&code), true).await;
        assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
        granted
    }

    /// A GET with the token and a proof.
    pub async fn get(&self, test: &TestOrg, path: &str, token: &str) -> Answer {
        let proof = proof(test, &self.dpop_key, "GET", &test.url(path)).claim("ath", json!(ath(token)));
        let request = test.http.get(test.url(path)).header(AUTHORIZATION, format!("DPoP {token}"));
        test.send(request.header("dpop", proof.sign(&self.dpop_key))).await
    }
}

pub fn standard_base64(text: &str) -> String {
    let mut encoded = base64url::encode(text).replace('-', "+").replace('_', "/");
    while !encoded.len().is_multiple_of(4) {
        encoded.push('=');
    }
    encoded
}

/// Parameters in the making: good ones that a test spoils in one way.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn encoded(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        url_encoded(&pairs)
    }
}

/// A page, or a redirect, that a browser was shown.
#[derive(Debug)]
pub struct Shown {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

impl Shown {
    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |location| location.to_str().unwrap())
    }

    /// The parameters of the response that a redirect carries.
    pub fn response(&self) -> BTreeMap<String, String> {
        let (_, response) = self.location().split_once(['?', '#']).unwrap_or_else(|| panic!("{self:?}"));
        url::form_urlencoded::parse(response.as_bytes()).into_owned().collect()
    }

    /// The form's action, and what its inputs hold.
    fn form(&self) -> (String, Parameters) {
        let tags = |name: &str| {
            let opening = format!("<{name} ");
            self.html
                .split(&opening)
                .skip(1)
                .map(|tag| tag.split('>').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let action = attribute(&tags("form")[0], "action").unwrap();
        let mut fields = Parameters::default();
        for input in tags("input") {
            if let Some(name) = attribute(&input, "name") {
                fields = fields.and(&name, &attribute(&input, "value").unwrap_or_default());
            }
        }
        (action, fields)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    let entities =
        [("&#38;", "&"), ("&amp;", "&"), ("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")];
    Some(entities.iter().fold(value.to_owned(), |text, (entity, character)| text.replace(entity, character)))
}

/// A browser that follows no redirect and keeps its cookies.
pub struct Browser {
    http: reqwest::Client,
    pub cookies: BTreeMap<String, String>,
}

impl Default for Browser {
    fn default() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }
}

impl Browser {
    pub async fn open(&mut self, url: &str) -> Shown {
        self.send(self.http.get(url)).await
    }

    /// Sends the page's form with these fields in place of its own.
    pub async fn submit(&mut self, test: &TestOrg, page: &Shown, fields: &[(&str, &str)]) -> Shown {
        let (action, mut form) = page.form();
        for (name, value) in fields {
            form = form.with(name, value);
        }
        self.post(&test.url(&action), &form).await
    }

    pub async fn post(&mut self, url: &str, form: &Parameters) -> Shown {
        let request = self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.encoded())).await
    }

    /// As a browser that says what it opens the URL for (Fetch Metadata).
    pub async fn open_for(&mut self, url: &str, destination: &str) -> Shown {
        self.send(self.http.get(url).header("sec-fetch-dest", destination)).await
    }

    /// Opens the URL and signs in.
    pub async fn open_signed_in(&mut self, test: &TestOrg, url: &str, login: &str) -> Shown {
        let page = self.open(url).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        self.submit(test, &page, &[("username", login), ("password", PASSWORD)]).await
    }

    /// The same; gives the parameters that the client gets.
    pub async fn sign_in(&mut self, test: &TestOrg, url: &str, login: &str) -> BTreeMap<String, String> {
        let answered = self.open_signed_in(test, url, login).await;
        assert_eq!(answered.status, StatusCode::SEE_OTHER, "{answered:?}");
        answered.response()
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Shown {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) };
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Shown { status, headers, html: answer.text().await.unwrap() }
    }
}
