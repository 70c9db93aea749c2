//! Who is who, decided by a person at the gateway's machine while the gateway runs: what is proposed, who may decide, what
//! a decision changes for its readers, how it is taken back, and what the log says of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;

use gateway::{
    client::new_key,
    clock::{Clock, SystemClock},
    demo::{SECRETS, envelopes},
    store::vault::matching::Decider,
};
use serde_json::{Value, json};
use sqlx::{Connection, Row};
use tests::{
    cli::{Done, Running, path},
    people::*,
    text,
};

#[tokio::test]
async fn a_typo_is_proposed_to_those_who_may_decide_and_names_nobody() {
    let (running, [school, hospital]) = with_a_typo().await;
    let before = children(&running, [&school, &hospital]).await;
    assert_ne!(before[0], before[1], "nothing is joined without a person");

    // What waits names nobody, for a program and for a person.
    let waiting = running.here(&["vault", "match", "list", "--json"]).await.done();
    let told = running.here(&["vault", "match", "list"]).await.done().out;
    let list = waiting.json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    let mut exchanges: Vec<String> = serde_json::from_value(list[0]["exchanges"].clone()).unwrap();
    exchanges.sort();
    let mut both = vec![school.clone(), hospital.clone()];
    both.sort();
    assert_eq!(exchanges, both);
    assert!(list[0]["reasons"].as_array().unwrap().contains(&json!("given+birth+place")), "{list}");
    for secret in SECRETS {
        assert!(!waiting.out.contains(secret) && !told.contains(secret), "the list tells `{secret}`");
    }
    let proposal = text(&list, "/0/proposal");
    assert!(told.contains(&proposal));

    // Identities are shown on a terminal only, and to nobody who may not decide.
    let piped = act(&running, CRIP, &["match", "show", &proposal]).await;
    assert_eq!(text(&piped.refused(), "/code"), "terminal");
    // Another unit, an ended habilitation, another institution, nobody.
    for (who, answer) in [(PMI, "--same"), (FORMER, "--different"), (MAGISTRATE, "--same"), (("departement-31", "p-00000"), "--same")] {
        let refused = act(&running, who, &["match", "decide", &proposal, answer]).await;
        assert_eq!(text(&refused.refused(), "/code"), "habilitation", "{who:?}");
    }
    assert_eq!(entitled(&running), ["p-0g3pa", "p-4f7k2", "p-8c3mz"], "of the whole directory");
    assert_eq!(children(&running, [&school, &hospital]).await, before, "nothing happened");
    // Same or different must be said; an unknown question has no answer.
    assert_eq!(act(&running, CRIP, &["match", "decide", &proposal]).await.code, 2);
    assert_eq!(act(&running, CRIP, &["match", "decide", &proposal, "--same", "--different"]).await.code, 2);
    let unknown = act(&running, CRIP, &["match", "decide", "0190b8c5-0000-7000-8000-000000000000", "--same"]).await;
    assert_eq!(text(&unknown.refused(), "/code"), "introuvable");

    running.process.stop().await;
}

#[tokio::test]
async fn a_decision_joins_and_a_split_takes_it_back() {
    let (running, [school, hospital]) = with_a_typo().await;
    let before = children(&running, [&school, &hospital]).await;
    let proposal = the_proposal(&running).await;
    // Decided: both exchanges show the same child to the CRIP, and nothing waits any more.
    let decided = act(&running, CRIP, &["match", "decide", &proposal, "--same"]).await.done().json();
    assert_eq!((text(&decided, "/change"), text(&decided, "/proposal")), ("same".into(), proposal.clone()));
    let joined = children(&running, [&school, &hospital]).await;
    assert_eq!(joined, [before[0].clone(), before[0].clone()], "the one known longest stays");
    assert_eq!(running.here(&["vault", "match", "list", "--json"]).await.done().json(), json!([]));
    // Again is the same decision; otherwise is refused.
    assert_eq!(act(&running, CADRE, &["match", "decide", &proposal, "--same"]).await.done().json(), decided);
    assert_eq!(text(&act(&running, CRIP, &["match", "decide", &proposal, "--different"]).await.refused(), "/code"), "deja-decide");

    // Taken back: each exchange shows the child that it showed before.
    let linkage = text(&decided, "/linkage");
    assert_eq!(text(&act(&running, PMI, &["split", &linkage]).await.refused(), "/code"), "habilitation");
    let split = act(&running, CADRE, &["split", &linkage]).await.done().json();
    assert_eq!((text(&split, "/change"), text(&split, "/undoes")), ("split".into(), linkage.clone()));
    assert_eq!(children(&running, [&school, &hospital]).await, before);
    assert_eq!(text(&act(&running, CADRE, &["split", &linkage]).await.refused(), "/code"), "introuvable", "once");
    // The answer that was taken back is no answer any more: saying it again must not claim to have joined anything.
    assert_eq!(text(&act(&running, CRIP, &["match", "decide", &proposal, "--same"]).await.refused(), "/code"), "deja-decide");
    let events = signed(&running, 2).await;
    assert_eq!((events["identity.merged"], events["identity.split"]), (1, 1), "{events:?}");
    running.process.stop().await;
}

