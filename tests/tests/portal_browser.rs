//! The portal in a real Chromium. `tests/check.sh` installs it; the story is `tests/browser/portal.mjs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::{path::Path, process::Stdio};

use gateway::demo::envelopes;
use serde_json::json;
use tests::{browser::Portal, people::*};
use tokio::process::Command;

#[tokio::test]
async fn a_school_a_crip_and_a_magistrate_work_in_chromium() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let modules = std::env::var("PASSERELLE_NODE_MODULES").map_or_else(|_| root.join("target/tools/browser/node_modules"), Into::into);
    assert!(modules.join("playwright-core").exists(), "{} is not there: tests/check.sh installs it", modules.display());
    let portal = Portal::open().await;
    // The magistrate's inbox holds a signalement before the story begins.
    portal.scene.accepted(CADRE, &envelopes::signalement("x")).await;
    // And the CRIP's a child that is perhaps the same.
    portal.scene.accepted(HOSPITAL, &envelopes::of_the_hospital()).await;
    let told = json!({
        "origin": portal.origin,
        "members": portal.scene.world.folder.join("members"),
        "modules": modules,
        "pictures": root.join("target/portal"),
        "chromium": "/usr/bin/chromium",
        "school": SCHOOL.1, "crip": CRIP.1, "magistrate": MAGISTRATE.1, "hospital": HOSPITAL.1, "dpo": DPO.1, "administrator": ADMIN.1,
    });
    let story = Command::new("node")
        .arg(root.join("tests/browser/portal.mjs"))
        .env("PORTAL", told.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&story.stdout), String::from_utf8_lossy(&story.stderr));
    println!("{said}");
    assert!(story.status.success(), "{said}\n{wrong}");
    assert_eq!(portal.provider.signed_out(), 1);
}
