//! The two numbers that no file may bring along: the NIR (R56, R57) and the INE of a pupil.
//!
//! What looks like one is not taken over, wherever it stands: this is the one notion of it for all rooms. Nothing here keeps or
//! returns a number.

use std::collections::VecDeque;

use crate::reading::{Finding, Place};

/// How many characters a NIR has at most, with the one behind it.
const AHEAD: usize = 16;

/// One of these numbers in what a partner wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// The text is the number and nothing else: it is left out.
    Alone,
    /// A NIR stands in a longer text: the text is kept, told, and sealed by the gateway.
    InText,
}

impl Forbidden {
    /// What of them a text holds.
    pub fn in_text(text: &str) -> Option<Self> {
        if is_nir(text) || is_ine(text) { Some(Self::Alone) } else { has_nir(text).then_some(Self::InText) }
    }

    /// What is said of it.
    pub fn finding(self, place: Place) -> Finding {
        match self {
            Self::Alone => Finding::new(place, "nir", "Un numéro de sécurité sociale ou un INE n’est jamais repris (R56, R57).")
                .cured_by("Retirez ce numéro du fichier."),
            Self::InText => {
                let detail = "Ce texte contient ce qui ressemble à un numéro de sécurité sociale (R57) : la passerelle le tiendra à part.";
                Finding::new(place, "nir-in-text", detail).cured_by("Retirez ce numéro du texte.")
            }
        }
    }
}

/// Whether a text holds what looks like a NIR: sex, year, month, département (2A and 2B too), commune, order, and perhaps the key,
/// whatever separates them. A wrong key is still somebody's number; with a right one, an odd month is too.
pub fn has_nir(text: &str) -> bool {
    let mut signs = signs(text);
    let mut ahead: VecDeque<Sign> = signs.by_ref().take(AHEAD).collect();
    let mut digit_before = false;
    while let Some(first) = ahead.front() {
        let digit = first.letter.is_ascii_digit();
        if digit && !(digit_before && first.joined) && begins_nir(ahead.make_contiguous()) {
            return true;
        }
        digit_before = digit;
        ahead.pop_front();
        ahead.extend(signs.next());
    }
    false
}

/// Whether a cell is an INE and nothing else: ten digits and a letter, or nine digits and two letters.
pub fn is_ine(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.len() == 11 && matches!(digits, 9 | 10) && text.bytes().skip(digits).all(|b| b.is_ascii_alphabetic())
}

/// Whether a cell is a NIR and nothing else.
pub fn is_nir(text: &str) -> bool {
    let signs: Vec<Sign> = signs(text).take(AHEAD).collect();
    matches!(signs.len(), 13 | 15) && begins_nir(&signs)
}

/// A character that is no separator, and whether it follows the one before it at once.
struct Sign {
    letter: char,
    joined: bool,
}

/// A text without what may stand between two groups, however much of it: one pass, so that a text made of separators costs no more
/// than it is long.
fn signs(text: &str) -> impl Iterator<Item = Sign> {
    let mut joined = false;
    text.chars().filter_map(move |letter| {
        let joined = std::mem::replace(&mut joined, !is_between(letter));
        // The wide digits of East Asian keyboards read the same.
        let plain = match letter {
            '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(letter) - 0xff10, 10).unwrap_or(letter),
            other => other.to_ascii_uppercase(),
        };
        (!is_between(letter)).then_some(Sign { letter: plain, joined })
    })
}

/// Blanks, points, dashes, slashes, and characters that do not show.
fn is_between(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '.' | '-' | '_' | '/' | '\u{ad}' | '\u{b7}' | '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}' | '\u{2022}')
        || matches!(letter, '\u{2060}' | '\u{2212}' | '\u{feff}')
}

