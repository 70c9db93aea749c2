//! Mails: under which Message-ID a delivery leaves, and what became of it. A Message-ID is given once and never changes.

use exchange::{DeliveryId, ExchangeId, Instant, InstitutionId, Party, TypeCode};
use futures::future::BoxFuture;
use sqlx::{Row, any::AnyRow};

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{delivery_id, instant, number, party, text},
    follow_up::NewFollowUp,
};

/// What became of a mail, as the last notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailFate {
    /// A system took it over without showing it.
    Process,
    /// It was sent on.
    Dispatch,
    /// It was shown to somebody.
    Display,
    /// It was thrown away, perhaps unseen.
    Delete,
    /// It did not arrive, or the receiving system refused it.
    Fail,
}

impl MailFate {
    /// The word in the row and in the timeline.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "processed",
            Self::Dispatch => "dispatched",
            Self::Display => "displayed",
            Self::Delete => "deleted",
            Self::Fail => "failed",
        }
    }

    /// Whether somebody has to make sure by another way.
    pub const fn calls_for_a_person(self) -> bool {
        match self {
            Self::Delete | Self::Fail => true,
            Self::Process | Self::Dispatch | Self::Display => false,
        }
    }
}

/// Gives a delivery its Message-ID, or finds the one it has.
pub struct NameMail {
    /// Which.
    pub delivery: DeliveryId,
    /// For whom.
    pub partner: InstitutionId,
    /// The Message-ID, unless it has one.
    pub message_id: String,
    /// When, unless it has one.
    pub at: Instant,
    /// Whether content leaves this time.
    pub content: bool,
}

/// What a mail is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `Message-ID`, without its brackets.
    pub message_id: String,
    /// The date in its head.
    pub at: Instant,
}

impl Write for NameMail {
    const NAME: &'static str = "name_mail";
    type Output = Named;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<Named, StoreError>> {
        Box::pin(async move {
            let row = sqlx::query(NAME_MAIL)
                .bind(self.delivery.to_string())
                .bind(self.partner.as_str())
                .bind(&self.message_id)
                .bind(self.at.unix_ms())
                .bind(i64::from(self.content))
                .bind(Self::NAME)
                .fetch_one(tx.connection())
                .await
                .map_err(StoreError::in_statement("name_mail"))?;
            Ok(Named { message_id: text(&row, "message_id")?, at: Instant::from_unix_ms(number(&row, "named_at")?) })
        })
    }
}

/// The operator took a mail over.
pub struct MailLeft {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// When.
    pub at: Instant,
    /// Until when its notice is awaited.
    pub due: Option<Instant>,
}

impl Write for MailLeft {
    const NAME: &'static str = "mail_left";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(MAIL_LEFT)
                .bind(self.at.unix_ms())
                .bind(self.due.map(Instant::unix_ms))
                .bind(Self::NAME)
                .bind(self.delivery.to_string());
            tx.one("mail_left", one).await
        })
    }
}

/// What became of a mail is written down. Refused when as much or more is known.
pub struct SettleMail {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Of which exchange.
    pub exchange: ExchangeId,
    /// What; nothing: its notice did not come in time.
    pub fate: Option<MailFate>,
    /// When.
    pub at: Instant,
    /// What it leaves to do.
    pub opens: Option<NewFollowUp>,
    /// What the log states.
    pub entry: Option<NewEntry>,
}

impl Write for SettleMail {
    const NAME: &'static str = "settle_mail";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let delivery = self.delivery.to_string();
            match self.fate {
                Some(fate) => {
                    let one = sqlx::query(SETTLE_MAIL).bind(fate.as_str()).bind(self.at.unix_ms()).bind(Self::NAME).bind(&delivery);
                    tx.one("settle_mail", one).await?;
                }
                None => {
                    let one = sqlx::query(MISS_NOTICE).bind(Self::NAME).bind(&delivery).bind(self.at.unix_ms());
                    tx.one("miss_notice", one).await?;
                }
            }
            if let Some(task) = &self.opens {
                task.insert(tx, self.exchange, self.at, Self::NAME).await?;
            }
            match &self.entry {
                Some(entry) => entry.insert(tx, Self::NAME).await,
                None => Ok(()),
            }
        })
    }
}

/// A mail that left, or is about to.
#[derive(Debug, Clone)]
pub struct SentMail {
    /// What it hands over.
    pub delivery: DeliveryId,
    /// Of which exchange.
    pub exchange: ExchangeId,
    /// The type of that exchange.
    pub kind: TypeCode,
    /// Who sent it.
    pub sender: Party,
    /// Whose mailbox it goes to.
    pub partner: InstitutionId,
    /// When the operator took it over.
    pub sent_at: Option<Instant>,
    /// What became of it.
    pub disposition: Option<String>,
    /// When that was read.
    pub disposed_at: Option<Instant>,
}

