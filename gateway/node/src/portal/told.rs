//! A document as a person reads it: its fields in the order of the catalogue, under their French words. It holds what the
//! flow released and nothing else: what was withheld was never there.

use askama::Template;
use serde_json::Value;

use super::{tell, words::words};
use crate::catalogue::{ExchangeType, Shape};

/// One thing that a document says.
#[derive(Template)]
#[template(path = "told.html")]
pub(super) struct Told {
    pub(super) label: String,
    pub(super) texts: Vec<String>,
    pub(super) below: Vec<Told>,
    /// Somebody's own words.
    pub(super) quote: bool,
    step: String,
}

impl Told {
    /// Its markup.
    pub(super) fn html(&self) -> String {
        self.render().unwrap_or_default()
    }
}

/// What a part of a document says.
pub(super) fn told(of: Option<&ExchangeType>, path: &str, value: &Value) -> Vec<Told> {
    let Value::Object(members) = value else { return Vec::new() };
    // How the document calls its persons tells a person nothing.
    let members = members.iter().filter(|(name, _)| *name != "ref");
    let mut all: Vec<Told> = members.filter_map(|(name, value)| one(of, path, name, value)).collect();
    all.sort_by_key(|told| place(of, &join(path, &told.step)));
    all
}

/// One member of an object, under its name.
pub(super) fn one(of: Option<&ExchangeType>, above: &str, name: &str, value: &Value) -> Option<Told> {
    let path = join(above, name);
    let blank = |label: String| Told { label, texts: Vec::new(), below: Vec::new(), quote: name == "verbatim", step: name.to_owned() };
    let label = words().read(&path);
    match value {
        Value::Null => None,
        Value::Object(_) => Some(Told { below: told(of, &path, value), ..blank(label) }),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let path = format!("{path}[]");
            let numbered = |n: usize| if items.len() > 1 { format!("{label} ({})", n + 1) } else { label.clone() };
            let below =
                items.iter().enumerate().map(|(n, item)| Told { below: told(of, &path, item), ..blank(numbered(n)) }).collect::<Vec<_>>();
            if below.len() == 1 { below.into_iter().next() } else { Some(Told { below, ..blank(label) }) }
        }
        Value::Array(items) => {
            let path = format!("{path}[]");
            Some(Told { texts: items.iter().map(|item| said(of, &path, item)).collect(), ..blank(label) })
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(Told { texts: vec![said(of, &path, value)], ..blank(label) }),
    }
}

fn said(of: Option<&ExchangeType>, path: &str, value: &Value) -> String {
    let field = of.and_then(|of| of.fields.iter().find(|field| field.path == path));
    match (value, field.map(|field| &field.shape)) {
        (Value::Bool(yes), _) => if *yes { "Oui" } else { "Non" }.to_owned(),
        (Value::String(code), Some(Shape::Code(list))) => words().code(list, code),
        (Value::String(text), Some(Shape::Texte)) => text.clone(),
        (Value::String(text), _) => tell::text(text),
        (Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_), _) => value.to_string(),
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

fn place(of: Option<&ExchangeType>, path: &str) -> usize {
    let under = |known: &str| known.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    of.and_then(|of| of.fields.iter().position(|field| under(&field.path))).unwrap_or(usize::MAX)
}
