//! Readings: who may and who may not, what is answered to a delivery, what became of an exchange, emergencies.

use serde_json::{Value, json};

use super::{
    documents::{Clock, Document},
    model::{Exchange, Told, holder},
    operations::Outcome,
    people::{IN_A_HURRY, NURSE, Person, READERS, SEALED, Unit},
    run::{Became, Run},
    town::Answer,
};
use crate::people::{ASE, AUDITOR, CADRE, CAF, DPO, EVALUATOR, HEADMASTER, MINORS, ON_CALL, PMI, SCHOOL};

impl Run {
    pub(super) async fn open(&mut self, which: usize, by: usize, at: usize) -> Result<Became, String> {
        let Some((n, m)) = self.model.delivery(which) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[n];
        let delivery = &exchange.deliveries[m];
        // Every other time somebody of the unit, whether or not it is sealed from this person; else anybody.
        let colleagues: Vec<Person> = READERS.into_iter().filter(|who| self.model.works_in(*who, delivery.unit)).collect();
        let who = if by.is_multiple_of(2) { colleagues[by / 2 % colleagues.len()] } else { READERS[by / 2 % READERS.len()] };
        let answer = self.town.get(who, &format!("/v1/mailbox/{}", delivery.id), at).await?;
        let may = self.model.may_know(who, exchange, delivery.unit);
        let expected = if !may {
            (404, "not-found")
        } else if exchange.erased.is_some() {
            (410, "erased")
        } else if !self.carried(exchange) {
            // Nothing passes under an agreement after its last day: opening is decided again.
            (403, "denied")
        } else {
            (200, "")
        };
        if (answer.status, answer.code()) != expected {
            return Err(format!("{who:?} opens {} of {}: {answer:?}, not {expected:?}", delivery.id, exchange.id));
        }
        self.shows(who, n, &answer, |exchange| &exchange.words.ordinary)?;
        if answer.status == 200 {
            let exchange = &mut self.model.exchanges[n];
            if !std::mem::replace(&mut exchange.deliveries[m].opened, true) {
                exchange.happened("opened");
            }
        }
        Ok(Became::Done)
    }

    /// An answer shows the words of this exchange that its reader may read, and no others: none at all when it is refused.
    fn shows(&self, who: Person, of: usize, answer: &Answer, may_read: impl Fn(&Exchange) -> &Vec<String>) -> Result<(), String> {
        let text = answer.body.to_string();
        for (n, exchange) in self.model.exchanges.iter().enumerate() {
            let here = n == of && answer.status == 200;
            for word in &exchange.words.ordinary {
                let shown = text.contains(word.as_str());
                let may = here && may_read(exchange).contains(word);
                // The copy of a direct signalement has the words of what it was made of.
                let same = exchange.words.ordinary.iter().any(|word| self.model.exchanges[of].words.ordinary.contains(word));
                if shown != may && !(same && n != of) {
                    return Err(format!("{who:?} reads {:?}: `{word}` of {} is {shown} and must be {may}", answer, exchange.id));
                }
            }
            if exchange.words.never.iter().any(|word| text.contains(word.as_str())) {
                return Err(format!("{who:?} reads what is handed to nobody: {text}"));
            }
        }
        Ok(())
    }

    /// Whether what an exchange flowed under still carries it.
    fn carried(&self, exchange: &Exchange) -> bool {
        exchange.deposit.as_ref().is_none_or(|deposit| match deposit.document {
            Document::Question | Document::Answer(_) | Document::Placement(_) => {
                self.model.verdict(deposit.document, self.town.now()).is_ok()
            }
            Document::Concern(..)
            | Document::Report(_)
            | Document::DirectReport
            | Document::Feedback(_)
            | Document::Receipt(_)
            | Document::Suites(_) => true,
        })
    }

