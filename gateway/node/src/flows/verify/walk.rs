//! The pass over entries and tiles: recomputes the roots twice, from entries and from tiles, and says where they part.
//!
//! Holds as many bundles of 256 entries as there are processors, their tiles and the parent tile at a time: what can be said
//! of a bundle alone is said by a processor of its own.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    panic::resume_unwind,
    path::Path,
    thread,
};

use super::{
    receipt::Receipts,
    report::{FindingKind, Report},
    rules::{Opened, Rules},
};
use crate::log::{
    Checkpoint, Frontier, Hash, Leaf, TileId, TileKind,
    bundle::{OpeningsLine, openings_path},
    tile::{read_entries, read_hashes},
};

/// Reads everything below `latest`, in order.
pub(super) fn walk(
    folder: &Path,
    latest: &Checkpoint,
    stated: &BTreeMap<u64, Vec<(String, Hash)>>,
    rules: &mut Rules,
    receipts: &mut Receipts,
    report: &mut Report,
    progress: &dyn Fn(u64, u64),
) {
    let mut tiles = Tiles { folder, size: latest.size, parent: None };
    let mut roots = Roots { entries: Frontier::new(), tiles: Frontier::new(), stated };
    roots.compare(0, report);
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let bundles = latest.size.div_ceil(256);
    'folder: for window in (0..bundles).step_by(at_once) {
        let examined = thread::scope(|scope| {
            let some = (window..bundles).take(at_once);
            let examining: Vec<_> = some.map(|bundle| scope.spawn(move || Examined::of(folder, latest.size, bundle))).collect();
            examining.into_iter().map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
        });
        for one in examined {
            let Examined { bundle, leaves, hashes, entries, report: own } = one;
            let first = bundle * 256;
            if leaves.is_empty() && hashes.is_empty() {
                // A checkpoint may state any size; the folder ends here.
                report.add(FindingKind::Entry, Some(first), None, "le dossier s'arrête avant cette entrée");
                break 'folder;
            }
            report.absorb(own);
            for place in 0..leaves.len().max(hashes.len()) {
                roots.push(hashes.get(place), leaves.get(place), report);
            }
            tiles.compare(bundle, &hashes, &leaves, latest, &roots.entries, report);
            for (index, (entry, hash)) in (first..).zip(entries.iter().zip(&hashes)) {
                if let Some((leaf, opened)) = entry {
                    rules.entry(index, leaf, opened, report);
                    receipts.entry(index, hash, leaf, opened, report);
                }
            }
            progress((first + 256).min(latest.size), latest.size);
        }
    }
    tiles.upper(report);
    for (what, frontier) in [("des entrées", &roots.entries), ("des tuiles", &roots.tiles)] {
        if frontier.size() != latest.size || frontier.root() != latest.root {
            let detail = format!("la racine recalculée à partir {what} n'est pas celle du point de contrôle signé");
            report.add(FindingKind::Root, None, None, &detail);
        }
    }
}

/// A bundle of entries as its files have it, with what can be said of it alone.
struct Examined {
    bundle: u64,
    /// What the tile says.
    leaves: Vec<Hash>,
    /// What the entries give.
    hashes: Vec<Hash>,
    /// `None`: not in the canonical form.
    entries: Vec<Option<(Leaf, Opened)>>,
    report: Report,
}

