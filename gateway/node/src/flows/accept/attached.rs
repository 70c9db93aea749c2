//! Attachments: received and sealed before anything is decided, then put in their place in the document.
//!
//! They come as `multipart/related` (RFC 2387): the envelope first, then one part for each, whose `Content-ID` is its
//! SHA-256. Each is sealed chunk by chunk under a key that only this request knows; accepted, the key is wrapped for the
//! exchange; refused or broken off, what was kept is noise, and is taken away.

mod receive;

use std::collections::BTreeSet;

use exchange::{
    AttachmentId, DataClass, ExchangeId,
    document::{Leaves, Pointer},
    envelope::{Draft, FieldFault, NonConforming},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use receive::{Unnamed, digest, digests, envelope, forget, hold, receive, receive_form};

use crate::{
    catalogue::ExchangeType,
    refusal::Refusal,
    seal::{ExchangeKey, chunks::AttachmentKey, seal_column},
    store::attachments::NewAttachment,
};

/// An attachment that came: sealed, durable, and named by no exchange yet.
pub struct Attached {
    id: AttachmentId,
    key: AttachmentKey,
    /// SHA-256 in lower-case hexadecimal.
    sha256: String,
    size: u64,
    media_type: Option<String>,
    name: Option<String>,
}

/// An attachment in its place in `attachments[]`, with the class of its file.
pub(super) struct Placed<'a> {
    n: u32,
    class: DataClass,
    attached: &'a Attached,
}

/// What is sealed of an attachment beside the exchange.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    /// The class of the file.
    pub(crate) class: DataClass,
    /// Clear bytes.
    pub(crate) size: u64,
    /// SHA-256 of the clear bytes, in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// The key, wrapped under the subkey of the class.
    pub(crate) key: Vec<u8>,
}

/// How much is taken.
#[derive(Debug, Clone, Copy)]
pub struct AttachmentLimits {
    /// Bytes of one.
    pub bytes: u64,
    /// How many.
    pub count: usize,
    /// Bytes of the envelope before them.
    pub envelope_bytes: usize,
}

/// What a repeat is compared by: the envelope, and the content of everything that came with it.
pub(super) fn compared<'d>(canonical: &[u8], digests: impl IntoIterator<Item = &'d str>) -> Vec<u8> {
    let mut all = canonical.to_vec();
    for digest in digests.into_iter().collect::<BTreeSet<_>>() {
        all.push(b'\n');
        all.extend_from_slice(digest.as_bytes());
    }
    all
}

/// Puts what came in its place: each listed attachment with its content, by digest. What is listed and did not come, or
/// came and is not listed, stops a form that is not about danger; a danger type keeps all that came, in its most protected
/// class, and says what is missing (invariant 3).
///
/// # Errors
/// [`Refusal::NotConforming`], for types that are not about danger.
pub(super) fn place<'a>(draft: &mut Draft, exchange_type: &ExchangeType, attached: &'a [Attached]) -> Result<Vec<Placed<'a>>, Refusal> {
    let mut faults = Vec::new();
    let (mut placed, mut came): (Vec<Placed<'a>>, Vec<bool>) = (Vec::new(), vec![false; attached.len()]);
    for (n, class, at, sha256) in listed(draft) {
        // Two of the same content may come once or twice.
        let of_digest = |taken: bool| attached.iter().zip(&came).position(|(one, came)| one.sha256 == sha256 && *came == taken);
        let Some((one, taken)) = of_digest(false).or_else(|| of_digest(true)).and_then(|at| attached.get(at).zip(came.get_mut(at))) else {
            let pointer = at.child("content").to_string();
            if exchange_type.danger {
                draft.missing.push(pointer);
            } else {
                let detail = "Le contenu de cette pièce n’est pas venu avec l’enveloppe : une partie dont le Content-ID est son empreinte.";
                faults.push(FieldFault { pointer, code: "missing", detail: detail.into() });
            }
            continue;
        };
        *taken = true;
        if let Err(told) = measure(draft, class, &at, one) {
            if exchange_type.danger {
                draft.non_conforme.push(NonConforming { pointer: at.child("size"), code: "bad-size", value: told });
            } else {
                let detail = "La taille annoncée n’est pas celle du contenu.".into();
                faults.push(FieldFault { pointer: at.child("size").to_string(), code: "bad-size", detail });
            }
        }
        placed.push(Placed { n, class, attached: one });
    }
    let free = placed.iter().map(|one| one.n + 1).chain(described(draft)).max().unwrap_or(0);
    for (next, (one, _)) in (free..).zip(attached.iter().zip(&came).filter(|(_, taken)| !**taken)) {
        let at = Pointer::default().child("attachments").child(next.to_string());
        if !exchange_type.danger {
            let detail =
                "Une pièce est venue que l’enveloppe ne décrit pas : décrivez-la dans attachments[], avec son empreinte et sa classe.";
            faults.push(FieldFault { pointer: "/attachments".into(), code: "unknown-field", detail: detail.into() });
            break;
        }
        let class = exchange_type.most_protected_class();
        let body = draft.body.entry(class).or_default();
        body.insert(at.child("sha256"), json!(one.sha256));
        body.insert(at.child("size"), json!(one.size));
        for (name, value) in [("name", &one.name), ("media_type", &one.media_type)] {
            if let Some(value) = value {
                body.insert(at.child(name), json!(value));
            }
        }
        draft.missing.push(at.child("class").to_string());
        draft.attachments.push(one.sha256.clone());
        placed.push(Placed { n: next, class, attached: one });
    }
    if faults.is_empty() { Ok(placed) } else { Err(Refusal::NotConforming(faults)) }
}

