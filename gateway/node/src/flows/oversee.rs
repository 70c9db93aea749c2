//! Overseeing: what those see who answer for the gateway and read no content. Who opened what and under which rule, how the
//! log stands, what could not be handed over, what is late.

use std::collections::BTreeMap;

use exchange::{ExchangeId, Instant, Party, ProfessionalId};
use serde_json::Value;

use super::{Caller, Law, Rooms};
use crate::{
    directory::{Professional, Role},
    log::{Event, Leaf, Openings, SignedCheckpoint},
    policy::DecisionRecord,
    refusal::Refusal,
    store::{
        audit::{AppendEntries, EntryRow},
        overview::{DeadRow, LateRow},
    },
};

/// One opening, without a word of what was read.
pub struct Opened {
    /// Its place in the log.
    pub index: u64,
    /// When.
    pub at: Instant,
    /// Of what.
    pub exchange: ExchangeId,
    /// Its type, when the decision of this opening says it.
    pub kind: Option<String>,
    /// By whom: a person, or the entry of a system.
    pub reader: ProfessionalId,
    /// For which unit.
    pub recipient: Option<Party>,
    /// For what, as the rules were asked.
    pub purpose: Option<String>,
    /// Under which rules.
    pub rules: Vec<String>,
    /// How many classes and fields were withheld.
    pub withheld: usize,
    /// In an emergency, over a refusal.
    pub emergency: bool,
    /// A part alone: an attachment, words of a task.
    pub part: Option<String>,
}

/// Openings, newest first, and before which place the next ones are sought.
pub struct Page {
    /// What was found.
    pub openings: Vec<Opened>,
    /// Where to go on; nothing at the beginning of the log.
    pub next: Option<u64>,
}

/// How the log stands.
pub struct LogState {
    /// The newest signed head.
    pub head: SignedCheckpoint,
    /// When it was signed.
    pub signed_at: Instant,
    /// How many entries wait for a signature, 4,096 at most.
    pub waiting: usize,
    /// Since when the oldest of them waits.
    pub since: Option<Instant>,
}

/// What an administrator watches.
pub struct Delivering {
    /// Notices that wait to be pushed.
    pub waiting: u64,
    /// Notices that were given up, newest first, 100 at most.
    pub dead: Vec<DeadRow>,
    /// Limits that have passed, by unit.
    pub late: Vec<LateRow>,
}

/// The openings by people of the caller's institution, or of what is addressed to it: at most fifty, before a place in the log.
/// That they were looked at stands in the log too.
///
/// # Errors
/// [`Refusal::RoleMissing`] unless the caller is a data-protection officer or an auditor.
pub async fn openings(rooms: &Rooms, caller: &Caller, before: Option<u64>) -> Result<Page, Refusal> {
    let law = rooms.law.load_full();
    let overseer = caller.with_role(&law, &[Role::Dpo, Role::Auditeur], OVERSEER)?;
    let size = rooms.store.latest_checkpoint().await?.map_or(0, |(size, _)| size);
    let mut end = before.map_or(size, |place| place.min(size));
    let mut page = Page { openings: Vec::new(), next: None };
    let (mut sealed, mut steps) = (BTreeMap::new(), 0);
    // 1. Backwards over the log, so far at most: a page costs the same after years.
    while end > 0 && page.openings.len() < PAGE && steps < STEPS {
        let first = end.saturating_sub(u64::from(STEP));
        let rows = rooms.store.entries_from(first, u32::try_from(end - first).unwrap_or(STEP)).await?;
        (end, steps) = (first, steps + 1);
        for row in rows.iter().rev() {
            let Some(opened) = opened(rooms, row)? else { continue };
            if !concerns(&law, overseer, &opened) {
                continue;
            }
            // Whom a file is sealed from does not learn here that it exists.
            let hidden = match sealed.get(&opened.exchange) {
                Some(hidden) => *hidden,
                None => {
                    let hidden = rooms.store.sealed_from(opened.exchange, &overseer.institution, &overseer.id).await?;
                    sealed.insert(opened.exchange, hidden);
                    hidden
                }
            };
            if hidden {
                continue;
            }
            let place = opened.index;
            page.openings.push(opened);
            if page.openings.len() == PAGE {
                end = place;
                break;
            }
        }
    }
    page.next = (end > 0).then_some(end);
    // 2. Whoever watches is watched.
    let places: Vec<u64> = page.openings.iter().map(|one| one.index).collect();
    let statement =
        rooms.state(&law, Event::DecisionExamined, None, rooms.clock.now()).commit("professional", &overseer.id).commit("entries", &places);
    let entry = rooms.entry(statement)?;
    let leaf = entry.leaf_hash;
    rooms.store.write(AppendEntries(vec![entry])).await?;
    rooms.signed(&leaf).await?;
    Ok(page)
}

