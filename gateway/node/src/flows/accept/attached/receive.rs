//! Receiving: what comes is counted, digested and sealed block by block, before anything is decided of it, and taken away again when
//! nothing comes of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use exchange::{AttachmentId, InstitutionId};
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Attached, AttachmentLimits};
use crate::{
    flows::{
        Rooms,
        accept::parts::{Part, Parts},
    },
    refusal::{AttachmentFault, Refusal},
    seal::chunks::{AttachmentKey, ChunkSealer},
};

/// The first part: the envelope, in JSON, whatever it is called.
///
/// # Errors
/// [`AttachmentFault::Malformed`], [`Refusal::TooLarge`].
pub(in crate::flows::accept) async fn envelope(rooms: &Rooms, parts: &mut Parts) -> Result<Vec<u8>, Refusal> {
    let mut part = parts.next().await?.ok_or(AttachmentFault::Malformed)?;
    let mut bytes = Vec::new();
    while let Some(more) = part.chunk().await? {
        if bytes.len() + more.len() > rooms.attachment_limits.envelope_bytes {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&more);
    }
    Ok(bytes)
}

/// What was kept and no exchange names yet. Whoever sends may vanish at any instant: dropped, it takes it away again.
pub(in crate::flows::accept) struct Unnamed {
    rooms: Arc<Rooms>,
    ids: Vec<AttachmentId>,
}

impl Unnamed {
    pub(in crate::flows::accept) fn new(rooms: &Arc<Rooms>) -> Self {
        Self { rooms: rooms.clone(), ids: Vec::new() }
    }

    /// From here on an exchange may name them, whoever still waits for the answer: what it does not is swept.
    pub(in crate::flows::accept) fn leave(mut self) -> Vec<AttachmentId> {
        std::mem::take(&mut self.ids)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        let ids = std::mem::take(&mut self.ids);
        if !ids.is_empty() {
            drop(forget(&self.rooms, ids));
        }
    }
}

/// Takes away what no exchange will name, also when nobody waits for it. What a fault leaves is swept later.
pub(in crate::flows::accept) fn forget(rooms: &Arc<Rooms>, ids: Vec<AttachmentId>) -> JoinHandle<()> {
    let rooms = rooms.clone();
    tokio::spawn(async move {
        if let Err(error) = rooms.attachments.drop_all(&ids).await {
            tracing::warn!(error = %error, attachments = ids.len(), "attachments that no exchange names are left to be swept");
        }
    })
}

/// Receives every part that follows the envelope; what was begun is in `unnamed`, whatever comes of it.
///
/// # Errors
/// [`AttachmentFault`]; the store or the system's randomness is unavailable.
pub(in crate::flows::accept) async fn receive(
    (institution, danger): (&InstitutionId, bool),
    parts: &mut Parts,
    unnamed: &mut Unnamed,
) -> Result<Vec<Attached>, Refusal> {
    // Whoever sends no file needs no place.
    let Some(first) = parts.next().await? else { return Ok(Vec::new()) };
    let rooms = unnamed.rooms.clone();
    let _place = rooms.attachments.place(institution, danger).ok_or(AttachmentFault::Busy)?;
    let receiving = async {
        let (mut all, mut next) = (Vec::new(), Some(first));
        while let Some(part) = next {
            let AttachmentLimits { count, .. } = rooms.attachment_limits;
            if all.len() == count {
                return Err(AttachmentFault::TooMany { at_most: count }.into());
            }
            if !rooms.attachments.has_room() {
                return Err(AttachmentFault::NoRoom.into());
            }
            let id = AttachmentId::new();
            unnamed.ids.push(id);
            all.push(one(&rooms, id, part).await?);
            next = parts.next().await?;
        }
        Ok(all)
    };
    tokio::time::timeout(RECEIVED_WITHIN, receiving).await.map_err(|_| AttachmentFault::TooSlow)?
}

