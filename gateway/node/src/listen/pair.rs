//! A certificate and its key, read again when their files change. A pair that cannot be used changes nothing.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use exchange::Instant;
use ring::digest;
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{
    peer::instant,
    tls::{TlsFault, provider},
};

/// The pair in force, and the files it came from.
pub(super) struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
    /// Digest of the bytes last looked at, good or bad: a mistake is said once.
    seen: Mutex<Vec<u8>>,
}

impl Pair {
    pub(super) fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsFault> {
        let bytes = Bytes::read(certificate, key)?;
        let seen = Mutex::new(bytes.digest());
        let current = ArcSwap::from_pointee(bytes.pair(certificate, key)?);
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), current, seen }))
    }

    /// Its last instant; nothing can be said of a certificate that the other end cannot read either.
    pub(super) fn until(&self) -> Option<Instant> {
        let current = self.current.load();
        let (_, leaf) = X509Certificate::from_der(current.cert.first()?).ok()?;
        Some(instant(leaf.validity().not_after))
    }

    /// Takes over changed files.
    ///
    /// # Errors
    /// [`TlsFault`] when they cannot be used; the pair in force stays.
    pub(super) fn reload(&self) -> Result<(), TlsFault> {
        let bytes = Bytes::read(&self.certificate, &self.key)?;
        let digest = bytes.digest();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == digest {
            return Ok(());
        }
        *seen = digest;
        self.current.store(Arc::new(bytes.pair(&self.certificate, &self.key)?));
        tracing::info!(file = %self.certificate.display(), "a new certificate is presented from now on");
        Ok(())
    }
}

struct Bytes {
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

impl Bytes {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsFault> {
        let read = |file: &Path| std::fs::read(file).map_err(|e| TlsFault::Unreadable(file.to_owned(), e));
        Ok(Self { certificate: read(certificate)?, key: zeroize::Zeroizing::new(read(key)?) })
    }

    fn digest(&self) -> Vec<u8> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(self.certificate.len() as u64).to_be_bytes());
        context.update(&self.certificate);
        context.update(&self.key);
        context.finish().as_ref().to_vec()
    }

    fn pair(&self, certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsFault> {
        let wrong = |file: &Path, what| TlsFault::Wrong { file: file.to_owned(), what };
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| wrong(certificate, "not a PEM chain"))?;
        if chain.is_empty() {
            return Err(wrong(certificate, "no certificate in it"));
        }
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| wrong(key, "no PEM private key in it"))?;
        CertifiedKey::from_der(chain, private, &provider()).map_err(|e| TlsFault::Pair(certificate.to_owned(), e))
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl ResolvesClientCert for Pair {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair(..)")
    }
}
