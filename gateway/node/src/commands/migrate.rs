//! What an administrator types around an upgrade: `gateway migrate`.

use std::path::PathBuf;

use clap::Args;

use super::{CommandFault, print, with_causes};
use crate::{
    config::Config,
    store::{Part, StoreError, schema},
};

/// `gateway migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// Configuration file
    #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Go back to this version of the schema of exchanges, with every gateway of this database stopped
    ///
    /// Refused when something would be lost that the older version did not know: then restore a backup.
    #[arg(long, value_name = "N")]
    pub to: Option<i64>,
}

/// Brings the databases up to date, or one of them back. `serve` brings them up to date by itself.
///
/// # Errors
/// A database cannot be reached or changed, or something would be lost.
pub async fn migrate(options: &Migrate) -> Result<(), CommandFault> {
    let config = Config::load(&options.config).map_err(|e| CommandFault::Gateway(with_causes(&e)))?;
    let failed = |e: StoreError| CommandFault::Gateway(with_causes(&e));
    match options.to {
        Some(version) => schema::back(&config.database(Part::Gateway), Part::Gateway, version).await.map_err(failed)?,
        None => {
            for part in Part::ALL {
                schema::up(&config.database(part), part).await.map_err(failed)?;
            }
        }
    }
    print(&format!("Base de données : {}.", described(&config).await?));
    Ok(())
}

/// Where the databases are and which version of its schema each has, for people.
///
/// # Errors
/// A database that should be there cannot be read.
pub async fn described(config: &Config) -> Result<String, CommandFault> {
    let mut versions = Vec::new();
    for part in Part::ALL {
        let url = config.database(part);
        let made = config.database.is_some() || config.data.join(part.as_str()).with_extension("db").exists();
        let version = if made { schema::version(&url, part).await } else { Ok(None) };
        let version = version.map_err(|e| CommandFault::Gateway(with_causes(&e)))?;
        versions.push(version.map_or_else(|| format!("{} à créer", part.as_str()), |version| format!("{} {version}", part.as_str())));
    }
    let place =
        config.database.as_ref().map_or_else(|| format!("SQLite, {}", config.data.display()), |url| format!("PostgreSQL, {}", url.place()));
    Ok(format!("{place} (schéma : {})", versions.join(", ")))
}
