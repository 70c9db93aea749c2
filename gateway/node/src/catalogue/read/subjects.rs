//! Persons, apart from everything else: each under the name by which its document calls it.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{
    ChildAge, DataClass, Identity,
    document::{Leaves, Pointer},
};
use serde_json::Value;

use super::{Reading, check::Misfit};

/// Which subject a place belongs to, if any.
pub(super) fn number(at: &Pointer) -> Option<usize> {
    match at.segments() {
        [top, n, ..] if top == "subjects" => n.parse().ok(),
        _ => None,
    }
}

/// The children the document is about: who is said to be one, and who comes first when nobody is.
pub(super) fn children(subjects: &[Identity]) -> Vec<ChildAge> {
    let child = |(place, subject): &(usize, &Identity)| match subject.role() {
        Some(role) => ["enfant", "fratrie"].contains(&role),
        None => *place == 0,
    };
    subjects.iter().enumerate().filter(child).map(|(_, subject)| ChildAge::of(subject)).collect()
}

impl Reading<'_> {
    /// The identities, in the order of the document. What of a subject is no identity goes to the body; subjects are
    /// numbered there without a gap, so that the nth identity is `/subjects/n`.
    pub(super) fn subjects(&mut self) -> Vec<Identity> {
        let persons = std::mem::take(&mut self.persons);
        let mut names = self.names(&persons);
        let mut identities = Vec::new();
        for (place, (n, leaves)) in persons.into_iter().enumerate() {
            let top = Pointer::default().child("subjects").child(place.to_string());
            let name = names.remove(&n).unwrap_or_default();
            let mut identity = Leaves::new();
            for (class, at, value) in leaves.into_iter().filter(|(_, at, _)| !is_name(at)) {
                let below = |from: Pointer| at.segments().iter().skip(2).fold(from, |at, segment| at.child(segment));
                if matches!(class, DataClass::Identite | DataClass::Contact) {
                    identity.insert(below(Pointer::default()), value);
                } else {
                    self.body.entry(class).or_default().insert(below(top.clone()), value);
                }
            }
            self.body.entry(DataClass::Reference).or_default().insert(top.child("ref"), Value::String(name.clone()));
            identities.push(Identity::new(name, identity));
        }
        identities
    }

    /// A name for each subject: the one given, if nobody else has it, else the first free one.
    fn names(&mut self, persons: &BTreeMap<usize, Vec<(DataClass, Pointer, Value)>>) -> BTreeMap<usize, String> {
        let (mut names, mut taken) = (BTreeMap::new(), BTreeSet::new());
        for (n, leaves) in persons {
            let Some((_, at, given)) = leaves.iter().find(|(_, at, _)| is_name(at)) else { continue };
            let name = given.as_str().unwrap_or_default();
            if taken.insert(name.to_owned()) {
                names.insert(*n, name.to_owned());
            } else {
                self.misfit(at, Misfit::Reference("à chaque personne un nom qu’elle seule porte, par exemple s1, s2"), given.clone());
            }
        }
        let mut next = 1;
        for n in persons.keys() {
            names.entry(*n).or_insert_with(|| {
                while taken.contains(&format!("s{next}")) {
                    next += 1;
                }
                let name = format!("s{next}");
                taken.insert(name.clone());
                name
            });
        }
        names
    }
}

/// `/subjects/<n>/ref`
fn is_name(at: &Pointer) -> bool {
    matches!(at.segments(), [_, _, last] if last == "ref")
}
