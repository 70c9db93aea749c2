//! A document as its reader may see it, as a FHIR message: persons, what was said, the form, the files.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::{
    DOCUMENT, FORM, TYPE, address, form,
    types::{
        Attachment, Binary, Bundle, Coding, Communication, Concept, Content, DocumentReference, Endpoint, Entry, Identifier, MessageHeader,
        Meta, Payload, QuestionnaireResponse, Reference,
    },
};
use crate::health::Hidden;

mod person;

/// Writes a document as a `message` Bundle. `files` are the bytes of `attachments[]`, in the same order; where one is missing or
/// empty, the Bundle holds the link that the document gives.
///
/// What was withheld is listed in the extension `urn:passerelle:fhir:document` of the Communication, which then bears the label
/// `REDACTED`; R55 is kept by the labels of TRE_A07 ([`Hidden::of`]).
///
/// # Errors
/// Never for a document that is a JSON object with text keys.
pub fn write(document: &Value, files: &[Vec<u8>]) -> Result<Vec<u8>, serde_json::Error> {
    let mut rest = document.as_object().cloned().unwrap_or_default();
    let labels = labels(document);
    let persons = person::write(rest.remove("subjects"))?;
    let (mut entries, files) = attachments(rest.remove("attachments"), files, &labels)?;
    entries.splice(0..0, persons.entries);
    // 1. What the message itself says.
    let kind = text(&mut rest, "type").unwrap_or_default();
    let sent = rest.get("accepted_at").and_then(Value::as_str).filter(|at| form::is_instant(at)).map(str::to_owned);
    let exchange = rest.get("exchange").and_then(Value::as_str).map(str::to_owned);
    let (sender, recipient) = (party(rest.remove("sender")), party(rest.remove("recipient")));
    let priority = priority(&mut rest);
    let answered = text(&mut rest, "in_reply_to").map(|id| Reference::by(URI, format!("urn:uuid:{id}")));
    // 2. The form: every other field of an envelope.
    let fields: Map<String, Value> = FORM.iter().filter_map(|name| Some(((*name).to_owned(), rest.remove(*name)?))).collect();
    let item = form::items("", &fields);
    let mut payload: Vec<_> = files.into_iter().map(|file| Payload { content_reference: Reference::to(file) }).collect();
    if !item.is_empty() {
        let questionnaire = format!("urn:passerelle:fhir:questionnaire:{kind}");
        let filled = QuestionnaireResponse { resource_type: "QuestionnaireResponse", questionnaire, status: "completed", item };
        payload.insert(0, Payload { content_reference: Reference::to(address("form")) });
        entries.push(entry("form", &filled)?);
    }
    // 3. What was said to whom, with everything that is the gateway's word on this delivery.
    let said = Communication {
        resource_type: "Communication",
        meta: Meta { profile: Vec::new(), security: labels },
        extension: form::leaves(DOCUMENT, rest),
        in_response_to: answered.into_iter().collect(),
        status: "completed",
        category: vec![Coding::new(TYPE, &kind).into()],
        priority,
        subject: persons.children.first().cloned(),
        about: persons.children.iter().skip(1).cloned().collect(),
        sent: sent.clone(),
        recipient: vec![Reference::by(PARTY, &recipient)],
        sender: Reference::by(PARTY, &sender),
        payload,
    };
    entries.insert(0, entry("communication", &said)?);
    // 4. The head, first of a message.
    entries.insert(0, entry("header", &head(&kind, &sender, &recipient))?);
    let identifier = exchange.map(|id| Identifier { system: URI.into(), value: format!("urn:uuid:{id}") });
    let (resource_type, kind) = ("Bundle", "message");
    serde_json::to_vec(&Bundle { resource_type, identifier, kind, timestamp: sent, total: None, link: Vec::new(), entry: entries })
}

/// The head of a message that is about one Communication.
fn head(kind: &str, sender: &str, recipient: &str) -> MessageHeader {
    MessageHeader {
        resource_type: "MessageHeader",
        event_coding: Coding::new(TYPE, kind),
        destination: vec![Endpoint { endpoint: format!("{PARTY}:{recipient}") }],
        sender: Reference::by(PARTY, sender),
        source: Endpoint { endpoint: format!("{PARTY}:{sender}") },
        focus: vec![Reference::to(address("communication"))],
    }
}

