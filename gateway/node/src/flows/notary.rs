//! The notary: gives pending entries their place, extends the tree, signs the checkpoint, in one transaction.
//!
//! One owner of the tree: of several replicas, the one that has the seat. It starts by distrusting itself: the rows must
//! give the root that the last checkpoint signed, or nothing more is signed. A crash between numbering and publishing loses
//! nothing: both are one commit. Two who believe to have the seat cannot both extend the tree: the second commit fails.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    log::{Checkpoint, Frontier, Hash, SignedCheckpoint, Signer, TileKind, TileSet, TileUpdate, tile},
    store::{
        Seat, Store, StoreError,
        audit::{ExtendLog, PendingEntry},
    },
};

/// Why the notary does not sign.
#[derive(Debug, thiserror::Error)]
pub enum NotaryFault {
    /// The store cannot be read or written now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows do not give the root that was signed: somebody changed them.
    #[error("the stored tree of {0} leaves does not have the signed root")]
    Altered(u64),
    /// A tile is missing.
    #[error("tile `{0}` is missing")]
    TileMissing(String),
    /// The last checkpoint cannot be read with our key.
    #[error("the last checkpoint does not verify")]
    Checkpoint,
}

/// Owns the tree.
pub struct Notary {
    store: Store,
    clock: Arc<dyn Clock>,
    key: Signer,
    origin: String,
    tree: Frontier,
    signed: watch::Sender<u64>,
}

impl Notary {
    /// Takes over the tree, after checking that the rows give the root last signed.
    ///
    /// # Errors
    /// [`NotaryFault`]: then the gateway does not start.
    pub async fn open(store: Store, clock: Arc<dyn Clock>, key: Signer) -> Result<(Self, watch::Receiver<u64>), NotaryFault> {
        let tree = stored_tree(&store, &key).await?;
        let (signed, watcher) = watch::channel(tree.size());
        let origin = key.verifier().name().to_owned();
        Ok((Self { store, clock, key, origin, tree, signed }, watcher))
    }

    /// Signs what is pending; says how many leaves it placed.
    ///
    /// # Errors
    /// [`NotaryFault`]; the tree in memory is then as it was.
    pub async fn sign(&mut self) -> Result<usize, NotaryFault> {
        let pending = self.store.pending_entries().await?;
        if pending.is_empty() { Ok(0) } else { self.place(pending).await }
    }

    #[tracing::instrument(level = "debug", skip_all, name = "sign")]
    async fn place(&mut self, pending: Vec<PendingEntry>) -> Result<usize, NotaryFault> {
        let mut tree = self.tree.clone();
        let first = tree.size();
        let hashes: Vec<_> = pending.iter().map(|entry| Hash(entry.leaf_hash)).collect();
        let tiles = tree.append(&hashes);
        let now = self.clock.now();
        let head = Checkpoint { origin: self.origin.clone(), size: tree.size(), root: tree.root(), extensions: Vec::new() };
        let note = self.key.sign(head, now).to_string();
        let placed = pending.len();
        let write = ExtendLog {
            places: pending.into_iter().map(|entry| entry.id).zip(first..).collect(),
            tiles: last_of_each(tiles),
            size: tree.size(),
            note,
            at: now,
        };
        self.store.write(write).await?;
        self.tree = tree;
        let _ = self.signed.send(self.tree.size());
        Ok(placed)
    }

