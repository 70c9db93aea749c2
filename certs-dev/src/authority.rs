//! One authority: a root, an issuing authority under it, and a revocation list of each.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, RevokedCertParams, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Issued, PkiError, Signed};

/// An authority that can sign.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) suffix: String,
    folder: PathBuf,
    root: Signer,
    issuing: Signer,
    revoked: Revoked,
}

#[derive(Debug)]
struct Signer {
    pem: String,
    key: KeyPair,
}

/// `revoked.json`: what is in the two lists.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Revoked {
    lists_written: u64,
    by_root: Vec<Entry>,
    by_issuing: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    serial: Vec<u8>,
    unix_seconds: i64,
}

impl Authority {
    /// Makes both keys and certificates; the names under it end with `suffix`, when there is one.
    pub(crate) fn create(folder: &Path, name: &str, suffix: &str, now: OffsetDateTime) -> Result<Self, PkiError> {
        fs::create_dir_all(folder).map_err(|e| PkiError::File(folder.to_owned(), e))?;
        let root_params = ca_params(&format!("Passerelle development {name}, root"), suffix, 1, now)?;
        let root_key = KeyPair::generate()?;
        let root = Signer { pem: root_params.self_signed(&root_key)?.pem(), key: root_key };
        let issuing_key = KeyPair::generate()?;
        let issuing_params = ca_params(&format!("Passerelle development {name}"), suffix, 0, now)?;
        let issuing_pem = issuing_params.signed_by(&issuing_key, &Issuer::from_params(&root_params, &root.key))?.pem();
        let issuing = Signer { pem: issuing_pem, key: issuing_key };
        for (signer, what) in [(&root, "root"), (&issuing, "issuing")] {
            write(&folder.join(format!("{what}.pem")), &signer.pem)?;
            write_secret(&folder.join(format!("{what}.key")), &signer.key.serialize_pem())?;
        }
        let authority = Self { suffix: suffix.to_owned(), folder: folder.to_owned(), root, issuing, revoked: Revoked::default() };
        authority.keep_revoked()?;
        Ok(authority)
    }

    /// Takes up what [`Authority::create`] wrote.
    pub(crate) fn open(folder: &Path, suffix: &str) -> Result<Self, PkiError> {
        let signer = |what: &str| -> Result<Signer, PkiError> {
            Ok(Signer {
                pem: read(&folder.join(format!("{what}.pem")))?,
                key: KeyPair::from_pem(&read(&folder.join(format!("{what}.key")))?)?,
            })
        };
        let revoked = serde_json::from_str(&read(&folder.join("revoked.json"))?)?;
        Ok(Self { suffix: suffix.to_owned(), folder: folder.to_owned(), root: signer("root")?, issuing: signer("issuing")?, revoked })
    }

    /// Root and issuing certificate: what those who trust this authority need.
    pub(crate) fn trust_pem(&self) -> String {
        format!("{}{}", self.root.pem, self.issuing.pem)
    }

