//! From the measures of a département, as its case software exports them with the children's identities, to the events of
//! a year. The names go into the pseudonym and nowhere else.

use std::io::{self, BufRead};

use super::{
    checks::Checks,
    event::Event,
    pseudonym::{DepartmentId, Pseudonym, Traits},
    read::{CsvLines, Form, MAX_EVENTS, refused, too_many},
    report::{Check, Report},
    variables::{date, month, table, year},
};
use crate::reading::{Column, Place, Refused};

/// First given name of the child.
pub const GIVEN_NAME: &str = "PRENOM";
/// Birth name of the child's mother.
pub const MOTHER_NAME: &str = "NOM_NAISSANCE_MERE";
/// The same four traits as they were when the child was last sent, where one has been corrected since.
pub const FORMER: [&str; 4] = ["PRENOM_ANT", "NOM_NAISSANCE_MERE_ANT", "ANAIS_ANT", "MNAIS_ANT"];

/// What is to be exported.
pub struct Order<'a> {
    /// The year that is reported.
    pub year: u16,
    /// `NUMDEP`, for lines that do not give it.
    pub department: &'a str,
    /// The pseudonyms.
    pub scheme: &'a dyn Pseudonym,
}

/// What became of the measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Lines read.
    pub lines: u64,
    /// Lines of another year, of which nothing was to be sent.
    pub outside: u64,
    /// What the checks found in the events; places are those of the measures.
    pub report: Report,
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The measures cannot be read.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The output failed.
    #[error("the output failed")]
    Output(#[from] io::Error),
}

/// Reads measures and gives each event of the year to `sink`, with the département's own pseudonym beside it, which is
/// for the département's register and never for the file.
///
/// # Errors
/// [`Stopped`]; what `sink` was given until then is not to be sent.
pub fn export(
    measures: impl BufRead,
    order: &Order<'_>,
    sink: &mut dyn FnMut(&Event, &DepartmentId) -> io::Result<()>,
) -> Result<Exported, Stopped> {
    let mut measures = Measures::new(measures)?;
    let mut checks = Checks::new(Form::Csv, order.year);
    for nth in &measures.ignored {
        checks.tallies().count_cell(Check::ColonneNonReprise, 1, Column::Unknown(*nth));
    }
    let (mut event, mut part, mut lines, mut outside) = (Event::default(), Event::default(), 0, 0);
    while measures.read(&mut event)? {
        lines += 1;
        if lines > MAX_EVENTS {
            return Err(too_many(event.line).into());
        }
        let kinds = kinds(&event, order.year);
        outside += u64::from(kinds.is_empty());
        if kinds.is_empty() {
            continue;
        }
        let id = match measures.name(&mut event, order) {
            Ok(id) => id,
            Err(column) => {
                checks.tallies().count_cell(Check::IdentiteIncomplete, event.line, Column::Named(column));
                continue;
            }
        };
        for kind in kinds {
            part.clone_from(&event);
            kind.shape(&mut part);
            checks.see(&part);
            sink(&part, &id)?;
        }
    }
    Ok(Exported { lines, outside, report: checks.report() })
}

/// The measures of a file, line by line.
struct Measures<R> {
    lines: CsvLines<R>,
    columns: Vec<Use>,
    ignored: Vec<usize>,
    identity: Identity,
}

/// What a column is for.
#[derive(Clone, Copy)]
enum Use {
    Variable(usize),
    GivenName,
    MotherName,
    Former(usize),
    Nothing,
}

/// The identity of the line that is being read.
#[derive(Default)]
struct Identity {
    given_name: String,
    mother_name: String,
    former: [String; 4],
}

/// Which event a line tells of.
#[derive(Clone, Copy)]
enum Told {
    /// The one that its `TYPEV` says.
    AsWritten,
    Start,
    End,
}

impl<R: BufRead> Measures<R> {
    fn new(source: R) -> Result<Self, Refused> {
        let mut lines = CsvLines::new(source);
        let columns: Vec<_> = if lines.next()? { lines.names().map(Use::of).collect() } else { Vec::new() };
        let has = |wanted: fn(&Use) -> bool| columns.iter().any(wanted);
        if !has(|column| matches!(column, Use::GivenName)) || !has(|column| matches!(column, Use::MotherName)) {
            return Err(refused("structure", Place::Line(1), STRUCTURE));
        }
        let ignored = columns.iter().zip(1..).filter(|(column, _)| matches!(column, Use::Nothing)).map(|(_, nth)| nth).collect();
        Ok(Self { lines, columns, ignored, identity: Identity::default() })
    }

