//! The portal: who is signed in, and what somebody has begun to write. Drafts are sealed before they come here.

use exchange::{ExchangeId, Instant, InstitutionId, ProfessionalId};
use futures::future::BoxFuture;
use sqlx::{Row, any::AnyRow};

use super::{
    Store, StoreError, Tx, Write,
    columns::{bytes, number, text},
};

/// Somebody signed in.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Keyed digest of what the browser holds.
    pub digest: String,
    /// Institution of the certificate.
    pub institution: InstitutionId,
    /// Who.
    pub professional: ProfessionalId,
    /// SHA-256 of the certificate, in hexadecimal.
    pub thumbprint: String,
    /// With what the provider is told that it is over, sealed.
    pub hint: Option<Vec<u8>>,
    /// Over, however busy.
    pub ends_at: Instant,
    /// Over unless something is asked before.
    pub idle_at: Instant,
}

/// Begins a session; what is over goes, and those before it in the same browser.
pub struct BeginSession {
    /// The new one.
    pub session: SessionRow,
    /// Digests of those before.
    pub before: Vec<String>,
    /// The present instant.
    pub now: Instant,
}

impl Write for BeginSession {
    const NAME: &'static str = "begin_session";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let failed = StoreError::in_statement;
            sqlx::query(DROP_SESSIONS).bind(self.now.unix_ms()).execute(tx.connection()).await.map_err(failed("drop_sessions"))?;
            for before in &self.before {
                sqlx::query(DROP_SESSION).bind(before).execute(tx.connection()).await.map_err(failed("drop_session"))?;
            }
            let one = sqlx::query(INSERT_SESSION)
                .bind(&self.session.digest)
                .bind(self.session.institution.as_str())
                .bind(&self.session.professional.issuer)
                .bind(&self.session.professional.subject)
                .bind(&self.session.thumbprint)
                .bind(self.session.ends_at.unix_ms())
                .bind(self.session.idle_at.unix_ms())
                .bind(self.session.hint.as_deref())
                .bind(Self::NAME);
            tx.one("insert_session", one).await
        })
    }
}

/// Something was asked: the session lasts a while longer. One that is gone stays gone.
pub struct KeepSession {
    /// Which.
    pub digest: String,
    /// Until when.
    pub idle_at: Instant,
}

impl Write for KeepSession {
    const NAME: &'static str = "keep_session";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let kept = sqlx::query(KEEP_SESSION).bind(self.idle_at.unix_ms()).bind(Self::NAME).bind(&self.digest);
            kept.execute(tx.connection()).await.map_err(StoreError::in_statement("keep_session"))?;
            Ok(())
        })
    }
}

/// Somebody signs out.
pub struct EndSession(pub String);

impl Write for EndSession {
    const NAME: &'static str = "end_session";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            sqlx::query(DROP_SESSION).bind(&self.0).execute(tx.connection()).await.map_err(StoreError::in_statement("drop_session"))?;
            Ok(())
        })
    }
}

/// What somebody has begun to write.
#[derive(Debug, Clone)]
pub struct DraftRow {
    /// Id.
    pub id: String,
    /// Sealed content; empty once it was sent.
    pub sealed: Vec<u8>,
    /// What became of it.
    pub exchange: Option<ExchangeId>,
    /// Until when it is kept.
    pub ends_at: Instant,
}

/// Keeps a draft, new or in the place of the one before; drafts that are over go, and of one person the oldest beyond fifty. One that
/// was sent is not written again.
pub struct KeepDraft {
    /// The draft.
    pub draft: DraftRow,
    /// Institution of its author.
    pub institution: InstitutionId,
    /// Its author: nobody else's is replaced.
    pub author: ProfessionalId,
    /// The present instant.
    pub now: Instant,
}

