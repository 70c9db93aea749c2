//! Files that go with an envelope, and files that are fetched: streamed from and to the disk, never held in memory.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use exchange::DataClass;
use futures::{Stream, StreamExt, stream};
use reqwest::{Method, StatusCode, header};
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt, AsyncWriteExt},
};
use tokio_util::io::ReaderStream;

use super::{Client, ClientFault, TRIES, fault, refused};

/// A file that goes with an envelope.
#[derive(Debug, Clone)]
pub struct Enclosure {
    file: PathBuf,
    class: DataClass,
    size: u64,
    sha256: String,
}

impl Enclosure {
    /// Reads `file` once, for its size and digest.
    ///
    /// # Errors
    /// [`ClientFault::File`].
    pub async fn of(file: &Path, class: DataClass) -> Result<Self, ClientFault> {
        let (size, sha256) = measure(file).await?;
        Ok(Self { file: file.to_owned(), class, size, sha256 })
    }

    /// What `attachments[]` of the envelope says of it.
    pub fn described(&self) -> Value {
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut described = json!({"name": name, "title": name, "class": self.class, "size": self.size, "sha256": self.sha256});
        let extension = self.file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let known = MEDIA_TYPES.iter().find(|(end, _)| extension.as_deref() == Some(*end));
        if let (Some((_, media)), Value::Object(described)) = (known, &mut described) {
            described.insert("media_type".into(), json!(media));
        }
        described
    }
}

/// The body of a deposit with files (RFC 2387).
pub(super) fn related(
    boundary: &str,
    envelope: Vec<u8>,
    files: Vec<Enclosure>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let text = |text: String| stream::once(async move { Ok(Bytes::from(text)) });
    let first = text(format!("--{boundary}\r\ncontent-type: application/json\r\n\r\n"));
    let end = text(format!("\r\n--{boundary}--\r\n"));
    let boundary = boundary.to_owned();
    let parts = stream::iter(files).flat_map(move |one| {
        let head = format!("\r\n--{boundary}\r\ncontent-type: application/octet-stream\r\ncontent-id: <{}>\r\n\r\n", one.sha256);
        let content = stream::once(async move { File::open(one.file).await.map(ReaderStream::new) });
        let content = content.flat_map(|opened| match opened {
            Ok(reader) => reader.left_stream(),
            Err(error) => stream::once(async move { Err(error) }).right_stream(),
        });
        text(head).chain(content.boxed())
    });
    first.chain(stream::once(async move { Ok(Bytes::from(envelope)) })).chain(parts).chain(end)
}

pub(super) async fn fetch(client: &Client, path: &str, to: &Path, progress: impl Fn(u64, u64)) -> Result<(), ClientFault> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut wait = Duration::from_millis(200);
    for attempt in 1.. {
        match go_on(client, path, &part, &progress).await {
            Ok(sha256) => {
                if measure(&part).await?.1 != sha256 {
                    // What lies there is of another file, or was altered: the next fetch begins anew.
                    tokio::fs::remove_file(&part).await.map_err(|e| fault(&part, &e))?;
                    return Err(ClientFault::Answer);
                }
                return tokio::fs::rename(&part, to).await.map_err(|e| fault(to, &e));
            }
            Err(ClientFault::Transport(_)) if attempt < TRIES => {}
            Err(ClientFault::Refused { status, .. }) if matches!(status, 429 | 502..=504) && attempt < TRIES => {}
            Err(other) => return Err(other),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(10));
    }
    Err(ClientFault::Answer)
}

/// Fetches what is not there yet; gives the digest of the whole.
async fn go_on(client: &Client, path: &str, part: &Path, progress: &impl Fn(u64, u64)) -> Result<String, ClientFault> {
    let mut there = tokio::fs::metadata(part).await.map_or(0, |found| found.len());
    let mut request = client.request(Method::GET, path).timeout(super::LONG);
    if there > 0 {
        request = request.header(header::RANGE, format!("bytes={there}-"));
    }
    let mut answer = request.send().await.map_err(ClientFault::Transport)?;
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => {}
        StatusCode::OK => there = 0,
        // Everything is there already; or what is there is longer than the file, and is found out by its digest.
        StatusCode::RANGE_NOT_SATISFIABLE => return whole_digest(client, path).await,
        _ => return Err(refused(answer).await),
    }
    let sha256 = digest_named(&answer)?;
    let whole = there + answer.content_length().unwrap_or(0);
    let mut open = OpenOptions::new();
    // What was sealed is readable by its reader alone.
    let open = open.mode(0o600);
    let open = if there == 0 { open.write(true).truncate(true).create(true) } else { open.append(true) };
    let mut file = open.open(part).await.map_err(|e| fault(part, &e))?;
    while let Some(bytes) = answer.chunk().await.map_err(ClientFault::Transport)? {
        file.write_all(&bytes).await.map_err(|e| fault(part, &e))?;
        there += bytes.len() as u64;
        progress(there, whole);
    }
    file.sync_all().await.map_err(|e| fault(part, &e))?;
    Ok(sha256)
}

/// The digest alone, by asking for one byte.
async fn whole_digest(client: &Client, path: &str) -> Result<String, ClientFault> {
    let request = client.request(Method::GET, path).header(header::RANGE, "bytes=0-0");
    let answer = request.send().await.map_err(ClientFault::Transport)?;
    if answer.status().is_success() { digest_named(&answer) } else { Err(refused(answer).await) }
}

fn digest_named(answer: &reqwest::Response) -> Result<String, ClientFault> {
    let tag = answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    tag.map(|tag| tag.trim_matches('"').to_owned()).ok_or(ClientFault::Answer)
}

async fn measure(file: &Path) -> Result<(u64, String), ClientFault> {
    let mut opened = File::open(file).await.map_err(|e| fault(file, &e))?;
    let (mut sum, mut size, mut buffer) = (Context::new(&SHA256), 0, vec![0; 64 * 1024]);
    loop {
        let read = opened.read(&mut buffer).await.map_err(|e| fault(file, &e))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        sum.update(bytes);
        size += bytes.len() as u64;
    }
    Ok((size, sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// By the end of a file's name.
const MEDIA_TYPES: [(&str, &str); 6] = [
    ("pdf", "application/pdf"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];
