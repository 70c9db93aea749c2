//! Acts about persons rather than documents: telling who stands behind a pseudonym, and saying whether a child is known.
//!
//! Neither is about one content: their facts are other words than those of an exchange. The flow counts, times and
//! compares; the rules decide; what comes out cannot be built elsewhere.

use std::collections::BTreeSet;

use exchange::{ExchangeId, Instant, InstitutionId, Kind, ProfessionalId};
use serde_json::{Value, json};

use super::{DecisionRecord, Denial, Permit, Policies, question::AgreementState};
use crate::directory::{Professional, Role};

/// Who stands behind this pseudonym? Asked when two people have approved, each time somebody wants to know.
#[derive(Debug, Clone)]
pub struct Reidentification<'a> {
    /// The request: what the permit is about.
    pub request: ExchangeId,
    /// The institution for which the pseudonym was made.
    pub domain: &'a InstitutionId,
    /// The kind of the service for which it was made.
    pub domain_kind: &'a Kind,
    /// What the pseudonym protects beyond an ordinary one.
    pub protected: Protected,
    /// Who asks, as the directory knows them.
    pub asker: &'a Professional,
    /// A reason was written.
    pub reason: bool,
    /// Who approved, each with the functions the directory gives today: (id, functions).
    pub approvals: &'a [(ProfessionalId, BTreeSet<Role>)],
    /// Not more than 30 minutes have passed since the request.
    pub in_time: bool,
    /// Nobody has used the approval.
    pub unused: bool,
    /// When.
    pub now: Instant,
}

/// What a pseudonym protects that no approval lifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// Nothing more: a child or an adult of an exchange.
    Ordinary,
    /// A person who reported (R33).
    Reporter,
    /// A host or a place of care (R64).
    Place,
    /// A record of the national statistics (R67, R71).
    Statistics,
}

/// « Ce dossier est-il connu de vous ? », and the answer that a named person of the asked side releases.
#[derive(Debug, Clone)]
pub struct Inquiry<'a> {
    /// The question: what the permit is about.
    pub question: ExchangeId,
    /// Asking, or releasing the answer.
    pub stage: Stage,
    /// Kind of the service that asks.
    pub from_kind: &'a Kind,
    /// Kind of the service that is asked.
    pub to_kind: &'a Kind,
    /// Institution that asks, institution that is asked.
    pub ends: (&'a InstitutionId, &'a InstitutionId),
    /// Who asks, or who releases.
    pub who: &'a Professional,
    /// That person works in the service that asks, or that is asked, and holds an habilitation for it today.
    pub in_unit: bool,
    /// An habilitation for that service is in date.
    pub habilitated: bool,
    /// The question belongs to an open case.
    pub has_case: bool,
    /// That case has questions left.
    pub budget_left: bool,
    /// Both services belong to the same Département.
    pub same_departement: bool,
    /// What the register says of the agreement named.
    pub agreement: AgreementState<'a>,
    /// The asker, or the releaser, is excluded from the file.
    pub excluded: bool,
    /// When.
    pub now: Instant,
}

/// The two halves of an inquiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Asking.
    Ask,
    /// Releasing the answer.
    Release,
}

/// The rules permit the act.
#[derive(Debug)]
pub struct Granted {
    permit: Permit,
    record: DecisionRecord,
}

impl Granted {
    /// The permit, about the request or the question.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// For the log.
    pub fn record(&self) -> &DecisionRecord {
        &self.record
    }
}

/// Two people of two functions approved, the rules permit it, now and once: what the vault asks for before it says who
/// stands behind a pseudonym. One maker: [`Policies::unmask`].
#[derive(Debug)]
pub struct DualControl(Granted);

impl DualControl {
    /// For the log.
    pub fn record(&self) -> &DecisionRecord {
        self.0.record()
    }
}

impl Policies {
    /// [`Policies::reidentify`], and what the vault takes for it.
    ///
    /// # Errors
    /// As [`Policies::reidentify`].
    pub fn unmask(&self, ask: &Reidentification<'_>) -> Result<DualControl, Denial> {
        self.reidentify(ask).map(DualControl)
    }

