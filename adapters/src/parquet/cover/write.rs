//! The sheet written from an exchange, for a partner that reads it.

use std::borrow::Cow;
use std::io;

use serde_json::Value;

use super::rows::{CHILD, ROWS, split_natinf};
use super::{NAMESPACE, Nature, SHEET};
use crate::parquet::source::{Form, Source};
use crate::parquet::xml;
use crate::reading::{Finding, Place};

/// A sheet, filled in.
pub struct Sheet {
    /// `bordereau.xml`.
    pub xml: Vec<u8>,
    /// What the exchange says and the sheet has no element for.
    pub left_out: Vec<Finding>,
    pub(super) nature: Nature,
    /// Element and value.
    pub(super) values: Vec<(&'static str, String)>,
    pub(super) children: Vec<Vec<(&'static str, String)>>,
}

/// Fills the sheet in. Nothing for an exchange of another type than `soit-transmis` and `suites-judiciaires`.
pub fn write(envelope: &Value) -> Option<Sheet> {
    let kind = envelope.pointer("/type").and_then(Value::as_str)?;
    let titled = envelope.pointer("/attachments/0/title").and_then(Value::as_str);
    let nature = Nature::ALL.into_iter().find(|nature| nature.kind() == kind && Some(nature.title()) == titled);
    let nature = match (nature, kind) {
        (Some(nature), _) => nature,
        (None, "soit-transmis") => Nature::SoitTransmis,
        (None, "suites-judiciaires") => Nature::AvisDeSuites,
        (None, _) => return None,
    };
    let mut source = Source::new(envelope);
    let values = values(&mut source, kind);
    let children: Vec<Vec<(&str, String)>> = (0..source.count("/subjects")).filter_map(|index| child(&mut source, index)).collect();
    let xml = document(nature, &values, &children).ok()?;
    let mut left_out = left_out(&mut source);
    let unwritable = |(_, value): &(&str, String)| matches!(xml::allowed(value), Cow::Owned(_));
    if values.iter().chain(children.iter().flatten()).any(unwritable) {
        left_out.push(Finding {
            place: Place::File(SHEET.to_owned()),
            code: "control-character",
            detail: "Des caractères que XML ne peut écrire sont remplacés dans le bordereau.".to_owned(),
            cure: None,
        });
    }
    Some(Sheet { xml, left_out, nature, values, children })
}

/// Element and value, in the order of the sheet.
fn values(source: &mut Source<'_>, kind: &str) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    let offences = ROWS.iter().find(|row| row.element == "faits").and_then(|row| source.text(row.place(kind))).unwrap_or_default();
    let (natinf, facts) = split_natinf(&offences);
    for row in ROWS.iter().filter(|row| !row.place(kind).is_empty()) {
        let place = row.place(kind);
        match row.element {
            "natinf" => values.extend(natinf.iter().map(|code| (row.element, (*code).to_owned()))),
            "faits" => values.extend((!facts.trim().is_empty()).then(|| (row.element, facts.to_owned()))),
            _ if row.many => {
                values.extend((0..source.count(place)).filter_map(|index| Some((row.element, source.text(&format!("{place}/{index}"))?))))
            }
            _ => values.extend(source.take(place, Form::Plain).map(|value| (row.element, value))),
        }
    }
    values
}

fn child(source: &mut Source<'_>, index: usize) -> Option<Vec<(&'static str, String)>> {
    let at = format!("/subjects/{index}");
    if source.peek(&format!("{at}/role")).as_deref() != Some("enfant") {
        return None;
    }
    source.tick(&format!("{at}/role"));
    source.tick(&format!("{at}/ref"));
    let mut values = Vec::new();
    for (element, name, ..) in CHILD {
        let at = format!("{at}/{name}");
        match source.count(&at) {
            0 => values.extend(source.text(&at).map(|value| (*element, value))),
            count => values.extend((0..count).filter_map(|index| Some((*element, source.text(&format!("{at}/{index}"))?)))),
        }
    }
    Some(values)
}

fn document(nature: Nature, values: &[(&str, String)], children: &[Vec<(&str, String)>]) -> io::Result<Vec<u8>> {
    xml::document(|writer| {
        writer.create_element("bordereau").with_attributes([("xmlns", NAMESPACE), ("version", "1")]).write_inner_content(|writer| {
            xml::element(writer, "nature", nature.code())?;
            for (element, value) in values {
                xml::element(writer, element, value)?;
            }
            for child in children {
                writer
                    .create_element("enfant")
                    .write_inner_content(|writer| child.iter().try_for_each(|(element, value)| xml::element(writer, element, value)))?;
            }
            Ok(())
        })?;
        Ok(())
    })
}

/// One finding for each person or part of the exchange of which something has no element.
fn left_out(source: &mut Source<'_>) -> Vec<Finding> {
    // What addresses the exchange is the channel's; an answer is named by `reference`.
    for at in ["/type", "/sender", "/recipient", "/purpose", "/legal_basis", "/attachments", "/in_reply_to"] {
        source.tick(at);
    }
    let mut places: Vec<String> =
        source.remaining().map(|at| at.segments().iter().take(1).map(|segment| format!("/{segment}")).collect()).collect();
    places.dedup();
    let known =
        |place: &String| ["/payload", "/subjects", "/information", "/urgency", "/case", "/exclus", "/agreement"].contains(&place.as_str());
    let at = |place: String| Place::Path(if known(&place) { place } else { "/".to_owned() });
    places
        .into_iter()
        .map(|place| Finding {
            place: at(place),
            code: "no-element",
            detail: "Le bordereau n’a pas d’élément pour une partie de ces données : elles n’y figurent pas.".to_owned(),
            cure: Some("Les porter dans le document lui-même.".to_owned()),
        })
        .collect()
}
