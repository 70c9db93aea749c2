//! The calendar day in metropolitan France: the law and its agreements count in days of Paris, instants in UTC.
//!
//! Pure arithmetic (directive 2000/84/EC: summer time from the last Sunday of March to the last of October,
//! both at 01:00 UTC); it never asks the machine for its time zone.

use std::time::Duration;

use exchange::Instant;
use time::{Date, Month, UtcDateTime, Weekday};

/// The day in Paris at `at`.
pub fn day_in_france(at: Instant) -> Date {
    let hours = if summer(at.datetime()) { 2 } else { 1 };
    at.plus(Duration::from_secs(hours * 3600)).date()
}

/// The hour and the minute in Paris at `at`.
pub fn hour_in_france(at: Instant) -> (u8, u8) {
    let hours = if summer(at.datetime()) { 2 } else { 1 };
    let there = at.plus(Duration::from_secs(hours * 3600)).datetime();
    (there.hour(), there.minute())
}

/// The instant at which a day begins in Paris.
pub fn begins_in_france(day: Date) -> Instant {
    let midnight = Instant::from_unix_ms(day.midnight().assume_utc().unix_timestamp().saturating_mul(1000));
    // Both changes of the hour are at 01:00 UTC, hours after this midnight and before the next: the hour of then holds.
    let hours = if summer(midnight.minus(Duration::from_secs(2 * 3600)).datetime()) { 2 } else { 1 };
    midnight.minus(Duration::from_secs(hours * 3600))
}

fn summer(at: UtcDateTime) -> bool {
    let turned = |month| last_sunday(at.year(), month).is_some_and(|sunday| (at.date(), at.hour()) >= (sunday, 1));
    turned(Month::March) && !turned(Month::October)
}

fn last_sunday(year: i32, month: Month) -> Option<Date> {
    let last = Date::from_calendar_date(year, month, 31).ok()?;
    if last.weekday() == Weekday::Sunday { Some(last) } else { Some(last.prev_occurrence(Weekday::Sunday)) }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn day(text: &str) -> Date {
        day_in_france(text.parse().unwrap())
    }

    #[test]
    fn each_day_begins_where_the_one_before_ends() {
        let mut date = date!(2026 - 01 - 01);
        while date < date!(2027 - 01 - 01) {
            let begins = begins_in_france(date);
            assert_eq!(day_in_france(begins), date);
            assert_eq!(day_in_france(begins.minus(Duration::from_millis(1))), date.previous_day().unwrap());
            date = date.next_day().unwrap();
        }
    }

    #[test]
    fn midnight_is_that_of_paris() {
        assert_eq!(day("2026-01-14T22:59:59.999Z"), date!(2026 - 01 - 14));
        assert_eq!(day("2026-01-14T23:00:00Z"), date!(2026 - 01 - 15));
        assert_eq!(day("2026-07-14T21:59:59.999Z"), date!(2026 - 07 - 14));
        assert_eq!(day("2026-07-14T22:00:00Z"), date!(2026 - 07 - 15));
        // 29 March and 25 October 2026 turn the hour.
        assert_eq!(day("2026-03-28T22:30:00Z"), date!(2026 - 03 - 28));
        assert_eq!(day("2026-03-29T22:30:00Z"), date!(2026 - 03 - 30));
        assert_eq!(day("2026-10-24T22:30:00Z"), date!(2026 - 10 - 25));
        assert_eq!(day("2026-10-25T22:30:00Z"), date!(2026 - 10 - 25));
    }
}
