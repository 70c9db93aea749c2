//! Pseudonyms: one name for one person inside one domain, `P1-<epoch>-<26 characters><check>`.
//!
//! The 26 characters are the first 130 bits of HMAC-SHA-256(K, rid) in Crockford's base 32, where K is random for
//! each (domain, epoch): without K, two domains' pseudonyms cannot be joined (invariant 7). The check character is
//! Crockford's, over the epoch too: the number `epoch × 2^130 + value` modulo 37. Since 37 is prime and neither a
//! digit's difference (below 32, or below 10 in the epoch) nor 32 − 1 nor 10 − 1 is a multiple of it, every wrong
//! character and every exchange of two neighbours is found. Only the canonical text is read: upper case, no `I L O U`.

use std::{fmt, str::FromStr};

use exchange::{AgreementId, InstitutionId};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use super::{SealError, Secret};

/// The random name of a person inside the vault. Leaves it as a pseudonym only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rid([u8; 16]);

impl Rid {
    /// A new person.
    pub(crate) fn random() -> Result<Self, SealError> {
        let mut rid = [0; 16];
        SystemRandom::new().fill(&mut rid).map_err(|_| SealError::NoRandomness)?;
        Ok(Self(rid))
    }

    /// As the vault stores it.
    pub(crate) fn stored(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Reads what [`Rid::stored`] gave.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, SealError> {
        bytes.try_into().map(Self).map_err(|_| SealError::Malformed)
    }
}

impl fmt::Debug for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rid(..)")
    }
}

/// The space in which a pseudonym means something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain {
    /// Who is given the pseudonyms.
    pub recipient: InstitutionId,
    /// Purpose class, as the catalogue writes it.
    pub purpose: String,
    /// The agreement under which they are given, if any.
    pub agreement: Option<AgreementId>,
}

impl Domain {
    /// The agreement as stored: an empty text, which no agreement has for an id, when there is none.
    pub(crate) fn agreement_text(&self) -> &str {
        self.agreement.as_ref().map_or("", |id| id.as_str())
    }
}

/// The key of one domain in one epoch.
#[derive(Clone)]
pub struct DomainKey {
    key: Secret,
    epoch: u32,
}

impl DomainKey {
    /// The key of this epoch.
    pub fn new(key: Secret, epoch: u32) -> Self {
        Self { key, epoch }
    }

    /// Its epoch, from 1.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The pseudonym of a person in this domain and epoch.
    pub fn pseudonym(&self, rid: &Rid) -> Pseudonym {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.key.bytes()), &rid.0);
        Pseudonym { epoch: self.epoch, value: leading_bits(mac.as_ref()) }
    }
}

impl fmt::Debug for DomainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainKey(..)")
    }
}

/// A person's name inside one domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym {
    epoch: u32,
    /// 26 values of five bits.
    value: [u8; 26],
}

/// The text is not a pseudonym, or was mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid pseudonym")]
pub struct InvalidPseudonym;

impl Pseudonym {
    /// The epoch of the domain's key it was made with.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    fn check(&self) -> char {
        let number = self.value.iter().fold(self.epoch % 37, |number, digit| (number * 32 + u32::from(*digit)) % 37);
        symbol(CHECKS, number)
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P1-{}-", self.epoch)?;
        self.value.iter().try_for_each(|digit| write!(f, "{}", symbol(DIGITS, u32::from(*digit))))?;
        write!(f, "{}", self.check())
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(..)")
    }
}

impl FromStr for Pseudonym {
    type Err = InvalidPseudonym;

    fn from_str(text: &str) -> Result<Self, InvalidPseudonym> {
        let (epoch, rest) = text.strip_prefix("P1-").and_then(|rest| rest.split_once('-')).ok_or(InvalidPseudonym)?;
        let epoch: u32 = epoch.parse().map_err(|_| InvalidPseudonym)?;
        let (digits, _) = rest.as_bytes().split_at_checked(26).ok_or(InvalidPseudonym)?;
        let mut value = [0; 26];
        for (place, byte) in value.iter_mut().zip(digits) {
            let digit = DIGITS.iter().position(|known| known == byte).ok_or(InvalidPseudonym)?;
            *place = u8::try_from(digit).map_err(|_| InvalidPseudonym)?;
        }
        let read = Self { epoch, value };
        // Written again and compared: one text for each pseudonym, check character included.
        if epoch > 0 && read.to_string() == text { Ok(read) } else { Err(InvalidPseudonym) }
    }
}

fn leading_bits(mac: &[u8]) -> [u8; 26] {
    let mut value = [0; 26];
    let (mut bits, mut held) = (0u32, 0u32);
    let mut bytes = mac.iter();
    for digit in &mut value {
        while held < 5 {
            bits = (bits << 8 | u32::from(*bytes.next().unwrap_or(&0))) & 0xffff;
            held += 8;
        }
        held -= 5;
        *digit = u8::try_from(bits >> held & 0x1f).unwrap_or(0);
    }
    value
}

fn symbol(of: &[u8], number: u32) -> char {
    usize::try_from(number).ok().and_then(|number| of.get(number)).copied().map_or('0', char::from)
}

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHECKS: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

#[cfg(test)]
mod tests;
