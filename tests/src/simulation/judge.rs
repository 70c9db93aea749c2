//! The judge: what is, beside what must be. Reminders, clocks, exchanges, deliveries and tasks after each operation, as the
//! database holds them; mailboxes and notices as members see them; at the end everything once more, and the log.

use std::collections::{BTreeMap, BTreeSet};

use gateway::{
    config::Config,
    flows::{
        bundle,
        verify::{self, Trust},
    },
    seal::KeyStore,
    store::{Part, Store},
};
use serde_json::{Value, json};
use sqlx::Row;

use super::{
    model::Told,
    operations::{Behaviour, Repeat},
    people::{MAILBOXES, SEALED, Unit},
    run::Run,
    town::until,
};
use crate::{people::SCHOOL, text};

/// Somebody who follows a mailbox by its cursor.
#[derive(Debug, Default)]
pub struct Follower {
    after: i64,
    seen: BTreeSet<String>,
}

impl Run {
    /// After each operation.
    pub(super) async fn judge(&self) -> Result<(), String> {
        self.judge_kept().await?;
        self.judge_clocks().await?;
        self.judge_notices()
    }

    /// Everybody was told what they must be told, once, and nobody was told anything else.
    pub(super) async fn judge_told(&self) -> Result<(), String> {
        let mut wanted = self.model.told.clone();
        wanted.sort();
        until("everybody is told what is due", async || Ok(self.told().await.len() >= wanted.len())).await.ok();
        let found = self.told().await;
        if found == wanted {
            return Ok(());
        }
        let missing: Vec<&Told> = wanted.iter().filter(|told| !found.contains(told)).collect();
        let more: Vec<&Told> = found.iter().filter(|told| !wanted.contains(told)).collect();
        Err(format!("at {}: not told {missing:?}; told {more:?}; {} instead of {}", self.town.now(), found.len(), wanted.len()))
    }

    async fn told(&self) -> Vec<Told> {
        let statement = "SELECT c.exchange_id, c.name, r.institution, r.unit, r.role, r.stage, r.professional, r.due_at \
             FROM reminder r JOIN clock c ON c.id = r.clock_id";
        let rows = self.town.rows(Part::Gateway, statement).await;
        let mut told: Vec<Told> = rows
            .iter()
            .map(|row| Told {
                exchange: row.get(0),
                clock: row.get(1),
                institution: row.get(2),
                unit: row.get(3),
                role: row.get(4),
                stage: row.get(5),
                professional: row.get(6),
                due: row.get(7),
            })
            .collect();
        told.sort();
        told
    }

    /// Each clock runs until the instant that the law says, and no other runs.
    async fn judge_clocks(&self) -> Result<(), String> {
        self.judge_told().await?;
        let statement = "SELECT exchange_id, name, institution, unit, role, limit_at, fires FROM clock WHERE next_at IS NOT NULL";
        let rows = self.town.rows(Part::Gateway, statement).await;
        let get = |row: &sqlx::any::AnyRow, n: usize| row.get::<String, _>(n);
        let found: BTreeSet<_> = rows
            .iter()
            .map(|row| (get(row, 0), get(row, 1), get(row, 2), get(row, 3), get(row, 4), row.get::<i64, _>(5), get(row, 6)))
            .collect();
        let mut wanted = BTreeSet::new();
        for exchange in &self.model.exchanges {
            for clock in &exchange.clocks {
                let fires = json!(clock.fires.iter().map(|at| at.unix_ms()).collect::<Vec<_>>()).to_string();
                let (institution, unit) = (clock.owner.0.to_owned(), clock.owner.1.to_owned());
                wanted.insert((exchange.id.clone(), clock.name.into(), institution, unit, clock.role.into(), clock.limit.unix_ms(), fires));
            }
        }
        differs("a clock", &wanted, &found)
    }

