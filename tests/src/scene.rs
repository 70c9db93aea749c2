//! A gateway in this process, and members at its door.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use exchange::Instant;
use gateway::{
    client::{self, Client, ClientFault, Credentials},
    clock::{Clock, TestClock},
    config::Config,
    demo::{World, world::GATEWAY},
    flows::Rooms,
    node::Node,
    store::Part,
    token,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection, Executor};
use tempfile::TempDir;

use crate::{
    people::{ADMIN, CADRE, DPO},
    process::plain,
    text,
};

/// The instant at which scenes begin: a Wednesday, 10:30 in Paris.
pub const NOW: &str = "2026-11-25T09:30:00.000Z";

/// One gateway with the sample directory and a development PKI.
pub struct Scene {
    /// The stage: folders, certificates, keys.
    pub world: World,
    /// The hands of the gateway's clock.
    pub clock: TestClock,
    node: Option<Node>,
    _folder: TempDir,
}

/// Another gateway on the database of a scene.
pub struct Replica {
    /// Running.
    pub node: Node,
}

impl Replica {
    /// A connection to this replica that acts for one of [`crate::people`].
    pub fn acting(&self, scene: &Scene, (institution, subject): (&str, &str)) -> Client {
        let base = format!("https://localhost:{}", self.node.address().port());
        scene.client_at(&base, &scene.member(institution)).with_token(scene.token(institution, subject))
    }
}

/// An answer that is a refusal.
#[derive(Debug, Clone)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// `application/problem+json`.
    pub body: Value,
}

impl Problem {
    /// The stable code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Scene {
    /// A running gateway.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A running gateway whose stage `prepare` changed before the start.
    pub async fn start_with(prepare: impl FnOnce(&mut World)) -> Self {
        let mut scene = Self::set(prepare);
        scene.resume().await;
        scene
    }

    /// A stage on which nobody runs yet.
    pub fn set(prepare: impl FnOnce(&mut World)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::at(NOW.parse().unwrap());
        let mut world = World::create(folder.path(), clock.now()).unwrap();
        if std::env::var("PASSERELLE_DATABASE").as_deref() == Ok("postgres") {
            world.keep_in(&crate::process::postgres()).unwrap();
        }
        prepare(&mut world);
        Self { world, clock, node: None, _folder: folder }
    }

