//! The sheet read: strictly as XML, leniently as a form.

use std::collections::BTreeMap;

use exchange::{ExchangeId, Pointer, document::Leaves};
use serde_json::{Map, Value, json};

use super::parse::{Given, Parsed, parse};
use super::rows::{CHILD, Form, ROWS, is_date, is_natinf, natinf_line};
use super::{Context, Nature, SHEET, embedded};
use crate::forbidden::Forbidden;
use crate::parquet::pack::sha256;
use crate::reading::{Beside, Finding, Letter, Place, Reading, Refused, route};

/// Reads a PDF, with its sheet where one travels inside.
///
/// # Errors
/// [`Refused`] for no bytes at all.
pub fn read_pdf(pdf: Vec<u8>, context: &Context) -> Result<Reading, Refused> {
    let (mut sheets, all_tried) = embedded::sheets(&pdf);
    let newest = sheets.pop();
    let several = sheets.iter().any(|older| Some(older) != newest.as_ref());
    let unseen = newest.is_none() && !all_tried;
    let mut reading = assemble(newest.as_deref().map(parse), Papers { bytes: vec![pdf], sheet: None, called: None }, context)?;
    if unseen {
        let detail = "Le PDF a trop de fichiers joints : le bordereau n’a été cherché que dans les plus récents.";
        reading.reported.push(finding(Place::File(SHEET.to_owned()), "too-many", detail));
    }
    if several {
        let detail = "Le PDF contient plusieurs bordereaux : le dernier est lu, les autres restent dans le PDF.";
        reading.reported.push(finding(Place::File(SHEET.to_owned()), "too-many", detail));
    }
    Ok(reading)
}

/// Reads a PDF with its sheet beside it. The sheet is kept as a second attachment.
///
/// # Errors
/// [`Refused`] for no bytes at all.
pub fn read_beside(pdf: Vec<u8>, sheet: Vec<u8>, context: &Context) -> Result<Reading, Refused> {
    let parsed = parse(&sheet);
    assemble(Some(parsed), Papers { bytes: vec![pdf], sheet: Some(sheet), called: None }, context)
}

/// What came with a sheet.
pub struct Papers {
    /// The papers, the decision first.
    pub bytes: Vec<Vec<u8>>,
    /// The sheet itself, where it is a file of its own and kept as one.
    pub sheet: Option<Vec<u8>>,
    /// What the names of the papers say that they are.
    pub called: Option<Nature>,
}

/// Papers and a sheet as one letter.
pub fn assemble(sheet: Option<Result<Parsed, Finding>>, papers: Papers, context: &Context) -> Result<Reading, Refused> {
    let Papers { bytes, sheet: kept, called } = papers;
    let papers: Vec<Vec<u8>> = bytes.into_iter().filter(|paper| !paper.is_empty()).collect();
    let mut form = Filled { called, ..Filled::default() };
    if papers.is_empty() {
        let none = finding(Place::Whole, "missing", "Aucun document n’accompagne le bordereau.");
        if kept.is_none() {
            return Err(Refused(vec![none]));
        }
        form.reported.push(none);
    }
    match sheet {
        Some(Ok(parsed)) => form.fill(parsed),
        Some(Err(fault)) => {
            form.reported.push(fault);
            form.by_name();
        }
        None => {
            let detail = format!("Aucun bordereau : le document est enregistré comme {}.", form.assumed().title().to_lowercase());
            let none = finding(Place::File(SHEET.to_owned()), "missing", &detail);
            form.reported.push(none.cured_by("Joindre le bordereau au PDF, ou le saisir à réception."));
            form.by_name();
        }
    }
    let nature = form.nature.unwrap_or(Nature::SoitTransmis);
    let (described, attachments) = attach(nature, papers, kept);
    let Value::Object(mut envelope) = form.leaves.reveal() else {
        return Err(Refused(vec![finding(Place::Whole, "unreadable", "Illisible.")]));
    };
    address(&mut envelope, nature, described, context);
    let letter = Letter { envelope: Value::Object(envelope), attachments, beside: form.beside };
    Ok(Reading { letters: vec![letter], reported: form.reported })
}

/// What the edge knows, and the papers.
fn address(envelope: &mut Map<String, Value>, nature: Nature, described: Vec<Value>, context: &Context) {
    envelope.extend(route(nature.kind(), [&context.sender, &context.recipient], context.purpose.as_deref(), &context.legal_basis));
    envelope.entry("payload").or_insert_with(|| json!({}));
    envelope.insert("attachments".to_owned(), Value::Array(described));
}

