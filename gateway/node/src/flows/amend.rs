//! Amending the rules: a person proposes a policy set, two others approve it, and it takes force, unless it is withdrawn before.
//!
//! Each step is an entry of the log, committed with what it states. A set takes force in the commit that ends the one
//! before it; only then is the law of this process exchanged, so a crash in between is mended by the next start, which
//! reads what the store says is in force.

mod show;
mod withdraw;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use exchange::{Instant, ProfessionalId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, FolderState, Law, LawFault, Rooms, law::archive};
use crate::{
    directory::{Professional, Role},
    log::{Event, entry::field},
    refusal::{PolicyFault, Refusal},
    source::Files,
    store::{
        Store, StoreError,
        audit::AppendEntries,
        policy_sets::{Approval, ApproveSet, KeepFirst, NewSet, Proposal, ProposeSet, Standing, TakeForce, Then},
    },
};

pub use show::{list, show};
pub use withdraw::withdraw;

/// What a person proposes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Why, for those who approve and for who reads the log later.
    pub motive: String,
    /// A set of the archive, to go back to; absent: what the policies folder holds now.
    #[serde(default)]
    pub set: Option<String>,
    /// Not before this instant; absent: at the second approval.
    #[serde(default)]
    pub effective_from: Option<Instant>,
}

/// How a person approves.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assent {
    /// In which function; absent: the first that nobody approved in yet.
    #[serde(default, rename = "as")]
    pub capacity: Option<Role>,
    /// The set in force with which the proposal was compared; refused when it is not in force any more.
    #[serde(default)]
    pub against: Option<String>,
}

/// The law with which a gateway starts: the set in force with the directory that lies there now, or, at the very first
/// start, what the folder holds. Says whether it is that first one.
///
/// # Errors
/// [`FirstFault`]: nothing to start with.
pub async fn at_start(store: &Store, folder: PathBuf, directory: PathBuf) -> Result<(Law, bool), FirstFault> {
    let read = |files: Arc<Files>, first: bool| {
        let reader = if first { Law::read_new } else { Law::read };
        tokio::task::spawn_blocking(move || reader(files, &directory))
    };
    let (files, first) = match store.policy_in_force().await? {
        Some(proposal) => (archive::kept(store, &proposal.set).await?, false),
        // Once there was a set, the folder alone is never the law again: whoever could write the table would decide it.
        None if !store.policy_proposals(1).await?.is_empty() => return Err(FirstFault::NothingInForce),
        None => (tokio::task::spawn_blocking(move || Files::read(&folder)).await.map_err(|_| FirstFault::Broken)?, true),
    };
    let law = read(Arc::new(files), first).await.map_err(|_| FirstFault::Broken)??;
    Ok((law, first))
}