    /// Somebody who works in a unit, and from whom nothing is sealed.
    fn somebody_of(unit: Unit) -> Person {
        match unit {
            Unit::ON_CALL => ON_CALL,
            Unit::SSFE => NURSE,
            Unit::PERMANENCE => MINORS,
            Unit::COLLEGE => HEADMASTER,
            Unit::EVALUATORS => EVALUATOR,
            Unit::CAISSE => CAF,
            _ => CADRE,
        }
    }

    pub(super) async fn acknowledge(&mut self, which: usize, outcome: Outcome, at: usize) -> Result<Became, String> {
        let Some((n, m)) = self.model.delivery(which) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[n];
        let delivery = exchange.deliveries[m].clone();
        // One time in four somebody who works elsewhere tries.
        let who = if at.is_multiple_of(4) { PMI } else { Self::somebody_of(delivery.unit) };
        let body = json!({"outcome": outcome.word(), "reason": "Hors du département."});
        let answer = self.town.post(who, &format!("/v1/mailbox/{}/acknowledgement", delivery.id), &body, at).await?;
        let expected = if who == PMI {
            (404, "not-found")
        } else if exchange.erased.is_some() {
            (410, "erased")
        } else if delivery.acknowledged {
            (409, "already-acknowledged")
        } else {
            (204, "")
        };
        if (answer.status, answer.code()) != expected {
            return Err(format!("{who:?} answers {} of {}: {answer:?}, not {expected:?}", delivery.id, exchange.id));
        }
        if answer.status == 204 {
            self.acknowledged(n, m, outcome).await?;
        }
        Ok(Became::Done)
    }

    pub(super) async fn acknowledge_twice(&mut self, which: usize) -> Result<Became, String> {
        let Some((n, m)) = self.model.delivery(which) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[n];
        let delivery = exchange.deliveries[m].clone();
        if exchange.erased.is_some() || delivery.acknowledged {
            return Ok(Became::PassedOver);
        }
        let (path, body) = (format!("/v1/mailbox/{}/acknowledgement", delivery.id), json!({"outcome": "taken-in-charge"}));
        let who = Self::somebody_of(delivery.unit);
        let (one, two) = tokio::try_join!(self.town.post(who, &path, &body, 0), self.town.post(who, &path, &body, 1))?;
        let mut answers = [(one.status, one.code().to_owned()), (two.status, two.code().to_owned())];
        answers.sort();
        if answers != [(204, String::new()), (409, "already-acknowledged".to_owned())] {
            return Err(format!("two answers at once to {}: {answers:?}", delivery.id));
        }
        self.acknowledged(n, m, Outcome::TakenInCharge).await?;
        Ok(Became::Done)
    }

    async fn acknowledged(&mut self, n: usize, m: usize, outcome: Outcome) -> Result<(), String> {
        let exchange = &mut self.model.exchanges[n];
        exchange.deliveries[m].acknowledged = true;
        exchange.happened("acknowledged");
        if outcome == Outcome::TakenInCharge {
            return Ok(());
        }
        // What was not taken in charge is the sender's to look at.
        let (id, sender) = (exchange.id.clone(), exchange.sender);
        self.new_tasks(n, &id, &[("remise-refusee", sender, "")]).await
    }

    /// Tasks that must have been opened, and nothing else.
    pub(super) async fn new_tasks(&mut self, n: usize, exchange: &str, wanted: &[(&str, Unit, &str)]) -> Result<(), String> {
        let mut found = self.tasks_of(exchange).await;
        found.retain(|task| !self.model.exchanges[n].tasks.iter().any(|known| known.id == task.id));
        let mut told: Vec<_> = found.iter().map(|task| (task.code.as_str(), task.owner, task.role.as_str())).collect();
        told.sort_unstable();
        if told != wanted {
            return Err(format!("{told:?} is to be done about {exchange}, and not {wanted:?}"));
        }
        self.model.exchanges[n].tasks.extend(found);
        Ok(())
    }

