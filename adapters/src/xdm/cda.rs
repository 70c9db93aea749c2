//! The header of a CDA R2 document of the CI-SIS, the sections that have a code of ours, and the file it may wrap.
//!
//! The document as a whole stays a file of the exchange: what is not taken here is still in it.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};

use super::{ROLE, SECTION, TYPE};
use crate::{
    elements::{Element, Node},
    health::{
        self, Hidden,
        identifier::{ID_NAT_PS, is_ins, rpps},
        link, section,
    },
};

/// What a document says of its exchange.
#[derive(Default)]
pub(super) struct Document {
    /// The exchange type, where the document says one of ours.
    pub(super) kind: Option<&'static str>,
    /// Persons, without the names by which the envelope will call them.
    pub(super) subjects: Vec<Map<String, Value>>,
    /// Who wrote: fields of `declarant`.
    pub(super) declarant: Map<String, Value>,
    /// RPPS of who wrote.
    pub(super) number: Option<String>,
    /// A RPPS that is none: its line.
    pub(super) bad_number: Option<u64>,
    /// Whether the header bears an INS.
    pub(super) ins: bool,
    /// Labels.
    pub(super) hidden: Hidden,
    /// Sections of ours: code, title, text.
    pub(super) sections: Vec<(&'static str, String, String)>,
    /// The wrapped file: media type and bytes, or the line where it is not base64.
    pub(super) wrapped: Option<Result<(String, Vec<u8>), u64>>,
}

/// Reads a document; nothing where the root is another one.
pub(super) fn read(root: &Element) -> Option<Document> {
    if root.name != "ClinicalDocument" {
        return None;
    }
    let mut document = Document { kind: root.child("code").and_then(kind), ..Document::default() };
    for code in root.all("confidentialityCode").filter_map(|code| code.attribute("code")) {
        document.hidden.note(code);
    }
    for role in root.all("recordTarget").filter_map(|target| target.child("patientRole")) {
        document.ins |= role.all("id").any(|id| id.attribute("root").is_some_and(is_ins));
        // Masked: a role is all there is.
        document.subjects.extend(Some(child(role)).filter(|subject| subject.len() > 1));
        if let Some(patient) = role.child("patient") {
            document.subjects.extend(patient.all("guardian").filter_map(guardian));
        }
    }
    let participants = root.all("participant").filter_map(|one| one.child("associatedEntity"));
    let informants = root.all("informant").filter_map(|one| one.child("relatedEntity"));
    document.subjects.extend(participants.chain(informants).filter_map(relative));
    if let Some(author) =
        root.all("author").filter_map(|one| one.child("assignedAuthor")).find(|author| author.child("assignedPerson").is_some())
    {
        self::author(author, &mut document);
    }
    if let Some(body) = root.at(&["component", "structuredBody"]) {
        sections(body, 0, &mut document.sections);
    }
    document.wrapped = root.at(&["component", "nonXMLBody", "text"]).and_then(wrapped);
    Some(document)
}

/// The exchange type that a coded element names.
fn kind(code: &Element) -> Option<&'static str> {
    let named = code.attribute("code").filter(|_| code.attribute("codeSystem") == Some(TYPE))?;
    health::TYPES.into_iter().find(|known| *known == named)
}

fn child(role: &Element) -> Map<String, Value> {
    let mut subject = Map::from_iter([("role".to_owned(), json!("enfant"))]);
    contact(role, &mut subject);
    let Some(patient) = role.child("patient") else { return subject };
    names(patient.child("name"), &mut subject);
    let sex = patient.child("administrativeGenderCode").and_then(|code| code.attribute("code"));
    let sex = sex.and_then(|code| match code {
        "F" | "M" => Some(code),
        "U" | "UN" => Some("inconnu"),
        _ => None,
    });
    insert(&mut subject, "sex", sex.map(str::to_owned));
    let born = patient.child("birthTime").and_then(|time| time.attribute("value")).and_then(day);
    insert(&mut subject, "birth_date", born);
    let place = patient.at(&["birthplace", "place", "addr", "county"]).and_then(Element::said).filter(|code| code.len() == 5);
    insert(&mut subject, "birth_place", place);
    subject
}

