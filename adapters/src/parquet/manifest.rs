//! `manifeste.xml`: what a deposit holds, so that whoever opens it can check that nothing is missing or changed. Names no child.

use std::io;

use serde_json::Value;

use super::source::branch;
use super::{Deposit, PackedFile, words, xml};

/// Namespace of the manifest; `manifeste.xsd` in this room is its schema.
pub const NAMESPACE: &str = "urn:passerelle:parquet:manifeste:1";

/// The manifest of a deposit, in the order of its files.
pub fn write(deposit: &Deposit<'_>, files: &[PackedFile]) -> io::Result<Vec<u8>> {
    let code = |at: &str| deposit.document.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let (branch, _) = branch(deposit.document);
    let urgency = if super::source::known(words::URGENCY, code("/urgency")) { code("/urgency") } else { "priority" };
    xml::document(|writer| {
        writer.create_element("manifeste").with_attributes([("xmlns", NAMESPACE), ("version", "1")]).write_inner_content(|writer| {
            xml::element(writer, "reference", deposit.reference)?;
            xml::element(writer, "date", &deposit.dated.to_string())?;
            xml::element(writer, "expediteur", deposit.sender)?;
            xml::element(writer, "destinataire", deposit.recipient)?;
            xml::element(writer, "branche-l226-4", branch)?;
            xml::element(writer, "urgence", urgency)?;
            writer.create_element("fichiers").write_inner_content(|writer| {
                for (order, file) in files.iter().enumerate() {
                    let (order, size) = ((order + 1).to_string(), file.size.to_string());
                    let attributes = [
                        ("ordre", order.as_str()),
                        ("nom", &file.name),
                        ("type", &file.media_type),
                        ("taille", &size),
                        ("sha256", &file.sha256),
                    ];
                    writer.create_element("fichier").with_attributes(attributes).write_empty()?;
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    })
}
