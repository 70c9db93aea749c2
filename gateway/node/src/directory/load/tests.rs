//! The sample is whole, and each mistake is told on its line.

use std::fs;

use time::macros::date;

use super::*;
use crate::directory::change::{Change, Turn};

fn any_kind(_: &Kind) -> bool {
    true
}

fn sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/directory")
}

/// What `text` gives as the only file of a folder.
fn load(text: &str) -> Result<Directory, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), text).unwrap();
    Directory::load(dir.path(), &any_kind).map_err(|faults| faults.iter().map(|f| format!("{}: {}", f.line, f.what)).collect())
}

const GOOD: &str = r#"[[institution]]
id = "caf-31"
name = "CAF"
kind = "caf"
departement = "31"
[institution.token_issuer]
iss = "urn:passerelle:institution:caf-31"
[[institution.unit]]
id = "prestations"
name = "Prestations"
kind = "caf"
[[professional]]
sub = "p-00001"
institution = "caf-31"
units = ["prestations"]
profession = "agent"
secrecy = "fonction"
protection = "none"
roles = []
[[professional.habilitation]]
unit = "prestations"
from = 2026-01-15
to = 2026-02-15
"#;

fn mistake(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from));
    load(&GOOD.replacen(from, to, 1)).unwrap_err()
}

fn more(text: &str) -> Vec<String> {
    load(&format!("{GOOD}{text}")).unwrap_err()
}

#[test]
fn the_sample_is_whole() {
    let directory = Directory::load(&sample(), &any_kind).unwrap();
    assert_eq!(directory.hash().len(), 64);
    let crip: Vec<_> = directory.units_of_kind(&"crip".parse().unwrap()).into_iter().map(|(i, u)| format!("{}/{}", i.id, u.id)).collect();
    assert_eq!(crip, ["departement-31/crip"]);
    let party = exchange::Party { institution: "dsden-31".parse().unwrap(), unit: Some("ssfe".parse().unwrap()) };
    assert_eq!(directory.party(&party).unwrap().kind.as_str(), "en-sante-social");
    let whole = exchange::Party { unit: None, ..party.clone() };
    assert_eq!(directory.party(&whole).unwrap().kind.as_str(), "dsden");
    assert!(directory.party(&exchange::Party { unit: Some("crip".parse().unwrap()), ..party }).is_none());
    assert_eq!(directory.institution_of_issuer("urn:passerelle:institution:caf-31").unwrap().id.as_str(), "caf-31");
    // Every role has somebody, and nobody holds a published private key: the sample has no key at all.
    for role in ["agent-crip", "cadre-crip", "magistrat", "astreinte", "dpo", "auditeur", "administrateur", "reporter"] {
        let role = serde_json::from_value(Value::from(role)).unwrap();
        assert!(directory.professionals().any(|person| person.has_role(role)), "{role:?}");
    }
    for file in fs::read_dir(sample().join("institutions")).unwrap() {
        assert!(!fs::read_to_string(file.unwrap().path()).unwrap().contains("token_issuer.keys"));
    }
}

#[test]
fn both_days_of_a_habilitation_count() {
    let directory = load(GOOD).unwrap();
    let person = directory.professionals().next().unwrap();
    let unit = "prestations".parse().unwrap();
    let held = |on| person.habilitated(&unit, on);
    assert_eq!(
        [held(date!(2026 - 01 - 14)), held(date!(2026 - 01 - 15)), held(date!(2026 - 02 - 15)), held(date!(2026 - 02 - 16))],
        [false, true, true, false]
    );
    assert!(!person.habilitated(&"autre".parse().unwrap(), date!(2026 - 01 - 20)));
}

#[test]
fn an_institution_is_served_between_its_days() {
    let directory = load(&GOOD.replace("departement = \"31\"", "departement = \"31\"\nfrom = 2026-01-02\nto = 2026-01-03")).unwrap();
    let caf = directory.institutions().next().unwrap();
    assert_eq!([1, 2, 3, 4].map(|day| caf.served_on(date!(2026 - 01 - 01).replace_day(day).unwrap())), [false, true, true, false]);
}

