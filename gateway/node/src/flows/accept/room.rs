//! Whether there is room for a deposit when more comes than can be served well: for what is about danger there always is.

use std::borrow::Cow;

use exchange::Instant;
use serde::Deserialize;

use crate::{flows::Law, refusal::Refusal};

/// For whom there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// For everybody.
    ForAll,
    /// For danger types alone.
    ForDanger,
}

impl Room {
    /// Looks at the type and at nothing else, before anything is decided, sealed or kept. What cannot be read is let in, to be
    /// told what is wrong with it: that costs little, and it may be a danger.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`], never for a danger type.
    pub(super) fn admit(self, law: &Law, envelope: &[u8], now: Instant) -> Result<(), Refusal> {
        if self == Self::ForAll {
            return Ok(());
        }
        let typed: Option<Typed<'_>> = serde_json::from_slice(envelope).ok();
        let kind = typed.and_then(|typed| typed.kind.parse().ok());
        match kind.and_then(|kind| law.catalogue.exchange_type(&kind, now)) {
            Some(exchange_type) if !exchange_type.danger => {
                metrics::counter!(SHED, "kind" => "deposit").increment(1);
                Err(Refusal::Overloaded)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Puts what is counted here on the board before it counts.
pub(super) fn count_from_zero() {
    metrics::counter!(SHED, "kind" => "deposit").increment(0);
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

const SHED: &str = "passerelle_shed_total";
