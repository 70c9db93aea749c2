//! Rows: what is inserted at one time goes into each table with few statements. A statement costs a change of threads on
//! SQLite and a journey on PostgreSQL, far more than the row itself.

use std::sync::OnceLock;

use sqlx::{AnyConnection, Row, any::AnyArguments, query::Query};

use super::{StoreError, patience::Patiently};

/// A table, as one kind of statement fills it.
pub(crate) struct Table {
    statement: &'static str,
    name: &'static str,
    columns: &'static str,
    conflict: &'static str,
    last: Option<&'static str>,
    referred_to: bool,
    /// The statements for each of [`SIZES`].
    texts: [OnceLock<String>; SIZES.len()],
}

/// What stands in one column of a row.
pub(crate) enum Cell {
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
    NoText,
    NoNumber,
    /// The next number of its table.
    Next,
}

/// Rows that wait, table by table: those that others refer to first.
#[derive(Default)]
pub struct Rows(Vec<(&'static Table, Vec<Vec<Cell>>)>);

impl Rows {
    /// Puts one row behind those of its table.
    pub(super) fn add<const COLUMNS: usize>(&mut self, table: &'static Table, row: [Cell; COLUMNS]) {
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, table)) {
            Some((_, rows)) => rows.push(row.into()),
            None if table.referred_to => self.0.insert(0, (table, vec![row.into()])),
            None => self.0.push((table, vec![row.into()])),
        }
    }

    /// Writes all of them in an open transaction.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`], or the store is unavailable: then the transaction serves for nothing more.
    pub(super) async fn write(self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        for (table, rows) in self.0 {
            let mut next = match table.last {
                None => 0,
                Some(last) => {
                    let row = sqlx::query(last)
                        .fetch_one(&mut *connection)
                        .patiently()
                        .await
                        .map_err(StoreError::in_statement(table.statement))?;
                    row.try_get::<i64, _>(0).map_err(|_| StoreError::Damaged(table.statement))?
                }
            };
            let mut rows = rows.into_iter();
            while rows.len() > 0 {
                let together = together(rows.len());
                let text = table.insert(together).ok_or(StoreError::Damaged(table.statement))?;
                let mut query = sqlx::query(text);
                for cell in rows.by_ref().take(together).flatten() {
                    query = bind(query, cell, &mut next);
                }
                let done = query.execute(&mut *connection).patiently().await.map_err(StoreError::in_statement(table.statement))?;
                if done.rows_affected() != together as u64 {
                    return Err(StoreError::Broken(table.statement, done.rows_affected()));
                }
            }
        }
        Ok(())
    }
}

impl Table {
    /// A table, the name of the statement that fills it (in errors, and as its comment), and the columns that the cells fill.
    pub(super) const fn new(statement: &'static str, name: &'static str, columns: &'static str) -> Self {
        Self { statement, name, columns, conflict: "", last: None, referred_to: false, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// The same, of whose rows those of other tables speak: they must be there first.
    pub(super) const fn referred_to(mut self) -> Self {
        self.referred_to = true;
        self
    }

    /// The same, with what happens to a row that is there already: else that is an error.
    pub(super) const fn upsert(mut self, conflict: &'static str) -> Self {
        self.conflict = conflict;
        self
    }

    /// The same, with what finds the number after which [`Cell::Next`] counts. True until the commit, since one writer has
    /// its turn.
    pub(super) const fn counting(mut self, last: &'static str) -> Self {
        self.last = Some(last);
        self
    }

    /// The statement that inserts that many rows.
    fn insert(&'static self, rows: usize) -> Option<&'static str> {
        let text = || {
            let Self { statement, name, columns, conflict, .. } = self;
            let values = places(rows, columns.split(',').count());
            format!("-- {statement}\nINSERT INTO {name} ({columns}) VALUES {values} {conflict}")
        };
        let (_, place) = SIZES.iter().zip(&self.texts).find(|(size, _)| **size == rows)?;
        Some(place.get_or_init(text))
    }
}

/// How many of so many rows go into one statement: few different numbers, so that each text is prepared once. 0 of none.
pub(super) fn together(rows: usize) -> usize {
    SIZES.into_iter().rev().find(|size| *size <= rows).unwrap_or(0)
}

/// `($1, $2), ($3, $4)`: places for that many rows.
pub(super) fn places(rows: usize, columns: usize) -> String {
    let row =
        |row: usize| format!("({})", (1..=columns).map(|column| format!("${}", row * columns + column)).collect::<Vec<_>>().join(", "));
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

fn bind<'q>(query: Query<'q, sqlx::Any, AnyArguments>, cell: Cell, next: &mut i64) -> Query<'q, sqlx::Any, AnyArguments> {
    match cell {
        Cell::Text(text) => query.bind(text),
        Cell::Number(number) => query.bind(number),
        Cell::Bytes(bytes) => query.bind(bytes),
        Cell::NoText => query.bind(None::<String>),
        Cell::NoNumber => query.bind(None::<i64>),
        Cell::Next => {
            *next += 1;
            query.bind(*next)
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&[u8]> for Cell {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::NoText, Self::Text)
    }
}

impl From<Option<i64>> for Cell {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::NoNumber, Self::Number)
    }
}

/// For so many rows each table has a statement.
const SIZES: [usize; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 16, 32];
