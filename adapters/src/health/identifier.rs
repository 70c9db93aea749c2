//! National identifiers of health: what each looks like, and its check digit where it has one.

/// Assigning authorities of the INS (NIR, NIA, test, demonstration), as OIDs: OID INS-NIR 1.2.250.1.213.1.4.8 and following.
const INS: [&str; 4] = ["1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"];
/// INS calculated from the Vitale card: made of a NIR, and treated as one.
const INS_C: &str = "1.2.250.1.213.1.4.2";
/// IdNat_PS: the national identifier of a professional, a RPPS number with `8` before it.
pub(crate) const ID_NAT_PS: &str = "1.2.250.1.71.4.2.1";
/// IdNat_Struct: the national identifier of a structure, a FINESS number with `1` before it.
pub(crate) const ID_NAT_STRUCT: &str = "1.2.250.1.71.4.2.2";

/// An OID as FHIR writes it (`urn:oid:…`) or as CDA does.
pub(crate) fn oid(system: &str) -> &str {
    system.strip_prefix("urn:oid:").unwrap_or(system)
}

/// Whether a system is an authority of the INS, a false one (test, demonstration) included.
pub(crate) fn is_ins(system: &str) -> bool {
    INS.contains(&oid(system)) || oid(system) == INS_C
}

/// Whether a system gives INS of real persons: never test nor demonstration, and not what is only calculated.
pub(crate) fn is_real_ins(system: &str) -> bool {
    matches!(oid(system), "1.2.250.1.213.1.4.8" | "1.2.250.1.213.1.4.9")
}

/// The eleven digits of a RPPS number, given as such or as an IdNat_PS; nothing where the Luhn key is wrong.
pub fn rpps(value: &str) -> Option<&str> {
    let digits = if value.len() == 12 { value.strip_prefix('8')? } else { value };
    (digits.len() == 11 && luhn(digits)).then_some(digits)
}

/// The nine characters of a FINESS number, given as such or as an IdNat_Struct.
pub fn finess(value: &str) -> Option<&str> {
    let number = if value.len() == 10 { value.strip_prefix('1')? } else { value };
    let plain = number.bytes().enumerate().all(|(n, b)| b.is_ascii_digit() || n == 1 && matches!(b, b'A' | b'B'));
    (number.len() == 9 && plain).then_some(number)
}

fn luhn(digits: &str) -> bool {
    let mut sum = 0;
    for (n, digit) in digits.bytes().rev().enumerate() {
        if !digit.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(digit - b'0');
        let doubled = digit * 2;
        sum += if n % 2 == 0 { digit } else { doubled / 10 + doubled % 10 };
    }
    sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        assert_eq!(rpps("10000000008"), None);
        assert_eq!(rpps("10003456789"), Some("10003456789").filter(|n| luhn(n)));
        assert!(luhn("79927398713") && !luhn("79927398710"));
        assert_eq!(rpps("879927398713"), Some("79927398713"));
        assert_eq!(finess("310781406"), Some("310781406"));
        assert_eq!(finess("1310781406"), Some("310781406"));
        assert_eq!(finess("2A0000014"), Some("2A0000014"));
        assert_eq!(finess("31078140"), None);
    }
}
