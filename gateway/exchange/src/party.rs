//! Who takes part: institutions, their units, their professionals, and what the law calls their secrecy.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, word};

word!(/// An institution of the directory, for example `departement-31`. Codes (SIRET, UAI, FINESS) inform, they do not identify.
    InstitutionId, 2, 60, b'-');
word!(/// A service inside an institution, for example `crip` or `mds-blagnac`.
    UnitId, 2, 60, b'-');
word!(/// The kind of an (institution, unit) that rules speak of, one of `_kinds.toml`, for example `en-sante-social`.
    Kind, 2, 60, b'-');

/// One end of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Directory id of the institution.
    pub institution: InstitutionId,
    /// The service concerned; absent for the institution as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitId>,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Some(unit) => write!(f, "{}/{unit}", self.institution),
            None => write!(f, "{}", self.institution),
        }
    }
}

/// A professional: the issuer that speaks for the institution and an opaque directory id (never a name).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfessionalId {
    /// `iss` of the token, for example `urn:passerelle:institution:dsden-31`.
    pub issuer: String,
    /// `sub` of the token: an opaque id of the directory.
    pub subject: String,
}

impl fmt::Display for ProfessionalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.issuer, self.subject)
    }
}

/// What binds a professional to secrecy (C. pén. 226-13), as the directory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secrecy {
    /// By profession: physician, nurse, social worker.
    Profession,
    /// By mission: participates in ASE missions (CASF L221-6).
    Mission,
    /// By function: magistrate, agent of a body bound by law.
    Fonction,
    /// Not bound: discretion only.
    Aucun,
}

impl Secrecy {
    /// The word of code list CL-secret.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Profession => "profession",
            Self::Mission => "mission",
            Self::Fonction => "fonction",
            Self::Aucun => "aucun",
        }
    }
}

/// The part somebody plays in child protection (CASF L226-2-2: both ends must implement or assist).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProtectionRole {
    /// Implements child-protection policy.
    Implements,
    /// Assists those who implement it.
    Assists,
    /// Judicial authority.
    Authority,
    /// None.
    None,
}

impl ProtectionRole {
    /// The word the directory files use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Implements => "implements",
            Self::Assists => "assists",
            Self::Authority => "authority",
            Self::None => "none",
        }
    }
}
