//! Invariants 4 and 15: what is not permitted is refused, and what may not be known does not show.

use std::{collections::BTreeSet, fs};

use exchange::{DataClass, ProtectionRole, Secrecy};
use proptest::prelude::*;
use serde_json::Value;

use super::world::{World, alert, classes, copy, feedback, leaves, load, now, person, reader, without_recipient};
use crate::policy::{DecisionRecord, Denial, Explanation, Opening, Question};

#[test]
fn i04_a_question_outside_the_schema_is_a_refusal() {
    let world = World::new();
    let (_, _, _, record) = world.send(&alert(), "hopital", "crip").run(&world).unwrap().into_parts();
    let ends = ("expediteur", "destinataire");
    // An action that the schema does not know, a part that no class is.
    let mut known = world.policies.ask(now(), "submit", &record.facts, ends, None).unwrap();
    assert!(known.question("erase", ("Institution", "expediteur"), ("Exchange", "x")).error);
    assert!(known.question("receive", ("Unit", "crip"), ("DataClass", "inconnue")).error);
    // A fact that is absent, of another type, or one too many.
    let spoilt = |spoil: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut facts = record.facts.clone();
        spoil(facts.as_object_mut().unwrap());
        facts
    };
    for facts in [
        spoilt(&|facts| drop(facts.remove("recipient_excluded"))),
        spoilt(&|facts| drop(facts.insert("danger".to_owned(), Value::from("oui")))),
        spoilt(&|facts| drop(facts.insert("nom".to_owned(), Value::from("x")))),
    ] {
        let forged = DecisionRecord { facts, ..record.clone() };
        assert!(world.policies.ask(now(), "submit", &forged.facts, ends, None).is_err());
        assert!(!world.policies.replay(&forged).same);
    }
}

