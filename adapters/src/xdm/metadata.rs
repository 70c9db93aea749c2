//! XDS metadata in ebRIM: what `METADATA.XML` says of each document, read and written.

use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::{SOURCE, TYPE, cda::day};
use crate::{
    elements::{Element, escaped},
    forbidden::is_nir,
    health::{
        self, Hidden,
        identifier::{ID_NAT_PS, is_ins, rpps},
    },
    reading::{Beside, Place},
};

/// What the metadata say of one document.
#[derive(Default)]
pub(super) struct Described {
    /// Line of the description.
    pub(super) line: u64,
    /// Name of the file, below the folder of the metadata.
    pub(super) uri: String,
    pub(super) title: Option<String>,
    pub(super) media_type: Option<String>,
    /// SHA-1 in hexadecimal digits, as declared.
    pub(super) hash: Option<String>,
    pub(super) size: Option<String>,
    /// The exchange type, where the type code is one of ours.
    pub(super) kind: Option<&'static str>,
    /// Who the document is about and who wrote it, for the documents that do not say it themselves.
    pub(super) about: About,
}

/// Persons of a document, as its metadata name them.
#[derive(Default)]
pub(super) struct About {
    /// Fields of a subject, without its role and name.
    pub(super) child: Map<String, Value>,
    /// Fields of `declarant`.
    pub(super) declarant: Map<String, Value>,
    /// RPPS of who wrote.
    pub(super) number: Option<String>,
    /// What of it has no field.
    pub(super) rest: Vec<Beside>,
    /// The institution of who wrote, which the header of a document names as well.
    pub(super) institution: Vec<Beside>,
}

/// What is in a file of metadata.
#[derive(Default)]
pub(super) struct Metadata {
    pub(super) documents: Vec<Described>,
    pub(super) hidden: Hidden,
    /// Whether a patient is named by an INS.
    pub(super) ins: bool,
    /// What has no place in an envelope.
    pub(super) beside: Vec<Beside>,
}

/// Reads what a file of metadata describes, whatever wraps the list of objects.
pub(super) fn read(root: &Element) -> Metadata {
    let mut metadata = Metadata::default();
    let list = find(root, "RegistryObjectList", 0).unwrap_or(root);
    for object in &list.children {
        match object.name.as_str() {
            "ExtrinsicObject" => {
                let described = document(object, &mut metadata);
                metadata.documents.push(described);
            }
            "RegistryPackage" => {
                metadata.ins |= names_ins(object);
                for part in ["Name", "Description"] {
                    metadata.beside.extend(object.child(part).and_then(localized).map(|text| beside(object.line, part, json!(text))));
                }
            }
            // What binds the objects to each other.
            _ => {}
        }
    }
    let before = metadata.beside.len();
    metadata.beside.retain(|one| !texts(&one.value).into_iter().any(is_personal));
    metadata.ins |= metadata.beside.len() < before;
    metadata
}

fn find<'e>(of: &'e Element, name: &str, depth: usize) -> Option<&'e Element> {
    if depth > 5 {
        return None;
    }
    of.children.iter().find(|child| child.name == name).or_else(|| of.children.iter().find_map(|child| find(child, name, depth + 1)))
}

fn document(object: &Element, metadata: &mut Metadata) -> Described {
    let mut described =
        Described { line: object.line, media_type: object.attribute("mimeType").map(str::to_owned), ..Described::default() };
    described.title = object.child("Name").and_then(localized);
    metadata.ins |= names_ins(object);
    metadata.beside.extend(object.child("Description").and_then(localized).map(|text| beside(object.line, "Description", json!(text))));
    for slot in object.all("Slot") {
        let values: Vec<_> = slot.child("ValueList").into_iter().flat_map(|list| list.all("Value")).filter_map(Element::said).collect();
        let value = values.first().cloned();
        match slot.attribute("name").unwrap_or_default() {
            "URI" => described.uri = value.unwrap_or_default(),
            "hash" => described.hash = value,
            "size" => described.size = value,
            "sourcePatientInfo" => described.about.patient(slot.line, &values),
            "creationTime" | "languageCode" | "repositoryUniqueId" | "sourcePatientId" => {}
            "serviceStartTime" | "serviceStopTime" | "legalAuthenticator" => {
                described.about.rest.extend(values.into_iter().map(|value| beside(slot.line, "Slot", json!(value))));
            }
            _ => metadata.beside.push(beside(slot.line, "Slot", json!(values))),
        }
    }
    for class in object.all("Classification") {
        let code = class.attribute("nodeRepresentation").unwrap_or_default();
        match class.attribute("classificationScheme").unwrap_or_default() {
            TYPE_CODE if scheme(class).as_deref() == Some(TYPE) => described.kind = health::TYPES.into_iter().find(|known| *known == code),
            CONFIDENTIALITY if code == "N" || metadata.hidden.note(code) => {}
            CONFIDENTIALITY => metadata.beside.push(beside(class.line, "confidentialityCode", json!(code))),
            AUTHOR => described.about.author(class),
            CLASS_CODE | TYPE_CODE | FORMAT | FACILITY | PRACTICE => {}
            _ => metadata.beside.push(beside(class.line, "Classification", json!(code))),
        }
    }
    let about = &mut described.about;
    let before = about.rest.len();
    about.rest.retain(|one| !texts(&one.value).into_iter().any(is_personal));
    metadata.ins |= about.rest.len() < before;
    described
}

