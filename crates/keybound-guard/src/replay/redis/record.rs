//! One record: its name, how long it lives, the command, and what the answer says.

use std::time::Duration;

use futures_util::future::join_all;
use keybound::base64url;
use keybound::replay::ReplayKey;
use redis::aio::ConnectionLike as _;
use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, Pipeline, Value};

use super::RedisError;
use super::batch::Answer;
use super::connect::Connection;

/// Characters of a key in a name: 32 bytes in base64url.
const ENCODED_KEY: usize = 43;

/// Bytes of a command beside its name, at most: `SET`, `1`, `NX`, `PX`, and a number.
const COMMAND_WITHOUT_NAME: usize = 28;

/// The hash slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The hash slot of a name without braces: CRC16 (XMODEM) modulo the number of slots, as Redis Cluster's
/// specification has it.
pub(super) fn slot(name: &str) -> u16 {
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
    let crc = name.bytes().fold(0, |crc: u16, byte| (0..8).fold(crc ^ u16::from(byte) << 8, step));
    crc % SLOTS
}

/// The record of one proof, ready to send.
pub(super) struct Record {
    name: String,
    time_to_live: Duration,
    replicas: usize,
    patience: Duration,
}

impl Record {
    /// `replicas` is how many must have it, and `patience` how long the server waits for them.
    pub(super) fn new(
        prefix: &str,
        key: &ReplayKey,
        time_to_live: Duration,
        replicas: usize,
        patience: Duration,
    ) -> Self {
        let mut name = String::with_capacity(prefix.len() + ENCODED_KEY);
        name.push_str(prefix);
        base64url::encode_to(&mut name, key.as_bytes());
        Self { name, time_to_live, replicas, patience }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sends it: `true` if the record was made, and is where it should be; `false` if there was one.
    pub(super) async fn send(&self, connection: &Connection) -> Answer {
        if self.replicas == 0 {
            let answer = match connection {
                Connection::One(one) => one.clone().req_packed_command(&self.command()).await,
                Connection::Cluster(cluster) => cluster.clone().req_packed_command(&self.command()).await,
            };
            return was_made(answer?);
        }
        let answers = match connection {
            Connection::One(one) => one.clone().req_packed_commands(&self.pipeline(), 0, 2).await,
            Connection::Cluster(cluster) => {
                let route = Route::new(slot(&self.name), SlotAddr::Master);
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                cluster.clone().route_pipeline(self.pipeline(), 0, 2, route).await
            }
        };
        self.was_replicated(answers?)
    }

    fn command(&self) -> Cmd {
        let mut command = Cmd::with_capacity(6, self.name.len() + COMMAND_WITHOUT_NAME);
        let milliseconds = u64::try_from(self.time_to_live.as_millis()).unwrap_or(u64::MAX);
        command.arg("SET").arg(self.name.as_str()).arg("1").arg("NX").arg("PX").arg(milliseconds);
        command
    }

    fn pipeline(&self) -> Pipeline {
        let mut pipeline = redis::pipe();
        let milliseconds = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        pipeline.add_command(self.command()).cmd("WAIT").arg(self.replicas).arg(milliseconds);
        pipeline
    }

    fn was_replicated(&self, answers: Vec<Value>) -> Answer {
        let Ok([set, wait]) = <[Value; 2]>::try_from(answers) else { return Err(RedisError::NotRedis) };
        if !was_made(set)? {
            return Ok(false);
        }
        match wait.extract_error()? {
            Value::Int(count) if usize::try_from(count).is_ok_and(|count| count >= self.replicas) => Ok(true),
            Value::Int(acknowledged) => {
                Err(RedisError::NotAcknowledged { wanted: self.replicas, acknowledged })
            }
            _ => Err(RedisError::NotRedis),
        }
    }
}

/// Sends records that need no replicas in one go, to a server that has all of them.
pub(super) async fn send_together(
    records: &[Record],
    connection: &Connection,
) -> Result<Vec<Answer>, RedisError> {
    let Connection::One(one) = connection else {
        return Ok(join_all(records.iter().map(|record| record.send(connection))).await);
    };
    let mut pipeline = Pipeline::with_capacity(records.len());
    for record in records {
        pipeline.add_command(record.command());
    }
    let answers = one.clone().req_packed_commands(&pipeline, 0, records.len()).await?;
    Ok(answers.into_iter().map(was_made).collect())
}

/// What the answer to `SET … NX` says.
fn was_made(answer: Value) -> Answer {
    match answer.extract_error()? {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        _ => Err(RedisError::NotRedis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_the_one_that_the_specification_and_the_library_say() {
        // The value that Redis Cluster's specification gives for its CRC16.
        assert_eq!(slot("123456789"), 0x31C3 % SLOTS);
        for name in ["", "a", "keybound:-BwC3ESc6acc2lTc", "another prefix/x"] {
            let expected = Route::with_key(name, SlotAddr::Master);
            assert_eq!(Route::new(slot(name), SlotAddr::Master), expected, "{name}");
        }
    }

    #[test]
    fn only_ok_with_enough_replicas_admits() {
        let error = || redis::parse_redis_value(b"-READONLY it is a replica\r\n").unwrap();
        let record = |replicas| Record {
            name: String::new(),
            time_to_live: Duration::from_secs(121),
            replicas,
            patience: Duration::from_secs(1),
        };
        let cases = [
            ("made, and on a replica", vec![Value::Okay, Value::Int(1)], Some(true)),
            ("made, and on more", vec![Value::Okay, Value::Int(2)], Some(true)),
            ("made, and nowhere else", vec![Value::Okay, Value::Int(0)], None),
            ("made, and a number that is none", vec![Value::Okay, Value::Int(-1)], None),
            ("made, and an error", vec![Value::Okay, error()], None),
            ("there before", vec![Value::Nil, Value::Int(0)], Some(false)),
            ("refused", vec![error(), Value::Int(1)], None),
            ("no answer of SET", vec![Value::Int(1), Value::Int(1)], None),
            ("another text than OK", vec![Value::SimpleString("QUEUED".to_owned()), Value::Int(1)], None),
            ("one answer", vec![Value::Okay], None),
            ("three answers", vec![Value::Okay, Value::Int(1), Value::Int(1)], None),
        ];
        for (name, answers, expected) in cases {
            assert_eq!(record(1).was_replicated(answers).ok(), expected, "{name}");
        }
        assert_eq!(
            record(2).was_replicated(vec![Value::Okay, Value::Int(1)]),
            Err(RedisError::NotAcknowledged { wanted: 2, acknowledged: 1 })
        );
    }
}
