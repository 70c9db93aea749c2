//! The path of someone who writes no Rust, walked with files and commands as `policies/README.md` tells it: an agreement,
//! a rule and a case are added, tried, proposed, approved by two, in force, and taken back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use gateway::{client::new_key, demo::envelopes};
use serde_json::{Value, json};
use tests::{
    cli::{Running, path, run},
    people::{ADMIN, AUDITOR, CADRE, CRIP, DPO, SCHOOL},
    process::binary,
    scene::problem,
    text,
};
use tokio::process::Command;

/// What stands in the section of the README, under these three headings.
fn sample(heading: &str, language: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/README.md")).unwrap();
    let section = readme.split_once("\n## Changing the rules").expect("the section").1;
    let text = section.split_once(&format!("\n### {heading}")).unwrap_or_else(|| panic!("no heading `{heading}`")).1;
    text.split_once(&format!("```{language}\n")).unwrap().1.split("```").next().unwrap().to_owned()
}

/// A folder with what somebody of an institution has at hand, named as the README names it.
fn desk(running: &Running, institution: &str) -> PathBuf {
    let place = running.file("desk");
    fs::create_dir(&place).unwrap();
    for name in ["certificate.pem", "key.pem", "token.pem"] {
        fs::copy(running.member(institution).join(name), place.join(name)).unwrap();
    }
    fs::copy(running.world.authorities(), place.join("authorities.pem")).unwrap();
    place
}

/// What lines of the README say when somebody types them there.
async fn typed(place: &Path, lines: &str) -> String {
    let binaries = binary().parent().unwrap().display().to_string();
    let script = format!("set -euo pipefail\nexport PATH=\"{binaries}:$PATH\"\n{lines}");
    let output = Command::new("bash").arg("-c").arg(&script).current_dir(place).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test]
