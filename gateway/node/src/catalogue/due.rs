//! Deadline arithmetic: from a clock rule and a start to a limit and its warnings.
//!
//! Months and days are calendar units in Europe/Paris local time, hours are exact time, working time is that
//! of the calendar. Pure: it never reads the wall clock, and it never makes an urgent deadline wait for Monday.

use std::str::FromStr;

use exchange::{Instant, Urgency};
use time::{Date, Month, Weekday};

use super::{Calendar, ClockRule, Span};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Days from the Julian day 0 of `time` to 1970-01-01.
const EPOCH_JULIAN: i64 = 2_440_588;

/// When a clock runs out, and when it warns before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The deadline.
    pub limit: Instant,
    /// Warnings that lie before the limit, earliest first, each once.
    pub warnings: Vec<Instant>,
}

/// The text is not a span of the form `PnYnMnWnDTnHnMnS`, or is longer than a century.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 8601 span such as `P3M`, `P1D` or `PT2H`")]
pub struct InvalidSpan;

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let mut rest = text.strip_prefix('P').filter(|r| !r.is_empty() && !r.ends_with('T')).ok_or(InvalidSpan)?;
        let (mut months, mut days, mut seconds) = (0_u64, 0_u64, 0_u64);
        let (mut in_time, mut last) = (false, 0_u8);
        while !rest.is_empty() {
            if let Some(time) = rest.strip_prefix('T').filter(|_| !in_time) {
                (in_time, rest) = (true, time);
                continue;
            }
            let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|&e| (1..=9).contains(&e)).ok_or(InvalidSpan)?;
            let (digits, tail) = rest.split_at(end);
            let n: u64 = digits.parse().map_err(|_| InvalidSpan)?;
            let unit = tail.chars().next().ok_or(InvalidSpan)?;
            let rank = match (unit, in_time) {
                ('Y', false) => {
                    months += n * 12;
                    1
                }
                ('M', false) => {
                    months += n;
                    2
                }
                ('W', false) => {
                    days += n * 7;
                    3
                }
                ('D', false) => {
                    days += n;
                    4
                }
                ('H', true) => {
                    seconds += n * 3600;
                    5
                }
                ('M', true) => {
                    seconds += n * 60;
                    6
                }
                ('S', true) => {
                    seconds += n;
                    7
                }
                _ => return Err(InvalidSpan),
            };
            if rank <= last {
                return Err(InvalidSpan);
            }
            last = rank;
            rest = tail.get(unit.len_utf8()..).unwrap_or_default();
        }
        if months > 1200 || days > 36_525 || seconds > 3_155_760_000 {
            return Err(InvalidSpan);
        }
        let small = |n: u64| u32::try_from(n).map_err(|_| InvalidSpan);
        Ok(Self { months: small(months)?, days: small(days)?, seconds: small(seconds)? })
    }
}

impl Span {
    /// The instant that lies so long after `at`.
    pub fn after(self, at: Instant) -> Instant {
        Calendar::default().shift(at, self, 1, false)
    }

    /// The instant that lies so long before `at`.
    pub fn before(self, at: Instant) -> Instant {
        Calendar::default().shift(at, self, -1, false)
    }
}

impl Calendar {
    /// When `rule`, started at `start`, runs out; `None` when the rule sets no limit for this urgency.
    ///
    /// `immediate` is never counted in working time. A month that has no such day ends at the end of its last
    /// day (Code de procédure civile, art. 641).
    pub fn due(&self, rule: &ClockRule, urgency: Urgency, start: Instant, under_two: bool) -> Option<Due> {
        let span = rule.under_two.filter(|_| under_two).or_else(|| rule.limit.get(&urgency).copied())?;
        let limit = self.shift(start, span, 1, self.works(rule, urgency));
        Some(self.ending(rule, urgency, start, limit))
    }

    /// The same when the document itself says when it ends: what is counted back, is counted back from there.
    pub(super) fn ending(&self, rule: &ClockRule, urgency: Urgency, start: Instant, limit: Instant) -> Due {
        let working = self.works(rule, urgency);
        let after = rule.warnings.iter().map(|s| self.shift(start, *s, 1, working));
        let before = rule.warnings_before.iter().map(|s| self.shift(limit, *s, -1, false));
        let mut warnings: Vec<_> = after.chain(before).filter(|w| *w >= start && *w < limit).collect();
        warnings.sort_unstable();
        warnings.dedup();
        Due { limit, warnings }
    }

    /// When work ends on a day, whether it is a worked one or not.
    pub fn close_of(&self, day: Date) -> Instant {
        Instant::from_unix_ms(to_utc(day_of(day) * DAY + i64::from(self.closes) * HOUR))
    }

    /// The first instant of a day in Paris.
    pub fn begin_of(&self, day: Date) -> Instant {
        Instant::from_unix_ms(to_utc(day_of(day) * DAY))
    }

    /// The instant that lies so many worked days after `start`.
    pub fn worked_days_after(&self, start: Instant, days: u32) -> Instant {
        self.shift(start, Span { days, ..Span::default() }, 1, self.opens < self.closes)
    }

    /// The instant after a calendar span: what lasts `span` from `start` ends then.
    pub fn after(&self, start: Instant, span: Span) -> Instant {
        self.shift(start, span, 1, false)
    }