impl Write for KeepDraft {
    const NAME: &'static str = "keep_draft";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let over = sqlx::query(DROP_DRAFTS).bind(self.now.unix_ms());
            over.execute(tx.connection()).await.map_err(StoreError::in_statement("drop_drafts"))?;
            let one = sqlx::query(KEEP_DRAFT)
                .bind(&self.draft.id)
                .bind(self.institution.as_str())
                .bind(&self.author.issuer)
                .bind(&self.author.subject)
                .bind(&self.draft.sealed[..])
                .bind(self.draft.ends_at.unix_ms())
                .bind(Self::NAME);
            tx.one("keep_draft", one).await?;
            let oldest = sqlx::query(DROP_OLDEST)
                .bind(self.institution.as_str())
                .bind(&self.author.issuer)
                .bind(&self.author.subject)
                .bind(MOST_DRAFTS);
            oldest.execute(tx.connection()).await.map_err(StoreError::in_statement("drop_oldest_drafts"))?;
            Ok(())
        })
    }
}

/// Takes away drafts and sessions that are over.
pub struct DropOver(pub Instant);

impl Write for DropOver {
    const NAME: &'static str = "drop_over";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            for (name, statement) in [("drop_drafts", DROP_DRAFTS), ("drop_sessions", DROP_SESSIONS)] {
                let over = sqlx::query(statement).bind(self.0.unix_ms());
                over.execute(tx.connection()).await.map_err(StoreError::in_statement(name))?;
            }
            Ok(())
        })
    }
}

/// A draft was sent: what it said goes, what became of it stays, so that sending it again leads there.
pub struct DraftSent {
    /// Which.
    pub id: String,
    /// What became of it.
    pub exchange: ExchangeId,
}

impl Write for DraftSent {
    const NAME: &'static str = "draft_sent";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            // A draft that was given up or is over meanwhile has nothing to remember.
            let query = sqlx::query(DRAFT_SENT).bind(Vec::<u8>::new()).bind(self.exchange.to_string()).bind(Self::NAME).bind(&self.id);
            query.execute(tx.connection()).await.map(drop).map_err(StoreError::in_statement("draft_sent"))
        })
    }
}

/// Its author gives a draft up.
pub struct DropDraft {
    /// Which.
    pub id: String,
    /// Institution of its author.
    pub institution: InstitutionId,
    /// Its author.
    pub author: ProfessionalId,
}

impl Write for DropDraft {
    const NAME: &'static str = "drop_draft";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let (id, author) = (&self.id, &self.author);
            let one = sqlx::query(DROP_DRAFT).bind(id).bind(self.institution.as_str()).bind(&author.issuer).bind(&author.subject);
            tx.one("drop_draft", one).await
        })
    }
}

impl Store {
    /// The session of this digest, over or not.
    pub async fn session(&self, digest: &str) -> Result<Option<SessionRow>, StoreError> {
        let row = self.row("session", sqlx::query(SESSION).bind(digest)).await?;
        row.map(|row| {
            Ok(SessionRow {
                digest: text(&row, "digest")?,
                institution: text(&row, "institution")?.parse().map_err(|_| StoreError::Damaged("session"))?,
                professional: ProfessionalId { issuer: text(&row, "issuer")?, subject: text(&row, "subject")? },
                thumbprint: text(&row, "thumbprint")?,
                hint: row.try_get("hint").map_err(|_| StoreError::Damaged("session"))?,
                ends_at: Instant::from_unix_ms(number(&row, "ends_at")?),
                idle_at: Instant::from_unix_ms(number(&row, "idle_at")?),
            })
        })
        .transpose()
    }

    /// One draft of its author's.
    pub async fn draft(&self, id: &str, institution: &InstitutionId, author: &ProfessionalId) -> Result<Option<DraftRow>, StoreError> {
        let query = sqlx::query(DRAFT).bind(id).bind(institution.as_str()).bind(&author.issuer).bind(&author.subject);
        self.row("draft", query).await?.as_ref().map(read_draft).transpose()
    }

