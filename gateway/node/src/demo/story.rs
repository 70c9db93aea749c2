//! The story, scene by scene. Each scene does something real and checks what must come of it.

use std::path::{Path, PathBuf};

use adapters::fhir;
use serde_json::{Value, json};
use tokio::{process::Command, task::JoinSet};

use super::{
    DemoFault, Partner, SECRETS, Stage, Voice, envelopes,
    partners::{ask_partners, copy_to_the_crip},
};
use crate::client;

/// What the summary says.
#[derive(Default)]
pub(super) struct Summary {
    rows: Vec<(String, String)>,
}

impl Summary {
    pub(super) fn add(&mut self, what: &str, result: impl Into<String>) {
        self.rows.push((what.to_owned(), result.into()));
    }

    fn table(&self) -> String {
        let width = self.rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let lines: Vec<String> =
            self.rows.iter().map(|(what, result)| format!("  {what}{}  {result}", " ".repeat(width - what.chars().count()))).collect();
        format!("\nRésumé\n{}", lines.join("\n"))
    }
}

/// Plays everything; gives the summary table.
pub(super) async fn play(stage: &mut Stage, voice: &Voice) -> Result<String, DemoFault> {
    let began = std::time::Instant::now();
    let mut summary = Summary::default();
    stage.start().await?;
    let address = stage.gateway.clone();
    let school = stage.world.partner("dsden-31", "p-5k2gh", &address);
    let hospital = stage.world.partner("chu-toulouse", "p-7d3hx", &address);
    let teacher = stage.world.partner("college-0319901u", "p-2v5ks", &address);
    let crip = stage.world.partner("departement-31", "p-4f7k2", &address);
    let magistrate = stage.world.partner("parquet-toulouse", "p-1c7qv", &address);

    voice.scene(1, "Une assistante sociale scolaire s’inquiète pour une élève");
    let asked = school
        .run(&["decision", "explain", "--type", "information-preoccupante", "--party", "departement-31/crip"], None)
        .await?
        .done("décision")?;
    let may = if text(&asked, "/verdict") == "permit" { "Oui." } else { "Non." };
    voice.say(&format!("   Puis-je l’envoyer à la CRIP ? {may} {}", text(&asked, "/reserve/0")));
    let key = client::new_key().map_err(|e| DemoFault::Story(e.to_string()))?;
    let first = school.submit(&envelopes::of_the_school(), &key).await?.done("dépôt de l’école")?;
    let information = text(&first, "/id");
    voice.say(&format!("   Acceptée : {information}. Reçu signé : {}…", head(&text(&first, "/receipt"))));
    summary.add("information préoccupante de l’école", "acceptée, reçu signé");

    voice.scene(2, "Le réseau coupe, elle renvoie : c’est le même échange");
    let again = school.submit(&envelopes::of_the_school(), &key).await?.done("répétition")?;
    ensure(again == first, "la répétition n’a pas donné le même reçu")?;
    voice.say("   Même numéro, même reçu : rien n’est compté deux fois.");
    summary.add("même dépôt, deux fois", "un seul échange");

    voice.scene(3, "Une pédiatre signale la même enfant, avec une faute dans le nom et des constats médicaux");
    let key = client::new_key().map_err(|e| DemoFault::Story(e.to_string()))?;
    let bundle = fhir::write(&envelopes::of_the_hospital(), &[]).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let bundle = bundle.ok_or_else(|| DemoFault::Story("le Bundle de l’hôpital n’a pas pu être écrit".into()))?;
    let second = hospital.submit(&bundle, &key).await?.done("dépôt de l’hôpital")?;
    voice.say(&format!(
        "   Son logiciel parle FHIR : un Bundle de {} ressources, sur POST /fhir. Acceptée : {}.",
        count(&bundle, "/entry"),
        text(&second, "/id")
    ));
    summary.add("dépôt de l’hôpital, en FHIR", "accepté, reçu signé");
    let doubtful = vault(stage, &["list"]).await?;
    let proposal = text(&doubtful, "/0/proposal");
    ensure(!proposal.is_empty(), "le rapprochement douteux n’est pas proposé")?;
    voice.say("   Le nom diffère d’une lettre : rien n’est rapproché sans une personne. La file en propose un ; une agente de la CRIP compare et décide.");
    let desk = stage.world.folder.join("desk.jwt");
    let token = crip.token_for(&stage.world.folder.join("tls/certificate.pem")).await?;
    std::fs::write(&desk, token).map_err(DemoFault::File)?;
    vault(stage, &["decide", &proposal, "--same", "--token", &path(&desk)]).await?;
    summary.add("même enfant, nom mal orthographié", "rapproché par une personne");

    voice.scene(4, "Un enseignant veut lire");
    let refused = teacher.run(&["mailbox", "list"], None).await?.refused("lecture par l’enseignant")?;
    voice.say(&format!("   Refusé : {} {}", text(&refused, "/detail"), text(&refused, "/cure")));
    let open = ["decision", "explain", "--action", "open", "--type", "information-preoccupante", "--party", "departement-31/crip"];
    let why = match teacher.run(&open, None).await? {
        super::Answer::Done(answer) => text(&answer, "/explanations/0/explain"),
        super::Answer::Refused(problem) => text(&problem, "/detail"),
    };
    voice.say(&format!("   Pourquoi : {why}"));
    let hidden = teacher.run(&["exchange", "show", &text(&second, "/id")], None).await?.refused("suivi par l’enseignant")?;
    ensure(text(&hidden, "/code") == "not-found", "l’enseignant apprend qu’un échange existe")?;
    voice.say("   Même avec l’identifiant de l’envoi de l’hôpital : « introuvable », comme s’il n’existait pas.");
    summary.add("lecture par un enseignant", "refusée, avec la raison");

    voice.scene(5, "La CRIP ouvre les deux");
    let mut opened = Vec::new();
    for _ in 0..2 {
        let waiting = crip.first_waiting("crip").await?;
        let delivery = text(&waiting, "/delivery");
        let document = crip.run(&["mailbox", "open", &delivery], None).await?.done("ouverture")?;
        crip.run(&["mailbox", "acknowledge", &delivery], None).await?.done("prise en charge")?;
        let kept_back = match count(&document, "/withheld") {
            0 => "lue en entier".to_owned(),
            some => format!("{some} parties lui sont cachées, avec la raison"),
        };
        voice.say(&format!("   L’information préoccupante de {} : {kept_back}.", text(&document, "/sender/institution")));
        opened.push(document);
    }
    ensure(opened.iter().any(|d| d.pointer("/payload/constats_sante/texte").is_some()), "la CRIP n’a pas lu les constats")?;
    let children: std::collections::BTreeSet<String> = opened.iter().map(|d| text(d, "/subjects/0/pseudonym")).collect();
    ensure(children.len() == 1, "les deux envois ne sont pas rattachés à la même enfant")?;
    voice.say(&format!(
        "   Même enfant pour la CRIP, sous un pseudonyme qu’elle est seule à connaître : {}.",
        children.into_iter().next().unwrap_or_default()
    ));
    let medical = school.run(&["exchange", "show", &text(&second, "/id")], None).await?.refused("lecture par l’école")?;
    ensure(text(&medical, "/code") == "not-found", "l’école apprend que l’hôpital a écrit")?;
    let seen = school.run(&["exchange", "show", &information], None).await?.done("suivi par l’école")?;
    ensure(!seen.to_string().contains("constats_sante"), "l’école a vu des constats de santé")?;
    voice.say("   L’école voit que son envoi est remis ; jamais les constats de l’hôpital, ni qui a ouvert.");
    summary.add("ouverture par la CRIP", "journal signé avant toute lecture");

    voice.scene(6, "Danger grave et immédiat : la CRIP saisit le parquet, et téléphone");
    let key = client::new_key().map_err(|e| DemoFault::Story(e.to_string()))?;
    let cadre = Partner { professional: "p-8c3mz", ..crip.clone() };
    let sent = cadre.submit(&envelopes::signalement(&information), &key).await?.done("signalement")?;
    let signalement = text(&sent, "/id");
    let call = cadre.run(&["exchange", "telephone", &signalement], None).await?.done("appel")?;
    let code = text(&call, "/read_back");
    voice.say(&format!("   Signalement {signalement} ; au téléphone, la magistrate relit le code {code}."));
    let waiting = magistrate.first_waiting("permanence").await?;
    let delivery = text(&waiting, "/delivery");
    let document = magistrate.run(&["mailbox", "open", &delivery], None).await?.done("ouverture par la magistrate")?;
    ensure(document.pointer("/subjects/0/birth_name").is_some(), "la magistrate ne lit pas l’identité")?;
    magistrate.run(&["mailbox", "acknowledge", &delivery, "--read-back", &code], None).await?.done("prise en charge")?;
    voice.say("   Ouvert et pris en charge par une magistrate nommée.");
    summary.add("signalement au parquet", "ouvert et pris en charge, code relu");

    voice.scene(7, "Les suites reviennent ; l’école reçoit un statut, rien du dossier");
    let key = client::new_key().map_err(|e| DemoFault::Story(e.to_string()))?;
    magistrate.submit(&envelopes::suites(&signalement), &key).await?.done("suites")?;
    let waiting = crip.first_waiting("crip").await?;
    let suites = crip.run(&["mailbox", "open", &text(&waiting, "/delivery")], None).await?.done("suites")?;
    ensure(
        suites.pointer("/payload/suites") == Some(&json!(["opp", "saisine-juge-des-enfants"])),
        "la CRIP ne lit pas les suites que la magistrate a données",
    )?;
    voice.say("   La CRIP lit les suites : placement provisoire, et saisine du juge des enfants.");
    let key = client::new_key().map_err(|e| DemoFault::Story(e.to_string()))?;
    crip.submit(&envelopes::retour(&information), &key).await?.done("retour")?;
    let waiting = school.first_waiting("ssfe").await?;
    let feedback = school.run(&["mailbox", "open", &text(&waiting, "/delivery")], None).await?.done("retour")?;
    ensure(!SECRETS.iter().any(|secret| feedback.to_string().contains(secret)), "le retour dit quelque chose du dossier")?;
    ensure(!feedback.to_string().contains("parquet"), "le retour dit la saisine du parquet")?;
    ensure(text(&feedback, "/payload/statut") == "evaluation-en-cours", "l’école ne lit pas le statut")?;
    voice.say("   L’école lit que l’évaluation est en cours, et rien d’autre.");
    summary.add("retour d’information à l’école", "un statut, rien du dossier");

    voice.scene(8, "Le collège est interrogé sous son protocole ; la CAF, non");
    ask_partners(stage, voice, &mut summary).await?;

    voice.scene(9, "Un hôpital saisit lui-même le procureur : la passerelle fait la copie à la CRIP");
    copy_to_the_crip(voice, &hospital, &crip, &mut summary).await?;

    voice.scene(10, "La passerelle est tuée en plein dépôt (kill -9)");
    let kept = kill_under_load(stage, &school).await?;
    voice.say(&format!("   {kept} dépôts : chacun présent une fois et une seule après redémarrage."));
    summary.add("arrêt brutal pendant les dépôts", format!("{kept} acceptés, 0 perdu, 0 en double"));

    voice.scene(11, "L’auditeur ne croit que les clés qu’il a notées");
    let (leaves, named) = audit(stage, &school).await?;
    voice.say(&format!("   Journal entier vérifié ({leaves}). Dans une copie, une ligne changée : {named}"));
    summary.add("journal vérifié", leaves);
    summary.add("ligne altérée dans une copie", named);

    voice.scene(12, "On cherche les noms dans tout ce que la passerelle a écrit");
    let (files, bytes) = search(stage).await?;
    voice.say(&format!(
        "   {files} fichiers, {bytes} octets, métriques et fichiers en mémoire compris : aucun nom, aucune date, aucun mot en clair."
    ));
    summary.add("recherche en clair", format!("rien dans {files} fichiers"));
    summary.add("durée", format!("{:.1} s", began.elapsed().as_secs_f64()));
    Ok(summary.table())
}

