//! Whether a value has the shape of its field. Says why not in French, and never repeats the value.

use std::borrow::Cow;

use exchange::{ExchangeId, Instant};
use serde_json::Value;
use time::{Date, macros::format_description};
use unicode_normalization::UnicodeNormalization;

use super::{MAX_ITEMS, MAX_REFERENCE, MAX_TEXT};
use crate::catalogue::{Catalogue, Shape};

/// Why a value does not conform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    /// The type has no such field.
    Unknown,
    /// Not a value of this kind, in French with its article.
    Type(&'static str),
    /// Not a value of the list.
    Code(String),
    /// Not a date, or not an instant.
    Date { time: bool },
    /// More characters than this.
    TooLong(usize),
    /// It looks like a social security number.
    Nir,
    /// A required field is empty.
    Missing,
    /// It differs from what the gateway computes.
    Computed,
    /// More items than a list may have.
    TooMany,
    /// Not a reference of the form that is meant here.
    Reference(&'static str),
    /// Not a party of the directory.
    Party(&'static str),
    /// A last day to answer that has passed, or lies after this one.
    Deadline(Option<Date>),
    /// A person whom this type does not name.
    Person,
    /// Not the persons that this type needs: what it needs, in French.
    Persons(String),
}

impl Misfit {
    /// Stable code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown-field",
            Self::Type(_) => "bad-type",
            Self::Code(_) => "bad-code",
            Self::Date { .. } => "bad-date",
            Self::TooLong(_) => "too-long",
            Self::Nir => "nir",
            Self::Missing => "missing",
            Self::Computed => "computed",
            Self::TooMany => "too-many",
            Self::Reference(_) => "bad-reference",
            Self::Party(_) => "bad-party",
            Self::Deadline(_) => "bad-deadline",
            Self::Person => "not-concerned",
            Self::Persons(_) => "persons",
        }
    }

    /// One sentence that says what to do.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Unknown => {
                "Ce champ n’existe pas pour ce type d’échange : retirez-le, ou placez son contenu dans un champ du catalogue.".into()
            }
            Self::Type(what) => format!("Écrivez ici {what}."),
            Self::Code(list) => format!("Écrivez l’un des codes de la liste {list}, qu’indique GET /v1/catalogue."),
            Self::Date { time: false } => "Écrivez une date qui existe, sous la forme AAAA-MM-JJ.".into(),
            Self::Date { time: true } => {
                "Écrivez une date et une heure avec leur fuseau (RFC 3339), par exemple 2026-01-15T09:30:00+01:00.".into()
            }
            Self::TooLong(limit) => format!("Ce texte dépasse {limit} caractères : raccourcissez-le, ou joignez un document."),
            Self::Nir => "Retirez le numéro de sécurité sociale (NIR) : il ne circule jamais ici.".into(),
            Self::Missing => "Remplissez ce champ : il est obligatoire pour ce type d’échange.".into(),
            Self::Computed => "Retirez cette valeur : la passerelle la calcule elle-même, et trouve autre chose.".into(),
            Self::TooMany => format!("Ne donnez pas plus de {MAX_ITEMS} éléments dans cette liste."),
            Self::Reference(what) => format!("Donnez {what}."),
            Self::Party(what) => format!("Donnez {what}."),
            Self::Deadline(Some(latest)) => format!("Choisissez une date à venir, au plus tard le {latest}."),
            Self::Deadline(None) => "Choisissez une date à venir.".into(),
            Self::Person => "Retirez cette personne : ce type d’échange n’en nomme pas dans ce rôle.".into(),
            Self::Persons(what) => format!("Nommez {what}, ni plus ni moins."),
        }
    }
}

/// Whether a leaf has its shape.
pub(super) fn leaf(catalogue: &Catalogue, shape: &Shape, value: &Value) -> Result<(), Misfit> {
    match (shape, value) {
        (Shape::Bool, Value::Bool(_)) => return Ok(()),
        (Shape::Bool, _) => return Err(Misfit::Type("true ou false")),
        (Shape::Entier, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            return if has_nir(&number.to_string()) { Err(Misfit::Nir) } else { Ok(()) };
        }
        (Shape::Entier, _) => return Err(Misfit::Type("un nombre entier")),
        _ => {}
    }
    let Value::String(text) = value else { return Err(Misfit::Type("un texte")) };
    match shape {
        Shape::Texte | Shape::Bool | Shape::Entier => free(text, MAX_TEXT),
        Shape::Date => date(text).map(drop).ok_or(Misfit::Date { time: false }),
        Shape::DateHeure => text.parse::<Instant>().map(drop).map_err(|_| Misfit::Date { time: true }),
        Shape::Ref if text.parse::<ExchangeId>().is_ok() => Ok(()),
        Shape::Ref => free(text, MAX_REFERENCE),
        Shape::Inst if has_nir(text) => Err(Misfit::Nir),
        Shape::Inst => is(is_institution(text), Misfit::Party("l’identifiant d’une institution de l’annuaire, ou son code officiel")),
        Shape::Sujet => is(is_subject(text), Misfit::Reference("le nom que l’enveloppe donne à une personne, par exemple s1")),
        Shape::Empreinte => {
            is(is_digest(text), Misfit::Reference("l’empreinte SHA-256 du fichier, en 64 chiffres hexadécimaux minuscules"))
        }
        Shape::Numero | Shape::Telephone | Shape::Jeton if has_nir(text) => Err(Misfit::Nir),
        Shape::Numero => is(is_number(text), Misfit::Reference("un numéro, par exemple 2026-0417 : ni espace, ni mot")),
        Shape::Telephone => is(is_telephone(text), Misfit::Reference("un numéro de téléphone")),
        Shape::Courriel => is(is_mail(text), Misfit::Reference("une adresse de courriel")),
        Shape::Chemin => is(is_place(text), Misfit::Reference("la place d’un champ, par exemple /subjects/0/address")),
        Shape::Jeton => is(is_base64(text), Misfit::Reference("un jeton d’horodatage en base64")),
        Shape::Code(list) => is(catalogue.has_code(list, text), Misfit::Code(list.clone())),
    }
}

