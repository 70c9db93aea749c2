//! What people of the Département type to change the rules: `policy propose`, `approve`, `withdraw`, `list`, `show`, `rollback`.
//!
//! Member commands: each person with the certificate of the Département and a token of their own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use exchange::Instant;
use serde_json::{Value, json};
use time::{Date, format_description::well_known::Iso8601};

use super::{
    CommandFault,
    member::{Link, show},
    print,
};
use crate::{client::Client, directory::day::begins_in_france};

/// `gateway policy propose|rollback|approve|withdraw|list|show`
#[derive(Debug, Subcommand)]
pub enum Sets {
    /// Propose what the gateway's policies folder holds now; it takes force when two others approved
    Propose {
        /// Why, in a sentence, for those who approve and for who reads the log later
        #[arg(long)]
        motive: String,
        /// First day (2027-01-01, midnight in Paris) or instant; absent: at the second approval
        #[arg(long, value_parser = from)]
        effective_from: Option<Instant>,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Propose an earlier set again, as the archive keeps it, whatever the folder holds; it needs two approvals too
    Rollback {
        /// The set: its hash, or 8 letters of it at least
        set: String,
        /// Why
        #[arg(long)]
        motive: String,
        /// First day (2027-01-01, midnight in Paris) or instant; absent: at the second approval
        #[arg(long, value_parser = from)]
        effective_from: Option<Instant>,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Approve the set that you reviewed: two people, of two functions, neither of them its author
    Approve(Approve),
    /// Take a proposal back before it is in force: its author, or whoever may approve; it may be proposed again
    Withdraw {
        /// The set: its hash, or 8 letters of it at least
        set: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// The set in force, how the folder stands to it, and what was proposed
    List {
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// One set: who proposed and approved it, and which files it changes
    Show {
        /// The set: its hash, or 8 letters of it at least
        set: String,
        /// New folder to write its files into, to be read and compared; cases are no part of a set: put `decisions/` beside to test it
        #[arg(long)]
        write: Option<PathBuf>,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
}

/// `gateway policy approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// The whole hash of the set that you reviewed
    pub set: String,
    /// In which of your functions, for example dpo; absent: the first in which nobody approved yet
    #[arg(long = "as")]
    pub capacity: Option<String>,
    /// The set in force with which you compared it; refused if another has taken force since
    #[arg(long)]
    pub against: Option<String>,
    /// How to reach the gateway
    #[command(flatten)]
    pub link: Link,
}

impl Sets {
    /// How the command reaches the gateway.
    pub fn link(&self) -> &Link {
        match self {
            Self::Propose { link, .. }
            | Self::Rollback { link, .. }
            | Self::Withdraw { link, .. }
            | Self::List { link }
            | Self::Show { link, .. } => link,
            Self::Approve(approve) => &approve.link,
        }
    }
}

/// Proposes, approves, withdraws, lists, shows.
///
/// # Errors
/// [`CommandFault`].
pub async fn sets(command: Sets) -> Result<(), CommandFault> {
    let (link, answer) = match command {
        Sets::Propose { motive, effective_from, link } => {
            let wish = json!({"motive": motive, "effective_from": effective_from});
            let answer = link.client()?.post("/v1/policy-sets", &wish).await?;
            (link, answer)
        }
        Sets::Rollback { set, motive, effective_from, link } => {
            let client = link.client()?;
            let wish = json!({"motive": motive, "set": whole(&client, &set).await?, "effective_from": effective_from});
            let answer = client.post("/v1/policy-sets", &wish).await?;
            (link, answer)
        }
        Sets::Approve(Approve { set, capacity, against, link }) => {
            let mut assent = serde_json::Map::new();
            assent.extend(capacity.map(|role| ("as".to_owned(), json!(role))));
            assent.extend(against.map(|set| ("against".to_owned(), json!(set))));
            let answer = link.client()?.post(&format!("/v1/policy-sets/{set}/approvals"), &assent.into()).await?;
            (link, answer)
        }
        Sets::Withdraw { set, link } => {
            let client = link.client()?;
            let set = whole(&client, &set).await?;
            let answer = client.post(&format!("/v1/policy-sets/{set}/withdrawal"), &Value::Null).await?;
            (link, answer)
        }
        Sets::List { link } => {
            let answer = link.client()?.get("/v1/policy-sets").await?;
            if link.json {
                show(&link, &answer);
            } else {
                print(&listed(&answer));
            }
            return Ok(());
        }
        Sets::Show { set, write, link } => {
            let mut answer = link.client()?.get(&format!("/v1/policy-sets/{set}")).await?;
            let files = answer.as_object_mut().and_then(|answer| answer.remove("files")).unwrap_or_default();
            if let Some(folder) = write {
                write_files(&folder, &files)?;
            }
            (link, answer)
        }
    };
    if link.json {
        show(&link, &answer);
    } else {
        print(&told(&answer));
    }
    Ok(())
}

/// The whole hash of the set that begins so.
async fn whole(client: &Client, beginning: &str) -> Result<String, CommandFault> {
    let found = client.get(&format!("/v1/policy-sets/{beginning}")).await?;
    Ok(found.get("set").and_then(Value::as_str).unwrap_or(beginning).to_owned())
}

/// A set and what became of its newest proposal.
fn told(answer: &Value) -> String {
    let of = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("Jeu {}\nEn vigueur : {}\n", of("set"), of("in_force"));
    for (change, title) in [("added", "ajoute"), ("removed", "retire"), ("changed", "modifie")] {
        let names: Vec<&str> = answer
            .pointer(&format!("/changes/{change}"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !names.is_empty() {
            text.push_str(&format!("  {title} : {}\n", names.join(", ")));
        }
    }
    proposals(answer, &mut text);
    text.trim_end().to_owned()
}

fn listed(answer: &Value) -> String {
    let of = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let folder = match of("/folder/state") {
        "pending" => format!("contient un autre jeu, {}, qui n’est PAS appliqué : proposez-le (gateway policy propose)", of("/folder/set")),
        "mistakes" => "contient des fautes ; il n’est pas appliqué (gateway check les dit)".to_owned(),
        _ => "contient le jeu en vigueur".to_owned(),
    };
    let mut text = format!("En vigueur : {}\nLe dossier des règles {folder}.\n", of("/in_force"));
    proposals(answer, &mut text);
    text.trim_end().to_owned()
}

fn proposals(answer: &Value, text: &mut String) {
    for one in answer.get("proposals").and_then(Value::as_array).into_iter().flatten() {
        let of = |pointer: &str| one.pointer(pointer).and_then(Value::as_str);
        let approvals = one.get("approvals").and_then(Value::as_array).cloned().unwrap_or_default();
        let state = match of("/state").unwrap_or_default() {
            "proposed" => format!("attend {} approbation(s)", 2_usize.saturating_sub(approvals.len())),
            "approved" => format!("approuvé, prend effet le {}", of("/effective_from").unwrap_or("-")),
            "in-force" => format!("en vigueur depuis le {}", of("/in_force_from").unwrap_or("-")),
            "ended" => format!("en vigueur du {} au {}", of("/in_force_from").unwrap_or("-"), of("/in_force_until").unwrap_or("-")),
            "withdrawn" => {
                let (at, by) = (of("/withdrawn/at").unwrap_or("-"), of("/withdrawn/by/subject").unwrap_or("-"));
                format!("retiré le {at} par {by} ; peut être proposé de nouveau")
            }
            _ => "périmé : un autre jeu est passé avant lui ; à proposer de nouveau".to_owned(),
        };
        let author = of("/author/subject").unwrap_or("l’installation");
        let (set, at, motive) = (of("/set").unwrap_or_default(), of("/proposed_at").unwrap_or_default(), of("/motive").unwrap_or_default());
        text.push_str(&format!("\n{set}\n  {state}\n  proposé le {at} par {author} : {motive}\n"));
        for approval in approvals {
            let of = |pointer: &str| approval.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
            text.push_str(&format!("  approuvé le {} par {} ({})\n", of("/at"), of("/by/subject"), of("/role")));
        }
    }
}

/// Writes the files of a set below a new folder. Names come from the gateway: none may lead out of the folder.
fn write_files(folder: &Path, files: &Value) -> Result<(), CommandFault> {
    let fault = |file: &Path, what: &dyn std::fmt::Display| CommandFault::file(file, what);
    if folder.exists() {
        return Err(fault(folder, &"it is there already; give a new folder"));
    }
    for (name, text) in files.as_object().into_iter().flatten() {
        let plain = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let file = folder.join(name);
        let (true, Some(parent), Some(text)) = (plain, file.parent(), text.as_str()) else {
            return Err(fault(&file, &"the gateway gave a file that does not belong into the folder"));
        };
        std::fs::create_dir_all(parent).map_err(|e| fault(parent, &e))?;
        std::fs::write(&file, text).map_err(|e| fault(&file, &e))?;
    }
    Ok(())
}

/// A day, from its midnight in Paris, or an instant.
pub(super) fn from(text: &str) -> Result<Instant, String> {
    if let Ok(day) = Date::parse(text, &Iso8601::DATE) {
        return Ok(begins_in_france(day));
    }
    text.parse().map_err(|_| "write a day (2027-01-01) or an instant (2027-01-01T08:00:00Z)".to_owned())
}
