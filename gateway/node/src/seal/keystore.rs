//! The key store: one file (JSON, mode 0600) with the master key and the two signing keys of the gateway.
//!
//! Losing it loses everything: every data key is wrapped, in two steps, under the master key. Hence the recovery
//! procedure: right after `gateway init`, copy the file to two offline media kept in two safes, and write
//! [`KeyStore::fingerprint`] in the minutes. To recover, put the copy back with mode 0600; the databases refuse a
//! key store of another fingerprint, so a wrong copy cannot be used by mistake. The file never changes after its creation.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{SealError, Secret, body::Subkey};

/// Why a key file is not used, with what would cure it.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreFault {
    /// The file cannot be read or written.
    #[error("key file: {0}")]
    File(#[from] io::Error),
    /// Keys are never replaced.
    #[error("keys are already there")]
    AlreadyThere,
    /// A link may be pointed elsewhere between two looks.
    #[error("a symbolic link, or no plain file; name the key file itself")]
    NotAFile,
    /// Others than its owner may use it.
    #[error("mode `{0:04o}` lets others use the keys; run `chmod 600`")]
    Exposed(u32),
    /// Not a key file, or damaged.
    #[error("not a key file of version {VERSION}, or damaged; put the offline copy back")]
    Damaged,
    /// The system gave no random bytes.
    #[error("no randomness")]
    NoRandomness,
}

/// The gateway's master keys, in memory.
pub struct KeyStore {
    master: Secret,
    openings: Secret,
    vault: Secret,
    log_key: Zeroizing<Vec<u8>>,
    receipt_key: Zeroizing<Vec<u8>>,
    fingerprint: String,
}

impl KeyStore {
    /// Makes new keys and writes them to `file`, which must not exist. Whole and durable, or not at all.
    ///
    /// # Errors
    /// [`KeyStoreFault`].
    pub fn create(file: &Path) -> Result<Self, KeyStoreFault> {
        let master = Secret::random().map_err(|_| KeyStoreFault::NoRandomness)?;
        let store = Self::assemble(master, signing_key()?, signing_key()?)?;
        let written = Written {
            format: FORMAT.to_owned(),
            version: VERSION,
            fingerprint: store.fingerprint.clone(),
            master: BASE64_STANDARD.encode(store.master.bytes()),
            log: BASE64_STANDARD.encode(&*store.log_key),
            receipt: BASE64_STANDARD.encode(&*store.receipt_key),
        };
        let text = Zeroizing::new(serde_json::to_vec_pretty(&written).map_err(|_| KeyStoreFault::Damaged)?);
        write_new(file, &text)?;
        Ok(store)
    }

    /// Reads the keys from `file`.
    ///
    /// # Errors
    /// [`KeyStoreFault`]; a file that others than its owner may read is refused.
    pub fn open(file: &Path) -> Result<Self, KeyStoreFault> {
        let text = read_private(file)?;
        let written: Written = serde_json::from_slice(&text).map_err(|_| KeyStoreFault::Damaged)?;
        if written.format != FORMAT || written.version != VERSION {
            return Err(KeyStoreFault::Damaged);
        }
        let decode = |text: &str| BASE64_STANDARD.decode(text).map(Zeroizing::new).map_err(|_| KeyStoreFault::Damaged);
        let master = Secret::read(&decode(&written.master)?).map_err(|_| KeyStoreFault::Damaged)?;
        let store = Self::assemble(master, decode(&written.log)?, decode(&written.receipt)?)?;
        if store.fingerprint == written.fingerprint { Ok(store) } else { Err(KeyStoreFault::Damaged) }
    }

    fn assemble(master: Secret, log_key: Zeroizing<Vec<u8>>, receipt_key: Zeroizing<Vec<u8>>) -> Result<Self, KeyStoreFault> {
        let part = |name: &[u8]| Subkey::derive(&master, &[name]).map_err(|_| KeyStoreFault::Damaged);
        let secret = |name: &[u8]| {
            Secret::read(&part(name)?.mac(&[b"secret"]).map(Zeroizing::new).map_err(|_| KeyStoreFault::Damaged)?[..])
                .map_err(|_| KeyStoreFault::Damaged)
        };
        // The fingerprint covers the public halves of the signing keys, so that it names the file as a whole.
        let mut public = Vec::new();
        for pkcs8 in [&log_key, &receipt_key] {
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyStoreFault::Damaged)?;
            public.extend_from_slice(pair.public_key().as_ref());
        }
        let mac = part(b"fingerprint")?.mac(&[&public]).map_err(|_| KeyStoreFault::Damaged)?;
        let groups: Vec<String> = mac.chunks(2).take(8).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        let (openings, vault) = (secret(b"openings")?, secret(b"vault")?);
        Ok(Self { openings, vault, log_key, receipt_key, fingerprint: groups.join("-"), master })
    }

    /// What names these keys and tells nothing of them: to compare an offline copy, to recognise a database.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Signs the log (Ed25519, PKCS#8).
    pub fn log_key(&self) -> &[u8] {
        &self.log_key
    }

    /// Signs receipts (Ed25519, PKCS#8).
    pub fn receipt_key(&self) -> &[u8] {
        &self.receipt_key
    }

    /// Under which openings of log entries are sealed: they outlive the content's key.
    pub fn openings(&self) -> &Secret {
        &self.openings
    }

    /// The vault's own secret.
    pub fn vault(&self) -> &Secret {
        &self.vault
    }

    /// A word of a partner's own making, so that it compares and says nothing: what a client calls its case or its
    /// request may name a child.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn blind(&self, purpose: &str, word: &str) -> Result<String, SealError> {
        let mac = Subkey::derive(&self.master, &[b"blind", purpose.as_bytes()])?.mac(&[word.as_bytes()])?;
        Ok(mac.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The key that wraps others, for one purpose.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn wrapping(&self, purpose: &str) -> Result<Subkey, SealError> {
        Subkey::derive(&self.master, &[b"wrap", purpose.as_bytes()])
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyStore(..)")
    }
}

