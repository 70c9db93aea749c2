//! Persons in the header of a CDA: the first child is the patient, everybody else a participant, who wrote the author.

use serde_json::{Map, Value, json};

use crate::{
    elements::escaped,
    health::{
        self,
        identifier::{ID_NAT_PS, rpps},
        link,
    },
    xdm::ROLE,
};

/// Persons, and what the header has no place for.
pub(super) struct Persons {
    child: Option<String>,
    others: Vec<String>,
    /// One object for each person with something left: its `ref` and the rest.
    pub(super) left: Vec<Value>,
}

/// Takes the persons out of a document.
pub(super) fn take(document: &mut Map<String, Value>) -> Persons {
    let mut persons = Persons { child: None, others: Vec::new(), left: Vec::new() };
    let Some(Value::Array(subjects)) = document.remove("subjects") else { return persons };
    for subject in subjects {
        let Value::Object(mut subject) = subject else { continue };
        let name = text(&mut subject, "ref").unwrap_or_default();
        let is_child = subject.get("role").and_then(Value::as_str) == Some("enfant");
        if is_child && persons.child.is_none() {
            subject.remove("role");
            persons.child = Some(patient(&mut subject));
        } else {
            persons.others.push(participant(&mut subject));
        }
        subject.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
        if !subject.is_empty() {
            persons.left.push(json!({ name: subject }));
        }
    }
    persons
}

impl Persons {
    pub(super) fn record_target(&self, id: &str) -> String {
        let id = format!("<id root=\"{}\" extension=\"s1\"/>", escaped(id));
        let child = self.child.as_deref().unwrap_or("<patient nullFlavor=\"MSK\"/>");
        format!("<recordTarget><patientRole>{id}{child}</patientRole></recordTarget>\n")
    }

    pub(super) fn participants(&self) -> String {
        self.others.concat()
    }
}

fn patient(subject: &mut Map<String, Value>) -> String {
    let contact = contact(subject);
    let name = name(subject);
    let sex = match subject.get("sex").and_then(Value::as_str) {
        Some("F") => Some("F"),
        Some("M") => Some("M"),
        Some("inconnu") => Some("U"),
        _ => None,
    };
    let sex = sex.map_or("<administrativeGenderCode nullFlavor=\"UNK\"/>".to_owned(), |code| {
        subject.remove("sex");
        format!("<administrativeGenderCode code=\"{code}\" codeSystem=\"2.16.840.1.113883.5.1\"/>")
    });
    let dated = subject.get("birth_date").and_then(Value::as_str).is_some_and(is_day);
    let born = dated.then(|| text(subject, "birth_date")).flatten();
    let born = born.map_or("<birthTime nullFlavor=\"UNK\"/>".to_owned(), |day| format!("<birthTime value=\"{}\"/>", day.replace('-', "")));
    let coded = subject.get("birth_place").and_then(Value::as_str).is_some_and(|code| code.len() == 5);
    let place = coded.then(|| text(subject, "birth_place")).flatten();
    let place = place.map(|code| format!("<birthplace><place><addr><county>{}</county></addr></place></birthplace>", escaped(&code)));
    format!("{contact}<patient>{name}{sex}{born}{}</patient>", place.unwrap_or_default())
}

fn participant(subject: &mut Map<String, Value>) -> String {
    let code = text(subject, "role").map_or(String::new(), |role| {
        let translation = format!("<translation code=\"{}\" codeSystem=\"{ROLE}\"/>", escaped(&role));
        let known = link::code(&role)
            .map(|(code, shown)| format!("code=\"{code}\" codeSystem=\"{}\" displayName=\"{}\"", link::ROLE_CODE, escaped(shown)));
        format!("<code {}>{translation}</code>", known.unwrap_or_else(|| "nullFlavor=\"OTH\"".into()))
    });
    let contact = contact(subject);
    let name = name(subject);
    format!(
        "<participant typeCode=\"IND\"><associatedEntity classCode=\"PRS\">{code}{contact}<associatedPerson>{name}</associatedPerson>\
         </associatedEntity></participant>\n"
    )
}

