//! The table of variables and checks, read from `variables.toml`. It says what is expected; [`super::checks`] looks.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use time::{Date, Month};

/// How many variables a table may have; what counts per variable is a list of this length at most.
const MOST_VARIABLES: usize = 512;

/// The variables of one version of the format, the checks and their limits.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Version of the schema (`VERSIONXSD`).
    #[serde(default)]
    pub version: String,
    /// First day of the décret that this version implements.
    #[serde(default)]
    pub effective_from: String,
    /// In the order in which a file is written.
    #[serde(rename = "variable", default)]
    pub variables: Vec<Variable>,
    /// Figures that checks compare with.
    #[serde(default)]
    pub limits: Limits,
    /// What each check says.
    #[serde(rename = "check", default)]
    pub checks: Vec<CheckText>,
    #[serde(skip)]
    by_name: BTreeMap<String, usize>,
}

/// One variable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Name of its XML element and of its CSV column.
    pub name: String,
    /// What a value is.
    pub kind: Kind,
    /// What it says, in French, where a source tells.
    #[serde(default)]
    pub title: String,
    /// The codes it may have; empty where the list was not read.
    #[serde(default)]
    pub codes: Vec<String>,
    /// The code for « ne sait pas ».
    #[serde(default)]
    unknown: String,
    /// Must be given when all of these hold.
    pub needed: Option<Condition>,
    /// Is expected only when all of these hold.
    pub only: Option<Condition>,
    /// The age it is about, where it is about one only.
    pub ages: Option<Age>,
    /// Codes a minor may have, where the ages differ.
    #[serde(default)]
    pub codes_minor: Vec<String>,
    /// Codes a young adult may have, where the ages differ.
    #[serde(default)]
    pub codes_adult: Vec<String>,
    /// Whether the file waits while it is missing or malformed.
    #[serde(default)]
    pub blocking: bool,
    /// Of an earlier décret.
    #[serde(default)]
    pub retired: bool,
    /// The variable that has replaced it.
    pub became: Option<String>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A département: `01` to `95`, `2A`, `69D`, `971`…
    Department,
    /// A pseudonym: 40 hexadecimal characters.
    Id,
    /// A code of a list.
    Code,
    /// A number of at most three digits.
    Number,
    /// `1920` to the end of the century; `9999` is unknown.
    Year,
    /// `1` or `01` to `12`; `99` is unknown.
    Month,
    /// `YYYY-MM-DD`; `9999-99-99` is unknown.
    Date,
    /// `YYYY-MM`; `9999-99` is unknown.
    YearMonth,
    /// Free text: never sent.
    Text,
}

/// The two ages of child protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Age {
    /// Under 18 at the decision.
    Mineur,
    /// From 18 to 20.
    Majeur,
}

/// Variables and the values each must have one of.
pub type Condition = BTreeMap<String, Vec<String>>;

/// Figures that checks compare with.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Age in years that a young adult may still have at a decision.
    pub last_age: i32,
    /// Years between the birth of an adult of the household and a minor's.
    pub parent_gap: u16,
    /// Earliest birth year of an adult.
    pub oldest_parent: u16,
    /// Days that a measure may last.
    pub duration_days: i64,
}

/// What a check says in French, and whether it stops the sending.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckText {
    /// Its code.
    pub code: String,
    /// What is wrong.
    pub title: String,
    /// What cures it.
    pub cure: String,
    /// Whether the file waits.
    #[serde(default)]
    pub blocking: bool,
}

/// What stands in a variable of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given<'a> {
    /// Absent, empty or `NULL`.
    Nothing,
    /// « Ne sait pas ».
    Unknown,
    /// Something.
    Known(&'a str),
}

/// The table in force. Its text is part of the program and a test reads it; were it ever unreadable there would be no
/// variable, and the readers would refuse every file.
pub fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("variables.toml")).unwrap_or_default());
    &TABLE
}

impl Table {
    fn read(text: &str) -> Result<Self, toml::de::Error> {
        let mut table: Self = toml::from_str(text)?;
        table.variables.truncate(MOST_VARIABLES);
        table.by_name = table.variables.iter().enumerate().map(|(at, variable)| (variable.name.clone(), at)).collect();
        Ok(table)
    }

    /// Where a variable stands in the table.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

impl Variable {
    /// What a text says for this variable.
    pub fn given<'a>(&self, text: &'a str) -> Given<'a> {
        match text.trim() {
            "" | "NULL" => Given::Nothing,
            text if text == self.dont_know() => Given::Unknown,
            text => Given::Known(text),
        }
    }

    /// The text for « ne sait pas »; empty where the variable has none.
    pub fn dont_know(&self) -> &str {
        match self.kind {
            Kind::Year => "9999",
            Kind::Month => "99",
            Kind::Date => "9999-99-99",
            Kind::YearMonth => "9999-99",
            Kind::Department | Kind::Id | Kind::Code | Kind::Number | Kind::Text => &self.unknown,
        }
    }

    /// Whether a known value is well written and possible.
    pub fn accepts(&self, value: &str) -> bool {
        match self.kind {
            Kind::Department => department(value),
            Kind::Id => value.len() == 40 && value.bytes().all(|b| b.is_ascii_hexdigit()),
            Kind::Code if self.codes.is_empty() => digits(value, 3),
            Kind::Code => self.codes.iter().any(|code| code == value),
            Kind::Number => digits(value, 3),
            Kind::Year => year(value).is_some(),
            Kind::Month => month(value).is_some(),
            Kind::Date => date(value).is_some(),
            Kind::YearMonth => year_month(value),
            Kind::Text => true,
        }
    }
}