/// How the log stands now.
///
/// # Errors
/// [`Refusal::RoleMissing`] unless the caller is a data-protection officer or an auditor.
pub async fn log(rooms: &Rooms, caller: &Caller) -> Result<LogState, Refusal> {
    let law = rooms.law.load_full();
    caller.with_role(&law, &[Role::Dpo, Role::Auditeur], OVERSEER)?;
    let (_, note) = rooms.store.latest_checkpoint().await?.ok_or(Refusal::NotFound)?;
    let signed_at = rooms.store.last_signed_at().await?.ok_or(Refusal::NotFound)?;
    let head = note.parse().map_err(|_| Refusal::Internal("checkpoint"))?;
    let pending = rooms.store.pending_entries().await?;
    let since = match pending.first() {
        Some(oldest) => rooms.store.entry_of_row(&oldest.id).await?.and_then(|row| Leaf::parse(&row.leaf).ok()).map(|leaf| leaf.time),
        None => None,
    };
    Ok(LogState { head, signed_at, waiting: pending.len(), since })
}

/// What waits, what was given up, what is late: units and dates, never a content nor a reference to one.
///
/// # Errors
/// [`Refusal::RoleMissing`] unless the caller administers this gateway.
pub async fn delivering(rooms: &Rooms, caller: &Caller) -> Result<Delivering, Refusal> {
    let law = rooms.law.load_full();
    administers(rooms, caller, &law)?;
    let (waiting, dead) = (rooms.store.waiting_pushes().await?, rooms.store.dead_deliveries().await?);
    Ok(Delivering { waiting, dead, late: rooms.store.late(rooms.clock.now()).await? })
}

/// The administrator of this gateway, of the institution that holds it: that of its CRIP.
///
/// # Errors
/// [`Refusal::RoleMissing`] for anybody else.
pub fn administers<'l>(rooms: &Rooms, caller: &Caller, law: &'l Law) -> Result<&'l Professional, Refusal> {
    let who = caller.with_role(law, &[Role::Administrateur], ADMINISTRATOR)?;
    let holds = law.directory.institution(&who.institution).is_some_and(|institution| {
        institution.departement == rooms.departement && institution.units.values().any(|unit| unit.kind.as_str() == "crip")
    });
    if holds { Ok(who) } else { Err(Refusal::RoleMissing(ADMINISTRATOR)) }
}

/// What an entry says, when it is an opening whose words are still kept.
fn opened(rooms: &Rooms, row: &EntryRow) -> Result<Option<Opened>, Refusal> {
    let emergency = row.event == Event::BreakGlass.as_str();
    let (Some(index), Some(exchange), Some(sealed)) = (row.index, row.exchange, &row.opening) else { return Ok(None) };
    if !emergency && row.event != Event::ExchangeOpened.as_str() {
        return Ok(None);
    }
    let leaf = Leaf::parse(&row.leaf).map_err(|_| Refusal::Internal("leaf"))?;
    let plain = rooms.keystore.open_opening(&row.leaf_hash, sealed).map_err(|_| Refusal::Internal("opening"))?;
    let words: Openings = serde_json::from_slice(&plain).map_err(|_| Refusal::Internal("opening"))?;
    let reader = words.value("professional").or_else(|| words.value("system"));
    let Some(reader) = reader.and_then(|value| serde_json::from_value(value.clone()).ok()) else { return Ok(None) };
    let record = words.value("decision").and_then(|decision| decision.get("record"));
    let record: Option<DecisionRecord> = record.and_then(|record| serde_json::from_value(record.clone()).ok());
    let fact = |name: &str| record.as_ref()?.facts.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Some(Opened {
        index,
        at: leaf.time,
        exchange,
        kind: fact("type"),
        reader,
        recipient: words.value("recipient").and_then(|value| serde_json::from_value(value.clone()).ok()),
        purpose: fact("purpose"),
        emergency,
        part: words.value("part").and_then(Value::as_str).map(str::to_owned),
        withheld: record.as_ref().map_or(0, |record| record.withheld.len()),
        rules: record.map(|record| record.rules).unwrap_or_default(),
    }))
}

fn concerns(law: &Law, overseer: &Professional, opened: &Opened) -> bool {
    let reader = law.directory.professional(&opened.reader).map(|known| &known.institution);
    let recipient = opened.recipient.as_ref().map(|party| &party.institution);
    reader.or(recipient) == Some(&overseer.institution) || recipient == Some(&overseer.institution)
}

const OVERSEER: &str = "délégué à la protection des données ou auditeur";
const ADMINISTRATOR: &str = "administrateur de la passerelle";
/// Openings of one page.
const PAGE: usize = 50;
/// Entries read at a time.
const STEP: u32 = 500;
/// How many times at most for one page.
const STEPS: u32 = 10;
