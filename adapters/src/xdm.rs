//! MSSanté: the archive `IHE_XDM.zip` that a hospital joins to a secure mail, and what a mail about it says.
//!
//! [`read`] takes an archive apart into one [`Letter`](crate::reading::Letter); [`write()`] makes the archive of a document as its
//! reader may see it. A mail is the edge's matter: here are bytes, the form of its [subject](Subject), and what a notice of
//! disposition says ([`disposition`]). What becomes what stands in the room's README.

mod archive;
mod cda;
mod mail;
mod metadata;
mod read;
mod write;

pub use archive::{MAX_BYTES, MAX_FILES, MAX_INFLATED};
pub use mail::{Disposed, Disposition, Subject, disposition};
pub use read::read;
pub use write::{Issue, Joined, write};

/// The media type of an archive.
pub const MEDIA_TYPE: &str = "application/zip";

/// Coding scheme of exchange types: their codes are those of the catalogue. A UUID, since CDA and XDS have no URN for it.
pub const TYPE: &str = "dc4fc7d7-67ae-4e2a-8639-b4c1599ed72e";
/// Coding scheme of sections.
pub const SECTION: &str = "ee29cef5-8266-407b-b695-618ec25f841c";
/// Coding scheme of roles of persons (CL-role).
pub const ROLE: &str = "95880f27-36ae-4bef-869c-341835ba6fa1";
/// The gateway as a source of documents, as an OID made of a UUID (`2.25.`).
const SOURCE: &str = "2.25.21523147939305628411295185782601968544";

#[cfg(test)]
mod tests;
