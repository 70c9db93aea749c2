//! Tasks: what a unit or a function still owes about an exchange. A named person ends one and says how, or lets it wait on
//! a legal basis until a date; a task that waited comes back. The gateway reminds and records; it never does what a person
//! must do (invariant 10).

mod ending;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use exchange::{ClockId, ExchangeId, FollowUpId, Instant, Party};
use serde::Deserialize;
use serde_json::{Value, json};

pub use ending::{Done, finish};

use super::{Caller, Law, REVIEW, Rooms, acts_for, gone, title_of_task};
use crate::{
    catalogue::TaskLife,
    directory::{Professional, Role, day::day_in_france},
    log::Event,
    refusal::{Refusal, TaskFault},
    seal,
    source::sha256_base64url,
    store::{
        StoreError,
        clocks::{ClockRow, NewClock},
        follow_up::FollowUpRow,
        task::{DeferTask, Deferral, TaskRef},
    },
};

/// A decision to let a task wait.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Code of CL-base-report.
    pub basis: String,
    /// When the task comes back.
    pub until: Instant,
    /// Which document, and who asked for it; 20 characters at least. Kept sealed.
    #[serde(default)]
    pub words: String,
}

/// The open tasks of a professional's units and functions: codes, dates and clocks, no content.
///
/// # Errors
/// The caller is not a known professional.
pub async fn list(rooms: &Rooms, caller: &Caller) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let professional = caller.professional(&law)?;
    let now = rooms.clock.now();
    let mut tasks = Vec::new();
    for (owner, role) in owners(&law, professional, now) {
        tasks.extend(rooms.store.open_follow_ups(&owner, role, &professional.id).await?);
    }
    let mut clocks: BTreeMap<ExchangeId, Vec<ClockRow>> = BTreeMap::new();
    let mut shown = Vec::new();
    for task in &tasks {
        let of_exchange = match clocks.entry(task.exchange) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(rooms.store.clocks_of(task.exchange).await?),
        };
        shown.push(show(&law, task, running(task, of_exchange), now));
    }
    Ok(json!({"follow_ups": shown}))
}

/// One task with what was said of it, also once it is done: for those whose task it is, and for auditors and
/// data-protection officers of their institution. Words leave only after the entry that says so is signed.
///
/// # Errors
/// [`Refusal::NotFound`] when it is not there or not for this person.
pub async fn read(rooms: &Rooms, caller: &Caller, id: FollowUpId) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let professional = caller.professional(&law)?;
    let task = rooms.store.follow_up(id).await?.ok_or(Refusal::NotFound)?;
    let auditor = task.owner.institution == professional.institution
        && [Role::Auditeur, Role::Dpo].into_iter().any(|role| professional.has_role(role));
    if !(auditor || owns(&law, professional, &task, now)) || sealed(rooms, professional, &task).await? {
        return Err(Refusal::NotFound);
    }
    let (record, deferrals) = (rooms.store.task_record(id).await?, rooms.store.deferrals(id).await?);
    let grant = if task.code == REVIEW { rooms.store.grant_of_review(id).await? } else { None };
    let has_words = grant.is_some() || !deferrals.is_empty() || record.as_ref().is_some_and(|record| record.words.is_some());
    // Erased with the content: what was decided stays, its words are gone.
    let key = if has_words { rooms.keys.exchange_key(task.exchange).await? } else { None };
    if key.is_some() {
        let statement = rooms
            .state(&law, Event::ExchangeOpened, Some(task.exchange), now)
            .commit("professional", &professional.id)
            .commit("part", &"task-words")
            .commit("follow_up", &id);
        let entry = rooms.entry(statement)?;
        let leaf = entry.leaf_hash;
        rooms.store.write(crate::store::audit::AppendEntries(vec![entry])).await?;
        rooms.signed(&leaf).await?;
    }
    let open = |table: &str, column: &str, words: &[u8]| -> Result<Option<String>, Refusal> {
        let Some(key) = &key else { return Ok(None) };
        let plain = seal::open_column(key, table, task.exchange, column, words).map_err(|_| Refusal::Internal("words"))?;
        String::from_utf8(plain).map(Some).map_err(|_| Refusal::Internal("words"))
    };
    let mut told = Vec::new();
    for one in &deferrals {
        let words = open("deferral", &words_of(id), &one.words)?;
        told.push(json!({"at": one.at, "until": one.until, "basis": one.basis, "professional": one.by, "words": words}));
    }
    let mut shown = show(&law, &task, running(&task, &rooms.store.clocks_of(task.exchange).await?), now);
    if let Value::Object(shown) = &mut shown {
        shown.insert("deferrals".into(), json!(told));
        if let Some(record) = record {
            let words = record.words.as_deref().map(|words| open("task_record", &words_of(id), words)).transpose()?.flatten();
            shown.insert(
                "record".into(),
                json!({"on": record.done_on, "means": record.means, "dispense": record.basis, "finding": record.finding,
                    "exchange": record.carried_by, "departement": record.departement, "words": words,
                    "at": record.at, "professional": record.by}),
            );
        }
        if let Some(grant) = grant {
            let reason = open("break_glass", &grant.id.to_string(), &grant.reason)?;
            shown.insert(
                "urgence".into(),
                json!({"grant": grant.id, "professional": grant.reader, "classes": grant.classes, "granted_at": grant.granted_at,
                    "until": grant.until, "uses": grant.uses, "rules": grant.rules, "reason": reason}),
            );
        }
    }
    Ok(shown)
}

