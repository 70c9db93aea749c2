//! Receipts: signed promises that members kept, held against the tree.
//!
//! A receipt is a compact JWS, EdDSA, `typ` `passerelle-receipt+jwt`, verified with pinned keys only.

use std::{
    collections::HashMap,
    fs::{self, DirEntry},
    panic::resume_unwind,
    path::Path,
    thread,
    time::Duration,
};

use exchange::Instant;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::{
    Trust,
    report::{FindingKind, Report},
    rules::Opened,
};
use crate::log::{Event, Hash, Leaf, entry::field};

/// What the verifier reads of a receipt.
#[derive(Debug, Deserialize)]
struct Claims {
    /// Exchange id.
    sub: String,
    /// When it was accepted, Unix seconds.
    iat: i64,
    /// Origin of the log.
    log: String,
    /// Leaf hash, base64url.
    leaf: String,
    /// Seconds after `iat` by which the entry is in a signed tree.
    merge_delay: u64,
}

/// One verified receipt.
pub(super) struct Receipt {
    exchange: String,
    due: Instant,
    pub(super) leaf: Hash,
}

impl Receipt {
    /// Verifies the signature and reads the claims; a French reason when it does not hold.
    pub(super) fn verify(jws: &str, trust: &Trust, origin: &str) -> Result<Self, &'static str> {
        let header = jsonwebtoken::decode_header(jws).map_err(|_| "ce n'est pas un accusé au format JWS compact")?;
        if header.typ.as_deref() != Some("passerelle-receipt+jwt") || header.alg != Algorithm::EdDSA {
            return Err("type ou algorithme inattendu");
        }
        let key = header.kid.as_deref().and_then(|kid| trust.receipts.find(kid)).ok_or("signé par une clé qui n'est pas épinglée")?;
        let key = DecodingKey::from_jwk(key).map_err(|_| "la clé épinglée n'est pas une clé Ed25519")?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(jws, &key, &validation).map_err(|_| "signature fausse ou contenu inattendu")?.claims;
        if claims.log != origin {
            return Err("cet accusé promet une entrée dans un autre journal");
        }
        let leaf = Hash::from_url(&claims.leaf).map_err(|_| "empreinte d'entrée illisible")?;
        let accepted = Instant::from_unix_ms(claims.iat.saturating_mul(1000));
        Ok(Self { exchange: claims.sub, due: accepted.plus(Duration::from_secs(claims.merge_delay)), leaf })
    }

    /// Holds the entry that was found against what the receipt says of it.
    pub(super) fn compare(&self, leaf: &Leaf, opened: &Opened) -> Result<(), &'static str> {
        if leaf.event != Event::ExchangeAccepted {
            return Err("l'entrée promise n'est pas une acceptation");
        }
        if leaf.time > self.due {
            return Err("l'entrée est datée après le délai promis");
        }
        match opened {
            Opened::Known(openings) => match openings.value(field::EXCHANGE) {
                Some(value) if value.as_str() != Some(&self.exchange) => Err("l'entrée promise est celle d'un autre échange"),
                Some(_) | None => Ok(()),
            },
            Opened::Expired | Opened::Withheld => Ok(()),
        }
    }
}

struct Kept {
    file: String,
    receipt: Receipt,
    index: Option<u64>,
}

/// All receipts of a folder, by the leaf they promise.
pub(super) struct Receipts(HashMap<Hash, Vec<Kept>>);

impl Receipts {
    pub(super) fn read(folder: &Path, trust: &Trust, origin: &str, report: &mut Report) -> Self {
        let mut kept: HashMap<Hash, Vec<Kept>> = HashMap::new();
        let files: Vec<_> = fs::read_dir(folder).map(|files| files.flatten().collect()).unwrap_or_default();
        let verify = |file: &DirEntry| {
            let text = fs::read_to_string(file.path()).map_err(|_| "illisible");
            let verified = text.and_then(|jws| Receipt::verify(jws.trim_end(), trust, origin));
            (file.file_name().to_string_lossy().into_owned(), verified)
        };
        // A signature is most of the work, and each stands alone.
        let share = files.len().div_ceil(thread::available_parallelism().map_or(1, usize::from)).max(1);
        let verified = thread::scope(|scope| {
            let verifying: Vec<_> =
                files.chunks(share).map(|some| scope.spawn(move || some.iter().map(verify).collect::<Vec<_>>())).collect();
            verifying.into_iter().flat_map(|some| some.join().unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
        });
        for (file, verified) in verified {
            match verified {
                Ok(receipt) => kept.entry(receipt.leaf).or_default().push(Kept { file, receipt, index: None }),
                Err(reason) => report.add(FindingKind::Receipt, None, Some(&file), reason),
            }
        }
        Self(kept)
    }

    pub(super) fn entry(&mut self, index: u64, hash: &Hash, leaf: &Leaf, opened: &Opened, report: &mut Report) {
        for kept in self.0.get_mut(hash).into_iter().flatten() {
            kept.index.get_or_insert(index);
            if let Err(reason) = kept.receipt.compare(leaf, opened) {
                report.add(FindingKind::Receipt, Some(index), Some(&kept.file), reason);
            }
        }
    }

    /// After the last entry: which promises were kept in time, as far as witnesses and entries tell the time.
    pub(super) fn settle(self, witnessed: &[(Instant, u64)], latest: Option<Instant>, report: &mut Report) {
        let mut all: Vec<Kept> = self.0.into_values().flatten().collect();
        all.sort_unstable_by(|a, b| a.file.cmp(&b.file));
        for Kept { file, receipt, index } in all {
            let late = witnessed.iter().any(|(time, size)| *time > receipt.due && index.is_none_or(|index| index >= *size));
            match index {
                Some(_) if !late => report.receipts_included += 1,
                Some(index) => {
                    let detail = "un témoin a vu, après le délai promis, un journal sans cette entrée";
                    report.add(FindingKind::Receipt, Some(index), Some(&file), detail);
                }
                None if late || latest.is_some_and(|latest| latest > receipt.due) => {
                    report.add(FindingKind::Receipt, None, Some(&file), "l'entrée promise n'est pas dans le journal");
                }
                None => report.receipts_pending += 1,
            }
        }
    }
}
