//! The system's calls of a gateway, failing or ending it at the one that is chosen: `interposer.c`, compiled by the test and
//! loaded into the process. What the gateway sees is what it would see of a broken disk.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Orders to a gateway that was started with [`Interposer::environment`].
pub struct Interposer {
    library: PathBuf,
    order: PathBuf,
}

impl Interposer {
    /// Compiles it in a folder.
    pub fn new(folder: &Path) -> Self {
        let (source, library) = (folder.join("interposer.c"), folder.join("interposer.so"));
        std::fs::write(&source, include_str!("interposer.c")).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
        let output = cc.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let order = folder.join("order");
        let it = Self { library, order };
        it.order("");
        it
    }

    /// Variables under which a gateway obeys.
    pub fn environment(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", self.library.to_str().unwrap()), ("PASSERELLE_INTERPOSER", self.order.to_str().unwrap())]
    }

    /// From now on.
    pub fn order(&self, order: &str) {
        // At once and whole: a process reads it at each call.
        let new = self.order.with_extension("new");
        std::fs::write(&new, order).unwrap();
        std::fs::rename(&new, &self.order).unwrap();
    }

    /// How many calls were counted since the order `count`; at least one, or nothing was in between.
    pub fn counted(&self) -> usize {
        let counted = std::fs::read_to_string(self.order.with_extension("count")).unwrap().parse().unwrap();
        assert!(counted > 0);
        counted
    }
}