fn guardian(guardian: &Element) -> Option<Map<String, Value>> {
    let mut subject = Map::new();
    names(guardian.at(&["guardianPerson", "name"]), &mut subject);
    let named = !subject.is_empty();
    contact(guardian, &mut subject);
    insert(&mut subject, "role", role(guardian));
    named.then_some(subject)
}

/// A person that is related to the child: never a professional or a structure.
fn relative(entity: &Element) -> Option<Map<String, Value>> {
    if !matches!(entity.attribute("classCode"), Some("PRS" | "NOK" | "ECON" | "GUAR" | "AGNT" | "CON")) {
        return None;
    }
    let mut subject = Map::new();
    names(entity.child("associatedPerson").or(entity.child("relatedPerson")).and_then(|person| person.child("name")), &mut subject);
    let named = !subject.is_empty();
    contact(entity, &mut subject);
    insert(&mut subject, "role", role(entity));
    named.then_some(subject)
}

/// Our role where it is said, else what the family link means.
fn role(entity: &Element) -> Option<String> {
    let code = entity.child("code")?;
    let said = code.all("translation").find(|one| one.attribute("codeSystem") == Some(ROLE)).and_then(|one| one.attribute("code"));
    let own = code.attribute("code");
    said.or_else(|| if code.attribute("codeSystem") == Some(ROLE) { own } else { own.and_then(link::role) }).map(str::to_owned)
}

fn author(author: &Element, document: &mut Document) {
    for id in author.all("id").filter(|id| id.attribute("root") == Some(ID_NAT_PS)) {
        match id.attribute("extension").map(rpps) {
            Some(Some(number)) => document.number = Some(number.to_owned()),
            Some(None) => document.bad_number = Some(id.line),
            None => {}
        }
    }
    let declarant = &mut document.declarant;
    if let Some(name) = author.at(&["assignedPerson", "name"]) {
        insert(declarant, "nom", name.child("family").and_then(Element::said));
        insert(declarant, "prenom", Some(name.all("given").filter_map(Element::said).collect::<Vec<_>>().join(" ")));
    }
    insert(declarant, "fonction", author.child("code").and_then(|code| code.attribute("displayName")).map(str::to_owned));
    for (key, scheme) in [("telephone", "tel:"), ("courriel", "mailto:")] {
        insert(declarant, key, telecom(author, scheme));
    }
}

/// A name as the CI-SIS writes it: family `BR` at birth, `CL` (or `SP`) in use; given without qualifier all those of the birth
/// certificate, `BR` the first of them.
fn names(name: Option<&Element>, subject: &mut Map<String, Value>) {
    let Some(name) = name else { return };
    let qualified = |part: &'static str, qualifiers: &'static [&'static str]| {
        name.all(part).filter(move |part| match part.attribute("qualifier") {
            Some(qualifier) => qualifiers.contains(&qualifier),
            None => qualifiers.is_empty(),
        })
    };
    let birth = qualified("family", &["BR"]).chain(qualified("family", &[])).find_map(Element::said);
    insert(subject, "birth_name", birth);
    insert(subject, "use_name", qualified("family", &["CL", "SP"]).find_map(Element::said));
    let first = qualified("given", &["BR"]).find_map(Element::said);
    let all: Vec<_> = qualified("given", &[]).filter_map(Element::said).collect();
    let given = match (all.as_slice(), first) {
        ([], first) => first.into_iter().collect(),
        ([one], first) => health::given_names(one, first.as_deref()),
        (_, _) => all,
    };
    if !given.is_empty() {
        subject.insert("given_names".into(), json!(given));
    }
}

