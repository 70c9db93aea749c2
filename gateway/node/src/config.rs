//! Configuration: one TOML file, final types, unknown keys refused, secrets named but never written.
//! There is no switch that weakens security.

mod collector;
mod database;
mod mail;
mod portal;

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::store::Part;

pub use collector::{Collector, InvalidCollector};
pub use database::{DatabaseUrl, Databases, InvalidDatabaseUrl};
pub use mail::{Mail, Server};
pub use portal::{Portal, Profile, Provider};

/// Everything that `gateway.toml` says. Relative paths are relative to the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Id of this gateway: `urn:passerelle:gateway:<id>` is the audience of tokens and the issuer of receipts.
    pub gateway: String,
    /// DNS name of this gateway; the log's origin is `<dns>/log`.
    pub dns: String,
    /// INSEE code of the Département it serves.
    pub departement: String,
    /// Where members connect (mutual TLS). There is no plain-HTTP switch.
    pub listen: SocketAddr,
    /// Where health and metrics answer; must be a loopback address.
    pub local: SocketAddr,
    /// A PostgreSQL database in which each of the databases is a schema; absent: SQLite files in `data`.
    pub database: Option<DatabaseUrl>,
    /// Other databases for single parts.
    #[serde(default)]
    pub databases: Databases,
    /// Folder of the SQLite databases.
    pub data: PathBuf,
    /// The gateway's master keys (mode 0600).
    pub keys: PathBuf,
    /// `policies/`: law, local permits, catalogue, agreements.
    pub policies: PathBuf,
    /// Institutions, units, professionals, issuers.
    pub directory: PathBuf,
    /// The door.
    pub tls: Tls,
    /// Limits, with defaults that suit a département.
    #[serde(default)]
    pub limits: Limits,
    /// Clocks of the workers.
    #[serde(default)]
    pub workers: Workers,
    /// Files that are exchanged with partners over SFTP, if this program was built to; absent: none.
    pub sftp: Option<Sftp>,
    /// The gateway's own mailbox of MSSanté, if this program was built to have one; absent: none.
    pub mail: Option<Mail>,
    /// The pages for a browser; absent: there are none.
    pub portal: Option<Portal>,
    /// A collector that traces go to, if this program was built to send any; absent: none, unless `OTEL_*` variables name one.
    pub traces: Option<Collector>,
}

/// The gateway's certificate and whom it trusts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM private key (mode 0600).
    pub key: PathBuf,
    /// Folder of authorities and revocation lists: `<name>.pem`, `<name>.crl`.
    pub trust: PathBuf,
    /// Client certificate for pushes (PEM chain); absent: the gateway's own.
    pub push_certificate: Option<PathBuf>,
    /// Key of `push_certificate`.
    pub push_key: Option<PathBuf>,
}

/// Files that are exchanged with partners over SFTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sftp {
    /// The gateway's own key (Ed25519, OpenSSH's format, mode 0600).
    pub key: PathBuf,
    /// Folder of the partners: `<institution>.toml`, and the mapping files that they name.
    pub partners: PathBuf,
}

/// What one caller may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one certificate.
    pub connections_per_certificate: usize,
    /// Requests per second of one certificate, sustained.
    pub requests_per_second: u32,
    /// Requests in a burst.
    pub burst: u32,
    /// Deposits per second of one certificate: a budget of their own, so that nothing else can starve them.
    pub deposits_per_second: u32,
    /// Requests in progress; beyond them only what is about danger is let in.
    pub requests_in_progress: usize,
    /// Questions ("may I?") per minute of one professional.
    pub questions_per_minute: NonZeroU32,
    /// Bytes of a JSON body.
    pub body_bytes: usize,
    /// MiB of one attachment.
    pub attachment_mib: NonZeroU32,
    /// Attachments of one exchange.
    pub attachments: usize,
    /// Minutes that one emergency access (`urgence`) lasts at most.
    pub emergency_minutes: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_certificate: 128,
            requests_per_second: 50,
            burst: 200,
            deposits_per_second: 50,
            requests_in_progress: 256,
            questions_per_minute: NonZeroU32::MIN.saturating_add(59),
            body_bytes: 1024 * 1024,
            attachment_mib: NonZeroU32::MIN.saturating_add(99),
            attachments: 20,
            emergency_minutes: NonZeroU32::MIN.saturating_add(119),
        }
    }
}

/// How often workers look.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// Milliseconds between two looks at clocks that fire.
    pub clocks_ms: u64,
    /// Milliseconds between two looks at notices to push.
    pub push_ms: u64,
    /// Tries of a push before it becomes a dead letter.
    pub push_attempts: u32,
    /// Milliseconds between two looks at changed certificates, lists, policies and directory.
    pub reload_ms: u64,
}

