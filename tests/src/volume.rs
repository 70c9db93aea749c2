//! A file system of the test's own, that can be full or broken: mounted in a mount namespace of its own, so that it is gone
//! when the test is, however that ends. Root needs nothing else; others get a user namespace, if the system has them.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

/// A mounted file system.
pub struct Volume {
    holder: Child,
    enter: String,
}

impl Volume {
    /// What `mount` mounts, where nobody else sees it; nothing where this machine does not allow it.
    pub fn new(mount: &str) -> Option<Self> {
        let root = rooted();
        let mut unshare = Command::new("unshare");
        unshare.arg(if root { "-m" } else { "-Urm" });
        // It ends with its standard input: with this process.
        unshare.args(["sh", "-c", &format!("{mount} && echo mounted && exec cat")]);
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        let read = BufReader::new(holder.stdout.take()?).read_line(&mut line);
        if read.is_err() || line.trim() != "mounted" {
            let _ = holder.kill();
            let _ = holder.wait();
            return None;
        }
        let user = if root { "" } else { "-U --preserve-credentials " };
        let enter = format!("nsenter -t {} {user}-m", holder.id());
        Some(Self { holder, enter })
    }

    /// A small file system in memory.
    pub fn in_memory(at: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        Self::new(&format!("mount -t tmpfs -o size={mebibytes}m,mode=700 none {}", at.display()))
    }

    /// An ext4 file system of this many MiB on a loop device, whose free blocks were promised and are not there: they are holes
    /// of a file in a small file system in memory. Its journal and its tables have their room; only data meets the end of it,
    /// once somebody fills `below`. Root only.
    pub fn promised(below: &Path, at: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        std::fs::create_dir_all(below).unwrap();
        let (disk, below, at) = (below.join("disk").display().to_string(), below.display(), at.display());
        let steps = [
            format!("mount -t tmpfs -o size={}m none {below}", mebibytes + 4),
            format!("truncate -s {mebibytes}m {disk}"),
            format!("mkfs.ext4 -q -b 4096 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 {disk}"),
            format!("fallocate -l {mebibytes}m {disk}"),
            mount_honestly(&disk, &at.to_string()),
            format!("fstrim {at} && chmod 700 {at}"),
        ];
        rooted().then(|| Self::new(&steps.join(" && "))).flatten()
    }

    /// What a command of the shell does that sees the volume.
    pub fn run(&self, script: &str) -> Output {
        let whole = format!("{} sh -c '{script}'", self.enter);
        Command::new("sh").args(["-c", &whole]).stdin(Stdio::null()).output().unwrap()
    }

    /// The same of one that must succeed.
    pub fn done(&self, script: &str) {
        let output = self.run(script);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// How a program is started that sees the volume: what stands before it.
    pub fn before(&self) -> String {
        format!("exec {}", self.enter)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Mounts a file, page by page: of a larger request that finds no room half-way the loop device says that all was written.
pub fn mount_honestly(disk: &str, at: &str) -> String {
    let queue = format!("/sys/block/$(basename $(findmnt -n -o SOURCE {at}))/queue/max_sectors_kb");
    format!("mount -o loop,errors=remount-ro {disk} {at} && echo 4 > {queue}")
}

/// Whether we are root.
pub fn rooted() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}
