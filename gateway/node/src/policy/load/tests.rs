//! Files with a mistake do not start, and a rule that fails refuses.

use std::fs;

use super::*;
use crate::policy::{
    Denial, question,
    tests::world::{World, alert, copy, load},
};

const GOOD: &str = r#"@id("test")
@rule("R01")
@article("a")
@effective_from("2016-03-14")
@explain("Texte.")
@missing("Texte.")
@cure("Texte.")
@who("personne")
forbid (principal, action == Action::"submit", resource)
when { context.to_kind == "famille" };
"#;

/// The mistakes when this stands in `law/` or `local/`.
fn mistakes(part: &str, text: &str) -> Vec<String> {
    let dir = copy();
    fs::write(dir.path().join(part).join("test.cedar"), text).unwrap();
    load(dir.path()).err().unwrap_or_default()
}

fn spoilt(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    let mistakes = mistakes("law", &GOOD.replacen(from, to, 1));
    assert!(!mistakes.is_empty() && mistakes.iter().all(|what| what.contains("test.cedar:")), "{mistakes:?}");
    mistakes.join("\n")
}

#[test]
fn a_good_rule_is_taken() {
    assert!(mistakes("law", GOOD).is_empty());
}

#[test]
fn each_mistake_is_told() {
    assert!(spoilt("@who(\"personne\")", "@whom(\"personne\")").contains("annotation inconnue : `@whom` ; vouliez-vous dire « who » ?"));
    assert!(spoilt("@explain(\"Texte.\")\n", "").contains("l’annotation `@explain`"));
    assert!(spoilt("@missing(\"Texte.\")\n", "").contains("l’annotation `@missing`"));
    assert!(spoilt("@cure(\"Texte.\")", "@cure(\" \")").contains("l’annotation `@cure`"));
    assert!(spoilt("@id(\"test\")\n", "").contains("l’annotation `@id`"));
    assert!(spoilt("@rule(\"R01\")\n", "").contains("l’annotation `@rule`"));
    assert!(spoilt("@who(\"personne\")", "@who(\"personne\") @obligation(\"inventee\")").contains("obligation inconnue : « inventee »"));
    assert!(spoilt("@who(\"personne\")", "@who(\"personne\") @hidden(\"tout\")").contains("seul « existence » s’écrit"));
    // A field is taken out of a class, and by the law alone.
    assert!(
        spoilt("@who(\"personne\")", "@who(\"personne\") @except(\"payload.besoins_soins\")")
            .contains("une interdiction qui porte sur des classes")
    );
    assert!(spoilt("2016-03-14", "14/03/2016").contains("n’est pas un jour"));
    assert!(spoilt("@who(\"personne\")", "@who(\"personne\") @effective_to(\"2015-01-01\")").contains("avant le premier"));
    assert!(spoilt("forbid", "permit").contains("law/ ne tient que des interdictions"));
    assert!(spoilt("context.to_kind", "context.to_sort").contains("to_sort"));
    let typed = spoilt("\"famille\"", "3");
    assert!(typed.contains("String"), "{typed}");
    assert!(spoilt("Action::\"submit\"", "Action::\"envoyer\"").contains("envoyer"));
    assert!(spoilt("context.to_kind == \"famille\"", "context.instant + 1 > 2").contains("elle pourrait échouer"));
    assert!(spoilt("context.to_kind == \"famille\"", "decimal(\"1.0\").lessThan(decimal(\"2.0\"))").contains("elle pourrait échouer"));
    // A rule that can never apply is a prohibition that its author believes in.
    assert!(spoilt("action == Action::\"submit\", resource", "action == Action::\"submit\", resource is Field").contains("test"));
    assert!(spoilt("id(\"test\")", "id(\"R72-mairie-envoi\")").contains("R72-mairie-envoi"));
    assert!(spoilt("resource)", "resource").contains("test.cedar"));
}

#[test]
fn a_mistake_is_told_at_its_own_line_in_french() {
    for (from, to, line, told) in [
        ("context.to_kind ==", "context.to_kind = =", 10, "faute de syntaxe à « = »"),
        ("resource)", "resource", 10, "faute de syntaxe à « when » : il faudrait"),
        ("\"famille\" };", "\"famille\"", 10, "la règle s’arrête ici sans être finie : il faudrait"),
        ("context.to_kind", "context.to_sort", 10, "le schéma ne connaît pas ce fait"),
        ("Action::\"submit\"", "Action::\"envoyer\"", 9, "le schéma ne connaît pas cette action"),
        ("@effective_from(\"2016-03-14\")", "@effective_from(\"14/03/2016\")", 4, "« 14/03/2016 » n’est pas un jour"),
        ("@who(", "@whom(", 8, "annotation inconnue"),
        ("@cure(\"Texte.\")", "@cure(\" \")", 7, "il manque l’annotation `@cure`"),
        ("forbid", "permit", 9, "law/ ne tient que des interdictions"),
    ] {
        let mistakes = mistakes("law", &format!("// Un commentaire.\n\n{}", GOOD.replacen(from, to, 1)));
        let place = format!("law/test.cedar:{}: ", line + 2);
        assert!(mistakes.iter().any(|what| what.contains(&place) && what.contains(told)), "{to}: {mistakes:#?}");
    }
}

