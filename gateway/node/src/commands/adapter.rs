//! What an integrator types to try a file before the first partner sends one: `gateway adapter check`. It reads by the code
//! that a gateway reads with, keeps nothing and sends nothing.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    process::ExitCode,
};

use adapters::{
    caf::{self, Document},
    departement::Line119,
    fhir, health,
    mapping::{self, Known, Mapping},
    olinpe, parquet,
    reading::{Finding, Letter, Reading, Refused},
    xdm,
};
use clap::{Args, Subcommand, ValueEnum};
use exchange::{InstitutionId, Party, Urgency};
use serde_json::{Value, json};

use super::{CommandFault, print};

/// `gateway adapter`
#[derive(Debug, Subcommand)]
pub enum Adapter {
    /// Say what is understood of a partner's file, and what would be lost
    Check(Check),
}

/// `gateway adapter check`
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub struct Check {
    /// The partner's file
    pub file: PathBuf,
    /// What it is
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    pub format: Format,
    /// Folder of the rules: the fields and codes of exchanges are those of its catalogue
    #[arg(long, value_name = "DIR", default_value = "policies")]
    pub policies: PathBuf,
    /// The mapping file of the product that wrote it, for `mapping`
    #[arg(long, value_name = "FILE", required_if_eq("format", "mapping"))]
    pub mapping: Option<PathBuf>,
    /// The exchange type of the mapping, for `mapping`
    #[arg(long = "type", value_name = "CODE", required_if_eq("format", "mapping"))]
    pub kind: Option<String>,
    /// The year that the file is of, for `olinpe`
    #[arg(long, required_if_eq("format", "olinpe"))]
    pub year: Option<u16>,
    /// Also print the envelopes, which name persons
    #[arg(long)]
    pub envelopes: bool,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
}

/// A format that an adapter reads. Of CSV and XML the first byte says which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A FHIR R4 Bundle of a hospital
    Fhir,
    /// `IHE_XDM.zip`, from a mail of MSSanté
    Xdm,
    /// Address request to a caisse, CSV or XML
    CafDemande,
    /// Its answer
    CafReponse,
    /// Notification of a placement to a caisse
    CafPlacement,
    /// Its answer
    CafPlacementReponse,
    /// Transmission of the 119, CSV or XML
    #[value(name = "transmission-119")]
    Transmission119,
    /// Cover sheet of a court's decision: in a PDF, or beside it in a zip
    Bordereau,
    /// Events of the yearly OLINPE file, XML or CSV
    Olinpe,
    /// Whatever a mapping file describes, CSV or XML
    Mapping,
}

const LONG: &str = "Say what is understood of a partner's file, what is kept beside the exchange, and what would be lost, each at \
its place in the partner's own terms. Reads by the code that a gateway reads with; keeps nothing, sends nothing, asks nobody. \
Nothing that stands in the file is printed, unless --envelopes says so.";

const EXAMPLES: &str = "Exit codes: 0 understood, with remarks or without; 1 refused, or an OLINPE file that must not be sent; 2 a \
file cannot be read.\n\n\
Examples:\n  \
gateway adapter check bundle.json --as fhir\n  \
gateway adapter check IHE_XDM.zip --as xdm --json\n  \
gateway adapter check mesures-2026.xml --as olinpe --year 2026\n  \
gateway adapter check export.csv --as mapping --mapping exemple-a.toml --type information-preoccupante";

