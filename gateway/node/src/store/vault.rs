//! The vault: who exchanges are about, in a database of its own, behind one narrow door.
//!
//! A description (*mention*) is sealed under a key that needs both the vault's secret and the exchange's own key:
//! neither database gives a name without the other, and destroying the exchange's key destroys its descriptions. The
//! vault keeps no second copy of a trait: who compares two descriptions opens each with its exchange's key, and what is
//! erased is never compared again. Persons are found by HMACs ([`crate::seal::likeness`]).
//!
//! One person automatically: everything that tells people apart is known and equal, one candidate only, and the
//! exchange itself does not contradict. Every other likeness is a question put to a person ([`matching`]).
//!
//! The vault writes before the exchange commits; what a crash leaves is collected ([`Vault::collect_orphans`]).

mod filing;
mod forgetting;
pub mod linkage;
pub mod matching;
mod persons;

use std::{fmt, sync::Arc};

use exchange::{ExchangeId, Identity, Instant, document::Leaves};
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use super::{
    StoreError,
    batch::Batcher,
    columns::{bytes, number, text},
    dialect::Part,
    side::Side,
};
use crate::{
    policy::Permit,
    seal::{
        ExchangeKey, KeyStore, Place, SealError,
        body::{self, Subkey},
        likeness::Indexer,
        pseudonym::Rid,
    },
};
use filing::{Filing, NewMention};

pub use persons::Alike;

/// The vault.
pub struct Vault {
    side: Side,
    batch: Batcher<Filing, Result<Vec<Rid>, StoreError>>,
    /// The vault's half of the keys under which descriptions are sealed.
    half: Subkey,
    indexer: Indexer,
}

/// One subject, as the vault knows it from now on.
#[derive(Clone)]
pub struct Mention {
    /// How the payload names this subject: `s1`.
    pub reference: String,
    /// The person; becomes a pseudonym, and nothing else.
    pub rid: Rid,
}

impl fmt::Debug for Mention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mention(..)")
    }
}

/// Names one mention: an exchange and the place among its subjects, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct MentionId {
    /// The exchange.
    pub exchange: ExchangeId,
    /// Place among its subjects.
    pub n: u32,
}

impl fmt::Display for MentionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.exchange, self.n)
    }
}

impl std::str::FromStr for MentionId {
    type Err = exchange::id::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (exchange, n) = text.split_once('/').ok_or(exchange::id::InvalidId)?;
        Ok(Self { exchange: exchange.parse()?, n: n.parse().map_err(|_| exchange::id::InvalidId)? })
    }
}

impl Vault {
    /// Opens (and creates or migrates) the database at `url`.
    ///
    /// # Errors
    /// [`StoreError::ForeignKeys`] when another key store wrote it; [`StoreError::Unavailable`], [`StoreError::Migration`].
    pub async fn open(url: &str, keystore: Arc<KeyStore>) -> Result<Self, StoreError> {
        let side = Side::open(url, Part::Vault, &keystore).await?;
        Ok(Self {
            batch: side.batcher(filing::file_all),
            half: Subkey::derive(keystore.vault(), &[b"descriptions"])?,
            indexer: Indexer::new(keystore.vault())?,
            side,
        })
    }

    /// Keeps the subjects of the permit's exchange, in order, and says which person each is. Durable when it returns.
    ///
    /// # Errors
    /// Nothing was kept.
    pub async fn keep(&self, permit: &Permit, key: &ExchangeKey, subjects: &[Identity], now: Instant) -> Result<Vec<Mention>, StoreError> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        // Everything that needs clear traits happens here, in the caller's task: the writer sees ciphertext and HMACs.
        let exchange = permit.exchange();
        let mut mentions = Vec::with_capacity(subjects.len());
        for (n, identity) in (0u32..).zip(subjects) {
            let id = MentionId { exchange, n };
            let likeness = self.indexer.keys(identity)?;
            mentions.push(NewMention { id, rid: Rid::random()?, sealed: self.seal(key, id, identity)?, likeness });
        }
        let persons = self.batch.commit(Filing { mentions, at: now }).await??;
        Ok(subjects.iter().zip(persons).map(|(subject, rid)| Mention { reference: subject.reference().to_owned(), rid }).collect())
    }

    /// The subjects of the permit's exchange, in order, in clear.
    ///
    /// # Errors
    /// The store is unavailable, or a row does not open.
    pub async fn reveal(&self, permit: &Permit, key: &ExchangeKey) -> Result<Vec<Identity>, StoreError> {
        let rows = self.side.rows("reveal", sqlx::query(REVEAL).bind(permit.exchange().to_string())).await?;
        rows.iter().map(|row| self.unseal(key, mention_id(row)?, &bytes(row, "sealed")?)).collect()
    }

    /// Who the subjects of the permit's exchange are today, in order: what persons decided since is counted.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn persons(&self, permit: &Permit) -> Result<Vec<Rid>, StoreError> {
        let rows = self.side.rows("persons", sqlx::query(PERSONS).bind(permit.exchange().to_string())).await?;
        rows.iter().map(|row| rid(row, "rid")).collect()
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.side.close().await;
    }

    fn seal(&self, key: &ExchangeKey, id: MentionId, identity: &Identity) -> Result<Vec<u8>, SealError> {
        let description = json!({"ref": identity.reference(), "leaves": identity.reveal().to_flat()});
        let plain = Zeroizing::new(serde_json::to_vec(&description).map_err(|_| SealError::Malformed)?);
        body::seal_bytes(&self.subkey(key)?, &place(&id.to_string()), &plain)
    }

    fn unseal(&self, key: &ExchangeKey, id: MentionId, sealed: &[u8]) -> Result<Identity, StoreError> {
        let plain = body::open_bytes(&self.subkey(key)?, &place(&id.to_string()), sealed)?;
        let damaged = || StoreError::Damaged("mention");
        let mut description: Value = serde_json::from_slice(&plain).map_err(|_| damaged())?;
        let leaves = description.get_mut("leaves").map(Value::take).ok_or_else(damaged)?;
        let reference = description.get("ref").and_then(Value::as_str).ok_or_else(damaged)?;
        Ok(Identity::new(reference.to_owned(), Leaves::from_flat(leaves).map_err(|_| damaged())?))
    }

    fn subkey(&self, key: &ExchangeKey) -> Result<Subkey, SealError> {
        self.half.with(&key.subjects()?, &[b"description"])
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

fn place(row: &str) -> Place<'_> {
    Place { table: "mention", row, column: "sealed", class: "identite", epoch: 1 }
}

fn mention_id(row: &AnyRow) -> Result<MentionId, StoreError> {
    let damaged = |_| StoreError::Damaged("mention");
    Ok(MentionId {
        exchange: text(row, "exchange_id")?.parse().map_err(|_| StoreError::Damaged("mention"))?,
        n: u32::try_from(number(row, "n")?).map_err(damaged)?,
    })
}

fn rid(row: &AnyRow, column: &'static str) -> Result<Rid, StoreError> {
    Ok(Rid::read(&bytes(row, column)?)?)
}

const REVEAL: &str = "-- reveal
SELECT exchange_id, n, sealed FROM mention WHERE exchange_id = $1 ORDER BY n";

const PERSONS: &str = "-- persons
SELECT COALESCE(p.merged_into, m.rid) AS rid FROM mention m JOIN person p ON p.rid = m.rid WHERE m.exchange_id = $1 ORDER BY m.n";

#[cfg(test)]
mod tests;
