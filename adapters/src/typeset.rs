//! A document as meaning (headings, fields, the quoted words of a child), and its typesetting as archival, accessible PDF.
//!
//! The same document gives the same bytes: dates are arguments, nothing is random. Hostile text cannot hide or reorder what it
//! says: what the font cannot print, and what would act unseen, stands as its code point and is [reported](Typeset::marked).

mod clean;
mod face;
mod flow;
mod lines;
mod pdf;
mod table;

#[cfg(test)]
mod tests;

use time::Date;

use crate::reading::{Finding, Place};

/// What a document says, before it has pages.
#[derive(Clone)]
pub struct Document {
    /// Title, on the first page and in the metadata.
    pub title: String,
    /// What the title concerns, below it.
    pub subtitle: Option<String>,
    /// Who writes, at the top left of every page.
    pub letterhead: String,
    /// Reference, at the top right of every page.
    pub reference: String,
    /// Reminder at the foot of every page, for example of secrecy.
    pub footer: String,
    /// The document's day: at the foot of every page and in the metadata.
    pub dated: Date,
    /// The content, in order.
    pub blocks: Vec<Block>,
    /// Files that travel inside. With at least one the document is PDF/A-3a, without PDF/A-2a.
    pub attached: Vec<Attached>,
}

/// One piece of content, and where it comes from.
#[derive(Clone)]
pub struct Block {
    /// What it says.
    pub content: Content,
    /// Where it stood in the source: what a [`Finding`] names when a character of it had to be marked.
    pub place: Place,
}

/// What one block says.
#[derive(Clone)]
pub enum Content {
    /// Heading of a section; entry of the bookmarks.
    Section(String),
    /// Heading within a section; entry of the bookmarks below its section.
    Part(String),
    /// Running text; each line feed begins a new line.
    Paragraph(String),
    /// What must be seen first, for example an urgency.
    Notice(String),
    /// A value with its label.
    Field {
        /// Label.
        label: String,
        /// Value.
        value: String,
    },
    /// Words of somebody, as they were said, set apart from the words of the author.
    Quote {
        /// The words.
        words: String,
        /// Who heard them, when, where.
        origin: Option<String>,
    },
    /// A table.
    Table {
        /// Columns, from the left.
        columns: Vec<Column>,
        /// Cells by row; a missing cell is empty.
        rows: Vec<Vec<String>>,
    },
    /// Lines to be filled in by hand.
    Blank {
        /// What belongs there.
        label: String,
        /// How many lines.
        lines: usize,
    },
    /// Boxes to be ticked by hand.
    Choice {
        /// What is chosen.
        label: String,
        /// What may be ticked.
        options: Vec<String>,
    },
}

/// A column of a table.
#[derive(Clone)]
pub struct Column {
    /// Its head.
    pub title: String,
    /// Its share of the width, relative to the other columns.
    pub share: u16,
}

/// A file that travels inside the PDF (PDF/A-3 associated file).
#[derive(Clone)]
pub struct Attached {
    /// Name, ASCII.
    pub name: &'static str,
    /// Media type.
    pub media_type: &'static str,
    /// What it is, for a reader of the attachments panel.
    pub description: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

/// A finished PDF.
pub struct Typeset {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
    /// What could not be printed as it stood: one finding for each place and kind, never the text itself.
    pub marked: Vec<Finding>,
}

/// The PDF could not be made: a fault of ours, since no text can cause it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprintable {
    /// A font of this crate could not be read.
    #[error("font `{0}` cannot be read")]
    Font(&'static str),
    /// The validator of PDF/A or PDF/UA found fault with the result. Holds the kind of fault, never content.
    #[error("the document is not PDF/A and PDF/UA: {0}")]
    NotArchival(&'static str),
}

/// Typesets a document: A4, tagged, French, with bookmarks, checked against PDF/A and PDF/UA-1 while it is written.
///
/// # Errors
/// [`Unprintable`], a fault of this room.
pub fn pdf(document: &Document) -> Result<Typeset, Unprintable> {
    let faces = face::Faces::load()?;
    let mut cleaner = clean::Cleaner::new(&faces);
    let laid = flow::lay_out(document, &faces, &mut cleaner);
    let pages = laid.pages.len();
    let bytes = pdf::write(document, &faces, laid, &mut cleaner)?;
    Ok(Typeset { bytes, pages, marked: cleaner.findings() })
}
