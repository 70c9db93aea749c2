//! Reloading without a restart: directory, certificates and revocation lists at once; policy sets when two people approved.
//!
//! What lies in the policies folder decides nothing by lying there. It is compared with the set in force, and the
//! difference is said until somebody proposes it. A file with a mistake changes nothing: the version in force stays, and
//! the mistake is said. Every change that takes effect is an entry of the log first.

use std::{path::Path, sync::Arc, time::Duration};

use ring::digest;
use tokio_util::sync::CancellationToken;

use super::StartFault;
use crate::{
    config::Config,
    flows::{FolderState, Law, Rooms, amend},
    listen::Door,
    log::Event,
    source::Files,
    store::{Store, audit::AppendEntries},
};

/// Reads what lies in the folders, in force or not, and checks it as a whole.
///
/// # Errors
/// [`StartFault`] with every mistake of the first room that has one: file, line, cure.
pub fn load_law(config: &Config) -> Result<Law, StartFault> {
    Law::read_new(Arc::new(Files::read(&config.policies)), &config.directory).map_err(|fault| StartFault::of_law(&fault))
}

/// The law in force: the approved set with the directory that lies there; before the first start, what lies in the folder.
///
/// # Errors
/// [`StartFault`] with every mistake of the first room that has one.
pub async fn in_force(config: &Config, store: &Store) -> Result<Law, StartFault> {
    law_at_start(config, store).await.map(|(law, _)| law)
}

/// The same, and whether it is the first set of this gateway.
pub(super) async fn law_at_start(config: &Config, store: &Store) -> Result<(Law, bool), StartFault> {
    amend::at_start(store, config.policies.clone(), config.directory.clone()).await.map_err(|fault| match &fault {
        amend::FirstFault::Law(fault) => StartFault::of_law(fault),
        amend::FirstFault::Store(_) | amend::FirstFault::Archive(_) | amend::FirstFault::NothingInForce | amend::FirstFault::Broken => {
            StartFault::of("policies")(&fault)
        }
    })
}

/// Before anybody is served: the first set is written down, what fell due while the gateway was down takes force, and the
/// first entry of a run says with what data it runs.
pub(super) async fn settle_start(rooms: &Rooms, first: bool) -> Result<(), StartFault> {
    let fault = StartFault::of("log");
    if first {
        amend::keep_first(rooms).await.map_err(|e| fault(&e))?;
    }
    if let Err(error) = amend::settle(rooms).await {
        tracing::error!(error = %error, "an approved policy set could not take force; the one before it stays");
    }
    let law = rooms.law.load_full();
    let entry = rooms
        .entry(
            rooms
                .state(&law, Event::GatewayStarted, None, rooms.clock.now())
                .commit("version", &env!("CARGO_PKG_VERSION"))
                .commit("directory", &law.directory.hash())
                .commit("catalogue", &law.catalogue.hash())
                .commit("agreements", &law.agreements.hash()),
        )
        .map_err(|e| fault(&e))?;
    rooms.store.write(AppendEntries(vec![entry])).await.map_err(|e| fault(&e))?;
    compare_folder(rooms).await;
    Ok(())
}

/// Looks again and again whether files changed since `seen`, until told to stop.
pub(super) async fn run(rooms: Arc<Rooms>, config: Config, mut seen: Seen, door: Arc<Door>, stop: CancellationToken) {
    let every = Duration::from_millis(config.workers.reload_ms);
    let mut in_force = rooms.law.load().files.hash().to_owned();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        door.reload();
        match amend::settle(&rooms).await {
            Ok(_) => {}
            Err(error) => tracing::error!(error = %error, "an approved policy set could not take force; the one in force stays"),
        }
        let now = Seen::now(&config);
        if now.directory != seen.directory {
            match take_over_directory(&rooms).await {
                Ok(()) => tracing::info!("the directory as it lies there is in force"),
                Err(error) => tracing::error!(error = %error, "the changed directory is not in force; the one before it stays"),
            }
        }
        let law = rooms.law.load_full();
        if now != seen || law.files.hash() != in_force {
            compare_folder(&rooms).await;
        }
        law.files.hash().clone_into(&mut in_force);
        seen = now;
    }
}

/// Says how the policies folder stands to the set in force: nothing of it decides before it was approved.
async fn compare_folder(rooms: &Rooms) {
    let folder = rooms.sets.folder().await;
    let law = rooms.law.load_full();
    let state = FolderState::of(&folder, law.files.hash());
    match (&state, &folder) {
        (FolderState::Pending { hash }, _) => tracing::warn!(
            policy.in_force = law.files.hash(),
            policy.folder = %hash,
            "the policies folder holds another set than the one in force: it decides nothing until it is proposed and approved by two"
        ),
        (FolderState::Mistaken, Err(fault)) => {
            tracing::error!(error = %fault, "the files of the policies folder have mistakes; the set in force stays");
        }
        _ => {}
    }
    rooms.sets.stands(state);
}

/// The entry first, then the exchange: no decision is ever made with a version that the log does not know.
async fn take_over_directory(rooms: &Rooms) -> Result<(), StartFault> {
    let fault = StartFault::of("directory");
    let _turn = rooms.sets.changing.lock().await;
    let older = rooms.law.load_full();
    let law = rooms.sets.law(older.files.clone()).await.map_err(|fault| StartFault::of_law(&fault))?;
    if let Some(entry) = rooms.directory_changed(&law, &older).map_err(|e| fault(&e))? {
        rooms.store.write(AppendEntries(vec![entry])).await.map_err(|e| fault(&e))?;
    }
    rooms.law.store(Arc::new(law));
    Ok(())
}

/// Digests of the names and bytes of all files that are data, as they lay there at one look.
#[derive(PartialEq, Eq)]
pub(super) struct Seen {
    policies: Vec<u8>,
    directory: Vec<u8>,
}

impl Seen {
    pub(super) fn now(config: &Config) -> Self {
        Self { policies: fingerprint(&config.policies), directory: fingerprint(&config.directory) }
    }
}

fn fingerprint(folder: &Path) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    gather(folder, &mut context);
    context.finish().as_ref().to_vec()
}

fn gather(path: &Path, context: &mut digest::Context) {
    if path.is_dir() {
        let mut entries: Vec<_> = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| gather(entry, context));
    } else if let Ok(bytes) = std::fs::read(path) {
        context.update(path.as_os_str().as_encoded_bytes());
        context.update(&bytes);
    }
}
