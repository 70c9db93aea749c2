//! The codes of the catalogue in the words of a magistrate's file. A code that is not here is printed as it came.

/// The branch of CASF L226-4 that the procureur checks (C. civ. 375).
pub const BRANCH: &[(&str, &str)] = &[
    (
        "1-actions-sans-effet",
        "1° Les actions de protection déjà menées n’ont pas permis de remédier à la situation (CASF, art. L226-4, I, 1°)",
    ),
    (
        "2-refus-ou-impossibilite-de-collaborer",
        "2° Les actions ne peuvent être mises en place : la famille refuse l’intervention de l’aide sociale à l’enfance \
         ou ne peut collaborer (CASF, art. L226-4, I, 2°)",
    ),
    (
        "3-danger-grave-et-immediat",
        "3° Le danger est grave et immédiat, notamment une situation de maltraitance (CASF, art. L226-4, I, 3°)",
    ),
    ("4-evaluation-impossible", "Le mineur est présumé en danger et l’évaluation est impossible (CASF, art. L226-4, I)"),
    ("non-precisee", "Non précisée"),
];

pub const NATURE: &[(&str, &str)] = &[
    ("pcd-L226-4", "Signalement du président du conseil départemental (CASF, art. L226-4, I)"),
    ("direct-L226-4-II", "Signalement direct, copie au président du conseil départemental (CASF, art. L226-4, II)"),
    ("article-40-cpp", "Avis d’un crime ou d’un délit (CPP, art. 40, al. 2)"),
    ("interruption-L226-3-2", "Évaluation ou suivi interrompu par un départ (CASF, art. L226-3-2)"),
    ("avis-recueil-provisoire-L223-2", "Avis de recueil provisoire d’un mineur (CASF, art. L223-2)"),
];

pub const URGENCY: &[(&str, &str)] =
    &[("immediate", "Immédiate"), ("priority", "Prioritaire"), ("ordinary", "Ordinaire"), ("batch", "Par lot")];

pub const ROLE: &[(&str, &str)] = &[
    ("enfant", "Enfant concerné"),
    ("fratrie", "Frère ou sœur"),
    ("autre-mineur-du-foyer", "Autre mineur du foyer"),
    ("jeune-majeur", "Jeune majeur"),
    ("mere", "Mère"),
    ("pere", "Père"),
    ("autre-parent", "Autre parent"),
    ("beau-parent", "Beau-parent"),
    ("grand-parent", "Grand-parent"),
    ("frere-soeur", "Frère ou sœur"),
    ("autre-famille", "Autre membre de la famille"),
    ("tuteur", "Tuteur"),
    ("tiers-digne-de-confiance", "Tiers digne de confiance"),
    ("tiers-benevole", "Tiers bénévole"),
    ("assistant-familial", "Assistant familial"),
    ("professionnel", "Professionnel"),
    ("allocataire", "Allocataire"),
    ("destinataire", "Destinataire"),
    ("autre-adulte", "Autre adulte"),
    ("autre", "Autre"),
    ("inconnu", "Inconnu"),
];

pub const SEX: &[(&str, &str)] = &[("F", "Féminin"), ("M", "Masculin"), ("inconnu", "Inconnu")];
pub const YES_NO: &[(&str, &str)] = &[("oui", "Oui"), ("non", "Non"), ("inconnu", "Inconnu")];
pub const PRECISION: &[(&str, &str)] = &[("exacte", "Exacte"), ("estimee", "Estimée"), ("inconnue", "Inconnue")];

pub const SOURCE: &[(&str, &str)] = &[
    ("vu", "constaté directement"),
    ("dit-par-l-enfant", "dit par l’enfant"),
    ("dit-par-un-tiers", "dit par un tiers"),
    ("deduit", "déduit"),
];

pub const DANGER: &[(&str, &str)] = &[
    ("violences-sexuelles", "violences sexuelles"),
    ("violences-physiques", "violences physiques"),
    ("violences-psychologiques", "violences psychologiques"),
    ("negligences", "négligences"),
    ("securite", "sécurité"),
    ("moralite", "moralité"),
    ("conditions-education", "conditions d’éducation"),
    ("conditions-developpement", "conditions de développement"),
    ("conduites-addictives", "conduites addictives"),
    ("violences-sur-soi-ou-autrui", "violences sur soi ou sur autrui"),
    ("expose-violences-conjugales", "exposition à des violences conjugales"),
    ("sante", "santé"),
    ("non-precise", "non précisé"),
];

pub const ACTION: &[(&str, &str)] = &[
    ("entretien", "Entretien"),
    ("visite-a-domicile", "Visite à domicile"),
    ("accompagnement-social", "Accompagnement social"),
    ("aed", "Aide éducative à domicile"),
    ("aed-renforcee", "Aide éducative à domicile renforcée"),
    ("aesf", "Accompagnement en économie sociale et familiale"),
    ("tisf", "Technicien de l’intervention sociale et familiale"),
    ("pmi-suivi", "Suivi de PMI"),
    ("accueil-provisoire", "Accueil provisoire"),
    ("accueil-de-jour", "Accueil de jour"),
    ("aide-financiere", "Aide financière"),
    ("soin", "Soin"),
    ("suivi-scolaire", "Suivi scolaire"),
    ("autre", "Autre"),
];

pub const ASKED: &[(&str, &str)] = &[
    ("mjie", "mesure judiciaire d’investigation éducative"),
    ("aemo", "assistance éducative en milieu ouvert"),
    ("placement", "placement"),
    ("opp", "ordonnance de placement provisoire"),
    ("mjagbf", "mesure judiciaire d’aide à la gestion du budget familial"),
    ("enquete-penale", "enquête pénale"),
    ("maintien-du-suivi", "maintien du suivi"),
    ("appreciation-du-parquet", "appréciation du parquet"),
];

pub const WRITTEN_NOTICE: &[(&str, &str)] = &[
    ("envoye", "Envoyé"),
    ("remis", "Remis en main propre"),
    ("a-faire", "À faire"),
    ("reporte", "Reporté"),
    ("non-renseigne", "Non renseigné"),
];

pub const INFORMED: &[(&str, &str)] = &[
    ("faite", "Faite"),
    ("tentee-sans-succes", "Tentée sans succès"),
    ("non-faite-interet-enfant", "Non faite, dans l’intérêt de l’enfant"),
    ("non-faite-age-maturite", "Non faite, en raison de l’âge ou de la maturité"),
    ("a-faire", "À faire"),
    ("non-renseigne", "Non renseignée"),
];

pub const MEANS: &[(&str, &str)] = &[
    ("entretien", "entretien"),
    ("telephone", "téléphone"),
    ("courrier", "courrier"),
    ("courriel", "courriel"),
    ("remise-en-main-propre", "remise en main propre"),
    ("autre", "autre"),
];

pub const DEPOSIT: &[(&str, &str)] = &[
    ("passerelle", "Passerelle"),
    ("portail", "Portail"),
    ("plex", "PLEX"),
    ("messagerie-securisee", "Messagerie sécurisée"),
    ("remise-en-main-propre", "Remise en main propre"),
    ("telephone-puis-ecrit", "Téléphone, puis écrit"),
    ("autre", "Autre"),
];

/// The text for a code, or the code itself.
pub fn say<'a>(list: &[(&str, &'static str)], code: &'a str) -> &'a str {
    list.iter().find(|(known, _)| *known == code).map_or(code, |(_, text)| text)
}