/// The file.
#[derive(Serialize, Deserialize, Zeroize)]
#[zeroize(drop)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    version: u32,
    fingerprint: String,
    master: String,
    log: String,
    receipt: String,
}

fn signing_key() -> Result<Zeroizing<Vec<u8>>, KeyStoreFault> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyStoreFault::NoRandomness)?;
    Ok(Zeroizing::new(pkcs8.as_ref().to_vec()))
}

/// Written beside, synced, then linked to its name: a crash leaves no half of a key file, a second call replaces nothing.
fn write_new(file: &Path, text: &[u8]) -> Result<(), KeyStoreFault> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(KeyStoreFault::AlreadyThere);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = file.with_extension(format!("new-{}", std::process::id()));
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let linked = out.write_all(text).and_then(|()| out.sync_all()).and_then(|()| fs::hard_link(&beside, file));
    fs::remove_file(&beside)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(KeyStoreFault::AlreadyThere),
        Err(error) => return Err(error.into()),
    }
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Looks at the name, opens, and looks at what was opened: the file that is checked is the file that is read.
fn read_private(file: &Path) -> Result<Zeroizing<Vec<u8>>, KeyStoreFault> {
    let named = fs::symlink_metadata(file)?;
    if !named.is_file() {
        return Err(KeyStoreFault::NotAFile);
    }
    let opened = File::open(file)?;
    let found = opened.metadata()?;
    if !found.is_file() || (found.dev(), found.ino()) != (named.dev(), named.ino()) {
        return Err(KeyStoreFault::NotAFile);
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyStoreFault::Exposed(mode));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    opened.take(MAX_BYTES as u64).read_to_end(&mut text)?;
    Ok(text)
}

const FORMAT: &str = "passerelle-keys";
const VERSION: u32 = 1;
/// A key file is far smaller; read into a buffer that never grows, so that no copy of it stays behind.
const MAX_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_is_created_opens_again_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let created = KeyStore::create(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let opened = KeyStore::open(&file).unwrap();
        assert_eq!(opened.fingerprint(), created.fingerprint());
        assert_eq!(opened.log_key(), created.log_key());
        assert_eq!(opened.openings().bytes(), created.openings().bytes());
        assert_eq!(opened.vault().bytes(), created.vault().bytes());
        assert_ne!(opened.log_key(), opened.receipt_key());
        assert!(matches!(KeyStore::create(&file), Err(KeyStoreFault::AlreadyThere)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies beside the key file");
        assert_eq!(format!("{opened:?}"), "KeyStore(..)");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        KeyStore::create(&file).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o602] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let fault = KeyStore::open(&file).unwrap_err();
            assert!(matches!(fault, KeyStoreFault::Exposed(found) if found == mode));
            assert!(fault.to_string().contains("chmod 600"));
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        KeyStore::open(&file).unwrap();
    }

    #[test]
    fn links_folders_and_damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        KeyStore::create(&file).unwrap();
        let link = folder.path().join("link.json");
        symlink(&file, &link).unwrap();
        assert!(matches!(KeyStore::open(&link), Err(KeyStoreFault::NotAFile)));
        assert!(matches!(KeyStore::open(folder.path()), Err(KeyStoreFault::NotAFile)));
        assert!(matches!(KeyStore::create(&link), Err(KeyStoreFault::AlreadyThere)));
        let other = KeyStore::create(&folder.path().join("other.json")).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let mine = KeyStore::open(&file).unwrap();
        for damaged in
            [text.replace("\"version\": 1", "\"version\": 2"), text.replace(mine.fingerprint(), other.fingerprint()), text[..40].to_owned()]
        {
            fs::write(&file, damaged).unwrap();
            assert!(matches!(KeyStore::open(&file), Err(KeyStoreFault::Damaged)));
        }
    }
}
