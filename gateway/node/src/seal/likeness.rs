//! Likeness: by which keyed indexes two descriptions of a person agree, without either name being known.
//!
//! Six composite keys only *propose* that two descriptions are one person; a key exists only when all its parts are
//! known. The seventh, over birth name, all given names, birth date, sex and place, *is* one person. All are HMACs
//! under the vault's own secret, and apart for minors and adults: a mother is never taken for the child she was.

use std::fmt;

use exchange::{Identity, identity::Sex};
use zeroize::Zeroizing;

use super::{SealError, Secret, body::Subkey, normal, phonetic};

/// Whether a person takes part as a child (or young adult), or as an adult around one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Population {
    /// `enfant fratrie autre-mineur-du-foyer jeune-majeur`, or no role said.
    Minor,
    /// Every other role.
    Adult,
}

impl Population {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Adult => "adult",
        }
    }

    fn of(identity: &Identity) -> Self {
        match identity.role() {
            None | Some("enfant" | "fratrie" | "autre-mineur-du-foyer" | "jeune-majeur") => Self::Minor,
            Some(_) => Self::Adult,
        }
    }
}

/// One of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agreement {
    /// Everything that tells people apart: the same person.
    Everything,
    /// Birth name, given name, birth date.
    NameGivenBirth,
    /// Sound of the birth name, sound of the given name, birth date.
    SoundGivenBirth,
    /// Birth name, birth date, sex: also true of twins.
    NameBirthSex,
    /// Given name, birth date, place: also true when the name is mistyped.
    GivenBirthPlace,
    /// Birth name, given name, place.
    NameGivenPlace,
    /// Sound of the birth name, digits of the birth date in any order, sex.
    SoundDigitsSex,
}

impl Agreement {
    /// Every key.
    pub const ALL: [Self; 7] = [
        Self::Everything,
        Self::NameGivenBirth,
        Self::SoundGivenBirth,
        Self::NameBirthSex,
        Self::GivenBirthPlace,
        Self::NameGivenPlace,
        Self::SoundDigitsSex,
    ];

    /// Whether two who agree by this may differ in one trait alone: the twin in the given names, the homonym in the date or
    /// the place, the other family's child in the name. Together these three leave out each trait once.
    pub const fn all_but_one_trait(self) -> bool {
        matches!(self, Self::NameBirthSex | Self::GivenBirthPlace | Self::NameGivenPlace)
    }

    /// The parts that agree, as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::NameGivenBirth => "name+given+birth",
            Self::SoundGivenBirth => "sound+given+birth",
            Self::NameBirthSex => "name+birth+sex",
            Self::GivenBirthPlace => "given+birth+place",
            Self::NameGivenPlace => "name+given+place",
            Self::SoundDigitsSex => "sound+digits+sex",
        }
    }
}

/// Makes the keys of a description. Owned by the vault.
pub struct Indexer(Subkey);

impl Indexer {
    /// The indexer of a vault.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn new(vault: &Secret) -> Result<Self, SealError> {
        Ok(Self(Subkey::derive(vault, &[b"index"])?))
    }

    /// Every key whose parts are all known.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn keys(&self, identity: &Identity) -> Result<Likeness, SealError> {
        let population = Population::of(identity);
        let traits = Traits::of(identity);
        let mut keys = Vec::new();
        for agreement in Agreement::ALL {
            // Adults are matched by full equality, and never proposed.
            if population == Population::Adult && agreement != Agreement::Everything {
                continue;
            }
            if let Some(parts) = traits.parts(agreement) {
                let mut labelled: Vec<&[u8]> = vec![population.as_str().as_bytes(), agreement.as_str().as_bytes()];
                labelled.extend(parts.iter().map(|part| part.as_bytes()));
                let mac = self.0.mac(&labelled)?;
                keys.push((agreement, mac.first_chunk().copied().unwrap_or_default()));
            }
        }
        Ok(Likeness { population, keys })
    }
}

impl fmt::Debug for Indexer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Indexer(..)")
    }
}

/// The keys of one description.
pub struct Likeness {
    /// Minor or adult.
    pub population: Population,
    /// Keys, 128 bits each.
    pub keys: Vec<(Agreement, [u8; 16])>,
}

impl Likeness {
    /// The key of full equality, when everything is known.
    pub fn everything(&self) -> Option<&[u8; 16]> {
        self.keys.iter().find(|(agreement, _)| *agreement == Agreement::Everything).map(|(_, key)| key)
    }
}

impl fmt::Debug for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Likeness(..)")
    }
}

