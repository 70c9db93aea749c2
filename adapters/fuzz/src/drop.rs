//! The manifest, the acknowledgement and the signature of a drop.
#![no_main]

use adapters::drop::{Acknowledgement, Manifest, signature};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::read(bytes) {
        let written = manifest.write().unwrap();
        assert!(Manifest::read(&written).is_ok());
    }
    let _ = Acknowledgement::read(bytes);
    let _ = signature::verify(bytes, bytes, |_| true);
});