    /// Whether somebody is one of those who sent an exchange.
    fn sent(&self, who: Person, exchange: &Exchange) -> bool {
        let author = match &exchange.deposit {
            Some(deposit) => deposit.named.then(|| deposit.document.author()),
            None => Some(Document::DirectReport.author()),
        };
        let sealed = exchange.sealed && who == SEALED;
        !sealed && (author == Some(who) || self.model.works_in(who, exchange.sender))
    }

    pub(super) async fn telephone(&mut self, which: usize, by: usize) -> Result<Became, String> {
        let Some((n, _)) = self.model.delivery(which) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[n];
        let who = if by.is_multiple_of(2) {
            Document::Concern(super::documents::Urgency::Ordinary, super::documents::Form::Whole).author()
        } else {
            READERS[by % READERS.len()]
        };
        let answer = self.town.post(who, &format!("/v1/exchanges/{}/telephone", exchange.id), &json!({"reached": true}), by).await?;
        let expected = if self.sent(who, exchange) { 201 } else { 404 };
        if answer.status != expected {
            return Err(format!("{who:?} says to have called about {}: {answer:?}, not {expected}", exchange.id));
        }
        Ok(Became::Done)
    }

    pub(super) async fn follow(&mut self, which: usize, by: usize) -> Result<Became, String> {
        let Some((n, _)) = self.model.delivery(which) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[n];
        let who = READERS[by % READERS.len()];
        let answer = self.town.get(who, &format!("/v1/exchanges/{}", exchange.id), by).await?;
        let received = exchange.deliveries.iter().any(|delivery| self.model.may_know(who, exchange, delivery.unit));
        let audits = [DPO, AUDITOR].contains(&who)
            && (exchange.sender.0 == "departement-31" || exchange.deliveries.iter().any(|delivery| delivery.unit.0 == "departement-31"));
        let sealed = exchange.sealed && who == SEALED;
        let expected = if !sealed && (received || audits || self.sent(who, exchange)) { 200 } else { 404 };
        if answer.status != expected {
            return Err(format!("{who:?} looks after {}: {answer:?}, not {expected}", exchange.id));
        }
        // Who informed is told nothing of what the recipient does, nor of justice.
        let reporter = [SCHOOL, NURSE].contains(&who) && matches!(exchange.kind, "information-preoccupante");
        let text = answer.body.to_string();
        let justice = |other: &Exchange| matches!(other.kind, "signalement" | "suites-judiciaires") && text.contains(&other.id);
        if reporter && (answer.body["deliveries"].to_string().contains("opened_at") || self.model.exchanges.iter().any(justice)) {
            return Err(format!("a reporter is told more than the law lets: {text}"));
        }
        self.shows(who, n, &answer, |_| const { &Vec::new() })?;
        Ok(Became::Done)
    }

    pub(super) async fn evidence(&mut self, which: usize) -> Result<Became, String> {
        let Some((n, _)) = self.model.delivery(which) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[n];
        let Some(deposit) = &exchange.deposit else { return Ok(Became::PassedOver) };
        if !deposit.named {
            return Ok(Became::PassedOver);
        }
        let who = deposit.document.author();
        let answer = self.town.get(who, &format!("/v1/exchanges/{}/evidence", exchange.id), which).await?;
        let trust = super::judge::trust(&self.town.get(who, "/v1/keys", which).await?.body);
        let report = gateway::flows::verify::verify_evidence(&answer.body.to_string(), &trust);
        if answer.status != 200 || report.exit_code() != 0 || answer.body["receipt"] != deposit.answer["receipt"] {
            return Err(format!("the evidence of {} does not verify: {report} {answer:?}", exchange.id));
        }
        Ok(Became::Done)
    }

