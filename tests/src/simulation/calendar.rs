//! Days and hours in France, counted here a second time and without a word of the gateway's own arithmetic: what both say
//! the same is not a mistake of one.
//!
//! The rules are those that the catalogue and the gateway's documentation state: months and days are counted in Paris, a
//! month that lacks the day ends with its last one, an hour that is skipped is the instant of the change, of an hour that
//! comes twice the first counts, and the second counts as its end.

use exchange::Instant;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset, Weekday};

/// Holidays on which nobody works, of the years that runs reach.
const HOLIDAYS: [(i32, u8, u8); 22] = [
    (2026, 11, 1),
    (2026, 11, 11),
    (2026, 12, 25),
    (2027, 1, 1),
    (2027, 3, 29),
    (2027, 5, 1),
    (2027, 5, 6),
    (2027, 5, 8),
    (2027, 5, 17),
    (2027, 7, 14),
    (2027, 8, 15),
    (2027, 11, 1),
    (2027, 11, 11),
    (2027, 12, 25),
    (2028, 1, 1),
    (2028, 4, 17),
    (2028, 5, 1),
    (2028, 5, 8),
    (2028, 5, 25),
    (2028, 6, 5),
    (2028, 7, 14),
    (2028, 8, 15),
];

/// What the clocks on the walls of Paris show.
pub fn paris(at: Instant) -> PrimitiveDateTime {
    let at = moment(at);
    let (spring, autumn) = changes(at.year());
    let twice = autumn..autumn + Duration::HOUR;
    if twice.contains(&at) {
        return PrimitiveDateTime::new(at.date(), Time::from_hms(3, 0, 0).unwrap());
    }
    let hours = if (spring..autumn).contains(&at) { 2 } else { 1 };
    let local = at.to_offset(UtcOffset::from_hms(hours, 0, 0).unwrap());
    PrimitiveDateTime::new(local.date(), local.time())
}

/// The day in Paris.
pub fn day(at: Instant) -> Date {
    paris(at).date()
}

/// The first instant of a day in Paris.
pub fn begins(day: Date) -> Instant {
    instant(day.midnight())
}

/// At what instant people stop working on a day.
pub fn closes(day: Date) -> Instant {
    instant(day.with_hms(17, 0, 0).unwrap())
}

/// So many days later, or earlier, at the same hour.
pub fn days(at: Instant, n: i64) -> Instant {
    instant(paris(at) + Duration::days(n))
}

/// So many months later, at the same hour of the same day.
pub fn months(at: Instant, n: u8) -> Instant {
    let local = paris(at);
    let index = i32::from(u8::from(local.month())) - 1 + i32::from(n);
    let (year, month) = (local.year() + index / 12, Month::try_from(u8::try_from(index % 12 + 1).unwrap()).unwrap());
    instant(match Date::from_calendar_date(year, month, local.day()) {
        Ok(date) => PrimitiveDateTime::new(date, local.time()),
        Err(_) => {
            let last = Date::from_calendar_date(year, month, month.length(year)).unwrap();
            PrimitiveDateTime::new(last, Time::from_hms_milli(23, 59, 59, 999).unwrap())
        }
    })
}

/// So many worked days later; who comes in the evening or on a Sunday comes at the next opening.
pub fn worked_days(at: Instant, n: u32) -> Instant {
    let mut local = paris(at);
    if local.hour() < 9 && worked(local.date()) {
        local = local.date().with_hms(9, 0, 0).unwrap();
    } else if local.hour() >= 17 || !worked(local.date()) {
        local = next_worked(local.date()).with_hms(9, 0, 0).unwrap();
    }
    for _ in 0..n {
        local = PrimitiveDateTime::new(next_worked(local.date()), local.time());
    }
    instant(local)
}

/// Whether people are at work.
pub fn open(at: Instant) -> bool {
    let local = paris(at);
    worked(local.date()) && (9..17).contains(&local.hour())
}

fn worked(day: Date) -> bool {
    let holiday = HOLIDAYS.contains(&(day.year(), u8::from(day.month()), day.day()));
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !holiday
}

fn next_worked(day: Date) -> Date {
    let mut next = day.next_day().unwrap();
    while !worked(next) {
        next = next.next_day().unwrap();
    }
    next
}

/// The instant of a local time.
fn instant(local: PrimitiveDateTime) -> Instant {
    let (spring, autumn) = changes(local.year());
    let summer = local.assume_offset(UtcOffset::from_hms(2, 0, 0).unwrap());
    let winter = local.assume_offset(UtcOffset::from_hms(1, 0, 0).unwrap());
    let at = if (spring..autumn).contains(&summer) {
        summer
    } else if winter >= spring && winter < spring + Duration::HOUR {
        spring
    } else {
        winter
    };
    Instant::from_unix_ms(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap())
}

fn moment(at: Instant) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.unix_ms()) * 1_000_000).unwrap()
}

/// When summer begins and ends: at 01:00 UTC of the last Sunday of March and of October.
fn changes(year: i32) -> (OffsetDateTime, OffsetDateTime) {
    let last_sunday = |month: Month| {
        let mut day = Date::from_calendar_date(year, month, 31).unwrap();
        while day.weekday() != Weekday::Sunday {
            day = day.previous_day().unwrap();
        }
        day.with_hms(1, 0, 0).unwrap().assume_utc()
    };
    (last_sunday(Month::March), last_sunday(Month::October))
}
