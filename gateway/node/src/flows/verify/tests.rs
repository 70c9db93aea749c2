//! A bundle is written, then altered in one way at a time: each alteration is found and named.

use super::*;
use crate::log::{
    Checkpoint, Entry, Event, Frontier, LogProof, SealedEntry, Signer, TileId, TileKind, TileSet,
    bundle::{BundleWriter, openings_path},
    checkpoint::KeyKind,
    entry::field,
    tile::{inclusion_proof, read_entries, write_entries},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::json;
use std::path::PathBuf;

const ORIGIN: &str = "passerelle.example.fr/log";
const START: i64 = 1_772_448_000_000;

struct Sample {
    folder: tempfile::TempDir,
    log: Signer,
    witness: Signer,
    receipts: Ed25519KeyPair,
    entries: Vec<SealedEntry>,
    tiles: TileSet,
    latest: SignedCheckpoint,
}

fn pkcs8() -> Vec<u8> {
    Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec()
}

fn at(index: u64) -> Instant {
    Instant::from_unix_ms(START + i64::try_from(index).unwrap() * 1000)
}

/// Accepted, delivered, opened, and once in a while something else.
fn entry(index: u64) -> SealedEntry {
    let (exchange, event) = match index % 4 {
        0 => (index, Event::ExchangeAccepted),
        1 => (index - 1, Event::ExchangeDelivered),
        2 => (index - 2, Event::ExchangeOpened),
        _ => (index, Event::ClockFired),
    };
    let entry = Entry::new(event, at(index), "0a1b").commit(field::EXCHANGE, &format!("exchange-{exchange}"));
    let entry = if index.is_multiple_of(4) { entry.commit(field::DECISION, &json!({"result": "permit", "rules": ["R05"]})) } else { entry };
    entry.finish(&SystemRandom::new()).unwrap()
}

impl Sample {
    fn new(size: u64) -> Self {
        Self::with((0..size).map(entry).collect())
    }

    fn with(entries: Vec<SealedEntry>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Signer::from_pkcs8(ORIGIN, KeyKind::Log, &pkcs8()).unwrap();
        let witness = Signer::from_pkcs8("temoin.example.fr/w1", KeyKind::Witness, &pkcs8()).unwrap();
        let receipts = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8()).unwrap();
        let writer = BundleWriter::create(folder.path()).unwrap();
        let (mut frontier, mut tiles) = (Frontier::new(), TileSet::default());
        let mut latest = None;
        for batch in entries.chunks(100) {
            let hashes: Vec<Hash> = batch.iter().map(|e| e.hash).collect();
            for update in frontier.append(&hashes) {
                writer.tile(&update.id, &update.hashes).unwrap();
                tiles.insert(update.id, update.hashes);
            }
            let stated = Checkpoint { origin: ORIGIN.into(), size: frontier.size(), root: frontier.root(), extensions: Vec::new() };
            let mut note = log.sign(stated, at(frontier.size()));
            witness.cosign(&mut note, at(frontier.size()));
            writer.older_checkpoint(&note).unwrap();
            latest = Some(note);
        }
        let latest = latest.unwrap();
        writer.checkpoint(&latest).unwrap();
        for (bundle, batch) in (0..).zip(entries.chunks(256)) {
            let id = TileId::within(TileKind::Entries, bundle, frontier.size()).unwrap();
            writer.entries(&id, &batch.iter().map(|e| &e.leaf).collect::<Vec<_>>()).unwrap();
        }
        for (index, entry) in (0..).zip(&entries) {
            writer.openings(index, &entry.hash, Some(&entry.openings)).unwrap();
        }
        let sample = Self { folder, log, witness, receipts, entries, tiles, latest };
        if sample.entries.len() > 8 {
            sample.receipt("exchange-8", at(8), 60, 8);
        }
        sample
    }

    fn trust(&self) -> Trust {
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.receipts.public_key());
        let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "r1", "x": x}]});
        let log = LogTrust { logs: vec![self.log.verifier().clone()], witnesses: vec![self.witness.verifier().clone()], quorum: 1 };
        Trust { log, receipts: serde_json::from_value(jwks).unwrap(), ..Trust::default() }
    }

    fn jws(&self, exchange: &str, iat: Instant, delay: u64, leaf: &Hash) -> String {
        let header = json!({"alg": "EdDSA", "typ": "passerelle-receipt+jwt", "kid": "r1"});
        let claims = json!({"iss": "urn:passerelle:gateway:demo", "sub": exchange, "aud": "dsden-31", "iat": iat.unix_seconds(),
            "log": ORIGIN, "leaf": leaf.to_url(), "merge_delay": delay});
        let [header, claims] = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let signature = self.receipts.sign(format!("{header}.{claims}").as_bytes());
        format!("{header}.{claims}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn receipt(&self, exchange: &str, iat: Instant, delay: u64, index: usize) {
        let jws = self.jws(exchange, iat, delay, &self.entries[index].hash);
        self.write(&format!("receipts/{exchange}.jws"), jws.as_bytes());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn verify(&self) -> Report {
        verify_folder(self.folder.path(), &self.trust(), &|_, _| {})
    }

    /// Rewrites one bundle of entries.
    fn alter(&self, name: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let bytes = self.read(name);
        let mut entries: Vec<Vec<u8>> = read_entries(&bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        change(&mut entries);
        self.write(name, &write_entries(&entries).unwrap());
    }
}

fn found(report: &Report, kind: FindingKind) -> Vec<Option<u64>> {
    report.findings.iter().filter(|f| f.kind == kind).map(|f| f.leaf).collect()
}

#[test]
fn an_honest_bundle_holds() {
    let sample = Sample::new(700);
    let last = std::cell::Cell::new((0, 0));
    let report = verify_folder(sample.folder.path(), &sample.trust(), &|done, all| last.set((done, all)));
    assert_eq!(report.findings, [], "{report}");
    assert_eq!((report.exit_code(), report.entries, report.openings_verified, report.receipts_included), (0, 700, 700, 1));
    assert_eq!((report.checkpoints, report.cosignatures, last.get()), (8, 8, (700, 700)));
    assert!(report.to_string().ends_with("Verdict : tout est vérifié."));
    assert_eq!(serde_json::to_value(&report).unwrap()["size"], 700);
}

#[test]
fn names_the_entry_that_was_altered() {
    for (file, place, index) in [("tile/entries/000", 7, 7), ("tile/entries/001", 0, 256), ("tile/entries/002.p/188", 187, 699)] {
        let sample = Sample::new(700);
        sample.alter(file, |entries| {
            let byte = entries[place].len() - 10;
            entries[place][byte] ^= 1;
        });
        let report = sample.verify();
        assert_eq!(found(&report, FindingKind::Entry)[0], Some(index), "{report}");
        assert_eq!(found(&report, FindingKind::Tile), [], "{report}");
        assert_eq!(found(&report, FindingKind::Consistency), [], "one altered row accuses no checkpoint: {report}");
        assert_eq!(found(&report, FindingKind::Root), [None], "{report}");
        assert_eq!(report.exit_code(), 1);
    }
}

#[test]
fn names_the_tile_that_was_altered() {
    for (file, index) in [("tile/0/000", 7), ("tile/0/001", 263), ("tile/0/002.p/188", 519)] {
        let sample = Sample::new(700);
        let mut bytes = sample.read(file);
        bytes[7 * 32] ^= 1;
        sample.write(file, &bytes);
        let report = sample.verify();
        assert_eq!(found(&report, FindingKind::Tile), [Some(index)], "{report}");
        assert_eq!(found(&report, FindingKind::Entry), [], "{report}");
    }
    let sample = Sample::new(700);
    let mut bytes = sample.read("tile/1/000.p/2");
    bytes[32] ^= 1;
    sample.write("tile/1/000.p/2", &bytes);
    let report = sample.verify();
    assert_eq!(found(&report, FindingKind::Tile), [Some(256)], "{report}");
}

#[test]
fn an_altered_row_is_found_when_its_leaf_hash_was_altered_too() {
    let sample = Sample::new(700);
    let forged = entry(8);
    sample.alter("tile/entries/000", |entries| entries[8].clone_from(&forged.leaf));
    let mut bytes = sample.read("tile/0/000");
    bytes[8 * 32..9 * 32].copy_from_slice(&forged.hash.0);
    sample.write("tile/0/000", &bytes);
    let report = sample.verify();
    assert_eq!(found(&report, FindingKind::Tile), [Some(0)], "{report}");
    assert_eq!(found(&report, FindingKind::Root).len(), 2, "{report}");
    assert_eq!(found(&report, FindingKind::Receipt), [None], "the member's receipt tells which: {report}");
}

#[test]
fn dropped_and_swapped_entries_are_found() {
    let sample = Sample::new(700);
    sample.alter("tile/entries/001", |entries| drop(entries.remove(4)));
    let report = sample.verify();
    assert_eq!(found(&report, FindingKind::Entry), [None, Some(260)], "{report}");

    let sample = Sample::new(700);
    sample.alter("tile/entries/001", |entries| entries.swap(10, 20));
    assert_eq!(found(&sample.verify(), FindingKind::Entry), [Some(266)]);

    let sample = Sample::new(700);
    fs::remove_file(sample.path("tile/entries/001")).unwrap();
    let report = sample.verify();
    assert!(found(&report, FindingKind::Entry).contains(&Some(256)), "{report}");

    // The end of the folder is the end of the work, whatever size a checkpoint claims.
    let stated = Checkpoint { size: 1 << 60, ..sample.latest.checkpoint.clone() };
    sample.write("checkpoint", sample.log.sign(stated, at(700)).to_string().as_bytes());
    assert_eq!(sample.verify().exit_code(), 1);
}

#[test]
fn a_second_history_is_found_even_well_signed() {
    let sample = Sample::new(700);
    let stated = Checkpoint { root: Hash::leaf(b"forged"), ..sample.latest.checkpoint.clone() };
    let mut forged = sample.log.sign(stated, at(700));
    sample.witness.cosign(&mut forged, at(700));
    sample.write("checkpoint", forged.to_string().as_bytes());
    let report = sample.verify();
    assert!(found(&report, FindingKind::Consistency).len() >= 2, "{report}");
    assert_eq!(found(&report, FindingKind::Root), [None, None], "{report}");
    assert_eq!(found(&report, FindingKind::Entry), [], "{report}");
    assert!(report.to_string().contains("deux histoires"));
}

#[test]
fn signatures_and_witnesses_count_only_when_pinned() {
    let sample = Sample::new(300);
    let other = Sample::new(1);
    let mut trust = sample.trust();
    trust.log.witnesses = other.trust().log.witnesses;
    let report = verify_folder(sample.folder.path(), &trust, &|_, _| {});
    assert_eq!(found(&report, FindingKind::Quorum), [None], "{report}");
    trust.log.logs = other.trust().log.logs;
    let report = verify_folder(sample.folder.path(), &trust, &|_, _| {});
    assert_eq!(found(&report, FindingKind::Signature).len(), 4, "{report}");
    trust.log.logs.clear();
    assert_eq!(verify_folder(sample.folder.path(), &trust, &|_, _| {}).exit_code(), 2);
    assert_eq!(verify_folder(&sample.path("nowhere"), &trust, &|_, _| {}).exit_code(), 2);
}

#[test]
fn receipts_hold_the_log_to_its_promise() {
    let sample = Sample::new(700);
    // Signed, promised, and not there though the delay is over.
    let jws = sample.jws("exchange-lost", at(20), 60, &Hash::leaf(b"lost"));
    sample.write("receipts/exchange-lost.jws", jws.as_bytes());
    // Not there either, but still within its delay.
    let jws = sample.jws("exchange-young", at(699), 60, &Hash::leaf(b"young"));
    sample.write("receipts/exchange-young.jws", jws.as_bytes());
    // There, but a witness saw the tree without it after the delay.
    sample.receipt("exchange-404", at(100), 60, 404);
    let report = sample.verify();
    let files: Vec<_> = report.findings.iter().map(|f| (f.kind, f.file.as_deref().unwrap())).collect();
    let late = (FindingKind::Receipt, "exchange-404.jws");
    assert_eq!(files, [late, late, (FindingKind::Receipt, "exchange-lost.jws")], "{report}");
    assert_eq!((report.receipts_included, report.receipts_pending), (1, 1));

    let sample = Sample::new(20);
    let jws = sample.jws("exchange-8", at(8), 60, &sample.entries[8].hash);
    let stranger = Sample::new(1).jws("exchange-8", at(8), 60, &sample.entries[8].hash);
    for (false_one, reason) in [
        (stranger, "signature fausse"),
        (jws.replace(".ey", ".eY"), "signature fausse"),
        (sample.jws("exchange-4", at(8), 60, &sample.entries[8].hash), "autre échange"),
        (sample.jws("exchange-8", at(8), 60, &sample.entries[9].hash), "pas une acceptation"),
    ] {
        sample.write("receipts/exchange-8.jws", false_one.as_bytes());
        let report = sample.verify();
        assert!(report.findings.iter().any(|f| f.kind == FindingKind::Receipt && f.detail.contains(reason)), "{report}");
    }
}

#[test]
fn i09_evidence_outlives_content() {
    let sample = Sample::new(20);
    fs::remove_file(sample.path(&openings_path(0))).unwrap();
    let writer_path = sample.path(&openings_path(0));
    let lines: String = sample.entries.iter().map(|e| format!("{{\"leaf\":\"{}\",\"expired\":true}}\n", e.hash.to_url())).collect();
    fs::write(writer_path, lines).unwrap();
    let report = sample.verify();
    assert_eq!((report.exit_code(), report.openings_expired, report.openings_withheld), (0, 20, 0), "{report}");
    assert_eq!((report.receipts_included, report.unmatched_releases), (1, 10));
    assert!(report.to_string().contains("expirées : 20"));
}

#[test]
fn openings_must_match_their_commitments() {
    let sample = Sample::new(20);
    let text = String::from_utf8(sample.read(&openings_path(0))).unwrap();
    sample.write(&openings_path(0), text.replace("exchange-12", "exchange-16").as_bytes());
    let report = sample.verify();
    assert_eq!(found(&report, FindingKind::Opening), [Some(12), Some(13), Some(14)], "{report}");
}

#[test]
fn i05_no_record_no_release() {
    let make = |event, at, fields: &[(&str, serde_json::Value)]| {
        let entry = Entry::new(event, at, "p");
        fields.iter().fold(entry, |entry, (name, value)| entry.commit(name, value)).finish(&SystemRandom::new()).unwrap()
    };
    let people = |pairs: [(&str, &str); 2]| json!(pairs.map(|(who, role)| json!({"professional": who, "role": role})));
    let approved = |who: &str, minute| {
        let values = [("action", json!("reidentification-approved")), ("request", json!("r")), ("professional", json!(who))];
        make(Event::DecisionMade, at(minute), &values)
    };
    let reidentified = |approvers: [(&str, &str); 2]| {
        let values = [("request", json!("r")), ("professional", json!("p0")), (field::APPROVERS, people(approvers))];
        make(Event::IdentityReidentified, at(7), &values)
    };
    let entries = vec![
        make(Event::ExchangeAccepted, at(0), &[(field::EXCHANGE, json!("a")), (field::DECISION, json!("permit"))]),
        make(Event::ExchangeAccepted, at(1), &[(field::EXCHANGE, json!("b")), (field::DECISION, json!("refusal"))]),
        make(Event::ExchangeOpened, at(2), &[(field::EXCHANGE, json!("a"))]),
        make(Event::ExchangeOpened, at(3), &[(field::EXCHANGE, json!("b"))]),
        make(Event::ExchangeDelivered, at(4), &[(field::EXCHANGE, json!("c"))]),
        approved("p1", 5),
        approved("p2", 5),
        reidentified([("p1", "dpo"), ("p2", "cadre-crip")]),
        reidentified([("p1", "dpo"), ("p1", "cadre-crip")]),
        reidentified([("p1", "dpo"), ("p2", "dpo")]),
        // The one who asked, and one who never said so.
        reidentified([("p1", "dpo"), ("p0", "cadre-crip")]),
        reidentified([("p1", "dpo"), ("p3", "cadre-crip")]),
        make(Event::GatewayStarted, at(200), &[]),
        make(Event::ClockFired, at(150), &[]),
        make(Event::ClockFired, at(139), &[]),
    ];
    let sample = Sample::with(entries);
    fs::remove_dir_all(sample.path("receipts")).unwrap();
    let report = sample.verify();
    assert_eq!(found(&report, FindingKind::Process), [Some(3), Some(4), Some(8), Some(9), Some(10), Some(10), Some(11)], "{report}");
    assert_eq!(found(&report, FindingKind::Time), [Some(14)], "{report}");
    assert_eq!(report.findings.len(), 8, "{report}");
}

#[test]
fn one_piece_of_evidence_is_enough() {
    let sample = Sample::new(300);
    let entry = &sample.entries[8];
    let hashes = inclusion_proof(8, 300, &sample.tiles).unwrap();
    let proof = LogProof { extra: None, index: 8, hashes, checkpoint: sample.latest.clone() };
    let evidence = Evidence {
        receipt: Some(sample.jws("exchange-8", at(8), 60, &entry.hash)),
        entry: String::from_utf8(entry.leaf.clone()).unwrap(),
        openings: Some(entry.openings.subset(&[field::EXCHANGE])),
        expired: false,
        proof: proof.to_string(),
        checkpoint: Some(sample.latest.to_string()),
    };
    let verify = |evidence: &Evidence| verify_evidence(&serde_json::to_string(evidence).unwrap(), &sample.trust());
    let report = verify(&evidence);
    assert_eq!((report.exit_code(), report.openings_verified, report.receipts_included), (0, 1, 1), "{report}");

    let expired = verify(&Evidence { openings: None, expired: true, ..evidence.clone() });
    assert_eq!((expired.exit_code(), expired.openings_expired, expired.openings_withheld), (0, 1, 0), "{expired}");

    let other = &sample.entries[12];
    let swapped = Evidence { entry: String::from_utf8(other.leaf.clone()).unwrap(), ..evidence.clone() };
    let report = verify(&swapped);
    for kind in [FindingKind::Root, FindingKind::Opening, FindingKind::Receipt] {
        assert_eq!(found(&report, kind), [Some(8)], "{report}");
    }
    assert_eq!(verify_evidence("{}", &sample.trust()).exit_code(), 2);

    // The same files, for `tests/interop/*.py`: PASSERELLE_INTEROP names an empty folder.
    if let Some(folder) = std::env::var_os("PASSERELLE_INTEROP").map(PathBuf::from) {
        let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        copy(sample.folder.path(), &folder);
        write("proof.tlog-proof", evidence.proof.clone());
        write("leaf.json", evidence.entry.clone());
        write("log.vkey", sample.log.verifier().to_string());
        write("witness.vkey", sample.witness.verifier().to_string());
        write("jwks.json", serde_json::to_string(&sample.trust().receipts).unwrap());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &to);
        } else {
            fs::copy(file.path(), to).unwrap();
        }
    }
}

