//! Files: what a DocumentReference says of them, and their bytes from a Binary or from the attachment itself.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::{Entry, Reader};
use crate::{
    archive::file_name,
    fhir::{ATTACHMENT, CLASS, form, node::Node},
    reading::{Beside, Place},
};

/// The bytes of the Bundle by their entry, until a file takes them.
pub(super) type Binaries = BTreeMap<usize, Bytes>;

/// The bytes of a Binary with their media type.
pub(super) struct Bytes {
    media_type: Option<String>,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    /// Takes the bytes of every Binary.
    pub(super) fn binaries(&mut self, entries: &mut [Entry]) -> Binaries {
        let mut binaries = Binaries::new();
        for (n, entry) in entries.iter_mut().enumerate().filter(|(_, entry)| entry.kind == "Binary") {
            let mut node = entry.node();
            self.labels(&mut node, "meta", "security");
            if let Some(bytes) = self.bytes(&mut node) {
                self.resolve(&mut node, "securityContext");
                binaries.insert(n, Bytes { media_type: node.text("contentType"), bytes });
            }
        }
        binaries
    }

    fn bytes(&mut self, node: &mut Node<'_>) -> Option<Vec<u8>> {
        let plain: Vec<u8> = node.peek_text("data")?.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        match BASE64.decode(plain) {
            Ok(bytes) => {
                node.drop_all(&["data"]);
                Some(bytes)
            }
            Err(_) => {
                self.rest.report(
                    &node.path("data"),
                    "bad-base64",
                    "Ce fichier n’est pas encodé en base64 : il est gardé tel quel, à part.",
                );
                None
            }
        }
    }

    /// Every file that is described, then every one that is not.
    pub(super) fn documents(&mut self, entries: &mut [Entry], binaries: &mut Binaries) {
        for entry in entries.iter_mut().filter(|entry| entry.kind == "DocumentReference") {
            let mut node = entry.node();
            self.labels(&mut node, "meta", "security");
            let hidden = &mut self.hidden;
            node.each("securityLabel", |_, mut label| {
                label.each("coding", |_, mut coding| {
                    if coding.peek_text("code").is_some_and(|code| hidden.note(code)) {
                        coding.drop_all(&["system", "code", "display", "version", "userSelected"]);
                    }
                });
            });
            node.drop_if("status", &["current"]);
            node.drop_if("docStatus", &["final", "amended"]);
            node.drop_all(&["date"]);
            let mut class = None;
            node.each("category", |_, mut category| {
                category.each("coding", |_, mut coding| {
                    if coding.peek_text("system") == Some(CLASS) && class.is_none() {
                        class = coding.text("code");
                        coding.drop_all(&["system", "display", "version", "userSelected"]);
                    }
                });
            });
            for key in ["subject", "custodian", "authenticator", "author"] {
                self.resolve(&mut node, key);
            }
            node.each("content", |_, mut content| {
                if let Some(attachment) = content.child("attachment") {
                    self.file(attachment, class.as_deref(), binaries);
                }
            });
        }
        for (_, Bytes { media_type, bytes }) in std::mem::take(binaries) {
            let mut about = Map::from_iter([("class".to_owned(), json!(HEALTH)), ("size".to_owned(), json!(bytes.len()))]);
            about.extend(media_type.map(|media_type| ("media_type".to_owned(), json!(media_type))));
            self.attachments.push(about);
            self.files.push(bytes);
        }
    }

    /// One file. Without its bytes in the Bundle nothing of it is taken: nobody goes and fetches it.
    pub(super) fn file(&mut self, mut attachment: Node<'_>, class: Option<&str>, binaries: &mut Binaries) {
        let at = attachment.at.clone();
        let found = match self.bytes(&mut attachment) {
            Some(bytes) => Some(Bytes { media_type: None, bytes }),
            None => attachment.peek_text("url").and_then(|url| self.index.of_address(url)).and_then(|entry| binaries.remove(&entry)),
        };
        let Some(Bytes { media_type, bytes }) = found else {
            let detail = "Le fichier n’est pas dans le Bundle, ou y est déjà joint : il n’est pas repris.";
            self.rest.report(&at, "file-not-there", detail);
            return;
        };
        let mut about = Map::new();
        let media_type = attachment.text("contentType").or(media_type);
        about.extend(media_type.map(|media_type| ("media_type".to_owned(), json!(media_type))));
        about.extend(attachment.text("title").map(|title| ("title".to_owned(), json!(title))));
        about.insert("class".into(), json!(class.unwrap_or(HEALTH)));
        about.insert("size".into(), json!(bytes.len()));
        attachment.each("extension", |_, mut extension| {
            if extension.peek_text("url") == Some(ATTACHMENT) {
                form::read_leaves(&mut extension, &mut about, &["content"]);
            }
        });
        self.named(&at, &mut about);
        if attachment.peek("size").is_some_and(|size| size.as_u64() != u64::try_from(bytes.len()).ok()) {
            self.rest.report(&at, "bad-size", "La taille annoncée n’est pas celle du fichier.");
        } else {
            attachment.drop_all(&["size"]);
        }
        if attachment.peek_text("hash").is_some_and(|hash| hash != BASE64.encode(Sha1::digest(&bytes))) {
            self.rest.report(
                &at,
                "bad-hash",
                "L’empreinte annoncée n’est pas celle du fichier : il a changé en route ou a été mal décrit.",
            );
        } else {
            attachment.drop_all(&["hash"]);
        }
        attachment.drop_all(&["url", "language", "id"]);
        self.attachments.push(about);
        self.files.push(bytes);
    }

    /// Makes the name that a sender gave a file a harmless label; one that had to be changed is kept beside as it came.
    fn named(&mut self, at: &str, about: &mut Map<String, Value>) {
        let Some(Value::String(given)) = about.get("name").cloned() else { return };
        let label = file_name(&given);
        if label.as_ref() == Some(&given) {
            return;
        }
        match label {
            Some(label) => drop(about.insert("name".into(), json!(label))),
            None => drop(about.remove("name")),
        }
        self.rest.report(at, "bad-name", "Le nom de ce fichier ne convient pas : le fichier est joint sous un autre nom.");
        self.rest.beside.push(Beside { place: Place::Path(at.to_owned()), value: json!(given) });
    }
}

/// Of which class a file of a hospital is, unless it says another.
const HEALTH: &str = "sante";
