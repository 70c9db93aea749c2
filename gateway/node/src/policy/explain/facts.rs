//! The facts of a decision in French: one sentence for each word of the schema that a rule looked at.
//!
//! Says nothing of who is excluded from a file, of a magistrate's reserve or of what fields say: those are told by the
//! rule itself to who may know them, or not at all.

use serde_json::Value;

/// The sentences for these words, in their order, each once.
pub(super) fn tell<'a>(words: impl Iterator<Item = &'a str>, facts: &Value) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for word in words {
        let Some(value) = facts.get(word) else { continue };
        for sentence in sentences(word, value) {
            if !told.contains(&sentence) {
                told.push(sentence);
            }
        }
    }
    told
}

fn sentences(word: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Bool(holds) => yes_or_no(word, *holds).map(str::to_owned).into_iter().collect(),
        Value::String(code) => coded(word, code).into_iter().collect(),
        Value::Number(count) if word == "approvals" => vec![format!("Accords reçus : {count}.")],
        Value::Array(codes) if word == "classes" => {
            let classes: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
            vec![format!("Catégories d’information : {}.", if classes.is_empty() { "aucune".to_owned() } else { classes.join(", ") })]
        }
        Value::Array(bands) if word == "ages" && !bands.is_empty() && bands.iter().all(|band| band == "majeur") => {
            vec!["Les personnes concernées sont majeures.".to_owned()]
        }
        Value::Object(_) if word == "secret" => FIVE
            .iter()
            .map(|(fact, text)| format!("{text} : {}.", if value.get(fact) == Some(&Value::Bool(true)) { "oui" } else { "non" }))
            .collect(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

/// The five conditions of CASF L226-2-2, in their order.
const FIVE: &[(&str, &str)] = &[
    ("both_bound", "1. Tenus au secret professionnel des deux côtés"),
    ("mission", "2. Mission commune de protection, pour un enfant que les deux suivent"),
    ("purpose", "3. But d’évaluer, de décider ou de protéger"),
    ("necessary", "4. Nécessité écrite"),
    ("informed", "5. Parents informés, ou exception motivée et signée (à dix-huit ans : accord de la personne)"),
];

fn yes_or_no(word: &str, holds: bool) -> Option<&'static str> {
    Some(match (word, holds) {
        ("danger", true) => "Cet envoi alerte sur un enfant en danger.",
        ("danger", false) => "Cet envoi n’est pas une alerte.",
        ("purpose_ok", true) => "Le catalogue prévoit ce but.",
        ("purpose_ok", false) => "Le catalogue ne prévoit pas ce but.",
        ("from_ok", true) => "Le catalogue prévoit cet échange au départ de ce service.",
        ("from_ok", false) => "Le catalogue ne prévoit pas cet échange au départ de ce service.",
        ("to_ok", true) => "Le catalogue prévoit cet échange vers ce destinataire.",
        ("to_ok", false) => "Le catalogue ne prévoit pas cet échange vers ce destinataire.",
        ("human_send", true) => "Cet échange demande la décision d’une personne.",
        ("human_send", false) => "Cet échange peut partir d’un logiciel.",
        ("is_reply", true) => "L’envoi répond à un échange.",
        ("is_reply", false) => "L’envoi ne répond à aucun échange.",
        ("has_case", true) => "Un dossier est indiqué.",
        ("has_case", false) => "Aucun dossier n’est indiqué.",
        ("in_unit", true) => "La personne travaille dans le service.",
        ("in_unit", false) => "La personne ne travaille pas dans le service.",
        ("in_institution", true) => "La personne travaille dans l’institution destinataire.",
        ("in_institution", false) => "La personne ne travaille pas dans l’institution destinataire.",
        ("in_service", true) => "Une habilitation est en cours dans l’institution destinataire.",
        ("in_service", false) => "Aucune habilitation n’est en cours dans l’institution destinataire.",
        ("habilitated", true) => "Une habilitation est en cours.",
        ("habilitated", false) => "Aucune habilitation n’est en cours.",
        ("case_link", true) => "La personne est chargée du dossier.",
        ("case_link", false) => "La personne n’est pas chargée du dossier.",
        ("break_glass", true) => "C’est un accès d’urgence.",
        ("written_reason", true) => "Un motif est écrit.",
        ("written_reason", false) => "Aucun motif n’est écrit.",
        ("emergency_in_time", true) => "L’accès d’urgence est en cours.",
        ("emergency_in_time", false) => "Aucun accès d’urgence n’est en cours.",
        ("budget_left", true) => "Le dossier a encore des questions.",
        ("budget_left", false) => "Le dossier a épuisé ses questions.",
        ("same_departement", true) => "Les deux services sont du même Département.",
        ("same_departement", false) => "Les deux services ne sont pas du même Département.",
        ("approvers_distinct", true) => "Les personnes qui approuvent sont différentes entre elles et de celle qui demande.",
        ("approvers_distinct", false) => "Une personne approuve deux fois, ou approuve sa propre demande.",
        ("two_roles", true) => "Les accords viennent de deux fonctions.",
        ("two_roles", false) => "Les accords ne viennent pas de deux fonctions.",
        ("in_time", true) => "La demande a moins de trente minutes.",
        ("in_time", false) => "La demande a plus de trente minutes.",
        ("unused", true) => "L’accord n’a pas servi.",
        ("unused", false) => "L’accord a déjà servi.",
        _ => return None,
    })
}

fn coded(word: &str, code: &str) -> Option<String> {
    Some(match (word, code) {
        ("type", _) => format!("Échange : {code}."),
        ("from_kind", _) => format!("Service qui envoie : {code}."),
        ("to_kind", _) => format!("Service destinataire : {code}."),
        ("actor_profession", "") => "Aucune profession n’est connue.".to_owned(),
        ("actor_profession", _) => format!("Profession de la personne : {code}."),
        ("actor", "professional") => "Une personne nommée agit.".to_owned(),
        ("actor", "system") => "Un logiciel agit, aucune personne n’est nommée.".to_owned(),
        ("actor", _) => "L’institution agit seule : aucune personne n’a été identifiée.".to_owned(),
        ("actor_secrecy", "aucun") => "La personne n’est pas tenue au secret professionnel.".to_owned(),
        ("actor_secrecy", by) => format!("La personne est tenue au secret ({by})."),
        ("from_secrecy", "aucun") => "Le service qui envoie n’est pas tenu au secret.".to_owned(),
        ("from_secrecy", by) => format!("Le service qui envoie est tenu au secret ({by})."),
        ("to_secrecy", "aucun") => "Le service destinataire n’est pas tenu au secret.".to_owned(),
        ("to_secrecy", by) => format!("Le service destinataire est tenu au secret ({by})."),
        ("actor_role", role) => format!("La personne {}.", part(role)),
        ("from_role", role) => format!("Le service qui envoie {}.", part(role)),
        ("to_role", role) => format!("Le service destinataire {}.", part(role)),
        ("urgency", "immediate") => "Urgence : immédiate.".to_owned(),
        ("urgency", "priority") => "Urgence : dans la journée.".to_owned(),
        ("urgency", _) => "Urgence : ordinaire.".to_owned(),
        ("purpose", _) => format!("But : {}.", purpose(code)),
        ("parents", "faite") => "Les parents sont informés.".to_owned(),
        ("parents", "non-faite-interet-enfant") => "Les parents ne sont pas informés, dans l’intérêt de l’enfant.".to_owned(),
        ("parents", "tentee-sans-succes") => "Les parents n’ont pas pu être joints.".to_owned(),
        ("parents", _) => "On ne sait pas si les parents sont informés.".to_owned(),
        ("child", "faite") => "L’enfant est informé.".to_owned(),
        ("child", "non-faite-age-maturite") => "L’enfant n’est pas informé, à cause de son âge.".to_owned(),
        ("child", "non-faite-interet-enfant") => "L’enfant n’est pas informé, dans son intérêt.".to_owned(),
        ("child", _) => "On ne sait pas si l’enfant est informé.".to_owned(),
        ("person", "donne") => "La personne concernée a donné son accord.".to_owned(),
        ("person", "informee-sans-opposition") => "La personne concernée est informée et ne s’oppose pas.".to_owned(),
        ("person", "refuse") => "La personne concernée refuse.".to_owned(),
        ("person", _) => "On ne connaît pas l’accord de la personne concernée.".to_owned(),
        ("residence", "ailleurs") => "L’enfant réside dans un autre département que le destinataire.".to_owned(),
        ("agreement", "aucune") => "Aucun protocole n’est indiqué.".to_owned(),
        ("agreement", "en-vigueur") => "Un protocole en vigueur couvre l’échange.".to_owned(),
        ("agreement", "hors-perimetre") => "Le protocole indiqué ne couvre pas l’échange.".to_owned(),
        ("agreement", _) => "Le protocole indiqué n’est pas en vigueur.".to_owned(),
        ("agreement_need", "required") => "Cet échange suppose un protocole.".to_owned(),
        _ => return None,
    })
}

fn part(role: &str) -> &'static str {
    match role {
        "implements" => "met en œuvre la protection de l’enfance",
        "assists" => "concourt à la protection de l’enfance",
        "authority" => "relève de l’autorité judiciaire",
        _ => "ne participe pas à la protection de l’enfance",
    }
}

fn purpose(code: &str) -> &str {
    match code {
        "ip" => "transmettre une information préoccupante",
        "evaluate" => "évaluer la situation",
        "decide" => "décider",
        "implement" => "mettre en œuvre la protection",
        "signalement" => "saisir la justice",
        "feedback" => "informer des suites",
        "transfer" => "transmettre à un autre département",
        "address" => "chercher une adresse",
        "benefit" => "ouvrir ou arrêter un droit",
        "statistics" => "établir des statistiques",
        "directory" => "tenir l’annuaire",
        "data-subject" => "répondre à la personne concernée",
        // The sender's own word, which no list knows.
        _ => "un but que le catalogue ne connaît pas",
    }
}
