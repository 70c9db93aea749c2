//! The rules of one day as one set: for who reasons about all of them (proofs, comparisons) and not about one question.
//!
//! Decisions never use this: they ask the slices. What is proved of the whole holds of its slices, since a slice leaves
//! out only rules that cannot apply to its questions.

use std::collections::BTreeMap;

use cedar_policy::{Policy, Schema, Template};
use exchange::Instant;

use super::Policies;
use crate::directory::day::day_in_france;

/// The rules in force on one day, by `@id`, with their schema.
#[derive(Debug, Clone)]
pub struct Whole {
    /// The words of the rules.
    pub schema: Schema,
    /// Every rule in force but the template.
    pub rules: BTreeMap<String, Policy>,
    /// The rule that agreements are linked from, when it is in force.
    pub template: Option<Template>,
}

impl Policies {
    /// The rules in force on the day of `at`.
    pub fn whole(&self, at: Instant) -> Whole {
        let date = day_in_france(at);
        let mut rules = BTreeMap::new();
        for policy in self.set_on(date).into_iter().flatten().flat_map(|(_, slice)| slice.policies()) {
            rules.entry(policy.id().to_string()).or_insert_with(|| policy.clone());
        }
        let template = self.template.as_ref().filter(|template| self.in_force(AsRef::<str>::as_ref(template.id()), date)).cloned();
        Whole { schema: self.schema.clone(), rules, template }
    }

    /// Catalogue paths that a rule speaks of by name.
    pub fn named_fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(String::as_str)
    }
}