/// Deposits while the gateway is killed, restarts it, repeats every key: each is accepted once.
async fn kill_under_load(stage: &mut Stage, school: &Partner) -> Result<usize, DemoFault> {
    let mut deposits = JoinSet::new();
    let keys: Vec<String> = (0..12).map(|_| client::new_key()).collect::<Result<_, _>>().map_err(|e| DemoFault::Story(e.to_string()))?;
    for key in keys.clone() {
        let school = school.clone();
        deposits.spawn(async move { school.submit(&envelopes::of_the_school(), &key).await });
    }
    // The first answer says that deposits are under way: now, without warning.
    let _ = deposits.join_next().await;
    stage.kill().await?;
    stage.start().await?;
    // The reference client repeats by itself; what it had already been told must be told again.
    while deposits.join_next().await.is_some() {}
    let mut ids = std::collections::BTreeSet::new();
    for key in &keys {
        let once = school.submit(&envelopes::of_the_school(), key).await?.done("répétition")?;
        let twice = school.submit(&envelopes::of_the_school(), key).await?.done("répétition")?;
        ensure(once == twice, "deux reçus pour une clé")?;
        ids.insert(text(&once, "/id"));
    }
    ensure(ids.len() == keys.len(), "une clé, un échange : ce n’est pas le cas")?;
    Ok(ids.len())
}

