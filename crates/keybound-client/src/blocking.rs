//! The client for code that is not async, with the cargo feature `blocking`.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::client::CallError;

/// A call that the client's thread is to make.
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A [`Client`](crate::Client) whose calls block; a small thread of its own does the work. Clones share it, and
/// it ends with the last of them.
#[derive(Clone)]
pub struct Client {
    client: crate::Client,
    jobs: UnboundedSender<Job>,
}

/// Why a blocking call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// The call itself.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It would have blocked a thread that others wait for.
    #[error(
        "a blocking call was made in async code, where it would hold up all else on its thread; use keybound_client::Client there, and await"
    )]
    InsideAsync,
    /// The thread of the client has ended: it panicked.
    #[error("the thread that makes the calls is gone")]
    ThreadGone,
}

impl Client {
    /// Makes the calls of `client` block. Use one that is used here alone: its connections belong to this
    /// client's thread.
    pub fn new(client: crate::Client) -> std::io::Result<Self> {
        let (jobs, mut to_do) = unbounded_channel::<Job>();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("keybound-client".to_owned()).spawn(move || {
            runtime.block_on(async move {
                while let Some(job) = to_do.recv().await {
                    tokio::spawn(job);
                }
            });
        })?;
        Ok(Self { client, jobs })
    }

    /// [`Client::send`](crate::Client::send), which returns when the answer is there.
    ///
    /// In async code, and wherever else a tokio runtime is entered, it is an error and doesn't block.
    pub fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BlockingError> {
        if runtime::Handle::try_current().is_ok() {
            return Err(BlockingError::InsideAsync);
        }
        let (tell, told) = mpsc::sync_channel(1);
        let client = self.client.clone();
        let job = Box::pin(async move {
            // Nobody listens if the caller's thread is gone.
            let _ = tell.send(client.send(request).await);
        });
        self.jobs.send(job).map_err(|_| BlockingError::ThreadGone)?;
        Ok(told.recv().map_err(|_| BlockingError::ThreadGone)??)
    }
}
