//! The reference roots of Certificate Transparency, and two independent implementations as oracles.

use super::*;
use crate::log::tile::{
    consistency_proof, consistency_tiles, inclusion_proof, inclusion_tiles, index_path, read_entries, read_hashes, write_entries,
    write_hashes,
};
use proptest::prelude::*;
use tlog_tiles::tlog as oracle;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hash(text: &str) -> Hash {
    Hash(hex(text).try_into().unwrap())
}

/// The eight leaves that the Certificate Transparency project tests with.
fn reference_leaves() -> Vec<Hash> {
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
        .map(|leaf| Hash::leaf(&hex(leaf)))
        .to_vec()
}

/// Their roots at sizes 1 to 8.
const REFERENCE_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn gives_the_reference_roots() {
    let leaves = reference_leaves();
    assert_eq!(Frontier::new().root(), hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    let mut frontier = Frontier::new();
    for (leaf, root) in leaves.iter().zip(REFERENCE_ROOTS) {
        frontier.push(*leaf);
        assert_eq!(frontier.root(), hash(root));
        assert_eq!(Hash::over(&leaves[..frontier.size() as usize]), hash(root));
    }
}

#[test]
fn gives_the_reference_proofs() {
    let (tiles, _) = grow(&reference_leaves(), 3);
    let path = |index, size| inclusion_proof(index, size, &tiles).unwrap();
    let expected = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ];
    assert_eq!(path(0, 8), expected.map(hash));
    assert_eq!(path(0, 1), []);
    let expected = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(consistency_proof(6, 8, &tiles).unwrap(), expected.map(hash));
    assert_eq!(consistency_proof(1, 1, &tiles).unwrap(), []);
}

/// Grows a tree in batches; keeps every tile that was written, as a store would.
fn grow(leaves: &[Hash], batch: usize) -> (TileSet, Frontier) {
    let (mut tiles, mut frontier) = (TileSet::default(), Frontier::new());
    for batch in leaves.chunks(batch) {
        for update in frontier.append(batch) {
            assert_eq!(update.hashes.len(), update.id.width() as usize);
            tiles.insert(update.id, update.hashes);
        }
    }
    (tiles, frontier)
}

fn numbered(count: u64) -> Vec<Hash> {
    (0..count).map(|n| Hash::leaf(&n.to_be_bytes())).collect()
}

/// All stored hashes of the oracle's own layout.
struct Stored(Vec<oracle::Hash>);

impl oracle::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<oracle::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|at| self.0[*at as usize]).collect())
    }
}

fn stored(count: u64) -> Stored {
    let mut stored = Stored(Vec::new());
    for n in 0..count {
        let more = oracle::stored_hashes(n, &n.to_be_bytes(), &stored).unwrap();
        stored.0.extend(more);
    }
    stored
}

#[test]
fn a_large_tree_survives_a_restart_at_any_size() {
    let leaves = numbered(66_000);
    let (tiles, _) = grow(&leaves, 1000);
    for size in [0_usize, 1000, 65_000, 66_000] {
        let edge = Frontier::from_tiles(size as u64, &tiles).unwrap();
        assert_eq!(edge.root(), Hash::over(&leaves[..size]));
        let (mut one, mut other) = (edge, Frontier::new());
        other.append(&leaves[..size]);
        assert_eq!(one, other);
        let more = numbered(600);
        assert_eq!(one.append(&more), other.append(&more));
    }
    assert!(matches!(Frontier::from_tiles(66_001, &tiles), Err(TreeError::MissingTile(_))));
    // A tree of 66 000 leaves: 257 full tiles and one of 208; one full tile above and one of one; one on top.
    let paths: Vec<String> = Frontier::tiles(66_000).iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"]);
    let proof = inclusion_proof(65_999, 66_000, &tiles).unwrap();
    verify_inclusion(&leaves[65_999], 65_999, 66_000, &proof, &Hash::over(&leaves)).unwrap();
}

