//! The world: what the facts of one request say of each other, as the catalogue has it.
//!
//! A solver may imagine a town hall bound by secrecy or an alert of a type that is none. Rules may not rely on that; a
//! person who reads a counter-example would be misled by it. The world leaves such requests out, and only such.

use std::collections::BTreeMap;

use exchange::Instant;

use crate::catalogue::{AgreementNeed, Catalogue, Destination, ExchangeType};

/// Which exchange types are imagined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types {
    /// Those of the catalogue.
    Known,
    /// Those, and any that is still to come.
    AnyToCome,
}

/// The actions that the world speaks of: those about one exchange. The others have facts of their own.
pub const ABOUT_AN_EXCHANGE: [&str; 5] = ["submit", "open", "break_glass", "receive", "disclose"];

/// Expressions of Cedar that hold of every request that the gateway can build with this catalogue.
pub fn world(catalogue: &Catalogue, at: Instant, types: Types) -> Vec<String> {
    let mut holds = Vec::new();
    for end in ["from", "to"] {
        let mut alike: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for (kind, rule) in &catalogue.kinds {
            alike.entry((rule.secrecy.as_str(), rule.role.as_str())).or_default().push(kind.as_str());
        }
        for ((secrecy, role), kinds) in alike {
            let such = list(kinds);
            holds.push(format!(
                "if {such}.contains(context.{end}_kind) then context.{end}_secrecy == {secrecy:?} && context.{end}_role == {role:?} else true"
            ));
        }
        holds.push(format!("{}.contains(context.{end}_kind)", list(catalogue.kinds.keys().map(|kind| kind.as_str()))));
    }
    for one in catalogue.types_on(at) {
        holds.push(format!("if context.type == {:?} then {} else true", one.code.as_str(), of_type(one)));
    }
    if types == Types::Known {
        holds.push(format!("{}.contains(context.type)", list(catalogue.types_on(at).map(|one| one.code.as_str()))));
    }
    for (fact, words) in CLOSED {
        holds.push(format!("{}.contains(context.{fact})", list(words.iter().copied())));
    }
    for (fact, code_list) in CODED {
        let codes = catalogue.codes.get(*code_list).into_iter().flatten().map(String::as_str);
        holds.push(format!("{}.contains(context.{fact})", list(codes.chain(["non-renseigne"]))));
    }
    holds.push(format!("{}.containsAll(context.classes)", list(exchange::DataClass::ALL.iter().map(|class| class.as_str()))));
    // Who works in the unit works in its institution; a machine or an institution alone has no person's facts.
    holds.push("if context.in_unit then context.in_institution else true".to_owned());
    holds.push(
        "context.actor == \"professional\" || (context.actor_secrecy == \"aucun\" && context.actor_role == \"none\" \
         && context.actor_profession == \"\" && context.actor_functions.isEmpty())"
            .to_owned(),
    );
    holds
}

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

/// What the catalogue fixes for one type.
fn of_type(one: &ExchangeType) -> String {
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