#[test]
fn a_prohibition_of_the_departement_and_a_second_template_are_refused() {
    assert!(mistakes("local", GOOD)[0].contains("local/ que des permissions"));
    let excepting = GOOD.replace("forbid", "permit").replace("@id(\"test\")", "@id(\"test\") @except(\"payload.fondement\")");
    assert!(mistakes("local", &excepting)[0].contains("une interdiction qui porte sur des classes"));
    let template = r#"@id("autre") @rule("R05") @article("a") @effective_from("2016-03-14") @explain("Texte.")
permit (principal in ?principal, action == Action::"submit", resource in ?resource);"#;
    assert!(mistakes("local", template)[0].contains("une seule règle a des places"));
    let failing = template.replace("resource in ?resource)", "resource in ?resource) when { context.instant + 1 > 2 }");
    assert!(mistakes("local", &failing).iter().any(|what| what.contains("elle pourrait échouer")));
}

#[test]
fn a_missing_schema_or_folder_is_told() {
    let dir = copy();
    fs::remove_file(dir.path().join("schema.cedarschema")).unwrap();
    assert!(load(dir.path()).unwrap_err()[0].contains("schema.cedarschema:1: cannot be read"));
    let dir = copy();
    fs::remove_dir_all(dir.path().join("law")).unwrap();
    assert!(load(dir.path()).unwrap_err()[0].contains("law"));
}

/// A newer program knows more facts than an older set, and must go on deciding with it, and replaying it.
#[test]
fn a_set_is_given_the_facts_of_its_own_schema() {
    let World { policies, .. } = World::new();
    let given = question::nothing();
    let inside = given["secret"].as_object().unwrap().keys().map(|name| format!("secret.{name}"));
    let given: BTreeSet<String> = given.as_object().unwrap().keys().cloned().chain(inside).collect();
    for action in ["submit", "open", "break_glass", "receive", "disclose"] {
        assert_eq!(policies.facts[action], given, "{action}");
    }
    let dir = copy();
    let schema = dir.path().join("schema.cedarschema");
    let written = fs::read_to_string(&schema).unwrap();
    let without = written.replacen("\"mission\": Bool, ", "", 1).replacen(", \"case_link\": Bool", "", 1);
    assert_eq!(without.len() + 36, written.len(), "both facts are taken out");
    fs::write(&schema, without).unwrap();
    for part in ["law", "local"] {
        for file in fs::read_dir(dir.path().join(part)).unwrap().map(Result::unwrap) {
            let rules = fs::read_to_string(file.path()).unwrap();
            fs::write(
                file.path(),
                rules.replace("context.case_link", "context.in_unit").replace("context.secret.mission", "context.secret.purpose"),
            )
            .unwrap();
        }
    }
    let older = load(dir.path()).unwrap();
    assert_eq!(older.facts["open"].len() + 2, policies.facts["open"].len());
    assert_eq!(older.unknown["open"], ["case_link", "secret.mission"].map(str::to_owned).into());
    older.probe().unwrap();
    // The other way round: a set that wants a fact which this program does not give is no set for it.
    fs::write(&schema, written.replacen("\"case_link\": Bool", "\"case_link\": Bool, \"inconnu\": Bool", 1)).unwrap();
    assert!(load(dir.path()).unwrap().probe().is_err());
}

#[test]
fn the_hash_is_about_names_and_bytes() {
    let hash = |dir: &std::path::Path| load(dir).unwrap().hash().to_owned();
    let dir = copy();
    let first = hash(dir.path());
    assert_eq!(first, hash(copy().path()));
    fs::rename(dir.path().join("law/mairie.cedar"), dir.path().join("law/mairies.cedar")).unwrap();
    assert_ne!(first, hash(dir.path()));
}

/// Cedar skips a forbid that fails: without care, a failing prohibition would be silent.
#[test]
fn i04_a_rule_that_fails_is_a_refusal() {
    let world = World::new();
    let failing = GOOD.replace("context.to_kind == \"famille\"", "context.instant + 9223372036854775807 > 0");
    let policy = Policy::parse(Some(PolicyId::new("test")), failing).unwrap();
    let everything = Policy::parse(Some(PolicyId::new("tout")), "permit (principal, action, resource);").unwrap();
    let explanation = Explanation::of_failure();
    let note = Note {
        explanation,
        obligations: Vec::new(),
        hidden: false,
        excepts: BTreeSet::new(),
        confirm: None,
        off: false,
        facts: Vec::new(),
        place: String::new(),
        lets_send: false,
        from: Date::MIN,
        to: None,
    };
    let notes = BTreeMap::from([("test".to_owned(), note.clone()), ("tout".to_owned(), note)]);
    let policies = Policies::assemble(
        (world.policies.schema.clone(), world.policies.facts.clone()),
        notes,
        None,
        &[policy, everything],
        "test".to_owned(),
    )
    .unwrap();
    let world = World { policies, ..world };
    let Err(Denial::Undecidable { record }) = world.send(&alert(), "hopital", "crip").run(&world) else { panic!("decided") };
    assert!(!record.permitted && record.undecided() && record.questions[0].error);
    let advice = world.send(&alert(), "hopital", "crip").advice(&world);
    assert!(!advice.permitted && advice.explanations == [Explanation::of_failure()]);
}