impl Examined {
    fn of(folder: &Path, size: u64, bundle: u64) -> Self {
        let mut report = Report::default();
        let tiles = Tiles { folder, size, parent: None };
        let leaves = tiles.leaves(bundle, &mut report);
        let bytes = tiles.read(TileKind::Entries, bundle, &mut report).unwrap_or_default();
        let written = read_entries(&bytes).unwrap_or_default();
        let hashes: Vec<Hash> = written.iter().map(|entry| Hash::leaf(entry)).collect();
        let mut openings = openings(folder, bundle, &mut report);
        let mut entries = Vec::with_capacity(written.len());
        for (index, (entry, hash)) in (bundle * 256..).zip(written.iter().zip(&hashes)) {
            report.entries += 1;
            let leaf = Leaf::parse(entry).ok();
            if leaf.is_none() {
                report.add(FindingKind::Entry, Some(index), None, "cette entrée n'est pas dans la forme canonique du journal");
            }
            entries.push(leaf.map(|leaf| {
                let opened = opened(index, &leaf, openings.remove(hash), &mut report);
                (leaf, opened)
            }));
        }
        if !openings.is_empty() {
            let detail = format!("{} ouverture(s) pour des entrées qui ne sont pas dans ce lot", openings.len());
            report.add(FindingKind::Opening, None, Some(&openings_path(bundle)), &detail);
        }
        Self { bundle, leaves, hashes, entries, report }
    }
}

/// The two trees that grow side by side, held against each checkpoint as they reach its size.
struct Roots<'a> {
    entries: Frontier,
    tiles: Frontier,
    stated: &'a BTreeMap<u64, Vec<(String, Hash)>>,
}

impl Roots<'_> {
    fn push(&mut self, entry: Option<&Hash>, leaf: Option<&Hash>, report: &mut Report) {
        if let Some(entry) = entry {
            self.entries.push(*entry);
        }
        if let Some(leaf) = leaf {
            self.tiles.push(*leaf);
        }
        self.compare(self.entries.size().max(self.tiles.size()), report);
    }

    fn compare(&self, size: u64, report: &mut Report) {
        for (file, root) in self.stated.get(&size).into_iter().flatten() {
            // One altered row must not accuse every later checkpoint: the tree that still agrees speaks.
            let agrees = |frontier: &Frontier| frontier.size() == size && frontier.root() == *root;
            if !agrees(&self.entries) && !agrees(&self.tiles) {
                let detail = format!("ce point de contrôle n'est pas celui des {size} premières entrées");
                report.add(FindingKind::Consistency, None, Some(file), &detail);
            }
        }
    }
}

/// The tiles of the folder.
struct Tiles<'a> {
    folder: &'a Path,
    size: u64,
    parent: Option<(TileId, Vec<Hash>)>,
}

