//! The shape of the source itself: imports point one way, flows never call each other, sample files are true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Rooms of the node from the bottom to the top; a room may use those before it and those of its own level.
const LEVELS: [(&str, &[&str]); 6] = [
    (
        "rules",
        &["clock", "source", "catalogue", "directory", "agreements", "policy", "retention", "proof", "token", "receipt", "seal", "log"],
    ),
    ("store", &["store"]),
    ("words of refusal", &["refusal"]),
    ("flows", &["flows"]),
    ("edges", &["config", "problem", "listen", "send", "drops", "mail", "routes", "portal", "watch", "client"]),
    ("node", &["node", "commands", "demo"]),
];

/// What a room uses of a higher level, with the reason. Nothing else may.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// An alarm on a metric that nothing moves would never ring.
#[test]
fn alerts_and_boards_watch_metrics_that_exist() {
    let code: String = sources(&root().join("gateway/node/src")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut watched = 0;
    for file in ["prometheus/alerts.yaml", "prometheus/alerts.test.yaml", "grafana/passerelle.json"] {
        let text = fs::read_to_string(root().join("deploy").join(file)).unwrap();
        for rest in text.split("passerelle_").skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase())) {
            let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
            let name = ["_sum", "_count", "_bucket"].iter().fold(&rest[..end], |name, end| name.strip_suffix(end).unwrap_or(name));
            assert!(code.contains(&format!("\"passerelle_{name}\"")), "{file} watches `passerelle_{name}`, which nothing moves");
            watched += 1;
        }
    }
    assert!(watched > 20);
}

#[test]
fn imports_point_one_way() {
    let level: BTreeMap<&str, usize> =
        LEVELS.iter().enumerate().flat_map(|(n, (_, rooms))| rooms.iter().map(move |room| (*room, n))).collect();
    let mut upward = Vec::new();
    for file in sources(&root().join("gateway/node/src")) {
        let room = room_of(&file);
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let own = *level.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` has no level in this test"));
        for used in used_rooms(&fs::read_to_string(&file).unwrap()) {
            let Some(theirs) = level.get(used.as_str()) else { continue };
            if *theirs > own && !EXCEPTIONS.contains(&(room.as_str(), used.as_str())) {
                upward.push(format!("{} uses `{used}`", file.display()));
            }
        }
    }
    assert!(upward.is_empty(), "imports that point up:\n{}", upward.join("\n"));
}

#[test]
fn flows_never_call_each_other() {
    let folder = root().join("gateway/node/src/flows");
    let stories: Vec<String> =
        sources(&folder).iter().filter(|f| f.parent() == Some(&folder)).map(|f| stem(f)).filter(|s| s != "law").collect();
    let mut calls = Vec::new();
    for file in sources(&folder) {
        let own = file.strip_prefix(&folder).unwrap().iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = without_tests(&fs::read_to_string(&file).unwrap());
        for story in stories.iter().filter(|story| **story != own) {
            // Shapes that another story made may be named; its functions may not be called.
            let lower = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase());
            let called = text.match_indices(&format!("{story}::")).any(|(at, found)| lower(&text[at + found.len()..]));
            if called && text.contains(&format!("super::{story}")) {
                calls.push(format!("{} calls `{story}`", file.display()));
            }
        }
    }
    assert!(calls.is_empty(), "{}", calls.join("\n"));
}

#[test]
fn crates_stand_in_one_line() {
    let order = ["exchange", "adapters", "gateway", "tests"];
    for (n, (name, file)) in [("exchange", "gateway/exchange"), ("adapters", "adapters"), ("gateway", "gateway/node")].iter().enumerate() {
        let manifest: toml::Table = fs::read_to_string(root().join(file).join("Cargo.toml")).unwrap().parse().unwrap();
        let needs = manifest.get("dependencies").and_then(toml::Value::as_table).unwrap();
        for later in &order[n + 1..] {
            assert!(!needs.contains_key(*later), "`{name}` needs `{later}`");
        }
    }
}

#[test]
fn the_sample_configuration_is_read_by_the_gateway() {
    gateway::config::Config::load(&root().join("deploy/gateway.toml")).unwrap();
    gateway::config::Config::load(&root().join("deploy/kubernetes/gateway.toml")).unwrap();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") && stem(&path) != "tests" {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("gateway/node/src")).unwrap();
    inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_string_lossy().into_owned()
}

fn without_tests(text: &str) -> String {
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// The rooms that `crate::…` paths of a file name, groups included.
fn used_rooms(text: &str) -> Vec<String> {
    let text = without_tests(text);
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0_i32, true);
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    _ => {}
                }
                if depth == 0 && start && (c.is_ascii_alphanumeric() || c == '_') {
                    word.push(c);
                } else if !word.is_empty() {
                    rooms.push(std::mem::take(&mut word));
                    start = c == ',' && depth == 0;
                }
            }
            rooms.extend((!word.is_empty()).then_some(word));
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
        }
    }
    rooms
}
