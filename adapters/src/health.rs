//! What a hospital's two formats ([`fhir`](crate::fhir) and [`xdm`](crate::xdm)) share: identifiers of persons and structures,
//! codes that hide a document, family links, and what the gateway's edge knows and no file of a hospital can tell.
//!
//! A NIR or an INS never becomes a key here: it is recognised so that it can be left out (R56, R57).

use exchange::Party;
use serde_json::{Map, Value, json};

use crate::reading;

pub mod identifier;
pub mod link;
pub(crate) mod section;

/// What the edge knows of an exchange: the format of a hospital names institutions by codes that the directory does not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Who sends, from the certificate.
    pub sender: Party,
    /// To whom, from the address the bytes were given at.
    pub recipient: Party,
    /// Purpose of the exchange (CL-purpose), where the type has more than one.
    pub purpose: Option<String>,
    /// Articles, where the type has more than one.
    pub legal_basis: Vec<String>,
    /// Whether the recipient is of the health leg: a qualified INS is then kept beside (R56), and left out otherwise (R57).
    pub health_leg: bool,
}

/// The exchange types that a hospital's formats can say.
pub const TYPES: [&str; 4] = ["information-preoccupante", "signalement", "copie-signalement", "reponse-information"];

/// Whether an exchange type names persons: an answer does not, since the question it answers did.
pub(crate) fn names_persons(kind: &str) -> bool {
    kind != "reponse-information"
}

/// Whether what an exchange type has no place for is kept sealed beside it: of danger nothing is lost, of an answer it is told.
pub(crate) fn keeps_beside(kind: &str) -> bool {
    kind != "reponse-information"
}

/// From whom a document is hidden where the DMP and MSSanté keep it (R55).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    /// From the holders of parental authority.
    pub guardians: bool,
    /// From the patient.
    pub patient: bool,
}

impl Hidden {
    /// OID of TRE_A07-StatutVisibiliteDocument, the coding scheme of XDS metadata.
    pub const SCHEME: &str = "1.2.250.1.213.1.1.4.13";
    /// The same code system in FHIR.
    pub const SYSTEM: &str = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument";

    /// What R55 asks of a document that is about danger: hidden from the guardians unless its sender wrote that they were told
    /// and nothing in it suspects one of them; hidden from the child where its sender wrote why the child was not told.
    /// What the reader may not see counts as suspicion.
    pub fn of(document: &Value) -> Self {
        let text = |at: &str| document.pointer(at).and_then(Value::as_str);
        let told = text("/information/parents/informed") == Some("faite");
        let withheld = document.pointer("/withheld").and_then(Value::as_array).is_some_and(|parts| !parts.is_empty());
        let suspected = text("/payload/auteur_presume/lien").is_some_and(|link| !matches!(link, "professionnel" | "autre"));
        let patient = text("/information/child/informed").is_some_and(|informed| informed.starts_with("non-faite"));
        Self { guardians: !told || suspected || withheld, patient }
    }

    /// Adds what a code says, in the form of XDS and FHIR or in that of HL7 v2. `false`: not one of these codes.
    pub fn note(&mut self, code: &str) -> bool {
        match code {
            "INVISIBLE_REPRESENTANTS_LEGAUX" | "INVISIBLE_REP_LEGAUX" => self.guardians = true,
            "INVISIBLE_PATIENT" => self.patient = true,
            _ => return false,
        }
        true
    }

    /// The codes with their French labels, in the form of XDS and FHIR.
    pub fn codes(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let guardians = ("INVISIBLE_REPRESENTANTS_LEGAUX", "Non visible par les représentants légaux du patient");
        let patient = ("INVISIBLE_PATIENT", "Document non visible par le patient");
        self.guardians.then_some(guardians).into_iter().chain(self.patient.then_some(patient))
    }

    /// What these labels say and an envelope does not: somebody must not see it, and whoever reads it has to know.
    pub(crate) fn unsaid(self, envelope: &Value) -> Self {
        let said = Self::of(envelope);
        Self { guardians: self.guardians && !said.guardians, patient: self.patient && !said.patient }
    }

