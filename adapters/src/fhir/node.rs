//! A JSON object that is taken apart as it is understood: what is left in it at the end was not taken over, and has its path.
//!
//! So nothing can be lost between what a resource's struct happens to name and what the envelope happens to hold.

use serde_json::{Map, Value};

use super::names::{is_element, is_resource};
use crate::{
    forbidden::{has_nir, is_nir},
    health::identifier::is_ins,
    reading::{Beside, Finding, Place},
};

/// One object of a Bundle with its FHIRPath.
pub(super) struct Node<'a> {
    /// FHIRPath of the object.
    pub(super) at: String,
    map: &'a mut Map<String, Value>,
}

impl<'a> Node<'a> {
    pub(super) fn open(at: String, map: &'a mut Map<String, Value>) -> Self {
        let elements = map.len();
        map.entry(OPENED).or_insert_with(|| elements.into());
        Self { at, map }
    }

    /// The path of an element of this object.
    pub(super) fn path(&self, key: &str) -> String {
        step(&self.at, key)
    }

    /// What stands at an element, without taking it.
    pub(super) fn peek(&self, key: &str) -> Option<&Value> {
        self.map.get(key)
    }

    /// The text of an element, without taking it.
    pub(super) fn peek_text(&self, key: &str) -> Option<&str> {
        self.map.get(key).and_then(Value::as_str)
    }

