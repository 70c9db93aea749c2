//! The end of a task: what a named person says to have done, or the basis on which the law lets it not be done.

use exchange::{ClockId, ExchangeId, FollowUpId, GrantId, Instant};
use serde::Deserialize;
use serde_json::json;
use time::{Date, Duration, format_description::well_known::Iso8601};

use super::{open_task, reference, seal_words, written};
use crate::{
    catalogue::{Asked, TaskLife},
    directory::{Professional, codes::is_departement, day::day_in_france},
    flows::{Caller, Law, REVIEW, Rooms, sent},
    log::Event,
    refusal::{Refusal, TaskFault},
    source::sha256_base64url,
    store::{
        StoreError,
        clocks::NewClock,
        follow_up::{FollowUpRow, NewFollowUp},
        task::{FinishTask, TaskRecord},
    },
};

/// What somebody says of a task that ended. All of it may be absent where the task asks nothing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Done {
    /// The day, `YYYY-MM-DD`; absent: today.
    pub on: Option<String>,
    /// Code of CL-moyen.
    pub means: Option<String>,
    /// Code of CL-base-report on which it was not done; then `words` say why.
    pub dispense: Option<String>,
    /// Code of CL-constat.
    pub finding: Option<String>,
    /// The exchange by which it was done.
    pub exchange: Option<ExchangeId>,
    /// INSEE code of the département where it went.
    pub departement: Option<String>,
    /// Anything that should be read later, 20 characters at least. Kept sealed.
    pub words: Option<String>,
}

/// A named professional ends a task.
///
/// # Errors
/// [`Refusal::NotFound`] unless it is an open task of this professional's; [`TaskFault`] with what is missing.
pub async fn finish(rooms: &Rooms, caller: &Caller, id: FollowUpId, done: Done) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Whose task is it?
    let professional = caller.professional(&law)?;
    let task = open_task(rooms, &law, professional, id, now).await?;
    let grant = if task.code == REVIEW { rooms.store.grant_of_review(id).await? } else { None };
    if grant.as_ref().is_some_and(|grant| grant.reader == professional.id) {
        return Err(TaskFault::OwnReview.into());
    }
    if let Some(grant) = &grant
        && reviewed(rooms, &task, grant.id, professional).await?
    {
        return Err(TaskFault::ReviewedBefore.into());
    }
    // 2. Does what is said suffice?
    let none = TaskLife::default();
    let life = law.catalogue.obligation(&task.code).map_or(&none, |rule| &rule.life);
    let done_on = day(rooms, &task, life, &done, now).await?;
    let words = written(done.words.as_ref())?;
    suffices(&law, life, &done, words)?;
    if let Some(carried_by) = done.exchange {
        carried(rooms, &law, professional, &task, carried_by, now).await?;
    }
    // 3. Keep it, what it leaves to do, and the log entry, in one commit.
    let words = match words {
        Some(words) => Some(seal_words(rooms, &task, "task_record", words).await?),
        None => None,
    };
    let statement = rooms
        .state(&law, Event::FollowUpDone, Some(task.exchange), now)
        .commit("follow_up", &task.id)
        .commit("code", &task.code)
        .commit("professional", &professional.id)
        .commit(
            "record",
            &json!({"on": done_on, "means": done.means, "dispense": done.dispense, "finding": done.finding,
                "exchange": done.exchange, "departement": done.departement}),
        )
        .commit("words", &words.as_deref().map(sha256_base64url));
    let statement = match &grant {
        Some(grant) => statement.commit("grant", &grant.id),
        None => statement,
    };
    let entry = rooms.entry(statement)?;
    let opens = done.finding.as_ref().and_then(|finding| life.opens.get(finding)).map(|code| opened(&law, &task, code, now));
    let finding = done.finding.clone();
    let record = TaskRecord {
        done_on,
        means: done.means,
        basis: done.dispense,
        finding: done.finding,
        carried_by: done.exchange,
        departement: done.departement,
        words,
        at: now,
        by: professional.id.subject.clone(),
    };
    match rooms.store.write(FinishTask { task: reference(&task), record, opens, entry }).await {
        Ok(()) => {}
        Err(StoreError::NotThere(_) | StoreError::AlreadyThere) => return Err(Refusal::NotFound),
        Err(error) => return Err(error.into()),
    }
    if let (Some(grant), Some(finding)) = (grant, finding) {
        metrics::counter!("passerelle_emergency_reviews_total", "finding" => finding.clone()).increment(1);
        tracing::warn!(exchange.id = %task.exchange, grant = %grant.id, finding, "an emergency access was reviewed");
    }
    Ok(())
}

