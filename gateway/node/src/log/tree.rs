//! The RFC 6962 Merkle tree: hashing, growing at its right edge, and checking proofs.
//!
//! Pure arithmetic on hashes. Growing holds one partial tile per level (at most eight levels), whatever the
//! size of the history; it never reads an entry twice.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest;

use super::tile::{TILE_WIDTH, TileId, TileKind, TileSet};

/// A SHA-256 hash of the tree: of a leaf, of a node, or of the whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// Why a tree, a tile or a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The text is not a hash.
    #[error("not a base64 SHA-256 hash")]
    NotAHash,
    /// The index does not lie inside the tree, or the old tree is larger than the new one.
    #[error("`{index}` is outside a tree of size `{size}`")]
    Outside {
        /// The index or old size that was asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A tile that the computation needs was not given, or is too narrow.
    #[error("tile `{0}` is missing or too narrow")]
    MissingTile(TileId),
    /// The text is not the path of a tile.
    #[error("not a tile path")]
    NotATile,
    /// The bytes are not whole hashes or whole entries, or are more than a tile holds.
    #[error("malformed tile content")]
    MalformedTile,
    /// The proof has the wrong number of hashes for this index and size.
    #[error("a proof of the wrong length")]
    WrongLength,
    /// The proof leads to another root.
    #[error("the proof does not lead to the expected root")]
    WrongRoot,
}

impl Hash {
    /// The hash of a leaf: SHA-256(0x00 ‖ entry), RFC 6962 section 2.1.
    pub fn leaf(entry: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[0x00]);
        context.update(entry);
        Self::from_digest(&context.finish())
    }

    /// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[0x01]);
        context.update(&left.0);
        context.update(&right.0);
        Self::from_digest(&context.finish())
    }

    /// The root of the tree that has no leaf: SHA-256 of nothing.
    pub fn empty() -> Self {
        Self::from_digest(&digest::digest(&digest::SHA256, b""))
    }

    /// The Merkle tree hash over `hashes`, taken as leaf hashes (RFC 6962 section 2.1).
    pub fn over(hashes: &[Self]) -> Self {
        match hashes {
            [] => Self::empty(),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(split(more.len() as u64) as usize);
                Self::node(&Self::over(left), &Self::over(right))
            }
        }
    }

    /// The unpadded base64url form that receipts carry.
    pub fn to_url(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads the unpadded base64url form.
    ///
    /// # Errors
    /// [`TreeError::NotAHash`].
    pub fn from_url(text: &str) -> Result<Self, TreeError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| TreeError::NotAHash)?;
        bytes.try_into().map(Self).map_err(|_| TreeError::NotAHash)
    }

    fn from_digest(digest: &digest::Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = TreeError;
    fn from_str(text: &str) -> Result<Self, TreeError> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| TreeError::NotAHash)?;
        bytes.try_into().map(Self).map_err(|_| TreeError::NotAHash)
    }
}

/// One tile that an append wrote: full, or the rightmost partial one of its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileUpdate {
    /// Level, index and width: where the hashes belong.
    pub id: TileId,
    /// The hashes, all `id.width` of them.
    pub hashes: Vec<Hash>,
}

/// The right edge of the tree: the partial tile of each level. All that growing needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// INVARIANT: level `l` holds `(size >> 8l) % 256` hashes.
    levels: Vec<Vec<Hash>>,
}

impl Frontier {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The partial tiles that [`Frontier::from_tiles`] needs for a tree of `size` leaves.
    pub fn tiles(size: u64) -> Vec<TileId> {
        (0..TileId::levels(size)).filter_map(|level| TileId::partial(level, size)).collect()
    }

