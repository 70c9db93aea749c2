//! Long contents, sealed piece by piece: memory stays constant, and a reader may begin anywhere.
//!
//! Each attachment has a key of its own. A chunk authenticates its number and whether it is the last one, so that none can
//! be moved, left out or cut off. Blocks are what the store keeps: sixteen chunks one after the other.

use exchange::{AttachmentId, DataClass, ExchangeId};
use zeroize::{Zeroize, Zeroizing};

use super::{
    ExchangeKey, Place, SealError, Secret,
    body::{Subkey, open_bytes, seal_bytes},
};

/// Clear bytes of a chunk; the last one has fewer.
pub const CHUNK: usize = 64 * 1024;
/// Chunks of a block.
pub const BLOCK_CHUNKS: usize = 16;
/// Bytes of a sealed chunk that is not the last: nonce, content, tag.
pub const SEALED_CHUNK: usize = 12 + CHUNK + 16;

/// The key of one attachment: known to nobody until an exchange is accepted that wraps it.
#[derive(Clone)]
pub struct AttachmentKey {
    secret: Secret,
    chunks: Subkey,
}

impl AttachmentKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn random() -> Result<Self, SealError> {
        Self::of(Secret::random()?)
    }

    /// Wraps this key for one exchange, in the class of the attachment: whoever may not read the class has no key.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn wrap(&self, key: &ExchangeKey, exchange: ExchangeId, class: DataClass, id: AttachmentId) -> Result<Vec<u8>, SealError> {
        let row = format!("{exchange}/{id}");
        self.secret.wrap(&key.class(class)?, &wrapped(&row, class))
    }

    /// Opens what [`AttachmentKey::wrap`] sealed for the same exchange, class and attachment.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn unwrap_from(
        key: &ExchangeKey,
        exchange: ExchangeId,
        class: DataClass,
        id: AttachmentId,
        sealed: &[u8],
    ) -> Result<Self, SealError> {
        let row = format!("{exchange}/{id}");
        Self::of(Secret::unwrap_from(&key.class(class)?, &wrapped(&row, class), sealed)?)
    }

    fn of(secret: Secret) -> Result<Self, SealError> {
        Ok(Self { chunks: Subkey::derive(&secret, &[b"chunks"])?, secret })
    }

    /// Opens chunk `n` of an attachment of `size` clear bytes.
    ///
    /// # Errors
    /// [`SealError::Malformed`] when there is no such chunk, [`SealError::DoesNotOpen`].
    pub fn open(&self, id: AttachmentId, size: u64, n: u64, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let last = last_chunk(size);
        if n > last {
            return Err(SealError::Malformed);
        }
        open_bytes(&self.chunks, &chunk_place(&id.to_string(), &column(n, n == last)), sealed)
    }
}

/// Seals an attachment as it comes.
pub struct ChunkSealer {
    id: String,
    key: Subkey,
    next: u64,
    clear: Zeroizing<Vec<u8>>,
    block: Vec<u8>,
}

impl ChunkSealer {
    /// Begins at the first byte.
    pub fn new(id: AttachmentId, key: &AttachmentKey) -> Self {
        Self {
            id: id.to_string(),
            key: key.chunks.clone(),
            next: 0,
            clear: Zeroizing::new(Vec::with_capacity(CHUNK)),
            block: Vec::with_capacity(SEALED_CHUNK * BLOCK_CHUNKS),
        }
    }

    /// Takes the next bytes, as many as there are; gives the block that they fill, if they fill one. To be called again
    /// with the rest, which is what the first part of the answer says.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn take<'b>(&mut self, mut bytes: &'b [u8]) -> Result<(&'b [u8], Option<Vec<u8>>), SealError> {
        while !bytes.is_empty() {
            // A full chunk is sealed only once something follows it: until then it may be the last one.
            if self.clear.len() == CHUNK {
                self.seal(false)?;
                if self.block.len() == SEALED_CHUNK * BLOCK_CHUNKS {
                    return Ok((bytes, Some(self.full_block())));
                }
            }
            let room = (CHUNK - self.clear.len()).min(bytes.len());
            let (now, later) = bytes.split_at_checked(room).ok_or(SealError::Malformed)?;
            self.clear.extend_from_slice(now);
            bytes = later;
        }
        Ok((bytes, None))
    }

    /// Seals what is left as the last chunk; gives the last block. An empty attachment has one empty chunk.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn finish(mut self) -> Result<Vec<u8>, SealError> {
        self.seal(true)?;
        Ok(self.block)
    }

    fn seal(&mut self, last: bool) -> Result<(), SealError> {
        let sealed = seal_bytes(&self.key, &chunk_place(&self.id, &column(self.next, last)), &self.clear)?;
        self.block.extend_from_slice(&sealed);
        self.clear.zeroize();
        self.next += 1;
        Ok(())
    }

    fn full_block(&mut self) -> Vec<u8> {
        std::mem::replace(&mut self.block, Vec::with_capacity(SEALED_CHUNK * BLOCK_CHUNKS))
    }
}

