//! The flows: one story each, from a request or a tick to what is kept and answered.
//!
//! Only flows know the order in which the rooms are asked. Flows never call each other; what they share is
//! here: the rooms themselves, the caller, and the writing of log entries.

pub mod accept;
pub mod acknowledge;
pub mod amend;
pub mod backup;
pub mod bundle;
pub mod collect;
pub mod decide;
pub mod domains;
pub mod erase;
pub mod examine;
pub mod follow;
pub mod forward;
pub mod known;
pub mod law;
pub mod matching;
pub mod notary;
pub mod oversee;
pub mod reidentify;
pub mod remind;
pub mod review;
pub mod sweep;
pub mod task;
pub mod turns;
pub mod verify;
pub mod withdraw;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use exchange::{
    ExchangeId, Instant, InstitutionId, Party, ProfessionalId, UnitId,
    envelope::{Excluded, Route},
};
use ring::rand::SystemRandom;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use accept::AttachmentLimits;
pub use law::{FolderState, Law, LawFault, Sets};

use crate::{
    clock::Clock,
    directory::{Professional, Role, day::day_in_france},
    log::{Entry, Event, TileId},
    receipt::Signer,
    refusal::{CertificateFault, Refusal, TokenFault},
    retention::Retention,
    seal::{
        KeyStore,
        pseudonym::{Domain, Rid},
    },
    store::{
        Store, StoreError,
        attachments::Attachments,
        audit::{AppendEntries, NewEntry},
        doubt::Doubts,
        exchange::ExchangeRow,
        keys::Keys,
        vault::Vault,
    },
};

/// Everything a flow may ask.
pub struct Rooms {
    /// Id of this gateway.
    pub gateway: String,
    /// INSEE code of its Département.
    pub departement: String,
    /// Origin of its log.
    pub origin: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The law of this instant.
    pub law: ArcSwap<Law>,
    /// The policy sets: where the folder lies, the archive, whose turn it is.
    pub sets: Sets,
    /// Exchanges, deliveries, clocks, log rows.
    pub store: Store,
    /// Keys of contents.
    pub keys: Keys,
    /// Identities.
    pub vault: Vault,
    /// Sealed bytes of attachments.
    pub attachments: Attachments,
    /// How much of them is taken.
    pub attachment_limits: AttachmentLimits,
    /// Master keys.
    pub keystore: Arc<KeyStore>,
    /// Signs receipts.
    pub signer: Signer,
    /// Size of the signed tree: moves when the notary has signed.
    pub signed: watch::Receiver<u64>,
    /// Randomness.
    pub random: SystemRandom,
    /// When this gateway started, by a clock that nobody sets.
    pub started: tokio::time::Instant,
    /// What may be orphans.
    pub doubts: Doubts,
    /// Whose turn it is under which idempotency key.
    pub turns: accept::KeyTurns,
    /// The longest that one emergency access lasts, in minutes.
    pub emergency_minutes: u32,
    /// The gateway stops: what only waits is answered now.
    pub stopping: CancellationToken,
}

/// Who is asking: an institution by its certificate, and whoever acts for it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The institution that the certificate names, known to the directory and vouched for by its authority.
    pub institution: InstitutionId,
    /// The unit to which a machine's certificate is narrowed.
    pub unit: Option<UnitId>,
    /// The revocation list is stale (72 h at most): only deposits of danger types stay open.
    pub stale: bool,
    /// Who acts.
    pub author: Author,
}

/// Who acts for the institution.
#[derive(Debug, Clone)]
pub enum Author {
    /// A professional, by a token that was verified.
    Professional(ProfessionalId),
    /// Nobody is named: a machine, or a professional without a token.
    Unnamed,
    /// A token came and is not good: why.
    Faulty(TokenFault),
}

