use super::*;

#[test]
fn every_check_has_its_words_and_every_word_its_check() {
    let mut codes: Vec<_> = Check::ALL.iter().map(|check| check.code()).collect();
    let mut written: Vec<_> = table().checks.iter().map(|text| text.code.as_str()).collect();
    codes.sort_unstable();
    written.sort_unstable();
    assert_eq!(codes, written);
}

#[test]
fn an_event_without_a_fault_has_none() {
    let report = report(&[event(&[])]);
    assert_eq!(found(&report), []);
    assert!(!report.is_blocked());
    assert_eq!((report.events, report.children, report.by_type), (1, 1, [1, 0, 0]));
    assert!(report.text().contains("Rien n’empêche l’envoi."));
}

/// A judicial placement with everything that section 3.4 asks of one.
fn placement(changes: &[(&str, &str)]) -> Event {
    let mut of = vec![("DECISION", "2"), ("NATPDECADM", ""), ("LIEUACC", ""), ("ACCMOD", ""), ("AUTRLIEUACC", ""), ("NATDECASSED", "17")];
    of.extend([("INSTITPLAC", "2"), ("NATDECPLAC", "1"), ("LIEUPLAC", "8"), ("PLACMOD", "1"), ("AUTRLIEUAR", "1")]);
    of.extend(changes);
    event(&of)
}

#[test]
fn one_fault_is_one_finding() {
    for (wrong, code, variable) in [
        (event(&[("NUMANONYM", "")]), "identifiant", Some("NUMANONYM")),
        (event(&[("NUMANONYM", "12")]), "identifiant", Some("NUMANONYM")),
        (event(&[("NUMANONYMANT", "zz")]), "identifiant", Some("NUMANONYMANT")),
        (event(&[("TYPEV", "")]), "absente", Some("TYPEV")),
        (event(&[("DATDECPE", "")]), "absente", Some("DATDECPE")),
        (event(&[("DATDEB", "9999-99-99")]), "absente", Some("DATDEB")),
        (event(&[("NATPDECADM", "17")]), "code-inconnu", Some("NATPDECADM")),
        (event(&[("LIEUACC", "")]), "absente", Some("LIEUACC")),
        (event(&[("NUMDEP", "1")]), "code-inconnu", Some("NUMDEP")),
        (event(&[("DATPPE", "01/04/2025")]), "date-incorrecte", Some("DATPPE")),
        (event(&[("DATPPE", "2025-02-30")]), "date-incorrecte", Some("DATPPE")),
        (event(&[("DATDCMERE", "2020-01-01")]), "date-incorrecte", Some("DATDCMERE")),
        (event(&[("DATFIN", "2025-05-01")]), "non-attendue", Some("DATFIN")),
        (event(&[("TYPINTERDOM", "1")]), "non-attendue", Some("TYPINTERDOM")),
        (event(&[("ANSA1", "2007")]), "parents", Some("ANSA1")),
        (event(&[("ANSPERE", "1910")]), "parents", Some("ANSPERE")),
        (event(&[("MENAGEJM", "1")]), "reservee-majeurs", Some("MENAGEJM")),
        (event(&[("AUTREDA", "texte")]), "texte-libre", Some("AUTREDA")),
        (event(&[("CODEV", "1")]), "variable-retiree", Some("CODEV")),
        (placement(&[("NATDECASSED", "")]), "absente", Some("NATDECASSED")),
        (placement(&[("INSTITPLAC", "")]), "absente", Some("INSTITPLAC")),
        (placement(&[("NATDECPLAC", "")]), "absente", Some("NATDECPLAC")),
        (placement(&[("LIEUPLAC", "")]), "absente", Some("LIEUPLAC")),
        (placement(&[("NATDECPLAC", "9"), ("LIEUPLAC", "99"), ("INSTITPLAC", "7")]), "code-inconnu", Some("INSTITPLAC")),
    ] {
        let found = found(&report(&[wrong]));
        assert!(found.contains(&(code, variable, 1)), "{code} {variable:?}: {found:?}");
        let alone = !matches!(variable, Some("TYPEV" | "NATPDECADM" | "NATDECASSED"));
        assert!(!alone || found.len() == 1, "{code} {variable:?}: {found:?}");
    }
    assert_eq!(found(&report(&[placement(&[])])), []);
}

#[test]
fn what_blocks_blocks() {
    for wrong in [event(&[("DECISION", "")]), event(&[("DECISION", "3")]), event(&[("NUMANONYM", "12")]), event(&[("AUTREDJ", "texte")])] {
        let report = report(&[wrong]);
        assert!(report.is_blocked());
        assert!(report.text().contains("BLOQUANT") && report.tallies[0].blocking);
    }
    assert!(!report(&[event(&[("DATDEB", "")])]).is_blocked());
}

