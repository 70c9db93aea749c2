//! The world of a run: gateways on real sockets over one database, real certificates, one clock for all, the endpoint of
//! the CRIP. Each gateway has an executor of its own, so that it can end as a lost machine does.

use std::{path::PathBuf, sync::Arc, time::Duration};

use certs_dev::Issued;
use exchange::Instant;
use gateway::{client::Client, clock::Clock, config::Config, flows::Rooms, node::Node, store::Part, token};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::{operations::Behaviour, people::Person};
use crate::{NOW, Scene, endpoint::Endpoint};

/// Everything that is real in a run.
pub struct Town {
    /// The stage, its certificates and the hands of the clock; no gateway of its own.
    pub scene: Scene,
    /// One gateway, or two on PostgreSQL.
    pub gateways: Vec<Gateway>,
    /// Where the CRIP wants its notices.
    pub endpoint: Endpoint,
    issued: Issued,
    behaviour: Behaviour,
}

/// One gateway with an executor of its own.
pub struct Gateway {
    config: PathBuf,
    running: Option<(Runtime, Node)>,
}

/// What a gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body, or nothing.
    pub body: Value,
}

impl Answer {
    /// The stable code of a refusal.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Town {
    /// A town at an instant, with everything running.
    pub async fn at(beginning: &str) -> Self {
        let (mut issued, mut endpoint) = (None, Endpoint::new());
        let scene = Scene::set(|world| {
            endpoint.asked_by(world, "crip");
            issued = Some(world.pki.issue(&Endpoint::leaf("ac-territoires", "departement-31")).unwrap());
            let now = NOW.parse::<Instant>().unwrap().datetime().into();
            // Revocation is no subject of these runs (faults_time.rs): the lists last as long as they do.
            world.pki.write_crls_valid(now, now + time::Duration::days(400)).unwrap();
            // One try after the other, without leave of the wall clock.
            let text = std::fs::read_to_string(world.config()).unwrap();
            let text = text.replace("reload_ms = 200", "reload_ms = 40").replace("push_ms = 100", "push_ms = 20");
            std::fs::write(world.config(), text.replace("clocks_ms = 200", "clocks_ms = 20")).unwrap();
        });
        scene.clock.set(beginning.parse().unwrap());
        let mut gateways = vec![Gateway { config: scene.world.config(), running: None }];
        if std::env::var("PASSERELLE_DATABASE").as_deref() == Ok("postgres") {
            let config = scene.world.replica("other", "127.0.0.1:0", "127.0.0.1:0").unwrap();
            gateways.push(Gateway { config, running: None });
        }
        let issued = issued.unwrap();
        endpoint.serve(&scene.world, &issued).await;
        let mut town = Self { scene, gateways, endpoint, issued, behaviour: Behaviour::Well };
        for n in 0..town.gateways.len() {
            town.start(n).await;
        }
        town
    }

    /// The present instant of everybody.
    pub fn now(&self) -> Instant {
        self.scene.now()
    }

    /// Starts a gateway.
    pub async fn start(&mut self, n: usize) {
        let clock: Arc<dyn Clock> = Arc::new(self.scene.clock.clone());
        self.gateways[n].start(clock).await;
    }

    /// A connection of a person to one of the gateways, with a fresh token.
    pub fn acting(&self, who: Person, at: usize) -> Client {
        self.institution(who.0, at).with_token(self.scene.token(who.0, who.1))
    }

    /// The same with a token of an earlier hour.
    pub fn acting_late(&self, who: Person, at: usize) -> Client {
        let hour_ago = self.now().minus(Duration::from_secs(3600));
        let subject = who.1;
        self.institution(who.0, at).with_token(self.scene.token_with(who.0, |wanted| token::Wanted { subject, now: hour_ago, ..wanted }))
    }

    /// A connection of an institution, without a token.
    pub fn institution(&self, institution: &str, at: usize) -> Client {
        let running: Vec<&Gateway> = self.gateways.iter().filter(|gateway| gateway.running.is_some()).collect();
        self.scene.client_at(&running[at % running.len()].base(), &self.scene.member(institution))
    }

    /// Asks, and stops the run at no answer or at one that says that the gateway failed.
    pub async fn ask(&self, request: RequestBuilder) -> Result<Answer, String> {
        let answer = request.send().await.map_err(|fault| format!("no answer: {fault:?}"))?;
        let (status, path) = (answer.status().as_u16(), answer.url().path().to_owned());
        let bytes = answer.bytes().await.map_err(|fault| format!("half an answer: {fault:?}"))?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status >= 500 {
            return Err(format!("{path} answered {status}: {body}"));
        }
        Ok(Answer { status, body })
    }