/// Why there is no law to start with.
#[derive(Debug, thiserror::Error)]
pub enum FirstFault {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The set in force is not given back.
    #[error(transparent)]
    Archive(#[from] archive::ArchiveFault),
    /// Files have mistakes.
    #[error(transparent)]
    Law(#[from] LawFault),
    /// Sets were in force and none is: the table was changed by hand.
    #[error("policy sets are known and none is in force: the database was changed by hand; restore a backup")]
    NothingInForce,
    /// The reading broke off.
    #[error("the reading broke off")]
    Broken,
}

/// Writes down that the first set of this gateway is in force: whoever installed the gateway answers for it.
///
/// # Errors
/// The store or the system's randomness is unavailable.
pub async fn keep_first(rooms: &Rooms) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let statement = taking_force(rooms, &law, now).commit("first", &true);
    let entry = rooms.entry(statement)?;
    let set = NewSet::of(law.files.hash(), law.files.texts())?;
    match rooms.store.write(KeepFirst { set, motive: FIRST.to_owned(), at: now, entry }).await {
        // Another replica started first: its set is the first.
        Err(StoreError::AlreadyThere) if rooms.store.has_replicas() => follow(rooms).await,
        other => Ok(other?),
    }
}

/// Takes over what another replica put in force.
///
/// # Errors
/// The set does not load here, or the store is unavailable: the one before it stays.
pub async fn follow(rooms: &Rooms) -> Result<(), Refusal> {
    let _turn = rooms.sets.changing.lock().await;
    follow_in_turn(rooms).await
}

async fn follow_in_turn(rooms: &Rooms) -> Result<(), Refusal> {
    // Alone, nobody else puts anything in force: a table that says so was changed by hand.
    if !rooms.store.has_replicas() {
        return Ok(());
    }
    let older = rooms.law.load_full();
    let Some(proposal) = rooms.store.policy_in_force().await?.filter(|one| one.set != older.files.hash()) else { return Ok(()) };
    let files = kept(rooms, &proposal.set).await?;
    let law = rooms.sets.law(Arc::new(files)).await.map_err(|fault| Refusal::PolicySet(PolicyFault::Mistakes(fault.mistakes)))?;
    // The directory is read with the set: what changed in it meanwhile is said before it counts.
    if let Some(entry) = rooms.directory_changed(&law, &older)? {
        rooms.store.write(AppendEntries(vec![entry])).await?;
    }
    exchange_law(rooms, law);
    Ok(())
}

/// Proposes what the folder holds, or a set of the archive.
///
/// # Errors
/// [`Refusal::RoleMissing`] for who may not; [`Refusal::PolicySet`] for a set with mistakes, the one in force, or one that
/// waits already.
pub async fn propose(rooms: &Rooms, caller: &Caller, wish: Wish) -> Result<Value, Refusal> {
    // 1. Who?
    let law = rooms.law.load_full();
    let author = of_this_departement(rooms, caller, &law)?;
    if !law.approvers.may_propose(author) {
        return Err(Refusal::RoleMissing(PROPOSER));
    }
    super::motive(&wish.motive)?;
    // 2. What? Read once: what is checked here is what is kept.
    let proposed = match &wish.set {
        None => rooms.sets.folder().await,
        Some(set) => rooms.sets.new_law(Arc::new(kept(rooms, set).await?)).await,
    };
    let proposed = proposed.map_err(|fault| Refusal::PolicySet(PolicyFault::Mistakes(fault.mistakes)))?;
    let hash = proposed.files.hash();
    // 3. Keep it with its entry, unless another was quicker.
    let _turn = rooms.sets.changing.lock().await;
    follow_in_turn(rooms).await?;
    let law = rooms.law.load_full();
    let against = law.files.hash();
    if hash == against {
        return Err(Refusal::PolicySet(PolicyFault::InForceAlready));
    }
    let now = rooms.clock.now();
    let statement = rooms
        .state(&law, Event::PolicyProposed, None, now)
        .commit("set", &hash)
        .commit("against", &against)
        .commit("author", &author.id)
        .commit("motive", &wish.motive)
        .commit("effective_from", &wish.effective_from);
    let write = ProposeSet {
        set: NewSet::of(hash, proposed.files.texts())?,
        against: against.to_owned(),
        author: author.id.clone(),
        motive: wish.motive,
        at: now,
        effective_from: wish.effective_from,
        entry: rooms.entry(statement)?,
    };
    match rooms.store.write(write).await {
        Err(StoreError::AlreadyThere) => Err(Refusal::PolicySet(PolicyFault::Waiting)),
        Err(error) => Err(error.into()),
        Ok(()) => {
            tracing::info!(policy.set = hash, "a policy set was proposed");
            show::one(rooms, &law, hash, false).await
        }
    }
}

/// Approves the proposal of a set; with the second approval it takes force, now or at its instant.
///
/// # Errors
/// [`Refusal::RoleMissing`] for who may not; [`Refusal::PolicySet`] when nothing waits, the author or the same person or
/// function approves again, or another set took force since it was compared.
pub async fn approve(rooms: &Rooms, caller: &Caller, set: &str, assent: &Assent) -> Result<Value, Refusal> {
    let _turn = rooms.sets.changing.lock().await;
    follow_in_turn(rooms).await?;
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Who, about what?
    let who = of_this_departement(rooms, caller, &law)?;
    let capacities = law.approvers.capacities(who);
    if capacities.is_empty() {
        return Err(Refusal::RoleMissing(APPROVER));
    }
    let Some(proposal) = rooms.store.policy_waiting(set).await? else { return Err(nothing_waits(rooms, set).await) };
    let given = rooms.store.policy_approvals(&proposal.id).await?;
    let counted = given.len();
    let before = standing(&law, given);
    let role = capacity(&proposal, &before, who, &capacities, assent, law.files.hash())?;
    // 2. What follows? The second one puts it in force, and it is checked once more with the directory of now.
    let entry = rooms.entry(
        rooms
            .state(&law, Event::PolicyApproved, None, now)
            .commit("set", &set)
            .commit("professional", &who.id.to_string())
            .commit("role", &role),
    )?;
    let mut approvers: Vec<(ProfessionalId, String)> = before.into_iter().map(|one| (one.by, one.role)).collect();
    approvers.push((who.id.clone(), word(role)));
    let mut next = None;
    let then = if approvers.len() < NEEDED {
        Then::Wait
    } else if proposal.effective_from.is_some_and(|from| from > now) {
        Then::Approved
    } else {
        let (force, law) = take_force(rooms, &law, &proposal, &approvers, now).await?;
        next = Some(law);
        Then::InForce(force)
    };
    // 3. Commit, then exchange.
    let approval = Approval { by: who.id.clone(), role: word(role), at: now };
    match rooms.store.write(ApproveSet { proposal: proposal.id, counted, approval, entry, then }).await {
        Err(StoreError::AlreadyThere) => return Err(Refusal::PolicySet(PolicyFault::ApprovedBefore)),
        other => other?,
    }
    if let Some(next) = next {
        exchange_law(rooms, next);
    }
    let law = rooms.law.load_full();
    show::one(rooms, &law, set, false).await
}

/// Takes over what another replica put in force, and puts in force what was approved for an instant that has come; gives how
/// many of those.
///
/// # Errors
/// What was approved does not load any more, or the store is unavailable: the set in force stays.
pub async fn settle(rooms: &Rooms) -> Result<usize, Refusal> {
    let mut settled = 0;
    loop {
        let _turn = rooms.sets.changing.lock().await;
        follow_in_turn(rooms).await?;
        let now = rooms.clock.now();
        let Some(proposal) = rooms.store.policy_due(now).await? else { return Ok(settled) };
        let law = rooms.law.load_full();
        let approvals = standing(&law, rooms.store.policy_approvals(&proposal.id).await?);
        if approvals.len() < NEEDED {
            // It waits until another set takes force and drops it: nobody can make up for an approval that is gone.
            tracing::warn!(policy.set = proposal.set, "an approved policy set does not take force: who approved it has left");
            return Ok(settled);
        }
        let approvers: Vec<_> = approvals.into_iter().map(|one| (one.by, one.role)).collect();
        let (force, next) = take_force(rooms, &law, &proposal, &approvers, now).await?;
        match rooms.store.write(force).await {
            Ok(()) => {}
            // Another replica was quicker: its set is taken over at the next look.
            Err(StoreError::NotThere(_)) => return Ok(settled),
            Err(error) => return Err(error.into()),
        }
        exchange_law(rooms, next);
        settled += 1;
    }
}

/// The approvals of those who may still approve, in the function in which they did: who has left, or lost it, approves
/// nothing any more.
fn standing(law: &Law, approvals: Vec<Approval>) -> Vec<Approval> {
    let may = |one: &Approval, who| law.approvers.capacities(who).iter().any(|role| word(*role) == one.role);
    approvals.into_iter().filter(|one| law.directory.professional(&one.by).is_some_and(|who| may(one, who))).collect()
}

async fn take_force(
    rooms: &Rooms,
    older: &Law,
    proposal: &Proposal,
    approvers: &[(ProfessionalId, String)],
    now: Instant,
) -> Result<(TakeForce, Law), Refusal> {
    let files = kept(rooms, &proposal.set).await?;
    let law = rooms.sets.new_law(Arc::new(files)).await;
    let law = law.map_err(|fault| Refusal::PolicySet(PolicyFault::Mistakes(fault.mistakes)))?;
    let people: Vec<Value> = approvers.iter().map(|(by, role)| json!({"professional": by.to_string(), "role": role})).collect();
    let statement = taking_force(rooms, &law, now)
        .commit("author", &proposal.author)
        .commit("against", &proposal.against)
        .commit(field::APPROVERS, &people);
    let mut entries = vec![rooms.entry(statement)?];
    // The directory is read with the set: what changed in it meanwhile takes force with it.
    entries.extend(rooms.directory_changed(&law, older)?);
    Ok((TakeForce { proposal: proposal.id.clone(), ends: older.files.hash().to_owned(), at: now, entries }, law))
}

fn taking_force(rooms: &Rooms, law: &Law, now: Instant) -> super::Statement {
    rooms
        .state(law, Event::PolicyChanged, None, now)
        .commit("set", &law.files.hash())
        .commit("catalogue", &law.catalogue.hash())
        .commit("agreements", &law.agreements.hash())
}

/// From here on every request decides with the new law; those under way end with the one they began with.
fn exchange_law(rooms: &Rooms, law: Law) {
    tracing::info!(policy.set = law.files.hash(), "a policy set is in force");
    // What the folder holds did not change; what it is compared with did. The next look at the folder says it anew.
    let holds = match rooms.sets.state().as_ref() {
        FolderState::InForce => Some(rooms.law.load().files.hash().to_owned()),
        FolderState::Pending { hash } => Some(hash.clone()),
        FolderState::Mistaken => None,
    };
    if let Some(hash) = holds {
        rooms.sets.stands(if hash == law.files.hash() { FolderState::InForce } else { FolderState::Pending { hash } });
    }
    rooms.law.store(Arc::new(law));
}

async fn kept(rooms: &Rooms, set: &str) -> Result<Files, Refusal> {
    archive::kept(&rooms.store, set).await.map_err(|fault| match fault {
        archive::ArchiveFault::Store(error) => error.into(),
        archive::ArchiveFault::Unknown(_) => Refusal::PolicySet(PolicyFault::Unknown),
        archive::ArchiveFault::Unreadable(_, fault) => Refusal::PolicySet(PolicyFault::Mistakes(fault.mistakes)),
    })
}

/// A named professional of the Département that this gateway serves: of the institution that holds its CRIP.
fn of_this_departement<'l>(rooms: &Rooms, caller: &Caller, law: &'l Law) -> Result<&'l Professional, Refusal> {
    let who = caller.professional(law)?;
    let own = law.directory.institution(&who.institution).is_some_and(|institution| {
        institution.departement == rooms.departement && institution.units.values().any(|unit| unit.kind.as_str() == "crip")
    });
    if own { Ok(who) } else { Err(Refusal::RoleMissing(OF_THE_DEPARTEMENT)) }
}

