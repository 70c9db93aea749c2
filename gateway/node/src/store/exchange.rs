//! Exchanges: what acceptance writes, all of it in one transaction, and what is read back of it.

use std::collections::BTreeSet;

use exchange::{ExchangeId, Instant, InstitutionId, Party, ProfessionalId, TypeCode, Urgency};
use futures::future::BoxFuture;
use sqlx::{Row, any::AnyRow};

use super::{
    Store, StoreError, Tx, Write,
    attachments::NewAttachment,
    audit::NewEntry,
    clocks::NewClock,
    columns::{bytes, instant, number, party, rank, text, unit_text, urgency},
    delivery::NewDelivery,
    follow_up::NewFollowUp,
    idempotency::IdempotencyKey,
    rows::{Rows, Table},
};

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
    /// What its sender states for the law and not for the recipient, sealed.
    pub statement: Option<Vec<u8>>,
    /// The obligations of another exchange that this one fulfils: the gateway made it, or it brings what was missing.
    pub fulfils: Vec<(ExchangeId, String)>,
    /// Exchanges that the gateway makes out of this one, in the same transaction.
    pub made: Vec<AcceptExchange>,
    /// What it corrects, when that and all of its line is sealed too, from now on.
    pub also_sealed: Option<ExchangeId>,
    /// What it brings beside its document.
    pub attachments: Vec<NewAttachment>,
    /// Codes of the follow-ups of the exchange it answers that are thereby done.
    pub closes: Vec<String>,
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
    /// What it corrects.
    pub rectifies: Option<ExchangeId>,
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
    /// What it corrects.
    pub rectifies: Option<ExchangeId>,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// When its sender withdrew it.
    pub withdrawn_at: Option<Instant>,
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

impl Write for AcceptExchange {
    const NAME: &'static str = "accept_exchange";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let mut rows = Rows::default();
            self.add_to(&mut rows);
            tx.insert(rows).await?;
            for one in std::iter::once(&self).chain(&self.made) {
                one.end_others(tx).await?;
            }
            Ok(())
        })
    }

    fn only_inserts(&self, rows: &mut Rows) -> Option<()> {
        let alone = std::iter::once(self)
            .chain(&self.made)
            .all(|one| one.answers.is_none() && one.fulfils.is_empty() && one.exchange.rectifies.is_none());
        alone.then(|| self.add_to(rows))
    }
}

impl AcceptExchange {
    /// Its own rows, then those of what the gateway makes of it.
    fn add_to(&self, rows: &mut Rows) {
        let at = self.exchange.accepted_at;
        let id = self.exchange.id;
        self.exchange.add_to(rows, Self::NAME);
        if let Some(statement) = &self.statement {
            rows.add(&STATEMENTS, [id.to_string().into(), statement[..].into(), Self::NAME.into()]);
        }
        if let Some(key) = &self.idempotency {
            key.add_to(rows, id, Self::NAME);
        }
        for (institution, issuer, subject) in &self.exclusions {
            let row =
                [id.to_string().into(), institution.as_str().into(), issuer.as_str().into(), subject.as_str().into(), Self::NAME.into()];
            rows.add(&EXCLUSIONS, row);
        }
        for attachment in &self.attachments {
            attachment.add_to(rows, id, Self::NAME);
        }
        for delivery in &self.deliveries {
            delivery.add_to(rows, id, at, Self::NAME);
        }
        for clock in &self.clocks {
            clock.add_to(rows, id, None, Self::NAME);
        }
        for follow_up in &self.follow_ups {
            follow_up.add_to(rows, id, None, at, Self::NAME);
        }
        for entry in &self.entries {
            entry.add_to(rows, Self::NAME);
        }
        for made in &self.made {
            made.add_to(rows);
        }
    }

