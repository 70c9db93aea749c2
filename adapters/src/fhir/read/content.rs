//! What was said: the form, the Communication, the sections of a Composition.

use serde_json::{Value, json};

use super::{Entry, Reader, file::Binaries, take_type, type_of};
use crate::{
    fhir::{DANGER, SECTION, form, node::Node, write::URI},
    health::section,
};

impl Reader<'_> {
    /// A QuestionnaireResponse: the fields of the catalogue by their paths.
    pub(super) fn form(&mut self, mut node: Node<'_>) {
        form::read_items(&mut node, "", &mut self.fields);
        if node.peek_text("questionnaire").is_some_and(|questionnaire| questionnaire.starts_with("urn:passerelle:fhir:questionnaire:")) {
            node.drop_all(&["questionnaire"]);
        }
        node.drop_if("status", &["completed", "amended"]);
        node.drop_all(&["authored"]);
        for key in ["subject", "author", "source", "encounter"] {
            self.resolve(&mut node, key);
        }
    }

    /// The Communication: one for a Bundle, the one that says the type of the exchange, else the first. Another one is another
    /// exchange, and stays beside.
    pub(super) fn communication(&mut self, entries: &mut [Entry], binaries: &mut Binaries) {
        let mut all = Vec::new();
        for (n, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.kind == "Communication") {
            if !self.taken_back(entry) {
                all.push((n, entry.at.clone(), entry.resource.get("category").and_then(type_of) == Some(self.kind)));
            }
        }
        let chosen = all.iter().position(|(_, _, says)| *says).unwrap_or(0);
        if all.is_empty() {
            return;
        }
        let (n, ..) = all.remove(chosen);
        let Some(mut node) = entries.get_mut(n).map(Entry::node) else { return };
        self.labels(&mut node, "meta", "security");
        node.drop_if("status", &["completed", "in-progress"]);
        node.drop_all(&["sent", "received"]);
        let kind = self.kind;
        node.each("category", |_, mut category| category.each("coding", |_, mut coding| take_type(&mut coding, kind)));
        self.urgency(&mut node);
        self.answered(&mut node);
        self.dangers(&mut node);
        self.party(&mut node, "sender", true);
        self.party(&mut node, "recipient", false);
        for key in ["subject", "encounter", "about"] {
            self.resolve(&mut node, key);
        }
        node.each("payload", |_, mut part| {
            if let Some(text) = part.text("contentString") {
                self.say(&part.at, section::free_text(self.kind), &text);
            }
            self.resolve(&mut part, "contentReference");
            if let Some(attachment) = part.child("contentAttachment") {
                self.file(attachment, None, binaries);
            }
            part.drop_all(&["id"]);
        });
        for (_, at, _) in all {
            self.rest.report(
                &at,
                "second-exchange",
                "Un Bundle porte un seul échange : cette Communication n’en est pas. Envoyez-la seule.",
            );
        }
    }

    fn urgency(&mut self, node: &mut Node<'_>) {
        let urgency = match node.peek_text("priority") {
            Some("stat") => "immediate",
            Some("asap" | "urgent") => "priority",
            Some("routine") => "ordinary",
            _ => return,
        };
        node.drop_all(&["priority"]);
        self.fields.insert("urgency".into(), json!(urgency));
    }

    /// The exchange that this one answers, by its id of the gateway.
    fn answered(&mut self, node: &mut Node<'_>) {
        let fields = &mut self.fields;
        node.each("inResponseTo", |_, mut reference| {
            let identifier =
                reference.peek("identifier").filter(|identifier| identifier.get("system").and_then(Value::as_str) == Some(URI));
            let address =
                identifier.and_then(|identifier| identifier.get("value")).and_then(Value::as_str).or(reference.peek_text("reference"));
            let id = address.and_then(|address| address.strip_prefix("urn:uuid:")).filter(|id| id.parse::<exchange::ExchangeId>().is_ok());
            if let Some(id) = id.map(str::to_owned).filter(|_| !fields.contains_key("in_reply_to")) {
                fields.insert("in_reply_to".into(), json!(id));
                reference.drop_all(&["reference", "type", "display"]);
                if let Some(mut identifier) = reference.child("identifier") {
                    identifier.drop_all(&["use", "system", "value"]);
                }
            }
        });
    }

    /// What is feared, by codes of the catalogue.
    fn dangers(&mut self, node: &mut Node<'_>) {
        if self.kind == "reponse-information" {
            return;
        }
        node.each("reasonCode", |_, mut reason| {
            reason.each("coding", |_, mut coding| {
                if coding.peek_text("system") == Some(DANGER)
                    && let Some(code) = coding.text("code")
                {
                    self.add(&coding.at, "types_danger", json!(code));
                    coding.drop_all(&["system", "display", "version", "userSelected"]);
                }
            });
        });
    }

    /// A document with sections.
    pub(super) fn composition(&mut self, mut node: Node<'_>) {
        if let Some(mut kind) = node.child("type") {
            let code = self.kind;
            kind.each("coding", |_, mut coding| take_type(&mut coding, code));
        }
        node.drop_if("status", &["final", "amended"]);
        // N says nothing that an exchange of this kind does not say better; R and V are R55's matter, and stay to be seen.
        node.drop_if("confidentiality", &["N"]);
        node.drop_all(&["date"]);
        self.resolve(&mut node, "subject");
        self.resolve(&mut node, "custodian");
        self.resolve(&mut node, "encounter");
        let author = self.resolve(&mut node, "author");
        self.author = self.author.or(author);
        self.sections(&mut node, None, "", 0);
    }

    /// The sections below a node, under the code and the headings of those above them. Whether anything was said.
    fn sections(&mut self, node: &mut Node<'_>, inherited: Option<&'static str>, above: &str, depth: usize) -> bool {
        let mut any = false;
        node.each("section", |_, mut part| {
            let mut code = None;
            if let Some(mut concept) = part.child("code") {
                concept.each("coding", |_, mut coding| {
                    let ours = coding.peek_text("system") == Some(SECTION);
                    if let Some(known) = coding.peek_text("code").filter(|_| ours && code.is_none()).and_then(section::known) {
                        code = Some(known);
                        coding.drop_all(&["system", "code", "display", "version", "userSelected"]);
                    }
                });
            }
            let at = part.at.clone();
            let title = part.text("title").unwrap_or_default();
            let titled = section::titled(&title);
            // The child's words are a class of their own, which no other words share: a plain heading over them counts as their code.
            if code.is_none() && titled == Some(WORDS) {
                if inherited != titled {
                    let detail = "Cette section n’a pas de code : elle est lue comme les propos de l’enfant, d’après son titre.";
                    self.rest.report(&at, "section-by-title", detail);
                }
                code = titled;
            }
            // A heading that only says what the code says is no word of the sender.
            let plain_title = code.is_some() && (titled == code || title.trim().is_empty());
            let heading = match (above, title.trim()) {
                (above, _) if plain_title => above.to_owned(),
                (above, "") => above.to_owned(),
                ("", title) => title.to_owned(),
                (above, title) => format!("{above} – {title}"),
            };
            let code = code.or(inherited);
            let said = part.child("text").and_then(|mut narrative| {
                let text = narrative.peek_text("div").and_then(plain)?;
                narrative.drop_all(&["div", "status", "id"]);
                Some(text)
            });
            let mut spoke = said.as_ref().is_some_and(|text| self.section(&at, code, &heading, text.trim()));
            self.resolve(&mut part, "entry");
            part.drop_all(&["id"]);
            if depth < MAX_SECTIONS {
                spoke |= self.sections(&mut part, code, &heading, depth + 1);
            }
            if !spoke && !title.trim().is_empty() {
                // A heading over nothing is a text.
                spoke = self.section(&at, code, above, title.trim());
            }
            any |= spoke;
        });
        any
    }

    /// One text under its heading; whether there is one.
    fn section(&mut self, at: &str, code: Option<&'static str>, heading: &str, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        if code.is_none() {
            self.rest.report(at, "unknown-section", "Le code de cette section n’est pas connu : elle est lue avec les constats de santé.");
        }
        // Where the field has room for a text alone, the heading stands above it.
        let text = if heading.is_empty() || !section::has_field(self.kind, code) { text.to_owned() } else { format!("{heading}\n{text}") };
        if !section::put(&mut self.fields, self.kind, code, heading, &text) {
            self.rest.keep(at.to_owned(), "", json!(text));
        }
        true
    }
}

