//! Random directories and random exchanges: whatever the situation, a prohibition holds, less never reads more, and
//! nothing that is merely missing stops a danger.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::PolicySet;
use exchange::{ChildAge, DataClass, ProtectionRole, Secrecy, Urgency};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::date;

use super::world::{Opened, Sending, World, alert, feedback, now, person, share, signalement, without_recipient};
use crate::{
    catalogue::ExchangeType,
    directory::{Professional, Role},
    policy::{Opening, Policies, load::Note},
};

/// A person as a directory may describe one.
fn anybody() -> impl Strategy<Value = Professional> {
    let professions =
        ["medecin", "infirmier", "assistant-service-social", "educateur-specialise", "enseignant", "gestionnaire", "magistrat"];
    let functions =
        proptest::collection::vec(prop::sample::select(vec![Role::AgentCrip, Role::CadreCrip, Role::Astreinte, Role::Dpo]), 0..3);
    (prop::sample::select(professions.to_vec()), secrecy(), part(), functions, prop::bool::ANY).prop_map(
        |(profession, secrecy, part, roles, own)| {
            let mut who = person(profession, secrecy, part);
            who.roles = roles;
            if !own {
                who.institution = "expediteur".parse().unwrap();
            }
            who
        },
    )
}

fn secrecy() -> impl Strategy<Value = Secrecy> {
    prop::sample::select(vec![Secrecy::Profession, Secrecy::Mission, Secrecy::Fonction, Secrecy::Aucun])
}

fn part() -> impl Strategy<Value = ProtectionRole> {
    prop::sample::select(vec![ProtectionRole::Implements, ProtectionRole::Assists, ProtectionRole::Authority, ProtectionRole::None])
}

/// What surrounds an exchange: everything that an envelope, a directory and a register may say.
#[derive(Debug, Clone)]
struct Around {
    from: String,
    to: String,
    by: Option<Professional>,
    purpose: &'static str,
    parents: Option<&'static str>,
    reason: bool,
    child: Option<&'static str>,
    agreed: Option<&'static str>,
    children: Vec<ChildAge>,
    said: BTreeSet<String>,
    classes: BTreeSet<DataClass>,
    case: bool,
    reply: bool,
    necessity: bool,
    excluded: bool,
    urgency: Urgency,
}

fn around() -> impl Strategy<Value = Around> {
    let kinds: Vec<String> = World::new().kinds.keys().map(ToString::to_string).collect();
    let kind = || prop::sample::select(kinds.clone());
    let purpose =
        prop::sample::select(vec!["ip", "evaluate", "decide", "implement", "signalement", "feedback", "benefit", "statistics", "fraude"]);
    let parents = prop::option::of(prop::sample::select(vec!["faite", "non-faite-interet-enfant", "tentee-sans-succes", "a-faire"]));
    let child = prop::option::of(prop::sample::select(vec!["faite", "non-faite-age-maturite", "a-faire"]));
    let agreed = prop::option::of(prop::sample::select(vec!["donne", "informee-sans-opposition", "refuse"]));
    let age = prop::sample::select(vec![
        ChildAge::Unborn,
        ChildAge::Unknown,
        ChildAge::Born(date!(2025 - 01 - 01)),
        ChildAge::Born(date!(2012 - 01 - 01)),
        ChildAge::Born(date!(2000 - 01 - 01)),
    ]);
    let words = ["secret=true", "anonymat_lieu=false", "reserve_magistrat.active=true", "dossier=justice", "je_maintient_origine=true"];
    let said = proptest::collection::btree_set(prop::sample::select(words.map(str::to_owned).to_vec()), 0..3);
    let classes = proptest::collection::btree_set(prop::sample::select(DataClass::ALL.to_vec()), 0..6);
    let urgency = prop::sample::select(vec![Urgency::Immediate, Urgency::Priority, Urgency::Ordinary, Urgency::Batch]);
    let ends = (kind(), kind(), prop::option::of(anybody()));
    let facts = (purpose, parents, prop::bool::ANY, child, agreed, proptest::collection::vec(age, 0..3), said, classes);
    let bare = (prop::bool::ANY, prop::bool::ANY, prop::bool::ANY, prop::bool::weighted(0.1), urgency);
    (ends, facts, bare).prop_map(|((from, to, by), (purpose, parents, reason, child, agreed, children, said, classes), bare)| {
        let (case, reply, necessity, excluded, urgency) = bare;
        Around { from, to, by, purpose, parents, reason, child, agreed, children, said, classes, case, reply, necessity, excluded, urgency }
    })
}

