//! Entries: what is written in the log, as salted commitments that say nothing to whom has no opening.
//!
//! A leaf is canonical JSON (RFC 8785) with the version, the instant fixed at acceptance, the event, the hash of
//! the policy set, and one commitment per field. It holds no name, no pseudonym, no identifier. Salts and values
//! are the openings: they live elsewhere, sealed, and expire.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use exchange::{Instant, canonical};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{event::Event, tree::Hash};

/// Names of committed fields that `verify` reads its process rules from. Flows may commit others.
pub mod field {
    /// Exchange id, text.
    pub const EXCHANGE: &str = "exchange";
    /// `"permit"` or `"refusal"`, or an object with that text under `result`.
    pub const DECISION: &str = "decision";
    /// List of `{"professional", "role"}`: who approved a re-identification.
    pub const APPROVERS: &str = "approvers";
}

/// Why an entry is not made, read or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A value that JSON cannot write.
    #[error("field `{0}` cannot be written as JSON")]
    Unwritable(String),
    /// The same field twice in one entry.
    #[error("field `{0}` is committed twice")]
    Twice(String),
    /// The system gave no random bytes: no entry, hence no release.
    #[error("no randomness")]
    NoRandomness,
    /// The leaf is longer than a tile entry may be.
    #[error("a leaf of `{0}` bytes is too long")]
    TooLong(usize),
    /// The bytes are not a leaf of version 1 in canonical form.
    #[error("not a canonical leaf")]
    NotALeaf,
    /// An opening for a field that the leaf does not commit to.
    #[error("the leaf does not commit to `{0}`")]
    NotCommitted(String),
    /// An opening that does not give the commitment.
    #[error("the opening of `{0}` does not match its commitment")]
    Mismatch(String),
}

/// An entry being written.
pub struct Entry {
    event: Event,
    time: Instant,
    policy: String,
    values: BTreeMap<String, Value>,
    fault: Option<EntryError>,
}

impl Entry {
    /// An entry for `event` at `time`, under the policy set of this hash.
    pub fn new(event: Event, time: Instant, policy_set: &str) -> Self {
        Self { event, time, policy: policy_set.to_owned(), values: BTreeMap::new(), fault: None }
    }

    /// Commits to one field. A fault shows at [`Entry::finish`].
    #[must_use]
    pub fn commit(mut self, name: &str, value: &impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => {
                if self.values.insert(name.to_owned(), value).is_some() {
                    self.fault.get_or_insert(EntryError::Twice(name.to_owned()));
                }
            }
            Err(_) => {
                self.fault.get_or_insert(EntryError::Unwritable(name.to_owned()));
            }
        }
        self
    }

    /// Draws the salts and writes the leaf.
    ///
    /// # Errors
    /// [`EntryError`]: a field that cannot be written or came twice, no randomness, a leaf too long for a tile.
    pub fn finish(self, random: &SystemRandom) -> Result<SealedEntry, EntryError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut openings = Openings::default();
        let mut commitments = BTreeMap::new();
        for (name, value) in self.values {
            let mut salt = [0; 32];
            random.fill(&mut salt).map_err(|_| EntryError::NoRandomness)?;
            let opening = Opening { salt, value };
            commitments.insert(name.clone(), Commitment(opening.commitment(&name)?));
            openings.0.insert(name, opening);
        }
        let leaf = Leaf { time: self.time, event: self.event, policy: self.policy, commitments }.bytes()?;
        Ok(SealedEntry { hash: Hash::leaf(&leaf), leaf, openings })
    }
}

/// An entry ready to be stored: the leaf for everybody, the openings for the sealed table.
pub struct SealedEntry {
    /// Canonical JSON of the leaf.
    pub leaf: Vec<u8>,
    /// Its RFC 6962 hash, which the receipt names.
    pub hash: Hash,
    /// Salts and values; to be sealed.
    pub openings: Openings,
}

impl fmt::Debug for SealedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedEntry({})", self.hash)
    }
}

/// A leaf, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// When it happened, fixed at acceptance.
    pub time: Instant,
    /// What happened.
    pub event: Event,
    /// Hash of the policy set in force.
    pub policy: String,
    commitments: BTreeMap<String, Commitment>,
}

impl Leaf {
    /// Reads a leaf: version 1, nothing more, nothing less, canonical to the byte.
    ///
    /// # Errors
    /// [`EntryError::NotALeaf`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let value = canonical::parse(bytes).map_err(|_| EntryError::NotALeaf)?;
        let form = LeafForm::deserialize(value).map_err(|_| EntryError::NotALeaf)?;
        let leaf = Self { time: form.time, event: form.event, policy: form.policy, commitments: form.c };
        if form.v == VERSION && leaf.bytes()? == bytes { Ok(leaf) } else { Err(EntryError::NotALeaf) }
    }

    fn bytes(&self) -> Result<Vec<u8>, EntryError> {
        let Self { time, event, policy, commitments } = self.clone();
        let form = LeafForm { v: VERSION, time, event, policy, c: commitments };
        let bytes = canonical::bytes(&form).map_err(|_| EntryError::NotALeaf)?;
        if bytes.len() > usize::from(u16::MAX) { Err(EntryError::TooLong(bytes.len())) } else { Ok(bytes) }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeafForm {
    v: u8,
    time: Instant,
    event: Event,
    policy: String,
    c: BTreeMap<String, Commitment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Commitment(#[serde(with = "url_bytes")] [u8; 32]);

/// Salts and values of an entry's fields. Written only to sealed storage and to whom may read them.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Openings(BTreeMap<String, Opening>);

impl Openings {
    /// Checks that each opening gives its commitment. Fields without an opening here are not looked at.
    ///
    /// # Errors
    /// [`EntryError::NotCommitted`], [`EntryError::Mismatch`] with the first field that fails.
    pub fn verify(&self, leaf: &Leaf) -> Result<(), EntryError> {
        for (name, opening) in &self.0 {
            let commitment = leaf.commitments.get(name).ok_or_else(|| EntryError::NotCommitted(name.clone()))?;
            if opening.commitment(name)? != commitment.0 {
                return Err(EntryError::Mismatch(name.clone()));
            }
        }
        Ok(())
    }

    /// The openings of these fields only: what one party may have.
    #[must_use]
    pub fn subset(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(n, o)| (n.clone(), o.clone())).collect())
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).map(|opening| &opening.value)
    }
}