    fn read(&mut self, event: &mut Event) -> Result<bool, Refused> {
        if !self.lines.next()? {
            return Ok(false);
        }
        event.begin(self.lines.line());
        self.identity.forget();
        for (nth, column) in self.columns.iter().enumerate() {
            let value = self.lines.cell(nth)?.trim();
            match *column {
                Use::Variable(position) => event.put(position, value),
                Use::GivenName => self.identity.given_name.push_str(value),
                Use::MotherName => self.identity.mother_name.push_str(value),
                Use::Former(which) => {
                    if let Some(former) = self.identity.former.get_mut(which) {
                        former.push_str(value);
                    }
                }
                Use::Nothing => {}
            }
        }
        Ok(true)
    }

    /// Gives an event its pseudonyms, or says in which column an identity ends.
    fn name(&self, event: &mut Event, order: &Order<'_>) -> Result<DepartmentId, &'static str> {
        if event.get("NUMDEP").is_empty() {
            event.replace("NUMDEP", Some(order.department));
        }
        let birth = (year(event.get("ANAIS")).ok_or("ANAIS")?, month(event.get("MNAIS")).ok_or("MNAIS")?);
        let Identity { given_name, mother_name, former } = &self.identity;
        let id = pseudonym(order, given_name, mother_name, birth)?;
        let national = order.scheme.national(&id).to_string();
        if let [given_ant, mother_ant, year_ant, month_ant] = former
            && former.iter().any(|trait_ant| !trait_ant.is_empty())
        {
            let or = |former: &'_ String, now: &'_ String| if former.is_empty() { now.clone() } else { former.clone() };
            let birth = (
                if year_ant.is_empty() { birth.0 } else { year(year_ant).ok_or(FORMER[2])? },
                if month_ant.is_empty() { birth.1 } else { month(month_ant).ok_or(FORMER[3])? },
            );
            let former = pseudonym(order, &or(given_ant, given_name), &or(mother_ant, mother_name), birth)?;
            let former = order.scheme.national(&former).to_string();
            event.replace("NUMANONYMANT", (former != national).then_some(former.as_str()));
        }
        event.replace("NUMANONYM", Some(&national));
        Ok(id)
    }
}

impl Use {
    fn of(name: &str) -> Self {
        match name {
            GIVEN_NAME => Self::GivenName,
            MOTHER_NAME => Self::MotherName,
            // A pseudonym is made here, and nowhere else.
            "NUMANONYM" | "NUMANONYMANT" => Self::Nothing,
            name => match FORMER.iter().position(|former| *former == name) {
                Some(which) => Self::Former(which),
                None => table().position(name).map_or(Self::Nothing, Self::Variable),
            },
        }
    }
}

impl Identity {
    fn forget(&mut self) {
        self.given_name.clear();
        self.mother_name.clear();
        self.former.iter_mut().for_each(String::clear);
    }
}

impl Told {
    /// Makes a line the event it tells of: a start says nothing of the end.
    fn shape(self, event: &mut Event) {
        match self {
            Self::AsWritten => {}
            Self::Start => {
                event.replace("TYPEV", Some("1"));
                for name in ["DATFIN", "MOTFININT", "MOTIFML", "DATDECMIN", "NBCHGLIEU", "DIPLOME"] {
                    event.replace(name, None);
                }
            }
            Self::End => {
                event.replace("TYPEV", Some("3"));
                for name in ["TRAITINFO", "TRANSIP", "DATSIGN", "MOTIFSIG", "DATJE", "CHGLIEU"] {
                    event.replace(name, None);
                }
            }
        }
    }
}

/// A line with a `TYPEV` is one event. One without tells of a whole measure: its start is an event when it was decided or
/// began in the year, its end when it ended in the year.
fn kinds(event: &Event, year: u16) -> Vec<Told> {
    if !event.get("TYPEV").is_empty() {
        return vec![Told::AsWritten];
    }
    let this_year = |name: &str| date(event.get(name)).is_some_and(|date| date.year() == i32::from(year));
    let start = (this_year("DATDECPE") || this_year("DATDEB")).then_some(Told::Start);
    start.into_iter().chain(this_year("DATFIN").then_some(Told::End)).collect()
}

fn pseudonym(order: &Order<'_>, given_name: &str, mother_name: &str, birth: (u16, u8)) -> Result<DepartmentId, &'static str> {
    let traits = Traits { given_name, mother_name, year: birth.0, month: birth.1 };
    order.scheme.department(&traits).ok_or(if given_name.is_empty() { GIVEN_NAME } else { MOTHER_NAME })
}

const STRUCTURE: &str = "La première ligne doit nommer les colonnes PRENOM et NOM_NAISSANCE_MERE.";
