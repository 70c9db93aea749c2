//! How decisions of the log are told, in French, to an auditor or a jurist.

use exchange::Instant;
use serde_json::{Value, json};

use crate::{
    flows::{
        examine::{Change, Logged, Replayed, Simulation},
        law::archive::Past,
    },
    log::Event,
    policy::{DecisionRecord, Question, Reason},
    store::policy_sets::Proposal,
};

/// A replay, question by question.
pub(super) fn replayed(one: &Logged, replayed: Option<&Replayed>) -> String {
    let (Some(record), Some(replayed)) = (&one.record, replayed) else {
        return format!("{}\nAucune règle n’a été interrogée{} : rien à rejouer.", heading(one), because(one));
    };
    let mut text = format!("{}\nJeu de règles du jour : {}\n", heading(one), short(&record.policy_set));
    for compared in &replayed.questions {
        let mark = if compared.same { "=" } else { "≠" };
        text.push_str(&format!("  {mark} {}\n", question(&compared.then)));
        if !compared.same {
            let now = compared.now.as_ref().map_or("ne peut plus être posée".to_owned(), answer);
            text.push_str(&format!("      aujourd’hui : {now}\n"));
        }
    }
    for part in &replayed.summary {
        let what = match *part {
            "rules" => "les règles citées",
            "obligations" => "les obligations",
            _ => "le résultat",
        };
        text.push_str(&format!("  ≠ {what}\n"));
    }
    text.push_str(if replayed.same {
        "Rejouée : même réponse, mêmes règles."
    } else {
        "Rejouée : la réponse ou les règles DIFFÈRENT. Le journal, l’archive des règles ou le programme a changé."
    });
    text
}

/// The policy set of a decision: since when, by whom.
pub(super) fn set(hash: &str, proposals: &[Proposal], at: Instant) -> Value {
    let of_the_day = proposals.iter().find(|one| one.in_force_from.is_some_and(|from| from <= at));
    json!({
        "hash": hash,
        "in_force_from": of_the_day.and_then(|one| one.in_force_from),
        "in_force_until": of_the_day.and_then(|one| one.in_force_until),
        "motive": of_the_day.map(|one| &one.motive),
    })
}

/// Facts, rules, articles, obligations, what was withheld: as text and as JSON.
pub(super) fn explained(one: &Logged, past: Option<&Past>, set: &Value) -> (String, Value) {
    let (Some(record), Some(past)) = (&one.record, past) else {
        let text = format!("{}\nAucune règle n’a été interrogée{}.", heading(one), because(one));
        return (text, json!({"decision": one}));
    };
    let mut text = format!("{}{}\n", heading(one), because(one));
    let of = |name: &str| set.get(name).and_then(Value::as_str);
    text.push_str(&format!("Jeu de règles {}, en vigueur depuis le {}", short(&record.policy_set), of("in_force_from").unwrap_or("-")));
    text.push_str(&of("in_force_until").map_or(String::new(), |until| format!(" jusqu’au {until}")));
    text.push_str(&of("motive").map_or(String::new(), |motive| format!(" ({motive})")));
    text.push_str("\n\nFaits retenus :\n");
    for (name, fact) in record.facts.as_object().into_iter().flatten() {
        // A record (the five facts of shared secrecy) is told fact by fact.
        let inside = fact.as_object().into_iter().flatten().map(|(inner, fact)| (format!("{name}.{inner}"), fact));
        let whole = (!fact.is_object()).then(|| (name.clone(), fact));
        for told in whole.into_iter().chain(inside).filter_map(|(name, fact)| fact_text(&name, fact)) {
            text.push_str(&format!("  - {told}\n"));
        }
    }
    text.push_str("\nQuestions et réponses :\n");
    let mut questions = Vec::new();
    for asked in &record.questions {
        let reasons = past.policies.reasons(asked, &record.facts);
        text.push_str(&format!("  {}\n", question(asked)));
        for reason in &reasons {
            text.push_str(&reason_text(reason, asked.permitted));
        }
        questions.push(json!({"question": asked, "reasons": reasons}));
    }
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title} :\n"));
            lines.iter().for_each(|line| text.push_str(&format!("  - {line}\n")));
        }
    };
    let duty = |code: &String| past.catalogue.obligation(code).map_or_else(|| code.clone(), |rule| format!("{} ({code})", rule.title));
    list("Obligations", record.obligations.iter().map(duty).collect());
    list("Retenu (classe ou champ)", record.withheld.clone());
    (text.trim_end().to_owned(), json!({"decision": one, "set": set, "questions": questions}))
}

