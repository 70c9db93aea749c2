//! Decisions of the log, on the gateway's machine: asked again, explained, listed, put to another policy set.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use exchange::Instant;
use serde_json::{Value, json};

use super::{Explain, Here, told};
use crate::{
    clock::{Clock, SystemClock},
    commands::{
        CommandFault,
        audit::{advance, bar},
        policy_sets, print,
    },
    config::Config,
    flows::{
        Law,
        examine::{self, Logged, Simulation},
        law::archive::{Archive, kept},
    },
    node,
    seal::KeyStore,
    source::Files,
    store::{Part, Store},
};

/// `gateway policy simulate`
#[derive(Debug, Args)]
pub struct Simulate {
    /// The other set: a policies folder, or a hash of the archive
    #[arg(long)]
    pub against: String,
    /// First day (2027-01-01) or instant; absent: the last thirty days
    #[arg(long, value_parser = policy_sets::from)]
    pub since: Option<Instant>,
    /// Where the log is
    #[command(flatten)]
    pub here: Here,
}

/// What the log is read with.
struct Room {
    config: Config,
    keystore: KeyStore,
    store: Store,
}

impl Room {
    async fn open(config: &std::path::Path) -> Result<Self, CommandFault> {
        let config = Config::load(config).map_err(|e| gateway(&e))?;
        let keystore = KeyStore::open(&config.keys).map_err(|e| CommandFault::file(&config.keys, &e))?;
        let store = Store::open(&config.database(Part::Gateway)).await.map_err(|e| gateway(&e))?;
        Ok(Self { config, keystore, store })
    }

    async fn find(&self, decision: &str) -> Result<Vec<Logged>, CommandFault> {
        let found = examine::find(&self.store, &self.keystore, decision).await;
        found.map_err(|e| CommandFault::Gateway(format!("decision `{decision}`: {e}")))
    }
}