/// Place, class and digest of each attachment that the document lists with one.
fn listed(draft: &Draft) -> Vec<(u32, DataClass, Pointer, String)> {
    let mut all = Vec::new();
    for (class, leaves) in &draft.body {
        for (at, value) in leaves.iter() {
            if let [top, n, last] = at.segments()
                && (top.as_str(), last.as_str()) == ("attachments", "sha256")
                && let (Ok(n), Some(sha256)) = (n.parse(), value.as_str())
            {
                let item = Pointer::default().child("attachments").child(u32::to_string(&n));
                all.push((n, *class, item, sha256.to_owned()));
            }
        }
    }
    all.sort_by_key(|(n, ..)| *n);
    all
}

/// One past each place of `attachments[]` of which the document says anything.
fn described(draft: &Draft) -> impl Iterator<Item = u32> {
    let leaves = draft.body.values().flat_map(Leaves::iter).map(|(at, _)| at);
    let kept = draft.non_conforme.iter().map(|kept| &kept.pointer);
    leaves.chain(kept).filter_map(|at| match at.segments() {
        [top, n, ..] if top == "attachments" => n.parse::<u32>().ok().map(|n| n + 1),
        _ => None,
    })
}

/// The size is what was counted. Gives what was told instead, if it was something else.
fn measure(draft: &mut Draft, class: DataClass, at: &Pointer, one: &Attached) -> Result<(), Value> {
    let leaves = draft.body.entry(class).or_default();
    let told = leaves.at(&at.child("size")).cloned();
    leaves.insert(at.child("size"), json!(one.size));
    match told {
        Some(told) if told.as_u64() != Some(one.size) => Err(told),
        _ => Ok(()),
    }
}

impl Attached {
    /// SHA-256 in lower-case hexadecimal.
    pub(super) fn digest(&self) -> &str {
        &self.sha256
    }
}

impl Placed<'_> {
    /// What the store keeps of it for one exchange.
    pub(super) fn seal(&self, key: &ExchangeKey, exchange: ExchangeId) -> Result<NewAttachment, Refusal> {
        let sealed = || {
            let Attached { id, key: own, sha256, size, .. } = self.attached;
            let wrapped = own.wrap(key, exchange, self.class, *id)?;
            let about = About { class: self.class, size: *size, sha256: sha256.clone(), key: wrapped };
            let plain = serde_json::to_vec(&about).map_err(|_| crate::seal::SealError::Malformed)?;
            seal_column(key, "attachment", exchange, &column(self.n), &plain)
        };
        Ok(NewAttachment { n: self.n, id: self.attached.id, sealed: sealed().map_err(|_| Refusal::Internal("seal"))? })
    }

    /// What the log commits to.
    pub(super) fn digest(&self) -> &str {
        &self.attached.sha256
    }
}

/// The column in which attachment `n` of an exchange is sealed.
pub(crate) fn column(n: u32) -> String {
    format!("about {n}")
}
