//! A pretend partner: the reference client run as a process of its own, with its own certificate and keys.
//! It reaches the gateway as a real one would, over mutual TLS, and knows nothing else of it.

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use super::DemoFault;

/// One professional of one pretend institution.
#[derive(Debug, Clone)]
pub struct Partner {
    /// Institution id.
    pub institution: &'static str,
    /// Opaque id of the directory.
    pub professional: &'static str,
    /// Folder with `certificate.pem`, `key.pem`, `token.pem`.
    pub folder: PathBuf,
    /// Authorities under which the gateway stands.
    pub authorities: PathBuf,
    /// Address of the gateway.
    pub gateway: String,
    /// Id of the gateway.
    pub gateway_id: String,
}

/// What the partner's process answered.
#[derive(Debug)]
pub enum Answer {
    /// Done, with what was printed.
    Done(Value),
    /// Refused by the gateway: its problem document.
    Refused(Value),
}

impl Answer {
    /// The answer of something that had to be done.
    ///
    /// # Errors
    /// [`DemoFault::Story`] when it was refused.
    pub fn done(self, what: &'static str) -> Result<Value, DemoFault> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(problem) => Err(DemoFault::Story(format!("{what} : refusé ({problem})"))),
        }
    }

    /// The problem of something that had to be refused.
    ///
    /// # Errors
    /// [`DemoFault::Story`] when it was done.
    pub fn refused(self, what: &'static str) -> Result<Value, DemoFault> {
        match self {
            Self::Refused(problem) => Ok(problem),
            Self::Done(_) => Err(DemoFault::Story(format!("{what} : aurait dû être refusé"))),
        }
    }
}

impl Partner {
    /// Deposits an envelope under a key.
    ///
    /// # Errors
    /// The process did not run or could not reach the gateway.
    pub async fn submit(&self, envelope: &Value, key: &str) -> Result<Answer, DemoFault> {
        self.run(&["submit", "-", "--idempotency-key", key], Some(envelope)).await
    }

    /// The only thing that waits, or the first.
    ///
    /// # Errors
    /// As [`Partner::submit`]; [`DemoFault::Story`] when nothing waits.
    pub async fn first_waiting(&self, unit: &str) -> Result<Value, DemoFault> {
        let page = self.run(&["mailbox", "list", "--unit", unit, "--wait", "10"], None).await?.done("boîte")?;
        page.pointer("/deliveries/0").cloned().ok_or_else(|| DemoFault::Story(format!("rien n’attend {unit}")))
    }

    /// Runs one command of the reference client, with a fresh token.
    ///
    /// # Errors
    /// As [`Partner::submit`].
    pub async fn run(&self, arguments: &[&str], input: Option<&Value>) -> Result<Answer, DemoFault> {
        let token = self.token().await?;
        let mut command = self.command();
        command
            .args(arguments)
            .arg("--json")
            .arg("--gateway")
            .arg(&self.gateway)
            .arg("--certificate")
            .arg(self.folder.join("certificate.pem"))
            .arg("--key")
            .arg(self.folder.join("key.pem"))
            .arg("--authorities")
            .arg(&self.authorities)
            .env("PASSERELLE_TOKEN", token);
        let output = feed(command, input).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(text.trim()).unwrap_or(Value::Null);
        match output.status.code() {
            Some(0) => Ok(Answer::Done(value)),
            Some(1) => Ok(Answer::Refused(value)),
            _ => Err(DemoFault::Story(format!("{} : {}", self.institution, String::from_utf8_lossy(&output.stderr).trim()))),
        }
    }

    async fn token(&self) -> Result<String, DemoFault> {
        self.token_for(&self.folder.join("certificate.pem")).await
    }

    /// A token bound to this certificate: the member's own for the wire, the gateway's for its desk.
    pub(super) async fn token_for(&self, certificate: &std::path::Path) -> Result<String, DemoFault> {
        let mut command = self.command();
        command
            .args(["token", "issue", "--institution", self.institution, "--professional", self.professional])
            .args(["--gateway-id", &self.gateway_id])
            .arg("--key")
            .arg(self.folder.join("token.pem"))
            .arg("--certificate")
            .arg(certificate);
        let output = feed(command, None).await?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(DemoFault::Story(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "gateway".into()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

async fn feed(mut command: Command, input: Option<&Value>) -> Result<std::process::Output, DemoFault> {
    let mut child = command.spawn().map_err(DemoFault::Process)?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input.to_string().as_bytes()).await.map_err(DemoFault::Process)?;
    }
    child.wait_with_output().await.map_err(DemoFault::Process)
}
