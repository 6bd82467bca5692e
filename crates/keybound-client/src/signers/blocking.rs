//! The transport for callers that may block and are not async: a signer signs by a plain function.

use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::transport::{Transport, TransportError, TransportOptions};

/// A [`Transport`] on a thread of its own, which ends with it. It can be used from any thread, one that runs
/// async code too, and blocks it until the answer is there.
pub(super) struct BlockingTransport {
    jobs: UnboundedSender<Job>,
}

struct Job {
    request: Request<Bytes>,
    answer: mpsc::SyncSender<Result<Response<Bytes>, TransportError>>,
}

impl BlockingTransport {
    pub(super) fn start(options: TransportOptions) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (jobs, mut waiting) = unbounded_channel::<Job>();
        let transport = Arc::new(Transport::new(options));
        thread::Builder::new().name("keybound-signer".to_owned()).spawn(move || {
            runtime.block_on(async {
                while let Some(Job { request, answer }) = waiting.recv().await {
                    let transport = Arc::clone(&transport);
                    tokio::spawn(async move { answer.send(transport.send(request).await) });
                }
            });
        })?;
        Ok(Self { jobs })
    }

    /// Sends `request`, and waits for its answer as long as the transport's options allow.
    pub(super) fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let origin = request.uri().to_string();
        let (answer, wait) = mpsc::sync_channel(1);
        let sent = self.jobs.send(Job { request, answer }).ok().and_then(|()| wait.recv().ok());
        sent.unwrap_or_else(|| {
            Err(TransportError::Broken {
                origin,
                detail: "the thread that sends requests has ended".to_owned(),
            })
        })
    }
}
