//! A local org that behaves as Okta's does, in one process: to develop and test against, with nothing to
//! set up and no account anywhere.
//!
//! It has the org's authorization server and custom ones, for services, for users in a browser (authorization code
//! with PKCE, pushed requests, refresh tokens that rotate) and on other devices, with DPoP and nonces (RFC 9449); and
//! of the management API users, groups, apps with their keys, scope grants and admin roles, authorization servers, and
//! the system log. Both hold requests to the rules of RFC 9449 with the same code as every other part of Keybound.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use keybound_org::{LocalOrg, OrgSettings};
//!
//! let org = LocalOrg::start(OrgSettings::default()).await?;
//! println!("{} trusts {:?}", org.url(), org.ca_file());
//! org.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # In tests
//!
//! As a dev-dependency it gives each test an org of its own, which is there in some milliseconds and gone with the
//! test. This is a whole one: an app with a key, a client that calls as it, and something that goes wrong.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//!
//! use keybound::exchange::ClientCredentials;
//! use keybound::proof::DpopKey;
//! use keybound::random::OperatingSystem;
//! use keybound::{Algorithm, Signer, SigningKey};
//! use keybound_client::{Client, System, TokenBinding, TokenSource, TransportOptions};
//! use keybound_org::{AdminRole, Fault, LocalOrg, NewApp, OldNonces, OrgSettings, RevokedTokens};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let org = LocalOrg::start(OrgSettings::default()).await?;
//!
//! // The app, as an administrator registers it.
//! let client_key = SigningKey::generate(Algorithm::ES256)?;
//! let app = NewApp {
//!     label: "Nightly job".to_owned(),
//!     public_keys: vec![client_key.public_key().clone()],
//!     scopes: vec!["okta.users.read".to_owned()],
//!     roles: vec![AdminRole::ReadOnly],
//!     ..NewApp::default()
//! };
//! let app = org.store().create_app(&app, SystemTime::now().into(), &OperatingSystem)?;
//!
//! // The client, as the job has it: it trusts the org's authority, and binds its token to a key.
//! let mut network = TransportOptions::default();
//! if let Some(file) = org.ca_file() {
//!     network.certificate_authorities.push(std::fs::read_to_string(file)?);
//! }
//! let token_endpoint = format!("{}/oauth2/v1/token", org.url());
//! let grant = ClientCredentials::new(&token_endpoint, app.client_id, ["okta.users.read"])?;
//! let dpop_key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256)?));
//! let tokens =
//!     TokenSource::new(System::new(network), grant, Arc::new(client_key), TokenBinding::Dpop(dpop_key));
//! let client = Client::new(tokens);
//! let users = || http::Request::get(format!("{}/api/v1/users?limit=1", org.url())).body(Default::default());
//! assert_eq!(client.send(users()?).await?.status(), 200);
//!
//! // What the client has is worth nothing any more, and it gets over that.
//! org.faults().add(Fault::revoke_tokens(RevokedTokens::All)).await?;
//! org.faults().add(Fault::rotate_nonce(OldNonces::Refused)).await?;
//! assert_eq!(client.send(users()?).await?.status(), 200);
//! # org.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! What else can go wrong is a [`Fault`]; other programs ask for it over HTTP, at `/keybound/v1/faults`. Where a test
//! fails because a request was refused, `/keybound/v1/traces` has the request with every rule that it was held to, and
//! [`LocalOrg::console_url`] opens the same in a browser.
//!
//! # What is more than Okta's
//!
//! An error says which rule was broken, in `errorCauses` and in `error_description`, where Okta would only
//! say that something is wrong. Refusals by the management API carry the `WWW-Authenticate` challenge of
//! the specifications as well as Okta's body.
//!
//! The last requests are remembered, and each is explained by every rule, with what to change ([`trace`]).
//!
//! # What is less
//!
//! - Operations of Okta's that are not served answer 404, and say so by their id, there and in the log.
//! - Apps are OpenID Connect clients, whose id is their client id. A client secret is shown when it is made and
//!   never again: only its hash is kept. No `jwks_uri` is fetched.
//! - Passwords are kept as a hash, and go when a user is deactivated; one that arrives as a hash or by a hook counts as
//!   there, and lets nobody in. No mail is sent, and the links of activation and reset lead nowhere.
//! - A user is asked for leave where the request says so (`prompt=consent`) and for devices, and else not.
//! - An app that is made without a word on it (`settings.implicitAssignment`) has the group Everyone assigned to it, as by
//!   Okta's console, where Okta's API would assign nobody. What is told of users and groups that are assigned is kept and
//!   shown, and put into no token.
//! - Trusted Origins are for `CORS` and `REDIRECT`. The second is where `/login/signout` and
//!   `/login/sessionCookieRedirect` may send users on to.
//! - Of the authentication API (`/api/v1/authn`) there is the password, and no state, factor or recovery.
//! - The session of a browser (`/api/v1/sessions/me`) is the one thing of the management API that is had by a cookie.
//! - The refresh tokens that an app holds of a user are shown while they are good. Nobody's grants are: an app needs no
//!   leave that would be kept. The org's settings are read alone.
//! - Of a custom authorization server the claims are texts and members of the user's profile, the rules are for all
//!   users, and no scope asks for leave by itself; what else Okta has there is refused by name. One that is not active
//!   answers 404. Its `default` has no other id.
//! - `search` compares texts without regard to the case of ASCII letters. Sorting by a property other than
//!   `status`, the name, the login, the address, `created` and `lastUpdated` looks at every user for each page.
//! - Okta's table of admin roles is finer; of roles there are those of [`AdminRole`], each for all of the org. The system log keeps the
//!   last 100,000 events, with times to the second.
//!
//! # The users it begins with
//!
//! They are made up, and the same in every org, with a group for each department. The password of all who have
//! one is `Keybound-2026` ([`SEEDED_PASSWORD`]). The first, `gideon.ackerman@example.com`, is a super administrator; a user's
//! token may do at the management API what the user's admin roles say.

