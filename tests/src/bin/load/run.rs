//! One measurement: start the system, fill it, warm it up, watch a window, stop it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tests::process::connect;
use tokio::task::JoinHandle;

use crate::{
    broker::Broker,
    deposit::{Client, Deposits, SENDER, Stop, Target, Web},
    machine,
    once::Append,
    recipient::{Delivery, Recipient},
    stage::{self, Server, Stage},
    uploads::Uploads,
};

/// `load run`
#[derive(Args)]
pub struct Run {
    /// What is measured
    #[arg(long, value_enum, default_value_t = System::Gateway)]
    system: System,
    /// A PostgreSQL server (postgres://user@host:port, no database name); absent: SQLite
    #[arg(long)]
    postgres: Option<String>,
    /// Clients, each with a connection
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// A new connection for each exchange
    #[arg(long)]
    new_connections: bool,
    /// Clients more that send files of 100 MiB meanwhile, each the next one when the last was accepted
    #[arg(long, default_value_t = 0)]
    uploads: usize,
    /// What happens to exchanges meanwhile
    #[arg(long, value_enum, default_value_t = Delivery::Off)]
    delivery: Delivery,
    /// Seconds that count
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before that
    #[arg(long, default_value_t = 3)]
    warm_up: u64,
    /// Exchanges that are stored before
    #[arg(long, default_value_t = 0)]
    stored: usize,
    /// Keep the stage here, and take it up again: its exchanges count as stored
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Store what `--stored` says and measure nothing
    #[arg(long, requires = "keep")]
    fill_only: bool,
    /// Where stages stand that are not kept
    #[arg(long, default_value = "target/bench/scratch")]
    scratch: PathBuf,
    /// The broker (amqps://user:password@host:port/%2f); its stage is `--keep`
    #[arg(long, required_if_eq("system", "broker"))]
    broker: Option<String>,
    /// Process of the database or the broker, whose CPU and memory count too
    #[arg(long)]
    beside: Option<u32>,
    #[command(flatten)]
    append: Append,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum System {
    /// `gateway serve`, every check on
    Gateway,
    /// The same door, and the same bytes kept durably: nothing else
    Bare,
    /// RabbitMQ's quorum queue
    Broker,
}

impl Run {
    /// Measures, prints the figures, appends them.
    pub async fn measure(&self) {
        let what = [("system", self.named()), ("database", self.database())];
        if !self.fill_only && self.append.there(&what) {
            return;
        }
        let load = machine::load_average();
        let stage = Arc::new(self.keep.as_deref().map_or_else(|| Stage::passing(&self.scratch), Stage::open));
        let name = self.keep.as_deref().map_or_else(|| "passing".to_owned(), database_name);
        if let Some(server) = &self.postgres
            && stage.new
        {
            stage::create_database(server, &name).await;
        }
        let database = self.postgres.as_ref().map(|server| format!("{server}/{name}"));
        let mut recipient = Recipient::prepare(&stage, if self.system == System::Gateway { self.delivery } else { Delivery::Off }).await;

        // 1. Start.
        let before = if self.keep.is_some() && self.system == System::Gateway { stage.stored(database.as_deref()).await } else { 0 };
        let server = match self.system {
            System::Gateway => Some(stage.start("gateway", database.as_deref()).await),
            System::Bare => {
                let file = format!("sqlite://{}/bare.db?mode=rwc", stage.world.folder.display());
                Some(stage.start("bare", Some(database.as_deref().unwrap_or(&file))).await)
            }
            System::Broker => None,
        };
        let own = server.as_ref().map(|server| server.process.id());
        let idle = own.or(self.beside).map(|id| machine::memory(id).0);
        let target = Arc::new(self.target(&stage, server.as_ref()).await);
        let consumer = self.prepare(&target).await;

        // 2. Fill and warm up.
        let mut clients = Client::several(&target, self.clients).await;
        clients = self.fill(clients, before).await;
        if self.fill_only {
            return self.stop(server, &name).await;
        }
        if self.delivery == Delivery::Opened
            && let Some(server) = &server
        {
            recipient.read(&stage, &server.base);
        }
        let uploads = Uploads::begin(&stage, server.as_ref().map(|server| server.base.as_str()).unwrap_or_default(), self.uploads).await;
        clients = Client::all(clients, Stop::In(Duration::from_secs(self.warm_up)), &[]).await.0;

        // 3. Watch.
        let watched: Vec<u32> = [Some(std::process::id()), own, self.beside].into_iter().flatten().collect();
        let told = recipient.so_far();
        let (clients, deposits) = Client::all(clients, Stop::In(Duration::from_secs(self.seconds)), &watched).await;
        let now_told = recipient.so_far();
        let uploaded = uploads.finish().await;
        let loaded = own.or(self.beside).map(machine::memory);
        let stored = self.stored.max(before);

        // 4. Stop.
        recipient.stop().await;
        drop(clients);
        self.tidy(&target, consumer).await;
        let start_up = server.as_ref().map(|server| server.start_up_ms);
        self.stop(server, &name).await;

        let mut figures = self.figures(&deposits, own.is_some());
        let more = json!({
            "stored": stored, "load_average": load, "memory_idle_mib": idle, "memory_loaded_mib": loaded.map(|loaded| loaded.0),
            "memory_most_mib": loaded.map(|loaded| loaded.1), "start_up_ms": start_up,
            "told": now_told.0 - told.0, "opened": now_told.1 - told.1, "uploaded": uploaded,
        });
        figures.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.append.write(&what, figures);
    }

