//! The signalement as a magistrate reads it: who, which branch of L226-4, what happened, what the child said, what was tried,
//! what is asked.
//!
//! Everything that the document holds is printed: what has no place of its own stands at the end.

use serde_json::Value;

use super::Deposit;
use super::pack::annexes;
use super::source::{Form, Source, date};
use super::words;
use crate::reading::Place;
use crate::typeset::{Block, Column, Content, Document};

#[cfg(test)]
mod tests;

/// The pages of the signalement, before they are typeset.
pub fn document(deposit: &Deposit<'_>) -> Document {
    let mut pages = Pages { source: Source::new(deposit.document), blocks: Vec::new() };
    let nature = pages.source.take("/payload/nature", Form::Code(words::NATURE));
    pages.opening(deposit);
    pages.persons("Enfants", |role| matches!(role, "enfant" | "fratrie" | "autre-mineur-du-foyer" | "jeune-majeur"));
    pages.persons("Parents et entourage", |role| !matches!(role, "enfant" | "fratrie" | "autre-mineur-du-foyer" | "jeune-majeur"));
    pages.danger();
    pages.words();
    pages.situation();
    pages.tried();
    pages.asked();
    pages.information();
    pages.annexes(deposit);
    pages.closing(deposit);
    Document {
        title: "Signalement au procureur de la République".to_owned(),
        subtitle: nature,
        letterhead: deposit.sender.to_owned(),
        reference: format!("Réf. {}", deposit.reference),
        footer: "Document confidentiel, couvert par le secret professionnel".to_owned(),
        dated: deposit.dated,
        blocks: pages.blocks,
        attached: Vec::new(),
    }
}

struct Pages<'a> {
    source: Source<'a>,
    blocks: Vec<Block>,
}