#[test]
fn i04_without_local_permits_nothing_passes() {
    let dir = copy();
    for entry in fs::read_dir(dir.path().join("local")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let world = World { policies: load(dir.path()).unwrap(), ..World::new() };
    for to in world.kinds.keys() {
        let of = alert();
        assert!(world.send(&of, "hopital", to.as_str()).run(&world).is_err(), "{to}");
        assert!(world.open(&of, "hopital", to.as_str(), &reader("medecin")).run(&world).is_err(), "{to}");
    }
}

#[test]
fn i04_no_local_permit_overrides_the_law() {
    let open = r#"@id("tout") @rule("R01") @article("a") @effective_from("2016-03-14") @explain("Tout est permis.")
permit (principal, action, resource);"#;
    let world = World::with_local(open);
    let of = alert();
    assert!(world.send(&of, "hopital", "mairie-ccas").run(&world).is_err());
    let secretary = person("secretaire", Secrecy::Aucun, ProtectionRole::None);
    let release = world.open(&of, "hopital", "crip", &secretary).run(&world).unwrap();
    assert_eq!(release.granted(), &classes(&["reference", "scolaire", "identite"]));
}

#[test]
fn i15_the_reporter_and_the_place_of_care_are_read_or_do_not_exist() {
    let world = World::new();
    let of = alert();
    let secrecies = [Secrecy::Profession, Secrecy::Aucun];
    let roles = [ProtectionRole::Implements, ProtectionRole::Authority, ProtectionRole::None];
    let secret = ["declarant", "lieu-accueil", "payload.constats_sante.auteur", "payload.origine_119.numero_appel"];
    for to in world.kinds.keys() {
        for (secrecy, role) in secrecies.iter().flat_map(|secrecy| roles.map(|role| (*secrecy, role))) {
            let everything = DataClass::ALL.iter().copied().collect();
            for opening in [Opening::Ordinary, Opening::BreakGlass { reason: true, in_time: true, classes: &everything }] {
                let who = person("medecin", secrecy, role);
                let mut opened = world.open(&of, "hopital", to.as_str(), &who);
                opened.opening = opening;
                let Ok(release) = opened.run(&world) else { continue };
                let told: Vec<&str> = release.withheld().iter().map(|part| part.part.as_str()).collect();
                assert!(!secret.iter().any(|part| told.contains(part)), "{to} {secrecy:?} {role:?}: {told:?}");
                if opening != Opening::Ordinary {
                    let reached = [DataClass::Declarant, DataClass::LieuAccueil].iter().any(|class| release.opens(*class));
                    assert!(!reached, "{to}: the emergency access reached a compartment");
                }
            }
        }
    }
}

#[test]
fn i15_a_hidden_refusal_says_nothing() {
    let world = World::new();
    let of = alert();
    let who = reader("assistant-service-social");
    let mut opened = world.open(&of, "hopital", "crip", &who);
    opened.route.exclus.push(without_recipient());
    let Err(Denial::Forbidden { explanations, hidden, record, .. }) = opened.run(&world) else { panic!("opened") };
    assert!(hidden && explanations.is_empty());
    assert_eq!(record.rules, ["R81"]);
}

#[test]
fn i15_advice_does_not_depend_on_what_a_file_keeps_from_the_asker() {
    let world = World::new();
    let of = alert();
    let who = reader("assistant-service-social");
    let ordinary = world.open(&of, "hopital", "crip", &who);
    let mut sealed = world.open(&of, "hopital", "crip", &who);
    sealed.route.exclus.push(without_recipient());
    sealed.case_link = false;
    let told = |opened: &super::world::Opened<'_>| serde_json::to_value(opened.advice(&world)).unwrap();
    assert_eq!(told(&ordinary), told(&sealed));
    assert_eq!(told(&ordinary)["verdict"], "permit");
    // A rule that hides is explained: it is about rules and the asker's own facts.
    let mut elsewhere = reader("assistant-service-social");
    elsewhere.units = vec!["autre".parse().unwrap()];
    let answer = world.open(&of, "hopital", "crip", &elsewhere).advice(&world);
    assert!(!answer.permitted);
    assert_eq!(answer.explanations.iter().map(|text| text.rule.as_str()).collect::<Vec<_>>(), ["R81"]);
    // And so is what would vanish from the document.
    let answer = world.open(&of, "hopital", "equipe-evaluation", &who).advice(&world);
    assert!(answer.withheld.iter().any(|part| part.part == "declarant"));
}

#[test]
fn a_field_rule_withholds_one_leaf_of_a_class() {
    let world = World::new();
    let of = alert();
    let who = reader("educateur-specialise");
    let release = world.open(&of, "hopital", "equipe-evaluation", &who).run(&world).unwrap();
    let mut kept = leaves(&["/payload/ip_anterieures", "/payload/constats_sante/auteur", "/payload/constats_sante/auteur_bis"]);
    release.filter(DataClass::Reference, &mut kept);
    assert!(kept == leaves(&["/payload/ip_anterieures", "/payload/constats_sante/auteur_bis"]));
    // In the CRIP the same leaf follows its class.
    let release = world.open(&of, "hopital", "crip", &who).run(&world).unwrap();
    let mut kept = leaves(&["/payload/constats_sante/auteur"]);
    release.filter(DataClass::Reference, &mut kept);
    assert_eq!(kept.len(), 1);
}

#[test]
fn what_nobody_sorted_is_read_by_who_may_read_everything() {
    let world = World::new();
    let of = alert();
    let unsorted = ["/non_conforme/0/value", "/attachments/1/sha256", "/attachments/2/sha256", "/attachments/2/class"];
    let kept = |profession: &str, to: &str| {
        let who = reader(profession);
        let mut opened = world.open(&of, "hopital", to, &who);
        opened.classes = [of.most_protected_class()].into();
        let (release, mut kept) = (opened.run(&world).unwrap(), leaves(&unsorted));
        let dropped = release.filter(of.most_protected_class(), &mut kept);
        (dropped, kept.len())
    };
    // In the CRIP an assistant reads all classes of an alert.
    assert_eq!(kept("assistant-service-social", "crip"), (false, 4));
    // Whoever may not read health reads the class, and nothing in it that may be health.
    let (dropped, _) = kept("educateur-specialise", "equipe-evaluation");
    assert!(dropped);
}

#[test]
fn a_field_permit_gives_an_extract_of_a_class_that_is_withheld() {
    let extract = r#"@id("besoins-recoit") @rule("R54") @article("CSP R1110-2") @effective_from("2016-03-14") @explain("Besoins de soins.")
permit (principal, action == Action::"receive", resource == Field::"payload.besoins_soins") when { context.to_kind == "en-etablissement" };
@id("besoins-lit") @rule("R54") @article("CSP R1110-2") @effective_from("2016-03-14") @explain("Besoins de soins.")
permit (principal, action == Action::"disclose", resource == Field::"payload.besoins_soins");"#;
    let world = World::with_local(extract);
    let of = alert();
    let teacher = person("enseignant", Secrecy::Aucun, ProtectionRole::Assists);
    let release = world.open(&of, "hopital", "en-etablissement", &teacher).run(&world).unwrap();
    assert!(!release.granted().contains(&DataClass::Sante) && release.opens(DataClass::Sante));
    let mut kept = leaves(&["/payload/besoins_soins/0", "/payload/constats_sante/texte"]);
    release.filter(DataClass::Sante, &mut kept);
    assert!(kept == leaves(&["/payload/besoins_soins/0"]));
}

/// Whatever a département permits, field by field: of a class that the law forbids passes what the law itself excepts.
#[test]
fn i04_no_local_permit_of_a_field_lifts_a_prohibition_of_its_class() {
    let of = alert();
    let paths = [
        ("payload.faits", DataClass::Social),
        ("payload.declarant.nom", DataClass::Declarant),
        ("payload.constats_sante.texte", DataClass::Sante),
        ("payload.besoins_soins", DataClass::Sante),
    ];
    let permit = |(n, (path, _)): (usize, &(&str, DataClass))| {
        format!(
            "@id(\"champ-{n}\") @rule(\"R01\") @article(\"a\") @effective_from(\"2016-03-14\") @explain(\"Ce champ.\")\n\
             permit (principal, action in [Action::\"receive\", Action::\"disclose\"], resource == Field::\"{path}\");\n"
        )
    };
    let world = World::with_local(&paths.iter().enumerate().map(permit).collect::<String>());
    let mut shown = BTreeSet::new();
    for to in world.kinds.keys() {
        for who in [person("enseignant", Secrecy::Aucun, ProtectionRole::Assists), reader("educateur-specialise"), reader("medecin")] {
            let everything = DataClass::ALL.iter().copied().collect();
            for opening in [Opening::Ordinary, Opening::BreakGlass { reason: true, in_time: true, classes: &everything }] {
                let mut opened = world.open(&of, "hopital", to.as_str(), &who);
                opened.opening = opening;
                let Ok(release) = opened.run(&world) else { continue };
                for (path, class) in paths {
                    let of_class = |asked: &&Question| asked.resource.1 == class.as_str();
                    let mut asked = release.record().questions.iter().filter(of_class);
                    let forbidden = asked.any(|asked| !asked.permitted && !asked.policies.is_empty());
                    let mut kept = leaves(&[&format!("/{}", path.replace('.', "/"))]);
                    release.filter(class, &mut kept);
                    if forbidden && kept.len() == 1 {
                        shown.insert(path);
                    }
                }
            }
        }
    }
    assert_eq!(shown, BTreeSet::from(["payload.besoins_soins"]));
}

#[test]
fn a_class_that_was_not_asked_about_stays_closed() {
    let world = World::new();
    let of = feedback();
    let who = reader("medecin");
    let mut opened = world.open(&of, "crip", "hopital", &who);
    opened.classes = classes(&["reference"]);
    let release = opened.run(&world).unwrap();
    let mut kept = leaves(&["/payload/secret"]);
    release.filter(DataClass::Social, &mut kept);
    assert!(kept.is_empty() && !release.opens(DataClass::Social));
}

#[test]
fn explanations_name_what_the_asker_lacks() {
    let world = World::new();
    let of = feedback();
    let Err(Denial::Forbidden { explanations, .. }) = world.send(&of, "crip", "hopital").run(&world) else { panic!("admitted") };
    let rules: Vec<&str> = explanations.iter().map(|text| text.rule.as_str()).collect();
    // The most particular rule first.
    assert_eq!(rules, ["R33", "R31 R33", "R10", "R05 R07"]);
    let json = serde_json::to_value::<&Explanation>(&explanations[0]).unwrap();
    let keys: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["article", "cure", "explain", "facts", "missing", "rule", "who"]));
}

proptest! {
    #[test]
    fn any_words_are_answered(purpose in "\\PC{0,20}", parents in "\\PC{0,20}", basis in "\\PC{0,20}") {
        thread_local!(static WORLD: World = World::new());
        WORLD.with(|world| {
            let of = alert();
            let mut sending = world.send(&of, "hopital", "crip");
            sending.route.purpose = purpose;
            sending.route.parents_informed = Some(parents);
            sending.route.legal_basis = vec![basis];
            prop_assert!(sending.run(world).is_ok());
            let of = feedback();
            sending.of = &of;
            prop_assert!(sending.run(world).is_err());
            Ok(())
        })?;
    }
}
