//! Runs the program as its users do: in a folder of its own, with an environment of its own.

#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod received;
pub(crate) mod serving;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use url::Url;

pub(crate) const USERS: &str = "/api/v1/users";
pub(crate) const SCOPE: &str = "okta.users.read";

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// How a run ends that is under way.
    pub(crate) fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The JSON that it printed, having succeeded.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The program failed with this code, and told what, why and what to do in these words.
    pub(crate) fn assert_failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        for words in words {
            assert!(self.stderr.contains(words), "{words} is not in {self:?}");
        }
        assert_eq!(token_or_key(&self.stderr), None, "{self:?}");
    }
}

/// What looks like a token, a proof or a key in a text. A thumbprint may begin with anything, and have anything in it;
/// it is shorter than they are.
pub(crate) fn token_or_key(text: &str) -> Option<&str> {
    let is_of_base64 = |character: char| character.is_ascii_alphanumeric() || "+/-_".contains(character);
    let mut words = text.split(|character| !is_of_base64(character)).filter(|word| word.len() > 43);
    words.find(|word| ["eyJ", "MII", "MIG"].iter().any(|begin| word.starts_with(begin)))
}

impl Ended {
    /// The command line was not understood.
    pub(crate) fn assert_usage(&self) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.stderr.contains("--help"), "{self:?}");
    }
}

/// A folder that is home and working folder of the program.
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// As a private key has to be.
    #[cfg(unix)]
    pub(crate) fn make_private(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt as _;

        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[cfg(not(unix))]
    pub(crate) fn make_private(&self, _name: &str) {}

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keybound"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[], "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Ended {
        let mut child = self.command(arguments).envs(environment.iter().copied()).spawn().unwrap();
        // It may end without reading all.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ended::of(child)
    }
}

/// A local org that runs until it is dropped.
pub(crate) struct Org {
    child: Child,
    data: PathBuf,
    pub(crate) url: String,
    pub(crate) ca_file: Option<String>,
    pub(crate) admin_token: String,
    pub(crate) console_url: String,
}

impl Org {
    /// Over plain http, which needs no certificate authority.
    pub(crate) fn start(workspace: &Workspace) -> Self {
        Self::start_with(workspace, &["--http"])
    }

    pub(crate) fn start_with(workspace: &Workspace, flags: &[&str]) -> Self {
        let data = workspace.path("org-data");
        let mut arguments = vec!["org", "start", "--listen", "127.0.0.1:0", "--data", text(&data)];
        arguments.extend(flags);
        let mut child = workspace.command(&arguments).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let member = |name: &str| told[name].as_str().map(str::to_owned);
        Self {
            child,
            data,
            url: member("url").unwrap(),
            ca_file: member("ca_file"),
            admin_token: member("admin_token").unwrap(),
            console_url: member("console_url").unwrap(),
        }
    }

    /// Registers an app while the org runs; its client id comes back.
    pub(crate) fn create_app(&self, workspace: &Workspace, public_jwk: &Path, dpop: &str) -> String {
        let created = workspace.run(&[
            "org",
            "app",
            "create",
            "--data",
            text(&self.data),
            "--label",
            "An app",
            "--public-jwk",
            text(public_jwk),
            "--scope",
            SCOPE,
            "--role",
            "READ_ONLY_ADMIN",
            "--dpop",
            dpop,
        ]);
        created.json()["client_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn data(&self) -> &str {
        text(&self.data)
    }

    /// What it logs from here on; whoever takes it has to read it to its end.
    pub(crate) fn stderr(&mut self) -> impl std::io::Read + use<> {
        self.child.stderr.take().unwrap()
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A workspace whose `.env` fits a running org; its app requires proofs.
pub(crate) struct Service {
    pub(crate) workspace: Workspace,
    pub(crate) org: Org,
    pub(crate) client_id: String,
}

impl Service {
    /// Over plain http.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--http"])
    }

    pub(crate) fn start_with(flags: &[&str]) -> Self {
        let workspace = Workspace::new();
        let org = Org::start_with(&workspace, flags);
        let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let client_id = org.create_app(&workspace, &workspace.path("cc_public_key.json"), "required");
        let service = Self { workspace, org, client_id };
        service.workspace.write(".env", &service.settings());
        service
    }

    /// A `.env` by the names of Okta's samples.
    pub(crate) fn settings(&self) -> String {
        format!(
            "OKTA_ORG_URL={}\nOKTA_CLIENT_ID={}\nOKTA_SCOPES={SCOPE}\nOKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\n",
            self.org.url, self.client_id
        )
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A request over plain http, and its whole answer.
pub(crate) fn exchange(method: &str, url: &str, fields: &str, body: &str) -> String {
    let url = Url::parse(url).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let target = &url[url::Position::BeforePath..];
    let mut stream = TcpStream::connect(&host).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
