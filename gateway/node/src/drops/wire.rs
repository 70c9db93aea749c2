//! SFTP as this gateway speaks it: to one server with one known key, by a key of its own and no password, and never waiting for
//! longer than a limit. Knows names, sizes and bytes, and nothing of what they mean.

use std::{borrow::Cow, os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures::{Stream, StreamExt};
use russh::{
    Preferred,
    client::{self, Handle},
    keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, load_secret_key},
};
use russh_sftp::{
    client::{RawSftpSession, error::Error as Failure},
    protocol::{FileAttributes, OpenFlags, Packet, StatusCode},
};
use tokio::{net::TcpStream, time::timeout};

use super::partner::Partner;

/// The gateway's own key for SFTP.
#[derive(Clone)]
pub struct OwnKey(Arc<PrivateKey>);

/// Why that key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OwnKeyFault {
    /// The file cannot be read, or holds no key in OpenSSH's format without a passphrase.
    #[error("no key in OpenSSH's format can be read there: make one with `ssh-keygen -t ed25519 -N ''`")]
    Unreadable,
    /// Others can read it.
    #[error("mode `{0:04o}` lets others use the key; run `chmod 600`")]
    Exposed(u32),
    /// It is another kind of key.
    #[error("it is no Ed25519 key: make one with `ssh-keygen -t ed25519 -N ''`")]
    Kind,
}

impl OwnKey {
    /// Reads the key.
    ///
    /// # Errors
    /// [`OwnKeyFault`].
    pub fn open(file: &Path) -> Result<Self, OwnKeyFault> {
        let mode = file.metadata().map_err(|_| OwnKeyFault::Unreadable)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(OwnKeyFault::Exposed(mode));
        }
        let key = load_secret_key(file, None).map_err(|_| OwnKeyFault::Unreadable)?;
        if key.algorithm() == Algorithm::Ed25519 { Ok(Self(Arc::new(key))) } else { Err(OwnKeyFault::Kind) }
    }
}

/// What went wrong with a server. The words of the server are not repeated: they may name a file, and a file a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// Nobody answers there, or hangs up.
    #[error("unreachable")]
    Unreachable,
    /// The server has another key than the one that is written down: somebody may stand between.
    #[error("another host key")]
    HostKey,
    /// The server does not let the gateway in.
    #[error("our key is refused")]
    Refused,
    /// An answer did not come in time.
    #[error("too slow")]
    Slow,
    /// A file or a folder is not there.
    #[error("not there")]
    NotThere,
    /// A file is larger than it may be.
    #[error("too large")]
    TooLarge,
    /// The server does not let us do this, or cannot.
    #[error("the server says no")]
    No,
    /// What was to be written ended before its end.
    #[error("the content could not be read")]
    Content,
}

impl WireFault {
    /// Whether nothing can be exchanged with the server at all.
    pub const fn is_dark(self) -> bool {
        match self {
            Self::Unreachable | Self::HostKey | Self::Refused | Self::Slow => true,
            Self::NotThere | Self::TooLarge | Self::No | Self::Content => false,
        }
    }

    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::HostKey => "host-key",
            Self::Refused => "key-refused",
            Self::Slow => "timeout",
            Self::NotThere => "not-there",
            Self::TooLarge => "too-large",
            Self::No => "server-refuses",
            Self::Content => "content",
        }
    }
}

/// One entry of a folder that is a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name. Not ours to print: it may hold a person's.
    pub name: String,
    /// Its size.
    pub size: u64,
}

/// An open connection to a partner's server.
pub struct Link {
    sftp: RawSftpSession,
    ssh: Handle<Pinned>,
    /// The server can be asked to have a file on its disk.
    syncs: bool,
    /// A file can take the place of another in one step.
    replaces: bool,
}

/// Believes one host key.
struct Pinned(PublicKey);

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data() == self.0.key_data(),
            // Nobody here vouches for hosts.
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

