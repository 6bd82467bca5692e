//! Records that are under way at the same time go to Redis together: most of what a command costs here, its
//! timer, its turn on the connection and its wake-up, is then paid once for many.
//!
//! No record waits for others: while none is under way the next goes alone, at once. Otherwise a batch takes
//! what is asked until the runtime comes round to sending it; the next one does not wait for its answers.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::RedisError;
use super::error::unreachable;
use super::locked;
use super::record::Record;

/// Records of one batch, at most. More would save little, and the server would have nothing to do while the
/// answers of so many are dealt out.
const MAX_RECORDS: usize = 32;

/// What becomes of one record: `true` if it was made, `false` if there was one.
pub(super) type Answer = Result<bool, RedisError>;

/// Who sends batches: a link to Redis.
pub(super) trait SendBatch: Clone + Send + Sync + 'static {
    /// Sends `records`, each once, and says what became of each, in their order.
    fn send_batch(
        &self,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<Vec<Answer>, RedisError>> + Send;
}

/// Gathers records to batches.
pub(super) struct Batches<S> {
    sender: S,
    timeout: Duration,
    under_way: AtomicUsize,
    /// Where the batch is joined that is not sent yet; closed or full when there is none.
    open: Mutex<mpsc::Sender<Waiting>>,
}

/// A record that has a place in a batch, and who waits for what becomes of it.
struct Waiting {
    record: Record,
    caller: oneshot::Sender<Answer>,
}

impl<S: SendBatch> Batches<S> {
    /// `timeout` is how long a batch may take, connecting included.
    pub(super) fn new(sender: S, timeout: Duration) -> Self {
        let (closed, _) = mpsc::channel(1);
        Self { sender, timeout, under_way: AtomicUsize::new(0), open: Mutex::new(closed) }
    }

    /// Sends the record, and waits for its own answer.
    pub(super) async fn ask(&self, record: Record) -> Answer {
        let place = UnderWay::join(&self.under_way);
        if place.is_alone {
            let answers = answers(&self.sender, self.timeout, vec![record]).await;
            return answers.into_iter().next().unwrap_or(Err(RedisError::NotRedis));
        }
        let (caller, answer) = oneshot::channel();
        self.join(Waiting { record, caller });
        answer.await.unwrap_or_else(|_| Err(unreachable("the runtime that asked it has ended")))
    }

    fn join(&self, waiting: Waiting) {
        let mut open = locked(&self.open);
        if let Err(unplaced) = open.try_send(waiting) {
            let (places, batch) = mpsc::channel(MAX_RECORDS);
            *open = places;
            let _ = open.try_send(unplaced.into_inner());
            tokio::spawn(send(self.sender.clone(), self.timeout, batch));
        }
    }
}

/// One record under way; it is no more when this is dropped.
struct UnderWay<'a> {
    count: &'a AtomicUsize,
    is_alone: bool,
}

