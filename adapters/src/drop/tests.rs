use std::convert::Infallible;

use exchange::Instant;
use proptest::prelude::*;

use super::{
    received::{compare, complete, turn},
    signature::{Algorithm, sign, verify},
    *,
};
use crate::reading::{Column, Finding, Place};

const MANIFEST: &[u8] = include_bytes!("../../vectors/drop/departement-31_0000000042.manifeste.json");
const INPUT: &[u8] = include_bytes!("../../vectors/drop/departement-31_0000000042.signing-input.txt");
const ACKNOWLEDGEMENT: &[u8] = include_bytes!("../../vectors/drop/departement-31_0000000042.accuse.json");

fn manifest() -> Manifest {
    Manifest::read(MANIFEST).unwrap()
}

fn codes(findings: &[Finding]) -> Vec<(&Place, &str)> {
    findings.iter().map(|finding| (&finding.place, finding.code)).collect()
}

fn present() -> Vec<Present> {
    let listed = manifest().files.into_iter();
    listed.map(|file| Present { name: file.name.to_string(), size: file.size, sha256: file.sha256 }).collect()
}

#[test]
fn the_vectors_read_and_are_written_alike() {
    assert_eq!(manifest().sequence.number(), 42);
    assert_eq!(manifest().write().unwrap(), MANIFEST);
    let acknowledgement = Acknowledgement::read(ACKNOWLEDGEMENT).unwrap();
    assert_eq!(acknowledgement.remarks[0].line, Some(3));
    assert_eq!(acknowledgement.write().unwrap(), ACKNOWLEDGEMENT);
    assert_eq!(acknowledgement.name().to_string(), "departement-31_0000000042.accuse.json");
}

