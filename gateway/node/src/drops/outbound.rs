//! What leaves for a partner: one delivery as one drop, at least once, each time under the same name. Its files first, then the
//! list of them, last the signature of the list: a drop is there once its signature is.

use std::{collections::BTreeSet, convert::Infallible};

use adapters::drop::{
    Listed, Manifest, Sequence,
    name::Part,
    signature::{self, Algorithm},
};
use axum::body::Bytes;
use exchange::Instant;
use futures::{StreamExt, stream, stream::BoxStream};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};

use super::{
    Drops,
    native::Layouts,
    partner::Partner,
    wire::{Link, WireFault},
};
use crate::{
    directory::PushEndpoint,
    flows::{
        collect::system::{Content, Handed, hand_over},
        forward::{NotLeft, Notice},
    },
    refusal::{Fault, Refusal},
    store::{delivery::DeliveryRow, drops::NumberDrop},
};

/// One file of a drop that is about to leave.
struct Leaving {
    extension: &'static str,
    size: u64,
    sha256: String,
    content: BoxStream<'static, Result<Bytes, Refusal>>,
}

impl Drops {
    /// Leaves one delivery for its partner.
    ///
    /// # Errors
    /// [`NotLeft`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn leave(&self, delivery: &DeliveryRow, endpoint: &PushEndpoint) -> Result<(), NotLeft> {
        let name = endpoint.dropped_at().unwrap_or_default();
        let Some(partner) = self.partners.get(name) else { return Err(NotLeft::Never("no-partner-file")) };
        // 1. The partner is there: until then nothing is opened, and no number is given.
        let link = Link::open(partner, &self.key).await.map_err(|fault| {
            super::told_of_host_key(partner, fault);
            NotLeft::Later(fault.code())
        })?;
        let left = self.leave_at(&link, partner, delivery, endpoint).await;
        link.close().await;
        left
    }

    async fn leave_at(&self, link: &Link, partner: &Partner, delivery: &DeliveryRow, endpoint: &PushEndpoint) -> Result<(), NotLeft> {
        // 2. What may leave, written down and signed before it does.
        let (files, content) = match hand_over(&self.rooms, delivery, endpoint).await {
            Ok(Handed::Content(content)) => match self.written(partner, delivery, *content)? {
                Some(files) => (files, true),
                None => (vec![notice(delivery)?], false),
            },
            Ok(Handed::Notice(why)) => {
                tracing::info!(delivery.id = %delivery.id, partner = %partner.institution, why, "only a notice leaves for a partner's system");
                (vec![notice(delivery)?], false)
            }
            // What was erased meanwhile is told to nobody.
            Err(Refusal::Erased { .. }) => {
                self.take_back(link, partner, delivery).await?;
                return Err(NotLeft::Never("erased"));
            }
            Err(refusal) => return Err(later(&refusal)),
        };
        // 3. Its number, the same at each try.
        let number = NumberDrop { delivery: delivery.id, partner: partner.institution.clone(), at: self.rooms.clock.now(), content };
        let numbered = self.rooms.store.write(number).await.map_err(|_| NotLeft::Later("store"))?;
        let sequence = Sequence::new(numbered.sequence).ok_or(NotLeft::Never("no-number"))?;
        // 4. Upload. A crash here: what has its name is whole, and the next try replaces it by the same.
        self.upload(link, partner, (sequence, numbered.at), files).await.map_err(|fault| NotLeft::Later(fault.code()))?;
        metrics::counter!(super::SENT).increment(1);
        Ok(())
    }

    /// The files of a document; nothing when the partner has no file for such an exchange.
    fn written(&self, partner: &Partner, delivery: &DeliveryRow, content: Content) -> Result<Option<Vec<Leaving>>, NotLeft> {
        let law = self.rooms.law.load_full();
        let layouts = Layouts::of(partner, &law).map_err(|_| NotLeft::Later("layouts"))?;
        let file = layouts.write(partner, &content.document, delivery.delivered_at).map_err(|_| NotLeft::Never("unwritable"))?;
        let Some(file) = file else {
            tracing::info!(delivery.id = %delivery.id, partner = %partner.institution, "a partner has no file for such an exchange");
            return Ok(None);
        };
        tracing::info!(delivery.id = %delivery.id, partner = %partner.institution, left_out = file.left_out, "written for a partner's system");
        let extension = match partner.form {
            adapters::mapping::Format::Csv => "csv",
            adapters::mapping::Format::Xml => "xml",
        };
        let mut files = vec![of_bytes(extension, file.bytes)];
        files.extend(content.attachments.into_iter().map(|(leaving, media_type)| Leaving {
            extension: extension_of(media_type.as_deref()),
            size: leaving.size,
            sha256: leaving.sha256.clone(),
            content: leaving.stream().boxed(),
        }));
        Ok(Some(files))
    }

    async fn upload(
        &self,
        link: &Link,
        partner: &Partner,
        (sequence, at): (Sequence, Instant),
        files: Vec<Leaving>,
    ) -> Result<(), WireFault> {
        // What an earlier try left, half or whole, that is none of what leaves now: it may be what was withdrawn since.
        let ours = |part| partner.ours(sequence, part).to_string();
        let named = |(rank, file): (u16, &Leaving)| ours(Part::File { rank, extension: file.extension.to_owned() });
        let mut names: BTreeSet<String> = (1..).zip(&files).map(named).collect();
        names.extend([ours(Part::Manifest), ours(Part::ManifestSignature)]);
        clear(link, partner, sequence, |name| !names.contains(name)).await?;
        let mine = nonce()?;
        let mut listed = Vec::new();
        for (rank, file) in (1..).zip(files) {
            let name = partner.ours(sequence, Part::File { rank, extension: file.extension.to_owned() });
            link.put(&partner.outbox, &name.to_string(), &mine, file.content).await?;
            listed.push(Listed { name, size: file.size, sha256: file.sha256 });
        }
        let manifest =
            Manifest { sender: partner.serves.clone(), recipient: partner.institution.clone(), sequence, instant: at, files: listed };
        let bytes = manifest.write().map_err(|_| WireFault::Content)?;
        let jws = self.signed(&bytes);
        link.put(&partner.outbox, &manifest.name().to_string(), &mine, once(bytes)).await?;
        link.put(&partner.outbox, &partner.ours(sequence, Part::ManifestSignature).to_string(), &mine, once(jws)).await
    }

    /// Takes away what earlier tries left of a delivery that leaves for nobody any more.
    async fn take_back(&self, link: &Link, partner: &Partner, delivery: &DeliveryRow) -> Result<(), NotLeft> {
        let number = self.rooms.store.drop_of(delivery.id).await.map_err(|_| NotLeft::Later("store"))?;
        let Some(sequence) = number.and_then(Sequence::new) else { return Ok(()) };
        clear(link, partner, sequence, |_| true).await.map_err(|fault| NotLeft::Later(fault.code()))
    }

    /// A detached signature of this gateway.
    pub(super) fn signed(&self, bytes: &[u8]) -> Vec<u8> {
        let signer = &self.rooms.signer;
        let made: Result<Vec<u8>, Infallible> = signature::sign(signer.kid(), Algorithm::EdDsa, bytes, |input| Ok(signer.sign_drop(input)));
        match made {
            Ok(jws) => jws,
            Err(never) => match never {},
        }
    }
}