mod admin_token;
mod answer;
mod authorization_server;
mod background;
mod certificate_authority;
mod console;
mod cookie;
mod cors;
mod event;
mod faults;
mod form;
mod group;
mod keybound_api;
mod local_org;
mod management;
mod named;
mod okta_algorithms;
mod okta_id;
mod origin;
mod pages;
mod paths;
mod protected_resource;
mod search;
mod seed;
mod server;
mod settings;
mod store;
mod timestamp;
pub mod trace;
mod unguessable;
mod user;
mod web_origin;
mod wire_name;

pub use background::Unfinished;
pub use certificate_authority::{CA_FILE_NAMES, CertificateError};
pub use event::{Event, EventClient, EventObject, Outcome, OutcomeResult, Severity};
pub use faults::{
    ArmedFault, Cut, EndpointKind, ErrorBody, Fault, FaultError, FaultId, FaultKind, Faults, NotAFaultId,
    OldKey, OldNonces, ReplayAnswer, RevokedTokens,
};
pub use keybound::{Clock, NoncePolicy, SystemClock};
pub use local_org::{LocalOrg, StartError};
pub use management::EndpointGroup;
pub use search::{Expression, ExpressionError, Operand, Operator};
pub use settings::{Data, OrgSettings, Scheme};
pub use store::{
    AccessPolicy, AccessPolicyRule, AdminRole, App, AppPresentation, AppStatus, ApplicationType,
    AssignmentType, ClaimSource, ClaimedToken, ClientKey, ClientSecret, ClientSecretHash, ClientSettings,
    CustomClaim, CustomScope, CustomServer, ExportError, GrantType, Identified, ImportError, KeyStatus,
    LifecycleStatus, Lifetimes, LineProblem, NewApp, NewAuthorizationServer, PasswordCheck, ResponseType,
    RoleAssignment, RoleHolder, SEEDED_PASSWORD, ScopeGrant, Secrets, Seeded, ServerId, Store, StoreError,
    TokenEndpointAuthMethod, UnknownAdminRole, refuse_of_others,
};
pub use web_origin::{NotAnOrigin, WebOrigin};