    /// Stops the gateway in order.
    pub async fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            node.stop().await;
        }
    }

    /// Starts the gateway again on what it kept.
    pub async fn resume(&mut self) {
        let config = Config::load(&self.world.config()).unwrap();
        self.node = Some(Node::start(config, Arc::new(self.clock.clone())).await.unwrap_or_else(|fault| panic!("{fault}")));
    }

    /// One of the gateway's databases, by a connection of the test's own.
    pub async fn database(&self, part: Part) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = Config::load(&self.world.config()).unwrap().database(part);
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        if url.starts_with("postgres") {
            connection.execute(sqlx::AssertSqlSafe(format!("SET search_path TO {}", part.as_str()))).await.unwrap();
        }
        connection
    }

    /// Starts one more gateway on the same database, with the same clock.
    pub async fn replica(&self, name: &str) -> Replica {
        let config = Config::load(&self.world.replica(name, "127.0.0.1:0", "127.0.0.1:0").unwrap()).unwrap();
        let node = Node::start(config, Arc::new(self.clock.clone())).await.unwrap_or_else(|fault| panic!("{fault}"));
        Replica { node }
    }

    /// The rooms behind the door.
    pub fn rooms(&self) -> &Arc<Rooms> {
        self.node.as_ref().unwrap().rooms()
    }

    /// Where members connect.
    pub fn base(&self) -> String {
        format!("https://localhost:{}", self.node.as_ref().unwrap().address().port())
    }

    /// What the local port answers: health and metrics.
    pub async fn local(&self, path: &str) -> String {
        plain(&self.node.as_ref().unwrap().local_address().to_string(), path).await.unwrap()
    }

    /// Folder of a member: `certificate.pem`, `key.pem`, `token.pem`.
    pub fn member(&self, institution: &str) -> PathBuf {
        self.world.folder.join("members").join(institution)
    }

    /// The present instant of the gateway.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Moves the hands to `at`, with revocation lists of that day: nobody is shut out by the time that passed.
    pub async fn travel(&mut self, at: &str) {
        let at: Instant = at.parse().unwrap();
        self.world.pki.write_crls(at.datetime().into()).unwrap();
        self.clock.set(at);
        if self.node.is_some() {
            let looking = || async { self.professional("departement-31", "p-8c3mz").get("/v1/clocks").await.is_ok() };
            self.until("the lists are read", looking).await;
        }
    }

    /// A connection with a member's certificate and no token.
    pub fn institution(&self, institution: &str) -> Client {
        self.client_of(&self.member(institution))
    }

    /// A connection with the certificate of any folder that holds `certificate.pem` and `key.pem`.
    pub fn client_of(&self, folder: &Path) -> Client {
        self.client_at(&self.base(), folder)
    }

    /// The same at another gateway.
    pub fn client_at(&self, base: &str, folder: &Path) -> Client {
        let credentials = Credentials {
            certificate: &folder.join("certificate.pem"),
            key: &folder.join("key.pem"),
            authorities: &self.world.authorities(),
        };
        Client::new(base, &credentials).unwrap()
    }

    /// A connection that acts for a professional of a member.
    pub fn professional(&self, institution: &str, subject: &str) -> Client {
        self.institution(institution).with_token(self.token(institution, subject))
    }

    /// A token of a professional, bound to the member's certificate, good for ten minutes of the gateway's clock.
    pub fn token(&self, institution: &str, subject: &str) -> String {
        self.token_with(institution, |wanted| token::Wanted { subject, ..wanted })
    }

    /// A token that `change` made different from the honest one.
    pub fn token_with<'a>(&self, institution: &str, change: impl FnOnce(token::Wanted<'a>) -> token::Wanted<'a>) -> String {
        let folder = self.member(institution);
        let pem = std::fs::read_to_string(folder.join("token.pem")).unwrap();
        let issuer = Box::leak(format!("urn:passerelle:institution:{institution}").into_boxed_str());
        let audience = Box::leak(format!("urn:passerelle:gateway:{GATEWAY}").into_boxed_str());
        let jti = Box::leak(client::new_key().unwrap().into_boxed_str());
        let wanted = token::Wanted {
            issuer,
            subject: "nobody",
            audience,
            certificate_thumbprint: client::thumbprint(&folder.join("certificate.pem")).unwrap(),
            jti,
            now: self.now(),
            life: 600,
        };
        token::issue(&pem, &change(wanted)).unwrap()
    }

    /// [`Scene::professional`] of one of [`crate::people`].
    pub fn acting(&self, (institution, subject): (&str, &str)) -> Client {
        self.professional(institution, subject)
    }

    /// What lies in the policies folder is proposed by the administrator and approved by the data-protection officer and
    /// the head of the CRIP, each with a token of their own; gives its hash, in force.
    pub async fn amended(&self, motive: &str) -> String {
        let proposed = self.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": motive})).await;
        let set = text(&problem(proposed).unwrap_or_else(|problem| panic!("not proposed: {}", problem.body)), "/set");
        for who in [DPO, CADRE] {
            let approved = self.acting(who).post(&format!("/v1/policy-sets/{set}/approvals"), &json!({})).await;
            problem(approved).unwrap_or_else(|problem| panic!("not approved: {}", problem.body));
        }
        assert_eq!(self.rooms().law.load().files.hash(), set);
        // The folder holds what is in force: nobody is told otherwise until the next look at it.
        let listed = self.acting(ADMIN).get("/v1/policy-sets").await.unwrap();
        assert_eq!(text(&listed, "/folder/state"), "in-force");
        set
    }

    /// Deposits an envelope that must be accepted; gives the exchange id.
    pub async fn accepted(&self, who: (&str, &str), envelope: &Value) -> String {
        let answer = self.submit(&self.acting(who), envelope).await.unwrap_or_else(|problem| panic!("refused: {}", problem.body));
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The delivery of an exchange that waits for a unit.
    pub async fn delivery_of(&self, who: (&str, &str), unit: &str, exchange: &str) -> String {
        let waiting = self.waiting(&self.acting(who), unit).await;
        let found = waiting.iter().find(|one| one["exchange"] == exchange).unwrap_or_else(|| panic!("{exchange} does not wait for {unit}"));
        found["delivery"].as_str().unwrap().to_owned()
    }

    /// The CRIP takes an exchange in charge if it still waits for it: a danger is erased only once it was answered.
    pub async fn taken_in_charge(&self, exchange: &str) {
        let cadre = self.acting(crate::people::CADRE);
        if let Some(one) = self.waiting(&cadre, "crip").await.iter().find(|one| one["exchange"] == exchange) {
            let path = format!("/v1/mailbox/{}/acknowledgement", one["delivery"].as_str().unwrap());
            cadre.post(&path, &serde_json::json!({"outcome": "taken-in-charge"})).await.unwrap();
        }
    }

    /// The open task of a code about an exchange, as this professional sees it.
    pub async fn task(&self, who: (&str, &str), exchange: &str, code: &str) -> Option<Value> {
        let list = self.acting(who).get("/v1/follow-ups").await.unwrap();
        let mine = |task: &&Value| task["exchange"] == exchange && task["code"] == code;
        list["follow_ups"].as_array().unwrap().iter().find(mine).cloned()
    }

    /// The document of an exchange that waits for a unit, as this professional may read it.
    pub async fn opened(&self, who: (&str, &str), unit: &str, exchange: &str) -> Value {
        let delivery = self.delivery_of(who, unit, exchange).await;
        self.acting(who).get(&format!("/v1/mailbox/{delivery}")).await.unwrap()
    }

    /// The refusal of a request that must be refused.
    pub async fn refused(&self, client: &Client, path: &str) -> Problem {
        problem(client.get(path).await).expect_err("must be refused")
    }

    /// Waits until `holds` says so: what workers do comes soon, not at once.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        for _ in 0..400 {
            if holds().await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("never: {what}");
    }

    /// Deposits an envelope under a new key.
    pub async fn submit(&self, client: &Client, envelope: &Value) -> Result<Value, Problem> {
        problem(client.submit(envelope, &client::new_key().unwrap()).await)
    }

    /// The first thing that waits for a unit.
    pub async fn first_waiting(&self, client: &Client, unit: &str) -> Value {
        let page = client.get(&format!("/v1/mailbox?unit={unit}&wait=10")).await.unwrap();
        page["deliveries"][0].clone()
    }

    /// Everything that waits for a unit.
    pub async fn waiting(&self, client: &Client, unit: &str) -> Vec<Value> {
        let page = client.get(&format!("/v1/mailbox?unit={unit}&limit=200")).await.unwrap();
        page["deliveries"].as_array().unwrap().clone()
    }

    /// Status and JSON body of any request, refused or not.
    pub async fn raw(&self, request: reqwest::RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// A deposit of any bytes, with an honest key.
    pub fn deposit(&self, client: &Client, bytes: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        client
            .request(Method::POST, "/v1/exchanges")
            .header("idempotency-key", client::new_key().unwrap())
            .header("content-type", "application/json")
            .body(bytes)
    }
}

/// Keeps what was refused, stops at anything else.
pub fn problem(answer: Result<Value, ClientFault>) -> Result<Value, Problem> {
    answer.map_err(|fault| {
        let ClientFault::Refused { status, problem } = fault else { panic!("no answer: {fault}: {:?}", std::error::Error::source(&fault)) };
        Problem { status, body: problem }
    })
}
