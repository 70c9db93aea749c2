//! Whom a document names: roles that its type admits, how many of each, and what must be known of them.

use exchange::document::Pointer;
use serde_json::Value;

use super::{Reading, check::Misfit, is_filled};

impl Reading<'_> {
    /// Holds the subjects of the document to what the type says of persons. No danger type says anything.
    pub(super) fn persons(&mut self) {
        let rules = &self.of.persons;
        if rules.only.is_empty() && rules.need.is_empty() {
            return;
        }
        let top = Pointer::default().child("subjects");
        let subjects = self.envelope.get("subjects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let role = |subject: &Value| subject.get("role").and_then(Value::as_str).map(str::to_owned);
        let place = |n: usize, part: &str| top.child(n.to_string()).child(part);
        for (n, subject) in subjects.iter().enumerate() {
            if !rules.only.is_empty() && role(subject).is_none_or(|role| !rules.only.contains(&role)) {
                self.misfit(&place(n, "role"), Misfit::Person, Value::Null);
            }
        }
        for need in &rules.need {
            let meant: Vec<usize> =
                (0..subjects.len()).filter(|n| subjects.get(*n).and_then(role).is_some_and(|role| need.roles.contains(&role))).collect();
            if meant.len() < need.min || need.max.is_some_and(|max| meant.len() > max) {
                self.misfit(&top, Misfit::Persons(need.say.clone()), Value::Null);
            }
            for n in meant {
                for wanted in &need.traits {
                    if !subjects.get(n).and_then(|subject| subject.get(wanted)).is_some_and(is_filled) {
                        self.misfit(&place(n, wanted), Misfit::Missing, Value::Null);
                    }
                }
            }
        }
    }
}
