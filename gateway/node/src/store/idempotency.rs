//! Idempotency keys: one key of an author stands for one exchange, for ever. Only an acceptance uses one up.

use exchange::{ExchangeId, Instant, InstitutionId};

use super::{
    Store, StoreError,
    columns::{bytes, instant, text},
    rows::{Rows, Table},
};

/// The key an author used, with the keyed digest of the body it was used for.
pub struct IdempotencyKey {
    /// Institution of the author.
    pub institution: InstitutionId,
    /// Opaque subject, or empty for the institution's systems.
    pub author: String,
    /// Blinded: what the client wrote is not kept.
    pub key: String,
    /// HMAC under the exchange's own key.
    pub mac: Vec<u8>,
}

/// What an idempotency key already stands for.
#[derive(Debug)]
pub struct Repeated {
    /// The exchange that consumed the key.
    pub exchange: ExchangeId,
    /// Who used it: opaque subject, or empty.
    pub author: String,
    /// Its receipt, verbatim.
    pub receipt: String,
    /// Keyed digest of the body.
    pub mac: Vec<u8>,
    /// When the content was erased.
    pub erased_at: Option<Instant>,
}

impl IdempotencyKey {
    pub(super) fn add_to(&self, rows: &mut Rows, exchange: ExchangeId, name: &'static str) {
        rows.add(
            &IDEMPOTENCY,
            [
                self.institution.as_str().into(),
                self.author.as_str().into(),
                self.key.as_str().into(),
                exchange.to_string().into(),
                self.mac[..].into(),
                name.into(),
            ],
        );
    }
}

impl Store {
    /// What a key of this institution already stands for; each author has keys of its own.
    pub async fn repeated(&self, institution: &InstitutionId, key: &str) -> Result<Vec<Repeated>, StoreError> {
        let query = sqlx::query(REPEATED).bind(institution.as_str()).bind(key);
        let rows = self.rows("repeated", query).await?;
        rows.iter()
            .map(|row| {
                Ok(Repeated {
                    exchange: text(row, "id")?.parse().map_err(|_| StoreError::Damaged("repeated"))?,
                    author: text(row, "author")?,
                    receipt: text(row, "receipt")?,
                    mac: bytes(row, "mac")?,
                    erased_at: instant(row, "erased_at")?,
                })
            })
            .collect()
    }
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[REPEATED];

static IDEMPOTENCY: Table = Table::new("insert_idempotency", "idempotency", "institution, author, key, exchange_id, mac, written_by");

// No order: to sort by author SQLite would read every key of the institution.
const REPEATED: &str = "-- repeated
SELECT e.id AS id, i.author AS author, e.receipt AS receipt, i.mac AS mac, e.erased_at AS erased_at
FROM idempotency i JOIN exchange e ON e.id = i.exchange_id WHERE i.institution = $1 AND i.key = $2";