impl Tiles<'_> {
    /// The bytes of the tile as wide as the latest checkpoint makes it.
    fn read(&self, kind: TileKind, index: u64, report: &mut Report) -> Option<Vec<u8>> {
        let id = TileId::within(kind, index, self.size)?;
        let bytes = fs::read(self.folder.join(id.to_string())).ok();
        if bytes.is_none() {
            report.add(FindingKind::Tile, None, Some(&id.to_string()), "fichier absent ou illisible");
        }
        bytes
    }

    fn leaves(&self, index: u64, report: &mut Report) -> Vec<Hash> {
        self.hashes(0, index, report)
    }

    fn hashes(&self, level: u8, index: u64, report: &mut Report) -> Vec<Hash> {
        let Some(id) = TileId::within(TileKind::Hashes(level), index, self.size) else { return Vec::new() };
        let Some(bytes) = self.read(id.kind(), index, report) else { return Vec::new() };
        let hashes = read_hashes(&bytes).unwrap_or_default();
        if hashes.len() != id.width() as usize {
            let detail = format!("{} empreintes, {} attendues", hashes.len(), id.width());
            report.add(FindingKind::Tile, None, Some(&id.to_string()), &detail);
        }
        hashes
    }

    /// What the tile above says of the full tile at `index`.
    fn above(&mut self, level: u8, index: u64) -> Option<(TileId, Hash)> {
        let id = TileId::within(TileKind::Hashes(level + 1), index / 256, self.size)?;
        if self.parent.as_ref().is_none_or(|(held, _)| *held != id) {
            let hashes = fs::read(self.folder.join(id.to_string())).ok().and_then(|bytes| read_hashes(&bytes).ok());
            self.parent = Some((id, hashes.unwrap_or_default()));
        }
        let (_, hashes) = self.parent.as_ref()?;
        hashes.get((index % 256) as usize).map(|hash| (id, *hash))
    }

    /// Holds a bundle against its tile, and both against the tile above (or, at the right edge, the signed root).
    fn compare(&mut self, bundle: u64, entries: &[Hash], leaves: &[Hash], latest: &Checkpoint, grown: &Frontier, report: &mut Report) {
        let Some(tile) = TileId::within(TileKind::Hashes(0), bundle, self.size) else { return };
        let Some(file) = TileId::within(TileKind::Entries, bundle, self.size).map(|id| id.to_string()) else { return };
        if entries.len() != tile.width() as usize {
            let detail = format!("{} entrées, {} attendues", entries.len(), tile.width());
            report.add(FindingKind::Entry, None, Some(&file), &detail);
        }
        let above = if tile.is_full() { self.above(0, bundle) } else { None };
        let entries_hold = match &above {
            Some((_, hash)) => Hash::over(entries) == *hash,
            None => grown.size() == latest.size && grown.root() == latest.root,
        };
        let differs = (0..entries.len().max(leaves.len())).find(|place| entries.get(*place) != leaves.get(*place));
        if let Some(place) = differs {
            let index = Some(bundle * 256 + place as u64);
            if entries_hold {
                let detail = "l'empreinte de la tuile a été changée ; l'entrée, elle, est intacte";
                report.add(FindingKind::Tile, index, Some(&tile.to_string()), detail);
            } else {
                let detail = "première entrée de ce lot qui ne correspond plus à son empreinte : modifiée, déplacée, ajoutée ou retirée";
                report.add(FindingKind::Entry, index, Some(&file), detail);
            }
        } else if let (Some((above, _)), false) = (&above, entries_hold) {
            let (first, last) = (bundle * 256, bundle * 256 + 255);
            let detail = format!("{above} ne porte pas l'empreinte des entrées {first} à {last}");
            report.add(FindingKind::Tile, Some(first), Some(&tile.to_string()), &detail);
        }
    }

    /// Levels 1 and above: each full tile is one hash of the tile above it.
    fn upper(&mut self, report: &mut Report) {
        for level in 1..TileId::levels(self.size) {
            for index in 0..(self.size >> (8 * u32::from(level))).div_ceil(256) {
                let hashes = self.hashes(level, index, report);
                if hashes.is_empty() {
                    break;
                }
                if hashes.len() == 256
                    && let Some((above, hash)) = self.above(level, index)
                    && Hash::over(&hashes) != hash
                {
                    let id = TileId::full(TileKind::Hashes(level), index).to_string();
                    report.add(FindingKind::Tile, None, Some(&id), &format!("{above} porte une autre empreinte de cette tuile"));
                }
            }
        }
    }
}

fn openings(folder: &Path, bundle: u64, report: &mut Report) -> HashMap<Hash, OpeningsLine> {
    let path = openings_path(bundle);
    let mut lines = HashMap::new();
    for line in fs::read_to_string(folder.join(&path)).unwrap_or_default().lines() {
        let read = serde_json::from_str::<OpeningsLine>(line).ok().and_then(|line| Some((Hash::from_url(&line.leaf).ok()?, line)));
        match read {
            Some((hash, line)) => {
                lines.insert(hash, line);
            }
            None => report.add(FindingKind::Opening, None, Some(&path), "ligne illisible"),
        }
    }
    lines
}

fn opened(index: u64, leaf: &Leaf, line: Option<OpeningsLine>, report: &mut Report) -> Opened {
    match line {
        Some(OpeningsLine { openings: Some(openings), .. }) => match openings.verify(leaf) {
            Ok(()) => {
                report.openings_verified += 1;
                Opened::Known(openings)
            }
            Err(error) => {
                report.add(FindingKind::Opening, Some(index), None, &format!("ouverture fausse ({error})"));
                Opened::Withheld
            }
        },
        Some(OpeningsLine { expired: true, .. }) => {
            report.openings_expired += 1;
            Opened::Expired
        }
        Some(_) | None => {
            report.openings_withheld += 1;
            Opened::Withheld
        }
    }
}