/// One decision as a line of a list.
pub(super) fn line(one: &Logged) -> Value {
    let kind = one.record.as_ref().and_then(|record| record.facts.get("type").cloned());
    json!({
        "entry": one.entry,
        "at": one.at,
        "event": one.event,
        "exchange": one.exchange,
        "result": one.result,
        "because": one.because,
        "type": kind,
        "rules": one.record.as_ref().map(|record| &record.rules),
        "set": one.record.as_ref().map(|record| &record.policy_set),
    })
}

/// The same, for people.
pub(super) fn line_text(one: &Logged) -> String {
    let entry = one.entry.map_or_else(|| "-".to_owned(), |entry| entry.to_string());
    let (kind, rules) = match &one.record {
        Some(record) => (fact(record, "type"), record.rules.join(" ")),
        None => (String::new(), one.because.clone().unwrap_or_default()),
    };
    format!("{entry:>6}  {}  {:<18}  {:<8}  {kind}  {rules}", one.at, one.event.as_str(), result(one))
}

/// What another set would change.
pub(super) fn simulated(set: &str, since: Instant, simulation: &Simulation) -> String {
    let counts = &simulation.counts;
    let mut text = format!(
        "Jeu {} face aux décisions depuis le {since} : {} rejouées, {} sans changement.\n  \
         refus → permis : {}\n  permis → refus : {}\n  obligations changées : {}\n  parties retenues changées : {}\n",
        short(set),
        counts.decided,
        counts.same,
        counts.opened,
        counts.closed,
        counts.obligations,
        counts.withheld
    );
    if counts.without_rules > 0 {
        text.push_str(&format!("  décidées sans règles, non rejouées : {}\n", counts.without_rules));
    }
    if !simulation.rules.is_empty() {
        text.push_str("Par règle (ouvre ou maintient / ferme) :\n");
        for (rule, (opened, closed)) in &simulation.rules {
            text.push_str(&format!("  {rule} : {opened} / {closed}\n"));
        }
    }
    for change in simulation.changes.iter().take(TOLD) {
        text.push_str(&change_text(change));
    }
    if simulation.changes.len() > TOLD {
        text.push_str(&format!("… et {} autres (--json les donne toutes).\n", simulation.changes.len() - TOLD));
    }
    text.trim_end().to_owned()
}

fn change_text(change: &Change) -> String {
    let word = |permitted: bool| if permitted { "permis" } else { "refus" };
    let entry = change.entry.map_or_else(|| "-".to_owned(), |entry| entry.to_string());
    let Change { at, event, kind, from_kind, to_kind, then, now, .. } = change;
    let mut text = format!("  entrée {entry}, {at}, {event}, {kind}, {from_kind} → {to_kind} : {} → {}", word(*then), word(*now));
    text.push_str(&format!(" (règles {} → {})\n", change.rules.0.join(" "), change.rules.1.join(" ")));
    let parts = [
        ("obligation nouvelle", &change.obligations.0),
        ("obligation retirée", &change.obligations.1),
        ("retenu en plus", &change.withheld.0),
        ("n’est plus retenu", &change.withheld.1),
    ];
    for (title, list) in parts.iter().filter(|(_, list)| !list.is_empty()) {
        text.push_str(&format!("      {title} : {}\n", list.join(", ")));
    }
    text
}

fn heading(one: &Logged) -> String {
    let entry = one.entry.map_or_else(|| "en attente du notaire".to_owned(), |entry| format!("entrée {entry}"));
    let refused = if one.exchange.is_some() { "ouverture refusée" } else { "demande refusée" };
    let names = [
        (Event::ExchangeAccepted, "dépôt accepté"),
        (Event::ExchangeRefused, refused),
        (Event::ExchangeOpened, "ouverture"),
        (Event::BreakGlass, "ouverture en urgence"),
    ];
    let what = names.iter().find(|(event, _)| *event == one.event).map_or("question", |(_, name)| name);
    let exchange = one.exchange.map_or_else(String::new, |id| format!(", échange {id}"));
    let kind = one.record.as_ref().map_or_else(String::new, |record| format!("\n{}", route(record)));
    let rules = one.record.as_ref().map_or_else(String::new, |record| format!(", par {}", record.rules.join(", ")));
    format!("Décision du {} ({entry}, {what}{exchange}) : {}{rules}.{kind}", one.at, result(one))
}

