//! What rustls asks during a handshake, answered by [`Trust`]. For members that come in (the door) and for members
//! that we call (pushes).
//!
//! A stale revocation list does not close the handshake: deposits of danger types must stay possible for 72 hours
//! (invariant 3), so staleness is judged at each request. A *missing* list does. On the way out there is no such
//! exception: a push carries a notice and can wait.

use std::sync::Arc;

use arc_swap::ArcSwap;
use exchange::Instant;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::verify_tls13_signature,
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::EndEntityCert;

use super::{
    Front,
    tls::provider,
    trust::{Distrust, Trust, Use, distrust},
};

/// Checks the certificate of a client against one reading of the trust folder.
#[derive(Debug)]
pub(super) struct Incoming {
    trust: Arc<Trust>,
    hints: Vec<DistinguishedName>,
}

impl Incoming {
    pub(super) fn new(trust: Arc<Trust>) -> Arc<Self> {
        let hints = trust.hints();
        Arc::new(Self { trust, hints })
    }
}

impl ClientCertVerifier for Incoming {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(sent).cloned().collect();
        self.trust.judge_client(&chain, instant(now)).map_err(refused)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Checks the certificate of a push endpoint against the trust in force at that moment.
#[derive(Debug)]
pub(super) struct Outgoing(pub(super) Arc<ArcSwap<Front>>);

impl ServerCertVerifier for Outgoing {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(sent).cloned().collect();
        let now = instant(now);
        let verdict = self.0.load().trust.judge(&chain, now, Use::Server).map_err(refused)?;
        if now >= verdict.next_update {
            return Err(Error::InvalidCertificate(CertificateError::ExpiredRevocationList));
        }
        EndEntityCert::try_from(leaf)
            .and_then(|end| end.verify_is_valid_for_subject_name(name))
            .map_err(|error| refused(distrust(error)))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn instant(at: UnixTime) -> Instant {
    Instant::from_unix_ms(i64::try_from(at.as_secs()).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// The alert that tells the other side why.
fn refused(why: Distrust) -> Error {
    Error::InvalidCertificate(match why {
        Distrust::UnknownAuthority => CertificateError::UnknownIssuer,
        Distrust::NoList => CertificateError::UnknownRevocationStatus,
        Distrust::Revoked => CertificateError::Revoked,
        Distrust::Expired => CertificateError::Expired,
        Distrust::NotYetValid => CertificateError::NotValidYet,
        Distrust::Name => CertificateError::NotValidForName,
        Distrust::Purpose => CertificateError::InvalidPurpose,
        Distrust::Malformed => CertificateError::BadEncoding,
    })
}
