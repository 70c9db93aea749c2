//! Deliveries: the mailbox, who opened and acknowledged what, and the calls about what could not wait.

use exchange::{DeliveryId, ExchangeId, Instant, Party, ProfessionalId, TypeCode, Urgency};
use futures::future::BoxFuture;
use sqlx::{Row, any::AnyRow};

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{bytes, delivery_id, instant, number, party, rank, text, unit_text, urgency},
    rows::{Cell, Rows, Table},
};

/// A promise to hand one exchange to one unit.
pub struct NewDelivery {
    /// Id.
    pub id: DeliveryId,
    /// To whom.
    pub recipient: Party,
    /// How fast.
    pub urgency: Urgency,
    /// Pushes with the same value leave one after the other; empty for no order.
    pub ordering: String,
    /// Whether the unit has an endpoint to which a notice is pushed.
    pub push: bool,
    /// What it hands over.
    pub word: Word,
}

/// What a delivery hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The content.
    Content,
    /// That the sender withdrew it.
    Withdrawal,
}

impl Word {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Withdrawal => "withdrawal",
        }
    }
}

/// How a named professional answered a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The unit takes it in charge.
    TakenInCharge,
    /// The unit refuses it, with a reason.
    Refused,
    /// It is not for this unit, with a reason.
    NotForUs,
}

impl Outcome {
    /// The word on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TakenInCharge => "taken-in-charge",
            Self::Refused => "refused",
            Self::NotForUs => "not-for-us",
        }
    }
}

/// What the mailbox tells without opening anything.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Id.
    pub id: DeliveryId,
    /// What is handed over.
    pub exchange: ExchangeId,
    /// Its type.
    pub kind: TypeCode,
    /// Who sent it.
    pub sender: Party,
    /// To whom.
    pub recipient: Party,
    /// How fast.
    pub urgency: Urgency,
    /// Mailbox cursor.
    pub arrival: i64,
    /// When it became available.
    pub delivered_at: Instant,
    /// First opening.
    pub opened_at: Option<Instant>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Instant>,
    /// How.
    pub outcome: Option<String>,
    /// What it hands over.
    pub word: Word,
    /// A withdrawal took its place.
    pub replaced: bool,
    /// The exchange that this one corrects.
    pub rectifies: Option<ExchangeId>,
    /// When its sender withdrew the exchange.
    pub withdrawn_at: Option<Instant>,
    /// Something is missing or did not conform.
    pub incomplete: bool,
    /// The content's key is gone.
    pub erased: bool,
}

impl NewDelivery {
    pub(super) fn add_to(&self, rows: &mut Rows, exchange: ExchangeId, at: Instant, name: &'static str) {
        rows.add(
            &DELIVERIES,
            [
                self.id.to_string().into(),
                exchange.to_string().into(),
                self.recipient.institution.as_str().into(),
                unit_text(&self.recipient).into(),
                rank(self.urgency).into(),
                self.ordering.as_str().into(),
                Cell::Next,
                at.unix_ms().into(),
                if self.push { "waiting" } else { "none" }.into(),
                self.word.as_str().into(),
                name.into(),
            ],
        );
    }
}

