//! Exchanges: what acceptance writes, all of it in one transaction, and what is read back of it.

use exchange::{DeliveryId, ExchangeId, FollowUpId, Instant, InstitutionId, Party, ProfessionalId, TypeCode, UnitId, Urgency};
use futures::future::BoxFuture;
use sqlx::{Row, any::AnyRow};

use super::{Store, StoreError, Tx, Write, audit::NewEntry, clocks::NewClock, delivery::NewDelivery, exactly_one};

/// Everything that one acceptance writes: all of it or nothing.
pub struct AcceptExchange {
    /// The exchange itself.
    pub exchange: NewExchange,
    /// The key its author used, when there was a usable one.
    pub idempotency: Option<IdempotencyKey>,
    /// From whom it is sealed: (institution, issuer, subject); an empty text where it does not apply.
    pub exclusions: Vec<(String, String, String)>,
    /// To whom it goes.
    pub deliveries: Vec<NewDelivery>,
    /// What starts to run.
    pub clocks: Vec<NewClock>,
    /// What a person still has to do.
    pub follow_ups: Vec<NewFollowUp>,
    /// What the log states.
    pub entries: Vec<NewEntry>,
    /// The exchange this one answers, and its own type: stops the clocks that waited for such an answer.
    pub answers: Option<(ExchangeId, TypeCode)>,
}

/// A row of `exchange` and its content.
pub struct NewExchange {
    /// Id.
    pub id: ExchangeId,
    /// Type.
    pub kind: TypeCode,
    /// Version of the type's declaration.
    pub type_version: u32,
    /// Who sent it.
    pub sender: Party,
    /// Opaque subject of the professional; `None` when the institution deposited alone.
    pub professional: Option<String>,
    /// To whom.
    pub recipient: Party,
    /// How fast.
    pub urgency: Urgency,
    /// What it answers.
    pub in_reply_to: Option<ExchangeId>,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// Something is missing or did not conform.
    pub incomplete: bool,
    /// Retention class.
    pub retention: String,
    /// Hash of its acceptance leaf.
    pub leaf_hash: [u8; 32],
    /// Compact JWS.
    pub receipt: String,
    /// Sealed route.
    pub route: Vec<u8>,
    /// Sealed decision record.
    pub decision: Vec<u8>,
    /// Sealed compartments.
    pub content: Vec<u8>,
}

/// The key an author used, with the keyed digest of the body it was used for.
pub struct IdempotencyKey {
    /// Institution of the author.
    pub institution: InstitutionId,
    /// Opaque subject, or empty for the institution's systems.
    pub author: String,
    /// 16 to 64 of `A-Za-z0-9_-`.
    pub key: String,
    /// HMAC under the exchange's own key.
    pub mac: Vec<u8>,
}

/// Something a person still has to do.
pub struct NewFollowUp {
    /// Id.
    pub id: FollowUpId,
    /// Obligation or gateway code.
    pub code: String,
    /// Whose task it is.
    pub owner: Party,
    /// Field pointers and codes, never a value.
    pub details: Vec<String>,
}

/// What the store tells of an exchange without opening anything.
#[derive(Debug, Clone)]
pub struct ExchangeRow {
    /// Id.
    pub id: ExchangeId,
    /// Type.
    pub kind: TypeCode,
    /// Version of the type's declaration.
    pub type_version: u32,
    /// Who sent it.
    pub sender: Party,
    /// Opaque subject, or empty.
    pub sender_professional: String,
    /// To whom.
    pub recipient: Party,
    /// How fast.
    pub urgency: Urgency,
    /// What it answers.
    pub in_reply_to: Option<ExchangeId>,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// Something is missing or did not conform.
    pub incomplete: bool,
    /// Hash of its acceptance leaf.
    pub leaf_hash: Vec<u8>,
    /// Compact JWS.
    pub receipt: String,
    /// Sealed route.
    pub route: Vec<u8>,
    /// Sealed decision record.
    pub decision: Vec<u8>,
    /// When its key was destroyed.
    pub erased_at: Option<Instant>,
}

