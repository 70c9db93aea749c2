//! Emergency accesses: who may read which classes of what until when, and whether somebody looked at it afterwards.

use std::collections::BTreeSet;

use exchange::{DataClass, DeliveryId, ExchangeId, FollowUpId, GrantId, Instant, InstitutionId, ProfessionalId};
use futures::future::BoxFuture;
use sqlx::{Row, any::AnyRow};

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    clocks::{NewClock, Told},
    columns::{bytes, delivery_id, instant, number, role, text},
    follow_up::NewFollowUp,
};
use crate::directory::Role;

/// One emergency access.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Id.
    pub id: GrantId,
    /// What is read.
    pub exchange: ExchangeId,
    /// The delivery by which it is read.
    pub delivery: DeliveryId,
    /// Institution of the reader and of the recipient.
    pub institution: InstitutionId,
    /// Who reads.
    pub reader: ProfessionalId,
    /// Data classes that were asked for.
    pub classes: BTreeSet<DataClass>,
    /// Rules that decided.
    pub rules: Vec<String>,
    /// Sealed reason.
    pub reason: Vec<u8>,
    /// From when.
    pub granted_at: Instant,
    /// Until when.
    pub until: Instant,
    /// How often something was read under it.
    pub uses: i64,
}

/// A task in which an access is reviewed, with its clock and who is told of it at once.
pub struct NewReview {
    /// The function that reviews; `None`: the unit of the task.
    pub role: Option<Role>,
    /// The task.
    pub follow_up: NewFollowUp,
    /// Its clocks.
    pub clocks: Vec<NewClock>,
    /// Who is told.
    pub told: Told,
}

/// An emergency access begins: the entry that says so is written before anything is read, and whoever reviews it is told.
pub struct GrantAccess {
    /// The access.
    pub grant: Grant,
    /// The reviews that it owes.
    pub reviews: Vec<NewReview>,
    /// What the log states.
    pub entry: NewEntry,
}

/// Something is read again under an access that still lasts.
pub struct UseAccess {
    /// Which.
    pub id: GrantId,
    /// When: after its end there is none.
    pub at: Instant,
    /// What the log states.
    pub entry: NewEntry,
}

/// One review of an access.
#[derive(Debug, Clone)]
pub struct ReviewRow {
    /// The task.
    pub follow_up: FollowUpId,
    /// The function that reviews; `None`: a unit.
    pub role: Option<Role>,
    /// Until when it is to be reviewed.
    pub limit: Option<Instant>,
    /// When it was.
    pub done_at: Option<Instant>,
    /// By whom: opaque subject.
    pub done_by: Option<String>,
    /// Code of CL-constat.
    pub finding: Option<String>,
}

impl Write for GrantAccess {
    const NAME: &'static str = "grant_access";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let Self { grant, reviews, entry } = self;
            let damaged = |_| StoreError::Damaged("insert_grant");
            let one = sqlx::query(INSERT_GRANT)
                .bind(grant.id.to_string())
                .bind(grant.exchange.to_string())
                .bind(grant.delivery.to_string())
                .bind(grant.institution.as_str())
                .bind(&grant.reader.issuer)
                .bind(&grant.reader.subject)
                .bind(serde_json::to_string(&grant.classes).map_err(damaged)?)
                .bind(serde_json::to_string(&grant.rules).map_err(damaged)?)
                .bind(&grant.reason[..])
                .bind(grant.granted_at.unix_ms())
                .bind(grant.until.unix_ms())
                .bind(grant.uses)
                .bind(Self::NAME);
            tx.one("insert_grant", one).await?;
            for review in &reviews {
                review.follow_up.insert_for(tx, grant.exchange, review.role, grant.granted_at, Self::NAME).await?;
                for clock in &review.clocks {
                    clock.insert_for(tx, grant.exchange, review.role, Self::NAME).await?;
                    review.told.insert(tx, clock.id, (grant.granted_at, grant.granted_at), Self::NAME).await?;
                }
                let one = sqlx::query(INSERT_REVIEW).bind(grant.id.to_string()).bind(review.follow_up.id.to_string()).bind(Self::NAME);
                tx.one("insert_review", one).await?;
            }
            entry.insert(tx, Self::NAME).await
        })
    }
}

impl Write for UseAccess {
    const NAME: &'static str = "use_access";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(USE_GRANT).bind(Self::NAME).bind(self.id.to_string()).bind(self.at.unix_ms());
            tx.one("use_grant", one).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// The access under which this person may still read an exchange: the one that lasts longest.
    pub async fn grant_in_force(&self, exchange: ExchangeId, reader: &ProfessionalId, now: Instant) -> Result<Option<Grant>, StoreError> {
        let query = sqlx::query(GRANT_IN_FORCE).bind(exchange.to_string()).bind(&reader.issuer).bind(&reader.subject).bind(now.unix_ms());
        self.row("grant_in_force", query).await?.as_ref().map(read_grant).transpose()
    }

