//! One attachment of a delivery, whole or from a byte on: to who may read the class of its file, after the entry that says
//! so is signed. It leaves chunk by chunk; memory stays constant.

use std::{ops::Range, sync::Arc};

use axum::body::Bytes;
use exchange::{
    AttachmentId, DataClass, DeliveryId,
    document::{Leaves, Pointer},
};
use futures::{Stream, stream};
use serde_json::json;

use super::{Loaded, known_to, load, nothing_there, refused, release};
use crate::{
    flows::{
        Caller, Rooms,
        accept::attached::{About, column},
    },
    log::Event,
    policy::{Opening, Release},
    refusal::{AttachmentFault, Refusal},
    seal::{
        self,
        chunks::{AttachmentKey, CHUNK},
    },
    store::delivery::{DeliveryRow, OpenDelivery},
};

/// What is asked of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part {
    /// First byte.
    pub from: u64,
    /// Last byte; absent: to its end.
    pub to: Option<u64>,
}

/// An attachment that leaves.
pub struct Leaving {
    /// Its name as its sender gave it: words of a stranger.
    pub name: Option<String>,
    /// Clear bytes in all.
    pub size: u64,
    /// SHA-256 of them, in lower-case hexadecimal.
    pub sha256: String,
    /// Which of them leave.
    pub bytes: Range<u64>,
    rooms: Arc<Rooms>,
    id: AttachmentId,
    key: AttachmentKey,
}

/// Opens the attachment of a delivery that [`offer`] named so.
///
/// # Errors
/// [`Refusal::NotFound`] when it is not there or may not be known of, its content never came, or its class is withheld from
/// this reader; [`Refusal::Denied`], [`Refusal::Erased`] as for the document; [`AttachmentFault::Range`].
#[tracing::instrument(level = "debug", skip_all, name = "open_attachment")]
pub async fn open(rooms: &Arc<Rooms>, caller: &Caller, id: DeliveryId, name: &str, part: Option<Part>) -> Result<Leaving, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Find.
    let professional = caller.professional(&law)?;
    let Some(delivery) = known_to(rooms, professional, id, now).await? else {
        return Err(nothing_there(rooms, &law, professional, &id, now).await);
    };
    let loaded = load(rooms, delivery.exchange).await?;
    if let Some(at) = loaded.taken_back(&law) {
        return Err(Refusal::Withdrawn { at });
    }
    // 2. Decide as for the document: what it says of this attachment must be readable, or it is not there.
    let release = match release(&law, professional, &delivery, &loaded, &loaded.classes, Opening::Ordinary, now)? {
        Ok(release) => release,
        Err(denial) => return Err(refused(rooms, &law, professional, &delivery, denial, now).await),
    };
    let n = named(rooms, &delivery, name).await?;
    let found = match n {
        Some(n) => readable(rooms, &loaded, &release, n).await?,
        None => None,
    };
    let (Some(n), Some(found)) = (n, found) else {
        return Err(nothing_there(rooms, &law, professional, &id, now).await);
    };
    let bytes = range(part, found.about.size)?;
    // 3. Write it down, and wait until it cannot be unwritten.
    let statement = rooms
        .state(&law, Event::ExchangeOpened, Some(loaded.row.id), now)
        .commit("delivery", &delivery.id)
        .commit("recipient", &delivery.recipient)
        .commit("professional", &professional.id)
        .commit("part", &"attachment")
        .commit("attachment", &json!({"n": n, "sha256": found.about.sha256, "from": bytes.start, "to": bytes.end}))
        .commit("decision", &json!({"result": "permit", "record": release.record()}));
    let entry = rooms.entry(statement)?;
    let leaf = entry.leaf_hash;
    rooms
        .store
        .write(OpenDelivery { id, exchange: loaded.row.id, at: now, by: professional.id.subject.clone(), word: delivery.word, entry })
        .await?;
    rooms.signed(&leaf).await?;
    // 4. Release.
    found.leave(rooms, &loaded, bytes)
}

/// Every attachment that may be read under a release, whole, with its media type; for who wrote the release down.
pub(super) async fn readable_all(
    rooms: &Arc<Rooms>,
    loaded: &Loaded,
    release: &Release,
) -> Result<Vec<(Leaving, Option<String>)>, Refusal> {
    let mut all = Vec::new();
    for n in rooms.store.attached(loaded.row.id).await? {
        if let Some(found) = readable(rooms, loaded, release, n).await? {
            let (media_type, whole) = (found.media_type.clone(), 0..found.about.size);
            all.push((found.leave(rooms, loaded, whole)?, media_type));
        }
    }
    Ok(all)
}

