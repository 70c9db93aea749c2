//! How well the keys find and how never they join wrongly, measured: the rule of the vault's filing played in memory over
//! synthetic children ([`children`]). The small run is part of every test run; the table of `seal/MATCHING.md` is
//!
//! ```text
//! cargo nextest run -p gateway --run-ignored only --no-capture fifty_thousand
//! ```

#![allow(clippy::print_stdout, reason = "the table is what these tests are for")]

pub(crate) mod children;

use std::collections::{BTreeMap, HashMap};

use children::{Child, Dice, described};

use super::{Agreement, Indexer, Likeness};
use crate::seal::Secret;

/// What came of reporting every child again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) reports: usize,
    /// Filed without asking, under the right child.
    pub(crate) automatic: usize,
    /// Filed without asking, under another child: must be none.
    pub(crate) automatic_wrong: usize,
    /// The right child stood among the questions asked.
    pub(crate) proposed: usize,
    /// Neither filed nor asked about.
    pub(crate) missed: usize,
    /// Questions that joined nobody: another child's.
    pub(crate) questions_wrong: usize,
    pub(crate) questions: usize,
    /// Of the wrong questions, those about a sibling.
    pub(crate) about_siblings: usize,
}

/// The rule of `store/vault/filing.rs`, in memory: persons by key, and whose they truly are.
struct Registry {
    persons: Vec<usize>,
    by_key: HashMap<[u8; 16], Vec<usize>>,
}

enum Filed {
    Under(usize),
    Asked(Vec<usize>),
}

impl Registry {
    fn file(&mut self, likeness: &Likeness, truth: usize) -> Filed {
        let mut alike: BTreeMap<usize, Vec<Agreement>> = BTreeMap::new();
        for (agreement, key) in &likeness.keys {
            for person in self.by_key.get(key).into_iter().flatten() {
                alike.entry(*person).or_default().push(*agreement);
            }
        }
        let equal: Vec<usize> =
            alike.iter().filter(|(_, reasons)| reasons.contains(&Agreement::Everything)).map(|(person, _)| *person).collect();
        if let [person] = *equal {
            let close = |reasons: &Vec<Agreement>| reasons.iter().any(|reason| reason.all_but_one_trait());
            if !alike.iter().any(|(other, reasons)| *other != person && close(reasons)) {
                self.index(likeness, person);
                return Filed::Under(person);
            }
        }
        let mut alike: Vec<_> = alike.into_iter().collect();
        alike.sort_by_key(|(_, reasons)| std::cmp::Reverse(reasons.len()));
        let person = self.persons.len();
        self.persons.push(truth);
        self.index(likeness, person);
        Filed::Asked(alike.into_iter().map(|(person, _)| person).take(3).collect())
    }

    fn index(&mut self, likeness: &Likeness, person: usize) {
        for (_, key) in &likeness.keys {
            let known = self.by_key.entry(*key).or_default();
            if !known.contains(&person) {
                known.push(person);
            }
        }
    }
}

/// Registers every child as the civil registry writes it, then reports each again with errors.
fn measure(all: &[Child], per_cent: usize, seed: u64) -> Outcome {
    let indexer = Indexer::new(&Secret::random().unwrap()).unwrap();
    let mut registry = Registry { persons: Vec::new(), by_key: HashMap::new() };
    let mut dice = Dice::new(seed);
    let mut outcome = Outcome { reports: all.len(), ..Outcome::default() };
    for (truth, child) in all.iter().enumerate() {
        let likeness = indexer.keys(&described(child, 0, &mut dice)).unwrap();
        if let Filed::Under(person) = registry.file(&likeness, truth) {
            outcome.automatic_wrong += usize::from(registry.persons[person] != truth);
        }
    }
    for (truth, child) in all.iter().enumerate() {
        let likeness = indexer.keys(&described(child, per_cent, &mut dice)).unwrap();
        match registry.file(&likeness, truth) {
            Filed::Under(person) if registry.persons[person] == truth => outcome.automatic += 1,
            Filed::Under(_) => outcome.automatic_wrong += 1,
            Filed::Asked(persons) => {
                let right = persons.iter().any(|person| registry.persons[*person] == truth);
                outcome.proposed += usize::from(right);
                outcome.missed += usize::from(!right);
                outcome.questions += persons.len();
                for person in persons.iter().map(|person| registry.persons[*person]).filter(|person| *person != truth) {
                    outcome.questions_wrong += 1;
                    outcome.about_siblings += usize::from(all[person].name == child.name && all[person].mother == child.mother);
                }
            }
        }
    }
    outcome
}

fn row(per_cent: usize, outcome: &Outcome) -> String {
    let share = |part: usize, of: usize| if of == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * part as f64 / of as f64) };
    let asked = outcome.reports - outcome.automatic - outcome.automatic_wrong;
    format!(
        "| {per_cent} % | {} | {} | {asked} | {} | {} | {} | {} ({} frères et sœurs) | {} |",
        outcome.reports,
        outcome.automatic,
        share(outcome.proposed, asked),
        share(outcome.automatic + outcome.proposed, outcome.reports),
        outcome.missed,
        outcome.questions_wrong,
        share(outcome.about_siblings, outcome.questions_wrong),
        outcome.automatic_wrong,
    )
}

#[test]
fn two_thousand_children_are_found_and_none_is_taken_for_another() {
    let all = children::children(2_000, &mut Dice::new(31));
    assert_eq!(all, children::children(2_000, &mut Dice::new(31)), "the same children every time");
    let same_sex_twins = all.windows(2).filter(|pair| pair[1].twin && pair[0].female == pair[1].female).count();
    assert!(same_sex_twins >= 10, "{same_sex_twins}");
    for (per_cent, least) in [(0, 1.0), (5, 0.985), (10, 0.96), (20, 0.87)] {
        let outcome = measure(&all, per_cent, 7);
        println!("{}", row(per_cent, &outcome));
        assert_eq!(outcome.automatic_wrong, 0, "at {per_cent} %");
        let found = (outcome.automatic + outcome.proposed) as f64 / outcome.reports as f64;
        assert!(found >= least, "{found} at {per_cent} %: {outcome:?}");
    }
}

/// Twins of the same sex, every pair with given names as like as a language allows: never joined without a person.
#[test]
fn twins_of_the_same_sex_are_never_joined_by_the_rule() {
    let singles = children::children(3_000, &mut Dice::new(5));
    let mut all = Vec::new();
    for child in singles {
        let mut sister = child.clone();
        sister.twin = true;
        // One letter apart, at the end of the first given name.
        sister.given[0].push('e');
        all.extend([child, sister]);
    }
    for per_cent in [5, 10, 20] {
        assert_eq!(measure(&all, per_cent, 11).automatic_wrong, 0, "at {per_cent} %");
    }
}

#[test]
#[ignore = "the whole table: a minute without optimisation"]
fn fifty_thousand_children() {
    let all = children::children(50_000, &mut Dice::new(31));
    let twins = all.windows(2).filter(|pair| pair[1].twin && pair[0].female == pair[1].female).count();
    println!("{} children, {twins} pairs of twins of the same sex", all.len());
    for per_cent in [0, 5, 10, 20] {
        let outcome = measure(&all, per_cent, 7);
        println!("{}", row(per_cent, &outcome));
        assert_eq!(outcome.automatic_wrong, 0, "at {per_cent} %");
    }
}
