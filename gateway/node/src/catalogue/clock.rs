//! Clocks and the calendar they are counted in, as the files say them; [`super::due`] does the arithmetic.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Kind, TypeCode, Urgency};
use serde::Deserialize;
use time::Date;

/// One clock of `_clocks.toml`.
#[derive(Debug, Clone)]
pub struct ClockRule {
    /// Number in the catalogue, `K05`.
    pub number: String,
    /// Name, `retour-pro`.
    pub name: String,
    /// What it waits for, in French, shown to the person reminded.
    pub title: String,
    /// What starts it.
    pub starts: ClockStart,
    /// What stops it.
    pub stops: Vec<ClockStop>,
    /// Which side is reminded.
    pub owner: ClockOwner,
    /// Duration to the limit, by urgency; ISO 8601 (`P3M`, `P1D`, `PT2H`).
    pub limit: BTreeMap<Urgency, Span>,
    /// Limit when the child is under two years old, whatever the urgency; `None`: the same as for others.
    pub under_two: Option<Span>,
    /// Warnings, counted from the start.
    pub warnings: Vec<Span>,
    /// Warnings, counted back from the limit.
    pub warnings_before: Vec<Span>,
    /// Counted in working days and hours of `_calendar.toml`.
    pub working_time: bool,
    /// Only for senders of these kinds and groups; empty: all.
    pub only_from: BTreeSet<Kind>,
    /// Only for a document that says this; `None`: any.
    pub only_if: Option<ClockCondition>,
    /// The field that names the day on which the event took place: the clock starts at the beginning of that day.
    pub starts_on: Option<String>,
    /// Article or source.
    pub source: String,
}

impl ClockRule {
    /// Whether recording that the task of an obligation is done stops it.
    pub fn waits_for(&self, code: &str) -> bool {
        self.stops.iter().any(|stop| matches!(stop, ClockStop::Recorded(one) if one == code))
    }
}

/// What starts a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockStart {
    /// The exchange was accepted.
    Accepted,
    /// The exchange was delivered (made available to its recipient).
    Delivered,
    /// The task that stops it was opened, whenever that is.
    Task,
    /// The task that stops it was put off; its limit is the date that was decided.
    Deferral,
}

/// What a document must say for a clock to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockCondition {
    /// Path of the field, from the envelope: `payload.suites[]`.
    pub path: String,
    /// The value that one of its leaves must hold, as text: `opp`, `true`.
    pub is: String,
}

/// What stops a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClockStop {
    /// Content was opened by a professional of the recipient.
    Opened,
    /// Acknowledged by a named professional of the recipient.
    Acknowledged,
    /// An exchange of this type answered it.
    AnsweredBy(TypeCode),
    /// A named professional recorded that it is done, through the follow-up of this obligation.
    Recorded(String),
}

/// Who is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockOwner {
    /// The unit that sent the exchange.
    Sender,
    /// The unit that received it.
    Recipient,
}

/// A calendar span: months and days are calendar units, the rest is exact time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Calendar months.
    pub months: u32,
    /// Calendar days.
    pub days: u32,
    /// Seconds.
    pub seconds: u32,
}

/// Working days and hours of the Département.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    /// Days that are not worked, in addition to Saturdays and Sundays.
    pub holidays: BTreeSet<Date>,
    /// First worked hour of a day, local time (Europe/Paris).
    pub opens: u8,
    /// Hour at which the day ends.
    pub closes: u8,
}
