//! What the pretend partners ask each other and answer. Invented people, invented streets.

use serde_json::{Value, json};

/// The child of the scenes, as whoever asks about it names it.
pub fn child() -> Value {
    json!({"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27"})
}

/// The evaluation team asks the collège, under the agreement signed with the Éducation nationale.
pub fn to_the_school(questions: &[&str]) -> Value {
    let questions: Vec<Value> = questions.iter().map(|code| json!({"code": code})).collect();
    json!({
        "type": "demande-information",
        "sender": {"institution": "departement-31", "unit": "equipe-evaluation-nord"},
        "recipient": {"institution": "college-0319901u"},
        "subjects": [child()],
        "purpose": "evaluate",
        "agreement": "p14-education",
        "urgency": "ordinary",
        "case": "31-2026-00417",
        "information": {"parents": {"informed": "faite", "date": "2026-11-20", "means": "courrier"}, "child": {"informed": "faite"}},
        "payload": {
            "profil": "evaluation",
            "questions": questions,
            "necessite": "Apprécier si les absences tiennent aux nuits passées seule avec son frère."
        }
    })
}

/// The head of the collège answers with school facts.
pub fn of_the_school(request: &str) -> Value {
    json!({
        "type": "reponse-information",
        "sender": {"institution": "college-0319901u", "unit": "direction"},
        "recipient": {"institution": "departement-31", "unit": "equipe-evaluation-nord"},
        "purpose": "evaluate",
        "in_reply_to": request,
        "payload": {
            "issue": "repondue",
            "reponses": [{"question": "scolarite.lien-famille-ecole", "texte": "Mère venue une fois en octobre."}],
            "scolarite": {"inscrit": true, "demi_journees_absence": 19, "demi_journees_non_justifiees": 11},
            "faits_nouveaux": false,
            "information_personne": "faite"
        }
    })
}

/// The CRIP asks the caisse where the family went.
pub fn address() -> Value {
    json!({
        "type": "demande-adresse",
        "sender": {"institution": "departement-31", "unit": "crip"},
        "recipient": {"institution": "caf-31", "unit": "prestations"},
        "subjects": [
            child(),
            {"ref": "s2", "role": "mere", "birth_name": "EXEMPLE", "given_names": ["Zélie"], "birth_date": "1991-05-19"}
        ],
        "payload": {
            "fondement": "L226-3-2-ip-en-cours",
            "derniere_adresse": {"lines": ["12 impasse des Nuages"], "postcode": "31700", "city": "Blagnac"},
            "date_perte_contact": "2026-11-20"
        }
    })
}

