//! What is asked of an authority, and what it gives. Wrong certificates can be asked for: tests need them.

use std::{fmt, net::IpAddr};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber};
use time::{Duration, OffsetDateTime};

use crate::PkiError;

/// A certificate to issue. Starts right; each method makes one thing different.
#[derive(Debug, Clone)]
pub struct Leaf {
    pub(crate) authority: String,
    institution: String,
    unit: Option<String>,
    from: OffsetDateTime,
    to: OffsetDateTime,
    san_uris: Option<Vec<String>>,
    dns: Option<Vec<String>>,
    addresses: Vec<IpAddr>,
    siren: Option<String>,
    usages: Vec<ExtendedKeyUsagePurpose>,
}

impl Leaf {
    /// The certificate of a member, for one year: client of the gateway, and server of its own push endpoint.
    pub fn member(authority: &str, institution: &str, now: OffsetDateTime) -> Self {
        Self {
            authority: authority.to_owned(),
            institution: institution.to_owned(),
            unit: None,
            from: now.saturating_sub(Duration::hours(1)),
            to: now.saturating_add(Duration::days(365)),
            san_uris: None,
            dns: None,
            addresses: Vec::new(),
            siren: None,
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
        }
    }

    /// Narrows it to one unit.
    pub fn unit(self, unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..self }
    }

    /// Another validity.
    pub fn valid(self, from: OffsetDateTime, to: OffsetDateTime) -> Self {
        Self { from, to, ..self }
    }

    /// These URIs instead of the institution's.
    pub fn san_uris(self, uris: Vec<String>) -> Self {
        Self { san_uris: Some(uris), ..self }
    }

    /// These DNS names instead of the institution's.
    pub fn dns(self, names: Vec<String>) -> Self {
        Self { dns: Some(names), ..self }
    }

    /// Also this address, so that a push endpoint can be reached where no name resolves.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// With a SIREN in the subject (`organizationIdentifier`, as `NTRFR-<SIREN>`).
    pub fn siren(self, siren: &str) -> Self {
        Self { siren: Some(siren.to_owned()), ..self }
    }

    /// A server certificate only: no client may present it.
    pub fn server_only(self) -> Self {
        Self { usages: vec![ExtendedKeyUsagePurpose::ServerAuth], ..self }
    }

    /// For no stated use.
    pub fn without_usage(self) -> Self {
        Self { usages: Vec::new(), ..self }
    }

    pub(crate) fn params(&self, suffix: &str, serial: SerialNumber) -> Result<CertificateParams, PkiError> {
        let uri = match &self.unit {
            Some(unit) => format!("urn:passerelle:institution:{}:unit:{unit}", self.institution),
            None => format!("urn:passerelle:institution:{}", self.institution),
        };
        let uris = self.san_uris.clone().unwrap_or_else(|| vec![uri]);
        let names = self.dns.clone().unwrap_or_else(|| vec![format!("{}.{suffix}", self.institution)]);
        let mut params = CertificateParams::default();
        for uri in uris {
            params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        }
        for name in names {
            params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
        }
        params.subject_alt_names.extend(self.addresses.iter().copied().map(SanType::IpAddress));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.institution.as_str());
        if let Some(siren) = &self.siren {
            params.distinguished_name.push(DnType::CustomDnType(ORGANIZATION_IDENTIFIER.to_vec()), format!("NTRFR-{siren}"));
        }
        params.not_before = self.from;
        params.not_after = self.to;
        params.serial_number = Some(serial);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = self.usages.clone();
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

/// A certificate with its key. `Debug` does not show the key.
#[derive(Clone)]
pub struct Issued {
    /// Leaf and issuing authority, PEM.
    pub chain_pem: String,
    /// Private key, PKCS#8 PEM.
    pub key_pem: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(..)")
    }
}

/// A certificate whose key stays with whoever asked for it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Leaf and issuing authority, PEM.
    pub chain_pem: String,
}

/// X.520 `organizationIdentifier`.
const ORGANIZATION_IDENTIFIER: [u64; 4] = [2, 5, 4, 97];