/// Free text: not too long, and without a social security number.
pub(super) fn free(text: &str, limit: usize) -> Result<(), Misfit> {
    if text.chars().nth(limit).is_some() {
        return Err(Misfit::TooLong(limit));
    }
    is(!has_nir(text), Misfit::Nir)
}

/// How a document calls one of its subjects: too short to be a name.
pub(super) fn is_subject(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = text.len() - digits.len();
    (1..=3).contains(&letters) && (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is(conforms: bool, misfit: Misfit) -> Result<(), Misfit> {
    if conforms { Ok(()) } else { Err(misfit) }
}

pub(super) fn date(text: &str) -> Option<Date> {
    // The parser takes a sign and more digits for a year: the catalogue does not.
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .ok()
        .filter(|_| text.len() == 10 && text.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_institution(text: &str) -> bool {
    (2..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Long enough for the numbering of any register, too short of letters for a sentence or a name.
fn is_number(text: &str) -> bool {
    let plain = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'_' | b'-'));
    let letters = text.split(|c: char| !c.is_ascii_alphabetic()).map(str::len).max().unwrap_or(0);
    plain && letters <= 4 && text.bytes().any(|b| b.is_ascii_digit())
}

fn is_telephone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (2..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'.'))
}

fn is_mail(text: &str) -> bool {
    let Some((who, domain)) = text.split_once('@') else { return false };
    let plain =
        |part: &str, extra: &[u8]| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-') || extra.contains(&b));
    (1..=64).contains(&who.len()) && (3..=120).contains(&domain.len()) && plain(who, b"_") && plain(domain, b"")
}

fn is_place(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else { return false };
    (1..=120).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'/'))
}

fn is_base64(text: &str) -> bool {
    let letters = text.trim_end_matches('=');
    let plain = letters.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    (1..=MAX_TEXT).contains(&letters.len()) && text.len() - letters.len() <= 2 && plain
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a text holds what looks like a NIR: sex, year, month, département (2A and 2B too), commune, order, and
/// perhaps the key, with or without spaces, dots or hyphens between them. A wrong key is still somebody's number.
pub(super) fn has_nir(text: &str) -> bool {
    if text.bytes().filter(u8::is_ascii_digit).count() < NIR_DIGITS && text.chars().all(never_a_digit) {
        return false;
    }
    let folded = fold(text);
    let text = folded.as_ref();
    let bytes = text.as_bytes();
    let mut before = None;
    text.char_indices().any(|(start, c)| {
        let begins = matches!(c, '1'..='4' | '7' | '8') && before.is_none_or(|b: char| !b.is_ascii_digit());
        before = Some(c);
        begins && bytes.get(start..).is_some_and(|rest| starts_with_nir(rest).is_some())
    })
}

/// What French is written with: nothing in it turns into another digit than those one sees.
fn never_a_digit(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{a0}' | '«' | '»' | '\u{c0}'..='\u{17f}' | '’' | '“' | '”' | '…' | '–' | '—' | '\u{202f}' | '€')
}

/// Digits of a NIR without its key, in the département with the fewest: 2A or 2B.
const NIR_DIGITS: usize = 12;

/// Digits of other writings become ours, whatever stands between groups becomes a space, what is invisible vanishes.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let plain = |c: char| match c {
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => None,
        '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' | '\u{966}'..='\u{96f}' => {
            let zero = [0x660, 0x6f0, 0x966].into_iter().rev().find(|zero| *zero <= u32::from(c)).unwrap_or(0x660);
            char::from_digit(u32::from(c) - zero, 10)
        }
        c if c.is_ascii() => Some(c),
        c if c.is_whitespace() || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{b7}' | '\u{2022}') => Some(' '),
        c => Some(c),
    };
    text.nfkc().filter_map(plain).collect::<String>().into()
}

