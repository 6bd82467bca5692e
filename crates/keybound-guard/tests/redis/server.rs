//! A `redis-server` of one's own, ended with its handle.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything here may take that a healthy machine does at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `redis-server`.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    arguments: Vec<String>,
}

impl Server {
    /// Starts one without persistence.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let port = free_port();
        Self::start_at(port, &[&["--port", &port.to_string()], arguments].concat())
    }

    /// Starts one that says by its arguments where it listens.
    pub(crate) fn start_at(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let place = folder.to_str().unwrap();
        let common = ["--bind", "127.0.0.1", "--dir", place, "--save", "", "--daemonize", "no"];
        let arguments: Vec<_> = common.iter().chain(arguments).map(ToString::to_string).collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Self::start_from(port, folder.clone(), &arguments)
    }

    /// Starts one with a folder and a file of its own, as a sentinel needs: it writes its file.
    pub(crate) fn start_from(port: u16, folder: PathBuf, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let child = spawn(&arguments);
        let server = Self { child, port, folder, arguments };
        server.wait_until_it_listens();
        server
    }

    /// Starts it again, with its port and its folder.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.arguments);
        self.wait_until_it_listens();
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops the process where it is (SIGSTOP).
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What the server answers to a command, as `redis-cli` prints it.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        ask(self.port, command)
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn wait_until_it_listens(&self) {
        eventually("redis-server listens", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need redis-server: apt-get install redis-server")
}

/// What the server at `port` answers to a command, as `redis-cli` prints it.
pub(crate) fn ask(port: u16, command: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(command)
        .output()
        .expect("these tests need redis-cli: apt-get install redis-server");
    String::from_utf8(output.stdout).unwrap()
}

/// A port that nobody listens at. Each test process takes from a hundred of its own, below those that the system hands
/// out: of these, one that is free now may be that of an outgoing connection before its server asks for it.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    let taken = || first + TAKEN.fetch_add(1, Ordering::Relaxed) % 100;
    std::iter::repeat_with(taken).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Waits for what comes about by itself.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
