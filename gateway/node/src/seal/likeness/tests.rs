use exchange::document::Leaves;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/names.json")).unwrap()
}

fn pairs(name: &str) -> Vec<(String, Value)> {
    let list = vectors()[name].as_array().unwrap().clone();
    list.into_iter().map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone())).collect()
}

#[test]
fn names_have_the_normal_form_of_the_vectors() {
    for (text, normal) in pairs("normal") {
        assert_eq!(normal::name(&text), normal.as_str().unwrap(), "{text}");
    }
    for (text, joined) in pairs("joined") {
        assert_eq!(normal::joined(&text).as_deref(), joined.as_str(), "{text}");
    }
}

#[test]
fn names_have_the_sound_of_the_vectors() {
    for (text, code) in pairs("sound") {
        assert_eq!(phonetic::code(&text).as_deref(), code.as_str(), "{text}");
    }
    for group in vectors()["alike"].as_array().unwrap() {
        let codes: Vec<_> = group.as_array().unwrap().iter().map(|text| phonetic::code(text.as_str().unwrap())).collect();
        assert!(codes[0].is_some() && codes.iter().all(|code| *code == codes[0]), "{group}: {codes:?}");
    }
    for group in vectors()["unlike"].as_array().unwrap() {
        let code = |at: usize| phonetic::code(group[at].as_str().unwrap());
        assert_ne!(code(0), code(1), "{group}");
    }
}

#[test]
fn descriptions_agree_by_the_keys_of_the_vectors() {
    let indexer = indexer();
    let vectors: Value = serde_json::from_str(include_str!("../vectors/descriptions.json")).unwrap();
    for vector in vectors.as_array().unwrap() {
        let found = agreements(&indexer, vector["one"].clone(), vector["other"].clone());
        assert_eq!(json!(found), vector["agree"], "{}", vector["title"]);
    }
}

fn indexer() -> Indexer {
    Indexer::new(&Secret::random().unwrap()).unwrap()
}

fn child(change: Value) -> Identity {
    let mut whole = json!({"role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine", "Odile"], "sex": "F", "birth_date": "2014-02-27", "birth_place": "31555"});
    whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    Identity::new("s1".into(), Leaves::of(&whole))
}

fn agreements(indexer: &Indexer, one: Value, other: Value) -> Vec<&'static str> {
    let (one, other) = (indexer.keys(&child(one)).unwrap(), indexer.keys(&child(other)).unwrap());
    one.keys.iter().filter(|key| other.keys.contains(key)).map(|(agreement, _)| agreement.as_str()).collect()
}

#[test]
fn spelling_habits_change_nothing_and_a_typo_only_proposes() {
    let indexer = indexer();
    let same = |change| agreements(&indexer, json!({}), change);
    assert_eq!(same(json!({"birth_name": " fictivé ", "given_names": ["CAPUCINE", "odile"]})).len(), 7);
    assert_eq!(same(json!({"given_names": ["Capucine Odile"]})).len(), 7);
    assert_eq!(same(json!({"birth_name": "FICTVE"})), ["given+birth+place"]);
    assert_eq!(same(json!({"birth_name": "PHICTIVE"})), ["sound+given+birth", "given+birth+place", "sound+digits+sex"]);
    assert_eq!(same(json!({"given_names": ["Violette"]})), ["name+birth+sex", "sound+digits+sex"], "a twin");
    assert_eq!(same(json!({"birth_date": "2014-07-22"})), ["name+given+place", "sound+digits+sex"], "digits exchanged");
    assert_eq!(same(json!({"given_names": ["Capucine"]})).len(), 6, "one given name less is not everything");
}

#[test]
fn a_key_exists_only_when_all_its_parts_are_known() {
    let indexer = indexer();
    let keys = |change| indexer.keys(&child(change)).unwrap().keys.into_iter().map(|(agreement, _)| agreement.as_str()).collect::<Vec<_>>();
    assert_eq!(keys(json!({"birth_place": "Toulouse"})), ["name+given+birth", "sound+given+birth", "name+birth+sex", "sound+digits+sex"]);
    assert_eq!(keys(json!({"birth_date_quality": "estimee"})), ["name+given+place"]);
    assert_eq!(keys(json!({"birth_name": "INCONNU"})), ["given+birth+place"]);
    assert_eq!(keys(json!({"sex": "inconnu", "birth_place": "99999"})), ["name+given+birth", "sound+given+birth"]);
    assert!(keys(json!({"unborn": true})).is_empty());
    // Born abroad on a presumed day: many share it, so never automatic.
    assert!(!keys(json!({"birth_place": "99352", "birth_date": "2009-01-01"})).contains(&"everything"));
    assert!(keys(json!({"birth_place": "99352"})).contains(&"everything"));
    assert!(keys(json!({"birth_date": "2009-01-01"})).contains(&"everything"));
}

#[test]
fn adults_are_never_proposed_nor_taken_for_children() {
    let indexer = indexer();
    assert_eq!(agreements(&indexer, json!({"role": "mere"}), json!({"role": "tuteur"})), ["everything"]);
    assert!(agreements(&indexer, json!({"role": "mere"}), json!({})).is_empty());
    assert_eq!(agreements(&indexer, json!({"role": "fratrie"}), json!({"role": "jeune-majeur"})).len(), 7);
}

#[test]
fn another_vault_has_other_keys() {
    let (one, other) = (indexer().keys(&child(json!({}))).unwrap(), indexer().keys(&child(json!({}))).unwrap());
    assert!(one.keys.iter().all(|key| !other.keys.contains(key)));
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(text in "\\PC{0,30}") {
        let once = normal::name(&text);
        prop_assert_eq!(normal::name(&once), once);
    }

    #[test]
    fn case_accents_and_separators_do_not_matter(words in proptest::collection::vec("[a-z]{2,8}", 1..4)) {
        let plain = words.join(" ");
        let accented: String = plain.chars().map(|c| match c { 'e' => 'é', 'a' => 'À', 'c' => 'ç', 'i' => 'Ï', other => other }).collect();
        for other in [plain.to_uppercase(), accented, words.join("-"), words.join("’"), format!("  {} ", words.join("  "))] {
            prop_assert_eq!(normal::name(&other), normal::name(&plain));
            prop_assert_eq!(phonetic::code(&other.replace(['ç', 'Ç'], "c")), phonetic::code(&plain));
        }
    }

    #[test]
    fn a_sound_never_panics_and_never_repeats(text in "\\PC{0,30}") {
        if let Some(code) = phonetic::code(&text) {
            let letters: Vec<char> = code.chars().collect();
            prop_assert!(letters.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
