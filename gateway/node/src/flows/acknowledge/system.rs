//! The answer of a partner to a drop of ours. The acknowledgement of a system that read is an opening in that system's name; it
//! never stands for a professional who answers for the unit. A drop that was refused reaches nobody: people are told.

use exchange::{Instant, InstitutionId};

use crate::{
    directory::Professional,
    flows::Rooms,
    log::Event,
    refusal::Refusal,
    store::{
        StoreError,
        delivery::{DeliveryRow, OpenDelivery, Word},
        drops::{AnswerDrop, DropOutcome},
    },
};

/// A drop that was acknowledged.
pub struct Acknowledged<'a> {
    /// By whom.
    pub partner: &'a InstitutionId,
    /// Its number.
    pub sequence: u64,
    /// What it handed over.
    pub delivery: &'a DeliveryRow,
    /// The system that got its content; nothing when it was a notice.
    pub system: Option<&'a Professional>,
    /// How.
    pub outcome: DropOutcome,
    /// When the partner says that it decided: a word of its own.
    pub said_at: Instant,
}

/// Writes down what a partner answered to a drop, once.
///
/// # Errors
/// The store is unavailable.
#[tracing::instrument(level = "debug", skip_all, name = "acknowledge_drop")]
pub async fn acknowledge_drop(rooms: &Rooms, of: Acknowledged<'_>) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let state = |event| {
        rooms
            .state(&law, event, Some(of.delivery.exchange), now)
            .commit("delivery", &of.delivery.id)
            .commit("recipient", &of.delivery.recipient)
            .commit("drop", &of.sequence)
            .commit("said_at", &of.said_at)
    };
    let (opened, entry) = match (of.outcome, of.system) {
        (DropOutcome::Accept, Some(system)) => {
            let entry = rooms.entry(state(Event::ExchangeOpened).commit("system", &system.id))?;
            let opened = OpenDelivery {
                id: of.delivery.id,
                exchange: of.delivery.exchange,
                at: now,
                by: system.id.subject.clone(),
                word: Word::Content,
                entry,
            };
            (Some(opened), None)
        }
        (DropOutcome::Accept, None) => (None, None),
        (DropOutcome::Refuse, _) => (None, Some(rooms.entry(state(Event::DeliveryDead).commit("by", of.partner))?)),
    };
    let write = AnswerDrop { partner: of.partner.clone(), sequence: of.sequence, at: now, outcome: of.outcome, opened, entry };
    match rooms.store.write(write).await {
        // It was answered before: the first answer counts.
        Err(StoreError::NotThere(_)) => Ok(()),
        other => Ok(other?),
    }
}
