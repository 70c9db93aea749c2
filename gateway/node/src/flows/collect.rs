//! Collecting: a unit sees what waits; a named professional reads what the law lets this person read.
//!
//! Nothing leaves before the entry that says so stands in a signed checkpoint (invariant 5). What a person may not
//! see answers exactly as what does not exist (invariant 15).

pub mod attachment;
mod mailbox;
mod rectified;
pub mod system;
pub mod urgence;

use std::{collections::BTreeSet, sync::Arc};

use exchange::{
    DataClass, DeliveryId, Disclosure, Identity, Instant, Kind, Party,
    document::{Leaves, Pointer},
    envelope::Route,
};
use serde::Serialize;
use serde_json::{Value, json};

pub use mailbox::{Ask, Notice, Page, mailbox, notice};

use super::{
    Caller, Law, Rooms, answers_for, gone, is_danger,
    law::archive::{ArchiveFault, Past},
};
use crate::{
    catalogue::{Catalogue, ExchangeType},
    directory::{Professional, day::day_in_france},
    log::Event,
    policy::{AgreementState, DecisionRecord, Denial, Opening, Reading, Release, Side, Withheld},
    refusal::Refusal,
    seal::{self, ExchangeKey},
    store::{
        delivery::{DeliveryRow, OpenDelivery},
        exchange::ExchangeRow,
    },
};

/// The document of one delivery as the law lets this professional read it, with what was withheld and why.
///
/// # Errors
/// [`Refusal::NotFound`] when it does not exist or may not be known of; [`Refusal::Denied`] when the reader may know
/// of it and not read it; [`Refusal::Erased`] when its key is gone.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn open(rooms: &Rooms, caller: &Caller, id: DeliveryId) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Find: the delivery, and the reader's place in the unit it is for.
    let professional = caller.professional(&law)?;
    let Some(delivery) = known_to(rooms, professional, id, now).await? else {
        return Err(nothing_there(rooms, &law, professional, &id, now).await);
    };
    let mut loaded = load(rooms, delivery.exchange).await?;

    // 2. Decide, again and for this person: habilitations and agreements may have ended since acceptance.
    let release = match release(&law, professional, &delivery, &loaded, &loaded.classes, Opening::Ordinary, now)? {
        Ok(release) => release,
        Err(denial) => return Err(refused(rooms, &law, professional, &delivery, denial, now).await),
    };

    // 3. Write it down, and wait until it cannot be unwritten.
    let statement = rooms
        .state(&law, Event::ExchangeOpened, Some(loaded.row.id), now)
        .commit("delivery", &delivery.id)
        .commit("recipient", &delivery.recipient)
        .commit("professional", &professional.id)
        .commit("decision", &json!({"result": "permit", "record": release.record()}));
    let entry = rooms.entry(statement)?;
    let leaf = entry.leaf_hash;
    rooms
        .store
        .write(OpenDelivery { id, exchange: loaded.row.id, at: now, by: professional.id.subject.clone(), word: delivery.word, entry })
        .await?;
    rooms.signed(&leaf).await?;

    // 4. Release: only what was granted is ever decrypted into the document; of what was taken back, meanwhile too, nothing.
    loaded.row = rooms.store.exchange(loaded.row.id).await?.ok_or(Refusal::NotFound)?;
    let (mut content, unsorted) = released(rooms, &law, &loaded, &release, |_| true).await?;
    if !content.is_empty() {
        attachment::offer(rooms, &delivery, &mut content).await?;
    }
    let mut document = document(&delivery, &loaded.row, &loaded.route, content.reveal(), (release.withheld(), unsorted));
    rectified::tell(rooms, professional, &delivery, &loaded, &mut document).await?;
    Ok(document)
}

/// An exchange with its key, before anything is decided of it.
struct Loaded {
    row: ExchangeRow,
    key: ExchangeKey,
    route: Route,
    compartments: seal::Compartments,
    /// Classes present.
    classes: Vec<DataClass>,
    /// Types and kinds of the day of acceptance, when another set is in force now.
    past: Option<Arc<Past>>,
}

