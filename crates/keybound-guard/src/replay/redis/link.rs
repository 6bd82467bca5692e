//! One connection, made when it is needed and made anew when it is lost.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::RedisError;
use super::batch::{Answer, SendBatch};
use super::connect::{Connection, Server};
use super::error::unreachable;
use super::locked;
use super::record::{Record, send_together};

/// The age at which a connection may be replaced that brings no answers: a new one learns where the master
/// is now, and needs a moment to show whether it is better.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

/// One connection to Redis, when there is one.
#[derive(Clone)]
pub(super) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    server: Server,
    current: ArcSwapOption<Connection>,
    made: Mutex<Option<Instant>>,
    attempt: Mutex<Option<Attempt>>,
}

/// One attempt to connect, which all requests wait for that need it. It runs on when they give up, so that
/// a server that takes longer to greet than a request may wait is reached in the end.
type Attempt = Shared<BoxFuture<'static, Result<Arc<Connection>, RedisError>>>;

impl Link {
    pub(super) fn new(server: Server) -> Self {
        let inner = Inner {
            server,
            current: ArcSwapOption::empty(),
            made: Mutex::default(),
            attempt: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The connection, made if there is none.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, RedisError> {
        if let Some(connection) = self.inner.current.load_full() {
            return Ok(connection);
        }
        let attempt = self.attempt();
        let connected = attempt.clone().await;
        self.forget(&attempt);
        connected
    }

    /// The attempt under way, or a new one.
    fn attempt(&self) -> Attempt {
        let mut attempt = locked(&self.inner.attempt);
        attempt.get_or_insert_with(|| self.begin()).clone()
    }

    fn begin(&self) -> Attempt {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let connected = inner.server.connect().await.map(Arc::new);
            if let Ok(connection) = &connected {
                inner.current.store(Some(Arc::clone(connection)));
            }
            *locked(&inner.made) = Some(Instant::now());
            *locked(&inner.attempt) = None;
            connected
        });
        task.map(|joined| joined.map_err(unreachable).flatten()).boxed().shared()
    }

    /// Ends an attempt whose task was ended with its runtime.
    fn forget(&self, ended: &Attempt) {
        let mut attempt = locked(&self.inner.attempt);
        if attempt.as_ref().is_some_and(|attempt| attempt.ptr_eq(ended)) {
            *attempt = None;
        }
    }

    /// Sends one record over the connection.
    pub(super) async fn send(&self, record: &Record) -> Answer {
        let connection = self.connection().await?;
        let answer = record.send(&connection).await;
        self.drop_if_useless(&connection, answer.as_ref().err());
        answer
    }

    /// Drops `connection` if it is of no more use by this `error`, unless it has been dropped already.
    fn drop_if_useless(&self, connection: &Arc<Connection>, error: Option<&RedisError>) {
        if error.is_some_and(RedisError::needs_new_connection) {
            self.inner.current.compare_and_swap(&Some(Arc::clone(connection)), None);
        }
    }

    /// Makes a new connection beside the one that brings no answers, and takes it when it is made: a peer
    /// that is gone without a word leaves a connection that looks alive. The old one serves until then, since
    /// in a cluster it may be good for other slots.
    pub(super) fn renew(&self) {
        let is_new = |made: Instant| made.elapsed() < RENEWED_AFTER;
        if !locked(&self.inner.made).is_some_and(is_new) {
            drop(self.attempt());
        }
    }
}

impl SendBatch for Link {
    async fn send_batch(&self, records: Vec<Record>) -> Result<Vec<Answer>, RedisError> {
        let connection = self.connection().await?;
        let answers = send_together(&records, &connection).await;
        match &answers {
            Ok(answers) => {
                for answer in answers {
                    self.drop_if_useless(&connection, answer.as_ref().err());
                }
            }
            Err(error) => self.drop_if_useless(&connection, Some(error)),
        }
        answers
    }
}
