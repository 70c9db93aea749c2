//! A small CSV of absences (R74), for the one child of a form: `nom;prenom;date_naissance;mois;demi_journees;non_justifiees`, one row
//! for each month.
//!
//! The catalogue has no type for an alert yet (`alerte-scolarite` is announced), so that what comes back is the text for
//! `payload.scolarite.assiduite` of an information préoccupante. It is made of months and numbers, never of words of the file.

use serde_json::{Value, json};

use crate::{
    education::wanted::{Found, Traits, Wanted, date, fold},
    reading::{Column, Finding, Place, Refused, no_content},
    sheet::{Row, Sheet},
};

/// How regularly one child came.
#[derive(Clone, PartialEq)]
pub struct Attendance {
    /// `payload` of an information préoccupante, with `scolarite.assiduite` and nothing else.
    pub payload: Value,
    /// Months with four half-days or more without a legitimate reason (Code de l’éducation, L131-8), as `2026-11`.
    pub over: Vec<String>,
    /// Rows that were not counted.
    pub reported: Vec<Finding>,
}

/// The absences of one child.
///
/// # Errors
/// A column is missing, or beyond the limits of [`sheet`](crate::sheet).
pub fn attendance(bytes: &[u8], wanted: &Wanted) -> Result<Found<Attendance>, Refused> {
    let mut sheet = Sheet::open(bytes)?;
    let mut reported = std::mem::take(&mut sheet.reported);
    let mut columns = [0; COLUMNS.len()];
    for (name, column) in COLUMNS.iter().zip(&mut columns) {
        let missing = || Refused::from(Finding::new(Place::Line(1), "missing-column", format!("Il manque la colonne « {name} ».")));
        *column = sheet.header().iter().position(|known| known.to_lowercase() == *name).ok_or_else(missing)?;
    }
    let mut children: Vec<(u64, (String, String), Vec<Month>)> = Vec::new();
    while let Some(row) = sheet.next_row()? {
        let [name, given, born, ..] = columns;
        let who = (fold(row.cell(name)), fold(row.cell(given)));
        let birth_date = date(row.cell(born));
        // A choice names the first line of a child; the others of the same child follow it.
        let known = children.iter().position(|(_, child, _)| *child == who && birth_date == Some(wanted.birth_date()));
        let traits = Traits { line: row.line, birth_name: row.cell(name), use_name: "", given_name: row.cell(given), birth_date };
        if known.is_none() && (!wanted.is(&traits) || children.len() >= MAX_CHILDREN) {
            continue;
        }
        let at = known.unwrap_or(children.len());
        if known.is_none() {
            children.push((row.line, who, Vec::new()));
        }
        if let (Some(month), Some((_, _, months))) = (month(&row, columns, &mut reported), children.get_mut(at)) {
            months.push(month);
        }
    }
    let hits = children.into_iter().map(|(line, _, months)| (line, months)).collect();
    wanted.among(hits).complete(|months| Ok(told(months, reported)))
}

struct Month {
    month: (u16, usize),
    half_days: u16,
    unjustified: u16,
}

fn month(row: &Row, columns: [usize; COLUMNS.len()], reported: &mut Vec<Finding>) -> Option<Month> {
    if let Some(fault) = &row.fault {
        reported.push(fault.clone());
        return None;
    }
    let [_, _, _, month, half_days, unjustified] = columns;
    let mut bad = |name: &'static str, what: &str| {
        let place = Place::Cell { line: row.line, column: Column::Named(name) };
        reported.push(Finding::new(place, "bad-value", format!("Il faut ici {what} : la ligne n’est pas comptée.")));
    };
    let when = row.cell(month).trim().split_once('-').and_then(|(year, month)| {
        let year = year.parse().ok().filter(|year| (2000..2100).contains(year))?;
        Some((year, month.parse::<usize>().ok().filter(|month| (1..=12).contains(month))?))
    });
    let number = |column: usize| row.cell(column).trim().parse::<u16>().ok().filter(|number| *number <= 62);
    match (when, number(half_days), number(unjustified)) {
        (None, _, _) => bad("mois", "un mois, comme 2026-11"),
        (_, None, _) => bad("demi_journees", "un nombre de demi-journées du mois, 62 au plus"),
        (_, Some(all), Some(without)) if without > all => bad("non_justifiees", "une part des demi-journées d’absence"),
        (_, _, None) => bad("non_justifiees", "un nombre de demi-journées du mois, 62 au plus"),
        (Some(month), Some(half_days), Some(unjustified)) => return Some(Month { month, half_days, unjustified }),
    }
    None
}

fn told(mut months: Vec<Month>, reported: Vec<Finding>) -> Attendance {
    months.sort_by_key(|month| month.month);
    let phrase = |month: &Month| {
        let (year, number) = month.month;
        let name = MONTHS.get(number - 1).copied().unwrap_or_default();
        let plural = |number: u16| if number > 1 { "s" } else { "" };
        let (all, without) = (month.half_days, month.unjustified);
        format!("{name} {year} : {all} demi-journée{} d’absence, dont {without} non justifiée{}", plural(all), plural(without))
    };
    let text = months.iter().map(phrase).collect::<Vec<_>>().join(" ; ");
    let over = months.iter().filter(|month| month.unjustified >= THRESHOLD);
    let over = over.map(|month| format!("{:04}-{:02}", month.month.0, month.month.1)).collect();
    let payload = if text.is_empty() { json!({}) } else { json!({"scolarite": {"assiduite": text}}) };
    Attendance { payload, over, reported }
}

const COLUMNS: [&str; 6] = ["nom", "prenom", "date_naissance", "mois", "demi_journees", "non_justifiees"];
const MONTHS: [&str; 12] =
    ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];
const THRESHOLD: u16 = 4;
const MAX_CHILDREN: usize = 20;

no_content!(Attendance);
