//! What the tests of several rooms begin with: who sends to whom, the catalogue, what was told.

use exchange::{Party, Urgency};

use crate::{
    health,
    mapping::{self, Known},
    reading::Finding,
};

const COMPONENTS: &str = include_str!("../../policies/catalogue/_components.toml");
const CODES: &str = include_str!("../../policies/catalogue/_codes.toml");

/// A party, as `institution` or `institution:unit`.
pub(crate) fn party(name: &str) -> Party {
    let (institution, unit) = name.split_once(':').map_or((name, None), |(institution, unit)| (institution, Some(unit)));
    Party { institution: institution.parse().unwrap(), unit: unit.map(|unit| unit.parse().unwrap()) }
}

/// What the edge knows of what a hospital sends.
pub(crate) fn hospital(recipient: &str) -> health::Context {
    let (sender, recipient) = (party("chu-toulouse:pediatrie"), party(recipient));
    health::Context { sender, recipient, purpose: None, legal_basis: Vec::new(), health_leg: false }
}

/// What the edge knows of a file of records.
pub(crate) fn records(sender: &str, recipient: &str) -> mapping::Context {
    let (sender, recipient) = (party(sender), party(recipient));
    let (purpose, legal_basis, agreement, in_reply_to) = (None, Vec::new(), None, None);
    mapping::Context { sender, recipient, purpose, legal_basis, agreement, urgency: Urgency::Ordinary, in_reply_to }
}

/// A type of the catalogue.
pub(crate) fn known(kind: &str) -> Known {
    Known::parse(kind, COMPONENTS, CODES).unwrap()
}

/// What was told, and where.
pub(crate) fn told(findings: &[Finding]) -> Vec<(&'static str, String)> {
    findings.iter().map(|finding| (finding.code, finding.place.to_string())).collect()
}

/// What was told.
pub(crate) fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).collect()
}
