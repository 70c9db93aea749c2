//! What is well today and will not be: certificates, lists, agreements and habilitations that end soon, a disk that fills, a
//! backup that is old. Said by `gateway check`, weeks before a member notices.

use std::{collections::BTreeMap, time::Duration};

use exchange::Instant;
use time::Date;

use crate::{
    agreements::{Agreement, AgreementState, InForce},
    config::Config,
    directory::{Professional, day::day_in_france},
    flows::{Law, backup},
    listen::{self, Dated},
    store::{Part, audit::unsigned_since},
};

/// Everything that ends soon, in French, for the line after « À prévoir : ».
pub(super) fn soon(config: &Config, law: &Law, now: Instant) -> Vec<String> {
    let files = listen::endings(&config.tls).into_iter().filter_map(|one| {
        let (what, notice, then) = match one.what {
            Dated::Certificate => ("le certificat", NOTICE, "renouvelez-le"),
            Dated::List => ("la liste de révocation", NOTICE_OF_LISTS, "72 h après, plus personne de cette autorité n’entre"),
        };
        let when = if one.at <= now { "a pris fin le" } else { "prend fin le" };
        (one.at <= now.plus(notice)).then(|| format!("{what} {} {when} {} : {then}", one.file.display(), one.at))
    });
    let (today, later) = (day_in_france(now), day_in_france(now.plus(NOTICE_OF_AGREEMENTS)));
    let agreements = law.agreements.all().filter_map(|one| {
        let ends = one.effective_to.filter(|last| *last <= later)?;
        let in_force = matches!(law.agreements.in_force(&one.id, now), InForce::InForce(_));
        (in_force && !followed(law, one, ends))
            .then(|| format!("le protocole {} prend fin le {ends} : préparez un avenant, ou prévenez ses parties", one.id))
    });
    let habilitations = habilitations(law, today, day_in_france(now.plus(NOTICE)));
    files.chain(agreements).chain(habilitations).chain(disk(config)).chain(old_backup(config, now)).collect()
}

/// Whether another agreement takes over from the day after, for the same parties and types.
fn followed(law: &Law, agreement: &Agreement, ends: Date) -> bool {
    law.agreements.all().any(|other| {
        let begins = other.effective_from.is_some_and(|from| ends.next_day().is_none_or(|next| from <= next));
        let lasts = other.effective_to.is_none_or(|last| last > ends);
        let signed = matches!(other.state, AgreementState::EnVigueur | AgreementState::AReviser) && !other.suspended;
        let covers = agreement.parties.iter().all(|party| other.parties.contains(party)) && agreement.types.is_subset(&other.types);
        begins && lasts && signed && covers
    })
}

/// One line for each institution: who loses the right to open, and when.
fn habilitations(law: &Law, today: Date, later: Date) -> Vec<String> {
    let mut ending: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for person in law.directory.professionals() {
        for (unit, last) in ends(person, today).into_iter().filter(|(_, last)| *last <= later) {
            ending.entry(person.institution.as_str()).or_default().push(format!("{} ({unit}, {last})", person.id.subject));
        }
    }
    let said = |(institution, who): (&str, Vec<String>)| {
        format!("annuaire : des habilitations de {institution} prennent fin sous 30 jours : {}", who.join(", "))
    };
    ending.into_iter().map(said).collect()
}

/// The last day of each unit's habilitation that is in date and that nothing follows.
fn ends(person: &Professional, today: Date) -> BTreeMap<&str, Date> {
    let mut last: BTreeMap<&str, Option<Date>> = BTreeMap::new();
    for held in &person.habilitations {
        let longest = last.entry(held.unit.as_str()).or_insert(held.to);
        *longest = longest.zip(held.to).map(|(one, other)| one.max(other));
    }
    last.into_iter().filter_map(|(unit, last)| Some((unit, last.filter(|last| *last >= today)?))).collect()
}

fn disk(config: &Config) -> Option<String> {
    if config.database.is_some() {
        return None;
    }
    let disk = rustix::fs::statvfs(&config.data).ok()?;
    let left = disk.f_bavail.saturating_mul(disk.f_frsize);
    let folder = config.data.display();
    (left < ROOM).then(|| format!("il reste {} Mio pour {folder} : sous 1024, les pièces jointes sont refusées", left / 1024 / 1024))
}

/// PostgreSQL has backups of its own, of which nothing is known here.
fn old_backup(config: &Config, now: Instant) -> Option<String> {
    if config.database.is_some() || !config.data.join("gateway.db").exists() {
        return None;
    }
    match backup::last(&config.data) {
        None => Some("aucune sauvegarde n’est connue de cette machine : gateway backup".to_owned()),
        Some(at) if now.since(at) > OLD => Some(format!("la dernière sauvegarde est du {at} : gateway backup")),
        Some(_) => None,
    }
}

/// A log that nobody extends: nothing is handed over meanwhile.
pub(super) async fn log_that_stands(config: &Config, now: Instant) -> Option<String> {
    if config.database.is_none() && !config.data.join("gateway.db").exists() {
        return None;
    }
    // What cannot be read is said by who describes the database.
    let since = unsigned_since(&config.database(Part::Gateway)).await.ok().flatten()?;
    (now.since(since) > STANDS).then(|| {
        format!("le journal attend une signature depuis le {since}, et rien n’est remis entre-temps : la passerelle est-elle arrêtée ?")
    })
}

/// How long an entry may wait for its signature: it takes a tenth of a second.
const STANDS: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Before a certificate or a habilitation ends.
const NOTICE: Duration = DAY.saturating_mul(30);
/// Before the next list is due: lists live for days.
const NOTICE_OF_LISTS: Duration = DAY;
/// Before an agreement ends: an amendment takes signatures.
const NOTICE_OF_AGREEMENTS: Duration = DAY.saturating_mul(60);
/// A daily backup that was missed twice.
const OLD: Duration = DAY.saturating_mul(2);
/// Four times what attachments leave free.
const ROOM: u64 = 4 * 1024 * 1024 * 1024;
