//! SIECLE (second degree): `ElevesSansAdresses.xml` or `ElevesAvecAdresses.xml`, and `ResponsablesAvecAdresses.xml`.

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

/// The one child of an export of pupils. `guardians` is the export of *responsables* of the same school.
///
/// # Errors
/// No export of pupils (`BEE_ELEVES`) or of *responsables* (`BEE_RESPONSABLES`), or beyond the limits of [`elements`].
pub fn prefill(pupils: &[u8], guardians: Option<&[u8]>, wanted: &Wanted) -> Result<Found<Prefill>, Refused> {
    let (mut hits, mut school) = (Vec::new(), None);
    let mut reported = elements::each(pupils, "BEE_ELEVES", &["UAJ", "ELEVE"], |element| {
        if element.name == "UAJ" {
            school = element.text.trim().parse::<Uai>().ok();
        } else if wanted.is(&traits(&element)) {
            wanted.keep(&mut hits, element.line, element);
        }
        ControlFlow::Continue(())
    })?;
    wanted.among(hits).complete(|pupil| {
        let (class, address) = around(pupils, &pupil)?;
        let mut subjects = vec![child(&pupil, school.as_ref(), &class, address.as_ref()).done(1, &mut reported)];
        if ["ID_NATIONAL", "INE_RNIE"].iter().any(|name| !pupil.text_of(name).is_empty()) {
            reported.push(ine_left(Place::Element { line: pupil.line, name: "ID_NATIONAL".into() }));
        }
        if let Some(bytes) = guardians {
            subjects.extend(of_guardians(bytes, id(&pupil, "ELEVE_ID"), &mut reported)?);
        }
        Ok(Prefill { subjects, reported })
    })
}

fn traits(pupil: &Element) -> Traits<'_> {
    Traits {
        line: pupil.line,
        birth_name: birth_name(pupil),
        use_name: pupil.text_of("NOM_USAGE"),
        given_name: pupil.text_of("PRENOM"),
        birth_date: date(pupil.text_of("DATE_NAISS")),
    }
}

fn child(pupil: &Element, school: Option<&Uai>, class: &str, address: Option<&Element>) -> Subject {
    let subject = Subject::new("enfant")
        .put("birth_name", birth_name(pupil))
        .put("use_name", pupil.text_of("NOM_USAGE"))
        .put_all("given_names", ["PRENOM", "PRENOM2", "PRENOM3"].map(|name| pupil.text_of(name)))
        .sex(pupil.text_of("CODE_SEXE"))
        .put("birth_date", &date(pupil.text_of("DATE_NAISS")).map(iso).unwrap_or_default())
        .put("birth_place", pupil.text_of("CODE_COMMUNE_INSEE_NAISS"))
        .put("school", school.map_or("", Uai::as_str))
        .put("school_class", class);
    addressed(subject, address)
}

/// The class of a pupil and its own address, where the export has them.
fn around(pupils: &[u8], pupil: &Element) -> Result<(String, Option<Element>), Refused> {
    let (mut class, mut address) = (String::new(), None);
    elements::each(pupils, "BEE_ELEVES", &["STRUCTURES_ELEVE", "ADRESSE"], |element| {
        if element.name == "ADRESSE" && same(id(&element, "ADRESSE_ID"), pupil.text_of("ADRESSE_ID")) {
            address = Some(element);
        } else if element.name == "STRUCTURES_ELEVE" && same(id(&element, "ELEVE_ID"), id(pupil, "ELEVE_ID")) {
            let division = element.children.iter().find(|structure| structure.text_of("TYPE_STRUCTURE") == "D");
            division.map_or("", |division| division.text_of("CODE_STRUCTURE")).clone_into(&mut class);
        }
        ControlFlow::Continue(())
    })?;
    Ok((class, address))
}

