//! What may not be in a set that somebody tests or proposes, though it loads: words that no list knows, and prohibitions
//! that could stop an alert.

use std::collections::BTreeSet;

use super::{Policies, near::meant, words};
use crate::catalogue::Catalogue;

impl Policies {
    /// Everything of these rules that keeps them from taking force with this catalogue, in French; nothing when they may.
    ///
    /// A set that took force before is not asked again: a list that changed since must not stop a gateway from starting.
    pub fn unfit(&self, catalogue: &Catalogue) -> Vec<String> {
        let mut found = unknown_words(self, catalogue);
        found.extend(self.alerts_stopped(catalogue));
        found.extend(self.open_to_all(catalogue));
        found
    }
}

impl Policies {
    /// Permissions to send that ask nothing of who sends, or nothing of who receives, and are not about alerts.
    fn open_to_all(&self, catalogue: &Catalogue) -> Vec<String> {
        let of_alerts = |rule: &str| {
            let mut named = self.words.iter().filter(|(one, fact, _)| one == rule && fact == "type").map(|(.., word)| word).peekable();
            named.peek().is_some() && named.all(|code| catalogue.is_danger(code))
        };
        let mut found = Vec::new();
        for (rule, note) in self.notes.iter().filter(|(_, note)| note.lets_send) {
            let asks = |facts: [&str; 4]| note.facts.iter().any(|fact| facts.contains(&fact.as_str()));
            if note.facts.iter().any(|fact| fact == "danger") || of_alerts(rule) {
                continue;
            }
            for (guard, asked) in [
                ("from_ok", asks(["from_ok", "from_kind", "from_secrecy", "from_role"])),
                ("to_ok", asks(["to_ok", "to_kind", "to_secrecy", "to_role"])),
            ] {
                if !asked {
                    found.push(format!(
                        "{}{rule} : cette permission d’envoyer vaut pour n’importe quel service ; ajouter « && context.{guard} » : ceux que le \
                         catalogue prévoit pour ce type",
                        self.place(rule)
                    ));
                }
            }
        }
        found
    }
}

/// Words of the rules that no list knows, with those that may have been meant.
pub(super) fn unknown_words(policies: &Policies, catalogue: &Catalogue) -> Vec<String> {
    let unknown = |(rule, fact, word): &(String, String, String)| {
        let known = words::list(fact, catalogue).filter(|known| !known.contains(word))?;
        let meant = meant(word, known.iter().map(String::as_str));
        Some(format!("{}{rule} : « {word} » n’existe pas pour {fact}{meant}", policies.place(rule)))
    };
    // Rules are written for types to come, too: one that is not there is a mistake when it is nearly one that is.
    let types = || catalogue.types.keys().map(exchange::TypeCode::as_str);
    let mistyped =
        policies.words.iter().filter(|(_, fact, word)| fact == "type" && types().all(|code| code != word)).filter_map(|(rule, _, word)| {
            let meant = Some(meant(word, types())).filter(|meant| !meant.is_empty())?;
            Some(format!("{}{rule} : aucun type d’échange ne s’appelle « {word} »{meant}", policies.place(rule)))
        });
    let words = policies.words.iter().filter_map(unknown);
    let excepted = policies.notes.values().flat_map(|note| &note.excepts);
    let paths: BTreeSet<&String> = policies.fields.iter().chain(excepted).filter(|path| !catalogue.has_path(path)).collect();
    words.chain(mistyped).chain(paths.into_iter().map(|path| format!("aucun type n’a le champ « {path} »"))).collect()
}

#[cfg(test)]
mod tests {
    use crate::{
        catalogue::Catalogue,
        policy::tests::world::{World, folder},
    };

    fn unfit(local: &str) -> Vec<String> {
        let world = World::with_local(&format!(
            "@id(\"essai\") @rule(\"R99\") @article(\"a\") @effective_from(\"2020-01-01\") @explain(\"e\")\n{local};"
        ));
        world.policies.unfit(&Catalogue::load(&folder().join("catalogue")).unwrap())
    }

    #[test]
    fn a_permission_to_send_asks_who_sends_and_who_receives() {
        let send = |condition: &str| unfit(&format!("permit (principal, action == Action::\"submit\", resource)\nwhen {{ {condition} }}"));
        assert_eq!(send("context.type == \"retour-information\" && context.from_ok && context.to_ok"), Vec::<String>::new());
        assert_eq!(send("context.from_kind == \"crip\" && context.to_kind == \"pmi\""), Vec::<String>::new());
        assert_eq!(send("context.danger"), Vec::<String>::new(), "an alert passes from whoever sends it");
        let found = send("context.type == \"retour-information\" && context.to_kind == \"en-sante-social\"");
        assert!(found.len() == 1 && found[0].starts_with("local/") && found[0].contains("context.from_ok"), "{found:?}");
        assert_eq!(send("context.is_reply").len(), 2);
    }

    #[test]
    fn a_type_that_is_nearly_one_is_a_mistake_and_one_to_come_is_none() {
        let of = |code: &str| {
            let when = format!("when {{ context.type == \"{code}\" && context.from_ok && context.to_ok }}");
            unfit(&format!("permit (principal, action == Action::\"submit\", resource)\n{when}"))
        };
        assert!(of("retour-info").iter().any(|told| told.contains("« retour-information »")), "{:?}", of("retour-info"));
        assert_eq!(of("rapport-evaluation"), Vec::<String>::new());
    }
}
