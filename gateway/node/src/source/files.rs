//! The files of a policy set: read once from the policies folder, or given back by the archive, and never read again.
//!
//! What is hashed, checked, archived and put in force is one and the same text: no file can change in between.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ring::digest;

use super::{Folder, Source, SourceFault, fault, hex};

/// Everything below a `policies` folder that decides: names relative to it, with their texts, and one hash over all.
///
/// The schema, `law/` and `local/` (`.cedar`), `catalogue/` and `agreements/` (`.toml`, `.json`), and the `.toml` files
/// beside them. Cases, proofs and explanations decide nothing and do not count.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    texts: BTreeMap<String, String>,
    hash: String,
    unread: Vec<(String, SourceFault)>,
}

/// Which folders count, and which files in them.
const PARTS: [(&str, &[&str], u8); 4] =
    [("law", &["cedar"], 0), ("local", &["cedar"], 0), ("catalogue", &["toml", "json"], 4), (AGREEMENTS, &["toml", "json"], 4)];
/// The folder of the agreements.
pub const AGREEMENTS: &str = "agreements";
/// The words a rule may use.
pub const SCHEMA: &str = "schema.cedarschema";

impl Files {
    /// Reads what decides below `root`. What cannot be read is told by whoever asks for that part.
    pub fn read(root: &Path) -> Self {
        let (mut texts, mut unread) = (BTreeMap::new(), Vec::new());
        let mut take = |part: &str, path: &Path| match fs::read_to_string(path) {
            Ok(text) => drop(texts.insert(name(root, path), text)),
            Err(why) => unread.push((part.to_owned(), unreadable(path, &why))),
        };
        take(SCHEMA, &root.join(SCHEMA));
        let mut found = Vec::new();
        let beside = list(root, &["toml"], 0, &mut found);
        found.iter().for_each(|path| take("", path));
        let mut missing = Vec::new();
        if let Err(why) = beside {
            missing.push((String::new(), no_folder(root, &why)));
        }
        for (part, extensions, depth) in PARTS {
            let (folder, mut found) = (root.join(part), Vec::new());
            match list(&folder, extensions, depth, &mut found) {
                // A Département begins without agreements, and neither git nor a backup keeps an empty folder.
                Err(why) if part == AGREEMENTS && why.kind() == io::ErrorKind::NotFound => {}
                Err(why) => missing.push((part.to_owned(), no_folder(&folder, &why))),
                Ok(()) => {}
            }
            found.iter().for_each(|path| take(part, path));
        }
        unread.extend(missing);
        Self { root: root.to_owned(), hash: hash(&texts), texts, unread }
    }

    /// What the archive gives back, called `root` in messages.
    pub fn archived(root: PathBuf, texts: BTreeMap<String, String>) -> Self {
        Self { root, hash: hash(&texts), texts, unread: Vec::new() }
    }

    /// Hex SHA-256 over all names and texts, each preceded by its length: names the set.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Names, relative to the folder, with their texts.
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    /// Where a part of the set is said to be in messages.
    pub(crate) fn place(&self, part: &str) -> PathBuf {
        self.root.join(part)
    }

    /// The text of one file; a fault when it is not there.
    pub(crate) fn text(&self, name: &str, faults: &mut Vec<SourceFault>) -> Option<Source> {
        if let Some(text) = self.texts.get(name) {
            return Some(Source { file: self.root.join(name), text: text.clone() });
        }
        let before = faults.len();
        self.tell(name, faults);
        if faults.len() == before {
            faults.push(fault(
                &self.root.join(name),
                1,
                "cannot be read: it is not there",
                "put the file back: policies/README.md says what it holds",
            ));
        }
        None
    }