    /// What it ends of other exchanges.
    async fn end_others(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let at = self.exchange.accepted_at;
        if let Some((answered, kind)) = &self.answers {
            // Who answers a correction answers the first one, whose clocks run.
            let row = sqlx::query(CORRECTED_BY).bind(answered.to_string()).fetch_optional(tx.connection()).await;
            let first = row.map_err(StoreError::in_statement("corrected_by"))?.map(|row| text(&row, "rectifies")).transpose()?;
            let first = first.map(|id| id.parse()).transpose().map_err(|_| StoreError::Damaged("exchange"))?;
            for id in std::iter::once(*answered).chain(first) {
                super::clocks::stop(tx, id, &format!("answered:{kind}"), at, Self::NAME).await?;
                super::follow_up::close(tx, id, &self.closes, at, Self::NAME).await?;
            }
        }
        if let Some(first) = self.exchange.rectifies {
            // What was added to the line since it was looked at.
            let query = sqlx::query(SEALED_AS).bind(self.exchange.id.to_string()).bind(Self::NAME).bind(first.to_string());
            query.execute(tx.connection()).await.map_err(StoreError::in_statement("sealed_as"))?;
        }
        if let Some(first) = self.also_sealed {
            // A sender does not lose sight of what it sent.
            let others = self.exclusions.iter().filter(|(institution, _, _)| *institution != self.exchange.sender.institution.as_str());
            for (institution, issuer, subject) in others {
                let query = sqlx::query(SEAL_LINE).bind(institution).bind(issuer).bind(subject).bind(Self::NAME).bind(first.to_string());
                query.execute(tx.connection()).await.map_err(StoreError::in_statement("seal_line"))?;
            }
        }
        for (of, code) in &self.fulfils {
            let query = sqlx::query(FULFIL).bind(at.unix_ms()).bind(Self::NAME).bind(of.to_string()).bind(code);
            query.execute(tx.connection()).await.map_err(StoreError::in_statement("fulfil"))?;
            super::clocks::stop(tx, *of, &format!("recorded:{code}"), at, Self::NAME).await?;
        }
        Ok(())
    }
}

impl NewExchange {
    fn add_to(&self, rows: &mut Rows, name: &'static str) {
        rows.add(
            &EXCHANGES,
            [
                self.id.to_string().into(),
                self.kind.as_str().into(),
                i64::from(self.type_version).into(),
                self.sender.institution.as_str().into(),
                unit_text(&self.sender).into(),
                self.professional.as_deref().unwrap_or("").into(),
                self.recipient.institution.as_str().into(),
                unit_text(&self.recipient).into(),
                rank(self.urgency).into(),
                self.in_reply_to.map(|id| id.to_string()).into(),
                self.rectifies.map(|id| id.to_string()).into(),
                self.accepted_at.unix_ms().into(),
                i64::from(self.incomplete).into(),
                self.retention.as_str().into(),
                self.accepted_at.unix_ms().into(),
                self.leaf_hash[..].into(),
                self.receipt.as_str().into(),
                self.route[..].into(),
                self.decision[..].into(),
                name.into(),
            ],
        );
        rows.add(&CONTENTS, [self.id.to_string().into(), self.content[..].into(), name.into()]);
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
            let one = sqlx::query(MARK_ERASED).bind(self.at.unix_ms()).bind(Self::NAME).bind(self.id.to_string());
            tx.one("mark_erased", one).await?;
            sqlx::query(DROP_CONTENT)
                .bind(self.id.to_string())
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("drop_content"))?;
            sqlx::query(DROP_STATEMENT)
                .bind(self.id.to_string())
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("drop_statement"))?;
            super::withdrawal::forget(tx, self.id).await?;
            super::attachments::forget(tx, self.id).await?;
            super::clocks::stop(tx, self.id, "*", self.at, Self::NAME).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// One exchange, without its content.
    pub async fn exchange(&self, id: ExchangeId) -> Result<Option<ExchangeRow>, StoreError> {
        let query = sqlx::query(EXCHANGE).bind(id.to_string());
        let row = self.row("exchange", query).await?;
        row.as_ref().map(read_exchange).transpose()
    }

    /// The exchanges that answer `id`, oldest first.
    pub async fn answers_to(&self, id: ExchangeId) -> Result<Vec<ExchangeRow>, StoreError> {
        let query = sqlx::query(ANSWERS_TO).bind(id.to_string());
        let rows = self.rows("answers_to", query).await?;
        rows.iter().map(read_exchange).collect()
    }

    /// What a professional wrote, newest first, 50 at most, before one; less what is sealed from them.
    pub async fn sent_by(
        &self,
        institution: &InstitutionId,
        author: &ProfessionalId,
        before: Option<ExchangeId>,
    ) -> Result<Vec<ExchangeRow>, StoreError> {
        let before = before.map_or_else(|| "g".to_owned(), |id| id.to_string());
        let query = sqlx::query(SENT_BY).bind(institution.as_str()).bind(&author.subject).bind(before).bind(&author.issuer);
        self.rows("sent_by", query).await?.iter().map(read_exchange).collect()
    }

    /// The exchanges that correct `id`, oldest first.
    pub async fn corrections_of(&self, id: ExchangeId) -> Result<Vec<ExchangeRow>, StoreError> {
        let rows = self.rows("corrections_of", sqlx::query(CORRECTIONS_OF).bind(id.to_string())).await?;
        rows.iter().map(read_exchange).collect()
    }

    /// The sealed compartments of one exchange; `None` once erased.
    pub async fn content(&self, id: ExchangeId) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sqlx::query(CONTENT).bind(id.to_string());
        let row = self.row("content", query).await?;
        row.map(|row| bytes(&row, "sealed")).transpose()
    }

    /// What the sender of one exchange stated for the law and not for the recipient, sealed; `None` when nothing, or erased.
    pub async fn statement(&self, id: ExchangeId) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sqlx::query(STATEMENT).bind(id.to_string());
        let row = self.row("statement", query).await?;
        row.map(|row| bytes(&row, "sealed")).transpose()
    }

    /// Whether an exchange is sealed from a professional of an institution: for this person it does not exist.
    pub async fn sealed_from(&self, id: ExchangeId, institution: &InstitutionId, reader: &ProfessionalId) -> Result<bool, StoreError> {
        let query = sqlx::query(SEALED_FROM).bind(id.to_string()).bind(institution.as_str()).bind(&reader.issuer).bind(&reader.subject);
        let row = self.row("sealed_from", query).await?;
        Ok(row.is_some())
    }

    /// From whom an exchange is sealed: (institution, issuer, subject); an empty text where it does not apply.
    pub async fn exclusions_of(&self, id: ExchangeId) -> Result<Vec<(String, String, String)>, StoreError> {
        let rows = self.rows("exclusions_of", sqlx::query(EXCLUSIONS_OF).bind(id.to_string())).await?;
        rows.iter().map(|row| Ok((text(row, "institution")?, text(row, "issuer")?, text(row, "subject")?))).collect()
    }

    /// Every exchange that is sealed from a professional of an institution. Reads all exclusions: for what is as rare as a
    /// re-identification, and takes the same time whatever there is to find.
    pub async fn all_sealed_from(&self, institution: &InstitutionId, reader: &ProfessionalId) -> Result<BTreeSet<ExchangeId>, StoreError> {
        let query = sqlx::query(ALL_SEALED_FROM).bind(institution.as_str()).bind(&reader.issuer).bind(&reader.subject);
        let rows = self.rows("all_sealed_from", query).await?;
        rows.iter().map(|row| text(row, "exchange_id")?.parse().map_err(|_| StoreError::Damaged("exclusion"))).collect()
    }

    /// Receipts in order of exchange id after `after`, 1,000 at most: (exchange id, compact JWS).
    pub async fn receipts_after(&self, after: &str) -> Result<Vec<(String, String)>, StoreError> {
        let query = sqlx::query(RECEIPTS_AFTER).bind(after);
        let rows = self.rows("receipts_after", query).await?;
        rows.iter().map(|row| Ok((text(row, "id")?, text(row, "receipt")?))).collect()
    }
}

