//! The keys of pseudonyms: random for each (domain, epoch), wrapped by the master key, deleted when the domain closes.

use exchange::Instant;
use sqlx::{Row, any::AnyRow};

use super::Keys;
use crate::{
    seal::{
        Place, Secret,
        pseudonym::{Domain, DomainKey},
    },
    store::{
        StoreError,
        columns::{bytes, instant, number, text},
        patience::Patiently,
    },
};

/// A domain as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainState {
    /// Which.
    pub domain: Domain,
    /// Its newest epoch, from 1.
    pub epoch: u32,
    /// When its keys were destroyed, if they were.
    pub closed_at: Option<Instant>,
}

impl Keys {
    /// The key with which a domain makes pseudonyms now; made on first use, whoever comes first.
    ///
    /// # Errors
    /// [`StoreError::NotThere`] when the domain is closed: its key never comes back.
    pub async fn domain_key(&self, domain: &Domain) -> Result<DomainKey, StoreError> {
        // Read each time: another process may have rotated or closed the domain, and a key held open would outlive it.
        if let Some(key) = self.newest_key(domain).await? {
            return Ok(key);
        }
        self.make_domain_key(domain, 1).await?;
        self.newest_key(domain).await?.ok_or(StoreError::NotThere("domain_key"))
    }

    /// The key of an epoch that may be past: a pseudonym given before a rotation still reads.
    ///
    /// # Errors
    /// [`StoreError::NotThere`] when there is no such epoch, or the domain is closed.
    pub async fn domain_key_of(&self, domain: &Domain, epoch: u32) -> Result<DomainKey, StoreError> {
        self.read_domain_key(domain, epoch).await
    }

    /// Begins a new epoch: new pseudonyms are made with a new key, old ones still read until the domain closes.
    ///
    /// # Errors
    /// [`StoreError::NotThere`] when the domain is closed.
    pub async fn rotate_domain(&self, domain: &Domain) -> Result<DomainKey, StoreError> {
        let current = self.domain_key(domain).await?.epoch();
        let _alone = self.destroying.write().await;
        self.make_domain_key(domain, current.saturating_add(1)).await?;
        self.read_domain_key(domain, current.saturating_add(1)).await
    }

