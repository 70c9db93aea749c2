//! C2SP tiles (tlog-tiles, height 8): their paths, their bytes, and proofs computed from them.
//!
//! Says which tiles a proof needs and computes the proof from those tiles; fetching them is for the caller.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::tree::{Hash, TreeError, split};

/// How many hashes, or entries, a full tile holds.
pub const TILE_WIDTH: u32 = 256;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes at this level; level 0 holds leaf hashes.
    Hashes(u8),
    /// Entries themselves, length-prefixed.
    Entries,
}

/// The name of one tile; its text is the path below the log's prefix, `tile/0/x001/234.p/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileId {
    kind: TileKind,
    index: u64,
    width: u32,
}

impl TileId {
    /// The full tile at `index`.
    pub const fn full(kind: TileKind, index: u64) -> Self {
        Self { kind, index, width: TILE_WIDTH }
    }

    /// The partial tile of this level in a tree of `size` leaves; none when the level ends on a full tile.
    pub fn partial(level: u8, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = (hashes % 256) as u32;
        (width > 0).then_some(Self { kind: TileKind::Hashes(level), index: hashes / 256, width })
    }

    /// The tile at `index` as wide as a tree of `size` leaves makes it; none when that tree does not reach it.
    pub fn within(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let level = match kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = hashes.checked_sub(index.checked_mul(256)?)?.min(256) as u32;
        (width > 0).then_some(Self { kind, index, width })
    }

    /// How many levels of tiles a tree of `size` leaves has.
    pub fn levels(size: u64) -> u8 {
        (0..8).take_while(|level| size >> (8 * level) > 0).count() as u8
    }

    /// What the tile holds.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// The level in the tree; 0 for entries.
    pub const fn level(&self) -> u8 {
        match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }

    /// Position within the level, from 0.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries, 1 to 256.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Whether all 256 places are taken: the tile never changes again.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        f.write_str(&index_path(self.index))?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TileId {
    type Err = TreeError;

    fn from_str(text: &str) -> Result<Self, TreeError> {
        let rest = text.strip_prefix("tile/").ok_or(TreeError::NotATile)?;
        let (level, rest) = rest.split_once('/').ok_or(TreeError::NotATile)?;
        let kind = if level == "entries" { TileKind::Entries } else { TileKind::Hashes(level.parse().map_err(|_| TreeError::NotATile)?) };
        let (path, width) = match rest.split_once(".p/") {
            Some((path, width)) => (path, width.parse().map_err(|_| TreeError::NotATile)?),
            None => (rest, TILE_WIDTH),
        };
        let digits: String = path.split('/').map(|part| part.strip_prefix('x').unwrap_or(part)).collect();
        let id = Self { kind, index: digits.parse().map_err(|_| TreeError::NotATile)?, width };
        // One text for each tile: what we would not print is not a path.
        if (1..=TILE_WIDTH).contains(&width) && id.level() <= 63 && id.to_string() == text { Ok(id) } else { Err(TreeError::NotATile) }
    }
}

/// A tile index as zero-padded path elements: `x001/x234/067`.
pub fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

/// The bytes of a tile of hashes.
pub fn write_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads the bytes of a tile of hashes.
///
/// # Errors
/// [`TreeError::MalformedTile`].
pub fn read_hashes(bytes: &[u8]) -> Result<Vec<Hash>, TreeError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() && hashes.len() <= TILE_WIDTH as usize {
        Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
    } else {
        Err(TreeError::MalformedTile)
    }
}