    /// Rebuilds the edge from the partial tiles. The caller compares [`Frontier::root`] with a signed checkpoint.
    ///
    /// # Errors
    /// [`TreeError::MissingTile`].
    pub fn from_tiles(size: u64, tiles: &TileSet) -> Result<Self, TreeError> {
        let mut levels = Vec::new();
        for level in 0..TileId::levels(size) {
            levels.push(match TileId::partial(level, size) {
                Some(id) => {
                    let hashes = tiles.hashes(&id)?;
                    hashes.get(..id.width() as usize).ok_or(TreeError::MissingTile(id))?.to_vec()
                }
                None => Vec::new(),
            });
        }
        Ok(Self { size, levels })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf; gives the full tiles that this completed, lowest level first.
    pub fn push(&mut self, leaf: Hash) -> Vec<TileUpdate> {
        self.size += 1;
        let mut full = Vec::new();
        let mut carry = Some(leaf);
        let mut level: u8 = 0;
        while let Some(hash) = carry.take() {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(usize::from(level)) else { break };
            tile.push(hash);
            if tile.len() == TILE_WIDTH as usize {
                let hashes = std::mem::take(tile);
                carry = Some(Hash::over(&hashes));
                let index = (self.size >> (8 * (u32::from(level) + 1))) - 1;
                full.push(TileUpdate { id: TileId::full(TileKind::Hashes(level), index), hashes });
            }
            level += 1;
        }
        full
    }

    /// Adds leaves; gives every tile to write: those completed, then the new partial one of each level that grew.
    pub fn append(&mut self, leaves: &[Hash]) -> Vec<TileUpdate> {
        let before = self.size;
        let mut updates: Vec<TileUpdate> = leaves.iter().flat_map(|leaf| self.push(*leaf)).collect();
        for (level, hashes) in (0_u8..).zip(&self.levels) {
            let shift = 8 * u32::from(level);
            let grew = self.size >> shift != before >> shift;
            if let Some(id) = TileId::partial(level, self.size).filter(|_| grew) {
                updates.push(TileUpdate { id, hashes: hashes.clone() });
            }
        }
        updates
    }

    /// The root of the tree as it stands.
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                // The rightmost complete subtree has as many hashes as the lowest bit of the width.
                let block = 1 << rest.len().trailing_zeros();
                let (left, right) = rest.split_at(rest.len() - block);
                let peak = Hash::over(right);
                root = Some(root.map_or(peak, |below| Hash::node(&peak, &below)));
                rest = left;
            }
        }
        root.unwrap_or_else(Hash::empty)
    }
}

/// Checks that `leaf` is at `index` in the tree of `size` leaves and root `root`.
///
/// # Errors
/// [`TreeError`] that says what does not hold.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), TreeError> {
    if index >= size {
        return Err(TreeError::Outside { index, size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(TreeError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            hash = Hash::node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = Hash::node(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(TreeError::WrongRoot),
        _ => Err(TreeError::WrongLength),
    }
}

/// Checks that the tree of `old_size` leaves is the beginning of the tree of `new_size` leaves.
///
/// # Errors
/// [`TreeError`] that says what does not hold.
pub fn verify_consistency(old_size: u64, old_root: &Hash, new_size: u64, new_root: &Hash, proof: &[Hash]) -> Result<(), TreeError> {
    if old_size > new_size {
        return Err(TreeError::Outside { index: old_size, size: new_size });
    }
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == 0 { Hash::empty() } else { *new_root };
        return match (proof.is_empty(), *old_root == expected) {
            (true, true) => Ok(()),
            (true, false) => Err(TreeError::WrongRoot),
            (false, _) => Err(TreeError::WrongLength),
        };
    }
    // RFC 9162 section 2.1.4.2: a proof that starts at a complete subtree leaves that subtree's hash out.
    let (first, rest) = match (old_size.is_power_of_two(), proof.split_first()) {
        (true, _) => (*old_root, proof),
        (false, Some((first, rest))) => (*first, rest),
        (false, None) => return Err(TreeError::WrongLength),
    };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(TreeError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old = Hash::node(sibling, &old);
            new = Hash::node(sibling, &new);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new = Hash::node(&new, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(TreeError::WrongLength);
    }
    if old == *old_root && new == *new_root { Ok(()) } else { Err(TreeError::WrongRoot) }
}

/// The largest power of two smaller than `n` (RFC 6962 section 2.1), for `n` of at least 2.
pub(super) fn split(n: u64) -> u64 {
    1 << (63 - (n.max(2) - 1).leading_zeros())
}

#[cfg(test)]
mod tests;
