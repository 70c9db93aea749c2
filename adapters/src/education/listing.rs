//! CSV lists: pupils and *responsables* as ONDE (first degree) exports them, and pupils as SIECLE (second degree) does.

use crate::{
    education::{
        Prefill, Uai,
        subject::{Parenthood, Subject, ine_left, role},
        wanted::{Found, Traits, Wanted, date, fold, iso},
    },
    reading::{Column, Finding, Place, Refused},
    sheet::{Row, Sheet},
};

/// The one child of a list of pupils. `guardians` is the list of *responsables* of the same school; `school` is what the edge knows,
/// since neither list names the school.
///
/// # Errors
/// Not a list of pupils (no column for name, given name or birth date), or beyond the limits of [`sheet`](crate::sheet).
pub fn prefill(pupils: &[u8], guardians: Option<&[u8]>, school: Option<&Uai>, wanted: &Wanted) -> Result<Found<Prefill>, Refused> {
    let mut sheet = Sheet::open(pupils)?;
    let columns = Pupils::find(sheet.header())?;
    let mut reported = std::mem::take(&mut sheet.reported);
    let mut hits = Vec::new();
    while let Some(row) = sheet.next_row()? {
        if wanted.is(&columns.traits(&row)) {
            wanted.keep(&mut hits, row.line, row);
        }
    }
    wanted.among(hits).complete(|row| {
        reported.extend(row.fault.clone());
        let mut subjects = vec![columns.child(&row, school).done(1, &mut reported)];
        if !row.cell_of(columns.ine).is_empty() {
            reported.push(ine_left(Place::Cell { line: row.line, column: Column::Named("INE") }));
        }
        let name = columns.full_name(&row);
        match guardians {
            Some(bytes) if columns.namesakes(pupils, &name)? == 1 => subjects.extend(of_guardians(bytes, &name, &mut reported)?),
            Some(_) => {
                let detail = "Un autre élève porte les mêmes nom et prénom : ses responsables ne peuvent pas être distingués.";
                let finding = Finding::new(Place::Line(row.line), "ambiguous-guardians", detail);
                reported.push(finding.cured_by("Saisissez les parents à la main."));
            }
            None => {}
        }
        Ok(Prefill { subjects, reported })
    })
}

struct Pupils {
    name: usize,
    given: usize,
    born: usize,
    used: Option<usize>,
    sex: Option<usize>,
    ine: Option<usize>,
    class: Option<usize>,
    address: Option<usize>,
    postcode: Option<usize>,
    city: Option<usize>,
}

impl Pupils {
    fn find(header: &[String]) -> Result<Self, Refused> {
        let column = |names: &[&str]| header.iter().position(|name| names.contains(&plain(name).as_str()));
        let must = |names: &[&str]| {
            let missing = || {
                let named = names.first().copied().unwrap_or_default();
                let detail = format!("Il manque la colonne « {named} » : ce n’est pas une liste d’élèves.");
                Refused::from(Finding::new(Place::Line(1), "not-a-list", detail))
            };
            column(names).ok_or_else(missing)
        };
        Ok(Self {
            name: must(&["nom élève", "nom de famille élève", "nom de famille", "nom"])?,
            given: must(&["prénom élève", "prénom"])?,
            born: must(&["date naissance", "date de naissance", "né(e) le"])?,
            used: column(&["nom d'usage élève", "nom d'usage"]),
            sex: column(&["sexe"]),
            ine: column(&["ine", "id national", "identifiant national"]),
            class: column(&["libellé classe", "classe", "division"]),
            address: column(&["adresse1"]),
            postcode: column(&["cp1"]),
            city: column(&["commune1"]),
        })
    }

