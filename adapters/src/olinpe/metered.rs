//! A source that counts lines and stops after so many bytes: what stands between two allowances can never fill the memory.

use std::io::{self, BufRead, Read};

/// Bytes of another source, counted.
pub(super) struct Metered<R> {
    inner: R,
    breaks: u64,
    left: usize,
}

impl<R> Metered<R> {
    /// Nothing is read before an allowance.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, breaks: 0, left: 0 }
    }

    /// Lets at most so many more bytes through; then reading fails with `FileTooLarge`.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }

    /// The line that is being read, from 1.
    pub(super) fn line(&self) -> u64 {
        self.breaks + 1
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        if self.left == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.get(..self.left).unwrap_or(bytes))
    }

    fn consume(&mut self, amount: usize) {
        // What was filled and not consumed is given again without reading: these are the bytes that go.
        let bytes = self.inner.fill_buf().ok().and_then(|bytes| bytes.get(..amount)).unwrap_or_default();
        self.breaks += u64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or_default();
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let amount = bytes.len().min(into.len());
        if let (Some(from), Some(to)) = (bytes.get(..amount), into.get_mut(..amount)) {
            to.copy_from_slice(from);
        }
        self.consume(amount);
        Ok(amount)
    }
}