/// What goes from where to where. A record names the institution of who acts: of an opening, that is the reader's.
fn route(record: &DecisionRecord) -> String {
    let DecisionRecord { from, to, .. } = record;
    let [kind, from_kind, to_kind] = ["type", "from_kind", "to_kind"].map(|name| fact(record, name));
    let opening = record.questions.first().is_some_and(|asked| ["open", "break_glass"].contains(&asked.action.as_str()));
    if opening {
        format!("{kind}, d’un service « {from_kind} » à {to} ({to_kind}) ; veut lire : une personne de {from}")
    } else {
        format!("{kind}, de {from} ({from_kind}) vers {to} ({to_kind})")
    }
}

fn because(one: &Logged) -> String {
    match one.because.as_deref() {
        None => String::new(),
        Some("agreement") => " (refusé d’abord faute de protocole en vigueur)".to_owned(),
        Some("nothing there for this person") => " (rien que cette personne puisse connaître)".to_owned(),
        Some(other) => format!(" ({other})"),
    }
}

fn result(one: &Logged) -> &'static str {
    let permitted = one.record.as_ref().is_some_and(|record| record.permitted);
    match one.result.as_str() {
        "permit" => "permis",
        "question" if permitted => "permis",
        _ => "refusé",
    }
}

fn question(asked: &Question) -> String {
    let of = &asked.resource.1;
    let what = match asked.action.as_str() {
        "submit" => "Envoyer".to_owned(),
        "open" => "Ouvrir".to_owned(),
        "break_glass" => "Ouvrir en urgence".to_owned(),
        "receive" => format!("Le service destinataire peut détenir « {of} »"),
        "disclose" => format!("Cette personne peut lire « {of} »"),
        other => other.to_owned(),
    };
    format!("{what} : {}", answer(asked))
}

fn answer(asked: &Question) -> String {
    let by = if asked.policies.is_empty() { "aucune règle".to_owned() } else { asked.policies.join(", ") };
    match (asked.error, asked.permitted) {
        (true, _) => "indécidable, donc non".to_owned(),
        (false, true) => format!("oui ({by})"),
        (false, false) => format!("non ({by})"),
    }
}

fn reason_text(reason: &Reason, permitted: bool) -> String {
    let Reason { explanation, .. } = reason;
    let mut text = format!("      {} ({}) : {}\n", explanation.rule, explanation.article, explanation.explain);
    if !permitted {
        for (title, sentence) in
            [("Il manque", &explanation.missing), ("Ce qui changerait la réponse", &explanation.cure), ("Qui", &explanation.who)]
        {
            if !sentence.is_empty() {
                text.push_str(&format!("        {title} : {sentence}\n"));
            }
        }
    }
    text
}

/// A fact in words. What is not so, or was not said, is told only where its absence can refuse.
fn fact_text(name: &str, fact: &Value) -> Option<String> {
    let yes = fact.as_bool();
    let written = match fact {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => fact.to_string(),
    };
    let label = LABELS.iter().find(|(known, _)| *known == name).map(|(_, label)| *label);
    match (label, yes) {
        (Some(""), _) | (None, Some(false)) => None,
        (Some(label), Some(true)) => Some(format!("{label} : oui")),
        (Some(label), Some(false)) => Some(format!("{label} : non")),
        (Some(_), None) if written.is_empty() => None,
        (Some(label), None) => Some(format!("{label} : {written}")),
        (None, _) => Some(format!("{name} : {written}")),
    }
}