#[test]
fn a_manifest_says_each_place_where_it_is_wrong() {
    let text = std::str::from_utf8(MANIFEST).unwrap();
    for (from, to, path, code) in [
        ("\"version\":1", "\"version\":2", "$.version", "bad-value"),
        ("\"sequence\":42", "\"sequence\":0", "$.sequence", "bad-value"),
        ("\"size\":3", "\"size\":-3", "$.files[1].size", "bad-value"),
        ("\"size\":3", "\"taille\":3", "$.files[1]", "unknown-member"),
        ("e3b0", "E3B0", "$.files[0].sha256", "bad-value"),
        ("42_002.xml", "42_003.xml", "$.files[1].name", "bad-name"),
        ("31_0000000042_002", "32_0000000042_002", "$.files[1].name", "bad-name"),
        ("departement-31_0000000042_002.xml", "FICTIVE.xml", "$.files[1].name", "bad-value"),
    ] {
        let refused = Manifest::read(text.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(codes(&refused.0)[0], (&Place::Path(path.into()), code), "{from}");
        assert!(refused.0.iter().all(|finding| !finding.detail.contains("FICTIVE")));
    }
    assert_eq!(Manifest::read(br#"{"version":1,"version":1}"#).unwrap_err().0[0].code, "not-json");
    assert_eq!(Manifest::read(&vec![b' '; (1 << 20) + 1]).unwrap_err().0[0].code, "too-large");
}

#[test]
fn each_difference_between_list_and_directory_is_a_finding() {
    assert!(compare(&manifest(), &present()).is_empty());
    let (one, two) = (Place::File("departement-31_0000000042_001.csv".into()), Place::File("departement-31_0000000042_002.xml".into()));
    let mut cut = present();
    cut[1].size = 2;
    assert_eq!(codes(&compare(&manifest(), &cut)), [(&two, "truncated")]);
    let mut grown = present();
    grown[1].size = 4;
    assert_eq!(codes(&compare(&manifest(), &grown)), [(&two, "too-long")]);
    let mut other = present();
    other[0].sha256.replace_range(0..1, "0");
    assert_eq!(codes(&compare(&manifest(), &other)), [(&one, "wrong-digest")]);
    assert_eq!(codes(&compare(&manifest(), &present()[1..])), [(&one, "missing-file")]);

    let more = |name: &str| Present { name: name.into(), size: 0, sha256: String::new() };
    let mut more_files = present();
    more_files.extend(
        [
            "departement-31_0000000042_003.csv",
            "departement-31_0000000042_004.csv.part",
            "departement-31_0000000042.manifeste.jws",
            "departement-31_0000000043_001.csv",
            "FICTIVE Capucine.csv",
        ]
        .map(more),
    );
    let findings = compare(&manifest(), &more_files);
    let extra = Place::File("departement-31_0000000042_003.csv".into());
    // The name of a file that is not ours is not repeated: it is told by its position.
    assert_eq!(codes(&findings), [(&extra, "extra-file"), (&Place::File("n° 7".into()), "foreign-file")]);
}

#[test]
fn a_drop_is_there_once_its_signature_is() {
    let names = [
        "departement-31_0000000043.manifeste.json",
        "departement-31_0000000043.manifeste.jws.part",
        "departement-31_0000000042.manifeste.jws",
        "departement-31_0000000042.manifeste.json",
        "caf-31_0000000007.manifeste.jws",
        "FICTIVE.manifeste.jws",
    ];
    let complete: Vec<String> = complete(names).iter().map(ToString::to_string).collect();
    assert_eq!(complete, ["departement-31_0000000042.manifeste.json"]);
}

#[test]
fn a_number_comes_once_and_in_its_turn() {
    let number = |n| Sequence::new(n).unwrap();
    assert_eq!(turn(number(1), None, Earlier::None), Turn::Take);
    assert_eq!(turn(number(43), Some(number(42)), Earlier::None), Turn::Take);
    assert_eq!(turn(number(42), Some(number(42)), Earlier::SameBytes), Turn::Repeat);
    let code = |turn| match turn {
        Turn::Wait(finding) | Turn::Conflict(finding) => finding.code,
        Turn::Take | Turn::Repeat => "",
    };
    assert_eq!(code(turn(number(44), Some(number(42)), Earlier::None)), "sequence-gap");
    assert_eq!(code(turn(number(42), Some(number(42)), Earlier::OtherBytes)), "sequence-conflict");
    assert_eq!(code(turn(number(41), Some(number(42)), Earlier::None)), "sequence-past");
}

#[test]
fn what_is_signed_is_the_header_and_the_exact_bytes() {
    // A stand-in for a key: the signature is the input itself.
    let jws = sign("departement-31-2026", Algorithm::EdDsa, MANIFEST, |input| Ok::<_, Infallible>(input.to_vec())).unwrap();
    let kid = verify(&jws, MANIFEST, |signed| {
        assert_eq!(signed.input, INPUT);
        signed.algorithm == Algorithm::EdDsa && signed.signature == signed.input
    });
    assert_eq!(kid.unwrap(), "departement-31-2026");
    let other = verify(&jws, b"{}", |signed| signed.signature == signed.input);
    assert_eq!(other.unwrap_err().0[0].code, "bad-signature");
}

#[test]
fn no_other_header_is_read() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    for header in [
        r#"{"alg":"none","kid":"k","typ":"passerelle-drop+jws"}"#,
        r#"{"alg":"HS256","kid":"k","typ":"passerelle-drop+jws"}"#,
        r#"{"alg":"EdDSA","kid":"k"}"#,
        r#"{"alg":"EdDSA","kid":"k","typ":"passerelle-receipt+jwt"}"#,
        r#"{"alg":"EdDSA","kid":"","typ":"passerelle-drop+jws"}"#,
        r#"{"alg":"EdDSA","kid":"k","typ":"passerelle-drop+jws","jwk":{}}"#,
        r#"{"alg":"EdDSA","alg":"ES256","kid":"k","typ":"passerelle-drop+jws"}"#,
    ] {
        let jws = format!("{}..AAAA", URL_SAFE_NO_PAD.encode(header));
        assert_eq!(verify(jws.as_bytes(), b"", |_| true).unwrap_err().0[0].code, "not-a-signature", "{header}");
    }
    assert_eq!(verify(b"a.b.c", b"", |_| true).unwrap_err().0[0].code, "not-a-signature");
}

#[test]
fn a_remark_stands_where_the_finding_does() {
    let finding = Finding::new(Place::Cell { line: 3, column: Column::Named("prenoms") }, "missing", "Il manque un prénom.");
    let remark = Remark::of(None, &finding);
    assert_eq!((remark.line, remark.at.as_deref()), (Some(3), Some("prenoms")));
}

fn institutions() -> impl Strategy<Value = exchange::InstitutionId> {
    "[a-z][a-z0-9-]{1,20}".prop_map(|text| text.parse().unwrap())
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let files = proptest::collection::vec((0u64..1 << 50, "[0-9a-f]{64}", "[a-z0-9]{1,3}"), 1..9);
    let sequence = (1u64..=9_999_999_999).prop_map(|n| Sequence::new(n).unwrap());
    (institutions(), institutions(), sequence, 0i64..4_000_000_000_000, files).prop_map(|(sender, recipient, sequence, at, files)| {
        let listed = files.into_iter().enumerate().map(|(at, (size, sha256, extension))| {
            let part = Part::File { rank: u16::try_from(at + 1).unwrap(), extension };
            Listed { name: DropName { sender: sender.clone(), sequence, part }, size, sha256 }
        });
        let files = listed.collect();
        Manifest { sender, recipient, sequence, instant: Instant::from_unix_ms(at), files }
    })
}

fn acknowledgements() -> impl Strategy<Value = Acknowledgement> {
    let text = || proptest::option::of(".{0,20}");
    let remarks = proptest::collection::vec((proptest::option::of(1u64..999), text(), "[a-z-]{1,9}", ".{0,30}", text()), 0..5);
    (manifests(), remarks, proptest::option::of(0usize..3)).prop_map(|(drop, remarks, accepted)| Acknowledgement {
        outcome: accepted.map_or(Outcome::Refuse, |count| Outcome::Accept((0..count).map(|_| exchange::ExchangeId::new()).collect())),
        remarks: remarks
            .into_iter()
            .map(|(line, at, code, detail, cure)| Remark { file: line.map(|_| drop.files[0].name.clone()), line, at, code, detail, cure })
            .collect(),
        sender: drop.sender,
        recipient: drop.recipient,
        sequence: drop.sequence,
        instant: drop.instant,
    })
}

proptest! {
    #[test]
    fn manifests_and_answers_lose_nothing(manifest in manifests(), acknowledgement in acknowledgements()) {
        prop_assert_eq!(Manifest::read(&manifest.write().unwrap()).unwrap(), manifest);
        prop_assert_eq!(Acknowledgement::read(&acknowledgement.write().unwrap()).unwrap(), acknowledgement);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400, byte: u8) {
        let _ = (Manifest::read(&bytes), Acknowledgement::read(&bytes), verify(&bytes, &bytes, |_| true));
        let mut changed = MANIFEST.to_vec();
        let at = at % changed.len();
        changed[at] = byte;
        let _ = Manifest::read(&changed);
    }
}