/// Parents and legal representatives of a pupil; contacts are left out and counted.
fn of_guardians(bytes: &[u8], pupil: &str, reported: &mut Vec<Finding>) -> Result<Vec<serde_json::Value>, Refused> {
    let (mut links, mut others) = (Vec::new(), 0);
    elements::each(bytes, "BEE_RESPONSABLES", &["RESPONSABLE_ELEVE"], |link| {
        if same(link.text_of("ELEVE_ID"), pupil) {
            if (is_parent(&link) || is_legal(&link)) && links.len() < MAX_GUARDIANS { links.push(link) } else { others += 1 }
        }
        ControlFlow::Continue(())
    })?;
    let (mut persons, mut addresses) = (Vec::new(), Vec::new());
    let linked = |id: &str| links.iter().any(|link| same(link.text_of("PERSONNE_ID"), id));
    elements::each(bytes, "BEE_RESPONSABLES", &["PERSONNE"], |person| {
        if linked(id(&person, "PERSONNE_ID")) && persons.len() < MAX_GUARDIANS {
            persons.push(person);
        }
        ControlFlow::Continue(())
    })?;
    let lives = |id: &str| persons.iter().any(|person: &Element| same(person.text_of("ADRESSE_ID"), id));
    elements::each(bytes, "BEE_RESPONSABLES", &["ADRESSE"], |address| {
        if lives(id(&address, "ADRESSE_ID")) && addresses.len() < MAX_GUARDIANS {
            addresses.push(address);
        }
        ControlFlow::Continue(())
    })?;
    if others > 0 {
        let detail = format!("{others} personne(s) à contacter, ni parent ni représentant légal, ne sont pas reprises.");
        reported.push(Finding::new(Place::Whole, "contacts-left-out", detail));
    }
    if let Some(link) = links.iter().find(|link| is_legal(link)) {
        let detail = "Un représentant légal pour l’école n’est pas toujours titulaire de l’autorité parentale : elle reste à dire.";
        reported.push(Finding::new(Place::Element { line: link.line, name: "RESPONSABLE_ELEVE".into() }, "authority-unknown", detail));
    }
    let guardians = links.iter().filter_map(|link| {
        let person = persons.iter().find(|person| same(id(person, "PERSONNE_ID"), link.text_of("PERSONNE_ID")))?;
        Some(guardian(link, person, addresses.iter().find(|at| same(id(at, "ADRESSE_ID"), person.text_of("ADRESSE_ID")))))
    });
    Ok(guardians.enumerate().map(|(at, person)| person.done(at + 2, reported)).collect())
}

fn guardian(link: &Element, person: &Element, address: Option<&Element>) -> Subject {
    let parent = if is_parent(link) { Parenthood::Said } else { Parenthood::NotSaid };
    let title = person.text_of("LC_CIVILITE");
    let phones = ["TEL_PORTABLE", "TEL_PERSONNEL"].map(|name| person.text_of(name));
    let subject = Subject::new(role(parent, title))
        .put("birth_name", birth_name(person))
        .put("use_name", person.text_of("NOM_USAGE"))
        .put_all("given_names", [person.text_of("PRENOM")])
        .sex(title)
        // To represent a pupil before the school is not to hold parental authority: a judge may have withdrawn it.
        .put("parental_authority", "inconnu")
        .put("phone", phones.into_iter().find(|phone| !phone.is_empty()).unwrap_or_default())
        .put("email", person.text_of("MEL"));
    addressed(subject, address)
}

fn addressed(subject: Subject, address: Option<&Element>) -> Subject {
    let Some(address) = address else { return subject };
    let lines = ["LIGNE1_ADRESSE", "LIGNE2_ADRESSE", "LIGNE3_ADRESSE", "LIGNE4_ADRESSE"].map(|name| address.text_of(name));
    let cities = ["LIBELLE_POSTAL", "COMMUNE_ETRANGERE"].map(|name| address.text_of(name));
    let city = cities.into_iter().find(|city| !city.is_empty()).unwrap_or_default();
    subject.address(lines, address.text_of("CODE_POSTAL"), city)
}

/// Birth name; exports before 2015 have one name only.
fn birth_name(person: &Element) -> &str {
    let names = ["NOM_DE_FAMILLE", "NOM"].map(|name| person.text_of(name));
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

/// Whether the link is that of a parent, in the codes of today or of before.
fn is_parent(link: &Element) -> bool {
    matches!(link.text_of("CODE_PARENTE"), "1" | "2" | "10" | "20")
}

/// Whether the person represents the pupil before the law: first or second *responsable légal* of old, level 1 of today.
fn is_legal(link: &Element) -> bool {
    matches!(link.text_of("RESP_LEGAL"), "1" | "2") || link.text_of("NIVEAU_RESPONSABILITE") == "1"
}

/// An id that exports write as an attribute or as an element.
fn id<'a>(element: &'a Element, name: &str) -> &'a str {
    element.attribute(name).map_or_else(|| element.text_of(name), str::trim)
}

/// The same id, and one at all.
fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && one == other
}

const MAX_GUARDIANS: usize = 8;
