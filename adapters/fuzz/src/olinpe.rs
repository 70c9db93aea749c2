//! A yearly file of OLINPE, XML or CSV, with all its checks.
#![no_main]

use adapters::olinpe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut events) = olinpe::open(bytes)
        && let Ok(report) = olinpe::check(&mut *events, 2026)
    {
        let _ = (report.text(), report.json());
    }
});