#[test]
fn each_mistake_is_told() {
    assert_eq!(
        mistake("kind = \"caf\"\nd", "kind = \"caf\"\ncolour = \"red\"\nd").len(),
        2,
        "the shape, and the person without institution"
    );
    assert_eq!(
        mistake("[[institution.unit]]", "[[institution.unit]]\nlead = \"p-00009\""),
        ["9: the lead of this unit is no professional of its institution"]
    );
    assert_eq!(
        mistake("[[institution.unit]]", "[[institution.unit]]\ndeputy = \"p-00009\""),
        ["9: the deputy of this unit is no professional of its institution"]
    );
    assert_eq!(mistake("units = [\"prestations\"]", "units = [\"crip\"]"), ["15: unknown unit `crip` of `caf-31`"]);
    assert_eq!(mistake("unit = \"prestations\"\nf", "unit = \"crip\"\nf"), ["21: unknown unit `crip` of `caf-31`"]);
    assert_eq!(mistake("institution = \"caf-31\"", "institution = \"caf-32\""), ["14: unknown institution `caf-32`"]);
    assert_eq!(mistake("to = 2026-02-15", "to = 2026-01-01"), ["23: the last day `2026-01-01` is before the first `2026-01-15`"]);
    assert_eq!(mistake("from = 2026-01-15", "from = 2026-01-15T10:00:00Z"), ["22: `2026-01-15T10:00:00Z` is not a day"]);
    assert_eq!(mistake("sub = \"p-00001\"", "sub = \"Marie D\""), ["13: a `sub` is 3 to 40 of `a-z0-9-`"]);
    assert_eq!(mistake("departement = \"31\"", "departement = \"Haute\""), ["5: `Haute` is not a département"]);
    assert_eq!(
        mistake("institution:caf-31\"", "institution:caf-32\""),
        ["7: issuer `urn:passerelle:institution:caf-32` names another institution"]
    );
    assert_eq!(
        mistake("[institution.token_issuer]\niss = \"urn:passerelle:institution:caf-31\"\n", ""),
        ["10: institution `caf-31` has professionals and no token issuer"]
    );
    assert_eq!(mistake("[[institution]]", "certificate = 1\n[[institution]]"), ["1: unknown entry `certificate`"]);
    assert_eq!(
        mistake("departement = \"31\"", "departement = \"31\"\ncertificate_issuers = [\"../ca\"]"),
        ["6: `../ca` cannot name a certificate authority"]
    );
    assert_eq!(
        mistake("[[institution.unit]]", "[[institution.unit]]\npush = { url = \"http://x\" }"),
        ["9: `http://x` cannot be a push address"]
    );
    assert!(mistake("id = \"caf-31\"", "id = \"CAF 31\"")[0].contains("2: "));
    assert!(mistake("name = \"CAF\"", "name = ")[0].starts_with("3: "));
}

#[test]
fn codes_are_checked() {
    let with = |codes: &str| load(&GOOD.replace("departement = \"31\"", &format!("departement = \"31\"\ncodes = {{ {codes} }}")));
    assert!(
        with("siret = \"35600000000048\", uai = \"0310036W\", finess = \"310000021\", insee = \"31555\", siren = \"356000000\"").is_ok()
    );
    for (code, said) in [
        ("siret = \"35600000000049\"", "6: `35600000000049` is not a valid SIRET"),
        ("siren = \"356000001\"", "6: `356000001` is not a valid SIREN"),
        ("uai = \"0310036X\"", "6: `0310036X` is not a valid UAI"),
        ("finess = \"31000002\"", "6: `31000002` is not a valid FINESS"),
        ("insee = \"3155\"", "6: `3155` is not a valid INSEE"),
        ("rna = \"W1\"", "6: unknown code `rna`"),
    ] {
        assert_eq!(with(code).unwrap_err(), [said]);
    }
}

#[test]
fn nothing_is_declared_twice() {
    let institution = "[[institution]]\nid = \"caf-31\"\nname = \"x\"\nkind = \"caf\"\ndepartement = \"31\"\n";
    assert_eq!(more(institution), ["25: institution `caf-31` is declared twice"]);
    let thief = "[[institution]]\nid = \"msa-31\"\nname = \"x\"\nkind = \"msa\"\ndepartement = \"31\"\ntoken_issuer = { iss = \"urn:passerelle:institution:caf-31\" }\n";
    assert_eq!(more(thief), ["29: issuer `urn:passerelle:institution:caf-31` is claimed by `caf-31` and by `msa-31`"]);
    let person = GOOD.split_once("[[professional]]").unwrap().1;
    assert_eq!(more(&format!("[[professional]]{person}")), ["25: professional `p-00001` is declared twice"]);
    assert_eq!(
        mistake("[[professional]]", "[[institution.unit]]\nid = \"prestations\"\nname = \"x\"\nkind = \"caf\"\n[[professional]]"),
        ["13: unit `prestations` is declared twice in `caf-31`"]
    );
}

#[test]
fn all_mistakes_at_once() {
    let text = GOOD
        .replace("31\"\n[inst", "31\"\ncodes = { uai = \"1\" }\n[inst")
        .replace("units = [\"prestations\"]", "units = [\"crip\", \"pmi\"]");
    assert_eq!(load(&text).unwrap_err().len(), 3);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), GOOD).unwrap();
    let faults = Directory::load(dir.path(), &|kind| kind.as_str() != "caf").unwrap_err();
    assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [4, 11]);
    assert!(faults[0].to_string().ends_with("a.toml:4: unknown kind `caf`; use a kind of `_kinds.toml`"));
}

