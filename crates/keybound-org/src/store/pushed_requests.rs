//! Authorization requests that clients pushed (RFC 9126).

use keybound::NumericDate;
use rusqlite::OptionalExtension as _;

use super::digest::Digest;
use super::{ServerId, Store, StoreError, column, room_for_another};

/// A request as it was pushed.
pub(crate) struct PushedRequest {
    pub(crate) server: ServerId,
    pub(crate) client_id: String,
    /// The parameters, as a query has them.
    pub(crate) parameters: String,
}

impl Store {
    /// Keeps a request under its `request_uri`.
    pub(crate) fn keep_pushed_request(
        &self,
        request_uri: &str,
        request: &PushedRequest,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM pushed_requests WHERE expires <= ?1", [column(now)])?;
            room_for_another(transaction, "pushed_requests", &request.client_id)?;
            transaction.execute(
                "INSERT INTO pushed_requests (digest, server, client_id, parameters, expires) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                (
                    Digest::of(request_uri),
                    &request.server,
                    &request.client_id,
                    &request.parameters,
                    column(expires),
                ),
            )?;
            Ok(())
        })
    }

    /// The request of this `request_uri`, until it expires or a code is given for it.
    pub(crate) fn pushed_request(
        &self,
        request_uri: &str,
        now: NumericDate,
    ) -> Result<Option<PushedRequest>, StoreError> {
        self.read(|transaction| {
            Ok(transaction
                .prepare_cached(
                    "SELECT server, client_id, parameters FROM pushed_requests WHERE digest = ?1 AND expires > ?2",
                )?
                .query_row((Digest::of(request_uri), column(now)), |row| {
                    Ok(PushedRequest {
                        server: row.get(0)?,
                        client_id: row.get(1)?,
                        parameters: row.get(2)?,
                    })
                })
                .optional()?)
        })
    }
}