impl About {
    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        self.child.is_empty() && self.declarant.is_empty() && self.number.is_none() && self.rest.is_empty() && self.institution.is_empty()
    }

    /// `sourcePatientInfo`: fields of a PID segment of HL7 v2 (`PID-5|NOM^Prénom^^^^^L`).
    fn patient(&mut self, line: u64, values: &[String]) {
        for value in values {
            let (field, text) = value.split_once('|').unwrap_or(("", value));
            let taken = match field {
                "PID-5" => self.names(text),
                "PID-7" => day(text).is_some_and(|day| put(&mut self.child, "birth_date", &day)),
                "PID-8" => match text {
                    "F" | "M" => put(&mut self.child, "sex", text),
                    "U" => put(&mut self.child, "sex", "inconnu"),
                    _ => false,
                },
                _ => false,
            };
            if !taken && !text.trim().is_empty() {
                self.rest.push(beside(line, "sourcePatientInfo", json!(value)));
            }
        }
    }

    /// A name: `L` is the one at birth, as one without a type; `D` the one in use.
    fn names(&mut self, text: &str) -> bool {
        // Another name of the same person, or more of it than a field holds.
        if text.contains('~') || text.split('^').enumerate().any(|(n, part)| !matches!(n, 0 | 1 | 6) && !part.trim().is_empty()) {
            return false;
        }
        let part = |n: usize| text.split('^').nth(n).unwrap_or_default().trim();
        let (family, given) = (part(0), part(1));
        let family = match part(6) {
            "L" | "" => put(&mut self.child, "birth_name", family) || family.is_empty(),
            "D" => put(&mut self.child, "use_name", family) || family.is_empty(),
            _ => false,
        };
        let same = json!([given]);
        let free = given.is_empty() || self.child.get("given_names").is_none_or(|known| *known == same);
        if family && free && !given.is_empty() {
            self.child.insert("given_names".into(), same);
        }
        family && free
    }

    /// An author: `authorPerson` (XCN: number, name, given name, authority of the number), and what else is said of him.
    fn author(&mut self, class: &Element) {
        for slot in class.all("Slot") {
            let name = slot.attribute("name").unwrap_or_default();
            for value in slot.child("ValueList").into_iter().flat_map(|list| list.all("Value")).filter_map(Element::said) {
                let taken = match name {
                    "authorPerson" => self.person(&value),
                    // `authorSpecialty` and `authorRole` are codes or words; the words are the function.
                    "authorSpecialty" | "authorRole" => {
                        let shown =
                            value.split('^').nth(1).filter(|shown| !shown.is_empty()).or((!value.contains('^')).then_some(value.as_str()));
                        shown.is_some_and(|shown| put(&mut self.declarant, "fonction", shown))
                    }
                    _ => false,
                };
                let rest = if name == "authorInstitution" { &mut self.institution } else { &mut self.rest };
                rest.extend((!taken).then(|| beside(slot.line, "author", json!(value))));
            }
        }
    }

    fn person(&mut self, value: &str) -> bool {
        let part = |n: usize| value.split('^').nth(n).unwrap_or_default().trim();
        if self.declarant.contains_key("nom") || part(1).is_empty() {
            return false;
        }
        put(&mut self.declarant, "nom", part(1));
        put(&mut self.declarant, "prenom", part(2));
        let number = part(8).split('&').any(|authority| authority == ID_NAT_PS).then(|| rpps(part(0))).flatten();
        self.number = number.map(str::to_owned);
        // What else a XCN may hold: further given names, titles, a number that is none of RPPS.
        let more = [3, 4, 5, 6].into_iter().any(|n| !part(n).is_empty());
        !more && (part(0).is_empty() || self.number.is_some())
    }
}

