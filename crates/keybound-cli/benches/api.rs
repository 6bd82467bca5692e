//! What runs of the program cost that many scripts are made of: one call with a token of the cache, and a list of a
//! million users.
//!
//! The call goes to the local org, over plain http and over TLS: by the org's own certificate authority, and as if that
//! were one of the system's, all of which have to be read then. Beside it, in turns, run `keybound --version`, below which no run can be, and, if it is there, curl that makes the same call with
//! a Bearer token. The list comes from a thread that gives out one page of 200 users 5,000 times.
//!
//! Of each run the time from its start to its end is taken by the clock, the time that it had a processor and the most
//! memory that it had resident as the kernel counts them (`wait4`). The server's time, and its waits for a processor,
//! are within the time by the clock.
//!
//! `cargo bench -p keybound-cli --bench api`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark may panic")]

#[path = "../tests/long_list/mod.rs"]
mod long_list;
#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use long_list::{LongList, USERS_PER_PAGE};
use support::{SCOPE, Service, USERS};
use wait4::Wait4 as _;

/// Runs of each command, of which the median is taken.
const TURNS: usize = 41;
/// Where most Linux systems keep their certificate authorities: each by itself, and all in `ca-certificates.crt`.
const SYSTEM_FOLDER: &str = "/etc/ssl/certs";
/// Pages of the long list: a million users.
const PAGES: usize = 5_000;

fn main() {
    println!("{:<58} {:>10} {:>12} {:>12}", "", "clock", "processor", "resident");
    for (scheme, flags) in [("http", &["--http"][..]), ("https", &[])] {
        one_call(scheme, &Service::start_with(flags));
    }
    a_million_users();
}

/// What one run took.
struct Run {
    clock: Duration,
    processor: Duration,
    /// In bytes.
    resident: u64,
}

fn one_call(scheme: &str, service: &Service) {
    let key = service.workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]);
    assert_eq!(key.code, Some(0), "{key:?}");
    let by_system = ["api", USERS, "--dpop-private-key-file", "dpop_private_key.pem"];
    let call = [&by_system[..], &authority(service)].concat();
    // The token, and whatever the system reads from its disk.
    assert_eq!(service.workspace.run(&call).code, Some(0));
    let mut commands: Vec<(String, Box<dyn Fn() -> Command + '_>)> = vec![
        ("keybound --version".to_owned(), Box::new(|| service.workspace.command(&["--version"]))),
        (format!("keybound api {USERS}, {scheme}"), Box::new(|| service.workspace.command(&call))),
    ];
    if let Some(bundle) = bundle_of_system(service) {
        let call = move || {
            let mut command = service.workspace.command(&by_system);
            command.env("SSL_CERT_FILE", &bundle).env("SSL_CERT_DIR", SYSTEM_FOLDER);
            command
        };
        commands.push((format!("the same, {scheme}, by the system's authorities"), Box::new(call)));
    }
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let token = bearer_token(service);
        commands.push((format!("curl, {scheme}"), Box::new(move || curl(service, &token))));
    }
    let runs: Vec<Vec<Run>> =
        (0..TURNS).map(|_| commands.iter().map(|(_, command)| run(command())).collect()).collect();
    for (column, (name, _)) in commands.iter().enumerate() {
        tell(name, &runs.iter().map(|turn| &turn[column]).collect::<Vec<_>>());
    }
}

/// The flag that says whom to trust, where there is anybody to be trusted.
fn authority(service: &Service) -> Vec<&str> {
    service.org.ca_file.iter().flat_map(|file| ["--ca-file", file]).collect()
}

/// The certificate authorities of the system, and among them the org's.
fn bundle_of_system(service: &Service) -> Option<PathBuf> {
    let org = fs::read_to_string(service.org.ca_file.as_ref()?).unwrap();
    let system = fs::read_to_string(format!("{SYSTEM_FOLDER}/ca-certificates.crt")).ok()?;
    Some(service.workspace.write("system.pem", &(system + &org)))
}

/// A token of another app, which asks for no proofs: curl makes none.
fn bearer_token(service: &Service) -> String {
    let id = service.org.create_app(&service.workspace, &service.workspace.path("cc_public_key.json"), "off");
    let ask = ["token", "--no-dpop", "--client-id", &id];
    let told = service.workspace.run(&[&ask[..], &authority(service)].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    told.stdout.trim().to_owned()
}

fn curl(service: &Service, token: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--header", &format!("Authorization: Bearer {token}")]);
    command.args(service.org.ca_file.iter().flat_map(|file| ["--cacert", file]));
    command.arg(format!("{}{USERS}", service.org.url));
    command
}

/// A list as a script reads it, raw and typed.
#[allow(clippy::naive_bytecount, reason = "the lines are counted by this process, which is not measured")]
fn a_million_users() {
    let list = LongList::start(PAGES);
    for arguments in [&["api", USERS, "--paginate", "--ndjson"][..], &["users", "list", "--ndjson"]] {
        let mut command = list.workspace.command(&[arguments, &["--scope", SCOPE]].concat());
        let began = Instant::now();
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let (mut lines, mut piece) = (0, vec![0; 64 * 1024]);
        let mut stdout = child.stdout.take().unwrap();
        loop {
            match stdout.read(&mut piece).unwrap() {
                0 => break,
                length => lines += piece[..length].iter().filter(|byte| **byte == b'\n').count(),
            }
        }
        let used = child.wait4().unwrap();
        assert!(used.status.success() && lines == PAGES * USERS_PER_PAGE, "{lines} lines, {used:?}");
        let name = format!("keybound {}, a million", arguments.join(" "));
        tell(&name, &[&Run::of(began.elapsed(), &used.rusage)]);
    }
}

fn run(mut command: Command) -> Run {
    let began = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let used = child.wait4().unwrap();
    let clock = began.elapsed();
    assert!(used.status.success(), "{command:?}: {used:?}");
    Run::of(clock, &used.rusage)
}

impl Run {
    fn of(clock: Duration, used: &wait4::ResourceUsage) -> Self {
        Self { clock, processor: used.utime + used.stime, resident: used.maxrss }
    }
}

fn tell(name: &str, runs: &[&Run]) {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{name:<58} {:>7.1} ms {:>9.1} ms {:>8.1} MiB",
        millis(median(runs.iter().map(|run| run.clock).collect())),
        millis(median(runs.iter().map(|run| run.processor).collect())),
        f64::from(u32::try_from(median(runs.iter().map(|run| run.resident).collect()) / 1024).unwrap())
            / 1024.0,
    );
}

fn median<T: Ord + Copy>(mut figures: Vec<T>) -> T {
    figures.sort_unstable();
    figures[figures.len() / 2]
}
