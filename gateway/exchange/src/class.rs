//! What kind of secret a field holds. Withholding, encryption and retention all work by class.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::id::InvalidId;

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A data class of the catalogue (section 0.3), from the least to the most protected.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum DataClass {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl DataClass {
            /// Every class, from the least to the most protected.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The class as the catalogue files write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for DataClass {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(InvalidId) }
            }
        }
    };
}

classes! {
    /// References, dates, codes, directory; names nobody but professionals.
    Reference = "reference",
    /// Coded variables and aggregates.
    Statistique = "statistique",
    /// School, class, attendance, learning.
    Scolaire = "scolaire",
    /// Allowances, budget, aid.
    Financier = "financier",
    /// Address, telephone, e-mail of a person.
    Contact = "contact",
    /// Civil identity of a child, a parent, an adult.
    Identite = "identite",
    /// Family and living situation, education, danger criteria.
    Social = "social",
    /// Procedure numbers, decisions, measures ordered.
    Judiciaire = "judiciaire",
    /// Offence or suspected offence, suspected author.
    Infraction = "infraction",
    /// Health of a child or of a parent.
    Sante = "sante",
    /// Contraception, abortion, sexually transmitted infection.
    SanteSexuelle = "sante-sexuelle",
    /// Verbatim words of the child: a compartment of its own.
    ParoleEnfant = "parole-enfant",
    /// Identity and contact of the person who reports: a compartment of its own.
    Declarant = "declarant",
    /// Place of care, host, hidden address: a compartment of its own.
    LieuAccueil = "lieu-accueil",
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
