//! One mistake each: file, line and cure are told.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::catalogue::tests::{at, folder};

/// The catalogue of this repository with `old` of one file replaced by `new`, and the line on which it stood.
fn spoiled(name: &str, old: &str, new: &str) -> (TempDir, usize) {
    let dir = copy();
    let text = fs::read_to_string(dir.path().join(name)).unwrap();
    let start = text.find(old).unwrap_or_else(|| panic!("{old} is not in {name}"));
    fs::write(dir.path().join(name), text.replacen(old, new, 1)).unwrap();
    (dir, text[..start].matches('\n').count() + 1)
}

fn copy() -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in fs::read_dir(folder()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    dir
}

fn faults(dir: &TempDir) -> Vec<SourceFault> {
    Catalogue::load(dir.path()).err().unwrap_or_default()
}

#[test]
fn one_mistake_is_told_once_with_its_line_and_a_cure() {
    let ip = "information-preoccupante.toml";
    // file, text, what replaces it, lines below the text, what is said
    for (file, old, new, below, said) in [
        (ip, "tier = 1", "tiers = 1", 0, "unknown field `tiers`"),
        (ip, "tier = 1", "tier = 4", 0, "tier 4"),
        (ip, "agreement = \"none\"", "agreement = \"required\"", -11, "waits for no agreement"),
        (ip, "version = 1", "version = 0", 0, "version 0"),
        (ip, "from = [\"@declarants\"", "from = [\"@tous\"", 0, "unknown group `@tous`"),
        (ip, "{ kind = \"crip\" }", "{ kind = \"cripe\" }", 0, "unknown kind `cripe`"),
        (ip, "\"immediate-hors-horaires\"", "\"la-nuit\"", 0, "unknown condition `la-nuit`"),
        (ip, "purpose = [\"ip\"]", "purpose = [\"ipp\"]", 0, "unknown purpose `ipp`"),
        (ip, "purpose = [\"ip\"]", "purpose = []", -6, "`purpose` is empty"),
        (ip, "\"retour-pro\"", "\"retour-prof\"", 0, "unknown clock `retour-prof`"),
        (ip, "\"inform-child\"", "\"inform-children\"", 0, "unknown obligation `inform-children`"),
        (ip, "\"retour-information\"]", "\"retour\"]", 0, "unknown exchange type `retour`"),
        (ip, "answers = []", "answers = [\"rien\"]", 0, "unknown exchange type `rien`"),
        (ip, "answers = []", "answers = [\"*\", \"signalement\"]", -17, "`answers` names `*` and more"),
        (ip, "urgency = [\"immediate\",", "urgency = [\"urgent\",", 0, "unknown variant `urgent`"),
        (ip, "effective_from = 2021-01-01", "effective_from = 2021-01-01\neffective_to = 2020-01-01", 1, "is before the first"),
        (ip, "subjects = \"expected\"", "subjects = \"maybe\"", 0, "unknown variant `maybe`"),
        (ip, "type = \"fait\"", "type = \"faits\"", 0, "unknown type `faits`"),
        (ip, "type = \"CL-danger\"", "type = \"CL-dangers\"", 0, "unknown code list `CL-dangers`"),
        (ip, "path = \"texte_libre\"", "path = \"texte libre\"", 0, "is not a path"),
        (ip, "path = \"texte_libre\"", "path = \"motif_urgence\"", 0, "already stands at this place"),
        (ip, "path = \"texte_libre\"", "path = \"scolarite\"", 0, "already stands at this place"),
        (ip, "offered_to = [\"@sante\"", "offered_to = [\"@soin\"", 0, "unknown kind or group `@soin`"),
        (ip, "expected_if = \"constats_sante.certificat_joint\"", "expected_if = \"certificat\"", 0, "`expected_if` names no field"),
        (ip, "expected_if = \"constats_sante.certificat_joint\"", "expected_if = \"faits[].texte\"", 0, "of another list"),
        (ip, "path = \"texte_libre\"", "expected_if_is = [\"x\"]\npath = \"texte_libre\"", 0, "without `expected_if`"),
        (ip, "path = \"texte_libre\"", "computed = \"in-reply-to\"\npath = \"texte_libre\"", 3, "only then"),
        (ip, "path = \"texte_libre\"", "occurred = true\npath = \"texte_libre\"", 1, "`occurred` stands on one"),
        (ip, "path = \"texte_libre\"", "item_class = \"sante\"\npath = \"texte_libre\"", 0, "cannot protect the object"),
        (ip, "level = \"expected\"\nclass = \"social\"", "level = \"required\"\nclass = \"social\"", 0, "never refused for a form"),
        ("_components.toml", "type = \"CL-oni\"", "type = \"CL-ono\"", 0, "unknown code list `CL-ono`"),
        ("_components.toml", "path = \"use_name\"", "path = \"birth_name\"", 0, "already stands at this place"),
        ("_components.toml", "path = \"postcode\"\ntype = \"texte\"", "path = \"postcode\"\ntype = \"address\"", 1, "includes itself"),
        ("_components.toml", "item_class = \"lieu-accueil\"", "item_class = \"lieu\"", 0, "cannot protect the object"),
        ("_components.toml", "[\"faite\"]", "[\"fait\"]", -1, "`fait` is no code"),
        ("_codes.toml", "  \"immediate\",", "  \"immediate\",\n  \"immediate\",", 1, "stands twice"),
        ("_codes.toml", "  \"financier\",", "  \"argent\",", 0, "is no data class"),
        ("_codes.toml", "CL-voie = [", "voie = [\"civil\"]\nCL-voie = [", 0, "is no name of a code list"),
        ("_kinds.toml", "role = \"implements\"", "role = \"helps\"", 0, "unknown variant `helps`"),
        ("_kinds.toml", "    \"dsden\",", "    \"rectorat\",", 0, "unknown kind `rectorat`"),
        ("_kinds.toml", "caf = \"caf\"", "caf = \"cnaf\"", 0, "unknown origin `cnaf`"),
        ("_kinds.toml", "caf = \"caf\"", "caff = \"caf\"", 0, "unknown kind `caff`"),
        ("_clocks.toml", "under_two = \"P1M\"", "under_two = \"1M\"", 0, "`1M` is not a span"),
        ("_clocks.toml", "under_two = \"P1M\"", "under_two = \"P4M\"", 0, "is longer than for an older child"),
        ("_clocks.toml", "before = [\"P30D\"", "before = [\"P300D\"", 0, "is not before the limit"),
        ("_clocks.toml", "answered-by:suites-judiciaires", "answered-by:suites", 0, "unknown exchange type `suites`"),
        ("_clocks.toml", "recorded:written-notice-parents", "recorded:avis", 0, "`avis` is nobody's task"),
        ("_clocks.toml", "recorded:written-notice-parents", "recorded:log", 0, "`log` is nobody's task"),
        ("_clocks.toml", "\"opened\"", "\"read\"", 0, "unknown stop `read`"),
        ("_clocks.toml", "only_from = [\"@declarants\"]", "only_from = [\"@tous\"]", 0, "unknown group `@tous`"),
        ("_clocks.toml", "number = \"K04\"", "number = \"K03\"", 0, "number `K03` is taken"),
        ("_clocks.toml", "ordinary = \"P5D\"", "usual = \"P5D\"", 0, "unknown variant `usual`"),
        ("_obligations.toml", "owner = \"sender\"", "owner = \"both\"", 0, "unknown variant `both`"),
        ("_obligations.toml", "rules = [\"R02\"", "rules = [\"rule 2\"", 0, "is no rule"),
        ("_calendar.toml", "opens = 9", "opens = 19", 0, "ends before it begins"),
        ("_calendar.toml", "zone = \"Europe/Paris\"", "zone = \"UTC\"", 0, "unknown zone `UTC`"),
        ("_calendar.toml", "    2026-04-06,", "    2026-04-06T10:00:00,", 0, "is not a day"),
    ] {
        let (dir, line) = spoiled(file, old, new);
        let told = faults(&dir);
        let shown = || told.iter().map(|fault| format!("{fault}\n")).collect::<String>();
        let fault = told.iter().find(|fault| fault.what.contains(said)).unwrap_or_else(|| panic!("{new}: {}", shown()));
        assert_eq!(fault.file, dir.path().join(file), "{new}");
        assert_eq!(fault.line, line.checked_add_signed(below).unwrap(), "{new}: {}", shown());
        assert!(!fault.cure.is_empty());
        assert_eq!(told.len(), 1, "{new}: {}", shown());
    }
}