/// A follow-up as its owner sees it.
#[derive(Debug, Clone)]
pub struct FollowUpRow {
    /// Id.
    pub id: FollowUpId,
    /// Exchange it is about.
    pub exchange: ExchangeId,
    /// Obligation or gateway code.
    pub code: String,
    /// Whose task it is.
    pub owner: Party,
    /// When it was opened.
    pub opened_at: Instant,
    /// Field pointers and codes.
    pub details: Vec<String>,
    /// When it was done.
    pub done_at: Option<Instant>,
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

impl Write for AcceptExchange {
    const NAME: &'static str = "accept_exchange";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let at = self.exchange.accepted_at;
            let id = self.exchange.id;
            // The key first: a repeat that raced us must find nothing of this one.
            insert_exchange(tx, &self.exchange).await?;
            if let Some(key) = &self.idempotency {
                insert_idempotency(tx, id, key).await?;
            }
            for (institution, issuer, subject) in &self.exclusions {
                let done = sqlx::query(INSERT_EXCLUSION)
                    .bind(id.to_string())
                    .bind(institution)
                    .bind(issuer)
                    .bind(subject)
                    .bind(Self::NAME)
                    .execute(tx.connection())
                    .await
                    .map_err(StoreError::in_statement("insert_exclusion"))?;
                exactly_one("insert_exclusion", done.rows_affected())?;
            }
            for delivery in &self.deliveries {
                delivery.insert(tx, id, at, Self::NAME).await?;
            }
            for clock in &self.clocks {
                clock.insert(tx, id, Self::NAME).await?;
            }
            for follow_up in &self.follow_ups {
                follow_up.insert(tx, id, at, Self::NAME).await?;
            }
            for entry in &self.entries {
                entry.insert(tx, Self::NAME).await?;
            }
            if let Some((answered, kind)) = &self.answers {
                super::clocks::stop(tx, *answered, &format!("answered:{kind}"), at, Self::NAME).await?;
            }
            Ok(())
        })
    }
}

async fn insert_exchange(tx: &mut Tx, new: &NewExchange) -> Result<(), StoreError> {
    let done = sqlx::query(INSERT_EXCHANGE)
        .bind(new.id.to_string())
        .bind(new.kind.as_str())
        .bind(i64::from(new.type_version))
        .bind(new.sender.institution.as_str())
        .bind(unit_text(&new.sender))
        .bind(new.professional.as_deref().unwrap_or(""))
        .bind(new.recipient.institution.as_str())
        .bind(unit_text(&new.recipient))
        .bind(rank(new.urgency))
        .bind(new.in_reply_to.map(|id| id.to_string()))
        .bind(new.accepted_at.unix_ms())
        .bind(i64::from(new.incomplete))
        .bind(&new.retention)
        .bind(new.leaf_hash.to_vec())
        .bind(&new.receipt)
        .bind(&new.route[..])
        .bind(&new.decision[..])
        .bind(AcceptExchange::NAME)
        .execute(tx.connection())
        .await
        .map_err(StoreError::in_statement("insert_exchange"))?;
    exactly_one("insert_exchange", done.rows_affected())?;
    let done = sqlx::query(INSERT_CONTENT)
        .bind(new.id.to_string())
        .bind(&new.content[..])
        .bind(AcceptExchange::NAME)
        .execute(tx.connection())
        .await
        .map_err(StoreError::in_statement("insert_content"))?;
    exactly_one("insert_content", done.rows_affected())
}

async fn insert_idempotency(tx: &mut Tx, id: ExchangeId, key: &IdempotencyKey) -> Result<(), StoreError> {
    let done = sqlx::query(INSERT_IDEMPOTENCY)
        .bind(key.institution.as_str())
        .bind(&key.author)
        .bind(&key.key)
        .bind(id.to_string())
        .bind(&key.mac[..])
        .bind(AcceptExchange::NAME)
        .execute(tx.connection())
        .await
        .map_err(StoreError::in_statement("insert_idempotency"))?;
    exactly_one("insert_idempotency", done.rows_affected())
}