    /// The codes in the form of HL7 v2 (table MetaDMPMSS).
    pub fn codes_v2(self) -> impl Iterator<Item = &'static str> {
        self.guardians.then_some("INVISIBLE_REP_LEGAUX").into_iter().chain(self.patient.then_some("INVISIBLE_PATIENT"))
    }
}

/// Whether an address must not be revealed (R64). What is no clear “no” hides it.
pub(crate) fn is_hidden(address: &Map<String, Value>) -> bool {
    address.get("hidden").is_some_and(|hidden| !matches!(hidden, Value::Bool(false) | Value::Null))
}

/// Leaves of every hidden address below a value nothing but the mark: for a format whose readers would part the two.
pub(crate) fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if is_hidden(members) {
                members.retain(|name, _| name == "hidden");
            }
            members.values_mut().for_each(mask);
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The parts of an envelope that the edge knows.
pub(crate) fn route(kind: &str, context: &Context) -> Map<String, Value> {
    reading::route(kind, [&context.sender, &context.recipient], context.purpose.as_deref(), &context.legal_basis)
}

/// Writes below `path` of an object (`constats_sante.texte`): after what stands there, parted by an empty line. `false`, and
/// nothing written, where something else than a text stands there.
pub(crate) fn append(fields: &mut Map<String, Value>, path: &str, text: &str) -> bool {
    match path.split_once('.') {
        Some((step, rest)) => {
            let below = fields.entry(step).or_insert_with(|| Value::Object(Map::new()));
            below.as_object_mut().is_some_and(|below| append(below, rest, text))
        }
        None => match fields.get_mut(path) {
            Some(Value::String(before)) => {
                before.push_str("\n\n");
                before.push_str(text);
                true
            }
            Some(_) => false,
            None => fields.insert(path.into(), json!(text)).is_none(),
        },
    }
}

/// Adds an item to a list of an object. `false`, and nothing added, where something else than a list stands there.
pub(crate) fn push(fields: &mut Map<String, Value>, list: &str, item: Value) -> bool {
    match fields.entry(list).or_insert_with(|| Value::Array(Vec::new())) {
        Value::Array(items) => {
            items.push(item);
            true
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
    }
}

/// The list of given names out of the text that holds them all, parted by blanks; the first one, where it is known, may itself be
/// of two words.
pub(crate) fn given_names(all: &str, first: Option<&str>) -> Vec<String> {
    let rest = first.and_then(|first| all.strip_prefix(first)).filter(|rest| rest.is_empty() || rest.starts_with([' ', ',']));
    let words = rest.unwrap_or(all).split([' ', ',']).filter(|word| !word.is_empty());
    first.filter(|_| rest.is_some()).into_iter().chain(words).map(str::to_owned).collect()
}

/// Said of a label that hides a document.
pub(crate) const HIDDEN: &str = "Le document est signalé comme ne devant pas être vu des représentants légaux ou du patient.";
/// What cures it.
pub(crate) const HIDDEN_CURE: &str = "Dites dans l’échange si la famille et l’enfant sont informés, et pourquoi s’ils ne le sont pas.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_hidden_from_whoever_it_may_suspect() {
        let hidden = |document: Value| Hidden::of(&document);
        assert_eq!(hidden(json!({})), Hidden { guardians: true, patient: false });
        let told = json!({"parents": {"informed": "faite"}, "child": {"informed": "faite"}});
        assert_eq!(hidden(json!({"information": told})), Hidden::default());
        assert!(hidden(json!({"information": told, "payload": {"auteur_presume": {"lien": "pere"}}})).guardians);
        assert!(hidden(json!({"information": told, "withheld": [{"part": "infraction"}]})).guardians);
        assert!(!hidden(json!({"information": told, "payload": {"auteur_presume": {"lien": "professionnel"}}})).guardians);
        assert!(hidden(json!({"information": {"child": {"informed": "non-faite-age-maturite"}}})).patient);
    }

    #[test]
    fn the_codes_of_both_formats_say_the_same() {
        let both = Hidden { guardians: true, patient: true };
        for codes in [both.codes().map(|(code, _)| code).collect::<Vec<_>>(), both.codes_v2().collect()] {
            let mut read = Hidden::default();
            assert!(codes.into_iter().all(|code| read.note(code)));
            assert_eq!(read, both);
        }
        assert!(!Hidden::default().note("MASQUE_PS"));
    }
}
