use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn key(byte: u8, epoch: u32) -> DomainKey {
    DomainKey::new(Secret::read(&[byte; 32]).unwrap(), epoch)
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_vectors_hold() {
    // Computed apart, with Python's hmac.
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/pseudonyms.json")).unwrap();
    assert!(vectors.len() >= 4);
    for vector in vectors {
        let of = |name: &str| vector[name].as_str().unwrap();
        let epoch = u32::try_from(vector["epoch"].as_u64().unwrap()).unwrap();
        let key = DomainKey::new(Secret::read(&hex(of("key"))).unwrap(), epoch);
        let pseudonym = key.pseudonym(&Rid::read(&hex(of("rid"))).unwrap());
        assert_eq!(pseudonym.to_string(), of("pseudonym"));
        assert_eq!(of("pseudonym").parse(), Ok(pseudonym));
    }
}

#[test]
fn other_domain_other_epoch_other_person_another_pseudonym() {
    let (one, other) = (Rid::read(&[1; 16]).unwrap(), Rid::read(&[2; 16]).unwrap());
    let value = |pseudonym: Pseudonym| pseudonym.to_string()[5..31].to_owned();
    assert_eq!(value(key(1, 1).pseudonym(&one)), value(key(1, 1).pseudonym(&one)));
    assert_ne!(value(key(1, 1).pseudonym(&one)), value(key(1, 1).pseudonym(&other)));
    assert_ne!(value(key(1, 1).pseudonym(&one)), value(key(2, 1).pseudonym(&one)));
}

#[test]
fn only_the_canonical_text_is_read() {
    let text = key(1, 12).pseudonym(&Rid::read(&[1; 16]).unwrap()).to_string();
    assert!(text.parse::<Pseudonym>().is_ok());
    for wrong in [
        text.to_lowercase(),
        text.replace("P1-12-", "P1-012-"),
        text.replace("P1-12-", "P1-+12-"),
        text.replace("P1-", "P2-"),
        format!("{text} "),
        text[..31].to_owned(),
        String::new(),
        "P1-0-".into(),
        "P1-1-é".into(),
    ] {
        assert_eq!(wrong.parse::<Pseudonym>(), Err(InvalidPseudonym), "{wrong}");
    }
}

fn any_pseudonym() -> impl Strategy<Value = String> {
    (any::<[u8; 16]>(), 1..u32::MAX).prop_map(|(rid, epoch)| key(9, epoch).pseudonym(&Rid::read(&rid).unwrap()).to_string())
}

proptest! {
    #[test]
    fn every_wrong_character_is_found(text in any_pseudonym(), wrong in "[0-9A-Z*~$=-]") {
        for at in 0..text.len() {
            let mut typed = text.clone();
            typed.replace_range(at..=at, &wrong);
            prop_assert_eq!(typed.parse::<Pseudonym>().is_ok(), typed == text);
        }
    }

    #[test]
    fn every_exchange_of_neighbours_is_found(text in any_pseudonym()) {
        for at in 0..text.len() - 1 {
            let mut typed = text.clone().into_bytes();
            typed.swap(at, at + 1);
            let typed = String::from_utf8(typed).unwrap();
            prop_assert_eq!(typed.parse::<Pseudonym>().is_ok(), typed == text);
        }
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Pseudonym>();
    }
}
