//! The files of the rules, and the statements in them, each with its line.
//!
//! Knows files and semicolons, and nothing of what a rule says.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use ring::digest;

use super::PolicyFault;

/// One rule as its file writes it.
pub(super) struct Statement {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) text: String,
}

/// The text of a file, which also goes into the hash of the set with its name.
pub(super) fn read(file: &Path, context: &mut digest::Context, dir: &Path) -> Result<String, PolicyFault> {
    let text = std::fs::read_to_string(file).map_err(|error| PolicyFault {
        file: file.to_owned(),
        line: 1,
        what: format!("cannot be read: {error}"),
    })?;
    let name = file.strip_prefix(dir).unwrap_or(file).to_string_lossy().into_owned();
    for part in [name.as_bytes(), text.as_bytes()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    Ok(text)
}

/// The Cedar files of a folder, in the order of their names.
pub(super) fn files(folder: &Path) -> Result<BTreeSet<PathBuf>, PolicyFault> {
    let fault = |error: std::io::Error| PolicyFault { file: folder.to_owned(), line: 1, what: format!("cannot be read: {error}") };
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            found.insert(path);
        }
    }
    Ok(found)
}

/// One statement ends at a line that ends in `;`: so that a fault can name its line.
pub(super) fn split(file: &Path, text: &str) -> Vec<Statement> {
    let (mut statements, mut begun, mut gathered) = (Vec::new(), None, String::new());
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim();
        if begun.is_none() && (bare.is_empty() || bare.starts_with("//")) {
            continue;
        }
        let first = *begun.get_or_insert(index + 1);
        gathered.push_str(line);
        gathered.push('\n');
        if bare.ends_with(';') && !bare.starts_with("//") {
            statements.push(Statement { file: file.to_owned(), line: first, text: std::mem::take(&mut gathered) });
            begun = None;
        }
    }
    if let Some(line) = begun {
        statements.push(Statement { file: file.to_owned(), line, text: gathered });
    }
    statements
}