/// Seals files that are in memory already: what an adapter found in a partner's own format. What was begun is in `unnamed`,
/// whatever comes of it.
///
/// # Errors
/// As [`receive`].
pub(in crate::flows::accept) async fn hold(
    (institution, danger): (&InstitutionId, bool),
    files: Vec<Vec<u8>>,
    unnamed: &mut Unnamed,
) -> Result<Vec<Attached>, Refusal> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let rooms = unnamed.rooms.clone();
    let _place = rooms.attachments.place(institution, danger).ok_or(AttachmentFault::Busy)?;
    let AttachmentLimits { count, .. } = rooms.attachment_limits;
    if files.len() > count {
        return Err(AttachmentFault::TooMany { at_most: count }.into());
    }
    let mut all = Vec::new();
    for file in files {
        if !rooms.attachments.has_room() {
            return Err(AttachmentFault::NoRoom.into());
        }
        let id = AttachmentId::new();
        unnamed.ids.push(id);
        let mut coming = Coming::begin(&rooms, id)?;
        coming.take(&file).await?;
        let sha256 = coming.digest();
        all.push(coming.end(sha256).await?);
    }
    Ok(all)
}

/// Receives the files of a form, each with its place in `attachments[]` as the form describes it: `<name>.title`,
/// `<name>.class`. What was begun is in `unnamed`, whatever comes of it.
///
/// # Errors
/// As [`receive`].
pub(in crate::flows::accept) async fn receive_form(
    (institution, danger): (&InstitutionId, bool),
    parts: &mut Parts,
    unnamed: &mut Unnamed,
) -> Result<Vec<(Attached, Value)>, Refusal> {
    let rooms = unnamed.rooms.clone();
    let receiving = async {
        let (mut files, mut words, mut place) = (Vec::new(), BTreeMap::new(), None);
        while let Some(part) = parts.next().await? {
            let name = part.name().unwrap_or_default().to_owned();
            match part.file_name().map(str::is_empty) {
                None => {
                    // A form says a title and a class of each file, and little else.
                    if words.len() > 4 * rooms.attachment_limits.count || name.len() > 100 {
                        return Err(AttachmentFault::Malformed.into());
                    }
                    drop(words.insert(name, part.text().await?.unwrap_or_default()));
                }
                // A place for a file that was left empty.
                Some(true) => {}
                Some(false) => {
                    let AttachmentLimits { count, .. } = rooms.attachment_limits;
                    if files.len() == count {
                        return Err(Refusal::from(AttachmentFault::TooMany { at_most: count }));
                    }
                    if !rooms.attachments.has_room() {
                        return Err(AttachmentFault::NoRoom.into());
                    }
                    if place.is_none() {
                        place = Some(rooms.attachments.place(institution, danger).ok_or(AttachmentFault::Busy)?);
                    }
                    let id = AttachmentId::new();
                    unnamed.ids.push(id);
                    files.push((name, one(&rooms, id, part).await?));
                }
            }
        }
        Ok((files, words))
    };
    let (files, words) = tokio::time::timeout(RECEIVED_WITHIN, receiving).await.map_err(|_| AttachmentFault::TooSlow)??;
    let described = |(field, one): (String, Attached)| {
        let mut said = json!({"sha256": one.sha256, "size": one.size});
        let word = |last| words.get(&format!("{field}.{last}")).map(|word| word.trim()).filter(|word| !word.is_empty());
        let told =
            [("name", one.name.as_deref()), ("media_type", one.media_type.as_deref()), ("title", word("title")), ("class", word("class"))];
        if let Value::Object(said) = &mut said {
            said.extend(told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
        }
        (one, said)
    };
    Ok(files.into_iter().map(described).collect())
}

/// The digests of every part that follows the envelope, of a deposit whose key is known: nothing of it is kept.
///
/// # Errors
/// [`AttachmentFault`].
pub(in crate::flows::accept) async fn digests(rooms: &Rooms, parts: &mut Parts) -> Result<Vec<String>, Refusal> {
    let AttachmentLimits { count, bytes: at_most, .. } = rooms.attachment_limits;
    let mut all = Vec::new();
    while let Some(mut part) = parts.next().await? {
        if all.len() == count {
            return Err(AttachmentFault::TooMany { at_most: count }.into());
        }
        let (mut sum, mut size) = (Context::new(&SHA256), 0);
        while let Some(bytes) = part.chunk().await? {
            size += bytes.len() as u64;
            if size > at_most {
                return Err(AttachmentFault::TooLarge { at_most: at_most / (1024 * 1024) }.into());
            }
            sum.update(&bytes);
        }
        all.push(hex(sum));
    }
    Ok(all)
}

/// SHA-256 of a file, in lower-case hexadecimal.
pub(in crate::flows::accept) fn digest(file: &[u8]) -> String {
    let mut sum = Context::new(&SHA256);
    sum.update(file);
    hex(sum)
}

fn hex(sum: Context) -> String {
    sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn one(rooms: &Rooms, id: AttachmentId, mut part: Part) -> Result<Attached, Refusal> {
    let announced = part.header("content-id").and_then(digest_of);
    let media_type = part.header("content-type").map(short);
    let name = part.file_name().map(short);
    let mut coming = Coming::begin(rooms, id)?;
    while let Some(bytes) = part.chunk().await? {
        coming.take(&bytes).await?;
    }
    let sha256 = coming.digest();
    if announced.is_some_and(|announced| announced != sha256) {
        return Err(AttachmentFault::Altered.into());
    }
    Ok(Attached { media_type, name, ..coming.end(sha256).await? })
}

/// An attachment while it comes: counted, digested and sealed, and never more than a block of it in memory.
struct Coming<'r> {
    rooms: &'r Rooms,
    id: AttachmentId,
    key: AttachmentKey,
    sealer: ChunkSealer,
    sum: Context,
    size: u64,
    blocks: u32,
}

impl<'r> Coming<'r> {
    fn begin(rooms: &'r Rooms, id: AttachmentId) -> Result<Self, Refusal> {
        let key = AttachmentKey::random().map_err(|_| Refusal::Internal("seal"))?;
        let sealer = ChunkSealer::new(id, &key);
        Ok(Self { rooms, id, key, sealer, sum: Context::new(&SHA256), size: 0, blocks: 0 })
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let at_most = self.rooms.attachment_limits.bytes;
        self.size += bytes.len() as u64;
        if self.size > at_most {
            return Err(AttachmentFault::TooLarge { at_most: at_most / (1024 * 1024) }.into());
        }
        self.sum.update(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (later, block) = self.sealer.take(rest).map_err(|_| Refusal::Internal("seal"))?;
            if let Some(block) = block {
                self.rooms.attachments.keep(self.id, self.blocks, block, self.rooms.clock.now()).await?;
                self.blocks += 1;
            }
            rest = later;
        }
        Ok(())
    }

    /// The digest of all that came.
    fn digest(&self) -> String {
        hex(self.sum.clone())
    }

    /// Keeps what is left: now all of it is durable.
    async fn end(self, sha256: String) -> Result<Attached, Refusal> {
        let Self { rooms, id, key, sealer, size, blocks, .. } = self;
        let last = sealer.finish().map_err(|_| Refusal::Internal("seal"))?;
        rooms.attachments.keep(id, blocks, last, rooms.clock.now()).await?;
        Ok(Attached { id, key, sha256, size, media_type: None, name: None })
    }
}

/// `<…>` or not, `sha256:` or not, with a domain or not: 64 hexadecimal digits. Anything else announces nothing.
fn digest_of(id: &str) -> Option<String> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let id = id.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let id = id.strip_prefix("sha256:").unwrap_or(&id);
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}

/// A name or a type as far as it is one.
fn short(text: &str) -> String {
    text.chars().take(NAME).collect()
}

/// How long files may take to come: far shorter than what no exchange names is left alone.
const RECEIVED_WITHIN: Duration = Duration::from_secs(3600);
/// Characters of a name that no catalogue has judged.
const NAME: usize = 255;
