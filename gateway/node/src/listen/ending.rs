//! When the files at the door end: certificates, authorities, revocation lists. Says dates and decides nothing; a file that
//! cannot be read is somebody else's finding.

use std::path::{Path, PathBuf};

use exchange::Instant;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, revocation_list::CertificateRevocationList};

use super::peer::instant;
use crate::config::Tls;

/// A file that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Which.
    pub file: PathBuf,
    /// What it is.
    pub what: Dated,
    /// The first date on which something in it is over.
    pub at: Instant,
}

/// What has an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    /// A certificate, the gateway's or an authority's.
    Certificate,
    /// A revocation list: the next one is due.
    List,
}

/// When each file that the configuration names ends.
pub fn endings(tls: &Tls) -> Vec<Ending> {
    let mut certificates: Vec<PathBuf> = [Some(&tls.certificate), tls.push_certificate.as_ref()].into_iter().flatten().cloned().collect();
    let mut lists = Vec::new();
    for file in std::fs::read_dir(&tls.trust).into_iter().flatten().flatten().map(|entry| entry.path()) {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("pem") => certificates.push(file),
            Some("crl") => lists.push(file),
            Some(_) | None => {}
        }
    }
    certificates.sort();
    lists.sort();
    let certificates = certificates.into_iter().filter_map(|file| {
        let at = certificates_end(&file)?;
        Some(Ending { file, what: Dated::Certificate, at })
    });
    let lists = lists.into_iter().filter_map(|file| {
        let at = lists_end(&file)?;
        Some(Ending { file, what: Dated::List, at })
    });
    certificates.chain(lists).collect()
}

fn certificates_end(file: &Path) -> Option<Instant> {
    let pem = std::fs::read(file).ok()?;
    let ends = CertificateDer::pem_slice_iter(&pem).filter_map(|der| {
        let der = der.ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        Some(instant(certificate.validity().not_after))
    });
    ends.min()
}

fn lists_end(file: &Path) -> Option<Instant> {
    let pem = std::fs::read(file).ok()?;
    let ends = CertificateRevocationListDer::pem_slice_iter(&pem).filter_map(|der| {
        let der = der.ok()?;
        let (_, list) = CertificateRevocationList::from_der(&der).ok()?;
        list.next_update().map(instant)
    });
    ends.min()
}
