//! What must be so: everything that was accepted, for whom it waits, who was told what, what was erased. Data and a few
//! rules; it asks nobody, and the gateway's answers never change what it expects.

use std::collections::BTreeMap;

use exchange::Instant;

use super::{
    calendar,
    documents::{Clock, Document, Urgency, Words},
    people::{AGENT, Person, SEALED, Unit, habilitated},
};

/// Everything that is expected.
#[derive(Debug, Default)]
pub struct Model {
    /// Everything that was accepted, in the order in which it was.
    pub exchanges: Vec<Exchange>,
    /// Who was told what of which clock, once each.
    pub told: Vec<Told>,
    /// Whether the second agent of the CRIP is habilitated.
    pub agent: bool,
    /// Whether the agreement with the schools is suspended, as the set in force says.
    pub suspended: bool,
    /// A set that waits, and who approved it.
    pub waiting: Option<Waiting>,
    /// Lead and deputy of each unit, as the directory says now.
    pub leads: BTreeMap<Unit, (String, String)>,
    /// Refusals of the law that the log must hold.
    pub refusals: usize,
    /// Deposits so far, accepted or not: each has words of its own.
    pub deposits: usize,
}

/// A proposed set.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its hash.
    pub set: String,
    /// Whether it suspends the agreement with the schools.
    pub suspends: bool,
    /// Who approved it: the data-protection officer, the head of the CRIP.
    pub approved: [bool; 2],
}

/// One accepted exchange.
#[derive(Debug)]
pub struct Exchange {
    /// Id.
    pub id: String,
    /// What was deposited; nothing for what the gateway made.
    pub deposit: Option<Deposit>,
    /// Its type.
    pub kind: &'static str,
    /// Who sent it.
    pub sender: Unit,
    /// How fast.
    pub urgency: Urgency,
    /// When.
    pub at: Instant,
    /// Whether something is missing or did not conform.
    pub incomplete: bool,
    /// Words of its own.
    pub words: Words,
    /// Whether it is sealed from the lead of the CRIP.
    pub sealed: bool,
    /// To whom it was handed.
    pub deliveries: Vec<Delivery>,
    /// Clocks that run.
    pub clocks: Vec<Clock>,
    /// Tasks that it left.
    pub tasks: Vec<Task>,
    /// When its content was erased.
    pub erased: Option<Instant>,
    /// Whether its recipient answered it.
    pub answered: bool,
    /// Until when somebody may read it again in an emergency, with how many reviews to come.
    pub emergencies: BTreeMap<Person, Instant>,
}

/// A deposit that was accepted.
#[derive(Debug, Clone)]
pub struct Deposit {
    /// What it was.
    pub document: Document,
    /// The bytes.
    pub body: String,
    /// The key under which it stands.
    pub key: Option<String>,
    /// Whose it is; the institution's alone without a usable token.
    pub named: bool,
    /// The answer, to be given again byte for byte.
    pub answer: serde_json::Value,
}

/// What one unit was handed.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// To whom.
    pub unit: Unit,
    /// Its id.
    pub id: String,
    /// Whether somebody opened it.
    pub opened: bool,
    /// Whether somebody answered it.
    pub acknowledged: bool,
}

/// A task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Code of the obligation.
    pub code: String,
    /// Whose it is.
    pub owner: Unit,
    /// The function that owes it.
    pub role: String,
    /// Whether it was done.
    pub done: bool,
}

/// One person told once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// Of which exchange.
    pub exchange: String,
    /// Of which clock.
    pub clock: String,
    /// Whose.
    pub institution: String,
    /// Of which unit.
    pub unit: String,
    /// Of which function.
    pub role: String,
    /// `warning`, `overdue` or `escalated`.
    pub stage: String,
    /// Who.
    pub professional: String,
    /// Of which instant.
    pub due: i64,
}

impl Model {
    /// The next instant at which somebody is to be told something.
    pub fn next(&self) -> Option<Instant> {
        self.exchanges.iter().flat_map(|exchange| &exchange.clocks).map(|clock| clock.fires[0]).min()
    }

    /// The gateway looked at its clocks: who is told of what has passed.
    pub fn look(&mut self, now: Instant) {
        for exchange in &mut self.exchanges {
            for clock in &mut exchange.clocks {
                let passed = clock.fires.iter().take_while(|at| **at <= now).count();
                let Some(latest) = passed.checked_sub(1).map(|last| clock.fires[last]) else { continue };
                clock.fires.drain(..passed);
                let told = |stage: &str, role: &str, who: &str| Told {
                    exchange: exchange.id.clone(),
                    clock: clock.name.into(),
                    institution: clock.owner.0.into(),
                    unit: clock.owner.1.into(),
                    role: role.into(),
                    stage: stage.into(),
                    professional: who.into(),
                    due: latest.unix_ms(),
                };
                let overdue = latest >= clock.limit;
                let stage = if overdue { "overdue" } else { "warning" };
                if clock.role.is_empty() {
                    let (lead, deputy) = self.leads.get(&clock.owner).cloned().unwrap_or_default();
                    self.told.push(told(stage, "", &lead));
                    if overdue {
                        let above = if deputy.is_empty() { lead } else { deputy };
                        self.told.push(told("escalated", "", &above));
                    }
                } else {
                    self.told.push(told(stage, clock.role, holder(clock.role)));
                    if overdue {
                        self.told.push(told("escalated", "auditeur", holder("auditeur")));
                    }
                }
            }
            exchange.clocks.retain(|clock| !clock.fires.is_empty());
        }
    }

