//! The TOML files of a folder: read whole, hashed whole, each mistake told with file, line and cure.
//!
//! Knows files and lines, and nothing of what they mean. It never stops at the first mistake.

mod files;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use serde::de::DeserializeOwned;
use time::{Date, Month};
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
    value::Datetime,
};

pub use files::{AGREEMENTS, Files, SCHEMA};

/// One mistake in a data file: the start stops, and says them all.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{file}:{line}: {what}; {cure}", file = file.display())]
pub struct SourceFault {
    /// File.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What would mend it.
    pub cure: String,
}

/// The files of a folder and below it, in the order of their names.
pub(crate) struct Folder {
    pub(crate) sources: Vec<Source>,
    /// Hex SHA-256 over the names and bytes of all files.
    pub(crate) hash: String,
}

/// One file.
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// One item of a file with the line on which it starts.
pub(crate) struct Item<T> {
    pub(crate) line: usize,
    pub(crate) value: T,
}

/// One key of a table and what it holds.
pub(crate) struct Entry<'a> {
    pub(crate) name: String,
    /// Byte at which the key stands.
    pub(crate) at: usize,
    pub(crate) value: Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    /// In the order of the file.
    fn all(table: DeTable<'a>) -> Vec<Self> {
        let mut entries: Vec<Self> =
            table.into_iter().map(|(key, value)| Self { at: key.span().start, name: key.into_inner().into_owned(), value }).collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// What a table holds; `None` when it is no table.
    pub(crate) fn into_table(self) -> Option<Vec<Self>> {
        if let DeValue::Table(table) = self.value.into_inner() { Some(Self::all(table)) } else { None }
    }
}

impl Folder {
    /// Reads every `.toml` and `.json` file of `dir`; what cannot be read is a fault.
    pub(crate) fn read(dir: &Path, faults: &mut Vec<SourceFault>) -> Self {
        let mut files = Vec::new();
        if let Err(why) = list(dir, &mut files, 0) {
            faults.push(fault(dir, 1, format!("the folder cannot be read: {why}"), "give a folder that this user can read"));
        }
        files.sort();
        let mut context = digest::Context::new(&digest::SHA256);
        let mut sources = Vec::new();
        for file in files {
            match fs::read_to_string(&file) {
                Ok(text) => {
                    let name = file.strip_prefix(dir).unwrap_or(&file).to_string_lossy().into_owned();
                    for part in [name.as_bytes(), text.as_bytes()] {
                        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                        context.update(part);
                    }
                    sources.push(Source { file, text });
                }
                Err(why) => {
                    faults.push(fault(&file, 1, format!("the file cannot be read: {why}"), "write it in UTF-8, readable by this user"))
                }
            }
        }
        Self { sources, hash: hex(context.finish().as_ref()) }
    }

    /// The TOML files.
    pub(crate) fn toml(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.file.extension().is_some_and(|ext| ext == "toml"))
    }

    /// The file at `path`.
    pub(crate) fn at(&self, path: &Path) -> Option<&Source> {
        self.sources.iter().find(|source| source.file == path)
    }
}

