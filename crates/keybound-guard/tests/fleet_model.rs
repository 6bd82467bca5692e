//! A model of a fleet, searched whole: in which worlds a proof is admitted at most once, and in which others
//! it is admitted twice, with the steps that lead there.
//!
//! Two guards with clocks of their own, and perhaps with policies of their own, get one proof as often and as late
//! as they like. Its record is on a
//! master and a replica whose clocks differ too; replication lags; the master may be lost or cut off, its
//! replica promoted, the old master resumed; commands and answers take any time, are lost, or are held up.
//! Every order of these steps is tried. `docs/replay.md` says the conditions in prose.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{HashMap, VecDeque};

/// Until when the proof is fresh, on a guard's clock. Small numbers show the same orders as large ones.
const EXPIRES: i8 = 3;

/// When the world ends: after every record and every window.
const LAST: i8 = 6;

/// What is the case in a world.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "conditions that hold or not, each on its own")]
struct World {
    /// How far each guard's clock is ahead.
    guard_clocks: [i8; 2],
    /// By how much longer each guard takes the proof for fresh: they go by different policies while the age is
    /// made longer or shorter, guard by guard.
    longer_ages: [i8; 2],
    /// How far the clocks of the two servers are ahead: a record's end is a date.
    server_clocks: [i8; 2],
    /// By how much a record outlives the proof, beyond the proof's last second.
    margin: i8,
    /// Whether a guard looks at its clock again when the answer is in.
    looks_again: bool,
    /// Whether a record has to be on the replica before it counts.
    waits: bool,
    /// Whether the master may be lost or cut off, and its replica promoted.
    failover: bool,
    /// Whether a lost master may come back as it was, cut off from the rest, and be asked.
    old_master_is_asked: bool,
    /// Whether a master may lose its memory and stay master.
    amnesia: bool,
    /// Whether a guard that can't ask admits by its own memory.
    falls_back: bool,
    /// Whether a guard sends again when it lost the answer.
    sends_again: bool,
}

/// A world in which everything is as the documentation asks for.
const SOUND: World = World {
    guard_clocks: [0, 0],
    longer_ages: [0, 0],
    server_clocks: [0, 0],
    margin: 2,
    looks_again: true,
    waits: true,
    failover: true,
    old_master_is_asked: true,
    amnesia: false,
    falls_back: false,
    sends_again: true,
};

/// One request with the proof, at one guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Request {
    /// Not there yet.
    Idle,
    /// Found fresh at this time of the guard's clock; the command is under way to this server.
    Sent {
        checked: i8,
        server: usize,
    },
    /// The server made the record; the answer waits for the replica, or is under way.
    Made {
        server: usize,
    },
    /// The server had the record; the answer is under way.
    Known,
    /// Refused, or nothing came back.
    Refused,
    Admitted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Server {
    /// Until when it has the record, on its own clock.
    record: Option<i8>,
    up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    time: i8,
    requests: [Request; 2],
    servers: [Server; 2],
    /// Which one is master; the first at the start.
    master: usize,
    /// Whether the master's records still come to the other server.
    replicates: bool,
    failovers: u8,
}