    /// Whether somebody is habilitated for a unit today.
    pub fn works_in(&self, who: Person, unit: Unit) -> bool {
        if who == AGENT { self.agent && unit == Unit::CRIP } else { habilitated(who).contains(&unit) }
    }

    /// Whether somebody may know of a delivery.
    pub fn may_know(&self, who: Person, exchange: &Exchange, unit: Unit) -> bool {
        self.works_in(who, unit) && !(exchange.sealed && who == SEALED)
    }

    /// Whether a document would be taken now, when it is deposited as it should be; else the status and the code.
    pub fn verdict(&self, document: Document, now: Instant) -> Result<(), (u16, &'static str)> {
        let first_period = calendar::day(now).year() < 2027;
        let carried = match document {
            Document::Question | Document::Answer(_) => !self.suspended,
            Document::Placement(second) => second != first_period,
            Document::Concern(..)
            | Document::Report(_)
            | Document::DirectReport
            | Document::Feedback(_)
            | Document::Receipt(_)
            | Document::Suites(_) => true,
        };
        if carried { Ok(()) } else { Err((403, "no-agreement")) }
    }

    /// The exchange that an answer answers: one of those of which it can be one.
    pub fn answered(&self, document: Document) -> Option<usize> {
        let (of, wanted): (usize, fn(Document) -> bool) = match document {
            Document::Feedback(of) | Document::Receipt(of) => (of, |document| matches!(document, Document::Concern(..))),
            Document::Suites(of) => (of, |document| matches!(document, Document::Report(_))),
            Document::Answer(of) => (of, |document| document == Document::Question),
            Document::Concern(..) | Document::Report(_) | Document::DirectReport | Document::Question | Document::Placement(_) => {
                return None;
            }
        };
        let all: Vec<usize> = (0..self.exchanges.len())
            .filter(|n| self.exchanges[*n].deposit.as_ref().is_some_and(|deposit| wanted(deposit.document)))
            .collect();
        all.get(of % all.len().max(1)).copied()
    }

    /// One of the deliveries.
    pub fn delivery(&self, which: usize) -> Option<(usize, usize)> {
        let all: Vec<(usize, usize)> =
            self.exchanges.iter().enumerate().flat_map(|(n, exchange)| (0..exchange.deliveries.len()).map(move |m| (n, m))).collect();
        all.get(which % all.len().max(1)).copied()
    }

    /// One of the open tasks, less those of an erased content.
    pub fn task(&self, which: usize, wanted: impl Fn(&Task) -> bool) -> Option<(usize, usize)> {
        let mut all = Vec::new();
        for (n, exchange) in self.exchanges.iter().enumerate() {
            let open = |task: &&(usize, &Task)| !task.1.done && wanted(task.1);
            all.extend(exchange.tasks.iter().enumerate().filter(|task| open(&task)).map(|(m, _)| (n, m)));
        }
        all.get(which % all.len().max(1)).copied()
    }
}

impl Exchange {
    /// Something happened: the clocks that waited for it stop, and the tasks that it ends are done.
    pub fn happened(&mut self, event: &str) {
        self.clocks.retain(|clock| !clock.stops.iter().any(|stop| stop == event));
        let ends = match event {
            "acknowledged" | "answered:accuse-reception" => "acknowledge",
            "answered:retour-information" => "feedback-due",
            _ => return,
        };
        self.tasks.iter_mut().filter(|task| task.code == ends).for_each(|task| task.done = true);
    }

    /// Whether nothing waits for the content any more, so that it may be erased.
    pub fn settled(&self) -> bool {
        let open = |code: &str| self.tasks.iter().any(|task| task.code == code && !task.done);
        if open("review-emergency") || open("remise-refusee") {
            return false;
        }
        let danger = matches!(self.kind, "information-preoccupante" | "signalement" | "copie-signalement");
        !danger || self.answered || self.deliveries.iter().all(|delivery| delivery.acknowledged)
    }
}

/// Who has a function in the Département of the sample.
pub fn holder(role: &str) -> &'static str {
    match role {
        "dpo" => crate::people::DPO.1,
        "cadre-crip" => crate::people::CADRE.1,
        _ => crate::people::AUDITOR.1,
    }
}