impl Store {
    /// The mail of this Message-ID.
    pub async fn mail(&self, message_id: &str) -> Result<Option<SentMail>, StoreError> {
        self.row("mail_of_id", sqlx::query(MAIL_OF_ID).bind(message_id)).await?.as_ref().map(read).transpose()
    }

    /// The mails by which an exchange was handed over.
    pub async fn mails_of(&self, exchange: ExchangeId) -> Result<Vec<SentMail>, StoreError> {
        self.rows("mails_of", sqlx::query(MAILS_OF).bind(exchange.to_string())).await?.iter().map(read).collect()
    }

    /// Mails whose notice did not come in time, 100 at most.
    pub async fn overdue_mails(&self, now: Instant) -> Result<Vec<SentMail>, StoreError> {
        self.rows("overdue_mails", sqlx::query(OVERDUE_MAILS).bind(now.unix_ms())).await?.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<SentMail, StoreError> {
    let damaged = |_| StoreError::Damaged("mail_sent");
    Ok(SentMail {
        delivery: delivery_id(row, "delivery_id")?,
        exchange: text(row, "exchange_id")?.parse().map_err(|_| StoreError::Damaged("mail_sent"))?,
        kind: text(row, "type")?.parse().map_err(|_| StoreError::Damaged("mail_sent"))?,
        sender: party(&text(row, "sender_institution")?, &text(row, "sender_unit")?)?,
        partner: text(row, "partner")?.parse().map_err(|_| StoreError::Damaged("mail_sent"))?,
        sent_at: instant(row, "sent_at")?,
        disposition: row.try_get("disposition").map_err(damaged)?,
        disposed_at: instant(row, "disposed_at")?,
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[NAME_MAIL, MAIL_LEFT, SETTLE_MAIL, MISS_NOTICE, MAIL_OF_ID, MAILS_OF, OVERDUE_MAILS];

const NAME_MAIL: &str = "-- name_mail
INSERT INTO mail_sent (delivery_id, partner, message_id, named_at, content, written_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (delivery_id) DO UPDATE SET content = excluded.content, written_by = excluded.written_by
RETURNING message_id, named_at";

// A notice that was faster than this record is not awaited again.
const MAIL_LEFT: &str = "-- mail_left
UPDATE mail_sent SET sent_at = $1, due_at = CASE WHEN disposition IS NULL THEN CAST($2 AS BIGINT) END, written_by = $3 WHERE delivery_id = $4";

const SETTLE_MAIL: &str = "-- settle_mail
UPDATE mail_sent SET disposition = $1, disposed_at = $2, due_at = NULL, written_by = $3
WHERE delivery_id = $4 AND (disposition IS NULL OR (disposition IN ('processed', 'dispatched') AND $1 IN ('displayed', 'deleted', 'failed'))
    OR (disposition = 'displayed' AND $1 IN ('deleted', 'failed')))";

const MISS_NOTICE: &str = "-- miss_notice
UPDATE mail_sent SET due_at = NULL, written_by = $1 WHERE delivery_id = $2 AND due_at <= $3";

const MAIL_OF_ID: &str = "-- mail_of_id
SELECT m.delivery_id AS delivery_id, m.partner AS partner, m.sent_at AS sent_at, m.disposition AS disposition, m.disposed_at AS disposed_at,
    e.id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit
FROM mail_sent m JOIN delivery d ON d.id = m.delivery_id JOIN exchange e ON e.id = d.exchange_id WHERE m.message_id = $1";

const MAILS_OF: &str = "-- mails_of
SELECT m.delivery_id AS delivery_id, m.partner AS partner, m.sent_at AS sent_at, m.disposition AS disposition, m.disposed_at AS disposed_at,
    e.id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit
FROM delivery d JOIN mail_sent m ON m.delivery_id = d.id JOIN exchange e ON e.id = d.exchange_id WHERE d.exchange_id = $1 ORDER BY d.id";

const OVERDUE_MAILS: &str = "-- overdue_mails
SELECT m.delivery_id AS delivery_id, m.partner AS partner, m.sent_at AS sent_at, m.disposition AS disposition, m.disposed_at AS disposed_at,
    e.id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit
FROM mail_sent m JOIN delivery d ON d.id = m.delivery_id JOIN exchange e ON e.id = d.exchange_id WHERE m.due_at <= $1 ORDER BY m.due_at LIMIT 100";
