//! What a professional of the CRIP types at the gateway's machine to say who is who: `vault match`, `merge`, `split`.
//!
//! Whoever opens a shell there with the key file answers for the name given; the directory says whether that name is
//! entitled, and the log keeps it.

use std::{
    collections::BTreeSet,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Subcommand};
use exchange::{Identity, InstitutionId, LinkageId, ProposalId};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::{CommandFault, print};
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    flows::{
        Law,
        matching::{self, Desk, MatchingFault},
    },
    node,
    seal::KeyStore,
    store::{
        Store,
        keys::Keys,
        vault::{
            MentionId, Vault as Room,
            linkage::{Linkage, Ruling},
            matching::{Comparison, Decider},
        },
    },
};

/// `gateway vault`
#[derive(Debug, Subcommand)]
pub enum Vault {
    /// Say whether two descriptions are one person
    #[command(subcommand)]
    Match(Match),
    /// Join the persons of two mentions, each written `<exchange>/<place among its subjects, from 0>`
    Merge {
        /// One mention
        one: MentionId,
        /// The other
        other: MentionId,
        /// Who decides
        #[command(flatten)]
        who: Who,
    },
    /// Undo a merge, or take one mention out of the person it was filed under
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Split {
        /// The merge, as `match decide --same` or `merge` named it (`linkage`)
        #[arg(group = "what")]
        linkage: Option<LinkageId>,
        /// The mention that is somebody else's
        #[arg(long, group = "what")]
        mention: Option<MentionId>,
        /// Who decides
        #[command(flatten)]
        who: Who,
    },
}

/// `gateway vault match`
#[derive(Debug, Subcommand)]
pub enum Match {
    /// List what waits for a person, oldest first; names nobody
    List {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Where the gateway is
        #[command(flatten)]
        place: Place,
    },
    /// Show both identities side by side, IN CLEAR, on the terminal of the professional entitled; logged and signed first
    ///
    /// For a professional habilitated for a CRIP of this département. Needs the running gateway, whose notary signs the
    /// entry. Writes to a terminal only, never to a file or a pipe.
    Show {
        /// The question
        proposal: ProposalId,
        /// Who decides
        #[command(flatten)]
        who: Who,
    },
    /// Decide; logged, and reversible by `vault split` or `vault merge`
    #[command(group = clap::ArgGroup::new("answer").required(true))]
    Decide {
        /// The question
        proposal: ProposalId,
        /// They are one person
        #[arg(long, group = "answer")]
        same: bool,
        /// They are two
        #[arg(long, group = "answer")]
        different: bool,
        /// Who decides
        #[command(flatten)]
        who: Who,
    },
}

