//! The directory: institutions, units, professionals, issuers, as this gateway knows them today.
//!
//! The directory, and never a token or a certificate, says what somebody may do (invariant 11). Files of
//! `deploy/directory/` are a fictitious sample; real ones hold personal data and live outside the repository.
//! Loaded whole, checked whole, swapped whole: a request sees one version from start to end.

pub mod change;
pub mod codes;
pub mod day;
pub mod keys;
mod load;
mod written;

use std::collections::BTreeMap;

use exchange::{AgreementId, InstitutionId, Kind, Party, ProfessionalId, ProtectionRole, Secrecy, UnitId};
use time::Date;

/// One version of the directory.
#[derive(Debug)]
pub struct Directory {
    /// Hex SHA-256 over the names and bytes of all files.
    pub(crate) hash: String,
    pub(crate) institutions: BTreeMap<InstitutionId, Institution>,
    pub(crate) professionals: BTreeMap<ProfessionalId, Professional>,
}

impl Directory {
    /// Hex SHA-256 over the names and bytes of all files: which directory a decision was made with.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The institution of this id.
    pub fn institution(&self, id: &InstitutionId) -> Option<&Institution> {
        self.institutions.get(id)
    }

    /// Every institution, by id.
    pub fn institutions(&self) -> impl Iterator<Item = &Institution> {
        self.institutions.values()
    }

    /// The institution whose professionals this issuer signs for.
    pub fn institution_of_issuer(&self, issuer: &str) -> Option<&Institution> {
        self.institutions.values().find(|institution| institution.token_issuer.as_ref().is_some_and(|known| known.issuer == issuer))
    }

    /// What is known of a party; nothing when its institution or the unit it names is unknown.
    pub fn party(&self, party: &Party) -> Option<KnownParty<'_>> {
        let institution = self.institutions.get(&party.institution)?;
        let unit = match &party.unit {
            Some(id) => Some(institution.units.get(id)?),
            None => None,
        };
        let kind = unit.map_or(&institution.kind, |unit| &unit.kind);
        Some(KnownParty { party: party.clone(), institution, unit, kind })
    }

    /// The professional of this issuer and subject.
    pub fn professional(&self, id: &ProfessionalId) -> Option<&Professional> {
        self.professionals.get(id)
    }

    /// Every professional, by issuer and subject.
    pub fn professionals(&self) -> impl Iterator<Item = &Professional> {
        self.professionals.values()
    }

    /// The professionals of an institution who have a function, by their ids.
    pub fn holders(&self, institution: &InstitutionId, role: Role) -> impl Iterator<Item = &Professional> {
        self.professionals.values().filter(move |person| person.institution == *institution && person.has_role(role))
    }

    /// The (institution, unit) pairs of a kind, in the order of their ids.
    pub fn units_of_kind(&self, kind: &Kind) -> Vec<(&Institution, &Unit)> {
        let all = self.institutions.values().flat_map(|institution| institution.units.values().map(move |unit| (institution, unit)));
        all.filter(|(_, unit)| &unit.kind == kind).collect()
    }
}

impl Institution {
    /// Whether this gateway serves the institution on a day: both its first and its last day count.
    pub fn served_on(&self, on: Date) -> bool {
        within(self.from, self.to, on)
    }
}

impl Professional {
    /// Whether this person may open and acknowledge the exchanges of a unit of its institution on a day.
    pub fn habilitated(&self, unit: &UnitId, on: Date) -> bool {
        self.habilitations.iter().any(|held| &held.unit == unit && within(Some(held.from), held.to, on))
    }

    /// Whether any habilitation is in date: somebody who left, or was never habilitated, has none.
    pub fn in_service(&self, on: Date) -> bool {
        self.habilitations.iter().any(|held| within(Some(held.from), held.to, on))
    }

    /// Whether this is no person but the entry of a system that reads: it gets drops, and nothing by the door.
    pub fn is_system(&self) -> bool {
        self.profession == SYSTEM
    }

    /// Whether the directory gives this role.
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// In the place of a profession: a system of an institution.
const SYSTEM: &str = "systeme";

fn within(from: Option<Date>, to: Option<Date>, on: Date) -> bool {
    from.is_none_or(|first| first <= on) && to.is_none_or(|last| on <= last)
}

/// A member of this gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushEndpoint {
    /// `https://…`; `sftp:<institution>`: a drop of files, or `mssante:<institution>`: a secure mail, where the partner file of that
    /// institution says.
    pub url: String,
    /// The endpoint is a case-management system whose institution answers for its readers.
    #[serde(default)]
    pub system: bool,
    /// Subject of the entry under which the directory lists that system: it reads with the secrecy and the habilitation of that
    /// entry, and acknowledges in its name.
    #[serde(default)]
    pub reader: Option<String>,
    /// The agreement that lets a system read.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
}

impl PushEndpoint {
    /// The institution whose partner file says where drops are left, when this is one.
    pub fn dropped_at(&self) -> Option<&str> {
        self.url.strip_prefix(DROP)
    }

    /// The institution whose partner file says to which mailbox mails go, when this is one.
    pub fn mailed_to(&self) -> Option<&str> {
        self.url.strip_prefix(MAIL)
    }

    /// The partner whose own file says how it is reached, when this is one.
    pub fn partner(&self) -> Option<&str> {
        self.dropped_at().or_else(|| self.mailed_to())
    }
}

/// How the address of a drop begins.
const DROP: &str = "sftp:";
/// How the address of a mailbox begins: the mailbox itself stands in the partner file.
const MAIL: &str = "mssante:";

/// Who signs professional tokens for an institution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIssuer {
    /// `iss`.
    pub issuer: String,
    /// Public keys (JWK, ES256 or EdDSA), by `kid`.
    pub keys: BTreeMap<String, serde_json::Value>,
}

/// A person who acts for an institution. Named here by an opaque id; the display name stays in the institution.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::AgentCrip,
        Self::CadreCrip,
        Self::Magistrat,
        Self::Astreinte,
        Self::Dpo,
        Self::Auditeur,
        Self::Administrateur,
        Self::Reporter,
    ];

    /// The word of the directory files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentCrip => "agent-crip",
            Self::CadreCrip => "cadre-crip",
            Self::Magistrat => "magistrat",
            Self::Astreinte => "astreinte",
            Self::Dpo => "dpo",
            Self::Auditeur => "auditeur",
            Self::Administrateur => "administrateur",
            Self::Reporter => "reporter",
        }
    }

    /// The role of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
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
