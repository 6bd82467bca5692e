//! A run of the program that serves until it is dropped, and tells where in its first line.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitStatus};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::Workspace;

pub(crate) struct Serving {
    child: Child,
    log: Option<JoinHandle<String>>,
    /// Its first line.
    pub(crate) told: Value,
}

impl Serving {
    /// Starts `verb`, at a free port unless `arguments` say where, and waits for its first line.
    pub(crate) fn start(workspace: &Workspace, verb: &str, arguments: &[&str]) -> Self {
        let free = ["--listen", "127.0.0.1:0"];
        let listen = if arguments.contains(&"--listen") { &[][..] } else { &free[..] };
        let mut child = workspace.command(&[&[verb], listen, arguments].concat()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        // Read from the start: a full pipe would stop it.
        let log = thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        match serde_json::from_str(&line) {
            Ok(told) => Self { child, log: Some(log), told },
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{error}: {line:?} {}", log.join().unwrap())
            }
        }
    }

    /// Host and port of the URL that it tells by this name.
    pub(crate) fn address(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap().split_once("://").unwrap().1
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = ["-s", name, &self.child.id().to_string()];
        assert!(Command::new("kill").args(kill).status().unwrap().success());
    }

    /// Signals it; how it ended, and all that it logged.
    pub(crate) fn signal_and_wait(mut self, name: &str) -> (ExitStatus, String) {
        self.signal(name);
        let status = self.child.wait().unwrap();
        (status, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
