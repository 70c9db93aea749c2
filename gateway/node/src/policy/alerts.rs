//! Alerts: which prohibition could stop a danger type (invariant 3).
//!
//! Read off the text of the rules and not tried out: a trial would miss the one fact that nobody thought of. A `forbid`
//! on `submit` is harmless to alerts when it says so: `unless { … || context.danger }`, `when { !context.danger && … }`, or
//! when it is about exchange types by name, none of which is a danger type. Only the rules of confidentiality may do without.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Effect, Policy};
use serde_json::Value;

use super::{Policies, load::Note};

/// Rules that may refuse an alert, towards one recipient and with an alarm: no secrecy at the other end, a town hall,
/// somebody from whom the file is sealed.
const CONFIDENTIALITY: [&str; 3] = ["R06", "R72", "R81"];

/// Prohibitions on `submit` that do not except danger: by id, the exchange types that each is limited to, if it is.
pub(super) type Unexcepted = BTreeMap<String, Option<BTreeSet<String>>>;

/// Gathers them.
///
/// # Errors
/// A rule cannot be written as JSON.
pub(super) fn unexcepted(policies: &[Policy], notes: &BTreeMap<String, Note>) -> Result<Unexcepted, String> {
    let mut found = Unexcepted::new();
    for policy in policies.iter().filter(|policy| policy.effect() == Effect::Forbid && on_submit(policy)) {
        let id = policy.id().to_string();
        let Some(note) = notes.get(&id) else { continue };
        if note.explanation.rule.split_whitespace().any(|rule| CONFIDENTIALITY.contains(&rule)) {
            continue;
        }
        let json = policy.to_json().map_err(|error| error.to_string())?;
        let conditions: Vec<&Value> = json.get("conditions").and_then(Value::as_array).into_iter().flatten().collect();
        let of = |kind: &'static str| conditions.iter().filter(move |one| one.get("kind").and_then(Value::as_str) == Some(kind));
        let escapes = of("unless").filter_map(|one| one.get("body")).any(|body| parts(body, "||").into_iter().any(is_danger));
        let whens: Vec<&Value> = of("when").filter_map(|one| one.get("body")).flat_map(|body| parts(body, "&&")).collect();
        let spares = whens.iter().any(|part| part.pointer("/!/arg").is_some_and(is_danger));
        if !escapes && !spares {
            found.insert(id, whens.into_iter().find_map(types));
        }
    }
    Ok(found)
}

impl Policies {
    /// Every prohibition that could stop an alert, in French, with what is to be written; none in a set that may be in force.
    pub fn alerts_stopped(&self, is_danger: &dyn Fn(&str) -> bool) -> Vec<String> {
        let stops = |types: &Option<BTreeSet<String>>| types.as_ref().is_none_or(|types| types.iter().any(|code| is_danger(code)));
        self.unexcepted
            .iter()
            .filter(|(_, types)| stops(types))
            .map(|(id, _)| {
                format!(
                    "{id} : cette interdiction arrêterait des alertes sur un enfant en danger ; écrire « unless {{ context.danger || … }} », \
                     ou la limiter à des types d’échange qui ne sont pas des alertes"
                )
            })
            .collect()
    }
}

fn on_submit(policy: &Policy) -> bool {
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

fn is_danger(part: &Value) -> bool {
    part.pointer("/./attr").and_then(Value::as_str) == Some("danger") && is_context(part.get("."))
}

fn is_context(of: Option<&Value>) -> bool {
    of.and_then(|of| of.pointer("/left/Var")).and_then(Value::as_str) == Some("context")
}

/// The exchange types that `context.type == "x"` or `["x", "y"].contains(context.type)` names.
fn types(part: &Value) -> Option<BTreeSet<String>> {
    let is_type = |side: &Value| side.pointer("/./attr").and_then(Value::as_str) == Some("type") && is_context(side.get("."));
    let word = |side: &Value| side.get("Value").and_then(Value::as_str).map(str::to_owned);
    if let Some(both) = part.get("==") {
        let (left, right) = (both.get("left")?, both.get("right")?);
        let named = if is_type(left) { word(right) } else { word(left).filter(|_| is_type(right)) };
        return named.map(|code| BTreeSet::from([code]));
    }
    let list = part.get("contains").filter(|list| list.get("right").is_some_and(is_type))?;
    list.pointer("/left/Set")?.as_array()?.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use crate::{
        catalogue::Catalogue,
        policy::tests::world::{World, folder},
    };

    fn stopped(condition: &str) -> usize {
        let world = World::with_law(&format!(
            "@id(\"essai\") @rule(\"R99\") @article(\"a\") @effective_from(\"2020-01-01\") @explain(\"e\") @missing(\"m\") @cure(\"c\") @who(\"w\")\n\
             forbid (principal, action == Action::\"submit\", resource)\n{condition};"
        ));
        world.policies.alerts_stopped(&|code| code == "signalement").len()
    }

    #[test]
    fn i03_a_prohibition_says_that_alerts_pass_or_is_found() {
        for harmless in [
            "unless { context.danger }",
            "when { context.from_kind == \"caf\" }\nunless { context.is_reply || context.danger || context.has_case }",
            "when { context.from_kind == \"caf\" && !context.danger }",
            "when { context.type == \"demande-adresse\" && context.is_reply }",
            "when { [\"demande-adresse\", \"dossier-connu\"].contains(context.type) }",
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
        ] {
            assert_eq!(stopped(stops), 1, "{stops}");
        }
    }

    #[test]
    fn i03_the_rules_of_the_repository_stop_no_alert() {
        let catalogue = Catalogue::load(&folder().join("catalogue")).unwrap();
        let policies = World::new().policies;
        assert!(!policies.unexcepted.is_empty(), "those that are limited to other types");
        assert_eq!(policies.alerts_stopped(&|code| catalogue.is_danger(code)), Vec::<String>::new());
    }
}
