//! Deposits: as they should be, as they should not, repeated, at once, and around the end of a gateway.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{
    calendar,
    documents::{Clock, Document, Form, Urgency, Words},
    model::{Delivery, Deposit, Exchange, Task},
    operations::{Manner, Repeat},
    people::Unit,
    run::{Became, Run},
    town::{Answer, Town},
};
use crate::{people::CAF, text};

/// Something that is about to be deposited.
struct Draft {
    document: Document,
    answered: Option<usize>,
    envelope: Value,
    words: Words,
}

impl Run {
    pub(super) async fn deposit(&mut self, document: Document, manner: Manner, at: usize) -> Result<Became, String> {
        let Some(mut draft) = self.draft(document) else { return Ok(Became::PassedOver) };
        let author = document.author();
        let (honest, alone) = (self.town.acting(author, at), self.town.institution(author.0, at));
        let key = gateway::client::new_key().unwrap();
        if manner == Manner::WrongRecipient {
            draft.envelope["recipient"] = json!({"institution": "mairie-blagnac", "unit": "ccas"});
        }
        let body = draft.envelope.to_string();
        let (request, named, key) = match manner {
            Manner::Honest | Manner::WrongRecipient => (Town::deposit(&honest, Some(&key), body.clone()), true, Some(key)),
            Manner::WithoutToken => (Town::deposit(&alone, Some(&key), body.clone()), false, Some(key)),
            Manner::OldToken => (Town::deposit(&self.town.acting_late(author, at), Some(&key), body.clone()), false, Some(key)),
            Manner::WithoutKey => (Town::deposit(&honest, None, body.clone()), true, None),
            Manner::AnotherInstitution => (Town::deposit(&self.town.acting(CAF, at), Some(&key), body.clone()), true, Some(key)),
            Manner::Unreadable => {
                let half = body.chars().take(body.chars().count() / 2).collect();
                (Town::deposit(&honest, Some(&key), half), true, Some(key))
            }
        };
        let answer = self.town.ask(request).await?;
        let expected = self.expected(document, manner);
        if (answer.status == 201) != expected.is_ok() || expected.is_err_and(|statuses| !statuses.contains(&answer.status)) {
            return Err(format!("a deposit was answered {} {}, not {expected:?}", answer.status, answer.body));
        }
        if answer.status == 201 {
            let deposit = Deposit { document, body, key, named, answer: answer.body };
            self.accepted(draft, deposit).await?;
        }
        Ok(Became::Done)
    }

