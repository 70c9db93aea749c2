//! Every refusal from a real crafted token, and every way the cache could be too kind.

use std::collections::{BTreeMap, BTreeSet};

use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use serde_json::json;

use super::*;

const AUDIENCE: &str = "urn:passerelle:gateway:haute-garonne";
const ISSUER: &str = "urn:passerelle:institution:dsden-31";
const CERTIFICATE: [u8; 32] = [7; 32];

fn pem(der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

fn ed_key() -> String {
    pem(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref())
}

fn ec_key() -> String {
    pem(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap().as_ref())
}

fn now() -> Instant {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

fn institution(id: &str, pems: &[&str]) -> Institution {
    let keys: BTreeMap<_, _> = pems.iter().map(|pem| jwk_of_private_key(pem).unwrap()).collect();
    Institution {
        id: id.parse().unwrap(),
        name: "Direction académique".to_owned(),
        kind: "dsden".parse().unwrap(),
        codes: BTreeMap::new(),
        departement: "31".to_owned(),
        certificate_issuers: Vec::new(),
        token_issuer: Some(TokenIssuer { issuer: format!("urn:passerelle:institution:{id}"), keys }),
        units: BTreeMap::new(),
        from: None,
        to: None,
    }
}

fn expect(institution: &Institution) -> Expect<'_> {
    Expect { audience: AUDIENCE, institution, certificate_thumbprint: CERTIFICATE, now: now() }
}

fn wanted<'a>() -> Wanted<'a> {
    Wanted {
        issuer: ISSUER,
        subject: "p-5k2gh",
        audience: AUDIENCE,
        certificate_thumbprint: CERTIFICATE,
        jti: "jeton-0001",
        now: now(),
        life: 600,
    }
}

/// A token whose header and claims were changed before an honest signature with `key`.
fn crafted(key: &str, header: impl FnOnce(&mut Value), claims: impl FnOnce(&mut Value)) -> String {
    let token = issue(key, &wanted()).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (mut head, mut body) = (read(parts[0]), read(parts[1]));
    let algorithm = if head["alg"] == "ES256" { Algorithm::ES256 } else { Algorithm::EdDSA };
    header(&mut head);
    claims(&mut body);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(body.to_string()));
    let signing =
        if algorithm == Algorithm::ES256 { EncodingKey::from_ec_pem(key.as_bytes()) } else { EncodingKey::from_ed_pem(key.as_bytes()) };
    let signature = crypto::sign(message.as_bytes(), &signing.unwrap(), algorithm).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn good_tokens_pass_and_a_second_look_says_the_same() {
    for key in [ed_key(), ec_key()] {
        let dsden = institution("dsden-31", &[&key]);
        let (verifier, token) = (TokenVerifier::new(), issue(&key, &wanted()).unwrap());
        let first = verifier.verify(&token, &expect(&dsden)).unwrap();
        assert_eq!(first.professional, ProfessionalId { issuer: ISSUER.to_owned(), subject: "p-5k2gh".to_owned() });
        assert_eq!((first.jti.as_str(), first.expires.to_string().as_str()), ("jeton-0001", "2026-03-02T10:10:00.000Z"));
        assert!(verifier.seen.contains_key(&sha256(token.as_bytes())));
        assert_eq!(verifier.verify(&token, &expect(&dsden)), Ok(first));
    }
}

/// The status of a professional is the directory's: whatever a signed token says of it reaches nobody.
#[test]
fn i11_a_token_says_who_and_never_what_that_person_may_do() {
    let key = ed_key();
    let dsden = institution("dsden-31", &[&key]);
    let boast = |claims: &mut Value| {
        for (name, value) in [
            ("secrecy", json!("profession")),
            ("profession", json!("medecin")),
            ("role", json!("implements")),
            ("roles", json!(["cadre-crip", "dpo"])),
            ("habilitations", json!([{"unit": "crip"}])),
        ] {
            claims[name] = value;
        }
    };
    let plain = TokenVerifier::new().verify(&crafted(&key, |_| (), |_| ()), &expect(&dsden)).unwrap();
    let boasting = TokenVerifier::new().verify(&crafted(&key, |_| (), boast), &expect(&dsden)).unwrap();
    // The same person, and nothing else: who verifies a token has no place for more.
    let Verified { professional, jti, expires } = boasting;
    assert_eq!((professional, jti, expires), (plain.professional, plain.jti, plain.expires));
}

#[test]
fn every_refusal_has_a_token() {
    use TokenRefusal as R;
    let (ed, ec) = (ed_key(), ec_key());
    let dsden = institution("dsden-31", &[&ed, &ec]);
    let no_issuer = Institution { token_issuer: None, ..dsden.clone() };
    let keep = |_: &mut Value| {};
    let head = |name: &'static str, value: Value| crafted(&ed, |h| h[name] = value, keep);
    let claim = |name: &'static str, value: Value| crafted(&ec, keep, |c| c[name] = value);
    let t = now().unix_seconds();
    let stranger = issue(&ed_key(), &wanted()).unwrap();
    let good = issue(&ed, &wanted()).unwrap();
    let other = issue(&ed, &Wanted { subject: "p-1x6yp", ..wanted() }).unwrap();
    let swapped = format!("{}.{}", good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    let ec_kid = jwk_of_private_key(&ec).unwrap().0;
    let cases = [
        (format!("{good}{}", "a".repeat(9000)), R::TooLarge),
        ("a.b.c".to_owned(), R::Malformed),
        (format!("{good}.x"), R::Malformed),
        (head("typ", json!("JWT")), R::WrongType),
        (head("typ", json!("Passerelle-Professional+jwt")), R::WrongType),
        (head("alg", json!("none")), R::Unsigned),
        (head("alg", json!("nOnE")), R::Unsigned),
        (head("alg", json!("HS256")), R::SharedSecret),
        (head("alg", json!("RS256")), R::Rsa),
        (head("alg", json!("PS512")), R::Rsa),
        (head("alg", json!("ES384")), R::UnknownAlgorithm),
        (head("alg", Value::Null), R::UnknownAlgorithm),
        (head("crit", json!(["exp"])), R::CriticalHeader),
        (head("crit", json!([])), R::CriticalHeader),
        (claim("iss", json!("urn:passerelle:institution:chu-toulouse")), R::AnotherIssuer),
        (claim("iss", json!("urn:passerelle:institution:dsden-31 ")), R::AnotherIssuer),
        (stranger, R::UnknownKey),
        (head("kid", Value::Null), R::UnknownKey),
        (head("kid", json!(ec_kid)), R::KeyMismatch),
        (swapped, R::BadSignature),
        (format!("{}.", good.rsplit_once('.').unwrap().0), R::BadSignature),
        (claim("iss", Value::Null), R::MissingClaim),
        (claim("cnf", json!({})), R::MissingClaim),
        (claim("exp", json!("tomorrow")), R::MissingClaim),
        (claim("aud", json!([AUDIENCE, "urn:other"])), R::MissingClaim),
        (claim("jti", json!("court")), R::BadTokenId),
        (claim("jti", json!("x".repeat(65))), R::BadTokenId),
        (claim("sub", json!("p")), R::BadSubject),
        (claim("sub", json!("Marie D")), R::BadSubject),
        (claim("aud", json!("urn:passerelle:gateway:gers")), R::AnotherAudience),
        (claim("exp", json!(t + 601)), R::TooLong),
        (claim("exp", json!(t)), R::TooLong),
        (claim("exp", json!(i64::MIN)), R::TooLong),
        (crafted(&ec, keep, |c| (c["iat"], c["exp"]) = (json!(t + 31), json!(t + 60))), R::NotYet),
        (claim("nbf", json!(t + 31)), R::NotYet),
        (crafted(&ec, keep, |c| (c["iat"], c["exp"]) = (json!(t - 600), json!(t - 30))), R::Expired),
        (claim("cnf", json!({"x5t#S256": URL_SAFE_NO_PAD.encode([8; 32])})), R::AnotherCertificate),
    ];
    let verifier = TokenVerifier::new();
    let mut seen = BTreeSet::new();
    for (token, refusal) in cases {
        assert_eq!(verifier.verify(&token, &expect(&dsden)), Err(refusal), "{refusal:?}");
        seen.insert(refusal.code());
    }
    assert_eq!(verifier.verify(&good, &expect(&no_issuer)), Err(R::NoIssuer));
    seen.insert(R::NoIssuer.code());
    assert_eq!(seen, R::ALL.iter().map(|refusal| refusal.code()).collect());
    assert_eq!(seen.len(), R::ALL.len(), "no two refusals share a code");
}

#[test]
fn thirty_seconds_of_grace_and_no_more() {
    let key = ec_key();
    let dsden = institution("dsden-31", &[&key]);
    let (verifier, token) = (TokenVerifier::new(), issue(&key, &wanted()).unwrap());
    let at = |seconds: i64| {
        let now = Instant::from_unix_ms(now().unix_ms() + seconds * 1000);
        verifier.verify(&token, &Expect { now, ..expect(&dsden) }).map(|_| ())
    };
    assert_eq!([at(-31), at(-30), at(629), at(630)], [Err(TokenRefusal::NotYet), Ok(()), Ok(()), Err(TokenRefusal::Expired)]);
}

#[test]
fn i11_a_remembered_token_is_still_bound_to_its_certificate_gateway_and_institution() {
    let key = ed_key();
    let dsden = institution("dsden-31", &[&key]);
    let (verifier, token) = (TokenVerifier::new(), issue(&key, &wanted()).unwrap());
    let good = expect(&dsden);
    assert!(verifier.verify(&token, &good).is_ok());
    assert_eq!(verifier.verify(&token, &Expect { certificate_thumbprint: [8; 32], ..good }), Err(TokenRefusal::AnotherCertificate));
    assert_eq!(verifier.verify(&token, &Expect { audience: "urn:passerelle:gateway:gers", ..good }), Err(TokenRefusal::AnotherAudience));
    // Another institution, even one that would list the same key, does not inherit it.
    let chu = institution("chu-toulouse", &[&key]);
    assert_eq!(verifier.verify(&token, &expect(&chu)), Err(TokenRefusal::AnotherIssuer));
    assert!(verifier.verify(&token, &good).is_ok());
}

#[test]
fn a_removed_or_replaced_key_counts_no_more() {
    let (key, other) = (ed_key(), ed_key());
    let (verifier, token) = (TokenVerifier::new(), issue(&key, &wanted()).unwrap());
    assert!(verifier.verify(&token, &expect(&institution("dsden-31", &[&key]))).is_ok());
    assert_eq!(verifier.verify(&token, &expect(&institution("dsden-31", &[&other]))), Err(TokenRefusal::UnknownKey));
    let mut replaced = institution("dsden-31", &[]);
    let kid = jwk_of_private_key(&key).unwrap().0;
    replaced.token_issuer.as_mut().unwrap().keys.insert(kid, jwk_of_private_key(&other).unwrap().1);
    assert_eq!(verifier.verify(&token, &expect(&replaced)), Err(TokenRefusal::BadSignature));
}

#[test]
fn refusals_explain_themselves() {
    for refusal in TokenRefusal::ALL {
        assert!(refusal.code().starts_with("token-") && refusal.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        assert!(refusal.sentence().ends_with('.') && refusal.cure().ends_with('.'), "{refusal:?}");
    }
}

#[test]
fn foreign_private_keys_issue_nothing() {
    assert_eq!(jwk_of_private_key("not a key"), Err(CannotIssue::Key));
    assert_eq!(jwk_of_private_key(&pem(b"not a key")), Err(CannotIssue::Key));
    assert_eq!(issue(&pem(&[]), &wanted()), Err(CannotIssue::Key));
    let (kid, jwk) = jwk_of_private_key(&ec_key()).unwrap();
    assert!(jwk.get("d").is_none() && jwk["kid"] == kid.as_str() && jwk["crv"] == "P-256");
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,300}", parts in proptest::array::uniform3(proptest::collection::vec(any::<u8>(), 0..80))) {
        let dsden = institution("dsden-31", &[]);
        let verifier = TokenVerifier::new();
        prop_assert!(verifier.verify(&text, &expect(&dsden)).is_err());
        let joined = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        prop_assert!(verifier.verify(&joined, &expect(&dsden)).is_err());
    }

    #[test]
    fn no_changed_byte_is_believed(place in 0_usize..400, byte in any::<u8>()) {
        let key = ed_key();
        let dsden = institution("dsden-31", &[&key]);
        let token = issue(&key, &wanted()).unwrap();
        let mut bytes = token.clone().into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(text) = String::from_utf8(bytes) && text != token {
            prop_assert!(TokenVerifier::new().verify(&text, &expect(&dsden)).is_err());
        }
    }
}
