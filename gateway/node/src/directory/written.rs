//! The directory as its files write it: one struct per table, nothing checked but shape.
//!
//! Only `load` reads these; no other room may take a written word for a checked one.

use std::collections::BTreeMap;

use exchange::{InstitutionId, Kind, ProtectionRole, Secrecy, UnitId};
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use super::{PushEndpoint, Role};

/// `[[institution]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Institution {
    pub(super) id: Spanned<InstitutionId>,
    pub(super) name: String,
    pub(super) kind: Spanned<Kind>,
    #[serde(default)]
    pub(super) codes: BTreeMap<String, Spanned<String>>,
    pub(super) departement: Spanned<String>,
    #[serde(default)]
    pub(super) certificate_issuers: Vec<Spanned<String>>,
    pub(super) token_issuer: Option<Issuer>,
    #[serde(default)]
    pub(super) unit: Vec<Unit>,
    pub(super) from: Option<Spanned<Datetime>>,
    pub(super) to: Option<Spanned<Datetime>>,
}

/// `[institution.token_issuer]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) iss: Spanned<String>,
    /// A JWK set beside the TOML files; absent on disk: no key yet.
    pub(super) keys_file: Option<Spanned<String>>,
    /// JWK written in place.
    #[serde(default)]
    pub(super) keys: Vec<Spanned<BTreeMap<String, String>>>,
}

/// `[[institution.unit]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unit {
    pub(super) id: Spanned<UnitId>,
    pub(super) name: String,
    pub(super) kind: Spanned<Kind>,
    pub(super) telephone: Option<String>,
    pub(super) lead: Option<Spanned<String>>,
    pub(super) deputy: Option<Spanned<String>>,
    pub(super) push: Option<Spanned<PushEndpoint>>,
}

/// `[[professional]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Professional {
    pub(super) sub: Spanned<String>,
    pub(super) institution: Spanned<InstitutionId>,
    #[serde(default)]
    pub(super) units: Vec<Spanned<UnitId>>,
    pub(super) profession: String,
    pub(super) secrecy: Secrecy,
    pub(super) protection: ProtectionRole,
    #[serde(default)]
    pub(super) roles: Vec<Role>,
    #[serde(default)]
    pub(super) habilitation: Vec<Habilitation>,
}

/// `[[professional.habilitation]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Habilitation {
    pub(super) unit: Spanned<UnitId>,
    pub(super) from: Spanned<Datetime>,
    pub(super) to: Option<Spanned<Datetime>>,
}
