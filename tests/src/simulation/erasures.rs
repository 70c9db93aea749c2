//! Erasures: by who may, of what nothing waits for any more, and through the end of a gateway.

use gateway::store::Part;
use reqwest::Method;
use serde_json::json;
use sqlx::Row;

use super::{
    model::Exchange,
    run::{Became, Run},
    town::{Town, until},
};
use crate::people::{DPO, MAGISTRATE};

impl Run {
    pub(super) async fn erase(&mut self, which: usize, at: usize) -> Result<Became, String> {
        let Some(n) = self.erasable(which, |_| true) else { return Ok(Became::PassedOver) };
        let exchange = &self.model.exchanges[n];
        let who = if at.is_multiple_of(5) { MAGISTRATE } else { DPO };
        let request = self.town.acting(who, at).request(Method::DELETE, &format!("/v1/exchanges/{}", exchange.id));
        let answer = self.town.ask(request.json(&json!({"motive": "durée écoulée"}))).await?;
        let expected = if who != DPO {
            403
        } else if exchange.erased.is_some() {
            410
        } else if !exchange.settled() {
            409
        } else {
            204
        };
        if answer.status != expected {
            return Err(format!("{who:?} erases {}: {answer:?}, not {expected}", exchange.id));
        }
        if answer.status == 204 {
            self.erased(n);
        }
        Ok(Became::Done)
    }

    /// A gateway ends between the two halves of an erasure, or near them: then it is finished when it starts again, or was
    /// never begun.
    pub(super) async fn abort_erasing(&mut self, which: usize, at: usize) -> Result<Became, String> {
        let at = at % self.town.gateways.len();
        let Some(n) = self.erasable(which, |one| one.erased.is_none() && one.settled()) else { return Ok(Became::PassedOver) };
        let id = self.model.exchanges[n].id.clone();
        let erase = |town: &Town, at| {
            let request = town.acting(DPO, at).request(Method::DELETE, &format!("/v1/exchanges/{id}"));
            request.json(&json!({"motive": "durée écoulée"}))
        };
        let under_way = tokio::spawn(erase(&self.town, at).send());
        let key = async |town: &Town| {
            town.rows(Part::Keys, "SELECT exchange_id FROM exchange_key").await.iter().any(|row| row.get::<String, _>(0) == id)
        };
        until("the key is destroyed", async || Ok(under_way.is_finished() || !key(&self.town).await)).await?;
        self.town.gateways[at].abort().await;
        let begun = !key(&self.town).await;
        let _ = under_way.await;
        self.town.start(at).await;
        let unsaid = self.town.rows(Part::Gateway, "SELECT id FROM exchange WHERE erased_at IS NULL").await;
        if begun && unsaid.iter().any(|row| row.get::<String, _>(0) == id) {
            return Err(format!("the key of {id} is gone, and after a start nobody says that it was erased"));
        }
        let answer = self.town.ask(erase(&self.town, at)).await?;
        if answer.status != if begun { 410 } else { 204 } {
            return Err(format!("after the end of a gateway, {id} is erased: {answer:?}, begun {begun}"));
        }
        self.erased(n);
        self.settle().await?;
        Ok(Became::Done)
    }

    /// One of those that came to the Département, where somebody erases.
    fn erasable(&self, which: usize, wanted: impl Fn(&Exchange) -> bool) -> Option<usize> {
        let here = |exchange: &Exchange| exchange.deliveries[0].unit.0 == "departement-31" && wanted(exchange);
        let all: Vec<usize> = (0..self.model.exchanges.len()).filter(|n| here(&self.model.exchanges[*n])).collect();
        all.get(which % all.len().max(1)).copied()
    }

    fn erased(&mut self, n: usize) {
        let now = self.town.now();
        let exchange = &mut self.model.exchanges[n];
        (exchange.erased, exchange.clocks) = (Some(now), Vec::new());
    }
}
