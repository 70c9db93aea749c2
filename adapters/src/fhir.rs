//! FHIR R4 (4.0.1) with the French core profiles: what a hospital's information system sends and reads as JSON.
//!
//! [`read`] takes a Bundle apart into one [`Letter`](crate::reading::Letter); [`write()`] makes the Bundle of a document as its
//! reader may see it; the other writers answer requests of a FHIR client. What each element becomes, and what is lost, stands in
//! the room's README. Nothing here decides who may read what: the document comes from the gateway with that decided.

mod answer;
mod capability;
mod form;
mod names;
mod node;
mod outcome;
mod read;
mod task;
mod types;
mod write;

pub use answer::{Accepted, of_accepted};
pub use capability::capability_statement;
pub use outcome::{of_findings, of_problem, of_refused};
pub use read::{Asked, MAX_BYTES, Named, Opened, read};
pub use task::{Answer, Page, mailbox, read_answer, task};
pub use write::write;

/// The media type of everything in this room.
pub const MEDIA_TYPE: &str = "application/fhir+json";

/// Our code system of exchange types: the codes are those of the catalogue.
pub const TYPE: &str = "urn:passerelle:fhir:type";
/// Our code system of sections of a Composition; the codes stand in the README.
pub const SECTION: &str = "urn:passerelle:fhir:section";
/// Our code system of dangers that are feared (CL-danger).
pub const DANGER: &str = "urn:passerelle:fhir:danger";
/// Our code system of roles of persons (CL-role).
pub const ROLE: &str = "urn:passerelle:fhir:role";
/// Our code system of classes of files (CL-classe-piece).
pub const CLASS: &str = "urn:passerelle:fhir:class";

/// Our code system of what a unit answers: `not-for-us`, and `read-back` for the code told on the telephone.
pub const ANSWER: &str = "urn:passerelle:fhir:answer";

/// Extension of a person: what neither Patient nor RelatedPerson has.
const SUBJECT: &str = "urn:passerelle:fhir:subject";
/// Extension of a file: its name, its SHA-256.
const ATTACHMENT: &str = "urn:passerelle:fhir:attachment";
/// Extension of a Communication: what the gateway says of the delivery, and what it withheld.
const DOCUMENT: &str = "urn:passerelle:fhir:document";

/// The parts of an envelope that are fields of the form (QuestionnaireResponse).
const FORM: [&str; 9] = ["payload", "information", "necessity", "purpose", "legal_basis", "agreement", "case", "exclus", "rectifies"];

/// Where FR Core defines its profiles and extensions.
const FR_CORE: &str = "https://hl7.fr/ig/fhir/core/StructureDefinition/";
const GIVEN_NAMES: &str = "fr-core-patient-birth-list-given-name";
const INSEE_CODE: &str = "fr-core-address-insee-code";
const RELIABILITY: &str = "fr-core-identity-reliability";
const BIRTH_PLACE: &str = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace";
/// Codes of communes (INSEE).
const INSEE: &str = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM";
/// Family links.
const ROLE_CODE: &str = "https://mos.esante.gouv.fr/NOS/TRE_R216-HL7RoleCode/FHIR/TRE-R216-HL7RoleCode";

/// The address of an entry in a Bundle of ours.
fn address(name: &str) -> String {
    format!("urn:passerelle:fhir:entry:{name}")
}

#[cfg(test)]
mod tests;
