//! Tasks: done by who owes them, once; put off on a basis, and back when the wait is over.

use serde_json::{Value, json};

use super::{
    calendar,
    documents::Clock,
    people::{NURSE, Person, Unit},
    run::{Became, Run},
};
use crate::people::{ASE, CADRE, CAF, DPO, EVALUATOR, HEADMASTER, HOSPITAL, MAGISTRATE, PMI};

impl Run {
    pub(super) async fn finish(&mut self, which: usize, at: usize) -> Result<Became, String> {
        let Some((n, m)) = self.model.task(which, |task| word(&task.code).is_some()) else { return Ok(Became::PassedOver) };
        let (exchange, task) = (&self.model.exchanges[n], self.model.exchanges[n].tasks[m].clone());
        let owner = owes(task.owner, &task.role);
        let who = if at.is_multiple_of(4) { PMI } else { owner };
        let body = word(&task.code).unwrap();
        let path = format!("/v1/follow-ups/{}/done", task.id);
        let answer = self.town.post(who, &path, &body, at).await?;
        // Who is nobody of the unit is told that there is no such task; of what was erased no words are left, and none are given.
        let expected = if who == PMI { (404, "not-found") } else { (204, "") };
        if (answer.status, answer.code()) != expected {
            return Err(format!("{who:?} does {} of {}: {answer:?}, not {expected:?}", task.code, exchange.id));
        }
        if answer.status != 204 {
            return Ok(Became::Done);
        }
        let again = self.town.post(who, &path, &body, at + 1).await?;
        if (again.status, again.code()) != (404, "not-found") {
            return Err(format!("{} of {} is done twice: {again:?}", task.code, exchange.id));
        }
        let exchange = &mut self.model.exchanges[n];
        exchange.tasks[m].done = true;
        exchange.happened(&format!("recorded:{}", task.code));
        exchange.happened(&format!("task:{}", task.id));
        Ok(Became::Done)
    }

    pub(super) async fn defer(&mut self, which: usize, days: u16) -> Result<Became, String> {
        let Some((n, m)) = self.model.task(which, |task| task.code == "written-notice-parents" && task.owner == Unit::CRIP) else {
            return Ok(Became::PassedOver);
        };
        let (exchange, task) = (&self.model.exchanges[n], self.model.exchanges[n].tasks[m].clone());
        let now = self.town.now();
        let until = now.plus(std::time::Duration::from_secs(u64::from(days) * 86_400));
        let body =
            json!({"basis": "reserve-magistrat", "until": until, "words": "Le magistrat demande d’attendre l’audition de l’enfant."});
        let answer = self.town.post(CADRE, &format!("/v1/follow-ups/{}/deferral", task.id), &body, which).await?;
        let expected = (201, "");
        if (answer.status, answer.code()) != expected {
            return Err(format!("the notice of {} waits {days} days: {answer:?}", exchange.id));
        }
        let exchange = &mut self.model.exchanges[n];
        // What waits is silent meanwhile; another clock rings when the wait is over.
        exchange.happened("recorded:written-notice-parents");
        exchange.happened(&format!("task:{}", task.id));
        let warning = calendar::days(until, -2);
        let stops = format!("task:{}", task.id);
        let warnings: Vec<_> = (warning > now).then_some(warning).into_iter().collect();
        exchange.clocks.push(Clock::new("report-echu", task.owner, (now, until), &warnings, &[&stops]));
        Ok(Became::Done)
    }
}

/// What has to be said of a task when it is done; nothing for those that end otherwise.
fn word(code: &str) -> Option<Value> {
    match code {
        "evaluation" => Some(json!({"finding": "mineur-rencontre"})),
        "written-notice-parents" | "inform-parents" | "inform-child" => Some(json!({"means": "courrier"})),
        "review-emergency" => Some(json!({"finding": "justifiee"})),
        "premiere-analyse"
        | "completer"
        | "verifier-non-conforme"
        | "identifier-auteur"
        | "cle-idempotence"
        | "remise-refusee"
        | "seize-judge" => Some(json!({})),
        _ => None,
    }
}

/// Who owes what a unit or a function owes.
fn owes(unit: Unit, role: &str) -> Person {
    match (unit, role) {
        (Unit::DEPARTEMENT, "dpo") => DPO,
        (Unit::SSFE, _) => NURSE,
        (Unit::PERMANENCE, _) => MAGISTRATE,
        (Unit::COLLEGE, _) => HEADMASTER,
        (Unit::EVALUATORS, _) => EVALUATOR,
        (Unit::CAISSE, _) => CAF,
        (Unit::ASE, _) => ASE,
        (Unit::EMERGENCIES, _) => HOSPITAL,
        _ => CADRE,
    }
}
