//! Persons: a child is a Patient of FR Core, everybody else a RelatedPerson; what neither has is the extension
//! `urn:passerelle:fhir:subject`.

use serde_json::{Map, Value};

use super::{entry, text};
use crate::{
    fhir::{
        FR_CORE, INSEE, ROLE, SUBJECT, address, form,
        types::{Address, Coding, Concept, ContactPoint, Entry, Extension, HumanName, Meta, Person, Reference, Since},
    },
    health::{self, link},
};

/// Persons of a message, and which of them are the children it is about.
#[derive(Default)]
pub(super) struct Persons {
    pub(super) entries: Vec<Entry>,
    pub(super) children: Vec<Reference>,
}

pub(super) fn write(subjects: Option<Value>) -> Result<Persons, serde_json::Error> {
    let mut persons = Persons::default();
    let Some(Value::Array(subjects)) = subjects else { return Ok(persons) };
    let subjects: Vec<_> =
        subjects.into_iter().filter_map(|subject| if let Value::Object(map) = subject { Some(map) } else { None }).collect();
    let is_child = |subject: &Map<String, Value>| subject.get("role").and_then(Value::as_str) == Some("enfant");
    for (n, subject) in subjects.iter().enumerate().filter(|(_, subject)| is_child(subject)) {
        persons.children.push(Reference::to(address(&name(n, subject))));
    }
    // A related person is related to somebody: the first child, or a patient that this message does not name.
    let related = persons.children.first().cloned();
    let related = related.unwrap_or_else(|| Reference { display: Some("non communiqué".into()), ..Reference::default() });
    for (n, subject) in subjects.into_iter().enumerate() {
        let name = name(n, &subject);
        let person = if is_child(&subject) { person(subject, None) } else { person(subject, Some(related.clone())) };
        persons.entries.push(entry(&name, &person)?);
    }
    Ok(persons)
}

fn name(n: usize, subject: &Map<String, Value>) -> String {
    subject.get("ref").and_then(Value::as_str).filter(|name| is_id(name)).map_or_else(|| format!("subject-{n}"), str::to_owned)
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

fn person(mut subject: Map<String, Value>, related_to: Option<Reference>) -> Person {
    let child = related_to.is_none();
    let id = text(&mut subject, "ref").filter(|id| is_id(id));
    let role = text(&mut subject, "role");
    let names = names(&mut subject);
    let gender = match subject.get("sex").and_then(Value::as_str) {
        Some("F") => Some("female"),
        Some("M") => Some("male"),
        Some("inconnu") => Some("unknown"),
        _ => None,
    };
    if gender.is_some() {
        subject.remove("sex");
    }
    let born = subject.get("birth_date").and_then(Value::as_str).is_some_and(form::is_date);
    let birth_date = born.then(|| text(&mut subject, "birth_date")).flatten();
    let telecom = [("phone", "phone"), ("email", "email")];
    let telecom = telecom.into_iter().filter_map(|(key, system)| Some(ContactPoint { system, value: text(&mut subject, key)? })).collect();
    let address = home(&mut subject);
    let mut extension = Vec::new();
    if child && let Some(place) = subject.get("birth_place").and_then(Value::as_str).filter(|code| code.len() == 5).map(str::to_owned) {
        subject.remove("birth_place");
        let at = serde_json::json!({"extension": [insee(&place)]});
        extension.push(Extension::new(super::super::BIRTH_PLACE, "valueAddress", at));
    }
    extension.extend(form::leaves(SUBJECT, subject));
    let profile = if child { vec![format!("{FR_CORE}fr-core-patient")] } else { Vec::new() };
    let relationship = role.filter(|_| !child).map(|role| relationship(&role)).into_iter().collect();
    let (resource_type, patient) = (if child { "Patient" } else { "RelatedPerson" }, related_to);
    let meta = Meta { profile, security: Vec::new() };
    Person { resource_type, id, meta, extension, patient, relationship, name: names, telecom, gender, birth_date, address }
}

fn names(subject: &mut Map<String, Value>) -> Vec<HumanName> {
    let family = text(subject, "birth_name");
    let plain = subject
        .get("given_names")
        .and_then(Value::as_array)
        .is_some_and(|all| !all.is_empty() && all.iter().all(|name| name.as_str().is_some_and(|name| !name.is_empty())));
    let given: Vec<String> = match plain.then(|| subject.remove("given_names")).flatten() {
        Some(Value::Array(all)) => all.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let mut names = Vec::new();
    if family.is_some() || !given.is_empty() {
        let list = Extension::new(&format!("{FR_CORE}{}", super::super::GIVEN_NAMES), "valueString", given.join(" ").into());
        names.push(HumanName { extension: if given.is_empty() { Vec::new() } else { vec![list] }, usage: "official", family, given });
    }
    if let Some(family) = text(subject, "use_name") {
        names.push(HumanName { extension: Vec::new(), usage: "usual", family: Some(family), given: Vec::new() });
    }
    names
}

fn home(subject: &mut Map<String, Value>) -> Vec<Address> {
    let Some(Value::Object(home)) = subject.get_mut("address") else { return Vec::new() };
    if health::is_hidden(home) {
        // A reader who does not know our mark would show the address without it (R64): both stand in the extension, or nowhere.
        return Vec::new();
    }
    let plain = home
        .get("lines")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().all(|line| line.as_str().is_some_and(|line| !line.is_empty())));
    let line = match plain.then(|| home.remove("lines")).flatten() {
        Some(Value::Array(all)) => all.into_iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let (city, postal_code, city_code) = (text(home, "city"), text(home, "postcode"), text(home, "city_code"));
    let dated = home.get("since").and_then(Value::as_str).is_some_and(form::is_date);
    let period = dated.then(|| text(home, "since")).flatten().map(|start| Since { start });
    let extension: Vec<_> = city_code.map(|code| insee(&code)).into_iter().collect();
    if home.is_empty() {
        subject.remove("address");
    }
    let address = Address { extension, line, city, postal_code, period };
    let empty = address.extension.is_empty()
        && address.line.is_empty()
        && address.city.is_none()
        && address.postal_code.is_none()
        && address.period.is_none();
    if empty { Vec::new() } else { vec![address] }
}

fn insee(code: &str) -> Extension {
    let coding = serde_json::json!({"system": INSEE, "code": code});
    Extension::new(&format!("{FR_CORE}{}", super::super::INSEE_CODE), "valueCoding", coding)
}

fn relationship(role: &str) -> Concept {
    let mut coding: Vec<_> =
        link::code(role).map(|(code, shown)| Coding::new(super::super::ROLE_CODE, code).shown(shown)).into_iter().collect();
    coding.push(Coding::new(ROLE, role));
    Concept { coding, text: None }
}