    /// Warnings of a clock whose end a person chose, between `start` and `limit`.
    pub fn until(&self, rule: &ClockRule, start: Instant, limit: Instant) -> Due {
        let before = rule.warnings_before.iter().map(|span| self.shift(limit, *span, -1, false));
        let mut warnings: Vec<_> = before.filter(|warning| *warning > start && *warning < limit).collect();
        warnings.sort_unstable();
        warnings.dedup();
        Due { limit, warnings }
    }

    /// Whether people work on this day.
    pub fn is_worked(&self, date: Date) -> bool {
        !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.holidays.contains(&date)
    }

    /// Whether people are at work at this instant.
    pub fn is_open(&self, at: Instant) -> bool {
        let local = to_local(at.unix_ms());
        let hour = local.rem_euclid(DAY) / HOUR;
        self.worked(local.div_euclid(DAY)) && (i64::from(self.opens)..i64::from(self.closes)).contains(&hour)
    }

    fn works(&self, rule: &ClockRule, urgency: Urgency) -> bool {
        rule.working_time && urgency != Urgency::Immediate && self.opens < self.closes
    }

    fn shift(&self, start: Instant, span: Span, sign: i64, working: bool) -> Instant {
        let exact = i64::from(span.seconds) * 1000;
        if span == Span::default() {
            return start;
        }
        if !working && span.months == 0 && span.days == 0 {
            return Instant::from_unix_ms(start.unix_ms().saturating_add(sign * exact));
        }
        let mut local = add_months(to_local(start.unix_ms()), sign * i64::from(span.months));
        if !working {
            return Instant::from_unix_ms(to_utc(local + sign * i64::from(span.days) * DAY).saturating_add(sign * exact));
        }
        local = self.next_worked(local);
        for _ in 0..span.days {
            local = self.next_worked_day(local);
        }
        let mut left = exact;
        loop {
            let today = local.div_euclid(DAY) * DAY + i64::from(self.closes) * HOUR - local;
            if left <= today {
                return Instant::from_unix_ms(to_utc(local + left));
            }
            left -= today;
            local = self.next_worked(local + today);
        }
    }

    /// This local time if it is worked, else the next opening.
    fn next_worked(&self, local: i64) -> i64 {
        let day = local.div_euclid(DAY);
        let (opens, closes) = (day * DAY + i64::from(self.opens) * HOUR, day * DAY + i64::from(self.closes) * HOUR);
        if !self.worked(day) || local >= closes { self.next_worked_day(opens) } else { local.max(opens) }
    }

    /// The same time of day on the next worked day.
    fn next_worked_day(&self, local: i64) -> i64 {
        let mut next = local + DAY;
        while !self.worked(next.div_euclid(DAY)) {
            next += DAY;
        }
        next
    }

    fn worked(&self, day: i64) -> bool {
        date_of(day).is_none_or(|date| self.is_worked(date))
    }
}

/// The instant at which a day begins in Paris.
pub fn day_begins(date: Date) -> Instant {
    Instant::from_unix_ms(to_utc(day_of(date) * DAY))
}

fn date_of(day: i64) -> Option<Date> {
    Date::from_julian_day(i32::try_from(day + EPOCH_JULIAN).ok()?).ok()
}

fn day_of(date: Date) -> i64 {
    i64::from(date.to_julian_day()) - EPOCH_JULIAN
}

/// Moves a local time by whole months; what falls beyond a month's end is the end of its last day.
fn add_months(local: i64, months: i64) -> i64 {
    let Some(date) = date_of(local.div_euclid(DAY)).filter(|_| months != 0) else { return local };
    let index = i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1 + months;
    let (Ok(year), Ok(month)) = (i32::try_from(index.div_euclid(12)), u8::try_from(index.rem_euclid(12) + 1)) else {
        return local;
    };
    let Ok(month) = Month::try_from(month) else { return local };
    let last = month.length(year);
    match Date::from_calendar_date(year, month, date.day().min(last)) {
        Ok(moved) if date.day() > last => day_of(moved) * DAY + DAY - 1,
        Ok(moved) => day_of(moved) * DAY + local.rem_euclid(DAY),
        Err(_) => local,
    }
}

/// The two changes of a year, at 01:00 UTC on the last Sundays of March and October (directive 2000/84/EC).
fn changes(year: i32) -> Option<(i64, i64)> {
    let last_sunday = |month| {
        let end = Date::from_calendar_date(year, month, 31).ok()?;
        Some((day_of(end) - i64::from(end.weekday().number_days_from_sunday())) * DAY + HOUR)
    };
    Some((last_sunday(Month::March)?, last_sunday(Month::October)?))
}

/// UTC to Paris time. The second pass of the hour repeated in October counts as its end, so order is kept.
fn to_local(utc: i64) -> i64 {
    match date_of(utc.div_euclid(DAY)).and_then(|d| changes(d.year())) {
        Some((spring, autumn)) if (spring..autumn).contains(&utc) => utc + 2 * HOUR,
        Some((_, autumn)) if (autumn..autumn + HOUR).contains(&utc) => autumn + 2 * HOUR,
        _ => utc + HOUR,
    }
}

/// Paris time to UTC. The hour skipped in March is the instant of the change; a repeated hour is its first pass.
fn to_utc(local: i64) -> i64 {
    match date_of(local.div_euclid(DAY)).and_then(|d| changes(d.year())) {
        Some((spring, _)) if (spring + HOUR..spring + 2 * HOUR).contains(&local) => spring,
        Some((spring, autumn)) if (spring + 2 * HOUR..autumn + 2 * HOUR).contains(&local) => local - 2 * HOUR,
        _ => local - HOUR,
    }
}

#[cfg(test)]
mod tests;
