//! `verify` distrusts everything: it reads a folder or one evidence document and checks it against keys pinned outside.
//!
//! Reads files only: no database, no network, no clock. Entries are streamed; memory grows with the number of
//! exchanges and receipts (a few bytes each), never with the size of the log. Nothing it prints names anyone.

mod evidence;
mod receipt;
mod report;
mod rules;
mod walk;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use exchange::Instant;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde_json::Value;

pub use evidence::{Evidence, verify_evidence};
pub use report::{Finding, FindingKind, Report};

use crate::log::{
    Hash, LogTrust, SignedCheckpoint, VerifierKey,
    bundle::{CHECKPOINT, CHECKPOINTS, RECEIPTS},
};
use receipt::Receipts;
use rules::Rules;

/// What the verifier believes: pinned by whoever verifies, never read from what is verified.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Keys of the log and of witnesses, and the quorum.
    pub log: LogTrust,
    /// Keys that sign receipts, retired ones too.
    pub receipts: JwkSet,
    /// How far an entry's time may lie behind that of an earlier entry: entries wait for the notary.
    pub tolerance: Duration,
}

impl Default for Trust {
    fn default() -> Self {
        Self { log: LogTrust::default(), receipts: JwkSet { keys: Vec::new() }, tolerance: Duration::from_secs(60) }
    }
}

/// A key that was to be pinned cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnusablePin {
    /// Not a C2SP verifier key.
    #[error("`{0}` is not a verifier key (name+hash+base64)")]
    Key(String),
    /// Not a JWK set.
    #[error("the receipt keys are not a JWK set")]
    Receipts,
}

impl Trust {
    /// Believes these keys and no other: C2SP verifier keys of the log and of witnesses, a JWK set for receipts.
    ///
    /// # Errors
    /// [`UnusablePin`].
    pub fn pinned(logs: &[String], receipts: Option<&Value>, witnesses: &[String], quorum: usize) -> Result<Self, UnusablePin> {
        let keys = |texts: &[String]| -> Result<Vec<VerifierKey>, UnusablePin> {
            texts.iter().map(|text| text.parse().map_err(|_| UnusablePin::Key(text.clone()))).collect()
        };
        let receipts = match receipts {
            Some(set) => JwkSet::deserialize(set).map_err(|_| UnusablePin::Receipts)?,
            None => JwkSet { keys: Vec::new() },
        };
        Ok(Self { log: LogTrust { logs: keys(logs)?, witnesses: keys(witnesses)?, quorum }, receipts, ..Self::default() })
    }
}

/// Verifies a bundle folder. `progress` is told how many entries of how many are done.
pub fn verify_folder(folder: &Path, trust: &Trust, progress: &dyn Fn(u64, u64)) -> Report {
    let mut report = Report::default();
    // 1. The latest checkpoint: without it, signed by a pinned key, there is nothing to verify against.
    let Some(latest) = read_checkpoint(&folder.join(CHECKPOINT), CHECKPOINT, &mut report, FindingKind::Unusable) else {
        return report;
    };
    report.state(&latest);
    if trust.log.logs.is_empty() {
        report.add(FindingKind::Unusable, None, None, "aucune clé de journal n'est épinglée");
        return report;
    }
    let mut known = vec![(CHECKPOINT.to_owned(), latest.clone())];
    known.extend(older_checkpoints(folder, &mut report));
    // 2. Signatures and witnesses; what witnesses saw when is held against the receipts below.
    let witnessed = signatures(&known, trust, &mut report);
    // 3. Receipts that members kept.
    let mut receipts = Receipts::read(&folder.join(RECEIPTS), trust, &latest.checkpoint.origin, &mut report);
    // 4. Entries, tiles, openings and process rules, in one pass.
    let mut stated: BTreeMap<u64, Vec<(String, Hash)>> = BTreeMap::new();
    for (file, note) in &known {
        stated.entry(note.checkpoint.size).or_default().push((file.clone(), note.checkpoint.root));
    }
    contradictions(&stated, latest.checkpoint.size, &mut report);
    let mut rules = Rules::new(trust.tolerance);
    walk::walk(folder, &latest.checkpoint, &stated, &mut rules, &mut receipts, &mut report, progress);
    // 5. The merge delay that receipts promised.
    receipts.settle(&witnessed, rules.latest(), &mut report);
    report
}

fn read_checkpoint(path: &Path, name: &str, report: &mut Report, kind: FindingKind) -> Option<SignedCheckpoint> {
    let Ok(text) = fs::read_to_string(path) else {
        report.add(kind, None, Some(name), "point de contrôle illisible ou absent");
        return None;
    };
    let note = text.parse();
    if note.is_err() {
        report.add(kind, None, Some(name), "ce fichier n'est pas un point de contrôle C2SP bien formé");
    }
    note.ok()
}

fn older_checkpoints(folder: &Path, report: &mut Report) -> Vec<(String, SignedCheckpoint)> {
    let mut names: Vec<String> = fs::read_dir(folder.join(CHECKPOINTS))
        .map(|files| files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort_unstable();
    let mut notes = Vec::new();
    for name in names {
        let file = format!("{CHECKPOINTS}/{name}");
        notes.extend(read_checkpoint(&folder.join(&file), &file, report, FindingKind::Signature).map(|note| (file, note)));
    }
    notes
}

/// Gives (time, size) of what pinned witnesses saw.
fn signatures(known: &[(String, SignedCheckpoint)], trust: &Trust, report: &mut Report) -> Vec<(Instant, u64)> {
    let mut witnessed = Vec::new();
    for (file, note) in known {
        report.checkpoints += 1;
        if note.checkpoint.origin != report.origin {
            report.add(FindingKind::Signature, None, Some(file), "ce point de contrôle vient d'un autre journal");
        }
        match trust.log.signed(note) {
            Ok(times) => {
                // Only the latest is held to the quorum: older ones were cosigned as witnesses came.
                if file == CHECKPOINT && times.len() < trust.log.quorum {
                    let detail = format!("{} témoin(s) reconnu(s), {} attendu(s)", times.len(), trust.log.quorum);
                    report.add(FindingKind::Quorum, None, Some(file), &detail);
                }
                witnessed.extend(times.into_iter().map(|time| (time, note.checkpoint.size)));
            }
            Err(_) => report.add(FindingKind::Signature, None, Some(file), "signature absente ou fausse pour les clés épinglées"),
        }
    }
    report.cosignatures = witnessed.len() as u64;
    witnessed
}

fn contradictions(stated: &BTreeMap<u64, Vec<(String, Hash)>>, size: u64, report: &mut Report) {
    for (at, notes) in stated {
        for (file, root) in notes {
            if notes.iter().any(|(_, other)| other != root) {
                let detail = format!("deux points de contrôle de taille {at} se contredisent : le journal a montré deux histoires");
                report.add(FindingKind::Consistency, None, Some(file), &detail);
            }
            if *at > size {
                let detail = format!("ce point de contrôle annonce {at} entrées, le plus récent n'en a que {size}");
                report.add(FindingKind::Consistency, None, Some(file), &detail);
            }
        }
    }
}

#[cfg(test)]
mod tests;