/// Writes a text where nothing stands. `false`: something does, or the text is empty.
fn put(map: &mut Map<String, Value>, key: &str, text: &str) -> bool {
    let free = !text.trim().is_empty() && !map.contains_key(key);
    if free {
        map.insert(key.to_owned(), json!(text));
    }
    free
}

/// The scheme of a code: the value of its one slot.
fn scheme(class: &Element) -> Option<String> {
    class.all("Slot").find(|slot| slot.attribute("name") == Some("codingScheme"))?.at(&["ValueList", "Value"])?.said()
}

fn localized(name: &Element) -> Option<String> {
    name.child("LocalizedString")?.attribute("value").map(str::to_owned).filter(|text| !text.trim().is_empty())
}

fn beside(line: u64, name: &str, value: Value) -> Beside {
    Beside { place: Place::Element { line, name: name.to_owned() }, value }
}

/// Whether an object names its patient by an INS, in the form of HL7 (`…^^^&1.2.250.1.213.1.4.8&ISO^NH`).
fn names_ins(object: &Element) -> bool {
    let slots = object.all("Slot").flat_map(|slot| slot.child("ValueList")).flat_map(|list| list.all("Value")).filter_map(Element::said);
    let ids = object.all("ExternalIdentifier").filter_map(|id| id.attribute("value").map(str::to_owned));
    slots.chain(ids).any(|value| is_personal(&value))
}

/// Whether a text is a NIR, or has one or an INS as a part of its own.
fn is_personal(text: &str) -> bool {
    is_nir(text) || text.split(['&', '^', '|']).any(|part| is_ins(part) || is_nir(part))
}

/// The texts of a value that is kept beside: one, or a list of them.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str)).collect()
}

/// A document as it will be described.
pub(super) struct Entry<'a> {
    /// Name of its file.
    pub(super) uri: String,
    pub(super) title: &'a str,
    pub(super) media_type: &'a str,
    pub(super) bytes: &'a [u8],
}

/// What all documents of an archive share.
pub(super) struct Submission<'a> {
    /// Exchange type.
    pub(super) kind: &'a str,
    /// OID of this submission, below which its documents are numbered.
    pub(super) oid: &'a str,
    /// Instant as XDS writes it.
    pub(super) time: &'a str,
    /// Who sends, for people.
    pub(super) from: &'a str,
    /// Under which the documents are filed for the patient.
    pub(super) patient: &'a str,
    pub(super) hidden: Hidden,
}

/// Writes the metadata of an archive.
pub(super) fn write(of: &Submission<'_>, entries: &[Entry<'_>]) -> String {
    let mut out = String::from(concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<lcm:SubmitObjectsRequest xmlns:lcm=\"urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0\" ",
        "xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\">\n<rim:RegistryObjectList>\n"
    ));
    for (n, entry) in entries.iter().enumerate() {
        described(&mut out, of, n + 1, entry);
    }
    package(&mut out, of);
    for n in 1..=entries.len() {
        out.push_str(&format!(
            "<rim:Association id=\"Member{n:02}\" associationType=\"urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember\" \
             sourceObject=\"SubmissionSet01\" targetObject=\"Document{n:02}\">{}</rim:Association>\n",
            slot("SubmissionSetStatus", "Original")
        ));
    }
    out.push_str("</rim:RegistryObjectList>\n</lcm:SubmitObjectsRequest>\n");
    out
}