/// Bundles and verifies the log; then alters a row of a copy and verifies that too.
async fn audit(stage: &Stage, school: &Partner) -> Result<(String, String), DemoFault> {
    // What an auditor would have noted long ago, from `GET /v1/keys`.
    let credentials = client::Credentials {
        certificate: &school.folder.join("certificate.pem"),
        key: &school.folder.join("key.pem"),
        authorities: &school.authorities,
    };
    let keys = async { client::Client::new(&school.gateway, &credentials)?.get("/v1/keys").await }.await;
    let keys = keys.map_err(|e| DemoFault::Story(e.to_string()))?;
    let folder = &stage.world.folder;
    let pinned = folder.join("pinned-receipt-keys.json");
    std::fs::write(&pinned, json!({"keys": keys.get("keys")}).to_string()).map_err(DemoFault::File)?;
    let vkey = text(&keys, "/log/vkey");

    let honest = folder.join("bundle");
    run(&["audit", "bundle", "--config", &path(&stage.world.config()), &path(&honest)]).await?;
    let verify = |bundle: PathBuf| {
        let (vkey, pinned) = (vkey.clone(), path(&pinned));
        async move { run(&["audit", "verify", &path(&bundle), "--log-key", &vkey, "--receipt-keys", &pinned, "--json"]).await }
    };
    let (code, report) = verify(honest).await?;
    ensure(code == 0, &format!("le journal honnête ne se vérifie pas : {report}"))?;
    let report: Value = serde_json::from_str(&report).unwrap_or(Value::Null);
    let leaves = format!("{} entrées", report.get("size").or_else(|| report.get("leaves")).map(Value::to_string).unwrap_or_default());

    // A copy of the database, one row of the log changed, bundled as if nothing had happened.
    let altered = folder.join("altered");
    alter_copy(stage, &altered).await?;
    let bundle = folder.join("altered-bundle");
    run(&["audit", "bundle", "--config", &path(&altered.join("gateway.toml")), &path(&bundle)]).await?;
    let (code, report) = verify(bundle).await?;
    ensure(code == 1, "le journal altéré passe la vérification")?;
    let report: Value = serde_json::from_str(&report).unwrap_or(Value::Null);
    let finding =
        report.get("findings").and_then(Value::as_array).and_then(|list| list.iter().find(|f| f.get("leaf").is_some_and(Value::is_u64)));
    let leaf = finding.and_then(|f| f.get("leaf")).and_then(Value::as_u64);
    ensure(leaf == Some(ALTERED), &format!("l’entrée altérée n’est pas nommée : {report}"))?;
    Ok((leaves, format!("l’entrée n° {ALTERED} est nommée")))
}

