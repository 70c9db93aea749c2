use proptest::prelude::*;
use time::macros::date;

use super::*;

const MEASURES: &[u8] = include_bytes!("../../../vectors/olinpe/mesures.csv");
const FILE: &str = include_str!("../../../vectors/olinpe/export.xml");
const REPORT: &str = include_str!("../../../vectors/olinpe/rapport.txt");

fn exported(measures: &[u8]) -> (Exported, String, Vec<String>) {
    with_scheme(|scheme| {
        let mut writer = XmlWriter::new(Vec::new(), date!(2026 - 06 - 30), scheme).unwrap();
        let mut register = Vec::new();
        let order = Order { year: 2025, department: "01", scheme };
        let exported = export(measures, &order, &mut |event, id| {
            register.push(id.to_string());
            writer.write(event)
        });
        (exported.unwrap(), String::from_utf8(writer.finish().unwrap()).unwrap(), register)
    })
}

#[test]
fn measures_become_the_file_and_the_report_of_the_vectors() {
    let (exported, file, _) = exported(MEASURES);
    assert_eq!(file, FILE);
    assert_eq!(exported.report.text(), REPORT);
    assert_eq!((exported.lines, exported.outside), (8, 1));
}

#[test]
fn no_name_and_no_departments_pseudonym_is_in_the_file_or_the_report() {
    let (exported, file, register) = exported(MEASURES);
    assert_eq!(register.len(), usize::try_from(exported.report.events).unwrap());
    let said = format!("{file}{exported:?}{}{}", exported.report.text(), exported.report.json());
    for secret in register.iter().map(String::as_str).chain(["Lina", "LINA", "Faubert", "FAUBERT", "Zacharie", "Brunel"]) {
        assert!(!said.contains(secret));
    }
}

#[test]
fn a_file_that_was_exported_has_only_the_faults_of_its_measures() {
    let (exported, file, _) = exported(MEASURES);
    let again = check(&mut *open(file.as_bytes()).unwrap(), 2025).unwrap();
    for tally in again.tallies.iter().filter(|tally| !matches!(tally.check, Check::JamaisPresente | Check::ToujoursVide)) {
        assert!(exported.report.count(tally.check) > 0, "{:?}", tally.check);
    }
    assert_eq!(again.events, exported.report.events);
}

#[test]
fn spelling_does_not_change_a_pseudonym_and_every_trait_does() {
    with_scheme(|scheme| {
        let id = |given_name, mother_name, year, month| {
            scheme.department(&Traits { given_name, mother_name, year, month }).map(|id| scheme.national(&id).to_string())
        };
        let one = id("Léna Marie", "Faubert", 2015, 5);
        assert_eq!(one.as_ref().map(String::len), Some(40));
        assert_eq!(one, id("LENA, Marie", "FAUBERT", 2015, 5));
        for other in
            [id("Lina", "Faubert", 2015, 5), id("Léna", "Fauber", 2015, 5), id("Léna", "Faubert", 2014, 5), id("Léna", "Faubert", 2015, 6)]
        {
            assert!(other.is_some() && other != one);
        }
        assert_ne!(id("LENAF", "AUBERT", 2015, 5), one, "traits do not run together");
        assert_eq!(id("?", "Faubert", 2015, 5), None);
        let department = scheme.department(&Traits { given_name: "Léna", mother_name: "Faubert", year: 2015, month: 5 }).unwrap();
        assert_ne!(Some(department.to_string()), one);
        assert_eq!(format!("{department:?}"), "DepartmentId(..)");
    });
}

#[test]
fn measures_without_the_identity_columns_are_refused() {
    with_scheme(|scheme| {
        let order = Order { year: 2025, department: "01", scheme };
        let refused = |bytes: &[u8]| matches!(export(bytes, &order, &mut |_, _| Ok(())), Err(Stopped::Refused(_)));
        assert!(refused(b"") && refused(b"ANAIS;MNAIS\n2015;5\n") && refused(b"PRENOM;ANAIS\n"));
        assert!(!refused(b"PRENOM;NOM_NAISSANCE_MERE\n"));
        let failing = export(&b"PRENOM;NOM_NAISSANCE_MERE;ANAIS;MNAIS;TYPEV\nLina;Faubert;2015;5;1\n"[..], &order, &mut |_, _| {
            Err(std::io::ErrorKind::StorageFull.into())
        });
        assert!(matches!(failing, Err(Stopped::Output(_))));
    });
}

proptest! {
    #[test]
    fn no_measures_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cells in prop::collection::vec("[0-9A-Za-z;\\-'\" é=]{0,60}", 0..5)) {
        with_scheme(|scheme| {
            let order = Order { year: 2025, department: "01", scheme };
            let names = "PRENOM;NOM_NAISSANCE_MERE;ANAIS;MNAIS;ANAIS_ANT;DATDECPE;DATFIN;TYPEV\n";
            for measures in [bytes, format!("{names}{}\n", cells.join("\n")).into_bytes()] {
                let _ = export(&*measures, &order, &mut |_, _| Ok(()));
            }
        });
    }
}
