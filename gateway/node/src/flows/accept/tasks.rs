//! Tasks and clocks that follow from what an accepted document says, and from each other: a clock that only a named
//! person stops has its task, and a task that has a clock of its own starts it.

use exchange::{ClockId, Identity, Instant, Kind, document::Pointer, envelope::Draft};
use serde_json::Value;
use time::{Date, Month, format_description::well_known::Iso8601};

use super::{Depositor, Ends, corrected, follow_up};
use crate::{
    catalogue::{ClockOwner, ClockRule, ClockStart, ClockStop, ExchangeType, day_begins},
    directory::day::day_in_france,
    flows::Law,
    store::{clocks::NewClock, follow_up::NewFollowUp},
};

/// What how a deposit came leaves to do.
pub(super) fn of_the_deposit(exchange_type: &ExchangeType, ends: &Ends, author: &Depositor, key: Option<&str>) -> Vec<NewFollowUp> {
    let mut list = Vec::new();
    if let Depositor::Alone { fault } = author {
        list.push(follow_up("identifier-auteur", &ends.sender, vec![fault.clone()]));
    }
    if key.is_none() && exchange_type.danger {
        list.push(follow_up("cle-idempotence", &ends.sender, Vec::new()));
    }
    list
}

/// What the document, and the obligations of its decision, leave to do.
pub(super) fn follow_ups(law: &Law, draft: &Draft, ends: &Ends, obligations: &[String]) -> Vec<NewFollowUp> {
    let mut list = Vec::new();
    if !draft.missing.is_empty() {
        list.push(follow_up(corrected::COMPLETE, &ends.sender, draft.missing.clone()));
    }
    if !draft.non_conforme.is_empty() {
        let details = draft.non_conforme.iter().map(|kept| format!("{} {}", kept.code, kept.pointer.path())).collect();
        list.push(follow_up(corrected::READ_WHAT_DID_NOT_CONFORM, &ends.recipient, details));
    }
    // An obligation of the decision is somebody's task; the law says whose.
    for code in obligations {
        if let Some(rule) = law.catalogue.obligation(code).filter(|rule| rule.task) {
            let owner = match rule.owner {
                ClockOwner::Sender => &ends.sender,
                ClockOwner::Recipient => &ends.recipient,
            };
            list.push(follow_up(code, owner, rule.rules.clone()));
        }
    }
    list
}

/// What starts to run at the acceptance, before it is asked what runs already.
pub(super) fn clocks(law: &Law, exchange_type: &ExchangeType, draft: &Draft, ends: &Ends, now: Instant) -> Vec<NewClock> {
    let under_two = draft.subjects.iter().any(|subject| under_two(subject, day_in_france(now)));
    let start = draft.occurred.filter(|at| *at <= now).unwrap_or(now);
    exchange_type
        .clocks
        .iter()
        .filter(|name| exchange_type.clocks_if.get(*name).is_none_or(|said| draft.route.said.contains(said)))
        .filter_map(|name| law.catalogue.clock(name))
        .filter(|rule| rule.only_from.is_empty() || rule.only_from.contains::<Kind>(&ends.sender_kind))
        .filter(|rule| holds(rule, draft))
        .filter_map(|rule| {
            // Delivery to a mailbox is immediate: what is accepted is available.
            let started_at = match rule.starts {
                ClockStart::Accepted => named_day(rule, draft, now).unwrap_or(start),
                ClockStart::Delivered => now,
                // Not by an acceptance.
                ClockStart::Task | ClockStart::Deferral => return None,
            };
            let last = draft.limits.iter().find(|(clock, _)| *clock == rule.name).map(|(_, last)| *last);
            let due = match last {
                Some(last) => law.catalogue.due_on(rule, draft.route.urgency, started_at, last)?,
                None => law.catalogue.due(rule, draft.route.urgency, started_at, under_two)?,
            };
            let mut fires = due.warnings;
            fires.push(due.limit);
            fires.sort();
            fires.dedup();
            let owner = match rule.owner {
                ClockOwner::Sender => &ends.sender,
                ClockOwner::Recipient => &ends.recipient,
            };
            let stops = rule
                .stops
                .iter()
                .map(|stop| match stop {
                    ClockStop::Opened => "opened".to_owned(),
                    ClockStop::Acknowledged => "acknowledged".to_owned(),
                    ClockStop::AnsweredBy(kind) => format!("answered:{kind}"),
                    ClockStop::Recorded(code) => format!("recorded:{code}"),
                })
                .collect();
            Some(NewClock { id: ClockId::new(), name: rule.name.clone(), owner: owner.clone(), started_at, limit: due.limit, fires, stops })
        })
        .collect()
}

/// Whether the document says what the clock waits for.
fn holds(rule: &ClockRule, draft: &Draft) -> bool {
    rule.only_if.as_ref().is_none_or(|condition| values(draft, &condition.path).any(|value| text(value) == condition.is))
}

/// The beginning of the day on which the event took place, as the document names it. A day to come is a mistake of
/// writing, and starts nothing later than now.
fn named_day(rule: &ClockRule, draft: &Draft, now: Instant) -> Option<Instant> {
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

/// What was only estimated counts: of two deadlines the shorter one protects.
fn under_two(subject: &Identity, today: Date) -> bool {
    let of = |name: &str| subject.reveal().at(&Pointer::default().child(name));
    let born = of("birth_date").and_then(Value::as_str).and_then(|text| Date::parse(text, &Iso8601::DATE).ok());
    match born {
        // Who was born on 29 February turns two on 1 March.
        Some(born) => born
            .replace_year(born.year() + 2)
            .or_else(|_| Date::from_calendar_date(born.year() + 2, Month::March, 1))
            .is_ok_and(|two| two > today),
        None => subject.unborn() || of("age_estimate").and_then(Value::as_u64).is_some_and(|years| years < 2),
    }
}

#[cfg(test)]
mod tests {
    use exchange::document::Leaves;
    use serde_json::json;
    use time::macros::date;

    use super::*;

    #[test]
    fn two_years_are_counted_to_the_day() {
        let of = |subject: Value, today| under_two(&Identity::new("s1".into(), Leaves::of(&subject)), today);
        for (born, today, young) in [
            ("2024-11-26", date!(2026 - 11 - 25), true),
            ("2024-11-25", date!(2026 - 11 - 25), false),
            ("2024-02-29", date!(2026 - 02 - 28), true),
            ("2024-02-29", date!(2026 - 03 - 01), false),
            ("not a date", date!(2026 - 03 - 01), false),
        ] {
            assert_eq!(of(json!({"birth_date": born}), today), young, "{born}");
        }
        let today = date!(2026 - 03 - 01);
        assert!(of(json!({"birth_date": "2025-06-01", "birth_date_quality": "estimee"}), today));
        assert!(of(json!({"age_estimate": 1}), today) && !of(json!({"age_estimate": 2}), today));
        assert!(of(json!({"unborn": true}), today) && !of(json!({}), today));
    }
}