impl Caller {
    /// The named professional who acts, as the directory knows this person today.
    ///
    /// # Errors
    /// The certificate's revocation state is stale; no token, a bad one, or an unknown professional.
    pub fn professional<'l>(&self, law: &'l Law) -> Result<&'l Professional, Refusal> {
        if self.stale {
            return Err(Refusal::Certificate(CertificateFault::StaleRevocation));
        }
        let id = match &self.author {
            Author::Professional(id) => id,
            Author::Unnamed => return Err(Refusal::TokenMissing),
            Author::Faulty(fault) => return Err(Refusal::Token(*fault)),
        };
        law.directory.professional(id).filter(|p| p.institution == self.institution && !p.is_system()).ok_or(Refusal::UnknownProfessional)
    }

    /// A named professional who has one of `roles`.
    ///
    /// # Errors
    /// As [`Caller::professional`], and [`Refusal::RoleMissing`].
    pub fn with_role<'l>(&self, law: &'l Law, roles: &[Role], name: &'static str) -> Result<&'l Professional, Refusal> {
        let professional = self.professional(law)?;
        if roles.iter().any(|role| professional.has_role(*role)) { Ok(professional) } else { Err(Refusal::RoleMissing(name)) }
    }
}

/// What one log entry commits to, by name.
pub struct Statement {
    entry: Entry,
    event: Event,
    exchange: Option<ExchangeId>,
    /// When its opening expires.
    until: Option<Instant>,
}

impl Rooms {
    /// Begins a log entry at `at`.
    pub fn state(&self, law: &Law, event: Event, exchange: Option<ExchangeId>, at: Instant) -> Statement {
        Statement::new(event, exchange, at, (law.policies.hash(), &law.retention))
    }

    /// Finishes a log entry: fixes its leaf and seals its openings.
    ///
    /// # Errors
    /// [`Refusal::Internal`] when the system has no randomness: then nothing may happen at all.
    pub fn entry(&self, statement: Statement) -> Result<NewEntry, Refusal> {
        statement.seal(Uuid::now_v7(), &self.keystore, &self.random).ok_or(Refusal::Internal("entry"))
    }

    /// Gives a refusal once the log holds it, or the reason why the log does not.
    pub async fn refuse(&self, statement: Statement, refusal: Refusal) -> Refusal {
        let entry = match self.entry(statement) {
            Ok(entry) => entry,
            Err(internal) => return internal,
        };
        match self.store.write(AppendEntries(vec![entry])).await {
            Ok(()) => refusal,
            Err(error) => error.into(),
        }
    }

