//! What a person, a container engine or a service manager types to know whether the gateway on this machine can serve:
//! `gateway health`. It asks the local port of the configuration, as anything else on this machine may.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{CommandFault, print, with_causes};
use crate::{
    config::Config,
    watch::ask::{self, Unanswered},
};

/// `gateway health`
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub struct Health {
    /// Configuration file of the gateway that is asked: its `local` says where
    #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Only whether the process answers at all: a database that is away makes no gateway dead
    #[arg(long)]
    pub live: bool,
    /// Ask again until the answer is yes, for so many seconds: after a start or an upgrade
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
    /// Print the answer for a program
    #[arg(long)]
    pub json: bool,
}

const LONG: &str = "Ask the gateway that runs on this machine whether it can serve now.\n\n\
It answers yes after a real commit into its database, a signature and a decision by the rules in force, if its own \
certificate is in date and it is not stopping. An answer is at most one second old: asking often costs nothing, writes \
nothing into the log and makes no file grow.";

const EXAMPLES: &str = "Exit codes: 0 yes; 1 it answers no, and says which probe failed and why; 2 nobody answers, or the \
configuration cannot be read.\n\n\
Examples:\n  \
gateway health --config /etc/passerelle/gateway.toml\n  \
gateway health --config /etc/passerelle/gateway.toml --wait 60   after a start\n  \
gateway health --json                                            the answer of http://127.0.0.1:9443/health/ready";

/// Asks once, or until the answer is yes.
///
/// # Errors
/// The configuration cannot be read, or nobody answers.
pub async fn health(options: &Health) -> Result<ExitCode, CommandFault> {
    let config = Config::load(&options.config).map_err(|e| CommandFault::Gateway(with_causes(&e)))?;
    let local = config.local.to_string();
    let until = Instant::now() + Duration::from_secs(options.wait);
    loop {
        let answer = if options.live { live(&local).await } else { ready(&local).await };
        let yes = answer.as_ref().is_ok_and(|answer| answer.yes);
        if yes || Instant::now() >= until {
            return told(answer, options.json);
        }
        sleep(AGAIN).await;
    }
}

/// What the gateway says of itself.
struct Answer {
    yes: bool,
    /// As it came.
    given: Value,
    /// For a person.
    said: String,
}

async fn live(local: &str) -> Result<Answer, Unanswered> {
    let given = read(local, ask::get(local, "/health/live", PATIENCE).await?.into_body())?;
    let yes = given.get("live") == Some(&json!(true));
    let said = if yes { "Vivante : elle répond." } else { "Ce qui répond là n’est pas une passerelle en état de marche." };
    Ok(Answer { yes, given, said: said.to_owned() })
}

async fn ready(local: &str) -> Result<Answer, Unanswered> {
    let given = read(local, ask::get(local, "/health/ready", PATIENCE).await?.into_body())?;
    let yes = given.get("ready") == Some(&json!(true));
    let said = if yes { yes_in_words(&given) } else { no_in_words(&given) };
    Ok(Answer { yes, given, said })
}

fn read(local: &str, body: Bytes) -> Result<Value, Unanswered> {
    serde_json::from_slice(&body).map_err(|e| Unanswered::Unreadable(local.to_owned(), e.into()))
}

fn yes_in_words(given: &Value) -> String {
    let ready = "Prête : une écriture, une signature et une décision viennent d’être faites.";
    match given.get("policies").and_then(Value::as_str) {
        None | Some("in-force") => ready.to_owned(),
        Some(_) => format!("{ready}\nAttention : le dossier des règles n’est pas le jeu approuvé ; gateway check dit la différence."),
    }
}

fn no_in_words(given: &Value) -> String {
    let word = |name| given.get(name).and_then(Value::as_str).unwrap_or("?");
    let what = match word("what") {
        "commit" => "rien ne peut être écrit : la base de données, ou le disque",
        "signature" => "aucun reçu ne peut être signé : les clés maîtresses, ou le générateur aléatoire du système",
        "decision" => "les règles ne décident pas : le jeu de règles en vigueur",
        "certificate" => "son certificat est échu, aucun membre n’entre : remplacez les fichiers de tls/",
        "draining" => "elle s’arrête, et finit ce qui est en cours",
        other => other,
    };
    format!("Pas prête : {what}.\nDétail technique (anglais) : {}. La suite est dans son journal.", word("why"))
}

fn told(answer: Result<Answer, Unanswered>, for_a_program: bool) -> Result<ExitCode, CommandFault> {
    match answer {
        Ok(answer) => {
            let text = if for_a_program { answer.given.to_string() } else { answer.said };
            print(&text);
            Ok(ExitCode::from(u8::from(!answer.yes)))
        }
        Err(fault) if for_a_program => {
            print(&json!({"ready": false, "what": "unanswered", "why": with_causes(&fault)}).to_string());
            Ok(ExitCode::from(2))
        }
        Err(fault) => Err(CommandFault::Gateway(format!("la passerelle ne répond pas ; est-elle lancée ? {}", with_causes(&fault)))),
    }
}

/// Longer than a commit may take there.
const PATIENCE: Duration = Duration::from_secs(7);
/// Between two questions of `--wait`.
const AGAIN: Duration = Duration::from_millis(250);
