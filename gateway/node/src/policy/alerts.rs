//! Alerts: which prohibition could stop a danger type (invariant 3).
//!
//! Read off the text of the rules and not tried out: a trial would miss the one fact that nobody thought of. A `forbid`
//! on `submit` is harmless to alerts when it says so: `unless { … || context.danger }`, `when { !context.danger && … }`;
//! when it is about exchange types by name, none of which is a danger type; or when it spares every recipient that the
//! catalogue foresees for one: `unless { … || context.to_ok }`, or `when { … }` a kind or a secrecy of the recipient that no
//! alert is for, or that the file is sealed from it (`context.recipient_excluded`). That is how confidentiality stops an alert towards one recipient, a town hall say, and with an alarm. What
//! a rule says of itself in an annotation counts for nothing here.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Effect, Policy};
use serde_json::Value;

use super::Policies;
use crate::catalogue::Catalogue;

/// Prohibitions on `submit` that do not except danger, by id, with what each is limited to.
pub(super) type Unexcepted = BTreeMap<String, Limits>;

/// What a prohibition is limited to, if it is: exchange types, kinds and secrecies of the recipient.
#[derive(Debug, Default)]
pub(super) struct Limits {
    types: Option<BTreeSet<String>>,
    to_kinds: Option<BTreeSet<String>>,
    to_secrecies: Option<BTreeSet<String>>,
}

/// Gathers them.
///
/// # Errors
/// A rule cannot be written as JSON.
pub(super) fn unexcepted(policies: &[Policy]) -> Result<Unexcepted, String> {
    let mut found = Unexcepted::new();
    for policy in policies.iter().filter(|policy| policy.effect() == Effect::Forbid && on_submit(policy)) {
        let json = policy.to_json().map_err(|error| error.to_string())?;
        let conditions: Vec<&Value> = json.get("conditions").and_then(Value::as_array).into_iter().flatten().collect();
        let of = |kind: &'static str| conditions.iter().filter(move |one| one.get("kind").and_then(Value::as_str) == Some(kind));
        let spared = |part: &Value| is_fact(part, "danger") || is_fact(part, "to_ok");
        let escapes = of("unless").filter_map(|one| one.get("body")).any(|body| parts(body, "||").into_iter().any(spared));
        let whens: Vec<&Value> = of("when").filter_map(|one| one.get("body")).flat_map(|body| parts(body, "&&")).collect();
        let not_danger = |part: &&Value| part.pointer("/!/arg").is_some_and(|not| is_fact(not, "danger"));
        let spares = whens.iter().any(|part| not_danger(part) || is_fact(part, "recipient_excluded"));
        if !escapes && !spares {
            let limit = |fact: &str| whens.iter().find_map(|part| words(part, fact));
            let limits = Limits { types: limit("type"), to_kinds: limit("to_kind"), to_secrecies: limit("to_secrecy") };
            found.insert(policy.id().to_string(), limits);
        }
    }
    Ok(found)
}

impl Policies {
    /// Every prohibition that could stop an alert, in French, with what is to be written; none in a set that may be in force.
    pub fn alerts_stopped(&self, catalogue: &Catalogue) -> Vec<String> {
        let alerts = || catalogue.types.values().flatten().filter(|one| one.danger);
        let recipients: BTreeSet<_> = alerts().flat_map(|one| &one.to).map(|to| &to.kind).collect();
        let secrecy = |word: &String| {
            let of = recipients.iter().filter_map(|kind| catalogue.kind(kind));
            of.map(|rule| rule.secrecy).any(|secrecy| serde_json::to_value(secrecy).ok().as_ref().and_then(Value::as_str) == Some(word))
        };
        let stops = |limits: &Limits| {
            limits.types.as_ref().is_none_or(|types| types.iter().any(|code| catalogue.is_danger(code)))
                && limits.to_kinds.as_ref().is_none_or(|kinds| recipients.iter().any(|kind| kinds.contains(kind.as_str())))
                && limits.to_secrecies.as_ref().is_none_or(|words| words.iter().any(secrecy))
        };
        self.unexcepted
            .iter()
            .filter(|(_, limits)| stops(limits))
            .map(|(id, _)| {
                format!(
                    "{}{id} : cette interdiction arrêterait des alertes sur un enfant en danger ; écrire « unless {{ context.danger || … }} », \
                     ou la limiter à des types d’échange qui ne sont pas des alertes, ou à des destinataires qui n’en reçoivent pas",
                    self.place(id),
                )
            })
            .collect()
    }
}

