//! Every command teaches: its `--help` says what it does and explains each option; a wrong one exits with 2.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::process::{Command, Output};

fn gateway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gateway")).args(arguments).output().unwrap()
}

#[test]
fn every_command_explains_itself() {
    let commands: &[&[&str]] = &[
        &["init"],
        &["check"],
        &["serve"],
        &["demo"],
        &["submit"],
        &["mailbox", "list"],
        &["mailbox", "open"],
        &["mailbox", "acknowledge"],
        &["exchange", "show"],
        &["exchange", "evidence"],
        &["exchange", "telephone"],
        &["exchange", "done"],
        &["exchange", "erase"],
        &["exchange", "due"],
        &["task", "list"],
        &["task", "show"],
        &["task", "done"],
        &["task", "defer"],
        &["urgence", "open"],
        &["urgence", "list"],
        &["token", "issue"],
        &["token", "jwk"],
        &["token", "revoke"],
        &["decision", "explain"],
        &["decision", "replay"],
        &["decision", "list"],
        &["vault", "match", "list"],
        &["vault", "match", "show"],
        &["vault", "match", "decide"],
        &["vault", "merge"],
        &["vault", "split"],
        &["audit", "bundle"],
        &["audit", "verify"],
        &["policy", "test"],
        &["policy", "simulate"],
        &["policy", "propose"],
        &["policy", "rollback"],
        &["policy", "approve"],
        &["policy", "withdraw"],
        &["policy", "list"],
        &["policy", "show"],
    ];
    for command in commands {
        let output = gateway(&[command, &["--help"][..]].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("Usage: gateway"), "{command:?}: {said}");
        // No option stands there without a word.
        let mut lines = said.lines().peekable();
        while let Some(line) = lines.next() {
            let option = line.trim_start();
            let explained = option.split_whitespace().count() > 2 || lines.peek().is_some_and(|next| !next.trim().is_empty());
            assert!(!option.starts_with("--") || explained, "{command:?}: `{option}` is not explained");
        }
    }
}

#[test]
fn a_wrong_option_exits_with_2() {
    let output = gateway(&["submit", "--no-such-option"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-such-option"));
    // A wrong word or number is told before anything is opened or sent, with what may stand there.
    for (wrong, may_be) in [
        (&["mailbox", "acknowledge", "d", "--outcome", "no"][..], "taken-in-charge, refused, not-for-us"),
        (&["decision", "explain", "--urgency", "vite"], "immediate, priority, ordinary, batch"),
        (&["token", "issue", "--minutes", "11"], "1..=10"),
    ] {
        let output = gateway(wrong);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(may_be), "{wrong:?}: {told}");
    }
}
