//! Rules and directory: proposed, approved by two, taken back; people who come and go.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    model::Waiting,
    people::{AGENT, Person, Unit},
    run::{Became, Run},
    town::{Answer, Town},
};
use crate::{
    people::{ADMIN, CADRE, CRIP, DPO},
    text,
};

impl Run {
    pub(super) async fn propose(&mut self, suspended: bool, at: usize) -> Result<Became, String> {
        let file = self.town.scene.world.folder.join("policies/agreements/p14-education.toml");
        let text_of = std::fs::read_to_string(&file).unwrap();
        let written = text_of.replace(&format!("suspended = {}", !suspended), &format!("suspended = {suspended}"));
        std::fs::write(&file, written).unwrap();
        let answer = self.town.post(ADMIN, "/v1/policy-sets", &json!({"motive": "essai"}), at).await?;
        let waits = self.model.waiting.as_ref().is_some_and(|waiting| waiting.suspends == suspended);
        let expected = match () {
            () if self.model.suspended == suspended => (409, "policy-set-in-force"),
            () if waits => (409, "policy-set-waiting"),
            () => (201, ""),
        };
        if (answer.status, answer.code()) != expected {
            return Err(format!("a set is proposed: {answer:?}, not {expected:?}"));
        }
        if answer.status == 201 {
            self.model.waiting = Some(Waiting { set: text(&answer.body, "/set"), suspends: suspended, approved: [false; 2] });
        }
        Ok(Became::Done)
    }

    pub(super) async fn approve(&mut self, officer: bool, at: usize) -> Result<Became, String> {
        let Some(waiting) = self.model.waiting.clone() else { return Ok(Became::PassedOver) };
        let (who, n) = if officer { (DPO, 0) } else { (CADRE, 1) };
        let answer = self.approval(who, &waiting, at).await?;
        let expected = if waiting.approved[n] { (409, "policy-set-approved-before") } else { (200, "") };
        if (answer.status, answer.code()) != expected {
            return Err(format!("{who:?} approves: {answer:?}, not {expected:?}"));
        }
        self.model.waiting.as_mut().unwrap().approved[n] = true;
        self.in_force().await.map(|()| Became::Done)
    }

    pub(super) async fn approve_together(&mut self) -> Result<Became, String> {
        let Some(waiting) = self.model.waiting.clone() else { return Ok(Became::PassedOver) };
        if waiting.approved != [false; 2] {
            return Ok(Became::PassedOver);
        }
        let (one, two) = tokio::try_join!(self.approval(DPO, &waiting, 0), self.approval(CADRE, &waiting, 1))?;
        for (who, at, answer) in [(DPO, 0, one), (CADRE, 1, two)] {
            // Who was too quick is told to ask again, and does.
            let answer = if answer.status == 200 { answer } else { self.approval(who, &waiting, at).await? };
            if answer.status != 200 {
                return Err(format!("{who:?} approves together with another: {answer:?}"));
            }
        }
        self.model.waiting.as_mut().unwrap().approved = [true; 2];
        self.in_force().await.map(|()| Became::Done)
    }

    async fn approval(&self, who: Person, waiting: &Waiting, at: usize) -> Result<Answer, String> {
        self.town.post(who, &format!("/v1/policy-sets/{}/approvals", waiting.set), &json!({}), at).await
    }

    pub(super) async fn withdraw(&mut self, at: usize) -> Result<Became, String> {
        let Some(waiting) = self.model.waiting.take() else { return Ok(Became::PassedOver) };
        let answer = self.town.post(ADMIN, &format!("/v1/policy-sets/{}/withdrawal", waiting.set), &json!({}), at).await?;
        if answer.status != 200 {
            return Err(format!("a set is taken back: {answer:?}"));
        }
        Ok(Became::Done)
    }

    /// Two approved: the set is in force at all gateways. One approved: it is at none.
    async fn in_force(&mut self) -> Result<(), String> {
        let Some(waiting) = self.model.waiting.clone() else { return Ok(()) };
        if waiting.approved == [true; 2] {
            self.model.suspended = waiting.suspends;
            self.model.waiting = None;
            return self.town.until_all("the approved set is in force", |rooms| rooms.law.load().files.hash() == waiting.set).await;
        }
        let early = self.town.inside(async |rooms| rooms.law.load().files.hash().to_owned()).await;
        if early == waiting.set { Err("a set is in force that one person approved".to_owned()) } else { Ok(()) }
    }

    pub(super) async fn habilitate(&mut self, whether: bool) -> Result<Became, String> {
        let file = self.town.scene.world.folder.join("directory/professionals/departement-31.toml");
        let listed = std::fs::read_to_string(&file).unwrap();
        let (begin, rest) = listed.split_once(&format!("sub = \"{}\"", AGENT.1)).unwrap();
        let rest = rest.replacen("to = 2025-06-30\n", "", 1);
        // Who comes after this agent has an end of an own, which stays.
        let rest = if self.model.agent { listed.split_once(&format!("sub = \"{}\"", AGENT.1)).unwrap().1.to_owned() } else { rest };
        let ended = if whether { rest } else { rest.replacen("from = 2025-01-01\n", "from = 2025-01-01\nto = 2025-06-30\n", 1) };
        std::fs::write(&file, format!("{begin}sub = \"{}\"{ended}", AGENT.1)).unwrap();
        self.model.agent = whether;
        let crip: exchange::UnitId = "crip".parse().unwrap();
        let today = super::calendar::day(self.town.now());
        self.town
            .until_all("the directory is read", |rooms| {
                let law = rooms.law.load();
                let agent = law.directory.professionals().find(|one| one.id.subject == AGENT.1).unwrap().habilitated(&crip, today);
                agent == whether
            })
            .await?;
        Ok(Became::Done)
    }

    pub(super) async fn lead(&mut self, second: bool) -> Result<Became, String> {
        let file = self.town.scene.world.folder.join("directory/institutions/departement-31.toml");
        let listed = std::fs::read_to_string(&file).unwrap();
        let (from, to) = if second { (CRIP.1, AGENT.1) } else { (AGENT.1, CRIP.1) };
        std::fs::write(&file, listed.replace(&format!("lead = \"{from}\""), &format!("lead = \"{to}\""))).unwrap();
        let party: exchange::Party = serde_json::from_value(json!({"institution": "departement-31", "unit": "crip"})).unwrap();
        self.town
            .until_all("the directory is read", |rooms| {
                let law = rooms.law.load();
                let lead = law.directory.party(&party).and_then(|known| known.unit).and_then(|unit| unit.lead.clone());
                lead.as_deref() == Some(to)
            })
            .await?;
        self.model.leads = leads(&self.town);
        Ok(Became::Done)
    }
}

/// Lead and deputy of each unit, as the files of the directory say.
pub(super) fn leads(town: &Town) -> BTreeMap<Unit, (String, String)> {
    let mut leads = BTreeMap::new();
    for file in std::fs::read_dir(town.scene.world.folder.join("directory/institutions")).unwrap() {
        let listed: toml::Table = std::fs::read_to_string(file.unwrap().path()).unwrap().parse().unwrap();
        let listed: Value = serde_json::to_value(listed).unwrap();
        for institution in listed["institution"].as_array().into_iter().flatten() {
            for unit in institution["unit"].as_array().into_iter().flatten() {
                let names = (text(institution, "/id"), text(unit, "/id"));
                let known = super::people::LED.iter().find(|unit| (unit.0, unit.1) == (names.0.as_str(), names.1.as_str()));
                leads.extend(known.map(|known| (*known, (text(unit, "/lead"), text(unit, "/deputy")))));
            }
        }
    }
    leads
}
