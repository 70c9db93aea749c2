//! Tasks: what a person owes about an exchange, how it ends, and whether the law lets it wait.
//!
//! A task ends by what a named person says to have done, or under a basis on which the law lets it not be done at all.
//! It never ends by itself, and what waits comes back.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Instant, TypeCode, Urgency};
use serde::{Deserialize, Serialize};

use super::{Catalogue, ClockRule, ClockStart, ClockStop, Span, due::Due};
use crate::directory::Role;

/// How the task of an obligation ends, and whether it may wait.
#[derive(Debug, Clone, Default)]
pub struct TaskLife {
    /// What the person who did it has to say.
    pub asks: BTreeSet<Asked>,
    /// Codes of CL-moyen that count; empty: any.
    pub means: BTreeSet<String>,
    /// Codes of CL-base-report on which the law lets it not be done: the reason, its author and the time are kept.
    pub dispenses: BTreeSet<String>,
    /// Whether and how it may wait; `None`: it may not.
    pub deferral: Option<DeferralRule>,
    /// Codes of CL-constat that the person who did it may state.
    pub findings: BTreeSet<String>,
    /// The obligation that a finding opens.
    pub opens: BTreeMap<String, String>,
    /// What ends it without more: an acknowledgement, or an answer of a type.
    pub closed_by: Vec<ClockStop>,
}

/// What a person who did a task has to say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// By which means: a code of CL-moyen.
    Means,
    /// What was found: a code of CL-constat.
    Finding,
    /// Where it went: the exchange that carried it on, or the INSEE code of a département.
    Destination,
}

/// On which bases, by whom and for how long a task may wait.
#[derive(Debug, Clone)]
pub struct DeferralRule {
    /// Codes of CL-base-report.
    pub bases: BTreeSet<String>,
    /// Functions of the directory that decide it. In a unit where nobody has one of them, its lead or deputy does.
    pub by: BTreeSet<Role>,
    /// The longest that one deferral lasts.
    pub at_most: Span,
    /// The longest that all of them last, from the opening of the task.
    pub in_all: Span,
}

impl Catalogue {
    /// The obligations whose task an answer of this type ends.
    pub fn closed_by_answer(&self, kind: &TypeCode) -> Vec<String> {
        self.closed_by(|stop| matches!(stop, ClockStop::AnsweredBy(answer) if answer == kind))
    }

    /// The obligations whose task an acknowledgement ends.
    pub fn closed_by_acknowledgement(&self) -> Vec<String> {
        self.closed_by(|stop| *stop == ClockStop::Acknowledged)
    }

    fn closed_by(&self, ends: impl Fn(&ClockStop) -> bool) -> Vec<String> {
        self.obligations.iter().filter(|(_, rule)| rule.life.closed_by.iter().any(&ends)).map(|(code, _)| code.clone()).collect()
    }

    /// The clocks that the opening of a task starts.
    pub fn clocks_of_task(&self, code: &str) -> impl Iterator<Item = &ClockRule> {
        self.clocks.values().filter(move |rule| rule.starts == ClockStart::Task && rule.waits_for(code))
    }

    /// The clock that brings a task back when its deferral ends; the loader sees to it that there is one.
    pub fn clock_of_deferral(&self, code: &str) -> Option<&ClockRule> {
        self.clocks.values().find(|rule| rule.starts == ClockStart::Deferral && rule.waits_for(code))
    }

    /// When the clock of a task opened at `start` runs out.
    pub fn due_for_task(&self, rule: &ClockRule, start: Instant) -> Option<Due> {
        let urgency = [Urgency::Ordinary, Urgency::Immediate].into_iter().find(|urgency| rule.limit.contains_key(urgency))?;
        self.calendar.due(rule, urgency, start, false)
    }

    /// When what lasts `span` from `start` ends.
    pub fn after(&self, start: Instant, span: Span) -> Instant {
        self.calendar.after(start, span)
    }

    /// The warnings of a clock whose limit a person chose.
    pub fn due_until(&self, rule: &ClockRule, start: Instant, limit: Instant) -> Due {
        self.calendar.until(rule, start, limit)
    }
}
