//! Whom the gateway trusts, as of one reading of the trust folder, and what a certificate chain is worth to it.
//!
//! A chain is trusted when it leads to a root of one authority, each link within its dates, names and uses, and each
//! link (the root apart) is on no revocation list. A link for which there is no list is not trusted: what cannot be
//! checked is refused. How *old* the lists are is not judged here but said, since what follows depends on what is
//! asked (see [`Door::standing`](super::Door::standing)).

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use exchange::Instant;
use ring::digest;
use rustls::DistinguishedName;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{
    authority::{Authority, RevocationList},
    peer::{instant, thumbprint},
    tls::{TlsFault, provider},
};

/// The authorities of one reading.
#[derive(Debug)]
pub(super) struct Trust {
    authorities: BTreeMap<String, Vouching>,
    /// Certificates already found good against exactly these authorities and lists. Only good ones: what somebody
    /// else sends along with a certificate must not be held against it.
    known: Mutex<HashMap<[u8; 32], Verdict>>,
}

#[derive(Debug, Clone)]
struct Vouching {
    authority: Arc<Authority>,
    lists: Arc<[Arc<RevocationList>]>,
}

/// A trusted chain: who vouches, and until when this holds without another look.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) authority: Arc<str>,
    pub(super) not_before: Instant,
    pub(super) not_after: Instant,
    /// When the first of the lists that were consulted becomes stale.
    pub(super) next_update: Instant,
}

/// Why a chain is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distrust {
    UnknownAuthority,
    NoList,
    Revoked,
    Expired,
    NotYetValid,
    Name,
    Purpose,
    Malformed,
}

/// What is wrong in the trust folder.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    /// Of certificates: an authority that was named cannot be used.
    pub(super) authorities: Vec<TlsFault>,
    /// Of revocation lists: nobody of their authority is let in, unless older lists are in force.
    pub(super) lists: Vec<TlsFault>,
}

/// What a certificate is presented for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Client,
    Server,
}

/// The files of the trust folder: name, certificates, lists if there are any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    folder: PathBuf,
    authorities: BTreeMap<String, (Vec<u8>, Option<Vec<u8>>)>,
}

impl Files {
    pub(super) fn read(folder: &Path) -> Result<Self, TlsFault> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |e| TlsFault::Unreadable(path, e)
        };
        let mut authorities = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let file = entry.map_err(unreadable(folder))?.path();
            let (Some(name), Some("pem")) = (file.file_stem().and_then(|s| s.to_str()), file.extension().and_then(|e| e.to_str())) else {
                continue;
            };
            let list = file.with_extension("crl");
            let lists = match std::fs::read(&list) {
                Ok(bytes) => Some(bytes),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                Err(e) => return Err(unreadable(&list)(e)),
            };
            authorities.insert(name.to_owned(), (std::fs::read(&file).map_err(unreadable(&file))?, lists));
        }
        if authorities.is_empty() {
            return Err(TlsFault::NoAuthority(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), authorities })
    }

    pub(super) fn digest(&self) -> Vec<u8> {
        let mut context = digest::Context::new(&digest::SHA256);
        for (name, (pem, lists)) in &self.authorities {
            for part in [name.as_bytes(), pem, lists.as_deref().unwrap_or_default()] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part);
            }
            context.update(&[u8::from(lists.is_some())]);
        }
        context.finish().as_ref().to_vec()
    }
}

impl Trust {
    /// Trusts nobody: what is in force before the first reading.
    pub(super) fn nobody() -> Self {
        Self { authorities: BTreeMap::new(), known: Mutex::default() }
    }

    /// What `files` say, and every mistake in them. A file with a mistake leaves what `before` knew of it in force; a
    /// list that is gone too, since it becomes stale by itself.
    pub(super) fn take_over(files: &Files, before: &Self) -> (Self, Mistakes) {
        let mut authorities = BTreeMap::new();
        let mut mistakes = Mistakes::default();
        for (name, (pem, lists)) in &files.authorities {
            let older = before.authorities.get(name);
            let file = files.folder.join(format!("{name}.pem"));
            let authority = match (Authority::read(&file, pem), older) {
                (Ok(authority), _) => Arc::new(authority),
                (Err(mistake), older) => {
                    mistakes.authorities.push(mistake);
                    let Some(older) = older else { continue };
                    older.authority.clone()
                }
            };
            let file = files.folder.join(format!("{name}.crl"));
            let in_force: Arc<[Arc<RevocationList>]> = older.map(|older| older.lists.clone()).unwrap_or_default();
            let read = match lists {
                Some(pem) => authority.lists(&file, pem, &in_force),
                None => Err(TlsFault::Wrong { file, what: "there is no revocation list: nobody of this authority is let in without one" }),
            };
            let lists = match read {
                Ok(lists) => lists.into(),
                Err(mistake) => {
                    mistakes.lists.push(mistake);
                    in_force
                }
            };
            authorities.insert(name.clone(), Vouching { authority, lists });
        }
        (Self { authorities, known: Mutex::default() }, mistakes)
    }

    /// Names of the roots, for clients that choose a certificate by them.
    pub(super) fn hints(&self) -> Vec<DistinguishedName> {
        let anchors = self.authorities.values().flat_map(|vouching| &vouching.authority.anchors);
        anchors.map(|anchor| DistinguishedName::in_sequence(&anchor.anchor.subject)).collect()
    }

