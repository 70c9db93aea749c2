//! Withdrawing: a proposal is taken back before it takes force, by its author or by anybody whose approval it asks for.

use serde_json::Value;

use super::{APPROVER, nothing_waits, of_this_departement, show};
use crate::{
    flows::{Caller, Rooms},
    log::Event,
    refusal::{PolicyFault, Refusal},
    store::{StoreError, policy_sets::WithdrawSet},
};

/// Withdraws the proposal of a set, approved or not, as long as it is not in force. Nothing that was approved of it stays:
/// whoever proposes it again has it approved anew.
///
/// # Errors
/// [`Refusal::RoleMissing`] for who neither wrote it nor may approve; [`Refusal::PolicySet`] when nothing waits.
pub async fn withdraw(rooms: &Rooms, caller: &Caller, set: &str) -> Result<Value, Refusal> {
    let _turn = rooms.sets.changing.lock().await;
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Who, about what?
    let who = of_this_departement(rooms, caller, &law)?;
    let approves = !law.approvers.capacities(who).is_empty();
    let proposal = match rooms.store.policy_waiting(set).await? {
        Some(proposal) if approves || proposal.author.as_ref() == Some(&who.id) => proposal,
        None if approves || law.approvers.may_propose(who) => return Err(nothing_waits(rooms, set).await),
        Some(_) | None => return Err(Refusal::RoleMissing(APPROVER)),
    };
    // 2. Keep it with its entry, unless it took force meanwhile.
    let statement = rooms
        .state(&law, Event::PolicyWithdrawn, None, now)
        .commit("set", &set)
        .commit("author", &proposal.author)
        .commit("professional", &who.id.to_string());
    let write = WithdrawSet { proposal: proposal.id, by: who.id.clone(), at: now, entry: rooms.entry(statement)? };
    match rooms.store.write(write).await {
        Err(StoreError::NotThere(_)) => return Err(Refusal::PolicySet(PolicyFault::NothingWaits)),
        other => other?,
    }
    tracing::info!(policy.set = set, "a proposed policy set was withdrawn");
    show::one(rooms, &law, set, false).await
}
