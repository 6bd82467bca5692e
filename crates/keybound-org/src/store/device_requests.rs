//! Devices that wait for a user's leave (RFC 8628).

use std::time::Duration;

use keybound::NumericDate;
use rusqlite::{Row, Transaction};

use super::authorizations::{self, Authorization, REMEMBERED_FOR};
use super::digest::Digest;
use super::{
    ServerId, Store, StoreError, column, date, duration, list, list_column, room_for_another, seconds,
};

/// A device's request.
#[derive(Clone, Debug)]
pub(crate) struct DeviceRequest {
    pub(crate) server: ServerId,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) user_code: String,
    pub(crate) expires: NumericDate,
    /// How long the device has to wait between two polls.
    pub(crate) pause: Duration,
    /// When it polled last.
    pub(crate) polled: Option<NumericDate>,
    pub(crate) answer: DeviceAnswer,
}

/// What has become of a device's request.
#[derive(Clone, Debug)]
pub(crate) enum DeviceAnswer {
    Pending,
    Denied,
    Approved(Box<Authorization>),
    Used,
}

impl Store {
    /// Keeps a new request; `false` if another one has its user code.
    pub(crate) fn keep_device_request(
        &self,
        device_code: &str,
        request: &DeviceRequest,
        now: NumericDate,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM device_requests WHERE expires < ?1", [column(now.before(REMEMBERED_FOR))])?;
            room_for_another(transaction, "device_requests", &request.client_id)?;
            let inserted = transaction.execute(
                "INSERT OR IGNORE INTO device_requests (digest, server, client_id, scopes, user_code, expires, pause, answer) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending')",
                (
                    Digest::of(device_code),
                    &request.server,
                    &request.client_id,
                    list_column(&request.scopes),
                    &request.user_code,
                    column(request.expires),
                    seconds(request.pause),
                ),
            )?;
            Ok(inserted == 1)
        })
    }

    /// The request of this device code.
    pub(crate) fn device_request(&self, device_code: &str) -> Result<Option<DeviceRequest>, StoreError> {
        self.read(|transaction| {
            transaction
                .prepare_cached("SELECT * FROM device_requests WHERE digest = ?1")?
                .query_and_then([Digest::of(device_code)], |row| read(transaction, row))?
                .next()
                .transpose()
        })
    }

    /// The request that waits under this user code.
    pub(crate) fn waiting_device_request(
        &self,
        user_code: &str,
        now: NumericDate,
    ) -> Result<Option<DeviceRequest>, StoreError> {
        self.read(|transaction| {
            transaction
                .prepare_cached(
                    "SELECT * FROM device_requests WHERE user_code = ?1 AND expires > ?2 AND answer = 'pending'",
                )?
                .query_and_then((user_code, column(now)), |row| read(transaction, row))?
                .next()
                .transpose()
        })
    }

    /// Notes that a device polled, and how long it has to wait from now on.
    pub(crate) fn note_poll(
        &self,
        device_code: &str,
        pause: Duration,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "UPDATE device_requests SET polled = ?2, pause = ?3 WHERE digest = ?1",
                (Digest::of(device_code), column(now), seconds(pause)),
            )?;
            Ok(())
        })
    }

    /// Answers the request that waits under this user code: with leave, or without. `false` if none waits.
    pub(crate) fn answer_device(
        &self,
        user_code: &str,
        leave: Option<&Authorization>,
        now: NumericDate,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            if let Some(authorization) = leave {
                authorizations::insert(transaction, authorization)?;
            }
            let answered = transaction.execute(
                "UPDATE device_requests SET answer = ?3, authorization_id = ?4 \
                 WHERE user_code = ?1 AND expires > ?2 AND answer = 'pending'",
                (
                    user_code,
                    column(now),
                    if leave.is_some() { "approved" } else { "denied" },
                    leave.map(|authorization| &authorization.id),
                ),
            )?;
            if let (0, Some(authorization)) = (answered, leave) {
                authorizations::forget_if_nothing_is_left(transaction, &authorization.id)?;
            }
            Ok(answered == 1)
        })
    }
}

fn read(transaction: &Transaction<'_>, row: &Row<'_>) -> Result<DeviceRequest, StoreError> {
    let answer: String = row.get("answer")?;
    Ok(DeviceRequest {
        server: row.get("server")?,
        client_id: row.get("client_id")?,
        scopes: list(&row.get::<_, String>("scopes")?)?,
        user_code: row.get("user_code")?,
        expires: date(row.get("expires")?),
        pause: duration(row.get("pause")?),
        polled: row.get::<_, Option<i64>>("polled")?.map(date),
        answer: match answer.as_str() {
            "pending" => DeviceAnswer::Pending,
            "denied" => DeviceAnswer::Denied,
            "approved" => DeviceAnswer::Approved(Box::new(leave(transaction, row)?)),
            "used" => DeviceAnswer::Used,
            _ => {
                return Err(StoreError::Damaged {
                    what: "a device's request has an answer that is not known",
                });
            }
        },
    })
}

fn leave(transaction: &Transaction<'_>, row: &Row<'_>) -> Result<Authorization, StoreError> {
    let id: Option<String> = row.get("authorization_id")?;
    transaction
        .prepare_cached("SELECT * FROM authorizations WHERE id = ?1")?
        .query_and_then([id], authorizations::read)?
        .next()
        .unwrap_or(Err(StoreError::Damaged { what: "a device has leave that is not there" }))
}
