//! Persons behind their mentions: who stands behind a pseudonym, and where else a person is spoken of. Both need what the
//! policy room alone makes; both answer the same way, and with the same work, whether there is somebody or not.

use std::collections::BTreeSet;

use exchange::{ExchangeId, Identity};

use super::{MentionId, Vault, filing, mention_id, rid};
use crate::{
    policy::{DualControl, Granted},
    seal::{
        ExchangeKey,
        pseudonym::{DomainKey, Pseudonym, Rid},
    },
    store::{
        StoreError,
        columns::bytes,
        keys::Keys,
        patience::{Patiently, Turn},
    },
};

/// Where a person is spoken of. Exchange ids only: which of them somebody may know of is not decided here.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Alike {
    /// Exchanges about the same person.
    pub same: BTreeSet<ExchangeId>,
    /// Exchanges about persons who may be the same: a person has to say.
    pub perhaps: BTreeSet<ExchangeId>,
}

impl Vault {
    /// The newest description of the child whom this key gives this pseudonym. A pseudonym that was given before a merge
    /// leads to the person as it stands now. Adults are not found: a person who reported is one (R33). Nor is a child of
    /// whom one of the exchanges `sealed` speaks: whoever is kept out of an exchange does not learn by a detour of whom it
    /// is. An erased exchange speaks of nobody any more.
    ///
    /// Walks over every person: no index leads from a pseudonym to a person, here or anywhere. The walk never stops early,
    /// so its length says nothing; nobody is looked up like somebody.
    ///
    /// # Errors
    /// The store is unavailable, or a row does not open.
    pub async fn behind(
        &self,
        _proof: &DualControl,
        keys: &Keys,
        key: &DomainKey,
        pseudonym: &Pseudonym,
        sealed: &BTreeSet<ExchangeId>,
    ) -> Result<Option<Identity>, StoreError> {
        let mut tx = self.side.reading("behind").await?;
        let (mut found, mut after) = (None, Vec::new());
        loop {
            let rows =
                sqlx::query(CHILDREN).bind(after).fetch_all(&mut *tx).patiently().await.map_err(StoreError::in_statement("children"))?;
            let Some(last) = rows.last() else { break };
            after = bytes(last, "rid")?;
            for row in &rows {
                let person = rid(row, "rid")?;
                if key.pseudonym(&person) == *pseudonym {
                    found = Some(person);
                }
            }
        }
        let person = found.map_or_else(Rid::random, Ok)?;
        let mut mentions = Vec::new();
        for member in members(&mut tx, person).await? {
            let rows = sqlx::query(MENTIONS)
                .bind(member.stored())
                .fetch_all(&mut *tx)
                .patiently()
                .await
                .map_err(StoreError::in_statement("mentions"))?;
            for row in &rows {
                mentions.push(mention_id(row)?);
            }
        }
        tx.commit("behind").await?;
        if mentions.iter().any(|mention| sealed.contains(&mention.exchange)) {
            return Ok(None);
        }
        // Ids are in the order of their making; what was erased opens no more.
        mentions.sort_unstable();
        for mention in mentions.into_iter().rev() {
            if let Some(identity) = self.describe(keys, mention).await? {
                return Ok(Some(identity));
            }
        }
        Ok(None)
    }

