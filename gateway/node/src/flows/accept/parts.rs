//! The parts of a `multipart/related` body (RFC 2387), one after the other, and never more than a little of it in memory.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, BodyDataStream, Bytes};
use futures::Stream;
use multer::{Field, Multipart};

use crate::refusal::AttachmentFault;

/// A body in parts.
pub struct Parts {
    multipart: Multipart<'static>,
    /// Bytes that were taken in since something came out.
    ahead: Arc<AtomicU64>,
}

/// One part.
pub(super) struct Part {
    field: Field<'static>,
    ahead: Arc<AtomicU64>,
}

impl Parts {
    /// Reads a body whose parts this boundary divides.
    pub fn new(body: Body, boundary: &str) -> Self {
        let ahead: Arc<AtomicU64> = Arc::default();
        let stream = Breathing { body: body.into_data_stream(), gave: false, ahead: ahead.clone() };
        Self { multipart: Multipart::new(stream, boundary), ahead }
    }

    /// The next part; nothing after the last one. A part that was not read to its end is passed over.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, AttachmentFault> {
        // What is passed over may be long; what it leaves in memory is not.
        let field = self.multipart.next_field().await.map_err(|_| AttachmentFault::Malformed)?;
        self.ahead.store(0, Ordering::Relaxed);
        Ok(field.map(|field| Part { field, ahead: self.ahead.clone() }))
    }

    /// The next part as a word of a form, by its name; nothing when it is none, or longer than a word is.
    ///
    /// # Errors
    /// [`AttachmentFault::Malformed`].
    pub async fn word(&mut self) -> Result<Option<(String, String)>, AttachmentFault> {
        let Some(part) = self.next().await? else { return Ok(None) };
        let name = part.name().unwrap_or_default().to_owned();
        Ok(part.text().await?.map(|text| (name, text)))
    }

    /// Reads what is left and keeps nothing of it.
    /// Not for ever: who goes on sending is cut off.
    pub async fn pass_over(&mut self) {
        let passing = async {
            while let Ok(Some(mut part)) = self.next().await {
                while let Ok(Some(_)) = part.chunk().await {}
            }
        };
        let _ = tokio::time::timeout(PASSED_WITHIN, passing).await;
    }
}

impl Part {
    /// The next bytes of it; nothing after the last ones.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, AttachmentFault> {
        let bytes = self.field.chunk().await.map_err(|_| AttachmentFault::Malformed)?;
        self.ahead.store(0, Ordering::Relaxed);
        Ok(bytes)
    }

    /// One of its headers.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.field.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// What the form that it comes from calls it.
    pub(super) fn name(&self) -> Option<&str> {
        self.field.name()
    }

    /// What it says, when that is short and text.
    pub(super) async fn text(mut self) -> Result<Option<String>, AttachmentFault> {
        let mut bytes = Vec::new();
        while let Some(more) = self.chunk().await? {
            bytes.extend_from_slice(&more);
            if bytes.len() > WORD {
                return Err(AttachmentFault::Malformed);
            }
        }
        Ok(String::from_utf8(bytes).ok())
    }

    /// The file name that its sender gave it.
    pub(super) fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }
}

/// One frame at a time, and not more than [`AHEAD`] before something of it comes out: the reader of parts would otherwise
/// hold all that a fast sender sends, and the headers of a part without end.
struct Breathing {
    body: BodyDataStream,
    gave: bool,
    ahead: Arc<AtomicU64>,
}

/// Why a body is not read on.
#[derive(Debug, thiserror::Error)]
enum BodyFault {
    #[error("the body broke off")]
    Broken(#[from] axum::Error),
    #[error("headers without end")]
    Endless,
}

impl Stream for Breathing {
    type Item = Result<Bytes, BodyFault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.gave = true;
            if self.ahead.fetch_add(bytes.len() as u64, Ordering::Relaxed) > AHEAD {
                return Poll::Ready(Some(Err(BodyFault::Endless)));
            }
        }
        next.map(|next| next.map(|bytes| bytes.map_err(BodyFault::from)))
    }
}

/// More than the headers of a part need, and little enough to be searched over and over while they come.
const AHEAD: u64 = 16 * 1024;

/// Bytes of a word of a form.
const WORD: usize = 4 * 1024;

/// How long the rest of what is refused may take to arrive.
const PASSED_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    fn body(pieces: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(pieces).map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))))
    }

    fn whole(content: &[u8]) -> Vec<u8> {
        let mut all = b"--b\r\ncontent-type: application/json\r\n\r\n{}\r\n--b\r\ncontent-id: <x>\r\n\r\n".to_vec();
        all.extend_from_slice(content);
        all.extend_from_slice(b"\r\n--b--\r\n");
        all
    }

    #[tokio::test]
    async fn parts_come_whole_in_any_pieces() {
        let content: Vec<u8> =
            b"\r\n--almost\r\n--b".iter().copied().cycle().take(5000).map(|byte| if byte == b'b' { b'c' } else { byte }).collect();
        for step in [1, 7, 64, 4096, 100_000] {
            let mut parts = Parts::new(body(whole(&content).chunks(step).map(<[u8]>::to_vec).collect()), "b");
            assert_eq!(parts.next().await.unwrap().unwrap().header("content-type"), Some("application/json"));
            let mut part = parts.next().await.unwrap().unwrap();
            assert_eq!(part.header("content-id"), Some("<x>"));
            let mut read = Vec::new();
            while let Some(bytes) = part.chunk().await.unwrap() {
                read.extend_from_slice(&bytes);
            }
            assert!(read == content, "{step}");
            drop(part);
            assert!(parts.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_breaks_off_or_never_begins_is_refused() {
        let all = whole(b"abc");
        for cut in [0, 1, 10, 45, 70, all.len() - 6] {
            let mut parts = Parts::new(body(vec![all[..cut].to_vec()]), "b");
            let read = async {
                while let Some(mut part) = parts.next().await? {
                    while part.chunk().await?.is_some() {}
                }
                Ok::<_, AttachmentFault>(())
            };
            assert_eq!(read.await, Err(AttachmentFault::Malformed), "{cut}");
        }
    }

    #[tokio::test]
    async fn headers_without_end_are_not_held_in_memory() {
        let endless = stream::iter(std::iter::once(b"--b\r\nx: ".to_vec()).chain(std::iter::repeat(vec![b'a'; 64 * 1024])));
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let endless = endless.map(move |piece| {
            count.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(piece))
        });
        let mut parts = Parts::new(Body::from_stream(endless), "b");
        assert_eq!(parts.next().await.err(), Some(AttachmentFault::Malformed));
        assert!(taken.load(Ordering::Relaxed) < 256 * 1024);
    }
}