impl NewFollowUp {
    pub(crate) async fn insert(&self, tx: &mut Tx, exchange: ExchangeId, at: Instant, name: &'static str) -> Result<(), StoreError> {
        let details = serde_json::to_string(&self.details).map_err(|_| StoreError::Damaged("insert_follow_up"))?;
        let done = sqlx::query(INSERT_FOLLOW_UP)
            .bind(self.id.to_string())
            .bind(exchange.to_string())
            .bind(&self.code)
            .bind(self.owner.institution.as_str())
            .bind(unit_text(&self.owner))
            .bind(at.unix_ms())
            .bind(details)
            .bind(name)
            .execute(tx.connection())
            .await
            .map_err(StoreError::in_statement("insert_follow_up"))?;
        exactly_one("insert_follow_up", done.rows_affected())
    }
}

/// A named professional did what a follow-up asked.
pub struct FinishFollowUp {
    /// Which.
    pub id: FollowUpId,
    /// The unit whose task it is: another's follow-up is not there.
    pub owner: Party,
    /// When.
    pub at: Instant,
    /// Opaque subject.
    pub by: String,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for FinishFollowUp {
    const NAME: &'static str = "finish_follow_up";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let row = sqlx::query(FINISH_FOLLOW_UP)
                .bind(self.at.unix_ms())
                .bind(&self.by)
                .bind(Self::NAME)
                .bind(self.id.to_string())
                .bind(self.owner.institution.as_str())
                .bind(unit_text(&self.owner))
                .fetch_optional(tx.connection())
                .await
                .map_err(StoreError::in_statement("finish_follow_up"))?
                .ok_or(StoreError::NotThere("finish_follow_up"))?;
            let exchange = text(&row, "exchange_id")?.parse().map_err(|_| StoreError::Damaged("finish_follow_up"))?;
            let code = text(&row, "code")?;
            super::clocks::stop(tx, exchange, &format!("recorded:{code}"), self.at, Self::NAME).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

/// The content's key is gone: say so, and forget what is only noise now. Receipts, leaves and openings stay.
pub struct MarkErased {
    /// Which exchange.
    pub id: ExchangeId,
    /// When.
    pub at: Instant,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for MarkErased {
    const NAME: &'static str = "mark_erased";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let done = sqlx::query(MARK_ERASED)
                .bind(self.at.unix_ms())
                .bind(Self::NAME)
                .bind(self.id.to_string())
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("mark_erased"))?;
            exactly_one("mark_erased", done.rows_affected())?;
            sqlx::query(DROP_CONTENT)
                .bind(self.id.to_string())
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("drop_content"))?;
            super::clocks::stop(tx, self.id, "*", self.at, Self::NAME).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// What a key of this institution already stands for, by author; each author has keys of its own.
    pub async fn repeated(&self, institution: &InstitutionId, key: &str) -> Result<Vec<Repeated>, StoreError> {
        let mut reader = self.reader("repeated").await?;
        let rows = sqlx::query(REPEATED)
            .bind(institution.as_str())
            .bind(key)
            .fetch_all(&mut *reader)
            .await
            .map_err(StoreError::in_statement("repeated"))?;
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

    /// One exchange, without its content.
    pub async fn exchange(&self, id: ExchangeId) -> Result<Option<ExchangeRow>, StoreError> {
        let mut reader = self.reader("exchange").await?;
        let row =
            sqlx::query(EXCHANGE).bind(id.to_string()).fetch_optional(&mut *reader).await.map_err(StoreError::in_statement("exchange"))?;
        row.as_ref().map(read_exchange).transpose()
    }

    /// The exchanges that answer `id`, oldest first.
    pub async fn answers_to(&self, id: ExchangeId) -> Result<Vec<ExchangeRow>, StoreError> {
        let mut reader = self.reader("answers_to").await?;
        let rows =
            sqlx::query(ANSWERS_TO).bind(id.to_string()).fetch_all(&mut *reader).await.map_err(StoreError::in_statement("answers_to"))?;
        rows.iter().map(read_exchange).collect()
    }

    /// The sealed compartments of one exchange; `None` once erased.
    pub async fn content(&self, id: ExchangeId) -> Result<Option<Vec<u8>>, StoreError> {
        let mut reader = self.reader("content").await?;
        let row =
            sqlx::query(CONTENT).bind(id.to_string()).fetch_optional(&mut *reader).await.map_err(StoreError::in_statement("content"))?;
        row.map(|row| bytes(&row, "sealed")).transpose()
    }

    /// The follow-ups of one exchange.
    pub async fn follow_ups(&self, id: ExchangeId) -> Result<Vec<FollowUpRow>, StoreError> {
        let mut reader = self.reader("follow_ups").await?;
        let rows =
            sqlx::query(FOLLOW_UPS).bind(id.to_string()).fetch_all(&mut *reader).await.map_err(StoreError::in_statement("follow_ups"))?;
        rows.iter().map(read_follow_up).collect()
    }

    /// One follow-up.
    pub async fn follow_up(&self, id: FollowUpId) -> Result<Option<FollowUpRow>, StoreError> {
        let mut reader = self.reader("follow_up").await?;
        let row = sqlx::query(FOLLOW_UP)
            .bind(id.to_string())
            .fetch_optional(&mut *reader)
            .await
            .map_err(StoreError::in_statement("follow_up"))?;
        row.as_ref().map(read_follow_up).transpose()
    }

    /// Whether an exchange is sealed from a professional of an institution: for this person it does not exist.
    pub async fn sealed_from(&self, id: ExchangeId, institution: &InstitutionId, reader: &ProfessionalId) -> Result<bool, StoreError> {
        let mut connection = self.reader("sealed_from").await?;
        let row = sqlx::query(SEALED_FROM)
            .bind(id.to_string())
            .bind(institution.as_str())
            .bind(&reader.issuer)
            .bind(&reader.subject)
            .fetch_optional(&mut *connection)
            .await
            .map_err(StoreError::in_statement("sealed_from"))?;
        Ok(row.is_some())
    }

    /// The open follow-ups of one unit, oldest first, 200 at most, less what is sealed from `reader`.
    pub async fn open_follow_ups(&self, owner: &Party, reader: &ProfessionalId) -> Result<Vec<FollowUpRow>, StoreError> {
        let mut connection = self.reader("open_follow_ups").await?;
        let rows = sqlx::query(OPEN_FOLLOW_UPS)
            .bind(owner.institution.as_str())
            .bind(unit_text(owner))
            .bind(&reader.issuer)
            .bind(&reader.subject)
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::in_statement("open_follow_ups"))?;
        rows.iter().map(read_follow_up).collect()
    }

    /// Receipts in order of exchange id after `after`, 1,000 at most: (exchange id, compact JWS).
    pub async fn receipts_after(&self, after: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut reader = self.reader("receipts_after").await?;
        let rows =
            sqlx::query(RECEIPTS_AFTER).bind(after).fetch_all(&mut *reader).await.map_err(StoreError::in_statement("receipts_after"))?;
        rows.iter().map(|row| Ok((text(row, "id")?, text(row, "receipt")?))).collect()
    }

    /// Whether any exchange with this id was accepted: what orphan collection asks.
    pub async fn exchange_exists(&self, id: ExchangeId) -> Result<bool, StoreError> {
        Ok(self.exchange(id).await?.is_some())
    }
}

fn read_exchange(row: &AnyRow) -> Result<ExchangeRow, StoreError> {
    let damaged = || StoreError::Damaged("exchange");
    Ok(ExchangeRow {
        id: text(row, "id")?.parse().map_err(|_| damaged())?,
        kind: text(row, "type")?.parse().map_err(|_| damaged())?,
        type_version: u32::try_from(number(row, "type_version")?).map_err(|_| damaged())?,
        sender: party(&text(row, "sender_institution")?, &text(row, "sender_unit")?)?,
        sender_professional: text(row, "sender_professional")?,
        recipient: party(&text(row, "recipient_institution")?, &text(row, "recipient_unit")?)?,
        urgency: urgency(number(row, "urgency")?)?,
        in_reply_to: row
            .try_get::<Option<String>, _>("in_reply_to")
            .map_err(|_| damaged())?
            .map(|id| id.parse())
            .transpose()
            .map_err(|_| damaged())?,
        accepted_at: Instant::from_unix_ms(number(row, "accepted_at")?),
        incomplete: number(row, "incomplete")? == 1,
        leaf_hash: bytes(row, "leaf_hash")?,
        receipt: text(row, "receipt")?,
        route: bytes(row, "route")?,
        decision: bytes(row, "decision")?,
        erased_at: instant(row, "erased_at")?,
    })
}

fn read_follow_up(row: &AnyRow) -> Result<FollowUpRow, StoreError> {
    let damaged = || StoreError::Damaged("follow_up");
    Ok(FollowUpRow {
        id: text(row, "id")?.parse().map_err(|_| damaged())?,
        exchange: text(row, "exchange_id")?.parse().map_err(|_| damaged())?,
        code: text(row, "code")?,
        owner: party(&text(row, "institution")?, &text(row, "unit")?)?,
        opened_at: Instant::from_unix_ms(number(row, "opened_at")?),
        details: serde_json::from_str(&text(row, "details")?).map_err(|_| damaged())?,
        done_at: instant(row, "done_at")?,
    })
}

/// The order in which things are taken: 0 first.
pub(crate) fn rank(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Immediate => 0,
        Urgency::Priority => 1,
        Urgency::Ordinary => 2,
        Urgency::Batch => 3,
    }
}