    /// The mention that an exchange calls so (`s1`), or its first one.
    ///
    /// # Errors
    /// The store is unavailable, or a row does not open.
    pub async fn called(
        &self,
        _granted: &Granted,
        key: &ExchangeKey,
        exchange: ExchangeId,
        reference: Option<&str>,
    ) -> Result<Option<MentionId>, StoreError> {
        let rows = self.side.rows("subjects", sqlx::query(SUBJECTS).bind(exchange.to_string())).await?;
        for row in &rows {
            let id = mention_id(row)?;
            let identity = self.unseal(key, id, &bytes(row, "sealed")?)?;
            if reference.is_none_or(|wanted| identity.reference() == wanted) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Where the person of a mention is spoken of, and persons who agree with it by a key and were not told apart.
    ///
    /// # Errors
    /// [`StoreError::NotThere`] when there is no such mention (any more); the store is unavailable.
    pub async fn alike(&self, _granted: &Granted, about: MentionId) -> Result<Alike, StoreError> {
        let mut tx = self.side.reading("alike").await?;
        let row = sqlx::query(MENTION_KEYS)
            .bind(about.exchange.to_string())
            .bind(i64::from(about.n))
            .fetch_optional(&mut *tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("mention_keys"))?
            .ok_or(StoreError::NotThere("mention"))?;
        let (keys, person) = (bytes(&row, "likeness")?, rid(&row, "rid")?);
        let own = members(&mut tx, person).await?;
        let mut alike = Alike::default();
        for member in &own {
            alike.same.extend(exchanges(&mut tx, member).await?);
        }
        let mut others = BTreeSet::new();
        for key in keys.chunks(16) {
            for row in sqlx::query(WITH_KEY)
                .bind(key.to_vec())
                .fetch_all(&mut *tx)
                .patiently()
                .await
                .map_err(StoreError::in_statement("with_key"))?
            {
                others.insert(rid(&row, "rid")?);
            }
        }
        for other in others.difference(&own) {
            if !told_apart(&mut tx, &own, other).await? {
                alike.perhaps.extend(exchanges(&mut tx, other).await?);
            }
        }
        tx.commit("alike").await?;
        Ok(alike)
    }
}

/// The person as it stands now, with everybody who was merged into it.
async fn members(tx: &mut Turn, person: Rid) -> Result<BTreeSet<Rid>, StoreError> {
    let mut waiting = vec![filing::root(tx, person).await?];
    let mut members = BTreeSet::new();
    while let Some(one) = waiting.pop() {
        if members.insert(one) {
            let rows = sqlx::query(MERGED_HERE)
                .bind(one.stored())
                .fetch_all(&mut **tx)
                .patiently()
                .await
                .map_err(StoreError::in_statement("merged_here"))?;
            for row in &rows {
                waiting.push(rid(row, "rid")?);
            }
        }
    }
    Ok(members)
}

async fn exchanges(tx: &mut Turn, person: &Rid) -> Result<Vec<ExchangeId>, StoreError> {
    let rows = sqlx::query(NEWEST_MENTIONS)
        .bind(person.stored())
        .fetch_all(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("newest_mentions"))?;
    rows.iter().map(|row| mention_id(row).map(|mention| mention.exchange)).collect()
}

/// Whether somebody said that this one is nobody of those.
async fn told_apart(tx: &mut Turn, own: &BTreeSet<Rid>, other: &Rid) -> Result<bool, StoreError> {
    for one in own {
        let row = sqlx::query(TOLD_APART)
            .bind(one.min(other).stored())
            .bind(one.max(other).stored())
            .fetch_optional(&mut **tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("told_apart"))?;
        if row.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

const CHILDREN: &str = "-- children
SELECT rid FROM person WHERE population = 'minor' AND rid > $1 ORDER BY rid LIMIT 5000";

const NEWEST_MENTIONS: &str = "-- newest_mentions
SELECT exchange_id, n FROM mention WHERE rid = $1 ORDER BY created_at DESC LIMIT 200";

/// All of them: one that were left out might be the sealed one.
const MENTIONS: &str = "-- mentions
SELECT exchange_id, n FROM mention WHERE rid = $1";

const SUBJECTS: &str = "-- subjects
SELECT exchange_id, n, sealed FROM mention WHERE exchange_id = $1 ORDER BY n";

const MENTION_KEYS: &str = "-- mention_keys
SELECT rid, likeness FROM mention WHERE exchange_id = $1 AND n = $2";

const WITH_KEY: &str = "-- with_key
SELECT rid FROM likeness WHERE mac = $1 LIMIT 64";

const MERGED_HERE: &str = "-- merged_here
SELECT rid FROM person WHERE merged_into = $1";

const TOLD_APART: &str = "-- told_apart
SELECT p.id FROM proposal p JOIN linkage l ON l.id = p.linkage_id WHERE p.low = $1 AND p.high = $2 AND l.change = 'different'";
