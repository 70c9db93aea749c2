//! The receipt that a person brings back from PLEX: its number and its instant, typed in.
//!
//! PLEX gives a notice with number and time stamp and no interface; the form of the number is not published, so that it is kept
//! as it is, within bounds that keep a typing mistake out.

use exchange::Instant;
use serde_json::{Value, json};
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use crate::reading::{Finding, Place};

#[cfg(test)]
mod tests;

/// Number and instant of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    number: String,
    deposited: Instant,
}

impl Receipt {
    /// Reads what a person typed: `24/11/2026` or `2026-11-24`, `14:32`, `14h32` or `14 h 32`, and the number of the notice.
    ///
    /// `offset` is that of the Département's time on that day; `packed` and `now` bound the deposit, with a minute of grace for
    /// clocks that differ.
    ///
    /// # Errors
    /// One finding for each of date, time and number that cannot be, with what to type instead.
    pub fn parse(date: &str, time: &str, number: &str, offset: UtcOffset, packed: Instant, now: Instant) -> Result<Self, Vec<Finding>> {
        let mut faults = Vec::new();
        let day = read_date(date.trim());
        if day.is_none() {
            faults.push(fault("depose_le", "bad-date", "La date n’est pas lisible.", "L’écrire jour/mois/année, par exemple 24/11/2026."));
        }
        let clock = read_time(time.trim());
        if clock.is_none() {
            faults.push(fault("depose_le", "bad-time", "L’heure n’est pas lisible.", "L’écrire heures:minutes, par exemple 14:32."));
        }
        let number = number.trim();
        if !is_number(number) {
            let cure = "Recopier le numéro de l’avis de dépôt : 3 à 64 lettres, chiffres, espaces, points, barres, tirets.";
            faults.push(fault("reference", "bad-number", "Le numéro du reçu ne peut être celui d’un dépôt.", cure));
        }
        let deposited = day.zip(clock).map(|(day, clock)| PrimitiveDateTime::new(day, clock).assume_offset(offset));
        let deposited = deposited.map(|at| Instant::from_unix_ms(at.unix_timestamp().saturating_mul(1000)));
        if let Some(at) = deposited {
            faults.extend(bounds(at, packed, now));
        }
        match deposited {
            Some(deposited) if faults.is_empty() => Ok(Self { number: number.to_owned(), deposited }),
            _ => Err(faults),
        }
    }

    /// The number as the notice writes it.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// When the deposit took place: the clock `depot` runs from here.
    pub fn deposited(&self) -> Instant {
        self.deposited
    }

    /// The fields `depot` of the signalement.
    pub fn depot(&self) -> Value {
        json!({"mode": "plex", "reference": self.number, "depose_le": self.deposited.to_string()})
    }
}

fn bounds(at: Instant, packed: Instant, now: Instant) -> Option<Finding> {
    let grace = std::time::Duration::from_secs(60);
    if at > now.plus(grace) {
        return Some(fault(
            "depose_le",
            "future",
            "La date et l’heure du dépôt sont à venir.",
            "Vérifier la date et l’heure sur l’avis de dépôt.",
        ));
    }
    if at.plus(grace) < packed {
        let detail = "Le dépôt serait antérieur à la préparation du dossier.";
        return Some(fault("depose_le", "too-early", detail, "Vérifier la date et l’heure, et que le reçu est celui de ce dossier."));
    }
    None
}

fn read_date(text: &str) -> Option<Date> {
    let (parts, order): (Vec<&str>, _) =
        if text.contains('/') { (text.split('/').collect(), [2, 1, 0]) } else { (text.split('-').collect(), [0, 1, 2]) };
    let [year, month, day] = order.map(|index: usize| parts.get(index).copied().unwrap_or_default());
    if parts.len() != 3 || year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let month = Month::try_from(digits(month)? as u8).ok()?;
    Date::from_calendar_date(i32::from(digits(year)?), month, digits(day)? as u8).ok()
}

fn read_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once([':', 'h', 'H'])?;
    let (hour, minute) = (hour.trim(), minute.trim());
    if hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    Time::from_hms(digits(hour)? as u8, digits(minute)? as u8, 0).ok()
}

/// A number of one to four digits and nothing else.
fn digits(text: &str) -> Option<u16> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn is_number(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" ./_-".contains(&byte);
    (3..=64).contains(&text.len()) && text.bytes().all(allowed) && text.bytes().any(|byte| byte.is_ascii_digit())
}

fn fault(field: &'static str, code: &'static str, detail: &str, cure: &str) -> Finding {
    Finding { place: Place::Path(format!("/payload/depot/{field}")), code, detail: detail.to_owned(), cure: Some(cure.to_owned()) }
}