/// What happens, and what is the case then.
type Step = (&'static str, State);

impl State {
    fn start() -> Self {
        let server = Server { record: None, up: true };
        Self {
            time: 0,
            requests: [Request::Idle; 2],
            servers: [server; 2],
            master: 0,
            replicates: true,
            failovers: 0,
        }
    }

    fn admitted(&self) -> usize {
        self.requests.iter().filter(|request| **request == Request::Admitted).count()
    }

    fn has_record(&self, world: &World, server: usize) -> bool {
        self.servers[server].record.is_some_and(|end| self.time + world.server_clocks[server] < end)
    }

    /// All that may happen next.
    fn next(&self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.time < LAST {
            steps.push(("a second passes", Self { time: self.time + 1, ..*self }));
        }
        for guard in 0..2 {
            self.steps_of_request(world, guard, &mut steps);
        }
        self.steps_of_servers(world, &mut steps);
        steps
    }

    fn with_request(&self, guard: usize, request: Request) -> Self {
        let mut next = *self;
        next.requests[guard] = request;
        next
    }

    fn steps_of_request(&self, world: &World, guard: usize, steps: &mut Vec<Step>) {
        let clock = self.time + world.guard_clocks[guard];
        let expires = EXPIRES + world.longer_ages[guard];
        let mut to = |what, request| steps.push((what, self.with_request(guard, request)));
        match self.requests[guard] {
            Request::Idle if (0..=expires).contains(&clock) => {
                for server in 0..2 {
                    let is_asked = server == self.master || (world.old_master_is_asked && self.failovers > 0);
                    if is_asked {
                        let what = ["finds it fresh, asks server 0", "finds it fresh, asks server 1"];
                        to(what[server], Request::Sent { checked: clock, server });
                    }
                }
                if world.falls_back && !self.servers[self.master].up {
                    to("can't ask, admits by its own memory", Request::Admitted);
                }
            }
            Request::Sent { checked, server } if self.takes_records(server) => {
                if self.has_record(world, server) {
                    to("is told that there is a record", Request::Known);
                } else {
                    let mut next = self.with_request(guard, Request::Made { server });
                    // A lifetime, from which the server reckons a date.
                    let life = (expires - checked).max(0) + 1 + world.margin;
                    next.servers[server].record = Some(self.time + world.server_clocks[server] + life);
                    steps.push(("the server makes the record", next));
                }
            }
            Request::Made { server } => {
                let is_late = world.looks_again && clock > expires;
                if self.is_acknowledged(world, server) {
                    let (what, request) = if is_late {
                        ("hears OK too late, refuses", Request::Refused)
                    } else {
                        ("hears OK, admits", Request::Admitted)
                    };
                    to(what, request);
                }
                to("loses the answer, refuses", Request::Refused);
                if world.sends_again {
                    let checked = clock;
                    to("loses the answer, sends again", Request::Sent { checked, server: self.master });
                }
            }
            Request::Known => to("refuses", Request::Refused),
            Request::Idle | Request::Sent { .. } | Request::Refused | Request::Admitted => {}
        }
    }

    /// Whether a server makes records: a master, or one that was cut off as a master and knows of no other.
    fn takes_records(&self, server: usize) -> bool {
        self.servers[server].up && (server == self.master || !self.replicates)
    }

    /// Whether the answer may go out: with enough copies, where that is asked for.
    fn is_acknowledged(&self, world: &World, server: usize) -> bool {
        let other = 1 - server;
        let is_copied = server == self.master && self.replicates && self.servers[other].record.is_some();
        self.servers[server].up && (!world.waits || is_copied)
    }

    fn steps_of_servers(&self, world: &World, steps: &mut Vec<Step>) {
        let (master, replica) = (self.master, 1 - self.master);
        if self.replicates
            && self.servers[master].up
            && self.servers[replica].record != self.servers[master].record
        {
            let mut next = *self;
            // A date goes over, not a lifetime.
            next.servers[replica].record = self.servers[master].record;
            steps.push(("the record comes to the replica", next));
        }
        if world.failover && self.failovers == 0 {
            let mut next = Self { master: replica, replicates: false, failovers: 1, ..*self };
            steps.push(("the master is cut off, its replica promoted", next));
            next.servers[master].up = false;
            steps.push(("the master is lost, its replica promoted", next));
        }
        if self.failovers > 0 && !self.replicates {
            let mut next = Self { replicates: true, ..*self };
            next.servers[replica] = Server { record: self.servers[master].record, up: true };
            steps.push(("the old master becomes a replica of the new one", next));
        }
        if world.amnesia && self.servers[master].record.is_some() {
            let mut next = *self;
            next.servers[master].record = None;
            steps.push(("the master starts again, empty", next));
        }
        if world.falls_back && self.servers[master].up {
            let mut next = *self;
            next.servers[master].up = false;
            steps.push(("the master is down", next));
        }
    }
}

/// Searches all that can happen in `world`: the shortest way to two admissions, if there is one, and how many
/// states there are.
fn search(world: &World) -> (Option<Vec<&'static str>>, usize) {
    let start = State::start();
    let mut came_from: HashMap<State, Option<(State, &'static str)>> = HashMap::from([(start, None)]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        if state.admitted() > 1 {
            let mut way = Vec::new();
            let mut at = state;
            while let Some(Some((before, step))) = came_from.get(&at) {
                way.push(*step);
                at = *before;
            }
            way.reverse();
            return (Some(way), came_from.len());
        }
        for (step, next) in state.next(world) {
            came_from.entry(next).or_insert_with(|| {
                queue.push_back(next);
                Some((state, step))
            });
        }
    }
    (None, came_from.len())
}

