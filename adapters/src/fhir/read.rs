//! A Bundle becomes one letter: persons, the form and the texts, the files, who wrote, and what is left.

use std::collections::HashMap;

use exchange::canonical::{self, Unreadable};
use serde_json::{Map, Value, json};

use super::{
    TYPE,
    node::{Node, RESOURCE, Rest, resource_path, without_marks},
    write::{PARTY, URI, party},
};
use crate::{
    health::{self, Context, Hidden, identifier},
    reading::{Beside, Finding, Letter, Place, Reading, Refused},
};

mod author;
mod content;
mod file;
mod opened;
mod person;

pub use opened::{Asked, Named, Opened};

/// How large a Bundle may be. Larger files go as parts of a multipart deposit.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// How many values a Bundle may have: large ones are files, and a file is one text.
const MAX_VALUES: usize = 200_000;
/// How many entries a Bundle may have.
const MAX_ENTRIES: usize = 500;

/// Reads a Bundle: a message, a transaction or another list of resources that says its exchange type in
/// `MessageHeader.eventCoding`, `Communication.category` or `Composition.type`.
///
/// # Errors
/// [`Refused`] when the bytes are not a JSON Bundle, are too large, or nothing says which exchange it is.
pub fn read(bytes: &[u8], context: &Context) -> Result<Reading, Refused> {
    Ok(Opened::of(bytes)?.read(context))
}

/// Reads a Bundle whose entries are apart.
fn understand(mut bundle: Map<String, Value>, mut entries: Vec<Entry>, kind: &'static str, context: &Context) -> Reading {
    let index = Index::of(&entries);
    let mut reader = Reader {
        context,
        kind,
        index,
        fields: Map::new(),
        subjects: Vec::new(),
        attachments: Vec::new(),
        files: Vec::new(),
        hidden: Hidden::default(),
        author: None,
        rest: Rest { keep_ins: context.health_leg, keep_beside: health::keeps_beside(kind), beside: Vec::new(), reported: Vec::new() },
    };
    let mut whole = Node::open("Bundle".into(), &mut bundle);
    drop_meta(&mut whole);
    reader.labels(&mut whole, "meta", "security");
    // 1. Each resource by its kind; whatever refers to another has read it before.
    let mut binaries = reader.binaries(&mut entries);
    if health::names_persons(kind) {
        reader.persons(&mut entries);
    }
    reader.each(&mut entries, "QuestionnaireResponse", Reader::form);
    reader.each(&mut entries, "MessageHeader", Reader::header);
    reader.communication(&mut entries, &mut binaries);
    reader.each(&mut entries, "Composition", Reader::composition);
    reader.documents(&mut entries, &mut binaries);
    reader.author(&mut entries);
    // 2. What is left of each, and of the Bundle itself.
    reader.finish(bundle, entries)
}

/// A Bundle half read.
struct Reader<'a> {
    context: &'a Context,
    kind: &'static str,
    index: Index,
    /// The parts of the envelope that the Bundle says: `payload`, `information`, `urgency`…
    fields: Map<String, Value>,
    subjects: Vec<Map<String, Value>>,
    attachments: Vec<Map<String, Value>>,
    files: Vec<Vec<u8>>,
    hidden: Hidden,
    /// The entry of whoever wrote.
    author: Option<usize>,
    rest: Rest,
}

/// A resource of the Bundle.
struct Entry {
    kind: String,
    at: String,
    full_url: Option<String>,
    resource: Map<String, Value>,
}

impl Entry {
    fn node(&mut self) -> Node<'_> {
        let mut node = Node::open(self.at.clone(), &mut self.resource);
        node.drop_all(&["resourceType", "id", "language"]);
        if let Some(mut text) = node.child("text")
            && matches!(text.peek_text("status"), Some("generated" | "empty"))
        {
            // Made of the other elements: says nothing that they do not.
            text.drop_all(&["status", "div", "id"]);
        }
        drop_meta(&mut node);
        node
    }
}

