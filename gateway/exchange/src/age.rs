//! How old a child is, as far as the law asks: unborn, under two, under fifteen, under eighteen, of age.
//!
//! A birth date tells people apart. What leaves this file is the name of an age band; the date itself is only ever
//! written under the key of its exchange, and nothing here can be printed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Date, Month, format_description::well_known::Iso8601};

use crate::{Identity, document::Pointer};

/// When a child of an exchange was born, as its sender knew it. `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildAge {
    /// Not yet.
    Unborn,
    /// On this day.
    Born(Date),
    /// About this day. What is doubtful never makes an adult of a child.
    About(Date),
    /// This many years ago, as somebody estimates. Doubtful too.
    Estimated(u8),
    /// Nobody says.
    Unknown,
}

/// The bands that deadlines and consents know. A child whose age nobody knows is a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgeBand {
    /// Not born yet.
    Unborn,
    /// Under two: evaluation and reports are quicker (CASF D226-2-4, C. civ. 375).
    UnderTwo,
    /// From two to fourteen.
    UnderFifteen,
    /// From fifteen to seventeen.
    UnderEighteen,
    /// Eighteen or more: nobody else agrees for this person any more.
    OfAge,
    /// Nobody says.
    Unknown,
}

impl ChildAge {
    /// What a document says of the age of one of its subjects.
    pub fn of(subject: &Identity) -> Self {
        let at = |name: &str| subject.reveal().at(&Pointer::default().child(name));
        if subject.unborn() {
            return Self::Unborn;
        }
        let born = at("birth_date").and_then(Value::as_str).and_then(|text| Date::parse(text, &Iso8601::DATE).ok());
        let estimated = || at("age_estimate").and_then(Value::as_u64).and_then(|years| u8::try_from(years).ok());
        match (born, estimated()) {
            (Some(born), _) if subject.birth_date() == Some(born) => Self::Born(born),
            (Some(born), _) => Self::About(born),
            (None, Some(years)) => Self::Estimated(years),
            (None, None) => Self::Unknown,
        }
    }

    /// The band on a day.
    pub fn band(&self, on: Date) -> AgeBand {
        let years = |years: u8| match years {
            0..2 => AgeBand::UnderTwo,
            2..15 => AgeBand::UnderFifteen,
            15..18 => AgeBand::UnderEighteen,
            18.. => AgeBand::OfAge,
        };
        match *self {
            Self::Unborn => AgeBand::Unborn,
            Self::Unknown => AgeBand::Unknown,
            Self::Estimated(estimated) => years(estimated).doubtful(),
            Self::Born(born) => since(born, on),
            Self::About(born) => since(born, on).doubtful(),
        }
    }
}

impl AgeBand {
    fn doubtful(self) -> Self {
        if self == Self::OfAge { Self::Unknown } else { self }
    }

    /// The word that rules use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unborn => "a-naitre",
            Self::UnderTwo => "moins-de-2",
            Self::UnderFifteen => "2-14",
            Self::UnderEighteen => "15-17",
            Self::OfAge => "majeur",
            Self::Unknown => "inconnu",
        }
    }
}

fn since(born: Date, on: Date) -> AgeBand {
    let reached = |years: i32| birthday(born, years).is_some_and(|day| day <= on);
    match (reached(18), reached(15), reached(2)) {
        (true, _, _) => AgeBand::OfAge,
        (_, true, _) => AgeBand::UnderEighteen,
        (_, _, true) => AgeBand::UnderFifteen,
        (false, false, false) => AgeBand::UnderTwo,
    }
}

/// Who was born on 29 February has a birthday on 1 March in other years.
fn birthday(born: Date, years: i32) -> Option<Date> {
    let year = born.year().checked_add(years)?;
    born.replace_year(year).or_else(|_| Date::from_calendar_date(year, Month::March, 1)).ok()
}

impl fmt::Debug for ChildAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildAge(..)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::date;

    use super::*;
    use crate::document::Leaves;

    fn band(subject: Value, on: Date) -> &'static str {
        ChildAge::of(&Identity::new("s1".into(), Leaves::of(&subject))).band(on).as_str()
    }

    #[test]
    fn a_band_changes_on_the_birthday() {
        for (born, on, expected) in [
            ("2024-03-03", date!(2026 - 03 - 02), "moins-de-2"),
            ("2024-03-02", date!(2026 - 03 - 02), "2-14"),
            ("2011-03-02", date!(2026 - 03 - 02), "15-17"),
            ("2008-03-03", date!(2026 - 03 - 02), "15-17"),
            ("2008-03-02", date!(2026 - 03 - 02), "majeur"),
            ("2008-02-29", date!(2026 - 02 - 28), "15-17"),
            ("2008-02-29", date!(2026 - 03 - 01), "majeur"),
        ] {
            assert_eq!(band(json!({"birth_date": born}), on), expected, "{born}");
        }
    }

    #[test]
    fn what_is_only_estimated_or_unknown_has_a_band_too() {
        let on = date!(2026 - 03 - 02);
        assert_eq!(band(json!({"unborn": true}), on), "a-naitre");
        assert_eq!(band(json!({"age_estimate": 16}), on), "15-17");
        // Minority is presumed: an estimation makes nobody an adult.
        assert_eq!(band(json!({"age_estimate": 19}), on), "inconnu");
        assert_eq!(band(json!({"birth_date": "2007-01-01", "birth_date_quality": "estimee"}), on), "inconnu");
        assert_eq!(band(json!({"birth_date": "2009-01-01", "birth_date_quality": "estimee"}), on), "15-17");
        assert_eq!(band(json!({"birth_date": "hier"}), on), "inconnu");
        assert_eq!(band(json!({}), on), "inconnu");
    }

    #[test]
    fn an_age_cannot_be_printed() {
        let age = ChildAge::Born(date!(2012 - 05 - 14));
        assert_eq!(format!("{age:?}"), "ChildAge(..)");
        let kept: ChildAge = serde_json::from_slice(&serde_json::to_vec(&age).unwrap()).unwrap();
        assert!(kept == age);
    }
}
