//! Following: what became of an exchange, as the law lets *this* person see it; what is due; the evidence of what was done.
//!
//! A reporter sees accepted, delivered, its own follow-ups and the answers sent to it: nothing that tells of a judicial
//! referral (R33). What a person may not see answers exactly as what does not exist (invariant 15).

use std::collections::BTreeMap;

use exchange::{DeliveryId, ExchangeId, Instant, Party, ProtectionRole};
use serde_json::{Value, json};

use super::{Caller, Law, Rooms, acts_for, answers_for, sent, title_of_task, verify::Evidence};
use crate::{
    directory::{Professional, Role},
    log::{Event, LogProof, Openings, TileSet, tile},
    refusal::Refusal,
    seal,
    store::{
        audit::{AppendEntries, EntryRow},
        clocks::{ClockRow, ReminderRow},
        delivery::{DeliveryRow, Word},
        exchange::ExchangeRow,
        follow_up::FollowUpRow,
    },
};

/// What one person may see of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// The unit that sent it.
    Sender {
        /// A professional or elected reporter: nothing of what the recipient does shows.
        reporter: bool,
    },
    /// A unit that received it.
    Recipient,
    /// An auditor or data-protection officer of the recipient.
    Auditor,
}

/// The timeline of one exchange for this person.
///
/// # Errors
/// [`Refusal::NotFound`] when it does not exist or is not this person's to see.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn timeline(rooms: &Rooms, caller: &Caller, id: ExchangeId) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let professional = caller.professional(&law)?;
    let Seen { row, deliveries, view } = seen(rooms, &law, professional, id).await?;
    let inside = !matches!(view, View::Sender { reporter: true });
    let of_a_party = matches!(view, View::Sender { reporter: false } | View::Recipient);
    let reasons = if of_a_party { reasons(rooms, &law, professional, &row, &deliveries).await? } else { BTreeMap::new() };
    let mails = if of_a_party { rooms.store.mails_of(id).await? } else { Vec::new() };
    let shown: Vec<Value> = deliveries
        .iter()
        .map(|delivery| {
            let mut shown = json!({"recipient": delivery.recipient, "delivered_at": delivery.delivered_at});
            let rectifies = delivery.word == Word::Withdrawal || row.rectifies.is_some();
            if let (true, Value::Object(shown)) = (rectifies, &mut shown) {
                // That a correction or a withdrawal was taken note of tells nothing of what the recipient does about the child.
                shown.insert("acknowledged_at".into(), json!(delivery.acknowledged_at));
            }
            if let (Word::Withdrawal, Value::Object(shown)) = (delivery.word, &mut shown) {
                shown.insert("withdrawal".into(), json!(true));
            }
            if let (true, Value::Object(shown)) = (inside, &mut shown) {
                shown.insert("delivery".into(), json!(delivery.id));
                shown.insert("opened_at".into(), json!(delivery.opened_at));
                shown.insert("acknowledged_at".into(), json!(delivery.acknowledged_at));
                shown.insert("outcome".into(), json!(delivery.outcome));
                let mail = mails.iter().find(|mail| mail.delivery == delivery.id);
                shown.extend(mail.map(|mail| {
                    let told = json!({"sent_at": mail.sent_at, "disposition": mail.disposition, "disposed_at": mail.disposed_at});
                    ("mail".to_owned(), told)
                }));
                shown.extend(reasons.get(&delivery.id).map(|reason| ("reason".to_owned(), json!(reason))));
            }
            shown
        })
        .collect();
    let mine =
        |owner: &Party| owner.institution == professional.institution && owner.unit.as_ref().is_none_or(|u| professional.units.contains(u));
    // What a function reviews is not told to those whom it reviews.
    let unit = |owner: &Party, role: Option<Role>| role.is_none() && mine(owner);
    let follow_ups = rooms.store.follow_ups(id).await?;
    let follow_ups: Vec<Value> = follow_ups.iter().filter(|f| unit(&f.owner, f.role)).map(|f| follow_up(&law, f)).collect();
    let clocks = rooms.store.clocks_of(id).await?;
    let clocks: Vec<Value> = clocks.iter().filter(|c| unit(&c.owner, c.role)).map(|c| clock(&law, c)).collect();
    let mut answers = Vec::new();
    for answer in rooms.store.answers_to(id).await?.iter().filter(|answer| mine(&answer.recipient) || mine(&answer.sender)) {
        // An answer has exclusions of its own.
        if !rooms.store.sealed_from(answer.id, &professional.institution, &professional.id).await? {
            answers.push(json!({"exchange": answer.id, "type": answer.kind, "accepted_at": answer.accepted_at}));
        }
    }
    let mut corrections = Vec::new();
    for correction in rooms.store.corrections_of(id).await? {
        let sealed = rooms.store.sealed_from(correction.id, &professional.institution, &professional.id).await?;
        // It may have been refused to a unit that got the first one.
        let here =
            mine(&correction.sender) || rooms.store.deliveries_of(correction.id).await?.iter().any(|delivery| mine(&delivery.recipient));
        if here && !sealed {
            corrections.push(json!({"exchange": correction.id, "accepted_at": correction.accepted_at}));
        }
    }
    Ok(json!({
        "exchange": row.id,
        "type": row.kind,
        "rectifies": row.rectifies,
        "rectified_by": corrections,
        "withdrawn_at": row.withdrawn_at,
        "sender": row.sender,
        "accepted_at": row.accepted_at,
        "incomplete": row.incomplete,
        "erased_at": row.erased_at,
        "deliveries": shown,
        "follow_ups": follow_ups,
        "clocks": clocks,
        "answers": answers,
    }))
}

