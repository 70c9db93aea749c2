//! Mistakes of files that a jurist writes, in French: what the reader of TOML says in English, with near matches.

use crate::{policy::near::meant, source::SourceFault};

/// The same mistake in French; what is French already stays as it is.
pub(super) fn in_french(fault: SourceFault) -> SourceFault {
    // What stands before is the title of the case.
    let (title, what) = match fault.what.rsplit_once(" : ") {
        Some((title, what)) => (format!("{title} : "), what),
        None => (String::new(), fault.what.as_str()),
    };
    let Some((what, cure)) = french(what) else { return fault };
    SourceFault { what: format!("{title}{what}"), cure, ..fault }
}

fn french(what: &str) -> Option<(String, String)> {
    let mut words = what.split('`').skip(1).step_by(2);
    let keys = || "les clés sont dans policies/README.md".to_owned();
    let told = if what.starts_with("unknown variant ") {
        let word = words.next()?;
        let known: Vec<&str> = words.collect();
        (
            format!("le mot « {word} » n’existe pas ici{}", meant(word, known.iter().copied())),
            format!("écrire un de : {}", known.join(", ")),
        )
    } else if what.starts_with("unknown field ") {
        let word = words.next()?;
        (format!("la clé « {word} » n’existe pas{}", meant(word, words)), keys())
    } else if what.starts_with("missing field ") {
        (format!("il manque « {} »", words.next()?), keys())
    } else if what.starts_with("unknown entry ") {
        (format!("l’entrée « {} » n’existe pas", words.next()?), "n’écrire que des `[[case]]`".to_owned())
    } else if what.starts_with("the last day ") {
        ("le dernier jour est avant le premier".to_owned(), "remettre les jours dans l’ordre".to_owned())
    } else if what.ends_with(" is not a day") {
        (format!("« {} » n’est pas un jour", words.next()?), "écrire un jour sans guillemets : 2026-01-15".to_owned())
    } else if what.starts_with("duplicate key") {
        ("cette clé est écrite deux fois".to_owned(), "n’en garder qu’une".to_owned())
    } else if what.starts_with("invalid type: ") || what == "not a valid identifier" {
        ("cette valeur n’a pas la forme qu’il faut".to_owned(), "policies/README.md montre chaque clé".to_owned())
    } else if ENGLISH.iter().any(|words| what.contains(words)) {
        (format!("le fichier ne se lit pas ici ({what})"), "corriger cette ligne".to_owned())
    } else {
        return None;
    };
    Some(told)
}

/// How the readers of TOML and of files begin.
const ENGLISH: [&str; 6] = ["expected", "invalid", "unexpected", "unclosed", "missing", "cannot be read"];
