//! Tasks and clocks that follow from what an accepted document says, and from each other: a clock that only a named
//! person stops has its task, and a task that has a clock of its own starts it.

use exchange::{ClockId, Instant, envelope::Draft};
use serde_json::Value;
use time::{Date, format_description::well_known::Iso8601};

use super::{Ends, follow_up};
use crate::{
    catalogue::{ClockOwner, ClockRule, ClockStop, day_begins},
    flows::Law,
    store::{clocks::NewClock, follow_up::NewFollowUp},
};

/// Whether the document says what the clock waits for.
pub(super) fn holds(rule: &ClockRule, draft: &Draft) -> bool {
    rule.only_if.as_ref().is_none_or(|condition| values(draft, &condition.path).any(|value| text(value) == condition.is))
}

/// The beginning of the day on which the event took place, as the document names it. A day to come is a mistake of
/// writing, and starts nothing later than now.
pub(super) fn named_day(rule: &ClockRule, draft: &Draft, now: Instant) -> Option<Instant> {
    let day = values(draft, rule.starts_on.as_ref()?).find_map(|value| Date::parse(value.as_str()?, &Iso8601::DATE).ok())?;
    Some(day_begins(day)).filter(|begins| *begins <= now)
}

/// Gives each clock that somebody's record stops the task in which it is recorded, and each task its own clocks.
pub(super) fn complete(law: &Law, ends: &Ends, now: Instant, follow_ups: &mut Vec<NewFollowUp>, clocks: &mut Vec<NewClock>) {
    for clock in clocks.iter() {
        let stops = law.catalogue.clock(&clock.name).map(|rule| rule.stops.as_slice()).unwrap_or_default();
        for stop in stops {
            let ClockStop::Recorded(code) = stop else { continue };
            let Some(rule) = law.catalogue.obligation(code) else { continue };
            if follow_ups.iter().all(|open| open.code != *code) {
                let owner = match rule.owner {
                    ClockOwner::Sender => &ends.sender,
                    ClockOwner::Recipient => &ends.recipient,
                };
                follow_ups.push(follow_up(code, owner, rule.rules.clone()));
            }
        }
    }
    for task in follow_ups.iter() {
        for rule in law.catalogue.clocks_of_task(&task.code) {
            let due = law.catalogue.due_for_task(rule, now);
            clocks.extend(due.map(|due| NewClock::of_task(ClockId::new(), &rule.name, &task.owner, task.id, now, due.limit, due.warnings)));
        }
    }
}

fn values<'d>(draft: &'d Draft, path: &'d str) -> impl Iterator<Item = &'d Value> {
    draft.body.values().flat_map(exchange::document::Leaves::iter).filter(move |(at, _)| at.path() == path).map(|(_, value)| value)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
