//! An archive becomes one letter: its documents are the files, the headers of its CDA say who it is about and who wrote.

use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::{
    archive::{self, Archive, File},
    cda::{self, Document},
    metadata::{self, About, Described},
};
use crate::{
    elements::{self, Element, Limits},
    forbidden::{Forbidden, has_nir},
    health::{self, Context, Hidden, section},
    reading::{Beside, Finding, Letter, Place, Reading, Refused},
};

/// Reads `IHE_XDM.zip`. `otherwise` is the exchange type that the address stands for to which the mail came: it counts where no
/// type code is one of ours, which is told.
///
/// # Errors
/// [`Refused`] when the bytes are not an archive, are more than any mail carries, or no file of them can be read.
pub fn read(bytes: &[u8], context: &Context, otherwise: &str) -> Result<Reading, Refused> {
    // 1. The files, and what the metadata say of them.
    let Archive { mut files, reported, beside, partial } = archive::read(bytes)?;
    let mut reader = Reader { reported, beside, ..Reader::default() };
    let described = reader.metadata(&files);
    // 2. Every document is a file of the exchange: in the order of the metadata, then those that nothing describes.
    let mut taken = vec![false; files.len()];
    for (folder, document) in described {
        reader.described(&mut files, &mut taken, &folder, document);
    }
    for (file, taken) in files.iter_mut().zip(taken) {
        if taken || reader.is_furniture(file) {
            continue;
        }
        let detail = "Rien ne décrit ce fichier dans les métadonnées : il est joint tel quel.";
        reader.report(archive::place(file), "not-described", detail);
        reader.file(file, None);
    }
    if partial {
        // What could not be read of it is still in it.
        reader.attach("IHE_XDM.zip", super::MEDIA_TYPE, None, bytes.to_vec());
    }
    // 3. What the files wrap, unless it is there already.
    reader.wrapped();
    // 4. The envelope.
    Ok(reader.finish(context, otherwise))
}

#[derive(Default)]
struct Reader {
    kind: Option<&'static str>,
    hidden: Hidden,
    ins: bool,
    /// Numbers of the files of metadata that were read.
    metadata: Vec<usize>,
    /// Whether a document said itself who it is about.
    header: bool,
    /// Persons of documents that do not say it, as the metadata name them.
    about: Vec<About>,
    subjects: Vec<Map<String, Value>>,
    declarant: Map<String, Value>,
    number: Option<String>,
    sections: Vec<(&'static str, String, String)>,
    attachments: Vec<Map<String, Value>>,
    files: Vec<Vec<u8>>,
    wrapped: Vec<(Option<Value>, String, Vec<u8>)>,
    beside: Vec<Beside>,
    reported: Vec<Finding>,
}

impl Reader {
    /// What the metadata of every folder describe, with the folder.
    fn metadata(&mut self, files: &[File]) -> Vec<(String, Described)> {
        let mut described = Vec::new();
        for file in files.iter().filter(|file| is(&file.name, "METADATA.XML")) {
            let folder = file.name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            match self.tree(file) {
                Ok(root) => {
                    let metadata = metadata::read(&root);
                    // One that describes nothing is kept as a file: nobody knows what it says.
                    self.metadata.extend((!metadata.documents.is_empty()).then_some(file.n));
                    self.hidden.guardians |= metadata.hidden.guardians;
                    self.hidden.patient |= metadata.hidden.patient;
                    self.ins |= metadata.ins;
                    metadata.beside.into_iter().for_each(|one| self.aside(one));
                    described.extend(metadata.documents.into_iter().map(|document| (folder.clone(), document)));
                }
                Err(why) => self.not_xml(archive::place(file), why),
            }
        }
        if described.is_empty() {
            self.report(
                Place::File("METADATA.XML".into()),
                "missing",
                "L’archive n’a pas de métadonnées lisibles : ses fichiers sont joints tels quels.",
            );
        }
        described
    }

