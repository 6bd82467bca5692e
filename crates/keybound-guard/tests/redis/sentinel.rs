//! Redis behind sentinels: the master that they name, and the next one when it is gone.

use keybound::replay::ReplayRefusal;

use super::server::{Server, eventually, free_port};
use super::stores::{record, runtime, store, until_it_serves};

/// A master, a replica, and three sentinels that take a master for gone after two seconds: on a busy machine
/// one that is only slow must not be taken for gone, or its successor is one that knows nothing yet.
struct Group {
    master: Server,
    replica: Server,
    sentinels: Vec<Server>,
}

impl Group {
    fn start() -> Self {
        let master = Server::start(&[]);
        let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port)]);
        eventually("the replica follows", || master.ask(&["INFO", "replication"]).contains("state=online"));
        let sentinels = (0..3).map(|_| sentinel(master.port)).collect();
        let group = Self { master, replica, sentinels };
        for sentinel in &group.sentinels {
            eventually("the sentinels know each other and the replica", || {
                let known = sentinel.ask(&["SENTINEL", "MASTER", "proofs"]);
                let value =
                    |name: &str| known.lines().skip_while(|line| *line != name).nth(1).map(str::to_owned);
                value("num-other-sentinels").as_deref() == Some("2")
                    && value("num-slaves").as_deref() == Some("1")
            });
        }
        group
    }

    fn urls(&self) -> String {
        let file = self.replica.file("password", "secret");
        for server in [&self.master, &self.replica] {
            let rights =
                ["ACL", "SETUSER", "guard", "on", ">secret", "~keybound:*", "+set", "+wait", "+role"];
            assert_eq!(server.ask(&rights).trim(), "OK");
        }
        let login = format!("username = 'guard'\npassword_file = '{}'", file.display());
        let urls: Vec<_> = self.sentinels.iter().map(|sentinel| format!("'{}'", sentinel.url())).collect();
        format!("urls = [{}]\nmode = 'sentinel'\nsentinel_master = 'proofs'\n{login}", urls.join(", "))
    }
}

fn sentinel(master: u16) -> Server {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap().keep();
    let file = folder.join("sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor proofs 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds proofs 2000\nsentinel failover-timeout proofs 3000\n"
    );
    std::fs::write(&file, text).unwrap();
    Server::start_from(port, folder, &[file.to_str().unwrap(), "--sentinel"])
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn the_fleet_follows_the_sentinels_to_the_next_master_which_knows_the_proofs_of_the_last() {
    let mut group = Group::start();
    let (runtime, store) = (runtime(), store(&group.urls()));
    until_it_serves(&runtime, &store, "the sentinels name a master");
    let other = super::stores::store(&group.urls());
    let proofs: Vec<_> = (0..50).map(|number| format!("proof {number}")).collect();
    for proof in &proofs {
        assert_eq!(runtime.block_on(record(&store, proof)), Ok(()));
    }
    group.master.kill();
    // The next master has no replica yet that could acknowledge: refused, not admitted on trust.
    eventually("the replica becomes master", || group.replica.ask(&["ROLE"]).starts_with("master"));
    assert_eq!(runtime.block_on(record(&store, "nobody acknowledges")), Err(ReplayRefusal::Unavailable));
    group.master.restart();
    // Its users are gone with its memory, as its records are.
    group.urls();
    // As the sentinels would tell it, within a minute or so.
    group.master.ask(&["REPLICAOF", "127.0.0.1", &group.replica.port.to_string()]);
    until_it_serves(&runtime, &store, "the old master is a replica");
    until_it_serves(&runtime, &other, "and for the other guard");
    for proof in &proofs {
        assert_eq!(runtime.block_on(record(&other, proof)), Err(ReplayRefusal::Replayed), "{proof}");
    }
}