impl<'a> UnderWay<'a> {
    fn join(count: &'a AtomicUsize) -> Self {
        let is_alone = count.fetch_add(1, Ordering::Relaxed) == 0;
        Self { count, is_alone }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends one batch, in a task of its own: no caller that goes away takes it along.
async fn send(sender: impl SendBatch, timeout: Duration, mut batch: mpsc::Receiver<Waiting>) {
    // Whoever can run now runs before, and may join.
    tokio::task::yield_now().await;
    batch.close();
    let (mut records, mut callers) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    while let Some(Waiting { record, caller }) = batch.recv().await {
        // Unless nobody waits for it any more.
        if !caller.is_closed() {
            records.push(record);
            callers.push(caller);
        }
    }
    if !records.is_empty() {
        let answers = answers(&sender, timeout, records).await;
        for (caller, answer) in callers.into_iter().zip(answers) {
            let _ = caller.send(answer);
        }
    }
}

/// Sends `records`; there is an answer to each, in their order.
async fn answers(sender: &impl SendBatch, timeout: Duration, records: Vec<Record>) -> Vec<Answer> {
    let count = records.len();
    let sent = tokio::time::timeout(timeout, sender.send_batch(records)).await;
    match sent.unwrap_or(Err(RedisError::TimedOut)) {
        Ok(answers) if answers.len() == count => answers,
        Ok(_) => vec![Err(RedisError::NotRedis); count],
        Err(error) => vec![Err(error); count],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use futures_util::{FutureExt as _, pin_mut};
    use keybound::replay::ReplayKey;
    use keybound::{TargetUri, Thumbprint};
    use tokio::time::{Instant, sleep};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// How long the store below takes to answer.
    const QUICK: Duration = Duration::from_secs(1);
    const SLOW: Duration = Duration::from_secs(9);

    /// A store that does with a batch what the labels in it say, and answers each record with its label.
    #[derive(Clone, Default)]
    struct Store {
        batches: Arc<Mutex<Vec<Vec<String>>>>,
    }

    impl Store {
        fn sizes(&self) -> Vec<usize> {
            self.batches.lock().unwrap().iter().map(Vec::len).collect()
        }
    }

    impl SendBatch for Store {
        async fn send_batch(&self, records: Vec<Record>) -> Result<Vec<Answer>, RedisError> {
            let label = |record: &Record| record.name().split(':').next().unwrap_or_default().to_owned();
            let labels: Vec<_> = records.iter().map(label).collect();
            self.batches.lock().unwrap().push(labels.clone());
            let has = |word: &str| labels.iter().any(|label| label == word);
            sleep(if has("slow") { SLOW } else { QUICK }).await;
            if has("silent") {
                std::future::pending::<()>().await;
            }
            if has("lost") {
                return Err(unreachable("lost"));
            }
            let answered = if has("short") { labels.len() - 1 } else { labels.len() };
            Ok(labels.into_iter().take(answered).map(own).collect())
        }
    }

    /// The answer that is only for `label`.
    fn own(label: impl Into<String>) -> Answer {
        Err(RedisError::Refused { reason: label.into() })
    }

    fn batches() -> Batches<Store> {
        Batches::new(Store::default(), TIMEOUT)
    }

    fn record(label: &str) -> Record {
        let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
        let key = ReplayKey::new(thumbprint, &TargetUri::parse("https://api.example.com/").unwrap(), label);
        Record::new(&format!("{label}:"), &key, Duration::from_secs(121), 0, TIMEOUT)
    }

    async fn ask_all(batches: &Batches<Store>, labels: &[&str]) -> Vec<Answer> {
        join_all(labels.iter().map(|label| batches.ask(record(label)))).await
    }

    #[tokio::test(start_paused = true)]
    async fn each_record_gets_its_own_answer_and_waits_for_no_other() {
        let cases = [
            ("a lone one goes alone", 1, vec![1]),
            ("what comes while it is under way goes together", 6, vec![1, 5]),
            ("as many as a batch holds", 33, vec![1, 32]),
            ("one more opens the next", 34, vec![1, 1, 32]),
            ("many", 100, vec![1, 3, 32, 32, 32]),
        ];
        for (name, count, expected) in cases {
            let batches = batches();
            let labels: Vec<_> = (0..count).map(|number| number.to_string()).collect();
            let start = Instant::now();
            let answers = join_all(labels.iter().map(|label| batches.ask(record(label)))).await;
            assert_eq!(start.elapsed(), QUICK, "{name}: none waits for more than the store");
            assert_eq!(answers, labels.iter().map(own).collect::<Vec<_>>(), "{name}");
            let mut sizes = batches.sender.sizes();
            sizes.sort_unstable();
            assert_eq!(sizes, expected, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_wrong_with_a_batch_is_the_answer_to_all_of_it_and_to_no_other() {
        let cases = [
            ("silent", RedisError::TimedOut),
            ("lost", unreachable("lost")),
            // None can be told to be another's.
            ("short", RedisError::NotRedis),
        ];
        for (wrong, error) in cases {
            let batches = batches();
            let answers = ask_all(&batches, &["alone", "a", wrong, "b"]).await;
            let failed = || Err(error.clone());
            assert_eq!(answers, [own("alone"), failed(), failed(), failed()], "{wrong}");
            assert_eq!(
                ask_all(&batches, &[wrong, "a", "b"]).await,
                [failed(), own("a"), own("b")],
                "{wrong}"
            );
            assert_eq!(batches.sender.sizes(), [1, 3, 1, 2], "{wrong}: nothing is sent again");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_does_not_wait_for_the_answers_to_the_last() {
        let batches = batches();
        let slow = ask_all(&batches, &["slow", "slow"]);
        pin_mut!(slow);
        assert_eq!(slow.as_mut().now_or_never(), None);
        let start = Instant::now();
        assert_eq!(batches.ask(record("quick")).await, own("quick"), "it joins the batch of the slow one");
        assert_eq!(start.elapsed(), SLOW);

        let slow = ask_all(&batches, &["slow", "slow"]);
        pin_mut!(slow);
        assert_eq!(slow.as_mut().now_or_never(), None);
        sleep(QUICK).await;
        let start = Instant::now();
        assert_eq!(batches.ask(record("quick")).await, own("quick"), "that one is on its way");
        assert_eq!(start.elapsed(), QUICK);
        assert_eq!(slow.await, [own("slow"), own("slow")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_harms_no_other() {
        let batches = batches();
        {
            let alone = batches.ask(record("alone"));
            let never_sent = batches.ask(record("never sent"));
            let sent = batches.ask(record("sent"));
            let stays = batches.ask(record("stays"));
            let mut alone = Box::pin(alone);
            let mut never_sent = Box::pin(never_sent);
            let mut sent = Box::pin(sent);
            pin_mut!(stays);
            assert_eq!(alone.as_mut().now_or_never(), None);
            assert_eq!(never_sent.as_mut().now_or_never(), None);
            assert_eq!(sent.as_mut().now_or_never(), None);
            assert_eq!(stays.as_mut().now_or_never(), None);
            drop(never_sent);
            sleep(QUICK / 2).await;
            drop((alone, sent));
            assert_eq!(stays.await, own("stays"));
        }
        let expected = [vec!["alone"], vec!["sent", "stays"]];
        assert_eq!(*batches.sender.batches.lock().unwrap(), expected);
        assert_eq!(batches.under_way.load(Ordering::Relaxed), 0, "who is gone is not under way");
    }

    #[test]
    fn a_runtime_that_ends_takes_its_batch_along_and_no_later_one() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
        };
        let batches = batches();
        let alone = batches.ask(record("alone"));
        let gathered = batches.ask(record("gathered"));
        pin_mut!(alone, gathered);
        runtime().block_on(async {
            assert_eq!(alone.as_mut().now_or_never(), None);
            assert_eq!(gathered.as_mut().now_or_never(), None);
        });
        let ended = Err(unreachable("the runtime that asked it has ended"));
        let next = runtime();
        assert_eq!(next.block_on(gathered), ended);
        assert_eq!(next.block_on(batches.ask(record("next"))), own("next"));
        assert_eq!(batches.sender.sizes(), [1, 1], "what went with its runtime is not sent");
    }
}
