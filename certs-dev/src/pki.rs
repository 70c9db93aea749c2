//! All authorities of a development installation, kept in one folder and taken up again from it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use time::{Duration, OffsetDateTime};
use x509_parser::pem::parse_x509_pem;

use crate::{
    Issued, Leaf, Signed,
    authority::{Authority, serial, write},
};

/// The member authorities. The names of what `ac-education` certifies end with `education.passerelle.test`.
pub const AUTHORITIES: [&str; 5] = ["ac-territoires", "ac-education", "ac-sante", "ac-justice", "ac-social"];

/// The development PKI.
#[derive(Debug)]
pub struct Pki {
    folder: PathBuf,
    gateway: Authority,
    members: BTreeMap<&'static str, Authority>,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("cannot use `{}`", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// A certificate, a request or a list cannot be made of what was given.
    #[error("the certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// What was revoked cannot be read.
    #[error("`revoked.json` is not what this crate writes")]
    State(#[from] serde_json::Error),
    /// Nobody is called so.
    #[error("no authority is called `{0}`")]
    UnknownAuthority(String),
    /// Not a certificate of this PKI.
    #[error("not a certificate of this PKI")]
    NotACertificate,
    /// The folder holds a PKI already.
    #[error("`{}` holds a PKI already, and is not written over", .0.display())]
    AlreadyThere(PathBuf),
    /// Beyond the calendar.
    #[error("not a date")]
    NotADate,
    /// The system has no randomness.
    #[error("no randomness")]
    Random,
}

impl Pki {
    /// Makes all authorities in `folder`, with empty revocation lists.
    ///
    /// # Errors
    /// [`PkiError::AlreadyThere`], so that no authority's key is lost; any other [`PkiError`].
    pub fn create(folder: &Path, now: OffsetDateTime) -> Result<Self, PkiError> {
        let trust = folder.join("trust");
        if trust.exists() {
            return Err(PkiError::AlreadyThere(folder.to_owned()));
        }
        fs::create_dir_all(&trust).map_err(|e| PkiError::File(trust.clone(), e))?;
        let gateway = Authority::create(&authority_folder(folder, "gateway"), "gateway", "", now)?;
        let mut members = BTreeMap::new();
        for name in AUTHORITIES {
            let authority = Authority::create(&authority_folder(folder, name), name, &suffix(name), now)?;
            write(&trust.join(format!("{name}.pem")), &authority.trust_pem())?;
            members.insert(name, authority);
        }
        let mut pki = Self { folder: folder.to_owned(), gateway, members };
        pki.write_crls(now)?;
        Ok(pki)
    }

    /// Takes up the authorities that [`Pki::create`] left in `folder`.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let gateway = Authority::open(&authority_folder(folder, "gateway"), "")?;
        let members = AUTHORITIES
            .into_iter()
            .map(|name| Ok((name, Authority::open(&authority_folder(folder, name), &suffix(name))?)))
            .collect::<Result<_, PkiError>>()?;
        Ok(Self { folder: folder.to_owned(), gateway, members })
    }

    /// The folder that a gateway trusts.
    pub fn trust(&self) -> PathBuf {
        self.folder.join("trust")
    }

    /// The root under which the gateway's own certificate stands.
    pub fn root_certificate(&self) -> PathBuf {
        authority_folder(&self.folder, "gateway").join("root.pem")
    }

    /// The gateway's certificate for these DNS names: its server certificate, and its client certificate for pushes.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn issue_gateway(&self, names: &[&str], now: OffsetDateTime) -> Result<Issued, PkiError> {
        let leaf = Leaf::member("gateway", "gateway", now).san_uris(Vec::new()).dns(names.iter().map(|&name| name.to_owned()).collect());
        self.gateway.issue(&leaf.params("", serial()?)?)
    }

    /// A certificate with a new key.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn issue(&self, leaf: &Leaf) -> Result<Issued, PkiError> {
        let authority = self.authority(&leaf.authority)?;
        authority.issue(&leaf.params(&authority.suffix, serial()?)?)
    }

    /// The same certificate from an authority of the same name that nobody trusts.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn rogue(&self, leaf: &Leaf, now: OffsetDateTime) -> Result<Issued, PkiError> {
        let suffix = &self.authority(&leaf.authority)?.suffix;
        let stranger = Authority::create(&authority_folder(&self.folder, "rogue"), &leaf.authority, suffix, now)?;
        stranger.issue(&leaf.params(suffix, serial()?)?)
    }

    /// A member's certificate for the key of a certificate signing request (PKCS#10 PEM), for one year.
    ///
    /// # Errors
    /// [`PkiError`]; the request's own signature is checked.
    pub fn sign_csr(&self, authority: &str, institution: &str, csr_pem: &str, now: OffsetDateTime) -> Result<Signed, PkiError> {
        let leaf = Leaf::member(authority, institution, now);
        let authority = self.authority(authority)?;
        authority.sign(&leaf.params(&authority.suffix, serial()?)?, csr_pem)
    }

    /// Revokes a certificate; the lists say so once they are written again.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn revoke(&mut self, issued: &Issued) -> Result<(), PkiError> {
        self.revoke_pem(&issued.chain_pem)
    }

    /// Revokes the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`PkiError::NotACertificate`] when no authority of this PKI issued it.
    pub fn revoke_pem(&mut self, chain_pem: &str) -> Result<(), PkiError> {
        let (_, pem) = parse_x509_pem(chain_pem.as_bytes()).map_err(|_| PkiError::NotACertificate)?;
        let certificate = pem.parse_x509().map_err(|_| PkiError::NotACertificate)?;
        // Revoked from its first instant: a list says that it is, not since when it matters.
        let at = certificate.validity().not_before.to_datetime();
        for authority in self.members.values_mut() {
            if authority.issued(certificate.issuer().as_raw())? {
                return authority.revoke(certificate.raw_serial(), at);
            }
        }
        Err(PkiError::NotACertificate)
    }

    /// Revokes the issuing authority of a member authority: everything it ever issued falls.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn revoke_issuing(&mut self, authority: &str, now: OffsetDateTime) -> Result<(), PkiError> {
        let known = self.members.get_mut(authority).ok_or_else(|| PkiError::UnknownAuthority(authority.to_owned()))?;
        known.revoke_issuing(now)
    }

    /// Writes the revocation lists of all member authorities, good for thirty days.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn write_crls(&mut self, now: OffsetDateTime) -> Result<(), PkiError> {
        self.write_crls_valid(now, now.saturating_add(Duration::days(30)))
    }

    /// Writes them with these dates, so that stale ones can be made.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn write_crls_valid(&mut self, this_update: OffsetDateTime, next_update: OffsetDateTime) -> Result<(), PkiError> {
        for (name, authority) in &mut self.members {
            write(&self.folder.join("trust").join(format!("{name}.crl")), &authority.lists(this_update, next_update)?)?;
        }
        Ok(())
    }

    fn authority(&self, name: &str) -> Result<&Authority, PkiError> {
        self.members.get(name).ok_or_else(|| PkiError::UnknownAuthority(name.to_owned()))
    }
}

fn authority_folder(folder: &Path, name: &str) -> PathBuf {
    folder.join("authorities").join(name)
}

fn suffix(authority: &str) -> String {
    format!("{}.passerelle.test", authority.strip_prefix("ac-").unwrap_or(authority))
}

#[cfg(test)]
mod tests;