impl fmt::Debug for Openings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Openings(..)")
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    #[serde(with = "url_bytes")]
    salt: [u8; 32],
    value: Value,
}

impl Opening {
    /// HMAC-SHA-256 keyed by the salt over name ‖ 0x00 ‖ canonical value.
    fn commitment(&self, name: &str) -> Result<[u8; 32], EntryError> {
        let value = canonical::bytes(&self.value).map_err(|_| EntryError::Unwritable(name.to_owned()))?;
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.salt));
        context.update(name.as_bytes());
        context.update(&[0x00]);
        context.update(&value);
        context.sign().as_ref().try_into().map_err(|_| EntryError::Unwritable(name.to_owned()))
    }
}

mod url_bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(de::Error::custom)?;
        bytes.try_into().map_err(|_| de::Error::custom("not 32 bytes"))
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SealedEntry {
        Entry::new(Event::ExchangeAccepted, "2026-03-02T10:40:01.500Z".parse().unwrap(), "ab12")
            .commit(field::EXCHANGE, &"0190b8c5-0000-7000-8000-000000000000")
            .commit(field::DECISION, &"permit")
            .finish(&SystemRandom::new())
            .unwrap()
    }

    #[test]
    fn a_leaf_holds_commitments_and_nothing_else() {
        let entry = sample();
        let text = String::from_utf8(entry.leaf.clone()).unwrap();
        assert!(text.starts_with(r#"{"c":{"decision":""#), "{text}");
        assert!(text.ends_with(r#""event":"exchange.accepted","policy":"ab12","time":"2026-03-02T10:40:01.500Z","v":1}"#));
        assert!(!text.contains("0190b8c5") && !text.contains("permit"));
        let leaf = Leaf::parse(&entry.leaf).unwrap();
        entry.openings.verify(&leaf).unwrap();
        entry.openings.subset(&[field::DECISION]).verify(&leaf).unwrap();
        assert_eq!(entry.openings.subset(&[field::DECISION]).value(field::EXCHANGE), None);
        assert_ne!(sample().hash, entry.hash, "salts are drawn anew");
        assert!(!format!("{entry:?} {:?}", entry.openings).contains("permit"));
    }

    #[test]
    fn the_commitment_is_the_hmac_of_the_specification() {
        let opening = Opening { salt: [7; 32], value: serde_json::json!({"b": 1, "a": "é"}) };
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), "decision\0{\"a\":\"é\",\"b\":1}".as_bytes());
        assert_eq!(opening.commitment("decision").unwrap(), expected.as_ref());
    }

    #[test]
    fn an_altered_opening_is_found() {
        let entry = sample();
        let leaf = Leaf::parse(&entry.leaf).unwrap();
        let stored = serde_json::to_string(&entry.openings).unwrap();
        let altered: Openings = serde_json::from_str(&stored.replace("permit", "refusal")).unwrap();
        assert_eq!(altered.verify(&leaf), Err(EntryError::Mismatch("decision".into())));
        let renamed: Openings = serde_json::from_str(&stored.replace("decision", "motive")).unwrap();
        assert_eq!(renamed.verify(&leaf), Err(EntryError::NotCommitted("motive".into())));
        assert_eq!(serde_json::from_str::<Openings>(&stored).unwrap(), entry.openings);
    }

    #[test]
    fn refuses_what_is_not_a_canonical_leaf() {
        let leaf = String::from_utf8(sample().leaf).unwrap();
        for altered in [
            leaf.replace("\"v\":1", "\"v\":2"),
            leaf.replace("\"v\":1", "\"v\":1,\"x\":0"),
            leaf.replace("{\"c\"", "{ \"c\""),
            leaf.replace(".500Z", ".5Z"),
            leaf.replace("accepted", "invented"),
        ] {
            assert_eq!(Leaf::parse(altered.as_bytes()), Err(EntryError::NotALeaf), "{altered}");
        }
        let twice = Entry::new(Event::BreakGlass, Instant::from_unix_ms(0), "p").commit("a", &1).commit("a", &1);
        assert_eq!(twice.finish(&SystemRandom::new()).unwrap_err(), EntryError::Twice("a".into()));
        let long = Entry::new(Event::BreakGlass, Instant::from_unix_ms(0), &"p".repeat(70_000));
        assert!(matches!(long.finish(&SystemRandom::new()), Err(EntryError::TooLong(_))));
    }

    #[test]
    fn every_event_has_its_own_text() {
        for event in Event::ALL {
            assert_eq!(event.as_str().parse::<Event>().unwrap(), event);
        }
    }
}