    pub(crate) fn issue(&self, params: &CertificateParams) -> Result<Issued, PkiError> {
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.issuing.issuer()?)?;
        Ok(Issued { chain_pem: format!("{}{}", leaf.pem(), self.issuing.pem), key_pem: key.serialize_pem() })
    }

    /// Signs the key of a request. Names and extensions of the request are ignored: the authority decides them.
    pub(crate) fn sign(&self, params: &CertificateParams, csr_pem: &str) -> Result<Signed, PkiError> {
        let request = CertificateSigningRequestParams::from_pem(csr_pem)?;
        let leaf = params.signed_by(&request.public_key, &self.issuing.issuer()?)?;
        Ok(Signed { chain_pem: format!("{}{}", leaf.pem(), self.issuing.pem) })
    }

    /// Whether the issuing authority signed a certificate whose issuer has this DER name.
    pub(crate) fn issued(&self, issuer_der: &[u8]) -> Result<bool, PkiError> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(self.issuing.pem.as_bytes()).map_err(|_| PkiError::NotACertificate)?;
        let issuing = pem.parse_x509().map_err(|_| PkiError::NotACertificate)?;
        Ok(issuing.subject().as_raw() == issuer_der)
    }

    pub(crate) fn revoke(&mut self, serial: &[u8], at: OffsetDateTime) -> Result<(), PkiError> {
        self.revoked.by_issuing.push(Entry { serial: serial.to_vec(), unix_seconds: at.unix_timestamp() });
        self.keep_revoked()
    }

    pub(crate) fn revoke_issuing(&mut self, at: OffsetDateTime) -> Result<(), PkiError> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(self.issuing.pem.as_bytes()).map_err(|_| PkiError::NotACertificate)?;
        let serial = pem.parse_x509().map_err(|_| PkiError::NotACertificate)?.raw_serial().to_vec();
        self.revoked.by_root.push(Entry { serial, unix_seconds: at.unix_timestamp() });
        self.keep_revoked()
    }

    /// Both revocation lists, PEM.
    pub(crate) fn lists(&mut self, this_update: OffsetDateTime, next_update: OffsetDateTime) -> Result<String, PkiError> {
        self.revoked.lists_written += 1;
        self.keep_revoked()?;
        let list = |signer: &Signer, entries: &[Entry]| -> Result<String, PkiError> {
            let revoked_certs = entries
                .iter()
                .map(|entry| {
                    let revocation_time = OffsetDateTime::from_unix_timestamp(entry.unix_seconds).map_err(|_| PkiError::NotADate)?;
                    let serial_number = SerialNumber::from_slice(&entry.serial);
                    Ok(RevokedCertParams { serial_number, revocation_time, reason_code: None, invalidity_date: None })
                })
                .collect::<Result<_, PkiError>>()?;
            let params = CertificateRevocationListParams {
                this_update,
                next_update,
                crl_number: SerialNumber::from(self.revoked.lists_written),
                issuing_distribution_point: None,
                revoked_certs,
                key_identifier_method: KeyIdMethod::Sha256,
            };
            Ok(params.signed_by(&signer.issuer()?)?.pem()?)
        };
        Ok(format!("{}{}", list(&self.root, &self.revoked.by_root)?, list(&self.issuing, &self.revoked.by_issuing)?))
    }

    fn keep_revoked(&self) -> Result<(), PkiError> {
        write(&self.folder.join("revoked.json"), &serde_json::to_string_pretty(&self.revoked)?)
    }
}

impl Signer {
    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, PkiError> {
        Ok(Issuer::from_ca_cert_pem(&self.pem, &self.key)?)
    }
}

/// A random positive serial number of 16 bytes: one key may be certified again and again.
pub(crate) fn serial() -> Result<SerialNumber, PkiError> {
    let mut random = [0_u8; 15];
    SystemRandom::new().fill(&mut random).map_err(|_| PkiError::Random)?;
    let mut serial = vec![0x40];
    serial.extend_from_slice(&random);
    Ok(SerialNumber::from(serial))
}

/// Writes a file that everybody may read, whole or not at all: gateways look at it while it is written.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), PkiError> {
    let beside = file.with_extension("new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, file)).map_err(|e| PkiError::File(file.to_owned(), e))
}

fn write_secret(file: &Path, text: &str) -> Result<(), PkiError> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .map_err(|e| PkiError::File(file.to_owned(), e))
}

fn read(file: &Path) -> Result<String, PkiError> {
    fs::read_to_string(file).map_err(|e| PkiError::File(file.to_owned(), e))
}

fn ca_params(name: &str, suffix: &str, below: u8, now: OffsetDateTime) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now.saturating_sub(Duration::days(1));
    params.not_after = now.saturating_add(Duration::days(3650));
    params.serial_number = Some(serial()?);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    if !suffix.is_empty() {
        let permitted_subtrees = vec![GeneralSubtree::DnsName(suffix.to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    }
    Ok(params)
}
