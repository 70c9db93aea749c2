//! Who a certificate is for. A certificate names one institution, or nobody: there is no guess.

use std::sync::Arc;

use exchange::{Instant, InstitutionId, UnitId};
use ring::digest;
use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// The institution at the other end of a connection, as its certificate says. What it is worth at a given instant
/// is [`Door::standing`](super::Door::standing).
#[derive(Debug, Clone)]
pub struct Peer {
    /// The institution.
    pub institution: InstitutionId,
    /// The unit the certificate is narrowed to.
    pub unit: Option<UnitId>,
    /// Name of the trust file whose authority vouches for it.
    pub authority: String,
    /// SHA-256 of the certificate: what professional tokens are bound to (RFC 8705).
    pub thumbprint: [u8; 32],
    /// Serial number, as its authority's revocation lists write it.
    pub serial: Vec<u8>,
    /// Last instant of the certificate.
    pub not_after: Instant,
    /// SIREN of the subject, when it has one; the directory must agree.
    pub siren: Option<String>,
    pub(super) chain: Arc<[CertificateDer<'static>]>,
}

/// Why a trusted certificate names no institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// No URI, or more than one, among the subject's alternative names.
    #[error("the certificate must have exactly one URI among its names")]
    NotOneUri,
    /// The URI is not `urn:passerelle:institution:<id>[:unit:<unit>]`.
    #[error("the URI of the certificate does not name an institution")]
    NotAnInstitution,
    /// No DNS name: the authority's name constraint would bind nothing.
    #[error("the certificate has no DNS name")]
    NoDnsName,
    /// Cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
}

impl Peer {
    pub(super) fn read(chain: &Arc<[CertificateDer<'static>]>, authority: &str) -> Result<Self, PeerFault> {
        let der = chain.first().ok_or(PeerFault::Unreadable)?;
        let (_, leaf) = X509Certificate::from_der(der).map_err(|_| PeerFault::Unreadable)?;
        let names = leaf.subject_alternative_name().map_err(|_| PeerFault::Unreadable)?.ok_or(PeerFault::NotOneUri)?;
        let mut uris = names.value.general_names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
        let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(PeerFault::NotOneUri) };
        let (institution, unit) = institution(uri).ok_or(PeerFault::NotAnInstitution)?;
        if !names.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(_))) {
            return Err(PeerFault::NoDnsName);
        }
        Ok(Self {
            institution,
            unit,
            authority: authority.to_owned(),
            thumbprint: thumbprint(der),
            serial: leaf.raw_serial().to_vec(),
            not_after: instant(leaf.validity().not_after),
            siren: siren(&leaf),
            chain: chain.clone(),
        })
    }
}

/// SHA-256 of a certificate.
pub(super) fn thumbprint(der: &[u8]) -> [u8; 32] {
    let mut thumbprint = [0; 32];
    thumbprint.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    thumbprint
}

pub(super) fn instant(at: x509_parser::time::ASN1Time) -> Instant {
    Instant::from_unix_ms(at.timestamp().saturating_mul(1000))
}

fn institution(uri: &str) -> Option<(InstitutionId, Option<UnitId>)> {
    let rest = uri.strip_prefix("urn:passerelle:institution:")?;
    match rest.split_once(':') {
        None => Some((rest.parse().ok()?, None)),
        Some((institution, rest)) => Some((institution.parse().ok()?, Some(rest.strip_prefix("unit:")?.parse().ok()?))),
    }
}

/// `NTRFR-<SIREN>` of `organizationIdentifier` (ETSI EN 319 412-1), or a bare SIREN as `serialNumber`.
fn siren(leaf: &X509Certificate<'_>) -> Option<String> {
    leaf.subject().iter_attributes().find_map(|attribute| {
        let text = attribute.as_str().ok()?;
        let digits = match attribute.attr_type().to_id_string().as_str() {
            ORGANIZATION_IDENTIFIER => text.strip_prefix("NTRFR-").or_else(|| text.strip_prefix("SI:FR-"))?,
            SERIAL_NUMBER => text,
            _ => return None,
        };
        (digits.len() == 9 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.to_owned())
    })
}

const ORGANIZATION_IDENTIFIER: &str = "2.5.4.97";
const SERIAL_NUMBER: &str = "2.5.4.5";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_one_institution_and_at_most_one_unit() {
        let read = |uri| institution(uri).map(|(i, u)| (i.to_string(), u.map(|u| u.to_string())));
        assert_eq!(read("urn:passerelle:institution:dsden-31"), Some(("dsden-31".into(), None)));
        assert_eq!(read("urn:passerelle:institution:departement-31:unit:crip"), Some(("departement-31".into(), Some("crip".into()))));
        for wrong in [
            "urn:passerelle:institution:",
            "urn:passerelle:institution:Dsden-31",
            "urn:passerelle:institution:dsden-31:",
            "urn:passerelle:institution:dsden-31:unit:",
            "urn:passerelle:institution:dsden-31:unit:a:b",
            "urn:passerelle:institution:dsden-31:crip",
            "urn:passerelle:gateway:dsden-31",
            "https://dsden-31.example",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
