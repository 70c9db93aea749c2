//! A partner that exchanges files: one data file for each, named after its institution. Read whole at the start, all mistakes at
//! once; who may read what is not here but in the directory and the rules.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use adapters::{
    drop::{
        Sequence,
        name::{DropName, Part},
        signature::{Algorithm, Signed},
    },
    mapping,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{AgreementId, InstitutionId, Party, UnitId};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use russh::keys::PublicKey;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::directory::keys;

/// A partner as the gateway works with it.
pub struct Partner {
    /// Who it is.
    pub institution: InstitutionId,
    /// The institution in whose name the gateway leaves and takes drops.
    pub serves: InstitutionId,
    /// Its unit in whose name its letters come.
    pub unit: Option<UnitId>,
    /// To whom they go, unless they answer somebody.
    pub recipient: Party,
    /// The agreement under which they come.
    pub agreement: Option<AgreementId>,
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The gateway's account there.
    pub user: String,
    /// The one key that the server may have.
    pub host_key: PublicKey,
    /// Folder into which drops for the partner go.
    pub outbox: String,
    /// Folder in which the partner leaves drops.
    pub inbox: String,
    /// What its files look like.
    pub format: Format,
    /// In which form files for it are written.
    pub form: mapping::Format,
    /// The texts of its mapping files, by their names.
    pub mappings: Vec<(String, String)>,
    /// What a mapping calls the reference by which the partner answers.
    pub reference: String,
    /// Seconds between two looks.
    pub poll_seconds: u32,
    /// Bytes of one drop.
    pub at_most: u64,
    keys: BTreeMap<String, Key>,
}

/// What a partner's files look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// The files that a caisse and a Département exchange.
    #[serde(rename = "caf")]
    Caisse,
    /// Transmissions of the 119, and what it is told.
    #[serde(rename = "119")]
    Line119,
    /// Whatever mapping files say.
    #[serde(rename = "mapping")]
    Mapping,
}

/// A key that signs the partner's lists and answers.
struct Key {
    algorithm: Algorithm,
    public: Vec<u8>,
    professional: Option<String>,
}

/// What is wrong with a partner file.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {what}", file.display())]
pub struct PartnerFault {
    file: PathBuf,
    what: String,
}

/// A partner file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    institution: InstitutionId,
    serves: InstitutionId,
    unit: Option<UnitId>,
    recipient: Party,
    agreement: Option<AgreementId>,
    host: String,
    #[serde(default = "port")]
    port: u16,
    user: String,
    host_key: String,
    outbox: String,
    inbox: String,
    format: Format,
    form: Form,
    #[serde(default)]
    mappings: Vec<String>,
    #[serde(default = "reference")]
    reference: String,
    #[serde(default = "poll_seconds")]
    poll_seconds: u32,
    #[serde(default = "max_mib")]
    max_mib: u32,
    #[serde(default)]
    key: Vec<WrittenKey>,
}

#[derive(Deserialize)]
enum Form {
    #[serde(rename = "csv")]
    Csv,
    #[serde(rename = "xml")]
    Xml,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    kid: Option<String>,
    kty: String,
    crv: String,
    x: String,
    y: Option<String>,
    professional: Option<String>,
}

impl Partner {
    /// Reads one partner file, and the mapping files beside it that it names.
    ///
    /// # Errors
    /// [`PartnerFault`] with every mistake; of shape the first one only.
    pub fn load(file: &Path) -> Result<Self, PartnerFault> {
        let fault = |what: String| PartnerFault { file: file.to_owned(), what };
        let text = std::fs::read_to_string(file).map_err(|e| fault(e.to_string()))?;
        let from: Written = toml::from_str(&text).map_err(|e| fault(e.message().to_owned()))?;
        let mut mistakes = Vec::new();
        if file.file_stem().is_none_or(|stem| stem != from.institution.as_str()) {
            mistakes.push(format!("the file is named after its institution: `{}.toml`", from.institution));
        }
        for (name, folder) in [("outbox", &from.outbox), ("inbox", &from.inbox)] {
            let plain = !folder.is_empty() && folder.split('/').all(|part| part != "..") && !folder.contains(['\0', '\n']);
            if !plain {
                mistakes.push(format!("`{name}` must be a folder, without `..`"));
            }
        }
        if from.outbox.trim_end_matches('/') == from.inbox.trim_end_matches('/') {
            mistakes.push("`outbox` and `inbox` must be two folders".to_owned());
        }
        if from.host.is_empty() || from.user.is_empty() {
            mistakes.push("`host` and `user` must be written".to_owned());
        }
        if from.poll_seconds == 0 || from.max_mib == 0 {
            mistakes.push("`poll_seconds` and `max_mib` count from 1".to_owned());
        }
        if (from.format == Format::Mapping) == from.mappings.is_empty() {
            mistakes.push("`mappings` goes with `format = \"mapping\"`".to_owned());
        }
        let host_key = PublicKey::from_str(&from.host_key).map_err(|_| {
            mistakes.push("`host_key` must be a line as `ssh-keyscan` gives it: `ssh-ed25519 AAAA…`".to_owned());
        });
        let mut mappings = Vec::new();
        for name in from.mappings {
            let inside = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
            match std::fs::read_to_string(file.with_file_name(&name)) {
                Ok(text) if inside => mappings.push((name, text)),
                Ok(_) => mistakes.push(format!("mapping `{name}` must lie beside the partner file")),
                Err(error) => mistakes.push(format!("mapping `{name}`: {error}")),
            }
        }
        let mut keys = BTreeMap::new();
        for key in from.key {
            match Key::of(key) {
                Ok((kid, key)) => {
                    if keys.insert(kid.clone(), key).is_some() {
                        mistakes.push(format!("key `{kid}` is there twice"));
                    }
                }
                Err(what) => mistakes.push(what),
            }
        }
        if keys.is_empty() {
            mistakes.push("no `[[key]]`: nothing that the partner signs could be believed".to_owned());
        }
        let (Ok(host_key), true) = (host_key, mistakes.is_empty()) else { return Err(fault(mistakes.join("; "))) };
        Ok(Self {
            institution: from.institution,
            serves: from.serves,
            unit: from.unit,
            recipient: from.recipient,
            agreement: from.agreement,
            host: from.host,
            port: from.port,
            user: from.user,
            host_key,
            outbox: from.outbox,
            inbox: from.inbox,
            format: from.format,
            form: match from.form {
                Form::Csv => mapping::Format::Csv,
                Form::Xml => mapping::Format::Xml,
            },
            mappings,
            reference: from.reference,
            poll_seconds: from.poll_seconds,
            at_most: u64::from(from.max_mib) << 20,
            keys,
        })
    }

