//! The erasure journal outside the gateway: which contents were destroyed and when, so that a restored copy destroys them
//! again. It names no person and says no motive; it is carried off the machine every hour.

use std::{collections::BTreeSet, path::Path};

use exchange::{AgreementId, ExchangeId, Instant, InstitutionId};
use serde::{Deserialize, Serialize};

use super::{BackupFault, Whose, document};
use crate::{
    seal::pseudonym::Domain,
    store::{
        StoreError,
        keys::{DomainState, Erasure, Keys},
    },
};

/// Everything that was destroyed, up to an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    format: String,
    version: u32,
    gateway: String,
    keystore: String,
    /// Nothing that was destroyed before this instant is missing.
    pub at: Instant,
    /// Contents whose key was destroyed, oldest first.
    pub erased: Vec<Erased>,
    /// Spaces of pseudonyms whose keys were destroyed.
    pub closed: Vec<Closed>,
}

/// A content whose key was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    exchange: ExchangeId,
    at: Instant,
}

/// A space of pseudonyms whose keys were destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    recipient: InstitutionId,
    purpose: String,
    agreement: Option<AgreementId>,
    at: Instant,
}

/// What a replay destroyed again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Keys of contents that had come back.
    pub erased: u64,
    /// Spaces of pseudonyms that had come back.
    pub closed: u64,
}

/// Writes what was destroyed to a file, in place of what it held. A journal that knows more is not replaced: then an older
/// state was put back without it.
///
/// # Errors
/// [`BackupFault`]; the file is then as it was.
pub async fn write(whose: &Whose<'_>, keys: &Keys, file: &Path, now: Instant) -> Result<Journal, BackupFault> {
    let mut erased = Vec::new();
    let mut last: Option<Erasure> = None;
    loop {
        let page = keys.erasures(last.as_ref()).await?;
        erased.extend(page.iter().map(|line| Erased { exchange: line.exchange, at: line.at }));
        match page.into_iter().last() {
            Some(line) => last = Some(line),
            None => break,
        }
    }
    let closed = keys.domains().await?.into_iter().filter_map(|DomainState { domain, closed_at, .. }| {
        let Domain { recipient, purpose, agreement } = domain;
        closed_at.map(|at| Closed { recipient, purpose, agreement, at })
    });
    let journal = Journal {
        format: FORMAT.to_owned(),
        version: VERSION,
        gateway: whose.gateway.to_owned(),
        keystore: whose.keystore.fingerprint().to_owned(),
        at: now,
        erased,
        closed: closed.collect(),
    };
    if file.exists() {
        let missing = Journal::read(file, whose)?.missing_in(&journal);
        if missing > 0 {
            return Err(BackupFault::Forgets { file: file.to_owned(), missing });
        }
    }
    document::write(file, &journal, whose.keystore)?;
    Ok(journal)
}

impl Journal {
    /// Reads a journal of this gateway that nobody changed.
    ///
    /// # Errors
    /// [`BackupFault`].
    pub fn read(file: &Path, whose: &Whose<'_>) -> Result<Self, BackupFault> {
        let journal: Self = document::read(file, whose.keystore)?;
        if journal.format != FORMAT || journal.version != VERSION {
            return Err(BackupFault::Format(file.to_owned()));
        }
        if journal.gateway != whose.gateway {
            return Err(BackupFault::AnotherGateway { file: file.to_owned(), theirs: journal.gateway });
        }
        Ok(journal)
    }

    /// How many lines of this journal another one does not have.
    fn missing_in(&self, other: &Self) -> usize {
        let erased: BTreeSet<_> = other.erased.iter().map(|one| one.exchange).collect();
        let closed: BTreeSet<_> = other.closed.iter().map(Closed::name).collect();
        self.erased.iter().filter(|one| !erased.contains(&one.exchange)).count()
            + self.closed.iter().filter(|one| !closed.contains(&one.name())).count()
    }

    /// Destroys again what it names.
    ///
    /// # Errors
    /// The key database is unavailable: to be done again.
    pub async fn replay(&self, keys: &Keys) -> Result<Replayed, StoreError> {
        let mut replayed = Replayed::default();
        for lines in self.erased.chunks(LINES) {
            let line = |one: &Erased| Erasure { exchange: one.exchange, at: one.at, motive: MOTIVE.to_owned() };
            replayed.erased += keys.replay(&lines.iter().map(line).collect::<Vec<_>>()).await?;
        }
        let open: Vec<Domain> = keys.domains().await?.into_iter().filter(|one| one.closed_at.is_none()).map(|one| one.domain).collect();
        for Closed { recipient, purpose, agreement, at } in &self.closed {
            let domain = Domain { recipient: recipient.clone(), purpose: purpose.clone(), agreement: agreement.clone() };
            keys.close_domain(&domain, *at).await?;
            replayed.closed += u64::from(open.contains(&domain));
        }
        Ok(replayed)
    }
}

impl Closed {
    fn name(&self) -> (&str, &str, Option<&str>) {
        (self.recipient.as_str(), &self.purpose, self.agreement.as_ref().map(AgreementId::as_str))
    }
}

const FORMAT: &str = "passerelle-erasures";
const VERSION: u32 = 1;
/// The words of whoever erased it are in the lost database.
const MOTIVE: &str = "effacement rejoué après restauration";
/// Lines in one transaction.
const LINES: usize = 500;
