//! What leaves for the system of an institution, which no person opens: by the same decision and the same withholding as an
//! opening by the entry under which the directory lists that system, under an agreement that lets it read, and after the record
//! of it is signed (invariant 5). Handed over is not opened: that system's acknowledgement says so.

use std::sync::Arc;

use exchange::{AgreementId, ExchangeId, ProfessionalId, envelope::Excluded};
use serde_json::{Value, json};

use super::{
    attachment::{self, Leaving},
    document, load, rectified, release, released,
};
use crate::{
    agreements::InForce,
    directory::{Professional, PushEndpoint},
    flows::{Law, Rooms, answers_for, sealed_from_whom},
    log::{Event, Openings},
    policy::{Denial, Opening},
    refusal::Refusal,
    store::{
        audit::AppendEntries,
        delivery::{DeliveryRow, Word},
    },
};

/// What a system gets of one delivery.
pub enum Handed {
    /// What it may read.
    Content(Box<Content>),
    /// That something waits, and nothing more: why, for the log line.
    Notice(&'static str),
}

/// What a system may read of one delivery.
pub struct Content {
    /// The document, with what was withheld and why.
    pub document: Value,
    /// Its attachments, with their media type as the sender gave it.
    pub attachments: Vec<(Leaving, Option<String>)>,
}

/// Releases one delivery to the system of its endpoint, or says that only a notice may leave: the endpoint is no system, nothing
/// lets it read today, or somebody of its institution may not know.
///
/// # Errors
/// The decision could not be made, the record could not be signed, or the store is unavailable: nothing leaves now.
#[tracing::instrument(level = "debug", skip_all, name = "hand_over")]
pub async fn hand_over(rooms: &Arc<Rooms>, delivery: &DeliveryRow, endpoint: &PushEndpoint) -> Result<Handed, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Find: the system, and what lets it read this.
    let Some(system) = reader(&law, delivery, endpoint) else { return Ok(Handed::Notice("no-system")) };
    if !answers_for(system, &delivery.recipient, now) {
        return Ok(Handed::Notice("no-habilitation"));
    }
    let lets_read = |id: &AgreementId| match law.agreements.in_force(id, now) {
        InForce::InForce(agreement) => {
            let signed = |party: &exchange::Party| party.institution == system.institution;
            agreement.types.contains(&delivery.kind) && agreement.parties.iter().any(signed)
        }
        InForce::NotYet { .. } | InForce::Ended { .. } | InForce::Suspended | InForce::NotSigned | InForce::NoDates | InForce::Unknown => {
            false
        }
    };
    if !endpoint.agreement.as_ref().is_some_and(lets_read) {
        return Ok(Handed::Notice("no-agreement"));
    }
    if delivery.word == Word::Withdrawal || delivery.replaced {
        return Ok(Handed::Notice("withdrawn"));
    }
    // In a system everybody of its institution may look: of what is sealed from one of them nothing goes there.
    let sealed = sealed_from_whom(rooms, delivery.exchange).await?;
    let theirs = |id: &ProfessionalId| law.directory.professional(id).is_none_or(|one| one.institution == system.institution);
    if sealed.iter().any(|from| match from {
        Excluded::Professional(id) => theirs(id),
        Excluded::Institution { institution } => *institution == system.institution,
    }) {
        return Ok(Handed::Notice("sealed"));
    }
    let mut loaded = load(rooms, delivery.exchange).await?;
    if loaded.taken_back(&law).is_some() {
        return Ok(Handed::Notice("withdrawn"));
    }

    // 2. Decide, for this system and now.
    let release = match release(&law, system, delivery, &loaded, &loaded.classes, Opening::Ordinary, now)? {
        Ok(release) => release,
        Err(Denial::Undecidable { .. }) => return Err(Refusal::Undecidable),
        Err(Denial::Forbidden { record, .. }) => {
            let statement = rooms
                .state(&law, Event::ExchangeRefused, Some(loaded.row.id), now)
                .commit("delivery", &delivery.id)
                .commit("system", &system.id)
                .commit("decision", &json!({"result": "refusal", "record": record}));
            rooms.store.write(AppendEntries(vec![rooms.entry(statement)?])).await?;
            return Ok(Handed::Notice("forbidden"));
        }
    };
    let attachments = attachment::readable_all(rooms, &loaded, &release).await?;