/// What is known, in normal form. Zeroized.
#[derive(Default)]
struct Traits {
    name: Option<Zeroizing<String>>,
    sound: Option<Zeroizing<String>>,
    given: Option<Zeroizing<String>>,
    given_sound: Option<Zeroizing<String>>,
    all_given: Option<Zeroizing<String>>,
    birth: Option<Zeroizing<String>>,
    digits: Option<Zeroizing<String>>,
    sex: Option<&'static str>,
    place: Option<Zeroizing<String>>,
    presumed: bool,
}

impl Traits {
    fn of(identity: &Identity) -> Self {
        // Before birth nothing that is written tells one child from another.
        if identity.unborn() {
            return Self::default();
        }
        let name = identity.birth_name().and_then(normal::joined).map(Zeroizing::new);
        let sound = identity.birth_name().filter(|_| name.is_some()).and_then(phonetic::code).map(Zeroizing::new);
        let given_names: Vec<Zeroizing<String>> = identity
            .given_names()
            .into_iter()
            .filter(|given| normal::joined(given).is_some())
            .map(|given| Zeroizing::new(normal::name(given)))
            .collect();
        let given = (!given_names.is_empty()).then(|| first_given(&given_names));
        let birth = identity.birth_date().map(|date| Zeroizing::new(date.to_string()));
        let place = identity.birth_place().map(|code| Zeroizing::new(code.to_ascii_uppercase()));
        Self {
            given_sound: given.as_ref().and_then(|given| phonetic::code(given)).map(Zeroizing::new),
            given,
            all_given: (!given_names.is_empty()).then(|| Zeroizing::new(given_names.iter().flat_map(|given| given.split(' ')).collect())),
            digits: birth.as_ref().map(|birth| sorted_digits(birth)),
            sex: identity.sex().map(|sex| match sex {
                Sex::Female => "F",
                Sex::Male => "M",
            }),
            // Abroad only the country is known, and the first or last day of a year is how an unknown day is written.
            presumed: place.as_ref().is_some_and(|place| place.starts_with("99"))
                && birth.as_ref().is_some_and(|birth| birth.ends_with("-01-01") || birth.ends_with("-12-31")),
            name,
            sound,
            birth,
            place,
        }
    }

    /// The parts of a key; `None` unless all are known.
    fn parts(&self, agreement: Agreement) -> Option<Vec<&str>> {
        let Self { name, sound, given, given_sound, all_given, birth, digits, sex, place, presumed } = self;
        fn of(part: &Option<Zeroizing<String>>) -> Option<&str> {
            part.as_ref().map(|part| part.as_str())
        }
        Some(match agreement {
            Agreement::Everything if *presumed => return None,
            Agreement::Everything => vec![of(name)?, of(all_given)?, of(birth)?, (*sex)?, of(place)?],
            Agreement::NameGivenBirth => vec![of(name)?, of(given)?, of(birth)?],
            Agreement::SoundGivenBirth => vec![of(sound)?, of(given_sound)?, of(birth)?],
            Agreement::NameBirthSex => vec![of(name)?, of(birth)?, (*sex)?],
            Agreement::GivenBirthPlace => vec![of(given)?, of(birth)?, of(place)?],
            Agreement::NameGivenPlace => vec![of(name)?, of(given)?, of(place)?],
            Agreement::SoundDigitsSex => vec![of(sound)?, of(digits)?, (*sex)?],
        })
    }
}

/// The first word of the given names: `Jean-Luc` and `Jean, Luc` have it in common. `Abd el Kader`, `Abdel Kader` and
/// `Abdoulkader` are one word, `Abdelkader`: the servant's name means nothing without the one served.
fn first_given(given_names: &[Zeroizing<String>]) -> Zeroizing<String> {
    let mut words = given_names.iter().flat_map(|given| given.split(' '));
    let first = words.next().unwrap_or_default();
    let served = |name: &str| Zeroizing::new(format!("ABDEL{name}"));
    match first {
        "ABD" => match words.next().unwrap_or_default() {
            "EL" | "AL" | "UL" => served(words.next().unwrap_or_default()),
            name => served(name),
        },
        "ABDEL" | "ABDAL" | "ABDUL" | "ABDOUL" => served(words.next().unwrap_or_default()),
        _ => match ["ABDAL", "ABDUL", "ABDOUL"].iter().find_map(|servant| first.strip_prefix(servant)) {
            Some(name) => served(name),
            None => Zeroizing::new(first.to_owned()),
        },
    }
}

fn sorted_digits(birth: &str) -> Zeroizing<String> {
    let mut digits: Vec<char> = birth.chars().filter(char::is_ascii_digit).collect();
    digits.sort_unstable();
    Zeroizing::new(digits.into_iter().collect())
}

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;