/// Whether a NIR begins here: its groups, and then no further digit, or the two of the key and then none. Looks at sixteen
/// characters and no more.
fn begins_nir(signs: &[Sign]) -> bool {
    let group = |from: usize, digits: usize| -> Option<String> {
        let group = signs.get(from..from + digits)?;
        group.iter().skip(1).all(|sign| sign.joined).then(|| group.iter().map(|sign| sign.letter).collect())
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let goes_on = |at: usize| signs.get(at).is_some_and(|sign| sign.joined && sign.letter.is_ascii_digit());
    let read = || {
        let sex = number(&group(0, 1)?)?;
        let (year, month) = (group(1, 2)?, number(&group(3, 2)?)?);
        let departement = group(5, 2)?;
        let (commune, order) = (group(7, 3)?, group(10, 3)?);
        if [&year, &commune, &order].into_iter().any(|group| number(group).is_none()) {
            return None;
        }
        let corsica = matches!(departement.as_str(), "2A" | "2B");
        if number(&departement).is_none() && !corsica {
            return None;
        }
        let key = group(13, 2).filter(|_| !goes_on(15)).and_then(|key| number(&key));
        // Corsica's 2A and 2B are read as 19 and 18 for the key.
        let plain = departement.replace("2A", "19").replace("2B", "18");
        let whole = number(&format!("{sex}{year}{month:02}{plain}{commune}{order}"))?;
        let right = key.is_some_and(|key| 97 - whole % 97 == key);
        // 20, 30 to 42 and 50 to 99 stand for a month that is not known.
        let plausible = matches!(sex, 1..=4 | 7 | 8) && matches!(month, 1..=12 | 20 | 30..=42 | 50..=99);
        let ends = !goes_on(13) || key.is_some();
        Some(ends && (plausible || right && matches!(sex, 1..=8)))
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_nir_is_seen_however_it_is_written() {
        for text in [
            "1 - 85 05 78 006 084",
            "1850578006084",
            "185057800608436",
            "1 85 05 78 006 084 36",
            "n° 2.85.05.2A.006.084",
            "ref 8850599006084.",
            "1    85    05    78    006    084",
            "1\u{a0}\u{a0}\u{a0}\u{a0}85 05 78 006 084",
            "1/85/05/78/006/084",
            "1\n85\t05\u{200b}78\u{2011}006\u{2013}084",
            "１８５０５７８００６０８４",
            // A month that no NIR has, with a right key.
            "185157800608457",
        ] {
            assert!(has_nir(text), "{text}");
        }
        for text in ["", "0612345678", "2026-11-23", "31 026 000 123", "SIRET 22310001700423", "12 rue Inventée, 31000 Toulouse"] {
            assert!(!has_nir(text), "{text}");
        }
    }

    #[test]
    fn separators_without_end_cost_no_more_than_they_are_long() {
        // By the square of its length this would take minutes.
        assert!(!has_nir(&"-".repeat(1 << 20)) && !has_nir(&"1 ".repeat(1 << 19)));
        assert!(!has_nir(&format!("1{}", " ".repeat(1 << 19)).repeat(2)));
    }

    #[test]
    fn a_cell_is_one_or_holds_one() {
        assert_eq!(Forbidden::in_text(" 1 85 05 78 006 084 36 "), Some(Forbidden::Alone));
        assert_eq!(Forbidden::in_text("0123456789A"), Some(Forbidden::Alone));
        assert_eq!(Forbidden::in_text("n° 1850578006084, dit-il"), Some(Forbidden::InText));
        assert_eq!(Forbidden::in_text("06 12 34 56 78"), None);
        // Thirteen digits of which nothing else is known: better left out than kept.
        assert!(is_nir("1850578006084") && !is_nir("18505780060843") && !is_nir("x1850578006084"));
    }

    #[test]
    fn an_ine_is_a_cell_of_its_own() {
        assert!(is_ine("0123456789A") && is_ine(" 012345678AB "));
        assert!(!is_ine("0123456789") && !is_ine("0319901U") && !is_ine("abcdefghijk"));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = (has_nir(&text), is_ine(&text));
        }
    }
}
