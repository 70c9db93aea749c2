//! A document as its reader may see it, as an archive for a secure mail: a CDA that says it in words, and a PDF where there is one.

use exchange::{Instant, document::Leaves};
use serde_json::{Map, Value};

use super::{
    SECTION, TYPE, archive,
    metadata::{self, Entry, Submission},
};
use crate::{
    elements::escaped,
    health::{self, Hidden},
    reading::{Finding, Place, Refused},
};

mod person;

/// What a document does not say of its archive.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// A UUID of this archive: the id of the delivery.
    pub id: &'a str,
    /// When it was made.
    pub at: Instant,
    /// Who sends, for people: the name of the institution.
    pub from: &'a str,
    /// Title of the document, for people. Names nobody: it stands in lists.
    pub title: &'a str,
}

/// A file that goes with a document into its archive.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a> {
    /// Its media type.
    pub media_type: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// Writes the archive of a document. `joined` are its files, and the document typeset where the caller has it: they get names and
/// titles that name nobody, and are hidden from whom the document is hidden (R55).
///
/// # Errors
/// [`Refused`] when the id is not a UUID, or the files are too large for an archive.
pub fn write(document: &Value, issue: &Issue<'_>, joined: &[Joined<'_>]) -> Result<Vec<u8>, Refused> {
    let oid = oid(issue.id).ok_or_else(|| refused("bad-id", "L’identifiant de l’archive n’est pas un UUID."))?;
    let time: String = issue.at.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    let hidden = Hidden::of(document);
    let kind = document.get("type").and_then(Value::as_str).unwrap_or_default();
    let cda = cda(document, issue, &time, kind, hidden).into_bytes();
    let patient = format!("s1^^^&{oid}&ISO");
    let submission = Submission { kind, oid: &oid, time: &time, from: issue.from, patient: &patient, hidden };
    let mut entries = vec![Entry { uri: "DOC0001.XML".into(), title: issue.title, media_type: "text/xml", bytes: &cda }];
    entries.extend((2..).zip(joined).map(|(n, file)| Entry {
        uri: format!("DOC{n:04}.{}", ending(file.media_type)),
        title: issue.title,
        media_type: file.media_type,
        bytes: file.bytes,
    }));
    let metadata = metadata::write(&submission, &entries).into_bytes();
    let uris: Vec<String> = entries.iter().map(|entry| entry.uri.clone()).collect();
    let index = index(&uris);
    let paths: Vec<String> = uris.iter().map(|uri| format!("IHE_XDM/SUBSET01/{uri}")).collect();
    let mut files = vec![("INDEX.HTM", index.as_bytes()), ("README.TXT", README.as_bytes())];
    files.push(("IHE_XDM/SUBSET01/METADATA.XML", &metadata));
    files.extend(paths.iter().map(String::as_str).zip(entries.iter().map(|entry| entry.bytes)));
    archive::write(&files).map_err(|_| refused("too-large", "Les fichiers sont trop volumineux pour une archive."))
}

/// The document in CDA R2 with the header of the CI-SIS.
fn cda(document: &Value, issue: &Issue<'_>, time: &str, kind: &str, hidden: Hidden) -> String {
    let mut rest = document.as_object().cloned().unwrap_or_default();
    rest.values_mut().for_each(health::mask);
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\n<realmCode code=\"FR\"/>\n");
    out.push_str("<typeId root=\"2.16.840.1.113883.1.3\" extension=\"POCD_HD000040\"/>\n");
    out.push_str(&format!("<id root=\"{}\"/>\n<code code=\"{}\" codeSystem=\"{TYPE}\"/>\n", escaped(issue.id), escaped(kind)));
    out.push_str(&format!("<title>{}</title>\n<effectiveTime value=\"{time}+0000\"/>\n", escaped(issue.title)));
    // CDA has one code here: N. From whom the document is hidden stands in the metadata, which is where the CI-SIS looks for it.
    out.push_str("<confidentialityCode code=\"N\" codeSystem=\"2.16.840.1.113883.5.25\"/>\n<languageCode code=\"fr-FR\"/>\n");
    let mut sections = sections(&mut rest);
    let persons = person::take(&mut rest);
    out.push_str(&persons.record_target(issue.id));
    out.push_str(&person::author(&mut rest, time, issue.from));
    out.push_str(&format!(
        "<custodian><assignedCustodian><representedCustodianOrganization><id nullFlavor=\"UNK\"/><name>{}</name>\
         </representedCustodianOrganization></assignedCustodian></custodian>\n",
        escaped(issue.from)
    ));
    out.push_str(&persons.participants());
    sections.extend(others(&rest, &persons.left, hidden));
    out.push_str("<component><structuredBody>\n");
    for Section { code, title, text } in &sections {
        let code = code.map(|code| format!("<code code=\"{code}\" codeSystem=\"{SECTION}\"/>")).unwrap_or_default();
        let text = escaped(text).replace("&#10;", "<br/>");
        out.push_str(&format!(
            "<component><section>{code}<title>{}</title><text><paragraph>{text}</paragraph></text></section></component>\n",
            escaped(title)
        ));
    }
    out.push_str("</structuredBody></component>\n</ClinicalDocument>\n");
    out
}

struct Section {
    code: Option<&'static str>,
    title: String,
    text: String,
}

