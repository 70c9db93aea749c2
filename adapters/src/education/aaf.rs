//! The *annuaire académique fédérateur*: `ENT_<UAI>_Complet_…_Eleve_0000.xml` and `…_PersRelEleve_0000.xml`, read person by person.

use std::ops::ControlFlow;

use crate::{
    education::{
        Prefill, Uai,
        subject::{Parenthood, Subject, ine_left, role},
        wanted::{Found, Traits, Wanted, date, iso},
    },
    elements::{self, Element},
    reading::{Finding, Place, Refused},
};

/// The school that a file of the AAF is about, by the file's name; a file for a whole project (`ENT_IT_…`) is about none.
pub fn school_of(file_name: &str) -> Option<Uai> {
    file_name.strip_prefix("ENT_")?.split('_').next()?.parse().ok()
}

/// The one child of a file of pupils. `relatives` is the file `PersRelEleve` of the same delivery; `school` comes from
/// [`school_of`], since the file names schools by numbers of its own.
///
/// # Errors
/// Not a file of the AAF (`ficAlimMENESR`), one with a DTD in it, or beyond the limits of [`elements`].
pub fn prefill(pupils: &[u8], relatives: Option<&[u8]>, school: Option<&Uai>, wanted: &Wanted) -> Result<Found<Prefill>, Refused> {
    let mut hits = Vec::new();
    let mut reported = elements::each(pupils, "ficAlimMENESR", &["addRequest"], |element| {
        let pupil = Entry(element);
        if pupil.is_a("Eleve") && wanted.is(&pupil.traits()) {
            wanted.keep(&mut hits, pupil.0.line, pupil);
        }
        ControlFlow::Continue(())
    })?;
    wanted.among(hits).complete(|pupil| {
        let mut subjects = vec![pupil.child(school).done(1, &mut reported)];
        if pupil.attributes().any(|attribute| attribute.attribute("name").is_some_and(|name| name.to_ascii_lowercase().ends_with("ine"))) {
            reported.push(ine_left(Place::Element { line: pupil.0.line, name: "ENTEleveINE".into() }));
        }
        if let Some(bytes) = relatives {
            subjects.extend(pupil.relatives(bytes, &mut reported)?);
        }
        Ok(Prefill { subjects, reported })
    })
}

/// One `addRequest`: an id, and attributes of one or several values.
struct Entry(Element);

impl Entry {
    fn is_a(&self, category: &str) -> bool {
        let operational = self.0.child("operationalAttributes");
        operational.is_some_and(|operational| operational.child("attr").is_some_and(|attr| attr.text_of("value") == category))
    }

    fn id(&self) -> &str {
        self.0.child("identifier").map_or("", |identifier| identifier.text_of("id"))
    }

    fn attributes(&self) -> impl Iterator<Item = &Element> {
        self.0.child("attributes").into_iter().flat_map(|attributes| &attributes.children)
    }

    /// The values of an attribute that are not empty.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let attribute = self.attributes().find(move |attribute| attribute.attribute("name") == Some(name));
        let values = attribute.into_iter().flat_map(|attribute| &attribute.children);
        values.map(|value| value.text.trim()).filter(|value| !value.is_empty())
    }

    fn one<'a>(&'a self, name: &'a str) -> &'a str {
        self.all(name).next().unwrap_or_default()
    }

    fn traits(&self) -> Traits<'_> {
        Traits {
            line: self.0.line,
            birth_name: self.birth_name(),
            use_name: self.one("sn"),
            given_name: self.one("givenName"),
            birth_date: date(self.one("ENTPersonDateNaissance")),
        }
    }

    fn birth_name(&self) -> &str {
        Some(self.one("ENTPersonNomPatro")).filter(|name| !name.is_empty()).unwrap_or_else(|| self.one("sn"))
    }

    /// The use name, where it is another one.
    fn use_name(&self) -> &str {
        Some(self.one("sn")).filter(|name| *name != self.birth_name()).unwrap_or_default()
    }

    fn child(&self, school: Option<&Uai>) -> Subject {
        let first = self.one("givenName");
        let given = std::iter::once(first).chain(self.all("ENTPersonAutresPrenoms").filter(|name| *name != first));
        // `<school>$<class>`; of several schools, the one that the pupil belongs to.
        let home = self.one("ENTPersonStructRattach");
        let class = self.all("ENTEleveClasses").filter_map(|class| class.split_once('$')).find(|(school, _)| *school == home);
        Subject::new("enfant")
            .put("birth_name", self.birth_name())
            .put("use_name", self.use_name())
            .put_all("given_names", given)
            .sex(self.one("personalTitle"))
            .put("birth_date", &date(self.one("ENTPersonDateNaissance")).map(iso).unwrap_or_default())
            .put("school", school.map_or("", Uai::as_str))
            .put("school_class", class.map_or("", |(_, class)| class))
    }

    /// Parents and holders of parental authority, in the order of the file; contacts are left out and counted.
    fn relatives(&self, bytes: &[u8], reported: &mut Vec<Finding>) -> Result<Vec<serde_json::Value>, Refused> {
        let parents: Vec<&str> = ["ENTEleveParents", "ENTElevePere", "ENTEleveMere"].iter().flat_map(|name| self.all(name)).collect();
        let holders: Vec<&str> = self.all("ENTEleveAutoriteParentale").collect();
        let contacts = ["ENTElevePersRelEleve1", "ENTElevePersRelEleve2"].iter().flat_map(|name| self.all(name));
        let others = contacts.filter(|id| !parents.contains(id) && !holders.contains(id)).count();
        if others > 0 {
            let detail = format!("{others} personne(s) à contacter, ni parent ni titulaire de l’autorité parentale, ne sont pas reprises.");
            reported.push(Finding::new(Place::Whole, "contacts-left-out", detail));
        }
        let mut found = Vec::new();
        elements::each(bytes, "ficAlimMENESR", &["addRequest"], |element| {
            let person = Entry(element);
            let wanted = parents.contains(&person.id()) || holders.contains(&person.id());
            if wanted && person.is_a("PersRelEleve") && found.len() < MAX_RELATIVES {
                found.push(person);
            }
            ControlFlow::Continue(())
        })?;
        let subjects = found.iter().enumerate().map(|(at, person)| {
            let parenthood = if parents.contains(&person.id()) { Parenthood::Said } else { Parenthood::NotSaid };
            person.relative(self.role_of(person, parenthood), holders.contains(&person.id())).done(at + 2, reported)
        });
        Ok(subjects.collect())
    }

    fn role_of(&self, person: &Self, parenthood: Parenthood) -> &'static str {
        if self.all("ENTElevePere").any(|id| id == person.id()) {
            "pere"
        } else if self.all("ENTEleveMere").any(|id| id == person.id()) {
            "mere"
        } else {
            role(parenthood, person.one("personalTitle"))
        }
    }

    fn relative(&self, role: &str, holds_authority: bool) -> Subject {
        let phones = ["mobile", "homePhone"].map(|name| self.one(name));
        Subject::new(role)
            .put("birth_name", self.birth_name())
            .put("use_name", self.use_name())
            .put_all("given_names", [self.one("givenName")])
            .sex(self.one("personalTitle"))
            .put("parental_authority", if holds_authority { "oui" } else { "inconnu" })
            .address([self.one("ENTPersonAdresse")], self.one("ENTPersonCodePostal"), self.one("ENTPersonVille"))
            .put("phone", phones.into_iter().find(|phone| !phone.is_empty()).unwrap_or_default())
            .put("email", self.one("mail"))
    }
}

const MAX_RELATIVES: usize = 8;
