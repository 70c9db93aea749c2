//! Drops: files that are exchanged with partners over SFTP. The gateway connects to a server, the partner's or the Département's own;
//! nobody connects to it. What leaves is a push like any other ([`crate::flows::forward`]), what comes is a deposit like any other
//! ([`crate::flows::accept`]); here is only how files become the one and the other.
//!
//! A partner that is slow or dark holds up nobody else. Of several replicas one looks into a partner's folder at a time. No name of
//! a file that is not ours is ever logged.

mod inbound;
mod native;
mod outbound;
mod partner;
mod wire;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use partner::{Format, Partner, PartnerFault};
pub use wire::{Link, OwnKey, OwnKeyFault, WireFault};

use crate::{
    config::Sftp,
    directory::day::day_in_france,
    flows::{Rooms, turns::in_turn},
    refusal::Refusal,
};

/// The partners that exchange files, and what is needed to work with them.
pub struct Drops {
    rooms: Arc<Rooms>,
    key: OwnKey,
    partners: BTreeMap<String, Partner>,
}

/// Why no drops can be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum DropsFault {
    /// The gateway's own key.
    #[error("`{}`: {}", .0.display(), .1)]
    Key(PathBuf, #[source] OwnKeyFault),
    /// The folder of the partners.
    #[error("`{}`: {}", .0.display(), .1)]
    Folder(PathBuf, #[source] std::io::Error),
    /// Partner files, every one that is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Partners(Vec<PartnerFault>),
}

/// Why a look into a partner's folder ended early.
#[derive(Debug, thiserror::Error)]
enum LookFault {
    /// The server, or the way to it.
    #[error("server: {0}")]
    Wire(#[from] WireFault),
    /// We cannot now.
    #[error("gateway: {0}")]
    Ours(#[from] Refusal),
}

/// The gateway's own key and its partners, as their files say.
///
/// # Errors
/// [`DropsFault`] with every partner file that is wrong.
pub fn load(config: &Sftp) -> Result<(OwnKey, BTreeMap<String, Partner>), DropsFault> {
    let key = OwnKey::open(&config.key).map_err(|e| DropsFault::Key(config.key.clone(), e))?;
    let folder = |e| DropsFault::Folder(config.partners.clone(), e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&config.partners).map_err(folder)? {
        let path = entry.map_err(folder)?.path();
        let text = || std::fs::read_to_string(&path).unwrap_or_default();
        // Mapping files lie beside them, and say what they are by having no partner.
        if path.extension().is_some_and(|ext| ext == "toml") && !is_mapping(&text()) {
            files.push(path);
        }
    }
    files.sort();
    let (mut partners, mut faults) = (BTreeMap::new(), Vec::new());
    for file in files {
        match Partner::load(&file) {
            Ok(partner) => drop(partners.insert(partner.institution.to_string(), partner)),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok((key, partners)) } else { Err(DropsFault::Partners(faults)) }
}

/// Whether a file is a mapping: it names a type and no institution.
fn is_mapping(text: &str) -> bool {
    text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("type") && !table.contains_key("institution"))
}

impl Drops {
    /// Reads the key and the partner files.
    ///
    /// # Errors
    /// [`DropsFault`].
    pub fn open(config: &Sftp, rooms: Arc<Rooms>) -> Result<Self, DropsFault> {
        let (key, partners) = load(config)?;
        Ok(Self { rooms, key, partners })
    }

    /// Looks into the folders of all partners until told to stop, each by itself; then waits for what is under way, for a while.
    /// What does not end by then is broken off, as by a crash: it is taken up again, under the same keys, by whoever looks next.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        for counter in [SENT, RECEIVED, REFUSED, SUSPECT, NOT_TAKEN] {
            metrics::counter!(counter).increment(0);
        }
        metrics::gauge!(DARK).set(0.0);
        metrics::gauge!(FULL).set(0.0);
        let mut looking = JoinSet::new();
        for name in self.partners.keys() {
            let (drops, name, stop) = (self.clone(), name.clone(), stop.clone());
            looking.spawn(async move { drops.watch(&name, &stop).await });
        }
        stop.cancelled().await;
        if tokio::time::timeout(LAST_LOOK, async { while looking.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!(
                partners = looking.len(),
                "a partner is too slow to be waited for: its drops are taken up again at the next start"
            );
            looking.shutdown().await;
        }
    }

    async fn watch(&self, name: &str, stop: &CancellationToken) {
        let Some(partner) = self.partners.get(name) else { return };
        let (mut seen, mut failed) = (inbound::Seen::default(), 0_u32);
        let dark = AtomicBool::new(false);
        while !stop.is_cancelled() {
            match self.look(partner, &mut seen, stop).await {
                Ok(()) => {
                    failed = 0;
                    if dark.swap(false, Ordering::Relaxed) {
                        metrics::gauge!(DARK).decrement(1.0);
                        tracing::info!(partner = %partner.institution, "a partner's server is back");
                    }
                }
                Err(fault) => {
                    if let LookFault::Wire(wire) = &fault
                        && wire.is_dark()
                    {
                        failed = failed.saturating_add(1);
                        told_of_host_key(partner, *wire);
                        if !dark.swap(true, Ordering::Relaxed) {
                            metrics::gauge!(DARK).increment(1.0);
                        }
                    }
                    tracing::warn!(partner = %partner.institution, error = %fault, failed, "a partner's folder could not be looked into");
                }
            }
            let pause = Duration::from_secs(u64::from(partner.poll_seconds) << failed.min(6)).min(LONGEST_PAUSE);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look, if it is this replica's turn.
    async fn look(&self, partner: &Partner, seen: &mut inbound::Seen, stop: &CancellationToken) -> Result<(), LookFault> {
        let (law, today) = (self.rooms.law.load_full(), day_in_france(self.rooms.clock.now()));
        if !law.directory.institution(&partner.institution).is_some_and(|known| known.served_on(today)) {
            tracing::warn!(partner = %partner.institution, "a partner is not served today: its folder is left alone");
            return Ok(());
        }
        in_turn(&self.rooms, &partner.institution, self.take_in(partner, seen, stop)).await
    }
}

/// Another key than the one that is written down is never a mere failure.
fn told_of_host_key(partner: &Partner, fault: WireFault) {
    if fault == WireFault::HostKey {
        metrics::counter!(SUSPECT).increment(1);
        tracing::error!(partner = %partner.institution, "the server of a partner has another key than the one written down: nothing is exchanged");
    }
}

/// Drops that left.
const SENT: &str = "passerelle_drops_sent_total";
/// Drops that came and were taken over.
const RECEIVED: &str = "passerelle_drops_received_total";
/// Drops that came and were refused.
const REFUSED: &str = "passerelle_drops_refused_total";
/// What alarms: a signature that is not the partner's, a list that is not what lies there, another host key.
const SUSPECT: &str = "passerelle_drops_suspect_total";
/// Drops of ours that a partner did not take.
const NOT_TAKEN: &str = "passerelle_drops_not_taken_total";
/// Partners whose server does not answer now.
const DARK: &str = "passerelle_drop_partners_dark";
/// Partners of whom a folder has more files than [`CROWDED`].
const FULL: &str = "passerelle_drop_folders_full";
/// Files of one folder after which somebody is told that nobody empties it.
pub const CROWDED: usize = 5_000;
/// How long a look that is under way is waited for at a stop.
const LAST_LOOK: Duration = Duration::from_secs(3);
/// The longest pause after looks that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