/// Lets a task wait: on a legal basis, by the decision of a head or a magistrate, until a date.
///
/// # Errors
/// [`Refusal::NotFound`] unless it is an open task of this professional's; [`TaskFault`] with what is missing or too long.
pub async fn defer(rooms: &Rooms, caller: &Caller, id: FollowUpId, wait: Wait) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Whose task is it, and may it wait?
    let professional = caller.professional(&law)?;
    let task = open_task(rooms, &law, professional, id, now).await?;
    let rule = law.catalogue.obligation(&task.code).and_then(|rule| rule.life.deferral.as_ref()).ok_or(TaskFault::NotDeferrable)?;
    let clock = law.catalogue.clock_of_deferral(&task.code).ok_or(TaskFault::NotDeferrable)?;
    // 2. On which basis, documented by whom?
    if !rule.bases.contains(&wait.basis) {
        return Err(TaskFault::Basis.into());
    }
    if !decides(&law, professional, &task, &rule.by, now) {
        return Err(TaskFault::NotTheirDecision.into());
    }
    let words = written(Some(&wait.words))?.ok_or(TaskFault::Words)?;
    // 3. Until when? One deferral is short; all of them together end too.
    let latest = law.catalogue.after(now, rule.at_most).min(law.catalogue.after(task.opened_at, rule.in_all));
    if wait.until <= now || wait.until > latest {
        return Err(TaskFault::End { latest }.into());
    }
    // 4. Keep the decision, the clock that brings the task back, and the log entry, in one commit.
    let sealed = seal_words(rooms, &task, "deferral", words).await?;
    let warnings = law.catalogue.due_until(clock, now, wait.until).warnings;
    let clock = NewClock::of_task(ClockId::new(), &clock.name, &task.owner, task.id, now, wait.until, warnings);
    let entry = rooms.entry(
        rooms
            .state(&law, Event::FollowUpDeferred, Some(task.exchange), now)
            .commit("follow_up", &task.id)
            .commit("code", &task.code)
            .commit("professional", &professional.id)
            .commit("basis", &wait.basis)
            .commit("until", &wait.until)
            // Words that may name somebody die with the content: the log keeps the digest of their ciphertext.
            .commit("words", &sha256_base64url(&sealed)),
    )?;
    let mut deferral = Deferral { at: now, until: wait.until, basis: wait.basis, words: sealed, by: professional.id.subject.clone() };
    loop {
        let write = DeferTask { task: reference(&task), deferral: deferral.clone(), clock: clock.clone(), entry: entry.clone() };
        match rooms.store.write(write).await {
            Ok(()) => return Ok(json!({"follow_up": id, "deferred_until": wait.until})),
            // Two decisions of one millisecond are two decisions: the second is kept under the next.
            Err(StoreError::AlreadyThere) => deferral.at = deferral.at.plus(Duration::from_millis(1)),
            Err(StoreError::NotThere(_)) => return Err(Refusal::NotFound),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whose tasks this professional sees: of units with a habilitation in date, of the institution for its leads, of functions.
fn owners(law: &Law, professional: &Professional, now: Instant) -> Vec<(Party, Option<Role>)> {
    let party = |unit| Party { institution: professional.institution.clone(), unit };
    let units = professional.units.iter().cloned().map(Some).chain([None]).map(party);
    let units = units.filter(|owner| acts_for(law, professional, owner, now)).map(|owner| (owner, None));
    units.chain(professional.roles.iter().map(|role| (party(None), Some(*role)))).collect()
}

fn owns(law: &Law, professional: &Professional, task: &FollowUpRow, now: Instant) -> bool {
    match task.role {
        Some(role) => task.owner.institution == professional.institution && professional.has_role(role),
        None => acts_for(law, professional, &task.owner, now),
    }
}

async fn sealed(rooms: &Rooms, professional: &Professional, task: &FollowUpRow) -> Result<bool, Refusal> {
    Ok(rooms.store.sealed_from(task.exchange, &professional.institution, &professional.id).await?)
}

/// The open task, if it is this person's: another's answers as one that is not there.
async fn open_task(rooms: &Rooms, law: &Law, professional: &Professional, id: FollowUpId, now: Instant) -> Result<FollowUpRow, Refusal> {
    let task = rooms.store.follow_up(id).await?.filter(|task| task.done_at.is_none()).ok_or(Refusal::NotFound)?;
    if !owns(law, professional, &task, now) || sealed(rooms, professional, &task).await? {
        return Err(Refusal::NotFound);
    }
    Ok(task)
}

/// Whether this person decides that a task waits: by one of the functions; where nobody of the unit has one, its lead or
/// deputy.
fn decides(law: &Law, professional: &Professional, task: &FollowUpRow, by: &std::collections::BTreeSet<Role>, now: Instant) -> bool {
    let holds = |person: &Professional| by.iter().any(|role| person.has_role(*role));
    if holds(professional) {
        return true;
    }
    let Some(unit) = law.directory.party(&task.owner).and_then(|known| known.unit) else { return false };
    let of_unit = |person: &&Professional| {
        person.institution == task.owner.institution && person.habilitated(&unit.id, day_in_france(now)) && holds(person)
    };
    let nobody = !law.directory.professionals().any(|person| of_unit(&person));
    nobody && [&unit.lead, &unit.deputy].into_iter().flatten().any(|subject| *subject == professional.id.subject)
}

/// The clock that waits for this task, the soonest first.
fn running<'c>(task: &FollowUpRow, clocks: &'c [ClockRow]) -> Option<&'c ClockRow> {
    let words = [format!("recorded:{}", task.code), format!("task:{}", task.id)];
    let waits = |clock: &&ClockRow| {
        clock.stopped_at.is_none()
            && clock.owner == task.owner
            && clock.role == task.role
            && clock.stops.iter().any(|stop| words.contains(stop))
    };
    clocks.iter().filter(waits).min_by_key(|clock| clock.limit)
}