#[test]
fn an_end_needs_its_date_its_motive_and_its_start() {
    let end = [("TYPEV", "3"), ("DATFIN", "2025-09-01"), ("MOTFININT", "9")];
    assert_eq!(found(&report(&[event(&[]), event(&end)])), []);
    assert_eq!(found(&report(&[event(&end), event(&[])])), [], "the order of the file does not matter");
    assert_eq!(found(&report(&[event(&end)])), [("fin-sans-debut", Some("DATDEB"), 1)]);
    let other = event(&[("NUMANONYM", "00000000000000000000000000000000000000bb")]);
    assert_eq!(found(&report(&[event(&end), other])), [("fin-sans-debut", Some("DATDEB"), 1)], "another child's start is none");
    let began_earlier = [end[0], end[1], end[2], ("DATDEB", "2024-11-02"), ("DATDECPE", "2024-11-02"), ("DATPPE", "")];
    assert_eq!(found(&report(&[event(&began_earlier)])), []);
    let bare = found(&report(&[event(&[]), event(&[("TYPEV", "3")])]));
    assert_eq!(bare, [("absente", Some("DATFIN"), 1), ("absente", Some("MOTFININT"), 1)]);
    let long = event(&[end[0], end[1], end[2], ("DATDEB", "2023-08-31"), ("DATPPE", "")]);
    assert_eq!(found(&report(&[long])), [("duree-excessive", Some("DATFIN"), 1)]);
    let backwards = event(&[end[0], end[2], ("DATFIN", "2025-01-01")]);
    let found = found(&report(&[event(&[]), backwards]));
    assert_eq!(found, [("ordre-des-dates", Some("DATFIN"), 1)]);
}

#[test]
fn an_age_is_counted_in_full_years_at_the_decision() {
    let adult = |birth: &'static str, month: &'static str| {
        let changes = [("ANAIS", birth), ("MNAIS", month), ("NATPDECADM", "21"), ("PROJET", ""), ("DATPPE", ""), ("NEGLIG", "")];
        let changes: Vec<_> = changes.into_iter().chain([("LIENA1", ""), ("ANSMERE", ""), ("MENAGEJM", "2")]).collect();
        found(&report(&[event(&changes)]))
    };
    assert_eq!(adult("2007", "3"), []);
    assert!(adult("2007", "4").contains(&("reservee-majeurs", Some("NATPDECADM"), 1)));
    assert_eq!(adult("2004", "4"), []);
    assert_eq!(adult("2004", "3"), [("age", Some("ANAIS"), 1)]);
    assert!(adult("2026", "1").iter().any(|(code, ..)| *code == "age"));
    let minors = event(&[("ANAIS", "2006"), ("NATPDECADM", "11")]);
    let minors = found(&report(&[minors]));
    assert!(minors.contains(&("reservee-mineurs", Some("NATPDECADM"), 1)) && minors.contains(&("reservee-mineurs", Some("NEGLIG"), 1)));
}

#[test]
fn events_of_one_child_are_compared() {
    let twice = [event(&[]), event(&[])];
    assert_eq!(found(&report(&twice)), [("doublon", None, 1)]);
    assert_eq!(found(&report(&[event(&[]), event(&[("NEGLIG", "1")])])), [("doublon-administratif", None, 1)]);
    assert_eq!(found(&report(&[placement(&[]), placement(&[("NEGLIG", "1")])])), [("doublon-judiciaire", None, 1)]);
    let other = [event(&[]), event(&[("SEXE", "1"), ("DATDECPE", "2025-05-05")])];
    assert_eq!(found(&report(&other)), [("identifiant-incoherent", Some("NUMANONYM"), 1)]);
    let many: Vec<_> = (1..=28).map(|day| event(&[("DATDECPE", &format!("2025-02-{day:02}"))])).collect();
    assert_eq!(found(&report(&many)), [("controle-incomplet", None, 16)], "twelve events of one child are compared, and the rest is told");
}

#[test]
fn the_year_and_the_variables_of_the_whole_file_are_looked_at() {
    let old = event(&[("DATDECPE", "2024-03-02"), ("DATDEB", "2024-03-10")]);
    assert_eq!(found(&report(&[old])), [("hors-perimetre", None, 1)]);
    let report = report(&[event(&[("NBFRAT", "99"), ("INTERANT", "NULL")]), event(&[("DATDECPE", "2025-05-05"), ("NBFRAT", "99")])]);
    let of = |check: Check| {
        report.tallies.iter().filter(move |tally| tally.check == check).filter_map(|tally| tally.variable).collect::<Vec<_>>()
    };
    assert_eq!(of(Check::ToujoursVide), ["INTERANT"]);
    assert_eq!(of(Check::ToujoursInconnue), ["AUTRLIEUACC", "NBFRAT"]);
    assert!(of(Check::JamaisPresente).contains(&"SANTE") && !of(Check::JamaisPresente).contains(&"CODEV"));
}

#[test]
fn places_are_bounded_and_counts_are_not() {
    let many: Vec<_> = (0..500).map(|_| event(&[("DECISION", "")])).collect();
    let report = report(&many);
    let tally = report.tallies.iter().find(|tally| tally.check == Check::Absente).unwrap();
    assert_eq!((tally.count, tally.findings.len()), (500, PLACES_KEPT));
    assert!(report.text().contains("- et 480 autres"));
}

#[test]
fn a_child_costs_what_is_said() {
    assert_eq!(BYTES_PER_CHILD, 208, "README.md says so");
}