/// Why the recipient did not take it in charge, by delivery. These are words of the recipient: like any content, they
/// leave only after the entry that says so is signed (invariant 5).
async fn reasons(
    rooms: &Rooms,
    law: &Law,
    professional: &Professional,
    row: &ExchangeRow,
    deliveries: &[DeliveryRow],
) -> Result<BTreeMap<DeliveryId, String>, Refusal> {
    let mut sealed = Vec::new();
    for delivery in deliveries {
        sealed.extend(rooms.store.acknowledgement_reason(delivery.id).await?.map(|reason| (delivery.id, reason)));
    }
    let key = if sealed.is_empty() { None } else { rooms.keys.exchange_key(row.id).await? };
    let Some(key) = key else { return Ok(BTreeMap::new()) };
    let statement = rooms
        .state(law, Event::ExchangeOpened, Some(row.id), rooms.clock.now())
        .commit("professional", &professional.id)
        .commit("part", &"acknowledgement-reason");
    let entry = rooms.entry(statement)?;
    let leaf = entry.leaf_hash;
    rooms.store.write(AppendEntries(vec![entry])).await?;
    rooms.signed(&leaf).await?;
    let open = |(delivery, reason): (DeliveryId, Vec<u8>)| {
        let plain = seal::open_column(&key, "delivery", row.id, "reason", &reason).map_err(|_| Refusal::Internal("reason"))?;
        Ok((delivery, String::from_utf8(plain).map_err(|_| Refusal::Internal("reason"))?))
    };
    sealed.into_iter().map(open).collect()
}

/// Receipt, acceptance leaf, the openings this person may have, inclusion proof and checkpoint: verifiable offline.
///
/// # Errors
/// As [`timeline`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn evidence(rooms: &Rooms, caller: &Caller, id: ExchangeId) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let professional = caller.professional(&law)?;
    let Seen { row, view, .. } = seen(rooms, &law, professional, id).await?;
    let mut hash = [0; 32];
    hash.copy_from_slice(row.leaf_hash.get(..32).ok_or(Refusal::Internal("leaf"))?);
    rooms.signed(&hash).await?;
    let entry = rooms.store.entry(&hash).await?.ok_or(Refusal::Internal("entry"))?;
    let (proof, checkpoint) = prove(rooms, &entry).await?;
    let names: &[&str] = match view {
        View::Sender { .. } => &["exchange", "type", "sender", "recipient", "professional", "payload", "attachments"],
        View::Recipient => &["exchange", "type", "sender", "recipient", "payload"],
        View::Auditor => &["exchange", "type", "sender", "recipient", "professional", "payload", "decision"],
    };
    let openings = openings(rooms, &entry)?.map(|all| all.subset(names));
    let receipt = match view {
        View::Sender { .. } => Some(row.receipt),
        // The receipt carries the sender's salt: nobody else gets it.
        View::Recipient | View::Auditor => None,
    };
    let evidence = Evidence {
        receipt,
        entry: String::from_utf8(entry.leaf).map_err(|_| Refusal::Internal("leaf"))?,
        expired: openings.is_none(),
        openings,
        proof,
        checkpoint: Some(checkpoint),
    };
    serde_json::to_value(evidence).map_err(|_| Refusal::Internal("evidence"))
}

