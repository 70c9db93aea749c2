use proptest::prelude::*;
use serde_json::{Value, json};
use time::{Date, macros::date};

use super::{absences::attendance, wanted::fold, *};
use crate::reading::Finding;

const ONDE: &[u8] = include_bytes!("../../vectors/education/onde-eleves.csv");
const ONDE_GUARDIANS: &[u8] = include_bytes!("../../vectors/education/onde-responsables.csv");
const SIECLE: &[u8] = include_bytes!("../../vectors/education/siecle-eleves.xml");
const SIECLE_GUARDIANS: &[u8] = include_bytes!("../../vectors/education/siecle-responsables.xml");
const AAF: &[u8] = include_bytes!("../../vectors/education/ENT_0319901U_Complet_20261123_Eleve_0000.xml");
const AAF_RELATIVES: &[u8] = include_bytes!("../../vectors/education/ENT_0319901U_Complet_20261123_PersRelEleve_0000.xml");
const ABSENCES: &[u8] = include_bytes!("../../vectors/education/absences.csv");

fn wanted(name: &str, given: Option<&str>, birth_date: Date) -> Wanted {
    Wanted::Child { name: name.into(), given_name: given.map(Into::into), birth_date }
}

fn capucine() -> Wanted {
    wanted("fictive", None, date!(2014 - 02 - 27))
}

fn school() -> Uai {
    "0319901U".parse().unwrap()
}

fn onde(of: &Wanted) -> Found<Prefill> {
    listing::prefill(ONDE, Some(ONDE_GUARDIANS), Some(&school()), of).unwrap()
}

fn one<T>(found: Found<T>) -> T {
    match found {
        Found::One(one) => one,
        other @ (Found::Several(_) | Found::Nobody) => panic!("{other:?}"),
    }
}

