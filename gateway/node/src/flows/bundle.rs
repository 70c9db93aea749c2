//! Bundling: the whole log copied out of the store into a folder, for who will verify it with pinned keys.
//! Reads in pages: memory does not grow with the log.

use std::path::Path;

use serde_json::Value;

use crate::{
    log::{
        Hash, SignedCheckpoint, TileId, TileKind,
        bundle::{BundleError, BundleWriter},
        tile,
    },
    seal::KeyStore,
    store::{Store, StoreError},
};

/// Why a bundle is not complete.
#[derive(Debug, thiserror::Error)]
pub enum BundleFault {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder cannot be written.
    #[error(transparent)]
    Folder(#[from] BundleError),
    /// Nothing was signed yet.
    #[error("the log has no checkpoint yet")]
    Empty,
    /// What is stored is not a log.
    #[error("the stored log is damaged at `{0}`")]
    Damaged(String),
}

/// Writes everything up to the newest checkpoint, and `keys` for information; says how many leaves.
///
/// # Errors
/// [`BundleFault`]; the folder is then to be thrown away.
pub async fn write(
    store: &Store,
    keystore: &KeyStore,
    folder: &Path,
    keys: &Value,
    progress: &dyn Fn(u64, u64),
) -> Result<u64, BundleFault> {
    let bundle = BundleWriter::create(folder)?;
    let (size, _) = store.latest_checkpoint().await?.ok_or(BundleFault::Empty)?;
    // 1. Heads: the newest, and every one signed before it.
    for note in store.checkpoints().await? {
        let note: SignedCheckpoint = note.parse().map_err(|_| BundleFault::Damaged("checkpoint".into()))?;
        if note.checkpoint.size == size {
            bundle.checkpoint(&note)?;
        } else if note.checkpoint.size < size {
            bundle.older_checkpoint(&note)?;
        }
    }
    // 2. Tiles of hashes.
    for level in 0..TileId::levels(size) {
        for id in (0..).map_while(|index| TileId::within(TileKind::Hashes(level), index, size)) {
            let damaged = || BundleFault::Damaged(id.to_string());
            let stored = store.tile(level, id.index()).await?.ok_or_else(damaged)?;
            let hashes = stored.get(..id.width() as usize * 32).ok_or_else(damaged)?;
            bundle.tile(&id, &tile::read_hashes(hashes).map_err(|_| damaged())?)?;
        }
    }
    // 3. Leaves, with the openings that are still kept.
    for id in (0..).map_while(|index| TileId::within(TileKind::Entries, index, size)) {
        let first = id.index() * u64::from(tile::TILE_WIDTH);
        let entries = store.entries_from(first, id.width()).await?;
        let leaves: Vec<&[u8]> = entries.iter().map(|entry| entry.leaf.as_slice()).collect();
        bundle.entries(&id, &leaves)?;
        for (index, entry) in (first..).zip(&entries) {
            let openings = match &entry.opening {
                Some(sealed) => {
                    let damaged = || BundleFault::Damaged(format!("opening {index}"));
                    let plain = keystore.open_opening(&entry.leaf_hash, sealed).map_err(|_| damaged())?;
                    Some(serde_json::from_slice(&plain).map_err(|_| damaged())?)
                }
                None => None,
            };
            bundle.openings(index, &Hash(entry.leaf_hash), openings.as_ref())?;
        }
        progress(first + u64::from(id.width()), size);
    }
    // 4. Receipts, and public keys for information.
    bundle.keys(keys)?;
    let mut after = String::new();
    loop {
        let page = store.receipts_after(&after).await?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        for (exchange, receipt) in &page {
            bundle.receipt(exchange, receipt)?;
        }
    }
    Ok(size)
}
