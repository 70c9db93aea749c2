//! « Dossier connu ? »: whom a question is about, how many questions a case has put, and which exchanges a unit knows.

use exchange::{ExchangeId, Instant, Party, ProfessionalId};
use futures::future::BoxFuture;
use sqlx::any::AnyRow;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{number, party, text, unit_text},
    vault::MentionId,
};

/// A unit says whom its question is about.
pub struct AskKnown {
    /// The question: an exchange of the asking unit.
    pub question: ExchangeId,
    /// Whom it is about.
    pub about: MentionId,
    /// The unit that asks.
    pub asker: Party,
    /// Its case, blinded.
    pub case: String,
    /// Opaque subject of who asks.
    pub by: String,
    /// When.
    pub at: Instant,
    /// What may be asked: by one case, and by one person since an instant. A case is a word of the asker's.
    pub budget: Budget,
    /// What the log states.
    pub entry: NewEntry,
}

/// How many questions may be put.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// By one case.
    pub per_case: u32,
    /// By one person.
    pub per_person: u32,
    /// From when those of a person count.
    pub since: Instant,
}

/// Whom a question is about.
#[derive(Debug, Clone)]
pub struct KnownQuestion {
    /// The mention.
    pub about: MentionId,
    /// The unit that asks.
    pub asker: Party,
    /// Opaque subject of who asked.
    pub by: String,
}

impl Write for AskKnown {
    const NAME: &'static str = "ask_known";
    /// Whether the case and the person had a question left; nothing is written otherwise.
    type Output = bool;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<bool, StoreError>> {
        Box::pin(async move {
            let row = sqlx::query(KNOWN_QUESTIONS_OF)
                .bind(self.asker.institution.as_str())
                .bind(unit_text(&self.asker))
                .bind(&self.case)
                .fetch_one(tx.connection())
                .await
                .map_err(StoreError::in_statement("known_questions_of"))?;
            let by = sqlx::query(KNOWN_QUESTIONS_BY)
                .bind(self.asker.institution.as_str())
                .bind(&self.by)
                .bind(self.budget.since.unix_ms())
                .fetch_one(tx.connection())
                .await
                .map_err(StoreError::in_statement("known_questions_by"))?;
            if number(&row, "asked")? >= i64::from(self.budget.per_case) || number(&by, "asked")? >= i64::from(self.budget.per_person) {
                return Ok(false);
            }
            let one = sqlx::query(ASK_KNOWN)
                .bind(self.question.to_string())
                .bind(self.about.exchange.to_string())
                .bind(i64::from(self.about.n))
                .bind(self.asker.institution.as_str())
                .bind(unit_text(&self.asker))
                .bind(&self.case)
                .bind(&self.by)
                .bind(self.at.unix_ms())
                .bind(Self::NAME);
            tx.one("ask_known", one).await?;
            self.entry.insert(tx, Self::NAME).await?;
            Ok(true)
        })
    }
}

impl Store {
    /// Whether a case of this unit, and this person, have a question left.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn may_ask_known(&self, unit: &Party, case: &str, by: &str, budget: Budget) -> Result<bool, StoreError> {
        let of_case = sqlx::query(KNOWN_QUESTIONS_OF).bind(unit.institution.as_str()).bind(unit_text(unit)).bind(case);
        let of_person = sqlx::query(KNOWN_QUESTIONS_BY).bind(unit.institution.as_str()).bind(by).bind(budget.since.unix_ms());
        let (of_case, of_person) = (self.row("known_questions_of", of_case).await?, self.row("known_questions_by", of_person).await?);
        let asked = |row: Option<AnyRow>| row.map_or(Ok(0), |row| number(&row, "asked"));
        Ok(asked(of_case)? < i64::from(budget.per_case) && asked(of_person)? < i64::from(budget.per_person))
    }

    /// Whom a question is about; nothing when nobody said.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn known_question(&self, question: ExchangeId) -> Result<Option<KnownQuestion>, StoreError> {
        let row = self.row("known_question", sqlx::query(KNOWN_QUESTION).bind(question.to_string())).await?;
        let damaged = || StoreError::Damaged("known_question");
        row.map(|row| {
            Ok(KnownQuestion {
                about: MentionId {
                    exchange: text(&row, "about_exchange")?.parse().map_err(|_| damaged())?,
                    n: u32::try_from(number(&row, "about_n")?).map_err(|_| damaged())?,
                },
                asker: party(&text(&row, "institution")?, &text(&row, "unit")?)?,
                by: text(&row, "asked_by")?,
            })
        })
        .transpose()
    }

    /// Whether a unit knows an exchange: it sent it or received it, and it is sealed from none of these people. What was taken
    /// back is known no more: neither to who took it back nor, unless it warned of a danger, to who had it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn knows(&self, unit: &Party, exchange: ExchangeId, people: &[&ProfessionalIn<'_>]) -> Result<bool, StoreError> {
        let query = sqlx::query(KNOWS).bind(exchange.to_string()).bind(unit.institution.as_str()).bind(unit_text(unit));
        if self.row("knows", query).await?.is_none() {
            return Ok(false);
        }
        for person in people {
            if self.sealed_from(exchange, &person.institution.institution, person.id).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A person in an institution, from whom something may be sealed.
#[derive(Debug)]
pub struct ProfessionalIn<'a> {
    /// The institution (its unit does not count).
    pub institution: &'a Party,
    /// The person.
    pub id: &'a ProfessionalId,
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[ASK_KNOWN, KNOWN_QUESTIONS_OF, KNOWN_QUESTIONS_BY, KNOWN_QUESTION, KNOWS];

const ASK_KNOWN: &str = "-- ask_known
INSERT INTO known_question (question_id, about_exchange, about_n, institution, unit, case_blinded, asked_by, asked_at, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const KNOWN_QUESTIONS_OF: &str = "-- known_questions_of
SELECT COUNT(*) AS asked FROM known_question WHERE institution = $1 AND unit = $2 AND case_blinded = $3";

const KNOWN_QUESTIONS_BY: &str = "-- known_questions_by
SELECT COUNT(*) AS asked FROM known_question WHERE institution = $1 AND asked_by = $2 AND asked_at > $3";

const KNOWN_QUESTION: &str = "-- known_question
SELECT about_exchange, about_n, institution, unit, asked_by FROM known_question WHERE question_id = $1";

const KNOWS: &str = "-- knows
SELECT e.id FROM exchange e WHERE e.id = $1 AND ((e.sender_institution = $2 AND e.sender_unit = $3 AND e.withdrawn_at IS NULL)
    OR EXISTS (SELECT 1 FROM delivery d WHERE d.exchange_id = e.id AND d.institution = $2 AND d.unit = $3
        AND d.notice = 'content' AND d.replaced_at IS NULL))";
