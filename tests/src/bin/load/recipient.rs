//! The other end: a CRIP that is told of each delivery, and people of the CRIP who open what arrives.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use certs_dev::Leaf;
use clap::ValueEnum;
use gateway::{
    client::Client,
    clock::{Clock, SystemClock},
};
use tests::{
    endpoint::Endpoint,
    people::CRIP,
    process::{connect, token},
};
use tokio::{sync::Mutex, sync::mpsc, task::JoinSet};

use crate::stage::Stage;

/// What happens to an exchange after its acceptance, while others are deposited.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    /// It waits in the mailbox
    Off,
    /// A notice is pushed to the recipient's endpoint; a broker's consumer takes and acknowledges
    Told,
    /// The same, and four people of the unit open everything, one document after the other
    Opened,
}

/// A recipient under way.
pub struct Recipient {
    endpoint: Option<Endpoint>,
    opened: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    people: JoinSet<()>,
}

impl Recipient {
    /// Serves an endpoint that the directory of `stage` names from now on; to be done before the gateway starts.
    pub async fn prepare(stage: &Stage, delivery: Delivery) -> Self {
        let endpoint = if delivery == Delivery::Off { None } else { Some(endpoint(stage).await) };
        Self { endpoint, opened: Arc::default(), over: Arc::default(), people: JoinSet::new() }
    }

    /// People begin to open what arrives.
    pub fn read(&mut self, stage: &Arc<Stage>, base: &str) {
        let (found, waiting) = mpsc::channel(400);
        let waiting = Arc::new(Mutex::new(waiting));
        let client = || connect(&stage.world, base, CRIP.0, CRIP.1);
        self.people.spawn(look(client(), found, self.over.clone()));
        for _ in 0..READERS {
            self.people.spawn(open(client(), stage.clone(), waiting.clone(), self.opened.clone()));
        }
    }

    /// Notices that came and documents that were opened so far.
    pub fn so_far(&self) -> (usize, usize) {
        (self.endpoint.as_ref().map_or(0, Endpoint::count), self.opened.load(Ordering::Relaxed))
    }

    /// Ends what is under way.
    pub async fn stop(mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.people.shutdown().await;
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.go_dark().await;
        }
    }
}

async fn endpoint(stage: &Stage) -> Endpoint {
    let leaf = Leaf::member("ac-territoires", CRIP.0, SystemClock.now().datetime().into());
    let issued = stage.world.pki.issue(&leaf.address(std::net::Ipv4Addr::LOCALHOST.into())).unwrap();
    let mut endpoint = Endpoint::new();
    endpoint.asked_by(&stage.world, "crip");
    endpoint.serve(&stage.world, &issued).await;
    endpoint
}

/// Looks into the mailbox, page after page, and waits there for more.
async fn look(client: Client, found: mpsc::Sender<String>, over: Arc<AtomicBool>) {
    let mut after = 0;
    while !over.load(Ordering::Relaxed) {
        let page = client.get(&format!("/v1/mailbox?unit=crip&limit=200&wait=1&after={after}")).await.unwrap();
        after = page["after"].as_i64().unwrap();
        for one in page["deliveries"].as_array().unwrap() {
            if found.send(one["delivery"].as_str().unwrap().to_owned()).await.is_err() {
                return;
            }
        }
    }
}

async fn open(mut client: Client, stage: Arc<Stage>, waiting: Arc<Mutex<mpsc::Receiver<String>>>, opened: Arc<AtomicUsize>) {
    let mut served = 0;
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(delivery) = next else { return };
        let document = client.get(&format!("/v1/mailbox/{delivery}")).await.unwrap_or_else(|fault| panic!("not opened: {fault}"));
        assert!(document["payload"].is_object() || document["document"].is_object(), "no document");
        opened.fetch_add(1, Ordering::Relaxed);
        served += 1;
        // Long before the token ends, whatever the pace.
        if served % 10_000 == 0 {
            client = client.with_token(token(&stage.world, CRIP.0, CRIP.1));
        }
    }
}

/// People who open.
const READERS: usize = 4;