    fn traits<'a>(&self, row: &'a Row) -> Traits<'a> {
        Traits {
            line: row.line,
            birth_name: row.cell(self.name),
            use_name: row.cell_of(self.used),
            given_name: row.cell(self.given),
            birth_date: date(row.cell(self.born)),
        }
    }

    /// By what the list of *responsables* names a child.
    fn full_name(&self, row: &Row) -> (String, String) {
        (fold(row.cell(self.name)), fold(row.cell(self.given)))
    }

    /// How many pupils of the list bear a name.
    fn namesakes(&self, pupils: &[u8], name: &(String, String)) -> Result<usize, Refused> {
        let (mut sheet, mut count) = (Sheet::open(pupils)?, 0);
        while let Some(row) = sheet.next_row()? {
            count += usize::from(self.full_name(&row) == *name);
        }
        Ok(count)
    }

    fn child(&self, row: &Row, school: Option<&Uai>) -> Subject {
        Subject::new("enfant")
            .put("birth_name", row.cell(self.name))
            .put("use_name", row.cell_of(self.used))
            .put_all("given_names", [row.cell(self.given)])
            .sex(row.cell_of(self.sex))
            .put("birth_date", &date(row.cell(self.born)).map(iso).unwrap_or_default())
            .address([row.cell_of(self.address)], row.cell_of(self.postcode), row.cell_of(self.city))
            .put("school", school.map_or("", Uai::as_str))
            .put("school_class", row.cell_of(self.class))
    }
}

/// Those of the list of *responsables* whose children include this one. The list says no kinship: their role is left to a person.
fn of_guardians(bytes: &[u8], child: &(String, String), reported: &mut Vec<Finding>) -> Result<Vec<serde_json::Value>, Refused> {
    let mut sheet = Sheet::open(bytes)?;
    reported.append(&mut sheet.reported);
    let header: Vec<String> = sheet.header().iter().map(|name| plain(name)).collect();
    let column = |name: &str| header.iter().position(|known| known == name);
    let starts = |start: &str| {
        let positions = header.iter().enumerate().filter(move |(_, name)| name.starts_with(start));
        positions.map(|(at, _)| at).collect::<Vec<usize>>()
    };
    let mut names = starts("nom de famille enfant");
    names.extend(starts("nom de famille élève"));
    let mut given = starts("prénom enfant");
    given.extend(starts("prénom élève"));
    let mut persons = Vec::new();
    while let Some(row) = sheet.next_row()? {
        let theirs = names.iter().zip(&given).any(|(name, given)| (fold(row.cell(*name)), fold(row.cell(*given))) == *child);
        if !theirs || persons.len() >= MAX_GUARDIANS {
            continue;
        }
        let phones = ["téléphone portable", "téléphone domicile"].map(|name| row.cell_of(column(name)));
        let phone = phones.into_iter().find(|phone| !phone.trim().is_empty()).unwrap_or_default();
        let person = Subject::new(role(Parenthood::NotSaid, ""))
            .put("birth_name", row.cell_of(column("nom responsable")))
            .put("use_name", row.cell_of(column("nom usage responsable")))
            .put_all("given_names", [row.cell_of(column("prénom responsable"))])
            .sex(row.cell_of(column("civilité responsable")))
            .put("parental_authority", "inconnu")
            .address(
                [row.cell_of(column("adresse responsable"))],
                row.cell_of(column("cp responsable")),
                row.cell_of(column("commune responsable")),
            )
            .put("phone", phone)
            .put("email", row.cell_of(column("courriel")));
        persons.push(person.done(persons.len() + 2, reported));
    }
    if !persons.is_empty() {
        let detail = "La liste ne dit pas le lien de parenté des responsables : choisissez leur rôle.";
        reported.push(Finding::new(Place::Whole, "role-unknown", detail));
    }
    Ok(persons)
}

impl Row {
    /// What stands in a column that the list may not have.
    pub(super) fn cell_of(&self, column: Option<usize>) -> &str {
        column.map_or("", |column| self.cell(column))
    }
}

/// A column name in lower case, with a plain apostrophe.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace('’', "'")
}

const MAX_GUARDIANS: usize = 8;
