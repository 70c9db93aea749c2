//! The normal form of a name: what stays when spelling habits are taken away. Specified by these rules, in this order,
//! and by `vectors/names.json`:
//!
//! 1. compatibility decomposition (NFKD), upper case; accents and other marks vanish; what no decomposition takes apart
//!    is written as French civil status writes it: `Œ Æ Ø Ł Đ Ð Þ Ħ Ŧ Ə ẞ` become `OE AE O L D D TH H T E SS`, and the
//!    letters of West African names `Ɓ Ɖ Ɗ Ɛ Ƙ Ŋ Ɔ` become `B D D E K N O` (`ß` is `SS`, `ı` is `I` by their upper case);
//! 2. whatever is neither letter nor digit separates words: hyphens, apostrophes straight and curly, points and spaces are
//!    alike, and so are the modifier letters that stand for an apostrophe or an Arabic hamza or ayn (`ʼ ʿ ʾ`);
//! 3. the word `ST` is `SAINT`, `STE` is `SAINTE`.
//!
//! Words are compared run together ([`joined`]): `DE LA TOUR` is `Delatour`, `D’ARC` is `DARC`, `Jean-Luc` is `JEAN LUC`.
//! Particles stay part of the name here, since dropping one would call two names equal; the phonetic code, which only
//! proposes, drops them.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The normal form: words in upper case, one space between them. Empty when nothing of a name is left.
pub fn name(text: &str) -> String {
    let mut letters = String::with_capacity(text.len());
    for letter in text.nfkd().flat_map(char::to_uppercase).nfkd().filter(|c| !is_combining_mark(*c)) {
        match letter {
            'Œ' => letters.push_str("OE"),
            'Æ' => letters.push_str("AE"),
            'Ø' => letters.push('O'),
            'Ł' => letters.push('L'),
            'Đ' | 'Ð' | 'Ɖ' | 'Ɗ' => letters.push('D'),
            'Þ' => letters.push_str("TH"),
            'Ħ' => letters.push('H'),
            'Ŧ' => letters.push('T'),
            'Ə' | 'Ɛ' => letters.push('E'),
            'ẞ' => letters.push_str("SS"),
            'Ɓ' => letters.push('B'),
            'Ƙ' => letters.push('K'),
            'Ŋ' => letters.push('N'),
            'Ɔ' => letters.push('O'),
            // Unicode calls these letters; in a name they are an apostrophe.
            '\u{2B0}'..='\u{2FF}' => letters.push(' '),
            _ if stays(letter) => letters.push(letter),
            _ => letters.push(' '),
        }
    }
    let mut out = String::with_capacity(letters.len());
    for word in letters.split_ascii_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(match word {
            "ST" => "SAINT",
            "STE" => "SAINTE",
            other => other,
        });
    }
    out
}

/// The normal form with its words run together: what is compared. `None` when no name is known.
pub fn joined(text: &str) -> Option<String> {
    let words = name(text);
    let joined: String = words.split(' ').collect();
    if joined.is_empty() || UNKNOWN.contains(&joined.as_str()) { None } else { Some(joined) }
}

/// A letter or digit on which rule 1 has nothing left to do; hence normalising twice changes nothing.
fn stays(letter: char) -> bool {
    letter.is_ascii_uppercase()
        || letter.is_ascii_digit()
        || (letter.is_alphanumeric() && !letter.is_ascii() && std::iter::once(letter).nfkd().flat_map(char::to_uppercase).eq([letter]))
}

/// What people type where a name is not known.
const UNKNOWN: [&str; 16] = [
    "X",
    "XX",
    "XXX",
    "XXXX",
    "INCONNU",
    "INCONNUE",
    "NC",
    "NR",
    "NA",
    "NONCONNU",
    "NONCONNUE",
    "NONCOMMUNIQUE",
    "NONRENSEIGNE",
    "SANSNOM",
    "ANONYME",
    "ENFANT",
];