/// The attachments under names of ours. All are of class `judiciaire`: they are a magistrate's.
fn attach(nature: Nature, papers: Vec<Vec<u8>>, kept: Option<Vec<u8>>) -> (Vec<Value>, Vec<Vec<u8>>) {
    let mut described = Vec::new();
    let mut attachments = Vec::new();
    let describe = |name: String, title: &str, media_type: &str, bytes: &[u8]| {
        let size = bytes.len();
        json!({"name": name, "title": title, "media_type": media_type, "size": size, "sha256": sha256(bytes), "class": "judiciaire"})
    };
    for (index, paper) in papers.into_iter().enumerate() {
        let (media_type, extension) = media_type(&paper);
        let (name, title) = match index {
            0 => (format!("{}.{extension}", nature.code()), nature.title().to_owned()),
            _ => (format!("piece-{:02}.{extension}", index + 1), format!("Pièce n° {}", index + 1)),
        };
        described.push(describe(name, &title, media_type, &paper));
        attachments.push(paper);
    }
    if let Some(sheet) = kept {
        described.push(describe(SHEET.to_owned(), "Bordereau", "application/xml", &sheet));
        attachments.push(sheet);
    }
    (described, attachments)
}

fn media_type(bytes: &[u8]) -> (&'static str, &'static str) {
    // A PDF may begin with a few bytes that are none of it (ISO 32000, annex H).
    let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    match bytes {
        _ if memchr::memmem::find(head, b"%PDF-").is_some() => ("application/pdf", "pdf"),
        [0xff, 0xd8, 0xff, ..] => ("image/jpeg", "jpg"),
        [0x89, b'P', b'N', b'G', ..] => ("image/png", "png"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => ("image/tiff", "tif"),
        _ => ("application/octet-stream", "bin"),
    }
}

#[derive(Default)]
struct Filled {
    nature: Option<Nature>,
    /// What the names of the papers say.
    called: Option<Nature>,
    leaves: Leaves,
    /// How many values each list has.
    counts: BTreeMap<Pointer, usize>,
    natinf: Vec<String>,
    facts: Option<String>,
    beside: Vec<Beside>,
    reported: Vec<Finding>,
}

impl Filled {
    fn fill(&mut self, parsed: Parsed) {
        self.reported.extend(parsed.tolerated);
        self.nature = self.read_nature(&parsed.fields);
        let kind = self.nature.unwrap_or(Nature::SoitTransmis).kind();
        for given in parsed.fields.iter().filter(|given| given.name != "nature") {
            if !self.travels(given) {
                continue;
            }
            match given.child {
                Some(child) => self.child(given, child),
                None => self.field(given, kind),
            }
        }
        for child in 0..parsed.children {
            let at = |name: &str| Pointer::default().child("subjects").child(child.to_string()).child(name);
            self.leaves.insert(at("ref"), json!(format!("s{}", child + 1)));
            self.leaves.insert(at("role"), json!("enfant"));
        }
        self.offences(kind);
        if self.nature == Some(Nature::Opp) {
            self.order();
        }
        for odd in parsed.odd {
            if !self.travels(&odd) {
                continue;
            }
            self.aside(odd, "unknown-element", "Élément ou attribut que le bordereau ne connaît pas.");
        }
    }

    /// The first nature that is one. Later ones, and odd ones, stand beside.
    fn read_nature(&mut self, fields: &[Given]) -> Option<Nature> {
        let mut nature = None;
        for given in fields.iter().filter(|given| given.name == "nature") {
            let read = Nature::said(&given.value);
            match (nature, read) {
                (None, Some(_)) => nature = read,
                (Some(_), _) => self.aside(given.clone(), "too-many", "Une seule nature est lue."),
                (None, None) => self.aside(given.clone(), "bad-code", "La nature de la décision n’est pas une de celles du bordereau."),
            }
        }
        if nature.is_none() {
            let detail =
                format!("La nature de la décision manque : le document est enregistré comme {}.", self.assumed().title().to_lowercase());
            self.reported.push(finding(Place::File(SHEET.to_owned()), "missing", &detail));
            self.name_told();
        }
        nature.or(self.called)
    }

    /// The nature where no sheet says it: what the paper is called, else a soit-transmis.
    fn assumed(&self) -> Nature {
        self.called.unwrap_or(Nature::SoitTransmis)
    }

    /// Takes the nature from the name of the paper, where no sheet can be read.
    fn by_name(&mut self) {
        self.nature = self.called;
        self.name_told();
        if self.nature == Some(Nature::Opp) {
            self.order();
        }
    }

    fn name_told(&mut self) {
        if self.called.is_some() {
            let detail = "La nature de la décision est lue dans le nom du fichier : à vérifier à la lecture.";
            self.reported.push(finding(Place::File(SHEET.to_owned()), "nature-by-name", detail));
        }
    }

    fn field(&mut self, given: &Given, kind: &str) {
        let Some(row) = ROWS.iter().find(|row| row.element == given.name) else {
            return self.aside(given.clone(), "unknown-element", "Élément que le bordereau ne connaît pas.");
        };
        let place = row.place(kind);
        if place.is_empty() {
            return self.aside(given.clone(), "no-place", "L’échange n’a pas de champ pour cet élément : il est gardé à côté.");
        }
        let Some(value) = value(row.form, &given.value) else {
            let detail = "La valeur n’est pas de celles que cet élément admet : elle est gardée à côté.";
            return self.aside(given.clone(), bad(row.form), detail);
        };
        let once = "Cet élément ne peut figurer qu’une fois : le premier est lu.";
        match row.form {
            Form::Natinf => self.natinf.push(given.value.clone()),
            _ if row.element == "faits" && self.facts.is_some() => self.aside(given.clone(), "too-many", once),
            _ if row.element == "faits" => self.facts = Some(given.value.clone()),
            Form::Text | Form::Date | Form::Bool | Form::Reference | Form::Code(_) => {
                let at = place.parse().ok().and_then(|at| self.free(at, row.many));
                let Some(at) = at else { return self.aside(given.clone(), "too-many", once) };
                if matches!(row.form, Form::Reference) {
                    self.leaves.insert(Pointer::default().child("in_reply_to"), value.clone());
                }
                self.leaves.insert(at, value);
            }
        }
    }

    /// Where the next value goes; nowhere when it may stand once and does.
    fn free(&mut self, at: Pointer, many: bool) -> Option<Pointer> {
        if !many {
            return self.leaves.at(&at).is_none().then_some(at);
        }
        let count = self.counts.entry(at.clone()).or_default();
        *count += 1;
        Some(at.child((*count - 1).to_string()))
    }

    fn child(&mut self, given: &Given, child: usize) {
        let Some((_, name, _, form)) = CHILD.iter().find(|(element, ..)| *element == given.name) else {
            return self.aside(given.clone(), "unknown-element", "Élément que le bordereau ne connaît pas pour un enfant.");
        };
        let Some(value) = value(*form, &given.value) else {
            return self.aside(given.clone(), bad(*form), "La valeur n’est pas de celles que cet élément admet : elle est gardée à côté.");
        };
        let base = Pointer::default().child("subjects").child(child.to_string()).child(*name);
        let at = self.free(base, *name == "given_names");
        match at {
            Some(at) => self.leaves.insert(at, value),
            None => self.aside(given.clone(), "too-many", "Cet élément ne peut figurer qu’une fois : le premier est lu."),
        }
    }

    /// An order for provisional placement is the follow-up `opp`, whether its sheet repeats it or not: the eight days of
    /// C. civ. 375-5 are counted from that code.
    fn order(&mut self) {
        let Some(row) = ROWS.iter().find(|row| row.element == "suite") else { return };
        let place = row.place(Nature::Opp.kind());
        let said = self.leaves.iter().any(|(at, value)| at.path() == "payload.suites[]" && value == "opp");
        if let Some(at) = place.parse().ok().filter(|_| !said).and_then(|at| self.free(at, true)) {
            self.leaves.insert(at, json!("opp"));
        }
    }

    /// Codes of offences and facts are one text of class `infraction`: the codes are its first line.
    fn offences(&mut self, kind: &str) {
        let row = ROWS.iter().find(|row| row.element == "faits");
        let Some(at) = row.and_then(|row| row.place(kind).parse::<Pointer>().ok()) else { return };
        let line = (!self.natinf.is_empty()).then(|| natinf_line(&self.natinf));
        let text: Vec<String> = [line, self.facts.take()].into_iter().flatten().collect();
        if !text.is_empty() {
            self.leaves.insert(at, json!(text.join("\n")));
        }
    }

    /// Whether a value may travel: a NIR does not, one in a longer text is told. The sheet itself stays the file that came.
    fn travels(&mut self, given: &Given) -> bool {
        let held = Forbidden::in_text(&given.value);
        self.reported.extend(held.map(|held| held.finding(Place::Element { line: given.line, name: given.name.clone() })));
        held != Some(Forbidden::Alone)
    }

    fn aside(&mut self, given: Given, code: &'static str, detail: &str) {
        let place = Place::Element { line: given.line, name: given.name };
        self.reported.push(finding(place.clone(), code, detail));
        self.beside.push(Beside { place, value: json!(given.value) });
    }
}

fn value(form: Form, text: &str) -> Option<Value> {
    match form {
        Form::Text => Some(json!(text)),
        Form::Date => is_date(text).then(|| json!(text)),
        Form::Natinf => is_natinf(text).then(|| json!(text)),
        Form::Reference => text.parse::<ExchangeId>().ok().map(|id| json!(id.to_string())),
        Form::Code(list) => list.contains(&text).then(|| json!(text)),
        Form::Bool => match text {
            "true" | "1" | "oui" => Some(json!(true)),
            "false" | "0" | "non" => Some(json!(false)),
            _ => None,
        },
    }
}

fn bad(form: Form) -> &'static str {
    match form {
        Form::Date => "bad-date",
        Form::Code(_) | Form::Bool | Form::Natinf => "bad-code",
        Form::Reference => "bad-reference",
        Form::Text => "bad-type",
    }
}

fn finding(place: Place, code: &'static str, detail: &str) -> Finding {
    Finding { place, code, detail: detail.to_owned(), cure: None }
}
