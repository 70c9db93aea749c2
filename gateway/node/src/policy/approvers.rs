//! Who may change the rules: `approval.toml` of the set in force.
//!
//! Which functions count is data. That it takes two people, of two functions, neither of them the author, is not.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{
    directory::{Professional, Role},
    source::{Files, SourceFault},
};

/// Functions of the directory that may propose and approve a policy set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvers {
    propose: BTreeSet<Role>,
    approve: BTreeSet<Role>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    propose: BTreeSet<Role>,
    approve: BTreeSet<Role>,
}

const FILE: &str = "approval.toml";

impl Approvers {
    /// Reads them from a policy set.
    ///
    /// # Errors
    /// The file is missing or has a mistake, nobody may propose, or fewer than two functions may approve.
    pub fn of(files: &Files) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let Some(source) = files.text(FILE, &mut faults) else { return Err(faults) };
        let Some(written) = source.whole::<Written>(&mut faults) else { return Err(faults) };
        let Written { propose, approve } = written.value;
        if propose.is_empty() {
            faults.push(source.fault(0, "nobody may propose", "name at least one function under `propose`"));
        }
        if approve.len() < 2 {
            faults.push(source.fault(0, "two functions have to approve", "name at least two functions under `approve`"));
        }
        if faults.is_empty() { Ok(Self { propose, approve }) } else { Err(faults) }
    }

    /// Whether this person may propose.
    pub fn may_propose(&self, who: &Professional) -> bool {
        who.roles.iter().any(|role| self.propose.contains(role))
    }

    /// In which functions this person may approve, in the order of the directory.
    pub fn capacities(&self, who: &Professional) -> Vec<Role> {
        who.roles.iter().copied().filter(|role| self.approve.contains(role)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Approvers, String> {
        let files = Files::archived("jeu".into(), [(FILE.to_owned(), text.to_owned())].into());
        Approvers::of(&files).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn it_takes_two_functions() {
        let good = "propose = [\"administrateur\"]\napprove = [\"dpo\", \"cadre-crip\"]\n";
        assert_eq!(read(good).unwrap().approve.len(), 2);
        for (from, to, told) in [
            ("\"dpo\", \"cadre-crip\"", "\"dpo\", \"dpo\"", "two functions have to approve"),
            ("[\"administrateur\"]", "[]", "nobody may propose"),
            ("\"dpo\"", "\"dpd\"", "approval.toml"),
            ("approve", "approuve", "approuve"),
        ] {
            let fault = read(&good.replacen(from, to, 1)).unwrap_err();
            assert!(fault.contains(told), "{fault}");
        }
        assert!(Approvers::of(&Files::archived("jeu".into(), Default::default())).is_err());
    }
}