fn described(out: &mut String, of: &Submission<'_>, n: usize, entry: &Entry<'_>) {
    let id = format!("Document{n:02}");
    out.push_str(&format!(
        "<rim:ExtrinsicObject id=\"{id}\" mimeType=\"{}\" objectType=\"urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1\" \
         status=\"urn:oasis:names:tc:ebxml-regrep:StatusType:Approved\">\n",
        escaped(entry.media_type)
    ));
    let hash: String = Sha1::digest(entry.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let size = entry.bytes.len().to_string();
    for (name, value) in [("creationTime", of.time), ("hash", &hash), ("languageCode", "fr-FR"), ("size", &size), ("URI", &entry.uri)] {
        out.push_str(&slot(name, value));
    }
    out.push_str(&format!("<rim:Name><rim:LocalizedString value=\"{}\"/></rim:Name>\n", escaped(entry.title)));
    author(out, &id, AUTHOR, of.from);
    let format_scheme = "1.3.6.1.4.1.19376.1.2.3";
    let codes = [
        (CLASS_CODE, of.kind, TYPE, of.kind),
        (TYPE_CODE, of.kind, TYPE, of.kind),
        (FORMAT, "urn:ihe:iti:xds:2017:mimeTypeSufficient", format_scheme, "mimeType Sufficient"),
        (FACILITY, "protection-enfance", TYPE, "Protection de l’enfance"),
        (PRACTICE, "protection-enfance", TYPE, "Protection de l’enfance"),
        (CONFIDENTIALITY, "N", "2.16.840.1.113883.5.25", "Normal"),
    ];
    let hidden = of.hidden.codes().map(|(code, shown)| (CONFIDENTIALITY, code, Hidden::SCHEME, shown));
    for (k, (class, code, scheme, shown)) in codes.into_iter().chain(hidden).enumerate() {
        out.push_str(&coded(&id, k, class, code, scheme, shown));
    }
    let unique = format!("{}.{n}", of.oid);
    out.push_str(&external(&id, "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", "XDSDocumentEntry.patientId", of.patient));
    out.push_str(&external(&id, "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", "XDSDocumentEntry.uniqueId", &unique));
    out.push_str("</rim:ExtrinsicObject>\n");
}

fn package(out: &mut String, of: &Submission<'_>) {
    let id = "SubmissionSet01";
    out.push_str(&format!("<rim:RegistryPackage id=\"{id}\" status=\"urn:oasis:names:tc:ebxml-regrep:StatusType:Approved\">\n"));
    out.push_str(&slot("submissionTime", of.time));
    author(out, id, "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", of.from);
    out.push_str(&coded(id, 0, "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500", of.kind, TYPE, of.kind));
    for (scheme, name, value) in [
        ("urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", "XDSSubmissionSet.uniqueId", of.oid),
        ("urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", "XDSSubmissionSet.sourceId", SOURCE),
        ("urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", "XDSSubmissionSet.patientId", of.patient),
    ] {
        out.push_str(&external(id, scheme, name, value));
    }
    out.push_str("</rim:RegistryPackage>\n");
    out.push_str(&format!(
        "<rim:Classification id=\"SubmissionSetNode\" classifiedObject=\"{id}\" classificationNode=\"urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd\"/>\n"
    ));
}

fn slot(name: &str, value: &str) -> String {
    format!("<rim:Slot name=\"{name}\"><rim:ValueList><rim:Value>{}</rim:Value></rim:ValueList></rim:Slot>\n", escaped(value))
}

fn author(out: &mut String, of: &str, scheme: &str, from: &str) {
    out.push_str(&format!(
        "<rim:Classification id=\"{of}Author\" classificationScheme=\"{scheme}\" classifiedObject=\"{of}\" nodeRepresentation=\"\">\n{}</rim:Classification>\n",
        slot("authorInstitution", from)
    ));
}

fn coded(of: &str, n: usize, class: &str, code: &str, scheme: &str, shown: &str) -> String {
    format!(
        "<rim:Classification id=\"{of}Code{n:02}\" classificationScheme=\"{class}\" classifiedObject=\"{of}\" nodeRepresentation=\"{}\">\n{}\
         <rim:Name><rim:LocalizedString value=\"{}\"/></rim:Name></rim:Classification>\n",
        escaped(code),
        slot("codingScheme", scheme),
        escaped(shown)
    )
}

fn external(of: &str, scheme: &str, name: &str, value: &str) -> String {
    let suffix = name.rsplit('.').next().unwrap_or_default();
    format!(
        "<rim:ExternalIdentifier id=\"{of}{suffix}\" registryObject=\"{of}\" identificationScheme=\"{scheme}\" value=\"{}\">\
         <rim:Name><rim:LocalizedString value=\"{name}\"/></rim:Name></rim:ExternalIdentifier>\n",
        escaped(value)
    )
}

const AUTHOR: &str = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d";
const CLASS_CODE: &str = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a";
const TYPE_CODE: &str = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983";
const FORMAT: &str = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d";
const FACILITY: &str = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1";
const PRACTICE: &str = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead";
const CONFIDENTIALITY: &str = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f";