pub(super) fn on_submit(policy: &Policy) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(uids) => uids.iter().any(|uid| uid.id().unescaped() == "submit"),
        ActionConstraint::Eq(uid) => uid.id().unescaped() == "submit",
    }
}

/// The parts that `a || b || c`, or `a && b && c`, is made of.
fn parts<'j>(body: &'j Value, joined: &str) -> Vec<&'j Value> {
    match body.get(joined).map(|both| (both.get("left"), both.get("right"))) {
        Some((Some(left), Some(right))) => [parts(left, joined), parts(right, joined)].concat(),
        _ => vec![body],
    }
}

fn is_fact(part: &Value, fact: &str) -> bool {
    part.pointer("/./attr").and_then(Value::as_str) == Some(fact) && is_context(part.get("."))
}

fn is_context(of: Option<&Value>) -> bool {
    of.and_then(|of| of.pointer("/left/Var")).and_then(Value::as_str) == Some("context")
}

/// The words that `context.fact == "x"` or `["x", "y"].contains(context.fact)` names.
fn words(part: &Value, fact: &str) -> Option<BTreeSet<String>> {
    let word = |side: &Value| side.get("Value").and_then(Value::as_str).map(str::to_owned);
    if let Some(both) = part.get("==") {
        let (left, right) = (both.get("left")?, both.get("right")?);
        let named = if is_fact(left, fact) { word(right) } else { word(left).filter(|_| is_fact(right, fact)) };
        return named.map(|word| BTreeSet::from([word]));
    }
    let list = part.get("contains").filter(|list| list.get("right").is_some_and(|side| is_fact(side, fact)))?;
    list.pointer("/left/Set")?.as_array()?.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use crate::{
        catalogue::Catalogue,
        policy::tests::world::{World, folder},
    };

    fn stopped(condition: &str) -> usize {
        // The label of a rule of confidentiality makes it none.
        let world = World::with_law(&format!(
            "@id(\"essai\") @rule(\"R06 R72\") @article(\"a\") @effective_from(\"2020-01-01\") @explain(\"e\") @missing(\"m\") @cure(\"c\") @who(\"w\")\n\
             forbid (principal, action == Action::\"submit\", resource)\n{condition};"
        ));
        world.policies.alerts_stopped(&Catalogue::load(&folder().join("catalogue")).unwrap()).len()
    }

    #[test]
    fn i03_a_prohibition_says_that_alerts_pass_or_is_found() {
        for harmless in [
            "unless { context.danger }",
            "when { context.from_kind == \"caf\" }\nunless { context.is_reply || context.danger || context.has_case }",
            "when { context.from_kind == \"caf\" && !context.danger }",
            "when { context.type == \"demande-adresse\" && context.is_reply }",
            "when { [\"demande-adresse\", \"dossier-connu\"].contains(context.type) }",
            "when { context.danger }\nunless { context.is_reply || context.to_ok }",
            "when { context.to_kind == \"mairie-ccas\" && context.danger }",
            "when { [\"famille\", \"caf\"].contains(context.to_kind) }",
            "when { context.to_secrecy == \"aucun\" }",
            "when { context.recipient_excluded && context.danger }",
        ] {
            assert_eq!(stopped(harmless), 0, "{harmless}");
        }
        for stops in [
            "",
            "when { context.from_kind == \"maison-adolescents\" }",
            "when { context.danger }",
            "unless { context.danger && context.is_reply }",
            "when { context.type == \"demande-adresse\" || context.is_reply }",
            "when { context.type == \"signalement\" }",
            "when { [\"demande-adresse\", \"signalement\"].contains(context.type) }",
            "when { context.type != \"demande-adresse\" }",
            "when { [\"famille\", \"crip\"].contains(context.to_kind) }",
            "when { context.to_secrecy == \"mission\" }",
            "when { context.to_kind == \"mairie-ccas\" || context.is_reply }",
            "when { context.to_ok }",
        ] {
            assert_eq!(stopped(stops), 1, "{stops}");
        }
    }

    #[test]
    fn i03_the_rules_of_the_repository_stop_no_alert() {
        let catalogue = Catalogue::load(&folder().join("catalogue")).unwrap();
        let policies = World::new().policies;
        assert!(!policies.unexcepted.is_empty(), "those that are limited to other types");
        assert_eq!(policies.alerts_stopped(&catalogue), Vec::<String>::new());
    }
}