impl Pages<'_> {
    fn say(&mut self, at: &str, content: Content) {
        self.blocks.push(Block { content, place: Place::Path(at.to_owned()) });
    }

    fn field(&mut self, label: &str, at: &str, form: Form) {
        if let Some(value) = self.source.take(at, form) {
            self.say(at, Content::Field { label: label.to_owned(), value });
        }
    }

    /// A value that is not in the document, but what the gateway knows.
    fn given(&mut self, label: &str, value: &str) {
        self.say("/", Content::Field { label: label.to_owned(), value: value.to_owned() });
    }

    /// Text under its own heading.
    fn part(&mut self, heading: &str, at: &str) {
        if let Some(text) = self.source.text(at) {
            self.say(at, Content::Part(heading.to_owned()));
            self.say(at, Content::Paragraph(text));
        }
    }

    /// A section, where something stands in it.
    fn section(&mut self, title: &str, content: impl FnOnce(&mut Self)) {
        let before = self.blocks.len();
        self.say("/", Content::Section(title.to_owned()));
        content(self);
        if self.blocks.len() == before + 1 {
            self.blocks.pop();
        }
    }

    fn opening(&mut self, deposit: &Deposit<'_>) {
        let branch = self.source.take("/payload/branche_l226_4", Form::Code(words::BRANCH));
        if deposit.document.pointer("/urgency").and_then(Value::as_str) == Some("immediate") {
            self.say("/urgency", Content::Notice("URGENCE IMMÉDIATE : à l’attention du magistrat de permanence.".to_owned()));
        }
        self.given("Référence", deposit.reference);
        self.given("Du", &date(&deposit.dated.to_string()));
        self.given("De", deposit.sender);
        self.given("À", deposit.recipient);
        self.field("Urgence", "/urgency", Form::Code(words::URGENCY));
        let unsaid = "Non précisée : à vérifier par le parquet (C. civ., art. 375)".to_owned();
        self.say(
            "/payload/branche_l226_4",
            Content::Field { label: "Cas de l’article L226-4".to_owned(), value: branch.unwrap_or(unsaid) },
        );
        self.field("Magistrat de permanence avisé", "/payload/magistrat_permanence/avise", Form::Text);
        self.field("Avisé le", "/payload/magistrat_permanence/heure", Form::Date);
        self.field("Dossier", "/case", Form::Text);
        self.field("En réponse à", "/in_reply_to", Form::Text);
        self.field("Rectifie", "/rectifies", Form::Text);
        self.field("Informations préoccupantes liées", "/payload/ip_liees", Form::Text);
        self.field("Finalité", "/purpose", Form::Text);
        self.field("Fondement", "/legal_basis", Form::Text);
        self.field("Protocole", "/agreement", Form::Text);
        // Printed in the words of the gateway above.
        for at in ["/type", "/sender", "/recipient"] {
            self.source.tick(at);
        }
    }

    fn persons(&mut self, title: &str, here: impl Fn(&str) -> bool) {
        self.section(title, |pages| {
            for index in 0..pages.source.count("/subjects") {
                let at = format!("/subjects/{index}");
                let role = pages.source.peek(&format!("{at}/role")).unwrap_or_default();
                if here(&role) {
                    pages.person(&at);
                }
            }
        });
    }

    fn person(&mut self, at: &str) {
        let role = self.source.take(&format!("{at}/role"), Form::Code(words::ROLE));
        self.source.tick(&format!("{at}/ref"));
        let before = self.blocks.len();
        self.say(at, Content::Part(role.clone().unwrap_or_else(|| "Personne".to_owned())));
        for (name, label, form) in PERSON {
            self.field(label, &format!("{at}/{name}"), *form);
        }
        if let Some(value) = self.source.address(&format!("{at}/address")) {
            self.say(at, Content::Field { label: "Adresse".to_owned(), value });
        }
        // Nobody: a person of whom nothing is said, not even what they are to the child.
        if role.is_none() && self.blocks.len() == before + 1 {
            self.blocks.pop();
        }
    }

    fn danger(&mut self) {
        self.section("Faits et danger", |pages| {
            pages.field("Dangers", "/payload/types_danger", Form::Code(words::DANGER));
            pages.field("Lieu actuel de l’enfant", "/payload/lieu_actuel_enfant/type", Form::Text);
            if let Some(value) = pages.source.address("/payload/lieu_actuel_enfant/adresse") {
                pages.say("/payload/lieu_actuel_enfant/adresse", Content::Field { label: "Adresse de ce lieu".to_owned(), value });
            }
            pages.field("Auteur présumé", "/payload/auteur_presume/lien", Form::Code(words::ROLE));
            pages.field("Auteur présumé mineur", "/payload/auteur_presume/mineur", Form::Code(words::YES_NO));
            pages.field("Précision", "/payload/auteur_presume/precision", Form::Text);
            for index in 0..pages.source.count("/payload/faits") {
                pages.fact(index);
            }
        });
    }

    fn fact(&mut self, index: usize) {
        let at = format!("/payload/faits/{index}");
        let mut heading = vec![format!("Fait n° {}", index + 1)];
        let from = self.source.take(&format!("{at}/date_debut"), Form::Date);
        let to = self.source.take(&format!("{at}/date_fin"), Form::Date);
        heading.extend(match (from, to) {
            (Some(from), Some(to)) => Some(format!("du {from} au {to}")),
            (Some(from), None) => Some(from),
            (None, Some(to)) => Some(format!("jusqu’au {to}")),
            (None, None) => None,
        });
        heading.extend(self.source.text(&format!("{at}/lieu")));
        heading.extend(self.source.take(&format!("{at}/source"), Form::Code(words::SOURCE)));
        let text = self.source.text(&format!("{at}/texte"));
        if heading.len() > 1 || text.is_some() {
            self.say(&at, Content::Part(heading.join(" – ")));
        }
        if let Some(text) = text {
            self.say(&format!("{at}/texte"), Content::Paragraph(text));
        }
    }

    fn words(&mut self) {
        self.section("Propos de l’enfant, tels qu’il les a tenus", |pages| {
            for index in 0..pages.source.count("/payload/propos_enfant") {
                let at = format!("/payload/propos_enfant/{index}");
                let origin = [
                    pages.source.take(&format!("{at}/date"), Form::Date).map(|day| format!("le {day}")),
                    pages.source.text(&format!("{at}/recueilli_par")).map(|who| format!("recueilli par : {who}")),
                    pages.source.text(&format!("{at}/contexte")),
                ];
                pages.quote(&format!("{at}/verbatim"), origin);
            }
        });
        self.section("Propos d’adultes", |pages| {
            for index in 0..pages.source.count("/payload/propos_adultes") {
                let at = format!("/payload/propos_adultes/{index}");
                let origin = [pages.source.take(&format!("{at}/lien"), Form::Code(words::ROLE))];
                pages.quote(&format!("{at}/verbatim"), origin);
            }
        });
    }

    fn quote<const N: usize>(&mut self, at: &str, origin: [Option<String>; N]) {
        let origin: Vec<String> = origin.into_iter().flatten().collect();
        let origin = (!origin.is_empty()).then(|| origin.join(" – "));
        match (self.source.text(at), origin) {
            (Some(words), origin) => self.say(at, Content::Quote { words: quoted(&words), origin }),
            (None, Some(origin)) => self.say(at, Content::Paragraph(origin)),
            (None, None) => {}
        }
    }

    fn situation(&mut self) {
        self.section("Constats de santé", |pages| {
            if let Some(text) = pages.source.text("/payload/constats_sante/texte") {
                pages.say("/payload/constats_sante/texte", Content::Paragraph(text));
            }
            pages.field("Certificat joint", "/payload/constats_sante/certificat_joint", Form::Text);
            pages.field("Auteur des constats", "/payload/constats_sante/auteur", Form::Text);
        });
        self.section("Situation familiale", |pages| {
            if let Some(text) = pages.source.text("/payload/situation_familiale") {
                pages.say("/payload/situation_familiale", Content::Paragraph(text));
            }
        });
    }

    fn tried(&mut self) {
        self.section("Actions déjà menées", |pages| {
            let rows: Vec<Vec<String>> = (0..pages.source.count("/payload/actions_menees"))
                .map(|index| {
                    let mut cell =
                        |name: &str, form| pages.source.take(&format!("/payload/actions_menees/{index}/{name}"), form).unwrap_or_default();
                    vec![
                        cell("action", Form::Code(words::ACTION)),
                        cell("debut", Form::Date),
                        cell("fin", Form::Date),
                        cell("resultat", Form::Text),
                    ]
                })
                .filter(|row| row.iter().any(|cell| !cell.is_empty()))
                .collect();
            if !rows.is_empty() {
                let columns = columns(&[("Action", 26), ("Début", 13), ("Fin", 13), ("Résultat", 48)]);
                pages.say("/payload/actions_menees", Content::Table { columns, rows });
            }
            pages.part("Refus ou impossibilité de collaborer", "/payload/refus_ou_impossibilite");
            pages.part("Impossibilité d’évaluer", "/payload/impossibilite_evaluation");
            pages.field("Évaluation du", "/payload/evaluation/date", Form::Date);
            pages.field("Rapport d’évaluation", "/payload/evaluation/rapport_ref", Form::Text);
            pages.part("Conclusion de l’évaluation", "/payload/evaluation/conclusion");
        });
    }

    fn asked(&mut self) {
        self.section("Suites sollicitées", |pages| {
            pages.field("Mesures sollicitées", "/payload/mesures_sollicitees", Form::Code(words::ASKED));
            pages.field("Réserve du magistrat", "/payload/reserve_magistrat/active", Form::Text);
            pages.field("Réserve jusqu’au", "/payload/reserve_magistrat/jusqu_au", Form::Date);
            pages.part("Observations", "/payload/texte_libre");
        });
    }

    fn information(&mut self) {
        self.section("Information de la famille", |pages| {
            for (at, label, form) in INFORMATION {
                pages.field(label, at, *form);
            }
            let informed = pages.source.persons("/information/parents/persons");
            if !informed.is_empty() {
                pages.say(
                    "/information/parents/persons",
                    Content::Field { label: "Personnes informées".to_owned(), value: informed.join(", ") },
                );
            }
        });
        self.section("Auteur du signalement", |pages| {
            for (name, label) in DECLARANT {
                pages.field(label, &format!("/payload/declarant/{name}"), Form::Text);
            }
        });
        self.section("Dépôt", |pages| {
            pages.field("Mode", "/payload/depot/mode", Form::Code(words::DEPOSIT));
            pages.field("Reçu", "/payload/depot/reference", Form::Text);
            pages.field("Déposé le", "/payload/depot/depose_le", Form::Date);
            pages.field("Ouvert le", "/payload/depot/ouvert_le", Form::Date);
        });
    }

    fn annexes(&mut self, deposit: &Deposit<'_>) {
        self.section("Annexes", |pages| {
            let rows: Vec<Vec<String>> = annexes(deposit.document)
                .iter()
                .enumerate()
                .map(|(index, annex)| {
                    let at = format!("/attachments/{index}");
                    let names = [pages.source.text(&format!("{at}/title")), pages.source.text(&format!("{at}/name"))];
                    let title = names.into_iter().flatten().collect::<Vec<_>>().join(" – ");
                    // The manifest says these, and the class governs who may read, which is done.
                    for part in annex.in_manifest().into_iter().chain(["class"]) {
                        pages.source.tick(&format!("{at}/{part}"));
                    }
                    vec![(index + 1).to_string(), title, annex.file_name(index)]
                })
                .collect();
            if !rows.is_empty() {
                let columns = columns(&[("N°", 8), ("Pièce", 57), ("Fichier du dépôt", 35)]);
                pages.say("/attachments", Content::Table { columns, rows });
            }
        });
    }

    fn closing(&mut self, deposit: &Deposit<'_>) {
        self.section("Autres éléments transmis", |pages| {
            for (label, value) in pages.source.rest() {
                pages.say("/", Content::Field { label, value });
            }
        });
        self.section("Signature", |pages| {
            if let Some(signatory) = &deposit.signatory {
                pages.given("Signataire", &signatory.name);
                pages.given("Fonction", &signatory.function);
            }
            let seal = "L’empreinte de ce document et de chaque annexe est au manifeste (manifeste.xml), \
                        que la passerelle de l’expéditeur signe (manifeste.xml.jws).";
            pages.say("/", Content::Paragraph(seal.to_owned()));
        });
    }
}