    /// One folder of the set, such as `catalogue`; what could not be read of it is a fault.
    pub(crate) fn folder(&self, part: &str, faults: &mut Vec<SourceFault>) -> Folder {
        self.tell(part, faults);
        let top = format!("{part}/");
        let within = self.texts.iter().filter_map(|(name, text)| Some((name.strip_prefix(&top)?, name, text)));
        let mut context = digest::Context::new(&digest::SHA256);
        let mut sources = Vec::new();
        for (below, name, text) in within {
            add(&mut context, below);
            add(&mut context, text);
            sources.push(Source { file: self.root.join(name), text: text.clone() });
        }
        Folder { sources, hash: hex(context.finish().as_ref()) }
    }

    fn tell(&self, part: &str, faults: &mut Vec<SourceFault>) {
        faults.extend(self.unread.iter().filter(|(of, _)| of == part).map(|(_, one)| one.clone()));
    }
}

fn unreadable(path: &Path, why: &io::Error) -> SourceFault {
    fault(path, 1, format!("cannot be read: {why}"), "write it in UTF-8, readable by this user")
}

fn no_folder(path: &Path, why: &io::Error) -> SourceFault {
    fault(path, 1, format!("the folder cannot be read: {why}"), "give a folder that this user can read")
}

/// With `/` between folders on every system: the hash of a set does not depend on the machine.
fn name(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn hash(texts: &BTreeMap<String, String>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for (name, text) in texts {
        add(&mut context, name);
        add(&mut context, text);
    }
    hex(context.finish().as_ref())
}

fn add(context: &mut digest::Context, part: &str) {
    context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    context.update(part.as_bytes());
}

fn list(folder: &Path, extensions: &[&str], depth: u8, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A mounted configuration keeps its earlier versions in hidden folders beside the current files.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 {
                list(&path, extensions, depth - 1, found)?;
            }
        } else if path.extension().and_then(|one| one.to_str()).is_some_and(|one| extensions.contains(&one)) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            (SCHEMA, "s"),
            ("approval.toml", "a"),
            ("README.md", "r"),
            ("law/one.cedar", "l"),
            ("law/one.txt", "x"),
            ("local/two.cedar", "m"),
            ("catalogue/c.toml", "c"),
            ("agreements/p/p.toml", "p"),
            ("agreements/.old/p.toml", "o"),
            ("decisions/d.toml", "d"),
            ("prove/Cargo.toml", "q"),
        ] {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        dir
    }

    #[test]
    fn only_what_decides_counts() {
        let dir = sample();
        let files = Files::read(dir.path());
        let names: Vec<&str> = files.texts().keys().map(String::as_str).collect();
        assert_eq!(names, ["agreements/p/p.toml", "approval.toml", "catalogue/c.toml", "law/one.cedar", "local/two.cedar", SCHEMA]);
        fs::write(dir.path().join("decisions/d.toml"), "another").unwrap();
        assert_eq!(Files::read(dir.path()).hash(), files.hash());
        fs::write(dir.path().join("agreements/p/p.toml"), "another").unwrap();
        assert_ne!(Files::read(dir.path()).hash(), files.hash());
        // The archive gives back the same set, wherever the folder was.
        assert_eq!(Files::archived("jeu".into(), files.texts().clone()).hash(), files.hash());
        // Moving a letter from a name to a text makes another set.
        let of = |pairs: &[(&str, &str)]| hash(&pairs.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect());
        assert_ne!(of(&[("ab", "c")]), of(&[("a", "bc")]));
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_part_alone() {
        let dir = sample();
        for folder in ["law", AGREEMENTS] {
            fs::remove_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("catalogue/c.toml"), [0xff, 0xfe]).unwrap();
        let files = Files::read(dir.path());
        let told = |part: &str| {
            let mut faults = Vec::new();
            files.folder(part, &mut faults);
            faults.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(told(AGREEMENTS).is_empty(), "there are none yet");
        assert!(told("law")[0].contains("the folder cannot be read") && told("catalogue")[0].contains("UTF-8"));
        assert!(files.text("nothing.toml", &mut Vec::new()).is_none());
    }
}
