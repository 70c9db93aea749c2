//! One value: how a product writes it, and how the catalogue does.

use exchange::Instant;
use serde::Deserialize;
use serde_json::Value;
use time::{Date, format_description::BorrowedFormatItem, macros::format_description};

use super::{Field, Words};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    /// Text, as it is.
    #[default]
    Text,
    /// A calendar date, in the form of the product.
    Date,
    /// An RFC 3339 date and time with its offset, in any product.
    Instant,
    /// The product's two words.
    Bool,
    /// A whole number.
    Integer,
}

/// How a product writes dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) enum DateForm {
    /// 2026-11-24.
    #[default]
    #[serde(rename = "aaaa-mm-jj")]
    Iso,
    /// 24/11/2026.
    #[serde(rename = "jj/mm/aaaa")]
    French,
    /// 20261124.
    #[serde(rename = "aaaammjj")]
    Compact,
}

/// Why a value is not one of its field: its code and a French sentence.
pub(super) type Misfit = (&'static str, String);

impl Field {
    /// The catalogue's value of what a product wrote.
    pub(super) fn read(&self, text: &str, words: &Words) -> Result<Value, Misfit> {
        let plain = text.trim();
        if !self.codes.is_empty() {
            let known = self.codes.iter().find(|(theirs, _)| theirs == plain);
            return known.map(|(_, ours)| ours.as_str().into()).ok_or(("bad-code", "Ce code n’est pas dans la correspondance.".into()));
        }
        match self.shape {
            Shape::Text => Ok(text.into()),
            Shape::Date => {
                let date = Date::parse(plain, words.dates.items()).ok().filter(|date| date.year() >= 0);
                let misfit = || ("bad-date", format!("Ce n’est pas une date de la forme {}.", words.dates.name()));
                Ok(iso(date.ok_or_else(misfit)?).into())
            }
            Shape::Instant => {
                let misfit = || ("bad-date", "Ce n’est pas une date et une heure avec leur fuseau (RFC 3339).".into());
                plain.parse::<Instant>().map(|_| plain.into()).map_err(|_| misfit())
            }
            Shape::Bool if plain == words.yes => Ok(true.into()),
            Shape::Bool if plain == words.no => Ok(false.into()),
            Shape::Bool => Err(("bad-value", format!("Il faut ici « {} » ou « {} ».", words.yes, words.no))),
            Shape::Integer => plain.parse::<i64>().map(Into::into).map_err(|_| ("bad-value", "Il faut ici un nombre entier.".into())),
        }
    }

    /// What the product writes for a value of the catalogue; none for one that it cannot write.
    pub(super) fn write(&self, value: &Value, words: &Words) -> Option<String> {
        if !self.codes.is_empty() {
            return self.codes.iter().find(|(_, ours)| value == ours).map(|(theirs, _)| theirs.clone());
        }
        match self.shape {
            Shape::Text | Shape::Instant => value.as_str().map(str::to_owned),
            Shape::Date => Date::parse(value.as_str()?, DateForm::Iso.items()).ok()?.format(words.dates.items()).ok(),
            Shape::Bool => value.as_bool().map(|yes| if yes { words.yes.clone() } else { words.no.clone() }),
            Shape::Integer => value.as_i64().map(|number| number.to_string()),
        }
    }
}

impl DateForm {
    fn items(self) -> &'static [BorrowedFormatItem<'static>] {
        match self {
            Self::Iso => format_description!("[year]-[month]-[day]"),
            Self::French => format_description!("[day]/[month]/[year]"),
            Self::Compact => format_description!("[year][month][day]"),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Iso => "aaaa-mm-jj",
            Self::French => "jj/mm/aaaa",
            Self::Compact => "aaaammjj",
        }
    }
}

fn iso(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// Several values in one cell; a separator or a backslash that belongs to a value has a backslash before it.
pub(super) fn split(cell: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        if c == separator {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
        }
    }
    parts
}

/// The inverse of [`split`].
pub(super) fn join(parts: &[String], separator: char) -> String {
    let escape = |part: &String| part.replace('\\', "\\\\").replace(separator, &format!("\\{separator}"));
    parts.iter().map(escape).collect::<Vec<_>>().join(&separator.to_string())
}
