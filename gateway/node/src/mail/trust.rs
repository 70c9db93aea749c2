//! Whom the gateway believes to be its operator: servers for which an authority of the trust folder vouches. No other list of
//! authorities counts, and nobody can say otherwise.

use std::{fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use lettre::transport::smtp::{
    authentication::Credentials,
    client::{Certificate, CertificateStore, Identity, TlsParameters},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{MailFault, fetch::Way, partner::is_address, post::Postbox};
use crate::config;

/// The ways to both services of the operator.
pub(super) fn ways(config: &config::Mail) -> Result<(Postbox, Way), MailFault> {
    if !is_address(&config.address) {
        return Err(MailFault::Address);
    }
    let address = config.address.parse().map_err(|_| MailFault::Address)?;
    let password = secret(&config.password_file)?;
    let password = String::from_utf8(password).map_err(|_| fault(&config.password_file, "it is not UTF-8"))?.trim_end().to_owned();
    let authorities = authorities(&config.trust)?;
    let own = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, certificate, secret(key)?, key)),
        _ => None,
    };

    // 1. As SMTP's library wants it: an empty store, then ours.
    let mut tls = TlsParameters::builder(config.smtp.host.clone()).certificate_store(CertificateStore::None);
    for authority in &authorities {
        let authority = Certificate::from_der(authority.to_vec()).map_err(|_| fault(&config.trust, "a certificate cannot be read"))?;
        tls = tls.add_root_certificate(authority);
    }
    if let Some((certificate, file, key, _)) = &own {
        tls = tls.identify_with(Identity::from_pem(certificate, key).map_err(|_| fault(file, "no certificate with its key"))?);
    }
    let tls = tls.build_rustls().map_err(|_| fault(&config.trust, "no TLS can be made of it"))?;
    let credentials = Credentials::new(config.user.clone(), password.clone());
    let postbox = Postbox::new(&config.smtp, address, tls, credentials);

    // 2. The same for IMAP.
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|_| fault(&config.trust, "a certificate cannot be an authority"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|_| fault(&config.trust, "no TLS can be made of it"))?.with_root_certificates(roots);
    let mut tls = match own {
        Some((certificate, file, key, key_file)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate).collect();
            let chain = chain.map_err(|_| fault(file, "no certificates in PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| fault(key_file, "no private key in PEM"))?;
            tls.with_client_auth_cert(chain, key).map_err(|_| fault(file, "the key is not this certificate's"))?
        }
        None => tls.with_no_client_auth(),
    };
    tls.resumption = rustls::client::Resumption::disabled();
    Ok((postbox, Way::new(config, tls, password)))
}

fn authorities(folder: &Path) -> Result<Vec<CertificateDer<'static>>, MailFault> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| fault(folder, &e.to_string()))? {
        let file = entry.map_err(|e| fault(folder, &e.to_string()))?.path();
        if file.extension().is_some_and(|ext| ext == "pem") {
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&file)?).collect();
            all.extend(read.map_err(|_| fault(&file, "no certificates in PEM"))?);
        }
    }
    if all.is_empty() { Err(fault(folder, "no authority is there (`*.pem`)")) } else { Ok(all) }
}

fn read(file: &Path) -> Result<Vec<u8>, MailFault> {
    fs::read(file).map_err(|e| fault(file, &e.to_string()))
}

/// What only the gateway may read.
fn secret(file: &Path) -> Result<Vec<u8>, MailFault> {
    let mode = file.metadata().map_err(|e| fault(file, &e.to_string()))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(fault(file, &format!("mode `{mode:04o}` lets others use it; run `chmod 600`")));
    }
    read(file)
}

fn fault(file: &Path, what: &str) -> MailFault {
    MailFault::File(file.to_owned(), what.to_owned())
}