/// What is due to a professional's units, and what they were told.
///
/// # Errors
/// The caller is not a known professional.
pub async fn due(rooms: &Rooms, caller: &Caller) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let professional = caller.professional(&law)?;
    let (mut clocks, mut reminders, mut follow_ups) = (Vec::new(), Vec::new(), Vec::new());
    let now = rooms.clock.now();
    let party = |unit| Party { institution: professional.institution.clone(), unit };
    // What was deposited in the name of the institution alone is nobody's unless its leads see it.
    let owners = professional.units.iter().cloned().map(Some).chain([None]).map(party);
    let owners = owners.filter(|owner| acts_for(&law, professional, owner, now)).map(|owner| (owner, None));
    // What belongs to a function is owed by whoever has it.
    let functions = professional.roles.iter().map(|role| (party(None), Some(*role)));
    for (owner, role) in owners.chain(functions) {
        clocks.extend(rooms.store.clocks_owned(&owner, role, &professional.id).await?.iter().map(|c| clock(&law, c)));
        reminders.extend(rooms.store.reminders_of(&owner, role, &professional.id).await?.iter().map(|r| reminder(&law, r)));
        follow_ups.extend(rooms.store.open_follow_ups(&owner, role, &professional.id).await?.iter().map(|f| follow_up(&law, f)));
    }
    let mut due = json!({"clocks": clocks, "reminders": reminders, "follow_ups": follow_ups});
    // The data-protection officer is told of each pseudonym that somebody asks to have lifted, approved or not.
    if professional.has_role(Role::Dpo)
        && let Value::Object(due) = &mut due
    {
        let asked = rooms.store.reidentifications(&professional.institution).await?;
        let told = asked
            .iter()
            .map(|one| json!({"id": one.id, "asker": one.asker.subject, "requested_at": one.requested_at, "opened_at": one.used_at}));
        due.insert("reidentifications".into(), told.collect());
    }
    Ok(due)
}

/// What a professional sent, newest first, a page at a time: codes and instants, no content.
///
/// # Errors
/// The caller is not a known professional.
pub async fn sent_by(rooms: &Rooms, caller: &Caller, before: Option<ExchangeId>) -> Result<Vec<Value>, Refusal> {
    let law = rooms.law.load_full();
    let professional = caller.professional(&law)?;
    let rows = rooms.store.sent_by(&professional.institution, &professional.id, before).await?;
    let shown = |row: &ExchangeRow| {
        json!({"exchange": row.id, "type": row.kind, "recipient": row.recipient, "urgency": row.urgency, "accepted_at": row.accepted_at,
            "incomplete": row.incomplete, "withdrawn_at": row.withdrawn_at, "erased_at": row.erased_at})
    };
    Ok(rows.iter().map(shown).collect())
}

/// The first limit that runs for this professional's units, of each of these exchanges that has one.
///
/// # Errors
/// The caller is not a known professional.
pub async fn limits(rooms: &Rooms, caller: &Caller, of: &[ExchangeId]) -> Result<BTreeMap<ExchangeId, Value>, Refusal> {
    let law = rooms.law.load_full();
    let professional = caller.professional(&law)?;
    let now = rooms.clock.now();
    let sealed = rooms.store.all_sealed_from(&professional.institution, &professional.id).await?;
    let mut limits = BTreeMap::new();
    for id in of.iter().filter(|id| !sealed.contains(id)) {
        let clocks = rooms.store.clocks_of(*id).await?;
        let mine =
            clocks.iter().filter(|one| one.stopped_at.is_none() && one.role.is_none() && acts_for(&law, professional, &one.owner, now));
        if let Some(first) = mine.min_by_key(|one| one.limit) {
            limits.insert(*id, clock(&law, first));
        }
    }
    Ok(limits)
}

/// The C2SP proof that a leaf stands in the newest checkpoint, and that checkpoint.
async fn prove(rooms: &Rooms, entry: &EntryRow) -> Result<(String, String), Refusal> {
    let index = entry.index.ok_or(Refusal::Internal("index"))?;
    let (size, checkpoint) = rooms.store.latest_checkpoint().await?.ok_or(Refusal::Internal("checkpoint"))?;
    let mut tiles = TileSet::default();
    for id in tile::inclusion_tiles(index, size).map_err(|_| Refusal::Internal("proof"))? {
        let hashes = rooms.tile(&id).await?.ok_or(Refusal::Internal("tile"))?;
        tiles.insert(id, tile::read_hashes(&hashes).map_err(|_| Refusal::Internal("tile"))?);
    }
    let hashes = tile::inclusion_proof(index, size, &tiles).map_err(|_| Refusal::Internal("proof"))?;
    let signed = checkpoint.parse().map_err(|_| Refusal::Internal("checkpoint"))?;
    Ok((LogProof { extra: None, index, hashes, checkpoint: signed }.to_string(), checkpoint))
}

