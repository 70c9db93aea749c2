//! Whom the servers of the tests run as: never root, also where the tests do.

use std::{fs, os::unix::fs::chown, path::Path, process::Command};

/// A user who is not root.
#[derive(Clone)]
pub(crate) struct User {
    /// Its name.
    pub(crate) name: String,
    ids: (u32, u32),
    /// When we are root ourselves.
    instead_of_root: bool,
}

impl User {
    /// Who we are, or somebody else when we are root.
    pub(crate) fn find() -> Self {
        let id = |option: &str| String::from_utf8(Command::new("id").arg(option).output().unwrap().stdout).unwrap().trim().to_owned();
        if id("-u") != "0" {
            return Self { name: id("-un"), ids: (id("-u").parse().unwrap(), id("-g").parse().unwrap()), instead_of_root: false };
        }
        // The user of Debian's PostgreSQL, which other tests need anyway: it has a shell and may log in by key.
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package postgresql makes its user");
        let fields: Vec<&str> = line.split(':').collect();
        Self { name: "postgres".into(), ids: (fields[2].parse().unwrap(), fields[3].parse().unwrap()), instead_of_root: true }
    }

    /// Its number and its group's.
    pub(crate) fn ids(&self) -> (u32, u32) {
        self.ids
    }

    /// A program that runs as this user.
    pub(crate) fn command(&self, program: &str) -> Command {
        if !self.instead_of_root {
            return Command::new(program);
        }
        let mut dropped = Command::new("setpriv");
        let (user, group) = self.ids;
        dropped.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program).current_dir("/");
        dropped
    }

    /// Gives a folder and all in it to this user.
    pub(crate) fn own(&self, folder: &Path) {
        if self.instead_of_root {
            owned(folder, self.ids.0, self.ids.1);
        }
    }
}

fn owned(path: &Path, user: u32, group: u32) {
    chown(path, Some(user), Some(group)).unwrap();
    if path.is_dir() {
        // What the server itself makes and takes away meanwhile is its own anyway.
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.path().exists() {
                let _ = chown(entry.path(), Some(user), Some(group));
                if entry.path().is_dir() {
                    owned(&entry.path(), user, group);
                }
            }
        }
    }
}

/// The sessions of a server: its children, and theirs.
pub(crate) fn descendants(process: u32, all: &mut Vec<u32>) {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
        all.push(child);
        descendants(child, all);
    }
}