/// The age made longer or shorter by so much, with one guard changed and the other not yet, together with clocks
/// of guards in all ways in which they are no farther apart than this.
fn while_the_age_changes(world: World, longer: i8, clocks: i8) -> Vec<World> {
    let in_step = with_clocks(World { longer_ages: [longer, 0], ..world }, clocks, 0);
    [in_step, with_clocks(World { longer_ages: [0, longer], ..world }, clocks, 0)].concat()
}

/// Clocks of guards and servers, in all ways that are not the same with the guards changed about, no two guards
/// and no two servers farther apart than these.
fn with_clocks(world: World, guards: i8, servers: i8) -> Vec<World> {
    let server_clocks = (-servers..=servers).map(|apart| if apart < 0 { [-apart, 0] } else { [0, apart] });
    server_clocks
        .flat_map(|server_clocks| {
            (0..=guards).map(move |apart| World { guard_clocks: [apart, 0], server_clocks, ..world })
        })
        .collect()
}

#[test]
fn a_proof_is_admitted_once_wherever_the_conditions_hold() {
    let alone = World { waits: false, failover: false, old_master_is_asked: false, ..SOUND };
    let conditions = [
        ("one server, guards' clocks apart by the margin", with_clocks(alone, 2, 0)),
        ("a replica that has each record, guards' clocks apart by the margin", with_clocks(SOUND, 2, 0)),
        ("servers' clocks apart by the margin", with_clocks(SOUND, 0, 2)),
        ("both together by the margin", with_clocks(SOUND, 1, 1)),
        ("ages apart by the margin, one server", while_the_age_changes(alone, 2, 0)),
        ("ages apart by the margin", while_the_age_changes(SOUND, 2, 0)),
        ("ages and guards' clocks together by the margin", while_the_age_changes(SOUND, 1, 1)),
    ];
    for (name, worlds) in conditions {
        for world in worlds {
            let (twice, states) = search(&world);
            assert_eq!(twice, None, "{name}: {world:?}");
            assert!(states > 500, "{name}: a search that saw {states} states saw nothing");
        }
    }
}

#[test]
fn where_one_condition_fails_a_proof_is_admitted_twice_and_this_is_how() {
    let alone = World { waits: false, failover: false, old_master_is_asked: false, ..SOUND };
    let cases = [
        (
            "guards' clocks farther apart than the margin",
            World { guard_clocks: [3, 0], ..alone },
            vec!["hears OK, admits", "a second passes", "hears OK, admits"],
        ),
        (
            "an age made shorter or longer by more than the margin, one guard after the other",
            World { longer_ages: [3, 0], ..alone },
            vec!["hears OK, admits", "a second passes", "hears OK, admits"],
        ),
        (
            "the same by the margin, with guards' clocks apart",
            World { longer_ages: [2, 0], guard_clocks: [0, 1], ..alone },
            vec!["hears OK, admits", "a second passes", "hears OK, admits"],
        ),
        (
            "a guard that was stopped, and does not look at its clock again",
            World { looks_again: false, ..alone },
            vec![
                "finds it fresh",
                "hears OK, admits",
                "a second passes",
                "makes the record",
                "hears OK, admits",
            ],
        ),
        (
            "a replica whose clock is ahead by more than the margin",
            World { server_clocks: [0, 3], ..SOUND },
            vec![
                "comes to the replica",
                "hears OK, admits",
                "its replica promoted",
                "asks server 1",
                "hears OK, admits",
            ],
        ),
        (
            "a master that is lost before its record was copied",
            World { waits: false, ..SOUND },
            vec!["hears OK, admits", "its replica promoted", "asks server 1", "hears OK, admits"],
        ),
        (
            "a master that forgets",
            World { amnesia: true, ..alone },
            vec!["hears OK, admits", "starts again, empty", "hears OK, admits"],
        ),
        (
            "guards that admit by their own memory",
            World { falls_back: true, ..alone },
            vec!["the master is down", "admits by its own memory", "admits by its own memory"],
        ),
    ];
    for (name, world, steps) in cases {
        let (way, _) = search(&world);
        let way = way.unwrap_or_else(|| panic!("{name}: never twice, after all"));
        let mut rest = way.iter();
        for step in steps {
            assert!(rest.any(|taken| taken.contains(step)), "{name}: no `{step}` in {way:#?}");
        }
    }
}