    /// What was accepted is kept, once, with its deliveries and its tasks, and nothing else is there.
    async fn judge_kept(&self) -> Result<(), String> {
        let rows = self.town.rows(Part::Gateway, "SELECT id, type, erased_at FROM exchange").await;
        let found: BTreeSet<_> =
            rows.iter().map(|row| (row.get(0), row.get(1), row.get::<Option<i64>, _>(2))).collect::<BTreeSet<(String, String, _)>>();
        let exchanges = &self.model.exchanges;
        let wanted = exchanges.iter().map(|one| (one.id.clone(), one.kind.into(), one.erased.map(|at| at.unix_ms()))).collect();
        differs("an exchange", &wanted, &found)?;

        let statement = "SELECT id, exchange_id, institution, unit, opened_at, acknowledged_at FROM delivery";
        let rows = self.town.rows(Part::Gateway, statement).await;
        let is = |row: &sqlx::any::AnyRow, n: usize| row.get::<Option<i64>, _>(n).is_some();
        let found: BTreeSet<(String, String, String, String, bool, bool)> =
            rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), is(row, 4), is(row, 5))).collect();
        let mut wanted = BTreeSet::new();
        for exchange in exchanges {
            for one in &exchange.deliveries {
                let (institution, unit) = (one.unit.0.to_owned(), one.unit.1.to_owned());
                wanted.insert((one.id.clone(), exchange.id.clone(), institution, unit, one.opened, one.acknowledged));
            }
        }
        differs("a delivery", &wanted, &found)?;

        let rows = self.town.rows(Part::Gateway, "SELECT id, exchange_id, code, done_at FROM follow_up").await;
        let found: BTreeSet<(String, String, String, bool)> =
            rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), is(row, 3))).collect();
        let of = |one: &super::model::Exchange| {
            let id = one.id.clone();
            one.tasks.iter().map(move |task| (task.id.clone(), id.clone(), task.code.clone(), task.done)).collect::<Vec<_>>()
        };
        differs("a task", &exchanges.iter().flat_map(of).collect(), &found)?;

        let rows = self.town.rows(Part::Keys, "SELECT exchange_id FROM exchange_key").await;
        let keys: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let gone = |one: &&super::model::Exchange| one.erased.is_some() == keys.contains(&one.id);
        match exchanges.iter().find(gone) {
            Some(one) => Err(format!("the key of {} is there, or not, against its erasure {:?}", one.id, one.erased)),
            None => Ok(()),
        }
    }

    /// Every notice is of a delivery to the CRIP, under the id that it has, and says nothing more.
    fn judge_notices(&self) -> Result<(), String> {
        let ids = self.to_the_crip();
        for came in self.town.endpoint.received() {
            let delivery = came.delivery();
            let told = came.headers.contains(&format!("idempotency-key: {delivery}"));
            let parts = came.body.as_object().map_or(0, serde_json::Map::len);
            if !ids.contains_key(&delivery) || !told || parts != 4 {
                return Err(format!("a notice of what is none: {} {:?}", came.body, came.headers));
            }
        }
        Ok(())
    }

    fn to_the_crip(&self) -> BTreeMap<String, usize> {
        let all = self.model.exchanges.iter().enumerate();
        let all = all.flat_map(|(n, one)| one.deliveries.iter().map(move |delivery| (n, delivery)));
        all.filter(|(_, delivery)| delivery.unit == Unit::CRIP).map(|(n, delivery)| (delivery.id.clone(), n)).collect()
    }

    /// Each unit finds in its mailbox what it must, once; who follows by the cursor misses nothing; from whom something is
    /// sealed, it is not there.
    pub(super) async fn judge_mailboxes(&mut self, page: u32, at: usize) -> Result<(), String> {
        for (unit, who) in MAILBOXES {
            let listed = self.listed(unit, who, page, at).await?;
            // What was erased waits for nobody.
            let waits = |exchange: &super::model::Exchange| {
                exchange.deliveries.iter().find(|one| one.unit == unit && !one.acknowledged && exchange.erased.is_none()).cloned()
            };
            let row = |exchange: &super::model::Exchange, id: String| {
                (id, exchange.id.clone(), exchange.kind.to_owned(), exchange.urgency.word().to_owned())
            };
            let waiting = |sealed: bool| {
                let all = self.model.exchanges.iter().filter(|exchange| !(sealed && exchange.sealed));
                all.filter_map(|exchange| waits(exchange).map(|one| row(exchange, one.id))).collect::<BTreeSet<_>>()
            };
            differs(&format!("in the mailbox of {unit:?}"), &waiting(false), &listed)?;
            if unit == Unit::CRIP {
                differs("in the mailbox of the lead of the CRIP", &waiting(true), &self.listed(unit, SEALED, page, at).await?)?;
            }
            // Who follows goes on where the last page ended.
            let mut follower = self.followers.remove(&unit).unwrap_or_default();
            loop {
                let path = format!("/v1/mailbox?unit={}&limit={page}&after={}", unit.1, follower.after);
                let answer = self.town.get(who, &path, at).await?;
                follower.seen.extend(answer.body["deliveries"].as_array().into_iter().flatten().map(|one| text(one, "/delivery")));
                let after = answer.body["after"].as_i64().ok_or("a mailbox without a cursor")?;
                if after == std::mem::replace(&mut follower.after, after) {
                    break;
                }
            }
            let missed: Vec<_> = waiting(false).into_iter().filter(|(id, ..)| !follower.seen.contains(id)).collect();
            self.followers.insert(unit, follower);
            if !missed.is_empty() {
                return Err(format!("who follows the mailbox of {unit:?} missed {missed:?}"));
            }
        }
        Ok(())
    }

    async fn listed(
        &self,
        unit: Unit,
        who: super::people::Person,
        page: u32,
        at: usize,
    ) -> Result<BTreeSet<(String, String, String, String)>, String> {
        let (mut listed, mut after) = (BTreeSet::new(), 0);
        loop {
            let answer = self.town.get(who, &format!("/v1/mailbox?unit={}&limit={page}&after={after}", unit.1), at).await?;
            let rows = answer.body["deliveries"].as_array().ok_or(format!("{who:?} has no mailbox: {answer:?}"))?;
            listed
                .extend(rows.iter().map(|one| (text(one, "/delivery"), text(one, "/exchange"), text(one, "/type"), text(one, "/urgency"))));
            match answer.body["after"].as_i64() {
                Some(next) if next != after => after = next,
                _ => return Ok(listed),
            }
        }
    }

    /// The end: everything is well again, and everything is there.
    pub(super) async fn end(mut self) -> Result<(), String> {
        // 1. The endpoint is back: after some time every notice has come, or was given up as often as it must be tried.
        self.town.behave(Behaviour::Well).await;
        self.told_by_push().await?;
        // 2. Every key once more, at any gateway: the same answer, or that it was erased.
        for n in 0..self.model.exchanges.len() {
            self.repeat(n, Repeat::Same, n).await?;
        }
        self.judge_mailboxes(200, 0).await?;
        self.judge_mailboxes(2, 1).await?;
        self.judge().await?;
        // 3. The log verifies, against keys that members noted, and holds what was accepted.
        let keys = self.town.get(SCHOOL, "/v1/keys", 0).await?.body;
        for gateway in &mut self.town.gateways {
            gateway.stop().await;
        }
        self.judge_log(&keys).await
    }

    async fn told_by_push(&mut self) -> Result<(), String> {
        for _ in 0..4 {
            // Longer than any pause, and than any lease that an hour put back made longer.
            let later = self.town.now().plus(std::time::Duration::from_secs(2 * 3600));
            self.town.scene.clock.set(later);
            self.settle().await?;
            let waits = || async { self.town.rows(Part::Gateway, "SELECT id FROM delivery WHERE push = 'waiting'").await.is_empty() };
            if until("every notice has left", async || Ok(waits().await)).await.is_ok() {
                break;
            }
        }
        let rows = self.town.rows(Part::Gateway, "SELECT id, push, attempts FROM delivery WHERE unit = 'crip'").await;
        let came: BTreeSet<String> = self.town.endpoint.received().iter().map(|one| one.delivery()).collect();
        for row in &rows {
            let (id, push, attempts): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
            let right = match push.as_str() {
                "done" => came.contains(&id),
                "dead" => attempts >= 12,
                _ => false,
            };
            if !right {
                return Err(format!("the notice of {id} is {push} after {attempts} tries, and came: {}", came.contains(&id)));
            }
        }
        let told = self.to_the_crip();
        if rows.len() == told.len() { Ok(()) } else { Err(format!("{} notices instead of {}", rows.len(), told.len())) }
    }

    async fn judge_log(&self, keys: &Value) -> Result<(), String> {
        let config = Config::load(&self.town.scene.world.config()).unwrap();
        let store = Store::open(&config.database(Part::Gateway)).await.unwrap();
        let mut events = BTreeMap::new();
        for exchange in &self.model.exchanges {
            for entry in store.entries_of(exchange.id.parse().unwrap()).await.unwrap() {
                if entry.index.is_none() {
                    return Err(format!("an entry of {} was never signed: {}", exchange.id, entry.event));
                }
                *events.entry((exchange.id.clone(), entry.event)).or_insert(0) += 1;
            }
            let of = |event: &str| events.get(&(exchange.id.clone(), event.to_owned())).copied().unwrap_or(0);
            let acknowledged = exchange.deliveries.iter().filter(|one| one.acknowledged).count();
            let told = (of("exchange.accepted"), of("exchange.erased"), of("exchange.acknowledged"));
            if told != (1, usize::from(exchange.erased.is_some()), acknowledged) {
                return Err(format!("the log says of {} that it was accepted, erased, acknowledged {told:?} times", exchange.id));
            }
        }
        let folder = self.town.scene.world.folder.join("bundle");
        bundle::write(&store, &KeyStore::open(&config.keys).unwrap(), &folder, keys, &|_, _| {}).await.unwrap();
        store.close().await;
        let report = verify::verify_folder(&folder, &trust(keys), &|_, _| {});
        // A clock that was put back is said by the log, entry by entry, and nothing else.
        let told = report.to_string();
        let of_hours = told.lines().filter(|line| line.starts_with('✗')).all(|line| line.contains("Horodatage"));
        if report.exit_code() == 0 || (self.turned_back && of_hours) { Ok(()) } else { Err(format!("the log does not verify: {told}")) }
    }
}

/// What a member noted of the keys of its gateway.
pub(super) fn trust(keys: &Value) -> Trust {
    Trust::pinned(&[text(keys, "/log/vkey")], Some(&json!({"keys": keys["keys"]})), &[], 0).unwrap()
}

fn differs<T: Ord + std::fmt::Debug>(what: &str, wanted: &BTreeSet<T>, found: &BTreeSet<T>) -> Result<(), String> {
    let missing: Vec<&T> = wanted.difference(found).collect();
    let more: Vec<&T> = found.difference(wanted).collect();
    if missing.is_empty() && more.is_empty() { Ok(()) } else { Err(format!("{what}: missing {missing:?}; too many {more:?}")) }
}
