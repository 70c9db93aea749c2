//! Reloading without a restart: directory, agreements, catalogue, policies, certificates, revocation lists.
//!
//! A file with a mistake changes nothing: the version in force stays, and the mistake is said. Every change that takes
//! effect is an entry of the log first.

use std::{path::Path, sync::Arc, time::Duration};

use ring::digest;
use tokio_util::sync::CancellationToken;

use super::StartFault;
use crate::{
    agreements::Agreements,
    catalogue::Catalogue,
    config::Config,
    directory::Directory,
    flows::{Law, Rooms},
    listen::Door,
    log::Event,
    policy::Policies,
    store::audit::AppendEntries,
};

/// Reads everything that is data, and checks it as a whole.
///
/// # Errors
/// [`StartFault`] with every mistake of the first room that has one: file, line, cure.
pub fn load_law(config: &Config) -> Result<Law, StartFault> {
    let catalogue = Catalogue::load(&config.policies.join("catalogue")).map_err(|faults| all("catalogue", &faults))?;
    let is_kind = |kind: &exchange::Kind| catalogue.kind(kind).is_some();
    let directory = Directory::load(&config.directory, &is_kind).map_err(|faults| all("directory", &faults))?;
    let is_type = |code: &exchange::TypeCode| catalogue.has_type(code) || catalogue.has_code("CL-type-prevu", code.as_str());
    let is_code = |list: &str, code: &str| catalogue.has_code(list, code);
    let agreements = Agreements::load(&config.policies.join("agreements"), &directory, &is_type, &is_code)
        .map_err(|faults| all("agreements", &faults))?;
    let is_obligation = |code: &str| catalogue.obligation(code).is_some();
    let policies = Policies::load(&config.policies, &is_obligation).map_err(|faults| all("policies", &faults))?;
    Ok(Law { catalogue, directory, agreements, policies })
}

/// The first entry of a run: which data it started with.
pub(super) async fn state_start(rooms: &Rooms) -> Result<(), StartFault> {
    let law = rooms.law.load_full();
    let fault = StartFault::of("log");
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
    rooms.store.write(AppendEntries(vec![entry])).await.map_err(|e| fault(&e))
}

/// Looks again and again whether files changed since the digest `seen` was taken, until told to stop.
pub(super) async fn run(rooms: Arc<Rooms>, config: Config, mut seen: Vec<u8>, door: Arc<Door>, stop: CancellationToken) {
    let every = Duration::from_millis(config.workers.reload_ms);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        door.reload();
        let now = fingerprint(&config);
        if now == seen {
            continue;
        }
        seen = now;
        match load_law(&config) {
            Ok(law) => match take_over(&rooms, law).await {
                Ok(()) => tracing::info!("new directory, agreements, catalogue or policies are in force"),
                Err(error) => tracing::error!(error = %error, "the change could not be logged, so it is not in force"),
            },
            Err(fault) => tracing::error!(error = %fault, "changed files have mistakes; the version in force stays"),
        }
    }
}

/// The entry first, then the swap: no decision is ever made with a version that the log does not know.
async fn take_over(rooms: &Rooms, law: Law) -> Result<(), crate::refusal::Refusal> {
    let older = rooms.law.load_full();
    let now = rooms.clock.now();
    let mut entries = Vec::new();
    let changes = law.directory.changes(&older.directory);
    if !changes.is_empty() {
        entries.push(
            rooms.entry(
                rooms
                    .state(&law, Event::DirectoryChanged, None, now)
                    .commit("directory", &law.directory.hash())
                    .commit("changes", &changes.iter().map(ToString::to_string).collect::<Vec<_>>()),
            )?,
        );
    }
    let policy = |law: &Law| (law.policies.hash().to_owned(), law.catalogue.hash().to_owned(), law.agreements.hash().to_owned());
    if policy(&law) != policy(&older) {
        let (set, catalogue, agreements) = policy(&law);
        entries.push(
            rooms.entry(
                rooms
                    .state(&law, Event::PolicyChanged, None, now)
                    .commit("set", &set)
                    .commit("catalogue", &catalogue)
                    .commit("agreements", &agreements),
            )?,
        );
    }
    if !entries.is_empty() {
        rooms.store.write(AppendEntries(entries)).await?;
    }
    rooms.law.store(Arc::new(law));
    Ok(())
}

/// A digest of the names and bytes of all files that are data.
pub(super) fn fingerprint(config: &Config) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    for folder in [&config.policies, &config.directory] {
        gather(folder, &mut context);
    }
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

fn all(room: &'static str, faults: &[impl std::fmt::Display]) -> StartFault {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    StartFault { room, what: lines.join("\n  ") }
}
