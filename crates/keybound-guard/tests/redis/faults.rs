//! What a fleet admits while a server is killed, paused, or cut off: never a proof twice.

use super::cluster::Cluster;
use super::fleet::{Fleet, Round};
use super::relay::Relay;
use super::server::{Server, eventually};

/// Batches of a hundred proofs before a fault, and at least as many during it and after.
const BATCHES: usize = 10;

/// All proofs that a fleet was sent, and how often each was admitted.
struct Tally {
    fleet: Fleet,
    batches: Vec<(String, Vec<usize>)>,
}

impl Tally {
    fn start(replay: &str) -> Self {
        Self { fleet: Fleet::start(replay), batches: Vec::new() }
    }

    /// Sends a batch of new proofs.
    fn send(&mut self) -> Vec<Round> {
        let name = format!("batch {}", self.batches.len());
        let rounds = self.fleet.batch(&name);
        self.batches.push((name, rounds.iter().map(|round| round.admitted).collect()));
        self.never_twice();
        rounds
    }

    fn send_until(&mut self, what: &str, done: impl Fn(&[Round]) -> bool) {
        eventually(what, || done(&self.send()));
    }

    /// Sends every proof once more, as whoever recorded them would.
    fn replay_all(&mut self) {
        for (name, admitted) in &mut self.batches {
            for (admitted, round) in admitted.iter_mut().zip(self.fleet.batch(name)) {
                *admitted += round.admitted;
            }
        }
        self.never_twice();
    }

    fn never_twice(&self) {
        for (name, admitted) in &self.batches {
            let twice = admitted.iter().position(|admitted| *admitted > 1);
            assert_eq!(twice, None, "admitted twice: this round of {name}");
        }
    }
}

fn all_served(rounds: &[Round]) -> bool {
    rounds.iter().all(|round| round.unavailable == 0 && round.admitted == 1)
}

fn none_served(rounds: &[Round]) -> bool {
    rounds.iter().all(|round| round.admitted == 0 && round.replayed == 0)
}

/// What a whole fault looks like from the outside. While it lasts `during` holds of every batch, once the
/// first of them has been through it.
fn suffers(replay: &str, fault: impl FnOnce(), during: impl Fn(&[Round]) -> bool, mend: impl FnOnce()) {
    let mut tally = Tally::start(replay);
    tally.send_until("service before the fault", all_served);
    for _ in 0..BATCHES {
        tally.send();
    }
    fault();
    tally.send();
    for number in 0..BATCHES {
        let rounds = tally.send();
        assert!(during(&rounds), "during the fault, batch {number}: {rounds:?}");
    }
    mend();
    tally.send_until("service by itself after the fault", all_served);
    for _ in 0..BATCHES {
        tally.send();
    }
    tally.replay_all();
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn while_the_server_is_killed_none_is_admitted_and_afterwards_none_twice() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let replay = format!("urls = ['{}']", server.url());
    let server = std::sync::Mutex::new(server);
    suffers(&replay, || server.lock().unwrap().kill(), none_served, || server.lock().unwrap().restart());
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn while_the_server_is_paused_none_is_admitted_and_afterwards_none_twice() {
    let server = Server::start(&[]);
    suffers(&format!("urls = ['{}']", server.url()), || server.pause(), none_served, || server.go_on());
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn while_the_server_is_cut_off_none_is_admitted_and_afterwards_none_twice() {
    let server = Server::start(&[]);
    let network = Relay::to(server.port);
    let replay = format!("urls = ['redis://127.0.0.1:{}']", network.port);
    suffers(&replay, || network.cut(), none_served, || network.mend());
}

/// The other masters' proofs are still admitted, some of them in every batch.
fn some_served(rounds: &[Round]) -> bool {
    rounds.iter().any(|round| round.admitted == 1)
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn while_a_master_of_a_cluster_is_killed_and_its_replica_takes_over_none_is_admitted_twice() {
    let cluster = Cluster::start();
    let (replay, gone) = (cluster.replay(), cluster.a_master());
    let cluster = std::sync::Mutex::new(cluster);
    let mend = || {
        let mut cluster = cluster.lock().unwrap();
        // Before its replica took over, a master that comes back empty would be amnesia.
        cluster.wait_for_failover_of(gone);
        cluster.nodes[gone].restart();
        cluster.wait_until_whole();
    };
    suffers(&replay, || cluster.lock().unwrap().nodes[gone].kill(), some_served, mend);
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn while_a_master_of_a_cluster_is_paused_and_its_replica_takes_over_none_is_admitted_twice() {
    let cluster = Cluster::start();
    let (replay, gone) = (cluster.replay(), cluster.a_master());
    let mend = || {
        cluster.wait_for_failover_of(gone);
        cluster.nodes[gone].go_on();
        cluster.wait_until_whole();
    };
    suffers(&replay, || cluster.nodes[gone].pause(), some_served, mend);
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn while_a_replica_of_a_cluster_is_killed_its_masters_proofs_wait_and_none_is_admitted_twice() {
    let cluster = Cluster::start();
    let replay = cluster.replay();
    let gone = cluster.nodes.iter().position(|node| !super::cluster::is_master(node)).unwrap();
    let cluster = std::sync::Mutex::new(cluster);
    let mend = || {
        let mut cluster = cluster.lock().unwrap();
        cluster.nodes[gone].restart();
        cluster.wait_until_whole();
    };
    suffers(&replay, || cluster.lock().unwrap().nodes[gone].kill(), some_served, mend);
}
