//! An export as CSV, JSON and XML, with French headings. Every form says what the export was made of; `s` is a count that is
//! not shown.

use quick_xml::escape::escape;

use super::publication::{Shown, TableShown};
use crate::olinpe::cell;

/// One line per cell and sum, `;` between: a spreadsheet's pivot table makes the tables of it.
///
/// # Errors
/// Never: memory takes every byte.
pub fn csv(shown: &Shown) -> Result<Vec<u8>, csv::Error> {
    let mut lines = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    lines.write_record(["Année", "Arrêté au", "Seuil", "Population", "Tableau", "Ligne", "Colonne", "Effectif"])?;
    let (year, k) = (shown.statement.year.to_string(), shown.statement.k.to_string());
    let mut line = |as_of: &str, population: &str, table: &str, row: &str, column: &str, count: &str| {
        lines.write_record([&year, as_of, &k, population, table, row, column, count].map(|text| cell::write(text).into_owned()))
    };
    for territory in &shown.statement.territories {
        line(&shown.statement.as_of, "", "Périmètre", territory, "", "")?;
    }
    for earlier in &shown.statement.earlier {
        line(&shown.statement.as_of, "", "Export précédent", earlier, "", "")?;
    }
    for population in &shown.statement.withheld {
        line(&shown.statement.as_of, population, "Non diffusée", "", "", HIDDEN)?;
    }
    for table in &shown.tables {
        for (row, column, count) in every(table) {
            line(&table.as_of, table.population, table.title, row, column, &count)?;
        }
    }
    lines.into_inner().map_err(|error| error.into_error().into())
}

/// The export as JSON; a hidden count is `null`.
///
/// # Errors
/// Never.
pub fn json(shown: &Shown) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(shown)
}

/// The export as XML.
pub fn xml(shown: &Shown) -> String {
    let statement = &shown.statement;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out += &format!("<STATISTIQUES annee=\"{}\" arrete_au=\"{}\" seuil=\"{}\">\n", statement.year, statement.as_of, statement.k);
    statement.territories.iter().for_each(|one| out += &format!("<TERRITOIRE>{}</TERRITOIRE>\n", escape(one)));
    statement.earlier.iter().for_each(|one| out += &format!("<EXPORT_PRECEDENT>{}</EXPORT_PRECEDENT>\n", escape(one)));
    statement.withheld.iter().for_each(|one| out += &format!("<NON_DIFFUSEE>{}</NON_DIFFUSEE>\n", escape(*one)));
    for table in &shown.tables {
        let (code, title, population) = (escape(table.code), escape(table.title), escape(table.population));
        out += &format!("<TABLEAU code=\"{code}\" titre=\"{title}\" population=\"{population}\" arrete_au=\"{}\">\n", table.as_of);
        for (row, column, count) in every(table) {
            let (row, column) = (escape(row), escape(column));
            out += &format!("<EFFECTIF ligne=\"{row}\" colonne=\"{column}\">{count}</EFFECTIF>\n");
        }
        out += "</TABLEAU>\n";
    }
    out + "</STATISTIQUES>\n"
}

/// Every cell and sum of a table: line, column, count.
fn every(table: &TableShown) -> impl Iterator<Item = (&str, &str, String)> {
    let sums = table.rows.iter().zip(&table.row_sums).map(|(row, sum)| (row.as_str(), TOTAL, sum.to_string()));
    let column_sums = table.columns.iter().zip(&table.column_sums).map(|(column, sum)| (TOTAL, column.as_str(), sum.to_string()));
    let cells = table.rows.iter().zip(&table.cells).flat_map(|(row, cells)| {
        let count = |count: &Option<i64>| count.map_or_else(|| HIDDEN.to_owned(), |count| count.to_string());
        table.columns.iter().zip(cells).map(move |(column, cell)| (row.as_str(), column.as_str(), count(cell)))
    });
    cells.chain(sums).chain(column_sums).chain([(TOTAL, TOTAL, table.total.to_string())])
}

const HIDDEN: &str = "s";
const TOTAL: &str = "Total";
