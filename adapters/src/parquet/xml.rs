//! XML as this room writes it: UTF-8, indented, no character that XML 1.0 forbids.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// A document with its declaration, and the content that `root` writes.
pub fn document(root: impl FnOnce(&mut Writer<Vec<u8>>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    root(&mut writer)?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

/// One element with text.
pub fn element(writer: &mut Writer<Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    writer.create_element(name).write_text_content(BytesText::new(&allowed(text)))?;
    Ok(())
}

/// The text with `U+FFFD` for each character that XML 1.0 has no way to write.
pub fn allowed(text: &str) -> Cow<'_, str> {
    let fine = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(fine) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().map(|c| if fine(c) { c } else { '\u{fffd}' }).collect())
    }
}
