//! The two stages of the pseudonym (CASF D226-3-4): the département makes its own from four traits, phonetised; the national
//! one is made from that, never from the traits. The official algorithm is not public, so the algorithm is an argument.

use std::fmt;

/// The four traits of D226-3-4.
pub struct Traits<'a> {
    /// First given name, as it is written.
    pub given_name: &'a str,
    /// The mother's birth name, as it is written.
    pub mother_name: &'a str,
    /// Birth year.
    pub year: u16,
    /// Birth month.
    pub month: u8,
}

/// An algorithm with its keys, which it alone holds.
pub trait Pseudonym {
    /// Names the algorithm and its version; stands in the file.
    fn version(&self) -> &str;

    /// The département's stage; `None` when a name has no letter.
    fn department(&self, traits: &Traits<'_>) -> Option<DepartmentId>;

    /// The national stage.
    fn national(&self, department: &DepartmentId) -> NationalId;
}

/// `NUMANONYMDEP`: stays in the département, apart from the file that is sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DepartmentId(pub [u8; 20]);

/// `NUMANONYM`: what the file carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NationalId(pub [u8; 20]);

/// `passerelle-hmac-sha256-1`: the first 20 bytes of a keyed digest of 32, at each stage, under a key of its own.
pub struct Keyed<'a> {
    /// A phonetic code of French names; `None` when no letter is left.
    pub phonetic: &'a dyn Fn(&str) -> Option<String>,
    /// HMAC-SHA-256 under the département's key.
    pub department: &'a dyn Fn(&[u8]) -> [u8; 32],
    /// HMAC-SHA-256 under the national key.
    pub national: &'a dyn Fn(&[u8]) -> [u8; 32],
}

impl Pseudonym for Keyed<'_> {
    fn version(&self) -> &str {
        "passerelle-hmac-sha256-1"
    }

    fn department(&self, traits: &Traits<'_>) -> Option<DepartmentId> {
        let given_name = (self.phonetic)(first(traits.given_name))?;
        let mother_name = (self.phonetic)(traits.mother_name)?;
        // Lengths first: no two sets of traits make the same text.
        let (given_len, mother_len) = (given_name.len(), mother_name.len());
        let text =
            format!("olinpe-1/departement/{given_len}:{given_name}/{mother_len}:{mother_name}/{:04}-{:02}", traits.year, traits.month);
        Some(DepartmentId(shorten((self.department)(text.as_bytes()))))
    }

    fn national(&self, department: &DepartmentId) -> NationalId {
        NationalId(shorten((self.national)(format!("olinpe-1/national/{department}").as_bytes())))
    }
}

/// The first of several given names: what stands before a comma, or before a space. A hyphen joins.
fn first(names: &str) -> &str {
    names.trim().split([' ', ',', ';']).next().unwrap_or_default()
}

fn shorten(digest: [u8; 32]) -> [u8; 20] {
    let mut short = [0; 20];
    short.iter_mut().zip(digest).for_each(|(into, from)| *into = from);
    short
}

macro_rules! forty_characters {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(..)"))
            }
        }
    )*};
}
forty_characters!(DepartmentId, NationalId);
