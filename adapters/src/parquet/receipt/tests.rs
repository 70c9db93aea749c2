use proptest::prelude::*;
use time::macros::offset;

use super::*;

fn read(date: &str, time: &str, number: &str) -> Result<Receipt, Vec<&'static str>> {
    let (packed, now) = ("2026-11-24T09:00:00Z".parse().unwrap(), "2026-11-25T09:00:00Z".parse().unwrap());
    Receipt::parse(date, time, number, offset!(+1), packed, now).map_err(|faults| faults.into_iter().map(|fault| fault.code).collect())
}

#[test]
fn what_a_notice_says_is_read_in_local_time() {
    let receipt = read(" 24/11/2026 ", "14 h 32", " PLEX-2026/000123.A ").unwrap();
    assert_eq!(receipt.number(), "PLEX-2026/000123.A");
    assert_eq!(receipt.deposited().to_string(), "2026-11-24T13:32:00.000Z");
    assert_eq!(receipt.depot(), json!({"mode": "plex", "reference": "PLEX-2026/000123.A", "depose_le": "2026-11-24T13:32:00.000Z"}));
    for (date, time) in [("2026-11-24", "14:32"), ("24/11/2026", "14h32"), ("24/11/2026", "14H32")] {
        assert_eq!(read(date, time, "PLEX-2026/000123.A"), Ok(receipt.clone()));
    }
}

#[test]
fn what_cannot_be_is_refused_each_with_its_code() {
    assert_eq!(read("24/13/2026", "14:32", "123"), Err(vec!["bad-date"]));
    assert_eq!(read("31/02/2026", "14:32", "123"), Err(vec!["bad-date"]));
    assert_eq!(read("24/11/26", "14:32", "123"), Err(vec!["bad-date"]));
    assert_eq!(read("24/11/2026", "24:00", "123"), Err(vec!["bad-time"]));
    assert_eq!(read("24/11/2026", "1432", "123"), Err(vec!["bad-time"]));
    assert_eq!(read("24/11/2026", "14:32", "12"), Err(vec!["bad-number"]));
    assert_eq!(read("24/11/2026", "14:32", "abc"), Err(vec!["bad-number"]));
    assert_eq!(read("24/11/2026", "14:32", "12\u{202e}3"), Err(vec!["bad-number"]));
    assert_eq!(read("26/11/2026", "14:32", "123"), Err(vec!["future"]));
    assert_eq!(read("24/11/2026", "09:58", "123"), Err(vec!["too-early"]));
    assert!(read("24/11/2026", "09:59", "123").is_ok());
    assert_eq!(read("", "", ""), Err(vec!["bad-date", "bad-time", "bad-number"]));
}

proptest! {
    #[test]
    fn nothing_that_is_typed_panics(date in any::<String>(), time in any::<String>(), number in any::<String>()) {
        let _ = read(&date, &time, &number);
    }

    #[test]
    fn digits_in_any_order_do_not_panic(date in "[0-9/-]{0,12}", time in "[0-9:hH ]{0,8}", number in "[0-9A-Z ./_-]{0,70}") {
        let _ = read(&date, &time, &number);
    }
}
