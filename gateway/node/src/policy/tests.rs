//! The rules of the repository, asked in ways no single case would: every kind, every fact, every part.

mod closed;
mod open;
mod random;
pub(super) mod world;

use std::{collections::BTreeSet, fs, time::Instant as Stopwatch};

use exchange::DataClass;
use serde_json::json;

use self::world::{World, alert, classes, copy, folder, kind, load, reader};
use super::*;

#[test]
fn i08_a_past_decision_is_replayed_with_the_same_answer() {
    let world = World::new();
    let admitted = world.send(&alert(), "hopital", "crip").run(&world);
    let (_, permit, obligations, record) = admitted.unwrap().into_parts();
    assert_eq!(permit.exchange(), record.exchange);
    assert!(obligations.contains(&"feedback-due".to_owned()));
    // As the log keeps it: through bytes.
    let kept: DecisionRecord = serde_json::from_slice(&serde_json::to_vec(&record).unwrap()).unwrap();
    assert_eq!(kept, record);
    let replay = world.policies.replay(&kept);
    assert!(replay.same && replay.same_policies && replay.different.is_empty());

    // Another fact, another answer: the replay says which question.
    let mut forged = kept.clone();
    forged.facts["to_kind"] = json!("mairie-ccas");
    let replay = world.policies.replay(&forged);
    assert!(!replay.same && replay.same_policies);
    assert_eq!(replay.different.len(), 1);
    // The law changed since: the day of the decision has its own rules, today has others.
    let ended = r#"@id("fermeture") @rule("R05") @article("a") @effective_from("2027-01-01")
@explain("Plus rien ne passe.") @missing("Une loi.") @cure("Attendre.") @who("le législateur")
forbid (principal, action == Action::"submit", resource);"#;
    let world = World::with_law(ended);
    let (_, _, _, record) = world.send(&alert(), "hopital", "crip").run(&world).unwrap().into_parts();
    assert!(world.send(&alert(), "hopital", "crip").at("2027-01-02T09:00:00Z").run(&world).is_err());
    assert!(world.policies.replay(&record).same);
    // A record of other rules is said to be one.
    let older = DecisionRecord { policy_set: "0".repeat(64), ..kept };
    assert!(!world.policies.replay(&older).same);
}

#[test]
fn a_reading_with_its_parts_is_replayed_too() {
    let world = World::new();
    let release = world.open(&alert(), "hopital", "equipe-evaluation", &reader("educateur-specialise")).run(&world).unwrap();
    assert!(release.record().questions.len() > 14);
    assert!(world.policies.replay(release.record()).same);
}

#[test]
fn every_refusal_says_six_things_in_french() {
    let world = World::new();
    let mut explanations: Vec<Explanation> =
        world.policies.notes.values().map(|note| note.explanation.clone()).filter(|text| !text.missing.is_empty()).collect();
    assert!(explanations.len() > 30);
    explanations.extend([Explanation::of_default(&json!({})), Explanation::of_failure()]);
    for text in explanations {
        for sentence in [&text.explain, &text.missing, &text.cure] {
            assert!(sentence.ends_with('.') && sentence.len() > 20 && !sentence.contains('\''), "{sentence}");
        }
        assert!(text.rule.split(' ').all(|rule| rule.len() == 3 && rule.starts_with('R')), "{}", text.rule);
        assert!(!text.article.is_empty() && !text.who.is_empty(), "{}", text.rule);
        // What a rule says of itself never names an exchange in particular.
        assert!(!text.explain.contains("Cet échange est"), "{}", text.explain);
    }
}

#[test]
fn a_default_refusal_says_which_end_the_catalogue_does_not_foresee() {
    let said = |facts| Explanation::of_default(&facts).missing;
    assert_eq!(said(json!({"from_ok": false, "to_ok": false})), "Cet échange n’est pas prévu au départ de ce service.");
    assert_eq!(said(json!({"from_ok": true, "to_ok": false})), "Cet échange n’est pas prévu vers ce destinataire.");
    assert_eq!(said(json!({"from_ok": true, "to_ok": true})), "Aucune règle n’ouvre cette information à ce destinataire.");
}