    // 3. Write it down, and wait until it cannot be unwritten.
    let digests: Vec<&str> = attachments.iter().map(|(leaving, _)| leaving.sha256.as_str()).collect();
    let stated = json!({
        "delivery": delivery.id,
        "recipient": delivery.recipient,
        "system": system.id,
        "agreement": endpoint.agreement,
        "attachments": digests,
        "decision": {"result": "permit", "record": release.record()},
    });
    // A try that broke off wrote it already, unless something else leaves now.
    let leaf = match recorded(rooms, loaded.row.id, &stated).await? {
        Some(leaf) => leaf,
        None => {
            let statement = rooms.state(&law, Event::ExchangeDelivered, Some(loaded.row.id), now);
            let statement = STATED.into_iter().fold(statement, |statement, name| statement.commit(name, &stated.get(name)));
            let entry = rooms.entry(statement)?;
            let leaf = entry.leaf_hash;
            rooms.store.write(AppendEntries(vec![entry])).await?;
            leaf
        }
    };
    rooms.signed(&leaf).await?;

    // 4. Release: only what was granted is ever decrypted into the document; of what was taken back meanwhile, nothing.
    loaded.row = rooms.store.exchange(loaded.row.id).await?.ok_or(Refusal::NotFound)?;
    if loaded.taken_back(&law).is_some() {
        return Ok(Handed::Notice("withdrawn"));
    }
    let (content, unsorted) = released(rooms, &law, &loaded, &release, |_| true).await?;
    let mut document = document(delivery, &loaded.row, &loaded.route, content.reveal(), (release.withheld(), unsorted));
    rectified::tell(rooms, system, delivery, &loaded, &mut document).await?;
    Ok(Handed::Content(Box::new(Content { document, attachments })))
}

/// The record of an earlier try that states the same: the same release to the same system, by the same rules, whenever it was
/// decided.
async fn recorded(rooms: &Rooms, exchange: ExchangeId, stated: &Value) -> Result<Option<[u8; 32]>, Refusal> {
    let entries = rooms.store.entries_of(exchange).await?;
    for entry in entries.iter().filter(|entry| entry.event == Event::ExchangeDelivered.as_str()) {
        let Some(sealed) = &entry.opening else { continue };
        let plain = rooms.keystore.open_opening(&entry.leaf_hash, sealed).map_err(|_| Refusal::Internal("opening"))?;
        let openings: Openings = serde_json::from_slice(&plain).map_err(|_| Refusal::Internal("opening"))?;
        let same = |(name, value): (&String, &Value)| openings.value(name).is_some_and(|before| timeless(before) == timeless(value));
        if stated.as_object().is_some_and(|stated| stated.iter().all(same)) {
            return Ok(Some(entry.leaf_hash));
        }
    }
    Ok(None)
}

/// A stated value without the instant of its decision, and what was so only then.
fn timeless(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(record) = value.get_mut("record").and_then(Value::as_object_mut) {
        record.remove("at");
        record.remove("facts");
    }
    value
}

/// The entry of the system that reads at an endpoint.
pub fn reader<'l>(law: &'l Law, delivery: &DeliveryRow, endpoint: &PushEndpoint) -> Option<&'l Professional> {
    let institution = law.directory.institution(&delivery.recipient.institution)?;
    let issuer = institution.token_issuer.as_ref()?.issuer.clone();
    let subject = endpoint.reader.clone().filter(|_| endpoint.system)?;
    law.directory.professional(&ProfessionalId { issuer, subject }).filter(|entry| entry.is_system())
}

/// What the record of a release to a system states.
const STATED: [&str; 6] = ["delivery", "recipient", "system", "agreement", "attachments", "decision"];
