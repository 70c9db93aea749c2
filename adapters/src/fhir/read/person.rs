//! Patients and related persons become subjects. A matricule INS never does: it is left out, or kept beside for the health leg
//! alone and only where the identity is qualified (R56, R57).

use serde_json::{Map, Value, json};

use super::{Entry, Reader};
use crate::{
    fhir::{
        BIRTH_PLACE, FR_CORE, GIVEN_NAMES, INSEE_CODE, RELIABILITY, ROLE, SUBJECT, form,
        node::{INS_DROPPED, Node},
    },
    forbidden::is_nir,
    health::{
        self,
        identifier::{self, is_ins, is_real_ins},
        link,
    },
    reading::{Beside, Place},
};

impl Reader<'_> {
    /// Every person, in the order of the Bundle.
    pub(super) fn persons(&mut self, entries: &mut [Entry]) {
        let is_person = |entry: &&mut Entry| matches!(entry.kind.as_str(), "Patient" | "RelatedPerson");
        let ids: Vec<_> =
            entries.iter_mut().filter(is_person).map(|entry| entry.resource.get("id").and_then(Value::as_str).map(str::to_owned)).collect();
        let names = references(ids);
        let mut contacts = Vec::new();
        for (entry, name) in entries.iter_mut().filter(is_person).zip(names) {
            let child = entry.kind == "Patient";
            let mut node = entry.node();
            self.labels(&mut node, "meta", "security");
            let mut subject = Map::from_iter([("ref".to_owned(), json!(name))]);
            if child {
                subject.insert("role".into(), json!("enfant"));
            }
            self.person(&mut node, &mut subject);
            self.subjects.push(subject);
            self.contacts(&mut node, &mut contacts);
        }
        for mut contact in contacts {
            let taken = |name: &str| self.subjects.iter().any(|known| known.get("ref").and_then(Value::as_str) == Some(name));
            let name = (1..).map(|n: u32| format!("s{n}")).find(|name| !taken(name));
            contact.extend(name.map(|name| ("ref".to_owned(), json!(name))));
            self.subjects.push(contact);
        }
    }

    /// Contacts of a patient who are family, as hospitals often write a parent; others (who to call) stay beside.
    fn contacts(&mut self, node: &mut Node<'_>, found: &mut Vec<Map<String, Value>>) {
        node.each("contact", |_, mut contact| {
            let family = contact.peek("relationship").and_then(Value::as_array).into_iter().flatten();
            let mut codes =
                family.filter_map(|one| one.get("coding")?.as_array()).flatten().filter_map(|coding| coding.get("code")?.as_str());
            if !codes.any(|code| link::role(code).is_some()) || contact.peek("name").is_none() || found.len() >= MAX_CONTACTS {
                return;
            }
            let mut subject = Map::new();
            relationship(&mut contact, &mut subject);
            self.names(&mut contact, &mut subject);
            gender(&mut contact, &mut subject);
            telecom(&mut contact, &mut subject);
            address(&mut contact, &mut subject);
            found.push(subject);
        });
    }

    fn person(&mut self, node: &mut Node<'_>, subject: &mut Map<String, Value>) {
        if node.peek("active") == Some(&json!(true)) {
            node.drop_all(&["active"]);
        }
        if node.peek("deceasedBoolean") == Some(&json!(false)) {
            node.drop_all(&["deceasedBoolean"]);
        }
        for key in ["patient", "managingOrganization"] {
            self.resolve(node, key);
        }
        if let Some(mut nobody) = node.child("patient") {
            // A patient whom the message does not name.
            nobody.drop_if("display", &["non communiqué"]);
        }
        let qualified = extensions(node, subject);
        self.identifiers(node, qualified);
        relationship(node, subject);
        self.names(node, subject);
        gender(node, subject);
        if node.peek_text("birthDate").is_some_and(form::is_date) {
            insert(subject, "birth_date", node.text("birthDate"));
        }
        telecom(node, subject);
        address(node, subject);
        // How the exchange calls a person, and who that is to the child, is said above.
        node.each("extension", |_, mut extension| {
            if extension.peek_text("url") == Some(SUBJECT) {
                form::read_leaves(&mut extension, subject, &["ref", "role"]);
            }
        });
    }

    /// No identifier of a person has a place in an envelope: local ones stay beside, NIR and INS are left out.
    fn identifiers(&mut self, node: &mut Node<'_>, qualified: bool) {
        let rest = &mut self.rest;
        node.each("identifier", |_, mut identifier| {
            let ins = identifier.peek_text("system").is_some_and(is_ins);
            let nir = identifier.peek_text("value").is_some_and(is_nir);
            if !ins && !nir {
                return;
            }
            // The same authority gives the number of the insured: only the type tells it from an INS.
            let code = identifier.peek("type").and_then(|kind| kind.pointer("/coding/0/code")).and_then(Value::as_str);
            let real =
                identifier.peek_text("system").is_some_and(is_real_ins) && code.is_none_or(|code| matches!(code, "INS-NIR" | "INS-NIA"));
            let at = identifier.at.clone();
            // Whatever it is, it does not stay where it was.
            let value = identifier.take("value");
            match value.as_ref().and_then(Value::as_str) {
                Some(value) if rest.keep_ins && qualified && real => {
                    rest.beside.push(Beside { place: Place::Path(at), value: json!(value) })
                }
                _ if !ins => rest.report(&at, "nir", crate::fhir::node::NIR_DROPPED),
                _ if !real => rest.report(&at, "ins-not-usable", "Cet identifiant n’est pas un matricule INS réel : il n’est pas repris."),
                _ if !qualified => {
                    rest.report(&at, "ins-not-qualified", "Le matricule INS d’une identité qui n’est pas qualifiée n’est pas repris.")
                }
                _ => rest.report(&at, "ins", INS_DROPPED),
            }
            identifier.drop_all(&["use", "system", "value"]);
            if let Some(mut kind) = identifier.child("type") {
                kind.drop_coding("coding", |_| true);
            }
        });
    }

    fn names(&mut self, node: &mut Node<'_>, subject: &mut Map<String, Value>) {
        let rest = &mut self.rest;
        node.each("name", |_, mut name| {
            // A text repeats the parts; where there are none it is the name itself, and stays for whoever reads what is beside.
            if name.peek("family").is_none() && name.peek("given").is_none() {
                return;
            }
            let usage = name.peek_text("use").unwrap_or_default().to_owned();
            let birth = matches!(usage.as_str(), "official" | "maiden" | "");
            if birth && subject.get("birth_name").is_none() && subject.get("given_names").is_none() {
                if usage.is_empty() {
                    rest.report(&name.at, "name-use", "L’usage de ce nom n’est pas dit : il est lu comme le nom de naissance.");
                }
                insert(subject, "birth_name", name.text("family"));
                given_names(&mut name, subject);
            } else if usage == "usual" && subject.get("use_name").is_none() && name.peek("family").is_some() {
                insert(subject, "use_name", name.text("family"));
                let same = name
                    .peek("given")
                    .is_some_and(|given| given.get(0) == subject.get("given_names").and_then(|all| all.get(0)) && given.get(1).is_none());
                if same {
                    name.texts("given");
                }
            } else {
                return;
            }
            name.drop_all(&["use", "text"]);
        });
    }
}