#[test]
fn i12_a_clock_has_a_limit_for_every_urgency_of_its_types() {
    let (dir, line) = spoiled("information-preoccupante.toml", "\"priority\", \"ordinary\"]", "\"priority\", \"batch\"]");
    let faults = faults(&dir);
    let told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.what.as_str())).collect();
    let clocks = line + 2;
    assert_eq!(
        told,
        [
            (clocks, "clock `evaluation` sets no limit for `batch`"),
            (clocks, "clock `premiere-analyse` sets no limit for `batch`"),
            (clocks, "clock `retour-119` sets no limit for `batch`"),
            (clocks, "clock `retour-autre` sets no limit for `batch`"),
            (clocks, "clock `retour-pro` sets no limit for `batch`"),
        ]
    );
}

#[test]
fn mistakes_of_all_files_are_told_together_in_order() {
    let (dir, _) = spoiled("signalement.toml", "tier = 1", "tier = 9");
    let path = dir.path().join("_clocks.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("P8D", "8D").replace("K21", "K99x")).unwrap();
    let told: Vec<_> = faults(&dir).iter().map(|fault| fault.file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
    assert!(told.contains(&"_clocks.toml".to_owned()) && told.contains(&"signalement.toml".to_owned()));
}

#[test]
fn a_shared_file_that_is_not_there_is_told_alone() {
    let dir = copy();
    fs::remove_file(dir.path().join("_codes.toml")).unwrap();
    let told = faults(&dir);
    assert_eq!(told.len(), 1);
    assert!(told[0].what.contains("missing") && told[0].file.ends_with("_codes.toml"));

    for (file, old, new) in [("_kinds.toml", "[groups]", "[groups"), ("signalement.toml", "tier = 1", "tier 1")] {
        let (dir, line) = spoiled(file, old, new);
        let told = faults(&dir);
        assert_eq!((told.len(), told[0].line), (1, line), "{file}");
    }

    let dir = copy();
    fs::write(dir.path().join("_code.toml"), "").unwrap();
    assert!(faults(&dir)[0].what.contains("no shared file"));
}

#[test]
fn versions_follow_each_other() {
    let dir = copy();
    let path = dir.path().join("accuse-reception.toml");
    let first = fs::read_to_string(&path).unwrap();
    let second = first.replace("version = 1", "version = 2").replace("2021-01-01", "2027-01-01");
    fs::write(dir.path().join("accuse-reception-2.toml"), &second).unwrap();
    assert!(faults(&dir)[0].what.contains("two versions of `accuse-reception` are in force on 2027-01-01"));

    fs::write(&path, first.replace("effective_from = 2021-01-01", "effective_from = 2021-01-01\neffective_to = 2026-12-31")).unwrap();
    let catalogue = Catalogue::load(dir.path()).unwrap();
    let code = "accuse-reception".parse().unwrap();
    let version = |text: &str| catalogue.exchange_type(&code, at(text)).map(|one| one.version);
    assert_eq!(version("2026-12-31T22:59:59Z"), Some(1));
    assert_eq!(version("2026-12-31T23:00:00Z"), Some(2));

    fs::write(dir.path().join("accuse-reception-2.toml"), second.replace("version = 2", "version = 1")).unwrap();
    assert!(faults(&dir)[0].what.contains("follows version 1"));
}

#[test]
fn what_is_not_needed_changes_the_hash_all_the_same() {
    let dir = copy();
    let before = Catalogue::load(dir.path()).unwrap().hash;
    let path = dir.path().join("_calendar.toml");
    fs::write(&path, format!("{}\n# remark\n", fs::read_to_string(&path).unwrap())).unwrap();
    assert_ne!(Catalogue::load(dir.path()).unwrap().hash, before);
}
