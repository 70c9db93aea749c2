//! What is counted, and which tables are made of it: `indicators.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// Every indicator, with its axes and populations.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicators {
    /// The ways a fact can be told from another.
    #[serde(rename = "axis", default)]
    pub axes: Vec<Axis>,
    /// The sets of facts that are counted.
    #[serde(rename = "population", default)]
    pub populations: Vec<Population>,
    /// The tables.
    #[serde(rename = "indicator", default)]
    pub indicators: Vec<Indicator>,
}

/// One way to tell facts apart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Code.
    pub code: String,
    /// French heading.
    pub title: String,
    /// Whether only neighbours may be put together.
    #[serde(default)]
    pub ordered: bool,
    /// Whether the export names the categories.
    #[serde(default)]
    pub open: bool,
    /// What a fact can be; [`NOT_STATED`] comes after them.
    #[serde(default)]
    pub categories: Vec<Category>,
}

/// One thing that a fact can be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Code.
    pub code: String,
    /// French heading.
    pub title: String,
    /// Codes of the catalogue that it stands for, beside its own.
    #[serde(default)]
    pub holds: Vec<String>,
    /// Greatest number that it stands for.
    #[serde(default)]
    pub up_to: Option<u32>,
}

/// A set of facts that are counted once each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// Code.
    pub code: String,
    /// French heading.
    pub title: String,
}

/// A table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// Code.
    pub code: String,
    /// French heading.
    pub title: String,
    /// What it counts.
    pub population: String,
    /// Axis of its lines.
    pub rows: String,
    /// Axis of its columns.
    pub columns: String,
}

/// The category of facts that do not say, or say what no category holds.
pub const NOT_STATED: &str = "non-precise";

/// The indicators in force. Their text is part of the program and a test reads it; were it ever unreadable there would be no
/// table to publish.
pub fn indicators() -> &'static Indicators {
    static INDICATORS: LazyLock<Indicators> = LazyLock::new(|| toml::from_str(include_str!("indicators.toml")).unwrap_or_default());
    &INDICATORS
}

impl Indicators {
    /// The axis of a code.
    pub fn axis(&self, code: &str) -> Option<&Axis> {
        self.axes.iter().find(|axis| axis.code == code)
    }

    /// The tables of a population.
    pub fn of<'a>(&'a self, population: &'a str) -> impl Iterator<Item = &'a Indicator> {
        self.indicators.iter().filter(move |indicator| indicator.population == population)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_table_has_its_axes_and_its_population() {
        let all: Indicators = toml::from_str(include_str!("indicators.toml")).unwrap();
        assert_eq!((all.axes.len(), all.populations.len(), all.indicators.len()), (9, 3, 9));
        for indicator in &all.indicators {
            assert!(all.axis(&indicator.rows).is_some() && all.axis(&indicator.columns).is_some(), "{}", indicator.code);
            assert!(all.populations.iter().any(|population| population.code == indicator.population));
        }
        let codes: BTreeSet<_> = all.indicators.iter().map(|indicator| &indicator.code).collect();
        assert_eq!(codes.len(), all.indicators.len());
        for axis in &all.axes {
            assert!(axis.open == axis.categories.is_empty() && axis.categories.iter().map(|category| category.up_to).is_sorted());
        }
    }

    /// Tables that close a ring of axes say together what none of them says alone.
    #[test]
    fn the_tables_of_a_population_close_no_ring() {
        for population in &indicators().populations {
            let mut root: BTreeMap<&str, &str> = BTreeMap::new();
            for indicator in indicators().of(&population.code) {
                let find = |root: &BTreeMap<&'static str, &'static str>, mut axis: &'static str| {
                    while let Some(above) = root.get(axis) {
                        axis = above;
                    }
                    axis
                };
                let (rows, columns) = (find(&root, &indicator.rows), find(&root, &indicator.columns));
                assert_ne!(rows, columns, "{} closes a ring", indicator.code);
                root.insert(rows, columns);
            }
        }
    }
}