impl Default for Workers {
    fn default() -> Self {
        Self { clocks_ms: 1000, push_ms: 1000, push_attempts: 12, reload_ms: 1000 }
    }
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// Cannot be read.
    #[error("cannot read `{}`", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// Is no TOML, or has a setting that is unknown or of another shape.
    #[error("{}:{line}: {what}", file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The first mistake.
        what: String,
    },
    /// Is not what is expected.
    #[error("`{}`: {what}", file.display())]
    Wrong {
        /// Which file.
        file: PathBuf,
        /// Every mistake.
        what: String,
    },
}

impl Config {
    /// Reads and checks a file; reports all mistakes at once.
    ///
    /// # Errors
    /// [`ConfigFault`] with the file and every mistake.
    pub fn load(file: &Path) -> Result<Self, ConfigFault> {
        let text = std::fs::read_to_string(file).map_err(|e| ConfigFault::Unreadable(file.to_owned(), e))?;
        let mut config: Self = toml::from_str(&text).map_err(|e| ConfigFault::Malformed {
            file: file.to_owned(),
            line: e.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.matches('\n').count() + 1),
            what: e.message().to_owned(),
        })?;
        let mut mistakes = Vec::new();
        if config.gateway.is_empty() || !config.gateway.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            mistakes.push("`gateway` must be lower-case letters, digits and hyphens".to_owned());
        }
        if !config.local.ip().is_loopback() {
            mistakes.push("`local` must be a loopback address: health and metrics are for this machine alone".to_owned());
        }
        let apart = &config.databases;
        if config.database.is_none() && [&apart.vault, &apart.keys, &apart.attachments].into_iter().any(Option::is_some) {
            mistakes.push("`databases` goes with `database`: all parts are on PostgreSQL, or none".to_owned());
        }
        if config.tls.push_certificate.is_some() != config.tls.push_key.is_some() {
            mistakes.push("`tls.push_certificate` and `tls.push_key` go together".to_owned());
        }
        if config.traces.is_some() && !cfg!(feature = "otel") {
            mistakes.push("`traces`: this program was built without the feature `otel`".to_owned());
        }
        if config.sftp.is_some() && !cfg!(feature = "sftp") {
            mistakes.push("`sftp`: this program was built without the feature `sftp`".to_owned());
        }
        if config.mail.is_some() && !cfg!(feature = "mail") {
            mistakes.push("`mail`: this program was built without the feature `mail`".to_owned());
        }
        mistakes.extend(config.mail.iter().flat_map(Mail::mistakes));
        mistakes.extend(config.portal.iter().flat_map(Portal::mistakes));
        if !mistakes.is_empty() {
            return Err(ConfigFault::Wrong { file: file.to_owned(), what: mistakes.join("; ") });
        }
        let base = file.parent().unwrap_or(Path::new("."));
        for path in [
            &mut config.data,
            &mut config.keys,
            &mut config.policies,
            &mut config.directory,
            &mut config.tls.certificate,
            &mut config.tls.key,
            &mut config.tls.trust,
        ] {
            *path = base.join(&path);
        }
        for path in [&mut config.tls.push_certificate, &mut config.tls.push_key].into_iter().flatten() {
            *path = base.join(&path);
        }
        if let Some(sftp) = &mut config.sftp {
            sftp.key = base.join(&sftp.key);
            sftp.partners = base.join(&sftp.partners);
        }
        config.portal.iter_mut().for_each(Portal::write_origin_as_a_browser);
        for path in config.mail.iter_mut().flat_map(Mail::paths) {
            *path = base.join(&path);
        }
        for provider in config.portal.iter_mut().flat_map(|portal| &mut portal.providers) {
            provider.authorities = base.join(&provider.authorities);
            provider.secret_file = base.join(&provider.secret_file);
        }
        Ok(config)
    }

    /// URL of one of the databases.
    pub fn database(&self, part: Part) -> String {
        let own = match part {
            Part::Gateway => None,
            Part::Vault => self.databases.vault.as_ref(),
            Part::Keys => self.databases.keys.as_ref(),
            Part::Attachments => self.databases.attachments.as_ref(),
        };
        match own.or(self.database.as_ref()) {
            Some(url) => url.as_str().to_owned(),
            None => format!("sqlite://{}", self.data.join(part.as_str()).with_extension("db").display()),
        }
    }

    /// Origin of the log.
    pub fn origin(&self) -> String {
        format!("{}/log", self.dns)
    }
}
