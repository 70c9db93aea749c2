//! A drop: the files that one partner leaves for another over SFTP, whoever they are, and how each side knows what it got.
//!
//! Files first, then the [manifest](Manifest) that lists them with size and digest, last the [signature](signature) over the exact
//! bytes of the manifest: a drop is there once its signature is. The receiver answers with an [acknowledgement](Acknowledgement).
//! Nothing here opens a directory, computes a digest or holds a key: the edge does, and hands in what it found.

pub mod acknowledgement;
pub mod manifest;
pub mod name;
pub mod received;
pub mod signature;

pub use acknowledgement::{Acknowledgement, Outcome, Remark};
pub use manifest::{Listed, Manifest};
pub use name::{DropName, Part, Sequence};
pub use received::{Earlier, Present, Turn};

#[cfg(test)]
mod tests;