async fn alter_copy(stage: &Stage, to: &Path) -> Result<(), DemoFault> {
    use sqlx::Connection;
    std::fs::create_dir_all(to.join("data")).map_err(DemoFault::File)?;
    let text = std::fs::read_to_string(stage.world.config()).map_err(DemoFault::File)?;
    let text = text
        .replace("\"keys.json\"", "\"../keys.json\"")
        .replace("\"policies\"", "\"../policies\"")
        .replace("\"directory\"", "\"../directory\"");
    std::fs::write(to.join("gateway.toml"), text).map_err(DemoFault::File)?;
    let story = |e: sqlx::Error| DemoFault::Story(e.to_string());
    sqlx::any::install_default_drivers();
    let source = format!("sqlite://{}", stage.world.folder.join("data/gateway.db").display());
    let mut copy = sqlx::AnyConnection::connect(&source).await.map_err(story)?;
    sqlx::query("VACUUM INTO $1").bind(path(&to.join("data/gateway.db"))).execute(&mut copy).await.map_err(story)?;
    let mut altered = sqlx::AnyConnection::connect(&format!("sqlite://{}", to.join("data/gateway.db").display())).await.map_err(story)?;
    let leaf = "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), '\"time\":\"20', '\"time\":\"19') AS BLOB) WHERE leaf_index = $1";
    let done = sqlx::query(leaf).bind(i64::try_from(ALTERED).unwrap_or(0)).execute(&mut altered).await.map_err(story)?;
    ensure(done.rows_affected() == 1, "aucune ligne altérée")?;
    altered.close().await.map_err(story)?;
    copy.close().await.map_err(story)
}