    async fn stop(&self, server: Option<Server>, database: &str) {
        if let Some(server) = server {
            server.process.stop().await;
        }
        if let (Some(server), None) = (&self.postgres, &self.keep) {
            stage::drop_database(server, database).await;
        }
    }

    async fn target(&self, stage: &Arc<Stage>, server: Option<&Server>) -> Target {
        let base = server.map(|server| server.base.as_str()).unwrap_or_default();
        match self.system {
            System::Gateway => {
                let jwk = connect(&stage.world, base, SENDER.0, SENDER.1).get("/v1/keys").await.unwrap()["keys"][0].clone();
                Target::Gateway { web: Web::new(stage.clone(), base, self.new_connections), jwk }
            }
            System::Bare => Target::Bare { web: Web::new(stage.clone(), base, self.new_connections) },
            System::Broker => Target::Broker(Broker::new(self.broker.as_ref().unwrap(), stage, self.new_connections)),
        }
    }

    async fn prepare(&self, target: &Target) -> Option<JoinHandle<()>> {
        let Target::Broker(broker) = target else { return None };
        broker.declare().await;
        if self.delivery == Delivery::Off { None } else { Some(broker.consume().await) }
    }

    async fn tidy(&self, target: &Target, consumer: Option<JoinHandle<()>>) {
        if let Some(consumer) = consumer {
            consumer.abort();
        }
        if let Target::Broker(broker) = target {
            broker.delete().await;
        }
    }

    /// Deposits what is missing to `stored`, in parts that say how far they are.
    async fn fill(&self, mut clients: Vec<Client>, before: usize) -> Vec<Client> {
        let mut stored = before;
        while stored < self.stored {
            let each = (self.stored - stored).div_ceil(clients.len()).min(64);
            let (again, deposits) = Client::all(clients, Stop::After(each), &[]).await;
            assert!(!deposits.latencies.is_empty(), "nothing is accepted: {:?}", deposits.faults);
            clients = again;
            stored += deposits.latencies.len();
            if self.stored >= 10_000 {
                eprint!("\r    {stored} of {} stored", self.stored);
            }
        }
        if self.stored >= 10_000 {
            eprintln!();
        }
        clients
    }

    fn figures(&self, deposits: &Deposits, server: bool) -> Value {
        let counted = deposits.latencies.len();
        assert!(counted > 0, "nothing counts: {:?}", deposits.faults);
        let at = |share: f64| deposits.latencies[((counted - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        let per_1000 = |place: usize| deposits.cpu.get(place).map(|seconds| seconds / counted as f64 * 1000.0);
        // Watched are: this program; the server, unless it is the broker; what stands beside it.
        let (own, beside) = if server { (per_1000(1), per_1000(2)) } else { (per_1000(1), None) };
        json!({
            "counted": counted,
            "faults": deposits.faults,
            "per_second": counted as f64 / deposits.seconds,
            "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999),
            "server_cpu_per_1000": own, "database_cpu_per_1000": beside, "clients_cpu_per_1000": per_1000(0),
        })
    }

    fn named(&self) -> String {
        self.system.to_possible_value().unwrap().get_name().to_owned()
    }

    fn database(&self) -> String {
        match (self.system, &self.postgres) {
            (System::Broker, _) => "quorum-queue",
            (_, Some(_)) => "postgres",
            (_, None) => "sqlite",
        }
        .to_owned()
    }
}

/// The database of a kept stage has the stage's name.
fn database_name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().replace('-', "_")
}