impl Loaded {
    /// Its type as it was accepted: a set that changes or ends a type takes nothing away from what came before.
    fn exchange_type<'t>(&'t self, law: &'t Law) -> Result<&'t ExchangeType, Refusal> {
        let of = |catalogue: &'t Catalogue| catalogue.exchange_type(&self.row.kind, self.row.accepted_at);
        let then = self.past.as_ref().and_then(|past| of(&past.catalogue));
        let whole = then.or_else(|| of(&law.catalogue)).ok_or(Refusal::Undecidable)?;
        Ok(whole.form(self.route.form.as_deref()))
    }

    /// When its sender took the content back. A danger that was withdrawn is told so, and stays to be read.
    fn taken_back(&self, law: &Law) -> Option<Instant> {
        self.row.withdrawn_at.filter(|_| !is_danger(law, &self.row))
    }

    /// One end as rules see it: a kind that is no more is what it was.
    fn side<'t>(&'t self, law: &'t Law, kind: &'t Kind) -> Result<Side<'t>, Refusal> {
        let then = || self.past.as_ref().and_then(|past| past.catalogue.kind(kind)).map(|rule| Side { kind, rule });
        law.side(kind).or_else(|refusal| then().ok_or(refusal))
    }
}

/// The set under which an exchange was accepted, unless it is the one in force. One that is not given back must not keep a
/// danger from its reader: the set in force stands in.
async fn set_of(rooms: &Rooms, row: &ExchangeRow, key: &ExchangeKey) -> Result<Option<Arc<Past>>, Refusal> {
    let set = at_acceptance(row, key)?.policy_set;
    if set == rooms.law.load().files.hash() {
        return Ok(None);
    }
    match rooms.past(&set).await {
        Ok(past) => Ok(Some(past)),
        Err(ArchiveFault::Store(error)) => Err(error.into()),
        Err(fault) => {
            tracing::warn!(error = %fault, exchange.id = %row.id, "the set of an exchange is not given back; it is read with the one in force");
            Ok(None)
        }
    }
}

async fn load(rooms: &Rooms, exchange: exchange::ExchangeId) -> Result<Loaded, Refusal> {
    let row = rooms.store.exchange(exchange).await?.ok_or(Refusal::NotFound)?;
    if let Some(at) = row.erased_at {
        return Err(Refusal::Erased { id: row.id, at });
    }
    let Some(key) = rooms.keys.exchange_key(row.id).await? else { return Err(gone(rooms, row.id).await) };
    let route: Route =
        serde_json::from_slice(&seal::open_column(&key, "exchange", row.id, "route", &row.route).map_err(|_| Refusal::Internal("route"))?)
            .map_err(|_| Refusal::Internal("route"))?;
    let Some(sealed) = rooms.store.content(row.id).await? else { return Err(gone(rooms, row.id).await) };
    let compartments = seal::Compartments::read(&sealed).map_err(|_| Refusal::Internal("content"))?;
    let mut classes = compartments.classes();
    // Identities live in the vault, never in a compartment: what came of them is in the record of acceptance. Nobody is told
    // that an address is withheld which was never there.
    let came = at_acceptance(&row, &key).ok().and_then(|record| record.facts.get("classes").cloned());
    let came = |class: &DataClass| came.as_ref().and_then(Value::as_array).is_none_or(|all| all.iter().any(|one| one == class.as_str()));
    classes.extend([DataClass::Identite, DataClass::Contact].into_iter().filter(came));
    let past = set_of(rooms, &row, &key).await?;
    Ok(Loaded { row, key, route, compartments, classes, past })
}

/// What was released of the classes that are wanted, and whether something was kept back that nobody has sorted yet.
async fn released(
    rooms: &Rooms,
    law: &Law,
    loaded: &Loaded,
    release: &Release,
    wanted: impl Fn(DataClass) -> bool,
) -> Result<(Leaves, bool), Refusal> {
    let Loaded { row, key, route, compartments, .. } = loaded;
    let (mut leaves, mut unsorted) = (Leaves::new(), false);
    if loaded.taken_back(law).is_some() {
        return Ok((leaves, unsorted));
    }
    for class in compartments.classes().into_iter().filter(|class| wanted(*class)) {
        if release.opens(class) {
            let mut granted = compartments.open(key, row.id, class).map_err(|_| Refusal::Internal("content"))?;
            unsorted |= release.filter(class, &mut granted);
            leaves.extend(granted);
        }
    }
    leaves.extend(subjects(rooms, loaded.exchange_type(law)?, row, route, release, key).await?);
    Ok((leaves, unsorted))
}

