//! A fleet: guard processes, each this test binary started once more, that record what they are told.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use keybound::replay::ReplayRefusal;

use super::cluster::Cluster;
use super::server::{Server, eventually};
use super::stores::{record, runtime, store};

/// Where a process of the fleet finds the lines of its policy.
const REPLAY: &str = "KEYBOUND_FLEET_REPLAY";

/// What begins the lines of a process that are for the fleet, and not the test harness's.
const ANSWER: &str = "fleet ";

const PROCESSES: usize = 3;

/// Tasks in each process that send the same proof at once.
const TASKS: usize = 3;

/// Rounds that are under way at once.
pub(crate) const BATCH: usize = 100;

/// What became of one proof that all tasks of all processes sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) admitted: usize,
    pub(crate) replayed: usize,
    pub(crate) unavailable: usize,
}

pub(crate) struct Fleet {
    processes: Vec<Process>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Fleet {
    /// Starts guards with this in their `[replay]`, and waits until all of them are served.
    pub(crate) fn start(replay: &str) -> Self {
        let mut fleet = Self { processes: (0..PROCESSES).map(|_| Process::start(replay)).collect() };
        let mut number = 0;
        eventually("the fleet is served", || {
            number += 1;
            fleet.batch(&format!("start {number}")).iter().all(|round| round.unavailable == 0)
        });
        fleet
    }

    /// Has every process send each proof of a batch with all its tasks.
    pub(crate) fn batch(&mut self, name: &str) -> Vec<Round> {
        for process in &mut self.processes {
            writeln!(process.input, "{name}").unwrap();
        }
        let mut rounds = vec![Round::default(); BATCH];
        for process in &mut self.processes {
            for (round, part) in rounds.iter_mut().zip(process.answer()) {
                round.admitted += part.admitted;
                round.replayed += part.replayed;
                round.unavailable += part.unavailable;
            }
        }
        for round in &rounds {
            assert_eq!(round.admitted + round.replayed + round.unavailable, PROCESSES * TASKS);
        }
        rounds
    }
}

impl Process {
    fn start(replay: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "fleet::a_process_of_the_fleet"])
            .env(REPLAY, replay)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn answer(&mut self) -> Vec<Round> {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "a process of the fleet is gone");
            // The harness writes without a line's end before the first of ours.
            if let Some((_, rounds)) = line.split_once(ANSWER) {
                return rounds.split_whitespace().map(parse).collect();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(round: &str) -> Round {
    let counts: Vec<_> = round.split(',').map(|count| count.parse().unwrap()).collect();
    Round { admitted: counts[0], replayed: counts[1], unavailable: counts[2] }
}

#[test]
#[ignore = "a process of the fleet, which the other tests start"]
fn a_process_of_the_fleet() {
    let Ok(replay) = env::var(REPLAY) else { return };
    let (runtime, store) = (runtime(), Arc::new(store(&replay)));
    for name in std::io::stdin().lines() {
        let name = name.unwrap();
        let rounds = runtime.block_on(async {
            let send = |number: usize| {
                let (store, proof) = (Arc::clone(&store), format!("{name} {number}"));
                tokio::spawn(async move { record(&store, &proof).await })
            };
            let tasks: Vec<Vec<_>> =
                (0..BATCH).map(|number| (0..TASKS).map(|_| send(number)).collect()).collect();
            let mut rounds = Vec::new();
            for tasks in tasks {
                let mut round = Round::default();
                for task in tasks {
                    match task.await.unwrap() {
                        Ok(()) => round.admitted += 1,
                        Err(ReplayRefusal::Replayed) => round.replayed += 1,
                        Err(ReplayRefusal::Unavailable) => round.unavailable += 1,
                        Err(refusal) => panic!("{refusal}"),
                    }
                }
                rounds.push(format!("{},{},{}", round.admitted, round.replayed, round.unavailable));
            }
            rounds
        });
        println!("{ANSWER}{}", rounds.join(" "));
    }
}

/// Of ten thousand proofs that all guards of a fleet send at once, each is admitted exactly once.
fn admits_each_exactly_once(replay: &str) {
    let mut fleet = Fleet::start(&format!("{replay}\ntimeout_milliseconds = 5000"));
    let start = Instant::now();
    for number in 0..10_000 / BATCH {
        for (round, outcome) in fleet.batch(&format!("batch {number}")).iter().enumerate() {
            let once = Round { admitted: 1, replayed: PROCESSES * TASKS - 1, unavailable: 0 };
            assert_eq!(*outcome, once, "batch {number}, round {round}");
        }
    }
    println!("10,000 rounds in {:?}", start.elapsed());
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn of_ten_thousand_proofs_sent_by_all_guards_at_once_one_server_admits_each_exactly_once() {
    let server = Server::start(&[]);
    admits_each_exactly_once(&format!("urls = ['{}']", server.url()));
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn of_ten_thousand_proofs_sent_by_all_guards_at_once_a_cluster_admits_each_exactly_once() {
    let cluster = Cluster::start();
    admits_each_exactly_once(&cluster.replay());
}
