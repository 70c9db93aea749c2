//! Debian's PostgreSQL for tests, without containers and without root: one server for a whole test run, an empty database
//! for each test.
//!
//! The first test that needs the server makes it in a folder of its own and starts it; the others find it there. It ends
//! with the program that runs the tests, however that ends: a watcher beside the server looks whether it still lives. Run
//! as root, the server is dropped to the user `postgres`, since it refuses to be root.

mod cluster;

pub use cluster::Cluster;

use std::{
    fs::{self, File},
    io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// A running server.
#[derive(Debug, Clone)]
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum ServerFault {
    /// Not installed.
    #[error("PostgreSQL is not installed: `apt-get install postgresql`, or run tests/check.sh, which does")]
    Missing,
    /// Root needs somebody to be instead.
    #[error("there is no user `postgres` to run the server as")]
    NoUser,
    /// A file or a program.
    #[error("{0}")]
    File(&'static str, #[source] io::Error),
    /// A program of PostgreSQL failed.
    #[error("`{0}` failed: {1}")]
    Failed(&'static str, String),
    /// It does not answer.
    #[error("the server does not answer: see {0}")]
    Silent(PathBuf),
}

impl Server {
    /// The server of this test run, started if nobody has yet.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn shared() -> Result<Self, ServerFault> {
        Self::of(std::os::unix::process::parent_id())
    }

    /// A server for this process alone, which may stop it and start it again.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn own() -> Result<Self, ServerFault> {
        Self::of(std::process::id())
    }

    /// The server that ends with the process `owner`.
    fn of(owner: u32) -> Result<Self, ServerFault> {
        let file = |what| move |error| ServerFault::File(what, error);
        let me = fs::metadata("/proc/self").map_err(file("/proc"))?.uid();
        let folder = std::env::temp_dir().join(format!("passerelle-postgres-{me}-{owner}"));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(ServerFault::File("folder", error)),
            _ => {}
        }
        let server = Self { folder, programs: programs()? };
        // Held until the server answers: whoever comes second finds it ready.
        let lock = File::create(server.folder.join("lock")).map_err(file("lock"))?;
        lock.lock().map_err(file("lock"))?;
        if !server.folder.join("ready").exists() {
            server.make()?;
            server.start(owner)?;
            File::create(server.folder.join("ready")).map_err(file("ready"))?;
        }
        Ok(server)
    }

    /// URL of a new, empty database.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn database(&self) -> Result<String, ServerFault> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        Ok(format!("postgres://{ROLE}@localhost/{name}?host={}", self.folder.display()))
    }

    /// What a statement prints, one row a line, as the superuser in a database.
    ///
    /// # Errors
    /// [`ServerFault::Failed`] with what the server said.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String, ServerFault> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", ROLE, "-d", database, "-c", statement]);
        done("psql", psql.arg("-h").arg(&self.folder))
    }

    /// The files of a database, as the server wrote them last.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn files(&self, database: &str) -> Result<PathBuf, ServerFault> {
        self.sql(database, "CHECKPOINT")?;
        let oid = self.sql(database, "SELECT oid FROM pg_database WHERE datname = current_database()")?;
        Ok(self.folder.join("data/base").join(oid.trim()))
    }

    fn make(&self) -> Result<(), ServerFault> {
        if let Some((user, group)) = instead_of_root()? {
            chown(&self.folder, Some(user), Some(group)).map_err(|e| ServerFault::File("folder", e))?;
        }
        let mut initdb = program(&self.programs, "initdb")?;
        initdb.args(["--username", ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        done("initdb", initdb.arg("-D").arg(self.folder.join("data"))).map(|_| ())
    }

    /// Starts the server and the watcher that ends it with its owner.
    fn start(&self, owner: u32) -> Result<(), ServerFault> {
        let log = || File::options().create(true).append(true).open(self.folder.join("log")).map_err(|e| ServerFault::File("log", e));
        let server = program(&self.programs, "postgres")?;
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCH, "watch"]).arg(owner.to_string()).arg(&self.folder);
        watcher.arg(server.get_program()).args(server.get_args());
        watcher.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        // Nothing here outlives the run, so nothing waits for the disk.
        for setting in ["listen_addresses=", "fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=400"] {
            watcher.args(["-c", setting]);
        }
        watcher.current_dir("/").stdin(Stdio::null()).stdout(log()?).stderr(log()?).process_group(0);
        watcher.spawn().map_err(|e| ServerFault::File("sh", e))?;
        let until = Instant::now() + Duration::from_secs(60);
        while self.sql("postgres", "SELECT 1").is_err() {
            if Instant::now() > until {
                return Err(ServerFault::Silent(self.folder.join("log")));
            }
            #[allow(clippy::disallowed_methods, reason = "waits for a program of another kind, in a test")]
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// A program of PostgreSQL that refuses to be root.
fn program(programs: &Path, name: &str) -> Result<Command, ServerFault> {
    let program = programs.join(name);
    let Some((user, group)) = instead_of_root()? else { return Ok(Command::new(program)) };
    let mut dropped = Command::new("setpriv");
    dropped.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program).current_dir("/");
    Ok(dropped)
}

/// Whom the server runs as when we are root: the user that Debian's package made.
fn instead_of_root() -> Result<Option<(u32, u32)>, ServerFault> {
    let we = fs::metadata("/proc/self").map_err(|e| ServerFault::File("/proc", e))?.uid();
    if we != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|e| ServerFault::File("/etc/passwd", e))?;
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        (name == "postgres").then_some((user, group))
    });
    found.map(Some).ok_or(ServerFault::NoUser)
}

/// Folder of the newest installed programs: Debian keeps the server's out of PATH.
fn programs() -> Result<PathBuf, ServerFault> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|entry| entry.path()).filter(|folder| folder.join("bin/initdb").exists()).max_by_key(version);
    newest.map(|folder| folder.join("bin")).ok_or(ServerFault::Missing)
}

fn done(name: &'static str, command: &mut Command) -> Result<String, ServerFault> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| ServerFault::File(name, e))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(ServerFault::Failed(name, String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// The superuser of a test server.
const ROLE: &str = "passerelle";
/// Arguments: the owner, the folder, the server with its arguments.
const WATCH: &str = r#"owner="$1"; folder="$2"; shift 2
"$@" & server=$!
while kill -0 "$owner" 2>/dev/null && kill -0 "$server" 2>/dev/null; do sleep 1; done
kill -QUIT "$server" 2>/dev/null; wait "$server"
rm -rf "$folder""#;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_database_is_new_and_empty() {
        let server = Server::shared().unwrap();
        let urls = [server.database().unwrap(), server.database().unwrap()];
        let [one, other] = urls.map(|url| url.split(['/', '?']).nth(3).unwrap().to_owned());
        assert_ne!(one, other);
        server.sql(&one, "CREATE TABLE here (n BIGINT)").unwrap();
        server.sql(&one, "SELECT * FROM here").unwrap();
        server.sql(&other, "SELECT * FROM here").unwrap_err();
    }
}
