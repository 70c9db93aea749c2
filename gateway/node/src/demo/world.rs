//! The stage: a development PKI, the sample directory with token keys, a gateway's configuration and a folder for each
//! pretend member. Used by the demonstration and by the scenario tests; never by a production gateway.

use std::path::{Path, PathBuf};

use certs_dev::{Leaf, Pki};
use exchange::Instant;
use serde_json::json;

use super::{DemoFault, Partner};
use crate::{seal::KeyStore, token};

/// A whole installation in one folder.
#[derive(Debug)]
pub struct World {
    /// Where everything is.
    pub folder: PathBuf,
    /// The authorities.
    pub pki: Pki,
    database: Option<String>,
}

/// Id of the gateway of the stage.
pub const GATEWAY: &str = "passerelle-31";

/// Institutions of the sample directory that act, and the authority that vouches for each.
pub const MEMBERS: [(&str, &str); 10] = [
    ("departement-31", "ac-territoires"),
    ("mairie-blagnac", "ac-territoires"),
    ("dsden-31", "ac-education"),
    ("college-0319901u", "ac-education"),
    ("college-0319902v", "ac-education"),
    ("ecole-0319903w", "ac-education"),
    ("chu-toulouse", "ac-sante"),
    ("parquet-toulouse", "ac-justice"),
    ("tribunal-enfants-toulouse", "ac-justice"),
    ("caf-31", "ac-social"),
];

/// Those whose people the pretend identity provider knows.
const SIGNED_IN: [&str; 5] = ["dsden-31", "chu-toulouse", "college-0319901u", "departement-31", "parquet-toulouse"];
/// What it calls the gateway of the stage.
pub const CLIENT: &str = "passerelle-31";
/// What the two of them share; nobody else has to be kept out of a pretence.
pub const SECRET: &str = "un secret de démonstration";

impl World {
    /// Builds the stage in an empty folder, with certificates valid around `now`.
    ///
    /// # Errors
    /// [`DemoFault`] when a file cannot be written.
    pub fn create(folder: &Path, now: Instant) -> Result<Self, DemoFault> {
        let folder = folder.to_owned();
        std::fs::create_dir_all(&folder).map_err(DemoFault::File)?;
        let mut pki = Pki::create(&folder.join("pki"), now.datetime().into()).map_err(DemoFault::pki)?;
        // 1. The gateway: its certificate, its keys, its data.
        let gateway = pki.issue_gateway(&["localhost", "gateway.passerelle.test"], now.datetime().into()).map_err(DemoFault::pki)?;
        write(&folder.join("tls/certificate.pem"), &gateway.chain_pem)?;
        secret(&folder.join("tls/key.pem"), &gateway.key_pem)?;
        KeyStore::create(&folder.join("keys.json")).map_err(|e| DemoFault::Story(e.to_string()))?;
        copy(&repository().join("policies"), &folder.join("policies"))?;
        copy(&repository().join("deploy/directory"), &folder.join("directory"))?;
        // 2. The members: a certificate and a token key each.
        let world_folder = folder.clone();
        for (institution, authority) in MEMBERS {
            let member = world_folder.join("members").join(institution);
            let leaf = pki.issue(&Leaf::member(authority, institution, now.datetime().into())).map_err(DemoFault::pki)?;
            write(&member.join("certificate.pem"), &leaf.chain_pem)?;
            secret(&member.join("key.pem"), &leaf.key_pem)?;
            let token_key = certs_dev::token_key().map_err(DemoFault::pki)?;
            let (_, jwk) = token::jwk_of_private_key(&token_key).map_err(|e| DemoFault::Story(e.to_string()))?;
            secret(&member.join("token.pem"), &token_key)?;
            write(&world_folder.join(format!("directory/keys/{institution}.jwks.json")), &json!({"keys": [jwk]}).to_string())?;
        }
        pki.write_crls(now.datetime().into()).map_err(DemoFault::pki)?;
        write(&folder.join("gateway.toml"), &config("127.0.0.1:0", "127.0.0.1:0", None))?;
        Ok(Self { folder, pki, database: None })
    }

