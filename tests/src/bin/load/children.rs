//! What is deposited: an information préoccupante of exactly 4 KiB about an invented child, another one each time.
//!
//! Names, dates and places vary as in life: children who look alike would be proposed for matching, and a gateway that
//! knows one child only would hide what its history costs.

use serde_json::{Value, json};

/// Bytes of one deposit.
pub const BYTES: usize = 4096;

/// The `n`th deposit of a client; the same numbers give the same deposit.
pub fn envelope(seed: u64, client: usize, n: usize) -> Value {
    let mut dice = Dice(seed ^ ((client as u64) << 40) ^ n as u64);
    let mut name = String::new();
    for _ in 0..4 {
        name += SYLLABLES[dice.below(SYLLABLES.len())];
    }
    let given = GIVEN[dice.below(GIVEN.len())];
    let sex = if dice.below(2) == 0 { "F" } else { "M" };
    let born = format!("{}-{:02}-{:02}", 2009 + dice.below(16), 1 + dice.below(12), 1 + dice.below(28));
    let place = format!("31{:03}", 1 + dice.below(580));
    let mut envelope = json!({
        "type": "information-preoccupante",
        "sender": {"institution": "dsden-31", "unit": "ssfe"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "subjects": [{"ref": "s1", "role": "enfant", "birth_name": name, "given_names": [given], "sex": sex, "birth_date": born, "birth_place": place}],
        "urgency": "ordinary",
        "information": {"parents": {"informed": "faite", "date": "2026-11-20"}, "child": {"informed": "faite"}},
        "payload": {"faits": [{"date_debut": "2026-11-16", "source": "vu", "texte": ""}], "types_danger": ["negligences"]}
    });
    let room = BYTES - envelope.to_string().len();
    envelope["payload"]["faits"][0]["texte"] = words(room).into();
    envelope
}

/// What a social worker writes, in so many bytes.
fn words(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    for letter in SENTENCE.chars().cycle() {
        if text.len() + letter.len_utf8() > bytes {
            break;
        }
        text.push(letter);
    }
    while text.len() < bytes {
        text.push('.');
    }
    text
}

/// SplitMix64: no secret, only variety that can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }
}

const SENTENCE: &str = "Arrive sans repas ni manteau, s’endort en classe, dit rester seule le soir. ";

const SYLLABLES: [&str; 32] = [
    "BA", "BEL", "CAR", "CHE", "DO", "DUR", "FA", "FER", "GAL", "GOU", "JA", "JOR", "KER", "LA", "LEM", "LI", "MA", "MOR", "NA", "NIE",
    "PAS", "PO", "QUE", "RA", "RIV", "SA", "SOL", "TER", "TOU", "VA", "VIL", "ZO",
];

const GIVEN: [&str; 24] = [
    "Adèle", "Basile", "Capucine", "Diane", "Élise", "Fabien", "Garance", "Hector", "Inès", "Jules", "Katell", "Léonie", "Marius", "Nina",
    "Octave", "Pia", "Quentin", "Rose", "Simon", "Thaïs", "Ulysse", "Violette", "Yanis", "Zélie",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deposit_has_its_size_and_can_be_made_again() {
        for n in 0..200 {
            assert_eq!(serde_json::to_vec(&envelope(7, 3, n)).unwrap().len(), BYTES);
        }
        assert_eq!(envelope(7, 3, 5), envelope(7, 3, 5));
        assert_ne!(envelope(7, 3, 5)["subjects"], envelope(7, 4, 5)["subjects"]);
    }
}
