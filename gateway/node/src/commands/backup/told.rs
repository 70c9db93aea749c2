//! What is said of a backup and of a restore: what is there, what is not, and what remains to be done by people.

use serde_json::json;

use super::{Backup, Head, Manifest, Replayed, Restore, Restored};
use crate::commands::print;

/// Says what was copied, and what was not.
pub(super) fn copied(options: &Backup, main: &Manifest, keys: &Manifest) {
    if options.place.json {
        let folder = |one: &Manifest| json!({"at": one.at, "bytes": one.bytes(), "files": one.files.keys().collect::<Vec<_>>()});
        let value =
            json!({"gateway": main.gateway, "keystore": main.keystore, "log": main.log, "main": folder(main), "keys": folder(keys)});
        return print(&value.to_string());
    }
    print(&format!(
        "Sauvegarde du {} : {} fichiers, {} octets dans {}.\nClés des contenus : {} octets dans {} ; à détruire dans 30 jours au plus.\n\
         Journal : {}.\nAbsents, à garder ailleurs : les clés maîtresses (empreinte {}), la clé TLS, le journal des effacements \
         (gateway keys journal).",
        main.at,
        main.files.len(),
        main.bytes(),
        options.to.display(),
        keys.bytes(),
        options.keys_to.display(),
        log(main.log.as_ref()),
        main.keystore
    ));
}

/// Says what was put back, what members will notice, and what a person has to do.
pub(super) fn restored(options: &Restore, done: &Restored) {
    let next = done.log.as_ref().map_or(0, |head| head.size);
    if options.place.json {
        return print(
            &json!({
                "copied_at": done.copied_at, "keys_at": done.keys_at, "log": done.log, "first_new_entry": next,
                "erasures_until": done.erasures_until, "erased_again": done.replayed.erased, "closed_again": done.replayed.closed
            })
            .to_string(),
        );
    }
    print(&format!(
        "Remis en place : l’état du {}, clés des contenus du {}.\n{}\n\
         Le journal reprend à l’entrée n° {next} ({}). Si la passerelle a signé davantage depuis, les deux suites divergent : les reçus \
         et points de contrôle donnés après le {} ne s’y vérifient pas, et leurs dépôts sont à refaire (la même clé d’idempotence suffit). \
         Le prochain démarrage inscrit « gateway.restored » au journal ; prévenez les membres, les auditeurs et les témoins.\n\
         Ce qui fut effacé après le {} est inconnu ici : à effacer de nouveau, à la main.\n\
         Les règles et l’annuaire approuvés ou changés depuis sont à revoir : gateway check.",
        done.copied_at,
        done.keys_at,
        replayed(&done.replayed),
        log(done.log.as_ref()),
        done.copied_at,
        done.erasures_until
    ));
}

/// Says what was destroyed again.
pub(super) fn replayed(again: &Replayed) -> String {
    let Replayed { erased, closed } = again;
    format!("Effacements rejoués : {erased} clés de contenus et {closed} domaines étaient revenus, et sont de nouveau détruits.")
}

fn log(head: Option<&Head>) -> String {
    head.map_or_else(|| "aucune entrée signée".to_owned(), |Head { size, root }| format!("{size} entrées, racine {root}"))
}
