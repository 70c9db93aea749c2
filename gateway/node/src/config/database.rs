//! Where the databases are: SQLite files in the data folder, or schemas of a PostgreSQL database.
//!
//! A URL names the database and never holds a password, and what leaves this machine goes over verified TLS.

use std::{collections::BTreeMap, str::FromStr};

use serde::Deserialize;

/// A PostgreSQL database: `postgres://role@host/name?sslmode=verify-full&sslrootcert=…`, or one reached by a socket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(String);

/// Databases of single parts, when they are to belong to another role or stand on another server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Databases {
    /// Identities.
    pub vault: Option<DatabaseUrl>,
    /// Keys: their backups live at most 30 days.
    pub keys: Option<DatabaseUrl>,
    /// Bytes of attachments: the most room.
    pub attachments: Option<DatabaseUrl>,
}

/// Why a URL is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// Of something else.
    #[error("a database is `postgres://role@host/name`; without it, SQLite files in `data`")]
    NoPostgres,
    /// Names no host, which would leave it to the environment.
    #[error("the host is missing: `postgres://role@host/name`, or `?host=/run/postgresql` for a socket")]
    NoHost,
    /// Names no role.
    #[error("the role is missing: `postgres://role@host/name`")]
    NoRole,
    /// Holds a secret.
    #[error("a password is never written here: put it in the file that PGPASSFILE names (mode 0600)")]
    Password,
    /// Holds a parameter that is unknown, or one twice.
    #[error("behind the `?` stand host, sslmode, sslrootcert, sslcert and sslkey, each once")]
    Parameter,
    /// Would leave the machine without verified TLS.
    #[error("a host other than this machine needs `?sslmode=verify-full&sslrootcert=FILE`")]
    Unverified,
}

impl DatabaseUrl {
    /// As the driver reads it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the parameters: for people and logs.
    pub fn place(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or(InvalidDatabaseUrl::NoPostgres)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = place.split('/').next().unwrap_or_default();
        let (role, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut parameters = BTreeMap::new();
        for one in query.split('&').filter(|one| !one.is_empty()) {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            if name == "password" {
                return Err(InvalidDatabaseUrl::Password);
            }
            // Each once, each in one spelling: what is checked here is what the driver uses.
            if !PARAMETERS.contains(&name) || parameters.insert(name, value).is_some() {
                return Err(InvalidDatabaseUrl::Parameter);
            }
        }
        if role.contains(':') {
            return Err(InvalidDatabaseUrl::Password);
        }
        if role.is_empty() {
            return Err(InvalidDatabaseUrl::NoRole);
        }
        let host = parameters.get("host").copied().unwrap_or(host);
        if host.is_empty() {
            return Err(InvalidDatabaseUrl::NoHost);
        }
        let verified = parameters.get("sslmode") == Some(&"verify-full") && parameters.contains_key("sslrootcert");
        if here(host) || verified { Ok(Self(url.to_owned())) } else { Err(InvalidDatabaseUrl::Unverified) }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = InvalidDatabaseUrl;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        url.parse()
    }
}

/// What may stand behind the `?`.
const PARAMETERS: [&str; 5] = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// Whether a host is this machine: a socket or a loopback address.
fn here(host: &str) -> bool {
    let socket = host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    let name = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    socket || name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_secret_and_reached_over_verified_tls() {
        for good in [
            "postgres://passerelle@localhost/passerelle",
            "postgresql://passerelle@127.0.0.1:5433/passerelle",
            "postgres://passerelle@[::1]:5433/passerelle",
            "postgres://passerelle@%2Frun%2Fpostgresql/passerelle",
            "postgres://passerelle@localhost/passerelle?host=/run/postgresql",
            "postgres://passerelle@db.example/passerelle?sslmode=verify-full&sslrootcert=/etc/passerelle/db.pem",
        ] {
            assert_eq!(good.parse::<DatabaseUrl>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("sqlite:///var/lib/passerelle/gateway.db", InvalidDatabaseUrl::NoPostgres),
            ("mysql://passerelle@localhost/passerelle", InvalidDatabaseUrl::NoPostgres),
            ("postgres:///passerelle", InvalidDatabaseUrl::NoRole),
            ("postgres://localhost/passerelle", InvalidDatabaseUrl::NoRole),
            ("postgres://passerelle@/passerelle", InvalidDatabaseUrl::NoHost),
            ("postgres://passerelle:secret@localhost/passerelle", InvalidDatabaseUrl::Password),
            ("postgres://passerelle@localhost/passerelle?password=secret", InvalidDatabaseUrl::Password),
            ("postgres://passerelle@db.example/passerelle", InvalidDatabaseUrl::Unverified),
            ("postgres://passerelle@db.example/passerelle?sslmode=require", InvalidDatabaseUrl::Unverified),
            ("postgres://passerelle@localhost/passerelle?host=db.example", InvalidDatabaseUrl::Unverified),
            ("postgres://passerelle@localhost/passerelle?hostaddr=10.0.0.4", InvalidDatabaseUrl::Parameter),
            ("postgres://passerelle@localhost/passerelle?ssl-mode=disable", InvalidDatabaseUrl::Parameter),
            ("postgres://passerelle@db/p?sslmode=verify-full&sslrootcert=a&sslmode=disable", InvalidDatabaseUrl::Parameter),
            ("postgres://passerelle@localhost.example/passerelle", InvalidDatabaseUrl::Unverified),
        ] {
            assert_eq!(bad.parse::<DatabaseUrl>(), Err(why), "{bad}");
        }
    }
}
