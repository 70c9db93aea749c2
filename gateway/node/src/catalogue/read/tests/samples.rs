//! Whole documents of the five types, as the demonstration's partners write them. Invented people, invented streets.

use serde_json::{Value, json};

/// Every sample, with the holder of the certificate that sends it.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let id = exchange::ExchangeId::new().to_string();
    vec![
        ("dsden-31", of_the_school()),
        ("chu-toulouse", of_the_hospital()),
        ("departement-31", signalement(&id)),
        ("parquet-toulouse", suites(&id)),
        ("departement-31/crip", retour(&id)),
        ("departement-31/crip", accuse(&id)),
    ]
}

/// The school social worker's information préoccupante.
pub(super) fn of_the_school() -> Value {
    json!({
        "type": "information-preoccupante",
        "sender": {"institution": "dsden-31", "unit": "ssfe"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "subjects": [
            {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27", "birth_place": "31555",
             "address": {"lines": ["12 impasse des Nuages"], "postcode": "31700", "city": "Blagnac"}, "school_class": "6e B"},
            {"ref": "s2", "role": "fratrie", "birth_name": "FICTIVE", "given_names": ["Barnabé"], "sex": "M", "birth_date": "2022-11-05"},
            {"ref": "s3", "role": "mere", "birth_name": "EXEMPLE", "given_names": ["Zélie"], "parental_authority": "oui", "in_home": "oui"}
        ],
        "urgency": "priority",
        "information": {"parents": {"informed": "faite", "date": "2026-11-20", "means": "telephone", "persons": ["s3"]}, "child": {"informed": "faite", "date": "2026-11-20"}},
        "payload": {
            "declarant": {"nom": "INVENTÉE", "prenom": "Odile", "fonction": "assistante sociale scolaire", "telephone": "+33536491099"},
            "faits": [
                {"date_debut": "2026-11-16", "source": "vu", "lieu": "collège", "texte": "Arrive sans repas ni manteau trois jours de suite, s’endort en classe."},
                {"date_debut": "2026-11-20", "source": "dit-par-l-enfant", "texte": "Dit rester seule le soir avec son frère de trois ans."}
            ],
            "types_danger": ["negligences", "securite"],
            "propos_enfant": [{"verbatim": "« Le soir c’est moi qui fais manger Barnabé, maman rentre quand il fait jour. »", "date": "2026-11-20", "recueilli_par": "assistante sociale scolaire"}],
            "scolarite": {"assiduite": "11 demi-journées d’absence depuis septembre, 7 non justifiées"},
            "motif_urgence": "enfant de trois ans laissé à la garde d’une enfant de douze ans"
        }
    })
}

/// The hospital's, about the same child with a typo in the name, and findings that a school must never see.
fn of_the_hospital() -> Value {
    json!({
        "type": "information-preoccupante",
        "sender": {"institution": "chu-toulouse", "unit": "pediatrie"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "subjects": [
            {"ref": "s1", "role": "enfant", "birth_name": "FICTVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27", "birth_place": "31555"}
        ],
        "urgency": "priority",
        "information": {"parents": {"informed": "non-faite-interet-enfant", "reason": "lésions incompatibles avec le récit"}, "child": {"informed": "faite"}},
        "payload": {
            "declarant": {"fonction": "pédiatre", "telephone": "+33536491098"},
            "faits": [{"date_debut": "2026-11-21", "source": "vu", "texte": "Amenée aux urgences par une voisine pour une chute d’escalier."}],
            "types_danger": ["violences-physiques"],
            "constats_sante": {"texte": "Multiples ecchymoses d’âges différents aux deux bras ; récit non compatible.", "certificat_joint": false},
            "motif_urgence": "lésions inexpliquées"
        }
    })
}

/// The CRIP's signalement, danger grave et immédiat, to the duty magistrate.
fn signalement(of: &str) -> Value {
    json!({
        "type": "signalement",
        "sender": {"institution": "departement-31", "unit": "crip"},
        "recipient": {"institution": "parquet-toulouse", "unit": "permanence"},
        "subjects": [
            {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27", "birth_place": "31555"},
            {"ref": "s2", "role": "fratrie", "birth_name": "FICTIVE", "given_names": ["Barnabé"], "sex": "M", "birth_date": "2022-11-05"},
            {"ref": "s3", "role": "mere", "birth_name": "EXEMPLE", "given_names": ["Zélie"], "parental_authority": "oui", "in_home": "oui"}
        ],
        "urgency": "immediate",
        "payload": {
            "branche_l226_4": "3-danger-grave-et-immediat",
            "lieu_actuel_enfant": {"type": "hôpital"},
            "faits": [{"date_debut": "2026-11-21", "source": "vu", "texte": "Lésions constatées par le CHU ; enfants seuls la nuit d’après le collège."}],
            "types_danger": ["violences-physiques", "negligences"],
            "actions_menees": [{"action": "entretien", "debut": "2026-11-23", "resultat": "mère dit ne pas avoir besoin d’aide"}],
            "mesures_sollicitees": ["opp"],
            "magistrat_permanence": {"avise": true},
            "information_parents_ecrite": {"statut": "a-faire"},
            "texte_libre": format!("Fait suite à l’information préoccupante {of}.")
        }
    })
}

/// The magistrate's answer to a signalement.
fn suites(signalement: &str) -> Value {
    json!({
        "type": "suites-judiciaires",
        "sender": {"institution": "parquet-toulouse", "unit": "permanence"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "urgency": "ordinary",
        "in_reply_to": signalement,
        "payload": {"signalement_ref": signalement, "numero_parquet": "31 026 000 119", "suites": ["opp", "saisine-juge-des-enfants"], "voie": "civil", "date_suite": "2026-11-24"}
    })
}

/// The CRIP's feedback to the school: a status, a date, nothing of the file (R33).
fn retour(information: &str) -> Value {
    json!({
        "type": "retour-information",
        "sender": {"institution": "departement-31", "unit": "crip"},
        "recipient": {"institution": "dsden-31", "unit": "ssfe"},
        "urgency": "ordinary",
        "in_reply_to": information,
        "payload": {"statut": "evaluation-en-cours", "date_statut": "2026-11-24"}
    })
}

/// The CRIP's acknowledgement to the school.
fn accuse(information: &str) -> Value {
    json!({
        "type": "accuse-reception",
        "recipient": {"institution": "dsden-31", "unit": "ssfe"},
        "in_reply_to": information,
        "payload": {
            "etat": "enregistree",
            "recu_le": "2026-11-20T16:04:00+01:00",
            "numero_recueil": "2026-0417",
            "manques": ["/subjects/0/address"],
            "echeances": [{"horloge": "K05", "date": "2027-02-20"}],
            "contact": {"service": "CRIP", "telephone": "+33536491000"}
        }
    })
}