fn fact(record: &DecisionRecord, name: &str) -> String {
    record.facts.get(name).and_then(Value::as_str).unwrap_or("-").to_owned()
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Changes told one by one.
const TOLD: usize = 50;
/// Facts of the schema in French; an empty label is told elsewhere.
const LABELS: &[(&str, &str)] = &[
    ("type", "Type d’échange"),
    ("danger", "Type de danger (jamais arrêté par une forme)"),
    ("urgency", "Urgence"),
    ("classes", "Classes d’information présentes"),
    ("purpose", "Finalité"),
    ("purpose_ok", "Finalité prévue pour ce type"),
    ("legal_basis", "Base légale"),
    ("instant", ""),
    ("is_reply", "Réponse à un échange"),
    ("from_kind", "Service émetteur"),
    ("from_secrecy", "Secret de l’émetteur"),
    ("from_role", "Rôle de l’émetteur en protection de l’enfance"),
    ("from_ok", "Émetteur prévu au catalogue"),
    ("to_kind", "Service destinataire"),
    ("to_secrecy", "Secret du destinataire"),
    ("to_role", "Rôle du destinataire en protection de l’enfance"),
    ("to_ok", "Destinataire prévu au catalogue"),
    ("actor", "Qui agit"),
    ("actor_secrecy", "Secret de la personne"),
    ("actor_role", "Rôle de la personne en protection de l’enfance"),
    ("actor_profession", "Profession"),
    ("actor_functions", "Fonctions"),
    ("human_send", "Envoi réservé à une personne"),
    ("parents", "Information des parents"),
    ("child", "Information de l’enfant"),
    ("secret.both_bound", "Secret partagé 1, tous deux tenus au secret"),
    ("secret.mission", "Secret partagé 2, mission de protection de l’enfance"),
    ("secret.purpose", "Secret partagé 3, finalité d’évaluer, décider ou mettre en œuvre"),
    ("secret.necessary", "Secret partagé 4, stricte nécessité"),
    ("secret.informed", "Secret partagé 5, parents informés ou raison écrite de ne pas le faire"),
    ("said", "Ce que dit le document"),
    ("person", "Accord de la personne"),
    ("ages", "Âges"),
    ("residence", "Résidence"),
    ("place_hidden", "Lieu d’accueil tenu secret"),
    ("reserve_magistrat", "Réserve du magistrat"),
    ("file", "Cadre du dossier"),
    ("emergency_in_time", "Accès en urgence dans son délai"),
    ("emergency_classes", ""),
    ("has_case", "Rattaché à un dossier"),
    ("agreement_need", "Besoin d’un protocole"),
    ("agreement", "Protocole"),
    ("in_unit", "Membre du service destinataire"),
    ("in_institution", "Membre de l’institution destinataire"),
    ("in_service", "Habilitation en cours dans l’institution"),
    ("habilitated", "Habilitation en cours"),
    ("case_link", "Chargé du dossier"),
    ("reader_excluded", "Personne écartée du dossier"),
    ("recipient_excluded", "Destinataire écarté du dossier"),
    ("break_glass", "Ouverture en urgence"),
    ("written_reason", "Motif écrit"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A teacher of a collège asks whether they may send, and whether they may open what the CRIP sent.
    #[test]
    fn the_unit_that_is_told_is_that_of_its_institution() {
        let told = |action: &str, from_kind: &str, to: &str, to_kind: &str| {
            let record = json!({
                "exchange": "0190b8c5-0000-7000-8000-000000000000",
                "policy_set": "0",
                "at": "2026-03-02T10:00:00.000Z",
                "facts": {"type": "retour-information", "from_kind": from_kind, "to_kind": to_kind},
                "from": "college-0319901u",
                "to": to,
                "agreement": null,
                "questions": [{
                    "action": action, "principal": ["Professional", "p"], "resource": ["Exchange", "e"], "permitted": false, "error": false,
                    "policies": [],
                }],
                "rules": [],
                "obligations": [],
                "permitted": false,
                "withheld": [],
            });
            route(&serde_json::from_value(record).unwrap())
        };
        assert_eq!(
            told("submit", "en-etablissement", "departement-31", "crip"),
            "retour-information, de college-0319901u (en-etablissement) vers departement-31 (crip)"
        );
        for action in ["open", "break_glass"] {
            let told = told(action, "crip", "college-0319901u", "en-etablissement");
            assert_eq!(
                told,
                "retour-information, d’un service « crip » à college-0319901u (en-etablissement) ; veut lire : une personne de college-0319901u"
            );
        }
    }
}