/// The caisse answers: coordinates, and nothing else.
pub fn coordinates(request: &str) -> Value {
    json!({
        "type": "demande-adresse",
        "sender": {"institution": "caf-31", "unit": "prestations"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "in_reply_to": request,
        "payload": {"reponse": {
            "resultat": "trouvee",
            "adresse": {"lines": ["3 quai Inventé"], "postcode": "82000", "city": "Port-Exemple"},
            "date_effet": "2026-11-10"
        }}
    })
}

/// The ASE tells the caisse that a child is entrusted to it.
pub fn placement() -> Value {
    json!({
        "type": "notification-placement",
        "sender": {"institution": "departement-31", "unit": "ase"},
        "recipient": {"institution": "caf-31", "unit": "prestations"},
        "subjects": [
            {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Barnabé"], "sex": "M", "birth_date": "2022-11-05"},
            {"ref": "s2", "role": "allocataire", "birth_name": "EXEMPLE", "given_names": ["Zélie"]}
        ],
        "agreement": "l00-caf",
        "payload": {"evenement": "debut", "numero_allocataire": "0000000", "fondement": "375-5", "date_decision": "2026-11-23", "date_effet": "2026-11-23"}
    })
}

/// The paediatrician goes straight to the procureur.
pub fn direct_signalement() -> Value {
    json!({
        "type": "signalement",
        "sender": {"institution": "chu-toulouse", "unit": "urgences-pediatriques"},
        "recipient": {"institution": "parquet-toulouse", "unit": "permanence"},
        "subjects": [child()],
        "urgency": "immediate",
        "information": {"parents": {"informed": "non-faite-interet-enfant", "reason": "risque de pression sur l’enfant"}, "child": {"informed": "faite"}},
        "payload": {
            "declarant": {"nom": "INVENTÉE", "fonction": "pédiatre", "telephone": "+33536491098"},
            "branche_l226_4": "3-danger-grave-et-immediat",
            "lieu_actuel_enfant": {"type": "hôpital"},
            "faits": [{"date_debut": "2026-11-24", "source": "vu", "texte": "Lésions d’âges différents, récit non compatible."}],
            "types_danger": ["violences-physiques"],
            "constats_sante": {"texte": "Ecchymoses multiples.", "certificat_joint": false},
            "mesures_sollicitees": ["opp"],
            "magistrat_permanence": {"avise": true},
            "reserve_magistrat": {"active": true, "jusqu_au": "2026-11-27"},
            "information_parents_ecrite": {"statut": "a-faire"}
        }
    })
}

/// The parquet asks the CRIP for an evaluation, by a day.
pub fn soit_transmis() -> Value {
    json!({
        "type": "soit-transmis",
        "sender": {"institution": "parquet-toulouse", "unit": "mineurs"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "subjects": [child()],
        "urgency": "ordinary",
        "payload": {
            "numero_parquet": "31 026 000 123",
            "objet": "demande-evaluation",
            "question": "Évaluer la situation de l’enfant après une intervention au domicile.",
            "exposition_faits": "Violences entre conjoints en présence de l’enfant.",
            "enquete_en_cours": true,
            "information_famille": "possible",
            "date_limite": "2027-01-20"
        }
    })
}

/// A teacher asks the CRIP for advice, without naming anybody.
pub fn advice() -> Value {
    json!({
        "type": "demande-information",
        "sender": {"institution": "college-0319901u", "unit": "direction"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "purpose": "evaluate",
        "payload": {"profil": "conseil-technique", "questions": [{"code": "avis.circuit", "precision": "À qui le dire quand un élève s’endort chaque matin ?"}]}
    })
}

/// The CRIP advises.
pub fn advised(request: &str) -> Value {
    json!({
        "type": "reponse-information",
        "sender": {"institution": "departement-31", "unit": "crip"},
        "recipient": {"institution": "college-0319901u", "unit": "direction"},
        "in_reply_to": request,
        "payload": {"issue": "repondue", "reponses": [{"question": "avis.circuit", "texte": "À l’assistante sociale de l’établissement, puis à la CRIP."}]}
    })
}

/// A member tells the chef de file of the protocol that both are about to sign.
pub fn protocol() -> Value {
    json!({
        "type": "annuaire-protocoles",
        "sender": {"institution": "dsden-31", "unit": "ssfe"},
        "recipient": {"institution": "departement-31", "unit": "ase"},
        "payload": {
            "objet": "convention",
            "convention": {
                "id": "p14-bis", "titre": "Avenant au protocole", "parties": ["departement-31", "dsden-31"],
                "types": ["demande-information", "reponse-information"], "questions": ["scolarite.assiduite"],
                "classes": ["identite", "scolaire"], "finalites": ["evaluate"], "delai_reponse_jours": 10
            },
            "validite": {"debut": "2026-12-01", "fin": "2029-01-31"},
            "approbations": [{"institution": "dsden-31"}]
        }
    })
}

/// The CRIP asks the ASE whether the child of one of its exchanges is known.
pub fn known(exchange: &str) -> Value {
    json!({
        "type": "dossier-connu",
        "sender": {"institution": "departement-31", "unit": "crip"},
        "recipient": {"institution": "departement-31", "unit": "ase"},
        "urgency": "priority",
        "case": "31-2026-00417",
        "payload": {"motif": "ip-premiere-analyse", "echange_ref": exchange, "sujet": "s1"}
    })
}
