//! One file of the trust folder: an authority, and the revocation lists of everything it signs with.
//!
//! `<name>.pem` holds the root and every issuing certificate; `<name>.crl` one list (PEM) for each of them that
//! signs. Only self-issued certificates are anchors: an issuing authority put in the file is a link of the chain that
//! can itself be revoked, never an end of it.

use std::{path::Path, sync::Arc};

use exchange::Instant;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, pem::PemObject};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, revocation_list::CertificateRevocationList};

use super::{peer::instant, tls::TlsFault};

/// The certificates of an authority.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) anchors: Vec<Anchor>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    all: Vec<CertificateDer<'static>>,
}

/// A root, with the dates that webpki does not look at.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) anchor: TrustAnchor<'static>,
    pub(super) not_before: Instant,
    pub(super) not_after: Instant,
}

/// A revocation list whose signature was checked.
#[derive(Debug)]
pub(super) struct RevocationList {
    pub(super) list: CertRevocationList<'static>,
    pub(super) this_update: Instant,
    pub(super) next_update: Instant,
}

impl Authority {
    pub(super) fn read(file: &Path, pem: &[u8]) -> Result<Self, TlsFault> {
        let wrong = |what| TlsFault::Wrong { file: file.to_owned(), what };
        let all: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| wrong("not PEM certificates"))?;
        let mut anchors = Vec::new();
        let mut intermediates = Vec::new();
        for der in &all {
            let (_, certificate) = X509Certificate::from_der(der).map_err(|_| wrong("a certificate cannot be read"))?;
            if !certificate.is_ca() {
                return Err(wrong("a certificate is not that of an authority"));
            }
            if certificate.issuer().as_raw() != certificate.subject().as_raw() {
                intermediates.push(der.clone());
                continue;
            }
            certificate.verify_signature(None).map_err(|_| wrong("a root is not signed by itself"))?;
            let validity = certificate.validity();
            anchors.push(Anchor {
                anchor: webpki::anchor_from_trusted_cert(der).map_err(|_| wrong("a root cannot be used"))?.to_owned(),
                not_before: instant(validity.not_before),
                not_after: instant(validity.not_after),
            });
        }
        if anchors.is_empty() {
            return Err(wrong("no root (self-issued certificate) in it"));
        }
        Ok(Self { anchors, intermediates, all })
    }

    /// Reads revocation lists. A list that nobody of this authority signed, or that is older than the one in force, is
    /// a mistake: an older list could only forget revocations. A list that is gone stays in force until it is stale.
    pub(super) fn lists(&self, file: &Path, pem: &[u8], in_force: &[Arc<RevocationList>]) -> Result<Vec<Arc<RevocationList>>, TlsFault> {
        let wrong = |what| TlsFault::Wrong { file: file.to_owned(), what };
        let mut lists = Vec::new();
        for der in CertificateRevocationListDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| wrong("not PEM revocation lists"))?;
            let (_, parsed) = CertificateRevocationList::from_der(&der).map_err(|_| wrong("a list cannot be read"))?;
            if !self.signed(&parsed) {
                return Err(wrong("a list is not signed by a certificate of this authority"));
            }
            let list = RevocationList {
                list: OwnedCertRevocationList::from_der(&der).map_err(|_| wrong("a list cannot be used"))?.into(),
                this_update: instant(parsed.last_update()),
                next_update: instant(parsed.next_update().ok_or_else(|| wrong("a list does not say when the next one comes"))?),
            };
            if in_force.iter().any(|known| known.same_scope(&list) && known.this_update > list.this_update) {
                return Err(wrong("a list is older than the one in force"));
            }
            lists.push(Arc::new(list));
        }
        if lists.is_empty() {
            return Err(wrong("no revocation list in it"));
        }
        // webpki takes the first list that fits, so there is one of each, the newest.
        lists.extend(in_force.iter().cloned());
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update));
        let mut newest: Vec<Arc<RevocationList>> = Vec::new();
        for list in lists {
            if !newest.iter().any(|known| known.same_scope(&list)) {
                newest.push(list);
            }
        }
        Ok(newest)
    }

    fn signed(&self, list: &CertificateRevocationList<'_>) -> bool {
        self.all.iter().any(|der| {
            X509Certificate::from_der(der).is_ok_and(|(_, signer)| {
                signer.subject().as_raw() == list.issuer().as_raw() && list.verify_signature(signer.public_key()).is_ok()
            })
        })
    }
}

impl RevocationList {
    fn same_scope(&self, other: &Self) -> bool {
        self.list.issuer() == other.list.issuer() && self.list.issuing_distribution_point() == other.list.issuing_distribution_point()
    }
}