/// The names by which the payload calls the persons: the ids of the resources where they have that form, else the next free.
fn references(ids: Vec<Option<String>>) -> Vec<String> {
    let fits = |id: &str| {
        id.strip_prefix('s').is_some_and(|n| !n.starts_with('0') && (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut taken: Vec<String> = Vec::new();
    let own: Vec<_> =
        ids.into_iter().map(|id| id.filter(|id| fits(id) && !taken.contains(id)).inspect(|id| taken.push(id.clone()))).collect();
    let mut free = (1..).map(|n: u32| format!("s{n}")).filter(|name| !taken.contains(name));
    own.into_iter().map(|id| id.or_else(|| free.next()).unwrap_or_default()).collect()
}

/// FR Core’s extensions and ours. Whether the identity is qualified: `QUAL`, or `VALI` where the older code systems, which have
/// no word of their own for it, are used.
fn extensions(node: &mut Node<'_>, subject: &mut Map<String, Value>) -> bool {
    let mut qualified = false;
    node.each("extension", |_, mut extension| match extension.peek_text("url") {
        Some(BIRTH_PLACE) => {
            if let Some(mut place) = extension.child("valueAddress") {
                insert(subject, "birth_place", insee(&mut place));
                if subject.contains_key("birth_place") {
                    // The name of a commune whose code is known.
                    place.drop_all(&["city", "country", "district", "postalCode", "state", "text", "use", "type"]);
                }
            }
            if subject.contains_key("birth_place") {
                extension.drop_all(&["url"]);
            }
        }
        Some(url) if url.strip_prefix(FR_CORE) == Some(RELIABILITY) => {
            extension.each("extension", |_, mut status| {
                let text =
                    |at: &str| status.peek("valueCoding").and_then(|coding| coding.get(at)).and_then(Value::as_str).unwrap_or_default();
                let newer = text("system").ends_with("fr-core-cs-identity-status");
                qualified |= text("code") == "QUAL" || text("code") == "VALI" && !newer;
                status.drop_all(&["url"]);
                status.drop_coding("valueCoding", |_| true);
            });
            extension.drop_all(&["url"]);
        }
        _ => {}
    });
    qualified
}

/// A list of given names, and FR Core’s text of all of them, which alone is whole where only the first one is listed.
fn given_names(name: &mut Node<'_>, subject: &mut Map<String, Value>) {
    let mut all = None;
    name.each("extension", |_, mut extension| {
        if extension.peek_text("url").and_then(|url| url.strip_prefix(FR_CORE)) == Some(GIVEN_NAMES) && all.is_none() {
            all = extension.text("valueString");
            extension.drop_all(&["url"]);
        }
    });
    let mut given = name.texts("given");
    if let Some(all) = all.filter(|all| *all != given.join(" ")) {
        given = health::given_names(&all, given.first().map(String::as_str));
    }
    if !given.is_empty() {
        subject.insert("given_names".into(), json!(given));
    }
}

fn relationship(node: &mut Node<'_>, subject: &mut Map<String, Value>) {
    let mut said = None;
    let mut meant = None;
    node.each("relationship", |_, mut relation| {
        relation.each("coding", |_, mut coding| {
            let (system, code) = (coding.peek_text("system").unwrap_or_default(), coding.peek_text("code").unwrap_or_default());
            let known =
                identifier::oid(system) == link::ROLE_CODE || system.ends_with("RoleCode") || system.ends_with("contact-relationship");
            if system == ROLE && said.is_none() {
                said = Some(code.to_owned());
            } else if let Some(role) = link::role(code).filter(|role| known && meant.is_none_or(|meant| meant == *role)) {
                meant = Some(role);
            } else if !(known && said.is_some() && link::role(code).is_some()) {
                return;
            }
            coding.drop_all(&["system", "code", "display", "version", "userSelected"]);
        });
        if said.is_some() || meant.is_some() {
            relation.drop_all(&["text"]);
        }
    });
    insert(subject, "role", said.or_else(|| meant.map(str::to_owned)));
}

fn gender(node: &mut Node<'_>, subject: &mut Map<String, Value>) {
    let sex = match node.peek_text("gender") {
        Some("female") => "F",
        Some("male") => "M",
        Some("unknown") => "inconnu",
        _ => return,
    };
    node.drop_all(&["gender"]);
    subject.insert("sex".into(), json!(sex));
}

/// The first telephone and the first e-mail; the others stay beside.
fn telecom(node: &mut Node<'_>, subject: &mut Map<String, Value>) {
    node.each("telecom", |_, mut point| {
        if point.peek_text("use") == Some("old") || point.child("period").is_some_and(|period| period.peek("end").is_some()) {
            return;
        }
        let key = match point.peek_text("system") {
            Some("phone" | "sms") => "phone",
            Some("email") => "email",
            _ => return,
        };
        if !subject.contains_key(key) {
            insert(subject, key, point.text("value"));
            point.drop_all(&["system", "use", "rank"]);
        }
    });
}

/// The first address where somebody lives: not an old one, nor one for a time, nor one whose time ends. The others stay beside.
fn address(node: &mut Node<'_>, subject: &mut Map<String, Value>) {
    let mut home = Map::new();
    node.each("address", |_, mut address| {
        let ends = address.child("period").is_some_and(|period| period.peek("end").is_some());
        if !home.is_empty() || ends || matches!(address.peek_text("use"), Some("old" | "billing" | "temp")) {
            return;
        }
        let lines = address.texts("line");
        if !lines.is_empty() {
            home.insert("lines".into(), json!(lines));
        }
        insert(&mut home, "postcode", address.text("postalCode"));
        insert(&mut home, "city_code", insee(&mut address));
        insert(&mut home, "city", address.text("city"));
        if let Some(mut period) = address.child("period")
            && period.peek_text("start").is_some_and(form::is_date)
        {
            insert(&mut home, "since", period.text("start"));
        }
        if !home.is_empty() {
            address.drop_all(&["use", "type"]);
        }
    });
    if !home.is_empty() {
        subject.insert("address".into(), Value::Object(home));
    }
}

/// The code of a commune: FR Core’s extension, on the address or on its city.
fn insee(address: &mut Node<'_>) -> Option<String> {
    let mut found = None;
    let mut look = |node: &mut Node<'_>| {
        node.each("extension", |_, mut extension| {
            let ours = extension.peek_text("url").and_then(|url| url.strip_prefix(FR_CORE)) == Some(INSEE_CODE);
            if !ours || found.is_some() {
                return;
            }
            if let Some(mut coding) = extension.child("valueCoding") {
                found = coding.text("code");
                coding.drop_all(&["system", "display", "version", "userSelected"]);
            }
            extension.drop_all(&["url"]);
        });
    };
    look(address);
    if let Some(mut city) = address.child("_city") {
        look(&mut city);
    }
    found
}

fn insert(map: &mut Map<String, Value>, key: &str, text: Option<String>) {
    map.extend(text.filter(|text| !text.trim().is_empty()).map(|text| (key.to_owned(), json!(text))));
}

/// How many contacts of all patients are read.
const MAX_CONTACTS: usize = 50;
