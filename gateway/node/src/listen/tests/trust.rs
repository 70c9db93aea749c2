//! Who is let in, and as whom.

use rustls::{
    HandshakeKind, NamedGroup, RootCertStore,
    client::Resumption,
    version::{TLS12, TLS13},
};
use time::Duration as Span;

use super::*;

#[tokio::test]
async fn a_member_is_known_by_its_certificate() {
    let stage = Stage::new().await;
    assert_eq!(stage.ask(&stage.member("ac-education", "dsden-31"), "/who").await.unwrap(), "200 dsden-31/-/ac-education");
    let narrowed = stage.pki.issue(&stage.leaf("ac-territoires", "departement-31").unit("crip").siren("223100017")).unwrap();
    assert_eq!(stage.ask(&narrowed, "/who").await.unwrap(), "200 departement-31/crip/ac-territoires");

    let chain: Arc<[_]> = chain(&narrowed).into();
    let peer = Peer::read(&chain, "ac-territoires").unwrap();
    assert_eq!(peer.siren.as_deref(), Some("223100017"));
    assert_eq!(peer.thumbprint.as_slice(), ring::digest::digest(&ring::digest::SHA256, &chain[0]).as_ref());
    assert_eq!(stage.door.standing(&peer, stage.clock.now()), Standing::Good);
}

#[tokio::test]
async fn a_reqwest_client_speaks_http_2() {
    let stage = Stage::new().await;
    let issued = stage.member("ac-social", "caf-31");
    let tls = client_config(&stage.roots(), chain(&issued), key(&issued)).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).resolve("localhost", stage.address).build().unwrap();
    let answer = client.get(format!("https://localhost:{}/who", stage.address.port())).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "caf-31/-/ac-social");
}

#[tokio::test]
async fn nobody_comes_in_without_a_certificate_or_with_one_of_a_stranger() {
    let stage = Stage::new().await;
    let mut store = RootCertStore::empty();
    store.add(stage.roots().remove(0)).unwrap();
    let nobody = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    let error = async { stage.connect_with(nobody).await?.ask("/who").await }.await.unwrap_err();
    assert_eq!(alert(&error), AlertDescription::CertificateRequired);

    // A stranger who calls itself like an authority that we know.
    let rogue = stage.pki.rogue(&stage.leaf("ac-education", "dsden-31"), stage.now()).unwrap();
    assert_eq!(stage.refusal(&rogue).await, AlertDescription::UnknownCA);
    // The gateway's own authority vouches for no member.
    let gateway = stage.pki.issue_gateway(&["localhost"], stage.now()).unwrap();
    assert_eq!(stage.refusal(&gateway).await, AlertDescription::UnknownCA);
}

#[tokio::test]
async fn dates_are_those_of_the_injected_clock() {
    let stage = Stage::new().await;
    let (day, now) = (Span::days(1), stage.now());
    let expired = stage.pki.issue(&stage.leaf("ac-sante", "chu-toulouse").valid(now - day * 2, now - day)).unwrap();
    let early = stage.pki.issue(&stage.leaf("ac-sante", "chu-toulouse").valid(now + day, now + day * 20)).unwrap();
    assert_eq!(stage.refusal(&expired).await, AlertDescription::CertificateExpired);
    assert_eq!(stage.refusal(&early).await, AlertDescription::CertificateExpired);
    stage.clock.advance(Duration::from_secs(2 * 86_400));
    assert_eq!(stage.ask(&early, "/standing").await.unwrap(), "200 Good");
}

#[tokio::test]
async fn a_certificate_that_expires_on_an_open_connection_is_seen() {
    let stage = Stage::new().await;
    let now = stage.now();
    let short = stage.pki.issue(&stage.leaf("ac-sante", "chu-toulouse").valid(now - Span::hours(1), now + Span::hours(1))).unwrap();
    let mut talk = stage.connect(&short).await.unwrap();
    assert_eq!(talk.ask("/standing").await.unwrap(), "200 Good");
    stage.clock.advance(Duration::from_secs(3601));
    assert_eq!(talk.ask("/standing").await.unwrap(), "200 Expired");
}

#[tokio::test]
async fn an_authority_vouches_only_for_names_under_its_suffix_and_for_clients() {
    let stage = Stage::new().await;
    let issue = |leaf: Leaf| stage.pki.issue(&leaf).unwrap();
    let foreign = issue(stage.leaf("ac-social", "caf-31").dns(vec!["parquet-toulouse.justice.passerelle.test".into()]));
    let both = issue(stage.leaf("ac-social", "caf-31").dns(vec!["caf-31.social.passerelle.test".into(), "justice.passerelle.test".into()]));
    for wrong in [foreign, both] {
        assert_eq!(stage.refusal(&wrong).await, AlertDescription::BadCertificate);
    }
    for wrong in [issue(stage.leaf("ac-social", "caf-31").server_only()), issue(stage.leaf("ac-social", "caf-31").without_usage())] {
        assert_eq!(stage.refusal(&wrong).await, AlertDescription::UnsupportedCertificate);
    }
}

