//! The world: what the facts of one request say of each other, as the catalogue has it.
//!
//! A solver may imagine a town hall bound by secrecy or an alert of a type that is none. Rules may not rely on that; a
//! person who reads a counter-example would be misled by it. The world leaves such requests out, and only such.

use std::collections::BTreeMap;

use exchange::Instant;

use crate::catalogue::{AgreementNeed, Catalogue, Destination, ExchangeType};

/// What holds of every request that the gateway can build with one catalogue: expressions of Cedar.
#[derive(Debug, Clone)]
pub struct World {
    /// Facts that follow from the kinds and the type.
    pub follows: Vec<String>,
    /// The kinds that the catalogue knows.
    pub kinds: Vec<String>,
    /// The types that it holds.
    pub types: Vec<String>,
    /// Facts that have a closed list of words, and what persons are.
    pub words: Vec<String>,
}

/// Facts that the catalogue gives: another catalogue gives others for the same request.
pub const GIVEN: [&str; 11] = [
    "danger",
    "human_send",
    "agreement_need",
    "purpose_ok",
    "from_ok",
    "to_ok",
    "from_secrecy",
    "from_role",
    "to_secrecy",
    "to_role",
    "secret",
];

impl World {
    /// For claims that must also hold of types still to come.
    pub fn of_any_type(self) -> Vec<String> {
        [self.follows, self.kinds, self.words].concat()
    }
}

/// The actions that the world speaks of: those about one exchange. The others have facts of their own.
pub const ABOUT_AN_EXCHANGE: [&str; 5] = ["submit", "open", "break_glass", "receive", "disclose"];

/// What holds of every request with this catalogue, on this day.
pub fn world(catalogue: &Catalogue, at: Instant) -> World {
    let (mut follows, mut kinds, mut words) = (Vec::new(), Vec::new(), Vec::new());
    for end in ["from", "to"] {
        let mut alike: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for (kind, rule) in &catalogue.kinds {
            alike.entry((rule.secrecy.as_str(), rule.role.as_str())).or_default().push(kind.as_str());
        }
        for ((secrecy, role), kinds) in alike {
            let such = list(kinds);
            follows.push(format!(
                "if {such}.contains(context.{end}_kind) then context.{end}_secrecy == {secrecy:?} && context.{end}_role == {role:?} else true"
            ));
        }
        kinds.push(format!("{}.contains(context.{end}_kind)", list(catalogue.kinds.keys().map(|kind| kind.as_str()))));
    }
    follows.extend(SECRET.iter().map(|holds| (*holds).to_owned()));
    for one in catalogue.types_on(at) {
        follows.push(format!("if context.type == {:?} then {} else true", one.code.as_str(), of_type(one)));
    }
    let types = vec![format!("{}.contains(context.type)", list(catalogue.types_on(at).map(|one| one.code.as_str())))];
    for (fact, closed) in CLOSED {
        words.push(format!("{}.contains(context.{fact})", list(closed.iter().copied())));
    }
    for (fact, code_list) in CODED {
        let codes = catalogue.codes.get(*code_list).into_iter().flatten().map(String::as_str);
        words.push(format!("{}.contains(context.{fact})", list(codes.chain(["non-renseigne"]))));
    }
    words.push(format!("{}.containsAll(context.classes)", list(exchange::DataClass::ALL.iter().map(|class| class.as_str()))));
    // Who works in the unit works in its institution; a machine or an institution alone has no person's facts.
    words.push("if context.in_unit then context.in_institution else true".to_owned());
    words.push(
        "context.actor == \"professional\" || (context.actor_secrecy == \"aucun\" && context.actor_role == \"none\" \
         && context.actor_profession == \"\" && context.actor_functions.isEmpty())"
            .to_owned(),
    );
    World { follows, kinds, types, words }
}

/// What the five facts of shared secrecy are found from: of who sends, and of who reads.
const SECRET: [&str; 5] = [
    r#"context.secret.both_bound == (context.actor == "professional" && context.actor_secrecy != "aucun" && context.to_secrecy != "aucun")"#,
    r#"context.secret.mission == (context.actor == "professional" && context.actor_role != "none" && context.to_role != "none"
        && (if action == Action::"submit" then context.has_case || context.is_reply else context.case_link))"#,
    r#"context.secret.purpose == (context.purpose_ok && ["evaluate", "decide", "implement"].contains(context.purpose))"#,
    r#"if action == Action::"submit" then true else context.secret.necessary == (context.case_link && context.habilitated)"#,
    r#"if context.ages.contains("majeur") && ["majeur"].containsAll(context.ages) then context.secret.informed == (context.person == "donne")
        else (if context.parents == "faite" then context.secret.informed
            else (if context.parents == "non-faite-interet-enfant" then true else !context.secret.informed))"#,
];

/// Facts with a closed list of words, as the code writes them.
const CLOSED: &[(&str, &[&str])] = &[
    ("actor", &["professional", "system", "institution-alone"]),
    ("actor_secrecy", &["profession", "mission", "fonction", "aucun"]),
    ("actor_role", &["implements", "assists", "authority", "none"]),
    ("urgency", &["immediate", "priority", "ordinary", "batch"]),
    ("agreement", &["aucune", "en-vigueur", "hors-perimetre", "pas-en-vigueur"]),
    ("agreement_need", &["none", "required", "for-channel"]),
];

/// Facts with the words of a code list, or `non-renseigne`.
const CODED: &[(&str, &str)] = &[("parents", "CL-info-parents"), ("child", "CL-info-enfant")];

/// What the catalogue fixes for one type: in one of its forms.
pub(super) fn of_type(one: &ExchangeType) -> String {
    let forms: Vec<String> = std::iter::once(one).chain(one.forms.values()).map(|form| format!("({})", of_form(form))).collect();
    format!("({})", forms.join(" || "))
}

fn of_form(one: &ExchangeType) -> String {
    let need = match one.agreement {
        AgreementNeed::None => "none",
        AgreementNeed::Required => "required",
        AgreementNeed::ForChannel => "for-channel",
    };
    let to = |only: &dyn Fn(&Destination) -> bool| list(one.to.iter().filter(|to| only(to)).map(|to| to.kind.as_str()));
    format!(
        "context.danger == {} && context.human_send == {} && context.agreement_need == {need:?} && context.purpose_ok == {}.contains(context.purpose) \
         && context.from_ok == {}.contains(context.from_kind) && (if context.to_ok then {}.contains(context.to_kind) else !{}.contains(context.to_kind))",
        one.danger,
        one.human.send,
        list(one.purpose.iter().map(String::as_str)),
        list(one.from.iter().map(|kind| kind.as_str())),
        to(&|_| true),
        to(&|to| to.when.is_none()),
    )
}

/// A set of words. Never empty for Cedar, which must know what is in it: the added word is nobody's.
fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = words.into_iter().map(|word| format!("{word:?}")).collect();
    if quoted.is_empty() {
        quoted.push("\"-\"".to_owned());
    }
    format!("[{}]", quoted.join(", "))
}
