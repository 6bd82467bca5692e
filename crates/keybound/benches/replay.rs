//! What the replay store in memory takes of memory and of time.
//!
//! Replay keys are made beforehand, in batches: measured is the store alone, its keyed hashes included. An insert
//! has to look at one place of a large table that nothing before has told of, so it stands beside what that costs on
//! the machine at the time: reads at random places of as much memory, each of which knows its place only from the
//! one before.
//! Proofs come as they do to a server that accepts them for 60 seconds: by a thousand clients, evenly over
//! a minute, so that they are spread over all generations and all are live at its end. Now and then an insert
//! does work for others; how long it then takes is measured by itself, since so many looks at the clock would count.
//!
//! `cargo bench -p keybound --bench replay`, or a part of it: `cargo bench -p keybound --bench replay -- fill`

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a benchmark may panic"
)]

mod stopwatch;

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use keybound::proof::ProofPolicy;
use keybound::random::OperatingSystem;
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore as _};
use keybound::{NumericDate, TargetUri, Thumbprint, base64url};
use siphasher::sip128::SipHasher13;
use stopwatch::Stopwatch;

const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
const MINUTE: u64 = 60;
const CLIENTS: u64 = 1_000;
const LIVE: u64 = 10_000_000;
const BATCH: u64 = 50_000;
/// Runs, of which the median is taken.
const ROUNDS: usize = 5;

/// What is measured, by the names that choose some of it.
const PARTS: [(&str, fn()); 5] = [
    ("fill", fills),
    ("minutes", minutes),
    ("slowest", slow_inserts),
    ("threads", threads),
    ("refusals", refusals),
];

fn main() {
    let chosen: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, measure) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            measure();
        }
    }
}

fn fills() {
    let fills: Vec<_> = (0..3).map(|_| fill()).collect();
    // What a run frees the next may get without growing.
    let bytes_each = fills[0].bytes_each;
    let of_fills = |figure: fn(&Fill) -> f64| median(fills.iter().map(figure).collect());
    println!("10 million live proofs, the median of {} runs", fills.len());
    println!("  {bytes_each:6.1} bytes a live proof: the growth of the resident set in the first run");
    println!("  {:6.1} bytes a proof at most, by the limits", limits(LIVE).max_bytes() as f64 / LIVE as f64);
    println!("  {:6.2} million inserts/s on one core, from none to all", of_fills(|fill| fill.rate));
    println!("  {:6.2} million inserts/s on one core, the last million", of_fills(|fill| fill.last_rate));

    let insert = 1e3 / of_fills(|fill| fill.rate);
    besides(insert);
    let read = median((0..ROUNDS).map(|_| nanoseconds_of_a_read(bytes_each * LIVE as f64)).collect());
    println!(
        "  {read:6.0} ns a read at a random place of as much memory; an insert takes {:.1} of it",
        insert / read
    );
}

fn minutes() {
    let minutes: Vec<_> = (0..ROUNDS).map(|_| three_minutes()).collect();
    let of_minutes = |figure: fn(&(f64, f64)) -> f64| median(minutes.iter().map(figure).collect());
    println!("2 million proofs a minute, the median of {ROUNDS} runs");
    println!("  {:6.2} million inserts/s on one core, in the first", of_minutes(|minutes| minutes.0));
    println!(
        "  {:6.2} million inserts/s on one core, in the third, while as many expire",
        of_minutes(|minutes| minutes.1)
    );
}

fn slow_inserts() {
    let slowest: Vec<_> = (0..ROUNDS).map(|_| slowest()).collect();
    let of_slowest = |figure: fn(&Slowest) -> f64| median(slowest.iter().map(figure).collect());
    println!(
        "  {:6.1} µs one insert of a thousand takes, or longer, in the third",
        of_slowest(|times| times.thousandth)
    );
    println!("  {:6.1} µs one of ten thousand", of_slowest(|times| times.ten_thousandth));
    println!("  {:6.1} µs the longest", of_slowest(|times| times.longest));
}

fn threads() {
    let pairs: Vec<_> = (0..ROUNDS).map(|_| (inserts_a_second(1), inserts_a_second(2))).collect();
    println!("from none to 2 million, the median of {ROUNDS} pairs");
    let of_pairs =
        |figure: fn(&(Inserts, Inserts)) -> f64| median(pairs.iter().map(figure).collect::<Vec<_>>());
    println!(
        "  {:6.2} million inserts/s by one thread, by the wall clock",
        of_pairs(|pair| pair.0.by_the_wall)
    );
    println!("  {:6.2} million inserts/s by two threads", of_pairs(|pair| pair.1.by_the_wall));
    println!("  {:6.2} times one", of_pairs(|pair| pair.1.by_the_wall / pair.0.by_the_wall));
    println!("  {:6.2} million inserts/s of a core by one thread", of_pairs(|pair| pair.0.of_a_core));
    println!("  {:6.2} million inserts/s of a core by each of two", of_pairs(|pair| pair.1.of_a_core));
}