/// A year of the twentieth or twenty-first century.
pub fn year(text: &str) -> Option<u16> {
    let year = if text.len() == 4 && digits(text, 4) { text.parse().ok()? } else { 0 };
    (1900..2100).contains(&year).then_some(year)
}

/// A month of the year.
pub fn month(text: &str) -> Option<u8> {
    if !digits(text, 2) {
        return None;
    }
    text.parse().ok().filter(|month| (1..=12).contains(month))
}

/// A day, written `YYYY-MM-DD`.
pub fn date(text: &str) -> Option<Date> {
    let (Some(years), Some("-"), Some(months), Some("-"), Some(days)) =
        (text.get(..4), text.get(4..5), text.get(5..7), text.get(7..8), text.get(8..))
    else {
        return None;
    };
    if days.len() != 2 || !digits(days, 2) {
        return None;
    }
    Date::from_calendar_date(year(years)?.into(), Month::try_from(month(months)?).ok()?, days.parse().ok()?).ok()
}

fn year_month(text: &str) -> bool {
    text.len() == 7 && text.split_once('-').is_some_and(|(years, months)| year(years).is_some() && month(months).is_some())
}

fn digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn department(text: &str) -> bool {
    match text {
        "2A" | "2B" | "69D" | "69M" | "971" | "972" | "973" | "974" | "976" => true,
        _ => text.len() == 2 && digits(text, 2) && text.parse().is_ok_and(|number: u8| (1..=95).contains(&number) && number != 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_names_only_variables_that_exist() {
        let table = Table::read(include_str!("variables.toml")).unwrap();
        assert_eq!(table.variables.len(), 145);
        assert_eq!(table.by_name.len(), 145, "a name stands twice");
        for variable in &table.variables {
            let conditions = variable.needed.iter().chain(&variable.only);
            for name in conditions.flat_map(Condition::keys).chain(&variable.became) {
                let other = table.position(name).and_then(|at| table.variables.get(at)).unwrap_or_else(|| panic!("{name} is no variable"));
                assert!(!other.retired, "{name} is retired");
            }
            for code in variable.codes_minor.iter().chain(&variable.codes_adult) {
                assert!(variable.codes.contains(code), "{}: {code}", variable.name);
            }
        }
        for (name, values) in table.variables.iter().flat_map(|variable| variable.needed.iter().chain(&variable.only)).flatten() {
            let other = &table.variables[table.position(name).unwrap()];
            assert!(values.iter().all(|value| other.codes.is_empty() || other.codes.contains(value)), "{name}: {values:?}");
        }
    }

    #[test]
    fn values_are_told_apart_from_silence_and_ignorance() {
        let of = |name: &str| &table().variables[table().position(name).unwrap()];
        assert_eq!(of("DATDEB").given(" "), Given::Nothing);
        assert_eq!(of("DATDEB").given("NULL"), Given::Nothing);
        assert_eq!(of("DATDEB").given("9999-99-99"), Given::Unknown);
        assert_eq!(of("LIEUACC").given("99"), Given::Unknown);
        assert_eq!(of("ANAIS").given("9999"), Given::Unknown);
        assert_eq!(of("LIEUACC").given("9"), Given::Known("9"));
    }

    #[test]
    fn values_are_accepted_by_their_kind() {
        let of = |name: &str| &table().variables[table().position(name).unwrap()];
        for (name, good, bad) in [
            ("NUMDEP", vec!["01", "2A", "69D", "976"], vec!["1", "20", "96", "99", "2C", "é"]),
            ("DATDEB", vec!["2024-02-29"], vec!["2023-02-29", "29/02/2024", "2024-2-29", "1850-01-01", "2024-02-291", "2024-02-é"]),
            ("DATDECMIN", vec!["2024-02"], vec!["2024-13", "2024-02-01", "2024"]),
            ("MNAIS", vec!["1", "01", "12"], vec!["0", "13", "+1"]),
            ("TYPEV", vec!["1", "2", "3"], vec!["4", "01", "x"]),
            ("NUMANONYM", vec!["0123456789abcdefABCD0123456789abcdefABCD"], vec!["0123", "g123456789abcdefABCD0123456789abcdefABCD"]),
        ] {
            good.iter().for_each(|value| assert!(of(name).accepts(value), "{name} {value}"));
            bad.iter().for_each(|value| assert!(!of(name).accepts(value), "{name} {value}"));
        }
    }
}