fn lines<T>(found: Found<T>) -> Vec<u64> {
    match found {
        Found::Several(choices) => choices.iter().map(|choice| choice.line).collect(),
        other @ (Found::One(_) | Found::Nobody) => panic!("{other:?}"),
    }
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn onde_gives_one_child_with_its_guardians_and_no_one_else() {
    let prefill = one(onde(&capucine()));
    assert_eq!(
        Value::from(prefill.subjects),
        json!([
            {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27",
             "address": {"lines": ["12 impasse des Nuages"], "postcode": "31700", "city": "BLAGNAC"},
             "school": "0319901U", "school_class": "CM2 de Mme Inventée"},
            {"ref": "s2", "role": "autre-adulte", "birth_name": "EXEMPLE", "given_names": ["Zélie"], "sex": "F", "parental_authority": "inconnu",
             "address": {"lines": ["12 impasse des Nuages"], "postcode": "31700", "city": "BLAGNAC"},
             "phone": "0500000001", "email": "zelie@exemple.invalid"},
            {"ref": "s3", "role": "autre-adulte", "birth_name": "FICTIVE", "given_names": ["Anatole"], "sex": "M", "parental_authority": "inconnu",
             "address": {"lines": ["4 quai Inventé"], "postcode": "82000", "city": "PORT-EXEMPLE"}, "phone": "0500000002"}
        ])
    );
    assert_eq!(codes(&prefill.reported), ["ine", "role-unknown"]);
    // By use name, whatever the accents and the case.
    let other = one(onde(&wanted("Éxemple", Some("barnabe"), date!(2018 - 11 - 05))));
    assert_eq!(other.subjects[0]["use_name"], "EXEMPLE");
    assert_eq!(other.subjects.len(), 2);
}

#[test]
fn who_cannot_be_told_apart_is_a_choice_of_lines_and_nothing_more() {
    let born = date!(2016 - 07 - 14);
    assert_eq!(lines(onde(&wanted("Jumeau Feint", None, born))), [4, 5]);
    assert_eq!(one(onde(&wanted("Jumeau Feint", Some("Basile"), born))).subjects[0]["given_names"], json!(["Basile"]));
    let born = date!(2017 - 01 - 01);
    assert_eq!(lines(onde(&wanted("homonyme", Some("Rosalie"), born))), [6, 7]);
    let chosen = one(onde(&Wanted::Chosen(Choice { line: 7, birth_date: born })));
    assert_eq!(chosen.subjects[0]["address"]["lines"], json!(["3 rue Feinte"]));
    // Whose guardians they are cannot be told either.
    assert_eq!(chosen.subjects.len(), 1);
    assert_eq!(codes(&chosen.reported), ["ine", "ambiguous-guardians"]);
    // A line is not a way to leaf through the list: the birth date must be known.
    assert!(matches!(onde(&Wanted::Chosen(Choice { line: 2, birth_date: born })), Found::Nobody));
    assert!(matches!(onde(&wanted("fictive", None, born)), Found::Nobody));
    assert!(matches!(onde(&wanted("", None, born)), Found::Nobody));
}

#[test]
fn a_siecle_csv_is_read_by_its_own_names() {
    let text = "Division;Nom de famille;Prénom;Né(e) le;Sexe\n6E B;FICTIVE;Capucine;27/02/2014;F\n";
    let prefill = one(listing::prefill(text.as_bytes(), None, None, &capucine()).unwrap());
    assert_eq!(prefill.subjects[0]["school_class"], "6E B");
    let refused = listing::prefill(b"Division;Nom\n6E B;FICTIVE\n", None, None, &capucine()).unwrap_err();
    assert_eq!(refused.0[0].code, "not-a-list");
}

#[test]
fn siecle_says_who_the_parents_are() {
    let prefill = one(siecle::prefill(SIECLE, Some(SIECLE_GUARDIANS), &capucine()).unwrap());
    assert_eq!(
        Value::from(prefill.subjects),
        json!([
            {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine", "Zoé"], "sex": "F", "birth_date": "2014-02-27",
             "birth_place": "31555", "school": "0319901U", "school_class": "6E B"},
            {"ref": "s2", "role": "mere", "birth_name": "EXEMPLE", "use_name": "FICTIVE", "given_names": ["Zélie"], "sex": "F",
             "parental_authority": "inconnu", "phone": "0500000001", "email": "zelie@exemple.invalid",
             "address": {"lines": ["12 impasse des Nuages", "Bât. Imaginé"], "postcode": "31700", "city": "BLAGNAC"}},
            {"ref": "s3", "role": "pere", "birth_name": "FICTIVE", "given_names": ["Anatole"], "sex": "M", "parental_authority": "inconnu"}
        ])
    );
    assert_eq!(codes(&prefill.reported), ["old-encoding", "ine", "contacts-left-out", "authority-unknown"]);
    let lines = lines(siecle::prefill(SIECLE, None, &wanted("Homonyme", None, date!(2013 - 01 - 01))).unwrap());
    assert_eq!(lines, [20, 27]);
    let chosen = Wanted::Chosen(Choice { line: 27, birth_date: date!(2013 - 01 - 01) });
    assert_eq!(one(siecle::prefill(SIECLE, None, &chosen).unwrap()).subjects[0]["birth_name"], "HOMONYME");
    assert_eq!(siecle::prefill(SIECLE_GUARDIANS, None, &capucine()).unwrap_err().0[0].code, "wrong-root");
}

#[test]
fn the_aaf_says_who_holds_parental_authority() {
    let school = aaf::school_of("ENT_0319901U_Complet_20261123_Eleve_0000.xml").unwrap();
    let prefill = one(aaf::prefill(AAF, Some(AAF_RELATIVES), Some(&school), &capucine()).unwrap());
    assert_eq!(
        Value::from(prefill.subjects),
        json!([
            {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine", "Zoé"], "sex": "F", "birth_date": "2014-02-27",
             "school": "0319901U", "school_class": "6E B"},
            {"ref": "s2", "role": "mere", "birth_name": "EXEMPLE", "use_name": "FICTIVE", "given_names": ["Zélie"], "sex": "F",
             "parental_authority": "oui", "phone": "0500000001",
             "address": {"lines": ["12 impasse des Nuages"], "postcode": "31700", "city": "BLAGNAC"}},
            {"ref": "s3", "role": "pere", "birth_name": "FICTIVE", "given_names": ["Anatole"], "sex": "M", "parental_authority": "inconnu",
             "phone": "0500000002"}
        ])
    );
    assert_eq!(codes(&prefill.reported), ["old-encoding", "ine", "contacts-left-out"]);
    assert_eq!(aaf::school_of("ENT_IT_Complet_Eleve_0001.xml"), None);
    let dtd = "<!DOCTYPE ficAlimMENESR [<!ENTITY x \"y\">]><ficAlimMENESR/>";
    assert_eq!(aaf::prefill(dtd.as_bytes(), None, None, &capucine()).unwrap_err().0[0].code, "doctype");
}

#[test]
fn no_ine_and_no_nir_is_taken_over() {
    let all = [
        one(onde(&capucine())),
        one(siecle::prefill(SIECLE, Some(SIECLE_GUARDIANS), &capucine()).unwrap()),
        one(aaf::prefill(AAF, Some(AAF_RELATIVES), None, &capucine()).unwrap()),
    ];
    for prefill in all {
        assert!(!Value::from(prefill.subjects).to_string().contains("1111111"));
        assert!(!format!("{:?}", prefill.reported).contains("1111111"));
    }
    let text = "Nom;Prénom;Date de naissance;Classe;Nom d'usage\nFICTIVE;Capucine;27/02/2014;0123456789A;1 85 05 78 006 084\n";
    let prefill = one(listing::prefill(text.as_bytes(), None, None, &capucine()).unwrap());
    assert_eq!(codes(&prefill.reported), ["nir", "nir"]);
    let mut traits: Vec<&String> = prefill.subjects[0].as_object().unwrap().keys().collect();
    traits.sort();
    assert_eq!(traits, ["birth_date", "birth_name", "given_names", "ref", "role"]);
}

#[test]
fn absences_are_counted_for_one_child() {
    let found = one(attendance(ABSENCES, &capucine()).unwrap());
    let text =
        "septembre 2026 : 1 demi-journée d’absence, dont 0 non justifiée ; octobre 2026 : 7 demi-journées d’absence, dont 5 non justifiées";
    assert_eq!(found.payload, json!({"scolarite": {"assiduite": text}}));
    assert_eq!(found.over, ["2026-10"]);
    assert_eq!(found.reported.iter().map(|finding| finding.place.to_string()).collect::<Vec<_>>(), ["ligne 7, colonne « demi_journees »"]);
    let twins = wanted("Jumeau Feint", None, date!(2016 - 07 - 14));
    assert_eq!(lines(attendance(ABSENCES, &twins).unwrap()), [5, 6]);
    let chosen = Wanted::Chosen(Choice { line: 6, birth_date: date!(2016 - 07 - 14) });
    assert!(one(attendance(ABSENCES, &chosen).unwrap()).over.is_empty());
    assert_eq!(attendance(b"nom;prenom\na;b\n", &capucine()).unwrap_err().0[0].code, "missing-column");
}

#[test]
fn a_prefill_is_what_the_catalogue_says() {
    let known = |path: &str| include_str!("../../../policies/catalogue/_components.toml").contains(&format!("\npath = \"{path}\"\n"));
    for prefill in [one(onde(&capucine())), one(siecle::prefill(SIECLE, Some(SIECLE_GUARDIANS), &capucine()).unwrap())] {
        for (at, _) in exchange::document::Leaves::of(&prefill.subjects.into()).iter() {
            let path = at.path();
            let trait_of = path.trim_start_matches("[].").trim_start_matches("address.");
            assert!(known(trait_of), "{path}");
        }
    }
}

#[test]
fn nothing_found_can_be_printed() {
    let found = onde(&capucine());
    assert_eq!(format!("{found:?} {:?} {:?}", one(onde(&capucine())), capucine()), "One Prefill Wanted");
}

/// What of a school list is a trait of a child, in a file of ONDE's layout.
fn pupils() -> impl Strategy<Value = Vec<(String, String, Date, String)>> {
    let name = "[A-ZÉ][a-zé' -]{0,6}[a-z]";
    let born = (2008..2022i32, 1..=366u16).prop_map(|(year, day)| Date::from_ordinal_date(year, day.min(365)).unwrap());
    proptest::collection::vec((name, name, born, "[a-z0-9=+; ]{0,6}[a-z]"), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn at_most_one_child_comes_back_and_it_is_the_one(pupils in pupils(), at: prop::sample::Index) {
        let mut text = "Nom élève;Prénom élève;Date naissance;Libellé classe\n".to_owned();
        for (name, given, born, class) in &pupils {
            text += &format!("{name};{given};{:02}/{:02}/{};\"{class}\"\n", born.day(), u8::from(born.month()), born.year());
        }
        let (name, given, born, class) = at.get(&pupils);
        let same = pupils.iter().filter(|(n, g, b, _)| fold(n) == fold(name) && fold(g) == fold(given) && b == born).count();
        match listing::prefill(text.as_bytes(), None, None, &wanted(name, Some(given), *born)).unwrap() {
            Found::One(prefill) => {
                prop_assert_eq!(same, 1);
                prop_assert_eq!(prefill.subjects.len(), 1);
                prop_assert_eq!(&prefill.subjects[0]["birth_name"], &json!(name.trim()));
                prop_assert_eq!(&prefill.subjects[0]["school_class"], &json!(class.trim()));
            }
            Found::Several(choices) => prop_assert_eq!(choices.len(), same),
            Found::Nobody => prop_assert!(false, "the child is in the list"),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..4000, byte: u8) {
        let all = |bytes: &[u8]| {
            let of = capucine();
            let _ = (listing::prefill(bytes, Some(bytes), None, &of), siecle::prefill(bytes, Some(bytes), &of));
            let _ = (aaf::prefill(bytes, Some(bytes), None, &of), attendance(bytes, &of));
        };
        all(&bytes);
        for vector in [ONDE, SIECLE, AAF, ABSENCES] {
            let mut changed = vector.to_vec();
            let at = cut % changed.len();
            changed[at] = byte;
            all(&changed);
            all(&vector[..at]);
        }
    }
}