/// The bytes of an entry bundle: each entry after its length as two big-endian bytes.
///
/// # Errors
/// [`TreeError::MalformedTile`] when an entry is longer than 65 535 bytes or there are more than 256.
pub fn write_entries(entries: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, TreeError> {
    if entries.len() > TILE_WIDTH as usize {
        return Err(TreeError::MalformedTile);
    }
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        bytes.extend(u16::try_from(entry.len()).map_err(|_| TreeError::MalformedTile)?.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// Reads an entry bundle.
///
/// # Errors
/// [`TreeError::MalformedTile`].
pub fn read_entries(mut bytes: &[u8]) -> Result<Vec<&[u8]>, TreeError> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(TreeError::MalformedTile)?;
        entries.push(entry);
        bytes = rest;
    }
    if bytes.is_empty() && entries.len() <= TILE_WIDTH as usize { Ok(entries) } else { Err(TreeError::MalformedTile) }
}

/// The tiles that a caller fetched for one computation.
#[derive(Debug, Clone, Default)]
pub struct TileSet(BTreeMap<TileId, Vec<Hash>>);

impl TileSet {
    /// Puts a tile in.
    pub fn insert(&mut self, id: TileId, hashes: Vec<Hash>) {
        self.0.insert(id, hashes);
    }

    /// The hashes of a tile; a full tile serves for any partial one of the same place.
    ///
    /// # Errors
    /// [`TreeError::MissingTile`].
    pub fn hashes(&self, id: &TileId) -> Result<&[Hash], TreeError> {
        let found = self.0.get(id).or_else(|| self.0.get(&TileId::full(id.kind, id.index)));
        found.map(Vec::as_slice).filter(|hashes| hashes.len() >= id.width as usize).ok_or(TreeError::MissingTile(*id))
    }
}

/// The tiles that [`inclusion_proof`] needs.
///
/// # Errors
/// [`TreeError::Outside`].
pub fn inclusion_tiles(index: u64, size: u64) -> Result<Vec<TileId>, TreeError> {
    Ok(tiles_of(&inclusion_ranges(index, size)?, size))
}

/// The inclusion proof of the leaf at `index` in the tree of `size` leaves, leaf's sibling first.
///
/// # Errors
/// [`TreeError::Outside`], [`TreeError::MissingTile`].
pub fn inclusion_proof(index: u64, size: u64, tiles: &TileSet) -> Result<Vec<Hash>, TreeError> {
    inclusion_ranges(index, size)?.into_iter().map(|range| range.hash(size, tiles)).collect()
}

/// The tiles that [`consistency_proof`] needs.
///
/// # Errors
/// [`TreeError::Outside`].
pub fn consistency_tiles(old_size: u64, size: u64) -> Result<Vec<TileId>, TreeError> {
    Ok(tiles_of(&consistency_ranges(old_size, size)?, size))
}

/// The proof that the tree of `old_size` leaves begins the tree of `size` leaves; empty when they are equal or the old is empty.
///
/// # Errors
/// [`TreeError::Outside`], [`TreeError::MissingTile`].
pub fn consistency_proof(old_size: u64, size: u64, tiles: &TileSet) -> Result<Vec<Hash>, TreeError> {
    consistency_ranges(old_size, size)?.into_iter().map(|range| range.hash(size, tiles)).collect()
}

/// The leaves from `lo` up to `hi`, whose Merkle tree hash is one hash of a proof.
#[derive(Debug, Clone, Copy)]
struct Range {
    lo: u64,
    hi: u64,
}

impl Range {
    fn len(self) -> u64 {
        self.hi - self.lo
    }

    fn halves(self) -> (Self, Self) {
        let middle = self.lo + split(self.len());
        (Self { lo: self.lo, hi: middle }, Self { lo: middle, hi: self.hi })
    }

    /// The hashes that a complete subtree takes from its tile: the tile, the first place, how many.
    fn place(self, size: u64) -> Option<(TileId, usize, usize)> {
        if !self.len().is_power_of_two() {
            return None;
        }
        let level = (self.len().trailing_zeros() / 8) as u8;
        let first = self.lo >> (8 * u32::from(level));
        let count = self.len() >> (8 * u32::from(level));
        let id = TileId::within(TileKind::Hashes(level), first / 256, size)?;
        Some((id, (first % 256) as usize, count as usize))
    }

    fn hash(self, size: u64, tiles: &TileSet) -> Result<Hash, TreeError> {
        if let Some((id, first, count)) = self.place(size) {
            let hashes = tiles.hashes(&id)?;
            return hashes.get(first..first + count).map(Hash::over).ok_or(TreeError::MissingTile(id));
        }
        let (left, right) = self.halves();
        Ok(Hash::node(&left.hash(size, tiles)?, &right.hash(size, tiles)?))
    }

    fn tiles(self, size: u64, into: &mut Vec<TileId>) {
        if let Some((id, _, _)) = self.place(size) {
            into.push(id);
        } else {
            let (left, right) = self.halves();
            left.tiles(size, into);
            right.tiles(size, into);
        }
    }
}

fn tiles_of(ranges: &[Range], size: u64) -> Vec<TileId> {
    let mut ids = Vec::new();
    for range in ranges {
        range.tiles(size, &mut ids);
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// RFC 6962 section 2.1.1, from the root down; the proof is read the other way.
fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range>, TreeError> {
    if index >= size {
        return Err(TreeError::Outside { index, size });
    }
    let mut ranges = Vec::new();
    let mut here = Range { lo: 0, hi: size };
    while here.len() > 1 {
        let (left, right) = here.halves();
        let (next, sibling) = if index < left.hi { (left, right) } else { (right, left) };
        ranges.push(sibling);
        here = next;
    }
    ranges.reverse();
    Ok(ranges)
}

/// RFC 6962 section 2.1.2.
fn consistency_ranges(old_size: u64, size: u64) -> Result<Vec<Range>, TreeError> {
    if old_size > size {
        return Err(TreeError::Outside { index: old_size, size });
    }
    let mut ranges = Vec::new();
    if old_size == 0 || old_size == size {
        return Ok(ranges);
    }
    let mut here = Range { lo: 0, hi: size };
    while here.hi != old_size {
        let (left, right) = here.halves();
        let (next, sibling) = if old_size <= left.hi { (left, right) } else { (right, left) };
        ranges.push(sibling);
        here = next;
    }
    // The old tree itself is known to the verifier; any other complete part is not.
    if here.lo > 0 {
        ranges.push(here);
    }
    ranges.reverse();
    Ok(ranges)
}