/// The proof of any leaf by its index, for `GET /log/proof/{leaf}`.
///
/// # Errors
/// [`Refusal::NotFound`] beyond the tree.
pub async fn proof(rooms: &Rooms, index: u64) -> Result<String, Refusal> {
    // No tree is that large; the store counts in signed numbers.
    if i64::try_from(index).is_err() {
        return Err(Refusal::NotFound);
    }
    let entry = rooms.store.entries_from(index, 1).await?.into_iter().next().filter(|entry| entry.index == Some(index));
    let entry = entry.ok_or(Refusal::NotFound)?;
    Ok(prove(rooms, &entry).await?.0)
}

fn openings(rooms: &Rooms, entry: &EntryRow) -> Result<Option<Openings>, Refusal> {
    let Some(sealed) = &entry.opening else { return Ok(None) };
    let plain = rooms.keystore.open_opening(&entry.leaf_hash, sealed).map_err(|_| Refusal::Internal("opening"))?;
    serde_json::from_slice(&plain).map(Some).map_err(|_| Refusal::Internal("opening"))
}

/// An exchange as far as this person may know of it.
struct Seen {
    row: ExchangeRow,
    deliveries: Vec<DeliveryRow>,
    view: View,
}

/// The exchange, and how this person sees it; nothing when it is not this person's to see.
async fn seen(rooms: &Rooms, law: &Law, professional: &Professional, id: ExchangeId) -> Result<Seen, Refusal> {
    let (row, deliveries) = (rooms.store.exchange(id).await?, rooms.store.deliveries_of(id).await?);
    let sealed = rooms.store.sealed_from(id, &professional.institution, &professional.id).await?;
    let row = row.filter(|_| !sealed).ok_or(Refusal::NotFound)?;
    let view = view(law, professional, &row, &deliveries, rooms.clock.now()).ok_or(Refusal::NotFound)?;
    Ok(Seen { row, deliveries, view })
}

/// Whoever got it beside its recipient is a recipient too: at night the on-call service, of what is addressed to the CRIP.
fn view(law: &Law, professional: &Professional, row: &ExchangeRow, deliveries: &[DeliveryRow], now: Instant) -> Option<View> {
    let mut recipients = deliveries.iter().map(|delivery| &delivery.recipient).chain([&row.recipient]);
    if recipients.any(|recipient| answers_for(professional, recipient, now)) {
        return Some(View::Recipient);
    }
    let auditor = professional.has_role(Role::Auditeur) || professional.has_role(Role::Dpo);
    if auditor && row.recipient.institution == professional.institution {
        return Some(View::Auditor);
    }
    // An auditor of a reporter's institution learns what the reporter may, and no more (R33).
    if sent(law, professional, row, now) || (auditor && row.sender.institution == professional.institution) {
        let role = law.directory.party(&row.sender).and_then(|known| law.catalogue.kind(known.kind)).map(|kind| kind.role);
        let reporter = !matches!(role, Some(ProtectionRole::Implements | ProtectionRole::Authority));
        return Some(View::Sender { reporter });
    }
    None
}

fn follow_up(law: &Law, row: &FollowUpRow) -> Value {
    json!({
        "follow_up": row.id,
        "exchange": row.exchange,
        "code": row.code,
        "title": title_of_task(law, &row.code),
        "details": row.details,
        "opened_at": row.opened_at,
        "deferred_until": row.deferred_until,
        "done_at": row.done_at,
    })
}

fn clock(law: &Law, row: &ClockRow) -> Value {
    let rule = law.catalogue.clock(&row.name);
    json!({
        "clock": row.name,
        "title": rule.map(|rule| rule.title.as_str()),
        "source": rule.map(|rule| rule.source.as_str()),
        "exchange": row.exchange,
        "started_at": row.started_at,
        "limit": row.limit,
        "stopped_at": row.stopped_at,
    })
}

fn reminder(law: &Law, row: &ReminderRow) -> Value {
    json!({
        "clock": row.name,
        "title": law.catalogue.clock(&row.name).map(|rule| rule.title.as_str()),
        "exchange": row.exchange,
        "stage": row.stage,
        "due_at": row.due_at,
        "fired_at": row.fired_at,
        "professional": row.professional,
    })
}
