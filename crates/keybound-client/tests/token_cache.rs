//! Tokens that outlive a process, in files.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]

mod scripted;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use keybound::proof::DpopKey;
use keybound::{Algorithm, NumericDate, PrivateKey, SigningKey};
use keybound_client::{CacheKey, CacheLock, CachedToken, FileTokenCache, Sleep, TokenCache, TokioTimer};
use scripted::{Asked, Differently, NOW, Rig, Server, answer, challenge, grant, refuse};
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// A folder for a cache, with a key.
struct Folder {
    _parent: TempDir,
    path: PathBuf,
    key: DpopKey,
}

fn dpop_key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

impl Folder {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        Self { path: parent.path().join("tokens"), _parent: parent, key: dpop_key() }
    }

    fn cache(&self) -> Arc<FileTokenCache> {
        Arc::new(FileTokenCache::open(&self.path).unwrap())
    }

    /// A client as a new process would make it.
    fn rig(&self, origin: &str) -> Rig {
        self.rig_at(origin, NOW)
    }

    fn rig_at(&self, origin: &str, clock: NumericDate) -> Rig {
        let (key, cache): (_, Arc<dyn TokenCache>) = (self.key.clone(), self.cache());
        Rig::with(origin, Differently { key, cache: Some(cache), clock, ..Differently::default() })
    }

    /// The file with the token.
    fn file(&self) -> PathBuf {
        self.files("json").pop().expect("a token is kept")
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Grants `token-0`, `token-1`, … after a nonce challenge for each proof without a nonce; lets every call
/// through whose nonce is there.
async fn server() -> Server {
    Server::start(|asked| {
        let nonce = [("dpop-nonce", if asked.is_for_token() { "as-nonce" } else { "rs-nonce" })];
        match (asked.is_for_token(), asked.nonce()) {
            (true, None) => refuse(400, "use_dpop_nonce", &nonce),
            (false, None) => challenge("use_dpop_nonce", &nonce),
            (true, Some(_)) => numbered(asked),
            (false, Some(_)) => answer(200, &[], ""),
        }
    })
    .await
}

fn numbered(asked: &Asked) -> http::Response<String> {
    grant(&format!("token-{}", asked.before), "DPoP")
}

async fn secret(rig: &Rig) -> String {
    rig.client.tokens().token().await.unwrap().secret().to_owned()
}

#[tokio::test]
async fn a_token_and_its_nonces_outlive_the_process() {
    let (tokens, resource, folder) = (server().await, server().await, Folder::new());
    let first = folder.rig(&tokens.origin);
    first.get(&resource.url("/api")).await.unwrap();
    first.client.tokens().save().await;
    assert_eq!((tokens.asked().len(), resource.asked().len()), (2, 2), "each server asks for its nonce");

    let second = folder.rig(&tokens.origin);
    second.get(&resource.url("/api")).await.unwrap();
    assert_eq!(tokens.asked().len(), 2, "the token is there");
    assert_eq!(resource.asked().len(), 3, "and so is the nonce");
    let call = resource.called().pop().unwrap();
    assert_eq!((call.authorization(), call.nonce().as_deref()), ("DPoP token-1", Some("rs-nonce")));
    call.check_proof(&resource.origin, Some("token-1"), &folder.key).unwrap();

    let third = folder.rig(&tokens.origin);
    let old = third.client.tokens().token().await.unwrap();
    assert_eq!(old.expires_at(), Some(NOW.after(Duration::from_secs(3600))));
    third.client.tokens().renew(&old).await.unwrap();
    assert_eq!(tokens.asked().len(), 3, "a nonce of the authorization server, too: no challenge");
}

#[tokio::test]
async fn nobody_else_can_reach_what_is_kept_and_it_holds_no_key() {
    let (server, folder) = (server().await, Folder::new());
    secret(&folder.rig(&server.origin)).await;
    assert_eq!(mode(&folder.path), 0o700);
    for ending in ["json", "lock"] {
        assert_eq!(folder.files(ending).len(), 1, "{ending}");
        assert_eq!(mode(&folder.files(ending)[0]), 0o600, "{ending}");
    }
    assert!(folder.files("tmp").is_empty());
    let text = fs::read_to_string(folder.file()).unwrap();
    assert!(text.contains("token-1") && text.contains(&folder.key.thumbprint().to_string()));
    assert!(!text.contains("\"d\"") && !text.contains("PRIVATE"));
}

#[tokio::test]
async fn what_can_not_be_trusted_is_passed_over_and_replaced() {
    type Change = fn(&Folder, &Path);
    let cases: [(Change, &str); 14] = [
        (|_, path| set_mode(path, 0o644), "others can read it"),
        (|_, path| set_mode(path, 0o620), "others can write it"),
        (|_, path| fs::write(path, "").unwrap(), "empty"),
        (|_, path| fs::write(path, "{").unwrap(), "half of it"),
        (|_, path| fs::write(path, [0xff; 9]).unwrap(), "no text"),
        (|_, path| fs::write(path, vec![b' '; 10_000_000]).unwrap(), "endless"),
        (|_, path| edit(path, "\"version\":1", "\"version\":9"), "another version"),
        (|_, path| edit(path, "token-0", "to\\r\\nken"), "a token that would add a header field"),
        (
            |folder, path| {
                edit(path, &folder.key.thumbprint().to_string(), &dpop_key().thumbprint().to_string());
            },
            "bound to another key",
        ),
        (|_, path| edit(path, "\"granted_at\":784111777", "\"granted_at\":784112000"), "from the future"),
        (
            |_, path| {
                edit(path, "\"granted_at\":784111777", "\"granted_at\":784108200");
                edit(path, "\"expires_at\":784115377", "\"expires_at\":784111800");
            },
            "about to expire",
        ),
        (
            |_, path| edit(path, "\"expires_at\":784115377", "\"expires_at\":1"),
            "expired before it was granted",
        ),
        (
            |folder, path| {
                let elsewhere = folder.path.join("elsewhere");
                fs::rename(path, &elsewhere).unwrap();
                std::os::unix::fs::symlink(elsewhere, path).unwrap();
            },
            "a link",
        ),
        (
            |_, path| {
                fs::remove_file(path).unwrap();
                assert!(Command::new("mkfifo").arg("-m600").arg(path).status().unwrap().success());
            },
            "a pipe, whose reader would wait forever",
        ),
    ];
    for (change, why) in cases {
        let (server, folder) = (Server::start(numbered).await, Folder::new());
        secret(&folder.rig(&server.origin)).await;
        assert_eq!(secret(&folder.rig(&server.origin)).await, "token-0", "{why}: it is used as it was");
        change(&folder, &folder.file());
        assert_eq!(secret(&folder.rig(&server.origin)).await, "token-1", "{why}: not used");
        assert_eq!(secret(&folder.rig(&server.origin)).await, "token-1", "{why}: replaced");
        assert_eq!(mode(&folder.file()), 0o600, "{why}");
        assert!(folder.file().symlink_metadata().unwrap().is_file(), "{why}");
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[tokio::test]
async fn a_token_of_a_wrong_clock_is_not_used() {
    let hours = |hours: u64| Duration::from_secs(3600 * hours);
    for (clock, exchanges, why) in [
        (NOW.after(Duration::from_secs(1800)), 1, "half an hour later"),
        (NOW.before(Duration::from_secs(3)), 1, "clocks that are as good as equal"),
        (NOW.before(hours(2)), 2, "the clock was set back: nobody knows how old the token is"),
        (NOW.after(hours(2)), 2, "it has expired"),
    ] {
        let (server, folder) = (Server::start(numbered).await, Folder::new());
        secret(&folder.rig(&server.origin)).await;
        secret(&folder.rig_at(&server.origin, clock)).await;
        assert_eq!(server.asked().len(), exchanges, "{why}");
    }
}

#[test]
fn a_folder_that_others_can_reach_is_refused() {
    let folder = Folder::new();
    drop(folder.cache());
    for bits in [0o755, 0o770, 0o701] {
        set_mode(&folder.path, bits);
        let error = FileTokenCache::open(&folder.path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{bits:o}");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
    set_mode(&folder.path, 0o700);
    FileTokenCache::open(&folder.path).unwrap();
    let file = folder.path.join("file");
    fs::write(&file, "").unwrap();
    assert!(FileTokenCache::open(file).is_err(), "a file is no folder");
}

#[tokio::test]
async fn a_token_that_a_resource_refused_is_forgotten() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let server = Server::start(move |asked| {
        if is_down.load(Ordering::Relaxed) { answer(503, &[], "down") } else { numbered(asked) }
    })
    .await;
    let folder = Folder::new();
    let rig = folder.rig(&server.origin);
    let refused = rig.client.tokens().token().await.unwrap();
    down.store(true, Ordering::Relaxed);
    rig.client.tokens().renew(&refused).await.unwrap_err();
    assert!(folder.files("json").is_empty(), "no other process gets it");
    down.store(false, Ordering::Relaxed);
    assert_eq!(secret(&folder.rig(&server.origin)).await, "token-2");
}

#[tokio::test]
async fn what_another_process_renewed_is_taken_without_an_exchange() {
    let (server, folder) = (Server::start(numbered).await, Folder::new());
    let (one, other) = (folder.rig(&server.origin), folder.rig(&server.origin));
    let refused = one.client.tokens().token().await.unwrap();
    let same = other.client.tokens().token().await.unwrap();
    assert_eq!(server.asked().len(), 1);
    assert_eq!(one.client.tokens().renew(&refused).await.unwrap().secret(), "token-1");
    assert_eq!(other.client.tokens().renew(&same).await.unwrap().secret(), "token-1", "by the other one");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn another_key_is_another_token_and_a_bearer_token_is_never_written() {
    let server = Server::start(|asked| {
        grant(
            &format!("token-{}", asked.before),
            if asked.headers.contains_key("dpop") { "DPoP" } else { "Bearer" },
        )
    })
    .await;
    let folder = Folder::new();
    let cache: Arc<dyn TokenCache> = folder.cache();
    let bearer = Rig::with(
        &server.origin,
        Differently { bearer: true, cache: Some(Arc::clone(&cache)), ..Differently::default() },
    );
    secret(&bearer).await;
    bearer.client.tokens().save().await;
    assert_eq!(fs::read_dir(&folder.path).unwrap().count(), 0, "nothing at all");
    for expected in ["token-1", "token-2"] {
        let differently = Differently { cache: Some(Arc::clone(&cache)), ..Differently::default() };
        assert_eq!(secret(&Rig::with(&server.origin, differently)).await, expected);
    }
    assert_eq!(folder.files("json").len(), 2);
}

#[tokio::test]
async fn ten_sources_over_one_folder_make_one_exchange() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start_gated(Arc::clone(&gate), numbered).await;
    let folder = Folder::new();
    let rigs: Vec<_> = (0..10)
        .map(|_| {
            let cache: Arc<dyn TokenCache> = folder.cache();
            Rig::with(
                &server.origin,
                Differently {
                    key: folder.key.clone(),
                    cache: Some(cache),
                    timer: Some(Arc::new(TokioTimer)),
                    ..Differently::default()
                },
            )
        })
        .collect();
    let everybody = join_all(rigs.iter().map(secret));
    let answered = async {
        scripted::until(async || server.asked().len() == 1).await;
        gate.add_permits(10);
    };
    let (secrets, ()) = tokio::join!(everybody, answered);
    assert!(secrets.iter().all(|secret| secret == "token-0"), "{secrets:?}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_lock_holder_that_hangs_is_passed_by() {
    let (server, folder) = (Server::start(numbered).await, Folder::new());
    let rig = folder.rig(&server.origin);
    let token = rig.client.tokens().token().await.unwrap();
    fs::remove_file(folder.file()).unwrap();
    let lock = fs::File::open(&folder.files("lock")[0]).unwrap();
    lock.lock().unwrap();
    rig.client.tokens().renew(&token).await.unwrap();
    let waited: Duration = rig.timer.noted().iter().sum();
    assert_eq!(waited, Duration::from_secs(10), "bounded, and by the timer");
    assert_eq!(server.asked().len(), 2);
    assert_eq!(folder.files("json").len(), 1, "what it got is kept all the same");

    drop(lock);
    let again = folder.rig(&server.origin);
    secret(&again).await;
    assert!(again.timer.noted().is_empty(), "a holder that is gone is no problem");
}

/// A cache of which nothing works.
struct Broken;

impl TokenCache for Broken {
    fn load(&self, _: &CacheKey) -> io::Result<Option<CachedToken>> {
        Err(io::Error::other("load"))
    }
    fn store(&self, _: &CacheKey, _: &CachedToken) -> io::Result<()> {
        panic!("store")
    }
    fn forget(&self, _: &CacheKey) -> io::Result<()> {
        Err(io::Error::other("forget"))
    }
    fn try_lock(&self, _: &CacheKey) -> io::Result<Option<CacheLock>> {
        Err(io::Error::other("lock"))
    }
}

#[tokio::test]
async fn a_cache_that_is_broken_does_no_harm() {
    let server = Server::start(numbered).await;
    let rig =
        Rig::with(&server.origin, Differently { cache: Some(Arc::new(Broken)), ..Differently::default() });
    let token = rig.client.tokens().token().await.unwrap();
    assert_eq!(rig.client.tokens().renew(&token).await.unwrap().secret(), "token-1");
    rig.client.tokens().save().await;
    assert!(rig.timer.noted().is_empty(), "nobody waits for a lock that can't be had");
}

#[test]
fn what_died_half_way_is_swept_away() {
    let folder = Folder::new();
    drop(folder.cache());
    let (old, new) = (folder.path.join("old.tmp"), folder.path.join("new.tmp"));
    for path in [&old, &new] {
        fs::write(path, "half").unwrap();
    }
    let hours_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
    fs::File::options().write(true).open(&old).unwrap().set_modified(hours_ago).unwrap();
    drop(folder.cache());
    assert!(!old.exists() && new.exists());
}

/// Tells the child process of the next test where to go: origin, folder and file of the key.
const CHILD: &str = "KEYBOUND_TEST_TOKEN_CACHE_CHILD";

/// Not a test by itself: a process of the test below.
#[tokio::test]
async fn a_process_of_its_own() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let [origin, folder, key] = told.split('\n').collect::<Vec<_>>().try_into().unwrap();
    let private = PrivateKey::from_pem(&fs::read_to_string(key).unwrap()).unwrap();
    let key = DpopKey::new(Arc::new(SigningKey::new(private, Algorithm::ES256).unwrap()));
    let cache: Arc<dyn TokenCache> = Arc::new(FileTokenCache::open(folder).unwrap());
    let timer: Arc<dyn Sleep> = Arc::new(TokioTimer);
    let differently = Differently { key, cache: Some(cache), timer: Some(timer), ..Differently::default() };
    println!("secret: {}", secret(&Rig::with(origin, differently)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_make_one_exchange() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start_gated(Arc::clone(&gate), numbered).await;
    let folder = Folder::new();
    let pem = folder.path.with_extension("pem");
    fs::write(&pem, SigningKey::generate(Algorithm::ES256).unwrap().private_key().to_pkcs8_pem().unwrap())
        .unwrap();
    let told = format!("{}\n{}\n{}", server.origin, folder.path.display(), pem.display());
    let processes: Vec<_> = (0..4)
        .map(|_| {
            let told = told.clone();
            tokio::task::spawn_blocking(move || {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "a_process_of_its_own", "--nocapture"])
                    .env(CHILD, told)
                    .output()
                    .unwrap()
            })
        })
        .collect();
    scripted::until(async || !server.asked().is_empty()).await;
    gate.add_permits(10);
    for process in processes {
        let output = process.await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("secret: token-0"), "{text}");
    }
    assert_eq!(server.asked().len(), 1);
}