#[tokio::test]
async fn a_certificate_names_exactly_one_institution_or_nobody() {
    let stage = Stage::new().await;
    let urn = |id: &str| format!("urn:passerelle:institution:{id}");
    let leaf = || stage.leaf("ac-justice", "parquet-toulouse");
    let cases = [
        (leaf().san_uris(vec![urn("parquet-toulouse"), urn("caf-31")]), PeerFault::NotOneUri),
        (leaf().san_uris(vec![urn("parquet-toulouse"), "https://parquet.example".into()]), PeerFault::NotOneUri),
        (leaf().san_uris(vec![]), PeerFault::NotOneUri),
        (leaf().san_uris(vec!["https://parquet.example".into()]), PeerFault::NotAnInstitution),
        (leaf().dns(vec![]), PeerFault::NoDnsName),
    ];
    for (leaf, fault) in cases {
        assert_eq!(stage.ask(&stage.pki.issue(&leaf).unwrap(), "/who").await.unwrap(), format!("403 {fault}"));
    }
}

#[tokio::test]
async fn a_revoked_certificate_and_one_of_a_revoked_authority_are_refused() {
    let stage = Stage::with(Limits::default(), Pace::USUAL, |pki| {
        let now = SystemClock.now().datetime().into();
        pki.revoke_issuing("ac-justice", now).unwrap();
        pki.write_crls(now).unwrap();
    })
    .await;
    assert_eq!(stage.refusal(&stage.member("ac-justice", "parquet-toulouse")).await, AlertDescription::CertificateRevoked);
    assert!(stage.ask(&stage.member("ac-social", "caf-31"), "/who").await.is_ok());
}

#[tokio::test]
async fn an_authority_without_a_revocation_list_lets_nobody_in_until_it_has_one() {
    let stage = Stage::with(Limits::default(), Pace::USUAL, |pki| {
        std::fs::rename(pki.trust().join("ac-sante.crl"), pki.trust().join("aside")).unwrap();
        std::fs::write(pki.trust().join("ac-justice.crl"), "not a list").unwrap();
        // The list of the issuing authority is there, that of the root is not.
        let both = std::fs::read_to_string(pki.trust().join("ac-social.crl")).unwrap();
        let second = both.match_indices("-----BEGIN").nth(1).unwrap().0;
        std::fs::write(pki.trust().join("ac-social.crl"), &both[second..]).unwrap();
    })
    .await;
    for (authority, institution) in [("ac-sante", "chu-toulouse"), ("ac-justice", "parquet-toulouse"), ("ac-social", "caf-31")] {
        assert_eq!(stage.refusal(&stage.member(authority, institution)).await, AlertDescription::UnknownCA, "{authority}");
    }
    assert!(stage.ask(&stage.member("ac-education", "dsden-31"), "/who").await.is_ok());
    std::fs::rename(stage.pki.trust().join("aside"), stage.pki.trust().join("ac-sante.crl")).unwrap();
    stage.door.reload();
    assert!(stage.ask(&stage.member("ac-sante", "chu-toulouse"), "/who").await.is_ok());
}

#[tokio::test]
async fn i03_a_stale_list_is_said_and_does_not_close_the_handshake() {
    let stage = Stage::new().await;
    let issued = stage.member("ac-education", "dsden-31");
    let mut open = stage.connect(&issued).await.unwrap();
    assert_eq!(open.ask("/standing").await.unwrap(), "200 Good");
    stage.clock.advance(Duration::from_secs(31 * 86_400));
    let since = stage.now() - Span::days(1);
    let stale = open.ask("/standing").await.unwrap();
    assert!(stale.starts_with("200 StaleCrl"), "{stale}");
    assert_eq!(stage.ask(&issued, "/standing").await.unwrap(), stale);
    let peer = Peer::read(&chain(&issued).into(), "ac-education").unwrap();
    let expected = Instant::from_unix_ms(since.unix_timestamp() * 1000);
    assert_eq!(stage.door.standing(&peer, stage.clock.now()), Standing::StaleCrl { since: expected });
}

#[tokio::test]
async fn a_stale_list_still_refuses_what_it_revoked() {
    let mut issued = None;
    let stage = Stage::with(Limits::default(), Pace::USUAL, |pki| {
        let now: OffsetDateTime = SystemClock.now().datetime().into();
        let revoked = pki.issue(&Leaf::member("ac-education", "dsden-31", now)).unwrap();
        pki.revoke(&revoked).unwrap();
        pki.write_crls_valid(now - Span::days(9), now - Span::days(2)).unwrap();
        issued = Some(revoked);
    })
    .await;
    assert_eq!(stage.refusal(&issued.unwrap()).await, AlertDescription::CertificateRevoked);
    assert!(stage.ask(&stage.member("ac-education", "college-0319901u"), "/standing").await.unwrap().starts_with("200 StaleCrl"));
}

#[tokio::test]
async fn only_tls_1_3_and_every_handshake_is_whole_and_hybrid() {
    let stage = Stage::new().await;
    let issued = stage.member("ac-territoires", "mairie-blagnac");
    let mut store = RootCertStore::empty();
    store.add(stage.roots().remove(0)).unwrap();
    let client = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(store.clone())
            .with_client_auth_cert(chain(&issued), key(&issued))
            .unwrap()
    };
    let old = stage.connect_with(client(&[&TLS12])).await.err().unwrap();
    assert_eq!(alert(&old), AlertDescription::ProtocolVersion);

    // A client that would resume if it were offered anything.
    let mut willing = client(&[&TLS13]);
    willing.resumption = Resumption::in_memory_sessions(8);
    for _ in 0..2 {
        let mut talk = stage.connect_with(willing.clone()).await.unwrap();
        talk.ask("/who").await.unwrap();
        let tls = talk.0.get_ref().1;
        assert_eq!(tls.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(tls.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    }
}
