//! An Okta org as a client sees it: settings, management API calls, pages, errors.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use keybound_okta::{OktaClient, Settings, Sources};
//!
//! # async fn list() -> Result<(), Box<dyn std::error::Error>> {
//! let environment = |name: &str| std::env::var(name).ok();
//! let settings = Settings::resolve(Sources::new(std::env::current_dir()?, &environment))?;
//! let okta = OktaClient::new(settings);
//! let mut users = std::pin::pin!(okta.users(None));
//! while let Some(user) = users.try_next().await? {
//!     println!("{} {}", user.id, user.profile.login.unwrap_or_default());
//! }
//! # Ok(())
//! # }
//! ```

mod advice;
mod api_error;
mod client;
mod error;
mod items;
pub mod link;
mod null;
mod operation_call;
pub mod operations;
mod org_url;
mod pages;
mod scopes;
mod settings;
mod suggestion;
mod users;

pub use api_error::OktaError;
pub use client::{Call, OktaClient};
pub use error::{Error, ErrorKind, Identity};
pub use items::Items;
pub use operation_call::OperationCall;
pub use org_url::{NotOfThisOrg, OrgUrl, OrgUrlError};
pub use pages::Pages;
pub use settings::{EnvFileError, KeyProblem, ReadError, Setting, Settings, SettingsError, Source, Sources};
pub use users::{Profile, User, UserStatus};