impl Source {
    /// The tables of the lists `[[key]]` for every key of `keys`, each with its key; any other key is a fault.
    pub(crate) fn lists<'a>(&'a self, keys: &[&str], faults: &mut Vec<SourceFault>) -> Vec<(String, Spanned<DeValue<'a>>)> {
        let root = match DeTable::parse(&self.text) {
            Ok(root) => root.into_inner(),
            Err(why) => {
                faults.push(self.syntax(&why));
                return Vec::new();
            }
        };
        let mut items = Vec::new();
        for (key, value) in root {
            let at = key.span().start;
            let name = key.into_inner().into_owned();
            if let (DeValue::Array(list), true) = (value.into_inner(), keys.contains(&name.as_str())) {
                items.extend(list.into_iter().map(|item| (name.clone(), item)));
            } else {
                let cure = format!("write only {}", keys.iter().map(|key| format!("`[[{key}]]`")).collect::<Vec<_>>().join(", "));
                faults.push(self.fault(at, format!("unknown entry `{name}`"), cure));
            }
        }
        items
    }

    /// The entries of the file, each with where its key stands; `None` when the file is not TOML.
    pub(crate) fn entries(&self, faults: &mut Vec<SourceFault>) -> Option<Vec<Entry<'_>>> {
        match DeTable::parse(&self.text) {
            Ok(root) => Some(Entry::all(root.into_inner())),
            Err(why) => {
                faults.push(self.syntax(&why));
                None
            }
        }
    }

    /// One item as a `T`; a key that is missing, unknown or of another type is a fault.
    pub(crate) fn item<T: DeserializeOwned>(&self, value: Spanned<DeValue<'_>>, faults: &mut Vec<SourceFault>) -> Option<Item<T>> {
        let at = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(Item { line: self.line(at), value }),
            Err(why) => {
                let at = why.span().map_or(at, |span| span.start);
                faults.push(self.fault(at, why.message().to_owned(), cure(why.message())));
                None
            }
        }
    }

    /// The whole file as one `T`.
    pub(crate) fn whole<T: DeserializeOwned>(&self, faults: &mut Vec<SourceFault>) -> Option<Item<T>> {
        match toml::from_str::<T>(&self.text) {
            Ok(value) => Some(Item { line: 1, value }),
            Err(why) => {
                faults.push(self.syntax(&why));
                None
            }
        }
    }

    /// A mistake at a byte of the file.
    pub(crate) fn fault(&self, at: usize, what: impl Into<String>, cure: impl Into<String>) -> SourceFault {
        fault(&self.file, self.line(at), what, cure)
    }

    /// The day that `value` names; a time or an impossible day is a fault.
    pub(crate) fn day(&self, value: Option<&Spanned<Datetime>>, faults: &mut Vec<SourceFault>) -> Option<Date> {
        let value = value?;
        let written = value.get_ref();
        let day = written
            .date
            .filter(|_| written.time.is_none())
            .and_then(|d| Date::from_calendar_date(i32::from(d.year), Month::try_from(d.month).ok()?, d.day).ok());
        if day.is_none() {
            faults.push(self.fault(value.span().start, format!("`{written}` is not a day"), "write a day, for example `2026-01-15`"));
        }
        day
    }

    /// The first and last day of something; a last day before the first is a fault.
    pub(crate) fn period(
        &self,
        from: Option<&Spanned<Datetime>>,
        to: Option<&Spanned<Datetime>>,
        faults: &mut Vec<SourceFault>,
    ) -> (Option<Date>, Option<Date>) {
        let (first, last) = (self.day(from, faults), self.day(to, faults));
        if let (Some(first), Some(last), Some(written)) = (first, last, to)
            && last < first
        {
            faults.push(self.fault(
                written.span().start,
                format!("the last day `{last}` is before the first `{first}`"),
                "put the days in order",
            ));
        }
        (first, last)
    }

    fn syntax(&self, why: &toml::de::Error) -> SourceFault {
        self.fault(why.span().map_or(0, |span| span.start), why.message().to_owned(), cure(why.message()))
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
    }
}

/// What mends what the TOML reader found.
fn cure(message: &str) -> &'static str {
    if message.starts_with("missing field") {
        "add it: README.md and deploy/README.md list the keys"
    } else if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        "write one of those"
    } else {
        "mend the TOML of this line"
    }
}

/// A mistake of `file`.
pub(crate) fn fault(file: &Path, line: usize, what: impl Into<String>, cure: impl Into<String>) -> SourceFault {
    SourceFault { file: file.to_owned(), line, what: what.into(), cure: cure.into() }
}

/// SHA-256 in base64url without padding.
pub(crate) fn sha256_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn list(dir: &Path, files: &mut Vec<PathBuf>, depth: u8) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A mounted configuration keeps its earlier versions in hidden folders beside the current files.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if path.is_dir() && depth < 4 {
            list(&path, files, depth + 1)?;
        } else if path.extension().is_some_and(|ext| ext == "toml" || ext == "json") {
            files.push(path);
        }
    }
    Ok(())
}