/// Who wrote: the declarant where the reader may know, else the gateway for the institution.
pub(super) fn author(document: &mut Map<String, Value>, time: &str, from: &str) -> String {
    let payload = document.get_mut("payload").and_then(Value::as_object_mut);
    let number =
        payload.as_ref().and_then(|payload| payload.get("constats_sante")?.get("auteur")?.as_str().and_then(rpps).map(str::to_owned));
    let mut empty = Map::new();
    let declarant = payload.and_then(|payload| payload.get_mut("declarant")).and_then(Value::as_object_mut).unwrap_or(&mut empty);
    let id = number.map_or("<id nullFlavor=\"UNK\"/>".to_owned(), |number| format!("<id root=\"{ID_NAT_PS}\" extension=\"8{number}\"/>"));
    let function = text(declarant, "fonction");
    let code = function.map(|shown| format!("<code code=\"declarant\" codeSystem=\"{ROLE}\" displayName=\"{}\"/>", escaped(&shown)));
    let telecom = telecom(declarant, [("telephone", "tel:"), ("courriel", "mailto:")]);
    let part = |tag: &str, text: Option<String>| text.map(|text| format!("<{tag}>{}</{tag}>", escaped(&text))).unwrap_or_default();
    let names = part("family", text(declarant, "nom")) + &part("given", text(declarant, "prenom"));
    let named = code.is_some() || !telecom.is_empty() || !names.is_empty();
    let who = if named {
        format!("<assignedPerson><name>{names}</name></assignedPerson>")
    } else {
        "<assignedAuthoringDevice><softwareName>Passerelle</softwareName></assignedAuthoringDevice>".to_owned()
    };
    format!(
        "<author><time value=\"{time}+0000\"/><assignedAuthor>{id}{}{telecom}{who}<representedOrganization><name>{}</name>\
         </representedOrganization></assignedAuthor></author>\n",
        code.unwrap_or_default(),
        escaped(from)
    )
}

fn name(subject: &mut Map<String, Value>) -> String {
    let mut parts = String::new();
    for (key, qualifier) in [("birth_name", "BR"), ("use_name", "CL")] {
        parts.push_str(
            &text(subject, key)
                .map(|family| format!("<family qualifier=\"{qualifier}\">{}</family>", escaped(&family)))
                .unwrap_or_default(),
        );
    }
    let given: Option<Vec<String>> = subject
        .get("given_names")
        .and_then(Value::as_array)
        .and_then(|all| all.iter().map(|name| name.as_str().filter(|name| !name.trim().is_empty()).map(str::to_owned)).collect());
    if let Some(given) = given {
        subject.remove("given_names");
        for name in &given {
            parts.push_str(&format!("<given>{}</given>", escaped(name)));
        }
        parts.push_str(&given.first().map(|first| format!("<given qualifier=\"BR\">{}</given>", escaped(first))).unwrap_or_default());
    }
    if parts.is_empty() { "<name nullFlavor=\"UNK\"/>".into() } else { format!("<name>{parts}</name>") }
}

fn contact(subject: &mut Map<String, Value>) -> String {
    let mut out = String::new();
    if subject.get("address").and_then(Value::as_object).is_some_and(health::is_hidden) {
        // Nobody reads our mark in a file that others print and file away: the address does not leave (R64), and CDA says it is masked.
        subject.remove("address");
        out = "<addr nullFlavor=\"MSK\"/>".to_owned();
    } else if let Some(Value::Object(home)) = subject.get_mut("address") {
        let lines: Option<Vec<String>> = home
            .get("lines")
            .and_then(Value::as_array)
            .and_then(|all| all.iter().map(|line| line.as_str().filter(|line| !line.trim().is_empty()).map(str::to_owned)).collect());
        let mut parts = String::new();
        if let Some(lines) = lines {
            home.remove("lines");
            lines.iter().for_each(|line| parts.push_str(&format!("<streetAddressLine>{}</streetAddressLine>", escaped(line))));
        }
        for (key, part) in [("postcode", "postalCode"), ("city", "city"), ("city_code", "county")] {
            parts.push_str(&text(home, key).map(|text| format!("<{part}>{}</{part}>", escaped(&text))).unwrap_or_default());
        }
        if !parts.is_empty() {
            out = format!("<addr>{parts}</addr>");
        }
    }
    out + &telecom(subject, [("phone", "tel:"), ("email", "mailto:")])
}

fn telecom(of: &mut Map<String, Value>, points: [(&str, &str); 2]) -> String {
    points.into_iter().filter_map(|(key, scheme)| Some(format!("<telecom value=\"{scheme}{}\"/>", escaped(&text(of, key)?)))).collect()
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && format!("{text}T00:00:00Z").parse::<exchange::Instant>().is_ok()
}

/// Takes a text that says something.
fn text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    super::taken(map, key)
}
