//! A gateway as a process of its own: what can be killed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use gateway::{
    client::{self, Client, Credentials},
    clock::{Clock, SystemClock},
    demo::{World, world::GATEWAY},
    token,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// A running `gateway serve`.
pub struct Process {
    child: Child,
    local: String,
}

impl Process {
    /// Starts `gateway serve` and waits until it says that it is ready.
    pub async fn start(config: &Path, local: &str) -> Self {
        Self::start_with(config, local, &[]).await
    }

    /// The same, with variables of the environment.
    pub async fn start_with(config: &Path, local: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_program(&binary(), config, local, environment).await
    }

    /// The same of another program that is started and answers like the gateway.
    pub async fn start_program(program: &Path, config: &Path, local: &str, environment: &[(&str, &str)]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(config.with_file_name("gateway.log")).unwrap();
        let child = Command::new(program)
            .args(["serve", "--config"])
            .arg(config)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut process = Self { child, local: local.to_owned() };
        for _ in 0..400 {
            if process.get("/health/ready").await.is_some_and(|answer| answer.contains("\"ready\":true")) {
                return process;
            }
            if process.child.try_wait().unwrap().is_some() {
                let log = std::fs::read_to_string(config.with_file_name("gateway.log")).unwrap_or_default();
                panic!("the gateway stopped: {}", log.lines().last().unwrap_or("its log is empty"));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the gateway is not ready");
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until something else has killed it, for at most ten seconds; kills it otherwise. Says whether it was.
    pub async fn died(mut self) -> bool {
        let died = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.is_ok();
        self.kill().await;
        died
    }

    /// SIGTERM, and waits for the drain.
    pub async fn stop(self) {
        Command::new("kill").arg(self.id().to_string()).status().await.unwrap();
        self.ended().await;
    }

    /// Waits until it has ended by itself, in order.
    pub async fn ended(mut self) {
        assert!(self.child.wait().await.unwrap().success());
    }

    /// Id of the process.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// What the local port answers.
    pub async fn get(&self, path: &str) -> Option<String> {
        plain(&self.local, path).await
    }
}

/// What a port answers that speaks plain HTTP; nothing when it does not.
pub async fn plain(address: &str, path: &str) -> Option<String> {
    let mut socket = tokio::net::TcpStream::connect(address).await.ok()?;
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

/// Two neighbouring ports that are free now, below those that the system gives to outgoing connections: nobody takes
/// them between this look and the start of the gateway.
pub fn free_ports() -> (u16, u16) {
    use ring::rand::{SecureRandom, SystemRandom};
    loop {
        let mut random = [0; 2];
        SystemRandom::new().fill(&mut random).unwrap();
        let port = 20_000 + u16::from_le_bytes(random) % 12_000;
        let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 1) {
            return (port, port + 1);
        }
    }
}

/// An empty PostgreSQL database.
pub fn postgres() -> String {
    let server = postgres_dev::Server::shared().unwrap_or_else(|fault| panic!("{fault}"));
    server.database().unwrap_or_else(|fault| panic!("{fault}"))
}

/// The gateway's binary, built beside the tests.
pub fn binary() -> PathBuf {
    program("gateway")
}

/// A binary of this workspace, built beside the tests.
pub fn program(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    // A test stands in `deps`, one folder below; the load generator beside it.
    let found = me.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|binary| binary.is_file());
    found.unwrap_or_else(|| panic!("no `{name}` beside {}: build it with `cargo build --bin {name}`", me.display()))
}

/// A member's connection to the gateway at `base`, acting for one of its professionals by the wall clock.
pub fn connect(world: &World, base: &str, institution: &str, professional: &str) -> Client {
    let folder = world.folder.join("members").join(institution);
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let credentials = Credentials { certificate: &certificate, key: &key, authorities: &world.authorities() };
    Client::new(base, &credentials).unwrap().with_token(token(world, institution, professional))
}

/// A token of a professional, bound to the member's certificate, good for ten minutes of the wall clock.
pub fn token(world: &World, institution: &str, professional: &str) -> String {
    let folder = world.folder.join("members").join(institution);
    let wanted = token::Wanted {
        issuer: &format!("urn:passerelle:institution:{institution}"),
        subject: professional,
        audience: &format!("urn:passerelle:gateway:{GATEWAY}"),
        certificate_thumbprint: client::thumbprint(&folder.join("certificate.pem")).unwrap(),
        jti: &client::new_key().unwrap(),
        now: SystemClock.now(),
        life: 600,
    };
    token::issue(&std::fs::read_to_string(folder.join("token.pem")).unwrap(), &wanted).unwrap()
}
