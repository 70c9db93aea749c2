//! Policy sets as people of the Département see them: which is in force, which wait, who proposed and approved, and what
//! each changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Law, kept, of_this_departement};
use crate::{
    directory::Role,
    flows::{Caller, FolderState, Rooms},
    refusal::{PolicyFault, Refusal},
    store::policy_sets::Proposal,
};

/// The set in force, how the folder stands to it, and the newest proposals.
///
/// # Errors
/// [`Refusal::RoleMissing`] for who neither proposes, approves nor audits.
pub async fn list(rooms: &Rooms, caller: &Caller) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    looks(rooms, caller, &law)?;
    let mut proposals = Vec::new();
    for proposal in rooms.store.policy_proposals(SHOWN).await? {
        proposals.push(told(rooms, &proposal).await?);
    }
    let state = rooms.sets.state();
    let mut folder = json!({"state": state.as_str()});
    if let (FolderState::Pending { hash }, Value::Object(folder)) = (state.as_ref(), &mut folder) {
        folder.insert("set".into(), json!(hash));
    }
    Ok(json!({"in_force": law.files.hash(), "folder": folder, "proposals": proposals}))
}

/// One set: its proposals, what it changes, and its files. `set` may be the beginning of a hash.
///
/// # Errors
/// As [`list`], and [`Refusal::PolicySet`] when there is no such set, or several.
pub async fn show(rooms: &Rooms, caller: &Caller, set: &str) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    looks(rooms, caller, &law)?;
    if set.len() < SHORTEST {
        return Err(Refusal::PolicySet(PolicyFault::Unknown));
    }
    let [set] = &rooms.store.policy_sets_named(set).await?[..] else { return Err(Refusal::PolicySet(PolicyFault::Unknown)) };
    one(rooms, &law, set, true).await
}

/// One set as it is told; with its files when they are wanted.
pub(super) async fn one(rooms: &Rooms, law: &Law, set: &str, with_files: bool) -> Result<Value, Refusal> {
    let mut proposals = Vec::new();
    for proposal in rooms.store.policy_proposals_of(set).await? {
        proposals.push(told(rooms, &proposal).await?);
    }
    let files = kept(rooms, set).await?;
    let mut answer = json!({
        "set": set,
        "in_force": law.files.hash(),
        "proposals": proposals,
        "changes": changes(law.files.texts(), files.texts()),
    });
    if let (true, Value::Object(answer)) = (with_files, &mut answer) {
        answer.insert("files".into(), json!(files.texts()));
    }
    Ok(answer)
}

fn looks(rooms: &Rooms, caller: &Caller, law: &Law) -> Result<(), Refusal> {
    let who = of_this_departement(rooms, caller, law)?;
    let audits = who.has_role(Role::Auditeur);
    if audits || law.approvers.may_propose(who) || !law.approvers.capacities(who).is_empty() {
        return Ok(());
    }
    Err(Refusal::RoleMissing("fonction qui propose, approuve ou audite les jeux de règles"))
}

async fn told(rooms: &Rooms, proposal: &Proposal) -> Result<Value, Refusal> {
    let approvals = rooms.store.policy_approvals(&proposal.id).await?;
    let approvals: Vec<Value> = approvals.iter().map(|one| json!({"by": one.by, "role": one.role, "at": one.at})).collect();
    Ok(json!({
        "set": proposal.set,
        "state": proposal.standing,
        "author": proposal.author,
        "motive": proposal.motive,
        "proposed_at": proposal.proposed_at,
        "against": proposal.against,
        "effective_from": proposal.effective_from,
        "approvals": approvals,
        "in_force_from": proposal.in_force_from,
        "in_force_until": proposal.in_force_until,
        "withdrawn": proposal.withdrawn.as_ref().map(|(by, at)| json!({"by": by, "at": at})),
    }))
}

/// Names of the files that a set adds to, takes from, or changes in another.
fn changes(older: &BTreeMap<String, String>, newer: &BTreeMap<String, String>) -> Value {
    let names: BTreeSet<&String> = older.keys().chain(newer.keys()).collect();
    let of = |which: fn(Option<&String>, Option<&String>) -> bool| {
        names.iter().filter(|name| which(older.get(**name), newer.get(**name))).collect::<Vec<_>>()
    };
    json!({
        "added": of(|old, new| old.is_none() && new.is_some()),
        "removed": of(|old, new| old.is_some() && new.is_none()),
        "changed": of(|old, new| matches!((old, new), (Some(old), Some(new)) if old != new)),
    })
}

/// Proposals that a list holds.
const SHOWN: u32 = 50;
/// Fewest letters by which a set may be called.
const SHORTEST: usize = 8;