fn contact(of: &Element, subject: &mut Map<String, Value>) {
    let masked = of.all("addr").any(|addr| addr.attribute("nullFlavor") == Some("MSK"));
    // One that is old, wrong or for a time only is not where somebody lives; it stays in the document.
    let is_home = |addr: &&Element| {
        !addr.attribute("use").unwrap_or_default().split(' ').any(|code| matches!(code, "OLD" | "BAD" | "TMP"))
            && addr.child("useablePeriod").is_none_or(|period| period.child("high").is_none())
    };
    if masked {
        subject.insert("address".into(), json!({"hidden": true}));
    } else if let Some(addr) = of.all("addr").find(is_home) {
        let mut home = Map::new();
        let mut lines: Vec<_> = addr.all("streetAddressLine").filter_map(Element::said).collect();
        if lines.is_empty() {
            let parts = ["houseNumber", "houseNumberNumeric", "streetNameType", "streetName", "additionalLocator"];
            let line: Vec<_> = parts.iter().filter_map(|part| addr.child(part).and_then(Element::said)).collect();
            lines.extend(Some(line.join(" ")).filter(|line| !line.is_empty()));
        }
        if !lines.is_empty() {
            home.insert("lines".into(), json!(lines));
        }
        for (key, part) in [("postcode", "postalCode"), ("city", "city"), ("city_code", "county")] {
            insert(&mut home, key, addr.child(part).and_then(Element::said));
        }
        if !home.is_empty() {
            subject.insert("address".into(), Value::Object(home));
        }
    }
    insert(subject, "phone", telecom(of, "tel:"));
    insert(subject, "email", telecom(of, "mailto:"));
}

fn telecom(of: &Element, scheme: &str) -> Option<String> {
    of.all("telecom").find_map(|telecom| telecom.attribute("value")?.strip_prefix(scheme)).map(str::to_owned)
}

/// The day of a time of HL7 (`20140227`, `20140227103000+0100`).
pub(super) fn day(value: &str) -> Option<String> {
    let digits = value.get(..8).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let day = format!("{}-{}-{}", digits.get(..4)?, digits.get(4..6)?, digits.get(6..)?);
    format!("{day}T00:00:00Z").parse::<exchange::Instant>().is_ok().then_some(day)
}

fn sections(of: &Element, depth: usize, found: &mut Vec<(&'static str, String, String)>) {
    for part in of.all("component").filter_map(|component| component.child("section")).take(MAX_SECTIONS) {
        let code = part.child("code").filter(|code| code.attribute("codeSystem") == Some(SECTION));
        let code = code.and_then(|code| code.attribute("code")).and_then(section::known);
        if let (Some(code), Some(text)) = (code, part.child("text")) {
            let mut plain = String::new();
            narrative(text, &mut plain);
            found.push((code, part.child("title").and_then(Element::said).unwrap_or_default(), plain.trim().to_owned()));
        }
        if depth < MAX_DEPTH {
            sections(part, depth + 1, found);
        }
    }
}

/// A narrative without its markup: paragraphs, items and rows by lines.
fn narrative(of: &Element, to: &mut String) {
    for node in of.nodes() {
        match node {
            // Between two paragraphs, blanks are layout.
            Node::Text(text) if text.trim().is_empty() && text.contains('\n') => {}
            Node::Text(text) => to.push_str(text),
            Node::Element(part) if part.name == "br" => to.push('\n'),
            Node::Element(part) => {
                let line = matches!(part.name.as_str(), "paragraph" | "item" | "tr" | "caption" | "list" | "table");
                if line && !to.is_empty() && !to.ends_with('\n') {
                    to.push('\n');
                } else if matches!(part.name.as_str(), "td" | "th") && !to.is_empty() && !to.ends_with(['\n', ' ']) {
                    to.push(' ');
                }
                narrative(part, to);
                if line && !to.ends_with('\n') {
                    to.push('\n');
                }
            }
        }
    }
}

fn wrapped(text: &Element) -> Option<Result<(String, Vec<u8>), u64>> {
    let media_type = text.attribute("mediaType").unwrap_or("text/plain").to_owned();
    let content = text.said()?;
    if text.attribute("representation") != Some("B64") {
        return Some(Ok((media_type, content.into_bytes())));
    }
    let plain: Vec<u8> = content.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    Some(BASE64.decode(plain).map(|bytes| (media_type, bytes)).map_err(|_| text.line))
}

fn insert(map: &mut Map<String, Value>, key: &str, text: Option<String>) {
    map.extend(text.filter(|text| !text.trim().is_empty()).map(|text| (key.to_owned(), json!(text))));
}

/// How deep sections are read in each other, and how many of one.
const MAX_DEPTH: usize = 4;
const MAX_SECTIONS: usize = 100;