/// Entries about policy sets, put before an ordinary log: what `audit verify` says of them.
fn of_sets(entries: Vec<Entry>) -> Vec<String> {
    let sealed = entries.into_iter().map(|entry| entry.finish(&SystemRandom::new()).unwrap()).collect();
    let report = Sample::with(sealed).verify();
    report.findings.iter().map(|finding| finding.detail.clone()).filter(|detail| detail.contains("jeu de règles")).collect()
}

#[test]
fn i08_a_policy_set_takes_force_by_two_people_who_said_so_before() {
    let first = |n| Entry::new(Event::PolicyChanged, at(n), "0a1b").commit("set", &"0a1b").commit("first", &true);
    let approved = |n, set: &str, who: &str, role: &str| {
        Entry::new(Event::PolicyApproved, at(n), "0a1b").commit("set", &set).commit("professional", &who).commit("role", &role)
    };
    let changed = |n, set: &str, policy: &str| {
        let people = json!([{"professional": "a", "role": "dpo"}, {"professional": "b", "role": "cadre-crip"}]);
        Entry::new(Event::PolicyChanged, at(n), policy).commit("set", &set).commit(field::APPROVERS, &people)
    };
    let later = |n, policy: &str| Entry::new(Event::ClockFired, at(n), policy);
    let with = |then: Vec<Entry>| {
        let mut log = vec![first(0), approved(1, "2c2d", "a", "dpo"), approved(2, "2c2d", "b", "cadre-crip")];
        log.extend(then);
        log
    };
    let lawful = with(vec![changed(3, "2c2d", "2c2d"), later(4, "2c2d"), later(5, "0a1b")]);
    assert_eq!(of_sets(lawful), Vec::<String>::new());
    // Withdrawn, a set is nothing more than it was before it was proposed.
    let of = |event, n| Entry::new(event, at(n), "0a1b").commit("set", &"2c2d").commit("professional", &"a");
    let (proposed, withdrawn) = (|n| of(Event::PolicyProposed, n), |n| of(Event::PolicyWithdrawn, n));
    let twice = |n| [approved(n, "2c2d", "a", "dpo"), approved(n, "2c2d", "b", "cadre-crip")];
    let force = |n| [changed(n, "2c2d", "2c2d")];
    let again = |approvals: Vec<Entry>| {
        let before = [first(0), proposed(1)].into_iter().chain(twice(2)).chain([withdrawn(3), proposed(4)]);
        before.chain(approvals).chain(force(6)).collect()
    };
    assert_eq!(of_sets(again(twice(5).into())), Vec::<String>::new());
    let revived = [first(0), proposed(1), withdrawn(2)].into_iter().chain(twice(3)).chain(force(4)).collect();
    for (log, found) in [
        (again(vec![]), "approbation antérieure"),
        (revived, "après son retrait"),
        (vec![first(0), changed(1, "2c2d", "2c2d")], "approbation antérieure"),
        (with(vec![changed(3, "3e3f", "3e3f")]), "approbation antérieure"),
        (
            vec![first(0), approved(1, "2c2d", "a", "dpo"), approved(2, "2c2d", "b", "dpo"), changed(3, "2c2d", "2c2d")],
            "approbation antérieure",
        ),
        (with(vec![changed(3, "2c2d", "3e3f")]), "autre que celui"),
        (vec![first(0), first(1)], "dit premier"),
        (vec![first(0), later(1, "3e3f")], "ne dit pas qu’il fut en vigueur"),
    ] {
        let said = of_sets(log);
        assert!(said.len() == 1 && said[0].contains(found), "{found}: {said:?}");
    }
}
