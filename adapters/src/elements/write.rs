//! A tree as a file.

use super::Element;
use crate::reading::{Finding, Place, Refused};

/// Writes a file with this root, indented, in UTF-8.
///
/// # Errors
/// A character that XML 1.0 cannot hold, at its element.
pub fn write(root: &Element) -> Result<Vec<u8>, Refused> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    put(&mut out, root, 0)?;
    Ok(out.into_bytes())
}

fn put(out: &mut String, element: &Element, depth: usize) -> Result<(), Refused> {
    let holds = |text: &str| text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..));
    if !holds(&element.text) || !element.attributes.iter().all(|(_, value)| holds(value)) {
        let place = Place::Path(element.name.clone());
        return Err(Finding::new(place, "control-character", "Un caractère de commande ne peut pas être écrit en XML.").into());
    }
    let indent = "  ".repeat(depth);
    out.push_str(&format!("{indent}<{}", element.name));
    for (name, value) in &element.attributes {
        out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
    }
    if element.children.is_empty() {
        out.push_str(&format!(">{}</{}>\n", escaped(&element.text), element.name));
        return Ok(());
    }
    out.push_str(">\n");
    for child in &element.children {
        put(out, child, depth + 1)?;
    }
    out.push_str(&format!("{indent}</{}>\n", element.name));
    Ok(())
}

/// Text as it may stand between tags and in an attribute: ends of lines are kept from the normalisation of XML, and what XML 1.0 has
/// no way to write becomes the replacement character.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            ' '..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}