/// The entry of a resource under an address of its own.
pub(super) fn entry(name: &str, resource: &impl serde::Serialize) -> Result<Entry, serde_json::Error> {
    Ok(Entry { full_url: address(name), resource: serde_json::to_value(resource)?, search: None })
}

/// Security labels: from whom the document is hidden, and whether something of it was withheld.
fn labels(document: &Value) -> Vec<Coding> {
    let mut labels: Vec<_> = Hidden::of(document).codes().map(|(code, shown)| Coding::new(Hidden::SYSTEM, code).shown(shown)).collect();
    if document.get("withheld").and_then(Value::as_array).is_some_and(|parts| !parts.is_empty()) {
        labels.push(Coding::new(OBSERVATION_VALUE, "REDACTED").shown("redacted"));
    }
    labels
}

/// The files: a description of each, and its bytes where they are given.
fn attachments(described: Option<Value>, files: &[Vec<u8>], labels: &[Coding]) -> Result<(Vec<Entry>, Vec<String>), serde_json::Error> {
    let (mut entries, mut addresses) = (Vec::new(), Vec::new());
    let Some(Value::Array(described)) = described else { return Ok((entries, addresses)) };
    for (n, about) in described.into_iter().enumerate() {
        let Value::Object(mut about) = about else { continue };
        let bytes = files.get(n).filter(|bytes| !bytes.is_empty());
        let media_type = text(&mut about, "media_type");
        let link = text(&mut about, "content");
        let url = if bytes.is_some() { Some(address(&format!("binary-{n}"))) } else { link };
        let size = about
            .get("size")
            .and_then(Value::as_u64)
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| i32::try_from(*size).is_ok());
        if size.is_some() {
            about.remove("size");
        }
        let hash = bytes.map(|bytes| BASE64.encode(Sha1::digest(bytes)));
        let title = text(&mut about, "title");
        let class = text(&mut about, "class");
        let extension = form::leaves(super::ATTACHMENT, about);
        let attachment = Attachment { extension, content_type: media_type.clone(), url, size, hash, title };
        let reference = DocumentReference {
            resource_type: "DocumentReference",
            status: "current",
            category: class.map(|class| Coding::new(super::CLASS, &class).into()).into_iter().collect(),
            security_label: labels
                .iter()
                .filter(|label| label.system.as_deref() == Some(Hidden::SYSTEM))
                .cloned()
                .map(Concept::from)
                .collect(),
            content: vec![Content { attachment }],
        };
        addresses.push(address(&format!("document-{n}")));
        entries.push(entry(&format!("document-{n}"), &reference)?);
        if let Some(bytes) = bytes {
            let content_type = media_type.unwrap_or_else(|| "application/octet-stream".into());
            entries.push(entry(&format!("binary-{n}"), &Binary { resource_type: "Binary", content_type, data: BASE64.encode(bytes) })?);
        }
    }
    Ok((entries, addresses))
}

/// A party as the certificates write it: `departement-31`, or `departement-31:unit:crip`.
pub(super) fn party(party: Option<Value>) -> String {
    let text = |at: &str| party.as_ref().and_then(|party| party.get(at)).and_then(Value::as_str);
    match (text("institution"), text("unit")) {
        (Some(institution), Some(unit)) => format!("{institution}:unit:{unit}"),
        (institution, _) => institution.unwrap_or("inconnue").to_owned(),
    }
}

/// The priority of FHIR that an urgency is; a word that is no urgency stays where it was.
fn priority(rest: &mut Map<String, Value>) -> Option<&'static str> {
    let code = priority_of(rest.get("urgency")?.as_str()?)?;
    rest.remove("urgency");
    Some(code)
}

/// `batch` is not said by FHIR: it is ordinary, and no type of a hospital has it.
pub(super) fn priority_of(urgency: &str) -> Option<&'static str> {
    match urgency {
        "immediate" => Some("stat"),
        "priority" => Some("urgent"),
        "ordinary" => Some("routine"),
        _ => None,
    }
}

/// Takes a text that is not empty.
pub(super) fn text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    map.get(key)?.as_str().filter(|text| !text.is_empty())?;
    match map.remove(key) {
        Some(Value::String(text)) => Some(text),
        other => {
            map.insert(key.into(), json!(other));
            None
        }
    }
}

/// The system of identifiers that are URIs.
pub(super) const URI: &str = "urn:ietf:rfc:3986";
/// The system of institutions and units of the directory.
pub(super) const PARTY: &str = "urn:passerelle:institution";
const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