impl Link {
    /// Connects, with the limits of a push.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn open(partner: &Partner, key: &OwnKey) -> Result<Self, WireFault> {
        timeout(CONNECT * 3, Self::connect(partner, key)).await.map_err(|_| WireFault::Slow)?
    }

    async fn connect(partner: &Partner, key: &OwnKey) -> Result<Self, WireFault> {
        let tcp = timeout(CONNECT, TcpStream::connect((partner.host.as_str(), partner.port))).await.map_err(|_| WireFault::Unreachable)?;
        let tcp = tcp.map_err(|_| WireFault::Unreachable)?;
        // A server may have several keys: it is asked for the one that is written down.
        let key_kinds = Cow::Owned(vec![partner.host_key.algorithm()]);
        let config = client::Config {
            preferred: Preferred { key: key_kinds, ..Preferred::default() },
            inactivity_timeout: Some(Duration::from_secs(60)),
            nodelay: true,
            ..client::Config::default()
        };
        let mut ssh = client::connect_stream(Arc::new(config), tcp, Pinned(partner.host_key.clone())).await.map_err(told)?;
        let own = PrivateKeyWithHashAlg::new(key.0.clone(), None);
        if !ssh.authenticate_publickey(&partner.user, own).await.map_err(told)?.success() {
            return Err(WireFault::Refused);
        }
        let channel = ssh.channel_open_session().await.map_err(told)?;
        channel.request_subsystem(true, "sftp").await.map_err(told)?;
        let sftp = RawSftpSession::new(channel.into_stream());
        let version = sftp.init().await.map_err(fault)?;
        let offers = |name: &str| version.extensions.contains_key(name);
        Ok(Self { syncs: offers("fsync@openssh.com"), replaces: offers(REPLACE), sftp, ssh })
    }

    /// The files of a folder. Folders, links and whatever else is there are passed over.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>, WireFault> {
        let handle = self.sftp.opendir(folder).await.map_err(fault)?.handle;
        let mut all = Vec::new();
        loop {
            match self.sftp.readdir(handle.as_str()).await {
                Ok(names) => {
                    let files = names.files.into_iter().filter(|file| file.attrs.file_type().is_file());
                    all.extend(files.map(|file| Listed { name: file.filename, size: file.attrs.size.unwrap_or(0) }));
                }
                Err(Failure::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(fault(error)),
            }
            if all.len() > MANY {
                return Err(WireFault::TooLarge);
            }
        }
        self.sftp.close(handle).await.map_err(fault)?;
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// A file, whole.
    ///
    /// # Errors
    /// [`WireFault::TooLarge`] before more than `at_most` bytes of it are in memory.
    pub async fn read(&self, path: &str, at_most: u64) -> Result<Vec<u8>, WireFault> {
        let handle = self.sftp.open(path, OpenFlags::READ, FileAttributes::empty()).await.map_err(fault)?.handle;
        let mut all = Vec::new();
        loop {
            match self.sftp.read(handle.as_str(), all.len() as u64, CHUNK).await {
                Ok(data) if data.data.is_empty() => break,
                Ok(data) => all.extend_from_slice(&data.data),
                Err(Failure::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(fault(error)),
            }
            if all.len() as u64 > at_most {
                let _ = self.sftp.close(handle).await;
                return Err(WireFault::TooLarge);
            }
        }
        self.sftp.close(handle).await.map_err(fault)?;
        Ok(all)
    }

    /// Writes a file under a name of its own, has it on the server's disk, and gives it its name in one step: whoever sees that
    /// name sees all of the file. One that is there is replaced.
    ///
    /// # Errors
    /// [`WireFault`]: what was written may be left, under a name that ends in `.part`.
    pub async fn put<E>(
        &self,
        folder: &str,
        name: &str,
        mine: &str,
        mut content: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(), WireFault> {
        let (part, whole) = (format!("{folder}/{name}.{mine}.part"), format!("{folder}/{name}"));
        let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::WRITE;
        let handle = self.sftp.open(&part, flags, FileAttributes::empty()).await.map_err(fault)?.handle;
        let mut at = 0;
        while let Some(bytes) = content.next().await {
            let bytes = bytes.map_err(|_| WireFault::Content)?;
            for piece in bytes.chunks(CHUNK as usize) {
                self.sftp.write(handle.as_str(), at, piece.to_vec()).await.map_err(fault)?;
                at += piece.len() as u64;
            }
        }
        if self.syncs {
            self.sftp.fsync(handle.as_str()).await.map_err(fault)?;
        }
        self.sftp.close(handle).await.map_err(fault)?;
        self.replace(&part, &whole).await
    }

    /// Gives a file another name, in the place of whatever has it.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn replace(&self, from: &str, to: &str) -> Result<(), WireFault> {
        if self.replaces {
            let mut data = Vec::new();
            for path in [from, to] {
                let length = u32::try_from(path.len()).map_err(|_| WireFault::No)?;
                data.extend_from_slice(&length.to_be_bytes());
                data.extend_from_slice(path.as_bytes());
            }
            let answer = self.sftp.extended(REPLACE, data).await.map_err(fault)?;
            let done = matches!(&answer, Packet::Status(status) if status.status_code == StatusCode::Ok);
            return if done { Ok(()) } else { Err(WireFault::No) };
        }
        if self.sftp.rename(from, to).await.is_ok() {
            return Ok(());
        }
        // A server that replaces nothing: between these two steps the name is nobody's, and a crash leaves the first one to be
        // done again.
        let _ = self.sftp.remove(to).await;
        self.sftp.rename(from, to).await.map(drop).map_err(fault)
    }

    /// Takes a file away, if it is there.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn remove(&self, path: &str) -> Result<(), WireFault> {
        match self.sftp.remove(path).await.map_err(fault) {
            Ok(_) | Err(WireFault::NotThere) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes away every file of a folder whose name is so.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn remove_all(&self, folder: &str, is: impl Fn(&str) -> bool) -> Result<(), WireFault> {
        for file in self.list(folder).await?.iter().filter(|file| is(&file.name)) {
            self.remove(&format!("{folder}/{}", file.name)).await?;
        }
        Ok(())
    }

    /// Makes a folder unless it is there.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn folder(&self, path: &str) -> Result<(), WireFault> {
        match self.sftp.stat(path).await {
            Ok(found) if found.attrs.file_type().is_dir() => Ok(()),
            Ok(_) => Err(WireFault::No),
            Err(Failure::Status(status)) if status.status_code == StatusCode::NoSuchFile => {
                self.sftp.mkdir(path, FileAttributes::empty()).await.map(drop).map_err(fault)
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// Hangs up.
    pub async fn close(self) {
        let _ = self.sftp.close_session();
        let _ = self.ssh.disconnect(russh::Disconnect::ByApplication, "", "").await;
    }
}

fn told(error: russh::Error) -> WireFault {
    if matches!(error, russh::Error::UnknownKey) {
        WireFault::HostKey
    } else if matches!(error, russh::Error::ConnectionTimeout | russh::Error::InactivityTimeout | russh::Error::KeepaliveTimeout) {
        WireFault::Slow
    } else if matches!(error, russh::Error::RequestDenied) {
        WireFault::Refused
    } else {
        WireFault::Unreachable
    }
}

fn fault(error: Failure) -> WireFault {
    match error {
        Failure::Status(status) if status.status_code == StatusCode::NoSuchFile => WireFault::NotThere,
        Failure::Status(_) | Failure::UnexpectedPacket => WireFault::No,
        Failure::Timeout => WireFault::Slow,
        Failure::Limited(_) => WireFault::TooLarge,
        Failure::IO(_) | Failure::UnexpectedBehavior(_) => WireFault::Unreachable,
    }
}

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// Bytes of one request: what every server takes.
const CHUNK: u32 = 32 * 1024;
/// Files of one folder.
const MANY: usize = 20_000;
/// OpenSSH's rename that replaces.
const REPLACE: &str = "posix-rename@openssh.com";
