//! The demonstration: a development PKI, a gateway, pretend partners as processes of their own, and the whole story in
//! French on real sockets. Nothing here is reachable from a production build.

pub mod envelopes;
mod partner;
mod partners;
mod portal;
pub mod requests;
mod story;
pub mod world;

use std::{
    io::Write,
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};

use clap::Args;
use tokio::process::{Child, Command};

pub use envelopes::SECRETS;
pub use partner::{Answer, Partner};
pub use world::World;

use crate::{
    clock::{Clock, SystemClock},
    commands::{CommandFault, run::stop_signal},
};

/// `gateway demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Tell only the summary
    #[arg(long)]
    pub quiet: bool,
    /// End after the story instead of staying up until Ctrl-C
    #[arg(long)]
    pub no_wait: bool,
    /// Folder of the stage; a new one in the system's temporary folder when absent
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Port of the pretend gateway
    #[arg(long, default_value_t = 18443)]
    pub port: u16,
}

/// Why the demonstration did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoFault {
    /// A file of the stage.
    #[error("file of the stage")]
    File(#[source] std::io::Error),
    /// A process did not run.
    #[error("process")]
    Process(#[source] std::io::Error),
    /// The development PKI.
    #[error("development PKI: {0}")]
    Pki(String),
    /// The story took another turn than it must.
    #[error("{0}")]
    Story(String),
}

impl DemoFault {
    fn pki(error: impl std::fmt::Display) -> Self {
        Self::Pki(error.to_string())
    }
}

/// Plays the whole story; exit code 0 when it went as it must.
///
/// # Errors
/// [`CommandFault::Gateway`] with the scene that went wrong.
pub async fn play(options: Demo) -> Result<ExitCode, CommandFault> {
    let fault = |e: DemoFault| {
        let cause = std::error::Error::source(&e).map(|cause| format!(": {cause}")).unwrap_or_default();
        CommandFault::Gateway(format!("demonstration: {e}{cause}"))
    };
    let folder = options.folder.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("passerelle-demo-{}", uuid::Uuid::now_v7())));
    if folder.exists() && std::fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(CommandFault::file(&folder, &"the stage is built in an empty folder: remove it, or name another one"));
    }
    let voice = Voice { quiet: options.quiet };
    voice.say(&format!("Décor : autorités de développement, annuaire fictif et clés dans {}", folder.display()));
    let world = World::create(&folder, SystemClock.now()).map_err(fault)?;
    let listen = format!("127.0.0.1:{}", options.port);
    let local = format!("127.0.0.1:{}", options.port + 1);
    world.listen(&listen, &local).map_err(fault)?;
    let origin = format!("https://localhost:{}", options.port);
    let _provider = portal::open(&world, &origin, SystemClock.now()).await.map_err(fault)?;
    let mut stage = Stage { world, gateway: format!("https://localhost:{}", options.port), local, process: None };
    // Whoever stops the demonstration, at any moment, stops its gateway too: nothing of it stays at the door.
    let played = tokio::select! {
        played = story::play(&mut stage, &voice) => Some(played),
        () = stop_signal() => None,
    };
    if let Some(summary) = played.transpose().map_err(fault)? {
        print_line(&summary);
        if !options.no_wait {
            print_line(&portal::told(&stage.world, &origin));
            print_line(&format!("La passerelle reste ouverte sur {} (Ctrl-C pour finir).", stage.gateway));
            stop_signal().await;
        }
    }
    stage.end().await.map_err(fault)?;
    if options.folder.is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(ExitCode::SUCCESS)
}

/// The gateway as a process that can be killed, and the folder it lives in.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) gateway: String,
    local: String,
    process: Option<Child>,
}

impl Stage {
    /// Starts the gateway and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Result<(), DemoFault> {
        let log =
            std::fs::File::options().create(true).append(true).open(self.world.folder.join("gateway.log")).map_err(DemoFault::File)?;
        let child = Command::new(std::env::current_exe().unwrap_or_else(|_| "gateway".into()))
            .arg("serve")
            .arg("--config")
            .arg(self.world.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(DemoFault::Process)?;
        self.process = Some(child);
        for _ in 0..200 {
            if self.local("/health/ready").await.is_some_and(|text| text.contains("true")) {
                return Ok(());
            }
            if let Some(Ok(Some(status))) = self.process.as_mut().map(Child::try_wait) {
                return Err(DemoFault::Story(format!("la passerelle s’est arrêtée ({status}) ; voir gateway.log")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(DemoFault::Story("la passerelle n’est pas prête après 10 s".into()))
    }

    /// `kill -9`: no goodbye.
    pub(crate) async fn kill(&mut self) -> Result<(), DemoFault> {
        if let Some(mut child) = self.process.take() {
            child.kill().await.map_err(DemoFault::Process)?;
        }
        Ok(())
    }

    /// The files that the gateway's process maps, less its own program, which holds the texts of this story. The gateway
    /// forbids that its memory be looked at: without root there are none to see.
    pub(crate) fn mapped_files(&self) -> Vec<PathBuf> {
        let Some(id) = self.process.as_ref().and_then(Child::id) else { return Vec::new() };
        let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap_or_default();
        let own = std::fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
        let mut files: Vec<PathBuf> = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).map(PathBuf::from).collect();
        files.retain(|file| file.is_file() && *file != own);
        files.sort();
        files.dedup();
        files
    }

    /// What the local port answers.
    pub(crate) async fn local(&self, path: &str) -> Option<String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::TcpStream::connect(&self.local).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// SIGTERM, and the time to drain.
    async fn end(&mut self) -> Result<(), DemoFault> {
        let Some(mut child) = self.process.take() else { return Ok(()) };
        if let Some(id) = child.id() {
            Command::new("kill").arg(id.to_string()).status().await.map_err(DemoFault::Process)?;
        }
        child.wait().await.map_err(DemoFault::Process)?;
        Ok(())
    }
}

/// The narrator.
pub(crate) struct Voice {
    quiet: bool,
}

impl Voice {
    /// Tells one thing.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            print_line(text);
        }
    }

    /// Begins a scene.
    pub(crate) fn scene(&self, number: usize, title: &str) {
        self.say(&format!("\n{number}. {title}"));
    }
}

fn print_line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
