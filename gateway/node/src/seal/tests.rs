use exchange::{DataClass, ExchangeId, document::Leaves};
use proptest::prelude::*;
use serde_json::json;

use super::{body::Subkey, *};

fn key() -> ExchangeKey {
    ExchangeKey::new(Secret::random().unwrap())
}

fn leaves() -> Leaves {
    Leaves::of(&json!({"faits": [{"texte": "Arrive sans manteau."}]}))
}

#[test]
fn a_subkey_is_hkdf_sha_256_as_specified() {
    // HKDF-SHA-256, salt `passerelle/seal/v1`, IKM 32 × 0x07, info = length-prefixed `class`, `sante`; computed apart.
    let secret = Secret::read(&[7; 32]).unwrap();
    let key = Subkey::derive(&secret, &[b"class", b"sante"]).unwrap();
    // HMAC-SHA-256 of an empty message under it, so that the key itself stays inside.
    let mac: String = body::commitment_mac(&key, b"").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(mac, include_str!("vectors/subkey.txt").trim());
}

#[test]
fn a_class_opens_for_its_exchange_class_and_key_only() {
    let (mine, exchange) = (key(), ExchangeId::new());
    let sealed = body::seal_class(&mine, exchange, DataClass::Sante, &leaves()).unwrap();
    assert!(body::open_class(&mine, exchange, DataClass::Sante, &sealed).unwrap() == leaves());
    for (key, exchange, class) in
        [(&mine, ExchangeId::new(), DataClass::Sante), (&mine, exchange, DataClass::Social), (&key(), exchange, DataClass::Sante)]
    {
        assert_eq!(body::open_class(key, exchange, class, &sealed).map(drop), Err(SealError::DoesNotOpen));
    }
    assert_ne!(sealed, body::seal_class(&mine, exchange, DataClass::Sante, &leaves()).unwrap(), "a nonce is drawn anew");
}

#[test]
fn compartments_hold_their_classes_apart() {
    let (key, exchange) = (key(), ExchangeId::new());
    let content = [(DataClass::Social, leaves()), (DataClass::Declarant, Leaves::of(&json!({"nom": "INVENTÉE"})))];
    let sealed = seal_compartments(&key, exchange, &content).unwrap();
    assert!(!sealed.windows(9).any(|window| window == "INVENTÉE".as_bytes()));
    let read = Compartments::read(&sealed).unwrap();
    assert_eq!(read.classes(), [DataClass::Social, DataClass::Declarant]);
    assert!(read.open(&key, exchange, DataClass::Declarant).unwrap() == content[1].1);
    assert!(read.open(&key, exchange, DataClass::Sante).unwrap().is_empty());
    for end in 1..sealed.len() {
        if let Ok(cut) = Compartments::read(&sealed[..end]) {
            assert!(cut.classes().len() < 2);
        }
    }
}

#[test]
fn a_column_does_not_open_elsewhere() {
    let (key, exchange) = (key(), ExchangeId::new());
    let sealed = seal_column(&key, "exchange", exchange, "route", b"route").unwrap();
    assert_eq!(open_column(&key, "exchange", exchange, "route", &sealed).unwrap(), b"route");
    for (table, row, column) in
        [("delivery", exchange, "route"), ("exchange", ExchangeId::new(), "route"), ("exchange", exchange, "decision")]
    {
        assert_eq!(open_column(&key, table, row, column, &sealed), Err(SealError::DoesNotOpen));
    }
}

#[test]
fn a_body_is_recognised_under_its_own_key_only() {
    let (mine, other) = (key(), key());
    let mac = body_mac(&mine, b"{}").unwrap();
    assert!(same_body(&mine, b"{}", &mac).unwrap());
    assert!(!same_body(&mine, b"{ }", &mac).unwrap());
    assert!(!same_body(&other, b"{}", &mac).unwrap());
}

#[test]
fn openings_outlive_nothing_but_their_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let store = KeyStore::create(&folder.path().join("keys.json")).unwrap();
    let sealed = store.seal_opening(&[1; 32], b"opening").unwrap();
    assert_eq!(store.open_opening(&[1; 32], &sealed).unwrap(), b"opening");
    assert_eq!(store.open_opening(&[2; 32], &sealed), Err(SealError::DoesNotOpen));
}

#[test]
fn keys_print_nothing() {
    let key = key();
    let text = format!("{key:?} {:?} {:?}", key.secret(), key.record().unwrap());
    assert_eq!(text, "ExchangeKey(..) Secret(..) Subkey(..)");
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_every_changed_bit_is_found(plain in proptest::collection::vec(any::<u8>(), 0..200), bit in any::<proptest::sample::Index>()) {
        let subkey = key().record().unwrap();
        let place = Place { table: "t", row: "r", column: "c", class: "", epoch: 1 };
        let mut sealed = body::seal_bytes(&subkey, &place, &plain).unwrap();
        prop_assert_eq!(&*body::open_bytes(&subkey, &place, &sealed).unwrap(), &plain);
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(body::open_bytes(&subkey, &place, &sealed).is_err());
    }

    #[test]
    fn two_places_never_give_the_same_bytes(a in ["[a-z/]{0,4}", "[a-z/]{0,4}", "[a-z/]{0,4}", "[a-z/]{0,4}"], b in ["[a-z/]{0,4}", "[a-z/]{0,4}", "[a-z/]{0,4}", "[a-z/]{0,4}"]) {
        let place = |p: &[String; 4]| Place { table: &p[0], row: &p[1], column: &p[2], class: &p[3], epoch: 1 }.associated_data().unwrap();
        prop_assert_eq!(place(&a) == place(&b), a == b);
    }

    #[test]
    fn reading_compartments_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Compartments::read(&bytes);
    }
}
