//! A durable server that may be killed: what a [`Server`](crate::Server) of a whole test run must never be. It syncs as in
//! production, may have a standby that holds each commit before it is answered, and ends with whoever holds it.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use crate::{ROLE, ServerFault, done, instead_of_root, program, programs};

/// A server of one test.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    settings: Vec<String>,
    server: Option<Child>,
}

impl Cluster {
    /// A new, empty one, running.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn new() -> Result<Self, ServerFault> {
        let mut cluster = Self::empty()?;
        cluster.initialise()?;
        cluster.start()?;
        Ok(cluster)
    }

    /// The same that listens at these addresses, too, over TLS with this chain and key (PEM): to whoever comes, who need not
    /// prove anything. The addresses are those of the network in which this and `start` are called.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn listening(addresses: &[&str], chain: &str, key: &str) -> Result<Self, ServerFault> {
        let mut cluster = Self::empty()?;
        cluster.initialise()?;
        let hba = fs::read_to_string(cluster.data().join("pg_hba.conf")).map_err(|e| ServerFault::File("pg_hba.conf", e))?;
        cluster.own("pg_hba.conf", &(hba + "hostssl all all all trust\n"))?;
        let files = [("ssl_cert_file", cluster.own("server.crt", chain)?), ("ssl_key_file", cluster.own("server.key", key)?)];
        cluster.settings = vec![format!("listen_addresses={}", addresses.join(",")), "ssl=on".to_owned()];
        cluster.settings.extend(files.map(|(name, file)| format!("{name}={}", file.display())));
        cluster.start()?;
        Ok(cluster)
    }

    fn initialise(&self) -> Result<(), ServerFault> {
        let mut initdb = program(&self.programs, "initdb")?;
        initdb.args(["--username", ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        done("initdb", initdb.arg("-D").arg(self.data())).map(drop)
    }

    /// A file of the server's alone, beside its data.
    fn own(&self, name: &'static str, text: &str) -> Result<PathBuf, ServerFault> {
        let (file, failed) = (self.data().join(name), |e| ServerFault::File(name, e));
        fs::write(&file, text).map_err(failed)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        if let Some((user, group)) = instead_of_root()? {
            chown(&file, Some(user), Some(group)).map_err(failed)?;
        }
        Ok(file)
    }

    /// A standby of another one, that holds each of its commits before it is answered.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn standby_of(primary: &Self) -> Result<Self, ServerFault> {
        let mut standby = Self::empty()?;
        let mut backup = program(&standby.programs, "pg_basebackup")?;
        let connection = format!("host={} user={ROLE} application_name={STANDBY}", primary.folder.display());
        backup.args(["-R", "--checkpoint=fast", "--no-sync", "-d", &connection]);
        done("pg_basebackup", backup.arg("-D").arg(standby.data()))?;
        standby.start()?;
        primary.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names TO '{STANDBY}'"))?;
        primary.sql("postgres", "SELECT pg_reload_conf()")?;
        let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        wait("the standby is not synchronous", || primary.sql("postgres", synchronous).is_ok_and(|count| count.trim() == "1"))?;
        Ok(standby)
    }

    /// Becomes the primary, without a standby of its own yet.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn promote(&self) -> Result<(), ServerFault> {
        self.sql("postgres", "SELECT pg_promote(true, 60)")?;
        // What it took over from the primary before it.
        self.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names")?;
        self.sql("postgres", "SELECT pg_reload_conf()").map(drop)
    }

    /// Starts it, again after it was killed: then it recovers first.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn start(&mut self) -> Result<(), ServerFault> {
        let log = || File::options().create(true).append(true).open(self.folder.join("log")).map_err(|e| ServerFault::File("log", e));
        let begun = Instant::now();
        loop {
            let mut server = program(&self.programs, "postgres")?;
            server.arg("-D").arg(self.data()).arg("-k").arg(&self.folder).current_dir("/");
            for setting in &self.settings {
                server.args(["-c", setting]);
            }
            for setting in ["shared_buffers=32MB", "max_connections=100", "wal_level=replica"] {
                server.args(["-c", setting]);
            }
            server.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
            let mut child = server.spawn().map_err(|e| ServerFault::File("postgres", e))?;
            let mut ended = false;
            let answers = wait("", || {
                ended = child.try_wait().ok().flatten().is_some();
                ended || self.sql("postgres", "SELECT 1").is_ok()
            });
            if answers.is_ok() && !ended {
                self.server = Some(child);
                return Ok(());
            }
            // What a killed server leaves behind, its own processes, may take an instant to end.
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(ServerFault::Silent(self.folder.join("log")));
            }
            pause();
        }
    }

    /// `kill -9` of the server: its other processes end when they notice.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// An immediate stop, as a crash, of the server and all its processes at once.
    pub fn crash(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }

    /// `kill -9` of one of its processes that serve `database`: the server ends all others and recovers.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn kill_one_of(&self, database: &str) -> Result<(), ServerFault> {
        let one = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}' ORDER BY random() LIMIT 1");
        let process = self.sql("postgres", &one)?;
        done("kill", Command::new("kill").args(["-9", process.trim()])).map(drop)
    }

    /// Its folder, in which its socket is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a database.
    ///
    /// # Errors
    /// [`ServerFault`].
    pub fn make(&self, database: &str) -> Result<(), ServerFault> {
        self.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0")).map(drop)
    }

    /// URL of a database behind the socket in `folder`.
    pub fn url_at(folder: &Path, database: &str) -> String {
        format!("postgres://{ROLE}@localhost/{database}?host={}", folder.display())
    }

    /// URL of a database at one of its addresses, whose certificate must stand under the root in a file.
    pub fn url_over(address: &str, root: &Path, database: &str) -> String {
        format!("postgres://{ROLE}@{address}/{database}?sslmode=verify-full&sslrootcert={}", root.display())
    }

    /// What a statement prints, as the superuser.
    ///
    /// # Errors
    /// [`ServerFault::Failed`] with what the server said.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String, ServerFault> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", ROLE, "-d", database, "-c", statement]);
        done("psql", psql.arg("-h").arg(&self.folder))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A folder of its own, and a watcher that takes it away when this process is gone.
    fn empty() -> Result<Self, ServerFault> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let me = std::process::id();
        let folder = std::env::temp_dir().join(format!("passerelle-cluster-{me}-{}", MADE.fetch_add(1, Ordering::Relaxed)));
        let file = |error| ServerFault::File("folder", error);
        fs::create_dir(&folder).map_err(file)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(file)?;
        if let Some((user, group)) = instead_of_root()? {
            chown(&folder, Some(user), Some(group)).map_err(file)?;
        }
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCH, "watch"]).arg(me.to_string()).arg(&folder);
        watcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        watcher.spawn().map_err(|e| ServerFault::File("sh", e))?;
        Ok(Self { folder, programs: programs()?, settings: vec!["listen_addresses=".to_owned()], server: None })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits until `holds`, for at most half a minute.
fn wait(what: &'static str, mut holds: impl FnMut() -> bool) -> Result<(), ServerFault> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(ServerFault::Failed("wait", what.to_owned()));
        }
        pause();
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "waits for a program of another kind, in a test")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// How a standby is known to its primary.
const STANDBY: &str = "standby";
/// Arguments: the owner, the folder.
const WATCH: &str = r#"while kill -0 "$1" 2>/dev/null && [ -d "$2" ]; do sleep 1; done
[ -f "$2/data/postmaster.pid" ] && kill -QUIT "$(head -1 "$2/data/postmaster.pid")" 2>/dev/null
sleep 1; rm -rf "$2""#;
