//! How long what is kept is kept: `retention.toml` of the policy set, one class for each kind of content, and one for the log.
//!
//! Durations are data, since they are questions for the data-protection officer and the archives; that what is over is
//! destroyed is not.

use std::collections::{BTreeMap, BTreeSet};

use exchange::Instant;
use serde::Deserialize;

use crate::{
    catalogue::{Catalogue, Span},
    source::{Files, SourceFault},
};

/// The classes of a policy set.
#[derive(Debug)]
pub struct Retention {
    classes: BTreeMap<String, Class>,
}

/// One retention class.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What is kept, in French.
    pub title: String,
    /// How long, ISO 8601.
    keep: String,
    /// From when.
    pub from: From,
    /// Where the duration comes from.
    pub source: String,
    /// How sure that is: V, P, I or M, as in the table of the law.
    pub mark: String,
    /// Rules of the law.
    pub rules: Vec<String>,
    /// What has to be confirmed, and by whom.
    pub confirm: Option<String>,
    #[serde(skip)]
    span: Span,
}

/// What the time counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// The acceptance.
    Accepted,
    /// The last time that somebody did something with it: opened it first, acknowledged, answered, corrected, withdrew, did a task
    /// of it, or called about it.
    LastContact,
    /// The day on which something newer took its place.
    Superseded,
}

impl Retention {
    /// Reads the classes of a policy set.
    ///
    /// # Errors
    /// Every mistake: no file, a class without one of its parts, a duration that is none, no class for the log.
    pub fn of(files: &Files) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let Some(source) = files.text(FILE, &mut faults) else { return Err(faults) };
        let mut classes = BTreeMap::new();
        for entry in source.entries(&mut faults).unwrap_or_default() {
            let (name, at) = (entry.name, entry.at);
            let Some(item) = source.item::<Class>(entry.value, &mut faults) else { continue };
            let mut class = item.value;
            match class.keep.parse::<Span>() {
                Ok(span) if span != Span::default() => class.span = span,
                Ok(_) | Err(_) => {
                    faults.push(source.fault(at, format!("`{}` is no time to keep something", class.keep), "write `P2Y` or `P36M`"))
                }
            }
            let told = !class.title.is_empty() && !class.source.is_empty() && !class.rules.is_empty();
            let sure = ["V", "P"].contains(&class.mark.as_str()) || class.source.contains("[P]") || class.confirm.is_some();
            if !told || !sure {
                faults.push(source.fault(
                    at,
                    format!("the class `{name}` does not say all it has to"),
                    "write its title, source, mark and rules, and under `confirm` what is not certain",
                ));
            }
            classes.insert(name, class);
        }
        if !classes.contains_key(LOG) {
            faults.push(source.fault(0, format!("there is no class `{LOG}`"), "say how long the openings of the log are kept"));
        }
        if faults.is_empty() { Ok(Self { classes }) } else { Err(faults) }
    }

    /// The classes that types of the catalogue name and that are not there.
    pub fn missing(&self, catalogue: &Catalogue) -> BTreeSet<String> {
        let named = catalogue.types.values().flatten().map(|one| one.retention.clone());
        named.filter(|class| !self.classes.contains_key(class)).collect()
    }

    /// The classes by name.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &Class)> {
        self.classes.iter().map(|(name, class)| (name.as_str(), class))
    }

    /// A class by name.
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }

    /// When the opening of a log entry of `at` expires.
    pub fn log_until(&self, at: Instant) -> Option<Instant> {
        self.classes.get(LOG).map(|class| class.span.after(at))
    }
}

impl Class {
    /// What counts from this instant or before it has been kept long enough at `now`.
    pub fn over_before(&self, now: Instant) -> Instant {
        self.span.before(now)
    }
}

const FILE: &str = "retention.toml";
/// The class of the openings of the log.
const LOG: &str = "journal";

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[ip]
title = "Informations préoccupantes"
keep = "P2Y"
from = "last-contact"
source = "CNIL"
mark = "P"
rules = ["R12"]

[journal]
title = "Journal"
keep = "P36M"
from = "accepted"
source = "CNIL"
mark = "V"
rules = ["R80"]
"#;

    fn read(text: &str) -> Result<Retention, String> {
        let files = Files::archived("jeu".into(), [(FILE.to_owned(), text.to_owned())].into());
        Retention::of(&files).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn time_is_counted_in_calendar_months() {
        let read = read(GOOD).unwrap();
        let at = |text: &str| text.parse::<Instant>().unwrap();
        assert_eq!(read.class("ip").unwrap().over_before(at("2028-11-30T10:00:00Z")), at("2026-11-30T10:00:00Z"));
        assert_eq!(read.log_until(at("2026-11-30T10:00:00Z")), Some(at("2029-11-30T10:00:00Z")));
    }

    #[test]
    fn a_class_that_says_too_little_is_refused_with_its_line() {
        for (from, to, told) in [
            ("\"P2Y\"", "\"2 ans\"", "is no time to keep something"),
            ("\"P2Y\"", "\"PT0S\"", "is no time to keep something"),
            ("\"last-contact\"", "\"toujours\"", "retention.toml:5"),
            ("[journal]", "[log]", "no class `journal`"),
            ("mark = \"P\"", "mark = \"M\"", "does not say all"),
            ("rules = [\"R12\"]", "rules = []", "retention.toml:2"),
        ] {
            let fault = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(fault.contains(told), "{to}: {fault}");
        }
    }
}