impl Reader<'_> {
    fn each(&mut self, entries: &mut [Entry], kind: &str, mut read: impl FnMut(&mut Self, Node<'_>)) {
        for entry in entries.iter_mut().filter(|entry| entry.kind == kind) {
            if self.taken_back(entry) {
                continue;
            }
            let mut node = entry.node();
            self.labels(&mut node, "meta", "security");
            read(self, node);
        }
    }

    /// Whether the sender took a resource back: it then stays beside as a whole, and is told. Its words are no facts.
    fn taken_back(&mut self, entry: &Entry) -> bool {
        let back = is_error(&entry.resource);
        if back {
            let kept = if self.rest.keep_beside { "gardé à part" } else { "rien n’en est gardé" };
            let detail = format!("L’expéditeur dit que ceci a été saisi par erreur : ce n’est pas repris ; {kept}.");
            self.rest.report(&entry.at, "entered-in-error", &detail);
        }
        back
    }

    /// Writes a text below a path of the payload, after what stands there; beside where something else stands there.
    fn say(&mut self, at: &str, path: &str, text: &str) {
        if !text.trim().is_empty() && !health::append(&mut self.fields, &format!("payload.{path}"), text) {
            self.rest.keep(at.to_owned(), "", json!(text));
        }
    }

    /// Adds an item to a list of the payload; beside where something else stands there.
    fn add(&mut self, at: &str, list: &str, item: Value) {
        let payload = self.fields.entry("payload").or_insert_with(|| Value::Object(Map::new()));
        if !payload.as_object_mut().is_some_and(|payload| health::push(payload, list, item.clone())) {
            self.rest.keep(at.to_owned(), "", item);
        }
    }

    fn header(&mut self, mut head: Node<'_>) {
        if let Some(mut event) = head.child("eventCoding") {
            take_type(&mut event, self.kind);
        }
        for key in ["author", "responsible", "enterer"] {
            let found = self.resolve(&mut head, key);
            self.author = self.author.or(found);
        }
        self.party(&mut head, "sender", true);
        self.resolve(&mut head, "focus");
        if let Some(mut source) = head.child("source") {
            // The machine that sent, which the certificate names better.
            source.drop_all(&["endpoint", "name", "software", "version"]);
        }
        let index = &self.index;
        head.each("destination", |_, mut end| {
            end.drop_all(&["endpoint", "name"]);
            end.refer("receiver", |address| index.of_address(address));
        });
    }

    /// References to somebody: the party that the edge knows, or a resource of the Bundle, which then may be the author.
    fn party(&mut self, node: &mut Node<'_>, key: &str, sends: bool) {
        let known = party(Some(json!(if sends { &self.context.sender } else { &self.context.recipient })));
        node.each(key, |_, mut reference| {
            if let Some(mut identifier) = reference.child("identifier")
                && identifier.peek_text("system") == Some(PARTY)
                && identifier.peek_text("value") == Some(&known)
            {
                identifier.drop_all(&["use", "system", "value"]);
                reference.drop_all(&["type", "display"]);
            }
        });
        let found = self.resolve(node, key);
        self.author = self.author.or(found.filter(|_| sends));
    }

    /// Takes the references of an element that lead to an entry of the Bundle.
    fn resolve(&self, node: &mut Node<'_>, key: &str) -> Option<usize> {
        node.refer(key, |address| self.index.of_address(address))
    }

    /// Takes the labels that hide a document (R55), whatever bears them.
    fn labels(&mut self, node: &mut Node<'_>, of: &str, list: &str) {
        let hidden = &mut self.hidden;
        if let Some(mut meta) = node.child(of) {
            meta.each(list, |_, mut label| {
                let ours =
                    label.peek_text("system").is_none_or(|system| system == Hidden::SYSTEM || identifier::oid(system) == Hidden::SCHEME);
                if ours && label.peek_text("code").is_some_and(|code| hidden.note(code)) {
                    label.drop_all(&["system", "code", "display", "version", "userSelected"]);
                }
            });
        }
    }

    fn finish(mut self, bundle: Map<String, Value>, entries: Vec<Entry>) -> Reading {
        for entry in entries {
            match entry.kind.as_str() {
                "Patient" | "RelatedPerson" if !health::names_persons(self.kind) => {
                    self.rest.keep(entry.at, RESOURCE, Value::Object(entry.resource));
                }
                // A Binary that is no file any more, and resources of which a part was taken.
                "Patient"
                | "RelatedPerson"
                | "MessageHeader"
                | "Communication"
                | "Composition"
                | "QuestionnaireResponse"
                | "DocumentReference"
                | "Binary"
                | "Practitioner"
                | "PractitionerRole"
                | "Organization" => {
                    self.rest.of(&entry.at, entry.resource);
                }
                _ => self.rest.keep(entry.at, RESOURCE, Value::Object(entry.resource)),
            }
        }
        self.rest.of("Bundle", bundle);
        let mut envelope = health::route(self.kind, self.context);
        envelope.extend(self.fields);
        envelope.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
        let list = |items: Vec<Map<String, Value>>| Value::Array(items.into_iter().map(Value::Object).collect());
        if !self.subjects.is_empty() {
            envelope.insert("subjects".into(), list(self.subjects));
        }
        if !self.attachments.is_empty() {
            envelope.insert("attachments".into(), list(self.attachments));
        }
        let envelope = Value::Object(envelope);
        for (code, _) in self.hidden.unsaid(&envelope).codes() {
            let at = Place::Path("Bundle.entry.resource.meta.security".into());
            let (detail, cure) = (health::HIDDEN.into(), Some(health::HIDDEN_CURE.into()));
            self.rest.beside.push(Beside { place: at.clone(), value: json!(code) });
            self.rest.reported.push(Finding { place: at, code: "hidden", detail, cure });
        }
        Reading { letters: vec![Letter { envelope, attachments: self.files, beside: self.rest.beside }], reported: self.rest.reported }
    }
}

