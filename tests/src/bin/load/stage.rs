//! Where a server under measure lives: a stage of its own, with the limits of one member lifted, and one process.

use std::path::Path;

use gateway::{
    clock::{Clock, SystemClock},
    demo::World,
};
use sqlx::{AnyPool, AssertSqlSafe, Executor};
use tempfile::TempDir;
use tests::process::{self, Process, free_ports};
use tokio::time::Instant;

/// A stage, new or taken up again.
pub struct Stage {
    pub world: World,
    /// Made now: nothing is kept in it.
    pub new: bool,
    /// Removed with the stage, when nobody asked to keep it.
    _passing: Option<TempDir>,
}

impl Stage {
    /// The stage in `folder`, made when there is none.
    pub fn open(folder: &Path) -> Self {
        let (world, new) = match World::open(folder) {
            Ok(world) => (world, false),
            Err(_) => (World::create(folder, SystemClock.now()).unwrap(), true),
        };
        Self { world, new, _passing: None }
    }

    /// A stage for one measurement, on the file system of `scratch`.
    pub fn passing(scratch: &Path) -> Self {
        std::fs::create_dir_all(scratch).unwrap();
        let folder = tempfile::tempdir_in(scratch).unwrap();
        let stage = Self::open(folder.path());
        Self { _passing: Some(folder), ..stage }
    }

    /// Starts a server here: `gateway`, or `bare`, which is started and answers like it.
    pub async fn start(&self, program: &str, database: Option<&str>) -> Server {
        let (port, local) = free_ports();
        let local = format!("127.0.0.1:{local}");
        self.world.listen(&format!("127.0.0.1:{port}"), &local).unwrap();
        let config = self.world.config();
        let mut text = std::fs::read_to_string(&config).unwrap();
        // One asker stands for all the professionals of a département.
        text = text.replacen("[limits]\n", "[limits]\nquestions_per_minute = 100000000\n", 1);
        let mut environment = Vec::new();
        match (program, database) {
            // A stage that was kept says already where its database was.
            ("gateway", Some(url)) => {
                let rest: String = text.lines().filter(|line| !line.starts_with("database = ")).flat_map(|line| [line, "\n"]).collect();
                text = format!("database = \"{url}\"\n{rest}");
            }
            (_, Some(url)) => environment.push(("BARE_DATABASE", url)),
            (_, None) => {}
        }
        std::fs::write(&config, text).unwrap();
        let began = Instant::now();
        let process = Process::start_program(&process::program(program), &config, &local, &environment).await;
        Server { start_up_ms: began.elapsed().as_secs_f64() * 1000.0, process, base: format!("https://localhost:{port}") }
    }

    /// Exchanges kept here.
    pub async fn stored(&self, database: Option<&str>) -> usize {
        let file = self.world.folder.join("data/gateway.db");
        let (url, statement) = match database {
            Some(url) => (url.to_owned(), "SELECT COUNT(*) FROM gateway.exchange"),
            None if file.exists() => (format!("sqlite://{}", file.display()), "SELECT COUNT(*) FROM exchange"),
            None => return 0,
        };
        let pool = connect(&url).await;
        // A database that nobody migrated yet holds nothing.
        let count: Result<i64, _> = sqlx::query_scalar(statement).fetch_one(&pool).await;
        pool.close().await;
        count.map_or(0, |count| usize::try_from(count).unwrap())
    }
}

/// A server that runs.
pub struct Server {
    pub process: Process,
    pub base: String,
    /// From the start of the process to its first « ready », looked for every 25 ms.
    pub start_up_ms: f64,
}

/// A new database of a PostgreSQL server (`postgres://…` without a database name), in place of one that was left.
pub async fn create_database(server: &str, name: &str) {
    drop_database(server, name).await;
    administer(server, format!("CREATE DATABASE {name} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")).await;
}

/// Takes a database away.
pub async fn drop_database(server: &str, name: &str) {
    administer(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
}

async fn administer(server: &str, statement: String) {
    let pool = connect(&format!("{server}/postgres")).await;
    pool.execute(AssertSqlSafe(statement)).await.unwrap();
    pool.close().await;
}

async fn connect(url: &str) -> AnyPool {
    sqlx::any::install_default_drivers();
    sqlx::any::AnyPoolOptions::new().max_connections(1).connect(url).await.unwrap_or_else(|fault| panic!("{url}: {fault}"))
}
