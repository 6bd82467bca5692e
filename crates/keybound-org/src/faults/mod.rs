//! Faults on demand: what goes wrong in production once a year goes wrong here when a test wants it.
//!
//! A fault says what happens, to which requests, and how often ([`Fault`]). A request is struck by one fault: of those
//! that fit it, the one that was added first. Whatever strikes says so in the log, in the system log and in the answer
//! (`X-Keybound-Fault`), so that nobody hunts for what they asked for themselves. The console, the faults' own API and
//! static files are never struck. Faults end with the org that has them.

mod act;
mod answers;
mod api;
mod clock;
mod connection;
mod fault;
mod fault_id;
mod json;
mod limits;
mod list;
mod path_pattern;
mod replay;
mod strike;

use std::sync::Arc;

pub(crate) use act::Levers;
pub(crate) use api::routes;
pub(crate) use clock::OrgClock;
pub(crate) use connection::CuttingAcceptor;
pub use fault::{Cut, EndpointKind, ErrorBody, Fault, FaultKind, OldKey, OldNonces, RevokedTokens};
pub use fault_id::{FaultId, NotAFaultId};
pub(crate) use json::{read as read_json, read_members};
pub use limits::FaultError;
pub(crate) use list::FaultList;
pub use list::{ArmedFault, ReplayAnswer};
pub(crate) use strike::{FAULT, strike};

/// The faults of an org. Cheap to clone; every clone is the same faults.
///
/// ```
/// use keybound_org::{Fault, LocalOrg, OrgSettings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let org = LocalOrg::start(OrgSettings::default()).await?;
/// let id = org.faults().add(Fault::rate_limited().on_path("/api/v1/users").times(3)).await?;
/// // The next three requests for users are answered with 429.
/// assert_eq!(org.faults().get(id).map(|armed| armed.struck), Some(0));
/// assert!(org.faults().remove(id));
/// # org.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Faults {
    list: Arc<FaultList>,
    levers: Arc<Levers>,
}

impl Faults {
    pub(crate) fn new(list: Arc<FaultList>, levers: Levers) -> Self {
        Self { list, levers: Arc::new(levers) }
    }

    /// Arms a fault, or lets it happen at once if it is one of those that do. What happened at once is listed as over.
    pub async fn add(&self, fault: Fault) -> Result<FaultId, FaultError> {
        let path = fault.checked()?;
        let is_at_once = fault.happens_at_once();
        self.levers.know(&fault.kind).await?;
        // Room is made first: what can't be listed must not happen either.
        let id = self.list.add(fault.clone(), path, is_at_once)?;
        if is_at_once && let Err(error) = self.levers.act(&fault.kind, None).await {
            self.list.remove(id);
            return Err(error);
        }
        tracing::info!(fault = %id, kind = fault.kind().name(), is_at_once, "a fault was asked for");
        Ok(id)
    }

    /// All faults in the order in which they were added. Those that are over stay until there is no room.
    pub fn list(&self) -> Vec<ArmedFault> {
        self.list.all()
    }

    /// The fault of this name.
    pub fn get(&self, id: FaultId) -> Option<ArmedFault> {
        self.list.get(id)
    }

    /// Ends a fault and forgets it; `false` if there is none of this name.
    pub fn remove(&self, id: FaultId) -> bool {
        self.list.remove(id)
    }

    /// Ends all faults and forgets them.
    pub fn clear(&self) {
        self.list.clear();
    }
}
