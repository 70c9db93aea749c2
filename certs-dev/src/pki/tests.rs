use std::os::unix::fs::PermissionsExt;

use ::time::macros::datetime;
use rcgen::{CertificateParams, KeyPair};
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer, revocation_list::CertificateRevocationList};

use super::*;

const NOW: OffsetDateTime = datetime!(2026-03-02 10:00 UTC);

fn pki() -> (tempfile::TempDir, Pki) {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::create(folder.path(), NOW).unwrap();
    (folder, pki)
}

fn ders(pem: &str) -> Vec<Vec<u8>> {
    Pem::iter_from_buffer(pem.as_bytes()).map(|pem| pem.unwrap().contents).collect()
}

#[test]
fn a_member_is_named_by_its_institution_and_signed_by_its_authority() {
    let (_folder, pki) = pki();
    let issued = pki.issue(&Leaf::member("ac-education", "dsden-31", NOW).unit("ssfe").siren("130005481")).unwrap();
    let chain = ders(&issued.chain_pem);
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    let (_, issuing) = X509Certificate::from_der(&chain[1]).unwrap();
    leaf.verify_signature(Some(issuing.public_key())).unwrap();
    let names: Vec<String> =
        leaf.subject_alternative_name().unwrap().unwrap().value.general_names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["URI(urn:passerelle:institution:dsden-31:unit:ssfe)", "DNSName(dsden-31.education.passerelle.test)"]);
    assert!(leaf.subject().to_string().contains("NTRFR-130005481"));
    assert!(issuing.name_constraints().unwrap().is_some());
}

#[test]
fn the_folder_can_be_taken_up_again_and_its_keys_are_closed() {
    let (folder, mut first) = pki();
    let issued = first.issue(&Leaf::member("ac-sante", "chu-toulouse", NOW)).unwrap();
    first.revoke(&issued).unwrap();
    drop(first);
    let mut again = Pki::open(folder.path()).unwrap();
    again.write_crls(NOW).unwrap();
    let lists = ders(&fs::read_to_string(again.trust().join("ac-sante.crl")).unwrap());
    let revoked: Vec<usize> =
        lists.iter().map(|der| CertificateRevocationList::from_der(der).unwrap().1.iter_revoked_certificates().count()).collect();
    assert_eq!(revoked, [0, 1]);
    for file in ["root.key", "issuing.key"] {
        let mode = fs::metadata(folder.path().join("authorities/ac-sante").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_request_gives_its_key_and_nothing_else() {
    let (_folder, pki) = pki();
    let key = KeyPair::generate().unwrap();
    let wanted = CertificateParams::new(vec!["parquet-toulouse.justice.passerelle.test".to_owned()]).unwrap();
    let csr = wanted.serialize_request(&key).unwrap().pem().unwrap();
    let signed = pki.sign_csr("ac-social", "caf-31", &csr, NOW).unwrap();
    let chain = ders(&signed.chain_pem);
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    assert_eq!(leaf.subject().to_string(), "CN=caf-31");
    assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), key.public_key_raw());
    let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert!(names.iter().all(|name| !name.to_string().contains("justice")));
}

#[test]
fn strangers_are_not_revoked_and_unknown_authorities_are_said() {
    let (_folder, mut pki) = pki();
    let gateway = pki.issue_gateway(&["localhost"], NOW).unwrap();
    assert!(matches!(pki.revoke(&gateway), Err(PkiError::NotACertificate)));
    assert!(matches!(pki.issue(&Leaf::member("ac-lune", "x-1", NOW)), Err(PkiError::UnknownAuthority(_))));
    assert_eq!(format!("{gateway:?}"), "Issued(..)");
}