/// Number of the last chunk of `size` clear bytes.
pub fn last_chunk(size: u64) -> u64 {
    size.saturating_sub(1) / CHUNK as u64
}

fn wrapped(row: &str, class: DataClass) -> Place<'_> {
    Place { table: "attachment", row, column: "key", class: class.as_str(), epoch: EPOCH }
}

fn chunk_place<'a>(id: &'a str, column: &'a str) -> Place<'a> {
    Place { table: "block", row: id, column, class: "", epoch: EPOCH }
}

fn column(n: u64, last: bool) -> String {
    format!("chunk {n} {}", if last { "last" } else { "more" })
}

const EPOCH: u32 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(id: AttachmentId, key: &AttachmentKey, clear: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut sealer = ChunkSealer::new(id, key);
        let mut blocks = Vec::new();
        for mut piece in clear.chunks(step.max(1)) {
            while !piece.is_empty() {
                let (rest, block) = sealer.take(piece).unwrap();
                blocks.extend(block);
                piece = rest;
            }
        }
        blocks.push(sealer.finish().unwrap());
        blocks
    }

    fn opened(id: AttachmentId, key: &AttachmentKey, size: u64, blocks: &[Vec<u8>]) -> Result<Vec<u8>, SealError> {
        let mut clear = Vec::new();
        for n in 0..=last_chunk(size) {
            let n_usize = usize::try_from(n).unwrap();
            let block = blocks.get(n_usize / BLOCK_CHUNKS).ok_or(SealError::Malformed)?;
            let sealed = block.chunks(SEALED_CHUNK).nth(n_usize % BLOCK_CHUNKS).ok_or(SealError::Malformed)?;
            clear.extend_from_slice(&key.open(id, size, n, sealed)?);
        }
        Ok(clear)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_comes_in_any_pieces_comes_back(size in 0_usize..(3 * CHUNK * BLOCK_CHUNKS), step in 1_usize..200_000) {
            let clear: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let (id, key) = (AttachmentId::new(), AttachmentKey::random().unwrap());
            let blocks = sealed(id, &key, &clear, step);
            prop_assert_eq!(opened(id, &key, size as u64, &blocks).unwrap(), clear);
        }
    }

    #[test]
    fn sizes_at_the_edges_come_back() {
        let (id, key) = (AttachmentId::new(), AttachmentKey::random().unwrap());
        let block = CHUNK * BLOCK_CHUNKS;
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, block - 1, block, block + 1, 2 * block] {
            let clear = vec![7; size];
            let blocks = sealed(id, &key, &clear, 100_000);
            assert_eq!(blocks.len(), size.div_ceil(block).max(1), "{size}");
            assert_eq!(opened(id, &key, size as u64, &blocks).unwrap(), clear, "{size}");
        }
    }

    #[test]
    fn a_chunk_that_is_moved_cut_off_or_of_another_opens_nowhere() {
        let (id, key) = (AttachmentId::new(), AttachmentKey::random().unwrap());
        let clear = vec![1; 3 * CHUNK];
        let blocks = sealed(id, &key, &clear, CHUNK);
        // Cut off: what was not the last does not pass for the last one.
        assert!(matches!(opened(id, &key, 2 * CHUNK as u64, &blocks), Err(SealError::DoesNotOpen)));
        // Swapped.
        let mut swapped = blocks.first().unwrap().clone();
        let (one, two) = swapped.split_at_mut(SEALED_CHUNK);
        one.swap_with_slice(two.get_mut(..SEALED_CHUNK).unwrap());
        assert!(matches!(opened(id, &key, clear.len() as u64, &[swapped]), Err(SealError::DoesNotOpen)));
        // Another attachment's, another key's.
        assert!(opened(AttachmentId::new(), &key, clear.len() as u64, &blocks).is_err());
        assert!(opened(id, &AttachmentKey::random().unwrap(), clear.len() as u64, &blocks).is_err());
        // Beyond the end.
        assert!(key.open(id, clear.len() as u64, 3, blocks.first().unwrap().get(..SEALED_CHUNK).unwrap()).is_err());
    }

    #[test]
    fn a_key_opens_for_its_exchange_and_class_alone() {
        let (id, exchange) = (AttachmentId::new(), ExchangeId::new());
        let (key, of) = (AttachmentKey::random().unwrap(), ExchangeKey::new(Secret::random().unwrap()));
        let wrapped = key.wrap(&of, exchange, DataClass::Sante, id).unwrap();
        assert!(AttachmentKey::unwrap_from(&of, exchange, DataClass::Sante, id, &wrapped).is_ok());
        assert!(AttachmentKey::unwrap_from(&of, exchange, DataClass::Social, id, &wrapped).is_err());
        assert!(AttachmentKey::unwrap_from(&of, ExchangeId::new(), DataClass::Sante, id, &wrapped).is_err());
        assert!(AttachmentKey::unwrap_from(&of, exchange, DataClass::Sante, AttachmentId::new(), &wrapped).is_err());
    }
}