    /// One access.
    pub async fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        self.row("grant", sqlx::query(GRANT).bind(id.to_string())).await?.as_ref().map(read_grant).transpose()
    }

    /// The access that a task reviews.
    pub async fn grant_of_review(&self, task: FollowUpId) -> Result<Option<Grant>, StoreError> {
        self.row("grant_of_review", sqlx::query(GRANT_OF_REVIEW).bind(task.to_string())).await?.as_ref().map(read_grant).transpose()
    }

    /// The accesses in an institution, newest first, 200 at most, less what is sealed from `reader`.
    pub async fn grants(&self, institution: &InstitutionId, reader: &ProfessionalId) -> Result<Vec<Grant>, StoreError> {
        let query = sqlx::query(GRANTS).bind(institution.as_str()).bind(&reader.issuer).bind(&reader.subject);
        self.rows("grants", query).await?.iter().map(read_grant).collect()
    }

    /// The reviews of an access.
    pub async fn reviews(&self, id: GrantId) -> Result<Vec<ReviewRow>, StoreError> {
        let rows = self.rows("reviews", sqlx::query(REVIEWS).bind(id.to_string())).await?;
        rows.iter()
            .map(|row| {
                let word = |column: &'static str| row.try_get::<Option<String>, _>(column).map_err(|_| StoreError::Damaged(column));
                Ok(ReviewRow {
                    follow_up: text(row, "follow_up_id")?.parse().map_err(|_| StoreError::Damaged("reviews"))?,
                    role: role(row, "role")?,
                    limit: instant(row, "limit_at")?,
                    done_at: instant(row, "done_at")?,
                    done_by: word("done_by")?,
                    finding: word("finding")?,
                })
            })
            .collect()
    }
}

fn read_grant(row: &AnyRow) -> Result<Grant, StoreError> {
    let damaged = || StoreError::Damaged("break_glass");
    Ok(Grant {
        id: text(row, "id")?.parse().map_err(|_| damaged())?,
        exchange: text(row, "exchange_id")?.parse().map_err(|_| damaged())?,
        delivery: delivery_id(row, "delivery_id")?,
        institution: text(row, "institution")?.parse().map_err(|_| damaged())?,
        reader: ProfessionalId { issuer: text(row, "issuer")?, subject: text(row, "subject")? },
        classes: serde_json::from_str(&text(row, "classes")?).map_err(|_| damaged())?,
        rules: serde_json::from_str(&text(row, "rules")?).map_err(|_| damaged())?,
        reason: bytes(row, "reason")?,
        granted_at: Instant::from_unix_ms(number(row, "granted_at")?),
        until: Instant::from_unix_ms(number(row, "until_at")?),
        uses: number(row, "uses")?,
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[INSERT_GRANT, INSERT_REVIEW, USE_GRANT, GRANT_IN_FORCE, GRANT, GRANT_OF_REVIEW, GRANTS, REVIEWS];

const INSERT_GRANT: &str = "-- insert_grant
INSERT INTO break_glass (id, exchange_id, delivery_id, institution, issuer, subject, classes, rules, reason, granted_at, until_at, uses, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const INSERT_REVIEW: &str = "-- insert_review
INSERT INTO break_glass_review (grant_id, follow_up_id, written_by) VALUES ($1, $2, $3)";

const USE_GRANT: &str = "-- use_grant
UPDATE break_glass SET uses = uses + 1, written_by = $1 WHERE id = $2 AND until_at > $3";

const GRANT_IN_FORCE: &str = "-- grant_in_force
SELECT id, exchange_id, delivery_id, institution, issuer, subject, classes, rules, reason, granted_at, until_at, uses FROM break_glass
WHERE exchange_id = $1 AND issuer = $2 AND subject = $3 AND until_at > $4 ORDER BY until_at DESC LIMIT 1";

const GRANT: &str = "-- grant
SELECT id, exchange_id, delivery_id, institution, issuer, subject, classes, rules, reason, granted_at, until_at, uses FROM break_glass
WHERE id = $1";

const GRANT_OF_REVIEW: &str = "-- grant_of_review
SELECT b.id AS id, b.exchange_id AS exchange_id, b.delivery_id AS delivery_id, b.institution AS institution, b.issuer AS issuer,
    b.subject AS subject, b.classes AS classes, b.rules AS rules, b.reason AS reason, b.granted_at AS granted_at, b.until_at AS until_at,
    b.uses AS uses
FROM break_glass_review r JOIN break_glass b ON b.id = r.grant_id WHERE r.follow_up_id = $1";

const GRANTS: &str = "-- grants
SELECT id, exchange_id, delivery_id, institution, issuer, subject, classes, rules, reason, granted_at, until_at, uses FROM break_glass
WHERE institution = $1
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = break_glass.exchange_id AND (x.institution = $1 OR (x.issuer = $2 AND x.subject = $3)))
ORDER BY granted_at DESC LIMIT 200";

const REVIEWS: &str = "-- reviews
SELECT r.follow_up_id AS follow_up_id, f.role AS role, f.done_at AS done_at, f.done_by AS done_by, t.finding AS finding,
    (SELECT MIN(c.limit_at) FROM clock c WHERE c.exchange_id = f.exchange_id AND c.stops = ' task:' || f.id || ' ') AS limit_at
FROM break_glass_review r JOIN follow_up f ON f.id = r.follow_up_id LEFT JOIN task_record t ON t.follow_up_id = r.follow_up_id
WHERE r.grant_id = $1 ORDER BY r.follow_up_id";