    /// Whether one of the partner's keys made this signature.
    pub fn signed(&self, signed: &Signed<'_>) -> bool {
        self.keys.get(signed.kid).is_some_and(|key| key.confirms(signed))
    }

    /// The professional who alone has a key; nothing for a key of the institution's systems.
    pub fn professional(&self, kid: &str) -> Option<&str> {
        self.keys.get(kid)?.professional.as_deref()
    }

    /// A name in a drop for the partner.
    pub fn ours(&self, sequence: Sequence, part: Part) -> DropName {
        DropName { sender: self.serves.clone(), sequence, part }
    }
}

impl Key {
    fn of(written: WrittenKey) -> Result<(String, Self), String> {
        let jwk = match &written.y {
            Some(y) => json!({"kty": written.kty, "crv": written.crv, "x": written.x, "y": y}),
            None => json!({"kty": written.kty, "crv": written.crv, "x": written.x}),
        };
        let thumbprint = keys::thumbprint(&jwk).map_err(|why| format!("unfit key: {why}"))?;
        let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name).and_then(Value::as_str).unwrap_or_default()).unwrap_or_default();
        let (algorithm, public) =
            if written.kty == "OKP" { (Algorithm::EdDsa, part("x")) } else { (Algorithm::Es256, [vec![4], part("x"), part("y")].concat()) };
        Ok((written.kid.unwrap_or(thumbprint), Self { algorithm, public, professional: written.professional }))
    }

    fn confirms(&self, signed: &Signed<'_>) -> bool {
        let made = match self.algorithm {
            Algorithm::EdDsa => UnparsedPublicKey::new(&ED25519, &self.public).verify(signed.input, signed.signature),
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public).verify(signed.input, signed.signature),
        };
        self.algorithm == signed.algorithm && made.is_ok()
    }
}

const fn port() -> u16 {
    22
}

fn reference() -> String {
    "dossier".to_owned()
}

const fn poll_seconds() -> u32 {
    60
}

const fn max_mib() -> u32 {
    64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/sftp/caf-31.toml")
    }

    #[test]
    fn the_sample_is_read() {
        let partner = Partner::load(&sample()).unwrap();
        assert_eq!((partner.institution.as_str(), partner.port, partner.format), ("caf-31", 22, Format::Caisse));
        assert_eq!(partner.professional("caf-31-p-8l6dn"), Some("p-8l6dn"));
        assert_eq!(partner.professional("caf-31-depots-2026"), None);
    }

    #[test]
    fn every_mistake_is_told() {
        let text = std::fs::read_to_string(sample()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("caf-31.toml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Partner::load(&file).map(drop).map_err(|fault| fault.to_string())
        };
        assert_eq!(load(&text), Ok(()));
        for (from, to, what) in [
            ("institution = \"caf-31\"\n#", "institution = \"msa-31\"\n#", "msa-31.toml"),
            ("\"vers-partenaire\"", "\"../vers-partenaire\"", "`outbox`"),
            ("\"depuis-partenaire\"", "\"vers-partenaire/\"", "two folders"),
            ("ssh-ed25519 AAAA", "ssh-ed25519 BBBB", "`host_key`"),
            ("format = \"caf\"", "format = \"mapping\"", "`mappings`"),
            ("# mappings = [\"exemple-a.toml\"]", "mappings = [\"../../etc/passwd\"]", "mapping"),
            ("kid = \"caf-31-p-8l6dn\"", "kid = \"caf-31-depots-2026\"", "twice"),
            ("crv = \"P-256\"", "crv = \"P-384\"", "unfit key"),
            ("poll_seconds = 60", "poll_seconds = 0", "`poll_seconds`"),
            ("poll_seconds = 60", "password = \"secret\"", "unknown field"),
        ] {
            assert!(text.contains(from), "{from}");
            let fault = load(&text.replace(from, to)).unwrap_err();
            assert!(fault.contains(what), "{from}: {fault}");
        }
    }
}