/// Reads a file, and says what came of it.
///
/// # Errors
/// The file, the catalogue or the mapping cannot be read.
pub fn adapter(command: &Adapter) -> Result<ExitCode, CommandFault> {
    let Adapter::Check(options) = command;
    if options.format == Format::Olinpe {
        return olinpe(options);
    }
    let bytes = std::fs::read(&options.file).map_err(|e| CommandFault::file(&options.file, &e))?;
    match read(options, bytes)? {
        Ok(reading) => {
            let understood = reading.letters.iter().map(|letter| places(options, letter)).collect::<Result<Vec<_>, _>>()?;
            print(&if options.json {
                of_reading(&reading, &understood, options.envelopes).to_string()
            } else {
                said(&reading, &understood, options.envelopes)
            });
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => Ok(said_no(options, &refused)),
    }
}

fn read(options: &Check, bytes: Vec<u8>) -> Result<Result<Reading, Refused>, CommandFault> {
    let (sender, recipient) = (nobody("expediteur")?, nobody("destinataire")?);
    let hospital = || health::Context {
        sender: sender.clone(),
        recipient: recipient.clone(),
        purpose: None,
        legal_basis: Vec::new(),
        health_leg: false,
    };
    let file = |document| caisse(options, document, &bytes, &records(&sender, &recipient));
    Ok(match options.format {
        Format::Fhir => fhir::read(&bytes, &hospital()),
        Format::Xdm => xdm::read(&bytes, &hospital(), "information-preoccupante"),
        Format::CafDemande => file(Document::AddressRequest)?,
        Format::CafReponse => file(Document::AddressAnswer)?,
        Format::CafPlacement => file(Document::Placement)?,
        Format::CafPlacementReponse => file(Document::PlacementAnswer)?,
        Format::Transmission119 => {
            let (transmission, feedback) = (known(options, "information-preoccupante")?, known(options, "retour-information")?);
            let files = Line119::load(&transmission, &feedback).map_err(|refused| unusable(&options.policies, &refused))?;
            files.read(form(&bytes), &bytes, &records(&sender, &recipient)).map(|records| records.reading)
        }
        Format::Bordereau => {
            let context = parquet::cover::Context { sender, recipient, purpose: None, legal_basis: Vec::new() };
            if bytes.starts_with(ZIP) {
                parquet::cover::read_zip(&bytes, parquet::cover::ZIP_LIMIT, &context)
            } else {
                parquet::cover::read_pdf(bytes, &context)
            }
        }
        Format::Mapping | Format::Olinpe => {
            // Both are asked for by the command line's own rules.
            let file = options.mapping.as_deref().unwrap_or(Path::new(""));
            let text = std::fs::read_to_string(file).map_err(|e| CommandFault::file(file, &e))?;
            let known = known(options, options.kind.as_deref().unwrap_or_default())?;
            let mapping = Mapping::load(&text, &known).map_err(|refused| unusable(file, &refused))?;
            mapping.read(&bytes, form(&bytes), &records(&sender, &recipient)).map(|records| records.reading)
        }
    })
}

fn caisse(options: &Check, document: Document, bytes: &[u8], context: &mapping::Context) -> Result<Result<Reading, Refused>, CommandFault> {
    let (address, placement) = (known(options, "demande-adresse")?, known(options, "notification-placement")?);
    let files = caf::Files::load(&address, &placement).map_err(|refused| unusable(&options.policies, &refused))?;
    Ok(files.read(document, form(bytes), bytes, context).map(|records| records.reading))
}

fn olinpe(options: &Check) -> Result<ExitCode, CommandFault> {
    let file = File::open(&options.file).map_err(|e| CommandFault::file(&options.file, &e))?;
    let year = options.year.unwrap_or_default();
    match olinpe::open(BufReader::new(file)).and_then(|mut events| olinpe::check(&mut *events, year)) {
        Ok(report) => {
            print(&if options.json { report.json().to_string() } else { report.text() });
            Ok(ExitCode::from(u8::from(report.is_blocked())))
        }
        Err(refused) => Ok(said_no(options, &refused)),
    }
}

fn said_no(options: &Check, refused: &Refused) -> ExitCode {
    print(&if options.json { json!({"refused": findings(&refused.0)}).to_string() } else { format!("Refusé.\n{}", lines(refused)) });
    ExitCode::from(1)
}

fn lines(refused: &Refused) -> String {
    refused.0.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Who a certificate would name; here nobody does.
fn nobody(name: &str) -> Result<Party, CommandFault> {
    let institution: InstitutionId = name.parse().map_err(|_| CommandFault::Gateway(format!("`{name}` is no institution")))?;
    Ok(Party { institution, unit: None })
}

fn records(sender: &Party, recipient: &Party) -> mapping::Context {
    mapping::Context {
        sender: sender.clone(),
        recipient: recipient.clone(),
        purpose: None,
        legal_basis: Vec::new(),
        agreement: None,
        urgency: Urgency::Ordinary,
        in_reply_to: None,
    }
}

fn known(options: &Check, kind: &str) -> Result<Known, CommandFault> {
    let catalogue = options.policies.join("catalogue");
    let read = |name: &str| {
        let file = catalogue.join(format!("{name}.toml"));
        std::fs::read_to_string(&file).map_err(|e| CommandFault::file(&file, &e))
    };
    Known::parse(&read(kind)?, &read("_components")?, &read("_codes")?).map_err(|refused| unusable(&catalogue, &refused))
}

fn unusable(file: &Path, refused: &Refused) -> CommandFault {
    CommandFault::file(file, &lines(refused))
}

fn form(bytes: &[u8]) -> mapping::Format {
    let start = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'<') { mapping::Format::Xml } else { mapping::Format::Csv }
}

fn said(reading: &Reading, understood: &[Vec<String>], envelopes: bool) -> String {
    let mut text = format!("Compris : {}.", counted(reading.letters.len(), "échange"));
    for (at, (letter, understood)) in reading.letters.iter().zip(understood).enumerate() {
        let kind = letter.envelope.get("type").and_then(Value::as_str).unwrap_or("?");
        let persons = letter.envelope.get("subjects").and_then(Value::as_array).map_or(0, Vec::len);
        let files = letter.attachments.len();
        text.push_str(&format!("\n\n{}. {kind} : {}, {}", at + 1, counted(persons, "personne"), counted(files, "pièce jointe")));
        text.push_str(&understood.iter().map(|place| format!("\n   repris : {place}")).collect::<String>());
        text.push_str(&letter.beside.iter().map(|beside| format!("\n   à côté : {}", beside.place)).collect::<String>());
        if envelopes {
            text.push_str(&format!("\n{:#}", letter.envelope));
        }
    }
    if !reading.reported.is_empty() {
        text.push_str("\n\nSignalé à l’expéditeur :");
        text.push_str(&reading.reported.iter().map(|finding| format!("\n{}", line(finding))).collect::<String>());
    }
    text
}

fn of_reading(reading: &Reading, understood: &[Vec<String>], envelopes: bool) -> Value {
    let letter = |(letter, understood): (&Letter, &Vec<String>)| {
        json!({
            "type": letter.envelope.get("type"),
            "understood": understood,
            "attachments": letter.attachments.len(),
            "beside": letter.beside.iter().map(|beside| beside.place.to_string()).collect::<Vec<_>>(),
            "envelope": envelopes.then_some(&letter.envelope),
        })
    };
    json!({"exchanges": reading.letters.iter().zip(understood).map(letter).collect::<Vec<_>>(), "reported": findings(&reading.reported)})
}

fn findings(all: &[Finding]) -> Vec<Value> {
    all.iter().map(|one| json!({"place": one.place.to_string(), "code": one.code, "detail": one.detail, "cure": one.cure})).collect()
}

fn line(finding: &Finding) -> String {
    let cure = finding.cure.as_ref().map(|cure| format!(" {cure}")).unwrap_or_default();
    format!("   {} : {}{cure} ({})", finding.place, finding.detail, finding.code)
}

/// Every field that has a value, as the catalogue writes it. A field that it does not have may be called after somebody, and is
/// only counted.
fn places(options: &Check, letter: &Letter) -> Result<Vec<String>, CommandFault> {
    let kind = letter.envelope.get("type").and_then(Value::as_str).unwrap_or_default();
    let known = known(options, kind)?;
    let mut all = Vec::new();
    gather(&letter.envelope, "", &mut all);
    let (mut of_the_catalogue, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|path| known.has(path) || OF_EVERY_TYPE.contains(&path.as_str()));
    of_the_catalogue.dedup();
    if !others.is_empty() {
        of_the_catalogue.push(format!("{} hors du catalogue", counted(others.len(), "valeur")));
    }
    Ok(of_the_catalogue)
}

fn gather(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            fields.iter().for_each(|(name, value)| gather(value, &below(name), all));
        }
        Value::Array(items) => items.iter().for_each(|value| gather(value, &format!("{path}[]"), all)),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => all.push(path.to_owned()),
    }
}

fn counted(n: usize, what: &str) -> String {
    let plural = |word: &str| if n > 1 { format!("{word}s") } else { word.to_owned() };
    format!("{n} {}", what.split(' ').map(plural).collect::<Vec<_>>().join(" "))
}

/// What an envelope has whatever its type.
const OF_EVERY_TYPE: [&str; 14] = [
    "type",
    "sender.institution",
    "sender.unit",
    "recipient.institution",
    "recipient.unit",
    "purpose",
    "legal_basis[]",
    "agreement",
    "case",
    "attachments[].name",
    "attachments[].media_type",
    "attachments[].class",
    "attachments[].size",
    "attachments[].title",
];
const ZIP: &[u8] = b"PK";
const BOM: &[u8] = "\u{feff}".as_bytes();