pub(crate) fn urgency(rank: i64) -> Result<Urgency, StoreError> {
    match rank {
        0 => Ok(Urgency::Immediate),
        1 => Ok(Urgency::Priority),
        2 => Ok(Urgency::Ordinary),
        3 => Ok(Urgency::Batch),
        _ => Err(StoreError::Damaged("urgency")),
    }
}

pub(crate) fn unit_text(party: &Party) -> &str {
    party.unit.as_ref().map_or("", UnitId::as_str)
}

pub(crate) fn party(institution: &str, unit: &str) -> Result<Party, StoreError> {
    let damaged = |_| StoreError::Damaged("party");
    let unit = if unit.is_empty() { None } else { Some(unit.parse().map_err(damaged)?) };
    Ok(Party { institution: institution.parse().map_err(damaged)?, unit })
}

pub(crate) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Damaged(column))
}

pub(crate) fn bytes(row: &AnyRow, column: &'static str) -> Result<Vec<u8>, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Damaged(column))
}

pub(crate) fn number(row: &AnyRow, column: &'static str) -> Result<i64, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Damaged(column))
}

pub(crate) fn instant(row: &AnyRow, column: &'static str) -> Result<Option<Instant>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column).map_err(|_| StoreError::Damaged(column))?.map(Instant::from_unix_ms))
}

