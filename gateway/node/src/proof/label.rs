//! French labels of the codes that rules and requests are made of, for who compares two sets of rules.
//!
//! Titles come from the catalogue where it has some (kinds, types, obligations); the other lists hold codes only.

use std::borrow::Cow;

use crate::catalogue::Catalogue;

/// What a code of a fact means; the code itself when it is a word already, or of no list.
pub fn of<'c>(fact: &str, code: &'c str, catalogue: &'c Catalogue) -> Cow<'c, str> {
    let list = match fact {
        "from_kind" | "to_kind" => return kind(code, catalogue),
        "type" => return exchange_type(code, catalogue),
        "actor_profession" => return Cow::Owned(code.replace('-', " ")),
        "from_secrecy" | "to_secrecy" | "actor_secrecy" => SECRECY,
        "from_role" | "to_role" | "actor_role" => ROLE,
        "classes" | "emergency_classes" => CLASS,
        "actor_functions" | "approver_functions" => FUNCTION,
        "purpose" => PURPOSE,
        "urgency" => URGENCY,
        "agreement" => AGREEMENT,
        "parents" | "child" => INFORMED,
        "person" => AGREED,
        "ages" => AGE,
        "residence" => RESIDENCE,
        "file" => FILE,
        "stage" => STAGE,
        "protected" => PROTECTED,
        _ => return Cow::Borrowed(code),
    };
    Cow::Borrowed(list.iter().find(|(one, _)| *one == code).map_or(code, |(_, label)| label))
}

/// The title of a kind.
pub fn kind<'c>(code: &'c str, catalogue: &'c Catalogue) -> Cow<'c, str> {
    let title = code.parse().ok().and_then(|kind| catalogue.kind(&kind)).map(|rule| rule.title.as_str());
    Cow::Borrowed(title.unwrap_or(code))
}

/// The title of an exchange type.
pub fn exchange_type<'c>(code: &'c str, catalogue: &'c Catalogue) -> Cow<'c, str> {
    let versions = code.parse().ok().and_then(|code| catalogue.types.get(&code));
    let title = versions.and_then(|versions| versions.last()).map(|one| one.title.as_str());
    Cow::Borrowed(title.unwrap_or(code))
}

type List = &'static [(&'static str, &'static str)];

const SECRECY: List = &[
    ("profession", "tenu au secret par sa profession"),
    ("mission", "tenu au secret par sa mission"),
    ("fonction", "tenu au secret par sa fonction"),
    ("aucun", "pas tenu au secret"),
];
const ROLE: List =
    &[("implements", "la met en œuvre"), ("assists", "y concourt"), ("authority", "autorité judiciaire"), ("none", "n’y participe pas")];
const CLASS: List = &[
    ("identite", "identité"),
    ("contact", "coordonnées"),
    ("social", "situation sociale et familiale"),
    ("scolaire", "scolarité"),
    ("sante", "santé"),
    ("sante-sexuelle", "santé sexuelle"),
    ("judiciaire", "décisions de justice"),
    ("infraction", "infractions"),
    ("declarant", "personne qui a signalé"),
    ("lieu-accueil", "lieu d’accueil"),
    ("parole-enfant", "mots de l’enfant"),
    ("financier", "situation financière"),
    ("statistique", "statistiques"),
    ("reference", "références"),
];
const FUNCTION: List = &[
    ("agent-crip", "agent de la CRIP"),
    ("cadre-crip", "cadre de la CRIP"),
    ("magistrat", "magistrat, magistrate"),
    ("astreinte", "décideur d’astreinte"),
    ("dpo", "délégué à la protection des données"),
    ("auditeur", "auditeur, auditrice"),
    ("administrateur", "administrateur de la passerelle"),
    ("reporter", "personne qui signale"),
];
const PURPOSE: List = &[
    ("ip", "transmettre une information préoccupante"),
    ("evaluate", "évaluer la situation"),
    ("decide", "décider"),
    ("implement", "mettre en œuvre la protection"),
    ("signalement", "saisir la justice"),
    ("feedback", "informer des suites"),
    ("transfer", "transmettre à un autre département"),
    ("address", "chercher une adresse"),
    ("benefit", "ouvrir ou arrêter un droit"),
    ("statistics", "établir des statistiques"),
    ("directory", "tenir l’annuaire"),
    ("data-subject", "répondre à la personne concernée"),
];
const URGENCY: List = &[("immediate", "immédiate"), ("priority", "dans la journée"), ("ordinary", "ordinaire"), ("batch", "par lots")];
const AGREEMENT: List = &[
    ("aucune", "aucun n’est indiqué"),
    ("en-vigueur", "en vigueur, et il couvre l’échange"),
    ("hors-perimetre", "il ne couvre pas l’échange"),
    ("pas-en-vigueur", "il n’est pas en vigueur"),
];
const INFORMED: List = &[
    ("faite", "information faite"),
    ("tentee-sans-succes", "pas joints"),
    ("non-faite-interet-enfant", "pas informés, dans l’intérêt de l’enfant"),
    ("non-faite-age-maturite", "pas informé, à cause de son âge"),
    ("a-faire", "information à faire"),
    ("non-renseigne", "on ne sait pas"),
];
const AGREED: List = &[
    ("donne", "accord donné"),
    ("informee-sans-opposition", "informée, ne s’oppose pas"),
    ("refuse", "accord refusé"),
    ("non-demande", "accord non demandé"),
    ("non-renseigne", "on ne sait pas"),
];
const AGE: List = &[
    ("a-naitre", "à naître"),
    ("moins-de-2", "moins de deux ans"),
    ("2-14", "de deux à quatorze ans"),
    ("15-17", "de quinze à dix-sept ans"),
    ("majeur", "dix-huit ans ou plus"),
    ("inconnu", "âge inconnu"),
];
const RESIDENCE: List = &[("ici", "dans le département"), ("ailleurs", "dans un autre département"), ("inconnue", "on ne sait pas")];
const FILE: List = &[("administratif", "resté administratif"), ("justice", "transmis à la justice"), ("inconnu", "on ne sait pas")];
const STAGE: List = &[("ask", "la question"), ("release", "la réponse")];
const PROTECTED: List = &[
    ("aucune", "rien de particulier"),
    ("declarant", "la personne qui a signalé"),
    ("lieu-accueil", "le lieu d’accueil"),
    ("statistique", "un identifiant statistique"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use exchange::DataClass;

    use super::*;
    use crate::policy::words_of;

    /// Whoever reads what a change opens reads no code: each word that a fact may have has a label.
    #[test]
    fn every_code_has_a_label() {
        let catalogue = Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/catalogue")).unwrap();
        let facts = "from_kind to_secrecy actor_role classes actor_functions purpose urgency agreement parents child person ages residence \
                     file stage protected";
        for fact in facts.split_whitespace() {
            let words = words_of(fact, &catalogue);
            assert!(words.len() > 1, "{fact}");
            for word in words {
                assert_ne!(of(fact, &word, &catalogue), word, "{fact}");
            }
        }
        assert_eq!(of("emergency_classes", DataClass::Sante.as_str(), &catalogue), "santé");
        assert_eq!(exchange_type("signalement", &catalogue), "Signalement au procureur de la République");
    }
}
