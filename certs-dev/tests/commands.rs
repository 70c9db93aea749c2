//! The command that the README uses to play an institution's authority.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::process::Command;

fn certs_dev(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_certs-dev")).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_pki_is_made_once_and_signs_keys() {
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki").display().to_string();
    assert!(certs_dev(&["pki", &pki]).0);
    assert!(!certs_dev(&["pki", &pki]).0, "a PKI is never written over");
    let (done, key) = certs_dev(&["token-key"]);
    assert!(done && key.contains("BEGIN PRIVATE KEY"));
    let (done, said) = certs_dev(&["sign", "--pki", &pki, "--authority", "ac-inconnue", "--institution", "x-31", "--csr", "/nowhere"]);
    assert!(!done && !said.is_empty());
}