#[test]
fn the_probe_is_a_decision() {
    assert_eq!(World::new().policies.probe(), Ok(()));
    // Rules that permit what nothing foresees are not fit to decide.
    let open = r#"@id("tout") @rule("R01") @article("a") @effective_from("2016-03-14") @explain("Tout est permis.")
permit (principal, action, resource);"#;
    let dir = copy();
    for entry in fs::read_dir(dir.path().join("law")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    fs::write(dir.path().join("local/test.cedar"), open).unwrap();
    assert_eq!(load(dir.path()).unwrap().probe(), Err(Unfit));
}

/// `gateway policy table policies` prints what belongs between the two marks.
#[test]
fn every_rule_has_its_place_in_the_table() {
    let table = rules_table(&folder()).unwrap();
    assert!(table.faults().is_empty(), "{:#?}", table.faults());
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- table of rules: begin -->\n").unwrap();
    let (written, _) = rest.split_once("<!-- table of rules: end -->").unwrap();
    for (n, (written, made)) in written.lines().zip(table.to_string().lines()).enumerate() {
        assert_eq!(written, made, "line {n} of the table in policies/README.md");
    }
    assert_eq!(written, table.to_string(), "policies/README.md");
    // What is said to be in the code is there.
    for path in table.code() {
        assert!(folder().join("..").join(path).is_file(), "{path}");
    }
}

#[test]
fn a_rule_begins_at_midnight_in_paris() {
    let begins = r#"@id("fermeture") @rule("R01") @article("a") @effective_from("2026-07-15") @effective_to("2026-07-16")
@explain("Fermé.") @missing("Fermé.") @cure("Attendre.") @who("personne")
forbid (principal, action == Action::"submit", resource);"#;
    let world = World::with_law(begins);
    let at = |text: &str| world.send(&alert(), "hopital", "crip").at(text).run(&world).is_ok();
    assert!(at("2026-07-14T21:59:59.999Z"));
    assert!(!at("2026-07-14T22:00:00.000Z"));
    assert!(!at("2026-07-16T21:59:59.999Z"));
    assert!(at("2026-07-16T22:00:00.000Z"));
}

#[test]
fn advice_has_one_shape_for_sending_and_for_opening() {
    let world = World::new();
    let keys = |decision: &Decision| {
        let json = serde_json::to_value(decision).unwrap();
        let verdict = json["verdict"].as_str().unwrap().to_owned();
        assert!(!json["reserve"].as_array().unwrap().is_empty());
        (verdict, json.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>())
    };
    let shape = BTreeSet::from(["explanations", "obligations", "reserve", "verdict", "withheld"].map(str::to_owned));
    let advice = |to| world.send(&alert(), "hopital", to).advice(&world);
    assert_eq!(keys(&advice("crip")), ("permit".to_owned(), shape.clone()));
    assert_eq!(keys(&advice("mairie-ccas")), ("refusal".to_owned(), shape.clone()));
    assert!(advice("mairie-ccas").explanations.iter().any(|text| text.rule == "R72"));

    let (of, who) = (alert(), reader("redacteur-territorial"));
    let opening = world.open(&of, "hopital", "crip", &who);
    let advice = opening.advice(&world);
    assert_eq!(keys(&advice), ("permit".to_owned(), shape));
    assert_eq!(advice.withheld.len(), 2, "sante and sante-sexuelle: {:?}", advice.withheld);
}

#[test]
fn advice_tells_a_sender_what_the_recipient_will_not_get() {
    let world = World::new();
    let advice = world.send(&alert(), "hopital", "ase").advice(&world);
    assert!(advice.permitted);
    let parts: Vec<&str> = advice.withheld.iter().map(|withheld| withheld.part.as_str()).collect();
    assert!(parts.contains(&"declarant") && parts.contains(&"parole-enfant"), "{parts:?}");
}

/// Measured, not asserted: a shared machine would make it lie. `cargo test --release -p gateway --lib a_whole_decision -- --nocapture`
#[test]
#[allow(clippy::print_stdout, reason = "a figure to read, not a limit to hold")]
fn a_whole_decision_is_cheap() {
    let world = World::new();
    let (of, who) = (alert(), reader("redacteur-territorial"));
    let (sending, opening) = (world.send(&of, "hopital", "crip"), world.open(&of, "hopital", "crip", &who));
    let round = |of: &dyn Fn()| {
        let mut spent: Vec<_> = (0..500)
            .map(|_| {
                let watch = Stopwatch::now();
                of();
                watch.elapsed()
            })
            .collect();
        spent.sort();
        (spent.iter().sum::<std::time::Duration>() / 500, spent[495])
    };
    let (mean, p99) = round(&|| drop(sending.run(&world).unwrap()));
    println!("accepting: mean {mean:?}, p99 {p99:?}");
    let (mean, p99) = round(&|| drop(opening.run(&world).unwrap()));
    println!("opening with withholding of {} classes: mean {mean:?}, p99 {p99:?}", DataClass::ALL.len());
}

#[test]
fn words_of_the_rules_are_gathered() {
    let world = World::new();
    let words = &world.policies.words;
    let has = |rule: &str, fact: &str, word: &str| words.iter().any(|(r, f, w)| (r.as_str(), f.as_str(), w.as_str()) == (rule, fact, word));
    assert!(has("R72-mairie-envoi", "to_kind", "mairie-ccas"));
    assert!(has("R02-ip", "to_kind", "astreinte-ase"));
    assert!(has("R05-secret", "classes", "parole-enfant"));
    assert_eq!(classes(&["social"]).len(), 1);
    assert!(world.kinds.contains_key(&kind("crip")));
}
