//! Withholding: which parts of a content one person may read.
//!
//! A class passes only when the recipient's unit may hold it *and* this person may read it. What is
//! hidden leaves no trace: not in the list of what was withheld, not in the document.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{DataClass, document::Leaves};
use serde::Serialize;

use super::{
    Permit, Policies,
    decide::{Asking, Denial},
    explain::Explanation,
    question::{Opening, Reading},
    record::{DecisionRecord, Question},
};

/// Something that exists and was not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// Class or catalogue path.
    pub part: String,
    /// Why, and who may lift it.
    pub reasons: Vec<Explanation>,
}

/// What one person may read of one exchange.
#[derive(Debug)]
pub struct Release {
    permit: Permit,
    granted: BTreeSet<DataClass>,
    fields: BTreeMap<String, bool>,
    withheld: Vec<Withheld>,
    record: DecisionRecord,
}

/// A part that is withheld, and whether even that is secret.
pub(super) struct Part {
    pub(super) shown: Withheld,
    pub(super) hidden: bool,
}

impl Release {
    /// The permit to open the exchange.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Classes this person may read.
    pub fn granted(&self) -> &BTreeSet<DataClass> {
        &self.granted
    }

    /// Whether anything of `class` can be read: a class that cannot need not be decrypted.
    pub fn opens(&self, class: DataClass) -> bool {
        self.granted.contains(&class) || self.fields.values().any(|granted| *granted)
    }

    /// Drops from the leaves of one class what this person may not read. A rule that names a field prevails over its class.
    pub fn filter(&self, class: DataClass, leaves: &mut Leaves) {
        let whole = self.granted.contains(&class);
        leaves.retain(|at| {
            let path = at.path();
            self.fields.iter().filter(|(field, _)| under(&path, field)).map(|(_, granted)| *granted).reduce(|a, b| a && b).unwrap_or(whole)
        });
    }

    /// What was withheld and may be known to be.
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// For the log.
    pub fn record(&self) -> &DecisionRecord {
        &self.record
    }
}

/// Whether a catalogue path is `top` or lies below it.
fn under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

impl Policies {
    /// Whether this person may open the exchange, and which parts of it they may read.
    pub fn release(&self, ask: &Reading<'_>) -> Result<Release, Denial> {
        let facts = ask.facts();
        let ends = (ask.reader.institution.to_string(), ask.route.recipient.institution.to_string());
        let record = |asked: Vec<Question>| self.record(ask.exchange, ask.now, facts.clone(), ends.clone(), None, asked);
        let Ok(mut asking) = self.ask(ask.now, facts.clone(), ends.0.clone(), ends.1.clone(), None) else {
            return Err(Denial::Undecidable { record: Box::new(record(Vec::new())) });
        };
        let reader = ask.reader.id.to_string();
        let action = match ask.opening {
            Opening::Ordinary => "open",
            Opening::BreakGlass { .. } => "break_glass",
        };
        let first = asking.question(action, ("Professional", &reader), ("Exchange", &ask.exchange.to_string()));
        if first.error {
            return Err(Denial::Undecidable { record: Box::new(record(asking.into_asked())) });
        }
        if !first.permitted {
            let hidden = first.policies.iter().filter_map(|id| self.note(id)).any(|note| note.hidden);
            let explanations = if hidden { Vec::new() } else { self.explanations(std::slice::from_ref(&first), &facts) };
            return Err(Denial::Forbidden { explanations, hidden, alarm: false, record: Box::new(record(asking.into_asked())) });
        }
        let (mut granted, mut fields, mut withheld, mut all) = (BTreeSet::new(), BTreeMap::new(), Vec::new(), Vec::new());
        let named = self.fields.iter().filter(|field| ask.paths.iter().any(|path| under(path, field)));
        let parts = ask.classes.iter().map(|class| ("DataClass", class.as_str(), Some(*class)));
        for (kind, id, class) in parts.chain(named.map(|field| ("Field", field.as_str(), None))) {
            let lost = match asking.receive(kind, id) {
                Some(part) => Some(part),
                None => asking.part("disclose", ("Professional", &reader), kind, id),
            };
            match (&lost, class) {
                (None, Some(class)) => drop(granted.insert(class)),
                (found, None) => drop(fields.insert(id.to_owned(), found.is_none())),
                (Some(_), Some(_)) => {}
            }
            if let Some(part) = lost {
                all.push(id.to_owned());
                if !part.hidden {
                    withheld.push(part.shown);
                }
            }
        }
        let mut record = record(asking.into_asked());
        record.withheld = all;
        if record.questions.iter().any(|question| question.error) {
            record.permitted = false;
            return Err(Denial::Undecidable { record: Box::new(record) });
        }
        Ok(Release { permit: Permit { exchange: ask.exchange }, granted, fields, withheld, record })
    }
}

impl Asking<'_> {
    /// `None` when the recipient's unit may hold the part.
    pub(super) fn receive(&mut self, kind: &str, id: &str) -> Option<Part> {
        let unit = self.facts.get("to_kind").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        self.part("receive", ("Unit", &unit), kind, id)
    }

    fn part(&mut self, action: &str, principal: (&str, &str), kind: &str, id: &str) -> Option<Part> {
        let answer = self.question(action, principal, (kind, id));
        if answer.permitted {
            return None;
        }
        let hidden = answer.error || answer.policies.iter().filter_map(|id| self.policies().note(id)).any(|note| note.hidden);
        let reasons = self.policies().explanations(std::slice::from_ref(&answer), &self.facts);
        Some(Part { shown: Withheld { part: id.to_owned(), reasons }, hidden })
    }
}
