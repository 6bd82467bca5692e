//! Records in Redis, against what `redis-benchmark` gets for the same command with as many of them under way
//! on one connection. Needs `redis-server` and `redis-benchmark`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss, reason = "a benchmark")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keybound::replay::ReplayKey;
use keybound::{NumericDate, TargetUri, Thumbprint};
use keybound_guard::policy::{ReplayRules, ReplayStoreKind};
use keybound_guard::replay::{RedisReplayStore, SharedReplayStore as _, time_to_live};

/// Records of one measurement.
const RECORDS: u64 = 200_000;

/// Pairs of measurements, in turns.
const PAIRS: usize = 7;

const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

const LIFE: Duration = Duration::from_secs(60);

fn main() {
    // One thread, as redis-benchmark has, beside the server's.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("| under way | redis-benchmark, median | guard, median | ratio, median | least to greatest |");
    println!("| --: | --: | --: | --: | --- |");
    for under_way in [1, 16, 64, 256] {
        let server = Server::start();
        let store = Arc::new(RedisReplayStore::new(&server.rules()).unwrap());
        let next = Arc::new(AtomicU64::new(0));
        let mut pairs = Vec::new();
        for _ in 0..PAIRS {
            let records = if under_way == 1 { RECORDS / 10 } else { RECORDS };
            let theirs = server.benchmark(under_way, records);
            let ours = runtime.block_on(guard(&store, &next, under_way, records));
            pairs.push((theirs, ours));
        }
        let ratios = sorted(pairs.iter().map(|(theirs, ours)| ours / theirs));
        println!(
            "| {under_way} | {:.0}/s | {:.0}/s | {:.2} | {:.2} to {:.2} |",
            median(pairs.iter().map(|pair| pair.0)),
            median(pairs.iter().map(|pair| pair.1)),
            median(ratios.iter().copied()),
            ratios.first().unwrap(),
            ratios.last().unwrap(),
        );
    }
}

/// Records a second with so many under way at once.
async fn guard(store: &Arc<RedisReplayStore>, next: &Arc<AtomicU64>, under_way: usize, records: u64) -> f64 {
    let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
    let target = TargetUri::parse("https://api.example.com/orders").unwrap();
    let first = next.load(Ordering::Relaxed);
    let start = Instant::now();
    let tasks = (0..under_way).map(|_| {
        let (store, next, target) = (Arc::clone(store), Arc::clone(next), target.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= first + records {
                    break;
                }
                let key = ReplayKey::new(thumbprint, &target, &number.to_string());
                store.record(&key, NOW.after(LIFE), NOW).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    records as f64 / start.elapsed().as_secs_f64()
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, port }
    }

    fn rules(&self) -> ReplayRules {
        ReplayRules {
            store: ReplayStoreKind::Redis,
            urls: vec![format!("redis://127.0.0.1:{}", self.port)],
            timeout: Duration::from_secs(10),
            ..ReplayRules::default()
        }
    }

    /// Commands a second, with a key as long as a record's.
    fn benchmark(&self, under_way: usize, records: u64) -> f64 {
        let key = format!("benchmark:{}__rand_int__", "-".repeat(30));
        let milliseconds = time_to_live(NOW.after(LIFE), NOW).as_millis().to_string();
        let output = Command::new("redis-benchmark")
            .args(["-p", &self.port.to_string(), "-c", "1", "-P", &under_way.to_string(), "--csv"])
            .args(["-n", &records.to_string(), "-r", "1000000000"])
            .args(["SET", &key, "1", "NX", "PX", &milliseconds])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().last().unwrap();
        let figure = line.rsplit("\",\"").nth(6).unwrap_or_else(|| panic!("{text}"));
        figure.trim_matches('"').parse().unwrap_or_else(|_| panic!("{text}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let figures = sorted(figures);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