/// Looks for every secret in the databases, the log file, the metrics, and the files that the gateway maps in memory.
async fn search(stage: &Stage) -> Result<(usize, u64), DemoFault> {
    let (mut files, mut bytes) = (0, 0);
    let mut texts = vec![("métriques".to_owned(), stage.local("/metrics").await.unwrap_or_default().into_bytes())];
    for entry in std::fs::read_dir(stage.world.folder.join("data")).map_err(DemoFault::File)? {
        let file = entry.map_err(DemoFault::File)?.path();
        texts.push((path(&file), std::fs::read(&file).map_err(DemoFault::File)?));
    }
    let log = stage.world.folder.join("gateway.log");
    texts.push((path(&log), std::fs::read(&log).map_err(DemoFault::File)?));
    for file in stage.mapped_files() {
        texts.push((path(&file), std::fs::read(&file).unwrap_or_default()));
    }
    for (name, content) in &texts {
        files += 1;
        bytes += u64::try_from(content.len()).unwrap_or(0);
        for secret in SECRETS {
            let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            ensure(!found, &format!("un secret est en clair dans {name}"))?;
        }
    }
    Ok((files, bytes))
}

async fn vault(stage: &Stage, arguments: &[&str]) -> Result<Value, DemoFault> {
    let config = path(&stage.world.config());
    let mut all = vec!["vault", "match"];
    all.extend(arguments);
    all.extend(["--config", &config, "--json"]);
    let (code, output) = run(&all).await?;
    ensure(code == 0, &format!("vault match : {output}"))?;
    Ok(serde_json::from_str(&output).unwrap_or(Value::Null))
}

async fn run(arguments: &[&str]) -> Result<(i32, String), DemoFault> {
    let output = Command::new(std::env::current_exe().unwrap_or_else(|_| "gateway".into()))
        .args(arguments)
        .output()
        .await
        .map_err(DemoFault::Process)?;
    let code = output.status.code().unwrap_or(2);
    ensure(code != 2, String::from_utf8_lossy(&output.stderr).trim())?;
    Ok((code, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

pub(super) fn ensure(holds: bool, what: &str) -> Result<(), DemoFault> {
    if holds { Ok(()) } else { Err(DemoFault::Story(what.to_owned())) }
}

pub(super) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn count(value: &Value, pointer: &str) -> usize {
    value.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
}

fn head(text: &str) -> String {
    text.chars().take(24).collect()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// The leaf that the demonstration alters.
const ALTERED: u64 = 3;
