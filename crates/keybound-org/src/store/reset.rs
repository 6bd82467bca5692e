//! An org's data made new: as if it had never been started.

use super::{Store, StoreError, migrations};

impl Store {
    /// Takes everything out of the database, secrets and the system log too, in one transaction. A new org's users are
    /// made when it starts next; one that runs meanwhile goes on with nothing.
    ///
    /// The certificate authority is beside the database, and stays.
    pub fn reset(&self) -> Result<(), StoreError> {
        self.write(migrations::begin_anew)?;
        // What was deleted is still in the file until it is written anew.
        let writer = super::lock(&self.shared.writer);
        writer.execute_batch("VACUUM")?;
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}
