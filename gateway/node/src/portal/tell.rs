//! Instants, days and parties as a person reads them in France.

use exchange::{Instant, Party};
use serde_json::Value;
use time::{Date, format_description::well_known::Iso8601};

use crate::{
    directory::{
        Directory,
        day::{day_in_france, hour_in_france},
    },
    flows::Law,
};

/// `25 novembre 2026`.
pub(super) fn day(day: Date) -> String {
    let month = MONTHS.get(usize::from(u8::from(day.month())).saturating_sub(1)).copied().unwrap_or_default();
    let first = if day.day() == 1 { "er" } else { "" };
    format!("{}{first} {month} {}", day.day(), day.year())
}

/// `10 h 30`.
pub(super) fn hour(at: Instant) -> String {
    let (hour, minute) = hour_in_france(at);
    format!("{hour} h {minute:02}")
}

/// `25 novembre 2026 à 10 h 30`.
pub(super) fn moment(at: Instant) -> String {
    format!("{} à {}", day(day_in_france(at)), hour(at))
}

/// An instant of a document, read.
pub(super) fn instant(value: &Value) -> Option<Instant> {
    value.as_str()?.parse().ok()
}

/// An instant of a document as a person reads it; nothing when there is none.
pub(super) fn when(value: &Value) -> Option<String> {
    instant(value).map(moment)
}

/// A text as a person reads it when it is a day or an instant; else itself.
pub(super) fn text(text: &str) -> String {
    if let Ok(date) = Date::parse(text, &Iso8601::DATE)
        && text.len() == 10
    {
        return day(date);
    }
    text.parse().map_or_else(|_| text.to_owned(), moment)
}

/// How long until a limit, in days as people count them.
pub(super) fn left(limit: Instant, now: Instant) -> String {
    let days = (day_in_france(limit) - day_in_france(now)).whole_days();
    match days {
        _ if limit <= now => "échéance dépassée".to_owned(),
        0 => format!("aujourd’hui avant {}", hour(limit)),
        1 => "demain".to_owned(),
        days => format!("dans {days} jours"),
    }
}

/// A unit with its institution, as the directory calls them.
pub(super) fn party(directory: &Directory, party: &Party) -> String {
    let Some(institution) = directory.institution(&party.institution) else { return party.to_string() };
    match party.unit.as_ref().and_then(|unit| institution.units.get(unit)) {
        Some(unit) => format!("{}, {}", unit.name, institution.name),
        None => institution.name.clone(),
    }
}

/// A party of a document.
pub(super) fn party_of(directory: &Directory, value: &Value) -> String {
    serde_json::from_value(value.clone()).map(|told: Party| party(directory, &told)).unwrap_or_default()
}

/// What a type is called.
pub(super) fn kind(law: &Law, code: &str, at: Instant) -> String {
    let known = code.parse().ok().and_then(|code| law.catalogue.exchange_type(&code, at));
    known.map_or_else(|| code.to_owned(), |known| known.title.clone())
}

/// An urgency in words.
pub(super) fn urgency(code: &str) -> &'static str {
    match code {
        "immediate" => "Danger immédiat",
        "priority" => "Prioritaire",
        "ordinary" => "Ordinaire",
        "batch" => "Sans urgence",
        _ => "",
    }
}

const MONTHS: [&str; 12] =
    ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];
