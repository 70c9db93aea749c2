//! The words of a case: each is held against the list that knows it. A misspelt one would play another situation than its
//! author wrote, and often pass.

use std::collections::BTreeSet;

use exchange::DataClass;

use super::{
    table::is_rule,
    written::{Case, Declared},
};
use crate::{
    catalogue::{Catalogue, ExchangeType, Field, Shape},
    policy::{Policies, near::meant, question::ASKED_FOR, words},
};

/// The words of a case that no list knows, in French, with those that may have been meant.
pub(super) fn unknown(case: &Case, policies: &Policies, catalogue: &Catalogue) -> Vec<String> {
    let mut check = Check { case, told: Vec::new() };
    let of = |fact: &str| words::list(fact, catalogue);
    let rules = case.rules.iter().chain(&case.about).filter(|rule| !is_rule(rule));
    check.told.extend(rules.map(|rule| format!("rules : {rule} n’existe pas, les règles vont de R01 à R85")));

    // What the case says of the exchange and of its two ends.
    let types = types(case, catalogue);
    if case.declared.is_none() {
        let known = catalogue.types.keys().map(ToString::to_string).collect();
        check.hold("type", case.kind.iter().map(|kind| kind.as_str()), Some(known));
    }
    check.hold("from", [case.from.as_str()], of("from_kind"));
    check.hold("to", [case.to.as_str()], of("to_kind"));
    if let Some(Declared { from, to, purpose, .. }) = &case.declared {
        check.hold("declared.from", from.iter().map(|kind| kind.as_str()), of("from_kind"));
        check.hold("declared.to", to.iter().map(|kind| kind.as_str()), of("to_kind"));
        check.hold("declared.purpose", texts(purpose), of("purpose"));
    }
    check.hold("purpose", texts(&case.purpose), of("purpose"));
    check.hold("legal_basis", texts(case.legal_basis.iter().flatten()), Some(articles(policies, catalogue)));
    let destinations = catalogue.types.values().flatten().flat_map(|one| &one.to);
    check.hold("holds", texts(&case.holds), Some(destinations.filter_map(|to| to.when.clone()).collect()));
    check.hold("form", texts(&case.form), Some(types.iter().flat_map(|one| one.forms.keys().cloned()).collect()));

    // What it says of the document.
    let fields: Vec<&Field> =
        types.iter().flat_map(|one| std::iter::once(*one).chain(one.forms.values())).flat_map(|one| &one.fields).collect();
    check.hold("paths", texts(case.paths.iter().flatten()), Some(fields.iter().map(|field| field.path.clone()).collect()));
    let mut said: BTreeSet<String> = fields.iter().filter(|field| field.fact).flat_map(|field| facts(field, catalogue)).collect();
    let of_the_answered = types.iter().filter(|one| one.profile_by.is_none());
    said.extend(of_the_answered.flat_map(|one| one.forms.keys()).map(|profile| format!("profil={profile}")));
    if case.declared.is_some() {
        said.extend(compared(policies, "said").chain(ASKED_FOR.map(str::to_owned)));
    }
    check.hold("said", texts(&case.said), Some(said));

    // What it says of persons, and of the agreement.
    check.hold("person.profession", case.person.iter().map(|person| person.profession.as_str()), of("actor_profession"));
    check.hold("parents", texts(&case.parents), of("parents"));
    check.hold("child", texts(&case.child), of("child"));
    check.hold("agreed", texts(&case.agreed), of("person"));
    let agreement = case.agreement.iter();
    check.hold("agreement.purposes", texts(agreement.clone().flat_map(|one| one.purposes.iter().flatten())), of("purpose"));
    let questions = catalogue.codes.get("CL-question").cloned();
    check.hold("agreement.questions", texts(agreement.flat_map(|one| one.questions.iter().flatten())), questions);

    // What it expects.
    let expect = &case.expect;
    let obligations = catalogue.obligations.keys().cloned().collect();
    check.hold("expect.obligations", texts(expect.obligations.iter().flatten()), Some(obligations));
    let parts: BTreeSet<String> = DataClass::ALL.iter().map(ToString::to_string).chain(policies.fields.iter().cloned()).collect();
    check.hold("expect.withheld", texts(expect.withheld.iter().flatten()), Some(parts.clone()));
    check.hold("expect.vanished", texts(expect.vanished.iter().flatten()), Some(parts));
    let five = FIVE.map(str::to_owned).into();
    check.hold("expect.lacking", texts(expect.lacking.iter().flatten()), Some(five));
    check.told
}

struct Check<'c> {
    case: &'c Case,
    told: Vec<String>,
}

impl Check<'_> {
    /// Holds the words under one key against a list; without a list there is nothing to hold them against.
    fn hold<'w>(&mut self, key: &str, words: impl IntoIterator<Item = &'w str>, known: Option<BTreeSet<String>>) {
        let Some(known) = known else { return };
        for word in words {
            if !known.contains(word) && !self.case.unlisted.contains(word) {
                let meant = match meant(word, known.iter().map(String::as_str)) {
                    near if near.is_empty() && known.len() <= FEW => format!(" ; il y a {}", texts(&known).collect::<Vec<_>>().join(", ")),
                    near => near,
                };
                self.told.push(format!("{key} : « {word} » n’existe pas{meant}"));
            }
        }
    }
}

/// The types whose fields the case may speak of: its own; every type when it declares one for itself.
fn types<'c>(case: &Case, catalogue: &'c Catalogue) -> Vec<&'c ExchangeType> {
    let own = |one: &&ExchangeType| case.declared.is_some() || case.kind.as_ref() == Some(&one.code);
    catalogue.types.values().flatten().filter(own).collect()
}

/// What a field marked as a fact may say: `fondement=L221-3-prestation-ase`.
fn facts(field: &Field, catalogue: &Catalogue) -> Vec<String> {
    let name = field.path.strip_prefix("payload.").unwrap_or(&field.path);
    let codes = match &field.shape {
        Shape::Code(list) => catalogue.codes.get(list).cloned().unwrap_or_default(),
        Shape::Bool => ["true", "false"].map(str::to_owned).into(),
        Shape::Texte | Shape::Date | Shape::DateHeure | Shape::Entier | Shape::Ref | Shape::Inst | Shape::Sujet => BTreeSet::new(),
        Shape::Empreinte | Shape::Numero | Shape::Telephone | Shape::Courriel | Shape::Chemin | Shape::Jeton => BTreeSet::new(),
    };
    codes.into_iter().map(|code| format!("{name}={code}")).collect()
}

/// Articles that a type invokes, or that a rule looks for.
fn articles(policies: &Policies, catalogue: &Catalogue) -> BTreeSet<String> {
    let invoked = catalogue.types.values().flatten().flat_map(|one| one.legal_basis.iter().cloned());
    invoked.chain(compared(policies, "legal_basis")).collect()
}

/// The words with which the rules compare a fact.
fn compared<'p>(policies: &'p Policies, wanted: &'p str) -> impl Iterator<Item = String> + 'p {
    policies.words.iter().filter(move |(_, fact, _)| fact == wanted).map(|(_, _, word)| word.clone())
}

fn texts<'w>(words: impl IntoIterator<Item = &'w String>) -> impl Iterator<Item = &'w str> {
    words.into_iter().map(String::as_str)
}

/// A list that is told whole when no word of it is near.
const FEW: usize = 14;
/// The five conditions of shared secrecy, as the schema names them.
const FIVE: [&str; 5] = ["both_bound", "mission", "purpose", "necessary", "informed"];