/// Where the entries of a Bundle are: by full address, and by kind and id for references that are relative.
struct Index(HashMap<String, usize>);

impl Index {
    fn of(entries: &[Entry]) -> Self {
        let mut index = HashMap::new();
        for (n, entry) in entries.iter().enumerate() {
            let id = entry.resource.get("id").and_then(Value::as_str).map(|id| format!("{}/{id}", entry.kind));
            for address in entry.full_url.iter().cloned().chain(id) {
                index.entry(address).or_insert(n);
            }
        }
        Self(index)
    }

    fn of_reference(&self, reference: &Value) -> Option<usize> {
        self.of_address(reference.get("reference")?.as_str()?)
    }

    fn of_address(&self, address: &str) -> Option<usize> {
        self.0.get(address).copied()
    }
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Refused> {
    if bytes.len() > MAX_BYTES {
        return Err(refused("too-large", "Le Bundle est trop volumineux.", "Envoyez les fichiers à part, en « multipart/related »."));
    }
    if values(bytes) > MAX_VALUES {
        return Err(refused("too-many", "Le Bundle a trop d’éléments.", "Un Bundle porte un seul échange, en 500 ressources au plus."));
    }
    // Some programs begin UTF-8 with its mark.
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let mut value = canonical::parse(bytes).map_err(|error| {
        let detail = match error {
            Unreadable::NotUtf8(at) => format!("Ce n’est pas de l’UTF-8 à l’octet {at}."),
            Unreadable::NotJson { line, column } => format!("Ce n’est pas du JSON, ligne {line}, colonne {column}."),
            Unreadable::DuplicateKey { line, column } => format!("Une même clé est donnée deux fois, ligne {line}, colonne {column}."),
            Unreadable::TooDeep => format!("Le document a plus de {} niveaux.", canonical::MAX_DEPTH),
        };
        refused("not-json", &detail, "Envoyez un Bundle FHIR R4 en JSON.")
    })?;
    without_marks(&mut value);
    if let Value::Object(map) = value
        && map.get("resourceType").and_then(Value::as_str) == Some("Bundle")
    {
        return Ok(map);
    }
    Err(refused("not-a-bundle", "La ressource n’est pas un Bundle.", "Placez la Communication et ce qu’elle cite dans un Bundle."))
}

const BOM: &[u8] = "\u{feff}".as_bytes();

/// How many values a JSON text has at most, before it is read: what stands in texts does not count.
fn values(bytes: &[u8]) -> usize {
    let (mut count, mut quoted, mut escaped) = (1, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

/// Takes the resources out of a Bundle.
fn entries(bundle: &mut Map<String, Value>) -> Result<Vec<Entry>, Refused> {
    let mut found = Vec::new();
    let mut node = Node::open("Bundle".into(), bundle);
    node.drop_all(&["resourceType", "id", "language", "timestamp", "total"]);
    node.drop_if("type", &["message", "transaction"]);
    if let Some(mut identifier) = node.child("identifier")
        && identifier.peek_text("system") == Some(URI)
    {
        // The id of the Bundle itself.
        identifier.drop_all(&["use", "system", "value"]);
    }
    let count = node.peek("entry").and_then(Value::as_array).map_or(0, Vec::len);
    if count > MAX_ENTRIES {
        return Err(refused("too-many", "Le Bundle a trop de ressources.", "Un Bundle porte un seul échange, en 500 ressources au plus."));
    }
    // Not `each`: it stops earlier, and every resource must be seen.
    if let Some(Value::Array(all)) = node.take("entry") {
        let mut left = Vec::new();
        for (n, item) in all.into_iter().enumerate() {
            let mut entry = match item {
                Value::Object(entry) => entry,
                other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                    left.push(other);
                    continue;
                }
            };
            if !entry.get("resource").is_some_and(Value::is_object) {
                // It brings nothing, and asks for something: it stays whole, and is told.
                let _ = Node::open(format!("Bundle.entry[{n}]"), &mut entry);
                left.push(Value::Object(entry));
                continue;
            }
            // How the sender’s server would have stored it. What is not what it should be stays, and is told.
            let mut node = Node::open(format!("Bundle.entry[{n}]"), &mut entry);
            let full_url = node.text("fullUrl");
            if let Some(Value::Object(resource)) = node.take("resource") {
                let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default().to_owned();
                found.push(Entry { at: resource_path(n, &kind), kind, full_url, resource });
            }
            node.drop_all(&["id"]);
            if let Some(mut request) = node.child("request") {
                // Another wish than to bring it is not granted.
                request.drop_if("method", &["POST", "PUT"]);
                request.drop_all(&["url"]);
            }
            left.push(Value::Object(entry));
        }
        bundle.insert("entry".into(), Value::Array(left));
    }
    Ok(found)
}

/// The type that the Bundle says: its head first, then what was said, then the document; each of them, if there are several, until
/// one says it.
fn exchange_type(entries: &[Entry]) -> Option<&'static str> {
    let of = |kind: &str, element: &str| {
        let mut all = entries.iter().filter(|entry| entry.kind == kind).filter_map(|entry| entry.resource.get(element));
        all.find_map(type_of)
    };
    of("MessageHeader", "eventCoding").or_else(|| of("Communication", "category")).or_else(|| of("Composition", "type"))
}

/// The exchange type that a coding, a concept or a list of them says.
fn type_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Array(all) => all.iter().find_map(type_of),
        Value::Object(one) => {
            let text = |key: &str| one.get(key).and_then(Value::as_str);
            let code = text("code").filter(|_| text("system") == Some(TYPE));
            let own = code.and_then(|code| health::TYPES.into_iter().find(|known| *known == code));
            own.or_else(|| one.get("coding").and_then(type_of))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Whether a sender took a resource back: it was entered in error.
fn is_error(resource: &Map<String, Value>) -> bool {
    resource.get("status").and_then(Value::as_str) == Some("entered-in-error")
}

/// Leaves out what a server says of a resource; labels stay.
fn drop_meta(node: &mut Node<'_>) {
    if let Some(mut meta) = node.child("meta") {
        meta.texts("profile");
        meta.drop_all(&["lastUpdated", "versionId", "source", "id"]);
    }
}

/// Takes a coding that says the exchange type once more.
fn take_type(coding: &mut Node<'_>, kind: &str) {
    if coding.peek_text("system") == Some(TYPE) && coding.peek_text("code") == Some(kind) {
        coding.drop_all(&["system", "code", "display", "version", "userSelected"]);
    }
}

fn no_type() -> Refused {
    let finding = Finding {
        place: Place::Path("Bundle.entry.resource.ofType(MessageHeader).event".into()),
        code: "unknown-type",
        detail: "Rien ne dit de quel échange il s’agit.".into(),
        cure: Some(format!("Donnez dans « eventCoding » un code du système {TYPE} : {}.", health::TYPES.join(", "))),
    };
    Refused(vec![finding])
}

fn refused(code: &'static str, detail: &str, cure: &str) -> Refused {
    Refused(vec![Finding { place: Place::Whole, code, detail: detail.into(), cure: Some(cure.into()) }])
}
