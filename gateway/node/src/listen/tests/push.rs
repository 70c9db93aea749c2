//! The way out: which servers a push calls, and as whom.

use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A member's endpoint that takes one connection, asks for a certificate under the gateway's root, and gives it.
async fn endpoint(stage: &Stage, issued: &Issued) -> (SocketAddr, JoinHandle<Option<CertificateDer<'static>>>) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(stage.roots().remove(0)).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().unwrap();
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(issued), key(issued))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let took = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.ok()?;
        Some(tls.get_ref().1.peer_certificates()?[0].clone())
    });
    (address, took)
}

async fn call(stage: &Stage, issued: &Issued, name: &'static str) -> (io::Result<()>, Option<CertificateDer<'static>>) {
    let (address, took) = endpoint(stage, issued).await;
    let config = stage.door.push_client(&stage.tls).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let called = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), tcp).await.map(drop);
    (called, took.await.unwrap())
}

#[tokio::test]
async fn a_push_presents_the_gateways_certificate_to_the_member_it_means() {
    let stage = Stage::new().await;
    let member = stage.member("ac-social", "caf-31");
    let (called, took) = call(&stage, &member, "caf-31.social.passerelle.test").await;
    called.unwrap();
    let own = CertificateDer::from_pem_file(&stage.tls.certificate).unwrap();
    assert_eq!(took, Some(own));

    assert!(call(&stage, &member, "chu-toulouse.sante.passerelle.test").await.0.is_err(), "another name");
    let rogue = stage.pki.rogue(&stage.leaf("ac-social", "caf-31"), stage.now()).unwrap();
    assert!(call(&stage, &rogue, "caf-31.social.passerelle.test").await.0.is_err(), "a stranger");
}

#[tokio::test]
async fn a_push_follows_revocation_lists_and_calls_nobody_when_they_are_stale() {
    let mut stage = Stage::new().await;
    let (member, other) = (stage.member("ac-social", "caf-31"), stage.member("ac-sante", "chu-toulouse"));
    stage.pki.revoke(&member).unwrap();
    stage.pki.write_crls(stage.now()).unwrap();
    stage.door.reload();
    assert!(call(&stage, &member, "caf-31.social.passerelle.test").await.0.is_err());
    assert!(call(&stage, &other, "chu-toulouse.sante.passerelle.test").await.0.is_ok());
    stage.clock.advance(Duration::from_secs(31 * 86_400));
    assert!(call(&stage, &other, "chu-toulouse.sante.passerelle.test").await.0.is_err());
}

#[tokio::test]
async fn a_push_certificate_of_its_own_is_presented() {
    let mut stage = Stage::new().await;
    let own = stage.pki.issue_gateway(&["push.passerelle.test"], stage.now()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, file) = (folder.path().join("push.pem"), folder.path().join("push.key"));
    std::fs::write(&certificate, &own.chain_pem).unwrap();
    std::fs::write(&file, &own.key_pem).unwrap();
    stage.tls = Tls { push_certificate: Some(certificate), push_key: Some(file), ..stage.tls.clone() };
    let (called, took) = call(&stage, &stage.member("ac-social", "caf-31"), "caf-31.social.passerelle.test").await;
    called.unwrap();
    assert_eq!(took, Some(chain(&own)[0].clone()));
}
