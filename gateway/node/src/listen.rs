//! The door: mutual TLS, who may come in, what each certificate may use, and what a certificate is worth *now*.
//!
//! Only a client with a certificate of a trusted authority gets a word in. TLS 1.3, never resumed, hybrid key exchange
//! first. At the handshake: chain, dates, name constraints, uses, and the revocation lists of every authority of the
//! chain; an authority without a list lets nobody in. At each request, [`Door::standing`] judges again with the lists
//! of that moment. A list past its `nextUpdate` is not a closed door but a [`Standing::StaleCrl`]: danger deposits stay
//! open for 72 hours (invariant 3), and it is for the caller of `standing` to refuse everything else.
//!
//! Certificate, key, authorities and lists are read again by [`Door::reload`]. A file with a mistake changes nothing
//! and is said once. Connections of certificates that became revoked are closed, and only those.
//!
//! This room knows certificates and no directory: it never decides whether an institution is served here.

mod authority;
mod body;
mod ending;
mod open;
mod pair;
mod peer;
mod rates;
mod serve;
mod tls;
mod trust;
mod verify;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use exchange::Instant;
use rustls::{ClientConfig, ServerConfig, version::TLS13};

pub use ending::{Dated, Ending, endings};
pub use peer::{Peer, PeerFault};
pub use tls::{TlsFault, client_config, nameless_client_config};

use crate::{
    clock::Clock,
    config::{Limits, Tls},
};
use open::Open;
use pair::Pair;
use rates::Rates;
use serve::Pace;
use trust::{Distrust, Files, Trust};

/// The door of one gateway.
pub struct Door {
    front: Arc<ArcSwap<Front>>,
    own: Arc<Pair>,
    /// Client certificates of pushes, read again with the rest.
    pushes: Mutex<Vec<Arc<Pair>>>,
    folder: PathBuf,
    /// Digest of the trust folder last looked at, good or bad: a mistake is said once.
    seen: Mutex<Seen>,
    open: Arc<Open>,
    rates: Rates,
    limits: Limits,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

/// What a new connection meets: authorities of one reading, and the TLS side made for them.
#[derive(Debug)]
struct Front {
    trust: Arc<Trust>,
    config: Arc<ServerConfig>,
}

/// What was last seen of the files, to act and to speak only when something changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    trust: Vec<u8>,
    mistakes: Vec<String>,
}

/// One connection, as each of its requests finds it among its extensions.
#[derive(Debug)]
pub struct Connection {
    /// Who is at the other end.
    pub peer: Result<Peer, PeerFault>,
}

/// What a certificate is worth at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Trusted, and known not to be revoked.
    Good,
    /// Trusted and not revoked by the last lists, but one of them should have been replaced.
    StaleCrl {
        /// When it should have been.
        since: Instant,
    },
    /// Revoked, or issued by an authority that is.
    Revoked,
    /// Outside its dates, or those of its authority.
    Expired,
    /// Not, or no longer, from an authority that can be checked.
    UnknownAuthority,
}

impl Door {
    /// Reads certificate, key, authorities and lists.
    ///
    /// # Errors
    /// [`TlsFault`] when the gateway's certificate or an authority cannot be used. A revocation list that is missing or
    /// wrong is no error here: it closes the door to its own authority alone, and is said.
    pub fn open(tls: &Tls, limits: &Limits, clock: Arc<dyn Clock>) -> Result<Arc<Self>, TlsFault> {
        Self::open_at(tls, limits, clock, Pace::USUAL)
    }

    fn open_at(tls: &Tls, limits: &Limits, clock: Arc<dyn Clock>, pace: Pace) -> Result<Arc<Self>, TlsFault> {
        let own = Pair::open(&tls.certificate, &tls.key)?;
        let files = Files::read(&tls.trust)?;
        let (trust, mistakes) = Trust::take_over(&files, &Trust::nobody());
        // Without its lists the door is closed to one authority; without a certificate that was named, to everybody.
        if let Some(mistake) = mistakes.authorities.into_iter().next() {
            return Err(mistake);
        }
        let mistakes: Vec<String> = mistakes.lists.into_iter().map(said).collect();
        for mistake in &mistakes {
            tracing::error!(mistake, "the door is closed to this authority");
        }
        let front = Arc::new(ArcSwap::from_pointee(Front::new(trust, &own, &clock)?));
        Ok(Arc::new(Self {
            front,
            own,
            pushes: Mutex::default(),
            folder: tls.trust.clone(),
            seen: Mutex::new(Seen { trust: files.digest(), mistakes }),
            open: Arc::default(),
            rates: Rates::new(limits),
            limits: limits.clone(),
            clock,
            pace,
        }))
    }

