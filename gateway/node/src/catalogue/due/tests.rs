//! Deadline vectors and properties.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use time::macros::date;

use super::*;
use crate::catalogue::{ClockOwner, ClockStart};

fn rule(limit: &str, working_time: bool) -> ClockRule {
    let span: Span = limit.parse().unwrap();
    let limit = [Urgency::Immediate, Urgency::Ordinary].map(|u| (u, span));
    ClockRule {
        number: "K05".into(),
        name: "retour-pro".into(),
        title: "Retour".into(),
        starts: ClockStart::Accepted,
        stops: vec![],
        owner: ClockOwner::Recipient,
        limit: BTreeMap::from(limit),
        under_two: None,
        warnings: vec![],
        warnings_before: vec![],
        working_time,
        only_if: None,
        starts_on: None,
        only_from: BTreeSet::new(),
        source: "L226-5".into(),
    }
}

fn calendar() -> Calendar {
    Calendar { holidays: BTreeSet::from([date!(2026 - 04 - 06)]), opens: 9, closes: 17 }
}

fn limit(urgency: Urgency, span: &str, working: bool, start: &str) -> String {
    calendar().due(&rule(span, working), urgency, start.parse().unwrap(), false).unwrap().limit.to_string()
}

#[test]
fn calendar_and_working_vectors() {
    for (span, working, start, expected) in [
        ("PT0S", true, "2026-04-04T10:00:00Z", "2026-04-04T10:00:00.000Z"),
        ("P1M", false, "2026-01-31T10:00:00Z", "2026-02-28T22:59:59.999Z"),
        ("P3M", false, "2026-01-15T10:00:00Z", "2026-04-15T09:00:00.000Z"),
        ("P1D", false, "2026-03-28T11:00:00Z", "2026-03-29T10:00:00.000Z"),
        ("P1D", false, "2026-03-28T01:30:00Z", "2026-03-29T01:00:00.000Z"),
        ("PT24H", false, "2026-03-28T11:00:00Z", "2026-03-29T11:00:00.000Z"),
        ("P1D", false, "2026-10-24T10:00:00Z", "2026-10-25T11:00:00.000Z"),
        ("P1D", true, "2026-04-03T08:00:00Z", "2026-04-07T08:00:00.000Z"),
        ("PT2H", true, "2026-04-03T14:00:00Z", "2026-04-07T08:00:00.000Z"),
        ("P1D", true, "2026-04-04T08:00:00Z", "2026-04-08T07:00:00.000Z"),
    ] {
        assert_eq!(limit(Urgency::Ordinary, span, working, start), expected, "{span} from {start}");
    }
    assert_eq!(limit(Urgency::Immediate, "PT2H", true, "2026-04-04T22:00:00Z"), "2026-04-05T00:00:00.000Z");
}

#[test]
fn under_two_and_both_kinds_of_warning() {
    let mut r = rule("P3M", false);
    r.under_two = Some("P1M".parse().unwrap());
    r.warnings = vec!["P60D".parse().unwrap()];
    r.warnings_before = vec!["P15D".parse().unwrap()];
    let start = "2026-05-10T10:00:00Z".parse().unwrap();
    let young = calendar().due(&r, Urgency::Ordinary, start, true).unwrap();
    assert_eq!(young.limit.to_string(), "2026-06-10T10:00:00.000Z");
    assert_eq!(young.warnings.len(), 1, "a warning after the limit is not given");
    let other = calendar().due(&r, Urgency::Ordinary, start, false).unwrap();
    let texts: Vec<_> = other.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["2026-07-09T10:00:00.000Z", "2026-07-26T10:00:00.000Z"]);
    assert_eq!(calendar().due(&r, Urgency::Batch, start, false), None);
}

/// Ten days from the start by the rule, nine by the document: two days before the ninth, and not before the tenth.
#[test]
fn a_limit_of_the_document_is_the_one_that_is_counted_back_from() {
    let mut r = rule("P10D", true);
    r.warnings = vec!["P1D".parse().unwrap()];
    r.warnings_before = vec!["P2D".parse().unwrap()];
    let (start, limit) = ("2026-11-25T09:30:00Z".parse().unwrap(), "2026-12-08T16:00:00Z".parse().unwrap());
    let due = calendar().ending(&r, Urgency::Ordinary, start, limit);
    let texts: Vec<_> = due.warnings.iter().map(ToString::to_string).collect();
    assert_eq!((due.limit, texts), (limit, vec!["2026-11-26T09:30:00.000Z".into(), "2026-12-06T16:00:00.000Z".into()]));
}

#[test]
fn spans_are_strict() {
    assert_eq!("P1Y2M1W3DT4H5M6S".parse(), Ok(Span { months: 14, days: 10, seconds: 14_706 }));
    for bad in ["", "P", "PT", "P1DT", "P1", "1D", "P1H", "PT1D", "P1D1M", "P1D1D", "P-1D", "P1.5D", "PTT1S", "P9999Y"] {
        assert_eq!(bad.parse::<Span>(), Err(InvalidSpan), "{bad}");
    }
}

proptest! {
    #[test]
    fn monotone_in_start(
        start in 1_760_000_000_000_i64..1_900_000_000_000, later in 0_i64..200_000_000,
        months in 0_u32..30, days in 0_u32..90, seconds in 0_u32..400_000, working: bool,
    ) {
        let mut r = rule("PT0S", working);
        r.limit.insert(Urgency::Ordinary, Span { months, days, seconds });
        let at = |ms| calendar().due(&r, Urgency::Ordinary, Instant::from_unix_ms(ms), false).unwrap().limit;
        prop_assert!(at(start) <= at(start + later));
        prop_assert!(at(start) >= Instant::from_unix_ms(start));
    }
}
