//! An Okta org as a client sees it: settings, management API calls, pages, errors. With the tokens of a custom
//! authorization server, or of any other issuer, the same client calls other APIs.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use keybound_okta::{ListQuery, OktaClient, Settings, Sources};
//!
//! # async fn list() -> Result<(), Box<dyn std::error::Error>> {
//! let environment = |name: &str| std::env::var(name).ok();
//! let settings = Settings::resolve(Sources::new(std::env::current_dir()?, &environment))?;
//! let okta = OktaClient::new(settings);
//! let mut users = okta.users().list(&ListQuery::default());
//! while let Some(user) = users.try_next().await? {
//!     println!("{} {}", user.id, user.profile.login.unwrap_or_default());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What has no method of its own is called by the name that Okta gives the operation ([`OktaClient::operation`],
//! [`operations`]), or by its path ([`OktaClient::call`], [`OktaClient::pages`]). An [`Error`] has a text for the
//! person who meets it: what failed, why, and what to change.
//!
//! # Cargo features
//!
//! `pkcs11`, `tpm2`, `aws-kms` and `keyring`, none of which is on unless it is asked for: settings may then name a key
//! that is not in a file. Each is the feature of that name of `keybound-client`.

mod advice;
mod api_error;
mod api_token;
mod apps;
mod client;
mod error;
mod error_kind;
mod groups;
mod issuer_advice;
mod items;
pub mod link;
mod list_query;
mod logs;
mod null;
mod operation_call;
pub mod operations;
mod org_url;
mod pages;
mod reach;
mod scopes;
mod settings;
mod suggestion;
mod token_advice;
mod users;

pub use api_error::OktaError;
pub use api_token::{ApiToken, ApiTokenError, MAX_API_TOKEN_BYTES};
pub use apps::{App, AppKey, Apps, NewServiceApp, RoleAssignment, ScopeGrant};
pub use client::{Call, OktaClient};
pub use error::{Error, Identity};
pub use error_kind::ErrorKind;
pub use groups::{Group, GroupProfile, Groups};
pub use items::Items;
pub use list_query::{ListQuery, SortOrder};
pub use logs::{LogEvent, LogObject, LogOutcome, LogQuery, Logs, SHORTEST_PAUSE};
pub use operation_call::OperationCall;
pub use org_url::{OrgUrl, OrgUrlError};
pub use pages::Pages;
pub use reach::OutOfReach;
pub use settings::{
    EnvFileError, IssuerProblem, KeyProblem, OktaYamlError, Origin, ProfileError, ReadError, SecretProblem,
    Setting, Settings, SettingsError, Source, Sources, UserSettings,
};
pub use users::{Activation, Mail, NewUser, Profile, User, UserChange, UserLink, UserStatus, Users};
