//! Reminding: clocks that fire tell a named person, once; an overdue one is told to the deputy too.
//!
//! Every reminder is committed with the clock's move and its log entry: a restart, a second replica or a storm after
//! an outage cannot tell twice. Automation reminds; it never decides (invariant 10).

use std::time::Duration;

use exchange::Instant;
use tokio_util::sync::CancellationToken;

use super::{Law, Rooms};
use crate::{
    directory::Role,
    log::Event,
    refusal::Refusal,
    store::{
        StoreError,
        clocks::{ClockRow, FireClock, Told},
    },
};

/// Fires what is due at this instant; says how many clocks fired.
///
/// # Errors
/// The store is unavailable: the same clocks fire at the next look.
pub async fn remind(rooms: &Rooms) -> Result<usize, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let due = rooms.store.due_clocks(now).await?;
    let mut fired = 0;
    for clock in due {
        fired += usize::from(fire(rooms, &law, &clock, now).await?);
    }
    Ok(fired)
}

/// Looks again and again until told to stop.
pub async fn run(rooms: std::sync::Arc<Rooms>, every: Duration, stop: CancellationToken) {
    // What alarms is on the board before it counts, so that its first move is seen.
    for clock in rooms.law.load().catalogue.clocks.keys() {
        count(clock, true, 0);
    }
    loop {
        match remind(&rooms).await {
            // More than one page may be due after an outage.
            Ok(fired) if fired > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::error!(error = %error, "clocks could not be fired; they will be at the next look"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

#[tracing::instrument(level = "debug", skip_all)]
async fn fire(rooms: &Rooms, law: &Law, clock: &ClockRow, now: Instant) -> Result<bool, Refusal> {
    // After an outage several instants may have passed: the person is told once, of the latest.
    let passed = clock.fires.iter().take_while(|at| **at <= now).count();
    let (Some(due_at), Some(latest)) = (clock.fires.first().copied(), passed.checked_sub(1).and_then(|last| clock.fires.get(last))) else {
        return Ok(false);
    };
    let rest = clock.fires.get(passed..).unwrap_or_default().to_vec();
    let overdue = *latest >= clock.limit;
    let told = told(law, clock, overdue);
    let event = if overdue { Event::ClockEscalated } else { Event::ClockFired };
    let entry = rooms.entry(
        rooms
            .state(law, event, Some(clock.exchange), now)
            .commit("clock", &clock.name)
            .commit("due", &latest)
            .commit("told", &told.iter().map(|told| (told.stage, told.professional.as_str())).collect::<Vec<_>>()),
    )?;
    match rooms.store.write(FireClock { id: clock.id, due_at, told_at: *latest, now, rest, told, entry }).await {
        Ok(()) => {}
        // It was stopped, or another replica told it, in between.
        Err(StoreError::NotThere(_) | StoreError::AlreadyThere) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    count(&clock.name, overdue, 1);
    if overdue {
        tracing::warn!(exchange.id = %clock.exchange, clock = %clock.name, unit = %clock.owner, "a legal clock is overdue");
    }
    Ok(true)
}

fn count(clock: &str, overdue: bool, fired: u64) {
    metrics::counter!("passerelle_clocks_fired_total", "clock" => clock.to_owned(), "overdue" => if overdue { "yes" } else { "no" })
        .increment(fired);
}

/// Who is told: the unit's lead; when overdue its deputy too. A unit that names nobody is told as a whole.
fn told(law: &Law, clock: &ClockRow, overdue: bool) -> Vec<Told> {
    let stage = if overdue { "overdue" } else { "warning" };
    if let Some(role) = clock.role {
        return told_of_function(law, clock, role, stage, overdue);
    }
    let unit = law.directory.party(&clock.owner).and_then(|known| known.unit);
    let lead = unit.and_then(|unit| unit.lead.clone()).unwrap_or_default();
    let mut told = vec![Told { stage, professional: lead.clone(), unit: clock.owner.clone(), role: None }];
    if overdue {
        let professional = unit.and_then(|unit| unit.deputy.clone()).unwrap_or(lead);
        told.push(Told { stage: "escalated", professional, unit: clock.owner.clone(), role: None });
    }
    told
}

/// What a function owes is told to whoever has it; overdue, also to the auditors of the institution, else to the other
/// function that reviews.
fn told_of_function(law: &Law, clock: &ClockRow, role: Role, stage: &'static str, overdue: bool) -> Vec<Told> {
    let of = |stage, role| Told::function(stage, &clock.owner, role, law.directory.holders(&clock.owner.institution, role));
    let mut told = vec![of(stage, role)];
    if overdue {
        let above = [Role::Auditeur, Role::Dpo, Role::CadreCrip].into_iter();
        let mut above = above.filter(|other| *other != role && law.directory.holders(&clock.owner.institution, *other).next().is_some());
        told.push(of("escalated", above.next().unwrap_or(role)));
    }
    told
}
