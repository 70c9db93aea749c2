//! A document as its reader got it, read once: what has been printed is ticked off, so that what is left can be printed too.

use std::collections::{BTreeMap, BTreeSet};

use exchange::document::{Leaves, Pointer};
use serde_json::Value;

use super::words::{self, say};

pub struct Source<'a> {
    document: &'a Value,
    printed: BTreeSet<String>,
}

/// How a value is printed.
#[derive(Clone, Copy)]
pub enum Form {
    /// As it is.
    Text,
    /// A date or an instant.
    Date,
    /// As it is, with `true` and `false` as XML writes them.
    Plain,
    /// A code of a list.
    Code(&'static [(&'static str, &'static str)]),
}

impl<'a> Source<'a> {
    pub fn new(document: &'a Value) -> Self {
        Self { document, printed: BTreeSet::new() }
    }

    /// How many items the list at a place has.
    pub fn count(&self, at: &str) -> usize {
        self.document.pointer(at).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// The value at a place, or the values of the list there, and ticks it off. Nothing where there is no value, or one of another
    /// shape.
    pub fn take(&mut self, at: &str, form: Form) -> Option<String> {
        match self.document.pointer(at)? {
            Value::Array(items) => {
                let texts: Vec<String> = (0..items.len()).filter_map(|index| self.take(&format!("{at}/{index}"), form)).collect();
                (!texts.is_empty()).then(|| texts.join(", "))
            }
            Value::Object(_) | Value::Null => None,
            value @ (Value::String(_) | Value::Bool(_) | Value::Number(_)) => {
                self.printed.insert(at.to_owned());
                let text = print(value, form);
                (!text.trim().is_empty()).then_some(text)
            }
        }
    }

    pub fn text(&mut self, at: &str) -> Option<String> {
        self.take(at, Form::Text)
    }

    /// The text at a place, without ticking it off.
    pub fn peek(&self, at: &str) -> Option<String> {
        self.document.pointer(at).and_then(Value::as_str).map(str::to_owned)
    }

    /// The persons that a list of references names, by what they are to the child and how they are called.
    pub fn persons(&mut self, at: &str) -> Vec<String> {
        let mut known = BTreeMap::new();
        for subject in 0..self.count("/subjects") {
            let at = format!("/subjects/{subject}");
            if let (Some(reference), Some(role)) = (self.peek(&format!("{at}/ref")), self.peek(&format!("{at}/role"))) {
                let name = self.peek(&format!("{at}/birth_name")).unwrap_or_default();
                known.entry(reference).or_insert_with(|| format!("{} {name}", say(words::ROLE, &role)).trim_end().to_owned());
            }
        }
        let references: Vec<String> = (0..self.count(at)).filter_map(|index| self.text(&format!("{at}/{index}"))).collect();
        references.into_iter().map(|reference| known.get(&reference).cloned().unwrap_or(reference)).collect()
    }

    /// The address at a place, as on an envelope.
    pub fn address(&mut self, at: &str) -> Option<String> {
        let town = [self.text(&format!("{at}/postcode")), self.text(&format!("{at}/city"))];
        let town = town.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let code = self.text(&format!("{at}/city_code")).map(|code| format!("code INSEE {code}"));
        let since = self.take(&format!("{at}/since"), Form::Date).map(|date| format!("depuis le {date}"));
        let hidden = match self.document.pointer(&format!("{at}/hidden")).and_then(Value::as_bool) {
            Some(hidden) => {
                self.printed.insert(format!("{at}/hidden"));
                hidden.then(|| "ADRESSE À NE PAS RÉVÉLER".to_owned())
            }
            None => None,
        };
        let parts = [self.text(&format!("{at}/lines")), Some(town).filter(|town| !town.is_empty()), code, since, hidden];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// What has not been printed, by the part of the document that holds it: each value with the rest of its place. One text for
    /// each part, so that a list of a hundred thousand odd values is not as many headings.
    pub fn rest(&self) -> Vec<(String, String)> {
        let mut parts: Vec<(String, Vec<String>)> = Vec::new();
        for at in self.remaining() {
            let Some(value) = self.document.pointer(&at.to_string()) else { continue };
            let inner = at.segments().get(1).is_some_and(|segment| !segment.bytes().all(|byte| byte.is_ascii_digit()));
            let (part, below) = at.segments().split_at_checked(if inner { 2 } else { 1 }).unwrap_or((at.segments(), &[]));
            let (part, below) = (part.join(" › "), below.join(" › "));
            let said = if below.is_empty() { print(value, Form::Text) } else { format!("{below} : {}", print(value, Form::Text)) };
            match parts.last_mut().filter(|(last, _)| *last == part) {
                Some((_, values)) => values.push(said),
                None => parts.push((part, vec![said])),
            }
        }
        parts.into_iter().map(|(part, values)| (part, values.join(" ; "))).collect()
    }

    /// The places that have not been printed.
    pub fn remaining(&self) -> impl Iterator<Item = Pointer> {
        let leaves: Vec<Pointer> = Leaves::of(self.document).iter().map(|(at, _)| at.clone()).collect();
        leaves.into_iter().filter(|at| !self.printed.contains(&at.to_string()))
    }

    /// Ticks a value off that is printed in another form, or concerns the transport alone.
    pub fn tick(&mut self, at: &str) {
        match self.document.pointer(at) {
            Some(Value::Array(items)) => (0..items.len()).for_each(|index| self.tick(&format!("{at}/{index}"))),
            Some(Value::Object(fields)) => {
                fields.keys().for_each(|key| self.tick(&format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))))
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                self.printed.insert(at.to_owned());
            }
            None => {}
        }
    }
}

fn print(value: &Value, form: Form) -> String {
    match (value, form) {
        (Value::String(text), Form::Text | Form::Plain) => text.clone(),
        (Value::Bool(truth), Form::Plain) => truth.to_string(),
        (Value::String(text), Form::Date) => date(text),
        (Value::String(text), Form::Code(list)) => say(list, text).to_owned(),
        (Value::Bool(true), _) => "Oui".to_owned(),
        (Value::Bool(false), _) => "Non".to_owned(),
        (Value::Null, _) => "sans valeur".to_owned(),
        (other @ (Value::Number(_) | Value::Array(_) | Value::Object(_)), _) => other.to_string(),
    }
}

/// `2026-11-24` as `24/11/2026`, an instant with its time as written; anything else as it came.
pub fn date(text: &str) -> String {
    let day = |text: &str| -> Option<String> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
        (parts.next().is_none() && digits(year, 4) && digits(month, 2) && digits(day, 2)).then(|| format!("{day}/{month}/{year}"))
    };
    if let Some(day) = day(text) {
        return day;
    }
    let instant = || -> Option<String> {
        let (date, time) = text.split_once('T')?;
        let at = time.get(..5).filter(|clock| clock.as_bytes().get(2) == Some(&b':'))?;
        let zone = if time.ends_with('Z') { "UTC".to_owned() } else { format!("UTC{}", time.get(time.len().checked_sub(6)?..)?) };
        Some(format!("{} à {} ({zone})", day(date)?, at.replace(':', " h ")))
    };
    instant().unwrap_or_else(|| text.to_owned())
}

/// Whether a code is one of a list.
pub fn known(list: &[(&str, &str)], code: &str) -> bool {
    list.iter().any(|(known, _)| *known == code)
}

/// The branch of L226-4 that a document names, as the manifest writes it, and whether the document named one that the law has.
pub fn branch(document: &Value) -> (&str, bool) {
    match document.pointer("/payload/branche_l226_4").and_then(Value::as_str) {
        Some(code) if known(words::BRANCH, code) => (code, true),
        _ => ("non-precisee", false),
    }
}
