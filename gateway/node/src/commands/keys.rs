//! What an administrator and a data-protection officer type about keys, at the gateway's machine: the spaces of pseudonyms,
//! the erasure journal, the copies of the key file.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use exchange::{AgreementId, InstitutionId};
use serde_json::{Value, json};

use super::{
    CommandFault, backup,
    desk::{Place, Rooms, Who, gateway, refuse},
    print,
};
use crate::{
    clock::{Clock, SystemClock},
    directory::Role,
    flows::domains::{self, DomainFault},
    seal::{KeyStore, pseudonym::Domain},
    store::keys::DomainState,
};

/// `gateway keys`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// The spaces in which pseudonyms mean something: one for each recipient, purpose and agreement
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Write which contents were erased, and when, to a file that is carried off the machine every hour
    ///
    /// Ids and instants alone, sealed under the master keys. The gateway may run. `gateway restore --erased` needs it.
    Journal {
        /// Where the gateway is
        #[command(flatten)]
        place: Place,
        /// File to write, in place of the one before
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Destroy again what erasure journals name, after the database server itself put an older state back
    ///
    /// For PostgreSQL, with every gateway stopped. `gateway restore` does this by itself.
    Replay {
        /// Where the gateway is
        #[command(flatten)]
        place: Place,
        /// Journals written by `gateway keys journal`
        #[arg(required = true, value_name = "FILE")]
        journals: Vec<PathBuf>,
    },
    /// Print the fingerprint of a key file: to recognise a copy from a safe
    Fingerprint {
        /// Key file, mode 0600
        #[arg(long, value_name = "FILE", default_value = "keys.json")]
        key: PathBuf,
    },
}

/// `gateway keys domain`
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// List the domains, their epoch, and which are closed
    List {
        /// Where the gateway is
        #[command(flatten)]
        place: Place,
    },
    /// Begin a new epoch: new pseudonyms get a new key, those given before still lead to their person; logged first
    ///
    /// By an administrator of the gateway or the data-protection officer. The running gateway follows at once.
    Rotate {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Who does it
        #[command(flatten)]
        who: Who,
    },
    /// Destroy every key of a domain, FOR EVER: its pseudonyms lead to nobody, and none is made again; logged first
    ///
    /// By the data-protection officer, when an agreement has ended.
    Close {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Confirms that the pseudonyms given in this domain are to lead to nobody any more
        #[arg(long, required = true)]
        for_ever: bool,
        /// Who does it
        #[command(flatten)]
        who: Who,
    },
}

/// A domain.
#[derive(Debug, Args)]
pub struct Which {
    /// Institution to which the pseudonyms are given
    #[arg(long)]
    pub recipient: InstitutionId,
    /// Purpose (CL-purpose)
    #[arg(long)]
    pub purpose: String,
    /// Agreement under which they are given; none when absent
    #[arg(long)]
    pub agreement: Option<AgreementId>,
}

/// Lists, rotates or closes.
///
/// # Errors
/// A file or a database cannot be used. A refusal is exit code 1, with its reason.
pub async fn keys(command: Keys) -> Result<ExitCode, CommandFault> {
    let command = match command {
        Keys::Domain(command) => command,
        Keys::Journal { place, to } => return backup::journal(&place, &to).await,
        Keys::Replay { place, journals } => return backup::replay(&place, &journals).await,
        Keys::Fingerprint { key } => {
            let keystore = KeyStore::open(&key).map_err(|e| CommandFault::file(&key, &e))?;
            print(keystore.fingerprint());
            return Ok(ExitCode::SUCCESS);
        }
    };
    match command {
        DomainCommand::List { place } => list(&place).await,
        DomainCommand::Rotate { which, who } => {
            change(
                &which,
                &who,
                &[Role::Administrateur, Role::Dpo],
                "Renouveler demande un administrateur ou le délégué à la protection des données.",
                false,
            )
            .await
        }
        DomainCommand::Close { which, for_ever: _, who } => {
            change(&which, &who, &[Role::Dpo], "Fermer un domaine demande le délégué à la protection des données.", true).await
        }
    }
}

async fn list(place: &Place) -> Result<ExitCode, CommandFault> {
    let rooms = Rooms::open(&place.config).await?;
    let all = rooms.keys.domains().await.map_err(gateway)?;
    rooms.close().await;
    if place.json {
        print(&Value::Array(all.iter().map(written).collect()).to_string());
    } else if all.is_empty() {
        print("Aucun pseudonyme n’a encore été donné.");
    } else {
        for DomainState { domain, epoch, closed_at } in all {
            let agreement = domain.agreement.as_ref().map_or("sans convention", AgreementId::as_str);
            let state = closed_at.map_or_else(|| format!("époque {epoch}"), |at| format!("fermé le {at}"));
            print(&format!("{}  {}  {agreement}  {state}", domain.recipient, domain.purpose));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(which: &Which, who: &Who, roles: &[Role], otherwise: &'static str, close: bool) -> Result<ExitCode, CommandFault> {
    let rooms = Rooms::open(&who.place.config).await?;
    let by = match rooms.with_role(who, roles, otherwise).await? {
        Ok(by) => by,
        Err(unproved) => return unproved.tell(who.place.json),
    };
    let domain = Domain { recipient: which.recipient.clone(), purpose: which.purpose.clone(), agreement: which.agreement.clone() };
    let now = SystemClock.now();
    let done = if close {
        domains::close(&rooms.desk(), &domain, &by.id, now).await
    } else {
        domains::rotate(&rooms.desk(), &domain, &by.id, now).await
    };
    rooms.close().await;
    match done {
        Ok(state) => {
            let said = match state.closed_at {
                Some(_) => "Domaine fermé : ses clés sont détruites, ses pseudonymes ne mènent plus à personne.".to_owned(),
                None => format!("Nouvelle époque : {}. Les pseudonymes déjà donnés restent lisibles.", state.epoch),
            };
            print(&if who.place.json { written(&state).to_string() } else { said });
            Ok(ExitCode::SUCCESS)
        }
        Err(DomainFault::NotOpen) => refuse(who.place.json, "introuvable", "Ce domaine n’a pas de clé : jamais employé, ou fermé."),
        Err(fault) => Err(gateway(fault)),
    }
}

fn written(state: &DomainState) -> Value {
    let DomainState { domain, epoch, closed_at } = state;
    json!({"recipient": domain.recipient, "purpose": domain.purpose, "agreement": domain.agreement, "epoch": epoch, "closed_at": closed_at})
}