/// A named professional is about to read: the entry that says so is written before anything is released.
pub struct OpenDelivery {
    /// Which.
    pub id: DeliveryId,
    /// Exchange it hands over.
    pub exchange: ExchangeId,
    /// When.
    pub at: Instant,
    /// Opaque subject.
    pub by: String,
    /// What it hands over: the word that something was withdrawn stops no clock.
    pub word: Word,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for OpenDelivery {
    const NAME: &'static str = "open_delivery";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let first = sqlx::query(OPEN_DELIVERY)
                .bind(self.at.unix_ms())
                .bind(&self.by)
                .bind(Self::NAME)
                .bind(self.id.to_string())
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("open_delivery"))?
                .rows_affected();
            if first == 1 && self.word == Word::Content {
                super::clocks::stop(tx, self.exchange, "opened", self.at, Self::NAME).await?;
            }
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

/// A named professional answers for the unit.
pub struct AcknowledgeDelivery {
    /// Which.
    pub id: DeliveryId,
    /// Exchange it hands over.
    pub exchange: ExchangeId,
    /// When.
    pub at: Instant,
    /// Opaque subject.
    pub by: String,
    /// How.
    pub outcome: Outcome,
    /// What it hands over: the word that something was withdrawn stops no clock.
    pub word: Word,
    /// Sealed reason, when one was given.
    pub reason: Option<Vec<u8>>,
    /// The code read back on the telephone, when there was a call.
    pub read_back: Option<String>,
    /// Something for the sender to do: the exchange was refused or is not for this unit.
    pub follow_up: Option<super::follow_up::NewFollowUp>,
    /// Codes of follow-ups that are thereby done.
    pub closes: Vec<String>,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for AcknowledgeDelivery {
    const NAME: &'static str = "acknowledge_delivery";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(ACKNOWLEDGE_DELIVERY)
                .bind(self.at.unix_ms())
                .bind(&self.by)
                .bind(self.outcome.as_str())
                .bind(self.reason.as_deref())
                .bind(Self::NAME)
                .bind(self.id.to_string());
            tx.one("acknowledge_delivery", one).await?;
            if let Some(code) = &self.read_back {
                sqlx::query(BIND_CALL)
                    .bind(self.at.unix_ms())
                    .bind(Self::NAME)
                    .bind(self.exchange.to_string())
                    .bind(code)
                    .execute(tx.connection())
                    .await
                    .map_err(StoreError::in_statement("bind_call"))?;
            }
            if self.word == Word::Content {
                super::clocks::stop(tx, self.exchange, "acknowledged", self.at, Self::NAME).await?;
                super::follow_up::close(tx, self.exchange, &self.closes, self.at, Self::NAME).await?;
            }
            if let Some(follow_up) = &self.follow_up {
                follow_up.insert(tx, self.exchange, self.at, Self::NAME).await?;
            }
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

/// A call was made because the exchange could not wait for its reader.
pub struct RecordCall {
    /// Exchange it is about.
    pub exchange: ExchangeId,
    /// When.
    pub at: Instant,
    /// Who called: opaque subject.
    pub by: String,
    /// Whether somebody answered.
    pub reached: bool,
    /// Code to be said and read back.
    pub read_back: String,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for RecordCall {
    const NAME: &'static str = "record_call";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(INSERT_CALL)
                .bind(self.exchange.to_string())
                .bind(self.at.unix_ms())
                .bind(&self.by)
                .bind(i64::from(self.reached))
                .bind(&self.read_back)
                .bind(Self::NAME);
            tx.one("insert_call", one).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

/// Who asks for a mailbox: sealed exchanges do not exist for them.
pub struct MailboxQuery<'a> {
    /// The unit.
    pub unit: &'a Party,
    /// The professional who asks, if it is one.
    pub reader: Option<&'a ProfessionalId>,
    /// Only what arrived after this cursor.
    pub after: i64,
    /// Page size.
    pub limit: u32,
}

impl Store {
    /// What came to a unit after a cursor, is not acknowledged and was not erased, urgent first; and the cursor of the next page.
    /// What is `immediate` shows on every page before its turn: it must not wait behind a long list.
    pub async fn mailbox(&self, query: &MailboxQuery<'_>) -> Result<(Vec<DeliveryRow>, i64), StoreError> {
        let mut page = self.mailbox_rows("mailbox", MAILBOX, query).await?;
        let cursor = page.iter().map(|row| row.arrival).max().unwrap_or(query.after);
        for urgent in self.mailbox_rows("mailbox_immediate", MAILBOX_IMMEDIATE, query).await? {
            if page.iter().all(|row| row.id != urgent.id) {
                page.push(urgent);
            }
        }
        page.sort_by_key(|row| (row.urgency, row.arrival));
        Ok((page, cursor))
    }

    async fn mailbox_rows(
        &self,
        name: &'static str,
        statement: &'static str,
        query: &MailboxQuery<'_>,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let (issuer, subject) = query.reader.map_or(("", ""), |id| (id.issuer.as_str(), id.subject.as_str()));
        let query = sqlx::query(statement)
            .bind(query.unit.institution.as_str())
            .bind(unit_text(query.unit))
            .bind(query.after)
            .bind(issuer)
            .bind(subject)
            .bind(i64::from(query.limit));
        let rows = self.rows(name, query).await?;
        rows.iter().map(read_delivery).collect()
    }

    /// One delivery.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        let query = sqlx::query(DELIVERY).bind(id.to_string());
        let row = self.row("delivery", query).await?;
        row.as_ref().map(read_delivery).transpose()
    }

    /// The deliveries of one exchange.
    pub async fn deliveries_of(&self, exchange: ExchangeId) -> Result<Vec<DeliveryRow>, StoreError> {
        let query = sqlx::query(DELIVERIES_OF).bind(exchange.to_string());
        let rows = self.rows("deliveries_of", query).await?;
        rows.iter().map(read_delivery).collect()
    }

    /// Sealed reason of a delivery's acknowledgement.
    pub async fn acknowledgement_reason(&self, id: DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sqlx::query(REASON).bind(id.to_string());
        let row = self.row("acknowledgement_reason", query).await?;
        row.map(|row| bytes(&row, "reason")).transpose()
    }
}

pub(super) fn read_delivery(row: &AnyRow) -> Result<DeliveryRow, StoreError> {
    let damaged = || StoreError::Damaged("delivery");
    Ok(DeliveryRow {
        id: delivery_id(row, "id")?,
        exchange: text(row, "exchange_id")?.parse().map_err(|_| damaged())?,
        kind: text(row, "type")?.parse().map_err(|_| damaged())?,
        sender: party(&text(row, "sender_institution")?, &text(row, "sender_unit")?)?,
        recipient: party(&text(row, "institution")?, &text(row, "unit")?)?,
        urgency: urgency(number(row, "urgency")?)?,
        arrival: number(row, "arrival")?,
        delivered_at: Instant::from_unix_ms(number(row, "delivered_at")?),
        opened_at: instant(row, "opened_at")?,
        acknowledged_at: instant(row, "acknowledged_at")?,
        outcome: row.try_get("outcome").map_err(|_| damaged())?,
        word: if text(row, "notice")? == Word::Withdrawal.as_str() { Word::Withdrawal } else { Word::Content },
        replaced: instant(row, "replaced_at")?.is_some(),
        rectifies: row
            .try_get::<Option<String>, _>("rectifies")
            .map_err(|_| damaged())?
            .map(|id| id.parse())
            .transpose()
            .map_err(|_| damaged())?,
        withdrawn_at: instant(row, "withdrawn_at")?,
        incomplete: number(row, "incomplete")? == 1,
        erased: instant(row, "erased_at")?.is_some(),
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    LAST_ARRIVAL,
    OPEN_DELIVERY,
    ACKNOWLEDGE_DELIVERY,
    BIND_CALL,
    INSERT_CALL,
    MAILBOX,
    MAILBOX_IMMEDIATE,
    DELIVERY,
    DELIVERIES_OF,
    REASON,
];

static DELIVERIES: Table = Table::new(
    "insert_delivery",
    "delivery",
    "id, exchange_id, institution, unit, urgency, ordering, arrival, delivered_at, push, notice, written_by",
)
.counting(LAST_ARRIVAL);

const LAST_ARRIVAL: &str = "-- last_arrival_of_all
SELECT COALESCE(MAX(arrival), 0) FROM delivery";

const OPEN_DELIVERY: &str = "-- open_delivery
UPDATE delivery SET opened_at = $1, opened_by = $2, written_by = $3 WHERE id = $4 AND opened_at IS NULL";

const ACKNOWLEDGE_DELIVERY: &str = "-- acknowledge_delivery
UPDATE delivery SET acknowledged_at = $1, acknowledged_by = $2, outcome = $3, reason = $4, written_by = $5
WHERE id = $6 AND acknowledged_at IS NULL";

const BIND_CALL: &str = "-- bind_call
UPDATE telephone_call SET bound_at = $1, written_by = $2 WHERE exchange_id = $3 AND read_back = $4 AND bound_at IS NULL";

const INSERT_CALL: &str = "-- insert_call
INSERT INTO telephone_call (exchange_id, at, professional, reached, read_back, written_by) VALUES ($1, $2, $3, $4, $5, $6)";

const MAILBOX: &str = "-- mailbox
SELECT d.id AS id, d.exchange_id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit,
    d.institution AS institution, d.unit AS unit, d.urgency AS urgency, d.arrival AS arrival, d.delivered_at AS delivered_at,
    d.opened_at AS opened_at, d.acknowledged_at AS acknowledged_at, d.outcome AS outcome, d.notice AS notice, d.replaced_at AS replaced_at,
    e.rectifies AS rectifies, e.withdrawn_at AS withdrawn_at, e.incomplete AS incomplete, e.erased_at AS erased_at
FROM delivery d JOIN exchange e ON e.id = d.exchange_id
WHERE d.institution = $1 AND d.unit = $2 AND d.arrival > $3 AND d.acknowledged_at IS NULL AND e.erased_at IS NULL AND d.replaced_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = d.exchange_id
                    AND (x.institution = d.institution OR (x.issuer = $4 AND x.subject = $5 AND x.subject <> '')))
ORDER BY d.arrival LIMIT $6";

const MAILBOX_IMMEDIATE: &str = "-- mailbox_immediate
SELECT d.id AS id, d.exchange_id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit,
    d.institution AS institution, d.unit AS unit, d.urgency AS urgency, d.arrival AS arrival, d.delivered_at AS delivered_at,
    d.opened_at AS opened_at, d.acknowledged_at AS acknowledged_at, d.outcome AS outcome, d.notice AS notice, d.replaced_at AS replaced_at,
    e.rectifies AS rectifies, e.withdrawn_at AS withdrawn_at, e.incomplete AS incomplete, e.erased_at AS erased_at
FROM delivery d JOIN exchange e ON e.id = d.exchange_id
WHERE d.institution = $1 AND d.unit = $2 AND d.arrival > $3 AND d.acknowledged_at IS NULL AND e.erased_at IS NULL AND d.replaced_at IS NULL AND d.urgency = 0
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = d.exchange_id
                    AND (x.institution = d.institution OR (x.issuer = $4 AND x.subject = $5 AND x.subject <> '')))
ORDER BY d.arrival LIMIT $6";

pub(super) const DELIVERY: &str = "-- delivery
SELECT d.id AS id, d.exchange_id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit,
    d.institution AS institution, d.unit AS unit, d.urgency AS urgency, d.arrival AS arrival, d.delivered_at AS delivered_at,
    d.opened_at AS opened_at, d.acknowledged_at AS acknowledged_at, d.outcome AS outcome, d.notice AS notice, d.replaced_at AS replaced_at,
    e.rectifies AS rectifies, e.withdrawn_at AS withdrawn_at, e.incomplete AS incomplete, e.erased_at AS erased_at
FROM delivery d JOIN exchange e ON e.id = d.exchange_id WHERE d.id = $1";

const DELIVERIES_OF: &str = "-- deliveries_of
SELECT d.id AS id, d.exchange_id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit,
    d.institution AS institution, d.unit AS unit, d.urgency AS urgency, d.arrival AS arrival, d.delivered_at AS delivered_at,
    d.opened_at AS opened_at, d.acknowledged_at AS acknowledged_at, d.outcome AS outcome, d.notice AS notice, d.replaced_at AS replaced_at,
    e.rectifies AS rectifies, e.withdrawn_at AS withdrawn_at, e.incomplete AS incomplete, e.erased_at AS erased_at
FROM delivery d JOIN exchange e ON e.id = d.exchange_id WHERE d.exchange_id = $1 ORDER BY d.arrival";

const REASON: &str = "-- acknowledgement_reason
SELECT reason FROM delivery WHERE id = $1 AND reason IS NOT NULL";
