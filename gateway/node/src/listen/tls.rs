//! TLS as this gateway speaks it, on both sides: 1.3 only, hybrid key exchange first, no resumption. The provider is
//! always named: nothing here depends on what another library made the default of the process.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, ResolvesServerCert, danger::ClientCertVerifier},
    time_provider::TimeProvider,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::clock::Clock;

/// Why certificates, keys or authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read.
    #[error("cannot read `{}`", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// A file is not PEM, or does not hold what it should.
    #[error("`{}`: {what}", file.display())]
    Wrong {
        /// Which.
        file: PathBuf,
        /// Why.
        what: &'static str,
    },
    /// A certificate and a key that cannot be used together.
    #[error("`{}` and its key cannot be used", .0.display())]
    Pair(PathBuf, #[source] rustls::Error),
    /// Nobody to trust.
    #[error("no authority (`<name>.pem`) in `{}`", .0.display())]
    NoAuthority(PathBuf),
    /// Certificates, keys or roots that rustls refuses.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// The TLS side of a client that presents `chain` and trusts `roots` alone.
///
/// # Errors
/// [`TlsFault::Setup`] when a root, the chain or the key cannot be used.
pub fn client_config(
    roots: &[CertificateDer<'_>],
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, TlsFault> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone().into_owned())?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(store)
        .with_client_auth_cert(chain, key)?;
    Ok(as_client(config))
}

/// The TLS side of a client that trusts `roots` alone and presents nothing.
///
/// # Errors
/// [`TlsFault::Setup`] when a root cannot be used.
pub fn nameless_client_config(roots: &[CertificateDer<'_>]) -> Result<ClientConfig, TlsFault> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone().into_owned())?;
    }
    let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
    Ok(as_client(config.with_root_certificates(store).with_no_client_auth()))
}

/// What both of our clients have in common: HTTP/2 or 1.1, and a full handshake each time.
pub(super) fn as_client(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = alpn();
    config.resumption = Resumption::disabled();
    config
}

/// The TLS side of the door.
pub(super) fn server_config(
    verifier: Arc<dyn ClientCertVerifier>,
    certificate: Arc<dyn ResolvesServerCert>,
    clock: &Arc<dyn Clock>,
) -> Result<ServerConfig, TlsFault> {
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(Hands(clock.clone())))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.alpn_protocols = alpn();
    // A resumed session repeats no check of the certificate, so there is none.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// aws-lc with the hybrid key exchange first and nothing older than TLS 1.3.
pub(super) fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::{cipher_suite, kx_group};
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..aws_lc_rs::default_provider()
    })
}

/// The injected clock, as rustls and webpki read it.
pub(super) struct Hands(pub(super) Arc<dyn Clock>);

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hands(..)")
    }
}

impl TimeProvider for Hands {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().unix_seconds()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}