impl Around {
    fn of<'a>(&self, world: &World, of: &'a ExchangeType) -> Sending<'a> {
        let mut sending = world.send(of, &self.from, &self.to);
        sending.by = self.by.clone();
        sending.classes = self.classes.clone();
        sending.necessity = self.necessity;
        self.route(&mut sending.route);
        sending
    }

    fn route(&self, route: &mut exchange::envelope::Route) {
        route.purpose = self.purpose.to_owned();
        route.parents_informed = self.parents.map(str::to_owned);
        route.parents_reason = self.reason;
        route.child_informed = self.child.map(str::to_owned);
        route.person_agreed = self.agreed.map(str::to_owned);
        route.children = self.children.clone();
        route.said = self.said.clone();
        route.urgency = self.urgency;
        route.case = self.case.then(|| "cas".to_owned());
        route.in_reply_to = self.reply.then(exchange::ExchangeId::new);
        if self.excluded {
            route.exclus.push(without_recipient());
        }
    }
}

/// The rules of the repository without their prohibitions, and with a permit for everything: what would pass if only the
/// law stood in its way.
fn law_alone() -> World {
    World::with_local(
        r#"@id("tout") @rule("R01") @article("a") @effective_from("2016-03-14") @explain("Tout est permis.")
permit (principal, action, resource);"#,
    )
}

/// Which prohibitions apply, asked one rule at a time: each alone, against a permit for everything.
fn forbidding(world: &World, facts: &Value, action: &str, resource: (&str, &str)) -> BTreeSet<String> {
    let mut asking = world.policies.ask(now(), "submit", facts, ("expediteur", "destinataire"), None).unwrap();
    let answer = asking.question(action, ("Professional", "p"), resource);
    assert!(!answer.error);
    if answer.permitted { BTreeSet::new() } else { answer.policies.into_iter().collect() }
}

fn more(who: &Professional) -> Vec<Professional> {
    // One step of secrecy, of part, or of function more; what is already there is kept.
    let mut raised = Vec::new();
    if who.secrecy == Secrecy::Aucun {
        raised.extend([Secrecy::Mission, Secrecy::Profession].map(|secrecy| Professional { secrecy, ..who.clone() }));
    }
    if who.protection == ProtectionRole::None {
        raised.extend([ProtectionRole::Assists, ProtectionRole::Implements].map(|protection| Professional { protection, ..who.clone() }));
    }
    let mut head = who.clone();
    head.roles.push(Role::CadreCrip);
    raised.push(head);
    raised
}

thread_local! {
    static WORLD: World = World::new();
    static LAW: World = law_alone();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// No directory, agreement or envelope gets a document through against a prohibition.
    #[test]
    fn i04_nothing_is_sent_against_a_prohibition(around in around(), which in 0..4usize) {
        let of = [alert(), feedback(), signalement(), share()][which].clone();
        WORLD.with(|world| LAW.with(|law| {
            let sending = around.of(world, &of);
            if let Ok(admitted) = sending.run(world) {
                let (_, _, _, record) = admitted.into_parts();
                let forbids = forbidding(law, &record.facts, "submit", ("Exchange", "x"));
                prop_assert!(forbids.is_empty(), "{forbids:?}");
                prop_assert!(world.policies.replay(&record).same);
            }
            Ok(())
        }))?;
    }

    /// Nobody reads a class against a prohibition, nor a class that the unit may not hold.
    #[test]
    fn i04_nothing_is_read_against_a_prohibition(around in around(), who in anybody(), broken in prop::bool::ANY, which in 0..4usize) {
        let of = [alert(), feedback(), signalement(), share()][which].clone();
        WORLD.with(|world| LAW.with(|law| {
            let asked = around.classes.clone();
            let mut opened = world.open(&of, &around.from, &around.to, &who);
            opened.classes = DataClass::ALL.iter().copied().collect();
            around.route(&mut opened.route);
            if broken {
                opened.opening = Opening::BreakGlass { reason: true, in_time: true, classes: &asked };
            }
            if let Ok(release) = opened.run(world) {
                let facts = &release.record().facts;
                for class in release.granted() {
                    for action in ["receive", "disclose"] {
                        let forbids = forbidding(law, facts, action, ("DataClass", class.as_str()));
                        prop_assert!(forbids.is_empty(), "{action} {class}: {forbids:?}");
                    }
                    prop_assert!(!broken || asked.contains(class), "{class} was not asked for in the emergency");
                }
                prop_assert!(!around.excluded);
            }
            Ok(())
        }))?;
    }

    /// Less secrecy, less part in protection or fewer functions never read more; the emergency never more than it asked.
    #[test]
    fn withholding_is_monotone(around in around(), who in anybody(), which in 0..4usize) {
        let of = [alert(), feedback(), signalement(), share()][which].clone();
        WORLD.with(|world| {
            let granted = |who: &Professional, unlinked: bool| {
                let mut opened: Opened<'_> = world.open(&of, &around.from, &around.to, who);
                opened.classes = DataClass::ALL.iter().copied().collect();
                around.route(&mut opened.route);
                opened.case_link = !unlinked;
                opened.run(world).map(|release| release.granted().clone()).unwrap_or_default()
            };
            let base = granted(&who, false);
            prop_assert!(granted(&who, true).is_subset(&base));
            for raised in more(&who) {
                let all = granted(&raised, false);
                prop_assert!(base.is_subset(&all), "{who:?} reads {base:?}, {raised:?} only {all:?}");
            }
            Ok(())
        })?;
    }

    /// For a danger type: where a complete document is accepted, the same one with everything missing is too.
    #[test]
    fn i03_no_completeness_fact_refuses_a_danger(around in around(), which in 0..2usize) {
        let of = [alert(), signalement()][which].clone();
        WORLD.with(|world| {
            let sending = around.of(world, &of);
            let bare = Around {
                purpose: "fraude", parents: None, reason: false, child: None, agreed: None, children: Vec::new(),
                said: BTreeSet::new(), case: false, reply: false, necessity: false, by: None, ..around.clone()
            };
            if sending.run(world).is_ok() {
                prop_assert!(bare.of(world, &of).run(world).is_ok(), "{bare:?}");
            }
            Ok(())
        })?;
    }
}

