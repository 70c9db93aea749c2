//! A phonetic code for French names: names that sound alike get one code. It only proposes, so it errs towards alike.
//!
//! Specified by these rules and by `vectors/names.json`. The input is the name as it is written, or nearly: `Ç` before `A O U`
//! sounds like `S`, which its normal form no longer tells; the rest is done on the normal form of [`super::normal`].
//!
//! 1. Leading particles `DE D DA DAS DO DOS` go, while another word is left, and so do those that French registers glue to
//!    the commonest Portuguese names (`DASILVA`). Articles and `VAN VON BEN` stay, since they are written glued as often
//!    (`Le Roy` is `Leroy`, `Van den Berg` is `Vandenberg`, `Ben Ali` is `Benali`); the Arabic article `AL` is `EL`. Then
//!    words run together and letters outside A–Z go.
//! 2. Left to right, the first of these that fits gives its sound (`RULES`): vowels to `A E I O U`, nasal vowels to
//!    `1` (in, un), `2` (an, en), `3` (on), `CH` to `X`, `GN` to `N`, soft `C Z SS` to `S`, soft `G` to `J`, hard `C QU K` to
//!    `K`; `H` is silent.
//! 3. Before rule 2, silent ends go: `AULT AULD AULX` is `AU`; then plural and mute `E S T D X Z P`, again and again,
//!    while two letters are left; of a final `ED` the `D` alone, and the `U` of a final `GUE` with its `E`.
//! 4. The same sound twice in a row is once.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::normal;

