//! The gateway's own mailbox in the closed space of MSSanté, at an operator's.

use std::{num::NonZeroU32, path::PathBuf};

use exchange::InstitutionId;
use serde::Deserialize;

/// Secure mail: one mailbox, and a folder of partners.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Address of the mailbox.
    pub address: String,
    /// The institution whose mailbox it is.
    pub institution: InstitutionId,
    /// Where mails are handed in: STARTTLS, always.
    pub smtp: Server,
    /// Where the mailbox is read: TLS from the first byte.
    pub imap: Server,
    /// The account, at both.
    pub user: String,
    /// File with its password and nothing else (mode 0600).
    pub password_file: PathBuf,
    /// Folder of the authorities (`*.pem`) that vouch for the operator, and of nobody else.
    pub trust: PathBuf,
    /// PEM chain that the gateway shows to the operator, where it asks for one.
    pub certificate: Option<PathBuf>,
    /// Its PEM private key (mode 0600).
    pub key: Option<PathBuf>,
    /// Folder of the partners: `<institution>.toml`.
    pub partners: PathBuf,
    /// Folder of the mailbox into which goes what was taken over.
    #[serde(default = "taken")]
    pub taken: String,
    /// Folder of the mailbox into which goes what a person must look at.
    #[serde(default = "aside")]
    pub aside: String,
    /// Seconds between two looks.
    #[serde(default = "poll_seconds")]
    pub poll_seconds: NonZeroU32,
    /// MiB of one mail, in either direction.
    #[serde(default = "max_mib")]
    pub max_mib: NonZeroU32,
}

/// One service of the operator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The name that its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Mail {
    /// What is wrong with what is written.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.certificate.is_some() != self.key.is_some() {
            all.push("`mail.certificate` and `mail.key` go together".to_owned());
        }
        for (name, folder) in [("taken", &self.taken), ("aside", &self.aside)] {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
            if folder.is_empty() || folder.eq_ignore_ascii_case("inbox") || !folder.bytes().all(plain) {
                all.push(format!("`mail.{name}` must be a folder of letters, digits, `-`, `_`, `.` and `/`, and not the inbox"));
            }
        }
        if self.taken == self.aside {
            all.push("`mail.taken` and `mail.aside` must be two folders".to_owned());
        }
        all
    }

    /// The paths that are relative to the configuration.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.password_file, &mut self.trust, &mut self.partners].into_iter().chain(&mut self.certificate).chain(&mut self.key)
    }
}

fn taken() -> String {
    "Traite".to_owned()
}

fn aside() -> String {
    "A-examiner".to_owned()
}

const fn poll_seconds() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(29)
}

const fn max_mib() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(24)
}