/// In which function somebody approves: one that may, and in which nobody approved yet.
fn capacity(
    proposal: &Proposal,
    before: &[Approval],
    who: &Professional,
    capacities: &[Role],
    assent: &Assent,
    in_force: &str,
) -> Result<Role, Refusal> {
    let no = |fault| Err(Refusal::PolicySet(fault));
    if proposal.standing == Standing::Approved {
        return no(PolicyFault::ApprovedByTwo);
    }
    if proposal.author.as_ref() == Some(&who.id) {
        return no(PolicyFault::OwnProposal);
    }
    if before.iter().any(|one| one.by == who.id) {
        return no(PolicyFault::ApprovedBefore);
    }
    // Two kinds of haste: the set in force is not the one it was proposed against, or not the one it was compared with.
    let compared = assent.against.as_deref().into_iter().chain(proposal.against.as_deref());
    if compared.into_iter().any(|set| set != in_force) {
        return no(PolicyFault::Moved);
    }
    let taken: BTreeSet<&str> = before.iter().map(|one| one.role.as_str()).collect();
    let wanted = capacities.iter().copied().filter(|role| assent.capacity.is_none_or(|asked| asked == *role));
    let mut wanted = wanted.peekable();
    if wanted.peek().is_none() {
        return Err(Refusal::RoleMissing(APPROVER));
    }
    wanted.find(|role| !taken.contains(word(*role).as_str())).map_or_else(|| no(PolicyFault::SameFunction), Ok)
}

async fn nothing_waits(rooms: &Rooms, set: &str) -> Refusal {
    match rooms.store.policy_proposals_of(set).await {
        Ok(proposals) if proposals.is_empty() => Refusal::PolicySet(PolicyFault::Unknown),
        Ok(_) => Refusal::PolicySet(PolicyFault::NothingWaits),
        Err(error) => error.into(),
    }
}

/// A role as the directory writes it.
fn word(role: Role) -> String {
    serde_json::to_value(role).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// How many approve.
const NEEDED: usize = 2;
const FIRST: &str = "Premier jeu de règles, posé à l’installation de la passerelle.";
const OF_THE_DEPARTEMENT: &str = "agent du Département que sert cette passerelle";
const PROPOSER: &str = "fonction qui peut proposer un jeu de règles (approval.toml, propose)";
const APPROVER: &str = "fonction qui peut approuver un jeu de règles (approval.toml, approve)";