/// The code of a name as it is written; `None` when no letter of a name is left.
pub fn code(text: &str) -> Option<String> {
    let normal = Zeroizing::new(normal::name(&with_soft_cedilla(text)));
    let mut words: Vec<&str> = normal.split(' ').filter(|word| !word.is_empty()).collect();
    while words.len() > 1 && words.first().is_some_and(|word| PARTICLES.contains(word)) {
        words.remove(0);
    }
    if let Some(first) = words.first_mut() {
        *first =
            GLUED.iter().find_map(|(particle, name)| first.strip_prefix(particle).filter(|rest| rest.starts_with(name))).unwrap_or(first);
    }
    let last = words.len().saturating_sub(1);
    words.iter_mut().take(last).filter(|word| **word == "AL").for_each(|word| *word = "EL");
    let mut letters: Vec<u8> = words.iter().flat_map(|word| word.bytes()).filter(u8::is_ascii_uppercase).collect();
    if [b"AULT", b"AULD", b"AULX"].iter().any(|end| letters.ends_with(*end)) {
        letters.truncate(letters.len() - 2);
    }
    while letters.len() > 2 && letters.last().is_some_and(|last| b"ESTDXZP".contains(last)) {
        // `Mohamed` keeps its last vowel, and what nasal it is.
        let silent_after_e = letters.pop() == Some(b'D') && letters.last() == Some(&b'E');
        if silent_after_e {
            break;
        }
        if letters.ends_with(b"GU") {
            letters.pop();
        }
    }
    let mut code = String::new();
    let mut rest = letters.as_slice();
    while !rest.is_empty() {
        let (taken, sound) = first_sound(rest);
        for sound in sound.chars() {
            if !code.ends_with(sound) {
                code.push(sound);
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    if code.is_empty() { None } else { Some(code) }
}

/// `Gonçalves` as it sounds: `Gonsalves`.
fn with_soft_cedilla(text: &str) -> Zeroizing<String> {
    let composed: Zeroizing<String> = Zeroizing::new(text.nfc().collect());
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 4));
    let mut letters = composed.chars().peekable();
    while let Some(letter) = letters.next() {
        let broad = letters.peek().and_then(|next| next.nfd().next()).is_some_and(|next| "AOUaou".contains(next));
        if matches!(letter, 'Ç' | 'ç') && broad { out.push('S') } else { out.push(letter) }
    }
    out
}

fn first_sound(rest: &[u8]) -> (usize, &'static str) {
    for (spelling, before, sound) in RULES {
        let after = rest.strip_prefix(spelling.as_bytes());
        if after.is_some_and(|after| before.fits(after.first())) {
            return (spelling.len(), sound);
        }
    }
    (1, "")
}

/// What must follow a spelling.
#[derive(Clone, Copy)]
enum Before {
    /// Anything.
    Any,
    /// `E`, `I` or `Y`: softens C and G.
    Soft,
    /// A consonant other than `N M H`, or the end: makes a nasal vowel.
    Consonant,
}

impl Before {
    fn fits(self, next: Option<&u8>) -> bool {
        match self {
            Self::Any => true,
            Self::Soft => next.is_some_and(|next| b"EIY".contains(next)),
            Self::Consonant => next.is_none_or(|next| !b"AEIOUYHNM".contains(next)),
        }
    }
}

const PARTICLES: [&str; 6] = ["DE", "D", "DA", "DAS", "DO", "DOS"];

/// A particle that French registers glue to a Portuguese name, and the names to which they do: elsewhere the same letters
/// are part of the name (`DAMIEN`, `DOSNE`).
const GLUED: &[(&str, &str)] = &[
    ("DA", "SILVA"),
    ("DA", "COSTA"),
    ("DA", "CRUZ"),
    ("DA", "CUNHA"),
    ("DA", "FONSECA"),
    ("DA", "ROCHA"),
    ("DA", "MOTA"),
    ("DA", "VEIGA"),
    ("DAS", "NEVES"),
    ("DOS", "SANTOS"),
    ("DOS", "REIS"),
    ("DOS", "ANJOS"),
    ("DO", "NASCIMENTO"),
    ("DE", "OLIVEIRA"),
    ("DE", "SOUSA"),
    ("DE", "SOUZA"),
    ("DE", "ALMEIDA"),
    ("DE", "ARAUJO"),
    ("DE", "CARVALHO"),
];

use Before::{Any, Consonant, Soft};

/// Spelling, what must follow, sound. The first that fits counts, so longer spellings stand first.
const RULES: &[(&str, Before, &str)] = &[
    // Nasal vowels.
    ("OIN", Consonant, "U1"),
    ("AIN", Consonant, "1"),
    ("AIM", Consonant, "1"),
    ("EIN", Consonant, "1"),
    ("EIM", Consonant, "1"),
    ("IEN", Consonant, "I1"),
    ("YEN", Consonant, "I1"),
    ("IN", Consonant, "1"),
    ("IM", Consonant, "1"),
    ("YN", Consonant, "1"),
    ("YM", Consonant, "1"),
    ("UN", Consonant, "1"),
    ("UM", Consonant, "1"),
    ("AN", Consonant, "2"),
    ("AM", Consonant, "2"),
    ("EN", Consonant, "2"),
    ("EM", Consonant, "2"),
    ("ON", Consonant, "3"),
    ("OM", Consonant, "3"),
    // Vowels.
    ("EAU", Any, "O"),
    ("AU", Any, "O"),
    ("OEU", Any, "E"),
    ("OU", Any, "U"),
    ("OI", Any, "UA"),
    ("OY", Any, "UA"),
    ("EU", Any, "E"),
    ("AI", Any, "E"),
    ("AY", Any, "E"),
    ("EI", Any, "E"),
    ("EY", Any, "E"),
    ("AE", Any, "E"),
    ("OE", Any, "E"),
    ("A", Any, "A"),
    ("E", Any, "E"),
    ("I", Any, "I"),
    ("Y", Any, "I"),
    ("O", Any, "O"),
    ("U", Any, "U"),
    // Consonants.
    ("SCH", Any, "X"),
    ("CH", Any, "X"),
    ("SH", Any, "X"),
    ("PH", Any, "F"),
    ("GN", Any, "N"),
    ("QU", Any, "K"),
    ("CK", Any, "K"),
    ("CC", Soft, "KS"),
    ("SC", Soft, "S"),
    ("C", Soft, "S"),
    ("C", Any, "K"),
    ("K", Any, "K"),
    ("Q", Any, "K"),
    ("GU", Soft, "G"),
    ("G", Soft, "J"),
    ("G", Any, "G"),
    ("J", Any, "J"),
    ("W", Any, "V"),
    ("V", Any, "V"),
    ("Z", Any, "S"),
    ("S", Any, "S"),
    ("X", Any, "KS"),
    ("H", Any, ""),
    ("B", Any, "B"),
    ("D", Any, "D"),
    ("F", Any, "F"),
    ("L", Any, "L"),
    ("M", Any, "M"),
    ("N", Any, "N"),
    ("P", Any, "P"),
    ("R", Any, "R"),
    ("T", Any, "T"),
];