    /// Whether it is taken; else what it may be answered.
    fn expected(&self, document: Document, manner: Manner) -> Result<(), &'static [u16]> {
        // For nobody but the machines: a person is needed unless the type needs none, or a child is in danger.
        let unmanned = document.danger() || matches!(document, Document::Receipt(_));
        match manner {
            Manner::WithoutToken if !unmanned => Err(&[401]),
            Manner::OldToken if !document.danger() => Err(&[401]),
            Manner::WithoutKey if !document.danger() => Err(&[400]),
            Manner::AnotherInstitution => Err(&[403]),
            Manner::WrongRecipient => Err(&[403, 422]),
            Manner::Unreadable => Err(&[400]),
            Manner::Honest | Manner::WithoutToken | Manner::OldToken | Manner::WithoutKey => {
                self.model.verdict(document, self.town.now()).map_err(|_| &[403][..])
            }
        }
    }

    pub(super) async fn repeat(&mut self, which: usize, repeat: Repeat, at: usize) -> Result<Became, String> {
        let keyed: Vec<usize> = (0..self.model.exchanges.len())
            .filter(|n| self.model.exchanges[*n].deposit.as_ref().is_some_and(|d| d.key.is_some()))
            .collect();
        let Some(n) = keyed.get(which % keyed.len().max(1)) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[*n];
        let deposit = exchange.deposit.as_ref().unwrap();
        // Of what was erased nobody can say any more whether it is the same: without its name it is another deposit.
        if repeat == Repeat::Unnamed && (exchange.erased.is_some() || !deposit.document.danger()) {
            return Ok(Became::PassedOver);
        }
        let answer = self.town.ask(self.again(deposit, repeat, at)).await?;
        let right = match (exchange.erased, repeat) {
            (Some(_), _) => (answer.status, answer.code()) == (410, "erased"),
            (None, Repeat::Same | Repeat::Unnamed) => answer == Answer { status: 201, body: deposit.answer.clone() },
            (None, Repeat::Other) => (answer.status, answer.code()) == (409, "idempotency-key-reused"),
        };
        if right { Ok(Became::Done) } else { Err(format!("a repeat of {} was answered {answer:?}, first {}", exchange.id, deposit.answer)) }
    }

    /// The request that repeats a deposit.
    pub(super) fn again(&self, deposit: &Deposit, repeat: Repeat, at: usize) -> RequestBuilder {
        let author = deposit.document.author();
        let named = deposit.named && repeat != Repeat::Unnamed;
        let client = if named { self.town.acting(author, at) } else { self.town.institution(author.0, at) };
        let mut body: Value = serde_json::from_str(&deposit.body).unwrap();
        if repeat == Repeat::Other {
            body["case"] = json!("une autre affaire");
        }
        Town::deposit(&client, deposit.key.as_deref(), body.to_string())
    }

    pub(super) async fn at_once(&mut self, document: Document, copies: usize) -> Result<Became, String> {
        let Some(draft) = self.draft(document) else { return Ok(Became::PassedOver) };
        let (key, body) = (gateway::client::new_key().unwrap(), draft.envelope.to_string());
        let town = &self.town;
        let all = (0..copies).map(|at| town.ask(Town::deposit(&town.acting(document.author(), at), Some(&key), body.clone())));
        let mut answers = futures::future::try_join_all(all).await?;
        let first = answers.pop().unwrap();
        let expected = self.model.verdict(document, self.town.now());
        if (first.status == 201) != expected.is_ok() {
            return Err(format!("a deposit was answered {first:?}, not {expected:?}"));
        }
        if answers.iter().any(|other| other.status != first.status || (first.status == 201 && other.body != first.body)) {
            return Err(format!("one deposit at once was answered {first:?} and {answers:?}"));
        }
        if first.status == 201 {
            self.accepted(draft, Deposit { document, body, key: Some(key), named: true, answer: first.body }).await?;
        }
        Ok(Became::Done)
    }

    pub(super) async fn abort(&mut self, at: usize, deposits: usize) -> Result<Became, String> {
        let at = at % self.town.gateways.len();
        let document = Document::Concern(Urgency::Ordinary, Form::Whole);
        let mut under_way = tokio::task::JoinSet::new();
        let mut drafts = Vec::new();
        for n in 0..deposits {
            let draft = self.draft(document).unwrap();
            let key = gateway::client::new_key().unwrap();
            let body = draft.envelope.to_string();
            let request = Town::deposit(&self.town.acting(document.author(), at), Some(&key), body.clone());
            under_way.spawn(async move {
                let answer = request.send().await.ok()?;
                let told = answer.status() == reqwest::StatusCode::CREATED;
                let body: Value = answer.json().await.ok()?;
                told.then_some((n, body))
            });
            drafts.push((draft, Deposit { document, body, key: Some(key), named: true, answer: Value::Null }));
        }
        // At the first answer: the others are somewhere on their way.
        let mut told: Vec<Option<Value>> = vec![None; deposits];
        if let Some(first) = under_way.join_next().await
            && let Some((n, body)) = first.unwrap()
        {
            told[n] = Some(body);
        }
        self.town.gateways[at].abort().await;
        while let Some(one) = under_way.join_next().await {
            if let Some((n, body)) = one.unwrap() {
                told[n] = Some(body);
            }
        }
        self.town.start(at).await;
        // Each is repeated until it is answered; what was answered before is answered the same.
        for (n, (draft, mut deposit)) in drafts.into_iter().enumerate() {
            let answer = self.town.ask(self.again(&deposit, Repeat::Same, n)).await?;
            if answer.status != 201 || told[n].as_ref().is_some_and(|first| *first != answer.body) {
                return Err(format!("after the end of a gateway: {answer:?}, before it {:?}", told[n]));
            }
            deposit.answer = answer.body;
            self.accepted(draft, deposit).await?;
        }
        self.settle().await?;
        Ok(Became::Done)
    }

    /// A document with words of its own; nothing when there is nothing that it could answer.
    fn draft(&mut self, document: Document) -> Option<Draft> {
        let answers = matches!(document, Document::Feedback(_) | Document::Receipt(_) | Document::Suites(_) | Document::Answer(_));
        let answered = self.model.answered(document);
        if answers && answered.is_none() {
            return None;
        }
        let id = answered.map(|n| self.model.exchanges[n].id.clone()).unwrap_or_default();
        self.model.deposits += 1;
        let (envelope, words) = document.envelope(self.model.deposits, &id, self.town.now());
        Some(Draft { document, answered, envelope, words })
    }

    /// It was accepted: what follows from that, and whether it did.
    async fn accepted(&mut self, draft: Draft, deposit: Deposit) -> Result<(), String> {
        let Draft { document, answered, words, .. } = draft;
        let (id, at) = (text(&deposit.answer, "/id"), self.town.now());
        if self.model.exchanges.iter().any(|exchange| exchange.id == id) {
            return Err(format!("two deposits are one exchange {id}"));
        }
        let (sender, recipient) = document.ends();
        let mut units = vec![recipient];
        // At night somebody is on call.
        if matches!(document, Document::Concern(Urgency::Immediate, _)) && !calendar::open(at) {
            units.push(Unit::ON_CALL);
        }
        let form = if let Document::Concern(_, form) = document { Some(form) } else { None };
        let mut owed: Vec<&str> = match document {
            Document::Concern(..) => vec!["premiere-analyse", "evaluation", "acknowledge", "feedback-due"],
            Document::Report(_) | Document::DirectReport => vec!["written-notice-parents"],
            Document::Suites(_) => vec!["seize-judge"],
            Document::Feedback(_) | Document::Receipt(_) | Document::Question | Document::Answer(_) | Document::Placement(_) => Vec::new(),
        };
        owed.extend((!deposit.named && document.danger()).then_some("identifier-auteur"));
        owed.extend(deposit.key.is_none().then_some("cle-idempotence"));
        owed.extend(matches!(form, Some(Form::Astray)).then_some("completer"));
        owed.extend(matches!(form, Some(Form::Odd)).then_some("verifier-non-conforme"));
        let exchange = Exchange {
            id: id.clone(),
            kind: document.kind(),
            sender,
            urgency: document.urgency(),
            at,
            incomplete: matches!(form, Some(Form::Astray | Form::Odd)),
            words: words.clone(),
            sealed: form == Some(Form::Sealed),
            deliveries: Vec::new(),
            clocks: document.clocks(at),
            tasks: Vec::new(),
            erased: None,
            answered: false,
            emergencies: std::collections::BTreeMap::new(),
            deposit: Some(deposit),
        };
        self.handed(exchange, &units, &owed).await?;
        if document == Document::DirectReport {
            self.copied(&id, words, Document::clocks_of_copy(at)).await?;
        }
        if let Some(n) = answered {
            let of = &mut self.model.exchanges[n];
            of.answered = true;
            of.happened(&format!("answered:{}", document.kind()));
        }
        self.settle().await
    }

    /// The CRIP gets one copy of a direct signalement, which nobody deposited.
    async fn copied(&mut self, of: &str, words: Words, clocks: Vec<Clock>) -> Result<(), String> {
        let report: exchange::ExchangeId = of.parse().unwrap();
        let answers = self.town.inside(move |rooms| async move { rooms.store.answers_to(report).await.unwrap() }).await;
        let [copy] = answers.as_slice() else { return Err(format!("{} copies of {of}", answers.len())) };
        let exchange = Exchange {
            id: copy.id.to_string(),
            deposit: None,
            kind: "copie-signalement",
            sender: Unit::EMERGENCIES,
            urgency: Urgency::Immediate,
            at: self.town.now(),
            incomplete: copy.incomplete,
            words,
            sealed: false,
            deliveries: Vec::new(),
            clocks,
            tasks: Vec::new(),
            erased: None,
            answered: false,
            emergencies: std::collections::BTreeMap::new(),
        };
        self.handed(exchange, &[Unit::CRIP], &["premiere-analyse", "acknowledge", "feedback-due"]).await
    }

    /// Its deliveries are those that it must have, and somebody owes what somebody must.
    async fn handed(&mut self, mut exchange: Exchange, units: &[Unit], owed: &[&str]) -> Result<(), String> {
        let id: exchange::ExchangeId = exchange.id.parse().unwrap();
        let found = self.town.inside(move |rooms| async move { rooms.store.deliveries_of(id).await.unwrap() }).await;
        let mut handed: Vec<(String, String)> = found.iter().map(|one| (one.recipient.to_string(), one.id.to_string())).collect();
        handed.sort();
        let mut units = units.to_vec();
        units.sort_by_key(|unit| format!("{}/{}", unit.0, unit.1));
        let wanted: Vec<String> = units.iter().map(|unit| format!("{}/{}", unit.0, unit.1)).collect();
        if handed.iter().map(|(unit, _)| unit.clone()).collect::<Vec<_>>() != wanted {
            return Err(format!("{} was handed to {handed:?}, not to {wanted:?}", exchange.id));
        }
        let of = |(unit, (_, id)): (Unit, (String, String))| Delivery { unit, id, opened: false, acknowledged: false };
        exchange.deliveries = units.into_iter().zip(handed).map(of).collect();
        exchange.tasks = self.tasks_of(&exchange.id).await;
        let missing: Vec<&&str> = owed.iter().filter(|code| !exchange.tasks.iter().any(|task| task.code == **code)).collect();
        if !missing.is_empty() {
            return Err(format!("nobody owes {missing:?} of {}", exchange.id));
        }
        self.model.exchanges.push(exchange);
        Ok(())
    }

    /// The tasks of an exchange as they are kept.
    pub(super) async fn tasks_of(&self, exchange: &str) -> Vec<Task> {
        let id: exchange::ExchangeId = exchange.parse().unwrap();
        let found = self.town.inside(move |rooms| async move { rooms.store.follow_ups(id).await.unwrap() }).await;
        found
            .into_iter()
            .map(|row| Task {
                id: row.id.to_string(),
                code: row.code,
                owner: Unit::known(row.owner.institution.as_str(), row.owner.unit.as_ref().map_or("", |unit| unit.as_str())),
                role: row.role.map(|role| role.as_str().to_owned()).unwrap_or_default(),
                done: row.done_at.is_some(),
            })
            .collect()
    }
}
