//! What a person who must decide now reads first, on one screen: of whom, where the child is, what is feared, what was tried, what is
//! asked. Taken from what was released to this reader, and from nothing else.

use serde_json::Value;

use super::{mailbox::list_of, tell, words::words};

/// The essentials of a danger: what each is, and what the document says of it.
pub(super) fn essentials(document: &Value) -> Vec<(&'static str, String)> {
    let payload = document.get("payload").unwrap_or(&Value::Null);
    let text = |at: &str| payload.pointer(at).and_then(Value::as_str).map(tell::text).unwrap_or_default();
    let code = |list: &str, at: &str| payload.pointer(at).and_then(Value::as_str).map(|code| words().code(list, code)).unwrap_or_default();
    let codes =
        |list: &str, name: &str| joined(list_of(payload, name).iter().filter_map(Value::as_str).map(|code| words().code(list, code)));
    let tried = list_of(payload, "actions_menees").iter().map(|one| {
        let said = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let action = words().code("CL-action", said("action"));
        if said("resultat").is_empty() { action } else { format!("{action} ({})", said("resultat")) }
    });
    let called = payload.pointer("/magistrat_permanence/avise").and_then(Value::as_bool);
    let all = [
        ("Enfant", joined(list_of(document, "subjects").iter().filter(is_child).filter_map(named))),
        ("Où est l’enfant", text("/lieu_actuel_enfant/type")),
        ("Danger", codes("CL-danger", "types_danger")),
        ("Situation", code("CL-branche", "/branche_l226_4")),
        ("Pourquoi c’est urgent", text("/motif_urgence")),
        ("Déjà fait", joined(tried)),
        ("Demandé", codes("CL-mesure-sollicitee", "mesures_sollicitees")),
        (
            "Magistrat de permanence",
            called.map(|yes| if yes { "Avisé par téléphone" } else { "Pas encore avisé" }.to_owned()).unwrap_or_default(),
        ),
    ];
    all.into_iter().filter(|(_, said)| !said.is_empty()).collect()
}

fn is_child(subject: &&Value) -> bool {
    subject.get("role").and_then(Value::as_str).is_some_and(|role| ["enfant", "fratrie", "autre-mineur-du-foyer"].contains(&role))
}

/// `Capucine FICTIVE, 27 février 2014`, as far as it may be read.
fn named(subject: &Value) -> Option<String> {
    let text = |name: &str| subject.get(name).and_then(Value::as_str).map(tell::text);
    let given = list_of(subject, "given_names").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let name = [Some(given).filter(|given| !given.is_empty()), text("birth_name")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let all = [Some(name).filter(|name| !name.is_empty()), text("birth_date")].into_iter().flatten().collect::<Vec<_>>().join(", ");
    Some(all).filter(|all| !all.is_empty())
}

fn joined(all: impl Iterator<Item = String>) -> String {
    all.filter(|one| !one.is_empty()).collect::<Vec<_>>().join(" ; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_released_is_not_made_up() {
        assert!(essentials(&json!({})).is_empty());
        let document = json!({"subjects": [{"role": "enfant", "birth_date": "2014-02-27"}, {"role": "mere", "birth_name": "EXEMPLE"}],
            "payload": {"types_danger": ["negligences"], "actions_menees": [{"action": "entretien", "resultat": "refus"}]}});
        assert_eq!(
            essentials(&document),
            [("Enfant", "27 février 2014".to_owned()), ("Danger", "Négligences".to_owned()), ("Déjà fait", "Entretien (refus)".to_owned())]
        );
    }
}
