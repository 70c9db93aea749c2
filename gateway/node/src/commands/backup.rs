//! What is typed so that a lost machine is not a lost gateway: `backup`, `restore`, `keys journal`, `keys replay`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    CommandFault,
    desk::{Place, gateway, refuse},
    print,
    run::stop_signal,
    with_causes,
};
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    flows::backup::{self, BackupFault, Head, Journal, Manifest, Restored, Whose, journal::Replayed},
    seal::KeyStore,
    store::{Part, keys::Keys},
};

mod told;

/// `gateway backup`
#[derive(Debug, Args)]
#[command(after_help = "Copies databases, configuration, policies, directory and authorities. It never copies keys.json nor a TLS key: \
    keep those elsewhere, or the backup is everything. Keep the folder of --keys-to 30 days at most. SQLite only: PostgreSQL is backed up \
    by its own means (deploy/README.md).")]
pub struct Backup {
    /// Where the gateway is
    #[command(flatten)]
    pub place: Place,
    /// New or empty folder
    pub to: PathBuf,
    /// New or empty folder for the keys of contents, which lives 30 days at most
    #[arg(long, value_name = "FOLDER")]
    pub keys_to: PathBuf,
}

/// `gateway restore`
#[derive(Debug, Args)]
#[command(after_help = "The data folder must be empty, and the gateway stopped. Interrupted, it is run again with the same arguments: \
    nothing starts before it is done. Members then see a log that goes on from the copy: what was receipted after it is not there.")]
pub struct Restore {
    /// Where the gateway is to be
    #[command(flatten)]
    pub place: Place,
    /// Folder that `gateway backup` wrote
    pub from: PathBuf,
    /// Folder that `--keys-to` named; one of a later backup will do
    #[arg(long, value_name = "FOLDER")]
    pub keys_from: PathBuf,
    /// Erasure journal written by `gateway keys journal`; several may be given
    #[arg(long, value_name = "FILE")]
    pub erased: Vec<PathBuf>,
    /// Confirms that nothing was erased since the keys were copied, when no journal says so
    #[arg(long)]
    pub no_erasures_since_backup: bool,
}

