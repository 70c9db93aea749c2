//! The mailbox: a unit sees what waits, without content; a machine of the unit sees ids and counts only.

use std::time::Duration;

use exchange::{DeliveryId, Instant, Party, ProfessionalId, UnitId};
use serde::Serialize;

use super::{known_to, nothing_there};
use crate::{
    directory::{Professional, day::day_in_france},
    flows::{Author, Caller, Rooms, acting_unit, gone},
    refusal::{CertificateFault, Refusal},
    store::delivery::{DeliveryRow, MailboxQuery},
};

/// What is asked of a mailbox.
#[derive(Debug, Default)]
pub struct Ask {
    /// The unit; absent: the professional's own.
    pub unit: Option<UnitId>,
    /// Only what arrived after this cursor.
    pub after: i64,
    /// Seconds to wait for something new, 60 at most.
    pub wait: u64,
    /// Page size, 200 at most.
    pub limit: Option<u32>,
}

/// One page of a mailbox, without content.
#[derive(Debug, Serialize)]
pub struct Page {
    /// What waits, urgent first.
    pub deliveries: Vec<Notice>,
    /// Cursor for the next page.
    pub after: i64,
}

/// One thing that waits.
#[derive(Debug, Serialize)]
pub struct Notice {
    /// Delivery id.
    pub delivery: DeliveryId,
    /// Exchange id; withheld from machines, which see ids of deliveries and counts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<exchange::ExchangeId>,
    /// Exchange type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<exchange::TypeCode>,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Party>,
    /// The unit for which it waits: whose mailbox it is needs no saying in its own listing.
    #[serde(skip)]
    pub recipient: Party,
    /// Urgency.
    pub urgency: &'static str,
    /// When it arrived.
    pub delivered_at: Instant,
    /// When somebody of the unit first opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Instant>,
    /// The exchange that this one corrects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rectifies: Option<exchange::ExchangeId>,
    /// When its sender withdrew it: this delivery says so, and is to be acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Instant>,
    /// How the unit answered, and when: what waits has no answer yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Instant>,
    /// Something is missing or did not conform.
    pub incomplete: bool,
}

/// What waits for a unit: for a habilitated professional, or for a machine of the unit (ids and counts only).
///
/// # Errors
/// [`Refusal`] when the caller is neither.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn mailbox(rooms: &Rooms, caller: &Caller, ask: &Ask) -> Result<Page, Refusal> {
    // 1. Who looks, into which mailbox?
    let (unit, reader) = looks(rooms, caller, ask)?;
    // 2. Look, and wait once for something new if nothing is there.
    let query = MailboxQuery { unit: &unit, reader: reader.as_ref(), after: ask.after, limit: ask.limit.unwrap_or(50).clamp(1, 200) };
    let bell = if ask.wait == 0 { None } else { rooms.store.wait_at(&unit, WAITING) };
    let until = tokio::time::Instant::now() + Duration::from_secs(ask.wait.min(60));
    let (mut rows, mut after) = rooms.store.mailbox(&query).await?;
    if let Some(mut bell) = bell {
        while rows.is_empty() && tokio::time::Instant::now() < until {
            let look = until.min(tokio::time::Instant::now() + LOOK_AGAIN);
            // Rung or not, the mailbox itself says what came; the bell only says when to look.
            tokio::select! {
                _ = tokio::time::timeout_at(look, bell.changed()) => {}
                // A gateway that stops answers who waits.
                () = rooms.stopping.cancelled() => break,
            }
            // Who may no longer look is told nothing of what came since.
            looks(rooms, caller, ask)?;
            (rows, after) = rooms.store.mailbox(&query).await?;
        }
    }
    Ok(page(rows, after, reader.is_some()))
}

/// One delivery as the mailbox tells of it, answered or not: to a professional who may know of it.
///
/// # Errors
/// [`Refusal::NotFound`] when it does not exist or may not be known of; [`Refusal::Erased`] when its content is gone.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn notice(rooms: &Rooms, caller: &Caller, id: DeliveryId) -> Result<Notice, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let professional = caller.professional(&law)?;
    match known_to(rooms, professional, id, now).await? {
        Some(row) if row.erased => Err(gone(rooms, row.exchange).await),
        Some(row) => Ok(told(row, true)),
        None => Err(nothing_there(rooms, &law, professional, &id, now).await),
    }
}

/// Who looks, into which mailbox: as law and directory are now.
fn looks(rooms: &Rooms, caller: &Caller, ask: &Ask) -> Result<(Party, Option<ProfessionalId>), Refusal> {
    match &caller.author {
        Author::Unnamed => Ok((machine_unit(caller, ask)?, None)),
        Author::Professional(_) | Author::Faulty(_) => {
            let law = rooms.law.load_full();
            let professional = caller.professional(&law)?;
            let unit = acting_unit(professional, ask.unit.as_ref())?;
            may_look(professional, &unit, rooms.clock.now())?;
            Ok((unit, Some(professional.id.clone())))
        }
    }
}

fn machine_unit(caller: &Caller, ask: &Ask) -> Result<Party, Refusal> {
    if caller.stale {
        return Err(Refusal::Certificate(CertificateFault::StaleRevocation));
    }
    // A machine sees the mailbox of the one unit its certificate names.
    let unit = caller.unit.clone().ok_or(Refusal::TokenMissing)?;
    if ask.unit.as_ref().is_some_and(|asked| *asked != unit) {
        return Err(Refusal::RoleMissing("certificat du service demandé"));
    }
    Ok(Party { institution: caller.institution.clone(), unit: Some(unit) })
}

fn may_look(professional: &Professional, unit: &Party, now: Instant) -> Result<(), Refusal> {
    match &unit.unit {
        Some(unit) if professional.habilitated(unit, day_in_france(now)) => Ok(()),
        _ => Err(Refusal::RoleMissing("habilitation en cours de validité pour ce service")),
    }
}

fn page(rows: Vec<DeliveryRow>, after: i64, named: bool) -> Page {
    Page { deliveries: rows.into_iter().map(|row| told(row, named)).collect(), after }
}

fn told(row: DeliveryRow, named: bool) -> Notice {
    Notice {
        delivery: row.id,
        exchange: named.then_some(row.exchange),
        kind: named.then_some(row.kind),
        sender: named.then_some(row.sender),
        recipient: row.recipient,
        urgency: row.urgency.as_str(),
        delivered_at: row.delivered_at,
        opened_at: row.opened_at,
        rectifies: row.rectifies.filter(|_| named),
        withdrawn_at: row.withdrawn_at.filter(|_| named),
        outcome: row.outcome,
        acknowledged_at: row.acknowledged_at,
        incomplete: row.incomplete,
    }
}

/// How many may wait at one mailbox: whoever comes after is answered at once.
const WAITING: usize = 64;
/// Who waits looks again after this time all the same: an arrival may have had nobody left to tell of it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
