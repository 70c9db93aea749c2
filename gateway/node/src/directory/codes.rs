//! Official codes: whether a SIREN, SIRET, UAI, FINESS, RPPS or INSEE code can be one at all.
//!
//! Arithmetic on text. It never says that a code exists, and a code never identifies a member: a primary
//! school has its commune's SIREN.

/// The key letter of a UAI (établissement code of the Éducation nationale) from its seven digits.
pub fn uai_key(digits: &str) -> Option<char> {
    if digits.len() != 7 || !all_digits(digits) {
        return None;
    }
    let n = digits.parse::<usize>().ok()?;
    b"abcdefghjklmnprstuvwxyz".get(n % 23).map(|letter| char::from(*letter))
}

/// Seven digits and their key letter, in either case.
pub fn is_uai(text: &str) -> bool {
    text.split_at_checked(7)
        .is_some_and(|(digits, key)| uai_key(digits).is_some_and(|letter| key.len() == 1 && key.eq_ignore_ascii_case(&letter.to_string())))
}

/// Nine digits with a Luhn key.
pub fn is_siren(text: &str) -> bool {
    text.len() == 9 && luhn(text)
}

/// Fourteen digits: a SIREN and a number, with a Luhn key; the establishments of La Poste (356000000) count
/// instead by a plain sum that five divides.
pub fn is_siret(text: &str) -> bool {
    let Some((siren, _)) = text.split_at_checked(9) else { return false };
    if text.len() != 14 || !all_digits(text) || !is_siren(siren) {
        return false;
    }
    luhn(text) || (siren == "356000000" && text.bytes().map(|b| u32::from(b - b'0')).sum::<u32>() % 5 == 0)
}

/// Nine characters: département (digits, `2A`, `2B`) then digits.
pub fn is_finess(text: &str) -> bool {
    text.split_at_checked(2).is_some_and(|(departement, rest)| {
        rest.len() == 7 && all_digits(rest) && (all_digits(departement) || departement == "2A" || departement == "2B")
    })
}

/// Eleven digits with a Luhn key.
pub fn is_rpps(text: &str) -> bool {
    text.len() == 11 && luhn(text)
}

/// A commune or foreign country of the INSEE code: five digits, or `2A` and `2B` and three digits in Corsica.
pub fn is_insee(text: &str) -> bool {
    let corsican = |head: &str| matches!(head, "2A" | "2B");
    text.split_at_checked(2).is_some_and(|(head, rest)| rest.len() == 3 && all_digits(rest) && (all_digits(head) || corsican(head)))
}

/// A département or collectivity of the INSEE code: `01` to `95` with `2A` and `2B` for 20, `971` to `978` overseas.
pub fn is_departement(text: &str) -> bool {
    match text.len() {
        2 if all_digits(text) => ("01"..="95").contains(&text) && text != "20",
        2 => matches!(text, "2A" | "2B"),
        3 => all_digits(text) && ("971"..="978").contains(&text),
        _ => false,
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn luhn(text: &str) -> bool {
    let mut sum = 0_u32;
    for (place, byte) in text.bytes().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(byte - b'0') * if place % 2 == 1 { 2 } else { 1 };
        sum += if digit > 9 { digit - 9 } else { digit };
    }
    !text.is_empty() && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors() {
        // SIREN and SIRET of La Poste, and one that only the exception admits.
        assert!(is_siren("356000000") && is_siret("35600000000048"));
        assert!(!luhn("35600000049837") && is_siret("35600000049837"));
        assert!(!is_siret("35600000049838"));
        // The same plain sum gives no other enterprise a key.
        assert!(is_siren("732829320") && is_siret("73282932000074"));
        assert!(!is_siren("732829321") && !is_siret("73282932000075"));
        assert!(
            is_finess("310000021")
                && is_finess("2A0000014")
                && !is_finess("31000002")
                && !is_finess("3100000210")
                && !is_finess("3A0000014")
        );
        assert!(is_insee("31069") && is_insee("2B033") && is_insee("99352") && !is_insee("3106") && !is_insee("310699"));
        assert!(is_rpps("79927398713") && !is_rpps("79927398710"));
        assert!(["01", "19", "2A", "2B", "21", "31", "95", "971", "974", "976"].into_iter().all(is_departement));
        assert!(!["", "3", "00", "20", "96", "99", "2C", "031", "970", "979", "3é"].into_iter().any(is_departement));
    }

    #[test]
    fn uai_letters() {
        // 0 mod 23 is `a`, 22 mod 23 is `z`; i, o and q are not used.
        assert_eq!(uai_key("0000000"), Some('a'));
        assert_eq!(uai_key("0000022"), Some('z'));
        assert_eq!(uai_key("0000008"), Some('j'));
        // 750655 mod 23 is 4, 310036 mod 23 is 19.
        assert!(is_uai("0750655E") && is_uai("0310036W"));
        assert!(is_uai("0750655e") && !is_uai("0750655F") && !is_uai("750655E") && !is_uai("0750655EE"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,16}") {
            let _ = (is_uai(&text), is_siret(&text), is_siren(&text), is_finess(&text), is_rpps(&text), is_insee(&text));
        }

        #[test]
        fn one_wrong_digit_shows(head in "[0-9]{13}", place in 0_usize..13, by in 1_u8..10) {
            let siret = (0..10).map(|key| format!("{head}{key}")).find(|all| luhn(all)).unwrap();
            let mut wrong = siret.into_bytes();
            wrong[place] = (wrong[place] - b'0' + by) % 10 + b'0';
            prop_assert!(!luhn(std::str::from_utf8(&wrong).unwrap()));
        }
    }
}
