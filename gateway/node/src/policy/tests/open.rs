//! Invariant 3: danger is never blocked by a form.

use exchange::{DataClass, ProtectionRole, Secrecy, Urgency};

use super::world::{World, alert, feedback, person, signalement, without_recipient};
use crate::policy::{Admitted, Denial, SEND_SORTED};

#[test]
fn i03_danger_is_never_blocked_by_a_form() {
    let world = World::new();
    let (alert, signalement) = (alert(), signalement());
    let people = [
        None,
        Some(person("enseignant", Secrecy::Aucun, ProtectionRole::None)),
        Some(person("medecin", Secrecy::Profession, ProtectionRole::Assists)),
    ];
    for (of, to) in [(&alert, "crip"), (&alert, "astreinte-ase"), (&signalement, "parquet")] {
        for from in world.kinds.keys() {
            for by in &people {
                for (purpose, parents, urgency) in [
                    ("ip", None, Urgency::Ordinary),
                    ("discipline", Some("???"), Urgency::Batch),
                    ("evaluate", Some("a-faire"), Urgency::Immediate),
                ] {
                    for classes in [Vec::new(), DataClass::ALL.to_vec()] {
                        let mut sending = world.send(of, from.as_str(), to);
                        sending.by = by.clone();
                        sending.route.purpose = purpose.to_owned();
                        sending.route.parents_informed = parents.map(str::to_owned);
                        sending.route.urgency = urgency;
                        sending.classes = classes.into_iter().collect();
                        sending.non_conforme = true;
                        let admitted = sending.run(&world);
                        assert!(admitted.is_ok(), "{} from {from} to {to}: {admitted:?}", of.code);
                    }
                }
            }
        }
    }
}

#[test]
fn i03_only_confidentiality_stops_danger_and_it_alarms() {
    let world = World::new();
    let cited = |denial: Result<Admitted, Denial>| match denial {
        Err(Denial::Forbidden { explanations, hidden: false, alarm: true, record }) => {
            assert!(!explanations.is_empty());
            record.rules.clone()
        }
        other => panic!("not an alarmed refusal: {other:?}"),
    };
    let mut excluded = world.send(&alert(), "hopital", "crip").route;
    excluded.exclus.push(without_recipient());
    let of = alert();
    let mut sending = world.send(&of, "hopital", "crip");
    sending.route = excluded;
    assert_eq!(cited(sending.run(&world)), ["R81"]);
    assert_eq!(cited(world.send(&of, "hopital", "mairie-ccas").run(&world)), ["R06", "R72"]);

    // Every kind either takes an alert in, or is refused by a rule of confidentiality.
    for to in world.kinds.keys() {
        let answer = world.send(&of, "hopital", to.as_str()).run(&world);
        if answer.is_err() {
            let rules = cited(answer);
            let confidential = rules.iter().all(|rule| ["R06", "R72"].contains(&rule.as_str()));
            assert!(confidential, "{to}: {rules:?}");
        }
    }
}

#[test]
fn what_does_not_conform_is_kept_in_the_most_protected_class() {
    let world = World::new();
    let of = alert();
    let mut sending = world.send(&of, "hopital", "crip");
    sending.classes.clear();
    sending.non_conforme = true;
    let (_, _, _, record) = sending.run(&world).unwrap().into_parts();
    assert_eq!(record.facts["classes"], serde_json::json!(["declarant"]));
    assert_eq!(of.most_protected_class(), DataClass::Declarant);
}

#[test]
fn a_sender_is_asked_again_for_what_the_whole_unit_cannot_read() {
    let world = World::new();
    let of = alert();
    let asked = |to: &str, non_conforme: bool| {
        let mut sending = world.send(&of, "hopital", to);
        sending.classes = [DataClass::Social].into();
        sending.non_conforme = non_conforme;
        let admitted = sending.run(&world).unwrap();
        let (obligations, record) = (admitted.obligations().to_vec(), admitted.into_parts().3);
        assert!(!record.obligations.contains(&SEND_SORTED.to_owned()), "the rules did not say so: {record:?}");
        obligations.contains(&SEND_SORTED.to_owned())
    };
    // The CRIP holds every class of an alert; the parquet's own services do not.
    assert!(!asked("crip", true));
    assert!(asked("ase", true) && !asked("ase", false));
}

#[test]
fn an_ordinary_refusal_does_not_alarm() {
    let world = World::new();
    let of = feedback();
    let denial = world.send(&of, "crip", "hopital").run(&world).unwrap_err();
    assert!(matches!(denial, Denial::Forbidden { alarm: false, hidden: false, .. }), "{denial:?}");
}