fn read_exchange(row: &AnyRow) -> Result<ExchangeRow, StoreError> {
    let damaged = || StoreError::Damaged("exchange");
    let other = |name: &str| {
        let id = row.try_get::<Option<String>, _>(name).map_err(|_| damaged())?;
        id.map(|id| id.parse()).transpose().map_err(|_| damaged())
    };
    Ok(ExchangeRow {
        id: text(row, "id")?.parse().map_err(|_| damaged())?,
        kind: text(row, "type")?.parse().map_err(|_| damaged())?,
        type_version: u32::try_from(number(row, "type_version")?).map_err(|_| damaged())?,
        sender: party(&text(row, "sender_institution")?, &text(row, "sender_unit")?)?,
        sender_professional: text(row, "sender_professional")?,
        recipient: party(&text(row, "recipient_institution")?, &text(row, "recipient_unit")?)?,
        urgency: urgency(number(row, "urgency")?)?,
        in_reply_to: other("in_reply_to")?,
        rectifies: other("rectifies")?,
        withdrawn_at: instant(row, "withdrawn_at")?,
        accepted_at: Instant::from_unix_ms(number(row, "accepted_at")?),
        incomplete: number(row, "incomplete")? == 1,
        leaf_hash: bytes(row, "leaf_hash")?,
        receipt: text(row, "receipt")?,
        route: bytes(row, "route")?,
        decision: bytes(row, "decision")?,
        erased_at: instant(row, "erased_at")?,
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    FULFIL,
    MARK_ERASED,
    DROP_CONTENT,
    DROP_STATEMENT,
    EXCHANGE,
    ANSWERS_TO,
    SENT_BY,
    CONTENT,
    STATEMENT,
    SEALED_FROM,
    RECEIPTS_AFTER,
    CORRECTIONS_OF,
    EXCLUSIONS_OF,
    SEALED_AS,
    SEAL_LINE,
    CORRECTED_BY,
];

static EXCHANGES: Table = Table::new(
    "insert_exchange",
    "exchange",
    "id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution, recipient_unit, urgency,
    in_reply_to, rectifies, accepted_at, incomplete, retention, kept_since, leaf_hash, receipt, route, decision, written_by",
)
.referred_to();

static CONTENTS: Table = Table::new("insert_content", "content", "exchange_id, sealed, written_by");

static EXCLUSIONS: Table = Table::new("insert_exclusion", "exclusion", "exchange_id, institution, issuer, subject, written_by");

static STATEMENTS: Table = Table::new("insert_statement", "statement", "exchange_id, sealed, written_by");

const SEALED_AS: &str = "-- sealed_as
INSERT INTO exclusion (exchange_id, institution, issuer, subject, written_by)
SELECT CAST($1 AS TEXT), institution, issuer, subject, CAST($2 AS TEXT) FROM exclusion WHERE exchange_id = $3
ON CONFLICT (exchange_id, institution, issuer, subject) DO NOTHING";

const SEAL_LINE: &str = "-- seal_line
INSERT INTO exclusion (exchange_id, institution, issuer, subject, written_by)
SELECT l.id, CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT) FROM exchange l WHERE l.id IN (
    SELECT id FROM exchange WHERE id = $5
    UNION SELECT id FROM exchange WHERE rectifies = $5
    UNION SELECT c.id FROM exchange e JOIN exchange c ON c.in_reply_to = e.id
        WHERE e.id = $5 AND c.sender_institution = e.sender_institution AND c.sender_unit = e.sender_unit
    UNION SELECT c.id FROM exchange e JOIN exchange c ON c.in_reply_to = e.id
        WHERE e.rectifies = $5 AND c.sender_institution = e.sender_institution AND c.sender_unit = e.sender_unit
)
ON CONFLICT (exchange_id, institution, issuer, subject) DO NOTHING";

const CORRECTED_BY: &str = "-- corrected_by
SELECT rectifies FROM exchange WHERE id = $1 AND rectifies IS NOT NULL";

// Nobody did it: the gateway itself made what was due.
const FULFIL: &str = "-- fulfil
UPDATE follow_up SET done_at = $1, done_by = '', written_by = $2 WHERE exchange_id = $3 AND code = $4 AND done_at IS NULL";

const MARK_ERASED: &str = "-- mark_erased
UPDATE exchange SET erased_at = $1, written_by = $2 WHERE id = $3 AND erased_at IS NULL";

const DROP_CONTENT: &str = "-- drop_content
DELETE FROM content WHERE exchange_id = $1";

const DROP_STATEMENT: &str = "-- drop_statement
DELETE FROM statement WHERE exchange_id = $1";

const EXCHANGE: &str = "-- exchange
SELECT id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution, recipient_unit, urgency,
    in_reply_to, rectifies, accepted_at, withdrawn_at, incomplete, leaf_hash, receipt, route, decision, erased_at FROM exchange WHERE id = $1";

const ANSWERS_TO: &str = "-- answers_to
SELECT id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution, recipient_unit, urgency,
    in_reply_to, rectifies, accepted_at, withdrawn_at, incomplete, leaf_hash, receipt, route, decision, erased_at FROM exchange WHERE in_reply_to = $1 ORDER BY id";

// Ids are in lower-case hexadecimal and begin with the time: `g` is after all of them.
const SENT_BY: &str = "-- sent_by
SELECT id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution, recipient_unit, urgency,
    in_reply_to, rectifies, accepted_at, withdrawn_at, incomplete, leaf_hash, receipt, route, decision, erased_at FROM exchange
WHERE sender_institution = $1 AND sender_professional = $2 AND id < $3
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = exchange.id
                    AND (x.institution = $1 OR (x.issuer = $4 AND x.subject = $2)))