    /// Every domain that ever had a key, with its newest epoch, in the order of its names.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn domains(&self) -> Result<Vec<DomainState>, StoreError> {
        let rows = self.side.rows("domains", sqlx::query(DOMAINS)).await?;
        let damaged = || StoreError::Damaged("domain_key");
        rows.iter()
            .map(|row| {
                let agreement = text(row, "agreement")?;
                Ok(DomainState {
                    domain: Domain {
                        recipient: text(row, "recipient")?.parse().map_err(|_| damaged())?,
                        purpose: text(row, "purpose")?,
                        agreement: if agreement.is_empty() { None } else { Some(agreement.parse().map_err(|_| damaged())?) },
                    },
                    epoch: u32::try_from(number(row, "epoch")?).map_err(|_| damaged())?,
                    closed_at: instant(row, "closed_at")?,
                })
            })
            .collect()
    }

    /// Deletes every key of a domain, for ever: its pseudonyms lead back to nobody. Doing it again changes nothing.
    ///
    /// # Errors
    /// The store is unavailable: to be done again.
    pub async fn close_domain(&self, domain: &Domain, now: Instant) -> Result<(), StoreError> {
        let alone = self.destroying.write().await;
        if self.newest(domain).await?.is_none() {
            // Never used: a row all the same, so that it can never be.
            self.make_domain_key(domain, 1).await?;
        }
        let mut tx = self.side.begin("close_domain").await?;
        sqlx::query(CLOSE_DOMAIN)
            .bind(now.unix_ms())
            .bind("close_domain")
            .bind(domain.recipient.as_str())
            .bind(&domain.purpose)
            .bind(domain.agreement_text())
            .execute(&mut *tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("close_domain"))?;
        self.side.commit("close_domain", tx).await?;
        drop(alone);
        self.side.overwrite().await
    }

    /// The key of the newest epoch; `None` when the domain has no key yet.
    async fn newest_key(&self, domain: &Domain) -> Result<Option<DomainKey>, StoreError> {
        let Some(found) = self.newest(domain).await? else { return Ok(None) };
        let epoch = u32::try_from(number(&found, "epoch")?).map_err(|_| StoreError::Damaged("domain_key"))?;
        let wrapped: Option<Vec<u8>> = found.try_get("wrapped").map_err(|_| StoreError::Damaged("domain_key"))?;
        let secret =
            Secret::unwrap_from(&self.domain_master, &place(&row(domain), epoch), &wrapped.ok_or(StoreError::NotThere("domain_key"))?)?;
        Ok(Some(DomainKey::new(secret, epoch)))
    }

    /// The row of the newest epoch; `None` when the domain was never used.
    async fn newest(&self, domain: &Domain) -> Result<Option<AnyRow>, StoreError> {
        let query = sqlx::query(NEWEST_KEY).bind(domain.recipient.as_str()).bind(&domain.purpose).bind(domain.agreement_text());
        self.side.row("newest_key", query).await
    }

    async fn make_domain_key(&self, domain: &Domain, epoch: u32) -> Result<(), StoreError> {
        let wrapped = Secret::random()?.wrap(&self.domain_master, &place(&row(domain), epoch))?;
        let mut tx = self.side.begin("make_domain_key").await?;
        // Looked at under the write lock: another process may have closed the domain since, and closed is for ever.
        let closed = sqlx::query(DOMAIN_CLOSED)
            .bind(domain.recipient.as_str())
            .bind(&domain.purpose)
            .bind(domain.agreement_text())
            .fetch_optional(&mut *tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("domain_closed"))?;
        if closed.is_some() {
            return Err(StoreError::NotThere("domain_key"));
        }
        sqlx::query(MAKE_DOMAIN_KEY)
            .bind(domain.recipient.as_str())
            .bind(&domain.purpose)
            .bind(domain.agreement_text())
            .bind(i64::from(epoch))
            .bind(wrapped)
            .bind("make_domain_key")
            .execute(&mut *tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("make_domain_key"))?;
        self.side.commit("make_domain_key", tx).await
    }

    async fn read_domain_key(&self, domain: &Domain, epoch: u32) -> Result<DomainKey, StoreError> {
        let found = self
            .side
            .row(
                "domain_key",
                sqlx::query(DOMAIN_KEY)
                    .bind(domain.recipient.as_str())
                    .bind(&domain.purpose)
                    .bind(domain.agreement_text())
                    .bind(i64::from(epoch)),
            )
            .await?;
        let found = found.ok_or(StoreError::NotThere("domain_key"))?;
        let secret = Secret::unwrap_from(&self.domain_master, &place(&row(domain), epoch), &bytes(&found, "wrapped")?)?;
        Ok(DomainKey::new(secret, epoch))
    }
}

/// A space stands in no id: no two domains give the same text.
fn row(domain: &Domain) -> String {
    format!("{} {} {}", domain.recipient, domain.agreement_text(), domain.purpose)
}

fn place(row: &str, epoch: u32) -> Place<'_> {
    Place { table: "domain_key", row, column: "wrapped", class: "", epoch }
}

const NEWEST_KEY: &str = "-- newest_key
SELECT epoch, wrapped FROM domain_key WHERE recipient = $1 AND purpose = $2 AND agreement = $3 ORDER BY epoch DESC LIMIT 1";

const MAKE_DOMAIN_KEY: &str = "-- make_domain_key
INSERT INTO domain_key (recipient, purpose, agreement, epoch, wrapped, written_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (recipient, purpose, agreement, epoch) DO NOTHING";

const DOMAIN_CLOSED: &str = "-- domain_closed
SELECT epoch FROM domain_key WHERE recipient = $1 AND purpose = $2 AND agreement = $3 AND closed_at IS NOT NULL LIMIT 1";

const DOMAIN_KEY: &str = "-- domain_key
SELECT wrapped FROM domain_key WHERE recipient = $1 AND purpose = $2 AND agreement = $3 AND epoch = $4 AND wrapped IS NOT NULL";

const DOMAINS: &str = "-- domains
SELECT recipient, purpose, agreement, MAX(epoch) AS epoch, MAX(closed_at) AS closed_at FROM domain_key
GROUP BY recipient, purpose, agreement ORDER BY recipient, purpose, agreement";

const CLOSE_DOMAIN: &str = "-- close_domain
UPDATE domain_key SET wrapped = NULL, closed_at = $1, written_by = $2
WHERE recipient = $3 AND purpose = $4 AND agreement = $5 AND wrapped IS NOT NULL";