async fn somebody_who_writes_no_rust_adds_an_agreement_a_rule_and_a_case_and_takes_them_back() {
    let running = Running::start().await;
    let policies = running.world.folder.join("policies");
    let crip = running.acting(CRIP);
    let information = running.acting(SCHOOL).submit(&envelopes::of_the_school(), &new_key().unwrap()).await.unwrap();
    let answer = {
        let mut envelope = envelopes::retour(&text(&information, "/id"));
        envelope["agreement"] = json!("n02");
        envelope
    };
    let send = || async { problem(crip.submit(&answer, &new_key().unwrap()).await) };

    // Before: the agreement that the CRIP invokes does not exist.
    assert_eq!(send().await.unwrap_err().code(), "no-agreement");
    let first = text(&running.by(AUDITOR, &["policy", "list", "--json"]).await.done().json(), "/in_force");

    // 1. Write: three files, as the README shows them.
    fs::write(policies.join("agreements/n02.toml"), sample("1. Write", "toml")).unwrap();
    fs::write(policies.join("local/n02.cedar"), sample("1. Write", "text")).unwrap();
    let case = sample("2. Add the case", "toml");
    fs::write(policies.join("decisions/n02.toml"), &case).unwrap();

    // 2. Try: the cases are played with the folder as it is; the case says what the rule does.
    run(&["policy", "test", path(&policies)], &[], None).await.done();
    fs::write(policies.join("decisions/n02.toml"), case.replace("[\"R29\"]", "[\"R72\"]")).unwrap();
    assert_eq!(run(&["policy", "test", path(&policies)], &[], None).await.code, 1);
    fs::write(policies.join("decisions/n02.toml"), case).unwrap();

    // 3. See: nothing is in force, and what would change is told, decision by decision.
    let checked = running.here(&["check"]).await.done().out;
    assert!(checked.contains("n’est PAS appliqué") && checked.contains(&first[..12]), "{checked}");
    let simulated = running.here(&["policy", "simulate", "--against", path(&policies), "--json"]).await.done().json();
    assert_eq!((&simulated["simulation"]["counts"]["opened"], &simulated["simulation"]["counts"]["closed"]), (&json!(1), &json!(0)));
    let change = &simulated["simulation"]["changes"][0];
    assert_eq!(
        (text(change, "/type"), change["then"].clone(), change["now"].clone()),
        ("retour-information".into(), json!(false), json!(true))
    );
    assert!(running.here(&["policy", "simulate", "--against", path(&policies)]).await.done().out.contains("refus → permis : 1"));
    let help = running.here(&["policy", "--help"]).await.done().out;
    if help.lines().any(|line| line.trim_start().starts_with("diff ")) {
        let old = running.file("en-vigueur");
        running.by(AUDITOR, &["policy", "show", &first[..12], "--write", path(&old)]).await.done();
        let diff = running.here(&["policy", "diff", path(&old), path(&policies)]).await;
        assert!(diff.code != 2, "{diff:?}");
    }
    assert_eq!(send().await.unwrap_err().code(), "no-agreement");

    // What `show --write` gives is the set, without cases; with those of its day it passes.
    let written = running.file("archive");
    running.by(AUDITOR, &["policy", "show", &first[..12], "--write", path(&written)]).await.done();
    assert!(!written.join("decisions").exists() && written.join("rules.toml").exists());
    assert_eq!(run(&["policy", "test", path(&written)], &[], None).await.code, 2, "a folder without cases is not passed");
    fs::create_dir(written.join("decisions")).unwrap();
    for file in fs::read_dir(policies.join("decisions")).unwrap().map(|file| file.unwrap().path()) {
        if !file.ends_with("n02.toml") {
            fs::copy(&file, written.join("decisions").join(file.file_name().unwrap())).unwrap();
        }
    }
    run(&["policy", "test", path(&written)], &[], None).await.done();

    // 4. Propose, and have it approved by two people of two functions: the lines of the README as they stand.
    let place = desk(&running, CRIP.0);
    let lines = sample("4. Propose, approve", "sh").replace("https://localhost:8443", &running.base);
    let (before, after) = lines.split_once("\npolicy p-8c3mz").expect("the second approval");
    let proposed = typed(&place, before).await;
    let set = proposed.lines().find_map(|line| line.strip_prefix("Jeu ")).expect("the set").to_owned();
    assert!(proposed.contains("  ajoute : agreements/n02.toml, local/n02.cedar\n"), "{proposed}");
    assert_eq!(text(&running.by(ADMIN, &["policy", "approve", &set, "--json"]).await.refused(), "/code"), "policy-set-own-proposal");
    // A proposal may be taken back, and made again.
    let back = running.by(ADMIN, &["policy", "withdraw", &set[..12]]).await.done().out;
    assert!(back.contains("retiré le") && back.contains(ADMIN.1), "{back}");
    assert_eq!(text(&running.by(DPO, &["policy", "approve", &set, "--json"]).await.refused(), "/code"), "policy-set-not-waiting");
    running.by(ADMIN, &["policy", "propose", "--motive", "Protocole n02 signé"]).await.done();
    running.by(DPO, &["policy", "approve", &set, "--against", &first]).await.done();
    assert_eq!(send().await.unwrap_err().code(), "no-agreement", "one approval is not two");
    let again = before.lines().filter(|line| !line.starts_with("policy p-")).collect::<Vec<_>>().join("\n");
    let told = typed(&place, &format!("{again}\npolicy p-8c3mz{after}")).await;
    assert!(told.contains("en vigueur depuis") && told.contains("cadre-crip") && told.contains("Protocole n02 signé"), "{told}");

    // 5. In force: what was refused is permitted, under the agreement and the rule.
    let accepted = text(&send().await.unwrap(), "/id");
    let replay = running.here(&["decision", "replay", &accepted, "--json"]).await.done().json();
    let record = &replay["decisions"][0]["decision"]["record"];
    assert_eq!((text(record, "/policy_set"), text(record, "/agreement")), (set.clone(), "n02".into()));
    assert!(record["rules"].as_array().unwrap().contains(&json!("R29")), "{record}");
    assert!(running.here(&["check"]).await.done().out.starts_with("Prêt"));

    // 6. What was decided before the change replays to the same answer after it, refusals and openings too.
    let before = running.here(&["decision", "list", "--json"]).await.done().json();
    let refused: Vec<&Value> = before["decisions"].as_array().unwrap().iter().filter(|one| one["result"] == "refusal").collect();
    assert!(refused.len() >= 3 && refused.iter().all(|one| text(one, "/set") == first), "{before}");
    for one in before["decisions"].as_array().unwrap() {
        let replay = running.here(&["decision", "replay", &one["entry"].to_string()]).await.done().out;
        assert!(replay.contains("même réponse, mêmes règles"), "{replay}");
    }

    // 7. Back: the archive has the earlier set, whatever the folder holds.
    running.by(ADMIN, &["policy", "rollback", &first[..12], "--motive", "Le protocole est dénoncé"]).await.done();
    for who in [CADRE, DPO] {
        running.by(who, &["policy", "approve", &first]).await.done();
    }
    assert_eq!(send().await.unwrap_err().code(), "no-agreement");
    let checked = running.here(&["check"]).await.done().out;
    assert!(checked.contains("n’est PAS appliqué"), "{checked}");
    // What the archived set would have made of the month is known too: the accepted answer would be refused.
    let back = running.here(&["policy", "simulate", "--against", &first[..12], "--json"]).await.done().json();
    assert_eq!((&back["simulation"]["counts"]["opened"], &back["simulation"]["counts"]["closed"]), (&json!(0), &json!(1)), "{back}");
    let list = running.by(AUDITOR, &["policy", "list"]).await.done().out;
    assert!(list.contains("Le protocole est dénoncé") && list.contains("n’est PAS appliqué"), "{list}");
    // And what was accepted meanwhile still replays with its own set.
    running.here(&["decision", "replay", &accepted]).await.done();

    // 8. An auditor reads why; whoever is none does not, and the reading is written down.
    let who = |subject: &'static str| ["--institution", "departement-31", "--professional", subject];
    let explain = ["decision", "explain", accepted.as_str()];
    assert_eq!(running.here(&[&explain[..], &who(CRIP.1)].concat()).await.code, 1);
    let told = running.here(&[&explain[..], &who(AUDITOR.1)].concat()).await.done().out;
    for part in ["CASF L226-5", "retour-information", "Protocole : en-vigueur", "R29-retour-n02", "Protocole n02 signé"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for secret in ["FICTIVE", "Capucine"] {
        assert!(!told.contains(secret));
    }
    let bundle = running.file("bundle");
    running.here(&["audit", "bundle", path(&bundle)]).await.done();
    let keys = running.acting(SCHOOL).get("/v1/keys").await.unwrap();
    let receipts = running.file("keys.json");
    fs::write(&receipts, keys.to_string()).unwrap();
    let pinned = ["--log-key", &text(&keys, "/log/vkey"), "--receipt-keys", path(&receipts)];
    let verified = run(&[&["audit", "verify", path(&bundle)], &pinned[..]].concat(), &[], None).await;
    assert_eq!(verified.code, 0, "{verified:?}");
    running.process.stop().await;
}
