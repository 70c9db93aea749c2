//! What people type: the gateway's binary run as they run it, against a gateway that runs as a process of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use gateway::{
    client::Client,
    clock::{Clock, SystemClock},
    config::Config,
    demo::{World, world::GATEWAY},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::process::{Process, binary, connect, free_ports};

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Done {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// The same, of a command that must have been done.
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The JSON of a command that must have been refused.
    pub fn refused(&self) -> Value {
        assert_eq!(self.code, 1, "{self:?}");
        self.json()
    }
}

/// Runs the binary; `input` is its standard input.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)], input: Option<&str>) -> Done {
    let mut child = Command::new(binary())
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A path as an argument.
pub fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

/// A gateway that runs as a process, with its stage.
pub struct Running {
    /// The stage: folders, certificates, keys.
    pub world: World,
    /// The process.
    pub process: Process,
    /// Where members connect.
    pub base: String,
    folder: TempDir,
}

/// A gateway of which everything is left but the process.
pub struct Stopped {
    /// The stage.
    pub world: World,
    base: String,
    folder: TempDir,
}

impl Stopped {
    /// Starts it again, on what lies in its data folder.
    pub async fn start(self) -> Running {
        let Self { world, base, folder } = self;
        let local = Config::load(&world.config()).unwrap().local.to_string();
        let process = Process::start(&world.config(), &local).await;
        Running { world, process, base, folder }
    }

    /// A command of the gateway's own machine.
    pub async fn here(&self, arguments: &[&str]) -> Done {
        let config = self.world.config();
        run(arguments, &[("PASSERELLE_CONFIG", path(&config))], None).await
    }

    /// A place for a file of the test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Running {
    /// `kill -9`: what a lost machine leaves.
    pub async fn kill(self) -> Stopped {
        let Self { world, process, base, folder } = self;
        process.kill().await;
        Stopped { world, base, folder }
    }

    /// Starts one on ports of its own.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = World::create(folder.path(), SystemClock.now()).unwrap();
        let (port, local) = free_ports();
        world.listen(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{local}")).unwrap();
        let process = Process::start(&world.config(), &format!("127.0.0.1:{local}")).await;
        Self { world, process, base: format!("https://localhost:{port}"), folder }
    }

    /// The reference client as a library, acting for one of [`crate::people`].
    pub fn acting(&self, (institution, professional): (&str, &str)) -> Client {
        connect(&self.world, &self.base, institution, professional)
    }

    /// A command of the reference client, typed by one of [`crate::people`] with a fresh token.
    pub async fn by(&self, who: (&str, &str), arguments: &[&str]) -> Done {
        self.by_with(who, arguments, &self.token(who).await, None).await
    }

    /// The same with this token and input.
    pub async fn by_with(&self, (institution, _): (&str, &str), arguments: &[&str], token: &str, input: Option<&str>) -> Done {
        let folder = self.member(institution);
        let (certificate, key, authorities) = (folder.join("certificate.pem"), folder.join("key.pem"), self.world.authorities());
        let environment = [
            ("PASSERELLE_GATEWAY", self.base.as_str()),
            ("PASSERELLE_CERTIFICATE", path(&certificate)),
            ("PASSERELLE_KEY", path(&key)),
            ("PASSERELLE_AUTHORITIES", path(&authorities)),
            ("PASSERELLE_TOKEN", token),
        ];
        run(arguments, &environment, input).await
    }

    /// `gateway token issue`.
    pub async fn token(&self, (institution, professional): (&str, &str)) -> String {
        let folder = self.member(institution);
        let (key, certificate) = (folder.join("token.pem"), folder.join("certificate.pem"));
        let who = ["token", "issue", "--institution", institution, "--professional", professional, "--gateway-id", GATEWAY];
        let with = ["--key", path(&key), "--certificate", path(&certificate)];
        run(&[&who[..], &with].concat(), &[], None).await.done().out.trim().to_owned()
    }

    /// A file with a token for the desk at the gateway's machine: bound to the gateway's own certificate.
    pub async fn desk_token(&self, (institution, professional): (&str, &str)) -> PathBuf {
        let (key, certificate) = (self.member(institution).join("token.pem"), self.world.folder.join("tls/certificate.pem"));
        let who = ["token", "issue", "--institution", institution, "--professional", professional, "--gateway-id", GATEWAY];
        let with = ["--key", path(&key), "--certificate", path(&certificate)];
        let token = run(&[&who[..], &with].concat(), &[], None).await.done().out;
        let file = self.file(&format!("desk-{institution}-{professional}.jwt"));
        std::fs::write(&file, token).unwrap();
        file
    }

    /// A command of the gateway's own machine, by somebody whom a token for the desk names.
    pub async fn at_the_desk(&self, who: (&str, &str), arguments: &[&str]) -> Done {
        let token = self.desk_token(who).await;
        self.here(&[arguments, &["--token", path(&token), "--json"]].concat()).await
    }

    /// A command of the gateway's own machine.
    pub async fn here(&self, arguments: &[&str]) -> Done {
        let config = self.world.config();
        run(arguments, &[("PASSERELLE_CONFIG", path(&config))], None).await
    }

    /// Folder of a member: `certificate.pem`, `key.pem`, `token.pem`.
    pub fn member(&self, institution: &str) -> PathBuf {
        self.world.folder.join("members").join(institution)
    }

    /// A place for a file of the test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Waits until something holds, ten seconds at most.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}

/// Every file below a folder, in the order of their names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}