/// The five facts come from directory, catalogue and envelope: each is what the law says, whatever stands around it.
#[test]
fn each_fact_of_shared_secrecy_is_found_apart() {
    let world = World::new();
    let of = share();
    let bound = person("assistant-service-social", Secrecy::Profession, ProtectionRole::Implements);
    let facts = |change: &dyn Fn(&mut Sending<'_>)| {
        let mut sending = world.send(&of, "crip", "en-sante-social");
        sending.by = Some(bound.clone());
        sending.classes = BTreeSet::from([DataClass::Social]);
        sending.necessity = true;
        sending.route.case = Some("cas".to_owned());
        sending.route.parents_informed = Some("faite".to_owned());
        change(&mut sending);
        let facts = sending.facts(&world)["secret"].clone();
        let held: BTreeMap<String, bool> = serde_json::from_value(facts).unwrap();
        held.into_iter().filter(|(_, holds)| !holds).map(|(fact, _)| fact).collect::<Vec<_>>()
    };
    assert_eq!(facts(&|_| ()), Vec::<String>::new());
    assert_eq!(facts(&|s| s.by = Some(person("x", Secrecy::Aucun, ProtectionRole::Implements))), ["both_bound"]);
    assert_eq!(facts(&|s| s.to = "en-etablissement".parse().unwrap()), ["both_bound"]);
    assert_eq!(facts(&|s| s.by = Some(person("x", Secrecy::Mission, ProtectionRole::None))), ["mission"]);
    assert_eq!(facts(&|s| s.to = "caf".parse().unwrap()), ["mission"]);
    assert_eq!(facts(&|s| s.route.case = None), ["mission"]);
    assert_eq!(facts(&|s| s.route.purpose = "implement".to_owned()), ["purpose"]);
    assert_eq!(facts(&|s| s.necessity = false), ["necessary"]);
    assert_eq!(facts(&|s| s.route.parents_informed = None), ["informed"]);
    assert_eq!(facts(&|s| s.by = None), ["both_bound", "mission"]);
    // An exception: with a reason, and an author; who signs is one.
    let exception = |s: &mut Sending<'_>, reason, author| {
        s.route.parents_informed = Some("non-faite-interet-enfant".to_owned());
        (s.route.parents_reason, s.route.parents_author) = (reason, author);
    };
    assert_eq!(facts(&|s| exception(s, true, false)), Vec::<String>::new());
    assert_eq!(facts(&|s| exception(s, false, true)), ["informed"]);
    let alone = |reason, author| {
        facts(&|s| {
            exception(s, reason, author);
            s.by = None;
        })
    };
    assert_eq!(alone(true, false), ["both_bound", "informed", "mission"]);
    assert_eq!(alone(true, true), ["both_bound", "mission"]);
}

/// A rule that is off is read, checked and explained, and never asked.
#[test]
fn a_rule_that_is_off_is_in_no_slice() {
    let world = World::new();
    let off: Vec<&String> = world.policies.notes.iter().filter(|(_, note): &(_, &Note)| note.off).map(|(id, _)| id).collect();
    assert!(!off.is_empty());
    let every = |policies: &Policies| -> BTreeSet<String> {
        let sets = policies.set_on(date!(2026 - 03 - 02)).unwrap().values();
        sets.flat_map(PolicySet::policies).map(|policy| policy.id().to_string()).collect()
    };
    let asked = every(&world.policies);
    assert!(off.iter().all(|id| !asked.contains(*id)), "{off:?}");
    assert!(json!(asked).as_array().is_some_and(|all| all.len() > 80));
}