/// The subjects as far as the type discloses them and this reader may read: named, under the recipient's pseudonym for
/// each, or not at all.
async fn subjects(
    rooms: &Rooms,
    exchange_type: &ExchangeType,
    row: &ExchangeRow,
    route: &Route,
    release: &Release,
    key: &ExchangeKey,
) -> Result<Leaves, Refusal> {
    let mut leaves = Leaves::new();
    if exchange_type.disclosure == Disclosure::Anonymous {
        return Ok(leaves);
    }
    let persons = rooms.vault.persons(release.permit()).await?;
    let pseudonyms = rooms.pseudonyms(&row.recipient.institution, route, &persons).await?;
    let identities = rooms.vault.reveal(release.permit(), key).await?;
    for (n, identity) in identities.iter().enumerate() {
        let mut visible = visible_identity(release, n, identity);
        if exchange_type.disclosure == Disclosure::Pseudonymous {
            visible = Leaves::new();
        }
        if !visible.is_empty() || exchange_type.disclosure == Disclosure::Pseudonymous {
            let top = Pointer::default().child("subjects").child(n.to_string());
            visible.insert(top.child("ref"), json!(identity.reference()));
            if let Some(pseudonym) = pseudonyms.as_ref().and_then(|all| all.get(n)) {
                visible.insert(top.child("pseudonym"), json!(pseudonym));
            }
        }
        leaves.extend(visible);
    }
    Ok(leaves)
}

fn visible_identity(release: &Release, n: usize, identity: &Identity) -> Leaves {
    let mut visible = Leaves::new();
    let top = Pointer::default().child("subjects").child(n.to_string());
    for class in [DataClass::Identite, DataClass::Contact] {
        let mut leaves = Leaves::new();
        for (at, value) in identity.reveal().iter().filter(|(at, _)| identity_class(at) == class) {
            leaves.insert(at.segments().iter().fold(top.clone(), |at, segment| at.child(segment)), value.clone());
        }
        release.filter(class, &mut leaves);
        visible.extend(leaves);
    }
    visible
}

fn identity_class(at: &Pointer) -> DataClass {
    match at.segments().first().map(String::as_str) {
        Some("address" | "phone" | "email") => DataClass::Contact,
        _ => DataClass::Identite,
    }
}

fn document(delivery: &DeliveryRow, row: &ExchangeRow, route: &Route, content: Value, (withheld, unsorted): (&[Withheld], bool)) -> Value {
    let withheld: Vec<Withheld> = withheld.iter().cloned().chain(unsorted.then(Withheld::unsorted)).collect();
    let mut document = json!({
        "delivery": delivery.id,
        "exchange": row.id,
        "type": row.kind,
        "sender": row.sender,
        "recipient": delivery.recipient,
        "purpose": route.purpose,
        "legal_basis": route.legal_basis,
        "urgency": row.urgency,
        "accepted_at": row.accepted_at,
        "incomplete": row.incomplete,
        "withheld": withheld,
    });
    if let (Value::Object(document), Value::Object(content)) = (&mut document, content) {
        if let Some(answered) = row.in_reply_to {
            document.insert("in_reply_to".into(), json!(answered));
        }
        document.extend(content);
    }
    document
}

/// The record of the decision that accepted an exchange.
fn at_acceptance(row: &ExchangeRow, key: &ExchangeKey) -> Result<DecisionRecord, Refusal> {
    let plain = seal::open_column(key, "exchange", row.id, "decision", &row.decision).map_err(|_| Refusal::Internal("decision"))?;
    serde_json::from_slice(&plain).map_err(|_| Refusal::Internal("decision"))
}

/// The kind of the sender when the exchange was accepted.
fn kind_at_acceptance(row: &ExchangeRow, key: &ExchangeKey) -> Result<Kind, Refusal> {
    let record = at_acceptance(row, key)?;
    record.facts.get("from_kind").and_then(Value::as_str).and_then(|kind| kind.parse().ok()).ok_or(Refusal::Undecidable)
}

