//! The org's clock, which a fault sets ahead or behind.

use std::sync::Arc;
use std::time::Duration;

use keybound::{Clock, NumericDate};

use super::list::FaultList;

/// What the org takes for the time.
pub(crate) struct OrgClock {
    right: Arc<dyn Clock>,
    faults: Arc<FaultList>,
}

impl OrgClock {
    /// A clock that is as wrong as `faults` say.
    pub(crate) fn new(right: Arc<dyn Clock>, faults: Arc<FaultList>) -> Self {
        Self { right, faults }
    }
}

impl Clock for OrgClock {
    fn now(&self) -> NumericDate {
        let now = self.right.now();
        let Some(skew) = self.faults.skew() else { return now };
        let off = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { now.before(off) } else { now.after(off) }
    }
}