    fn described(&mut self, files: &mut [File], taken: &mut [bool], folder: &str, document: Described) {
        self.kind = self.kind.or(document.kind);
        let name = format!("{folder}{}", document.uri.trim_start_matches("./").replace('\\', "/"));
        let found = files.iter_mut().enumerate().find(|(_, file)| file.name.eq_ignore_ascii_case(&name) && !document.uri.is_empty());
        let Some((n, file)) = found else {
            let place = Place::Element { line: document.line, name: "ExtrinsicObject".into() };
            self.report(place, "file-not-there", "Le document que les métadonnées décrivent n’est pas dans l’archive.");
            self.about.push(document.about);
            return;
        };
        match taken.get_mut(n) {
            Some(taken) if !*taken => *taken = true,
            // Described twice: once is enough.
            _ => return,
        }
        let place = archive::place(file);
        let hash: String = Sha1::digest(&file.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if document.hash.as_ref().is_some_and(|declared| !declared.eq_ignore_ascii_case(&hash)) {
            self.report(
                place.clone(),
                "bad-hash",
                "L’empreinte annoncée n’est pas celle du fichier : il a changé en route ou a été mal décrit.",
            );
        }
        if document.size.as_ref().is_some_and(|declared| *declared != file.bytes.len().to_string()) {
            self.report(place, "bad-size", "La taille annoncée n’est pas celle du fichier.");
        }
        if !self.file(file, Some(&document)) {
            self.about.push(document.about);
        }
    }

    /// What describes the archive itself, where XDM puts it.
    fn is_furniture(&self, file: &File) -> bool {
        let at_the_top = ["INDEX.HTM", "README.TXT"].iter().any(|known| file.name.eq_ignore_ascii_case(known));
        at_the_top || self.metadata.contains(&file.n)
    }

    /// One file: kept as it is, and looked into where it is a CDA. Whether it says itself who it is about.
    fn file(&mut self, file: &mut File, document: Option<&Described>) -> bool {
        let last = archive::last(&file.name);
        let media_type = document.and_then(|document| document.media_type.as_deref());
        let title = document.and_then(|document| document.title.as_deref());
        let mut says = false;
        let place = archive::place(file);
        if media_type.is_some_and(|media_type| media_type.ends_with("xml")) || ends_with(last, ".XML") {
            match self.tree(file).map(|root| cda::read(&root)) {
                Ok(Some(document)) => {
                    says = true;
                    self.document(place, document, title);
                }
                Ok(None) => {}
                // Of metadata it was said where they were read.
                Err(_) if is(last, "METADATA.XML") => {}
                Err(why) => self.not_xml(place, why),
            }
        }
        let media_type = media_type.unwrap_or_else(|| guess(last)).to_owned();
        self.attach(last, &media_type, title, std::mem::take(&mut file.bytes));
        says
    }

    fn attach(&mut self, name: &str, media_type: &str, title: Option<&str>, bytes: Vec<u8>) {
        let mut about = Map::from_iter([
            ("name".to_owned(), json!(name)),
            ("class".to_owned(), json!(HEALTH)),
            ("size".to_owned(), json!(bytes.len())),
            ("media_type".to_owned(), json!(media_type)),
        ]);
        about.extend(title.map(|title| ("title".to_owned(), json!(title))));
        self.attachments.push(about);
        self.files.push(bytes);
    }

    fn document(&mut self, place: Place, document: Document, title: Option<&str>) {
        self.header = true;
        self.kind = self.kind.or(document.kind);
        self.hidden.guardians |= document.hidden.guardians;
        self.hidden.patient |= document.hidden.patient;
        if document.ins {
            let detail = "Le document porte un matricule INS : il n’est pas repris dans l’échange, mais reste dans le fichier joint.";
            self.report(place.clone(), "ins-in-document", detail);
        }
        for subject in document.subjects {
            // Several documents about one child name it each time.
            if self.subjects.len() < MAX_PERSONS && !self.subjects.iter().any(|known| is_same(known, &subject)) {
                self.subjects.push(subject);
            }
        }
        if self.subjects.len() == MAX_PERSONS {
            self.report(place.clone(), "too-many", "Ce document nomme trop de personnes : les premières sont reprises, toutes y restent.");
        }
        if self.declarant.is_empty() {
            self.declarant = document.declarant;
            self.number = document.number;
        }
        if let Some(line) = document.bad_number {
            let place = Place::Element { line, name: "assignedAuthor/id".into() };
            self.report(place, "bad-rpps", "Ce numéro RPPS n’est pas valide : sa clé est fausse.");
        }
        self.sections.extend(document.sections);
        match document.wrapped {
            Some(Ok((media_type, bytes))) => self.wrapped.push((title.map(|title| json!(title)), media_type, bytes)),
            Some(Err(line)) => {
                let place = Place::Element { line, name: "nonXMLBody/text".into() };
                self.report(
                    place,
                    "bad-base64",
                    "Le fichier que ce document enveloppe n’est pas encodé en base64 : il reste dans le document.",
                );
            }
            None => {}
        }
    }

    fn wrapped(&mut self) {
        for (title, media_type, bytes) in std::mem::take(&mut self.wrapped) {
            if self.files.contains(&bytes) || bytes.is_empty() {
                continue;
            }
            let mut about = Map::from_iter([
                ("class".to_owned(), json!(HEALTH)),
                ("size".to_owned(), json!(bytes.len())),
                ("media_type".to_owned(), json!(media_type)),
            ]);
            about.extend(title.map(|title| ("title".to_owned(), title)));
            self.attachments.push(about);
            self.files.push(bytes);
        }
    }

    /// Persons whom only the metadata name: taken where no document names any, and the same ones are named once. Whoever differs from
    /// those of a document is kept beside.
    fn about(&mut self, kind: &str) {
        let names = health::names_persons(kind);
        for mut about in std::mem::take(&mut self.about).into_iter().filter(|about| !about.is_empty()) {
            let mut child = std::mem::take(&mut about.child);
            let matches = |known: &Map<String, Value>| {
                child.iter().all(|(key, value)| match (key.as_str(), known.get(key), value) {
                    ("given_names", Some(Value::Array(known)), Value::Array(given)) => known.first() == given.first(),
                    (_, known, value) => known == Some(value),
                })
            };
            let place = || Place::File("METADATA.XML".into());
            if child.is_empty() || self.subjects.iter().any(matches) {
                // Said already.
            } else if names && !self.header && self.subjects.len() < MAX_PERSONS {
                child.insert("role".into(), json!("enfant"));
                self.subjects.push(child);
            } else {
                about.rest.push(Beside { place: place(), value: Value::Object(child) });
            }
            let wrote = (std::mem::take(&mut about.declarant), about.number.take());
            let same = wrote.0.iter().all(|(key, value)| self.declarant.get(key) == Some(value))
                && wrote.1.as_ref().is_none_or(|_| wrote.1 == self.number);
            if same {
                // Said already.
            } else if names && !self.header && self.declarant.is_empty() {
                (self.declarant, self.number) = wrote;
            } else {
                about.rest.push(Beside { place: place(), value: json!({"author": wrote.0, "number": wrote.1}) });
            }
            let institution = if self.header { Vec::new() } else { about.institution };
            for one in about.rest.into_iter().chain(institution) {
                self.aside(one);
            }
        }
    }

    fn finish(mut self, context: &Context, otherwise: &str) -> Reading {
        if self.kind.is_none() {
            let place = Place::File("METADATA.XML".into());
            let detail = "Le type du document ne dit pas de quel échange il s’agit : il est lu comme ce que l’adresse reçoit.";
            self.report(place, "unknown-type", detail);
        }
        if self.ins {
            let detail = "Le matricule INS des métadonnées n’est pas repris : il ne circule qu’entre acteurs de santé.";
            self.report(Place::File("METADATA.XML".into()), "ins", detail);
        }
        let kind = self.kind.map_or_else(|| otherwise.to_owned(), str::to_owned);
        self.about(&kind);
        let mut fields = Map::new();
        for (code, title, text) in std::mem::take(&mut self.sections) {
            if !text.is_empty() {
                section::put(&mut fields, &kind, Some(code), &title, &text);
            }
        }
        if kind != "reponse-information" {
            if let Some(number) = &self.number {
                health::append(&mut fields, "payload.constats_sante.auteur", number);
            }
            if !self.declarant.is_empty()
                && let Value::Object(payload) = fields.entry("payload").or_insert_with(|| Value::Object(Map::new()))
            {
                payload.insert("declarant".into(), Value::Object(std::mem::take(&mut self.declarant)));
            }
        }
        let mut envelope = health::route(&kind, context);
        envelope.extend(fields);
        if health::names_persons(&kind) && !self.subjects.is_empty() {
            let named = self.subjects.into_iter().enumerate().map(|(n, mut subject)| {
                subject.insert("ref".into(), json!(format!("s{}", n + 1)));
                Value::Object(subject)
            });
            envelope.insert("subjects".into(), named.collect());
        }
        if !self.attachments.is_empty() {
            envelope.insert("attachments".into(), self.attachments.into_iter().map(Value::Object).collect());
        }
        let envelope = Value::Object(envelope);
        for (code, _) in self.hidden.unsaid(&envelope).codes() {
            let place = Place::File("METADATA.XML".into());
            self.beside.push(Beside { place: place.clone(), value: json!(code) });
            self.reported.push(Finding { place, code: "hidden", detail: health::HIDDEN.into(), cure: Some(health::HIDDEN_CURE.into()) });
        }
        Reading { letters: vec![Letter { envelope, attachments: self.files, beside: self.beside }], reported: self.reported }
    }

    /// Keeps a metadatum beside, and says so.
    fn aside(&mut self, one: Beside) {
        let detail = "Cette métadonnée n’est pas reprise dans l’échange ; elle est gardée à part.";
        self.report(one.place.clone(), "not-taken", detail);
        if metadata::texts(&one.value).into_iter().any(has_nir) {
            self.reported.push(Forbidden::InText.finding(one.place.clone()));
        }
        self.beside.push(one);
    }

    fn tree(&mut self, file: &File) -> Result<Element, Refused> {
        let (root, tolerated) = elements::tree(&file.bytes, LIMITS)?;
        for one in tolerated {
            self.report(archive::place(file), one.code, &one.detail);
        }
        Ok(root)
    }

    fn not_xml(&mut self, place: Place, why: Refused) {
        for one in why.0 {
            self.report(place.clone(), one.code, &format!("{} Il n’est pas lu.", one.detail));
        }
    }

    fn report(&mut self, place: Place, code: &'static str, detail: &str) {
        if self.reported.len() < MAX_FINDINGS {
            self.reported.push(Finding { place, code, detail: detail.into(), cure: None });
        }
    }
}

/// Whether two descriptions are of one person: the same names and birth date, whatever else one of them adds.
fn is_same(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    ["birth_name", "given_names", "birth_date", "role"].iter().all(|key| one.get(*key) == other.get(*key))
}

/// Whether a name is this one, whatever its folders.
fn is(name: &str, known: &str) -> bool {
    archive::last(name).eq_ignore_ascii_case(known)
}

fn ends_with(name: &str, ending: &str) -> bool {
    name.len().checked_sub(ending.len()).and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

/// The media type that the ending of a name stands for.
fn guess(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("xml") => "text/xml",
        Some("pdf") => "application/pdf",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// How much of a file of XML is read: a document may hold another file in one text.
const LIMITS: Limits = Limits { bytes: 64 << 20, depth: 64, elements: 100_000, text: 64 << 20 };
/// How many persons are taken out of an archive.
const MAX_PERSONS: usize = 100;
/// How many findings one archive may have.
const MAX_FINDINGS: usize = 500;
/// Of which class a file of a hospital is.
const HEALTH: &str = "sante";