/// Words in quotation marks, as the physicians’ model asks for; those that the author set are kept.
fn quoted(words: &str) -> String {
    let words = words.trim();
    if words.starts_with(['«', '“', '"']) { words.to_owned() } else { format!("«\u{a0}{words}\u{a0}»") }
}

fn columns(columns: &[(&str, u16)]) -> Vec<Column> {
    columns.iter().map(|(title, share)| Column { title: (*title).to_owned(), share: *share }).collect()
}

const PERSON: &[(&str, &str, Form)] = &[
    ("birth_name", "Nom de naissance", Form::Text),
    ("given_names", "Prénoms", Form::Text),
    ("use_name", "Nom d’usage", Form::Text),
    ("sex", "Sexe", Form::Code(words::SEX)),
    ("birth_date", "Date de naissance", Form::Date),
    ("birth_date_quality", "Précision de la date", Form::Code(words::PRECISION)),
    ("age_estimate", "Âge estimé", Form::Text),
    ("birth_place", "Commune de naissance (INSEE)", Form::Text),
    ("unborn", "Enfant à naître", Form::Text),
    ("due_date", "Terme prévu", Form::Date),
    ("parental_authority", "Autorité parentale", Form::Code(words::YES_NO)),
    ("in_home", "Vit au foyer", Form::Code(words::YES_NO)),
    ("phone", "Téléphone", Form::Text),
    ("email", "Courriel", Form::Text),
    ("school", "Établissement scolaire", Form::Text),
    ("school_class", "Classe", Form::Text),
    ("place_of_care", "Lieu d’accueil", Form::Text),
];

