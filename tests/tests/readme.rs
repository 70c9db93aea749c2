//! The README is true: its commands (enrol a school by hand, deposit with curl, open, the reference client, audit) are run
//! as they stand, in order, against the stage that the demonstration leaves open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path, process::Stdio};

use tests::process::{binary, free_ports};
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

    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let binaries = binary().parent().unwrap().display().to_string();
    let mut script = String::from("set -euo pipefail\n");
    for section in ["## Enrol an institution by hand", "## The same with the reference client", "## Audit"] {
        for block in shell_blocks(&readme, section) {
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
    for expected in ["\"receipt\":\"ey", "IMAGINAIRE", "204", "\"verdict\": \"permit\"", "Réponse consignée.", "feuilles copiées"] {
        assert!(said.contains(expected), "`{expected}` was not said:\n{said}");
    }
}

/// The ```sh blocks of one section.
fn shell_blocks(readme: &str, section: &str) -> Vec<String> {
    let text = readme.split_once(section).unwrap_or_else(|| panic!("no section `{section}`")).1;
    let text = text.split("\n## ").next().unwrap();
    text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}
