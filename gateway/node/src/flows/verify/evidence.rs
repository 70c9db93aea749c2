//! One piece of evidence: what a party keeps of one exchange, and how it is checked without anybody's help.
//!
//! Pure: text in, report out.

use serde::{Deserialize, Serialize};

use super::{
    Trust,
    receipt::Receipt,
    report::{FindingKind, Report},
    rules::Opened,
};
use crate::log::{Hash, Leaf, LogProof, Openings, SignedCheckpoint};

/// The document of `GET /v1/exchanges/{id}/evidence`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The receipt, compact JWS, verbatim; only its addressee has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub receipt: Option<String>,
    /// The leaf: its canonical JSON as text, to the byte.
    pub entry: String,
    /// The openings that this person may have.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub openings: Option<Openings>,
    /// The retention time of the openings is over, and they were forgotten: nothing is missing.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub expired: bool,
    /// Inclusion proof with its checkpoint, C2SP tlog-proof text.
    pub proof: String,
    /// A later checkpoint, if one is known; must be signed too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkpoint: Option<String>,
}

/// Verifies one [`Evidence`] document offline.
pub fn verify_evidence(json: &str, trust: &Trust) -> Report {
    let mut report = Report::default();
    let Ok(evidence) = serde_json::from_str::<Evidence>(json) else {
        report.add(FindingKind::Unusable, None, None, "ce n'est pas un document de preuve");
        return report;
    };
    let (Ok(leaf), Ok(proof)) = (Leaf::parse(evidence.entry.as_bytes()), evidence.proof.parse::<LogProof>()) else {
        report.add(FindingKind::Unusable, None, None, "l'entrée ou la preuve d'inclusion est mal formée");
        return report;
    };
    // 1. The entry is in the tree that a pinned key signed.
    let hash = Hash::leaf(evidence.entry.as_bytes());
    report.state(&proof.checkpoint);
    (report.entries, report.checkpoints) = (1, 1);
    report.cosignatures = trust.log.signed(&proof.checkpoint).map_or(0, |times| times.len() as u64);
    if let Err(error) = proof.verify(&hash, &trust.log) {
        let detail = format!("la preuve d'inclusion ne tient pas ({error})");
        report.add(FindingKind::Root, Some(proof.index), None, &detail);
    }
    // 2. The openings are those that the entry commits to.
    let none = if evidence.expired { Opened::Expired } else { Opened::Withheld };
    let opened = evidence.openings.clone().map_or(none, Opened::Known);
    match evidence.openings.as_ref().map(|openings| openings.verify(&leaf)) {
        Some(Ok(())) => report.openings_verified = 1,
        Some(Err(error)) => report.add(FindingKind::Opening, Some(proof.index), None, &format!("ouverture fausse ({error})")),
        None if evidence.expired => report.openings_expired = 1,
        None => report.openings_withheld = 1,
    }
    // 3. The receipt is ours and promised this entry.
    if let Some(jws) = &evidence.receipt {
        let verified = Receipt::verify(jws, trust, &proof.checkpoint.checkpoint.origin);
        match verified.and_then(|r| if r.leaf == hash { r.compare(&leaf, &opened) } else { Err("l'accusé promet une autre entrée") }) {
            Ok(()) => report.receipts_included = 1,
            Err(reason) => report.add(FindingKind::Receipt, Some(proof.index), None, reason),
        }
    }
    // 4. The other checkpoint does not contradict the first.
    if let Some(text) = &evidence.checkpoint {
        let stated = &proof.checkpoint.checkpoint;
        match text.parse::<SignedCheckpoint>() {
            Ok(other) if trust.log.signed(&other).is_ok() => {
                report.checkpoints = 2;
                if other.checkpoint.origin != stated.origin
                    || (other.checkpoint.size == stated.size && other.checkpoint.root != stated.root)
                {
                    report.add(FindingKind::Consistency, None, None, "les deux points de contrôle se contredisent");
                }
            }
            _ => report.add(FindingKind::Signature, None, None, "le point de contrôle joint n'est pas signé par une clé épinglée"),
        }
    }
    report
}