/// For `proofs` and as many more as chance needs to fill no shard.
fn limits(proofs: u64) -> MemoryReplayLimits {
    let capacity = usize::try_from(proofs + proofs / 10).unwrap();
    MemoryReplayLimits::for_policy(&ProofPolicy::default()).with_capacity(capacity)
}

fn store(limits: MemoryReplayLimits) -> MemoryReplayStore {
    MemoryReplayStore::new(limits, &OperatingSystem).unwrap()
}

struct Maker {
    clients: Vec<Thumbprint>,
    target: TargetUri,
}

impl Maker {
    fn new(clients: u64) -> Self {
        let thumbprint = |number: u64| base64url::encode(digest(&SHA256, &number.to_be_bytes())).parse();
        Self {
            clients: (0..clients).map(|number| thumbprint(number).unwrap()).collect(),
            target: TargetUri::parse("https://org.example.com/api/v1/users").unwrap(),
        }
    }

    fn key(&self, number: u64) -> ReplayKey {
        let client = usize::try_from(number).unwrap() % self.clients.len();
        ReplayKey::new(self.clients[client], &self.target, &number.to_string())
    }

    fn keys(&self, numbers: std::ops::Range<u64>, keys: &mut Vec<ReplayKey>) {
        keys.clear();
        keys.extend(numbers.map(|number| self.key(number)));
    }
}

struct Fill {
    bytes_each: f64,
    rate: f64,
    last_rate: f64,
}

fn fill() -> Fill {
    let maker = Maker::new(CLIENTS);
    let mut keys = Vec::new();
    maker.keys(0..BATCH, &mut keys);
    let before = resident_bytes();
    let store = store(limits(LIVE));
    let mut times = Vec::new();
    for batch in 0..LIVE / BATCH {
        maker.keys(batch * BATCH..(batch + 1) * BATCH, &mut keys);
        let now = NOW.after(Duration::from_secs(batch * BATCH * MINUTE / LIVE));
        times.push(record_all(&store, &keys, now));
    }
    let bytes_each = (resident_bytes() - before) / LIVE as f64;
    assert_eq!(store.len() as u64, LIVE);
    let last = &times[times.len() - usize::try_from(1_000_000 / BATCH).unwrap()..];
    Fill { bytes_each, rate: rate(LIVE, times.iter().sum()), last_rate: rate(1_000_000, last.iter().sum()) }
}

/// Proofs of a minute, of three that follow each other.
const EACH: u64 = 2_000_000;

/// The rates of the first minute and of the third, in which what came in the first and second is dropped.
fn three_minutes() -> (f64, f64) {
    let (maker, mut keys) = (Maker::new(CLIENTS), Vec::new());
    let store = store(limits(EACH + EACH / 2));
    let mut minutes = (0..3).map(|minute| {
        let mut time = Duration::ZERO;
        for batch in minute * EACH / BATCH..(minute + 1) * EACH / BATCH {
            maker.keys(batch * BATCH..(batch + 1) * BATCH, &mut keys);
            let now = NOW.after(Duration::from_secs(batch * BATCH * MINUTE / EACH));
            time += record_all(&store, &keys, now);
        }
        rate(EACH, time)
    });
    (minutes.next().unwrap(), minutes.nth(1).unwrap())
}

/// How long inserts take that do work for others, in microseconds: the shortest time of the slowest.
struct Slowest {
    thousandth: f64,
    ten_thousandth: f64,
    longest: f64,
}

/// In the third of three minutes, each insert by itself; two looks at the clock are in each.
fn slowest() -> Slowest {
    let (maker, store) = (Maker::new(CLIENTS), store(limits(EACH + EACH / 2)));
    let mut times = Vec::new();
    for number in 0..3 * EACH {
        let now = NOW.after(Duration::from_secs(number * MINUTE / EACH));
        let key = maker.key(number);
        let begin = Stopwatch::start();
        store.record(&key, now.after(Duration::from_secs(MINUTE)), now).unwrap();
        if number >= 2 * EACH {
            times.push(begin.elapsed().as_nanos() as f64 / 1e3);
        }
    }
    times.sort_by(|one, other| other.total_cmp(one));
    Slowest {
        thousandth: times[times.len() / 1_000],
        ten_thousandth: times[times.len() / 10_000],
        longest: times[0],
    }
}

fn record_all(store: &MemoryReplayStore, keys: &[ReplayKey], now: NumericDate) -> Duration {
    let begin = Stopwatch::start();
    for key in keys {
        store.record(key, now.after(Duration::from_secs(MINUTE)), now).unwrap();
    }
    begin.elapsed()
}

