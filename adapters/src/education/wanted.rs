//! Which child a list is opened for, and how many of it answer to that.

use time::{Date, macros::format_description};
use unicode_normalization::UnicodeNormalization;

use crate::reading::no_content;

/// The child that is looked for.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By what its form says.
    Child {
        /// Birth name or use name; accents, case, hyphens and spaces do not matter.
        name: String,
        /// First given name, to tell twins apart.
        given_name: Option<String>,
        /// Birth date.
        birth_date: Date,
    },
    /// By one of the [choices](Choice) that an earlier search gave.
    Chosen(Choice),
}

/// One of several whom name and birth date do not tell apart: where it stands in the school's own file, and nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The birth date that was searched.
    pub birth_date: Date,
}

/// What a search found.
#[derive(Clone, PartialEq)]
pub enum Found<T> {
    /// The child.
    One(T),
    /// Several: a person looks at these lines of the file and searches again.
    Several(Vec<Choice>),
    /// None, or the line that was chosen is not of that birth date.
    Nobody,
}

/// What tells one child of a list from another.
pub(super) struct Traits<'a> {
    pub(super) line: u64,
    pub(super) birth_name: &'a str,
    pub(super) use_name: &'a str,
    pub(super) given_name: &'a str,
    pub(super) birth_date: Option<Date>,
}

impl Wanted {
    /// Whether this is one of those who are looked for.
    pub(super) fn is(&self, traits: &Traits<'_>) -> bool {
        match self {
            Self::Child { name, given_name, birth_date } => {
                let names = [traits.birth_name, traits.use_name].map(fold);
                let first = fold(traits.given_name);
                traits.birth_date == Some(*birth_date)
                    && names.iter().any(|known| !known.is_empty() && *known == fold(name))
                    && given_name.as_ref().is_none_or(|given| fold(given) == first)
            }
            Self::Chosen(choice) => traits.line == choice.line && traits.birth_date == Some(choice.birth_date),
        }
    }

    /// The birth date that is looked for.
    pub(super) const fn birth_date(&self) -> Date {
        match self {
            Self::Child { birth_date, .. } | Self::Chosen(Choice { birth_date, .. }) => *birth_date,
        }
    }

    /// Keeps one who was found, unless enough were found to know that a person has to choose.
    pub(super) fn keep<T>(&self, hits: &mut Vec<(u64, T)>, line: u64, hit: T) {
        if hits.len() < MAX_CHOICES {
            hits.push((line, hit));
        }
    }

    /// One of those who were found, or the lines of all.
    pub(super) fn among<T>(&self, hits: Vec<(u64, T)>) -> Found<T> {
        let lines: Vec<u64> = hits.iter().map(|(line, _)| *line).collect();
        let mut hits = hits.into_iter();
        match (hits.next(), hits.next()) {
            (None, _) => Found::Nobody,
            (Some((_, hit)), None) => Found::One(hit),
            (Some(_), Some(_)) => Found::Several(lines.into_iter().map(|line| Choice { line, birth_date: self.birth_date() }).collect()),
        }
    }
}

impl<T> Found<T> {
    /// The same, with what was found completed.
    pub(super) fn complete<U, E>(self, complete: impl FnOnce(T) -> Result<U, E>) -> Result<Found<U>, E> {
        Ok(match self {
            Self::One(hit) => Found::One(complete(hit)?),
            Self::Several(choices) => Found::Several(choices),
            Self::Nobody => Found::Nobody,
        })
    }
}

/// A name without accents, case, ligatures, hyphens, apostrophes and double spaces.
pub(super) fn fold(name: &str) -> String {
    let plain: String = name
        .nfkd()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .flat_map(char::to_uppercase)
        .collect::<String>()
        .replace('Œ', "OE")
        .replace('Æ', "AE");
    plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A date as schools write it: 27/02/2014, or 2014-02-27.
pub(super) fn date(text: &str) -> Option<Date> {
    let text = text.trim();
    let french = Date::parse(text, format_description!("[day]/[month]/[year]"));
    french.or_else(|_| Date::parse(text, format_description!("[year]-[month]-[day]"))).ok().filter(|date| date.year() >= 1900)
}

/// A date as the envelope writes it.
pub(super) fn iso(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

const MAX_CHOICES: usize = 20;

no_content!(Wanted, Choice);

impl<T> std::fmt::Debug for Found<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One",
            Self::Several(_) => "Several",
            Self::Nobody => "Nobody",
        })
    }
}
