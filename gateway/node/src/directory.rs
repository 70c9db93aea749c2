//! The directory: institutions, units, professionals, issuers, as this gateway knows them today.
//!
//! The directory, and never a token or a certificate, says what somebody may do (invariant 11). Files of
//! `deploy/directory/` are a fictitious sample; real ones hold personal data and live outside the repository.
//! Loaded whole, checked whole, swapped whole: a request sees one version from start to end.

use std::{collections::BTreeMap, path::PathBuf};

use exchange::{InstitutionId, Kind, Party, ProfessionalId, ProtectionRole, Secrecy, UnitId};
use time::Date;

/// One version of the directory.
#[derive(Debug)]
pub struct Directory {
    /// Hex SHA-256 over the names and bytes of all files.
    pub(crate) hash: String,
    pub(crate) institutions: BTreeMap<InstitutionId, Institution>,
    pub(crate) professionals: BTreeMap<ProfessionalId, Professional>,
}

/// A member of this gateway.
#[derive(Debug, Clone)]
pub struct Institution {
    /// Directory id.
    pub id: InstitutionId,
    /// French name.
    pub name: String,
    /// Kind of the institution as a whole; a unit has its own.
    pub kind: Kind,
    /// Official codes that inform and do not identify: `siret`, `uai`, `finess`, `insee`.
    pub codes: BTreeMap<String, String>,
    /// INSEE code of the département it acts in (`31`).
    pub departement: String,
    /// Names of the certificate authorities (files of the trust folder, without extension) that may vouch for it.
    pub certificate_issuers: Vec<String>,
    /// Who signs its professionals' tokens.
    pub token_issuer: Option<TokenIssuer>,
    /// Its services.
    pub units: BTreeMap<UnitId, Unit>,
    /// First day served.
    pub from: Option<Date>,
    /// Last day served.
    pub to: Option<Date>,
}

/// A service of an institution.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Id inside the institution.
    pub id: UnitId,
    /// French name.
    pub name: String,
    /// The kind that rules speak of.
    pub kind: Kind,
    /// Telephone shown to those who must call it.
    pub telephone: Option<String>,
    /// Professional (subject of the institution's issuer) reminded first.
    pub lead: Option<String>,
    /// Professional to whom an overdue clock escalates.
    pub deputy: Option<String>,
    /// Where to push notices; absent: mailbox only.
    pub push: Option<PushEndpoint>,
}

/// How a unit is told that something waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEndpoint {
    /// `https://…`
    pub url: String,
    /// The endpoint is a case-management system whose institution answers for its readers.
    pub system: bool,
}

/// Who signs professional tokens for an institution.
#[derive(Debug, Clone)]
pub struct TokenIssuer {
    /// `iss`.
    pub issuer: String,
    /// Public keys (JWK, ES256 or EdDSA), by `kid`.
    pub keys: BTreeMap<String, serde_json::Value>,
}

/// A person who acts for an institution. Named here by an opaque id; the display name stays in the institution.
#[derive(Debug, Clone)]
pub struct Professional {
    /// (`iss`, `sub`).
    pub id: ProfessionalId,
    /// The institution for which this person acts.
    pub institution: InstitutionId,
    /// The units in which this person works.
    pub units: Vec<UnitId>,
    /// Profession code, for example `assistant-service-social`.
    pub profession: String,
    /// What binds this person to secrecy.
    pub secrecy: Secrecy,
    /// Part in child protection.
    pub protection: ProtectionRole,
    /// `agent-crip cadre-crip magistrat astreinte dpo auditeur administrateur reporter`.
    pub roles: Vec<Role>,
    /// What this person may do, and when.
    pub habilitations: Vec<Habilitation>,
}

/// What the gateway lets a professional do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Agent of the CRIP.
    AgentCrip,
    /// Head of the CRIP.
    CadreCrip,
    /// Magistrate.
    Magistrat,
    /// On-call decision maker.
    Astreinte,
    /// Data-protection officer.
    Dpo,
    /// Auditor.
    Auditeur,
    /// Administrator of the gateway.
    Administrateur,
    /// Reports.
    Reporter,
}

/// A dated right to act in one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habilitation {
    /// The unit whose exchanges this person may open and acknowledge.
    pub unit: UnitId,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Option<Date>,
}

/// One mistake in a directory or agreement file.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {what}; {cure}", file = file.display())]
pub struct DirectoryFault {
    /// File.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What would mend it.
    pub cure: String,
}

/// A party with what the directory knows of it.
#[derive(Debug, Clone)]
pub struct KnownParty<'a> {
    /// The party.
    pub party: Party,
    /// Its institution.
    pub institution: &'a Institution,
    /// Its unit, when one is named.
    pub unit: Option<&'a Unit>,
    /// The kind that rules speak of: the unit's, else the institution's.
    pub kind: &'a Kind,
}
