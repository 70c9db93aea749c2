//! A Bundle before it is read: which exchange it is, how its sender calls it, and whom it names. The edge has to know that first,
//! since the directory and the certificate say who sends and to whom, and not the Bundle.

use exchange::{ExchangeId, InstitutionId, Party, UnitId};
use serde_json::{Map, Value};

use super::{Entry, entries, exchange_type, no_type, parse, understand};
use crate::{
    fhir::write::{PARTY, URI},
    health::Context,
    reading::{Reading, Refused},
};

/// A Bundle whose type is known.
pub struct Opened {
    bundle: Map<String, Value>,
    entries: Vec<Entry>,
    kind: &'static str,
    asked: Asked,
    name: Option<(String, String)>,
}

/// What has to be known of a Bundle to answer it.
pub struct Asked {
    /// Its `type`: `message`, `transaction`, or another.
    pub(in crate::fhir) bundle: String,
    /// The id of its MessageHeader.
    pub(in crate::fhir) message: Option<String>,
    /// How many entries it has.
    pub(in crate::fhir) entries: usize,
    /// The exchange type.
    pub(in crate::fhir) kind: &'static str,
}

/// An institution, or a unit of one, that a Bundle names by its id of the directory.
pub struct Named {
    /// FHIRPath of the place.
    pub at: String,
    /// Who.
    pub party: Party,
}

impl Opened {
    /// Opens a Bundle.
    ///
    /// # Errors
    /// [`Refused`] when the bytes are not a JSON Bundle, are too large, or nothing says which exchange it is.
    pub fn of(bytes: &[u8]) -> Result<Self, Refused> {
        // 1. A Bundle with its entries apart.
        let mut bundle = parse(bytes)?;
        let text = |at: &str| bundle.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (called, count) = (text("type"), bundle.get("entry").and_then(Value::as_array).map_or(0, Vec::len));
        let identifier = bundle.get("identifier").and_then(|identifier| {
            let text = |key: &str| identifier.get(key).and_then(Value::as_str);
            Some(format!("{}|{}", text("system").unwrap_or_default(), text("value").filter(|value| !value.is_empty())?))
        });
        let entries = entries(&mut bundle)?;
        // 2. Which exchange it is: without that there is nobody to hand it to.
        let kind = exchange_type(&entries).ok_or_else(no_type)?;
        // 3. How its sender calls it.
        let head = entries.iter().find(|entry| entry.kind == "MessageHeader");
        let message = head.and_then(message_id);
        let by_message = head.zip(message.clone()).map(|(head, id)| (format!("{}.id", head.at), id));
        let name = identifier.map(|identifier| ("Bundle.identifier".to_owned(), identifier)).or(by_message);
        Ok(Self { bundle, entries, kind, asked: Asked { bundle: called, message, entries: count, kind }, name })
    }

    /// Reads it.
    pub fn read(self, context: &Context) -> Reading {
        understand(self.bundle, self.entries, self.kind, context)
    }

    /// The exchange type, a code of the catalogue.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// How its sender calls it: `Bundle.identifier`, else the id of the message. What is repeated has the same.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|(_, name)| name.as_str())
    }

    /// FHIRPath of the place that gives that name.
    pub fn named_at(&self) -> Option<&str> {
        self.name.as_ref().map(|(at, _)| at.as_str())
    }

    /// What has to be known to answer it, once it is read.
    pub fn asked(&self) -> Asked {
        let Asked { bundle, message, entries, kind } = &self.asked;
        Asked { bundle: bundle.clone(), message: message.clone(), entries: *entries, kind }
    }

    /// The exchange that it answers.
    pub fn answers(&self) -> Option<ExchangeId> {
        self.all("Communication", "inResponseTo").into_iter().find_map(|(_, reference)| {
            let identifier = reference.get("identifier").filter(|identifier| identifier.get("system").and_then(Value::as_str) == Some(URI));
            let address = identifier.and_then(|identifier| identifier.get("value")).or_else(|| reference.get("reference"));
            address?.as_str()?.strip_prefix("urn:uuid:")?.parse().ok()
        })
    }

    /// Every place that names who sends, by an id of the directory.
    pub fn senders(&self) -> Vec<Named> {
        let said = [("MessageHeader", "sender"), ("Communication", "sender")].into_iter().flat_map(|(kind, key)| self.referred(kind, key));
        let machine = self.all("MessageHeader", "source").into_iter().filter_map(|(at, source)| endpoint(at, source));
        said.chain(machine).collect()
    }

    /// Whom it is for, if it says so by an id of the directory.
    pub fn recipient(&self) -> Option<Named> {
        let said = self.referred("Communication", "recipient").into_iter().next();
        said.or_else(|| {
            self.all("MessageHeader", "destination").into_iter().find_map(|(at, end)| {
                let receiver = end.get("receiver").and_then(|receiver| identified(format!("{at}.receiver"), receiver));
                receiver.or_else(|| endpoint(at, end))
            })
        })
    }

    fn referred(&self, kind: &str, key: &str) -> Vec<Named> {
        self.all(kind, key).into_iter().filter_map(|(at, reference)| identified(at, reference)).collect()
    }

    /// An element of each resource of a kind, item by item where it repeats.
    fn all(&self, kind: &str, key: &str) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.kind == kind) {
            let at = format!("{}.{key}", entry.at);
            match entry.resource.get(key) {
                Some(Value::Array(items)) => found.extend(items.iter().enumerate().map(|(n, item)| (format!("{at}[{n}]"), item))),
                Some(one) => found.push((at, one)),
                None => {}
            }
        }
        found
    }
}

/// The id of a message; of one that has none, the UUID by which its entry is called.
fn message_id(entry: &Entry) -> Option<String> {
    let own = entry.resource.get("id").and_then(Value::as_str);
    let called = || entry.full_url.as_deref()?.strip_prefix("urn:uuid:");
    let plain = |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    own.or_else(called).filter(plain).map(str::to_owned)
}

fn identified(at: String, reference: &Value) -> Option<Named> {
    let identifier = reference.get("identifier")?;
    let text = |key: &str| identifier.get(key).and_then(Value::as_str);
    let party = party(text("value").filter(|_| text("system") == Some(PARTY))?)?;
    Some(Named { at: format!("{at}.identifier.value"), party })
}

fn endpoint(at: String, end: &Value) -> Option<Named> {
    let named = end.get("endpoint")?.as_str()?.strip_prefix(PARTY)?.strip_prefix(':')?;
    Some(Named { at: format!("{at}.endpoint"), party: party(named)? })
}

/// A party as certificates write it: `chu-toulouse`, or `chu-toulouse:unit:pediatrie`.
fn party(text: &str) -> Option<Party> {
    let (institution, unit) = match text.split_once(":unit:") {
        Some((institution, unit)) => (institution, Some(unit.parse::<UnitId>().ok()?)),
        None => (text, None),
    };
    Some(Party { institution: institution.parse::<InstitutionId>().ok()?, unit })
}
