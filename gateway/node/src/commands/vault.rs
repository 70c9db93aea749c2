//! What a professional of the CRIP types at the gateway's machine to say who is who: `vault match`, `merge`, `split`.
//!
//! A shell on that machine names nobody: each decision comes with the professional's token, signed by the institution for
//! this machine; the directory says whether that person is entitled, and the log keeps it.

use std::{collections::BTreeSet, io::IsTerminal, process::ExitCode, time::Duration};

use clap::Subcommand;
use exchange::{Identity, LinkageId, ProposalId};
use serde_json::{Value, json};

use super::{
    CommandFault,
    desk::{Place, Rooms, Unproved, Who, gateway, refuse},
    print,
};
use crate::{
    clock::{Clock, SystemClock},
    flows::matching::{self, MatchingFault},
    store::vault::{
        MentionId,
        linkage::{Linkage, Ruling},
        matching::{Comparison, Decider},
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
    /// For a professional habilitated for a CRIP of this département, by a token. Needs the running gateway, whose notary signs the
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
    let by = match decider(&rooms, who).await? {
        Ok(by) => by,
        Err(unproved) => return unproved.tell(who.place.json),
    };
    let shown = matching::look(&rooms.desk(), proposal, &by, SystemClock.now(), PATIENCE).await.map(|seen| side_by_side(&seen));
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
    let by = match decider(&rooms, who).await? {
        Ok(by) => by,
        Err(unproved) => return unproved.tell(who.place.json),
    };
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

/// The professional whom the token names, if entitled to say who is who.
async fn decider(rooms: &Rooms, who: &Who) -> Result<Result<Decider, Unproved>, CommandFault> {
    let proved = match rooms.proved(who).await? {
        Ok(proved) => proved,
        Err(unproved) => return Ok(Err(unproved)),
    };
    let (directory, departement) = (&rooms.law.directory, &rooms.config.departement);
    let entitled = Decider::entitled(directory, departement, &proved.institution, &proved.id.subject, SystemClock.now());
    Ok(entitled
        .ok_or(Unproved::NotEntitled("Ce professionnel n’a pas d’habilitation en cours de validité pour une CRIP de ce département.")))
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

/// How long the notary of the running gateway may take to sign.
const PATIENCE: Duration = Duration::from_secs(10);
