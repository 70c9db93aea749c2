//! An archive becomes one letter: its documents are the files, the headers of its CDA say who it is about and who wrote.

use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::{
    archive::{self, File},
    cda::{self, Document},
    metadata::{self, Described},
    tree::{self, NotXml},
};
use crate::{
    health::{self, Context, Hidden, section},
    reading::{Beside, Finding, Letter, Place, Reading, Refused},
};

/// Reads `IHE_XDM.zip`. `otherwise` is the exchange type that the address stands for to which the mail came: it counts where no
/// type code is one of ours, which is told.
///
/// # Errors
/// [`Refused`] when the bytes are not an archive, or one that no honest software writes: files that leave it, two of one name,
/// more or larger ones than any mail carries.
pub fn read(bytes: &[u8], context: &Context, otherwise: &str) -> Result<Reading, Refused> {
    // 1. The files, and what the metadata say of them.
    let mut files = archive::read(bytes)?;
    let mut reader = Reader::default();
    let described = reader.metadata(&files);
    // 2. Every document is a file of the exchange: in the order of the metadata, then those that nothing describes.
    let mut taken = vec![false; files.len()];
    for (folder, document) in &described {
        reader.described(&mut files, &mut taken, folder, document);
    }
    let left = |(n, file): &(usize, &mut File)| !taken.get(*n).is_some_and(|taken| *taken) && !is_furniture(&file.name);
    for (n, file) in files.iter_mut().enumerate().filter(left) {
        reader.report(
            archive::place(n, &file.name),
            "not-described",
            "Rien ne décrit ce fichier dans les métadonnées : il est joint tel quel.",
        );
        reader.file(n, file, None);
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
        for (n, file) in files.iter().enumerate().filter(|(_, file)| ends_with(&file.name, "METADATA.XML")) {
            let folder = file.name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            match tree::read(&file.bytes) {
                Ok(root) => {
                    let metadata = metadata::read(&root);
                    self.hidden.guardians |= metadata.hidden.guardians;
                    self.hidden.patient |= metadata.hidden.patient;
                    self.ins |= metadata.ins;
                    for one in &metadata.beside {
                        self.report(
                            one.place.clone(),
                            "not-taken",
                            "Cette métadonnée n’est pas reprise dans l’échange ; elle est gardée à part.",
                        );
                    }
                    self.beside.extend(metadata.beside);
                    described.extend(metadata.documents.into_iter().map(|document| (folder.clone(), document)));
                }
                Err(why) => self.not_xml(archive::place(n, &file.name), why),
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

    fn described(&mut self, files: &mut [File], taken: &mut [bool], folder: &str, document: &Described) {
        self.kind = self.kind.or(document.kind);
        let name = format!("{folder}{}", document.uri.trim_start_matches("./").replace('\\', "/"));
        let found = files.iter_mut().enumerate().find(|(_, file)| file.name.eq_ignore_ascii_case(&name) && !document.uri.is_empty());
        let Some((n, file)) = found else {
            let place = Place::Element { line: document.line, name: "ExtrinsicObject".into() };
            self.report(place, "file-not-there", "Le document que les métadonnées décrivent n’est pas dans l’archive.");
            return;
        };
        match taken.get_mut(n) {
            Some(taken) if !*taken => *taken = true,
            // Described twice: once is enough.
            _ => return,
        }
        let place = archive::place(n, &file.name);
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
        self.file(n, file, Some(document));
    }

    /// One file: kept as it is, and looked into where it is a CDA.
    fn file(&mut self, n: usize, file: &mut File, document: Option<&Described>) {
        let last = file.name.rsplit('/').next().unwrap_or_default();
        let mut about = Map::from_iter([
            ("name".to_owned(), json!(last)),
            ("class".to_owned(), json!(HEALTH)),
            ("size".to_owned(), json!(file.bytes.len())),
            ("media_type".to_owned(), json!(document.and_then(|document| document.media_type.as_deref()).unwrap_or_else(|| guess(last)))),
        ]);
        let title = document.and_then(|document| document.title.clone());
        about.extend(title.map(|title| ("title".to_owned(), json!(title))));
        let title = about.get("title").cloned();
        self.attachments.push(about);
        let xml = document.and_then(|document| document.media_type.as_deref()).is_some_and(|media_type| media_type.ends_with("xml"));
        if xml || ends_with(last, ".XML") {
            match tree::read(&file.bytes).map(|root| cda::read(&root)) {
                Ok(Some(document)) => self.document(n, &file.name, document, title),
                Ok(None) => {}
                Err(why) => self.not_xml(archive::place(n, &file.name), why),
            }
        }
        self.files.push(std::mem::take(&mut file.bytes));
    }

    fn document(&mut self, n: usize, name: &str, document: Document, title: Option<Value>) {
        let place = archive::place(n, name);
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
            Some(Ok((media_type, bytes))) => self.wrapped.push((title, media_type, bytes)),
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

    fn not_xml(&mut self, place: Place, why: NotXml) {
        let (code, detail) = match why {
            NotXml::Malformed => ("not-xml", "Ce fichier n’est pas du XML bien formé en UTF-8 : il n’est pas lu."),
            NotXml::Doctype => ("doctype", "Ce fichier déclare un type de document (DTD) : il n’est pas lu."),
            NotXml::TooLarge => ("too-large", "Ce fichier a trop d’éléments ou trop de niveaux : il n’est pas lu."),
        };
        self.report(place, code, detail);
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

/// What describes the archive itself.
fn is_furniture(name: &str) -> bool {
    ["METADATA.XML", "INDEX.HTM", "README.TXT"].iter().any(|known| ends_with(name, known))
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

/// How many persons are taken out of an archive.
const MAX_PERSONS: usize = 100;
/// How many findings one archive may have.
const MAX_FINDINGS: usize = 500;
/// Of which class a file of a hospital is.
const HEALTH: &str = "sante";
