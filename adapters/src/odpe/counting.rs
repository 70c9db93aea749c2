//! Counts facts by axis. A fact names nobody: it says in which category it is.

use std::collections::BTreeMap;

use super::{
    grid::Grid,
    indicators::{Axis, Category, Indicator, NOT_STATED, indicators},
};
use crate::reading::{Finding, Place};

/// Facts that are alike.
pub struct Fact<'a> {
    /// Their population.
    pub population: &'a str,
    /// What they say, by axis; an axis that is not here is not stated.
    pub says: &'a [(&'a str, Said<'a>)],
    /// How many they are.
    pub count: u32,
}

/// What a fact says of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A code of the axis, or one that a category holds.
    Code(&'a str),
    /// A number: a month, days, an age.
    Number(u32),
}

/// The categories of every axis, and the counts of every table of one population, before anything is put together.
pub(super) struct Counted {
    pub(super) axes: BTreeMap<&'static str, Vec<Category>>,
    pub(super) tables: BTreeMap<&'static str, Grid>,
    /// How often an axis said what no category holds.
    unknown: BTreeMap<&'static str, u64>,
}

/// The categories of an axis; those of an open one are given.
pub(super) fn categories(axis: &Axis, open: &[Category]) -> Vec<Category> {
    let known = if axis.open { open } else { &axis.categories };
    let not_stated = Category { code: NOT_STATED.to_owned(), title: "non précisé".to_owned(), holds: Vec::new(), up_to: None };
    known.iter().filter(|category| category.code != NOT_STATED).cloned().chain([not_stated]).collect()
}

impl Counted {
    /// Nothing counted of a population yet.
    pub(super) fn new(population: &str, open: &[Category]) -> Self {
        let tables = || indicators().indicators.iter().filter(|indicator| indicator.population == population);
        let codes = tables().flat_map(|indicator| [indicator.rows.as_str(), indicator.columns.as_str()]);
        let axes: BTreeMap<_, _> = codes.filter_map(|code| Some((code, categories(indicators().axis(code)?, open)))).collect();
        let size = |code: &str| axes.get(code).map_or(0, Vec::len);
        let tables =
            tables().map(|indicator| (indicator.code.as_str(), Grid::new(size(&indicator.rows), size(&indicator.columns)))).collect();
        Self { axes, tables, unknown: BTreeMap::new() }
    }

    /// Counts facts of the population.
    pub(super) fn add(&mut self, fact: &Fact<'_>) {
        let places: BTreeMap<_, _> = self.axes.iter().map(|(axis, categories)| (*axis, place(categories, said(fact, axis)))).collect();
        for (axis, _) in places.iter().filter(|(_, place)| place.is_none()) {
            *self.unknown.entry(axis).or_default() += u64::from(fact.count);
        }
        let at = |axis: &str| places.get(axis).copied().flatten().unwrap_or_else(|| self.axes.get(axis).map_or(0, |all| all.len() - 1));
        for Indicator { code, rows, columns, .. } in &indicators().indicators {
            if let Some(table) = self.tables.get_mut(code.as_str()) {
                table.add(at(rows), at(columns), fact.count.into());
            }
        }
    }

    /// What was counted as not stated though something was said.
    pub(super) fn findings(&self, population: &str) -> impl Iterator<Item = Finding> {
        self.unknown.iter().map(move |(axis, count)| Finding {
            place: Place::Path(format!("{population}.{axis}")),
            code: "bad-code",
            detail: format!("{count} faits disent sur cet axe ce qu’aucune catégorie ne contient : ils sont comptés « non précisé »."),
            cure: Some("Donnez un code du catalogue ou un territoire du périmètre.".to_owned()),
        })
    }
}

fn said<'a>(fact: &Fact<'a>, axis: &str) -> Option<Said<'a>> {
    fact.says.iter().find(|(code, _)| *code == axis).map(|(_, said)| *said)
}

/// The category of what is said; `None` when something is said that none holds.
fn place(categories: &[Category], said: Option<Said<'_>>) -> Option<usize> {
    match said {
        None => categories.len().checked_sub(1),
        Some(Said::Code(code)) => {
            categories.iter().position(|category| category.code == code || category.holds.iter().any(|held| held == code))
        }
        Some(Said::Number(number)) => categories.iter().position(|category| category.up_to.is_some_and(|up_to| number <= up_to)),
    }
}
