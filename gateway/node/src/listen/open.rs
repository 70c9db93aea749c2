//! The open connections, by certificate: how many there are, and how to close them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls_pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Open {
    certificates: Mutex<HashMap<[u8; 32], Held>>,
}

#[derive(Debug)]
struct Held {
    chain: Arc<[CertificateDer<'static>]>,
    next: u64,
    connections: HashMap<u64, CancellationToken>,
}

/// One open connection; leaves when dropped.
#[derive(Debug)]
pub(super) struct Entered {
    open: Arc<Open>,
    thumbprint: [u8; 32],
    number: u64,
    /// Cancelled when the connection must end at once.
    pub(super) closed: CancellationToken,
}

impl Open {
    /// Enters a connection, unless its certificate has `at_most` already.
    pub(super) fn enter(self: &Arc<Self>, thumbprint: [u8; 32], chain: &Arc<[CertificateDer<'static>]>, at_most: usize) -> Option<Entered> {
        let mut certificates = self.lock();
        let held = certificates.entry(thumbprint).or_insert_with(|| Held { chain: chain.clone(), next: 0, connections: HashMap::new() });
        if held.connections.len() >= at_most {
            return None;
        }
        let number = held.next;
        held.next += 1;
        let closed = CancellationToken::new();
        held.connections.insert(number, closed.clone());
        metrics::gauge!("passerelle_connections").increment(1.0);
        Some(Entered { open: self.clone(), thumbprint, number, closed })
    }

    /// Closes every connection of the certificates that `revoked` says are; returns how many.
    pub(super) fn close(&self, revoked: impl Fn(&[CertificateDer<'static>]) -> bool) -> usize {
        // Judging takes signatures: not under the lock.
        let chains: Vec<_> = self.lock().iter().map(|(thumbprint, held)| (*thumbprint, held.chain.clone())).collect();
        let mut closed = 0;
        for (thumbprint, chain) in chains {
            if !revoked(&chain) {
                continue;
            }
            for token in self.lock().get(&thumbprint).into_iter().flat_map(|held| held.connections.values()) {
                token.cancel();
                closed += 1;
            }
        }
        closed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Held>> {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut certificates = self.open.lock();
        if let Some(held) = certificates.get_mut(&self.thumbprint) {
            held.connections.remove(&self.number);
            if held.connections.is_empty() {
                certificates.remove(&self.thumbprint);
            }
        }
        metrics::gauge!("passerelle_connections").decrement(1.0);
    }
}