    /// Signs while it has the seat, watches who has it otherwise, until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        metrics::counter!(LEAVES).increment(0);
        metrics::counter!(FAULTS).increment(0);
        while !stop.is_cancelled() {
            match self.store.notary_seat().await {
                Ok(Some(mut seat)) => {
                    if let Err(error) = self.sign_until(&stop, &mut seat).await {
                        metrics::counter!(FAULTS).increment(1);
                        tracing::error!(error = %error, "the log could not be extended; nothing will be released until it is");
                        tokio::time::sleep(RETRY).await;
                    }
                    seat.leave().await;
                }
                Ok(None) => self.follow(&stop).await,
                Err(error) => {
                    tracing::error!(error = %error, "who extends the log is not known; nothing will be released until it is");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Signs whenever something was committed, until told to stop or the seat is lost. A failure gives the seat up: another
    /// may be able to do what this process cannot.
    async fn sign_until(&mut self, stop: &CancellationToken, seat: &mut Seat) -> Result<(), NotaryFault> {
        // Another may have signed since.
        self.tree = stored_tree(&self.store, &self.key).await?;
        self.signed.send_replace(self.tree.size());
        let look = if self.store.has_replicas() { LOOK_AT_REPLICAS } else { LOOK };
        let mut commits = self.store.commits();
        let mut looked = tokio::time::Instant::now();
        loop {
            commits.borrow_and_update();
            let placed = self.sign().await?;
            if placed > 0 {
                metrics::counter!(LEAVES).increment(u64::try_from(placed).unwrap_or(0));
                // Our own commit woke us too: let entries gather before the next one.
                tokio::time::sleep(GATHER).await;
                continue;
            }
            if looked.elapsed() >= LOOK {
                if !seat.held().await {
                    return Ok(());
                }
                looked = tokio::time::Instant::now();
            }
            tokio::select! {
                // Sign what the last requests left: entries are else left for whoever comes next.
                () = stop.cancelled() => return self.sign().await.map(|_| ()),
                changed = commits.changed() => changed.map_err(|_| StoreError::Stopping)?,
                // Another replica, or a command on this machine, may have written through a connection of its own.
                () = tokio::time::sleep(look) => {}
            }
        }
    }

    /// Another has the seat: says here what it signed, and tries for the seat now and then.
    async fn follow(&self, stop: &CancellationToken) {
        let until = tokio::time::Instant::now() + LOOK;
        while tokio::time::Instant::now() < until {
            match self.store.latest_checkpoint().await {
                Ok(head) => {
                    let size = head.map_or(0, |(size, _)| size);
                    self.signed.send_if_modified(|known| std::mem::replace(known, size) != size);
                }
                Err(error) => tracing::warn!(error = %error, "what another replica signed cannot be seen"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_AT_REPLICAS) => {}
            }
        }
    }
}

/// The tree as the rows have it, when they give the root last signed.
async fn stored_tree(store: &Store, key: &Signer) -> Result<Frontier, NotaryFault> {
    let Some((size, note)) = store.latest_checkpoint().await? else { return Ok(Frontier::new()) };
    let note: SignedCheckpoint = note.parse().map_err(|_| NotaryFault::Checkpoint)?;
    note.verify(key.verifier()).map_err(|_| NotaryFault::Checkpoint)?;
    let mut tiles = TileSet::default();
    for id in Frontier::tiles(size) {
        let hashes = store.tile(id.level(), id.index()).await?.ok_or_else(|| NotaryFault::TileMissing(id.to_string()))?;
        tiles.insert(id, tile::read_hashes(&hashes).map_err(|_| NotaryFault::Altered(size))?);
    }
    let tree = Frontier::from_tiles(size, &tiles).map_err(|_| NotaryFault::Altered(size))?;
    if note.checkpoint.size != size || note.checkpoint.root != tree.root() {
        return Err(NotaryFault::Altered(size));
    }
    Ok(tree)
}

/// A tile that several leaves of one batch touched is written once, as it is at the end.
fn last_of_each(updates: Vec<TileUpdate>) -> Vec<(u8, u64, Vec<u8>)> {
    let mut last = BTreeMap::new();
    for update in updates {
        if matches!(update.id.kind(), TileKind::Hashes(_)) {
            last.insert((update.id.level(), update.id.index()), tile::write_hashes(&update.hashes));
        }
    }
    last.into_iter().map(|((level, index), hashes)| (level, index, hashes)).collect()
}

const LEAVES: &str = "passerelle_log_leaves_total";
const FAULTS: &str = "passerelle_log_faults_total";
/// How long entries gather into one checkpoint under load.
const GATHER: Duration = Duration::from_millis(20);
/// How often to look when nothing was committed here, whether the seat is still ours, and whether it is free.
const LOOK: Duration = Duration::from_secs(1);
/// How often to look at what other replicas committed and signed: a release waits for it.
const LOOK_AT_REPLICAS: Duration = Duration::from_millis(50);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_millis(500);
