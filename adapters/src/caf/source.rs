//! What a caisse or a national file knows, and child protection may not ask it for.

use unicode_normalization::UnicodeNormalization;

use crate::reading::{Finding, Place, Refused};

/// A source that is closed to child protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// API Particulier: it handles a request that the user presents (CRPA L114-8), and a request about a child in danger is none (R44).
    ApiParticulier,
    /// The national directory of beneficiaries: open to départements only to check a right to social aid (CSS R114-29, R45).
    Rncps,
    /// The right of social security agents to be told (CSS L114-19): no power of a département (R46).
    RightToBeTold,
}

impl Source {
    /// The refusal to ask it, with its rule.
    pub fn refused(self) -> Refused {
        self.finding(Place::Whole).into()
    }

    pub(super) fn finding(self, place: Place) -> Finding {
        let detail = match self {
            Self::ApiParticulier => {
                "API Particulier ne sert qu’une démarche que l’usager présente (CRPA L114-8) : rien ne peut lui être demandé ici (R44)."
            }
            Self::Rncps => {
                "Le RNCPS n’est ouvert que pour vérifier l’accès à l’aide sociale (CSS R114-29) : rien ne peut lui être demandé ici (R45)."
            }
            Self::RightToBeTold => "Le droit de communication (CSS L114-19) n’appartient pas au Département (R46).",
        };
        let code = match self {
            Self::ApiParticulier => "api-particulier",
            Self::Rncps => "rncps",
            Self::RightToBeTold => "droit-de-communication",
        };
        Finding::new(place, code, detail).cured_by("Demandez l’adresse, et elle seule, selon l’article L226-3-2 du CASF.")
    }

    /// The source that a column or an element of this name asks for.
    pub(super) fn named(name: &str) -> Option<Self> {
        let plain: String = name.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).flat_map(char::to_lowercase).collect();
        let words: Vec<&str> = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let phrase = words.join(" ");
        let has = |sought: &[&str]| words.iter().any(|word| sought.contains(word));
        if phrase.contains("api particulier") || has(&["quotient", "qf", "ressources", "revenus", "revenu"]) {
            Some(Self::ApiParticulier)
        } else if has(&["rncps", "prestation", "prestations"]) {
            Some(Self::Rncps)
        } else if phrase.contains("droit de communication") {
            Some(Self::RightToBeTold)
        } else {
            None
        }
    }
}