    /// Waits until the leaf stands in a signed checkpoint: before that, nothing is released (invariant 5).
    ///
    /// # Errors
    /// [`Refusal::Unsigned`] when the notary has stopped or does not sign in time, [`Refusal::Unavailable`] when the store
    /// has stopped.
    #[tracing::instrument(level = "debug", skip_all, name = "wait_for_checkpoint")]
    pub async fn signed(&self, leaf_hash: &[u8; 32]) -> Result<(), Refusal> {
        let mut signed = self.signed.clone();
        let until = tokio::time::Instant::now() + SIGNED_WITHIN;
        loop {
            signed.borrow_and_update();
            let entry = self.store.entry(leaf_hash).await?.ok_or(Refusal::Internal("entry"))?;
            if entry.index.is_some() {
                return Ok(());
            }
            match tokio::time::timeout_at(until, signed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Refusal::Unsigned),
            }
        }
    }

    /// What the recipient of an exchange calls these persons, for this purpose and agreement: nobody else does. Nothing when
    /// the domain is closed: a child whom nobody can name any more is reported all the same.
    ///
    /// # Errors
    /// The key of the domain cannot be had.
    pub async fn pseudonyms(&self, recipient: &InstitutionId, route: &Route, persons: &[Rid]) -> Result<Option<Vec<String>>, StoreError> {
        if persons.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let domain = Domain { recipient: recipient.clone(), purpose: route.purpose.clone(), agreement: route.agreement.clone() };
        match self.keys.domain_key(&domain).await {
            Ok(key) => Ok(Some(persons.iter().map(|person| key.pseudonym(person).to_string()).collect())),
            Err(StoreError::NotThere(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A tile as the wire asks for it: the hashes of a full tile, or the first `width` of a growing one.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn tile(&self, id: &TileId) -> Result<Option<Vec<u8>>, StoreError> {
        let wanted = id.width() as usize * 32;
        let tile = self.store.tile(id.level(), id.index()).await?;
        Ok(tile.filter(|hashes| hashes.len() >= wanted).map(|mut hashes| {
            hashes.truncate(wanted);
            hashes
        }))
    }
}

impl Statement {
    fn new(event: Event, exchange: Option<ExchangeId>, at: Instant, (policy_set, retention): (&str, &Retention)) -> Self {
        let entry = Entry::new(event, at, policy_set);
        let entry = match exchange {
            Some(id) => entry.commit("exchange", &id),
            None => entry,
        };
        Self { entry, event, exchange, until: retention.log_until(at) }
    }

    /// Fixes the leaf and seals its openings; nothing when the system has no randomness.
    fn seal(self, id: Uuid, keystore: &KeyStore, random: &SystemRandom) -> Option<NewEntry> {
        let Self { entry, event, exchange, until } = self;
        let sealed = entry.finish(random).ok()?;
        let plain = serde_json::to_vec(&sealed.openings).ok()?;
        let opening = keystore.seal_opening(&sealed.hash.0, &plain).ok()?;
        Some(NewEntry { id, leaf: sealed.leaf, leaf_hash: sealed.hash.0, event: event.as_str(), exchange, opening, expires_at: until })
    }

    /// Adds a salted commitment to one named value.
    pub fn commit(mut self, name: &'static str, value: &impl Serialize) -> Self {
        self.entry = self.entry.commit(name, value);
        self
    }
}

/// The unit a professional acts in for a request: the one asked for, or the only one there is.
///
/// # Errors
/// [`Refusal::RoleMissing`] when the professional does not work in the unit asked for.
pub(crate) fn acting_unit(professional: &Professional, asked: Option<&UnitId>) -> Result<Party, Refusal> {
    let unit = match asked {
        Some(unit) if professional.units.contains(unit) => Some(unit.clone()),
        Some(_) => return Err(Refusal::RoleMissing("membre du service demandé")),
        None => professional.units.first().cloned(),
    };
    Ok(Party { institution: professional.institution.clone(), unit })
}

/// Whether a professional answers for a unit today: works there, with a habilitation in date.
pub(crate) fn answers_for(professional: &Professional, recipient: &Party, now: Instant) -> bool {
    professional.institution == recipient.institution
        && recipient.unit.as_ref().is_some_and(|unit| professional.habilitated(unit, day_in_france(now)))
}

/// Whether a professional acts for a party today: habilitated in its unit; for an institution as a whole, somebody whom
/// one of its units names as its lead or deputy.
pub(crate) fn acts_for(law: &Law, professional: &Professional, party: &Party, now: Instant) -> bool {
    if party.unit.is_some() || professional.institution != party.institution {
        return answers_for(professional, party, now);
    }
    let leads = |unit: &crate::directory::Unit| [&unit.lead, &unit.deputy].into_iter().flatten().any(|sub| *sub == professional.id.subject);
    law.directory.institution(&party.institution).is_some_and(|institution| {
        institution.units.values().any(|unit| leads(unit) && professional.habilitated(&unit.id, day_in_france(now)))
    })
}

/// Whether a professional sees an exchange as its sender does: acts for the unit that sent it, or wrote it.
pub(crate) fn sent(law: &Law, professional: &Professional, row: &ExchangeRow, now: Instant) -> bool {
    let wrote = row.sender.institution == professional.institution && row.sender_professional == professional.id.subject;
    wrote || acts_for(law, professional, &row.sender, now)
}

/// An exchange with everything that corrects it, and what the gateway made of each: the first one first. What the gateway makes
/// comes from the same sender and answers it; nobody answers an own exchange otherwise.
pub(crate) async fn line(rooms: &Rooms, first: &ExchangeRow) -> Result<Vec<ExchangeRow>, StoreError> {
    let mut rows = vec![first.clone()];
    rows.extend(rooms.store.corrections_of(first.id).await?);
    let mut made = Vec::new();
    for row in &rows {
        let answers = rooms.store.answers_to(row.id).await?;
        made.extend(answers.into_iter().filter(|one| one.sender == first.sender && one.recipient.institution != first.sender.institution));
    }
    rows.extend(made);
    Ok(rows)
}

/// Every unit that got an exchange, each once.
pub(crate) async fn units_of(rooms: &Rooms, id: ExchangeId) -> Result<Vec<Party>, StoreError> {
    let mut units: Vec<Party> = Vec::new();
    for delivery in rooms.store.deliveries_of(id).await? {
        if !units.contains(&delivery.recipient) {
            units.push(delivery.recipient);
        }
    }
    Ok(units)
}

/// A motive that somebody wrote: a sentence.
///
/// # Errors
/// [`Refusal::Malformed`] when there is none, or it is longer than 4,000 bytes.
pub(crate) fn motive(written: &str) -> Result<&str, Refusal> {
    if written.trim().is_empty() || written.len() > 4000 { Err(Refusal::Malformed("motive")) } else { Ok(written) }
}

/// From whom an exchange is sealed, whoever said so.
pub(crate) async fn sealed_from_whom(rooms: &Rooms, id: ExchangeId) -> Result<Vec<Excluded>, Refusal> {
    let damaged = || Refusal::Internal("exclusion");
    let read = |(institution, issuer, subject): (String, String, String)| {
        Ok(if institution.is_empty() {
            Excluded::Professional(ProfessionalId { issuer, subject })
        } else {
            Excluded::Institution { institution: institution.parse().map_err(|_| damaged())? }
        })
    };
    rooms.store.exclusions_of(id).await?.into_iter().map(read).collect()
}

/// Whether an exchange warns of danger, as the set in force says of its type on the day of acceptance. A type that it no longer
/// has may have been one.
pub(crate) fn is_danger(law: &Law, row: &ExchangeRow) -> bool {
    law.catalogue.exchange_type(&row.kind, row.accepted_at).is_none_or(|exchange_type| exchange_type.danger)
}

/// What a task asks, in French: as the catalogue says it, or for what the gateway itself asks.
pub(crate) fn title_of_task(law: &Law, code: &str) -> String {
    if let Some(rule) = law.catalogue.obligation(code) {
        return rule.title.clone();
    }
    let own = match code {
        "completer" => "Compléter les champs attendus",
        "verifier-non-conforme" => "Lire ce qui n’était pas conforme et a été gardé sous scellé",
        "identifier-auteur" => "Confirmer quel professionnel a fait ce dépôt",
        "cle-idempotence" => "Vérifier que ce dépôt n’a pas été fait deux fois : il est arrivé sans clé utilisable",
        REFUSED => "Le destinataire n’a pas pris en charge : lire sa réponse et réorienter",
        NOT_HANDED_OVER => "Le courriel sécurisé n’a pas été remis : prévenir le destinataire autrement",
        NO_NOTICE => "Aucun avis de réception du courriel sécurisé : s’assurer auprès du destinataire qu’il l’a lu",
        _ => "À faire",
    };
    own.to_owned()
}

/// Why the key of an accepted exchange is not there: its content was erased, even if a crash left that unsaid.
pub(crate) async fn gone(rooms: &Rooms, id: ExchangeId) -> Refusal {
    match rooms.keys.erased_at(id).await {
        Ok(Some(at)) => Refusal::Erased { id, at },
        Ok(None) => Refusal::Internal("key"),
        Err(error) => error.into(),
    }
}

/// A recipient that did not take it in charge, and a sender who has not answered that yet.
pub(crate) const REFUSED: &str = "remise-refusee";
/// A mail that somebody on the way refused for good, or that was thrown away.
pub(crate) const NOT_HANDED_OVER: &str = "courriel-non-remis";
/// A mail about danger of which no notice came in time.
pub const NO_NOTICE: &str = "courriel-sans-avis";
/// The task in which an emergency access is reviewed.
pub(crate) const REVIEW: &str = "review-emergency";
/// How long a release may wait for its record to be signed.
const SIGNED_WITHIN: Duration = Duration::from_secs(30);
