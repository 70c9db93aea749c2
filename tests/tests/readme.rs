//! The README is true: its commands (enrol a school by hand, deposit with curl, open, the reference client, audit) are run
//! as they stand, in order, against the stage that the demonstration leaves open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path, process::Stdio};

use gateway::demo::World;
use tests::{
    NOW, Scene,
    cli::{path, run},
    process::{binary, free_ports},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

#[tokio::test]
async fn its_commands_work_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let stage = folder.path().join("stage");
    let (port, _) = free_ports();
    // The health port of the stage is the next one: look for a pair.
    let mut demo = Command::new(binary())
        .args(["demo", "--folder"])
        .arg(&stage)
        .args(["--port", &port.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut told = BufReader::new(demo.stdout.take().unwrap()).lines();
    loop {
        let line = told.next_line().await.unwrap().expect("the demonstration did not reach its end");
        if line.contains("reste ouverte") {
            break;
        }
    }

    let readme = readme();
    let binaries = binary().parent().unwrap().display().to_string();
    let mut script = String::from("set -euo pipefail\n");
    for section in ["## Enrol an institution by hand", "## The same with the reference client", "## Audit"] {
        for block in blocks(&readme, section, "sh") {
            // What builds and starts the stage was done above.
            let kept = block.lines().filter(|line| !line.starts_with("cargo ") && !line.starts_with("rm -rf"));
            script.extend(kept.map(|line| format!("{line}\n")));
        }
    }
    let script = script
        .replace("$PWD/target/release", &binaries)
        .replace("/tmp/passerelle", &stage.display().to_string())
        .replace("18443", &port.to_string());
    let output = Command::new("bash").arg("-c").arg(&script).output().await.unwrap();
    // Stopped as an operator would, it takes its gateway with it.
    Command::new("kill").arg(demo.id().unwrap().to_string()).status().await.unwrap();
    assert!(demo.wait().await.unwrap().success());
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the gateway outlived its demonstration");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for expected in ["\"receipt\":\"ey", "IMAGINAIRE", "204", "\"verdict\": \"permit\"", "Réponse consignée.", "entrées copiées"] {
        assert!(said.contains(expected), "`{expected}` was not said:\n{said}");
    }
}

/// What the README says should alarm is on the board before it counts: an alarm on a move sees the first one.
#[tokio::test]
async fn its_alarms_are_on_the_board_from_the_start() {
    let scene = Scene::start().await;
    let readme = readme();
    let board = scene.local("/metrics").await;
    let alarms: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("| `passerelle_")).map(|row| row.split(['`', '{']).next().unwrap()).collect();
    assert!(alarms.len() > 8, "{alarms:?}");
    for alarm in alarms {
        assert!(board.lines().any(|line| line.starts_with(&format!("passerelle_{alarm}")) && line.ends_with(" 0")), "{alarm}: {board}");
    }
}

/// What it shows of a type, an agreement, a rule and a case is read as it stands, under names that are still free.
#[tokio::test]
async fn its_samples_of_data_are_taken_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::create(&folder.path().join("world"), NOW.parse().unwrap()).unwrap();
    let policies = world.folder.join("policies");
    for (section, language, file, (taken, free)) in [
        ("### A type", "toml", "catalogue/essai.toml", ("code = \"retour-information\"", "code = \"essai\"")),
        ("### An agreement", "toml", "agreements/n02.toml", ("", "")),
        ("### A rule", "cedar", "law/essai.cedar", ("@id(\"R06-service\")", "@id(\"R06-essai\")")),
        ("### A case", "toml", "decisions/essai.toml", ("", "")),
    ] {
        let sample = blocks(&readme(), section, language).remove(0);
        assert!(sample.contains(taken), "{section}: {sample}");
        fs::write(policies.join(file), sample.replacen(taken, free, 1)).unwrap();
    }
    // The rule that it shows is the one of the law, word for word.
    let bare = |text: &str| text.lines().map(|line| line.split("   //").next().unwrap().trim()).collect::<Vec<_>>().join("\n");
    let law = fs::read_to_string(policies.join("law/secret-partage.cedar")).unwrap();
    assert!(bare(&law).contains(bare(&blocks(&readme(), "### A rule", "cedar").remove(0)).trim()));
    let checked = run(&["check", "--config", path(&world.config())], &[], None).await.done().out;
    // Nothing is doubted either.
    assert!(checked.starts_with("Prêt : "), "{checked}");
    run(&["policy", "test", path(&policies)], &[], None).await.done();
}

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap()
}

/// The blocks of one section in one language.
fn blocks(readme: &str, section: &str, language: &str) -> Vec<String> {
    let text = readme.split_once(&format!("\n{section}")).unwrap_or_else(|| panic!("no section `{section}`")).1;
    let text = text.split("\n## ").next().unwrap();
    text.split(&format!("```{language}\n")).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}