#[test]
fn tile_paths_have_one_writing() {
    for path in ["tile/0/x001/234.p/5", "tile/entries/x001/x234/067", "tile/7/000", "tile/0/255.p/255"] {
        assert_eq!(path.parse::<TileId>().unwrap().to_string(), path);
    }
    for path in [
        "tile/0/1",
        "tile/00/001",
        "tile/0/001/234",
        "tile/0/x000/001",
        "tile/0/001.p/256",
        "tile/0/001.p/0",
        "tile/64/000",
        "tile/0/001.p/05",
        "tile/0/+01",
        "0/001",
    ] {
        assert!(path.parse::<TileId>().is_err(), "{path}");
    }
    assert_eq!(index_path(1_234_067), "x001/x234/067");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn agrees_with_tlog_tiles(size in 1_u64..1500, index: u64, old: u64, batch in 1_usize..400) {
        let (index, old) = (index % size, old % size + 1);
        let leaves = numbered(size);
        let (tiles, frontier) = grow(&leaves, batch);
        let oracle_tree = stored(size);
        let root = oracle::tree_hash(size, &oracle_tree).unwrap();
        prop_assert_eq!(frontier.root().0, root.0);

        let proof = inclusion_proof(index, size, &tiles).unwrap();
        let theirs = oracle::prove_record(size, index, &oracle_tree).unwrap();
        prop_assert_eq!(proof.iter().map(|h| h.0).collect::<Vec<_>>(), theirs.iter().map(|h| h.0).collect::<Vec<_>>());
        verify_inclusion(&leaves[index as usize], index, size, &proof, &frontier.root()).unwrap();

        let proof = consistency_proof(old, size, &tiles).unwrap();
        let theirs = oracle::prove_tree(size, old, &oracle_tree).unwrap();
        prop_assert_eq!(proof.iter().map(|h| h.0).collect::<Vec<_>>(), theirs.iter().map(|h| h.0).collect::<Vec<_>>());
        let old_root = Hash::over(&leaves[..old as usize]);
        verify_consistency(old, &old_root, size, &frontier.root(), &proof).unwrap();
        prop_assert!(verify_consistency(old, &Hash([1; 32]), size, &frontier.root(), &proof).is_err());

        // Exactly the tiles that are said to be needed suffice.
        let mut needed = TileSet::default();
        for id in inclusion_tiles(index, size).unwrap().into_iter().chain(consistency_tiles(old, size).unwrap()) {
            needed.insert(id, tiles.hashes(&id).unwrap()[..id.width() as usize].to_vec());
        }
        prop_assert!(inclusion_proof(index, size, &needed).is_ok() && consistency_proof(old, size, &needed).is_ok());
    }

    #[test]
    fn agrees_with_ct_merkle(size in 1_u64..300, index: u64, old: u64) {
        let (index, old) = (index % size, old % size + 1);
        let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        (0..size).for_each(|n| theirs.push(n.to_be_bytes().to_vec()));
        let (tiles, frontier) = grow(&numbered(size), 7);
        let (ours, root) = (frontier.root(), theirs.root());
        prop_assert_eq!(ours.0.as_slice(), root.as_bytes().as_slice());
        let (ours, proof) = (write_hashes(&inclusion_proof(index, size, &tiles).unwrap()), theirs.prove_inclusion(index as usize));
        prop_assert_eq!(ours.as_slice(), proof.as_bytes());
        if old < size {
            let (ours, proof) = (write_hashes(&consistency_proof(old, size, &tiles).unwrap()), theirs.prove_consistency((size - old) as usize));
            prop_assert_eq!(ours.as_slice(), proof.as_bytes());
        }
    }

    #[test]
    fn an_altered_proof_fails(size in 2_u64..600, index: u64, place: usize, bit in 0_u32..256) {
        let index = index % size;
        let leaves = numbered(size);
        let (tiles, frontier) = grow(&leaves, 100);
        let mut proof = inclusion_proof(index, size, &tiles).unwrap();
        let check = |proof: &[Hash]| verify_inclusion(&leaves[index as usize], index, size, proof, &frontier.root());
        let place = place % proof.len();
        proof[place].0[bit as usize / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(check(&proof), Err(TreeError::WrongRoot));
        proof.pop();
        prop_assert!(check(&proof).is_err());
    }

    #[test]
    fn bundles_are_a_fixed_point(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..256)) {
        let bytes = write_entries(&entries).unwrap();
        prop_assert_eq!(read_entries(&bytes).unwrap(), entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert!(bytes.is_empty() || read_entries(&bytes[..bytes.len() - 1]).is_err() || entries.last().is_some_and(Vec::is_empty));
    }

    #[test]
    fn readers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (read_entries(&bytes), read_hashes(&bytes));
    }
}
