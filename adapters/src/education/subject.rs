//! One person of `subjects[]`, filled trait by trait with what a school list says, and nothing that it does not.

use serde_json::{Map, Value, json};

use crate::{
    forbidden,
    reading::{Finding, Place},
};

/// A person being described. Numbers that may not travel are dropped and reported.
pub(super) struct Subject {
    traits: Map<String, Value>,
    address: Map<String, Value>,
    pub(super) reported: Vec<Finding>,
}

impl Subject {
    pub(super) fn new(role: &str) -> Self {
        Self { traits: Map::from_iter([("role".to_owned(), role.into())]), address: Map::new(), reported: Vec::new() }
    }

    /// A trait, unless there is nothing in it.
    pub(super) fn put(mut self, name: &str, text: &str) -> Self {
        if let Some(value) = self.plain(text) {
            self.traits.insert(name.to_owned(), value);
        }
        self
    }

    /// A trait of several values, in their order.
    pub(super) fn put_all<'a>(mut self, name: &str, texts: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<Value> = texts.into_iter().filter_map(|text| self.plain(text)).collect();
        if !values.is_empty() {
            self.traits.insert(name.to_owned(), values.into());
        }
        self
    }

    /// An address: lines, postcode, town.
    pub(super) fn address<'a>(mut self, lines: impl IntoIterator<Item = &'a str>, postcode: &str, city: &str) -> Self {
        let lines: Vec<Value> = lines.into_iter().filter_map(|line| self.plain(line)).collect();
        let (postcode, city) = (self.plain(postcode), self.plain(city));
        let mut put = |name: &str, value: Option<Value>| value.map(|value| self.address.insert(name.to_owned(), value));
        put("lines", (!lines.is_empty()).then(|| lines.into()));
        put("postcode", postcode);
        put("city", city);
        self
    }

    /// The sex that a school writes as `M`, `F`, 1 or 2, or as a title.
    pub(super) fn sex(self, text: &str) -> Self {
        match text.trim().trim_end_matches('.').to_lowercase().as_str() {
            "m" | "1" | "g" | "masculin" | "monsieur" => self.put("sex", "M"),
            "f" | "2" | "féminin" | "mme" | "mlle" | "madame" => self.put("sex", "F"),
            _ => self,
        }
    }

    /// The subject under a name of the document, with what was dropped.
    pub(super) fn done(mut self, number: usize, reported: &mut Vec<Finding>) -> Value {
        reported.append(&mut self.reported);
        self.traits.insert("ref".to_owned(), format!("s{number}").into());
        if !self.address.is_empty() {
            self.traits.insert("address".to_owned(), json!(self.address));
        }
        self.traits.into()
    }

    fn plain(&mut self, text: &str) -> Option<Value> {
        let text = text.trim();
        if forbidden::is_ine(text) || forbidden::has_nir(text) {
            let detail = "Un INE ou un numéro de sécurité sociale n’est jamais repris (R56, R57).";
            self.reported.push(Finding::new(Place::Whole, "nir", detail));
            return None;
        }
        (!text.is_empty()).then(|| text.into())
    }
}

/// The role of somebody whom the list calls a parent, by title; of anybody else, none that could be told.
pub(super) fn role(parent: Parenthood, title: &str) -> &'static str {
    match (parent, title.trim().trim_end_matches('.').to_lowercase().as_str()) {
        (Parenthood::Said, "m" | "monsieur") => "pere",
        (Parenthood::Said, "mme" | "mlle" | "madame" | "mademoiselle") => "mere",
        (Parenthood::Said, _) => "autre-parent",
        (Parenthood::NotSaid, _) => "autre-adulte",
    }
}

/// Whether a list says that somebody is a parent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parenthood {
    Said,
    NotSaid,
}

/// That an INE stood with the child and was left there.
pub(super) fn ine_left(place: Place) -> Finding {
    Finding::new(place, "ine", "L’INE de l’élève n’est pas repris.")
}