    /// Whether this person may be told who stands behind a pseudonym.
    ///
    /// # Errors
    /// [`Denial`], with the record of the decision for the log.
    pub fn reidentify(&self, ask: &Reidentification<'_>) -> Result<Granted, Denial> {
        let ends = (ask.asker.institution.as_str(), ask.domain.as_str());
        self.act("reidentify", ask.request, ask.now, ask.facts(), ends, ask.asker, ("Domain", ask.domain.as_str()))
    }

    /// Whether the question may be put, or its answer be released.
    ///
    /// # Errors
    /// [`Denial`], with the record of the decision for the log.
    pub fn inquire(&self, ask: &Inquiry<'_>) -> Result<Granted, Denial> {
        let ends = (ask.ends.0.as_str(), ask.ends.1.as_str());
        self.act("query", ask.question, ask.now, ask.facts(), ends, ask.who, ("Exchange", &ask.question.to_string()))
    }

    #[allow(clippy::too_many_arguments, reason = "one question in its parts; only the two functions above call it")]
    fn act(
        &self,
        action: &str,
        about: ExchangeId,
        now: Instant,
        facts: Value,
        ends: (&str, &str),
        who: &Professional,
        resource: (&str, &str),
    ) -> Result<Granted, Denial> {
        let asked = self.ask(now, action, &facts, ends, None).map(|mut asking| {
            asking.question(action, ("Professional", &who.id.to_string()), resource);
            asking.into_asked()
        });
        let record = self.record(about, now, facts, ends, None, asked.unwrap_or_default());
        if record.undecided() {
            return Err(Denial::Undecidable { record: Box::new(record) });
        }
        if record.permitted {
            return Ok(Granted { permit: Permit { exchange: about }, record });
        }
        let hidden = record.questions.iter().any(|question| self.hides(question));
        let explanations = if hidden { Vec::new() } else { self.explanations(&record.questions, &record.facts) };
        Err(Denial::Forbidden { explanations, hidden, alarm: false, record: Box::new(record) })
    }
}

impl Reidentification<'_> {
    fn facts(&self) -> Value {
        let ids: BTreeSet<_> = self.approvals.iter().map(|(id, _)| id).collect();
        let distinct = ids.len() == self.approvals.len() && !ids.iter().any(|id| **id == self.asker.id);
        let functions: BTreeSet<Role> = self.approvals.iter().flat_map(|(_, functions)| functions.iter().copied()).collect();
        // Two people of two functions: two of them, each with a function that the other lacks or that another can stand for.
        let two_roles = self
            .approvals
            .iter()
            .enumerate()
            .any(|(n, (_, one))| self.approvals.iter().skip(n + 1).any(|(_, other)| one.iter().any(|f| other.iter().any(|g| f != g))));
        json!({
            "actor": "professional", "actor_secrecy": self.asker.secrecy.as_str(), "actor_role": self.asker.protection.as_str(),
            "actor_functions": self.asker.roles, "to_kind": self.domain_kind.as_str(), "protected": self.protected.as_str(),
            "written_reason": self.reason, "instant": self.now.unix_ms(),
            "approvals": ids.len(), "approver_functions": functions, "approvers_distinct": distinct, "two_roles": two_roles,
            "in_time": self.in_time, "unused": self.unused,
        })
    }
}

impl Inquiry<'_> {
    fn facts(&self) -> Value {
        json!({
            "stage": self.stage.as_str(), "from_kind": self.from_kind.as_str(), "to_kind": self.to_kind.as_str(),
            "instant": self.now.unix_ms(),
            "actor": "professional", "actor_secrecy": self.who.secrecy.as_str(), "actor_role": self.who.protection.as_str(),
            "actor_functions": self.who.roles, "in_unit": self.in_unit, "habilitated": self.habilitated,
            "has_case": self.has_case, "budget_left": self.budget_left, "same_departement": self.same_departement,
            "agreement": self.agreement.binding(self.ends), "excluded": self.excluded,
        })
    }
}

impl Protected {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "aucune",
            Self::Reporter => "declarant",
            Self::Place => "lieu-accueil",
            Self::Statistics => "statistique",
        }
    }
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Release => "release",
        }
    }
}