    /// Takes an element whatever it is.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key)
    }

    /// Takes an element if it is a text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.peek_text(key)?;
        match self.map.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Takes an element if it is a list of texts only.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let all = self.map.get(key).and_then(Value::as_array).is_some_and(|items| items.iter().all(Value::is_string));
        match all.then(|| self.map.remove(key)).flatten() {
            Some(Value::Array(items)) => items.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    }

    /// Leaves out plain elements that say nothing of their own: technical ids, profiles, labels of what is taken. One that is not
    /// plain is not what it should be, and stays.
    pub(super) fn drop_all(&mut self, keys: &[&str]) {
        for key in keys {
            if self.map.get(*key).is_some_and(is_plain) {
                self.map.remove(*key);
            }
        }
    }

    /// Leaves out a code that says nothing of its own, or the one that `is` says of.
    pub(super) fn drop_coding(&mut self, key: &str, is: impl Fn(&Node<'_>) -> bool) {
        self.each(key, |_, mut coding| {
            if is(&coding) {
                coding.drop_all(&["system", "code", "display", "version", "userSelected"]);
            }
        });
    }

    /// Leaves out an element that says what is meant anyway.
    pub(super) fn drop_if(&mut self, key: &str, values: &[&str]) {
        if self.peek_text(key).is_some_and(|text| values.contains(&text)) {
            self.map.remove(key);
        }
    }

    /// An element that is an object.
    pub(super) fn child(&mut self, key: &str) -> Option<Node<'_>> {
        let at = self.path(key);
        self.map.get_mut(key).and_then(Value::as_object_mut).map(|map| Node::open(at, map))
    }

    /// The objects of a list, or a single one where the element does not repeat; beyond [`MAX_ITEMS`] they stay.
    pub(super) fn each(&mut self, key: &str, mut visit: impl FnMut(usize, Node<'_>)) {
        let at = self.path(key);
        match self.map.get_mut(key) {
            Some(Value::Object(map)) => visit(0, Node::open(at, map)),
            Some(Value::Array(items)) => {
                for (n, item) in items.iter_mut().enumerate().take(MAX_ITEMS) {
                    if let Value::Object(map) = item {
                        visit(n, Node::open(format!("{at}[{n}]"), map));
                    }
                }
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
        }
    }

    /// Takes the references of an element that lead somewhere, one or several; the first place they lead to.
    pub(super) fn refer(&mut self, key: &str, leads: impl Fn(&str) -> Option<usize>) -> Option<usize> {
        let mut first = None;
        self.each(key, |_, mut reference| {
            if let Some(found) = reference.peek_text("reference").and_then(&leads) {
                reference.drop_all(&["reference", "type", "display", "id"]);
                first = first.or(Some(found));
            }
        });
        first
    }
}

/// What was not understood of a Bundle.
pub(super) struct Rest {
    /// Whether an INS of a qualified identity may stay beside.
    pub(super) keep_ins: bool,
    /// Whether what has no place in the envelope is kept beside it, or only told.
    pub(super) keep_beside: bool,
    /// Content without a place in the envelope.
    pub(super) beside: Vec<Beside>,
    /// Where it stood, and what was left out.
    pub(super) reported: Vec<Finding>,
}

impl Rest {
    /// Gathers what is left of an object that was opened.
    pub(super) fn of(&mut self, at: &str, map: Map<String, Value>) {
        let mut unknown = Map::new();
        for (key, value) in map {
            match value {
                Value::Null => {}
                _ if key == OPENED => {}
                _ if !is_element(key.strip_prefix('_').unwrap_or(&key)) => drop(unknown.insert(key, value)),
                Value::Object(below) if was_taken_from(&below) => self.of(&step(at, &key), below),
                Value::Array(items) if items.iter().any(was_opened) => self.items(&step(at, &key), items),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                    self.keep(step(at, &key), key.strip_prefix('_').unwrap_or(&key), value);
                }
            }
        }
        if !unknown.is_empty() {
            // A name that FHIR does not define may itself name somebody: it is part of what is kept.
            self.keep(at.to_owned(), "", Value::Object(unknown));
        }
    }

    fn items(&mut self, at: &str, items: Vec<Value>) {
        let name = at.rsplit('.').next().unwrap_or_default().to_owned();
        let mut far = Vec::new();
        for (n, item) in items.into_iter().enumerate() {
            match item {
                Value::Null => {}
                Value::Object(below) if was_taken_from(&below) => self.of(&format!("{at}[{n}]"), below),
                _ if n < MAX_ITEMS => self.keep(format!("{at}[{n}]"), &name, item),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => far.push(item),
            }
        }
        if !far.is_empty() {
            self.keep(at.to_owned(), &name, Value::Array(far));
        }
    }

    /// Keeps what stands at a path, without any NIR or INS in it, and says so.
    pub(super) fn keep(&mut self, mut at: String, name: &str, mut value: Value) {
        self.clean(&mut at, &mut value);
        if !is_filled(&value) {
            return;
        }
        let (code, detail) = match name {
            "" => ("unknown-element", "Un élément que FHIR ne définit pas ici n’est pas repris"),
            "extension" => ("unknown-extension", "Cette extension n’est pas connue et n’est pas reprise"),
            "status" | "docStatus" => (
                "not-final",
                "L’expéditeur ne donne pas ceci pour achevé (brouillon, interrompu ou saisi par erreur), à vérifier par une personne",
            ),
            "modifierExtension" => (
                "modifier-extension",
                "Cette extension change le sens de ce qui l’entoure et n’est pas connue, à vérifier par une personne",
            ),
            RESOURCE => ("unknown-resource", "Cette ressource n’est pas reprise dans l’échange"),
            _ => ("not-taken", "Cet élément n’est pas repris dans l’échange"),
        };
        let kept = if self.keep_beside { "gardé à part" } else { "rien n’en est gardé" };
        let detail = &format!("{detail} ; {kept}.");
        self.report(&at, code, detail);
        self.beside.push(Beside { place: Place::Path(at), value });
    }

    /// Says something of a path; once too much is said, nothing more.
    pub(super) fn report(&mut self, at: &str, code: &'static str, detail: &str) {
        if self.reported.len() < MAX_FINDINGS {
            self.reported.push(Finding { place: Place::Path(at.to_owned()), code, detail: detail.into(), cure: None });
        }
    }

    /// Takes every NIR and INS out of what is about to be kept. `at` grows and shrinks with the walk.
    fn clean(&mut self, at: &mut String, value: &mut Value) {
        match value {
            Value::String(text) if is_nir(text) => {
                *value = Value::Null;
                self.report(at, "nir", NIR_DROPPED);
            }
            Value::String(text) if has_nir(text) => self.report(at, "nir-in-text", NIR_IN_TEXT),
            Value::Number(number) if is_nir(&number.to_string()) => {
                *value = Value::Null;
                self.report(at, "nir", NIR_DROPPED);
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::Array(items) => {
                for (n, item) in items.iter_mut().enumerate() {
                    self.below(at, &format!("[{n}]"), item);
                }
            }
            Value::Object(map) => {
                map.remove(OPENED);
                let ins = map.get("system").and_then(Value::as_str).is_some_and(is_ins);
                if ins && map.remove("value").is_some() {
                    self.report(at, "ins", INS_DROPPED);
                }
                for (key, below) in map.iter_mut() {
                    let name = key.strip_prefix('_').unwrap_or(key);
                    let step = if is_element(name) { format!(".{name}") } else { String::new() };
                    self.below(at, &step, below);
                }
            }
        }
    }

    fn below(&mut self, at: &mut String, step: &str, value: &mut Value) {
        let before = at.len();
        at.push_str(step);
        self.clean(at, value);
        at.truncate(before);
    }
}

/// The FHIRPath of a resource of a Bundle.
pub(super) fn resource_path(n: usize, kind: &str) -> String {
    if is_resource(kind) { format!("Bundle.entry[{n}].resource.ofType({kind})") } else { format!("Bundle.entry[{n}].resource") }
}

/// What says that a resource as a whole is kept, to [`Rest::keep`].
pub(super) const RESOURCE: &str = "resource";

/// Said where an INS is left out.
pub(super) const INS_DROPPED: &str =
    "Le matricule INS n’est pas repris : il ne circule qu’entre acteurs de santé, avec une identité qualifiée.";
/// Said where a NIR is left out.
pub(super) const NIR_DROPPED: &str = "Un numéro de sécurité sociale n’est pas repris : il ne peut pas servir dans cet échange.";

/// Said where a NIR stands in a longer text.
const NIR_IN_TEXT: &str =
    "Ce texte contient ce qui ressemble à un numéro de sécurité sociale : il est gardé à part, et la passerelle le tiendra scellé.";

fn step(at: &str, key: &str) -> String {
    let name = key.strip_prefix('_').unwrap_or(key);
    if is_element(name) { format!("{at}.{name}") } else { at.to_owned() }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn was_opened(item: &Value) -> bool {
    match item {
        Value::Null => true,
        Value::Object(map) => map.contains_key(OPENED),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}

/// Whether an object that was looked into has lost something; one that has not is kept as a whole.
fn was_taken_from(map: &Map<String, Value>) -> bool {
    let Some(before) = map.get(OPENED) else { return false };
    let below = |value: &Value| match value {
        Value::Object(below) => was_taken_from(below),
        Value::Array(items) => items.iter().any(|item| item.is_null() || item.as_object().is_some_and(was_taken_from)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    before.as_u64() != u64::try_from(map.len() - 1).ok() || map.values().any(below)
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(map) => map.values().any(is_filled),
        Value::Array(items) => items.iter().any(is_filled),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Gives another name to a key of a sender that is the mark of this room, which no element of FHIR has.
pub(super) fn without_marks(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(below) = map.remove(OPENED) {
                map.insert(OPENED.repeat(2), below);
            }
            map.values_mut().for_each(without_marks);
        }
        Value::Array(items) => items.iter_mut().for_each(without_marks),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Marks an object that a reader looked into, with how many elements it had. No name of a FHIR element.
const OPENED: &str = "\u{0}";
/// How many items of one list are read; the others stay together.
pub(super) const MAX_ITEMS: usize = 200;
/// How many findings one Bundle may have.
pub(super) const MAX_FINDINGS: usize = 500;