/// Whether this professional did another review of the same access: two functions are two people.
async fn reviewed(rooms: &Rooms, task: &FollowUpRow, grant: GrantId, professional: &Professional) -> Result<bool, Refusal> {
    let of_grant = grant.to_string();
    let mut done = rooms.store.follow_ups(task.exchange).await?.into_iter().filter(|one| one.code == REVIEW && one.id != task.id);
    Ok(done.any(|one| one.details.contains(&of_grant) && one.done_by.as_deref() == Some(professional.id.subject.as_str())))
}

/// The day on which it was done: today, or one that has been since the exchange came in; before, there was nothing yet to
/// do about it. The opening of the task is no bound: what a finding opens may have been done meanwhile. What is told to
/// somebody, by a means, may have been told before it was written down here, since parents are to be told first; a month
/// leaves room for that, and none for an interview of another year.
async fn day(rooms: &Rooms, task: &FollowUpRow, life: &TaskLife, done: &Done, now: Instant) -> Result<String, Refusal> {
    let today = day_in_france(now);
    let Some(text) = &done.on else { return Ok(today.to_string()) };
    let day = Date::parse(text, &Iso8601::DATE).map_err(|_| Refusal::Malformed("on"))?;
    let about = rooms.store.exchange(task.exchange).await?.ok_or(Refusal::NotFound)?;
    let came_in = day_in_france(about.accepted_at);
    let earliest = if life.means.is_empty() { came_in } else { came_in.saturating_sub(TOLD_BEFORE) };
    if (earliest..=today).contains(&day) { Ok(day.to_string()) } else { Err(TaskFault::Day.into()) }
}

fn suffices(law: &Law, life: &TaskLife, done: &Done, words: Option<&str>) -> Result<(), TaskFault> {
    if let Some(basis) = &done.dispense {
        if !life.dispenses.contains(basis) {
            return Err(TaskFault::Dispense);
        }
        // Not done is all that can be said of it, with its reason.
        return if words.is_some() { Ok(()) } else { Err(TaskFault::Words) };
    }
    let means_counts = |code: &String| law.catalogue.has_code("CL-moyen", code) && (life.means.is_empty() || life.means.contains(code));
    match &done.means {
        Some(means) if !means_counts(means) => return Err(TaskFault::Means),
        None if life.asks.contains(&Asked::Means) => return Err(TaskFault::Means),
        Some(_) | None => {}
    }
    match &done.finding {
        Some(finding) if !life.findings.contains(finding) => return Err(TaskFault::Finding),
        None if life.asks.contains(&Asked::Finding) => return Err(TaskFault::Finding),
        Some(_) | None => {}
    }
    match &done.departement {
        Some(departement) if !is_departement(departement) => Err(TaskFault::Destination),
        None if done.exchange.is_none() && life.asks.contains(&Asked::Destination) => Err(TaskFault::Destination),
        Some(_) | None => Ok(()),
    }
}

/// The exchange by which a task was done is one that this person's unit sent, after the one the task is about.
async fn carried(
    rooms: &Rooms,
    law: &Law,
    professional: &Professional,
    task: &FollowUpRow,
    carried_by: ExchangeId,
    now: Instant,
) -> Result<(), Refusal> {
    let about = rooms.store.exchange(task.exchange).await?.ok_or(Refusal::NotFound)?;
    let row = rooms.store.exchange(carried_by).await?.filter(|row| row.accepted_at >= about.accepted_at && row.id != about.id);
    let Some(row) = row.filter(|row| sent(law, professional, row, now)) else { return Err(TaskFault::Destination.into()) };
    // One that is sealed from this person is not there.
    if rooms.store.sealed_from(row.id, &professional.institution, &professional.id).await? {
        return Err(TaskFault::Destination.into());
    }
    Ok(())
}

/// What a finding leaves to do: the same unit's, with clocks of its own.
fn opened(law: &Law, task: &FollowUpRow, code: &str, now: Instant) -> (NewFollowUp, Vec<NewClock>) {
    let rules = law.catalogue.obligation(code).map(|rule| rule.rules.clone()).unwrap_or_default();
    let follow_up = NewFollowUp { id: FollowUpId::new(), code: code.to_owned(), owner: task.owner.clone(), details: rules };
    let clocks = law.catalogue.clocks_of_task(code).filter_map(|rule| {
        let due = law.catalogue.due_for_task(rule, now)?;
        Some(NewClock::of_task(ClockId::new(), &rule.name, &task.owner, follow_up.id, now, due.limit, due.warnings))
    });
    let clocks = clocks.collect();
    (follow_up, clocks)
}

/// How long before an exchange somebody may have been told of it.
const TOLD_BEFORE: Duration = Duration::days(31);
