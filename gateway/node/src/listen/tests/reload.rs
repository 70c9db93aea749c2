//! What changes while members are connected.

use super::*;

#[tokio::test]
async fn a_revocation_closes_the_connections_of_that_certificate_and_only_those() {
    let mut stage = Stage::new().await;
    let (revoked, same_institution, other) =
        (stage.member("ac-education", "dsden-31"), stage.member("ac-education", "dsden-31"), stage.member("ac-social", "caf-31"));
    let mut closed = [stage.connect(&revoked).await.unwrap(), stage.connect(&revoked).await.unwrap()];
    let mut kept = [stage.connect(&same_institution).await.unwrap(), stage.connect(&other).await.unwrap()];
    for talk in closed.iter_mut().chain(&mut kept) {
        talk.ask("/who").await.unwrap();
    }
    stage.pki.revoke(&revoked).unwrap();
    stage.pki.write_crls(stage.now()).unwrap();
    stage.door.reload();
    for talk in &mut closed {
        talk.ended().await;
    }
    for talk in &mut kept {
        assert_eq!(talk.ask("/standing").await.unwrap(), "200 Good");
    }
    assert_eq!(stage.refusal(&revoked).await, AlertDescription::CertificateRevoked);
    let peer = Peer::read(&chain(&revoked).into(), "ac-education").unwrap();
    assert_eq!(stage.door.standing(&peer, stage.clock.now()), Standing::Revoked);
}

#[tokio::test]
async fn a_revoked_issuing_authority_closes_all_it_issued() {
    let mut stage = Stage::new().await;
    let mut closed = stage.connect(&stage.member("ac-justice", "parquet-toulouse")).await.unwrap();
    let mut kept = stage.connect(&stage.member("ac-social", "caf-31")).await.unwrap();
    closed.ask("/who").await.unwrap();
    stage.pki.revoke_issuing("ac-justice", stage.now()).unwrap();
    stage.pki.write_crls(stage.now()).unwrap();
    stage.door.reload();
    closed.ended().await;
    assert!(kept.ask("/who").await.is_ok());
}

#[tokio::test]
async fn an_authority_that_is_no_longer_trusted_stands_for_nobody() {
    let stage = Stage::new().await;
    let issued = stage.member("ac-sante", "chu-toulouse");
    let mut open = stage.connect(&issued).await.unwrap();
    open.ask("/who").await.unwrap();
    std::fs::remove_file(stage.pki.trust().join("ac-sante.pem")).unwrap();
    stage.door.reload();
    assert_eq!(open.ask("/standing").await.unwrap(), "200 UnknownAuthority");
    assert_eq!(stage.refusal(&issued).await, AlertDescription::UnknownCA);
}

#[tokio::test]
async fn a_new_server_certificate_is_presented_and_nobody_is_cut_off() {
    let stage = Stage::new().await;
    let issued = stage.member("ac-education", "dsden-31");
    let presented = |talk: &Talk| talk.0.get_ref().1.peer_certificates().unwrap()[0].clone();
    let mut before = stage.connect(&issued).await.unwrap();
    before.ask("/who").await.unwrap();
    let renewed = stage.pki.issue_gateway(&["localhost"], stage.now()).unwrap();
    put(&stage.tls, &renewed);
    stage.door.reload();
    let after = stage.connect(&issued).await.unwrap();
    assert_ne!(presented(&before), presented(&after));
    assert_eq!(presented(&after), chain(&renewed)[0]);
    assert!(before.ask("/who").await.is_ok());

    // A key of another certificate, then no certificate at all: what was in force stays.
    let other = stage.pki.issue_gateway(&["localhost"], stage.now()).unwrap();
    std::fs::write(&stage.tls.key, &other.key_pem).unwrap();
    stage.door.reload();
    assert_eq!(presented(&stage.connect(&issued).await.unwrap()), chain(&renewed)[0]);
    std::fs::write(&stage.tls.certificate, "").unwrap();
    stage.door.reload();
    assert_eq!(presented(&stage.connect(&issued).await.unwrap()), chain(&renewed)[0]);
    put(&stage.tls, &other);
    stage.door.reload();
    assert_eq!(presented(&stage.connect(&issued).await.unwrap()), chain(&other)[0]);
}

#[tokio::test]
async fn a_trust_file_with_a_mistake_changes_nothing_and_an_older_list_is_one() {
    let mut stage = Stage::new().await;
    let file = stage.pki.trust().join("ac-education.crl");
    let first = std::fs::read(&file).unwrap();
    let (revoked, good) = (stage.member("ac-education", "dsden-31"), stage.member("ac-education", "college-0319901u"));
    stage.pki.revoke(&revoked).unwrap();
    stage.pki.write_crls(stage.now() + time::Duration::minutes(1)).unwrap();
    stage.door.reload();
    let newest = std::fs::read(&file).unwrap();
    let strangers = std::fs::read(stage.pki.trust().join("ac-social.crl")).unwrap();
    let mut forged = newest.clone();
    let middle = forged.len() / 4;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    for wrong in [first.as_slice(), b"", b"nonsense", &newest[..newest.len() / 2 - 40], &strangers, &forged] {
        std::fs::write(&file, wrong).unwrap();
        stage.door.reload();
        assert_eq!(stage.refusal(&revoked).await, AlertDescription::CertificateRevoked);
        assert_eq!(stage.ask(&good, "/standing").await.unwrap(), "200 Good");
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::write(stage.pki.trust().join("ac-education.pem"), "nonsense").unwrap();
    stage.door.reload();
    assert_eq!(stage.refusal(&revoked).await, AlertDescription::CertificateRevoked);
    assert_eq!(stage.ask(&good, "/standing").await.unwrap(), "200 Good");
}

#[tokio::test]
async fn the_door_does_not_open_on_a_mistake_that_concerns_everybody() {
    let stage = Stage::new().await;
    let open = |tls: &Tls| Door::open(tls, &Limits::default(), Arc::new(stage.clock.clone())).map(|_| ());
    open(&stage.tls).unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    assert!(matches!(open(&Tls { trust: nowhere.path().into(), ..stage.tls.clone() }), Err(TlsFault::NoAuthority(_))));
    assert!(matches!(open(&Tls { key: nowhere.path().join("none"), ..stage.tls.clone() }), Err(TlsFault::Unreadable(..))));
    std::fs::write(nowhere.path().join("leaf.pem"), stage.member("ac-social", "caf-31").chain_pem).unwrap();
    assert!(matches!(open(&Tls { trust: nowhere.path().into(), ..stage.tls.clone() }), Err(TlsFault::Wrong { .. })));
    let other = stage.pki.issue_gateway(&["localhost"], stage.now()).unwrap();
    std::fs::write(&stage.tls.key, other.key_pem).unwrap();
    assert!(matches!(open(&stage.tls), Err(TlsFault::Pair(..))));
}
