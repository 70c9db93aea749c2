//! One export: facts in, tables out, in the light of what was published of the same year before.
//!
//! 1. A population of fewer than k facts is not shown. One whose total is off an earlier total by 1 to k − 1, or that has not
//!    changed, is shown as it was at the last export: whoever sees it learns at most that fewer than k facts have come or gone.
//! 2. Categories are put together until every sum is zero or at least k, and off every earlier one by zero or at least k.
//! 3. Cells are hidden ([`super::protect`]). Sums never are; so the tables of a population, which close no ring of axes, say
//!    no more together than each by itself.

use std::collections::BTreeMap;

use serde::Serialize;
use time::Date;

use super::{
    counting::{Counted, Fact},
    grid::{Grid, Mask},
    group::{Sums, joined},
    indicators::{Category, Population, indicators},
    kept::{Kept, KeptAxis, KeptPopulation, KeptTable},
    protect::Case,
};
use crate::reading::Finding;

/// The least count that is shown, unless a département takes a greater one. No text fixes it (R69 asks for a threshold): five
/// is the least in common use for counts of persons, and at five no member of a family, even with two brothers or sisters in
/// the same cell, finds another child by subtraction.
pub const DEFAULT_THRESHOLD: Threshold = Threshold(5);

/// The least count that is shown: k.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u32);

/// Territories of a département: no département has a tenth of them.
pub const MAX_TERRITORIES: usize = 500;

/// Below three, whoever is counted can subtract themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a threshold below three protects nobody")]
pub struct TooLow;

impl Threshold {
    /// A threshold of at least three and at most a thousand.
    ///
    /// # Errors
    /// [`TooLow`] below three.
    pub fn new(k: u32) -> Result<Self, TooLow> {
        if k < 3 { Err(TooLow) } else { Ok(Self(k.min(1000))) }
    }
}

/// What is to be published.
pub struct Order<'a> {
    /// The year of the facts.
    pub year: u16,
    /// The day at which they were counted.
    pub as_of: Date,
    /// The least count that is shown.
    pub k: Threshold,
    /// Code and French name of each territory that the facts may be of, [`MAX_TERRITORIES`] at most: facts of others are
    /// counted as not stated.
    pub territories: &'a [(String, String)],
    /// Every earlier export, the last one last.
    pub earlier: &'a [Kept],
}

/// An export.
pub struct Publication {
    /// What may be shown.
    pub shown: Shown,
    /// What could not be placed.
    pub findings: Vec<Finding>,
    /// What is to be given to the next export, and to nobody else.
    pub kept: Kept,
}

/// What may be shown to anyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What it was made of.
    #[serde(rename = "etabli_sur")]
    pub statement: Statement,
    /// The tables.
    #[serde(rename = "tableaux")]
    pub tables: Vec<TableShown>,
}

/// What an export was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The year of the facts.
    #[serde(rename = "annee")]
    pub year: u16,
    /// The day of the export.
    #[serde(rename = "arrete_au")]
    pub as_of: String,
    /// The least count that is shown.
    #[serde(rename = "seuil")]
    pub k: u32,
    /// Names of the territories.
    #[serde(rename = "territoires")]
    pub territories: Vec<String>,
    /// Days of the earlier exports that were looked at.
    #[serde(rename = "exports_precedents")]
    pub earlier: Vec<String>,
    /// Populations that are not shown: fewer than k facts.
    #[serde(rename = "non_diffusees")]
    pub withheld: Vec<&'static str>,
}

/// One table with its sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableShown {
    /// Code of the indicator.
    pub code: &'static str,
    /// Its heading.
    #[serde(rename = "titre")]
    pub title: &'static str,
    /// Heading of what is counted.
    pub population: &'static str,
    /// The day of the figures.
    #[serde(rename = "arrete_au")]
    pub as_of: String,
    /// Heading of the lines.
    #[serde(rename = "axe_lignes")]
    pub rows_title: &'static str,
    /// Heading of the columns.
    #[serde(rename = "axe_colonnes")]
    pub columns_title: &'static str,
    /// The lines.
    #[serde(rename = "lignes")]
    pub rows: Vec<String>,
    /// The columns.
    #[serde(rename = "colonnes")]
    pub columns: Vec<String>,
    /// By line and column; `None` is hidden.
    #[serde(rename = "effectifs")]
    pub cells: Vec<Vec<Option<i64>>>,
    /// Sums of the lines.
    #[serde(rename = "totaux_lignes")]
    pub row_sums: Vec<i64>,
    /// Sums of the columns.
    #[serde(rename = "totaux_colonnes")]
    pub column_sums: Vec<i64>,
    /// The sum of all.
    pub total: i64,
}

