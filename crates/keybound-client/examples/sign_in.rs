//! Signs a user in at any authorization server that has metadata, with a token bound to a new key, and refreshes
//! the token once: in the browser of this machine, on another device, or, for a client of its own right,
//! without any user.
//!
//! ```console
//! $ cargo run --example sign_in -- https://as.example.com CLIENT_ID browser openid offline_access
//! $ CLIENT_SECRET=... cargo run --example sign_in -- https://as.example.com CLIENT_ID client things.read
//! ```
//!
//! It prints a JSON object on each line, tokens included: whoever only looks at it sees how it works, and a
//! program for use keeps them to itself. `PROOF_ALGORITHM` overrides the choice of the key's algorithm.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use keybound::exchange::{Grant, GrantedToken, TokenRequest};
use keybound::metadata::ServerMetadata;
use keybound::proof::DpopKey;
use keybound::{Secret, SigningKey};
use keybound_client::authorization::{Asked, Loopback, UserAuthorization};
use keybound_client::{ClientRegistration, NotStored, Refresher, System, TokenBinding, discover};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    match sign_in().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn sign_in() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let mut next = |name| arguments.next().ok_or(format!("{name} is missing: ISSUER CLIENT_ID HOW SCOPE..."));
    let (issuer, client_id, how) = (next("ISSUER")?, next("CLIENT_ID")?, next("HOW")?);
    let scopes: Vec<String> = arguments.collect();

    let system = System::default();
    let metadata = discover(&system.transport, &issuer).await?;
    let key = dpop_key(&metadata)?;
    let client = registration(client_id);
    let authorization =
        UserAuthorization::new(system, metadata.clone(), client, TokenBinding::Dpop(key.clone()))?;

    let mut asked = Asked { scopes: scopes.clone(), ..Asked::default() };
    if scopes.iter().any(|scope| scope == "offline_access") {
        // OpenID Connect Core section 11: without this the scope may be ignored.
        asked.parameters.push(("prompt".to_owned(), "consent".to_owned()));
    }
    let granted = match how.as_str() {
        "browser" => in_browser(&authorization, asked).await?,
        "device" => on_device(&authorization, asked).await?,
        "client" => without_user(&authorization, &metadata, scopes).await?,
        other => return Err(format!("{other} is none of browser, device, client").into()),
    };
    show(&granted, &key);
    if let Some(token) = &granted.refresh_token {
        let endpoint = metadata.token_endpoint()?.clone();
        let refresher = Refresher::new(endpoint, token.clone(), Arc::new(NotStored));
        for _ in 0..2 {
            show(&refresher.token(authorization.client()).await?, &key);
        }
    }
    Ok(())
}

/// A new key, of the algorithm that is asked for or of the first that the server takes.
fn dpop_key(metadata: &ServerMetadata) -> Outcome<DpopKey> {
    let algorithm = match env::var("PROOF_ALGORITHM") {
        Ok(name) => name.parse()?,
        Err(_) => metadata.choose_proof_algorithm()?,
    };
    Ok(DpopKey::new(Arc::new(SigningKey::generate(algorithm)?)))
}

/// A client with a secret if there is one, else a public client.
fn registration(client_id: String) -> ClientRegistration {
    match env::var("CLIENT_SECRET") {
        Ok(secret) => ClientRegistration::with_secret(client_id, Secret::new(secret)),
        Err(_) => ClientRegistration::public(client_id),
    }
}

async fn in_browser(authorization: &UserAuthorization, asked: Asked) -> Outcome<GrantedToken> {
    let browser = authorization.begin(asked, &Loopback::default()).await?;
    print(&json!({"open": browser.url()}));
    // The ID token has been verified by now, if one was asked for.
    Ok(browser.finish().await?.token)
}

async fn on_device(authorization: &UserAuthorization, asked: Asked) -> Outcome<GrantedToken> {
    let device = authorization.begin_on_device(asked).await?;
    let shown = device.authorization();
    print(&json!({"open": shown.verification_uri.to_string(), "type": shown.user_code}));
    Ok(device.finish().await?.token)
}

async fn without_user(
    authorization: &UserAuthorization,
    metadata: &ServerMetadata,
    scopes: Vec<String>,
) -> Outcome<GrantedToken> {
    let client = authorization.client();
    let identity = client.registration().identity().clone();
    let grant = Grant::ClientCredentials { scopes };
    let request = TokenRequest::new(metadata.token_endpoint()?.clone(), identity, grant);
    Ok(client.token(&request).await?)
}

fn show(granted: &GrantedToken, key: &DpopKey) {
    print(&json!({
        "access_token": granted.access_token.as_str(),
        "token_type": granted.scheme.name(),
        "refresh_token": granted.refresh_token.as_ref().map(|token| token.secret().expose()),
        "id_token": granted.id_token.as_ref().map(Secret::expose),
        "bound_to": key.thumbprint().to_string(),
    }));
}

fn print(line: &Value) {
    println!("{line}");
}