#[tokio::test]
async fn mentions_are_merged_without_a_question_and_told_apart_again() {
    let (running, [school, hospital]) = with_a_typo().await;
    let (one, other) = (format!("{school}/0"), format!("{hospital}/0"));
    act(&running, CRIP, &["merge", &one, &other]).await.done();
    let joined = children(&running, [&school, &hospital]).await;
    assert_eq!(joined[0], joined[1]);
    assert_eq!(text(&act(&running, CRIP, &["merge", &one, &other]).await.refused(), "/code"), "deja-decide");
    assert_eq!(text(&act(&running, PMI, &["split", "--mention", &other]).await.refused(), "/code"), "habilitation");
    act(&running, CRIP, &["split", "--mention", &other]).await.done();
    let apart = children(&running, [&school, &hospital]).await;
    assert_ne!(apart[0], apart[1]);
    // A split is undone by a merge, and that by a split.
    let again = act(&running, CADRE, &["merge", &one, &other]).await.done().json();
    let joined = children(&running, [&school, &hospital]).await;
    assert_eq!(joined[0], joined[1]);
    act(&running, CADRE, &["split", &text(&again, "/linkage")]).await.done();
    assert_eq!(children(&running, [&school, &hospital]).await, apart);

    // The log says all of it, signed, and verifies.
    let events = signed(&running, 4).await;
    assert_eq!((events["identity.merged"], events["identity.split"]), (2, 2), "{events:?}");
    let bundle = running.file("bundle");
    running.here(&["audit", "bundle", path(&bundle)]).await.done();
    let keys = running.acting(SCHOOL).get("/v1/keys").await.unwrap();
    let pinned = running.file("receipts.json");
    std::fs::write(&pinned, json!({"keys": keys["keys"]}).to_string()).unwrap();
    let log_key = text(&keys, "/log/vkey");
    let verified = running.here(&["audit", "verify", path(&bundle), "--log-key", &log_key, "--receipt-keys", path(&pinned)]).await;
    assert_eq!(verified.code, 0, "{}", verified.out);
    running.process.stop().await;
}

#[tokio::test]
async fn both_identities_are_shown_on_a_terminal_after_the_log_has_signed_it() {
    let (running, _) = with_a_typo().await;
    let proposal = the_proposal(&running).await;
    let Some(seen) = on_a_terminal(&running, CRIP, &proposal).await else {
        println!("no `script` on this machine: what a terminal shows is not tried");
        return;
    };
    for shown in ["FICTIVE", "FICTVE", "Capucine", "2014-02-27", "≠ birth_name"] {
        assert!(seen.contains(shown), "{shown}: {seen}");
    }
    assert_eq!(signed(&running, 0).await["decision.made"], 1, "the look itself is in the log");
    let refused = on_a_terminal(&running, PMI, &proposal).await.unwrap();
    assert!(!refused.contains("Capucine"), "{refused}");
    assert_eq!(signed(&running, 0).await["decision.made"], 1);
    running.process.stop().await;
}

#[tokio::test]
async fn twins_are_two_and_the_same_child_is_one() {
    let running = Running::start().await;
    let twin = |given: &str, reference: &str| json!({"ref": reference, "role": "enfant", "birth_name": "JUMELLE", "given_names": [given], "sex": "F", "birth_date": "2019-03-08", "birth_place": "31555"});
    let of = |subjects: Value| json!({"type": "information-preoccupante", "urgency": "ordinary", "subjects": subjects});
    let together = deposit(&running, SCHOOL, &of(json!([twin("Aline", "s1"), twin("Célia", "s2")]))).await;
    let alone = deposit(&running, HOSPITAL, &of(json!([twin("Célia", "s1")]))).await;
    let (aline, celia) = (child(&running, &together, 0).await, child(&running, &together, 1).await);
    assert_ne!(aline, celia, "twins");
    assert!(![&aline, &celia].contains(&&child(&running, &alone, 0).await), "one wrong given name would make her the other: a person says");
    // A person who says who is who is believed for good.
    let waiting = running.here(&["vault", "match", "list", "--json"]).await.done().json();
    assert_eq!(waiting.as_array().unwrap().len(), 2, "{waiting}");
    for proposal in waiting.as_array().unwrap() {
        let same = proposal["reasons"].as_array().unwrap().contains(&json!("everything"));
        let answer = if same { "--same" } else { "--different" };
        act(&running, CRIP, &["match", "decide", &text(proposal, "/proposal"), answer]).await.done();
    }
    assert_eq!(child(&running, &alone, 0).await, celia);
    let again = deposit(&running, SCHOOL, &of(json!([twin("Aline", "s1"), twin("Célia", "s2")]))).await;
    assert_eq!((child(&running, &again, 0).await, child(&running, &again, 1).await), (aline, celia));
    assert_eq!(running.here(&["vault", "match", "list", "--json"]).await.done().json(), json!([]), "nobody asks again");
    running.process.stop().await;
}

