//! The list of a drop's files. JSON, since the project reads JSON strictly already (no key twice, no doubtful number) and since a
//! signature over its exact bytes needs no canonical form of anything.

use exchange::{Instant, InstitutionId, canonical};
use serde_json::{Value, json};

use crate::{
    drop::name::{DropName, Part, Sequence},
    reading::{Finding, Place, Refused},
};

/// What one partner says it left for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Who left the drop.
    pub sender: InstitutionId,
    /// For whom.
    pub recipient: InstitutionId,
    /// Its number between the two.
    pub sequence: Sequence,
    /// When its sender closed it.
    pub instant: Instant,
    /// Its files, by rank.
    pub files: Vec<Listed>,
}

/// One file of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, of this sender and this drop.
    pub name: DropName,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads the bytes that were signed.
    ///
    /// # Errors
    /// Every place that is not as it should be: above 1 MiB or [`MAX_FILES`], not strict JSON, a member missing or unknown, a file of
    /// another sender or drop, ranks that do not count from 1.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > MAX_BYTES {
            return Err(Finding::new(Place::Whole, "too-large", "Le manifeste dépasse 1 Mio.").into());
        }
        let value = canonical::parse(bytes).map_err(|e| Refused::from(Finding::new(Place::Whole, "not-json", said(&e))))?;
        let mut reading = Members { at: "$".to_owned(), value: &value, findings: Vec::new() };
        reading.only(&["version", "sender", "recipient", "sequence", "instant", "files"]);
        reading.take("version", |value| (value == &json!(VERSION)).then_some(()), "le nombre 1");
        let sender = reading.take("sender", institution, "l’identifiant d’une institution de l’annuaire");
        let recipient = reading.take("recipient", institution, "l’identifiant d’une institution de l’annuaire");
        let sequence = reading.take("sequence", |value| value.as_u64().and_then(Sequence::new), "un nombre de 1 à 9 999 999 999");
        let instant = reading.take("instant", |value| value.as_str()?.parse().ok(), "un instant (RFC 3339)");
        let list = reading.take("files", Value::as_array, "une liste");
        let mut findings = reading.findings;
        let files = list.map(|list| listed(list, &mut findings)).unwrap_or_default();
        match (sender, recipient, sequence, instant) {
            (Some(sender), Some(recipient), Some(sequence), Some(instant)) if findings.is_empty() => {
                let manifest = Self { sender, recipient, sequence, instant, files };
                manifest.consistent()?;
                Ok(manifest)
            }
            _ => Err(Refused(findings)),
        }
    }

    /// The bytes to sign and to leave: RFC 8785, so that the same list is always the same bytes.
    ///
    /// # Errors
    /// What [`Manifest::read`] would refuse.
    pub fn write(&self) -> Result<Vec<u8>, Refused> {
        self.consistent()?;
        let files: Vec<Value> =
            self.files.iter().map(|file| json!({"name": file.name.to_string(), "size": file.size, "sha256": file.sha256})).collect();
        let value = json!({
            "version": VERSION, "sender": self.sender, "recipient": self.recipient, "sequence": self.sequence.number(),
            "instant": self.instant, "files": files,
        });
        canonical::bytes(&value).map_err(|_| Finding::new(Place::Whole, "unwritable", "Le manifeste n’a pas pu être écrit.").into())
    }

    /// Its own name in the drop.
    pub fn name(&self) -> DropName {
        DropName { sender: self.sender.clone(), sequence: self.sequence, part: Part::Manifest }
    }

    fn consistent(&self) -> Result<(), Refused> {
        let mut findings = Vec::new();
        if self.files.is_empty() {
            findings.push(Finding::new(Place::Path("$.files".into()), "missing", "Le manifeste ne liste aucun fichier."));
        }
        if self.files.len() > MAX_FILES {
            let detail = format!("Le manifeste liste plus de {MAX_FILES} fichiers.");
            findings.push(Finding::new(Place::Path("$.files".into()), "too-many", detail));
        }
        for (at, file) in self.files.iter().enumerate().take(MAX_FILES) {
            let ours = file.name.sender == self.sender && file.name.sequence == self.sequence;
            if !ours || !matches!(&file.name.part, Part::File { rank, .. } if usize::from(*rank) == at + 1) {
                let detail = "Le nom du fichier n’est pas celui du dépôt et de son rang.";
                let cure = format!("Nommez-le {}_{}_{:03}, avec son extension.", self.sender, self.sequence, at + 1);
                findings.push(Finding::new(Place::Path(format!("$.files[{at}].name")), "bad-name", detail).cured_by(cure));
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(Refused(findings)) }
    }
}

fn listed(list: &[Value], findings: &mut Vec<Finding>) -> Vec<Listed> {
    let files = list.iter().take(MAX_FILES + 1).enumerate().filter_map(|(at, value)| {
        let mut reading = Members { at: format!("$.files[{at}]"), value, findings: Vec::new() };
        reading.only(&["name", "size", "sha256"]);
        let name = reading.take("name", |value| value.as_str()?.parse().ok(), "le nom d’un fichier de dépôt");
        let size = reading.take("size", Value::as_u64, "un nombre d’octets");
        let sha256 = reading.take("sha256", digest, "64 chiffres hexadécimaux minuscules");
        findings.append(&mut reading.findings);
        Some(Listed { name: name?, size: size?, sha256: sha256? })
    });
    files.collect()
}

/// The members of one object, each asked for once; what is wrong is gathered with its place.
pub(super) struct Members<'a> {
    pub(super) at: String,
    pub(super) value: &'a Value,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Members<'a> {
    /// Reports members that the format has not: how many, since their names are somebody's invention.
    pub(super) fn only(&mut self, known: &[&str]) {
        let unknown = self.value.as_object().map_or(0, |members| members.keys().filter(|key| !known.contains(&key.as_str())).count());
        if unknown > 0 {
            let detail = format!("{unknown} membre(s) que le format n’a pas.");
            self.findings.push(Finding::new(Place::Path(self.at.clone()), "unknown-member", detail));
        }
    }

    /// A member that must be there.
    pub(super) fn take<T>(&mut self, name: &str, read: impl FnOnce(&'a Value) -> Option<T>, what: &str) -> Option<T> {
        let place = || Place::Path(format!("{}.{name}", self.at));
        let (finding, taken) = match self.value.get(name) {
            None => (Some(Finding::new(place(), "missing", format!("Il manque {what}."))), None),
            Some(value) => match read(value) {
                None => (Some(Finding::new(place(), "bad-value", format!("Il faut ici {what}."))), None),
                taken => (None, taken),
            },
        };
        self.findings.extend(finding);
        taken
    }
}

pub(super) fn institution(value: &Value) -> Option<InstitutionId> {
    value.as_str()?.parse().ok()
}

pub(super) fn said(unreadable: &canonical::Unreadable) -> String {
    match unreadable {
        canonical::Unreadable::NotUtf8(_) => "Le fichier n’est pas en UTF-8.".into(),
        canonical::Unreadable::NotJson { line, column } => format!("Le fichier n’est pas du JSON : ligne {line}, colonne {column}."),
        canonical::Unreadable::DuplicateKey { line, column } => format!("Un membre y est deux fois : ligne {line}, colonne {column}."),
        canonical::Unreadable::TooDeep => "Le fichier est imbriqué trop profondément.".into(),
    }
}

fn digest(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))).then(|| text.to_owned())
}

/// Most files of a drop: a rank has three digits.
pub const MAX_FILES: usize = 999;

const MAX_BYTES: usize = 1 << 20;
const VERSION: u8 = 1;