/// The section of what the child said.
const WORDS: &str = "propos-enfant";
const MAX_SECTIONS: usize = 8;

/// The text of a narrative: paragraphs by lines, without markup. Nothing where the markup is not closed: it then stays as it is.
fn plain(div: &str) -> Option<String> {
    let mut text = String::with_capacity(div.len());
    let mut rest = div;
    while let Some((before, markup)) = rest.split_once('<') {
        unescape(before, &mut text)?;
        let (tag, after) = markup.split_once('>')?;
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        // A picture or a link says more than its text.
        if matches!(name, "img" | "a") {
            return None;
        }
        if matches!(name, "br" | "p" | "div" | "li" | "tr" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
            && !text.is_empty()
            && !text.ends_with('\n')
        {
            text.push('\n');
        } else if matches!(name, "td" | "th") && !text.ends_with(['\n', ' ']) && !text.is_empty() {
            text.push(' ');
        }
        rest = after;
    }
    unescape(rest, &mut text)?;
    Some(text.trim().to_owned())
}

/// The five entities of XML, those of numbers, and the blank; another one is none of XHTML’s that FHIR allows without a DTD.
fn unescape(from: &str, to: &mut String) -> Option<()> {
    let mut rest = from;
    while let Some((before, entity)) = rest.split_once('&') {
        to.push_str(before);
        let (name, after) = entity.split_once(';')?;
        let number = name.strip_prefix('#').map(|number| match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
            None => number.parse().ok().and_then(char::from_u32),
        });
        to.push(match (name, number) {
            ("amp", _) => '&',
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("quot", _) => '"',
            ("apos", _) => '\'',
            ("nbsp", _) => '\u{a0}',
            (_, number) => number??,
        });
        rest = after;
    }
    to.push_str(rest);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrative_is_read_without_its_markup() {
        let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Dit &#171;&#160;j&apos;ai peur&#160;&#187;.</p><ul><li>un</li><li>deux &lt; trois</li></ul></div>";
        assert_eq!(plain(div).as_deref(), Some("Dit «\u{a0}j'ai peur\u{a0}».\nun\ndeux < trois"));
        assert_eq!(plain("<div>sans fin"), Some("sans fin".into()));
        assert_eq!(plain("<div"), None);
        assert_eq!(plain("<div>&inconnu;</div>"), None);
        assert_eq!(plain("<div><img src=\"#photo\"/></div>"), None);
    }
}