/// Says of each attachment that is described to this reader where its content is to be had; of one that never came nothing.
pub(super) async fn offer(rooms: &Rooms, delivery: &DeliveryRow, leaves: &mut Leaves) -> Result<(), Refusal> {
    for n in rooms.store.attached(delivery.exchange).await? {
        let at = Pointer::default().child("attachments").child(n.to_string());
        if leaves.at(&at.child("sha256")).is_some() {
            leaves.insert(at.child("content"), json!(format!("/v1/mailbox/{}/attachments/{}", delivery.id, name(rooms, delivery, n)?)));
        }
    }
    Ok(())
}

/// What an attachment is called in the address of a delivery: its place would tell how many others there are.
fn name(rooms: &Rooms, delivery: &DeliveryRow, n: u32) -> Result<String, Refusal> {
    let mut name = rooms.keystore.blind("attachment", &format!("{} {n}", delivery.id)).map_err(|_| Refusal::Internal("blind"))?;
    name.truncate(NAME);
    Ok(name)
}

async fn named(rooms: &Rooms, delivery: &DeliveryRow, wanted: &str) -> Result<Option<u32>, Refusal> {
    for n in rooms.store.attached(delivery.exchange).await? {
        if name(rooms, delivery, n)? == wanted {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

struct Found {
    about: About,
    id: AttachmentId,
    name: Option<String>,
    media_type: Option<String>,
}

impl Found {
    fn leave(self, rooms: &Arc<Rooms>, loaded: &Loaded, bytes: Range<u64>) -> Result<Leaving, Refusal> {
        let Self { about, id, name, .. } = self;
        let key = AttachmentKey::unwrap_from(&loaded.key, loaded.row.id, about.class, id, &about.key)
            .map_err(|_| Refusal::Internal("attachment"))?;
        Ok(Leaving { name, size: about.size, sha256: about.sha256, bytes, rooms: rooms.clone(), id, key })
    }
}

async fn readable(rooms: &Rooms, loaded: &Loaded, release: &Release, n: u32) -> Result<Option<Found>, Refusal> {
    let Some((id, sealed)) = rooms.store.attachment(loaded.row.id, n).await? else { return Ok(None) };
    let damaged = || Refusal::Internal("attachment");
    let plain = seal::open_column(&loaded.key, "attachment", loaded.row.id, &column(n), &sealed).map_err(|_| damaged())?;
    let about: About = serde_json::from_slice(&plain).map_err(|_| damaged())?;
    if !release.opens(about.class) {
        return Ok(None);
    }
    let leaves = described(loaded, release, about.class)?;
    let at = Pointer::default().child("attachments").child(n.to_string());
    if leaves.at(&at.child("sha256")).and_then(serde_json::Value::as_str) != Some(&about.sha256) {
        return Ok(None);
    }
    let said = |what: &str| leaves.at(&at.child(what)).and_then(serde_json::Value::as_str).map(str::to_owned);
    Ok(Some(Found { about, id, name: said("name"), media_type: said("media_type") }))
}

fn described(loaded: &Loaded, release: &Release, class: DataClass) -> Result<Leaves, Refusal> {
    let mut leaves = loaded.compartments.open(&loaded.key, loaded.row.id, class).map_err(|_| Refusal::Internal("content"))?;
    release.filter(class, &mut leaves);
    Ok(leaves)
}

fn range(part: Option<Part>, size: u64) -> Result<Range<u64>, AttachmentFault> {
    let Some(Part { from, to }) = part else { return Ok(0..size) };
    if from >= size {
        return Err(AttachmentFault::Range);
    }
    Ok(from..to.map_or(size, |to| to.saturating_add(1).min(size)))
}

impl Leaving {
    /// Its clear bytes, chunk by chunk; ends with a fault when one is not there any more, and whoever reads asks again.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Refusal>> + Send + 'static {
        let at = self.bytes.start;
        stream::try_unfold((self, at), |(leaving, at)| async move {
            if at >= leaving.bytes.end {
                return Ok(None);
            }
            let damaged = || Refusal::Internal("attachment");
            let n = at / CHUNK as u64;
            let sealed = leaving.rooms.attachments.chunk(leaving.id, n).await?.ok_or(Refusal::NotFound)?;
            let clear = leaving.key.open(leaving.id, leaving.size, n, &sealed).map_err(|_| damaged())?;
            let begin = n * CHUNK as u64;
            let end = leaving.bytes.end.min(begin + clear.len() as u64);
            let offset = |at: u64| usize::try_from(at - begin).map_err(|_| damaged());
            let bytes = clear.get(offset(at)?..offset(end)?).filter(|bytes| !bytes.is_empty()).ok_or_else(damaged)?;
            Ok(Some((Bytes::copy_from_slice(bytes), (leaving, end))))
        })
    }
}

/// Characters of an attachment's name in an address.
const NAME: usize = 16;