/// The texts of a payload that have a section of their own.
fn sections(rest: &mut Map<String, Value>) -> Vec<Section> {
    let mut sections = Vec::new();
    let Some(Value::Object(payload)) = rest.get_mut("payload") else { return sections };
    for (list, key, code, title) in
        [("faits", "texte", "faits", "Faits"), ("propos_enfant", "verbatim", "propos-enfant", "Propos de l’enfant")]
    {
        let Some(Value::Array(items)) = payload.remove(list) else { continue };
        for item in items {
            let Value::Object(mut item) = item else { continue };
            let text = taken(&mut item, key).unwrap_or_default();
            // What goes with the words stands in their heading.
            let about: Vec<_> = item.values().filter_map(Value::as_str).collect();
            let title = if about.is_empty() { title.to_owned() } else { format!("{title} ({})", about.join(", ")) };
            sections.push(Section { code: Some(code), title, text });
        }
    }
    if let Some(Value::Array(needs)) = payload.get("besoins_soins") {
        let needs = needs.iter().filter_map(Value::as_str);
        sections.extend(needs.map(|need| Section { code: Some("besoins-soins"), title: "Besoins de soins".into(), text: need.into() }));
        payload.remove("besoins_soins");
    }
    for (path, code, title) in TEXTS {
        let text = match path.split_once('.') {
            Some((step, key)) => payload.get_mut(step).and_then(Value::as_object_mut).and_then(|below| taken(below, key)),
            None => taken(payload, path),
        };
        sections.extend(text.map(|text| Section { code: Some(code), title: title.into(), text }));
    }
    sections
}

/// Everything else by its path, so that nothing the reader may see is missing; and what the reader may not.
fn others(rest: &Map<String, Value>, persons: &[Value], hidden: Hidden) -> Vec<Section> {
    let mut rest = rest.clone();
    let withheld = rest.remove("withheld");
    for known in ["delivery", "exchange", "type", "sender", "recipient", "accepted_at", "incomplete", "legal_basis"] {
        rest.remove(known);
    }
    let lines = |value: &Value| -> Vec<String> {
        Leaves::of(value)
            .iter()
            .map(|(at, value)| format!("{} : {}", at.path(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect()
    };
    let mut form = lines(&Value::Object(rest));
    form.extend(persons.iter().flat_map(lines));
    form.extend(hidden.codes().map(|(_, shown)| shown.to_owned()));
    let mut sections = Vec::new();
    if !form.is_empty() {
        sections.push(Section { code: None, title: "Autres éléments".into(), text: form.join("\n") });
    }
    let withheld: Vec<_> = withheld.as_ref().and_then(Value::as_array).into_iter().flatten().map(part).collect();
    if !withheld.is_empty() {
        sections.push(Section { code: None, title: "Éléments non communiqués".into(), text: withheld.join("\n") });
    }
    sections
}

/// One thing that was withheld, with why.
fn part(withheld: &Value) -> String {
    let part = withheld.get("part").and_then(Value::as_str).unwrap_or_default();
    let reasons = withheld.get("reasons").and_then(Value::as_array).into_iter().flatten();
    let reasons: Vec<_> = reasons.filter_map(|reason| reason.get("explain")?.as_str()).collect();
    format!("{part} : {}", reasons.join(" "))
}

/// Takes a text that says something.
fn taken(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    map.get(key)?.as_str().filter(|text| !text.trim().is_empty())?;
    map.remove(key).and_then(|text| text.as_str().map(str::to_owned))
}

/// The OID of a UUID (ITU-T X.667).
fn oid(id: &str) -> Option<String> {
    let shape = id.len() == 36
        && id.bytes().enumerate().all(|(n, b)| if matches!(n, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() });
    shape.then(|| u128::from_str_radix(&id.replace('-', ""), 16).ok()).flatten().map(|number| format!("2.25.{number}"))
}

/// What the name of a file ends in, for programs that go by it.
fn ending(media_type: &str) -> &'static str {
    match media_type.split(';').next().unwrap_or_default().trim() {
        "application/pdf" => "PDF",
        "image/jpeg" => "JPG",
        "image/png" => "PNG",
        "text/plain" => "TXT",
        "text/xml" | "application/xml" => "XML",
        _ => "BIN",
    }
}

fn index(uris: &[String]) -> String {
    let link = |(n, uri): (usize, &String)| format!("<li><a href=\"IHE_XDM/SUBSET01/{uri}\">Document {n}</a></li>");
    let links: String = (1..).zip(uris).map(link).collect();
    format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML Basic 1.0//EN\" \"http://www.w3.org/TR/xhtml-basic/xhtml-basic10.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>IHE_XDM</title></head><body><ul>{links}</ul></body></html>\n"
    )
}

fn refused(code: &'static str, detail: &str) -> Refused {
    Refused(vec![Finding { place: Place::Whole, code, detail: detail.into(), cure: None }])
}

/// Fields whose text is a section: path, code, heading.
const TEXTS: [(&str, &str, &str); 7] = [
    ("constats_sante.texte", "constats-sante", "Constats de santé"),
    ("composition_foyer", "composition-foyer", "Composition du foyer"),
    ("situation_familiale", "situation-familiale", "Situation familiale"),
    ("motif_urgence", "motif-urgence", "Motif d’urgence"),
    ("resume", "resume", "Résumé"),
    ("texte_libre", "texte-libre", "Texte libre"),
    ("extrait_sante.texte", "extrait-sante", "Extrait de santé"),
];

const README: &str = "Archive IHE XDM écrite par Passerelle (échanges de la protection de l’enfance).\n\
    Ouvrez INDEX.HTM, ou intégrez IHE_XDM/SUBSET01 dans votre logiciel.\n";