/// Counts facts and says what may be shown of them.
pub fn publish<'a>(order: &Order<'_>, facts: impl IntoIterator<Item = Fact<'a>>) -> Publication {
    // 1. Count.
    let territories = territories(order);
    let populations = &indicators().populations;
    let mut counted: BTreeMap<_, _> = populations.iter().map(|one| (one.code.as_str(), Counted::new(&one.code, &territories))).collect();
    for fact in facts {
        if let Some(counted) = counted.get_mut(fact.population) {
            counted.add(&fact);
        }
    }
    // 2. Decide what is shown of each population.
    let statement = Statement {
        year: order.year,
        as_of: order.as_of.to_string(),
        k: order.k.0,
        territories: order.territories.iter().map(|(_, name)| name.clone()).collect(),
        earlier: order.earlier.iter().filter(|kept| kept.year == order.year).map(|kept| kept.as_of.clone()).collect(),
        withheld: Vec::new(),
    };
    let mut shown = Shown { statement, tables: Vec::new() };
    let mut kept = Kept { year: order.year, as_of: order.as_of.to_string(), populations: BTreeMap::new() };
    let mut findings = Vec::new();
    for population in populations {
        let Some(counted) = counted.get(population.code.as_str()) else { continue };
        findings.extend(counted.findings(&population.code));
        match decide(population, counted, order) {
            Some(one) => {
                shown.tables.extend(tables(population, &one));
                kept.populations.insert(population.code.clone(), one);
            }
            None => shown.statement.withheld.push(&population.title),
        }
    }
    Publication { shown, findings, kept }
}

/// Those of the earlier exports keep their places; new ones come after.
fn territories(order: &Order<'_>) -> Vec<Category> {
    let now =
        order.territories.iter().map(|(code, title)| Category { code: code.clone(), title: title.clone(), holds: Vec::new(), up_to: None });
    let mut all: Vec<Category> = Vec::new();
    for one in order.earlier.iter().filter(|kept| kept.year == order.year).flat_map(Kept::territories).chain(now) {
        if all.len() < MAX_TERRITORIES && !all.iter().any(|known| known.code == one.code) {
            all.push(one);
        }
    }
    all
}

fn decide(population: &Population, counted: &Counted, order: &Order<'_>) -> Option<KeptPopulation> {
    let k = i64::from(order.k.0);
    let earlier: Vec<_> =
        order.earlier.iter().filter(|kept| kept.year == order.year).filter_map(|kept| kept.populations.get(&population.code)).collect();
    let then: Vec<_> = earlier.iter().map(|one| Then::of(one, counted)).collect();
    let total = counted.tables.values().next().map(Grid::total)?;
    if let Some(last) = earlier.last() {
        let off = |then: &Then| then.tables.values().next().map_or(0, |(counts, _)| (total - counts.total()).abs());
        let unchanged =
            then.last().is_some_and(|then| then.tables.iter().all(|(code, (counts, _))| counted.tables.get(code) == Some(counts)));
        if unchanged || (1..k).contains(&total) || then.iter().any(|then| (1..k).contains(&off(then))) {
            return Some((*last).clone());
        }
    } else if (1..k).contains(&total) {
        return None;
    }
    let axes: BTreeMap<_, _> = counted.axes.keys().map(|axis| ((*axis).to_owned(), group(axis, counted, &then, &earlier, k))).collect();
    let tables = indicators().of(&population.code).filter_map(|indicator| {
        let counts = counted.tables.get(indicator.code.as_str())?;
        let (rows, columns) = (&axes.get(&indicator.rows)?.groups, &axes.get(&indicator.columns)?.groups);
        let before: Vec<_> = then.iter().filter_map(|then| then.grouped(&indicator.code, rows, columns)).collect();
        let mask = Case { now: &counts.grouped(rows, columns), before: &before, k }.mask();
        let table = KeptTable { rows: indicator.rows.clone(), columns: indicator.columns.clone(), counts: counts.clone(), mask };
        Some((indicator.code.clone(), table))
    });
    Some(KeptPopulation { as_of: order.as_of.to_string(), tables: tables.collect(), axes: axes.clone() })
}

/// The groups of an axis, from the sums that the first table with it has.
fn group(axis: &'static str, counted: &Counted, then: &[Then], earlier: &[&KeptPopulation], k: i64) -> KeptAxis {
    let empty = Vec::new();
    let categories = counted.axes.get(axis).unwrap_or(&empty);
    let sums = |tables: &dyn Fn(&str) -> Option<Vec<i64>>| {
        let with = indicators().indicators.iter().filter(|indicator| indicator.rows == axis || indicator.columns == axis);
        with.filter_map(|indicator| tables(&indicator.code)).next().unwrap_or_default()
    };
    let along = |code: &str, grid: &Grid| {
        let rows = indicators().indicators.iter().any(|indicator| indicator.code == code && indicator.rows == axis);
        if rows { Sums::of_rows(grid) } else { Sums::of_columns(grid) }
    };
    let now = sums(&|code| counted.tables.get(code).map(|grid| along(code, grid)));
    let before = then.iter().map(|then| sums(&|code| then.tables.get(code).map(|(grid, _)| along(code, grid)))).collect();
    let ordered = indicators().axis(axis).is_some_and(|axis| axis.ordered);
    let together: Vec<Vec<Vec<usize>>> =
        earlier.iter().filter_map(|one| one.axes.get(axis)).map(|one| renumbered(one, categories)).collect();
    let together: Vec<&[Vec<usize>]> = together.iter().map(Vec::as_slice).collect();
    let groups = Sums { now, before }.group(joined(categories.len(), &together, ordered), ordered, k);
    let (codes, titles) = categories.iter().map(|category| (category.code.clone(), category.title.clone())).unzip();
    KeptAxis { codes, titles, groups }
}