fn show(law: &Law, task: &FollowUpRow, clock: Option<&ClockRow>, now: Instant) -> Value {
    let rule = law.catalogue.obligation(&task.code);
    let none = TaskLife::default();
    let life = rule.map_or(&none, |rule| &rule.life);
    let state = match (task.done_at, task.deferred_until) {
        (Some(_), _) => "done",
        (None, Some(until)) if until > now => "deferred",
        (None, Some(_) | None) => "open",
    };
    let defer = life.deferral.as_ref().map(|rule| {
        let latest = law.catalogue.after(now, rule.at_most).min(law.catalogue.after(task.opened_at, rule.in_all));
        json!({"basis": rule.bases, "by": rule.by, "until_at_most": latest})
    });
    json!({
        "follow_up": task.id,
        "exchange": task.exchange,
        "code": task.code,
        "title": title_of_task(law, &task.code),
        "rules": rule.map(|rule| rule.rules.clone()).unwrap_or_default(),
        "details": task.details,
        "owner": task.owner,
        "function": task.role,
        "state": state,
        "opened_at": task.opened_at,
        "deferred_until": task.deferred_until,
        "done_at": task.done_at,
        "clock": clock.map(|clock| json!({
            "clock": clock.name,
            "title": law.catalogue.clock(&clock.name).map(|rule| rule.title.as_str()),
            "limit": clock.limit,
            "overdue": clock.limit <= now,
        })),
        "asks": life.asks,
        "means": life.means,
        "findings": life.findings,
        "dispense": life.dispenses,
        "defer": defer,
    })
}

fn reference(task: &FollowUpRow) -> TaskRef {
    TaskRef { id: task.id, exchange: task.exchange, code: task.code.clone(), owner: task.owner.clone(), role: task.role }
}

/// Words that say something; `None` when there are none.
fn written(words: Option<&String>) -> Result<Option<&str>, TaskFault> {
    match words.map(|words| words.trim()).filter(|words| !words.is_empty()) {
        None => Ok(None),
        Some(words) if (20..=4000).contains(&words.chars().count()) => Ok(Some(words)),
        Some(_) => Err(TaskFault::Words),
    }
}

/// Each task's words stand in a place of their own: none can be taken for another's.
fn words_of(id: FollowUpId) -> String {
    format!("words {id}")
}

async fn seal_words(rooms: &Rooms, task: &FollowUpRow, table: &str, words: &str) -> Result<Vec<u8>, Refusal> {
    let Some(key) = rooms.keys.exchange_key(task.exchange).await? else { return Err(gone(rooms, task.exchange).await) };
    seal::seal_column(&key, table, task.exchange, &words_of(task.id), words.as_bytes()).map_err(|_| Refusal::Internal("seal"))
}
