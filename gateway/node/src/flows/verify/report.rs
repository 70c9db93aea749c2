//! What verification found, for people (French text) and for machines (JSON, exit code).
//!
//! Holds positions and counts; never a value that an opening gave.

use std::fmt;

use serde::Serialize;

use crate::log::SignedCheckpoint;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The input cannot be verified at all.
    Unusable,
    /// A signature is missing or false.
    Signature,
    /// Fewer witnesses than expected.
    Quorum,
    /// The root is not that of the entries or of the tiles.
    Root,
    /// An entry was altered, moved, added or removed.
    Entry,
    /// A tile was altered or is missing.
    Tile,
    /// Two checkpoints tell different histories.
    Consistency,
    /// A receipt is false, or its promise was not kept.
    Receipt,
    /// An opening does not match its commitment.
    Opening,
    /// What the log tells was not allowed to happen.
    Process,
    /// Times run backwards.
    Time,
}

impl FindingKind {
    const fn french(self) -> &'static str {
        match self {
            Self::Unusable => "Entrée inutilisable",
            Self::Signature => "Signature",
            Self::Quorum => "Témoins",
            Self::Root => "Racine",
            Self::Entry => "Entrée altérée",
            Self::Tile => "Tuile altérée",
            Self::Consistency => "Cohérence",
            Self::Receipt => "Accusé de réception",
            Self::Opening => "Ouverture",
            Self::Process => "Règle de procédure",
            Self::Time => "Horodatage",
        }
    }
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which kind.
    pub kind: FindingKind,
    /// Index of the entry, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
    /// File of the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What does not hold, in French.
    pub detail: String,
}

/// The whole result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log's identity.
    pub origin: String,
    /// How many entries the latest checkpoint states.
    pub size: u64,
    /// The root it states, base64.
    pub root: String,
    /// Entries read.
    pub entries: u64,
    /// Checkpoints read.
    pub checkpoints: u64,
    /// Cosignatures of pinned witnesses that verify.
    pub cosignatures: u64,
    /// Receipts whose entry is in the tree.
    pub receipts_included: u64,
    /// Receipts whose merge delay was not over at the latest known time.
    pub receipts_pending: u64,
    /// Entries whose openings match.
    pub openings_verified: u64,
    /// Entries whose openings have expired: as planned, not missing.
    pub openings_expired: u64,
    /// Entries whose openings this bundle does not hold.
    pub openings_withheld: u64,
    /// Deliveries and readings whose acceptance can no longer be matched, because openings expired or were withheld.
    pub unmatched_releases: u64,
    /// Entries that say that a backup was put back: what was signed after that copy is not in this log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<u64>,
    /// What does not hold; the first [`Report::MOST`].
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more_findings: u64,
}

impl Report {
    /// How many findings are kept one by one.
    pub const MOST: usize = 200;

    /// 0: everything holds; 1: something is false or broken; 2: nothing could be verified.
    pub fn exit_code(&self) -> u8 {
        if self.findings.iter().any(|finding| finding.kind != FindingKind::Unusable) {
            1
        } else if self.findings.is_empty() {
            0
        } else {
            2
        }
    }

    pub(super) fn add(&mut self, kind: FindingKind, leaf: Option<u64>, file: Option<&str>, detail: &str) {
        if self.findings.len() < Self::MOST {
            self.findings.push(Finding { kind, leaf, file: file.map(str::to_owned), detail: detail.to_owned() });
        } else {
            self.more_findings += 1;
        }
    }

    /// Takes up what was found of one bundle.
    pub(super) fn absorb(&mut self, of_bundle: Self) {
        self.entries += of_bundle.entries;
        self.openings_verified += of_bundle.openings_verified;
        self.openings_expired += of_bundle.openings_expired;
        self.openings_withheld += of_bundle.openings_withheld;
        self.more_findings += of_bundle.more_findings;
        for Finding { kind, leaf, file, detail } in of_bundle.findings {
            self.add(kind, leaf, file.as_deref(), &detail);
        }
    }

    pub(super) fn state(&mut self, note: &SignedCheckpoint) {
        self.origin.clone_from(&note.checkpoint.origin);
        self.size = note.checkpoint.size;
        self.root = note.checkpoint.root.to_string();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Journal {} : {} entrées, racine {}", self.origin, self.size, self.root)?;
        writeln!(f, "  entrées relues : {}", self.entries)?;
        writeln!(f, "  points de contrôle : {}, cosignatures de témoins : {}", self.checkpoints, self.cosignatures)?;
        writeln!(f, "  accusés inclus : {}, encore dans leur délai : {}", self.receipts_included, self.receipts_pending)?;
        writeln!(
            f,
            "  ouvertures vérifiées : {}, expirées : {}, non communiquées : {}",
            self.openings_verified, self.openings_expired, self.openings_withheld
        )?;
        if self.unmatched_releases > 0 {
            writeln!(f, "  remises non rapprochables d'un accord (ouvertures expirées ou non communiquées) : {}", self.unmatched_releases)?;
        }
        for leaf in &self.restored {
            writeln!(
                f,
                "  entrée n° {leaf} : une sauvegarde a été remise en place ; les accusés donnés entre cette copie et cette entrée n'y sont pas"
            )?;
        }
        for finding in &self.findings {
            write!(f, "✗ {}", finding.kind.french())?;
            if let Some(leaf) = finding.leaf {
                write!(f, ", entrée n° {leaf}")?;
            }
            if let Some(file) = &finding.file {
                write!(f, " ({file})")?;
            }
            writeln!(f, " : {}", finding.detail)?;
        }
        if self.more_findings > 0 {
            writeln!(f, "… et {} autres constats", self.more_findings)?;
        }
        match self.exit_code() {
            0 => f.write_str("Verdict : tout est vérifié."),
            1 => f.write_str("Verdict : le journal ou ses pièces sont altérés ou incomplets."),
            _ => f.write_str("Verdict : rien n'a pu être vérifié."),
        }
    }
}