fn release(
    law: &Law,
    professional: &Professional,
    delivery: &DeliveryRow,
    loaded: &Loaded,
    classes: &[DataClass],
    opening: Opening<'_>,
    now: Instant,
) -> Result<Result<Release, Denial>, Refusal> {
    let Loaded { row, key, route, .. } = loaded;
    // A sender that has left the directory since is what it was when its exchange was accepted: danger stays readable.
    let sender_kind = match law.directory.party(&row.sender) {
        Some(known) => known.kind.clone(),
        None => kind_at_acceptance(row, key)?,
    };
    let exchange_type = loaded.exchange_type(law)?;
    // Whoever got it beside its recipient reads in the unit to which it was handed, not in the recipient’s.
    let route = &Route { recipient: delivery.recipient.clone(), ..route.clone() };
    let recipient_kind = law.directory.party(&delivery.recipient).ok_or(Refusal::Undecidable)?.kind;
    let member = member(professional, &delivery.recipient);
    let present: BTreeSet<DataClass> = classes.iter().copied().collect();
    let paths = exchange_type.fields.iter().filter(|field| present.contains(&field.class)).map(|field| field.path.clone()).collect();
    let unit = delivery.recipient.unit.as_ref();
    Ok(law.policies.release(&Reading {
        exchange: row.id,
        exchange_type,
        route,
        sender: loaded.side(law, &sender_kind)?,
        recipient: loaded.side(law, recipient_kind)?,
        reader: professional,
        habilitated: unit.is_some_and(|unit| professional.habilitated(unit, day_in_france(now))),
        // What came to a unit belongs to the unit as a whole until somebody is in charge.
        case_link: member,
        opening,
        agreement: law.agreement(exchange_type, route, now).unwrap_or(AgreementState::NotInForce),
        classes: present,
        paths,
        now,
    }))
}

/// The delivery, if this person may know of it: habilitated in the unit it is for, and not one from whom it is sealed.
async fn known_to(rooms: &Rooms, professional: &Professional, id: DeliveryId, now: Instant) -> Result<Option<DeliveryRow>, Refusal> {
    let Some(delivery) = rooms.store.delivery(id).await? else { return Ok(None) };
    let sealed = rooms.store.sealed_from(delivery.exchange, &professional.institution, &professional.id).await?;
    Ok(Some(delivery).filter(|delivery| !sealed && answers_for(professional, &delivery.recipient, now)))
}

/// The answer to who asks for what does not exist or may not be known: the same words, and the same work. Each try leaves
/// an entry, so that the time an answer takes tells nothing and whoever probes leaves a trace.
async fn nothing_there(rooms: &Rooms, law: &Law, professional: &Professional, id: &impl Serialize, now: Instant) -> Refusal {
    let statement = rooms
        .state(law, Event::ExchangeRefused, None, now)
        .commit("delivery", id)
        .commit("professional", &professional.id)
        .commit("decision", &json!({"result": "refusal", "because": "nothing there for this person"}));
    rooms.refuse(statement, Refusal::NotFound).await
}

/// A refusal that the reader may know of is logged; one that would tell of an existence answers as nothing there.
async fn refused(rooms: &Rooms, law: &Law, professional: &Professional, delivery: &DeliveryRow, denial: Denial, now: Instant) -> Refusal {
    let (refusal, record) = match denial {
        Denial::Forbidden { explanations, hidden, record, .. } => {
            (if hidden { Refusal::NotFound } else { Refusal::Denied(explanations) }, record)
        }
        Denial::Undecidable { record } => (Refusal::Undecidable, record),
    };
    let statement = rooms
        .state(law, Event::ExchangeRefused, Some(delivery.exchange), now)
        .commit("delivery", &delivery.id)
        .commit("professional", &professional.id)
        .commit("decision", &json!({"result": "refusal", "record": record}));
    rooms.refuse(statement, refusal).await
}

fn member(professional: &Professional, recipient: &Party) -> bool {
    professional.institution == recipient.institution && recipient.unit.as_ref().is_none_or(|unit| professional.units.contains(unit))
}
