//! Attachments: received and sealed before anything is decided, then put in their place in the document.
//!
//! They come as `multipart/related` (RFC 2387): the envelope first, then one part for each, whose `Content-ID` is its
//! SHA-256. Each is sealed chunk by chunk under a key that only this request knows; accepted, the key is wrapped for the
//! exchange; refused or broken off, what was kept is noise, and is taken away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use exchange::{
    AttachmentId, DataClass, ExchangeId, InstitutionId,
    document::{Leaves, Pointer},
    envelope::{Draft, FieldFault, NonConforming},
};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::parts::{Part, Parts};
use crate::{
    catalogue::ExchangeType,
    flows::Rooms,
    refusal::{AttachmentFault, Refusal},
    seal::{
        ExchangeKey,
        chunks::{AttachmentKey, ChunkSealer},
        seal_column,
    },
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

/// The first part: the envelope, in JSON, whatever it is called.
///
/// # Errors
/// [`AttachmentFault::Malformed`], [`Refusal::TooLarge`].
pub(super) async fn envelope(rooms: &Rooms, parts: &mut Parts) -> Result<Vec<u8>, Refusal> {
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
pub(super) struct Unnamed {
    rooms: Arc<Rooms>,
    ids: Vec<AttachmentId>,
}

impl Unnamed {
    pub(super) fn new(rooms: &Arc<Rooms>) -> Self {
        Self { rooms: rooms.clone(), ids: Vec::new() }
    }

    /// From here on an exchange may name them, whoever still waits for the answer: what it does not is swept.
    pub(super) fn leave(mut self) -> Vec<AttachmentId> {
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
pub(super) fn forget(rooms: &Arc<Rooms>, ids: Vec<AttachmentId>) -> JoinHandle<()> {
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
pub(super) async fn receive(
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
pub(super) async fn hold(
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
pub(super) async fn receive_form(
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
pub(super) async fn digests(rooms: &Rooms, parts: &mut Parts) -> Result<Vec<String>, Refusal> {
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

/// What a repeat is compared by: the envelope, and the content of everything that came with it.
pub(super) fn compared<'d>(canonical: &[u8], digests: impl IntoIterator<Item = &'d str>) -> Vec<u8> {
    let mut all = canonical.to_vec();
    for digest in digests.into_iter().collect::<BTreeSet<_>>() {
        all.push(b'\n');
        all.extend_from_slice(digest.as_bytes());
    }
    all
}

/// SHA-256 of a file, in lower-case hexadecimal.
pub(super) fn digest(file: &[u8]) -> String {
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

/// How long files may take to come: far shorter than what no exchange names is left alone.
const RECEIVED_WITHIN: Duration = Duration::from_secs(3600);
/// Characters of a name that no catalogue has judged.
const NAME: usize = 255;