ORDER BY id DESC LIMIT 50";

const CORRECTIONS_OF: &str = "-- corrections_of
SELECT id, type, type_version, sender_institution, sender_unit, sender_professional, recipient_institution, recipient_unit, urgency,
    in_reply_to, rectifies, accepted_at, withdrawn_at, incomplete, leaf_hash, receipt, route, decision, erased_at FROM exchange
WHERE rectifies = $1 ORDER BY id";

const CONTENT: &str = "-- content
SELECT sealed FROM content WHERE exchange_id = $1";

const STATEMENT: &str = "-- statement
SELECT sealed FROM statement WHERE exchange_id = $1";

const SEALED_FROM: &str = "-- sealed_from
SELECT exchange_id FROM exclusion WHERE exchange_id = $1 AND (institution = $2 OR (issuer = $3 AND subject = $4)) LIMIT 1";

const EXCLUSIONS_OF: &str = "-- exclusions_of
SELECT institution, issuer, subject FROM exclusion WHERE exchange_id = $1";

const RECEIPTS_AFTER: &str = "-- receipts_after
SELECT id, receipt FROM exchange WHERE id > $1 ORDER BY id LIMIT 1000";

const ALL_SEALED_FROM: &str = "-- all_sealed_from
SELECT exchange_id FROM exclusion WHERE institution = $1 OR (issuer = $2 AND subject = $3)";
