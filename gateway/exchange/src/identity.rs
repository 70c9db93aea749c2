//! A person in clear: the traits by which the civil registry tells people apart.
//!
//! Never holds a NIR or an INS (R56, R57). Nothing here can be printed: an identity leaves this type
//! only by [`Identity::reveal`], whose callers are the vault and the document of an entitled reader.

use std::fmt;

use serde_json::Value;
use time::{Date, macros::format_description};

use crate::document::{Leaves, Pointer};

/// One subject of an exchange as its sender described it. Has no `Serialize`, no `Display`; `Debug` shows nothing.
#[derive(Clone, PartialEq)]
pub struct Identity {
    reference: String,
    leaves: Leaves,
}

/// Code list CL-sexe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// `F`
    Female,
    /// `M`
    Male,
}

impl Identity {
    /// The subject that the payload calls `reference` (`s1`, `s2`…), from the leaves of class `identite` and
    /// `contact` below `/subjects/<n>`, with pointers relative to the subject.
    pub fn new(reference: String, leaves: Leaves) -> Self {
        Self { reference, leaves }
    }

    /// How the payload names this person: `s1`, `s2`…
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Every trait and address, in clear, with pointers relative to the subject.
    pub fn reveal(&self) -> &Leaves {
        &self.leaves
    }

    /// Whether an address, a telephone or an e-mail is there: class `contact`. Says nothing of which.
    pub fn has_contact(&self) -> bool {
        self.leaves.iter().any(|(at, _)| matches!(at.segments().first().map(String::as_str), Some("address" | "phone" | "email")))
    }

    /// Code of CL-role, when one was given.
    pub fn role(&self) -> Option<&str> {
        self.text("role")
    }

    /// Birth name.
    pub fn birth_name(&self) -> Option<&str> {
        self.text("birth_name")
    }

    /// Use name.
    pub fn use_name(&self) -> Option<&str> {
        self.text("use_name")
    }

    /// Birth given names, in the order of the civil registry.
    pub fn given_names(&self) -> Vec<&str> {
        let top = Pointer::default().child("given_names");
        self.leaves.iter().filter(|(at, _)| at.within(&top)).filter_map(|(_, v)| v.as_str()).filter(|s| !s.trim().is_empty()).collect()
    }

    /// Sex; `None` for `inconnu`.
    pub fn sex(&self) -> Option<Sex> {
        match self.text("sex")? {
            "F" => Some(Sex::Female),
            "M" => Some(Sex::Male),
            _ => None,
        }
    }

    /// Birth date, only when it is said to be exact (or nothing else is said).
    pub fn birth_date(&self) -> Option<Date> {
        if self.text("birth_date_quality").is_some_and(|quality| quality != "exacte") {
            return None;
        }
        Date::parse(self.text("birth_date")?, format_description!("[year]-[month]-[day]")).ok()
    }

    /// INSEE code of the birth place (five characters), when a code was given.
    pub fn birth_place(&self) -> Option<&str> {
        self.text("birth_place").filter(|code| code.len() == 5 && code.bytes().skip(2).all(|b| b.is_ascii_digit()) && *code != "99999")
    }

    /// Whether the child is not born yet.
    pub fn unborn(&self) -> bool {
        self.leaves.at(&Pointer::default().child("unborn")) == Some(&Value::Bool(true))
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.leaves.at(&Pointer::default().child(field))?.as_str().filter(|text| !text.trim().is_empty())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::envelope::{Draft, NonConforming};

    /// Compiles only while the type has none of the traits that would write it out: two of them, and the method is ambiguous.
    macro_rules! cannot_be_written_out {
        ($($of:ty),+) => {$({
            trait Ambiguous<Which> {
                fn holds() {}
            }
            struct Serialized;
            struct Displayed;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + Serialize> Ambiguous<Serialized> for T {}
            impl<T: ?Sized + Display> Ambiguous<Displayed> for T {}
            <$of as Ambiguous<_>>::holds();
        })+};
    }

    #[test]
    fn i06_what_holds_an_identity_cannot_be_printed() {
        cannot_be_written_out!(Identity, Leaves, Draft, NonConforming);
        let leaves = Leaves::of(&json!({"birth_name": "FICTIVE", "given_names": ["Capucine"]}));
        assert_eq!(format!("{leaves:?}"), format!("{:?}", Leaves::new()));
        let identity = Identity::new("s1".into(), leaves);
        assert_eq!(format!("{identity:?} {identity:#?}"), "Identity(..) Identity(..)");
    }
}
