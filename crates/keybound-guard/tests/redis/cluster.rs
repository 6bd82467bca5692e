//! A Redis Cluster of six nodes: three masters with a replica each.

use std::process::Command;

use keybound::replay::ReplayRefusal;

use super::server::{Server, eventually, free_port};
use super::stores::{record, runtime, store, until_every_node_serves};

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let nodes: Vec<_> = (0..6).map(|_| node()).collect();
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .expect("these tests need redis-cli: apt-get install redis-server");
        assert!(created.status.success(), "{created:?}");
        let cluster = Self { nodes };
        cluster.wait_until_whole();
        cluster
    }

    /// Waits until each of three masters has its replica, and all nodes know it.
    pub(crate) fn wait_until_whole(&self) {
        eventually("the cluster is whole", || {
            let ok = self.nodes.iter().all(|node| {
                let state = node.ask(&["CLUSTER", "INFO"]);
                state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:6")
            });
            let masters: Vec<_> = self.nodes.iter().filter(|node| is_master(node)).collect();
            let replicated = |node: &&Server| node.ask(&["INFO", "replication"]).contains("state=online");
            ok && masters.len() == 3 && masters.iter().all(replicated)
        });
    }

    /// The number of some master in `nodes`.
    pub(crate) fn a_master(&self) -> usize {
        self.nodes.iter().position(is_master).unwrap()
    }

    /// Waits until another than this node is master for its slots: three of the other five are.
    pub(crate) fn wait_for_failover_of(&self, gone: usize) {
        eventually("a replica takes over", || {
            let others = self.nodes.iter().enumerate().filter(|(number, _)| *number != gone);
            others.filter(|(_, node)| is_master(node)).count() == 3
        });
    }

    /// Settings for a store in this cluster.
    pub(crate) fn replay(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(|node| format!("'{}'", node.url())).collect();
        format!("urls = [{}]\nmode = 'cluster'", urls.join(", "))
    }
}

pub(crate) fn is_master(node: &Server) -> bool {
    node.ask(&["ROLE"]).starts_with("master")
}

fn node() -> Server {
    let port = free_port();
    let arguments = [
        "--port",
        &port.to_string(),
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &free_port().to_string(),
        "--cluster-node-timeout",
        "1000",
        // The slots of the masters that are there go on while those of another wait for their new one.
        "--cluster-require-full-coverage",
        "no",
        "--repl-diskless-sync-delay",
        "0",
    ];
    Server::start_at(port, &arguments)
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn an_acl_user_of_a_cluster_needs_set_wait_and_the_slots() {
    let cluster = Cluster::start();
    for node in &cluster.nodes {
        let rights =
            ["ACL", "SETUSER", "guard", "on", ">secret", "~keybound:*", "+set", "+wait", "+cluster|slots"];
        assert_eq!(node.ask(&rights).trim(), "OK");
        node.ask(&["ACL", "SETUSER", "default", "+@all", "-set"]);
    }
    let file = cluster.nodes[0].file("password", "secret");
    let login = format!("{}\nusername = 'guard'\npassword_file = '{}'", cluster.replay(), file.display());
    let (runtime, store) = (runtime(), store(&login));
    until_every_node_serves(&runtime, &store, "the user may do all that is needed");
    assert_eq!(runtime.block_on(record(&store, "proof")), Ok(()));
    assert_eq!(runtime.block_on(record(&store, "proof")), Err(ReplayRefusal::Replayed));
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_cluster_admits_each_proof_once_and_spreads_them_over_its_nodes() {
    let cluster = Cluster::start();
    let (runtime, one, other) = (runtime(), store(&cluster.replay()), store(&cluster.replay()));
    until_every_node_serves(&runtime, &one, "it serves");
    until_every_node_serves(&runtime, &other, "it serves the other guard");
    for number in 0..300 {
        let proof = number.to_string();
        assert_eq!(runtime.block_on(record(&one, &proof)), Ok(()));
        assert_eq!(runtime.block_on(record(&other, &proof)), Err(ReplayRefusal::Replayed));
    }
    for node in cluster.nodes.iter().filter(|node| is_master(node)) {
        let keys: usize = node.ask(&["DBSIZE"]).trim().parse().unwrap();
        assert!((50..200).contains(&keys), "{keys} of 300 on one of three masters");
    }
}