/// Takes away files of one of our drops. Where there are any its signature goes first: without it no drop is there.
async fn clear(link: &Link, partner: &Partner, sequence: Sequence, stale: impl Fn(&str) -> bool) -> Result<(), WireFault> {
    let signature = partner.ours(sequence, Part::ManifestSignature).to_string();
    let Some(own) = signature.split('.').next() else { return Ok(()) };
    let of_drop = |name: &str| name.strip_prefix(own).is_some_and(|rest| rest.starts_with(['.', '_']));
    if link.list(&partner.outbox).await?.iter().any(|file| of_drop(&file.name) && stale(&file.name) && !file.name.ends_with(".part")) {
        link.remove(&format!("{}/{signature}", partner.outbox)).await?;
    }
    link.remove_all(&partner.outbox, |name| of_drop(name) && stale(name)).await
}

/// That something waits, and nothing more.
fn notice(delivery: &DeliveryRow) -> Result<Leaving, NotLeft> {
    let bytes = serde_json::to_vec(&Notice::of(delivery)).map_err(|_| NotLeft::Never("unwritable"))?;
    Ok(of_bytes("json", bytes))
}

fn of_bytes(extension: &'static str, bytes: Vec<u8>) -> Leaving {
    let sha256 = hex(&bytes);
    Leaving { extension, size: bytes.len() as u64, sha256, content: stream::once(async { Ok(Bytes::from(bytes)) }).boxed() }
}

/// Bytes as a file to be put.
pub(super) fn once(bytes: Vec<u8>) -> BoxStream<'static, Result<Bytes, Infallible>> {
    stream::once(async { Ok(Bytes::from(bytes)) }).boxed()
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a file that is being written is called apart from those of another try.
pub(super) fn nonce() -> Result<String, WireFault> {
    let mut random = [0; 6];
    SystemRandom::new().fill(&mut random).map_err(|_| WireFault::Content)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn extension_of(media_type: Option<&str>) -> &'static str {
    match media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim() {
        "application/pdf" => "pdf",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "text/plain" => "txt",
        "application/zip" => "zip",
        "application/xml" | "text/xml" => "xml",
        _ => "bin",
    }
}

/// What we cannot now is tried again; so is what only a change of the rules, the directory or the agreements cures.
fn later(refusal: &Refusal) -> NotLeft {
    let face = refusal.face();
    tracing::warn!(error = %refusal, "a delivery cannot leave for a partner's system now");
    NotLeft::Later(match face.fault {
        Fault::Ours => "ours",
        Fault::Caller => "refused",
    })
}
