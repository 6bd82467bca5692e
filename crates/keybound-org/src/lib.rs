//! A local org that behaves as Okta's does, in one process: to develop and test against, with nothing to
//! set up and no account anywhere.
//!
//! It has the org authorization server (metadata, keys, and a token endpoint for service apps with
//! `private_key_jwt`, DPoP and nonces, RFC 9449) and `/api/v1/users` of the management API. Both hold
//! requests to the rules of RFC 9449 with the same code as every other part of Keybound.
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
//! # What is more than Okta's
//!
//! An error says which rule was broken, in `errorCauses` and in `error_description`, where Okta would only
//! say that something is wrong. Refusals by the management API carry the `WWW-Authenticate` challenge of
//! the specifications as well as Okta's body.
//!
//! # What is less
//!
//! Nobody signs in here, so a password is looked at and not kept. Lists know `q` and one `filter`, and
//! refuse what they don't know.

mod admin_token;
mod answer;
mod authorization_server;
mod background;
mod certificate_authority;
mod event;
mod local_org;
mod management;
mod okta_algorithms;
mod okta_id;
mod search;
mod seed;
mod server;
mod settings;
mod store;
mod timestamp;
mod user;
mod wire_name;

pub use background::Unfinished;
pub use certificate_authority::CertificateError;
pub use event::{Event, EventClient, EventObject, Outcome, OutcomeResult, Severity};
pub use keybound::{Clock, SystemClock};
pub use local_org::{LocalOrg, StartError};
pub use search::{Expression, ExpressionError, Operand, Operator};
pub use settings::{Data, OrgSettings, Scheme};
pub use store::{
    AdminRole, App, AppStatus, ApplicationType, ClientKey, ClientSecret, ClientSecretHash, ClientSettings,
    GrantType, KeyStatus, NewApp, ResponseType, RoleAssignment, ScopeGrant, Store, StoreError,
    TokenEndpointAuthMethod, UnknownAdminRole,
};
