//! Vectors of the C2SP specifications, tampering, and the fixed point of reading and writing.

use super::*;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use std::sync::OnceLock;

pub(in crate::log) fn example(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { origin: "example.org/log".into(), size, root, extensions: Vec::new() }
}

fn key(name: &str, kind: KeyKind) -> Signer {
    static PKCS8: OnceLock<Vec<u8>> = OnceLock::new();
    let pkcs8 = PKCS8.get_or_init(|| Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec());
    Signer::from_pkcs8(name, kind, pkcs8).unwrap()
}

pub(in crate::log) fn log_key(name: &str) -> Signer {
    key(name, KeyKind::Log)
}

fn at() -> Instant {
    Instant::from_unix_ms(1_679_315_147_250)
}

#[test]
fn reads_and_verifies_the_key_of_the_signed_note_specification() {
    let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let key: VerifierKey = text.parse().unwrap();
    assert_eq!((key.name(), key.kind(), key.to_string().as_str()), ("example.com/foo", KeyKind::Log, text));
    let line =
        signature_line("— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=")
            .unwrap();
    assert_eq!(line.key_id, key.id());
    assert_eq!(key.verify("This is an example message.\n", &line.bytes), Some(None));
    assert_eq!(key.verify("This is an example massage.\n", &line.bytes), None);
    for altered in [text.replace("530d", "530e"), text.replace("530d", "530D"), text.replace("foo", "fo o"), text.replace("+Ae", "+Aa")] {
        assert_eq!(altered.parse::<VerifierKey>().map_err(|_| ()), Err(()), "{altered}");
    }
}

#[test]
fn prints_the_example_of_the_cosignature_specification() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let note: SignedCheckpoint = text.parse().unwrap();
    assert_eq!(note.checkpoint.size, 20_852_163);
    assert_eq!(note.signatures[1].bytes[..8], 1_679_315_147_u64.to_be_bytes());
    assert_eq!(note.to_string(), text);
    assert_eq!(cosigned_text(1_679_315_147, &note.checkpoint.text()).lines().nth(1), Some("time 1679315147"));
}

#[test]
fn a_log_signs_and_a_witness_cosigns() {
    let (log, witness) = (log_key("example.org/log"), key("w.example/1", KeyKind::Witness));
    let mut note = log.sign(example(3, Hash::leaf(b"x")), at());
    let trust = LogTrust { logs: vec![log.verifier().clone()], witnesses: vec![witness.verifier().clone()], quorum: 1 };
    assert_eq!(trust.check(&note), Err(NoteError::NoQuorum { found: 0, quorum: 1 }));
    witness.cosign(&mut note, at());
    let note: SignedCheckpoint = note.to_string().parse().unwrap();
    assert_eq!(trust.check(&note), Ok(vec![Instant::from_unix_ms(1_679_315_147_000)]));

    let twice = LogTrust { witnesses: vec![witness.verifier().clone(); 2], quorum: 2, ..trust.clone() };
    assert_eq!(twice.check(&note), Err(NoteError::NoQuorum { found: 1, quorum: 2 }));

    // A line of a stranger is kept and ignored; a false line of a known key spoils the note.
    let mut strange = note.clone();
    key("else.example/1", KeyKind::Witness).cosign(&mut strange, at());
    assert!(trust.check(&strange).is_ok());
    let mut forged = note.clone();
    forged.checkpoint.size = 4;
    assert_eq!(trust.check(&forged), Err(NoteError::FalseSignature("example.org/log".into())));
    let mut shifted = note.clone();
    shifted.signatures[1].bytes[7] ^= 1;
    assert_eq!(trust.check(&shifted), Err(NoteError::FalseSignature("w.example/1".into())));

    // The log's own key does not speak for another origin.
    let other = log.sign(Checkpoint { origin: "example.org/other".into(), ..example(3, Hash::leaf(b"x")) }, at());
    assert_eq!(trust.check(&other), Err(NoteError::NotSigned("example.org/other".into())));
    let mut merged = log.sign(note.checkpoint.clone(), at());
    merged.merge(&note).unwrap();
    assert_eq!(merged, note);
    assert!(merged.merge(&other).is_err());
}

#[test]
fn reads_strictly() {
    let text = log_key("example.org/log").sign(example(12, Hash::leaf(b"x")), at()).to_string();
    for altered in [
        text.replace("\n12\n", "\n012\n"),
        text.replace("\n12\n", "\n+12\n"),
        text.replace("\n12\n", "\n12\r\n"),
        text.replace("example.org/log\n12", "\n12"),
        text.replace("— ", "- "),
        text.replace("=\n\n", "\n\n"),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        text.split_inclusive("\n\n").next().unwrap().to_owned(),
    ] {
        assert!(altered.parse::<SignedCheckpoint>().is_err(), "{altered:?}");
    }
}

proptest! {
    #[test]
    fn parse_is_the_inverse_of_print(size: u64, root: [u8; 32], extensions in proptest::collection::vec("[!-~é]{1,20}", 0..3), lines in 1_usize..4) {
        let mut note = log_key("example.org/log").sign(Checkpoint { extensions, ..example(size, Hash(root)) }, at());
        for _ in 1..lines {
            key("w", KeyKind::Witness).cosign(&mut note, at());
        }
        let text = note.to_string();
        let again: SignedCheckpoint = text.parse().unwrap();
        prop_assert_eq!(again.to_string(), text);
        prop_assert_eq!(again, note);
    }

    #[test]
    fn what_is_read_is_printed_alike(text in "[a-z]{0,3}\n[0-9]{0,3}\n[A-Za-z=]{0,44}\n(x\n)?\n— [a-z+ ]{0,4} [A-Za-z0-9+/]{0,12}={0,2}\n") {
        if let Ok(note) = text.parse::<SignedCheckpoint>() {
            prop_assert_eq!(note.to_string(), text);
        }
    }
}
