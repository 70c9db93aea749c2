//! Files whose layout is data: which column or element is which field of an envelope, how dates look, what codes mean.
//!
//! A mapping is a TOML file, so that a new product of a new vendor is a file and no code. The formats of our own that caisses and the
//! 119 exchange are mappings too. [`Mapping::load`] checks one against the catalogue before it is used; reading and writing then need
//! no catalogue, decide nothing and lose nothing in silence.

use std::collections::BTreeMap;

use exchange::{AgreementId, DataClass, ExchangeId, Party, Pointer, Urgency};
use serde_json::{Map, Value};

use crate::reading::{Finding, Reading, no_content, route};

mod alone;
mod known;
mod load;
mod places;
mod read;
mod value;
mod write;

pub use known::Known;

/// The layout of one product's files for one exchange type.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// How the product is called here.
    pub name: String,
    /// The exchange type of its records.
    pub kind: String,
    csv: Option<Csv>,
    xml: Option<Xml>,
    words: Words,
    fields: Vec<Field>,
    given: Vec<Given>,
    fixed: Vec<Fixed>,
    places: places::Places,
}

/// In which of its two forms a mapping is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Semicolons and a line of column names.
    Csv,
    /// One element for each record.
    Xml,
}

/// What the edge knows of the exchanges in a file, and no file says: never invented here.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Who sends.
    pub sender: Party,
    /// To whom.
    pub recipient: Party,
    /// Code of CL-purpose, where the type leaves a choice.
    pub purpose: Option<String>,
    /// Articles, where the type leaves a choice.
    pub legal_basis: Vec<String>,
    /// The agreement under which the file flows.
    pub agreement: Option<AgreementId>,
    /// How fast, unless the file says it.
    pub urgency: Urgency,
    /// The exchange that each record answers, unless the file says it.
    pub in_reply_to: Option<ExchangeId>,
}

/// What a file held.
#[derive(Clone, PartialEq)]
pub struct Records {
    /// The exchanges, in the order of the file.
    pub reading: Reading,
    /// What each of them says to its edge alone, by the names that the mapping gives: the partner's own reference, a deadline.
    pub given: Vec<BTreeMap<String, String>>,
}

/// One exchange to write.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Its envelope, or what its recipient may see of it.
    pub envelope: &'a Value,
    /// What the edge adds, by the names that the mapping gives.
    pub given: &'a BTreeMap<String, String>,
}

/// A file, and what of the exchanges has no place in it.
#[derive(Clone, PartialEq)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was left out, by the path of its field.
    pub reported: Vec<Finding>,
}

#[derive(Debug, Clone)]
struct Csv {
    /// The column of [`Given`] whose value rows of one exchange share; without it, each row is an exchange.
    group: Option<String>,
}

#[derive(Debug, Clone)]
struct Xml {
    root: String,
    record: String,
    /// The repeated element, relative to the record, whose fields are those with `-` in their pointer.
    item: Option<String>,
}

/// How values are written by the product.
#[derive(Debug, Clone)]
struct Words {
    dates: value::DateForm,
    yes: String,
    no: String,
}

#[derive(Debug, Clone)]
struct Field {
    column: Option<String>,
    element: Option<String>,
    to: Pointer,
    shape: value::Shape,
    class: DataClass,
    /// Whether the mapping speaks of codes at all.
    coded: bool,
    /// The product's code and the catalogue's; empty for what is not a code.
    codes: Vec<(String, String)>,
    /// What stands between several values in one cell.
    list: Option<char>,
}

#[derive(Debug, Clone)]
struct Given {
    name: String,
    column: Option<String>,
    element: Option<String>,
}

/// A value that the product never writes, since every record has it.
#[derive(Debug, Clone)]
struct Fixed {
    to: Pointer,
    value: Value,
}

impl Mapping {
    /// The fields that the mapping carries, as the catalogue writes them (`subjects[].birth_name`), with their classes: what a person
    /// reads before agreeing to it.
    pub fn carries(&self) -> impl Iterator<Item = (String, DataClass)> {
        self.fields.iter().map(|field| (path(&field.to), field.class))
    }

    /// The column names of its CSV form, in order.
    pub fn columns(&self) -> Vec<&str> {
        let given = self.given.iter().filter_map(|given| given.column.as_deref());
        given.chain(self.fields.iter().filter_map(|field| field.column.as_deref())).collect()
    }
}

impl Context {
    fn envelope(&self, kind: &str) -> Map<String, Value> {
        let mut envelope = route(kind, [&self.sender, &self.recipient], self.purpose.as_deref(), &self.legal_basis);
        let mut put = |name: &str, value: Value| envelope.insert(name.to_owned(), value);
        put("urgency", self.urgency.as_str().into());
        self.agreement.as_ref().map(|agreement| put("agreement", agreement.as_str().into()));
        self.in_reply_to.map(|id| put("in_reply_to", id.to_string().into()));
        envelope
    }
}

/// The catalogue's path of a pointer; `-` stands for any item of a list.
fn path(pointer: &Pointer) -> String {
    let segments = pointer.segments().iter().map(|segment| if segment == ITEM { "0" } else { segment });
    segments.fold(Pointer::default(), |pointer, segment| pointer.child(segment)).path()
}

/// In a pointer: the item of the row, or of the repeated element.
const ITEM: &str = "-";
/// Most rows or repeated elements of one exchange.
const MAX_ITEMS: usize = 1_000;
/// Most exchanges of one file.
pub const MAX_RECORDS: usize = 10_000;

no_content!(Records, Written);

#[cfg(test)]
mod tests;