/// A gateway to which a school and a hospital told of the same child, the hospital with a typo in the name.
async fn with_a_typo() -> (Running, [String; 2]) {
    let running = Running::start().await;
    let school = deposit(&running, SCHOOL, &envelopes::of_the_school()).await;
    let hospital = deposit(&running, HOSPITAL, &envelopes::of_the_hospital()).await;
    (running, [school, hospital])
}

/// The one question that waits.
async fn the_proposal(running: &Running) -> String {
    text(&running.here(&["vault", "match", "list", "--json"]).await.done().json(), "/0/proposal")
}

/// What the CRIP calls the first subject of each of two exchanges.
async fn children(running: &Running, [one, other]: [&str; 2]) -> [String; 2] {
    [child(running, one, 0).await, child(running, other, 0).await]
}

/// Everybody of the directory who may decide.
fn entitled(running: &Running) -> Vec<String> {
    let config = gateway::config::Config::load(&running.world.config()).unwrap();
    let directory = gateway::node::load_law(&config).unwrap().directory;
    let may = |institution, subject| Decider::entitled(&directory, "31", institution, subject, SystemClock.now()).is_some();
    let mut found: Vec<String> = directory
        .professionals()
        .filter(|known| may(&known.institution, &known.id.subject))
        .map(|known| known.id.subject.clone())
        .collect();
    found.sort();
    found
}

/// `gateway vault …`, by a professional whom a token names.
async fn act(running: &Running, who: (&str, &str), arguments: &[&str]) -> Done {
    running.at_the_desk(who, &[&["vault"], arguments].concat()).await
}

async fn deposit(running: &Running, who: (&str, &str), envelope: &Value) -> String {
    text(&running.acting(who).submit(envelope, &new_key().unwrap()).await.unwrap(), "/id")
}

/// What the CRIP calls a subject of an exchange.
async fn child(running: &Running, exchange: &str, place: usize) -> String {
    let crip = running.acting(CRIP);
    let page = crip.get("/v1/mailbox?unit=crip").await.unwrap();
    let delivery = page["deliveries"].as_array().unwrap().iter().find(|one| one["exchange"] == exchange).unwrap();
    let document = crip.get(&format!("/v1/mailbox/{}", text(delivery, "/delivery"))).await.unwrap();
    let pseudonym = text(&document, &format!("/subjects/{place}/pseudonym"));
    assert!(pseudonym.starts_with("P1-"), "{document}");
    pseudonym
}

/// How often each event stands signed in the log, once `about` of them speak of identities.
async fn signed(running: &Running, about: usize) -> BTreeMap<String, usize> {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", running.world.folder.join("data/gateway.db").display());
    let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
    for _ in 0..200 {
        let rows = sqlx::query("SELECT event FROM entry WHERE leaf_index IS NOT NULL").fetch_all(&mut database).await.unwrap();
        let mut events = BTreeMap::new();
        for row in &rows {
            *events.entry(row.get::<String, _>(0)).or_default() += 1;
        }
        let identities: usize = events.iter().filter(|(name, _)| name.starts_with("identity.")).map(|(_, count)| count).sum();
        if identities >= about {
            return events;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the log never said it");
}

/// What `vault match show` prints on a terminal; nothing where none can be pretended.
async fn on_a_terminal(running: &Running, who: (&str, &str), proposal: &str) -> Option<String> {
    let token = running.desk_token(who).await;
    let command = format!(
        "{} vault match show {proposal} --token {} --config {}",
        tests::process::binary().display(),
        token.display(),
        running.world.config().display()
    );
    let output = tokio::process::Command::new("script").args(["-qec", &command, "/dev/null"]).output().await.ok()?;
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A name that whoever has the shell writes is no name: only a token that the institution signed for this desk serves.
#[tokio::test]
async fn only_a_token_for_the_desk_names_who_decides() {
    let (running, [school, hospital]) = with_a_typo().await;
    let before = children(&running, [&school, &hospital]).await;
    let proposal = the_proposal(&running).await;
    let with = async |token: &str| {
        let file = running.file("token.jwt");
        std::fs::write(&file, token).unwrap();
        let arguments = ["vault", "match", "decide", &proposal, "--same", "--token", path(&file), "--json"];
        text(&running.here(&arguments).await.refused(), "/code")
    };
    // The token with which the same person reads on the wire.
    assert_eq!(with(&running.token(CRIP).await).await, "token-another-certificate");
    assert_eq!(with("rien").await, "token-malformed");
    // Signed by another institution in the name of this one.
    let desk = std::fs::read_to_string(running.desk_token(CRIP).await).unwrap();
    let (message, _) = desk.trim().rsplit_once('.').unwrap();
    let other = std::fs::read_to_string(running.desk_token(SCHOOL).await).unwrap();
    let (_, signature) = other.trim().rsplit_once('.').unwrap();
    assert_eq!(with(&format!("{message}.{signature}")).await, "token-bad-signature");
    // Revoked by its institution.
    let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, message.split_once('.').unwrap().1).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    running.acting(CRIP).post("/v1/tokens/revocations", &json!({"jti": claims["jti"]})).await.unwrap();
    assert_eq!(with(&desk).await, "token-revoked");
    assert_eq!(children(&running, [&school, &hospital]).await, before, "nothing happened");
    running.process.stop().await;
}