/// Copies a gateway that may be running.
///
/// # Errors
/// A file or a database cannot be used. A refusal is exit code 1, with its reason.
pub async fn backup(options: &Backup) -> Result<ExitCode, CommandFault> {
    let Here { config, keystore } = Here::open(&options.place)?;
    if config.database.is_some() {
        return refuse(options.place.json, "postgresql", ON_POSTGRESQL);
    }
    let secrets: Vec<PathBuf> =
        [Some(&config.keys), Some(&config.tls.key), config.tls.push_key.as_ref()].into_iter().flatten().cloned().collect();
    let folders = [("policies", config.policies.clone()), ("directory", config.directory.clone()), ("trust", config.tls.trust.clone())];
    let stop = CancellationToken::new();
    let plan = backup::Backup {
        whose: Whose { gateway: &config.gateway, origin: &config.origin(), keystore: &keystore },
        data: &config.data,
        config: &options.place.config,
        folders: &folders,
        never: &secrets,
        to: &options.to,
        keys_to: &options.keys_to,
        stop: &stop,
    };
    // On another thread: copying leaves this one no pause.
    tokio::spawn({
        let (stop, asked) = (stop.clone(), stop_signal());
        async move {
            asked.await;
            stop.cancel();
        }
    });
    let bar = Bar::new();
    let taken = backup::take(&plan, &SystemClock, &|file, done, of| bar.at(file, done, of)).await;
    bar.clear();
    match taken {
        Ok([main, keys]) => {
            // For `gateway check`; the backup is none the worse without it.
            let _ = backup::note_last(&config.data, main.at);
            told::copied(options, &main, &keys);
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => fail(options.place.json, fault),
    }
}

/// Puts a backup back.
///
/// # Errors
/// A file or a database cannot be used. A refusal is exit code 1, with its reason.
pub async fn restore(options: &Restore) -> Result<ExitCode, CommandFault> {
    let Here { config, keystore } = Here::open(&options.place)?;
    if config.database.is_some() {
        return refuse(options.place.json, "postgresql", ON_POSTGRESQL);
    }
    if let Err(fault) = stopped(&config) {
        return fail(options.place.json, fault);
    }
    let plan = backup::Restore {
        whose: Whose { gateway: &config.gateway, origin: &config.origin(), keystore: &keystore },
        data: &config.data,
        from: &options.from,
        keys_from: &options.keys_from,
        journals: &options.erased,
        nothing_erased: options.no_erasures_since_backup,
    };
    let bar = Bar::new();
    let restored = backup::restore(&plan, keystore.clone(), &SystemClock, &|file, done, of| bar.at(file, done, of)).await;
    bar.clear();
    match restored {
        Ok(restored) => {
            told::restored(options, &restored);
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => fail(options.place.json, fault),
    }
}

/// Writes what was erased to a file.
///
/// # Errors
/// A file or the key database cannot be used.
pub async fn journal(place: &Place, to: &Path) -> Result<ExitCode, CommandFault> {
    let Here { config, keystore } = Here::open(place)?;
    // None is made here: an empty one would say that nothing was ever erased.
    let file = config.data.join("keys.db");
    if config.database.is_none() && !file.is_file() {
        return fail(place.json, BackupFault::NoDatabase(file));
    }
    let keys = Keys::open(&config.database(Part::Keys), keystore.clone()).await.map_err(gateway)?;
    let whose = Whose { gateway: &config.gateway, origin: &config.origin(), keystore: &keystore };
    let written = backup::journal::write(&whose, &keys, to, SystemClock.now()).await;
    keys.close().await;
    match written {
        Ok(Journal { at, erased, closed, .. }) => {
            print(&if place.json {
                json!({"at": at, "erased": erased.len(), "closed_domains": closed.len()}).to_string()
            } else {
                format!("{} effacements et {} domaines fermés, connus jusqu’au {at}, dans {}.", erased.len(), closed.len(), to.display())
            });
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => fail(place.json, fault),
    }
}

/// Destroys again what journals name, and leaves the mark for the next start.
///
/// # Errors
/// A file or the key database cannot be used.
pub async fn replay(place: &Place, journals: &[PathBuf]) -> Result<ExitCode, CommandFault> {
    let Here { config, keystore } = Here::open(place)?;
    if let Err(fault) = stopped(&config) {
        return fail(place.json, fault);
    }
    let plan = backup::Replay {
        whose: Whose { gateway: &config.gateway, origin: &config.origin(), keystore: &keystore },
        exchanges: &config.database(Part::Gateway),
        keys: &config.database(Part::Keys),
        data: &config.data,
        journals,
    };
    match backup::replay(&plan, keystore.clone(), &SystemClock).await {
        Ok(replayed) => {
            print(&if place.json { json!(replayed).to_string() } else { told::replayed(&replayed) });
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => fail(place.json, fault),
    }
}

/// The gateway of this machine.
struct Here {
    config: Config,
    keystore: Arc<KeyStore>,
}

impl Here {
    fn open(place: &Place) -> Result<Self, CommandFault> {
        let config = Config::load(&place.config).map_err(|e| CommandFault::Gateway(with_causes(&e)))?;
        let keystore = Arc::new(KeyStore::open(&config.keys).map_err(|e| CommandFault::file(&config.keys, &e))?);
        Ok(Self { config, keystore })
    }
}

/// A gateway that still runs would go on writing into files that were taken away under it.
fn stopped(config: &Config) -> Result<(), BackupFault> {
    for address in [config.listen, config.local] {
        if let Err(error) = std::net::TcpListener::bind(address)
            && error.kind() == std::io::ErrorKind::AddrInUse
        {
            return Err(BackupFault::Running(address));
        }
    }
    Ok(())
}

/// A refusal is said with its code; what could not be done is a fault.
fn fail(json: bool, fault: BackupFault) -> Result<ExitCode, CommandFault> {
    match fault.refusal() {
        Some(code) => refuse(json, code, &with_causes(&fault)),
        None => Err(CommandFault::Gateway(with_causes(&fault))),
    }
}

/// A line of progress on standard error, when that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {percent} % {msg}, {eta}");
        Self(ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn at(&self, file: &str, done: u64, of: u64) {
        self.0.set_message(file.to_owned());
        self.0.set_length(of);
        self.0.set_position(done);
    }

    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

const ON_POSTGRESQL: &str = "Cette passerelle garde tout dans PostgreSQL, qui se sauvegarde et se restaure par ses propres moyens \
    (pg_basebackup, archivage continu) : deploy/README.md, « On PostgreSQL ». Après une restauration : gateway keys replay.";
