//! The sheet as XML: text by element, with its line. Strict about XML, lenient about what stands in it.

use super::embedded::MAX_SHEET;
use super::rows::{CHILD, ROWS};
use super::{NAMESPACE, SHEET};
use crate::elements::{self, Element, Limits};
use crate::reading::{Finding, Place, Refused};

/// One value of a cover sheet and where it stood.
#[derive(Clone)]
pub struct Given {
    pub line: u64,
    /// The element's name where the format has it, else its position.
    pub name: String,
    pub value: String,
    /// Which child it is about.
    pub child: Option<usize>,
}

/// A cover sheet as text by element.
#[derive(Default)]
pub struct Parsed {
    pub fields: Vec<Given>,
    /// Elements and attributes that the format has not.
    pub odd: Vec<Given>,
    pub children: usize,
    /// What was tolerated: an old encoding.
    pub tolerated: Vec<Finding>,
}

/// Reads a cover sheet, by the rules of [`elements`] and in smaller bounds.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Finding> {
    let (root, tolerated) = elements::tree(bytes, LIMITS).map_err(unread)?;
    if known(&[], &root).is_none() {
        return Err(unread(Finding::new(Place::Line(root.line), "unknown-element", "Le fichier n’est pas un bordereau.").into()));
    }
    let mut walk = Walk { parsed: Parsed { tolerated, ..Parsed::default() }, elements: 0 };
    walk.element(&root, &mut Vec::new());
    Ok(walk.parsed)
}

struct Walk {
    parsed: Parsed,
    elements: usize,
}

impl Walk {
    fn element(&mut self, element: &Element, within: &mut Vec<Option<&'static str>>) {
        self.elements += 1;
        let name = known(within, element);
        let said = name.map_or_else(|| format!("élément n° {}", self.elements), str::to_owned);
        if name == Some("enfant") {
            self.parsed.children += 1;
        }
        for (position, (key, value)) in element.attributes.iter().enumerate() {
            let plain =
                matches!(key.as_str(), "schemaLocation" | "noNamespaceSchemaLocation") || (key == "version" && name == Some("bordereau"));
            if !plain {
                let name = format!("{said}/@n° {}", position + 1);
                self.parsed.odd.push(Given { line: element.line, name, value: value.clone(), child: None });
            }
        }
        let of_a_child = within.last() == Some(&Some("enfant"));
        within.push(name);
        element.children.iter().for_each(|child| self.element(child, within));
        within.pop();
        let Some(value) = element.said() else { return };
        let child = of_a_child.then(|| self.parsed.children - 1);
        let given = Given { line: element.line, name: said, value, child };
        match name {
            None | Some("bordereau" | "enfant") => self.parsed.odd.push(given),
            Some(_) => self.parsed.fields.push(given),
        }
    }
}

/// The name of an element that the format has where it stands.
fn known(within: &[Option<&'static str>], element: &Element) -> Option<&'static str> {
    let names: Vec<&'static str> = match within {
        [] => vec!["bordereau"],
        [Some("bordereau")] => ROWS.iter().map(|row| row.element).chain(["nature", "enfant"]).collect(),
        [Some("bordereau"), Some("enfant")] => CHILD.iter().map(|(element, ..)| *element).collect(),
        _ => Vec::new(),
    };
    names.into_iter().find(|known| *known == element.name && element.namespace.as_deref() == Some(NAMESPACE))
}

/// Why a sheet is not read: the paper is registered without it.
fn unread(why: Refused) -> Finding {
    let cure = "Le document est enregistré sans bordereau : le saisir à réception, ou le faire corriger.";
    let Some(first) = why.0.into_iter().next() else {
        return Finding::new(Place::File(SHEET.to_owned()), "not-xml", "Le bordereau n’est pas lu.").cured_by(cure);
    };
    let place = match first.place {
        Place::Line(line) | Place::Element { line, .. } => Place::Element { line, name: "bordereau".to_owned() },
        Place::Path(_) | Place::Cell { .. } | Place::File(_) | Place::Whole => Place::File(SHEET.to_owned()),
    };
    Finding::new(place, first.code, format!("{} Le bordereau n’est pas lu.", first.detail)).cured_by(cure)
}

const LIMITS: Limits = Limits { bytes: MAX_SHEET, depth: 8, elements: 2000, text: MAX_SHEET };
