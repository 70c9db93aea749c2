//! The two numbers that no file may bring along: the NIR (R56, R57) and the INE of a pupil.
//!
//! What looks like one is not taken over, wherever it stands. Nothing here keeps or returns a number.

/// Whether a text holds what looks like a NIR: sex, year, month, département (2A and 2B too), commune, order, and perhaps the key,
/// with or without spaces, dots or hyphens between them. A wrong key is still somebody's number.
pub fn has_nir(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let begins = |at: usize| digit(at) && at.checked_sub(1).is_none_or(|before| !digit(before));
    (0..chars.len()).any(|at| begins(at) && chars.get(at..).is_some_and(begins_nir))
}

/// Whether a cell is an INE and nothing else: ten digits and a letter, or nine digits and two letters.
pub fn is_ine(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.len() == 11 && matches!(digits, 9 | 10) && text.bytes().skip(digits).all(|b| b.is_ascii_alphabetic())
}

/// Whether a cell is a NIR and nothing else.
pub fn is_nir(text: &str) -> bool {
    let plain = |c: char| matches!(c, '0'..='9' | ' ' | '.' | '-' | 'A' | 'B' | 'a' | 'b' | '\u{a0}' | '\u{202f}' | '\u{2009}');
    text.trim().chars().all(plain) && has_nir(text)
}

/// Whether a NIR begins here: its groups, and then no further digit, or the two of the key and then none. Looks at a few dozen
/// characters and no more.
fn begins_nir(mut rest: &[char]) -> bool {
    let mut group = |digits: usize| {
        let between = rest.iter().take(BETWEEN).take_while(|c| matches!(c, ' ' | '.' | '-' | '\u{a0}' | '\u{202f}' | '\u{2009}')).count();
        let (group, after) = rest.get(between..)?.split_at_checked(digits)?;
        rest = after;
        let more = after.first().is_some_and(char::is_ascii_digit);
        Some((group.iter().collect::<String>(), more))
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let mut read = || {
        let sex = number(&group(1)?.0)?;
        number(&group(2)?.0)?;
        let month = number(&group(2)?.0)?;
        let departement = group(2)?.0.to_ascii_uppercase();
        number(&group(3)?.0)?;
        let (order, more) = group(3)?;
        number(&order)?;
        // 20, 30 to 42 and 50 to 99 stand for a month that is not known.
        let plausible = matches!(sex, 1..=4 | 7 | 8)
            && matches!(month, 1..=12 | 20 | 30..=42 | 50..=99)
            && (number(&departement).is_some() || matches!(departement.as_str(), "2A" | "2B"));
        let ends = !more || group(2).is_some_and(|(key, more)| number(&key).is_some() && !more);
        Some(plausible && ends)
    };
    read().unwrap_or(false)
}

/// How many separators may stand between two groups.
const BETWEEN: usize = 3;

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