    pub(super) async fn emergency(&mut self, which: usize, by: usize, at: usize) -> Result<Became, String> {
        let came: Vec<usize> = (0..self.model.exchanges.len())
            .filter(|n| matches!(self.model.exchanges[*n].kind, "information-preoccupante" | "copie-signalement"))
            .collect();
        let Some(n) = came.get(which % came.len().max(1)).copied() else { return Ok(Became::PassedOver) };
        let who = IN_A_HURRY[by % IN_A_HURRY.len()];
        let (exchange, now) = (&self.model.exchanges[n], self.town.now());
        let lasts = exchange.emergencies.get(&who).is_some_and(|until| now < *until);
        let with_reason = !at.is_multiple_of(3);
        let body = if with_reason {
            json!({"reason": "Appel à 2 h : l’enfant est seule, il faut le nom.", "classes": ["identite", "social"], "minutes": 60})
        } else {
            json!({})
        };
        let answer = self.town.post(who, &format!("/v1/exchanges/{}/urgence", exchange.id), &body, at).await?;
        let expected = if !with_reason && !lasts {
            (422, "urgence-reason")
        } else if ![ON_CALL, ASE, PMI].contains(&who) || exchange.erased.is_some() {
            (404, "not-found")
        } else {
            (200, "")
        };
        if (answer.status, answer.code()) != expected {
            return Err(format!("{who:?} reads {} in an emergency: {answer:?}, not {expected:?}", exchange.id));
        }
        self.shows(who, n, &answer, |exchange| &exchange.words.emergency)?;
        if answer.status == 200 && !lasts {
            self.granted(n, who).await?;
        }
        Ok(Became::Done)
    }

    /// A new access: two functions are told at once, and owe its review.
    async fn granted(&mut self, n: usize, who: Person) -> Result<(), String> {
        let now = self.town.now();
        let id = self.model.exchanges[n].id.clone();
        let functions = ["cadre-crip", "dpo"];
        let before = self.model.exchanges[n].tasks.len();
        let wanted = functions.map(|role| ("review-emergency", Unit::DEPARTEMENT, role));
        self.new_tasks(n, &id, &wanted).await?;
        let exchange = &mut self.model.exchanges[n];
        exchange.emergencies.insert(who, now.plus(std::time::Duration::from_secs(3600)));
        let hours = |n: i64| exchange::Instant::from_unix_ms(now.unix_ms() + n * 3_600_000);
        for role in functions {
            let task = exchange.tasks.iter().skip(before).find(|task| task.role == role).unwrap().id.clone();
            let stops = format!("task:{task}");
            let mut clock = Clock::new("revue-urgence", Unit::DEPARTEMENT, (now, hours(72)), &[hours(48)], &[&stops]);
            clock.role = role;
            exchange.clocks.push(clock);
            self.model.told.push(Told {
                exchange: id.clone(),
                clock: "revue-urgence".into(),
                institution: Unit::DEPARTEMENT.0.into(),
                unit: String::new(),
                role: role.into(),
                stage: "warning".into(),
                professional: holder(role).into(),
                due: now.unix_ms(),
            });
        }
        Ok(())
    }

    pub(super) async fn decide(&mut self, at: usize) -> Result<Became, String> {
        let now = self.town.now();
        let second = at.is_multiple_of(2);
        let question = |action: &str, party: Value| {
            json!({"action": action, "type": "notification-placement", "classes": ["reference", "identite"], "party": party,
                "agreement": if second { "l01-caf" } else { "l00-caf" }})
        };
        let send = question("submit", json!({"institution": "caf-31", "unit": "prestations"}));
        let read = question("open", json!({"institution": "departement-31", "unit": "ase"}));
        let carried = self.model.verdict(Document::Placement(second), now).is_ok();
        let sending = self.town.post(ASE, "/v1/decisions", &send, at).await?;
        let reading = self.town.post(CAF, "/v1/decisions", &read, at).await?;
        let right = |answer: &Answer| answer.status == 200 && (answer.body["verdict"] == "permit") == carried;
        // Who is refused is told why: one was named, and is not in force.
        let unnamed = reading.body.to_string().contains("Aucun protocole n’est indiqué");
        if !right(&sending) || !right(&reading) || unnamed {
            return Err(format!("may a placement be told, and read? {sending:?}, {reading:?}, not {carried}"));
        }
        Ok(Became::Done)
    }
}
