//! Where a test keeps its databases: SQLite files in a folder of its own, or, when PASSERELLE_DATABASE says `postgres`, a
//! database of PostgreSQL of its own. Every test that opens a store runs on both (`tests/check.sh`).

use std::path::{Path, PathBuf};

use postgres_dev::Server;

use super::Part;

/// Ends with the test.
pub(crate) struct Ground {
    /// A folder for whatever else the test keeps.
    pub(crate) folder: tempfile::TempDir,
    postgres: Option<(Server, String)>,
}

impl Ground {
    /// What the environment says.
    pub(crate) fn new() -> Self {
        match std::env::var("PASSERELLE_DATABASE").as_deref() {
            Ok("postgres") => Self::postgres(),
            _ => Self::sqlite(),
        }
    }

    /// For a test about files.
    pub(crate) fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), postgres: None }
    }

    /// For a test about replicas.
    pub(crate) fn postgres() -> Self {
        let server = Server::shared().unwrap_or_else(|fault| panic!("{fault}"));
        let url = server.database().unwrap_or_else(|fault| panic!("{fault}"));
        Self { folder: tempfile::tempdir().unwrap(), postgres: Some((server, url)) }
    }

    /// Whether this is SQLite.
    pub(crate) fn is_files(&self) -> bool {
        self.postgres.is_none()
    }

    /// URL of a part.
    pub(crate) fn url(&self, part: Part) -> String {
        match &self.postgres {
            Some((_, url)) => url.clone(),
            None => format!("sqlite://{}", self.folder.path().join(part.as_str()).with_extension("db").display()),
        }
    }

    /// A file of the databases that holds these bytes.
    pub(crate) fn written(&self, needle: &[u8]) -> Option<PathBuf> {
        let files = match &self.postgres {
            Some((server, url)) => server.files(url.split(['/', '?']).nth(3).unwrap()).unwrap(),
            None => self.folder.path().to_owned(),
        };
        let mut files = std::fs::read_dir(files).unwrap().map(|file| file.unwrap().path());
        files.find(|file| holds(file, needle))
    }
}

fn holds(file: &Path, needle: &[u8]) -> bool {
    std::fs::read(file).unwrap().windows(needle.len()).any(|window| window == needle)
}
