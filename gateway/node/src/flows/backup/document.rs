//! A document whose lines cannot be changed by whoever only keeps it: sealed under the master keys, like a letter.
//!
//! Written beside, synced, renamed: a reader sees the whole of it or what was there before.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use exchange::canonical;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{
    fault::BackupFault,
    file::{self, unusable},
    folder,
};
use crate::seal::KeyStore;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    content: Value,
    /// HMAC over the canonical form of `content`.
    seal: String,
}

/// Writes a document that names the fingerprint of the keys as `keystore`.
pub(super) fn write(file: &Path, content: &impl Serialize, keystore: &KeyStore) -> Result<(), BackupFault> {
    let content = serde_json::to_value(content).map_err(|_| BackupFault::Format(file.to_owned()))?;
    let seal = seal(file, &content, keystore)?;
    let bytes = serde_json::to_vec_pretty(&Sealed { content, seal }).map_err(|_| BackupFault::Format(file.to_owned()))?;
    replace(file, &bytes)
}

/// Reads a document, once it is known to be under these keys and unchanged.
pub(super) fn read<T: DeserializeOwned>(file: &Path, keystore: &KeyStore) -> Result<T, BackupFault> {
    let bytes = file::read(file)?;
    let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|_| BackupFault::Format(file.to_owned()))?;
    let fingerprint = sealed.content.get("keystore").and_then(Value::as_str).unwrap_or_default();
    if fingerprint != keystore.fingerprint() {
        return Err(BackupFault::OtherKeys {
            file: file.to_owned(),
            theirs: fingerprint.to_owned(),
            ours: keystore.fingerprint().to_owned(),
        });
    }
    if seal(file, &sealed.content, keystore)? != sealed.seal {
        return Err(BackupFault::Altered(file.to_owned()));
    }
    serde_json::from_value(sealed.content).map_err(|_| BackupFault::Format(file.to_owned()))
}

/// Puts bytes under a name, whole and durable, or leaves what was there.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> Result<(), BackupFault> {
    // A name that nobody can foresee, and a file that was not there: no link of somebody else's is followed.
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.part", Uuid::now_v7()));
    let beside = Path::new(&beside);
    let mut out = file::create(beside).map_err(unusable(beside))?;
    let written = out.write_all(bytes).and_then(|()| out.sync_all()).and_then(|()| fs::rename(beside, file));
    if written.is_err() {
        let _ = fs::remove_file(beside);
    }
    written.map_err(unusable(file))?;
    let parent = folder::parent(file);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(unusable(parent))
}

fn seal(file: &Path, content: &Value, keystore: &KeyStore) -> Result<String, BackupFault> {
    let canonical = canonical::bytes(content).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let canonical = canonical.ok_or_else(|| BackupFault::Format(file.to_owned()))?;
    keystore.blind("backup", &canonical).map_err(|_| BackupFault::Format(file.to_owned()))
}