pub(crate) fn delivery_id(row: &AnyRow, column: &'static str) -> Result<DeliveryId, StoreError> {
    text(row, column)?.parse().map_err(|_| StoreError::Damaged(column))
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    INSERT_EXCHANGE,
    INSERT_CONTENT,
    INSERT_IDEMPOTENCY,
    INSERT_EXCLUSION,
    INSERT_FOLLOW_UP,
    FINISH_FOLLOW_UP,
    MARK_ERASED,
    DROP_CONTENT,
    REPEATED,
    EXCHANGE,
    ANSWERS_TO,
    CONTENT,
    FOLLOW_UPS,
    FOLLOW_UP,
    SEALED_FROM,
    OPEN_FOLLOW_UPS,
    RECEIPTS_AFTER,
];

const INSERT_EXCHANGE: &str = "-- insert_exchange
INSERT INTO exchange (id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution,
    recipient_unit, urgency, in_reply_to, accepted_at, incomplete, retention, leaf_hash, receipt, route, decision, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

const INSERT_CONTENT: &str = "-- insert_content
INSERT INTO content (exchange_id, sealed, written_by) VALUES ($1, $2, $3)";

const INSERT_IDEMPOTENCY: &str = "-- insert_idempotency
INSERT INTO idempotency (institution, author, key, exchange_id, mac, written_by) VALUES ($1, $2, $3, $4, $5, $6)";

const INSERT_EXCLUSION: &str = "-- insert_exclusion
INSERT INTO exclusion (exchange_id, institution, issuer, subject, written_by) VALUES ($1, $2, $3, $4, $5)";

const INSERT_FOLLOW_UP: &str = "-- insert_follow_up
INSERT INTO follow_up (id, exchange_id, code, institution, unit, opened_at, details, written_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const FINISH_FOLLOW_UP: &str = "-- finish_follow_up
UPDATE follow_up SET done_at = $1, done_by = $2, written_by = $3
WHERE id = $4 AND institution = $5 AND unit = $6 AND done_at IS NULL RETURNING exchange_id, code";

const MARK_ERASED: &str = "-- mark_erased
UPDATE exchange SET erased_at = $1, written_by = $2 WHERE id = $3 AND erased_at IS NULL";

const DROP_CONTENT: &str = "-- drop_content
DELETE FROM content WHERE exchange_id = $1";

// No order: to sort by author SQLite would read every key of the institution.
const REPEATED: &str = "-- repeated
SELECT e.id AS id, i.author AS author, e.receipt AS receipt, i.mac AS mac, e.erased_at AS erased_at
FROM idempotency i JOIN exchange e ON e.id = i.exchange_id WHERE i.institution = $1 AND i.key = $2";

const EXCHANGE: &str = "-- exchange
SELECT id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution, recipient_unit, urgency,
    in_reply_to, accepted_at, incomplete, leaf_hash, receipt, route, decision, erased_at FROM exchange WHERE id = $1";

const ANSWERS_TO: &str = "-- answers_to
SELECT id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution, recipient_unit, urgency,
    in_reply_to, accepted_at, incomplete, leaf_hash, receipt, route, decision, erased_at FROM exchange WHERE in_reply_to = $1 ORDER BY id";

const CONTENT: &str = "-- content
SELECT sealed FROM content WHERE exchange_id = $1";

const FOLLOW_UPS: &str = "-- follow_ups
SELECT id, exchange_id, code, institution, unit, opened_at, details, done_at FROM follow_up WHERE exchange_id = $1 ORDER BY id";

const FOLLOW_UP: &str = "-- follow_up
SELECT id, exchange_id, code, institution, unit, opened_at, details, done_at FROM follow_up WHERE id = $1";

const SEALED_FROM: &str = "-- sealed_from
SELECT exchange_id FROM exclusion WHERE exchange_id = $1 AND (institution = $2 OR (issuer = $3 AND subject = $4)) LIMIT 1";

const OPEN_FOLLOW_UPS: &str = "-- open_follow_ups
SELECT id, exchange_id, code, institution, unit, opened_at, details, done_at FROM follow_up
WHERE institution = $1 AND unit = $2 AND done_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = follow_up.exchange_id AND (x.institution = $1 OR (x.issuer = $3 AND x.subject = $4)))
ORDER BY opened_at LIMIT 200";

const RECEIPTS_AFTER: &str = "-- receipts_after
SELECT id, receipt FROM exchange WHERE id > $1 ORDER BY id LIMIT 1000";