    /// Judges the chain of a client, remembering what was found good.
    pub(super) fn judge_client(&self, chain: &[CertificateDer<'_>], now: Instant) -> Result<Verdict, Distrust> {
        let key = thumbprint(chain.first().ok_or(Distrust::Malformed)?);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let verdict = match known {
            Some(verdict) => verdict,
            None => {
                let verdict = self.judge(chain, now, Use::Client)?;
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(key, verdict.clone());
                verdict
            }
        };
        if now < verdict.not_before {
            return Err(Distrust::NotYetValid);
        }
        if now > verdict.not_after {
            return Err(Distrust::Expired);
        }
        Ok(verdict)
    }

    /// When the first list of each authority should be replaced.
    pub(super) fn lists_until(&self) -> impl Iterator<Item = (&str, Instant)> {
        let first = |vouching: &Vouching| vouching.lists.iter().map(|list| list.next_update).min();
        self.authorities.iter().filter_map(move |(name, vouching)| Some((name.as_str(), first(vouching)?)))
    }

    /// Judges a chain, leaf first.
    pub(super) fn judge(&self, chain: &[CertificateDer<'_>], now: Instant, usage: Use) -> Result<Verdict, Distrust> {
        let mut why = Distrust::UnknownAuthority;
        for (name, vouching) in &self.authorities {
            match vouching.judge(name, chain, now, usage) {
                Ok(verdict) => return Ok(verdict),
                Err(Distrust::UnknownAuthority) => {}
                Err(better) => why = better,
            }
        }
        Err(why)
    }
}

impl Vouching {
    fn judge(&self, name: &str, chain: &[CertificateDer<'_>], now: Instant, usage: Use) -> Result<Verdict, Distrust> {
        let (leaf, sent) = chain.split_first().ok_or(Distrust::Malformed)?;
        let end = EndEntityCert::try_from(leaf).map_err(distrust)?;
        let anchors: Vec<TrustAnchor<'_>> = self.authority.anchors.iter().map(|anchor| anchor.anchor.clone()).collect();
        let links: Vec<CertificateDer<'_>> = self.authority.intermediates.iter().chain(sent).cloned().collect();
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().map(|list| &list.list).collect();
        // Without any list webpki would check nothing at all, so the answer is then overruled below.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        let key_usage = match usage {
            Use::Client => KeyUsage::client_auth(),
            Use::Server => KeyUsage::server_auth(),
        };
        let seconds = u64::try_from(now.unix_seconds()).map_err(|_| Distrust::NotYetValid)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let algorithms = provider().signature_verification_algorithms.all;
        let path = end.verify_for_usage(algorithms, &anchors, &links, at, key_usage, revocation, None).map_err(distrust)?;
        if lists.is_empty() {
            return Err(Distrust::NoList);
        }
        states_use(leaf, usage)?;

        let anchor = (self.authority.anchors.iter()).find(|known| known.anchor == *path.anchor()).ok_or(Distrust::UnknownAuthority)?;
        if now < anchor.not_before {
            return Err(Distrust::NotYetValid);
        }
        if now > anchor.not_after {
            return Err(Distrust::Expired);
        }
        let mut verdict = Verdict {
            authority: name.into(),
            not_before: anchor.not_before,
            not_after: anchor.not_after,
            next_update: Instant::from_unix_ms(i64::MAX),
        };
        for link in path.intermediate_certificates().map(webpki::Cert::der).chain([leaf.clone()]) {
            verdict.narrow(&link, &self.lists)?;
        }
        Ok(verdict)
    }
}

impl Verdict {
    /// The dates of one more link, and of the lists that speak of it.
    fn narrow(&mut self, link: &CertificateDer<'_>, lists: &[Arc<RevocationList>]) -> Result<(), Distrust> {
        let (_, certificate) = X509Certificate::from_der(link).map_err(|_| Distrust::Malformed)?;
        let parsed = EndEntityCert::try_from(link).map_err(distrust)?;
        self.not_before = self.not_before.max(instant(certificate.validity().not_before));
        self.not_after = self.not_after.min(instant(certificate.validity().not_after));
        let stale = lists.iter().filter(|list| list.list.issuer() == parsed.issuer()).map(|list| list.next_update).min();
        self.next_update = self.next_update.min(stale.ok_or(Distrust::NoList)?);
        Ok(())
    }
}

/// webpki lets a certificate pass that states no use; we do not.
fn states_use(leaf: &CertificateDer<'_>, usage: Use) -> Result<(), Distrust> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| Distrust::Malformed)?;
    let stated = certificate.extended_key_usage().map_err(|_| Distrust::Malformed)?.ok_or(Distrust::Purpose)?.value;
    let fits = match usage {
        Use::Client => stated.client_auth,
        Use::Server => stated.server_auth,
    };
    if fits { Ok(()) } else { Err(Distrust::Purpose) }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum: whatever webpki adds is not trust")]
pub(super) fn distrust(error: webpki::Error) -> Distrust {
    use webpki::Error;
    match error {
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => Distrust::UnknownAuthority,
        Error::CertRevoked => Distrust::Revoked,
        Error::CertExpired { .. } => Distrust::Expired,
        Error::CertNotValidYet { .. } => Distrust::NotYetValid,
        Error::UnknownRevocationStatus | Error::InvalidCrlSignatureForPublicKey | Error::IssuerNotCrlSigner => Distrust::NoList,
        Error::NameConstraintViolation | Error::CertNotValidForName(_) => Distrust::Name,
        Error::RequiredEkuNotFoundContext(_) => Distrust::Purpose,
        _ => Distrust::Malformed,
    }
}

/// Good certificates remembered for one reading; far more than a département has members.
const REMEMBERED: usize = 10_000;