/// Asks decisions again with the set of their day.
///
/// # Errors
/// A file or the database cannot be used, or there is no such decision.
pub(super) async fn replay(decision: &str, here: &Here) -> Result<ExitCode, CommandFault> {
    let room = Room::open(&here.config).await?;
    let archive = Archive::default();
    let mut same = true;
    let (mut texts, mut answers) = (Vec::new(), Vec::new());
    for one in room.find(decision).await? {
        // What was decided without rules has nothing to be asked again.
        let replayed = match &one.record {
            None => None,
            Some(_) => Some(examine::replay(&archive, &room.store, &one).await.map_err(|e| gateway(&e))?),
        };
        same &= replayed.as_ref().is_none_or(|replayed| replayed.same);
        texts.push(told::replayed(&one, replayed.as_ref()));
        answers.push(json!({"decision": one, "replay": replayed}));
    }
    room.store.close().await;
    print(&if here.json { json!({"same": same, "decisions": answers}).to_string() } else { texts.join("\n\n") });
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Tells why something was decided, to whom may know, and writes down that it was told.
///
/// # Errors
/// As [`replay`]; the person named may not.
pub(super) async fn explain(decision: &str, asked: Explain) -> Result<ExitCode, CommandFault> {
    let (Some(institution), Some(professional)) = (&asked.institution, &asked.professional) else {
        let who = "give --institution and --professional: who reads a decision of the log is written down";
        return Err(CommandFault::Gateway(who.to_owned()));
    };
    let room = Room::open(&asked.config).await?;
    let found = room.find(decision).await?;
    let law = node::in_force(&room.config, &room.store).await.map_err(|e| gateway(&e))?;
    let who = law.directory.professionals().find(|one| one.institution == *institution && one.id.subject == *professional);
    let allowed = match who {
        None => Err(examine::ExamineFault::NotEntitled),
        Some(who) => {
            let now = SystemClock.now();
            examine::examined((&room.store, &room.keystore), &law, &room.config.departement, who, &found, now).await
        }
    };
    match allowed {
        Err(examine::ExamineFault::NotEntitled) => {
            print(&format!("Refusé : {NOT_ENTITLED}"));
            return Ok(ExitCode::from(1));
        }
        other => other.map_err(|e| gateway(&e))?,
    }
    let archive = Archive::default();
    let mut texts = Vec::new();
    let mut answers = Vec::new();
    for one in &found {
        let (set, past) = match &one.record {
            None => (Value::Null, None),
            Some(record) => {
                let proposals = room.store.policy_proposals_of(&record.policy_set).await.map_err(|e| gateway(&e))?;
                let past = archive.past(&room.store, &record.policy_set).await.map_err(|e| gateway(&e))?;
                (told::set(&record.policy_set, &proposals, one.at), Some(past))
            }
        };
        let (text, answer) = told::explained(one, past.as_deref(), &set);
        texts.push(text);
        answers.push(answer);
    }
    room.store.close().await;
    print(&if asked.link.json { json!({"decisions": answers}).to_string() } else { texts.join("\n\n") });
    Ok(ExitCode::SUCCESS)
}

/// Lists decisions, a line each.
///
/// # Errors
/// A file or the database cannot be used.
pub(super) async fn list(since: Option<Instant>, refused: bool, here: &Here) -> Result<ExitCode, CommandFault> {
    let room = Room::open(&here.config).await?;
    let mut found = Vec::new();
    let wanted = |one: &Logged| !refused || one.result == "refusal";
    let bar = bar();
    let each = |one: Logged| {
        if wanted(&one) {
            found.push(one);
        }
    };
    let since = since.unwrap_or_else(a_month_ago);
    examine::walk(&room.store, &room.keystore, since, &|done, of| advance(&bar, done, of), each).await.map_err(|e| gateway(&e))?;
    bar.finish_and_clear();
    room.store.close().await;
    if here.json {
        print(&json!({"decisions": found.iter().map(told::line).collect::<Vec<_>>()}).to_string());
    } else if found.is_empty() {
        print("Aucune décision.");
    } else {
        found.iter().for_each(|one| print(&told::line_text(one)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts another set to past decisions.
///
/// # Errors
/// A file or the database cannot be used, or the set has mistakes.
pub async fn simulate(options: Simulate) -> Result<ExitCode, CommandFault> {
    let room = Room::open(&options.here.config).await?;
    let files = other_set(&room, &options.against).await?;
    let law = Law::read(std::sync::Arc::new(files), &room.config.directory).map_err(|e| gateway(&e))?;
    let since = options.since.unwrap_or_else(a_month_ago);
    let mut simulation = Simulation::default();
    let bar = bar();
    let each = |one: Logged| examine::simulate(&law, &one, &mut simulation);
    examine::walk(&room.store, &room.keystore, since, &|done, of| advance(&bar, done, of), each).await.map_err(|e| gateway(&e))?;
    bar.finish_and_clear();
    room.store.close().await;
    print(&if options.here.json {
        json!({"set": law.files.hash(), "since": since, "simulation": simulation}).to_string()
    } else {
        told::simulated(law.files.hash(), since, &simulation)
    });
    Ok(ExitCode::SUCCESS)
}

/// A folder, or a set of the archive by its hash or the beginning of it.
async fn other_set(room: &Room, against: &str) -> Result<Files, CommandFault> {
    let folder = PathBuf::from(against);
    if folder.is_dir() {
        return Ok(Files::read(&folder));
    }
    let named = if against.len() < SHORTEST { Vec::new() } else { room.store.policy_sets_named(against).await.map_err(|e| gateway(&e))? };
    match &named[..] {
        [set] => kept(&room.store, set).await.map_err(|e| gateway(&e)),
        _ => Err(CommandFault::Gateway(format!("`{against}` is no folder, and no single set of the archive (8 letters at least)"))),
    }
}

fn a_month_ago() -> Instant {
    SystemClock.now().minus(Duration::from_secs(30 * 24 * 3600))
}

fn gateway(fault: &dyn std::fmt::Display) -> CommandFault {
    CommandFault::Gateway(fault.to_string())
}

/// Fewest letters by which a set may be called.
const SHORTEST: usize = 8;
const NOT_ENTITLED: &str = "les décisions du journal se lisent par un auditeur ou le délégué à la protection des données du Département.";