    /// What was wrong in the files when they were last read.
    pub fn mistakes(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).mistakes.clone()
    }

    /// Takes over what changed in the files, closes the connections of what is revoked now, and forgets idle budgets.
    pub fn reload(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mistakes = Vec::new();
        let pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        mistakes.extend([&self.own].into_iter().chain(&pushes).filter_map(|pair| pair.reload().err()).map(said));
        match Files::read(&self.folder) {
            Ok(files) => {
                let digest = files.digest();
                if digest != seen.trust {
                    seen.trust = digest;
                    mistakes.extend(self.take_over(&files).into_iter().map(said));
                }
            }
            Err(mistake) => mistakes.push(said(mistake)),
        }
        for mistake in mistakes.iter().filter(|mistake| !seen.mistakes.contains(mistake)) {
            tracing::error!(mistake, "a changed file has a mistake; what was in force stays");
        }
        seen.mistakes = mistakes;
        drop(seen);
        self.rates.forget();
        self.show_dates();
    }

    /// Whether the gateway's own certificate is past its last instant: then no member connects.
    pub fn certificate_expired(&self) -> bool {
        self.own.until().is_some_and(|until| self.clock.now() > until)
    }

    /// Puts on the board until when what has a date is good.
    fn show_dates(&self) {
        let seconds = |until: Instant| std::time::Duration::from_millis(u64::try_from(until.unix_ms()).unwrap_or(0)).as_secs_f64();
        if let Some(until) = self.own.until() {
            metrics::gauge!("passerelle_certificate_until_seconds").set(seconds(until));
        }
        for (authority, until) in self.front.load().trust.lists_until() {
            metrics::gauge!("passerelle_revocation_list_until_seconds", "authority" => authority.to_owned()).set(seconds(until));
        }
    }

    fn take_over(&self, files: &Files) -> Vec<TlsFault> {
        let (trust, found) = Trust::take_over(files, &self.front.load().trust);
        let mut mistakes = found.authorities;
        mistakes.extend(found.lists);
        let trust = match Front::new(trust, &self.own, &self.clock) {
            Ok(front) => {
                let trust = front.trust.clone();
                self.front.store(Arc::new(front));
                trust
            }
            Err(mistake) => {
                mistakes.push(mistake);
                return mistakes;
            }
        };
        let now = self.clock.now();
        let closed = self.open.close(|chain| trust.judge_client(chain, now).is_err_and(|why| why == Distrust::Revoked));
        tracing::info!(connections.closed = closed, "authorities and revocation lists were read again");
        mistakes
    }

    /// What the certificate of a connection is worth at `now`, by the authorities and lists in force.
    pub fn standing(&self, peer: &Peer, now: Instant) -> Standing {
        match self.front.load().trust.judge_client(&peer.chain, now) {
            Ok(verdict) if *verdict.authority != *peer.authority => Standing::UnknownAuthority,
            Ok(verdict) if now >= verdict.next_update => Standing::StaleCrl { since: verdict.next_update },
            Ok(_) => Standing::Good,
            Err(Distrust::Revoked) => Standing::Revoked,
            Err(Distrust::Expired | Distrust::NotYetValid) => Standing::Expired,
            Err(Distrust::UnknownAuthority | Distrust::NoList | Distrust::Name | Distrust::Purpose | Distrust::Malformed) => {
                Standing::UnknownAuthority
            }
        }
    }

    /// Takes one request of a certificate from its budget; deposits have their own.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self, thumbprint: &[u8; 32], deposit: bool) -> Result<(), Duration> {
        self.rates.admit(thumbprint, deposit)
    }

    /// The TLS side of pushes: presents the push certificate (or the gateway's own), and calls only servers that a
    /// trusted authority certified under the name called, by lists that are not stale. Follows [`Door::reload`].
    ///
    /// # Errors
    /// [`TlsFault`] when the push certificate cannot be used.
    pub fn push_client(&self, tls: &Tls) -> Result<ClientConfig, TlsFault> {
        let pair = match (&tls.push_certificate, &tls.push_key) {
            (Some(certificate), Some(key)) => {
                let pair = Pair::open(certificate, key)?;
                self.pushes.lock().unwrap_or_else(PoisonError::into_inner).push(pair.clone());
                pair
            }
            _ => self.own.clone(),
        };
        let config = ClientConfig::builder_with_details(tls::provider(), Arc::new(tls::Hands(self.clock.clone())))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verify::Outgoing(self.front.clone())))
            .with_client_cert_resolver(pair);
        Ok(tls::as_client(config))
    }
}

impl Front {
    fn new(trust: Trust, own: &Arc<Pair>, clock: &Arc<dyn Clock>) -> Result<Self, TlsFault> {
        let trust = Arc::new(trust);
        let config = tls::server_config(verify::Incoming::new(trust.clone()), own.clone(), clock)?;
        Ok(Self { trust, config: Arc::new(config) })
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door(..)")
    }
}

fn said(mistake: TlsFault) -> String {
    match std::error::Error::source(&mistake) {
        Some(cause) => format!("{mistake}: {cause}"),
        None => mistake.to_string(),
    }
}

#[cfg(test)]
mod tests;