#[test]
fn keys_are_public_and_each_of_one_issuer() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let set = |jwk: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("keys")).unwrap();
        fs::write(dir.path().join("keys/caf-31.jwks.json"), jwk).unwrap();
        fs::write(dir.path().join("a.toml"), GOOD.replace(":caf-31\"\n", ":caf-31\"\nkeys_file = \"keys/caf-31.jwks.json\"\n")).unwrap();
        Directory::load(dir.path(), &any_kind).map_err(|faults| faults[0].to_string())
    };
    let directory = set(&format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#)).unwrap();
    let issuer = directory.institutions().next().unwrap().token_issuer.clone().unwrap();
    assert_eq!(issuer.keys.keys().collect::<Vec<_>>(), ["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]);
    assert!(set(&format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{x}"}}]}}"#)).unwrap_err().contains("private key"));
    assert!(set("[]").unwrap_err().contains("not a JWK set"));
    assert_eq!(mistake(":caf-31\"\n", ":caf-31\"\nkeys_file = \"../caf.json\"\n"), ["8: `../caf.json` cannot be a key file"]);
    let inline = format!("[[institution.token_issuer.keys]]\nkty = \"OKP\"\ncrv = \"Ed25519\"\nx = \"{x}\"\nkid = \"k1\"\n");
    assert!(load(&GOOD.replace("[[institution.unit]]", &format!("{inline}[[institution.unit]]"))).is_ok());
    let twice = GOOD.replace("[[institution.unit]]", &format!("{inline}{inline}[[institution.unit]]"));
    assert_eq!(load(&twice).unwrap_err(), ["13: key `k1` is declared twice"]);
    let other = GOOD.replace("[[institution.unit]]", &format!("{inline}[[institution.unit]]"))
        + &format!(
            "[[institution]]\nid = \"msa-31\"\nname = \"x\"\nkind = \"msa\"\ndepartement = \"31\"\n[institution.token_issuer]\niss = \"urn:passerelle:institution:msa-31\"\n{inline}"
        );
    assert_eq!(load(&other).unwrap_err().len(), 1);
}

#[test]
fn changes_are_told_by_id() {
    let (old, new) =
        (load(GOOD).unwrap(), load(&GOOD.replace("to = 2026-02-15", "to = 2026-03-15").replace("\"CAF\"", "\"Caf\"")).unwrap());
    let person = old.professionals().next().unwrap().id.clone();
    assert_eq!(
        new.changes(&old),
        [
            Change::Institution(Turn::Changed, "caf-31".parse().unwrap()),
            Change::Habilitation(Turn::Changed, person.clone(), "prestations".parse().unwrap())
        ]
    );
    assert_eq!(new.changes(&new), []);
    let empty = load("").unwrap();
    assert_eq!(new.changes(&empty).len(), 4);
    assert!(empty.changes(&new).contains(&Change::Professional(Turn::Removed, person)));
    assert_ne!(old.hash(), new.hash());
}

#[test]
fn earlier_versions_of_a_mounted_folder_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("..2026_01_01")).unwrap();
    fs::write(dir.path().join("..2026_01_01/a.toml"), GOOD).unwrap();
    fs::write(dir.path().join("a.toml"), GOOD).unwrap();
    assert!(Directory::load(dir.path(), &any_kind).is_ok());
}

#[test]
fn a_missing_folder_is_a_fault() {
    assert_eq!(Directory::load(Path::new("/nowhere/at/all"), &any_kind).unwrap_err().len(), 1);
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = load(&text);
        let _ = load(&format!("[[institution]]\n{text}"));
    }
}

#[test]
fn a_drop_says_which_system_reads_and_the_system_is_no_person() {
    let with = |push: &str, profession: &str| {
        let system = format!(
            "[[professional]]\nsub = \"s-00001\"\ninstitution = \"caf-31\"\nunits = [\"prestations\"]\nprofession = \"{profession}\"\n\
             secrecy = \"fonction\"\nprotection = \"none\"\n"
        );
        let unit = format!("[[institution.unit]]\npush = {push}\n");
        load(&format!("{}{system}", GOOD.replacen("[[institution.unit]]\n", &unit, 1)))
    };
    let reads = r#"{ url = "sftp:caf-31", system = true, reader = "s-00001", agreement = "l00-caf" }"#;
    assert!(with(reads, "systeme").is_ok());
    assert!(with(r#"{ url = "sftp:caf-31" }"#, "systeme").is_ok(), "a notice needs nobody");
    for (push, profession, what) in [
        (reads, "agent", "the reader of this unit is not what it must be"),
        (&reads.replace("s-00001", "p-00001"), "systeme", "the reader of this unit is not what it must be"),
        (&reads.replace("s-00001", "s-00002"), "systeme", "the reader of this unit is no professional of its institution"),
        (&reads.replace("sftp:caf-31", "sftp:caf-82"), "systeme", "`sftp:caf-82` cannot be a push address"),
        (r#"{ url = "sftp:caf-31", system = true }"#, "systeme", "nobody says which system reads, and under what"),
    ] {
        let faults = with(push, profession).unwrap_err();
        assert!(faults.iter().any(|fault| fault.ends_with(what)), "{push}: {faults:?}");
    }
}