    /// What somebody has begun and not sent, newest first, 20 at most.
    pub async fn drafts_of(&self, institution: &InstitutionId, author: &ProfessionalId, now: Instant) -> Result<Vec<DraftRow>, StoreError> {
        let query = sqlx::query(DRAFTS_OF).bind(institution.as_str()).bind(&author.issuer).bind(&author.subject).bind(now.unix_ms());
        self.rows("drafts_of", query).await?.iter().map(read_draft).collect()
    }
}

fn read_draft(row: &AnyRow) -> Result<DraftRow, StoreError> {
    let damaged = || StoreError::Damaged("draft");
    let exchange = row.try_get::<Option<String>, _>("exchange_id").map_err(|_| damaged())?;
    Ok(DraftRow {
        id: text(row, "id")?,
        sealed: bytes(row, "sealed")?,
        exchange: exchange.map(|id| id.parse()).transpose().map_err(|_| damaged())?,
        ends_at: Instant::from_unix_ms(number(row, "ends_at")?),
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    DROP_SESSIONS,
    DROP_SESSION,
    INSERT_SESSION,
    KEEP_SESSION,
    SESSION,
    DROP_DRAFTS,
    DROP_OLDEST,
    KEEP_DRAFT,
    DRAFT_SENT,
    DROP_DRAFT,
    DRAFT,
    DRAFTS_OF,
];

/// Drafts of one person: a form cannot fill the disk.
const MOST_DRAFTS: i64 = 50;

const DROP_SESSIONS: &str = "-- drop_sessions
DELETE FROM portal_session WHERE ends_at <= $1";

const DROP_SESSION: &str = "-- drop_session
DELETE FROM portal_session WHERE digest = $1";

const INSERT_SESSION: &str = "-- insert_session
INSERT INTO portal_session (digest, institution, issuer, subject, thumbprint, ends_at, idle_at, hint, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const KEEP_SESSION: &str = "-- keep_session
UPDATE portal_session SET idle_at = $1, written_by = $2 WHERE digest = $3";

const SESSION: &str = "-- session
SELECT digest, institution, issuer, subject, thumbprint, ends_at, idle_at, hint FROM portal_session WHERE digest = $1";

const DROP_DRAFTS: &str = "-- drop_drafts
DELETE FROM portal_draft WHERE ends_at <= $1";

const DROP_OLDEST: &str = "-- drop_oldest_drafts
DELETE FROM portal_draft WHERE institution = $1 AND issuer = $2 AND subject = $3 AND exchange_id IS NULL AND id < (
    SELECT MIN(id) FROM (SELECT id FROM portal_draft WHERE institution = $1 AND issuer = $2 AND subject = $3 AND exchange_id IS NULL
        ORDER BY id DESC LIMIT $4) AS newest)";

const KEEP_DRAFT: &str = "-- keep_draft
INSERT INTO portal_draft (id, institution, issuer, subject, sealed, exchange_id, ends_at, written_by) VALUES ($1, $2, $3, $4, $5, NULL, $6, $7)
ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, ends_at = excluded.ends_at, written_by = excluded.written_by
WHERE portal_draft.institution = excluded.institution AND portal_draft.issuer = excluded.issuer
    AND portal_draft.subject = excluded.subject AND portal_draft.exchange_id IS NULL";

const DRAFT_SENT: &str = "-- draft_sent
UPDATE portal_draft SET sealed = $1, exchange_id = $2, written_by = $3 WHERE id = $4";

const DROP_DRAFT: &str = "-- drop_draft
DELETE FROM portal_draft WHERE id = $1 AND institution = $2 AND issuer = $3 AND subject = $4 AND exchange_id IS NULL";

const DRAFT: &str = "-- draft
SELECT id, sealed, exchange_id, ends_at FROM portal_draft WHERE id = $1 AND institution = $2 AND issuer = $3 AND subject = $4";

const DRAFTS_OF: &str = "-- drafts_of
SELECT id, sealed, exchange_id, ends_at FROM portal_draft
WHERE institution = $1 AND issuer = $2 AND subject = $3 AND exchange_id IS NULL AND ends_at > $4 ORDER BY id DESC LIMIT 20";
