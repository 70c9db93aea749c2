//! FHIR R4 data types and resources as this room writes them: only the elements that it uses, in the order of the specification. They
//! hold names and words of persons: none has a `Debug`.

use serde::Serialize;
use serde_json::{Map, Value};

/// A coded value.
#[derive(Clone, Default, Serialize)]
pub(super) struct Coding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<String>,
    pub(super) code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<String>,
}

impl Coding {
    pub(super) fn new(system: &str, code: &str) -> Self {
        Self { system: Some(system.into()), code: code.into(), display: None }
    }

    pub(super) fn shown(self, display: &str) -> Self {
        Self { display: Some(display.into()), ..self }
    }
}

/// A concept, by one or more codes.
#[derive(Clone, Default, Serialize)]
pub(super) struct Concept {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) coding: Vec<Coding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

impl From<Coding> for Concept {
    fn from(coding: Coding) -> Self {
        Self { coding: vec![coding], text: None }
    }
}

/// An identifier with its authority.
#[derive(Clone, Serialize)]
pub(super) struct Identifier {
    pub(super) system: String,
    pub(super) value: String,
}

/// A reference, by an address in the Bundle or by an identifier.
#[derive(Clone, Default, Serialize)]
pub(super) struct Reference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identifier: Option<Identifier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<String>,
}

impl Reference {
    pub(super) fn to(address: impl Into<String>) -> Self {
        Self { reference: Some(address.into()), ..Self::default() }
    }

    pub(super) fn by(system: &str, value: impl Into<String>) -> Self {
        Self { identifier: Some(Identifier { system: system.into(), value: value.into() }), ..Self::default() }
    }
}

/// An extension: a value, or extensions of its own.
#[derive(Clone, Default, Serialize)]
pub(super) struct Extension {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) extension: Vec<Extension>,
    pub(super) url: String,
    /// `valueString` and the like with what stands there; nothing or one entry.
    #[serde(flatten)]
    pub(super) value: Map<String, Value>,
}

impl Extension {
    pub(super) fn new(url: &str, kind: &str, value: Value) -> Self {
        Self { extension: Vec::new(), url: url.into(), value: Map::from_iter([(kind.to_owned(), value)]) }
    }
}

/// Data about a resource.
#[derive(Clone, Default, Serialize)]
pub(super) struct Meta {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) profile: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) security: Vec<Coding>,
}

/// A name of a person.
#[derive(Clone, Default, Serialize)]
pub(super) struct HumanName {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) extension: Vec<Extension>,
    #[serde(rename = "use")]
    pub(super) usage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) family: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) given: Vec<String>,
}

/// A telephone or an e-mail.
#[derive(Clone, Serialize)]
pub(super) struct ContactPoint {
    pub(super) system: &'static str,
    pub(super) value: String,
}

/// A span of time of which only the start is written.
#[derive(Clone, Serialize)]
pub(super) struct Since {
    pub(super) start: String,
}

/// An address.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) extension: Vec<Extension>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) line: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) period: Option<Since>,
}

/// A Patient or a RelatedPerson: they share the elements used here.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    pub(super) resource_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    pub(super) meta: Meta,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) extension: Vec<Extension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patient: Option<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) relationship: Vec<Concept>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) name: Vec<HumanName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) telecom: Vec<ContactPoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gender: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) birth_date: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) address: Vec<Address>,
}

/// The head of a message.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageHeader {
    pub(super) resource_type: &'static str,
    pub(super) event_coding: Coding,
    pub(super) destination: Vec<Endpoint>,
    pub(super) sender: Reference,
    pub(super) source: Endpoint,
    pub(super) focus: Vec<Reference>,
}

/// An end of a message.
#[derive(Clone, Serialize)]
pub(super) struct Endpoint {
    pub(super) endpoint: String,
}

/// What was said to whom.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Communication {
    pub(super) resource_type: &'static str,
    pub(super) meta: Meta,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) extension: Vec<Extension>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) in_response_to: Vec<Reference>,
    pub(super) status: &'static str,
    pub(super) category: Vec<Concept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) priority: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) about: Vec<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<String>,
    pub(super) recipient: Vec<Reference>,
    pub(super) sender: Reference,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) payload: Vec<Payload>,
}

/// A part of what was said that stands in another resource.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    pub(super) content_reference: Reference,
}

/// A form that was filled in.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuestionnaireResponse {
    pub(super) resource_type: &'static str,
    pub(super) questionnaire: String,
    pub(super) status: &'static str,
    pub(super) item: Vec<Item>,
}

/// A question with its answers, or a group of questions.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) link_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) answer: Vec<Map<String, Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) item: Vec<Item>,
}

/// What is said of a file.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DocumentReference {
    pub(super) resource_type: &'static str,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) category: Vec<Concept>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) security_label: Vec<Concept>,
    pub(super) content: Vec<Content>,
}

/// A file of a DocumentReference.
#[derive(Clone, Serialize)]
pub(super) struct Content {
    pub(super) attachment: Attachment,
}

/// A file: where it is, and what it is.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attachment {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) extension: Vec<Extension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
}

/// The bytes of a file.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Binary {
    pub(super) resource_type: &'static str,
    pub(super) content_type: String,
    pub(super) data: String,
}

/// Something that waits for somebody.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    pub(super) resource_type: &'static str,
    pub(super) id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) identifier: Vec<Identifier>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) based_on: Vec<Reference>,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_reason: Option<Concept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) business_status: Option<Concept>,
    pub(super) intent: &'static str,
    pub(super) priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<Concept>,
    pub(super) focus: Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authored_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requester: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<Reference>,
}

/// What went wrong, or what is to be known.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationOutcome {
    pub(super) resource_type: &'static str,
    pub(super) issue: Vec<Issue>,
}

/// One thing of an OperationOutcome.
#[derive(Clone, Serialize)]
pub(super) struct Issue {
    pub(super) severity: &'static str,
    pub(super) code: &'static str,
    pub(super) details: Concept,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diagnostics: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) expression: Vec<String>,
}

/// A list of resources.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle {
    pub(super) resource_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identifier: Option<Identifier>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) link: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) entry: Vec<Entry>,
}

/// A page of a list.
#[derive(Clone, Serialize)]
pub(super) struct Link {
    pub(super) relation: &'static str,
    pub(super) url: String,
}

/// One resource of a Bundle.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) full_url: String,
    pub(super) resource: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) search: Option<Search>,
}

/// Why a resource is in a list.
#[derive(Clone, Serialize)]
pub(super) struct Search {
    pub(super) mode: &'static str,
}