const INFORMATION: &[(&str, &str, Form)] = &[
    ("/payload/information_parents_ecrite/statut", "Avis écrit aux parents (CASF, art. L226-5)", Form::Code(words::WRITTEN_NOTICE)),
    ("/payload/information_parents_ecrite/date", "Avis écrit du", Form::Date),
    ("/payload/information_parents_ecrite/base_report", "Fondement du report", Form::Text),
    ("/information/parents/informed", "Information des parents", Form::Code(words::INFORMED)),
    ("/information/parents/date", "Parents informés le", Form::Date),
    ("/information/parents/means", "Moyen", Form::Code(words::MEANS)),
    ("/information/parents/reason", "Motif", Form::Text),
    ("/information/parents/author", "Décidé par", Form::Text),
    ("/information/child/informed", "Information de l’enfant", Form::Code(words::INFORMED)),
    ("/information/child/date", "Enfant informé le", Form::Date),
    ("/information/child/reason", "Motif pour l’enfant", Form::Text),
];

const DECLARANT: &[(&str, &str)] = &[
    ("nom", "Nom"),
    ("prenom", "Prénom"),
    ("fonction", "Fonction"),
    ("institution", "Institution"),
    ("origine", "Origine"),
    ("anonyme", "Souhaite rester anonyme"),
    ("telephone", "Téléphone"),
    ("courriel", "Courriel"),
    ("lien_enfant", "Lien avec l’enfant"),
    ("souhaite_retour", "Souhaite un retour"),
];
