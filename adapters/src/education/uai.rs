//! The code of a school: seven digits and their key.

use std::{fmt, str::FromStr};

/// A *code UAI* (once RNE) whose key is right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uai(String);

/// The text is not a UAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUai {
    /// Not seven digits and a letter.
    #[error("not seven digits and a letter")]
    Shape,
    /// The letter is not the key of the digits.
    #[error("the letter is not the key of the digits")]
    Key,
}

impl Uai {
    /// The code, its letter in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uai {
    type Err = InvalidUai;

    fn from_str(text: &str) -> Result<Self, InvalidUai> {
        let (digits, letter) = text.split_at_checked(7).ok_or(InvalidUai::Shape)?;
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<usize>().ok()).flatten();
        let number = number.filter(|_| letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_alphabetic())).ok_or(InvalidUai::Shape)?;
        let key = KEYS.get(number % KEYS.len()).ok_or(InvalidUai::Key)?;
        letter.bytes().all(|b| b.to_ascii_lowercase() == *key).then(|| Self(text.to_ascii_uppercase())).ok_or(InvalidUai::Key)
    }
}

impl fmt::Display for Uai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The letters that cannot be taken for a digit or for each other.
const KEYS: &[u8; 23] = b"abcdefghjklmnprstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_of_schools_that_exist_have_their_key() {
        // Lycées Henri-IV and Louis-le-Grand, and the college of the demonstration.
        for code in ["0750654D", "0750655E", "0319901U"] {
            assert_eq!(code.parse::<Uai>().unwrap().as_str(), code);
            assert_eq!(code.to_lowercase().parse::<Uai>().unwrap().as_str(), code);
        }
        for (code, why) in [
            ("0750655D", InvalidUai::Key),
            ("0750655I", InvalidUai::Key),
            ("750655E", InvalidUai::Shape),
            ("0750655", InvalidUai::Shape),
            ("07506555", InvalidUai::Shape),
            ("0750655E ", InvalidUai::Shape),
            ("075065é5", InvalidUai::Shape),
            ("", InvalidUai::Shape),
        ] {
            assert_eq!(code.parse::<Uai>(), Err(why), "{code}");
        }
    }

    proptest! {
        #[test]
        fn one_letter_of_all_is_the_key(number in 0u32..10_000_000) {
            let keys = (b'A'..=b'Z').filter(|letter| format!("{number:07}{}", char::from(*letter)).parse::<Uai>().is_ok()).count();
            prop_assert_eq!(keys, 1);
        }

        #[test]
        fn never_panics(text in ".{0,10}") {
            let _ = text.parse::<Uai>();
        }
    }
}
