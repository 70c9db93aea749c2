//! A stage that outlives its gateway: faults end the process, the folder stays, and another one starts on it.

use std::path::{Path, PathBuf};

use gateway::{
    client::Client,
    clock::{Clock, SystemClock},
    demo::World,
};
use tempfile::TempDir;

use crate::{
    people::{CRIP, SCHOOL},
    process::{Process, binary, connect, free_ports},
    service::Service,
};

/// A stage with ports of its own.
pub struct Stage {
    /// Folders, certificates, keys.
    pub world: World,
    /// Where members connect.
    pub base: String,
    /// Where health and metrics answer.
    pub local: String,
    folder: TempDir,
}

impl Stage {
    /// A stage that `prepare` changed before its ports were fixed.
    pub fn new(prepare: impl FnOnce(&mut World)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::create(folder.path(), SystemClock.now()).unwrap();
        prepare(&mut world);
        let (port, local) = free_ports();
        let local = format!("127.0.0.1:{local}");
        world.listen(&format!("127.0.0.1:{port}"), &local).unwrap();
        Self { world, base: format!("https://localhost:{port}"), local, folder }
    }

    /// Changes a line of the configuration.
    pub fn set(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.world.config()).unwrap();
        assert!(text.contains(from), "`{from}` is not in the configuration");
        std::fs::write(self.world.config(), text.replacen(from, to, 1)).unwrap();
    }

    /// A gateway on this stage.
    pub async fn start(&self) -> Process {
        self.start_program(&binary(), &[]).await
    }

    /// The same, started by another program, with variables of the environment.
    pub async fn start_program(&self, program: &Path, environment: &[(&str, &str)]) -> Process {
        Process::start_program(program, &self.world.config(), &self.local, environment).await
    }

    /// One who deposits.
    pub fn school(&self) -> Client {
        connect(&self.world, &self.base, SCHOOL.0, SCHOOL.1)
    }

    /// One who reads.
    pub fn crip(&self) -> Client {
        connect(&self.world, &self.base, CRIP.0, CRIP.1)
    }

    /// A place for a file of the test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A gateway that is started again whenever it ends by itself, as a service manager does.
    pub async fn service(&self, program: &Path, environment: &[(&str, &str)]) -> Service {
        Service::start(program, &self.world.config(), &self.local, environment).await
    }

    /// A program that does `before` and then becomes the gateway.
    pub fn wrapper(&self, name: &str, before: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let file = self.file(name);
        std::fs::write(&file, format!("#!/bin/sh\nset -e\n{before} {} \"$@\"\n", binary().display())).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }
}