fn starts_with_nir(mut rest: &[u8]) -> Option<()> {
    group(&mut rest, 1)?;
    group(&mut rest, 2)?;
    let month = group(&mut rest, 2)?;
    // 20, 30 to 42 and 50 to 99 stand for a month that is not known.
    let month = std::str::from_utf8(month).ok()?.parse::<u8>().ok().filter(|m| matches!(m, 1..=12 | 20 | 30..=42 | 50..=99));
    month?;
    departement(&mut rest)?;
    group(&mut rest, 3)?;
    group(&mut rest, 3)?;
    let end = !rest.first().is_some_and(u8::is_ascii_digit);
    let mut key = rest;
    let keyed = group(&mut key, 2).is_some() && !key.first().is_some_and(u8::is_ascii_digit);
    (end || keyed).then_some(())
}

/// That many digits, after whatever may stand between two groups.
fn group<'a>(rest: &mut &'a [u8], digits: usize) -> Option<&'a [u8]> {
    *rest = between(rest);
    let (group, after) = rest.split_at_checked(digits)?;
    *rest = after;
    group.iter().all(u8::is_ascii_digit).then_some(group)
}

fn departement(rest: &mut &[u8]) -> Option<()> {
    *rest = between(rest);
    let (group, after) = rest.split_at_checked(2)?;
    *rest = after;
    match group {
        [b'2', b'A' | b'B' | b'a' | b'b'] => Some(()),
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => Some(()),
        _ => None,
    }
}

/// Skips at most four separators: space, no-break spaces, dot, hyphen, slash, underscore.
fn between(mut rest: &[u8]) -> &[u8] {
    for _ in 0..4 {
        rest = match rest {
            [b' ' | b'.' | b'-' | b'/' | b'_' | b'\t' | b'\n' | b'\r', after @ ..] => after,
            [0xC2, 0xA0, after @ ..] | [0xE2, 0x80, 0xAF | 0x89 | 0x91 | 0x93, after @ ..] => after,
            _ => break,
        };
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nir_is_found_however_it_is_written() {
        for text in [
            "2840578006084",
            "284057800608436",
            "2 84 05 78 006 084 36",
            "NIR : 2.84.05.78.006.084-36.",
            "n°1\u{a0}99\u{a0}07\u{202f}2A\u{a0}004\u{a0}001",
            "199072b004001 12",
            "1 99 30 99 351 001",
            "son numéro 2 8405 78006084 36 et son adresse",
            "2 84 05 78 006 084 36 12 rue des Lilas",
            "２８４０５７８００６０８４",
            "284057\u{200b}8006084",
            "2\u{2003}84\u{2003}05\u{2003}78\u{2003}006\u{2003}084",
            "٢٨٤٠٥٧٨٠٠٦٠٨٤",
        ] {
            assert!(has_nir(text), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not_a_nir() {
        for text in [
            "+33536491099",
            "05 36 49 10 99, 06 36 49 10 98",
            "31 026 000 119",
            "2014-02-27 2022-11-05",
            "44482234000018",
            "10003000301",
            "01936f3e-7a8b-7c9d-8e0f-1a2b3c4d5e6f",
            "12345678901234567890",
            "11 demi-journées d’absence depuis septembre, 7 non justifiées",
            "é2é",
        ] {
            assert!(!has_nir(text), "{text}");
        }
    }

    #[test]
    fn dates_exist() {
        assert!(date("2024-02-29").is_some());
        for bad in ["2023-02-29", "2024-2-29", "+2024-02-29", "-024-02-29", "29/02/2024", "2024-02-29T00:00:00Z"] {
            assert!(date(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_no_sentence() {
        assert!(["2026-0417", "K05", "2A", "974", "CRIP/31/2026.00042"].into_iter().all(is_number));
        assert!(
            ["", "CRIP", "le père est placé", "PLACEE-2026", "2026 0417", "0123456789012345678901234567890123456789x"]
                .into_iter()
                .all(|bad| !is_number(bad))
        );
        assert!(is_telephone("+33 5 36 49 10 01") && !is_telephone("appelez Mme X") && !is_telephone("+"));
        assert!(is_mail("crip@haute-garonne.example") && !is_mail("crip @x.fr") && !is_mail("@x.fr") && !is_mail("a@b@c.fr"));
        assert!(is_place("/subjects/0/address") && !is_place("le lieu d’accueil") && !is_place("/"));
        assert!(is_base64("MIIB+w==") && !is_base64("=") && !is_base64("a b"));
    }

    #[test]
    fn a_subject_is_no_name() {
        assert!(["s1", "enf12", "a9999"].into_iter().all(is_subject));
        assert!(["s", "1", "S1", "capucine", "capucine1", "s12345", "s1a", ""].into_iter().all(|bad| !is_subject(bad)));
    }
}