/// What is not the table's: the making of keys, which is not measured above, and the two keyed hashes of an
/// insert, which are.
fn besides(insert: f64) {
    let (maker, mut keys) = (Maker::new(CLIENTS), Vec::new());
    let each = |time: Duration| time.as_nanos() as f64 / BATCH as f64;
    let begin = Stopwatch::start();
    maker.keys(0..BATCH, &mut keys);
    let making = each(begin.elapsed());
    let hash = |bytes: &[u8]| SipHasher13::new_with_key(&[7; 16]).hash(bytes).as_u128();
    let begin = Stopwatch::start();
    for key in &keys {
        black_box((hash(key.as_bytes()), hash(key.thumbprint().as_bytes())));
    }
    let hashing = each(begin.elapsed());
    println!("  {insert:6.0} ns an insert, of which the keyed hashes take {hashing:.0} ns");
    println!("  {making:6.0} ns the making of a key, which is not counted");
}

/// What the processor waits for a place in memory that it learns from the read before.
fn nanoseconds_of_a_read(bytes: f64) -> f64 {
    const READS: u64 = 500_000;
    const OF_A_LINE: usize = 64 / size_of::<usize>();
    let lines = bytes as usize / 64;
    // One cycle through all lines, in random order (Sattolo's algorithm).
    let mut order: Vec<u32> = (0..u32::try_from(lines).unwrap()).collect();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for line in (1..lines).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(line, (random >> 33) as usize % line);
    }
    let mut memory = vec![0_usize; lines * OF_A_LINE];
    for (at, next) in order.iter().zip(order.iter().cycle().skip(1)) {
        memory[*at as usize * OF_A_LINE] = *next as usize * OF_A_LINE;
    }
    let mut place = 0;
    let begin = Stopwatch::start();
    for _ in 0..READS {
        place = memory[place];
    }
    black_box(place);
    begin.elapsed().as_nanos() as f64 / READS as f64
}

/// In millions a second.
struct Inserts {
    by_the_wall: f64,
    /// Of the time that the threads had a processor.
    of_a_core: f64,
}

fn inserts_a_second(threads: u64) -> Inserts {
    const INSERTS: u64 = 2_000_000;
    let (maker, store, barrier) = (Maker::new(CLIENTS), store(limits(INSERTS)), Barrier::new(2));
    let barrier = if threads == 1 { Barrier::new(1) } else { barrier };
    let share = INSERTS / threads;
    let times: Vec<_> = std::thread::scope(|scope| {
        let insert = |thread: u64| {
            let mut keys = Vec::new();
            maker.keys(thread * share..(thread + 1) * share, &mut keys);
            barrier.wait();
            let begin = Instant::now();
            let of_a_core = record_all(&store, &keys, NOW);
            (begin.elapsed(), of_a_core)
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || insert(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    Inserts {
        by_the_wall: rate(INSERTS, times.iter().map(|time| time.0).max().unwrap()),
        of_a_core: rate(INSERTS, times.iter().map(|time| time.1).sum()),
    }
}

/// What it costs to say no, and how full a store is when it first does.
fn refusals() {
    const CAPACITY: u64 = 1_000_000;
    let limits = MemoryReplayLimits::default();
    let (many, one) = (Maker::new(CLIENTS), Maker::new(1));
    let expires = NOW.after(Duration::from_secs(MINUTE));
    let full = store(limits);
    let first_full = (0..CAPACITY).find(|number| full.record(&many.key(*number), expires, NOW).is_err());
    let share = first_full.unwrap_or(CAPACITY) as f64 / CAPACITY as f64;
    for number in 0..2 * CAPACITY {
        let _ = full.record(&many.key(number), expires, NOW);
    }
    let remembered: Vec<_> = (0..CAPACITY / 2).map(|number| many.key(number)).collect();
    let others: Vec<_> = (2 * CAPACITY..5 * CAPACITY / 2).map(|number| many.key(number)).collect();
    let of_one: Vec<_> = (0..CAPACITY / 2).map(|number| one.key(number)).collect();
    let exhausted = store(limits);
    for key in &of_one {
        let _ = exhausted.record(key, expires, NOW);
    }
    let over_quota = &of_one[limits.quota..];

    println!("refusals by a store for 1 million proofs, the median of {ROUNDS} runs");
    println!("  {:6.1} % of its capacity is taken at the first refusal", 100.0 * share);
    for (kind, store, keys, refusal) in [
        ("replays", &full, &remembered[..], ReplayRefusal::Replayed),
        ("new proofs, full", &full, &others[..], ReplayRefusal::Full),
        ("new proofs over quota", &exhausted, over_quota, ReplayRefusal::QuotaExceeded),
    ] {
        let round = || {
            let begin = Stopwatch::start();
            let refused = keys.iter().filter(|key| store.record(key, expires, NOW) == Err(refusal.clone()));
            assert_eq!(refused.count(), keys.len(), "{kind}");
            rate(keys.len() as u64, begin.elapsed())
        };
        let figure = median((0..ROUNDS).map(|_| round()).collect());
        println!("  {figure:6.2} million refusals/s: {kind}");
    }
}

/// In millions a second.
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64() / 1e6
}

/// What the process has in memory, as Linux tells it; elsewhere nothing is told.
fn resident_bytes() -> f64 {
    const PAGE: f64 = 4096.0;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).map_or(f64::NAN, |pages: f64| pages * PAGE)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
