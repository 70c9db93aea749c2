//! The statements in the files of the rules, each with its line.
//!
//! Knows files and semicolons, and nothing of what a rule says.

use std::path::{Path, PathBuf};

use super::PolicyFault;

/// One rule as its file writes it.
pub(super) struct Statement {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) text: String,
}

impl Statement {
    /// A mistake at a byte of the text.
    pub(super) fn fault(&self, at: usize, what: String) -> PolicyFault {
        let before = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        PolicyFault { file: self.file.clone(), line: self.line + before, what }
    }

    /// Where its rule begins, below the folder of the rules: `law/secret-partage.cedar:124`.
    pub(super) fn place(&self) -> String {
        let own: Vec<_> = self.file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        let comments = self.text.lines().take_while(|line| !line.trim_start().starts_with(['@', 'p', 'f'])).count();
        format!("{}:{}", own.into_iter().rev().collect::<Vec<_>>().join("/"), self.line + comments)
    }
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
