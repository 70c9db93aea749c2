//! How the files of a drop are called: by its sender, its number and a rank. Never by anything else, least of all a name.
//!
//! `departement-31_0000000042_001.csv`, `departement-31_0000000042.manifeste.json`, `….manifeste.jws`, `….accuse.json`, `….accuse.jws`.
//! What ends in `.part` is still being written, and is no name of ours.

use std::{fmt, str::FromStr};

use exchange::InstitutionId;

/// The number of a drop between a sender and a recipient: from 1, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

/// The name of one file of a drop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DropName {
    /// Who left the drop; the acknowledgement of a drop bears its name too.
    pub sender: InstitutionId,
    /// Which drop.
    pub sequence: Sequence,
    /// Which file of it.
    pub part: Part,
}

/// What a file of a drop is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// One of the files that the manifest lists.
    File {
        /// Its rank, from 1.
        rank: u16,
        /// What follows the last dot: one to eight of `a`–`z` and `0`–`9`.
        extension: String,
    },
    /// The list of files.
    Manifest,
    /// The detached signature of the manifest.
    ManifestSignature,
    /// What the receiver says of the drop.
    Acknowledgement,
    /// The detached signature of the acknowledgement.
    AcknowledgementSignature,
}

/// The text is not the name of a file of a drop. Does not repeat it: it may hold a person's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a file of a drop")]
pub struct InvalidName;

impl Sequence {
    /// A number that fits in ten digits and is not zero.
    pub fn new(number: u64) -> Option<Self> {
        (1..=LAST).contains(&number).then_some(Self(number))
    }

    /// The number itself.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The one that follows; none after the last.
    pub fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

impl DropName {
    /// The name of another file of the same drop.
    pub fn beside(&self, part: Part) -> Self {
        Self { part, ..self.clone() }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}", self.0)
    }
}

impl FromStr for Sequence {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        digits(text, 10).and_then(Self::new).ok_or(InvalidName)
    }
}

impl fmt::Display for DropName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.sender, self.sequence)?;
        match &self.part {
            Part::File { rank, extension } => write!(f, "_{rank:03}.{extension}"),
            Part::Manifest => f.write_str(".manifeste.json"),
            Part::ManifestSignature => f.write_str(".manifeste.jws"),
            Part::Acknowledgement => f.write_str(".accuse.json"),
            Part::AcknowledgementSignature => f.write_str(".accuse.jws"),
        }
    }
}

impl FromStr for DropName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (sender, rest) = text.split_once('_').ok_or(InvalidName)?;
        let (sequence, rest) = rest.split_at_checked(10).ok_or(InvalidName)?;
        let part = match rest {
            ".manifeste.json" => Part::Manifest,
            ".manifeste.jws" => Part::ManifestSignature,
            ".accuse.json" => Part::Acknowledgement,
            ".accuse.jws" => Part::AcknowledgementSignature,
            _ => file(rest).ok_or(InvalidName)?,
        };
        Ok(Self { sender: sender.parse().map_err(|_| InvalidName)?, sequence: sequence.parse()?, part })
    }
}

fn file(rest: &str) -> Option<Part> {
    let (rank, extension) = rest.strip_prefix('_')?.split_once('.')?;
    let rank = digits(rank, 3).and_then(|rank| u16::try_from(rank).ok()).filter(|rank| *rank > 0)?;
    let plain = (1..=8).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (plain && extension != "part").then(|| Part::File { rank, extension: extension.to_owned() })
}

fn digits(text: &str, length: usize) -> Option<u64> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

const LAST: u64 = 9_999_999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_our_own_names_are_names() {
        for text in [
            "departement-31_0000000042_001.csv",
            "caf-31_0000000001.manifeste.json",
            "caf-31_9999999999.accuse.jws",
            "caf-31_0000000001_999.p7m",
        ] {
            assert_eq!(text.parse::<DropName>().unwrap().to_string(), text);
        }
        for text in [
            "departement-31_0000000042_001.csv.part",
            "departement-31_0000000042_001.part",
            "departement-31_0000000042_000.csv",
            "departement-31_0000000000_001.csv",
            "departement-31_42_001.csv",
            "FICTIVE Capucine.csv",
            "../departement-31_0000000042_001.csv",
            "departement-31_0000000042_001.CSV",
            "_0000000042_001.csv",
            "",
        ] {
            assert_eq!(text.parse::<DropName>(), Err(InvalidName), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_is_read_is_written_alike(text in "[a-z-]{0,3}_[0-9]{8,11}(_[0-9]{2,4})?\\.[a-z0-9.]{0,16}") {
            if let Ok(name) = text.parse::<DropName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