    /// Takes up the stage that [`World::create`] left in `folder`.
    ///
    /// # Errors
    /// [`DemoFault`] when there is none.
    pub fn open(folder: &Path) -> Result<Self, DemoFault> {
        let written = std::fs::read_to_string(folder.join("gateway.toml")).map_err(DemoFault::File)?;
        let written: toml::Table = written.parse().map_err(|e: toml::de::Error| DemoFault::Story(e.to_string()))?;
        let database = written.get("database").and_then(toml::Value::as_str).map(str::to_owned);
        Ok(Self { folder: folder.to_owned(), pki: Pki::open(&folder.join("pki")).map_err(DemoFault::pki)?, database })
    }

    /// Fixes the ports, for a gateway that runs as a process of its own.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn listen(&self, listen: &str, local: &str) -> Result<(), DemoFault> {
        write(&self.folder.join("gateway.toml"), &config(listen, local, self.database.as_deref()))
    }

    /// Opens the portal to browsers that write `origin`, with one identity provider for its institutions; `more` are further lines.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open_portal(&self, origin: &str, issuer: &str, more: &str) -> Result<(), DemoFault> {
        let before = std::fs::read_to_string(self.config()).map_err(DemoFault::File)?;
        secret(&self.folder.join("provider.secret"), SECRET)?;
        let authorities = self.authorities();
        let portal = format!(
            "{before}\n[portal]\norigin = \"{origin}\"\n{more}\n[[portal.providers]]\nname = \"démonstration\"\nissuer = \"{issuer}\"\n\
             profile = \"oidc\"\nclient = \"{CLIENT}\"\nsecret_file = \"provider.secret\"\nauthorities = \"{}\"\ninstitutions = {SIGNED_IN:?}\n",
            authorities.display()
        );
        write(&self.config(), &portal)
    }

    /// Keeps everything in a PostgreSQL database instead of files.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_in(&mut self, database: &str) -> Result<(), DemoFault> {
        self.database = Some(database.to_owned());
        self.listen("127.0.0.1:0", "127.0.0.1:0")
    }

    /// The configuration of one more replica beside `gateway.toml`: the same data, with ports of its own.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn replica(&self, name: &str, listen: &str, local: &str) -> Result<PathBuf, DemoFault> {
        let file = self.folder.join(format!("{name}.toml"));
        write(&file, &config(listen, local, self.database.as_deref()))?;
        Ok(file)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    /// The root under which the gateway's certificate stands.
    pub fn authorities(&self) -> PathBuf {
        self.pki.root_certificate()
    }

    /// One professional of one member.
    pub fn partner(&self, institution: &'static str, professional: &'static str, gateway: &str) -> Partner {
        Partner {
            institution,
            professional,
            folder: self.folder.join("members").join(institution),
            authorities: self.authorities(),
            gateway: gateway.to_owned(),
            gateway_id: GATEWAY.to_owned(),
        }
    }
}

fn config(listen: &str, local: &str, database: Option<&str>) -> String {
    let database = database.map(|url| format!("database = \"{url}\"\n")).unwrap_or_default();
    format!(
        "gateway = \"{GATEWAY}\"\ndns = \"gateway.passerelle.test\"\ndepartement = \"31\"\nlisten = \"{listen}\"\nlocal = \"{local}\"\n{database}\
         data = \"data\"\nkeys = \"keys.json\"\npolicies = \"policies\"\ndirectory = \"directory\"\n\n\
         [tls]\ncertificate = \"tls/certificate.pem\"\nkey = \"tls/key.pem\"\ntrust = \"pki/trust\"\n\n\
         [limits]\nrequests_per_second = 100000\nburst = 100000\ndeposits_per_second = 100000\n\n[workers]\nreload_ms = 200\npush_ms = 100\nclocks_ms = 200\n"
    )
}

/// The repository that this binary was built from: the demonstration plays with its sample data.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn write(file: &Path, text: &str) -> Result<(), DemoFault> {
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent).map_err(DemoFault::File)?;
    }
    std::fs::write(file, text).map_err(DemoFault::File)
}

fn secret(file: &Path, text: &str) -> Result<(), DemoFault> {
    use std::os::unix::fs::PermissionsExt;
    write(file, text)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).map_err(DemoFault::File)
}

fn copy(from: &Path, to: &Path) -> Result<(), DemoFault> {
    std::fs::create_dir_all(to).map_err(DemoFault::File)?;
    for entry in std::fs::read_dir(from).map_err(DemoFault::File)? {
        let entry = entry.map_err(DemoFault::File)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).map_err(DemoFault::File)?;
        }
    }
    Ok(())
}
