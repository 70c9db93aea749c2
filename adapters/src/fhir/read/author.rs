//! Who wrote: a Practitioner, with the PractitionerRole and the Organization that it is referred to by, becomes the declarant.

use serde_json::{Map, Value, json};

use super::{Entry, Reader};
use crate::{
    fhir::node::Node,
    health::identifier::{self, ID_NAT_PS, ID_NAT_STRUCT, finess, rpps},
};

impl Reader<'_> {
    /// The one who is referred to as author, or the only one there is. Others stay beside.
    pub(super) fn author(&mut self, entries: &mut [Entry]) {
        for entry in entries.iter_mut().filter(|entry| entry.kind == "Organization") {
            organization(&mut entry.node());
        }
        let Some((role, person)) = self.written_by(entries) else { return };
        // An answer names its author by an id of the directory, which the gateway knows better.
        if self.kind == "reponse-information" {
            return;
        }
        let mut declarant = match self.fields.get_mut("payload").and_then(|payload| payload.get_mut("declarant")) {
            Some(Value::Object(known)) => std::mem::take(known),
            // The form wrote something else there: it is kept, and this person stays beside.
            Some(_) => return,
            None => Map::new(),
        };
        if let Some(entry) = role.and_then(|n| entries.get_mut(n)) {
            let mut node = entry.node();
            for key in ["practitioner", "organization"] {
                self.resolve(&mut node, key);
            }
            if node.peek("active") == Some(&json!(true)) {
                node.drop_all(&["active"]);
            }
            function(&mut node, &mut declarant);
            telecom(&mut node, &mut declarant);
        }
        if let Some(entry) = person.and_then(|n| entries.get_mut(n)) {
            self.practitioner(&mut entry.node(), &mut declarant);
        }
        if !declarant.is_empty() {
            let payload = self.fields.entry("payload").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(payload) = payload {
                payload.insert("declarant".into(), Value::Object(declarant));
            }
        }
    }

    fn practitioner(&mut self, node: &mut Node<'_>, declarant: &mut Map<String, Value>) {
        if node.peek("active") == Some(&json!(true)) {
            node.drop_all(&["active"]);
        }
        node.each("name", |_, mut name| {
            // A text repeats the parts; where there are none it is the name itself, and stays for whoever reads what is beside.
            if declarant.contains_key("nom") || (name.peek("family").is_none() && name.peek("given").is_none()) {
                return;
            }
            take(declarant, "nom", name.text("family"));
            take(declarant, "prenom", Some(name.texts("given").join(" ")).filter(|given| !given.is_empty()));
            name.drop_all(&["use", "text"]);
            for title in ["prefix", "suffix"] {
                name.texts(title);
            }
        });
        telecom(node, declarant);
        self.number(node);
    }

    /// The role and the person of whoever wrote.
    fn written_by(&self, entries: &[Entry]) -> Option<(Option<usize>, Option<usize>)> {
        let of_kind = |n: usize, kind: &str| entries.get(n).is_some_and(|entry| entry.kind == kind);
        let only = |kind: &str| {
            let mut all = (0..entries.len()).filter(|n| of_kind(*n, kind));
            all.next().filter(|_| all.next().is_none())
        };
        let role = self.author.filter(|n| of_kind(*n, "PractitionerRole"));
        let named = self.author.filter(|n| of_kind(*n, "Practitioner"));
        let role = role.or_else(|| only("PractitionerRole").filter(|_| named.is_none() || only("Practitioner").is_some()));
        let of_role =
            role.and_then(|n| entries.get(n)?.resource.get("practitioner")).and_then(|reference| self.index.of_reference(reference));
        let person = named.or(of_role).or_else(|| only("Practitioner"));
        (role.is_some() || person.is_some()).then_some((role, person))
    }

    /// The RPPS number, checked by its key, as the author of the findings.
    fn number(&mut self, node: &mut Node<'_>) {
        let mut found = None;
        let rest = &mut self.rest;
        node.each("identifier", |_, mut identifier| {
            let system = identifier.peek_text("system").unwrap_or_default();
            if identifier::oid(system) != ID_NAT_PS && system != RPPS {
                return;
            }
            match identifier.peek_text("value").and_then(rpps).map(str::to_owned) {
                Some(number) if found.as_ref().is_none_or(|found| *found == number) => {
                    found = Some(number);
                    drop_identifier(&mut identifier);
                }
                Some(_) => {}
                None => rest.report(&identifier.path("value"), "bad-rpps", "Ce numéro RPPS n’est pas valide : sa clé est fausse."),
            }
        });
        let known = self.fields.get("payload").and_then(|payload| payload.pointer("/constats_sante/auteur"));
        match (found, known) {
            (Some(number), None) => self.say(&node.at, "constats_sante.auteur", &number),
            (Some(number), Some(known)) if known.as_str() != Some(&number) => {
                self.rest.keep(node.path("identifier"), "identifier", json!(number))
            }
            _ => {}
        }
    }
}

/// The function: the text of a role, or what its code shows.
fn function(node: &mut Node<'_>, declarant: &mut Map<String, Value>) {
    node.each("code", |_, mut code| {
        if declarant.contains_key("fonction") {
            return;
        }
        let mut shown = code.text("text");
        code.each("coding", |_, mut coding| {
            if shown.is_none() && coding.peek("display").is_some() {
                shown = coding.text("display");
                coding.drop_all(&["system", "code", "version"]);
            }
        });
        take(declarant, "fonction", shown);
    });
}

fn telecom(node: &mut Node<'_>, declarant: &mut Map<String, Value>) {
    node.each("telecom", |_, mut point| {
        let key = match point.peek_text("system") {
            Some("phone") => "telephone",
            Some("email") => "courriel",
            _ => return,
        };
        if !declarant.contains_key(key) {
            take(declarant, key, point.text("value"));
            point.drop_all(&["system", "use", "rank"]);
        }
    });
}

/// An establishment: the certificate names it better than a well-formed FINESS number. Its name may be that of a ward, and stays.
fn organization(node: &mut Node<'_>) {
    if node.peek("active") == Some(&json!(true)) {
        node.drop_all(&["active"]);
    }
    node.each("identifier", |_, mut identifier| {
        let system = identifier.peek_text("system").unwrap_or_default();
        let number = identifier::oid(system) == ID_NAT_STRUCT || system == FINESS;
        if number && identifier.peek_text("value").and_then(finess).is_some() {
            drop_identifier(&mut identifier);
        }
    });
}

fn drop_identifier(identifier: &mut Node<'_>) {
    identifier.drop_all(&["use", "system", "value"]);
    if let Some(mut kind) = identifier.child("type") {
        kind.drop_coding("coding", |_| true);
    }
}

fn take(map: &mut Map<String, Value>, key: &str, text: Option<String>) {
    map.extend(text.filter(|text| !text.trim().is_empty()).map(|text| (key.to_owned(), json!(text))));
}

/// The system of RPPS numbers in FR Core.
const RPPS: &str = "https://rpps.esante.gouv.fr";
/// The system of FINESS numbers in FR Core.
const FINESS: &str = "https://finess.esante.gouv.fr";