    /// `GET` by a person.
    pub async fn get(&self, who: Person, path: &str, at: usize) -> Result<Answer, String> {
        self.ask(self.acting(who, at).request(Method::GET, path)).await
    }

    /// `POST` by a person.
    pub async fn post(&self, who: Person, path: &str, body: &Value, at: usize) -> Result<Answer, String> {
        self.ask(self.acting(who, at).request(Method::POST, path).json(body)).await
    }

    /// A deposit under a key.
    pub fn deposit(client: &Client, key: Option<&str>, body: String) -> RequestBuilder {
        let request = client.request(Method::POST, "/v1/exchanges").header("content-type", "application/json").body(body);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    /// What the rooms of a running gateway say, asked in its own executor.
    pub async fn inside<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, ask: impl Fn(Arc<Rooms>) -> F) -> T {
        let gateway = self.gateways.iter().find_map(|gateway| gateway.running.as_ref()).unwrap();
        gateway.0.spawn(ask(gateway.1.rooms().clone())).await.unwrap()
    }

    /// Waits until every running gateway says so.
    pub async fn until_all(&self, what: &str, holds: impl Fn(&Rooms) -> bool) -> Result<(), String> {
        let all = || self.gateways.iter().filter_map(|gateway| gateway.running.as_ref()).all(|(_, node)| holds(node.rooms()));
        until(what, async || Ok(all())).await
    }

    /// Numbers of a statement over one of the databases, by a connection of the run's own.
    pub async fn rows(&self, part: Part, statement: &'static str) -> Vec<sqlx::any::AnyRow> {
        let mut database = self.scene.database(part).await;
        let rows = sqlx::query(statement).fetch_all(&mut database).await.unwrap();
        sqlx::Connection::close(database).await.unwrap();
        rows
    }

    /// The endpoint behaves so from now on.
    pub async fn behave(&mut self, behaviour: Behaviour) {
        match behaviour {
            Behaviour::Well | Behaviour::Dark => self.endpoint.answer(|_| 204),
            Behaviour::Errors => self.endpoint.answer(|_| 500),
            Behaviour::Wrong => self.endpoint.answer(|_| 404),
            Behaviour::Redirects => self.endpoint.redirect(&self.endpoint.url()),
            Behaviour::Slow => self.endpoint.slow(),
            Behaviour::Hangs => self.endpoint.hang(),
        }
        // Who waits for a late answer gets it; who waits for ever is cut off.
        self.endpoint.release();
        let was = std::mem::replace(&mut self.behaviour, behaviour);
        if behaviour == Behaviour::Dark || was == Behaviour::Hangs {
            self.endpoint.go_dark().await;
        }
        if behaviour != Behaviour::Dark && matches!(was, Behaviour::Dark | Behaviour::Hangs) {
            self.endpoint.serve(&self.scene.world, &self.issued).await;
        }
    }
}

impl Gateway {
    async fn start(&mut self, clock: Arc<dyn Clock>) {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = Config::load(&self.config).unwrap();
        let node = runtime.spawn(Node::start(config, clock)).await.unwrap().unwrap_or_else(|fault| panic!("{fault}"));
        self.running = Some((runtime, node));
    }

    fn base(&self) -> String {
        format!("https://localhost:{}", self.running.as_ref().unwrap().1.address().port())
    }

    /// In order: what is under way is finished.
    pub async fn stop(&mut self) {
        if let Some((runtime, node)) = self.running.take() {
            runtime.spawn(node.stop()).await.unwrap();
            runtime.shutdown_background();
        }
    }

    /// Without a word: every task is dropped where it stands. (Not a `kill -9`, which `kill.rs` makes: a statement that its
    /// database has begun is ended by the database.)
    pub async fn abort(&mut self) {
        if let Some((runtime, node)) = self.running.take() {
            tokio::task::spawn_blocking(move || {
                runtime.shutdown_timeout(Duration::from_secs(10));
                drop(node);
            })
            .await
            .unwrap();
        }
    }
}

/// Waits for what workers do: it comes soon, not at once.
pub async fn until<F: Future<Output = Result<bool, String>>>(what: &str, holds: impl Fn() -> F) -> Result<(), String> {
    let began = std::time::Instant::now();
    while !holds().await? {
        if began.elapsed() > Duration::from_secs(20) {
            return Err(format!("never: {what}"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}