/// Which gateway, and for whom the output is.
#[derive(Debug, Args)]
pub struct Place {
    /// Configuration of the gateway
    #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

/// Who decides.
#[derive(Debug, Args)]
pub struct Who {
    /// Institution of the professional, as the directory names it
    #[arg(long)]
    pub institution: InstitutionId,
    /// Subject of the professional in that institution's directory
    #[arg(long)]
    pub professional: String,
    /// Which gateway
    #[command(flatten)]
    pub place: Place,
}

/// Lists, shows or decides.
///
/// # Errors
/// A file or a database cannot be used. A refusal is exit code 1, with its reason.
pub async fn vault(command: Vault) -> Result<ExitCode, CommandFault> {
    match command {
        Vault::Match(Match::List { limit, place }) => list(&place, limit).await,
        Vault::Match(Match::Show { proposal, who }) => show(proposal, &who).await,
        Vault::Match(Match::Decide { proposal, same, different: _, who }) => {
            decide(if same { Ruling::Same(proposal) } else { Ruling::Different(proposal) }, &who).await
        }
        Vault::Merge { one, other, who } => decide(Ruling::Merge(one, other), &who).await,
        Vault::Split { linkage: Some(merge), mention: _, who } => decide(Ruling::Split(merge), &who).await,
        Vault::Split { linkage: None, mention: Some(mention), who } => decide(Ruling::Separate(mention), &who).await,
        Vault::Split { linkage: None, mention: None, .. } => refuse(false, "rien-a-defaire", "Nommez la fusion ou la mention."),
    }
}

async fn list(place: &Place, limit: usize) -> Result<ExitCode, CommandFault> {
    let rooms = Rooms::open(&place.config).await?;
    let waiting = rooms.vault.proposals(limit).await.map_err(gateway)?;
    if place.json {
        print(&serde_json::to_string_pretty(&waiting).map_err(gateway)?);
    } else if waiting.is_empty() {
        print("Aucun rapprochement n’attend.");
    } else {
        for one in waiting {
            let exchanges: Vec<String> = one.exchanges.iter().map(ToString::to_string).collect();
            print(&format!(
                "{}  {}  concordent : {}  échanges : {}",
                one.proposal,
                one.created_at,
                one.reasons.join(", "),
                exchanges.join(", ")
            ));
        }
    }
    rooms.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn show(proposal: ProposalId, who: &Who) -> Result<ExitCode, CommandFault> {
    if !std::io::stdout().is_terminal() {
        return refuse(
            who.place.json,
            "terminal",
            "Des identités ne s’écrivent ni dans un fichier ni dans un tube : lancez la commande dans un terminal.",
        );
    }
    let rooms = Rooms::open(&who.place.config).await?;
    let shown = match rooms.decider(who) {
        Some(by) => matching::look(&rooms.desk(), proposal, &by, SystemClock.now(), PATIENCE).await.map(|seen| side_by_side(&seen)),
        None => return not_entitled(who),
    };
    rooms.close().await;
    match shown {
        Ok(text) => {
            print(&text);
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => refused(who, fault),
    }
}

async fn decide(ruling: Ruling, who: &Who) -> Result<ExitCode, CommandFault> {
    let rooms = Rooms::open(&who.place.config).await?;
    let Some(by) = rooms.decider(who) else { return not_entitled(who) };
    let decided = matching::decide(&rooms.desk(), ruling, &by, SystemClock.now()).await;
    rooms.close().await;
    match decided {
        Ok(linkage) => {
            print(&told(&linkage, who.place.json));
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => refused(who, fault),
    }
}

fn told(linkage: &Linkage, json: bool) -> String {
    if json {
        return json!({"linkage": linkage.id, "change": linkage.change.as_str(), "proposal": linkage.proposal, "undoes": linkage.undoes})
            .to_string();
    }
    format!("Décision {} ({}) inscrite au journal et appliquée.", linkage.id, linkage.change.as_str())
}

/// Every trait that one of the two has, one line each; what differs is marked.
fn side_by_side(seen: &Comparison) -> String {
    let (one, other) = (&seen.one.1, &seen.other.1);
    let places: BTreeSet<String> =
        [one, other].iter().flat_map(|identity| identity.reveal().iter().map(|(at, _)| at.to_string())).collect();
    let mut lines = vec![
        format!("  {:<24}{:<44}{}", "", seen.one.0.exchange, seen.other.0.exchange),
        format!("  {:<24}{}", "concordent", seen.reasons.join(", ")),
    ];
    for place in places {
        let (left, right) = (value(one, &place), value(other, &place));
        let mark = if left == right { ' ' } else { '≠' };
        lines.push(format!("{mark} {:<24}{left:<44}{right}", place.trim_start_matches('/')));
    }
    lines.join("\n")
}

fn value(identity: &Identity, place: &str) -> String {
    let found = place.parse().ok().and_then(|at| identity.reveal().at(&at).cloned());
    match found {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => "–".to_owned(),
    }
}

fn not_entitled(who: &Who) -> Result<ExitCode, CommandFault> {
    refuse(who.place.json, "habilitation", "Ce professionnel n’a pas d’habilitation en cours de validité pour une CRIP de ce département.")
}

fn refused(who: &Who, fault: MatchingFault) -> Result<ExitCode, CommandFault> {
    let json = who.place.json;
    match fault {
        MatchingFault::NothingThere => refuse(json, "introuvable", "Rien n’attend sous cet identifiant : inconnu, réglé, ou effacé."),
        MatchingFault::DecidedOtherwise => {
            refuse(json, "deja-decide", "Déjà décidé. Utilisez vault split ou vault merge pour revenir sur une décision.")
        }
        MatchingFault::NotSigned => {
            refuse(json, "non-signe", "Le journal n’a pas signé l’entrée à temps : la passerelle fonctionne-t-elle ? Rien n’a été montré.")
        }
        MatchingFault::Entry | MatchingFault::Store(_) => Err(gateway(fault)),
    }
}

fn refuse(json: bool, code: &str, detail: &str) -> Result<ExitCode, CommandFault> {
    print(&if json { json!({"code": code, "detail": detail}).to_string() } else { detail.to_owned() });
    Ok(ExitCode::from(1))
}

fn gateway(fault: impl std::fmt::Display) -> CommandFault {
    CommandFault::Gateway(fault.to_string())
}

/// The databases of a gateway, which may be running.
struct Rooms {
    config: Config,
    law: Law,
    keystore: Arc<KeyStore>,
    store: Store,
    keys: Keys,
    vault: Room,
    random: SystemRandom,
}

impl Rooms {
    async fn open(file: &Path) -> Result<Self, CommandFault> {
        let config = Config::load(file).map_err(gateway)?;
        let keystore = Arc::new(KeyStore::open(&config.keys).map_err(|e| CommandFault::file(&config.keys, &e))?);
        let store = Store::open(&config.database("gateway")).await.map_err(gateway)?;
        let law = node::in_force(&config, &store).await.map_err(gateway)?;
        Ok(Self {
            store,
            keys: Keys::open(&config.database("keys"), keystore.clone()).await.map_err(gateway)?,
            vault: Room::open(&config.database("vault"), keystore.clone()).await.map_err(gateway)?,
            random: SystemRandom::new(),
            config,
            law,
            keystore,
        })
    }

    fn decider(&self, who: &Who) -> Option<Decider> {
        Decider::entitled(&self.law.directory, &self.config.departement, &who.institution, &who.professional, SystemClock.now())
    }

    fn desk(&self) -> Desk<'_> {
        let Self { store, keystore, keys, vault, law, random, .. } = self;
        Desk { store, keystore, keys, vault, policy_set: law.policies.hash(), random }
    }

    async fn close(&self) {
        self.store.close().await;
        self.keys.close().await;
        self.vault.close().await;
    }
}

/// How long the notary of the running gateway may take to sign.
const PATIENCE: Duration = Duration::from_secs(10);