fn renumbered(axis: &KeptAxis, categories: &[Category]) -> Vec<Vec<usize>> {
    let place = |category: &usize| axis.codes.get(*category).and_then(|code| categories.iter().position(|known| known.code == *code));
    axis.groups.iter().map(|group| group.iter().filter_map(place).collect()).collect()
}

/// An earlier export in the categories of today: counts, and which of them were hidden.
struct Then {
    tables: BTreeMap<&'static str, (Grid, Mask)>,
}

impl Then {
    fn of(earlier: &KeptPopulation, counted: &Counted) -> Self {
        let tables = indicators().indicators.iter().filter_map(|indicator| {
            let (table, now) = (earlier.tables.get(&indicator.code)?, counted.tables.get(indicator.code.as_str())?);
            let (rows, columns) = (earlier.axes.get(&indicator.rows)?, earlier.axes.get(&indicator.columns)?);
            let (rows_now, columns_now) = (counted.axes.get(indicator.rows.as_str())?, counted.axes.get(indicator.columns.as_str())?);
            let (mut counts, mut mask) = (Grid::new(now.rows(), now.columns()), Mask::new(now.rows(), now.columns(), false));
            for (row, column) in now.places() {
                let (Some(row_code), Some(column_code)) = (rows_now.get(row), columns_now.get(column)) else { continue };
                let at = |axis: &KeptAxis, code: &str| axis.codes.iter().position(|known| known == code);
                if let (Some(from), Some(to)) = (at(rows, &row_code.code), at(columns, &column_code.code)) {
                    counts.add(row, column, table.counts.at(from, to));
                }
                if let (Some(from), Some(to)) = (rows.group_of(&row_code.code), columns.group_of(&column_code.code))
                    && table.mask.hides(from, to)
                {
                    mask.hide(row, column);
                }
            }
            Some((indicator.code.as_str(), (counts, mask)))
        });
        Self { tables: tables.collect() }
    }

    /// With lines and columns put together: a cell is hidden when one of its parts was.
    fn grouped(&self, code: &str, rows: &[Vec<usize>], columns: &[Vec<usize>]) -> Option<(Grid, Mask)> {
        let (counts, mask) = self.tables.get(code)?;
        let mut hidden = Mask::new(rows.len(), columns.len(), false);
        for (row, members) in rows.iter().enumerate() {
            for (column, others) in columns.iter().enumerate() {
                if members.iter().any(|member| others.iter().any(|other| mask.hides(*member, *other))) {
                    hidden.hide(row, column);
                }
            }
        }
        Some((counts.grouped(rows, columns), hidden))
    }
}

/// What is shown of a population.
fn tables(population: &'static Population, kept: &KeptPopulation) -> Vec<TableShown> {
    let shown = indicators().of(&population.code).filter_map(|indicator| {
        let table = kept.tables.get(&indicator.code)?;
        let (rows, columns) = (kept.axes.get(&indicator.rows)?, kept.axes.get(&indicator.columns)?);
        let counts = table.counts.grouped(&rows.groups, &columns.groups);
        let line = |row| {
            let cell = |column| (!table.mask.hides(row, column)).then(|| counts.at(row, column));
            (0..counts.columns()).map(cell).collect()
        };
        Some(TableShown {
            code: &indicator.code,
            title: &indicator.title,
            population: &population.title,
            as_of: kept.as_of.clone(),
            rows_title: indicators().axis(&indicator.rows).map(|axis| axis.title.as_str()).unwrap_or_default(),
            columns_title: indicators().axis(&indicator.columns).map(|axis| axis.title.as_str()).unwrap_or_default(),
            rows: titles(rows),
            columns: titles(columns),
            cells: (0..counts.rows()).map(line).collect(),
            row_sums: Sums::of_rows(&counts),
            column_sums: Sums::of_columns(&counts),
            total: counts.total(),
        })
    });
    shown.collect()
}

fn titles(axis: &KeptAxis) -> Vec<String> {
    let title =
        |group: &Vec<usize>| group.iter().filter_map(|category| axis.titles.get(*category).cloned()).collect::<Vec<_>>().join(" + ");
    axis.groups.iter().map(title).collect()
}
